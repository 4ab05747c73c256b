//! What was done can be taken back: shown first, done through the safeguards, and kept until Namely says something new.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::domain::plan::leaver::WhyAccess;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Hr, Status as Hired};
use namely_okta_sync::sandbox::world::today;
use namely_okta_sync::store::{Ballot, holds, leavers_with_access, vote};
use serde_json::Value;
use std::time::Duration;

fn workers(rig: &Rig) -> Vec<usize> {
    let people = &rig.setup.people;
    let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
    (0..people.len()).filter(|n| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n)).collect()
}

fn cli(rig: &Rig, args: &[&str]) -> (bool, String) {
    let config = config_file(&rig.world, rig.folder.path());
    let output = program().args(args).arg("--config").arg(config).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// Shows an undo, and asks for exactly what was shown.
fn take_back(rig: &Rig, scope: &[&str]) -> (bool, String) {
    let shown = cli(rig, &[&["undo"], scope, &["--json"]].concat()).1;
    let shown: Value = serde_json::from_str(&shown).unwrap_or_else(|e| panic!("{e}: {shown}"));
    let code = shown["code"].as_str().expect("a code");
    let (ok, message) = cli(rig, &[&["undo"], scope, &["--apply", code, "--by", "Ann"]].concat());
    (ok, shown.to_string() + &message)
}

fn status(rig: &Rig, anchor: &str) -> Option<Status> {
    let mut okta = rig.world.okta.core();
    okta.settle(rig.world.clock.now());
    okta.user_by_anchor(anchor).map(|user| user.status)
}

fn is_in(rig: &Rig, anchor: &str, group: &str) -> bool {
    let okta = rig.world.okta.core();
    okta.user_by_anchor(anchor).is_some_and(|user| okta.groups_of(&user.id).contains(group))
}

async fn approve(rig: &Rig) {
    let (now, rules) = (rig.world.clock.now(), rig.store().rules().load());
    rig.store()
        .run(move |c| {
            let (hold, by) = (holds(c, false)?.remove(0), decider("Ann"));
            vote(c, &rules, &Ballot { hold: hold.id, approve: true, seen: &hold.code, only: None, by: &by }, now)
        })
        .await
        .expect("votes");
}

#[test]
fn a_move_is_taken_back_and_stays_so_until_namely_says_something_new() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(20)).await;
        let who = workers(&rig)[0];
        let person = rig.setup.people[who].clone();
        let (old, new) = (person.department, (person.department + 1) % 8);
        let group = |n: usize| format!("Department {}", DEPARTMENTS[n]);
        rig.edit(who, |p| p.department = new);
        rig.until("they have moved", async |rig| is_in(rig, &person.id, &group(new)) && rig.backlog().await == 0).await;
        assert!(!is_in(&rig, &person.id, &group(old)));
        let (ok, text) = cli(&rig, &["undo", "--person", &person.email]);
        assert!(
            ok && text.contains(&format!("into group \"{}\"", group(old))) && text.contains("nothing was done"),
            "{text}"
        );
        let effects = rig.effects().len();
        rig.quiet().await;
        assert_eq!(rig.effects().len(), effects, "showing does nothing");
        let (ok, text) = take_back(&rig, &["--person", &person.email]);
        assert!(ok && text.contains("asked for"), "{text}");
        rig.until("they are back", async |rig| {
            is_in(rig, &person.id, &group(old)) && !is_in(rig, &person.id, &group(new)) && rig.backlog().await == 0
        })
        .await;
        rig.quiet().await;
        assert!(is_in(&rig, &person.id, &group(old)), "Namely still says otherwise, and it stays");
        rig.edit(who, |p| p.direct_dial = "+1 555 321".into());
        rig.until("Namely has the last word again", async |rig| is_in(rig, &person.id, &group(new))).await;
    });
}

#[test]
fn a_termination_is_taken_back_only_with_an_approval_and_says_what_does_not_come_back() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(20)).await;
        let who = workers(&rig)[0];
        let person = rig.setup.people[who].clone();
        rig.edit(who, |p| p.status = Hired::Inactive);
        rig.until("they have left", async |rig| {
            status(rig, &person.id) == Some(Status::Deprovisioned)
                && !is_in(rig, &person.id, "All Employees")
                && rig.backlog().await == 0
        })
        .await;
        let (ok, text) = take_back(&rig, &["--person", &person.email]);
        assert!(ok && text.contains("does not come back") && text.contains("activated"), "{text}");
        rig.until("it is held", async |rig| rig.store().backlog().await.expect("reads").held == 1).await;
        assert_eq!(status(&rig, &person.id), Some(Status::Deprovisioned));
        approve(&rig).await;
        rig.until("they are back", async |rig| {
            matches!(status(rig, &person.id), Some(Status::Active | Status::Provisioned))
                && is_in(rig, &person.id, "All Employees")
                && rig.backlog().await == 0
        })
        .await;
        let (rules, later) = (rig.store().rules().load(), rig.world.clock.now() + Duration::from_secs(600));
        let access = rig.store().run(move |c| leavers_with_access(c, &rules, later)).await.expect("reads");
        let message =
            access.iter().map(|one| (one.why, one.message.starts_with("by decision of Ann at 20"))).collect::<Vec<_>>();
        assert_eq!(message, [(WhyAccess::ByDecision, true)], "{access:?}");
        let state = |pack: &str| {
            let folder = rig.folder.path().join(pack);
            let to = folder.display().to_string();
            let (ok, text) = cli(&rig, &["evidence", "--from", "1d", "--to", "2999-01-01", "-o", &to]);
            assert!(ok, "{text}");
            let leavers = std::fs::read_to_string(folder.join("leavers.csv")).expect("leavers");
            leavers.lines().find(|line| line.contains(&person.id)).expect("the leaver").to_owned()
        };
        let kept = state("kept");
        assert!(kept.contains("kept by decision") && kept.contains("Ann") && !kept.contains("proved"), "{kept}");
        let (ok, _) = cli(&rig, &["undo", "--release", "--person", &person.email, "--by", "Ann"]);
        assert!(ok);
        rig.until("Namely has the last word again", async |rig| status(rig, &person.id) == Some(Status::Deprovisioned))
            .await;
        rig.until("that is proved", async |rig| rig.backlog().await == 0).await;
        let over = state("over");
        assert!(over.contains("revoked and proved"), "{over}");
        let (_, text) = cli(&rig, &["timeline", &person.email]);
        assert!(text.contains("what was before is pinned") && text.contains("follows Namely again"), "{text}");
    });
}

#[test]
fn an_account_that_was_made_by_mistake_is_ended_again() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let mut joiner = Hr::new(7, today(rig.world.clock.now())).joiner(1);
        joiner.email = "joiner7@example.com".into();
        rig.hire(joiner.clone());
        rig.until("the account is there", async |rig| status(rig, &joiner.id).is_some() && rig.backlog().await == 0)
            .await;
        let (ok, text) = take_back(&rig, &["--from", "1h"]);
        assert!(ok && text.contains("deactivated, not deleted"), "{text}");
        rig.until("it is ended", async |rig| status(rig, &joiner.id) == Some(Status::Deprovisioned)).await;
    });
}

#[test]
fn an_undo_that_ends_more_accounts_than_the_limit_allows_waits_like_everything_else() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(12));
        rig.extra = "[[safeguards.limits]]\nchange = \"deactivate\"\npeople = 2\nper = \"hour\"\n".into();
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let mut hr = Hr::new(7, today(rig.world.clock.now()));
        let joiners: Vec<_> = (1..=3)
            .map(|n| {
                let mut joiner = hr.joiner(1);
                joiner.email = format!("joiner{n}@example.com");
                joiner
            })
            .collect();
        joiners.iter().for_each(|joiner| rig.hire(joiner.clone()));
        let all = |rig: &Rig, wanted: Status| joiners.iter().all(|joiner| status(rig, &joiner.id) == Some(wanted));
        let made = |rig: &Rig| joiners.iter().all(|joiner| status(rig, &joiner.id).is_some());
        rig.until("the accounts are there", async |rig| made(rig) && rig.backlog().await == 0).await;
        let before: Vec<_> = joiners.iter().map(|joiner| status(&rig, &joiner.id)).collect();
        let (ok, text) = take_back(&rig, &["--from", "1h"]);
        assert!(ok, "{text}");
        rig.until("all three wait", async |rig| rig.store().backlog().await.expect("reads").held == 3).await;
        let hold = rig.store().run(|c| Ok(holds(c, false)?.remove(0))).await.expect("reads");
        assert_eq!((hold.change.as_str(), hold.people), ("deactivate", 3), "{hold:?}");
        assert!(hold.why.contains("at most 2"), "{hold:?}");
        rig.quiet().await;
        assert_eq!(joiners.iter().map(|joiner| status(&rig, &joiner.id)).collect::<Vec<_>>(), before);
        approve(&rig).await;
        rig.until("they are ended", async |rig| all(rig, Status::Deprovisioned)).await;
    });
}

#[test]
fn nothing_is_taken_back_without_saying_what() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let (ok, text) = cli(&rig, &["undo"]);
        assert!(!ok && text.contains("--run, --person, --row, or --from"), "{text}");
        let (ok, text) = cli(&rig, &["undo", "--run", "7"]);
        assert!(!ok && text.contains("there is no run 7"), "{text}");
    });
}

#[test]
fn an_undo_is_refused_when_something_was_done_since_it_was_shown() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(20)).await;
        let who = workers(&rig)[0];
        let person = rig.setup.people[who].clone();
        let number = |rig: &Rig| {
            let okta = rig.world.okta.core();
            okta.user_by_anchor(&person.id).expect("an account").profile["primaryPhone"].clone()
        };
        let first = number(&rig);
        rig.edit(who, |p| p.direct_dial = "+1 555 1".into());
        rig.until("it is written", async |rig| number(rig) == "+1 555 1" && rig.backlog().await == 0).await;
        let shown: Value =
            serde_json::from_str(&cli(&rig, &["undo", "--person", &person.email, "--json"]).1).expect("JSON");
        assert_eq!(shown["restores"][0]["restores"].as_array().map(Vec::len), Some(1), "{shown}");
        rig.edit(who, |p| p.department = (p.department + 1) % 8);
        rig.until("they have moved too", async |rig| {
            is_in(rig, &person.id, &format!("Department {}", DEPARTMENTS[(person.department + 1) % 8]))
                && rig.backlog().await == 0
        })
        .await;
        let code = shown["code"].as_str().expect("a code");
        let stale = ["undo", "--person", &person.email, "--apply", code, "--by", "Ann"];
        let (ok, text) = cli(&rig, &stale);
        assert!(!ok && text.contains("not what") && text.contains("the newest call"), "{text}");
        let (ok, text) = cli(&rig, &["undo", "--person", &person.email, "--apply", "00000000", "--by", "Ann"]);
        assert!(!ok && text.contains("its code is"), "{text}");
        rig.quiet().await;
        assert_eq!(number(&rig), "+1 555 1", "nothing was taken back");
        let row = "SELECT seq FROM audit WHERE kind = 'effect' AND row LIKE '%+1 555 1%' LIMIT 1";
        let row = rig.store().run(move |c| Ok(c.query_row(row, [], |r| r.get::<i64>(0))?)).await.expect("reads");
        let (ok, text) = take_back(&rig, &["--row", &row.to_string()]);
        assert!(ok && text.contains("asked for"), "{text}");
        rig.until("that row alone is taken back", async |rig| number(rig) == first && rig.backlog().await == 0).await;
    });
}
