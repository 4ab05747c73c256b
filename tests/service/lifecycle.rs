//! Every path of a life at work: before the first day, leave and return, coming back, changing sides, new names.

use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::clock::{Clock, Moment};
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::{Status, User};
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Hr, Person, Status as Hired};
use namely_okta_sync::sandbox::world::{population, today};
use serde_json::json;
use std::time::Duration;

fn status(okta: &Okta, anchor: &str) -> Option<Status> {
    okta.user_by_anchor(anchor).map(|user| user.status)
}

fn user<'a>(okta: &'a Okta, anchor: &str) -> &'a User {
    okta.user_by_anchor(anchor).expect("an account")
}

/// A world of `n` people in whom it is now some seconds before `moment`, UTC.
fn shortly_before(moment: &str, seconds: u64, n: usize) -> (Setup, Moment) {
    let moment = Moment::from(moment.parse::<jiff::Timestamp>().expect("a time"));
    let mut setup = Setup::of(n);
    setup.clock = Clock::scaled(moment - Duration::from_secs(seconds), 20.0);
    setup.people = population(n, 1, setup.clock.now());
    (setup, moment)
}

fn joiner(rig: &Rig, seed: u64, change: impl FnOnce(&mut Person)) -> Person {
    let mut person = Hr::new(seed, today(rig.world.clock.now())).joiner(1);
    person.email = format!("joiner{seed}@example.com");
    change(&mut person);
    rig.hire(person.clone());
    person
}

/// Calls that changed something for one account, as `METHOD last/parts`, in order.
fn effects_on(rig: &Rig, anchor: &str) -> Vec<String> {
    let okta = rig.world.okta.core();
    let id = user(&okta, anchor).id.clone();
    let about = |e: &&namely_okta_sync::sandbox::history::Exchange| e.applied && e.user.as_ref() == Some(&id);
    let applied = okta.history().exchanges().iter().filter(about);
    applied.map(|e| format!("{} {}", e.method, e.path.trim_start_matches("/api/v1/").replace(&id, "U"))).collect()
}

#[test]
fn a_hire_is_staged_before_the_start_and_activated_at_the_hour_where_they_are() {
    on_a_system(async {
        // Lisbon is an hour ahead of UTC in May: seven o'clock there is six.
        let (mut setup, moment) = shortly_before("2026-05-04T06:00:00Z", 120, 10);
        setup.rewrite = |text| {
            let zones = "[onboarding]\nactivate_at = \"07:00\"\n\n[mapping]\ntime_zone = \"employee.office == 'Lisbon' ? 'Europe/Lisbon' : ''\"\n\n[leave]";
            text.replace("[leave]", zones)
        };
        let rig = Rig::settled(setup).await;
        let start = "2026-05-04".parse().expect("a date");
        let lisbon = joiner(&rig, 7, |p| (p.status, p.start_date, p.office) = (Hired::Pending, start, 1));
        let elsewhere = joiner(&rig, 8, |p| (p.status, p.start_date, p.office) = (Hired::Pending, start, 0));
        rig.until_okta("both are staged", |okta| {
            [&lisbon, &elsewhere].iter().all(|p| status(okta, &p.id) == Some(Status::Staged))
        })
        .await;
        assert!(rig.world.clock.now() < moment, "the machine was too slow for this test");
        let department = format!("Department {}", lisbon.department());
        {
            let okta = rig.world.okta.core();
            assert!(okta.groups_of(&user(&okta, &lisbon.id).id).contains(&department), "with their groups");
        }
        rig.until_okta("Lisbon is activated", |okta| status(okta, &lisbon.id) == Some(Status::Provisioned)).await;
        let okta = rig.world.okta.core();
        let activated = okta.history().exchanges().iter().find(|e| e.path.ends_with("/activate")).expect("a call");
        assert!(activated.arrived >= moment, "{} is before {moment}", activated.arrived);
        assert_eq!(status(&okta, &elsewhere.id), Some(Status::Staged), "New York still sleeps");
    });
}

#[test]
fn a_hire_who_starts_too_late_has_no_account_and_one_whose_start_moves_waits_longer() {
    on_a_system(async {
        let (setup, moment) = shortly_before("2026-05-04T04:00:00Z", 200, 6);
        let rig = Rig::settled(setup).await;
        let day = |text: &str| text.parse().expect("a date");
        let far = joiner(&rig, 7, |p| (p.status, p.start_date) = (Hired::Pending, day("2026-06-15")));
        let moved = joiner(&rig, 8, |p| (p.status, p.start_date) = (Hired::Pending, day("2026-05-04")));
        rig.until_okta("one is staged", |okta| status(okta, &moved.id) == Some(Status::Staged)).await;
        let index = rig.world.namely.core().people().position(|p| p.id == moved.id).expect("there");
        rig.edit(index, |p| p.start_date = day("2026-05-08"));
        rig.quiet().await;
        rig.until("the first start has passed", async |rig| rig.world.clock.now() > moment + Duration::from_secs(30))
            .await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        assert_eq!(status(&okta, &moved.id), Some(Status::Staged), "not activated on the day it was moved from");
        assert!(okta.user_by_anchor(&far.id).is_none());
    });
}

#[test]
fn nobody_who_is_active_is_touched_by_a_start_in_the_future_or_a_status_that_turns_pending() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let future = today(rig.world.clock.now()).checked_add(jiff::Span::new().days(30)).expect("a date");
        rig.edit(3, |p| p.start_date = future);
        rig.edit(4, |p| (p.status, p.start_date) = (Hired::Pending, future));
        rig.edit(5, |p| p.status = Hired::Pending);
        rig.quiet().await;
        assert_eq!(rig.effects(), Vec::<String>::new());
        let remarks = rig.remarks().await;
        for (n, word) in [(3, "starts later"), (4, "is pending"), (5, "is pending")] {
            let id = &rig.setup.people[n].id;
            assert!(remarks.iter().any(|(p, remark)| p == id && remark.contains(word)), "{n}: {remarks:?}");
        }
        // What changes about them meanwhile still follows, where HR says that they are active.
        rig.edit(3, |p| p.direct_dial = "+1 555 333".into());
        let id = rig.setup.people[3].id.clone();
        rig.until_okta("the phone follows", |okta| user(okta, &id).profile["primaryPhone"] == json!("+1 555 333"))
            .await;
    });
}

#[test]
fn leave_suspends_and_keeps_everything_and_the_return_brings_the_person_up_to_date() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(10)).await;
        let person = rig.setup.people[4].clone();
        let groups = |okta: &Okta| okta.groups_of(&user(okta, &person.id).id);
        let before = groups(&rig.world.okta.core());
        rig.edit(4, |p| p.on_leave = true);
        rig.until_okta("they are suspended", |okta| status(okta, &person.id) == Some(Status::Suspended)).await;
        rig.quiet().await;
        assert_eq!(groups(&rig.world.okta.core()), before);
        // Their department changes: updated without waking the account.
        let department = (person.department + 1) % DEPARTMENTS.len();
        rig.edit(4, |p| p.department = department);
        rig.until_okta("the department follows", |okta| {
            user(okta, &person.id).profile["department"] == json!(DEPARTMENTS[department])
        })
        .await;
        rig.quiet().await;
        assert_eq!(status(&rig.world.okta.core(), &person.id), Some(Status::Suspended));
        rig.edit(4, |p| p.on_leave = false);
        rig.until_okta("they are back", |okta| status(okta, &person.id) == Some(Status::Active)).await;
        rig.quiet().await;
        let effects = effects_on(&rig, &person.id);
        assert_eq!(effects.iter().filter(|e| e.contains("lifecycle")).count(), 2, "{effects:?}");
        assert!(groups(&rig.world.okta.core()).contains(&format!("Department {}", DEPARTMENTS[department])));
    });
}

#[test]
fn whoever_returns_while_their_suspension_is_under_way_works_again() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(6)).await;
        let person = rig.setup.people[4].clone();
        let slow = Fault::first(1, "POST", "/lifecycle/suspend", Kind::Slow(Duration::from_secs(20)));
        rig.world.okta.core().faults.add(slow);
        rig.edit(4, |p| p.on_leave = true);
        rig.until("the suspension is under way", async |rig| rig.world.okta.core().faults.are_spent()).await;
        rig.edit(4, |p| p.on_leave = false);
        rig.until("they are back", async |rig| rig.effects().iter().any(|call| call.ends_with("/lifecycle/unsuspend")))
            .await;
        rig.quiet().await;
        assert_eq!(status(&rig.world.okta.core(), &person.id), Some(Status::Active));
    });
}

#[test]
fn accounts_that_okta_does_not_suspend_are_unlocked_or_suspended_when_that_is_possible() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(8));
        let (locked, unused) = (rig.setup.people[3].clone(), rig.setup.people[4].clone());
        {
            let mut okta = rig.world.okta.core();
            okta.seed_status(&locked.id, Status::LockedOut);
            okta.seed_status(&unused.id, Status::Provisioned);
        }
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        rig.edit(3, |p| p.on_leave = true);
        rig.edit(4, |p| p.on_leave = true);
        rig.until_okta("the locked one is suspended", |okta| status(okta, &locked.id) == Some(Status::Suspended)).await;
        rig.until("the other one is told", async |rig| {
            rig.quarantined().await.iter().any(|(p, why)| *p == unused.id && why.contains("PROVISIONED"))
        })
        .await;
        // They sign in for the first time; the account is looked at again now and then.
        rig.world.okta.core().seed_status(&unused.id, Status::Active);
        rig.world.clock.jump(Duration::from_secs(3600));
        rig.until_okta("it is suspended", |okta| status(okta, &unused.id) == Some(Status::Suspended)).await;
    });
}

#[test]
fn a_suspension_by_somebody_else_is_kept_and_reported() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(5));
        let person = rig.setup.people[3].clone();
        rig.world.okta.core().seed_status(&person.id, Status::Suspended);
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        rig.edit(3, |p| p.direct_dial = "+1 555 333".into());
        rig.until_okta("the phone follows", |okta| {
            user(okta, &person.id).profile["primaryPhone"] == json!("+1 555 333")
        })
        .await;
        rig.quiet().await;
        assert_eq!(status(&rig.world.okta.core(), &person.id), Some(Status::Suspended));
        let remarks = rig.remarks().await;
        assert!(remarks.iter().any(|(p, r)| *p == person.id && r.contains("by somebody else")), "{remarks:?}");
    });
}

#[test]
fn a_rehire_gets_the_same_account_back_after_a_fresh_look_and_starts_afresh() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let person = rig.setup.people[3].clone();
        let id = user(&rig.world.okta.core(), &person.id).id.clone();
        rig.edit(3, |p| p.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| okta.groups_of(&id).is_empty()).await;
        rig.quiet().await;
        let department = (person.department + 1) % DEPARTMENTS.len();
        rig.edit(3, |p| (p.status, p.department) = (Hired::Active, department));
        let back = format!("Department {}", DEPARTMENTS[department]);
        rig.until_okta("they are back", |okta| okta.groups_of(&id).contains(&back)).await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        let now = user(&okta, &person.id);
        assert_eq!((now.id.as_str(), now.status), (id.as_str(), Status::Provisioned));
        assert_eq!(now.profile["department"], json!(DEPARTMENTS[department]));
        let calls: Vec<&str> = okta
            .history()
            .exchanges()
            .iter()
            .filter(|e| e.user.as_ref() == Some(&id) && e.status < 300)
            .map(|e| e.path.rsplit('/').next().unwrap_or_default())
            .collect();
        let activated = calls.iter().position(|c| *c == "activate").expect("activated");
        assert_eq!(calls[activated - 1], id.as_str(), "read just before: {calls:?}");
        assert!(!calls.contains(&"reactivate"));
    });
}

#[test]
fn a_rehire_who_leaves_while_okta_is_still_activating_the_account_is_deactivated_once_it_is_active() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let person = rig.setup.people[3].clone();
        rig.edit(3, |p| p.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| status(okta, &person.id) == Some(Status::Deprovisioned)).await;
        rig.quiet().await;
        // What stands in between sends it twice, and tells of the refusal: by then the account is being activated.
        rig.world.okta.core().faults.add(Fault::first(1, "POST", "/lifecycle/activate", Kind::Twice));
        rig.edit(3, |p| p.status = Hired::Active);
        rig.until_okta("the activation is refused", |okta| {
            okta.history().exchanges().iter().any(|e| e.path.ends_with("/activate") && e.status == 409)
        })
        .await;
        rig.edit(3, |p| p.status = Hired::Inactive);
        rig.until_okta("the account was active", |okta| {
            let took_effect = okta.history().exchanges().iter().any(|e| e.path.ends_with("/activate"));
            took_effect && status(okta, &person.id) != Some(Status::Deprovisioned)
        })
        .await;
        rig.until_okta("they are out again", |okta| status(okta, &person.id) == Some(Status::Deprovisioned)).await;
    });
}

#[test]
fn a_life_at_work_arrives_where_every_write_is_sent_twice_and_only_the_second_answer_comes_back() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let person = rig.setup.people[3].clone();
        for method in ["POST", "PUT", "DELETE"] {
            rig.world.okta.core().faults.add(Fault::always(method, "/api/v1/", Kind::Twice));
        }
        let joined = joiner(&rig, 9, |_| ());
        rig.until_okta("somebody joins", |okta| {
            okta.user_by_anchor(&joined.id).is_some_and(|user| !okta.groups_of(&user.id).is_empty())
        })
        .await;
        let department = (person.department + 1) % DEPARTMENTS.len();
        rig.edit(3, |p| p.department = department);
        let wanted = format!("Department {}", DEPARTMENTS[department]);
        let former = format!("Department {}", person.department());
        rig.until_okta("somebody moves", |okta| {
            let groups = okta.groups_of(&user(okta, &person.id).id);
            groups.contains(&wanted) && !groups.contains(&former)
        })
        .await;
        for round in 0..2 {
            rig.edit(3, |p| p.status = Hired::Inactive);
            rig.until_okta(&format!("they leave, {round}"), |okta| {
                let user = user(okta, &person.id);
                user.status == Status::Deprovisioned && okta.groups_of(&user.id).is_empty()
            })
            .await;
            rig.edit(3, |p| p.status = Hired::Active);
            rig.until_okta(&format!("they come back, {round}"), |okta| {
                let user = user(okta, &person.id);
                user.status == Status::Provisioned && okta.groups_of(&user.id).contains(&wanted)
            })
            .await;
        }
        rig.quiet().await;
        assert_eq!(rig.quarantined().await, []);
        let okta = rig.world.okta.core();
        let of_joiner = |e: &&namely_okta_sync::sandbox::history::Exchange| {
            e.applied && e.method == "POST" && e.path == "/api/v1/users"
        };
        assert_eq!(okta.history().exchanges().iter().filter(of_joiner).count(), 1, "one account for who joins");
    });
}

#[test]
fn a_rehire_can_bring_back_what_they_had_besides_the_mapping() {
    on_a_system(async {
        let mut setup = Setup::of(8);
        setup.rewrite = |text| text.replace("[leave]", "[rehire]\naccess = \"restore previous\"\n\n[leave]");
        let mut rig = Rig::new(setup);
        let person = rig.setup.people[3].clone();
        let (id, club) = {
            let mut okta = rig.world.okta.core();
            let id = user(&okta, &person.id).id.clone();
            let club = okta.seed_group("Chess Club", "OKTA_GROUP", rig.world.clock.now());
            okta.seed_member(&club, &id);
            (id, club)
        };
        assert!(club.starts_with("00g"));
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        rig.edit(3, |p| p.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| okta.groups_of(&id).is_empty()).await;
        rig.quiet().await;
        rig.edit(3, |p| p.status = Hired::Active);
        rig.until_okta("they play again", |okta| okta.groups_of(&id).contains("Chess Club")).await;
    });
}

#[test]
fn an_account_that_it_has_deactivated_is_not_woken_up_by_an_edit_in_namely() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(5));
        let person = rig.setup.people[3].clone();
        rig.world.okta.core().seed_status(&person.id, Status::Deprovisioned);
        rig.run().await;
        rig.until("it is told", async |rig| rig.quarantined().await.iter().any(|(p, _)| *p == person.id)).await;
        rig.edit(3, |p| p.direct_dial = "+1 555 333".into());
        rig.quiet().await;
        let quarantined = rig.quarantined().await;
        assert!(
            quarantined.iter().any(|(p, why)| *p == person.id && why.contains("somebody else has deactivated")),
            "{quarantined:?}"
        );
        assert_eq!(rig.effects(), Vec::<String>::new());
    });
}

#[test]
fn a_contractor_becomes_an_employee_in_one_plan_without_a_minute_of_outage() {
    on_a_system(async {
        let mut setup = Setup::of(8);
        setup.people[3].employee_type = "Contractor";
        setup.rewrite = |text| {
            let groups =
                "\n[[mapping.groups]]\nname = \"kind\"\ntemplate = \"All {employee.employee_type}\"\ncreate = true\n";
            let kind =
                "[mapping]\nuser_type = \"employee.employee_type == 'Contractor' ? 'contractor' : 'user'\"\n\n[leave]";
            text.replace("[leave]", kind) + groups
        };
        let mut rig = Rig::new(setup);
        let person = rig.setup.people[3].clone();
        rig.world.okta.core().seed_type("contractor");
        rig.run().await;
        let kind = |okta: &Okta| okta.type_name(&user(okta, &person.id).kind).to_owned();
        rig.until("both sides agree", async |rig| {
            rig.backlog().await == 0
                && rig.service().readiness.is_ready()
                && kind(&rig.world.okta.core()) == "contractor"
        })
        .await;
        let before = effects_on(&rig, &person.id).len();
        rig.edit(3, |p| {
            p.employee_type = "Full Time";
            p.email = p.email.replace("@example.com", "@corp.example.com");
        });
        rig.until_okta("they are employees", |okta| kind(okta) == "user").await;
        rig.quiet().await;
        let effects = effects_on(&rig, &person.id).split_off(before);
        let shape: Vec<&str> = effects.iter().map(|e| e.split(['/', ' ']).next().unwrap_or_default()).collect();
        assert_eq!(
            shape,
            ["PUT", "PUT", "DELETE"],
            "the profile with its type, the new group, then the old one: {effects:?}"
        );
        let okta = rig.world.okta.core();
        let now = user(&okta, &person.id);
        assert_eq!(now.status, Status::Active, "never asleep");
        assert!(now.profile["login"].as_str().is_some_and(|login| login.ends_with("@corp.example.com")));
        assert_eq!(now.profile["title"], json!(person.title()), "what did not change was written back");
    });
}

#[test]
fn several_departments_are_a_union_and_the_end_of_one_takes_only_what_it_gave() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let person = rig.setup.people[3].clone();
        let second = (person.department + 2) % DEPARTMENTS.len();
        let names = [DEPARTMENTS[person.department], DEPARTMENTS[second]].map(|d| format!("Department {d}"));
        let links = |departments: &[usize]| {
            let id = |n: usize| namely_okta_sync::sandbox::namely::wire::department_id(n);
            let groups: Vec<_> = departments.iter().map(|d| json!({ "id": id(*d), "name": DEPARTMENTS[*d] })).collect();
            Some(json!({ "groups": groups, "teams": [] }))
        };
        rig.edit(3, |p| {
            p.raw.insert("links".into(), links(&[person.department, second]));
        });
        let in_both = |okta: &Okta| names.iter().all(|n| okta.groups_of(&user(okta, &person.id).id).contains(n));
        rig.until_okta("they are in both", in_both).await;
        rig.edit(3, |p| {
            p.raw.insert("links".into(), links(&[person.department]));
        });
        rig.until_okta("the second is gone", |okta| !in_both(okta)).await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        assert!(okta.groups_of(&user(&okta, &person.id).id).contains(&names[0]));
        assert_eq!(effects_on_okta(&okta, &person.id), 2, "one group more, one less");
    });
}

fn effects_on_okta(okta: &Okta, anchor: &str) -> usize {
    let id = &user(okta, anchor).id;
    okta.history().exchanges().iter().filter(|e| e.applied && e.user.as_ref() == Some(id)).count()
}

#[test]
fn a_new_name_keeps_the_account_and_the_old_address() {
    on_a_system(async {
        let mut setup = Setup::of(8);
        setup.rewrite = |text| text.replace("[leave]", "[mapping.login]\nformer = \"formerLogin\"\n\n[leave]");
        let mut rig = Rig::new(setup);
        rig.world.okta.core().seed_attribute("formerLogin", "string");
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let person = rig.setup.people[3].clone();
        let id = user(&rig.world.okta.core(), &person.id).id.clone();
        rig.edit(3, |p| {
            p.last_name = "Weber".into();
            p.email = "a.weber@example.com".into();
        });
        rig.until_okta("the login follows", |okta| {
            user(okta, &person.id).profile["login"] == json!("a.weber@example.com")
        })
        .await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        let now = user(&okta, &person.id);
        assert_eq!((now.id.as_str(), &now.profile["formerLogin"]), (id.as_str(), &json!(person.email)));
        assert_eq!(rig_effects(&okta), 1, "one update");
    });
}

fn rig_effects(okta: &Okta) -> usize {
    okta.history().exchanges().iter().filter(|e| e.applied).count()
}

#[test]
fn a_grace_suspends_first_and_deactivates_when_it_is_over_unless_hr_takes_it_back() {
    on_a_system(async {
        let mut setup = Setup::of(8);
        setup.rewrite = |text| text.replace("[leave]", "[termination]\ngrace = \"14d\"\n\n[leave]");
        let rig = Rig::settled(setup).await;
        let (stays_out, comes_back) = (rig.setup.people[3].id.clone(), rig.setup.people[4].id.clone());
        rig.edit(3, |p| p.status = Hired::Inactive);
        rig.edit(4, |p| p.status = Hired::Inactive);
        rig.until_okta("both are suspended", |okta| {
            [&stays_out, &comes_back].iter().all(|p| status(okta, p) == Some(Status::Suspended))
        })
        .await;
        assert!(user(&rig.world.okta.core(), &stays_out).sessions_revoked.is_some());
        rig.edit(4, |p| p.status = Hired::Active);
        rig.until_okta("one is back", |okta| status(okta, &comes_back) == Some(Status::Active)).await;
        rig.quiet().await;
        assert_eq!(status(&rig.world.okta.core(), &stays_out), Some(Status::Suspended));
        rig.world.clock.jump(Duration::from_secs(14 * 86_400));
        rig.until_okta("the other one is out", |okta| {
            status(okta, &stays_out) == Some(Status::Deprovisioned)
                && okta.groups_of(&user(okta, &stays_out).id).is_empty()
        })
        .await;
        rig.quiet().await;
        assert_eq!(status(&rig.world.okta.core(), &comes_back), Some(Status::Active));
    });
}

#[test]
fn a_departure_that_is_taken_back_or_moved_does_nothing_on_the_old_day() {
    on_a_system(async {
        let (mut setup, midnight) = shortly_before("2026-05-02T04:00:00Z", 200, 8);
        let day = |text: &str| Some(text.parse().expect("a date"));
        setup.people[2].departure_date = day("2026-05-01");
        setup.people[3].departure_date = day("2026-05-01");
        setup.people[4].departure_date = day("2026-05-01");
        let people: Vec<String> = setup.people.iter().map(|p| p.id.clone()).collect();
        let rig = Rig::settled(setup).await;
        rig.edit(2, |p| p.departure_date = None);
        rig.edit(3, |p| p.departure_date = day("2026-05-31"));
        rig.quiet().await;
        assert!(rig.world.clock.now() < midnight, "the machine was too slow for this test");
        rig.until_okta("the third is out", |okta| status(okta, &people[4]) == Some(Status::Deprovisioned)).await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        assert_eq!(
            (status(&okta, &people[2]), status(&okta, &people[3])),
            (Some(Status::Active), Some(Status::Active))
        );
    });
}

#[test]
fn no_date_is_acted_upon_by_a_clock_that_namelys_servers_contradict() {
    on_a_system(async {
        let (mut setup, midnight) = shortly_before("2026-05-02T04:00:00Z", 200, 8);
        setup.people[2].departure_date = Some("2026-05-01".parse().expect("a date"));
        setup.namely.skew = -3600;
        let leaver = setup.people[2].id.clone();
        let mut rig = Rig::new(setup);
        rig.run().await;
        let reason = |rig: &Rig| rig.service().readiness.reasons().get("clock").cloned();
        rig.until("the clock is told to be wrong", async |rig| reason(rig).is_some()).await;
        assert!(reason(&rig).is_some_and(|why| why.contains("ahead of Namely's")), "{:?}", reason(&rig));
        let later = midnight + Duration::from_secs(120);
        rig.until("the last day is over, by this machine", async |rig| rig.world.clock.now() > later).await;
        assert_eq!(status(&rig.world.okta.core(), &leaver), Some(Status::Active), "it may be an hour earlier");
        // What HR says now needs no clock.
        rig.edit(3, |p| p.status = Hired::Inactive);
        let gone = rig.setup.people[3].id.clone();
        rig.until_okta("who is inactive has left", |okta| status(okta, &gone) == Some(Status::Deprovisioned)).await;
        assert_eq!(status(&rig.world.okta.core(), &leaver), Some(Status::Active));
        rig.world.namely.core().set_skew(0);
        rig.until_okta("the day counts", |okta| status(okta, &leaver) == Some(Status::Deprovisioned)).await;
        assert_eq!(reason(&rig), None);
    });
}

#[test]
fn a_leaver_whom_no_rule_routes_to_the_org_any_more_loses_the_account_that_was_left_there() {
    on_a_system(async {
        let rewrite =
            |text: String| text.replace("[[okta]]\n", "[[okta]]\npeople = \"employee.employee_type == 'Full Time'\"\n");
        let mut rig = Rig::new(Setup { rewrite, ..Setup::of(12) });
        let (gone, works, later) = (4, 5, 6);
        for n in [gone, works, later] {
            rig.edit(n, |person| person.employee_type = "Contractor");
        }
        rig.edit(gone, |person| person.status = Hired::Inactive);
        let id = |n: usize| rig.setup.people[n].id.clone();
        let (gone, works, later_id) = (id(gone), id(works), id(later));
        rig.run().await;
        rig.until_okta("who had left before the first walk is out", |okta| {
            status(okta, &gone) == Some(Status::Deprovisioned)
        })
        .await;
        rig.edit(later, |person| person.status = Hired::Inactive);
        rig.until_okta("who leaves later is out", |okta| status(okta, &later_id) == Some(Status::Deprovisioned)).await;
        rig.quiet().await;
        assert_eq!(status(&rig.world.okta.core(), &works), Some(Status::Active), "who works is let be");
        assert!(effects_on(&rig, &works).is_empty(), "{:?}", effects_on(&rig, &works));
    });
}

#[test]
fn the_account_of_somebody_who_was_never_routed_there_ends_when_their_last_day_passes() {
    on_a_system(async {
        let (mut setup, moment) = shortly_before("2026-05-02T04:00:00Z", 120, 6);
        setup.rewrite = |text| {
            text.replace(
                "adopt = \"automatic\"",
                "adopt = \"automatic\"\npeople = \"employee.office_direct_dial != '+1 555 0100'\"",
            )
        };
        setup.in_okta = 5;
        setup.people[5].direct_dial = "+1 555 0100".into();
        setup.people[5].departure_date = Some("2026-05-01".parse().expect("a date"));
        let person = setup.people[5].clone();
        let mut rig = Rig::new(setup);
        let profile = json!({ "login": person.email, "email": person.email, "firstName": person.first_name,
            "lastName": person.last_name });
        let id = rig.world.okta.core().seed_user(profile, Status::Active, &[], rig.world.clock.now());
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        assert!(rig.world.clock.now() < moment, "the machine was too slow for this test");
        let state = |okta: &Okta| okta.users().find(|user| user.id == id).map(|user| user.status);
        assert_eq!(state(&rig.world.okta.core()), Some(Status::Active));
        rig.until_okta("they are out", |okta| state(okta) == Some(Status::Deprovisioned)).await;
        assert!(rig.world.clock.now() >= moment, "and not before");
    });
}
