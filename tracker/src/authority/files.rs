//! Files of an authority in the data directory. Only their owner may read them; each is replaced whole and
//! durably.

use std::io;
use std::path::Path;

use proto::tls::{Roots, key_of};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use shared::data_files;
use shared::model::{ClusterId, KeyHash};
use shared::security::Identity;

use super::lineage::Lineage;
use super::{AuthorityError, MAX_NAMES};

/// The authority's private key.
const KEY: &str = "authority.key";

/// Its certificates.
const CERTIFICATES: &str = "authority.pem";

/// Looks at files that change meanwhile.
const MAX_LOOKS: u32 = 5;

/// The tracker's own identity, key and names.
const OWN: &str = "tracker.key";

/// The tracker as a member.
pub(super) struct Own {
    pub(super) identity: Identity,
    pub(super) key: KeyPair,
    /// Names and addresses by which browsers know it.
    pub(super) names: Vec<String>,
}

/// The file of it.
#[derive(Serialize, Deserialize)]
struct OwnFile {
    identity: String,
    names: Vec<String>,
    key: String,
}

impl Own {
    /// Draws a key.
    pub(super) fn new(identity: Identity, names: Vec<String>) -> Result<Self, AuthorityError> {
        if let Some(name) = names.get(MAX_NAMES) {
            return Err(AuthorityError::Name(name.clone()));
        }
        for name in &names {
            rcgen::CertificateParams::new(vec![name.clone()])
                .ok()
                .filter(|_| is_name(name))
                .ok_or_else(|| AuthorityError::Name(name.clone()))?;
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Ok(Self { identity, key, names })
    }

    /// Makes the same once more.
    pub(super) fn again(&self) -> Result<Self, AuthorityError> {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        Ok(Self {
            identity: self.identity,
            key: KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256)?,
            names: self.names.clone(),
        })
    }
}

/// Returns whether this can be a host name, perhaps with a wildcard, or an address.
fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.*:".contains(c);
    let is_reserved = name.parse::<Identity>().is_ok() || name.ends_with(".enjambre");
    (1..=253).contains(&name.len()) && name.chars().all(is_plain) && !is_reserved
}

/// Returns whether a data directory has an authority.
#[must_use]
pub fn exists(data_dir: &Path) -> bool {
    data_dir.join(KEY).exists()
}

/// Reads the cluster of a data directory, and its authorities' certificates: enough to call the tracker that
/// runs there.
///
/// # Errors
/// When there is no authority, or it cannot be read.
pub fn trust(data_dir: &Path) -> Result<(ClusterId, Roots), AuthorityError> {
    let roots = read_lineage(data_dir)?.all_roots();
    Ok((read_own(data_dir)?.identity.cluster, roots))
}

/// Copies the authority of a data directory, if it has one, into another directory. A tracker may be running.
///
/// # Errors
/// When a file cannot be read or written.
pub fn back_up(data_dir: &Path, target: &Path) -> Result<(), AuthorityError> {
    if !exists(data_dir) {
        return Ok(());
    }
    let files = [CERTIFICATES, OWN, KEY];
    let look = || files.map(|name| read(&data_dir.join(name)));
    let mut texts = look();
    // The key may be replaced meanwhile: then the files are read again, until they fit together.
    for _ in 0..MAX_LOOKS {
        let again = look();
        let is_same = texts
            .iter()
            .zip(&again)
            .all(|pair| matches!(pair, (Ok(one), Ok(other)) if one == other));
        texts = again;
        if is_same {
            break;
        }
    }
    for (name, text) in files.iter().zip(texts) {
        write(&target.join(name), &text?)?;
    }
    read_key(target, read_lineage(target)?.root()).map(drop)
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuthorityError {
    let path = path.to_owned();
    move |source| AuthorityError::Io { act, path, source }
}

fn write(path: &Path, text: &str) -> Result<(), AuthorityError> {
    data_files::replace_durably(path, text).map_err(failed("write", path))
}

fn read(path: &Path) -> Result<String, AuthorityError> {
    data_files::read_to_string(path).map_err(failed("read", path))
}

/// Writes the keys of which one is the authority's.
pub(super) fn write_keys(data_dir: &Path, keys: &[&KeyPair]) -> Result<(), AuthorityError> {
    let text: String = keys.iter().map(|key| key.serialize_pem()).collect();
    write(&data_dir.join(KEY), &text)
}

/// Reads the key of a certificate.
pub(super) fn read_key(data_dir: &Path, root: &CertificateDer<'_>) -> Result<KeyPair, AuthorityError> {
    let path = data_dir.join(KEY);
    let damaged = || AuthorityError::Damaged(path.clone());
    let wanted = key_of(root).map_err(|_| damaged())?;
    let text = read(&path)?;
    let keys = PrivatePkcs8KeyDer::pem_slice_iter(text.as_bytes());
    let mut keys = keys
        .filter_map(|key| KeyPair::from_pkcs8_der_and_sign_algo(&key.ok()?, &PKCS_ECDSA_P256_SHA256).ok());
    keys.find(|key| KeyHash::of(&key.subject_public_key_info()) == wanted)
        .ok_or_else(damaged)
}

pub(super) fn write_lineage(data_dir: &Path, lineage: &Lineage) -> Result<(), AuthorityError> {
    let pem = |der: &CertificateDer<'static>| {
        let lines = data_encoding::BASE64.encode(der);
        let lines = lines.as_bytes().chunks(64).map(String::from_utf8_lossy);
        let body: String = lines.flat_map(|line| [line, "\n".into()]).collect();
        format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
    };
    let text: String = lineage.certificates().map(pem).collect();
    write(&data_dir.join(CERTIFICATES), &text)
}

pub(super) fn read_lineage(data_dir: &Path) -> Result<Lineage, AuthorityError> {
    let path = data_dir.join(CERTIFICATES);
    let text = read(&path)?;
    let certificates = CertificateDer::pem_slice_iter(text.as_bytes());
    let certificates = certificates.collect::<Result<Vec<_>, _>>().ok();
    let lineage = certificates.and_then(Lineage::of);
    lineage.ok_or(AuthorityError::Damaged(path))
}

pub(super) fn write_own(data_dir: &Path, own: &Own) -> Result<(), AuthorityError> {
    let file = OwnFile {
        identity: own.identity.to_string(),
        names: own.names.clone(),
        key: own.key.serialize_pem(),
    };
    let path = data_dir.join(OWN);
    let text = serde_json::to_string(&file);
    let text = text.map_err(|error| failed("write", &path)(error.into()))?;
    write(&path, &(text + "\n"))
}

pub(super) fn read_own(data_dir: &Path) -> Result<Own, AuthorityError> {
    let path = data_dir.join(OWN);
    let text = read(&path)?;
    let own = || {
        let file: OwnFile = serde_json::from_str(&text).ok()?;
        Some(Own {
            identity: file.identity.parse().ok()?,
            key: KeyPair::from_pem(&file.key).ok()?,
            names: file.names,
        })
    };
    own().ok_or(AuthorityError::Damaged(path))
}
