//! Who the service is to Okta: an API token, or a service app with every way of proving it.

use crate::common::keys::Key;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::okta::auth::{Credentials, Key as PrivateKey, ServiceApp};
use namely_okta_sync::okta::outcome::{Reply, classify};
use namely_okta_sync::okta::{OktaClient, Request};
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::http::Simulator;
use namely_okta_sync::sandbox::okta::users::Status::Deprovisioned;
use namely_okta_sync::sandbox::okta::{Okta, Options};
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::sandbox::world::any_port;
use std::time::Duration;

const SCOPES: [&str; 5] =
    ["okta.users.manage", "okta.groups.manage", "okta.roles.read", "okta.linkedObjects.read", "okta.schemas.read"];

fn app(key: &Key, dpop: bool) -> Credentials {
    let key = PrivateKey::read(&key.pem, Some("k1".into())).expect("a key");
    Credentials::ServiceApp(ServiceApp { client_id: "0oaservice".into(), key, dpop, scopes: SCOPES.to_vec() })
}

fn org(options: Options, clock: &Clock) -> Simulator<Okta> {
    let options = Options { limits: None, latency: 0.0, ..options };
    Simulator::start(Okta::new(options, clock.now()), any_port(), clock.clone()).expect("a port")
}

fn client(org: &Simulator<Okta>, credentials: Credentials, clock: &Clock) -> OktaClient {
    OktaClient::new(&org.url(), credentials, clock, Duration::from_secs(10)).expect("a client")
}

async fn status(client: &OktaClient) -> Result<u16, String> {
    match client.send(&Request::get("/api/v1/users?limit=1")).await {
        Reply::Answered(answer) => Ok(answer.status),
        Reply::Unauthorised(why) | Reply::NotSent(why) | Reply::Lost(why) | Reply::GivenUp(why) => Err(why),
    }
}

fn calls(org: &Simulator<Okta>, path: &str) -> usize {
    org.core().history().exchanges().iter().filter(|e| e.path == path).count()
}

#[test]
fn a_service_app_signs_in_with_rsa_and_with_elliptic_curve_keys_with_and_without_dpop() {
    on_a_system(async {
        for (key, dpop) in
            [(Key::rsa("k1"), false), (Key::rsa("k1"), true), (Key::ec("k1"), false), (Key::ec("k1"), true)]
        {
            let clock = Clock::system();
            let org =
                org(Options { service_apps: vec![key.app("0oaservice", &SCOPES, dpop)], ..Options::default() }, &clock);
            let client = client(&org, app(&key, dpop), &clock);
            let answers = futures_of(&client, 20).await;
            assert_eq!(answers, vec![Ok(200); 20], "dpop {dpop}");
            let token_calls = if dpop { 2 } else { 1 };
            assert_eq!(calls(&org, "/oauth2/v1/token"), token_calls, "one token for all; DPoP needs the nonce first");
        }
    });
}

/// `n` calls at once.
async fn futures_of(client: &OktaClient, n: usize) -> Vec<Result<u16, String>> {
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..n {
        let client = client.clone();
        calls.spawn(async move { status(&client).await });
    }
    calls.join_all().await
}

#[test]
fn an_access_token_is_renewed_before_it_ends_and_once_after_a_401() {
    on_a_system(async {
        let key = Key::ec("k1");
        let clock = Clock::scaled_from_today(1000.0);
        let org =
            org(Options { service_apps: vec![key.app("0oaservice", &SCOPES, true)], ..Options::default() }, &clock);
        let client = client(&org, app(&key, true), &clock);
        let end = clock.monotonic() + Duration::from_secs(2 * 3600 + 12 * 60);
        while clock.monotonic() < end {
            assert_eq!(status(&client).await, Ok(200));
        }
        let unauthorised = org.core().history().exchanges().iter().filter(|e| e.status == 401).count();
        assert_eq!(unauthorised, 0, "no call ever left with a token that had ended");
        assert!((3..=4).contains(&org.core().access_tokens_given()), "{}", org.core().access_tokens_given());
        org.core().expire_access_tokens();
        let before = org.core().access_tokens_given();
        assert_eq!(status(&client).await, Ok(200), "fetched anew and sent again");
        assert_eq!(org.core().access_tokens_given(), before + 1);
        org.core().revoke_tokens();
        assert_eq!(status(&client).await, Ok(401), "once, and then it is told");
    });
}

#[test]
fn a_clock_that_is_wrong_by_minutes_signs_with_the_servers_time() {
    on_a_system(async {
        for skew in [-1200, -90, 90, 1200] {
            let (key, clock) = (Key::ec("k1"), Clock::system());
            let options =
                Options { service_apps: vec![key.app("0oaservice", &SCOPES, true)], skew, ..Options::default() };
            let org = org(options, &clock);
            let client = client(&org, app(&key, true), &clock);
            for _ in 0..3 {
                assert_eq!(status(&client).await, Ok(200), "the server's clock is {skew} s ahead");
            }
        }
    });
}

#[test]
fn what_is_wrong_with_the_app_is_told_in_words_that_help() {
    on_a_system(async {
        let (key, other, clock) = (Key::ec("k1"), Key::ec("k1"), Clock::system());
        let trusted = |scopes: &[&str], dpop| Options {
            service_apps: vec![key.app("0oaservice", scopes, dpop)],
            ..Options::default()
        };
        let why = async |options: Options, credentials: Credentials| {
            let org = org(options, &clock);
            status(&client(&org, credentials, &clock)).await.expect_err("refused")
        };
        let said = why(trusted(&SCOPES, false), app(&other, false)).await;
        assert!(said.contains("invalid_client") && said.contains("signature"), "{said}");
        let said = why(trusted(&["okta.users.read"], false), app(&key, false)).await;
        assert!(said.contains("okta.groups.manage") && said.contains("API scopes"), "{said}");
        let said = why(trusted(&SCOPES, true), app(&key, false)).await;
        assert!(said.contains("set dpop = true"), "{said}");
        let said = why(Options::default(), app(&key, false)).await;
        assert!(said.contains("invalid_client"), "{said}");
    });
}

/// An app that was granted all scopes but these.
fn all_but(missing: &[&str]) -> Vec<String> {
    SCOPES.iter().filter(|scope| !missing.contains(scope)).map(|scope| (*scope).to_owned()).collect()
}

#[test]
fn a_scope_that_is_not_granted_costs_only_what_needs_it_and_is_tried_again_until_it_is() {
    on_a_system(async {
        let key = Key::ec("k1");
        for dpop in [false, true] {
            let clock = Clock::scaled_from_today(1000.0);
            let org =
                org(Options { service_apps: vec![key.app("0oaservice", &SCOPES, dpop)], ..Options::default() }, &clock);
            let missing = ["okta.groups.manage", "okta.roles.read"];
            org.core().options.service_apps[0].scopes = all_but(&missing);
            let client = client(&org, app(&key, dpop), &clock);
            assert_eq!(status(&client).await, Ok(200), "users are read");
            assert_eq!(client.auth().lacking(), missing);
            let Reply::Answered(groups) = client.send(&Request::get("/api/v1/groups?limit=1")).await else { panic!() };
            assert_eq!((groups.status, groups.not_granted()), (403, &missing[..]));
            let why = classify(&Reply::Answered(groups), false).why().unwrap_or_default().to_owned();
            assert!(why.contains("grant the app okta.groups.manage, okta.roles.read"), "{why}");
            // One is granted, then the other: each time what can be had is used, without a new start.
            for still in [&["okta.roles.read"][..], &[]] {
                org.core().options.service_apps[0].scopes = all_but(still);
                while client.auth().lacking() != still {
                    assert_eq!(status(&client).await, Ok(200), "nothing waits for the others");
                }
            }
            assert!(
                matches!(client.send(&Request::get("/api/v1/groups?limit=1")).await, Reply::Answered(a) if a.status == 200)
            );
        }
    });
}

#[test]
fn a_scope_that_is_taken_away_is_missed_at_the_next_renewal_and_nothing_else_is() {
    on_a_system(async {
        let key = Key::ec("k1");
        let clock = Clock::scaled_from_today(1000.0);
        let org =
            org(Options { service_apps: vec![key.app("0oaservice", &SCOPES, false)], ..Options::default() }, &clock);
        let client = client(&org, app(&key, false), &clock);
        assert_eq!(status(&client).await, Ok(200));
        assert!(client.auth().lacking().is_empty());
        org.core().options.service_apps[0].scopes = all_but(&["okta.linkedObjects.read"]);
        while client.auth().lacking().is_empty() {
            assert_eq!(status(&client).await, Ok(200));
        }
        assert_eq!(client.auth().lacking(), ["okta.linkedObjects.read"]);
        org.core().options.service_apps[0].scopes = all_but(&["okta.linkedObjects.read", "okta.schemas.read"]);
        while client.auth().lacking().len() < 2 {
            assert_eq!(status(&client).await, Ok(200));
        }
        let refused = org.core().history().exchanges().iter().filter(|e| e.status == 401).count();
        assert_eq!(refused, 0, "no call left without a token that is good");
    });
}

#[test]
fn a_token_that_is_good_still_is_used_while_none_can_be_fetched() {
    on_a_system(async {
        let key = Key::ec("k1");
        let clock = Clock::scaled_from_today(100.0);
        let org =
            org(Options { service_apps: vec![key.app("0oaservice", &SCOPES, false)], ..Options::default() }, &clock);
        let client = client(&org, app(&key, false), &clock);
        assert_eq!(status(&client).await, Ok(200));
        let broken = Kind::Answer { status: 503, body: "<html>".into() };
        org.core().faults.add(Fault::always("POST", "/oauth2/v1/token", broken));
        let renewal = clock.monotonic() + Duration::from_secs(3600 - 150);
        while clock.monotonic() < renewal {
            assert_eq!(status(&client).await, Ok(200));
        }
        assert!(calls(&org, "/oauth2/v1/token") > 1, "it was tried");
        org.core().faults.clear();
        let end = clock.monotonic() + Duration::from_secs(600);
        while clock.monotonic() < end {
            assert_eq!(status(&client).await, Ok(200));
        }
    });
}

#[test]
fn a_leaver_loses_access_although_the_app_was_not_granted_every_scope() {
    on_a_system(async {
        let key = Key::ec("k1");
        let mut setup = Setup::of(12);
        setup.okta.service_apps = vec![key.app("0oaservice", &SCOPES, false)];
        // What is looked at beside people is not granted from the start on. (Whoever could be an administrator, where roles
        // cannot be read, is a matter of two people: see administrators.rs.)
        setup.okta.service_apps[0].scopes = all_but(&["okta.linkedObjects.read", "okta.schemas.read"]);
        let mut rig = Rig::new(setup);
        rig.credentials = Some(app(&key, false));
        rig.run().await;
        let leaves = async |n: usize, groups: bool| {
            let id = rig.setup.people[n].id.clone();
            rig.edit(n, |person| person.status = Hired::Inactive);
            rig.until_okta("they are out", |okta| {
                let user = okta.user_by_anchor(&id).expect("an account");
                user.status == Deprovisioned && (groups || okta.groups_of(&user.id).len() <= 1)
            })
            .await;
            id
        };
        leaves(2, false).await;
        // Then the right to write memberships is taken away.
        rig.world.okta.core().options.service_apps[0].scopes = all_but(&["okta.groups.manage"]);
        rig.world.okta.core().expire_access_tokens();
        let id = leaves(3, true).await;
        rig.until("it is named what is missing", async |rig| {
            rig.service().readiness.reasons().values().any(|why| why.contains("okta.groups.manage"))
        })
        .await;
        rig.world.okta.core().options.service_apps[0].scopes = all_but(&[]);
        rig.until_okta("granted again, the groups follow", |okta| {
            okta.groups_of(&okta.user_by_anchor(&id).expect("an account").id).len() <= 1
        })
        .await;
    });
}

#[test]
fn the_whole_service_works_with_a_service_app_and_dpop() {
    on_a_system(async {
        let key = Key::ec("k1");
        let mut setup = Setup::of(12);
        setup.in_okta = 10;
        setup.okta.service_apps = vec![key.app("0oaservice", &SCOPES, true)];
        let mut rig = Rig::new(setup);
        rig.credentials = Some(app(&key, true));
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        assert_eq!(rig.effects().iter().filter(|e| *e == "POST /api/v1/users").count(), 2);
        assert_eq!(rig.world.okta.core().access_tokens_given(), 1);
    });
}
