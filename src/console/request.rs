//! What a request must show before anything is done for it: the host that it was meant for, where it comes from, its session.

use crate::config::ConsoleSettings;
use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderMap, ORIGIN};

/// The cookie of a session where everything is encrypted: the browser gives it to this host alone.
const COOKIE: &str = "__Host-console";
/// The same on this machine without encryption, where browsers refuse the name above.
const COOKIE_HERE: &str = "console";

/// The cookie's name.
pub const fn cookie_name(encrypted: bool) -> &'static str {
    if encrypted { COOKIE } else { COOKIE_HERE }
}

/// What gives a browser its session; an empty secret takes it away.
pub fn cookie(encrypted: bool, secret: &str) -> String {
    let (name, secure) = (cookie_name(encrypted), if encrypted { "; Secure" } else { "" });
    let age = if secret.is_empty() { "; Max-Age=0" } else { "" };
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}{age}")
}

/// What binds a sign-in over an identity provider to the browser that began it. It is sent by links from there, as the session's is not.
pub fn bound_cookie(encrypted: bool, state: &str) -> String {
    let secure = if encrypted { "; Secure" } else { "" };
    let age = if state.is_empty() { "; Max-Age=0" } else { "; Max-Age=600" };
    format!("{}={state}; Path=/; HttpOnly; SameSite=Lax{secure}{age}", bound_name(encrypted))
}

const fn bound_name(encrypted: bool) -> &'static str {
    if encrypted { "__Host-sign-in" } else { "sign-in" }
}

/// What a request shows of a sign-in that its browser has begun.
pub fn bound(request: &HttpRequest, encrypted: bool) -> Option<String> {
    shown(request, bound_name(encrypted))
}

/// The secret of the session that a request shows.
pub fn session(request: &HttpRequest, encrypted: bool) -> Option<String> {
    shown(request, cookie_name(encrypted))
}

fn shown(request: &HttpRequest, name: &str) -> Option<String> {
    let mut all = request.headers().get_all("cookie").filter_map(|value| value.to_str().ok());
    all.find_map(|line| {
        line.split(';').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// The host that a request was meant for, if it is one of ours: a name of another that leads here is refused, or any page of the
/// world could read what is here through it.
pub fn host(request: &HttpRequest, settings: &ConsoleSettings) -> Result<String, String> {
    let given = request.uri().authority().map(ToString::to_string);
    let given = given.or_else(|| text(request.headers(), HOST.as_str()).map(str::to_owned)).unwrap_or_default();
    if is_ours(&given, settings) {
        return Ok(given);
    }
    Err(format!(
        "the console is not served under the name {given:?}: open it by the address of service.listen, or add the name to hosts \
         of [admin.console]"
    ))
}

fn is_ours(given: &str, settings: &ConsoleSettings) -> bool {
    let name = match given.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => given,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_this_machine = name.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip == settings.listen.ip());
    is_this_machine
        || settings.hosts.iter().any(|host| host.eq_ignore_ascii_case(name) || host.eq_ignore_ascii_case(given))
}

/// That a request which does something comes from a page of ours, as far as its browser says where it comes from. (The secret of
/// its form must fit too.)
pub fn comes_from_here(headers: &HeaderMap, host: &str) -> Result<(), &'static str> {
    const ELSEWHERE: &str = "this was sent from a page of another site: open the console and do it there";
    let site = text(headers, "sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(ELSEWHERE);
    }
    match text(headers, ORIGIN.as_str()) {
        // A browser that sends no referrer sends no origin either; then it says above where the request comes from.
        Some("null") if site == Some("same-origin") => Ok(()),
        Some(origin) if origin.split_once("://").is_none_or(|(_, from)| !from.eq_ignore_ascii_case(host)) => {
            Err(ELSEWHERE)
        }
        _ => Ok(()),
    }
}

/// Where to go after signing in: a page of ours, whatever was given.
pub fn onward(to: &str) -> &str {
    let is_ours = to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n', '\t']);
    if is_ours && !to.starts_with("/sign-") && to.len() <= 2000 { to } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn settings() -> ConsoleSettings {
        ConsoleSettings {
            listen: ([10, 1, 2, 3], 9464).into(),
            hosts: vec!["sync.acme.com".into()],
            ..ConsoleSettings::default()
        }
    }

    #[test]
    fn only_names_that_were_configured_and_this_machine_itself_are_served() {
        for ours in [
            "localhost",
            "localhost:9464",
            "127.0.0.1:80",
            "[::1]:9464",
            "10.1.2.3:9464",
            "sync.acme.com",
            "SYNC.acme.com:443",
        ] {
            assert!(is_ours(ours, &settings()), "{ours}");
        }
        for other in [
            "",
            "evil.example",
            "10.1.2.4",
            "sync.acme.com.evil.example",
            "evil.example:9464",
            "localhost.evil.example",
        ] {
            assert!(!is_ours(other, &settings()), "{other}");
        }
    }

    #[test]
    fn what_another_site_sends_is_refused_whichever_way_its_browser_says_so() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            comes_from_here(&headers, "localhost:9464").is_ok()
        };
        assert!(headers(&[]) && headers(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(headers(&[("origin", "http://localhost:9464")]));
        for elsewhere in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "http://localhost:9464")],
            &[("origin", "null")],
            &[("origin", "http://evil.example")],
            &[("origin", "http://localhost:9465")],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
        ] {
            assert!(!headers(elsewhere), "{elsewhere:?}");
        }
    }

    #[test]
    fn nobody_is_sent_elsewhere_after_signing_in() {
        assert_eq!(onward("/holds/7?text=a%20b"), "/holds/7?text=a%20b");
        for elsewhere in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/sign-out",
            "holds",
            "/a\r\nSet-Cookie: x",
        ] {
            assert_eq!(onward(elsewhere), "/", "{elsewhere}");
        }
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_from_other_sites_and_where_it_can_be_from_the_wire() {
        assert_eq!(cookie(true, "ab"), "__Host-console=ab; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(cookie(false, ""), "console=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    }
}
