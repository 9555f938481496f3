//! Count of all facts and list of epochs, by which a tracker finds out that its journal has lost something.
//!
//! The tracker sends peers *marks* (run, and facts so far), and peers bring the latest one back with every
//! hello. A mark that this history does not contain proves a gap: the data directory was restored from an
//! older backup, or the end of its journal was lost. Invariants: no mark is sent before the facts that it
//! counts are durable; a history that only grew contains every mark that was ever sent; a gap stays known
//! until an operator says that it is accepted.
//!
//! Marks prove gaps, not completeness: a fact that was lost before any mark counted it is not missed.

use std::collections::BTreeMap;
use std::ops::Bound;

use shared::model::{Epoch, FactCount, Mark, NetworkId, PeerId, Timestamp};

use super::command::Rejection;
use super::record::{EpochBegin, Fact, Record};

/// Epochs that are remembered. A mark of an older one proves nothing: the peer that brings it has been away
/// for as many restarts.
const MAX_EPOCHS: usize = 1000;

/// A part of the history that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whether the operator declared the gap.
    pub is_declared: bool,
    /// A peer that has seen what is missing, and the mark that it has seen.
    pub seen: Option<(PeerId, Mark)>,
}

/// History of the journal, without the facts themselves.
#[derive(Debug)]
pub(crate) struct History {
    /// Id of the network; none in a journal of an older tracker until the first start.
    network: Option<NetworkId>,
    /// Number of this run of the tracker; the next field is its beginning.
    epoch: Epoch,
    began: Timestamp,
    facts: FactCount,
    epochs: BTreeMap<Epoch, EpochBegin>,
    gap: Option<Gap>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            network: None,
            epoch: Epoch::new(0),
            began: Timestamp::default(),
            facts: FactCount::new(0),
            epochs: BTreeMap::new(),
            gap: None,
        }
    }
}

impl History {
    /// Returns the number of this run of the tracker.
    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns the id of the network; none before its first start, or that of an older journal.
    pub(crate) const fn network(&self) -> Option<NetworkId> {
        self.network
    }

    /// Returns the beginning of this run.
    pub(crate) const fn began(&self) -> Timestamp {
        self.began
    }

    /// Counts a fact, and takes it in if it is about the history itself.
    pub(crate) fn evolve(&mut self, fact: &Fact, at: Timestamp) {
        // No journal states a count that is near the end (`audit`), and no tracker journals so many facts.
        self.facts = self.facts.next().unwrap_or(self.facts);
        match fact {
            Fact::EpochBegun(epoch) => self.begin(*epoch, at),
            Fact::NetworkNamed(network) => self.network = Some(*network),
            Fact::History { facts, epochs } => self.restore(*facts, epochs),
            Fact::GapDeclared => self.declare_gap(),
            Fact::GapFound { peer, seen } => self.find_gap(*peer, *seen),
            Fact::GapAccepted => self.gap = None,
            _ => {}
        }
    }

    pub(crate) const fn facts(&self) -> u64 {
        self.facts.get()
    }

    pub(crate) const fn gap(&self) -> Option<Gap> {
        self.gap
    }

    /// Returns the number of the run after this one.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn next_epoch(&self) -> Result<Epoch, Rejection> {
        self.epoch.next().ok_or(Rejection::EpochsUsedUp)
    }

    /// Returns whether the operator has said that the journal was restored.
    pub(crate) fn is_restored(&self) -> bool {
        self.gap.is_some_and(|gap| gap.is_declared)
    }

    /// Returns whether a mark that a peer has seen proves a gap that is not known yet.
    pub(crate) fn lacks(&self, seen: Mark) -> bool {
        let is_found = self.gap.is_some_and(|gap| gap.seen.is_some());
        !is_found && !self.contains(seen)
    }

    /// Begins a run, whose own fact is counted already.
    fn begin(&mut self, epoch: Epoch, at: Timestamp) {
        (self.epoch, self.began) = (epoch, at);
        let facts = self.facts();
        self.epochs.insert(epoch, EpochBegin { epoch, at, facts });
        if self.epochs.len() > MAX_EPOCHS {
            self.epochs.pop_first();
        }
    }

    /// Restores the counts that a snapshot states.
    fn restore(&mut self, facts: u64, epochs: &[EpochBegin]) {
        self.facts = FactCount::new(facts);
        self.epochs = epochs.iter().map(|begin| (begin.epoch, *begin)).collect();
    }

    const fn declare_gap(&mut self) {
        let seen = match self.gap {
            Some(gap) => gap.seen,
            None => None,
        };
        self.gap = Some(Gap {
            is_declared: true,
            seen,
        });
    }

    fn find_gap(&mut self, peer: PeerId, mark: Mark) {
        self.gap = Some(Gap {
            is_declared: self.gap.is_some_and(|gap| gap.is_declared),
            seen: Some((peer, mark)),
        });
    }

    /// Returns the mark of the newest fact.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.epochs.last_key_value().map(|(epoch, begin)| Mark {
            epoch: *epoch,
            began: begin.at,
            facts: self.facts(),
        })
    }

    /// Returns whether this history has gone through the moment of a mark. A mark from before the remembered
    /// epochs gets the benefit of the doubt.
    pub(crate) fn contains(&self, mark: Mark) -> bool {
        let Some((oldest, _)) = self.epochs.first_key_value() else {
            return true;
        };
        if mark.epoch < *oldest {
            return true;
        }
        let Some(begin) = self.epochs.get(&mark.epoch) else {
            return false;
        };
        let later = (Bound::Excluded(mark.epoch), Bound::Unbounded);
        let next = self.epochs.range(later).next();
        // The beginning of the next run is the first fact that is not of this one.
        let last = next.map_or(self.facts(), |(_, next)| next.facts.saturating_sub(1));
        begin.at == mark.began && (begin.facts..=last).contains(&mark.facts)
    }

    /// Returns the records of the gap for a snapshot.
    pub(crate) fn gap_records(&self) -> impl Iterator<Item = Record> {
        let at = self.began;
        let gap = self.gap;
        let declared = gap.filter(|gap| gap.is_declared).map(|_| Fact::GapDeclared);
        let found = gap
            .and_then(|gap| gap.seen)
            .map(|(peer, seen)| Fact::GapFound { peer, seen });
        declared
            .into_iter()
            .chain(found)
            .map(move |fact| Record { at, fact })
    }

    /// Returns the last record of a snapshot: the counts, because a snapshot has fewer facts than there ever
    /// were.
    pub(crate) fn record(&self) -> Record {
        let fact = Fact::History {
            facts: self.facts(),
            epochs: self.epochs.values().copied().collect(),
        };
        Record { at: self.began, fact }
    }
}
