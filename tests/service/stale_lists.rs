//! A list of Okta that is behind: what it says of an account that has just been made is not acted upon.

use crate::common::quick::quick_okta;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::okta::Options;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::scenario::expect_at_start;
use serde_json::json;
use std::time::Duration;

/// How far lists are behind.
const LAG: Duration = Duration::from_secs(600);

#[test]
fn an_account_that_a_list_shows_as_not_activated_yet_is_not_activated_again() {
    on_a_system(async {
        let mut setup = Setup::of(6);
        setup.in_okta = 5;
        setup.okta = Options { index_lag: LAG, ..quick_okta() };
        let token = format!("SSWS {}", setup.okta.token);
        let mut rig = Rig::new(setup);
        let (person, people) = (rig.setup.people[5].clone(), &rig.setup.people);
        let expected = expect_at_start(&person, person.manager.map(|manager| &people[manager])).expect("an account");
        let url = format!("{}/api/v1/users?activate=true", rig.world.okta.url());
        let body = json!({ "profile": expected.profile });
        let made = reqwest::Client::new().post(url).header("authorization", token).json(&body).send().await;
        assert_eq!(made.expect("answers").status(), 200);
        // Lists say STAGED, on its way to PROVISIONED, which the account is already.
        rig.world.clock.jump(LAG + Duration::from_secs(1));
        rig.run().await;
        let all = "All Employees";
        rig.until_okta("the account is known, and in its groups", |okta| {
            okta.user_by_anchor(&person.id).is_some_and(|user| okta.groups_of(&user.id).contains(all))
        })
        .await;
        rig.until("nothing is left to do", async |rig| rig.backlog().await == 0).await;
        let status = rig.world.okta.core().user_by_anchor(&person.id).map(|user| user.status);
        assert_eq!(status, Some(Status::Provisioned));
        let effects = rig.effects();
        assert!(!effects.iter().any(|effect| effect.contains("activate")), "{effects:?}");
    });
}
