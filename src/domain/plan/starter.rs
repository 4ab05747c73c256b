//! Who starts soon, whether their account will be ready on their first day, and what stands in their way.

use crate::clock::Moment;
use crate::domain::account::user::{AccountStatus, FirstSignIn};
use crate::domain::plan::case::Case;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::employee::UserStatus;
use crate::domain::record::lifecycle::Entitlement;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// How far somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The account is there.
    Ready,
    /// The account is there, and is activated when it is time.
    Staged,
    /// The account is made when it is time.
    Later,
    /// Somebody must do something first.
    Blocked,
}

impl Stage {
    /// Its word in tables and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Ready => "ready",
            Stage::Staged => "staged",
            Stage::Later => "later",
            Stage::Blocked => "blocked",
        }
    }
}

/// What is known of somebody's work, beside the case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remark {
    pub is_quarantined: bool,
    /// Why they wait, or what is remarked of them.
    pub why: Option<String>,
}

/// The first day of whoever starts in the next `days`, today included, in the zone of their tenant.
pub fn starts_within(rules: &Rulebook, case: &Case, days: u16, now: Moment) -> Option<Date> {
    let zone = rules.zone_of(case.person.primary()).zone;
    let today = zone.to_datetime(now.timestamp()).date();
    let last = today.saturating_add(i32::from(days).days());
    case.person.primary().employee.start_date.filter(|start| *start >= today && *start <= last)
}

/// Whether somebody will be ready on their first day; what happens next, or what is missing.
pub fn outlook(rules: &Rulebook, case: &Case, message: &Remark, now: Moment) -> (Stage, String) {
    if let Remark { is_quarantined: true, why: Some(why) } = message {
        return (Stage::Blocked, why.clone());
    }
    if let Err(why) = &case.login {
        return (Stage::Blocked, why.clone());
    }
    if let Err(why) = rules.desired(case, now) {
        return (Stage::Blocked, why);
    }
    let lifecycle = rules.lifecycle(case, now);
    let at = lifecycle.changes_at.map(|at| at.to_string()).unwrap_or_default();
    let at = at.get(..16).unwrap_or_default().replace('T', " ");
    let remark = message.why.as_ref().map(|remark| format!("; {remark}")).unwrap_or_default();
    let sign_in = case.account.as_ref().and_then(|account| account.marks.sign_in);
    let is_given = sign_in == Some(FirstSignIn::Given);
    match (case.account.as_ref().map(|account| account.status), &lifecycle.entitlement) {
        (Some(AccountStatus::Staged), _) => (Stage::Staged, format!("activated on {at} UTC{remark}")),
        (Some(AccountStatus::Deprovisioned), _) => (Stage::Later, format!("comes back: activated on {at} UTC{remark}")),
        (Some(AccountStatus::Suspended), entitlement) if entitlement.is_over() => {
            (Stage::Later, format!("comes back: unsuspended on {at} UTC{remark}"))
        }
        (Some(AccountStatus::Provisioned), _) if is_given => {
            (Stage::Ready, format!("what they sign in with was sent to their manager or IT{remark}"))
        }
        (Some(status), _) => (Stage::Ready, format!("the account is {}{remark}", status.as_str())),
        (None, Entitlement::NotYet) => (Stage::Later, format!("the account is made on {at} UTC")),
        (None, _) if case.person.primary().employee.user_status == UserStatus::Inactive => {
            (Stage::Blocked, "inactive in Namely".into())
        }
        (None, _) => (Stage::Later, format!("the account is about to be made{remark}")),
    }
}
