//! The invariants 1 to 6 of ARCHITECTURE.md, checked while a history runs.

use shared::model::{
    ContentId, ContentState, Epoch, EvictReason, FragmentIndex, Incarnation, Location, Order, PeerId,
    PeerState,
};
use store::FragmentStore as _;

use super::connections::ConnectionId;
use super::contents;
use super::oracle::Acknowledged;
use super::peer::{PeerNumber, SimPeer};
use super::profile::Harm;
use super::world::World;

/// Orders of the past that are remembered.
const OLD_ORDERS: usize = 16;

impl World {
    /// Checks, after every event, that contents that were touched have the replicas that were acknowledged.
    pub(super) fn check_invariants(&mut self) {
        for content in std::mem::take(&mut self.touched) {
            self.review_acknowledged(content);
            let Some(acknowledged) = self.oracle.acknowledged.get(&content).cloned() else {
                continue;
            };
            let (copies, kept) = self.fewest_copies(content);
            let destroyed = u32::try_from(acknowledged.destroyed.len()).unwrap_or(u32::MAX);
            if destroyed < acknowledged.target && copies == 0 {
                self.violated(format_args!(
                    "{} was acknowledged with {} replicas; {destroyed} were destroyed, and it cannot be read",
                    content.short(),
                    acknowledged.target
                ));
            } else if self.profile.harm == Harm::None && kept < acknowledged.target {
                self.violated(format_args!(
                    "{} was acknowledged with {} replicas; nothing was destroyed, and {kept} are left",
                    content.short(),
                    acknowledged.target
                ));
            }
        }
    }

    /// Returns the copies of the fragment that has the fewest, on the disks of live peers or not: all copies,
    /// and kept ones.
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

    /// Lowers the acknowledged replicas of a content when its names say so.
    pub(super) fn review_acknowledged(&mut self, content: ContentId) {
        let Some(state) = self.tracker.settled() else {
            return;
        };
        match (state.health(content), self.oracle.acknowledged.get_mut(&content)) {
            (Ok(health), acknowledged) => {
                self.oracle.losses.nameless.remove(&content);
                if let Some(acknowledged) = acknowledged {
                    acknowledged.target = acknowledged.target.min(health.target.get());
                }
            }
            // Its name may be among the missing ones: no copy of it goes.
            (Err(_), Some(_))
                if state.status().gap.is_some() && self.oracle.losses.nameless.contains(&content) => {}
            (Err(_), Some(_)) => drop(self.oracle.acknowledged.remove(&content)),
            (_, None) => {}
        }
    }

    /// Checks the tracker's answer about the holders of a content other than `except`, and its health.
    pub(super) fn check_location(&mut self, location: &Location, except: Option<PeerId>) {
        self.check_holders(location);
        let content = location.manifest.content();
        if location.health.state != ContentState::Replicated || location.manifest.fragment_count() == 0 {
            return;
        }
        // The asking peer is not among the holders, so it may have lost a copy that the tracker still counts.
        let mut is_excused = except.is_some_and(|asking| self.oracle.destroyed.contains(&(asking, content)));
        let mut missing = None;
        for holder in &location.holders {
            if !holder.keeps || holder.peer.state != PeerState::Live {
                continue;
            }
            let number = self.peer_of(holder.peer.id);
            // Until others have looked, a liar's word is as good as any.
            if number.is_some_and(|number| self.peers[number].is_fake) {
                is_excused = true;
                continue;
            }
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
            // Copies that have rotted unnoticed are relied upon until someone reads them.
            let has_rotten = |peer: &&SimPeer| peer.rotten.iter().any(|(rotten, _)| *rotten == content);
            let destroyed = self.peers.iter().filter(has_rotten).map(|peer| peer.id).collect();
            self.oracle
                .acknowledged
                .insert(content, Acknowledged { target, destroyed });
            self.touched.insert(content);
        }
    }

    /// Notes that the history itself has destroyed a peer's copy.
    pub(super) fn destroyed(&mut self, peer: PeerId, content: ContentId) {
        self.oracle.destroyed.insert((peer, content));
        if let Some(acknowledged) = self.oracle.acknowledged.get_mut(&content) {
            acknowledged.destroyed.insert(peer);
        }
        self.touched.insert(content);
    }

    /// Checks that the durable state has every revision that anyone was told (3), and none older (4).
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

    /// Checks that epochs only grow (5), except for those that were lost with the journal.
    pub(super) fn epoch_begins(&mut self, epoch: Epoch) {
        if self.oracle.epoch.is_some_and(|known| known >= epoch) {
            self.violated(format_args!("epoch {epoch} has begun twice"));
        }
        self.oracle.epoch = Some(epoch);
    }

    /// Checks that a welcome is given to the newest run of a peer only (5).
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

    /// Checks an order that the tracker gives.
    pub(super) fn ordered(&mut self, connection: ConnectionId, order: &Order) {
        let Some(number) = self
            .connections
            .get(&connection)
            .map(|connection| connection.peer)
        else {
            return;
        };
        if let Order::Evict {
            content,
            reason,
            remaining,
            ..
        } = order
        {
            let fake = remaining.iter().find(|copy| {
                let holder = self.peer_of(copy.holder.peer);
                holder.is_some_and(|holder| self.peers[holder].is_fake)
            });
            let fake = fake.map(|copy| copy.holder.peer);
            // Where no member can look at copies, those of liars are believed, as in networks of earlier
            // versions.
            if fake.is_some() && !self.can_anybody_check() {
                self.oracle.acknowledged.remove(content);
            }
            if let Some(fake) = fake.filter(|_| self.peers[number].can_check(number)) {
                self.violated(format_args!(
                    "{} is to be dropped because of the copy of {fake}, which never had a byte",
                    content.short()
                ));
            }
            let state = self.tracker.process.as_ref().map(|process| &process.state);
            let has_gap = state.is_some_and(|state| state.status().gap.is_some());
            if has_gap && *reason == EvictReason::Unreferenced {
                self.violated(format_args!(
                    "{} is evicted while a name may be missing",
                    content.short()
                ));
            }
            // From here on fewer replicas count as acknowledged, if the target has changed.
            self.review_acknowledged(*content);
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

    /// Checks that a fragment that a peer holds from now on is right (1).
    pub(super) fn check_committed(&mut self, number: PeerNumber, content: ContentId, index: FragmentIndex) {
        if !self.peers[number].store.is_intact(content, index) {
            self.violated(format_args!(
                "peer {number} holds fragment {} of {}, and it is not right",
                index.get(),
                content.short()
            ));
        }
    }

    /// Checks that what a user has got of a content is right (1).
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
