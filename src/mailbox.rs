//! The only way into an actor's mailbox, and the only way for what an actor has done elsewhere to come back to it.
//!
//! actix mailboxes do not bound: any number of messages can be put into one. Here a permit travels inside each message
//! and is given back when the message has been handled, so every edge is bounded and the wait for it is measured.
//!
//! What an actor waits for is no message: `answer` does it on the pool and goes on in the actor with what came of it.
#![expect(clippy::disallowed_methods, reason = "this is the only place that touches an Addr")]

use actix::{Actor, ActorFuture, Addr, AsyncContext, Context, Handler, Message};
use prometheus::Histogram;
use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

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

impl<A: Actor<Context = Context<A>>> Gate<A> {
    /// Rings by sending this signal: whoever holds the bell need not know the actor.
    pub fn bell<M>(&self, message: M) -> Bell
    where
        A: Handler<Carried<M>>,
        M: Clone + Send + Sync + 'static,
    {
        let gate = self.clone();
        Bell::new(move || gate.signal(message.clone()))
    }
}

/// Signals an actor. Cheap to clone.
#[derive(Clone)]
pub struct Bell(Arc<dyn Fn() + Send + Sync>);

impl Bell {
    /// Rings by doing this.
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(ring))
    }

    /// Signals it; nothing happens if it is gone, or if so much waits for it that it will look anyway.
    pub fn ring(&self) {
        (self.0)();
    }
}

/// Does `work` on the pool, and then `go_on` in the actor: with what came of it, or with the words of the panic that ended it.
///
/// The actor stays alive until then. If it stops before, the work is done to its end and nobody goes on from there.
pub fn answer<A, F, G>(ctx: &mut Context<A>, work: F, go_on: G)
where
    A: Actor<Context = Context<A>>,
    F: Future<Output: Send + 'static> + Send + 'static,
    G: FnOnce(&mut A, Result<F::Output, String>, &mut Context<A>) + Unpin + 'static,
{
    // While the service ends, actix looks once more into actors that are dropped: nothing begins there any more.
    let Ok(runtime) = Handle::try_current() else { return };
    ctx.spawn(Answer { work: runtime.spawn(work), go_on: Some(go_on) });
}

/// Work that an actor waits for.
struct Answer<T, G> {
    work: JoinHandle<T>,
    go_on: Option<G>,
}

impl<A, T, G> ActorFuture<A> for Answer<T, G>
where
    A: Actor<Context = Context<A>>,
    G: FnOnce(&mut A, Result<T, String>, &mut Context<A>) + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, actor: &mut A, ctx: &mut Context<A>, task: &mut task::Context) -> Poll<()> {
        let done = ready!(Pin::new(&mut self.work).poll(task));
        let Some(go_on) = self.go_on.take() else { return Poll::Ready(()) };
        match done.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(done) => go_on(actor, Ok(done), ctx),
            Err(Ok(panic)) => go_on(actor, Err(words(&*panic)), ctx),
            // Nobody cancels it: the service ends, and this actor with it.
            Err(Err(_)) => {}
        }
        Poll::Ready(())
    }
}

/// What a panic said.
pub fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
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

    struct Asking(Vec<Result<u32, String>>, tokio::sync::mpsc::UnboundedSender<Vec<Result<u32, String>>>);

    impl Actor for Asking {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Self::Context) {
            answer(ctx, async { 7 }, |asking, seven, ctx| {
                asking.0.push(seven);
                answer(ctx, async { panic!("a mistake") }, |asking, none, ctx| {
                    asking.0.push(none);
                    let _ = asking.1.send(std::mem::take(&mut asking.0));
                    answer(ctx, async { 8 }, |_, _: Result<i32, String>, _| {});
                });
            });
        }
    }

    #[test]
    fn an_actor_without_an_address_lives_until_it_has_its_answers_and_learns_of_a_panic() {
        actix::System::new().block_on(async {
            let (heard, mut all) = tokio::sync::mpsc::unbounded_channel();
            Asking(Vec::new(), heard).start();
            let answers = tokio::time::timeout(Duration::from_secs(5), all.recv()).await.expect("in time");
            assert_eq!(answers, Some(vec![Ok(7), Err("a mistake".to_owned())]));
            let ended = tokio::time::timeout(Duration::from_secs(5), all.recv()).await.expect("in time");
            assert_eq!(ended, None, "nothing is waited for any more, and the actor is dropped");
        });
    }
}
