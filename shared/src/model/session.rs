//! What a peer and its tracker tell each other during a session.

use std::time::Duration;

use super::{
    ContentId, DigestBuckets, Epoch, FragmentSet, HoldingsDigest, HostPort, Incarnation, Manifest, Mark,
    PeerId, PeerInfo, Zone,
};

/// Who a peer is; the first message of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Who it is.
    pub peer: PeerId,
    /// Which run of it.
    pub incarnation: Incarnation,
    /// Where other peers can dial it.
    pub address: HostPort,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// Bytes that it lends for replicas in all.
    pub capacity: u64,
    /// Bytes of that which it uses.
    pub used: u64,
    /// The newest epoch that it has seen.
    pub epoch: Epoch,
    /// The latest mark that it was told.
    pub mark: Option<Mark>,
    /// What it holds, in short; none means that it will list everything.
    pub holdings: Option<HoldingsDigest>,
}

/// All fragments that a peer holds of one content; replaces what was announced of it before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The content.
    pub content: ContentId,
    /// Verified and synced fragments; empty when nothing is held (any more, or yet).
    pub fragments: FragmentSet,
    /// Whether the peer keeps them as replicas (it published the content or was assigned to it).
    pub keeps: bool,
    /// Whether it keeps them by the tracker's order, whatever else they are here for. Of a publisher: it has lost its own
    /// file, or some of it, and was given a copy, which can be trimmed like any other.
    pub is_assigned: bool,
    /// Whether the peer is fetching the content now: others may get fragments from it as they arrive.
    pub is_fetching: bool,
}

/// What goes up after [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Renews the lease.
    Heartbeat {
        /// Bytes of the capacity that are used.
        used: u64,
    },
    /// What was gained or lost.
    Announce {
        /// One entry per content that changed.
        holdings: Vec<Holding>,
        /// From here on the tracker knows everything the peer holds.
        completes_inventory: bool,
    },
    /// An assignment could not be carried out.
    AssignmentFailed {
        /// The content.
        content: ContentId,
        /// Why.
        failure: AssignmentFailure,
        /// In words, for the log.
        detail: String,
    },
    /// The peer is stopping on purpose.
    Leave,
}

/// Why an assignment could not be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignmentFailure {
    /// No room on the disk or in the capacity.
    NoRoom,
    /// No source had the fragments, or none answered in time.
    NoSource,
    /// The store failed.
    Store,
}

/// A message from a peer: a report and its place in the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered<T> {
    /// Counts the messages of a session from 1.
    pub sequence: u64,
    /// The message.
    pub message: T,
}

/// The tracker's answer to [`Hello`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The tracker's epoch; the peer refuses orders of older ones from now on.
    pub epoch: Epoch,
    /// How long the lease runs after each heartbeat.
    pub lease: Duration,
    /// How often to send heartbeats.
    pub heartbeat: Duration,
    /// Where the tracker knows something else than the peer said in short: it lists these. None means everything.
    pub listing: Option<DigestBuckets>,
}

/// A holder offered to a fetcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Who it is.
    pub peer: PeerId,
    /// Where to dial it.
    pub address: HostPort,
    /// Its failure domain, where one is known: a fetcher in the same one prefers it.
    pub zone: Option<Zone>,
}

impl From<PeerInfo> for Source {
    fn from(peer: PeerInfo) -> Self {
        Self {
            peer: peer.id,
            address: peer.address,
            zone: peer.zone,
        }
    }
}

/// What the tracker tells a peer to do, or to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Hold these fragments: fetch, verify, store, sync, announce.
    Assign {
        /// The tracker's epoch.
        epoch: Epoch,
        /// The content.
        manifest: Manifest,
        /// The fragments wanted.
        fragments: FragmentSet,
        /// Where to begin looking.
        sources: Vec<Source>,
    },
    /// Hold nothing of this content any longer.
    Evict {
        /// The tracker's epoch.
        epoch: Epoch,
        /// The content.
        content: ContentId,
        /// Why.
        reason: EvictReason,
        /// The last message of the session that the order takes into account; the peer ignores the order when it
        /// has announced something about the content since.
        as_of_sequence: u64,
    },
    /// Bring this back with the next hello. Its epoch is the tracker's.
    Remember(Mark),
}

impl Order {
    /// The tracker's epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::Assign { epoch, .. } | Self::Evict { epoch, .. } => *epoch,
            Self::Remember(mark) => mark.epoch,
        }
    }
}

/// Why a content is evicted, and so how much of it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictReason {
    /// No name refers to it: the peer holds nothing of it any longer, whatever the role.
    Unreferenced,
    /// There are more replicas than wanted: the peer is no longer assigned to it; what its own user published or
    /// fetched stays.
    Surplus,
    /// The peer's own user has asked for it: all of it goes.
    Released,
}
