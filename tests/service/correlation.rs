//! Who is whom: first contact with an org that has users, certain and uncertain matches, and the verdicts of people.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Person, Status as Hired};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The configuration file that the commands of a rig's operator need.
fn config(rig: &Rig) -> PathBuf {
    config_file(&rig.world, rig.folder.path())
}

/// Runs a command of the program; its standard output, and whether it succeeded.
fn command(rig: &Rig, arguments: &[&str]) -> (bool, String) {
    let output = program().args(arguments).arg("--config").arg(config(rig)).output().expect("runs");
    let said = String::from_utf8(output.stdout).expect("text") + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// The id of a profile that is made anew.
const ANEW: &str = "0e9f4a10-0000-4000-8000-000000000007";

/// Somebody leaves, and is hired again under a new profile; the id of the account they had.
async fn comes_back_anew(rig: &Rig) -> String {
    let old = rig.setup.people[3].clone();
    let id = rig.world.okta.core().user_by_anchor(&old.id).expect("an account").id.clone();
    rig.edit(3, |p| p.status = Hired::Inactive);
    rig.until_okta("they are out", |okta| okta.groups_of(&id).is_empty()).await;
    rig.quiet().await;
    rig.hire(Person { id: ANEW.into(), status: Hired::Active, ..old });
    id
}

async fn is_back_with_one_account(rig: &Rig, id: &str) {
    rig.until_okta("they are back", |okta| {
        okta.user_by_anchor(ANEW).is_some_and(|u| u.id == id && u.status == Status::Provisioned)
    })
    .await;
    rig.quiet().await;
    let okta = rig.world.okta.core();
    assert!(okta.groups_of(id).contains("All Employees"));
    assert_eq!(okta.users().filter(|u| u.profile["email"] == json!(rig.setup.people[3].email)).count(), 1);
}

/// The code of what a review shows.
fn code_of_review(rig: &Rig, number: &str) -> String {
    document(rig, &["review", "show", number, "--json"])["outlook"]["code"].as_str().expect("a code").to_owned()
}

fn document(rig: &Rig, arguments: &[&str]) -> Value {
    let (ok, said) = command(rig, arguments);
    assert!(ok, "{said}");
    serde_json::from_str(&said).unwrap_or_else(|e| panic!("{arguments:?}: not one JSON document ({e}): {said}"))
}

#[test]
fn nothing_is_written_to_an_org_with_users_before_the_adopt_report_is_accepted() {
    on_a_system(async {
        let mut setup = Setup::of(12);
        setup.in_okta = 10;
        setup.rewrite = |text| text.replace("adopt = \"automatic\"\n", "");
        setup.people[4].direct_dial = "+1 555 changed".into();
        let mut rig = Rig::new(setup);
        let stranger =
            json!({ "login": "robot@example.com", "email": "robot@example.com", "firstName": "R", "lastName": "2" });
        rig.world.okta.core().seed_user(stranger, Status::Active, &[], rig.world.clock.now());
        rig.run().await;
        rig.until("Namely was walked", async |rig| {
            rig.service().readiness.reasons().keys().all(|reason| reason.starts_with("adopt"))
        })
        .await;
        // Even somebody who leaves waits: whose account it is has not been confirmed by anybody.
        rig.edit(3, |person| person.status = Hired::Inactive);
        rig.until("it is seen", async |rig| rig.store().backlog().await.expect("reads").ready[0] == 1).await;
        let report = &document(&rig, &["adopt", "--json"])[0];
        assert_eq!(report["matched"]["anchor"].as_array().map(Vec::len), Some(9), "{report:#}");
        assert_eq!(report["created"].as_array().map(Vec::len), Some(2));
        assert_eq!(report["ended"][0]["profile"], json!(rig.setup.people[3].id));
        let alone: Vec<&str> =
            report["alone"].as_array().expect("a list").iter().filter_map(|e| e["login"].as_str()).collect();
        assert_eq!(alone, ["admin@example.com", "robot@example.com"]);
        assert_eq!(rig.effects(), Vec::<String>::new());
        let why = rig.service().readiness.reasons()["adopt sandbox"].clone();
        assert!(why.contains("adopt --accept sandbox"), "{why}");
        let (ok, said) = command(&rig, &["adopt", "--accept", "sandbox", "--by", "ada"]);
        assert!(!ok && said.contains("--code"), "without the code of what was shown: {said}");
        let (ok, said) = command(&rig, &["adopt", "--accept", "sandbox", "--code", "other", "--by", "ada"]);
        assert!(!ok && said.contains("look at it again"), "{said}");
        let code = document(&rig, &["adopt", "--json"])[0]["code"].as_str().expect("a code").to_owned();
        let (ok, said) = command(&rig, &["adopt", "--accept", "sandbox", "--code", &code, "--by", "ada"]);
        assert!(ok && said.contains("accepted"), "{said}");
        rig.until("everything is done", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0)
            .await;
        let okta = rig.world.okta.core();
        assert_eq!(okta.user_by_anchor(&rig.setup.people[3].id).map(|u| u.status), Some(Status::Deprovisioned));
        assert!(okta.user_by_anchor(&rig.setup.people[11].id).is_some());
        drop(okta);
        let message = command(&rig, &["adopt"]).1;
        assert!(message.contains("accepted by ada") && message.contains("never touched"), "{message}");
    });
}

/// A world in which somebody has an account that only their address gives away.
async fn uncertain() -> (Rig, Person, String) {
    let mut setup = Setup::of(4);
    setup.in_okta = 3;
    let mut rig = Rig::new(setup);
    let person = rig.setup.people[3].clone();
    let profile =
        json!({ "login": "old.name@example.com", "email": person.email, "firstName": "Old", "lastName": "Name" });
    let id = rig.world.okta.core().seed_user(profile, Status::Active, &[], rig.world.clock.now());
    rig.run().await;
    rig.until("it waits for a verdict", async |rig| {
        rig.quarantined().await.iter().any(|(p, why)| *p == person.id && why.contains("review show"))
    })
    .await;
    (rig, person, id)
}

#[test]
fn an_uncertain_match_waits_for_a_verdict_and_an_accepted_one_is_adopted() {
    on_a_system(async {
        let (rig, person, id) = uncertain().await;
        let queue = document(&rig, &["review", "list", "--json"]);
        assert_eq!(
            (queue[0]["profile"].as_str(), queue[0]["rule"].as_str()),
            (Some(person.id.as_str()), Some("email"))
        );
        let number = queue[0]["id"].to_string();
        let (ok, said) = command(&rig, &["review", "accept", &number, "abc", "--by", "ada"]);
        assert!(!ok && said.contains("look at it again"), "without having seen it: {said}");
        let shown = command(&rig, &["review", "show", &number]).1;
        assert!(shown.contains("Old Name") && shown.contains("afterwards") && shown.contains("login: "), "{shown}");
        let code = code_of_review(&rig, &number);
        let (ok, said) = command(&rig, &["review", "accept", &number, &code, "--by", "ada"]);
        assert!(ok && said.contains("one person"), "{said}");
        rig.until_okta("the account is theirs", |okta| okta.user_by_anchor(&person.id).is_some_and(|u| u.id == id))
            .await;
        rig.quiet().await;
        assert!(!rig.effects().contains(&"POST /api/v1/users".to_owned()), "nobody is made twice");
        let (ok, said) = command(&rig, &["review", "reject", &number, &code, "--by", "ada"]);
        assert!(!ok && said.contains("decided already"), "{said}");
        assert!(command(&rig, &["review", "list", "--all"]).1.contains("accept by ada"));
    });
}

#[test]
fn a_rejected_match_is_remembered_and_the_person_gets_an_account_of_their_own() {
    on_a_system(async {
        let (rig, person, id) = uncertain().await;
        let number = document(&rig, &["review", "list", "--json"])[0]["id"].to_string();
        let (ok, said) = command(&rig, &["review", "reject", &number, "abc", "--by", "ada"]);
        assert!(!ok && said.contains("look at it again"), "without having seen it: {said}");
        let code = code_of_review(&rig, &number);
        assert!(command(&rig, &["review", "reject", &number, &code, "--by", "ada"]).0);
        rig.until_okta("they have an account", |okta| okta.user_by_anchor(&person.id).is_some_and(|u| u.id != id))
            .await;
        rig.edit(3, |p| p.direct_dial = "+1 555 333".into());
        rig.quiet().await;
        assert_eq!(document(&rig, &["review", "list", "--json"]), json!([]));
        let okta = rig.world.okta.core();
        let other = okta.users().find(|u| u.id == id).expect("still there");
        assert_eq!(other.profile["firstName"], json!("Old"), "the other account was never touched");
    });
}

#[test]
fn a_rehire_under_a_new_profile_gets_the_old_account_back_once_somebody_says_that_it_is_them() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(6)).await;
        let id = comes_back_anew(&rig).await;
        rig.until("it is asked", async |rig| {
            rig.quarantined()
                .await
                .iter()
                .any(|(p, why)| p == ANEW && why.contains("they have left: accept if they come back"))
        })
        .await;
        let is_out = |okta: &Okta| okta.users().any(|user| user.id == id && user.status == Status::Deprovisioned);
        assert!(is_out(&rig.world.okta.core()));
        let review = document(&rig, &["review", "list", "--json"])[0]["id"].to_string();
        let code = code_of_review(&rig, &review);
        let (ok, said) = command(&rig, &["review", "accept", &review, &code, "--by", "ada"]);
        assert!(ok, "{said}");
        is_back_with_one_account(&rig, &id).await;
    });
}

#[test]
fn where_rules_may_say_so_a_rehire_under_a_new_profile_gets_the_old_account_back_at_once() {
    on_a_system(async {
        let mut setup = Setup::of(6);
        setup.rewrite = |text| text + "[rehire]\nnew_profile = \"match\"\n";
        let rig = Rig::settled(setup).await;
        let id = comes_back_anew(&rig).await;
        is_back_with_one_account(&rig, &id).await;
    });
}

#[test]
fn somebody_new_with_the_address_of_somebody_else_who_left_is_not_given_their_account() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(6)).await;
        let old = rig.setup.people[3].clone();
        rig.edit(3, |p| p.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| {
            okta.user_by_anchor(&old.id).is_some_and(|u| u.status == Status::Deprovisioned)
        })
        .await;
        rig.quiet().await;
        let before = rig.effects().len();
        let mut new = rig.setup.people[4].clone();
        (new.id, new.email) = ("0e9f4a10-0000-4000-8000-000000000008".into(), old.email.clone());
        (new.first_name, new.last_name) = ("Quite".into(), "Different".into());
        rig.hire(new.clone());
        rig.until("they wait for a verdict", async |rig| {
            rig.quarantined().await.iter().any(|(p, why)| *p == new.id && why.contains("names differ"))
        })
        .await;
        assert_eq!(rig.effects().len(), before);
    });
}

#[test]
fn somebody_of_the_same_name_gets_no_second_account_while_a_review_is_open_and_all_settles_when_it_is_decided() {
    on_a_system(async {
        let (rig, person, id) = uncertain().await;
        let number = document(&rig, &["review", "list", "--json"])[0]["id"].to_string();
        let other = Person {
            id: "0e9f4a10-0000-4000-8000-000000000009".into(),
            email: "elsewhere@globex.example.com".into(),
            manager: None,
            ..person.clone()
        };
        rig.hire(other.clone());
        let reason = format!("review {number} is open");
        rig.until("they wait for that review", async |rig| {
            rig.quarantined().await.iter().any(|(profile, why)| *profile == other.id && why.contains(&reason))
        })
        .await;
        rig.quiet().await;
        assert_eq!(rig.effects(), Vec::<String>::new(), "nobody is made");
        let code = code_of_review(&rig, &number);
        assert!(command(&rig, &["review", "accept", &number, &code, "--by", "ada"]).0);
        rig.until_okta("both have one account each", |okta| {
            okta.user_by_anchor(&person.id).is_some_and(|u| u.id == id) && okta.user_by_anchor(&other.id).is_some()
        })
        .await;
        rig.quiet().await;
        let settled = rig.effects().len();
        rig.quiet().await;
        assert_eq!(rig.effects().len(), settled, "nothing goes round in circles");
    });
}

#[test]
fn nobody_gets_a_second_account_because_a_rule_of_correlation_fails_for_them() {
    on_a_system(async {
        let mut setup = Setup::of(6);
        setup.in_okta = 5;
        setup.rewrite = |text| {
            text + "\n[[correlation]]\nattribute = \"email\"\n\
                    value = \"employee.office_direct_dial == 'none' ? employee.email.split('@')[7] : employee.email\"\n\
                    confidence = \"certain\"\n"
        };
        setup.people[5].direct_dial = "none".into();
        let mut rig = Rig::new(setup);
        rig.run().await;
        let who = rig.setup.people[5].id.clone();
        let reason = async |rig: &Rig| {
            let all = rig.quarantined().await;
            all.into_iter().find(|(profile, _)| *profile == who).map(|(_, why)| why).unwrap_or_default()
        };
        rig.until("they wait", async |rig| reason(rig).await.contains("not known whether they have an account")).await;
        assert!(rig.world.okta.core().user_by_anchor(&who).is_none(), "none was made");
        rig.edit(5, |person| person.direct_dial = "+1 555 0100".into());
        rig.until_okta("with the profile mended they get theirs", |okta| okta.user_by_anchor(&who).is_some()).await;
    });
}
