//! When something is due by cron text, in a time zone.

use crate::clock::Moment;
use croner::errors::CronError;
use croner::{CivilDate, CivilDateTime, CivilTime, Cron, CronDateTime, Resolution, Weekday};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use std::cmp::Ordering;
use std::time::Duration;

/// Cron text and the zone in which it is meant.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Reads cron text.
    pub fn read(text: &str, zone: TimeZone) -> Result<Self, CronError> {
        text.parse().map(|cron| Self { cron, zone })
    }

    /// The first moment after `after`; `None` if there is none.
    pub fn next(&self, after: Moment) -> Option<Moment> {
        let local = Local { at: after.timestamp(), zone: self.zone.clone() };
        self.cron.find_next_occurrence(&local, false).ok().map(|local| Moment::from(local.at))
    }
}

/// An instant in a zone, as croner needs it.
#[derive(Clone)]
struct Local {
    at: Timestamp,
    zone: TimeZone,
}

impl Local {
    fn datetime(&self) -> DateTime {
        self.zone.to_datetime(self.at)
    }
}

#[expect(clippy::cast_sign_loss, reason = "parts of a calendar date are not negative")]
fn part(number: i8) -> u32 {
    number as u32
}

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let local = self.datetime();
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(i32::from(local.year()), part(local.month()), part(local.day())),
            CivilTime::from_parts_unchecked(part(local.hour()), part(local.minute()), part(local.second())),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(part(self.datetime().weekday().to_sunday_zero_offset()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let small = |number: u32| i8::try_from(number).map_err(|_| CronError::InvalidDate);
        let datetime = DateTime::new(
            i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?,
            small(civil.month())?,
            small(civil.day())?,
            small(civil.hour())?,
            small(civil.minute())?,
            small(civil.second())?,
            0,
        );
        let datetime = datetime.map_err(|_| CronError::InvalidDate)?;
        let found = self.zone.to_ambiguous_timestamp(datetime);
        let local = |at: Result<Timestamp, jiff::Error>| {
            at.map(|at| Self { at, zone: self.zone.clone() }).map_err(|_| CronError::InvalidTime)
        };
        Ok(match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(local(found.unambiguous())?),
            AmbiguousOffset::Fold { .. } => {
                let earlier = self.zone.to_ambiguous_timestamp(datetime).earlier();
                Resolution::Ambiguous(local(earlier)?, local(found.later())?)
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        let moved = Duration::from_secs(seconds.unsigned_abs());
        let at = if seconds < 0 { self.at.checked_sub(moved) } else { self.at.checked_add(moved) };
        at.ok().map(|at| Self { at, zone: self.zone.clone() })
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(text: &str, zone: &str, after: &str) -> String {
        let schedule = Schedule::read(text, TimeZone::get(zone).expect("a zone")).expect("cron text");
        let after = Moment::from(after.parse::<Timestamp>().expect("a time"));
        schedule.next(after).expect("a next time").timestamp().to_string()
    }

    #[test]
    fn a_schedule_is_meant_in_its_zone_and_follows_its_summer_time() {
        assert_eq!(next("0 3 * * *", "Europe/Berlin", "2026-05-04T12:00:00Z"), "2026-05-05T01:00:00Z");
        assert_eq!(next("0 3 * * *", "Europe/Berlin", "2026-01-04T12:00:00Z"), "2026-01-05T02:00:00Z");
        assert_eq!(next("0 6 * * 1", "UTC", "2026-05-04T06:00:00Z"), "2026-05-11T06:00:00Z", "Mondays, not this one");
    }

    #[test]
    fn an_hour_that_a_night_leaves_out_is_made_up_for_and_one_it_repeats_comes_once_a_night() {
        // On 2026-03-29 there is no half past two in Berlin.
        let skipped = next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z");
        assert!(skipped.starts_with("2026-03-29T01:") || skipped.starts_with("2026-03-30T00:30"), "{skipped}");
        assert_eq!(next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        assert!(Schedule::read("every morning", TimeZone::UTC).is_err());
    }
}
