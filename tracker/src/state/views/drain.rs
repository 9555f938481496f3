//! Drain of a peer: how far it has come, and whether the peer can be switched off.
//!
//! A content is *left* while some fragment that the peer holds of it is below its target on live peers that
//! stay; of a content that the peer holds without keeping it, one such replica is enough. Contents are looked
//! at step by step, as in surveys; in the end those that something happened to meanwhile are looked at again,
//! so that a peer is said to be safe to switch off only if it is so at that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use shared::model::{ContentId, DrainStatus, PeerId, PeerMode, Reason, ReasonCode};

use super::State;
use crate::state::command::Rejection;
use crate::state::names::Content;
use crate::state::replicas::Held;

/// Contents looked at in one step.
const STEP: usize = 2_048;

/// Contents left whose reasons are looked for: each looks at all peers.
const EXPLAINED: u64 = 16;

/// Surveys that are begun anew because too much happened meanwhile.
const ROUNDS: u32 = 8;

/// Survey of a drain that has not come to its end.
#[derive(Debug)]
pub struct DrainSurvey {
    peer: PeerId,
    /// Changes before its beginning.
    changes: Option<u64>,
    round: u32,
    after: Option<ContentId>,
    contents: u64,
    bytes: u64,
    contents_left: u64,
    bytes_left: u64,
    /// Whether the peer keeps a content that has no name.
    has_nameless: bool,
    reasons: BTreeMap<ReasonCode, (String, u64)>,
}

impl DrainSurvey {
    /// Begins a survey of this peer.
    #[must_use]
    pub const fn new(peer: PeerId) -> Self {
        Self {
            peer,
            changes: None,
            round: 0,
            after: None,
            contents: 0,
            bytes: 0,
            contents_left: 0,
            bytes_left: 0,
            has_nameless: false,
            reasons: BTreeMap::new(),
        }
    }
}

/// Looks at the next contents of the peer; returns the result when there are no more.
pub(super) fn step(state: &State, survey: &mut DrainSurvey) -> Result<Option<DrainStatus>, Rejection> {
    let known = state.peers.get(survey.peer);
    let mode = known.ok_or(Rejection::NoSuchPeer(survey.peer))?.mode();
    let changes = *survey.changes.get_or_insert_with(|| state.replicas.changes());
    let from = survey.after.map_or(Bound::Unbounded, Bound::Excluded);
    let contents = state.replicas.contents_of(survey.peer);
    let next: Vec<_> = contents
        .into_iter()
        .flat_map(|contents| contents.range((from, Bound::Unbounded)))
        .take(STEP)
        .copied()
        .collect();
    for id in &next {
        match (state.names.content(*id), state.replicas.held(*id, survey.peer)) {
            (Some(content), Some(held)) => look_at(state, survey, content, held),
            (None, Some(held)) => survey.has_nameless |= held.keeps(),
            (_, None) => {}
        }
    }
    survey.after = next.last().copied();
    if next.len() == STEP {
        return Ok(None);
    }
    let Some(changed) = state.replicas.changed_since(changes) else {
        let round = survey.round + 1;
        if round == ROUNDS {
            return Ok(Some(drained(state, survey, mode, false)));
        }
        *survey = DrainSurvey {
            round,
            ..DrainSurvey::new(survey.peer)
        };
        return Ok(None);
    };
    // When something is left, the peer cannot go anyway.
    if survey.contents_left == 0 {
        for id in changed.collect::<BTreeSet<_>>() {
            match (state.names.content(id), state.replicas.held(id, survey.peer)) {
                (Some(content), Some(held)) => note_left(state, survey, content, held),
                (None, Some(held)) => survey.has_nameless |= held.keeps(),
                (_, None) => {}
            }
        }
        survey.contents = survey.contents.max(survey.contents_left);
        survey.bytes = survey.bytes.max(survey.bytes_left);
    }
    Ok(Some(drained(state, survey, mode, true)))
}

fn look_at(state: &State, survey: &mut DrainSurvey, content: &Content, held: &Held) {
    let fragments = held.fragments().to_set(content.manifest().fragment_count());
    let bytes = content.manifest().bytes_in(&fragments);
    survey.contents += 1;
    survey.bytes = survey.bytes.saturating_add(bytes);
    note_left(state, survey, content, held);
}

/// Notes what is left of a content.
fn note_left(state: &State, survey: &mut DrainSurvey, content: &Content, held: &Held) {
    let fragments = held.fragments().to_set(content.manifest().fragment_count());
    let enough = if held.keeps() { content.target().get() } else { 1 };
    let assessment = state.replicas.assess(content, &state.peers);
    let spare = assessment.spare();
    let mut missing = content.manifest().no_fragments();
    for index in fragments.iter().filter(|index| spare.of(*index) < enough) {
        missing.insert(index);
    }
    if missing.is_empty() {
        return;
    }
    let bytes_left = content.manifest().bytes_in(&missing);
    survey.contents_left += 1;
    survey.bytes_left = survey.bytes_left.saturating_add(bytes_left);
    if survey.contents_left > EXPLAINED {
        return;
    }
    for Reason { code, detail } in super::reasons::reasons(state, &[content.into()]) {
        // The caller knows that the peer is being drained.
        if code == ReasonCode::Draining || code == ReasonCode::ZonesShared {
            continue;
        }
        let name = content.names().next().map_or("", |name| name.as_str());
        let (_, count) = survey
            .reasons
            .entry(code)
            .or_insert_with(|| (format!("{name}: {detail}"), 0));
        *count += 1;
    }
}

/// Returns the result; `is_settled` says that everything was looked at as it is now.
fn drained(state: &State, survey: &DrainSurvey, mode: PeerMode, is_settled: bool) -> DrainStatus {
    let known = state.peers.get(survey.peer);
    let is_known = known.is_some_and(|peer| peer.ready_session().is_some());
    let is_connected = known.is_some_and(|peer| peer.session().is_some());
    let reason = |(code, (detail, count)): (&ReasonCode, &(String, u64))| Reason {
        code: *code,
        detail: match count {
            1 => detail.clone(),
            n => format!("{detail} (and {} more like it)", n - 1),
        },
    };
    let mut reasons: Vec<_> = survey.reasons.iter().map(reason).collect();
    if state.is_in_safe_mode() && !survey.reasons.contains_key(&ReasonCode::SafeMode) {
        reasons.push(Reason {
            code: ReasonCode::SafeMode,
            detail: "the tracker has restarted and waits for its peers to report".to_owned(),
        });
    }
    // No other peer is told to keep a content without a name, which may have had one.
    let may_be_missed = survey.has_nameless && state.history.gap().is_some();
    if may_be_missed {
        reasons.push(Reason {
            code: ReasonCode::JournalGap,
            detail: "the tracker's journal has lost something, and the peer holds contents that may have had a name"
                .to_owned(),
        });
    }
    if !is_connected {
        reasons.push(Reason {
            code: ReasonCode::NotConnected,
            detail: "the peer has no session: what it holds is not known".to_owned(),
        });
    } else if !is_known {
        reasons.push(Reason {
            code: ReasonCode::InventoryPending,
            detail: "the peer has not said everything that it holds".to_owned(),
        });
    }
    if !is_settled {
        reasons.push(Reason {
            code: ReasonCode::InventoryPending,
            detail: "contents change faster than they can be looked at; ask again in a moment".to_owned(),
        });
    }
    let is_done =
        survey.contents_left == 0 && is_settled && is_known && !may_be_missed && !state.is_in_safe_mode();
    let remaining = state
        .replicas
        .time_for(state.peers.ticked_at(), survey.bytes_left)
        .filter(|_| mode == PeerMode::Draining);
    DrainStatus {
        mode,
        contents: survey.contents,
        bytes: survey.bytes,
        contents_left: survey.contents_left,
        bytes_left: survey.bytes_left,
        is_safe: is_done && mode == PeerMode::Draining,
        reasons,
        remaining,
    }
}
