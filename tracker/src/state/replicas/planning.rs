//! Planning: works off the agenda and orders copies and evictions.
//!
//! The work of one tick is bounded, so that the writer is never held up for long; the rest comes next tick.
//! Planning again when nothing has changed orders nothing.

use rand::Rng;
use shared::model::{ContentId, FragmentIndex};

use super::repair::RepairResult;
use super::{Context, Replicas};
use crate::state::command::Outcome;
use crate::state::names::Content;
use crate::state::peers::Peers;

/// Contents assessed in one tick.
const ASSESS_LIMIT: usize = 4096;

/// Contents planned in one tick, and as many again of those that were queued: with a quarter of a second
/// between ticks, a thousand a second.
const PLAN_LIMIT: usize = 256;

/// Contents times peers considered in one tick: keeps a tick below some tens of milliseconds in a large
/// cluster.
const PLAN_WORK: usize = 1 << 16;

/// Contents that the sweep passes in one tick, whether or not anything happened to them.
const SWEEP_LIMIT: usize = 256;

impl Replicas {
    /// Assesses contents that something happened to, makes them ready, and returns them.
    pub(crate) fn assess_due(&mut self, cx: &Context<'_>) -> Vec<ContentId> {
        self.sweep(cx);
        self.survey_room(cx.peers);
        let due = self.agenda.due(cx.now, ASSESS_LIMIT);
        for id in &due {
            let content = cx.names.content(*id);
            let fewest = content.map_or(u32::MAX, |content| self.priority(content, cx.peers));
            self.agenda.make_ready(*id, fewest);
        }
        due
    }

    /// Plans for the contents that are ready, and for those whose turn in the budget has come.
    pub(crate) fn plan(&mut self, cx: &Context<'_>, rng: &mut impl Rng, out: &mut Outcome) {
        let limit = (PLAN_WORK / cx.peers.count().max(1)).clamp(1, PLAN_LIMIT);
        for id in self.agenda.ready(limit) {
            self.plan_content(cx, id, false, rng, out);
        }
        self.budget.refill(cx.now);
        for id in self.agenda.queued(limit) {
            if !self.budget.has_room(&self.assignments) {
                break;
            }
            self.plan_content(cx, id, true, rng, out);
        }
    }

    /// Orders copies and evictions of one content. `has_turn` says that the budget of repair is for it.
    fn plan_content(
        &mut self,
        cx: &Context<'_>,
        id: ContentId,
        has_turn: bool,
        rng: &mut impl Rng,
        out: &mut Outcome,
    ) {
        let (result, again) = match cx.names.content(id) {
            Some(content) => (
                self.repair(cx, content, has_turn, rng, out),
                self.trim(cx, content, out),
            ),
            None => (RepairResult::Settled, self.evict_orphan(cx, id, out)),
        };
        match (result, again) {
            // A surplus is looked at when the content has its copies.
            (RepairResult::Queued, _) => self.agenda.queue(id),
            (RepairResult::Waits(until), again) => {
                self.agenda.wait(id, again.map_or(until, |at| at.min(until)));
            }
            (RepairResult::Settled, Some(until)) => self.agenda.wait(id, until),
            (RepairResult::Settled, None) => self.agenda.settle(id),
        }
    }

    /// Returns the priority of the content, smallest first: the live replicas of its most endangered
    /// fragment.
    ///
    /// Fragments that nobody has are left out, because they cannot be helped.
    fn priority(&self, content: &Content, peers: &Peers) -> u32 {
        let assessment = self.assess(content, peers);
        let has_source = |index: &FragmentIndex| assessment.sourced().contains(*index);
        let fewest = match assessment.sourced().is_full() {
            true => Some(assessment.durable().min(content.manifest().fragment_count())),
            false => content
                .manifest()
                .indices()
                .filter(has_source)
                .map(|index| assessment.durable().of(index))
                .min(),
        };
        fewest.unwrap_or(u32::MAX)
    }

    /// Puts contents on the agenda that lack replicas although no change was noticed.
    fn sweep(&mut self, cx: &Context<'_>) {
        let next: Vec<_> = cx.names.contents_after(self.swept).take(SWEEP_LIMIT).collect();
        self.swept = next.last().copied().filter(|_| next.len() == SWEEP_LIMIT);
        for id in next {
            let is_short = cx.names.content(id).is_some_and(|content| {
                let fragments = content.manifest().fragment_count();
                fragments > 0
                    && self.assess(content, cx.peers).suffice().min(fragments) < content.target().get()
            });
            if is_short && !self.agenda.contains(id) {
                self.agenda.mark(id);
            }
        }
    }
}
