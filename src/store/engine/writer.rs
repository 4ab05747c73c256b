//! The one thread that writes: what waits together is committed together.
//!
//! **Invariant:** an answer arrives only after the commit that made it true has reached the disk (WAL, `synchronous=FULL`). Each
//! job is all or nothing.

use super::condition::{Condition, holder};
use super::error::StoreError;
use super::opening;
use super::trouble::{Failure, Trouble};
use super::tx::{Tx, alone};
use crate::metrics::StoreMetrics;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Jobs committed together at most.
const GROUP: usize = 256;
/// Jobs waiting at most.
const QUEUE: usize = 1024;
/// How often it is logged that a lock is waited for.
const LOCK_REPORTED: Duration = Duration::from_secs(30);

type After = Box<dyn FnOnce(Result<(), Failure>) + Send>;
/// Gets nothing to write with where there is no transaction (any more): then it only answers. What failed is told beside the answer.
type Job = Box<dyn FnOnce(Option<&Tx>) -> (After, Option<Failure>) + Send>;

enum Message {
    Job(Job),
    /// Everything that came before is done: the file is to be closed.
    Close(oneshot::Sender<Result<(), String>>),
}

/// Whoever has something written; cheap to clone.
#[derive(Clone)]
pub struct Writer {
    inbox: mpsc::Sender<Message>,
    path: PathBuf,
    condition: Condition,
}

impl Writer {
    /// Opens the store at `path`, making or migrating it, and locks it for this process.
    pub fn open(path: &Path, metrics: StoreMetrics) -> Result<Self, StoreError> {
        let lock = opening::lock(path)?;
        let tx = Tx::over(opening::open(path)?);
        let condition = Condition::new(metrics.trouble.clone());
        let (sender, inbox) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("store".into());
        let served = Served { path: path.to_owned(), condition: condition.clone(), metrics };
        thread
            .spawn(move || {
                let _lock = lock;
                let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| served.serve(tx, inbox)));
                if served.is_err() {
                    // Crash-only: nothing that follows could be trusted, and a restart reads everything from the file.
                    tracing::error!("the store panicked; the process ends and can be started again on the same store");
                    std::process::exit(70);
                }
            })
            .map_err(|error| StoreError::Io { path: path.to_owned(), error })?;
        Ok(Self { inbox: sender, path: path.to_owned(), condition })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What keeps the store from being written right now.
    pub const fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Runs `job` in the writer's transaction; what it returns arrives after the commit. A job that fails leaves no
    /// trace.
    pub async fn run<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let path = self.path.clone();
        let job: Job = Box::new(move |tx| {
            let result = tx.map(|tx| alone(tx, job));
            let failed = result.as_ref().and_then(|result| result.as_ref().err()).map(StoreError::failure);
            let after = Box::new(move |committed| {
                let result = match (committed, result) {
                    (Ok(()), Some(result)) => result,
                    (Ok(()), None) => Err(StoreError::Stopped),
                    (Err(failure), _) => Err(StoreError::Commit(failure)),
                };
                let _ = reply.send(result.map_err(|e| e.at(&path)));
            });
            (after as After, failed)
        });
        self.inbox.send(Message::Job(job)).await.map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }

    /// Brings everything into the one file and closes it, after what was asked for before; then the store has stopped.
    pub async fn close(&self) -> Result<(), String> {
        let (answer, closed) = oneshot::channel();
        let sent = self.inbox.send(Message::Close(answer)).await;
        sent.map_err(|_| StoreError::Stopped.to_string())?;
        closed.await.map_err(|_| StoreError::Stopped.to_string())?
    }
}

/// What the thread of the store works with.
struct Served {
    path: PathBuf,
    condition: Condition,
    metrics: StoreMetrics,
}

impl Served {
    fn serve(self, tx: Tx, mut inbox: mpsc::Receiver<Message>) {
        let mut closing = None;
        while closing.is_none() {
            match inbox.blocking_recv() {
                Some(Message::Job(first)) => closing = self.group(&tx, first, &mut inbox),
                Some(Message::Close(answer)) => closing = Some(answer),
                None => break,
            }
        }
        let closed = opening::close(tx.into_connection());
        if let Err(why) = &closed {
            tracing::warn!(%why, "the store is not in one file: keep the file that ends with -wal with it");
        }
        if let Some(answer) = closing {
            let _ = answer.send(closed);
        }
    }

    /// Commits what waits together; returns whoever wants the file to be closed after it.
    fn group(
        &self,
        tx: &Tx,
        first: Job,
        inbox: &mut mpsc::Receiver<Message>,
    ) -> Option<oneshot::Sender<Result<(), String>>> {
        let timer = self.metrics.commit_seconds.start_timer();
        let (mut answers, mut culprit, mut closing): (Vec<After>, Option<Failure>, _) = (Vec::new(), None, None);
        let connection = tx.connection();
        let begun = self.begin(tx);
        let before = connection.total_changes();
        let mut next = Some(first);
        while let Some(job) = next.take() {
            // SQLite may roll everything back by itself (a full disk): what comes then would be committed one by one, and
            // told to have failed.
            let (after, failed) = job((!connection.is_autocommit()).then_some(tx));
            answers.push(after);
            if let Some(failed) = failed.filter(|failed| failed.trouble != Trouble::Refused) {
                self.condition.saw(&failed);
                culprit.get_or_insert(failed);
            }
            if answers.len() < GROUP {
                match inbox.try_recv() {
                    Ok(Message::Job(job)) => next = Some(job),
                    Ok(Message::Close(answer)) => closing = Some(answer),
                    Err(_) => {}
                }
            }
        }
        let committed = begun.and_then(|()| match connection.is_autocommit() {
            true => Err(culprit.unwrap_or_else(Failure::rolled_back)),
            false => connection.execute_batch("COMMIT").map_err(|e| Failure::of(&e.into())),
        });
        match &committed {
            Ok(()) if connection.total_changes() > before => self.condition.written(),
            Ok(()) => {}
            Err(failure) => {
                self.condition.saw(failure);
                tracing::error!(why = %failure, "the store could not commit; nothing of this group was written");
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
        timer.observe_duration();
        self.metrics.jobs_per_commit.observe(answers.len() as f64);
        answers.into_iter().for_each(|after| after(committed.clone()));
        closing
    }

    /// Begins a transaction. Somebody else's lock on the file (a backup, an operator's session) is waited for, and told:
    /// nothing may go on without the store.
    fn begin(&self, tx: &Tx) -> Result<(), Failure> {
        loop {
            let failure = match tx.connection().execute_batch("BEGIN IMMEDIATE") {
                Ok(()) => {
                    self.condition.free();
                    return Ok(());
                }
                Err(e) => Failure::of(&e.into()),
            };
            if failure.trouble != Trouble::Locked {
                return Err(failure);
            }
            let holder = holder(&self.path);
            let waited = self.condition.waits(opening::TRY, holder.clone());
            if waited.as_millis().is_multiple_of(LOCK_REPORTED.as_millis()) || waited == opening::TRY * 2 {
                let holder = holder.as_deref().unwrap_or("another program");
                tracing::warn!(
                    seconds = waited.as_secs(),
                    "{holder} holds a lock on the store; everything waits for it"
                );
            }
        }
    }
}
