use super::*;
use crate::domain::account::administrators::Administrators;
use crate::domain::account::directory::Group;
use crate::domain::account::user::tests::bare;
use crate::domain::account::user::{AccountStatus, ExitProof, Marks};
use crate::domain::guard::planned::plan;
use crate::domain::pattern::Pattern;
use crate::domain::plan::observe::{Answer, observe};
use crate::domain::plan::rulebook::tests::rulebook;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::record::person::Person;

const START: Moment = Moment::from_secs(1_800_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn at(hours: u64) -> Moment {
    START + Duration::from_secs(3600 * hours)
}

fn id() -> String {
    "00u1".into()
}

fn out_of(group: &str) -> Step {
    Step::RemoveGroup { id: id(), group: group.into(), name: format!("Group {group}") }
}

fn carried(hours: u64, step: Step) -> Entry {
    Entry::Carried { at: at(hours), step }
}

fn means(hours: u64, entitlement: Entitlement) -> Entry {
    Entry::Means { at: at(hours), entitlement }
}

fn ended() -> Entitlement {
    Entitlement::Ended("inactive".into())
}

/// A move out of a group, an app, and five hours later the end of access with another group.
fn terminated() -> Vec<Entry> {
    let app = Step::AssignApp { id: id(), app: "0oa1".into(), name: "Payroll".into(), user_name: Some("ada".into()) };
    vec![
        Entry::Plans { is_over: false },
        carried(0, out_of("00gOld")),
        carried(0, app),
        means(5, ended()),
        Entry::Plans { is_over: true },
        carried(5, Step::RevokeSessions { id: id() }),
        carried(5, Step::Deactivate { id: id() }),
        carried(6, out_of("00gChess")),
    ]
}

fn groups(taken: &Option<TakenBack>) -> Vec<&str> {
    taken.iter().flat_map(|taken| taken.groups.keys()).map(String::as_str).collect()
}

#[test]
fn what_the_termination_has_taken_comes_back_and_nothing_that_was_taken_for_another_reason() {
    let mut history = terminated();
    let taken = taken_back(&history, DAY, at(7));
    assert_eq!(groups(&taken), ["00gChess"]);
    let app = &taken.expect("taken").apps["0oa1"];
    assert_eq!((app.name.as_str(), app.user_name.as_deref()), ("Payroll", Some("ada")));
    history.extend([means(7, Entitlement::Entitled), means(40, Entitlement::Entitled)]);
    assert_eq!(groups(&taken_back(&history, DAY, at(90))), ["00gChess"], "it was taken back in time, and waited since");
}

#[test]
fn an_end_that_is_taken_back_too_late_or_by_another_start_gives_nothing_back() {
    let history = terminated();
    assert!(taken_back(&history, DAY, at(29)).is_some());
    assert_eq!(taken_back(&history, DAY, at(30)), None);
    let mut late = terminated();
    late.push(means(31, Entitlement::Entitled));
    assert_eq!(taken_back(&late, DAY, at(31)), None);
    let mut again = terminated();
    again.extend([means(6, Entitlement::Entitled), means(7, ended()), means(40, Entitlement::Entitled)]);
    assert_eq!(taken_back(&again, DAY, at(40)), None, "the last word counts");
    assert!(!is_back(&Entitlement::Prehire { due: false }) && !is_back(&Entitlement::Unclear("?".into())));
}

#[test]
fn what_came_after_somebody_was_let_in_again_is_no_termination() {
    let mut history = terminated();
    history.extend([
        Entry::Plans { is_over: false },
        carried(7, Step::Activate { id: id(), send_email: false }),
        carried(8, out_of("00gSales")),
    ]);
    assert_eq!(taken_back(&history, DAY, at(9)), None);
}

/// Somebody who was in these groups besides, whose end is taken back.
struct World {
    case: Case,
    rules: Rulebook,
    directory: Directory,
}

impl World {
    fn of(taken: &[&str]) -> Self {
        let group = |id: &str, writable| Group { id: id.into(), name: format!("Group {id}"), writable };
        let known = [("00gChess", true), ("00gAdmins", true), ("00gRule", true), ("00gApp", false), ("00gGlass", true)];
        let department = Group { id: "00gDept".into(), name: "Department Sales".into(), writable: true };
        let all = known.map(|(id, writable)| group(id, writable)).into_iter().chain([department]);
        let carries = [("00gChess", false), ("00gAdmins", true), ("00gDept", false)];
        let carries = carries.map(|(id, carries)| (id.to_owned(), carries)).into();
        let directory = Directory::new(all, BTreeSet::from(["00gRule".to_owned()]))
            .with_administrators(Administrators { groups: carries, ..Administrators::default() });
        let mut rules = rulebook();
        rules.safeguards.protected.groups = vec![Pattern::new("Group 00gGlass")];
        let mut case = Case::new("main", Person::of("acme", an_employee()));
        let names = taken.iter().map(|id| ((*id).to_owned(), format!("Group {id}")));
        let marks = Marks {
            taken_back: Some(TakenBack { groups: names.collect(), deactivated: true, ..TakenBack::default() }),
            groups_read_at: Some(START.millis()),
            exit: Some(ExitProof { deactivated: true, groups_listed: true, ..ExitProof::default() }),
            ..Marks::default()
        };
        let email = an_employee().email;
        let account = Account { status: AccountStatus::Deprovisioned, marks, ..bare("00u1", &email, None) };
        case.account = Some(account);
        Self { case, rules, directory }
    }

    fn plan(&self) -> crate::domain::plan::situation::Plan {
        let lifecycle = self.rules.lifecycle(&self.case, START);
        let (case, rulebook, directory) = (&self.case, &self.rules, &self.directory);
        plan(&Situation { case, lifecycle: &lifecycle, rulebook, directory, now: START, fresh: true, refused: &[] })
            .expect("a plan")
    }

    fn adds(&self) -> Vec<String> {
        let steps = self.plan().steps;
        let added = steps.iter().filter_map(|step| match step {
            Step::AddGroup { group, .. } => Some(group.clone()),
            _ => None,
        });
        added.filter(|group| group.starts_with("00g")).collect()
    }
}

#[test]
fn groups_come_back_that_no_rule_gives_and_each_that_does_not_is_listed_with_its_reason() {
    let mut world = World::of(&["00gChess", "00gAdmins", "00gRule", "00gApp", "00gGlass", "00gDept", "00gGone"]);
    for name in ["Staff", "Department Finance"] {
        world.directory.insert(Group { id: name.into(), name: name.into(), writable: true });
    }
    assert_eq!(world.adds(), ["00gChess"]);
    let remarks = world.plan().remarks.join("; ");
    for (group, why) in [
        ("00gAdmins", "it carries an admin role"),
        ("00gRule", "a group rule of Okta fills it"),
        ("00gApp", "an app or Okta itself fills it"),
        ("00gGlass", "whoever is in it is protected"),
        ("00gDept", "no rule of the mapping gives it any more"),
        ("00gGone", "it is not there any more"),
    ] {
        assert!(remarks.contains(&format!("out of group \"Group {group}\": {why}")), "{group}: {remarks}");
    }
    assert!(remarks.contains("apps that somebody else had assigned directly"), "{remarks}");
    let (restores, lost) = outlook(&world.case, &world.rules, &world.directory, START).expect("it maps");
    assert_eq!((restores.as_slice(), lost.len()), (["into group \"Group 00gChess\"".to_owned()].as_slice(), 7));
}

#[test]
fn what_has_come_back_is_not_given_a_second_time() {
    let mut world = World::of(&["00gChess"]);
    for name in ["Staff", "Department Finance"] {
        world.directory.insert(Group { id: name.into(), name: name.into(), writable: true });
        world.directory.learn_role(name, Some(false));
    }
    let mut carried_out = Vec::new();
    while let Some(step) = world.plan().steps.into_iter().next() {
        let answer = match &step {
            Step::UpdateUser { changes, .. } => {
                let mut account = world.case.account.clone().expect("an account");
                account.profile.extend(changes.iter().map(|change| (change.field.clone(), change.after.clone())));
                account.profile.retain(|_, value| !value.is_null());
                Answer::User(account)
            }
            Step::ReadGroupRoles { group } => {
                world.directory.role_asked(group, Some(false), START);
                Answer::Done
            }
            _ => Answer::Done,
        };
        world.case.account = observe(world.case.account.as_ref(), &step, &answer);
        carried_out.push(step.name());
        assert!(carried_out.len() < 20, "the plan never ends: {carried_out:?}");
    }
    let account = world.case.account.as_mut().expect("an account");
    assert!(account.groups.contains("00gChess"));
    assert!(account.marks.taken_back.as_ref().is_some_and(|taken| taken.groups.is_empty()));
    account.groups.remove("00gChess");
    assert_eq!(world.adds(), Vec::<String>::new(), "somebody has taken them out since");
}

#[test]
fn what_a_return_still_had_to_give_back_comes_back_with_the_next_one_within_the_window() {
    let back = |hours| means(hours, Entitlement::Entitled);
    let activate = Step::Activate { id: id(), send_email: false };
    let mut history = terminated();
    history.extend([back(7), Entry::Plans { is_over: false }, carried(7, activate.clone())]);
    let over = [means(8, ended()), Entry::Plans { is_over: true }, carried(8, Step::Deactivate { id: id() })];
    history.extend(over.clone());
    assert_eq!(groups(&taken_back(&history, DAY, at(9))), ["00gChess"], "Okta had refused it the first time");
    let added = Step::AddGroup { id: id(), group: "00gChess".into(), name: "Chess".into() };
    let mut given = terminated();
    given.extend([back(7), Entry::Plans { is_over: false }, carried(7, activate), carried(7, added)]);
    given.extend(over);
    assert_eq!(groups(&taken_back(&given, DAY, at(9))), [""; 0], "it was given, and was not there at the second end");
    let later = [means(60, ended()), Entry::Plans { is_over: true }, carried(60, out_of("00gSales")), back(61)];
    history.extend([means(9, Entitlement::Entitled), Entry::Plans { is_over: false }]);
    history.push(carried(9, Step::UpdateUser { id: id(), changes: Vec::new() }));
    history.extend(later);
    assert_eq!(groups(&taken_back(&history, DAY, at(61))), ["00gSales"], "what is older is another story");
}

#[test]
fn whoever_was_let_in_by_somebody_else_meanwhile_is_given_nothing_that_an_end_took() {
    let out = |let_in| {
        let mut account = Account { status: AccountStatus::Deprovisioned, ..bare("00u1", "ada@example.com", None) };
        account.marks.taken_back = Some(TakenBack::default());
        account.marks.unsure.let_in = let_in;
        account
    };
    let read = Step::ReadAccount { id_or_login: id() };
    let seen = Answer::User(bare("00u1", "ada@example.com", None));
    let after = |let_in| observe(Some(&out(let_in)), &read, &seen).expect("an account").marks;
    assert!(after(false).taken_back.is_none());
    assert!(after(true).taken_back.is_some(), "it was our own call, whose answer was lost");
}
