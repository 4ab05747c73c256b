//! Nobody gets another person's account, and nobody who has left keeps theirs, by what a second profile says.

use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Person, Status as Hired};
use namely_okta_sync::sandbox::world::today;
use serde_json::json;

/// The id of the `n`th second profile.
fn second(n: usize) -> String {
    format!("7d000000-0000-4000-8000-00000000000{n}")
}

async fn waits(rig: &Rig, profile: &str, words: &str) {
    rig.until(&format!("{profile} waits because {words:?}"), async |rig| {
        rig.quarantined().await.iter().any(|(found, why)| found == profile && why.contains(words))
    })
    .await;
}

/// The id of the account that carries an anchor.
fn account(rig: &Rig, anchor: &str) -> String {
    rig.world.okta.core().user_by_anchor(anchor).expect("an account").id.clone()
}

fn status(rig: &Rig, id: &str) -> Status {
    let mut okta = rig.world.okta.core();
    okta.settle(rig.world.clock.now());
    okta.users().find(|user| user.id == id).map(|user| user.status).expect("there")
}

async fn is_out(rig: &Rig, id: &str) {
    rig.until("the leaver is out", async |rig| status(rig, id) == Status::Deprovisioned).await;
}

#[test]
fn a_profile_without_a_name_gets_nobody_s_account_by_their_address() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let nameless = |n: usize, first_name: &str, last_name: &str| Person {
            id: second(n),
            first_name: first_name.into(),
            last_name: last_name.into(),
            preferred_name: String::new(),
            manager: None,
            ..rig.setup.people[n].clone()
        };
        let last_name = rig.setup.people[5].last_name.clone();
        let hired = [nameless(4, "", ""), nameless(5, "", &last_name)];
        let accounts = [4, 5].map(|n: usize| account(&rig, &rig.setup.people[n].id));
        for n in [4, 5] {
            rig.edit(n, |p| p.status = Hired::Inactive);
        }
        for id in &accounts {
            is_out(&rig, id).await;
        }
        rig.quiet().await;
        for person in &hired {
            rig.hire(person.clone());
            waits(&rig, &person.id, "is not known").await;
        }
        for (place, person) in hired.iter().enumerate() {
            // Once the name is there, it is another one.
            rig.edit(8 + place, |p| (p.first_name, p.last_name) = ("Eve".into(), "Other".into()));
            waits(&rig, &person.id, "").await;
        }
        rig.quiet().await;
        for (n, id) in [4, 5].into_iter().zip(&accounts) {
            assert_eq!(status(&rig, id), Status::Deprovisioned, "nobody comes back to life by it");
            assert_eq!(account(&rig, &rig.setup.people[n].id), *id, "nor is the account another person's");
        }
    });
}

#[test]
fn whoever_leaves_while_it_is_asked_whether_a_second_profile_is_them_is_out_until_somebody_has_decided() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let today = today(rig.world.clock.now());
        let day = |text: &str| text.parse().expect("a date");
        let seconds = [
            (3, Hired::Active, day("2026-01-05")),
            (4, Hired::Pending, day("2024-03-01")),
            (5, Hired::Pending, today.yesterday().expect("a day")),
        ];
        for (n, status, start_date) in seconds {
            let first = rig.setup.people[n].clone();
            rig.hire(Person { id: second(n), status, start_date, manager: None, ..first });
            waits(&rig, &second(n), "active there too").await;
        }
        let accounts = [3, 4, 5].map(|n: usize| account(&rig, &rig.setup.people[n].id));
        for n in [3, 4, 5] {
            rig.edit(n, |p| p.status = Hired::Inactive);
        }
        for id in &accounts {
            is_out(&rig, id).await;
        }
        rig.quiet().await;
        // A third one is no way around the question.
        let third = Person { id: second(9), manager: None, ..rig.setup.people[3].clone() };
        rig.hire(Person { status: Hired::Active, ..third });
        waits(&rig, &second(9), "review").await;
        rig.quiet().await;
        for n in [3, 4, 5] {
            let phone = "+1 555 0666".to_owned();
            rig.edit(n + 5, |p| p.direct_dial = phone);
        }
        rig.quiet().await;
        for (n, id) in [3, 4, 5].into_iter().zip(&accounts) {
            waits(&rig, &second(n), "stays a question").await;
            assert_eq!(status(&rig, id), Status::Deprovisioned, "{n}: leaving is no answer");
            let okta = rig.world.okta.core();
            let user = okta.users().find(|user| user.id == *id).expect("there");
            assert_eq!(user.profile["namelyId"], json!(rig.setup.people[n].id), "{n}: nobody joins them");
            assert!(okta.user_by_anchor(&second(n)).is_none(), "{n}: nor gets an account of their own");
        }
    });
}

#[test]
fn whoever_has_left_comes_back_by_a_new_start_or_by_being_active_and_not_by_an_old_date() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        // The day where the company is: shortly after midnight UTC it is the one before.
        let zone = jiff::tz::TimeZone::get("America/New_York").expect("a zone");
        let today = zone.to_datetime(rig.world.clock.now().timestamp()).date();
        let [alone, joined, rehired] = [3, 4, 5].map(|n: usize| account(&rig, &rig.setup.people[n].id));
        for n in [3, 4, 5] {
            rig.edit(n, |p| p.status = Hired::Inactive);
        }
        for id in [&alone, &joined, &rehired] {
            is_out(&rig, id).await;
        }
        rig.quiet().await;
        let long_ago = "2024-03-01".parse().expect("a date");
        rig.edit(3, |p| (p.status, p.start_date) = (Hired::Pending, long_ago));
        let first = rig.setup.people[4].clone();
        let old = Person { id: second(4), status: Hired::Pending, start_date: long_ago, manager: None, ..first };
        rig.hire(old);
        rig.edit(5, |p| (p.status, p.start_date) = (Hired::Pending, today));
        rig.until("the rehire is back", async |rig| status(rig, &rehired) != Status::Deprovisioned).await;
        rig.quiet().await;
        assert_eq!(status(&rig, &alone), Status::Deprovisioned, "an old date is no return");
        assert_eq!(status(&rig, &joined), Status::Deprovisioned, "of a second profile neither");
        rig.edit(3, |p| p.status = Hired::Active);
        rig.until("whoever is active is back", async |rig| status(rig, &alone) != Status::Deprovisioned).await;
    });
}

#[test]
fn an_account_that_somebody_else_deactivates_within_the_grace_is_not_woken_when_hr_takes_the_end_back() {
    on_a_system(async {
        let mut setup = Setup::of(6);
        setup.rewrite = |text| text.replace("[leave]", "[termination]\ngrace = \"14d\"\n\n[leave]");
        let rig = Rig::settled(setup).await;
        let person = rig.setup.people[3].id.clone();
        let id = account(&rig, &person);
        rig.edit(3, |p| p.status = Hired::Inactive);
        rig.until("they are suspended", async |rig| status(rig, &id) == Status::Suspended).await;
        rig.quiet().await;
        rig.world.okta.core().seed_status(&person, Status::Deprovisioned);
        rig.edit(3, |p| p.status = Hired::Active);
        waits(&rig, &person, "somebody else has deactivated").await;
        rig.quiet().await;
        assert_eq!(status(&rig, &id), Status::Deprovisioned);
    });
}

#[test]
fn whoever_has_left_is_ended_at_the_first_start_whatever_else_of_their_profile_cannot_be_read() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(12));
        let kinds = [
            ("links", Some(json!({ "groups": [{ "id": "brand-new", "name": "Brand new" }] }))),
            ("start_date", Some(json!("31/10/2026"))),
            ("reports_to", Some(json!(7))),
            ("office_phone", Some(json!(["+1 555 0100"]))),
            ("employee_type", None),
            ("email", Some(json!(42))),
            ("departure_date", Some(json!("next week"))),
        ];
        for (n, (key, value)) in kinds.iter().enumerate() {
            rig.edit(n + 3, |p| {
                p.status = Hired::Inactive;
                p.raw.insert((*key).to_owned(), value.clone());
            });
        }
        rig.run().await;
        for (n, (key, _)) in kinds.iter().enumerate() {
            let id = account(&rig, &rig.setup.people[n + 3].id);
            rig.until(&format!("{key}: they are out"), async |rig| status(rig, &id) == Status::Deprovisioned).await;
        }
        let why = rig.pairs("SELECT profile, why FROM unreadable").await;
        assert_eq!(why.len(), kinds.len());
        assert!(why.iter().all(|(_, why)| why.contains("access ends all the same")), "{why:?}");
    });
}

#[test]
fn an_address_that_would_protect_its_account_is_not_written_and_the_leaver_ends_as_ever() {
    on_a_system(async {
        let mut setup = Setup::of(8);
        setup.rewrite = |text| text + "\n[protected]\nlogins = [\"svc-*\"]\n";
        let rig = Rig::settled(setup).await;
        let person = rig.setup.people[4].clone();
        let id = account(&rig, &person.id);
        rig.edit(4, |p| (p.email, p.direct_dial) = ("SVC-backup@example.com".into(), "+1 555 0444".into()));
        waits(&rig, &person.id, "beyond every plan").await;
        {
            let okta = rig.world.okta.core();
            let profile = &okta.users().find(|user| user.id == id).expect("there").profile;
            assert_eq!(profile["login"], json!(person.email), "nobody becomes protected by what Namely says");
            assert_eq!(profile["primaryPhone"], json!("+1 555 0444"), "everything else goes on");
        }
        rig.edit(4, |p| p.status = Hired::Inactive);
        is_out(&rig, &id).await;
    });
}

fn seed(rig: &Rig, person: &Person, login: &str, anchor: Option<String>) -> String {
    let profile = json!({ "login": login, "email": login, "firstName": person.first_name, "lastName": person.last_name,
        "namelyId": anchor });
    rig.world.okta.core().seed_user(profile, Status::Active, &[], rig.world.clock.now())
}

#[test]
fn an_anchor_in_capitals_or_between_blanks_is_the_same_anchor() {
    on_a_system(async {
        let mut setup = Setup::of(8);
        setup.in_okta = 5;
        let mut rig = Rig::new(setup);
        let people = rig.setup.people[5..].to_vec();
        let written = [people[0].id.to_uppercase(), format!(" {}", people[1].id), people[2].id.to_uppercase()];
        let ids: Vec<String> = people
            .iter()
            .zip(written)
            .enumerate()
            .map(|(n, (person, anchor))| seed(&rig, person, &format!("import{n}@example.com"), Some(anchor)))
            .collect();
        rig.edit(7, |p| p.status = Hired::Inactive);
        rig.run().await;
        is_out(&rig, &ids[2]).await;
        rig.edit(6, |p| p.status = Hired::Inactive);
        is_out(&rig, &ids[1]).await;
        rig.quiet().await;
        assert!(!rig.effects().contains(&"POST /api/v1/users".to_owned()), "nobody is made twice");
    });
}

#[test]
fn an_account_under_an_address_of_before_is_found_and_an_answer_about_somebody_else_is_asked_for_again() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let start_date = "2099-06-01".parse().expect("a date");
        let hired = |n: usize| Person {
            id: second(n),
            first_name: format!("Late{n}"),
            email: format!("late.{n}@example.com"),
            employee_id: format!("9900{n}"),
            status: Hired::Pending,
            start_date,
            manager: None,
            ..rig.setup.people[n].clone()
        };
        let late = [hired(1), hired(2), hired(3)];
        for person in &late {
            rig.hire(person.clone());
        }
        rig.quiet().await;
        let ids: Vec<String> = late.iter().map(|person| seed(&rig, person, &person.email, None)).collect();
        // Of the third one no search knows, and the first answer is about somebody else.
        let core = || rig.world.okta.core();
        core().faults.add(Fault::always("GET", "/api/v1/users?", Kind::hide(&[&late[2].email])));
        let another = Kind::AboutAnother(rig.setup.people[0].email.clone());
        core().faults.add(Fault::first(1, "GET", &format!("/api/v1/users/{}", late[2].email), another));
        rig.edit(8, |p| (p.email, p.status) = ("one.late@example.com".into(), Hired::Inactive));
        rig.edit(9, |p| p.email = "two.late@example.com".into());
        rig.quiet().await;
        rig.edit(9, |p| p.status = Hired::Inactive);
        rig.edit(10, |p| p.status = Hired::Inactive);
        for id in &ids {
            is_out(&rig, id).await;
        }
    });
}

/// A group with a role that no rule names, and an account in it that is nobody's.
fn seed_boss(rig: &Rig) -> (String, Person) {
    let boss = Person {
        id: second(7),
        first_name: "Ida".into(),
        last_name: "Boss".into(),
        preferred_name: String::new(),
        email: "it.boss@example.com".into(),
        employee_id: "99007".into(),
        manager: None,
        ..rig.setup.people[4].clone()
    };
    let id = seed(rig, &boss, &boss.email, None);
    let mut okta = rig.world.okta.core();
    let group = okta.seed_group("IT Admins", "OKTA_GROUP", rig.world.clock.now());
    okta.seed_role(&group, "SUPER_ADMIN");
    okta.seed_member(&group, &id);
    let member = okta.user_by_anchor(&rig.setup.people[5].id).expect("an account").id.clone();
    okta.seed_member(&group, &member);
    for n in [0, 1, 2, 3] {
        okta.seed_administrator(&rig.setup.people[n].id);
    }
    drop(okta);
    (id, boss)
}

#[test]
fn who_is_an_administrator_by_a_group_that_no_rule_names_is_suspended_when_they_leave_and_taken_over_by_nobody() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(8));
        let (id, boss) = seed_boss(&rig);
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        rig.until("who is in the group is known", async |rig| {
            let known = rig.store().run(|c| namely_okta_sync::store::directory(c, "sandbox")).await.expect("reads");
            known.is_some_and(|directory| directory.administrators().by_group.len() == 2)
        })
        .await;
        let member = account(&rig, &rig.setup.people[5].id);
        rig.edit(5, |p| p.status = Hired::Inactive);
        rig.until("they are suspended", async |rig| status(rig, &member) == Status::Suspended).await;
        rig.hire(boss.clone());
        waits(&rig, &boss.id, "administrator").await;
        rig.quiet().await;
        assert_eq!(status(&rig, &member), Status::Suspended, "what cannot be undone waits for two people");
        let okta = rig.world.okta.core();
        let user = okta.users().find(|user| user.id == id).expect("there");
        assert_eq!((user.status, user.profile.get("namelyId").is_some_and(|v| !v.is_null())), (Status::Active, false));
    });
}

#[test]
fn an_account_that_a_rule_gives_a_leaver_is_asked_about_roles_first_and_an_administrator_s_waits_for_two_people() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(8));
        let (id, boss) = seed_boss(&rig);
        // Roles of groups cannot be read; those of one person can.
        rig.world.okta.core().faults.add(Fault::denied("GET", "/api/v1/groups/*/roles"));
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.backlog().await == 0).await;
        rig.quiet().await;
        rig.hire(Person { status: Hired::Inactive, ..boss.clone() });
        rig.until("two people are asked", async |rig| {
            let held = rig.pairs("SELECT scope, CAST(needs AS TEXT) FROM hold").await;
            held.iter().any(|(scope, needs)| scope.contains("administrator") && needs == "2")
        })
        .await;
        rig.quiet().await;
        assert_eq!(status(&rig, &id), Status::Active);
    });
}
