//! Where an answer leads: the `Link` headers of a list (RFC 8288) and the `_links` of a body, and what of it is followed.
//!
//! **Invariant:** what cannot be read or leads elsewhere is an error, never the end of a list; nothing is followed but a
//! page of the same list at the same server.

use super::address::{has_credentials, is_same_origin};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;

/// Pages of one list, at most: at 200 a page two million people.
pub const MOST_PAGES: usize = 10_000;
/// Items of one list, at most.
pub const MOST_ITEMS: usize = 2_000_000;

/// Why where a list goes on, or what a link leads to, cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("its Link header holds characters that cannot be read")]
    Characters,
    /// The beginning of the header.
    #[error("its Link header cannot be read ({0:?})")]
    Header(String),
    #[error("its Link headers name two next pages")]
    TwoNext,
    #[error("its body names a next page without saying where it is")]
    Nowhere,
    /// What the parser says.
    #[error("its link to the next page cannot be read ({0})")]
    Next(String),
    /// Which server.
    #[error("its link to the next page leads to another server ({0})")]
    OtherServer(String),
    /// Which path.
    #[error("its link to the next page leads elsewhere ({0})")]
    OtherList(String),
    #[error("a link to {path} cannot be read ({why})")]
    Object { path: String, why: String },
    #[error("a link to {path} leads to another server ({server})")]
    ObjectAtOtherServer { path: String, server: String },
    #[error("a link to {path} leads elsewhere ({found})")]
    OtherObject { path: String, found: String },
}

/// Why a list is not read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    #[error("the list has more than {0} items: it is not read on")]
    Items(usize),
    #[error("the list has more than {0} pages: it is not read on")]
    Pages(usize),
    #[error("the list leads back to a page of it that was read already: it never ends")]
    Endless,
}

/// Path and query of the next page of the list that `asked` is a page of; `None` where no header names one.
pub fn next_target(headers: &HeaderMap, asked: &Url) -> Result<Option<String>, LinkError> {
    let mut found: Option<String> = None;
    for value in headers.get_all(LINK) {
        let text = value.to_str().map_err(|_| LinkError::Characters)?;
        for (target, is_next) in links(text)? {
            if !is_next {
                continue;
            }
            let next = follow(&target, asked)?;
            if found.as_ref().is_some_and(|known| *known != next) {
                return Err(LinkError::TwoNext);
            }
            found = Some(next);
        }
    }
    Ok(found)
}

/// Path and query of the next page where the body of an answer names it (`_links.next`), as some lists of Okta do; `None` where
/// it names none.
pub fn next_in_body(body: &[u8], asked: &Url) -> Result<Option<String>, LinkError> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(default, rename = "_links")]
        links: Value,
    }
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Ok(None); // a list without anything around it
    }
    // What cannot be read as a whole has no use to whoever has asked for it either.
    let Ok(Page { links }) = serde_json::from_slice(body) else { return Ok(None) };
    match &links["next"] {
        Value::Null => Ok(None),
        next => match next["href"].as_str() {
            Some(target) => follow(target, asked).map(Some),
            None => Err(LinkError::Nowhere),
        },
    }
}

/// The id at the end of a link to one object of the list at `path` of the server `base`.
pub fn id_in(link: &str, base: &Url, path: &str) -> Result<String, LinkError> {
    let of = || path.to_owned();
    let url = base.join(link).map_err(|e| LinkError::Object { path: of(), why: e.to_string() })?;
    if has_credentials(&url) || !is_same_origin(&url, base) {
        return Err(LinkError::ObjectAtOtherServer { path: of(), server: super::address::shown(&url) });
    }
    let id = url.path().strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
    match id.filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))) {
        Some(id) => Ok(id.to_owned()),
        None => Err(LinkError::OtherObject { path: of(), found: url.path().to_owned() }),
    }
}

/// A link as a target of the same list at the same server.
fn follow(target: &str, asked: &Url) -> Result<String, LinkError> {
    let url = asked.join(target).map_err(|e| LinkError::Next(e.to_string()))?;
    if has_credentials(&url) || !is_same_origin(&url, asked) {
        return Err(LinkError::OtherServer(super::address::shown(&url)));
    }
    let decoded = |url: &Url| percent_decode_str(url.path()).collect::<Vec<u8>>();
    if decoded(&url) != decoded(asked) {
        return Err(LinkError::OtherList(url.path().to_owned()));
    }
    Ok(match url.query() {
        Some(query) => format!("{}?{query}", asked.path()),
        None => asked.path().to_owned(),
    })
}

/// The links of one header, each with whether one of its relations is `next`.
fn links(text: &str) -> Result<Vec<(String, bool)>, LinkError> {
    let broken = || LinkError::Header(text.chars().take(80).collect());
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            continue;
        }
        let (target, mut after) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or_else(broken)?;
        // Of several `rel` of one link the first counts.
        let mut relation: Option<String> = None;
        loop {
            after = after.trim_start();
            let Some(parameter) = after.strip_prefix(';') else { break };
            let (name, value, left) = parameter_of(parameter).ok_or_else(broken)?;
            if name.eq_ignore_ascii_case("rel") && relation.is_none() {
                relation = Some(value);
            }
            after = left;
        }
        if !(after.is_empty() || after.starts_with(',')) {
            return Err(broken());
        }
        let relations = relation.unwrap_or_default();
        let is_next = relations.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"));
        found.push((target.trim().to_owned(), is_next));
        rest = after;
    }
    Ok(found)
}

/// One `name=value` or `name="value"` with what follows it; an empty one between two semicolons is allowed.
fn parameter_of(text: &str) -> Option<(&str, String, &str)> {
    let text = text.trim_start();
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = (text[..end].trim(), &text[end..]);
    let Some(value) = rest.strip_prefix('=') else { return Some((name, String::new(), rest)) };
    let value = value.trim_start();
    let Some(quoted) = value.strip_prefix('"') else {
        let end = value.find([';', ',']).unwrap_or(value.len());
        return Some((name, value[..end].trim().to_owned(), &value[end..]));
    };
    let (mut read, mut escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                read.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((name, read, &quoted[at + 1..])),
            c => read.push(c),
        }
    }
    None
}

/// The pages of one list that were asked for: none twice, and not more than a list can have.
pub struct Pages {
    asked: HashSet<String>,
    items: usize,
    most_pages: usize,
    most_items: usize,
}

impl Pages {
    /// A list that begins at `target`.
    pub fn new(target: &str) -> Self {
        Self::within(target, MOST_PAGES, MOST_ITEMS)
    }

    fn within(target: &str, most_pages: usize, most_items: usize) -> Self {
        Self { asked: HashSet::from([target.to_owned()]), items: 0, most_pages, most_items }
    }

    /// A page with so many items was read, and leads to `next`; the error says why the list cannot be believed.
    pub fn read(&mut self, items: usize, next: Option<String>) -> Result<Option<String>, ListError> {
        self.items += items;
        if self.items > self.most_items {
            return Err(ListError::Items(self.most_items));
        }
        let Some(next) = next else { return Ok(None) };
        if !self.asked.insert(next.clone()) {
            return Err(ListError::Endless);
        }
        if self.asked.len() > self.most_pages {
            return Err(ListError::Pages(self.most_pages));
        }
        Ok(Some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    const ASKED: &str = "https://acme.okta.com/api/v1/users?limit=2";

    fn next(base: &str, lines: &[&str]) -> Result<Option<String>, LinkError> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(LINK, HeaderValue::from_bytes(line.as_bytes()).expect("a header"));
        }
        next_target(&headers, &Url::parse(base).expect("a URL"))
    }

    #[test]
    fn the_next_page_is_found_however_the_header_is_written() {
        let target = Ok(Some("/api/v1/users?after=1&limit=2".to_owned()));
        let own = "<https://acme.okta.com/api/v1/users?limit=2>; rel=\"self\"";
        for line in [
            "<https://acme.okta.com/api/v1/users?after=1&limit=2>; rel=\"next\"",
            "<https://ACME.okta.com:443/api/v1/users?after=1&limit=2>;rel=next",
            "<https://acme.okta.com./api/v1/users?after=1&limit=2> ; title=\"a, \\\"b\\\"; c\" ; REL=\"prev NEXT\"",
            "</api/v1/users?after=1&limit=2>; rel=\"next\"",
            "<?after=1&limit=2>; rel=\"next\"; rel=\"self\"",
            "<https://elsewhere.example/a,b>; rel=\"help\", <https://acme.okta.com/api/v1/users?after=1&limit=2>; rel=\"next\"",
        ] {
            assert_eq!(next(ASKED, &[own, line]), target, "{line}");
        }
        assert_eq!(next(ASKED, &[own]), Ok(None));
        assert_eq!(next(ASKED, &[]), Ok(None));
        assert_eq!(next(ASKED, &[""]), Ok(None));
    }

    #[test]
    fn hosts_are_compared_as_hosts() {
        for (asked, line) in [
            ("http://localhost:81/a?x", "<http://LOCALHOST:81/a?y>; rel=\"next\""),
            ("http://[::1]:81/a?x", "<http://[0:0:0:0:0:0:0:1]:81/a?y>; rel=\"next\""),
            ("https://acme.okta.com/a?x", "<https://acme.okta.com:443/a?y>; rel=\"next\""),
        ] {
            assert_eq!(next(asked, &[line]), Ok(Some("/a?y".into())), "{line}");
        }
    }

    #[test]
    fn a_next_page_that_leads_elsewhere_or_cannot_be_read_is_an_error() {
        for line in [
            "<https://evil.example/api/v1/users?after=1>; rel=\"next\"",
            "<//evil.example/api/v1/users?after=1>; rel=\"next\"",
            "<http://acme.okta.com/api/v1/users?after=1>; rel=\"next\"",
            "<https://acme.okta.com:8443/api/v1/users?after=1>; rel=\"next\"",
            "<https://acme.okta.com.evil.example/api/v1/users?after=1>; rel=\"next\"",
            "<https://acme.okta.com@evil.example/api/v1/users?after=1>; rel=\"next\"",
            "<https://me:pw@acme.okta.com/api/v1/users?after=1>; rel=\"next\"",
            "<https://acme.okta.com/api/v1/groups?after=1>; rel=\"next\"",
            "<https://acme.okta.com/api/v1/users/../apps?after=1>; rel=\"next\"",
            "<https://[oops/api/v1/users>; rel=\"next\"",
            "https://acme.okta.com/api/v1/users?after=1; rel=\"next\"",
            "<https://acme.okta.com/api/v1/users?after=1; rel=\"next\"",
            "<https://acme.okta.com/api/v1/users?after=1>; rel=\"next",
            "<https://acme.okta.com/api/v1/users?after=1> rel=\"next\"",
            "<https://acme.okta.com/api/v1/users?after=1>; rel=\"next\", <https://acme.okta.com/api/v1/users?after=2>; rel=\"next\"",
            "<https://acme.okta.com/api/v1/users?after=é>; rel=\"next\"",
        ] {
            assert!(next(ASKED, &[line]).is_err(), "{line}");
        }
    }

    #[test]
    fn a_next_page_that_the_body_names_is_followed_and_refused_like_one_of_a_header() {
        let asked = Url::parse("https://acme.okta.com/api/v1/iam/assignees/users?limit=100").expect("a URL");
        let next = |links: &str| next_in_body(format!(r#"{{"value":[],"_links":{links}}}"#).as_bytes(), &asked);
        let target = Ok(Some("/api/v1/iam/assignees/users?after=1".to_owned()));
        for same in ["https://acme.okta.com", "https://ACME.okta.com:443", ""] {
            assert_eq!(next(&format!(r#"{{"next":{{"href":"{same}/api/v1/iam/assignees/users?after=1"}}}}"#)), target);
        }
        for none in [r#"{"self":{"href":"https://evil.example/"}}"#, r#"{"next":null}"#, "{}", "null", "[]"] {
            assert_eq!(next(none), Ok(None), "{none}");
        }
        assert_eq!(next_in_body(b"[{\"_links\":{\"next\":1}}]", &asked), Ok(None));
        for bad in [
            r#"{"next":{"href":"https://evil.example/api/v1/iam/assignees/users?after=1"}}"#,
            r#"{"next":{"href":"//evil.example/api/v1/iam/assignees/users?after=1"}}"#,
            r#"{"next":{"href":"http://acme.okta.com/api/v1/iam/assignees/users?after=1"}}"#,
            r#"{"next":{"href":"https://me@acme.okta.com/api/v1/iam/assignees/users?after=1"}}"#,
            r#"{"next":{"href":"https://acme.okta.com/api/v1/users?after=1"}}"#,
            r#"{"next":{"href":"https://[oops"}}"#,
            r#"{"next":{"href":7}}"#,
            r#"{"next":{}}"#,
            r#"{"next":"https://evil.example/"}"#,
        ] {
            assert!(next(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_id_in_a_link_is_one_of_the_same_server_and_of_the_list_that_is_meant() {
        let base = Url::parse("https://acme.okta.com").expect("a URL");
        let id = |link: &str| id_in(link, &base, "/api/v1/users");
        for good in ["https://acme.okta.com/api/v1/users/00u9", "https://Acme.Okta.com:443/api/v1/users/00u9?x=1"] {
            assert_eq!(id(good).as_deref(), Ok("00u9"), "{good}");
        }
        for bad in [
            "https://evil.example/api/v1/users/00u9",
            "https://me@acme.okta.com/api/v1/users/00u9",
            "https://acme.okta.com/api/v1/groups/00u9",
            "https://acme.okta.com/api/v1/users/00u9/roles",
            "https://acme.okta.com/api/v1/users/",
            "https://acme.okta.com/api/v1/users/..%2Fgroups",
            "00u9",
            "https://[oops",
        ] {
            assert!(id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_that_leads_back_into_itself_or_never_ends_is_an_error() {
        let page = |n: usize| Some(format!("/users?after={n}"));
        for length in [1, 2, 5] {
            let mut pages = Pages::new("/users");
            for n in 1..length {
                assert_eq!(pages.read(200, page(n)), Ok(page(n)));
            }
            assert!(
                pages.read(200, Some("/users".into())).is_err_and(|why| why.to_string().contains("never ends")),
                "{length}"
            );
        }
        let mut long = Pages::within("/users", 3, 1000);
        assert!(long.read(1, page(1)).is_ok() && long.read(1, page(2)).is_ok());
        assert!(long.read(1, page(3)).is_err_and(|why| why.to_string().contains("3 pages")));
        let mut large = Pages::within("/users", 100, 250);
        assert!(large.read(200, page(1)).is_ok());
        assert!(large.read(200, None).is_err_and(|why| why.to_string().contains("250 items")), "also of the last page");
    }
}
