//! The kill switch: writes that somebody has stopped, everywhere, in an org, or of one kind. Survives restarts.

use super::engine::{Operator, Tx};
use super::rows::change::change_of;
use super::rows::intent;
use super::rows::meta::{forget, meta, set_meta};
use super::rows::pause as row;
use super::rows::work;
use super::stops::{Stop, Stops};
use super::{Store, StoreError, Trouble, append};
use crate::audit::{Event, Record, details};
use crate::clock::Moment;
use crate::domain::{ChangeKind, Decider};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(super) use super::rows::pause::times;
pub use super::rows::pause::{Pause, pauses};

/// How long whoever pauses or resumes waits for it to be written down.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between looks whether what was announced before a pause has its outcome.
const GLANCE: Duration = Duration::from_millis(50);
/// Between tries to write a pause down.
const AGAIN: Duration = Duration::from_secs(1);

/// Stops writes, from beside the service: from the next announcement of a call on nothing leaves. Returns the pause.
pub fn pause(
    c: &Tx,
    org: Option<&str>,
    change: Option<ChangeKind>,
    why: &str,
    by: &Decider,
    now: Moment,
) -> Result<i64, StoreError> {
    row::insert(c, org, change, why, by, now)
}

/// The same, for somebody who waits: whatever was announced before it may leave still, so it is waited for its outcome, for some
/// seconds at most. Returns the pause, and how many of those calls have none. Blocks.
pub fn pause_and_wait(
    c: &Operator,
    org: Option<&str>,
    change: Option<ChangeKind>,
    why: &str,
    by: &Decider,
    now: Moment,
) -> Result<(i64, i64), StoreError> {
    let id = pause(c, org, change, why, by, now)?;
    // Under the lock of all who write: whoever has announced without knowing of the pause is through with that. The pause holds
    // already, so whoever has the lock for long holds up nothing but the count.
    let last = c.together(intent::last).unwrap_or(i64::MAX);
    let mut open = intent::count_until(c, last)?;
    for _ in 0..PATIENCE.as_millis() / GLANCE.as_millis() {
        if open == 0 {
            break;
        }
        std::thread::sleep(GLANCE);
        open = intent::count_until(c, last)?;
    }
    Ok((id, open))
}

/// Ends a pause, or all of them; returns how many.
pub fn resume(c: &Tx, id: Option<i64>, by: &Decider, now: Moment) -> Result<usize, StoreError> {
    row::end(c, id, by, now)
}

/// Why every write to an org is stopped, if it is; or a write of this kind.
pub(super) fn paused(c: &Tx, org: &str, change: Option<ChangeKind>) -> Result<Option<String>, StoreError> {
    Ok(why_paused(&pauses(c)?, org, change))
}

/// The same, of pauses that were read.
pub(super) fn why_paused(pauses: &[Pause], org: &str, change: Option<ChangeKind>) -> Option<String> {
    let stops = |pause: &&Pause| {
        pause.org.as_deref().is_none_or(|paused| paused == org)
            && pause.change.as_deref().is_none_or(|word| change.is_some_and(|change| change.as_str() == word))
    };
    pauses.iter().find(stops).map(Pause::message)
}

/// The kinds of change that are stopped in an org by themselves.
pub(super) fn paused_changes(c: &Tx, org: &str) -> Result<Vec<(ChangeKind, String)>, StoreError> {
    let concerns = |pause: &Pause| pause.org.as_deref().is_none_or(|paused| paused == org);
    let mut found = Vec::new();
    for pause in pauses(c)?.into_iter().filter(concerns) {
        let Some(word) = &pause.change else { continue };
        found.push((change_of(word)?, format!("{word} is paused by {}: {}", pause.by, pause.why)));
    }
    Ok(found)
}

fn stopped_key(org: &str) -> String {
    format!("stopped {org}")
}

/// Why what ends access does not leave for an org now, because of how the org answers.
pub(super) fn stopped_by_org(c: &Tx, org: &str) -> Result<Option<String>, StoreError> {
    meta(c, &stopped_key(org))
}

/// The same is so from now on.
pub(super) fn set_stopped_by_org(c: &Tx, org: &str, why: Option<&str>) -> Result<(), StoreError> {
    match why {
        Some(why) => set_meta(c, &stopped_key(org), why),
        None => forget(c, &stopped_key(org)),
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

    /// What ends access does not leave for an org now, and why; nothing where it does.
    pub async fn org_is_stopped(&self, org: &str, why: Option<String>) -> Result<(), StoreError> {
        let org = org.to_owned();
        self.run(move |c| set_stopped_by_org(c, &org, why.as_deref())).await
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
                pause(c, one.org.as_deref(), one.change, &one.why, &one.by, one.at)
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
            let ended = resume(c, id, &by, now)?;
            Ok(if id.is_none() { ended.max(stops.count()) } else { ended })
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

    /// Writes pauses and their ends into the audit, and lets those go on who waited for one; returns how many.
    pub async fn apply_pauses(&self, now: Moment) -> Result<usize, StoreError> {
        let stops = self.stops().clone();
        self.run(move |c| {
            let lasting: Vec<i64> = pauses(c)?.iter().map(|pause| pause.id).collect();
            stops.follow(&lasting);
            apply_pauses(c, now)
        })
        .await
    }
}

fn apply_pauses(c: &Tx, now: Moment) -> Result<usize, StoreError> {
    let mut ended = false;
    for pause in row::unaudited(c)? {
        let kind = pause.change.as_deref().map(change_of).transpose()?;
        let said = |by: &str, principal: Option<String>| details::Pause {
            pause: pause.id,
            change: kind,
            why: pause.why.clone(),
            by: by.to_owned(),
            principal,
        };
        let row::Unaudited { id, org, change, why, by, .. } = &pause;
        let record = |event| Record { org: org.clone(), ..Record::general(now, event) };
        if !pause.has_begun {
            tracing::warn!(pause = id, org, change, by, why, "writes are paused");
            append(c, &record(Event::Paused(said(by, Some(pause.principal.clone())))))?;
        }
        if let Some(by) = &pause.ended_by {
            tracing::warn!(pause = id, org, change, by, "writes go on");
            append(c, &record(Event::Resumed(said(by, pause.ended_principal.clone()))))?;
            ended = true;
        }
        row::audited(c, *id, pause.ended_by.is_some())?;
    }
    if !ended {
        return Ok(0);
    }
    // Whoever waits for something else is held again at once, without a call.
    work::decided(c, now)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, done, effect};
    use super::super::{EndStep, Store};
    use super::*;
    use crate::audit::Outcome;
    use crate::domain::Learned;
    use crate::domain::record::employee::tests::an_employee;
    use crate::domain::work::run::{Begun, Next};
    use tokio::task::spawn_blocking;

    #[tokio::test]
    async fn whoever_pauses_beside_the_service_is_answered_once_no_call_of_before_can_leave_any_more() {
        let world = World::new().await;
        world.see(an_employee()).await;
        let claim = world.claim().await.remove(0);
        let Begun::Intent(intent) = world.begin(&claim).await else { panic!("stale") };
        let (place, now) = (world.store.place().clone(), world.now);
        let pausing = spawn_blocking(move || {
            let operator = Store::operator(place).expect("opens");
            pause_and_wait(&operator, None, None, "night", &Decider::of_token("ann", None), now)
        });
        while world.store.run(pauses).await.expect("reads").is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(world.claim().await.len(), 0, "nothing more is announced");
        let (lease, effect, next) = (claim.lease, effect(Outcome::Applied), Next::Release(done()));
        let (account, holder, new_groups) = (Learned::Nothing, None, Vec::new());
        let end = EndStep { lease, intent, effect, account, holder, new_groups, next };
        world.store.end_step(end, now).await.expect("ends");
        let (_, in_flight) = pausing.await.expect("ends").expect("pauses");
        assert_eq!(in_flight, 0, "it has waited for the outcome");
    }

    #[test]
    fn a_pause_stops_what_it_names_and_one_that_names_nothing_stops_everything() {
        let pause = |org: Option<&str>, change: Option<ChangeKind>| Pause {
            id: 1,
            org: org.map(str::to_owned),
            change: change.map(|change| change.as_str().to_owned()),
            why: "night".into(),
            by: "ann".into(),
            at: 0,
        };
        let stops = |pause: Pause, change: Option<ChangeKind>| why_paused(&[pause], "main", change).is_some();
        let (end, add) = (Some(ChangeKind::Deactivate), Some(ChangeKind::AddGroup));
        for (named, stopped) in [
            ((None, None), [true, true, true]),
            ((Some("main"), None), [true, true, true]),
            ((Some("other"), None), [false, false, false]),
            ((None, end), [false, true, false]),
            ((Some("main"), end), [false, true, false]),
            ((Some("other"), end), [false, false, false]),
        ] {
            assert_eq!([None, end, add].map(|change| stops(pause(named.0, named.1), change)), stopped, "{named:?}");
        }
        let message = why_paused(&[pause(None, None)], "main", None);
        assert_eq!(message.as_deref(), Some("every write in every org is paused by ann: night"));
    }
}
