//! The simulated Namely, as any other client meets it: what is recorded, what is documented, and the switches for what is
//! not known.

use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::http::Simulator;
use namely_okta_sync::sandbox::namely::{Client, Namely, Options};
use namely_okta_sync::sandbox::world::{any_port, population};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

struct Tenant {
    simulator: Simulator<Namely>,
    clock: Clock,
    runtime: tokio::runtime::Runtime,
}

impl Tenant {
    fn new(people: usize, options: Options) -> Self {
        let clock = Clock::scaled_from_today(1.0);
        let core = Namely::new(Options { latency: 0.0, ..options }, population(people, 1, clock.now()), clock.now());
        let simulator = Simulator::start(core, any_port(), clock.clone()).expect("a port");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { simulator, clock, runtime }
    }

    fn send(&self, request: reqwest::RequestBuilder) -> (u16, reqwest::header::HeaderMap, Value) {
        self.runtime.block_on(async {
            let answer = request.send().await.expect("answers");
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            (status, headers, answer.json().await.unwrap_or(Value::Null))
        })
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v1{path}", self.simulator.url());
        reqwest::Client::new().request(method.parse().expect("a method"), url)
    }

    fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, reqwest::header::HeaderMap, Value) {
        let request = self.request(method, path).bearer_auth(Options::default().token);
        self.send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
    }

    fn get(&self, path: &str) -> Value {
        let (status, _, body) = self.call("GET", path, None);
        assert_eq!(status, 200, "{path}");
        body
    }

    /// Ids of all profiles, page by page until the empty one.
    fn walk(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for page in 1.. {
            let body = self.get(&format!("/profiles?page={page}&per_page=10"));
            let rows = body["profiles"].as_array().expect("a list");
            if rows.is_empty() {
                return ids;
            }
            ids.extend(rows.iter().filter_map(|p| p["id"].as_str().map(str::to_owned)));
        }
        ids
    }
}

fn unlimited() -> Options {
    Options { per_minute: None, ..Options::default() }
}

#[test]
fn headers_are_those_on_record_and_none_besides() {
    let tenant = Tenant::new(3, unlimited());
    let (_, headers, _) = tenant.call("GET", "/profiles.json", None);
    for present in ["x-request-id", "x-runtime", "content-type", "vary"] {
        assert!(headers.contains_key(present), "{present}");
    }
    for absent in ["etag", "link", "last-modified", "retry-after", "x-rate-limit-limit"] {
        assert!(!headers.contains_key(absent), "{absent}");
    }
    let raw =
        tenant.request("GET", "/profiles").bearer_auth(Options::default().token).header("Accept-Encoding", "gzip");
    let encoding = tenant.runtime.block_on(async {
        let client = reqwest::Client::builder().no_gzip().build().expect("a client");
        let answer = client.execute(raw.build().expect("a request")).await.expect("answers");
        answer.headers().get("content-encoding").and_then(|v| v.to_str().ok().map(str::to_owned))
    });
    assert_eq!(encoding.as_deref(), Some("gzip"));
    let id = tenant.get("/profiles")["profiles"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(tenant.call("HEAD", &format!("/profiles/{id}"), None).0, 200);
    assert_eq!(tenant.call("HEAD", "/profiles/nobody", None).0, 404);
    assert_eq!(tenant.send(tenant.request("GET", "/companies/info")).0, 200, "needs no token");
}

#[test]
fn pages_end_at_fifty_count_what_they_show_and_refer_to_exactly_what_they_need() {
    let tenant = Tenant::new(60, unlimited());
    let body = tenant.get("/profiles?per_page=100");
    assert_eq!((body["meta"]["count"].clone(), body["meta"]["total_count"].clone()), (json!(50), json!(60)));
    assert_eq!(tenant.get("/profiles?page=9&per_page=50")["profiles"], json!([]));
    assert_eq!(tenant.get("/profiles")["meta"]["count"], 30, "thirty without being told");
    let one = tenant.get("/profiles?per_page=1");
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_array().into_iter().flatten().map(|g| g["id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&one["linked"]["groups"]), names(&one["profiles"][0]["links"]["groups"]));
    let title = &one["linked"]["job_titles"][0];
    assert!(title["id"].is_i64() && title["guid"] == one["profiles"][0]["job_title"]["id"], "{title}");
    let times: Vec<i64> =
        body["profiles"].as_array().expect("a list").iter().filter_map(|p| p["created_at"].as_i64()).collect();
    assert!(times.is_sorted() && times.iter().collect::<BTreeSet<_>>().len() < 20, "many share a second");
    let newest = tenant.get("/profiles?sort=-updated_at&per_page=2");
    assert!(newest["profiles"][0]["updated_at"].as_i64() >= newest["profiles"][1]["updated_at"].as_i64());
    let email = one["profiles"][0]["email"].as_str().expect("an email");
    assert_eq!(tenant.get(&format!("/profiles?filter[email]={email}"))["profiles"].as_array().map(Vec::len), Some(1));
}

#[test]
fn catalogues_have_their_differing_envelopes() {
    let tenant = Tenant::new(5, unlimited());
    assert_eq!(tenant.get("/groups")["meta"]["response"], 200);
    assert_eq!(tenant.get("/group_types")["group_types"].as_array().map(Vec::len), Some(3));
    assert_eq!(tenant.get("/job_titles")["meta"]["status"], 200);
    assert!(tenant.get("/teams").get("meta").is_none());
    assert!(tenant.get("/countries").get("links").is_none());
    let groups = tenant.get("/groups");
    let titles: Vec<&str> =
        groups["groups"].as_array().expect("a list").iter().filter_map(|g| g["title"].as_str()).collect();
    assert_eq!(titles.iter().filter(|t| **t == "Corporate").count(), 2, "names are not unique");
    let id = groups["groups"][0]["id"].as_str().expect("an id");
    let one = tenant.get(&format!("/groups/{id}"));
    assert_eq!(groups["groups"][0]["type"], "Department");
    assert_eq!(one["groups"][0]["type"], "7", "a title in the list, an id alone");
    let fields = tenant.get("/profiles/fields");
    let known: BTreeSet<&str> =
        fields["fields"].as_array().expect("a list").iter().filter_map(|f| f["name"].as_str()).collect();
    let profile = tenant.get("/profiles?per_page=1")["profiles"][0].clone();
    for name in known {
        assert!(profile.get(name).is_some(), "{name} is in the catalogue and not on the profile");
    }
}

#[test]
fn errors_come_in_the_two_envelopes_on_record() {
    let tenant = Tenant::new(2, unlimited());
    let (status, _, body) = tenant.call("POST", "/profiles", Some(json!({ "profiles": [{ "last_name": "X" }] })));
    let expected = json!({ "message": "error creating profile", "errors": ["first_name is a required field"] });
    assert_eq!((status, body), (422, expected));
    assert_eq!(tenant.call("GET", "/countries/XX", None).2["message"], "Country not found");
    let wrong = tenant.send(tenant.request("GET", "/profiles").bearer_auth("wrong"));
    assert_eq!((wrong.0, wrong.2), (401, json!({ "error": "" })));
    assert_eq!(tenant.call("DELETE", "/profiles/x", None).0, 401, "there is no deletion");
    assert_eq!(tenant.call("POST", "/webhooks", Some(json!({}))).0, 401, "nor any webhook");
}

#[test]
fn a_termination_and_its_rescission_can_be_written_as_hr_tools_do() {
    let tenant = Tenant::new(2, unlimited());
    let id = tenant.get("/profiles")["profiles"][0]["id"].as_str().expect("an id").to_owned();
    let put = |profile: Value| tenant.call("PUT", &format!("/profiles/{id}"), Some(json!({ "profiles": [profile] }))).2;
    let gone = put(json!({ "user_status": "inactive", "departure_date": "2026-05-01" }));
    assert_eq!(gone["profiles"][0]["user_status"], "inactive");
    let back = put(json!({ "user_status": "active", "departure_date": "" }));
    assert_eq!(
        (back["profiles"][0]["departure_date"].clone(), back["profiles"][0]["user_status"].clone()),
        (json!(""), json!("active"))
    );
}

/// Everything that a profile shows can be changed as HR tools do it, and is shown by the next read.
#[test]
fn every_field_changes_over_http_and_what_cannot_be_changed_is_refused_by_name() {
    let tenant = Tenant::new(12, unlimited());
    let whole = tenant.get("/profiles")["profiles"][3].clone();
    let id = whole["id"].as_str().expect("an id").to_owned();
    let put = |profile: Value| tenant.call("PUT", &format!("/profiles/{id}"), Some(json!({ "profiles": [profile] })));
    assert_eq!(put(whole.clone()).0, 200, "what was read can be written back");
    let manager = tenant.get("/profiles")["profiles"][10]["id"].clone();
    let other = |key: &str, before: &Value| match key {
        "user_status" => json!("pending"),
        "start_date" | "departure_date" | "dob" => json!("2031-02-03"),
        "employee_type" => json!({ "title": "Intern" }),
        "leave_status" => json!("On leave"),
        "job_title" => json!({ "title": "Team Manager" }),
        "reports_to" => manager.clone(),
        "links" => json!({ "groups": [{ "name": "Legal" }, { "name": "Berlin" }] }),
        _ if before.is_object() => json!({ "city": "Porto" }),
        _ if before.is_array() => json!(["laptop"]),
        _ => json!("otherwise"),
    };
    let kept = ["id", "created_at", "updated_at", "full_name", "image"];
    for (key, before) in whole.as_object().expect("a profile") {
        let after = other(key, before);
        let (status, _, body) = put(json!({ key: after }));
        if kept.contains(&key.as_str()) {
            assert_eq!((status, body["errors"][0].clone()), (422, json!(format!("{key} cannot be written"))));
            continue;
        }
        assert_eq!(status, 200, "{key}: {body}");
        assert_ne!(tenant.get(&format!("/profiles/{id}"))["profiles"][0][key], *before, "{key} was ignored");
    }
    let now = tenant.get(&format!("/profiles/{id}"))["profiles"][0].clone();
    assert_eq!(
        (now["job_title"]["title"].clone(), now["reports_to"][0]["id"].clone()),
        (json!("Team Manager"), manager)
    );
    let groups: Vec<&str> =
        now["links"]["groups"].as_array().expect("groups").iter().filter_map(|g| g["name"].as_str()).collect();
    assert_eq!(groups, ["Legal", "Berlin"]);
    let several = json!({ "links": { "groups": [{ "name": "Legal" }, { "name": "Sales" }, { "name": "Berlin" }] } });
    assert_eq!(put(several).2["profiles"][0]["links"]["groups"].as_array().map(Vec::len), Some(3));
    for (wrong, why) in [
        (json!({ "user_status": "left" }), "user_status is active, inactive or pending"),
        (json!({ "departure_date": "tomorrow" }), "departure_date is not a date: \"tomorrow\""),
        (json!({ "reports_to": "nobody" }), "reports_to names no profile: \"nobody\""),
        (json!({ "job_title": "team manager" }), "job_title is not one of /job_titles: \"team manager\""),
        (json!({ "links": { "groups": ["Corporate"] } }), "links .groups: several groups are called"),
        (json!({ "nickname": "Al" }), "nickname is not a field of this company"),
    ] {
        let (status, _, body) = put(wrong);
        let message = body["errors"][0].as_str().unwrap_or_default().to_owned();
        assert!(status == 422 && message.starts_with(why), "{message}");
    }
}

#[test]
fn somebody_who_is_hired_over_http_has_what_was_sent_and_nothing_of_anybody_else() {
    let tenant = Tenant::new(3, unlimited());
    let joiner = json!({ "first_name": "Ada", "last_name": "Byron", "email": "ada@example.com",
        "start_date": "2026-01-01", "user_status": "active", "links": { "groups": [{ "name": "Sales" }] } });
    let (status, _, body) = tenant.call("POST", "/profiles", Some(json!({ "profiles": [joiner] })));
    let made = &body["profiles"][0];
    assert_eq!((status, made["email"].clone()), (200, json!("ada@example.com")), "{body}");
    assert_eq!(made["links"]["groups"].as_array().map(Vec::len), Some(1), "{made}");
    assert_eq!(made["reports_to"][0]["id"], "no_guid");
    let id = made["id"].as_str().expect("an id");
    assert_eq!(tenant.get(&format!("/profiles/{id}"))["profiles"][0]["first_name"], "Ada");
}

#[test]
fn a_personal_token_dies_with_its_owner_and_a_restricted_one_sees_ten_keys() {
    let tenant = Tenant::new(2, Options { restricted: true, ..unlimited() });
    let profile = tenant.get("/profiles")["profiles"][0].clone();
    assert_eq!(profile.as_object().map(serde_json::Map::len), Some(10), "{profile}");
    assert_eq!(tenant.get("/profiles/me")["profiles"][0].get("job_title"), None);
    tenant.simulator.core().orphan_token();
    assert_eq!(tenant.call("GET", "/groups", None).0, 403);
}

#[test]
fn oauth_tokens_live_a_quarter_of_an_hour_and_are_refreshed_with_or_without_a_new_refresh_token() {
    for repeats_refresh_token in [false, true] {
        let client = Client { id: "app".into(), secret: "s".into(), repeats_refresh_token };
        let tenant = Tenant::new(2, Options { client: Some(client), ..unlimited() });
        let no_redirects =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let url = format!(
            "{}/api/v1/oauth2/authorize?response_type=code&client_id=app&redirect_uri=http://x/&state=7",
            tenant.simulator.url()
        );
        let (_, headers, _) = tenant.send(no_redirects.get(url));
        let to = headers["location"].to_str().expect("text").to_owned();
        assert!(to.ends_with("&state=7"), "{to}");
        let code = to.split(['=', '&']).nth(1).expect("a code").to_owned();
        let token = |form: &[(&str, &str)]| {
            let common = [("client_id", "app"), ("client_secret", "s")];
            tenant.send(tenant.request("POST", "/oauth2/token").form(&[form, &common[..]].concat()))
        };
        let (status, _, first) = token(&[("grant_type", "authorization_code"), ("code", &code)]);
        assert_eq!((status, first["expires_in"].clone()), (200, json!(899)));
        assert_eq!(token(&[("grant_type", "authorization_code"), ("code", &code)]).0, 401, "a code is for one use");
        let see = |access: &Value| {
            let access = access.as_str().expect("a token").to_owned();
            tenant.send(tenant.request("GET", "/profiles").bearer_auth(access)).0
        };
        assert_eq!(see(&first["access_token"]), 200);
        tenant.clock.jump(Duration::from_secs(900));
        assert_eq!(see(&first["access_token"]), 401);
        let refresh = first["refresh_token"].as_str().expect("a token");
        let (_, _, second) = token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]);
        assert_eq!(see(&second["access_token"]), 200);
        assert_eq!(second.get("refresh_token").is_some(), repeats_refresh_token);
    }
}

#[test]
fn the_formats_of_2014_and_the_readings_of_the_documentation_can_be_chosen() {
    let tenant = Tenant::new(40, Options { legacy: true, ..unlimited() });
    let first = tenant.get("/profiles");
    assert_eq!((first["meta"]["count"].clone(), first["profiles"].as_array().map(Vec::len)), (json!(40), Some(30)));
    assert!(first["profiles"][0]["employee_type"].is_string());
    assert!(first["profiles"][0]["start_date"].as_str().is_some_and(|day| day.contains('/')));
    let last = first["profiles"][29]["id"].as_str().expect("an id");
    let second = tenant.get(&format!("/profiles?after={last}"));
    assert_eq!((second["meta"]["after"].as_str(), second["profiles"].as_array().map(Vec::len)), (Some(last), Some(10)));
    let literal = Tenant::new(25, Options { short_page_is_empty: true, ..unlimited() });
    assert_eq!(literal.walk().len(), 20, "the short last page is shown empty");
    let repeating = Tenant::new(35, Options { overlap: 3, ..unlimited() });
    let ids = repeating.walk();
    assert!(ids.len() > 35 && ids.iter().collect::<BTreeSet<_>>().len() == 35, "{}", ids.len());
}
