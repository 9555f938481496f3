//! What the network's contents survive, what endangers them, and what is being done about it.

use std::time::Duration;

use super::{ContentId, Health, Name, PeerId, Reason, Zone};

/// Which losses would take something with them. Only kept replicas on live peers count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Peers whose loss alone loses a fragment; at most [`Losses::LISTED`] of them, the worst first.
    pub peers: Vec<PeerId>,
    /// How many there are.
    pub peer_count: u64,
    /// Pairs of peers whose loss together loses a fragment, and neither's alone; at most [`Losses::LISTED`].
    pub pairs: Vec<(PeerId, PeerId)>,
    /// How many there are; no more than [`Losses::PAIRS_COUNTED`] are counted.
    pub pair_count: u64,
    /// Zones whose loss loses a fragment; at most [`Losses::LISTED`].
    pub zones: Vec<Zone>,
    /// How many there are.
    pub zone_count: u64,
}

impl Losses {
    /// More are counted but not listed.
    pub const LISTED: usize = 16;

    /// More pairs are not counted.
    pub const PAIRS_COUNTED: usize = 10_000;
}

/// How safe one content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// The name asked for, or one that the content has.
    pub name: Name,
    /// The content.
    pub content: ContentId,
    /// How its replicas stand.
    pub health: Health,
    /// How many peers, whichever they are, can be lost at once without losing a byte; 0 also when it has lost some already.
    pub survives_any: u32,
    /// Live peers that keep something of it.
    pub keepers: u32,
    /// Those of them that are being drained.
    pub draining: u32,
    /// Keepers that are silent at the moment.
    pub away: u32,
    /// Live peers that hold something without keeping it.
    pub sources: u32,
    /// Which losses it would not survive.
    pub fatal: Losses,
    /// What is done about it.
    pub repair: Repair,
    /// Why it is below its target, or its replicas share a zone.
    pub reasons: Vec<Reason>,
}

/// What repair is doing and when it will be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Bytes that assigned peers have been asked for and not yet announced.
    pub bytes_under_way: u64,
    /// Bytes that could be copied and that nobody has been asked for yet.
    pub bytes_waiting: u64,
    /// Bytes a second that arrived at assigned peers in the last minute, in the whole network.
    pub pace: u64,
    /// When it will be done at that pace, everything else that is under way included; none when nothing is to be done or
    /// nothing moves.
    pub remaining: Option<Duration>,
}

/// How safe everything is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Contents with a name and at least one fragment.
    pub contents: u64,
    /// Their bytes, each content once.
    pub bytes: u64,
    /// How many are at their target.
    pub replicated: u64,
    /// How many are below it and can be read.
    pub degraded: u64,
    /// How many cannot be read now.
    pub unavailable: u64,
    /// How many survive the loss of no peer, of any one, of any two, of any three or more. In the first are those that
    /// cannot be read already.
    pub survives: [u64; 4],
    /// Which losses would lose something of any content.
    pub fatal: Losses,
    /// The contents that survive the fewest losses and are below their target, at most [`Survey::LISTED`]; the worst first.
    pub endangered: Vec<Endangered>,
    /// What is done about it.
    pub repair: Repair,
    /// Whether not all peers have reported after a restart of the tracker: then all of this is too pessimistic.
    pub in_safe_mode: bool,
}

impl Survey {
    /// More endangered contents are counted in `survives`, and not listed.
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

/// How a fetch stands on the peer that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchStanding {
    /// Bytes of what it is to bring that are held.
    pub held_bytes: u64,
    /// Bytes that it is to bring.
    pub length: u64,
    /// Peers that are sending something now.
    pub sources: u32,
    /// Why nothing comes, not everything can, or not as quickly as it might, the gravest first; empty when nothing
    /// keeps it.
    pub reasons: Vec<Reason>,
}

impl FetchStanding {
    /// Two fetches of parts of the same thing as one; each reason once.
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

/// Why a content is below its target, or waits to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The name asked for, or one that the content has.
    pub name: Name,
    /// The content.
    pub content: ContentId,
    /// How its replicas stand.
    pub health: Health,
    /// Why, the gravest first; empty when it is as it should be.
    pub reasons: Vec<Reason>,
    /// How its fetch stands on the peer that was asked; trackers know of none.
    pub fetch: Option<FetchStanding>,
}
