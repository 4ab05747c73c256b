//! The console over a store of 100,000 people: how long the service takes for each list and each screen, as its reader waits for it;
//! and what browsers cost those who leave.
//!
//! `cargo bench --bench console` has a service learn everybody first (some minutes), and plans for a tenth of them; `-- quick` 2,000
//! of them. Ends with 1 where a list takes longer than it may. `-- watched` prints how long accounts of leavers stay open in a reorg
//! of 10,000 with nobody looking, and with 50 browsers that show live pages; `-- watched quick` in one of 1,000.

use namely_okta_sync::clock::{Clock, Moment};
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::sandbox::scenario::Scenario;
use namely_okta_sync::sandbox::world::{World, today};
use namely_okta_sync::sandbox::{namely, okta};
use namely_okta_sync::store::Store;
use reqwest::blocking::Client;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What a list may take, 19 times of 20.
const ALLOWED: Duration = Duration::from_millis(100);
/// How often each is asked for.
const TIMES: usize = 40;
/// What is not over by then does not end.
const PATIENCE: Duration = Duration::from_secs(3600);
const TOKEN: &str = "a-token-of-the-bench-0123456789";
/// Browsers that show live pages.
const BROWSERS: usize = 50;
/// Leavers of a reorg, one after the other.
const LEAVERS: usize = 40;
/// Who leaves next leaves so much later.
const BETWEEN: Duration = Duration::from_millis(1500);

/// Every list, in ways that people open them.
const LISTS: &[&str] = &[
    "/",
    "/attention",
    "/plans",
    "/plans/PLAN",
    "/plans/PLAN?page=100&sort=department",
    "/plans/PLAN?change=remove_group&text=garcia",
    "/plans/PLAN/people/TARGET",
    "/holds",
    "/people",
    "/people?page=900&sort=name",
    "/people?text=garcia&sort=-department",
    "/people?state=quarantined",
    "/people/TARGET",
    "/people/TARGET/undo",
    "/quarantine",
    "/starters",
    "/leavers",
    "/matches",
    "/mapping",
    "/audit",
    "/audit?routine=true",
    "/audit?text=garcia&routine=true",
    "/orgs",
    "/access",
    "/help",
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

/// Somebody who is signed in.
#[derive(Clone)]
struct Browser {
    client: Client,
    base: String,
    cookie: String,
}

impl Browser {
    fn sign_in(port: u16) -> Self {
        // A live page waits for news as long as there are none.
        let client = Client::builder().redirect(Policy::none()).timeout(None).build().expect("a client");
        let base = format!("http://127.0.0.1:{port}");
        let answer = client.post(format!("{base}/sign-in")).form(&[("token", TOKEN)]).send().expect("answers");
        let cookie = answer.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok()).expect("a cookie");
        let cookie = cookie.split(';').next().expect("a pair").to_owned();
        Self { client, base, cookie }
    }

    fn get(&self, path: &str) -> reqwest::Result<reqwest::blocking::Response> {
        self.client.get(format!("{}{path}", self.base)).header(COOKIE, &self.cookie).send()
    }

    fn text(&self, path: &str) -> String {
        self.get(path).and_then(|answer| answer.text()).expect("a page")
    }

    /// Sends a form of a page; answers where it leads.
    fn post(&self, page: &str, path: &str, form: &[(&str, &str)]) -> String {
        let csrf = between(&self.text(page), "name=\"csrf\" value=\"", "\"");
        let form: Vec<(&str, &str)> = [("csrf", csrf.as_str())].iter().chain(form).copied().collect();
        let request = self.client.post(format!("{}{path}", self.base)).header(COOKIE, &self.cookie).form(&form);
        let answer = request.send().expect("answers");
        let to = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        to.unwrap_or_else(|| panic!("{path} leads nowhere: {}", answer.status())).to_owned()
    }
}

fn between(text: &str, begin: &str, end: &str) -> String {
    let rest = text.split_once(begin).unwrap_or_else(|| panic!("no {begin}: {text}")).1;
    rest.split(end).next().unwrap_or_default().to_owned()
}

/// Both simulators and the service, once everybody is known.
struct Bench {
    world: World,
    scenario: Scenario,
    folder: tempfile::TempDir,
    clock: Clock,
    port: u16,
    _service: Service,
}

impl Bench {
    fn of(people: usize, latency: f64) -> Self {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), Clock::system());
        let scenario = Scenario::make("reorg", people, 1, today(clock.now())).expect("known");
        let quick = okta::Options { limits: None, index_lag: Duration::ZERO, ..okta::Options::default() };
        let org = okta::Options { latency: latency * quick.latency, ..quick };
        let tenant = namely::Options { per_minute: None, latency: 0.0, ..namely::Options::default() };
        let world = World::start(&scenario, tenant, org, clock.clone()).expect("ports");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let service = start(folder.path(), &world, port);
        let bench = Self { world, scenario, folder, clock, port, _service: service };
        let begun = bench.clock.monotonic();
        let known = i64::try_from(bench.scenario.people.len()).unwrap_or(i64::MAX);
        bench.until("everybody is known", || {
            bench.count("SELECT count(*) FROM source") == Some(known)
                && bench.count("SELECT count(*) FROM work WHERE dirty_rev > done_rev") == Some(0)
                && bench.count("SELECT count(*) FROM meta WHERE key = 'walked sandbox'") == Some(1)
        });
        println!("{known} people known after {:.0} s", bench.clock.monotonic().since(begun).as_secs_f64());
        bench
    }

    fn count(&self, sql: &str) -> Option<i64> {
        Store::reader(self.folder.path().join("store.db")).ok()?.query_row(sql, [], |row| row.get(0)).ok()
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = self.clock.monotonic();
        while !holds() {
            assert!(self.clock.monotonic().since(begun) < PATIENCE, "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// HR changes what the scenario says.
    fn play(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(self.world.play(&self.scenario));
    }
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// The address of a plan for all whom a paused reorg concerns, and one of them.
fn planned(bench: &mut Bench, browser: &Browser) -> (String, String) {
    let changing = bench.scenario.people.len() / 10;
    bench.scenario.changes.truncate(changing);
    browser.post("/", "/pause", &[("why", "a bench"), ("org", ""), ("change", "")]);
    bench.play();
    let waiting = i64::try_from(changing).unwrap_or(i64::MAX);
    bench.until("everybody who changes waits", || {
        bench.count("SELECT count(*) FROM work WHERE dirty_rev > done_rev").is_some_and(|n| n >= waiting * 9 / 10)
    });
    let begun = bench.clock.monotonic();
    let path = browser.post("/plans", "/plans", &[("org", ""), ("everybody", "")]);
    let mut page = String::new();
    while !page.contains("Code of what is shown") {
        std::thread::sleep(Duration::from_millis(100));
        page = browser.text(&path);
    }
    let took = bench.clock.monotonic().since(begun).as_secs_f64();
    println!("a plan of {changing} people is made in {took:.1} s");
    let person = between(&page, &format!("href=\"{path}/people/"), "\"");
    (path, person)
}

fn lists(people: usize) -> ExitCode {
    let mut bench = Bench::of(people, 0.0);
    let browser = Browser::sign_in(bench.port);
    let (plan, person) = planned(&mut bench, &browser);
    let begun = bench.clock.monotonic();
    while !browser.text("/mapping").contains("Counted ") {
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("the rules of the mapping are counted in {:.1} s", bench.clock.monotonic().since(begun).as_secs_f64());
    println!("{:<46}{:>10}{:>10}{:>10}", "list", "first", "half", "19 of 20");
    let mut too_slow = Vec::new();
    for list in LISTS {
        let path = list.replace("/plans/PLAN", &plan).replace("TARGET", &person);
        let mut took: Vec<Duration> = Vec::new();
        for _ in 0..TIMES {
            let begun = bench.clock.monotonic();
            let answer = browser.get(&path).expect("answers");
            assert_eq!(answer.status(), 200, "{path}");
            let _ = answer.bytes().expect("a page");
            took.push(bench.clock.monotonic().since(begun));
        }
        let first = took[0];
        took.sort();
        let (half, most) = (took[TIMES / 2], took[TIMES * 19 / 20 - 1]);
        println!("{list:<46}{:>10}{:>10}{:>10}", shown(first), shown(half), shown(most));
        if most > ALLOWED {
            too_slow.push(*list);
        }
    }
    if too_slow.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("slower than {} ms: {}", ALLOWED.as_millis(), too_slow.join(", "));
    ExitCode::FAILURE
}

/// A browser that shows a live page: hears news, and reads the page again each time, until it is over.
fn watch(browser: &Browser, path: &str, over: &AtomicBool, read: &AtomicUsize) {
    while !over.load(Ordering::Relaxed) {
        let Ok(news) = browser.get("/events") else { return };
        for line in BufReader::new(news).lines() {
            let Ok(line) = line else { break };
            if over.load(Ordering::Relaxed) {
                return;
            }
            if line == "event: changed" {
                let again = browser.client.get(format!("{}{path}", browser.base)).header(COOKIE, &browser.cookie);
                let page = again.header("X-Fragment", "1").send().and_then(|answer| answer.bytes());
                read.fetch_add(usize::from(page.is_ok()), Ordering::Relaxed);
            }
        }
    }
}

/// How long after HR's edit the accounts of leavers are deactivated, in a reorg that goes on meanwhile.
fn revoked(bench: &Bench) -> Vec<Duration> {
    let people = &bench.scenario.people;
    let manages = |n: usize| people.iter().any(|person| person.manager == Some(n));
    let fits = |n: &usize| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n);
    let leavers: Vec<usize> = (0..people.len()).rev().filter(fits).take(LEAVERS).collect();
    let mut left: Vec<(String, Moment)> = Vec::new();
    let mut took = Vec::new();
    let mut next = leavers.iter();
    let mut at = bench.clock.now();
    loop {
        let now = bench.clock.now();
        if now >= at
            && let Some(n) = next.next()
        {
            bench.world.namely.core().edit(*n, now, |person| person.status = Hired::Inactive);
            left.push((people[*n].id.clone(), now));
            at = now + BETWEEN;
        }
        let mut okta = bench.world.okta.core();
        okta.settle(now);
        left.retain(|(id, since)| {
            let is_out = okta.user_by_anchor(id).is_some_and(|user| user.status == Status::Deprovisioned);
            if is_out {
                took.push(now.since(*since));
            }
            !is_out
        });
        drop(okta);
        if took.len() == LEAVERS {
            return took;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// One reorg with so many browsers; what it prints is one line of the table.
fn reorg(people: usize, browsers: usize) {
    let bench = Bench::of(people, 1.0);
    let all: Vec<Browser> = (0..browsers).map(|_| Browser::sign_in(bench.port)).collect();
    let pages = ["/", "/people", "/audit", "/orgs", "/attention", "/holds", "/quarantine", "/leavers"];
    let (over, read) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for (n, browser) in all.iter().enumerate() {
            let (over, read) = (&over, &read);
            scope.spawn(move || watch(browser, pages[n % pages.len()], over, read));
        }
        bench.play();
        bench.until("the reorg has begun", || {
            bench.count("SELECT count(*) FROM work WHERE dirty_rev > done_rev").is_some_and(|n| n > 0)
        });
        let begun = bench.clock.monotonic();
        let mut took = revoked(&bench);
        let spent = bench.clock.monotonic().since(begun).as_secs_f64();
        let waiting = bench.count("SELECT count(*) FROM work WHERE dirty_rev > done_rev").unwrap_or(0);
        over.store(true, Ordering::Relaxed);
        took.sort();
        let (half, most, last) = (took[LEAVERS / 2], took[LEAVERS * 19 / 20 - 1], took[LEAVERS - 1]);
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        println!(
            "{browsers:>8}{:>12}{:>10}{:>10}{:>10}{:>14}{waiting:>16}",
            read.load(Ordering::Relaxed),
            seconds(half),
            seconds(most),
            seconds(last),
            format!("{spent:.0} s")
        );
        // Somebody's news come with the next row of the audit at the latest; the end of the service ends them all.
        drop(bench);
    });
}

fn watched(people: usize) -> ExitCode {
    println!(
        "{LEAVERS} leavers, one every {BETWEEN:?}, in a reorg of {people}; from HR's edit to the deactivated account"
    );
    println!(
        "{:>8}{:>12}{:>10}{:>10}{:>10}{:>14}{:>16}",
        "browsers", "pages read", "half", "19 of 20", "last", "looked for", "still waiting"
    );
    for browsers in [0, BROWSERS] {
        reorg(people, browsers);
    }
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    match (asked("watched"), asked("quick")) {
        (true, true) => watched(1_000),
        (true, false) => watched(10_000),
        (false, true) => lists(2_000),
        (false, false) => lists(100_000),
    }
}
