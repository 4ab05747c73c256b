//! What is so of a store on a server only. `the_tests_of_the_store_pass_on_a_server_as_well` starts the server for these; without one they
//! have nothing to do.

use super::nodes::{Node, drain, nodes};
use super::schema::{FIRST, STEPS, said_to_server};
use super::server::{self, Again, Begun, Server};
use super::server_tests::{SERVER, a_schema, address, open};
use super::session::{Session, Use, apart};
use super::standby::{Standby, Turn};
use super::{Location, Reader, StoreError, Trouble, Tx};
use crate::audit::details::Started;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::Decider;
use crate::domain::plan::rulebook::tests::rulebook;
use crate::store::rows::meta::{meta, set_meta};
use crate::store::{Store, append, verify_audit};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

fn on_server() -> Option<String> {
    std::env::var(SERVER).ok()
}

fn row(run: i64) -> Record {
    let started = Started { run, void_claims: 0, unknown_calls: 0, rules_changed: false, node: None };
    Record::general(Moment::from_secs(1), Event::Started(started))
}

fn number(place: &Location, sql: &str) -> i64 {
    let reader = Reader::open(place).expect("opens");
    reader.query_row(sql, [], |row| row.get(0)).expect("reads")
}

fn list(place: &Location, sql: &str) -> BTreeSet<String> {
    let reader = Reader::open(place).expect("opens");
    let mut select = reader.prepare(sql).expect("prepares");
    let rows = select.query_map([], |row| row.get(0)).expect("asks");
    rows.collect::<Result<_, _>>().expect("reads")
}

#[tokio::test]
async fn the_tables_of_a_server_are_those_of_the_file() {
    let Some(url) = on_server() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (file, place) = (Location::from(folder.path().join("s.db")), a_schema(&url));
    let (_one, _other) = (open(&file).expect("opens"), open(&place).expect("opens"));
    let of_file = "SELECT m.name || '.' || p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p
                   WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'
                   UNION ALL SELECT type || ' ' || name FROM sqlite_master WHERE type IN ('index', 'trigger')
                     AND name NOT LIKE 'sqlite_%'";
    let of_server = "SELECT table_name || '.' || column_name FROM information_schema.columns
                     WHERE table_schema = current_schema() AND table_name NOT IN ('engine', 'lease', 'node')
                     UNION ALL SELECT 'index ' || indexname FROM pg_indexes WHERE schemaname = current_schema()
                       AND indexname NOT LIKE '%\\_pkey' AND indexname NOT LIKE '%\\_key'
                     UNION ALL SELECT DISTINCT 'trigger ' || trigger_name FROM information_schema.triggers
                       WHERE trigger_schema = current_schema()";
    let (of_file, of_server) = (list(&file, of_file), list(&place, of_server));
    assert!(of_file.len() > 200, "{}", of_file.len());
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| Vec::from_iter(one.difference(other).cloned());
    assert_eq!((only(&of_file, &of_server), only(&of_server, &of_file)), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn a_store_of_an_earlier_version_is_brought_up_to_date_on_a_server_too() {
    let Some(url) = on_server() else { return };
    let (former, new) = (a_schema(&url), a_schema(&url));
    let _new = open(&new).expect("makes it");
    let Location::Server(address) = &former else { panic!("on a server") };
    let tx = Tx::of_server(Session::there(address, Use::Operator).expect("connects"));
    tx.execute_batch(&said_to_server(include_str!("../../../tests/program/schemas/5.sql")))
        .expect("makes the former one");
    tx.execute("INSERT INTO engine VALUES (5, '', '')", []).expect("writes");
    let e = Reader::open(&former).map(|_| ()).expect_err("too old");
    assert!(e.to_string().contains("schema version 5") && e.to_string().contains("pg_dump"), "{e}");
    server::bring_up(&tx, 5, (FIRST + 1..).zip(STEPS)).expect("brings it up to date");
    let columns = "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' ||
                     coalesce(collation_name, '') || coalesce(column_default, '') FROM information_schema.columns
                   WHERE table_schema = current_schema() AND table_name NOT IN ('lease', 'node') UNION ALL
                   SELECT replace(indexdef, schemaname || '.', '') FROM pg_indexes
                   WHERE schemaname = current_schema() AND tablename NOT IN ('lease', 'node')";
    assert_eq!(list(&former, columns), list(&new, columns));
}

#[tokio::test]
async fn a_database_of_another_version_or_of_somebody_else_is_left_alone() {
    let Some(url) = on_server() else { return };
    let place = a_schema(&url);
    let Location::Server(address) = &place else { panic!("on a server") };
    drop(open(&place).expect("makes it"));
    let session = Session::there(address, Use::Operator).expect("connects");
    session.batch("UPDATE engine SET version = 99").expect("sets");
    for opened in [open(&place).map(drop), Store::operator(&place).map(drop), Store::reader(&place).map(drop)] {
        let e = opened.expect_err("newer");
        assert!(e.to_string().contains("schema version 99"), "{e}");
    }
    session.batch("DROP TABLE engine; DROP TABLE meta").expect("drops");
    let e = open(&place).map(drop).expect_err("of somebody else");
    assert!(e.to_string().contains("a database of another program"), "{e}");
}

#[tokio::test]
async fn a_job_of_which_a_statement_was_refused_leaves_nothing_even_if_it_says_nothing_of_it() {
    let Some(url) = on_server() else { return };
    let store = open(&a_schema(&url)).expect("opens");
    let silent = store.run(|c| {
        set_meta(c, "one", "1")?;
        let _ = c.execute("INSERT INTO meta (key, value) VALUES ('two', NULL)", []);
        Ok(())
    });
    let good = store.run(|c| set_meta(c, "three", "3"));
    let (silent, good) = tokio::join!(silent, good);
    let e = silent.expect_err("refused");
    assert!(e.trouble() == Trouble::Refused && e.to_string().contains("null value"), "{e}");
    good.expect("others of its group are written");
    let found = |key: &'static str| store.run(move |c| meta(c, key));
    assert_eq!(found("one").await.expect("reads"), None);
    assert_eq!(found("three").await.expect("reads").as_deref(), Some("3"));
    let operator = Store::operator(store.place()).expect("opens");
    let e = operator.together(|c: &Tx| -> Result<(), StoreError> {
        set_meta(c, "four", "4")?;
        let _ = c.execute("INSERT INTO meta (key, value) VALUES ('five', NULL)", []);
        Ok(())
    });
    assert!(e.is_err_and(|e| e.to_string().contains("null value")));
    operator.together(|c: &Tx| set_meta(c, "six", "6")).expect("and goes on");
    assert_eq!(found("four").await.expect("reads"), None);
}

#[tokio::test]
async fn an_audit_of_any_length_is_read_a_part_at_a_time() {
    const ROWS: i64 = 2001;
    let Some(url) = on_server() else { return };
    let place = a_schema(&url);
    let store = open(&place).expect("opens");
    store.run(|c| (1..=ROWS).try_for_each(|run| append(c, &row(run)).map(drop))).await.expect("writes");
    let reader = Store::reader(&place).expect("opens");
    for still in [false, true] {
        if still {
            reader.stand_still().expect("stands still");
        }
        let verdict = verify_audit(&reader, &[], || ()).expect("reads");
        assert!(verdict.findings.is_empty() && i64::try_from(verdict.rows) == Ok(ROWS), "{verdict:?}");
    }
    let broken = reader.each("SELECT seq FROM audit", [], |_| Err(StoreError::Stopped));
    assert!(matches!(broken, Err(StoreError::Stopped)), "who reads may end it");
}

#[tokio::test]
async fn a_session_that_the_server_ends_is_made_anew() {
    let Some(url) = on_server() else { return };
    let place = a_schema(&url);
    let store = open(&place).expect("opens");
    let own = store.run(|c| Ok(c.query_row("SELECT pg_backend_pid()", [], |row| row.get::<i64>(0))?));
    let end = format!("SELECT CAST(pg_terminate_backend({}) AS INT)", own.await.expect("asks"));
    assert_eq!(number(&place, &end), 1);
    store.run(|c| set_meta(c, "one", "1")).await.expect("goes on");
    assert_eq!(store.trouble(), None);
}

#[tokio::test]
async fn whoever_comes_back_to_a_store_that_another_node_serves_learns_its_name_and_can_write_nothing() {
    let Some(url) = on_server() else { return };
    let Location::Server(address) = a_schema(&url) else { panic!("on a server") };
    let node = |name: &str| Node { name: name.into(), address: String::new(), place: "here".into() };
    let learned = apart(|| {
        let (one, connection) = Server::open_as(&address, &node("a")).expect("opens");
        let line = connection.server().expect("on a server");
        assert!(matches!(one.begin(line), Ok(Begun::Ours)));
        assert!(matches!(one.again(), Ok(Again::Back { .. })), "nobody else was there");
        assert!(connection.query_row("SELECT 1", [], |row| row.get::<i64>(0)).is_err(), "the one before was ended");
        let other = Node { place: "there".into(), ..node("b") };
        let waits = Server::open_as(&address, &other).map(drop).expect_err("it is served");
        assert!(waits.to_string().contains("in use by a (its lease lasts 1"), "{waits}");
        one.renewing().end(); // as of a process that stands still
        // At the same place the one before is gone, whatever its lease says.
        let connection = Session::here(&address, Use::Service).expect("connects");
        let (other, _) = Server::open_as(&address, &node("b")).expect("opens");
        assert!(matches!(one.begin(&connection), Ok(Begun::Superseded(_))), "it can write nothing more");
        assert!(matches!(other.again(), Ok(Again::Back { .. })));
        one.again().map(|again| match again {
            Again::Superseded(by) => by,
            Again::Back { .. } => "nobody".into(),
        })
    });
    assert_eq!(learned, Ok("b".into()));
}

/// Nothing happens to what passes.
const OPEN: u8 = 0;
/// The next `COMMIT` arrives, its answer does not.
const LOSES_THE_ANSWER: u8 = 1;
/// The next `COMMIT` does not arrive.
const LOSES_THE_COMMIT: u8 = 2;

/// A line to a server that breaks where it is told to; returns its port.
fn a_line_to(server: u16, breaks: Arc<AtomicU8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", server)).expect("connects");
            let ends = |stream: &TcpStream| stream.try_clone().expect("clones");
            let (breaks, cut) = (breaks.clone(), Arc::new(AtomicBool::new(false)));
            let (from, to, is_cut) = (ends(&client), ends(&server), cut.clone());
            std::thread::spawn(move || {
                pass(from, to, |bytes| {
                    let is_commit = bytes.windows(6).any(|word| word == b"COMMIT");
                    match breaks.load(Ordering::SeqCst) {
                        LOSES_THE_COMMIT if is_commit => {
                            breaks.store(OPEN, Ordering::SeqCst);
                            false
                        }
                        LOSES_THE_ANSWER if is_commit => {
                            breaks.store(OPEN, Ordering::SeqCst);
                            cut.store(true, Ordering::SeqCst);
                            true
                        }
                        _ => true,
                    }
                });
            });
            std::thread::spawn(move || pass(server, client, |_| !is_cut.load(Ordering::SeqCst)));
        }
    });
    port
}

/// Passes on what comes, until it may not pass any more; then nothing passes in either way.
fn pass(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn(&[u8]) -> bool) {
    let mut bytes = [0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if !may_pass(&bytes[..length]) || to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_looked_for_and_nothing_is_written_twice() {
    let Some(url) = on_server() else { return };
    let breaks = Arc::new(AtomicU8::new(OPEN));
    let (Location::Server(schema), port) = (a_schema(&url), address(&url).ports()[0]) else { panic!("on a server") };
    let line = a_line_to(port, breaks.clone());
    let place = Location::Server(schema.at_port(line));
    let store = open(&place).expect("opens");
    let mut rows = 0;
    for breaking in [OPEN, LOSES_THE_ANSWER, LOSES_THE_COMMIT, LOSES_THE_ANSWER] {
        breaks.store(breaking, Ordering::SeqCst);
        let written = store.run(move |c| append(c, &row(7)).map(drop)).await;
        assert_eq!(breaks.load(Ordering::SeqCst), OPEN, "it broke");
        match breaking {
            LOSES_THE_COMMIT => {
                let e = written.expect_err("not written");
                assert_eq!(e.trouble(), Trouble::Unwritable, "{e}");
            }
            _ => {
                written.expect("it is there");
                rows += 1;
            }
        }
        let there = store.run(|c| Ok(c.query_row("SELECT count(*) FROM audit", [], |row| row.get::<i64>(0))?));
        assert_eq!(there.await.expect("reads"), rows, "after {breaking}");
    }
    let operator = Store::operator(&place).expect("opens");
    breaks.store(LOSES_THE_ANSWER, Ordering::SeqCst);
    let e = operator.together(|c: &Tx| set_meta(c, "one", "1")).expect_err("nobody knows");
    assert!(e.to_string().contains("look whether it was written"), "{e}");
}

/// Two nodes that wait for a store.
fn two(place: &Location) -> [Standby; 2] {
    ["a", "b"].map(|name| Standby::of(place, node(name)).expect("on a server"))
}

fn node(name: &str) -> Node {
    Node { name: name.into(), address: format!("{name}:9464"), place: format!("machine of {name}") }
}

#[tokio::test]
async fn one_of_two_nodes_serves_and_the_other_one_when_the_lease_is_over_by_the_clock_of_the_database() {
    let Some(url) = on_server() else { return };
    let place = a_schema(&url);
    let [mut a, mut b] = two(&place);
    assert_eq!((a.turn().expect("asks"), b.turn().expect("asks")), (Turn::Ours, Turn::Ours), "nobody serves yet");
    let open_as =
        |name: &str| Store::open_as(&node(name), &place, Arc::new(rulebook()), crate::metrics::Metrics::new().store);
    let serving = open_as("a").expect("opens");
    let e = open_as("b").map(drop).expect_err("a serves");
    assert!(matches!(e, StoreError::Locked { .. }), "{e}");
    assert_eq!(b.turn().expect("asks"), Turn::Waits { behind: "a".into() });
    // A machine of the same name is not the same machine.
    let elsewhere = Node { place: "machine of somebody else".into(), ..node("a") };
    let e = Store::open_as(&elsewhere, &place, Arc::new(rulebook()), crate::metrics::Metrics::new().store).map(drop);
    assert!(matches!(e, Err(StoreError::Locked { .. })), "its place is another one");
    let namesake = Standby::of(&place, elsewhere).expect("on a server").turn().expect("asks");
    assert!(matches!(&namesake, Turn::Waits { behind } if behind.contains("same name")), "{namesake:?}");
    let left = "SELECT until - CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) FROM lease";
    assert!((10_000..=12_000).contains(&number(&place, left)), "a lease is counted by the database alone");
    let seen = nodes(&Reader::open(&place).expect("opens")).expect("reads");
    let seen: Vec<(&str, bool, bool)> = seen.iter().map(|one| (one.name.as_str(), one.serves, one.lives)).collect();
    assert_eq!(seen, [("a", true, true), ("b", false, true)]);

    // Given back in order, it can be taken at once.
    serving.close().await.expect("closes");
    assert_eq!(b.turn().expect("asks"), Turn::Ours);
    let serving = open_as("b").expect("opens");
    assert_eq!(number(&place, "SELECT token FROM lease"), 2, "each taker has a token of its own");
    drop(serving);
}

#[tokio::test]
async fn a_node_that_is_drained_leaves_serving_to_another_one_that_lives_and_to_nobody_else() {
    let Some(url) = on_server() else { return };
    let place = a_schema(&url);
    let [mut a, mut b] = two(&place);
    assert_eq!(a.turn().expect("asks"), Turn::Ours);
    let opened = Store::open_as(&node("a"), &place, Arc::new(rulebook()), crate::metrics::Metrics::new().store);
    let serving = opened.expect("opens");
    let ann = Decider::of_token("Ann", None);
    let drained = |name: &str| {
        let operator = Store::operator(&place).expect("opens");
        operator.together(|c: &Tx| crate::store::drain(c, name, &ann, Moment::from_secs(1)))
    };
    let e = drained("a").expect_err("nobody else lives");
    assert!(e.to_string().contains("no other node lives"), "{e}");
    assert!(drained("c").is_err_and(|e| e.to_string().contains("no node \"c\" lives; there are a")));
    assert_eq!(b.turn().expect("asks"), Turn::Waits { behind: "a".into() });
    drained("a").expect("b lives");
    assert_eq!(number(&place, "SELECT count(*) FROM audit WHERE kind = 'drained'"), 1);
    let asked = tokio::time::timeout(std::time::Duration::from_secs(60), serving.seat().handed_over());
    asked.await.expect("it learns of it");
    serving.close().await.expect("closes");
    assert_eq!(a.turn().expect("asks"), Turn::Waits { behind: "a".into() }, "b is to take it");
    assert_eq!(b.turn().expect("asks"), Turn::Ours);
    b.leave();
    assert_eq!(a.turn().expect("asks"), Turn::Ours, "there is nobody else any more");
}

#[test]
fn a_file_has_no_nodes() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Location::from(folder.path().join("s.db"));
    drop(open(&place).expect("makes"));
    assert_eq!(nodes(&Reader::open(&place).expect("opens")).expect("reads"), []);
    assert!(Standby::of(&place, node("a")).is_none());
    let operator = Store::operator(&place).expect("opens");
    let e = operator.together(|c: &Tx| drain(c, "a")).expect_err("there is one service");
    assert!(e.to_string().contains("the store is a file"), "{e}");
}
