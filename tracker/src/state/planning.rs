//! Working off the agenda: which content is looked at, and what is ordered about it.
//!
//! The work of one tick is bounded, so that the writer is never held up for long; what is left comes next tick.
//! Planning again when nothing has changed orders nothing.

use shared::model::{ContentId, EvictReason, FragmentIndex, Order, PeerId, Timestamp};

use super::catalogue::Content;
use super::command::Effect;
use super::holders::Held;
use super::repair::Outlook;
use super::{Outcome, State};

/// Contents assessed in one tick.
const ASSESS_LIMIT: usize = 4096;

/// Contents planned in one tick, and as many again of those that were queued: with a quarter of a second between ticks, a thousand a second.
const PLAN_LIMIT: usize = 256;

/// Contents times peers considered in one tick: keeps a tick below some tens of milliseconds in a large cluster.
const PLAN_WORK: usize = 1 << 16;

/// An eviction that is not answered within this many retry times is ordered again.
const EVICT_PATIENCE: u32 = 10;

/// A peer that was told so often to drop a surplus replica, and keeps it, has a reason of its own (its user shares the
/// file): it is not asked again, others are. More than once, because the order may have crossed an announce.
const INSISTS: u8 = 3;

/// Contents that the sweep passes in one tick, whether or not anything happened to them.
const SWEEP_LIMIT: usize = 256;

impl State {
    pub(super) fn plan(&mut self, now: Timestamp, out: &mut Outcome) {
        self.sweep();
        self.survey_room();
        for id in self.agenda.due(now, ASSESS_LIMIT) {
            self.doubt(id);
            let fewest = self
                .catalogue
                .content(id)
                .map_or(u32::MAX, |content| self.danger(content));
            self.agenda.make_ready(id, fewest);
        }
        let limit = (PLAN_WORK / self.members.len().max(1)).clamp(1, PLAN_LIMIT);
        for id in self.agenda.ready(limit) {
            self.look_after(now, id, false, out);
        }
        self.spending.earn(now);
        for id in self.agenda.queued(limit) {
            if !self.spending.has_room(&self.assignments) {
                break;
            }
            self.look_after(now, id, true, out);
        }
    }

    /// Orders what can be ordered about the content now. `has_turn` says that the budget of repair is for it.
    fn look_after(&mut self, now: Timestamp, id: ContentId, has_turn: bool, out: &mut Outcome) {
        let (outlook, again) = match self.catalogue.content(id) {
            Some(_) => (self.repair(now, id, has_turn, out), self.trim(now, id, out)),
            None => (Outlook::Settled, self.evict_orphan(now, id, out)),
        };
        match (outlook, again) {
            // What else there is to do about it is looked at when it has its copies.
            (Outlook::Queued, _) => self.agenda.queue(id),
            (Outlook::Waits(until), again) => self.agenda.wait(id, again.map_or(until, |at| at.min(until))),
            (Outlook::Settled, Some(until)) => self.agenda.wait(id, until),
            (Outlook::Settled, None) => self.agenda.settle(id),
        }
    }

    /// How soon the content must be helped: the live replicas of its most endangered fragment.
    ///
    /// What cannot be helped because nobody has it comes after what can be.
    fn danger(&self, content: &Content) -> u32 {
        let assessment = self.assess(content);
        let has_source = |index: &FragmentIndex| assessment.sourced.contains(*index);
        let fewest = match assessment.sourced.is_full() {
            true => Some(assessment.live.min(content.manifest.fragment_count())),
            false => content
                .manifest
                .indices()
                .filter(has_source)
                .map(|index| assessment.live.of(index))
                .min(),
        };
        fewest.unwrap_or(u32::MAX)
    }

    /// Puts contents on the agenda that are not as they should be without anyone having noticed.
    fn sweep(&mut self) {
        let next: Vec<_> = self
            .catalogue
            .contents_after(self.swept)
            .take(SWEEP_LIMIT)
            .collect();
        self.swept = next.last().copied().filter(|_| next.len() == SWEEP_LIMIT);
        for id in next {
            let is_short = self.catalogue.content(id).is_some_and(|content| {
                let fragments = content.manifest.fragment_count();
                fragments > 0 && self.assess(content).counted.min(fragments) < content.target.get()
            });
            if is_short && !self.agenda.contains(id) {
                self.agenda.mark(id);
            }
        }
    }

    /// Drops the copies of a content that no name refers to. Returns when to look again.
    fn evict_orphan(&mut self, now: Timestamp, id: ContentId, out: &mut Outcome) -> Option<Timestamp> {
        let due = *self.orphans.get(&id)?;
        if now < due {
            return Some(due);
        }
        // Its name may be among what was lost.
        if self.history.gap().is_some() {
            return Some(now.after(self.timing.orphan));
        }
        let peers: Vec<_> = self.holders.of(id).iter().map(|held| held.peer).collect();
        peers.into_iter().map(|peer| self.evict(now, id, peer, out)).min()
    }

    /// Trims one replica of a content that has had too many of them for long enough. Returns when to look again.
    fn trim(&mut self, now: Timestamp, id: ContentId, out: &mut Outcome) -> Option<Timestamp> {
        let again = self.repeat_evictions(now, id, out);
        let Some(peer) = self.superfluous(id) else {
            self.surplus.remove(&id);
            return again;
        };
        let due = self.surplus.entry(id).or_insert(now).after(self.timing.trim);
        if now < due {
            return again.into_iter().chain([due]).min();
        }
        // One at a time; the next one is looked for at once, among those that are left.
        let answer = self.evict(now, id, peer, out);
        Some(answer.min(now.after(self.timing.retry)))
    }

    fn repeat_evictions(&mut self, now: Timestamp, id: ContentId, out: &mut Outcome) -> Option<Timestamp> {
        let evicting = self.holders.of(id).iter().filter(|held| held.is_evicting);
        let peers: Vec<_> = evicting.map(|held| held.peer).collect();
        peers.into_iter().map(|peer| self.evict(now, id, peer, out)).min()
    }

    /// A replica that every fragment of the content can do without on live peers that stay: of a peer that is being
    /// drained, then of the fullest zone, then of the peer with the least room.
    fn superfluous(&self, id: ContentId) -> Option<PeerId> {
        let content = self.catalogue.content(id)?;
        let assessment = self.assess(content);
        let target = content.target.get();
        // Whoever stays counts itself among those that stay.
        let enough = |peer| target + u32::from(!self.is_draining(peer));
        let can_go = |held: &&Held| {
            self.is_replica(held)
                && self
                    .members
                    .get(held.peer)
                    .is_some_and(|peer| peer.ready_session().is_some())
                && (held.is_assigned || !content.publishers.contains(held.peer))
                && held.refusals < INSISTS
                && held
                    .fragments
                    .to_set(content.manifest.fragment_count())
                    .iter()
                    .all(|index| assessment.staying.of(index) >= enough(held.peer))
        };
        let zone = |peer: PeerId| self.zone(peer);
        let crowd = |peer: PeerId| {
            let all = self.holders.of(id).iter().filter(|held| self.is_replica(held));
            all.filter(|held| zone(held.peer).is_some() && zone(held.peer) == zone(peer))
                .count()
        };
        let candidates = self.holders.of(id).iter().filter(can_go).map(|held| held.peer);
        candidates.min_by_key(|peer| {
            let crowd = std::cmp::Reverse(crowd(*peer));
            (!self.is_draining(*peer), crowd, self.free(*peer), *peer)
        })
    }

    /// Tells a peer to drop a content, if it has not just been told. Returns when to look again.
    fn evict(&mut self, now: Timestamp, content: ContentId, peer: PeerId, out: &mut Outcome) -> Timestamp {
        let again = now.after(self.timing.retry * EVICT_PATIENCE);
        if let Some(repeat_at) = self.evictions.get(&(content, peer)).filter(|at| now < **at) {
            return *repeat_at;
        }
        // Repeated to a peer whose content has a name again meanwhile, the order asks for less.
        let reason = match self.catalogue.content(content) {
            Some(_) => EvictReason::Surplus,
            None => EvictReason::Unreferenced,
        };
        match self.order_eviction(now, content, peer, reason, out) {
            true => again,
            // It says hello first, or is lost: either way its holding changes.
            false => now.after(self.timing.retry),
        }
    }

    /// Tells a peer to drop a content, which counts for nothing there until it is announced again; false when there is no
    /// session in which it can be told.
    pub(super) fn order_eviction(
        &mut self,
        now: Timestamp,
        content: ContentId,
        peer: PeerId,
        reason: EvictReason,
        out: &mut Outcome,
    ) -> bool {
        let session = self.members.get(peer).and_then(|peer| peer.ready_session());
        let Some((session, as_of_sequence)) = session.map(|session| (session.id, session.sequence)) else {
            return false;
        };
        if let Some(held) = self.holders.get_mut(content, peer) {
            held.is_evicting = true;
        }
        let again = now.after(self.timing.retry * EVICT_PATIENCE);
        self.evictions.insert((content, peer), again);
        let order = Order::Evict {
            epoch: self.epoch,
            content,
            reason,
            as_of_sequence,
        };
        out.effects.push(Effect::Send { session, order });
        true
    }
}
