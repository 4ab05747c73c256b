//! What would be done for somebody, before it is done: the planner's own output, for people to read and to approve.

use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::account::group_rule::Foretold;
use crate::domain::guard::calls::{Calls, Course, course};
use crate::domain::guard::change::{sift_calls, summary};
use crate::domain::guard::okta_rules;
use crate::domain::guard::planned::foresee;
use crate::domain::guard::rejection::Rejected;
use crate::domain::plan::case::Case;
use crate::domain::plan::kind::ChangeKind;
use crate::domain::plan::planner::ungoverned;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::situation::Plan;
use crate::domain::record::lifecycle::Entitlement;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What would be done for one person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    pub org: String,
    pub target: i64,
    pub tenant: String,
    pub profile: String,
    pub name: String,
    pub department: String,
    pub login: String,
    /// What Namely's record grants.
    #[serde(alias = "standing")]
    pub entitlement: String,
    /// By kind, in words; without what was rejected.
    pub changes: BTreeMap<ChangeKind, Vec<String>>,
    /// What is not done because somebody has rejected it: by kind, with who and where.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rejected: BTreeMap<ChangeKind, String>,
    /// The rule behind each group and app that is given or taken.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, String>,
    /// What Okta's own group rules will do because of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_okta: Vec<String>,
    /// Groups that the mapping gives, one of Okta's own rules fills, and they are not in, as far as was read last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfilled: Vec<String>,
    /// Groups that this service has put them into, and that no rule gives or governs any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ungoverned: Vec<String>,
    /// Why nothing can be done, or why nothing may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Names what it was computed from: the profiles, the account, the changes. Another one means that somebody moved.
    pub basis: String,
    /// Calls to Okta that it takes, with those that follow from their answers.
    pub calls: usize,
    /// The same by the names of their steps; not part of a plan that is saved.
    #[serde(skip)]
    pub steps: Calls,
}

impl Preview {
    /// Whether there is anything to do.
    pub fn is_empty(&self) -> bool {
        let is_as_planned = self.unfilled.is_empty() && self.ungoverned.is_empty() && self.rejected.is_empty();
        self.changes.is_empty() && self.obstacle.is_none() && is_as_planned
    }

    /// Whether there is anything to do from here.
    pub fn has_work(&self) -> bool {
        !self.changes.is_empty() || self.obstacle.is_some()
    }

    /// Whether it takes something from somebody.
    pub fn is_risky(&self) -> bool {
        self.changes.keys().any(|change| change.is_risky())
    }
}

/// Of whom something would be done.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The person in the org, by the store's id.
    pub target: i64,
    pub case: &'a Case,
    /// Why correlation could not decide, if it could not.
    pub conflict: Option<&'a str>,
    /// What somebody has rejected and Namely still says.
    pub rejected: &'a Rejected,
}

/// What would be done for the person of `about`. Groups that would be made stay in `directory`.
pub fn preview(about: About, rulebook: &Rulebook, directory: &mut Cow<Directory>, now: Moment) -> Preview {
    let About { target, case, conflict, rejected } = about;
    let lifecycle = rulebook.lifecycle(case, now);
    let position = case.person.primary();
    let protected = case.account.as_ref().and_then(|a| rulebook.safeguards.protected.why(a, directory));
    let mut preview = Preview {
        org: case.org.clone(),
        target,
        tenant: position.tenant.clone(),
        profile: position.employee.id.clone(),
        name: case.person.display(),
        department: position.employee.departments.first().cloned().unwrap_or_default(),
        login: login(case),
        entitlement: rulebook.recorded(case, now).entitlement.as_str().to_owned(),
        changes: BTreeMap::new(),
        rejected: BTreeMap::new(),
        rules: BTreeMap::new(),
        by_okta: Vec::new(),
        unfilled: Vec::new(),
        ungoverned: Vec::new(),
        obstacle: conflict.map(str::to_owned),
        remarks: Vec::new(),
        basis: String::new(),
        calls: 0,
        steps: Calls::new(),
    };
    let mut asked_for = BTreeMap::new();
    if conflict.is_none() {
        match foresee(case, &lifecycle, rulebook, directory, now) {
            Ok(whole) => {
                let former = rulebook.login.former.as_deref();
                asked_for = summary(&whole, former);
                let plan = without(whole, rejected, former, &mut preview.rejected);
                preview.changes = summary(&plan, former);
                // What nothing is called for, and is decided about like everything else.
                let adopted = case.adopted.as_ref();
                let pending = adopted.and_then(|adopted| adopted.pending.clone());
                let adopts = pending.map(|pending| (ChangeKind::Adopt, vec![pending]));
                asked_for.extend(adopts.clone());
                preview.changes.extend(adopts);
                preview.rules = plan.rules.clone();
                preview.by_okta = foretold(case, rulebook, directory, &plan);
                preview.unfilled = unfilled(case, rulebook, directory, &lifecycle.entitlement, now);
                if let Some(account) = case.account.as_ref().filter(|_| lifecycle.entitlement == Entitlement::Entitled)
                {
                    let groups = ungoverned(account, &rulebook.mapping, directory);
                    preview.ungoverned = groups.map(|group| group.name.clone()).collect();
                }
                preview.remarks.clone_from(&plan.remarks);
                if !plan.steps.is_empty() {
                    let Course { calls, later } = course(case, &plan, rulebook, directory, now);
                    preview.calls = calls.values().sum();
                    preview.steps = calls;
                    follow(&mut preview, later, rejected, former);
                }
                preview.obstacle = plan.unfinished.filter(|_| plan.steps.is_empty());
                // Without the account nothing is done.
                if let Some(why) = adopted.and_then(|adopted| adopted.rejected.clone()) {
                    (preview.changes, preview.calls, preview.obstacle) = (BTreeMap::new(), 0, Some(why));
                    preview.steps = Calls::new();
                    asked_for = BTreeMap::new();
                }
                if let Some(why) = protected.filter(|_| !plan.steps.is_empty()) {
                    preview.obstacle = Some(format!("{why}: nothing is written"));
                }
            }
            Err(obstacle) => preview.obstacle = Some(obstacle.why),
        }
    }
    preview.basis = basis(case, &asked_for);
    preview
}

/// A plan without what somebody has rejected of it; why each of these kinds is left out goes into `left_out`.
fn without(plan: Plan, rejected: &Rejected, former: Option<&str>, left_out: &mut BTreeMap<ChangeKind, String>) -> Plan {
    if rejected.is_empty() {
        return plan;
    }
    let sifted = sift_calls(&plan, former, |change, step| rejected.why(change, step).is_none());
    for (change, steps) in &sifted.withheld {
        let reasons = steps.iter().find_map(|step| rejected.why(*change, step)).or(rejected.of_kind(*change));
        left_out.extend(reasons.map(|why| (*change, why.to_owned())));
    }
    Plan { steps: sifted.steps, ..plan }
}

/// What a joiner gets once the account is there: without what somebody has rejected.
fn follow(preview: &mut Preview, later: Plan, rejected: &Rejected, former: Option<&str>) {
    let awaits_manager = later.awaits_manager;
    let later = without(later, rejected, former, &mut preview.rejected);
    for (change, words) in summary(&later, former) {
        preview.changes.entry(change).or_default().extend(words);
    }
    if awaits_manager && !preview.rejected.contains_key(&ChangeKind::LinkManager) {
        let words = preview.changes.entry(ChangeKind::LinkManager).or_default();
        words.push("linked to the manager, once the manager has an account".to_owned());
    }
    preview.rules.extend(later.rules);
}

fn login(case: &Case) -> String {
    let held = case.account.as_ref().map(|account| account.login.clone());
    held.or_else(|| case.login.as_ref().ok().map(|chosen| chosen.login.clone())).unwrap_or_default()
}

/// Rules follow attributes: what they should have filled by now, and have not.
fn unfilled(
    case: &Case,
    rulebook: &Rulebook,
    directory: &Directory,
    entitlement: &Entitlement,
    now: Moment,
) -> Vec<String> {
    let Some(account) = case.account.as_ref().filter(|_| *entitlement == Entitlement::Entitled) else {
        return Vec::new();
    };
    if directory.rules().is_empty() {
        return Vec::new();
    }
    let Ok(desired) = rulebook.desired(case, now) else { return Vec::new() };
    let groups = desired.groups.keys().filter_map(|name| directory.find(name));
    let lacking = groups.filter(|group| directory.is_rule_owned(&group.id) && !account.groups.contains(&group.id));
    lacking.map(|group| group.name.clone()).collect()
}

/// What Okta's group rules will do when the plan is carried out.
fn foretold(case: &Case, rulebook: &Rulebook, directory: &Directory, plan: &Plan) -> Vec<String> {
    let account = case.account.as_ref();
    let is_member = |id: &&String| account.is_some_and(|account| account.groups.contains(*id));
    let mut message = Vec::new();
    for (rule, foretold) in okta_rules::foretold(account, rulebook, directory, plan) {
        let named = |moved: &dyn Fn(&&String) -> bool| {
            let groups = rule.groups.iter().filter(moved).filter_map(|id| Some(directory.find(id)?.name.as_str()));
            groups.collect::<Vec<_>>().join(", ")
        };
        let (names, rule) = match foretold {
            Foretold::Joins => (named(&|id| !is_member(id)), &rule.name),
            Foretold::Leaves => (named(&is_member), &rule.name),
            Foretold::Unknown => (named(&|_| true), &rule.name),
        };
        if names.is_empty() {
            continue;
        }
        message.push(match foretold {
            Foretold::Joins => format!("Okta's rule {rule:?} will add them to {names}"),
            Foretold::Leaves => {
                format!("Okta's rule {rule:?} will take them out of {names}, unless somebody has put them in by hand")
            }
            Foretold::Unknown => {
                format!("Okta's rule {rule:?} about {names} looks at what changes and cannot be foretold")
            }
        });
    }
    message
}

/// A hash over everything that the preview was computed from and what came of it.
fn basis(case: &Case, changes: &BTreeMap<ChangeKind, Vec<String>>) -> String {
    let profiles: Vec<_> = case.person.positions().iter().map(|p| (&p.tenant, &p.employee)).collect();
    // Without what never changes and was not always known.
    let account =
        case.account.clone().map(|account| crate::domain::account::user::Account { created_at: None, ..account });
    let text = serde_json::to_vec(&(profiles, &account, changes)).unwrap_or_default();
    crate::domain::text::hex(&crate::domain::record::employee::ContentHash::of(&text).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::directory::Group;
    use crate::domain::account::user::tests::bare;
    use crate::domain::plan::rulebook::tests::rulebook;
    use crate::domain::record::employee::tests::an_employee;
    use crate::domain::record::employee::{Employee, UserStatus};
    use crate::domain::record::person::Person;
    use std::collections::BTreeSet;

    fn seen(employee: Employee) -> Preview {
        let account = bare("00u1", &an_employee().email, Some(&an_employee().id));
        let case = Case { account: Some(account), ..Case::new("main", Person::of("acme", employee)) };
        let directory = Directory::default();
        preview(
            About { target: 1, case: &case, conflict: None, rejected: &Rejected::default() },
            &rulebook(),
            &mut Cow::Borrowed(&directory),
            Moment::from_secs(1_800_000_000),
        )
    }

    #[test]
    fn what_this_service_has_given_and_no_rule_governs_is_named_and_goes_with_an_undo() {
        let group = Group { id: "00g1".into(), name: "Former Team".into(), writable: true };
        let directory = Directory::new([group], BTreeSet::new());
        let mut account = bare("00u1", &an_employee().email, Some(&an_employee().id));
        account.groups.insert("00g1".into());
        let mut case = Case { account: Some(account), ..Case::new("main", Person::of("acme", an_employee())) };
        let now = Moment::from_secs(1_800_000_000);
        let seen = |case: &Case| {
            preview(
                About { target: 1, case, conflict: None, rejected: &Rejected::default() },
                &rulebook(),
                &mut Cow::Borrowed(&directory),
                now,
            )
        };
        assert!(seen(&case).ungoverned.is_empty(), "somebody else has given it");
        case.account.as_mut().expect("an account").marks.given.insert("00g1".into());
        let named = seen(&case);
        assert_eq!(named.ungoverned, ["Former Team"]);
        assert!(!named.changes.contains_key(&ChangeKind::RemoveGroup), "nothing takes it by itself");
        case.pins.not_member.insert("00g1".into());
        assert!(seen(&case).changes[&ChangeKind::RemoveGroup][0].contains("Former Team"));
    }

    #[test]
    fn a_leaver_is_told_as_one_risky_thing() {
        let left = seen(Employee { user_status: UserStatus::Inactive, ..an_employee() });
        assert_eq!(left.changes[&ChangeKind::Deactivate], ["access ends"]);
        assert!(left.is_risky() && !left.is_empty());
        assert_eq!(left.entitlement, "ended");
    }

    #[test]
    fn another_profile_or_account_is_another_basis() {
        let first = seen(Employee { user_status: UserStatus::Inactive, ..an_employee() });
        let same = seen(Employee { user_status: UserStatus::Inactive, ..an_employee() });
        let other = seen(Employee { user_status: UserStatus::Inactive, job_title: "Clerk".into(), ..an_employee() });
        assert_eq!(first.basis, same.basis);
        assert_ne!(first.basis, other.basis);
        assert_eq!(first.changes, other.changes);
    }
}
