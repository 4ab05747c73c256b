//! Where a store is: a file, or a database of a server.

use super::tls::Trust;
use crate::domain::hex;
use aws_lc_rs::digest::{SHA256, digest};
use percent_encoding::percent_decode_str;
use postgres::Config;
use postgres::config::{Host, SslMode, TargetSessionAttrs};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A database of a server, with what is needed to be let in; shown without it.
#[derive(Clone)]
pub struct Address {
    config: Arc<Config>,
    trust: Trust,
    shown: PathBuf,
}

/// How an address is written.
const SHAPE: &str = "write postgres://USER:PASSWORD@HOST:PORT/DATABASE";

impl Address {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full&sslrootcert=FILE`; a relative path of a file begins at
    /// `folder`.
    pub fn read(url: &SecretString, folder: &Path) -> Result<Self, String> {
        let no = |why: &str| format!("{why}; {SHAPE}");
        let (bare, asked) = Asked::split(url.expose_secret())?;
        let mut config: Config = bare.parse().map_err(|e: postgres::Error| {
            // What was wrong, never what it was wrong in.
            let source = std::error::Error::source(&e).map(ToString::to_string).unwrap_or_default();
            match source.starts_with("unknown option") {
                true => no(&format!("this is no address of a database ({source})")),
                false => no("this is no address of a database"),
            }
        })?;
        let user = config.get_user().ok_or_else(|| no("it names no user"))?.to_owned();
        let database = config.get_dbname().ok_or_else(|| no("it names no database"))?.to_owned();
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
        let far = config.get_hosts().iter().find_map(far).map(str::to_owned);
        let far = far.or_else(|| config.get_hostaddrs().iter().find(|at| !at.is_loopback()).map(ToString::to_string));
        let trust = asked.trust(far.as_deref(), folder)?;
        config.ssl_mode(if trust == Trust::Plain { SslMode::Disable } else { SslMode::Require });
        if hosts.len() > 1 {
            // Of several, one that may be written.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let shown = format!("postgres://{user}@{}/{database}", hosts.join(",")).into();
        Ok(Self { config: Arc::new(config), trust, shown })
    }

    pub(super) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Whether it says with which password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// That what is needed to connect can be read; and what somebody should know who relies on it.
    pub fn check(&self) -> Result<Option<&'static str>, String> {
        self.trust.encryption()?;
        Ok(match self.trust {
            Trust::Anybody => Some(
                "connections are encrypted, but whoever answers is taken for the server: write sslmode=verify-full, with \
                 sslrootcert=FILE if its authority is your own",
            ),
            Trust::Plain if self.config.get_hosts().iter().any(|host| far(host).is_some()) => {
                Some("connections are not encrypted: whoever is on the way reads and changes everything")
            }
            Trust::Plain | Trust::Machine | Trust::File(_) => None,
        })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) const fn trust(&self) -> &Trust {
        &self.trust
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
}

/// What an address asks for that is ours to do.
#[derive(Default)]
struct Asked {
    mode: Option<String>,
    root: Option<String>,
}

impl Asked {
    /// An address without it, and it.
    fn split(url: &str) -> Result<(String, Self), String> {
        let Some((bare, query)) = url.split_once('?') else { return Ok((url.to_owned(), Self::default())) };
        let mut asked = Self::default();
        let mut others = Vec::new();
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = || {
                let decoded = percent_decode_str(value).decode_utf8();
                decoded.map(Into::into).map_err(|_| format!("the value of {key} is no text; {SHAPE}"))
            };
            match key {
                "sslmode" => asked.mode = Some(text()?),
                "sslrootcert" => asked.root = Some(text()?),
                _ => others.push(pair),
            }
        }
        Ok((format!("{bare}{}{}", if others.is_empty() { "" } else { "?" }, others.join("&")), asked))
    }

    /// How the server is known. Over a network nothing goes in the clear, unless that is asked for by name.
    fn trust(self, far: Option<&str>, folder: &Path) -> Result<Trust, String> {
        let root = self.root.as_deref();
        match (self.mode.as_deref(), root) {
            (None, None) => match far {
                None => Ok(Trust::Plain),
                Some(far) => Err(format!(
                    "what goes to {far} would be read by whoever is on the way: add ?sslmode=verify-full, and &sslrootcert=FILE if \
                     its authority is your own; or ?sslmode=disable if nobody else is on the way"
                )),
            },
            (Some("disable"), None) => Ok(Trust::Plain),
            (Some("require"), None) => Ok(Trust::Anybody),
            (Some("verify-full"), None | Some("system")) => Ok(Trust::Machine),
            (Some("verify-full"), Some(file)) => Ok(Trust::File(folder.join(file))),
            (Some("disable" | "require") | None, Some(_)) => {
                Err("sslrootcert is looked at with sslmode=verify-full only: add that, or take it out".to_owned())
            }
            (Some(other), _) => Err(format!("sslmode={other} is not offered; write verify-full, require or disable")),
        }
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
        self.shown == other.shown
            && self.trust == other.trust
            && self.config.get_password() == other.config.get_password()
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
    /// What tells a store in a file of this machine from another one; nothing for one on a server, which has many names.
    pub fn mark(&self) -> Option<String> {
        let Location::File(path) = self else { return None };
        let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        Some(hex(&digest(&SHA256, whole.as_os_str().as_encoded_bytes()).as_ref()[..8]))
    }

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
        let read = |url: &str| Address::read(&SecretString::from(url), Path::new("/etc/sync"));
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
    }

    #[test]
    fn what_goes_over_a_network_is_encrypted_or_somebody_has_said_that_it_need_not_be() {
        let read =
            |rest: &str| Address::read(&SecretString::from(format!("postgres://sync@{rest}")), Path::new("/etc/sync"));
        for (rest, trust) in [
            ("localhost/hr", Trust::Plain),
            ("%2Frun%2Fpostgresql/hr", Trust::Plain),
            ("db.acme.com/hr?sslmode=disable", Trust::Plain),
            ("db.acme.com/hr?sslmode=require", Trust::Anybody),
            ("db.acme.com/hr?sslmode=verify-full", Trust::Machine),
            ("db.acme.com/hr?sslmode=verify-full&sslrootcert=system", Trust::Machine),
            ("a,b/hr?sslrootcert=ca.pem&connect_timeout=3&sslmode=verify-full", Trust::File("/etc/sync/ca.pem".into())),
            ("localhost/hr?sslmode=verify-full&sslrootcert=%2Fca.pem", Trust::File("/ca.pem".into())),
        ] {
            let address = read(rest).unwrap_or_else(|e| panic!("{rest}: {e}"));
            assert_eq!(address.trust, trust, "{rest}");
            let mode = if trust == Trust::Plain { SslMode::Disable } else { SslMode::Require };
            assert_eq!(address.config.get_ssl_mode(), mode, "{rest}");
        }
        for (rest, why) in [
            ("db.acme.com/hr", "add ?sslmode=verify-full"),
            ("127.0.0.1,db.acme.com/hr", "what goes to db.acme.com"),
            ("localhost/hr?hostaddr=10.0.0.7", "what goes to 10.0.0.7"),
            ("localhost/hr?host=db.acme.com", "what goes to db.acme.com"),
            ("db.acme.com/hr?sslmode=prefer", "sslmode=prefer is not offered"),
            ("db.acme.com/hr?sslmode=require&sslrootcert=ca.pem", "with sslmode=verify-full only"),
            ("db.acme.com/hr?sslmode=require&sslcert=own.pem", "unknown option `sslcert`"),
        ] {
            let e = read(rest).expect_err(rest);
            assert!(e.contains(why), "{rest}: {e}");
        }
        let lacks = read("localhost/hr?sslmode=verify-full&sslrootcert=no/such.pem").expect("reads");
        assert!(lacks.check().is_err_and(|why| why.contains("/etc/sync/no/such.pem")));
        let anybody = read("localhost/hr?sslmode=require").expect("reads");
        assert!(anybody.check().expect("is good").is_some_and(|remark| remark.contains("verify-full")));
    }
}
