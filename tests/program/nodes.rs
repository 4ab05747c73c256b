//! Several nodes on one store: one serves, and whatever becomes of it, another one takes over without a hand, and nothing is written
//! beside it.

use crate::common::postgres::Postgres;
use crate::common::program::program;
use crate::common::quick::{quick_namely, quick_okta};
use crate::common::running::Running;
use crate::common::skipped::skipped;
use crate::common::wait::{wait_or_report, wait_until};
use namely_okta_sync::clock::{Clock, Moment};
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::oracle::{Evidence, copied, evaluate};
use namely_okta_sync::sandbox::population::Status as Hired;
use namely_okta_sync::sandbox::scenario::{HrChange, Kind, Scenario};
use namely_okta_sync::sandbox::world::{Watch, World, today};
use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const TOKEN: &str = "an-approvers-token-0123456789";
/// How far a clock is off that is wrong: less than what dates are not acted upon from.
const AHEAD: &str = "+290s";
const ADMIN: &str = "\n[[admin.tokens]]\nname = \"Anna\"\nrole = \"approver\"\ntoken = \"file:token\"\n";

/// One process of the service.
struct Node {
    config: PathBuf,
    log: PathBuf,
    address: SocketAddr,
    process: Option<Running>,
    /// What makes its clock another one than this machine's.
    clock: Option<PathBuf>,
}

impl Node {
    fn start(&mut self) {
        self.process = Some(match &self.clock {
            None => Running::service(&self.config, &self.log, None),
            Some(library) => Running::under(
                &self.config,
                &self.log,
                &[
                    ("LD_PRELOAD", library.display().to_string()),
                    ("FAKETIME", AHEAD.to_owned()),
                    ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
                ],
            ),
        });
    }

    fn kill(&mut self) {
        self.process.take().expect("runs").kill();
    }

    fn signal(&self, signal: Signal) {
        let id = self.process.as_ref().expect("runs").0.id();
        let id = Pid::from_raw(i32::try_from(id).expect("an id")).expect("an id");
        kill_process(id, signal).expect("is there");
    }

    fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(Running::has_ended)
    }

    /// What it answers; nothing where nobody listens.
    fn ask(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    fn role(&self) -> String {
        let said = self.ask("/readyz").and_then(|(_, body)| serde_json::from_str::<Value>(&body).ok());
        said.and_then(|said| Some(said["role"].as_str()?.to_owned())).unwrap_or_default()
    }

    fn name(&self) -> String {
        let said = self.log();
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut names = lines.filter_map(|line| Some(line["fields"]["node"].as_str()?.to_owned()));
        names.next().expect("it has stood by")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn cli(&self, args: &[&str]) -> (bool, String) {
        let mut command = program();
        command.args(args).arg("--config").arg(&self.config).env("NAMELY_OKTA_SYNC_TOKEN", TOKEN);
        let output = command.output().expect("runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    }
}

/// Both sides, a database, and two nodes on it.
struct Cluster {
    world: World,
    scenario: Scenario,
    folder: tempfile::TempDir,
    server: Postgres,
    nodes: [Node; 2],
    line: Line,
    client: RefCell<Option<Client>>,
}

/// What stands between a node and the database.
struct Line {
    port: u16,
    cut: Arc<AtomicBool>,
}

impl Line {
    /// To this port of this machine.
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (port, cut) = (listener.local_addr().expect("a port").port(), Arc::new(AtomicBool::new(false)));
        let is_cut = cut.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let ends = |stream: &TcpStream| stream.try_clone().expect("clones");
                for (from, to) in [(ends(&client), ends(&server)), (server, client)] {
                    let is_cut = is_cut.clone();
                    std::thread::spawn(move || pass(from, to, &is_cut));
                }
            }
        });
        Self { port, cut }
    }
}

/// Passes on what comes; while the line is cut nothing passes, and neither side learns of it.
fn pass(mut from: TcpStream, mut to: TcpStream, is_cut: &AtomicBool) {
    let mut bytes = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        while is_cut.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port()
}

impl Cluster {
    /// The first node serves and has compared everybody, the second one stands by. The first one is behind a line that can be cut.
    fn start(employees: usize) -> Option<Self> {
        Self::start_under(employees, None)
    }

    /// The same; the clock of the first node is another one than this machine's, by what the library at this path makes of it.
    fn start_under(employees: usize, library: Option<PathBuf>) -> Option<Self> {
        let server = Postgres::start()?;
        let clock = Clock::system();
        let mut scenario = Scenario::make("day", employees, 3, today(clock.now())).expect("a scenario");
        scenario.changes.retain(|change| matches!(change.kind, Kind::Leaver | Kind::Joiner));
        scenario.changes.iter_mut().for_each(|change| change.at = Duration::ZERO);
        let mut okta = quick_okta();
        okta.latency = 0.4;
        let world = World::start(&scenario, quick_namely(), okta, clock).expect("ports");
        let folder = tempfile::tempdir().expect("a folder");
        let usual = crate::common::config::config_file(&world, folder.path());
        let text = std::fs::read_to_string(usual).expect("reads");
        let store = folder.path().join("store.db").display().to_string();
        let url = server.url();
        let port = url.rsplit_once('/').and_then(|(host, _)| host.rsplit(':').next()).expect("a port");
        let port: u16 = port.parse().expect("a port");
        let line = Line::to(port);
        std::fs::write(folder.path().join("token"), TOKEN).expect("writes");
        let cut = url.replace(&format!(":{port}/"), &format!(":{}/", line.port));
        let node = |name: &str, url: &str| {
            let port = free_port();
            let text = text.replace(&store, url).replace("127.0.0.1:0", &format!("127.0.0.1:{port}")) + ADMIN;
            let config = folder.path().join(format!("{name}.toml"));
            std::fs::write(&config, text).expect("writes");
            let log = folder.path().join(format!("{name}.log"));
            Node { config, log, address: ([127, 0, 0, 1], port).into(), process: None, clock: None }
        };
        let nodes = [node("a", &cut), node("b", &url)];
        let mut cluster = Self { world, scenario, folder, server, nodes, line, client: RefCell::default() };
        cluster.nodes[0].clock = library;
        cluster.nodes[0].start();
        cluster.until_serves(0);
        cluster.nodes[1].start();
        cluster.until("it stands by", |all| all.nodes[1].role() == "standby");
        cluster.until("everybody is compared", |all| {
            let walks = "SELECT count(*) FROM audit WHERE kind = 'walk' AND row LIKE '%\"complete\":true%'";
            all.count(walks) > 0 && all.count("SELECT count(*) FROM account") > 0 && all.is_quiet()
        });
        Some(cluster)
    }

    fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let (one, other) = (&self.nodes[0], &self.nodes[1]);
        let message = || {
            let watch = Watch::new(&self.scenario);
            let missing = watch.missing(&self.world.okta.core());
            let open = "SELECT string_agg(w.target || ' ' || w.class || ' ' || coalesce(w.reason, '') || ' ' || w.bucket, '; ')
                        FROM work w WHERE dirty_rev > done_rev";
            let open = Client::connect(&self.server.url(), NoTls).and_then(|mut client| client.query_one(open, &[]));
            let open = open.ok().and_then(|row| row.get::<_, Option<String>>(0));
            format!("missing in Okta: {missing:#?}\nnot done: {open:?}\nthe other node:\n{}", other.log())
        };
        wait_or_report(what, &one.log, || holds(self), message);
    }

    fn until_serves(&self, node: usize) {
        self.until(&format!("node {node} serves"), |all| all.nodes[node].role() == "serves");
    }

    fn count(&self, sql: &str) -> i64 {
        let mut kept = self.client.borrow_mut();
        let client = kept.take().filter(|client| !client.is_closed());
        let client = client.or_else(|| Client::connect(&self.server.url(), NoTls).ok());
        let Some(mut client) = client else { return -1 };
        let found = client.query_one(sql, &[]).map_or(-1, |row| row.get(0));
        *kept = Some(client);
        found
    }

    fn is_quiet(&self) -> bool {
        self.count("SELECT count(*) FROM work WHERE dirty_rev > done_rev") == 0
    }

    /// When accounts were deactivated, after a moment.
    fn ended_after(&self, at: Moment) -> Vec<Moment> {
        let okta = self.world.okta.core();
        let ends = okta.history().exchanges().iter();
        let ends = ends.filter(|e| e.applied && e.path.ends_with("/lifecycle/deactivate") && e.arrived > at);
        ends.map(|e| e.arrived).collect()
    }

    fn writes(&self) -> usize {
        let okta = self.world.okta.core();
        okta.history().exchanges().iter().filter(|e| e.applied && e.method != "GET").count()
    }

    /// Somebody of whom the scenario says nothing so far leaves.
    fn one_leaves(&mut self) -> String {
        let now = self.world.clock.now();
        let all = self.world.namely.core().people().cloned().collect::<Vec<_>>();
        let afters = self.scenario.changes.iter().map(|change| &change.after);
        // Nobody who leads somebody: what is expected of these depends on them.
        let leads = all.iter().chain(afters).filter_map(|person| person.manager);
        let changed: BTreeSet<usize> = self.scenario.changes.iter().map(|change| change.person).chain(leads).collect();
        let n = (0..).find(|n| !changed.contains(n) && self.hired(*n).is_some()).expect("somebody");
        self.world.namely.core().edit(n, now, |person| person.status = Hired::Inactive);
        let after = self.world.namely.core().people().nth(n).expect("they").clone();
        let anchor = after.id.clone();
        self.scenario.changes.push(HrChange { at: Duration::ZERO, kind: Kind::Leaver, person: n, after });
        anchor
    }

    fn hired(&self, n: usize) -> Option<()> {
        let core = self.world.namely.core();
        let person = core.people().nth(n)?;
        (person.status == Hired::Active).then_some(())
    }

    fn until_out(&self, anchor: &str) {
        self.until("they are out", |all| {
            let status = all.world.okta.core().user_by_anchor(anchor).map(|user| user.status);
            status == Some(Status::Deprovisioned) && all.is_quiet()
        });
    }

    /// The audit as a file, as the oracle reads it.
    fn copy(&self) -> PathBuf {
        let path = self.folder.path().join("copy.db");
        copied(&self.server.url(), &path).expect("copies");
        path
    }

    /// That nobody was lost, nothing was out of order or unaudited, nobody was made twice, and the chain is whole.
    fn is_clean(&self, start: Moment) {
        let store: &Path = &self.copy();
        let namely = self.world.namely.core().history().exchanges().to_vec();
        let okta = self.world.okta.core();
        let (scenario, excused) = (&self.scenario, BTreeSet::new());
        let evidence = Evidence { scenario, start, okta: &okta, namely: &namely, store, excused: &excused };
        let figures = evaluate(&evidence).expect("the audit can be read");
        let verdict = (figures.lost, figures.order_violations, figures.unaudited_effects, figures.http_429);
        assert_eq!(verdict, (0, 0, 0, 0), "{:#?}", figures.findings);
        let made = okta.users().filter_map(|user| user.profile.get("namelyId")?.as_str()).collect::<Vec<_>>();
        assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), made.len(), "nobody was made twice");
        drop(okta);
        assert_eq!(self.count("SELECT count(*) FROM intent"), 0, "every call has its outcome");
        let (is_good, output) = self.nodes[1].cli(&["audit", "verify"]);
        assert!(is_good, "{output}");
    }
}

#[test]
fn the_node_that_serves_is_killed_in_a_burst_of_terminations_and_the_other_one_ends_every_leaver() {
    let Some(mut cluster) = Cluster::start(60) else { return };
    let start = cluster.world.clock.now();
    for _ in 0..10 {
        cluster.one_leaves();
    }
    for change in cluster.scenario.changes.clone() {
        let mut tenant = cluster.world.namely.core();
        if change.person < tenant.people().count() {
            tenant.edit(change.person, start, |person| *person = change.after);
        } else {
            tenant.hire(change.after, start);
        }
    }
    cluster.until("writes have begun", |all| all.writes() > 0);
    cluster.nodes[0].kill();
    let killed = cluster.world.clock.now();
    let late = cluster.one_leaves();
    let watch = RefCell::new(Watch::new(&cluster.scenario));
    cluster.until("every change has arrived", |all| {
        watch.borrow_mut().watch(&all.world.okta.core());
        watch.borrow().is_over() && all.is_quiet()
    });
    cluster.until_out(&late);
    let ended = cluster.ended_after(killed);
    let seconds = |at: Option<&Moment>| at.map_or(0.0, |at| at.since(killed).as_secs_f64());
    println!(
        "{} accounts ended after the kill: the first after {:.1} s, the last after {:.1} s",
        ended.len(),
        seconds(ended.iter().min()),
        seconds(ended.iter().max())
    );
    assert!(!ended.is_empty(), "nobody was left to end");
    cluster.is_clean(start);
    let (is_said, output) = cluster.nodes[1].cli(&["nodes"]);
    assert!(is_said && output.contains("serves since"), "{output}");
}

#[test]
fn a_node_that_stands_still_or_is_cut_off_writes_nothing_beside_the_one_that_has_taken_over() {
    let Some(mut cluster) = Cluster::start(30) else { return };
    cluster.scenario.changes.clear();
    let start = cluster.world.clock.now();
    let (code, body) = cluster.nodes[1].ask("/readyz").expect("answers");
    assert!(code == 200 && body.contains("serves"), "{body}");
    // It has counted nothing, which is not that nobody waits.
    let said: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((said["state"].as_str(), said["status"].as_str()), (Some("cannot_say"), Some("not ready")), "{body}");
    let (_, metrics) = cluster.nodes[1].ask("/metrics").expect("answers");
    assert!(metrics.contains("namely_okta_sync_serves 0") && !metrics.contains("audit_rows"), "{metrics}");
    cluster.until("each says how things are", |all| {
        let said = all.nodes.each_ref().map(|node| node.cli(&["status"]).1);
        said.iter().all(|said| said.contains("stands by since") && said.contains("nothing is missing"))
    });

    // What is decided on the one that stands by holds on the one that serves.
    let before = cluster.writes();
    let (is_done, output) = cluster.nodes[1].cli(&["pause", "--why", "night"]);
    assert!(is_done, "{output}");
    let leaver = cluster.one_leaves();
    cluster.until("they are seen to have left", |all| all.count("SELECT count(*) FROM work WHERE class = 0") > 0);
    assert_eq!(cluster.writes(), before, "nothing is written while it is paused");
    let (is_done, output) = cluster.nodes[1].cli(&["resume"]);
    assert!(is_done, "{output}");
    cluster.until_out(&leaver);
    let (code, page) = cluster.nodes[1].ask("/sign-in").expect("answers");
    assert!(code == 200 && page.contains("token"), "{page}");

    // It stands still for longer than its lease, while somebody leaves.
    cluster.nodes[0].signal(Signal::STOP);
    let leaver = cluster.one_leaves();
    cluster.until_serves(1);
    cluster.until_out(&leaver);
    let before = cluster.writes();
    cluster.nodes[0].signal(Signal::CONT);
    let log = cluster.nodes[0].log.clone();
    wait_until("it ends", &log, || cluster.nodes[0].has_ended());
    assert!(cluster.nodes[0].log().contains("another node has taken over"), "{}", cluster.nodes[0].log());
    assert_eq!(cluster.writes(), before, "it has written nothing more");
    cluster.nodes[0].start();
    cluster.until("it stands by", |all| all.nodes[0].role() == "standby");

    // Handed over on request, as before an upgrade; the node that is drained goes on as one that stands by.
    let (is_done, output) = cluster.nodes[0].cli(&["nodes", "drain", &cluster.nodes[1].name()]);
    assert!(is_done && output.contains("serves"), "{output}");
    cluster.until_serves(0);
    cluster.until("the other stands by", |all| all.nodes[1].role() == "standby");
    assert!(!cluster.nodes[1].has_ended());

    // Cut off from the database: nothing starts any more, the other one takes over, and the first one ends when it learns of it.
    cluster.line.cut.store(true, Ordering::SeqCst);
    let leaver = cluster.one_leaves();
    cluster.until_serves(1);
    cluster.until_out(&leaver);
    let before = cluster.writes();
    cluster.line.cut.store(false, Ordering::SeqCst);
    wait_until("it ends", &log, || cluster.nodes[0].has_ended());
    assert_eq!(cluster.writes(), before, "it has written nothing more");

    // Stopped in order it gives the right back at once; the server fails in between.
    cluster.nodes[0].start();
    cluster.until("it stands by", |all| all.nodes[0].role() == "standby");
    cluster.server.kill();
    cluster.until("it says so", |all| all.nodes[1].ask("/readyz").is_some_and(|(code, _)| code == 503));
    cluster.server.start_again();
    let leaver = cluster.one_leaves();
    cluster.until_out(&leaver);
    let serving = usize::from(cluster.nodes[1].role() == "serves");
    cluster.nodes[serving].signal(Signal::TERM);
    let begun = cluster.world.clock.now();
    cluster.until_serves(1 - serving);
    println!("handed over in {:.1} s", cluster.world.clock.now().since(begun).as_secs_f64());
    let leaver = cluster.one_leaves();
    cluster.until_out(&leaver);
    let started =
        "SELECT count(*) FROM audit WHERE kind = 'started' AND row LIKE '%' || (SELECT node FROM lease) || '%'";
    assert!(cluster.count(started) > 0, "the audit says which node has served");
    cluster.is_clean(start);
}

#[test]
fn a_node_that_is_alone_and_cut_off_from_the_database_sends_nothing_says_so_and_goes_on_by_itself() {
    let Some(mut cluster) = Cluster::start(30) else { return };
    cluster.scenario.changes.clear();
    let start = cluster.world.clock.now();
    cluster.nodes[1].kill();
    cluster.line.cut.store(true, Ordering::SeqCst);
    let cut = cluster.world.clock.now();
    let leaver = cluster.one_leaves();
    let says =
        |all: &Cluster| all.nodes[0].ask("/readyz").is_some_and(|(_, said)| said.contains("could not be renewed"));
    cluster.until("it says so", |all| says(all));
    let said_after = cluster.world.clock.now().since(cut);
    let (_, output) = cluster.nodes[0].cli(&["status"]);
    assert!(output.contains("could not be renewed"), "{output}");
    cluster.until("its lease is over", |all| {
        all.count("SELECT count(*) FROM lease WHERE until < extract(epoch FROM clock_timestamp()) * 1000") == 1
    });
    let last = cut + Duration::from_secs(6);
    let okta = cluster.world.okta.core();
    let late = okta.history().exchanges().iter().filter(|e| e.method != "GET" && e.arrived > last).count();
    assert_eq!(late, 0, "nothing was written from six seconds after the last renewal on");
    drop(okta);
    cluster.line.cut.store(false, Ordering::SeqCst);
    cluster.until_out(&leaver);
    cluster.until("it says nothing of it any more", |all| !says(all));
    assert!(!cluster.nodes[0].has_ended(), "nobody else has served, so it goes on");
    println!("said {:.1} s after the cut", said_after.as_secs_f64());
    cluster.is_clean(start);
}

#[test]
fn a_node_whose_clock_is_five_minutes_ahead_takes_nothing_early_and_who_serves_after_it_waits_for_no_clock() {
    let library = Path::new("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1");
    if !library.exists() {
        skipped("no libfaketime is installed (apt-get install libfaketime)");
        return;
    }
    let Some(mut cluster) = Cluster::start_under(30, Some(library.to_owned())) else { return };
    cluster.scenario.changes.clear();
    let start = cluster.world.clock.now();
    let leaver = cluster.one_leaves();
    cluster.until_out(&leaver);
    let ahead = "SELECT CAST(max(at) - extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) FROM audit";
    assert!(cluster.count(ahead) > 200_000, "its clock is ahead: {} ms", cluster.count(ahead));
    // Killed, its lease lasts for as long as any other; who comes after it has seen a later time than its own.
    cluster.nodes[0].kill();
    let killed = cluster.world.clock.now();
    let leaver = cluster.one_leaves();
    cluster.until_serves(1);
    let served = cluster.world.clock.now().since(killed);
    cluster.until_out(&leaver);
    let out = cluster.world.clock.now().since(killed);
    assert!(served >= Duration::from_secs(8) && out < Duration::from_secs(60), "{served:?}, {out:?}");
    // It comes back, and takes nothing from a node whose lease lasts.
    cluster.nodes[0].start();
    cluster.until("it stands by", |all| all.nodes[0].role() == "standby");
    let leaver = cluster.one_leaves();
    cluster.until_out(&leaver);
    assert_eq!((cluster.nodes[1].role().as_str(), cluster.nodes[0].role().as_str()), ("serves", "standby"));
    cluster.is_clean(start);
}
