//! Okta's limits: kept whatever the org shows and whoever else calls, and told to people as the time that is left.

use crate::common::change::{NUMBER, active, change_everybody, changed, metric};
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use namely_okta_sync::sandbox::history::{Exchange, Rejection};
use namely_okta_sync::sandbox::okta::limits::{Table, WORKFORCE};
use namely_okta_sync::sandbox::okta::{self, HeaderView};
use std::time::Duration;

const SMALL: Table = Table { users: 200, user_write: 30, groups: 60, ..WORKFORCE };

/// A world whose org allows few calls a minute.
fn small(options: okta::Options) -> Setup {
    let mut setup = Setup::of(60);
    setup.clock = Clock::scaled_from_today(40.0);
    setup.okta = okta::Options { limits: Some(SMALL), latency: 0.3, principal_share: 1.0, ..options };
    setup
}

/// Everybody is changed, and no call was one too many.
async fn keeps_within_limits(options: okta::Options) {
    let rig = Rig::settled(small(options)).await;
    change_everybody(&rig);
    let people = active(&rig);
    rig.until("everybody is changed", async |rig| changed(&rig.world.okta.core()) >= people).await;
    let okta = rig.world.okta.core();
    let ours = okta
        .history()
        .exchanges()
        .iter()
        .filter(|e| matches!(e.rejected, Some(Rejection::Principal | Rejection::Concurrency)));
    assert_eq!(ours.count(), 0, "a 429 of our own");
}

#[test]
fn limits_are_kept_whichever_counter_the_headers_show_while_others_spend_the_org() {
    on_a_system(async {
        for headers in [HeaderView::Principal, HeaderView::Tighter] {
            let competition = Some(okta::Competition { share: 0.3 });
            keeps_within_limits(okta::Options { headers, competition, ..okta::Options::default() }).await;
        }
    });
}

#[test]
fn limits_are_kept_when_the_servers_clock_is_minutes_off_and_searches_are_counted_apart() {
    on_a_system(async {
        for skew in [-400, 400] {
            keeps_within_limits(okta::Options { skew, search_bucket: true, ..okta::Options::default() }).await;
        }
    });
}

#[test]
fn a_call_that_was_given_up_may_still_be_under_way_there_and_is_counted() {
    on_a_system(async {
        let mut setup = small(okta::Options { concurrency: 8, ..okta::Options::default() });
        setup.okta.limits = Some(Table { user_write: 6000, ..WORKFORCE });
        setup.okta.latency = 12.0; // there is work to do for some seconds
        setup.rewrite = |text| text.replace("adopt = ", "timeout = \"2s\"\nbudget = { in_flight = 8 }\nadopt = ");
        let rig = Rig::settled(setup).await;
        // With the first answer the limit of the counter is known, and many calls leave at once.
        rig.edit(0, |person| person.direct_dial = NUMBER.into());
        rig.until("one is changed", async |rig| changed(&rig.world.okta.core()) == 1).await;
        // Answers of about three real seconds: nobody waits for them, and Okta counts them for as long.
        let late = Kind::Slow(Duration::from_secs(108));
        rig.world.okta.core().faults.add(Fault::first(4, "POST", "/api/v1/users/", late));
        change_everybody(&rig);
        let people = active(&rig);
        rig.until("everybody is changed", async |rig| changed(&rig.world.okta.core()) >= people).await;
        let okta = rig.world.okta.core();
        assert!(okta.faults.are_spent());
        let one_too_many = |e: &&Exchange| e.rejected == Some(Rejection::Concurrency);
        assert_eq!(okta.history().exchanges().iter().filter(one_too_many).count(), 0);
    });
}

#[test]
fn the_backlog_is_told_in_calls_and_in_time() {
    on_a_system(async {
        let rig = Rig::settled(small(okta::Options::default())).await;
        change_everybody(&rig);
        let calls = "namely_okta_sync_backlog_calls{bucket=\"user_write\",org=\"sandbox\"}";
        let eta = "namely_okta_sync_backlog_eta_seconds{org=\"sandbox\"}";
        rig.until("the forecast knows the backlog", async |rig| {
            metric(rig, calls).is_some_and(|n| n > 20.0) && metric(rig, eta).is_some_and(|s| s > 0.0)
        })
        .await;
        // Thirty calls a minute: some of the sixty may have left already, some minute may be half over.
        let message = metric(&rig, eta).expect("a forecast");
        assert!((5.0..150.0).contains(&message), "{message}");
        let people = active(&rig);
        rig.until("everybody is changed", async |rig| changed(&rig.world.okta.core()) >= people).await;
        rig.until("nothing is left", async |rig| metric(rig, eta) == Some(0.0) && metric(rig, calls) == Some(0.0))
            .await;
    });
}
