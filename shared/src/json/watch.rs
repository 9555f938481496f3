//! Lines of `peer watch`.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::model::{Absence, ContentState};

/// A line of `peer watch`: an event and the time at which it was seen.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WatchLine {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// An event of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event: the network is followed from now on.
    Watching {
        /// Number of names.
        names: usize,
        /// Number of known peers.
        peers: usize,
    },
    /// A name is bound to a content.
    Published {
        /// The name.
        name: String,
        /// Its revision.
        revision: u64,
        /// The content.
        content: String,
        /// Its bytes.
        length: u64,
        /// Number of earlier revisions that the watcher has not seen.
        missed: u64,
        /// The content's name until now, when it was renamed.
        #[serde(skip_serializing_if = "Option::is_none")]
        renamed_from: Option<String>,
    },
    /// A name is removed.
    Removed {
        /// The name.
        name: String,
        /// The content that it was bound to.
        content: String,
        /// The content's name from now on, when it was renamed.
        #[serde(skip_serializing_if = "Option::is_none")]
        renamed_to: Option<String>,
    },
    /// Every fragment has its target of replicas, for the first time at this revision.
    Replicated {
        /// The name.
        name: String,
        /// Its revision.
        revision: u64,
        /// Number of replicas.
        target: u32,
    },
    /// A content that had its replicas has fewer now.
    Endangered {
        /// The name.
        name: String,
        /// Its revision.
        revision: u64,
        /// `degraded` or `unavailable`.
        #[serde(serialize_with = "as_text")]
        #[cfg_attr(test, schemars(with = "String"))]
        state: ContentState,
        /// Replicas of the fragment that has the fewest.
        fewest: u32,
        /// Replicas wanted.
        target: u32,
    },
    /// A content has its replicas again.
    Repaired {
        /// The name.
        name: String,
        /// Its revision.
        revision: u64,
        /// Number of replicas.
        target: u32,
    },
    /// A file that a peer shares is absent: nothing of it counts until it is back.
    FileAway {
        /// The name.
        name: String,
        /// The peer's id.
        peer: String,
        /// The address where the peer is dialled.
        addr: String,
        /// `gone`, `changed`, `unreadable` or `failing`.
        #[serde(serialize_with = "as_text")]
        #[cfg_attr(test, schemars(with = "String"))]
        absence: Absence,
    },
    /// A file that was absent is shared again, or not shared any more.
    FileBack {
        /// The name.
        name: String,
        /// The peer's id.
        peer: String,
        /// The address where the peer is dialled.
        addr: String,
    },
    /// A peer that was not known is live.
    PeerJoined(Peer),
    /// A peer's lease is late.
    PeerSuspect(Peer),
    /// A peer's lease ran out, or it left: its replicas no longer count.
    PeerLost(Peer),
    /// A peer that was suspect or lost is live again.
    PeerReturned(Peer),
    /// A peer is being drained: its replicas are moved to other peers.
    PeerDraining(Peer),
    /// A peer is in maintenance: it may be away for a while.
    PeerInMaintenance(Peer),
    /// Another node was refused because it runs on a copy of this peer's data directory.
    PeerCopied(Peer),
    /// A peer's drain or maintenance is over.
    PeerActive(Peer),
    /// The network could not be followed for a while; changes of peers and replicas in that time may be
    /// missing.
    Interrupted {
        /// Duration of the interruption.
        for_ms: u64,
        /// Whether the tracker has begun a new epoch in that time.
        restarted: bool,
        /// Whether changes of names may be missing too: only the difference between before and after is told.
        gap: bool,
    },
}

fn as_text<S: Serializer>(state: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(state)
}

/// The peer that an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Peer {
    /// The peer's id.
    pub peer: String,
    /// The address where it is dialled.
    pub addr: String,
    /// Whether the peer is lost because it left.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
}
