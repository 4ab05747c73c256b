//! The oracle of the sandbox evaluates what the service did, and sees what it did not do.

use crate::common::rig::{Rig, Setup, on_a_system};
use jiff::civil::Date;
use namely_okta_sync::sandbox::oracle::{Evidence, evaluate};
use namely_okta_sync::sandbox::scenario::{HrChange, Kind, Scenario};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn the_oracle_sees_a_loss_a_step_back_and_an_effect_behind_the_audits_back() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(10)).await;
        let people = rig.setup.people.clone();
        let mut after = people[4].clone();
        after.direct_dial = "+1 555 1".into();
        let change = HrChange { at: Duration::ZERO, kind: Kind::Attribute, person: 4, after };
        let scenario = Scenario {
            name: "one".into(),
            people: people.clone(),
            changes: vec![change.clone()],
            days: (Date::default(), Date::default()),
            strangers: Vec::new(),
        };
        rig.edit(4, |person| *person = change.after.clone());
        rig.until_okta("it arrives", |okta| {
            okta.user_by_anchor(&people[4].id).is_some_and(|u| u.profile["primaryPhone"] == json!("+1 555 1"))
        })
        .await;
        rig.quiet().await;
        let start = rig.world.clock.now() - Duration::from_secs(3600);
        let figures = || {
            let okta = rig.world.okta.core();
            let store = rig.store().path().to_owned();
            let evidence = Evidence {
                scenario: &scenario,
                start,
                okta: &okta,
                namely: &[],
                store: &store,
                excused: &BTreeSet::new(),
            };
            evaluate(&evidence).expect("judges")
        };
        assert!(figures().is_clean(), "{:?}", figures().findings);
        // Somebody else's client writes the old value with our token.
        let id = rig.world.okta.core().user_by_anchor(&people[4].id).expect("there").id.clone();
        let call = reqwest::Client::new()
            .post(format!("{}/api/v1/users/{id}", rig.world.okta.url()))
            .header("Authorization", format!("SSWS {}", rig.setup.okta.token))
            .json(&json!({ "profile": { "primaryPhone": people[4].direct_dial } }));
        assert_eq!(call.send().await.expect("answers").status(), 200);
        let after = figures();
        assert_eq!((after.lost, after.order_violations, after.unaudited_effects), (1, 1, 1), "{:?}", after.findings);
    });
}
