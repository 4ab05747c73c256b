//! What people wait for who cannot go on, and that they go on when it is there: a group, an app, a login that somebody else has.

use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Hr, Person, Status as Hired};
use namely_okta_sync::sandbox::world::today;
use namely_okta_sync::store::retry;
use std::time::Duration;

const NIGHT: &str = "+1 555 0707";

/// Whoever has this number works at night.
fn at_night() -> Setup {
    let mut setup = Setup::of(8);
    setup.rewrite = |text| {
        text + "\n[[mapping.groups]]\nname = \"night\"\nwhen = \"employee.office_direct_dial == '+1 555 0707'\"\n\
                groups = [\"Night Shift\"]\n"
    };
    setup
}

fn a_person(rig: &Rig, seed: u64) -> Person {
    let mut person = Hr::new(seed, today(rig.world.clock.now())).joiner(1);
    person.email = format!("joiner{seed}@example.com");
    person.direct_dial = NIGHT.into();
    person
}

fn is_in(okta: &Okta, person: &Person, group: &str) -> bool {
    okta.user_by_anchor(&person.id).is_some_and(|user| okta.groups_of(&user.id).contains(group))
}

#[test]
fn a_group_that_is_not_there_costs_the_group_and_is_given_within_a_minute_of_its_making() {
    on_a_system(async {
        let rig = Rig::settled(at_night()).await;
        let person = a_person(&rig, 51);
        rig.hire(person.clone());
        rig.until_okta("they have an account", |okta| {
            okta.user_by_anchor(&person.id).is_some_and(|user| user.status != Status::Staged)
        })
        .await;
        rig.until("it is said what they wait for", async |rig| {
            rig.quarantined().await.iter().any(|(p, why)| *p == person.id && why.contains("no group \"Night Shift\""))
        })
        .await;
        rig.world.okta.core().seed_group("Night Shift", "OKTA_GROUP", rig.world.clock.now());
        rig.until_okta("they are in it", |okta| is_in(okta, &person, "Night Shift")).await;
        rig.until("nobody waits", async |rig| rig.quarantined().await.is_empty()).await;
    });
}

#[test]
fn people_who_swap_addresses_end_with_the_login_of_the_other_and_so_does_a_ring_of_three() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let email = |n: usize| rig.setup.people[n].email.clone();
        let ring = [(2, email(3)), (3, email(2)), (5, email(6)), (6, email(7)), (7, email(5))];
        for (n, wanted) in &ring {
            rig.edit(*n, |person| person.email = wanted.clone());
        }
        let login = |okta: &Okta, n: usize| {
            let user = okta.user_by_anchor(&rig.setup.people[n].id).expect("an account");
            user.profile["login"].as_str().unwrap_or_default().to_owned()
        };
        rig.until_okta("everybody has theirs", |okta| ring.iter().all(|(n, wanted)| login(okta, *n) == *wanted)).await;
        rig.until("nobody waits", async |rig| rig.quarantined().await.is_empty()).await;
        rig.quiet().await;
    });
}

#[test]
fn a_rehire_and_a_colleague_who_swap_addresses_end_with_the_login_of_the_other() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let email = |n: usize| rig.setup.people[n].email.clone();
        let is = |okta: &Okta, n: usize, login: &str| {
            let user = okta.user_by_anchor(&rig.setup.people[n].id).expect("an account");
            user.profile["login"].as_str() == Some(login)
        };
        rig.edit(3, |p| p.status = Hired::Inactive);
        let id = rig.setup.people[3].id.clone();
        let status = |okta: &Okta| okta.user_by_anchor(&id).expect("an account").status;
        rig.until_okta("they have left", |okta| status(okta) == Status::Deprovisioned).await;
        rig.quiet().await;
        rig.edit(2, |person| person.email = email(3));
        rig.until("the colleague waits for the login", async |rig| !rig.quarantined().await.is_empty()).await;
        rig.edit(3, |person| {
            person.status = Hired::Active;
            person.email = email(2);
        });
        rig.until_okta("both have theirs", |okta| is(okta, 2, &email(3)) && is(okta, 3, &email(2))).await;
        assert_ne!(status(&rig.world.okta.core()), Status::Deprovisioned);
        rig.until("nobody waits", async |rig| rig.quarantined().await.is_empty()).await;
    });
}

#[test]
fn a_ring_of_logins_that_closes_after_the_first_of_it_waits_is_done_too() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let email = |n: usize| rig.setup.people[n].email.clone();
        rig.edit(2, |person| person.email = email(3));
        rig.until("they wait for the login", async |rig| !rig.quarantined().await.is_empty()).await;
        rig.edit(3, |person| person.email = email(2));
        let login = |okta: &Okta, n: usize| {
            let user = okta.user_by_anchor(&rig.setup.people[n].id).expect("an account");
            user.profile["login"].as_str().unwrap_or_default().to_owned()
        };
        rig.until_okta("both have theirs", |okta| login(okta, 2) == email(3) && login(okta, 3) == email(2)).await;
        rig.until("nobody waits", async |rig| rig.quarantined().await.is_empty()).await;
    });
}

#[test]
fn who_has_a_temporary_login_gets_theirs_back_when_okta_refuses_the_other_one() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let email = |n: usize| rig.setup.people[n].email.clone();
        let user = |okta: &Okta, n: usize| okta.user_by_anchor(&rig.setup.people[n].id).expect("an account").clone();
        let login = |okta: &Okta, n: usize| user(okta, n).profile["login"].as_str().unwrap_or_default().to_owned();
        let other = format!("/api/v1/users/{}", user(&rig.world.okta.core(), 3).id);
        rig.world.okta.core().faults.add(Fault::always("POST", &other, Kind::refusal(400, "E0000001")));
        rig.edit(2, |person| person.email = email(3));
        rig.edit(3, |person| person.email = email(2));
        rig.until("Okta has refused the other one", async |rig| {
            let id = &rig.setup.people[3].id;
            rig.quarantined().await.iter().any(|(person, _)| person == id)
        })
        .await;
        rig.until_okta("theirs is back", |okta| login(okta, 2) == email(2)).await;
        rig.quiet().await;
        assert_eq!(login(&rig.world.okta.core(), 2), email(2), "and stays");
        assert_eq!(
            user(&rig.world.okta.core(), 2).profile["email"],
            email(2),
            "what is mailed for it goes where it went"
        );
        rig.world.okta.core().faults.clear();
        let now = rig.world.clock.now();
        let again = rig.store().run(move |c| retry(c, None, &decider("Ann"), now));
        again.await.expect("asks");
        rig.until_okta("both have theirs", |okta| login(okta, 2) == email(3) && login(okta, 3) == email(2)).await;
    });
}

#[test]
fn in_a_ring_of_three_of_which_okta_refuses_one_nobody_keeps_a_temporary_login() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let email = |n: usize| rig.setup.people[n].email.clone();
        let user = |okta: &Okta, n: usize| okta.user_by_anchor(&rig.setup.people[n].id).expect("an account").clone();
        let ring = [(2, email(3)), (3, email(4)), (4, email(2))];
        let refused = format!("/api/v1/users/{}", user(&rig.world.okta.core(), 4).id);
        rig.world.okta.core().faults.add(Fault::always("POST", &refused, Kind::refusal(400, "E0000001")));
        for (n, wanted) in &ring {
            rig.edit(*n, |person| person.email = wanted.clone());
        }
        rig.until("all of them wait", async |rig| rig.quarantined().await.len() == ring.len()).await;
        let as_before = |okta: &Okta| ring.iter().all(|(n, _)| user(okta, *n).profile["login"] == email(*n));
        rig.until_okta("each has theirs of before", as_before).await;
        rig.quiet().await;
        assert!(as_before(&rig.world.okta.core()), "and keeps it");
    });
}

#[test]
fn who_needs_a_login_gets_it_as_soon_as_its_holder_has_another_one() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let held = rig.setup.people[4].email.clone();
        rig.edit(5, |person| person.email = held.clone());
        rig.until("it is said who has it", async |rig| {
            rig.quarantined().await.iter().any(|(_, why)| why.contains("no login is free"))
        })
        .await;
        rig.edit(4, |person| person.email = "moved.away@example.com".into());
        rig.until_okta("they have it", |okta| {
            let user = okta.user_by_anchor(&rig.setup.people[5].id).expect("an account");
            user.profile["login"].as_str() == Some(held.as_str())
        })
        .await;
        rig.until("nobody waits", async |rig| rig.quarantined().await.is_empty()).await;
    });
}

#[test]
fn a_hire_into_a_group_that_okta_does_not_know_any_more_is_tried_ever_more_rarely() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        rig.world.okta.core().faults.add(Fault::always("POST", "/api/v1/users?", Kind::refusal(404, "E0000007")));
        let person = Person { direct_dial: String::new(), ..a_person(&rig, 53) };
        rig.hire(person.clone());
        rig.until_later("three minutes", Duration::from_secs(180)).await;
        let creates = {
            let okta = rig.world.okta.core();
            let made = okta.history().exchanges().iter().filter(|e| e.method == "POST" && e.path == "/api/v1/users");
            made.count()
        };
        assert!((1..=10).contains(&creates), "{creates} creates in three minutes");
        rig.world.okta.core().faults.clear();
        rig.until_okta("it heals", |okta| okta.user_by_anchor(&person.id).is_some()).await;
    });
}
