//! The feed: what has changed in a network, in the order in which it did.

use super::{Binding, Epoch, Health, Mark, Name, PeerInfo, Revision};

/// Something has changed; says how it is now, so taking the same event in twice is harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedEvent {
    /// A name is bound to a content.
    Published(Binding),
    /// What a name was bound to has another name.
    Renamed {
        /// The old name.
        from: Name,
        /// The revision of the old name's tombstone.
        tombstone: Revision,
        /// The new name, and what it is bound to.
        to: Binding,
    },
    /// A name is bound to nothing any more.
    Removed {
        /// The name.
        name: Name,
        /// The revision of its tombstone.
        revision: Revision,
    },
    /// A content's replicas are more or fewer than before, or it has another target; told for each of its names. Of a
    /// collection with the replicas of its parts.
    Standing {
        /// The name.
        name: Name,
        /// The revision that is bound to the content.
        revision: Revision,
        /// How its replicas stand.
        health: Health,
    },
    /// A peer lives, is suspect, is lost, or is used for something else.
    Peer {
        /// How it is now.
        peer: PeerInfo,
        /// Whether it is lost because it left.
        has_left: bool,
    },
    /// The tracker has restarted: what it believes of peers and replicas it learns anew. Names are not concerned.
    EpochBegun(Epoch),
    /// It has: what it says of peers and replicas is so.
    Settled,
}

/// How far somebody has followed a feed: brought back to be told what came after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedPosition {
    /// How far the tracker's history had come; what outlives its restarts is found again by this.
    pub mark: Mark,
    /// The number of the last event, within the run of the tracker that the mark names.
    pub sequence: u64,
}

/// Some events, and where they lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// How far whoever has these has come.
    pub position: FeedPosition,
    /// Whether something before them cannot be told any more: everything should be looked at again.
    pub is_gap: bool,
    /// Whether more follow at once.
    pub has_more: bool,
    /// In order.
    pub events: Vec<FeedEvent>,
}

impl FeedPage {
    /// No page has more: a few hundred kilobytes, however long the names are.
    pub const MAX_EVENTS: usize = 512;
}
