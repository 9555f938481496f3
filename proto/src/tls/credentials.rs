//! Credentials of one member, and the configurations that are made of them.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::{Certificate, PROVIDER, TlsError};

/// Protocols over TLS, the preferred one first.
const GRPC: &[u8] = b"h2";
const HTTP: &[u8] = b"http/1.1";

/// A member's certificate and key, and the authorities that it trusts.
#[derive(Debug)]
pub struct Credentials {
    /// The certificate, those that lead to its root, and the root: so that a machine that enrols sees it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The certificate's key.
    pub key: PrivateKeyDer<'static>,
    /// The roots: more than one while the authority's key is replaced.
    pub roots: Vec<CertificateDer<'static>>,
}

/// Credentials in the form in which connections take them.
#[derive(Debug)]
pub(super) struct Configured {
    /// The member's own certificate.
    pub(super) certificate: Certificate,
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
}

impl Configured {
    /// Makes the configurations of both sides.
    ///
    /// # Errors
    /// When there is no certificate, it names no member, its key is another one, or a root is none.
    pub(super) fn of(credentials: Credentials) -> Result<Self, TlsError> {
        let Credentials { chain, key, roots } = credentials;
        let certificate = Certificate::read(chain.first().ok_or(TlsError::Certificate)?)?;
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root).map_err(TlsError::Credentials)?;
        }
        let roots = Arc::new(store);

        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&PROVIDER))
            .allow_unauthenticated()
            .build()
            .map_err(|_| TlsError::NoRoots)?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Credentials)?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(TlsError::Credentials)?;
        server.alpn_protocols = vec![GRPC.to_vec(), HTTP.to_vec()];
        // A resumed session would not show the client's certificate again.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;

        let mut client = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Credentials)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(TlsError::Credentials)?;
        client.alpn_protocols = vec![GRPC.to_vec()];
        client.resumption = Resumption::disabled();
        // The expected name is compared with the certificate; nobody on the way has to read it.
        client.enable_sni = false;
        Ok(Self {
            certificate,
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }
}
