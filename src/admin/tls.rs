//! TLS of what is served: one certificate, read again when the configuration is.

use crate::config::TlsFiles;
use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// A certificate that can be exchanged while connections are served.
#[derive(Clone, Debug)]
pub struct LiveCertificate {
    files: TlsFiles,
    now: Arc<ArcSwap<CertifiedKey>>,
}

impl LiveCertificate {
    /// Reads both files; the error says what is wrong with which.
    pub fn read(files: &TlsFiles) -> Result<Self, String> {
        let now = Arc::new(ArcSwap::from_pointee(certified(files)?));
        Ok(Self { files: files.clone(), now })
    }

    /// Reads both files again: new connections see what is in them. On an error the one from before still holds.
    pub fn read_again(&self) -> Result<(), String> {
        self.now.store(Arc::new(certified(&self.files)?));
        Ok(())
    }

    /// How connections are accepted.
    pub fn server(&self) -> Result<ServerConfig, String> {
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let config = config.map_err(|e| e.to_string())?.with_no_client_auth();
        Ok(config.with_cert_resolver(Arc::new(self.clone())))
    }
}

impl ResolvesServerCert for LiveCertificate {
    fn resolve(&self, _: ClientHello) -> Option<Arc<CertifiedKey>> {
        Some(self.now.load_full())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |why: String| format!("the certificate {} cannot be used: {why}", path.display());
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read.map_err(|e| wrong(e.to_string()))? {
        none if none.is_empty() => Err(wrong("there is none in it; write it as PEM".into())),
        some => Ok(some),
    }
}

fn certified(files: &TlsFiles) -> Result<CertifiedKey, String> {
    let chain = certificates(&files.certificate)?;
    let wrong = |why: String| format!("the key {} cannot be used: {why}", files.key.display());
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| wrong(e.to_string()))?;
    CertifiedKey::from_der(chain, key, &provider())
        .map_err(|e| wrong(format!("{e}; does it belong to {}?", files.certificate.display())))
}

/// How the command line connects to the service of its own configuration: to whoever holds the key of exactly that
/// certificate, by whichever name.
pub fn client(files: &TlsFiles) -> Result<ClientConfig, String> {
    let own = certificates(&files.certificate)?.swap_remove(0);
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.map_err(|e| e.to_string())?.dangerous();
    Ok(config.with_custom_certificate_verifier(Arc::new(Pinned { own, provider: provider() })).with_no_client_auth())
}

#[derive(Debug)]
struct Pinned {
    own: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer,
        _: &[CertificateDer],
        _: &ServerName,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match *shown == self.own {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
