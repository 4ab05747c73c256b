//! How much is asked of the store for one profile of a page.

use super::super::tests::{World, page_of};
use super::*;
use crate::domain::plan::rulebook::tests::rulebook;
use crate::domain::record::employee::tests::an_employee;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn a_profile_takes_no_more_statements_than_it_needs() {
    let world = World::new().await;
    world.store.prime("main", Vec::new(), BTreeSet::new(), world.now).await.expect("primes");
    world.store.close().await.expect("closes");
    let mut c = Tx::stranger(world.store.path());
    let count: Arc<AtomicUsize> = Arc::default();
    let counted = count.clone();
    c.count(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let (rules, page) = (rulebook(), page_of(&world, Vec::new()));
    let see = |employee: &Employee| {
        let before = count.load(Ordering::Relaxed);
        let mut outcome = PageOutcome::default();
        commit_profile(&c, &rules, &page, &Changed::undated(employee.clone()), &mut outcome).expect("commits");
        count.load(Ordering::Relaxed) - before
    };
    let first = see(&an_employee());
    let moved = see(&Employee { job_title: "Controller".into(), ..an_employee() });
    let same = see(&Employee { job_title: "Controller".into(), ..an_employee() });
    for (what, spent, most) in [("a new profile", first, 37), ("a changed one", moved, 36), ("the same", same, 1)] {
        assert!((1..=most).contains(&spent), "{what} takes {spent} statements, more than {most}");
    }
}
