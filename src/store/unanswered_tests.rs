//! Whom calls were for that were never answered, and what a store is told at a start that is older than the org.

use super::tests::{World, account, done, effect};
use super::*;
use crate::audit::Outcome;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::work::run::{Begun, Next};
use crate::domain::{Account, AccountStatus, Directory, Employee};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn whom_an_unanswered_call_was_for_is_read_again_until_it_can_land_no_more_and_whatever_was_done_meanwhile() {
    let world = World::new().await;
    world.see(an_employee()).await;
    world
        .store
        .prime("main", vec![account(Some(&an_employee().id))], BTreeSet::new(), world.now)
        .await
        .expect("primes");
    world.see(Employee { job_title: "Director".into(), ..an_employee() }).await;
    let claim = world.claim().await.remove(0);
    let Begun::Intent(_) = world.begin(&claim).await else { panic!("stale") };
    let start = world.now;
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let restarted = world.store.recover("rules".into(), at(5)).await.expect("recovers");
    assert_eq!(restarted.unknown, 1);
    let mut world = World { now: at(6), ..world };
    let finish = async |world: &World| {
        let claim = world.claim().await.remove(0);
        assert!(claim.read_first, "Okta is asked");
        let unsure = claim.case.account.as_ref().map(|account| account.marks.unsure.groups.clone());
        assert_eq!(unsure, Some(["g".to_owned()].into()), "what the call was about is not known");
        world.store.release(claim.lease, done(), world.now).await.expect("lets go");
    };
    finish(&world).await;
    for seconds in [40, 120, 600] {
        assert_eq!(world.store.read_unanswered_again(at(seconds - 1)).await.expect("looks"), 0);
        assert_eq!(world.store.next_change().await.expect("reads"), Some(at(seconds)));
        world.now = at(seconds);
        assert_eq!(world.store.read_unanswered_again(world.now).await.expect("looks"), 1);
        assert_eq!(world.store.read_unanswered_again(world.now).await.expect("looks"), 0, "once");
        finish(&world).await;
    }
    assert_eq!(world.store.next_change().await.expect("reads"), None, "it is proved");
    assert_eq!(world.store.backlog().await.expect("reads").total(), 0);
}

#[tokio::test]
async fn what_differs_after_a_start_from_what_the_store_held_is_followed_up_and_what_is_in_doubt_is_asked() {
    let seen = |status| Account { status, ..account(Some(&an_employee().id)) };
    let compared = || Some((Arc::new(Directory::default()), false));
    for (after, is_asked) in [(30, true), (3600, false)] {
        let mut world = World::new().await;
        let first = vec![seen(AccountStatus::Active)];
        world.store.prime("main", first, BTreeSet::new(), world.now).await.expect("primes");
        world.see(an_employee()).await;
        let claim = world.claim().await.remove(0);
        let Begun::Intent(intent) = world.begin(&claim).await else { panic!("stale") };
        let end = EndStep {
            lease: claim.lease,
            intent,
            effect: effect(Outcome::Applied),
            account: Some(seen(AccountStatus::Active)).into(),
            holder: None,
            new_groups: Vec::new(),
            next: Next::Release(done()),
        };
        world.store.end_step(end, world.now).await.expect("ends");
        world.now = world.now + Duration::from_secs(after);
        world.store.recover("rules".into(), world.now).await.expect("recovers");
        let again =
            |status| world.store.prime_and_compare("main", vec![seen(status)], BTreeSet::new(), world.now, compared());
        again(AccountStatus::Active).await.expect("primes");
        assert_eq!(world.store.backlog().await.expect("reads").total(), 0, "who is as the store has it costs nothing");
        again(AccountStatus::Deprovisioned).await.expect("primes");
        let claim = world.claim().await.remove(0);
        assert_eq!(claim.read_first, is_asked, "{after}");
    }
}
