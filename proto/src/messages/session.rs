//! Messages of a session.

use std::time::Duration;

use shared::model::{
    Answer, AssignmentFailure, Challenge, DigestBuckets, Epoch, EvictReason, FileNews, FragmentSet, Hello,
    HelloRefusal, Holding, HoldingsDigest, HostPort, Incarnation, MAX_FRAGMENTS, Manifest, Mark,
    NetworkDefaults, Numbered, Order, PublicKey, Received, Remaining, Report, RunTraits, SessionSecret,
    Signature, Source, Timestamp, Welcome,
};

use super::types::{
    absence, absence_text, chosen_fragment_length, chosen_target, content_id, fragment_length_number,
    network_bytes, network_id, peer_id, run_id, source_rank, words, zone, zone_text,
};
use super::{Invalid, bounded, fixed, parsed, required, samples};
use crate::v1;
use crate::v1::probe_result::Outcome;

/// Files in one message of news; the rest goes into the next.
pub const MAX_FILE_NEWS: usize = 1000;

/// Holdings in one announce; the rest goes into the next.
pub const MAX_HOLDINGS: usize = 1000;

/// Sources in one assignment.
pub const MAX_SOURCES: usize = 16;

/// Messages of a peer, in the order in which it may send them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromPeer {
    /// First; with the key that the peer can prove to have, if it has one.
    Hello(Hello, Option<PublicKey>),
    /// In answer to a challenge.
    Answer(Signature),
    /// Ever after.
    Report(Report),
}

/// Messages of a tracker, in the order in which it may send them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromTracker {
    /// First, when the hello has a key.
    Challenge(Challenge),
    /// First otherwise.
    Welcome(Welcome),
    /// First and last.
    Refused(HelloRefusal),
    /// Ever after.
    Order(Order),
}

impl TryFrom<v1::FromPeer> for Numbered<FromPeer> {
    type Error = Invalid;

    fn try_from(wire: v1::FromPeer) -> Result<Self, Invalid> {
        use v1::from_peer::Message;
        let message = match required("message", wire.message)? {
            Message::Hello(hello) => {
                let key = public_key(&hello.public_key)?;
                FromPeer::Hello(hello.try_into()?, key)
            }
            Message::Answer(answer) => {
                FromPeer::Answer(Signature::from_bytes(fixed("signature", &answer.signature)?))
            }
            Message::Heartbeat(heartbeat) => FromPeer::Report(Report::Heartbeat {
                used: heartbeat.used,
                disk_free: heartbeat.disk_free,
                received: bounded("received", Received::MOST, heartbeat.received)?,
            }),
            Message::Announce(announce) => FromPeer::Report(Report::Announce {
                holdings: bounded("holdings", MAX_HOLDINGS, announce.holdings)?,
                completes_inventory: announce.completes_inventory,
            }),
            Message::Result(result) => FromPeer::Report(result.try_into()?),
            Message::Alive(alive) => FromPeer::Report(Report::Alive {
                question: alive.question,
            }),
            Message::Leave(v1::Leave {}) => FromPeer::Report(Report::Leave),
            Message::Probed(result) => FromPeer::Report(result.try_into()?),
            Message::Checked(checked) => FromPeer::Report(checked.try_into()?),
            Message::Kept(kept) => FromPeer::Report(kept.try_into()?),
            Message::Files(files) => FromPeer::Report(files.try_into()?),
            Message::Unreached(unreached) => FromPeer::Report(Report::Unreached {
                peer: peer_id(&unreached.peer_id)?,
                error: words(&unreached.error),
            }),
        };
        Ok(Self {
            sequence: wire.sequence,
            message,
        })
    }
}

impl From<Numbered<FromPeer>> for v1::FromPeer {
    fn from(numbered: Numbered<FromPeer>) -> Self {
        use v1::from_peer::Message;
        let message = match numbered.message {
            FromPeer::Hello(hello, key) => Message::Hello(v1::Hello {
                public_key: key.map(|key| key.as_bytes().to_vec().into()).unwrap_or_default(),
                ..hello.into()
            }),
            FromPeer::Answer(signature) => Message::Answer(v1::Answer {
                signature: signature.as_bytes().to_vec().into(),
            }),
            FromPeer::Report(Report::Heartbeat {
                used,
                disk_free,
                received,
            }) => Message::Heartbeat(v1::Heartbeat {
                used,
                disk_free,
                received: received.into_iter().map(Into::into).collect(),
            }),
            FromPeer::Report(Report::Checked { check, outcome }) => Message::Checked(v1::Checked {
                check,
                outcome: Some(outcome.into()),
            }),
            FromPeer::Report(Report::Kept {
                content,
                holder,
                outcome,
            }) => Message::Kept(v1::Kept {
                content_id: content.as_bytes().to_vec().into(),
                peer_id: holder.as_bytes().to_vec().into(),
                outcome: Some(outcome.into()),
            }),
            FromPeer::Report(Report::Announce {
                holdings,
                completes_inventory,
            }) => Message::Announce(v1::Announce {
                holdings: holdings.into_iter().map(Into::into).collect(),
                completes_inventory,
            }),
            FromPeer::Report(Report::AssignmentFailed {
                content,
                failure,
                detail,
            }) => {
                let failure = match failure {
                    AssignmentFailure::NoRoom => v1::AssignmentFailure::NoRoom,
                    AssignmentFailure::NoSource => v1::AssignmentFailure::NoSource,
                    AssignmentFailure::Store => v1::AssignmentFailure::Store,
                };
                let content_id = content.as_bytes().to_vec().into();
                Message::Result(v1::AssignmentResult {
                    content_id,
                    failure: failure.into(),
                    detail,
                })
            }
            FromPeer::Report(Report::Alive { question }) => Message::Alive(v1::Alive { question }),
            FromPeer::Report(Report::Leave) => Message::Leave(v1::Leave {}),
            FromPeer::Report(Report::Probed { probe, outcome }) => Message::Probed(v1::ProbeResult {
                probe,
                outcome: Some(match outcome {
                    Ok(Answer::Peer(peer)) => Outcome::Answered(peer.as_bytes().to_vec().into()),
                    Ok(Answer::Nameless) => Outcome::Answered(bytes::Bytes::new()),
                    Err(error) => Outcome::Error(error),
                }),
            }),
            FromPeer::Report(Report::Files(news)) => Message::Files(v1::Files {
                news: news.into_iter().map(Into::into).collect(),
            }),
            FromPeer::Report(Report::Unreached { peer, error }) => Message::Unreached(v1::Unreached {
                peer_id: peer.as_bytes().to_vec().into(),
                error,
            }),
        };
        Self {
            sequence: numbered.sequence,
            message: Some(message),
        }
    }
}

impl TryFrom<v1::AssignmentResult> for Report {
    type Error = Invalid;

    fn try_from(wire: v1::AssignmentResult) -> Result<Self, Invalid> {
        let failure = match wire.failure() {
            v1::AssignmentFailure::Unspecified => return Err(Invalid::Missing("failure")),
            v1::AssignmentFailure::NoRoom => AssignmentFailure::NoRoom,
            v1::AssignmentFailure::NoSource => AssignmentFailure::NoSource,
            v1::AssignmentFailure::Store => AssignmentFailure::Store,
        };
        Ok(Self::AssignmentFailed {
            content: content_id(&wire.content_id)?,
            failure,
            detail: words(&wire.detail),
        })
    }
}

impl TryFrom<v1::Files> for Report {
    type Error = Invalid;

    fn try_from(wire: v1::Files) -> Result<Self, Invalid> {
        bounded("news", MAX_FILE_NEWS, wire.news).map(Self::Files)
    }
}

impl TryFrom<v1::FileNews> for FileNews {
    type Error = Invalid;

    fn try_from(wire: v1::FileNews) -> Result<Self, Invalid> {
        Ok(Self {
            content: content_id(&wire.content_id)?,
            absence: absence(&wire.absence),
        })
    }
}

impl From<FileNews> for v1::FileNews {
    fn from(news: FileNews) -> Self {
        Self {
            content_id: news.content.as_bytes().to_vec().into(),
            absence: absence_text(news.absence),
        }
    }
}

impl TryFrom<v1::ProbeResult> for Report {
    type Error = Invalid;

    fn try_from(wire: v1::ProbeResult) -> Result<Self, Invalid> {
        let outcome = match required("outcome", wire.outcome)? {
            Outcome::Answered(id) if id.is_empty() => Ok(Answer::Nameless),
            Outcome::Answered(id) => Ok(Answer::Peer(peer_id(&id)?)),
            Outcome::Error(error) => Err(words(&error)),
        };
        Ok(Self::Probed {
            probe: wire.probe,
            outcome,
        })
    }
}

impl TryFrom<v1::Hello> for Hello {
    type Error = Invalid;

    fn try_from(wire: v1::Hello) -> Result<Self, Invalid> {
        let digest = |bytes: bytes::Bytes| {
            HoldingsDigest::from_bytes(&bytes).map_err(|error| Invalid::field("holdings", error))
        };
        Ok(Self {
            peer: peer_id(&wire.peer_id)?,
            incarnation: Incarnation::new(wire.incarnation),
            run: run_id(&wire.run_id)?,
            address: parsed::<HostPort>("address", &wire.address)?,
            zone: zone(&wire.zone)?,
            capacity: wire.capacity,
            used: wire.used,
            network: network_id("network", &wire.network)?,
            epoch: Epoch::new(wire.epoch),
            mark: wire.mark.map(Mark::from),
            holdings: wire.holdings.map(digest).transpose()?,
            traits: RunTraits {
                is_transient: wire.is_transient,
                can_probe: wire.can_probe,
                can_check: wire.can_check,
                disk_free: wire.disk_free,
                was_refused: wire.was_refused,
            },
        })
    }
}

/// The secret of a session; none of a peer without a key, and from an older tracker.
fn session_secret(bytes: &[u8]) -> Result<Option<SessionSecret>, Invalid> {
    if bytes.is_empty() {
        return Ok(None);
    }
    fixed("session_secret", bytes)
        .map(SessionSecret::from_bytes)
        .map(Some)
}

impl From<v1::Mark> for Mark {
    fn from(wire: v1::Mark) -> Self {
        Self {
            epoch: Epoch::new(wire.epoch),
            began: Timestamp::from_millis(wire.began_ms),
            facts: wire.facts,
        }
    }
}

impl From<Mark> for v1::Mark {
    fn from(mark: Mark) -> Self {
        Self {
            epoch: mark.epoch.get(),
            began_ms: mark.began.as_millis(),
            facts: mark.facts,
        }
    }
}

impl From<Hello> for v1::Hello {
    fn from(hello: Hello) -> Self {
        Self {
            peer_id: hello.peer.as_bytes().to_vec().into(),
            incarnation: hello.incarnation.get(),
            run_id: hello
                .run
                .map(|run| run.as_bytes().to_vec().into())
                .unwrap_or_default(),
            address: hello.address.to_string(),
            capacity: hello.capacity,
            used: hello.used,
            zone: zone_text(hello.zone),
            network: network_bytes(hello.network),
            epoch: hello.epoch.get(),
            mark: hello.mark.map(Into::into),
            holdings: hello.holdings.map(|digest| digest.to_bytes().into()),
            is_transient: hello.traits.is_transient,
            can_probe: hello.traits.can_probe,
            can_check: hello.traits.can_check,
            disk_free: hello.traits.disk_free,
            was_refused: hello.traits.was_refused,
            // The key is no part of what the peer says of itself.
            public_key: bytes::Bytes::new(),
        }
    }
}

/// The key of a hello; an older peer has none.
fn public_key(bytes: &[u8]) -> Result<Option<PublicKey>, Invalid> {
    let key = (!bytes.is_empty()).then(|| PublicKey::from_bytes(bytes));
    key.transpose()
        .map_err(|error| Invalid::field("public_key", error))
}

impl TryFrom<v1::Holding> for Holding {
    type Error = Invalid;

    fn try_from(wire: v1::Holding) -> Result<Self, Invalid> {
        if wire.fragment_count > MAX_FRAGMENTS {
            return Err(Invalid::field(
                "fragment_count",
                format!("at most {MAX_FRAGMENTS} are allowed"),
            ));
        }
        Ok(Self {
            content: content_id(&wire.content_id)?,
            fragments: FragmentSet::from_bytes(wire.fragment_count, &wire.fragments)
                .map_err(|error| Invalid::field("fragments", error))?,
            keeps: wire.keeps,
            is_assigned: wire.is_assigned,
            is_fetching: wire.is_fetching,
        })
    }
}

impl From<Holding> for v1::Holding {
    fn from(holding: Holding) -> Self {
        Self {
            content_id: holding.content.as_bytes().to_vec().into(),
            fragment_count: holding.fragments.capacity(),
            fragments: holding.fragments.to_bytes().into(),
            keeps: holding.keeps,
            is_assigned: holding.is_assigned,
            is_fetching: holding.is_fetching,
        }
    }
}

impl TryFrom<v1::Source> for Source {
    type Error = Invalid;

    fn try_from(wire: v1::Source) -> Result<Self, Invalid> {
        Ok(Self {
            rank: source_rank(wire.rank()).unwrap_or_default(),
            peer: peer_id(&wire.peer_id)?,
            address: parsed("address", &wire.address)?,
            zone: zone(&wire.zone)?,
        })
    }
}

impl From<Source> for v1::Source {
    fn from(source: Source) -> Self {
        Self {
            peer_id: source.peer.as_bytes().to_vec().into(),
            address: source.address.to_string(),
            zone: zone_text(source.zone),
            rank: v1::SourceRank::from(source.rank).into(),
        }
    }
}

impl TryFrom<v1::FromTracker> for FromTracker {
    type Error = Invalid;

    fn try_from(wire: v1::FromTracker) -> Result<Self, Invalid> {
        use v1::from_tracker::Message;
        use v1::refused::Why;
        let buckets = |bytes: bytes::Bytes| {
            DigestBuckets::from_bytes(&bytes).map_err(|error| Invalid::field("listing", error))
        };
        Ok(match required("message", wire.message)? {
            Message::Welcome(welcome) => Self::Welcome(Welcome {
                network: network_id("network", &welcome.network)?,
                epoch: Epoch::new(welcome.epoch),
                lease: positive("lease_ms", welcome.lease_ms)?,
                heartbeat: positive("heartbeat_ms", welcome.heartbeat_ms)?,
                listing: welcome.listing.map(buckets).transpose()?,
                visitor_host: match welcome.visitor_host.as_str() {
                    "" => None,
                    host => Some(parsed("visitor_host", host)?),
                },
                takes_file_news: welcome.takes_file_news,
                defaults: defaults(welcome.replicas, welcome.fragment_length)?,
                secret: session_secret(&welcome.session_secret)?,
            }),
            Message::Challenge(challenge) => {
                Self::Challenge(Challenge::from_bytes(fixed("nonce", &challenge.nonce)?))
            }
            Message::Ask(ask) => Self::Order(Order::Ask {
                epoch: Epoch::new(ask.epoch),
                question: ask.question,
            }),
            Message::Reach(told) => Self::Order(Order::Reach {
                epoch: Epoch::new(told.epoch),
                failure: told.unreachable.map(TryInto::try_into).transpose()?,
            }),
            Message::Defaults(changed) => Self::Order(Order::Adopt {
                epoch: Epoch::new(changed.epoch),
                defaults: defaults(changed.replicas, changed.fragment_length)?,
            }),
            Message::Assign(assign) => {
                let manifest: Manifest = required("manifest", assign.manifest)?.try_into()?;
                Self::Order(Order::Assign {
                    epoch: Epoch::new(assign.epoch),
                    fragments: FragmentSet::from_bytes(manifest.fragment_count(), &assign.fragments)
                        .map_err(|error| Invalid::field("fragments", error))?,
                    manifest,
                    sources: bounded("sources", MAX_SOURCES, assign.sources)?,
                })
            }
            Message::Evict(evict) => Self::Order(Order::Evict {
                reason: match evict.reason() {
                    v1::EvictReason::Unspecified => return Err(Invalid::Missing("reason")),
                    v1::EvictReason::Unreferenced => EvictReason::Unreferenced,
                    v1::EvictReason::Surplus => EvictReason::Surplus,
                    v1::EvictReason::Released => EvictReason::Released,
                },
                epoch: Epoch::new(evict.epoch),
                content: content_id(&evict.content_id)?,
                as_of_sequence: evict.as_of_sequence,
                remaining: bounded("remaining", Remaining::MOST, evict.remaining)?,
            }),
            Message::Mark(mark) => Self::Order(Order::Remember(mark.into())),
            Message::Probe(probe) => Self::Order(Order::Probe {
                epoch: Epoch::new(probe.epoch),
                probe: probe.probe,
                peer: peer_id(&probe.peer_id)?,
                address: parsed("address", &probe.address)?,
            }),
            Message::Check(check) => Self::Order(check.try_into()?),
            Message::Refused(refused) => Self::Refused(match required("why", refused.why)? {
                Why::ContestedBy(address) => HelloRefusal::ContestedBy(parsed("contested_by", &address)?),
                Why::CopyOf(address) => HelloRefusal::CopyOf(parsed("copy_of", &address)?),
                Why::OlderThan(run) => HelloRefusal::OlderThan(Incarnation::new(run)),
                Why::AheadOf(run) => HelloRefusal::AheadOf(Incarnation::new(run)),
                Why::OtherNetwork(id) => HelloRefusal::OtherNetwork(
                    network_id("other_network", &id)?.ok_or(Invalid::Missing("other_network"))?,
                ),
            }),
        })
    }
}

impl From<FromTracker> for v1::FromTracker {
    fn from(message: FromTracker) -> Self {
        use v1::from_tracker::Message;
        use v1::refused::Why;
        let message = match message {
            FromTracker::Refused(refusal) => {
                let why = match refusal {
                    HelloRefusal::ContestedBy(address) => Why::ContestedBy(address.to_string()),
                    HelloRefusal::CopyOf(address) => Why::CopyOf(address.to_string()),
                    HelloRefusal::OlderThan(run) => Why::OlderThan(run.get()),
                    HelloRefusal::AheadOf(run) => Why::AheadOf(run.get()),
                    HelloRefusal::OtherNetwork(network) => Why::OtherNetwork(network_bytes(Some(network))),
                };
                Message::Refused(v1::Refused { why: Some(why) })
            }
            FromTracker::Welcome(welcome) => Message::Welcome(welcome.into()),
            FromTracker::Challenge(challenge) => Message::Challenge(v1::Challenge {
                nonce: challenge.as_bytes().to_vec().into(),
            }),
            FromTracker::Order(Order::Ask { epoch, question }) => Message::Ask(v1::Ask {
                epoch: epoch.get(),
                question,
            }),
            FromTracker::Order(Order::Reach { epoch, failure }) => Message::Reach(v1::OwnReach {
                epoch: epoch.get(),
                unreachable: failure.map(Into::into),
            }),
            FromTracker::Order(Order::Adopt { epoch, defaults }) => Message::Defaults(v1::Defaults {
                epoch: epoch.get(),
                replicas: defaults.replicas.get(),
                fragment_length: fragment_length_number(defaults.fragment_length),
            }),
            FromTracker::Order(Order::Assign {
                epoch,
                manifest,
                fragments,
                sources,
            }) => Message::Assign(assign(epoch, &manifest, &fragments, sources)),
            FromTracker::Order(Order::Evict {
                epoch,
                content,
                reason,
                as_of_sequence,
                remaining,
            }) => Message::Evict(v1::Evict {
                epoch: epoch.get(),
                content_id: content.as_bytes().to_vec().into(),
                as_of_sequence,
                reason: v1::EvictReason::from(reason).into(),
                remaining: remaining.into_iter().map(Into::into).collect(),
            }),
            FromTracker::Order(Order::Check {
                epoch,
                check,
                holder,
                sample,
            }) => Message::Check(samples::check(epoch, check, holder, sample)),
            FromTracker::Order(Order::Remember(mark)) => Message::Mark(mark.into()),
            FromTracker::Order(Order::Probe {
                epoch,
                probe,
                peer,
                address,
            }) => Message::Probe(v1::Probe {
                epoch: epoch.get(),
                probe,
                peer_id: peer.as_bytes().to_vec().into(),
                address: address.to_string(),
            }),
        };
        Self {
            message: Some(message),
        }
    }
}

impl From<Welcome> for v1::Welcome {
    fn from(welcome: Welcome) -> Self {
        Self {
            network: network_bytes(welcome.network),
            epoch: welcome.epoch.get(),
            lease_ms: millis(welcome.lease),
            heartbeat_ms: millis(welcome.heartbeat),
            listing: welcome.listing.map(|buckets| buckets.to_bytes().into()),
            visitor_host: welcome.visitor_host.map(|ip| ip.to_string()).unwrap_or_default(),
            takes_file_news: welcome.takes_file_news,
            replicas: welcome.defaults.replicas.get(),
            fragment_length: fragment_length_number(welcome.defaults.fragment_length),
            session_secret: welcome
                .secret
                .map(|secret| secret.expose().to_vec().into())
                .unwrap_or_default(),
        }
    }
}

fn assign(epoch: Epoch, manifest: &Manifest, fragments: &FragmentSet, sources: Vec<Source>) -> v1::Assign {
    v1::Assign {
        epoch: epoch.get(),
        manifest: Some(manifest.into()),
        fragments: fragments.to_bytes().into(),
        sources: sources.into_iter().map(Into::into).collect(),
    }
}

impl From<EvictReason> for v1::EvictReason {
    fn from(reason: EvictReason) -> Self {
        match reason {
            EvictReason::Unreferenced => Self::Unreferenced,
            EvictReason::Surplus => Self::Surplus,
            EvictReason::Released => Self::Released,
        }
    }
}

/// The defaults of a network; an older tracker has none.
pub(super) fn defaults(replicas: u32, fragment_length: u32) -> Result<NetworkDefaults, Invalid> {
    Ok(NetworkDefaults {
        replicas: chosen_target(replicas)?.unwrap_or(NetworkDefaults::default().replicas),
        fragment_length: chosen_fragment_length(fragment_length)?,
    })
}

/// A duration that is neither nothing nor longer than a day.
fn positive(field: &'static str, millis: u64) -> Result<Duration, Invalid> {
    const DAY_MS: u64 = 86_400_000;
    if (1..=DAY_MS).contains(&millis) {
        return Ok(Duration::from_millis(millis));
    }
    Err(Invalid::field(field, "must be from 1 ms to one day"))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
