//! What this program writes is what Okta's own group rules look at: whoever would get a power over others by one of them waits for two.

use super::administrators::World;
use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::okta::{Okta, Options};
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Person};
use serde_json::{Value, json};

const ADMINS: &str = "Org Admins";

/// A rule of the org that fills a group with a role, by the department.
async fn rules(rig: &Rig, department: &str) {
    let group = {
        let mut okta = rig.world.okta.core();
        let group = okta.seed_group(ADMINS, "OKTA_GROUP", Clock::system().now());
        okta.seed_role(ADMINS, "SUPER_ADMIN");
        group
    };
    let (client, url) = (reqwest::Client::new(), rig.world.okta.url());
    let post = async |path: &str, body: Value| -> Value {
        let request =
            client.post(format!("{url}{path}")).header("Authorization", format!("SSWS {}", Options::default().token));
        request.json(&body).send().await.expect("answers").json().await.unwrap_or_default()
    };
    let expression =
        json!({ "value": format!("user.department==\"{department}\""), "type": "urn:okta:expression:1.0" });
    let rule = json!({
        "type": "group_rule", "name": "admins", "conditions": { "expression": expression },
        "actions": { "assignUserToGroups": { "groupIds": [group] } }
    });
    let made = post("/api/v1/groups/rules", rule).await;
    post(&format!("/api/v1/groups/rules/{}/lifecycle/activate", made["id"].as_str().expect("an id")), json!({})).await;
}

#[test]
fn who_would_become_an_administrator_by_a_rule_of_okta_waits_for_two_people() {
    on_a_system(async {
        let rig = Rig::new(Setup::of(30));
        let n = rig.setup.people[0].department;
        rules(&rig, DEPARTMENTS[n]).await;
        let output = program()
            .arg("check")
            .arg("--config")
            .arg(config_file(&rig.world, rig.folder.path()))
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stdout).replace(['\n', ' '], "");
        assert!(said.contains("Okta'srule\"admins\"cangive\"OrgAdmins\",withwhichSUPER_ADMINcomes"), "{said}");
        let world = World::begun(rig, |_, _| {}).await;
        let of = |okta: &Okta, id: &str| {
            let user = okta.user_by_anchor(id)?;
            let department = user.profile.get("department").cloned().unwrap_or_default();
            Some((department, okta.groups_of(&user.id).contains(ADMINS)))
        };
        let mover = world.who.iter().position(|who| world.rig.setup.people[*who].department != n).expect("a mover");
        let anchor = world.anchor(mover);
        let before = of(&world.rig.world.okta.core(), &anchor).expect("an account");
        world.rig.edit(world.who[mover], |person| {
            person.department = n;
            person.direct_dial = "+1 555 0100".into();
        });
        let hold = world.held("grant_admin").await;
        assert!(hold.needs == 2 && hold.why.contains("by a rule of Okta"), "{hold:?}");
        world
            .rig
            .until_okta("the rest is done", |okta| {
                okta.user_by_anchor(&anchor).is_some_and(|user| user.profile["primaryPhone"] == "+1 555 0100")
            })
            .await;
        world.rig.quiet().await;
        let now = of(&world.rig.world.okta.core(), &anchor).expect("an account");
        assert_eq!(now, (before.0, false), "the rule has nothing to look at");
        world.approve(&hold).await;
        world.rig.until_okta("the rule has taken them in", |okta| of(okta, &anchor).is_some_and(|(_, is)| is)).await;

        // Whoever is hired into it has an account, without what the rule looks at.
        let joiner = Person {
            id: "9d000000-0000-4000-8000-000000000003".into(),
            email: "new.one@example.com".into(),
            manager: None,
            department: n,
            ..world.rig.setup.people[world.who[mover]].clone()
        };
        world.rig.hire(joiner.clone());
        let hold = world.held("grant_admin").await;
        let made = of(&world.rig.world.okta.core(), &joiner.id).expect("made all the same");
        assert_eq!(made, (Value::Null, false));
        world.approve(&hold).await;
        world.rig.until_okta("the rule has taken them in", |okta| of(okta, &joiner.id).is_some_and(|(_, is)| is)).await;
    });
}
