//! What commands say is so: they are asked after each thing that was done, and compared with what both sides hold.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::domain::ChangeKind;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Hr, Person, Status as Hired};
use namely_okta_sync::sandbox::world::today;
use namely_okta_sync::store::vitals;
use serde_json::Value;

fn cli(rig: &Rig, args: &[&str]) -> String {
    let config = config_file(&rig.world, rig.folder.path());
    let output = program().args(args).arg("--config").arg(config).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn json(rig: &Rig, args: &[&str]) -> Value {
    let text = cli(rig, &[args, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// People at work who are nobody's manager.
fn workers(rig: &Rig) -> Vec<usize> {
    let people = &rig.setup.people;
    let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
    (0..people.len()).filter(|n| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n)).collect()
}

fn status(rig: &Rig, anchor: &str) -> Option<Status> {
    let mut okta = rig.world.okta.core();
    okta.settle(rig.world.clock.now());
    okta.user_by_anchor(anchor).map(|user| user.status)
}

fn dial(rig: &Rig, anchor: &str) -> Value {
    rig.world.okta.core().user_by_anchor(anchor).expect("an account").profile["primaryPhone"].clone()
}

#[test]
fn what_somebody_has_decided_is_told_as_decided_and_never_as_what_namely_says() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let [undone, ended] = [0, 1].map(|n| rig.setup.people[workers(&rig)[n]].clone());
        let before = dial(&rig, &undone.id);
        rig.edit(workers(&rig)[0], |p| p.direct_dial = "+1 555 321".into());
        rig.until("the number is there", async |rig| dial(rig, &undone.id) == "+1 555 321").await;
        rig.until("it is proved", async |rig| rig.backlog().await == 0).await;
        let shown = json(&rig, &["undo", "--person", &undone.email]);
        let code = shown["code"].as_str().expect("a code").to_owned();
        cli(&rig, &["pause", "--why", "night", "--by", "Otto"]);
        let said = cli(&rig, &["undo", "--person", &undone.email, "--apply", &code, "--by", "Ann"]);
        assert!(
            said.contains("it waits") && said.contains("paused by Otto: night") && said.contains("`resume 1`"),
            "{said}"
        );
        let paused = cli(&rig, &["status"]);
        assert!(!paused.contains("done in"), "{paused}");
        cli(&rig, &["resume", "1", "--by", "Otto"]);
        rig.until("it is taken back", async |rig| dial(rig, &undone.id) == before).await;
        // A leaver of HR's counts against the limit, and whose access somebody has ended does not.
        rig.edit(workers(&rig)[2], |p| p.status = Hired::Inactive);
        cli(&rig, &["end-access", &ended.id, "--why", "stolen laptop", "--by", "Ben"]);
        let left = rig.setup.people[workers(&rig)[2]].id.clone();
        for one in [&ended.id, &left] {
            rig.until("access has ended", async |rig| status(rig, one) == Some(Status::Deprovisioned)).await;
        }
        rig.until("both are proved", async |rig| rig.backlog().await == 0).await;
        let report = json(&rig, &["reconcile"])[0].clone();
        assert_eq!((&report["by_decision"], &report["in_agreement"]), (&2.into(), &10.into()), "{report:#}");
        assert_eq!((&report["counts"]["by_decision"], &report["people"]), (&2.into(), &12.into()), "{report:#}");
        let said = cli(&rig, &["reconcile", "--all"]);
        assert!(said.contains("10 of 12 people as Namely says, 2 by decision;"), "{said}");
        let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
        let used = rig.store().run(move |c| Ok(vitals(c, &rules, now)?.safeguards)).await.expect("reads");
        let ends = used.iter().filter(|limit| limit.change == ChangeKind::Deactivate).map(|limit| limit.so_far);
        assert_eq!(ends.max(), Some(1), "somebody has decided about the other one");
        let waits = cli(&rig, &["attention"]);
        assert!(waits.contains(&format!("restore-access \"{}\" --why TEXT", ended.email)), "{waits}");
        let rows = report["rows"].to_string();
        for word in ["stolen laptop", "primaryPhone", "asked for by Ann", "undo --release --person", "restore-access"] {
            assert!(rows.contains(word), "{word}: {rows}");
        }
        for (who, word) in [(&undone, "an undo keeps it so: primaryPhone"), (&ended, "access was ended by Ben")] {
            let last = json(&rig, &["timeline", &who.id]).as_array().and_then(|rows| rows.last().cloned());
            let last = last.expect("a row")["message"].to_string();
            assert!(last.contains("which is not what Namely says") && last.contains(word), "{last}");
            let said = cli(&rig, &["explain", &who.id]);
            assert!(
                said.contains("entitled in Namely") && said.contains("by decision") && said.contains(word),
                "{said}"
            );
        }
        // Let go, and the end is taken back: nobody's decision any more.
        cli(&rig, &["undo", "--release", "--person", &undone.id, "--by", "Ann"]);
        cli(&rig, &["restore-access", &ended.id, "--why", "found", "--by", "Ben"]);
        rig.until("Namely decides", async |rig| {
            dial(rig, &undone.id) == "+1 555 321" && status(rig, &ended.id) != Some(Status::Deprovisioned)
        })
        .await;
        rig.until("both are done", async |rig| rig.backlog().await == 0).await;
        assert!(cli(&rig, &["reconcile"]).contains("12 of 12 people as Namely says;"), "{}", cli(&rig, &["reconcile"]));
        assert!(!cli(&rig, &["explain", &undone.id]).contains("by decision"));
    });
}

#[test]
fn two_people_of_one_name_are_told_apart_before_anything_is_told_of_them() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let [one, other] = [workers(&rig)[0], workers(&rig)[1]];
        for person in [one, other] {
            rig.edit(person, |p| (p.first_name, p.last_name) = ("Ana".into(), "Silva".into()));
        }
        rig.quiet().await;
        let ids = [one, other].map(|n| rig.setup.people[n].id.clone());
        for args in [
            &["timeline", "Ana Silva"][..],
            &["undo", "--person", "Ana Silva"],
            &["end-access", "Ana Silva", "--why", "left", "--by", "Ann"],
        ] {
            let said = cli(&rig, args);
            assert!(said.contains("is several people") && ids.iter().all(|id| said.contains(id)), "{args:?}: {said}");
        }
        let said = cli(&rig, &["timeline", &ids[0]]);
        assert!(said.contains("Okta holds what Namely says"), "{said}");
    });
}

/// Calls about people that have reached Okta, without what the service asks by itself now and then.
fn calls(rig: &Rig) -> Vec<String> {
    let okta = rig.world.okta.core();
    okta.history().of_work().map(|exchange| format!("{} {}", exchange.method, exchange.path)).collect()
}

fn hire(rig: &Rig, seed: u64, manager: usize) -> Person {
    let joiner = Hr::new(seed, today(rig.world.clock.now())).joiner(1);
    let joiner = Person { email: format!("joiner{seed}@example.com"), manager: Some(manager), ..joiner };
    rig.hire(joiner.clone());
    joiner
}

#[test]
fn a_plan_says_as_many_calls_as_are_sent_when_it_is_carried_out() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(24)).await;
        let [leaver, mover, absent, returns] = [0, 1, 2, 3].map(|n| workers(&rig)[n]);
        rig.edit(returns, |p| p.status = Hired::Inactive);
        rig.quiet().await;
        type Change<'c> = (&'c str, Box<dyn Fn(&Rig) + 'c>);
        let changes: [Change; 5] = [
            ("a hire with a manager", Box::new(|rig| drop(hire(rig, 7, 0)))),
            ("a transfer", Box::new(|rig| rig.edit(mover, |p| p.department = (p.department + 1) % 8))),
            ("a leaver", Box::new(|rig| rig.edit(leaver, |p| p.status = Hired::Inactive))),
            ("a leave", Box::new(|rig| rig.edit(absent, |p| p.on_leave = true))),
            ("a return", Box::new(|rig| rig.edit(returns, |p| p.status = Hired::Active))),
        ];
        let mut pause = 0;
        for (what, change) in changes {
            cli(&rig, &["pause", "--why", "looked at first", "--by", "Otto"]);
            pause += 1;
            change(&rig);
            rig.until(what, async |rig| !json(rig, &["plan"])["people"].as_array().expect("people").is_empty()).await;
            let plan = json(&rig, &["plan"]);
            let before = calls(&rig).len();
            cli(&rig, &["resume", &pause.to_string(), "--by", "Otto"]);
            rig.until("it is done", async |rig| rig.backlog().await == 0).await;
            rig.quiet().await;
            let sent = calls(&rig)[before..].to_vec();
            assert_eq!(plan["summary"]["calls"], sent.len(), "{what}: {sent:#?}\n{plan:#}");
        }
    });
}

#[test]
fn a_call_that_okta_has_carried_out_is_not_told_as_one_that_was_never_answered() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let who = workers(&rig)[0];
        let anchor = rig.setup.people[who].id.clone();
        for status in [Hired::Inactive, Hired::Active, Hired::Inactive] {
            rig.edit(who, |p| p.status = status);
            rig.quiet().await;
        }
        assert_eq!(status(&rig, &anchor), Some(Status::Deprovisioned));
        let said = cli(&rig, &["explain", &anchor]);
        assert!(said.contains("carried out: it may land once more") && !said.contains("never received"), "{said}");
    });
}

#[test]
fn whoever_asks_for_something_is_told_what_it_waits_for_and_who_lets_it_go_on() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let who = workers(&rig)[0];
        let anchor = rig.setup.people[who].id.clone();
        rig.world.namely.core().vanish(who);
        rig.until("they are missing", async |rig| cli(rig, &["missing", "list"]).contains(&anchor)).await;
        cli(&rig, &["pause", "--change", "deactivate", "--why", "night", "--by", "Otto"]);
        let said = cli(&rig, &["missing", "end", &anchor, "--why", "left", "--by", "Ann"]);
        assert!(said.contains("it waits: every deactivate in every org is paused by Otto: night, since 20"), "{said}");
        assert!(said.contains("an operator lets it go on with `resume 1`"), "{said}");
        cli(&rig, &["resume", "--by", "Otto"]);
        rig.until("access ends", async |rig| status(rig, &anchor) == Some(Status::Deprovisioned)).await;
    });
}

#[test]
fn what_somebody_types_as_a_name_moves_no_cursor_whatever_is_asked_about_them() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let n = workers(&rig)[0];
        let id = rig.setup.people[n].id.clone();
        rig.edit(n, |p| p.last_name = "Sil\u{1b}[2Jva\u{202e}x".into());
        let is_there = |okta: &Value| okta["lastName"].to_string().contains("Sil");
        rig.until("the name is there", async |rig| {
            is_there(&serde_json::json!(rig.world.okta.core().user_by_anchor(&id).expect("an account").profile))
        })
        .await;
        rig.until("it is proved", async |rig| rig.backlog().await == 0).await;
        for args in [&["explain", &id][..], &["mapping", "test", &id], &["links", "list"], &["timeline", &id]] {
            let text = cli(&rig, args);
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{args:?}: {text:?}");
            assert!(text.contains("Sil\\u{1b}[2Jva"), "{args:?}: {text}");
        }
    });
}
