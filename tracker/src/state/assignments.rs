//! Copies that peers have been asked to make and have not announced yet, and the room reserved for them.
//!
//! Invariants: an assignment wants at least one fragment; a peer's reserved bytes are the sum over its assignments.
//! Orders may get lost on the way: they are repeated when the peer's next session has its inventory, and given
//! up when nothing moves for the stall time.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::model::{ContentId, FragmentSet, Manifest, PeerId, Timestamp};

/// An assignment whose peer makes progress, but not with it, is given up after this many stall times.
const PATIENCE: u32 = 10;

/// All assignments under way.
#[derive(Debug, Default)]
pub(super) struct Assignments {
    by_content: BTreeMap<(ContentId, PeerId), Assignment>,
    by_peer: BTreeMap<PeerId, Load>,
    /// Who failed at what, and until when it is not asked again.
    cooling: BTreeMap<(ContentId, PeerId), Timestamp>,
}

/// What one peer is to copy of one content.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) wanted: FragmentSet,
    bytes: u64,
    moved_at: Timestamp,
}

/// What one peer is to copy in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) assignments: usize,
    pub(super) bytes: u64,
}

impl Assignment {
    /// Bytes that have not arrived.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Assignments {
    /// Bytes of all assignments that have not arrived.
    pub(super) fn bytes(&self) -> u64 {
        self.by_peer
            .values()
            .fold(0, |all, load| all.saturating_add(load.bytes))
    }

    pub(super) fn load(&self, peer: PeerId) -> Load {
        self.by_peer.get(&peer).copied().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.by_content.len()
    }

    pub(super) fn get(&self, content: ContentId, peer: PeerId) -> Option<&Assignment> {
        self.by_content.get(&(content, peer))
    }

    /// Every assignment there is.
    pub(super) fn keys(&self) -> impl Iterator<Item = (ContentId, PeerId)> {
        self.by_content.keys().copied()
    }

    /// Every assignment of the content, in order of peer ids.
    pub(super) fn of(&self, content: ContentId) -> impl Iterator<Item = (PeerId, &Assignment)> {
        let (first, last) = (PeerId::from_bytes([0; 16]), PeerId::from_bytes([0xff; 16]));
        self.by_content
            .range((content, first)..=(content, last))
            .map(|((_, peer), job)| (*peer, job))
    }

    /// Contents that the peer is to copy something of, in order of ids.
    pub(super) fn of_peer(&self, peer: PeerId) -> Vec<ContentId> {
        if self.load(peer).assignments == 0 {
            return Vec::new();
        }
        self.by_content
            .keys()
            .filter(|(_, other)| *other == peer)
            .map(|(content, _)| *content)
            .collect()
    }

    /// Adds fragments to what the peer is to copy, and reserves the room.
    pub(super) fn add(&mut self, manifest: &Manifest, peer: PeerId, fragments: &FragmentSet, now: Timestamp) {
        if fragments.is_empty() {
            return;
        }
        let load = self.by_peer.entry(peer).or_default();
        let job = self
            .by_content
            .entry((manifest.content(), peer))
            .or_insert_with(|| {
                load.assignments += 1;
                Assignment {
                    wanted: manifest.no_fragments(),
                    bytes: 0,
                    moved_at: now,
                }
            });
        job.wanted.union_with(fragments);
        let bytes = manifest.bytes_in(&job.wanted);
        load.bytes += bytes - job.bytes;
        (job.bytes, job.moved_at) = (bytes, now);
    }

    /// The peer has announced that it keeps these fragments; returns how many bytes of them it was to copy.
    pub(super) fn progress(
        &mut self,
        manifest: &Manifest,
        peer: PeerId,
        held: &FragmentSet,
        now: Timestamp,
    ) -> u64 {
        let key = (manifest.content(), peer);
        let Some(job) = self.by_content.get_mut(&key) else {
            return 0;
        };
        job.wanted.subtract(held);
        let bytes = manifest.bytes_in(&job.wanted);
        let arrived = job.bytes - bytes;
        if arrived > 0 {
            (job.bytes, job.moved_at) = (bytes, now);
        }
        let is_done = job.wanted.is_empty();
        self.unload(peer, arrived, false);
        if is_done {
            self.by_content.remove(&key);
            self.unload(peer, 0, true);
        }
        arrived
    }

    /// Gives an assignment up; false when there was none.
    pub(super) fn cancel(&mut self, content: ContentId, peer: PeerId) -> bool {
        let Some(job) = self.by_content.remove(&(content, peer)) else {
            return false;
        };
        self.unload(peer, job.bytes, true);
        true
    }

    /// Gives up everything that concerns the content.
    pub(super) fn cancel_content(&mut self, content: ContentId) {
        let peers: Vec<_> = self.of(content).map(|(peer, _)| peer).collect();
        for peer in peers {
            self.cancel(content, peer);
        }
    }

    /// Assignments that have not moved for too long, their peers' progress considered.
    pub(super) fn stalled(
        &self,
        now: Timestamp,
        stall: Duration,
        progress_of: impl Fn(PeerId) -> Timestamp,
    ) -> Vec<(ContentId, PeerId)> {
        let is_stalled = |peer: PeerId, job: &Assignment| {
            // A peer works through its assignments in turn: one that waits for its turn has not failed.
            now.since(job.moved_at.max(progress_of(peer))) >= stall
                || now.since(job.moved_at) >= stall * PATIENCE
        };
        let late = self
            .by_content
            .iter()
            .filter(|((_, peer), job)| is_stalled(*peer, job));
        late.map(|(key, _)| *key).collect()
    }

    /// Does not ask the peer again for this content before `until`.
    pub(super) fn cool(&mut self, content: ContentId, peer: PeerId, until: Timestamp) {
        self.cooling.insert((content, peer), until);
    }

    pub(super) fn is_cooling(&self, content: ContentId, peer: PeerId) -> bool {
        self.cooling.contains_key(&(content, peer))
    }

    /// Forgets failures that are long enough ago.
    pub(super) fn warm_up(&mut self, now: Timestamp) {
        self.cooling.retain(|_, until| *until > now);
    }

    fn unload(&mut self, peer: PeerId, bytes: u64, is_over: bool) {
        let Some(load) = self.by_peer.get_mut(&peer) else {
            return;
        };
        load.bytes -= bytes;
        load.assignments -= usize::from(is_over);
        if *load == Load::default() {
            self.by_peer.remove(&peer);
        }
    }

    /// Asserts the invariants.
    pub(super) fn check(&self) {
        let mut loads: BTreeMap<PeerId, Load> = BTreeMap::new();
        for ((content, peer), job) in &self.by_content {
            assert!(
                !job.wanted.is_empty(),
                "the assignment of {content:?} to {peer:?} wants something"
            );
            let load = loads.entry(*peer).or_default();
            load.assignments += 1;
            load.bytes += job.bytes;
        }
        assert_eq!(loads, self.by_peer, "reserved room is the sum of the assignments");
    }
}
