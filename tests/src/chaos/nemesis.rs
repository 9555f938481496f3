//! Faults of a cluster in a chaos run.
//!
//! *Troubles* destroy nothing: processes are killed or stopped, wires cut, disks filled, places taken by
//! strangers, lies told by a member, peers are in another network for a while. They come one after the
//! other, at any time. *Harms* destroy copies, or history: they come when everything is at its target and
//! nothing else is wrong, and each takes the data of one peer; the cluster repairs it under load and
//! troubles. So no more than R−1 copies are ever destroyed at once, and every loss is the cluster's own.

mod harm;
mod liar;
mod trouble;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::{ChaosRun, locked};
use crate::{Stopwatch, is_interrupted};

/// Longer than the lease of this cluster (3 s) and its grace (1 s): a process stopped this long counts as
/// dead.
const LONG: Duration = Duration::from_millis(4500);

/// Between two troubles.
const PAUSE: std::ops::Range<u64> = 200..2500;

/// Overtime for kinds of faults that have not occurred by the end, even in a short run; no fault begins after
/// it. All harms take about half of it on an idle machine.
const OVERTIME: Duration = Duration::from_secs(120);

/// Wait after a harm: the tracker knows of the loss by then.
const AFTER_HARM: Duration = Duration::from_millis(4500);

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A peer is killed and started again.
    KillPeer,
    /// The tracker is.
    KillTracker,
    /// A peer is stopped (SIGSTOP) for longer than its lease.
    StopPeer,
    /// The tracker is stopped.
    StopTracker,
    /// A peer is cut off from everybody.
    Cut,
    /// Some peers cannot reach each other, but everybody else.
    Divide,
    /// A peer's disk is full.
    Fill,
    /// Strangers hold hundreds of connections to the tracker and a peer.
    Siege,
    /// A web page of another site calls the tracker and a peer.
    Page,
    /// A peer spends some time in another network.
    ChangeNetwork,
    /// A member says that it keeps contents of which it has nothing.
    Liar,
    /// Bytes of a peer's stored fragments are changed.
    Flip,
    /// Bytes of a peer's index, or of its log, are changed or gone.
    Rot,
    /// A peer loses its data directory and comes back as another.
    Wipe,
    /// A peer is started on an older copy of its data directory.
    Yesterday,
    /// The tracker is started on an older backup.
    Restore,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::KillPeer,
        Self::KillTracker,
        Self::StopPeer,
        Self::StopTracker,
        Self::Cut,
        Self::Divide,
        Self::Fill,
        Self::Siege,
        Self::Page,
        Self::ChangeNetwork,
        Self::Liar,
        Self::Flip,
        Self::Rot,
        Self::Wipe,
        Self::Yesterday,
        Self::Restore,
    ];

    /// Returns the name on the command line and in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::KillPeer => "kill-peer",
            Self::KillTracker => "kill-tracker",
            Self::StopPeer => "stop-peer",
            Self::StopTracker => "stop-tracker",
            Self::Cut => "cut",
            Self::Divide => "divide",
            Self::Fill => "fill",
            Self::Siege => "siege",
            Self::Page => "page",
            Self::ChangeNetwork => "change-network",
            Self::Liar => "liar",
            Self::Flip => "flip",
            Self::Rot => "rot",
            Self::Wipe => "wipe",
            Self::Yesterday => "yesterday",
            Self::Restore => "restore",
        }
    }

    /// Whether it needs a network that can be cut.
    pub(super) const fn needs_network(self) -> bool {
        matches!(self, Self::Cut | Self::Divide)
    }

    const fn is_harm(self) -> bool {
        matches!(
            self,
            Self::Flip | Self::Rot | Self::Wipe | Self::Yesterday | Self::Restore
        )
    }
}

impl std::str::FromStr for Fault {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let all = Self::ALL.iter().map(|fault| fault.word()).collect::<Vec<_>>();
        let found = Self::ALL.into_iter().find(|fault| fault.word() == word);
        found.ok_or_else(|| format!("{word:?} is none of {}", all.join(", ")))
    }
}

/// Faults in an order that depends on the seed only; every kind comes once before any comes again.
#[derive(Debug)]
struct Order {
    kinds: BTreeSet<Fault>,
    left: Vec<Fault>,
    /// Kinds that have not occurred yet.
    missing: BTreeSet<Fault>,
    rng: SmallRng,
}

impl Order {
    fn new(kinds: impl Iterator<Item = Fault>, seed: u64) -> Self {
        let kinds: BTreeSet<_> = kinds.collect();
        Self {
            left: Vec::new(),
            missing: kinds.clone(),
            kinds,
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    fn next(&mut self) -> Option<Fault> {
        if self.left.is_empty() {
            // A kind that was impossible at its turn is tried again before any has a second turn.
            let round = match self.missing.is_empty() {
                true => &self.kinds,
                false => &self.missing,
            };
            self.left = round.iter().copied().collect();
        }
        let next = *self.left.choose(&mut self.rng)?;
        self.left.retain(|fault| *fault != next);
        Some(next)
    }

    fn came(&mut self, fault: Fault) {
        self.missing.remove(&fault);
    }

    /// Returns whether one more may begin this long after the first could have.
    fn goes_on(&self, elapsed: Duration, length: Duration) -> bool {
        elapsed < length || (!self.missing.is_empty() && elapsed < length + OVERTIME)
    }
}

/// Parameters of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Duration of the faults; longer until every kind has occurred.
    pub length: Duration,
    /// Seed of the requests and of the order of the faults.
    pub seed: u64,
    /// Number of peers.
    pub peers: usize,
    /// The kinds of faults.
    pub faults: BTreeSet<Fault>,
    /// Whether the network is secured first.
    pub secured: bool,
}

impl ChaosRun {
    /// Causes troubles until the run is over.
    pub(super) fn trouble(&self, plan: &Plan, faults: &BTreeSet<Fault>) -> Result<()> {
        let kinds = faults.iter().copied().filter(|fault| !fault.is_harm());
        let mut order = Order::new(kinds, plan.seed ^ 0x7a0b);
        let watch = Stopwatch::start();
        while order.goes_on(watch.elapsed(), plan.length) && !is_interrupted() {
            let pause = Duration::from_millis(order.rng.random_range(PAUSE));
            std::thread::sleep(pause);
            let Some(fault) = order.next() else {
                return Ok(());
            };
            self.make_trouble(fault, &mut order.rng)?;
            order.came(fault);
        }
        self.tell_missing(&order);
        Ok(())
    }

    /// Harms, until it is time to end.
    pub(super) fn harm(&self, plan: &Plan, faults: &BTreeSet<Fault>) -> Result<()> {
        let kinds = faults.iter().copied().filter(|fault| fault.is_harm());
        let mut order = Order::new(kinds, plan.seed ^ 0x4a53);
        let mut past = harm::Past::default();
        let watch = Stopwatch::start();
        while order.goes_on(watch.elapsed(), plan.length) && !is_interrupted() {
            // Time for the load to leave something to harm.
            std::thread::sleep(AFTER_HARM);
            if !order.goes_on(watch.elapsed(), plan.length) {
                break;
            }
            let Some(fault) = order.next() else {
                continue;
            };
            if self.do_harm(fault, &mut past, &mut order.rng)? {
                order.came(fault);
            }
        }
        self.tell_missing(&order);
        Ok(())
    }

    fn tell_missing(&self, order: &Order) {
        let missing = order.missing.iter();
        let told = missing.map(|fault| (fault.word(), "there was no time for it".to_owned()));
        locked(&self.tally).skipped.extend(told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_fault_comes_and_the_same_seed_gives_the_same_order() {
        let order = |seed| {
            let mut order = Order::new(Fault::ALL.into_iter(), seed);
            std::iter::repeat_with(move || order.next().inspect(|fault| order.came(*fault)))
                .take(2 * Fault::ALL.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let first: BTreeSet<_> = order(3).into_iter().take(Fault::ALL.len()).collect();
        assert_eq!(first.len(), Fault::ALL.len());
        assert_eq!(Order::new(std::iter::empty(), 1).next(), None);
    }

    #[test]
    fn what_could_not_be_comes_again_before_anything_else_does() {
        let mut order = Order::new(Fault::ALL.into_iter(), 4);
        for _ in Fault::ALL {
            let fault = order.next().expect("there is one for each kind");
            if fault != Fault::Restore {
                order.came(fault);
            }
        }
        assert_eq!(order.next(), Some(Fault::Restore));
        order.came(Fault::Restore);
        assert!(order.next().is_some(), "then all of them have their turn again");
    }

    #[test]
    fn a_run_is_longer_only_for_missing_kinds_of_faults_and_bounded() {
        let length = Duration::from_secs(1);
        let mut order = Order::new([Fault::Wipe].into_iter(), 5);
        assert!(order.goes_on(Duration::ZERO, length));
        assert!(order.goes_on(length, length));
        assert!(!order.goes_on(length + OVERTIME, length));
        order.came(Fault::Wipe);
        assert!(!order.goes_on(length, length));
    }

    #[test]
    fn every_fault_has_a_word_of_its_own() {
        for fault in Fault::ALL {
            assert_eq!(fault.word().parse(), Ok(fault));
        }
        assert!("x".parse::<Fault>().unwrap_err().contains("kill-peer"));
    }
}
