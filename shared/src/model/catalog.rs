//! What the tracker says about names, contents and peers.

use std::fmt;

use super::{
    ContentId, FragmentSet, HostPort, Incarnation, Manifest, Name, PeerId, PeerMode, ReplicationTarget,
    Revision, Timestamp, Zone,
};

/// A name and what it is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The name.
    pub name: Name,
    /// How often the name has been bound or removed.
    pub revision: Revision,
    /// The content.
    pub content: ContentId,
    /// Bytes of the content.
    pub length: u64,
    /// Replicas wanted of every fragment.
    pub target: ReplicationTarget,
    /// When this revision was journaled, by the tracker's clock.
    pub published_at: Timestamp,
    /// What it is a collection of, when it is one: then the content is the collection's catalog.
    pub collection: Option<CollectionSize>,
}

/// What a collection's catalog refers to, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectionSize {
    /// How many contents; see [`Parts`](super::Parts).
    pub parts: u32,
    /// Bytes of all of them.
    pub length: u64,
}

/// What a publisher expects a name to be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing: it was never bound, or was removed.
    Unbound,
    /// At exactly this revision, whether that bound or removed it ([`Revision::NONE`]: never bound). The one that makes a
    /// retry safe at any time later.
    Revision(Revision),
    /// No matter what; the last one wins.
    Anything,
}

/// How a content's replicas stand against their target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentState {
    /// Some fragment is on no live peer: the content cannot be read now.
    Unavailable,
    /// Every fragment is somewhere, some have fewer replicas than the target.
    Degraded,
    /// Every fragment has its target of replicas.
    Replicated,
}

impl fmt::Display for ContentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unavailable => "unavailable",
            Self::Degraded => "degraded",
            Self::Replicated => "replicated",
        })
    }
}

/// A summary of a content's replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Against the target.
    pub state: ContentState,
    /// Replicas wanted of every fragment.
    pub target: ReplicationTarget,
    /// Replicas of the fragment that has the fewest; 0 if the content has no fragments.
    pub fewest: u32,
    /// Fragments that have at least the target of replicas.
    pub fragments_at_target: u32,
    /// Fragments in all.
    pub fragments: u32,
    /// Fragment copies that assigned peers have been asked for and not yet announced.
    pub copies_under_way: u32,
}

/// A bound name as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What it is bound to.
    pub binding: Binding,
    /// How that stands.
    pub health: Health,
    /// Its pinned revisions, ascending; the current one may be among them.
    pub pinned: Vec<Revision>,
}

/// What the tracker believes about a peer's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerState {
    /// Its lease is running.
    Live,
    /// Its session ended or its lease is late; it counts as a holder for a grace time longer.
    Suspect,
    /// Its lease ran out: what it held no longer counts.
    Lost,
}

impl fmt::Display for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Live => "live",
            Self::Suspect => "suspect",
            Self::Lost => "lost",
        })
    }
}

/// A peer as the tracker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Who it is.
    pub id: PeerId,
    /// Where other peers dial it.
    pub address: HostPort,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// Whether it lives.
    pub state: PeerState,
    /// Bytes that it lends for replicas in all.
    pub capacity: u64,
    /// Bytes of that which are neither used nor reserved.
    pub free: u64,
    /// Its latest run.
    pub incarnation: Incarnation,
    /// How many contents it holds fragments of.
    pub contents: u32,
    /// What the tracker uses it for.
    pub mode: PeerMode,
}

/// A peer and the fragments of one content that it has announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The peer.
    pub peer: PeerInfo,
    /// Verified and synced fragments.
    pub fragments: FragmentSet,
    /// Whether it keeps them as replicas; otherwise it fetched them for itself and is only a source.
    pub keeps: bool,
}

/// Where a content's fragments are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The binding asked for, or the first name of the content asked for.
    pub binding: Binding,
    /// What the content is made of.
    pub manifest: Manifest,
    /// How its replicas stand; for a collection, those of its parts too.
    pub health: Health,
    /// Holders on live and suspect peers; a random choice when there are more than asked for.
    pub holders: Vec<Holder>,
    /// How many holders there are in all.
    pub holder_count: u32,
}
