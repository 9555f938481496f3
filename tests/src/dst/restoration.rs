//! The tracker's journal is backed up, and restored from that later: what was acknowledged in between is missing, and all
//! the rest must be as it was.
//!
//! What is promised then (docs/reliability.md): names stand exactly as in the backup; no revision that bound a name means
//! another content; what is missing is missed as soon as a peer that has seen it says hello; until the operator accepts the
//! loss nothing is evicted for having no name, so what was replicated stays so. The operator does as the manual says:
//! `tracker restored` before the start, `tracker accept-loss` when the storm is over.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;
use shared::model::{
    ContentId, ContentRef, Epoch, Incarnation, Mark, Name, PeerId, Revision, RevisionEntry, Timestamp,
};
use tracker::offline;
use tracker::state::{Fact, State};

use super::lines::LineId;
use super::naming::Standing;
use super::oracle::number_of;
use super::peer::PeerNumber;
use super::pins::Told;
use super::world::{Event, World};

/// A run of the tracker as marks name it.
type Run = (Epoch, Timestamp);

/// A copy of the journal, and of what was in the oracle when it was made.
#[derive(Debug)]
pub(super) struct Backup {
    bytes: Vec<u8>,
    standings: BTreeMap<u64, Standing>,
    newest: BTreeMap<Name, (Revision, Option<ContentId>)>,
    pinned: Told,
    epoch: Option<Epoch>,
    incarnations: BTreeMap<PeerId, Incarnation>,
    /// The run in which it was made, and how many facts it has.
    mark: Option<(Run, u64)>,
}

/// What the oracle knows of lost parts of the history.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// How often the journal was restored.
    pub(super) count: usize,
    /// Runs that the journal lacks, and up to which fact it has others.
    runs: BTreeSet<Run>,
    parts: BTreeMap<Run, u64>,
    /// Contents that were promised and have no name in the journal since it was restored.
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
        let standings = (0..=self.profile.names as u64).map(|n| (n, standing(state, n)));
        let backup = Backup {
            standings: standings.collect(),
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
        self.start_tracker();
        let Some(process) = &self.tracker.process else {
            return;
        };
        let now = |n: &u64| standing(&process.state, *n);
        let wrong = backup.standings.iter().find(|(n, then)| !then.is_as(&now(n)));
        if let Some((n, then)) = wrong {
            let now = now(n);
            return self.violated(format_args!("n/{n} was {then:?} in the backup, and is {now:?}"));
        }
        let all = (0..=self.profile.names as u64).map(|n| (n, now(&n))).collect();
        self.oracle.turn_over(self.events, all);
        // Of contents that have a name in the backup as much is promised as that says.
        let promised: Vec<_> = self.oracle.promises.keys().copied().collect();
        self.oracle.losses.nameless = promised.iter().copied().collect();
        promised
            .into_iter()
            .for_each(|content| self.review_promise(content));
    }

    /// A run begins: the restored ones tell themselves apart by when.
    pub(super) fn note_run(&mut self) {
        let mark = self
            .tracker
            .process
            .as_ref()
            .and_then(|process| mark_of(&process.state));
        self.oracle.losses.lived.extend(mark.map(|(run, _)| run));
    }

    /// Whoever has seen what is missing is welcome: then the gap is known.
    pub(super) fn check_history(&mut self, number: PeerNumber, line: LineId) {
        let run = self.lines.get(&line).map(|line| line.tracker_run);
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

    /// The storm is over: the operator does without what is missing, as often as it is missed. Whether something was.
    pub(super) fn accept_loss(&mut self) -> bool {
        let gap = self.tracker.settled().and_then(|state| state.status().gap);
        if gap.is_none() {
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

/// The run that a state is in, and its facts.
fn mark_of(state: &State) -> Option<(Run, u64)> {
    let Some(Fact::History { facts, epochs }) = state.records().pop().map(|record| record.fact) else {
        return None;
    };
    let run = epochs.last()?;
    Some(((run.epoch, run.at), facts))
}

/// How the name of this number stands.
fn standing(state: &State, number: u64) -> Standing {
    let name = Name::new(format!("n/{number}")).expect("a name");
    debug_assert_eq!(number_of(&name), number);
    let (revision, _) = state.head(&name);
    let bound = state.resolve(&ContentRef::Name(name.clone())).ok();
    let bound = bound.map(|(binding, _)| (binding.content, binding.target.get()));
    // Of a removed name the newest binding; for a rename that is asked for again.
    let was = state.revisions(&name).ok().filter(|_| bound.is_none());
    let newest = |all: Vec<RevisionEntry>| all.iter().find_map(|entry| Some(entry.bound?.content));
    // Perhaps nothing but the removal is remembered.
    let was = was.map(|all| newest(all).unwrap_or(ContentId::from_bytes([0; 32])));
    Standing::at(revision, bound, was)
}
