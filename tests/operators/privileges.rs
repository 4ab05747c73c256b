//! The documented role is enough for a working day; each permission that is taken from it is named, and costs only what needs it.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::privileges::{When, permissions};
use namely_okta_sync::sandbox::okta::users::Status::{Active, Deprovisioned, Provisioned, Suspended};
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Hr, OFFICES, Person, Status};
use namely_okta_sync::sandbox::world::today;
use serde_json::{Value, json};
use std::path::Path;

/// People of one round: one who leaves, one who moves, one who goes on leave, one who is hired.
const ROUND: usize = 3;

/// Permissions that are asked about by name while the service runs: the reads, each of which `check` misses in its own way, and one
/// of the writes. That each of the writes is named by the list of the role is a test beside `check`.
const NAMED: [&str; 5] =
    ["okta.users.read", "okta.groups.read", "okta.iam.read", "okta.apps.read", "okta.users.lifecycle.deactivate"];

fn needed() -> Vec<&'static str> {
    permissions(|when| when != When::Codes)
}

/// What `check` finds wrong with Okta.
async fn wrong(config: &Path) -> Vec<String> {
    let mut check = program();
    check.arg("check").arg("--config").arg(config).arg("--json");
    let output = tokio::task::spawn_blocking(move || check.output().expect("runs")).await.expect("ends");
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let all = said["findings"].as_array().into_iter().flatten().filter(|one| one["ok"] == false);
    all.map(|one| format!("{}: {}", one["what"], one["found"])).collect()
}

/// Somebody who is hired.
fn hired(rig: &Rig, round: usize) -> Person {
    let mut joiner = Hr::new(100 + round as u64, today(rig.world.clock.now())).joiner(1);
    joiner.email = format!("joiner{round}@example.com");
    joiner
}

#[test]
fn the_documented_role_is_enough_for_a_day_and_each_permission_taken_from_it_is_named_and_costs_only_what_needs_it() {
    on_a_system(async {
        let all = needed();
        let clock = Clock::scaled_from_today(60.0);
        let mut setup = Setup { clock, ..Setup::of(20 + ROUND * (all.len() + 2)) };
        setup.okta = setup.okta.with_role(all.clone());
        let mut rig = Rig::new(setup);
        rig.extra = format!(
            "\n[[mapping.apps]]\nname = \"payroll\"\napp = \"Payroll\"\nwhen = \"employee.department == '{}'\"\n",
            DEPARTMENTS[0]
        );
        rig.world.okta.core().seed_app("Payroll", &[], rig.world.clock.now());
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let config = config_file(&rig.world, rig.folder.path());
        let text = std::fs::read_to_string(&config).expect("reads") + &rig.extra;
        std::fs::write(&config, text).expect("writes");
        assert_eq!(wrong(&config).await, Vec::<String>::new(), "the documented role is enough");

        let (client, switch) = (reqwest::Client::new(), format!("{}/_role", rig.world.okta.url()));
        let working: Vec<usize> = (0..rig.setup.people.len())
            .filter(|n| rig.setup.people[*n].status == Status::Active && !rig.setup.people[*n].is_manager())
            .collect();
        let mut rounds = working.chunks_exact(ROUND);
        let mut hires = Vec::new();
        for (round, missing) in [None].into_iter().chain(all.iter().map(Some)).enumerate() {
            let left: Vec<&str> = all.iter().copied().filter(|one| Some(one) != missing).collect();
            let turned = client.put(&switch).json(&left).send().await.expect("answers");
            assert!(turned.status().is_success(), "{turned:?}");
            if let Some(missing) = missing.filter(|missing| NAMED.contains(missing)) {
                let found = wrong(&config).await;
                assert!(found.iter().any(|why| why.contains(*missing)), "{missing} is not named: {found:?}");
            }
            let [leaver, mover, absent] = rounds.next().expect("enough people") else { panic!() };
            rig.edit(*leaver, |person| person.status = Status::Inactive);
            rig.edit(*mover, |person| {
                person.department = (person.department + 1) % DEPARTMENTS.len();
                person.office = (person.office + 1) % OFFICES.len();
            });
            rig.edit(*absent, |person| person.on_leave = true);
            hires.push(hired(&rig, round));
            rig.hire(hires[round].clone());
            let anchor = rig.setup.people[*leaver].id.clone();
            let out = format!("whoever leaves is out without {missing:?}");
            rig.until_okta(&out, |okta| {
                okta.user_by_anchor(&anchor).is_some_and(|user| [Deprovisioned, Suspended].contains(&user.status))
            })
            .await;
        }
        let turned = client.put(&switch).json(&json!(all)).send().await.expect("answers");
        assert!(turned.status().is_success(), "{turned:?}");
        // Whoever waits for a permission is woken by calls that go through; one who waits alone is tried again in a quarter of an hour,
        // or when somebody says so.
        let [leaver, mover, absent] = rounds.next().expect("enough people") else { panic!() };
        rig.edit(*leaver, |person| person.status = Status::Inactive);
        rig.edit(*mover, |person| person.department = (person.department + 1) % DEPARTMENTS.len());
        rig.edit(*absent, |person| person.on_leave = true);
        rig.until("the others are done", async |rig| rig.backlog().await == 0).await;
        let mut retry = program();
        retry.args(["quarantine", "retry", "--all", "--by", "ann", "--config"]).arg(&config);
        let retried = tokio::task::spawn_blocking(move || retry.output().expect("runs")).await.expect("ends");
        assert!(retried.status.success(), "{}", String::from_utf8_lossy(&retried.stderr));
        let last = working.chunks_exact(ROUND).nth(all.len()).expect("a last round");
        let (mover, anchor) = (&rig.setup.people[last[1]], |n: usize| &rig.setup.people[n].id);
        let moved = DEPARTMENTS[(mover.department + 1) % DEPARTMENTS.len()];
        rig.until_okta("the last round is seen", |okta| {
            let user = |n: usize| okta.user_by_anchor(anchor(n)).expect("an account");
            user(last[1]).profile["department"] == moved && user(last[2]).status == Suspended
        })
        .await;
        rig.until("what waited is done", async |rig| {
            rig.backlog().await == 0 && rig.quarantined().await.is_empty() && rig.service().readiness.is_ready()
        })
        .await;
        let okta = rig.world.okta.core();
        for (round, people) in working.chunks_exact(ROUND).take(all.len() + 1).enumerate() {
            let user = |n: usize| okta.user_by_anchor(&rig.setup.people[n].id).expect("an account");
            assert_eq!(user(people[0]).status, Deprovisioned, "the leaver of round {round}");
            let department = DEPARTMENTS[(rig.setup.people[people[1]].department + 1) % DEPARTMENTS.len()];
            assert_eq!(user(people[1]).profile["department"], department, "the mover of round {round}");
            assert_eq!(user(people[2]).status, Suspended, "on leave since round {round}");
            let joiner = okta.user_by_anchor(&hires[round].id);
            let works = joiner.is_some_and(|user| [Active, Provisioned].contains(&user.status));
            assert!(works, "the joiner of round {round}: {joiner:?}");
        }
    });
}
