//! Nobody becomes protected by what Namely says, whichever way.

use super::*;
use crate::domain::pattern::Pattern;

fn protecting(world: World) -> World {
    world.and(|world| world.rules.safeguards.protected.groups = vec![Pattern::new("Department Sal*")])
}

fn in_sales(employee: &mut Employee) {
    employee.departments = vec!["Sales".into()];
}

#[test]
fn a_rule_puts_nobody_into_a_group_that_protects_and_says_so() {
    let mover = protecting(World::of(an_employee()).with_account().edit(in_sales));
    let plan = mover.plan().expect("a plan");
    let given = |step: &Step| matches!(step, Step::AddGroup { group, .. } if group == "00gSales");
    assert!(!plan.steps.iter().any(given), "{:?}", plan.steps);
    assert!(plan.steps.iter().any(|step| matches!(step, Step::RemoveGroup { group, .. } if group == "00gFinance")));
    assert!(plan.unfinished.is_some_and(|why| why.contains("Department Sales") && why.contains("[protected]")));

    let joiner = protecting(World::of(an_employee()).edit(in_sales)).plan().expect("a plan");
    let made = joiner.steps.iter().find_map(|step| match step {
        Step::CreateUser { groups, .. } => Some(groups.clone()),
        _ => None,
    });
    assert_eq!(made, Some(["00gStaff".to_owned()].into_iter().collect()), "the account is made without it");
    assert!(joiner.unfinished.is_some_and(|why| why.contains("Department Sales")));
}

#[test]
fn whoever_is_in_a_group_that_protects_is_not_asked_about() {
    let member = World::of(an_employee()).edit(in_sales).with_account();
    let member =
        protecting(member.and(|world| world.account().groups = ["00gStaff", "00gSales"].map(str::to_owned).into()));
    assert_eq!(member.plan().expect("a plan").unfinished, None);
}
