use super::super::directory::Group;
use super::super::employee::tests::somebody;
use super::super::mapping::tests::usual;
use super::*;

const ID: &str = "00u00000000000000001";

fn directory() -> Directory {
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
}

/// The account exactly as the usual mapping wants it for `employee`.
fn account_of(employee: &Employee) -> Account {
    let desired = usual().desired(employee).expect("maps");
    Account {
        id: ID.into(),
        login: employee.email.clone(),
        anchor: Some(employee.id.clone()),
        status: AccountStatus::Active,
        profile: desired.attributes.into_iter().filter(|(_, v)| !v.is_null()).collect(),
        groups: ["00gStaff", "00gFinance", "00gChess"].map(str::to_owned).into(),
        apps: Default::default(),
        exit: None,
    }
}

fn plan_for(employee: &Employee, entitlement: Entitlement, account: Option<&Account>) -> Plan {
    let (mapping, directory) = (usual(), directory());
    plan(&Situation { employee, entitlement: &entitlement, account, mapping: &mapping, directory: &directory })
}

fn names(plan: &Plan) -> Vec<&'static str> {
    match plan {
        Plan::Steps(steps) => steps.iter().map(Step::name).collect(),
        Plan::SetAside(why) => panic!("set aside: {why}"),
    }
}

#[test]
fn an_unchanged_person_costs_nothing() {
    let employee = somebody();
    let account = account_of(&employee);
    assert_eq!(plan_for(&employee, Entitlement::Entitled, Some(&account)), Plan::Steps(vec![]));
}

#[test]
fn a_joiner_is_one_call_with_groups_in_it() {
    let plan = plan_for(&somebody(), Entitlement::Entitled, None);
    let Plan::Steps(steps) = &plan else { panic!("{plan:?}") };
    let [Step::CreateUser { profile, groups }] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!(groups, &["00gFinance", "00gStaff"]);
    assert_eq!(profile["login"], "ines.duval@example.com");
    assert!(!profile.contains_key("middleName"), "what is empty is not sent");
}

#[test]
fn more_groups_than_a_create_takes_are_added_one_by_one_afterwards() {
    let departments: Vec<String> = (0..25).map(|n| format!("D{n:02}")).collect();
    let employee = Employee { departments, ..somebody() };
    let mut directory = directory();
    for n in 0..25 {
        let name = format!("Department D{n:02}");
        directory.insert(Group { id: format!("00gD{n:02}"), name, writable: true });
    }
    let mapping = usual();
    let entitlement = Entitlement::Entitled;
    let situation = |account| Situation {
        employee: &employee,
        entitlement: &entitlement,
        account,
        mapping: &mapping,
        directory: &directory,
    };
    let Plan::Steps(first) = plan(&situation(None)) else { panic!("set aside") };
    let created = Account { groups: BTreeSet::new(), ..account_of(&employee) };
    let account = observe(None, &first[0], &Answer::User(created)).expect("an account");
    assert_eq!(account.groups.len(), MAX_GROUPS_IN_CREATE);
    assert_eq!(names(&plan(&situation(Some(&account)))), ["add_group"; 6]);
}

#[test]
fn a_mover_loses_the_old_group_gets_the_new_one_and_only_the_attributes_that_changed() {
    let before = somebody();
    let after = Employee { departments: vec!["Sales".into()], ..before.clone() };
    let plan = plan_for(&after, Entitlement::Entitled, Some(&account_of(&before)));
    assert_eq!(names(&plan), ["remove_group", "add_group", "update_user"]);
    let Plan::Steps(steps) = plan else { unreachable!() };
    assert!(matches!(&steps[0], Step::RemoveGroup { group, .. } if group == "00gFinance"));
    assert!(matches!(&steps[1], Step::AddGroup { group, .. } if group == "00gSales"));
    let Step::UpdateUser { changes, .. } = &steps[2] else { panic!("{steps:?}") };
    assert_eq!(changes.iter().map(|c| c.field.as_str()).collect::<Vec<_>>(), ["department"]);
}

#[test]
fn groups_that_are_not_managed_are_left_alone_for_those_who_stay() {
    let employee = somebody();
    let account = account_of(&employee);
    assert!(account.groups.contains("00gChess"));
    assert_eq!(names(&plan_for(&employee, Entitlement::Entitled, Some(&account))), Vec::<&str>::new());
}

#[test]
fn a_cleared_field_is_written_as_null() {
    let before = Employee { middle_name: "Marie".into(), ..somebody() };
    let after = Employee { middle_name: String::new(), ..before.clone() };
    let Plan::Steps(steps) = plan_for(&after, Entitlement::Entitled, Some(&account_of(&before))) else { panic!() };
    let [Step::UpdateUser { changes, .. }] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!((changes[0].field.as_str(), &changes[0].after), ("middleName", &Value::Null));
}

#[test]
fn a_leaver_loses_sessions_account_and_groups_in_this_order_and_it_is_proved() {
    let ended = || Entitlement::Ended("user status is inactive".into());
    let employee = somebody();
    let mut account = Some(account_of(&employee));
    let mut done = Vec::new();
    while let Plan::Steps(steps) = plan_for(&employee, ended(), account.as_ref()) {
        let Some(step) = steps.into_iter().next() else { break };
        let answer = match &step {
            Step::ReadBack { .. } => Answer::User(account.clone().expect("an account")),
            Step::ListGroups { .. } => {
                Answer::Groups(["00gStaff", "00gChess", "00gRule", "00gEveryone"].map(str::to_owned).into())
            }
            _ => Answer::Done,
        };
        account = observe(account.as_ref(), &step, &answer);
        done.push(step.name());
    }
    let order = ["revoke_sessions", "deactivate", "revoke_sessions_again", "read_back", "list_groups"];
    assert_eq!(done[..5], order);
    assert_eq!(done[5..], ["remove_group", "remove_group"]);
    let account = account.expect("an account");
    assert_eq!(account.status, AccountStatus::Deprovisioned);
    let left: Vec<_> = account.groups.iter().map(String::as_str).collect();
    assert_eq!(left, ["00gEveryone", "00gRule"], "the groups of rules and of Okta itself are never written");
}

#[test]
fn a_termination_goes_out_even_if_the_mapping_fails_for_this_person() {
    let employee = Employee { email: String::new(), ..somebody() };
    let account = account_of(&somebody());
    let plan = plan_for(&employee, Entitlement::Ended("inactive".into()), Some(&account));
    assert_eq!(names(&plan)[..2], ["revoke_sessions", "deactivate"]);
}

#[test]
fn an_account_that_was_deactivated_before_we_came_is_left_as_it_is() {
    let employee = somebody();
    let account = Account { status: AccountStatus::Deprovisioned, ..account_of(&employee) };
    assert_eq!(names(&plan_for(&employee, Entitlement::Ended("inactive".into()), Some(&account))), Vec::<&str>::new());
}

#[test]
fn an_account_that_somebody_woke_up_after_its_end_is_ended_again() {
    let employee = somebody();
    let all = ExitProof {
        sessions_revoked: true,
        deactivated: true,
        sessions_revoked_again: true,
        read_back: true,
        groups_listed: true,
    };
    let account = Account { exit: Some(all), ..account_of(&employee) };
    let plan = plan_for(&employee, Entitlement::Ended("inactive".into()), Some(&account));
    assert_eq!(names(&plan)[..2], ["revoke_sessions", "deactivate"]);
}

#[test]
fn people_who_cannot_be_planned_are_set_aside_with_what_to_do() {
    let set_aside = |plan| match plan {
        Plan::SetAside(why) => why,
        Plan::Steps(steps) => panic!("{steps:?}"),
    };
    let nameless = Employee { email: String::new(), ..somebody() };
    assert!(set_aside(plan_for(&nameless, Entitlement::Entitled, None)).contains("login is empty"));
    let back = Account { status: AccountStatus::Deprovisioned, ..account_of(&somebody()) };
    assert!(set_aside(plan_for(&somebody(), Entitlement::Entitled, Some(&back))).contains("comes back"));
    let unclear = Entitlement::Unclear("user status \"sabbatical\" is not one this version knows".into());
    assert!(set_aside(plan_for(&somebody(), unclear, None)).contains("sabbatical"));
    let (mapping, empty) = (usual(), Directory::default());
    let situation = Situation {
        employee: &somebody(),
        entitlement: &Entitlement::Entitled,
        account: None,
        mapping: &mapping,
        directory: &empty,
    };
    assert!(set_aside(plan(&situation)).contains("no group \"Staff\""));
}

#[test]
fn a_group_that_may_be_created_is_created_before_anybody_is_put_into_it() {
    let employee = Employee { departments: vec!["Research".into()], ..somebody() };
    assert_eq!(names(&plan_for(&employee, Entitlement::Entitled, None)), ["create_group"]);
}

#[test]
fn a_desired_group_that_a_rule_fills_is_left_to_the_rule() {
    let employee = Employee { departments: vec!["Rule".into()], ..somebody() };
    let Plan::Steps(steps) = plan_for(&employee, Entitlement::Entitled, None) else { panic!("set aside") };
    assert!(matches!(&steps[..], [Step::CreateUser { groups, .. }] if groups == &["00gStaff"]));
}

#[test]
fn somebody_pending_is_neither_created_nor_touched() {
    let account = account_of(&somebody());
    assert_eq!(names(&plan_for(&somebody(), Entitlement::NotYet, Some(&account))), Vec::<&str>::new());
    assert_eq!(names(&plan_for(&somebody(), Entitlement::NotYet, None)), Vec::<&str>::new());
}
