//! What happens when a part of the service fails by a mistake of its own: one rule for each part, all of them here.
//!
//! | part | when it panics | why |
//! |---|---|---|
//! | the store's thread | the process ends | nothing that follows could be trusted, and a start reads the file |
//! | a run | its person is quarantined | the next try would likely fail as well; everybody else goes on |
//! | a writer, a dispatcher, a poller | what it was at is dropped, it goes on with what waits | whoever waits for an answer learns that there will be none and reads the account, claims without a run are released, pages are asked for again |
//! | a call, a claim, a page, a delivery (tasks of those) | its actor is told that it failed | the same |
//! | timekeeper, forecasts, reconciler, opener, reader of groups, sealer, gauges, watchdog | started again, later each time | they hold nothing but their settings |
//! | the start, and any of these actors outside of all that | the process ends | crash-only, as the store |
//!
//! For a while after it the service is not ready and says so; it is counted in `actor_failures_total`.

use super::readiness::Readiness;
use crate::clock::{Clock, Moment};
use crate::metrics::Metrics;
use crate::retry;
use std::any::Any;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

/// For how long a failure is told.
const REPORTED: Duration = Duration::from_secs(120);
/// Whoever works for so long after a failure has left it behind.
const STEADY: Duration = Duration::from_secs(600);
/// How often it is looked whether an actor is gone.
const TICK: Duration = Duration::from_secs(1);

/// Actors whose messages are attempted one by one.
const ACTORS: [&str; 5] = ["audit sink", "dispatcher", "notifier", "poller", "writer"];

/// Looks after the parts of one service. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor {
    clock: Clock,
    metrics: Metrics,
    readiness: Readiness,
    failed: Arc<Mutex<Failed>>,
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
        let (clock, metrics, readiness) = (clock.clone(), metrics.clone(), readiness.clone());
        let supervisor = Self { clock, metrics, readiness: readiness.clone(), failed: Arc::default() };
        // From nothing to one is no increase that an alert could see.
        for actor in ACTORS {
            supervisor.metrics.actor_failures.with_label_values(&[actor]);
        }
        let asked = supervisor.clone();
        readiness.watch("service parts", move || asked.message());
        let watched = supervisor.clone();
        tokio::spawn(async move {
            loop {
                if let Some(name) = watched.with(|failed| failed.gone.take()) {
                    tracing::error!("{name} is gone; the process ends and can be started again on the same store");
                    std::process::exit(70);
                }
                tokio::time::sleep(TICK).await;
            }
        });
        supervisor
    }

    /// The clock that the service goes by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where the service counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Where it is told what is missing.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    fn with<T>(&self, f: impl FnOnce(&mut Failed) -> T) -> T {
        f(&mut self.failed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What has failed lately.
    fn message(&self) -> Option<String> {
        let now = self.clock.monotonic();
        let parts = self.with(|failed| {
            failed.parts.retain(|_, (at, _)| now.since(*at) < REPORTED);
            failed.parts.iter().map(|(name, (_, why))| format!("{name}: {why}")).collect::<Vec<_>>()
        });
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// A part has failed. `actor` is its kind, `name` which one it is.
    pub fn failed(&self, actor: &'static str, name: &str, why: &str) {
        tracing::error!(actor, name, why, "a part of the service failed by a mistake; it goes on. Please report it");
        self.metrics.actor_failures.with_label_values(&[actor]).inc();
        let message = (self.clock.monotonic(), format!("it failed and goes on ({why}); please report it"));
        self.with(|failed| failed.parts.insert(format!("{actor} {name}"), message));
    }

    /// Does a piece of an actor's work; if it panics, the actor goes on without it.
    pub fn attempt<T>(&self, actor: &'static str, name: &str, work: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(done) => Some(done),
            Err(panic) => {
                self.failed(actor, name, &words(&*panic));
                None
            }
        }
    }

    /// The same for work that takes time.
    pub async fn attempt_async<F: Future>(&self, actor: &'static str, name: &str, work: F) -> Option<F::Output> {
        match caught(work).await {
            Ok(done) => Some(done),
            Err(why) => {
                self.failed(actor, name, &why);
                None
            }
        }
    }

    /// Runs a task that works for as long as the service does, again whenever it ends: by a panic, or with the reason that it
    /// gives. One that has nothing to do any more returns `Ok`.
    pub fn keep<F, Fut>(&self, actor: &'static str, name: &str, task: F)
    where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), String>> + Send,
    {
        let (supervisor, name) = (self.clone(), name.to_owned());
        supervisor.metrics.actor_failures.with_label_values(&[actor]);
        tokio::spawn(async move {
            let mut attempt = 0;
            loop {
                let begun = supervisor.clock.monotonic();
                match caught(task()).await {
                    Ok(Ok(())) => return,
                    Ok(Err(why)) | Err(why) => supervisor.failed(actor, &name, &why),
                }
                let worked = supervisor.clock.monotonic().since(begun);
                attempt = if worked > STEADY { 0 } else { attempt + 1 };
                supervisor.clock.sleep(retry::delay(attempt).min(REPORTED / 2)).await;
            }
        });
    }

    /// Runs what must not fail: if it panics, the process ends.
    pub async fn must<F: Future>(self, actor: &'static str, name: &str, work: F) -> Option<F::Output> {
        let done = self.attempt_async(actor, name, work).await;
        if done.is_none() {
            self.with(|failed| failed.gone = Some(format!("{actor} {name}")));
        }
        done
    }

    /// Held by an actor for as long as it lives: without it the process cannot go on.
    pub fn post(&self, actor: &'static str, name: &str) -> Post {
        Post { supervisor: self.clone(), name: format!("{actor} {name}") }
    }
}

/// That an actor is at its post.
pub struct Post {
    supervisor: Supervisor,
    name: String,
}

impl Drop for Post {
    fn drop(&mut self) {
        // Whoever ends in good order goes with the whole service.
        if std::thread::panicking() {
            let name = std::mem::take(&mut self.name);
            self.supervisor.with(|failed| failed.gone = Some(name));
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

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
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
        assert_eq!(supervisor.attempt("writer", "main/users", || 7), Some(7));
        assert!(readiness.is_ready());
        let none: Option<()> = supervisor.attempt("writer", "main/users", || panic!("one call"));
        assert_eq!(none, None);
        let none: Option<()> = supervisor.attempt_async("poller", "acme", async { panic!("one page") }).await;
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
                    1 => Err("there is no key".to_owned()),
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
