//! Documents about peers, this peer and the tracker: `network`, `status`, `limit`, and the tracker's `/api`.

use std::path::PathBuf;

use serde::Serialize;

use super::millis;
use crate::model::{self, ByteRate, PeerInfo, SourceFault};

/// A peer that holds a content.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LocatedPeer {
    pub(super) id: String,
    pub(super) addr: String,
    pub(super) zone: Option<String>,
    pub(super) state: String,
}

/// `peer network`, and the peers of the HTTP APIs of peer and tracker.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Network {
    /// The tracker's epoch.
    epoch: u64,
    /// Whether the tracker waits for peers to report after a restart.
    safe_mode: bool,
    /// The same, by the word of the tracker's other documents.
    in_safe_mode: bool,
    /// Peers in order of their ids.
    peers: Vec<NetworkPeer>,
}

/// A peer of the network.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NetworkPeer {
    #[serde(flatten)]
    peer: LocatedPeer,
    /// The same as `addr`.
    address: String,
    capacity: u64,
    free: u64,
    contents: u32,
    incarnation: u64,
    /// `active`, `maintenance` or `draining`.
    duty: &'static str,
    /// Address of a copy of the peer's data directory that was refused within the last hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<String>,
    #[serde(flatten)]
    access: Access,
}

/// How far a peer is there for others.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Access {
    /// Whether it keeps nothing for others; a lost one has kept nothing.
    visitor: bool,
    /// `reachable`, `unconfirmed` (no other peer has dialled it yet) or `unreachable`.
    reach: &'static str,
    /// Failure to dial it; null unless it is unreachable.
    unreachable: Option<DialFailure>,
}

/// A failure of other peers to dial a peer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DialFailure {
    addr: String,
    error: String,
    /// Milliseconds since the Unix epoch.
    since_ms: u64,
}

/// `peer status`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NodeStatus {
    pub id: String,
    pub incarnation: u64,
    pub addr: String,
    pub zone: Option<String>,
    pub data_dir: PathBuf,
    pub version: String,
    pub capacity: u64,
    pub used: u64,
    pub contents: u32,
    /// `offline`, `connecting`, `connected`, or `refused`: the user has to do something, unless another node
    /// leaves.
    pub session: &'static str,
    /// `active`, `maintenance` or `draining`; null when no tracker tells it, and over HTTP.
    pub duty: Option<&'static str>,
    /// End of a maintenance, in milliseconds since the Unix epoch; null otherwise.
    pub maintenance_until_ms: Option<u64>,
    /// Set when the node is a visitor because no other machine can dial its address: an address on which it
    /// could listen.
    pub visitor_host: Option<String>,
    /// Failure of other peers to dial the node; null when nothing is known to be wrong.
    pub unreachable: Option<DialFailure>,
    pub tracker: Option<String>,
    /// The reason for having no session; null when there is one or none is wanted.
    pub reason: Option<String>,
    /// Id of the network that the node is in, or was in last; null when it was in none that has an id.
    pub network: Option<String>,
    /// Everything that it has of other networks: no tracker is told of it here, and nothing of it is deleted.
    pub kept_apart: Vec<KeptApart>,
    /// Membership in a secured network; null when the node has joined none.
    pub security: Option<NodeSecurity>,
    pub epoch: u64,
    pub pending_publications: u32,
    /// Publications that the tracker has refused: `peer list --local` says why.
    pub refused_publications: u32,
    pub lost: LostFiles,
    pub suspended: SuspendedFiles,
    pub uptime_ms: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// Received bytes that were of no use.
    pub bytes_wasted: u64,
    /// Bytes read from peers to see that they have their copies; not among those received.
    pub bytes_checked: u64,
    pub active_fetches: u32,
    pub active_uploads: u32,
    #[serde(flatten)]
    pub limits: Limits,
    /// Defaults of the network, as it told them last, for contents whose publishers choose nothing.
    pub defaults: NetworkDefaults,
    /// Sources that lied, stalled or were much slower than others, the latest first.
    pub culprits: Vec<AccusedPeer>,
    /// Progress of reading everything again in the background.
    pub scrub: Scrubbing,
}

/// Membership of a node in a secured network.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NodeSecurity {
    /// `off`, `permissive` or `required`.
    pub mode: &'static str,
    /// Id of the network's authority.
    pub cluster: String,
    /// End of the node's certificate, in milliseconds since the Unix epoch.
    pub certificate_ends_ms: u64,
    /// Reason why the certificate could not be renewed; null when it was, or renewal is not due.
    pub renewal_failure: Option<String>,
}

/// Defaults of a network.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NetworkDefaults {
    /// Replicas of every fragment.
    pub replicas: u32,
    /// Length of a fragment; null when the content's length decides.
    pub fragment_length: Option<u32>,
}

/// Everything that a node has of a network in which it is not.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeptApart {
    pub network: String,
    /// Contents that belong to it and not to the node's present network.
    pub contents: u64,
    /// Bytes held of them.
    pub bytes: u64,
    /// Publications that wait for its tracker.
    pub pending_publications: u64,
}

impl From<&model::KeptApart> for KeptApart {
    fn from(apart: &model::KeptApart) -> Self {
        Self {
            network: apart.network.to_string(),
            contents: apart.contents,
            bytes: apart.bytes,
            pending_publications: apart.pending,
        }
    }
}

/// `peer adopt-network`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AdoptedNetwork {
    /// The network in which the names will be published.
    pub network: String,
    /// Names that will be published there at the next start of the node.
    pub names: Vec<String>,
    /// Names under which the node has added something there already: that of other networks stays apart.
    pub taken: Vec<String>,
}

/// `peer new-id`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NewId {
    /// The id from now on.
    pub id: String,
    /// The id until now.
    pub previous: String,
    /// Names that were still to be published; the directory with the previous id does that.
    pub left: Vec<String>,
}

/// `peer rebuild-index`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RebuiltIndex {
    /// The peer's id.
    pub id: String,
    /// Whether nothing told the id that the peer had, and this one is new.
    pub is_new_id: bool,
    /// New name of the old index; null when there was none.
    pub moved: Option<PathBuf>,
    /// Contents of which something is held.
    pub contents: u64,
    /// Fragments that are held.
    pub fragments: u64,
    /// Bytes of them.
    pub bytes: u64,
    pub lost: LostFiles,
    /// Names that were still to be published, which is forgotten: they are to be added again.
    pub unpublished: Vec<String>,
    /// Names that were published from here and of whose contents nothing is left here: their files are to be
    /// added again.
    pub unshared: Vec<String>,
}

/// Files in the directory `lost` of the data directory: nothing refers to them, and they prove nothing.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LostFiles {
    /// Their number.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Shared files that are away; their contents are shared again when they are back.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SuspendedFiles {
    /// Files that are gone, or whose disk is not mounted.
    gone: u64,
    /// Files that are others now, or were written to.
    changed: u64,
    /// Files that the node's user may not read.
    unreadable: u64,
    /// Files that the system fails to read.
    failing: u64,
    /// Some of them.
    first: Vec<SuspendedFile>,
}

/// A shared file that is away.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SuspendedFile {
    path: PathBuf,
    /// `gone`, `changed`, `unreadable` or `failing`.
    absence: &'static str,
    /// Milliseconds for which it has been away while the node ran.
    lasted_ms: u64,
}

impl From<&model::SuspendedFiles> for SuspendedFiles {
    fn from(files: &model::SuspendedFiles) -> Self {
        let file = |file: &model::SuspendedFile| SuspendedFile {
            path: file.path.clone(),
            absence: file.absence.as_str(),
            lasted_ms: millis(file.lasted),
        };
        Self {
            gone: files.gone,
            changed: files.changed,
            unreadable: files.unreadable,
            failing: files.failing,
            first: files.first.iter().map(file).collect(),
        }
    }
}

/// Progress of scrubbing.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scrubbing {
    /// Bytes read in this round, or in the last one.
    pub done: u64,
    /// Bytes of that round in all.
    pub total: u64,
    /// Damaged fragments found since the node started.
    pub damaged: u64,
    /// Rounds completed since the node started.
    pub rounds: u64,
}

/// A source that lied, stalled or was slow.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccusedPeer {
    id: String,
    addr: String,
    /// `lied`, `stalled` or `slow`.
    offence: String,
    times: u32,
    /// Time since the last fault.
    ago_ms: u64,
    /// The source's rate at that time; null when it sent nothing, or too briefly to tell.
    bytes_per_second: Option<u64>,
}

/// `peer limit`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Limits {
    /// Bytes per second; null when not limited.
    pub upload_limit: Option<u64>,
    /// Bytes per second; null when not limited.
    pub download_limit: Option<u64>,
}

/// Whether the tracker serves.
#[derive(Debug, Serialize)]
pub struct Ready {
    pub ready: bool,
    pub in_safe_mode: bool,
}

/// State of the tracker.
#[derive(Debug, Serialize)]
pub struct TrackerStatus {
    /// Id of the network.
    pub network: Option<String>,
    pub epoch: u64,
    pub in_safe_mode: bool,
    pub names: usize,
    pub contents: usize,
    pub live_peers: usize,
    pub suspect_peers: usize,
    pub lost_peers: usize,
    pub unreachable_peers: usize,
    pub assignments: usize,
    /// Contents that are short of replicas, over their target, or about to be collected.
    pub contents_to_look_at: usize,
    /// Facts that are missing from the journal; null when none are known to be.
    pub gap: Option<Gap>,
}

/// A known gap in the tracker's journal.
#[derive(Debug, Serialize)]
pub struct Gap {
    /// Whether the operator has declared the gap.
    pub is_declared: bool,
    /// A peer that has seen the missing facts.
    pub seen_by: Option<String>,
    /// The epoch in which that peer saw them.
    pub epoch: Option<u64>,
    /// The number of facts in the journal at that time.
    pub facts: Option<u64>,
}

impl From<&PeerInfo> for LocatedPeer {
    fn from(peer: &PeerInfo) -> Self {
        Self {
            id: peer.id.to_string(),
            addr: peer.address.to_string(),
            zone: peer.zone.as_ref().map(ToString::to_string),
            state: peer.state.to_string(),
        }
    }
}

impl From<&PeerInfo> for Access {
    fn from(peer: &PeerInfo) -> Self {
        Self {
            visitor: peer.is_visitor,
            reach: peer.reach.word(),
            unreachable: peer.reach.failure().map(Into::into),
        }
    }
}

impl From<&model::DialFailure> for DialFailure {
    fn from(failure: &model::DialFailure) -> Self {
        Self {
            addr: failure.address.to_string(),
            error: failure.error.clone(),
            since_ms: failure.since.as_millis(),
        }
    }
}

impl Network {
    /// Peers, and the state of the tracker that told of them.
    #[must_use]
    pub fn new(peers: &[PeerInfo], epoch: u64, safe_mode: bool) -> Self {
        let peer = |peer: &PeerInfo| NetworkPeer {
            peer: peer.into(),
            address: peer.address.to_string(),
            capacity: peer.capacity,
            free: peer.free,
            contents: peer.contents,
            incarnation: peer.incarnation.get(),
            duty: peer.mode.word(),
            access: peer.into(),
            copy: peer.copy.as_ref().map(ToString::to_string),
        };
        Self {
            epoch,
            safe_mode,
            in_safe_mode: safe_mode,
            peers: peers.iter().map(peer).collect(),
        }
    }
}

impl From<&SourceFault> for AccusedPeer {
    fn from(fault: &SourceFault) -> Self {
        Self {
            id: fault.peer.to_string(),
            addr: fault.address.to_string(),
            offence: fault.kind.to_string(),
            times: fault.times,
            ago_ms: millis(fault.ago),
            bytes_per_second: fault.rate.map(ByteRate::get),
        }
    }
}
