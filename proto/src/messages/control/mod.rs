//! The `Control` service in domain types: messages between a node and its own command line.

mod entries;
mod fetch;
mod local;
mod plan;
mod settings;
mod streams;
mod values;
mod wire;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use entries::{EntryKind, Listed};
pub use plan::{Planned, Writes};
use shared::collection::{Mode, Rules, Selection, Unsupported};
use shared::model::{
    Binding, ByteRate, ContentId, ContentRef, DialFailure, Epoch, FetchPhase, FetchSource, FragmentLength,
    Health, HostPort, Incarnation, LostFiles, Name, NetworkDefaults, PeerId, ReplicationTarget, SourceFault,
    Waiting, Zone,
};
pub use streams::{AddStep, AddStream, ReadEvent};
pub use values::{PutValue, Value};

/// The metadata key of the node's token.
pub const TOKEN_KEY: &str = "enjambre-token";

/// Identity and state of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Id of the node's peer.
    pub peer: PeerId,
    /// Run of the node.
    pub incarnation: Incarnation,
    /// Address at which other peers dial the node.
    pub address: HostPort,
    /// Failure domain.
    pub zone: Option<Zone>,
    /// Directory of the node's data.
    pub data_dir: PathBuf,
    /// The program's version.
    pub version: String,
    /// Bytes lent for replicas.
    pub capacity: u64,
    /// Bytes used of them.
    pub used: u64,
    /// Contents of which something is held.
    pub contents: u32,
    /// State of the session with the tracker.
    pub session: SessionStatus,
    /// The newest epoch seen; 0 when none was.
    pub epoch: Epoch,
    /// Publications that wait for a connection.
    pub pending_publications: u32,
    /// Publications that the tracker has refused.
    pub refused_publications: u32,
    /// Files of the store that prove nothing.
    pub lost: LostFiles,
    /// Since the node started.
    pub uptime: Duration,
    /// Fragment bytes sent to peers since then.
    pub bytes_sent: u64,
    /// Fragment bytes received from peers since then.
    pub bytes_received: u64,
    /// Wasted bytes among them: wrong, of requests that did not deliver, or already held.
    pub bytes_wasted: u64,
    /// Fetches under way.
    pub active_fetches: u32,
    /// Uploads under way.
    pub active_uploads: u32,
    /// Limits of the transfer rates.
    pub limits: RateLimits,
    /// Sources that lied, stalled or were much slower than others since the node started, the latest first.
    pub source_faults: Vec<SourceFault>,
    /// Progress of the scrub.
    pub scrub: Scrub,
    /// Defaults of the network, as it told them last.
    pub defaults: NetworkDefaults,
    /// Set when the node is a visitor because no other machine can dial its address: the address on which it
    /// could listen.
    pub visitor_host: Option<IpAddr>,
    /// Failure of other peers to dial the node; none when nothing is known to be wrong.
    pub unreachable: Option<DialFailure>,
}

/// Limits of a node's transfer rates with all its peers together; `None` means unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// To peers.
    pub upload: Option<ByteRate>,
    /// Limit of the rate from peers.
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
    /// The limit is lifted.
    Lift,
    /// The limit is this rate.
    To(ByteRate),
}

/// State of the session with the tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// The node was not asked to connect.
    Offline,
    /// Dialling, or waiting to dial again.
    Connecting {
        /// Reason for the missing session.
        reason: String,
    },
    /// Refused by a tracker, because the data directory is a copy; tried again seldom, because the other node
    /// may have left.
    CopyOf {
        /// Address of the tracker.
        tracker: HostPort,
        /// Address of the node with the other copy.
        of: HostPort,
    },
    /// Welcomed by a tracker.
    Connected {
        /// Address of the tracker.
        tracker: HostPort,
    },
}

impl SessionStatus {
    /// Returns why there is no session although one is wished for; none when there is one, or no attempt has
    /// failed yet.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Connecting { reason, .. } if !reason.is_empty() => Some(reason.clone()),
            Self::CopyOf { of, .. } => Some(format!(
                "this data directory is a copy of the one at {of}, and stays out of the network until that one has \
                 left; stop this node and give the directory an id of its own with `peer new-id`"
            )),
            Self::Offline | Self::Connecting { .. } | Self::Connected { .. } => None,
        }
    }
}

/// Way into a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    /// Webserver that knows the tracker.
    Webserver(HostPort),
    /// Tracker itself.
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
    /// Replicas wanted; `None` means as many as the network's default.
    pub target: Option<ReplicationTarget>,
    /// Length of the fragments; `None` lets the network's default, or else the content's length decide.
    pub fragment_length: Option<FragmentLength>,
    /// Whether a name that is bound to another content should be bound to this one.
    pub update: bool,
    /// Whether to go on reporting until every fragment has its target of replicas.
    pub wait: bool,
    /// Selected entries of a directory.
    pub selection: Selection,
    /// Rules for the entries of a directory.
    pub rules: Rules,
}

/// Event of an [`Add`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddEvent {
    /// Bytes hashed so far and in all.
    Hashing {
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The content is shared by this node.
    Shared {
        /// Id of the content.
        content: ContentId,
        /// Length in bytes.
        length: u64,
        /// The length of its fragments.
        fragment_length: FragmentLength,
        /// Number of fragments.
        fragments: u32,
        /// Whether the publication waits for a connection to a tracker.
        is_pending: bool,
        /// Size of the directory, if it is one; then the fragments are those of all its contents.
        directory: Option<DirectorySize>,
    },
    /// The name is bound, journaled by the tracker.
    Published(Binding),
    /// The replicas as they appear.
    Replicas(Health),
    /// Bytes of a stream that have come so far.
    Received(u64),
    /// Entries of a directory that were left out.
    LeftOut(Unsupported),
    /// A name hides a path inside a directory.
    Hides(Hiding),
}

/// Size of a directory that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectorySize {
    /// Number of its files.
    pub files: u64,
    /// Number of its contents: its catalog, packs of small files, and large files.
    pub contents: u32,
}

/// A name that hides a path inside a directory, because both read the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hiding {
    /// The name.
    pub name: Name,
    /// The path, written so that the name does not hide it: the directory at its revision, and the path.
    pub inside: String,
}

/// Fetch a content into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// Content to fetch.
    pub content: ContentRef,
    /// An absolute path.
    pub output: PathBuf,
    /// Whether an existing output file should be replaced once the content is complete.
    pub overwrite: bool,
    /// Selected entries of a collection.
    pub selection: Selection,
    /// Permissions that nothing written gets.
    pub umask: Mode,
    /// Directory that the user named, when `output` is the content's name in it: a collection that was not
    /// restored completely as that directory is continued there.
    pub directory: Option<PathBuf>,
}

/// Event of a [`Get`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetEvent {
    /// The content to fetch; first event.
    Started {
        /// The name asked for, or one that the content has.
        name: Name,
        /// Id of the content.
        content: ContentId,
        /// Length in bytes.
        length: u64,
        /// Number of fragments.
        fragments: u32,
        /// Bytes that an earlier attempt left verified on disk.
        already_held: u64,
        /// The path that is written; none when the bytes go elsewhere, or the node does not say.
        output: Option<PathBuf>,
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
        /// Wasted bytes among them.
        wasted: u64,
        /// Reason for little or no progress; none while bytes come as they should.
        waiting_for: Option<Waiting>,
        /// Work that is being done.
        phase: FetchPhase,
        /// The sources, and the part that each has given.
        from: Vec<FetchSource>,
    },
    /// Complete, verified, synced and in place; last.
    Done {
        /// Id of the content.
        content: ContentId,
        /// Length in bytes.
        length: u64,
        /// Bytes received from other peers in this attempt.
        received: u64,
        /// Wasted bytes among them.
        wasted: u64,
        /// Duration of this attempt.
        elapsed: Duration,
        /// Peers that served at least one fragment.
        sources_used: u32,
        /// Peers that gave something, or were asked.
        from: Vec<FetchSource>,
    },
}

/// A content that the node holds something of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalContent {
    /// Id of the content.
    pub content: ContentId,
    /// The name that it was added or fetched under.
    pub name: Option<Name>,
    /// Length in bytes.
    pub length: u64,
    /// Number of fragments.
    pub fragments: u32,
    /// Number of fragments held.
    pub fragments_held: u32,
    /// Reason for which the node holds the content.
    pub role: LocalRole,
    /// The user's file that holds the data; none when the store holds it.
    pub path: Option<PathBuf>,
    /// Whether its publication waits for a connection.
    pub is_pending: bool,
    /// Names under which it was to be published, and the tracker's reasons against them.
    pub refused: Vec<(Name, String)>,
    /// Whether it is a part of a directory of which the catalog is here too.
    pub is_part: bool,
    /// Of the catalog of a directory: the bytes of its files, and about how many of them are held.
    pub collection: Option<(u64, u64)>,
}

/// Reason for which a node holds a content; the strongest one when there are several.
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

/// Progress of the background scrub.
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

/// Progress of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Bytes verified so far.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
    /// Fragments found damaged so far, and withdrawn.
    pub damaged: u32,
    /// Bytes that were not here when the verification began.
    pub missing: u64,
}
