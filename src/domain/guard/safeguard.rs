//! What stops a mistake before its first call: how much may be done at all, limits on what could do harm in numbers, and
//! accounts that are never touched.
//!
//! **Invariant:** what trips holds only the kind of change that tripped, for the people of that batch whole; everything
//! else goes on. Unit are people, not calls.

use crate::domain::account::directory::Directory;
use crate::domain::account::knowledge::Knowledge;
use crate::domain::account::user::Account;
use crate::domain::guard::change::{Sifted, sift_calls, summary};
use crate::domain::guard::rejection::Rejected;
use crate::domain::plan::kind::ChangeKind;
use crate::domain::plan::limits::{Limit, Mode, Safeguards, Span};
use crate::domain::plan::situation::Plan;
use crate::domain::plan::step::Step;
use std::collections::{BTreeMap, BTreeSet};

/// What is counted against a limit. All are people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Let through or held within the span, without those about whom somebody has decided.
    pub so_far: u32,
    /// Of the batch that is evaluated.
    pub batch: u32,
    /// Who must follow, because what changed is shared by them: a renamed group.
    pub to_come: u32,
    /// Live accounts of the scope.
    pub population: u32,
}

impl Limit {
    /// How many people may be changed within the span.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a u32 fits one")]
    pub fn allows(&self, population: u32) -> u32 {
        let share = (f64::from(population) * self.share.clamp(0.0, 1.0)).floor() as u32;
        self.people.max(share)
    }

    /// Why the batch is held, if it is.
    pub fn trips(&self, count: Count, scope: &str) -> Option<String> {
        let allowed = self.allows(count.population);
        let all = count.so_far + count.batch + count.to_come;
        if count.batch == 0 || all <= allowed {
            return None;
        }
        let span = match self.per {
            Span::Run => "in one run of the service",
            Span::Hour => "an hour",
            Span::Day => "a day",
        };
        let to_come = match count.to_come {
            0 => String::new(),
            n => format!(", and {n} more will follow"),
        };
        let before = match count.so_far {
            0 => "nobody was let through or held before".to_owned(),
            n => format!("{} let through or held before", people(n)),
        };
        Some(format!("at most {allowed} {span}, and {before}{to_come} (limit on {} in {scope})", self.change.as_str()))
    }
}

fn people(n: u32) -> String {
    if n == 1 { "1 person was".into() } else { format!("{n} people were") }
}

/// Whether a page is one of a tenant that is ending, not one with leavers on it: most of its people lose access at once.
/// Pages come one by one, and a short one would pass under every limit.
pub const fn is_mass(leavers: usize, profiles: usize) -> bool {
    leavers >= 5 && leavers * 2 > profiles
}

impl Safeguards {
    /// What waits for ever because fewer people can approve over the admin API than must, and how to add one; `approvers` are
    /// principals, not tokens.
    pub fn lacks_approvers(&self, approvers: usize) -> Option<String> {
        let (needs, one) = if self.alone().is_some() { (1, false) } else { (2, true) };
        if approvers >= needs {
            return None;
        }
        let who = if approvers == 0 { "nobody can approve" } else { "only one person can approve" };
        let waits = match (needs, self.four_eyes) {
            (1, _) => "whatever is held waits for ever",
            (_, true) => "every hold waits for ever (safeguards.four_eyes)",
            _ => {
                "what two people must agree to waits for ever (the end of an administrator of Okta, their login, contact data and \
                 groups, and groups that carry an admin role)"
            }
        };
        let instead =
            if one { ", or safeguards.approvers = 1, which puts a delay in place of the second person" } else { "" };
        Some(format!(
            "{who} over the admin API: {waits}, unless users of this machine who can write the store decide beside \
             the service. Add somebody else to [[admin.tokens]] with role = \"approver\" (of another uid, if one is named){instead}"
        ))
    }

    /// Whether this kind of change is evaluated before it is made.
    pub fn guards(&self, change: ChangeKind) -> bool {
        self.mode == Mode::Approve
            || matches!(
                change,
                ChangeKind::Deactivate | ChangeKind::Suspend | ChangeKind::Activate | ChangeKind::GrantAdmin
            )
            || self.limits.iter().any(|limit| limit.change == change)
    }

    /// The same of somebody whose account a rule has just given to them, if `fresh`.
    pub fn guards_of(&self, change: ChangeKind, fresh: bool) -> bool {
        self.guards(change) || (fresh && change.lets_in())
    }
}

/// What was decided about one person's changes before their run began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restraint {
    /// Kinds that were evaluated and may go.
    pub passed: BTreeSet<ChangeKind>,
    /// Kinds that were evaluated as those of an administrator, or of somebody who may be one.
    pub as_administrator: BTreeSet<ChangeKind>,
    /// Kinds that wait for a decision, with the reason.
    pub held: BTreeMap<ChangeKind, String>,
    /// Of those, the kinds about which nobody has decided yet.
    pub waiting: BTreeSet<ChangeKind>,
    /// Kinds that somebody has stopped, with the reason: no approval helps.
    pub paused: BTreeMap<ChangeKind, String>,
    /// What enough people have approved in a saved plan, in the words in which it was shown: it goes although the service
    /// only observes. Where there is a hold it is a vote, and the hold says what came of it.
    pub approved: BTreeMap<ChangeKind, BTreeSet<String>>,
    /// What somebody has rejected: no approval helps either.
    pub rejected: Rejected,
    /// The account was taken over by a match that was not carried out yet: nothing is done without it.
    pub adopting: bool,
    /// A rule has given them the account just now.
    pub fresh: bool,
}

/// A plan after the safeguards.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restrained {
    pub sifted: Sifted,
    /// Why each of the withheld kinds is withheld.
    pub held: BTreeMap<ChangeKind, String>,
    /// Kinds that the plan asks for and nobody has evaluated yet: what Okta holds is not what it was taken for.
    pub unevaluated: BTreeSet<ChangeKind>,
    /// Why nothing at all may be written to this account.
    pub protected: Option<String>,
}

/// A plan, and what must be known of whom it is for.
#[derive(Clone, Copy)]
pub struct Proposal<'a> {
    pub plan: &'a Plan,
    /// The attribute that keeps a login of before.
    pub former: Option<&'a str>,
    pub account: Option<&'a Account>,
    pub directory: &'a Directory,
    /// Whether they are an administrator, as far as it is known.
    pub administrator: Knowledge,
}

/// What makes a move, together.
const MOVE: [ChangeKind; 2] = [ChangeKind::RemoveGroup, ChangeKind::AddGroup];

/// Whether somebody is taken out of one group and put into another, and access neither ends nor comes back.
fn is_move(plan: &Plan) -> bool {
    let has = |kind: ChangeKind| plan.steps.iter().any(|step| plan.kind(step) == Some(kind));
    !has(ChangeKind::Activate) && MOVE.into_iter().all(has)
}

/// Whether a kind of change is a part of a move: what the record says beside the groups goes with them.
const fn moves(change: ChangeKind) -> bool {
    matches!(change, ChangeKind::RemoveGroup | ChangeKind::AddGroup | ChangeKind::ChangeAttributes)
}

/// Applies what was decided to a plan.
pub fn restrain(safeguards: &Safeguards, restraint: &Restraint, proposal: &Proposal) -> Restrained {
    let Proposal { plan, former, account, directory, administrator } = *proposal;
    let protected = account.and_then(|account| safeguards.protected.why(account, directory));
    let observes = safeguards.mode == Mode::Observe;
    let message = if restraint.approved.is_empty() { BTreeMap::new() } else { summary(plan, former) };
    let is_approved = |change: ChangeKind| match (restraint.approved.get(&change), message.get(&change)) {
        (Some(approved), Some(words)) => words.iter().all(|word| approved.contains(word)),
        _ => false,
    };
    let is_unevaluated = |change: ChangeKind| {
        let apart = administrator.sets_apart(change);
        let is_evaluated = restraint.passed.contains(&change) || restraint.held.contains_key(&change);
        (safeguards.guards_of(change, restraint.fresh) && !is_evaluated)
            || (apart && !restraint.as_administrator.contains(&change))
    };
    // While it is not decided whose the account is, nothing is done to it.
    let adoption = restraint.adopting.then_some(ChangeKind::Adopt);
    let stops = |change: &ChangeKind| {
        restraint.paused.contains_key(change)
            || restraint.held.contains_key(change)
            || restraint.rejected.of_kind(*change).is_some()
            || is_unevaluated(*change)
    };
    let stopped = adoption.filter(stops);
    // What somebody has not decided about one part of a move holds the whole of it: nobody is in both groups, or in neither.
    let part_that_waits = MOVE.into_iter().find(|part| is_move(plan) && restraint.waiting.contains(part));
    let waits_with = |change: ChangeKind| part_that_waits.filter(|_| moves(change));
    let may = |change: ChangeKind, step: &Step| {
        if stopped.is_some() {
            return false;
        }
        let passes = !restraint.held.contains_key(&change)
            && waits_with(change).is_none()
            && !restraint.paused.contains_key(&change)
            && restraint.rejected.why(change, step).is_none();
        protected.is_none() && passes && !is_unevaluated(change) && (!observes || is_approved(change))
    };
    let sifted = sift_calls(plan, former, may);
    let mut restrained = Restrained { protected, ..Restrained::default() };
    for (kind, steps) in &sifted.withheld {
        let change = stopped.unwrap_or(*kind);
        let (rejected, is_all): (BTreeSet<&str>, bool) = match stopped {
            Some(adoption) => {
                let why = restraint.rejected.of_kind(adoption);
                (why.into_iter().collect(), why.is_some())
            }
            None => (
                steps.iter().filter_map(|step| restraint.rejected.why(change, step)).collect(),
                steps.iter().all(|step| restraint.rejected.why(change, step).is_some()),
            ),
        };
        if let Some(why) = restraint.paused.get(&change) {
            restrained.held.insert(change, why.clone());
        } else if is_all {
            restrained.held.insert(change, rejected.into_iter().collect::<Vec<_>>().join("; "));
        } else if let Some(why) = restraint.held.get(&change) {
            restrained.held.insert(change, why.clone());
        } else if is_unevaluated(change) {
            restrained.unevaluated.insert(change);
        } else if let Some(why) = waits_with(change).and_then(|part| restraint.held.get(&part)) {
            restrained.held.insert(change, why.clone());
        } else if observes {
            restrained.held.insert(change, "the service only observes (mode = \"observe\")".into());
        } else {
            restrained.held.insert(change, rejected.into_iter().collect::<Vec<_>>().join("; "));
        }
    }
    Restrained { sifted, ..restrained }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::directory::Group;
    use crate::domain::account::user::tests::bare;
    use crate::domain::guard::restraint::Decision;
    use crate::domain::pattern::Pattern;
    use crate::domain::plan::limits::{Approvers, Protected, Scope};
    use crate::domain::record::employee::FieldChange;
    use std::time::Duration;

    fn limit(people: u32, share: f64) -> Limit {
        Limit { change: ChangeKind::Deactivate, people, share, per: Span::Hour, scope: Scope::Tenant }
    }

    fn count(so_far: u32, batch: u32, population: u32) -> Count {
        Count { so_far, batch, population, to_come: 0 }
    }

    #[test]
    fn the_larger_of_a_number_and_a_share_is_allowed() {
        assert_eq!(limit(10, 0.02).allows(100), 10);
        assert_eq!(limit(10, 0.02).allows(1000), 20);
        assert_eq!(limit(10, 0.0).allows(1_000_000), 10);
    }

    #[test]
    fn a_batch_is_held_when_it_goes_beyond_what_is_left_of_the_span() {
        let limit = limit(10, 0.0);
        assert_eq!(limit.trips(count(4, 6, 100), "acme"), None);
        let why = limit.trips(count(4, 7, 100), "acme").expect("held");
        assert_eq!(
            why,
            "at most 10 an hour, and 4 people were let through or held before (limit on deactivate in acme)"
        );
        assert_eq!(limit.trips(count(40, 0, 100), "acme"), None, "nobody of the batch is concerned");
    }

    #[test]
    fn a_page_most_of_whose_people_leave_is_a_mass_change_however_short_it_is() {
        assert!(is_mass(10, 10) && is_mass(26, 50));
        assert!(!is_mass(4, 4) && !is_mass(25, 50));
    }

    #[test]
    fn those_who_must_follow_count_before_they_are_seen() {
        let limit = limit(100, 0.0);
        let seen = Count { so_far: 0, batch: 50, to_come: 70, population: 300 };
        assert!(limit.trips(seen, "acme").is_some_and(|why| why.contains("and 70 more will follow")));
    }

    fn leaving() -> Plan {
        Plan { steps: vec![Step::Deactivate { id: "00u1".into() }], exit: true, ..Plan::default() }
    }

    fn restrained(safeguards: &Safeguards, restraint: &Restraint, plan: &Plan) -> Restrained {
        let account = bare("00u1", "Break.Glass@example.com", None);
        let directory = Directory::default();
        let (account, administrator) = (Some(&account), Knowledge::Nobody);
        let proposal = Proposal { plan, former: None, account, directory: &directory, administrator };
        restrain(safeguards, restraint, &proposal)
    }

    #[test]
    fn what_nobody_has_evaluated_waits_for_it_and_what_passed_goes() {
        let safeguards = Safeguards::default();
        let found = restrained(&safeguards, &Restraint::default(), &leaving());
        assert!(found.sifted.steps.is_empty());
        assert_eq!(found.unevaluated, BTreeSet::from([ChangeKind::Deactivate]));
        let passed = Restraint { passed: BTreeSet::from([ChangeKind::Deactivate]), ..Restraint::default() };
        assert_eq!(restrained(&safeguards, &passed, &leaving()).sifted.steps, leaving().steps);
    }

    #[test]
    fn somebody_who_only_observes_writes_nothing_whatever_was_passed() {
        let safeguards = Safeguards { mode: Mode::Observe, ..Safeguards::default() };
        let passed = Restraint { passed: ChangeKind::ALL.into(), ..Restraint::default() };
        let found = restrained(&safeguards, &passed, &leaving());
        assert!(found.sifted.steps.is_empty() && found.held.contains_key(&ChangeKind::Deactivate));
    }

    #[test]
    fn an_approval_lets_through_its_own_words_and_nothing_else_and_not_past_a_pause() {
        let safeguards = Safeguards { mode: Mode::Observe, ..Safeguards::default() };
        let group = |name: &str| Step::AddGroup { id: "00u1".into(), group: name.into(), name: name.into() };
        let plan = |names: &[&str]| Plan { steps: names.iter().map(|n| group(n)).collect(), ..Plan::default() };
        let words = BTreeSet::from(["into group \"A\"".to_owned(), "into group \"B\"".to_owned()]);
        let mut approved = Restraint {
            approved: BTreeMap::from([(ChangeKind::AddGroup, words)]),
            passed: ChangeKind::ALL.into(),
            ..Restraint::default()
        };
        assert_eq!(restrained(&safeguards, &approved, &plan(&["A", "B"])).sifted.steps.len(), 2);
        assert_eq!(restrained(&safeguards, &approved, &plan(&["B"])).sifted.steps.len(), 1, "a part is left to do");
        assert!(restrained(&safeguards, &approved, &plan(&["B", "C"])).sifted.steps.is_empty());
        approved.held.insert(ChangeKind::AddGroup, "waits for a decision".into());
        assert!(restrained(&safeguards, &approved, &plan(&["B"])).sifted.steps.is_empty(), "the hold decides");
        approved.held.clear();
        approved.paused.insert(ChangeKind::AddGroup, "paused by Ann".into());
        assert!(restrained(&safeguards, &approved, &plan(&["B"])).sifted.steps.is_empty());
    }

    #[test]
    fn what_was_rejected_stays_out_of_every_plan_and_the_rest_of_its_kind_goes() {
        let group = |name: &str| Step::RemoveGroup { id: "00u1".into(), group: name.into(), name: name.into() };
        let plan = Plan { steps: ["A", "B"].map(group).into(), ..Plan::default() };
        let why = "rejected by Ann".to_owned();
        let objects = BTreeMap::from([("group A".to_owned(), why.clone())]);
        let mut restraint = Restraint { passed: ChangeKind::ALL.into(), ..Restraint::default() };
        restraint.approved = summary(&plan, None).into_iter().map(|(c, w)| (c, w.into_iter().collect())).collect();
        restraint.rejected.0.insert(ChangeKind::RemoveGroup, objects);
        for mode in [Mode::Auto, Mode::Approve, Mode::Observe] {
            let safeguards = Safeguards { mode, ..Safeguards::default() };
            let found = restrained(&safeguards, &restraint, &plan);
            assert_eq!(found.sifted.steps, [group("B")], "{mode:?}");
            assert_eq!(
                (found.held.get(&ChangeKind::RemoveGroup), found.unevaluated.len()),
                (Some(&why), 0),
                "{mode:?}"
            );
        }
        let alone = Plan { steps: vec![group("A")], ..Plan::default() };
        let nothing_evaluated = Restraint { passed: BTreeSet::new(), ..restraint };
        let found = restrained(&Safeguards::default(), &nothing_evaluated, &alone);
        assert!(
            found.unevaluated.is_empty() && found.held.contains_key(&ChangeKind::RemoveGroup),
            "nobody is asked again"
        );
    }

    #[test]
    fn a_move_of_which_a_part_waits_for_a_decision_waits_as_a_whole() {
        let id = || "00u1".to_owned();
        let change = FieldChange { field: "department".into(), before: "A".into(), after: "B".into() };
        let out = Step::RemoveGroup { id: id(), group: "00gA".into(), name: "A".into() };
        let into = Step::AddGroup { id: id(), group: "00gB".into(), name: "B".into() };
        let link = Step::ClearManager { id: id(), relation: "manager".into() };
        let update = Step::UpdateUser { id: id(), changes: vec![change] };
        let plan =
            |steps: &[&Step]| Plan { steps: steps.iter().map(|step| (*step).clone()).collect(), ..Plan::default() };
        let decided = |held: ChangeKind| {
            let mut restraint = Restraint { passed: ChangeKind::ALL.into(), ..Restraint::default() };
            restraint.passed.remove(&held);
            restraint.note(held, Decision::Waits { hold: 7, why: "too many".into() }, false);
            restraint
        };
        let move_ = plan(&[&out, &into, &update, &link]);
        for part in MOVE {
            let found = restrained(&Safeguards::default(), &decided(part), &move_);
            assert_eq!(found.sifted.steps, std::slice::from_ref(&link), "{part:?}");
            assert!(found.held.values().all(|why| why.contains("hold")) && found.held.len() == 3, "{:?}", found.held);
        }
        let taken = restrained(&Safeguards::default(), &decided(ChangeKind::RemoveGroup), &plan(&[&out, &update]));
        assert_eq!(taken.sifted.steps, std::slice::from_ref(&update), "no move: nothing else waits");
        let mut rejected = decided(ChangeKind::RemoveGroup);
        (rejected.waiting, rejected.held) = Default::default();
        rejected.note(ChangeKind::RemoveGroup, Decision::Rejected { hold: 7 }, false);
        let found = restrained(&Safeguards::default(), &rejected, &move_);
        assert_eq!(found.sifted.steps, [into, update, link], "somebody has decided");
    }

    #[test]
    fn a_protected_login_or_group_keeps_everybody_off() {
        let mut safeguards = Safeguards::default();
        safeguards.protected.logins = vec![Pattern::new("break.glass@*")];
        let passed = Restraint { passed: ChangeKind::ALL.into(), ..Restraint::default() };
        let found = restrained(&safeguards, &passed, &leaving());
        assert!(found.sifted.steps.is_empty());
        assert!(found.protected.is_some_and(|why| why.contains("Break.Glass@example.com")));

        let protected = Protected { groups: vec![Pattern::new("Break Glass*")], ..Protected::default() };
        let group = Group { id: "00g1".into(), name: "Break Glass Accounts".into(), writable: true };
        let directory = Directory::new([group], BTreeSet::new());
        let mut account = bare("00u1", "a@example.com", None);
        assert_eq!(protected.why(&account, &directory), None);
        account.groups.insert("00g1".into());
        assert!(protected.why(&account, &directory).is_some());
    }

    #[test]
    fn it_is_told_what_waits_for_ever_where_too_few_people_can_approve() {
        let two = Safeguards::default();
        let alone = Safeguards { approvers: Approvers::One { delay: Duration::from_secs(3600) }, ..two.clone() };
        let all = Safeguards { four_eyes: true, ..two.clone() };
        let message = |safeguards: &Safeguards, approvers| safeguards.lacks_approvers(approvers);
        assert_eq!([message(&two, 2), message(&alone, 1), message(&all, 3)], [None, None, None]);
        let one = message(&two, 1).expect("too few");
        assert!(one.starts_with("only one person can approve") && one.contains("administrator of Okta"), "{one}");
        assert!(one.contains("[[admin.tokens]]") && one.contains("safeguards.approvers = 1"), "{one}");
        assert!(message(&all, 1).expect("too few").contains("every hold waits"));
        let nobody = message(&alone, 0).expect("too few");
        assert!(nobody.starts_with("nobody can approve") && !nobody.contains("safeguards.approvers"), "{nobody}");
    }

    #[test]
    fn a_service_that_asks_guards_every_kind() {
        let safeguards = Safeguards { mode: Mode::Approve, ..Safeguards::default() };
        assert!(ChangeKind::ALL.into_iter().all(|change| safeguards.guards(change)));
        assert!(!Safeguards::default().guards(ChangeKind::Create));
    }
}
