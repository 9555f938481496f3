//! Certificates of members, as they are shown.

use rustls::pki_types::CertificateDer;
use shared::model::KeyHash;
use shared::model::Timestamp;
use shared::security::Identity;
use webpki::EndEntityCert;

use super::failure::TlsError;
use super::validity;

/// The parts of a member's certificate that count once it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The member.
    pub identity: Identity,
    /// The hash of its key.
    pub key: KeyHash,
    /// The beginning of its life.
    pub begins: Timestamp,
    /// The end of its life.
    pub ends: Timestamp,
}

impl Certificate {
    /// Reads a certificate. It is *not* verified here.
    ///
    /// # Errors
    /// When it cannot be read, or names no member.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let read = EndEntityCert::try_from(der).map_err(|_| TlsError::Certificate)?;
        let identity = Identity::of_names(read.valid_dns_names())?;
        let (begins, ends) = validity::of(der).ok_or(TlsError::Certificate)?;
        let key = KeyHash::of(&read.subject_public_key_info());
        Ok(Self {
            identity,
            key,
            begins,
            ends,
        })
    }
}

/// Returns the hash of the key in any certificate, also of an authority's.
///
/// # Errors
/// When the certificate cannot be read.
pub fn key_of(der: &CertificateDer<'_>) -> Result<KeyHash, TlsError> {
    let read = EndEntityCert::try_from(der).map_err(|_| TlsError::Certificate)?;
    Ok(KeyHash::of(&read.subject_public_key_info()))
}

/// Returns the beginning and the end of the life of any certificate; none when it cannot be read.
#[must_use]
pub fn life_of(der: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    validity::of(der)
}
