//! The only way into an actor's mailbox.
//!
//! actix mailboxes do not bound: any number of messages can be put into one. Here a permit travels inside each message
//! and is given back when the message has been handled, so every edge is bounded and the wait for it is measured.
#![expect(clippy::disallowed_methods, reason = "this is the only place that touches an Addr")]

use actix::{Actor, Addr, Context, Handler, Message};
use prometheus::Histogram;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A message with the permit it needed.
pub struct Carried<M> {
    pub body: M,
    _permit: OwnedSemaphorePermit,
}

impl<M> Message for Carried<M> {
    type Result = ();
}

/// A bounded entrance to the mailbox of an actor.
pub struct Gate<A: Actor> {
    address: Addr<A>,
    permits: Arc<Semaphore>,
    wait: Histogram,
}

impl<A: Actor> Clone for Gate<A> {
    fn clone(&self) -> Self {
        Self { address: self.address.clone(), permits: self.permits.clone(), wait: self.wait.clone() }
    }
}

impl<A: Actor<Context = Context<A>>> Gate<A> {
    /// A gate that lets `capacity` messages wait or be handled at a time.
    pub fn new(address: Addr<A>, capacity: usize, wait: Histogram) -> Self {
        Self { address, permits: Arc::new(Semaphore::new(capacity)), wait }
    }

    /// Sends `body`, waiting for room. If the actor is gone the message is lost: it is never the only copy of work.
    pub async fn send<M>(&self, body: M)
    where
        A: Handler<Carried<M>>,
        M: Send + 'static,
    {
        let timer = self.wait.start_timer();
        let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
        timer.observe_duration();
        self.address.do_send(Carried { body, _permit: permit });
    }

    /// Sends a signal that may be dropped when the mailbox is full: whoever reads what is in it learns the same.
    pub fn signal<M>(&self, body: M)
    where
        A: Handler<Carried<M>>,
        M: Send + 'static,
    {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            self.address.do_send(Carried { body, _permit: permit });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::HistogramOpts;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    struct Slow(Arc<AtomicUsize>);

    impl Actor for Slow {
        type Context = Context<Self>;
    }

    impl Handler<Carried<usize>> for Slow {
        type Result = ();
        fn handle(&mut self, message: Carried<usize>, _: &mut Self::Context) {
            self.0.fetch_add(message.body, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_full_mailbox_makes_senders_wait_and_drops_only_signals() {
        let sum = Arc::new(AtomicUsize::new(0));
        actix::System::new().block_on(async {
            let wait = Histogram::with_opts(HistogramOpts::new("w", "w")).expect("a histogram");
            let gate = Gate::new(Slow(sum.clone()).start(), 2, wait);
            for _ in 0..10 {
                gate.signal(1); // the actor cannot run in between: only two fit
            }
            assert_eq!(gate.permits.available_permits(), 0);
            for _ in 0..10 {
                tokio::time::timeout(Duration::from_secs(5), gate.send(100)).await.expect("room comes back");
            }
            while gate.permits.available_permits() < 2 {
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(sum.load(Ordering::SeqCst), 1002);
    }
}
