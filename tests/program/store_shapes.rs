//! Whatever stands in the place of the store: every command says at once what it is, where, and what to do, and ends with the exit
//! code for that; the service does not begin on it, and one that runs on it does not go on in silence.

use crate::common::program::program;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use namely_okta_sync::clock::Clock;
use rusqlite::Connection;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longer than any of this takes, and shorter than a hang.
const LONGEST: Duration = Duration::from_secs(60);

/// What the program says, and its exit code; without one it hung.
fn said(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    let mut streams = (child.stdout.take().expect("a stream"), child.stderr.take().expect("a stream"));
    let reader = std::thread::spawn(move || {
        let (mut out, mut err) = (String::new(), String::new());
        streams.0.read_to_string(&mut out).and(streams.1.read_to_string(&mut err)).expect("reads");
        out + &err
    });
    let clock = Clock::system();
    let begun = clock.monotonic();
    let ended = loop {
        match child.try_wait().expect("waits") {
            Some(ended) => break ended.code(),
            None if clock.monotonic().since(begun) > LONGEST => {
                child.kill().and(child.wait().map(|_| ())).expect("ends");
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    (ended, reader.join().expect("reads"))
}

fn cli(workspace: &Workspace, args: &[&str]) -> (Option<i32>, String) {
    let mut command = program();
    command.args(args).arg("--config").arg(&workspace.config);
    said(command)
}

/// Something in the place of a store: what it is called, how it is made of the path and of a whole store, what is said of it.
type Shape = (&'static str, fn(&Path, &Path), &'static [&'static str]);

fn edited(at: &Path, whole: &Path, sql: &str) {
    std::fs::copy(whole, at).expect("copies");
    Connection::open(at).expect("opens").execute_batch(sql).expect("edits");
}

fn of_another_program(at: &Path, version: i64) {
    let sql =
        format!("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('x'); PRAGMA user_version = {version}");
    Connection::open(at).expect("opens").execute_batch(&sql).expect("makes");
}

fn fifo(at: &Path) {
    assert!(Command::new("mkfifo").arg(at).status().expect("mkfifo").success());
}

/// A whole store with a page of a table overwritten, as a failing disk would.
fn damaged(at: &Path, whole: &Path, table: &str) {
    let c = Connection::open(whole).expect("opens");
    let root = "SELECT rootpage FROM sqlite_master WHERE name = ?1";
    let page: i64 = c.query_row(root, [table], |row| row.get(0)).expect("a page");
    drop(c);
    let mut bytes = std::fs::read(whole).expect("reads");
    let from = usize::try_from((page - 1) * 4096).expect("fits");
    bytes[from..from + 4096].fill(0);
    std::fs::write(at, bytes).expect("writes");
}

const BACKUP: &str = "restore BACKUP";
const ANOTHER: &str = "name another file as service.store";

const SHAPES: [Shape; 24] = [
    ("a table is gone", |at, whole| edited(at, whole, "DROP TABLE risk"), &["risk", BACKUP]),
    ("another table", |at, whole| edited(at, whole, "ALTER TABLE request RENAME TO requests"), &["request", BACKUP]),
    (
        "a column is gone",
        |at, whole| edited(at, whole, "ALTER TABLE pause RENAME COLUMN why TO reason"),
        &["pause.why", BACKUP],
    ),
    (
        "what keeps the audit as it is written is gone",
        |at, whole| {
            let c = Connection::open(whole).expect("opens");
            let named = "SELECT name FROM sqlite_master WHERE type = 'trigger' LIMIT 1";
            let name: String = c.query_row(named, [], |row| row.get(0)).expect("a trigger");
            drop(c);
            edited(at, whole, &format!("DROP TRIGGER {name}"));
        },
        &["audit", BACKUP],
    ),
    ("a newer version", |at, whole| edited(at, whole, "PRAGMA user_version = 99"), &["version 99", "newer program"]),
    (
        "an unreleased version",
        |at, whole| edited(at, whole, "PRAGMA user_version = 1"),
        &["version 1", "never released"],
    ),
    ("another program's", |at, _| of_another_program(at, 0), &["another program", ANOTHER]),
    ("another program's of our version", |at, _| of_another_program(at, 5), &["another program", ANOTHER]),
    ("another program's of a newer version", |at, _| of_another_program(at, 99), &["another program", ANOTHER]),
    ("zero bytes", |at, _| std::fs::write(at, "").expect("writes"), &["is empty (0 bytes)", BACKUP]),
    ("garbage", |at, _| std::fs::write(at, vec![0x5a; 64 << 10]).expect("writes"), &["not a database", BACKUP]),
    ("a text", |at, _| std::fs::write(at, "moved to /srv\n").expect("writes"), &["not a database", BACKUP]),
    (
        "a copy that has broken off",
        |at, whole| {
            let bytes = std::fs::read(whole).expect("reads");
            std::fs::write(at, &bytes[..bytes.len() / 2]).expect("writes");
        },
        &["damaged", BACKUP],
    ),
    ("damaged people", |at, whole| damaged(at, whole, "source"), &["damaged", BACKUP]),
    ("a damaged queue", |at, whole| damaged(at, whole, "work"), &["damaged", BACKUP]),
    ("damaged matches", |at, whole| damaged(at, whole, "matched"), &["damaged", BACKUP]),
    ("a folder", |at, _| std::fs::create_dir(at).expect("makes"), &["is a folder", "name a file"]),
    ("a named pipe", |at, _| fifo(at), &["is a named pipe", "name a file"]),
    (
        "a socket",
        |at, _| drop(std::os::unix::net::UnixListener::bind(at).expect("binds")),
        &["is a socket", "name a file"],
    ),
    ("a device", |at, _| symlink("/dev/zero", at).expect("links"), &["is a device", "name a file"]),
    ("a link in a circle", |at, _| symlink(at, at).expect("links"), &["symbolic link", "service.store"]),
    (
        "a link to nowhere",
        |at, _| symlink("/nowhere/store.db", at).expect("links"),
        &["is a link to /nowhere/store.db", "mount"],
    ),
    (
        "a pipe beside it",
        |at, whole| {
            std::fs::copy(whole, at).expect("copies");
            fifo(&at.with_file_name("store.db-wal"));
        },
        &["store.db-wal is a named pipe", "remove it"],
    ),
    (
        "a folder beside it",
        |at, whole| {
            std::fs::copy(whole, at).expect("copies");
            std::fs::create_dir(at.with_file_name("store.db-wal")).expect("makes");
        },
        &["store.db-wal is a folder", "remove it"],
    ),
];

/// Whether something is said that helps nobody, or the same is said twice.
fn is_bad(said: &str) -> bool {
    said.contains("panicked") || said.contains("please report") || said.matches("(os error").count() > 1
}

#[test]
fn whatever_stands_in_the_place_of_the_store_is_named_at_once_with_what_to_do() {
    let workspace = Workspace::new(12);
    let mut service = workspace.settled();
    assert!(Command::new("kill").arg(service.0.id().to_string()).status().expect("kill").success());
    assert!(service.0.wait().expect("ends").success());
    let whole = workspace.folder.path().join("whole.db");
    std::fs::rename(workspace.store(), &whole).expect("moves");
    let clear = || {
        for entry in std::fs::read_dir(workspace.folder.path()).expect("a folder").flatten() {
            let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
            if name.starts_with("store.db") {
                std::fs::remove_dir(&path).or_else(|_| std::fs::remove_file(&path)).expect("removes");
            }
        }
    };
    let mut wrong = Vec::new();
    for (what, make, words) in SHAPES {
        for (args, wanted) in [
            (&["status"][..], 2),
            (&["plan"], 2),
            (&["attention"], 2),
            (&["audit", "verify"], 2),
            (&["pause", "--why", "stop", "--by", "Ann"], 2),
            (&["run"], 1),
        ] {
            clear();
            make(&workspace.store(), &whole);
            let (code, said) = cli(&workspace, args);
            let named = words.iter().all(|word| said.contains(word)) && said.contains("store.db");
            if code != Some(wanted) || !named || is_bad(&said) {
                wrong.push(format!("{what}, {args:?}: {code:?} {}", said.trim()));
            }
        }
    }
    clear();
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    // What was not in order was left as it was, and the whole one still serves.
    std::fs::rename(&whole, workspace.store()).expect("moves");
    assert_eq!(cli(&workspace, &["plan"]).0, Some(0));
}

fn readiness(address: SocketAddr) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(LONGEST)).expect("a timeout");
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("writes");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("reads");
    (text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), text)
}

#[test]
fn a_run_whose_store_loses_a_table_or_a_column_is_not_ready_and_writes_nothing_more() {
    for (breaks, names) in [
        ("DROP TABLE risk", "risk"),
        ("ALTER TABLE intent RENAME TO intents", "intent"),
        ("ALTER TABLE work RENAME COLUMN token TO claim", "work.token"),
    ] {
        let workspace = Workspace::new(20);
        let _service = workspace.settled();
        let address = workspace.address();
        wait_until("it is ready", &workspace.log, || readiness(address).0 == 200);
        let other = Connection::open(workspace.store()).expect("opens");
        other.busy_timeout(Duration::from_secs(30)).expect("a timeout");
        other.execute_batch(breaks).unwrap_or_else(|e| panic!("{breaks}: {e}"));
        let writes = || workspace.world.okta.core().history().exchanges().iter().filter(|e| e.method != "GET").count();
        let before = writes();
        let id = workspace.world.namely.core().person(3).id.clone();
        workspace.world.namely.core().edit(3, workspace.world.clock.now(), |p| p.direct_dial = "+1 555 3".into());
        wait_until("it is told", &workspace.log, || {
            readiness(address).0 == 503 && readiness(address).1.contains(names)
        });
        let message = readiness(address).1;
        assert!(message.contains("store.db") && message.contains("restore BACKUP"), "{message}");
        let asked = || workspace.world.namely.core().history().exchanges().len();
        let seen = asked();
        wait_until("Namely was looked at again", &workspace.log, || asked() > seen + 20);
        let has = |okta: &namely_okta_sync::sandbox::okta::Okta| {
            okta.user_by_anchor(&id).is_some_and(|u| u.profile.get("primaryPhone") == Some(&"+1 555 3".into()))
        };
        assert!(writes() == before && !has(&workspace.world.okta.core()), "{breaks}: nothing is written");
        let quarantined: i64 =
            other.query_row("SELECT count(*) FROM work WHERE state = 1", [], |row| row.get(0)).expect("reads");
        assert_eq!(quarantined, 0, "{breaks}: nobody is blamed for it");
    }
}
