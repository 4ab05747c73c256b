//! The simulated org, answer by answer, as the reference has them.

use crate::org::{Org, error, ids};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::http::Simulator;
use namely_okta_sync::sandbox::okta::{Okta, Options};
use namely_okta_sync::sandbox::world::any_port;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn apps_are_assigned_to_people_and_groups_and_groups_hold_what_they_grant() {
    let org = Org::new(Options::default());
    let user = org.user("a@example.com", &json!({}));
    let (_, _, app) = org.call("POST", "/api/v1/apps", Some(json!({ "label": "Payroll" })));
    let (_, _, group) = org.call("POST", "/api/v1/groups", Some(json!({ "profile": { "name": "Finance" } })));
    let (app, group) = (app["id"].as_str().expect("an id"), group["id"].as_str().expect("an id"));
    assert!(app.starts_with("0oa") && group.starts_with("00g"));
    let users = format!("/api/v1/apps/{app}/users");
    let one = format!("{users}/{user}");
    assert_eq!(org.call("GET", &one, None).0, 404);
    let assign =
        || org.call("POST", &users, Some(json!({ "id": user, "scope": "USER", "credentials": { "userName": "abc" } })));
    let (status, _, assigned) = assign();
    assert_eq!(
        (status, &assigned["scope"], &assigned["credentials"]["userName"]),
        (200, &json!("USER"), &json!("abc"))
    );
    let (status, _, again) = assign();
    assert_eq!((status, &again["created"]), (200, &assigned["created"]), "a repeat shows the same assignment");

    assert_eq!(org.call("PUT", &format!("/api/v1/apps/{app}/groups/{group}"), Some(json!({}))).0, 200);
    assert_eq!(org.call("PUT", &format!("/api/v1/groups/{group}/users/{user}"), None).0, 204);
    let held = org.call("DELETE", &one, None);
    assert_eq!(error(&held), (403, "E0000046"));
    assert!(held.2["errorCauses"][0]["errorSummary"].as_str().is_some_and(|c| c.contains("group memberships grant")));
    let filter = format!("/api/v1/apps?filter=user.id%20eq%20%22{user}%22&expand=user/{user}");
    let (_, _, apps) = org.call("GET", &filter, None);
    assert_eq!((ids(&apps), &apps[0]["_embedded"]["user"]["scope"]), (vec![app], &json!("GROUP")));

    assert_eq!(org.call("DELETE", &format!("/api/v1/groups/{group}/users/{user}"), None).0, 204);
    assert_eq!(org.call("DELETE", &one, None).0, 204);
    assert_eq!(error(&org.call("DELETE", &one, None)), (404, "E0000007"), "not assigned any more");
    assert_eq!(assign().0, 200);
    assert_eq!(org.call("POST", &format!("/api/v1/users/{user}/lifecycle/deactivate"), None).0, 200);
    assert_eq!(org.call("GET", &one, None).0, 404, "a deactivation takes the apps");
    assert_eq!(error(&assign()), (403, "E0000117"));
}

#[test]
fn an_activation_goes_on_after_its_answer_and_refuses_updates_meanwhile() {
    let org = Org::new(Options { activation: Duration::from_secs(20), ..Options::default() });
    let profile = json!({ "login": "s@example.com", "email": "s@example.com", "firstName": "S", "lastName": "T" });
    let (_, _, staged) = org.call("POST", "/api/v1/users?activate=false", Some(json!({ "profile": profile })));
    assert_eq!(staged["status"], "STAGED");
    let path = format!("/api/v1/users/{}", staged["id"].as_str().expect("an id"));
    let (status, _, body) = org.call("POST", &format!("{path}/lifecycle/activate?sendEmail=false"), None);
    assert!(status == 200 && body["activationUrl"].is_string(), "{body}");
    let (_, headers, user) = org.call("GET", &path, None);
    assert_eq!((&user["status"], &user["transitioningToStatus"]), (&json!("STAGED"), &json!("PROVISIONED")));
    let update = || org.call("POST", &path, Some(json!({ "profile": { "title": "X" } })));
    assert_eq!(error(&update()), (409, "E0000112"));
    org.clock.jump(Duration::from_secs(21));
    let (_, later, user) = org.call("GET", &path, None);
    assert_eq!((&user["status"], &user["transitioningToStatus"]), (&json!("PROVISIONED"), &Value::Null));
    assert_eq!(headers["etag"], later["etag"], "the tag is of the profile, not of the status");
    assert_eq!(update().0, 200);
    assert_eq!(error(&org.call("POST", &format!("{path}/lifecycle/suspend"), None)), (400, "E0000001"));
    let stale = [("If-Match", headers["etag"].to_str().expect("text"))];
    let body = Some(json!({ "profile": { "title": "Y" } }));
    assert_eq!(error(&org.call_with("POST", &path, body, &stale)), (412, "E0000231"));
}

#[test]
fn a_deactivation_can_be_asked_for_asynchronously() {
    let org = Org::new(Options { respond_async: 202, ..Options::default() });
    let path = format!("/api/v1/users/{}", org.user("a@example.com", &json!({})));
    let prefer = [("Prefer", "respond-async")];
    assert_eq!(org.call_with("POST", &format!("{path}/lifecycle/deactivate"), None, &prefer).0, 202);
    assert_eq!(org.call("GET", &path, None).2["transitioningToStatus"], "DEPROVISIONED");
    org.clock.jump(Duration::from_secs(2));
    assert_eq!(org.call("GET", &path, None).2["status"], "DEPROVISIONED");
}

#[test]
fn managers_are_linked_and_a_new_link_replaces_the_old_one() {
    let org = Org::new(Options { manager_links: false, ..Options::default() });
    let [ann, bob, cleo] = ["ann", "bob", "cleo"].map(|n| org.user(&format!("{n}@example.com"), &json!({})));
    let definitions = "/api/v1/meta/schemas/user/linkedObjects";
    let definition = json!({ "primary": { "name": "manager", "title": "Manager", "type": "USER" },
                             "associated": { "name": "subordinate", "title": "Subordinate", "type": "USER" } });
    assert_eq!(org.call("POST", definitions, Some(definition.clone())).0, 201);
    assert_eq!(error(&org.call("POST", definitions, Some(definition))), (409, "E0000127"));
    for manager in [&bob, &cleo, &cleo] {
        assert_eq!(org.call("PUT", &format!("/api/v1/users/{ann}/linkedObjects/manager/{manager}"), None).0, 204);
    }
    let (_, _, managers) = org.call("GET", &format!("/api/v1/users/{ann}/linkedObjects/manager"), None);
    assert_eq!(managers.as_array().map(Vec::len), Some(1));
    assert!(managers[0]["_links"]["self"]["href"].as_str().is_some_and(|href| href.ends_with(&cleo)));
    let subordinates = |of: &str| org.call("GET", &format!("/api/v1/users/{of}/linkedObjects/subordinate"), None).2;
    assert_eq!(
        (subordinates(&cleo).as_array().map(Vec::len), subordinates(&bob).as_array().map(Vec::len)),
        (Some(1), Some(0))
    );
    for _ in 0..2 {
        assert_eq!(org.call("DELETE", &format!("/api/v1/users/{ann}/linkedObjects/manager"), None).0, 204);
    }
    assert_eq!(org.call("GET", &format!("/api/v1/users/{ann}/linkedObjects/boss"), None).0, 404);
}

#[test]
fn attributes_can_be_added_and_are_checked_by_their_schema() {
    let org = Org::new(Options::default());
    let schema = "/api/v1/meta/schemas/user/default";
    let (_, _, before) = org.call("GET", schema, None);
    assert_eq!(before["definitions"]["base"]["properties"].as_object().map(serde_json::Map::len), Some(31));
    let add = json!({ "definitions": { "custom": { "properties": {
        "badge": { "title": "Badge", "type": "string", "maxLength": 4, "unique": "UNIQUE_VALIDATED" },
        "remote": { "title": "Remote", "type": "boolean" } } } } });
    let (status, _, after) = org.call("POST", schema, Some(add));
    assert_eq!((status, &after["definitions"]["custom"]["properties"]["badge"]["maxLength"]), (200, &json!(4)));
    let first = org.user("a@example.com", &json!({ "badge": "0001", "remote": true }));
    let second = org.user("b@example.com", &json!({}));
    let update =
        |profile: Value| org.call("POST", &format!("/api/v1/users/{second}"), Some(json!({ "profile": profile })));
    assert_eq!(error(&update(json!({ "badge": "0001" }))), (400, "E0000001"), "{first} has it");
    assert_eq!(error(&update(json!({ "badge": "00001" }))), (400, "E0000001"), "too long");
    assert_eq!(error(&update(json!({ "remote": "yes" }))), (400, "E0000001"), "a text is no boolean");
    assert_eq!(update(json!({ "badge": "0002", "remote": false })).0, 200);
    let drop = json!({ "definitions": { "custom": { "properties": { "badge": null } } } });
    assert_eq!(org.call("POST", schema, Some(drop)).0, 200);
    assert_eq!(error(&update(json!({ "badge": "0003" }))), (400, "E0000001"), "not defined any more");
}

#[test]
fn a_user_type_changes_by_a_full_update_only() {
    let org = Org::new(Options::default());
    let (_, _, made) =
        org.call("POST", "/api/v1/meta/types/user", Some(json!({ "name": "contractor", "displayName": "C" })));
    let kind = made["id"].as_str().expect("an id");
    assert_eq!(org.call("GET", "/api/v1/meta/types/user", None).2.as_array().map(Vec::len), Some(2));
    let path = format!("/api/v1/users/{}", org.user("a@example.com", &json!({ "title": "T" })));
    let profile = json!({ "login": "a@example.com", "email": "a@example.com", "firstName": "A", "lastName": "B" });
    let body = json!({ "profile": profile, "type": { "id": kind } });
    assert_eq!(error(&org.call("POST", &path, Some(body.clone()))), (400, "E0000001"));
    let (status, _, user) = org.call("PUT", &path, Some(body));
    assert_eq!((status, user["type"]["id"].as_str()), (200, Some(kind)));
    assert!(user["profile"].get("title").is_none(), "a full update deletes what it does not name");
}

#[test]
fn the_system_log_tells_what_was_done_and_can_be_polled() {
    let org = Org::new(Options::default());
    let user = org.user("a@example.com", &json!({}));
    org.call("POST", &format!("/api/v1/users/{user}/lifecycle/deactivate"), None);
    let filter = format!("/api/v1/logs?filter=target.id%20eq%20%22{user}%22&limit=1");
    let (_, headers, events) = org.call("GET", &filter, None);
    assert_eq!(events[0]["eventType"], "user.lifecycle.create");
    assert!(events[0]["transaction"]["detail"]["requestApiTokenId"].is_string());
    let next =
        headers.get_all("link").iter().filter_map(|l| l.to_str().ok()).find(|l| l.contains("next")).expect("next");
    let path = next.split(['<', '>']).nth(1).and_then(|url| url.strip_prefix(&org.simulator.url())).expect("a path");
    assert_eq!(org.call("GET", path, None).2[0]["eventType"], "user.lifecycle.deactivate");
}

#[test]
fn a_super_admin_can_raise_the_share_of_a_token_and_see_who_is_administrator() {
    let options = Options { principal_share: 0.5, ..Options::default() };
    let clock = Clock::system();
    let simulator = Simulator::start(
        Okta::new(Options { latency: 0.0, ..options.clone() }, clock.now()),
        any_port(),
        clock.clone(),
    );
    let org = Org { simulator: simulator.expect("a port"), clock, ..Org::new(options) };
    let limit =
        || org.call("GET", "/api/v1/users/me", None).1["x-rate-limit-limit"].to_str().map(str::to_owned).expect("text");
    assert_eq!(limit(), "1000", "half of 2000");
    assert_eq!(error(&org.call("GET", "/api/v1/principal-rate-limits", None)).0, 400, "the filter is mandatory");
    let list = "/api/v1/principal-rate-limits?filter=principalType%20eq%20%22SSWS_TOKEN%22";
    let (_, _, principals) = org.call("GET", list, None);
    assert_eq!(principals[0]["defaultPercentage"], 50);
    let id = principals[0]["id"].as_str().expect("an id");
    let body = json!({ "principalId": "x", "principalType": "SSWS_TOKEN", "defaultPercentage": 100, "defaultConcurrencyPercentage": 100 });
    assert_eq!(org.call("PUT", &format!("/api/v1/principal-rate-limits/{id}"), Some(body)).0, 200);
    assert_eq!(limit(), "2000");
    let (_, _, assignees) = org.call("GET", "/api/v1/iam/assignees/users?limit=100", None);
    assert_eq!(assignees["value"].as_array().map(Vec::len), Some(1));
}

#[test]
fn malformed_calls_get_the_errors_of_the_reference() {
    let org = Org::new(Options::default());
    assert_eq!(error(&org.call("GET", "/api/v1/nothing", None)), (404, "E0000008"));
    assert_eq!(error(&org.call("PUT", "/api/v1/users", Some(json!({})))), (405, "E0000022"));
    assert_eq!(error(&org.call("GET", "/api/v1/users?search=title%20ne%20%22x%22", None)), (400, "E0000031"));
    let plain = [("Content-Type", "text/plain")];
    let answer = org.runtime.block_on(async {
        let url = format!("{}/api/v1/users", org.simulator.url());
        let request = org.http.post(url).header("Authorization", "SSWS 00sandbox-token").header(plain[0].0, plain[0].1);
        request.body("hello").send().await.expect("answers").json::<Value>().await.expect("JSON")
    });
    assert_eq!(answer["errorCode"], "E0000021");
    org.simulator.core().read_only = true;
    let body = Some(json!({ "profile": { "name": "G" } }));
    assert_eq!(error(&org.call("POST", "/api/v1/groups", body)), (503, "E0000010"));
    assert_eq!(org.call("GET", "/api/v1/groups", None).0, 200, "read-only mode still answers reads");
}

#[test]
fn what_no_source_settles_is_a_switch() {
    for (options, sessions, add) in [
        (Options::default(), 204, (403, "E0000038")),
        (
            Options {
                sessions_of_deactivated: 404,
                add_deactivated: 400,
                deactivated_again: 403,
                ..Options::default()
            },
            404,
            (400, "E0000001"),
        ),
    ] {
        let (again, org) = (options.deactivated_again, Org::new(options));
        let user = org.user("a@example.com", &json!({}));
        let (_, _, group) = org.call("POST", "/api/v1/groups", Some(json!({ "profile": { "name": "G" } })));
        let group = group["id"].as_str().expect("an id");
        let deactivate = || org.call("POST", &format!("/api/v1/users/{user}/lifecycle/deactivate"), None);
        assert_eq!(deactivate().0, 200);
        assert_eq!(deactivate().0, again);
        assert_eq!(org.call("DELETE", &format!("/api/v1/users/{user}/sessions"), None).0, sessions);
        assert_eq!(error(&org.call("PUT", &format!("/api/v1/groups/{group}/users/{user}"), None)), add);
    }
}

#[test]
fn apps_keep_what_was_posted_and_are_deleted_only_when_they_are_inactive() {
    let org = Org::new(Options::default());
    let body = json!({ "label": "Payroll", "name": "oidc_client", "signOnMode": "OPENID_CONNECT",
        "settings": { "oauthClient": { "application_type": "service" } } });
    let (_, _, made) = org.call("POST", "/api/v1/apps?activate=false", Some(body.clone()));
    let app = format!("/api/v1/apps/{}", made["id"].as_str().expect("an id"));
    let shown = org.get(&app);
    assert_eq!((&shown["status"], &shown["signOnMode"]), (&json!("INACTIVE"), &body["signOnMode"]));
    assert_eq!((&shown["name"], &shown["settings"]), (&body["name"], &body["settings"]));
    let renamed = json!({ "label": "Salaries", "name": "oidc_client", "signOnMode": "OPENID_CONNECT" });
    assert_eq!(org.call("PUT", &app, Some(renamed)).2["label"], "Salaries");
    assert_eq!(org.call("POST", &format!("{app}/lifecycle/activate"), None).0, 200);
    assert_eq!(error(&org.call("DELETE", &app, None)), (403, "E0000056"));
    assert_eq!(org.call("POST", &format!("{app}/lifecycle/deactivate"), None).0, 200);
    assert_eq!((org.call("DELETE", &app, None).0, org.call("GET", &app, None).0), (204, 404));
}

#[test]
fn what_a_group_and_a_user_were_given_in_an_app_is_kept() {
    let org = Org::new(Options::default());
    let user = org.user("a@example.com", &json!({}));
    let app = format!("/api/v1/apps/{}", org.made("/api/v1/apps", json!({ "label": "Payroll" })));
    let group = org.made("/api/v1/groups", json!({ "profile": { "name": "Finance" } }));
    let of_group = format!("{app}/groups/{group}");
    assert_eq!(error(&org.call("GET", &of_group, None)), (404, "E0000007"));
    assert_eq!(org.call("PUT", &of_group, Some(json!({ "priority": 3, "profile": { "role": "clerk" } }))).0, 200);
    let shown = org.get(&of_group);
    assert_eq!((&shown["priority"], &shown["profile"]["role"]), (&json!(3), &json!("clerk")));
    assert!(shown["_links"]["group"]["href"].as_str().is_some_and(|href| href.ends_with(&group)));
    let apps = org.get(&format!("/api/v1/groups/{group}/apps"));
    assert_eq!((&apps[0]["label"], &apps[0]["signOnMode"]), (&json!("Payroll"), &json!("BOOKMARK")));
    let given = json!({ "id": user, "profile": { "role": "clerk", "floor": 2 } });
    assert_eq!(org.call("POST", &format!("{app}/users"), Some(given)).2["profile"]["role"], "clerk");
    let one = format!("{app}/users/{user}");
    assert_eq!(org.call("POST", &one, Some(json!({ "profile": { "role": "head" } }))).0, 200);
    assert_eq!(org.get(&one)["profile"], json!({ "role": "head", "floor": 2 }));
}

#[test]
fn a_password_alone_can_be_set_and_makes_an_activation_complete() {
    let org = Org::new(Options { activation: Duration::ZERO, ..Options::default() });
    let profile = |login: &str| json!({ "login": login, "email": login, "firstName": "A", "lastName": "B" });
    let password = json!({ "password": { "value": "correct horse" } });
    let with = |login: &str, credentials: &Value| json!({ "profile": profile(login), "credentials": credentials });
    let staged = org.made("/api/v1/users?activate=false", with("a@example.com", &password));
    let path = format!("/api/v1/users/{staged}");
    assert_eq!(org.call("POST", &format!("{path}/lifecycle/activate?sendEmail=false"), None).0, 200);
    assert_eq!(org.get(&path)["status"], "ACTIVE");
    assert_eq!(org.call("POST", &format!("{path}/lifecycle/suspend"), None).0, 200);
    let (_, _, empty) = org.call("POST", "/api/v1/users", Some(with("b@example.com", &json!({ "password": {} }))));
    assert_eq!(empty["status"], "PROVISIONED", "an empty password is none");
    let later = org.made("/api/v1/users?activate=false", json!({ "profile": profile("c@example.com") }));
    let path = format!("/api/v1/users/{later}");
    let (status, _, shown) = org.call("PUT", &path, Some(json!({ "credentials": password })));
    assert_eq!((status, &shown["profile"]["lastName"]), (200, &json!("B")), "the profile is as it was");
    assert_eq!(org.call("POST", &format!("{path}/lifecycle/activate?sendEmail=false"), None).0, 200);
    assert_eq!(org.get(&path)["status"], "ACTIVE");
}
