//! What the scheduler is told and what it answers.

use shared::model::{FragmentIndex, FragmentSet, PeerId};

/// How many requests may be in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// To one source, once it has proven itself; at least 1.
    pub per_source: u32,
    /// To all sources together; at least 1.
    pub in_all: u32,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These fragments, and no others, are to be held in the end.
    Want(FragmentSet),
    /// A source can be asked, or again, which ends a ban. What it holds follows.
    Joined {
        /// Who.
        source: PeerId,
        /// Whether it is known to be in our zone.
        is_near: bool,
    },
    /// A source that has joined holds these fragments, and no others; some more are arriving there.
    Has {
        /// Who.
        source: PeerId,
        /// What.
        fragments: FragmentSet,
        /// What is arriving there now: it passes the blocks on as they arrive.
        coming: FragmentSet,
    },
    /// What a source that has joined does for others.
    Serves {
        /// Who.
        source: PeerId,
        /// What it has lately handed out, to whomever: these are in the swarm, or on their way into it.
        handed_out: FragmentSet,
        /// Whether it serves as many requests as it can.
        is_full: bool,
    },
    /// A source cannot be asked any more; it may join again.
    Left {
        /// Who.
        source: PeerId,
    },
    /// The fragment has been verified and written; whatever else this source was asked about it is over.
    Delivered {
        /// By whom.
        source: PeerId,
        /// What.
        fragment: FragmentIndex,
    },
    /// We have sent somebody the whole fragment.
    PassedOn {
        /// What.
        fragment: FragmentIndex,
    },
    /// The request ended without the fragment.
    Failed {
        /// By whom.
        source: PeerId,
        /// What.
        fragment: FragmentIndex,
        /// Why.
        failure: Failure,
    },
    /// Whether our own limit on what we take is what requests wait for, from now on; if so, how many of them keep it busy:
    /// more are not made, and none counts as late. At least 1.
    Throttled(Option<u32>),
    /// Time has passed.
    Tick,
}

impl Event {
    /// The source that the event is about, if it is about one.
    #[must_use]
    pub const fn source(&self) -> Option<PeerId> {
        match self {
            Self::Joined { source, .. }
            | Self::Has { source, .. }
            | Self::Serves { source, .. }
            | Self::Left { source }
            | Self::Delivered { source, .. }
            | Self::Failed { source, .. } => Some(*source),
            Self::Want(_) | Self::PassedOn { .. } | Self::Throttled(_) | Self::Tick => None,
        }
    }
}

/// Why a request ended without its fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// What came does not match its hash, or is not what was asked for.
    Corrupt,
    /// Nothing came for too long.
    TimedOut,
    /// The source serves others at the moment.
    Busy,
    /// The connection broke, or the source ended the request early.
    ConnectionLost,
    /// The source does not hold the fragment (any more).
    DoesNotHold,
    /// The source has lately handed the fragment out to someone else, and was asked for it only if it had not.
    HandedOut,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the source for the fragment; answered by `Delivered` or `Failed`, unless it is cancelled before.
    Request {
        /// Whom.
        source: PeerId,
        /// For what.
        fragment: FragmentIndex,
        /// Only if the source has not handed it out to someone else lately.
        if_new: bool,
    },
    /// Ask this source for the rest of a fragment that another one sends too slowly; that request is not needed any more,
    /// but what has come of the fragment is kept.
    Move {
        /// Whom it was asked of.
        from: PeerId,
        /// Whom to ask.
        to: PeerId,
        /// For what.
        fragment: FragmentIndex,
    },
    /// The answer to this request is no longer needed. (If it comes all the same, it counts.)
    Cancel {
        /// Whom it was made to.
        source: PeerId,
        /// What it was for.
        fragment: FragmentIndex,
    },
    /// The source sent bytes that do not match their hash; it is banned when it does so again and again.
    Liar {
        /// Who.
        source: PeerId,
        /// Of what.
        fragment: FragmentIndex,
    },
}

/// How things stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Wanted fragments that are not held.
    pub pending: u32,
    /// Fragments that are being sent to us.
    pub in_flight: u32,
    /// Missing fragments that no source holds: others must be found.
    pub unsourced: u32,
    /// Sources that can be asked, now or later.
    pub sources: u32,
    /// Those of them that are serving a request.
    pub serving: u32,
    /// Those of them that are left alone for a while after a failure.
    pub waiting: u32,
}
