//! Durability of one content, and of all of them.
//!
//! A survey of all contents goes step by step, so that no reader holds the writer up for long; a content that
//! changes in between may be counted as it was or as it is.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use shared::model::{ContentId, ContentState, Durability, Endangered, Health, Name, Repair, Survey};

use super::State;
use super::losses::{Toll, add_toll};
use super::reasons::{copying, reasons};
use super::whole::{Whole, Worth};
use crate::state::names::Content;
use crate::state::replicas::Portion;

/// Keepers looked at in one step: some milliseconds.
const STEP: usize = 20_000;

/// A survey that has not come to its end.
#[derive(Debug, Default)]
pub struct Surveying {
    survey: Survey,
    toll: Toll,
    endangered: BTreeSet<Endangered>,
    /// Hashes of all endangered names: several contents of a directory have its name.
    named: HashSet<u64>,
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
    survey.endangered_names = surveying.named.len() as u64;
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
    let all = [content.into()];
    let [portion] = &all;
    let health = state.replicas.health_of(portion, &state.peers);
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
    let waiting = bytes_lacking(state, portion);
    survey.repair.bytes_waiting = survey.repair.bytes_waiting.saturating_add(waiting);
    let mut names = 0;
    if health.state != ContentState::Replicated {
        for name in content.names() {
            names += 1;
            surveying.named.insert(hash_of(name));
            // As many fill the list, if no content is worse.
            if names <= Survey::LISTED {
                surveying.note_endangered(name, &health);
            }
        }
    }
    names + add_toll(state, &all, &mut surveying.toll)
}

fn hash_of(name: &Name) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl Surveying {
    /// Lists a name as endangered, once, however many of its contents are.
    fn note_endangered(&mut self, name: &Name, health: &Health) {
        let mut one = Endangered {
            fewest: health.fewest,
            name: name.clone(),
            target: health.target.get(),
            copies_under_way: health.copies_under_way,
        };
        let listed = self.endangered.iter().find(|listed| listed.name == *name);
        if let Some(listed) = listed.cloned() {
            self.endangered.remove(&listed);
            one.fewest = one.fewest.min(listed.fewest);
            one.target = one.target.max(listed.target);
            one.copies_under_way = one.copies_under_way.saturating_add(listed.copies_under_way);
        }
        self.endangered.insert(one);
        if self.endangered.len() > Survey::LISTED {
            self.endangered.pop_last();
        }
    }
}

/// Returns which losses a file or collection would survive, and the repair that is under way.
pub(super) fn durability(state: &State, whole: Whole<'_>) -> Durability {
    let health = whole.health(state);
    let mut toll = Toll::default();
    let portions = whole.portions();
    add_toll(state, &portions, &mut toll);
    let (mut keepers, mut draining, mut away, mut sources) = (0, 0, 0, 0);
    let shares = whole.shares(state, None);
    for (peer, worth) in shares.peers() {
        match worth {
            Worth::Durable => keepers += 1,
            Worth::Kept => away += 1,
            Worth::Readable => sources += 1,
            Worth::Nothing => {}
        }
        draining += u32::from(worth == Worth::Durable && state.peers.is_draining(peer));
    }
    let under_way = portions
        .iter()
        .flat_map(|portion| copying(state, portion))
        .map(|(_, bytes)| bytes)
        .sum();
    let waiting = portions.iter().map(|portion| bytes_lacking(state, portion)).sum();
    Durability {
        reasons: reasons(state, &portions),
        extent: Some(whole.extent()),
        name: whole.binding.name,
        content: whole.binding.content,
        health,
        survives_any: health.fewest.saturating_sub(1),
        keepers,
        proved: Some(shares.proved()),
        draining,
        away,
        sources,
        fatal: toll.summary(),
        repair: repair_of(state, under_way, waiting),
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

fn bytes_lacking(state: &State, portion: &Portion<'_>) -> u64 {
    let assessment = state.replicas.assess(portion.content(), &state.peers);
    state.replicas.bytes_lacking(portion, &assessment, &state.peers)
}
