//! Trouble of the store: it is told, it ends only what it concerns, and nothing is written to Okta that could not be written
//! down.

use crate::common::place::Place;
use crate::common::program::program;
use crate::common::store::dirty;
use crate::common::wait::wait_until;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TOKEN: &str = "an-approver-0123456789abcdef01234567";

/// A place whose service can be asked by whoever has the token.
fn place(people: usize) -> Place {
    let place = Place::new(people);
    let mut text = std::fs::read_to_string(&place.config).expect("reads");
    text += "\n[[admin.tokens]]\nname = \"Anna\"\nrole = \"approver\"\ntoken = \"file:token\"\n";
    std::fs::write(place.folder.path().join("token"), TOKEN).expect("writes");
    std::fs::write(&place.config, text).expect("writes");
    place
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
fn beside(place: &Place) -> Connection {
    let other = Connection::open(place.store()).expect("opens");
    other.busy_timeout(Duration::from_secs(30)).expect("a timeout");
    other
}

fn writes(place: &Place) -> usize {
    place.world.okta.core().history().exchanges().iter().filter(|e| e.method != "GET").count()
}

/// Gives somebody another telephone; returns what Okta shows when it has arrived.
fn edit(place: &Place, person: usize) -> impl Fn() -> bool {
    let phone = format!("+1 555 {person}");
    place.world.namely.core().edit(person, place.world.clock.now(), |p| p.direct_dial = phone.clone());
    let id = place.world.namely.core().person(person).id.clone();
    move || {
        let okta = place.world.okta.core();
        okta.user_by_anchor(&id).is_some_and(|u| u.profile.get("primaryPhone") == Some(&json!(phone)))
    }
}

#[test]
fn a_lock_of_another_program_is_told_and_the_kill_switch_works_through_it() {
    let place = place(20);
    let _service = place.settled();
    let address = place.address();
    wait_until("it is ready", &place.log, || http(address, "GET", "/readyz", "").0 == 200);
    let other = beside(&place);
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let arrived = edit(&place, 3);
    let who = format!("process {}", std::process::id());
    wait_until("whoever holds the lock is named", &place.log, || readiness(address).contains(&who));
    assert!(readiness(address).contains("has held a lock on the store"), "{}", readiness(address));
    let locked = "namely_okta_sync_store_trouble{kind=\"locked\"} 1";
    assert!(http(address, "GET", "/metrics", "").1.to_string().contains(&locked.replace('"', "\\\"")));
    let (status, told) = http(address, "POST", "/api/v1/pause", r#"{"why":"stop everything"}"#);
    assert_eq!((status, &told["pause"]), (200, &Value::Null), "{told}");
    assert!(told["unwritten"].as_str().is_some_and(|told| told.contains(&who)), "{told}");
    let (_, listed) = http(address, "GET", "/api/v1/pauses", "");
    assert!(listed["pauses"][0]["why"].as_str().is_some_and(|why| why.contains("not written down yet")), "{listed}");
    let (status, told) = http(address, "POST", "/api/v1/resume", r#"{"id":1}"#);
    assert_eq!(status, 409, "it says that nothing goes on, and nothing does: {told}");
    let before = writes(&place);
    other.execute_batch("ROLLBACK").expect("unlocks");
    wait_until("the pause is written down", &place.log, || place.count("pause") == 1);
    wait_until("the change waits", &place.log, || dirty(&place.store()).is_some_and(|(waiting, _)| waiting > 0));
    wait_until("the lock is forgotten", &place.log, || !readiness(address).contains("has held a lock"));
    let paused = "SELECT count(*) FROM audit WHERE kind = 'paused'";
    wait_until("the pause is audited", &place.log, || place.counted(paused) == 1);
    assert_eq!(writes(&place), before, "nothing has left since");
    let (status, told) = http(address, "POST", "/api/v1/resume", "{}");
    assert_eq!((status, &told["resumed"]), (200, &json!(1)), "{told}");
    wait_until("the change arrives", &place.log, arrived);
}

#[test]
fn whoever_asks_beside_the_service_is_told_what_holds_the_store_and_for_how_long_they_wait() {
    let place = Place::new(5);
    drop(place.settled());
    let other = beside(&place);
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let (ok, said) = place.cli(&["pause", "--why", "stop", "--by", "Ann"]);
    let who = format!("process {}", std::process::id());
    assert!(!ok && said.contains("waiting for") && said.matches(&who).count() >= 2, "{said}");
    assert!(said.contains("nothing was done") && said.contains("try again"), "{said}");
}

#[test]
fn an_outcome_that_the_store_refuses_sets_one_person_aside_and_everybody_else_goes_on() {
    let place = Place::new(20);
    let _service = place.settled();
    let id = place.world.namely.core().person(3).id.clone();
    let broken = format!(
        "CREATE TRIGGER broken BEFORE INSERT ON account WHEN new.anchor = '{id}'
         BEGIN SELECT RAISE(ABORT, 'this one is not kept'); END"
    );
    beside(&place).execute_batch(&broken).expect("breaks");
    let (first, second) = (edit(&place, 3), edit(&place, 5));
    wait_until("the other change arrives", &place.log, second);
    wait_until("the call was made", &place.log, first);
    wait_until("one person is set aside", &place.log, || dirty(&place.store()) == Some((0, 1)));
    let (_, said) = place.cli(&["quarantine", "list"]);
    assert!(said.contains("this one is not kept") && said.contains("store refuses"), "{said}");
    let told = "SELECT count(*) FROM audit WHERE kind = 'effect' AND row LIKE '%this one is not kept%'";
    assert!(place.counted(told) >= 1, "what was done is in the audit");
    assert_eq!(place.count("intent"), 0);
    beside(&place).execute_batch("DROP TRIGGER broken").expect("mends");
    let (ok, said) = place.cli(&["quarantine", "retry", "--all", "--by", "Ann"]);
    assert!(ok, "{said}");
    wait_until("nobody waits any more", &place.log, || dirty(&place.store()) == Some((0, 0)));
}

#[test]
fn one_request_about_nobody_spoils_no_other_and_is_refused_where_it_is_asked() {
    let place = place(10);
    let _service = place.settled();
    let address = place.address();
    let (status, told) = http(address, "POST", "/api/v1/fix", r#"{"org":"sandbox","targets":[999999]}"#);
    assert!(status == 404 && told["error"].as_str().is_some_and(|e| e.contains("999999")), "{status}: {told}");
    // One that was written down before anybody looked.
    let wish =
        r#"INSERT INTO request (org, what, by, at) VALUES ('sandbox', '{"wish":"fix","targets":[999999]}', 'Ann', 0)"#;
    beside(&place).execute_batch(wish).expect("asks");
    let (status, told) = http(address, "POST", "/api/v1/fix", r#"{"org":"sandbox","targets":[1]}"#);
    assert_eq!(status, 200, "{told}");
    let failed = "SELECT count(*) FROM request WHERE done LIKE 'failed:%999999%'";
    let done = "SELECT count(*) FROM request WHERE done = '1 people'";
    wait_until("both were looked at", &place.log, || (place.counted(failed), place.counted(done)) == (1, 1));
}

#[test]
fn what_the_timekeeper_cannot_do_makes_the_service_not_ready_until_it_can() {
    let place = place(10);
    let _service = place.settled();
    let address = place.address();
    wait_until("it is ready", &place.log, || http(address, "GET", "/readyz", "").0 == 200);
    // No request can be ended any more; everything else is done all the same.
    let stuck = "CREATE TRIGGER stuck BEFORE UPDATE ON request BEGIN SELECT RAISE(ABORT, 'stuck'); END";
    beside(&place).execute_batch(stuck).expect("breaks");
    let (status, told) = http(address, "POST", "/api/v1/fix", r#"{"org":"sandbox","targets":[1]}"#);
    assert_eq!(status, 200, "{told}");
    let said = "requests could not be carried out";
    wait_until("the reason is told", &place.log, || readiness(address).contains(said));
    let (status, told) = http(address, "POST", "/api/v1/pause", r#"{"why":"wait"}"#);
    assert_eq!(status, 200, "{told}");
    let paused = "SELECT count(*) FROM audit WHERE kind = 'paused'";
    wait_until("a pause is audited meanwhile", &place.log, || place.counted(paused) == 1);
    beside(&place).execute_batch("DROP TRIGGER stuck").expect("mends");
    wait_until("the reason is gone", &place.log, || !readiness(address).contains(said));
}

#[test]
fn after_a_clean_stop_the_store_is_one_file_and_after_a_kill_nothing_is_missing() {
    let place = Place::new(20);
    let size = |suffix: &str| {
        let file = place.store().with_file_name(format!("store.db{suffix}"));
        std::fs::metadata(file).map_or(0, |found| found.len())
    };
    let mut killed = place.settled();
    killed.kill();
    assert!(size("-wal") > 0, "what a kill leaves is two files");
    let people = place.count("source");
    let mut service = place.settled();
    wait_until("it runs again", &place.log, || place.log().matches("admin API are served").count() == 2);
    assert_eq!(place.count("source"), people);
    let terminated = std::process::Command::new("kill").arg(service.0.id().to_string()).status().expect("kill");
    assert!(terminated.success() && service.0.wait().expect("ends").success(), "{}", place.log());
    assert_eq!((size("-wal"), size("-shm")), (0, 0), "{}", place.log());
    let copy = place.folder.path().join("copy.db");
    std::fs::copy(place.store(), &copy).expect("copies");
    let c = Connection::open(&copy).expect("opens");
    let rows: i64 = c.query_row("SELECT count(*) FROM source", [], |row| row.get(0)).expect("reads");
    assert_eq!(rows, people, "the file alone is the store");
}

#[test]
fn a_store_that_cannot_be_used_is_one_error_with_its_path_and_what_to_do() {
    let place = Place::new(1);
    let start = || {
        let run = program().args(["run", "--config"]).arg(&place.config).output().expect("runs");
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(1), "{said}");
        said
    };
    let clear = || {
        let _ = std::fs::remove_file(place.store());
    };
    for (bytes, means) in [(Vec::new(), "is empty (0 bytes)"), (vec![0x5a; 64 << 10], "the file is not a database")] {
        std::fs::write(place.store(), bytes).expect("writes");
        let said = start();
        assert!(said.contains("store.db") && said.contains("restore BACKUP"), "{said}");
        assert_eq!(said.matches(means).count(), 1, "{said}");
        clear();
    }
    std::fs::create_dir(place.store()).expect("makes");
    let said = start();
    assert!(said.contains("is a folder; name a file as service.store"), "{said}");
    std::fs::remove_dir(place.store()).expect("removes");
    // No file may grow beyond some kilobytes, as where a disk has no room.
    let run = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' run --config '{}'",
        env!("CARGO_BIN_EXE_namely-okta-sync"),
        place.config.display()
    );
    let mut shell = std::process::Command::new("sh");
    let program = program();
    let variables = program.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let limited = shell.args(["-c", &run]).envs(variables).output().expect("runs");
    let said = String::from_utf8_lossy(&limited.stderr).into_owned();
    assert_eq!(limited.status.code(), Some(1), "{said}");
    assert!(said.contains("store.db cannot be used") && said.contains("disk"), "{said}");
    assert!(!place.store().exists(), "a store is there as a whole or not at all");
}

#[test]
fn nothing_is_written_to_okta_once_the_file_is_found_damaged() {
    let place = place(20);
    let _service = place.settled();
    let address = place.address();
    wait_until("it is ready", &place.log, || http(address, "GET", "/readyz", "").0 == 200);
    let other = beside(&place);
    wait_until("everything is in the one file", &place.log, || {
        other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)).is_ok_and(|busy| !busy)
    });
    let mut bytes = std::fs::read(place.store()).expect("reads");
    bytes[4096..].fill(0xa5);
    // As a failing disk would: in place, without a lock.
    let file = std::fs::OpenOptions::new().write(true).open(place.store()).expect("opens");
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[4096..], 4096).expect("damages");
    wait_until("it is found and told", &place.log, || readiness(address).contains("pages are damaged"));
    assert!(readiness(address).contains("restore BACKUP") && readiness(address).contains("store.db"));
    let before = writes(&place);
    let asked = || place.world.namely.core().history().exchanges().len();
    let arrived = edit(&place, 3);
    let seen = asked();
    wait_until("Namely was looked at again and again", &place.log, || asked() > seen + 20);
    assert!(writes(&place) == before && !arrived(), "nothing is written");
    assert!(http(address, "GET", "/metrics", "").1.to_string().contains("kind=\\\"damaged\\\"} 1"));
}
