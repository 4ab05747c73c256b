//! Keys of service apps, made anew for each test.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use namely_okta_sync::sandbox::okta::ServiceApp;
use serde_json::{Value, json};

/// A private key as PEM, and its public half as a JSON Web Key Set.
pub struct Key {
    pub pem: String,
    pub jwks: String,
}

fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).expect("ASCII")).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

fn jwks(key: &EncodingKey, algorithm: Algorithm, kid: &str) -> String {
    let jwk = Jwk::from_encoding_key(key, algorithm).expect("a public key");
    let mut jwk: Value = serde_json::to_value(jwk).expect("JSON");
    jwk["kid"] = json!(kid);
    jwk["use"] = json!("sig");
    json!({ "keys": [jwk] }).to_string()
}

impl Key {
    /// An RSA key for RS256.
    pub fn rsa(kid: &str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der>::as_der(&pair).expect("DER");
        let pem = pem(der.as_ref());
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a key");
        Self { jwks: jwks(&key, Algorithm::RS256, kid), pem }
    }

    /// A P-256 key for ES256.
    pub fn ec(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let pem = pem(pair.to_pkcs8v1().expect("DER").as_ref());
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).expect("a key");
        Self { jwks: jwks(&key, Algorithm::ES256, kid), pem }
    }

    /// A service app of an org that trusts this key.
    pub fn app(&self, client_id: &str, scopes: &[&str], dpop: bool) -> ServiceApp {
        ServiceApp {
            client_id: client_id.into(),
            jwks: self.jwks.clone(),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            dpop,
        }
    }
}
