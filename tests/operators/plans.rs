//! What would be done is shown before it is done, and what was approved is done exactly.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, on_a_system};
use crate::common::running::Running;
use crate::common::wait::wait_until;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Hr, Person, Status as Hired};
use namely_okta_sync::sandbox::world::today;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn observing(n: usize) -> Setup {
    let cut: fn(String) -> String = |text| {
        let end = text.find("# Scenarios change most").expect("the raised limits");
        format!("{}\n[safeguards]\nmode = \"observe\"\n", &text[..end])
    };
    Setup { rewrite: cut, ..Setup::of(n) }
}

/// The program on the store of a rig.
struct Cli {
    config: PathBuf,
}

impl Cli {
    fn of(rig: &Rig) -> Self {
        Self { config: config_file(&rig.world, rig.folder.path()) }
    }

    fn run(&self, args: &[&str]) -> (bool, String) {
        let output = program().args(args).arg("--config").arg(&self.config).output().expect("runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    }

    /// The same, while the service of the rig goes on.
    async fn run_beside(&self, args: &[&str]) -> (bool, String) {
        let (args, config): (Vec<String>, _) = (args.iter().map(|a| (*a).to_owned()).collect(), self.config.clone());
        let run = move || {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            Cli { config }.run(&args)
        };
        tokio::task::spawn_blocking(run).await.expect("runs")
    }

    fn json(&self, args: &[&str]) -> Value {
        let (_, text) = self.run(&[args, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }
}

/// A leaver, a mover and somebody with another number, none of whom is a manager, seen by a service that only observes.
async fn three_changes() -> (Rig, Cli, [usize; 3]) {
    let mut rig = Rig::new(observing(30));
    rig.run().await;
    rig.until("both sides were read", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    let people = &rig.setup.people;
    let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
    let mut workers =
        (0..people.len()).filter(|n| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n));
    let who = [(); 3].map(|()| workers.next().expect("a worker"));
    drop(workers);
    rig.edit(who[0], |p| p.status = Hired::Inactive);
    rig.edit(who[1], |p| p.department = (p.department + 1) % 8);
    rig.edit(who[2], |p| p.direct_dial = "+1 555 123".into());
    rig.until("all three are seen", async |rig| {
        let held = rig.store().backlog().await.expect("reads").held;
        held == 3 && rig.backlog().await == 0
    })
    .await;
    let cli = Cli::of(&rig);
    (rig, cli, who)
}

fn status(rig: &Rig, person: usize) -> Status {
    rig.world.okta.core().user_by_anchor(&rig.setup.people[person].id).expect("an account").status
}

fn number(rig: &Rig, person: usize) -> Value {
    let okta = rig.world.okta.core();
    okta.user_by_anchor(&rig.setup.people[person].id).expect("an account").profile["primaryPhone"].clone()
}

fn file(folder: &Path) -> String {
    folder.join("plan.json").display().to_string()
}

#[test]
fn a_plan_shows_everything_and_writes_nothing() {
    on_a_system(async {
        let (rig, cli, who) = three_changes().await;
        let plan = cli.json(&["plan"]);
        let kinds = &plan["summary"]["kinds"];
        assert_eq!(
            ["deactivate", "remove_group", "change_attributes", "change_contact"].map(|kind| &kinds[kind]),
            [&Value::from(1); 4]
        );
        let leaver =
            plan["people"].as_array().expect("people").iter().find(|p| p["profile"] == rig.setup.people[who[0]].id);
        assert_eq!(leaver.expect("the leaver")["changes"]["deactivate"][0], "access ends");
        let (ok, text) = cli.run(&["plan"]);
        assert!(ok && text.contains("takes something from somebody") && text.contains("primaryPhone"), "{text}");
        let one = cli.json(&["plan", "--person", &rig.setup.people[who[2]].email]);
        assert_eq!(one["people"].as_array().map(Vec::len), Some(1));
        assert!(rig.effects().is_empty(), "{:?}", rig.effects());
    });
}

#[test]
fn a_saved_plan_is_applied_for_whoever_has_not_moved_and_to_nobody_else() {
    on_a_system(async {
        let (rig, cli, who) = three_changes().await;
        let plan = file(rig.folder.path());
        assert!(cli.run(&["plan", "-o", &plan]).0);
        // HR goes on: one of the three is changed once more, and somebody else is changed for the first time.
        rig.edit(who[2], |p| p.direct_dial = "+1 555 456".into());
        rig.until("it is seen", async |_| cli.json(&["plan"]).to_string().contains("555 456")).await;
        let (ok, text) = cli.run(&["apply", &plan, "--strict", "--by", "Ann"]);
        assert!(!ok && text.contains("nothing was approved"), "{text}");
        rig.quiet().await;
        assert!(rig.effects().is_empty(), "{:?}", rig.effects());
        let (ok, text) = cli.run_beside(&["apply", &plan, "--by", "Ann", "--wait", "60"]).await;
        assert!(ok && text.contains("555 456") && text.contains("2 of 2 people are as the plan says"), "{text}");
        assert_eq!(status(&rig, who[0]), Status::Deprovisioned);
        assert_ne!(number(&rig, who[2]), "+1 555 123");
        assert_ne!(number(&rig, who[2]), "+1 555 456");
        let effects = rig.effects().len();
        rig.quiet().await;
        assert_eq!(rig.effects().len(), effects, "only what was approved");
        let message = rig
            .store()
            .run(|c| Ok(c.query_row("SELECT row FROM audit WHERE kind = 'approved'", [], |r| r.get::<String>(0))?));
        assert!(message.await.expect("audited").contains("\"by\":\"Ann\""));
    });
}

#[test]
fn a_plan_that_one_person_approves_does_not_decide_about_an_administrator() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(30));
        let people = &rig.setup.people;
        let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
        let who = (0..30).find(|n| people[*n].status == Hired::Active && !manages(*n)).expect("a worker");
        // Three who could mend it are left.
        people.iter().take(4).chain([&people[who]]).for_each(|p| rig.world.okta.core().seed_administrator(&p.id));
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        rig.edit(who, |p| p.status = Hired::Inactive);
        let held = async |rig: &Rig| rig.store().backlog().await.expect("reads").held == 1;
        rig.until("the administrator is held", held).await;
        let (cli, plan) = (Cli::of(&rig), file(rig.folder.path()));
        assert!(cli.run(&["plan", "-o", &plan]).0);
        let (ok, text) = cli.run_beside(&["apply", &plan, "--by", "Ann"]).await;
        assert!(ok && text.contains("deactivate needs 2 people"), "{text}");
        let approved = "SELECT count(*) FROM audit WHERE kind = 'approved'";
        let count =
            async |rig: &Rig| rig.store().run(move |c| Ok(c.query_row(approved, [], |r| r.get::<i64>(0))?)).await;
        rig.until("the approval is seen", async |rig| count(rig).await.expect("reads") == 1).await;
        rig.until("they are held again", async |rig| held(rig).await && rig.backlog().await == 0).await;
        rig.quiet().await;
        assert_eq!(status(&rig, who), Status::Suspended, "one of two people");
    });
}

#[test]
fn a_part_of_a_plan_can_be_approved() {
    on_a_system(async {
        let (rig, cli, who) = three_changes().await;
        let plan = file(rig.folder.path());
        assert!(cli.run(&["plan", "-o", &plan]).0);
        // Of the mover only the new group: what the old one gave stays.
        let mover = rig.setup.people[who[1]].email.clone();
        let (ok, text) = cli.run(&["apply", &plan, "--by", "Ann", "--person", &mover, "--change", "everything"]);
        assert!(!ok && text.contains("not a kind of change"), "{text}");
        let part = ["apply", &plan, "--by", "Ann", "--person", &mover, "--change", "add_group"];
        let (ok, text) = cli.run_beside(&part).await;
        assert!(ok && text.contains("1 people approved"), "{text}");
        rig.until("the mover is in the new group", async |rig| !rig.effects().is_empty()).await;
        rig.quiet().await;
        assert!(rig.effects().iter().all(|call| call.starts_with("PUT /api/v1/groups/")), "{:?}", rig.effects());
        let login = rig.setup.people[who[2]].email.clone();
        let (ok, text) = cli.run_beside(&["apply", &plan, "--by", "Ann", "--wait", "60", "--person", &login]).await;
        assert!(ok && text.contains("1 of 1"), "{text}");
        assert_eq!(number(&rig, who[2]), "+1 555 123");
        assert_eq!(status(&rig, who[0]), Status::Active);
        let (ok, text) = cli.run(&["apply", &plan, "--by", "Ann", "--person", "nobody@example.com"]);
        assert!(!ok && text.contains("not in the plan"), "{text}");
    });
}

#[test]
fn a_plan_that_was_edited_or_has_expired_or_is_of_other_rules_is_refused() {
    on_a_system(async {
        let (rig, cli, _) = three_changes().await;
        let plan = file(rig.folder.path());
        assert!(cli.run(&["plan", "-o", &plan]).0);
        let text = std::fs::read_to_string(&plan).expect("reads");
        let refused = |contents: &str, because: &str| {
            std::fs::write(&plan, contents).expect("writes");
            let (ok, text) = cli.run(&["apply", &plan, "--by", "Ann"]);
            assert!(!ok && text.contains(because), "{text}");
        };
        refused(&text.replace("access ends", "suspended"), "was edited");
        refused(&text.replacen('{', "[", 1), "is not a saved plan");
        refused("", "is not a saved plan");
        assert!(cli.run(&["plan", "-o", &plan, "--valid", "1ms"]).0);
        let expired = std::fs::read_to_string(&plan).expect("reads");
        refused(&expired, "has expired");
        let config = std::fs::read_to_string(&cli.config).expect("reads");
        std::fs::write(&cli.config, config.replace("People Managers", "Managers")).expect("writes");
        refused(&text, "rules of the configuration have changed");
        rig.quiet().await;
        assert!(rig.effects().is_empty(), "{:?}", rig.effects());
    });
}

#[test]
fn what_oktas_own_group_rules_will_do_is_foretold_as_theirs() {
    on_a_system(async {
        let mut rig = Rig::new(observing(30));
        let base = rig.world.okta.url();
        let token = format!("SSWS {}", namely_okta_sync::sandbox::okta::Options::default().token);
        let group = rig.world.okta.core().seed_group("Legal Tools", "OKTA_GROUP", rig.world.clock.now());
        let client = reqwest::Client::new();
        let post = async |path: &str, body: Value| -> Value {
            let sent = client.post(format!("{base}{path}")).header("authorization", &token).json(&body).send().await;
            let text = sent.expect("answers").text().await.expect("reads");
            serde_json::from_str(&text).unwrap_or_default()
        };
        let rule = serde_json::json!({
            "type": "group_rule", "name": "legal tools",
            "conditions": { "expression": { "type": "urn:okta:expression:1.0", "value": "user.department==\"Legal\"" } },
            "actions": { "assignUserToGroups": { "groupIds": [group] } },
        });
        let made = post("/api/v1/groups/rules", rule).await;
        let id = made["id"].as_str().expect("a rule").to_owned();
        post(&format!("/api/v1/groups/rules/{id}/lifecycle/activate"), Value::Null).await;
        rig.run().await;
        rig.until("both sides were read", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0)
            .await;
        let legal =
            namely_okta_sync::sandbox::population::DEPARTMENTS.iter().position(|d| *d == "Legal").expect("Legal");
        let people = &rig.setup.people;
        let who = (0..people.len())
            .find(|n| people[*n].status == Hired::Active && !people[*n].on_leave && people[*n].department != legal);
        let who = who.expect("somebody");
        rig.edit(who, |p| p.department = legal);
        let cli = Cli::of(&rig);
        let email = rig.setup.people[who].email.clone();
        rig.until("it is foretold", async |_| {
            cli.run(&["plan", "--person", &email])
                .1
                .contains("Okta's rule \"legal tools\" will add them to Legal Tools")
        })
        .await;
        assert!(cli.run(&["explain", &email]).1.contains("will add them to Legal Tools"));
    });
}

#[test]
fn somebody_is_explained_and_why_not_a_group() {
    on_a_system(async {
        let (rig, cli, who) = three_changes().await;
        let email = rig.setup.people[who[1]].email.clone();
        let (ok, text) = cli.run(&["explain", &email]);
        assert!(ok && text.contains("would remove_group") && text.contains("held: "), "{text}");
        assert!(text.contains("departments") && text.contains("Department "), "the rule is named: {text}");
        let (ok, text) = cli.run(&["explain", &email, "--group", "People Managers"]);
        assert!(ok && text.contains("no rule of the mapping gives it") && text.contains("managers"), "{text}");
        let (ok, text) = cli.run(&["explain", &email, "--group", "All Employees"]);
        assert!(ok && text.contains("a member of \"All Employees\"") && text.contains("gives it"), "{text}");
        let (ok, text) = cli.run(&["explain", &email, "--group", "No Such Group"]);
        assert!(ok && text.contains("Okta has no group"), "{text}");
    });
}

#[test]
fn whoever_is_quarantined_is_listed_with_what_to_do_and_can_be_tried_once_more() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(20)).await;
        let people = &rig.setup.people;
        let who =
            (0..people.len()).find(|n| people[*n].status == Hired::Active && !people[*n].on_leave).expect("somebody");
        rig.edit(who, |p| p.first_name = String::new());
        rig.until("they are quarantined", async |rig| !rig.quarantined().await.is_empty()).await;
        let cli = Cli::of(&rig);
        let (ok, text) = cli.run(&["quarantine", "list"]);
        assert!(ok && text.contains("firstName is empty"), "{text}");
        let (ok, text) = cli.run(&["quarantine", "retry"]);
        assert!(!ok && text.contains("--all"), "{text}");
        let seen = rig.store().run(|c| {
            Ok(c.query_row("SELECT count(*) FROM audit WHERE kind = 'quarantined'", [], |r| r.get::<i64>(0))?)
        });
        let before = seen.await.expect("reads");
        let (ok, text) = cli.run(&["quarantine", "retry", "--all", "--by", "Ann"]);
        assert!(ok && text.contains("tries 1 once more"), "{text}");
        rig.until("they were tried", async |rig| {
            let count = "SELECT count(*) FROM audit WHERE kind = 'quarantined'";
            rig.store().run(move |c| Ok(c.query_row(count, [], |r| r.get::<i64>(0))?)).await.expect("reads") > before
        })
        .await;
    });
}

#[test]
fn a_dry_run_of_the_whole_service_writes_nothing_and_says_what_it_would_have_done() {
    on_a_system(async {
        let rig = Rig::new(Setup { in_okta: 25, ..Setup::of(30) });
        let cli = Cli::of(&rig);
        let (log, audit) = (rig.folder.path().join("log"), rig.folder.path().join("audit.jsonl"));
        let mut command = program();
        let to = std::fs::File::create(&log).expect("a log");
        command.args(["run", "--dry-run", "--config"]).arg(&cli.config).stderr(to);
        let _service = Running(command.spawn().expect("starts"));
        wait_until("it says what it would have done", &log, || {
            let rows = std::fs::read_to_string(&audit).unwrap_or_default();
            rows.lines().filter(|row| row.contains("\"kind\":\"withheld\"") && row.contains("create_user")).count() >= 4
        });
        assert!(rig.effects().is_empty(), "{:?}", rig.effects());
    });
}

#[test]
fn a_group_that_the_service_has_made_is_known_at_once_to_whoever_plans_beside_it() {
    on_a_system(async {
        let made: fn(String) -> String = |text| {
            text + "\n[[mapping.groups]]\nname = \"kind\"\ntemplate = \"All {employee.employee_type}\"\ncreate = true\n"
        };
        let mut rig = Rig::new(Setup { rewrite: made, ..Setup::of(12) });
        let email = rig.setup.people[3].email.clone();
        let group = format!("All {}", rig.setup.people[3].employee_type);
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        assert!(
            rig.world.okta.core().group_names().values().any(|name| *name == group),
            "the service has made {group:?}"
        );
        let cli = Cli::of(&rig);
        let (ok, text) = cli.run_beside(&["explain", &email]).await;
        assert!(ok && !text.contains("would add_group"), "{text}");
    });
}

/// Only observing, with a rule that gives everybody of the first department an app.
fn observing_with_payroll(text: String) -> String {
    (observing(1).rewrite)(text) + &payroll()
}

fn payroll() -> String {
    format!(
        "\n[[mapping.apps]]\nname = \"payroll\"\napp = \"Payroll\"\nwhen = \"employee.department == '{}'\"\nuser_name = \"employee.email\"\n",
        DEPARTMENTS[0]
    )
}

#[test]
fn the_app_and_the_manager_of_a_joiner_are_in_the_plan_and_every_call_that_is_counted_is_named() {
    on_a_system(async {
        let mut rig = Rig::new(Setup { rewrite: observing_with_payroll, ..Setup::of(30) });
        rig.world.okta.core().seed_app("Payroll", &[], rig.world.clock.now());
        rig.run().await;
        rig.until("both sides were read", async |rig| rig.service().readiness.is_ready()).await;
        let people = &rig.setup.people;
        let boss = people.iter().position(|p| p.status == Hired::Active && !p.on_leave).expect("a manager");
        let joiner = Hr::new(9, today(rig.world.clock.now())).joiner(1);
        let joiner = Person { email: "joiner9@example.com".into(), department: 0, manager: Some(boss), ..joiner };
        rig.hire(joiner.clone());
        let cli = Cli::of(&rig);
        let text = std::fs::read_to_string(&cli.config).expect("reads");
        std::fs::write(&cli.config, text + &payroll()).expect("writes");
        let planned = || {
            let plan = cli.json(&["plan"]);
            let found =
                plan["people"].as_array().and_then(|all| all.iter().find(|one| one["profile"] == joiner.id.as_str()));
            found.cloned().map(|one| (one, plan["summary"]["kinds"].clone()))
        };
        rig.until("they are planned", async |_| planned().is_some()).await;
        let (one, kinds) = planned().expect("the joiner");
        let changes = one["changes"].as_object().expect("changes");
        assert!(one["changes"]["add_group"].to_string().contains("Payroll"), "{one:#}");
        assert!(
            one["changes"]["link_manager"][0].as_str().is_some_and(|words| words.starts_with("linked to the manager")),
            "{one:#}"
        );
        let named: usize = changes.values().filter_map(Value::as_array).map(Vec::len).sum();
        assert_eq!(one["calls"], named, "every call is named: {one:#}");
        for kind in ["create", "add_group", "link_manager"] {
            assert!(kinds[kind].as_u64() >= Some(1), "{kind} of {kinds}");
        }
        assert_eq!(one["rules"]["Payroll"].as_str().map(|rule| rule.contains("mapping.apps")), Some(true), "{one:#}");
        let (_, explained) = cli.run(&["explain", "joiner9@example.com"]);
        let explained = explained.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            explained.contains("app \"Payroll\" given") && explained.contains("linked to the manager"),
            "{explained}"
        );
    });
}
