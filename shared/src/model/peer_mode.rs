//! What a peer is used for: the tracker's operators say so, and it outlives restarts of both.

use std::time::Duration;

use super::Timestamp;

/// What the tracker uses a peer for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerMode {
    /// It holds replicas and is given more.
    #[default]
    Active,
    /// It may be away for a while: until then it is neither given anything nor, while enough other replicas are live,
    /// repaired around.
    Maintenance {
        /// When that is over by itself, by the tracker's clock.
        until: Timestamp,
    },
    /// It is to leave: what it holds is moved to others, and it is given nothing more.
    Draining,
}

impl PeerMode {
    /// The longest maintenance. What is away for longer had better be drained: until then a content may do with fewer
    /// live replicas than its target.
    pub const MAX_MAINTENANCE: Duration = Duration::from_hours(24);

    /// Whether the peer is in maintenance at this time.
    #[must_use]
    pub fn is_maintenance_at(self, now: Timestamp) -> bool {
        matches!(self, Self::Maintenance { until } if now < until)
    }

    /// One word: `active`, `maintenance` or `draining`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Maintenance { .. } => "maintenance",
            Self::Draining => "draining",
        }
    }
}

/// What somebody wants a peer to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedMode {
    /// As usual; a drain or a maintenance is called off.
    Active,
    /// It will be away for at most this long.
    Maintenance(Duration),
    /// It is to leave.
    Drain,
}

/// How far a peer's drain has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainStatus {
    /// What the peer is used for.
    pub mode: PeerMode,
    /// Contents with a name of which the peer holds something.
    pub contents: u64,
    /// Bytes of these that it holds.
    pub bytes: u64,
    /// How many of the contents would miss it: without it some fragment that it holds is below its target.
    pub contents_left: u64,
    /// Bytes of these fragments.
    pub bytes_left: u64,
    /// Whether it can be switched off, now and for good, without anyone missing it.
    pub is_safe: bool,
    /// Why it cannot yet.
    pub reasons: Vec<super::Reason>,
    /// When it will be, at the pace of the last minute; none when nothing moves or nothing is left.
    pub remaining: Option<Duration>,
}
