//! Somebody leaves: sessions, account, groups, proved, before anything else.

use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::clock::{Clock, Moment};
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::history::Exchange;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::okta::{Okta, limits};
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Hr, Status as Hired};
use namely_okta_sync::sandbox::world::{population, today};
use std::collections::BTreeMap;
use std::time::Duration;

fn is_out(okta: &Okta, anchor: &str) -> bool {
    okta.user_by_anchor(anchor).is_some_and(|u| u.status == Status::Deprovisioned && okta.groups_of(&u.id).is_empty())
}

#[test]
fn a_leaver_loses_sessions_account_and_groups_in_this_order_with_proof() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let leaver = rig.setup.people[5].clone();
        rig.edit(5, |person| person.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| is_out(okta, &leaver.id)).await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        let user = okta.user_by_anchor(&leaver.id).expect("there");
        assert!(user.sessions_revoked.is_some_and(|(_, tokens)| tokens), "OAuth tokens go with the sessions");
        let calls: Vec<String> = okta
            .history()
            .exchanges()
            .iter()
            .filter(|e| e.user.as_deref() == Some(user.id.as_str()))
            .map(|e| format!("{} {}", e.method, e.path.replace(&user.id, "U")))
            .collect();
        let begin = [
            "DELETE /api/v1/users/U/sessions",
            "POST /api/v1/users/U/lifecycle/deactivate",
            "DELETE /api/v1/users/U/sessions",
            "GET /api/v1/users/U",
            "GET /api/v1/users/U/groups",
        ];
        assert_eq!(calls[..5], begin);
        assert_eq!(calls.len(), 8, "one for each of two groups, and one that shows that they are gone: {calls:?}");
        assert_eq!(calls[7], begin[4]);
    });
}

#[test]
fn the_last_day_ends_at_midnight_where_the_tenant_is() {
    on_a_system(async {
        // 23:59:20 in New York, twenty times as fast as real time.
        let midnight = Moment::from("2026-05-02T04:00:00Z".parse::<jiff::Timestamp>().expect("a time"));
        let clock = Clock::scaled(midnight - Duration::from_secs(100), 20.0);
        let mut setup = Setup::of(4);
        setup.people = population(4, 1, clock.now());
        setup.people[2].departure_date = Some("2026-05-01".parse().expect("a date"));
        setup.clock = clock;
        let leaver = setup.people[2].id.clone();
        let rig = Rig::settled(setup).await;
        assert!(rig.world.clock.now() < midnight, "the machine was too slow for this test");
        assert!(!is_out(&rig.world.okta.core(), &leaver), "the last day is a working day");
        rig.until_okta("they are out", |okta| is_out(okta, &leaver)).await;
        let okta = rig.world.okta.core();
        let deactivated =
            okta.history().exchanges().iter().find(|e| e.path.ends_with("/deactivate")).expect("a call").arrived;
        assert!(deactivated >= midnight, "{deactivated} is before {midnight}");
    });
}

#[test]
fn a_termination_overtakes_a_burst_of_joiners() {
    on_a_system(async {
        let mut setup = Setup::of(20);
        setup.okta.limits = Some(limits::Table { users: 120, ..limits::WORKFORCE });
        setup.okta.latency = 0.3;
        setup.clock = Clock::scaled_from_today(40.0);
        let rig = Rig::settled(setup).await;
        let mut hr = Hr::new(99, today(rig.world.clock.now()));
        for n in 0..300 {
            let mut joiner = hr.joiner(1);
            joiner.email = format!("burst{n}@example.com");
            rig.hire(joiner);
        }
        rig.until_okta("the burst is under way", |okta| okta.users().count() > 60).await;
        let leaver = rig.setup.people[9].id.clone();
        rig.edit(9, |person| person.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| {
            okta.user_by_anchor(&leaver).is_some_and(|u| u.status == Status::Deprovisioned)
        })
        .await;
        let joined = rig.world.okta.core().users().count() - 21;
        assert!(joined < 250, "{joined} of 300 joiners came first");
        rig.until_okta("everybody is there", |okta| okta.users().count() == 321).await;
    });
}

#[test]
fn a_termination_stops_what_is_going_on_for_the_same_person_between_two_steps() {
    on_a_system(async {
        let mut setup = Setup::of(12);
        setup.okta.latency = 30.0; // longer a step than it takes to see an edit
        let rig = Rig::settled(setup).await;
        let (person, anchor) = (7, rig.setup.people[7].id.clone());
        let new = (rig.setup.people[person].department + 1) % DEPARTMENTS.len();
        let old = format!("Department {}", rig.setup.people[person].department());
        rig.edit(person, |p| (p.department, p.direct_dial) = (new, "+1 555 1".into()));
        rig.until_okta("the first step is done", |okta| {
            okta.user_by_anchor(&anchor).is_some_and(|user| !okta.groups_of(&user.id).contains(&old))
        })
        .await;
        rig.edit(person, |p| p.status = Hired::Inactive);
        rig.until_okta("the account is closed", |okta| is_out(okta, &anchor)).await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        let user = okta.user_by_anchor(&anchor).expect("an account").id.clone();
        let writes = okta.history().exchanges().iter().filter(|e| e.applied && e.user.as_ref() == Some(&user));
        let writes: Vec<String> = writes.map(|e| format!("{} {}", e.method, e.path)).collect();
        let at = |what: &str| writes.iter().position(|w| w.contains(what));
        let closed = at("/lifecycle/deactivate").expect("deactivated");
        assert!(closed <= 3, "one step may have been under way: {writes:?}");
        let update = writes.iter().position(|w| *w == format!("POST /api/v1/users/{user}"));
        assert_eq!(update, None, "the last step of the old plan was never sent: {writes:?}");
    });
}

#[test]
fn a_leaver_is_out_even_if_okta_refuses_to_end_the_sessions() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(6)).await;
        let body = r#"{"errorCode":"E0000006","errorSummary":"no"}"#;
        rig.world.okta.core().faults.add(Fault::some(
            1.0,
            "DELETE",
            "/sessions",
            Kind::Answer { status: 403, body: body.into() },
        ));
        let leaver = rig.setup.people[3].id.clone();
        rig.edit(3, |person| person.status = Hired::Inactive);
        rig.until_okta("they are out", |okta| is_out(okta, &leaver)).await;
    });
}

#[test]
fn somebody_without_an_email_still_leaves() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(6)).await;
        let leaver = rig.setup.people[3].id.clone();
        rig.edit(3, |person| {
            person.status = Hired::Inactive;
            person.email = String::new();
        });
        rig.until_okta("they are out", |okta| is_out(okta, &leaver)).await;
    });
}

#[test]
fn an_account_that_was_already_deactivated_is_read_and_counts_as_done() {
    for status in [404, 403] {
        on_a_system(async move {
            let mut setup = Setup::of(6);
            setup.okta.deactivated_again = status;
            let rig = Rig::settled(setup).await;
            let leaver = rig.setup.people[3].id.clone();
            let (id, url) = {
                let okta = rig.world.okta.core();
                (okta.user_by_anchor(&leaver).expect("there").id.clone(), rig.world.okta.url())
            };
            // Somebody in IT was faster, after the service had primed.
            let token = &rig.setup.okta.token;
            let call = reqwest::Client::new().post(format!("{url}/api/v1/users/{id}/lifecycle/deactivate"));
            let call = call.header("Authorization", format!("SSWS {token}")).header("Content-Length", "0");
            assert_eq!(call.send().await.expect("answers").status(), 200);
            rig.edit(3, |person| person.status = Hired::Inactive);
            rig.until_okta("they are out of their groups too", |okta| is_out(okta, &leaver)).await;
            rig.quiet().await;
            assert!(rig.quarantined().await.is_empty());
        });
    }
}

#[test]
fn a_call_that_finds_no_sessions_and_no_app_says_nothing_about_the_account_and_the_groups_are_taken() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(6)).await;
        let leaver = rig.setup.people[3].id.clone();
        for path in ["/sessions", "/api/v1/apps/*/users/*"] {
            rig.world.okta.core().faults.add(Fault::always("DELETE", path, Kind::refusal(404, "E0000007")));
        }
        rig.edit(3, |person| person.status = Hired::Inactive);
        rig.until_okta("they are out of their groups too", |okta| is_out(okta, &leaver)).await;
        rig.quiet().await;
        let okta = rig.world.okta.core();
        let id = &okta.user_by_anchor(&leaver).expect("there").id;
        let created = okta.history().exchanges().iter().filter(|e| e.user.as_ref() == Some(id));
        assert!(created.filter(|e| e.method == "POST" && e.path == "/api/v1/users").count() == 0);
    });
}

#[test]
fn what_is_asked_before_movers_lose_a_group_leaves_the_reserve_to_leavers() {
    on_a_system(async {
        let mut setup = Setup::of(100);
        setup.okta.limits = Some(limits::Table { users: 60, ..limits::WORKFORCE });
        setup.rewrite = |text| text + "\n[protected]\ngroups = [\"Break Glass*\"]\n";
        let rig = Rig::settled(setup).await;
        for n in 0..100 {
            rig.edit(n, |person| person.department = (person.department + 1) % DEPARTMENTS.len());
        }
        // When each call of a window came, from its first: by the number of the window.
        let windows = |okta: &Okta| {
            let mut windows: BTreeMap<u64, Vec<Moment>> = BTreeMap::new();
            for exchange in okta.history().exchanges() {
                if let Some(("/api/v1/users", number)) = exchange.window {
                    windows.entry(number).or_default().push(exchange.arrived);
                }
            }
            windows
        };
        let is_read =
            |e: &Exchange| e.method == "GET" && e.path.starts_with("/api/v1/users/") && e.path.ends_with("/groups");
        rig.until_okta("more were asked about than a window allows", |okta| {
            okta.history().exchanges().iter().filter(|e| is_read(e)).count() > 65
        })
        .await;
        for (number, calls) in windows(&rig.world.okta.core()) {
            // The reserve is kept until the last seconds of a window: a tenth of 60.
            let early = calls.iter().filter(|at| at.since(calls[0]) < Duration::from_secs(45)).count();
            assert!(early <= 54, "{early} calls in the first 45 s of window {number}, and nobody was a leaver");
        }
    });
}

#[test]
fn who_is_put_into_a_protected_group_right_after_a_change_or_into_one_that_becomes_it_is_not_touched() {
    on_a_system(async {
        let mut setup = Setup::of(20);
        setup.rewrite = |text| text + "\n[protected]\ngroups = [\"Break Glass*\"]\n";
        let rig = Rig::settled(setup).await;
        let people = [&rig.setup.people[3], &rig.setup.people[5]].map(|person| person.id.clone());
        let writes = |anchor: &str| {
            let okta = rig.world.okta.core();
            let id = okta.user_by_anchor(anchor).expect("an account").id.clone();
            let of_them = |e: &&Exchange| e.method != "GET" && e.user.as_deref() == Some(&id);
            okta.history().exchanges().iter().filter(of_them).count()
        };
        // A transfer takes a group: so the groups of the first are read, moments before they change.
        rig.edit(3, |person| person.department = (person.department + 1) % DEPARTMENTS.len());
        let department =
            format!("Department {}", DEPARTMENTS[(rig.setup.people[3].department + 1) % DEPARTMENTS.len()]);
        rig.until_okta("they have moved", |okta| {
            okta.user_by_anchor(&people[0]).is_some_and(|user| okta.groups_of(&user.id).contains(&department))
        })
        .await;
        rig.quiet().await;
        let before = people.each_ref().map(|anchor| writes(anchor));
        {
            let (mut okta, now) = (rig.world.okta.core(), rig.world.clock.now());
            for (anchor, name) in people.iter().zip(["Break Glass Accounts", "Night Shift"]) {
                let group = okta.seed_group(name, "OKTA_GROUP", now);
                let id = okta.user_by_anchor(anchor).expect("an account").id.clone();
                okta.seed_member(&group, &id);
            }
        }
        // The second is known to be in a group of another name: a transfer has shown it.
        rig.edit(5, |person| person.department = (person.department + 1) % DEPARTMENTS.len());
        rig.until("they have moved too", async |_| writes(&people[1]) > before[1]).await;
        rig.quiet().await;
        let before = people.each_ref().map(|anchor| writes(anchor));
        {
            let mut okta = rig.world.okta.core();
            let names = okta.group_names();
            let night = names.iter().find(|(_, name)| *name == "Night Shift").expect("the group").0.clone();
            okta.rename_group(&night, "Break Glass at night");
        }
        [3, 5].into_iter().for_each(|n| rig.edit(n, |person| person.status = Hired::Inactive));
        let message =
            async |rig: &Rig| rig.quarantined().await.iter().filter(|(_, why)| why.contains("protected")).count() == 2;
        rig.until("both are told", message).await;
        assert_eq!(people.each_ref().map(|anchor| writes(anchor)), before);
        let okta = rig.world.okta.core();
        assert!(
            people.iter().all(|anchor| okta.user_by_anchor(anchor).is_some_and(|user| user.status == Status::Active))
        );
    });
}
