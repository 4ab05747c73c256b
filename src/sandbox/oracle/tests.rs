use super::super::http::{Admission, Core, Request};
use super::super::okta::Options;
use super::super::population::{Person, Status as HrStatus};
use super::super::scenario::{HrChange, Kind, expect_at_start};
use super::super::world::org_of;
use super::*;
use serde_json::json;
use std::time::Duration;

fn scenario() -> Scenario {
    Scenario::make("reorg", 20, 1, "2026-05-01".parse().expect("a date")).unwrap_or_else(|e| panic!("{e}"))
}

fn newest(scenario: &Scenario, n: usize) -> Expected {
    scenario.phases()[n].last().cloned().flatten().expect("an account")
}

#[test]
fn an_org_that_agrees_has_no_difference_and_every_kind_of_disagreement_is_seen() {
    let scenario = scenario();
    let before = &scenario.people[3];
    let manager = before.manager.map(|m| &scenario.people[m]);
    let expected = expect_at_start(before, manager).expect("an account");
    let okta = org_of(Options::default(), &scenario.people, Moment::from_secs(1_800_000_000));
    let user = okta.user_by_anchor(&before.id).expect("a user");
    assert_eq!(difference(Some(&expected), &[user], &okta), None);
    let seen = |expected: Option<&Expected>, users: &[&User], word: &str| {
        let said = difference(expected, users, &okta).unwrap_or_default();
        assert!(said.contains(word), "{said:?} does not say {word:?}");
    };
    seen(Some(&expected), &[], "no account");
    seen(None, &[user], "should have none");
    seen(Some(&expected), &[user, user], "2 accounts");
    seen(Some(&Expected { state: State::Gone, ..expected.clone() }), &[user], "ACTIVE");
    let mut other = expected.clone();
    other.profile.insert("title".into(), json!("Somebody else"));
    seen(Some(&other), &[user], "title");
    let mut fewer = expected.clone();
    fewer.profile.remove("title");
    seen(Some(&fewer), &[user], "title");
    let mut other = expected.clone();
    other.groups.insert("Chess Club".into());
    seen(Some(&other), &[user], "Chess Club");
}

fn call(method: &str, path: &str, body: Value) -> Exchange {
    let request = Request {
        method: method.into(),
        path: path.into(),
        query: String::new(),
        headers: vec![],
        body: if body.is_null() { vec![] } else { body.to_string().into_bytes() },
        base: String::new(),
    };
    let arrived = Exchange::arriving(&request, Moment::default());
    Exchange { status: 200, applied: true, body_hash: String::new(), ..arrived }
}

#[test]
fn a_call_is_explained_only_by_a_version_it_leads_to() {
    let scenario = scenario();
    let after = newest(&scenario, 3);
    let mut before = after.clone();
    before.profile.insert("department".into(), json!("Elsewhere"));
    before.groups = BTreeSet::from(["Department Elsewhere".to_owned()]);
    let names = HashMap::from([("00gOld".to_owned(), "Department Elsewhere".to_owned())]);
    let update = call("POST", "/api/v1/users/00u1", json!({ "profile": { "department": "Elsewhere" } }));
    assert!(explains(Some(&before), &update, &names) && !explains(Some(&after), &update, &names));
    let removal = call("DELETE", "/api/v1/groups/00gOld/users/00u1", Value::Null);
    assert!(!explains(Some(&before), &removal, &names) && explains(Some(&after), &removal, &names));
    let deactivation = call("POST", "/api/v1/users/00u1/lifecycle/deactivate", Value::Null);
    assert!(!explains(Some(&after), &deactivation, &names), "nobody here leaves");
    let suspension = call("POST", "/api/v1/users/00u1/lifecycle/suspend", Value::Null);
    assert!(!explains(Some(&after), &suspension, &names), "nor is anybody on leave");
    let gone = Expected { state: State::Gone, ..after };
    assert!(explains(Some(&gone), &deactivation, &names) && explains(Some(&gone), &suspension, &names));
}

#[test]
fn the_fewest_calls_are_the_difference() {
    let scenario = scenario();
    let versions = Expectations::of(&scenario).versions;
    assert_eq!(minimal_calls(&versions[3]), 3, "a transfer is one attribute, one group less, one more");
    let there = versions[3][0].clone();
    assert_eq!(minimal_calls(&[None, there.clone()]), 2, "an account, and a link to the manager");
    assert_eq!(minimal_calls(&[there.clone(), there.clone()]), 0);
    let groups = there.as_ref().map_or(0, |e| e.groups.len());
    let gone = there.clone().map(|e| Expected { state: State::Gone, groups: BTreeSet::new(), ..e });
    assert_eq!(minimal_calls(&[there, gone]), 5 + groups);
}

#[test]
fn effects_without_audit_and_audit_without_effects_are_both_seen() {
    let effect = |path: &str| call("PUT", path, Value::Null);
    let audit = |applied, unknown| {
        let key = ("PUT".to_owned(), "/a".to_owned(), String::new());
        Audit { effects: HashMap::from([(key, (applied, unknown))]), ..Audit::default() }
    };
    let count = |exchanges: &[Exchange], audit: &Audit| {
        let mut figures = Figures::default();
        count_unaudited(exchanges, audit, &mut figures);
        figures.unaudited_effects
    };
    assert_eq!(count(&[effect("/a")], &audit(1, 0)), 0);
    assert_eq!(count(&[effect("/a")], &audit(0, 1)), 0, "unknown may have happened");
    assert_eq!(count(&[], &audit(0, 1)), 0, "or not");
    assert_eq!(count(&[effect("/a")], &audit(0, 0)), 1);
    assert_eq!(count(&[], &audit(1, 0)), 1);
    assert_eq!(count(&[effect("/a"), effect("/a"), effect("/b")], &audit(1, 0)), 2);
}

#[test]
fn half_nearly_all_and_all_of_some_times() {
    assert_eq!(Spread::of(vec![]), Spread::default());
    assert_eq!(Spread::of((1..=200).rev().collect()), Spread { p50: 100, p99: 198, max: 200 });
}

fn played(calls: &[(&str, &str, Value)]) -> (Okta, Scenario) {
    let mut scenario = scenario();
    let n = scenario.people.len() - 1;
    let last = scenario.people[n].clone();
    let after = Person { status: HrStatus::Inactive, ..last };
    scenario.changes = vec![HrChange { at: Duration::ZERO, kind: Kind::Leaver, person: n, after }];
    let now = Moment::from_secs(1_800_000_000);
    let mut okta = org_of(Options::default(), &scenario.people, now);
    for (method, path, body) in calls {
        let who =
            |word: &str| okta.user_by_anchor(&scenario.people[word.parse::<usize>().ok()?].id).map(|u| u.id.clone());
        let path: Vec<String> = path.split('/').map(|part| who(part).unwrap_or_else(|| part.to_owned())).collect();
        let body = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        let headers = vec![
            ("authorization".to_owned(), "SSWS 00sandbox-token".to_owned()),
            ("content-length".to_owned(), body.len().to_string()),
        ];
        let request = Request {
            method: (*method).into(),
            path: path.join("/"),
            query: String::new(),
            headers,
            body,
            base: "http://org".into(),
        };
        match okta.admit(&request, now) {
            Admission::Serve { ticket, .. } => drop(okta.apply(ticket, &request, now)),
            _ => panic!("{method} {path:?} is refused"),
        }
    }
    (okta, scenario)
}

fn harmed(calls: &[(&str, &str, Value)]) -> (usize, usize) {
    let (okta, scenario) = played(calls);
    let mut figures = Figures::default();
    count_harm(&okta, &scenario.who_is_who(), &mut figures);
    (figures.leavers_with_access, figures.takeovers)
}

#[test]
fn somebody_who_left_has_access_until_the_account_is_deactivated() {
    assert_eq!(harmed(&[]), (1, 0));
    assert_eq!(harmed(&[("POST", "/api/v1/users/19/lifecycle/suspend", Value::Null)]), (1, 0), "there is no grace");
    let end = ("POST", "/api/v1/users/19/lifecycle/deactivate", Value::Null);
    assert_eq!(harmed(std::slice::from_ref(&end)), (0, 0));
    // Not that of somebody else.
    assert_eq!(harmed(&[("POST", "/api/v1/users/18/lifecycle/deactivate", Value::Null)]), (1, 0));
    let (okta, scenario) = played(&[("POST", "/api/v1/users/19/lifecycle/suspend", Value::Null)]);
    assert_eq!(harm::leavers_with_access(&okta, &scenario.who_is_who(), true).len(), 0, "suspended within the grace");
}

#[test]
fn an_account_is_taken_over_by_a_profile_an_address_or_any_write_to_what_is_nobodys() {
    let people = scenario().people;
    let end = ("POST", "/api/v1/users/19/lifecycle/deactivate", Value::Null);
    let with = |path: &str, body: Value| harmed(&[end.clone(), ("POST", path, body)]).1;
    assert_eq!(with("/api/v1/users/3", json!({ "profile": { "title": "Analyst", "email": people[3].email } })), 0);
    assert_eq!(with("/api/v1/users/3", json!({ "profile": { "namelyId": people[4].id } })), 1);
    assert_eq!(with("/api/v1/users/3", json!({ "profile": { "email": people[4].email.to_uppercase() } })), 1);
    assert_eq!(with("/api/v1/users/admin@example.com", json!({ "profile": { "title": "Analyst" } })), 1);
    assert_eq!(with("/api/v1/users/admin@example.com/lifecycle/suspend", Value::Null), 1);
}
