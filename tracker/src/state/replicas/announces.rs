//! What peers say about what they hold and copy, taken in.

use rand::Rng;
use shared::model::{AssignmentFailure, ContentId, Holding, Order, PeerId};

use super::{Context, Fragments, Replicas};
use crate::state::command::Outcome;

impl Replicas {
    /// Takes in that a peer holds something; returns how many bytes arrived that were assigned to it.
    pub(crate) fn announced(&mut self, cx: &Context<'_>, peer: PeerId, holding: Holding) -> u64 {
        let content = holding.content;
        // Whatever was ordered before, the peer has spoken since: decide anew.
        let was_evicting = self.evictions.remove(&(content, peer)).is_some();
        let mut arrived = 0;
        match cx.names.content(content).map(|known| known.manifest()) {
            // In other fragments it is of no use to anyone.
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
                self.holders
                    .set(content, peer, fragments, holding.keeps, holding.is_fetching);
                let due = cx.now.after(cx.timing.orphan);
                if self.holders.of(content).is_empty() {
                    self.orphans.remove(&content);
                } else if was_evicting && self.holders.get(content, peer).is_some_and(|held| held.keeps) {
                    // It was told to drop the content and keeps it: it is about to publish it, perhaps.
                    self.orphans.insert(content, due);
                } else {
                    self.orphans.entry(content).or_insert(due);
                }
            }
        }
        if let Some(held) = self.holders.get_mut(content, peer) {
            held.is_assigned = holding.is_assigned;
        }
        self.agenda.mark(content);
        if arrived > 0 {
            self.pace.add(cx.now, arrived);
            self.agenda.wake(cx.now, cx.timing.retry);
        }
        arrived
    }

    /// Takes in that a peer has announced everything that it holds, and that these contents are not among it. Orders of the
    /// session before may have got lost: they are sent again.
    pub(crate) fn complete_inventory(
        &mut self,
        cx: &Context<'_>,
        peer: PeerId,
        gone: impl IntoIterator<Item = ContentId>,
        rng: &mut impl Rng,
        out: &mut Outcome,
    ) {
        for content in gone {
            self.holders.drop_one(content, peer);
            self.evictions.remove(&(content, peer));
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
        let manifest = cx.names.content(content)?.manifest().clone();
        let sources = self.sources(cx.peers, &manifest, peer, &fragments, rng);
        Some(Order::Assign {
            epoch: cx.epoch,
            manifest,
            fragments,
            sources,
        })
    }

    /// Takes in that a peer cannot do what was assigned to it; true when it has no room.
    pub(crate) fn assignment_failed(
        &mut self,
        cx: &Context<'_>,
        peer: PeerId,
        content: ContentId,
        failure: AssignmentFailure,
    ) -> bool {
        if !self.assignments.cancel(content, peer) {
            return false;
        }
        let until = cx.now.after(cx.timing.cool_down);
        self.assignments.cool(content, peer, until);
        self.agenda.mark(content);
        failure == AssignmentFailure::NoRoom
    }

    /// Gives up assignments that do not move.
    pub(crate) fn give_up_assignments(&mut self, cx: &Context<'_>) {
        self.assignments.warm_up(cx.now);
        let peer = |peer| cx.peers.get(peer);
        let progress_of = |id| peer(id).map(|peer| peer.progress_at()).unwrap_or_default();
        for (content, peer) in self.assignments.stalled(cx.now, cx.timing.stall, progress_of) {
            self.assignments.cancel(content, peer);
            self.assignments
                .cool(content, peer, cx.now.after(cx.timing.cool_down));
            self.agenda.mark(content);
        }
    }
}
