//! The rates of faults in a history, drawn from its seed: some histories are calm and some are wild.

use std::time::Duration;

use rand::{Rng, RngExt as _};
use shared::model::{NetworkDefaults, RevisionLimit};
use tracker::{Budget, Policy, Timing};

use super::queue::Millis;

/// The harm that may be done to disks and machines for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// Nothing is destroyed: whatever else happens, everything must survive.
    None,
    /// Copies are destroyed now and then.
    Some,
    /// Whole machines are wiped, several at once.
    Much,
}

/// The rates of one history.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) peers: usize,
    pub(super) zones: usize,
    pub(super) capacity: u64,
    pub(super) names: usize,
    /// The revisions of a name that the tracker remembers.
    pub(super) keep_revisions: RevisionLimit,
    pub(super) harm: Harm,
    /// The time until the faults stop.
    pub(super) faults_stop: Millis,
    /// The longest time between two faults, and between two operations.
    pub(super) fault_every: Millis,
    pub(super) operation_every: Millis,
    /// The usual and the longest delay of a message.
    pub(super) delay: Millis,
    pub(super) longest_delay: Millis,
    /// The chances of a message or an answer to be lost, of a connection to break, of a message to come
    /// twice.
    pub(super) loss: f64,
    pub(super) breaks: f64,
    pub(super) duplicates: f64,
    /// The longest sync of the tracker's disk, and of a peer's.
    pub(super) tracker_sync: Millis,
    pub(super) peer_sync: Millis,
    pub(super) snapshot_every: u64,
    /// Whether repair has a small budget.
    pub(super) is_frugal: bool,
    /// Whether the tracker's journal is restored from an older backup.
    pub(super) is_restored: bool,
    /// Peers that say that they keep everything, and never have a byte.
    pub(super) fakes: usize,
}

impl Profile {
    pub(super) fn draw(rng: &mut impl Rng, peers: Option<usize>) -> Self {
        let usual = match rng.random_range(0..32) {
            0 => rng.random_range(20..40),
            1..8 => rng.random_range(9..16),
            _ => rng.random_range(2..9),
        };
        let roughness = rng.random_range(0..4_u32);
        let rate = f64::from(roughness) / 100.0;
        Self {
            peers: peers.unwrap_or(usual),
            zones: rng.random_range(0..4),
            capacity: if rng.random_bool(0.2) { 400_000 } else { 4 << 20 },
            names: rng.random_range(2..8),
            keep_revisions: RevisionLimit::new(rng.random_range(1..6)).expect("in bounds"),
            harm: match rng.random_range(0..5) {
                0 | 1 => Harm::None,
                2 | 3 => Harm::Some,
                _ => Harm::Much,
            },
            faults_stop: rng.random_range(40_000..120_000),
            fault_every: [20_000, 8_000, 4_000, 2_000][roughness as usize],
            operation_every: rng.random_range(200..2_000),
            delay: rng.random_range(1..20),
            longest_delay: [50, 500, 3_000, 8_000][rng.random_range(0..4)],
            loss: rate,
            breaks: rate / 8.0,
            duplicates: rate,
            tracker_sync: [1, 5, 40, 300][rng.random_range(0..4)],
            peer_sync: rng.random_range(1..60),
            snapshot_every: rng.random_range(5..60),
            is_frugal: rng.random_bool(0.3),
            is_restored: rng.random_bool(0.2),
            fakes: match rng.random_bool(0.3) {
                true => rng.random_range(1..4),
                false => 0,
            },
        }
    }

    /// Returns the tracker's policy.
    pub(super) fn policy(&self) -> Policy {
        let budget = match self.is_frugal {
            // Two contents, one for each peer.
            true => Budget {
                per_target: 70_000,
                per_source: 100_000,
                total: 140_000,
                rate: None,
            },
            false => Budget::default(),
        };
        let timing = Self::timing();
        let defaults = NetworkDefaults::default();
        Policy {
            timing,
            budget,
            defaults,
        }
    }

    /// Returns the tracker's durations, several times shorter than usual: their order matters.
    fn timing() -> Timing {
        Timing {
            lease: Duration::from_secs(4),
            heartbeat: Duration::from_secs(1),
            grace: Duration::from_secs(2),
            safe_mode: Duration::from_secs(8),
            inventory: Duration::from_secs(8),
            tick: Duration::from_millis(500),
            stall: Duration::from_secs(12),
            cool_down: Duration::from_secs(5),
            retry: Duration::from_secs(1),
            probe: Duration::from_secs(15),
            proof: Duration::from_secs(60),
            doubt: Duration::from_secs(20),
            trim: Duration::from_secs(15),
            orphan: Duration::from_secs(12),
            removed: Duration::from_secs(1),
            history_grace: Duration::from_secs(20),
            forget_names: Duration::from_hours(24),
            forget: Duration::from_secs(60),
        }
    }
}
