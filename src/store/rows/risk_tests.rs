//! The statements over many rows are the functions that they stand for.

use super::*;
use crate::domain::guard::evaluation::{Past, Progress, Waits, counts as is_counted, is_held_back};
use crate::domain::work::machine::Work;
use crate::domain::work::machine::tests::works;
use crate::store::rows::meta::set_meta;
use crate::store::rows::work::save;
use proptest::option::of;
use proptest::prelude::*;

const RUN: i64 = 3;

/// Somebody whose change was evaluated.
#[derive(Clone, Debug)]
struct Evaluated {
    work: Work,
    past: Past,
    rev: i64,
    is_of_tenant: bool,
    is_of_department: bool,
    is_of_batch: bool,
}

fn evaluated() -> impl Strategy<Value = Vec<Evaluated>> {
    let waits = prop_oneof![Just(Waits::No), Just(Waits::InHold), Just(Waits::Decided)];
    let past = (any::<bool>(), waits, 0..6i64, RUN - 1..RUN + 1);
    let past = past.prop_map(|(approved, waits, at, run)| Past { approved, waits, at: Moment::from_millis(at), run });
    let one = (works(), past, 0..6i64, any::<bool>(), any::<bool>(), any::<bool>());
    let one = one.prop_map(|(work, past, rev, is_of_tenant, is_of_department, is_of_batch)| Evaluated {
        work,
        past,
        rev,
        is_of_tenant,
        is_of_department,
        is_of_batch,
    });
    proptest::collection::vec(one, 0..12)
}

/// A store in memory that holds these.
fn holding(all: &[Evaluated]) -> Tx {
    let c = Tx::in_memory();
    set_meta(&c, "run", &RUN.to_string()).expect("writes");
    c.execute_batch(
        "INSERT INTO hold (id, org, change, scope, why, needs, since, reminded) VALUES (1, 'main', 'suspend', '', '', 2, 0, 0);
         INSERT INTO hold (id, org, change, scope, why, needs, since, reminded, verdict)
           VALUES (2, 'main', 'suspend', '', '', 2, 0, 0, 'rejected');",
    )
    .expect("writes");
    for (target, one) in (1..).zip(all) {
        c.execute("INSERT INTO target (id, org) VALUES (?1, 'main')", [target]).expect("writes");
        save(&c, target, "main", &one.work).expect("writes");
        let hold = match one.past.waits {
            Waits::No => None,
            Waits::InHold => Some(1),
            Waits::Decided => Some(2),
        };
        let risk = Risk {
            target,
            change: ChangeKind::Suspend,
            org: "main",
            tenant: if one.is_of_tenant { "acme" } else { "other" },
            department: if one.is_of_department { "Sales" } else { "" },
            rev: one.rev,
            shown: "out",
            at: one.past.at,
            run: one.past.run,
            hold,
            administrator: 0,
            objects: "[]",
            fact: "[]",
        };
        put(&c, &risk).expect("writes");
        c.execute("UPDATE risk SET approved = ?2 WHERE target = ?1", params![target, one.past.approved])
            .expect("writes");
    }
    c
}

proptest! {
    #[test]
    fn a_limit_is_counted_as_the_function_says(
        all in evaluated(), since in of(0..6i64), in_department in any::<bool>(),
    ) {
        let (c, since) = (holding(&all), since.map(Moment::from_millis));
        let numbered = (1..).zip(&all);
        let without: BTreeSet<i64> = numbered.clone().filter(|(_, one)| one.is_of_batch).map(|(id, _)| id).collect();
        let department = in_department.then_some("Sales");
        let whom = Counted {
            org: "main", change: ChangeKind::Suspend, tenant: "acme", department, without: &without, since,
        };
        let meant = |one: &&Evaluated| one.is_of_tenant && is_counted(&one.past, since, RUN);
        let is_in = |one: &&Evaluated| !in_department || one.is_of_department;
        let expected = all.iter().filter(meant).filter(is_in).filter(|one| !one.is_of_batch).count();
        prop_assert_eq!(count(&c, &whom).expect("counts"), u32::try_from(expected).expect("few"));
        let of_tenant = u32::try_from(all.iter().filter(meant).count()).expect("few");
        let found = counts(&c, ChangeKind::Suspend, since).expect("counts");
        let (found, held) = found.get(&("main".to_owned(), "acme".to_owned())).copied().unwrap_or_default();
        prop_assert_eq!(found, of_tenant);
        let waiting = all.iter().filter(meant).filter(|one| one.past.waits == Waits::InHold).count();
        prop_assert_eq!(held, u32::try_from(waiting).expect("few"));
    }

    #[test]
    fn whoever_was_let_through_and_not_begun_is_held_back_as_the_function_says(
        all in evaluated(), in_department in any::<bool>(),
    ) {
        let c = holding(&all);
        let department = in_department.then_some("Sales");
        let found = let_through(&c, "main", ChangeKind::Suspend, "acme", department).expect("reads");
        let found: BTreeSet<i64> = found.into_iter().map(|(target, ..)| target).collect();
        let is_meant = |one: &Evaluated| one.is_of_tenant && (!in_department || one.is_of_department);
        let held_back = |one: &Evaluated| {
            let (is_dirty, done_rev, is_leased) = (one.work.is_dirty(), one.work.done_rev, one.work.token.is_some());
            is_held_back(&one.past, one.rev, Progress { is_dirty, done_rev, is_leased })
        };
        let expected = (1..).zip(&all).filter(|(_, one)| is_meant(one) && held_back(one));
        prop_assert_eq!(found, expected.map(|(target, _)| target).collect::<BTreeSet<i64>>());
    }
}
