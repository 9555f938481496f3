//! Durability: the losses that contents survive, their dangers, and their repair.

use std::time::Duration;

use super::{ContentId, Extent, Health, Name, PeerId, Reason, Zone};

/// Losses that would destroy data. Only kept replicas on live peers count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Peers whose loss alone loses a fragment; at most [`Losses::LISTED`] of them, the worst first.
    pub peers: Vec<PeerId>,
    /// Number of these peers.
    pub peer_count: u64,
    /// Pairs of peers whose loss together loses a fragment, and neither's alone; at most [`Losses::LISTED`].
    pub pairs: Vec<(PeerId, PeerId)>,
    /// Number of these pairs; at most [`Losses::PAIRS_COUNTED`] are counted.
    pub pair_count: u64,
    /// Zones whose loss loses a fragment; at most [`Losses::LISTED`].
    pub zones: Vec<Zone>,
    /// Number of these zones.
    pub zone_count: u64,
}

impl Losses {
    /// Largest number listed; more are counted only.
    pub const LISTED: usize = 16;

    /// Largest number of pairs counted.
    pub const PAIRS_COUNTED: usize = 10_000;
}

/// Durability of one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// The name asked for, or one that the content has.
    pub name: Name,
    /// The content.
    pub content: ContentId,
    /// Health of the content.
    pub health: Health,
    /// Number of peers, any of them, that can be lost at once without losing a byte; 0 also when a byte is
    /// lost already.
    pub survives_any: u32,
    /// Live peers that keep something of it.
    pub keepers: u32,
    /// Those of them whose copies others have read; trackers of earlier versions do not tell.
    pub proved: Option<u32>,
    /// Draining peers among them.
    pub draining: u32,
    /// Keepers that are silent at the moment.
    pub away: u32,
    /// Live peers that hold something without keeping it.
    pub sources: u32,
    /// Losses that the content would not survive.
    pub fatal: Losses,
    /// State of its repair.
    pub repair: Repair,
    /// Reasons for being below the target, or for replicas that share a zone.
    pub reasons: Vec<Reason>,
    /// Size of everything that this is about; trackers of earlier versions look at the catalog alone.
    pub extent: Option<Extent>,
}

/// State of the repair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Bytes that assigned peers have been asked for and not yet announced.
    pub bytes_under_way: u64,
    /// Bytes that no peer has been asked to copy yet although one could.
    pub bytes_waiting: u64,
    /// Bytes a second that arrived at assigned peers in the last minute, in the whole network.
    pub pace: u64,
    /// Time until the end at that pace, including everything else under way; `None` when there is nothing to
    /// do or nothing moves.
    pub remaining: Option<Duration>,
}

/// Durability of all contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Contents with a name and at least one fragment.
    pub contents: u64,
    /// Bytes of the contents, each content once.
    pub bytes: u64,
    /// Number of contents at their target.
    pub replicated: u64,
    /// Number of contents below their target that can be read.
    pub degraded: u64,
    /// Number of contents that cannot be read now.
    pub unavailable: u64,
    /// Numbers of contents that survive the loss of no peer, of any one, of any two, of any three or more.
    /// The first number includes those that cannot be read already.
    pub survives: [u64; 4],
    /// Losses that would destroy data of any content.
    pub fatal: Losses,
    /// The names of contents that survive the fewest losses and are below their target, at most
    /// [`Survey::LISTED`]; the worst first.
    pub endangered: Vec<Endangered>,
    /// Number of all such names, also of those that are not listed; a tracker of an earlier version says 0.
    pub endangered_names: u64,
    /// State of the repair.
    pub repair: Repair,
    /// Whether not all peers have reported after a restart of the tracker: then all of this is too
    /// pessimistic.
    pub in_safe_mode: bool,
}

impl Survey {
    /// Largest number of endangered names listed; `endangered_names` counts all.
    pub const LISTED: usize = 100;
}

/// A content that is below its target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endangered {
    /// Live replicas of the fragment that has the fewest.
    pub fewest: u32,
    /// One of its names.
    pub name: Name,
    /// Replicas wanted.
    pub target: u32,
    /// Fragment copies under way.
    pub copies_under_way: u32,
}

/// State of a fetch on the peer that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchStanding {
    /// Bytes held of those to fetch.
    pub held_bytes: u64,
    /// Bytes that it is to bring.
    pub length: u64,
    /// Peers that are sending something now.
    pub sources: u32,
    /// Reasons for a fetch that brings nothing, less than everything, or less than it could, the gravest
    /// first.
    pub reasons: Vec<Reason>,
}

impl FetchStanding {
    /// Merges the states of two fetches of parts of one collection; each reason appears once.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.held_bytes = self.held_bytes.saturating_add(other.held_bytes);
        self.length = self.length.saturating_add(other.length);
        self.sources = self.sources.max(other.sources);
        for reason in other.reasons {
            if self.reasons.iter().all(|known| known.code != reason.code) {
                self.reasons.push(reason);
            }
        }
        self
    }
}

/// Reasons for which a content is below its target, or waits to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The name asked for, or one that the content has.
    pub name: Name,
    /// The content.
    pub content: ContentId,
    /// Health of the content.
    pub health: Health,
    /// Reasons, the gravest first; empty when all is well.
    pub reasons: Vec<Reason>,
    /// State of its fetch on the peer that was asked; trackers know of none.
    pub fetch: Option<FetchStanding>,
    /// As in [`Durability`].
    pub extent: Option<Extent>,
}
