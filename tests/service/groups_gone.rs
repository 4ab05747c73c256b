//! A group of the mapping that somebody deletes in Okta: it is told, asked about, and made again only where that was decided.

use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Hr, Person};
use namely_okta_sync::sandbox::world::today;
use namely_okta_sync::store::{AttentionItem, OperatorRequest, attention, gone_group, request};

fn group() -> String {
    format!("Department {}", DEPARTMENTS[0])
}

/// Ids of those who are in the group.
fn members(okta: &Okta) -> Vec<String> {
    let users = okta.users().filter(|user| okta.groups_of(&user.id).contains(&group()));
    users.map(|user| user.id.clone()).collect()
}

async fn ask(rig: &Rig, asked: OperatorRequest) {
    let now = rig.world.clock.now();
    let asks = rig.store().run(move |c| request(c, "sandbox", &asked, &decider("Ann"), now));
    asks.await.expect("is asked");
}

async fn gone(rig: &Rig) -> bool {
    rig.store().run(|c| gone_group(c, "sandbox", &group())).await.expect("reads").is_some()
}

async fn items(rig: &Rig) -> Vec<AttentionItem> {
    let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
    let items = rig.store().run(move |c| attention(c, &rules, now)).await.expect("reads");
    items.into_iter().filter(|item| item.what == "group deleted").collect()
}

fn made(rig: &Rig) -> usize {
    rig.effects().iter().filter(|effect| *effect == "POST /api/v1/groups").count()
}

fn a_hire(rig: &Rig) -> Person {
    let mut person = Hr::new(77, today(rig.world.clock.now())).joiner(1);
    (person.department, person.email) = (0, "hire77@example.com".into());
    person
}

async fn deleted(setup: Setup) -> (Rig, Vec<String>) {
    let rig = Rig::settled(setup).await;
    let before = members(&rig.world.okta.core());
    assert!(!before.is_empty(), "somebody is in the group");
    rig.world.okta.core().delete_group_by_hand(&group(), rig.world.clock.now());
    ask(&rig, OperatorRequest::Reconcile).await;
    (rig, before)
}

#[test]
fn a_group_that_somebody_deletes_in_okta_is_asked_about_once_and_made_and_filled_again_when_that_is_decided() {
    on_a_system(async {
        let (rig, before) = deleted(Setup::of(12)).await;
        rig.until("it is known to be gone", async |rig| gone(rig).await).await;
        let had = made(&rig);
        let person = a_hire(&rig);
        rig.hire(person.clone());
        rig.until_okta("the hire goes on without it", |okta| {
            okta.user_by_anchor(&person.id).is_some_and(|user| user.status != Status::Staged)
        })
        .await;
        rig.quiet().await;
        assert_eq!(made(&rig), had, "not made again in silence");
        let asked = items(&rig).await;
        assert_eq!(asked.len(), 1, "{asked:?}");
        for part in ["group.lifecycle.delete by", "`org make-group sandbox", "`org leave-group sandbox"] {
            assert!(asked[0].why.contains(part), "{}", asked[0].why);
        }
        assert_eq!(rig.pairs("SELECT kind, kind FROM audit WHERE kind = 'drifted'").await.len(), 1, "told once");
        ask(&rig, OperatorRequest::Group { name: group(), again: true }).await;
        rig.until_okta("everybody is in it again", |okta| {
            let (now, hired) = (members(okta), okta.user_by_anchor(&person.id).expect("an account").id.clone());
            before.iter().chain([&hired]).all(|id| now.contains(id))
        })
        .await;
        rig.quiet().await;
        assert_eq!(made(&rig), had + 1, "made once");
        let left = (items(&rig).await, rig.quarantined().await);
        assert!(left.0.is_empty() && left.1.is_empty(), "{left:?}");
        assert!(rig.service().readiness.notices().is_empty());
    });
}

#[test]
fn a_group_that_is_done_without_keeps_nobody_waiting() {
    on_a_system(async {
        let (rig, _) = deleted(Setup::of(12)).await;
        rig.until("it is known to be gone", async |rig| gone(rig).await).await;
        let had = made(&rig);
        ask(&rig, OperatorRequest::Group { name: group(), again: false }).await;
        let person = a_hire(&rig);
        rig.until("it is decided", async |rig| items(rig).await.is_empty()).await;
        rig.hire(person.clone());
        rig.until_okta("the hire has an account", |okta| okta.user_by_anchor(&person.id).is_some()).await;
        rig.quiet().await;
        assert!(rig.quarantined().await.is_empty() && made(&rig) == had);
    });
}

#[test]
fn a_group_that_somebody_deletes_is_made_and_filled_again_at_once_where_drift_is_corrected() {
    on_a_system(async {
        let mut setup = Setup::of(12);
        setup.rewrite = |text| text + "\n[reconcile]\ndrift = \"correct\"\n";
        let (rig, before) = deleted(setup).await;
        rig.until_okta("everybody is in it again", |okta| {
            let now = members(okta);
            before.iter().all(|id| now.contains(id))
        })
        .await;
        rig.quiet().await;
        let left = (items(&rig).await, rig.quarantined().await);
        assert!(left.0.is_empty() && left.1.is_empty(), "{left:?}");
    });
}
