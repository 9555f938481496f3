//! Reports of peers about what they hold and copy.
//!
//! A peer that is back lists only what the tracker does not know of it already. Both sides have the digest of
//! every bucket (see [`HoldingsDigest`]); a bucket with equal digests is confirmed as it is. Invariant: the
//! listed contents and those of the confirmed buckets are together all that the peer holds; what is not
//! confirmed when the inventory is complete is not held.

use rand::Rng;
use shared::model::{
    AssignmentFailure, ContentId, DigestBuckets, EvictReason, Holding, HoldingsDigest, Order, PeerId,
};

use super::{Assignment, Context, Fragments, Proof, Replicas};
use crate::state::command::Outcome;
use crate::state::names::Names;

/// There is no room to remember a holding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl Replicas {
    /// Returns the buckets that a peer has to list.
    pub(crate) fn unknown_buckets(
        &self,
        peer: PeerId,
        said: &HoldingsDigest,
        names: &Names,
    ) -> DigestBuckets {
        let mut known = HoldingsDigest::default();
        let mut evicting = Vec::new();
        for content in self.holders.contents_of(peer).into_iter().flatten().copied() {
            let Some(held) = self.holders.get(content, peer) else {
                continue;
            };
            match &held.fragments {
                Fragments::All => {
                    let of = names.content(content);
                    let count = of.map_or(0, |content| content.manifest().fragment_count());
                    known.put(content, count, None, held.keeps, held.is_assigned);
                }
                Fragments::Some(set) => {
                    let is_all = set.is_full() && !set.is_empty();
                    known.put(
                        content,
                        set.capacity(),
                        (!is_all).then_some(set),
                        held.keeps,
                        held.is_assigned,
                    );
                }
            }
            if held.is_evicting {
                evicting.push(content);
            }
        }
        let mut unknown = known.differing(said);
        // An order to drop the content may have got lost, or been refused: only an announce tells.
        evicting.into_iter().for_each(|content| unknown.insert(content));
        unknown
    }

    /// Believes less firmly from now on what a peer that says hello is known to hold, except in the buckets
    /// that it need not list: the rest is to be confirmed.
    pub(crate) fn begin_inventory(&mut self, peer: PeerId, listing: Option<&DigestBuckets>) {
        for content in self.holders.contents_of(peer).cloned().unwrap_or_default() {
            if let Some(held) = self.holders.get_mut(content, peer) {
                held.is_confirmed = listing.is_some_and(|listing| !listing.contains(content));
            }
        }
        self.mark_held_by(peer);
    }

    /// Applies an announce of one content; returns how many bytes have arrived that were assigned to the
    /// peer, or that there is no room to remember what it holds of a content that nobody has published.
    pub(crate) fn announced(
        &mut self,
        cx: &Context<'_>,
        peer: PeerId,
        holding: Holding,
    ) -> Result<u64, NoRoom> {
        let content = holding.content;
        // The announce is newer than any eviction that was ordered, so the decision is made anew.
        let was_evicting = self.evictions.remove(&(content, peer)).is_some();
        let mut arrived = 0;
        match cx.names.content(content).map(|known| known.manifest()) {
            // Other fragments are of no use to anyone.
            Some(manifest) if manifest.fragment_count() != holding.fragments.capacity() => {
                self.holders.drop_one(content, peer);
            }
            Some(manifest) => {
                if holding.keeps {
                    arrived = self
                        .assignments
                        .progress(manifest, peer, &holding.fragments, cx.now);
                }
                let fragments = match holding.fragments.is_full() && !holding.fragments.is_empty() {
                    true => Fragments::All,
                    false => Fragments::Some(holding.fragments),
                };
                self.holders
                    .set(content, peer, fragments, holding.keeps, holding.is_fetching);
            }
            None => {
                let fragments = Fragments::Some(holding.fragments);
                if !self.holders.has_room_for(content, peer, &fragments) {
                    self.drop_holding(content, peer);
                    self.forget_orphan_without_holders(content);
                    return Err(NoRoom);
                }
                self.holders
                    .set(content, peer, fragments, holding.keeps, holding.is_fetching);
                let due = cx.now.after(cx.timing.orphan);
                if !self.holders.has(content) {
                    self.orphans.remove(&content);
                } else if was_evicting && self.holders.get(content, peer).is_some_and(|held| held.keeps) {
                    // The peer was told to drop the content and keeps it: perhaps it is about to publish it.
                    self.orphans.insert(content, due);
                } else {
                    self.orphans.entry(content).or_insert(due);
                }
            }
        }
        if let Some(held) = self.holders.get_mut(content, peer) {
            held.is_assigned = holding.is_assigned;
            if held.keeps && !holding.is_fetching && !matches!(held.proof, Proof::Seen(_)) {
                self.proofs.note(content, peer);
            }
        }
        self.agenda.mark(content);
        if arrived > 0 {
            self.pace.add(cx.now, arrived);
            self.agenda.wake(cx.now, cx.timing.retry);
        }
        Ok(arrived)
    }

    /// Completes a peer's inventory: it does not hold any longer what it has not confirmed. Orders of the
    /// session before may have got lost, so they are sent again.
    pub(crate) fn complete_inventory(
        &mut self,
        cx: &Context<'_>,
        peer: PeerId,
        rng: &mut impl Rng,
        out: &mut Outcome,
    ) {
        let held = self.holders.contents_of(peer).into_iter().flatten().copied();
        let is_gone = |content: &ContentId| {
            let held = self.holders.get(*content, peer);
            held.is_some_and(|held| !held.is_confirmed)
        };
        for content in held.filter(is_gone).collect::<Vec<_>>() {
            self.drop_holding(content, peer);
            self.forget_orphan_without_holders(content);
            self.agenda.mark(content);
        }
        for content in self.assignments.of_peer(peer) {
            let order = self.assignment_order(cx, content, peer, rng);
            if let (Some(session), Some(order)) = (cx.peers.session_of(peer), order) {
                out.send(session, order);
            }
        }
        self.agenda.wake(cx.now, cx.timing.retry);
    }

    fn assignment_order(
        &self,
        cx: &Context<'_>,
        content: ContentId,
        peer: PeerId,
        rng: &mut impl Rng,
    ) -> Option<Order> {
        let fragments = self.assignments.get(content, peer)?.wanted().clone();
        let content = cx.names.content(content)?;
        let sources = self.sources(cx.peers, content, peer, &fragments, rng);
        Some(Order::Assign {
            epoch: cx.epoch,
            manifest: content.manifest().clone(),
            fragments,
            sources,
        })
    }

    /// Gives up an assignment that the peer reports as failed; returns its bytes when the peer has no room
    /// for them.
    pub(crate) fn assignment_failed(
        &mut self,
        cx: &Context<'_>,
        peer: PeerId,
        content: ContentId,
        failure: AssignmentFailure,
    ) -> Option<u64> {
        let bytes = self.assignments.get(content, peer)?.bytes();
        self.give_up(cx, content, peer);
        (failure == AssignmentFailure::NoRoom).then_some(bytes)
    }

    /// Gives up an assignment that its peer does not carry out: the peer is not asked again for a while, and
    /// the bytes that have not arrived are given back to the rate.
    fn give_up(&mut self, cx: &Context<'_>, content: ContentId, peer: PeerId) {
        let unspent = self
            .assignments
            .get(content, peer)
            .map_or(0, Assignment::budgeted);
        self.budget.give_back(unspent);
        self.assignments.cancel(content, peer);
        let until = cx.now.after(cx.timing.cool_down);
        self.assignments.cool(content, peer, until);
        self.agenda.mark(content);
    }

    /// Gives up assignments that do not move, and has their peers give back the room.
    pub(crate) fn give_up_assignments(&mut self, cx: &Context<'_>, out: &mut Outcome) {
        self.assignments.warm_up(cx.now);
        let peer = |peer| cx.peers.get(peer);
        let progress_of = |id| peer(id).map(|peer| peer.progress_at()).unwrap_or_default();
        for (content, peer) in self.assignments.stalled(cx.now, cx.timing.stall, progress_of) {
            self.give_up(cx, content, peer);
            self.withdraw_assignment(cx, content, peer, out);
        }
    }

    /// Orders a peer that has nothing of a content to drop what it has made ready for it. One that has some
    /// of it keeps that, and gives the rest back by itself.
    fn withdraw_assignment(&self, cx: &Context<'_>, content: ContentId, peer: PeerId, out: &mut Outcome) {
        let has_some = self
            .holders
            .get(content, peer)
            .is_some_and(|held| !matches!(&held.fragments, Fragments::Some(set) if set.is_empty()));
        if let Some(session) = cx.peers.ready_session(peer).filter(|_| !has_some) {
            let order = Order::Evict {
                epoch: cx.epoch,
                content,
                reason: EvictReason::Surplus,
                as_of_sequence: session.sequence(),
                // It has nothing, so no copy gets fewer.
                remaining: Vec::new(),
            };
            out.send(session.id(), order);
        }
    }
}
