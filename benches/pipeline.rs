//! The whole pipeline against the simulator with its limits off, next to a bare loop that sends the same calls to the
//! same kind of simulator: both in one run, as a ratio.

use namely_okta_sync::actors::Service;
use namely_okta_sync::clock::Clock;
use namely_okta_sync::commands::sandbox;
use namely_okta_sync::metrics::Metrics;
use namely_okta_sync::sandbox::history::Exchange;
use namely_okta_sync::sandbox::scenario::Scenario;
use namely_okta_sync::sandbox::world::{Watch, World, today};
use namely_okta_sync::sandbox::{namely, okta};
use std::sync::Arc;
use std::time::Duration;

const PEOPLE: usize = 2000;
const AT_ONCE: usize = 24;

fn start_world(scenario: &Scenario, clock: &Clock) -> World {
    let okta = okta::Options {
        limits: None,
        latency: 0.0,
        principal_share: 1.0,
        index_lag: Duration::ZERO,
        ..okta::Options::default()
    };
    let namely = namely::Options { per_minute: None, latency: 0.0, ..namely::Options::default() };
    World::start(scenario, namely, okta, clock.clone()).expect("ports")
}

/// First arrival to last answer of everything that changed something.
fn span(exchanges: &[Exchange]) -> (usize, f64) {
    let effects: Vec<&Exchange> = exchanges.iter().filter(|e| e.applied).collect();
    let first = effects.iter().map(|e| e.arrived).min().unwrap_or_default();
    let last = effects.iter().filter_map(|e| e.answered).max().unwrap_or_default();
    (effects.len(), last.since(first).as_secs_f64())
}

/// The service brings the scenario over; returns its calls in order.
async fn pipeline(scenario: &Scenario, clock: &Clock) -> Vec<Exchange> {
    let world = start_world(scenario, clock);
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = sandbox::config(&world, folder.path()).expect("sound");
    // Detection must not be what is measured: pages are asked for as fast as they come.
    config.namely[0].pace.per_minute = 1_000_000;
    config.namely[0].pace.hot_interval = Duration::from_millis(20);
    config.namely[0].pace.walk_interval = Duration::from_millis(20);
    config.okta[0].in_flight = AT_ONCE;
    let service = Service::start(config, clock.clone(), Metrics::new()).await.expect("starts");
    let is_idle = async || service.readiness.is_ready() && service.store.backlog().await.expect("reads").total() == 0;
    while !is_idle().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.play(scenario).await;
    let mut watch = Watch::new(scenario);
    while !watch.is_over() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        watch.watch(&world.okta.core());
    }
    world.okta.core().history().exchanges().to_vec()
}

/// Sends the same calls, as many at once, with nothing around them.
async fn bare_loop(calls: Vec<Exchange>, scenario: &Scenario, clock: &Clock) -> Vec<Exchange> {
    let world = start_world(scenario, clock);
    let client = reqwest::Client::new();
    let room = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut sent = tokio::task::JoinSet::new();
    for call in calls.into_iter().filter(|e| e.applied) {
        let permit = room.clone().acquire_owned().await.expect("open");
        let target = if call.query.is_empty() { call.path } else { format!("{}?{}", call.path, call.query) };
        let request = client
            .request(call.method.parse().expect("a method"), format!("{}{target}", world.okta.url()))
            .header("Authorization", format!("SSWS {}", okta::Options::default().token));
        let request =
            if call.body.is_null() { request.header("Content-Length", "0") } else { request.json(&call.body) };
        sent.spawn(async move {
            let _ = request.send().await.expect("answers").bytes().await;
            drop(permit);
        });
    }
    while sent.join_next().await.is_some() {}
    world.okta.core().history().exchanges().to_vec()
}

fn main() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    actix::System::with_tokio_rt(runtime).block_on(async {
        let clock = Clock::system();
        for name in ["onboarding", "reorg"] {
            let scenario = Scenario::make(name, PEOPLE, 1, today(clock.now())).expect("a scenario");
            let calls = pipeline(&scenario, &clock).await;
            let (count, ours) = span(&calls);
            let (again, bare) = span(&bare_loop(calls, &scenario, &clock).await);
            assert_eq!(count, again, "the loop must do the same");
            println!(
                "pipeline  {name:<12} {count:>6} calls   service {:>6.0} calls/s   bare loop {:>6.0} calls/s   ratio {:.2}",
                count as f64 / ours,
                again as f64 / bare,
                ours / bare
            );
        }
    });
}
