//! What Okta does not allow is said with what it is about, which permission it takes, and the command; and nobody waits for long once
//! it is allowed.

use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::faults::Fault;
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Status as Hired};
use std::time::Duration;

#[test]
fn a_refused_membership_names_group_permission_and_command_and_all_are_tried_soon_after_it_is_allowed() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(30)).await;
        let rights = [("PUT", "add_group"), ("DELETE", "remove_group")];
        for (method, step) in rights {
            let denied = Fault::denied(method, "/api/v1/groups/*/users/*");
            let denied = rig.world.okta.core().faults.add(denied);
            let people = &rig.setup.people;
            let works = |n: &usize| people[*n].status == Hired::Active && !people[*n].on_leave;
            let movers: Vec<usize> = (0..people.len()).filter(works).take(2).collect();
            movers.iter().for_each(|n| rig.edit(*n, |p| p.department = (p.department + 1) % DEPARTMENTS.len()));
            // Each was refused twice: from here on it is a quarter of an hour until their own next try.
            let tried = "SELECT w.reason, CAST(w.attempt AS TEXT) FROM work w WHERE w.state = 1";
            rig.until("both were tried twice", async |rig| {
                let waiting = rig.pairs(tried).await;
                waiting.len() == 2 && waiting.iter().all(|(_, attempt)| attempt.parse::<i64>().is_ok_and(|n| n >= 2))
            })
            .await;
            for (why, _) in rig.pairs(tried).await {
                let words = [
                    step,
                    "\"Department ",
                    "HTTP 403 E0000006",
                    "okta.groups.members.manage",
                    "`check`",
                    "`quarantine retry --all`",
                ];
                for word in words {
                    assert!(why.contains(word), "{word} in {why}");
                }
                assert!(!why.contains("administrator, whom") && !why.contains("is an Okta administrator"), "{why}");
            }
            rig.world.okta.core().faults.remove(denied);
            let healed = rig.world.clock.now();
            rig.until("both are done", async |rig| rig.backlog().await == 0 && rig.pairs(tried).await.is_empty()).await;
            let waited = rig.world.clock.now().since(healed);
            assert!(waited < Duration::from_secs(300), "nobody waits for a quarter of an hour: {waited:?}");
        }
    });
}

#[test]
fn a_permission_that_is_not_given_back_is_looked_for_with_one_call_at_a_time() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(30)).await;
        rig.world.okta.core().faults.add(Fault::denied("PUT", "/api/v1/groups/*/users/*"));
        let people = &rig.setup.people;
        let works = |n: &usize| people[*n].status == Hired::Active && !people[*n].on_leave;
        let movers: Vec<usize> = (0..people.len()).filter(works).take(4).collect();
        movers.iter().for_each(|n| rig.edit(*n, |p| p.department = (p.department + 1) % DEPARTMENTS.len()));
        let tried = "SELECT w.reason, CAST(w.attempt AS TEXT) FROM work w WHERE w.state = 1";
        rig.until("all were tried twice", async |rig| {
            let waiting = rig.pairs(tried).await;
            waiting.len() == 4 && waiting.iter().all(|(_, attempt)| attempt.parse::<i64>().is_ok_and(|n| n >= 2))
        })
        .await;
        let refused = || {
            let okta = rig.world.okta.core();
            let puts =
                okta.history().exchanges().iter().filter(|one| one.method == "PUT" && one.path.contains("/groups/"));
            puts.count()
        };
        let before = refused();
        rig.until_later("ten minutes", Duration::from_secs(600)).await;
        let tries = refused() - before;
        assert!((2..=14).contains(&tries), "about one a minute, whoever it is for: {tries}");
    });
}
