//! The console's own threads: whatever reads the store or fills a page for a browser runs here, and nowhere else.
//!
//! **Invariant:** however many browsers ask, at most so many reads run and so many wait; whoever comes on top is told to come
//! back, and the pipeline, metrics and the admin API are not held up by any of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Reads that run at the same time.
const THREADS: usize = 2;
/// Reads that wait for one of them.
const WAITING: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// Why nothing came of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// More is asked than can be answered.
    Busy,
    /// It has panicked.
    Broken,
}

/// Where jobs run.
#[derive(Clone)]
pub struct Threads(SyncSender<Job>);

impl Threads {
    /// Starts them; they end with the last handle.
    pub fn start() -> std::io::Result<Self> {
        let (send, receive) = sync_channel(WAITING);
        let receive = Arc::new(Mutex::new(receive));
        for n in 0..THREADS {
            let receive = receive.clone();
            std::thread::Builder::new().name(format!("console-{n}")).spawn(move || work(&receive))?;
        }
        Ok(Self(send))
    }

    /// Does something there.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Undone> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            let done = job();
            // A browser that is gone has dropped the other end.
            let _ = answer.send(done);
        });
        self.0.try_send(job).map_err(|_| Undone::Busy)?;
        answered.await.map_err(|_| Undone::Broken)
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a page of the console could not be made: its code has panicked; the console goes on");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_panics_is_told_and_the_next_ones_are_done() {
        let threads = Threads::start().expect("starts");
        for _ in 0..2 * THREADS {
            assert_eq!(
                threads
                    .run(|| if true {
                        panic!("broken")
                    })
                    .await,
                Err(Undone::Broken)
            );
        }
        assert_eq!(threads.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn more_than_can_wait_are_told_to_come_back() {
        let threads = Threads::start().expect("starts");
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let mut all = Vec::new();
        for _ in 0..THREADS + WAITING + 1 {
            let (threads, gate) = (threads.clone(), gate.clone());
            all.push(tokio::spawn(async move { threads.run(move || gate.lock().expect("a gate").recv()).await.err() }));
        }
        // One at least finds no place; how many depends on how soon the threads take theirs.
        while !all.iter().any(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
        drop(open);
        let mut refused = Vec::new();
        for one in all {
            refused.extend(one.await.expect("ends"));
        }
        assert!(
            (1..=THREADS + 1).contains(&refused.len()) && refused.iter().all(|why| *why == Undone::Busy),
            "{refused:?}"
        );
    }
}
