//! What lists of the simulated org can be asked, and what they refuse.

use crate::org::{Org, error, ids};
use namely_okta_sync::sandbox::okta::Options;
use serde_json::{Value, json};
use std::time::Duration;

/// A path with its query encoded.
fn asking(path: &str, pairs: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params(&format!("http://localhost{path}"), pairs).expect("a query");
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

fn logins(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|user| user["profile"]["login"].as_str()).collect()
}

#[test]
fn people_are_found_by_bracketed_conditions_and_sorted_by_an_attribute() {
    let org = Org::new(Options::default());
    for (name, department) in [("ann", "Sales"), ("bob", "Legal"), ("cleo", "Sales"), ("dan", "Support")] {
        org.user(&format!("{name}@example.com"), &json!({ "department": department, "title": name }));
    }
    let condition = "profile.title pr and (profile.department eq \"Sales\" or profile.department eq \"Legal\")";
    let sorted = |order: &str, limit: &str, after: &[(&str, &str)]| {
        let mut asked =
            vec![("search", condition), ("sortBy", "profile.department"), ("sortOrder", order), ("limit", limit)];
        asked.extend(after);
        org.get(&asking("/api/v1/users", &asked))
    };
    let found = sorted("asc", "9", &[]);
    assert_eq!(logins(&found), ["bob@example.com", "ann@example.com", "cleo@example.com"]);
    let last = found[1]["id"].as_str().expect("an id");
    assert_eq!(logins(&sorted("asc", "2", &[("after", last)])), ["cleo@example.com"], "pages go on in that order");
    let down = sorted("desc", "9", &[]);
    assert_eq!(logins(&down), ["cleo@example.com", "ann@example.com", "bob@example.com"]);
    let of_type =
        format!("type.id eq \"{}\" and profile.title eq \"dan\"", found[0]["type"]["id"].as_str().expect("a type"));
    assert_eq!(logins(&org.get(&asking("/api/v1/users", &[("search", &of_type)]))), ["dan@example.com"]);
}

#[test]
fn only_the_fields_that_are_named_are_shown() {
    for (twice_fails, twice) in [(false, 200), (true, 500)] {
        let org = Org::new(Options { fields_twice_fails: twice_fails, ..Options::default() });
        let user = org.user("ann@example.com", &json!({ "title": "T" }));
        let found = org.get(&asking(
            "/api/v1/users",
            &[("search", "profile.title eq \"T\""), ("fields", "id,status,profile:(login)")],
        ));
        assert_eq!(found, json!([{ "id": user, "status": "PROVISIONED", "profile": { "login": "ann@example.com" } }]));
        let groups = org.get(&asking("/api/v1/groups", &[("fields", "type,profile:(name)")]));
        assert_eq!(groups[0], json!({ "type": "BUILT_IN", "profile": { "name": "Everyone" } }));
        assert_eq!(org.call("GET", &asking("/api/v1/users", &[("fields", "id,id")]), None).0, twice);
    }
}

#[test]
fn a_cursor_or_an_expansion_that_is_none_is_refused() {
    let org = Org::new(Options::default());
    for path in ["/api/v1/users?after=nonsense", "/api/v1/groups?after=7", "/api/v1/apps?after=%2F"] {
        assert_eq!(error(&org.call("GET", path, None)), (400, "E0000029"), "{path}");
    }
    for path in ["/api/v1/groups?expand=members", "/api/v1/apps?expand=everything"] {
        assert_eq!(error(&org.call("GET", path, None)), (400, "E0000001"), "{path}");
    }
    assert_eq!(org.get("/api/v1/groups?expand=stats")[0]["_embedded"]["stats"]["usersCount"], 1);
}

#[test]
fn groups_apps_rules_and_the_log_are_searched_too() {
    let org = Org::new(Options::default());
    let user = org.user("ann@example.com", &json!({ "department": "Sales" }));
    let [old, new] = ["Old", "New"]
        .map(|name| org.made("/api/v1/groups", json!({ "profile": { "name": name, "description": "" } })));
    org.clock.jump(Duration::from_secs(60));
    assert_eq!(org.call("PUT", &format!("/api/v1/groups/{new}/users/{user}"), None).0, 204);
    let created =
        org.get(&format!("/api/v1/groups/{old}"))["lastMembershipUpdated"].as_str().expect("a time").to_owned();
    let moved = format!("lastMembershipUpdated gt \"{created}\"");
    assert_eq!(ids(&org.get(&asking("/api/v1/groups", &[("search", &moved)]))), [new.as_str()]);
    let (_, headers, found) = org.call("GET", "/api/v1/groups?q=ol&limit=1", None);
    assert_eq!((ids(&found), found[0]["profile"]["description"].as_str()), (vec![old.as_str()], Some("")));
    assert!(headers.get("link").is_none(), "a search by the beginning of a name has no pages");
    let members = |search: &str| org.get(&asking(&format!("/api/v1/groups/{new}/users"), &[("search", search)]));
    assert_eq!(members("profile.department eq \"Legal\""), json!([]));
    let found = members("profile.department eq \"Sales\"");
    assert_eq!(
        (&found[0]["type"]["id"], &found[0]["credentials"]["provider"]["type"]),
        (&org.get(&format!("/api/v1/users/{user}"))["type"]["id"], &json!("OKTA")),
        "members are whole users"
    );

    let app = org.made("/api/v1/apps?activate=false", json!({ "label": "Payroll" }));
    org.made("/api/v1/apps", json!({ "label": "Wiki" }));
    let inactive = asking("/api/v1/apps", &[("filter", "status eq \"INACTIVE\"")]);
    assert_eq!(ids(&org.get(&inactive)), [app.as_str()]);
    let rule = json!({ "type": "group_rule", "name": "Sales people", "actions": { "assignUserToGroups": { "groupIds": [new] } },
        "conditions": { "expression": { "value": "user.department==\"Sales\"", "type": "urn:okta:expression:1.0" } } });
    let rule = org.made("/api/v1/groups/rules", rule);
    assert_eq!(ids(&org.get("/api/v1/groups/rules?search=sales")), [rule.as_str()]);
    assert_eq!(org.get("/api/v1/groups/rules?search=legal"), json!([]));
    let logged = org.get(&asking("/api/v1/logs", &[("q", "MEMBERSHIP.ADD ann@example.com")]));
    assert_eq!(logged.as_array().map(Vec::len), Some(1), "{logged}");
}

#[test]
fn a_list_shows_how_a_new_account_began_while_the_account_itself_is_further() {
    let org = Org::lagging(Duration::from_secs(5));
    let user = org.user("ann@example.com", &json!({}));
    let listed = || org.get(&asking("/api/v1/users", &[("search", "profile.login eq \"ann@example.com\"")]));
    assert_eq!(listed(), json!([]), "it is not in the index yet");
    org.clock.jump(Duration::from_secs(6));
    let found = listed();
    assert_eq!((&found[0]["status"], &found[0]["transitioningToStatus"]), (&json!("STAGED"), &json!("PROVISIONED")));
    let shown = org.get(&format!("/api/v1/users/{user}"));
    assert_eq!((&shown["status"], shown.get("transitioningToStatus")), (&json!("PROVISIONED"), None));
    org.clock.jump(Duration::from_secs(6));
    assert_eq!(listed()[0]["status"], "PROVISIONED");
}

#[test]
fn a_group_that_nobody_can_be_put_into_is_refused_as_the_age_of_the_org_has_it() {
    for (status, code) in [(403, "E0000006"), (501, "E0000060")] {
        let org = Org::new(Options { add_to_read_only: status, ..Options::default() });
        let user = org.user("ann@example.com", &json!({}));
        let everyone = org.get("/api/v1/groups?q=Everyone")[0]["id"].as_str().expect("an id").to_owned();
        let put = org.call("PUT", &format!("/api/v1/groups/{everyone}/users/{user}"), None);
        assert_eq!(error(&put), (status, code));
    }
}
