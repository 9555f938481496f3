//! The file `membership.json`: the certificates of a member, and what it has heard last.
//!
//! Invariants: only its owner may read it; it is replaced whole and durably; the news in force are never
//! older than those of the file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use shared::data_files;
use shared::keys::PeerKey;
use shared::model::{ClusterId, KeyHash, MemberId, Timestamp, Zone};
use shared::own_data::MEMBERSHIP_FILE;
use shared::security::{Admission, News};

use super::MembershipError;
use crate::tls::{Certificate, Credentials, Roots, Tls, key_of};

const FILE_NAME: &str = MEMBERSHIP_FILE;

/// Time between two writes of the file in which nothing is new but the time.
const WRITTEN_EVERY: Duration = Duration::from_hours(1);

/// The id of a program, and its key in the form of PKCS#8.
pub(super) type OwnKey = (MemberId, Vec<u8>);

/// The papers of one program.
#[derive(Debug)]
pub(super) struct Papers {
    path: PathBuf,
    /// The program's id and key, where they have a place of their own.
    own: Option<OwnKey>,
    file: Option<File>,
}

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct File {
    /// Certificates in base64 of their DER: the own one, those that lead to the root, and the root.
    chain: Vec<String>,
    roots: Vec<String>,
    mode: String,
    /// Keys of revoked members, in hexadecimal digits.
    #[serde(default)]
    revoked: Vec<String>,
    /// Time at which a tracker last confirmed that, in milliseconds since the Unix epoch.
    heard_ms: u64,
    /// The own id and key, unless they have a place of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The hash of the authority's key in the join line, in hexadecimal digits: the authority may have
    /// another key since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    joined_by: Option<String>,
    /// The failure domain that the line named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
}

impl Papers {
    pub(super) fn read(data_dir: &Path, own: Option<OwnKey>) -> Result<Self, MembershipError> {
        let path = data_dir.join(FILE_NAME);
        let file = match data_files::read_to_string(&path) {
            Ok(text) => Some(serde_json::from_str(&text).map_err(|_| damaged(&path))?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(source) => {
                return Err(MembershipError::Io {
                    act: "read",
                    path: path.display().to_string(),
                    source,
                });
            }
        };
        Ok(Self { path, own, file })
    }

    /// Returns the id and the key of the program. One that has none draws them; they last from the next time
    /// that the papers are written.
    pub(super) fn key(&self) -> Result<OwnKey, MembershipError> {
        if let Some(own) = &self.own {
            return Ok(own.clone());
        }
        let kept = self.file.as_ref().and_then(|file| {
            let member = file.member.as_ref()?.parse().ok()?;
            Some((member, BASE64.decode(file.key.as_ref()?.as_bytes()).ok()?))
        });
        match kept {
            Some(kept) => Ok(kept),
            None if self.file.is_some() => Err(damaged(&self.path)),
            None => Ok((MemberId::random(), PeerKey::generate()?.expose_pkcs8()?)),
        }
    }

    /// Returns the cluster, and the authorities that are trusted; none before the program has joined.
    pub(super) fn trust(&self) -> Option<(ClusterId, Roots)> {
        let file = self.file.as_ref()?;
        let certificate = Certificate::read(ders(&file.chain)?.first()?).ok()?;
        Some((certificate.identity.cluster, ders(&file.roots)?))
    }

    /// Returns whether a join line with this hash leads into the network that was joined.
    pub(super) fn is_by(&self, pin: KeyHash) -> bool {
        let by = self.file.as_ref().and_then(|file| file.joined_by.as_deref());
        let is_root = |root: &CertificateDer<'_>| key_of(root).is_ok_and(|key| key == pin);
        by.is_some_and(|by| by.parse() == Ok(pin))
            || self.trust().is_some_and(|(_, roots)| roots.iter().any(is_root))
    }

    /// Returns the failure domain that the join line named.
    pub(super) fn zone(&self) -> Option<Zone> {
        self.file.as_ref()?.zone.as_ref()?.parse().ok()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the time at which a tracker last confirmed what is in force.
    pub(super) fn heard(&self) -> Timestamp {
        let heard = self.file.as_ref().map_or(0, |file| file.heard_ms);
        Timestamp::from_millis(heard)
    }

    /// Returns what is to be in force; none before the program has joined.
    pub(super) fn in_force(&self) -> Result<Option<(Credentials, News)>, MembershipError> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let read = || {
            let (chain, roots) = (ders(&file.chain)?, ders(&file.roots)?);
            let revoked = file.revoked.iter().map(|key| key.parse::<KeyHash>().ok());
            let news = News {
                mode: file.mode.parse().ok()?,
                roots: roots.iter().map(|root| root.to_vec()).collect(),
                revoked: revoked.collect::<Option<_>>()?,
            };
            Some((chain, roots, news))
        };
        let (chain, roots, news) = read().ok_or_else(|| damaged(&self.path))?;
        let key = PrivatePkcs8KeyDer::from(self.key()?.1).into();
        Ok(Some((Credentials { chain, key, roots }, news)))
    }

    /// Takes the certificate of a key, and makes both durable. It is the first one if the program has joined
    /// by a line with this hash now.
    pub(super) fn take(
        &mut self,
        (member, key): OwnKey,
        admission: &Admission,
        pin: Option<KeyHash>,
        now: Timestamp,
    ) -> Result<(), MembershipError> {
        let has_place = self.own.is_some();
        let before = self.file.as_ref().filter(|_| pin.is_none());
        let joined_by = pin.map(|pin| pin.to_string());
        let zone = admission.zone.as_ref().map(ToString::to_string);
        let mut file = File {
            chain: admission.chain.iter().map(|der| BASE64.encode(der)).collect(),
            roots: Vec::new(),
            mode: String::new(),
            revoked: Vec::new(),
            heard_ms: 0,
            member: (!has_place).then(|| member.to_string()),
            key: (!has_place).then(|| BASE64.encode(&key)),
            joined_by: joined_by.or_else(|| before?.joined_by.clone()),
            zone: zone.or_else(|| before?.zone.clone()),
        };
        file.hear(&admission.news, now);
        self.write(file)
    }

    /// Takes news, and makes them durable: those that only confirm the last ones, seldom. Returns whether the
    /// authorities have changed.
    pub(super) fn hear(&mut self, news: &News, now: Timestamp) -> Result<bool, MembershipError> {
        let Some(file) = &self.file else {
            return Ok(false);
        };
        let mut heard = file.clone();
        heard.hear(news, now);
        let has_new_roots = heard.roots != file.roots;
        let is_known = !has_new_roots && heard.mode == file.mode && heard.revoked == file.revoked;
        if is_known && now.since(self.heard()) < WRITTEN_EVERY {
            return Ok(false);
        }
        self.write(heard)?;
        Ok(has_new_roots)
    }

    /// Replaces the file. One that could not be put into force is not written.
    fn write(&mut self, file: File) -> Result<(), MembershipError> {
        let new = Self {
            path: self.path.clone(),
            own: self.own.clone(),
            file: Some(file.clone()),
        };
        if let Some((credentials, _)) = new.in_force()? {
            Tls::default().load(credentials)?;
        }
        let failed = |source| MembershipError::Io {
            act: "write",
            path: self.path.display().to_string(),
            source,
        };
        let text = serde_json::to_string(&file).map_err(|error| failed(error.into()))?;
        data_files::replace_durably(&self.path, &text).map_err(failed)?;
        self.file = Some(file);
        Ok(())
    }
}

impl File {
    fn hear(&mut self, news: &News, now: Timestamp) {
        self.roots = news.roots.iter().map(|der| BASE64.encode(der)).collect();
        news.mode.as_str().clone_into(&mut self.mode);
        self.revoked = news.revoked.iter().map(ToString::to_string).collect();
        self.heard_ms = now.as_millis();
    }
}

fn damaged(path: &Path) -> MembershipError {
    MembershipError::Damaged(path.display().to_string())
}

fn ders(texts: &[String]) -> Option<Roots> {
    let der = |text: &String| BASE64.decode(text.as_bytes()).ok().map(CertificateDer::from);
    texts.iter().map(der).collect()
}
