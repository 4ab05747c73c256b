//! Which login somebody has, whatever happens to their address and to whoever has it.

use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Hr, Person};
use namely_okta_sync::sandbox::world::today;
use serde_json::json;

fn with_login(text: String, keys: &str) -> String {
    format!("{text}\n[mapping.login]\n{keys}\n")
}

fn joiner(rig: &Rig, seed: u64) -> Person {
    let mut person = Hr::new(seed, today(rig.world.clock.now())).joiner(1);
    person.email = format!("joiner{seed}@example.com");
    person
}

fn values(okta: &Okta, anchor: &str) -> Option<[String; 2]> {
    let user = okta.user_by_anchor(anchor)?;
    Some(["login", "email"].map(|key| user.profile[key].as_str().unwrap_or_default().to_owned()))
}

#[test]
fn a_login_that_is_kept_stays_whatever_the_address_becomes_while_okta_has_no_room() {
    on_a_system(async {
        let mut setup = Setup::of(8);
        setup.rewrite = |text| with_login(text, "keep = true");
        let rig = Rig::settled(setup).await;
        let person = rig.setup.people[3].clone();
        let new = joiner(&rig, 61);
        {
            let mut okta = rig.world.okta.core();
            let busy = || Kind::Throttle { retry_after: Some(1) };
            okta.faults.add(Fault::first(1, "POST", "/api/v1/users?", Kind::LoseReply));
            okta.faults.add(Fault::first(6, "POST", "/api/v1/users/*", busy()));
            okta.faults.add(Fault::first(6, "GET", "/api/v1/users/*", busy()));
        }
        rig.hire(new.clone());
        rig.edit(3, |p| p.email = "first.change@example.com".into());
        rig.until_okta("the account of the hire is made", |okta| okta.user_by_anchor(&new.id).is_some()).await;
        rig.edit(3, |p| p.email = "second.change@example.com".into());
        let hired = rig.world.namely.core().people().position(|p| p.id == new.id).expect("hired");
        rig.world.namely.core().edit(hired, rig.world.clock.now(), |p| p.email = "married@example.com".into());
        rig.until_okta("the addresses are there", |okta| {
            values(okta, &person.id).is_some_and(|[_, email]| email == "second.change@example.com")
                && values(okta, &new.id).is_some_and(|[_, email]| email == "married@example.com")
        })
        .await;
        rig.until("they are done", async |rig| rig.backlog().await == 0).await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        assert_eq!(values(&okta, &person.id).expect("there")[0], person.email);
        assert_eq!(values(&okta, &new.id).expect("there")[0], new.email);
    });
}

/// A hire whose address is the login of a deactivated account that is nobody's, a member of "Break Glass Accounts".
async fn held_by_a_deactivated_account(keys: fn(String) -> String) -> (Rig, Person, String) {
    let mut setup = Setup::of(8);
    setup.rewrite = keys;
    setup.okta.edit_deactivated = true;
    let mut rig = Rig::new(setup);
    let new = joiner(&rig, 62);
    let profile = json!({ "login": new.email, "email": new.email, "firstName": "Old", "lastName": "Account" });
    let holder = {
        let (mut okta, now) = (rig.world.okta.core(), rig.world.clock.now());
        let group = okta.seed_group("Break Glass Accounts", "OKTA_GROUP", now);
        okta.seed_user(profile, Status::Deprovisioned, &[group], now)
    };
    rig.run().await;
    rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    rig.hire(new.clone());
    (rig, new, holder)
}

#[test]
fn a_deactivated_account_that_holds_a_login_is_avoided_without_a_question_where_that_is_configured() {
    on_a_system(async {
        let keys = |text| with_login(text, "deactivated_holders = \"avoid\"\nnumber = true");
        let (rig, new, _) = held_by_a_deactivated_account(keys).await;
        rig.until_okta("they have an account", |okta| okta.user_by_anchor(&new.id).is_some()).await;
        let [login, _] = values(&rig.world.okta.core(), &new.id).expect("there");
        assert_eq!(login, new.email.replace('@', "2@"));
    });
}

#[test]
fn a_deactivated_account_that_holds_a_login_is_renamed_without_a_question_where_that_is_configured() {
    on_a_system(async {
        let keys = |text| with_login(text, "deactivated_holders = \"rename\"");
        let (rig, new, holder) = held_by_a_deactivated_account(keys).await;
        rig.until_okta("they have an account", |okta| okta.user_by_anchor(&new.id).is_some()).await;
        let [login, _] = values(&rig.world.okta.core(), &new.id).expect("there");
        assert_eq!(login, new.email);
        assert!(rig.effects().iter().any(|call| call.contains(&holder)), "{:?}", rig.effects());
    });
}

#[test]
fn a_protected_account_keeps_the_login_that_it_holds_although_it_is_deactivated() {
    on_a_system(async {
        let keys = |text| {
            with_login(text, "deactivated_holders = \"rename\"") + "\n[protected]\ngroups = [\"Break Glass*\"]\n"
        };
        let (rig, new, holder) = held_by_a_deactivated_account(keys).await;
        rig.until("they wait", async |rig| !rig.quarantined().await.is_empty()).await;
        let (_, why) = rig.quarantined().await.remove(0);
        assert!(why.contains("a member of the protected group \"Break Glass Accounts\""), "{why}");
        assert!(!rig.effects().iter().any(|call| call.contains(&holder)), "{:?}", rig.effects());
        assert!(rig.world.okta.core().user_by_anchor(&new.id).is_none());
    });
}

#[test]
fn nobody_gives_up_a_login_for_one_that_its_owner_may_not_leave() {
    on_a_system(async {
        let mut setup = Setup::of(8);
        setup.rewrite = |text| text + "\n[protected]\nlogins = [\"glass.*\"]\n";
        let people = &mut setup.people;
        people[4].email = "glass.one@example.com".into();
        let rig = Rig::settled(setup).await;
        let (one, other) = (rig.setup.people[3].clone(), rig.setup.people[4].clone());
        rig.edit(3, |p| p.email = other.email.clone());
        rig.edit(4, |p| p.email = one.email.clone());
        rig.until("who waits says so", async |rig| {
            rig.quarantined().await.iter().any(|(profile, why)| *profile == one.id && why.contains(&other.email))
        })
        .await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        assert_eq!(values(&okta, &one.id).expect("there")[0], one.email, "a login that works");
        assert_eq!(values(&okta, &other.id).expect("there")[0], other.email);
    });
}
