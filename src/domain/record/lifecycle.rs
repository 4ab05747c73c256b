//! What profiles say about access, now and next: statuses, dates, leave, and the time zone the dates are meant in.
//!
//! **Invariant:** only an explicit status or date ends access. What the record does not say clearly changes nothing.

use crate::clock::Moment;
use crate::domain::record::employee::{Employee, UserStatus};
use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the HR record grants at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "why")]
pub enum Entitlement {
    /// A working account, as the mapping describes it.
    Entitled,
    /// On leave: the account is suspended and otherwise kept up to date. The reason in words.
    OnLeave(String),
    /// Access is withheld for now and nothing else is taken: the grace after the last day, the gap between two positions.
    Suspended(String),
    /// Access has ended; the reason in words.
    Ended(String),
    /// Starts soon: the account is prepared, not activated. `due`: the moment to activate it has come, although the profile
    /// is still pending.
    Prehire { due: bool },
    /// Not yet working here, and too early to prepare anything: no account is made, an existing one is left alone.
    NotYet,
    /// The record does not say clearly; nothing is changed because of it. The reason in words.
    Unclear(String),
}

impl Entitlement {
    /// The word for it in the store: what the last finished plan of somebody was made for.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Entitlement::Entitled => "entitled",
            Entitlement::OnLeave(_) => "on_leave",
            Entitlement::Suspended(_) => "suspended",
            Entitlement::Ended(_) => "ended",
            Entitlement::Prehire { .. } => "prehire",
            Entitlement::NotYet => "not_yet",
            Entitlement::Unclear(_) => "unclear",
        }
    }

    /// Whether access is over, at once or after a grace.
    pub const fn is_over(&self) -> bool {
        matches!(self, Entitlement::Ended(_) | Entitlement::Suspended(_))
    }

    /// Whether a position with this entitlement still counts for attributes and groups.
    pub const fn counts(&self) -> bool {
        matches!(self, Entitlement::Entitled | Entitlement::OnLeave(_) | Entitlement::Prehire { .. })
    }

    /// Which of several positions decides about a person: the one that grants most, as long as every other one is clear.
    const fn precedence(&self) -> u8 {
        match self {
            Entitlement::Entitled => 0,
            Entitlement::OnLeave(_) => 1,
            Entitlement::Unclear(_) => 2,
            Entitlement::Prehire { due: true } => 3,
            Entitlement::Suspended(_) => 4,
            Entitlement::Prehire { due: false } => 5,
            Entitlement::Ended(_) => 6,
            Entitlement::NotYet => 7,
        }
    }

    /// Whether somebody with this entitlement should not lose what `other` would take.
    pub const fn keeps_from(&self, other: &Entitlement) -> bool {
        (self.counts() || matches!(self, Entitlement::Unclear(_))) && self.precedence() < other.precedence()
    }
}

/// The entitlement now, and when time alone will change it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lifecycle {
    pub entitlement: Entitlement,
    /// The next moment at which the record means something else although nobody edited it.
    pub changes_at: Option<Moment>,
    /// What HR should look at, which changes nothing by itself.
    pub remarks: Vec<String>,
}

impl Lifecycle {
    fn settled(entitlement: Entitlement) -> Self {
        Self { entitlement, changes_at: None, remarks: Vec::new() }
    }

    fn until(self, changes_at: Moment) -> Self {
        Self { changes_at: Some(changes_at), ..self }
    }

    fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remarks.push(remark.into());
        self
    }

    /// The same of somebody who left at `since`: their access stays over until they begin again, also where its end has not been
    /// carried out yet. Shortly before the start it is only withheld, as between two positions; so it is while nobody can tell.
    pub fn after_leaving(self, since: Moment, policies: &Policies, now: Moment) -> Self {
        let over = match self.entitlement {
            Entitlement::NotYet => {
                ended("access has ended, and they do not begin again yet".into(), since, policies, now)
            }
            Entitlement::Prehire { due: false } => {
                Self::settled(Entitlement::Suspended("access has ended, and they begin again soon".into()))
            }
            Entitlement::Unclear(why) => {
                let withheld = format!("access has ended, and it is not clear whether they are back: {why}");
                Self::settled(Entitlement::Suspended(withheld)).remark(why)
            }
            entitlement => return Self { entitlement, ..self },
        };
        let changes_at = [self.changes_at, over.changes_at].into_iter().flatten().min();
        let remarks = self.remarks.into_iter().chain(over.remarks).collect();
        Self { entitlement: over.entitlement, changes_at, remarks }
    }
}

/// Until when the last day is a working day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastDay {
    /// Access until the day is over.
    #[default]
    EndOfDay,
    /// Access until the day begins.
    StartOfDay,
    /// Access until this time of the day.
    At(Time),
}

/// When accounts are prepared and activated.
#[derive(Clone, Debug, PartialEq)]
pub struct Onboarding {
    /// How many days before the start an account is made.
    pub lead_days: u32,
    /// Local time of the start day at which it is activated.
    pub activate_at: Time,
    /// Whether Okta sends its welcome mail when an account is activated, where it is Okta that tells the person.
    pub send_email: bool,
    /// By which a joiner signs in for the first time, where it is not by Okta's mail: that goes to a mailbox behind Okta.
    pub means: Option<Means>,
    /// The mail channel by which it goes to the manager, or to whom the channel is for.
    pub channel: String,
}

/// What somebody signs in with for the first time. What it says is in no store, log or audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// Okta's activation link.
    Link,
    /// A temporary access code, by the id of the org's authenticator for it.
    Code { authenticator: String },
}

impl Onboarding {
    /// Whether Okta sends its mail with an activation.
    pub fn sends_mail(&self) -> bool {
        self.send_email && self.means.is_none()
    }
}

impl Default for Onboarding {
    fn default() -> Self {
        Self { lead_days: 7, activate_at: Time::midnight(), send_email: true, means: None, channel: String::new() }
    }
}

/// Which memberships a leaver loses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaverGroups {
    /// All that can be written.
    #[default]
    All,
    /// Only those that the mapping manages.
    Managed,
}

/// How access ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Termination {
    pub last_day: LastDay,
    /// How long the account is only suspended before it is deactivated; zero: deactivated at once.
    pub grace: Duration,
    pub groups: LeaverGroups,
    /// How soon after it began an end of access must be taken back so that everything comes back that it took; zero: only what the
    /// mapping gives.
    pub second_thoughts: Duration,
}

impl Default for Termination {
    fn default() -> Self {
        Self {
            last_day: LastDay::default(),
            grace: Duration::ZERO,
            groups: LeaverGroups::default(),
            second_thoughts: Duration::from_secs(86_400),
        }
    }
}

/// What somebody who comes back gets besides what the mapping gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rehire {
    /// Nothing: a fresh start.
    #[default]
    FreshStart,
    /// The memberships that were taken when they left and that no rule of the mapping governs.
    RestorePrevious,
}

/// Whether somebody who has left comes back by a profile that was made anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewProfile {
    /// A person says whether it is them.
    #[default]
    Ask,
    /// By the rules of correlation, as with whoever works there.
    Match,
}

/// Everything about when and how, that is not about whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    pub onboarding: Onboarding,
    pub termination: Termination,
    pub rehire: Rehire,
    pub new_profile: NewProfile,
}

/// What is known of one profile besides its fields.
pub struct Terms<'a> {
    pub policies: &'a Policies,
    /// The zone in which its dates are meant.
    pub zone: &'a TimeZone,
    /// Whether it is known that the person is there.
    pub is_of_person: bool,
    /// Whether the person is on leave, as the configuration tells it; the error names the expression.
    pub on_leave: Result<bool, String>,
    /// Since when the person is known to have left.
    pub ended_at: Option<Moment>,
}

/// Reads the standing of one profile at `now`.
///
/// A departure date before the start date does not count and is remarked upon. An active profile whose start lies ahead
/// is prepared like a pending one; whoever is active already stays so (the plan sees to that).
pub fn lifecycle(employee: &Employee, terms: &Terms, now: Moment) -> Lifecycle {
    match &employee.user_status {
        UserStatus::Inactive => {
            ended("user status is inactive".into(), terms.ended_at.unwrap_or(now), terms.policies, now)
        }
        UserStatus::Pending => pending(employee, terms, now),
        UserStatus::Other(word) => unclear(word, employee, terms, now),
        UserStatus::Active => match ahead(employee, terms, now) {
            Some(lifecycle) if lifecycle.entitlement != (Entitlement::Prehire { due: true }) => lifecycle,
            _ => present(employee, terms, now),
        },
    }
}

/// Somebody who is to begin. Whose access is over comes back by a start that is not older than its end, or by being active.
fn pending(employee: &Employee, terms: &Terms, now: Moment) -> Lifecycle {
    let last_day = end_of_last_day(employee, terms);
    if let Some(over) = over(last_day, terms, now) {
        return over;
    }
    let Some(lifecycle) = ahead(employee, terms, now) else {
        let lifecycle =
            Lifecycle { changes_at: last_day.map(|(_, end)| end), ..Lifecycle::settled(Entitlement::NotYet) };
        return lifecycle
            .remark("pending without a start date: no account is prepared; enter the start date in Namely");
    };
    let lifecycle = Lifecycle { changes_at: lifecycle.changes_at.or(last_day.map(|(_, end)| end)), ..lifecycle };
    let end = terms.ended_at.filter(|_| lifecycle.entitlement == Entitlement::Prehire { due: true });
    let Some((start, end)) = employee.start_date.zip(end) else { return lifecycle };
    if start >= day_of(end, terms.zone) {
        return lifecycle;
    }
    let why = format!("access has ended, and pending since {start}, before that, is no return");
    let remark = format!(
        "pending with the start date {start}, which is older than the end of access: set active, or the new start date, in \
         Namely if they come back"
    );
    ended(why, end, terms.policies, now).remark(remark)
}

/// The start of a profile, if it has one: prepared some days before, due at the configured time of the day.
fn ahead(employee: &Employee, terms: &Terms, now: Moment) -> Option<Lifecycle> {
    let start = employee.start_date?;
    let onboarding = &terms.policies.onboarding;
    let Some(activation) = at(start, onboarding.activate_at, terms.zone) else {
        return Some(beyond(start, now));
    };
    let lead = jiff::Span::new().days(i64::from(onboarding.lead_days));
    let prepared = start.checked_sub(lead).ok().and_then(|day| at(day, Time::midnight(), terms.zone));
    Some(match prepared.unwrap_or_default() {
        prepared if now < prepared.min(activation) => {
            Lifecycle::settled(Entitlement::NotYet).until(prepared.min(activation))
        }
        _ if now < activation => Lifecycle::settled(Entitlement::Prehire { due: false }).until(activation),
        _ => Lifecycle::settled(Entitlement::Prehire { due: true }),
    })
}

/// A start at the edge of the calendar, on a day that is none in the zone of the person: whoever begins then begins never, or
/// long ago.
fn beyond(start: Date, now: Moment) -> Lifecycle {
    if start <= TimeZone::UTC.to_datetime(now.timestamp()).date() {
        return Lifecycle::settled(Entitlement::Prehire { due: true });
    }
    let remark = format!(
        "the start date {start} is not a day on the calendar of its zone: nothing is prepared; correct it in Namely"
    );
    Lifecycle::settled(Entitlement::NotYet).remark(remark)
}

/// Somebody whose status says nothing: a last day that is over ends access all the same.
fn unclear(status: &str, employee: &Employee, terms: &Terms, now: Moment) -> Lifecycle {
    let end = end_of_last_day(employee, terms);
    if let Some(over) = over(end, terms, now) {
        return over;
    }
    let why = format!(
        "user status {status:?} is not one this version knows; set it to active, inactive or pending in Namely"
    );
    Lifecycle { changes_at: end.map(|(_, end)| end), ..Lifecycle::settled(Entitlement::Unclear(why)) }
}

/// The last day, if it counts, and when access ends with it.
fn end_of_last_day(employee: &Employee, terms: &Terms) -> Option<(Date, Moment)> {
    let last_day = employee.departure_date.filter(|last| employee.start_date.is_none_or(|start| start <= *last))?;
    Some((last_day, end_of(last_day, terms.policies.termination.last_day, terms.zone)?))
}

/// That a last day is over, whatever the status says.
fn over(last_day: Option<(Date, Moment)>, terms: &Terms, now: Moment) -> Option<Lifecycle> {
    let (day, end) = last_day?;
    if end <= now {
        return Some(ended(format!("the last day was {day}"), end, terms.policies, now));
    }
    // Over where they were: a place that is not known any more gives nothing back, a date or a status does.
    let ended_at = terms.ended_at.filter(|_| !terms.is_of_person)?;
    let first_of_all = end_of(day, terms.policies.termination.last_day, &TimeZone::fixed(FIRST))?;
    let why = format!("the last day was {day} where they were known to be");
    (first_of_all <= ended_at).then(|| ended(why, ended_at, terms.policies, now).until(end))
}

/// Where on earth a day ends first.
const FIRST: Offset = Offset::constant(14);

/// Somebody who works here now: the last day, then leave.
fn present(employee: &Employee, terms: &Terms, now: Moment) -> Lifecycle {
    let end = end_of_last_day(employee, terms);
    if let Some(over) = over(end, terms, now) {
        return over;
    }
    let entitlement = match &terms.on_leave {
        Ok(false) => Entitlement::Entitled,
        Ok(true) => Entitlement::OnLeave("the leave rule applies".into()),
        Err(why) => Entitlement::Unclear(why.clone()),
    };
    let mut lifecycle = Lifecycle::settled(entitlement);
    lifecycle.changes_at = end.map(|(_, end)| end);
    match employee.departure_date.filter(|_| end.is_none()) {
        Some(day) if employee.start_date.is_some_and(|start| start > day) => {
            lifecycle.remark(format!("departure date {day} lies before the start date and is ignored"))
        }
        Some(day) => lifecycle.remark(format!("departure date {day} is not a day on the calendar of its zone")),
        None => lifecycle,
    }
}

/// Access ended at `since`: suspended for the grace, then over.
fn ended(why: String, since: Moment, policies: &Policies, now: Moment) -> Lifecycle {
    let grace = policies.termination.grace;
    let over = since + grace;
    // Without a grace nothing is waited for, not even by a clock that was set back.
    if !grace.is_zero() && now < over {
        let day = over.to_string();
        let why = format!("{why}; deactivated after the grace, on {}", day.get(..10).unwrap_or(&day));
        return Lifecycle::settled(Entitlement::Suspended(why)).until(over);
    }
    Lifecycle::settled(Entitlement::Ended(why))
}

/// The standing of a person, of those of their positions: a leaver only if no position is active any more.
pub fn together(positions: Vec<Lifecycle>) -> Lifecycle {
    let changes_at = positions.iter().filter_map(|s| s.changes_at).min();
    let has = |which: fn(&Entitlement) -> bool| positions.iter().any(|s| which(&s.entitlement));
    let gap = has(|e| matches!(e, Entitlement::Ended(_))) && has(|e| matches!(e, Entitlement::Prehire { due: false }));
    let decisive = positions.iter().map(|s| &s.entitlement).min_by_key(|e| e.precedence()).cloned();
    let entitlement = match decisive {
        // Nothing is destroyed for the days between two positions.
        Some(Entitlement::Prehire { due: false }) if gap => {
            Entitlement::Suspended("one position has ended, the next one begins soon".into())
        }
        Some(entitlement) => entitlement,
        None => Entitlement::Unclear("no profile is known".into()),
    };
    let remarks = positions.into_iter().flat_map(|s| s.remarks).collect();
    Lifecycle { entitlement, changes_at, remarks }
}

/// When the last day ends for access.
fn end_of(day: Date, policy: LastDay, zone: &TimeZone) -> Option<Moment> {
    match policy {
        LastDay::EndOfDay => at(day.tomorrow().ok()?, Time::midnight(), zone),
        LastDay::StartOfDay => at(day, Time::midnight(), zone),
        LastDay::At(time) => at(day, time, zone),
    }
}

/// The day of a moment in `zone`.
fn day_of(moment: Moment, zone: &TimeZone) -> Date {
    zone.to_datetime(moment.timestamp()).date()
}

/// A time of a day in `zone`, whatever daylight saving does that day: a time that does not exist is the one after the
/// gap, one that comes twice the first.
fn at(day: Date, time: Time, zone: &TimeZone) -> Option<Moment> {
    zone.to_timestamp(day.to_datetime(time)).ok().map(Moment::from)
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
