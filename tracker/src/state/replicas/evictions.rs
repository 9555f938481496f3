//! Orders to drop copies: of contents without a name, of a surplus, and because a peer's user asks for it.
//!
//! A copy whose eviction is ordered counts for nothing until the peer announces it anew. So of several peers
//! that ask to drop a copy, only as many may as the others make up for. A peer refuses an order that does not
//! know of its latest announce: then its copy counts again, and nothing has happened.

use std::collections::BTreeMap;

use shared::model::{ContentId, EvictReason, Order, PeerId, Timestamp, Zone};

use super::{Context, Held, Purpose, Replicas};
use crate::state::command::{Outcome, Rejection};
use crate::state::names::Content;

/// Retry times after which an eviction that was not answered is ordered again.
const EVICT_PATIENCE: u32 = 10;

/// Refusals after which a peer is not asked again to drop a surplus replica: it has a reason of its own (its
/// user shares the file), and others are asked. More than one, because the order may have crossed an
/// announce.
const INSISTS: u8 = 3;

impl Replicas {
    /// Orders the peer to drop its copy of the content, if it can be spared.
    ///
    /// A copy that counts as a replica can be spared when the target is met without it; any other copy, when
    /// each of its fragments has a replica.
    pub(crate) fn release(
        &mut self,
        cx: &Context<'_>,
        peer: PeerId,
        content: ContentId,
        out: &mut Outcome,
    ) -> Result<(), Rejection> {
        if cx.peers.is_in_safe_mode() {
            return Err(Rejection::NotAllKnown);
        }
        let not_announced = Rejection::NotAnnounced { peer, content };
        let held = self.holders.get(content, peer).ok_or(not_announced.clone())?;
        match cx.names.content(content) {
            None if cx.has_gap => return Err(Rejection::NameMayBeMissing(content)),
            None => {}
            Some(known) => {
                let wanted = if held.keeps { known.target().get() } else { 1 };
                let fragments = held.fragments.to_set(known.manifest().fragment_count());
                let left = |purpose| {
                    let tally = self.tally(known, purpose, cx.peers);
                    let itself = u32::from(held.counts(purpose, cx.peers));
                    let others = fragments
                        .iter()
                        .map(|index| tally.of(index).saturating_sub(itself));
                    others.min().unwrap_or(wanted)
                };
                let (proved, left) = (left(Purpose::Spare), left(Purpose::Stay));
                if proved < wanted {
                    if left >= wanted {
                        self.hasten(cx, content);
                        return Err(Rejection::Unproved(content));
                    }
                    return Err(Rejection::Missed {
                        content,
                        left,
                        wanted,
                    });
                }
            }
        }
        match self.order_eviction(cx, content, peer, EvictReason::Released, out) {
            true => {
                self.agenda.mark(content);
                Ok(())
            }
            false => Err(not_announced),
        }
    }

    /// Drops the copies of a content that no name refers to. Returns when to look again.
    pub(super) fn evict_orphan(
        &mut self,
        cx: &Context<'_>,
        id: ContentId,
        out: &mut Outcome,
    ) -> Option<Timestamp> {
        let due = *self.orphans.get(&id)?;
        if cx.now < due {
            return Some(due);
        }
        // The name may be among the facts that were lost.
        if cx.has_gap {
            return Some(cx.now.after(cx.timing.orphan));
        }
        let peers: Vec<_> = self.holders.of(id).iter().map(|held| held.peer).collect();
        peers.into_iter().map(|peer| self.evict(cx, id, peer, out)).min()
    }

    /// Trims one replica of a content that has had too many of them for long enough; none while the journal
    /// is known to lack something. Returns when to look again.
    pub(super) fn trim(
        &mut self,
        cx: &Context<'_>,
        content: &Content,
        out: &mut Outcome,
    ) -> Option<Timestamp> {
        // The target may be lower than one that was acknowledged and is among the facts that were lost.
        if cx.has_gap {
            return None;
        }
        let id = content.id();
        let again = self.repeat_evictions(cx, id, out);
        let Some(peer) = self.superfluous(cx, content) else {
            self.surplus.remove(&id);
            return again;
        };
        let due = self.surplus.entry(id).or_insert(cx.now).after(cx.timing.trim);
        if cx.now < due {
            return again.into_iter().chain([due]).min();
        }
        // One at a time; the next one is looked for at once, among those that are left.
        let answer = self.evict(cx, id, peer, out);
        Some(answer.min(cx.now.after(cx.timing.retry)))
    }

    fn repeat_evictions(&mut self, cx: &Context<'_>, id: ContentId, out: &mut Outcome) -> Option<Timestamp> {
        let evicting = self.holders.of(id).iter().filter(|held| held.is_evicting);
        let peers: Vec<_> = evicting.map(|held| held.peer).collect();
        peers.into_iter().map(|peer| self.evict(cx, id, peer, out)).min()
    }

    /// Returns the peer whose replica every fragment can do without, counting spare ones: first one that is
    /// not among these, then one in the fullest zone, then the one with the least room.
    fn superfluous(&self, cx: &Context<'_>, content: &Content) -> Option<PeerId> {
        let (id, peers) = (content.id(), cx.peers);
        let assessment = self.assess(content, peers);
        let target = content.target().get();
        // A peer that stays counts itself among those that stay.
        let enough = |held: &Held| target + u32::from(held.counts(Purpose::Spare, peers));
        let can_go = |held: &&Held| {
            held.counts(Purpose::Remain, peers)
                && peers.ready_session(held.peer).is_some()
                && (held.is_assigned || !content.publishers().contains(held.peer))
                && held.refusals < INSISTS
                && held
                    .fragments
                    .to_set(content.manifest().fragment_count())
                    .iter()
                    .all(|index| assessment.spare().of(index) >= enough(held))
        };
        let mut crowds: BTreeMap<&Zone, usize> = BTreeMap::new();
        let staying = self
            .holders
            .of(id)
            .iter()
            .filter(|held| held.counts(Purpose::Remain, peers));
        for zone in staying.filter_map(|held| peers.zone(held.peer)) {
            *crowds.entry(zone).or_default() += 1;
        }
        let crowd = |peer: PeerId| {
            peers
                .zone(peer)
                .and_then(|zone| crowds.get(zone))
                .copied()
                .unwrap_or_default()
        };
        let candidates = self.holders.of(id).iter().filter(can_go);
        let first = candidates.min_by_key(|held| {
            let crowd = std::cmp::Reverse(crowd(held.peer));
            (
                held.counts(Purpose::Spare, peers),
                crowd,
                self.free_on(held.peer, peers),
                held.peer,
            )
        });
        first.map(|held| held.peer)
    }

    /// Orders a peer to drop a content, unless it was ordered just now. Returns when to look again.
    fn evict(&mut self, cx: &Context<'_>, content: ContentId, peer: PeerId, out: &mut Outcome) -> Timestamp {
        if let Some(repeat_at) = self.evictions.get(&(content, peer)).filter(|at| cx.now < **at) {
            return *repeat_at;
        }
        // When the content has a name again meanwhile, the repeated order asks for less.
        let reason = match cx.names.content(content) {
            Some(_) => EvictReason::Surplus,
            None => EvictReason::Unreferenced,
        };
        match self.order_eviction(cx, content, peer, reason, out) {
            true => cx.now.after(cx.timing.retry * EVICT_PATIENCE),
            // The peer says hello first, or is lost: either way its holding changes.
            false => cx.now.after(cx.timing.retry),
        }
    }

    /// Orders a peer to drop a content, whose copy there counts for nothing until it is announced again.
    /// Returns false when the peer has no session in which it can be sent orders.
    fn order_eviction(
        &mut self,
        cx: &Context<'_>,
        content: ContentId,
        peer: PeerId,
        reason: EvictReason,
        out: &mut Outcome,
    ) -> bool {
        let Some(session) = cx.peers.ready_session(peer) else {
            return false;
        };
        if let Some(held) = self.holders.get_mut(content, peer) {
            held.is_evicting = true;
        }
        let again = cx.now.after(cx.timing.retry * EVICT_PATIENCE);
        self.evictions.insert((content, peer), again);
        let order = Order::Evict {
            epoch: cx.epoch,
            content,
            reason,
            as_of_sequence: session.sequence(),
            remaining: self.remaining(cx, content, peer, reason),
        };
        out.send(session.id(), order);
        true
    }
}
