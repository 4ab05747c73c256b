//! A start: orgs and tenants begin and fail alone, whoever was known is ended before anything is read, and an org that is added
//! is correlated like a first one.

use crate::common::quick::{quick_namely, quick_okta};
use crate::common::running::Running;
use crate::common::store::dirty;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::http::Simulator;
use namely_okta_sync::sandbox::namely::Namely;
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::sandbox::world::{any_port, org_of};
use serde_json::{Value, json};
use std::time::Duration;

/// Long after any test is over.
const FOREVER: Duration = Duration::from_secs(3600);

fn append(workspace: &Workspace, text: &str) {
    let old = std::fs::read_to_string(&workspace.config).expect("reads");
    std::fs::write(&workspace.config, format!("{old}\n{text}")).expect("writes");
}

/// A second org with these accounts; `adopt` says whether somebody is asked at first contact.
fn add_org(workspace: &Workspace, org: Okta, adopt: &str) -> Simulator<Okta> {
    let simulator = Simulator::start(org, any_port(), Clock::system()).expect("a port");
    append(
        workspace,
        &format!(
            "[[okta]]\nname = \"emea\"\nurl = \"{}\"\ntoken = \"env:OKTA_TOKEN\"\nadopt = \"{adopt}\"\n",
            simulator.url()
        ),
    );
    simulator
}

fn leave(workspace: &Workspace, person: usize) -> String {
    workspace.world.namely.core().edit(person, workspace.world.clock.now(), |p| p.status = Hired::Inactive);
    let id = workspace.world.namely.core().people().nth(person).map(|p| p.id.clone());
    id.expect("somebody")
}

fn is_out(okta: &Simulator<Okta>, anchor: &str) -> bool {
    okta.core().user_by_anchor(anchor).is_some_and(|user| user.status == Status::Deprovisioned)
}

/// Somebody who works and is nobody's manager.
fn worker(workspace: &Workspace) -> usize {
    let core = workspace.world.namely.core();
    let people: Vec<_> = core.people().collect();
    let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
    (0..people.len()).find(|n| people[*n].status == Hired::Active && !manages(*n)).expect("a worker")
}

#[test]
fn an_org_that_is_down_hangs_or_refuses_at_a_start_holds_up_no_leaver_of_another() {
    let answers = [
        Kind::Answer { status: 502, body: "<html>no</html>".into() },
        Kind::Slow(FOREVER),
        Kind::Answer { status: 401, body: r#"{"errorCode":"E0000011"}"#.into() },
    ];
    for kind in answers {
        let workspace = Workspace::new(12);
        let clock = &workspace.world.clock;
        let other = add_org(&workspace, Okta::new(quick_okta(), clock.now()), "automatic");
        other.core().faults.add(Fault::always("", "/api/v1/", kind.clone()));
        let _service = Running::service(&workspace.config, &workspace.log, None);
        wait_until("the healthy org works", &workspace.log, || {
            workspace.count("account") >= 12 && workspace.count("work") > 0
        });
        let anchor = leave(&workspace, worker(&workspace));
        wait_until(&format!("the leaver is out although the other org has {kind:?}"), &workspace.log, || {
            is_out(&workspace.world.okta, &anchor)
        });
    }
}

#[test]
fn a_tenant_that_is_down_at_a_start_holds_up_nobody_of_another() {
    for kind in [Kind::Answer { status: 500, body: String::new() }, Kind::Slow(FOREVER)] {
        let workspace = Workspace::new(12);
        let now = workspace.world.clock.now();
        // Before the healthy one in the file.
        let other = Simulator::start(Namely::new(quick_namely(), Vec::new(), now), any_port(), Clock::system());
        let other = other.expect("a port");
        other.core().faults.add(Fault::always("", "", kind));
        let text = std::fs::read_to_string(&workspace.config).expect("reads");
        let globex = format!(
            "[[namely]]\nname = \"globex\"\nurl = \"{}/api/v1\"\ntoken = \"env:NAMELY_TOKEN\"\ntime_zone = \"UTC\"\n\n",
            other.url()
        );
        std::fs::write(&workspace.config, text.replacen("[[namely]]", &format!("{globex}[[namely]]"), 1))
            .expect("writes");
        let _service = Running::service(&workspace.config, &workspace.log, None);
        wait_until("the healthy tenant was read", &workspace.log, || workspace.count("source") >= 12);
        let anchor = leave(&workspace, worker(&workspace));
        wait_until("the leaver of the healthy tenant is out", &workspace.log, || {
            is_out(&workspace.world.okta, &anchor)
        });
    }
}

#[test]
fn whoever_was_known_is_ended_right_after_a_start_whatever_cannot_be_read() {
    let workspace = Workspace::new(30);
    let mut service = workspace.settled();
    service.kill();
    let anchor = leave(&workspace, worker(&workspace));
    // Nothing of the org can be read but single accounts: groups, lists and links take an hour.
    for path in ["/api/v1/groups?", "/api/v1/groups/rules", "/api/v1/users?", "/linkedObjects", "/api/v1/meta"] {
        workspace.world.okta.core().faults.add(Fault::always("GET", path, Kind::Slow(FOREVER)));
    }
    let _service = Running::service(&workspace.config, &workspace.log, None);
    wait_until("the leaver is out", &workspace.log, || is_out(&workspace.world.okta, &anchor));
    wait_until("and out of their groups", &workspace.log, || {
        let okta = workspace.world.okta.core();
        okta.user_by_anchor(&anchor).is_some_and(|user| okta.groups_of(&user.id).is_empty())
    });
}

/// Somebody's account in the second org, changed.
fn change(org: &mut Okta, anchor: &str, change: impl FnOnce(&mut serde_json::Map<String, Value>), status: Status) {
    let now = Clock::system().now();
    let user = org.user_by_anchor(anchor).expect("an account").clone();
    let mut profile: serde_json::Map<String, Value> = user.profile.clone().into_iter().collect();
    change(&mut profile);
    org.delete_by_hand(anchor);
    org.seed_user(Value::Object(profile), status, &[], now);
}

#[test]
fn an_org_that_is_added_is_correlated_like_a_first_one() {
    for restarted in [false, true] {
        let workspace = Workspace::new(12);
        append(
            &workspace,
            "[[correlation]]\nattribute = \"email\"\nvalue = \"employee.email\"\nconfidence = \"certain\"\n",
        );
        let mut service = workspace.settled();
        let left = worker(&workspace);
        let left_anchor = leave(&workspace, left);
        wait_until("the leaver is out of the first org", &workspace.log, || {
            is_out(&workspace.world.okta, &left_anchor)
        });
        service.kill();
        let people: Vec<_> = workspace.world.namely.core().people().cloned().collect();
        let mut org = org_of(quick_okta(), &people, workspace.world.clock.now());
        // The account of the leaver is in use there, without an anchor; others have no anchor, or another login.
        let (by_login, by_email) = (people[3].clone(), people[4].clone());
        if org.user_by_anchor(&left_anchor).is_none() {
            let profile = json!({ "login": people[left].email, "email": people[left].email, "namelyId": left_anchor,
                "firstName": people[left].first_name, "lastName": people[left].last_name });
            org.seed_user(profile, Status::Active, &[], workspace.world.clock.now());
        }
        change(&mut org, &left_anchor, |p| drop(p.remove("namelyId")), Status::Active);
        change(&mut org, &by_login.id, |p| drop(p.remove("namelyId")), Status::Active);
        let other_login = json!("somebody.else@example.com");
        change(
            &mut org,
            &by_email.id,
            |p| drop((p.remove("namelyId"), p.insert("login".into(), other_login))),
            Status::Active,
        );
        let accounts = org.users().count();
        let other = add_org(&workspace, org, "ask");
        let mut service = Running::service(&workspace.config, &workspace.log, None);
        let report = || workspace.cli(&["adopt", "--json"]).1;
        let emea = || {
            let all: Value = serde_json::from_str(&report()).unwrap_or_default();
            all.as_array().into_iter().flatten().find(|one| one["org"] == "emea").cloned().unwrap_or_default()
        };
        let is_whole = |report: &Value| report["primed"] == true && report["ended"].as_array().map(Vec::len) == Some(1);
        wait_until("the report says whose access will end", &workspace.log, || is_whole(&emea()));
        assert_eq!(emea()["created"], json!([]), "{}", emea());
        assert!(!other.core().history().exchanges().iter().any(|e| e.applied), "nobody has accepted it");
        if restarted {
            service.kill();
            service = Running::service(&workspace.config, &workspace.log, None);
        }
        wait_until("the report can be accepted", &workspace.log, || {
            let code = emea()["code"].as_str().unwrap_or("none").to_owned();
            workspace.cli(&["adopt", "--accept", "emea", "--code", &code, "--by", "Ann"]).0
        });
        wait_until("the leaver's account is closed", &workspace.log, || {
            other.core().users().any(|u| {
                u.profile.get("email") == Some(&json!(people[left].email)) && u.status == Status::Deprovisioned
            })
        });
        wait_until("everybody is compared", &workspace.log, || {
            dirty(&workspace.store()).is_some_and(|(dirty, _)| dirty == 0)
        });
        assert_eq!(other.core().users().count(), accounts, "no second accounts are made");
        drop(service);
    }
}

#[test]
fn where_another_service_listens_nothing_starts_and_nothing_of_it_is_said_of_this_one() {
    let other = Workspace::new(4).with_a_port();
    let _service = other.settled();
    let workspace = Workspace::new(4);
    let address = |workspace: &Workspace| {
        let text = std::fs::read_to_string(&workspace.config).expect("reads");
        let line = text.lines().find(|line| line.trim_start().starts_with("listen")).expect("an address").to_owned();
        (text, line)
    };
    let ((text, own), (_, theirs)) = (address(&workspace), address(&other));
    std::fs::write(&workspace.config, text.replace(&own, &theirs)).expect("writes");
    let (ok, said) = workspace.cli(&["run"]);
    assert!(!ok && said.contains("cannot be listened on") && !said.contains("panicked"), "{said}");
    let (ok, said) = other.cli(&["run"]);
    assert!(!ok && said.contains("in use by process") && !said.contains("panicked"), "the same one, twice: {said}");
    // It has a store, and does not run.
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    std::fs::write(&workspace.config, text.replace(&theirs, &own)).expect("writes");
    workspace.settled().kill();
    std::fs::write(&workspace.config, text).expect("writes");
    let (ok, said) = workspace.cli(&["status"]);
    assert!(!ok && said.contains("is the service of another store"), "{said}");
    assert!(said.contains("no service answers") && !said.contains("nothing is missing"), "{said}");
    let (ok, said) = other.cli(&["status"]);
    assert!(ok && !said.contains("another store"), "{said}");
}
