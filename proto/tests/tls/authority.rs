//! An authority for tests: certificates are made as they run, so that none in the repository can expire.

use std::ops::Range;
use std::time::Duration;

use proto::tls::Credentials;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use shared::model::KeyHash;
use shared::model::{ClusterId, MemberId};
use shared::runtime::Clock;
use shared::security::{Identity, Role};

const HOUR: i64 = 3600;

/// A life of two hours that includes now, in seconds from now.
pub(crate) const NOW: Range<i64> = -HOUR..HOUR;

/// An authority with its root certificate.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    cluster: ClusterId,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::of(ClusterId::random())
    }

    /// Makes an authority of a cluster that has another already.
    pub(crate) fn of(cluster: ClusterId) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = params.self_signed(&key).expect("a root").der().clone();
        let issuer = Issuer::new(params, key);
        Self {
            issuer,
            root,
            cluster,
        }
    }

    pub(crate) fn cluster(&self) -> ClusterId {
        self.cluster
    }

    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.root.clone()
    }

    /// The hash of the authority's key, as join lines have it.
    pub(crate) fn pin(&self) -> KeyHash {
        KeyHash::of(&self.issuer.key().subject_public_key_info())
    }

    pub(crate) fn identity(&self, role: Role) -> Identity {
        Identity {
            id: MemberId::random(),
            role,
            cluster: self.cluster,
        }
    }

    /// Certifies a new key of a member for a life in seconds from now.
    pub(crate) fn certify(&self, identity: Identity, life: Range<i64>) -> Credentials {
        let key = KeyPair::generate().expect("a key");
        Credentials {
            chain: vec![self.certificate_of(&key, identity, life), self.root()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            roots: vec![self.root()],
        }
    }

    /// Certifies the key of a member.
    pub(crate) fn certificate_of(
        &self,
        key: &impl PublicKeyData,
        identity: Identity,
        life: Range<i64>,
    ) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(identity.names()).expect("names");
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let now = i64::try_from(Clock::system().now().as_millis() / 1000).expect("a time");
        let at = |offset: i64| {
            let since_1970 = u64::try_from(now + offset).expect("after 1970");
            date_time_ymd(1970, 1, 1) + Duration::from_secs(since_1970)
        };
        (params.not_before, params.not_after) = (at(life.start), at(life.end));
        let leaf = params.signed_by(key, &self.issuer).expect("a certificate");
        leaf.der().clone()
    }
}
