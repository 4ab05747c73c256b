//! The store stands in a database of a server: the same service, the same decisions, the same audit.

use crate::common::postgres::Postgres;
use crate::common::running::Running;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Hr, Status as Hired};
use namely_okta_sync::sandbox::world::today;
use postgres::{Client, NoTls};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// What the service says of itself.
fn readiness(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("writes");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("reads");
    text
}

#[test]
fn somebody_joins_and_leaves_while_the_store_is_on_a_server_that_fails_in_between() {
    let Some(mut server) = Postgres::start() else { return };
    let workspace = Workspace::new(12).with_a_port();
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let text = text.replace(&workspace.store().display().to_string(), &server.url());
    std::fs::write(&workspace.config, text).expect("writes");
    let url = server.url();
    let count = |sql: &str| -> i64 {
        let Ok(mut client) = Client::connect(&url, NoTls) else { return -1 };
        client.query_one(sql, &[]).map_or(-1, |row| row.get(0))
    };
    let is_quiet = || count("SELECT count(*) FROM work WHERE dirty_rev > done_rev") == 0;
    let mut service = Running::service(&workspace.config, &workspace.log, None);
    wait_until("everybody is compared", &workspace.log, || {
        let walks = "SELECT count(*) FROM audit WHERE kind = 'walk' AND row LIKE '%\"complete\":true%'";
        count(walks) > 0 && count("SELECT count(*) FROM account") > 0 && is_quiet()
    });

    let now = workspace.world.clock.now();
    let mut joiner = Hr::new(43, today(now)).joiner(1);
    joiner.email = "joiner43@example.com".into();
    workspace.world.namely.core().hire(joiner.clone(), now);
    let status = |anchor: &str| workspace.world.okta.core().user_by_anchor(anchor).map(|user| user.status);
    wait_until("their account is made", &workspace.log, || status(&joiner.id).is_some() && is_quiet());

    // The server fails while somebody leaves: nothing is sent, the service says why, and goes on by itself.
    server.kill();
    let leaver = workspace.world.namely.core().people().nth(3).expect("somebody").id.clone();
    workspace.world.namely.core().edit(3, now, |person| person.status = Hired::Inactive);
    let away = "its server cannot be reached";
    wait_until("it says so", &workspace.log, || workspace.log().contains(away));
    wait_until("it is not ready", &workspace.log, || readiness(workspace.address()).contains(away));
    let (answered, output) = workspace.cli(&["status"]);
    assert!(!answered && output.contains(away) && output.contains("postgres://sync@127.0.0.1"), "{output}");
    let (is_sound, output) = workspace.cli(&["check", "--offline"]);
    assert!(is_sound, "{output}");
    assert!(status(&leaver).is_some_and(|status| status != Status::Deprovisioned));
    assert!(!service.has_ended(), "it waits");
    server.start_again();
    wait_until("they are out", &workspace.log, || status(&leaver) == Some(Status::Deprovisioned) && is_quiet());
    wait_until("it is ready", &workspace.log, || !readiness(workspace.address()).contains(away));

    let (is_good, output) = workspace.cli(&["audit", "verify"]);
    assert!(is_good, "{output}");
    let (answered, output) = workspace.cli(&["status"]);
    assert!(answered, "{output}");
    let (copied, output) =
        workspace.cli(&["backup", "--output", &workspace.folder.path().join("copy").display().to_string()]);
    assert!(!copied && output.contains("pg_dump"), "{output}");
    let (restored, output) = workspace.cli(&["restore", "copy"]);
    assert!(!restored && output.contains("pg_restore"), "{output}");
    service.kill();
    let mut service = Running::service(&workspace.config, &workspace.log, None);
    let starts = || count("SELECT count(*) FROM audit WHERE kind = 'started'");
    wait_until("it has started again on what it has written", &workspace.log, || starts() == 2 && is_quiet());
    assert!(!service.has_ended());
    let open = "SELECT count(*) FROM intent";
    assert_eq!(count(open), 0, "every call has its outcome");
}

#[test]
fn a_store_moves_from_a_file_into_a_database_and_the_service_goes_on_with_what_it_knew() {
    let Some(server) = Postgres::start() else { return };
    let workspace = Workspace::new(12).with_a_port();
    let status = |anchor: &str| workspace.world.okta.core().user_by_anchor(anchor).map(|user| user.status);
    let mut service = Running::service(&workspace.config, &workspace.log, None);
    let leaver = workspace.world.namely.core().people().nth(3).expect("somebody").id.clone();
    wait_until("everybody is known", &workspace.log, || workspace.log().contains("manager links are known"));
    let (refused, output) = workspace.cli(&["migrate-store", &server.url(), "--by", "Ann"]);
    assert!(!refused && output.contains("is in use by process"), "{output}");
    service.kill();

    let (moved, output) = workspace.cli(&["migrate-store", &server.url(), "--by", "Ann"]);
    assert!(moved && output.contains("each compared with the one it was copied from"), "{output}");
    assert!(output.contains("the audit's chain of") && output.contains(&server.url()), "{output}");
    let mut before = Running::service(&workspace.config, &workspace.log, None);
    wait_until("the old one serves nobody", &workspace.log, || before.has_ended());
    assert!(workspace.log().contains("was moved to postgres://sync@"), "{}", workspace.log());
    let (decided, output) = workspace.cli(&["pause", "--why", "test", "--by", "Ann"]);
    assert!(!decided && output.contains("was moved to postgres://sync@"), "{output}");

    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let text = text.replace(&workspace.store().display().to_string(), &server.url());
    std::fs::write(&workspace.config, text).expect("writes");
    let _service = Running::service(&workspace.config, &workspace.log, None);
    let now = workspace.world.clock.now();
    workspace.world.namely.core().edit(3, now, |person| person.status = Hired::Inactive);
    wait_until("they are out", &workspace.log, || status(&leaver) == Some(Status::Deprovisioned));
    let (is_good, output) = workspace.cli(&["audit", "verify"]);
    assert!(is_good, "{output}");
    let (listed, output) = workspace.cli(&["audit", "list", "--kind", "store_moved"]);
    assert!(listed && output.contains("the store was moved from") && output.contains("by Ann"), "{output}");
}
