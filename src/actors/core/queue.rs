//! What waits for one counter, and which of it leaves next: the core of a writer, without any I/O.
//!
//! **Invariant:** the most urgent class goes first, within it who came first; nobody waits for what holds up others only.

use crate::clock::Moment;
use crate::domain::Priority;
use crate::okta::health::Admission;
use std::collections::{BTreeMap, BTreeSet};

/// For so long after people were sent away nothing is only looked at: a whole window has passed without them then.
const CONTENDED_MICROS: i64 = 75_000_000;

/// A kind of call within its counter, and whether it writes: what holds up one of a kind holds up all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub kind: &'static str,
    pub write: bool,
    /// What it does, in one word.
    pub action: &'static str,
    /// For whom it is.
    pub whom: Whom,
}

/// For whom a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    /// It looks at the org.
    Nobody,
    Person,
    /// It takes what is left of somebody's access, or proves that it is over.
    Leaver,
}

/// Whether calls of a kind and class may leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// Not before this; `None` if only an answer can tell.
    Shut(Option<Moment>),
}

/// What decides over a call: pauses, the window, and whether people were sent away lately.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub admission: Admission,
    pub permits: u32,
    /// When there may be permits again.
    pub wake: Option<Moment>,
    /// When somebody was last sent away because the window was spent.
    pub sent_away: Option<Moment>,
}

/// Whether a call of `priority` may leave at `now`.
pub fn gate(view: &View, priority: Priority, now: Moment) -> Gate {
    // Looking around would take calls from people who wait.
    let contended = view
        .sent_away
        .map(|at| Moment::from_micros(at.micros() + CONTENDED_MICROS))
        .filter(|until| priority == Priority::Inspect && now < *until);
    match (view.admission, contended, view.permits) {
        (Admission::Wait(until), ..) => Gate::Shut(Some(until)),
        (_, Some(until), _) => Gate::Shut(Some(until)),
        (_, None, 0) => Gate::Shut(view.wake),
        _ => Gate::Open,
    }
}

/// Names what waits.
pub type Key = (Priority, u64);

/// What waits, by class and arrival.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: BTreeMap<Key, (Call, T)>,
    arrivals: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), arrivals: 0 }
    }
}

impl<T> Queue<T> {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Somebody comes to wait.
    pub fn push(&mut self, priority: Priority, call: Call, item: T) {
        self.arrivals += 1;
        self.waiting.insert((priority, self.arrivals), (call, item));
    }

    /// Everything that waits.
    pub fn items(&self) -> impl Iterator<Item = &T> {
        self.waiting.values().map(|(_, item)| item)
    }

    /// Takes somebody out.
    pub fn take(&mut self, key: Key) -> Option<T> {
        self.waiting.remove(&key).map(|(_, item)| item)
    }

    /// Who leaves next; if nobody may, the first moment at which somebody may without an answer arriving.
    pub fn next(&self, mut gate: impl FnMut(Priority, Call) -> Gate) -> Result<(Key, Call), Option<Moment>> {
        let (mut shut, mut wake) = (BTreeSet::new(), None::<Moment>);
        for (key, (call, _)) in &self.waiting {
            if shut.contains(&(key.0, *call)) {
                continue;
            }
            match gate(key.0, *call) {
                Gate::Open => return Ok((*key, *call)),
                Gate::Shut(until) => {
                    wake = wake.into_iter().chain(until).min();
                    shut.insert((key.0, *call));
                }
            }
        }
        Err(wake)
    }

    /// Takes out everybody of whom `admits` holds.
    pub fn take_all(&mut self, mut admits: impl FnMut(Priority, Call, &T) -> bool) -> Vec<T> {
        let keys = self.waiting.iter().filter(|(key, (call, item))| admits(key.0, *call, item));
        let keys: Vec<Key> = keys.map(|(key, _)| *key).collect();
        keys.into_iter().filter_map(|key| self.take(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Moment = Moment::from_secs(1000);
    const WRITE: Call = Call { kind: "object", write: true, action: "update", whom: Whom::Person };
    const READ: Call = Call { kind: "list", write: false, action: "list", whom: Whom::Nobody };

    fn view() -> View {
        View { admission: Admission::Yes, permits: 5, wake: None, sent_away: None }
    }

    #[test]
    fn the_most_urgent_goes_first_and_then_who_came_first() {
        let mut queue = Queue::default();
        for (priority, name) in
            [(Priority::Grant, "a"), (Priority::Revoke, "b"), (Priority::Grant, "c"), (Priority::Revoke, "d")]
        {
            queue.push(priority, WRITE, name);
        }
        let mut order = Vec::new();
        while let Ok((key, _)) = queue.next(|_, _| Gate::Open) {
            order.extend(queue.take(key));
        }
        assert_eq!(order, ["b", "d", "a", "c"]);
    }

    #[test]
    fn what_holds_up_writes_does_not_hold_up_reads() {
        let mut queue = Queue::default();
        queue.push(Priority::Revoke, WRITE, "write");
        queue.push(Priority::Inspect, READ, "read");
        let later = NOW + Duration::from_secs(9);
        let reads_only = |_, call: Call| if call.write { Gate::Shut(Some(later)) } else { Gate::Open };
        let (key, _) = queue.next(reads_only).expect("the read");
        assert_eq!(queue.take(key), Some("read"));
        assert_eq!(queue.next(reads_only), Err(Some(later)));
        assert_eq!(queue.next(|_, _| Gate::Shut(None)), Err(None), "only an answer can tell");
    }

    #[test]
    fn a_pause_holds_everything_and_a_spent_window_until_it_may_open() {
        let until = NOW + Duration::from_secs(3);
        assert_eq!(
            gate(&View { admission: Admission::Wait(until), ..view() }, Priority::Revoke, NOW),
            Gate::Shut(Some(until))
        );
        assert_eq!(gate(&View { admission: Admission::Try, ..view() }, Priority::Grant, NOW), Gate::Open);
        let spent = View { permits: 0, wake: Some(until), ..view() };
        assert_eq!(gate(&spent, Priority::Grant, NOW), Gate::Shut(Some(until)));
    }

    #[test]
    fn nothing_is_only_looked_at_while_people_are_sent_away() {
        let busy = View { sent_away: Some(NOW), ..view() };
        assert!(matches!(gate(&busy, Priority::Inspect, NOW + Duration::from_secs(70)), Gate::Shut(Some(_))));
        assert_eq!(gate(&busy, Priority::Describe, NOW), Gate::Open);
        assert_eq!(gate(&busy, Priority::Inspect, NOW + Duration::from_secs(76)), Gate::Open);
    }

    #[test]
    fn some_can_be_taken_out_of_the_middle() {
        let mut queue = Queue::default();
        for n in 0..6 {
            queue.push(Priority::Grant, WRITE, n);
        }
        assert_eq!(queue.take_all(|_, _, n| n % 2 == 0), [0, 2, 4]);
        assert_eq!(queue.len(), 3);
    }
}
