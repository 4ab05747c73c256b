//! Who may ask what: bearer tokens with roles.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

/// What a token may do; each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Viewer,
    /// Pause, resume, try again, read again.
    Operator,
    /// Decide about holds.
    Approver,
}

impl Role {
    /// The word for it in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Approver => "approver",
        }
    }
}

/// Somebody who may ask.
#[derive(Clone, Debug)]
pub struct Token {
    /// Who it is: it stands in the audit.
    pub name: String,
    pub role: Role,
    pub token: SecretString,
}

/// Whose the bearer token of a request is. Compares digests of all tokens, so that the time says nothing about any.
pub fn who<'a>(tokens: &'a [Token], authorization: Option<&str>) -> Option<&'a Token> {
    let given = authorization?.strip_prefix("Bearer ")?;
    let given = digest(&SHA256, given.trim().as_bytes());
    let mut found = None;
    for token in tokens {
        let known = digest(&SHA256, token.token.expose_secret().as_bytes());
        if verify_slices_are_equal(known.as_ref(), given.as_ref()).is_ok() {
            found = Some(token);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_somebody() {
        let token = |name: &str, role| Token { name: name.into(), role, token: format!("secret-{name}").into() };
        let tokens = [token("ann", Role::Viewer), token("ben", Role::Approver)];
        let name = |given: Option<&str>| who(&tokens, given).map(|token| token.name.as_str());
        assert_eq!(name(Some("Bearer secret-ben")), Some("ben"));
        for wrong in
            [None, Some(""), Some("Bearer "), Some("Bearer secret-be"), Some("Bearer secret-benn"), Some("secret-ben")]
        {
            assert_eq!(name(wrong), None, "{wrong:?}");
        }
        assert!(Role::Approver > Role::Operator && Role::Operator > Role::Viewer);
    }
}
