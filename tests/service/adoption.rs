//! Becoming the owner of an account that exists: what a rule may do by itself after first contact, and what it may not.

use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::domain::ChangeKind;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Person, Status as Hired};
use namely_okta_sync::store::{Ballot, Extent, HeldChanges, Voted, holds, previews, vote};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The limits of a real tenant: what the sandbox's configuration raises is taken out.
fn as_by_default(text: String) -> String {
    let end = text.find("# Scenarios change most").expect("the raised limits");
    text[..end].to_owned()
}

fn world(n: usize) -> Setup {
    Setup { rewrite: as_by_default, ..Setup::of(n) }
}

/// An account that no profile has, in a group that no rule names.
fn seed(rig: &Rig, login: &str, first: &str, last: &str, status: Status) -> String {
    let profile = json!({ "login": login, "email": login, "firstName": first, "lastName": last });
    let now = rig.world.clock.now();
    rig.world.okta.core().seed_user(profile, status, &[], now)
}

/// Somebody whom HR hires under this name and address.
fn hired(rig: &Rig, n: u8, first: &str, last: &str, email: &str) -> Person {
    let id = format!("0e9f4a10-0000-4000-8000-0000000000{n:02}");
    let (first_name, last_name, email) = (first.to_owned(), last.to_owned(), email.to_owned());
    let direct_dial = "+1 555 0199".to_owned();
    let person = Person { id, first_name, last_name, email, direct_dial, manager: None, ..rig.setup.people[1].clone() };
    rig.hire(person.clone());
    person
}

/// What Okta holds of an account.
fn held_by_okta(rig: &Rig, id: &str) -> (Status, BTreeMap<String, Value>, BTreeSet<String>) {
    let okta = rig.world.okta.core();
    let user = okta.users().find(|user| user.id == id).expect("there");
    (user.status, user.profile.clone(), okta.groups_of(id))
}

async fn waits_for_a_verdict(rig: &Rig, person: &Person, why: &str) {
    rig.until("it waits for a verdict", async |rig| {
        let quarantined = rig.quarantined().await;
        quarantined
            .iter()
            .any(|(profile, message)| *profile == person.id && message.contains(why) && message.contains("review show"))
    })
    .await;
}

async fn open_holds(rig: &Rig) -> Vec<HeldChanges> {
    rig.store().run(|c| holds(c, false)).await.expect("reads")
}

/// A world that agrees, and in which accounts that appear in Okta are known before HR does anything.
async fn with_accounts(seeded: &[(&str, &str, &str, Status)]) -> (Rig, Vec<String>) {
    let mut rig = Rig::new(world(6));
    let ids = seeded.iter().map(|(login, first, last, status)| seed(&rig, login, first, last, *status)).collect();
    rig.run().await;
    rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    (rig, ids)
}

#[test]
fn whoever_writes_the_login_of_an_account_into_a_profile_does_not_become_its_owner() {
    on_a_system(async {
        let (rig, ids) = with_accounts(&[("boss@example.com", "Olga", "Boss", Status::Active)]).await;
        let before = held_by_okta(&rig, &ids[0]);
        let thief = hired(&rig, 1, "Quite", "Different", "BOSS@example.com");
        waits_for_a_verdict(&rig, &thief, "names differ").await;
        rig.edit(6, |p| p.email = "thief@evil.example.org".into());
        rig.until_okta("they get an account of their own", |okta| okta.user_by_anchor(&thief.id).is_some()).await;
        rig.quiet().await;
        assert_eq!(held_by_okta(&rig, &ids[0]), before, "the account is as it was");
        let touched = rig.effects().into_iter().filter(|call| call.contains(&ids[0])).collect::<Vec<_>>();
        assert_eq!(touched, Vec::<String>::new());
    });
}

#[test]
fn no_rule_gives_away_the_account_of_an_okta_administrator_whatever_the_name() {
    on_a_system(async {
        let (rig, _) = with_accounts(&[]).await;
        let (id, profile) = {
            let okta = rig.world.okta.core();
            let admin = okta.users().find(|user| user.profile["login"] == json!("admin@example.com")).expect("there");
            (admin.id.clone(), admin.profile.clone())
        };
        let text = |key: &str| profile.get(key).and_then(Value::as_str).unwrap_or_default();
        let before = held_by_okta(&rig, &id);
        let thief = hired(&rig, 1, text("firstName"), text("lastName"), "admin@example.com");
        waits_for_a_verdict(&rig, &thief, "Okta administrator").await;
        rig.edit(6, |p| p.email = "thief@evil.example.org".into());
        rig.quiet().await;
        assert_eq!(held_by_okta(&rig, &id), before);
    });
}

#[test]
fn a_deactivated_account_that_nobody_has_is_asked_about() {
    on_a_system(async {
        let (rig, ids) = with_accounts(&[("ghost@example.com", "Gone", "Long", Status::Deprovisioned)]).await;
        let person = hired(&rig, 1, "Gone", "Long", "ghost@example.com");
        waits_for_a_verdict(&rig, &person, "deactivated").await;
        rig.quiet().await;
        assert_eq!(held_by_okta(&rig, &ids[0]).0, Status::Deprovisioned);
    });
}

#[test]
fn an_account_of_the_same_name_is_adopted_but_what_lets_somebody_in_waits() {
    on_a_system(async {
        let (rig, ids) = with_accounts(&[("olga.boss@example.com", "Olga", "Boss", Status::Active)]).await;
        let person = hired(&rig, 1, "Olga", "Boss", "olga.boss@example.com");
        rig.until_okta("the account is theirs", |okta| {
            okta.user_by_anchor(&person.id).is_some_and(|user| user.id == ids[0])
        })
        .await;
        rig.quiet().await;
        rig.edit(6, |p| p.email = "thief@evil.example.org".into());
        rig.until("login and email wait", async |rig| {
            open_holds(rig).await.iter().any(|hold| hold.change == "change_login" && hold.why.contains("wait"))
        })
        .await;
        rig.quiet().await;
        let (status, profile, _) = held_by_okta(&rig, &ids[0]);
        assert_eq!(status, Status::Active);
        for field in ["login", "email"] {
            assert_eq!(profile[field], json!("olga.boss@example.com"), "{field}");
        }
        assert_eq!(profile["title"], json!(person.title()), "everything else is as Namely says");
    });
}

#[test]
fn more_than_three_adoptions_in_an_hour_wait_for_a_decision_and_what_was_rejected_is_no_plan_any_more() {
    on_a_system(async {
        let logins: Vec<String> = (0..5).map(|n| format!("joiner{n}@example.com")).collect();
        let seeded: Vec<_> = logins.iter().map(|login| (login.as_str(), "Jo", "Iner", Status::Active)).collect();
        let (rig, ids) = with_accounts(&seeded).await;
        let now = rig.world.clock.now();
        let before: Vec<_> = ids.iter().map(|id| held_by_okta(&rig, id)).collect();
        {
            let mut namely = rig.world.namely.core();
            for (n, login) in logins.iter().enumerate() {
                let id = format!("0e9f4a10-0000-4000-8000-0000000001{n:02}");
                let (first_name, last_name, email) = ("Jo".into(), "Iner".into(), login.clone());
                namely.hire(
                    Person { id, first_name, last_name, email, manager: None, ..rig.setup.people[1].clone() },
                    now,
                );
            }
        }
        rig.until("they wait", async |rig| {
            open_holds(rig).await.iter().any(|hold| hold.change == "adopt" && hold.why.contains("at most 3"))
        })
        .await;
        rig.quiet().await;
        let (rules, rules_of_now) = (rig.store().rules().load(), rig.store().rules());
        let planned =
            rig.store().run(move |c| previews(c, &rules, "sandbox", Extent::Dirty, now, || ())).await.expect("plans");
        let adopts = planned.iter().filter_map(|person| person.changes.get(&ChangeKind::Adopt));
        let message: Vec<&String> = adopts.flatten().collect();
        assert!(
            message.len() >= 2 && message.iter().all(|words| words.contains("joiner")),
            "a plan shows it: {message:?}"
        );
        let verdict = rig.store().run(move |c| {
            let rules = rules_of_now.load();
            let hold = holds(c, false)?.into_iter().find(|hold| hold.change == "adopt").expect("a hold");
            let by = decider("ada");
            vote(c, &rules, &Ballot { hold: hold.id, approve: false, seen: &hold.code, only: None, by: &by }, now)
        });
        assert_eq!(verdict.await.expect("votes"), Voted::Decided);
        rig.service().decided.notify_one();
        let shown = async |rig: &Rig| {
            let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
            let planned = rig.store().run(move |c| previews(c, &rules, "sandbox", Extent::Dirty, now, || ()));
            planned.await.expect("plans")
        };
        rig.until("a plan says who has rejected it, and how that is taken back", async |rig| {
            let planned = shown(rig).await;
            planned.len() >= 2
                && planned.iter().all(|person| {
                    let why = person.obstacle.as_deref().unwrap_or_default();
                    person.changes.is_empty() && why.contains("rejected by ada") && why.contains("holds reverse")
                })
        })
        .await;
        let untouched = ids.iter().zip(&before).filter(|(id, before)| held_by_okta(&rig, id) == **before).count();
        assert!(untouched >= 2, "{untouched}");
    });
}

#[test]
fn a_profile_that_takes_another_address_while_it_is_asked_about_gets_an_account_after_few_calls() {
    on_a_system(async {
        let (rig, _) = with_accounts(&[]).await;
        seed(&rig, "sven.plain@example.com", "Sven", "Plain", Status::Active); // after the lists were read
        let person = hired(&rig, 1, "Quite", "Different", "sven.plain@example.com");
        waits_for_a_verdict(&rig, &person, "names differ").await;
        rig.edit(6, |p| p.email = "quite.different@example.com".into());
        rig.until_okta("they get an account of their own", |okta| okta.user_by_anchor(&person.id).is_some()).await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        let reads = okta
            .history()
            .exchanges()
            .iter()
            .filter(|call| call.path.ends_with("/users/sven.plain@example.com"))
            .count();
        assert!(reads <= 2, "{reads} reads of an account that is somebody else's");
    });
}

#[test]
fn somebody_who_is_to_begin_where_their_namesake_works_is_asked_about_before_the_first_day() {
    on_a_system(async {
        let rig = Rig::settled(world(6)).await;
        let there = rig.setup.people[3].clone();
        let id = "0e9f4a10-0000-4000-8000-000000000077".to_owned();
        let person = Person { id, status: Hired::Pending, ..there.clone() };
        rig.hire(person.clone());
        waits_for_a_verdict(&rig, &person, "active there too").await;
        rig.edit(6, |p| p.status = Hired::Active);
        rig.quiet().await;
        waits_for_a_verdict(&rig, &person, "active there too").await;
    });
}

#[test]
fn whom_an_accepted_report_has_matched_counts_against_no_limit_of_those_who_come_later() {
    on_a_system(async {
        let mut setup = world(6);
        setup.in_okta = 0;
        setup.rewrite = |text| as_by_default(text) + "\n[rehire]\nnew_profile = \"match\"\n";
        let mut rig = Rig::new(setup);
        for person in &rig.setup.people {
            seed(&rig, &person.email, &person.first_name, &person.last_name, Status::Active);
        }
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let old = rig.setup.people[3].clone();
        rig.edit(3, |p| p.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| okta.user_by_anchor(&old.id).is_some_and(|user| !user.is_live())).await;
        rig.quiet().await;
        let new = Person { id: "0e9f4a10-0000-4000-8000-000000000078".into(), status: Hired::Active, ..old };
        rig.hire(new.clone());
        rig.quiet().await;
        assert_eq!(rig.quarantined().await, []);
        assert!(rig.world.okta.core().user_by_anchor(&new.id).is_some_and(|user| user.is_live()), "they are back");
    });
}
