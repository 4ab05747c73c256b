//! What the writers of one org share: how many calls may be under way at once, what is paused, and how much room each
//! counter has.

use crate::actors::core::concurrency::Concurrency;
use crate::clock::Moment;
use crate::okta::budget::{Shares, Status};
use crate::okta::health::Admission;
use crate::okta::{Bucket, Health};
use crate::retry::Waits;
use arc_swap::ArcSwap;
use dashmap::DashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many people may wait for one counter before the dispatcher looks for other work.
pub const LOOKAHEAD: usize = 48;
/// What of the pace of one org is configured, and can be changed while it works.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Simultaneous calls over all counters, at most.
    pub in_flight: usize,
    /// People worked on at the same time, at most.
    pub runs: usize,
    /// What part of each window is ours.
    pub shares: Shares,
    /// How long to wait before somebody is tried again.
    pub waits: Waits,
}

/// Shared by the writers and the dispatcher of one org.
#[derive(Clone)]
pub struct Traffic {
    places: Places,
    health: Arc<Mutex<Health>>,
    room: Arc<DashMap<Bucket, usize>>,
    status: Arc<DashMap<Bucket, Status>>,
    tuning: Arc<ArcSwap<Tuning>>,
}

impl Traffic {
    /// With this pace, until another is set.
    pub fn new(tuning: Tuning) -> Self {
        let room = Bucket::ALL.into_iter().map(|bucket| (bucket, LOOKAHEAD)).collect();
        Self {
            places: Places::new(tuning.in_flight),
            health: Arc::default(),
            room: Arc::new(room),
            status: Arc::default(),
            tuning: Arc::new(ArcSwap::from_pointee(tuning)),
        }
    }

    /// Other numbers from now on.
    pub fn tune(&self, tuning: Tuning) {
        // What was learned of Okta's limit of simultaneous calls is kept while nobody says otherwise.
        if tuning.in_flight != self.tuning.load().in_flight {
            self.places.with(|places| places.set_most(tuning.in_flight));
        }
        self.tuning.store(Arc::new(tuning));
    }

    /// People worked on at the same time, at most.
    pub fn runs(&self) -> usize {
        self.tuning.load().runs
    }

    /// What part of each window is ours.
    pub fn shares(&self) -> Shares {
        self.tuning.load().shares
    }

    /// How long to wait before somebody is tried again.
    pub fn waits(&self) -> Waits {
        self.tuning.load().waits
    }

    /// Takes a place for one call. Whoever gets none is remembered: who gives one back learns that somebody waits.
    pub fn try_enter(&self, urgent: bool) -> Option<Place> {
        self.places.try_enter(urgent)
    }

    /// For how many more people this counter has room.
    pub fn room(&self, bucket: Bucket) -> usize {
        self.room.get(&bucket).map_or(LOOKAHEAD, |room| *room)
    }

    /// A writer tells its room.
    pub fn set_room(&self, bucket: Bucket, room: usize) {
        self.room.insert(bucket, room);
    }

    /// The state of a counter, as its writer told it last.
    pub fn status(&self, bucket: Bucket) -> Option<Status> {
        self.status.get(&bucket).map(|status| *status)
    }

    /// A writer tells the state of its counter.
    pub fn set_status(&self, bucket: Bucket, status: Status) {
        self.status.insert(bucket, status);
    }

    /// Looks at, or changes, what is paused.
    pub fn health<T>(&self, f: impl FnOnce(&mut Health) -> T) -> T {
        f(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many people may be worked on, by the pauses: all, or nobody.
    pub fn people(&self, now: Moment) -> usize {
        match self.health(|health| health.org(now)) {
            Admission::Yes => usize::MAX,
            // A call for nobody tries it.
            Admission::Try | Admission::Wait(_) => 0,
        }
    }
}

/// Places for simultaneous calls.
#[derive(Clone)]
struct Places(Arc<(Mutex<Concurrency>, AtomicBool)>);

impl Places {
    fn new(most: usize) -> Self {
        Self(Arc::new((Mutex::new(Concurrency::new(most)), AtomicBool::new(false))))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Concurrency) -> T) -> T {
        f(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn try_enter(&self, urgent: bool) -> Option<Place> {
        let entered = self.with(|places| places.try_enter(urgent));
        if !entered {
            self.0.1.store(true, Ordering::Relaxed);
        }
        entered.then(|| Place(Some(self.clone())))
    }

    /// Whether a writer waits for a place: it is told once.
    fn is_waited_for(&self) -> bool {
        self.0.1.swap(false, Ordering::Relaxed)
    }
}

/// The place of one call. If it is dropped, it is free again, and nothing was learned.
pub struct Place(Option<Places>);

impl Place {
    /// The call was answered, or did not leave; `too_many` if Okta complained about simultaneous calls. True if a writer waits for
    /// a place.
    pub fn answered(mut self, too_many: bool) -> bool {
        let Some(places) = self.0.take() else { return false };
        places.with(|c| c.answered(too_many));
        places.is_waited_for()
    }

    /// Keeps the place of a call that may still be under way, if it can be kept.
    pub fn keep(mut self) -> Result<Kept, Place> {
        match self.0.take() {
            Some(places) if places.with(Concurrency::keep) => Ok(Kept(Some(places))),
            places => Err(Place(places)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(places) = self.0.take() {
            places.with(Concurrency::give_up);
        }
    }
}

/// The place of a call that was given up and may still be under way. If it is dropped, it is free again.
pub struct Kept(Option<Places>);

impl Kept {
    /// It must have ended by now; true if a writer waits for a place.
    pub fn let_go(mut self) -> bool {
        let Some(places) = self.0.take() else { return false };
        places.with(Concurrency::let_go);
        places.is_waited_for()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(places) = self.0.take() {
            places.with(Concurrency::let_go);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(in_flight: usize) -> Traffic {
        Traffic::new(Tuning { in_flight, runs: 64, shares: Shares::default(), waits: Waits::default() })
    }

    #[test]
    fn another_number_of_calls_at_once_counts_those_that_are_under_way() {
        let traffic = traffic(4);
        let mut calls: Vec<Place> = (0..9).filter_map(|_| traffic.try_enter(true)).collect();
        assert_eq!(calls.len(), 4);
        let waits = Waits { longest: Waits::default().first, ..Waits::default() };
        traffic.tune(Tuning { in_flight: 2, runs: 8, shares: Shares { share: 0.5, reserve: 0.2 }, waits });
        assert_eq!(traffic.waits(), waits);
        assert_eq!((traffic.runs(), traffic.shares()), (8, Shares { share: 0.5, reserve: 0.2 }));
        calls.truncate(2);
        assert!(traffic.try_enter(true).is_none(), "two are still under way");
        calls.truncate(1);
        assert!(traffic.try_enter(true).is_some());
    }

    #[test]
    fn a_place_comes_back_once_whatever_becomes_of_its_call_and_whoever_waits_is_told_once() {
        let traffic = traffic(2);
        let enter = || traffic.try_enter(true);
        let (answered, lost) = (enter().expect("a place"), enter().expect("a place"));
        assert!(enter().is_none());
        assert!(answered.answered(false), "somebody waits");
        let kept = enter().expect("a place").keep().ok().expect("half of the places can be kept");
        let lost = lost.keep().err().expect("not all of them");
        assert!(enter().is_none());
        drop(lost);
        assert!(enter().is_some(), "as after a panic");
        assert!(kept.let_go(), "somebody has waited meanwhile");
        let both = (enter(), enter());
        assert!(both.0.is_some() && both.1.is_some() && enter().is_none());
    }
}
