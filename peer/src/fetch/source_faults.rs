//! Faults of sources: those that lied, stalled or were much slower than others, for a user who wonders why a
//! fetch took long. Pure.
//!
//! Bounded: the fault that has not been repeated for longest is forgotten first. Deliberately absent:
//! decisions. Which source is asked, and which is banned, is up to the [scheduler](super::scheduler).

use std::time::Duration;

use shared::model::{ByteRate, FaultKind, HostPort, PeerId, SourceFault, Timestamp};

/// Number of faults that are remembered: more than a user reads, and few enough for a screen.
const REMEMBERED: usize = 32;

/// Ratio of speeds from which on an overtaken source counts as slow: in a swarm of equals one is always last.
const MUCH_SLOWER: u64 = 4;

/// Silence after which a source has stalled; before, it may have had others to serve.
const STALLED: Duration = Duration::from_secs(2);

/// Bytes that came in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pulled {
    pub(super) bytes: u64,
    pub(super) within: Duration,
}

impl Pulled {
    /// Bytes per second.
    fn rate(self) -> u64 {
        let millis = u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX).max(1);
        self.bytes.saturating_mul(1000) / millis
    }
}

/// Returns the fault of a source that was overtaken, and its rate; none if it was not much slower than the
/// other.
pub(super) fn judge(overtaken: Pulled, by: Pulled) -> Option<(FaultKind, Option<ByteRate>)> {
    let (slow, quick) = (overtaken.rate(), by.rate());
    if overtaken.bytes == 0 {
        (overtaken.within >= STALLED).then_some((FaultKind::Stalled, None))
    } else if slow.saturating_mul(MUCH_SLOWER) <= quick {
        Some((FaultKind::Slow, ByteRate::new(slow)))
    } else {
        None
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct SourceFaults {
    /// One for each peer and kind of fault, the latest last.
    known: Vec<(Timestamp, SourceFault)>,
}

impl SourceFaults {
    /// Records a fault; returns how often this source has had it.
    pub(super) fn record(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        address: HostPort,
        kind: FaultKind,
        rate: Option<ByteRate>,
    ) -> u32 {
        let is_same = |(_, known): &(Timestamp, SourceFault)| (known.peer, known.kind) == (peer, kind);
        let before = self
            .known
            .iter()
            .position(is_same)
            .map(|at| self.known.remove(at));
        let times = before.map_or(1, |(_, known)| known.times.saturating_add(1));
        if self.known.len() >= REMEMBERED {
            self.known.remove(0);
        }
        let fault = SourceFault {
            peer,
            address,
            kind,
            times,
            ago: Duration::ZERO,
            rate,
        };
        self.known.push((now, fault));
        times
    }

    /// Returns all faults, the latest first.
    pub(super) fn list(&self, now: Timestamp) -> Vec<SourceFault> {
        let told = |(at, known): &(Timestamp, SourceFault)| SourceFault {
            ago: now.since(*at),
            ..known.clone()
        };
        self.known.iter().rev().map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes([number; 16])
    }

    fn at(port: u16) -> HostPort {
        format!("127.0.0.1:{port}").parse().expect("an address")
    }

    #[test]
    fn a_repeated_fault_is_counted_and_comes_first() {
        let mut faults = SourceFaults::default();
        let time = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        assert_eq!(
            faults.record(time(1), peer(1), at(1), FaultKind::Stalled, None),
            1
        );
        assert_eq!(faults.record(time(2), peer(2), at(2), FaultKind::Lied, None), 1);
        assert_eq!(
            faults.record(time(3), peer(1), at(1), FaultKind::Slow, ByteRate::new(7)),
            1
        );
        assert_eq!(
            faults.record(time(4), peer(1), at(9), FaultKind::Stalled, None),
            2
        );
        let told: Vec<_> = faults
            .list(time(10))
            .into_iter()
            .map(|it| (it.peer, it.address, it.kind, it.times, it.ago, it.rate))
            .collect();
        let ago = Duration::from_secs;
        assert_eq!(
            told,
            [
                (peer(1), at(9), FaultKind::Stalled, 2, ago(6), None),
                (peer(1), at(1), FaultKind::Slow, 1, ago(7), ByteRate::new(7)),
                (peer(2), at(2), FaultKind::Lied, 1, ago(8), None),
            ]
        );
    }

    #[test]
    fn an_overtaken_source_is_slow_only_if_the_other_was_much_faster() {
        let pulled = |bytes, seconds| Pulled {
            bytes,
            within: Duration::from_secs(seconds),
        };
        let quick = pulled(800, 2);
        assert_eq!(
            judge(pulled(300, 3), quick),
            Some((FaultKind::Slow, ByteRate::new(100)))
        );
        assert_eq!(judge(pulled(303, 3), quick), None);
        assert_eq!(judge(pulled(0, 3), quick), Some((FaultKind::Stalled, None)));
        assert_eq!(judge(pulled(0, 1), quick), None, "it may have been busy");
        assert_eq!(
            judge(pulled(5, 0), pulled(5, 0)),
            None,
            "time is counted in milliseconds"
        );
    }

    #[test]
    fn the_oldest_faults_are_forgotten() {
        let mut faults = SourceFaults::default();
        let now = Timestamp::default();
        faults.record(now, peer(0), at(1), FaultKind::Slow, None);
        faults.record(now, peer(1), at(1), FaultKind::Lied, None);
        faults.record(now, peer(0), at(1), FaultKind::Slow, None);
        for number in 2..40 {
            faults.record(now, peer(number), at(1), FaultKind::Slow, None);
            faults.record(now, peer(0), at(1), FaultKind::Slow, None);
        }
        let told = faults.list(now);
        assert_eq!(told.len(), REMEMBERED);
        assert_eq!((told[0].peer, told[0].times), (peer(0), 40));
        assert!(!told.iter().any(|known| known.peer == peer(1)));
    }
}
