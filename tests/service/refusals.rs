//! Okta refuses: whoever has left loses what can be taken all the same, and the rest as soon as Okta lets it.

use crate::common::change::metric;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::domain::plan::leaver::WhyAccess;
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Person, Status as Hired};
use namely_okta_sync::store::{LeaverWithAccess, leavers_with_access};
use std::collections::BTreeMap;
use std::time::Duration;

/// Every call of a termination: method and path.
const STEPS: [(&str, &str); 5] = [
    ("DELETE", "**/sessions"),
    ("POST", "**/lifecycle/deactivate"),
    ("GET", "/api/v1/users/*"),
    ("GET", "/api/v1/users/*/groups"),
    ("DELETE", "/api/v1/groups/*/users/*"),
];
const CODES: [(u16, &str); 9] = [
    (403, "E0000006"),
    (403, "E0000005"),
    (403, "E0000023"),
    (404, "E0000007"),
    (409, "E0000112"),
    (412, "E0000231"),
    (400, "E0000001"),
    (405, "E0000022"),
    (500, "E0000009"),
];

fn settings(n: usize) -> Setup {
    Setup { clock: Clock::scaled_from_today(40.0), ..Setup::of(n) }
}

fn is_out(okta: &Okta, anchor: &str) -> bool {
    okta.user_by_anchor(anchor).is_some_and(|u| u.status == Status::Deprovisioned && okta.groups_of(&u.id).is_empty())
}

fn leave(rig: &Rig, people: &[usize]) {
    let now = rig.world.clock.now();
    let mut namely = rig.world.namely.core();
    people.iter().for_each(|n| namely.edit(*n, now, |p| p.status = Hired::Inactive));
}

fn fault(rig: &Rig, fault: Fault) {
    rig.world.okta.core().faults.add(fault);
}

async fn with_access(rig: &Rig) -> Vec<LeaverWithAccess> {
    let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
    rig.store().run(move |c| leavers_with_access(c, &rules, now)).await.expect("reads")
}

/// Puts somebody into so many groups that the mapping does not know.
fn crowd(rig: &Rig, person: &Person, groups: usize) {
    let mut okta = rig.world.okta.core();
    let id = okta.user_by_anchor(&person.id).expect("an account").id.clone();
    for n in 0..groups {
        let group = okta.seed_group(&format!("Club {n}"), "OKTA_GROUP", rig.world.clock.now());
        okta.seed_member(&group, &id);
    }
}

#[test]
fn a_leaver_is_out_whatever_okta_refuses_once_at_any_call() {
    on_a_system(async {
        let rig = Rig::settled(settings(60)).await;
        let mut people = 0..60;
        let mut leavers = Vec::new();
        for (method, path) in STEPS {
            for (status, code) in CODES {
                let n = people.next().expect("enough people");
                let refusal = Fault::first(1, method, path, Kind::refusal(status, code));
                fault(&rig, refusal.about(&rig.setup.people[n].id));
                leavers.push(n);
            }
        }
        leave(&rig, &leavers);
        for n in leavers {
            let id = rig.setup.people[n].id.clone();
            rig.until_okta(&format!("person {n} is out"), |okta| is_out(okta, &id)).await;
        }
        rig.quiet().await;
        assert!(rig.quarantined().await.is_empty(), "{:?}", rig.quarantined().await);
    });
}

#[test]
fn where_okta_does_not_deactivate_sessions_and_groups_go_the_account_is_suspended_and_it_is_tried_until_it_ends() {
    on_a_system(async {
        let rewrite = |text: String| text + "\n[alerts]\nleaver_access = \"1s\"\n";
        let rig = Rig::settled(Setup { rewrite, ..settings(12) }).await;
        let cases = [
            Kind::refusal(403, "E0000006"),
            Kind::refusal(403, "E0000023"),
            Kind::refusal(404, "E0000007"),
            Kind::refusal(409, "E0000112"),
            Kind::NoEffect,
        ];
        for (n, kind) in cases.iter().enumerate() {
            let always = Fault::always("POST", "**/lifecycle/deactivate", kind.clone());
            fault(&rig, always.about(&rig.setup.people[n].id));
        }
        let people: Vec<usize> = (0..cases.len()).collect();
        leave(&rig, &people);
        for n in &people {
            let id = rig.setup.people[*n].id.clone();
            rig.until_okta(&format!("everything else of person {n} is taken"), |okta| {
                okta.user_by_anchor(&id).is_some_and(|user| {
                    user.status == Status::Suspended
                        && user.sessions_revoked.is_some_and(|(_, tokens)| tokens)
                        && okta.groups_of(&user.id).is_empty()
                })
            })
            .await;
        }
        // Who is told to wait (409) waits; the others are refused.
        rig.until("it is said why", async |rig| rig.quarantined().await.len() == people.len() - 1).await;
        for (_, why) in rig.quarantined().await {
            assert!(why.contains("deactivate"), "{why}");
        }
        assert!(with_access(&rig).await.iter().all(|leaver| leaver.why != WhyAccess::ByDecision));
        let refused = with_access(&rig).await.into_iter().filter(|leaver| leaver.why == WhyAccess::Refused);
        let refused: Vec<String> = refused.map(|leaver| leaver.message).collect();
        assert_eq!(refused.len(), people.len() - 1, "a leaver who is only suspended has access: {refused:?}");
        rig.until("those who watch see it", async |rig| {
            let line = r#"namely_okta_sync_leavers_with_access{org="sandbox",why="refused"}"#;
            metric(rig, line) == Some(4.0)
        })
        .await;
        rig.world.okta.core().faults.clear();
        for n in people {
            let id = rig.setup.people[n].id.clone();
            rig.until_okta(&format!("person {n} is out"), |okta| is_out(okta, &id)).await;
        }
        rig.until("nobody waits any more", async |rig| rig.quarantined().await.is_empty()).await;
        rig.quiet().await;
        assert_eq!(with_access(&rig).await, []);
    });
}

#[test]
fn one_group_that_okta_keeps_does_not_keep_the_others() {
    on_a_system(async {
        let rig = Rig::settled(settings(6)).await;
        crowd(&rig, &rig.setup.people[2], 5);
        let person = rig.setup.people[2].id.clone();
        let kept = {
            let okta = rig.world.okta.core();
            okta.group_names().into_iter().find(|(_, name)| name == "Club 3").expect("a group").0
        };
        fault(&rig, Fault::denied("DELETE", &format!("/groups/{kept}/users/")));
        leave(&rig, &[2]);
        rig.until("one group is left, and it is said", async |rig| {
            let okta = rig.world.okta.core();
            let user = okta.user_by_anchor(&person).expect("an account");
            okta.groups_of(&user.id).into_iter().eq(["Club 3".to_owned()])
        })
        .await;
        rig.until("it is said", async |rig| {
            rig.quarantined().await.iter().any(|(_, why)| why.contains("Club 3") && why.contains("access is closed"))
        })
        .await;
        rig.world.okta.core().faults.clear();
        rig.until_okta("they are out", |okta| is_out(okta, &person)).await;
    });
}

#[test]
fn a_removal_that_okta_accepts_without_effect_is_named_tried_again_and_proved_only_when_it_is_shown() {
    on_a_system(async {
        let rig = Rig::settled(settings(6)).await;
        crowd(&rig, &rig.setup.people[2], 3);
        let person = rig.setup.people[2].id.clone();
        let kept = {
            let okta = rig.world.okta.core();
            okta.group_names().into_iter().find(|(_, name)| name == "Club 1").expect("a group").0
        };
        fault(&rig, Fault::always("DELETE", &format!("/groups/{kept}/users/"), Kind::NoEffect));
        // A list that lags a little is no reason to tell anybody.
        let lag = Fault::first(1, "DELETE", "/api/v1/groups/*/users/*", Kind::NoEffect);
        fault(&rig, lag.about(&rig.setup.people[4].id));
        leave(&rig, &[2, 4]);
        rig.until("one group is left, and it is said", async |rig| {
            let left = {
                let okta = rig.world.okta.core();
                let user = okta.user_by_anchor(&person).expect("an account");
                okta.groups_of(&user.id)
            };
            let quarantined = rig.quarantined().await;
            let is_said = quarantined.iter().any(|(_, why)| why.contains("Club 1") && why.contains("shown a member"));
            left.into_iter().eq(["Club 1".to_owned()]) && is_said
        })
        .await;
        let done = "SELECT a.kind, a.at || '' FROM work w JOIN audit a ON a.target = w.target AND a.kind = 'done'
                    WHERE w.state = 1 AND a.seq >
                      (SELECT max(seq) FROM audit WHERE target = w.target AND kind = 'observed')";
        assert_eq!(rig.pairs(done).await, [], "not done, so not proved");
        rig.world.okta.core().faults.clear();
        rig.until_okta("they are out", |okta| is_out(okta, &person)).await;
        rig.until_okta("so is the other one", |okta| is_out(okta, &rig.setup.people[4].id)).await;
        rig.quiet().await;
        assert!(rig.quarantined().await.is_empty());
        let message = rig.pairs("SELECT kind, target || '' FROM audit WHERE kind = 'quarantined'").await;
        let targets: std::collections::BTreeSet<String> = message.into_iter().map(|(_, target)| target).collect();
        assert_eq!(targets.len(), 1, "of the one whose list lagged nobody was told");
    });
}

#[test]
fn a_deactivation_that_okta_puts_off_does_not_keep_the_account_open_for_longer_than_the_first_answer() {
    on_a_system(async {
        let rig = Rig::settled(settings(8)).await;
        let codes = [(409, "E0000112"), (423, "E0000239"), (403, "E0000006"), (500, "E0000009"), (412, "E0000231")];
        for (n, (status, code)) in codes.into_iter().enumerate() {
            let always = Fault::always("POST", "**/lifecycle/deactivate", Kind::refusal(status, code));
            fault(&rig, always.about(&rig.setup.people[n].id));
        }
        leave(&rig, &[0, 1, 2, 3, 4]);
        for n in 0..codes.len() {
            let id = rig.setup.people[n].id.clone();
            rig.until_okta(&format!("person {n} is suspended and in no group"), |okta| {
                let user = okta.user_by_anchor(&id).expect("an account");
                user.status == Status::Suspended && okta.groups_of(&user.id).is_empty()
            })
            .await;
        }
        let okta = rig.world.okta.core();
        for (n, code) in codes.iter().enumerate() {
            let user = okta.user_by_anchor(&rig.setup.people[n].id).expect("an account").id.clone();
            let calls = okta.history().exchanges().iter().filter(|e| e.path.contains(&user));
            let calls: Vec<&str> = calls.map(|e| e.path.rsplit('/').next().unwrap_or_default()).collect();
            let suspended = calls.iter().position(|call| *call == "suspend").expect("a suspension");
            let before = calls[..suspended].iter().filter(|call| **call == "deactivate").count();
            assert_eq!(before, 1, "{code:?}: {calls:?}");
        }
    });
}

#[test]
fn a_leaver_in_hundreds_of_groups_that_are_younger_than_the_service_loses_all_of_them() {
    on_a_system(async {
        let rig = Rig::settled(settings(6)).await;
        crowd(&rig, &rig.setup.people[2], 450);
        let person = rig.setup.people[2].id.clone();
        leave(&rig, &[2]);
        rig.until_okta("they are out", |okta| is_out(okta, &person)).await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        let lists = okta.history().exchanges().iter().filter(|e| e.method == "GET" && e.path.ends_with("/groups"));
        let id = okta.user_by_anchor(&person).expect("an account").id.clone();
        assert_eq!(lists.filter(|e| e.path.contains(&id)).count(), 4, "200 at a time, and once that they are gone");
    });
}

#[test]
fn who_comes_back_before_everything_was_taken_comes_back_without_it() {
    on_a_system(async {
        let mut setup = settings(6);
        setup.rewrite = |text| text + "\n[termination]\nsecond_thoughts = \"0s\"\n";
        let rig = Rig::settled(setup).await;
        let person = rig.setup.people[2].clone();
        crowd(&rig, &person, 3);
        fault(&rig, Fault::denied("GET", "/api/v1/users/*/groups"));
        leave(&rig, &[2]);
        rig.until_okta("the account is closed", |okta| {
            okta.user_by_anchor(&person.id).is_some_and(|user| user.status == Status::Deprovisioned)
        })
        .await;
        rig.world.okta.core().faults.clear();
        fault(&rig, Fault::denied("DELETE", "/api/v1/groups/*/users/*"));
        rig.edit(2, |p| p.status = Hired::Active);
        rig.until("access waits, with the reason", async |rig| {
            rig.quarantined().await.iter().any(|(profile, why)| *profile == person.id && why.contains("remove_group"))
        })
        .await;
        let status = |rig: &Rig| rig.world.okta.core().user_by_anchor(&person.id).expect("an account").status;
        assert_eq!(status(&rig), Status::Deprovisioned);
        rig.world.okta.core().faults.clear();
        rig.edit(2, |p| p.direct_dial = "+1 555 7".into());
        rig.until("they are back", async |rig| status(rig) != Status::Deprovisioned).await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        let groups = okta.groups_of(&okta.user_by_anchor(&person.id).expect("an account").id);
        assert!(groups.iter().all(|name| !name.starts_with("Club")), "{groups:?}");
        assert!(!groups.is_empty(), "what the mapping gives is there");
    });
}

#[test]
fn an_answer_about_somebody_else_ends_nobody_elses_access_and_the_leaver_is_out() {
    on_a_system(async {
        let rig = Rig::settled(settings(6)).await;
        let (leaver, other) = (rig.setup.people[2].id.clone(), rig.setup.people[3].id.clone());
        let wrong = Fault::first(2, "GET", "/api/v1/users/*", Kind::AboutAnother(other.clone()));
        fault(&rig, wrong.about(&leaver));
        leave(&rig, &[2]);
        rig.until_okta("they are out", |okta| is_out(okta, &leaver)).await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        let stranger = okta.user_by_anchor(&other).expect("an account");
        assert_eq!(stranger.status, Status::Active);
        assert!(stranger.sessions_revoked.is_none() && !okta.groups_of(&stranger.id).is_empty());
    });
}

#[test]
fn answers_about_other_people_stop_writes_but_no_termination_and_right_ones_let_them_go_on() {
    on_a_system(async {
        let rig = Rig::settled(settings(8)).await;
        let people: Vec<String> = rig.setup.people.iter().map(|person| person.id.clone()).collect();
        for n in [1, 2] {
            let wrong = Fault::always("", "/api/v1/users/*", Kind::AboutAnother(people[5].clone()));
            fault(&rig, wrong.about(&people[n]));
            rig.edit(n, |p| p.direct_dial = "+1 555 9".into());
        }
        let paused = |rig: &Rig| metric(rig, r#"namely_okta_sync_okta_paused{org="sandbox",scope="okta answers"}"#);
        rig.until("writes are paused", async |rig| paused(rig) == Some(1.0)).await;
        leave(&rig, &[4]);
        rig.until_okta("the account of a leaver is closed", |okta| {
            okta.user_by_anchor(&people[4]).is_some_and(|user| user.status == Status::Deprovisioned)
        })
        .await;
        rig.world.okta.core().faults.clear();
        rig.edit(6, |p| p.direct_dial = "+1 555 9".into());
        rig.until_okta("everything goes on", |okta| {
            let is_reported = |id: &String| {
                okta.user_by_anchor(id).is_some_and(|u| u.profile.get("primaryPhone").is_some_and(|t| t == "+1 555 9"))
            };
            [1, 2, 6].iter().all(|n| is_reported(&people[*n])) && is_out(okta, &people[4])
        })
        .await;
        assert_eq!(paused(&rig), Some(0.0));
        let okta = rig.world.okta.core();
        assert_eq!(okta.user_by_anchor(&people[5]).expect("an account").status, Status::Active);
    });
}

#[test]
fn a_leaver_whose_account_okta_denies_for_a_moment_leaves_every_group_all_the_same() {
    on_a_system(async {
        let rig = Rig::settled(settings(8)).await;
        let person = rig.setup.people[4].clone();
        crowd(&rig, &person, 3);
        let by_id = Fault::first(3, "GET", "/api/v1/users/00u*", Kind::refusal(404, "E0000007"));
        fault(&rig, by_id.about(&person.id));
        leave(&rig, &[4]);
        rig.until_okta("they are out", |okta| is_out(okta, &person.id)).await;
        rig.quiet().await;
        assert!(rig.world.okta.core().faults.are_spent(), "Okta has denied it each time");
    });
}

#[test]
fn a_leaver_whom_okta_says_to_suspend_and_does_not_is_out_before_the_grace_is_over() {
    on_a_system(async {
        let rewrite = |text: String| text.replace("[leave]", "[termination]\ngrace = \"14d\"\n\n[leave]");
        let rig = Rig::settled(Setup { rewrite, ..settings(8) }).await;
        fault(&rig, Fault::always("POST", "/lifecycle/suspend", Kind::NoEffect).about(&rig.setup.people[4].id));
        leave(&rig, &[3, 4]);
        let status = |okta: &Okta, n: usize| okta.user_by_anchor(&rig.setup.people[n].id).map(|user| user.status);
        rig.until_okta("the one is out", |okta| status(okta, 4) == Some(Status::Deprovisioned)).await;
        rig.until_okta("the other is suspended", |okta| status(okta, 3) == Some(Status::Suspended)).await;
        rig.quiet().await;
        assert_eq!(status(&rig.world.okta.core(), 3), Some(Status::Suspended));
    });
}

#[test]
fn leavers_whom_okta_neither_deactivates_nor_suspends_are_tried_ever_more_rarely_and_keep_nobody_else_waiting() {
    on_a_system(async {
        let rig = Rig::settled(settings(20)).await;
        for what in ["deactivate", "suspend"] {
            fault(&rig, Fault::denied("POST", &format!("**/lifecycle/{what}")));
        }
        let leavers: Vec<usize> = (0..14).collect();
        leave(&rig, &leavers);
        let paused = |rig: &Rig, action: &str| {
            let series = format!("namely_okta_sync_okta_paused{{org=\"sandbox\",scope=\"okta users {action}\"}}");
            metric(rig, &series) == Some(1.0)
        };
        rig.until("it is told of both", async |rig| paused(rig, "deactivate") && paused(rig, "suspend")).await;
        let begin = rig.world.clock.now();
        rig.hire(Person { id: "11111111-2222-4333-8444-555555555555".into(), ..newcomer(&rig) });
        rig.until_okta("a new hire has an account", |okta| {
            okta.user_by_anchor("11111111-2222-4333-8444-555555555555").is_some()
        })
        .await;
        assert!(paused(&rig, "deactivate") && paused(&rig, "suspend"), "what others need goes on meanwhile");
        assert!(rig.world.clock.now().since(begin) < Duration::from_secs(60), "nobody waits for another window");
        rig.until_later("ten minutes", Duration::from_secs(600)).await;
        let calls = |id: &str| {
            let okta = rig.world.okta.core();
            let ends = |path: &str| path.contains(id) && path.contains("/lifecycle/");
            okta.history().exchanges().iter().filter(|exchange| ends(&exchange.path)).count()
        };
        let tries =
            rig.pairs("SELECT l.profile, CAST(w.attempt AS TEXT) FROM work w JOIN link l ON l.target = w.target");
        let tries: BTreeMap<String, String> = tries.await.into_iter().collect();
        for n in leavers {
            let anchor = &rig.setup.people[n].id;
            let id = rig.world.okta.core().user_by_anchor(anchor).expect("an account").id.clone();
            let (calls, tries): (usize, usize) = (calls(&id), tries[anchor].parse().expect("a number"));
            assert!((4..=9).contains(&tries), "person {n}: {tries} tries in ten minutes");
            assert!(calls <= 2 * tries + 4, "person {n}: {calls} calls in {tries} tries");
        }
    });
}

/// Somebody who is like the first of the tenant, and not them.
fn newcomer(rig: &Rig) -> Person {
    let like = rig.setup.people[19].clone();
    Person {
        first_name: "Nadia".into(),
        last_name: "Newcomer".into(),
        email: "nadia.newcomer@example.com".into(),
        employee_id: "999777".into(),
        ..like
    }
}
