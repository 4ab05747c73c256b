//! As much of a configuration as leads to its store and to its service: what looking and stopping need, whatever
//! else is wrong with the file.

use super::Config;
use super::admin::TlsFiles;
use super::audit::DEFAULT_RETENTION;
use super::files::{DEFAULT_CHECKPOINTS, DEFAULT_LISTEN, DEFAULT_STORE, state_folder};
use super::location::locate;
use super::reader::{Problems, Reader};
use super::secret::{Secrets, environment};
use super::token::approvers;
use crate::audit::SigningKey;
use crate::store::Location;
use secrecy::ExposeSecret;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which key signs the checkpoints of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditKey {
    /// This one, in hexadecimal: it is pinned, or configured.
    Known(String),
    /// None is configured: the service has made one beside its store.
    BesideStore,
    /// One is configured that cannot be read from here.
    Unread,
}

/// Where the store and the service of a configuration are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub store: Location,
    pub listen: SocketAddr,
    pub tls: Option<TlsFiles>,
    /// Who has a token for the admin API, and how many people can approve over it.
    pub tokens: usize,
    pub approvers: usize,
    pub orgs: Vec<String>,
    /// Where checkpoints of the audit are kept, and which key signs them.
    pub checkpoints: PathBuf,
    pub audit_key: AuditKey,
    /// Younger rows of the audit are never removed.
    pub retention: Duration,
}

impl Place {
    /// Of a sound configuration.
    pub fn of(config: &Config) -> Self {
        let sealing = &config.audit.sealing;
        Self {
            store: config.service.store.clone(),
            listen: config.service.listen,
            tls: config.admin.tls.clone(),
            tokens: config.admin.tokens.len(),
            approvers: approvers(&config.admin.tokens),
            orgs: config.okta.iter().map(|org| org.name.clone()).collect(),
            checkpoints: sealing.file.clone(),
            retention: config.audit.retention,
            audit_key: match (&sealing.public, &sealing.key) {
                (Some(public), _) => AuditKey::Known(public.clone()),
                (None, Some(pem)) => {
                    let key = SigningKey::read(pem.current().expose_secret());
                    key.map_or(AuditKey::Unread, |key| AuditKey::Known(key.public()))
                }
                (None, None) if sealing.is_named => AuditKey::Unread,
                (None, None) => AuditKey::BesideStore,
            },
        }
    }

    /// Of a file that has `problems`, as far as it can be read. Nothing if it does not say where the store is: a file that breaks off
    /// may have meant another one than the usual.
    pub fn of_broken(path: &Path, text: &str) -> Option<Self> {
        let (mut reader, mut root) = Reader::parse(path, text);
        let r = &mut reader;
        let is_toml = r.is_sound();
        let (mut service, mut admin, mut audit) =
            (root.section(r, "service"), root.section(r, "admin"), root.section(r, "audit"));
        let state = state_folder(path);
        let folder = path.parent().unwrap_or(Path::new(""));
        let named = service.has("store");
        let store = service.text(r, "store").map(|at| at.value);
        if store.is_none() && (named || !is_toml) {
            return None;
        }
        let secrets = Secrets { folder, environment: &environment, needed: false };
        let store = locate(store.as_deref().unwrap_or(DEFAULT_STORE), &secrets, &state).ok()?;
        let listen = service.text(r, "listen").and_then(|at| at.value.parse().ok());
        let mut text = |section: &mut super::reader::Section, key| section.text(r, key).map(|at| at.value);
        let (certificate, key) = (text(&mut admin, "certificate"), text(&mut admin, "key"));
        let tls = certificate.zip(key);
        let (checkpoints, pinned) = (text(&mut audit, "checkpoints"), text(&mut audit, "public_key"));
        let is_named = audit.has("signing_key") || !is_toml;
        let tokens = admin.sections(r, "tokens").len();
        let retention = audit.days(r, "retention", DEFAULT_RETENTION).max(DEFAULT_RETENTION);
        let orgs = root.sections(r, "okta").into_iter().filter_map(|mut org| Some(org.text(r, "name")?.value));
        Some(Self {
            store,
            listen: listen.unwrap_or(DEFAULT_LISTEN),
            tls: tls
                .map(|(certificate, key)| TlsFiles { certificate: folder.join(certificate), key: folder.join(key) }),
            tokens,
            approvers: 0,
            retention,
            orgs: orgs.collect(),
            checkpoints: state.join(checkpoints.unwrap_or_else(|| DEFAULT_CHECKPOINTS.into())),
            audit_key: match pinned {
                Some(public) => AuditKey::Known(public),
                None if is_named => AuditKey::Unread,
                None => AuditKey::BesideStore,
            },
        })
    }
}

/// Where a store is that somebody names beside the configuration at `path`, and how that file has to name it.
pub fn store_named(path: &Path, named: &str) -> Result<(Location, String), String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let secrets = Secrets { folder, environment: &environment, needed: true };
    match locate(named, &secrets, Path::new(""))? {
        Location::File(file) => {
            let file = std::path::absolute(&file).map_err(|e| e.to_string())?;
            Ok((Location::File(file.clone()), file.display().to_string()))
        }
        Location::Server(address) => {
            address.check()?;
            Ok((Location::Server(address), named.to_owned()))
        }
        Location::Unknown { why, .. } => Err(why),
    }
}

/// A configuration, and where it leads, of which only the second must be readable.
pub struct Known {
    pub place: Place,
    pub config: Result<Config, Problems>,
}

impl Known {
    /// Reads the file at `path` without the secrets that it names. The error says why not even the place of its store is known.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        match Config::without_secrets(path) {
            Ok(config) => Ok(Self { place: Place::of(&config), config: Ok(config) }),
            Err(problems) => {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                let place = if text.is_empty() { None } else { Place::of_broken(path, &text) };
                match place {
                    Some(place) => Ok(Self { place, config: Err(problems) }),
                    None => Err(problems),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_says_where_its_store_is_as_far_as_that_can_be_known() {
        let path = Path::new("/srv/sync/acme.toml");
        let place = |text: &str| Place::of_broken(path, text);
        let broken = "[service]\nstore = \"s.db\"\nlisten = \"127.0.0.1:7\"\nlanes = 3\n[[admin.tokens]]\nname = 1\n[[okta]]\nname = \"main\"\n[mapping]\nx = ";
        let found = place(broken).expect("a place");
        assert_eq!(found.store.file(), Some(Path::new("/srv/sync/s.db")));
        assert_eq!((found.listen.port(), found.tokens, found.orgs), (7, 1, vec!["main".to_owned()]));
        let usual = place("[mapping]\nnonsense = 1\n").expect("the usual");
        assert_eq!(usual.store.file(), Some(Path::new("/srv/sync").join(DEFAULT_STORE).as_path()));
        let server = place("[service]\nstore = \"postgres://sync@localhost/hr\"\nnonsense = 1\n").expect("a server");
        assert_eq!(server.store.to_string(), "postgres://sync@localhost:5432/hr");
        assert_eq!(place("[service]\nstore = 7\n"), None, "another one is meant");
        assert_eq!(place("[servi\n"), None, "what was lost may have named another one");
    }
}
