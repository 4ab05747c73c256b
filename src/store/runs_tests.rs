//! How much is asked of the store for one run.

use super::super::tests::World;
use super::*;
use crate::domain::plan::awaited::Awaited;
use crate::domain::plan::rulebook::tests::rulebook;
use crate::domain::record::employee::tests::an_employee;
use crate::domain::work::machine::{Dirt, State};
use crate::store::rows::org;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A connection of its own to the file of a world, and how many statements were run on it.
fn counting(world: &World) -> (Tx, Arc<AtomicUsize>) {
    let mut c = Tx::stranger(world.store.path());
    let count: Arc<AtomicUsize> = Arc::default();
    let counted = count.clone();
    c.count(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    (c, count)
}

/// Runs something, and says how many statements that took.
fn spent<T>(count: &AtomicUsize, what: impl FnOnce() -> Result<T, StoreError>) -> (T, usize) {
    let before = count.load(Ordering::Relaxed);
    let done = what().expect("runs");
    (done, count.load(Ordering::Relaxed) - before)
}

#[tokio::test]
async fn a_run_takes_no_more_statements_than_it_needs() {
    let world = World::new().await;
    world.see(an_employee()).await;
    world.store.close().await.expect("closes");
    let (c, count) = counting(&world);
    let (rules, now) = (rulebook(), world.now);
    Evaluation { rules: &rules, directory: &Directory::default(), org: "main", now }.evaluate(&c).expect("judges");
    let want = Want { ordered_only: false, runs: 1, urgent: 1, rooms: vec![("users", 1)] };
    let take = || {
        let (claims, claimed) = spent(&count, || claim(&c, &rules, &Directory::default(), "main", now, &want));
        (claims.first().expect("somebody").lease, claimed)
    };
    let end = |lease, how| spent(&count, || release(&c, lease, &how, now).map(|_| ())).1;
    let (lease, claimed) = take();
    let yielded = end(lease, Release::Yield { bucket: "users", priority: Priority::Grant });
    let (lease, _) = take();
    let done = end(lease, super::super::tests::done());
    let dirty = || {
        super::super::dirty::mark_dirty(
            &c,
            lease.target,
            "main",
            &Dirt { priority: Priority::Describe, bucket: "users", cause: Cause::Drift },
            now,
        )
    };
    let dirtied = spent(&count, dirty).1;
    for (what, spent, most) in
        [("a claim", claimed, 20), ("a spent counter", yielded, 2), ("the end", done, 11), ("a dirty mark", dirtied, 2)]
    {
        assert!((1..=most).contains(&spent), "{what} takes {spent} statements, more than {most}");
    }
}

#[tokio::test]
async fn what_comes_while_somebody_is_worked_on_wakes_them_at_once_and_before_long_where_it_was_there_before() {
    let world = World::new().await;
    world.see(an_employee()).await;
    let waits = |why: &str| Release::Quarantined {
        why: why.into(),
        again: None,
        read_first: false,
        awaits: vec![Awaited::Login("somebody@example.com".into()), Awaited::Walk("acme".into())],
    };
    let left = async |how: Release| {
        let claim = world.claim().await.remove(0);
        let target = claim.lease.target;
        world.store.release(claim.lease, how, world.now).await.expect("lets go");
        world.store.run(move |c| work::load(c, target)).await.expect("reads").expect("somebody")
    };
    let walked = world.store.run(|c| org::set_walked_now(c, "acme"));
    assert!(walked.await.expect("writes"), "while they are worked on, as it were");
    let woken = left(waits("they wait for acme")).await;
    assert_eq!((woken.state, woken.due_at), (State::Ready, world.now));
    let again = left(waits("they wait for acme")).await;
    assert_eq!(
        (again.state, again.due_at),
        (State::Quarantined, world.now + COME_BEFORE),
        "nobody is tried without end"
    );
}
