//! Somebody joins: one call, and they are in.

use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Hr, Person};
use namely_okta_sync::sandbox::world::today;
use serde_json::json;
use std::collections::BTreeSet;

fn joiner(rig: &Rig, seed: u64) -> Person {
    let mut hr = Hr::new(seed, today(rig.world.clock.now()));
    let person = hr.joiner(1);
    Person { email: format!("joiner{seed}@example.com"), ..person }
}

#[test]
fn a_new_hire_gets_an_account_in_all_groups_with_one_call() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(20)).await;
        assert_eq!(rig.effects(), Vec::<String>::new(), "both sides agree: nothing is written");
        let person = joiner(&rig, 7);
        rig.hire(person.clone());
        rig.until_okta("the account is there", |okta| okta.user_by_anchor(&person.id).is_some()).await;
        rig.quiet().await;
        assert_eq!(rig.effects(), ["POST /api/v1/users"]);
        let okta = rig.world.okta.core();
        let user = okta.user_by_anchor(&person.id).expect("there");
        assert_eq!(user.status, Status::Provisioned);
        assert_eq!(user.profile["login"], json!(person.email));
        assert_eq!(user.profile["department"], json!(person.department()));
        let department = format!("Department {}", person.department());
        assert_eq!(okta.groups_of(&user.id), BTreeSet::from(["All Employees".to_owned(), department]));
    });
}

#[test]
fn a_group_that_is_missing_is_created_once_for_all_who_need_it() {
    on_a_system(async {
        let mut setup = Setup::of(30);
        setup.in_okta = 0;
        setup.rewrite = |text| text.replace("'Department '", "'Dept of '").replace("\"Department *\"", "\"Dept of *\"");
        let rig = Rig::settled(setup).await;
        rig.until_okta("everybody is there", |okta| okta.users().count() == 31).await;
        rig.quiet().await;
        let departments: BTreeSet<&str> = rig.setup.people.iter().map(Person::department).collect();
        let created = rig.effects().iter().filter(|e| *e == "POST /api/v1/groups").count();
        assert_eq!(created, departments.len());
        let okta = rig.world.okta.core();
        for person in &rig.setup.people {
            let user = okta.user_by_anchor(&person.id).expect("there");
            assert!(okta.groups_of(&user.id).contains(&format!("Dept of {}", person.department())));
        }
        drop(okta);
        assert_eq!(rig.effects().iter().filter(|e| *e == "POST /api/v1/users").count(), 30);
    });
}

#[test]
fn nobody_is_created_before_namely_was_read_completely_once() {
    on_a_system(async {
        let mut setup = Setup::of(120);
        setup.in_okta = 100;
        let mut rig = Rig::new(setup);
        rig.world.namely.core().faults.add(Fault::some(1.0, "GET", "?page=2&", Kind::CutPage(10)));
        rig.run().await;
        rig.until("walks end incomplete", async |rig| {
            rig.service().readiness.reasons().get("walk sandbox").is_some_and(|why| why.contains("the pages showed"))
        })
        .await;
        assert_eq!(rig.effects(), Vec::<String>::new());
        assert!(rig.backlog().await > 0, "they are known and wait");
        rig.world.namely.core().faults.clear();
        rig.until_okta("everybody is there", |okta| okta.users().count() == 121).await;
    });
}

#[test]
fn at_first_contact_an_account_that_is_already_there_is_adopted_by_its_login() {
    on_a_system(async {
        let mut setup = Setup::of(3);
        setup.in_okta = 2;
        let mut rig = Rig::new(setup);
        let person = rig.setup.people[2].clone();
        let profile = json!({ "login": person.email.to_uppercase(), "email": person.email, "firstName": "Old", "lastName": "Name" });
        let id = rig.world.okta.core().seed_user(profile, Status::Active, &[], rig.world.clock.now());
        rig.run().await;
        rig.until_okta("the account carries the anchor", |okta| {
            okta.user_by_anchor(&person.id).is_some_and(|u| u.id == id)
        })
        .await;
        rig.quiet().await;
        assert!(!rig.effects().contains(&"POST /api/v1/users".to_owned()), "nobody is created twice");
    });
}

#[test]
fn an_account_of_somebody_else_is_never_guessed_about() {
    on_a_system(async {
        let mut setup = Setup::of(3);
        setup.in_okta = 2;
        let mut rig = Rig::new(setup);
        let person = rig.setup.people[2].clone();
        let profile = json!({ "login": person.email, "email": person.email, "firstName": "A", "lastName": "B", "namelyId": "another" });
        rig.world.okta.core().seed_user(profile, Status::Active, &[], rig.world.clock.now());
        rig.run().await;
        rig.until("it is quarantined", async |rig| !rig.quarantined().await.is_empty()).await;
        let quarantined = rig.quarantined().await;
        assert_eq!(quarantined[0].0, person.id);
        assert!(quarantined[0].1.contains("another"), "{quarantined:?}");
        assert_eq!(rig.effects(), Vec::<String>::new());
    });
}

#[test]
fn a_login_that_somebody_has_taken_meanwhile_is_looked_at_once_and_asked_about() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(2)).await;
        let person = joiner(&rig, 9);
        // Somebody makes the account by hand after priming: the service cannot know.
        let profile = json!({ "login": person.email, "email": person.email, "firstName": "By", "lastName": "Hand" });
        let id = rig.world.okta.core().seed_user(profile.clone(), Status::Active, &[], rig.world.clock.now());
        rig.hire(person.clone());
        rig.until("it is asked about", async |rig| {
            rig.quarantined().await.iter().any(|(p, why)| *p == person.id && why.contains("names differ"))
        })
        .await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        let posts = okta.history().exchanges().iter().filter(|e| e.method == "POST" && e.path == "/api/v1/users");
        assert_eq!(posts.count(), 1, "one attempt, then a look");
        let theirs = okta.users().find(|u| u.id == id).expect("there");
        assert_eq!(theirs.profile.get("firstName"), profile.get("firstName"), "the account is as it was");
        assert!(okta.user_by_anchor(&person.id).is_none());
    });
}

#[test]
fn a_group_whose_name_is_the_same_to_okta_in_another_case_is_taken_and_not_made_again() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(12));
        let person = joiner(&rig, 11);
        let (wanted, alike) = (person.department().to_owned(), person.department().to_uppercase());
        {
            let mut okta = rig.world.okta.core();
            let names = okta.group_names();
            let id =
                names.iter().find(|(_, name)| **name == format!("Department {wanted}")).expect("a group").0.clone();
            okta.rename_group(&id, &format!("Department {alike}"));
        }
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        rig.hire(person.clone());
        rig.until_okta("the joiner is in it", |okta| {
            let user = okta.user_by_anchor(&person.id);
            user.is_some_and(|user| okta.groups_of(&user.id).contains(&format!("Department {alike}")))
        })
        .await;
        rig.quiet().await;
        assert_eq!(rig.effects(), ["POST /api/v1/users"], "no group is made, nobody else is moved");
        assert_eq!(rig.quarantined().await, []);
    });
}
