//! The tracker's journal is backed up, and later restored from the backup: facts acknowledged in between are
//! missing, and all others must be as they were.
//!
//! The invariants then (docs/reliability.md): names are exactly as in the backup; no revision that bound a
//! name means another content; a missing fact is missed as soon as a peer that has seen it says hello; until
//! the operator accepts the loss nothing is evicted for having no name, so replicated contents stay so. The
//! operator follows the manual: `tracker restored` before the start, `tracker accept-loss` when the faults
//! have stopped.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;
use shared::model::{
    ContentId, ContentRef, Epoch, Incarnation, Mark, Name, PeerId, Revision, RevisionEntry, Timestamp,
};
use tracker::offline;
use tracker::state::{Fact, State};

use super::connections::ConnectionId;
use super::naming::{NameState, Was};
use super::oracle::number_of;
use super::peer::{PeerNumber, SimPeer};
use super::pins::PinCounts;
use super::world::{Event, World};

/// A run of the tracker, as marks name it.
type Run = (Epoch, Timestamp);

/// A copy of the journal, and of the oracle's knowledge when it was made.
#[derive(Debug)]
pub(super) struct Backup {
    bytes: Vec<u8>,
    states: BTreeMap<u64, NameState>,
    newest: BTreeMap<Name, (Revision, Option<ContentId>)>,
    pinned: PinCounts,
    epoch: Option<Epoch>,
    incarnations: BTreeMap<PeerId, Incarnation>,
    /// The run in which it was made, and its number of facts.
    mark: Option<(Run, u64)>,
}

/// Lost parts of the tracker's history.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Restorations of the journal.
    pub(super) count: usize,
    /// Runs that the journal lacks, and the last fact that it has of others.
    runs: BTreeSet<Run>,
    parts: BTreeMap<Run, u64>,
    /// Contents with acknowledged replicas that have no name in the journal since it was restored.
    pub(super) nameless: BTreeSet<ContentId>,
    /// Runs since the beginning, as far as the journal has them.
    lived: Vec<Run>,
}

impl Losses {
    fn lacks(&self, mark: &Mark) -> bool {
        let run = (mark.epoch, mark.began);
        self.runs.contains(&run) || self.parts.get(&run).is_some_and(|last| mark.facts > *last)
    }
}

impl World {
    pub(super) fn back_up(&mut self) {
        if self.is_quiescent {
            return;
        }
        let Some(state) = self.tracker.settled() else {
            return self.plan(200, Event::BacksUp);
        };
        let states = (0..=self.profile.names as u64).map(|n| (n, name_state(state, n)));
        let backup = Backup {
            states: states.collect(),
            mark: mark_of(state),
            bytes: self.tracker.journal.disk().bytes().to_vec(),
            newest: self.oracle.newest.clone(),
            pinned: self.oracle.pins.told.clone(),
            epoch: self.oracle.epoch,
            incarnations: self.oracle.incarnations.clone(),
        };
        self.say(format_args!("tracker: is backed up at {:?}", backup.mark));
        self.tracker.backup = Some(backup);
        let wait = self.rng.random_range(100..30_000);
        self.plan(wait, Event::Restores);
    }

    pub(super) fn restore(&mut self) {
        let Some(backup) = self.tracker.backup.take().filter(|_| !self.is_quiescent) else {
            return;
        };
        self.crash_tracker();
        self.tracker.clock_ahead = self.rng.random_range(0..3_600_000);
        self.say(format_args!("tracker: its journal is restored from the backup"));
        self.tracker.journal.disk().replace(backup.bytes);
        let now = self.tracker_clock();
        if let Err(error) = offline::restored(&mut self.tracker.journal, now) {
            return self.violated(format_args!("the journal cannot be restored: {error}"));
        }
        let losses = &mut self.oracle.losses;
        losses.count += 1;
        if let Some((run, facts)) = backup.mark {
            let at = losses.lived.iter().position(|lived| *lived == run);
            let lost = losses.lived.split_off(at.map_or(0, |at| at + 1));
            losses.runs.extend(lost);
            losses.parts.insert(run, facts);
        }
        self.oracle.newest = backup.newest;
        self.oracle.pins.told = backup.pinned;
        self.oracle.epoch = backup.epoch;
        self.oracle.incarnations = backup.incarnations;
        self.answers_get_lost();
        let revoked = self.forget_revocations();
        self.start_tracker();
        self.revoke_again(revoked);
        let Some(process) = &self.tracker.process else {
            return;
        };
        let now = |n: &u64| name_state(&process.state, *n);
        let wrong = backup.states.iter().find(|(n, then)| !then.is_as(&now(n)));
        if let Some((n, then)) = wrong {
            let now = now(n);
            return self.violated(format_args!("n/{n} was {then:?} in the backup, and is {now:?}"));
        }
        let all = (0..=self.profile.names as u64).map(|n| (n, now(&n))).collect();
        self.oracle.begin_age(self.events, all);
        // Contents that have a name in the backup have the target that it says.
        let acknowledged: Vec<_> = self.oracle.acknowledged.keys().copied().collect();
        self.oracle.losses.nameless = acknowledged.iter().copied().collect();
        acknowledged
            .into_iter()
            .for_each(|content| self.review_acknowledged(content));
    }

    /// Notes that a run begins.
    pub(super) fn note_run(&mut self) {
        let mark = self
            .tracker
            .process
            .as_ref()
            .and_then(|process| mark_of(&process.state));
        self.oracle.losses.lived.extend(mark.map(|(run, _)| run));
    }

    /// Checks that the tracker knows of a gap when it has welcomed a peer that has seen missing facts.
    pub(super) fn check_history(&mut self, number: PeerNumber, connection: ConnectionId) {
        let run = self
            .connections
            .get(&connection)
            .map(|connection| connection.tracker_run);
        // A welcome of a process that is gone may come late.
        let welcoming = self.tracker.process.as_ref();
        let Some(process) = welcoming.filter(|_| run == Some(self.tracker.run_number())) else {
            return;
        };
        let (gap, losses) = (process.state.status().gap, &self.oracle.losses);
        if losses.count == 0 && gap.is_some() {
            return self.violated(format_args!("the tracker's history has a gap: {gap:?}"));
        }
        let missed = self.peers[number].mark.filter(|mark| losses.lacks(mark));
        let is_known = gap.is_some_and(|gap| gap.seen.is_some());
        if let Some(mark) = missed.filter(|_| !is_known) {
            self.violated(format_args!(
                "peer {number} has seen {mark:?}, and nobody misses it"
            ));
        }
    }

    /// Accepts the loss of missing facts when the faults have stopped and everybody is back: a peer of a
    /// later epoch is welcome as long as facts are missing, and not afterwards. False when nothing is missed,
    /// or not yet.
    pub(super) fn accept_loss(&mut self) -> bool {
        let gap = self.tracker.settled().and_then(|state| state.status().gap);
        let mut running = self.peers.iter().filter(|peer| peer.is_up && !peer.is_fake);
        if gap.is_none() || !running.all(SimPeer::is_connected) {
            return false;
        }
        self.say(format_args!("tracker: the loss is accepted"));
        self.crash_tracker();
        let now = self.tracker_clock();
        if let Err(error) = offline::accepted(&mut self.tracker.journal, now) {
            self.violated(format_args!("the loss cannot be accepted: {error}"));
        }
        self.plan(1, Event::TrackerStarts);
        true
    }
}

/// Returns the run that a state is in, and its number of facts.
fn mark_of(state: &State) -> Option<(Run, u64)> {
    let Some(Fact::History { facts, epochs }) = state.records().pop().map(|record| record.fact) else {
        return None;
    };
    let run = epochs.last()?;
    Some(((run.epoch, run.at), facts))
}

/// Returns the state of the name with this number.
fn name_state(state: &State, number: u64) -> NameState {
    let name = Name::new(format!("n/{number}")).expect("a name");
    debug_assert_eq!(number_of(&name), number);
    let (revision, _) = state.head(&name);
    let bound = state.resolve(&ContentRef::Name(name.clone())).ok();
    let bound = bound.map(|(binding, _)| (binding.content, binding.target.get()));
    // The binding that was removed, for a rename that is asked for again.
    let is_removed = |entry: &RevisionEntry| entry.revision.next() == Some(revision);
    let removed = |all: Vec<RevisionEntry>| all.into_iter().find(is_removed)?.bound;
    let was = match state.revisions(&name) {
        Ok(all) if bound.is_none() => {
            removed(all).map_or(Was::Forgotten, |removed| Was::Content(removed.content))
        }
        _ => Was::Nothing,
    };
    NameState::at(revision, bound, was)
}
