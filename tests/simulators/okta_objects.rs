//! The objects of the simulated org, as far as a client reads them.

use crate::org::{Org, error};
use namely_okta_sync::sandbox::okta::Options;
use serde_json::{Value, json};

fn profile(login: &str) -> Value {
    json!({ "login": login, "email": login, "firstName": "A", "lastName": "B" })
}

#[test]
fn a_user_says_what_is_known_of_passwords_and_providers_and_links_to_what_can_be_done() {
    let org = Org::new(Options::default());
    let staged =
        org.made("/api/v1/users?activate=false", json!({ "profile": profile("a@example.com"), "realmId": "guo1" }));
    let shown = org.get(&format!("/api/v1/users/{staged}"));
    assert_eq!((&shown["statusChanged"], &shown["passwordChanged"]), (&Value::Null, &Value::Null));
    assert_eq!((&shown["realmId"], &shown["credentials"]["password"]), (&json!("guo1"), &Value::Null));
    assert_eq!(shown["credentials"]["emails"][0]["value"], "a@example.com");
    let federated = json!({ "profile": profile("b@example.com"),
        "credentials": { "provider": { "type": "FEDERATION", "name": "FEDERATION" } } });
    let user = org.made("/api/v1/users?provider=true", federated);
    let shown = org.get(&format!("/api/v1/users/{user}"));
    assert_eq!((&shown["status"], &shown["credentials"]["provider"]["type"]), (&json!("ACTIVE"), &json!("FEDERATION")));
    let with_password = json!({ "profile": profile("c@example.com"), "credentials": {
        "password": { "value": "correct horse" }, "recovery_question": { "question": "Why?", "answer": "secret" } } });
    let user = org.made("/api/v1/users", with_password);
    let path = format!("/api/v1/users/{user}");
    let shown = org.get(&path);
    assert!(shown["passwordChanged"].is_string() && shown["credentials"]["password"] == json!({}), "{shown}");
    assert_eq!(shown["credentials"]["recovery_question"], json!({ "question": "Why?" }));
    let ends = |link: &str, end: &str| shown["_links"][link]["href"].as_str().is_some_and(|href| href.ends_with(end));
    assert!(
        ends("resetPassword", "/lifecycle/reset_password") && ends("changePassword", "/credentials/change_password")
    );
    assert!(ends("expirePassword", "/lifecycle/expire_password") && ends("resetFactors", "/lifecycle/reset_factors"));
    assert_eq!(org.call("DELETE", &path, None).0, 204);
    let delete = org.get(&path)["_links"]["delete"].clone();
    assert_eq!(delete["method"], "DELETE");
    assert!(delete["href"].as_str().is_some_and(|href| href.ends_with(&path)));
}

#[test]
fn a_user_type_has_attributes_of_its_own() {
    let org = Org::new(Options::default());
    let body = json!({ "name": "contractor", "displayName": "Contractor", "description": "By the hour" });
    let kind = org.made("/api/v1/meta/types/user", body);
    let path = format!("/api/v1/meta/types/user/{kind}");
    let shown = org.get(&path);
    assert_eq!((&shown["displayName"], &shown["description"]), (&json!("Contractor"), &json!("By the hour")));
    let schema =
        shown["_links"]["schema"]["href"].as_str().and_then(|href| href.split_once("/api/")).expect("a link").1;
    let schema = format!("/api/{schema}");
    let add = json!({ "definitions": { "custom": { "properties": {
        "agency": { "title": "Agency", "type": "string", "minLength": 2, "enum": ["North", "South"],
                    "oneOf": [{ "const": "North", "title": "The North" }, { "const": "South", "title": "The South" }] },
        "skills": { "title": "Skills", "type": "array", "items": { "type": "string", "enum": ["sql", "go"] } } } } } });
    let (status, _, changed) = org.call("POST", &schema, Some(add));
    assert_eq!(
        (status, &changed["definitions"]["custom"]["properties"]["agency"]["oneOf"][0]["title"]),
        (200, &json!("The North"))
    );
    assert!(changed["lastUpdated"].is_string() && changed["created"].is_string());
    let default = org.get("/api/v1/meta/schemas/user/default");
    assert_eq!(default["definitions"]["custom"]["properties"].get("agency"), None, "the default type is not changed");

    let create = |kind: Option<&str>, more: Value| {
        let mut profile = profile("a@example.com");
        profile.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        let mut body = json!({ "profile": profile });
        if let Some(kind) = kind {
            body["type"] = json!({ "id": kind });
        }
        org.call("POST", "/api/v1/users", Some(body))
    };
    assert_eq!(error(&create(None, json!({ "agency": "North" }))), (400, "E0000001"), "not of the default type");
    assert_eq!(error(&create(Some(&kind), json!({ "agency": "East" }))), (400, "E0000001"), "not in the list");
    assert_eq!(
        error(&create(Some(&kind), json!({ "skills": ["sql", "c"] }))),
        (400, "E0000001"),
        "one is not in the list"
    );
    assert_eq!(error(&create(Some(&kind), json!({ "namelyId": "1" }))), (400, "E0000001"), "of the default type only");
    let (status, _, user) = create(Some(&kind), json!({ "agency": "North", "skills": ["sql"] }));
    assert_eq!(status, 200, "{user}");
    assert!(user["_links"]["schema"]["href"].as_str().is_some_and(|href| href.ends_with(&schema)));

    let renamed = json!({ "name": "contractor", "displayName": "External" });
    let (status, _, shown) = org.call("PUT", &path, Some(renamed));
    assert_eq!((status, &shown["displayName"], &shown["description"]), (200, &json!("External"), &Value::Null));
    assert_eq!(error(&org.call("DELETE", &path, None)), (400, "E0000001"), "somebody is of it");
    let empty = org.made("/api/v1/meta/types/user", json!({ "name": "intern", "displayName": "Intern" }));
    assert_eq!(org.call("DELETE", &format!("/api/v1/meta/types/user/{empty}"), None).0, 204);
}

#[test]
fn the_schema_says_how_long_a_text_may_be_only_where_oktas_does() {
    let org = Org::new(Options::default());
    let schema = org.get("/api/v1/meta/schemas/user/default");
    let base = schema["definitions"]["base"]["properties"].as_object().expect("attributes");
    let mut limited: Vec<&str> = base
        .iter()
        .filter(|(_, property)| property.get("maxLength").is_some())
        .map(|(name, _)| name.as_str())
        .collect();
    limited.sort_unstable();
    assert_eq!(limited, ["firstName", "lastName", "login", "mobilePhone", "primaryPhone"]);
    assert_eq!((&base["login"]["title"], &base["login"]["minLength"]), (&json!("Username"), &json!(5)));
    assert_eq!((&base["email"]["format"], &base["profileUrl"]["format"]), (&json!("email"), &json!("uri")));
    assert_eq!(base["city"]["permissions"][0]["action"], "HIDE");
}

#[test]
fn custom_roles_and_resource_sets_can_be_made_read_and_deleted() {
    let org = Org::new(Options::default());
    let role = json!({ "label": "Sync", "description": "D", "permissions": ["okta.users.read", "okta.groups.read"] });
    let id = org.made("/api/v1/iam/roles", role.clone());
    assert_eq!(error(&org.call("POST", "/api/v1/iam/roles", Some(role))), (400, "E0000001"), "the label is taken");
    assert_eq!(org.get("/api/v1/iam/roles")["roles"][0]["label"], "Sync");
    let path = format!("/api/v1/iam/roles/{id}");
    let held = org.get(&format!("{path}/permissions"));
    assert_eq!(held["permissions"][0]["label"], "okta.users.read");
    let renamed = json!({ "label": "Provisioning", "description": "E" });
    assert_eq!(org.call("PUT", &path, Some(renamed)).2["label"], "Provisioning");
    let set =
        json!({ "label": "Everybody", "description": "D", "resources": ["https://example.okta.com/api/v1/users"] });
    let set = format!("/api/v1/iam/resource-sets/{}", org.made("/api/v1/iam/resource-sets", set));
    assert!(org.get(&set)["_links"]["resources"]["href"].is_string());
    for path in [path, set] {
        assert_eq!((org.call("DELETE", &path, None).0, error(&org.call("GET", &path, None))), (204, (404, "E0000007")));
    }
}

#[test]
fn a_log_says_who_has_done_something_and_a_share_when_it_was_changed() {
    let org = Org::new(Options::default());
    let user = org.made("/api/v1/users", json!({ "profile": profile("a@example.com") }));
    let me = org.get("/api/v1/users/me")["id"].clone();
    let events = org.get("/api/v1/logs");
    let made = &events.as_array().expect("a list")[0];
    assert_eq!(
        (&made["target"][0]["id"], &made["actor"]["id"], &made["actor"]["type"]),
        (&json!(user), &me, &json!("User"))
    );
    assert!(made["client"]["ipAddress"].is_string() && made["request"]["ipChain"].is_array(), "{made}");
    let limits = "/api/v1/principal-rate-limits";
    assert_eq!(error(&org.call("GET", &format!("{limits}?filter=id%20pr"), None)), (400, "E0000001"));
    let list = org.get(&format!("{limits}?filter=principalType%20eq%20%22SSWS_TOKEN%22"));
    assert!(list[0]["createdDate"].is_string() && list[0]["lastUpdate"].is_string(), "{list}");
    assert_eq!(error(&org.call("GET", &format!("{limits}/prlnothere"), None)), (404, "E0000007"));
}
