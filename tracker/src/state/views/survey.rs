//! Durability of one content, and of all of them.
//!
//! A survey of all contents goes step by step, so that no reader holds the writer up for long; a content that
//! changes in between may be counted as it was or as it is.

use std::collections::BTreeSet;

use shared::model::{Binding, ContentId, ContentState, Durability, Endangered, Repair, Survey};

use super::State;
use super::losses::{Toll, add_toll, keepers};
use super::reasons::reasons;
use crate::state::names::Content;
use crate::state::replicas::Purpose;

/// Keepers looked at in one step: some milliseconds.
const STEP: usize = 20_000;

/// A survey that has not come to its end.
#[derive(Debug, Default)]
pub struct Surveying {
    survey: Survey,
    toll: Toll,
    endangered: BTreeSet<Endangered>,
    after: Option<ContentId>,
}

/// Looks at the next contents; returns the result when there are no more.
pub(super) fn step(state: &State, surveying: &mut Surveying) -> Option<Survey> {
    let mut cost = 0;
    while cost < STEP {
        let Some(id) = state.names.contents_after(surveying.after).next() else {
            return Some(surveyed(state, surveying));
        };
        surveying.after = Some(id);
        if let Some(content) = state.names.content(id) {
            cost += 1 + survey_one(state, content, surveying);
        }
    }
    None
}

fn surveyed(state: &State, surveying: &mut Surveying) -> Survey {
    let mut survey = std::mem::take(&mut surveying.survey);
    survey.fatal = surveying.toll.summary();
    survey.endangered = std::mem::take(&mut surveying.endangered).into_iter().collect();
    survey.in_safe_mode = state.is_in_safe_mode();
    survey.repair = repair_of(
        state,
        state.replicas.bytes_under_way(),
        survey.repair.bytes_waiting,
    );
    survey
}

fn survey_one(state: &State, content: &Content, surveying: &mut Surveying) -> usize {
    if content.manifest().fragment_count() == 0 {
        return 0;
    }
    let health = state.replicas.health_of(content, &state.peers);
    let survey = &mut surveying.survey;
    survey.contents += 1;
    survey.bytes = survey.bytes.saturating_add(content.manifest().length());
    match health.state {
        ContentState::Replicated => survey.replicated += 1,
        ContentState::Degraded => survey.degraded += 1,
        ContentState::Unavailable => survey.unavailable += 1,
    }
    let losses = health.fewest.saturating_sub(1).min(3);
    survey.survives[losses as usize] += 1;
    let waiting = bytes_lacking(state, content);
    survey.repair.bytes_waiting = survey.repair.bytes_waiting.saturating_add(waiting);
    if health.state != ContentState::Replicated
        && let Some(name) = content.names().first()
    {
        surveying.endangered.insert(Endangered {
            fewest: health.fewest,
            name: name.clone(),
            target: health.target.get(),
            copies_under_way: health.copies_under_way,
        });
        if surveying.endangered.len() > Survey::LISTED {
            surveying.endangered.pop_last();
        }
    }
    add_toll(state, content, &mut surveying.toll)
}

/// Returns which losses a content would survive, and the repair that is under way.
pub(super) fn durability(state: &State, binding: Binding, content: &Content) -> Durability {
    let health = state.replicas.health_of(content, &state.peers);
    let mut toll = Toll::default();
    add_toll(state, content, &mut toll);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let keepers = keepers(state, content);
    let draining = keepers.iter().filter(|held| state.peers.is_draining(held.peer()));
    let held = state.replicas.holders_of(binding.content).iter();
    let others = held.filter(|held| held.counts(Purpose::Read, &state.peers));
    let (live, silent): (Vec<_>, Vec<_>) = others.partition(|held| state.peers.is_live(held.peer()));
    let under_way = state
        .replicas
        .assignments_of(binding.content)
        .map(|(_, job)| job.bytes())
        .sum();
    let waiting = bytes_lacking(state, content);
    Durability {
        name: binding.name,
        content: binding.content,
        health,
        survives_any: health.fewest.saturating_sub(1),
        draining: count(draining.count()),
        keepers: count(keepers.len()),
        away: count(silent.iter().filter(|held| held.keeps()).count()),
        sources: count(live.iter().filter(|held| !held.keeps()).count()),
        fatal: toll.summary(),
        repair: repair_of(state, under_way, waiting),
        reasons: reasons(state, content),
    }
}

/// Estimates when repair is over, assuming that all copies under way come first: their order is not known.
fn repair_of(state: &State, bytes_under_way: u64, bytes_waiting: u64) -> Repair {
    let is_done = bytes_under_way == 0 && bytes_waiting == 0;
    let ahead = state.replicas.bytes_under_way().saturating_add(bytes_waiting);
    let remaining = state.replicas.time_for(state.peers.ticked_at(), ahead);
    Repair {
        bytes_under_way,
        bytes_waiting,
        pace: state.replicas.rate(state.peers.ticked_at()),
        remaining: remaining.filter(|_| !is_done),
    }
}

fn bytes_lacking(state: &State, content: &Content) -> u64 {
    let assessment = state.replicas.assess(content, &state.peers);
    state.replicas.bytes_lacking(content, &assessment, &state.peers)
}
