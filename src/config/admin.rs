//! Who may use the admin API.

use super::net::Http;
use super::provider::{self, Provider};
use super::reader::{At, Reader, Section, unique_names};
use super::secret::{Secrets, is_absent};
use super::token::{Token, admin_token, join, strong};
use crate::http::live::Live;
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The admin API.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Who may use it; nobody without any.
    pub tokens: Vec<Token>,
    /// What the HR system's own hook signs with; without it there is no hook.
    pub hook_secret: Option<Live<SecretString>>,
    /// The certificate that is shown; metrics, health and the API are unencrypted without it.
    pub tls: Option<TlsFiles>,
    /// The pages for people.
    pub console: ConsoleSettings,
    /// Whether names of groups are hidden from the role `hr`, over the API as in the console.
    pub hide_groups_from_hr: bool,
}

/// The pages for people, at the same address as the admin API.
#[derive(Clone, Debug)]
pub struct ConsoleSettings {
    /// Whether they are served, where anybody could sign in.
    pub serve: bool,
    /// Where they are served.
    pub listen: SocketAddr,
    /// Names under which browsers reach it, beside that address and this machine itself.
    pub hosts: Vec<String>,
    /// A session ends when nothing was asked for so long.
    pub idle: Duration,
    /// A session lasts so long at most.
    pub longest: Duration,
    /// Whether browsers reach it encrypted.
    pub encrypted: bool,
    /// Who says who somebody is, beside the tokens.
    pub provider: Option<Provider>,
}

impl Default for ConsoleSettings {
    fn default() -> Self {
        Self {
            serve: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
            hosts: Vec::new(),
            idle: Duration::from_secs(30 * 60),
            longest: Duration::from_secs(10 * 3600),
            encrypted: false,
            provider: None,
        }
    }
}

/// Where the certificate and its key are, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and a root, in this order.
    pub certificate: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
}

/// Reads `[admin]`; `listen` is where it would be served.
pub fn read(r: &mut Reader, mut s: Section, secrets: &Secrets, listen: SocketAddr, http: &Http) -> Admin {
    let behind_tls = s.flag(r, "behind_tls").unwrap_or(false);
    let tls = match (s.text(r, "certificate"), s.text(r, "key")) {
        (Some(certificate), Some(key)) => {
            let beside = |at: At<String>| secrets.folder.join(at.value);
            Some(TlsFiles { certificate: beside(certificate), key: beside(key) })
        }
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => {
            r.problem(
                one.span,
                format!("{}: certificate and key are given together, each as the path of a PEM file", s.path),
            );
            None
        }
    };
    let (location, path) = (s.location(), s.path.clone());
    let mut tokens: Vec<Token> =
        s.sections(r, "tokens").into_iter().filter_map(|s| admin_token(r, s, secrets)).collect();
    join(&mut tokens);
    unique_names(r, "admin.tokens", tokens.iter().map(|token| token.name.as_str()));
    for (n, token) in tokens.iter().enumerate() {
        let is_same =
            |other: &&Token| !is_absent(&token.token) && other.token.expose_secret() == token.token.expose_secret();
        if let Some(other) = tokens[..n].iter().find(is_same) {
            let message = format!(
                "{path}.tokens: {:?} and {:?} have the same token: whoever has it would be two people; give each their own",
                other.name, token.name
            );
            r.problem(location.clone(), message);
        }
    }
    let oidc = s.has("oidc").then(|| s.section(r, "oidc"));
    let provider = oidc.and_then(|s| provider::read(r, s, secrets, http));
    let lets_in = !tokens.is_empty() || provider.is_some();
    if lets_in && !listen.ip().is_loopback() && !behind_tls && tls.is_none() {
        let message = format!(
            "{path}: tokens would travel unencrypted to {listen}; let service.listen be 127.0.0.1, give certificate and \
             key, or put something that does TLS in front of it and set behind_tls = true"
        );
        r.problem(location, message);
    }
    let hook_secret =
        s.text(r, "hook_secret").and_then(|at| strong(r, "admin.hook_secret", at, secrets)).map(Live::from);
    let hide_groups_from_hr = s.flag(r, "hide_groups_from_hr").unwrap_or(false);
    let pages = s.section(r, "console");
    let console = ConsoleSettings { provider, ..console(r, pages, listen, tls.is_some() || behind_tls) };
    s.finish(r);
    Admin { tokens, hook_secret, tls, console, hide_groups_from_hr }
}

fn console(r: &mut Reader, mut s: Section, listen: SocketAddr, encrypted: bool) -> ConsoleSettings {
    let default = ConsoleSettings::default();
    let serve = s.flag(r, "serve").unwrap_or(default.serve);
    let hosts = s.texts(r, "hosts");
    if let Some(at) = &hosts {
        let wrong = |host: &&String| host.is_empty() || host.contains(['/', '*', ' ']);
        if let Some(wrong) = at.value.iter().find(wrong) {
            let message = format!("{}.hosts: {wrong:?} is no host; write \"sync.acme.com\"", s.path);
            r.problem(at.span.clone(), message);
        }
    }
    let (idle, longest) = (s.duration(r, "idle", default.idle), s.duration(r, "longest", default.longest));
    s.finish(r);
    let hosts = hosts.map(|at| at.value).unwrap_or_default();
    ConsoleSettings { serve, listen, hosts, idle, longest, encrypted, provider: None }
}
