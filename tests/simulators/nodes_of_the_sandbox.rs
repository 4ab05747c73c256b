//! The sandbox on a database: with the service in its own process, and with several nodes of which the one that serves is killed.

use crate::common::postgres::Postgres;
use crate::common::program::program;
use serde_json::Value;

/// The report of a sandbox, and whether nothing was wrong.
fn report(arguments: &[&str]) -> (bool, Value) {
    let output = program().args(["sandbox", "--report", "json"]).args(arguments).output().expect("runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report = serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout}{stderr}"));
    (output.status.success(), report)
}

fn is_clean(report: &Value) {
    for zero in
        ["http_429", "namely_406", "lost", "leavers_with_access", "takeovers", "order_violations", "unaudited_effects"]
    {
        assert_eq!(report[zero], 0, "{zero}: {report:#}");
    }
}

#[test]
fn several_nodes_without_a_server_are_refused_with_what_they_need() {
    for (arguments, says) in [
        (
            &["--nodes", "3"][..],
            "--nodes 3 needs a store on a server, since only one process can serve a file: add --store",
        ),
        (&["--nodes", "2", "--store", "postgres://a@127.0.0.1/b", "--time-scale", "20"], "leave out --time-scale"),
        (&["--store", "mysql://a@127.0.0.1/b"], "write --store postgres://USER@HOST:PORT/DATABASE"),
        (&["--store", "postgres://a@127.0.0.1/b?sslmode=require"], "without encryption"),
        (&["--store", "postgres://a@127.0.0.1/b", "--scenario", "merger"], "the merger keeps its store in a file"),
    ] {
        let output = program().arg("sandbox").args(arguments).output().expect("runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(64) && stderr.contains(says), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_layoff_with_the_store_in_a_database_is_as_clean_as_with_one_in_a_file() {
    let Some(server) = Postgres::start() else { return };
    let arguments = ["--scenario", "layoff", "--employees", "60", "--store", &server.url()];
    let (is_good, found) = report(&arguments);
    assert!(is_good, "{found:#}");
    is_clean(&found);
    assert_eq!((&found["nodes"], &found["store"]), (&1.into(), &server.url().into()), "{found:#}");
    assert_eq!(found["okta_calls"], found["okta_calls_minimal"], "{found:#}");
    let output = program().arg("sandbox").args(arguments).output().expect("runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("holds a store already; name an empty database"), "{stderr}");
}

#[test]
fn the_node_that_serves_is_killed_in_a_layoff_and_the_next_one_ends_every_leaver() {
    let Some(server) = Postgres::start() else { return };
    let arguments = ["--scenario", "layoff", "--employees", "60", "--nodes", "2", "--store", &server.url()];
    let (is_good, report) = report(&arguments);
    assert!(is_good, "{report:#}");
    is_clean(&report);
    let take_overs = report["take_overs"].as_array().expect("a list");
    assert_eq!((&report["nodes"], take_overs.len()), (&2.into(), 1), "{report:#}");
    let one = &take_overs[0];
    let seconds = |name: &str| one[name].as_f64().unwrap_or_else(|| panic!("{name}: {report:#}"));
    assert_ne!(one["killed"], one["next"], "{report:#}");
    // Not before the lease of the killed node is over.
    let (serves, first_call) = (seconds("serves_after_seconds"), seconds("first_call_after_seconds"));
    assert!((8.0..60.0).contains(&serves) && serves <= first_call, "{report:#}");
    assert!(one["leavers"].as_u64() > Some(0) && one["revoke_ms"]["p99"].as_i64() > Some(0), "{report:#}");
}
