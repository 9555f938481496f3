//! Limits: the resources that a fetch may use, and its patience.

use std::time::Duration;

use shared::model::{BLOCK_LENGTH, ByteRate, FragmentLength};

use super::scheduler::Bounds;

/// Requests that are made side by side even if their fragments do not fit the byte budget.
const LEAST_REQUESTS: u32 = 8;

/// Requests that are made however low a limit on downloads is.
const LEAST_AT_RATE: u32 = 2;

/// Bounds of every job of a `Fetcher`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes asked for and not yet verified and written, for each job. With fragments longer than an eighth
    /// of it, eight requests are made all the same.
    pub in_flight_bytes: u64,
    /// Bytes asked for and not yet verified and written, for all jobs together: this bounds the memory.
    pub total_in_flight_bytes: u64,
    /// Requests to one source at once; a new source begins with two.
    pub requests_per_source: u32,
    /// Sources to which one job is connected at once.
    pub sources: usize,
    /// Silence after which a request is given to another source. Each time that happens, the time allowed to
    /// the source doubles, up to a minute, so that a slow line is not taken for a dead one for ever.
    pub stall: Duration,
    /// Bytes of verified fragments at which a commit begins.
    pub commit_bytes: u64,
    /// Time since the last commit after which a commit begins, however few bytes are waiting.
    pub commit_interval: Duration,
    /// Interval at which other sources are looked for while fragments are missing.
    pub find_interval: Duration,
    /// Time without any delivery after which a fetch fails; without it, a fetch goes on until it is
    /// cancelled.
    pub give_up_after: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight_bytes: 64 << 20,
            total_in_flight_bytes: 64 << 20,
            requests_per_source: 4,
            sources: 32,
            stall: Duration::from_secs(5),
            commit_bytes: 64 << 20,
            commit_interval: Duration::from_millis(250),
            find_interval: Duration::from_secs(2),
            give_up_after: None,
        }
    }
}

impl Limits {
    /// Returns limits with at most `bytes` bytes asked for and not yet written, for one job as for all of
    /// them together: a single fetch may use all the memory.
    #[must_use]
    pub fn within(bytes: u64) -> Self {
        Self {
            in_flight_bytes: bytes,
            total_in_flight_bytes: bytes,
            ..Self::default()
        }
    }

    /// Number of blocks that may be in flight for all jobs together; at least 1.
    pub(super) fn total_blocks(&self) -> u32 {
        let blocks = self.total_in_flight_bytes / u64::from(BLOCK_LENGTH);
        u32::try_from(blocks).unwrap_or(u32::MAX).max(1)
    }

    /// Returns the number of requests that keep a download limit busy: a second's worth, so that an answer is
    /// always on its way, and at least two, so that one slow source does not take all of it. More would only
    /// wait in memory, while their sources, whose windows are full, conclude that this peer takes nothing.
    pub(super) fn at_rate(rate: ByteRate, fragment_length: FragmentLength) -> u32 {
        let fragments = rate.get().div_ceil(u64::from(fragment_length.get()));
        u32::try_from(fragments).unwrap_or(u32::MAX).max(LEAST_AT_RATE)
    }

    /// Returns the scheduler's bounds for fragments of this length.
    pub(super) fn bounds(&self, fragment_length: FragmentLength) -> Bounds {
        let fitting = self.in_flight_bytes / u64::from(fragment_length.get());
        let in_all = u32::try_from(fitting).unwrap_or(u32::MAX).max(LEAST_REQUESTS);
        Bounds {
            per_source: self.requests_per_source,
            in_all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_of_requests_keeps_a_limit_busy() {
        let at = |rate, length| {
            let rate = ByteRate::new(rate).expect("not 0");
            Limits::at_rate(rate, FragmentLength::new(length).expect("a power of two"))
        };
        assert_eq!(at(1, 64 << 10), 2);
        assert_eq!(at(100_000, 4 << 20), 2);
        assert_eq!(at(10 << 20, 64 << 10), 160);
        assert_eq!(at(u64::MAX, 64 << 10), u32::MAX);
    }
}
