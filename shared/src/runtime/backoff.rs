//! Waits before retries.

use std::time::Duration;

/// Exponential back-off with jitter: each wait is drawn from the upper half of a bound that doubles up to a
/// cap.
///
/// The jitter keeps a thousand peers from coming back at the same moment after a tracker restart.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    /// Begins at `first`, never waits longer than `cap`.
    #[must_use]
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self {
            first,
            cap,
            attempt: 0,
        }
    }

    /// Returns the next wait; each is longer than the one before.
    pub fn next_wait(&mut self) -> Duration {
        let bound = self
            .first
            .saturating_mul(1_u32.checked_shl(self.attempt.min(20)).unwrap_or(u32::MAX))
            .min(self.cap);
        self.attempt = self.attempt.saturating_add(1);
        bound.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// Begins anew after a success.
    pub const fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_stay_there() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        for attempt in 0..100 {
            let wait = backoff.next_wait();
            let bound = Duration::from_millis(100 << attempt.min(10)).min(Duration::from_secs(5));
            assert!(wait <= bound && wait >= bound / 2, "{attempt}: {wait:?}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }
}
