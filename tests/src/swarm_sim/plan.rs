//! Participants of a simulation, and their links.

use std::time::Duration;

use peer::fetch::scheduler::Bounds;
use shared::model::{BLOCK_LENGTH, FragmentLength};

/// Largest number of units of a fragment: makes large contents cheap to simulate.
const MOST_UNITS: u32 = 16;

/// Role of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Holds everything from the start, and fetches nothing.
    Source,
    /// A source that goes away once every fragment is held by some receiver.
    LeavingSource,
    /// Claims to hold everything; sends corrupt bytes.
    Liar,
    /// Fetches everything, serves its fragments, and stays.
    Receiver,
}

/// One host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPlan {
    /// Role of the host.
    pub role: Role,
    /// Bytes a second that it can send; at least 1.
    pub up: u64,
    /// Bytes a second that it can receive; at least 1.
    pub down: u64,
    /// Time of its arrival.
    pub arrives: Duration,
}

/// A simulation.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The content's length in bytes; at least 1.
    pub content: u64,
    /// Length of the fragments.
    pub fragment_length: FragmentLength,
    /// All participants.
    pub hosts: Vec<HostPlan>,
    /// Delay of every message between hosts, besides its time on their links.
    pub latency: Duration,
    /// Time until an arriving host and its neighbours know each other.
    pub discovery: Duration,
    /// Interval within which changes are announced together.
    pub news_interval: Duration,
    /// Streams that an uplink sends at once, in turn; more wait until one of them is over, or waits for
    /// blocks itself.
    pub slots: usize,
    /// Streams that wait for a slot; more are refused.
    pub line: usize,
    /// Neighbours of a host, on average: all hosts, if they are not more.
    pub degree: usize,
    /// Bounds of each receiver's scheduler.
    pub bounds: Bounds,
    /// Seed of all randomness.
    pub seed: u64,
    /// Virtual time after which the simulation ends, complete or not.
    pub at_most: Duration,
}

impl Plan {
    /// Returns the number of fragments.
    #[must_use]
    pub fn fragments(&self) -> u32 {
        let count = self.content.div_ceil(u64::from(self.fragment_length.get()));
        u32::try_from(count).expect("a content has fewer fragments than u32::MAX")
    }

    /// Bytes that are passed on at once.
    #[must_use]
    pub fn unit(&self) -> u32 {
        BLOCK_LENGTH.max(self.fragment_length.get() / MOST_UNITS)
    }

    /// Bytes of fragment `index`.
    #[must_use]
    pub fn length_of(&self, index: u32) -> u32 {
        let whole = u64::from(self.fragment_length.get());
        let rest = self.content - u64::from(index) * whole;
        u32::try_from(rest.min(whole)).expect("no longer than a fragment")
    }

    pub(super) fn receivers(&self) -> impl Iterator<Item = &HostPlan> {
        self.hosts.iter().filter(|host| host.role == Role::Receiver)
    }

    /// Returns the lower bound when all come at once: `max(F/u_s, F/min d_i, N F/(u_s + sum u_i))` (Kumar &
    /// Ross).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "rates and lengths are far below 2^52")]
    pub fn lower_bound(&self) -> Duration {
        let is_source = |host: &&HostPlan| matches!(host.role, Role::Source | Role::LeavingSource);
        let from_sources: u64 = self.hosts.iter().filter(is_source).map(|host| host.up).sum();
        let from_all: u64 = from_sources + self.receivers().map(|host| host.up).sum::<u64>();
        let narrowest = self.receivers().map(|host| host.down).min().unwrap_or(1);
        let length = self.content as f64;
        let bounds = [
            length / from_sources as f64,
            length / narrowest as f64,
            length * self.receivers().count() as f64 / from_all as f64,
        ];
        Duration::from_secs_f64(bounds.into_iter().fold(0.0, f64::max))
    }
}
