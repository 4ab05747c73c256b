//! The holds, and who waits in them.

use crate::clock::Moment;
use crate::domain::guard::vote::{LETS_IN, Says};
use crate::store::StoreError;
use crate::store::engine::Tx;
use crate::store::hold_causes::{About, sentence};
use crate::store::holds::code;
use crate::store::rows::change::change_of;
use crate::store::rows::hold;
use crate::store::rows::rejection;
use crate::store::rows::source::name_in;
use crate::store::votes::{let_in_by_rejection, who_said};
use serde::{Deserialize, Serialize};

/// Changes of one kind that wait for a decision, or that were decided about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeldChanges {
    /// What a decision names it by.
    pub id: i64,
    /// The org, by its name in the configuration.
    pub org: String,
    /// The kind of change, by its word.
    pub change: String,
    /// Whom it is about.
    pub scope: String,
    /// The limit or rule, with the numbers.
    pub why: String,
    /// What has made its people change, as far as is known.
    #[serde(default)]
    pub cause: Option<String>,
    /// All of it in one sentence: who, what, after what, by which rule, and how unusual it is.
    #[serde(default)]
    pub message: String,
    /// How many people must approve.
    pub needs: i64,
    /// In milliseconds.
    pub since: i64,
    /// What it came to; `None` while it waits.
    pub verdict: Option<String>,
    /// How many are in it.
    pub people: i64,
    /// Who has approved so far, of what is shown now.
    pub approved_by: Vec<String>,
    /// Names exactly what is shown; an approval must give it back.
    pub code: String,
    /// When it is carried out because the only approver has approved it, unless somebody cancels; in milliseconds.
    #[serde(default)]
    pub until: Option<i64>,
    /// How many people must reject it: more than one where that lets somebody in again who has left.
    #[serde(default = "one")]
    pub reject_needs: i64,
    /// Who has rejected so far what is shown now, where it takes several.
    #[serde(default)]
    pub rejected_by: Vec<String>,
    /// How many people it keeps as they are, because what it rejected still binds.
    #[serde(default)]
    pub keeps: usize,
}

const fn one() -> i64 {
    1
}

/// One person of a hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeldPerson {
    /// Number of the target.
    pub target: i64,
    /// Tenant of their first profile, by its name in the configuration.
    pub tenant: String,
    /// UUID of this profile.
    pub profile: String,
    /// The name that it shows; if it cannot be read, that and why.
    pub name: String,
    /// Login of the account; `None` without one.
    pub login: Option<String>,
    /// The department that they were counted in; empty without one, or where only a rejection is left.
    pub department: String,
    /// What would be done, in words.
    pub shown: String,
}

/// What waits for a decision, or everything that ever did too.
pub fn holds(c: &Tx, all: bool) -> Result<Vec<HeldChanges>, StoreError> {
    hold::list(c, all)?.into_iter().map(|hold| with_votes(c, hold)).collect()
}

fn with_votes(c: &Tx, hold: hold::Listed) -> Result<HeldChanges, StoreError> {
    let code = code(c, hold.id)?;
    let approved_by = who_said(c, hold.id, &code, Says::Approves)?;
    let (mut reject_needs, mut rejected_by) = (1, Vec::new());
    if hold.verdict.is_none() && !let_in_by_rejection(c, hold.id)?.is_empty() {
        reject_needs = LETS_IN;
        rejected_by = who_said(c, hold.id, &code, Says::Rejects)?;
    }
    let keeps = if hold.verdict.is_some() { rejection::members(c, hold.id)?.len() } else { 0 };
    let hold::Listed { id, org, change, scope, why, needs, since, verdict, people, until } = hold;
    let (rule, cause) = hold::parts(&why);
    let (rule, cause) = (rule.to_owned(), cause.map(str::to_owned));
    let about = About {
        org: &org,
        change: change_of(&change)?,
        scope: &scope,
        rule: &rule,
        cause: cause.as_deref(),
        people: people.unsigned_abs(),
        since: Moment::from_millis(since),
    };
    let message = sentence(c, &about)?;
    Ok(HeldChanges {
        message,
        cause,
        id,
        org,
        change,
        scope,
        why: rule,
        needs,
        since,
        verdict,
        people,
        approved_by,
        code,
        until,
        reject_needs,
        rejected_by,
        keeps,
    })
}

/// Everybody in a hold.
pub fn held_people(c: &Tx, hold: i64) -> Result<Vec<HeldPerson>, StoreError> {
    let people = hold::people(c, hold)?.into_iter().map(|member| HeldPerson {
        target: member.target,
        tenant: member.tenant,
        profile: member.profile,
        name: name_in(&member.doc),
        login: member.login,
        department: member.department,
        shown: member.shown,
    });
    Ok(people.collect())
}
