//! Secrets never stand in the configuration: it says where they are.

use super::reader::{At, Reader};
use crate::http::authorization;
use secrecy::{ExposeSecret, SecretString};
use std::path::Path;

/// Looks up a variable of the process's environment.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Resolves `env:NAME` and `file:PATH`.
pub struct Secrets<'a> {
    /// Relative paths start here: the folder of the configuration.
    pub folder: &'a Path,
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Whether one that cannot be read is a problem: whoever calls nobody needs none.
    pub needed: bool,
}

/// Whether a secret could not be read, and was not needed.
pub fn is_absent(secret: &SecretString) -> bool {
    secret.expose_secret().is_empty()
}

impl Secrets<'_> {
    /// The secret that `reference`, the value of `key`, points to; absent where it cannot be read and is not needed.
    pub fn resolve(&self, r: &mut Reader, key: &str, reference: At<String>) -> Option<SecretString> {
        let is_a_reference = matches!(reference.value.split_once(':'), Some(("env" | "file", _)));
        match self.find(&reference.value) {
            Err(_) if !self.needed && is_a_reference => Some(String::new().into()),
            Ok(text) => Some(text.into()),
            Err(why) => {
                r.problem(reference.span, format!("{key}: {why}"));
                None
            }
        }
    }

    /// The same of a token that travels in a header: one that no request can carry is refused here, and not by whoever it was meant
    /// for, as a wrong one.
    pub fn token(&self, r: &mut Reader, key: &str, reference: At<String>) -> Option<SecretString> {
        let span = reference.span.clone();
        let token = self.resolve(r, key, reference)?;
        match authorization("Bearer", &token) {
            Ok(_) => Some(token),
            Err(why) => {
                r.problem(span, format!("{key}: {why}"));
                None
            }
        }
    }

    /// What a reference points to; the error says why that cannot be read.
    pub fn find(&self, reference: &str) -> Result<String, String> {
        let found = match reference.split_once(':') {
            Some(("env", name)) => (self.environment)(name)
                .ok_or_else(|| format!("the environment variable {name} is not set; set it before the start"))?,
            Some(("file", file)) => {
                let file = self.folder.join(file);
                std::fs::read_to_string(&file)
                    .map_err(|e| format!("the file {} cannot be read ({e})", file.display()))?
            }
            // The value is not repeated: it may be the secret itself.
            _ => return Err("a secret may not stand in this file; write \"env:NAME\" or \"file:PATH\"".to_owned()),
        };
        let text = found.trim();
        if text.is_empty() { Err(format!("{reference} is empty")) } else { Ok(text.to_owned()) }
    }
}
