//! Pauses as they hold right now, in memory: the kill switch takes effect at once, whatever becomes of the file.
//!
//! **Invariant:** from the return of `Store::pause` on no call of what is paused leaves, whether or not the pause could be
//! written down: whoever was let through before is waited for, or has left long ago.

use super::engine::Fence;
use super::rows::pause::Pause;
use crate::clock::Moment;
use crate::domain::{ChangeKind, Decider};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between looks whether calls under way are answered.
const GLANCE: Duration = Duration::from_millis(10);

/// One pause.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub number: u64,
    /// Its row, once there is one.
    row: Option<i64>,
    pub org: Option<String>,
    pub change: Option<ChangeKind>,
    pub why: String,
    pub by: Decider,
    pub at: Moment,
}

impl Stop {
    /// As people see it, with this reason; its number is 0 while no row says it.
    fn shown(&self, why: &str) -> Pause {
        Pause {
            id: self.row.unwrap_or(0),
            org: self.org.clone(),
            change: self.change.map(|change| change.as_str().to_owned()),
            why: why.to_owned(),
            by: self.by.name.clone(),
            at: self.at.millis(),
        }
    }
}

/// The pauses that this process knows of. Those that others have written beside it are looked up with each announcement.
#[derive(Clone, Default)]
pub struct Stops {
    all: Arc<Mutex<(u64, Vec<Stop>)>>,
    /// Writes that were let through and are not answered yet.
    in_flight: Arc<AtomicUsize>,
    /// Until when this process may act at all.
    fence: Fence,
}

/// A write that was let through, until it is answered.
pub struct InFlight {
    all: Arc<AtomicUsize>,
    fence: Fence,
}

impl InFlight {
    /// Waits until this process may not act any more: what is not answered by then is given up, since another node may act.
    pub async fn over(&self) {
        self.fence.over().await;
    }
}

#[cfg(test)]
impl InFlight {
    /// A write that was let through just before the right to act ended.
    pub fn of_a_right_that_has_ended() -> Self {
        let (all, fence) = (Arc::new(AtomicUsize::new(1)), Fence::default());
        fence.end();
        Self { all, fence }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Stops {
    /// None yet, of a process that may act within `fence`.
    pub(super) fn within(fence: Fence) -> Self {
        Self { fence, ..Self::default() }
    }

    fn all(&self) -> MutexGuard<'_, (u64, Vec<Stop>)> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a write of these kinds leave, or says why it may not.
    pub fn enter(&self, org: &str, changes: &BTreeSet<ChangeKind>) -> Result<InFlight, String> {
        // Counted before it is looked: a pause that comes in between waits for it.
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let in_flight = InFlight { all: self.in_flight.clone(), fence: self.fence.clone() };
        self.fence.may_start()?;
        match changes.iter().find_map(|change| self.stopped(org, Some(*change))) {
            Some(why) => Err(why),
            None => Ok(in_flight),
        }
    }

    /// Waits until whatever was let through is answered, for `patience` at most; returns how many writes are not.
    pub(super) async fn settled(&self, patience: Duration) -> usize {
        let settled = async {
            while self.in_flight.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(GLANCE).await;
            }
        };
        let _ = tokio::time::timeout(patience, settled).await;
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Why every write to an org is stopped, if it is; or a write of this kind.
    pub fn stopped(&self, org: &str, change: Option<ChangeKind>) -> Option<String> {
        let all = self.all();
        let concerns = |stop: &&Stop| {
            stop.org.as_deref().is_none_or(|stopped| stopped == org)
                && stop.change.is_none_or(|stopped| change == Some(stopped))
        };
        all.1.iter().find(concerns).map(|stop| stop.shown(&stop.why).message())
    }

    /// Those that no row says yet; their number is 0.
    pub fn unwritten(&self) -> Vec<Pause> {
        let all = self.all();
        let unwritten = all.1.iter().filter(|stop| stop.row.is_none());
        let shown = |stop: &Stop| stop.shown(&format!("{} (it holds, but is not written down yet)", stop.why));
        unwritten.map(shown).collect()
    }

    /// From now on nothing of this leaves.
    pub(super) fn add(
        &self,
        org: Option<String>,
        change: Option<ChangeKind>,
        why: &str,
        by: &Decider,
        at: Moment,
    ) -> Stop {
        let mut all = self.all();
        all.0 += 1;
        let stop = Stop { number: all.0, row: None, org, change, why: why.to_owned(), by: by.clone(), at };
        all.1.push(stop.clone());
        stop
    }

    /// A row says it from now on.
    pub(super) fn written(&self, number: u64, row: i64) {
        self.all().1.iter_mut().filter(|stop| stop.number == number).for_each(|stop| stop.row = Some(row));
    }

    /// Whether nobody has let go of it.
    pub(super) fn holds(&self, number: u64) -> bool {
        self.all().1.iter().any(|stop| stop.number == number)
    }

    /// Lets go of a pause by its row, of those that no row says (0), or of all.
    pub(super) fn lift(&self, id: Option<i64>) -> usize {
        let mut all = self.all();
        let before = all.1.len();
        all.1.retain(|stop| id.is_some_and(|id| stop.row.unwrap_or(0) != id));
        before - all.1.len()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.all().1.len()
    }

    /// These rows are the pauses that last: what was ended beside the service does not hold any more.
    pub(super) fn follow(&self, lasting: &[i64]) {
        self.all().1.retain(|stop| stop.row.is_none_or(|row| lasting.contains(&row)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_pauses_waits_for_what_was_let_through_and_lets_nothing_more_through() {
        let stops = Stops::default();
        let call = stops.enter("main", &[ChangeKind::AddGroup].into()).expect("nothing is paused");
        stops.add(None, None, "stop", &Decider::of_token("Ann", None), Moment::from_secs(7));
        assert!(stops.enter("main", &[ChangeKind::AddGroup].into()).is_err_and(|why| why.contains("stop")));
        assert_eq!(stops.settled(Duration::from_millis(30)).await, 1, "not answered yet");
        let waiting = stops.clone();
        let settled = tokio::spawn(async move { waiting.settled(Duration::from_secs(60)).await });
        drop(call);
        assert_eq!(settled.await.expect("ends"), 0);
        assert!(stops.enter("main", &BTreeSet::new()).is_ok(), "whoever only reads is not stopped");
    }

    #[test]
    fn a_pause_holds_for_its_org_and_kind_until_its_row_is_ended() {
        let stops = Stops::default();
        let now = Moment::from_secs(7);
        let one =
            stops.add(Some("main".into()), Some(ChangeKind::Deactivate), "wait", &Decider::of_token("Ann", None), now);
        assert_eq!(
            stops.stopped("main", Some(ChangeKind::Deactivate)).as_deref(),
            Some("every deactivate in org main is paused by Ann: wait")
        );
        assert_eq!(stops.stopped("main", Some(ChangeKind::AddGroup)), None);
        assert_eq!(stops.stopped("main", None), None, "one kind is not everything");
        assert_eq!(stops.stopped("emea", Some(ChangeKind::Deactivate)), None);
        let all = stops.add(None, None, "stop", &Decider::of_token("Ben", None), now);
        assert!(stops.stopped("emea", None).is_some() && stops.stopped("emea", Some(ChangeKind::AddGroup)).is_some());
        assert_eq!(stops.unwritten().len(), 2);
        stops.follow(&[]);
        assert_eq!(stops.unwritten().len(), 2, "what is not written down cannot be ended beside the service");
        stops.written(one.number, 41);
        stops.written(all.number, 42);
        stops.follow(&[41]);
        assert!(stops.stopped("emea", None).is_none() && stops.stopped("main", Some(ChangeKind::Deactivate)).is_some());
        assert_eq!(stops.lift(Some(41)), 1);
        assert_eq!(stops.stopped("main", Some(ChangeKind::Deactivate)), None);
    }
}
