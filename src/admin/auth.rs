//! Who may ask what: bearer tokens with roles.

pub(crate) use crate::config::approvers;

use crate::config::Token;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};

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

/// Whether `body` is signed (`sha256=HEX`) with `secret`; never without a secret. The comparison takes the same time for all.
pub fn is_signed(secret: Option<&SecretString>, body: &[u8], signature: Option<&str>) -> bool {
    let (Some(secret), Some(signature)) = (secret, signature.and_then(|s| s.strip_prefix("sha256="))) else {
        return false;
    };
    let byte = |n: usize| u8::from_str_radix(signature.get(2 * n..2 * n + 2)?, 16).ok();
    let given: Option<Vec<u8>> = (0..signature.len().div_ceil(2)).map(byte).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    given.is_some_and(|given| hmac::verify(&key, body, &given).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;

    #[test]
    fn two_tokens_of_one_user_are_one_approver() {
        let token = |name: &str, role, uid| Token {
            name: name.into(),
            role,
            token: name.into(),
            end_access: false,
            uid,
            person: None,
            same: None,
        };
        let mut tokens = vec![token("laptop", Role::Approver, Some(1000)), token("ci", Role::Approver, Some(1000))];
        assert_eq!(approvers(&tokens), 1);
        tokens.push(token("otto", Role::Operator, None));
        assert_eq!(approvers(&tokens), 1, "an operator approves nothing");
        tokens.push(token("ben", Role::Approver, None));
        assert_eq!(approvers(&tokens), 2);
    }

    #[test]
    fn only_the_whole_token_is_somebody() {
        let token = |name: &str, role| Token {
            name: name.into(),
            role,
            token: format!("secret-{name}").into(),
            end_access: false,
            uid: None,
            person: None,
            same: None,
        };
        let tokens = [token("ann", Role::Viewer), token("ben", Role::Approver)];
        let name = |given: Option<&str>| who(&tokens, given).map(|token| token.name.as_str());
        assert_eq!(name(Some("Bearer secret-ben")), Some("ben"));
        for wrong in
            [None, Some(""), Some("Bearer "), Some("Bearer secret-be"), Some("Bearer secret-benn"), Some("secret-ben")]
        {
            assert_eq!(name(wrong), None, "{wrong:?}");
        }
        let secret = SecretString::from("key");
        let signed =
            |signature: &str| is_signed(Some(&secret), b"The quick brown fox jumps over the lazy dog", Some(signature));
        assert!(
            signed("sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"),
            "RFC 2104's example"
        );
        for wrong in [
            "",
            "sha256=",
            "sha256=f7bc",
            "sha256=zz",
            "sha256=é",
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
        ] {
            assert!(!signed(wrong), "{wrong}");
        }
        assert!(!is_signed(None, b"", Some("sha256=")));
    }
}
