//! Trouble of the store: it is told, it ends only what it concerns, and nothing is written to Okta that could not be written
//! down.

use crate::common::program::program;
use crate::common::store::dirty;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TOKEN: &str = "an-approver-0123456789abcdef01234567";

/// A place whose service can be asked by whoever has the token.
fn workspace(people: usize) -> Workspace {
    let workspace = Workspace::new(people);
    let mut text = std::fs::read_to_string(&workspace.config).expect("reads");
    text += "\n[[admin.tokens]]\nname = \"Anna\"\nrole = \"approver\"\ntoken = \"file:token\"\n";
    std::fs::write(workspace.folder.path().join("token"), TOKEN).expect("writes");
    std::fs::write(&workspace.config, text).expect("writes");
    workspace
}

fn http(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("writes");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("reads");
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or_else(|_| json!(body)))
}

fn readiness(address: SocketAddr) -> String {
    http(address, "GET", "/readyz", "").1.to_string()
}

/// A connection of somebody else, which waits for the service's own writes.
fn beside(workspace: &Workspace) -> Connection {
    let other = Connection::open(workspace.store()).expect("opens");
    other.busy_timeout(Duration::from_secs(30)).expect("a timeout");
    other
}

fn writes(workspace: &Workspace) -> usize {
    workspace.world.okta.core().history().exchanges().iter().filter(|e| e.method != "GET").count()
}

/// Gives somebody another telephone; returns what Okta shows when it has arrived.
fn edit(workspace: &Workspace, person: usize) -> impl Fn() -> bool {
    let phone = format!("+1 555 {person}");
    workspace.world.namely.core().edit(person, workspace.world.clock.now(), |p| p.direct_dial = phone.clone());
    let id = workspace.world.namely.core().person(person).id.clone();
    move || {
        let okta = workspace.world.okta.core();
        okta.user_by_anchor(&id).is_some_and(|u| u.profile.get("primaryPhone") == Some(&json!(phone)))
    }
}

#[test]
fn a_lock_of_another_program_is_told_and_the_kill_switch_works_through_it() {
    let workspace = workspace(20);
    let _service = workspace.settled();
    let address = workspace.address();
    wait_until("it is ready", &workspace.log, || http(address, "GET", "/readyz", "").1["status"] == "ready");
    let other = beside(&workspace);
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let arrived = edit(&workspace, 3);
    let who = format!("process {}", std::process::id());
    wait_until("whoever holds the lock is named", &workspace.log, || readiness(address).contains(&who));
    assert!(readiness(address).contains("has held a lock on the store"), "{}", readiness(address));
    let locked = "namely_okta_sync_store_trouble{kind=\"locked\"} 1";
    assert!(http(address, "GET", "/metrics", "").1.to_string().contains(&locked.replace('"', "\\\"")));
    let (status, message) = http(address, "POST", "/api/v1/pause", r#"{"why":"stop everything"}"#);
    assert_eq!((status, &message["pause"]), (200, &Value::Null), "{message}");
    assert!(message["unwritten"].as_str().is_some_and(|message| message.contains(&who)), "{message}");
    let (_, listed) = http(address, "GET", "/api/v1/pauses", "");
    assert!(listed["pauses"][0]["why"].as_str().is_some_and(|why| why.contains("not written down yet")), "{listed}");
    let (status, message) = http(address, "POST", "/api/v1/resume", r#"{"id":1}"#);
    assert_eq!(status, 409, "it says that nothing goes on, and nothing does: {message}");
    let before = writes(&workspace);
    other.execute_batch("ROLLBACK").expect("unlocks");
    wait_until("the pause is written down", &workspace.log, || workspace.count("pause") == 1);
    wait_until("the change waits", &workspace.log, || {
        dirty(&workspace.store()).is_some_and(|(waiting, _)| waiting > 0)
    });
    wait_until("the lock is forgotten", &workspace.log, || !readiness(address).contains("has held a lock"));
    let paused = "SELECT count(*) FROM audit WHERE kind = 'paused'";
    wait_until("the pause is audited", &workspace.log, || workspace.counted(paused) == 1);
    assert_eq!(writes(&workspace), before, "nothing has left since");
    let (status, message) = http(address, "POST", "/api/v1/resume", "{}");
    assert_eq!((status, &message["resumed"]), (200, &json!(1)), "{message}");
    wait_until("the change arrives", &workspace.log, arrived);
}

#[test]
fn whoever_asks_beside_the_service_is_told_what_holds_the_store_and_for_how_long_they_wait() {
    let workspace = Workspace::new(5);
    drop(workspace.settled());
    let other = beside(&workspace);
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let (ok, said) = workspace.cli(&["pause", "--why", "stop", "--by", "Ann"]);
    let who = format!("process {}", std::process::id());
    assert!(!ok && said.contains("waiting for") && said.matches(&who).count() >= 2, "{said}");
    assert!(said.contains("nothing was done") && said.contains("try again"), "{said}");
}

#[test]
fn an_outcome_that_the_store_refuses_quarantines_one_person_and_everybody_else_goes_on() {
    let workspace = Workspace::new(20);
    let _service = workspace.settled();
    let id = workspace.world.namely.core().person(3).id.clone();
    let broken = format!(
        "CREATE TRIGGER broken BEFORE INSERT ON account WHEN new.anchor = '{id}'
         BEGIN SELECT RAISE(ABORT, 'this one is not kept'); END"
    );
    beside(&workspace).execute_batch(&broken).expect("breaks");
    let (first, second) = (edit(&workspace, 3), edit(&workspace, 5));
    wait_until("the other change arrives", &workspace.log, second);
    wait_until("the call was made", &workspace.log, first);
    wait_until("one person is quarantined", &workspace.log, || dirty(&workspace.store()) == Some((0, 1)));
    let (_, said) = workspace.cli(&["quarantine", "list"]);
    assert!(said.contains("this one is not kept") && said.contains("store refuses"), "{said}");
    let message = "SELECT count(*) FROM audit WHERE kind = 'effect' AND row LIKE '%this one is not kept%'";
    assert!(workspace.counted(message) >= 1, "what was done is in the audit");
    assert_eq!(workspace.count("intent"), 0);
    beside(&workspace).execute_batch("DROP TRIGGER broken").expect("mends");
    let (ok, said) = workspace.cli(&["quarantine", "retry", "--all", "--by", "Ann"]);
    assert!(ok, "{said}");
    wait_until("nobody waits any more", &workspace.log, || dirty(&workspace.store()) == Some((0, 0)));
}

#[test]
fn one_request_about_nobody_spoils_no_other_and_is_refused_where_it_is_asked() {
    let workspace = workspace(10);
    let _service = workspace.settled();
    let address = workspace.address();
    let (status, message) = http(address, "POST", "/api/v1/fix", r#"{"org":"sandbox","targets":[999999]}"#);
    assert!(status == 404 && message["error"].as_str().is_some_and(|e| e.contains("999999")), "{status}: {message}");
    // One that was written down before anybody looked.
    let asked =
        r#"INSERT INTO request (org, what, by, at) VALUES ('sandbox', '{"wish":"fix","targets":[999999]}', 'Ann', 0)"#;
    beside(&workspace).execute_batch(asked).expect("asks");
    let (status, message) = http(address, "POST", "/api/v1/fix", r#"{"org":"sandbox","targets":[1]}"#);
    assert_eq!(status, 200, "{message}");
    let failed = "SELECT count(*) FROM request WHERE done LIKE 'failed:%999999%'";
    let done = "SELECT count(*) FROM request WHERE done = '1 people'";
    wait_until("both were looked at", &workspace.log, || {
        (workspace.counted(failed), workspace.counted(done)) == (1, 1)
    });
}

#[test]
fn what_the_timekeeper_cannot_do_makes_the_service_not_ready_until_it_can() {
    let workspace = workspace(10);
    let _service = workspace.settled();
    let address = workspace.address();
    wait_until("it is ready", &workspace.log, || http(address, "GET", "/readyz", "").1["status"] == "ready");
    // No request can be ended any more; everything else is done all the same.
    let stuck = "CREATE TRIGGER stuck BEFORE UPDATE ON request BEGIN SELECT RAISE(ABORT, 'stuck'); END";
    beside(&workspace).execute_batch(stuck).expect("breaks");
    let (status, message) = http(address, "POST", "/api/v1/fix", r#"{"org":"sandbox","targets":[1]}"#);
    assert_eq!(status, 200, "{message}");
    let said = "requests could not be carried out";
    wait_until("the reason is told", &workspace.log, || readiness(address).contains(said));
    let (status, message) = http(address, "POST", "/api/v1/pause", r#"{"why":"wait"}"#);
    assert_eq!(status, 200, "{message}");
    let paused = "SELECT count(*) FROM audit WHERE kind = 'paused'";
    wait_until("a pause is audited meanwhile", &workspace.log, || workspace.counted(paused) == 1);
    beside(&workspace).execute_batch("DROP TRIGGER stuck").expect("mends");
    wait_until("the reason is gone", &workspace.log, || !readiness(address).contains(said));
}

#[test]
fn after_a_clean_stop_the_store_is_one_file_and_after_a_kill_nothing_is_missing() {
    let workspace = Workspace::new(20);
    let size = |suffix: &str| {
        let file = workspace.store().with_file_name(format!("store.db{suffix}"));
        std::fs::metadata(file).map_or(0, |found| found.len())
    };
    let mut killed = workspace.settled();
    killed.kill();
    assert!(size("-wal") > 0, "what a kill leaves is two files");
    let people = workspace.count("source");
    let mut service = workspace.settled();
    wait_until("it runs again", &workspace.log, || workspace.log().matches("are served").count() == 2);
    assert_eq!(workspace.count("source"), people);
    let terminated = std::process::Command::new("kill").arg(service.0.id().to_string()).status().expect("kill");
    assert!(terminated.success() && service.0.wait().expect("ends").success(), "{}", workspace.log());
    assert_eq!((size("-wal"), size("-shm")), (0, 0), "{}", workspace.log());
    let copy = workspace.folder.path().join("copy.db");
    std::fs::copy(workspace.store(), &copy).expect("copies");
    let c = Connection::open(&copy).expect("opens");
    let rows: i64 = c.query_row("SELECT count(*) FROM source", [], |row| row.get(0)).expect("reads");
    assert_eq!(rows, people, "the file alone is the store");
}

#[test]
fn a_store_that_cannot_be_used_is_one_error_with_its_path_and_what_to_do() {
    let workspace = Workspace::new(1);
    let start = || {
        let run = program().args(["run", "--config"]).arg(&workspace.config).output().expect("runs");
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(1), "{said}");
        said
    };
    let clear = || {
        let _ = std::fs::remove_file(workspace.store());
    };
    for (bytes, means) in [(Vec::new(), "is empty (0 bytes)"), (vec![0x5a; 64 << 10], "the file is not a database")] {
        std::fs::write(workspace.store(), bytes).expect("writes");
        let said = start();
        assert!(said.contains("store.db") && said.contains("restore BACKUP"), "{said}");
        assert_eq!(said.matches(means).count(), 1, "{said}");
        clear();
    }
    std::fs::create_dir(workspace.store()).expect("makes");
    let said = start();
    assert!(said.contains("is a folder; name a file as service.store"), "{said}");
    std::fs::remove_dir(workspace.store()).expect("removes");
    // No file may grow beyond some kilobytes, as where a disk has no room.
    let run = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' run --config '{}'",
        env!("CARGO_BIN_EXE_namely-okta-sync"),
        workspace.config.display()
    );
    let mut shell = std::process::Command::new("sh");
    let program = program();
    let variables = program.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let limited = shell.args(["-c", &run]).envs(variables).output().expect("runs");
    let said = String::from_utf8_lossy(&limited.stderr).into_owned();
    assert_eq!(limited.status.code(), Some(1), "{said}");
    assert!(said.contains("store.db cannot be used") && said.contains("disk"), "{said}");
    assert!(!workspace.store().exists(), "a store is there as a whole or not at all");
}

#[test]
fn nothing_is_written_to_okta_once_another_file_lies_in_the_place_of_the_store() {
    let workspace = workspace(20);
    let _service = workspace.settled();
    let address = workspace.address();
    wait_until("it is ready", &workspace.log, || http(address, "GET", "/readyz", "").1["status"] == "ready");
    let copy = workspace.store().with_extension("copy");
    std::fs::copy(workspace.store(), &copy).expect("copies");
    std::fs::rename(&copy, workspace.store()).expect("replaces");
    wait_until("it is told", &workspace.log, || readiness(address).contains("moved, removed or replaced"));
    let (before, seen) = (writes(&workspace), workspace.world.namely.core().history().exchanges().len());
    let arrived = edit(&workspace, 3);
    let asked = || workspace.world.namely.core().history().exchanges().len();
    wait_until("Namely was looked at again and again", &workspace.log, || asked() > seen + 20);
    assert!(writes(&workspace) == before && !arrived(), "nothing is written");
}

#[test]
fn nothing_is_written_to_okta_once_the_file_is_found_damaged() {
    let workspace = workspace(20);
    let _service = workspace.settled();
    let address = workspace.address();
    wait_until("it is ready", &workspace.log, || http(address, "GET", "/readyz", "").1["status"] == "ready");
    let other = beside(&workspace);
    wait_until("everything is in the one file", &workspace.log, || {
        other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)).is_ok_and(|busy| !busy)
    });
    let mut bytes = std::fs::read(workspace.store()).expect("reads");
    bytes[4096..].fill(0xa5);
    // As a failing disk would: in place, without a lock.
    let file = std::fs::OpenOptions::new().write(true).open(workspace.store()).expect("opens");
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[4096..], 4096).expect("damages");
    wait_until("it is found and told", &workspace.log, || readiness(address).contains("pages are damaged"));
    assert!(readiness(address).contains("restore BACKUP") && readiness(address).contains("store.db"));
    let before = writes(&workspace);
    let asked = || workspace.world.namely.core().history().exchanges().len();
    let arrived = edit(&workspace, 3);
    let seen = asked();
    wait_until("Namely was looked at again and again", &workspace.log, || asked() > seen + 20);
    assert!(writes(&workspace) == before && !arrived(), "nothing is written");
    assert!(http(address, "GET", "/metrics", "").1.to_string().contains("kind=\\\"damaged\\\"} 1"));
}
