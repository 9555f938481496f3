//! The handshake of a machine that has not joined: it knows the hash of the authority's key, and no root.
//!
//! The server sends its chain with the root, and with the keys that the authority had before. A certificate
//! in it must have the key of the hash; then the library verifies the chain as ever, with that certificate as
//! the only root. The handshake fails on a wrong hash, so that no secret can be sent. This is the only place
//! that replaces the library's verifier.

use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, PeerIncompatible, RootCertStore,
    SignatureScheme,
};
use shared::model::KeyHash;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::failure::explained;
use super::{Certificate, PROVIDER, TlsError, key_of};

/// A server of the cluster that has the pinned authority.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) server: Certificate,
}

/// Makes the handshake with a server that shows the pinned authority.
pub(crate) async fn find(stream: TcpStream, pin: KeyHash) -> io::Result<Found> {
    let verifier = Arc::new(PinVerifier { pin });
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.enable_sni = false;
    // The verifier takes the name from the certificate: any member of the cluster will do.
    let any = ServerName::try_from("enjambre").map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(any, stream).await.map_err(explained)?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let server = Certificate::read(shown.ok_or(TlsError::Certificate)?)?;
    Ok(Found { stream, server })
}

/// Takes any member of the cluster whose authority has this key.
#[derive(Debug)]
struct PinVerifier {
    pin: KeyHash,
}

fn refused(why: TlsError) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(why))).into()
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _any: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if others.is_empty() {
            return Err(refused(TlsError::NoRoot));
        }
        // Any of them: a line names the key of its day, and the authority may have another one since.
        let is_pinned = |der: &&CertificateDer<'_>| key_of(der).is_ok_and(|key| key == self.pin);
        let root = others
            .iter()
            .find(is_pinned)
            .ok_or_else(|| refused(TlsError::Pin))?;
        let name = Certificate::read(shown).map_err(refused)?.identity.to_string();
        let name = ServerName::try_from(name).map_err(|_| refused(TlsError::Certificate))?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        let normal = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&PROVIDER))
            .build()
            .map_err(|_| refused(TlsError::NoRoots))?;
        normal.verify_server_cert(shown, others, &name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // Version 1.3 is the only one that is offered.
        Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &PROVIDER.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}
