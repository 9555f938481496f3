//! The promises of the system (ARCHITECTURE.md, invariants 1 to 6), checked while the history runs.

use peer::store::FragmentStore as _;
use shared::model::{
    ContentId, ContentState, Epoch, EvictReason, FragmentIndex, Incarnation, Location, Order, PeerId,
    PeerState,
};

use super::contents;
use super::lines::LineId;
use super::oracle::Promise;
use super::peer::{PeerNumber, SimPeer};
use super::profile::Harm;
use super::world::World;

/// So many orders of the past are remembered.
const OLD_ORDERS: usize = 16;

impl World {
    /// After every event: whatever was touched still has what was promised of it.
    pub(super) fn check_invariants(&mut self) {
        for content in std::mem::take(&mut self.touched) {
            self.review_promise(content);
            let Some(promise) = self.oracle.promises.get(&content).cloned() else {
                continue;
            };
            let (copies, kept) = self.fewest_copies(content);
            let destroyed = u32::try_from(promise.destroyed.len()).unwrap_or(u32::MAX);
            if destroyed < promise.target && copies == 0 {
                self.violated(format_args!(
                    "{} was acknowledged with {} replicas; {destroyed} were destroyed, and it cannot be read",
                    content.short(),
                    promise.target
                ));
            } else if self.profile.harm == Harm::None && kept < promise.target {
                self.violated(format_args!(
                    "{} was acknowledged with {} replicas; nothing was destroyed, and {kept} are left",
                    content.short(),
                    promise.target
                ));
            }
        }
    }

    /// The copies of the fragment that has the fewest: all, and those that are kept. On any disk, of live peers or not.
    pub(super) fn fewest_copies(&self, content: ContentId) -> (u32, u32) {
        let Some(known) = contents::find(content) else {
            return (0, 0);
        };
        let entries: Vec<_> = self
            .peers
            .iter()
            .filter_map(|peer| Some((peer, peer.store.entry(content)?)))
            .collect();
        let (mut fewest, mut fewest_kept) = (u32::MAX, u32::MAX);
        for index in known.manifest.indices() {
            let (mut copies, mut kept) = (0, 0);
            for (peer, entry) in &entries {
                if entry.held.contains(index) && !peer.rotten.contains(&(content, index)) {
                    copies += 1;
                    kept += u32::from(entry.roles.keeps());
                }
            }
            (fewest, fewest_kept) = (fewest.min(copies), fewest_kept.min(kept));
        }
        (fewest, fewest_kept)
    }

    /// What was promised of a content holds until its names say otherwise.
    pub(super) fn review_promise(&mut self, content: ContentId) {
        let Some(state) = self.tracker.settled() else {
            return;
        };
        match (state.health(content), self.oracle.promises.get_mut(&content)) {
            (Ok(health), promise) => {
                self.oracle.losses.nameless.remove(&content);
                if let Some(promise) = promise {
                    promise.target = promise.target.min(health.target.get());
                }
            }
            // Its name may be among what is missing: nothing of it goes.
            (Err(_), Some(_))
                if state.status().gap.is_some() && self.oracle.losses.nameless.contains(&content) => {}
            (Err(_), Some(_)) => drop(self.oracle.promises.remove(&content)),
            (_, None) => {}
        }
    }

    /// The tracker is about to say where a content is besides at `except`, and how it stands.
    pub(super) fn check_location(&mut self, location: &Location, except: Option<PeerId>) {
        let content = location.manifest.content();
        if location.health.state != ContentState::Replicated || location.manifest.fragment_count() == 0 {
            return;
        }
        // Of itself the one who asks is told nothing, so it may have lost what the tracker still counts.
        let mut is_excused = except.is_some_and(|asking| self.oracle.destroyed.contains(&(asking, content)));
        let mut missing = None;
        for holder in &location.holders {
            if !holder.keeps || holder.peer.state != PeerState::Live {
                continue;
            }
            let number = self.peer_of(holder.peer.id);
            let has = |index| number.is_some_and(|number| self.peers[number].has(content, index));
            if let Some(index) = holder.fragments.iter().find(|index| !has(*index)) {
                // A machine that was drained and switched off may be taken for live until its lease runs out.
                if self.oracle.destroyed.contains(&(holder.peer.id, content))
                    || self.oracle.switched_off.contains(&holder.peer.id)
                {
                    is_excused = true;
                } else {
                    missing = Some((number, index));
                }
            }
        }
        if let Some((number, index)) = missing {
            return self.violated(format_args!(
                "{} is said to be replicated, but its fragment {} is not on peer {number:?}",
                content.short(),
                index.get()
            ));
        }
        if !is_excused {
            let target = location.health.target.get();
            // What has rotted unnoticed is relied upon until someone reads it, wherever it is.
            let has_rotten = |peer: &&SimPeer| peer.rotten.iter().any(|(rotten, _)| *rotten == content);
            let destroyed = self.peers.iter().filter(has_rotten).map(|peer| peer.id).collect();
            self.oracle
                .promises
                .insert(content, Promise { target, destroyed });
            self.touched.insert(content);
        }
    }

    /// The history itself has destroyed what a peer had of a content.
    pub(super) fn destroyed(&mut self, peer: PeerId, content: ContentId) {
        self.oracle.destroyed.insert((peer, content));
        if let Some(promise) = self.oracle.promises.get_mut(&content) {
            promise.destroyed.insert(peer);
        }
        self.touched.insert(content);
    }

    /// What is durable now still has all that anyone was told (3), and nothing older (4).
    pub(super) fn check_names(&mut self) {
        let Some(state) = self.tracker.settled() else {
            return;
        };
        let wrong = self.oracle.newest.iter().find_map(|(name, (revision, content))| {
            let (now, bound) = state.head(name);
            let is_right = now > *revision || (now == *revision && bound == *content);
            (!is_right).then(|| {
                format!("{name} was at revision {revision} ({content:?}), and is at {now} ({bound:?}) now")
            })
        });
        if let Some(wrong) = wrong {
            self.violated(format_args!("{wrong}"));
        }
    }

    /// Epochs only grow (5), but for those that were lost with the journal.
    pub(super) fn epoch_begins(&mut self, epoch: Epoch) {
        if self.oracle.epoch.is_some_and(|known| known >= epoch) {
            self.violated(format_args!("epoch {epoch} has begun twice"));
        }
        self.oracle.epoch = Some(epoch);
    }

    /// Whoever is welcomed is the newest run of its peer (5).
    pub(super) fn welcomed(&mut self, peer: PeerId, incarnation: Incarnation) {
        let newest = self.oracle.incarnations.entry(peer).or_insert(incarnation);
        if *newest > incarnation {
            let newest = *newest;
            return self.violated(format_args!(
                "run {incarnation} of {peer} was welcomed after run {newest}"
            ));
        }
        *newest = incarnation;
    }

    /// The tracker gives an order.
    pub(super) fn ordered(&mut self, line: LineId, order: &Order) {
        let Some(number) = self.lines.get(&line).map(|line| line.peer) else {
            return;
        };
        if let Order::Evict { content, reason, .. } = order {
            let state = self.tracker.process.as_ref().map(|process| &process.state);
            let has_gap = state.is_some_and(|state| state.status().gap.is_some());
            if has_gap && *reason == EvictReason::Unreferenced {
                self.violated(format_args!(
                    "{} is evicted while a name may be missing",
                    content.short()
                ));
            }
            // From here on less is promised, if anything has changed.
            self.review_promise(*content);
            let is_safe_mode = self
                .tracker
                .settled()
                .is_some_and(tracker::state::State::is_in_safe_mode);
            if is_safe_mode {
                self.violated(format_args!("an eviction is ordered in safe mode"));
            }
        }
        if self.oracle.orders.len() == OLD_ORDERS {
            self.oracle.orders.remove(0);
        }
        self.oracle.orders.push((number, order.clone()));
    }

    /// What a peer holds from now on is what it should be (1).
    pub(super) fn check_committed(&mut self, number: PeerNumber, content: ContentId, index: FragmentIndex) {
        if !self.peers[number].store.is_intact(content, index) {
            self.violated(format_args!(
                "peer {number} holds fragment {} of {}, and it is not right",
                index.get(),
                content.short()
            ));
        }
    }

    /// A user has what was asked for, or was told that there is no way: what is there is right (1).
    pub(super) fn check_got(&mut self, number: PeerNumber, content: ContentId) {
        let (store, rotten) = (&self.peers[number].store, &self.peers[number].rotten);
        let Some((entry, known)) = store.entry(content).zip(contents::find(content)) else {
            return;
        };
        let is_right = |index: FragmentIndex| {
            let range = known.manifest.range(index);
            let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
            let bytes = store.read(content, index, known.manifest.whole(index));
            bytes.is_ok_and(|bytes| known.bytes.get(at(range.start)..at(range.end)) == Some(&bytes[..]))
        };
        let wrong = entry
            .held
            .iter()
            .find(|index| !rotten.contains(&(content, *index)) && !is_right(*index));
        if let Some(index) = wrong {
            self.violated(format_args!(
                "a reader at peer {number} gets fragment {} of {} wrong",
                index.get(),
                content.short()
            ));
        }
    }
}
