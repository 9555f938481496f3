//! Reasons for unwanted states: a code that scripts may rely on, and words for people.

use std::fmt;
use std::str::FromStr;

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Code for scripts.
    pub code: ReasonCode,
    /// Words for people, with figures.
    pub detail: String,
}

/// Obstacles between a content and its target, a drain and its end, or a fetch and its bytes.
/// `docs/reasons.md` explains the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonCode {
    /// The tracker has restarted and not all peers have reported.
    SafeMode,
    /// The tracker's journal has lost something, perhaps names.
    JournalGap,
    /// No peer has some fragment.
    NoSource,
    /// Holders of some fragments are out of reach of other peers; or peers that could take a copy are.
    Unreachable,
    /// A fetch: another program, or another version, answers at the addresses of holders.
    Foreign,
    /// No other peer has dialled a holder yet.
    Unconfirmed,
    /// Only peers that have just fallen silent have some fragment.
    SourceAway,
    /// A holder has just fallen silent; it counts until the grace time is over.
    GraceRunning,
    /// A holder is in maintenance; it counts until that is over.
    Maintenance,
    /// A holder is being drained: its replicas are copied to others.
    Draining,
    /// Copies are under way.
    Copying,
    /// The content's turn has not come yet.
    Queued,
    /// Copies that are not urgent wait until the budget of repair has room for them.
    RepairBudget,
    /// Fewer peers can receive replicas than replicas are wanted.
    TooFewPeers,
    /// No peer that lacks a replica has room for one.
    NoRoom,
    /// Every peer that could take a copy has all the work that it can hold.
    PeersBusy,
    /// Peers that could take a copy have failed at it lately.
    CoolingDown,
    /// A peer has not said everything that it holds.
    InventoryPending,
    /// No other peer has looked at a copy yet: others are not dropped because of it.
    ProofPending,
    /// Several replicas share a zone although there are others: no peer there could take them when they were
    /// made.
    ZonesShared,
    /// The node has publications that no tracker knows of.
    Unpublished,
    /// The peer has no session with the tracker.
    NotConnected,
    /// The node's own file with the content is away.
    FileAway,
    /// A fetch: every source of the missing fragments serves others, or has failed and is left alone for a
    /// while.
    SourcesBusy,
    /// A fetch: every source sends slowly.
    SourcesSlow,
    /// A fetch: the node's own limit on downloads holds it up.
    DownloadLimit,
    /// A fetch: other fetches have asked for all that the node may have in memory.
    MemoryBudget,
    /// A fetch: the node's disk is slower than the arriving bytes.
    DiskBusy,
    /// The tracker is newer than this program and gives a reason that it does not know.
    Other,
}

impl ReasonCode {
    /// Every code.
    pub const ALL: [Self; 29] = [
        Self::SafeMode,
        Self::JournalGap,
        Self::NoSource,
        Self::Unreachable,
        Self::Foreign,
        Self::Unconfirmed,
        Self::SourceAway,
        Self::GraceRunning,
        Self::Maintenance,
        Self::Draining,
        Self::Copying,
        Self::Queued,
        Self::RepairBudget,
        Self::TooFewPeers,
        Self::NoRoom,
        Self::PeersBusy,
        Self::CoolingDown,
        Self::InventoryPending,
        Self::ProofPending,
        Self::ZonesShared,
        Self::Unpublished,
        Self::NotConnected,
        Self::FileAway,
        Self::SourcesBusy,
        Self::SourcesSlow,
        Self::DownloadLimit,
        Self::MemoryBudget,
        Self::DiskBusy,
        Self::Other,
    ];

    /// The code as scripts see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SafeMode => "safe_mode",
            Self::JournalGap => "journal_gap",
            Self::NoSource => "no_source",
            Self::Unreachable => "unreachable",
            Self::Foreign => "foreign",
            Self::Unconfirmed => "unconfirmed",
            Self::SourceAway => "source_away",
            Self::GraceRunning => "grace_running",
            Self::Maintenance => "maintenance",
            Self::Draining => "draining",
            Self::Copying => "copying",
            Self::Queued => "queued",
            Self::RepairBudget => "repair_budget",
            Self::TooFewPeers => "too_few_peers",
            Self::NoRoom => "no_room",
            Self::PeersBusy => "peers_busy",
            Self::CoolingDown => "cooling_down",
            Self::InventoryPending => "inventory_pending",
            Self::ProofPending => "proof_pending",
            Self::ZonesShared => "zones_shared",
            Self::Unpublished => "unpublished",
            Self::NotConnected => "not_connected",
            Self::FileAway => "file_away",
            Self::SourcesBusy => "sources_busy",
            Self::SourcesSlow => "sources_slow",
            Self::DownloadLimit => "download_limit",
            Self::MemoryBudget => "memory_budget",
            Self::DiskBusy => "disk_busy",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ReasonCode {
    type Err = std::convert::Infallible;

    /// A code that this program does not know is [`ReasonCode::Other`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|code| code.as_str() == text);
        Ok(known.unwrap_or(Self::Other))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_read_back() {
        let texts: BTreeSet<_> = ReasonCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), ReasonCode::ALL.len());
        for code in ReasonCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert_eq!("of_the_future".parse(), Ok(ReasonCode::Other));
    }
}
