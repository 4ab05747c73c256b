//! What goes wrong on purpose in both simulators, as a client sees it.

use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::faults::{Fault, Kind, Next};
use namely_okta_sync::sandbox::http::{Core, Simulator};
use namely_okta_sync::sandbox::namely::{self, Namely};
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::okta::{self, Okta};
use namely_okta_sync::sandbox::world::{any_port, population};
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use std::io::Read;
use std::time::Duration;

/// An org of four people that answers at once: Ada, Bo, Cy and the administrator.
fn org() -> Simulator<Okta> {
    let clock = Clock::scaled_from_today(40.0);
    let options = okta::Options { limits: None, latency: 0.0, index_lag: Duration::ZERO, ..okta::Options::default() };
    let mut org = Okta::new(options, clock.now());
    let group = org.seed_group("Staff", "OKTA_GROUP", clock.now());
    for name in ["ada", "bo", "cy"] {
        let login = format!("{name}@example.com");
        let profile = json!({ "login": login, "email": login, "firstName": name, "lastName": "X", "namelyId": format!("id-{name}") });
        org.seed_user(profile, Status::Active, std::slice::from_ref(&group), clock.now());
    }
    Simulator::start(org, any_port(), clock).expect("a port")
}

fn send<C: Core>(simulator: &Simulator<C>, token: &str, method: &str, path: &str, body: Option<Value>) -> Response {
    let url = format!("{}{path}", simulator.url());
    let client = Client::builder().timeout(Duration::from_secs(20)).build().expect("a client");
    let request = client.request(method.parse().expect("a method"), url).header("Authorization", token);
    let request = match body {
        Some(body) => request.json(&body),
        None => request.header("Content-Length", "0"),
    };
    request.send().expect("an answer")
}

fn call(org: &Simulator<Okta>, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let answer = send(org, "SSWS 00sandbox-token", method, path, body);
    (answer.status().as_u16(), answer.json().unwrap_or(Value::Null))
}

fn logins(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|user| user["profile"]["login"].as_str()).collect()
}

#[test]
fn somebody_is_missing_from_lists_and_there_by_id() {
    let org = org();
    let number = org.core().faults.add(Fault::always("GET", "/api/v1/users?", Kind::hide(&["id-bo"])));
    let (_, list) = call(&org, "GET", "/api/v1/users?limit=200", None);
    assert_eq!(logins(&list), ["admin@example.com", "ada@example.com", "cy@example.com"]);
    assert_eq!(call(&org, "GET", "/api/v1/users/bo@example.com", None).0, 200);
    assert!(org.core().faults.remove(number));
    assert_eq!(logins(&call(&org, "GET", "/api/v1/users?limit=200", None).1).len(), 4);
}

#[test]
fn each_step_of_a_termination_can_be_refused_for_one_person() {
    let org = org();
    let (_, ada) = call(&org, "GET", "/api/v1/users/ada@example.com", None);
    let ada = ada["id"].as_str().expect("an id").to_owned();
    let (_, groups) = call(&org, "GET", "/api/v1/groups?q=staff", None);
    let group = groups[0]["id"].as_str().expect("an id");
    for (method, pattern, path) in [
        ("DELETE", "/api/v1/users/*/sessions", format!("/api/v1/users/{ada}/sessions?oauthTokens=true")),
        ("POST", "/api/v1/users/*/lifecycle/deactivate", format!("/api/v1/users/{ada}/lifecycle/deactivate")),
        ("POST", "/api/v1/users/*/lifecycle/suspend", format!("/api/v1/users/{ada}/lifecycle/suspend")),
        ("POST", "/api/v1/users/*/lifecycle/unlock", format!("/api/v1/users/{ada}/lifecycle/unlock")),
        ("GET", "/api/v1/users/*", format!("/api/v1/users/{ada}")),
        ("GET", "/api/v1/users/*/groups", format!("/api/v1/users/{ada}/groups")),
        ("DELETE", "/api/v1/groups/*/users/*", format!("/api/v1/groups/{group}/users/{ada}")),
    ] {
        let fault = Fault { times: Some(1), ..Fault::denied(method, pattern).about("ADA@example.com") };
        org.core().faults.add(fault);
        let other = path.replace(&ada, "cy@example.com");
        assert!(call(&org, method, &other, None).1["errorCode"] != "E0000006", "{path} is about somebody else");
        let (status, body) = call(&org, method, &path, None);
        assert_eq!((status, &body["errorCode"]), (403, &json!("E0000006")), "{method} {path}");
        assert!(call(&org, method, &path, None).1["errorCode"] != "E0000006", "{path} is refused once");
    }
    assert!(org.core().faults.are_spent());
}

#[test]
fn a_call_that_is_about_one_person_is_answered_with_another() {
    let org = org();
    org.core()
        .faults
        .add(Fault::always("", "/api/v1/users", Kind::AboutAnother("cy@example.com".into())).about("id-ada"));
    assert_eq!(call(&org, "GET", "/api/v1/users/ada@example.com", None).1["profile"]["namelyId"], "id-cy");
    assert_eq!(call(&org, "GET", "/api/v1/users/bo@example.com", None).1["profile"]["namelyId"], "id-bo");
    let change = json!({ "profile": { "title": "Analyst" } });
    assert_eq!(call(&org, "POST", "/api/v1/users/ada@example.com", Some(change)).1["profile"]["namelyId"], "id-cy");
    assert_eq!(org.core().user_by_anchor("id-ada").map(|ada| ada.profile["title"].clone()), Some(json!("Analyst")));
}

#[test]
fn what_answers_success_need_not_have_an_effect() {
    let org = org();
    org.core().faults.add(Fault::first(1, "POST", "/lifecycle/deactivate", Kind::NoEffect));
    org.core().faults.add(Fault::first(1, "POST", "/api/v1/users/", Kind::IgnoreAttributes(vec!["title".into()])));
    let deactivate = || call(&org, "POST", "/api/v1/users/bo@example.com/lifecycle/deactivate", None).0;
    let status = || org.core().user_by_anchor("id-bo").map(|user| user.status);
    assert_eq!((deactivate(), status()), (200, Some(Status::Active)));
    let change = json!({ "profile": { "title": "Analyst", "city": "Lisbon" } });
    let (status_code, shown) = call(&org, "POST", "/api/v1/users/bo@example.com", Some(change));
    assert_eq!(
        (status_code, &shown["profile"]["title"], &shown["profile"]["city"]),
        (200, &Value::Null, &json!("Lisbon"))
    );
    assert_eq!((deactivate(), status()), (200, Some(Status::Deprovisioned)));
}

#[test]
fn bodies_that_do_not_end_and_bodies_that_grow() {
    let org = org();
    org.core().faults.add(Fault::first(1, "GET", "/api/v1/users", Kind::EndlessBody));
    let mut body = send(&org, "SSWS 00sandbox-token", "GET", "/api/v1/users", None);
    let mut begun = vec![0; 8 << 20];
    body.read_exact(&mut begun).expect("it goes on and on");
    drop(body);
    org.core().faults.add(Fault::first(1, "GET", "/api/v1/users", Kind::GzipBomb(64 << 20)));
    let bomb = send(&org, "SSWS 00sandbox-token", "GET", "/api/v1/users", None);
    assert_eq!(bomb.bytes().expect("unpacks").len(), 64 << 20);
}

#[test]
fn pages_can_have_no_end_and_lead_elsewhere() {
    let org = org();
    let next = |path: &str| {
        let answer = send(&org, "SSWS 00sandbox-token", "GET", path, None);
        let links = answer.headers().get_all("link").into_iter().filter_map(|link| link.to_str().ok());
        let mut next = links
            .filter(|link| link.ends_with("rel=\"next\""))
            .map(|link| link.split(['<', '>']).nth(1).unwrap_or_default().to_owned());
        next.next_back()
    };
    let page = "/api/v1/users?limit=2";
    assert!(next(page).is_some_and(|url| url.starts_with(&org.url())));
    org.core().faults.add(Fault::first(
        1,
        "GET",
        "/api/v1/users?",
        Kind::Next(Next::Origin("https://other.example.com".into())),
    ));
    assert!(next(page).is_some_and(|url| url.starts_with("https://other.example.com/api/v1/users?limit=2&after=")));
    org.core().faults.add(Fault::first(1, "GET", "/api/v1/users?", Kind::Next(Next::Itself)));
    assert_eq!(next(page), Some(format!("{}{page}", org.url())));
    org.core().faults.add(Fault::first(1, "GET", "/api/v1/users?", Kind::NoNext));
    assert_eq!(next(page), None);
    org.core().faults.add(Fault::always("GET", "/api/v1/users?", Kind::EndlessPages));
    let mut seen = std::collections::BTreeSet::new();
    let mut at = page.to_owned();
    for _ in 0..5 {
        let url = next(&at).expect("one more page");
        at = url.strip_prefix(&org.url()).expect("of this org").to_owned();
        assert!(seen.insert(url), "each page has another address");
    }
}

#[test]
fn namely_shows_less_says_more_and_cannot_be_read() {
    let clock = Clock::scaled_from_today(40.0);
    let people = population(5, 1, clock.now());
    let options = namely::Options { latency: 0.0, per_minute: None, ..namely::Options::default() };
    let tenant =
        Simulator::start(Namely::new(options, people.clone(), clock.now()), any_port(), clock).expect("a port");
    let page = |query: &str| -> Value {
        send(&tenant, "Bearer sandbox-namely-token", "GET", &format!("/api/v1/profiles?{query}"), None)
            .json()
            .expect("JSON")
    };
    let add = |kind: Kind| tenant.core().faults.add(Fault::first(1, "GET", "/profiles", kind));
    let shown = |page: &Value| page["profiles"].as_array().map_or(0, Vec::len);
    add(Kind::hide(&[&people[2].id]));
    assert_eq!((shown(&page("page=1")), page("page=1")["meta"]["total_count"].clone()), (4, json!(5)));
    add(Kind::TotalCount(3));
    assert_eq!(page("page=1")["meta"]["total_count"], 3);
    add(Kind::IgnorePage);
    assert_eq!((shown(&page("page=7")), shown(&page("page=7"))), (5, 0));
    add(Kind::CutPage(1));
    assert_eq!(shown(&page("page=1")), 1);
    let fault =
        Fault::first(1, "GET", "/profiles", Kind::Field { key: "start_date".into(), value: json!("31/10/2026") });
    tenant.core().faults.add(fault.about(&people[3].id));
    let page = page("page=1");
    let unreadable = page["profiles"].as_array().into_iter().flatten().filter(|p| p["start_date"] == "31/10/2026");
    assert_eq!(unreadable.filter_map(|p| p["id"].as_str()).collect::<Vec<_>>(), [people[3].id.as_str()]);
}

#[test]
fn faults_are_set_and_taken_back_over_http() {
    let org = org();
    let fault = json!({ "method": "GET", "path": "/api/v1/iam/**", "kind": { "refuse": { "status": 403, "code": "E0000006" } } });
    let (status, made) = call(&org, "POST", "/_faults", Some(fault.clone()));
    assert_eq!(status, 201);
    assert_eq!(call(&org, "GET", "/api/v1/iam/assignees/users", None).0, 403);
    assert_eq!(call(&org, "GET", "/_faults", None).1["1"]["kind"], fault["kind"]);
    assert_eq!(call(&org, "POST", "/_faults", Some(json!({ "kind": "nonsense" }))).0, 400);
    assert_eq!(call(&org, "DELETE", &format!("/_faults/{}", made["number"]), None).0, 204);
    assert_eq!(call(&org, "GET", "/api/v1/iam/assignees/users", None).0, 200);
    call(&org, "POST", "/_faults", Some(fault));
    assert_eq!(call(&org, "DELETE", "/_faults", None).0, 204);
    assert_eq!(call(&org, "GET", "/api/v1/iam/assignees/users", None).0, 200);
}

#[test]
fn what_a_simulator_was_asked_is_read_over_http_and_asking_for_that_is_not_counted() {
    let org = org();
    let (_, user) = call(&org, "GET", "/api/v1/users/ada@example.com", None);
    let id = user["id"].as_str().expect("an id");
    call(&org, "POST", &format!("/api/v1/users/{id}/lifecycle/suspend"), None);
    let (status, shown) = call(&org, "GET", "/_history", None);
    let exchange = &shown["exchanges"][1];
    assert_eq!((status, &shown["next"]), (200, &json!(2)));
    assert_eq!(
        (&exchange["method"], &exchange["applied"], &exchange["user"]),
        (&json!("POST"), &json!(true), &json!(id))
    );
    assert_eq!((&exchange["bucket"], &exchange["rejected"]), (&json!("/api/v1/users"), &Value::Null));
    assert_eq!(call(&org, "GET", "/_history?from=2", None).1, json!({ "next": 2, "exchanges": [] }));
    assert_eq!(call(&org, "GET", "/_history?from=last", None).0, 400);
    assert_eq!(call(&org, "DELETE", "/_history", None).0, 404);
}

#[test]
fn a_role_by_a_group_is_shown_as_such_and_listed_by_a_switch() {
    let org = org();
    org.core().seed_role("Staff", "HELP_DESK_ADMIN");
    org.core().seed_administrator("id-cy");
    let roles = |who: &str| {
        let (_, roles) = call(&org, "GET", &format!("/api/v1/users/{who}/roles"), None);
        let words =
            roles.as_array().into_iter().flatten().map(|role| format!("{} {}", role["type"], role["assignmentType"]));
        words.collect::<Vec<_>>().join(", ").replace('"', "")
    };
    assert_eq!(roles("ada@example.com"), "HELP_DESK_ADMIN GROUP");
    assert_eq!(roles("cy@example.com"), "SUPER_ADMIN USER, HELP_DESK_ADMIN GROUP");
    let (_, groups) = call(&org, "GET", "/api/v1/groups?q=staff", None);
    let path = format!("/api/v1/groups/{}/roles", groups[0]["id"].as_str().expect("an id"));
    assert_eq!(call(&org, "GET", &path, None).1[0]["label"], "Help Desk Administrator");
    let listed = || call(&org, "GET", "/api/v1/iam/assignees/users?limit=1", None).1;
    let count = || {
        let (mut count, mut page) = (0, listed());
        loop {
            count += page["value"].as_array().map_or(0, Vec::len);
            let Some(next) = page["_links"]["next"]["href"].as_str() else { return count };
            page = call(&org, "GET", next.strip_prefix(&org.url()).expect("of this org"), None).1;
        }
    };
    assert_eq!(count(), 2, "the owner of the token, and Cy");
    org.core().options.assignees_by_group = true;
    assert_eq!(count(), 4);
    let (made, role) = call(&org, "POST", "/api/v1/users/bo@example.com/roles", Some(json!({ "type": "USER_ADMIN" })));
    assert_eq!((made, roles("bo@example.com").as_str()), (201, "USER_ADMIN USER, HELP_DESK_ADMIN GROUP"));
    let path = format!("/api/v1/users/bo@example.com/roles/{}", role["id"].as_str().expect("an id"));
    assert_eq!(call(&org, "DELETE", &path, None).0, 204);
    assert_eq!(roles("bo@example.com"), "HELP_DESK_ADMIN GROUP");
}

#[test]
fn something_in_between_says_429_without_a_word_about_the_window() {
    let org = org();
    let fault = json!({ "path": "/api/v1/users/*", "times": 1, "kind": { "throttle": { "retry_after": 7 } } });
    call(&org, "POST", "/_faults", Some(fault));
    let answer = send(&org, "SSWS 00sandbox-token", "GET", "/api/v1/users/ada@example.com", None);
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    assert_eq!((answer.status().as_u16(), header("retry-after")), (429, Some("7")));
    assert_eq!(header("x-rate-limit-reset"), None);
    assert_eq!(call(&org, "GET", "/api/v1/users/ada@example.com", None).0, 200);
}
