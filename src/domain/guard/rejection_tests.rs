use super::*;
use crate::domain::account::directory::Group;
use crate::domain::mapping::desired::tests::usual;
use crate::domain::plan::rulebook::tests::rulebook;
use crate::domain::record::employee::FieldChange;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::record::employee::{Employee, UserStatus};
use crate::domain::record::person::Person;

fn of(change: impl FnOnce(&mut Employee)) -> Case {
    let mut employee = an_employee();
    change(&mut employee);
    Case::new("main", Person::of("acme", employee))
}

fn directory() -> Directory {
    let group = |id: &str, name: &str| Group { id: id.into(), name: name.into(), writable: true };
    Directory::new([group("00g1", "Department Finance"), group("00g2", "Staff")], BTreeSet::new())
}

/// The fact behind a rejection of `object` of somebody as they usually are.
fn behind(change: ChangeKind, object: &str) -> Fact {
    fact(change, &BTreeSet::from([object.to_owned()]), &of(|_| {}), &directory(), &rulebook())
}

#[test]
fn a_rejection_ends_when_the_fact_behind_it_changes_and_not_before() {
    type Edit = fn(&mut Employee);
    let status: Edit = |e| e.user_status = UserStatus::Inactive;
    let departure: Edit = |e| e.departure_date = Some("2026-12-01".parse().expect("a date"));
    let start: Edit = |e| e.start_date = None;
    let phone: Edit = |e| e.office_direct_dial = "+1 555 1".into();
    let department: Edit = |e| e.departments = vec!["Legal".into()];
    let kind: Edit = |e| e.employee_type = "Contractor".into();
    let title: Edit = |e| e.job_title = "Clerk".into();
    let email: Edit = |e| e.email = "ines.martin@example.com".into();
    let manager: Edit =
        |e| e.manager = Some(crate::domain::record::employee::Manager { id: "b".into(), ..Default::default() });
    let table: [(ChangeKind, &str, &[Edit], &[Edit]); 8] = [
        (ChangeKind::Deactivate, "access", &[status, departure, start], &[phone, department, title, email, manager]),
        (ChangeKind::Suspend, "access", &[status, departure], &[phone, title]),
        (ChangeKind::Create, "account", &[status, start], &[phone, title]),
        (
            ChangeKind::RemoveGroup,
            "group 00g1",
            &[department, kind],
            &[status, departure, phone, title, email, manager],
        ),
        (ChangeKind::AddGroup, "group 00g2", &[], &[status, phone, department, title]),
        (ChangeKind::ChangeAttributes, "attribute title", &[title], &[status, phone, department, email]),
        (ChangeKind::ChangeLogin, "attribute login", &[email], &[status, phone, department, title]),
        (ChangeKind::LinkManager, "manager", &[manager], &[status, phone, title]),
    ];
    for (change, object, ends, stays) in table {
        let fact = behind(change, object);
        let stands = |edit: &Edit| stands(&fact, &of(edit));
        let nothing: Edit = |_| {};
        assert!(stands(&nothing), "{change:?}");
        assert!(!ends.iter().any(stands), "{change:?}: each of these ends it");
        assert!(stays.iter().all(stands), "{change:?}: none of these ends it");
    }
}

#[test]
fn the_fact_outlives_a_mapping_that_reads_something_else() {
    let fact = behind(ChangeKind::RemoveGroup, "group 00g1");
    // Whatever is mapped meanwhile: what is compared is what Namely says now.
    assert!(stands(&fact, &of(|_| {})));
    let mut rules = rulebook();
    rules.mapping = usual();
    let custom = BTreeSet::from(["attribute costCenter".to_owned()]);
    let mut fact = super::fact(ChangeKind::ChangeAttributes, &custom, &of(|_| {}), &directory(), &rules);
    fact[0].fields.insert("custom.cost_center".into(), "7".into());
    assert!(stands(&fact, &of(|_| {})), "a field that is not read any more says nothing");
    assert!(!stands(&fact, &of(|e| drop(e.custom.insert("cost_center".into(), "8".into())))));
}

#[test]
fn another_profile_of_the_person_is_another_fact() {
    let fact = behind(ChangeKind::Deactivate, "access");
    let second = Position { tenant: "globex".into(), employee: Employee { id: "b".into(), ..an_employee() } };
    let both = Case { elsewhere: vec![second.clone()], ..of(|_| {}) };
    assert!(!stands(&fact, &both));
    let other = Case::new("main", Person::new(vec![second]).expect("a person"));
    assert!(!stands(&fact, &other));
    // Another configuration routes one of two profiles elsewhere: that is nothing that Namely says.
    let fact =
        super::fact(ChangeKind::Deactivate, &BTreeSet::from(["access".into()]), &both, &directory(), &rulebook());
    let here = Position { tenant: "acme".into(), employee: an_employee() };
    let routed = Person::new(vec![both.elsewhere[0].clone(), here]).expect("a person");
    assert!(stands(&fact, &Case::new("main", routed)));
}

#[test]
fn objects_name_the_group_and_the_attribute_and_not_their_values() {
    let change =
        |field: &str, after: &str| FieldChange { field: field.into(), before: "old".into(), after: after.into() };
    let update = |after: &str| Step::UpdateUser { id: "00u1".into(), changes: vec![change("title", after)] };
    assert_eq!(
        objects(ChangeKind::ChangeAttributes, &update("a")),
        objects(ChangeKind::ChangeAttributes, &update("b"))
    );
    let group = Step::RemoveGroup { id: "00u1".into(), group: "00g1".into(), name: "Finance".into() };
    assert_eq!(objects(ChangeKind::RemoveGroup, &group), ["group 00g1", "group Finance"]);
    assert_eq!(objects(ChangeKind::Deactivate, &group), ["access"], "what belongs to an exit is rejected with it");
}

#[test]
fn a_membership_that_was_rejected_stays_so_when_its_group_is_made_or_made_anew() {
    let add = |group: &str| Step::AddGroup { id: "00u1".into(), group: group.into(), name: "Finance".into() };
    for before in [Step::CreateGroup { name: "Finance".into() }, add("00gOld")] {
        let rejected = objects(ChangeKind::AddGroup, &before).into_iter().map(|object| (object, "no".to_owned()));
        let rejected = Rejected([(ChangeKind::AddGroup, rejected.collect())].into());
        assert_eq!(rejected.why(ChangeKind::AddGroup, &add("00gNew")), Some("no"), "{before:?}");
        let other = Step::AddGroup { id: "00u1".into(), group: "00gOther".into(), name: "Sales".into() };
        assert_eq!(rejected.why(ChangeKind::AddGroup, &other), None);
    }
}

#[test]
fn what_stands_on_something_that_namely_does_not_say_any_more_is_over_and_the_rest_says_why() {
    let rejection = |id, change, object: &str, fact: Fact| Rejection {
        id,
        change: Some(change),
        objects: BTreeSet::from([object.to_owned()]),
        fact,
        hold: 4,
        by: "Ann".into(),
        at: Moment::from_secs(1),
    };
    let (end, group) = (ChangeKind::Deactivate, ChangeKind::RemoveGroup);
    let all = vec![
        rejection(1, end, "access", behind(end, "access")),
        rejection(2, group, "group 00g1", behind(group, "group 00g1")),
        Rejection { change: None, ..rejection(3, end, "access", behind(end, "access")) },
    ];
    let left = of(|e| e.user_status = UserStatus::Inactive);
    let (rejected, over) = still_rejected(all, &left);
    assert_eq!(over, [1, 3], "a kind that this version does not know ends like any other");
    assert_eq!(rejected.of_kind(end), None);
    assert!(rejected.of_kind(group).is_some_and(|why| why.contains("by Ann (hold 4)")));
}
