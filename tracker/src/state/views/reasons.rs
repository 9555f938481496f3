//! Reasons for which a content is below its target, in codes and words.
//!
//! The reasons are computed from what repair goes by, so that they are true: the same counts, the same
//! readiness of peers.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::model::{ByteCount, PeerId, PeerMode, Reason, ReasonCode, Timestamp, format_duration};

use super::State;
use super::losses::keepers;
use crate::placement::Readiness;
use crate::state::names::Content;
use crate::state::peers::{Life, Peer, Standing};
use crate::state::replicas::{Assessment, Purpose, extents, is_urgent};

fn reason(code: ReasonCode, detail: String) -> Reason {
    Reason { code, detail }
}

/// `1 peer`, `2 peers`.
fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

/// Peers that could make a copy, by what they lack.
#[derive(Default)]
struct Helpers {
    /// Active, connected, and without a replica.
    all: usize,
    without_room: usize,
    busy: usize,
    cooling: usize,
    /// Peers that could be given a copy.
    ready: usize,
}

/// Returns why the content is not as it should be, the gravest reason first; empty when it is.
pub(super) fn reasons(state: &State, content: &Content) -> Vec<Reason> {
    let fragments = content.manifest().fragment_count();
    if fragments == 0 {
        return Vec::new();
    }
    let assessment = state.replicas.assess(content, &state.peers);
    let target = content.target().get();
    let mut reasons = Vec::new();
    if assessment.spare().min(fragments) < target {
        if state.is_in_safe_mode() {
            let detail = "the tracker has restarted and waits for its peers to report";
            reasons.push(reason(ReasonCode::SafeMode, detail.to_owned()));
        }
        source_reasons(state, content, &assessment, &mut reasons);
        holder_reasons(state, content, &mut reasons);
        copy_reasons(state, content, &assessment, &mut reasons);
    }
    zone_reasons(state, content, &mut reasons);
    reasons
}

fn source_reasons(state: &State, content: &Content, assessment: &Assessment, reasons: &mut Vec<Reason>) {
    let held = state.replicas.holders_of(content.id()).iter();
    let offered = held.filter(|held| held.counts(Purpose::Offer, &state.peers));
    let mut missing = assessment.sourced().complement();
    let (mut out_of_reach, mut unconfirmed) = (Vec::new(), 0);
    for held in offered.clone() {
        let Some(peer) = state.peers.get(held.peer()) else {
            continue;
        };
        match peer.standing() {
            Standing::Unreachable { .. } => {
                out_of_reach.push(peer);
                missing.subtract(&held.fragments().to_set(missing.capacity()));
            }
            Standing::Unconfirmed { .. } => unconfirmed += 1,
            Standing::Unknown | Standing::Reachable => {}
        }
    }
    if !missing.is_empty() {
        let fragments = counted(missing.len() as usize, "fragment");
        let detail = format!("no peer that is there has {fragments}");
        reasons.push(reason(ReasonCode::NoSource, detail));
    }
    if !out_of_reach.is_empty() {
        let holders = counted(out_of_reach.len(), "holder");
        let detail = format!(
            "{holders} out of reach of other peers: {}",
            addresses(&out_of_reach)
        );
        reasons.push(reason(ReasonCode::Unreachable, detail));
    }
    if unconfirmed > 0 {
        let detail = format!(
            "{} not dialled by another peer yet",
            counted(unconfirmed, "holder")
        );
        reasons.push(reason(ReasonCode::Unconfirmed, detail));
    }
    let mut live = content.manifest().no_fragments();
    for held in
        offered.filter(|held| held.counts(Purpose::Read, &state.peers) && state.peers.is_live(held.peer()))
    {
        live.union_with(&held.fragments().to_set(live.capacity()));
    }
    let mut away = assessment.sourced().clone();
    away.subtract(&live);
    if !away.is_empty() {
        let fragments = counted(away.len() as usize, "fragment");
        let detail = format!("only peers that are silent at the moment have {fragments}");
        reasons.push(reason(ReasonCode::SourceAway, detail));
    }
}

/// Lists addresses that were dialled in vain, with the errors.
fn addresses(peers: &[&Peer]) -> String {
    const LISTED: usize = 3;
    let failures = peers.iter().filter_map(|peer| match peer.standing() {
        Standing::Unreachable { failure, .. } => Some(format!("{}: {}", failure.address, failure.error)),
        Standing::Unknown | Standing::Unconfirmed { .. } | Standing::Reachable => None,
    });
    let mut listed: Vec<_> = failures.take(LISTED).collect();
    if peers.len() > LISTED {
        listed.push(format!("and {} more", peers.len() - LISTED));
    }
    listed.join("; ")
}

fn holder_reasons(state: &State, content: &Content, reasons: &mut Vec<Reason>) {
    let now = state.peers.ticked_at();
    let id = content.id();
    let holders = state
        .replicas
        .holders_of(id)
        .iter()
        .filter(|held| held.counts(Purpose::Remain, &state.peers));
    let (mut silent, mut last) = (0, Duration::ZERO);
    let (mut draining, mut pending) = (0, 0);
    let mut maintenance: Vec<(PeerId, Timestamp)> = Vec::new();
    for peer in holders.filter_map(|held| state.peers.get(held.peer())) {
        let is_silent = matches!(peer.life(), Life::Suspect { .. });
        match (peer.life(), peer.mode()) {
            (Life::Suspect { .. }, PeerMode::Maintenance { until }) if now < until => {
                maintenance.push((peer.id(), until));
            }
            (Life::Suspect { since }, _) => {
                silent += 1;
                last = last.max(state.timing.grace.saturating_sub(now.since(since)));
            }
            _ => {}
        }
        draining += usize::from(peer.mode() == PeerMode::Draining);
        let is_unconfirmed = peer.session().is_some_and(|session| session.is_unconfirmed(id));
        pending += usize::from(!is_silent && is_unconfirmed);
    }
    if silent > 0 {
        let holders = counted(silent, "holder");
        let left = format_duration(last);
        let detail = format!("{holders} fell silent and still counts as a replica, for {left} at most");
        reasons.push(reason(ReasonCode::GraceRunning, detail));
    }
    if let Some(until) = maintenance.iter().map(|(_, until)| *until).max() {
        let holders = counted(maintenance.len(), "holder");
        let left = format_duration(until.since(now));
        let detail = format!("{holders} away for maintenance, for {left} at most");
        reasons.push(reason(ReasonCode::Maintenance, detail));
    }
    if draining > 0 {
        let detail = format!("{} being drained", counted(draining, "holder"));
        reasons.push(reason(ReasonCode::Draining, detail));
    }
    if pending > 0 {
        let detail = format!(
            "{} connected again and not said yet what it holds",
            counted(pending, "holder")
        );
        reasons.push(reason(ReasonCode::InventoryPending, detail));
    }
}

fn copy_reasons(state: &State, content: &Content, assessment: &Assessment, reasons: &mut Vec<Reason>) {
    let id = content.id();
    let (peers, bytes) = state
        .replicas
        .assignments_of(id)
        .fold((0, 0), |(peers, bytes), (_, job)| {
            (peers + 1, bytes + job.bytes())
        });
    if peers > 0 {
        let bytes = ByteCount::new(bytes);
        let detail = format!("{} copying {bytes}", counted(peers, "peer"));
        reasons.push(reason(ReasonCode::Copying, detail));
    }
    if state.replicas.bytes_lacking(content, assessment, &state.peers) == 0 || state.is_in_safe_mode() {
        return;
    }
    if state.replicas.is_due(id) {
        let detail = "its turn comes within moments";
        reasons.push(reason(ReasonCode::Queued, detail.to_owned()));
        return;
    }
    if state.replicas.is_queued(id) {
        let (under_way, budget) = (state.replicas.budgeted_bytes(), state.replicas.budget());
        let detail = format!(
            "{} of repair under way, {} at most; more endangered contents come first",
            ByteCount::new(under_way),
            budget
        );
        reasons.push(reason(ReasonCode::RepairBudget, detail));
        return;
    }
    let is_urgent = is_urgent(content.manifest(), assessment, content.target().get());
    let helpers = helpers_of(state, content, is_urgent);
    let of_all = |count: usize| format!("{count} of {}", counted(helpers.all, "peer"));
    if helpers.all == 0 {
        let target = counted(content.target().get() as usize, "replica");
        let able = state.peers.iter().filter(|peer| peer.can_be_given()).count();
        let detail = format!(
            "{target} wanted, {} in active mode; each has one already or none can be given",
            counted(able, "peer")
        );
        reasons.push(reason(ReasonCode::TooFewPeers, detail));
        let is_out = |peer: &&Peer| matches!(peer.standing(), Standing::Unreachable { .. });
        let live = state.peers.iter().filter(|peer| peer.is_live());
        let out: Vec<_> = live
            .filter(is_out)
            .filter(|peer| state.replicas.held(id, peer.id()).is_none())
            .collect();
        if !out.is_empty() {
            let peers = counted(out.len(), "peer");
            let detail = format!(
                "{peers} out of reach of other peers and given nothing: {}",
                addresses(&out)
            );
            reasons.push(reason(ReasonCode::Unreachable, detail));
        }
    }
    if helpers.without_room > 0 {
        let detail = format!("{} without room for a copy", of_all(helpers.without_room));
        reasons.push(reason(ReasonCode::NoRoom, detail));
    }
    if helpers.busy > 0 {
        let detail = format!("{} with all the work that they can hold", of_all(helpers.busy));
        reasons.push(reason(ReasonCode::PeersBusy, detail));
    }
    if helpers.cooling > 0 {
        let rest = format_duration(state.timing.cool_down);
        let detail = format!(
            "{} failed lately and not asked again for {rest}",
            of_all(helpers.cooling)
        );
        reasons.push(reason(ReasonCode::CoolingDown, detail));
    }
    if helpers.ready > 0 {
        let detail = format!("{} ready; it is looked at again soon", of_all(helpers.ready));
        reasons.push(reason(ReasonCode::Queued, detail));
    }
}

fn helpers_of(state: &State, content: &Content, is_urgent: bool) -> Helpers {
    let now = state.peers.ticked_at();
    let id = content.id();
    // A peer must have room for the smallest extent at least.
    let bytes_of = |extent: &Vec<_>| {
        extent
            .iter()
            .map(|index| u64::from(content.manifest().len_of(*index)))
            .sum::<u64>()
    };
    let least = extents(content.manifest())
        .iter()
        .map(bytes_of)
        .min()
        .unwrap_or_default();
    let mut helpers = Helpers::default();
    for peer in state.peers.iter().filter(|peer| peer.can_be_given()) {
        let who = peer.id();
        let has_one = state.replicas.held(id, who).is_some_and(|held| held.keeps());
        if has_one || state.replicas.assignment(id, who).is_some() {
            continue;
        }
        helpers.all += 1;
        let has_room = state.replicas.free(peer).min(peer.largest_copy(now)) >= least;
        match state.replicas.readiness(&state.peers, id, who, is_urgent) {
            _ if !has_room => helpers.without_room += 1,
            Readiness::Ready => helpers.ready += 1,
            Readiness::Busy => helpers.busy += 1,
            Readiness::No => helpers.cooling += 1,
        }
    }
    helpers
}

fn zone_reasons(state: &State, content: &Content, reasons: &mut Vec<Reason>) {
    let keepers = keepers(state, content);
    let zones: Vec<_> = keepers
        .iter()
        .filter_map(|held| state.peers.zone(held.peer()))
        .collect();
    let used: BTreeSet<_> = zones.iter().copied().collect();
    let able = state.peers.iter().filter(|peer| peer.can_be_given());
    let all: BTreeSet<_> = able.filter_map(|peer| peer.zone()).collect();
    // A content in several extents has more keepers than replicas, and needs no more zones than these.
    let wanted = zones.len().min(content.target().get() as usize).min(all.len());
    if used.len() < wanted {
        let detail = format!(
            "{} in {}, and there are {}; replicas that exist stay where they are",
            counted(zones.len(), "keeper"),
            counted(used.len(), "zone"),
            counted(all.len(), "zone")
        );
        reasons.push(reason(ReasonCode::ZonesShared, detail));
    }
}
