//! That somebody has no account is proved or unknown: nobody is done as a leaver unasked, and what a later list shows heals.

use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Hr, Person, Status as Hired};
use namely_okta_sync::sandbox::world::today;
use namely_okta_sync::store::{OperatorRequest, request};
use serde_json::json;
use std::time::Duration;

/// Lists and searches.
const LISTS: &str = "/api/v1/users?";

fn a_person(rig: &Rig, seed: u64) -> Person {
    let mut person = Hr::new(seed, today(rig.world.clock.now())).joiner(1);
    person.email = format!("somebody{seed}@example.com");
    person
}

/// An account of somebody, as it was before anybody wrote an anchor into it.
fn seed(rig: &Rig, person: &Person) -> String {
    let profile = json!({ "login": person.email, "email": person.email, "firstName": person.first_name,
        "lastName": person.last_name });
    rig.world.okta.core().seed_user(profile, Status::Active, &[], rig.world.clock.now())
}

fn status(okta: &Okta, id: &str) -> Option<Status> {
    okta.users().find(|user| user.id == id).map(|user| user.status)
}

async fn audited(rig: &Rig, kind: &'static str) -> usize {
    let count = rig
        .store()
        .run(move |c| Ok(c.query_row("SELECT count(*) FROM audit WHERE kind = ?1", [kind], |row| row.get::<i64>(0))?));
    usize::try_from(count.await.expect("reads")).expect("a count")
}

#[test]
fn a_leaver_whose_account_no_list_shows_is_found_by_their_login_and_ended() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(8));
        let person = a_person(&rig, 41);
        let id = seed(&rig, &person);
        rig.world.okta.core().faults.add(Fault::always("GET", LISTS, Kind::hide(&[&person.email])));
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        rig.hire(Person { status: Hired::Inactive, ..person });
        rig.until_okta("they are out", |okta| status(okta, &id) == Some(Status::Deprovisioned)).await;
    });
}

#[test]
fn who_has_no_account_is_asked_for_once_and_told_so_and_an_account_that_appears_later_is_ended() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(8));
        let person = a_person(&rig, 42);
        let id = seed(&rig, &person);
        let fault = |method: &str, path: &str, kind| Fault::always(method, path, kind);
        rig.world.okta.core().faults.add(fault("GET", LISTS, Kind::hide(&[&person.email])));
        let unknown = Kind::refusal(404, "E0000007");
        rig.world.okta.core().faults.add(fault("GET", "/api/v1/users/*", unknown).about(&person.email));
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        rig.hire(Person { status: Hired::Inactive, ..person.clone() });
        rig.until("Okta was asked", async |rig| audited(rig, "searched").await == 1).await;
        rig.quiet().await;
        let remarks = rig.remarks().await;
        assert!(
            remarks.iter().any(|(who, why)| *who == person.id && why.contains("no account in Okta")),
            "it is a state of its own: {remarks:?}"
        );
        let asked = |rig: &Rig| {
            let okta = rig.world.okta.core();
            okta.history().exchanges().iter().filter(|e| e.path.contains(&person.email)).count()
        };
        let before = asked(&rig);
        rig.quiet().await;
        assert_eq!(asked(&rig), before, "nobody is asked for again and again");
        assert_eq!(status(&rig.world.okta.core(), &id), Some(Status::Active));
        // The list is whole again.
        rig.world.okta.core().faults.clear();
        let now = rig.world.clock.now();
        let asked = OperatorRequest::Reconcile;
        rig.store().run(move |c| request(c, "sandbox", &asked, &decider("Ann"), now).map(drop)).await.expect("asks");
        rig.until_okta("they are out", |okta| status(okta, &id) == Some(Status::Deprovisioned)).await;
    });
}

#[test]
fn whose_account_is_not_found_once_is_looked_for_again_and_ended() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let anchor = rig.setup.people[5].id.clone();
        let id = rig.world.okta.core().user_by_anchor(&anchor).expect("an account").id.clone();
        let unknown = || Kind::refusal(404, "E0000007");
        for (method, path) in [("POST", format!("/users/{id}/lifecycle/deactivate")), ("GET", format!("/users/{id}"))] {
            rig.world.okta.core().faults.add(Fault::first(1, method, &path, unknown()));
        }
        rig.edit(5, |p| p.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| status(okta, &id) == Some(Status::Deprovisioned)).await;
    });
}

#[test]
fn an_account_that_is_gone_is_asked_for_twice_and_longer_apart_than_lists_lag() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let person = rig.setup.people[5].clone();
        let id = rig.world.okta.core().user_by_anchor(&person.id).expect("an account").id.clone();
        rig.world.okta.core().delete_by_hand(&person.id);
        let start = rig.world.clock.now();
        rig.edit(5, |p| p.status = Hired::Inactive);
        rig.until("it is proved", async |rig| audited(rig, "searched").await == 1).await;
        assert!(rig.world.clock.now().since(start) >= Duration::from_secs(60), "twice, a minute apart");
        let okta = rig.world.okta.core();
        let asked = okta.history().exchanges().iter().filter(|e| e.method == "GET" && e.path.ends_with(&person.email));
        assert_eq!(asked.count(), 2, "for {id}");
    });
}

#[test]
fn a_list_that_lacks_somebody_at_first_contact_makes_nobody_a_second_account() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(8));
        let hidden = rig.setup.people[5].id.clone();
        let first_walk = Fault::always("GET", "/api/v1/users?limit=200", Kind::hide(&[&hidden]));
        rig.world.okta.core().faults.add(first_walk);
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        assert_eq!(rig.effects(), [""; 0], "the second walk has shown them");
        rig.edit(5, |p| p.status = Hired::Inactive);
        rig.until_okta("they are out", |o| o.user_by_anchor(&hidden).is_some_and(|u| !u.is_live())).await;
    });
}

#[test]
fn a_list_of_an_org_without_anybody_is_not_read_at_first_contact_and_makes_and_ends_nobody() {
    on_a_system(async {
        let setup = Setup::of(8);
        let person = setup.people[4].id.clone();
        let mut rig = Rig::new(setup);
        rig.edit(4, |p| p.status = Hired::Inactive);
        rig.world.okta.core().faults.add(Fault::always("GET", LISTS, Kind::EmptyPage));
        rig.run().await;
        rig.until("it is told", async |rig| {
            let reasons = rig.service().readiness.reasons();
            reasons.get("okta sandbox").is_some_and(|why| why.contains("nobody is on the list"))
        })
        .await;
        assert_eq!(rig.effects(), Vec::<String>::new());
        rig.world.okta.core().faults.clear();
        rig.until_okta("the leaver is out", |okta| {
            okta.user_by_anchor(&person).is_some_and(|user| user.status == Status::Deprovisioned)
        })
        .await;
    });
}

/// Six people on both sides, and two who had left before first contact and whose accounts no list shows.
async fn with_hidden_leavers() -> (Rig, Vec<String>) {
    let mut setup = Setup::of(8);
    setup.in_okta = 6;
    for person in &mut setup.people[6..] {
        person.status = Hired::Inactive;
    }
    let leavers = setup.people[6..].to_vec();
    let mut rig = Rig::new(setup);
    let ids: Vec<String> = leavers.iter().map(|person| seed_long_ago(&rig, person)).collect();
    for person in &leavers {
        rig.world.okta.core().faults.add(Fault::always("GET", LISTS, Kind::hide(&[&person.email])));
    }
    rig.run().await;
    rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    rig.quiet().await;
    assert_eq!(audited(&rig, "searched").await, 0, "the lists were taken to cover them");
    (rig, ids)
}

/// An account that was there long before anything was read.
fn seed_long_ago(rig: &Rig, person: &Person) -> String {
    let profile = json!({ "login": person.email, "email": person.email, "firstName": person.first_name,
        "lastName": person.last_name });
    let then = rig.world.clock.now() - Duration::from_secs(30 * 86_400);
    rig.world.okta.core().seed_user(profile, Status::Active, &[], then)
}

async fn read_again(rig: &Rig) {
    let now = rig.world.clock.now();
    let asked =
        rig.store().run(move |c| request(c, "sandbox", &OperatorRequest::Reconcile, &decider("Ann"), now).map(drop));
    asked.await.expect("asks");
}

async fn are_out(rig: &Rig, ids: &[String]) {
    rig.until_okta("whoever the lists seemed to cover is out", |okta| {
        ids.iter().all(|id| status(okta, id) == Some(Status::Deprovisioned))
    })
    .await;
}

#[test]
fn whom_a_list_seemed_to_cover_is_asked_for_when_a_hire_finds_a_login_that_it_lacked() {
    on_a_system(async {
        let (rig, ids) = with_hidden_leavers().await;
        let person = a_person(&rig, 43);
        rig.world.okta.core().faults.add(Fault::always("GET", LISTS, Kind::hide(&[&person.email])));
        seed_long_ago(&rig, &person);
        rig.hire(person);
        are_out(&rig, &ids).await;
    });
}

#[test]
fn whom_a_list_seemed_to_cover_is_asked_for_when_a_search_finds_somebody_whom_it_lacked() {
    on_a_system(async {
        let (rig, ids) = with_hidden_leavers().await;
        let person = a_person(&rig, 44);
        rig.world.okta.core().faults.add(Fault::always("GET", LISTS, Kind::hide(&[&person.email])));
        seed_long_ago(&rig, &person);
        rig.hire(Person { status: Hired::Inactive, ..person });
        are_out(&rig, &ids).await;
    });
}

#[test]
fn whom_a_list_seemed_to_cover_is_asked_for_when_a_later_list_shows_an_account_that_is_older() {
    on_a_system(async {
        let (rig, ids) = with_hidden_leavers().await;
        // An account that somebody has made since is no evidence.
        seed(&rig, &a_person(&rig, 45));
        read_again(&rig).await;
        rig.until("it is read", async |rig| audited(rig, "reconciled").await == 1).await;
        rig.quiet().await;
        assert_eq!(audited(&rig, "searched").await, 0);
        seed_long_ago(&rig, &a_person(&rig, 46));
        read_again(&rig).await;
        are_out(&rig, &ids).await;
    });
}

#[test]
fn nobody_is_done_without_an_account_whose_login_cannot_be_told() {
    on_a_system(async {
        let mut setup = Setup::of(8);
        setup.rewrite = |text| {
            let login = "[mapping.login]\ncandidates = [\"employee.office_direct_dial == '+1 555 0404' ? employee.offices[7] : employee.email\"]\n";
            text.replace(
                "[[mapping.groups]]\nname = \"everybody\"",
                &format!("{login}\n[[mapping.groups]]\nname = \"everybody\""),
            )
        };
        let rig = Rig::settled(setup).await;
        let person = Person { status: Hired::Inactive, direct_dial: "+1 555 0404".into(), ..a_person(&rig, 47) };
        rig.hire(person.clone());
        rig.until("it is said", async |rig| {
            let reasons = rig
                .pairs("SELECT l.profile, coalesce(w.reason, '') FROM work w JOIN link l ON l.target = w.target")
                .await;
            reasons.iter().any(|(profile, why)| *profile == person.id && why.contains("login"))
        })
        .await;
        rig.until_later("a while", Duration::from_secs(180)).await;
        assert_eq!(audited(&rig, "searched").await, 0, "nothing is proved");
    });
}

#[test]
fn a_leaver_whose_address_okta_takes_for_something_else_stops_nobody() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(8));
        let hidden = a_person(&rig, 48);
        let id = seed(&rig, &hidden);
        rig.world.okta.core().faults.add(Fault::always("GET", LISTS, Kind::hide(&[&hidden.email])));
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let joiner = a_person(&rig, 49);
        for (n, address) in ["me", "..", &id].into_iter().enumerate() {
            let odd = a_person(&rig, 50 + n as u64);
            rig.hire(Person { status: Hired::Inactive, email: address.into(), ..odd });
        }
        rig.hire(Person { status: Hired::Inactive, ..hidden });
        rig.hire(joiner.clone());
        rig.until_okta("they are out, and the other one begins", |okta| {
            status(okta, &id) == Some(Status::Deprovisioned) && okta.user_by_anchor(&joiner.id).is_some()
        })
        .await;
        let okta = rig.world.okta.core();
        let asked: Vec<&str> = okta.history().exchanges().iter().map(|e| e.path.as_str()).collect();
        assert!(!asked.contains(&"/api/v1/users/me"), "that is whoever owns the token");
        assert!(okta.users().all(|user| user.is_live() || user.id == id), "nobody else has left");
    });
}

#[test]
fn a_user_of_a_list_that_cannot_be_read_costs_nobody_else_anything() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(8));
        let spoiled = rig.setup.people[2].id.clone();
        let hidden = a_person(&rig, 53);
        let id = seed_long_ago(&rig, &hidden);
        let field = |key: &str| Kind::Field { key: key.into(), value: serde_json::Value::Null };
        let okta = &rig.world.okta;
        okta.core().faults.add(Fault::always("GET", LISTS, field("profile")).about(&spoiled));
        okta.core().faults.add(Fault::always("GET", LISTS, field("status")).about(&hidden.email));
        let nameless = a_person(&rig, 54);
        seed(&rig, &nameless);
        let number = Kind::Field { key: "id".into(), value: json!(7) };
        okta.core().faults.add(Fault::always("GET", "users?", number).about(&nameless.email));
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        assert_eq!(rig.effects(), [""; 0], "nobody gets a second account");
        rig.edit(5, |p| p.status = Hired::Inactive);
        rig.edit(2, |p| p.status = Hired::Inactive);
        rig.hire(Person { status: Hired::Inactive, ..hidden });
        let gone = [rig.setup.people[5].id.clone(), spoiled];
        rig.until_okta("leavers are out", |okta| {
            gone.iter().all(|one| okta.user_by_anchor(one).is_some_and(|user| !user.is_live()))
                && status(okta, &id) == Some(Status::Deprovisioned)
        })
        .await;
    });
}
