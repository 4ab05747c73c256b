//! Access that somebody has ended by hand is ended for the person: in every org, for every profile, also where they come later.

use crate::common::rig::{decider, on_a_system};
use crate::tenants_joined::{World, find};
use namely_okta_sync::sandbox::merger::mark;
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::store::{EndOrder, EndedAccess, OperatorRequest, ended_access, request, split_outlook};
use serde_json::json;

impl World {
    /// The people of a profile in an org, as the store knows them.
    async fn target(&self, org: &'static str, profile: &str) -> Option<i64> {
        let profile = profile.to_owned();
        let find = self.service.store.run(move |c| {
            let mut select = c.prepare("SELECT target FROM link WHERE org = ?1 AND profile = ?2")?;
            let found: Vec<i64> =
                select.query_map([org, profile.as_str()], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(found.first().copied())
        });
        find.await.expect("reads")
    }

    async fn ask(&self, org: &'static str, asked: OperatorRequest, by: &'static str) {
        let now = self.tenants.clock.now();
        let asks = self.service.store.run(move |c| request(c, org, &asked, &decider(by), now));
        asks.await.expect("asks");
        self.service.decided.notify_one();
    }

    /// Ann ends the access of a profile's person, as they are known in an org.
    async fn end(&self, org: &'static str, profile: &str, only_here: bool) {
        let target = self.target(org, profile).await.expect("known");
        let at = self.tenants.clock.now().millis();
        let (accounts, why) = (Vec::new(), "stolen laptop".to_owned());
        let order = EndOrder { targets: vec![target], accounts, why, at, begins: at, suspends: false, only_here };
        self.ask(org, OperatorRequest::EndAccess { order }, "ann").await;
    }

    async fn restore(&self, org: &'static str, profile: &str) {
        let targets = vec![self.target(org, profile).await.expect("known")];
        self.ask(org, OperatorRequest::RestoreAccess { targets, why: "found it".into() }, "ben").await;
    }

    async fn ended(&self) -> Vec<EndedAccess> {
        self.service.store.run(ended_access).await.expect("reads")
    }

    /// The profile is somebody else than whom it is linked to, as it is shown.
    async fn split(&self, org: &'static str, tenant: &str, profile: &str) -> Vec<String> {
        let (rules, now, id) = (self.service.store.rules().load(), self.tenants.clock.now(), profile.to_owned());
        let shown = self.service.store.run(move |c| split_outlook(c, &rules, org, &id, now));
        let (_, outlook) = shown.await.expect("reads").expect("linked");
        let (tenant, profile, why) = (tenant.to_owned(), profile.to_owned(), "somebody else".to_owned());
        self.ask(org, OperatorRequest::Split { tenant, profile, why }, "ada").await;
        outlook.after.into_iter().flat_map(|side| side.plan).collect()
    }
}

/// The status of everybody of an address who can still sign in.
fn live(okta: &Okta, email: &str) -> Vec<Status> {
    find(okta, email).iter().map(|user| user.status).filter(|status| *status != Status::Deprovisioned).collect()
}

#[test]
fn an_edit_in_namely_that_routes_somebody_to_another_org_gives_no_access_that_was_ended_by_hand() {
    on_a_system(async {
        let world = World::settled(8).await;
        let person = world.merger.people[0][5].clone();
        world.end("main", &person.id, false).await;
        world.until_org(0, "they are out", |okta| live(okta, &person.email).is_empty()).await;
        world.tenants.edit(0, 5, |p| mark(p, true));
        let is_there = async |world: &World| world.target("emea", &person.id).await.is_some();
        world.until("they are routed there", is_there).await;
        world.until("nothing is to be done", async |world| world.is_quiet().await).await;
        assert!(find(&world.tenants.okta[1].core(), &person.email).is_empty(), "nobody is made there");
        let ended = world.ended().await;
        let orgs: Vec<&str> = ended.iter().map(|one| one.org.as_str()).collect();
        assert_eq!((orgs, ended[0].by.as_str()), (vec!["main", "emea"], "ann"), "{ended:?}");
        // HR's word about the route is none about the person.
        world.tenants.edit(0, 5, |p| mark(p, false));
        world.until("it is followed", async |world| world.is_quiet().await).await;
        assert_eq!(world.ended().await.len(), 2);
        world.tenants.edit(0, 5, |p| mark(p, true));
        world.restore("emea", &person.id).await;
        world.until_org(0, "access is back", |okta| live(okta, &person.email).len() == 1).await;
        world.until_org(1, "there too", |okta| live(okta, &person.email).len() == 1).await;
        assert_eq!(world.ended().await, []);
        // Asked for in one org, it is of that org.
        world.end("emea", &person.id, true).await;
        world.until_org(1, "they are out there", |okta| live(okta, &person.email).is_empty()).await;
        assert_eq!((world.ended().await.len(), live(&world.tenants.okta[0].core(), &person.email).len()), (1, 1));
        // Asked for again without an org, it is of the person.
        world.end("emea", &person.id, false).await;
        world.until_org(0, "they are out everywhere", |okta| live(okta, &person.email).is_empty()).await;
    });
}

#[test]
fn another_profile_of_a_person_whose_access_was_ended_by_hand_is_asked_about_and_ends_with_them() {
    on_a_system(async {
        let world = World::settled(6).await;
        let (ours, twin) = (world.merger.people[0][3].clone(), world.twin(3));
        world.end("main", &ours.id, false).await;
        world.until_org(0, "they are out", |okta| live(okta, &ours.email).is_empty()).await;
        world.tenants.join(std::slice::from_ref(&twin));
        world.until("it is asked whether they are the same", async |world| !world.reviews().await.is_empty()).await;
        let (profile, review) = world.reviews().await.remove(0);
        assert!(profile == twin.id && review.why.contains("access was ended by ann"), "{review:?}");
        world.decide(review.id, true).await;
        let joined = async |world: &World| {
            world.target("main", &twin.id).await == world.target("main", &ours.id).await && world.is_quiet().await
        };
        world.until("they are one", joined).await;
        assert!(live(&world.tenants.okta[0].core(), &ours.email).is_empty(), "their access stays ended");
        // One profile of two has ended: HR has not followed for the person.
        world.tenants.edit(0, 3, |p| p.status = Hired::Inactive);
        world.until("it is followed", async |world| world.is_quiet().await).await;
        world.tenants.edit(1, 0, |p| p.direct_dial = "+1 555 9".into());
        world.until("that too", async |world| world.is_quiet().await).await;
        let followed = async |world: &World| world.ended().await.iter().all(|one| one.followed_at.is_some());
        assert!(world.ended().await.len() == 1 && !followed(&world).await);
        assert!(live(&world.tenants.okta[0].core(), &ours.email).is_empty());
        world.tenants.edit(1, 0, |p| p.status = Hired::Inactive);
        world.until("HR has followed", followed).await;
    });
}

#[test]
fn a_split_leaves_access_that_was_ended_by_hand_ended_for_the_account_and_for_the_profile() {
    on_a_system(async {
        let world = World::settled(6).await;
        let person = world.merger.people[0][4].clone();
        world.end("main", &person.id, false).await;
        world.until_org(0, "they are out", |okta| live(okta, &person.email).is_empty()).await;
        let before = world.target("main", &person.id).await;
        let shown = world.split("main", "acme", &person.id).await;
        assert!(shown.iter().any(|word| word.contains("was ended by ann, and stays ended")), "{shown:?}");
        assert!(!shown.iter().any(|word| word.starts_with("create")), "{shown:?}");
        world.until("they are two", async |world| world.target("main", &person.id).await != before).await;
        world.tenants.edit(0, 4, |p| p.email = format!("new.{}", person.email));
        world.until("nothing is to be done", async |world| world.is_quiet().await).await;
        let ended = world.ended().await;
        assert_eq!(ended.len(), 2, "the account and the profile: {ended:?}");
        assert!(ended.iter().any(|one| one.status.as_deref() == Some("DEPROVISIONED")), "{ended:?}");
        let anchored = |okta: &Okta| {
            okta.users().filter(|user| user.profile.get("namelyId").is_some_and(|id| *id == person.id.as_str())).count()
        };
        assert_eq!(anchored(&world.tenants.okta[0].core()), 1, "no account is made while it stands");
        world.restore("main", &person.id).await;
        world.until_org(0, "they get an account of their own", |okta| anchored(okta) == 2).await;
        assert_eq!(world.ended().await, [], "taken back for both");
    });
}

#[test]
fn a_leaver_s_account_in_an_org_that_never_took_them_ends_once_a_list_shows_it() {
    on_a_system(async {
        let world = World::settled(8).await;
        let person = world.merger.people[0][5].clone();
        let profile = json!({ "login": person.email, "email": person.email, "firstName": person.first_name,
            "lastName": person.last_name });
        let by_hand = world.tenants.okta[1].core().seed_user(profile, Status::Active, &[], world.tenants.clock.now());
        world.tenants.edit(0, 5, |p| p.status = Hired::Inactive);
        world.until_org(0, "they are out", |okta| live(okta, &person.email).is_empty()).await;
        world.ask("emea", OperatorRequest::Reconcile, "ann").await;
        let is_out = |okta: &Okta| okta.users().any(|user| user.id == by_hand && !user.is_live());
        world.until_org(1, "they are out there too", is_out).await;
    });
}
