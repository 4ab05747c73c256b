//! How much is asked of the store for a page.

use super::super::engine::asked;
use super::super::tests::{World, page_of};
use super::*;
use crate::domain::account::user::tests::bare;
use crate::domain::plan::rulebook::tests::rulebook;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::{Account, Manager, UserStatus};
use std::collections::BTreeSet;

const PAGE: usize = 50;

/// One of many; nine others report to each tenth.
fn one_of_many(n: usize) -> Employee {
    let manager = Manager { id: format!("p{}", n / 10), ..Manager::default() };
    Employee {
        id: format!("p{n}"),
        first_name: format!("First{n}"),
        last_name: format!("Last{n}"),
        email: format!("p{n}@example.com"),
        manager: Some(manager).filter(|_| n > 0),
        ..an_employee()
    }
}

/// How much is asked for a page on which these are changed like this.
async fn asked_for(world: &World, which: std::ops::Range<usize>, change: impl Fn(&mut Employee)) -> usize {
    let changed = which.map(|n| {
        let mut one = one_of_many(n);
        change(&mut one);
        one
    });
    let page = page_of(world, changed.collect());
    let asked = world.store.run(move |c| {
        let before = asked::so_far();
        let outcome = commit_page(c, &rulebook(), &page)?;
        assert!(outcome.message.is_empty(), "{:?}", outcome.message);
        Ok(asked::so_far() - before)
    });
    asked.await.expect("commits")
}

async fn world_with(accounts: usize) -> World {
    let world = World::new().await;
    let account = |n| -> Account { bare(&format!("00u{n}"), &format!("p{n}@example.com"), None) };
    let accounts: Vec<Account> = (0..accounts).map(account).collect();
    world.store.prime("main", accounts, BTreeSet::new(), world.now).await.expect("primes");
    // What a server is asked for the first time it must understand first.
    for title in ["Accountant", "Controller"] {
        asked_for(&world, 0..PAGE, |one| title.clone_into(&mut one.job_title)).await;
    }
    asked_for(&world, 0..PAGE, |one| one.user_status = UserStatus::Inactive).await;
    asked_for(&world, 0..PAGE, |_| {}).await;
    world
}

#[tokio::test]
async fn a_page_of_people_who_are_known_takes_as_many_statements_as_one_of_them() {
    let world = world_with(2 * PAGE).await;
    let second = || PAGE..2 * PAGE;
    let (titled, moved) =
        (|one: &mut Employee| one.job_title = "Controller".into(), |one: &mut Employee| one.manager = None);
    let left = |one: &mut Employee| one.user_status = UserStatus::Inactive;
    asked_for(&world, second(), |_| {}).await;
    for (what, asked, most) in [
        ("the same", asked_for(&world, second(), |_| {}).await, 4),
        ("another title", asked_for(&world, second(), titled).await, 25),
        ("the same again", asked_for(&world, second(), titled).await, 4),
        ("another manager", asked_for(&world, second(), moved).await, 30),
        ("have left", asked_for(&world, second(), left).await, 33),
        ("one with another title", asked_for(&world, 0..1, titled).await, 25),
    ] {
        assert!((1..=most).contains(&asked), "{what}: {asked} statements, more than {most}");
    }
}

#[tokio::test]
async fn a_page_of_people_who_are_new_takes_a_few_statements_for_each() {
    for (accounts, each) in [(2 * PAGE, 13), (0, 3)] {
        let world = world_with(accounts).await;
        let asked = asked_for(&world, PAGE..2 * PAGE, |_| {}).await;
        assert!((1..=25 + PAGE * each).contains(&asked), "{asked} statements");
    }
}
