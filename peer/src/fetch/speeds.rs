//! Speeds of the sources of a session, as far as they can be told. Pure.
//!
//! A rate is that of the latest two seconds during which requests to the source were in progress all the
//! time. While this peer holds the sources up itself (a limit on downloads, a disk that is behind), no rate
//! is known.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::model::{ByteRate, PeerId, Timestamp, Waiting};

/// Interval of a rate: long enough for a hiccup not to count, short enough for a user who is watching.
const INTERVAL: Duration = Duration::from_secs(2);

/// Rate below which a source is slow, whatever the others do: half a megabit per second.
const SLOW: u64 = 64 << 10;

/// Ratio to the best rate so far from which on a rate is slow too, for each source and for all of them
/// together: a member of a swarm sends little because it sends to many, and when all but one are done that
/// one is not slow.
const SLOWER: u64 = 8;

/// Time in which nobody minds a slow source: the last bytes of a quick fetch come slowly, because there is
/// little left to ask for.
const MOMENT: Duration = Duration::from_secs(5);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Speeds {
    sources: BTreeMap<PeerId, Speed>,
    /// Highest rate of any source so far, in bytes per second.
    best: u64,
    /// Highest rate of all sources together so far.
    best_total: u64,
}

#[derive(Debug)]
struct Speed {
    /// Begin of the present interval.
    since: Timestamp,
    /// Bytes that had come by then.
    bytes: u64,
    /// Bytes per second of the last interval.
    rate: Option<u64>,
}

impl Speeds {
    /// Takes in the sources with a request in progress and the bytes that have come from each; to be called
    /// several times in an interval.
    pub(super) fn observe(&mut self, now: Timestamp, asked: impl Iterator<Item = (PeerId, u64)>) {
        let mut before = std::mem::take(&mut self.sources);
        for (source, bytes) in asked {
            let mut speed = before.remove(&source).unwrap_or(Speed {
                since: now,
                bytes,
                rate: None,
            });
            let took = now.since(speed.since);
            if took >= INTERVAL {
                let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                let rate = bytes.saturating_sub(speed.bytes).saturating_mul(1000) / millis;
                self.best = self.best.max(rate);
                speed = Speed {
                    since: now,
                    bytes,
                    rate: Some(rate),
                };
            }
            self.sources.insert(source, speed);
        }
        let total = self.sources.values().filter_map(|speed| speed.rate).sum();
        self.best_total = self.best_total.max(total);
    }

    /// Forgets the rates, because this peer holds the sources up itself.
    pub(super) fn held_up(&mut self) {
        self.sources.clear();
    }

    /// Returns a complaint when all sources with a request in progress are slow, unless the `remaining` bytes
    /// will be here in a moment all the same.
    pub(super) fn complaint(&self, remaining: u64) -> Option<Waiting> {
        let rates: Option<Vec<_>> = self.sources.values().map(|speed| speed.rate).collect();
        let rates = rates.filter(|rates| !rates.is_empty())?;
        let total: u64 = rates.iter().sum();
        let fastest = *rates.iter().max()?;
        let is_usual = |rate: u64, best: u64| rate.saturating_mul(SLOWER) >= best;
        if total >= SLOW && (is_usual(fastest, self.best) || is_usual(total, self.best_total)) {
            return None;
        }
        if remaining < total.saturating_mul(MOMENT.as_secs()) {
            return None;
        }
        let rate = ByteRate::new(total);
        Some(match self.sources.keys().next() {
            Some(only) if rates.len() == 1 => Waiting::SlowSource(*only, rate),
            _ => Waiting::SlowSources(u32::try_from(rates.len()).unwrap_or(u32::MAX), rate),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes([number; 16])
    }

    /// Returns the complaint while much is missing.
    fn complaint(speeds: &Speeds) -> Option<String> {
        speeds.complaint(1 << 40).map(|waiting| waiting.to_string())
    }

    #[test]
    fn the_last_bytes_of_a_quick_fetch_are_not_slow() {
        let mut speeds = Speeds::default();
        run(&mut speeds, 0..=2, &[(1, 100 << 20)]);
        run(&mut speeds, 3..=5, &[(2, 1 << 20)]);
        assert_eq!(speeds.complaint(4 << 20), None);
        assert!(speeds.complaint(400 << 20).is_some());
    }

    /// Lets these sources send at these rates during these seconds.
    fn run(speeds: &mut Speeds, seconds: std::ops::RangeInclusive<u64>, rates: &[(u8, u64)]) {
        for second in seconds {
            let asked = rates.iter().map(|(number, rate)| (peer(*number), rate * second));
            speeds.observe(Timestamp::from_millis(second * 1000), asked);
        }
    }

    #[test]
    fn a_slow_source_is_named_once_that_is_certain() {
        let mut speeds = Speeds::default();
        run(&mut speeds, 0..=1, &[(1, 30 << 10)]);
        assert_eq!(complaint(&speeds), None, "too early to tell");
        run(&mut speeds, 2..=2, &[(1, 30 << 10)]);
        assert_eq!(
            complaint(&speeds).as_deref(),
            Some("slow: 0101010101 sends 30.0 KiB/s")
        );
        let mut speeds = Speeds::default();
        run(&mut speeds, 0..=5, &[(1, 10 << 10), (2, 20 << 10)]);
        assert_eq!(
            complaint(&speeds).as_deref(),
            Some("slow: 2 sources send 30.0 KiB/s together")
        );
        let mut speeds = Speeds::default();
        run(&mut speeds, 0..=5, &[(1, 0)]);
        assert_eq!(
            complaint(&speeds).as_deref(),
            Some("slow: 0101010101 sends nothing")
        );
    }

    #[test]
    fn slow_is_much_slower_than_before_and_without_a_better_source() {
        let mut speeds = Speeds::default();
        run(&mut speeds, 0..=2, &[(1, 10 << 20), (2, 1 << 20)]);
        assert_eq!(complaint(&speeds), None, "a quick source is sending too");
        run(&mut speeds, 3..=5, &[(2, 1 << 20)]);
        assert_eq!(
            complaint(&speeds).as_deref(),
            Some("slow: 0202020202 sends 1.0 MiB/s")
        );
        run(&mut speeds, 6..=9, &[(3, 2 << 20)]);
        assert_eq!(complaint(&speeds), None, "a fifth of the best is not slow");
    }

    #[test]
    fn many_sources_that_send_a_little_each_are_not_slow() {
        let mut speeds = Speeds::default();
        run(&mut speeds, 0..=2, &[(1, 10 << 20)]);
        let members: Vec<_> = (2..12).map(|number| (number, 1 << 20)).collect();
        run(&mut speeds, 3..=6, &members);
        assert_eq!(complaint(&speeds), None, "together they send as much");
        run(&mut speeds, 7..=10, &members[..1]);
        assert!(
            complaint(&speeds).is_some(),
            "the first source has shown that more is possible"
        );
    }

    #[test]
    fn pauses_and_own_limits_are_not_held_against_a_source() {
        let mut speeds = Speeds::default();
        run(&mut speeds, 0..=3, &[(1, 1)]);
        assert!(complaint(&speeds).is_some());
        speeds.held_up();
        assert_eq!(complaint(&speeds), None);
        run(&mut speeds, 4..=5, &[(1, 1)]);
        assert_eq!(complaint(&speeds), None, "too early to tell again");
        run(&mut speeds, 6..=6, &[]);
        run(&mut speeds, 9..=9, &[(1, 1)]);
        assert_eq!(complaint(&speeds), None, "it was not asked meanwhile");
    }
}
