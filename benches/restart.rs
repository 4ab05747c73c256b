//! A restart of a service that knows 20,000 people, against an org with Okta's limits and latencies: how soon whoever left
//! while it was down, and whoever leaves while the org is read, is deactivated; and how long the lists of the org take.
//!
//! `cargo bench --bench restart` runs in real time (some minutes); `-- quick` a tenth of the people.

use namely_okta_sync::clock::{Clock, Moment};
use namely_okta_sync::sandbox::history::Exchange;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::sandbox::scenario::Scenario;
use namely_okta_sync::sandbox::world::{World, today};
use namely_okta_sync::sandbox::{namely, okta};
use namely_okta_sync::store::Store;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long after the start somebody else leaves: the lists are being read by then.
const MEANWHILE: Duration = Duration::from_secs(20);
/// How many leave while the service is down.
const WHILE_DOWN: usize = 1;
/// What is not over by then does not end.
const PATIENCE: Duration = Duration::from_secs(1800);

/// A service process that ends with this.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(config: &Path, log: &Path) -> Service {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
    let service = Command::new(env!("CARGO_BIN_EXE_namely-okta-sync"))
        .args(["run", "--config"])
        .arg(config)
        .env("NAMELY_TOKEN", namely::Options::default().token)
        .env("OKTA_TOKEN", okta::Options::default().token)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    Service(service.expect("starts"))
}

/// Where the service works, and on what.
struct Workspace {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Workspace {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration for the service against `world`.
    fn config(&self, world: &World, pace: &str) -> PathBuf {
        let text = include_str!("../config/sandbox.toml")
            .replace("127.0.0.1:9464", "127.0.0.1:0")
            .replace("../var/sandbox", &self.folder.path().display().to_string())
            .replace("http://127.0.0.1:7001/api/v1", &format!("{}/api/v1", world.namely.url()))
            .replace("http://127.0.0.1:7002", &world.okta.url())
            .replace("[[okta]]", &format!("{pace}\n[[okta]]"));
        let path = self.path("config.toml");
        std::fs::write(&path, text).expect("writes");
        path
    }

    fn count(&self, sql: &str) -> Option<i64> {
        Store::reader(self.path("store.db")).ok()?.query_row(sql, [], |row| row.get(0)).ok()
    }

    /// When the accounts of the org were last compared with everybody, as it is written down.
    fn compared(&self) -> Option<String> {
        let reader = Store::reader(self.path("store.db")).ok()?;
        reader.query_row("SELECT value FROM meta WHERE key = 'compared sandbox'", [], |row| row.get(0)).ok()
    }

    fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = self.clock.monotonic();
        while !holds() {
            if self.clock.monotonic().since(begun) > PATIENCE {
                let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(20).collect();
                panic!("waited in vain until {what}; the last lines of the log, newest first:\n{}", last.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Somebody who works and is nobody's manager, at or after `from`.
fn worker(scenario: &Scenario, from: usize) -> usize {
    let manages = |n: usize| scenario.people.iter().any(|person| person.manager == Some(n));
    let is_worker = |n: &usize| scenario.people[*n].status == Hired::Active && !manages(*n);
    (from..scenario.people.len()).find(is_worker).expect("a worker")
}

fn leave(world: &World, person: usize) -> (String, Moment) {
    let now = world.clock.now();
    world.namely.core().edit(person, now, |person| person.status = Hired::Inactive);
    let id = world.namely.core().people().nth(person).map(|person| person.id.clone());
    (id.expect("somebody"), now)
}

/// Somebody who leaves: how it is told, whose account it is, and when HR has written it down.
struct Leaver {
    message: &'static str,
    anchor: String,
    left: Moment,
}

fn is_out(world: &World, anchor: &str) -> bool {
    world.okta.core().user_by_anchor(anchor).is_some_and(|user| user.status == Status::Deprovisioned)
}

fn is_list(exchange: &Exchange) -> bool {
    exchange.method == "GET"
        && (exchange.path == "/api/v1/users" || exchange.path.ends_with("/users"))
        && !exchange.query.contains("namelyId")
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "quick");
    let people = if quick { 2_000 } else { 20_000 };
    let workspace = Workspace { folder: tempfile::tempdir().expect("a folder"), clock: Clock::system() };
    let clock = workspace.clock.clone();
    let scenario = Scenario::make("reorg", people, 1, today(clock.now())).expect("known");
    learn(&workspace, &scenario);

    // The same tenant and the same accounts once more, with what Okta and Namely allow and how long they take.
    let world = World::start(&scenario, namely::Options::default(), okta::Options::default(), clock.clone());
    let world = world.expect("ports");
    let config = workspace.config(&world, "");
    let compared = workspace.compared();
    let mut leavers: Vec<Leaver> = (0..WHILE_DOWN)
        .map(|n| {
            let (anchor, left) = leave(&world, worker(&scenario, people / 3 + n));
            Leaver { message: "left while the service was down", anchor, left }
        })
        .collect();
    let (begun, log) = (clock.now(), workspace.path("log"));
    let service = start(&config, &log);
    workspace.wait_until("somebody can leave meanwhile", || clock.now().since(begun) > MEANWHILE);
    let (anchor, left) = leave(&world, worker(&scenario, people / 2));
    leavers.push(Leaver { message: "left while the org was read", anchor, left });
    workspace.wait_until("the leavers are out", || leavers.iter().all(|leaver| is_out(&world, &leaver.anchor)));
    workspace.wait_until("the org was read", || workspace.compared() != compared);
    let read = clock.now();
    workspace.wait_until("nobody waits", || {
        workspace.count("SELECT count(*) FROM work WHERE dirty_rev > done_rev") == Some(0)
    });
    let done = clock.now();
    drop(service);
    print_table(&world, &leavers, begun, read, done, people);
}

/// Has the service learn everybody, with limits and latencies off, and stops it.
fn learn(workspace: &Workspace, scenario: &Scenario) {
    let org = okta::Options { limits: None, latency: 0.0, index_lag: Duration::ZERO, ..okta::Options::default() };
    let tenant = namely::Options { per_minute: None, latency: 0.0, ..namely::Options::default() };
    let world = World::start(scenario, tenant, org, workspace.clock.clone()).expect("ports");
    let config = workspace.config(&world, "[namely.poll]\nper_minute = 1000000\nwalk_interval = \"1s\"\n");
    let begun = workspace.clock.monotonic();
    let mut service = start(&config, &workspace.path("log"));
    let known = i64::try_from(scenario.people.len()).unwrap_or(i64::MAX);
    workspace.wait_until("everybody is known", || {
        workspace.count("SELECT count(*) FROM source") == Some(known)
            && workspace.count("SELECT count(*) FROM work WHERE dirty_rev > done_rev") == Some(0)
            && workspace.count("SELECT count(*) FROM meta WHERE key = 'links known sandbox'") == Some(1)
            && workspace.count("SELECT count(*) FROM meta WHERE key = 'walked sandbox'") == Some(1)
    });
    let spent = workspace.clock.monotonic().since(begun).as_secs_f64();
    println!("{known} people known after {spent:.0} s, limits and latencies off");
    let _ = service.0.kill();
}

fn print_table(world: &World, leavers: &[Leaver], begun: Moment, read: Moment, done: Moment, people: usize) {
    let okta = world.okta.core();
    let all: Vec<&Exchange> = okta.history().exchanges().iter().collect();
    let after = |at: Moment, from: Moment| at.since(from).as_secs_f64();
    println!("\n{:<38}{:>12}{:>14}{:>12}", format!("{people} people known, restart"), "left at", "deactivated", "took");
    for leaver in leavers {
        let user = okta.user_by_anchor(&leaver.anchor).map(|user| user.id.clone());
        let path = format!("/api/v1/users/{}/lifecycle/deactivate", user.unwrap_or_default());
        let answered = all.iter().find(|e| e.path == path && e.applied).and_then(|e| e.answered);
        let Some(answered) = answered else {
            println!("{:<38}never", leaver.message);
            continue;
        };
        let from = leaver.left.max(begun);
        println!(
            "{:<38}{:>10.1} s{:>12.1} s{:>10.1} s",
            leaver.message,
            after(from, begun),
            after(answered, begun),
            after(answered, from)
        );
    }
    let lists: Vec<&&Exchange> = all.iter().filter(|e| is_list(e)).collect();
    let last = lists.iter().filter_map(|e| e.answered).filter(|at| *at <= read).max();
    println!("{:<38}{:>24.1} s", "the last list of the org", last.map_or(f64::NAN, |at| after(at, begun)));
    println!("{:<38}{:>24.1} s", "the org was read and compared", after(read, begun));
    println!("{:<38}{:>24.1} s", "nobody waits", after(done, begun));
    let count = |which: &dyn Fn(&Exchange) -> bool| all.iter().filter(|e| which(e)).count();
    println!(
        "{} calls to Okta: {} writes, {} pages of lists, {} searches, {} of single users; {} answered 429",
        all.len(),
        count(&|e| e.method != "GET"),
        lists.len(),
        count(&|e| e.query.contains("search=")),
        count(&|e| e.method == "GET" && e.path.starts_with("/api/v1/users/") && !is_list(e)),
        count(&|e| e.status == 429),
    );
}
