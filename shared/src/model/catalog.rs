//! Answers of the tracker about names, contents and peers.

use std::fmt;

use super::{
    ContentId, FileMetadata, FragmentSet, HostPort, Incarnation, Manifest, Name, PeerId, PeerMode, Reach,
    ReplicationTarget, Revision, SourceRank, Timestamp, Zone,
};

/// A name and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The name.
    pub name: Name,
    /// Number of bindings and removals of the name.
    pub revision: Revision,
    /// The content.
    pub content: ContentId,
    /// Bytes of the content.
    pub length: u64,
    /// Replicas wanted of every fragment.
    pub target: ReplicationTarget,
    /// Time at which this revision was journaled, by the tracker's clock.
    pub published_at: Timestamp,
    /// Size of the collection, if the content is a collection's catalog.
    pub collection: Option<CollectionSize>,
    /// Metadata of the file that was published, if it was one.
    pub metadata: Option<FileMetadata>,
}

/// Size of a collection: the contents to which its catalog refers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectionSize {
    /// Number of contents; see [`Parts`](super::Parts).
    pub parts: u32,
    /// Bytes of all of them.
    pub length: u64,
}

impl Binding {
    /// Returns the bytes of the file, or of all files of the directory.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.collection
            .map_or(self.length, |collection| collection.length)
    }
}

/// Size of a file, or of a collection with its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Contents: 1 for a file; of a collection, its catalog and its parts.
    pub contents: u32,
    /// Bytes of all of them.
    pub length: u64,
}

/// A peer, and the amount that it has of a collection's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The peer.
    pub peer: PeerInfo,
    /// Fragments that it holds.
    pub held: u64,
    /// Fragments among them that it keeps as replicas.
    pub kept: u64,
    /// Bytes that it holds.
    pub bytes: u64,
}

/// A file or a collection as a whole, and the peers that have something of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Size of it.
    pub extent: Extent,
    /// Number of live and suspect peers that hold something.
    pub holder_count: u32,
    /// Number of those that keep something as replicas.
    pub keeper_count: u32,
    /// Of a collection: these peers, those that keep something first; a choice when there are more than asked
    /// for.
    pub shares: Vec<Share>,
}

/// State of the name that a publisher expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// No binding: the name was never bound, or was removed.
    Unbound,
    /// Exactly this revision, be it a binding or a removal ([`Revision::NONE`]: never bound). Only this
    /// expectation makes a retry safe at any later time.
    Revision(Revision),
    /// No matter what; the last one wins.
    Anything,
}

/// State of a content's replicas, compared with their target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentState {
    /// Some fragment is on no live peer: nobody can read the content now.
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
    /// Binding of the name.
    pub binding: Binding,
    /// Health of the content.
    pub health: Health,
    /// Pinned revisions, ascending; the current one may be among them.
    pub pinned: Vec<Revision>,
}

/// State of a peer, as the tracker believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerState {
    /// The lease is running.
    Live,
    /// The session ended or the lease is late; the peer still counts as a holder for a grace time.
    Suspect,
    /// The lease ran out: the peer's copies no longer count.
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
    /// Id of the peer.
    pub id: PeerId,
    /// Address at which other peers dial the peer.
    pub address: HostPort,
    /// Failure domain.
    pub zone: Option<Zone>,
    /// Whether it lives.
    pub state: PeerState,
    /// Bytes that it lends for replicas in all.
    pub capacity: u64,
    /// Bytes of that which are neither used nor reserved, as far as the disk has them.
    pub free: u64,
    /// Latest run of the peer.
    pub incarnation: Incarnation,
    /// Number of contents of which the peer holds fragments.
    pub contents: u32,
    /// Mode of the peer.
    pub mode: PeerMode,
    /// Address of a copy of the peer's data directory that was refused a short while ago.
    pub copy: Option<HostPort>,
    /// Whether other peers can dial it.
    pub reach: Reach,
    /// Whether it keeps nothing for others; a lost one has kept nothing.
    pub is_visitor: bool,
}

impl PeerInfo {
    /// Returns whether the peer has gone and is missed by nobody.
    #[must_use]
    pub fn is_gone_visitor(&self) -> bool {
        self.is_visitor && self.state == PeerState::Lost
    }
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
    /// Reason to believe that it has them.
    pub rank: SourceRank,
    /// Time at which another peer last had verified bytes of its copy; none if none had, or the tracker does
    /// not tell.
    pub proved_at: Option<Timestamp>,
}

/// Location of a content's fragments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The binding asked for, or the first name of the content asked for.
    pub binding: Binding,
    /// Manifest of the content.
    pub manifest: Manifest,
    /// Health of the content; for a collection, of its parts too.
    pub health: Health,
    /// Holders of the content itself (of a collection, of its catalog) on live and suspect peers, those with
    /// the best rank first; among equals a random choice when there are more than asked for.
    pub holders: Vec<Holder>,
    /// Number of all these holders.
    pub holder_count: u32,
    /// Everything that the health counts; trackers of earlier versions do not tell.
    pub whole: Option<Whole>,
}
