//! What a store in a database of a server costs beside one in a file, and how long nobody serves when a node is killed:
//!
//! - `pages`: a page of 50 people who are new, and one of 50 who have all changed: statements, round trips to the server, and
//!   milliseconds; without and with half a millisecond more on each of them;
//! - `changes`: the program itself in a reorg without Okta's limits: CPU, statements and round trips for each change;
//! - `kills`: of two nodes the one that serves gets SIGKILL, 20 times: seconds until the other one's first call to Okta.
//!
//! `cargo bench --bench cluster` runs all of them (a quarter of an hour), `-- pages`, `-- changes` or `-- kills` one; `quick` a part
//! of each. It starts a PostgreSQL of its own that keeps what it has said (`fsync`), and counts what goes to it in between.

#[path = "../tests/common"]
mod common {
    #[allow(dead_code, reason = "not everything that a server can do is done to it here")]
    pub mod postgres;
    pub mod skipped;
}

use common::postgres::Postgres;
use namely_okta_sync::clock::{Clock, Moment};
use namely_okta_sync::config::Config;
use namely_okta_sync::domain::record::document::Changed;
use namely_okta_sync::domain::record::employee::UserStatus;
use namely_okta_sync::domain::{Directory, Employee};
use namely_okta_sync::metrics::Metrics;
use namely_okta_sync::sandbox::scenario::Scenario;
use namely_okta_sync::sandbox::world::{Watch, World, today};
use namely_okta_sync::sandbox::{namely, okta};
use namely_okta_sync::store::{Address, Location, PageCommit, Store, backlog};
use secrecy::SecretString;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What some networks add between two machines.
const FAR: Duration = Duration::from_micros(500);
/// What a page of Namely holds.
const PAGE: usize = 50;
/// Pages of each kind.
const PAGES: usize = 40;
const KILLS: usize = 20;
/// The one org and tenant of the sandbox's configuration.
const ORG: &str = "sandbox";

/// What has gone through a line so far.
#[derive(Default)]
struct Counts {
    statements: AtomicU64,
    /// Times that the server had to be waited for.
    trips: AtomicU64,
}

impl Counts {
    fn so_far(&self) -> (u64, u64) {
        (self.statements.load(Ordering::SeqCst), self.trips.load(Ordering::SeqCst))
    }
}

/// Between a program and the server: each way to it takes so much longer, and is counted.
struct Line {
    port: u16,
    counts: Arc<Counts>,
}

impl Line {
    fn to(server: u16, longer: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (port, counts) = (listener.local_addr().expect("a port").port(), Arc::new(Counts::default()));
        let counted = counts.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                for stream in [&client, &server] {
                    stream.set_nodelay(true).expect("is told");
                }
                let ends = |stream: &TcpStream| stream.try_clone().expect("clones");
                let asks = Arc::new(AtomicBool::new(false));
                let (from, to, counts, asking) = (ends(&client), ends(&server), counted.clone(), asks.clone());
                std::thread::spawn(move || {
                    let mut said = Said::default();
                    pass(from, to, |bytes| {
                        counts.statements.fetch_add(said.statements(bytes), Ordering::SeqCst);
                        if !asking.swap(true, Ordering::SeqCst) {
                            counts.trips.fetch_add(1, Ordering::SeqCst);
                        }
                        if !longer.is_zero() {
                            std::thread::sleep(longer);
                        }
                    });
                });
                std::thread::spawn(move || pass(server, client, |_| asks.store(false, Ordering::SeqCst)));
            }
        });
        Self { port, counts }
    }

    fn url(&self) -> String {
        format!("postgres://sync@127.0.0.1:{}/postgres", self.port)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut seen: impl FnMut(&[u8])) {
    let mut bytes = [0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        seen(&bytes[..length]);
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// What a client has said, cut into messages: the first has no kind, all others are a letter and a length.
#[derive(Default)]
struct Said {
    rest: Vec<u8>,
    has_begun: bool,
}

impl Said {
    /// How many statements these bytes complete: a simple query, or the execution of a prepared one.
    fn statements(&mut self, bytes: &[u8]) -> u64 {
        self.rest.extend(bytes);
        let (mut at, mut found) = (0, 0);
        loop {
            let head = usize::from(self.has_begun);
            let Some(length) = self.rest.get(at + head..at + head + 4) else { break };
            let whole = head + u32::from_be_bytes(length.try_into().expect("four")) as usize;
            if self.rest.len() < at + whole {
                break;
            }
            found += u64::from(self.has_begun && matches!(self.rest[at], b'Q' | b'E'));
            (self.has_begun, at) = (true, at + whole);
        }
        self.rest.drain(..at);
        found
    }
}

/// A server that loses nothing when the machine fails, as one is run.
fn server() -> Postgres {
    let durable = |_: &Path| ["fsync=on", "full_page_writes=on", "autovacuum=on"].map(str::to_owned).to_vec();
    Postgres::start_with(durable).expect("PostgreSQL is installed")
}

fn port_of(server: &Postgres) -> u16 {
    let url = server.url();
    let port = url.rsplit_once('/').and_then(|(host, _)| host.rsplit(':').next()).map(str::parse);
    port.expect("a port").expect("a port")
}

/// Where a store is measured.
struct Place {
    what: &'static str,
    longer: Option<Duration>,
}

const PLACES: [Place; 3] = [
    Place { what: "SQLite, a file", longer: None },
    Place { what: "PostgreSQL", longer: Some(Duration::ZERO) },
    Place { what: "PostgreSQL, 0.5 ms away", longer: Some(FAR) },
];

/// What a store is measured on; the server ends with it.
struct Ground {
    _folder: tempfile::TempDir,
    _server: Option<Postgres>,
    line: Option<Line>,
    file: PathBuf,
}

impl Ground {
    fn of(place: &Place) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = place.longer.map(|_| server());
        let line = server.as_ref().map(|server| Line::to(port_of(server), place.longer.unwrap_or_default()));
        Self { file: folder.path().join("store.db"), _folder: folder, _server: server, line }
    }

    fn location(&self) -> Location {
        match &self.line {
            None => (&self.file).into(),
            Some(line) => {
                Location::Server(Address::read(&SecretString::from(line.url()), Path::new("/")).expect("an address"))
            }
        }
    }

    fn so_far(&self) -> (u64, u64) {
        self.line.as_ref().map(|line| line.counts.so_far()).unwrap_or_default()
    }
}

fn a_person(n: usize, title: &str) -> Employee {
    let text = |text: &str| text.to_owned();
    let department = format!("Department {}", n % 40);
    Employee {
        id: format!("00000000-0000-4000-8000-{n:012}"),
        user_status: UserStatus::Active,
        email: format!("person{n}@example.com"),
        first_name: text("Some"),
        last_name: format!("Body{n}"),
        middle_name: String::new(),
        preferred_name: String::new(),
        start_date: "2020-01-06".parse().ok(),
        departure_date: None,
        employee_id: n.to_string(),
        employee_type: text("Full Time"),
        job_title: text(title),
        job_tier: text("Staff"),
        departments: vec![department.clone()],
        offices: vec![text("Lisbon")],
        groups: [(text("Department"), vec![department])].into(),
        teams: Vec::new(),
        pay_group: String::new(),
        office_city: text("Lisbon"),
        office_state: String::new(),
        office_country: text("PT"),
        manager: None,
        office_main_number: String::new(),
        office_direct_dial: text("+1 555 0100"),
        office_phone: String::new(),
        office_company_mobile: String::new(),
        linkedin_url: String::new(),
        custom: [("leave_status".to_owned(), serde_json::Value::Null)].into(),
    }
}

fn page(number: usize, title: &str, clock: &Clock) -> PageCommit {
    let people = (number * PAGE..(number + 1) * PAGE).map(|n| a_person(n, title));
    let sent = clock.monotonic();
    PageCommit {
        tenant: ORG.to_owned(),
        sent,
        received: sent,
        run: 1,
        now: clock.now(),
        walked: None,
        changed: people.map(Changed::undated).collect(),
        problems: vec![],
        mended: vec![],
        back: vec![],
        endings: vec![],
    }
}

fn half(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Pages of people whom nobody knew, and then of the same people with another title.
async fn pages(clock: &Clock, count: usize) {
    println!("{:<26}{:<28}{:>12}{:>13}{:>10}", "a page of 50", "store", "statements", "round trips", "ms (half)");
    let text = include_str!("../config/sandbox.toml");
    let config = Config::parse(Path::new("sandbox.toml"), text, &|_| Some("token".into())).expect("sound");
    for place in &PLACES {
        // The server is asked whether it is there by a client that wants a thread without a runtime.
        let ground = std::thread::scope(|scope| scope.spawn(|| Ground::of(place)).join()).expect("starts");
        let store = Store::open(ground.location(), config.rulebook.clone(), Metrics::new().store).expect("opens");
        store.recover("rules".into(), clock.now()).await.expect("recovers");
        store.put_directory(ORG, &Directory::default(), clock.now()).await.expect("writes");
        for (what, title) in [("all are new", "Analyst"), ("all have changed", "Senior Analyst")] {
            let (mut took, mut asked) = (Vec::new(), (Vec::new(), Vec::new()));
            for number in 0..count {
                let page = page(number, title, clock);
                let (before, begun) = (ground.so_far(), clock.monotonic());
                store.commit_page(page).await.expect("commits");
                took.push(clock.monotonic().since(begun).as_secs_f64() * 1000.0);
                let after = ground.so_far();
                asked.0.push((after.0 - before.0) as f64);
                asked.1.push((after.1 - before.1) as f64);
            }
            let shown = |of: Vec<f64>| if ground.line.is_some() { format!("{:.0}", half(of)) } else { "-".to_owned() };
            let (statements, trips) = (shown(asked.0), shown(asked.1));
            println!("{what:<26}{:<28}{statements:>12}{trips:>13}{:>10.1}", place.what, half(took));
        }
        store.close().await.expect("closes");
    }
}

/// A process of the service that ends with this.
struct Service(Child);

impl Service {
    fn start(config: &Path, log: &Path) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
        let service = Command::new(env!("CARGO_BIN_EXE_namely-okta-sync"))
            .args(["run", "--config"])
            .arg(config)
            .env("NAMELY_TOKEN", namely::Options::default().token)
            .env("OKTA_TOKEN", okta::Options::default().token)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Self(service.expect("starts"))
    }

    fn kill(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }

    /// CPU seconds that it has used so far.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Both sides, without limits and without delays.
fn quick_world(scenario: &Scenario, clock: &Clock) -> World {
    let org = okta::Options { limits: None, latency: 0.0, index_lag: Duration::ZERO, ..okta::Options::default() };
    let tenant = namely::Options { per_minute: None, latency: 0.0, ..namely::Options::default() };
    World::start(scenario, tenant, org, clock.clone()).expect("ports")
}

/// A configuration for a process of the service.
fn config(folder: &Path, name: &str, world: &World, store: &Location, url: Option<&str>) -> (PathBuf, u16) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let named = url.map_or_else(|| store.to_string(), str::to_owned);
    let text = include_str!("../config/sandbox.toml")
        .replace("127.0.0.1:9464", &format!("127.0.0.1:{port}"))
        .replace("../var/sandbox/store.db", &named)
        .replace("../var/sandbox", &folder.display().to_string())
        .replace("http://127.0.0.1:7001/api/v1", &format!("{}/api/v1", world.namely.url()))
        .replace("http://127.0.0.1:7002", &world.okta.url())
        .replace("[[okta]]", "[namely.poll]\nper_minute = 1000000\nhot_interval = \"1s\"\n\n[[okta]]");
    let path = folder.join(name).with_extension("toml");
    std::fs::write(&path, text).expect("writes");
    (path, port)
}

fn wait_until(holds: impl Fn() -> bool) {
    while !holds() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How many people wait, of a store that knows `known` people.
fn is_quiet(store: &Location, known: usize) -> bool {
    let Ok(reader) = Store::reader(store) else { return false };
    let people = reader.query_row("SELECT count(*) FROM source", [], |row| row.get::<i64>(0));
    people.is_ok_and(|people| usize::try_from(people) == Ok(known))
        && backlog(&reader).is_ok_and(|backlog| backlog.total() == 0)
}

/// Everybody changes the department, as fast as the service can.
fn changes(clock: &Clock, people: usize) {
    println!(
        "\n{:<26}{:<28}{:>12}{:>13}{:>14}",
        "a change of a reorg", "store", "statements", "round trips", "ms of CPU"
    );
    for place in &PLACES {
        let ground = Ground::of(place);
        let folder = tempfile::tempdir().expect("a folder");
        let scenario = Scenario::make("reorg", people, 1, today(clock.now())).expect("known");
        let world = quick_world(&scenario, clock);
        let store = ground.location();
        let url = ground.line.as_ref().map(Line::url);
        let (config, _) = config(folder.path(), "config", &world, &store, url.as_deref());
        let service = Service::start(&config, &folder.path().join("log"));
        wait_until(|| is_quiet(&store, people));
        // What it asks while nothing happens is no change's.
        let (before, cpu, begun) = (ground.so_far(), service.cpu(), clock.monotonic());
        std::thread::sleep(Duration::from_secs(10));
        let idle = clock.monotonic().since(begun).as_secs_f64();
        let each = |now: u64, before: u64| (now - before) as f64 / idle;
        let now = ground.so_far();
        let resting = (each(now.0, before.0), each(now.1, before.1), (service.cpu() - cpu) / idle);
        let (before, cpu, begun) = (ground.so_far(), service.cpu(), clock.monotonic());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(world.play(&scenario));
        let mut watch = Watch::new(&scenario);
        while !watch.is_over() {
            std::thread::sleep(Duration::from_millis(100));
            watch.watch(&world.okta.core());
        }
        let (after, took) = (ground.so_far(), clock.monotonic().since(begun).as_secs_f64());
        let of = |after: u64, before: u64, resting: f64| ((after - before) as f64 - resting * took) / people as f64;
        let (statements, trips) = (of(after.0, before.0, resting.0), of(after.1, before.1, resting.1));
        let cpu = (service.cpu() - cpu - resting.2 * took) / people as f64 * 1000.0;
        let shown = |of: f64| if ground.line.is_some() { format!("{of:.1}") } else { "-".to_owned() };
        let what = format!("{people} people");
        println!("{what:<26}{:<28}{:>12}{:>13}{cpu:>14.2}", place.what, shown(statements), shown(trips));
    }
}

/// When the first call to Okta came after a moment.
fn first_call(world: &World, after: Moment) -> Option<Moment> {
    let okta = world.okta.core();
    okta.history().exchanges().iter().map(|exchange| exchange.arrived).find(|arrived| *arrived > after)
}

/// Of two nodes the one that serves is killed, again and again, each time at another moment between two renewals.
fn kills(clock: &Clock, count: usize) {
    let server = server();
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = Scenario::make("reorg", 50, 1, today(clock.now())).expect("known");
    let world = quick_world(&scenario, clock);
    let store = Location::Server(Address::read(&server.url().into(), Path::new("/")).expect("an address"));
    let mut nodes: Vec<(PathBuf, u16, Option<Service>)> = ["a", "b"]
        .map(|name| config(folder.path(), name, &world, &store, Some(&server.url())))
        .map(|(config, port)| (config, port, None))
        .into();
    let log = folder.path().join("log");
    let serves = |port: u16| {
        let Ok(reader) = Store::reader(&store) else { return false };
        let nodes = namely_okta_sync::store::nodes(&reader).unwrap_or_default();
        nodes.iter().any(|node| node.serves && node.name.ends_with(&format!(":{port}")))
    };
    nodes[0].2 = Some(Service::start(&nodes[0].0, &log));
    wait_until(|| serves(nodes[0].1) && is_quiet(&store, 50));
    let (mut took, mut now) = (Vec::new(), 0);
    for round in 0..count {
        let other = 1 - now;
        nodes[other].2 = Some(Service::start(&nodes[other].0, &log));
        let stands_by = || {
            let Ok(reader) = Store::reader(&store) else { return false };
            let all = namely_okta_sync::store::nodes(&reader).unwrap_or_default();
            let named = format!(":{}", nodes[other].1);
            all.iter().any(|node| node.name.ends_with(&named) && node.lives && node.seen_ms < 1000)
        };
        wait_until(stands_by);
        std::thread::sleep(Duration::from_millis((round * 3000 / count) as u64));
        nodes[now].2.take().expect("runs").kill();
        let killed = clock.now();
        // No call of the killed one comes so late, and nobody else serves so soon.
        let after = killed + Duration::from_secs(1);
        wait_until(|| first_call(&world, after).is_some());
        took.push(first_call(&world, after).map_or(f64::NAN, |at| at.since(killed).as_secs_f64()));
        wait_until(|| serves(nodes[other].1));
        now = other;
    }
    took.sort_by(f64::total_cmp);
    println!("\n{:<26}{:>8}{:>8}{:>8}{:>8}", "seconds without a node", "kills", "least", "half", "most");
    println!(
        "{:<26}{:>8}{:>8.1}{:>8.1}{:>8.1}",
        "SIGKILL to the first call",
        took.len(),
        took[0],
        half(took.clone()),
        took[took.len() - 1]
    );
}

fn main() {
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    let all = !["pages", "changes", "kills"].into_iter().any(asked);
    let (clock, quick) = (Clock::system(), asked("quick"));
    if all || asked("pages") {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(pages(&clock, if quick { 5 } else { PAGES }));
    }
    if all || asked("changes") {
        changes(&clock, if quick { 100 } else { 2000 });
    }
    if all || asked("kills") {
        kills(&clock, if quick { 2 } else { KILLS });
    }
}
