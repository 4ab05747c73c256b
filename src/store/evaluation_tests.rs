//! Who is counted, and who is evaluated anew.

use super::super::tests::{World, account};
use crate::domain::account::administrators::{Administrators, RolesRead};
use crate::domain::account::user::tests::bare;
use crate::domain::guard::safeguard::Restraint;
use crate::domain::plan::limits::{Limit, Scope, Span};
use crate::domain::plan::rulebook::tests::rulebook;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::work::run::{Lease, Release};
use crate::domain::{ChangeKind, Directory, Employee, Group, UserStatus};
use crate::store::Want;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Five joiners of a department whose group is still to be made, where so many may be made or given something.
async fn joiners(change: ChangeKind, people: u32) -> World {
    let mut rules = rulebook();
    let limit = Limit { change, people, share: 0.0, per: Span::Hour, scope: Scope::Tenant };
    rules.safeguards.limits.push(limit);
    let world = World::under(rules).await;
    for n in 0..5 {
        let email = format!("joiner{n}@example.com");
        world.see(Employee { id: format!("joiner-{n}"), email, ..an_employee() }).await;
    }
    world
}

#[tokio::test]
async fn whoever_was_held_while_nobody_could_tell_who_is_an_administrator_is_free_when_it_can_be_told() {
    let world = World::new().await;
    let mut account = bare("00u1", &an_employee().email, Some(&an_employee().id));
    account.marks.roles = Some(RolesRead { holds: None, at: world.now.millis() }); // asked for, and not told
    world.store.prime("main", vec![account], BTreeSet::new(), world.now).await.expect("writes");
    world.see(Employee { user_status: UserStatus::Inactive, ..an_employee() }).await;
    let ask = async |directory: Directory, runs: usize| {
        let want = Want { ordered_only: false, runs, urgent: runs, rooms: vec![("any", runs), ("users", runs)] };
        world.store.claim("main", Arc::new(directory), world.now, want).await.expect("claims")
    };
    let unread = Administrators { unread: Some("HTTP 403".into()), ..Administrators::default() };
    let unread = Directory::default().with_administrators(unread);
    assert!(ask(unread, 0).await.is_empty(), "evaluated, and claimed by nobody");
    let holds = world.store.run(|c| Ok(c.query_row("SELECT count(*) FROM hold", [], |row| row.get::<i64>(0))?)).await;
    assert_eq!(holds.expect("reads"), 1);
    world.store.administrators_changed("main", false, world.now).await.expect("wakes");
    let claims = ask(Directory::default(), 10).await;
    assert_eq!((claims.len(), claims[0].restraint.held.len()), (1, 0));
}

/// Takes everybody, and says of how many a change waits and of how many it may go.
async fn claimed(world: &World, change: ChangeKind) -> (Vec<Lease>, usize, usize) {
    let staff = Group { id: "00gStaff".into(), name: "Staff".into(), writable: true };
    let directory = Arc::new(Directory::new([staff], BTreeSet::new()));
    let want = Want { ordered_only: false, runs: 10, urgent: 10, rooms: vec![("any", 10), ("users", 10)] };
    let claims = world.store.claim("main", directory, world.now, want).await.expect("claims");
    let count = |is: &dyn Fn(&Restraint) -> bool| claims.iter().filter(|claim| is(&claim.restraint)).count();
    let held = count(&|restraint| restraint.held.contains_key(&change));
    let passed = count(&|restraint| restraint.passed.contains(&change));
    (claims.iter().map(|claim| claim.lease).collect(), held, passed)
}

#[tokio::test]
async fn joiners_are_counted_where_how_many_are_made_is_limited() {
    let world = joiners(ChangeKind::Create, 2).await;
    let (claims, held, passed) = claimed(&world, ChangeKind::Create).await;
    assert_eq!((claims.len(), held, passed), (5, 5, 0));
}

#[tokio::test]
async fn whoever_needs_a_group_that_may_not_be_made_for_another_is_evaluated_for_it_at_the_second_try() {
    let world = joiners(ChangeKind::AddGroup, 0).await;
    let (claims, held, passed) = claimed(&world, ChangeKind::AddGroup).await;
    assert_eq!((claims.len(), held, passed), (5, 1, 0), "the first would make it for all");
    for lease in claims {
        world.store.release(lease, Release::Evaluate { at: world.now }, world.now).await.expect("lets go");
    }
    let (claims, held, passed) = claimed(&world, ChangeKind::AddGroup).await;
    assert_eq!((claims.len(), held, passed), (5, 5, 0), "nobody waits for as many tries as there are others");
}

#[tokio::test]
async fn whoever_was_held_as_somebody_who_may_be_an_administrator_is_not_when_it_is_known_before_their_run_is_over() {
    let held = || Release::Held { why: "two people must agree".into(), withheld: Vec::new(), again: None };
    let later = |world: &World| Release::Retry { at: world.now, why: "HTTP 500".into() };
    for in_between in [false, true] {
        let world = World::new().await;
        world.see(an_employee()).await;
        let mut account = account(Some(&an_employee().id));
        account.marks.roles = Some(RolesRead { holds: None, at: world.now.millis() });
        world.store.prime("main", vec![account], BTreeSet::new(), world.now).await.expect("primes");
        world.store.correlate_org("main", world.now).await.expect("correlates");
        world.see(Employee { user_status: UserStatus::Inactive, ..an_employee() }).await;
        let claim = async |directory: Directory| {
            let want = Want {
                ordered_only: false,
                runs: 10,
                urgent: 10,
                rooms: vec![("any", 10), ("users", 10), ("user_read", 10)],
            };
            let claims = world.store.claim("main", Arc::new(directory), world.now, want).await.expect("claims");
            let one = claims.into_iter().next().expect("the leaver");
            (one.lease, one.restraint.held.contains_key(&ChangeKind::Deactivate))
        };
        let (lease, is_held) = claim(Directory::default().with_administrators(Administrators::never_read())).await;
        assert!(is_held, "nobody knows whether they are an administrator");
        if in_between {
            world.store.release(lease, later(&world), world.now).await.expect("lets go");
            world.store.administrators_changed("main", false, world.now).await.expect("judges anew");
        } else {
            world.store.administrators_changed("main", false, world.now).await.expect("judges anew");
            world.store.release(lease, held(), world.now).await.expect("lets go");
        }
        assert!(!claim(Directory::default()).await.1, "they are none");
    }
}
