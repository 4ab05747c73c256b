//! Everything about one person in one org: what Namely says of them, which rule gives what, what Okta has, what would change.

use super::decisions::{Decisions, Refusal};
use crate::clock::Moment;
use crate::domain::guard::preview::{About, Preview, preview};
use crate::domain::mapping::explain::Explanation;
use crate::domain::work::machine::State;
use crate::domain::{Case, Directory, Rulebook};
use crate::store::{ByDecision, Tx, binding, decision_about, directory, progress, whole};
use serde_json::{Value, json};
use std::borrow::Cow;

/// One person in one org.
pub struct Explained {
    pub case: Case,
    pub preview: Preview,
    pub mapping: Explanation,
    pub directory: Directory,
    /// What somebody has decided that is not what Namely says.
    pub decided: Option<ByDecision>,
    /// The word of what they are entitled to by both.
    pub holds: &'static str,
    /// How far the work on them is: `held`, `quarantined`, `under way` or `done`, and why.
    pub state: (&'static str, Option<String>),
    /// Calls for them that were never answered, and when they are looked at again.
    pub unanswered: Vec<String>,
}

/// Explains a target; nothing if there is nobody.
pub fn explained(c: &Tx, rules: &Rulebook, org: &str, target: i64, now: Moment) -> Result<Option<Explained>, Refusal> {
    let Some(case) = whole(c, rules, target, now)? else { return Ok(None) };
    let known = directory(c, org)?.unwrap_or_default();
    let progress = progress(c, target)?;
    let rejected = binding(c, target, &case, now)?;
    let about = About { target, case: &case, conflict: progress.conflict.as_deref(), rejected: &rejected };
    let preview = preview(about, rules, &mut Cow::Borrowed(&known), now);
    let mapping = rules.explain(&case, now);
    let state = match progress.work {
        None => ("done", None),
        Some(work) => match (work.state, work.is_dirty()) {
            (State::Held, _) => ("held", work.reason),
            (State::Quarantined, _) => ("quarantined", work.reason),
            (State::Ready, true) => ("under way", work.reason),
            (State::Ready, false) => ("done", work.reason),
        },
    };
    let decided = decision_about(c, rules, target, &case, &known, now)?;
    let holds = case.entitlement(&rules.lifecycle(&case, now).entitlement).as_str();
    let unanswered = progress.unanswered;
    Ok(Some(Explained { case, preview, mapping, directory: known, decided, holds, state, unanswered }))
}

impl Explained {
    /// Names of the groups of the account, as far as they are known.
    pub fn groups(&self) -> Vec<String> {
        let groups = self.case.account.as_ref().map(|account| &account.groups).into_iter().flatten();
        groups.map(|id| self.directory.find(id).map_or_else(|| id.clone(), |group| group.name.clone())).collect()
    }

    /// The account, for people and machines.
    pub fn account(&self) -> Option<Value> {
        let account = self.case.account.as_ref()?;
        Some(json!({
            "id": account.id, "login": account.login, "status": account.status, "profile": account.profile, "groups": self.groups(),
        }))
    }
}

impl Decisions {
    /// A target with everything that is known of it; the newest rows of its audit, or all.
    pub(super) fn target(&self, c: &Tx, target: i64, newest: Option<usize>, now: Moment) -> Result<Value, Refusal> {
        let missing = || Refusal::NotFound(format!("there is no target {target}; see `/people`"));
        let org = crate::store::org_of(c, target)?.ok_or_else(missing)?;
        let known = explained(c, self.rules()?, &org, target, now)?.ok_or_else(missing)?;
        let rows = self.timeline(c, target, newest)?;
        let positions: Vec<Value> = known
            .case
            .person
            .positions()
            .iter()
            .map(|position| {
                let e = &position.employee;
                json!({
                    "tenant": position.tenant, "profile": e.id, "status": e.user_status.to_string(), "start": e.start_date,
                    "departure": e.departure_date, "title": e.job_title, "departments": e.departments, "offices": e.offices,
                })
            })
            .collect();
        let (state, reason) = &known.state;
        Ok(json!({
            "target": target, "org": org, "name": known.case.person.display(), "state": state, "reason": reason, "decided": known.decided,
            "positions": positions, "plan": known.preview, "account": known.account(), "mapping": known.mapping, "timeline": rows,
        }))
    }
}
