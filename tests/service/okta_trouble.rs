//! What happens when Okta, the token or the network is in trouble: the service says so, waits, goes on by itself, and
//! nobody is lost.

use crate::common::change::{NUMBER, active, change_everybody, changed, metric};
use crate::common::keys::Key;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::okta::auth::{Credentials, Key as PrivateKey, ServiceApp};
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::okta::{HeaderView, ScopeError};
use namely_okta_sync::sandbox::population::{DEPARTMENTS, Status as Hired};
use std::time::Duration;

const SCOPES: [&str; 5] =
    ["okta.users.manage", "okta.groups.manage", "okta.roles.read", "okta.linkedObjects.read", "okta.schemas.read"];

fn service_app(key: &Key) -> Credentials {
    let key = PrivateKey::read(&key.pem, Some("k1".into())).expect("a key");
    Credentials::ServiceApp(ServiceApp { client_id: "0oaservice".into(), key, dpop: false, scopes: SCOPES.to_vec() })
}

fn is_paused(rig: &Rig, scope: &str) -> bool {
    metric(rig, &format!("namely_okta_sync_okta_paused{{org=\"sandbox\",scope=\"{scope}\"}}")) == Some(1.0)
        && rig.service().readiness.reasons().contains_key(&format!("{scope} (sandbox)"))
}

/// Trouble begins while everybody is being changed; `paused` says so; when it is over all is done, and nothing twice.
async fn weathers(
    mut setup: Setup,
    credentials: Option<Credentials>,
    paused: &str,
    why: &str,
    trouble: impl Fn(&Rig),
    over: impl Fn(&Rig),
) {
    setup.okta.latency = 0.2;
    let mut rig = Rig::new(setup);
    rig.credentials = credentials;
    rig.run().await;
    rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    let people = active(&rig);
    change_everybody(&rig);
    rig.until_okta("some are changed", |okta| changed(okta) > 0).await;
    trouble(&rig);
    rig.until("the trouble is told", async |rig| is_paused(rig, paused)).await;
    assert!(!rig.service().readiness.is_ready());
    let said = rig.service().readiness.reasons()[&format!("{paused} (sandbox)")].clone();
    assert!(said.contains(why), "{said}");
    let asked = || rig.world.okta.core().history().exchanges().len();
    let before = asked();
    rig.until_later("a minute", Duration::from_secs(60)).await;
    let tries = asked() - before;
    assert!(tries <= 40, "one call at a time tries it, not {tries} in a minute");
    over(&rig);
    rig.until("everybody is changed", async |rig| {
        changed(&rig.world.okta.core()) >= people && rig.backlog().await == 0
    })
    .await;
    rig.until("it is ready again", async |rig| rig.service().readiness.is_ready()).await;
    assert_eq!(metric(&rig, &format!("namely_okta_sync_okta_paused{{org=\"sandbox\",scope=\"{paused}\"}}")), Some(0.0));
    assert_eq!(rig.quarantined().await, []);
}

#[test]
fn a_token_revoked_in_the_middle_of_a_burst_pauses_everything_until_it_is_accepted_again() {
    on_a_system(async {
        let revoke = |rig: &Rig| rig.world.okta.core().revoke_tokens();
        let restore = |rig: &Rig| rig.world.okta.core().restore_tokens();
        weathers(Setup::of(200), None, "okta", "E0000011", revoke, restore).await;
    });
}

#[test]
fn an_app_that_loses_its_credentials_goes_on_when_it_has_them_back() {
    on_a_system(async {
        let key = Key::ec("k1");
        let mut setup = Setup::of(200);
        setup.okta.service_apps = vec![key.app("0oaservice", &SCOPES, false)];
        let app = setup.okta.service_apps[0].clone();
        let remove = |rig: &Rig| {
            let mut okta = rig.world.okta.core();
            okta.expire_access_tokens();
            okta.options.service_apps.clear();
        };
        let put_back = |rig: &Rig| rig.world.okta.core().options.service_apps.push(app.clone());
        weathers(setup, Some(service_app(&key)), "okta", "invalid_client", remove, put_back).await;
    });
}

#[test]
fn read_only_mode_pauses_writes_and_ends_with_the_first_write_that_works() {
    on_a_system(async {
        let on = |rig: &Rig| rig.world.okta.core().read_only = true;
        let off = |rig: &Rig| rig.world.okta.core().read_only = false;
        weathers(Setup::of(200), None, "okta writes", "E0000010", on, off).await;
    });
}

#[test]
fn a_proxy_that_answers_in_oktas_place_is_recognised() {
    on_a_system(async {
        let page = "<html><body>Access denied by policy</body></html>";
        let block = |status: u16| {
            move |rig: &Rig| {
                let answer = Kind::Answer { status, body: page.into() };
                rig.world.okta.core().faults.add(Fault::some(1.0, "", "", answer));
            }
        };
        let over = |rig: &Rig| rig.world.okta.core().faults.clear();
        weathers(Setup::of(120), None, "okta", "redirect", block(302), over).await;
        weathers(Setup::of(120), None, "okta", "web page", block(200), over).await;
    });
}

#[test]
fn a_missing_scope_pauses_its_counter_and_nothing_else_whichever_way_okta_says_it() {
    on_a_system(async {
        for scope_error in [ScopeError::Header, ScopeError::Body] {
            let key = Key::ec("k1");
            let mut setup = Setup::of(60);
            setup.okta.service_apps = vec![key.app("0oaservice", &SCOPES, false)];
            setup.okta.scope_error = scope_error;
            let mut rig = Rig::new(setup);
            rig.credentials = Some(service_app(&key));
            rig.run().await;
            rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0)
                .await;
            // The app holds a token without the scope to write groups, as after a change of its grants.
            rig.world.okta.core().narrow_access_tokens("okta.groups.manage", "okta.groups.read");
            for person in 0..30 {
                rig.edit(person, |p| p.department = (p.department + 1) % DEPARTMENTS.len());
                rig.edit(person + 30, |p| p.direct_dial = NUMBER.into());
            }
            rig.until("the counter is paused", async |rig| is_paused(rig, "okta groups writes")).await;
            rig.until("attributes are still written", async |rig| changed(&rig.world.okta.core()) > 10).await;
            rig.world.okta.core().expire_access_tokens();
            rig.until("it is over", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
            assert_eq!(rig.quarantined().await, []);
        }
    });
}

#[test]
fn a_role_that_is_taken_away_pauses_what_it_allowed_and_those_it_hit_are_tried_again() {
    on_a_system(async {
        let mut setup = Setup::of(80);
        setup.clock = Clock::scaled_from_today(4.0); // nobody waits for their own next try, a quarter of an hour later
        let rig = Rig::settled(setup).await;
        rig.world.okta.core().options.roles = vec!["READ_ONLY_ADMIN"];
        change_everybody(&rig);
        rig.until("it is paused", async |rig| is_paused(rig, "okta user_write update")).await;
        let people = active(&rig);
        rig.until("those it hit are quarantined", async |rig| rig.quarantined().await.len() >= 5).await;
        let hit = rig.quarantined().await.len();
        assert!(hit < 40, "not everybody had to be refused: {hit}");
        assert!(rig.quarantined().await.iter().all(|(_, why)| why.contains("an Okta administrator can fix it")));
        rig.world.okta.core().options.roles = vec!["SUPER_ADMIN"];
        rig.until("all are changed, those who were quarantined too", async |rig| {
            changed(&rig.world.okta.core()) >= people && rig.quarantined().await.is_empty()
        })
        .await;
    });
}

#[test]
fn without_usable_rate_limit_headers_one_call_at_a_time_goes_out_and_all_is_done() {
    on_a_system(async {
        for view in [HeaderView::Absent, HeaderView::Nonsense] {
            let mut setup = Setup::of(20);
            setup.okta.headers = view;
            let rig = Rig::settled(setup).await;
            change_everybody(&rig);
            let people = active(&rig);
            rig.until("everybody is changed", async |rig| changed(&rig.world.okta.core()) >= people).await;
            let okta = rig.world.okta.core();
            let mut at_once = okta.history().exchanges().iter().filter(|e| e.body != serde_json::Value::Null);
            let mut last = at_once.next().expect("a write").answered;
            for exchange in at_once {
                assert!(last.is_some_and(|answered| answered <= exchange.arrived), "{view:?}: two at once");
                last = exchange.answered;
            }
        }
    });
}

#[test]
fn a_429_that_does_not_say_until_when_keeps_a_leaver_for_seconds_and_not_for_a_window() {
    on_a_system(async {
        let rig = Rig::settled(Setup { clock: Clock::scaled_from_today(4.0), ..Setup::of(8) }).await;
        let throttle = Fault::first(3, "", "/api/v1/users/", Kind::Throttle { retry_after: None });
        rig.world.okta.core().faults.add(throttle);
        let now = rig.world.clock.now();
        [2, 5].into_iter().for_each(|n| rig.world.namely.core().edit(n, now, |p| p.status = Hired::Inactive));
        for n in [2, 5] {
            let id = &rig.setup.people[n].id;
            rig.until_okta("they are out", |okta| {
                okta.user_by_anchor(id).is_some_and(|user| user.status == Status::Deprovisioned)
            })
            .await;
        }
        let okta = rig.world.okta.core();
        assert!(okta.faults.are_spent());
        let refused = okta.history().exchanges().iter().filter(|e| e.status == 429).map(|e| e.arrived);
        let refused: Vec<_> = refused.collect();
        let ended = okta.history().exchanges().iter().filter(|e| e.applied && e.path.ends_with("/deactivate"));
        let last = ended.map(|e| e.arrived).max().expect("a deactivation");
        let waited = last.since(*refused.first().expect("a 429"));
        assert!(waited < Duration::from_secs(45), "{waited:?}");
        assert_eq!(refused.len(), 3);
    });
}

#[test]
fn an_org_that_cannot_be_reached_is_told_with_the_reason_and_reached_when_it_is_there() {
    on_a_system(async {
        for (url, why) in [
            ("https://org.invalid".to_owned(), "could not connect"),
            ("http://127.0.0.1:9".to_owned(), "could not connect"),
        ] {
            let mut rig = Rig::new(Setup::of(3));
            rig.okta_url = Some(url.clone());
            rig.run().await;
            rig.until("it is told", async |rig| is_paused(rig, "okta")).await;
            let said = rig.service().readiness.reasons()["okta (sandbox)"].clone();
            assert!(said.contains(why), "{url}: {said}");
        }
        // TLS to something that does not speak it: the simulator's own port.
        let mut rig = Rig::new(Setup::of(3));
        rig.okta_url = Some(rig.world.okta.url().replace("http://", "https://"));
        rig.run().await;
        rig.until("it is told", async |rig| is_paused(rig, "okta")).await;
    });
}

#[test]
fn something_that_is_not_okta_at_all_is_called_that() {
    on_a_system(async {
        // Namely's simulator answers every path it does not know like any web server.
        let mut rig = Rig::new(Setup::of(3));
        rig.okta_url = Some(rig.world.namely.url());
        rig.run().await;
        rig.until("it is told", async |rig| is_paused(rig, "okta")).await;
        let said = rig.service().readiness.reasons()["okta (sandbox)"].clone();
        assert!(said.contains("not an answer of Okta's") || said.contains("token"), "{said}");
    });
}

#[test]
fn empty_bodies_where_a_body_belongs_lose_nothing() {
    on_a_system(async {
        let mut setup = Setup::of(12);
        setup.in_okta = 10;
        let mut rig = Rig::new(setup);
        let empty = Kind::Answer { status: 200, body: String::new() };
        rig.world.okta.core().faults.add(Fault::first(2, "POST", "/api/v1/users", empty));
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let creates = rig.effects().iter().filter(|e| *e == "POST /api/v1/users").count();
        assert_eq!(creates, 2, "looked up after the empty answers, then made once each");
    });
}

#[test]
fn an_app_that_may_not_see_groups_ends_access_from_the_first_start_on() {
    on_a_system(async {
        let key = Key::ec("k1");
        let granted: Vec<&str> = SCOPES.into_iter().filter(|scope| *scope != "okta.groups.manage").collect();
        let mut setup = Setup::of(8);
        setup.okta.service_apps = vec![key.app("0oaservice", &granted, false)];
        let mut rig = Rig::new(setup);
        rig.credentials = Some(service_app(&key));
        rig.run().await;
        rig.until("what is missing is named", async |rig| {
            let reasons = rig.service().readiness.reasons();
            reasons.get("okta sandbox").is_some_and(|why| why.contains("okta.groups.manage"))
        })
        .await;
        let n = (0..8).find(|n| rig.setup.people[*n].status == Hired::Active).expect("somebody");
        rig.edit(n, |p| p.status = Hired::Inactive);
        let anchor = rig.setup.people[n].id.clone();
        rig.until_okta("they are out", |okta| {
            okta.user_by_anchor(&anchor)
                .is_some_and(|user| matches!(user.status, Status::Deprovisioned | Status::Suspended))
        })
        .await;
    });
}
