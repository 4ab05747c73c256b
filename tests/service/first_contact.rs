//! First contact is asked per tenant and org: a tenant that is added later waits for its own acceptance, while everybody
//! else goes on.

use crate::common::quick::{quick_namely, quick_okta};
use crate::common::rig::{comes_true, decider, on_a_system};
use namely_okta_sync::actors::Service;
use namely_okta_sync::clock::Clock;
use namely_okta_sync::commands::sandbox::merger::config;
use namely_okta_sync::metrics::Metrics;
use namely_okta_sync::sandbox::merger::{Merger, Tenants};
use namely_okta_sync::sandbox::okta::users::{Status, User};
use namely_okta_sync::sandbox::population::{Person, Status as Hired};
use namely_okta_sync::store::{Adoption, accept_adoption, adoption};
use serde_json::json;
use std::time::Duration;

/// A tenant that was accepted, and one that came later: somebody whom both know, somebody with an account made by hand, a
/// leaver with one, and somebody new.
struct World {
    tenants: Tenants,
    service: Service,
    ours: Vec<Person>,
    twin: Person,
    by_hand: Person,
    leaver: Person,
    new: Person,
    _folder: tempfile::TempDir,
}

impl World {
    async fn with_an_added_tenant() -> Self {
        let clock = Clock::scaled_from_today(20.0);
        let merger = Merger::make(8, 1, &clock);
        let ours = merger.people[0].clone();
        let tenants = Tenants::start(&ours, quick_namely(), quick_okta(), clock.clone()).expect("ports");
        let person = |n: usize, id: u8, first: &str, last: &str| {
            let email = format!("{}.{}@globex.example.com", first.to_lowercase(), last.to_lowercase());
            Person {
                id: format!("7c000000-0000-4000-8000-0000000003{id:02}"),
                first_name: first.into(),
                last_name: last.into(),
                email,
                manager: None,
                department: (ours[n].department + 1) % 8,
                status: Hired::Active,
                ..ours[n].clone()
            }
        };
        let twin = Person { email: ours[3].email.clone(), ..person(3, 1, &ours[3].first_name, &ours[3].last_name) };
        let by_hand = person(2, 2, "Bea", "Hand");
        let leaver = Person { status: Hired::Inactive, ..person(2, 3, "Lea", "Vergone") };
        let new = person(2, 4, "Nora", "Newman");
        for person in [&by_hand, &leaver] {
            let profile = json!({
                "login": person.email, "email": person.email,
                "firstName": person.first_name, "lastName": person.last_name,
            });
            tenants.okta[0].core().seed_user(profile, Status::Active, &[], clock.now());
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = config(&tenants, folder.path()).expect("sound");
        for tenant in &mut config.namely {
            (tenant.pace.per_minute, tenant.pace.walk_interval) = (10_000, Duration::from_secs(10));
        }
        config.okta[0].ask_to_adopt = true;
        let service = Service::start(config, clock, Metrics::new()).await.expect("starts");
        let world = Self { tenants, service, ours, twin, by_hand, leaver, new, _folder: folder };
        world.until("the report is complete", async |world| world.report().await.missing().is_empty()).await;
        world.accept("acme").await;
        let people = [&world.twin, &world.by_hand, &world.leaver, &world.new].map(Clone::clone);
        world.tenants.join(&people);
        let seen = async |world: &World| {
            let report = world.report().await;
            report.matched.values().map(Vec::len).sum::<usize>() + report.ended.len() + report.created.len() == 4
        };
        world.until("everybody of the other tenant is reported", seen).await;
        world
    }

    async fn report(&self) -> Adoption {
        let (rules, now) = (self.service.store.rules().load(), self.tenants.clock.now());
        self.service.store.run(move |c| adoption(c, &rules, "main", now)).await.expect("reads")
    }

    async fn accept(&self, tenant: &str) {
        let (tenants, now) = (vec![tenant.to_owned()], self.tenants.clock.now());
        let accepted = self.service.store.run(move |c| accept_adoption(c, "main", &tenants, &decider("ada"), now));
        assert!(accepted.await.expect("writes"));
    }

    async fn until(&self, what: &str, holds: impl AsyncFn(&Self) -> bool) {
        if !comes_true(async || holds(self).await).await {
            panic!("waited in vain until {what}: {:?}", self.service.readiness.reasons());
        }
    }

    /// Waits until both tenants were looked at again and nobody can be worked on.
    async fn quiet(&self) {
        let pages = |world: &World| -> Vec<usize> {
            world.tenants.namely.iter().map(|tenant| tenant.core().history().exchanges().len()).collect()
        };
        let before = pages(self);
        let looked_up = async |world: &World| pages(world).iter().zip(&before).all(|(now, then)| *now > then + 12);
        self.until("both were looked at again", looked_up).await;
        let idle = async |world: &World| world.service.store.backlog().await.expect("reads").total() == 0;
        self.until("nobody can be worked on", idle).await;
    }

    fn user(&self, email: &str) -> Option<User> {
        self.tenants.okta[0].core().users().find(|user| user.profile["email"] == json!(email)).cloned()
    }

    fn groups(&self, email: &str) -> usize {
        let id = self.user(email).expect("an account").id;
        self.tenants.okta[0].core().groups_of(&id).len()
    }
}

#[test]
fn a_tenant_that_is_added_later_is_asked_about_by_itself_while_the_others_go_on() {
    on_a_system(async {
        let world = World::with_an_added_tenant().await;
        // The accepted tenant goes on.
        world.tenants.edit(0, 5, |person| person.direct_dial = "+1 555 0555".into());
        let dial =
            |world: &World| world.user(&world.ours[5].email).and_then(|user| user.profile.get("primaryPhone").cloned());
        world.until("it follows", async |world| dial(world) == Some(json!("+1 555 0555"))).await;
        world.quiet().await;
        assert_eq!(world.user(&world.leaver.email).map(|user| user.status), Some(Status::Active), "nobody is ended");
        let by_hand = world.user(&world.by_hand.email).expect("an account");
        assert!(!by_hand.profile.contains_key("namelyId"), "nobody is adopted");
        assert!(world.user(&world.new.email).is_none(), "nobody is made");
        let before = world.groups(&world.twin.email);
        let why = world.service.readiness.reasons().get("adopt main").cloned().unwrap_or_default();
        assert!(why.contains("globex") && why.contains("adopt --accept main"), "{why}");
        let report = world.report().await;
        assert_eq!(report.waiting, ["globex"]);
        let matched: Vec<&str> = report.matched.values().flatten().map(|entry| entry.name.as_str()).collect();
        assert_eq!(matched.len(), 2, "the twin and the one made by hand: {matched:?}");
        assert_eq!((report.ended.len(), report.created.len()), (1, 1), "{report:#?}");

        world.accept("globex").await;
        let ended = async |world: &World| {
            world.user(&world.leaver.email).is_some_and(|user| user.status == Status::Deprovisioned)
        };
        world.until("the leaver is ended", ended).await;
        world.until("somebody new is made", async |world| world.user(&world.new.email).is_some()).await;
        world.until("the twin is in both departments", async |world| world.groups(&world.twin.email) > before).await;
        world.quiet().await;
        assert_eq!(world.user(&world.by_hand.email).map(|user| user.id), Some(by_hand.id), "adopted");
        assert!(world.user(&world.by_hand.email).expect("there").profile.contains_key("namelyId"));
        assert!(world.service.readiness.is_ready(), "{:?}", world.service.readiness.reasons());
    });
}

#[test]
fn an_acceptance_is_bound_to_the_report_that_was_shown() {
    on_a_system(async {
        let world = World::with_an_added_tenant().await;
        let before = world.report().await.code;
        assert_eq!(world.report().await.code, before, "the same report has the same code");
        world.tenants.edit(1, 3, |person| person.status = Hired::Inactive);
        world.until("another report", async |world| world.report().await.code != before).await;
    });
}
