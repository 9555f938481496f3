//! Reach: whether other peers can dial a peer.

use super::peer::HostPort;
use super::time::Timestamp;

/// Whether other peers can dial a peer, as the tracker knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Another peer has dialled it, or nobody is there who could.
    #[default]
    Reachable,
    /// Nobody has dialled it yet: its copies do not count as replicas.
    Unconfirmed,
    /// Other peers could not dial it: its copies count for nothing.
    Unreachable(DialFailure),
}

/// A failure to dial a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialFailure {
    /// The address that was dialled.
    pub address: HostPort,
    /// Reason in words.
    pub error: String,
    /// Time since which the peer is out of reach.
    pub since: Timestamp,
}

impl Reach {
    /// One word: `reachable`, `unconfirmed` or `unreachable`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Reachable => "reachable",
            Self::Unconfirmed => "unconfirmed",
            Self::Unreachable(_) => "unreachable",
        }
    }

    /// Returns the failure of a peer that is out of reach.
    #[must_use]
    pub const fn failure(&self) -> Option<&DialFailure> {
        match self {
            Self::Unreachable(failure) => Some(failure),
            Self::Reachable | Self::Unconfirmed => None,
        }
    }
}
