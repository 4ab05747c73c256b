//! `[audit]`: where the audit goes besides the store, and how it is sealed.

use super::expressions::optional;
use super::files::DEFAULT_CHECKPOINTS;
use super::net;
use super::reader::{At, Reader, Section, size, unique_names};
use super::secret::{Secrets, is_absent};
use crate::http::address::Shape;
use crate::http::live::Live;
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rows younger than 400 days are not removed: a year, and the time that an audit of it takes.
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(400 * 86_400);

/// Where the audit goes besides the store.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The file, if there is one.
    pub file: AuditFile,
    /// Whether every row is also written to standard output.
    pub stdout: bool,
    /// Whether rows are delivered in the words of the version before.
    pub former_words: bool,
    /// Receivers over HTTP, each from its own cursor.
    pub http: Vec<HttpSink>,
    /// How the chain is signed.
    pub sealing: Sealing,
    /// Younger rows are never removed from the store.
    pub retention: Duration,
}

/// An HTTP receiver of audit rows, such as a SIEM.
#[derive(Clone, Debug)]
pub struct HttpSink {
    /// Of its cursor, and in metrics.
    pub name: String,
    /// `https`, or `http` to this machine.
    pub url: String,
    /// The word before the token: `Bearer`, `Splunk`.
    pub scheme: String,
    /// Sent as `Authorization`; nothing is sent without it.
    pub token: Option<Live<SecretString>>,
    /// Rows of one request, at most.
    pub batch: usize,
}

/// How the audit is sealed.
#[derive(Clone, Debug)]
pub struct Sealing {
    /// How long a row waits for its seal, at most.
    pub every: Duration,
    /// Where checkpoints are appended: better on another machine.
    pub file: PathBuf,
    /// An Ed25519 key, PKCS #8 as PEM; one is made beside the store without it.
    pub key: Option<Live<SecretString>>,
    /// Whether a key is named, read or not.
    pub is_named: bool,
    /// The public key that must have signed, in hexadecimal, if it is pinned.
    pub public: Option<String>,
}

/// The audit file.
#[derive(Clone, Debug)]
pub struct AuditFile {
    /// `None`: no file; the rows are in the store all the same.
    pub path: Option<PathBuf>,
    /// A new file is begun at this size, in bytes.
    pub rotate: u64,
    /// Old files that are kept.
    pub keep: usize,
}

/// Reads `[audit]`; relative paths begin at `state`.
pub(super) fn read(r: &mut Reader, mut s: Section, secrets: &Secrets, state: &Path) -> Audit {
    let file = AuditFile {
        path: s.text(r, "file").map(|at| state.join(at.value)),
        rotate: s.number(r, "rotate_mib", 1..=100_000, 100).unsigned_abs() << 20,
        keep: size(s.number(r, "keep", 1..=100_000, 90)),
    };
    let stdout = s.flag(r, "stdout").unwrap_or(false);
    let former_words = s.number(r, "words", 1..=2, 2) == 1;
    let is_named = s.has("signing_key");
    let key = s.text(r, "signing_key").and_then(|at| {
        let span = at.span.clone();
        let pem = secrets.resolve(r, "audit.signing_key", at).filter(|pem| !is_absent(pem))?;
        let read = crate::audit::SigningKey::read(pem.expose_secret());
        read.map_err(|why| r.problem(span, format!("audit.signing_key: {why}"))).ok().map(|_| Live::from(pem))
    });
    let sealing = Sealing {
        every: s.duration(r, "checkpoint", Duration::from_secs(15 * 60)),
        file: state.join(s.text(r, "checkpoints").map_or_else(|| DEFAULT_CHECKPOINTS.to_owned(), |at| at.value)),
        key,
        is_named,
        public: s.text(r, "public_key").and_then(|at| public_key(r, at)),
    };
    let http: Vec<HttpSink> = s.sections(r, "http").into_iter().filter_map(|s| http_sink(r, s, secrets)).collect();
    unique_names(r, "audit.http", http.iter().map(|sink| sink.name.as_str()));
    let retention = s.days(r, "retention", DEFAULT_RETENTION);
    s.finish(r);
    Audit { file, stdout, former_words, http, sealing, retention }
}

/// An Ed25519 public key.
fn public_key(r: &mut Reader, at: At<String>) -> Option<String> {
    let key = at.value.trim().to_lowercase();
    if key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(key);
    }
    let how = "write the 64 hexadecimal digits that the log of the first start and `audit verify` name";
    r.problem(at.span, format!("audit.public_key: this is no Ed25519 public key; {how}"));
    None
}

fn http_sink(r: &mut Reader, mut s: Section, secrets: &Secrets) -> Option<HttpSink> {
    let name = s.required_text(r, "name", "siem");
    let url = s.required_text(r, "url", "https://siem.acme.com/services/collector/raw").and_then(|at| {
        let read = net::url(r, &s.path, at, Shape::Endpoint)?;
        Some(read.into())
    });
    let key = format!("{}.token", s.path);
    let token = s.text(r, "token").map(|at| secrets.token(r, &key, at));
    let scheme = s.text(r, "scheme").map_or_else(|| "Bearer".to_owned(), |at| at.value);
    let batch = size(s.number(r, "batch", 1..=10_000, 500));
    s.finish(r);
    Some(HttpSink { name: name?.value, url: url?, scheme, token: optional(token).ok()?.map(Live::from), batch })
}
