//! Facts about peers: addresses, zones, targets, modes, and faults of sources.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;
use std::time::Duration;

use super::amount::ByteRate;
use super::id::PeerId;
use super::time::Timestamp;

/// A host (name or address) and a port, as it is dialled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// Text was not `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051")]
pub struct HostPortError(pub(crate) String);

impl HostPort {
    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Another port of the same host.
    #[must_use]
    pub fn on_port(&self, port: u16) -> Self {
        Self {
            host: self.host.clone(),
            port,
        }
    }

    /// Translates an address of loopback that a program on another machine has told: it means its own
    /// machine.
    #[must_use]
    pub fn seen_from(&self, teller: &Self) -> Self {
        match self.is_loopback() && !teller.is_loopback() {
            true => teller.on_port(self.port),
            false => self.clone(),
        }
    }
}

impl From<std::net::SocketAddr> for HostPort {
    fn from(addr: std::net::SocketAddr) -> Self {
        Self {
            host: addr.ip().to_string(),
            port: addr.port(),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        f.pad(&text)
    }
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || HostPortError(text.chars().take(80).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port
            .parse::<u16>()
            .ok()
            .filter(|port| *port != 0 && is_number)
            .ok_or_else(error)?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().map_err(|_| error())?.to_string(),
            None => host.to_owned(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok() && text.starts_with('[');
        if host.is_empty() || host.len() > 253 || !(is_v6 || host.chars().all(plain)) {
            return Err(error());
        }
        Ok(Self { host, port })
    }
}

/// A failure domain, such as a rack or a site: 1 to 64 letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(String);

/// Text was not a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a zone; use 1 to 64 letters, digits, '-', '_' and '.'")]
pub struct ZoneError(pub(crate) String);

impl Zone {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if (1..=64).contains(&text.len()) && text.chars().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(ZoneError(text.chars().take(80).collect()))
    }
}

/// Number of replicas wanted of every fragment: 1 to 32, the publisher's own included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicationTarget(NonZeroU8);

/// A number was not a replication target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a number of replicas; choose 1 to {max}", max = ReplicationTarget::MAX)]
pub struct ReplicationTargetError(pub(crate) String);

impl ReplicationTarget {
    /// Largest target: more copies buy no durability, only traffic.
    pub const MAX: u8 = 32;

    /// Default target: survives any two simultaneous losses.
    pub const DEFAULT: Self = Self(NonZeroU8::new(3).expect("three is not zero"));

    /// Validates a number.
    ///
    /// # Errors
    /// When it is 0 or more than [`Self::MAX`].
    pub fn new(replicas: u32) -> Result<Self, ReplicationTargetError> {
        u8::try_from(replicas)
            .ok()
            .filter(|n| *n <= Self::MAX)
            .and_then(NonZeroU8::new)
            .map(Self)
            .ok_or_else(|| ReplicationTargetError(replicas.to_string()))
    }

    /// The number of replicas.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get() as u32
    }
}

impl fmt::Display for ReplicationTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ReplicationTarget {
    type Err = ReplicationTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text
            .parse()
            .map_err(|_| ReplicationTargetError(format!("{text:?}")))?;
        Self::new(number)
    }
}

/// Mode of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerMode {
    /// The peer holds replicas and receives more.
    #[default]
    Active,
    /// The peer may be away: until the end it receives nothing, and its absence causes no repair while enough
    /// other replicas are live.
    Maintenance {
        /// End of the maintenance, by the tracker's clock.
        until: Timestamp,
    },
    /// The peer is to leave: its replicas move to others, and it receives no new ones.
    Draining,
}

impl PeerMode {
    /// The longest maintenance. What is away for longer had better be drained: until then a content may do
    /// with fewer live replicas than its target.
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

/// Mode that a peer should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedMode {
    /// Usual work; a drain or a maintenance is called off.
    Active,
    /// Absence for at most this long.
    Maintenance(Duration),
    /// Departure.
    Drain,
}

/// Progress of a peer's drain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainStatus {
    /// Mode of the peer.
    pub mode: PeerMode,
    /// Contents with a name of which the peer holds something.
    pub contents: u64,
    /// Bytes of these that it holds.
    pub bytes: u64,
    /// Number of contents that would miss the peer: without it some fragment that it holds is below its
    /// target.
    pub contents_left: u64,
    /// Bytes of these fragments.
    pub bytes_left: u64,
    /// Whether it can be switched off, now and for good, without anyone missing it.
    pub is_safe: bool,
    /// Reasons that keep the peer from being switched off.
    pub reasons: Vec<super::Reason>,
    /// Time until the peer can be switched off, at the pace of the last minute; `None` when nothing moves or
    /// nothing is left.
    pub remaining: Option<Duration>,
}

/// A fault of a source that made a fetch slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The source sent bytes that do not match their hash, or that were not requested.
    Lied,
    /// The source sent nothing for too long after a request.
    Stalled,
    /// Another source sent the same although it was asked for it much later.
    Slow,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lied => "lied",
            Self::Stalled => "stalled",
            Self::Slow => "slow",
        })
    }
}

/// A source and its fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFault {
    /// Id of the source.
    pub peer: PeerId,
    /// Address at the last dial.
    pub address: HostPort,
    /// Kind of the fault.
    pub kind: FaultKind,
    /// Number of times; at least 1.
    pub times: u32,
    /// Time since the last time.
    pub ago: Duration,
    /// Rate of the source at the last time, if it sent for long enough to tell.
    pub rate: Option<ByteRate>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip_and_nonsense_is_refused() {
        for text in ["127.0.0.1:50051", "tracker-1.lab:1", "[::1]:65535"] {
            assert_eq!(text.parse::<HostPort>().expect(text).to_string(), text);
        }
        for bad in [
            "",
            ":",
            "host",
            "host:",
            ":1",
            "host:0",
            "host:65536",
            "host:-1",
            "::1:5",
            "a b:1",
            "[x]:1",
            "a/b:1",
        ] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn replication_targets_have_bounds() {
        assert!(ReplicationTarget::new(0).is_err());
        assert_eq!(ReplicationTarget::new(32).map(ReplicationTarget::get), Ok(32));
        assert!("33".parse::<ReplicationTarget>().is_err());
        assert!("three".parse::<ReplicationTarget>().is_err());
    }
}
