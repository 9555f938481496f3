//! Events that the scheduler takes in, and actions and summaries that it returns.

use shared::model::{FragmentIndex, FragmentSet, PeerId};

/// Limits on the requests in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Requests to one source, once it has proven itself; at least 1.
    pub per_source: u32,
    /// Requests to all sources together; at least 1.
    pub in_all: u32,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These fragments, and no others, are to be held in the end.
    Want(FragmentSet),
    /// These fragments were held, and have been found damaged: they are held no longer. A [`Self::Want`]
    /// follows.
    Lost(FragmentSet),
    /// A source can be asked, perhaps again, which ends a ban. The fragments that it holds follow.
    Joined {
        /// The source.
        source: PeerId,
        /// Whether the source is known to be in this peer's zone.
        is_near: bool,
    },
    /// A source that has joined holds these fragments, and no others; some more are arriving there.
    Has {
        /// The source.
        source: PeerId,
        /// The fragments that it holds.
        fragments: FragmentSet,
        /// The fragments that are arriving there now: it passes the blocks on as they arrive.
        coming: FragmentSet,
    },
    /// A source that has joined serves other peers.
    Serves {
        /// The source.
        source: PeerId,
        /// The fragments that it has lately handed out to any peer: these are in the swarm, or on their way
        /// into it.
        handed_out: FragmentSet,
        /// Whether the source serves as many requests as it can.
        is_full: bool,
    },
    /// A source cannot be asked any more; it may join again.
    Left {
        /// The source.
        source: PeerId,
    },
    /// The fragment has been verified and written; any other request to this source for it is over.
    Delivered {
        /// The source that was asked.
        source: PeerId,
        /// The fragment.
        fragment: FragmentIndex,
    },
    /// This peer has sent the whole fragment to another one.
    PassedOn {
        /// The fragment.
        fragment: FragmentIndex,
    },
    /// The request ended without the fragment.
    Failed {
        /// The source that was asked.
        source: PeerId,
        /// The fragment.
        fragment: FragmentIndex,
        /// The reason.
        failure: Failure,
    },
    /// From now on requests wait for this peer's own download limit, and this number of them (at least 1)
    /// keeps it busy: more are not made, and none counts as late. None: requests no longer wait for it.
    Throttled(Option<u32>),
    /// Time has passed.
    Tick,
}

impl Event {
    /// Returns the source that the event is about, if it is about one.
    #[must_use]
    pub const fn source(&self) -> Option<PeerId> {
        match self {
            Self::Joined { source, .. }
            | Self::Has { source, .. }
            | Self::Serves { source, .. }
            | Self::Left { source }
            | Self::Delivered { source, .. }
            | Self::Failed { source, .. } => Some(*source),
            Self::Want(_) | Self::Lost(_) | Self::PassedOn { .. } | Self::Throttled(_) | Self::Tick => None,
        }
    }
}

/// The reason for which a request ended without its fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The bytes do not match their hash, or were not asked for.
    Corrupt,
    /// Nothing came for too long.
    TimedOut,
    /// The source serves other peers at the moment.
    Busy,
    /// The connection broke, or the source ended the request early.
    ConnectionLost,
    /// The source does not hold the fragment (any more).
    DoesNotHold,
    /// The source has lately handed the fragment out to another peer, and was asked for it only if it had
    /// not.
    HandedOut,
}

/// An action to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the source for the fragment; answered by `Delivered` or `Failed`, unless it is cancelled before.
    Request {
        /// The source to ask.
        source: PeerId,
        /// The fragment.
        fragment: FragmentIndex,
        /// Whether the source should refuse if it has lately handed the fragment out to another peer.
        if_new: bool,
    },
    /// Ask another source for the rest of a fragment that a source sends too slowly. The slow request is not
    /// needed any more, but the part of the fragment that has come is kept.
    Move {
        /// The slow source.
        from: PeerId,
        /// The source to ask.
        to: PeerId,
        /// The fragment.
        fragment: FragmentIndex,
    },
    /// Cancel this request: its answer is no longer needed. (If it comes all the same, it counts.)
    Cancel {
        /// The source that was asked.
        source: PeerId,
        /// The fragment.
        fragment: FragmentIndex,
    },
    /// Record that the source sent bytes that do not match their hash; it is banned when it does so
    /// repeatedly.
    RecordFault {
        /// The source.
        source: PeerId,
        /// The fragment.
        fragment: FragmentIndex,
    },
}

/// State of a fetch in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedulerSummary {
    /// Wanted fragments that are not held.
    pub pending: u32,
    /// Fragments that are on their way to this peer.
    pub in_flight: u32,
    /// Missing fragments that no source holds: other sources must be found.
    pub unsourced: u32,
    /// Sources that can be asked, now or later.
    pub sources: u32,
    /// Sources that are serving a request.
    pub serving: u32,
    /// Sources that are left alone for a while after a failure.
    pub waiting: u32,
}
