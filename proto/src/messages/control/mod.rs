//! What a node and its own command line tell each other: the `Control` service in domain types.

mod entries;
mod source_fault;
mod streams;
mod values;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

pub use entries::{EntryKind, Listed};
use shared::collection::Selection;
use shared::model::{
    Binding, ByteRate, ContentId, ContentRef, Epoch, FragmentLength, Health, HostPort, Incarnation, Name,
    PeerId, ReplicationTarget, SourceFault, Zone,
};
pub use streams::{AddStep, AddStream, ReadEvent};
pub use values::{PutValue, Value};

/// The metadata key of the node's token.
pub const TOKEN_KEY: &str = "enjambre-token";

/// What a node is and does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Who it is.
    pub peer: PeerId,
    /// Which run of it.
    pub incarnation: Incarnation,
    /// Where other peers dial it.
    pub address: HostPort,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// Where it keeps its data.
    pub data_dir: PathBuf,
    /// The program's version.
    pub version: String,
    /// Bytes lent for replicas.
    pub capacity: u64,
    /// Bytes used of them.
    pub used: u64,
    /// Contents of which something is held.
    pub contents: u32,
    /// How the session with the tracker stands.
    pub session: SessionStatus,
    /// The newest epoch seen; 0 when none was.
    pub epoch: Epoch,
    /// Publications that wait for a connection.
    pub pending_publications: u32,
    /// Since the node started.
    pub uptime: Duration,
    /// Fragment bytes sent to peers since then.
    pub bytes_sent: u64,
    /// Fragment bytes received from peers since then.
    pub bytes_received: u64,
    /// Those of them that were in vain: wrong, of requests that did not deliver, or here already.
    pub bytes_wasted: u64,
    /// Fetches under way.
    pub active_fetches: u32,
    /// Uploads under way.
    pub active_uploads: u32,
    /// How fast it may transfer.
    pub limits: RateLimits,
    /// Sources that lied, stalled or were much slower than others since the node started, the latest first.
    pub culprits: Vec<SourceFault>,
    /// How scrubbing goes.
    pub scrub: Scrub,
}

/// How fast a node may transfer with all its peers together; none: as fast as it can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// To peers.
    pub upload: Option<ByteRate>,
    /// From peers.
    pub download: Option<ByteRate>,
}

/// A change of a node's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetLimits {
    /// The change of the limit to peers.
    pub upload: LimitChange,
    /// The change of the limit from peers.
    pub download: LimitChange,
}

/// A change of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitChange {
    /// The limit stays.
    #[default]
    Keep,
    /// There is no limit any more.
    Lift,
    /// The limit is this rate.
    To(ByteRate),
}

/// How the session with the tracker stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// Not asked to connect.
    Offline,
    /// Dialling, or waiting to dial again.
    Connecting {
        /// The tracker that was tried last, if one is known.
        tracker: Option<HostPort>,
        /// Why there is no session yet.
        reason: String,
    },
    /// Welcomed by a tracker.
    Connected {
        /// Which.
        tracker: HostPort,
    },
}

/// How to enter a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    /// Ask this webserver who the tracker is.
    Webserver(HostPort),
    /// This is the tracker.
    Tracker(HostPort),
    /// Ask this peer by which webserver and trackers it is in its network.
    Peer(HostPort),
}

/// Publish a file in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// An absolute path.
    pub path: PathBuf,
    /// The name to bind.
    pub name: Name,
    /// Replicas wanted.
    pub target: ReplicationTarget,
    /// None lets the content's length decide.
    pub fragment_length: Option<FragmentLength>,
    /// Whether a name that is bound to another content should be bound to this one.
    pub update: bool,
    /// Whether to go on reporting until every fragment has its target of replicas.
    pub wait: bool,
    /// What is wanted of a directory.
    pub selection: Selection,
}

/// How an [`Add`] goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddEvent {
    /// Bytes hashed so far and in all.
    Hashing {
        /// So far.
        done: u64,
        /// In all.
        total: u64,
    },
    /// The content is shared by this node.
    Shared {
        /// Its identity.
        content: ContentId,
        /// Its bytes.
        length: u64,
        /// The length of its fragments.
        fragment_length: FragmentLength,
        /// How many fragments it has.
        fragments: u32,
        /// Whether the publication waits for a connection to a tracker.
        is_pending: bool,
    },
    /// The name is bound, journaled by the tracker.
    Published(Binding),
    /// The replicas as they appear.
    Replicas(Health),
    /// Bytes of a stream that have come so far.
    Received(u64),
}

/// Fetch a content into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// Which.
    pub content: ContentRef,
    /// An absolute path.
    pub output: PathBuf,
    /// Whether an existing output file should be replaced once the content is complete.
    pub overwrite: bool,
    /// What is wanted of a collection.
    pub selection: Selection,
}

/// How a [`Get`] goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetEvent {
    /// What is being fetched; first.
    Started {
        /// The name asked for, or one that the content has.
        name: Name,
        /// Its identity.
        content: ContentId,
        /// Its bytes.
        length: u64,
        /// How many fragments it has.
        fragments: u32,
        /// Bytes that an earlier attempt left verified on disk.
        already_held: u64,
    },
    /// Several times a second.
    Progress {
        /// Verified bytes on disk.
        held: u64,
        /// Bytes in all.
        length: u64,
        /// Peers that are being fetched from.
        sources: u32,
        /// Bytes received from other peers in this attempt.
        received: u64,
        /// Those of them that were in vain.
        wasted: u64,
        /// Why nothing moves, or little does; empty when all is well.
        waiting_for: String,
    },
    /// Complete, verified, synced and in place; last.
    Done {
        /// Its identity.
        content: ContentId,
        /// Its bytes.
        length: u64,
        /// Bytes received from other peers in this attempt.
        received: u64,
        /// Those of them that were in vain.
        wasted: u64,
        /// How long this attempt took.
        elapsed: Duration,
        /// Peers that served at least one fragment.
        sources_used: u32,
    },
}

/// A content that the node holds something of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalContent {
    /// Its identity.
    pub content: ContentId,
    /// The name that it was added or fetched under.
    pub name: Option<Name>,
    /// Its bytes.
    pub length: u64,
    /// How many fragments it has.
    pub fragments: u32,
    /// How many of them are held.
    pub fragments_held: u32,
    /// Why it is here.
    pub role: LocalRole,
    /// The user's file that holds the data; none when the store holds it.
    pub path: Option<PathBuf>,
    /// Whether its publication waits for a connection.
    pub is_pending: bool,
}

/// Why a content is on a node; the most telling reason when there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalRole {
    /// Added here: shared in place.
    Published,
    /// Held by the tracker's order.
    Assigned,
    /// Fetched for the user.
    Fetched,
}

impl std::fmt::Display for LocalRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Published => "published",
            Self::Assigned => "assigned",
            Self::Fetched => "fetched",
        })
    }
}

/// How reading everything again in the background goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrub {
    /// Bytes of this round, or the last one, that were read.
    pub done: u64,
    /// Bytes of that round in all.
    pub total: u64,
    /// Damaged fragments that were found since the node started.
    pub damaged: u64,
    /// Rounds that were completed since the node started.
    pub rounds: u64,
}

/// How a verification goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Bytes verified so far.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
    /// Fragments found damaged so far, and withdrawn.
    pub damaged: u32,
}
