//! The `Control` service in domain types: messages between a node and its own command line.

mod add;
mod entries;
mod fetch;
mod get;
mod local;
mod plan;
mod security;
mod settings;
mod streams;
mod values;
mod wire;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use add::{Add, AddEvent, DirectorySize, Hiding};
pub use entries::{EntryKind, Listed};
pub use get::{Get, GetEvent};
pub use plan::{Planned, Writes};
pub use security::{Joined, Membership};
use shared::model::{
    Absence, ByteRate, ContentId, DialFailure, Epoch, HostPort, Incarnation, KeptApart, LocalFile, LostFiles,
    Name, NetworkDefaults, NetworkId, PeerId, SourceFault, SuspendedFiles, Zone,
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
    /// Shared files that are away.
    pub suspended: SuspendedFiles,
    /// Since the node started.
    pub uptime: Duration,
    /// Fragment bytes sent to peers since then.
    pub bytes_sent: u64,
    /// Fragment bytes received from peers since then.
    pub bytes_received: u64,
    /// Wasted bytes among them: wrong, of requests that did not deliver, or already held.
    pub bytes_wasted: u64,
    /// Bytes read from peers to see that they have their copies; not among those received.
    pub bytes_checked: u64,
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
    /// The network that the node is in, or was in last.
    pub network: Option<NetworkId>,
    /// Everything that it has of other networks.
    pub kept_apart: Vec<KeptApart>,
    /// Its membership in a secured network, if it has joined one.
    pub security: Option<Membership>,
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
    /// Why its file is away, so that nothing of it is held for now.
    pub absence: Option<Absence>,
    /// Names under which it is published from here, or waits to be.
    pub names: Vec<LocalName>,
    /// The user's files with its bytes, the one in use first; at most [`LocalFile::MAX`].
    pub files: Vec<LocalFile>,
}

/// Answer of a node that has noted a name that is to be removed when the call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted;

/// A name of a content that the node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalName {
    /// The name.
    pub name: Name,
    /// Whether its publication waits for a connection.
    pub is_pending: bool,
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
