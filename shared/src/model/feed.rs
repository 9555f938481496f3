//! The feed: the changes in a network, in their order.

use super::{Absence, Binding, Epoch, Health, HostPort, Mark, Name, PeerId, PeerInfo, Revision};

/// A change, given as the new state, so applying an event twice is harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedEvent {
    /// A name is bound to a content.
    Published(Binding),
    /// A binding moved to another name.
    Renamed {
        /// The old name.
        from: Name,
        /// The revision of the old name's tombstone.
        tombstone: Revision,
        /// The new name and its binding.
        to: Binding,
    },
    /// A name is bound to nothing any more.
    Removed {
        /// The name.
        name: Name,
        /// The revision of its tombstone.
        revision: Revision,
    },
    /// A content's replicas became more or fewer, or its target changed; one event for each of its names. The
    /// replicas of a collection include those of its parts.
    Standing {
        /// The name.
        name: Name,
        /// The revision that is bound to the content.
        revision: Revision,
        /// Health of the content.
        health: Health,
    },
    /// A peer lives, is suspect, is lost, or is used for something else.
    Peer {
        /// State of the peer.
        peer: PeerInfo,
        /// Whether it is lost because it left.
        has_left: bool,
    },
    /// A file that a peer shares is absent, or back; one event for each name of its content, or of the
    /// collection that it is in.
    File {
        /// The name.
        name: Name,
        /// The revision that is bound to the content.
        revision: Revision,
        /// The peer.
        peer: PeerId,
        /// Address where the peer is dialled.
        address: HostPort,
        /// The reason; none when the file is back.
        absence: Option<Absence>,
    },
    /// The tracker restarted and learns the state of peers and replicas anew. Names are not concerned.
    EpochBegun(Epoch),
    /// The restarted tracker knows the state of peers and replicas again.
    Settled,
}

/// Position of a follower in a feed: brought back to receive the events after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedPosition {
    /// Mark of the tracker's history; finds the position again after restarts of the tracker.
    pub mark: Mark,
    /// The number of the last event, within the run of the tracker that the mark names.
    pub sequence: u64,
}

/// Some events, and the position after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// Position after these events.
    pub position: FeedPosition,
    /// Whether events before these are lost: the follower should read everything again.
    pub is_gap: bool,
    /// Whether more follow at once.
    pub has_more: bool,
    /// Events in order.
    pub events: Vec<FeedEvent>,
}

impl FeedPage {
    /// No page has more: a few hundred kilobytes, however long the names are.
    pub const MAX_EVENTS: usize = 512;
}
