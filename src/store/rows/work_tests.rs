//! What a statement does to many rows is what the state machine does to each.

use super::*;
use crate::domain::Priority;
use crate::domain::work::machine::tests::works;
use crate::domain::work::machine::{Dirt, NEVER};
use proptest::prelude::*;

/// A target, and what else a statement may look at.
#[derive(Clone, Debug)]
struct Target {
    work: Work,
    is_of_org: bool,
    has_account: bool,
    has_left: bool,
    is_accepted: bool,
    /// As `risk.administrator` has it, where that is held.
    administrator: i64,
}

fn targets() -> impl Strategy<Value = Vec<Target>> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 0..3i64);
    let target = (works(), flags).prop_map(|(work, flags)| {
        let (is_of_org, has_account, has_left, is_accepted, administrator) = flags;
        Target { work, is_of_org, has_account, has_left, is_accepted, administrator }
    });
    proptest::collection::vec(target, 1..12)
}

fn now() -> Moment {
    Moment::from_secs(1_800_000_000 + 43_200)
}

/// A store in memory that holds these.
fn holding(targets: &[Target]) -> Tx {
    let c = Tx::in_memory();
    c.execute_batch(
        "INSERT INTO acceptance (org, tenant, by, at) VALUES ('main', 'accepted', 'ada', 0);
         INSERT INTO hold (org, change, scope, why, needs, since, reminded) VALUES ('main', 'suspend', '', '', 2, 0, 0);",
    )
    .expect("writes");
    for (id, target) in (1..).zip(targets) {
        let org = if target.is_of_org { "main" } else { "other" };
        let account = target.has_account.then(|| format!("00u{id}"));
        c.execute(
            "INSERT INTO target (id, org, okta_id, ended_at) VALUES (?1, ?2, ?3, ?4)",
            params![id, org, account, target.has_left.then_some(0)],
        )
        .expect("writes");
        let tenant = if target.is_accepted { "accepted" } else { "new" };
        let link = "INSERT INTO link (org, tenant, profile, target, routed) VALUES (?1, ?2, ?3, ?4, 1)";
        c.execute(link, params![org, tenant, format!("p{id}"), id]).expect("writes");
        if target.administrator > 0 {
            let risk =
                "INSERT INTO risk (target, change, org, tenant, department, rev, shown, at, run, hold, administrator)
                        VALUES (?1, 'suspend', ?2, ?3, '', 1, '', 0, 1, 1, ?4)";
            c.execute(risk, params![id, org, tenant, target.administrator]).expect("writes");
        }
        save(&c, id, org, &target.work).expect("writes");
    }
    c
}

/// Has a statement change all rows, and compares each with what the state machine makes of it.
fn compare(
    targets: &[Target],
    statement: impl FnOnce(&Tx) -> Result<(), StoreError>,
    decide: impl Fn(&Target) -> Work,
) -> Result<(), TestCaseError> {
    let c = holding(targets);
    statement(&c).expect("runs");
    for (id, target) in (1..).zip(targets) {
        let found = load(&c, id).expect("reads").expect("is there");
        prop_assert_eq!(found, decide(target), "{:?}", target);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn work_is_read_as_it_was_written(targets in targets()) {
        compare(&targets, |_| Ok(()), |target| target.work.clone())?;
        let dirt = Dirt { priority: Priority::Grant, bucket: "users", cause: crate::domain::Cause::Date };
        let again = |work: Work| Work::dirtied(Some(work), &dirt, now());
        let all = |c: &Tx| (1..).zip(&targets).try_for_each(|(id, _)| change(c, id, again));
        compare(&targets, all, |target| again(target.work.clone()))?;
        let over = |c: &Tx| (1..).zip(&targets).try_for_each(|(id, target)| {
            save(c, id, "main", &again(target.work.clone()))
        });
        compare(&targets, over, |target| again(target.work.clone()))?;
        let c = holding(&targets);
        for (id, target) in (1..).zip(&targets) {
            let (work, ended_at) = load_with_end(&c, id).expect("reads").expect("is there");
            prop_assert_eq!((work, ended_at.is_some()), (target.work.clone(), target.has_left));
            let (work, known) = load_with_account(&c, id).expect("reads").expect("is there");
            prop_assert_eq!((work, known.okta_id.is_some()), (target.work.clone(), target.has_account));
        }
    }

    #[test]
    fn a_start_and_other_rules_do_to_all_what_they_do_to_one(targets in targets()) {
        let leases = targets.iter().filter(|target| target.work.token.is_some()).count();
        let recovered = |c: &Tx| {
            assert_eq!(recover(c, now())?, leases);
            Ok(())
        };
        compare(&targets, recovered, |target| target.work.clone().recovered(now()))?;
        compare(&targets, |c| exchange_rules(c, now()), |target| target.work.clone().rules_exchanged(now()))?;
        let back = Duration::from_millis(90_500);
        compare(&targets, |c| set_back(c, back), |target| target.work.clone().set_back(back))?;
    }

    #[test]
    fn whoever_is_due_and_whoever_was_decided_about_go_on_all_at_once(targets in targets()) {
        compare(&targets, |c| wake(c, now()).map(|_| ()), |target| target.work.clone().woken(now()))?;
        compare(&targets, |c| decided(c, now()).map(|_| ()), |target| target.work.clone().decided(now()))?;
        for doubtful in [false, true] {
            let anew = |c: &Tx| evaluated_anew_as_administrators(c, "main", doubtful, now()).map(|_| ());
            let least = if doubtful { 2 } else { 1 };
            compare(&targets, anew, |target| match target.is_of_org && target.administrator >= least {
                true => target.work.clone().evaluated_anew(now()),
                false => target.work.clone(),
            })?;
        }
    }

    #[test]
    fn whoever_waits_for_a_report_is_parked_and_goes_on_with_it(targets in targets()) {
        compare(&targets, |c| park(c, "main", "not accepted"), |target| match target.is_of_org && !target.is_accepted {
            true => target.work.clone().parked("not accepted"),
            false => target.work.clone(),
        })?;
        compare(&targets, |c| unpark(c, "main", "new", "one", now()), |target| {
            let waits = target.work.reason.as_ref().is_some_and(|reason| reason.starts_with("one"));
            match target.is_of_org && !target.is_accepted && waits {
                true => target.work.clone().unparked(now()),
                false => target.work.clone(),
            }
        })?;
    }

    #[test]
    fn whoever_has_no_account_is_evaluated_all_at_once(targets in targets()) {
        compare(&targets, |c| evaluated_without_account(c, "main"), |target| {
            let (work, rev) = (target.work.clone(), target.work.dirty_rev);
            let waits = work.is_dirty() && work.state == State::Ready && work.evaluated < rev;
            if target.is_of_org && !target.has_account && waits { work.evaluated(rev) } else { work }
        })?;
        let all = |c: &Tx| (1..).zip(&targets).try_for_each(|(id, _)| evaluated(c, id, 3));
        compare(&targets, all, |target| target.work.clone().evaluated(3))?;
    }

    #[test]
    fn whoever_is_claimed_may_be_and_nobody_is_left_out(targets in targets(), most in 0..12usize) {
        let c = holding(&targets);
        let of_org = || (1..).zip(&targets).filter(|(_, target)| target.is_of_org).map(|(id, target)| (id, &target.work));
        for bucket in ["any", "users", "search"] {
            for worst in [Priority::Revoke, Priority::Inspect] {
                let may = of_org().filter(|(_, work)| work.is_claimable(now()));
                let may = may.filter(|(_, work)| work.bucket == bucket && work.priority <= worst);
                let mut expected: Vec<_> = may.map(|(id, work)| (work.deadline, id, work.priority)).collect();
                expected.sort_by_key(|(deadline, id, _)| (*deadline, *id));
                let mut found = ready(&c, ("main", bucket), worst, 100, now()).expect("reads");
                found.sort_by_key(|(deadline, id, _)| (*deadline, *id));
                prop_assert_eq!(&found, &expected);
                let first = ready(&c, ("main", bucket), worst, most, now()).expect("reads");
                let deadlines = |rows: &[(i64, i64, Priority)]| rows.iter().map(|row| row.0).collect::<Vec<_>>();
                prop_assert_eq!(deadlines(&first), deadlines(&expected[..most.min(expected.len())]));
            }
        }
        let mut unevaluated: Vec<i64> = unevaluated(&c, "main", 100).expect("reads").iter().map(|one| one.target).collect();
        unevaluated.sort_unstable();
        prop_assert_eq!(unevaluated, of_org().filter(|(_, work)| work.waits_for_evaluation()).map(|(id, _)| id).collect::<Vec<_>>());
        let mut held: Vec<_> = leases(&c, "main").expect("reads").iter().map(|lease| (lease.target, lease.token)).collect();
        held.sort_unstable();
        let expected: Vec<_> = of_org().filter_map(|(id, work)| Some((id, work.token?))).collect();
        prop_assert_eq!(held, expected);
    }

    #[test]
    fn whoever_cannot_be_read_is_quarantined_as_if_they_could(targets in targets(), seconds in 0..10_000u64) {
        let again = now() + Duration::from_secs(seconds);
        let all = |c: &Tx| (1..).zip(&targets).try_for_each(|(id, _)| refused(c, id, None, "no", again, now()));
        compare(&targets, all, |target| target.work.clone().refused("no", again, target.has_left, now()))?;
        let lease = |id| Lease { target: id, token: 2, rev: 1 };
        let held = |c: &Tx| (1..).zip(&targets).try_for_each(|(id, _)| {
            refused(c, id, Some(lease(id)), "no", again, now())
        });
        compare(&targets, held, |target| match target.work.is_under(lease(0)) {
            true => target.work.clone().refused("no", again, target.has_left, now()),
            false => target.work.clone(),
        })?;
    }
}

#[test]
fn what_an_earlier_version_has_written_as_never_is_never() {
    let target = Target {
        work: Work::dirtied(
            None,
            &Dirt { priority: Priority::Grant, bucket: "any", cause: crate::domain::Cause::Rules },
            now(),
        ),
        is_of_org: true,
        has_account: false,
        has_left: false,
        is_accepted: false,
        administrator: 0,
    };
    let c = holding(&[target]);
    c.execute("UPDATE work SET due_at = ?1", [i64::MAX]).expect("writes");
    assert_eq!(load(&c, 1).expect("reads").expect("is there").due_at, NEVER);
}
