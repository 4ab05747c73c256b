use super::*;
use proptest::prelude::*;
use std::collections::BinaryHeap;

const ALL: Shares = Shares { share: 1.0, reserve: 0.0 };

/// Okta's side of a counter, written down independently: a fixed window that opens at the first request.
struct Server {
    limit: u32,
    /// How far the server's clock is ahead of ours, in µs.
    ahead: i64,
    opened: Option<i64>,
    used: u32,
    windows: u32,
}

impl Server {
    fn arrive(&mut self, at: Moment) -> (bool, RateHeaders) {
        let now = at.micros() + self.ahead;
        if self.opened.is_none_or(|opened| now >= opened + 60_000_000) {
            self.opened = Some(now);
            self.used = 0;
            self.windows += 1;
        }
        self.used += 1;
        let end = self.opened.expect("a window is open") + 60_000_000;
        let headers = RateHeaders {
            limit: self.limit,
            remaining: self.limit.saturating_sub(self.used),
            reset: end.div_euclid(1_000_000),
            date: Some(now.div_euclid(1_000_000)),
        };
        (self.used <= self.limit, headers)
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive,
    Answer(RateHeadersKey),
}

type RateHeadersKey = (u32, u32, i64, Option<i64>);

/// Sends `calls` requests as fast as the ledger permits, never more than `parallel` at once, with the latencies given
/// in turn; returns (rejected, windows used, seconds).
fn drain(calls: u32, limit: u32, parallel: u32, ahead: i64, latencies_ms: &[u64], shares: Shares) -> (u32, u32, f64) {
    use std::cmp::Reverse;
    let mut server = Server { limit, ahead, opened: None, used: 0, windows: 0 };
    let mut budget = Budget::new(shares);
    let mut queue: BinaryHeap<Reverse<(Moment, u64, Event)>> = BinaryHeap::new();
    let start = Moment::from_secs(1_000_000);
    let (mut now, mut sent, mut answered, mut rejected, mut n) = (start, 0, 0, 0, 0u64);
    while answered < calls {
        while sent < calls && budget.in_flight < parallel && budget.permits(now, Priority::Grant) > 0 {
            budget.on_send(Priority::Grant, now);
            let half = Duration::from_millis(latencies_ms[sent as usize % latencies_ms.len()] / 2);
            queue.push(Reverse((now + half, n, Event::Arrive)));
            (sent, n) = (sent + 1, n + 1);
        }
        let wake = (sent < calls).then(|| budget.next_wake(now, Priority::Grant)).flatten();
        let next = queue.peek().map(|Reverse((at, ..))| *at);
        match (next, wake) {
            (Some(at), wake) if wake.is_none_or(|wake| at <= wake) => {
                let Some(Reverse((at, id, event))) = queue.pop() else { unreachable!() };
                now = at;
                match event {
                    Event::Arrive => {
                        let (passed, h) = server.arrive(at);
                        rejected += u32::from(!passed);
                        let half = latencies_ms[id as usize % latencies_ms.len()] / 2;
                        let key = (h.limit, h.remaining, h.reset, h.date);
                        queue.push(Reverse((at + Duration::from_millis(half), id, Event::Answer(key))));
                    }
                    Event::Answer((limit, remaining, reset, date)) => {
                        budget.on_answer(Some(RateHeaders { limit, remaining, reset, date }), at);
                        answered += 1;
                    }
                }
            }
            (_, Some(wake)) => now = wake,
            (None, None) => panic!("the ledger waits for an answer that will never come"),
            (Some(_), None) => unreachable!(),
        }
    }
    (rejected, server.windows, now.since(start).as_secs_f64())
}

#[test]
fn a_burst_uses_every_request_of_every_window_and_none_too_many() {
    let (rejected, windows, seconds) = drain(6000, 600, 24, 0, &[480], ALL);
    assert_eq!((rejected, windows), (0, 10));
    assert!(seconds <= 10.0 * 60.0 * 1.02, "{seconds}");
}

#[test]
fn the_reserve_is_released_in_time_so_that_no_window_is_left_unspent() {
    // The second is the slowest call of a mass change, at as many places as there are (okta-api.md §4.6).
    for (slots, latency) in [(24, 480), (16, 1360)] {
        let (rejected, windows, _) = drain(6000, 600, slots, 0, &[latency], Shares::default());
        assert_eq!((rejected, windows), (0, 10), "{latency} ms");
    }
}

proptest! {
    #[test]
    fn no_request_is_ever_one_too_many(
        limit in 1u32..700,
        parallel in 1u32..40,
        skew_s in -200i64..200,
        skew_us in 0i64..1_000_000,
        latencies in proptest::collection::vec(20u64..9000, 1..12),
        reserve in 0.0f64..0.5,
    ) {
        let calls = (limit * 3 + 7).min(900);
        let ahead = skew_s * 1_000_000 + skew_us;
        let (rejected, ..) = drain(calls, limit, parallel, ahead, &latencies, Shares { share: 1.0, reserve });
        prop_assert_eq!(rejected, 0);
    }
}

fn headers(remaining: u32, reset: i64) -> Option<RateHeaders> {
    Some(RateHeaders { limit: 100, remaining, reset, date: None })
}

/// A ledger with an open window: 100 per minute, `remaining` left, first answer at second 1000.
fn open(remaining: u32, shares: Shares) -> Budget {
    let mut budget = Budget::new(shares);
    budget.on_send(Priority::Grant, Moment::from_secs(1000));
    budget.on_answer(headers(remaining, 1060), Moment::from_secs(1000));
    budget
}

#[test]
fn an_unknown_counter_is_asked_with_one_request() {
    let mut budget = Budget::new(ALL);
    let now = Moment::from_secs(1000);
    assert_eq!(budget.permits(now, Priority::Grant), 1);
    budget.on_send(Priority::Grant, Moment::from_secs(1000));
    assert_eq!(budget.permits(now, Priority::Grant), 0);
}

#[test]
fn only_terminations_may_use_the_reserve_until_it_is_released() {
    let budget = open(10, Shares { share: 1.0, reserve: 0.1 });
    let early = Moment::from_secs(1010);
    assert_eq!(budget.permits(early, Priority::Grant), 0);
    assert_eq!(budget.permits(early, Priority::Revoke), 10);
    let released = budget.next_wake(early, Priority::Grant).expect("the release");
    assert_eq!(budget.permits(released, Priority::Grant), 8, "somebody may leave who is the first to");
    assert_eq!(budget.permits(Moment::from_secs(1058), Priority::Grant), 10);
}

#[test]
fn while_people_leave_their_calls_are_kept_to_the_end_of_the_window() {
    let mut budget = open(40, Shares { share: 1.0, reserve: 0.1 });
    for second in 0..45 {
        let now = Moment::from_secs(1000 + second);
        budget.on_send(Priority::Revoke, now);
        budget.on_answer(headers(40, 1060), now);
    }
    let kept = |at: i64| 40 - budget.permits(Moment::from_secs(at), Priority::Grant);
    assert_eq!(kept(1044), 10, "the whole reserve");
    assert_eq!(kept(1056), 7, "one a second was needed, and there are four seconds left");
    assert_eq!(kept(1058), 6, "as many as came within five seconds");
    assert_eq!(kept(1059), 0, "the next window is as near");
    let again = budget.next_wake(Moment::from_secs(1056), Priority::Grant);
    assert_eq!(again, Some(Moment::from_secs(1056) + SHRINKING));
}

#[test]
fn what_others_spend_of_the_same_counter_is_seen_in_the_headers() {
    let mut budget = open(80, ALL);
    budget.on_send(Priority::Grant, Moment::from_secs(1000));
    budget.on_answer(headers(12, 1060), Moment::from_secs(1005));
    assert_eq!(budget.permits(Moment::from_secs(1006), Priority::Grant), 12);
}

#[test]
fn answers_of_an_older_window_change_nothing_and_stragglers_open_the_next_one() {
    let mut budget = open(3, ALL);
    budget.on_send(Priority::Grant, Moment::from_secs(1000));
    budget.on_send(Priority::Grant, Moment::from_secs(1000));
    budget.on_answer(headers(99, 1125), Moment::from_secs(1066));
    budget.on_answer(headers(0, 1060), Moment::from_secs(1067));
    assert_eq!(budget.permits(Moment::from_secs(1068), Priority::Grant), 99);
}

#[test]
fn a_concurrency_429_never_closes_the_counter() {
    let mut budget = open(50, ALL);
    budget.on_send(Priority::Grant, Moment::from_secs(1000));
    let bogus = RateHeaders { limit: 0, remaining: 0, reset: 1170, date: None };
    budget.on_answer(Some(bogus), Moment::from_secs(1001));
    assert_eq!(budget.permits(Moment::from_secs(1002), Priority::Grant), 50);
}

#[test]
fn a_share_leaves_room_for_others() {
    let budget = open(60, Shares { share: 0.5, reserve: 0.0 });
    assert_eq!(budget.permits(Moment::from_secs(1002), Priority::Grant), 10);
}

#[test]
fn a_lost_answer_counts_as_spent() {
    let mut budget = open(50, ALL);
    budget.on_send(Priority::Grant, Moment::from_secs(1000));
    budget.on_lost();
    assert_eq!(budget.permits(Moment::from_secs(1002), Priority::Grant), 49);
}

#[test]
fn a_termination_does_not_wait_for_the_first_answer_of_a_counter() {
    let mut budget = Budget::new(Shares::default());
    budget.on_send(Priority::Inspect, Moment::from_secs(1000));
    let now = Moment::from_secs(1001);
    assert_eq!((budget.permits(now, Priority::Grant), budget.permits(now, Priority::Revoke)), (0, 4));
}
