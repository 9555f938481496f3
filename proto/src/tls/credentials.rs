//! Credentials of one member, and the configurations that are made of them.

use std::sync::Arc;

use rustls::client::{Resumption, WantsClientCert};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};
use shared::model::ClusterId;

use super::public::{Public, Shown};
use super::{Certificate, PROVIDER, TlsError};

/// Protocols over TLS, the preferred one first.
const GRPC: &[u8] = b"h2";
const HTTP: &[u8] = b"http/1.1";

/// Certificates of authorities that are trusted.
pub type Roots = Vec<CertificateDer<'static>>;

/// A member's certificate and key, and the authorities that it trusts.
#[derive(Debug)]
pub struct Credentials {
    /// The certificate, those that lead to its root, and the root: so that a machine that enrols sees it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The certificate's key.
    pub key: PrivateKeyDer<'static>,
    /// The roots: more than one while the authority's key is replaced.
    pub roots: Roots,
}

/// Credentials in the form in which connections take them.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) cluster: ClusterId,
    /// The member's own certificate; none of a guest, which serves nothing.
    pub(super) certificate: Option<Certificate>,
    pub(super) server: Option<Arc<ServerConfig>>,
    pub(super) client: Arc<ClientConfig>,
}

impl Configured {
    /// Makes the configurations of both sides. Browsers are shown the public certificate, if there is one.
    ///
    /// # Errors
    /// When there is no certificate, it names no member, its key is another one, or a root is none.
    pub(super) fn of(credentials: Credentials, public: Public) -> Result<Self, TlsError> {
        let Credentials { chain, key, roots } = credentials;
        let certificate = Certificate::read(chain.first().ok_or(TlsError::Certificate)?)?;
        let roots = store_of(roots)?;
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&PROVIDER))
            .allow_unauthenticated()
            .build()
            .map_err(|_| TlsError::NoRoots)?;
        let member = CertifiedKey::from_der(chain.clone(), key.clone_key(), &PROVIDER)
            .map_err(TlsError::Credentials)?;
        let member = Arc::new(member);
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Credentials)?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(Arc::new(Shown { member, public }));
        server.alpn_protocols = vec![GRPC.to_vec(), HTTP.to_vec()];
        // A resumed session would not show the client's certificate again.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;

        let client = client_of(roots)?
            .with_client_auth_cert(chain, key)
            .map_err(TlsError::Credentials)?;
        Ok(Self {
            cluster: certificate.identity.cluster,
            certificate: Some(certificate),
            server: Some(Arc::new(server)),
            client: Arc::new(as_dialler(client)),
        })
    }

    /// Makes the configuration of a guest, which shows no certificate.
    ///
    /// # Errors
    /// When a root is none.
    pub(super) fn of_guest(cluster: ClusterId, roots: Roots) -> Result<Self, TlsError> {
        let client = client_of(store_of(roots)?)?.with_no_client_auth();
        Ok(Self {
            cluster,
            certificate: None,
            server: None,
            client: Arc::new(as_dialler(client)),
        })
    }
}

fn store_of(roots: Roots) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root).map_err(TlsError::Credentials)?;
    }
    Ok(Arc::new(store))
}

fn client_of(roots: Arc<RootCertStore>) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    Ok(ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Credentials)?
        .with_root_certificates(roots))
}

fn as_dialler(mut client: ClientConfig) -> ClientConfig {
    client.alpn_protocols = vec![GRPC.to_vec()];
    client.resumption = Resumption::disabled();
    // The expected name is compared with the certificate; nobody on the way has to read it.
    client.enable_sni = false;
    client
}
