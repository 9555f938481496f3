//! A certificate for browsers: one that an authority of theirs has made, beside the member's own.
//!
//! Members say no name in their handshakes (see `credentials.rs`), and browsers say the one of the address
//! bar, if it is one. So a client that says a name is shown the certificate for browsers.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use super::{PROVIDER, TlsError};

/// A certificate with its chain and its key.
#[derive(Clone, Debug)]
pub struct PublicCertificate {
    certified: Arc<CertifiedKey>,
    names: Vec<String>,
}

impl PublicCertificate {
    /// Reads the chain, the certificate itself first, and the key, both in PEM.
    ///
    /// # Errors
    /// When there is none, or the key is another one.
    pub fn read(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::Certificate)?;
        let first = chain.first().ok_or(TlsError::Certificate)?;
        let read = EndEntityCert::try_from(first).map_err(|_| TlsError::Certificate)?;
        let names = read.valid_dns_names().map(str::to_owned).collect();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::PublicKey)?;
        let certified = CertifiedKey::from_der(chain, key, &PROVIDER).map_err(TlsError::Credentials)?;
        Ok(Self {
            certified: Arc::new(certified),
            names,
        })
    }

    /// The names that the certificate is for.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// Returns whether only a member's certificate has such a name.
fn is_of_member(name: &str) -> bool {
    name.ends_with(".enjambre")
}

/// Place of the certificate for browsers: empty unless somebody gives one.
pub(super) type Public = Arc<OnceLock<PublicCertificate>>;

/// The choice between the two certificates.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) member: Arc<CertifiedKey>,
    pub(super) public: Public,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().filter(|name| !is_of_member(name));
        let public = name.and_then(|_| self.public.get());
        Some(Arc::clone(
            public.map_or(&self.member, |public| &public.certified),
        ))
    }
}
