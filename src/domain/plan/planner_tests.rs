use super::*;
use crate::clock::Moment;
use crate::domain::account::administrators::Administrators;
use crate::domain::account::directory::{Directory, Group};
use crate::domain::account::user::tests::bare;
use crate::domain::account::user::{AccountStatus as Is, Marks};
use crate::domain::guard::planned::plan;
use crate::domain::mapping::login::{Chosen, DeactivatedHolders};
use crate::domain::plan::observe::{Answer, FullProfile, observe};
use crate::domain::plan::rulebook::tests::rulebook;
use crate::domain::plan::rulebook::{Rulebook, TenantRules};
use crate::domain::record::employee::{Employee, tests::an_employee};
use crate::domain::record::lifecycle::{LeaverGroups, Policies, Termination};
use crate::domain::record::person::{Person, Position};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::time::Duration;

mod protected_tests;
mod sign_in_tests;
const ID: &str = "00u00000000000000001";

fn now() -> Moment {
    Moment::from("2026-05-01T12:00:00Z".parse::<jiff::Timestamp>().expect("a timestamp"))
}

fn directory() -> Directory {
    let carries = ["00gChess", "00gStaff", "00gFinance", "00gSales"].map(|id| (id.to_owned(), false));
    let group = |id: &str, name: &str| Group { id: id.into(), name: name.into(), writable: true };
    Directory::new(
        [
            group("00gStaff", "Staff"),
            group("00gFinance", "Department Finance"),
            group("00gSales", "Department Sales"),
            group("00gChess", "Chess Club"),
            group("00gRule", "Department Rule"),
            Group { id: "00gEveryone".into(), name: "Everyone".into(), writable: false },
        ],
        BTreeSet::from(["00gRule".to_owned()]),
    )
    .with_administrators(Administrators { groups: carries.into(), ..Administrators::default() })
    .with_relations(["manager".to_owned()])
    .with_user_types([("user".to_owned(), "oty1".to_owned()), ("contractor".to_owned(), "oty2".to_owned())])
}

/// A person, the rules and the org, to be changed by each test.
struct World {
    rules: Rulebook,
    directory: Directory,
    case: Case,
    fresh: bool,
}

impl World {
    fn of(employee: Employee) -> Self {
        let case = Case::new("main", Person::of("acme", employee));
        Self { rules: rulebook(), directory: directory(), case, fresh: false }
    }

    /// The same with an account exactly as the mapping wants it, in the chess club besides.
    fn with_account(self) -> Self {
        let desired = self.rules.desired(&self.case, now()).expect("maps");
        let employee = &self.case.person.primary().employee;
        let account = Account {
            profile: desired.attributes.into_iter().filter(|(_, v)| !v.is_null()).collect(),
            groups: ["00gStaff", "00gFinance", "00gChess"].map(str::to_owned).into(),
            user_type: "oty1".into(),
            marks: Marks { manager: Link::Nobody, ..Marks::default() },
            ..bare(ID, &employee.email, Some(&employee.id))
        };
        self.and(|world| world.case.account = Some(account))
    }

    fn and(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn account(&mut self) -> &mut Account {
        self.case.account.as_mut().expect("an account")
    }

    /// HR changes the record; the login follows as the store would choose it.
    fn edit(self, change: impl FnOnce(&mut Employee)) -> Self {
        self.and(|world| {
            let mut employee = world.case.person.primary().employee.clone();
            change(&mut employee);
            world.case.login = Ok(Chosen { login: employee.email.clone(), deactivated_holder: None, until: None });
            world.case.person = Person::of("acme", employee);
        })
    }

    fn plan(&self) -> Result<Plan, Obstacle> {
        let lifecycle = self.rules.lifecycle(&self.case, now());
        plan(&Situation {
            case: &self.case,
            lifecycle: &lifecycle,
            rulebook: &self.rules,
            directory: &self.directory,
            now: now(),
            fresh: self.fresh,
            refused: &[],
        })
    }

    fn steps(&self) -> Vec<Step> {
        self.plan().unwrap_or_else(|obstacle| panic!("{obstacle:?}")).steps
    }

    fn names(&self) -> String {
        match self.plan() {
            Ok(plan) => plan.steps.iter().map(Step::name).collect::<Vec<_>>().join(" "),
            Err(obstacle) => format!("obstacle: {}", obstacle.why),
        }
    }

    fn remarks(&self) -> String {
        self.plan().map(|plan| plan.remarks.join("; ")).unwrap_or_default()
    }

    fn why(&self) -> String {
        self.plan().expect_err("an obstacle").why
    }

    /// Carries the plan out, as Okta would answer, until there is none.
    fn carry_out(&mut self) -> Vec<&'static str> {
        let (mut done, mut taken) = (Vec::new(), BTreeSet::new());
        while let Some(step) = self.steps().into_iter().next() {
            let answer = match &step {
                Step::ReadBack { .. } | Step::ReadAccount { .. } => Answer::User(self.account().clone()),
                Step::ListGroups { .. } => {
                    let group = |id: &str| self.directory.find(id).expect("known").clone();
                    let there = ["00gStaff", "00gChess", "00gRule", "00gEveryone"].into_iter();
                    let groups = there.filter(|id| !taken.contains(*id)).map(group).collect();
                    Answer::Groups { groups, next: None }
                }
                Step::ReadProfile { .. } => {
                    Answer::Profile(self.account().clone(), FullProfile { profile: Default::default(), etag: None })
                }
                Step::UpdateUser { changes, .. } => {
                    let mut account = self.account().clone();
                    for change in changes {
                        account.profile.insert(change.field.clone(), change.after.clone());
                    }
                    account.profile.retain(|_, value| !value.is_null());
                    Answer::User(account)
                }
                _ => Answer::Done,
            };
            self.fresh |= matches!(step, Step::ReadAccount { .. });
            match &step {
                Step::RemoveGroup { group, .. } => drop(taken.insert(group.clone())),
                Step::ReadGroupRoles { group } => self.directory.role_asked(group, Some(false), now()),
                _ => {}
            }
            self.case.account = observe(self.case.account.as_ref(), &step, &answer);
            done.push(step.name());
            assert!(done.len() < 40, "the plan never ends: {done:?}");
        }
        done
    }
}

fn pending(start: &str) -> impl FnOnce(&mut Employee) {
    let start = start.parse().expect("a date");
    move |e| (e.user_status, e.start_date) = (UserStatus::Pending, Some(start))
}

fn inactive(e: &mut Employee) {
    e.user_status = UserStatus::Inactive;
}

/// The leave rule of the tests.
fn on_leave(e: &mut Employee) {
    e.groups.clear();
}

fn grace(rules: &mut Rulebook) {
    let termination = Termination { grace: Duration::from_secs(30 * 86_400), ..Termination::default() };
    rules.policies = Policies { termination, ..Policies::default() };
}

/// Every path of a life: the account before, what HR says now, and the steps that follow.
#[test]
fn every_path_of_a_life_has_its_plan() {
    type Edit = fn(&mut Employee);
    /// Status of the account and what the last plan was made for, if there is an account; the edit; the steps.
    type Case = (Option<(Is, Option<&'static str>)>, Edit, &'static str);
    let active: Edit = |_| {};
    let soon: Edit = |e| pending("2026-05-04")(e);
    let far: Edit = |e| pending("2026-07-01")(e);
    let due: Edit = |e| pending("2026-05-01")(e);
    let moved: Edit = |e| e.start_date = Some(jiff::civil::date(2026, 5, 4));
    let moved_far: Edit = |e| e.start_date = Some(jiff::civil::date(2027, 5, 4));
    let promoted_on_leave: Edit = |e| {
        on_leave(e);
        e.job_title = "Controller".into();
    };
    let unknown: Edit = |e| e.user_status = UserStatus::Other("sabbatical".into());
    let past: Edit = |e| e.departure_date = Some(jiff::civil::date(2026, 4, 30));
    let wrong: Edit = |e| e.departure_date = Some(jiff::civil::date(2020, 1, 1));
    const OUT: &str = "revoke_sessions deactivate revoke_sessions_again read_back list_groups";
    let table: &[Case] = &[
        // joiners
        (None, active, "create_user"),
        (None, soon, "create_user"),
        (None, far, ""),
        (None, due, ""),
        (Some((Is::Staged, None)), soon, ""),
        (Some((Is::Staged, None)), far, ""),
        (Some((Is::Staged, None)), due, "activate"),
        (Some((Is::Staged, None)), active, "activate"),
        // a moved start date touches nobody who is active
        (Some((Is::Active, Some("entitled"))), moved, ""),
        (Some((Is::Active, Some("entitled"))), moved_far, ""),
        (Some((Is::Active, Some("entitled"))), soon, ""),
        (Some((Is::Active, Some("entitled"))), due, ""),
        // leavers
        (Some((Is::Active, Some("entitled"))), inactive, OUT),
        (Some((Is::Active, Some("entitled"))), past, OUT),
        (Some((Is::Active, Some("entitled"))), wrong, ""),
        (Some((Is::Staged, Some("prehire"))), inactive, OUT),
        (Some((Is::Suspended, Some("on_leave"))), inactive, OUT),
        (Some((Is::LockedOut, Some("entitled"))), inactive, OUT),
        (Some((Is::Deprovisioned, Some("ended"))), inactive, ""),
        (None, inactive, ""),
        // leave and return
        (Some((Is::Active, Some("entitled"))), on_leave, "suspend"),
        (Some((Is::Provisioned, Some("entitled"))), on_leave, "suspend"),
        (Some((Is::PasswordExpired, Some("entitled"))), on_leave, "suspend"),
        (Some((Is::Recovery, Some("entitled"))), on_leave, "suspend"),
        (Some((Is::LockedOut, Some("entitled"))), on_leave, "unlock suspend"),
        (Some((Is::Suspended, Some("on_leave"))), on_leave, ""),
        (Some((Is::Suspended, Some("on_leave"))), promoted_on_leave, "update_user"),
        (Some((Is::Active, Some("entitled"))), promoted_on_leave, "suspend update_user"),
        (Some((Is::Staged, Some("prehire"))), on_leave, ""),
        (Some((Is::Deprovisioned, Some("ended"))), on_leave, ""),
        (None, on_leave, ""),
        (Some((Is::Suspended, Some("on_leave"))), active, "unsuspend"),
        // rehire: read first, then activated
        (Some((Is::Deprovisioned, Some("ended"))), active, "read_account"),
        (Some((Is::Deprovisioned, Some("ended"))), soon, ""),
        (Some((Is::Deprovisioned, Some("ended"))), due, "read_account"),
        // what others did is not undone
        (Some((Is::Suspended, Some("entitled"))), active, ""),
        (Some((Is::Suspended, None)), active, ""),
        (Some((Is::PasswordExpired, Some("entitled"))), active, ""),
        (Some((Is::Unknown, Some("entitled"))), active, ""),
    ];
    for (account, edit, expected) in table {
        let mut world = World::of(an_employee());
        if let Some((status, was)) = account {
            world = world.with_account().and(|w| {
                w.account().status = *status;
                w.case.was = was.map(str::to_owned);
            });
        }
        let world = world.edit(*edit);
        let employee = &world.case.person.primary().employee;
        let lifecycle = world.rules.lifecycle(&world.case, now()).entitlement;
        assert_eq!(world.names(), *expected, "{account:?}, {lifecycle:?}, {:?}", employee.start_date);
    }
    assert!(World::of(an_employee()).edit(unknown).why().contains("sabbatical"));
}

#[test]
fn an_unchanged_person_costs_nothing() {
    assert_eq!(World::of(an_employee()).with_account().names(), "");
}

#[test]
fn a_joiner_is_one_call_with_groups_in_it_and_a_link() {
    let world = World::of(an_employee());
    let steps = world.steps();
    let [Step::CreateUser { profile, groups, activate: true, user_type: None }] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!(groups, &["00gFinance", "00gStaff"]);
    assert_eq!(profile["login"], "ines.duval@example.com");
    assert!(!profile.contains_key("middleName"), "what is empty is not sent");
    let boss = ManagerLink::Account { id: "00uBoss".into(), login: "boss@example.com".into(), reached_at: None };
    let world = world.with_account().and(|w| w.case.manager = boss);
    assert!(world.names().ends_with("set_manager"), "{}", world.names());
}

#[test]
fn somebody_who_starts_soon_is_staged_in_their_groups() {
    let steps = World::of(an_employee()).edit(pending("2026-05-04")).steps();
    let [Step::CreateUser { groups, activate: false, .. }] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!(groups.len(), 2);
}

#[test]
fn more_groups_than_a_create_takes_are_added_one_by_one_afterwards() {
    let departments: Vec<String> = (0..25).map(|n| format!("D{n:02}")).collect();
    let mut world = World::of(Employee { departments, ..an_employee() });
    for n in 0..25 {
        let (id, name) = (format!("00gD{n:02}"), format!("Department D{n:02}"));
        world.directory.learn_role(&id, Some(false));
        world.directory.insert(Group { id, name, writable: true });
    }
    let first = world.steps();
    let created = world.and(|_| {}).with_account().and(|w| w.account().groups.clear());
    let account = observe(None, &first[0], &Answer::User(created.case.account.clone().expect("an account")));
    assert_eq!(account.as_ref().expect("an account").groups.len(), MAX_GROUPS_IN_CREATE);
    let world = created.and(|w| w.case.account = account);
    assert_eq!(world.names(), ["add_group"; 6].join(" "));
}

#[test]
fn a_mover_loses_the_old_group_gets_the_new_one_and_only_the_attributes_that_changed() {
    let world = World::of(an_employee()).with_account().edit(|e| e.departments = vec!["Sales".into()]);
    assert_eq!(world.names(), "remove_group add_group update_user");
    let steps = world.steps();
    assert!(matches!(&steps[0], Step::RemoveGroup { group, .. } if group == "00gFinance"));
    assert!(matches!(&steps[1], Step::AddGroup { group, .. } if group == "00gSales"));
    let Step::UpdateUser { changes, .. } = &steps[2] else { panic!("{steps:?}") };
    assert_eq!(changes.iter().map(|c| c.field.as_str()).collect::<Vec<_>>(), ["department"]);
}

#[test]
fn what_a_lost_answer_left_open_is_written_again_whether_it_is_wanted_or_not() {
    let unsure = |group: &str| {
        let group = group.to_owned();
        World::of(an_employee()).with_account().and(|w| w.account().marks.unsure.groups = [group].into())
    };
    assert_eq!(unsure("00gFinance").names(), "add_group", "wanted, and perhaps taken");
    assert_eq!(unsure("00gSales").names(), "remove_group", "not wanted, and perhaps given");
    assert_eq!(unsure("00gChess").names(), "", "no rule is about it");
    let link = World::of(an_employee()).with_account().and(|w| w.account().marks.unsure.manager = true);
    assert_eq!(link.names(), "clear_manager");
}

#[test]
fn every_group_that_is_given_or_taken_has_its_rule_in_the_plan() {
    let world = World::of(an_employee()).with_account().edit(|e| e.departments = vec!["Sales".into()]);
    let rules = |world: &World| {
        world.plan().expect("a plan").rules.into_iter().map(|(what, by)| format!("{what}: {by}")).collect::<Vec<_>>()
    };
    let departments = &world.rules.mapping.group_rules()[1].label;
    assert_eq!(
        rules(&world),
        [format!("Department Finance: {departments}"), format!("Department Sales: {departments}")],
        "what goes is told with the rule that owns it"
    );
    let mut world = world.and(|w| {
        w.account().groups.remove("00gChess");
        w.account().marks.restore = BTreeSet::from(["00gChess".to_owned()]);
    });
    world.rules.policies.rehire = Rehire::RestorePrevious;
    assert!(rules(&world).contains(&"Chess Club: rehire.access".to_owned()), "{:?}", rules(&world));
    let world = world.and(|w| w.case.pins.member = BTreeSet::from(["00gChess".to_owned()]));
    assert!(rules(&world).contains(&"Chess Club: undo".to_owned()), "{:?}", rules(&world));
}

#[test]
fn a_cleared_field_is_written_as_null() {
    let world = World::of(Employee { middle_name: "Marie".into(), ..an_employee() }).with_account();
    let steps = world.edit(|e| e.middle_name.clear()).steps();
    let [Step::UpdateUser { changes, .. }] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!((changes[0].field.as_str(), &changes[0].after), ("middleName", &Value::Null));
}

#[test]
fn a_leaver_is_out_in_order_with_proof_and_what_rules_fill_is_reported() {
    let mut world = World::of(an_employee()).with_account().edit(inactive);
    let done = world.carry_out();
    let order = ["revoke_sessions", "deactivate", "revoke_sessions_again", "read_back", "list_groups"];
    assert_eq!(done[..5], order);
    assert_eq!(done[5..8], ["remove_group"; 3], "also from Finance, which was known and is not on the list");
    assert_eq!(done[8..], ["list_groups"], "what was taken is shown to be gone");
    let left: Vec<_> = world.account().groups.iter().cloned().collect();
    assert_eq!(left, ["00gEveryone", "00gRule"], "the groups of rules and of Okta itself are never written");
    assert!(world.remarks().contains("by a group rule of Okta, of Department Rule"), "{}", world.remarks());
}

#[test]
fn a_leaver_can_keep_what_the_mapping_does_not_manage_and_their_subordinates_are_named() {
    let mut world = World::of(an_employee()).with_account().edit(inactive);
    world.rules.policies.termination.groups = LeaverGroups::Managed;
    world.case.subordinates = vec!["Ada Byron".into()];
    world.carry_out();
    assert!(world.account().groups.contains("00gChess") && !world.account().groups.contains("00gStaff"));
    assert!(world.remarks().contains("still the manager of Ada Byron"));
}

#[test]
fn a_termination_goes_out_even_if_the_mapping_fails_for_this_person() {
    let world = World::of(an_employee()).with_account().edit(|e| {
        inactive(e);
        e.email.clear();
    });
    assert!(world.names().starts_with("revoke_sessions deactivate"));
}

#[test]
fn an_account_that_was_deactivated_before_we_came_is_left_as_it_is() {
    let world = World::of(an_employee()).with_account().edit(inactive).and(|w| w.account().status = Is::Deprovisioned);
    assert_eq!(world.names(), "");
}

#[test]
fn an_account_that_somebody_woke_up_after_its_end_is_ended_again() {
    let mut world = World::of(an_employee()).with_account().edit(inactive);
    world.carry_out();
    world.account().status = Is::Active;
    assert!(world.names().starts_with("revoke_sessions deactivate"));
}

#[test]
fn a_grace_suspends_and_what_cannot_be_suspended_is_deactivated_at_once() {
    let mut world = World::of(an_employee()).with_account().edit(inactive);
    grace(&mut world.rules);
    assert_eq!(world.names(), "revoke_sessions suspend");
    assert_eq!(world.carry_out(), ["revoke_sessions", "suspend"]);
    let groups = world.account().groups.len();
    assert_eq!(groups, 3, "everything else is kept");
    // HR takes it back within the grace.
    let back = world.and(|w| w.case.was = Some("suspended".into())).edit(|e| e.user_status = UserStatus::Active);
    assert_eq!(back.names(), "unsuspend");
    let mut stubborn =
        World::of(an_employee()).with_account().edit(inactive).and(|w| w.account().status = Is::Recovery);
    grace(&mut stubborn.rules);
    stubborn.account().marks.not_suspended_in = Some(Is::Recovery);
    assert!(stubborn.names().starts_with("revoke_sessions deactivate"), "{}", stubborn.names());
}

#[test]
fn somebody_on_leave_whom_okta_does_not_suspend_is_kept_up_to_date_and_looked_at_again() {
    let mut world = World::of(an_employee()).with_account().edit(|e| {
        on_leave(e);
        e.job_title = "Controller".into();
    });
    world.account().status = Is::Provisioned;
    world.account().marks.not_suspended_in = Some(Is::Provisioned);
    assert_eq!(world.names(), "update_user");
    assert!(world.plan().expect("a plan").unfinished.is_some_and(|why| why.contains("PROVISIONED")));
    world.account().status = Is::Active; // they have signed in
    assert_eq!(world.names(), "suspend update_user");
}

#[test]
fn a_rehire_is_read_activated_and_brought_up_to_date_with_or_without_what_they_had() {
    for (access, expected) in [
        (Rehire::FreshStart, "activate add_group add_group"),
        (Rehire::RestorePrevious, "activate read_group_roles add_group add_group add_group"),
    ] {
        let mut world = World::of(an_employee()).with_account().edit(inactive);
        world.rules.policies.rehire = access;
        world.carry_out();
        let world = world.edit(|e| e.user_status = UserStatus::Active);
        assert_eq!(world.names(), "read_account", "what was seen long ago is no reason to give access");
        let mut world = world.and(|w| w.fresh = true);
        assert_eq!(world.carry_out().join(" "), expected);
        assert_eq!(world.account().groups.contains("00gChess"), access == Rehire::RestorePrevious);
    }
}

#[test]
fn an_account_that_somebody_else_has_deactivated_stays_so_until_a_person_decides() {
    let world = World::of(an_employee()).with_account().and(|w| w.account().status = Is::Deprovisioned);
    let obstacle = world.plan().expect_err("an obstacle");
    assert!(obstacle.read_again && obstacle.why.contains("somebody else"), "{obstacle:?}");
}

#[test]
fn a_contractor_who_is_hired_changes_everything_in_one_plan_and_gains_before_losing() {
    let mut world = World::of(Employee { employee_type: "Contractor".into(), ..an_employee() });
    let compile = |w: &World, source: &str| Some(w.rules.mapping.engine().compile(source).expect("compiles"));
    let kind = compile(&world, "employee.employee_type == 'Contractor' ? 'contractor' : 'user'");
    let mapping = crate::domain::mapping::desired::tests::usual().with_user_type(kind);
    world.rules.mapping = mapping;
    let world = world.with_account().and(|w| w.account().user_type = "oty2".into());
    let world = world.and(|w| {
        w.account().groups = ["00gStaff", "00gSales"].map(str::to_owned).into();
    });
    let hired = world.edit(|e| {
        e.employee_type = "Full Time".into();
        e.email = "ines.duval@corp.example.com".into();
    });
    assert_eq!(hired.names(), "read_profile change_type add_group remove_group");
    let Step::ChangeType { user_type, changes, .. } = &hired.steps()[1] else { panic!("{}", hired.names()) };
    let fields: Vec<&str> = changes.iter().map(|c| c.field.as_str()).collect();
    assert_eq!(user_type, "oty1");
    assert!(fields.contains(&"login") && fields.contains(&"userType"), "{fields:?}");
}

#[test]
fn the_end_of_one_of_two_positions_takes_only_what_it_alone_gave() {
    let second = Employee { id: "second".into(), departments: vec!["Sales".into()], ..an_employee() };
    let position = |employee| Position { tenant: "acme".into(), employee };
    let person = |second| Person::new(vec![position(an_employee()), position(second)]).expect("somebody");
    let both = World::of(an_employee()).with_account().and(|w| w.case.person = person(second.clone()));
    assert_eq!(both.names(), "add_group", "the union of both");
    let mut both = both;
    both.carry_out();
    let gone = Employee { user_status: UserStatus::Inactive, ..second };
    let one = both.and(|w| w.case.person = person(gone));
    let steps = one.steps();
    assert!(matches!(steps.as_slice(), [Step::RemoveGroup { group, .. }] if group == "00gSales"), "{steps:?}");
}

#[test]
fn a_rename_keeps_the_account_and_the_old_login_where_the_configuration_says() {
    let mut world = World::of(an_employee()).with_account();
    world.rules.login.former = Some("formerLogin".into());
    let world = world.edit(|e| (e.last_name, e.email) = ("Moreau".into(), "ines.moreau@example.com".into()));
    let steps = world.steps();
    let [Step::UpdateUser { id, changes }] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!(id, ID);
    let former = changes.iter().find(|c| c.field == "formerLogin").expect("the old login");
    assert_eq!(former.after, "ines.duval@example.com");
}

#[test]
fn a_login_that_a_deactivated_account_holds_is_freed_first() {
    let mut world = World::of(an_employee());
    world.rules.login.deactivated_holders = DeactivatedHolders::Rename;
    world.case.login =
        Ok(Chosen { login: "ines.duval@example.com".into(), deactivated_holder: Some("00uGhost".into()), until: None });
    assert_eq!(world.names(), "read_holder free_login create_user");
    let Step::FreeLogin { id, renamed, .. } = &world.steps()[1] else { panic!("{}", world.names()) };
    assert_eq!((id.as_str(), renamed.as_str()), ("00uGhost", "ines.duval.00uGhost@example.com"));
}

#[test]
fn the_link_follows_the_manager_and_waits_for_one_who_is_not_there() {
    let with = |manager: ManagerLink, link: Link| {
        World::of(an_employee()).with_account().and(|w| {
            w.case.manager = manager;
            w.account().marks.manager = link;
        })
    };
    let boss = || ManagerLink::Account { id: "00uBoss".into(), login: String::new(), reached_at: None };
    let named = |world: World| {
        // The attributes of the manager are not what this test is about.
        world.steps().iter().map(Step::name).filter(|name| name.ends_with("manager")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(named(with(boss(), Link::Nobody)), "set_manager");
    assert_eq!(named(with(boss(), Link::Unknown)), "", "planned when the links of the org were read");
    assert_eq!(named(with(boss(), Link::To("00uBoss".into()))), "");
    assert_eq!(named(with(boss(), Link::To("00uOther".into()))), "set_manager");
    assert_eq!(named(with(ManagerLink::Nobody, Link::To("00uOther".into()))), "clear_manager");
    assert_eq!(named(with(ManagerLink::Nobody, Link::Unknown)), "", "what nobody has looked at is left alone");
    let awaited = with(ManagerLink::Awaited("Ada Byron".into()), Link::Nobody);
    assert!(awaited.plan().expect("a plan").awaits_manager);
    assert!(awaited.remarks().contains("Ada Byron"));
    let broken = with(ManagerLink::Broken("reports to themselves".into()), Link::Nobody);
    assert_eq!(
        (named(with(ManagerLink::Nobody, Link::Nobody)), broken.remarks().contains("themselves")),
        (String::new(), true)
    );
    let elsewhere = with(boss(), Link::Nobody).and(|w| w.directory = directory().with_relations([]));
    assert_eq!(named(elsewhere), "", "an org without the relation has no links");
}

#[test]
fn people_who_cannot_be_planned_are_quarantined_with_what_to_do() {
    let taken = World::of(an_employee()).and(|w| w.case.login = Err("no login is free".into()));
    assert!(taken.why().contains("no login is free"));
    let nameless = World::of(an_employee()).edit(|e| e.first_name.clear());
    assert!(nameless.why().contains("firstName is empty"));
}

#[test]
fn a_group_that_is_not_there_costs_the_group_and_not_the_account_and_is_waited_for() {
    let others: Vec<Group> = directory().groups().filter(|group| group.name != "Staff").cloned().collect();
    let world = World::of(an_employee()).and(|w| w.directory = Directory::new(others, BTreeSet::new()));
    assert_eq!(world.names(), "create_user");
    let made = world.with_account().and(|w| w.account().groups.retain(|group| group != "00gStaff"));
    let plan = made.plan().expect("a plan");
    assert_eq!((plan.steps.len(), plan.awaits), (0, vec![Awaited::Group("Staff".into())]));
}

#[test]
fn a_group_that_may_be_created_is_created_before_anybody_is_put_into_it() {
    assert_eq!(World::of(an_employee()).edit(|e| e.departments = vec!["Research".into()]).names(), "create_group");
}

#[test]
fn a_desired_group_that_a_rule_fills_is_left_to_the_rule() {
    let steps = World::of(an_employee()).edit(|e| e.departments = vec!["Rule".into()]).steps();
    assert!(matches!(&steps[..], [Step::CreateUser { groups, .. }] if groups == &["00gStaff"]));
}

#[test]
fn two_tenants_are_one_person_in_an_org_that_both_go_to() {
    let mut world = World::of(an_employee());
    world.rules.tenants.push(TenantRules { name: "globex".into(), zone: TimeZone::UTC });
    let other = Employee { id: "other".into(), departments: vec!["Sales".into()], ..an_employee() };
    let positions = vec![
        Position { tenant: "acme".into(), employee: an_employee() },
        Position { tenant: "globex".into(), employee: other },
    ];
    let world = world.and(|w| w.case.person = w.rules.person(positions, None, now()).expect("somebody"));
    let steps = world.steps();
    let [Step::CreateUser { groups, profile, .. }] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!(groups.len(), 3);
    assert_eq!(profile["department"], "Finance", "the primary position describes the person");
}
