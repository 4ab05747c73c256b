//! Who of those who are evaluated together goes on, and who is held. What is counted is counted by the store; what follows from
//! it is decided here.

use crate::clock::Moment;
use crate::domain::account::knowledge::Knowledge;
use crate::domain::guard::administrator::SUPERS_LEFT;
use crate::domain::guard::safeguard::Count;
use crate::domain::plan::kind::ChangeKind;
use crate::domain::plan::limits::{Limit, Mode, Safeguards, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// Somebody whose change of one kind is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluatedPerson<'a> {
    /// The person in the org, by the store's id.
    pub target: i64,
    /// The department of their first position; empty without one.
    pub department: &'a str,
    /// Whether they are an Okta administrator, as far as it is known.
    pub administrator: Knowledge,
    /// Who they are, for a hold of their own.
    pub who: &'a str,
    /// How many other live super administrators there are, if they may be one.
    pub other_supers: Option<u32>,
    /// An undo gives them access that Namely says is over.
    pub defies: bool,
    /// They get access back that was over: their account was deactivated.
    pub regains: bool,
    /// A rule has given them their account just now.
    pub fresh: bool,
}

/// What was decided about some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Their targets.
    pub people: Vec<i64>,
    /// They go on without it.
    pub hold: Option<Hold>,
}

/// A hold that they wait in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Whom it is about, for people; the holds of one scope are one.
    pub scope: String,
    /// The limit or rule, with the numbers.
    pub why: String,
    /// How many people must agree.
    pub needs: i64,
    /// Whom it draws in besides.
    pub with: With,
}

/// Who is held with them, of those who were let through before and have not begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum With {
    /// They wait alone.
    Nobody,
    /// Everybody of the tenant.
    Tenant,
    /// Everybody of this department of the tenant.
    Department(String),
}

/// What was counted of those whom nothing sets apart.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// A page of the tenant was seen most of whose people lose access at once.
    pub is_ending: bool,
    /// The new name of a group of Namely that all of them are in: they wait for one decision, and nobody else with them.
    pub renamed: Option<String>,
    /// Live accounts of the tenant.
    pub population: u32,
    /// Against each limit of a tenant, in the order of the safeguards.
    pub tenant: Vec<Count>,
    /// Against each limit of a department, by department.
    pub departments: BTreeMap<String, Vec<Count>>,
}

/// What was evaluated of one kind of change of somebody, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// Enough people have approved it.
    pub approved: bool,
    /// Whether it went on.
    pub waits: Waits,
    /// When it was let through, or held.
    pub at: Moment,
    /// The run of the service that has evaluated it.
    pub run: i64,
}

/// Whether a change waits for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It was let through.
    No,
    /// Nobody has decided.
    InHold,
    /// Its hold was decided without it.
    Decided,
}

/// Whether it counts against a limit whose span began at `since`; without one, against that of this run of the service. About
/// what somebody has decided is not counted.
pub fn counts(past: &Past, since: Option<Moment>, run: i64) -> bool {
    let within = since.map_or(past.run == run, |since| past.at > since);
    !past.approved && past.waits != Waits::Decided && within
}

/// How far the work on somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// There is a revision that Okta is not proved to hold.
    pub is_dirty: bool,
    /// The revision that Okta is proved to hold.
    pub done_rev: i64,
    /// A run has it now.
    pub is_leased: bool,
}

/// Whether a change that was let through waits with the others of a hold that is opened: nobody has decided about it, and
/// nobody has begun to carry it out. `rev` is the revision that it was evaluated for.
pub const fn is_held_back(past: &Past, rev: i64, progress: Progress) -> bool {
    let is_undecided = matches!(past.waits, Waits::No) && !past.approved;
    is_undecided && progress.is_dirty && rev > progress.done_rev && !progress.is_leased
}

/// What was decided about one kind of change of somebody, or is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// In words.
    pub shown: &'a str,
    /// The number of what is known of the person as an administrator.
    pub administrator: i64,
}

/// Whether what was decided about `before`, for a revision, holds for what is asked now: it is exactly the same, and was not
/// carried out since.
pub fn still_decided(before: &Asked, rev: i64, done_rev: i64, asked: &Asked) -> bool {
    rev > done_rev && before == asked
}

impl Safeguards {
    /// The limits of one kind of change for a scope, in order.
    pub fn limits_of(&self, change: ChangeKind, scope: Scope) -> Vec<&Limit> {
        self.limits.iter().filter(|limit| limit.change == change && limit.scope == scope).collect()
    }

    /// Whether the word of somebody with a token is needed besides those who came over an identity provider: about administrators of the
    /// very org that says who they are, and about who becomes one.
    pub fn beside_provider(&self, org: &str, change: ChangeKind, may_be_administrator: bool) -> bool {
        let is_its_own = self.sign_in.as_ref().is_some_and(|sign_in| sign_in.org == org);
        is_its_own && (may_be_administrator || change == ChangeKind::GrantAdmin)
    }

    /// Groups of an org whose members may decide here, since it says who they are.
    pub fn deciding(&self, org: &str) -> BTreeSet<String> {
        let own = self.sign_in.iter().filter(|sign_in| sign_in.org == org);
        own.flat_map(|sign_in| sign_in.approvers.iter().cloned()).collect()
    }

    /// How many people must agree with what is nobody's special case.
    pub const fn eyes(&self) -> i64 {
        if self.four_eyes { 2 } else { 1 }
    }
}

const fn ends_access(change: ChangeKind) -> bool {
    matches!(change, ChangeKind::Deactivate | ChangeKind::Suspend)
}

fn held(people: &[EvaluatedPerson], hold: Hold) -> Verdict {
    Verdict { people: people.iter().map(|person| person.target).collect(), hold: Some(hold) }
}

/// Changes of administrators that two people decide about; and the suspensions that somebody decides about, because too many
/// administrators would be gone.
fn set_administrators_apart<'a>(
    safeguards: &Safeguards,
    change: ChangeKind,
    tenant: &str,
    people: Vec<EvaluatedPerson<'a>>,
    suspended: u32,
) -> (Vec<Verdict>, Vec<EvaluatedPerson<'a>>) {
    let (mut verdicts, mut others, mut unknown, mut grants) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut gone, mut supers_gone) = (suspended, 0);
    let own = |person: &EvaluatedPerson, why: String| {
        let hold = Hold { scope: format!("administrator {}", person.who), why, needs: 2, with: With::Nobody };
        held(&[*person], hold)
    };
    for person in people {
        let who = person.who;
        if change == ChangeKind::GrantAdmin {
            grants.push(person);
        } else if person.administrator == Knowledge::Holder && change == ChangeKind::Suspend {
            let left = person.other_supers.map(|others| others.saturating_sub(supers_gone));
            if let Some(left) = left.filter(|left| *left < SUPERS_LEFT) {
                let why = format!(
                    "{who} is an Okta administrator, and only {left} other live super administrator{} would be left: \
                     nothing is done before two people agree",
                    if left == 1 { "" } else { "s" }
                );
                verdicts.push(own(&person, why));
            } else if gone >= safeguards.administrators {
                let why = format!(
                    "{who} is an Okta administrator, and {gone} of them were suspended within the last hour \
                     (safeguards.administrators = {}): nothing is done before two people agree",
                    safeguards.administrators
                );
                verdicts.push(own(&person, why));
            } else {
                gone += 1;
                supers_gone += u32::from(person.other_supers.is_some());
                others.push(person);
            }
        } else if !person.administrator.needs_two(change)
            || (change == ChangeKind::Activate && !person.regains && !person.defies)
        {
            others.push(person);
        } else if person.administrator == Knowledge::Holder {
            let why = match change {
                ChangeKind::Deactivate => {
                    format!(
                        "{who} is an Okta administrator who has left: two people must agree to what cannot be undone"
                    )
                }
                ChangeKind::Activate => format!(
                    "{who} is an Okta administrator whose access was over: two people must agree before they have it back"
                ),
                _ => format!("{who} is an Okta administrator: two people must agree"),
            };
            verdicts.push(own(&person, why));
        } else {
            unknown.push(person);
        }
    }
    if !unknown.is_empty() {
        let why =
            "it cannot be told whether they are Okta administrators or protected, because Okta does not say it: two people \
                   must agree"
                .to_owned();
        let scope = format!("who may be an administrator in {tenant}");
        verdicts.push(held(&unknown, Hold { scope, why, needs: 2, with: With::Nobody }));
    }
    if !grants.is_empty() {
        let why =
            "an admin role of Okta, or a say in what is decided here, comes with a group that they would get, by this \
                   configuration or by a rule of Okta: two people must agree"
                .to_owned();
        let scope = format!("admin roles in {tenant}");
        verdicts.push(held(&grants, Hold { scope, why, needs: 2, with: With::Nobody }));
    }
    (verdicts, others)
}

/// Why everything is held while the service asks first.
const ASKS_FIRST: &str = "the service asks before it changes anything (mode = \"approve\")";

/// Whether somebody waits in a hold of this reason only because the service asked before everything, which it does no more.
pub fn asked_first(safeguards: &Safeguards, why: &str) -> bool {
    why == ASKS_FIRST && safeguards.mode != Mode::Approve
}

/// Who is held for who they are, or because everything is; and the others, about whom numbers decide.
pub fn set_apart<'a>(
    safeguards: &Safeguards,
    change: ChangeKind,
    tenant: &str,
    people: Vec<EvaluatedPerson<'a>>,
    suspended: u32,
) -> (Vec<Verdict>, Vec<EvaluatedPerson<'a>>) {
    let (mut verdicts, mut people) = set_administrators_apart(safeguards, change, tenant, people, suspended);
    if safeguards.mode == Mode::Approve {
        let why = ASKS_FIRST.to_owned();
        let hold = Hold { scope: tenant.to_owned(), why, needs: safeguards.eyes(), with: With::Nobody };
        if !people.is_empty() {
            verdicts.push(held(&people, hold));
        }
        return (verdicts, Vec::new());
    }
    if change.lets_in() {
        let (fresh, others): (Vec<_>, Vec<_>) = people.into_iter().partition(|person| person.fresh);
        if !fresh.is_empty() {
            let why = format!(
                "a rule has given them accounts that were there already: what lets somebody in waits {} days, or for you",
                safeguards.fresh_adoption.as_secs().div_ceil(86_400)
            );
            let scope = format!("accounts taken over in {tenant}");
            let hold = Hold { scope, why, needs: safeguards.eyes(), with: With::Nobody };
            verdicts.push(held(&fresh, hold));
        }
        people = others;
    }
    if change == ChangeKind::Activate {
        let (defying, others): (Vec<_>, Vec<_>) = people.into_iter().partition(|person| person.defies);
        if !defying.is_empty() {
            let why = "an undo gives access to somebody who is inactive in Namely".to_owned();
            let hold = Hold { scope: format!("undo in {tenant}"), why, needs: safeguards.eyes(), with: With::Nobody };
            verdicts.push(held(&defying, hold));
        }
        people = others;
    }
    (verdicts, people)
}

/// The scope of those who wait because a group of Namely is called something else.
pub fn scope_of_renamed(tenant: &str, name: &str) -> String {
    format!("{tenant}, renamed {name}")
}

/// The scope of a hold under another name of its tenant, if it is about that one.
pub fn scope_with(scope: &str, old: &str, new: &str) -> Option<String> {
    if scope == old {
        return Some(new.to_owned());
    }
    let begins = scope.strip_prefix(old).filter(|rest| rest.starts_with(", ")).map(|rest| format!("{new}{rest}"));
    let ends = || scope.strip_suffix(old).filter(|rest| rest.ends_with(" in ")).map(|rest| format!("{rest}{new}"));
    begins.or_else(ends)
}

/// What the numbers say about those whom nothing sets apart.
pub fn weigh(
    safeguards: &Safeguards,
    change: ChangeKind,
    tenant: &str,
    people: &[EvaluatedPerson],
    facts: &Facts,
) -> Vec<Verdict> {
    if people.is_empty() {
        return Vec::new();
    }
    let needs = safeguards.eyes();
    let whole_tenant = |why| {
        let (scope, with) = match &facts.renamed {
            Some(name) => (scope_of_renamed(tenant, name), With::Nobody),
            None => (tenant.to_owned(), With::Tenant),
        };
        vec![held(people, Hold { scope, why, needs, with })]
    };
    // Whoever allows everybody to go means it.
    let is_limited = || {
        let limits = safeguards.limits.iter().filter(|limit| limit.change == change);
        limits.into_iter().any(|limit| limit.allows(facts.population) < facts.population)
    };
    if ends_access(change) && facts.is_ending && is_limited() {
        return whole_tenant(format!("most people on a page of {tenant} lose access at once"));
    }
    let limits = safeguards.limits_of(change, Scope::Tenant);
    let mut tripped = limits.iter().zip(&facts.tenant).filter_map(|(limit, count)| limit.trips(*count, tenant));
    if let Some(why) = tripped.next() {
        return whole_tenant(why);
    }
    let limits = safeguards.limits_of(change, Scope::Department);
    if limits.is_empty() {
        return vec![Verdict { people: people.iter().map(|person| person.target).collect(), hold: None }];
    }
    let mut by_department: BTreeMap<&str, Vec<EvaluatedPerson>> = BTreeMap::new();
    for person in people {
        by_department.entry(person.department).or_default().push(*person);
    }
    let verdict = |(department, people): (&str, Vec<EvaluatedPerson>)| {
        let scope = format!("{tenant}, {}", if department.is_empty() { "no department" } else { department });
        let counts = facts.departments.get(department).into_iter().flatten();
        let why = limits.iter().zip(counts).find_map(|(limit, count)| limit.trips(*count, &scope));
        let people = people.iter().map(|person| person.target).collect();
        let hold = why.map(|why| Hold { scope, why, needs, with: With::Department(department.to_owned()) });
        Verdict { people, hold }
    };
    by_department.into_iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::limits::Span;

    fn person(target: i64) -> EvaluatedPerson<'static> {
        EvaluatedPerson {
            target,
            department: "Sales",
            regains: false,
            administrator: Knowledge::Nobody,
            who: "somebody",
            other_supers: None,
            defies: false,
            fresh: false,
        }
    }

    fn limit(change: ChangeKind, people: u32, scope: Scope) -> Limit {
        Limit { change, people, share: 0.0, per: Span::Hour, scope }
    }

    fn limits(limits: &[Limit]) -> Safeguards {
        Safeguards { limits: limits.to_vec(), ..Safeguards::default() }
    }

    fn batch(batch: u32) -> Count {
        Count { batch, population: 100, ..Count::default() }
    }

    fn whys(verdicts: &[Verdict]) -> Vec<(Vec<i64>, String)> {
        let message = |verdict: &Verdict| {
            (verdict.people.clone(), verdict.hold.as_ref().map(|hold| hold.scope.clone()).unwrap_or_default())
        };
        verdicts.iter().map(message).collect()
    }

    fn holder(target: i64, who: &'static str, other_supers: Option<u32>) -> EvaluatedPerson<'static> {
        EvaluatedPerson { administrator: Knowledge::Holder, who, other_supers, ..person(target) }
    }

    #[test]
    fn what_was_decided_holds_for_exactly_the_same_until_it_was_carried_out() {
        let asked = Asked { shown: "leaves Staff", administrator: 0 };
        assert!(still_decided(&asked, 7, 6, &asked));
        assert!(!still_decided(&asked, 7, 7, &asked), "it was carried out");
        assert!(!still_decided(&Asked { shown: "leaves Sales", ..asked }, 7, 6, &asked), "other words");
        assert!(!still_decided(&Asked { administrator: 1, ..asked }, 7, 6, &asked), "of an administrator by now");
    }

    fn apart(
        change: ChangeKind,
        people: &[EvaluatedPerson<'static>],
        suspended: u32,
    ) -> (Vec<(Vec<i64>, String)>, Vec<i64>) {
        let (verdicts, others) = set_apart(&Safeguards::default(), change, "acme", people.to_vec(), suspended);
        assert!(verdicts.iter().all(|verdict| verdict.hold.as_ref().is_some_and(|hold| hold.needs == 2)));
        (whys(&verdicts), others.iter().map(|person| person.target).collect())
    }

    #[test]
    fn what_cannot_be_undone_of_an_administrator_waits_for_two_people_and_a_suspension_does_not() {
        let people = [holder(1, "Ann", Some(2)), person(2)];
        let held = (vec![(vec![1], "administrator Ann".to_owned())], vec![2]);
        for change in [ChangeKind::Deactivate, ChangeKind::RemoveGroup, ChangeKind::AddGroup, ChangeKind::ChangeLogin] {
            assert_eq!(apart(change, &people, 0), held, "{change:?}");
        }
        for change in [ChangeKind::Suspend, ChangeKind::ChangeAttributes, ChangeKind::Activate, ChangeKind::LinkManager]
        {
            assert_eq!(apart(change, &people, 0), (vec![], vec![1, 2]), "{change:?}");
        }
    }

    #[test]
    fn nobody_is_suspended_where_fewer_than_two_other_super_administrators_would_be_left() {
        let ann = "administrator Ann".to_owned();
        assert_eq!(apart(ChangeKind::Suspend, &[holder(1, "Ann", Some(1))], 0), (vec![(vec![1], ann)], vec![]));
        assert_eq!(
            apart(ChangeKind::Suspend, &[holder(1, "Ann", None)], 0),
            (vec![], vec![1]),
            "no super administrator"
        );
        // Three of four at once: each who goes leaves one less for the next.
        let safeguards = Safeguards { administrators: 10, ..Safeguards::default() };
        let people = vec![holder(1, "Ann", Some(3)), holder(2, "Ben", Some(3)), holder(3, "Cas", Some(3))];
        let (verdicts, others) = set_apart(&safeguards, ChangeKind::Suspend, "acme", people, 0);
        assert_eq!((whys(&verdicts), others.len()), (vec![(vec![3], "administrator Cas".to_owned())], 2));
    }

    #[test]
    fn one_administrator_an_hour_is_suspended_without_a_question() {
        let people = [holder(1, "Ann", None), holder(2, "Ben", None)];
        assert_eq!(apart(ChangeKind::Suspend, &people, 0), (vec![(vec![2], "administrator Ben".to_owned())], vec![1]));
        assert_eq!(
            apart(ChangeKind::Suspend, &people[..1], 1),
            (vec![(vec![1], "administrator Ann".to_owned())], vec![])
        );
    }

    #[test]
    fn who_may_be_an_administrator_waits_with_what_cannot_be_undone_and_with_nothing_else() {
        let unknown = |asked| [EvaluatedPerson { administrator: Knowledge::Unknown { asked }, ..person(1) }, person(2)];
        let held = (vec![(vec![1], "who may be an administrator in acme".to_owned())], vec![2]);
        for change in [ChangeKind::Deactivate, ChangeKind::ChangeLogin] {
            assert_eq!(apart(change, &unknown(true), 0), held, "{change:?}");
            assert_eq!(apart(change, &unknown(false), 0), (vec![], vec![1, 2]), "they are asked about first");
        }
        for change in [
            ChangeKind::Suspend,
            ChangeKind::RemoveGroup,
            ChangeKind::AddGroup,
            ChangeKind::Create,
            ChangeKind::Activate,
        ] {
            assert_eq!(apart(change, &unknown(true), 9), (vec![], vec![1, 2]), "{change:?}");
        }
    }

    #[test]
    fn an_admin_role_is_given_by_two_people_whoever_gets_it() {
        let (held, others) = apart(ChangeKind::GrantAdmin, &[person(1), holder(2, "Ann", None)], 0);
        assert_eq!((held, others), (vec![(vec![1, 2], "admin roles in acme".to_owned())], vec![]));
    }

    #[test]
    fn in_the_mode_approve_everything_waits_and_nothing_is_counted() {
        let safeguards = Safeguards { mode: Mode::Approve, four_eyes: true, ..Safeguards::default() };
        let (verdicts, others) = set_apart(&safeguards, ChangeKind::Create, "acme", vec![person(1), person(2)], 0);
        assert_eq!((whys(&verdicts), others.len()), (vec![(vec![1, 2], "acme".to_owned())], 0));
        assert_eq!(verdicts[0].hold.as_ref().map(|hold| hold.needs), Some(2), "four eyes");
        assert_eq!(set_apart(&safeguards, ChangeKind::Create, "acme", Vec::new(), 0), (Vec::new(), Vec::new()));
    }

    #[test]
    fn access_that_an_undo_gives_against_namely_waits() {
        let people = vec![EvaluatedPerson { defies: true, ..person(1) }, person(2)];
        let (verdicts, others) = set_apart(&Safeguards::default(), ChangeKind::Activate, "acme", people, 0);
        assert_eq!((whys(&verdicts), others), (vec![(vec![1], "undo in acme".to_owned())], vec![person(2)]));
    }

    #[test]
    fn a_tenant_that_ends_is_held_under_any_limit_but_one_that_allows_all() {
        let facts = Facts { is_ending: true, population: 100, tenant: vec![batch(2)], ..Facts::default() };
        let people = [person(1), person(2)];
        let weighed = |most| {
            let safeguards = limits(&[limit(ChangeKind::Deactivate, most, Scope::Tenant)]);
            weigh(&safeguards, ChangeKind::Deactivate, "acme", &people, &facts)
        };
        let held = weighed(50);
        assert_eq!(held[0].hold.as_ref().map(|hold| &hold.with), Some(&With::Tenant));
        assert_eq!(weighed(100)[0].hold, None, "somebody has allowed everybody");
        assert!(weigh(&limits(&[]), ChangeKind::Deactivate, "acme", &[], &facts).is_empty(), "a hold is never empty");
    }

    #[test]
    fn a_limit_of_the_tenant_holds_all_and_one_of_a_department_its_own() {
        let people = [person(1), EvaluatedPerson { department: "", ..person(2) }, person(3)];
        let both =
            [limit(ChangeKind::RemoveGroup, 3, Scope::Tenant), limit(ChangeKind::RemoveGroup, 1, Scope::Department)];
        let facts = |tenant| Facts {
            population: 100,
            tenant: vec![batch(tenant)],
            departments: [("Sales".to_owned(), vec![batch(2)]), (String::new(), vec![batch(1)])].into(),
            ..Facts::default()
        };
        let weighed = |tenant| whys(&weigh(&limits(&both), ChangeKind::RemoveGroup, "acme", &people, &facts(tenant)));
        assert_eq!(weighed(4), [(vec![1, 2, 3], "acme".to_owned())]);
        assert_eq!(weighed(3), [(vec![2], String::new()), (vec![1, 3], "acme, Sales".to_owned())]);
        let free = weigh(&limits(&both), ChangeKind::AddGroup, "acme", &people, &Facts::default());
        assert_eq!(whys(&free), [(vec![1, 2, 3], String::new())], "nothing limits it");
    }
}
