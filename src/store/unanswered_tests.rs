//! Whom calls were for that were never answered, and what a store is told at a start that is older than the org.

use super::engine::Tx;
use super::tests::{World, account, done, effect};
use super::*;
use crate::audit::Outcome;
use crate::clock::Moment;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::work::run::{Begun, Lease, Next};
use crate::domain::{Account, AccountStatus, Directory, Employee, Step};
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

/// The end of a call by which somebody whose lease is void by now has got an account, or lost a group.
fn end(lease: Lease, intent: i64, step: Step, account: Account) -> EndStep {
    let mut effect = effect(Outcome::Applied);
    effect.call.step = step;
    let (account, new_groups) = (Some(account).into(), Vec::new());
    EndStep { lease, intent, effect, account, holder: None, new_groups, next: Next::Continue }
}

#[tokio::test]
async fn nothing_is_sent_for_two_who_became_one_before_the_call_for_one_of_them_has_its_outcome_which_is_then_in_doubt()
{
    for is_ever_answered in [true, false] {
        let mut world = World::new().await;
        world.store.prime("main", vec![account(None)], BTreeSet::new(), world.now).await.expect("primes");
        world.see(an_employee()).await;
        let claim = world.claim().await.remove(0);
        let Begun::Intent(intent) = world.begin(&claim).await else { panic!("stale") };
        world.see(Employee { id: "twin".into(), job_title: "Adviser".into(), ..an_employee() }).await;
        assert!(world.claim().await.is_empty(), "the call is under way");
        if is_ever_answered {
            let step = Step::RemoveGroup { id: "00u1".into(), group: "00g1".into(), name: "Staff".into() };
            world.store.end_step(end(claim.lease, intent, step, account(None)), world.now).await.expect("ends");
        } else {
            world.now = world.now + Duration::from_secs(40);
        }
        let both = world.claim().await.remove(0);
        let unsure = &both.case.account.as_ref().expect("an account").marks.unsure;
        assert_eq!(unsure.groups.contains("00g1"), is_ever_answered, "whoever plans for both puts them in again");
        assert_eq!(both.read_first, is_ever_answered, "what the call has left is read");
    }
}

#[tokio::test]
async fn an_account_that_was_made_for_somebody_who_became_part_of_another_person_meanwhile_is_known() {
    let world = World::new().await;
    world
        .store
        .prime("main", vec![account(Some(&an_employee().id))], BTreeSet::new(), world.now)
        .await
        .expect("primes");
    world.see(an_employee()).await;
    let known = world.claim().await.remove(0);
    world.store.release(known.lease, done(), world.now).await.expect("lets go");
    let hired = Employee { id: "hired".into(), email: "hired@example.com".into(), ..an_employee() };
    world.see(hired.clone()).await;
    let claim = world.claim().await.remove(0);
    let Begun::Intent(intent) = world.begin(&claim).await else { panic!("stale") };
    let into = known.lease.target;
    let join = move |c: &Tx| {
        let found = c.prepare_cached("SELECT count(*) FROM link")?.query_row([], |row| row.get::<i64>(0))?;
        assert_eq!(found, 2);
        crate::store::adopting::merge(c, claim.lease.target, into, Moment::from_secs(1_800_000_000))
    };
    world.store.run(join).await.expect("joins");
    let made = Account { id: "00u2".into(), ..account(Some("hired")) };
    let profile = [("login".to_owned(), serde_json::json!("hired@example.com"))].into();
    let step = Step::CreateUser { profile, groups: Vec::new(), activate: true, user_type: None };
    world.store.end_step(end(claim.lease, intent, step, made), world.now).await.expect("ends");
    let found = world.store.account("main", "00u2").await.expect("reads");
    assert!(found.is_some(), "it is not waited for a list to show it");
    let asked = world.store.run(|c| reviews(c, false)).await.expect("reads");
    println!("{asked:?}");
    assert!(asked.iter().any(|review| review.profile == "hired"), "whose it is is asked: {asked:?}");
}
