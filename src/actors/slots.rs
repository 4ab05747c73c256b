//! How many people of one org are worked on.
//!
//! **Invariant:** a slot is free again when whoever holds it drops it, and the dispatcher is told.

use crate::mailbox::Bell;
use prometheus::IntGauge;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The slots of one org. Cheap to clone.
#[derive(Clone)]
pub struct Slots(Arc<Shared>);

struct Shared {
    taken: AtomicUsize,
    shown: IntGauge,
    freed: Bell,
}

impl Slots {
    /// None is taken; `freed` is rung whenever one is free again.
    pub fn new(shown: IntGauge, freed: Bell) -> Self {
        Self(Arc::new(Shared { taken: AtomicUsize::new(0), shown, freed }))
    }

    /// Takes one.
    pub fn take(&self) -> Slot {
        self.0.taken.fetch_add(1, Ordering::SeqCst);
        self.0.shown.inc();
        Slot(self.0.clone())
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::SeqCst)
    }
}

/// One that is taken.
pub struct Slot(Arc<Shared>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
        self.0.shown.dec();
        self.0.freed.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_again_when_a_panic_drops_it_and_the_dispatcher_is_told() {
        let (shown, rung) = (IntGauge::new("runs", "runs").expect("a gauge"), Arc::new(AtomicUsize::new(0)));
        let counted = rung.clone();
        let freed = Bell::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let slots = Slots::new(shown.clone(), freed);
        let kept = slots.take();
        let lost = slots.take();
        assert_eq!((slots.taken(), shown.get()), (2, 2));
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _lost = lost;
            panic!("a run")
        }));
        assert!(ended.is_err());
        assert_eq!((slots.taken(), shown.get(), rung.load(Ordering::SeqCst)), (1, 1, 1));
        drop(kept);
        assert_eq!((slots.taken(), rung.load(Ordering::SeqCst)), (0, 2));
    }
}
