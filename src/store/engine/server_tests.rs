//! The tests of the store, on a server as well, and what is so of a server only.

use super::address::{Address, Location};
use super::session::{Session, Use};
use super::{Reader, StoreError, Trouble};
use crate::domain::plan::rulebook::tests::rulebook;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::rows::meta::{meta, set_meta};
use a_server::Postgres;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use secrecy::SecretString;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[path = "../../../tests/common/postgres.rs"]
mod a_server;
#[path = "../../../tests/common/skipped.rs"]
mod skipped;

/// Names the server on which the tests keep their stores, where it is one.
pub const SERVER: &str = "STORE_TESTS_ON";

/// Tests that are about the file.
const ABOUT_FILES: [&str; 9] = [
    "a_run_takes_no_more_statements_than_it_needs",
    "a_second_process_is_told_who_has_the_store",
    "a_store_of_a_newer_version_is_left_alone",
    "a_disk_that_is_full_in_the_middle_of_a_group_leaves_nothing_of_the_group",
    "a_store_that_was_closed_is_one_file_and_what_was_asked_before_is_in_it",
    "whatever_is_wrong_with_the_file_is_said_once_with_its_path_and_what_to_do",
    "a_new_store_is_there_as_a_whole_or_not_at_all",
    "nothing_begins_on_a_store_that_was_found_damaged",
    "whoever_waits_for_a_lock_beside_the_service_gives_up_and_is_told_what_to_do",
];

/// A place for the store of one test: a file in its folder, or a schema of its own on the server.
pub fn place(folder: &Path) -> Location {
    match std::env::var(SERVER) {
        Ok(url) => a_schema(&url),
        Err(_) => folder.join("s.db").into(),
    }
}

pub fn address(url: &str) -> Address {
    Address::read(&SecretString::from(url), Path::new("/")).expect("an address")
}

/// A schema of its own.
pub fn a_schema(url: &str) -> Location {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("store_{}", NEXT.fetch_add(1, Ordering::SeqCst));
    let session = Session::there(&address(url), Use::Operator).expect("connects");
    session.batch(&format!("CREATE SCHEMA {name}")).expect("makes");
    Location::Server(address(&format!("{url}?options=-csearch_path%3D{name}")))
}

pub fn open(place: &Location) -> Result<Store, StoreError> {
    Store::open(place, Arc::new(rulebook()), Metrics::new().store)
}

#[test]
fn the_tests_of_the_store_pass_on_a_server_as_well() {
    if std::env::var_os(SERVER).is_some() {
        return; // this is one of them
    }
    let Some(server) = Postgres::start_with(|_| vec!["synchronous_commit=off".to_owned()]) else { return };
    let mut tests = Command::new(std::env::current_exe().expect("the tests"));
    tests.args(["store::", "--skip", "server_tests", "--test-threads=4"]).env(SERVER, server.socket());
    for name in ABOUT_FILES {
        tests.args(["--skip", name]);
    }
    let ran = tests.output().expect("runs");
    let output = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{output}\n{}", String::from_utf8_lossy(&ran.stderr));
    let passed = output.matches(" ... ok").count();
    assert!(passed > 60, "{passed} tests passed:\n{output}");
}

#[tokio::test]
async fn a_store_on_a_server_outlives_its_connections_and_the_server() {
    let Some(mut server) = tokio::task::spawn_blocking(Postgres::start).await.expect("starts") else { return };
    let place = a_schema(&server.url());
    assert!(Reader::open(&place).is_err_and(|e| e.to_string().contains("there is no store in postgres://sync@")));
    let store = open(&place).expect("opens");
    let second = open(&place).map(|_| ()).expect_err("one service works on a store");
    assert!(second.to_string().contains("in use by process "), "{second}");
    store.run(|c| set_meta(c, "one", "1")).await.expect("writes");

    server.kill();
    let e = store.run(|c| set_meta(c, "two", "2")).await.expect_err("nobody answers");
    assert_eq!(e.trouble(), Trouble::Unwritable, "{e}");
    assert!(e.to_string().contains("its server cannot be reached"), "{e}");
    assert!(store.trouble().is_some_and(|why| why.contains("postgres://sync@")), "{:?}", store.trouble());
    let e = Reader::open(&place).map(|_| ()).expect_err("nobody answers");
    assert_eq!(e.trouble(), Trouble::Unwritable, "{e}");

    let server = tokio::task::spawn_blocking(move || {
        server.start_again();
        server
    });
    let _server = server.await.expect("starts");
    store.run(|c| set_meta(c, "three", "3")).await.expect("goes on by itself");
    assert_eq!(store.trouble(), None);
    let found = |key: &'static str| store.run(move |c| meta(c, key));
    assert_eq!(found("one").await.expect("reads").as_deref(), Some("1"), "what was output to be written is there");
    assert_eq!(found("two").await.expect("reads"), None, "what was not, is not");
    assert_eq!(found("three").await.expect("reads").as_deref(), Some("3"));
}

/// An authority, as PEM; and a certificate of `localhost` by it, with its key.
fn certificate() -> (String, [String; 2]) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("signs").pem();
    let (issuer, key) = (Issuer::new(params, key), KeyPair::generate().expect("a key"));
    let leaf = CertificateParams::new(["localhost".to_owned()]).and_then(|params| params.signed_by(&key, &issuer));
    (authority, [leaf.expect("signs").pem(), key.serialize_pem()])
}

#[tokio::test]
async fn what_goes_to_a_server_is_encrypted_and_only_the_right_one_is_taken() {
    let ((authority, own), (other, _)) = (certificate(), certificate());
    let settings = move |data: &Path| {
        std::fs::write(data.join("pg_hba.conf"), "local all all trust\nhostssl all all 127.0.0.1/32 trust\n")
            .expect("writes");
        for (name, pem) in ["server.crt", "server.key"].iter().zip(own) {
            let file = data.join(name);
            std::fs::write(&file, pem).expect("writes");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("permits");
            let owner = std::fs::metadata(data).expect("is there");
            std::os::unix::fs::chown(&file, Some(owner.uid()), Some(owner.gid())).expect("gives");
        }
        vec!["ssl=on".to_owned()]
    };
    let started = tokio::task::spawn_blocking(move || Postgres::start_with(settings)).await.expect("starts");
    let Some(server) = started else { return };
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), authority).expect("writes");
    std::fs::write(folder.path().join("other.pem"), other).expect("writes");
    let url = server.url();
    let at = |host: &str, asked: &str| {
        let url = SecretString::from(format!("{}?{asked}", url.replace("127.0.0.1", host)));
        Location::Server(Address::read(&url, folder.path()).expect("an address"))
    };
    let right = at("localhost", "sslmode=verify-full&sslrootcert=ca.pem");
    let store = open(&right).expect("the right one");
    let encrypted = "SELECT CAST(ssl AS INT) FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let is_encrypted = store.run(move |c| Ok(c.query_row(encrypted, [], |row| row.get::<i64>(0))?));
    assert_eq!(is_encrypted.await.expect("asks"), 1);
    for place in [right, at("127.0.0.1", "sslmode=require")] {
        let reader = Reader::open(&place).expect("is taken");
        assert_eq!(reader.query_row(encrypted, [], |row| row.get::<i64>(0)).expect("asks"), 1);
    }
    for (place, why) in [
        (at("localhost", "sslmode=verify-full&sslrootcert=other.pem"), "invalid peer certificate"),
        (at("localhost", "sslmode=verify-full"), "invalid peer certificate"),
        (at("127.0.0.1", "sslmode=verify-full&sslrootcert=ca.pem"), "not valid for name"),
        (at("localhost", "sslmode=verify-full&sslrootcert=none.pem"), "none.pem of sslrootcert cannot be read"),
        (at("localhost", "sslmode=disable"), "no encryption"),
    ] {
        let e = Reader::open(&place).map(|_| ()).expect_err(why);
        assert!(e.trouble() == Trouble::Unwritable && e.to_string().contains(why), "{why}: {e}");
    }
}
