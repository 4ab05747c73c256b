//! Where the store of a run is kept: a file of its folder, or an empty database of a server.

use super::super::failure::usage;
use super::options::Options;
use crate::sandbox::oracle::copied;
use crate::store::{Address, Location, Store, StoreError};
use anyhow::{anyhow, bail};
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use tokio::task::spawn_blocking;

/// How the flag is written.
const SHAPE: &str = "write --store postgres://USER@HOST:PORT/DATABASE, an empty database without encryption";

/// The store of a run.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Where it is.
    pub place: Location,
    /// Its address with the password, where it is in a database.
    pub url: Option<SecretString>,
}

impl Kept {
    /// What `--store` names, which holds no store yet; a file in `folder` without it.
    pub async fn of(options: &Options, folder: &Path) -> anyhow::Result<Self> {
        let Some(url) = &options.store else {
            return Ok(Self { place: folder.join("store.db").into(), url: None });
        };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(usage(format!("--store {url} is no address of a database; {SHAPE}")));
        }
        let (url, folder) = (SecretString::from(url.as_str()), folder.to_owned());
        let address = Address::read(&url, &folder).map_err(|why| usage(format!("--store: {why}")))?;
        // The oracle asks the database itself, with a client that does not encrypt.
        let is_encrypted = |part: &str| part.starts_with("sslmode=") && part != "sslmode=disable";
        if url.expose_secret().split(['?', '&']).any(is_encrypted) {
            return Err(usage(format!("--store: the oracle asks the database without encryption; {SHAPE}")));
        }
        let place = Location::Server(address);
        let kept = Self { place: place.clone(), url: Some(url) };
        match spawn_blocking(move || Store::reader(&place).map(|_| ())).await? {
            Err(StoreError::NotThere(_)) => Ok(kept),
            Ok(()) => bail!("{} holds a store already; name an empty database (createdb)", kept.place),
            Err(e) => Err(e.into()),
        }
    }

    /// How the report names it.
    pub fn shown(&self) -> String {
        self.place.file().map_or_else(|| self.place.to_string(), |_| "file".to_owned())
    }

    /// The file in which the oracle finds the audit: the store, or a copy of its audit in `folder`.
    pub async fn for_the_oracle(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let Some(url) = self.url.clone() else { return Ok(self.place.shown().to_owned()) };
        let to = folder.join("audit-of-the-store.db");
        let copy = to.clone();
        let copying = spawn_blocking(move || std::thread::spawn(move || copied(url.expose_secret(), &copy)).join());
        let copied = copying.await?.map_err(|_| anyhow!("the audit could not be copied out of the database"))?;
        copied.map_err(|e| anyhow!("the audit could not be copied out of the database: {e}"))?;
        Ok(to)
    }
}
