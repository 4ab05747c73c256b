//! What the writers of one org share: how many calls may be under way at once, what is paused, and how much room each
//! counter has.

use crate::clock::Moment;
use crate::okta::budget::{Shares, Status};
use crate::okta::health::Admission;
use crate::okta::{Bucket, Health};
use crate::retry::Waits;
use arc_swap::ArcSwap;
use dashmap::DashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many people may wait for one counter before the dispatcher looks for other work.
pub const LOOKAHEAD: usize = 48;
/// Answers without complaint after which one more simultaneous call is tried.
const GOOD_ANSWERS: u32 = 50;
/// Answers without complaint after which the number that Okta complained about is tried again.
const FORGET_AFTER: u32 = 5000;

/// Limits simultaneous calls: additive increase up to just below what Okta once complained about, halved when it
/// complains (`okta-api.md §4.6`).
#[derive(Debug)]
pub struct Concurrency {
    most: usize,
    /// Below what was too many the last time.
    ceiling: usize,
    cap: usize,
    in_flight: usize,
    /// Of them, calls that nobody waits for any more and that may still be under way at Okta.
    lingering: usize,
    good: u32,
    since_complaint: u32,
}

impl Concurrency {
    /// At most `most` calls at once.
    pub fn new(most: usize) -> Self {
        Self { most, ceiling: most, cap: most, in_flight: 0, lingering: 0, good: 0, since_complaint: 0 }
    }

    /// From now on at most `most` calls at once.
    pub fn set_most(&mut self, most: usize) {
        *self = Self { in_flight: self.in_flight, lingering: self.lingering, ..Self::new(most) };
    }

    /// Takes a place, if one is free; of every five, one is for terminations only.
    pub fn try_enter(&mut self, urgent: bool) -> bool {
        let free = self.in_flight < if urgent { self.cap } else { self.cap - self.cap / 5 };
        self.in_flight += usize::from(free);
        free
    }

    /// Gives a place back that was not used.
    pub fn give_up(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Keeps the place of a call that was given up: it may still be under way there, and be counted. Half of the places
    /// can be kept, so that somebody can find out whether the trouble is over; false if this one cannot.
    pub fn keep(&mut self) -> bool {
        let keeps = self.lingering < self.cap / 2;
        self.lingering += usize::from(keeps);
        keeps
    }

    /// Gives back a place that was kept.
    pub fn let_go(&mut self) {
        self.lingering = self.lingering.saturating_sub(1);
        self.give_up();
    }

    /// Gives the place back; `too_many` if Okta complained about simultaneous calls.
    pub fn admission(&mut self, too_many: bool) {
        if too_many {
            // Each complaint lowers it, also several about one crowd: too few is mended by good answers, too many is not.
            self.ceiling = self.ceiling.min(self.in_flight.saturating_sub(1)).max(1);
            self.cap = (self.cap / 2).clamp(1, self.ceiling);
            (self.good, self.since_complaint) = (0, 0);
        } else {
            self.good += 1;
            self.since_complaint += 1;
            if self.since_complaint >= FORGET_AFTER && self.ceiling < self.most {
                self.ceiling += 1;
                self.since_complaint = 0;
            }
            if self.good >= GOOD_ANSWERS && self.cap < self.ceiling {
                self.cap += 1;
                self.good = 0;
            }
        }
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}

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
    concurrency: Arc<Mutex<Concurrency>>,
    health: Arc<Mutex<Health>>,
    room: Arc<DashMap<Bucket, usize>>,
    status: Arc<DashMap<Bucket, Status>>,
    waiting: Arc<AtomicUsize>,
    tuning: Arc<ArcSwap<Tuning>>,
}

impl Traffic {
    /// With this pace, until another is set.
    pub fn new(tuning: Tuning) -> Self {
        let room = Bucket::ALL.into_iter().map(|bucket| (bucket, LOOKAHEAD)).collect();
        Self {
            concurrency: Arc::new(Mutex::new(Concurrency::new(tuning.in_flight))),
            health: Arc::default(),
            room: Arc::new(room),
            status: Arc::default(),
            waiting: Arc::default(),
            tuning: Arc::new(ArcSwap::from_pointee(tuning)),
        }
    }

    /// Other numbers from now on.
    pub fn tune(&self, tuning: Tuning) {
        // What was learned of Okta's limit of simultaneous calls is kept while nobody says otherwise.
        if tuning.in_flight != self.tuning.load().in_flight {
            self.lock(|c| c.set_most(tuning.in_flight));
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

    /// Takes a place for one call. Whoever gets none is remembered, so that `admission` can say somebody waits.
    pub fn try_enter(&self, urgent: bool) -> bool {
        let entered = self.lock(|c| c.try_enter(urgent));
        if !entered {
            self.waiting.store(1, Ordering::Relaxed);
        }
        entered
    }

    /// Gives a place back that was not used.
    pub fn give_up(&self) {
        self.lock(Concurrency::give_up);
    }

    /// Gives the place back; true if a writer waits for one.
    pub fn admission(&self, too_many: bool) -> bool {
        self.lock(|c| c.admission(too_many));
        self.is_waited_for()
    }

    /// Keeps the place of a call that may still be under way, until `let_go`; false if it must `admission` at once.
    pub fn keep(&self) -> bool {
        self.lock(Concurrency::keep)
    }

    /// Gives back a place that was kept; true if a writer waits for one.
    pub fn let_go(&self) -> bool {
        self.lock(Concurrency::let_go);
        self.is_waited_for()
    }

    fn is_waited_for(&self) -> bool {
        self.waiting.swap(0, Ordering::Relaxed) != 0
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

    /// How many people may be worked on, by the pauses: all, one that tries, or nobody.
    pub fn people(&self, now: Moment) -> usize {
        match self.health(|health| health.org(now)) {
            Admission::Yes => usize::MAX,
            Admission::Try => 1,
            Admission::Wait(_) => 0,
        }
    }

    fn lock<T>(&self, f: impl FnOnce(&mut Concurrency) -> T) -> T {
        f(&mut self.concurrency.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_number_of_calls_at_once_counts_those_that_are_under_way() {
        let tuning = Tuning { in_flight: 4, runs: 64, shares: Shares::default(), waits: Waits::default() };
        let traffic = Traffic::new(tuning);
        assert_eq!((0..9).filter(|_| traffic.try_enter(true)).count(), 4);
        let waits = Waits { longest: Waits::default().first, ..Waits::default() };
        traffic.tune(Tuning { in_flight: 2, runs: 8, shares: Shares { share: 0.5, reserve: 0.2 }, waits });
        assert_eq!(traffic.waits(), waits);
        assert_eq!((traffic.runs(), traffic.shares()), (8, Shares { share: 0.5, reserve: 0.2 }));
        traffic.admission(false);
        traffic.admission(false);
        assert!(!traffic.try_enter(true), "two are still under way");
        traffic.admission(false);
        assert!(traffic.try_enter(true));
    }

    #[test]
    fn a_complaint_halves_the_calls_at_once_and_good_answers_bring_them_back_to_just_below_it() {
        let mut concurrency = Concurrency::new(16);
        for _ in 0..16 {
            assert!(concurrency.try_enter(true));
        }
        assert!(!concurrency.try_enter(true));
        concurrency.admission(true);
        assert_eq!(concurrency.cap, 8);
        assert!(!concurrency.try_enter(true), "fifteen are still under way");
        for _ in 0..15 {
            concurrency.admission(false);
        }
        for _ in 0..GOOD_ANSWERS * 20 {
            assert!(concurrency.try_enter(true));
            concurrency.admission(false);
        }
        assert_eq!(concurrency.cap, 15, "sixteen were too many");
        for _ in 0..FORGET_AFTER {
            assert!(concurrency.try_enter(true));
            concurrency.admission(false);
        }
        assert_eq!(concurrency.cap, 16, "after a long time it is tried again");
    }

    #[test]
    fn calls_that_nobody_waits_for_any_more_keep_half_of_the_places_at_most() {
        let mut concurrency = Concurrency::new(4);
        assert_eq!((0..9).filter(|_| concurrency.try_enter(true)).count(), 4);
        assert_eq!((0..3).map(|_| concurrency.keep()).collect::<Vec<_>>(), [true, true, false]);
        concurrency.admission(false);
        assert!(concurrency.try_enter(true), "the place of the third is free");
        assert!(!concurrency.try_enter(true), "two may still be under way, and two are");
        concurrency.set_most(8);
        assert_eq!((0..9).filter(|_| concurrency.try_enter(true)).count(), 4, "they count under another number too");
        concurrency.let_go();
        assert!(concurrency.try_enter(true));
        assert!(!concurrency.try_enter(true));
    }

    #[test]
    fn a_crowd_leaves_places_for_terminations() {
        let mut concurrency = Concurrency::new(16);
        let crowd = (0..20).filter(|_| concurrency.try_enter(false)).count();
        assert_eq!(crowd, 13);
        assert_eq!((0..20).filter(|_| concurrency.try_enter(true)).count(), 3);
    }
}
