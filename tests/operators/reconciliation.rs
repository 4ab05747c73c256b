//! Where Okta is not what Namely says is found, told with who did it, and mended by the same planner.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::store::{OperatorRequest, is_done, request};
use serde_json::Value;
use std::time::Duration;

fn workers(rig: &Rig) -> Vec<usize> {
    let people = &rig.setup.people;
    let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
    (0..people.len()).filter(|n| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n)).collect()
}

fn anchor(rig: &Rig, person: usize) -> String {
    rig.setup.people[person].id.clone()
}

/// The service reads the org again.
async fn reconcile(rig: &Rig) {
    // What was written a moment ago is not evaluated by lists that lag.
    let now = rig.world.clock.now();
    let before = now + Duration::from_secs(61);
    rig.until("lists have caught up", async |rig| rig.world.clock.now() > before).await;
    let now = rig.world.clock.now();
    let id = rig
        .store()
        .run(move |c| request(c, "sandbox", &OperatorRequest::Reconcile, &decider("Ann"), now))
        .await
        .expect("asks");
    rig.until("the org was read", async |rig| rig.store().run(move |c| is_done(c, id)).await.expect("reads").is_some())
        .await;
}

fn cli(rig: &Rig, args: &[&str]) -> (bool, String) {
    let config = config_file(&rig.world, rig.folder.path());
    let output = program().args(args).arg("--config").arg(config).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

fn report(rig: &Rig) -> Value {
    let (_, text) = cli(rig, &["reconcile", "--json"]);
    serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{e}: {text}"))[0].clone()
}

fn profile(rig: &Rig, person: usize, field: &str) -> Value {
    let okta = rig.world.okta.core();
    okta.user_by_anchor(&anchor(rig, person)).expect("an account").profile.get(field).cloned().unwrap_or_default()
}

#[test]
fn what_somebody_did_by_hand_is_found_told_with_who_did_it_and_mended_on_request() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(30)).await;
        let (ok, text) = cli(&rig, &["reconcile"]);
        assert!(ok && text.contains("as Namely says"), "{text}");
        let [titled, left, deleted] = [workers(&rig)[0], workers(&rig)[1], workers(&rig)[2]];
        let title = profile(&rig, titled, "title");
        {
            let (now, mut okta) = (rig.world.clock.now(), rig.world.okta.core());
            okta.edit_by_hand(&anchor(&rig, titled), "title", "Emperor", now);
            okta.remove_by_hand(&anchor(&rig, left), "All Employees", now);
            okta.delete_by_hand(&anchor(&rig, deleted));
        }
        let calls = rig.effects().len();
        reconcile(&rig).await;
        let found = report(&rig);
        let count = |category: &str| found["counts"][category].as_i64().unwrap_or(-1);
        assert_eq!((count("wrong_attributes"), count("wrong_groups"), count("missing")), (1, 1, 1), "{found:#}");
        assert_eq!((count("drift"), count("orphaned")), (3, 0));
        let drift = found["rows"].to_string();
        assert!(drift.contains("it.admin@example.com") && drift.contains("Emperor"), "{drift}");
        assert_eq!(rig.effects().len(), calls, "looking changes nothing");
        let (ok, text) = cli(&rig, &["reconcile", "--fix", "--by", "Ann"]);
        assert!(ok && text.contains("mends 3 people"), "{text}");
        rig.until("all is mended", async |rig| {
            let (has_title, is_in, is_there) = {
                let okta = rig.world.okta.core();
                let user = |n: usize| okta.user_by_anchor(&anchor(rig, n));
                (
                    user(titled).is_some_and(|u| u.profile.get("title") == Some(&title)),
                    user(left).is_some_and(|u| okta.groups_of(&u.id).contains("All Employees")),
                    user(deleted).is_some(),
                )
            };
            has_title && is_in && is_there && rig.backlog().await == 0
        })
        .await;
        assert_eq!(report(&rig)["counts"]["wrong_attributes"], 0);
    });
}

#[test]
fn drift_is_corrected_at_once_where_the_configuration_says_so_and_left_where_an_attribute_says_so() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(20));
        rig.extra = "[reconcile]\ndrift = \"correct\"\n\n[mapping.attributes]\ntitle = { value = \"employee.job_title\", drift = \"adopt\" }\n".into();
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let who = workers(&rig)[0];
        let department = profile(&rig, who, "department");
        {
            let (now, mut okta) = (rig.world.clock.now(), rig.world.okta.core());
            okta.edit_by_hand(&anchor(&rig, who), "title", "Emperor", now);
            okta.edit_by_hand(&anchor(&rig, who), "department", "Palace", now);
        }
        reconcile(&rig).await;
        rig.until("the department is corrected", async |rig| profile(rig, who, "department") == department).await;
        rig.until("nobody is left", async |rig| rig.backlog().await == 0).await;
        assert_eq!(profile(&rig, who, "title"), "Emperor", "left to whoever changed it");
        // Until Namely says something else.
        rig.edit(who, |p| p.title = (p.title + 1) % 4);
        rig.until("the new title is there", async |rig| profile(rig, who, "title") != "Emperor").await;
    });
}

#[test]
fn a_schedule_reads_the_org_and_writes_the_report_in_every_form() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(20));
        let folder = rig.folder.path().join("reports");
        rig.extra = format!("[reconcile]\nschedule = \"* * * * *\"\nfolder = \"{}\"\n", folder.display());
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let forms = || {
            let names = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
            let mut kinds: Vec<String> =
                names.filter_map(|e| Some(e.path().extension()?.to_string_lossy().into_owned())).collect();
            kinds.sort();
            kinds.dedup();
            kinds
        };
        rig.until("the report is there", async |_| forms() == ["csv", "html", "json"]).await;
        rig.until("the audit says so", async |rig| {
            let count = "SELECT count(*) FROM audit WHERE kind = 'reconciled'";
            rig.store().run(move |c| Ok(c.query_row(count, [], |r| r.get::<i64>(0))?)).await.expect("reads") >= 1
        })
        .await;
    });
}

#[test]
fn accounts_of_nobody_are_told_and_never_touched() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(12));
        {
            let now = rig.world.clock.now();
            let mut okta = rig.world.okta.core();
            let seed = |login: &str, anchor: Option<&str>| serde_json::json!({ "login": login, "email": login, "firstName": "Some", "lastName": "Body", "namelyId": anchor });
            okta.seed_user(seed("service@example.com", None), Status::Active, &[], now);
            okta.seed_user(seed("gone@example.com", Some("no-such-profile")), Status::Active, &[], now);
        }
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let found = report(&rig);
        assert_eq!(found["counts"]["orphaned"], 1, "{found:#}");
        assert!(found["rows"].to_string().contains("service@example.com"));
        reconcile(&rig).await;
        assert!(rig.effects().is_empty(), "{:?}", rig.effects());
    });
}

#[test]
fn a_group_that_okta_fills_by_a_rule_is_checked_and_never_written() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(20));
        let base = rig.world.okta.url();
        let token = format!("SSWS {}", namely_okta_sync::sandbox::okta::Options::default().token);
        let group = rig.world.okta.core().group_names().into_iter().find(|(_, name)| *name == "All Employees");
        let client = reqwest::Client::new();
        // A rule that fits nobody owns the group now: from here on it is the rule's.
        let rule = serde_json::json!({
            "type": "group_rule", "name": "everybody", "actions": { "assignUserToGroups": { "groupIds": [group.expect("the group").0] } },
            "conditions": { "expression": { "type": "urn:okta:expression:1.0", "value": "user.department==\"Nowhere\"" } },
        });
        let sent =
            client.post(format!("{base}/api/v1/groups/rules")).header("authorization", &token).json(&rule).send().await;
        assert!(sent.expect("answers").status().is_success());
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        assert_eq!(report(&rig)["counts"]["wrong_groups"], 0);
        let who = workers(&rig)[0];
        let now = rig.world.clock.now();
        rig.world.okta.core().remove_by_hand(&anchor(&rig, who), "All Employees", now);
        reconcile(&rig).await;
        let found = report(&rig);
        assert_eq!(found["counts"]["wrong_groups"], 1, "{found:#}");
        assert!(found["rows"].to_string().contains("look at the rule"), "{found:#}");
        assert_eq!(rig.effects(), ["POST /api/v1/groups/rules"], "the rule itself, and nothing of ours");
    });
}

#[test]
fn somebody_who_is_being_worked_on_is_not_taken_for_drift() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(30)).await;
        let now = rig.world.clock.now();
        // Everybody changes while the org is read: lists show some before and some after.
        for n in 0..30 {
            rig.edit(n, |p| p.direct_dial = "+1 555 999".into());
        }
        let id = rig
            .store()
            .run(move |c| request(c, "sandbox", &OperatorRequest::Reconcile, &decider("Ann"), now))
            .await
            .expect("asks");
        rig.until("the org was read", async |rig| {
            rig.store().run(move |c| is_done(c, id)).await.expect("reads").is_some()
        })
        .await;
        rig.until("everybody is done", async |rig| rig.backlog().await == 0).await;
        let drifted = rig
            .store()
            .run(|c| Ok(c.query_row("SELECT count(*) FROM audit WHERE kind = 'drifted'", [], |r| r.get::<i64>(0))?));
        assert_eq!(drifted.await.expect("reads"), 0);
    });
}
