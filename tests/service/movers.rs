//! Somebody changes the department, the title, the phone: exactly the difference is written.

use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Person, Status};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn a_transfer_is_one_group_less_one_more_and_one_update() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(20)).await;
        let before = rig.setup.people[13].clone();
        let department = (before.department + 1) % DEPARTMENTS.len();
        rig.edit(13, |person| person.department = department);
        let after = Person { department, ..before.clone() };
        rig.until_okta("the department follows", |okta| {
            okta.user_by_anchor(&before.id).is_some_and(|u| u.profile["department"] == json!(after.department()))
        })
        .await;
        rig.quiet().await;
        let effects = rig.effects();
        let methods: Vec<&str> = effects.iter().map(|e| e.split('/').next().unwrap_or_default().trim()).collect();
        assert_eq!(methods, ["DELETE", "PUT", "POST"], "{effects:?}");
        let okta = rig.world.okta.core();
        let update = okta.history().exchanges().iter().find(|e| e.method == "POST").expect("an update").body.clone();
        assert_eq!(update, json!({ "profile": { "department": after.department() } }), "only what changed is sent");
        let user = okta.user_by_anchor(&before.id).expect("there");
        assert!(okta.groups_of(&user.id).contains(&format!("Department {}", after.department())));
        assert!(!okta.groups_of(&user.id).contains(&format!("Department {}", before.department())));
    });
}

#[test]
fn a_change_that_does_not_move_updated_at_is_seen_by_the_walk() {
    on_a_system(async {
        let mut setup = Setup::of(130);
        setup.namely.edits_move_updated_at = false;
        let rig = Rig::settled(setup).await;
        rig.edit(77, |person| person.direct_dial = "+1 555 99999".into());
        let id = rig.setup.people[77].id.clone();
        rig.until_okta("the phone follows", |okta| {
            okta.user_by_anchor(&id).is_some_and(|u| u.profile["primaryPhone"] == json!("+1 555 99999"))
        })
        .await;
        assert_eq!(rig.effects().len(), 1);
    });
}

#[test]
fn a_field_that_is_cleared_in_namely_is_cleared_in_okta() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(5)).await;
        let id = rig.setup.people[2].id.clone();
        rig.edit(2, |person| person.direct_dial = String::new());
        rig.until_okta("the phone is gone", |okta| {
            okta.user_by_anchor(&id).is_some_and(|u| !u.profile.contains_key("primaryPhone"))
        })
        .await;
    });
}

#[test]
fn memberships_that_a_rule_of_okta_owns_are_never_written() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(10));
        let people = rig.setup.people.clone();
        let url = rig.world.okta.url();
        let group =
            rig.world.okta.core().group_names().into_iter().find(|(_, n)| n == "Department Sales").expect("a group").0;
        let client = reqwest::Client::new();
        let post = |path: String, body: serde_json::Value| {
            let token = namely_okta_sync::sandbox::okta::Options::default().token;
            let request =
                client.post(format!("{url}{path}")).header("Authorization", format!("SSWS {token}")).json(&body);
            async move { request.send().await.expect("answers").json::<serde_json::Value>().await.unwrap_or_default() }
        };
        let rule = json!({
            "type": "group_rule", "name": "sales",
            "conditions": { "expression": { "value": "user.department==\"Sales\"", "type": "urn:okta:expression:1.0" } },
            "actions": { "assignUserToGroups": { "groupIds": [group] } }
        });
        let made = post("/api/v1/groups/rules".into(), rule).await;
        let id = made["id"].as_str().expect("an id").to_owned();
        post(format!("/api/v1/groups/rules/{id}/lifecycle/activate"), json!({})).await;
        rig.run().await;
        rig.until("ready", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let sales = DEPARTMENTS.iter().position(|d| *d == "Sales").expect("a department");
        let other = people.iter().position(|p| p.department != sales).expect("somebody else");
        rig.edit(other, |person| person.department = sales);
        rig.until_okta("the rule has taken them in", |okta| {
            okta.user_by_anchor(&people[other].id).is_some_and(|u| okta.groups_of(&u.id).contains("Department Sales"))
        })
        .await;
        rig.quiet().await;
        let written: Vec<String> = rig.effects().into_iter().filter(|e| e.contains(&group)).collect();
        assert_eq!(written, Vec::<String>::new());
    });
}

#[test]
fn a_burst_of_edits_to_one_person_ends_at_the_last_one_in_order() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(10)).await;
        let id = rig.setup.people[4].id.clone();
        for n in 0..60 {
            rig.edit(4, |person| {
                person.direct_dial = format!("+1 555 1{n:04}");
                person.department = n % DEPARTMENTS.len();
            });
            // HR types on while the service works.
            if n % 10 == 9 {
                let before = rig.effects().len();
                rig.until("one of these values is written", async |rig| rig.effects().len() > before).await;
            }
        }
        rig.quiet().await;
        let okta = rig.world.okta.core();
        let user = okta.user_by_anchor(&id).expect("there");
        assert_eq!(user.profile["primaryPhone"], json!("+1 555 10059"));
        let department = DEPARTMENTS[59 % DEPARTMENTS.len()];
        let groups: BTreeSet<String> =
            okta.groups_of(&user.id).into_iter().filter(|g| g.starts_with("Department")).collect();
        assert_eq!(groups, BTreeSet::from([format!("Department {department}")]));
        let phones: Vec<String> = okta
            .history()
            .exchanges()
            .iter()
            .filter_map(|e| e.body["profile"]["primaryPhone"].as_str().map(str::to_owned))
            .collect();
        assert!(phones.is_sorted(), "an older value was written after a newer one: {phones:?}");
    });
}

#[test]
fn a_new_department_is_one_read_of_the_groups_and_nobody_is_unreadable_meanwhile() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let who = rig.setup.people.iter().position(|p| p.status == Status::Active && !p.on_leave).expect("somebody");
        let reads = || {
            let namely = rig.world.namely.core();
            namely.history().exchanges().iter().filter(|call| call.path == "/api/v1/groups").count()
        };
        let before = reads();
        let all: Vec<&'static str> = DEPARTMENTS.iter().copied().chain(["Data"]).collect();
        rig.world.namely.core().rename_departments(all.leak());
        rig.edit(who, |p| p.department = DEPARTMENTS.len());
        let anchor = rig.setup.people[who].id.clone();
        rig.until_okta("they are in the group of the new department", |okta| {
            let user = okta.user_by_anchor(&anchor).expect("an account");
            okta.groups_of(&user.id).contains("Department Data")
        })
        .await;
        assert_eq!(reads(), before + 1);
        let unread = rig.pairs("SELECT kind, row FROM audit WHERE kind IN ('unreadable', 'quarantined')").await;
        assert_eq!(unread, []);
    });
}
