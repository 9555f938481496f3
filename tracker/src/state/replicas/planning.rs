//! Planning: works off the agenda and orders copies and evictions.
//!
//! The work of one tick is bounded, so that the writer is never held up for long; the rest comes next tick.
//! Planning again when nothing has changed orders nothing.
//!
//! Work is counted in contents and in fragments.
//!
//! Every content gets its turn (see `agenda`). A tick plans up to [`PLAN_LIMIT`] contents that are short of
//! copies, or fewer when there are very many peers to choose from; a quarter of them at most are contents
//! that were tried in vain before. So a content that can be helped is planned after as many ticks as there
//! are contents that come before it, divided by three quarters of that limit: contents with fewer copies
//! left, or with as few for longer. Contents that lack nothing, and peers that are lost, do not put it off.

use rand::Rng;
use shared::model::ContentId;

use super::repair::RepairResult;
use super::{Context, Replicas};
use crate::state::command::Outcome;
use crate::state::peers::Peers;

/// Contents assessed in one tick.
const ASSESS_LIMIT: usize = 4096;

/// Contents short of copies that are planned in one tick, as many of those that were queued, and as many that
/// lack nothing: with a quarter of a second between ticks, a thousand a second.
const PLAN_LIMIT: usize = 256;

/// Contents short of copies times peers considered for them in one tick: keeps a tick below some tens of
/// milliseconds in a large cluster.
const PLAN_WORK: usize = 1 << 16;

/// Fragments of the contents of each kind that are assessed in one tick, and of those that are planned: a
/// content may have 65,536. The first of each kind has its turn however many it has.
const ASSESS_FRAGMENTS: u32 = 1 << 19;
const PLAN_FRAGMENTS: u32 = 1 << 18;

/// Share of the contents that are planned in one tick which may have been tried in vain before: one of this
/// many.
const RETRIES: usize = 4;

/// Contents that the sweep passes in one tick, whether or not anything happened to them.
const SWEEP_LIMIT: usize = 256;

impl Replicas {
    /// Assesses contents that something happened to, makes them ready, and returns them.
    pub(crate) fn assess_due(&mut self, cx: &Context<'_>) -> Vec<ContentId> {
        self.sweep(cx);
        self.survey_room(cx.peers);
        let due = self.agenda.due(cx.now, ASSESS_LIMIT, limit(cx.peers) / RETRIES);
        let due: Vec<_> = due
            .into_iter()
            .flat_map(|due| within(ASSESS_FRAGMENTS, cx, due))
            .collect();
        for id in &due {
            let content = cx.names.content(*id);
            let fewest = content.and_then(|content| self.fewest_lacking(content, cx.peers));
            self.agenda.make_ready(*id, fewest, cx.now);
        }
        due
    }

    /// Plans for the contents that are ready, and for those whose turn in the budget has come.
    pub(crate) fn plan(&mut self, cx: &Context<'_>, rng: &mut impl Rng, out: &mut Outcome) {
        let limit = limit(cx.peers);
        let short = within(PLAN_FRAGMENTS, cx, self.agenda.short(limit));
        let whole = within(PLAN_FRAGMENTS, cx, self.agenda.whole(PLAN_LIMIT));
        for id in short.into_iter().chain(whole) {
            self.plan_content(cx, id, false, rng, out);
        }
        self.budget.refill(cx.now);
        for id in within(PLAN_FRAGMENTS, cx, self.agenda.queued(limit)) {
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
            (RepairResult::Waits, other) => {
                let again = cx.now.after(cx.timing.retry);
                self.agenda.retry(id, other.unwrap_or(again), again);
            }
            (RepairResult::Settled, Some(until)) => self.agenda.wait(id, until),
            (RepairResult::Settled, None) => self.agenda.settle(id),
        }
    }

    /// Puts contents on the agenda that lack replicas although no change was noticed.
    fn sweep(&mut self, cx: &Context<'_>) {
        let next: Vec<_> = cx.names.contents_after(self.swept).take(SWEEP_LIMIT).collect();
        let swept = within(ASSESS_FRAGMENTS, cx, next.clone());
        let is_at_the_end = next.len() < SWEEP_LIMIT && swept.len() == next.len();
        self.swept = swept.last().copied().filter(|_| !is_at_the_end);
        for id in swept {
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

/// Returns how many contents that are short of copies are planned in one tick: each looks at all peers that
/// are not lost.
fn limit(peers: &Peers) -> usize {
    (PLAN_WORK / peers.rings().len().max(1)).clamp(RETRIES, PLAN_LIMIT)
}

/// Returns the first of these contents, as many as have this many fragments together; at least one.
fn within(fragments: u32, cx: &Context<'_>, contents: Vec<ContentId>) -> Vec<ContentId> {
    let mut left = Some(fragments);
    let fits = |content: &ContentId| {
        let known = cx.names.content(*content);
        let count = known.map_or(1, |content| content.manifest().fragment_count().max(1));
        // The one that exceeds the limit is the last.
        let has_turn = left.is_some();
        left = left.and_then(|left| left.checked_sub(count));
        has_turn
    };
    contents.into_iter().take_while(fits).collect()
}
