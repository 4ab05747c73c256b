//! Group rules of the simulated org: whom they put into groups, whom they take out again, and what is refused.

use crate::org::{Org, error, ids};
use namely_okta_sync::sandbox::okta::Options;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A rule as a body.
fn rule(expression: &str, groups: &[&str], excluded: &[&str]) -> Value {
    json!({
        "type": "group_rule", "name": "R", "actions": { "assignUserToGroups": { "groupIds": groups } },
        "conditions": {
            "people": { "users": { "exclude": excluded }, "groups": { "exclude": [] } },
            "expression": { "value": expression, "type": "urn:okta:expression:1.0" }
        }
    })
}

impl Org {
    fn group(&self, name: &str) -> String {
        self.made("/api/v1/groups", json!({ "profile": { "name": name } }))
    }

    /// An active rule.
    fn rule(&self, expression: &str, groups: &[&str], excluded: &[&str]) -> String {
        let id = self.made("/api/v1/groups/rules", rule(expression, groups, excluded));
        self.switch(&id, "activate");
        id
    }

    fn switch(&self, rule: &str, word: &str) {
        assert_eq!(self.call("POST", &format!("/api/v1/groups/rules/{rule}/lifecycle/{word}"), None).0, 204);
    }

    fn update(&self, user: &str, profile: Value) {
        let (status, _, answer) =
            self.call("POST", &format!("/api/v1/users/{user}"), Some(json!({ "profile": profile })));
        assert_eq!(status, 200, "{answer}");
    }

    fn has(&self, group: &str, user: &str) -> bool {
        ids(&self.get(&format!("/api/v1/groups/{group}/users"))).contains(&user)
    }

    /// The rules that keep somebody in a group.
    fn kept_by(&self, group: &str, user: &str) -> BTreeSet<String> {
        let rules = self.get(&format!("/api/v1/groups/{group}/users/{user}/group-rules"));
        ids(&rules).into_iter().map(str::to_owned).collect()
    }
}

#[test]
fn a_rule_takes_out_whom_it_has_put_in_and_nobody_else() {
    let org = Org::new(Options::default());
    let group = org.group("Sales");
    let [manual, ruled] = ["a", "b"].map(|n| org.user(&format!("{n}@example.com"), &json!({ "department": "Sales" })));
    org.update(&manual, json!({ "department": "Legal" }));
    let put = |user: &str| org.call("PUT", &format!("/api/v1/groups/{group}/users/{user}"), None).0;
    assert_eq!(put(&manual), 204);
    let id = org.rule("user.department==\"Sales\"", &[&group], &[]);
    assert!(org.has(&group, &manual), "the rule does not hold for a member who was put in by a call: the member stays");
    assert_eq!((org.kept_by(&group, &manual), org.kept_by(&group, &ruled)), (BTreeSet::new(), BTreeSet::from([id])));
    org.update(&ruled, json!({ "department": "Legal" }));
    assert!(!org.has(&group, &ruled));
    org.update(&ruled, json!({ "department": "Sales" }));
    assert!(org.has(&group, &ruled));
    assert_eq!(put(&ruled), 204);
    org.update(&ruled, json!({ "department": "Legal" }));
    assert!(org.has(&group, &ruled), "a call has made the rule's member a manual one");
}

#[test]
fn two_rules_keep_somebody_in_a_group_until_neither_holds() {
    let org = Org::new(Options::default());
    let group = org.group("Office");
    let user = org.user("a@example.com", &json!({ "department": "Sales", "city": "Berlin" }));
    let both = [("department", "Sales"), ("city", "Berlin")]
        .map(|(name, value)| org.rule(&format!("user.{name} == \"{value}\""), &[&group], &[]));
    assert_eq!(org.kept_by(&group, &user), BTreeSet::from(both.clone()));
    org.update(&user, json!({ "department": "Legal" }));
    assert!(org.has(&group, &user));
    org.update(&user, json!({ "city": "Lisbon" }));
    assert!(!org.has(&group, &user));
    org.update(&user, json!({ "city": "Berlin" }));
    org.switch(&both[1], "deactivate");
    let delete = |rule: &str, how: &str| org.call("DELETE", &format!("/api/v1/groups/rules/{rule}{how}"), None).0;
    assert_eq!(delete(&both[1], ""), 202);
    assert!(org.has(&group, &user), "who a deleted rule had put in stays, unless it is said that they go");
    org.update(&user, json!({ "department": "Sales" }));
    let other = org.group("Other");
    let third = org.rule("user.department == \"Sales\"", &[&other], &[]);
    org.switch(&third, "deactivate");
    assert_eq!((delete(&third, "?removeUsers=true"), org.has(&other, &user)), (202, false));
}

#[test]
fn who_is_taken_out_of_a_group_of_a_rule_is_left_out_by_it_from_then_on() {
    let org = Org::new(Options::default());
    let group = org.group("Sales");
    let [left_out, taken_out] =
        ["a", "b"].map(|n| org.user(&format!("{n}@example.com"), &json!({ "department": "Sales" })));
    let id = org.rule("user.department==\"Sales\"", &[&group], &[&left_out]);
    let excluded =
        || org.get(&format!("/api/v1/groups/rules/{id}"))["conditions"]["people"]["users"]["exclude"].clone();
    assert_eq!((excluded(), org.has(&group, &left_out)), (json!([left_out]), false));
    assert_eq!(org.call("DELETE", &format!("/api/v1/groups/{group}/users/{taken_out}"), None).0, 204);
    org.update(&taken_out, json!({ "title": "Analyst" }));
    assert!(!org.has(&group, &taken_out));
    assert_eq!(excluded().as_array().map(Vec::len), Some(2));
}

#[test]
fn a_rule_is_changed_while_it_is_inactive_and_what_it_fills_where_the_org_lets() {
    for replaceable in [true, false] {
        let org = Org::new(Options { rule_actions_replaceable: replaceable, ..Options::default() });
        let [first, second] = ["First", "Second"].map(|name| org.group(name));
        let user = org.user("a@example.com", &json!({ "department": "Legal" }));
        let id = org.rule("user.department==\"Sales\"", &[&first], &[]);
        let put = |body: Value| org.call("PUT", &format!("/api/v1/groups/rules/{id}"), Some(body));
        let legal = "user.department==\"Legal\"";
        assert_eq!(error(&put(rule(legal, &[&first], &[]))), (400, "E0000001"), "it is active");
        org.switch(&id, "deactivate");
        let (status, _, changed) = put(rule(legal, &[&first], &[]));
        assert_eq!((status, &changed["conditions"]["expression"]["value"]), (200, &json!(legal)));
        org.switch(&id, "activate");
        assert!(org.has(&first, &user));
        org.switch(&id, "deactivate");
        assert_eq!(put(rule(legal, &[&second], &[])).0, if replaceable { 200 } else { 400 });
        org.switch(&id, "activate");
        assert_eq!(org.has(&second, &user), replaceable);
    }
}

#[test]
fn a_rule_whose_group_is_deleted_is_invalid_and_can_be_deleted() {
    let org = Org::new(Options::default());
    let [gone, other] = ["Gone", "Other"].map(|name| org.group(name));
    let id = org.rule("user.department==\"Sales\"", &[&gone, &other], &[]);
    assert_eq!(org.call("DELETE", &format!("/api/v1/groups/{gone}"), None).0, 204);
    let path = format!("/api/v1/groups/rules/{id}");
    let shown = org.get(&path);
    assert_eq!((&shown["status"], &shown["allGroupsValid"]), (&json!("INVALID"), &json!(false)));
    let user = org.user("a@example.com", &json!({ "department": "Sales" }));
    assert!(!org.has(&other, &user), "it does nothing any more");
    assert_eq!(error(&org.call("POST", &format!("{path}/lifecycle/activate"), None)), (400, "E0000001"));
    assert_eq!(org.call("DELETE", &path, None).0, 202);
}

#[test]
fn what_a_rule_cannot_be_is_refused() {
    let org = Org::new(Options::default());
    let group = org.group("Sales");
    let everyone = org.get("/api/v1/groups?q=Everyone")[0]["id"].as_str().expect("an id").to_owned();
    let holds = "user.department==\"Sales\"";
    for (what, body) in [
        ("a broken expression", rule("user.department == AND user.city", &[&group], &[])),
        ("an attribute that is not in the schema", rule("user.shoeSize == \"9\"", &[&group], &[])),
        ("something that is no condition", rule("user.department", &[&group], &[])),
        ("a group that is not there", rule(holds, &["00gnotthere"], &[])),
        ("a group that nobody can be put into", rule(holds, &[&everyone], &[])),
        ("no group", rule(holds, &[], &[])),
        ("somebody left out who is not there", rule(holds, &[&group], &["00unotthere"])),
    ] {
        assert_eq!(error(&org.call("POST", "/api/v1/groups/rules", Some(body))), (400, "E0000001"), "{what}");
    }
    assert_eq!(org.get("/api/v1/groups/rules"), json!([]));
}

#[test]
fn rules_follow_other_groups_and_the_status_of_the_account() {
    let org = Org::new(Options { activation: std::time::Duration::ZERO, ..Options::default() });
    let [sales, staff, present] = ["Sales", "Staff", "Present"].map(|name| org.group(name));
    let chained = format!("isMemberOfAnyGroup(\"{sales}\") and isMemberOfGroupName(\"Sales\")");
    org.rule(&chained, &[&staff], &[]);
    org.rule("String.startsWith(String.toLowerCase(user.department), \"sales\")", &[&sales], &[]);
    org.rule("user.getInternalProperty('status') == \"ACTIVE\"", &[&present], &[]);
    let body = json!({
        "profile": { "login": "a@example.com", "email": "a@example.com", "firstName": "A", "lastName": "B", "department": "SALES EMEA" },
        "credentials": { "password": { "value": "correct horse" } }
    });
    let user = org.made("/api/v1/users", body);
    let groups = || [&sales, &staff, &present].map(|group| org.has(group, &user));
    assert_eq!(groups(), [true, true, true]);
    let lifecycle = |word: &str| org.call("POST", &format!("/api/v1/users/{user}/lifecycle/{word}"), None).0;
    assert_eq!((lifecycle("suspend"), groups()), (200, [true, true, false]), "a suspension moves whom rules look at");
    assert_eq!((lifecycle("unsuspend"), groups()), (200, [true, true, true]));
    org.update(&user, json!({ "department": "Legal" }));
    assert_eq!(groups(), [false, false, true]);
    assert_eq!((lifecycle("deactivate"), groups()), (200, [false, false, false]));
}

#[test]
fn a_deactivation_leaves_the_members_of_rules_that_do_not_look_at_the_status() {
    let org = Org::new(Options { rules_heed_deactivation: false, ..Options::default() });
    let [sales, there] = ["Sales", "There"].map(|name| org.group(name));
    org.rule("user.department == \"Sales\"", &[&sales], &[]);
    org.rule("user.getInternalProperty(\"status\") != \"DEPROVISIONED\"", &[&there], &[]);
    let user = org.user("a@example.com", &json!({ "department": "Sales" }));
    assert_eq!(org.call("POST", &format!("/api/v1/users/{user}/lifecycle/deactivate"), None).0, 200);
    assert_eq!([org.has(&sales, &user), org.has(&there, &user)], [true, true]);
}
