//! What a profile says about access, now and next: the status, the dates, and the time zone they are meant in.

use super::employee::{Employee, UserStatus};
use crate::clock::Moment;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// What the HR record grants at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "why")]
pub enum Entitlement {
    /// A working account, as the mapping describes it.
    Entitled,
    /// Access has ended; the reason in words.
    Ended(String),
    /// Not yet working here (`pending`): no account is made, an existing one is left alone.
    NotYet,
    /// The record does not say clearly; nothing is changed because of it. The reason in words.
    Unclear(String),
}

/// The entitlement now, and when time alone will change it.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub entitlement: Entitlement,
    /// The next moment at which this profile means something else although nobody edited it.
    pub changes_at: Option<Moment>,
    /// Something HR should look at, which changes nothing by itself.
    pub remark: Option<String>,
}

/// Reads the standing of a profile at `now`, its dates taken in `zone`.
///
/// The last day is a working day: access ends when it is over, at the first moment of the next day in `zone`.
/// A departure date before the start date does not count and is remarked upon.
pub fn standing(employee: &Employee, zone: &TimeZone, now: Moment) -> Standing {
    let settled = |entitlement| Standing { entitlement, changes_at: None, remark: None };
    match &employee.user_status {
        UserStatus::Inactive => settled(Entitlement::Ended("user status is inactive".into())),
        UserStatus::Pending => settled(Entitlement::NotYet),
        UserStatus::Other(word) => settled(Entitlement::Unclear(format!(
            "user status {word:?} is not one this version knows; set it to active, inactive or pending in Namely"
        ))),
        UserStatus::Active => departure(employee, zone, now),
    }
}

fn departure(employee: &Employee, zone: &TimeZone, now: Moment) -> Standing {
    let entitled = |changes_at, remark| Standing { entitlement: Entitlement::Entitled, changes_at, remark };
    let Some(last_day) = employee.departure_date else { return entitled(None, None) };
    if employee.start_date.is_some_and(|start| last_day < start) {
        let remark = format!("departure date {last_day} lies before the start date and is ignored");
        return entitled(None, Some(remark));
    }
    match day_is_over(last_day, zone) {
        Some(end) if end > now => entitled(Some(end), None),
        Some(_) => Standing {
            entitlement: Entitlement::Ended(format!("the last day was {last_day}")),
            changes_at: None,
            remark: None,
        },
        None => entitled(None, Some(format!("departure date {last_day} is not a day on the calendar of its zone"))),
    }
}

/// The first moment after `day` in `zone`, whatever daylight saving does that night.
fn day_is_over(day: Date, zone: &TimeZone) -> Option<Moment> {
    let next = day.tomorrow().ok()?;
    let midnight = zone.to_timestamp(next.at(0, 0, 0, 0)).ok()?;
    Some(Moment::from(midnight))
}

#[cfg(test)]
mod tests {
    use super::super::employee::tests::somebody;
    use super::*;
    use std::time::Duration;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a known zone")
    }

    fn at(text: &str) -> Moment {
        Moment::from(text.parse::<jiff::Timestamp>().expect("a timestamp"))
    }

    fn leaving(last_day: &str) -> Employee {
        Employee { departure_date: Some(last_day.parse().expect("a date")), ..somebody() }
    }

    #[test]
    fn status_and_dates_decide_together() {
        let now = at("2026-05-01T12:00:00Z");
        let berlin = zone("Europe/Berlin");
        let status = |user_status| standing(&Employee { user_status, ..somebody() }, &berlin, now).entitlement;
        assert_eq!(status(UserStatus::Active), Entitlement::Entitled);
        assert!(matches!(status(UserStatus::Inactive), Entitlement::Ended(_)));
        assert_eq!(status(UserStatus::Pending), Entitlement::NotYet);
        assert!(matches!(status(UserStatus::Other("sabbatical".into())), Entitlement::Unclear(_)));
        assert!(matches!(standing(&leaving("2026-04-30"), &berlin, now).entitlement, Entitlement::Ended(_)));
        assert_eq!(standing(&leaving("2026-05-01"), &berlin, now).entitlement, Entitlement::Entitled);
    }

    #[test]
    fn the_last_day_ends_at_local_midnight_not_at_midnight_utc() {
        let now = at("2026-05-01T12:00:00Z");
        let sydney = standing(&leaving("2026-05-01"), &zone("Australia/Sydney"), now);
        assert_eq!(sydney.changes_at, Some(at("2026-05-01T14:00:00Z")));
        let los_angeles = standing(&leaving("2026-05-01"), &zone("America/Los_Angeles"), now);
        assert_eq!(los_angeles.changes_at, Some(at("2026-05-02T07:00:00Z")));
        assert_eq!(sydney.entitlement, Entitlement::Entitled);
    }

    #[test]
    fn a_last_day_on_the_night_of_a_clock_change_is_exact() {
        // Cuba moves its clocks at midnight: 2026-03-08 00:00 does not exist, the day begins at 01:00 (05:00 UTC).
        let havana = zone("America/Havana");
        let end = standing(&leaving("2026-03-07"), &havana, at("2026-03-07T12:00:00Z")).changes_at;
        assert_eq!(end, Some(at("2026-03-08T05:00:00Z")));
        let ended = standing(&leaving("2026-03-07"), &havana, end.expect("an end") + Duration::from_secs(1));
        assert!(matches!(ended.entitlement, Entitlement::Ended(_)));
    }

    #[test]
    fn a_departure_before_the_start_is_remarked_upon_and_ends_nothing() {
        let employee = Employee { start_date: Some("2026-06-01".parse().expect("a date")), ..leaving("2026-05-01") };
        let standing = standing(&employee, &zone("Europe/Berlin"), at("2026-07-01T00:00:00Z"));
        assert_eq!(standing.entitlement, Entitlement::Entitled);
        assert!(standing.remark.is_some_and(|r| r.contains("2026-05-01")));
    }
}
