//! The one thread that writes: what waits together is committed together.
//!
//! **Invariant:** an answer arrives only after the commit that made it true has reached the disk (of a file: WAL,
//! `synchronous=FULL`; of a server: `synchronous_commit`, which stands as the server has it). Each job is all or nothing.

use super::address::{Location, unknown};
use super::condition::{Condition, holder};
use super::error::StoreError;
use super::fence::Fence;
use super::nodes::Node;
use super::opening::{self, FileId};
use super::seat::{Seat, superseded};
use super::server::{Again, Begun, Server};
use super::session::apart;
use super::trouble::{Failure, Trouble};
use super::tx::{Tx, alone};
use crate::metrics::StoreMetrics;
use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Jobs committed together at most.
const GROUP: usize = 256;
/// Jobs waiting at most.
const QUEUE: usize = 1024;
/// How often it is logged that a lock is waited for.
const LOCK_REPORTED: Duration = Duration::from_secs(30);

/// How long is waited before a server is tried a second time, and how often that is doubled at most: 3.2 s.
const RECONNECT: Duration = Duration::from_millis(100);
const RECONNECT_DOUBLED: u32 = 6;

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
    place: Location,
    condition: Condition,
    fence: Fence,
    seat: Seat,
}

impl Writer {
    /// Opens the store at `place`, making or migrating it, and locks it for this process; on a server as the node `me`, if it is one.
    pub fn open(place: &Location, me: Option<&Node>, metrics: StoreMetrics) -> Result<Self, StoreError> {
        let (lock, tx, server) = match place {
            Location::File(path) => (Some(opening::lock(path)?), Tx::over(opening::open(path)?), None),
            Location::Server(address) => {
                let opened = apart(|| match me {
                    Some(me) => Server::open_as(address, me),
                    None => Server::open(address),
                });
                let (server, tx) = opened.map_err(|e| e.at(place.shown()))?;
                (None, tx, Some(server))
            }
            Location::Unknown { why, .. } => return Err(StoreError::NotThere(unknown(why))),
        };
        let opened = lock.as_ref().map(|lock| opening::note_file(lock, place.shown())).transpose()?.flatten();
        let condition = Condition::new(metrics.trouble.clone());
        let renewing = server.as_ref().map(Server::renewing);
        let (fence, seat) = renewing.map(|of| (of.fence(), of.seat())).unwrap_or_default();
        let (sender, inbox) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("store".into());
        let served = Served {
            path: place.shown().to_owned(),
            opened,
            server,
            failures: Cell::new(0),
            condition: condition.clone(),
            metrics,
        };
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
            .map_err(|error| StoreError::Io { path: place.shown().to_owned(), error })?;
        Ok(Self { inbox: sender, place: place.clone(), condition, fence, seat })
    }

    /// Where the store is.
    pub const fn place(&self) -> &Location {
        &self.place
    }

    /// Until when this process may act for the store.
    pub const fn fence(&self) -> &Fence {
        &self.fence
    }

    /// The right to serve, of a store on a server.
    pub const fn seat(&self) -> &Seat {
        &self.seat
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
        let path = self.place.shown().to_owned();
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
    /// Which file lay at `path` when it was opened, where the store is one.
    opened: Option<FileId>,
    /// Where the store is no file.
    server: Option<Server>,
    /// How often in succession no connection could be made.
    failures: Cell<u32>,
    condition: Condition,
    metrics: StoreMetrics,
}

impl Served {
    fn serve(self, mut tx: Tx, mut inbox: mpsc::Receiver<Message>) {
        let mut closing = None;
        while closing.is_none() {
            match inbox.blocking_recv() {
                Some(Message::Job(first)) => closing = self.group(&mut tx, first, &mut inbox),
                Some(Message::Close(answer)) => closing = Some(answer),
                None => break,
            }
        }
        if let Some(server) = &self.server {
            server.leave(&tx);
        }
        let closed = tx.into_file().map_or(Ok(()), opening::close);
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
        tx: &mut Tx,
        first: Job,
        inbox: &mut mpsc::Receiver<Message>,
    ) -> Option<oneshot::Sender<Result<(), String>>> {
        let timer = self.metrics.commit_seconds.start_timer();
        let (mut answers, mut culprit, mut closing): (Vec<After>, Option<Failure>, _) = (Vec::new(), None, None);
        let begun = self.begin(tx);
        let before = tx.changes();
        let mut next = Some(first);
        while let Some(job) = next.take() {
            // SQLite may roll everything back by itself (a full disk): what comes then would be committed one by one, and
            // told to have failed.
            let (after, failed) = job(tx.is_open().then_some(&*tx));
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
        let has_changed = tx.changes() > before;
        let committed = begun.and_then(|()| match tx.is_open() {
            false => Err(culprit.unwrap_or_else(Failure::rolled_back)),
            true => self.commit(tx, has_changed, inbox),
        });
        match &committed {
            Ok(()) if has_changed => self.condition.written(),
            Ok(()) => {}
            Err(failure) => {
                self.condition.saw(failure);
                tracing::error!(why = %failure, "the store could not commit; nothing of this group was written");
                let _ = tx.roll_back();
            }
        }
        timer.observe_duration();
        self.metrics.jobs_per_commit.observe(answers.len() as f64);
        answers.into_iter().for_each(|after| after(committed.clone()));
        closing
    }

    fn begin(&self, tx: &mut Tx) -> Result<(), Failure> {
        match &self.server {
            None => self.begin_in_file(tx),
            Some(server) => self.begin_on(server, tx),
        }
    }

    /// Makes a transaction last. Where the answer of a server is lost, it is looked whether that has happened, however long it takes
    /// until the server is back: what is told to have failed would be done a second time.
    fn commit(&self, tx: &mut Tx, has_changed: bool, inbox: &mpsc::Receiver<Message>) -> Result<(), Failure> {
        let (Some(server), Some(session)) = (self.server.as_ref().filter(|_| has_changed), tx.server()) else {
            return tx.commit().map_err(|e| Failure::of(&e));
        };
        let mark = server.mark();
        let Err(e) = Server::commit(session, &mark) else { return Ok(()) };
        let failure = Failure::of(&e);
        if !session.is_lost() {
            return Err(failure);
        }
        self.condition.saw(&failure);
        tracing::warn!(why = %failure, "the answer to a commit was lost: it is looked for before anything is done again");
        while !inbox.is_closed() {
            match self.connect_again(server, tx) {
                Ok(written) if written == mark => return Ok(()),
                Ok(_) => return Err(failure),
                Err(failure) => self.condition.saw(&failure),
            }
        }
        Err(failure)
    }

    /// Another connection in the place of one that was lost; returns the mark of what was written last. Tried again and again it is
    /// tried ever more rarely.
    fn connect_again(&self, server: &Server, tx: &mut Tx) -> Result<String, Failure> {
        let failures = self.failures.get();
        if failures > 0 {
            std::thread::sleep(RECONNECT * 2_u32.pow(failures.min(RECONNECT_DOUBLED) - 1));
        }
        match server.again() {
            Ok(Again::Back { tx: fresh, written }) => {
                tracing::info!(store = %self.path.display(), "connected again");
                self.failures.set(0);
                *tx = fresh;
                Ok(written)
            }
            Ok(Again::Superseded(by)) => superseded(Some(&by)),
            Err(failure) => {
                self.failures.set(failures.saturating_add(1));
                Err(failure)
            }
        }
    }

    /// Begins a transaction on a server, on another connection where the one before was lost. Who has a lock there is waited for by
    /// the server, for as long as `lock_timeout` says.
    fn begin_on(&self, server: &Server, tx: &mut Tx) -> Result<(), Failure> {
        let mut tried = Ok(());
        for _ in 0..2 {
            if tx.server().is_none_or(|session| session.is_lost()) {
                self.connect_again(server, tx)?;
            }
            let Some(session) = tx.server() else { continue };
            tried = match server.begin(session) {
                Ok(Begun::Ours) => Ok(()),
                Ok(Begun::Superseded(by)) => superseded(by.as_deref()),
                Err(e) => Err(Failure::of(&e)),
            };
            if tried.is_ok() || !session.is_lost() {
                break;
            }
        }
        tried
    }

    /// Begins a transaction. Somebody else's lock on the file (a backup, an operator's session) is waited for, and told:
    /// nothing may go on without the store.
    fn begin_in_file(&self, tx: &Tx) -> Result<(), Failure> {
        if self.opened.is_some() && self.opened != FileId::at(&self.path) {
            return Err(Failure::replaced());
        }
        loop {
            let failure = match tx.file().map_or(Ok(()), |file| file.execute_batch("BEGIN IMMEDIATE")) {
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
