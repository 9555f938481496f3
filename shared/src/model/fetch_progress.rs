//! Phases of a fetch, and the reasons for which it waits.

use std::fmt;

use super::{ByteCount, ByteRate, PeerId, ReasonCode};

/// Work that a fetch is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FetchPhase {
    /// Looking for peers and connecting to them; nothing has come yet.
    #[default]
    Connecting,
    /// Bytes come from peers, or are waited for.
    Fetching,
    /// The disk is looked at: what is there already, and whether there is room.
    Checking,
    /// Files are written to their places from what is here.
    Writing {
        /// Files that are written.
        done: u64,
        /// Files in all.
        total: u64,
    },
}

impl FetchPhase {
    /// Returns the word for it in documents.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Fetching => "fetching",
            Self::Checking => "checking",
            Self::Writing { .. } => "writing",
        }
    }

    /// Whether bytes of other peers are waited for.
    #[must_use]
    pub const fn is_about_peers(self) -> bool {
        matches!(self, Self::Connecting | Self::Fetching)
    }
}

/// Reason for which nothing comes, or little. `Display` has its English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The tracker is asked for peers.
    Searching,
    /// So many peers are being dialled, or have not said yet what they hold.
    Connecting(u32),
    /// Peers that hold it could not be dialled: their addresses, and the errors.
    Unreached(String),
    /// Another program, or another version of this one, answers at the addresses of the peers that hold it.
    Foreign(String),
    /// No peer that is online holds anything that is missing.
    NoSource,
    /// No peer that is online holds so many of the fragments.
    NoSourceOfSome(u32),
    /// All sources, so many, serve others or have failed and are left alone for a while.
    SourcesBusy(u32),
    /// So many sources were asked and send nothing.
    SourcesSilent(u32),
    /// A source is slow, at this rate; without one it sends nothing.
    SlowSource(PeerId, Option<ByteRate>),
    /// Several sources are slow, so many, at this rate together.
    SlowSources(u32, Option<ByteRate>),
    /// Other fetches have asked for all that may be in memory, so many bytes.
    Memory(u64),
    /// The node's disk is slower than the sources.
    Disk,
    /// The node's own limit.
    Limit(ByteRate),
    /// A reason of another version of this program, in its words.
    Other(String),
}

impl Waiting {
    /// Beginning of the words about holders that could not be dialled.
    pub const UNREACHED: &'static str = "holders exist but cannot be reached: ";

    /// Beginning of the words about addresses at which no peer answers, but something else.
    pub const FOREIGN: &'static str =
        "another program, or another version, answers where holders should be: ";

    /// Returns the code for scripts.
    #[must_use]
    pub const fn code(&self) -> ReasonCode {
        match self {
            Self::Searching | Self::NoSource | Self::NoSourceOfSome(_) => ReasonCode::NoSource,
            Self::Unreached(_) => ReasonCode::Unreachable,
            Self::Foreign(_) => ReasonCode::Foreign,
            Self::Connecting(_) | Self::SourcesBusy(_) => ReasonCode::SourcesBusy,
            Self::SourcesSilent(_) | Self::SlowSource(..) | Self::SlowSources(..) => ReasonCode::SourcesSlow,
            Self::Memory(_) => ReasonCode::MemoryBudget,
            Self::Disk => ReasonCode::DiskBusy,
            Self::Limit(_) => ReasonCode::DownloadLimit,
            Self::Other(_) => ReasonCode::Other,
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told =
            |rate: &Option<ByteRate>| rate.map_or_else(|| "nothing".to_owned(), |rate| rate.to_string());
        match self {
            Self::Searching => f.write_str("looking for peers that hold it"),
            Self::Connecting(1) => f.write_str("connecting to 1 peer"),
            Self::Connecting(n) => write!(f, "connecting to {n} peers"),
            Self::Unreached(failures) => write!(f, "{}{failures}", Self::UNREACHED),
            Self::Foreign(addresses) => write!(f, "{}{addresses}", Self::FOREIGN),
            Self::NoSource => f.write_str("no peer that is online holds what is missing"),
            Self::NoSourceOfSome(n) => write!(f, "no peer that is online holds {n} of the fragments"),
            Self::SourcesBusy(1) => f.write_str("the only source is busy"),
            Self::SourcesBusy(n) => write!(f, "all {n} sources are busy"),
            Self::SourcesSilent(1) => f.write_str("the source that was asked sends nothing"),
            Self::SourcesSilent(n) => write!(f, "the {n} sources that were asked send nothing"),
            Self::SlowSource(peer, rate) => write!(f, "slow: {} sends {}", peer.short(), told(rate)),
            Self::SlowSources(n, None) => write!(f, "slow: {n} sources send nothing"),
            Self::SlowSources(n, Some(rate)) => write!(f, "slow: {n} sources send {rate} together"),
            Self::Memory(bytes) => {
                let all = ByteCount::new(*bytes);
                write!(
                    f,
                    "other fetches here have asked for all that may be in memory ({all})"
                )
            }
            Self::Disk => f.write_str("this peer's disk is slower than its sources"),
            Self::Limit(rate) => write!(f, "this peer downloads at most {rate}"),
            Self::Other(words) => f.write_str(words),
        }
    }
}
