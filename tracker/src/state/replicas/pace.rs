//! Pace of repair: bytes that arrive at assigned peers, over half a minute to a minute.

use std::time::Duration;

use shared::model::Timestamp;

const WINDOW: Duration = Duration::from_secs(30);

/// The bytes of this window and of the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    began: Timestamp,
    current: u64,
    before: u64,
}

impl Pace {
    /// Counts bytes that have arrived.
    pub(super) fn add(&mut self, now: Timestamp, bytes: u64) {
        *self = self.at(now);
        self.current = self.current.saturating_add(bytes);
    }

    /// Returns bytes a second.
    pub(super) fn rate(&self, now: Timestamp) -> u64 {
        let Self {
            began,
            current,
            before,
        } = self.at(now);
        let elapsed = now.since(began);
        let span = if before > 0 { WINDOW + elapsed } else { elapsed };
        // A shorter span proves nothing.
        let millis = span.max(Duration::from_secs(1)).as_millis();
        let rate = u128::from(before.saturating_add(current)) * 1_000 / millis;
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// Returns the time until this many bytes have arrived; none if there are none or nothing moves.
    pub(super) fn time_for(&self, now: Timestamp, bytes: u64) -> Option<Duration> {
        let rate = self.rate(now);
        (bytes > 0 && rate > 0).then(|| Duration::from_secs(bytes.div_ceil(rate)))
    }

    fn at(self, now: Timestamp) -> Self {
        let elapsed = now.since(self.began);
        if elapsed < WINDOW {
            self
        } else if elapsed < WINDOW * 2 {
            Self {
                began: self.began.after(WINDOW),
                current: 0,
                before: self.current,
            }
        } else {
            Self {
                began: now,
                current: 0,
                before: 0,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_has_its_rate_and_an_end_of_it_is_noticed() {
        let mut pace = Pace::default();
        let at = |seconds: u64| Timestamp::from_millis(1_000_000 + seconds * 1_000);
        assert_eq!(pace.rate(at(0)), 0);
        for second in 0..100 {
            pace.add(at(second), 500);
            if second > 5 {
                assert!((450..=600).contains(&pace.rate(at(second))), "after {second} s");
            }
        }
        assert_eq!(pace.time_for(at(99), 0), None, "what is done needs no time");
        assert!(pace.time_for(at(99), 50_000) >= Some(Duration::from_secs(80)));
        assert_eq!(pace.rate(at(200)), 0);
        assert_eq!(pace.time_for(at(200), 1), None, "nothing moves");
    }
}
