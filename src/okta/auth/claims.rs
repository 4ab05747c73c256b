//! What is signed: assertions and proofs, as pure functions of time and chance (`okta-api.md §1.2, §1.4`).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use serde_json::{Value, json};

/// How long an assertion may be used; Okta allows an hour.
const ASSERTION_SECS: i64 = 300;

/// The claims with which a service app asks for a token: `client_id` signs for itself, once, for `audience` only. No
/// `iat`: it is optional, and refused if the server's clock is behind ours.
pub fn assertion(client_id: &str, audience: &str, server_now: i64, jti: &str) -> Value {
    json!({ "iss": client_id, "sub": client_id, "aud": audience, "exp": server_now + ASSERTION_SECS, "jti": jti })
}

/// The form of the token call.
pub fn token_form(scopes: &[&str], assertion: &str) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "client_credentials".to_owned()),
        ("scope", scopes.join(" ")),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned()),
        ("client_assertion", assertion.to_owned()),
    ]
}

/// The claims of a DPoP proof: for one method and URL (without query), once. A proof for the token call carries the
/// server's nonce, one for a resource call the hash of the token.
pub fn proof(method: &str, url: &str, server_now: i64, jti: &str, nonce: Option<&str>, token: Option<&str>) -> Value {
    let mut claims = json!({ "htm": method, "htu": url.split('?').next(), "iat": server_now, "jti": jti });
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    if let Some(token) = token {
        let hash = digest(&SHA256, token.as_bytes());
        claims["ath"] = json!(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash));
    }
    claims
}

/// When a token that lives for `expires_in` seconds is fetched anew: some minutes before its end.
pub fn renew_after(expires_in: i64) -> i64 {
    (expires_in - 300).max(expires_in / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_is_for_one_endpoint_and_some_minutes() {
        let claims = assertion("0oa1", "https://acme.okta.com/oauth2/v1/token", 1000, "j");
        let expected = json!({ "iss": "0oa1", "sub": "0oa1", "aud": "https://acme.okta.com/oauth2/v1/token", "exp": 1300, "jti": "j" });
        assert_eq!(claims, expected);
    }

    #[test]
    fn a_proof_is_for_one_call_without_its_query_and_one_token() {
        let claims = proof("GET", "https://acme.okta.com/api/v1/users?limit=2", 1000, "j", None, Some("abc"));
        assert_eq!(claims["htu"], "https://acme.okta.com/api/v1/users");
        // SHA-256 of "abc" is on record in FIPS 180.
        assert_eq!(claims["ath"], "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
        assert!(claims.get("nonce").is_none());
        let claims = proof("POST", "https://acme.okta.com/oauth2/v1/token", 1000, "j", Some("n"), None);
        assert_eq!((claims["nonce"].as_str(), claims.get("ath")), (Some("n"), None));
    }

    #[test]
    fn tokens_are_renewed_before_they_end_even_short_ones() {
        assert_eq!(renew_after(3600), 3300);
        assert_eq!(renew_after(60), 30);
    }
}
