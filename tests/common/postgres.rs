//! A PostgreSQL server of a test: on a port of its own, with data of its own, gone with the test.

use super::skipped::skipped;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Who owns the data where the tests run as root: the server refuses to.
const USER: &str = "postgres";

/// What survives the end of a process, but need not survive that of a machine.
const QUICK: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    "max_connections=200",
    "fsync=off",
    "full_page_writes=off",
    "autovacuum=off",
    "wal_level=minimal",
    "max_wal_senders=0",
];

/// A running server.
pub struct Postgres {
    child: Child,
    port: u16,
    settings: Vec<String>,
    folder: tempfile::TempDir,
}

/// The folder of the newest server that is installed, where Debian puts them.
fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    versions
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/initdb").exists())
        .max_by_key(version)
        .map(|f| f.join("bin"))
}

/// A program of the server, as an ordinary user.
fn program(bin: &Path, name: &str) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(bin.join(name));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(bin.join(name));
    command
}

impl Postgres {
    /// Starts one; nothing, with a word about it, where none is installed.
    pub fn start() -> Option<Self> {
        Self::start_with(|_| Vec::new())
    }

    /// The same, with settings that are made when the folder of its data is there.
    pub fn start_with(settings: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        let Some(bin) = installed() else {
            skipped("no PostgreSQL is installed (apt-get install postgresql)");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("permits");
        let data = folder.path().join("data");
        let made = program(&bin, "initdb")
            .args(["--username=sync", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"])
            .arg(&data)
            .current_dir(folder.path())
            .output()
            .expect("runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let settings = settings(&data);
        let child = Self::serve(&bin, &data, folder.path(), port, &settings);
        let mut server = Self { child, port, settings, folder };
        server.wait();
        Some(server)
    }

    fn serve(bin: &Path, data: &Path, folder: &Path, port: u16, settings: &[String]) -> Child {
        program(bin, "postgres")
            .arg("-D")
            .arg(data)
            .args(["-p", &port.to_string(), "-k"])
            .arg(folder)
            .args(QUICK.iter().copied().chain(settings.iter().map(String::as_str)).flat_map(|setting| ["-c", setting]))
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts")
    }

    fn wait(&mut self) {
        for _ in 0..600 {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                self.serve_again(); // what held its port, or its memory, is gone soon
            }
            if postgres::Client::connect(&self.socket(), postgres::NoTls).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server does not answer on port {}", self.port);
    }

    /// The same without the network.
    pub fn socket(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://sync@{folder}:{}/postgres", self.port)
    }

    /// The address of its one database.
    pub fn url(&self) -> String {
        format!("postgres://sync@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills it, as a machine that fails would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on what it has written.
    pub fn start_again(&mut self) {
        self.serve_again();
        self.wait();
    }

    fn serve_again(&mut self) {
        let bin = installed().expect("was there");
        let folder = self.folder.path();
        self.child = Self::serve(&bin, &folder.join("data"), folder, self.port, &self.settings);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}
