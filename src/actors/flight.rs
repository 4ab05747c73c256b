//! A call under way: what it takes of its counter, of the pauses and of the places for simultaneous calls.
//!
//! **Invariant:** each of these is given back once: with what was heard, or as of a call that was lost when it is dropped.

use super::wiring::traffic::{Place, Traffic};
use crate::clock::Moment;
use crate::domain::Priority;
use crate::okta::Ledger;
use crate::okta::health::{About, Notice, Symptom};
use crate::okta::outcome::RateHeaders;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What was sent of one counter, as its writer and the calls under way share it. Cheap to clone.
#[derive(Clone)]
pub struct Books(Arc<Mutex<Ledger>>);

impl Books {
    /// Nothing was sent yet.
    pub fn new(ledger: Ledger) -> Self {
        Self(Arc::new(Mutex::new(ledger)))
    }

    /// Looks into them, or writes into them.
    pub fn with<T>(&self, f: impl FnOnce(&mut Ledger) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A call that is about to leave.
pub struct Leaving {
    pub kind: &'static str,
    pub about: About,
    pub priority: Priority,
}

/// One call under way.
pub struct Flight {
    kind: &'static str,
    about: About,
    traffic: Traffic,
    books: Option<Books>,
    is_heard_of: bool,
    place: Option<Place>,
}

impl Flight {
    /// A call of this kind leaves now, in this place.
    pub fn leave(books: &Books, traffic: &Traffic, place: Place, leaving: &Leaving, now: Moment) -> Self {
        let Leaving { kind, about, priority } = *leaving;
        books.with(|ledger| ledger.on_send(kind, priority, now));
        traffic.health(|health| health.on_send(about));
        let (books, traffic, place) = (Some(books.clone()), traffic.clone(), Some(place));
        Self { kind, about, traffic, books, is_heard_of: false, place }
    }

    /// It did not leave after all.
    pub fn not_sent(&mut self) {
        self.write_down(|ledger, kind| ledger.on_not_sent(kind));
    }

    /// It brought no answer.
    pub fn lost(&mut self) {
        self.write_down(|ledger, kind| ledger.on_lost(kind));
    }

    /// It was answered with 429; true if that is our own doing.
    pub fn rejected(&mut self, limit: Option<RateHeaders>, after: Option<Duration>, received: Moment) -> bool {
        self.write_down(|ledger, kind| ledger.on_rejected(kind, limit, after, received)).unwrap_or(false)
    }

    /// It was answered.
    pub fn answered(&mut self, limit: Option<RateHeaders>, received: Moment) {
        self.write_down(|ledger, kind| ledger.on_answer(kind, limit, received));
    }

    /// Writes down, once, what became of it for its counter.
    fn write_down<T>(&mut self, f: impl FnOnce(&mut Ledger, &'static str) -> T) -> Option<T> {
        let kind = self.kind;
        Some(self.books.take()?.with(|ledger| f(ledger, kind)))
    }

    /// What an answer about `person` says about what is paused.
    pub fn heard(&mut self, person: Option<i64>, symptom: Symptom, received: Moment) -> Vec<Notice> {
        self.is_heard_of = true;
        self.traffic.health(|health| health.on_reply(self.about, person, symptom, received))
    }

    /// Its place, to be given back in another way than by being dropped.
    pub fn place(&mut self) -> Option<Place> {
        self.place.take()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.lost();
        if !self.is_heard_of {
            self.traffic.health(|health| health.on_not_sent(self.about));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::wiring::traffic::Tuning;
    use crate::okta::Bucket;
    use crate::okta::budget::Shares;
    use crate::retry::Waits;

    #[test]
    fn a_call_whose_sender_is_gone_takes_nothing_of_what_it_held_with_it() {
        let tuning = Tuning { in_flight: 1, runs: 1, shares: Shares::default(), waits: Waits::default() };
        let (traffic, books) = (Traffic::new(tuning), Books::new(Ledger::new(Shares::default())));
        let about = About { bucket: Bucket::ALL[0], write: true, action: "update" };
        let leaving = Leaving { kind: "object", about, priority: Priority::Grant };
        let now = Moment::from_secs(1000);
        let in_flight = || books.with(|ledger| ledger.status("object", now).in_flight);
        let leave = || Some(Flight::leave(&books, &traffic, traffic.try_enter(true)?, &leaving, now));
        let flight = leave().expect("a place");
        assert_eq!(in_flight(), 1);
        assert!(leave().is_none(), "there is one place");
        drop(flight);
        assert_eq!(in_flight(), 0);
        let mut answered = leave().expect("the place is free again");
        answered.answered(None, now);
        assert_eq!(in_flight(), 0);
        drop(answered);
        assert_eq!(in_flight(), 0, "what is written down once is not taken back");
        assert!(leave().is_some());
    }
}
