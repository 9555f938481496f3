//! What is told of a network: promised to scripts, so kinds and fields are only ever added.

use serde::{Serialize, Serializer};
use shared::model::ContentState;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// From now on.
    Watching {
        /// How many names there are.
        names: usize,
        /// How many peers are known.
        peers: usize,
    },
    /// A name is bound to something.
    Published {
        /// The name.
        name: String,
        /// Its revision.
        revision: u64,
        /// The content.
        content: String,
        /// Its bytes.
        length: u64,
        /// Revisions in between that nobody saw.
        missed: u64,
        /// The name that it had until now.
        #[serde(skip_serializing_if = "Option::is_none")]
        renamed_from: Option<String>,
    },
    /// A name is bound to nothing any more.
    Removed {
        /// The name.
        name: String,
        /// The content that it was bound to.
        content: String,
        /// The name that this has from now on.
        #[serde(skip_serializing_if = "Option::is_none")]
        renamed_to: Option<String>,
    },
    /// Every fragment has its target of replicas, for the first time at this revision.
    Replicated {
        /// The name.
        name: String,
        /// Its revision.
        revision: u64,
        /// How many replicas.
        target: u32,
    },
    /// It had its replicas, and has fewer now.
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
        /// How many are wanted.
        target: u32,
    },
    /// It has its replicas again.
    Repaired {
        /// The name.
        name: String,
        /// Its revision.
        revision: u64,
        /// How many replicas.
        target: u32,
    },
    /// A peer is live that was not known.
    PeerJoined(Peer),
    /// A peer's lease is late.
    PeerSuspect(Peer),
    /// A peer's lease ran out, or it left: what it held counts no longer.
    PeerLost(Peer),
    /// A peer that was suspect or lost is live again.
    PeerReturned(Peer),
    /// A peer is to leave for good: what it holds is moved to others.
    PeerDraining(Peer),
    /// A peer may be away for a while, and is waited for.
    PeerInMaintenance(Peer),
    /// A peer's drain or maintenance is over.
    PeerActive(Peer),
    /// The network could not be followed for a while. What came and went of peers and replicas meanwhile is not told.
    Interrupted {
        /// For how long.
        for_ms: u64,
        /// Whether the tracker has begun a new epoch meanwhile.
        restarted: bool,
        /// Whether names may have come and gone without being told too: only what is different since is.
        gap: bool,
    },
}

fn as_text<S: Serializer>(state: &ContentState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(state)
}

/// Who it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Peer {
    /// Its id.
    pub peer: String,
    /// Where it is dialled.
    pub addr: String,
    /// Whether it is lost because it left.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
}
