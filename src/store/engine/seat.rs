//! The right to serve a store on a server, as the process holds it: renewed by a thread and on a connection of their own, so that
//! neither a long transaction nor a lock of somebody else lets it end.
//!
//! **Invariant:** a process that has lost the right ends. What it remembers may not be so any more, and whatever it would still
//! write is refused by its token.

use super::address::Address;
use super::error::StoreError;
use super::fence::{Fence, RENEWED, since_boot};
use super::nodes::{self, Node};
use super::session::{Session, Use};
use super::tx::Tx;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;
use tokio::sync::Notify;

/// How often it is looked whether somebody wants the node to hand over.
const TICK: Duration = Duration::from_secs(1);
/// How soon a renewal that has failed is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// The longest that a node says of itself.
const LONGEST_STATE: usize = 64 << 10;

/// What a node says of itself, asked with each renewal.
pub type Says = Box<dyn Fn() -> String + Send>;

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    /// Told when somebody wants the node to hand over.
    asked: Notify,
    says: Mutex<Option<Says>>,
}

/// What others of the process use of it. Cheap to clone; of a store in a file nothing comes of it.
#[derive(Clone, Default)]
pub struct Seat(Arc<Shared>);

impl Seat {
    /// From now on other nodes are shown this.
    pub fn says(&self, says: Says) {
        *self.0.says.lock().unwrap_or_else(PoisonError::into_inner) = Some(says);
    }

    /// Waits until somebody wants the node to hand over.
    pub async fn handed_over(&self) {
        self.0.asked.notified().await;
    }

    fn state(&self) -> String {
        let says = self.0.says.lock().unwrap_or_else(PoisonError::into_inner);
        says.as_ref().map(|says| says()).filter(|state| state.len() <= LONGEST_STATE).unwrap_or_default()
    }
}

/// The thread that renews the right, as whoever has started it sees it.
#[derive(Debug)]
pub(super) struct Renewing {
    pub me: Node,
    pub token: i64,
    fence: Fence,
    seat: SeatOf,
    thread: Thread,
}

/// Not shown.
struct SeatOf(Seat);

impl std::fmt::Debug for SeatOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a seat")
    }
}

impl Renewing {
    /// Begins to renew what was taken under `token` by what was asked for at `at`.
    pub fn start(address: &Address, me: &Node, token: i64, at: u64) -> std::io::Result<Self> {
        let (seat, fence) = (Seat::default(), Fence::since(at));
        let of = Renewer { address: address.clone(), me: me.clone(), token, seat: seat.clone(), fence: fence.clone() };
        let thread = std::thread::Builder::new().name("store-lease".into()).spawn(move || of.renew(at))?;
        Ok(Self { me: me.clone(), token, fence, seat: SeatOf(seat), thread: thread.thread().clone() })
    }

    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    pub fn seat(&self) -> Seat {
        self.seat.0.clone()
    }

    /// No call starts any more, and nothing is renewed.
    pub fn end(&self) {
        self.fence.end();
        self.seat.0.0.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Renewing {
    fn drop(&mut self) {
        self.end();
    }
}

struct Renewer {
    address: Address,
    me: Node,
    token: i64,
    seat: Seat,
    fence: Fence,
}

impl Renewer {
    fn renew(self, at: u64) {
        let (mut line, mut last, mut wait, mut fails) = (None, at, TICK, false);
        loop {
            std::thread::park_timeout(wait);
            if self.seat.0.ended.load(Ordering::SeqCst) {
                return;
            }
            let now = since_boot();
            let is_due = u128::from(now.saturating_sub(last)) >= RENEWED.as_millis();
            match self.once(&mut line, is_due) {
                Ok(true) => {
                    if is_due {
                        self.fence.renewed(now);
                        last = now;
                    }
                    (wait, fails) = (TICK, false);
                }
                Ok(false) if self.seat.0.ended.load(Ordering::SeqCst) => return,
                Ok(false) => {
                    self.fence.end();
                    let by = line.as_ref().and_then(|line| nodes::right(line, &self.me).ok());
                    superseded(by.map(|right| right.node).as_deref());
                }
                Err(e) => {
                    if !std::mem::replace(&mut fails, true) {
                        tracing::warn!(error = %e, "the right to serve could not be renewed; it is tried again");
                    }
                    (line, wait) = (None, AGAIN);
                }
            }
        }
    }

    /// Renews it if that is due, and asks whether to hand over; `false` if the right is somebody else's.
    fn once(&self, line: &mut Option<Tx>, is_due: bool) -> Result<bool, StoreError> {
        let line = match line {
            Some(line) => line,
            None => line.insert(Tx::of_server(Session::here(&self.address, Use::Operator)?)),
        };
        if is_due && !nodes::renew(line, &self.me, self.token, &self.seat.state())? {
            return Ok(false);
        }
        if nodes::is_drained(line, &self.me.name)? {
            self.seat.0.asked.notify_one();
        }
        Ok(true)
    }
}

/// Somebody else serves.
pub(super) fn superseded(by: Option<&str>) -> ! {
    let by = by.unwrap_or("another node");
    tracing::error!(
        by,
        "another node has taken over while this one was cut off or stood still: nothing more is sent; the process ends, and started \
         again it waits until it may serve"
    );
    std::process::exit(70);
}
