//! The private key of a service app: from PEM or JWK, for RS256 or ES256.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::Value;
use simple_asn1::{ASN1Block, BigInt, BigUint};
use std::fmt;

/// Why a text is no key that signs, with the way out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeyError {
    /// A PEM that wants a passphrase.
    #[error("the key is encrypted; decrypt it (openssl pkey -in key.pem -out plain.pem) and protect the file instead")]
    Encrypted,
    /// The wrong half.
    #[error("this is a public key; the private one is needed")]
    Public,
    /// Anything else that is no key.
    #[error("this is no PEM of an RSA or P-256 private key, nor a JWK")]
    NoKey,
    /// A JSON Web Key with something wrong in it.
    #[error("{0}")]
    Jwk(String),
    /// An elliptic key on another curve than P-256.
    #[error("the key cannot sign ES256 ({0}); only P-256 keys can")]
    NotEs256(jsonwebtoken::errors::Error),
    /// The same, as `openssl ecparam` writes it.
    #[error(
        "this EC key is on another curve than P-256, or damaged; make one with `openssl ecparam -name prime256v1 -genkey -noout`"
    )]
    NotP256,
    /// An RSA key, too short for example.
    #[error("the key cannot sign RS256 ({0})")]
    NotRs256(jsonwebtoken::errors::Error),
    /// What the library of ciphers says.
    #[error("{0}")]
    Cipher(String),
}

impl KeyError {
    fn cipher(why: impl fmt::Display) -> Self {
        Self::Cipher(why.to_string())
    }
}

/// A private key that signs. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Key {
    key: EncodingKey,
    algorithm: Algorithm,
    /// How the other side finds the public half.
    id: Option<String>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Key {
    /// Reads a private key: PEM (PKCS#1, PKCS#8 or SEC 1) or a JSON Web Key. `id` replaces the key's own.
    pub fn read(text: &str, id: Option<String>) -> Result<Self, KeyError> {
        let text = text.trim();
        let key = if text.starts_with('{') { Self::from_jwk(text)? } else { Self::from_pem(text)? };
        let key = Self { id: id.or(key.id), ..key };
        // What cannot sign is told now, not at the first call.
        key.sign("JWT", None, &Value::Null)?;
        Ok(key)
    }

    /// A new P-256 key that lives as long as this process.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(KeyError::cipher)?;
        let der = pair.to_pkcs8v1().map_err(KeyError::cipher)?;
        Ok(Self { key: EncodingKey::from_ec_der(der.as_ref()), algorithm: Algorithm::ES256, id: None })
    }

    fn from_pem(text: &str) -> Result<Self, KeyError> {
        if text.contains("ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        if text.contains("PUBLIC KEY") {
            return Err(KeyError::Public);
        }
        if let Some(der) = sec1(text) {
            let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
            let der = pair.map_err(|_| KeyError::NotP256)?.to_pkcs8v1().map_err(KeyError::cipher)?;
            return Ok(Self { key: EncodingKey::from_ec_der(der.as_ref()), algorithm: Algorithm::ES256, id: None });
        }
        if let Ok(key) = EncodingKey::from_rsa_pem(text.as_bytes()) {
            return Ok(Self { key, algorithm: Algorithm::RS256, id: None });
        }
        match EncodingKey::from_ec_pem(text.as_bytes()) {
            Ok(key) => Ok(Self { key, algorithm: Algorithm::ES256, id: None }),
            Err(_) => Err(KeyError::NoKey),
        }
    }

    fn from_jwk(text: &str) -> Result<Self, KeyError> {
        let mut jwk: Value =
            serde_json::from_str(text).map_err(|e| KeyError::Jwk(format!("the JWK is not JSON: {e}")))?;
        if let Some([only]) = jwk["keys"].as_array().map(Vec::as_slice) {
            jwk = only.clone();
        }
        let part = |name: &str| {
            let text = jwk[name]
                .as_str()
                .ok_or_else(|| KeyError::Jwk(format!("the JWK has no {name:?}; a private key has")))?;
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
            bytes.map_err(|_| KeyError::Jwk(format!("{name:?} of the JWK is not base64url")))
        };
        let id = jwk["kid"].as_str().map(str::to_owned);
        match (jwk["kty"].as_str(), jwk["crv"].as_str()) {
            (Some("RSA"), _) => {
                let mut numbers = vec![ASN1Block::Integer(0, BigInt::from(0))];
                for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
                    numbers.push(ASN1Block::Integer(0, BigInt::from(BigUint::from_bytes_be(&part(name)?))));
                }
                let der = simple_asn1::to_der(&ASN1Block::Sequence(0, numbers)).map_err(KeyError::cipher)?;
                Ok(Self { key: EncodingKey::from_rsa_der(&der), algorithm: Algorithm::RS256, id })
            }
            (Some("EC"), Some("P-256")) => {
                let public: Vec<u8> = [vec![4], part("x")?, part("y")?].concat();
                let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_private_key_and_public_key(curve, &part("d")?, &public)
                    .map_err(|_| KeyError::Jwk("the two halves of the JWK do not belong together".into()))?;
                let der = pair.to_pkcs8v1().map_err(KeyError::cipher)?;
                Ok(Self { key: EncodingKey::from_ec_der(der.as_ref()), algorithm: Algorithm::ES256, id })
            }
            (kind, curve) => Err(KeyError::Jwk(format!(
                "a JWK of kind {} {} is not supported; use RSA or EC P-256",
                kind.unwrap_or("unknown"),
                curve.unwrap_or_default()
            ))),
        }
    }

    /// A signed JWT; with `jwk` the public half travels in its header.
    pub fn sign(&self, typ: &str, jwk: Option<Jwk>, claims: &impl Serialize) -> Result<String, KeyError> {
        let header = Header { typ: Some(typ.to_owned()), kid: self.id.clone(), jwk, ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|why| match self.algorithm {
            Algorithm::ES256 => KeyError::NotEs256(why),
            _ => KeyError::NotRs256(why),
        })
    }

    /// The public half.
    pub fn public(&self) -> Result<Jwk, KeyError> {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).map_err(KeyError::cipher)?;
        // Only what identifies the key: Okta compares thumbprints.
        Ok(Jwk { common: jsonwebtoken::jwk::CommonParameters::default(), ..jwk })
    }
}

/// What is in a PEM of SEC 1, as `openssl ecparam -genkey` writes it; parameters of the curve may stand before it.
fn sec1(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN EC PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END EC PRIVATE KEY-----")?;
    let body: String = body.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsBigEndian, AsDer};
    use aws_lc_rs::rsa::{KeyPair, KeySize};

    fn pem(der: &[u8]) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).expect("ASCII")).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
    }

    fn rsa() -> String {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        pem(AsDer::<aws_lc_rs::encoding::Pkcs8V1Der>::as_der(&pair).expect("DER").as_ref())
    }

    #[test]
    fn pem_keys_of_both_kinds_sign_and_show_their_public_half_only() {
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let ec = pem(ec.to_pkcs8v1().expect("DER").as_ref());
        for (text, algorithm) in [(rsa(), Algorithm::RS256), (ec, Algorithm::ES256)] {
            let key = Key::read(&text, Some("k1".into())).expect("a key");
            let header = jsonwebtoken::decode_header(key.sign("JWT", None, &Value::Null).expect("signs")).expect("JWT");
            assert_eq!((header.alg, header.kid.as_deref()), (algorithm, Some("k1")));
            let public = serde_json::to_value(key.public().expect("public")).expect("JSON");
            assert!(public.get("d").is_none() && public.get("kty").is_some(), "{public}");
            assert!(!format!("{key:?}").contains("BEGIN"), "{key:?}");
        }
    }

    #[test]
    fn a_jwk_is_the_same_key_as_its_pem() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let pem_key = Key::read(&pem(pair.to_pkcs8v1().expect("DER").as_ref()), None).expect("a key");
        let mut jwk = serde_json::to_value(pem_key.public().expect("public")).expect("JSON");
        let private =
            AsBigEndian::<aws_lc_rs::encoding::EcPrivateKeyBin>::as_be_bytes(&pair.private_key()).expect("bytes");
        jwk["d"] = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(private.as_ref()).into();
        jwk["kid"] = "from-the-key".into();
        let key = Key::read(&jwk.to_string(), None).expect("a key");
        assert_eq!(key.id.as_deref(), Some("from-the-key"));
        assert_eq!(key.public().expect("public"), pem_key.public().expect("public"));
        let in_a_set = serde_json::json!({ "keys": [jwk] }).to_string();
        assert!(Key::read(&in_a_set, None).is_ok());
    }

    /// As openssl writes it: the curve first, then the key.
    #[test]
    fn an_ec_key_as_openssl_ecparam_writes_it_is_read_and_one_of_another_curve_is_told() {
        use aws_lc_rs::encoding::EcPrivateKeyRfc5915Der;
        use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        let sec1 = |pair: &EcdsaKeyPair| {
            let der = AsDer::<EcPrivateKeyRfc5915Der>::as_der(&pair.private_key()).expect("DER");
            let text = pem(der.as_ref()).replace("PRIVATE KEY", "EC PRIVATE KEY");
            format!("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{text}")
        };
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let key = Key::read(&sec1(&pair), None).expect("a key");
        let same = Key::read(&pem(pair.to_pkcs8v1().expect("DER").as_ref()), None).expect("a key");
        assert_eq!(key.public().expect("public"), same.public().expect("public"));
        let other = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key");
        let why = Key::read(&sec1(&other), None).expect_err("another curve").to_string();
        assert!(why.contains("another curve than P-256") && why.contains("prime256v1"), "{why}");
    }

    #[test]
    fn what_is_no_private_key_is_told_with_the_way_out() {
        let why = |text: &str| Key::read(text, None).expect_err(text).to_string();
        assert!(why("-----BEGIN PUBLIC KEY-----").contains("private one"));
        assert!(why("-----BEGIN ENCRYPTED PRIVATE KEY-----").contains("openssl pkey"));
        assert!(why("hello").contains("no PEM"));
        assert!(why("{").contains("not JSON"));
        assert!(why(r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#).contains("private key has"));
        assert!(why(r#"{"kty":"OKP","crv":"Ed25519"}"#).contains("RSA or EC P-256"));
    }
}
