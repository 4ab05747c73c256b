//! Several tenants in Namely, several orgs in Okta: one person is one account in each org they belong to.

use crate::common::program::program;
use crate::common::quick::{quick_namely, quick_okta};
use crate::common::rig::{comes_true, decider, on_a_system};
use namely_okta_sync::actors::Service;
use namely_okta_sync::clock::Clock;
use namely_okta_sync::commands::sandbox::merger::config;
use namely_okta_sync::config::Config;
use namely_okta_sync::domain::plan::limits::default_limits;
use namely_okta_sync::metrics::Metrics;
use namely_okta_sync::sandbox::merger::{Merger, Tenants, mark};
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Person, Status as Hired};
use namely_okta_sync::store::{OperatorRequest, Opined, Opinion, Review, holds, opine, request, review_outlook};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Two tenants of `size` people; the other one has not joined yet.
pub(crate) struct World {
    pub merger: Merger,
    pub tenants: Tenants,
    pub service: Service,
    _folder: tempfile::TempDir,
}

impl World {
    pub async fn settled(size: usize) -> Self {
        Self::settled_with(size, |config| config).await
    }

    async fn settled_with(size: usize, change: fn(Config) -> Config) -> Self {
        let clock = Clock::scaled_from_today(20.0);
        let merger = Merger::make(size, 1, &clock);
        let tenants = Tenants::start(&merger.people[0], quick_namely(), quick_okta(), clock.clone()).expect("ports");
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = config(&tenants, folder.path()).expect("sound");
        for tenant in &mut config.namely {
            (tenant.pace.per_minute, tenant.pace.walk_interval) = (10_000, Duration::from_secs(10));
        }
        let service = Service::start(change(config), clock, Metrics::new()).await.expect("starts");
        let world = Self { merger, tenants, service, _folder: folder };
        world.until("both sides agree", async |world| world.is_quiet().await).await;
        world
    }

    pub async fn is_quiet(&self) -> bool {
        self.service.readiness.is_ready() && self.service.store.backlog().await.expect("reads").total() == 0
    }

    pub async fn until(&self, what: &str, holds: impl AsyncFn(&Self) -> bool) {
        if !comes_true(async || holds(self).await).await {
            panic!("waited in vain until {what}: {:?}", self.service.readiness.reasons());
        }
    }

    pub async fn until_org(&self, org: usize, what: &str, holds: impl Fn(&Okta) -> bool) {
        self.until(what, async |world| {
            let mut okta = world.tenants.okta[org].core();
            okta.settle(world.tenants.clock.now());
            holds(&okta)
        })
        .await;
        self.until("nothing is dirty", async |world| world.is_quiet().await).await;
    }

    /// The matches that wait for a verdict, by the id of the profile.
    pub async fn reviews(&self) -> Vec<(String, Review)> {
        let open = self.service.store.reviews().await.expect("reads");
        open.into_iter().map(|review| (review.profile.clone(), review)).collect()
    }

    /// Somebody decides about a match as it is shown.
    pub async fn decide(&self, review: i64, accept: bool) {
        let (rules, now) = (self.service.store.rules().load(), self.tenants.clock.now());
        let said = self.service.store.run(move |c| {
            let (_, outlook) = review_outlook(c, &rules, review, now)?.expect("there");
            let code = &outlook.expect("undecided").code;
            let opinion = Opinion { accept, code, same_person: false, why: None, by: "ada", principal: "ada" };
            opine(c, &rules, review, &opinion, now)
        });
        assert_eq!(said.await.expect("writes"), Opined::Decided);
        self.service.decided.notify_one();
    }

    /// Somebody of the first tenant who is known to the other one too, and is let go by the first one.
    async fn kept_by_a_rule(&self) -> (Person, Person, i64) {
        let (ours, twin) = (self.merger.people[0][3].clone(), self.twin(3));
        let named = format!("Department {}", twin.department());
        self.tenants.join(std::slice::from_ref(&twin));
        let groups = |okta: &Okta| okta.groups_of(&find(okta, &ours.email)[0].id);
        self.until_org(0, "they are in both departments", |okta| groups(okta).contains(&named)).await;
        assert_eq!(self.reviews().await, [], "nobody is asked while the first tenant has them");
        self.tenants.edit(0, 3, |p| p.status = Hired::Inactive);
        let asked = async |world: &World| world.reviews().await.iter().any(|(profile, _)| *profile == twin.id);
        self.until("it is asked whether they are the same", asked).await;
        let (_, review) = self.reviews().await.remove(0);
        assert!(review.why.contains("has left") && review.why.contains(&ours.id), "{review:?}");
        self.until_org(0, "one department is left", |okta| groups(okta).contains(&named)).await;
        (ours, twin, review.id)
    }

    fn effects(&self, org: usize) -> usize {
        self.tenants.okta[org].core().history().exchanges().iter().filter(|e| e.applied).count()
    }

    /// Somebody of the first tenant, known to the other one too, in another department.
    pub fn twin(&self, n: usize) -> Person {
        let ours = &self.merger.people[0][n];
        let id = "7c000000-0000-4000-8000-000000000001".into();
        Person { id, department: (ours.department + 1) % 8, ..ours.clone() }
    }
}

pub(crate) fn find<'a>(okta: &'a Okta, email: &str) -> Vec<&'a namely_okta_sync::sandbox::okta::users::User> {
    okta.users().filter(|u| u.profile["email"] == json!(email)).collect()
}

#[test]
fn a_person_of_two_tenants_is_one_account_and_leaves_when_both_have_let_them_go() {
    on_a_system(async {
        let world = World::settled(6).await;
        assert_eq!(world.effects(0), 0, "both sides agree");
        let twin = world.twin(3);
        let ours = world.merger.people[0][3].clone();
        let groups = |okta: &Okta| okta.groups_of(&find(okta, &ours.email)[0].id);
        let named = |person: &Person| format!("Department {}", person.department());
        world.tenants.join(std::slice::from_ref(&twin));
        world.until_org(0, "they are in both departments", |okta| groups(okta).contains(&named(&twin))).await;
        assert_eq!(find(&world.tenants.okta[0].core(), &ours.email).len(), 1, "nobody is made twice");
        assert!(groups(&world.tenants.okta[0].core()).contains(&named(&ours)));
        // The first tenant lets them go: they keep the account, and lose what only that tenant gave.
        world.tenants.edit(0, 3, |p| p.status = Hired::Inactive);
        world.until_org(0, "one department is left", |okta| !groups(okta).contains(&named(&ours))).await;
        {
            let okta = world.tenants.okta[0].core();
            let user = find(&okta, &ours.email)[0];
            assert_eq!((user.status, &user.profile["namelyId"]), (Status::Active, &json!(twin.id)));
            assert!(groups(&okta).contains(&named(&twin)));
        }
        world.tenants.edit(1, 0, |p| p.status = Hired::Inactive);
        world.until_org(0, "they are out", |okta| find(okta, &ours.email)[0].status == Status::Deprovisioned).await;
        assert!(groups(&world.tenants.okta[0].core()).is_empty());
    });
}

#[test]
fn a_copy_of_a_company_speaks_for_nobody_until_somebody_says_so() {
    on_a_system(async {
        let world = World::settled(6).await;
        let ours = world.merger.people[0][3].clone();
        // The same ids: another tenant was made as a copy of the first.
        world.tenants.join(std::slice::from_ref(&ours));
        world.until("it is asked", async |world| !world.reviews().await.is_empty()).await;
        let (profile, review) = world.reviews().await.remove(0);
        assert!(profile == ours.id && review.why.contains("one of the two is a copy"), "{review:?}");
        world.tenants.edit(0, 3, |p| p.status = Hired::Inactive);
        let out = |okta: &Okta| find(okta, &ours.email).iter().all(|user| !user.is_live());
        world.until_org(0, "whoever has left is out, whatever the copy says", out).await;
    });
}

#[test]
fn an_account_that_only_a_rule_s_match_keeps_in_use_is_asked_about_and_stays_if_that_is_right() {
    on_a_system(async {
        let world = World::settled(6).await;
        let (ours, _, review) = world.kept_by_a_rule().await;
        let status = |world: &World| find(&world.tenants.okta[0].core(), &ours.email)[0].status;
        assert_eq!(status(&world), Status::Active, "nobody loses access by the question");
        world.tenants.edit(0, 3, |p| p.status = Hired::Active);
        world.until("the first tenant has them again", async |world| world.reviews().await.is_empty()).await;
        world.tenants.edit(0, 3, |p| p.status = Hired::Inactive);
        world.until("it is asked again", async |world| !world.reviews().await.is_empty()).await;
        let again = world.reviews().await[0].1.id;
        assert_ne!(again, review, "the first question is no question any more");
        world.decide(again, true).await;
        world.until("it is decided", async |world| world.reviews().await.is_empty()).await;
        let named = format!("Department {}", ours.department());
        for (status, is_in) in [(Hired::Active, true), (Hired::Inactive, false)] {
            world.tenants.edit(0, 3, |p| p.status = status);
            let groups = |okta: &Okta| okta.groups_of(&find(okta, &ours.email)[0].id);
            world.until_org(0, "it is carried out", |okta| groups(okta).contains(&named) == is_in).await;
        }
        assert_eq!(world.reviews().await, [], "what was said holds");
        assert_eq!(status(&world), Status::Active);
    });
}

#[test]
fn a_hire_of_the_name_of_somebody_who_is_asked_about_and_has_an_account_waits_for_no_answer() {
    on_a_system(async {
        let world = World::settled(6).await;
        let (_, twin, _) = world.kept_by_a_rule().await;
        let (id, email) = ("7c000000-0000-4000-8000-000000000301".into(), "namesake@globex.example.com".into());
        let hire = Person { id, email, ..twin };
        world.tenants.join(std::slice::from_ref(&hire));
        let made = |okta: &Okta| okta.users().any(|user| user.profile.get("namelyId") == Some(&json!(hire.id)));
        world.until_org(0, "they have an account", made).await;
        assert_eq!(world.reviews().await.len(), 1, "the question is open still");
    });
}

#[test]
fn whoever_is_not_the_person_whose_account_a_rule_has_kept_in_use_gets_one_of_their_own_and_the_leaver_s_ends() {
    on_a_system(async {
        let world = World::settled(6).await;
        let (ours, twin, review) = world.kept_by_a_rule().await;
        let account = find(&world.tenants.okta[0].core(), &ours.email)[0].id.clone();
        world.decide(review, false).await;
        world
            .until_org(0, "the leaver is out", |okta| {
                okta.users().any(|user| user.id == account && user.status == Status::Deprovisioned)
            })
            .await;
        world
            .until_org(0, "the other one has an account", |okta| {
                okta.users().any(|user| user.id != account && user.profile.get("namelyId") == Some(&json!(twin.id)))
            })
            .await;
    });
}

/// The limits of a real tenant.
fn as_by_default(mut config: Config) -> Config {
    let mut rules = Arc::into_inner(config.rulebook).expect("nobody else has it");
    rules.safeguards.limits = default_limits().to_vec();
    config.rulebook = Arc::new(rules);
    config
}

#[test]
fn joining_people_who_work_here_counts_as_taking_over_accounts_does() {
    on_a_system(async {
        let world = World::settled_with(8, as_by_default).await;
        let twins: Vec<Person> = [2, 3]
            .into_iter()
            .map(|n| Person { id: format!("7c000000-0000-4000-8000-00000000020{n}"), ..world.twin(n) })
            .collect();
        world.tenants.join(&twins);
        let both = |okta: &Okta| {
            twins.iter().all(|twin| {
                okta.groups_of(&find(okta, &twin.email)[0].id).contains(&format!("Department {}", twin.department()))
            })
        };
        world.until_org(0, "both have joined", both).await;
        let by_hand: Vec<Person> = [4, 5]
            .into_iter()
            .map(|n| {
                let (id, email) =
                    (format!("7c000000-0000-4000-8000-00000000020{n}"), format!("hand{n}@globex.example.com"));
                Person { id, email, first_name: "Bea".into(), last_name: format!("Hand {n}"), ..world.twin(n) }
            })
            .collect();
        for person in &by_hand {
            let profile = json!({ "login": person.email, "email": person.email, "firstName": person.first_name,
                "lastName": person.last_name });
            world.tenants.okta[0].core().seed_user(profile, Status::Active, &[], world.tenants.clock.now());
        }
        let now = world.tenants.clock.now();
        let reconcile = world
            .service
            .store
            .run(move |c| request(c, "main", &OperatorRequest::Reconcile, &decider("ada"), now).map(drop));
        reconcile.await.expect("asks");
        let known = async |world: &World| {
            let known = world.service.store.run(|c| {
                let sql = "SELECT count(*) FROM account WHERE login_key LIKE 'hand%'";
                Ok(c.query_row(sql, [], |row| row.get::<i64>(0))?)
            });
            known.await.expect("reads") == 2
        };
        world.until("their accounts are known", known).await;
        world.tenants.join(&by_hand);
        let held = async |world: &World| {
            let open = world.service.store.run(|c| holds(c, false)).await.expect("reads");
            open.iter()
                .any(|hold| hold.change == "adopt" && hold.why.contains("2 people were let through or held before"))
        };
        world.until("with the two that joined they are too many", held).await;
    });
}

#[test]
fn two_people_of_one_name_get_two_logins_and_reserved_ones_go_to_nobody() {
    on_a_system(async {
        let world = World::settled(4).await;
        let person = |n: u32, first: &str, last: &str| {
            let id = format!("7c000000-0000-4000-8000-00000000010{n}");
            let (first_name, last_name) = (first.to_owned(), last.to_owned());
            let email = format!("someone{n}@globex.example.com");
            Person { id, first_name, last_name, email, manager: None, ..world.merger.people[0][2].clone() }
        };
        let people = [
            person(1, "Jo", "Ångström"),
            person(2, "Jo", "Angstrom"),
            person(3, "JO", "Ångström"),
            person(4, "Max", "Root"),
        ];
        world.tenants.join(&people);
        world.until_org(0, "all are there", |okta| people.iter().all(|p| find(okta, &p.email).len() == 1)).await;
        let okta = world.tenants.okta[0].core();
        let mut logins: Vec<String> = people[..3]
            .iter()
            .filter_map(|p| find(&okta, &p.email)[0].profile["login"].as_str().map(str::to_owned))
            .collect();
        logins.sort();
        assert_eq!(logins, ["jo.angstrom2@example.com", "jo.angstrom3@example.com", "jo.angstrom@example.com"]);
    });
}

#[test]
fn a_second_org_gets_those_who_are_routed_there_and_keeps_whoever_is_not_any_more() {
    on_a_system(async {
        let world = World::settled(8).await;
        let person = world.merger.people[0][5].clone();
        let anchor = person.id.clone();
        assert!(world.tenants.okta[1].core().user_by_anchor(&anchor).is_none());
        world.tenants.edit(0, 5, |p| mark(p, true));
        world.until_org(1, "they have an account there too", |okta| okta.user_by_anchor(&anchor).is_some()).await;
        assert_eq!(world.effects(0), 0, "nothing changes where they were");
        world.tenants.edit(0, 5, |p| mark(p, false));
        world
            .until("it is told", async |world| world.service.store.backlog().await.expect("reads").quarantined == 1)
            .await;
        let before = world.effects(1);
        assert_eq!(world.tenants.okta[1].core().user_by_anchor(&anchor).map(|u| u.status), Some(Status::Provisioned));
        // An end in Namely is an end everywhere, also where they are only kept.
        world.tenants.edit(0, 5, |p| p.status = Hired::Inactive);
        for org in 0..2 {
            world
                .until_org(org, "they are out", |okta| {
                    okta.user_by_anchor(&anchor).is_some_and(|u| u.status == Status::Deprovisioned)
                })
                .await;
        }
        assert!(world.effects(1) > before);
    });
}

#[test]
fn a_kept_account_outlives_the_end_of_another_profile_and_not_that_of_its_own() {
    on_a_system(async {
        let world = World::settled(8).await;
        let ours = world.merger.people[0][5].clone();
        let status = |okta: &Okta| find(okta, &ours.email).first().map(|user| user.status);
        world.tenants.edit(0, 5, |p| mark(p, true));
        world.until_org(1, "they have an account there", |okta| status(okta).is_some()).await;
        let mut twin = world.twin(5);
        mark(&mut twin, true);
        world.tenants.join(std::slice::from_ref(&twin));
        let named = format!("Department {}", twin.department());
        let groups = |okta: &Okta| okta.groups_of(&find(okta, &ours.email)[0].id);
        world.until_org(1, "both profiles are one person", |okta| groups(okta).contains(&named)).await;
        world.tenants.edit(0, 5, |p| mark(p, false));
        world.until_org(1, "the other profile describes them", |okta| groups(okta).len() == 2).await;
        world.tenants.edit(1, 0, |p| p.status = Hired::Inactive);
        let quarantined = async |world: &World| world.service.store.backlog().await.expect("reads").quarantined == 1;
        world.until("they are reported", quarantined).await;
        assert_ne!(status(&world.tenants.okta[1].core()), Some(Status::Deprovisioned), "kept");
        world.tenants.edit(0, 5, |p| p.status = Hired::Inactive);
        world.until_org(1, "they are out", |okta| status(okta) == Some(Status::Deprovisioned)).await;
    });
}

#[test]
fn an_org_that_cannot_be_read_holds_nobody_up_and_is_compared_when_it_can() {
    on_a_system(async {
        let clock = Clock::scaled_from_today(20.0);
        let mut merger = Merger::make(6, 1, &clock);
        merger.people[0].iter_mut().for_each(|person| mark(person, true));
        let tenants = Tenants::start(&merger.people[0], quick_namely(), quick_okta(), clock.clone()).expect("ports");
        let folder = tempfile::tempdir().expect("a folder");
        let down = namely_okta_sync::sandbox::faults::Kind::Answer { status: 502, body: "<html>no</html>".into() };
        tenants.okta[1].core().faults.add(namely_okta_sync::sandbox::faults::Fault::some(1.0, "", "/api/v1/", down));
        let config = config(&tenants, folder.path()).expect("sound");
        let service = Service::start(config, clock, Metrics::new()).await.expect("starts");
        let world = World { merger, tenants, service, _folder: folder };
        let person = world.merger.people[0][3].clone();
        world.tenants.edit(0, 3, |p| p.direct_dial = "+1 555 333".into());
        world
            .until("the other org follows", async |world| {
                let okta = world.tenants.okta[0].core();
                okta.user_by_anchor(&person.id).is_some_and(|u| u.profile["primaryPhone"] == json!("+1 555 333"))
            })
            .await;
        world.tenants.okta[1].core().faults.clear();
        world.until_org(1, "everybody is there", |okta| okta.users().count() == 7).await;
    });
}

#[test]
fn a_whole_merger_ends_with_every_human_as_they_should_be_in_both_orgs() {
    let output = program()
        .args(["sandbox", "--scenario", "merger", "--employees", "60", "--time-scale", "40", "--report", "json"])
        .output()
        .expect("runs");
    let said = String::from_utf8(output.stdout).expect("text");
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert!(output.status.success(), "{report:#}");
    for zero in ["lost", "leavers_with_access", "takeovers", "unaudited_effects", "http_429", "namely_406"] {
        assert_eq!(report[zero], 0, "{zero}: {report:#}");
    }
    assert_eq!(report["everybody"], 114);
}
