//! Authority: the key that certifies the members of a secured network.
//!
//! `tracker init` makes it. Its key lies in `authority.key` in the data directory, its certificates in
//! `authority.pem`, and the key and the names of the tracker itself in `tracker.key` (`files.rs`). The state
//! decides who is certified; the authority signs, and takes nothing from a request but its key.
//!
//! The key can be replaced ([`Authority::rotate`]): the new one is certified by the old one as well, so that
//! members that trust the old one only go on, and lines that name it stay valid (`lineage.rs`).

mod files;
mod lineage;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::tls::{Credentials, Roots};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
    SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use shared::model::{ClusterId, KeyHash, MemberId, PublicKey, Timestamp};
use shared::security::{Identity, Role};
use shared::{Coded, ErrorCode};

use files::Own;
use lineage::Lineage;

pub use files::{back_up, exists, trust};

/// Life of a member's certificate.
const LEAF: Duration = Duration::from_hours(24 * 30);

/// Life of an authority's.
const ROOT: Duration = Duration::from_hours(24 * 3652);

/// Certificates begin so long ago: clocks of members may be slow.
const BACKDATED: Duration = Duration::from_hours(1);

/// Most names for browsers.
const MAX_NAMES: usize = 32;

/// Life of a certificate; X.509 knows whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    begins: Timestamp,
    ends: Timestamp,
}

/// A key that a certificate request proves.
#[derive(Clone, Debug)]
pub struct Proved {
    key: rcgen::PublicKey,
    hash: KeyHash,
}

/// See the [module](self).
pub struct Authority {
    data_dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    lineage: Lineage,
    own: Own,
}

/// Reasons for which an authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file cannot be read or written.
    #[error("cannot {act} {}: {source}", path.display())]
    Io {
        /// The attempt.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's refusal.
        source: std::io::Error,
    },
    /// A file does not say what it should.
    #[error("{} is damaged; restore the data directory from a backup", .0.display())]
    Damaged(PathBuf),
    /// There is an authority already.
    #[error(
        "the network of {} is secured already; `tracker token create` makes tokens and join lines, `tracker ca rotate` replaces the authority's key",
        .0.display()
    )]
    Exists(PathBuf),
    /// A name cannot stand in a certificate.
    #[error("{0:?} cannot stand in a certificate: it takes up to 32 host names and addresses")]
    Name(String),
    /// A request proves no key.
    #[error("the certificate request proves no key of P-256")]
    Request,
    /// The cryptographic library fails.
    #[error("the cryptographic library fails: {0}")]
    Failed(#[from] rcgen::Error),
}

impl Coded for AuthorityError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Io { source, .. } => shared::refusal::of_place(source),
            Self::Damaged(_) => ErrorCode::Corrupt,
            Self::Exists(_) => ErrorCode::Conflict,
            Self::Name(_) | Self::Request => ErrorCode::InvalidArgument,
            Self::Failed(_) => ErrorCode::Internal,
        }
    }
}

impl Life {
    /// Returns the life of a member's certificate that is made now.
    #[must_use]
    pub fn of_member(now: Timestamp) -> Self {
        Self::from(now, LEAF)
    }

    fn from(now: Timestamp, life: Duration) -> Self {
        let whole = |at: u64| Timestamp::from_millis(at / 1000 * 1000);
        let backdated = u64::try_from(BACKDATED.as_millis()).unwrap_or(u64::MAX);
        Self {
            begins: whole(now.as_millis().saturating_sub(backdated)),
            ends: whole(now.after(life).as_millis()),
        }
    }

    /// The end.
    #[must_use]
    pub const fn ends(&self) -> Timestamp {
        self.ends
    }

    fn put_into(self, params: &mut CertificateParams) {
        let at = |time: Timestamp| date_time_ymd(1970, 1, 1) + Duration::from_secs(time.as_millis() / 1000);
        (params.not_before, params.not_after) = (at(self.begins), at(self.ends));
    }
}

impl Proved {
    /// Reads a certificate request, which is signed by its key. Nothing else of it counts.
    ///
    /// # Errors
    /// When it proves no key of P-256.
    pub fn by(request: &[u8]) -> Result<Self, AuthorityError> {
        let request = CertificateSigningRequestDer::from(request);
        let read =
            CertificateSigningRequestParams::from_der(&request).map_err(|_| AuthorityError::Request)?;
        let key = read.public_key;
        if key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(AuthorityError::Request);
        }
        let point = PublicKey::from_bytes(key.der_bytes()).map_err(|_| AuthorityError::Request)?;
        let hash = point.hash();
        Ok(Self { key, hash })
    }

    /// The hash of the key.
    #[must_use]
    pub const fn hash(&self) -> KeyHash {
        self.hash
    }
}

impl Authority {
    /// Makes the authority of a cluster in a data directory that is locked, and the tracker's key; durable when
    /// this returns. Browsers may know the tracker by some names.
    ///
    /// # Errors
    /// When there is one, or it cannot be written.
    pub fn create(
        data_dir: &Path,
        cluster: ClusterId,
        names: Vec<String>,
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        if exists(data_dir) {
            return Err(AuthorityError::Exists(data_dir.to_owned()));
        }
        let (key, root) = new_root(cluster, now)?;
        let identity = Identity {
            id: MemberId::random(),
            role: Role::Tracker,
            cluster,
        };
        let made = Self {
            data_dir: data_dir.to_owned(),
            issuer: Issuer::from_ca_cert_der(&root, key)?,
            lineage: Lineage::begun(root),
            own: Own::new(identity, names)?,
        };
        // The names must be such that the tracker gets a certificate.
        made.credentials(now)?;
        files::write_own(data_dir, &made.own)?;
        files::write_lineage(data_dir, &made.lineage)?;
        files::write_keys(data_dir, &[made.issuer.key()])?;
        Ok(made)
    }

    /// Reads the authority of a data directory; none when the network is not secured.
    ///
    /// # Errors
    /// When it cannot be read, or its parts do not fit.
    pub fn open(data_dir: &Path) -> Result<Option<Self>, AuthorityError> {
        if !exists(data_dir) {
            return Ok(None);
        }
        let lineage = files::read_lineage(data_dir)?;
        let key = files::read_key(data_dir, lineage.root())?;
        Ok(Some(Self {
            data_dir: data_dir.to_owned(),
            issuer: Issuer::from_ca_cert_der(lineage.root(), key)?,
            lineage,
            own: files::read_own(data_dir)?,
        }))
    }

    /// The cluster.
    #[must_use]
    pub const fn cluster(&self) -> ClusterId {
        self.own.identity.cluster
    }

    /// The tracker's own id.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.own.identity.id
    }

    /// Names and addresses by which browsers know the tracker.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.own.names
    }

    /// The hash of the tracker's own key.
    #[must_use]
    pub fn own_key(&self) -> KeyHash {
        KeyHash::of(&self.own.key.subject_public_key_info())
    }

    /// The hash of the authority's key, as join lines have it.
    #[must_use]
    pub fn key(&self) -> KeyHash {
        KeyHash::of(&self.issuer.key().subject_public_key_info())
    }

    /// Certificates of the authorities that count, the newest first.
    #[must_use]
    pub fn roots(&self, now: Timestamp) -> Roots {
        self.lineage.roots(now, LEAF + 2 * BACKDATED)
    }

    /// Certifies a key that was proved.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn certify(
        &self,
        proved: &Proved,
        identity: Identity,
        life: Life,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        self.chain(&proved.key, identity, Vec::new(), life)
    }

    /// Makes a certificate of the tracker itself.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn credentials(&self, now: Timestamp) -> Result<Credentials, AuthorityError> {
        let own = &self.own;
        Ok(Credentials {
            chain: self.chain(&own.key, own.identity, own.names.clone(), Life::of_member(now))?,
            key: PrivatePkcs8KeyDer::from(own.key.serialize_der()).into(),
            roots: self.roots(now),
        })
    }

    fn chain(
        &self,
        key: &impl PublicKeyData,
        identity: Identity,
        others: Vec<String>,
        life: Life,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let names: Vec<_> = identity.names().into_iter().chain(others).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = called(format!("{} {}", identity.role, identity.id));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(drawn_serial());
        life.put_into(&mut params);
        let leaf = params.signed_by(key, &self.issuer)?;
        Ok(std::iter::once(leaf.der().clone())
            .chain(self.lineage.path())
            .collect())
    }

    /// Replaces the key by a new one, which the old one certifies as well; durable when this returns. Nobody
    /// has the old key after that.
    ///
    /// # Errors
    /// When it cannot be written; then the old one goes on.
    pub fn rotate(&self, now: Timestamp) -> Result<Self, AuthorityError> {
        let (key, root) = new_root(self.cluster(), now)?;
        let crossed = root_params(self.cluster(), &key, now).signed_by(&key, &self.issuer)?;
        let lineage = self.lineage.followed_by(root, crossed.der().clone());
        // A crash in between leaves both keys, and the certificates say which one counts.
        files::write_keys(&self.data_dir, &[&key, self.issuer.key()])?;
        files::write_lineage(&self.data_dir, &lineage)?;
        files::write_keys(&self.data_dir, &[&key])?;
        Ok(Self {
            data_dir: self.data_dir.clone(),
            issuer: Issuer::from_ca_cert_der(lineage.root(), key)?,
            lineage,
            own: self.own.again()?,
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("cluster", &self.cluster())
            .field("key", &self.key())
            .finish_non_exhaustive()
    }
}

fn called(name: impl Into<String>) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name.into());
    called
}

/// Draws a serial number: browsers refuse two certificates with the same one.
fn drawn_serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    // A positive number of full length.
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn new_root(
    cluster: ClusterId,
    now: Timestamp,
) -> Result<(KeyPair, CertificateDer<'static>), AuthorityError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let root = root_params(cluster, &key, now).self_signed(&key)?;
    Ok((key, root.der().clone()))
}

/// Makes what an authority's certificate says. Each key has a name of its own, so that verifiers find the way.
fn root_params(cluster: ClusterId, key: &KeyPair, now: Timestamp) -> CertificateParams {
    let hash = KeyHash::of(&key.subject_public_key_info()).to_string();
    let mut params = CertificateParams::default();
    params.distinguished_name = called(format!("Enjambre authority {cluster} {}", &hash[..8]));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(drawn_serial());
    Life::from(now, ROOT).put_into(&mut params);
    params
}

#[cfg(test)]
mod tests;
