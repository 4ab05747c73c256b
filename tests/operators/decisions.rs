//! What people decide binds: to whom it was about, to what Namely and the rules said then, and to who has decided.

use super::pruning::keep_no_rows;
use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::receiver::Receiver;
use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::admin::{self, Served};
use namely_okta_sync::audit::Author;
use namely_okta_sync::audit::details::Reconfigured;
use namely_okta_sync::config::{Config, Role, Token};
use namely_okta_sync::domain::Decider;
use namely_okta_sync::domain::plan::leaver::WhyAccess;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Status as Hired};
use namely_okta_sync::store::{Ballot, HeldChanges, Voted, holds, leavers_with_access, vote};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

const EVERY_REMOVAL: &str = "[[safeguards.limits]]\nchange = \"remove_group\"\npeople = 0\nper = \"hour\"\n";
const EVERY_LEAVER: &str = "[[safeguards.limits]]\nchange = \"deactivate\"\npeople = 0\nper = \"hour\"\n";

async fn settled(n: usize, extra: &str) -> Rig {
    let mut rig = Rig::new(Setup::of(n));
    rig.extra = extra.into();
    begun(rig).await
}

async fn begun(mut rig: Rig) -> Rig {
    rig.run().await;
    rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    rig
}

fn workers(rig: &Rig) -> Vec<usize> {
    let people = &rig.setup.people;
    let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
    (0..people.len()).filter(|n| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n)).collect()
}

async fn open_holds(rig: &Rig, all: bool) -> Vec<HeldChanges> {
    rig.store().run(move |c| holds(c, all)).await.expect("reads")
}

async fn held(rig: &Rig) -> i64 {
    rig.store().backlog().await.expect("reads").held
}

/// Somebody says something about the newest open hold.
async fn say(rig: &Rig, approve: bool, by: Decider) -> Voted {
    let (now, rules) = (rig.world.clock.now(), rig.store().rules().load());
    let said = rig.store().run(move |c| {
        let hold = holds(c, false)?.pop().expect("a hold");
        vote(c, &rules, &Ballot { hold: hold.id, approve, seen: &hold.code, only: None, by: &by }, now)
    });
    said.await.expect("votes")
}

async fn count(rig: &Rig, sql: &'static str) -> i64 {
    rig.store().run(move |c| Ok(c.query_row(sql, [], |r| r.get::<i64>(0))?)).await.expect("reads")
}

fn group(department: usize) -> String {
    format!("Department {}", DEPARTMENTS[department % 8])
}

fn is_in(rig: &Rig, who: usize, group: &str) -> bool {
    let okta = rig.world.okta.core();
    okta.user_by_anchor(&rig.setup.people[who].id).is_some_and(|user| okta.groups_of(&user.id).contains(group))
}

fn status(rig: &Rig, who: usize) -> Status {
    rig.world.okta.core().user_by_anchor(&rig.setup.people[who].id).expect("an account").status
}

/// Loads a configuration that differs by one text, as a reload does.
async fn load(rig: &Rig, was: &str, is: &str) {
    let text = include_str!("../../config/sandbox.toml").replace(was, is) + "\n" + &rig.extra;
    let config = Config::parse(Path::new("test.toml"), &text, &|_| Some("a-secret-of-enough-characters".into()));
    let (config, now) = (config.unwrap_or_else(|e| panic!("{e}")), rig.world.clock.now());
    let store = rig.store();
    let audited = Reconfigured { changes: Vec::new(), author: Author::new("Ann", "uid:1") };
    if store.exchange_rules(config.rulebook, config.rules.clone(), audited, now).await.expect("writes") {
        store.relink_everybody(&config.rules, now).await.expect("writes");
    }
}

/// The program beside the service, while that goes on.
async fn cli(rig: &Rig, args: &[&str]) -> (bool, String) {
    let config = config_file(&rig.world, rig.folder.path());
    keep_no_rows(&config);
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let run = move || {
        let output = program().args(args).arg("--config").arg(config).output().expect("runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    tokio::task::spawn_blocking(run).await.expect("runs")
}

pub struct Api {
    address: SocketAddr,
}

impl Api {
    /// Two approvers, one of whom has two tokens; and somebody who looks.
    pub fn of(rig: &Rig) -> Self {
        let token = |name: &str, role, uid| Token {
            name: name.into(),
            role,
            token: name.into(),
            end_access: false,
            uid,
            person: None,
            same: None,
        };
        let tokens = [
            token("ann", Role::Approver, Some(4711)),
            token("anns-laptop", Role::Approver, Some(4711)),
            token("ben", Role::Approver, None),
            token("vera", Role::Viewer, None),
        ];
        let served = Served { tokens: tokens.into(), ..Served::of(rig.service()) };
        Self { address: admin::serve(SocketAddr::from(([127, 0, 0, 1], 0)), served).expect("listens") }
    }

    pub async fn ask(&self, who: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://{}/api/v1{path}", self.address);
        let mut request = reqwest::Client::new().request(method.parse().expect("a method"), url).bearer_auth(who);
        if method == "POST" {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }
}

#[test]
fn what_was_rejected_is_not_done_when_another_mapping_was_loaded_and_taken_back() {
    on_a_system(async {
        let rig = settled(40, EVERY_REMOVAL).await;
        let movers: Vec<usize> = workers(&rig).into_iter().take(3).collect();
        let old: Vec<String> = movers.iter().map(|n| group(rig.setup.people[*n].department)).collect();
        movers.iter().for_each(|n| rig.edit(*n, |p| p.department = (p.department + 1) % 8));
        rig.until("three removals are held", async |rig| held(rig).await == 3).await;
        assert_eq!(say(&rig, false, decider("Ann")).await, Voted::Decided);
        let rejected = "SELECT count(*) FROM rejection WHERE ended_at IS NULL";
        rig.until("they are rejected", async |rig| count(rig, rejected).await == 3).await;
        let still = |rig: &Rig| movers.iter().zip(&old).all(|(n, old)| is_in(rig, *n, old));
        load(&rig, "owns = \"Department *\"", "owns = \"Department X *\"\nwhen = \"false\"").await;
        rig.until("nothing is asked for", async |rig| held(rig).await == 0 && rig.backlog().await == 0).await;
        assert!(still(&rig));
        load(&rig, "", "").await;
        rig.until("it is asked for again", async |rig| held(rig).await == 3 && rig.backlog().await == 0).await;
        rig.quiet().await;
        assert!(still(&rig), "and not done");
        assert!(open_holds(&rig, false).await.is_empty(), "and nobody is asked again");

        // Namely says something else of one of them: what was rejected is asked for anew.
        rig.edit(movers[0], |p| p.department = (p.department + 1) % 8);
        rig.until("one is held anew", async |rig| open_holds(rig, false).await.len() == 1).await;
        assert_eq!((count(&rig, rejected).await, open_holds(&rig, false).await[0].people), (2, 1));
        assert!(still(&rig));

        // An approver takes the others back.
        let hold = open_holds(&rig, true).await.remove(0);
        let (ok, text) = cli(&rig, &["holds", "show", &hold.id.to_string()]).await;
        assert!(ok && text.contains(&format!("holds reverse {} ", hold.id)), "{text}");
        let (ok, text) = cli(&rig, &["holds", "reverse", &hold.id.to_string(), "00000000", "--by", "Ben"]).await;
        assert!(!ok && text.contains("its code is"), "{text}");
        let (ok, text) = cli(&rig, &["holds", "reverse", &hold.id.to_string(), &hold.code, "--by", "Ben"]).await;
        assert!(ok && text.contains("taken back by Ben"), "{text}");
        rig.until("all three are held together", async |rig| open_holds(rig, false).await[0].people == 3).await;
        assert_eq!(say(&rig, true, decider("Ann")).await, Voted::Decided);
        rig.until("they have moved", async |rig| !still(rig) && rig.backlog().await == 0).await;
        assert!(movers.iter().zip(&old).all(|(n, old)| !is_in(&rig, *n, old)));
    });
}

#[test]
fn a_saved_plan_overrules_no_rejection_and_names_the_command_that_takes_it_back() {
    on_a_system(async {
        let rig = settled(30, EVERY_LEAVER).await;
        let who = workers(&rig)[0];
        rig.edit(who, |p| p.status = Hired::Inactive);
        rig.until("the leaver is held", async |rig| held(rig).await == 1).await;
        let plan = rig.folder.path().join("plan.json").display().to_string();
        assert!(cli(&rig, &["plan", "-o", &plan]).await.0);
        assert_eq!(say(&rig, false, decider("Ann")).await, Voted::Decided);
        let rejected = "SELECT count(*) FROM rejection WHERE ended_at IS NULL";
        rig.until("they are rejected", async |rig| count(rig, rejected).await == 1).await;
        let (_, text) = cli(&rig, &["apply", &plan, "--by", "Ben"]).await;
        let hold = open_holds(&rig, true).await.remove(0).id;
        assert!(text.contains("0 people approved") && text.contains(&format!("holds reverse {hold}")), "{text}");
        rig.quiet().await;
        assert_eq!((status(&rig, who), count(&rig, "SELECT count(*) FROM approval").await), (Status::Active, 0));
        // Status and dates are the fact behind it; a number is not.
        rig.edit(who, |p| p.direct_dial = "+1 555 9".into());
        rig.quiet().await;
        assert_eq!((status(&rig, who), count(&rig, rejected).await), (Status::Active, 1));
    });
}

#[test]
fn the_approval_of_a_plan_is_a_vote_and_one_person_has_one() {
    on_a_system(async {
        let rig = settled(30, &format!("{EVERY_LEAVER}\n[safeguards]\nfour_eyes = true\n")).await;
        let who = workers(&rig)[0];
        rig.edit(who, |p| p.status = Hired::Inactive);
        rig.until("the leaver is held", async |rig| held(rig).await == 1).await;
        let plan = rig.folder.path().join("plan.json").display().to_string();
        assert!(cli(&rig, &["plan", "-o", &plan]).await.0);
        for name in ["Ann", "Ben", "Cleo"] {
            let (ok, text) = cli(&rig, &["apply", &plan, "--by", name]).await;
            assert!(ok && text.contains("1 people approved") && text.contains("needs 2 people"), "{text}");
        }
        let (taken, message) =
            ("SELECT count(*) FROM approval WHERE told = 1", "SELECT count(*) FROM approval WHERE told = 0");
        rig.until("they are taken", async |rig| count(rig, taken).await == 1 && count(rig, message).await == 0).await;
        rig.quiet().await;
        assert_eq!((status(&rig, who), held(&rig).await), (Status::Active, 1), "one user, whatever --by says");
        assert_eq!(say(&rig, true, decider("Ben")).await, Voted::Decided, "the second principal");
        rig.until("they have left", async |rig| status(rig, who) == Status::Deprovisioned).await;
    });
}

#[test]
fn a_rule_that_is_stricter_from_now_on_holds_for_what_is_held_already() {
    on_a_system(async {
        let mut rig = settled(30, EVERY_LEAVER).await;
        let who = workers(&rig)[0];
        rig.edit(who, |p| p.status = Hired::Inactive);
        rig.until("the leaver is held", async |rig| held(rig).await == 1).await;
        assert_eq!(open_holds(&rig, false).await[0].needs, 1);
        rig.extra += "\n[safeguards]\nfour_eyes = true\n";
        load(&rig, "unchanged", "unchanged").await;
        assert_eq!(open_holds(&rig, false).await[0].needs, 2, "it says what it takes now");
        assert_eq!(say(&rig, true, decider("Ann")).await, Voted::Needs { more: 1, with_token: false });
        rig.quiet().await;
        assert_eq!(status(&rig, who), Status::Active);
        assert_eq!(say(&rig, true, decider("Ben")).await, Voted::Decided, "the second person");
        rig.until("they have left", async |rig| status(rig, who) == Status::Deprovisioned).await;
    });
}

#[test]
fn two_tokens_of_one_person_are_one_vote_over_the_api() {
    on_a_system(async {
        let rig = settled(30, &format!("{EVERY_LEAVER}\n[safeguards]\nfour_eyes = true\n")).await;
        let (api, who) = (Api::of(&rig), workers(&rig)[0]);
        rig.edit(who, |p| p.status = Hired::Inactive);
        rig.until("the leaver is held", async |rig| held(rig).await == 1).await;
        let hold = open_holds(&rig, false).await.remove(0);
        let approve = format!("/holds/{}/approve", hold.id);
        let vote = async |token: &str| api.ask(token, "POST", &approve, json!({ "code": hold.code })).await;
        let (status_code, message) = vote("ann").await;
        assert_eq!((status_code, &message["result"]["more"]), (200, &json!(1)), "{message}");
        let (status_code, message) = vote("anns-laptop").await;
        assert!(status_code == 409 && message.to_string().contains("somebody else must"), "{message}");
        rig.quiet().await;
        assert_eq!(status(&rig, who), Status::Active);
        assert_eq!(vote("ben").await.0, 200);
        rig.until("they have left", async |rig| status(rig, who) == Status::Deprovisioned).await;
        let principals = "SELECT count(*) FROM audit WHERE kind = 'hold_ended' AND row LIKE '%uid:4711%'";
        assert!(count(&rig, principals).await >= 1, "the audit says who it was");
    });
}

#[test]
fn words_that_the_service_does_not_plan_are_refused_for_each_person_whatever_their_expiry() {
    on_a_system(async {
        let rig = settled(30, EVERY_LEAVER).await;
        let api = Api::of(&rig);
        let people: Vec<i64> = rig
            .store()
            .run(|c| {
                let mut select = c.prepare("SELECT id FROM target WHERE okta_id IS NOT NULL LIMIT 20")?;
                let rows = select.query_map([], |row| row.get(0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
            .expect("reads");
        let known = "SELECT value FROM meta WHERE key = 'rules'";
        let rules: String =
            rig.store().run(move |c| Ok(c.query_row(known, [], |row| row.get(0))?)).await.expect("reads");
        let made_up =
            |target: &i64| json!({ "target": target, "basis": "x", "changes": { "deactivate": ["access ends"] } });
        let body = |people: Vec<Value>, rules: &str| json!({ "plan": "made-up", "rules": rules, "expires": "9999-01-01T00:00:00Z", "people": people });
        let all = body(people.iter().map(made_up).collect(), &rules);
        let (status_code, message) = api.ask("ann", "POST", "/plans/approve", all).await;
        assert_eq!((status_code, &message["approved"]), (200, &json!(0)), "{message}");
        assert_eq!(message["refused"].as_array().map(Vec::len), Some(people.len()), "{message}");
        let ends: jiff::Timestamp = message["expires"].as_str().expect("a time").parse().expect("a time");
        let days = ends.duration_since(rig.world.clock.now().timestamp()).as_secs_f64() / 86_400.0;
        assert!(days <= 14.0, "{days}");
        let (status_code, message) =
            api.ask("ann", "POST", "/plans/approve", body(vec![made_up(&999_999)], &rules)).await;
        assert!(status_code == 404 && message.to_string().contains("no target 999999"), "{message}");
        let (status_code, message) =
            api.ask("ann", "POST", "/plans/approve", body(vec![made_up(&people[0])], "other rules")).await;
        assert!(status_code == 409 && message.to_string().contains("make it anew"), "{message}");
        // They leave: what was made up before lets nobody through.
        let who = workers(&rig)[0];
        rig.edit(who, |p| p.status = Hired::Inactive);
        rig.until("the leaver is held", async |rig| held(rig).await == 1).await;
        rig.quiet().await;
        assert_eq!((status(&rig, who), count(&rig, "SELECT count(*) FROM approval").await), (Status::Active, 0));
    });
}

#[test]
fn an_approval_ends_as_soon_as_the_person_moves() {
    on_a_system(async {
        let rig = settled(30, &format!("{EVERY_LEAVER}\n[safeguards]\nfour_eyes = true\n")).await;
        let who = workers(&rig)[0];
        rig.edit(who, |p| p.status = Hired::Inactive);
        rig.until("the leaver is held", async |rig| held(rig).await == 1).await;
        let plan = rig.folder.path().join("plan.json").display().to_string();
        assert!(cli(&rig, &["plan", "-o", &plan]).await.0);
        assert!(cli(&rig, &["apply", &plan, "--by", "Ann"]).await.0);
        rig.until("it is taken", async |rig| count(rig, "SELECT count(*) FROM approval WHERE told = 1").await == 1)
            .await;
        rig.edit(who, |p| p.direct_dial = "+1 555 7".into());
        rig.until("it is over", async |rig| count(rig, "SELECT count(*) FROM approval").await == 0).await;
        let why = "SELECT count(*) FROM audit WHERE kind = 'approval_ended' AND row LIKE '%moved%'";
        assert_eq!(count(&rig, why).await, 1);
        assert_eq!(
            say(&rig, true, decider("Ben")).await,
            Voted::Needs { more: 1, with_token: false },
            "it is no vote any more"
        );
    });
}

#[test]
fn a_single_approver_waits_for_everybody_who_may_say_no() {
    on_a_system(async {
        let alone = "[safeguards]\nfour_eyes = true\napprovers = 1\napproval_delay = \"200s\"\n\n\
                     [[notify]]\nname = \"it\"\nkind = \"webhook\"\nurl = \"env:IT\"\nevents = [\"hold\"]\nevery = \"5s\"\n";
        let receiver = Receiver::default();
        let mut rig = Rig::new(Setup::of(30));
        rig.variables = vec![("IT".into(), receiver.start())];
        rig.extra = format!("{EVERY_LEAVER}\n{alone}");
        let rig = begun(rig).await;
        let (api, who) = (Api::of(&rig), workers(&rig)[0]);
        rig.edit(who, |p| p.status = Hired::Inactive);
        rig.until("the leaver is held", async |rig| held(rig).await == 1).await;
        let hold = open_holds(&rig, false).await.remove(0);
        let cancel = format!("/holds/{}/cancel", hold.id);
        assert_eq!(api.ask("vera", "POST", &cancel, json!({})).await.0, 404, "nothing was approved yet");
        let voted = say(&rig, true, decider("Ann")).await;
        assert!(matches!(voted, Voted::Alone { .. }), "{voted:?}");
        let announced = "SELECT count(*) FROM audit WHERE kind = 'approved_alone'";
        rig.until("it is announced", async |rig| count(rig, announced).await == 1).await;
        assert_eq!(status(&rig, who), Status::Active);
        assert_eq!(api.ask("vera", "POST", &cancel, json!({})).await.0, 200, "anybody with a role");
        let waits = "SELECT count(*) FROM hold WHERE until IS NOT NULL";
        rig.until("it is cancelled", async |rig| count(rig, waits).await == 0).await;
        rig.until_later("longer than the delay", Duration::from_secs(250)).await;
        rig.quiet().await;
        assert_eq!((status(&rig, who), held(&rig).await), (Status::Active, 1), "no means no");
        *receiver.down.lock().expect("locks") = true;
        let voted = say(&rig, true, decider("Ann")).await;
        assert!(matches!(voted, Voted::Alone { .. }), "{voted:?}");
        rig.until_later("longer than the delay", Duration::from_secs(250)).await;
        rig.quiet().await;
        assert_eq!(status(&rig, who), Status::Active, "nobody has heard that they could say no");
        *receiver.down.lock().expect("locks") = false;
        rig.until("the delay is over", async |rig| status(rig, who) == Status::Deprovisioned).await;
    });
}

#[test]
fn an_undo_names_what_was_done_and_cannot_bring_pins_of_its_own() {
    on_a_system(async {
        let rig = settled(20, "").await;
        let (api, who) = (Api::of(&rig), workers(&rig)[0]);
        let person = rig.setup.people[who].clone();
        rig.edit(who, |p| p.department = (p.department + 1) % 8);
        rig.until("they have moved", async |rig| {
            is_in(rig, who, &group(person.department + 1)) && rig.backlog().await == 0
        })
        .await;
        let pins = json!({ "org": "sandbox", "why": "x", "people": [{ "target": 1, "pins": { "attributes": { "email": "x@y.z" } } }] });
        let (status_code, message) = api.ask("ann", "POST", "/undo", pins).await;
        assert!(status_code == 400 && message.to_string().contains("no field"), "{message}");
        let by_email = format!("/undo?person={}", person.email);
        let (status_code, shown) = api.ask("vera", "GET", &by_email, Value::Null).await;
        assert!(status_code == 200 && shown["restores"].to_string().contains("not in group"), "{shown}");
        let undo = json!({ "person": person.email, "code": shown["code"] });
        let (status_code, message) = api.ask("ben", "POST", "/undo", undo).await;
        assert_eq!((status_code, &message["principal"]), (200, &json!("token:ben")), "{message}");
        rig.until("they are back", async |rig| is_in(rig, who, &group(person.department))).await;
    });
}

#[test]
fn what_nobody_knows_is_not_found_and_spoils_nothing_else() {
    on_a_system(async {
        let rig = settled(12, "").await;
        let api = Api::of(&rig);
        let org = |targets: Value| json!({ "org": "sandbox", "targets": targets });
        let none = || json!({ "code": "0" });
        for (method, path, body) in [
            ("POST", "/fix", org(json!([999_999]))),
            ("POST", "/fix", json!({ "org": "elsewhere", "targets": [1] })),
            ("POST", "/undo/release", org(json!([999_999]))),
            ("POST", "/undo/release", json!({ "person": "nobody@example.com" })),
            ("POST", "/undo", json!({ "person": "nobody@example.com", "code": "0" })),
            ("POST", "/undo", json!({ "rows": [999_999], "code": "0" })),
            ("POST", "/undo", json!({ "run": 4711, "code": "0" })),
            ("GET", "/undo?person=nobody", Value::Null),
            ("GET", "/undo?run=1&org=elsewhere", Value::Null),
            ("POST", "/holds/4711/approve", none()),
            ("POST", "/holds/4711/reject", none()),
            ("POST", "/holds/4711/reverse", none()),
            ("POST", "/holds/4711/cancel", json!({})),
            ("GET", "/holds/4711", Value::Null),
            ("POST", "/quarantine/retry", json!({ "person": "nobody" })),
            ("POST", "/poll", json!({ "tenant": "elsewhere", "profile": "x" })),
            ("POST", "/reconcile", json!({ "org": "elsewhere" })),
            ("POST", "/resume", json!({ "id": 4711 })),
            ("GET", "/people/nobody", Value::Null),
        ] {
            let (status_code, message) = api.ask("ann", method, path, body).await;
            assert!(status_code == 404 && message["error"].is_string(), "{method} {path}: {status_code} {message}");
        }
        assert_eq!(count(&rig, "SELECT count(*) FROM request").await, 0, "nothing of it was asked for");
        let long: Vec<i64> = (0..100_001).collect();
        let (status_code, message) = api.ask("ann", "POST", "/fix", org(json!(long))).await;
        assert!(status_code == 400 && message.to_string().contains("100000"), "{message}");
        let target = count(&rig, "SELECT min(id) FROM target").await;
        assert_eq!(api.ask("ann", "POST", "/fix", org(json!([target]))).await.0, 200);
        let done = "SELECT count(*) FROM request WHERE done = '1 people'";
        rig.until("what was asked for is done", async |rig| count(rig, done).await == 1).await;
    });
}

#[test]
fn a_leaver_whose_end_was_rejected_has_access_by_a_decision_that_is_named_and_is_not_waited_for() {
    on_a_system(async {
        let rig = settled(30, EVERY_LEAVER).await;
        let leaver = workers(&rig)[0];
        rig.edit(leaver, |p| p.status = Hired::Inactive);
        rig.until("the end is held", async |rig| held(rig).await == 1).await;
        let access = async |days: u64| {
            let rules = rig.store().rules().load();
            let now = rig.world.clock.now() + Duration::from_secs(days * 86_400 + 600);
            let found = rig.store().run(move |c| leavers_with_access(c, &rules, now)).await.expect("reads");
            assert_eq!(found.len(), 1, "{found:?}");
            found.into_iter().next().expect("one")
        };
        assert_eq!(access(0).await.why, WhyAccess::Held);
        assert_eq!(say(&rig, false, decider("Ann")).await, Voted::Decided);
        rig.until("it is rejected", async |rig| open_holds(rig, false).await.is_empty()).await;
        rig.quiet().await;
        let found = access(0).await;
        assert!(
            found.why == WhyAccess::ByDecision && found.message.starts_with("by decision of Ann at 20"),
            "{found:?}"
        );
        assert!(found.command.starts_with("holds show "), "{found:?}");
        let (_, text) = cli(&rig, &["status"]).await;
        assert!(text.contains("nobody can approve over the admin API"), "{text}");
        // Everything that tells of them tells the same.
        for (args, says) in [
            (&["status"][..], "by decision of Ann"),
            (&["status"], "nobody waits; 1 as somebody has decided"),
            (&["holds", "list"], "nothing waits for a decision; 1 person is as somebody has decided by a rejection"),
            (&["attention"], "by decision of Ann"),
            (&["plan"], "by decision, 1 person: deactivate was rejected by Ann (hold 1)"),
            (&["reconcile"], "by decision, not as Namely says"),
            (&["explain", &rig.setup.people[leaver].id], "by decision: deactivate was rejected by Ann (hold 1)"),
        ] {
            let (_, text) = cli(&rig, args).await;
            assert!(text.contains(says), "{args:?}: {text}");
            let lies = [
                "nothing is missing",
                "will be held",
                "nothing would change",
                "everybody who was looked at",
                "what would be done, or why not\nactive in Okta",
            ];
            assert!(!lies.iter().any(|lie| text.contains(lie)), "{args:?}: {text}");
        }
        let later = access(31).await;
        assert!(later.why == WhyAccess::Held && later.message.contains("decide again"), "{later:?}");
    });
}

/// Every row of the audit that says who has decided, and whether it says which principal that is.
async fn deciders(rig: &Rig) -> Vec<(String, Value, bool)> {
    let rows = rig.store().run(|c| {
        let mut select = c.prepare("SELECT kind, row FROM audit ORDER BY seq")?;
        let rows = select.query_map([], |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)))?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    });
    let said = |(kind, row): (String, String)| {
        let detail = serde_json::from_str::<Value>(&row).expect("a row")["detail"].take();
        let is_a_person = |one: &Value| one.as_str().is_some_and(|one| !one.is_empty());
        let all = |all: &Value| all.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(is_a_person));
        let named = is_a_person(&detail["principal"]) || all(&detail["principals"]);
        (detail["by"].is_string() || detail["by"].is_array()).then(|| (kind, detail["by"].clone(), named))
    };
    rows.await.expect("reads").into_iter().filter_map(said).collect()
}

#[test]
fn whatever_somebody_decides_the_audit_says_which_principal_it_was_whatever_name_was_given() {
    on_a_system(async {
        let rig = settled(30, EVERY_LEAVER).await;
        let (api, who) = (Api::of(&rig), workers(&rig));
        let post = async |path: &str, body: Value| {
            let (status_code, message) = api.ask("ben", "POST", path, body).await;
            assert_eq!(status_code, 200, "{path}: {message}");
        };
        for (n, verdict) in [(0, "reject"), (1, "approve")] {
            rig.edit(who[n], |p| p.status = Hired::Inactive);
            rig.until("it is held", async |rig| !open_holds(rig, false).await.is_empty()).await;
            let hold = open_holds(&rig, false).await.remove(0);
            post(&format!("/holds/{}/{verdict}", hold.id), json!({ "code": hold.code })).await;
            rig.until("it is decided", async |rig| open_holds(rig, false).await.is_empty()).await;
            if verdict == "reject" {
                post(&format!("/holds/{}/reverse", hold.id), json!({ "code": hold.code })).await;
                rig.until("it is asked again", async |rig| !open_holds(rig, false).await.is_empty()).await;
                rig.edit(who[n], |p| p.status = Hired::Active);
                rig.until("it is over", async |rig| open_holds(rig, false).await.is_empty()).await;
            }
        }
        post("/pause", json!({ "why": "night" })).await;
        post("/resume", json!({})).await;
        post("/orgs/sandbox/accept-list", json!({})).await;
        let person = count(&rig, "SELECT min(id) FROM target WHERE okta_id IS NOT NULL").await;
        post("/fix", json!({ "org": "sandbox", "targets": [person] })).await;
        let kinds = ["adopted", "hold_ended", "rejection_ended", "paused", "resumed", "list_accepted", "requested"];
        rig.until("all of it is in the audit", async |rig| {
            let found = deciders(rig).await;
            kinds.iter().all(|kind| found.iter().any(|(known, ..)| known == kind))
        })
        .await;
        let unnamed: Vec<_> = deciders(&rig).await.into_iter().filter(|(_, _, named)| !named).collect();
        assert!(unnamed.is_empty(), "{unnamed:?}");
        // Beside the service a name is a remark: the principal is the user of the machine.
        rig.until("the audit is sealed", async |rig| count(rig, "SELECT count(*) FROM checkpoint").await > 1).await;
        rig.until("it is pruned", async |rig| {
            let (ok, said) = cli(rig, &["audit", "prune", "--before", "10ms", "--by", "Somebody Else", "--yes"]).await;
            assert!(ok, "{said}");
            said.contains("rows are gone")
        })
        .await;
        let pruned = "SELECT count(*) FROM audit WHERE kind = 'pruned' AND row LIKE '%\"principal\":\"uid:%'";
        assert_eq!(count(&rig, pruned).await, 1);
    });
}
