//! What happens when a part of the service fails by a mistake of its own: one rule for each part, all of them here.
//!
//! | part | when it panics | why |
//! |---|---|---|
//! | the store's thread | the process ends | nothing that follows could be trusted, and a start reads the file |
//! | a run | its person is quarantined | the next try would likely fail as well; everybody else goes on |
//! | a writer, a dispatcher, a poller | what it was at is dropped, it goes on with what waits | whoever waits for an answer learns that there will be none and reads the account, claims without a run are released, pages are asked for again |
//! | a call, a claim, a page (work that those wait for) | its actor is told that it failed | the same |
//! | whatever is kept: timekeeper, audit sinks, notifiers, forecasts, reconciler, searcher, opener, reader of groups, sealer, gauges, watchdog | started again, later each time | they hold nothing but their settings: where they were is in the store |
//! | what is done once, as the proof of a list | it is counted and left | the next start, or the next reading of the org, does it |
//! | the start, and any of these actors outside of all that | the process ends with code 70 | crash-only, as the store |
//!
//! For a while after it the service is not ready and says so; it is counted in `actor_failures_total`. Nothing in this room is
//! started in another way.

use super::readiness::Readiness;
use crate::clock::{Clock, Moment};
use crate::failpoint;
use crate::mailbox::{self, words};
use crate::metrics::Metrics;
use crate::retry;
use actix::{Actor, AsyncContext, Context};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Why a task that is kept has ended, or could not do what it was at. Nobody looks into it: whoever keeps the task writes
/// its words down and begins again.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// For how long a failure is told.
const REPORTED: Duration = Duration::from_secs(120);
/// Whoever works for so long after a failure has left it behind.
const STEADY: Duration = Duration::from_secs(600);
/// How often it is looked whether an actor is gone.
const TICK: Duration = Duration::from_secs(1);

/// What the process ends with when something is gone that it cannot go on without.
const GONE: i32 = 70;

/// Looks after the parts of one service. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor {
    clock: Clock,
    metrics: Metrics,
    failed: Arc<Mutex<Failed>>,
    /// Whether what is kept is to end.
    ended: watch::Sender<bool>,
}

#[derive(Default)]
struct Failed {
    /// When each part failed last, and why.
    parts: BTreeMap<String, (Moment, String)>,
    /// An actor that is gone for good.
    gone: Option<String>,
}

impl Supervisor {
    /// Begins to look after a service, which is not ready while a part has failed lately.
    pub fn start(clock: &Clock, metrics: &Metrics, readiness: &Readiness) -> Self {
        let (clock, metrics, ended) = (clock.clone(), metrics.clone(), watch::Sender::new(false));
        let supervisor = Self { clock, metrics, failed: Arc::default(), ended };
        let asked = supervisor.clone();
        readiness.watch("service parts", move || asked.message());
        let watched = supervisor.clone();
        tokio::spawn(async move {
            loop {
                if let Some(name) = watched.with(|failed| failed.gone.clone()) {
                    tracing::error!("{name} is gone; the process ends and can be started again on the same store");
                    std::process::exit(GONE);
                }
                tokio::time::sleep(TICK).await;
            }
        });
        supervisor
    }

    fn with<T>(&self, f: impl FnOnce(&mut Failed) -> T) -> T {
        f(&mut self.failed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What has failed lately.
    fn message(&self) -> Option<String> {
        let now = self.clock.monotonic();
        let parts = self.with(|failed| {
            failed.parts.retain(|_, (at, _)| now.since(*at) < REPORTED);
            let gone = failed.gone.iter().map(|name| format!("{name} is gone: the process ends"));
            gone.chain(failed.parts.iter().map(|(name, (_, why))| format!("{name}: {why}"))).collect::<Vec<_>>()
        });
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// A part of this kind, and which one it is.
    pub fn part(&self, kind: &'static str, name: &str) -> Part {
        // From nothing to one is no increase that an alert could see.
        self.metrics.parts.failures.with_label_values(&[kind]);
        Part { supervisor: self.clone(), kind, name: name.into() }
    }

    /// Runs a task that works for as long as the service does, again whenever it ends: by a panic, or with the reason that it
    /// gives. One that has nothing to do any more returns `Ok`.
    pub fn keep<F, Fut>(&self, kind: &'static str, name: &str, task: F)
    where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), TaskError>> + Send,
    {
        let part = self.part(kind, name);
        let (clock, mut ended) = (self.clock.clone(), self.ended.subscribe());
        let kept = async move {
            let mut attempt = 0;
            loop {
                let begun = clock.monotonic();
                match part.attempt_async(task()).await {
                    Some(Ok(())) => return,
                    Some(Err(why)) => part.failed(&why.to_string()),
                    None => {}
                }
                attempt = if clock.monotonic().since(begun) > STEADY { 0 } else { attempt + 1 };
                clock.sleep(retry::delay(attempt).min(REPORTED / 2)).await;
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                _ = ended.wait_for(|ended| *ended) => {}
                () = kept => {}
            }
        });
    }

    /// Ends whatever is kept, where it waits for something: the service is at its end, and where they were is in the store.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Does something once; if it panics, that is counted and everything else goes on.
    pub fn once(&self, kind: &'static str, name: &str, work: impl Future<Output = ()> + Send + 'static) {
        let part = self.part(kind, name);
        // Without a runtime the service is at its end.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move { part.attempt_async(work).await });
    }

    /// Does what must get to its end, on the thread of the actors; if it panics, the process ends.
    pub fn must(&self, kind: &'static str, name: &str, work: impl Future<Output = ()> + 'static) {
        let part = self.part(kind, name);
        actix::spawn(async move {
            if part.attempt_async(work).await.is_none() {
                part.is_gone();
            }
        });
    }
}

/// One part of the service, which does its work piece by piece. Cheap to clone.
#[derive(Clone)]
pub struct Part {
    supervisor: Supervisor,
    kind: &'static str,
    name: Arc<str>,
}

impl Part {
    /// It has failed at a piece of its work, and goes on.
    pub fn failed(&self, why: &str) {
        let (actor, name) = (self.kind, &*self.name);
        tracing::error!(actor, name, why, "a part of the service failed by a mistake; it goes on. Please report it");
        self.supervisor.metrics.parts.failures.with_label_values(&[actor]).inc();
        let message = format!("it failed and goes on ({why}); please report it");
        let at = self.supervisor.clock.monotonic();
        self.supervisor.with(|failed| failed.parts.insert(format!("{actor} {name}"), (at, message)));
    }

    /// Does a piece of its work; if that panics, it goes on without it.
    pub fn attempt<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let begun = || {
            failpoint::begin(self.kind);
            work()
        };
        match catch_unwind(AssertUnwindSafe(begun)) {
            Ok(done) => Some(done),
            Err(panic) => {
                self.failed(&words(&*panic));
                None
            }
        }
    }

    /// The same for work that takes time.
    pub async fn attempt_async<F: Future>(&self, work: F) -> Option<F::Output> {
        let begun = async {
            failpoint::begin(self.kind);
            work.await
        };
        match caught(begun).await {
            Ok(done) => Some(done),
            Err(why) => {
                self.failed(&why);
                None
            }
        }
    }

    /// Does what an actor waits for, and goes on in the actor with what came of it; nothing if it has failed by a mistake.
    pub fn answer<A, F, G>(&self, ctx: &mut Context<A>, work: F, go_on: G)
    where
        A: Actor<Context = Context<A>>,
        F: Future<Output: Send + 'static> + Send + 'static,
        G: FnOnce(&mut A, Option<F::Output>, &mut Context<A>) + Unpin + 'static,
    {
        let part = self.clone();
        let begun = async move {
            failpoint::begin(part.kind);
            work.await
        };
        let part = self.clone();
        mailbox::answer(ctx, begun, move |actor, done, ctx| {
            go_on(actor, done.map_err(|why| part.failed(&why)).ok(), ctx);
        });
    }

    /// Has an actor look every now and then, in real time. Each look is attempted.
    pub fn every<A>(&self, ctx: &mut Context<A>, tick: Duration, work: impl Fn(&mut A, &mut Context<A>) + 'static)
    where
        A: Actor<Context = Context<A>>,
    {
        let part = self.clone();
        ctx.run_interval(tick, move |actor, ctx| {
            failpoint::begin(&format!("all of {}", part.kind));
            part.attempt(|| work(actor, ctx));
        });
    }

    /// Held by an actor for as long as it lives: without it the process cannot go on.
    pub fn post(&self) -> Post {
        Post(self.clone())
    }

    fn is_gone(&self) {
        let name = format!("{} {}", self.kind, self.name);
        self.supervisor.with(|failed| failed.gone = Some(name));
    }
}

/// That an actor is at its post.
pub struct Post(Part);

impl Drop for Post {
    fn drop(&mut self) {
        // Whoever ends in good order goes with the whole service.
        if std::thread::panicking() {
            self.0.is_gone();
        }
    }
}

/// Waits for something; a panic in it is the error.
async fn caught<F: Future>(work: F) -> Result<F::Output, String> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(Err(words(&*panic))),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::Notify;

    fn supervised() -> (Supervisor, Readiness, Metrics) {
        let (metrics, readiness) = (Metrics::new(), Readiness::default());
        let clock = Clock::scaled(Moment::from_secs(1000), 1000.0);
        (Supervisor::start(&clock, &metrics, &readiness), readiness, metrics)
    }

    #[tokio::test]
    async fn work_that_panics_is_told_and_counted_and_whoever_did_it_goes_on() {
        let (supervisor, readiness, metrics) = supervised();
        let writer = supervisor.part("writer", "main/users");
        assert_eq!(writer.attempt(|| 7), Some(7));
        assert!(readiness.is_ready());
        let none: Option<()> = writer.attempt(|| panic!("one call"));
        assert_eq!(none, None);
        let poller = supervisor.part("poller", "acme");
        let none: Option<()> = poller.attempt_async(async { panic!("one page") }).await;
        assert_eq!(none, None);
        let reasons = readiness.reasons();
        let message = &reasons["service parts"];
        assert!(
            message.contains("writer main/users: it failed and goes on (one call)") && message.contains("poller acme")
        );
        assert!(metrics.text().contains("actor_failures_total{actor=\"writer\"} 1"));
        while !readiness.is_ready() {
            tokio::time::sleep(Duration::from_millis(10)).await; // two minutes, by the clock of the test
        }
    }

    #[tokio::test]
    async fn a_task_that_ends_by_a_mistake_is_started_again() {
        let (supervisor, readiness, _) = supervised();
        let (begun, runs) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let (counted, message) = (begun.clone(), runs.clone());
        supervisor.keep("sealer", "", move || {
            let (number, message) = (counted.fetch_add(1, Ordering::SeqCst), message.clone());
            async move {
                match number {
                    0 => panic!("a mistake"),
                    1 => Err("there is no key".into()),
                    _ => {
                        message.notify_one();
                        Ok(())
                    }
                }
            }
        });
        runs.notified().await;
        assert_eq!(begun.load(Ordering::SeqCst), 3);
        assert!(readiness.reasons()["service parts"].contains("there is no key"), "{:?}", readiness.reasons());
    }
}
