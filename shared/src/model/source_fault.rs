//! What can be said against a source.

use std::fmt;
use std::time::Duration;

use super::{ByteRate, HostPort, PeerId};

/// What a source did that made a fetch slower than it need have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// It sent bytes that do not match their hash, or that nobody asked for.
    Lied,
    /// It was asked and sent nothing for too long.
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

/// A source and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFault {
    /// Who.
    pub peer: PeerId,
    /// Where it was dialled the last time.
    pub address: HostPort,
    /// What it did.
    pub kind: FaultKind,
    /// How often; at least 1.
    pub times: u32,
    /// How long ago the last time was.
    pub ago: Duration,
    /// How fast it sent then, if it sent something and for long enough to tell.
    pub rate: Option<ByteRate>,
}
