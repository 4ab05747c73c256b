//! Decisions about who is whom: bound to what was shown, by two people where it takes two, and taken apart again; and
//! anchors that several accounts carry.

use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::domain::plan::leaver::WhyAccess;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Person, Status as Hired};
use namely_okta_sync::store::{
    LeaverWithAccess, Linked, OperatorRequest, Opined, Opinion, Store, attention, leavers_with_access, linked, opine,
    request, review_outlook, reviews, split_outlook,
};
use serde_json::{Value, json};
use std::time::Duration;

const SECOND: &str = "0e9f4a10-0000-4000-8000-000000000021";

/// Somebody says that a match is right, having seen `code`.
fn accept(rig: &Rig, review: i64, code: &str, who: &str, same_person: bool) -> Opined {
    let operator = Store::operator(rig.store().path()).expect("opens");
    let why = same_person.then_some("she has two jobs");
    let opinion = Opinion { accept: true, code, same_person, why, by: who, principal: who };
    let rules = rig.store().rules().load();
    let said = opine(&operator, &rules, review, &opinion, rig.world.clock.now()).expect("writes");
    rig.service().decided.notify_one();
    said
}

/// The number and the code of the only review about a profile.
fn shown(rig: &Rig, profile: &str) -> (i64, String) {
    let reader = Store::reader(rig.store().path()).expect("opens");
    let queue = reviews(&reader, false).expect("reads");
    let review = queue.iter().find(|review| review.profile == profile).expect("a review");
    let rules = rig.store().rules().load();
    let (_, outlook) =
        review_outlook(&reader, &rules, review.id, rig.world.clock.now()).expect("reads").expect("there");
    (review.id, outlook.expect("undecided").code)
}

fn link_of(rig: &Rig, profile: &str) -> Linked {
    let reader = Store::reader(rig.store().path()).expect("opens");
    linked(&reader, None, None).expect("reads").into_iter().find(|link| link.profile == profile).expect("linked")
}

/// Takes a profile from what it is linked to, as it was shown.
fn split(rig: &Rig, profile: &str) {
    let operator = Store::operator(rig.store().path()).expect("opens");
    let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
    let (link, outlook) = split_outlook(&operator, &rules, "sandbox", profile, now).expect("reads").expect("linked");
    assert_eq!(outlook.refused, None);
    let asked = OperatorRequest::Split { tenant: link.tenant, profile: profile.into(), why: "somebody else".into() };
    request(&operator, "sandbox", &asked, &decider("ada"), now).expect("writes");
    rig.service().decided.notify_one();
}

async fn waits(rig: &Rig, profile: &str, words: &str) {
    rig.until("it waits", async |rig| {
        rig.quarantined().await.iter().any(|(found, why)| found == profile && why.contains(words))
    })
    .await;
}

/// A profile of another name with the address of somebody who works here.
async fn two_of_one_address() -> (Rig, Person, Person) {
    let rig = Rig::settled(Setup::of(6)).await;
    let first = rig.setup.people[4].clone();
    let (first_name, last_name) = ("Married".to_owned(), "Otherwise".to_owned());
    let second = Person { id: SECOND.into(), first_name, last_name, manager: None, ..first.clone() };
    rig.hire(second.clone());
    waits(&rig, SECOND, "names differ").await;
    (rig, first, second)
}

#[test]
fn two_active_profiles_of_one_tenant_become_one_person_by_two_people_who_say_why_and_a_split_takes_it_back() {
    on_a_system(async {
        let (rig, first, second) = two_of_one_address().await;
        let account = rig.world.okta.core().user_by_anchor(&first.id).expect("an account").id.clone();
        let (review, code) = shown(&rig, SECOND);
        assert!(matches!(accept(&rig, review, "abc", "ada", true), Opined::Changed { .. }), "without having seen it");
        assert_eq!(accept(&rig, review, &code, "ada", false), Opined::SayWhy { tenant: "sandbox".into() });
        assert_eq!(accept(&rig, review, &code, "ada", true), Opined::Needs { more: 1 });
        assert_eq!(accept(&rig, review, &code, "ada", true), Opined::Again);
        rig.quiet().await;
        assert_ne!(link_of(&rig, SECOND).target, link_of(&rig, &first.id).target, "one person is not enough");
        assert_eq!(accept(&rig, review, &code, "ben", true), Opined::Decided);
        rig.until("they are one", async |rig| link_of(rig, SECOND).target == link_of(rig, &first.id).target).await;
        rig.quiet().await;
        assert_eq!(link_of(&rig, SECOND).rule, "review");
        split(&rig, SECOND);
        rig.until("they are two", async |rig| link_of(rig, SECOND).target != link_of(rig, &first.id).target).await;
        rig.edit(6, |p| p.direct_dial = "+1 555 0777".into());
        rig.quiet().await;
        assert_ne!(link_of(&rig, SECOND).target, link_of(&rig, &first.id).target, "no rule makes the match again");
        let okta = rig.world.okta.core();
        let user = okta.users().find(|user| user.id == account).expect("there");
        assert!(user.is_live(), "nobody's access ends by it");
        assert_eq!(user.profile["firstName"], json!(first.first_name));
        assert_ne!(okta.user_by_anchor(&second.id).map(|user| &user.id), Some(&account));
    });
}

/// An inactive profile of another department that a rule has joined to somebody who works in its tenant.
async fn joined_while_inactive() -> (Rig, Person, Person) {
    let rig = Rig::settled(Setup::of(6)).await;
    let first = rig.setup.people[4].clone();
    let department = (first.department + 1) % 8;
    let second = Person { id: SECOND.into(), status: Hired::Inactive, department, manager: None, ..first.clone() };
    rig.hire(second.clone());
    rig.until("they are one", async |rig| is_linked(rig, SECOND).await).await;
    assert_eq!(link_of(&rig, SECOND).target, link_of(&rig, &first.id).target);
    rig.quiet().await;
    (rig, first, second)
}

async fn is_linked(rig: &Rig, profile: &'static str) -> bool {
    let count = rig.store().run(move |c| {
        Ok(c.query_row("SELECT count(*) FROM link WHERE profile = ?1", [profile], |row| row.get::<i64>(0))?)
    });
    count.await.expect("reads") > 0
}

/// What Okta holds of the person of a profile, whose account carries its anchor.
fn held(rig: &Rig, anchor: &str) -> (Status, Value, Vec<String>) {
    let okta = rig.world.okta.core();
    let user = okta.user_by_anchor(anchor).expect("an account");
    (user.status, json!(user.profile), okta.groups_of(&user.id).into_iter().collect())
}

#[test]
fn a_profile_that_a_rule_joined_while_it_was_inactive_is_asked_about_when_it_becomes_active_and_gives_nothing_before() {
    on_a_system(async {
        let (rig, first, _) = joined_while_inactive().await;
        let before = held(&rig, &first.id);
        rig.edit(6, |p| p.status = Hired::Active);
        waits(&rig, SECOND, "active there too").await;
        rig.quiet().await;
        assert_eq!(held(&rig, &first.id), before, "nothing is given or changed");
        rig.edit(6, |p| p.email = "somewhere.else@example.com".into());
        rig.quiet().await;
        waits(&rig, SECOND, "active there too").await;
        assert_eq!(held(&rig, &first.id), before, "another address is no answer");
        let (review, code) = shown(&rig, SECOND);
        assert_eq!(accept(&rig, review, &code, "ada", false), Opined::SayWhy { tenant: "sandbox".into() });
        assert_eq!(accept(&rig, review, &code, "ada", true), Opined::Needs { more: 1 });
        assert_eq!(accept(&rig, review, &code, "ben", true), Opined::Decided);
        rig.until("they are one", async |rig| link_of(rig, SECOND).target == link_of(rig, &first.id).target).await;
        rig.quiet().await;
        let groups = held(&rig, &first.id).2;
        assert_ne!(groups, before.2, "both positions count");
        for status in [Hired::Inactive, Hired::Active] {
            rig.edit(6, |p| p.status = status);
            rig.quiet().await;
        }
        assert_eq!(held(&rig, &first.id).2, groups, "what two people have said holds when they come back");
        assert_eq!(link_of(&rig, SECOND).target, link_of(&rig, &first.id).target);
    });
}

#[test]
fn whoever_leaves_while_it_is_asked_whether_two_active_profiles_are_one_person_is_ended() {
    on_a_system(async {
        let (rig, first, _) = joined_while_inactive().await;
        rig.edit(6, |p| p.status = Hired::Active);
        waits(&rig, SECOND, "active there too").await;
        rig.edit(4, |p| p.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| {
            okta.user_by_anchor(&first.id).is_some_and(|user| user.status == Status::Deprovisioned)
        })
        .await;
    });
}

/// A configuration in which nobody is asked whether a new profile is somebody who has left.
fn by_rule(text: String) -> String {
    text + "\n[rehire]\nnew_profile = \"match\"\n"
}

#[test]
fn the_old_profile_of_a_rehire_that_becomes_active_again_is_asked_about_and_the_new_one_keeps_the_account() {
    on_a_system(async {
        let setup = Setup { rewrite: by_rule, ..Setup::of(6) };
        let rig = Rig::settled(setup).await;
        let old = rig.setup.people[4].clone();
        rig.edit(4, |p| p.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| okta.user_by_anchor(&old.id).is_some_and(|user| !user.is_live())).await;
        rig.quiet().await;
        rig.hire(Person { id: SECOND.into(), ..old.clone() });
        rig.until_okta("they are back", |okta| okta.user_by_anchor(SECOND).is_some_and(|user| user.is_live())).await;
        rig.quiet().await;
        rig.edit(4, |p| p.status = Hired::Active);
        waits(&rig, &old.id, "active there too").await;
        rig.quiet().await;
        assert!(held(&rig, SECOND).0 != Status::Deprovisioned);
        assert!(rig.world.okta.core().user_by_anchor(&old.id).is_none(), "nobody is made");
    });
}

#[test]
fn a_match_that_one_person_accepted_while_a_profile_was_inactive_takes_two_when_it_becomes_active() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(6)).await;
        let first = rig.setup.people[4].clone();
        let second = Person {
            id: SECOND.into(),
            last_name: "Otherwise".into(),
            status: Hired::Inactive,
            manager: None,
            ..first.clone()
        };
        rig.hire(second);
        waits(&rig, SECOND, "names differ").await;
        let (review, code) = shown(&rig, SECOND);
        assert_eq!(accept(&rig, review, &code, "ada", false), Opined::Decided);
        rig.until("they are one", async |rig| link_of(rig, SECOND).target == link_of(rig, &first.id).target).await;
        rig.quiet().await;
        rig.edit(6, |p| p.status = Hired::Active);
        rig.until("they are two", async |rig| link_of(rig, SECOND).target != link_of(rig, &first.id).target).await;
        waits(&rig, SECOND, "").await;
        let (review, code) = shown(&rig, SECOND);
        assert_eq!(accept(&rig, review, &code, "ada", true), Opined::Needs { more: 1 });
    });
}

#[test]
fn a_code_of_what_has_changed_since_is_refused_with_what_changed() {
    on_a_system(async {
        let (rig, _, _) = two_of_one_address().await;
        let (review, code) = shown(&rig, SECOND);
        rig.edit(6, |p| p.last_name = "Otherwise Still".into());
        rig.until("it is seen", async |rig| shown(rig, SECOND).1 != code).await;
        let said = accept(&rig, shown(&rig, SECOND).0, &code, "ada", true);
        assert!(matches!(&said, Opined::Changed { what, .. } if what.contains("profiles")), "{said:?}");
        assert_eq!(shown(&rig, SECOND).0, review, "the number stays");
    });
}

#[test]
fn a_split_of_somebody_alone_keeps_the_account_as_it_is_with_nobody() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(6)).await;
        let person = rig.setup.people[4].clone();
        let link = link_of(&rig, &person.id);
        assert!(link.anchored && link.rule == "anchor" && link.evidence.contains(&person.id), "{link:?}");
        let account = link.account.expect("an account");
        split(&rig, &person.id);
        rig.until("the account is nobody's", async |rig| link_of(rig, &person.id).account.is_none()).await;
        rig.edit(4, |p| p.status = Hired::Inactive);
        rig.quiet().await;
        assert_eq!(status(&rig, &account), Status::Active);
        // Their own account has ended; the one that is said to be somebody else's is access by that decision.
        let open = with_access(&rig).await;
        let [one] = &open[..] else { panic!("{open:?}") };
        assert_eq!((one.why, &one.profile, one.login.is_some()), (WhyAccess::ByDecision, &person.id, true));
        assert!(one.message.contains("by decision of ada") && one.message.contains(&account), "{one:?}");
    });
}

#[test]
fn a_leaver_whose_account_is_split_from_them_is_a_leaver_with_access_by_decision_until_it_is_decided_again() {
    on_a_system(async {
        let rewrite =
            |text: String| text + "\n[[safeguards.limits]]\nchange = \"deactivate\"\npeople = 0\nshare = 0.0\n";
        let rig = Rig::settled(Setup { rewrite, ..Setup::of(6) }).await;
        let person = rig.setup.people[4].clone();
        let account = link_of(&rig, &person.id).account.expect("an account");
        rig.edit(4, |p| p.status = Hired::Inactive);
        rig.until("they are held", async |rig| rig.store().backlog().await.expect("reads").held == 1).await;
        split(&rig, &person.id);
        let has_none = async |rig: &Rig| link_of(rig, &person.id).account.is_none() && rig.backlog().await == 0;
        rig.until("the account is nobody's", has_none).await;
        let open = with_access(&rig).await;
        let [one] = &open[..] else { panic!("{open:?}") };
        assert!(one.why == WhyAccess::ByDecision && one.message.contains("by decision of ada"), "{one:?}");
        assert!(one.message.contains("asked again on") && one.command.starts_with("review show "), "{one:?}");
        let said =
            rig.pairs("SELECT kind, row FROM audit WHERE kind IN ('searched', 'done') ORDER BY seq DESC LIMIT 2").await;
        assert!(
            said.iter().all(|(_, row)| row.contains("left alone by decision of ada")),
            "never that there is none: {said:?}"
        );
        // A month later it is a question again, which the review takes an answer to.
        let later = rig.world.clock.now() + Duration::from_secs(31 * 86_400);
        let rules = rig.store().rules().load();
        let open = rig.store().run(move |c| leavers_with_access(c, &rules, later)).await.expect("reads");
        assert!(open[0].why == WhyAccess::Held && open[0].message.contains("decide again"), "{open:?}");
        let review: i64 = one.command.trim_start_matches("review show ").parse().expect("a number");
        let operator = Store::operator(rig.store().path()).expect("opens");
        let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
        let (_, outlook) = review_outlook(&operator, &rules, review, now).expect("reads").expect("there");
        let code = outlook.expect("it is asked again").code;
        drop(operator);
        assert_eq!(accept(&rig, review, &code, "ben", false), Opined::Decided);
        rig.until("the account is theirs again", async |rig| link_of(rig, &person.id).account.is_some()).await;
        rig.until("its end is held", async |rig| rig.store().backlog().await.expect("reads").held == 1).await;
        assert_eq!(status(&rig, &account), Status::Active);
        assert_eq!(with_access(&rig).await[0].why, WhyAccess::Held);
    });
}

fn seed(rig: &Rig, login: &str, anchor: &str) -> String {
    let profile =
        json!({ "login": login, "email": login, "firstName": "Second", "lastName": "One", "namelyId": anchor });
    let now = rig.world.clock.now();
    rig.world.okta.core().seed_user(profile, Status::Active, &[], now)
}

async fn ambiguous(rig: &Rig, profile: &str) -> bool {
    let found = rig
        .store()
        .run({
            let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
            move |c| attention(c, &rules, now)
        })
        .await
        .expect("reads");
    found.iter().any(|item| item.what == "ambiguous" && item.profile == profile)
}

/// Leavers who would have access ten minutes from now.
async fn with_access(rig: &Rig) -> Vec<LeaverWithAccess> {
    let (rules, now) = (rig.store().rules().load(), rig.world.clock.now() + Duration::from_secs(600));
    rig.store().run(move |c| leavers_with_access(c, &rules, now)).await.expect("reads")
}

fn status(rig: &Rig, id: &str) -> Status {
    rig.world.okta.core().users().find(|user| user.id == id).map(|user| user.status).expect("there")
}

#[test]
fn of_two_accounts_with_the_anchor_of_a_leaver_the_proved_one_ends_and_the_other_waits_for_a_decision() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(6)).await;
        let person = rig.setup.people[4].clone();
        let ours = link_of(&rig, &person.id).account.expect("an account");
        let other = seed(&rig, "a.second@example.com", &person.id);
        rig.store()
            .run({
                let now = rig.world.clock.now();
                move |c| request(c, "sandbox", &OperatorRequest::Reconcile, &decider("ada"), now).map(drop)
            })
            .await
            .expect("asks");
        rig.until("both are named", async |rig| ambiguous(rig, &person.id).await).await;
        let namesake = Person {
            id: "00000000-0000-4000-8000-00000000abcd".into(),
            email: "a.namesake@example.com".into(),
            employee_id: "90001".into(),
            ..person.clone()
        };
        rig.world.namely.core().hire(namesake.clone(), rig.world.clock.now());
        rig.until_okta("whoever has the same name does not wait for that", |okta| {
            okta.user_by_anchor(&namesake.id).is_some()
        })
        .await;
        rig.edit(4, |p| p.status = Hired::Inactive);
        rig.until_okta("the proved one ends", |okta| {
            okta.users().any(|user| user.id == ours && user.status == Status::Deprovisioned)
        })
        .await;
        rig.quiet().await;
        assert_eq!(status(&rig, &other), Status::Active, "nobody guesses");
        let (review, code) = shown(&rig, &person.id);
        let found = with_access(&rig).await;
        assert!(found.len() == 1 && found[0].message.contains(&other) && found[0].why.pages(), "{found:?}");
        assert_eq!(found[0].command, format!("review show {review}"));
        assert_eq!(accept(&rig, review, &code, "ada", false), Opined::Decided);
        rig.until("the other one ends too", async |rig| status(rig, &other) == Status::Deprovisioned).await;
        rig.quiet().await;
        assert_eq!(status(&rig, &ours), Status::Deprovisioned);
        assert_eq!(with_access(&rig).await, []);
    });
}

#[test]
fn of_a_leaver_none_of_whose_accounts_is_proved_the_sessions_of_all_are_revoked_and_no_account_is_touched() {
    on_a_system(async {
        let mut setup = Setup::of(6);
        setup.in_okta = 5;
        let mut rig = Rig::new(setup);
        let person = rig.setup.people[5].clone();
        let both = [seed(&rig, "first@example.com", &person.id), seed(&rig, "second@example.com", &person.id)];
        rig.run().await;
        waits(&rig, &person.id, "several accounts carry the anchor").await;
        rig.quiet().await;
        assert_eq!(rig.effects(), Vec::<String>::new(), "nobody is given anything by it");
        assert!(ambiguous(&rig, &person.id).await);
        rig.edit(5, |p| p.status = Hired::Inactive);
        waits(&rig, &person.id, "the sessions of all of these were revoked").await;
        rig.quiet().await;
        let mut touched = rig.effects();
        touched.sort();
        let mut wanted: Vec<String> = both.iter().map(|id| format!("DELETE /api/v1/users/{id}/sessions")).collect();
        wanted.sort();
        let bare: Vec<String> =
            touched.iter().map(|call| call.split('?').next().unwrap_or_default().to_owned()).collect();
        assert_eq!(bare, wanted);
        assert!(both.iter().all(|id| status(&rig, id) == Status::Active));
        let found = with_access(&rig).await;
        assert!(found.len() == 1 && both.iter().all(|id| found[0].message.contains(id)), "{found:?}");
    });
}

#[test]
fn an_account_with_the_anchor_of_somebody_who_has_been_ended_is_asked_about_when_a_list_shows_it() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(6)).await;
        let person = rig.setup.people[4].clone();
        let ours = link_of(&rig, &person.id).account.expect("an account");
        rig.edit(4, |p| p.status = Hired::Inactive);
        rig.until("they are out", async |rig| status(rig, &ours) == Status::Deprovisioned).await;
        rig.quiet().await;
        let other = seed(&rig, "a.second@example.com", &person.id);
        let now = rig.world.clock.now();
        let asks = rig.store().run(move |c| request(c, "sandbox", &OperatorRequest::Reconcile, &decider("ada"), now));
        asks.await.expect("asks");
        rig.until("both are named", async |rig| ambiguous(rig, &person.id).await).await;
        rig.quiet().await;
        let (review, code) = shown(&rig, &person.id);
        let found = with_access(&rig).await;
        assert!(found.len() == 1 && found[0].command == format!("review show {review}"), "{found:?}");
        assert_eq!(status(&rig, &other), Status::Active, "nobody guesses");
        assert_eq!(accept(&rig, review, &code, "ada", false), Opined::Decided);
        rig.until("the other one ends too", async |rig| status(rig, &other) == Status::Deprovisioned).await;
        rig.quiet().await;
        assert_eq!(with_access(&rig).await, []);
    });
}
