//! Track records: what became of the attempts to read from each peer, over all fetches of this node.
//!
//! A peer that has delivered is known. One that could not be reached, did not answer in time, or had nothing
//! is *put off*: it comes after all others until a wait is over, and the wait doubles with every failure. No
//! peer is excluded by that. Bounded; the records that were touched least recently are forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::model::{PeerId, Timestamp};

/// Records that are kept: more peers than a network has, and than a crowd of false ones needs to be told
/// apart from it.
const MOST: usize = 4096;

/// Time for which a peer is put off by its first failure, and by the latest of many.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Outcomes of the attempts to read from one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct TrackRecord {
    has_delivered: bool,
    /// Failures since the last delivery.
    failures: u32,
    /// End of the time for which it is put off.
    until: Timestamp,
    touched: Timestamp,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct TrackRecords(BTreeMap<PeerId, TrackRecord>);

impl TrackRecords {
    /// Whether fragments have come from the peer.
    pub(super) fn has_delivered(&self, peer: PeerId) -> bool {
        self.0.get(&peer).is_some_and(|record| record.has_delivered)
    }

    /// Failures since the last delivery.
    pub(super) fn failures(&self, peer: PeerId) -> u32 {
        self.0.get(&peer).map_or(0, |record| record.failures)
    }

    /// Returns the end of the time for which the peer is put off, if it is.
    pub(super) fn put_off_until(&self, peer: PeerId, now: Timestamp) -> Option<Timestamp> {
        let record = self.0.get(&peer)?;
        (record.failures > 0 && now < record.until).then_some(record.until)
    }

    /// Notes that a fragment has come from the peer.
    pub(super) fn delivered(&mut self, peer: PeerId, now: Timestamp) {
        let record = self.touch(peer, now);
        (record.has_delivered, record.failures) = (true, 0);
    }

    /// Notes that the peer could not be reached, did not answer in time, or had nothing.
    pub(super) fn failed(&mut self, peer: PeerId, now: Timestamp) {
        let record = self.touch(peer, now);
        // Failures of several fetches at once count as one.
        if record.failures == 0 || record.until <= now {
            let wait = FIRST_WAIT.saturating_mul(1 << record.failures.min(16));
            record.until = now.after(wait.min(LONGEST_WAIT));
            record.failures = record.failures.saturating_add(1);
        }
    }

    fn touch(&mut self, peer: PeerId, now: Timestamp) -> &mut TrackRecord {
        if self.0.len() >= MOST && !self.0.contains_key(&peer) {
            let order = |(_, record): &(&PeerId, &TrackRecord)| (record.has_delivered, record.touched);
            let oldest = self.0.iter().min_by_key(order).map(|(peer, _)| *peer);
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        let record = self.0.entry(peer).or_default();
        record.touched = now;
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> PeerId {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        PeerId::from_bytes(bytes)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn each_failure_in_a_row_puts_a_peer_off_for_longer() {
        let mut records = TrackRecords::default();
        records.failed(peer(1), at(0));
        records.failed(peer(1), at(0));
        assert_eq!(
            records.put_off_until(peer(1), at(0)),
            Some(at(1)),
            "two fetches at once"
        );
        assert_eq!(records.put_off_until(peer(1), at(1)), None);
        records.failed(peer(1), at(1));
        assert_eq!(records.put_off_until(peer(1), at(1)), Some(at(3)));
        for second in (10..10_000).step_by(100) {
            records.failed(peer(1), at(second));
            let until = records.put_off_until(peer(1), at(second));
            assert!(until.is_some_and(|until| until.since(at(second)) <= LONGEST_WAIT));
        }
        records.delivered(peer(1), at(10_000));
        assert_eq!(records.put_off_until(peer(1), at(10_000)), None);
        assert!(records.has_delivered(peer(1)));
    }

    #[test]
    fn records_are_bounded_and_those_that_delivered_stay() {
        let mut records = TrackRecords::default();
        records.delivered(peer(0), at(0));
        for number in 1..=2 * u32::try_from(MOST).expect("small") {
            records.failed(peer(number), at(u64::from(number)));
        }
        assert_eq!(records.0.len(), MOST);
        assert!(records.has_delivered(peer(0)));
        assert_eq!(records.failures(peer(1)), 0, "the oldest is forgotten");
    }
}
