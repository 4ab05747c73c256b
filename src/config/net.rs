//! `[http]`, and the addresses that secrets or names of people travel to.

use super::reader::{At, Reader, Section};
use super::secret::{Secrets, is_absent};
use crate::http::Transport;
use crate::http::address::{self, Shape};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// How requests leave this machine.
#[derive(Clone, Debug, Default)]
pub struct Http {
    /// The proxy that everything but this machine is reached through.
    pub proxy: Option<Url>,
}

impl Http {
    /// The way of calls that last at most so long.
    pub fn transport(&self, timeout: Duration) -> Transport {
        Transport { timeout, proxy: self.proxy.clone() }
    }
}

pub(super) fn http(r: &mut Reader, mut s: Section) -> Http {
    let proxy = s.text(r, "proxy").and_then(|at| {
        let read = proxy(&at.value);
        read.map_err(|why| r.problem(at.span, format!("{}.proxy: {why}", s.path))).ok()
    });
    s.finish(r);
    Http { proxy }
}

/// What is sent through a proxy is encrypted up to where it goes, so the way to the proxy itself need not be.
fn proxy(text: &str) -> Result<Url, String> {
    let how = "write \"http://proxy.acme.com:3128\"";
    let url = Url::parse(text.trim()).map_err(|e| format!("this is no URL ({e}); {how}"))?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    match (url.scheme(), url.host_str()) {
        _ if address::has_credentials(&url) => {
            Err(format!("no name and no password may stand in the URL of a proxy: it is no secret here; {how}"))
        }
        ("http" | "https", Some(_)) if is_bare => {
            address::is_dialled(&url).map_err(|why| format!("{why}; {how}"))?;
            Ok(url)
        }
        _ => Err(format!("this is not the URL of a proxy; {how}")),
    }
}

/// The address that `key` of a section holds.
pub(super) fn url(r: &mut Reader, path: &str, at: At<String>, shape: Shape) -> Option<Url> {
    let read = address::read(&at.value, shape);
    read.map_err(|why| r.problem(at.span, format!("{path}.url: {why}"))).ok()
}

/// An address that is a secret itself: told where it is wrong, never shown.
pub(super) fn secret_url(r: &mut Reader, s: &mut Section, secrets: &Secrets, example: &str) -> Option<SecretString> {
    let path = format!("{}.url", s.path);
    let at = s.required_text(r, "url", example)?;
    let span = at.span.clone();
    let url = secrets.resolve(r, &path, at)?;
    if is_absent(&url) {
        return Some(url);
    }
    let read = address::read(url.expose_secret(), Shape::Endpoint);
    read.map_err(|why| r.problem(span, format!("{path}: {why}"))).ok().map(|_| url)
}

/// A mail server; the second value says whether mail can be read on its way there, because the configuration wants it so.
pub(super) fn mail_server(r: &mut Reader, s: &mut Section, secrets: &Secrets) -> Option<(SecretString, bool)> {
    let path = format!("{}.server", s.path);
    let at = s.required_text(r, "server", "env:SMTP_URL");
    let insecure_relay = s.flag(r, "insecure_relay").unwrap_or(false);
    let at = at?;
    let span = at.span.clone();
    let server = secrets.resolve(r, &path, at)?;
    if is_absent(&server) {
        return Some((server, insecure_relay));
    }
    let message = match address::is_mail_readable(server.expose_secret()) {
        Ok(readable) if !readable || insecure_relay => return Some((server, readable)),
        Ok(_) => "names of people, and the password if there is one, would travel unencrypted; write smtps://, or \
                  ?tls=required behind the host, or set insecure_relay = true if the way to this server is safe"
            .to_owned(),
        Err(why) => why.to_string(),
    };
    r.problem(span, format!("{path}: {message}"));
    None
}
