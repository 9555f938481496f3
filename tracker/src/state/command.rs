//! Commands to the state, its answers, and the effects of both.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use shared::model::{
    Binding, ContentId, Epoch, FragmentLength, Hello, HelloRefusal, HostPort, Incarnation, KeyHash, Name,
    NameError, NetworkId, Numbered, Order, PeerId, PeerMode, PinWish, ReplicationTarget, Report,
    RequestedMode, Revision, RevisionEntry, RevisionLimit, RunId, Welcome,
};
use shared::security::authorization::Denial;
use shared::{Coded, ErrorCode};

use super::record::Record;
use super::security::{Refused, SecurityCommand, SecurityReply};
use crate::policy::Policy;

pub use proto::messages::Publish;

/// One session of a peer with this run of the tracker; never used twice within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

impl SessionId {
    /// Wraps a number that no other session of this run has.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The sender of a call, as far as it is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who shows nothing.
    Anonymous,
    /// Somebody who shows the secret of no session that this run of the tracker has: it is over, or made up.
    Former,
    /// A peer, in a session of its own, which may be over by now.
    Peer {
        /// The peer.
        id: PeerId,
        /// The session.
        session: SessionId,
    },
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The address of the caller.
    pub remote: IpAddr,
    /// The address of this tracker that it dialled.
    pub local: IpAddr,
}

impl Origin {
    /// Returns whether the caller is on this machine.
    #[must_use]
    pub fn is_here(self) -> bool {
        let (remote, local) = (self.remote.to_canonical(), self.local.to_canonical());
        remote.is_loopback() || remote == local
    }

    /// Returns the caller's machine: its address, or loopback for this machine.
    #[must_use]
    pub fn machine(self) -> IpAddr {
        match self.is_here() {
            true => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            false => self.remote.to_canonical(),
        }
    }
}

/// Something that may change the state.
#[derive(Clone, Debug)]
pub enum Command {
    /// The tracker starts to serve; the first command of a run.
    BeginEpoch,
    /// Binds a name.
    Publish {
        /// The name, and what it is bound to.
        publish: Publish,
        /// The sender of the call.
        caller: Caller,
    },
    /// Removes a name.
    Remove {
        /// The name.
        name: Name,
        /// The revision that the caller has seen; none means whatever is bound.
        expected: Option<Revision>,
    },
    /// Gives the binding of a name to another name, which is not bound.
    Rename {
        /// The name.
        from: Name,
        /// The other name.
        to: Name,
        /// The revision that the caller has seen; none means whatever is bound.
        expected: Option<Revision>,
    },
    /// Changes the replication target of a name.
    SetTarget {
        /// The name.
        name: Name,
        /// The revision that the caller has seen; none means whatever is bound.
        expected: Option<Revision>,
        /// Replicas wanted of every fragment.
        target: ReplicationTarget,
    },
    /// Adopts another policy. It is not journaled: every start of the tracker states it anew.
    Adopt(Box<Policy>),
    /// Changes how many revisions of every name are remembered.
    KeepRevisions(RevisionLimit),
    /// Pins or unpins a revision of a name.
    Pin(PinWish),
    /// Changes the mode of a peer.
    SetPeerMode {
        /// The peer.
        peer: PeerId,
        /// The requested mode.
        wish: RequestedMode,
    },
    /// Forgets a peer that is lost.
    ForgetPeer(PeerId),
    /// Lets a peer drop its copy of a content, because its user wants to.
    Release {
        /// The peer.
        peer: PeerId,
        /// The subject.
        content: ContentId,
        /// The run that calls; peers of earlier versions do not say.
        run: Option<RunId>,
        /// The sender of the call.
        caller: Caller,
    },
    /// A peer says hello.
    OpenSession {
        /// The new session.
        session: SessionId,
        /// The message.
        hello: Hello,
        /// The key that the peer has proved to have, if any.
        key: Option<KeyHash>,
        /// The two ends of its connection, if they are known.
        origin: Option<Origin>,
    },
    /// A peer reports.
    Report {
        /// The session.
        session: SessionId,
        /// The report and its number in the session.
        report: Numbered<Report>,
    },
    /// A session's stream has ended.
    CloseSession {
        /// The session.
        session: SessionId,
    },
    /// Something about tokens and members.
    Security(SecurityCommand),
    /// Lets time pass: leases run out, and replicas are looked after.
    Tick,
}

/// Result of a command.
#[derive(Debug)]
pub struct Applied {
    /// Answer to the caller.
    pub reply: Result<Reply, Rejection>,
    /// Records that must be durable before the answer is given and the effects are performed.
    pub records: Vec<Record>,
    /// Effects to perform now.
    pub effects: Vec<Effect>,
}

/// Answer to a command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The command has no result.
    Done,
    /// Binding of the name.
    Published(Binding),
    /// Revision of the name's tombstone.
    Removed(Revision),
    /// The peer is registered.
    Welcomed(Welcome),
    /// State of the revision.
    Pinned(RevisionEntry),
    /// Mode of the peer.
    ModeReport(PeerMode),
    /// Answer about tokens and members.
    Security(SecurityReply),
}

/// Action to perform outside the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Sends an order to a peer.
    Send {
        /// Its session.
        session: SessionId,
        /// The subject.
        order: Order,
    },
    /// Ends a session's stream.
    Close {
        /// The session.
        session: SessionId,
        /// The reason.
        why: Closing,
    },
}

/// Everything that a command gathers while it is applied.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) records: Vec<Record>,
    pub(super) effects: Vec<Effect>,
}

impl Outcome {
    /// Sends an order to a peer.
    pub(super) fn send(&mut self, session: SessionId, order: Order) {
        self.effects.push(Effect::Send { session, order });
    }

    /// Ends a session.
    pub(super) fn close(&mut self, session: SessionId, why: Closing) {
        self.effects.push(Effect::Close { session, why });
    }
}

/// Reason for which the tracker ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closing {
    /// The peer said hello again.
    #[error("a newer session of this peer has replaced this one")]
    Replaced,
    /// The peer was silent for lease and grace.
    #[error("nothing was heard from this peer for {0:?}; say hello again")]
    Lost(Duration),
    /// The peer left on purpose.
    #[error("the peer has left")]
    Left,
    /// The peer reads its orders too slowly.
    #[error("the peer reads its orders too slowly")]
    TooSlow,
    /// The tracker has begun another epoch.
    #[error("the tracker has begun a newer epoch; say hello again")]
    NewEpoch,
    /// An administrator has revoked the peer.
    #[error("{}", Denial::Revoked)]
    Revoked,
    /// The tracker stops.
    #[error("the tracker is stopping")]
    Stopping,
}

impl Coded for Closing {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Replaced | Self::Lost(_) | Self::NewEpoch => ErrorCode::Stale,
            Self::Left => ErrorCode::Cancelled,
            Self::Revoked => ErrorCode::FailedPrecondition,
            Self::TooSlow => ErrorCode::Exhausted,
            Self::Stopping => ErrorCode::Unavailable,
        }
    }
}

/// Reason for which a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Nothing is bound to the name.
    #[error("no name {0:?}")]
    NoSuchName(String),
    /// The name is none that can be bound.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Nothing is bound to the name, but a collection is to a beginning of it.
    #[error(
        "no name {path:?}: it is a path inside the directory {collection:?}, and the tracker does not know what is inside; ask a peer"
    )]
    InCollection {
        /// The text.
        path: String,
        /// Name of the collection.
        collection: String,
    },
    /// No name refers to the content.
    #[error("no content {0}")]
    NoSuchContent(ContentId),
    /// The beginning of an id is that of several.
    #[error("several contents begin with {0}, such as {1} and {2}; give more digits")]
    AmbiguousId(String, ContentId, ContentId),
    /// The name is bound, or bound to another revision than expected.
    #[error("{name:?} is bound to content {content} at revision {revision}, {expected}")]
    Bound {
        /// The name.
        name: String,
        /// The content that it is bound to.
        content: ContentId,
        /// The revision of the binding.
        revision: Revision,
        /// The expectation, in words.
        expected: &'static str,
    },
    /// A revision was expected but the name is unbound.
    #[error("{name:?} is not bound; revision {expected} was expected")]
    Unbound {
        /// The name.
        name: String,
        /// The expected revision.
        expected: Revision,
    },
    /// The name has no such revision, or its content is gone.
    #[error("revision {revision} of {name:?} {why}; {there}")]
    NoSuchRevision {
        /// The name.
        name: String,
        /// The revision.
        revision: Revision,
        /// Its fate, in words.
        why: &'static str,
        /// Revisions that are available, in words.
        there: String,
    },
    /// Another caller has pinned or unpinned the revision.
    #[error("{what} is {} by somebody else since; look at it again", if *.is_pinned { "pinned" } else { "unpinned" })]
    PinnedOtherwise {
        /// The revision.
        what: String,
        /// Whether the revision is pinned now.
        is_pinned: bool,
    },
    /// No more revisions of a name can be pinned.
    #[error("{most} revisions of {name:?} are pinned already; unpin one first")]
    TooManyPins {
        /// The name.
        name: String,
        /// The limit.
        most: usize,
    },
    /// The publisher is not connected.
    #[error("peer {0} has no session with this tracker; connect it first")]
    NoSession(PeerId),
    /// The message is of an older run of the peer.
    #[error("peer {peer} is in its run {current} now; run {given} is over")]
    OlderIncarnation {
        /// The peer.
        peer: PeerId,
        /// The run that is known.
        current: Incarnation,
        /// The run that was named.
        given: Incarnation,
    },
    /// Another run of the peer had a session a moment ago.
    #[error(
        "another run of peer {peer} has a session, at {address}; if it has ended, this one is welcome in a moment"
    )]
    Contested {
        /// The peer.
        peer: PeerId,
        /// Address of the run with the session.
        address: HostPort,
    },
    /// Another run of the peer has a session and was heard since.
    #[error("this data directory is a copy of the one at {0}; give it an id of its own with `peer new-id`")]
    CopyOf(HostPort),
    /// The peer was in another network last.
    #[error("this tracker is of network {current}, and the hello is of network {said}")]
    OtherNetwork {
        /// This tracker's network.
        current: NetworkId,
        /// The network that the peer was in last.
        said: NetworkId,
    },
    /// The peer has seen a newer tracker than this one.
    #[error(
        "this tracker is in epoch {current}, the peer has seen epoch {seen}: a newer tracker took over, or this one was restored from an older backup (then stop it, run tracker restored, and start it again), or the peer is from another network"
    )]
    OlderEpoch {
        /// This tracker's epoch.
        current: Epoch,
        /// The epoch that the peer has seen.
        seen: Epoch,
    },
    /// The peer has seen an epoch that is no later one of this tracker.
    #[error(
        "this tracker is in epoch {current}, the peer has seen epoch {seen}: more than {max} epochs lie between, so that is not one of this network's; start the peer with another data directory, or with that other network",
        max = Epoch::MAX_STEP
    )]
    EpochTooFar {
        /// This tracker's epoch.
        current: Epoch,
        /// The epoch that the peer has seen.
        seen: Epoch,
    },
    /// No epoch can follow.
    #[error(
        "the epochs of this journal are used up: no tracker can start on it any more; restore an older backup"
    )]
    EpochsUsedUp,
    /// No generation of revisions can follow.
    #[error(
        "the revisions of this journal are used up: after a restoration none could be told from those given before"
    )]
    GenerationsUsedUp,
    /// No revision can follow.
    #[error("the revisions of {0:?} are used up; use another name")]
    RevisionsUsedUp(String),
    /// No change of the pin can be counted any more.
    #[error("{0} was pinned and unpinned as often as can be counted; it stays as it is")]
    PinsUsedUp(String),
    /// The run of the peer is none that can follow.
    #[error(
        "peer {peer} was in its run {current}, run {given} is more than {max} later: no peer starts so often; it can count on from run {current}",
        max = Incarnation::MAX_STEP
    )]
    RunTooFar {
        /// The peer.
        peer: PeerId,
        /// The run that is known; 0 for none.
        current: Incarnation,
        /// The run that was named.
        given: Incarnation,
    },
    /// The session is over or was replaced.
    #[error("the session is over; say hello again")]
    StaleSession,
    /// A message of the session is missing.
    #[error("message {got} of the session came where {expected} was due")]
    OutOfSequence {
        /// The message that was due.
        expected: u64,
        /// The message that came.
        got: u64,
    },
    /// The content is known in fragments of another length.
    #[error("content {content} is shared in fragments of {known}; publish it with that fragment length")]
    OtherFragments {
        /// The content.
        content: ContentId,
        /// Its fragment length.
        known: FragmentLength,
    },
    /// The publisher has been told to drop the content.
    #[error("the publisher has been told to drop content {0}, and has not answered yet")]
    Evicting(ContentId),
    /// The peer is not known.
    #[error("no peer {0}")]
    NoSuchPeer(PeerId),
    /// A maintenance has no length, or one that nobody waits for.
    #[error("a maintenance of {0:?} is not possible, at most {max:?} is; drain a peer that is away for longer", max = PeerMode::MAX_MAINTENANCE)]
    MaintenanceTooLong(Duration),
    /// The copy would be missed.
    #[error("{left} of the {wanted} replicas that are wanted of content {content} would be left")]
    Missed {
        /// The content.
        content: ContentId,
        /// Replicas on other live peers that stay, of the fragment that has the fewest.
        left: u32,
        /// Replicas that must be left.
        wanted: u32,
    },
    /// The copy would be missed unless others are proved.
    #[error(
        "other copies of content {0} are not proved yet; they are being looked at, try again in a moment"
    )]
    Unproved(ContentId),
    /// The call is not in the session of the peer in whose name it is made.
    #[error("only peer {0} itself may do this, in the run that has its session")]
    NotItself(PeerId),
    /// The peer has another key than the one that was proved.
    #[error(
        "the id of peer {0} belongs to another key; give this data directory an id of its own with `peer new-id`, or, when the other one is gone for good, have it removed with `peer network --remove {0}`"
    )]
    OtherKey(PeerId),
    /// The peer has a key, and none was proved.
    #[error(
        "peer {0} has a key, and this request shows no proof of it: it comes from somebody else, or from an earlier version of the program; start the version that made the key, or a later one"
    )]
    NoKey(PeerId),
    /// The call is in a session that is over.
    #[error("the session of peer {0} that this call belongs to is over; call again in the next one")]
    SessionOver(PeerId),
    /// The journal has lost something, perhaps a name of this content.
    #[error("no name refers to content {0}, and one may be missing since the journal was restored")]
    NameMayBeMissing(ContentId),
    /// The peer has not announced the content.
    #[error("the tracker has not heard yet that peer {peer} holds content {content}; try again in a moment")]
    NotAnnounced {
        /// The peer.
        peer: PeerId,
        /// The subject.
        content: ContentId,
    },
    /// Not all holders are known after a restart.
    #[error("not all peers have reported since the tracker started; try again in a moment")]
    NotAllKnown,
    /// Only a peer that is lost can be forgotten.
    #[error("peer {0} is not lost; it can be removed when it has left or was given up")]
    NotLost(PeerId),
    /// The peer is being drained.
    #[error("peer {0} is being drained; call that off first")]
    Draining(PeerId),
    /// No more peers fit.
    #[error("the tracker knows {0} peers already, none of which has gone, and takes no more")]
    TooManyPeers(usize),
    /// A peer announces too many contents that nobody has published.
    #[error(
        "peer {0} announces more contents that nobody has published than the tracker remembers; publish them first, or free them"
    )]
    TooMuchUnknown(PeerId),
    /// A peer has published too much.
    #[error(
        "the names and contents that peer {0} has published take up as much of the tracker's memory as those of one peer may; remove some names, or use longer fragments"
    )]
    TooMuchPublished(PeerId),
    /// The request is about tokens or members, or comes from somebody who is no member any more.
    #[error(transparent)]
    Security(#[from] Refused),
    /// The tracker is being set up.
    #[error("the tracker has not begun its epoch")]
    NotServing,
}

impl Rejection {
    /// Returns the answer to a hello that the peer understands; none when only a person can do something.
    #[must_use]
    pub fn refusal(&self) -> Option<HelloRefusal> {
        match self {
            Self::Contested { address, .. } => Some(HelloRefusal::ContestedBy(address.clone())),
            Self::CopyOf(address) => Some(HelloRefusal::CopyOf(address.clone())),
            Self::OlderIncarnation { current, .. } => Some(HelloRefusal::OlderThan(*current)),
            Self::RunTooFar { current, .. } => Some(HelloRefusal::AheadOf(*current)),
            Self::OtherNetwork { current, .. } => Some(HelloRefusal::OtherNetwork(*current)),
            _ => None,
        }
    }
}

impl Coded for Rejection {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Security(refused) => refused.code(),
            Self::NoSuchName(_)
            | Self::InCollection { .. }
            | Self::NoSuchRevision { .. }
            | Self::NoSuchContent(_)
            | Self::NoSuchPeer(_) => ErrorCode::NotFound,
            Self::Bound { .. }
            | Self::Unbound { .. }
            | Self::OtherFragments { .. }
            | Self::PinnedOtherwise { .. } => ErrorCode::Conflict,
            Self::NoSession(_)
            | Self::EpochTooFar { .. }
            | Self::OtherNetwork { .. }
            | Self::RunTooFar { .. }
            | Self::Draining(_)
            | Self::NotLost(_)
            | Self::Missed { .. }
            | Self::CopyOf(_)
            | Self::NameMayBeMissing(_) => ErrorCode::FailedPrecondition,
            Self::OlderIncarnation { .. } | Self::OlderEpoch { .. } | Self::StaleSession => ErrorCode::Stale,
            Self::OutOfSequence { .. }
            | Self::MaintenanceTooLong(_)
            | Self::AmbiguousId(..)
            | Self::Name(_) => ErrorCode::InvalidArgument,
            Self::NotItself(_) | Self::OtherKey(_) => ErrorCode::PermissionDenied,
            Self::NoKey(_) | Self::SessionOver(_) => ErrorCode::Unauthenticated,
            Self::TooManyPeers(_)
            | Self::TooMuchUnknown(_)
            | Self::TooMuchPublished(_)
            | Self::TooManyPins { .. }
            | Self::EpochsUsedUp
            | Self::GenerationsUsedUp
            | Self::RevisionsUsedUp(_)
            | Self::PinsUsedUp(_) => ErrorCode::Exhausted,
            // The publisher's answer to the order is on its way; the publication is tried again after it.
            Self::NotServing
            | Self::NotAnnounced { .. }
            | Self::Unproved(_)
            | Self::NotAllKnown
            | Self::Contested { .. }
            | Self::Evicting(_) => ErrorCode::Unavailable,
        }
    }
}
