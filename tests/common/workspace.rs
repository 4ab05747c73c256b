//! A place for the program itself: what operators start, stop and ask.

use super::config::config_file;
use super::program::program;
use super::quick::{quick_namely, quick_okta};
use super::running::Running;
use super::store::dirty;
use super::wait::wait_until;
use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::scenario::Scenario;
use namely_okta_sync::sandbox::world::{World, today};
use namely_okta_sync::store::Store;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

/// Simulators, a folder, and a configuration in it.
pub struct Workspace {
    pub world: World,
    pub folder: tempfile::TempDir,
    pub config: PathBuf,
    pub log: PathBuf,
}

impl Workspace {
    pub fn new(employees: usize) -> Self {
        let clock = Clock::system();
        let scenario = Scenario::make("day", employees, 1, today(clock.now())).expect("a scenario");
        let world = World::start(&scenario, quick_namely(), quick_okta(), clock).expect("ports");
        let folder = tempfile::tempdir().expect("a folder");
        let (config, log) = (config_file(&world, folder.path()), folder.path().join("log"));
        Self { world, folder, config, log }
    }

    /// Has the service listen at a port that the configuration names: the command line finds it there.
    pub fn with_a_port(self) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let text = std::fs::read_to_string(&self.config).expect("reads");
        std::fs::write(&self.config, text.replace("127.0.0.1:0", &free.to_string())).expect("writes");
        self
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A service that has compared everybody.
    pub fn settled(&self) -> Running {
        let service = Running::service(&self.config, &self.log, None);
        self.until_settled();
        service
    }

    /// Waits until a service has compared everybody.
    pub fn until_settled(&self) {
        wait_until("everybody is compared", &self.log, || {
            dirty(&self.store()) == Some((0, 0)) && self.count("account") > 0
        });
        let walked =
            || self.counted("SELECT count(*) FROM audit WHERE kind = 'walk' AND row LIKE '%\"complete\":true%'");
        wait_until("the tenant was walked", &self.log, || walked() > 0 && dirty(&self.store()) == Some((0, 0)));
    }

    pub fn count(&self, table: &str) -> i64 {
        self.counted(&format!("SELECT count(*) FROM {table}"))
    }

    pub fn counted(&self, sql: &str) -> i64 {
        Store::reader(self.store()).ok().and_then(|c| c.query_row(sql, [], |row| row.get(0)).ok()).unwrap_or(-1)
    }

    pub fn cli(&self, args: &[&str]) -> (bool, String) {
        let output = program().args(args).arg("--config").arg(&self.config).output().expect("runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    }

    /// Where the service says it serves metrics and health.
    pub fn address(&self) -> SocketAddr {
        let mut found = None;
        wait_until("the address is logged", &self.log, || {
            let log = self.log();
            found = log
                .lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
                .find_map(|line| line["fields"]["address"].as_str().and_then(|address| address.parse().ok()));
            found.is_some()
        });
        found.expect("an address")
    }
}
