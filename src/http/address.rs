//! Addresses that carry a secret or names of people: parsed once, and evaluated by what was parsed, never by how the text begins.

use reqwest::Url;
use std::net::IpAddr;

/// What may stand behind the host of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing: `https://acme.okta.com`.
    Origin,
    /// A path that others are appended to: `https://acme.namely.com/api/v1`.
    Base,
    /// A path and a query: the address of one receiver.
    Endpoint,
}

/// Why a text is no address for a secret: what is wrong and how to write it, without anything that a secret could stand in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("no blank, no control character and no backslash may stand in a URL; write https://HOST")]
    Blank,
    /// What the parser says.
    #[error("this is no URL ({0}); write https://HOST")]
    NoUrl(String),
    #[error("{0}: is no scheme for this; write https://HOST")]
    Scheme(String),
    #[error("the URL names no host; write https://HOST")]
    NoHost,
    #[error("no name and no password may stand before the host {host}; take out what stands before the @")]
    Credentials { host: String },
    #[error("nothing is ever at port 0 of {host}; name its port")]
    NoPort { host: String },
    #[error("letters that are not ASCII look like others: if {host} is the host that is meant, write it so")]
    Letters { host: String },
    #[error("it would travel unencrypted to {host}; write an https URL, http is for this machine only")]
    Unencrypted { host: String },
    #[error("nothing may follow a # in the URL of {host}; take it out")]
    Fragment { host: String },
    #[error("no query may follow the URL of {host}; take out the ? and what follows it")]
    Query { host: String },
    /// The address without its path.
    #[error("no path may follow {0}; take it out")]
    Path(String),
    /// What the parser says of the address of a mail server.
    #[error("this is no URL ({0}); write smtps://HOST")]
    NoMailUrl(String),
    #[error("the URL names no host; write smtps://HOST")]
    NoMailHost,
    #[error("nothing but ?tls=required may follow the host {host}; encode a #, /, ? or @ of a password")]
    MailTail { host: String },
    #[error("{0}: is no scheme of a mail server; write smtps://HOST or smtp://HOST?tls=required")]
    MailScheme(String),
}

/// Reads an address that is only safe where nobody can listen: `https`, or `http` to this machine.
pub fn read(text: &str, shape: Shape) -> Result<Url, AddressError> {
    let text = text.trim();
    // Parsers pass over these, or take them for a slash, and programs differ in it: what is read here must be what is meant.
    if text.contains(|c: char| c == '\\' || c.is_whitespace() || c.is_control()) {
        return Err(AddressError::Blank);
    }
    let url = Url::parse(text).map_err(|e| AddressError::NoUrl(e.to_string()))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(AddressError::Scheme(url.scheme().to_owned()));
    }
    let Some(host) = url.host_str().filter(|host| !host.is_empty()).map(str::to_owned) else {
        return Err(AddressError::NoHost);
    };
    if has_credentials(&url) {
        return Err(AddressError::Credentials { host });
    }
    is_dialled(&url)?;
    if !authority(text).is_ascii() {
        return Err(AddressError::Letters { host });
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(AddressError::Unencrypted { host });
    }
    if url.fragment().is_some() {
        return Err(AddressError::Fragment { host });
    }
    if shape != Shape::Endpoint && url.query().is_some() {
        return Err(AddressError::Query { host });
    }
    if shape == Shape::Origin && url.path() != "/" {
        return Err(AddressError::Path(shown(&url)));
    }
    Ok(url)
}

/// What stands between the scheme and the path of a URL, as it is written.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// That a connection to its port can come about.
pub fn is_dialled(url: &Url) -> Result<(), AddressError> {
    match url.port() {
        Some(0) => Err(AddressError::NoPort { host: url.host_str().unwrap_or_default().to_owned() }),
        _ => Ok(()),
    }
}

/// The text that paths are appended to: without a slash at its end.
pub fn base(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// Whether what is sent there stays on this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
        Ok(address) => address.is_loopback(),
        Err(_) => bare.strip_suffix('.').unwrap_or(bare).eq_ignore_ascii_case("localhost"),
    }
}

/// Whether a name or a password stands in it.
pub fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether both lead to the same server: scheme, host (without regard to case and a dot at its end) and effective port.
pub fn is_same_origin(one: &Url, other: &Url) -> bool {
    let host = |url: &Url| url.host_str().map(|host| host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase());
    one.scheme() == other.scheme()
        && host(one) == host(other)
        && one.port_or_known_default() == other.port_or_known_default()
}

/// An address for people, without what could be a secret.
pub fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// Whether mail to this server (`smtp://` or `smtps://`) can be read on its way; the error says why it is no address of one.
pub fn is_mail_readable(text: &str) -> Result<bool, AddressError> {
    let url = Url::parse(text.trim()).map_err(|e| AddressError::NoMailUrl(e.to_string()))?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(AddressError::NoMailHost)?;
    is_dialled(&url)?;
    if url.fragment().is_some() || !matches!(url.path(), "" | "/") {
        return Err(AddressError::MailTail { host: host.to_owned() });
    }
    let tls: Vec<String> = url.query_pairs().filter(|(key, _)| key == "tls").map(|(_, value)| value.into()).collect();
    match url.scheme() {
        "smtps" => Ok(false),
        "smtp" if tls == ["required"] => Ok(false),
        "smtp" => Ok(url.password().is_some() || !is_loopback(&url)),
        other => Err(AddressError::MailScheme(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_travels_encrypted_or_stays_on_this_machine() {
        for good in [
            "https://acme.okta.com",
            "https://Acme.OKTA.com:443/",
            "http://127.0.0.1:8080",
            "http://127.1:8080",
            "http://localhost",
            "http://LOCALHOST:9",
            "http://[::1]:8080",
        ] {
            assert!(read(good, Shape::Origin).is_ok(), "{good}");
        }
        for bad in [
            "http://acme.okta.com",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "http://localhost@evil.example",
            "http://127.0.0.1:80@evil.example",
            "http://0.0.0.0:8080",
            "http://[::1].evil.example",
            "http://[::2]",
            "http://10.0.0.1",
            "ftp://acme.okta.com",
            "https://",
            "acme.okta.com",
            "https://user:hunter2@acme.okta.com",
            "https://user@acme.okta.com",
            "https://acme.okta.com/path",
            "https://acme.okta.com?x=1",
            "https://acme.okta.com#x",
            "",
        ] {
            let why = read(bad, Shape::Origin).expect_err(bad);
            assert!(!format!("{why} {why:?}").contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn what_may_follow_the_host_depends_on_what_it_is_for() {
        assert!(read("https://acme.namely.com/api/v1", Shape::Base).is_ok());
        assert!(read("https://acme.namely.com/api/v1?x", Shape::Base).is_err());
        assert!(read("https://hooks.example.com/a?sig=b", Shape::Endpoint).is_ok());
        assert!(read("https://hooks.example.com/a#b", Shape::Endpoint).is_err());
        assert!(read("https://me@hooks.example.com/a", Shape::Endpoint).is_err());
    }

    #[test]
    fn origins_are_the_same_whatever_their_spelling() {
        let same = |one: &str, other: &str| {
            is_same_origin(&Url::parse(one).expect("a URL"), &Url::parse(other).expect("a URL"))
        };
        assert!(same("https://Acme.okta.com", "https://acme.OKTA.com:443/api"));
        assert!(same("http://LOCALHOST:81", "http://localhost:81"));
        assert!(same("https://acme.okta.com.", "https://acme.okta.com"));
        assert!(same("http://[0:0:0:0:0:0:0:1]:81", "http://[::1]:81"));
        for other in ["http://acme.okta.com", "https://acme.okta.com:8443", "https://acme.okta.com.evil.example"] {
            assert!(!same("https://acme.okta.com", other), "{other}");
        }
    }

    #[test]
    fn mail_is_readable_on_its_way_unless_tls_is_required_or_it_stays_here() {
        for hidden in [
            "smtps://user:pw@mail.acme.com",
            "smtp://user:pw@mail.acme.com:587?tls=required",
            "smtp://127.0.0.1:25",
            "smtp://LOCALHOST",
            "smtp://[::1]:25",
        ] {
            assert_eq!(is_mail_readable(hidden), Ok(false), "{hidden}");
        }
        for readable in [
            "smtp://mail.acme.com",
            "smtp://user:pw@mail.acme.com:587",
            "smtp://mail.acme.com?tls=opportunistic",
            "smtp://mail.acme.com?tls=required&tls=opportunistic",
            "smtp://user:pw@127.0.0.1",
            "smtp://127.0.0.1.evil.example",
            "smtp://localhost@evil.example",
        ] {
            assert_eq!(is_mail_readable(readable), Ok(true), "{readable}");
        }
        for wrong in ["http://mail.acme.com", "mail.acme.com", "smtp://", "smtp://user:p#w@mail.acme.com"] {
            assert!(is_mail_readable(wrong).is_err(), "{wrong}");
        }
    }
}
