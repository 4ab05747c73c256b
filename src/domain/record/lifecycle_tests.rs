use super::*;
use crate::domain::record::employee::tests::an_employee;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a known zone")
}

fn moment(text: &str) -> Moment {
    Moment::from(text.parse::<jiff::Timestamp>().expect("a timestamp"))
}

fn date(text: &str) -> Option<Date> {
    (!text.is_empty()).then(|| text.parse().expect("a date"))
}

fn profile(status: UserStatus, start: &str, departure: &str) -> Employee {
    Employee { user_status: status, start_date: date(start), departure_date: date(departure), ..an_employee() }
}

/// The standing under `policies` in Berlin.
fn under(policies: &Policies, employee: &Employee, on_leave: bool, now: &str) -> Lifecycle {
    let zone = zone("Europe/Berlin");
    lifecycle(
        employee,
        &Terms { policies, zone: &zone, is_of_person: true, on_leave: Ok(on_leave), ended_at: None },
        moment(now),
    )
}

fn leaving_in(zone_name: &str, last_day: &str, now: &str) -> Lifecycle {
    let (policies, zone) = (Policies::default(), zone(zone_name));
    let employee = profile(UserStatus::Active, "2020-01-01", last_day);
    lifecycle(
        &employee,
        &Terms { policies: &policies, zone: &zone, is_of_person: true, on_leave: Ok(false), ended_at: None },
        moment(now),
    )
}

#[test]
fn statuses_dates_and_leave_decide_together() {
    use UserStatus::{Active, Inactive, Other, Pending};
    let policies = Policies::default();
    let noon = "2026-05-01T12:00:00Z";
    let table = [
        // status, start, departure, on leave: what it means, when that changes (Berlin is two hours ahead)
        (Active, "2020-01-01", "", false, "entitled", ""),
        (Active, "2020-01-01", "", true, "on_leave", ""),
        (Active, "2020-01-01", "2026-05-01", false, "entitled", "2026-05-01T22:00:00Z"),
        (Active, "2020-01-01", "2026-05-01", true, "on_leave", "2026-05-01T22:00:00Z"),
        (Active, "2020-01-01", "2026-04-30", false, "ended", ""),
        (Active, "2020-01-01", "2026-04-30", true, "ended", ""),
        (Active, "2026-05-01", "", false, "entitled", ""),
        (Active, "2026-05-02", "", false, "prehire", "2026-05-01T22:00:00Z"),
        (Active, "2026-05-09", "", false, "not_yet", "2026-05-01T22:00:00Z"),
        // A departure before the start is of an earlier employment, or a mistake.
        (Active, "2026-05-02", "2026-04-01", false, "prehire", "2026-05-01T22:00:00Z"),
        (Active, "2020-01-01", "2019-12-31", false, "entitled", ""),
        (Pending, "2026-05-03", "", false, "prehire", "2026-05-02T22:00:00Z"),
        (Pending, "2026-06-01", "", false, "not_yet", "2026-05-24T22:00:00Z"),
        (Pending, "2026-05-01", "", false, "prehire", ""),
        (Pending, "", "", false, "not_yet", ""),
        (Inactive, "2020-01-01", "", false, "ended", ""),
        (Inactive, "2020-01-01", "2026-12-31", false, "ended", ""),
        (Inactive, "2026-06-01", "", true, "ended", ""),
        (Other("sabbatical".into()), "2020-01-01", "", false, "unclear", ""),
        (Other("sabbatical".into()), "2020-01-01", "2026-12-31", false, "unclear", "2026-12-31T23:00:00Z"),
        (Other("sabbatical".into()), "2020-01-01", "2026-01-01", false, "ended", ""),
        (Other("".into()), "2020-01-01", "2019-01-01", false, "unclear", ""),
    ];
    for (status, start, departure, on_leave, means, changes) in table {
        let found = under(&policies, &profile(status.clone(), start, departure), on_leave, noon);
        let case = format!("{status} from {start:?} to {departure:?}, on leave {on_leave}");
        assert_eq!(found.entitlement.as_str(), means, "{case}");
        assert_eq!(found.changes_at, (!changes.is_empty()).then(|| moment(changes)), "{case}");
    }
    let late = under(&policies, &profile(Pending, "2026-05-01", ""), false, noon);
    assert_eq!(late.entitlement, Entitlement::Prehire { due: true });
}

#[test]
fn the_last_day_ends_at_local_midnight_not_at_midnight_utc() {
    let noon = "2026-05-01T12:00:00Z";
    let end = |zone| leaving_in(zone, "2026-05-01", noon).changes_at;
    assert_eq!(end("Australia/Sydney"), Some(moment("2026-05-01T14:00:00Z")));
    assert_eq!(end("America/Los_Angeles"), Some(moment("2026-05-02T07:00:00Z")));
}

#[test]
fn a_last_day_on_the_night_of_a_clock_change_is_exact() {
    // Cuba moves its clocks at midnight: 2026-03-08 00:00 does not exist, the day begins at 01:00 (05:00 UTC).
    let last = |now| leaving_in("America/Havana", "2026-03-07", now).entitlement;
    assert_eq!(last("2026-03-08T04:59:59Z"), Entitlement::Entitled);
    assert!(matches!(last("2026-03-08T05:00:00Z"), Entitlement::Ended(_)));
    // Berlin, 25 hours long: the day ends at 23:00 UTC and not an hour earlier.
    assert_eq!(leaving_in("Europe/Berlin", "2026-10-25", "2026-10-25T22:30:00Z").entitlement, Entitlement::Entitled);
}

#[test]
fn the_last_day_can_end_when_it_begins_or_at_an_hour() {
    let employee = profile(UserStatus::Active, "2020-01-01", "2026-05-04");
    let ends = |last_day| {
        let termination = Termination { last_day, ..Termination::default() };
        under(&Policies { termination, ..Policies::default() }, &employee, false, "2026-05-01T12:00:00Z").changes_at
    };
    assert_eq!(ends(LastDay::StartOfDay), Some(moment("2026-05-03T22:00:00Z")));
    assert_eq!(ends(LastDay::At(Time::constant(17, 30, 0, 0))), Some(moment("2026-05-04T15:30:00Z")));
}

#[test]
fn the_start_day_begins_at_the_configured_hour_where_the_person_is() {
    let onboarding = Onboarding { activate_at: Time::constant(7, 0, 0, 0), lead_days: 2, ..Onboarding::default() };
    let policies = Policies { onboarding, ..Policies::default() };
    let starts = profile(UserStatus::Pending, "2026-05-04", "");
    let is = |now| under(&policies, &starts, false, now).entitlement;
    assert_eq!(is("2026-05-01T21:59:59Z"), Entitlement::NotYet);
    assert_eq!(is("2026-05-01T22:00:00Z"), Entitlement::Prehire { due: false });
    assert_eq!(is("2026-05-04T04:59:59Z"), Entitlement::Prehire { due: false });
    assert_eq!(is("2026-05-04T05:00:00Z"), Entitlement::Prehire { due: true });
    let active = Employee { user_status: UserStatus::Active, ..starts };
    assert_eq!(under(&policies, &active, false, "2026-05-04T05:00:00Z").entitlement, Entitlement::Entitled);
}

#[test]
fn a_last_day_that_is_over_ends_access_whatever_the_status_says() {
    for status in [UserStatus::Active, UserStatus::Pending, UserStatus::Other("on_hold".into())] {
        for start in ["2020-01-01", "2026-04-20", ""] {
            let leaves = profile(status.clone(), start, "2026-05-04");
            let found = under(&Policies::default(), &leaves, false, "2026-05-04T12:00:00Z");
            assert!(!matches!(found.entitlement, Entitlement::Ended(_)), "{status:?} {start}: {found:?}");
            assert_eq!(found.changes_at, Some(moment("2026-05-04T22:00:00Z")), "{status:?} {start}");
            let after = under(&Policies::default(), &leaves, false, "2026-05-04T22:00:00Z");
            assert!(matches!(after.entitlement, Entitlement::Ended(_)), "{status:?} {start}: {after:?}");
        }
    }
    let no_show = profile(UserStatus::Pending, "2026-05-05", "2026-05-04");
    let found = under(&Policies::default(), &no_show, false, "2026-05-06T12:00:00Z");
    assert_eq!(found.entitlement, Entitlement::Prehire { due: true }, "a last day before the start does not count");
}

#[test]
fn whose_last_day_was_over_where_they_were_does_not_come_back_because_it_is_not_known_where_they_are() {
    let (policies, zone) = (Policies::default(), zone("America/New_York"));
    let leaves = |last_day: &str| profile(UserStatus::Active, "2020-01-01", last_day);
    let is = |last_day: &str, is_of_person, ended_at: Option<&str>| {
        let ended_at = ended_at.map(moment);
        let terms = Terms { policies: &policies, zone: &zone, is_of_person, on_leave: Ok(false), ended_at };
        lifecycle(&leaves(last_day), &terms, moment("2026-05-04T13:00:00Z")).entitlement
    };
    // Over on Kiritimati since 10:00 UTC, in New York in 15 hours.
    let ended = Some("2026-05-04T10:00:00Z");
    assert!(matches!(is("2026-05-04", false, ended), Entitlement::Ended(_)));
    assert_eq!(is("2026-05-04", true, ended), Entitlement::Entitled, "they have moved to New York");
    assert_eq!(is("2026-05-05", false, ended), Entitlement::Entitled, "the last day was put off");
    assert_eq!(is("2026-05-04", false, None), Entitlement::Entitled);
}

#[test]
fn who_has_left_and_is_expected_again_has_no_access_until_they_begin() {
    let policies = Policies::default();
    let now = "2026-05-04T13:00:00Z";
    let left = moment("2026-05-01T10:00:00Z");
    let of = |status, start: &str| {
        under(&policies, &profile(status, start, ""), false, now).after_leaving(left, &policies, moment(now))
    };
    for status in [UserStatus::Pending, UserStatus::Active] {
        let far = of(status.clone(), "2026-06-20");
        assert!(matches!(far.entitlement, Entitlement::Ended(_)), "{far:?}");
        assert_eq!(far.changes_at, Some(moment("2026-06-12T22:00:00Z")), "prepared again a week before");
        let soon = of(status, "2026-05-06");
        assert!(matches!(soon.entitlement, Entitlement::Suspended(_)), "{soon:?}");
        assert_eq!(soon.changes_at, Some(moment("2026-05-05T22:00:00Z")));
    }
    let pending = of(UserStatus::Pending, "");
    assert!(matches!(pending.entitlement, Entitlement::Ended(_)) && pending.remarks.len() == 1, "{pending:?}");
    let unclear = of(UserStatus::Other("sabbatical".into()), "2020-01-01");
    assert!(matches!(unclear.entitlement, Entitlement::Suspended(_)), "nobody can tell: {unclear:?}");
    assert!(unclear.remarks.iter().any(|remark| remark.contains("sabbatical")), "{unclear:?}");
    assert_eq!(of(UserStatus::Active, "2020-01-01").entitlement, Entitlement::Entitled, "they are back");
    assert_eq!(of(UserStatus::Pending, "2026-05-04").entitlement, Entitlement::Prehire { due: true });
    let termination = Termination { grace: Duration::from_secs(30 * 86_400), ..Termination::default() };
    let grace = Policies { termination, ..Policies::default() };
    let far = under(&grace, &profile(UserStatus::Pending, "2026-08-20", ""), false, now);
    let far = far.after_leaving(left, &grace, moment(now));
    assert!(matches!(far.entitlement, Entitlement::Suspended(_)), "{far:?}");
    assert_eq!(far.changes_at, Some(left + Duration::from_secs(30 * 86_400)), "ended after the grace");
}

#[test]
fn a_grace_suspends_first_and_ends_on_its_day() {
    let termination = Termination { grace: Duration::from_secs(30 * 86_400), ..Termination::default() };
    let policies = Policies { termination, ..Policies::default() };
    let gone = profile(UserStatus::Active, "2020-01-01", "2026-04-30");
    let found = under(&policies, &gone, false, "2026-05-01T12:00:00Z");
    assert!(matches!(&found.entitlement, Entitlement::Suspended(why) if why.contains("2026-05-30")), "{found:?}");
    assert_eq!(found.changes_at, Some(moment("2026-05-30T22:00:00Z")));
    assert!(matches!(under(&policies, &gone, false, "2026-05-30T22:00:00Z").entitlement, Entitlement::Ended(_)));
    // HR flips the status without a date: the grace begins when that was seen.
    let zone = zone("Europe/Berlin");
    let inactive = profile(UserStatus::Inactive, "2020-01-01", "");
    let seen = |ended_at| Terms { policies: &policies, zone: &zone, is_of_person: true, on_leave: Ok(false), ended_at };
    let now = moment("2026-05-01T12:00:00Z");
    let month_ago = moment("2026-03-31T12:00:00Z");
    assert!(matches!(lifecycle(&inactive, &seen(None), now).entitlement, Entitlement::Suspended(_)));
    assert!(matches!(lifecycle(&inactive, &seen(Some(month_ago)), now).entitlement, Entitlement::Ended(_)));
}

#[test]
fn somebody_with_several_positions_leaves_when_the_last_one_ends() {
    let of = |entitlement| Lifecycle::settled(entitlement);
    let ended = || of(Entitlement::Ended("inactive".into()));
    let together = |positions| together(positions).entitlement;
    assert_eq!(together(vec![ended(), of(Entitlement::Entitled)]), Entitlement::Entitled);
    assert!(matches!(together(vec![ended(), ended()]), Entitlement::Ended(_)));
    let leave = || of(Entitlement::OnLeave("the leave rule applies".into()));
    assert_eq!(together(vec![leave(), of(Entitlement::Entitled)]), Entitlement::Entitled);
    assert!(matches!(together(vec![ended(), leave()]), Entitlement::OnLeave(_)));
    let soon = of(Entitlement::Prehire { due: false });
    assert!(matches!(together(vec![ended(), soon]), Entitlement::Suspended(_)), "the gap destroys nothing");
    let unclear = of(Entitlement::Unclear("user status \"sabbatical\"".into()));
    assert!(matches!(together(vec![ended(), unclear]), Entitlement::Unclear(_)), "what is unclear ends nothing");
}

#[test]
fn a_leave_rule_that_fails_changes_nothing() {
    let (policies, zone) = (Policies::default(), TimeZone::UTC);
    let terms = Terms {
        policies: &policies,
        zone: &zone,
        is_of_person: true,
        on_leave: Err("leave.when failed".into()),
        ended_at: None,
    };
    let now = moment("2026-05-01T12:00:00Z");
    assert!(matches!(lifecycle(&an_employee(), &terms, now).entitlement, Entitlement::Unclear(_)));
    let inactive = Employee { user_status: UserStatus::Inactive, ..an_employee() };
    assert!(matches!(lifecycle(&inactive, &terms, now).entitlement, Entitlement::Ended(_)), "but nobody is kept by it");
}

#[test]
fn whose_access_has_ended_comes_back_pending_only_by_a_start_that_is_not_older_than_the_end() {
    use UserStatus::{Active, Pending};
    let (policies, zone, now) = (Policies::default(), zone("Europe/Berlin"), moment("2026-05-01T12:00:00Z"));
    let ended_at = Some(moment("2026-04-20T22:30:00Z")); // the 21st there
    let of = |status: UserStatus, start: &str, ended_at| {
        let terms = Terms { policies: &policies, zone: &zone, is_of_person: true, on_leave: Ok(false), ended_at };
        lifecycle(&profile(status, start, ""), &terms, now)
    };
    for start in ["2024-03-01", "2026-04-20"] {
        let found = of(Pending, start, ended_at);
        assert!(matches!(found.entitlement, Entitlement::Ended(_)), "{start}: {found:?}");
        assert!(found.remarks[0].contains(start), "HR sees why");
    }
    for start in ["2026-04-21", "2026-05-01"] {
        assert_eq!(of(Pending, start, ended_at).entitlement, Entitlement::Prehire { due: true }, "a rehire");
    }
    assert_eq!(of(Active, "2024-03-01", ended_at).entitlement, Entitlement::Entitled, "active is active");
    assert_eq!(of(Pending, "2024-03-01", None).entitlement, Entitlement::Prehire { due: true }, "nobody has left");
}

#[test]
fn a_date_at_the_edge_of_the_calendar_means_what_it_says_in_every_zone() {
    let now = "2026-05-01T12:00:00Z";
    let policies = Policies::default();
    let zones = jiff::tz::db().available().filter_map(|name| TimeZone::get(name.as_str()).ok());
    let fixed = [-25, -12, 14, 25].map(|hours| TimeZone::fixed(jiff::tz::Offset::constant(hours)));
    let mut tried = 0;
    for zone in zones.chain(fixed) {
        let is = |status, start: Date, departure: Option<Date>| {
            let employee =
                Employee { user_status: status, start_date: Some(start), departure_date: departure, ..an_employee() };
            let terms =
                Terms { policies: &policies, zone: &zone, is_of_person: true, on_leave: Ok(false), ended_at: None };
            lifecycle(&employee, &terms, moment(now)).entitlement
        };
        let long_ago = Date::constant(2020, 1, 1);
        for far in [Date::MAX, Date::constant(9999, 12, 30)] {
            for status in [UserStatus::Active, UserStatus::Pending] {
                assert_eq!(is(status, far, None), Entitlement::NotYet, "{far} {zone:?}");
            }
            assert_eq!(
                is(UserStatus::Active, long_ago, Some(far)),
                Entitlement::Entitled,
                "a last day that never comes"
            );
        }
        assert_eq!(is(UserStatus::Active, Date::MIN, None), Entitlement::Entitled, "whoever began long ago works here");
        assert!(matches!(is(UserStatus::Active, Date::MIN, Some(long_ago)), Entitlement::Ended(_)));
        tried += 1;
    }
    assert!(tried > 4, "no zone of the database was tried");
}
