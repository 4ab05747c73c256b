use super::*;
use crate::domain::account::administrators::{AdminLevel, Administrators, RolesRead};
use crate::domain::account::directory::Group;
use crate::domain::account::group_rule::OktaRule;
use crate::domain::account::user::AccountStatus;
use crate::domain::account::user::tests::bare;
use crate::domain::guard::planned::plan;
use crate::domain::pattern::Pattern;
use crate::domain::plan::case::Case;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::rulebook::tests::rulebook;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::record::employee::{Employee, UserStatus};
use crate::domain::record::person::Person;

const NOW: Moment = Moment::from_secs(1_800_000_000);

fn listed(ids: &[(&str, AdminLevel)]) -> Administrators {
    let listed = Some(ids.iter().map(|(id, level)| ((*id).to_owned(), *level)).collect());
    Administrators { listed, ..Administrators::default() }
}

fn unread(all: Administrators) -> Administrators {
    Administrators { unread: Some("HTTP 403 E0000006".into()), ..all }
}

fn directory(all: Administrators) -> Directory {
    let group = |id: &str, name: &str| Group { id: id.into(), name: name.into(), writable: true };
    let groups =
        [group("00gStaff", "Staff"), group("00gFinance", "Department Finance"), group("00gGlass", "Break Glass")];
    Directory::new(groups, BTreeSet::new()).with_administrators(all)
}

struct World {
    rules: Rulebook,
    directory: Directory,
    case: Case,
}

impl World {
    fn leaver(all: Administrators) -> Self {
        let employee = Employee { user_status: UserStatus::Inactive, ..an_employee() };
        let account = bare("00u1", &employee.email, Some(&employee.id));
        let case = Case { account: Some(account), ..Case::new("main", Person::of("acme", employee)) };
        Self { rules: rulebook(), directory: directory(all), case }
    }

    fn account(&mut self) -> &mut Account {
        self.case.account.as_mut().expect("an account")
    }

    fn plan(&self) -> Plan {
        let lifecycle = self.rules.lifecycle(&self.case, NOW);
        plan(&Situation {
            case: &self.case,
            lifecycle: &lifecycle,
            rulebook: &self.rules,
            directory: &self.directory,
            now: NOW,
            fresh: true,
            refused: &[],
        })
        .expect("a plan")
    }

    fn names(&self) -> String {
        self.plan().steps.iter().map(Step::name).collect::<Vec<_>>().join(" ")
    }

    fn kinds(&self) -> Vec<&'static str> {
        let plan = self.plan();
        plan.steps.iter().map(|step| plan.kind(step).map_or("-", ChangeKind::as_str)).collect()
    }
}

#[test]
fn what_is_known_of_somebody_is_the_last_list_the_person_and_their_groups() {
    let account = bare("00u1", "a@example.com", None);
    let asked = |holds| {
        let mut asked = account.clone();
        asked.marks.roles = Some(RolesRead { holds, at: NOW.millis() });
        asked
    };
    let known = |all: Administrators, account: &Account| directory(all).administrator(account, NOW);
    let me = || listed(&[("00u1", AdminLevel::Lesser)]);
    assert_eq!(known(listed(&[]), &account), Knowledge::Nobody);
    assert_eq!(known(me(), &account), Knowledge::Holder);
    assert_eq!(known(unread(me()), &account), Knowledge::Holder, "the last list that was read");
    assert_eq!(known(unread(listed(&[])), &account), Knowledge::Unknown { asked: false }, "may have become one since");
    assert_eq!(known(Administrators::never_read(), &account), Knowledge::Unknown { asked: false });
    for (holds, says) in
        [(Some(true), Knowledge::Holder), (Some(false), Knowledge::Nobody), (None, Knowledge::Unknown { asked: true })]
    {
        assert_eq!(known(Administrators::never_read(), &asked(holds)), says);
        assert_eq!(known(unread(listed(&[])), &asked(holds)), says);
    }
    assert_eq!(known(listed(&[]), &asked(None)), Knowledge::Nobody, "the list can be read again");
    let mut old = asked(Some(false));
    old.marks.roles.as_mut().expect("asked").at -= 3_600_000;
    assert_eq!(known(Administrators::never_read(), &old), Knowledge::Unknown { asked: false }, "too long ago");
    let mut member = account.clone();
    member.groups.insert("00gStaff".into());
    let all = Administrators { groups: [("00gStaff".to_owned(), true)].into(), ..listed(&[]) };
    assert_eq!(known(all, &member), Knowledge::Holder, "by a group, whatever the list shows");
}

#[test]
fn whose_roles_okta_did_not_say_is_asked_again_after_a_minute() {
    let mut world = World::leaver(Administrators::never_read());
    for (seconds, asks) in [(0, false), (59, false), (60, true)] {
        world.account().marks.roles = Some(RolesRead { holds: None, at: NOW.millis() - seconds * 1000 });
        assert_eq!(world.names().contains("read_roles"), asks, "after {seconds} s: {}", world.names());
    }
}

#[test]
fn an_ordinary_leaver_costs_no_call_more() {
    let world = World::leaver(listed(&[("00u9", AdminLevel::Super)]));
    assert_eq!(world.names(), "revoke_sessions deactivate revoke_sessions_again read_back list_groups");
}

#[test]
fn an_administrator_who_leaves_is_suspended_by_what_does_not_wait() {
    let mut world = World::leaver(listed(&[("00u1", AdminLevel::Super)]));
    assert_eq!(world.names(), "revoke_sessions suspend deactivate revoke_sessions_again read_back list_groups");
    assert_eq!(world.kinds()[..3], ["suspend", "suspend", "deactivate"]);
    world.account().status = AccountStatus::Suspended;
    world.account().marks.exit =
        Some(crate::domain::account::user::ExitProof { sessions_revoked: true, ..Default::default() });
    assert_eq!(world.names(), "deactivate revoke_sessions_again read_back list_groups");
    let mut locked = World::leaver(listed(&[("00u1", AdminLevel::Super)]));
    locked.account().status = AccountStatus::LockedOut;
    assert!(locked.names().starts_with("revoke_sessions unlock suspend deactivate"), "{}", locked.names());
    assert_eq!(locked.kinds()[..4], ["suspend", "suspend", "suspend", "deactivate"]);
}

#[test]
fn what_lets_somebody_in_is_asked_about_first_also_where_one_call_writes_something_else_too() {
    let wanted = an_employee();
    for fields in [&["primaryPhone"][..], &["primaryPhone", "title"], &["email", "title"], &["email", "primaryPhone"]] {
        let mut world = World::leaver(Administrators::never_read());
        world.case = Case { account: world.case.account, ..Case::new("main", Person::of("acme", wanted.clone())) };
        let same = world.rules.desired(&world.case, NOW).expect("desired").attributes;
        world.account().profile = same.into_iter().filter(|(_, value)| !value.is_null()).collect();
        for field in fields {
            world.account().profile.insert((*field).to_owned(), "other".into());
        }
        let update = world.plan().steps.iter().find_map(|step| match step {
            Step::UpdateUser { changes, .. } => Some(changes.len()),
            _ => None,
        });
        assert_eq!(update, Some(fields.len()), "{fields:?} in one call: {}", world.names());
        assert!(world.names().starts_with("read_roles "), "{fields:?}: {}", world.names());
    }
}

#[test]
fn the_suspension_that_waited_for_an_end_is_lifted_when_the_end_is_rejected_and_does_not_come_again() {
    let mut world = World::leaver(listed(&[("00u1", AdminLevel::Super)]));
    world.case.end_rejected = true;
    world.account().status = AccountStatus::Suspended;
    let proof =
        crate::domain::account::user::ExitProof { sessions_revoked: true, suspended: true, ..Default::default() };
    world.account().marks.exit = Some(proof);
    assert!(world.names().starts_with("unsuspend deactivate "), "{}", world.names());
    assert_eq!(world.kinds()[..2], ["activate", "deactivate"]);
    world.case.was = Some("suspended".into());
    assert!(world.names().starts_with("deactivate "), "that of a grace stays: {}", world.names());
    world.account().status = AccountStatus::Active;
    world.account().marks.exit = None;
    let kinds = world.kinds();
    assert!(kinds.iter().all(|kind| *kind == "deactivate"), "all of it is what was rejected: {kinds:?}");
}

#[test]
fn whom_okta_does_not_suspend_loses_the_sessions_and_waits_with_the_rest() {
    let mut world = World::leaver(listed(&[("00u1", AdminLevel::Super)]));
    world.account().status = AccountStatus::PasswordExpired;
    world.account().marks.not_suspended_in = Some(AccountStatus::PasswordExpired);
    assert!(world.names().starts_with("revoke_sessions deactivate"), "{}", world.names());
    assert_eq!(world.kinds()[..2], ["suspend", "deactivate"]);
}

#[test]
fn where_the_list_cannot_be_read_a_leaver_is_asked_about_first_and_once() {
    let mut world = World::leaver(Administrators::never_read());
    assert!(world.names().starts_with("read_roles revoke_sessions deactivate"), "{}", world.names());
    world.account().marks.roles = Some(RolesRead { holds: Some(false), at: NOW.millis() });
    assert!(world.names().starts_with("revoke_sessions deactivate"), "{}", world.names());
    world.account().marks.roles = Some(RolesRead { holds: None, at: NOW.millis() });
    assert!(world.names().starts_with("revoke_sessions suspend deactivate"), "{}", world.names());
}

#[test]
fn protection_by_a_group_is_looked_at_before_anything_is_taken() {
    let mut world = World::leaver(listed(&[]));
    world.rules.safeguards.protected.groups = vec![Pattern::new("Break Glass*")];
    assert!(world.names().starts_with("read_groups revoke_sessions"), "{}", world.names());
    world.account().marks.groups_read_at = Some(NOW.millis() - 1000);
    assert!(world.names().starts_with("revoke_sessions"), "{}", world.names());
    world.account().marks.groups_read_at = Some(NOW.millis() - 3_600_000);
    assert!(world.names().starts_with("read_groups"), "{}", world.names());
}

#[test]
fn an_admin_role_does_not_come_in_with_an_account_that_is_made_and_is_a_change_of_its_own_afterwards() {
    let all = Administrators { groups: [("00gFinance".to_owned(), true)].into(), ..listed(&[]) };
    let mut world = World::leaver(all);
    world.case = Case::new("main", Person::of("acme", an_employee()));
    let plan = world.plan();
    let Some(Step::CreateUser { groups, .. }) = plan.steps.first() else { panic!("{plan:?}") };
    assert!(
        groups.is_empty(),
        "whether a role comes with a group that nobody has asked about is asked first: {groups:?}"
    );
    world.directory.learn_role("00gStaff", Some(false));
    let plan = world.plan();
    let Some(Step::CreateUser { groups, .. }) = plan.steps.first() else { panic!("{plan:?}") };
    assert_eq!(groups, &["00gStaff"]);
    let mut account = bare("00u1", &an_employee().email, Some(&an_employee().id));
    account.groups.insert("00gStaff".into());
    world.case.account = Some(account);
    let (plan, kinds) = (world.plan(), world.kinds());
    let at = plan.steps.iter().position(|step| matches!(step, Step::AddGroup { .. })).expect("still given");
    assert_eq!(kinds[at], "grant_admin");
    let message = &crate::domain::guard::change::summary(&plan, None)[&ChangeKind::GrantAdmin];
    assert_eq!(message, &["into group \"Department Finance\", which carries an admin role"]);
}

#[test]
fn a_membership_that_comes_back_is_asked_about_unless_rules_give_it() {
    let mut world = World::leaver(listed(&[]));
    world.case = Case::new("main", Person::of("acme", an_employee()));
    let mut account = bare("00u1", &an_employee().email, Some(&an_employee().id));
    account.groups = ["00gStaff", "00gFinance"].map(str::to_owned).into();
    world.case.account = Some(account);
    world.case.pins.member.insert("00gGlass".into());
    assert!(world.names().contains("read_group_roles"), "{}", world.names());
    world.directory.learn_role("00gGlass", None);
    assert!(world.kinds().contains(&"grant_admin"), "Okta does not say: a role may come with it");
    world.directory.role_asked("00gGlass", Some(false), NOW);
    assert!(!world.names().contains("read_group_roles") && !world.kinds().contains(&"grant_admin"));
    world.directory.role_asked("00gGlass", Some(false), NOW - Duration::from_secs(61));
    assert!(world.names().contains("read_group_roles"), "it may carry one by now: {}", world.names());
}

#[test]
fn whether_a_role_comes_with_a_mapped_group_that_was_not_there_before_is_asked_first_if_roles_can_be_read() {
    let mut world = World::leaver(listed(&[]));
    world.case = Case::new("main", Person::of("acme", an_employee()));
    let mut account = bare("00u1", &an_employee().email, Some(&an_employee().id));
    account.groups = ["00gStaff"].map(str::to_owned).into();
    world.case.account = Some(account);
    assert!(world.names().contains("read_group_roles"), "{}", world.names());
    let known = Administrators { groups: [("00gFinance".to_owned(), false)].into(), ..listed(&[]) };
    world.directory = directory(known);
    assert!(!world.names().contains("read_group_roles"), "{}", world.names());
    let refused = Administrators { groups_unread: Some("HTTP 403 E0000006".into()), ..listed(&[]) };
    world.directory = directory(refused);
    assert!(!world.names().contains("read_group_roles"), "movers go on where no role can be read");
}

#[test]
fn a_directory_of_an_earlier_version_has_read_no_administrators() {
    let text = r#"{"groups":{},"by_name":{},"rule_owned":[],"apps":{},"administrators":["00u1"],"user_types":{},"relations":[]}"#;
    let old: Directory = serde_json::from_str(text).expect("readable");
    assert_eq!(*old.administrators(), Administrators::never_read());
}

#[test]
fn whose_account_a_rule_has_just_given_is_asked_about_roles_that_a_group_may_bring_before_anything_is_done() {
    use crate::domain::matching::adoption::Adopted;
    let adopted = |rule: &str, pending: Option<&str>| {
        let pending = pending.map(str::to_owned);
        Some(Adopted { rule: rule.into(), at: NOW - Duration::from_secs(60), pending, rejected: None })
    };
    let asks = |world: &World| world.plan().steps.iter().any(|step| matches!(step, Step::ReadRoles { .. }));
    let mut world = World::leaver(listed(&[]));
    assert!(!asks(&world), "a leaver costs no call more");
    for (rule, pending) in [("login", Some("it is taken over")), ("login", None)] {
        world.case.adopted = adopted(rule, pending);
        assert!(asks(&world), "{rule} {pending:?}");
    }
    world.account().marks.roles = Some(RolesRead { holds: Some(false), at: NOW.millis() });
    assert!(!asks(&world), "Okta has said it just now");
    world.account().marks.roles = Some(RolesRead { holds: Some(true), at: NOW.millis() });
    assert!(world.plan().secures_first, "whoever holds one by a group is an administrator");
    world.account().marks.roles = None;
    world.case.adopted = adopted("anchor", None);
    assert!(!asks(&world), "our own anchor is no doubt");
    assert!(Knowledge::Holder.needs_two(ChangeKind::Adopt));
}

#[test]
fn the_members_of_a_group_that_no_rule_names_and_that_carries_a_role_are_administrators() {
    let by_group = |level| Administrators { by_group: [("00u1".to_owned(), level)].into(), ..listed(&[]) };
    for level in [AdminLevel::Super, AdminLevel::Lesser] {
        let all = by_group(level);
        assert_eq!((all.lists("00u1"), all.may_be_super("00u1")), (true, level == AdminLevel::Super));
        assert_eq!(all.supers().count(), usize::from(level == AdminLevel::Super));
        assert!(World::leaver(all).plan().secures_first);
    }
}

#[test]
fn the_members_of_a_group_that_decides_here_are_treated_as_administrators_and_nobody_gets_in_unasked() {
    let deciding = || BTreeSet::from(["Department Finance".to_owned()]);
    let mut world = World::leaver(listed(&[]));
    world.account().groups = BTreeSet::from(["00gFinance".to_owned()]);
    assert!(!world.plan().secures_first);
    world.directory = world.directory.with_deciding(deciding());
    assert!(world.plan().secures_first);
    assert_eq!(world.directory.carries_role("00gFinance"), Some(true));
    assert_eq!(world.directory.carries_role("00gStaff"), None);
}

#[test]
fn what_makes_one_of_oktas_rules_put_somebody_beyond_every_plan_waits_for_two_people() {
    let mut world = World::leaver(listed(&[]));
    world.case.person = Person::of("acme", an_employee());
    world.rules.safeguards.protected.groups = vec![Pattern::new("Break Glass")];
    let rule = |department: &str| OktaRule {
        name: "crew".into(),
        active: true,
        expression: format!("user.department==\"{department}\""),
        groups: vec!["00gGlass".into()],
        excluded: BTreeSet::new(),
    };
    let department = an_employee().departments[0].clone();
    world.directory = world.directory.clone().with_rules(vec![rule(&department)]);
    assert!(world.plan().admits.contains("department"), "{:?}", world.plan());
    world.directory = world.directory.clone().with_rules(vec![rule("Elsewhere")]);
    assert!(world.plan().admits.is_empty());
}
