//! What an identity provider says of somebody: an ID token, believed only if it is for us, for this sign-in and of now.
//!
//! Decided here without I/O; `provider.rs` does the calls. The rules are those of OpenID Connect Core 1.0, section 3.1.3.7.

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Signatures that are believed: by keys of which the provider alone has the private half.
const ALGORITHMS: [Algorithm; 8] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
];
/// How far the clocks of both sides may differ, in seconds.
const SKEW: i64 = 120;
/// Groups of one person at most, and characters of one name.
const MOST_GROUPS: usize = 10_000;
const LONGEST: usize = 512;

/// Where a provider is asked for what, as it says itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Discovery {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
}

/// What a token must be of to be believed.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    /// What this sign-in was begun with.
    pub nonce: &'a str,
    /// The claim that lists groups.
    pub groups: &'a str,
    /// In seconds.
    pub now: i64,
}

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Theirs for ever.
    pub id: String,
    /// What people call them.
    pub name: String,
    pub groups: Vec<String>,
}

/// Why a token is not believed, in a sentence that goes to whoever signs in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unbelieved {
    #[error("the provider's answer holds no ID token; is the scope openid allowed to this client?")]
    NoToken,
    #[error("the ID token is signed by {0}, which is not accepted")]
    Algorithm(String),
    #[error("the ID token is signed by a key that the provider does not publish")]
    Key,
    #[error("the ID token's signature is wrong")]
    Signature,
    #[error("the ID token is for somebody else: its {claim} is not {expected:?}")]
    Other { claim: &'static str, expected: String },
    #[error("the ID token is of another sign-in: begin again")]
    Nonce,
    #[error("the ID token is not of now; do the clocks of both sides agree?")]
    Time,
    #[error("the ID token lacks {0:?}")]
    Lacks(String),
    #[error("the ID token lists no groups: have the provider add the claim {0:?} to it")]
    NoGroups(String),
}

/// Reads an ID token; `keys` are those that the provider publishes.
pub fn read(token: &str, keys: &JwkSet, expected: &Expected) -> Result<Claims, Unbelieved> {
    let header = decode_header(token).map_err(|_| Unbelieved::NoToken)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Unbelieved::Algorithm(format!("{:?}", header.alg)));
    }
    let key = match (&header.kid, keys.keys.as_slice()) {
        (Some(kid), _) => keys.find(kid),
        (None, [only]) => Some(only),
        _ => None,
    };
    let claims = verified(token, key.ok_or(Unbelieved::Key)?, header.alg)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let other = |claim, expected: &str| Unbelieved::Other { claim, expected: expected.to_owned() };
    if text("iss") != Some(expected.issuer) {
        return Err(other("issuer", expected.issuer));
    }
    let audience = claims.get("aud").map(|aud| match aud {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        aud => aud.as_str().into_iter().collect::<Vec<_>>(),
    });
    let audience = audience.unwrap_or_default();
    let is_party = text("azp").map_or(audience.len() == 1, |azp| azp == expected.client_id);
    if !audience.contains(&expected.client_id) || !is_party {
        return Err(other("audience", expected.client_id));
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(Unbelieved::Nonce);
    }
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let is_over = number("exp").is_none_or(|end| end + SKEW <= expected.now);
    let is_early = ["iat", "nbf"].into_iter().filter_map(number).any(|begin| begin - SKEW > expected.now);
    if is_over || is_early {
        return Err(Unbelieved::Time);
    }
    let id = text("sub").filter(|id| id.len() <= LONGEST).ok_or_else(|| Unbelieved::Lacks("sub".into()))?;
    let name = ["preferred_username", "email", "name"].into_iter().find_map(text).unwrap_or(id);
    let groups = claims.get(expected.groups).and_then(Value::as_array);
    let groups = groups.ok_or_else(|| Unbelieved::NoGroups(expected.groups.to_owned()))?;
    Ok(Claims {
        id: id.to_owned(),
        name: name.chars().take(LONGEST).collect(),
        groups: groups.iter().take(MOST_GROUPS).filter_map(|group| group.as_str().map(str::to_owned)).collect(),
    })
}

fn verified(token: &str, key: &Jwk, algorithm: Algorithm) -> Result<Map<String, Value>, Unbelieved> {
    let key = DecodingKey::from_jwk(key).map_err(|_| Unbelieved::Key)?;
    // Its clock and its audience are looked at above, by our own clock.
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    decode::<Map<String, Value>>(token, &key, &validation).map(|data| data.claims).map_err(|_| Unbelieved::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;
    const EXPECTED: Expected =
        Expected { issuer: "https://acme.okta.com", client_id: "0oa1", nonce: "n-1", groups: "groups", now: NOW };

    fn key() -> EncodingKey {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("DER").as_ref())
    }

    fn published(key: &EncodingKey) -> JwkSet {
        let mut jwk = Jwk::from_encoding_key(key, Algorithm::ES256).expect("a public half");
        jwk.common.key_id = Some("k1".into());
        JwkSet { keys: vec![jwk] }
    }

    fn good() -> Value {
        json!({
            "iss": "https://acme.okta.com", "sub": "00u1", "aud": "0oa1", "nonce": "n-1", "iat": NOW, "exp": NOW + 3600,
            "preferred_username": "ann@acme.com", "groups": ["IT", "Everyone"],
        })
    }

    fn signed(key: &EncodingKey, claims: &Value) -> String {
        let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, key).expect("signs")
    }

    #[test]
    fn a_token_for_us_of_this_sign_in_says_who_somebody_is() {
        let key = key();
        let found = read(&signed(&key, &good()), &published(&key), &EXPECTED).expect("is believed");
        assert_eq!((found.id.as_str(), found.name.as_str(), found.groups.len()), ("00u1", "ann@acme.com", 2));
    }

    #[test]
    fn a_token_of_anything_else_is_believed_by_nobody() {
        let key = key();
        let with = |name: &str, value: Value| {
            let mut claims = good();
            claims[name] = value;
            read(&signed(&key, &claims), &published(&key), &EXPECTED).expect_err("is not believed")
        };
        let other = |error: Unbelieved| matches!(error, Unbelieved::Other { .. });
        assert!(other(with("iss", json!("https://acme.okta.com/"))) && other(with("aud", json!("0oa2"))));
        assert!(other(with("aud", json!(["0oa1", "0oa2"]))), "for several, and nobody says which of them has asked");
        assert!(other(with("azp", json!("0oa2"))));
        assert_eq!([with("nonce", json!("n-2")), with("nonce", json!(null))], [Unbelieved::Nonce, Unbelieved::Nonce]);
        assert_eq!([with("exp", json!(NOW - SKEW)), with("exp", json!("soon"))], [Unbelieved::Time, Unbelieved::Time]);
        assert_eq!(with("iat", json!(NOW + SKEW + 1)), Unbelieved::Time);
        assert_eq!(with("sub", json!("")), Unbelieved::Lacks("sub".into()));
        assert_eq!(with("groups", json!("IT")), Unbelieved::NoGroups("groups".into()));
    }

    #[test]
    fn a_signature_counts_by_a_published_key_alone() {
        let (own, other) = (key(), key());
        assert_eq!(read(&signed(&other, &good()), &published(&own), &EXPECTED), Err(Unbelieved::Signature));
        assert_eq!(read(&signed(&own, &good()), &JwkSet { keys: Vec::new() }, &EXPECTED), Err(Unbelieved::Key));
        let secret = EncodingKey::from_secret(b"0oa1");
        let hmac = encode(&Header::new(Algorithm::HS256), &good(), &secret).expect("signs");
        assert_eq!(read(&hmac, &published(&own), &EXPECTED), Err(Unbelieved::Algorithm("HS256".into())));
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIwMHUxIn0.";
        assert_eq!(read(unsigned, &published(&own), &EXPECTED), Err(Unbelieved::NoToken));
    }
}
