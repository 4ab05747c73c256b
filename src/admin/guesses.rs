//! Wrong tokens and signatures: counted, logged once a minute and address, and answered later each time.
//!
//! **Invariant:** whoever has the right one never waits, and what is remembered of the others is bounded.

use crate::clock::Moment;
use crate::metrics::Metrics;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Failures of an address that cost nothing: somebody has copied a token badly.
const FREE: u32 = 3;
/// What the first that costs anything costs; each costs twice the one before.
const FIRST: Duration = Duration::from_millis(100);
/// Nobody is answered later than this.
const LATEST: Duration = Duration::from_secs(2);
/// So many wait at once; whoever comes then is answered at once, as wrong as before.
const WAITING: u32 = 64;
/// An address is forgotten after so long without a failure, and is in the log once in this time.
const MINUTE: Duration = Duration::from_secs(60);
/// So many addresses are remembered.
const ADDRESSES: usize = 4096;

/// Failures by address. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Guesses(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    by_address: BTreeMap<Option<IpAddr>, Failures>,
    waiting: u32,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    times: u32,
    last: Moment,
    /// When they stood in the log, and how many have not since.
    logged: Moment,
    unlogged: u32,
}

/// What a failure comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failed {
    late: Duration,
    /// How many are to be logged, this one included.
    logs: Option<u32>,
}

impl Guesses {
    /// Somebody has shown a wrong token or signature: it is counted and logged, and they are answered after this.
    pub async fn wrong(&self, metrics: &Metrics, what: &str, from: Option<IpAddr>, now: Moment) {
        metrics.parts.admin_refused.with_label_values(&[what]).inc();
        let failed = self.failed(from, now);
        if let Some(times) = failed.logs {
            let from = from.map_or_else(|| "?".to_owned(), |from| from.to_string());
            tracing::warn!(%from, what, times, "refused: what was shown is not right (said once a minute for each address)");
        }
        if failed.late.is_zero() || !self.enter() {
            return;
        }
        let _waiting = Waiting(self.clone());
        tokio::time::sleep(failed.late).await;
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> bool {
        let mut kept = self.kept();
        let has_room = kept.waiting < WAITING;
        kept.waiting += u32::from(has_room);
        has_room
    }

    fn failed(&self, from: Option<IpAddr>, now: Moment) -> Failed {
        let mut kept = self.kept();
        if kept.by_address.len() >= ADDRESSES && !kept.by_address.contains_key(&from) {
            kept.by_address.retain(|_, failures| now.since(failures.last) < MINUTE);
        }
        // Who has so many addresses is one for all that: they share what is remembered.
        let is_known = kept.by_address.contains_key(&from);
        let from = if kept.by_address.len() >= ADDRESSES && !is_known { None } else { from };
        let Some(known) = kept.by_address.get_mut(&from) else {
            let first = Failures { times: 1, last: now, logged: now, unlogged: 0 };
            kept.by_address.insert(from, first);
            return Failed { late: Duration::ZERO, logs: Some(1) };
        };
        known.times = if now.since(known.last) < MINUTE { known.times.saturating_add(1) } else { 1 };
        (known.last, known.unlogged) = (now, known.unlogged + 1);
        let logs = (now.since(known.logged) >= MINUTE).then(|| {
            known.logged = now;
            std::mem::take(&mut known.unlogged)
        });
        let late = match known.times.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(more) => FIRST.saturating_mul(2_u32.saturating_pow(more)).min(LATEST),
        };
        Failed { late, logs }
    }
}

/// One who waits; gives the place back whatever happens.
struct Waiting(Guesses);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.kept().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_hundred_wrong_tokens_are_logged_once_a_minute_and_wait_no_longer_than_the_bound() {
        let guesses = Guesses::default();
        let (from, start) = (Some(IpAddr::from([10, 0, 0, 7])), Moment::from_millis(1_795_665_600_000));
        let at = |n: u32| start + Duration::from_millis(u64::from(n) * 300);
        let failed: Vec<Failed> = (0..300).map(|n| guesses.failed(from, at(n))).collect();
        let logged: Vec<u32> = failed.iter().filter_map(|failed| failed.logs).collect();
        assert_eq!((logged.len(), logged[1]), (2, 200), "once at the begin, once a minute later with all since");
        assert!(failed[..3].iter().all(|failed| failed.late.is_zero()));
        assert!(failed[3].late == FIRST && failed.iter().all(|failed| failed.late <= LATEST));
        assert_eq!(failed[299].late, LATEST);
        assert!(guesses.failed(Some(IpAddr::from([10, 0, 0, 8])), at(0)).late.is_zero(), "nobody else is slowed");
    }

    #[test]
    fn so_many_addresses_as_anybody_has_take_no_more_memory_than_is_meant() {
        let (guesses, now) = (Guesses::default(), Moment::from_millis(1_795_665_600_000));
        for n in 0..10_000_u32 {
            guesses.failed(Some(IpAddr::from(n.to_be_bytes())), now);
        }
        assert!(guesses.kept().by_address.len() <= ADDRESSES + 1);
        for _ in 0..WAITING {
            assert!(guesses.enter());
        }
        assert!(!guesses.enter(), "connections are not collected without end");
    }
}
