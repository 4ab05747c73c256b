//! Where a store is: a file, or a database of a server.

use postgres::Config;
use postgres::config::Host;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A database of a server, with what is needed to be let in; shown without it.
#[derive(Clone)]
pub struct Address {
    config: Arc<Config>,
    shown: PathBuf,
}

impl Address {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub fn read(url: &SecretString) -> Result<Self, String> {
        let no = |why: &str| format!("{why}; write postgres://USER:PASSWORD@HOST:PORT/DATABASE");
        let config: Config = url.expose_secret().parse().map_err(|_| no("this is no address of a database"))?;
        let user = config.get_user().ok_or_else(|| no("it names no user"))?;
        let database = config.get_dbname().ok_or_else(|| no("it names no database"))?;
        let hosts: Vec<String> = config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(n, host)| {
                let port = config.get_ports().get(n).or(config.get_ports().first()).copied().unwrap_or(5432);
                match host {
                    Host::Tcp(name) => format!("{name}:{port}"),
                    Host::Unix(folder) => format!("{}:{port}", folder.display()),
                }
            })
            .collect();
        if hosts.is_empty() {
            return Err(no("it names no host"));
        }
        if let Some(far) = config.get_hosts().iter().find_map(far) {
            return Err(format!(
                "what goes to {far} would be read by whoever is on the way, since connections are not encrypted yet: write the \
                 folder of a socket, or 127.0.0.1 where a tunnel ends"
            ));
        }
        let shown = format!("postgres://{user}@{}/{database}", hosts.join(",")).into();
        Ok(Self { config: Arc::new(config), shown })
    }

    pub(super) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Whether it says with which password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    #[cfg(test)]
    pub(super) fn ports(&self) -> &[u16] {
        self.config.get_ports()
    }

    /// The same behind a port of this machine.
    #[cfg(test)]
    pub(super) fn at_port(&self, port: u16) -> Self {
        let mut config = Config::new();
        config.host("127.0.0.1").port(port).user("sync").dbname("postgres");
        config.options(self.config.get_options().unwrap_or_default());
        Self { config: Arc::new(config), ..self.clone() }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

/// The name of a host that is not this machine.
fn far(host: &Host) -> Option<&str> {
    match host {
        Host::Tcp(name) if name == "localhost" => None,
        Host::Tcp(name) => (!name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())).then_some(name),
        Host::Unix(_) => None,
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.shown == other.shown && self.config.get_password() == other.config.get_password()
    }
}

impl Eq for Address {}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shown.display())
    }
}

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file that is the service's own.
    File(PathBuf),
    /// A database of a server.
    Server(Address),
    /// What stands elsewhere and cannot be read from here.
    Unknown {
        /// How the configuration names it.
        named: PathBuf,
        /// Why it cannot be read.
        why: String,
    },
}

impl Location {
    /// How it is named to people: a path, or an address without its password.
    pub fn shown(&self) -> &Path {
        match self {
            Location::File(path) => path,
            Location::Server(address) => &address.shown,
            Location::Unknown { named, .. } => named,
        }
    }

    /// The file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Location::File(path) => Some(path),
            Location::Server(_) | Location::Unknown { .. } => None,
        }
    }
}

/// What is said to whoever opens a store of which the address cannot be read.
pub(super) fn unknown(why: &str) -> String {
    format!("where the store is cannot be read from here: {why}")
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shown().display())
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Location::File(path.to_owned())
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        Location::File(path.clone())
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Location::File(path)
    }
}

impl From<&Location> for Location {
    fn from(place: &Location) -> Self {
        place.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let read = |url: &str| Address::read(&SecretString::from(url));
        let address = read("postgres://sync:geheim@127.0.0.1:6432/hr").expect("reads");
        assert!(address.has_password());
        assert_eq!(format!("{address:?}"), "postgres://sync@127.0.0.1:6432/hr");
        assert_eq!(Location::Server(address).to_string(), "postgres://sync@127.0.0.1:6432/hr");
        for lacks in
            ["postgres://localhost/hr", "postgres://sync@/hr", "postgres://sync@localhost", "mysql://a@b/c", "x"]
        {
            let why = read(lacks).expect_err(lacks);
            assert!(why.contains("write postgres://"), "{lacks}: {why}");
        }
        let why = read("postgres://sync@db.acme.com/hr").expect_err("another machine");
        assert!(why.contains("db.acme.com") && why.contains("not encrypted yet"), "{why}");
    }
}
