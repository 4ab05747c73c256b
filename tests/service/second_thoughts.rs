//! A termination that HR takes back soon gives back what it took.

use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::faults::Fault;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::store::{Filter, attention, filter_audit};
use serde_json::Value;
use std::time::Duration;

/// Somebody is in the chess club and in a group that carries an admin role, both of which no rule names, and leaves.
async fn terminated(rewrite: fn(String) -> String) -> (Rig, usize, String) {
    let mut setup = Setup::of(8);
    setup.rewrite = rewrite;
    let mut rig = Rig::new(setup);
    let id = {
        let mut okta = rig.world.okta.core();
        let id = okta.user_by_anchor(&rig.setup.people[3].id).expect("an account").id.clone();
        for name in ["Chess Club", "Choir"] {
            let group = okta.seed_group(name, "OKTA_GROUP", rig.world.clock.now());
            okta.seed_member(&group, &id);
        }
        id
    };
    rig.run().await;
    rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    rig.edit(3, |p| p.status = Hired::Inactive);
    rig.until_okta("they are out", |okta| okta.groups_of(&id).is_empty()).await;
    rig.quiet().await;
    (rig, 3, id)
}

async fn listed(rig: &Rig) -> Vec<(Vec<String>, Vec<String>)> {
    let read = rig.store().run(|c| {
        let mut found = Vec::new();
        let kinds = vec!["taken_back".to_owned()];
        filter_audit(c, &Filter { kinds, ..Filter::default() }, |row| {
            let row: Value = serde_json::from_str(&row.text)?;
            let list = |key: &str| {
                let all = row["detail"][key].as_array().into_iter().flatten();
                all.filter_map(|one| one.as_str().map(str::to_owned)).collect::<Vec<_>>()
            };
            found.push((list("restores"), list("lost")));
            Ok(())
        })?;
        Ok(found)
    });
    read.await.expect("reads")
}

#[test]
fn a_termination_that_is_taken_back_gives_back_what_no_rule_gives_and_lists_what_it_cannot() {
    on_a_system(async {
        let (rig, person, id) = terminated(|text| text).await;
        rig.world.okta.core().seed_role("Choir", "USER_ADMIN");
        rig.edit(person, |p| p.status = Hired::Active);
        rig.until_okta("they play again", |okta| okta.groups_of(&id).contains("Chess Club")).await;
        rig.until("they are done", async |rig| rig.backlog().await == 0).await;
        let (restores, lost) = listed(&rig).await.remove(0);
        assert!(restores.iter().any(|what| what.starts_with("into group \"Chess Club\"")), "{restores:?}");
        assert!(lost.iter().any(|what| what.contains("apps that somebody else had assigned")), "{lost:?}");
        let groups = rig.world.okta.core().groups_of(&id);
        assert!(!groups.contains("Choir"), "it carries an admin role now");
        let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
        let items = rig.store().run(move |c| attention(c, &rules, now)).await.expect("reads");
        let about: Vec<_> = items.iter().filter(|item| item.profile == rig.setup.people[person].id).collect();
        assert!(
            about.iter().any(|item| item.why.contains("out of group \"Choir\": it carries an admin role")),
            "{about:?}"
        );
        // Whatever comes later is nobody's second thought any more.
        rig.edit(person, |p| p.title = (p.title + 1) % 3);
        rig.until("the news is done", async |rig| rig.backlog().await == 0).await;
        rig.quiet().await;
        let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
        let items = rig.store().run(move |c| attention(c, &rules, now)).await.expect("reads");
        assert!(!items.iter().any(|item| item.why.contains("was taken back")), "{items:?}");
    });
}

#[test]
fn without_second_thoughts_a_return_is_a_fresh_start() {
    on_a_system(async {
        let (rig, person, id) = terminated(|text| text + "\n[termination]\nsecond_thoughts = \"0s\"\n").await;
        let anchor = rig.setup.people[person].id.clone();
        rig.edit(person, |p| p.status = Hired::Active);
        rig.until_okta("they are back", |okta| {
            okta.user_by_anchor(&anchor).is_some_and(|user| user.status == Status::Provisioned)
        })
        .await;
        rig.until("they are done", async |rig| rig.backlog().await == 0).await;
        rig.quiet().await;
        assert!(!rig.world.okta.core().groups_of(&id).contains("Chess Club"));
        assert_eq!(listed(&rig).await, []);
    });
}

#[test]
fn what_a_termination_took_long_ago_does_not_come_back_because_a_return_came_to_nothing_within_the_window() {
    on_a_system(async {
        let (rig, person, id) = terminated(|text| text).await;
        rig.world.okta.core().faults.add(Fault::denied("POST", "/lifecycle/activate"));
        rig.edit(person, |p| p.status = Hired::Active);
        rig.until("Okta refuses the return", async |rig| !rig.quarantined().await.is_empty()).await;
        rig.edit(person, |p| p.status = Hired::Inactive);
        rig.until("it is over again", async |rig| rig.quarantined().await.is_empty()).await;
        rig.until("and done", async |rig| rig.backlog().await == 0).await;
        rig.world.okta.core().faults.clear();
        rig.world.clock.jump(Duration::from_secs(40 * 86_400));
        rig.edit(person, |p| p.status = Hired::Active);
        let anchor = rig.setup.people[person].id.clone();
        rig.until_okta("they are back", |okta| {
            okta.user_by_anchor(&anchor).is_some_and(|user| user.status == Status::Provisioned)
        })
        .await;
        rig.until("they are done", async |rig| rig.backlog().await == 0).await;
        rig.quiet().await;
        assert!(!rig.world.okta.core().groups_of(&id).contains("Chess Club"), "that was another job");
    });
}
