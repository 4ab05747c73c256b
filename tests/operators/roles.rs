//! Who may ask what: every route and every screen for every role, what HR sees, and that looks of HR and auditors are written down.

use crate::admin::{Api, STAFF};
use crate::common::rig::{Rig, Setup, on_a_system};
use crate::console::{Pages, active, held};
use namely_okta_sync::admin::openapi::openapi;
use namely_okta_sync::admin::routes::ROUTES;
use namely_okta_sync::config::{ConsoleSettings, Role};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What each route is open to: `h` for HR, `a` for auditors, `v`, `o` and `p` for viewers, operators and approvers. Written by hand:
/// what the service takes from its own table is compared with it.
const OPEN_TO: &[(&str, &str)] = &[
    ("GET /status", "avop"),
    ("GET /nodes", "avop"),
    ("POST /nodes/{name}/drain", "op"),
    ("GET /attention", "havop"),
    ("GET /leavers", "havop"),
    ("GET /starters", "havop"),
    ("GET /backlog", "avop"),
    ("GET /people/{person}", "avop"),
    ("GET /people", "havop"),
    ("GET /targets/{target}", "havop"),
    ("GET /audit", "avop"),
    ("GET /holds", "avop"),
    ("GET /holds/{id}", "avop"),
    ("GET /missing", "avop"),
    ("GET /quarantine", "avop"),
    ("GET /pauses", "avop"),
    ("POST /quarantine/retry", "op"),
    ("POST /pause", "op"),
    ("POST /resume", "op"),
    ("GET /orgs/{org}/adoption", "avop"),
    ("GET /adoption", "avop"),
    ("GET /reviews", "avop"),
    ("GET /reviews/{id}", "avop"),
    ("GET /links", "avop"),
    ("GET /links/{profile}", "avop"),
    ("POST /access/end", "p"),
    ("POST /access/restore", "p"),
    ("GET /access/ended", "avop"),
    ("POST /fix", "op"),
    ("POST /reconcile", "op"),
    ("POST /reload", "op"),
    ("POST /poll", "op"),
    ("GET /plans", "avop"),
    ("POST /plans", "avop"),
    ("GET /plans/{plan}", "avop"),
    ("GET /plans/{plan}/people/{target}", "avop"),
    ("GET /plans/{plan}/file", "avop"),
    ("POST /plans/{plan}/approve", "p"),
    ("POST /plans/approve", "p"),
    ("GET /mapping", "avop"),
    ("GET /mapping/test", "avop"),
    ("POST /mapping/test", "avop"),
    ("GET /mapping/diffs", "avop"),
    ("POST /mapping/diffs", "avop"),
    ("GET /mapping/diffs/{diff}", "avop"),
    ("GET /undo", "avop"),
    ("POST /undo", "p"),
    ("POST /undo/release", "p"),
    ("POST /orgs/{org}/adopt", "p"),
    ("POST /reviews/{id}/accept", "p"),
    ("POST /links/split", "p"),
    ("POST /orgs/{org}/accept-list", "p"),
    ("POST /orgs/{org}/make-group", "p"),
    ("POST /orgs/{org}/leave-group", "p"),
    ("POST /reviews/{id}/reject", "p"),
    ("POST /missing/end", "p"),
    ("POST /missing/keep", "p"),
    ("POST /holds/{id}/approve", "p"),
    ("POST /holds/{id}/reject", "p"),
    ("POST /holds/{id}/reverse", "p"),
    ("POST /holds/{id}/cancel", "vop"),
];

/// Screens, and who sees them.
const SCREENS: &[(&str, &str)] = &[
    ("/", "avop"),
    ("/attention", "havop"),
    ("/plans", "avop"),
    ("/holds", "avop"),
    ("/holds/1", "avop"),
    ("/people", "havop"),
    ("/people/1", "havop"),
    ("/people/1/undo", "avop"),
    ("/people/1/end", "avop"),
    ("/quarantine", "avop"),
    ("/starters", "havop"),
    ("/leavers", "havop"),
    ("/matches", "avop"),
    ("/mapping", "avop"),
    ("/audit", "avop"),
    ("/orgs", "avop"),
    ("/access", "avop"),
    ("/help", "havop"),
];

/// What is done on screens, and who may.
const DONE: &[(&str, &str)] = &[
    ("/pause", "op"),
    ("/resume", "op"),
    ("/people/1/read", "op"),
    ("/people/1/retry", "op"),
    ("/people/1/undo", "p"),
    ("/people/1/end", "p"),
    ("/people/1/restore", "p"),
    ("/quarantine/retry", "op"),
    ("/reload", "op"),
    ("/plans", "avop"),
    ("/mapping/test", "avop"),
    ("/mapping/diffs", "avop"),
    ("/plans/1/decide", "p"),
    ("/plans/1/approve", "p"),
    ("/holds/1/decide", "p"),
    ("/holds/1/approve", "p"),
    ("/holds/1/reject", "p"),
    ("/holds/1/reverse", "p"),
    ("/holds/1/cancel", "vop"),
    ("/matches/1/accept", "p"),
    ("/matches/1/reject", "p"),
];

fn is_open(open_to: &str, role: Role) -> bool {
    open_to.contains(match role {
        Role::Hr => 'h',
        Role::Auditor => 'a',
        Role::Viewer => 'v',
        Role::Operator => 'o',
        Role::Approver => 'p',
    })
}

#[test]
fn every_route_answers_each_role_as_the_table_says_and_names_the_roles_that_may() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(5)).await;
        let api = Api::of(&rig);
        let routes: BTreeSet<String> = ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        let listed: BTreeSet<String> = OPEN_TO.iter().map(|(route, _)| (*route).to_owned()).collect();
        assert_eq!(routes, listed, "the table has every route");
        let document = openapi();
        for (route, open_to) in OPEN_TO {
            let (method, pattern) = route.split_once(' ').expect("a method");
            let filled = |part| if str::starts_with(part, '{') { "7" } else { part };
            let path = pattern.split('/').map(filled).collect::<Vec<_>>().join("/");
            let operation = &document["paths"][format!("/api/v1{pattern}")][method.to_lowercase()];
            let described = operation["description"].as_str().expect("a sentence");
            for (name, role) in STAFF {
                // A body that nobody can understand: whoever may is told so, and nothing is done.
                let (status, message) = api.ask(Some(role), method, &path, "{").await;
                let may = is_open(open_to, role);
                assert_eq!(status != 403, may, "{route} {role:?}: {status} {message}");
                assert_eq!(described.contains(role.as_str()), may, "{route}: {described}");
                if !may {
                    let error = message["error"].as_str().expect("says why");
                    assert!(error.starts_with(&format!("{name} has the role {};", role.as_str())), "{error}");
                    for (_, other) in STAFF.iter().filter(|(_, other)| is_open(open_to, *other)) {
                        assert!(error.split_once(';').is_some_and(|(_, who)| who.contains(other.as_str())), "{error}");
                    }
                }
            }
        }
        assert!(rig.pairs("SELECT CAST(id AS TEXT), why FROM pause").await.is_empty(), "nothing was done");
    });
}

#[test]
fn every_screen_and_every_button_is_for_the_roles_that_may_and_a_screen_that_is_not_says_so() {
    on_a_system(async {
        let (rig, _) = held(30, 2).await;
        let pages = Pages::of(&rig);
        for (_, role) in STAFF {
            let browser = pages.signed_in(role).await;
            for (path, open_to) in SCREENS {
                let page = browser.get(path).await;
                let may = is_open(open_to, role);
                assert_eq!(page.status, if may { 200 } else { 403 }, "{path} {role:?}: {}", page.text);
                let says_why = page.has("Not for your role") && page.has("this needs the role");
                assert!(may || says_why, "{path}: {}", page.text);
            }
            for (path, _) in DONE.iter().filter(|(_, open_to)| !is_open(open_to, role)) {
                let form = [("why", "x"), ("id", "1"), ("do", "approve-all")];
                let page = browser.post("/people", path, &form).await;
                assert!(page.status == 403 || page.has("this needs the role"), "{path} {role:?}: {}", page.text);
            }
            let has_closed = SCREENS.iter().any(|(_, open_to)| !is_open(open_to, role));
            assert_eq!(browser.get("/people").await.has("not for "), has_closed, "{role:?}");
        }
        assert!(rig.pairs("SELECT CAST(id AS TEXT), why FROM pause").await.is_empty(), "nothing was paused");
        let undecided = "SELECT CAST(id AS TEXT), change FROM hold WHERE verdict IS NULL";
        assert_eq!(rig.pairs(undecided).await.len(), 1, "nothing was decided");
    });
}

/// Who has looked at whom.
async fn viewed(rig: &Rig) -> Vec<(i64, String)> {
    let rows = rig.pairs("SELECT CAST(target AS TEXT), row FROM audit WHERE kind = 'viewed' ORDER BY seq").await;
    let who =
        |row: &str| serde_json::from_str::<Value>(row).expect("a row")["detail"]["by"].as_str().map(str::to_owned);
    rows.into_iter().map(|(target, row)| (target.parse().expect("a number"), who(&row).expect("a name"))).collect()
}

#[test]
fn that_an_auditor_or_hr_looks_at_one_person_is_a_row_of_the_audit_and_a_list_is_none() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let (api, pages) = (Api::of(&rig), Pages::of(&rig));
        let email = rig.setup.people[active(&rig, 1)[0]].email.clone();
        let (_, found) = api.ask(Some(Role::Viewer), "GET", &format!("/people?text={email}"), "").await;
        let target = found["people"][0]["target"].as_i64().expect("a target");
        for role in [Role::Viewer, Role::Operator, Role::Approver] {
            assert_eq!(api.ask(Some(role), "GET", &format!("/targets/{target}"), "").await.0, 200);
        }
        let hana = pages.signed_in(Role::Hr).await;
        assert_eq!(hana.get("/people").await.status, 200);
        assert_eq!(viewed(&rig).await, []);
        for _ in 0..3 {
            assert_eq!(hana.get(&format!("/people/{target}")).await.status, 200);
        }
        assert_eq!(viewed(&rig).await, [(target, "Hana".to_owned())], "a page that renews itself is one look");
        for path in [format!("/people/{email}"), format!("/audit?person={email}"), format!("/links?person={email}")] {
            assert_eq!(api.ask(Some(Role::Auditor), "GET", &path, "").await.0, 200, "{path}");
        }
        assert_eq!(viewed(&rig).await[1..], vec![(target, "Aldo".to_owned()); 3]);
        assert_eq!(api.ask(Some(Role::Auditor), "GET", "/people/nobody%20there", "").await.0, 404);
        assert_eq!(viewed(&rig).await.len(), 4);
        let anna = pages.signed_in(Role::Approver).await;
        let page = anna.get("/audit?kind=viewed").await;
        assert!(page.has("Aldo has looked at this person, as auditor: what happened"), "{}", page.text);
    });
}

#[test]
fn hr_reads_people_in_its_own_words_and_what_is_hidden_from_it_is_said() {
    on_a_system(async {
        let (rig, who) = held(30, 2).await;
        let (open, closed) = (Api::of(&rig), Api::with(&rig, true));
        let email = rig.setup.people[active(&rig, 5)[4]].email.clone();
        let (_, found) = open.ask(Some(Role::Hr), "GET", &format!("/people?text={email}"), "").await;
        let path = format!("/targets/{}", found["people"][0]["target"]);
        let (_, whole) = open.ask(Some(Role::Auditor), "GET", &path, "").await;
        let groups: Vec<String> = serde_json::from_value(whole["account"]["groups"].clone()).expect("a list");
        assert!(!groups.is_empty() && whole.get("hidden").is_none(), "{whole}");
        let (_, shown) = open.ask(Some(Role::Hr), "GET", &path, "").await;
        assert_eq!(shown["account"]["groups"], json!(groups));
        assert_eq!((&shown["timeline"], &shown["mapping"]["groups"]), (&json!([]), &json!([])));
        assert!(shown["hidden"].as_array().is_some_and(|hidden| hidden.len() == 2), "{shown}");
        let (_, less) = closed.ask(Some(Role::Hr), "GET", &path, "").await;
        let text = less.to_string();
        assert!(groups.iter().all(|group| !text.contains(group.as_str())), "{groups:?}: {text}");
        let text = open.ask(Some(Role::Hr), "GET", "/attention", "").await.1.to_string();
        assert!(text.contains("waits for an approval of IT") && !text.contains('`'), "{text}");
        let pages = Pages::for_hr(&rig, ConsoleSettings::default(), true);
        let hana = pages.signed_in(Role::Hr).await;
        let page = hana.get(&path.replace("targets", "people")).await;
        for said in [
            "Names of groups are hidden for your role",
            "1 column is hidden for your role",
            "Rows of the audit are hidden for your role",
            "3 parts are hidden for your role (hr)",
        ] {
            assert!(page.has(said), "{said}: {}", page.text);
        }
        assert!(groups.iter().all(|group| !page.text.contains(group.as_str())), "{}", page.text);
        let leavers = hana.get("/leavers").await;
        assert!(leavers.has(&rig.setup.people[who[0]].last_name), "{}", leavers.text);
    });
}
