use super::*;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

/// A day's worth of milliseconds after some moment, so that everything comes before, at and after everything else.
fn moments() -> impl Strategy<Value = Moment> {
    (0..86_400i64).prop_map(|s| Moment::from_secs(1_800_000_000 + s))
}

fn priorities() -> impl Strategy<Value = Priority> {
    select(Priority::ALL.to_vec())
}

fn buckets() -> impl Strategy<Value = &'static str> {
    select(vec![ANY_BUCKET, USER_READ, SEARCH, "users"])
}

/// Work as it may stand in the store.
pub(crate) fn works() -> impl Strategy<Value = Work> {
    let states = select(vec![State::Ready, State::Quarantined, State::Held]);
    let times = (moments(), moments(), of(moments()), any::<bool>());
    let revisions = (0..5i64, 0..5i64, 0..5i64);
    let run = (0..8i64, any::<bool>(), of(1..5i64), of(select(vec!["one reason", "another one"])));
    (states, priorities(), buckets(), times, revisions, run).prop_map(
        |(state, priority, bucket, times, revisions, run)| {
            let (due_at, dirty_at, changes_at, never) = times;
            let (done_rev, more, evaluated) = revisions;
            let (attempt, read_first, token, reason) = run;
            Work {
                state,
                priority,
                deadline: priority.deadline(dirty_at.millis()),
                bucket: bucket.into(),
                due_at: if never && state != State::Ready { NEVER } else { due_at },
                dirty_at,
                dirty_rev: (done_rev + more).max(1),
                done_rev,
                evaluated,
                attempt,
                read_first,
                token,
                reason: reason.map(str::to_owned),
                changes_at,
                cause: "profile".into(),
            }
        },
    )
}

/// Every way to end a run.
fn releases() -> impl Strategy<Value = Release> {
    let why = || "one reason".to_owned();
    prop_oneof![
        Just(Release::Done { was: "entitled", decided: None, remark: None, awaits_manager: false }),
        moments().prop_map(move |at| Release::Retry { at, why: why() }),
        moments().prop_map(move |at| Release::Wait { at, why: why() }),
        moments().prop_map(move |at| Release::ReadFirst { at, why: why() }),
        Just(Release::Search),
        Just(Release::Stale),
        priorities().prop_map(|priority| Release::Yield { bucket: "users", priority }),
        Just(Release::Held { why: why(), withheld: Vec::new(), again: None }),
        moments().prop_map(|at| Release::Evaluate { at }),
        (of(moments()), any::<bool>()).prop_map(move |(again, read_first)| Release::Quarantined {
            why: why(),
            again,
            read_first,
            awaits: Vec::new()
        }),
    ]
}

/// What can happen to a target, in any order.
#[derive(Clone, Debug)]
enum Step {
    Dirty(Priority, &'static str),
    Expect(bool),
    Evaluate,
    Lease,
    /// The run ends; or one whose lease is gone believes that it does.
    Release(Release, bool),
    Decide,
    Wake,
    Recover,
    ExchangeRules,
    Park,
    Unpark,
    SetBack,
    Refuse,
    TakeApart,
    Join,
}

fn steps() -> impl Strategy<Value = Vec<(Step, Moment)>> {
    let step = prop_oneof![
        3 => (priorities(), buckets()).prop_map(|(priority, bucket)| Step::Dirty(priority, bucket)),
        1 => any::<bool>().prop_map(Step::Expect),
        4 => Just(Step::Evaluate),
        4 => Just(Step::Lease),
        4 => (releases(), proptest::bool::weighted(0.8)).prop_map(|(how, present)| Step::Release(how, present)),
        1 => select(vec![
            Step::Decide, Step::Wake, Step::Recover, Step::ExchangeRules, Step::Park, Step::Unpark, Step::SetBack,
            Step::Refuse, Step::TakeApart, Step::Join,
        ]),
    ];
    proptest::collection::vec((step, moments()), 1..60)
}

fn dirt(priority: Priority, bucket: &str) -> Dirt<'_> {
    Dirt { priority, bucket, cause: Cause::Profile }
}

fn lease(work: &Work) -> Option<Lease> {
    work.token.map(|token| Lease { target: 1, token, rev: work.dirty_rev })
}

/// A target beside what must be true of it: its newest revision, the newest that a present run has proved, and the runs.
struct Model {
    work: Work,
    newest: i64,
    proved: i64,
    lease: Option<Lease>,
    tokens: i64,
}

impl Model {
    fn new() -> Self {
        let work = Work::dirtied(None, &dirt(Priority::Grant, ANY_BUCKET), Moment::from_secs(1_800_000_000));
        Self { work, newest: 1, proved: 0, lease: None, tokens: 0 }
    }

    fn take(&mut self, step: &Step, now: Moment) {
        let work = self.work.clone();
        self.work = match step {
            Step::Dirty(priority, bucket) => {
                self.newest += 1;
                Work::dirtied(Some(work), &dirt(*priority, bucket), now)
            }
            Step::Expect(conflict) => {
                self.newest += 1;
                let dirty = Work::dirtied(Some(work), &dirt(Priority::Describe, ANY_BUCKET), now);
                dirty.expects(Some(now), conflict.then_some("two accounts"), false)
            }
            Step::Evaluate => {
                let rev = work.dirty_rev;
                work.evaluated(rev)
            }
            Step::Lease => match work.clone().leased(self.tokens + 1, now) {
                Some(leased) => {
                    assert!(self.lease.is_none(), "two runs at once");
                    assert_eq!((work.state, work.evaluated), (State::Ready, self.newest));
                    self.tokens += 1;
                    self.lease = Some(Lease { target: 1, token: self.tokens, rev: work.dirty_rev });
                    leased
                }
                None => work,
            },
            Step::Release(how, true) => {
                let Some(lease) = self.lease.take() else { return };
                if matches!(how, Release::Done { .. }) {
                    self.proved = lease.rev;
                }
                work.released(lease, how, None, now).work
            }
            Step::Release(how, false) => {
                let old = Lease { target: 1, token: self.tokens - 1, rev: self.newest };
                work.released(old, how, None, now).work
            }
            Step::Decide => work.decided(now),
            Step::Wake => work.woken(now),
            Step::Recover => {
                self.lease = None;
                work.recovered(now)
            }
            Step::ExchangeRules => work.rules_exchanged(now),
            Step::Park => work.parked("the report waits"),
            Step::Unpark => work.unparked(now),
            Step::SetBack => work.set_back(Duration::from_secs(60)),
            Step::Refuse => {
                self.lease = None;
                work.refused("the store refuses", now, false, now)
            }
            Step::TakeApart => {
                self.lease = None;
                work.taken_apart()
            }
            Step::Join => {
                (self.lease, self.newest) = (None, self.newest + 1);
                Work::dirtied(Some(work.joined()), &dirt(Priority::Describe, ANY_BUCKET), now)
            }
        };
    }
}

proptest! {
    #[test]
    fn no_revision_is_lost_and_none_is_done_that_nobody_has_proved(steps in steps()) {
        let mut model = Model::new();
        for (step, now) in &steps {
            model.take(step, *now);
            let work = &model.work;
            prop_assert_eq!(work.dirty_rev, model.newest, "after {:?}", step);
            prop_assert_eq!(work.done_rev, model.proved, "after {:?}", step);
            prop_assert!(work.done_rev <= work.dirty_rev);
            prop_assert_eq!(work.token, model.lease.map(|lease| lease.token), "after {:?}", step);
        }
    }

    #[test]
    fn work_is_done_in_the_end_whatever_has_happened(steps in steps()) {
        let mut model = Model::new();
        for (step, now) in &steps {
            model.take(step, *now);
        }
        // A start makes ready whatever waits; what is ready is due at the latest at the end of all moments.
        let end = Moment::from_secs(1_900_000_000);
        model.take(&Step::Recover, end);
        if model.work.is_dirty() {
            for step in [Step::Evaluate, Step::Lease, Step::Release(done(), true)] {
                model.take(&step, end);
            }
        }
        prop_assert!(!model.work.is_dirty(), "{:?}", model.work);
    }

    #[test]
    fn a_leaver_is_tried_again_within_five_minutes(work in works(), how in releases(), now in moments(), token in 1..9i64) {
        let work = Work { token: Some(token), ..work };
        let lease = Lease { target: 1, token, rev: work.dirty_rev };
        let due = |work: &Work| work.due_at.since(now);
        let after = work.clone().released(lease, &how, Some(now), now).work;
        let waits_for_a_decision = after.due_at == NEVER && after.state != State::Ready;
        let is_done = matches!(how, Release::Done { .. });
        prop_assert!(is_done || waits_for_a_decision || due(&after) <= LONGEST_WAIT, "{:?}", after);
        let after = work.refused("refused", now + Duration::from_secs(86_400), true, now);
        prop_assert!(due(&after) <= LONGEST_WAIT);
    }

    #[test]
    fn whoever_works_here_waits_as_long_as_the_run_has_said(work in works(), at in moments(), now in moments()) {
        let work = Work { token: Some(1), ..work };
        let lease = Lease { target: 1, token: 1, rev: work.dirty_rev };
        let after = work.released(lease, &Release::Retry { at, why: "busy".into() }, None, now).work;
        prop_assert_eq!(after.due_at, at);
    }

    #[test]
    fn what_is_held_or_quarantined_or_not_evaluated_is_never_leased(work in works(), now in moments()) {
        let is_free = work.state == State::Ready && work.token.is_none() && work.due_at <= now;
        let expected = is_free && work.dirty_rev > work.done_rev && work.evaluated == work.dirty_rev;
        prop_assert_eq!(work.clone().leased(9, now).is_some(), expected);
        let held = Work { state: State::Held, ..work };
        prop_assert_eq!(held.leased(9, now), None);
    }

    #[test]
    fn a_lease_of_before_changes_nothing(work in works(), how in releases(), over in any::<bool>(), now in moments()) {
        let old = Lease { target: 1, token: work.token.map_or(7, |token| token - 1), rev: work.dirty_rev };
        let after = work.clone().released(old, &how, over.then_some(now), now);
        prop_assert_eq!(&after.work, &work);
        prop_assert!(after.events.is_empty());
        prop_assert_eq!(&work.clone().in_doubt(old), &work);
    }

    #[test]
    fn a_start_changes_nothing_that_a_start_has_changed(work in works(), now in moments()) {
        let once = work.recovered(now);
        prop_assert_eq!(once.token, None);
        prop_assert_eq!(once.state, State::Ready);
        prop_assert_eq!(once.clone().recovered(now + Duration::from_secs(9)), once);
    }

    #[test]
    fn what_was_evaluated_stays_evaluated_for_the_same_revision_only(work in works(), now in moments(), priority in priorities()) {
        let rev = work.dirty_rev;
        let evaluated = work.evaluated(rev);
        prop_assert!(evaluated.is_evaluated());
        let decided = Work { state: State::Held, ..evaluated.clone() }.decided(now);
        prop_assert!(decided.is_evaluated(), "a decision is about what was shown");
        let dirty = Work::dirtied(Some(evaluated.clone()), &dirt(priority, ANY_BUCKET), now);
        prop_assert!(!dirty.is_evaluated());
        prop_assert!(!evaluated.clone().rules_exchanged(now).is_evaluated() || !evaluated.is_dirty());
    }

    #[test]
    fn a_revision_is_as_urgent_and_as_old_as_the_most_urgent_that_is_not_done(
        work in works(), priority in priorities(), now in moments(),
    ) {
        let after = Work::dirtied(Some(work.clone()), &dirt(priority, ANY_BUCKET), now);
        let (expected, since) = if work.is_dirty() { (priority.min(work.priority), work.dirty_at) } else { (priority, now) };
        prop_assert_eq!((after.priority, after.dirty_at), (expected, since));
        prop_assert_eq!(after.deadline, expected.deadline(since.millis()));
        prop_assert_eq!((after.state, after.attempt, after.token), (State::Ready, 0, work.token));
    }

    #[test]
    fn a_decision_that_comes_during_a_run_is_not_lost(work in works(), now in moments()) {
        let leased = Work { token: Some(3), state: State::Ready, evaluated: work.dirty_rev, ..work };
        prop_assume!(leased.is_dirty());
        let lease = lease(&leased).expect("a run");
        let held = Release::Held { why: "waits for a decision".into(), withheld: Vec::new(), again: None };
        prop_assert_eq!(leased.clone().released(lease, &held, None, now).work.state, State::Held);
        let after = leased.decided(now).released(lease, &held, None, now).work;
        prop_assert!(after.waits_for_evaluation() && after.due_at <= now, "{:?}", after);
    }

    #[test]
    fn a_change_that_comes_during_a_run_is_planned_at_once(work in works(), how in releases(), now in moments()) {
        let leased = Work { token: Some(3), ..work };
        let lease = lease(&leased).expect("a run");
        let moved = Work::dirtied(Some(leased), &dirt(Priority::Describe, ANY_BUCKET), now);
        let after = moved.clone().released(lease, &how, None, now).work;
        prop_assert!(after.is_dirty(), "{:?}", after);
        prop_assert_eq!(after.state, State::Ready);
        prop_assert_eq!((after.priority, after.deadline), (moved.priority, moved.deadline));
    }
}

fn done() -> Release {
    Release::Done { was: "entitled", decided: None, remark: None, awaits_manager: false }
}

#[test]
fn a_person_who_is_tried_again_for_one_reason_is_told_of_once() {
    let now = Moment::from_secs(1_800_000_000);
    let quarantined =
        |again| Release::Quarantined { why: "refused".into(), again, read_first: false, awaits: Vec::new() };
    let work = Work::dirtied(None, &dirt(Priority::Grant, ANY_BUCKET), now);
    let run = |work: Work, how: &Release| {
        let work = Work { token: Some(1), state: State::Ready, ..work };
        let lease = lease(&work).expect("a run");
        work.released(lease, how, None, now)
    };
    let first = run(work, &quarantined(Some(now)));
    assert_eq!(first.events, [Happened::Quarantined { why: "refused".into() }]);
    let second = run(first.work, &quarantined(Some(now)));
    assert_eq!((second.events.len(), second.work.attempt), (0, 2));
    let other = Release::Retry { at: now, why: "Okta has no time".into() };
    let after_another = run(run(second.work.clone(), &other).work, &quarantined(Some(now)));
    assert_eq!(
        (after_another.events.len(), after_another.work.attempt),
        (1, 1),
        "no later try of what failed before it"
    );
    let for_good = run(second.work, &quarantined(None));
    assert_eq!((for_good.events.len(), for_good.work.attempt, for_good.work.due_at), (1, 2, NEVER));
}

#[test]
fn the_end_of_access_is_counted_from_the_change_that_has_ended_it() {
    let at = |seconds: i64| Moment::from_secs(1_800_000_000 + seconds);
    let took = |ended_at: Option<Moment>| {
        let work = Work::dirtied(None, &dirt(Priority::Describe, ANY_BUCKET), at(0));
        let work = Work { token: Some(1), ..work };
        match work.clone().released(lease(&work).expect("a run"), &done(), ended_at, at(27)).events.as_slice() {
            [Happened::Done { took_ms, .. }] => *took_ms,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(took(None), 27_000, "of a change");
    assert_eq!(took(Some(at(25))), 2000, "the title of before waited for 25 s, access for 2 s");
    let before = Moment::from_secs(1_700_000_000);
    assert_eq!(took(Some(before)), 27_000, "of a change after the end");
}

#[test]
fn what_was_left_in_doubt_while_a_run_was_under_way_is_read_by_the_next_one() {
    let now = Moment::from_secs(1_800_000_000);
    let dirty = dirt(Priority::Describe, ANY_BUCKET);
    let work = Work { token: Some(1), ..Work::dirtied(None, &dirty, now) };
    let lease = lease(&work).expect("a run");
    let late = Work::dirtied(Some(work.clone()), &dirty, now).read_again();
    assert!(late.released(lease, &done(), None, now).work.read_first, "the run has not read it");
    assert!(!work.read_again().released(lease, &done(), None, now).work.read_first, "it has looked last");
}

proptest! {
    #[test]
    fn whoever_is_refused_the_same_again_and_again_waits_ever_longer_and_nobody_is_woken_by_it(
        work in works(), now in moments(), times in 2..30i64,
    ) {
        let [once, again] = [times, times + 1].map(|times| work.clone().backed_off(times, false, now));
        prop_assert!(work.due_at <= once.due_at && once.due_at <= again.due_at);
        prop_assert_eq!(once.state, work.state);
        let is_waiting = work.state == State::Quarantined && work.due_at < NEVER && work.token.is_none();
        prop_assert!(!is_waiting || once.due_at >= now + Duration::from_secs(60), "{:?}", once.due_at);
        prop_assert!(once.due_at <= work.due_at.max(now + LONGEST_REFUSED), "and is tried again all the same");
        prop_assert_eq!(work.clone().backed_off(times, true, now), work, "a leaver waits by their own rule");
    }
}
