//! Calls whose answers never come: what they do when they land at last is undone, one person's trouble stays theirs, and whatever
//! ends an access goes out meanwhile.

use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::okta::{self, Okta};
use namely_okta_sync::sandbox::population::{Hr, Person, Status as Hired};
use namely_okta_sync::sandbox::world::today;
use serde_json::json;
use std::time::Duration;

fn status_of(okta: &Okta, anchor: &str) -> Option<Status> {
    okta.user_by_anchor(anchor).map(|user| user.status)
}

async fn count(rig: &Rig, sql: &'static str) -> i64 {
    rig.store().run(move |c| Ok(c.query_row(sql, [], |row| row.get::<i64>(0))?)).await.expect("reads")
}

async fn unanswered(rig: &Rig) -> i64 {
    count(rig, "SELECT count(*) FROM unanswered").await
}

/// A call that something in between has kept until now.
async fn land(rig: &Rig, path: &str, body: serde_json::Value) {
    let url = format!("{}{path}", rig.world.okta.url());
    let token = format!("SSWS {}", okta::Options::default().token);
    let sent = reqwest::Client::new().post(url).header("authorization", token).json(&body).send().await;
    assert!(sent.expect("an answer").status().is_success(), "{path}");
}

fn a_joiner(rig: &Rig, seed: u64) -> Person {
    let mut person = Hr::new(seed, today(rig.world.clock.now())).joiner(1);
    person.email = format!("late{seed}@example.com");
    person
}

#[test]
fn an_account_that_a_lost_call_makes_after_its_owner_has_left_is_found_and_ended() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let person = a_joiner(&rig, 71);
        rig.world.okta.core().faults.add(Fault::always("POST", "/api/v1/users?", Kind::Reset));
        rig.hire(person.clone());
        rig.until("the call was lost", async |rig| unanswered(rig).await > 0).await;
        let at = rig.setup.people.len();
        rig.edit(at, |p| p.status = Hired::Inactive);
        let done = "SELECT count(*) FROM audit WHERE kind = 'searched'";
        rig.until("nobody was found", async |rig| count(rig, done).await > 0 && rig.backlog().await == 0).await;
        rig.world.okta.core().faults.clear();
        let profile = json!({ "login": person.email, "email": person.email, "firstName": person.first_name,
            "lastName": person.last_name, "namelyId": person.id });
        land(&rig, "/api/v1/users?activate=true", json!({ "profile": profile })).await;
        rig.until_okta("they are out", |okta| status_of(okta, &person.id) == Some(Status::Deprovisioned)).await;
    });
}

#[test]
fn access_that_a_lost_call_gives_to_a_leaver_after_their_end_is_ended_again() {
    on_a_system(async {
        let rig = Rig::settled(Setup { clock: Clock::scaled_from_today(10.0), ..Setup::of(8) }).await;
        let anchor = rig.setup.people[3].id.clone();
        let id = rig.world.okta.core().user_by_anchor(&anchor).expect("an account").id.clone();
        let out = |okta: &Okta| status_of(okta, &anchor) == Some(Status::Deprovisioned);
        rig.edit(3, |p| p.status = Hired::Inactive);
        rig.until_okta("they are out", out).await;
        rig.until("that is proved", async |rig| rig.backlog().await == 0).await;
        rig.world.okta.core().faults.add(Fault::always("POST", "/lifecycle/activate", Kind::Reset));
        rig.edit(3, |p| p.status = Hired::Active);
        rig.until("the call was lost", async |rig| unanswered(rig).await > 0).await;
        rig.edit(3, |p| p.status = Hired::Inactive);
        let left = "SELECT count(*) FROM work w JOIN target t ON t.id = w.target
                    WHERE w.dirty_rev = w.done_rev AND t.ended_at IS NOT NULL AND t.was = 'ended'
                    AND t.id IN (SELECT target FROM unanswered)";
        rig.until("they are as planned", async |rig| count(rig, left).await == 1).await;
        rig.world.okta.core().faults.clear();
        land(&rig, &format!("/api/v1/users/{id}/lifecycle/activate?sendEmail=false"), json!({})).await;
        rig.until_okta("it has landed", |okta| !out(okta)).await;
        rig.until_okta("they are out again", out).await;
    });
}

#[test]
fn odd_answers_about_one_leaver_keep_nobody_else_from_being_ended_or_made() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let person = |n: usize| rig.setup.people[n].clone();
        let active: Vec<usize> = (0..12).filter(|n| person(*n).status == Hired::Active).collect();
        let id = |n: usize| rig.world.okta.core().user_by_anchor(&person(n).id).expect("an account").id.clone();
        let (odd, others) = active.split_first().expect("somebody");
        let path = format!("/users/{}", id(*odd));
        for kind in [Kind::Answer { status: 302, body: String::new() }, Kind::Reset] {
            rig.world.okta.core().faults.add(Fault::some(0.5, "", &path, kind));
        }
        let page = Kind::Answer { status: 200, body: "<html>sign in</html>".into() };
        rig.world.okta.core().faults.add(Fault::always("", &path, page));
        rig.edit(*odd, |p| p.status = Hired::Inactive);
        rig.until("they are tried in vain", async |rig| {
            count(rig, "SELECT count(*) FROM audit WHERE kind = 'effect' AND row LIKE '%unknown%'").await > 2
        })
        .await;
        for n in others.iter().take(4) {
            rig.edit(*n, |p| p.status = Hired::Inactive);
        }
        let joiner = a_joiner(&rig, 72);
        rig.hire(joiner.clone());
        for n in others.iter().take(4) {
            let anchor = person(*n).id;
            rig.until_okta("others are out", |okta| status_of(okta, &anchor) == Some(Status::Deprovisioned)).await;
        }
        rig.until_okta("somebody is made", |okta| status_of(okta, &joiner.id).is_some()).await;
        let paused = rig.service().readiness.reasons();
        assert!(!paused.contains_key("okta (sandbox)"), "nothing is paused for one person: {paused:?}");
        rig.world.okta.core().faults.clear();
        let anchor = person(*odd).id;
        rig.until_okta("and so are they", |okta| status_of(okta, &anchor) == Some(Status::Deprovisioned)).await;
    });
}

#[test]
fn a_leaver_is_ended_as_a_whole_while_writes_are_paused_because_answers_are_about_others() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let active: Vec<usize> = (0..12).filter(|n| rig.setup.people[*n].status == Hired::Active).collect();
        let [leaver, stranger, movers @ ..] = &active[..] else { panic!("too few") };
        let email = |n: usize| rig.setup.people[n].email.clone();
        for n in movers.iter().take(3) {
            let about = Kind::AboutAnother(email(*stranger));
            rig.world
                .okta
                .core()
                .faults
                .add(Fault::always("", "/api/v1/users/", about).about(&rig.setup.people[*n].id));
            rig.edit(*n, |p| p.direct_dial = "+1 555 123".into());
        }
        let is_paused = |rig: &Rig| rig.service().readiness.reasons().contains_key("okta answers (sandbox)");
        rig.until("writes are paused", async |rig| is_paused(rig)).await;
        rig.edit(*leaver, |p| p.status = Hired::Inactive);
        let anchor = rig.setup.people[*leaver].id.clone();
        rig.until_okta("they are out of all groups that anybody can leave", |okta| {
            let user = okta.user_by_anchor(&anchor).expect("an account");
            user.status == Status::Deprovisioned && okta.groups_of(&user.id).is_empty()
        })
        .await;
        assert!(is_paused(&rig));
    });
}

#[test]
fn a_leaver_is_out_although_the_call_that_ends_their_sessions_is_never_answered() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(6)).await;
        let n = (0..6).find(|n| rig.setup.people[*n].status == Hired::Active).expect("somebody");
        let hangs = Kind::Slow(Duration::from_secs(20 * 60)); // a minute of real time
        rig.world.okta.core().faults.add(Fault::always("DELETE", "/sessions", hangs));
        rig.edit(n, |p| p.status = Hired::Inactive);
        let anchor = rig.setup.people[n].id.clone();
        rig.until_okta("they are out", |okta| status_of(okta, &anchor) == Some(Status::Deprovisioned)).await;
        let okta = rig.world.okta.core();
        let hanging = okta.history().exchanges().iter().find(|e| e.method == "DELETE" && e.path.contains("/sessions"));
        let hanging = hanging.expect("it was sent");
        assert!(
            hanging.answered.is_none_or(|answered| answered > rig.world.clock.now()),
            "nobody has waited for its answer"
        );
    });
}
