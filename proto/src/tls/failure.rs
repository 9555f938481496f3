//! Reasons for which a connection is not secured, in words.

use std::io;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};
use shared::model::format_duration;
use shared::security::IdentityError;

/// Reasons for which credentials are not taken, or a connection is not.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// Bytes are no certificate.
    #[error("the certificate cannot be read")]
    Certificate,
    /// Bytes are no key.
    #[error("the certificate's key cannot be read")]
    PublicKey,
    /// A certificate names no member.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The library does not take own credentials.
    #[error("the certificate and the key of this program do not fit")]
    Credentials(#[source] rustls::Error),
    /// There is no root.
    #[error("there is no root certificate to trust")]
    NoRoots,
    /// A connection needs credentials, and there are none.
    #[error("the network is secured and this program has not joined it; start it with a join line")]
    NoCredentials,
    /// No root that is trusted leads to the other end's certificate.
    #[error("the certificate there is of another network")]
    OtherNetwork,
    /// The other end was revoked.
    #[error("the member there is revoked")]
    Revoked,
    /// No tracker has confirmed for long that the other end is not revoked.
    #[error(
        "no tracker has told this machine for a day which members are revoked, so it takes no peer's certificate"
    )]
    Unconfirmed,
    /// The other end's certificate has ended while the connection was open.
    #[error("the certificate of the member there has ended")]
    Ended,
    /// The other end's certificate had ended before.
    #[error("the certificate there ended {0} ago by this machine's clock; set the clock if it is wrong")]
    Expired(String),
    /// The other end's certificate has not begun.
    #[error("the certificate there begins in {0} by this machine's clock; set the clock if it is wrong")]
    NotYet(String),
    /// Another member answers.
    #[error("another program answers there, with a certificate for {0}")]
    Name(String),
    /// The other end does not take the own certificate, because of its time.
    #[error(
        "the program there finds that this machine's certificate has ended or has not begun; one of the two clocks \
         may be wrong"
    )]
    RefusedTime,
    /// The other end does not take the own certificate.
    #[error("the program there does not accept this machine's certificate")]
    Refused,
    /// The other end speaks something else.
    #[error("the program there does not speak TLS")]
    NoTls,
    /// Nothing came in time.
    #[error("the other end did not secure the connection in time")]
    Late,
    /// A connection without TLS came from elsewhere.
    #[error("connections from other machines have to begin with TLS")]
    Plain,
    /// A server sends no root to a machine that enrols.
    #[error("the program there shows no root certificate, as a program of a secured network does")]
    NoRoot,
    /// The authority is another one than the join line says.
    #[error("the network there is not the one of the join line, so the line's secret was not sent")]
    Pin,
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Returns whether a handshake has failed because the other end has said something that is no TLS. A program
/// without security answers like that; silence may be an attacker's.
pub(crate) fn is_no_tls(error: &io::Error) -> bool {
    matches!(library(error), Some(rustls::Error::InvalidMessage(_)))
}

/// Says the failure of a connection in words, where the library has it in its own.
pub(crate) fn explained(error: io::Error) -> io::Error {
    match library(&error).and_then(told) {
        Some(told) => told.into(),
        None => error,
    }
}

fn library(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn told(error: &rustls::Error) -> Option<TlsError> {
    match error {
        rustls::Error::InvalidCertificate(why) => told_of_certificate(why),
        rustls::Error::InvalidMessage(_) => Some(TlsError::NoTls),
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateExpired => Some(TlsError::RefusedTime),
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied => Some(TlsError::Refused),
            _ => None,
        },
        _ => None,
    }
}

fn told_of_certificate(why: &CertificateError) -> Option<TlsError> {
    let between = |from: &UnixTime, to: &UnixTime| {
        format_duration(Duration::from_secs(to.as_secs().saturating_sub(from.as_secs()))).to_string()
    };
    match why {
        CertificateError::ExpiredContext { time, not_after } => {
            Some(TlsError::Expired(between(not_after, time)))
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            Some(TlsError::NotYet(between(time, not_before)))
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Some(TlsError::OtherNetwork),
        CertificateError::NotValidForNameContext { presented, .. } => {
            // The library writes `DnsName("…")`.
            let name = presented.first().map(String::as_str).unwrap_or_default();
            let name = name.split('"').nth(1).unwrap_or(name);
            Some(TlsError::Name(name.to_owned()))
        }
        CertificateError::Other(other) => other.0.downcast_ref().cloned(),
        _ => None,
    }
}
