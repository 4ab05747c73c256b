//! A group that somebody deletes in Okta, as people see it and decide about it: every view says the same, also after a restart.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::quick::{quick_namely, quick_okta};
use crate::common::rig::{Rig, Setup, decider, on_a_system};
use crate::common::running::Running;
use crate::common::wait::wait_until;
use namely_okta_sync::admin::{self, Served};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::config::{Role, Token};
use namely_okta_sync::sandbox::http::Simulator;
use namely_okta_sync::sandbox::namely::Namely;
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::population::DEPARTMENTS;
use namely_okta_sync::sandbox::world::{World, any_port, org_of, population};
use namely_okta_sync::store::{OperatorRequest, gone_group, request};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;

fn group() -> String {
    format!("Department {}", DEPARTMENTS[0])
}

fn members(okta: &Okta) -> usize {
    okta.users().filter(|user| okta.groups_of(&user.id).contains(&group())).count()
}

/// A rig whose first department has lost its group, which the service knows; and how many were in it.
async fn deleted(setup: Setup) -> (Rig, usize) {
    let rig = Rig::settled(setup).await;
    let before = members(&rig.world.okta.core());
    assert!(before > 2, "some are in the group");
    rig.world.okta.core().delete_group_by_hand(&group(), rig.world.clock.now());
    let now = rig.world.clock.now();
    let asks = rig.store().run(move |c| request(c, "sandbox", &OperatorRequest::Reconcile, &decider("Ann"), now));
    asks.await.expect("is asked");
    rig.until("it is known to be gone", async |rig| {
        rig.store().run(|c| gone_group(c, "sandbox", &group())).await.expect("reads").is_some()
    })
    .await;
    rig.quiet().await;
    (rig, before)
}

/// The admin API of a service, asked by an approver.
struct Api {
    address: SocketAddr,
    client: reqwest::Client,
}

const TOKEN: &str = "approver-0123456789abcdef01234567";

impl Api {
    fn of(rig: &Rig) -> Self {
        let token = Token {
            name: "Anna".into(),
            role: Role::Approver,
            token: TOKEN.into(),
            end_access: false,
            uid: None,
            person: None,
            same: None,
        };
        let served = Served { tokens: vec![token].into(), ..Served::of(rig.service()) };
        let address = admin::serve(SocketAddr::from(([127, 0, 0, 1], 0)), served).expect("listens");
        Self { address, client: reqwest::Client::new() }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request =
            self.client.request(method.parse().expect("a method"), format!("http://{}/api/v1{path}", self.address));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = request.bearer_auth(TOKEN).body(body).send().await.expect("answers");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }
}

fn cli(config: &Path, args: &[&str]) -> String {
    let output = program().args(args).arg("--config").arg(config).output().expect("runs");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn plan_reconcile_and_attention_say_the_same_of_a_deleted_group_which_the_api_has_made_and_filled_again() {
    on_a_system(async {
        let (rig, before) = deleted(Setup::of(24)).await;
        let api = Api::of(&rig);
        let (status, found) = api.ask("GET", "/attention", Value::Null).await;
        let asked = found.to_string();
        assert!(
            status == 200 && asked.contains("group deleted") && asked.contains("org make-group sandbox"),
            "{asked}"
        );
        let config = config_file(&rig.world, rig.folder.path());
        let plan = cli(&config, &["plan", "--json"]);
        assert!(!plan.contains("create_group") && !plan.contains("add_group"), "nothing is planned for it: {plan}");
        let report: Value = serde_json::from_str(&cli(&config, &["reconcile", "--json"])).expect("JSON");
        assert_eq!(report[0]["counts"]["wrong_groups"].as_i64().unwrap_or(0), 0, "{report:#}");
        let (status, said) = api.ask("POST", "/orgs/sandbox/make-group", json!({ "group": group() })).await;
        assert!((200..300).contains(&status), "{status} {said}");
        rig.until_okta("everybody is in it again", |okta| members(okta) == before).await;
        rig.quiet().await;
        let (_, found) = api.ask("GET", "/attention", Value::Null).await;
        assert!(!found.to_string().contains("group deleted"), "{found}");
        let (status, said) = api.ask("POST", "/orgs/sandbox/make-group", json!({ "group": "Department Nobody" })).await;
        assert!(status >= 400 && said.to_string().contains("Department Nobody"), "{status} {said}");
    });
}

#[test]
fn filling_a_group_that_was_deleted_counts_as_add_group_and_is_held_beyond_the_limit() {
    on_a_system(async {
        let mut setup = Setup::of(24);
        setup.rewrite =
            |text| text.replace("change = \"add_group\"\npeople = 1000000", "change = \"add_group\"\npeople = 1");
        let (rig, before) = deleted(setup).await;
        let (status, said) = Api::of(&rig).ask("POST", "/orgs/sandbox/make-group", json!({ "group": group() })).await;
        assert!((200..300).contains(&status), "{status} {said}");
        rig.until("it is held", async |rig| {
            let held = rig.pairs("SELECT kind, row FROM audit WHERE kind = 'held' AND target IS NULL").await;
            held.iter().any(|(_, row)| row.contains("add_group"))
        })
        .await;
        rig.quiet().await;
        assert!(members(&rig.world.okta.core()) < before, "nobody has approved it");
    });
}

#[test]
fn a_group_that_is_deleted_while_the_service_is_down_is_asked_about_after_its_start() {
    let clock = Clock::system();
    let people = population(24, 1, clock.now());
    let (org, tenant) =
        (org_of(quick_okta(), &people, clock.now()), Namely::new(quick_namely(), people.clone(), clock.now()));
    let world = World {
        namely: Simulator::start(tenant, any_port(), clock.clone()).expect("a port"),
        okta: Simulator::start(org, any_port(), clock.clone()).expect("a port"),
        clock,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (config, log) = (config_file(&world, folder.path()), folder.path().join("log"));
    let is_settled = || std::fs::read_to_string(&log).is_ok_and(|said| said.contains("Okta is primed"));
    let service = Running::service(&config, &log, None);
    wait_until("both sides agree", &log, is_settled);
    let before = members(&world.okta.core());
    drop(service);
    world.okta.core().delete_group_by_hand(&group(), world.clock.now());
    let _service = Running::service(&config, &log, None);
    wait_until("it is asked about", &log, || cli(&config, &["attention"]).contains("org make-group sandbox"));
    assert_eq!(members(&world.okta.core()), 0, "not made again in silence");
    let said = cli(&config, &["org", "make-group", "sandbox", &group(), "--by", "Ann"]);
    wait_until(&format!("it is filled again: {said}"), &log, || members(&world.okta.core()) == before);
    wait_until("nothing is asked any more", &log, || !cli(&config, &["attention"]).contains("org make-group sandbox"));
}
