//! The counters behind one bucket: one, as published, until answers prove that it is several.
//!
//! Two windows of one counter never overlap. If calls of one kind show a window that overlaps the one of another kind,
//! the bucket has two counters, and it is split (`okta-api.md §4.1`: some orgs count searches apart). If one and the same
//! kind of call shows two overlapping windows, the token's counter lies inside one of the org, and headers show now this
//! one, now that one: then both are watched, and every call spends both.

use super::budget::{Budget, Shares, Status};
use super::outcome::RateHeaders;
use crate::clock::Moment;
use crate::domain::Priority;
use std::collections::BTreeMap;
use std::time::Duration;

/// A kind of call, such as `POST users`: calls of one kind spend one counter.
pub type Kind = &'static str;

#[derive(Clone, Debug, Default)]
struct Calls {
    budget: usize,
    in_flight: u32,
    /// The window that the last answer of this kind was counted in.
    window: Option<i64>,
}

/// All counters of one bucket.
#[derive(Clone, Debug)]
pub struct Ledger {
    shares: Shares,
    budgets: Vec<Budget>,
    kinds: BTreeMap<Kind, Calls>,
    /// A counter inside another was seen: they are never taken for two again.
    nested: bool,
}

impl Ledger {
    /// One counter of which nothing is known.
    pub fn new(shares: Shares) -> Self {
        Self { shares, budgets: vec![Budget::new(shares)], kinds: BTreeMap::new(), nested: false }
    }

    /// Other shares from now on, of open windows too.
    pub fn set_shares(&mut self, shares: Shares) {
        if self.shares != shares {
            self.shares = shares;
            self.budgets.iter_mut().for_each(|budget| budget.set_shares(shares));
        }
    }

    fn budget(&self, kind: Kind) -> &Budget {
        &self.budgets[self.kinds.get(kind).map_or(0, |calls| calls.budget)]
    }

    /// As [`Budget::permits`], for calls of this kind.
    pub fn permits(&self, kind: Kind, now: Moment, priority: Priority) -> u32 {
        self.budget(kind).permits(now, priority)
    }

    /// As [`Budget::next_wake`], for calls of this kind.
    pub fn next_wake(&self, kind: Kind, now: Moment, priority: Priority) -> Option<Moment> {
        self.budget(kind).next_wake(now, priority)
    }

    /// How many counters there are.
    pub fn budgets(&self) -> usize {
        self.budgets.len()
    }

    /// The state of the counter of this kind of call.
    pub fn status(&self, kind: Kind, now: Moment) -> Status {
        self.budget(kind).status(now)
    }

    /// The state of the counter that has least left.
    pub fn tightest(&self, now: Moment) -> Status {
        let all = self.budgets.iter().map(|budget| budget.status(now));
        all.min_by_key(|status| (status.limit.is_none(), status.remaining)).unwrap_or_default()
    }

    /// Whether no counter permits anything of this class, and until when.
    pub fn closed_until(&self, now: Moment, priority: Priority) -> Option<Moment> {
        let closed =
            self.budgets.iter().filter(|c| c.permits(now, priority) == 0).filter_map(|c| c.next_wake(now, priority));
        closed.min()
    }

    /// A request of `priority` leaves now.
    pub fn on_send(&mut self, kind: Kind, priority: Priority, now: Moment) {
        let calls = self.kinds.entry(kind).or_default();
        calls.in_flight += 1;
        self.budgets[calls.budget].on_send(priority, now);
    }

    /// A request that was announced never left.
    pub fn on_not_sent(&mut self, kind: Kind) {
        self.back(kind).on_not_sent();
    }

    /// A request that was sent brought no answer.
    pub fn on_lost(&mut self, kind: Kind) {
        self.back(kind).on_lost();
    }

    /// A 429; true if it is our own doing.
    pub fn on_rejected(
        &mut self,
        kind: Kind,
        headers: Option<RateHeaders>,
        asked: Option<Duration>,
        received: Moment,
    ) -> bool {
        self.back(kind).on_rejected(headers, asked, received)
    }

    /// An answer.
    pub fn on_answer(&mut self, kind: Kind, headers: Option<RateHeaders>, received: Moment) {
        if let Some(headers) = headers.filter(|h| !h.is_concurrency()) {
            self.sort_out(kind, headers, received);
        }
        self.back(kind).on_answer(headers, received);
    }

    fn back(&mut self, kind: Kind) -> &mut Budget {
        let calls = self.kinds.entry(kind).or_default();
        calls.in_flight = calls.in_flight.saturating_sub(1);
        &mut self.budgets[calls.budget]
    }

    /// Finds the counter that this answer is of.
    fn sort_out(&mut self, kind: Kind, headers: RateHeaders, received: Moment) {
        let calls = self.kinds.entry(kind).or_default();
        let (own, window) = (calls.budget, calls.window.replace(headers.reset));
        if self.nested || !self.budgets[own].contradicts(headers, received) {
            return;
        }
        let overlaps = |known: i64| known != headers.reset && (known - headers.reset).abs() < 59;
        if window.is_some_and(overlaps) {
            // The same kind of call shows both windows.
            self.nested = true;
            let all = std::mem::replace(&mut self.budgets, vec![Budget::new(self.shares)]);
            all.into_iter().for_each(|budget| self.budgets[0].merge(budget));
            self.kinds.values_mut().for_each(|calls| calls.budget = 0);
            return;
        }
        let known = self.budgets.iter().position(|budget| budget.knows(headers, received));
        let to = known.unwrap_or_else(|| {
            self.budgets.push(Budget::new(self.shares));
            self.budgets.len() - 1
        });
        let in_flight = self.kinds.get(kind).map_or(0, |calls| calls.in_flight);
        let mut target = self.budgets[to].clone();
        self.budgets[own].hand_over(in_flight, &mut target);
        self.budgets[to] = target;
        if let Some(calls) = self.kinds.get_mut(kind) {
            calls.budget = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Shares = Shares { share: 1.0, reserve: 0.0 };

    fn headers(limit: u32, remaining: u32, reset: i64) -> Option<RateHeaders> {
        Some(RateHeaders { limit, remaining, reset, date: None })
    }

    fn at(second: i64) -> Moment {
        Moment::from_secs(second)
    }

    #[test]
    fn another_share_holds_for_the_window_that_is_open() {
        let mut ledger = Ledger::new(ALL);
        ledger.on_send("create", Priority::Grant, at(1000));
        ledger.on_answer("create", headers(100, 99, 1060), at(1000));
        assert_eq!(ledger.permits("create", at(1001), Priority::Grant), 99);
        ledger.set_shares(Shares { share: 0.5, reserve: 0.0 });
        assert_eq!(ledger.permits("create", at(1001), Priority::Grant), 49);
        ledger.set_shares(ALL);
        assert_eq!(ledger.permits("create", at(1001), Priority::Grant), 99);
    }

    #[test]
    fn a_bucket_is_one_counter_as_long_as_nothing_says_otherwise() {
        let mut ledger = Ledger::new(ALL);
        ledger.on_send("create", Priority::Grant, at(1000));
        ledger.on_answer("create", headers(100, 99, 1060), at(1000));
        for n in 0..3 {
            ledger.on_send("list", Priority::Grant, at(1000));
            ledger.on_answer("list", headers(100, 98 - n, 1060), at(1001));
        }
        // The next window opens; an answer of the old one straggles in.
        ledger.on_send("list", Priority::Grant, at(1000));
        ledger.on_send("create", Priority::Grant, at(1000));
        ledger.on_answer("create", headers(100, 99, 1121), at(1062));
        ledger.on_answer("list", headers(100, 40, 1060), at(1063));
        assert_eq!(ledger.budgets(), 1);
        assert_eq!(ledger.permits("list", at(1064), Priority::Grant), 99);
    }

    #[test]
    fn calls_that_show_windows_that_overlap_have_counters_of_their_own() {
        let mut ledger = Ledger::new(ALL);
        ledger.on_send("create", Priority::Grant, at(1000));
        ledger.on_answer("create", headers(100, 0, 1060), at(1000));
        for _ in 0..3 {
            ledger.on_send("list", Priority::Grant, at(1000));
        }
        ledger.on_answer("list", headers(100, 49, 1090), at(1030));
        assert_eq!(ledger.budgets(), 2);
        assert_eq!(ledger.permits("create", at(1031), Priority::Grant), 0);
        assert_eq!(ledger.permits("list", at(1031), Priority::Grant), 47, "two are still under way");
        for _ in 0..2 {
            ledger.on_answer("list", headers(100, 48, 1090), at(1032));
        }
        assert_eq!(ledger.permits("list", at(1033), Priority::Grant), 48);
        assert_eq!(
            ledger.closed_until(at(1033), Priority::Grant),
            ledger.next_wake("create", at(1033), Priority::Grant)
        );
    }

    #[test]
    fn a_counter_inside_another_is_not_two_counters() {
        let mut ledger = Ledger::new(ALL);
        ledger.on_send("create", Priority::Grant, at(1000));
        ledger.on_answer("create", headers(100, 50, 1060), at(1000));
        ledger.on_send("create", Priority::Grant, at(1000));
        ledger.on_answer("create", headers(100, 20, 1040), at(1001));
        assert_eq!(ledger.budgets(), 1);
        assert_eq!(ledger.permits("create", at(1002), Priority::Grant), 20);
        let after = at(1001) + Duration::from_secs(61);
        assert_eq!(ledger.permits("create", after, Priority::Grant), 100, "both are over by the first answers");
        ledger.on_send("list", Priority::Grant, at(1000));
        ledger.on_answer("list", headers(100, 10, 1075), at(1002));
        assert_eq!(ledger.budgets(), 1, "never split again");
    }

    #[test]
    fn what_was_split_and_turns_out_to_be_nested_is_put_together() {
        let mut ledger = Ledger::new(ALL);
        ledger.on_send("create", Priority::Grant, at(1000));
        ledger.on_answer("create", headers(100, 50, 1060), at(1000));
        ledger.on_send("list", Priority::Grant, at(1000));
        ledger.on_answer("list", headers(100, 20, 1040), at(1001));
        assert_eq!(ledger.budgets(), 2);
        ledger.on_send("list", Priority::Grant, at(1000));
        ledger.on_answer("list", headers(100, 19, 1060), at(1002));
        assert_eq!(ledger.budgets(), 1);
        assert!(ledger.permits("create", at(1003), Priority::Grant) <= 19);
    }

    #[test]
    fn a_429_closes_its_counter_until_its_reset_and_says_whose_it_was() {
        let mut ledger = Ledger::new(ALL);
        ledger.on_send("create", Priority::Grant, at(1000));
        ledger.on_answer("create", headers(100, 50, 1060), at(1000));
        ledger.on_send("create", Priority::Grant, at(1000));
        assert!(
            !ledger.on_rejected("create", headers(100, 0, 1030), None, at(1005)),
            "others have spent the org's window"
        );
        assert_eq!(ledger.permits("create", at(1006), Priority::Revoke), 0);
        let opens = ledger.next_wake("create", at(1006), Priority::Grant).expect("an end");
        assert!(ledger.permits("create", opens, Priority::Grant) > 0);
        let mut small = Ledger::new(ALL);
        small.on_send("create", Priority::Grant, at(1000));
        small.on_answer("create", headers(1, 0, 1060), at(1000));
        small.on_send("create", Priority::Grant, at(1000));
        assert!(small.on_rejected("create", headers(1, 0, 1060), None, at(1001)), "we spent it all ourselves");
    }
}
