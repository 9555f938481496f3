//! Copies that peers have been asked to make and have not announced yet, and the room reserved for them.
//!
//! Invariants: an assignment wants at least one fragment; a peer's reserved bytes are the sum over its
//! assignments, and so are the bytes that count against the budget of repair, by target, by source and in
//! all. Orders may get lost on the way: they are repeated when the peer's next session has its inventory, and
//! given up when nothing moves for the stall time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::model::{ContentId, FragmentSet, Manifest, PeerId, Timestamp};

use crate::policy::Budget;
use crate::state::steps::{visit, visited};

/// An assignment whose peer makes progress, but not with it, is given up after this many stall times.
const PATIENCE: u32 = 10;

/// All assignments under way.
#[derive(Debug, Default)]
pub(super) struct Assignments {
    by_content: BTreeMap<(ContentId, PeerId), Assignment>,
    by_peer: BTreeMap<PeerId, PeerWork>,
    /// All assignments, in the order in which they last moved.
    by_move: BTreeSet<(Timestamp, ContentId, PeerId)>,
    /// Bytes within the budget that each peer is the source of.
    by_source: BTreeMap<PeerId, u64>,
    /// Bytes within the budget, in all.
    budgeted: u64,
    /// Peers that failed at a content, and the time until which they are not asked again.
    cooling: BTreeMap<(ContentId, PeerId), Timestamp>,
    /// These failures, the first to be over first.
    by_end: BTreeSet<(Timestamp, ContentId, PeerId)>,
}

/// Assignments of one peer.
#[derive(Debug, Default, PartialEq, Eq)]
struct PeerWork {
    load: Load,
    contents: BTreeSet<ContentId>,
}

/// Fragments that one peer is to copy of one content.
#[derive(Debug)]
pub(crate) struct Assignment {
    wanted: FragmentSet,
    bytes: u64,
    moved_at: Timestamp,
    charge: Charge,
}

/// Whether an assignment counts against the budget of repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    /// The copy is urgent, or no repair.
    Free,
    /// The copy counts, and is expected to take the same share from each of these peers.
    Budget(Vec<PeerId>),
}

/// Sum of a peer's assignments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) assignments: usize,
    pub(super) bytes: u64,
    /// Bytes that count against the budget.
    pub(super) budgeted: u64,
}

impl Assignment {
    /// Returns the fragments that have not arrived.
    pub(crate) const fn wanted(&self) -> &FragmentSet {
        &self.wanted
    }

    /// Returns the bytes that have not arrived.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the bytes that have not arrived and count against the budget of repair.
    pub(super) fn budgeted(&self) -> u64 {
        match &self.charge {
            Charge::Free => 0,
            Charge::Budget(_) => self.bytes,
        }
    }

    /// Returns the sources, and how many bytes come from each.
    fn shares(&self) -> (&[PeerId], u64) {
        match &self.charge {
            Charge::Budget(sources) if !sources.is_empty() => {
                (sources, self.bytes.div_ceil(sources.len() as u64))
            }
            Charge::Budget(_) | Charge::Free => (&[], 0),
        }
    }
}

impl Assignments {
    /// Returns the bytes of all assignments that have not arrived.
    pub(super) fn bytes(&self) -> u64 {
        visited(self.by_peer.values()).fold(0, |all, work| all.saturating_add(work.load.bytes))
    }

    /// Returns the bytes within the budget that have not arrived.
    pub(super) const fn budgeted(&self) -> u64 {
        self.budgeted
    }

    /// Returns the bytes within the budget that are still to come from the peer.
    pub(super) fn taken_from(&self, source: PeerId) -> u64 {
        self.by_source.get(&source).copied().unwrap_or_default()
    }

    pub(super) fn load(&self, peer: PeerId) -> Load {
        self.by_peer.get(&peer).map(|work| work.load).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.by_content.len()
    }

    pub(super) fn get(&self, content: ContentId, peer: PeerId) -> Option<&Assignment> {
        self.by_content.get(&(content, peer))
    }

    /// Returns the key of every assignment.
    pub(super) fn keys(&self) -> impl Iterator<Item = (ContentId, PeerId)> {
        self.by_content.keys().copied()
    }

    /// Returns the assignments of the content, in order of peer ids.
    pub(super) fn of(&self, content: ContentId) -> impl Iterator<Item = (PeerId, &Assignment)> {
        let (first, last) = (PeerId::from_bytes([0; 16]), PeerId::from_bytes([0xff; 16]));
        visited(self.by_content.range((content, first)..=(content, last)))
            .map(|((_, peer), job)| (*peer, job))
    }

    /// Returns the contents that the peer is to copy something of, in order of ids.
    pub(super) fn of_peer(&self, peer: PeerId) -> Vec<ContentId> {
        let work = self.by_peer.get(&peer).into_iter();
        visited(work.flat_map(|work| &work.contents)).copied().collect()
    }

    /// Adds fragments to a peer's assignment, and reserves the room. An assignment that is free of charge
    /// stays so.
    pub(super) fn add(
        &mut self,
        manifest: &Manifest,
        peer: PeerId,
        fragments: &FragmentSet,
        charge: &Charge,
        now: Timestamp,
    ) {
        if fragments.is_empty() {
            return;
        }
        let content = manifest.content();
        let mut job = self.take(content, peer).unwrap_or_else(|| Assignment {
            wanted: manifest.no_fragments(),
            bytes: 0,
            moved_at: now,
            charge: charge.clone(),
        });
        if *charge == Charge::Free {
            job.charge = Charge::Free;
        }
        job.wanted.union_with(fragments);
        (job.bytes, job.moved_at) = (manifest.bytes_in(&job.wanted), now);
        self.put(content, peer, job);
    }

    /// Removes fragments that the peer has announced; returns how many bytes of them it was to copy.
    pub(super) fn progress(
        &mut self,
        manifest: &Manifest,
        peer: PeerId,
        held: &FragmentSet,
        now: Timestamp,
    ) -> u64 {
        let content = manifest.content();
        let Some(mut job) = self.take(content, peer) else {
            return 0;
        };
        job.wanted.subtract(held);
        let bytes = manifest.bytes_in(&job.wanted);
        let arrived = job.bytes - bytes;
        if arrived > 0 {
            (job.bytes, job.moved_at) = (bytes, now);
        }
        if !job.wanted.is_empty() {
            self.put(content, peer, job);
        }
        arrived
    }

    /// Gives an assignment up; returns whether there was one.
    pub(super) fn cancel(&mut self, content: ContentId, peer: PeerId) -> bool {
        self.take(content, peer).is_some()
    }

    /// Gives up all assignments of the content.
    pub(super) fn cancel_content(&mut self, content: ContentId) {
        let peers: Vec<_> = self.of(content).map(|(peer, _)| peer).collect();
        for peer in peers {
            self.cancel(content, peer);
        }
    }

    /// Returns the assignments that have not moved for too long, their peers' progress considered.
    pub(super) fn stalled(
        &self,
        now: Timestamp,
        stall: Duration,
        progress_of: impl Fn(PeerId) -> Timestamp,
    ) -> Vec<(ContentId, PeerId)> {
        let is_stalled = |peer: PeerId, moved_at: Timestamp| {
            // A peer works through its assignments in turn: one that waits for its turn has not failed.
            now.since(moved_at.max(progress_of(peer))) >= stall || now.since(moved_at) >= stall * PATIENCE
        };
        // Those that moved later have time left.
        let due = self
            .by_move
            .iter()
            .take_while(|(moved_at, ..)| now.since(*moved_at) >= stall);
        let late = visited(due).filter(|(moved_at, _, peer)| is_stalled(*peer, *moved_at));
        late.map(|(_, content, peer)| (*content, *peer)).collect()
    }

    /// Adds to the time that every assignment has to move.
    pub(super) fn put_off(&mut self, by: Duration) {
        self.by_move.clear();
        for ((content, peer), job) in visited(self.by_content.iter_mut()) {
            job.moved_at = job.moved_at.after(by);
            self.by_move.insert((job.moved_at, *content, *peer));
        }
    }

    /// Bars a peer from assignments of this content until a time.
    pub(super) fn cool(&mut self, content: ContentId, peer: PeerId, until: Timestamp) {
        if let Some(before) = self.cooling.insert((content, peer), until) {
            self.by_end.remove(&(before, content, peer));
        }
        self.by_end.insert((until, content, peer));
    }

    pub(super) fn is_cooling(&self, content: ContentId, peer: PeerId) -> bool {
        self.cooling.contains_key(&(content, peer))
    }

    /// Forgets failures whose cool-down is over.
    pub(super) fn warm_up(&mut self, now: Timestamp) {
        while let Some(over) = self.by_end.first().copied().filter(|(until, ..)| *until <= now) {
            visit(1);
            self.by_end.remove(&over);
            self.cooling.remove(&(over.1, over.2));
        }
    }

    /// Removes an assignment from the map and from all sums.
    fn take(&mut self, content: ContentId, peer: PeerId) -> Option<Assignment> {
        let job = self.by_content.remove(&(content, peer))?;
        self.by_move.remove(&(job.moved_at, content, peer));
        if let Some(work) = self.by_peer.get_mut(&peer) {
            work.load.assignments -= 1;
            work.load.bytes -= job.bytes;
            work.load.budgeted -= job.budgeted();
            work.contents.remove(&content);
            if work.contents.is_empty() {
                self.by_peer.remove(&peer);
            }
        }
        self.budgeted -= job.budgeted();
        let (sources, share) = job.shares();
        for source in sources {
            if let Some(taken) = self.by_source.get_mut(source) {
                *taken -= share;
                if *taken == 0 {
                    self.by_source.remove(source);
                }
            }
        }
        Some(job)
    }

    /// Puts an assignment where there is none.
    fn put(&mut self, content: ContentId, peer: PeerId, job: Assignment) {
        let PeerWork { load, contents } = self.by_peer.entry(peer).or_default();
        load.assignments += 1;
        load.bytes += job.bytes;
        load.budgeted += job.budgeted();
        contents.insert(content);
        self.by_move.insert((job.moved_at, content, peer));
        self.budgeted += job.budgeted();
        let (sources, share) = job.shares();
        for source in sources.iter().filter(|_| share > 0) {
            *self.by_source.entry(*source).or_default() += share;
        }
        self.by_content.insert((content, peer), job);
    }

    /// Asserts the invariants.
    pub(super) fn check(&self) {
        let mut sums = Self::default();
        for ((content, peer), job) in &self.by_content {
            assert!(
                !job.wanted.is_empty(),
                "the assignment of {content:?} to {peer:?} wants something"
            );
            let copy = Assignment {
                wanted: job.wanted.clone(),
                charge: job.charge.clone(),
                ..*job
            };
            sums.put(*content, *peer, copy);
        }
        assert_eq!(
            sums.by_peer, self.by_peer,
            "reserved room is the sum of the assignments"
        );
        assert_eq!(sums.by_move, self.by_move, "every one is in the order of moves");
        let ends = self
            .cooling
            .iter()
            .map(|((content, peer), until)| (*until, *content, *peer));
        assert_eq!(
            ends.collect::<BTreeSet<_>>(),
            self.by_end,
            "failures end in order"
        );
        assert_eq!(
            sums.by_source, self.by_source,
            "so is what is taken from each source"
        );
        assert_eq!(sums.budgeted, self.budgeted, "and what counts against the budget");
    }

    /// Asserts that a limit of the budget is exceeded by one copy at most, in all and by each target.
    pub(super) fn check_budget(&self, budget: &Budget) {
        let largest = |peer: Option<PeerId>| {
            let jobs = self
                .by_content
                .iter()
                .filter(|((_, of), _)| peer.is_none_or(|peer| peer == *of));
            jobs.map(|(_, job)| job.budgeted()).max().unwrap_or(0)
        };
        let is_kept =
            |under_way: u64, limit: u64, largest: u64| under_way == 0 || under_way < limit + largest;
        assert!(
            is_kept(self.budgeted, budget.total, largest(None)),
            "{} bytes of repair are under way, {} may be",
            self.budgeted,
            budget.total
        );
        for (peer, PeerWork { load, .. }) in &self.by_peer {
            assert!(
                is_kept(load.budgeted, budget.per_target, largest(Some(*peer))),
                "{} bytes of repair are on their way to {peer}, {} may be",
                load.budgeted,
                budget.per_target
            );
        }
    }
}
