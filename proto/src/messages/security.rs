//! Messages of `Security`: machines that join, tokens, members, and what members have to know.

use std::time::Duration;

use bytes::Bytes;
use shared::model::{KeyHash, MemberId, Timestamp, TokenId};
use shared::security::{Admission, Grant, MemberEntry, News, Role, Secret, SecretHash, TokenEntry};

use super::{Invalid, bounded, fixed, parsed, required};
use crate::v1;

/// Longest certificate and longest certificate request, in bytes.
const MAX_DER: usize = 4 << 10;

/// Most certificates from a member's to its root.
const MAX_CHAIN: usize = 8;

/// Most tokens that a tracker lists.
const MAX_TOKENS: usize = 10_000;

/// Most members that a tracker lists.
const MAX_MEMBERS: usize = 20_000;

/// A machine that joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrol {
    /// The token of its join line.
    pub token: TokenId,
    /// The secret of its join line.
    pub secret: Secret<16>,
    /// The role that it is to have.
    pub role: Role,
    /// Its id.
    pub member: MemberId,
    /// A certificate request (PKCS#10) in DER, which proves its key.
    pub request: Vec<u8>,
}

/// A new token, as nobody sees it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedToken {
    /// The token.
    pub entry: TokenEntry,
    /// Its secret.
    pub secret: CreatedSecret,
    /// The hash of the authority's key, which join lines name.
    pub authority: KeyHash,
}

/// The secret of a new token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreatedSecret {
    /// Of a join line.
    Join(Secret<16>),
    /// Of an API token.
    Api(Secret<32>),
}

impl CreatedSecret {
    /// Draws the secret of a token that gives a right; returns it with its hash.
    #[must_use]
    pub fn random(grant: &Grant) -> (Self, SecretHash) {
        match grant {
            Grant::Join { .. } => {
                let secret = Secret::random();
                let hash = secret.hash();
                (Self::Join(secret), hash)
            }
            Grant::Api { .. } => {
                let secret = Secret::random();
                let hash = secret.hash();
                (Self::Api(secret), hash)
            }
        }
    }
}

/// Reads 8 bytes that are a token's id.
pub fn token_id(bytes: &[u8]) -> Result<TokenId, Invalid> {
    fixed("token_id", bytes).map(TokenId::from_bytes)
}

/// Reads 16 bytes that are a member's id.
pub fn member_id(bytes: &[u8]) -> Result<MemberId, Invalid> {
    fixed("member_id", bytes).map(MemberId::from_bytes)
}

/// Reads 32 bytes that are the hash of a key.
pub(crate) fn key_hash(bytes: &[u8]) -> Result<KeyHash, Invalid> {
    fixed("key_hash", bytes).map(KeyHash::from_bytes)
}

/// Reads a certificate request, which must not be longer than one can be.
pub fn certificate_request(bytes: &[u8]) -> Result<Vec<u8>, Invalid> {
    der("request", bytes)
}

/// Reads the life of a token; 0 is one without end.
#[must_use]
pub fn token_life(millis: u64) -> Option<Duration> {
    (millis > 0).then(|| Duration::from_millis(millis))
}

fn der(field: &'static str, bytes: &[u8]) -> Result<Vec<u8>, Invalid> {
    match bytes.len() {
        0 => Err(Invalid::Missing(field)),
        1..=MAX_DER => Ok(bytes.to_vec()),
        got => Err(Invalid::field(
            field,
            format!("must be at most {MAX_DER} bytes, got {got}"),
        )),
    }
}

fn ders(field: &'static str, max: usize, list: &[Bytes]) -> Result<Vec<Vec<u8>>, Invalid> {
    if list.len() > max {
        let reason = format!("at most {max} are allowed, got {}", list.len());
        return Err(Invalid::field(field, reason));
    }
    list.iter().map(|bytes| der(field, bytes)).collect()
}

fn optional<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: &str,
) -> Result<Option<T>, Invalid> {
    (!text.is_empty()).then(|| parsed(field, text)).transpose()
}

fn text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

impl TryFrom<v1::EnrolRequest> for Enrol {
    type Error = Invalid;

    fn try_from(wire: v1::EnrolRequest) -> Result<Self, Invalid> {
        let secret = Secret::from_slice(&wire.secret);
        Ok(Self {
            token: token_id(&wire.token_id)?,
            secret: secret.ok_or_else(|| Invalid::field("secret", "must be 16 bytes"))?,
            role: parsed("role", &wire.role)?,
            member: member_id(&wire.member_id)?,
            request: certificate_request(&wire.request)?,
        })
    }
}

impl From<Enrol> for v1::EnrolRequest {
    fn from(enrol: Enrol) -> Self {
        Self {
            token_id: enrol.token.as_bytes().to_vec().into(),
            secret: enrol.secret.expose().to_vec().into(),
            role: enrol.role.to_string(),
            member_id: enrol.member.as_bytes().to_vec().into(),
            request: enrol.request.into(),
        }
    }
}

impl TryFrom<v1::EnrolReply> for Admission {
    type Error = Invalid;

    fn try_from(wire: v1::EnrolReply) -> Result<Self, Invalid> {
        Ok(Self {
            chain: ders("chain", MAX_CHAIN, &wire.chain)?,
            news: required("news", wire.news)?.try_into()?,
            zone: optional("zone", &wire.zone)?,
        })
    }
}

impl From<Admission> for v1::EnrolReply {
    fn from(admission: Admission) -> Self {
        Self {
            chain: admission.chain.into_iter().map(Bytes::from).collect(),
            news: Some(admission.news.into()),
            zone: text(admission.zone.as_ref()),
        }
    }
}

impl TryFrom<v1::SecurityNews> for News {
    type Error = Invalid;

    fn try_from(wire: v1::SecurityNews) -> Result<Self, Invalid> {
        if wire.revoked.len() > Self::MAX_REVOKED {
            let reason = format!("at most {} are allowed", Self::MAX_REVOKED);
            return Err(Invalid::field("revoked", reason));
        }
        let revoked = wire.revoked.iter();
        let revoked = revoked.map(|key| fixed("revoked", key).map(KeyHash::from_bytes));
        Ok(Self {
            mode: parsed("mode", &wire.mode)?,
            roots: ders("roots", Self::MAX_ROOTS, &wire.roots)?,
            revoked: revoked.collect::<Result<_, _>>()?,
        })
    }
}

impl From<News> for v1::SecurityNews {
    fn from(news: News) -> Self {
        let revoked = news.revoked.iter();
        Self {
            mode: news.mode.as_str().to_owned(),
            roots: news.roots.into_iter().map(Bytes::from).collect(),
            revoked: revoked.map(|key| key.as_bytes().to_vec().into()).collect(),
        }
    }
}

impl TryFrom<v1::JoinGrant> for Grant {
    type Error = Invalid;

    fn try_from(wire: v1::JoinGrant) -> Result<Self, Invalid> {
        let role = parsed("role", &wire.role)?;
        if role == Role::User {
            return Err(Invalid::field("role", "people join with API tokens"));
        }
        Ok(Self::Join {
            role,
            uses: (wire.uses > 0).then_some(wire.uses),
            zone: optional("zone", &wire.zone)?,
        })
    }
}

impl TryFrom<v1::ApiGrant> for Grant {
    type Error = Invalid;

    fn try_from(wire: v1::ApiGrant) -> Result<Self, Invalid> {
        if !(1..=Self::MAX_SCOPES).contains(&wire.scopes.len()) {
            let reason = format!("a token has 1 to {} scopes", Self::MAX_SCOPES);
            return Err(Invalid::field("scopes", reason));
        }
        let scopes = wire.scopes.iter().map(|scope| parsed("scopes", scope));
        Ok(Self::Api {
            scopes: scopes.collect::<Result<_, _>>()?,
        })
    }
}

/// Makes the two messages in which a grant can stand; one of them is none.
fn grants(grant: Grant) -> (Option<v1::JoinGrant>, Option<v1::ApiGrant>) {
    match grant {
        Grant::Join { role, uses, zone } => {
            let join = v1::JoinGrant {
                role: role.to_string(),
                uses: uses.unwrap_or(0),
                zone: text(zone.as_ref()),
            };
            (Some(join), None)
        }
        Grant::Api { scopes } => {
            let scopes = scopes.iter().map(ToString::to_string).collect();
            (None, Some(v1::ApiGrant { scopes }))
        }
    }
}

impl TryFrom<v1::create_token_request::Grant> for Grant {
    type Error = Invalid;

    fn try_from(wire: v1::create_token_request::Grant) -> Result<Self, Invalid> {
        match wire {
            v1::create_token_request::Grant::Join(join) => join.try_into(),
            v1::create_token_request::Grant::Api(api) => api.try_into(),
        }
    }
}

impl From<Grant> for v1::create_token_request::Grant {
    fn from(grant: Grant) -> Self {
        match grants(grant) {
            (Some(join), _) => Self::Join(join),
            (None, api) => Self::Api(api.unwrap_or_default()),
        }
    }
}

impl TryFrom<v1::TokenEntry> for TokenEntry {
    type Error = Invalid;

    fn try_from(wire: v1::TokenEntry) -> Result<Self, Invalid> {
        let grant = match required("grant", wire.grant)? {
            v1::token_entry::Grant::Join(join) => join.try_into()?,
            v1::token_entry::Grant::Api(api) => api.try_into()?,
        };
        Ok(Self {
            id: token_id(&wire.token_id)?,
            grant,
            made: Timestamp::from_millis(wire.made_ms),
            ends: (wire.ends_ms > 0).then(|| Timestamp::from_millis(wire.ends_ms)),
            used: wire.used,
            is_revoked: wire.is_revoked,
        })
    }
}

impl From<TokenEntry> for v1::TokenEntry {
    fn from(entry: TokenEntry) -> Self {
        let grant = match grants(entry.grant) {
            (Some(join), _) => v1::token_entry::Grant::Join(join),
            (None, api) => v1::token_entry::Grant::Api(api.unwrap_or_default()),
        };
        Self {
            token_id: entry.id.as_bytes().to_vec().into(),
            grant: Some(grant),
            made_ms: entry.made.as_millis(),
            ends_ms: entry.ends.map_or(0, Timestamp::as_millis),
            used: entry.used,
            is_revoked: entry.is_revoked,
        }
    }
}

impl TryFrom<v1::CreateTokenReply> for CreatedToken {
    type Error = Invalid;

    fn try_from(wire: v1::CreateTokenReply) -> Result<Self, Invalid> {
        let entry: TokenEntry = required("entry", wire.entry)?.try_into()?;
        let secret = match entry.grant {
            Grant::Join { .. } => Secret::from_slice(&wire.secret).map(CreatedSecret::Join),
            Grant::Api { .. } => Secret::from_slice(&wire.secret).map(CreatedSecret::Api),
        };
        Ok(Self {
            entry,
            secret: secret.ok_or_else(|| Invalid::field("secret", "has another length"))?,
            authority: KeyHash::from_bytes(fixed("authority", &wire.authority)?),
        })
    }
}

impl From<CreatedToken> for v1::CreateTokenReply {
    fn from(created: CreatedToken) -> Self {
        let secret = match created.secret {
            CreatedSecret::Join(secret) => secret.expose().to_vec(),
            CreatedSecret::Api(secret) => secret.expose().to_vec(),
        };
        Self {
            entry: Some(created.entry.into()),
            secret: secret.into(),
            authority: created.authority.as_bytes().to_vec().into(),
        }
    }
}

impl TryFrom<v1::MemberEntry> for MemberEntry {
    type Error = Invalid;

    fn try_from(wire: v1::MemberEntry) -> Result<Self, Invalid> {
        Ok(Self {
            id: member_id(&wire.member_id)?,
            role: parsed("role", &wire.role)?,
            key: key_hash(&wire.key_hash)?,
            ends: Timestamp::from_millis(wire.ends_ms),
            is_revoked: wire.is_revoked,
        })
    }
}

impl From<MemberEntry> for v1::MemberEntry {
    fn from(member: MemberEntry) -> Self {
        Self {
            member_id: member.id.as_bytes().to_vec().into(),
            role: member.role.to_string(),
            key_hash: member.key.as_bytes().to_vec().into(),
            ends_ms: member.ends.as_millis(),
            is_revoked: member.is_revoked,
        }
    }
}

/// Reads the tokens of a list.
pub(crate) fn tokens(wire: v1::ListTokensReply) -> Result<Vec<TokenEntry>, Invalid> {
    bounded("tokens", MAX_TOKENS, wire.tokens)
}

/// Reads the members of a list.
pub(crate) fn members(wire: v1::ListMembersReply) -> Result<Vec<MemberEntry>, Invalid> {
    bounded("members", MAX_MEMBERS, wire.members)
}
