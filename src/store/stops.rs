//! Pauses as they hold right now, in memory: the kill switch takes effect at once, whatever becomes of the file.
//!
//! **Invariant:** from the return of `Store::pause` on no call of what is paused leaves, whether or not the pause could be
//! written down: whoever was let through before is waited for, or has left long ago.

use super::pause::{self, Pause};
use super::{Store, StoreError, Trouble};
use crate::clock::Moment;
use crate::domain::{ChangeKind, Decider};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long whoever pauses or resumes waits for it to be written down.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between looks whether calls under way are answered.
const GLANCE: Duration = Duration::from_millis(10);
/// Between tries to write a pause down.
const AGAIN: Duration = Duration::from_secs(1);

/// One pause.
#[derive(Clone, Debug)]
struct Stop {
    number: u64,
    /// Its row, once there is one.
    row: Option<i64>,
    org: Option<String>,
    change: Option<ChangeKind>,
    why: String,
    by: Decider,
    at: Moment,
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
}

/// A write that was let through, until it is answered.
pub struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Stops {
    fn all(&self) -> MutexGuard<'_, (u64, Vec<Stop>)> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a write of these kinds leave, or says why it may not.
    pub fn enter(&self, org: &str, changes: &BTreeSet<ChangeKind>) -> Result<InFlight, String> {
        // Counted before it is looked: a pause that comes in between waits for it.
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let in_flight = InFlight(self.in_flight.clone());
        match changes.iter().find_map(|change| self.stopped(org, Some(*change))) {
            Some(why) => Err(why),
            None => Ok(in_flight),
        }
    }

    /// Waits until whatever was let through is answered, for `patience` at most; returns how many writes are not.
    async fn settled(&self, patience: Duration) -> usize {
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

    fn add(&self, org: Option<String>, change: Option<ChangeKind>, why: &str, by: &Decider, at: Moment) -> Stop {
        let mut all = self.all();
        all.0 += 1;
        let stop = Stop { number: all.0, row: None, org, change, why: why.to_owned(), by: by.clone(), at };
        all.1.push(stop.clone());
        stop
    }

    fn written(&self, number: u64, row: i64) {
        self.all().1.iter_mut().filter(|stop| stop.number == number).for_each(|stop| stop.row = Some(row));
    }

    fn holds(&self, number: u64) -> bool {
        self.all().1.iter().any(|stop| stop.number == number)
    }

    /// Lets go of a pause by its row, of those that no row says (0), or of all.
    fn lift(&self, id: Option<i64>) -> usize {
        let mut all = self.all();
        let before = all.1.len();
        all.1.retain(|stop| id.is_some_and(|id| stop.row.unwrap_or(0) != id));
        before - all.1.len()
    }

    /// These rows are the pauses that last: what was ended beside the service does not hold any more.
    pub(super) fn follow(&self, lasting: &[i64]) {
        self.all().1.retain(|stop| stop.row.is_none_or(|row| lasting.contains(&row)));
    }
}

/// What became of a pause. It holds in any case.
#[derive(Debug)]
pub struct Paused {
    /// Its number; or what keeps it from being written down, which is done as soon as that is possible.
    pub written: Result<i64, String>,
    /// Writes of any kind that had left before and are not answered yet.
    pub in_flight: usize,
}

impl Store {
    /// What is paused by this process.
    pub fn stops(&self) -> &Stops {
        &self.stops
    }

    /// Stops writes: nothing leaves after this has returned.
    pub async fn pause(
        &self,
        org: Option<String>,
        change: Option<ChangeKind>,
        why: &str,
        by: &Decider,
        now: Moment,
    ) -> Paused {
        let stop = self.stops.add(org, change, why, by, now);
        tracing::warn!(
            org = stop.org,
            change = change.map(ChangeKind::as_str),
            by = by.name,
            why,
            "writes are stopped"
        );
        let store = self.clone();
        let writing = tokio::spawn(async move { store.write_pause(stop).await });
        let (written, in_flight) = tokio::join!(tokio::time::timeout(PATIENCE, writing), self.stops.settled(PATIENCE));
        let written = match written {
            Ok(Ok(written)) => written.map_err(|e| e.to_string()),
            Ok(Err(e)) => Err(e.to_string()),
            Err(_) => Err(self.trouble().unwrap_or_else(|| "the store takes long".to_owned())),
        };
        Paused { written, in_flight }
    }

    async fn write_pause(&self, stop: Stop) -> Result<i64, StoreError> {
        loop {
            let (stops, one) = (self.stops.clone(), stop.clone());
            let written = self.run(move |c| {
                if !stops.holds(one.number) {
                    return Ok(0); // let go of before it could be written down
                }
                pause::pause(c, one.org.as_deref(), one.change, &one.why, &one.by, one.at)
            });
            match written.await {
                Err(e) if matches!(e.trouble(), Trouble::Unwritable | Trouble::Locked) => {
                    tokio::time::sleep(AGAIN).await;
                }
                Ok(row) => {
                    self.stops.written(stop.number, row);
                    return Ok(row);
                }
                Err(e) => {
                    tracing::error!(error = %e, "a pause could not be written down: it holds until the service ends");
                    return Err(e);
                }
            }
        }
    }

    /// Lets writes go on: a pause by its number, or all; returns how many. If that cannot be written down soon, everything
    /// stays as it is.
    pub async fn resume(&self, id: Option<i64>, by: &Decider, now: Moment) -> Result<usize, StoreError> {
        if id == Some(0) {
            return Ok(self.stops.lift(id));
        }
        let (given_up, by) = (Arc::new(AtomicBool::new(false)), by.clone());
        let (gone, stops) = (given_up.clone(), self.stops.clone());
        let resuming = self.run(move |c| {
            if gone.load(Ordering::SeqCst) {
                return Ok(0);
            }
            let ended = pause::resume(c, id, &by, now)?;
            Ok(if id.is_none() { ended.max(stops.all().1.len()) } else { ended })
        });
        match tokio::time::timeout(PATIENCE, resuming).await {
            Ok(resumed) => {
                let resumed = resumed?;
                self.stops.lift(id);
                Ok(resumed)
            }
            Err(_) => {
                given_up.store(true, Ordering::SeqCst);
                let why = self.trouble().unwrap_or_else(|| "the store takes long".to_owned());
                Err(StoreError::NotNow(format!("nothing goes on yet, because that cannot be written down: {why}")))
            }
        }
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
