//! Checkpoints: what the chain was at one moment, signed, so that it can be kept where whoever can write the store cannot.

use crate::clock::Moment;
use crate::domain::hex;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The chain up to one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The store that it is of.
    pub store: String,
    pub seq: i64,
    /// Hash of that row, in hexadecimal.
    pub hash: String,
    pub at: String,
    /// Ed25519 public key, in hexadecimal.
    pub key: String,
    /// Over everything else, in hexadecimal.
    pub signature: String,
}

impl Checkpoint {
    fn message(&self) -> String {
        format!("namely-okta-sync audit checkpoint\n{}\n{}\n{}\n{}\n", self.store, self.seq, self.hash, self.at)
    }

    /// Whether it was signed by its key, and that is `expected` where one is known.
    pub fn is_genuine(&self, expected: Option<&str>) -> bool {
        let (Some(key), Some(signature)) = (unhex(&self.key), unhex(&self.signature)) else { return false };
        expected.is_none_or(|expected| expected == self.key)
            && UnparsedPublicKey::new(&ED25519, key).verify(self.message().as_bytes(), &signature).is_ok()
    }
}

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The text is not PEM.
    #[error("not a PEM file")]
    NoPem,
    /// It is PEM of something else.
    #[error("no Ed25519 key in PKCS #8; make one with `openssl genpkey -algorithm ed25519`")]
    NoKey,
    /// None could be made.
    #[error("{0}")]
    NotMade(String),
}

/// The key that signs checkpoints.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// A new key, and the PEM text to keep it in.
    pub fn generate() -> Result<(Self, String), SigningKeyError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let document = document.map_err(|e| SigningKeyError::NotMade(e.to_string()))?;
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref());
        let pair = pair.map_err(|e| SigningKeyError::NotMade(e.to_string()))?;
        let body = STANDARD.encode(document.as_ref());
        let lines: Vec<&str> = (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
        Ok((Self(pair), format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))))
    }

    /// The key of a PEM text (PKCS #8), as `openssl genpkey -algorithm ed25519` makes it.
    pub fn read(pem: &str) -> Result<Self, SigningKeyError> {
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        let document = STANDARD.decode(body).map_err(|_| SigningKeyError::NoPem)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&document);
        pair.map(Self).map_err(|_| SigningKeyError::NoKey)
    }

    /// The public key, in hexadecimal.
    pub fn public(&self) -> String {
        hex(self.0.public_key().as_ref())
    }

    /// Signs a text, in hexadecimal; `what` says what kind of text it is, so that no signature can stand for another one.
    pub fn sign(&self, what: &str, text: &str) -> String {
        hex(self.0.sign(format!("namely-okta-sync {what}\n{text}\n").as_bytes()).as_ref())
    }

    /// Signs what the chain is up to a row.
    pub fn seal(&self, store: &str, seq: i64, hash: &[u8], at: Moment) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            store: store.to_owned(),
            seq,
            hash: hex(hash),
            at: at.to_string(),
            key: self.public(),
            signature: String::new(),
        };
        checkpoint.signature = hex(self.0.sign(checkpoint.message().as_bytes()).as_ref());
        checkpoint
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    pairs.collect()
}

/// Checkpoints as they are written to a file, one on each line; the error names the line that is none.
pub fn read_checkpoints(text: &str, path: &Path) -> Result<Vec<Checkpoint>, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty()).enumerate();
    let read = lines.map(|(n, line)| {
        serde_json::from_str(line).map_err(|e| format!("line {} of {} is no checkpoint: {e}", n + 1, path.display()))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_genuine_until_anything_of_it_is_changed() {
        let (key, pem) = SigningKey::generate().expect("a key");
        let checkpoint = key.seal("store", 7, &[1, 2, 3], Moment::from_secs(1_800_000_000));
        assert!(checkpoint.is_genuine(None) && checkpoint.is_genuine(Some(&key.public())));
        assert!(!Checkpoint { seq: 8, ..checkpoint.clone() }.is_genuine(None));
        assert!(!Checkpoint { store: "other".into(), ..checkpoint.clone() }.is_genuine(None));
        let other = SigningKey::generate().expect("a key").0;
        assert!(!checkpoint.is_genuine(Some(&other.public())), "signed, but not by us");
        assert_eq!(SigningKey::read(&pem).expect("reads").public(), key.public());
        assert!(SigningKey::read("nonsense").is_err());
    }
}
