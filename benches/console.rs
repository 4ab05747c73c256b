//! The console over a store of 100,000 people: how long the service takes for each list, as its reader waits for it.
//!
//! `cargo bench --bench console` has a service learn everybody first (some minutes); `-- quick` 2,000 of them. Ends with 1 where
//! a list takes longer than it may.

use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::scenario::Scenario;
use namely_okta_sync::sandbox::world::{World, today};
use namely_okta_sync::sandbox::{namely, okta};
use namely_okta_sync::store::Store;
use reqwest::blocking::Client;
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// What a list may take, 19 times of 20.
const ALLOWED: Duration = Duration::from_millis(100);
/// How often each is asked for.
const TIMES: usize = 40;
/// What is not over by then does not end.
const PATIENCE: Duration = Duration::from_secs(3600);
const TOKEN: &str = "a-token-of-the-bench-0123456789";

/// Every list, in ways that people open them.
const LISTS: &[&str] = &[
    "/",
    "/holds",
    "/people",
    "/people?page=900&sort=name",
    "/people?text=garcia&sort=-department",
    "/people?state=quarantined",
    "/people/5000",
    "/quarantine",
    "/starters",
    "/leavers",
    "/matches",
    "/audit",
    "/audit?routine=true",
    "/audit?text=garcia&routine=true",
    "/orgs",
    "/access",
];

/// A service process that ends with this.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, world: &World, port: u16) -> Service {
    let extra = "[[admin.tokens]]\nname = \"Ann\"\nrole = \"approver\"\ntoken = \"env:BENCH_TOKEN\"\n";
    let text = include_str!("../config/sandbox.toml")
        .replace("127.0.0.1:9464", &format!("127.0.0.1:{port}"))
        .replace("../var/sandbox", &folder.display().to_string())
        .replace("http://127.0.0.1:7001/api/v1", &format!("{}/api/v1", world.namely.url()))
        .replace("http://127.0.0.1:7002", &world.okta.url())
        .replace("[[okta]]", "[namely.poll]\nper_minute = 1000000\n\n[[okta]]");
    let config = folder.join("config.toml");
    std::fs::write(&config, text + extra).expect("writes");
    let service = Command::new(env!("CARGO_BIN_EXE_namely-okta-sync"))
        .args(["run", "--config"])
        .arg(&config)
        .env("NAMELY_TOKEN", namely::Options::default().token)
        .env("OKTA_TOKEN", okta::Options::default().token)
        .env("BENCH_TOKEN", TOKEN)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Service(service.expect("starts"))
}

fn main() -> ExitCode {
    let people = if std::env::args().any(|argument| argument == "quick") { 2_000 } else { 100_000 };
    let (folder, clock) = (tempfile::tempdir().expect("a folder"), Clock::system());
    let scenario = Scenario::make("reorg", people, 1, today(clock.now())).expect("known");
    let org = okta::Options { limits: None, latency: 0.0, index_lag: Duration::ZERO, ..okta::Options::default() };
    let tenant = namely::Options { per_minute: None, latency: 0.0, ..namely::Options::default() };
    let world = World::start(&scenario, tenant, org, clock.clone()).expect("ports");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let _service = start(folder.path(), &world, port);
    let begun = clock.monotonic();
    let count = |sql: &str| -> Option<i64> {
        Store::reader(folder.path().join("store.db")).ok()?.query_row(sql, [], |row| row.get(0)).ok()
    };
    let known = i64::try_from(scenario.people.len()).unwrap_or(i64::MAX);
    while count("SELECT count(*) FROM source") != Some(known)
        || count("SELECT count(*) FROM work WHERE dirty_rev > done_rev") != Some(0)
        || count("SELECT count(*) FROM meta WHERE key = 'walked sandbox'") != Some(1)
    {
        assert!(clock.monotonic().since(begun) < PATIENCE, "waited in vain until everybody is known");
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("{known} people known after {:.0} s", clock.monotonic().since(begun).as_secs_f64());
    let client = Client::builder().redirect(Policy::none()).build().expect("a client");
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let answer = client.post(url("/sign-in")).form(&[("token", TOKEN)]).send().expect("answers");
    let cookie = answer.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok()).expect("a cookie").to_owned();
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    println!("{:<40}{:>10}{:>10}{:>10}", "list", "first", "half", "19 of 20");
    let mut too_slow = Vec::new();
    for path in LISTS {
        let mut took: Vec<Duration> = Vec::new();
        for _ in 0..TIMES {
            let begun = clock.monotonic();
            let answer = client.get(url(path)).header(COOKIE, &cookie).send().expect("answers");
            assert_eq!(answer.status(), 200, "{path}");
            let _ = answer.bytes().expect("a page");
            took.push(clock.monotonic().since(begun));
        }
        let first = took[0];
        took.sort();
        let (half, most) = (took[TIMES / 2], took[TIMES * 19 / 20 - 1]);
        let shown = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
        println!("{path:<40}{:>10}{:>10}{:>10}", shown(first), shown(half), shown(most));
        if most > ALLOWED {
            too_slow.push(*path);
        }
    }
    if too_slow.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("slower than {} ms: {}", ALLOWED.as_millis(), too_slow.join(", "));
    ExitCode::FAILURE
}
