//! What a form has sent.

use actix_web::web::{Payload, Query};
use std::time::Duration;

/// Bytes that a form has at most: ticks of some ten thousand people.
const LARGEST: usize = 1 << 20;
/// Whoever needs longer is cut off.
const SLOWEST: Duration = Duration::from_secs(10);

/// Fields in their order; one may stand several times.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads one: not more than a largest size, and not slower than anybody needs.
    pub async fn read(payload: Payload) -> Result<Self, String> {
        let bytes = match tokio::time::timeout(SLOWEST, payload.to_bytes_limited(LARGEST)).await {
            Ok(Ok(Ok(bytes))) => bytes,
            Ok(Ok(Err(e))) => return Err(e.to_string()),
            Ok(Err(_)) => return Err(format!("a form has at most {LARGEST} bytes here: tick fewer at a time")),
            Err(_) => return Err("the form did not arrive in time; send it again".into()),
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| "the form is not UTF-8")?;
        Self::parse(text)
    }

    /// From the part of an address behind the question mark, or the body of a form.
    pub fn parse(text: &str) -> Result<Self, String> {
        Query::<Vec<(String, String)>>::from_query(text).map(|read| Self(read.into_inner())).map_err(|e| e.to_string())
    }

    /// A field that says something.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.trim());
        found.filter(|value| !value.is_empty())
    }

    /// A field that is a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// All numbers under a name.
    pub fn numbers(&self, name: &str) -> Vec<i64> {
        let named = self.0.iter().filter(|(field, _)| field == name);
        named.filter_map(|(_, value)| value.trim().parse().ok()).collect()
    }

    /// All texts under a name that say something.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let named = self.0.iter().filter(|(field, value)| field == name && !value.trim().is_empty());
        named.map(|(_, value)| value.trim().to_owned()).collect()
    }

    /// The same without what stands under a name.
    pub fn without(self, name: &str) -> Self {
        Self(self.0.into_iter().filter(|(field, _)| field != name).collect())
    }

    /// All of it but what is named, as part of an address, with what is added.
    pub fn address(&self, path: &str, without: &[&str], with: &[(&str, &str)]) -> String {
        let kept = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = kept.filter(|(name, value)| !without.contains(name) && !value.is_empty());
        let pairs: Vec<String> = kept
            .chain(with.iter().copied())
            .map(|(name, value)| format!("{}={}", super::pages::encoded(name), super::pages::encoded(value)))
            .collect();
        if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_make_an_address_again() {
        let form = Form::parse("text=a+b%26c&target=1&target=2&target=x&sort=&page=3").expect("reads");
        assert_eq!((form.text("text"), form.text("sort"), form.number("page")), (Some("a b&c"), None, Some(3)));
        assert_eq!(form.numbers("target"), [1, 2]);
        let address = form.address("/people", &["page", "target"], &[("page", "4")]);
        assert_eq!(address, "/people?text=a%20b%26c&page=4");
        assert_eq!(Form::default().address("/people", &[], &[]), "/people");
    }
}
