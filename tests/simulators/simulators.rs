//! The simulators alone, as any other client meets them.

use crate::common::keys::Key;
use crate::common::program::program;
use namely_okta_sync::clock::Clock;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

/// A running simulator, and what it said.
struct Simulated {
    child: Child,
    url: String,
    token: String,
    /// Its stdout, kept open: it may go on talking.
    _said: Box<dyn Iterator<Item = String>>,
}

impl Simulated {
    fn start(side: &str, more: &[&str]) -> Self {
        let mut command = program();
        command.args(["simulate", side, "--listen", "127.0.0.1:0", "--latency", "0"]).args(more).stdout(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let first = lines.next().expect("says where it is");
        let second = lines.next().expect("says which token it takes");
        let url = first.split_whitespace().find(|w| w.starts_with("http://")).expect("a URL").to_owned();
        let token = second.split_whitespace().last().expect("a token").to_owned();
        Self { child, url, token, _said: Box::new(lines) }
    }

    fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, reqwest::header::HeaderMap, Value) {
        let scheme = if self.url.contains("/api/v1") { "Bearer" } else { "SSWS" };
        let request = reqwest::Client::new()
            .request(method.parse().expect("a method"), format!("{}{path}", self.url))
            .header("Authorization", format!("{scheme} {}", self.token));
        let request = match body {
            Some(body) => request.json(&body),
            None if method == "GET" => request,
            None => request.header("Content-Length", "0"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let answer = request.send().await.expect("answers");
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            (status, headers, answer.json().await.unwrap_or(Value::Null))
        })
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_empty_org_has_an_administrator_and_everyone_and_says_which_token_it_takes() {
    let okta = Simulated::start("okta", &["--token", "00my-token"]);
    assert_eq!(okta.token, "00my-token");
    let (status, _, users) = okta.call("GET", "/api/v1/users", None);
    assert_eq!((status, users.as_array().map(Vec::len)), (200, Some(1)));
    let (_, _, groups) = okta.call("GET", "/api/v1/groups", None);
    assert_eq!(groups[0]["profile"]["name"], "Everyone");
    assert_eq!(groups[0]["type"], "BUILT_IN");
}

#[test]
fn both_simulators_hold_the_same_tenant_for_the_same_seed() {
    let more = ["--employees", "70", "--seed", "9"];
    let (namely, okta) = (Simulated::start("namely", &more), Simulated::start("okta", &more));
    let mut profiles = Vec::new();
    for page in 1.. {
        let (status, _, body) = namely.call("GET", &format!("/profiles?page={page}&per_page=50"), None);
        assert_eq!((status, body["meta"]["total_count"].as_u64()), (200, Some(70)));
        let rows = body["profiles"].as_array().expect("a list").clone();
        if rows.is_empty() {
            break;
        }
        profiles.extend(rows);
    }
    assert_eq!(profiles.len(), 70);
    for profile in profiles.iter().take(5) {
        let login = profile["email"].as_str().expect("an email");
        let (status, _, user) = okta.call("GET", &format!("/api/v1/users/{login}"), None);
        assert_eq!((status, &user["profile"]["namelyId"]), (200, &profile["id"]));
    }
}

#[test]
fn an_okta_user_goes_through_life_with_the_recorded_answers() {
    let okta = Simulated::start("okta", &[]);
    let profile = json!({ "login": "Zoë.Weiß@example.com", "email": "z@example.com", "firstName": "Zoë", "lastName": "Weiß", "namelyId": "u-1" });
    let (status, headers, user) = okta.call("POST", "/api/v1/users?activate=true", Some(json!({ "profile": profile })));
    assert_eq!((status, user["status"].as_str()), (200, Some("PROVISIONED")), "{user}");
    for header in ["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset", "x-okta-request-id", "date"] {
        assert!(headers.contains_key(header), "{header}");
    }
    let id = user["id"].as_str().expect("an id");
    assert!(id.starts_with("00u") && id.len() == 20, "{id}");
    assert_eq!(user["profile"]["mobilePhone"], Value::Null, "six attributes are always shown");
    assert!(user["profile"].get("title").is_none(), "other attributes only if set");
    let path = format!("/api/v1/users/{id}");

    let twin = json!({ "profile": { "login": "zoe.weiß@EXAMPLE.com", "email": "t@example.com", "firstName": "T", "lastName": "W" } });
    let (status, _, error) = okta.call("POST", "/api/v1/users", Some(twin));
    assert_eq!((status, error["errorCode"].as_str()), (400, Some("E0000001")));
    let cause = "login: An object with this field already exists in the current organization";
    assert_eq!(error["errorCauses"][0]["errorSummary"], cause);

    let (_, _, updated) =
        okta.call("POST", &path, Some(json!({ "profile": { "title": "Analyst", "namelyId": null } })));
    assert_eq!((updated["profile"]["title"].as_str(), updated["profile"].get("namelyId")), (Some("Analyst"), None));
    let (status, _, error) = okta.call("POST", &path, Some(json!({ "profile": { "shoeSize": "44" } })));
    assert_eq!(status, 400);
    assert_eq!(error["errorCauses"][0]["errorSummary"], "Property name 'shoeSize' is not defined in profile");

    let (_, headers, _) = okta.call("GET", &path, None);
    let etag = headers["etag"].clone();
    assert_eq!(okta.call("POST", &format!("{path}/lifecycle/deactivate"), None).0, 200);
    let (_, headers, gone) = okta.call("GET", &path, None);
    assert_eq!(
        (gone["status"].as_str(), &headers["etag"]),
        (Some("DEPROVISIONED"), &etag),
        "the tag covers the profile only"
    );
    let (status, _, error) = okta.call("POST", &format!("{path}/lifecycle/deactivate"), None);
    assert_eq!((status, error["errorCode"].as_str()), (404, Some("E0000007")));
    assert_eq!(okta.call("POST", &path, Some(json!({ "profile": { "title": "X" } }))).2["errorCode"], "E0000038");
    assert_eq!(okta.call("POST", &format!("{path}/lifecycle/suspend"), None).0, 400);
    // Lists lag behind: a plain one leaves deactivated people out in the end, a filter finds them.
    let clock = Clock::system();
    let start = clock.now();
    for list in ["/api/v1/users", "/api/v1/users?filter=status%20eq%20%22DEPROVISIONED%22"] {
        while okta.call("GET", list, None).2.as_array().map(Vec::len) != Some(1) {
            assert!(clock.now().since(start).as_secs() < 10, "the index never caught up: {list}");
        }
    }
    assert_eq!(okta.call("DELETE", &path, None).0, 204);
    assert_eq!(okta.call("GET", &path, None).2["errorSummary"], format!("Not found: Resource not found: {id} (User)"));
}

#[test]
fn lists_come_in_pages_with_two_link_lines() {
    let okta = Simulated::start("okta", &["--employees", "5"]);
    let (_, headers, page) = okta.call("GET", "/api/v1/users?limit=4", None);
    let links: Vec<&str> = headers.get_all("link").iter().filter_map(|v| v.to_str().ok()).collect();
    assert_eq!((page.as_array().map(Vec::len), links.len()), (Some(4), 2), "{links:?}");
    let next = links[1].strip_prefix('<').and_then(|l| l.split_once('>')).expect("a link").0;
    let (_, headers, rest) = okta.call("GET", next.strip_prefix(&okta.url).expect("the same host"), None);
    assert_eq!((rest.as_array().map(Vec::len), headers.get_all("link").iter().count()), (Some(2), 1));
}

#[test]
fn groups_answer_204_both_times_and_refuse_what_nobody_can_write() {
    let okta = Simulated::start("okta", &["--employees", "2"]);
    let (_, _, groups) = okta.call("GET", "/api/v1/groups", None);
    let find = |name: &str| {
        let group = groups.as_array().into_iter().flatten().find(|g| g["profile"]["name"] == name).expect("a group");
        group["id"].as_str().expect("an id").to_owned()
    };
    let (_, _, users) = okta.call("GET", "/api/v1/users", None);
    let user = users[1]["id"].as_str().expect("an id");
    let path = format!("/api/v1/groups/{}/users/{user}", find("People Managers"));
    assert_eq!([okta.call("PUT", &path, None).0, okta.call("PUT", &path, None).0], [204, 204]);
    assert_eq!([okta.call("DELETE", &path, None).0, okta.call("DELETE", &path, None).0], [204, 204]);
    assert_eq!(okta.call("PUT", &format!("/api/v1/groups/{}/users/{user}", find("Everyone")), None).0, 403);
    assert_eq!(okta.call("PUT", &format!("/api/v1/groups/00gNowhere/users/{user}"), None).0, 404);
}

#[test]
fn wrong_tokens_paths_and_methods_get_oktas_own_errors() {
    let mut okta = Simulated::start("okta", &[]);
    assert_eq!(okta.call("GET", "/api/v1/nothing", None).2["errorCode"], "E0000008");
    assert_eq!(okta.call("PUT", "/api/v1/users", None).2["errorCode"], "E0000022");
    okta.token = "wrong".into();
    let (status, headers, error) = okta.call("GET", "/api/v1/users", None);
    assert_eq!((status, error["errorCode"].as_str()), (401, Some("E0000011")));
    assert!(!headers.contains_key("x-rate-limit-limit"), "a 401 carries no limits");
}

#[test]
fn namely_throttles_the_101st_get_of_profiles_with_a_406() {
    let namely = Simulated::start("namely", &["--employees", "3"]);
    for n in 0..100 {
        assert_eq!(namely.call("GET", "/profiles?per_page=1", None).0, 200, "{n}");
    }
    assert_eq!(namely.call("GET", "/profiles?per_page=1", None).0, 406);
    assert_eq!(namely.call("GET", "/groups", None).0, 200, "only profiles are counted");
}

#[test]
fn namely_answers_with_the_recorded_mess_of_types() {
    let namely = Simulated::start("namely", &["--employees", "40", "--no-limits"]);
    let (_, _, body) = namely.call("GET", "/profiles.json?per_page=100", None);
    let profiles = body["profiles"].as_array().expect("a list");
    assert_eq!(profiles.len(), 40, "per_page ends at 50");
    let kinds = |key: &str| -> (bool, bool) {
        (profiles.iter().any(|p| p[key].is_null()), profiles.iter().any(|p| p[key] == ""))
    };
    assert_eq!(kinds("middle_name"), (true, true), "never set is null, cleared is empty");
    assert_eq!(profiles[0]["reports_to"][0]["id"], "no_guid");
    assert!(profiles[0]["updated_at"].is_i64() && profiles[0]["departure_date"] == "");
    let (status, _, missing) = namely.call("GET", "/profiles/nobody", None);
    assert_eq!((status, missing), (404, json!({ "message": "Profile not found", "errors": [] })));
    let (status, _, no_route) = namely.call("GET", "/fields", None);
    assert_eq!((status, no_route), (401, json!({ "error": "" })));
    let (_, _, groups) = namely.call("GET", "/groups", None);
    assert!(groups["meta"]["response"].is_number() && groups["groups"][0]["links"]["group_type"] == "7");
}

#[test]
fn a_service_app_with_a_key_of_its_own_can_sign_in_to_the_simulated_org() {
    use namely_okta_sync::okta::auth::{Key as PrivateKey, claims};
    let key = Key::ec("k1");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &key.jwks).expect("writes");
    let jwks = file.path().display().to_string();
    let okta = Simulated::start("okta", &["--client-id", "0oaapp", "--jwks", &jwks, "--scopes", "okta.users.read"]);
    let url = format!("{}/oauth2/v1/token", okta.url);
    let private = PrivateKey::read(&key.pem, Some("k1".into())).expect("a key");
    let ask = |jti: &str, scopes: &[&str]| {
        let now = Clock::system().now().secs();
        let assertion = private.sign("JWT", None, &claims::assertion("0oaapp", &url, now, jti)).expect("signs");
        let form = claims::token_form(scopes, &assertion);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let answer = reqwest::Client::new().post(&url).form(&form).send().await.expect("answers");
            (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
        })
    };
    let (status, token) = ask("a", &["okta.users.read"]);
    assert_eq!((status, &token["token_type"], &token["expires_in"]), (200, &json!("Bearer"), &json!(3600)));
    let (status, error) = ask("a", &["okta.users.read"]);
    assert_eq!((status, &error["error"]), (401, &json!("invalid_client")), "each assertion is good for once");
    assert_eq!(ask("b", &["okta.users.manage"]).1["error"], "consent_required");
}
