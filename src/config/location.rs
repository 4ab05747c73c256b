//! Where the store of a configuration is: a file, or a database of a server, whose address may stand elsewhere and must if it has a
//! password.

use super::reader::{At, Reader};
use super::secret::Secrets;
use crate::store::{Address, Location};
use secrecy::SecretString;
use std::path::Path;

/// The location that `service.store` names. One that cannot be read from here, and is not needed, says why when it is opened.
pub(super) fn read(r: &mut Reader, at: At<String>, secrets: &Secrets, state: &Path) -> Option<Location> {
    let span = at.span.clone();
    match locate(&at.value, secrets, state) {
        Ok(Location::Unknown { why, .. }) if secrets.needed => {
            r.problem(span, format!("service.store: {why}"));
            None
        }
        Ok(Location::Server(address)) if secrets.needed => match address.check() {
            Ok(_) => Some(Location::Server(address)),
            Err(why) => {
                r.problem(span, format!("service.store: {why}"));
                None
            }
        },
        Ok(location) => Some(location),
        Err(why) => {
            r.problem(span, format!("service.store: {why}"));
            None
        }
    }
}

/// The same without a reader of problems.
pub(super) fn locate(named: &str, secrets: &Secrets, state: &Path) -> Result<Location, String> {
    let (url, is_open): (SecretString, bool) = match named.split_once(':') {
        Some(("env" | "file", _)) => match secrets.find(named) {
            Ok(found) => (found.into(), false),
            Err(why) => return Ok(Location::Unknown { named: named.into(), why }),
        },
        Some(("postgres" | "postgresql", _)) => (named.into(), true),
        _ => return Ok(state.join(named).into()),
    };
    let address = Address::read(&url, secrets.folder)?;
    if is_open && address.has_password() {
        return Err("a password may not stand here; write \"env:NAME\" or \"file:PATH\"".to_owned());
    }
    Ok(Location::Server(address))
}
