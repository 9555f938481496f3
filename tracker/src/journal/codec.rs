//! Byte form of records.
//!
//! The codec is written by hand instead of using a general format: most of a journal is fragment roots, which
//! are raw bytes here (a third of their size in JSON), and every value goes through the constructor that
//! validates it. A tag names the kind of fact; a new kind gets a new tag, a changed one too, so that old
//! journals stay readable.
//!
//! Integers are little-endian; texts and lists are preceded by their length (u32).

use std::str::FromStr;

use shared::model::{
    CollectionSize, ContentId, Digest, Epoch, FileMetadata, FragmentLength, FragmentSet, Holding,
    Incarnation, KeyHash, MAX_FRAGMENTS, Manifest, Mark, MemberId, Name, NetworkId, Parts, PeerId, PeerMode,
    PinCount, ReplicationTarget, RevisedContent, Revision, RevisionLimit, Timestamp, TokenId,
};
use shared::security::{Grant, Scope, SecretHash};

use crate::state::{EpochBegin, Fact, NameFact, Past, Record, Registration, SecurityFact};

const EPOCH_BEGUN: u8 = 1;
const PEER_REGISTERED: u8 = 2;
const PEER_GONE: u8 = 3;
const PEER_FORGOTTEN: u8 = 4;
const PUBLISHED: u8 = 5;
const REMOVED: u8 = 6;
const TARGET_CHANGED: u8 = 7;
const MODE_CHANGED: u8 = 8;
const HISTORY: u8 = 9;
const GAP_DECLARED: u8 = 10;
const GAP_FOUND: u8 = 11;
const GAP_ACCEPTED: u8 = 12;
const COLLECTION_PUBLISHED: u8 = 13;
const RENAMED: u8 = 14;
const REVISIONS_KEPT: u8 = 15;
const COLLECTED: u8 = 16;
const PIN_CHANGED: u8 = 17;
const NAME_FORGOTTEN: u8 = 18;
const FLOOR_RAISED: u8 = 19;
const REMEMBERED: u8 = 20;
const WENT_AWAY: u8 = 21;
const DESCRIBED: u8 = 40;
const VISITOR_GONE: u8 = 30;
const NETWORK_NAMED: u8 = 80;
const KEY_RECORDED: u8 = 83;
const TOKEN_MADE: u8 = 90;
const TOKEN_USED: u8 = 91;
const TOKEN_REVOKED: u8 = 92;
const TOKEN_FORGOTTEN: u8 = 93;
const MEMBER_JOINED: u8 = 94;
const CERTIFIED_UNTIL: u8 = 95;
const MEMBER_REVOKED: u8 = 96;
const MEMBER_FORGOTTEN: u8 = 97;

const GRANTS_JOINING: u8 = 0;
const GRANTS_CALLS: u8 = 1;

const ACTIVE: u8 = 0;
const MAINTENANCE: u8 = 1;
const DRAINING: u8 = 2;

const PAST_REMOVED: u8 = 0;
const PAST_COLLECTED_FILE: u8 = 1;
const PAST_COLLECTED_COLLECTION: u8 = 2;
const PAST_KEPT_FILE: u8 = 3;
const PAST_KEPT_COLLECTION: u8 = 4;
const PAST_MOVED: u8 = 5;

/// Flag: all fragments are held.
const WHOLE: u8 = 1;

/// Flag: the copy was assigned.
const ASSIGNED: u8 = 2;

/// Complaint about bytes that are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

/// Returns the bytes of a record.
#[must_use]
pub fn encode(record: &Record) -> Vec<u8> {
    let mut out = Writer(Vec::new());
    out.u64(record.at.as_millis());
    match &record.fact {
        Fact::EpochBegun(epoch) => {
            out.u8(EPOCH_BEGUN);
            out.u64(epoch.get());
        }
        Fact::NetworkNamed(network) => out.network(*network),
        Fact::PeerRegistered(registration) => {
            out.u8(PEER_REGISTERED);
            out.registration(registration);
        }
        Fact::KeyRecorded { peer, key } => out.key(*peer, *key),
        Fact::PeerGone(peer) => out.about(PEER_GONE, *peer),
        Fact::VisitorGone(peer) => out.about(VISITOR_GONE, *peer),
        Fact::PeerForgotten(peer) => out.about(PEER_FORGOTTEN, *peer),
        Fact::Published {
            name,
            revision,
            target,
            manifest,
            publishers,
            parts,
        } => {
            out.u8(if parts.is_some() {
                COLLECTION_PUBLISHED
            } else {
                PUBLISHED
            });
            out.text(name.as_str());
            out.u64(revision.get());
            out.u32(target.get());
            out.manifest(manifest);
            out.publishers(publishers);
            if let Some(parts) = parts {
                out.parts(parts);
            }
        }
        Fact::Removed { name, revision } => out.removed(name, *revision),
        Fact::Renamed {
            from,
            tombstone,
            to,
            revision,
        } => {
            out.u8(RENAMED);
            out.revised(from, *tombstone);
            out.revised(to, *revision);
        }
        Fact::TargetChanged { name, target } => {
            out.u8(TARGET_CHANGED);
            out.text(name.as_str());
            out.u32(target.get());
        }
        Fact::Name(fact) => out.name_fact(fact),
        Fact::History { facts, epochs } => {
            out.u8(HISTORY);
            out.history(*facts, epochs);
        }
        Fact::GapDeclared => out.u8(GAP_DECLARED),
        Fact::GapFound { peer, seen } => {
            out.about(GAP_FOUND, *peer);
            out.mark(*seen);
        }
        Fact::GapAccepted => out.u8(GAP_ACCEPTED),
        Fact::WentAway {
            peer,
            holdings,
            is_more,
        } => {
            out.about(WENT_AWAY, *peer);
            out.u8(u8::from(*is_more));
            out.holdings(holdings);
        }
        Fact::ModeChanged { peer, mode } => out.mode(*peer, *mode),
        Fact::Security(fact) => out.security_fact(fact),
    }
    out.0
}

/// Decodes the record that these bytes are the form of.
///
/// # Errors
/// When they are not exactly one record, or one that cannot exist.
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    let mut input = Reader(bytes);
    let at = Timestamp::from_millis(input.u64()?);
    let fact = match input.u8()? {
        EPOCH_BEGUN => Fact::EpochBegun(Epoch::new(input.u64()?)),
        NETWORK_NAMED => Fact::NetworkNamed(NetworkId::from_bytes(input.array()?)),
        PEER_REGISTERED => Fact::PeerRegistered(Registration {
            peer: input.peer()?,
            incarnation: Incarnation::new(input.u64()?),
            address: input.parsed()?,
            zone: match input.text()? {
                "" => None,
                text => Some(text.parse().map_err(complaint)?),
            },
            capacity: input.u64()?,
        }),
        KEY_RECORDED => Fact::KeyRecorded {
            peer: input.peer()?,
            key: KeyHash::from_bytes(input.array()?),
        },
        PEER_GONE => Fact::PeerGone(input.peer()?),
        VISITOR_GONE => Fact::VisitorGone(input.peer()?),
        PEER_FORGOTTEN => Fact::PeerForgotten(input.peer()?),
        tag @ (PUBLISHED | COLLECTION_PUBLISHED) => Fact::Published {
            name: input.parsed()?,
            revision: Revision::new(input.u64()?),
            target: ReplicationTarget::new(input.u32()?).map_err(complaint)?,
            manifest: input.manifest()?,
            publishers: input.publishers()?,
            parts: match tag {
                COLLECTION_PUBLISHED => Some(input.parts()?),
                _ => None,
            },
        },
        REMOVED => Fact::Removed {
            name: input.parsed()?,
            revision: Revision::new(input.u64()?),
        },
        RENAMED => Fact::Renamed {
            from: input.parsed()?,
            tombstone: Revision::new(input.u64()?),
            to: input.parsed()?,
            revision: Revision::new(input.u64()?),
        },
        TARGET_CHANGED => Fact::TargetChanged {
            name: input.parsed()?,
            target: ReplicationTarget::new(input.u32()?).map_err(complaint)?,
        },
        MODE_CHANGED => Fact::ModeChanged {
            peer: input.peer()?,
            mode: input.mode()?,
        },
        tag @ (REVISIONS_KEPT..=REMEMBERED | DESCRIBED) => Fact::Name(input.name_fact(tag)?),
        tag @ TOKEN_MADE..=MEMBER_FORGOTTEN => Fact::Security(input.security_fact(tag)?),
        HISTORY => Fact::History {
            facts: input.u64()?,
            epochs: (0..input.u32()?)
                .map(|_| input.epoch_begin())
                .collect::<Result<_, _>>()?,
        },
        GAP_DECLARED => Fact::GapDeclared,
        GAP_FOUND => Fact::GapFound {
            peer: input.peer()?,
            seen: input.mark()?,
        },
        GAP_ACCEPTED => Fact::GapAccepted,
        WENT_AWAY => Fact::WentAway {
            peer: input.peer()?,
            is_more: input.bit()?,
            holdings: input.holdings()?,
        },
        other => return Err(DecodeError(format!("there is no fact of kind {other}"))),
    };
    match input.0.len() {
        0 => Ok(Record { at, fact }),
        rest => Err(DecodeError(format!("{rest} bytes too many"))),
    }
}

fn complaint(error: impl std::fmt::Display) -> DecodeError {
    DecodeError(error.to_string())
}

struct Writer(Vec<u8>);

impl Writer {
    fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn about(&mut self, tag: u8, peer: PeerId) {
        self.u8(tag);
        self.raw(peer.as_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    fn length(&mut self, value: usize) {
        self.u32(u32::try_from(value).expect("names, lists of publishers and of parts are short"));
    }

    fn removed(&mut self, name: &Name, revision: Revision) {
        self.u8(REMOVED);
        self.revised(name, revision);
    }

    fn revised(&mut self, name: &Name, revision: Revision) {
        self.text(name.as_str());
        self.u64(revision.get());
    }

    fn publishers(&mut self, publishers: &[PeerId]) {
        self.length(publishers.len());
        publishers.iter().for_each(|peer| self.raw(peer.as_bytes()));
    }

    fn parts(&mut self, parts: &Parts) {
        self.length(parts.manifests().len());
        parts.manifests().iter().for_each(|part| self.manifest(part));
    }

    fn history(&mut self, facts: u64, epochs: &[EpochBegin]) {
        self.u64(facts);
        self.length(epochs.len());
        for begin in epochs {
            self.u64(begin.epoch.get());
            self.u64(begin.at.as_millis());
            self.u64(begin.facts);
        }
    }

    fn registration(&mut self, registration: &Registration) {
        self.raw(registration.peer.as_bytes());
        self.u64(registration.incarnation.get());
        self.text(&registration.address.to_string());
        self.text(registration.zone.as_ref().map_or("", |zone| zone.as_str()));
        self.u64(registration.capacity);
    }

    fn network(&mut self, network: NetworkId) {
        self.u8(NETWORK_NAMED);
        self.raw(network.as_bytes());
    }

    fn key(&mut self, peer: PeerId, key: KeyHash) {
        self.about(KEY_RECORDED, peer);
        self.raw(key.as_bytes());
    }

    fn mode(&mut self, peer: PeerId, mode: PeerMode) {
        self.about(MODE_CHANGED, peer);
        match mode {
            PeerMode::Active => self.u8(ACTIVE),
            PeerMode::Draining => self.u8(DRAINING),
            PeerMode::Maintenance { until } => {
                self.u8(MAINTENANCE);
                self.u64(until.as_millis());
            }
        }
    }

    fn mark(&mut self, mark: Mark) {
        self.u64(mark.epoch.get());
        self.u64(mark.began.as_millis());
        self.u64(mark.facts);
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.raw(text.as_bytes());
    }

    fn manifest(&mut self, manifest: &Manifest) {
        self.raw(manifest.content().as_bytes());
        self.u64(manifest.length());
        self.u32(manifest.fragment_length().get());
        self.u32(manifest.fragment_count());
        manifest.roots().iter().for_each(|root| self.raw(root.as_bytes()));
    }

    fn name_fact(&mut self, fact: &NameFact) {
        match fact {
            NameFact::RevisionsKept(limit) => {
                self.u8(REVISIONS_KEPT);
                self.u32(limit.get());
            }
            NameFact::Collected { name, revision } => {
                self.u8(COLLECTED);
                self.revised(name, *revision);
            }
            NameFact::PinChanged { name, revision, pins } => {
                self.u8(PIN_CHANGED);
                self.revised(name, *revision);
                self.u32(pins.get());
            }
            NameFact::Described {
                name,
                revision,
                metadata,
            } => {
                self.u8(DESCRIBED);
                self.revised(name, *revision);
                let bytes = metadata.to_bytes();
                self.length(bytes.len());
                self.raw(&bytes);
            }
            NameFact::NameForgotten(name) => {
                self.u8(NAME_FORGOTTEN);
                self.text(name.as_str());
            }
            NameFact::FloorRaised(floor) => {
                self.u8(FLOOR_RAISED);
                self.u64(floor.get());
            }
            NameFact::Remembered { name, revision, past } => {
                self.u8(REMEMBERED);
                self.revised(name, *revision);
                self.past(past);
            }
        }
    }

    fn security_fact(&mut self, fact: &SecurityFact) {
        match fact {
            SecurityFact::TokenMade {
                token,
                hash,
                grant,
                ends,
            } => {
                self.of_token(TOKEN_MADE, *token);
                self.raw(hash.as_bytes());
                self.grant(grant);
                self.u64(ends.map_or(0, Timestamp::as_millis));
            }
            SecurityFact::TokenUsed { token, used } => {
                self.of_token(TOKEN_USED, *token);
                self.u32(*used);
            }
            SecurityFact::TokenRevoked(token) => self.of_token(TOKEN_REVOKED, *token),
            SecurityFact::TokenForgotten(token) => self.of_token(TOKEN_FORGOTTEN, *token),
            SecurityFact::MemberJoined {
                member,
                role,
                key,
                by,
            } => {
                self.of_member(MEMBER_JOINED, *member);
                self.text(role.as_str());
                self.raw(key.as_bytes());
                self.u8(u8::from(by.is_some()));
                if let Some(token) = by {
                    self.raw(token.as_bytes());
                }
            }
            SecurityFact::CertifiedUntil { member, ends } => {
                self.of_member(CERTIFIED_UNTIL, *member);
                self.u64(ends.as_millis());
            }
            SecurityFact::MemberRevoked(member) => self.of_member(MEMBER_REVOKED, *member),
            SecurityFact::MemberForgotten(member) => self.of_member(MEMBER_FORGOTTEN, *member),
        }
    }

    fn of_token(&mut self, tag: u8, token: TokenId) {
        self.u8(tag);
        self.raw(token.as_bytes());
    }

    fn of_member(&mut self, tag: u8, member: MemberId) {
        self.u8(tag);
        self.raw(member.as_bytes());
    }

    fn grant(&mut self, grant: &Grant) {
        match grant {
            Grant::Join { role, uses, zone } => {
                self.u8(GRANTS_JOINING);
                self.text(role.as_str());
                self.u32(uses.unwrap_or(0));
                self.text(zone.as_ref().map_or("", |zone| zone.as_str()));
            }
            Grant::Api { scopes } => {
                self.u8(GRANTS_CALLS);
                self.length(scopes.len());
                scopes.iter().for_each(|scope| self.text(&scope.to_string()));
            }
        }
    }

    fn past(&mut self, past: &Past) {
        match past {
            Past::Removed => self.u8(PAST_REMOVED),
            Past::Moved => self.u8(PAST_MOVED),
            Past::Collected { was, pins } => {
                self.u8(match was.collection {
                    None => PAST_COLLECTED_FILE,
                    Some(_) => PAST_COLLECTED_COLLECTION,
                });
                self.u32(pins.get());
                self.raw(was.content.as_bytes());
                self.u64(was.length);
                self.u32(was.target.get());
                if let Some(size) = was.collection {
                    self.u32(size.parts);
                    self.u64(size.length);
                }
            }
            Past::Kept {
                since,
                pins,
                target,
                manifest,
                publishers,
                parts,
            } => {
                self.u8(if parts.is_none() {
                    PAST_KEPT_FILE
                } else {
                    PAST_KEPT_COLLECTION
                });
                self.u64(since.as_millis());
                self.u32(pins.get());
                self.u32(target.get());
                self.manifest(manifest);
                self.publishers(publishers);
                if let Some(parts) = parts {
                    self.parts(parts);
                }
            }
        }
    }

    fn holdings(&mut self, holdings: &[Holding]) {
        self.length(holdings.len());
        for holding in holdings {
            let is_whole = holding.fragments.is_full();
            self.raw(holding.content.as_bytes());
            self.u32(holding.fragments.capacity());
            let how = if is_whole { WHOLE } else { 0 };
            self.u8(if holding.is_assigned { how | ASSIGNED } else { how });
            if !is_whole {
                self.raw(&holding.fragments.to_bytes());
            }
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| complaint("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?.try_into().map_err(complaint)
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    fn peer(&mut self) -> Result<PeerId, DecodeError> {
        self.array().map(PeerId::from_bytes)
    }

    fn text(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.u32()?;
        std::str::from_utf8(self.take(length as usize)?).map_err(complaint)
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self) -> Result<T, DecodeError> {
        self.text()?.parse().map_err(complaint)
    }

    fn publishers(&mut self) -> Result<Vec<PeerId>, DecodeError> {
        (0..self.u32()?).map(|_| self.peer()).collect()
    }

    fn parts(&mut self) -> Result<Parts, DecodeError> {
        let manifests: Vec<Manifest> = (0..self.u32()?)
            .map(|_| self.manifest())
            .collect::<Result<_, _>>()?;
        let given = manifests.clone();
        let parts = Parts::new(manifests).map_err(complaint)?;
        if parts.manifests() == given {
            Ok(parts)
        } else {
            Err(complaint("the parts of a collection are not in order"))
        }
    }

    fn mark(&mut self) -> Result<Mark, DecodeError> {
        Ok(Mark {
            epoch: Epoch::new(self.u64()?),
            began: Timestamp::from_millis(self.u64()?),
            facts: self.u64()?,
        })
    }

    fn epoch_begin(&mut self) -> Result<EpochBegin, DecodeError> {
        Ok(EpochBegin {
            epoch: Epoch::new(self.u64()?),
            at: Timestamp::from_millis(self.u64()?),
            facts: self.u64()?,
        })
    }

    fn manifest(&mut self) -> Result<Manifest, DecodeError> {
        let content = ContentId::from_bytes(self.array()?);
        let length = self.u64()?;
        let fragment_length = FragmentLength::new(u64::from(self.u32()?)).map_err(complaint)?;
        let count = self.u32()?;
        let roots = (0..count)
            .map(|_| self.array().map(Digest::from_bytes))
            .collect::<Result<_, _>>()?;
        Manifest::verified(content, length, fragment_length, roots).map_err(complaint)
    }

    fn name_fact(&mut self, tag: u8) -> Result<NameFact, DecodeError> {
        Ok(match tag {
            REVISIONS_KEPT => NameFact::RevisionsKept(RevisionLimit::new(self.u32()?).map_err(complaint)?),
            COLLECTED => NameFact::Collected {
                name: self.parsed()?,
                revision: Revision::new(self.u64()?),
            },
            PIN_CHANGED => NameFact::PinChanged {
                name: self.parsed()?,
                revision: Revision::new(self.u64()?),
                pins: self.pins()?,
            },
            DESCRIBED => NameFact::Described {
                name: self.parsed()?,
                revision: Revision::new(self.u64()?),
                metadata: {
                    let length = self.u32()?;
                    FileMetadata::from_bytes(self.take(length as usize)?).map_err(complaint)?
                },
            },
            NAME_FORGOTTEN => NameFact::NameForgotten(self.parsed()?),
            FLOOR_RAISED => NameFact::FloorRaised(Revision::new(self.u64()?)),
            REMEMBERED => NameFact::Remembered {
                name: self.parsed()?,
                revision: Revision::new(self.u64()?),
                past: self.past()?,
            },
            other => return Err(DecodeError(format!("there is no fact of kind {other}"))),
        })
    }

    fn security_fact(&mut self, tag: u8) -> Result<SecurityFact, DecodeError> {
        Ok(match tag {
            TOKEN_MADE => SecurityFact::TokenMade {
                token: self.token()?,
                hash: SecretHash::from_bytes(self.array()?),
                grant: self.grant()?,
                ends: Some(self.u64()?)
                    .filter(|ends| *ends > 0)
                    .map(Timestamp::from_millis),
            },
            TOKEN_USED => SecurityFact::TokenUsed {
                token: self.token()?,
                used: self.u32()?,
            },
            TOKEN_REVOKED => SecurityFact::TokenRevoked(self.token()?),
            TOKEN_FORGOTTEN => SecurityFact::TokenForgotten(self.token()?),
            MEMBER_JOINED => SecurityFact::MemberJoined {
                member: self.member()?,
                role: self.parsed()?,
                key: KeyHash::from_bytes(self.array()?),
                by: match self.bit()? {
                    true => Some(self.token()?),
                    false => None,
                },
            },
            CERTIFIED_UNTIL => SecurityFact::CertifiedUntil {
                member: self.member()?,
                ends: Timestamp::from_millis(self.u64()?),
            },
            MEMBER_REVOKED => SecurityFact::MemberRevoked(self.member()?),
            MEMBER_FORGOTTEN => SecurityFact::MemberForgotten(self.member()?),
            other => return Err(DecodeError(format!("there is no fact of kind {other}"))),
        })
    }

    fn token(&mut self) -> Result<TokenId, DecodeError> {
        self.array().map(TokenId::from_bytes)
    }

    fn member(&mut self) -> Result<MemberId, DecodeError> {
        self.array().map(MemberId::from_bytes)
    }

    fn grant(&mut self) -> Result<Grant, DecodeError> {
        match self.u8()? {
            GRANTS_JOINING => Ok(Grant::Join {
                role: self.parsed()?,
                uses: Some(self.u32()?).filter(|uses| *uses > 0),
                zone: match self.text()? {
                    "" => None,
                    text => Some(text.parse().map_err(complaint)?),
                },
            }),
            GRANTS_CALLS => Ok(Grant::Api {
                scopes: (0..self.u32()?).map(|_| self.scope()).collect::<Result<_, _>>()?,
            }),
            other => Err(DecodeError(format!("there is no grant of kind {other}"))),
        }
    }

    fn scope(&mut self) -> Result<Scope, DecodeError> {
        let text = self.text()?;
        let scope: Scope = text.parse().map_err(complaint)?;
        match scope.to_string() == text {
            true => Ok(scope),
            false => Err(complaint("a scope has another form than it is written in")),
        }
    }

    fn pins(&mut self) -> Result<PinCount, DecodeError> {
        self.u32().map(PinCount::new)
    }

    fn target(&mut self) -> Result<ReplicationTarget, DecodeError> {
        ReplicationTarget::new(self.u32()?).map_err(complaint)
    }

    fn past(&mut self) -> Result<Past, DecodeError> {
        match self.u8()? {
            PAST_REMOVED => Ok(Past::Removed),
            PAST_MOVED => Ok(Past::Moved),
            kind @ (PAST_COLLECTED_FILE | PAST_COLLECTED_COLLECTION) => Ok(Past::Collected {
                pins: self.pins()?,
                was: RevisedContent {
                    attributes: None,
                    content: ContentId::from_bytes(self.array()?),
                    length: self.u64()?,
                    target: self.target()?,
                    collection: match kind {
                        PAST_COLLECTED_FILE => None,
                        _ => Some(CollectionSize {
                            parts: self.u32()?,
                            length: self.u64()?,
                        }),
                    },
                },
            }),
            kind @ (PAST_KEPT_FILE | PAST_KEPT_COLLECTION) => Ok(Past::Kept {
                since: Timestamp::from_millis(self.u64()?),
                pins: self.pins()?,
                target: self.target()?,
                manifest: self.manifest()?,
                publishers: self.publishers()?,
                parts: match kind {
                    PAST_KEPT_FILE => None,
                    _ => Some(self.parts()?),
                },
            }),
            other => Err(DecodeError(format!("there is no past of kind {other}"))),
        }
    }

    fn mode(&mut self) -> Result<PeerMode, DecodeError> {
        Ok(match self.u8()? {
            ACTIVE => PeerMode::Active,
            DRAINING => PeerMode::Draining,
            MAINTENANCE => PeerMode::Maintenance {
                until: Timestamp::from_millis(self.u64()?),
            },
            other => return Err(DecodeError(format!("there is no mode {other}"))),
        })
    }

    fn bit(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError(format!("{other} is neither yes nor no"))),
        }
    }

    fn holdings(&mut self) -> Result<Vec<Holding>, DecodeError> {
        (0..self.u32()?).map(|_| self.holding()).collect()
    }

    fn holding(&mut self) -> Result<Holding, DecodeError> {
        let content = ContentId::from_bytes(self.array()?);
        let count = self.u32()?;
        if count > MAX_FRAGMENTS {
            return Err(DecodeError(format!("{count} fragments are too many")));
        }
        let how = self.u8()?;
        if how > WHOLE | ASSIGNED {
            return Err(DecodeError(format!("nothing is held in the way {how}")));
        }
        let fragments = match how & WHOLE {
            0 => {
                let bytes = self.take(count.div_ceil(8) as usize)?;
                let fragments = FragmentSet::from_bytes(count, bytes).map_err(complaint)?;
                if fragments.is_full() {
                    return Err(complaint("all fragments are listed instead of being called all"));
                }
                fragments
            }
            _ => FragmentSet::full(count),
        };
        Ok(Holding {
            content,
            fragments,
            keeps: true,
            is_assigned: how & ASSIGNED != 0,
            is_fetching: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::journal::conformance::any_record;

    #[test]
    fn a_whole_copy_has_one_form() {
        let holding = Holding {
            content: ContentId::from_bytes([3; 32]),
            fragments: FragmentSet::full(8),
            keeps: true,
            is_assigned: false,
            is_fetching: false,
        };
        let fact = Fact::WentAway {
            peer: PeerId::from_bytes([7; 16]),
            holdings: vec![holding],
            is_more: false,
        };
        let at = Timestamp::from_millis(1);
        let mut bytes = encode(&Record { at, fact });
        assert_eq!(bytes.pop(), Some(WHOLE));
        bytes.extend([0, 0xff]);
        assert!(decode(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn records_survive_their_byte_form(record in any_record()) {
            prop_assert_eq!(decode(&encode(&record)), Ok(record));
        }

        #[test]
        fn cut_or_extended_records_are_refused(record in any_record(), cut: prop::sample::Index) {
            let mut bytes = encode(&record);
            prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_err());
            bytes.push(0);
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(record) = decode(&bytes) {
                prop_assert_eq!(encode(&record), bytes);
            }
        }
    }
}
