//! Messages between a peer and its tracker during a session.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::{
    ContentId, DialFailure, DigestBuckets, Epoch, FileNews, FragmentLength, FragmentSet, Holder, Holding,
    HoldingsDigest, HostPort, Incarnation, Manifest, Mark, NetworkId, PeerId, Received, ReplicationTarget,
    RunId, Sample, SampleOutcome, SessionSecret, SourceRank, Zone,
};

/// Identity of a peer; the first message of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Id of the peer.
    pub peer: PeerId,
    /// Run of the peer.
    pub incarnation: Incarnation,
    /// Tells the run from those of copies of its data directory; none from peers that draw no such ids.
    pub run: Option<RunId>,
    /// Address at which other peers can dial the peer.
    pub address: HostPort,
    /// Failure domain.
    pub zone: Option<Zone>,
    /// Bytes that it lends for replicas in all.
    pub capacity: u64,
    /// Bytes of that which it uses.
    pub used: u64,
    /// The network that the peer was in last, which epoch, mark and holdings are about; none from older
    /// peers, and from those that were in none with an id.
    pub network: Option<NetworkId>,
    /// The newest epoch that it has seen.
    pub epoch: Epoch,
    /// Latest mark that the peer received.
    pub mark: Option<Mark>,
    /// Digests of its holdings; `None` means that it will list all of them.
    pub holdings: Option<HoldingsDigest>,
    /// Traits of this run; an older peer has none.
    pub traits: RunTraits,
}

/// Everything that a peer has of a network in which it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptApart {
    /// The network.
    pub network: NetworkId,
    /// Contents that belong to it and not to the peer's present network.
    pub contents: u64,
    /// Bytes that are held of them.
    pub bytes: u64,
    /// Publications that wait for its tracker.
    pub pending: u64,
}

/// Traits of a run of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunTraits {
    /// Whether the peer runs for one command only: it keeps nothing for others.
    pub is_transient: bool,
    /// Whether the peer dials others at the tracker's request, and tells them its id.
    pub can_probe: bool,
    /// Whether the peer reads samples of others' copies at the tracker's request.
    pub can_check: bool,
    /// Bytes that its disk has free, if it knows.
    pub disk_free: Option<u64>,
    /// Whether this run was refused as a copy and has not been welcome since: it is let in when the peer is
    /// lost.
    pub was_refused: bool,
}

/// Messages of a peer after [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Renews the lease.
    Heartbeat {
        /// Bytes of the capacity that are used.
        used: u64,
        /// Bytes that the disk has free, if the peer knows.
        disk_free: Option<u64>,
        /// Holders that have delivered something since the last heartbeats; at most [`Received::MOST`].
        received: Vec<Received>,
    },
    /// Fragments gained or lost.
    Announce {
        /// One entry per content that changed.
        holdings: Vec<Holding>,
        /// Whether the inventory is complete with this announce.
        completes_inventory: bool,
    },
    /// An assignment could not be carried out.
    AssignmentFailed {
        /// The content.
        content: ContentId,
        /// Reason of the failure.
        failure: AssignmentFailure,
        /// Words for the log.
        detail: String,
    },
    /// The peer lives: its answer to [`Order::Ask`].
    Alive {
        /// Number of the question.
        question: u64,
    },
    /// The peer is stopping on purpose.
    Leave,
    /// A probe is over.
    Probed {
        /// Number of the order.
        probe: u64,
        /// The answer, or the reason in words for which none came.
        outcome: Result<Answer, String>,
    },
    /// A sample was read: the answer to [`Order::Check`].
    Checked {
        /// Number of the order.
        check: u64,
        /// Its result.
        outcome: SampleOutcome,
    },
    /// An eviction was not obeyed because a copy that was to remain could not be read.
    Kept {
        /// The content.
        content: ContentId,
        /// Holder of the copy that was to remain.
        holder: PeerId,
        /// The result of reading it, which is no proof.
        outcome: SampleOutcome,
    },
    /// Shared files became absent, or came back; only to a tracker that takes such news.
    Files(Vec<FileNews>),
    /// A source could not be dialled.
    Unreached {
        /// The source.
        peer: PeerId,
        /// Reason in words.
        error: String,
    },
}

/// The answer of whoever was dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A peer with this id.
    Peer(PeerId),
    /// An older peer, or another program.
    Nameless,
}

/// Reasons for which an assignment failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignmentFailure {
    /// No room on the disk or in the capacity.
    NoRoom,
    /// No source had the fragments, or none answered in time.
    NoSource,
    /// The store failed.
    Store,
}

impl fmt::Display for AssignmentFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRoom => "no_room",
            Self::NoSource => "no_source",
            Self::Store => "store",
        })
    }
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
    /// The network; none from older trackers.
    pub network: Option<NetworkId>,
    /// The tracker's epoch; the peer refuses orders of older ones from now on.
    pub epoch: Epoch,
    /// Time that the lease runs after each heartbeat.
    pub lease: Duration,
    /// Interval of the heartbeats.
    pub heartbeat: Duration,
    /// Buckets in which the tracker's knowledge differs from the peer's digests: the peer lists these. `None`
    /// means all.
    pub listing: Option<DigestBuckets>,
    /// Set when the peer is a visitor because no other machine can dial its address: the address from which
    /// the tracker sees it.
    pub visitor_host: Option<IpAddr>,
    /// Defaults of the network.
    pub defaults: NetworkDefaults,
    /// Whether the tracker takes news of absent files.
    pub takes_file_news: bool,
    /// Secret that calls in the peer's name carry; the border adds it for a peer that has proved its key.
    pub secret: Option<SessionSecret>,
}

/// Choices for contents whose publishers choose nothing, the same in the whole network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkDefaults {
    /// Replicas wanted of every fragment.
    pub replicas: ReplicationTarget,
    /// Length of the fragments; none lets the content's length decide.
    pub fragment_length: Option<FragmentLength>,
}

impl Default for NetworkDefaults {
    /// Defaults where no network says anything else.
    fn default() -> Self {
        Self {
            replicas: ReplicationTarget::DEFAULT,
            fragment_length: None,
        }
    }
}

/// The tracker's answer to a [`Hello`] in whose way another run of the peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelloRefusal {
    /// Another run has a session, and may have ended unnoticed: the hello is to be said again in a moment.
    ContestedBy(HostPort),
    /// Another run goes on with its session, on another copy of the data directory: the hello may be said
    /// again now and then, as one that was refused.
    CopyOf(HostPort),
    /// A later run of the peer was in the network: the data directory comes from a backup.
    OlderThan(Incarnation),
    /// The tracker is of this network, and the peer was in another one last: it may say hello as a peer of
    /// this one.
    OtherNetwork(NetworkId),
    /// The run is further ahead of the latest one that the tracker knows than restarts explain: the peer
    /// counts on from that one.
    AheadOf(Incarnation),
}

/// A holder offered to a fetcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Id of the peer.
    pub peer: PeerId,
    /// Address to dial.
    pub address: HostPort,
    /// Failure domain, if known: a fetcher in the same domain prefers the source.
    pub zone: Option<Zone>,
    /// Reason to believe it: a fetcher tries those with the best one first.
    pub rank: SourceRank,
}

impl From<Holder> for Source {
    fn from(holder: Holder) -> Self {
        Self {
            peer: holder.peer.id,
            address: holder.peer.address,
            zone: holder.peer.zone,
            rank: holder.rank,
        }
    }
}

/// A copy that remains when a peer drops its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// Its holder.
    pub holder: Source,
    /// The fragments that it has.
    pub fragments: FragmentSet,
}

impl Remaining {
    /// Copies that one order names at most.
    pub const MOST: usize = 32;
}

/// Messages of a tracker: orders to a peer, and marks to remember.
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
        /// Sources to begin with.
        sources: Vec<Source>,
    },
    /// Hold nothing of this content any longer.
    Evict {
        /// The tracker's epoch.
        epoch: Epoch,
        /// The content.
        content: ContentId,
        /// Reason of the eviction.
        reason: EvictReason,
        /// The last message of the session that the order takes into account; the peer ignores the order when
        /// it has announced something about the content since.
        as_of_sequence: u64,
        /// Copies that remain, at most [`Remaining::MOST`]: the peer reads a block of each before it obeys.
        /// Earlier trackers name none.
        remaining: Vec<Remaining>,
    },
    /// Read a sample of a copy, and report it.
    Check {
        /// The tracker's epoch.
        epoch: Epoch,
        /// Number of the order.
        check: u64,
        /// The holder.
        holder: Source,
        /// The block to be read.
        sample: Sample,
    },
    /// Dial an address, ask who answers, and report it.
    Probe {
        /// The tracker's epoch.
        epoch: Epoch,
        /// Number of the order.
        probe: u64,
        /// The peer that should answer.
        peer: PeerId,
        /// Address to dial.
        address: HostPort,
    },
    /// Bring this back with the next hello. Its epoch is the tracker's.
    Remember(Mark),
    /// Answer at once: another run has said hello for this peer, and may be the only one that lives.
    Ask {
        /// The tracker's epoch.
        epoch: Epoch,
        /// Number of the question.
        question: u64,
    },
    /// Show the user whether other peers can dial this one.
    Reach {
        /// The tracker's epoch.
        epoch: Epoch,
        /// Failure of the others; none when nothing is known to be wrong.
        failure: Option<DialFailure>,
    },
    /// Publish with these defaults from now on.
    Adopt {
        /// The tracker's epoch.
        epoch: Epoch,
        /// The defaults.
        defaults: NetworkDefaults,
    },
}

impl Order {
    /// The tracker's epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::Assign { epoch, .. }
            | Self::Evict { epoch, .. }
            | Self::Probe { epoch, .. }
            | Self::Check { epoch, .. }
            | Self::Ask { epoch, .. }
            | Self::Reach { epoch, .. }
            | Self::Adopt { epoch, .. } => *epoch,
            Self::Remember(mark) => mark.epoch,
        }
    }
}

/// Reasons for evicting a content; each decides how much of it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictReason {
    /// No name refers to the content: the peer drops all of it, in every role.
    Unreferenced,
    /// More replicas exist than wanted: the assignment ends; files that the peer's own user published or
    /// fetched stay.
    Surplus,
    /// The peer's own user has asked for it: all of it goes.
    Released,
}

impl fmt::Display for EvictReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreferenced => "unreferenced",
            Self::Surplus => "surplus",
            Self::Released => "released",
        })
    }
}
