//! Reasons for which a file or collection is below its target, in codes and words.
//!
//! The reasons are computed from what repair goes by, so that they are true: the same counts, the same
//! readiness of peers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::model::{Absence, ByteCount, PeerId, PeerMode, Reason, ReasonCode, format_duration};

use super::State;
use super::losses::keepers;
use crate::placement::Readiness;
use crate::state::names::Content;
use crate::state::peers::{Life, Peer, Standing};
use crate::state::replicas::{Assessment, Held, Portion, Purpose, extents, is_urgent};

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

/// A content below its target.
struct Lacking<'a> {
    portion: &'a Portion<'a>,
    assessment: Assessment,
}

impl<'a> Lacking<'a> {
    const fn content(&self) -> &'a Content {
        self.portion.content()
    }

    fn is_urgent(&self) -> bool {
        let target = self.content().target().get();
        is_urgent(self.content().manifest(), &self.assessment, target)
    }
}

/// Returns the copies of something of a portion that count for a purpose.
fn holders<'a>(
    state: &'a State,
    portion: &'a Portion<'_>,
    purpose: Purpose,
) -> impl Iterator<Item = &'a Held> {
    let held = state.replicas.holders_of(portion.content().id()).iter();
    held.filter(move |held| held.counts(purpose, &state.peers) && portion.is_touched_by(held.fragments()))
}

/// Returns the peers that copy something of a portion, with its bytes that have not arrived.
pub(super) fn copying<'a>(
    state: &'a State,
    portion: &'a Portion<'_>,
) -> impl Iterator<Item = (PeerId, u64)> + 'a {
    let content = portion.content();
    let jobs = state.replicas.assignments_of(content.id());
    jobs.filter_map(|(peer, job)| {
        let wanted = portion.within(job.wanted().clone());
        let bytes = content.manifest().bytes_in(&wanted);
        (!wanted.is_empty()).then_some((peer, bytes))
    })
}

/// Contents whose possible helpers are looked at: of a collection with more the rest waits for the same.
const HELPED: usize = 64;

/// Returns why a file or collection is not as it should be, the gravest reason first; empty when it is.
pub(super) fn reasons(state: &State, portions: &[Portion<'_>]) -> Vec<Reason> {
    let mut full = portions.iter().filter(|portion| portion.count() > 0);
    let lacking: Vec<Lacking<'_>> = full
        .clone()
        .map(|portion| Lacking {
            portion,
            assessment: state.replicas.assess(portion.content(), &state.peers),
        })
        .filter(|one| one.assessment.spare().fewest(one.portion) < one.content().target().get())
        .collect();
    // Copies that are only not proved yet need no other copies.
    let (unproved, lacking): (Vec<_>, Vec<_>) = lacking.into_iter().partition(|one| {
        let all = state.replicas.tally(one.content(), Purpose::Stay, &state.peers);
        all.fewest(one.portion) >= one.content().target().get()
    });
    let mut reasons = Vec::new();
    if !lacking.is_empty() {
        if state.is_in_safe_mode() {
            let detail = "the tracker has restarted and waits for its peers to report";
            reasons.push(reason(ReasonCode::SafeMode, detail.to_owned()));
        }
        source_reasons(state, &lacking, &mut reasons);
        holder_reasons(state, &lacking, &mut reasons);
        copy_reasons(state, &lacking, &mut reasons);
    }
    reasons.extend(proofs_pending(state, &unproved));
    reasons.extend(full.find_map(|portion| zones_shared(state, portion)));
    reasons
}

/// Returns the copies that would count for more if they were proved, in words.
fn proofs_pending(state: &State, unproved: &[Lacking<'_>]) -> Option<Reason> {
    let all = unproved
        .iter()
        .flat_map(|one| holders(state, one.portion, Purpose::Stay));
    let pending: BTreeSet<_> = all
        .filter(|held| !held.counts(Purpose::Spare, &state.peers))
        .map(Held::peer)
        .collect();
    let detail = format!(
        "no other peer has looked yet at the copies of {}",
        counted(pending.len(), "holder")
    );
    (!pending.is_empty()).then(|| reason(ReasonCode::ProofPending, detail))
}

fn source_reasons(state: &State, lacking: &[Lacking<'_>], reasons: &mut Vec<Reason>) {
    let (mut missing, mut silent, mut files) = (0, 0, BTreeMap::new());
    let (mut out_of_reach, mut unconfirmed) = (BTreeMap::new(), BTreeSet::new());
    for Lacking { portion, assessment } in lacking {
        let mut nowhere = portion.within(assessment.sourced().complement());
        let mut live = portion.content().manifest().no_fragments();
        for held in holders(state, portion, Purpose::Offer) {
            let Some(peer) = state.peers.get(held.peer()) else {
                continue;
            };
            let fragments = portion.among(held.fragments());
            match peer.standing() {
                Standing::Unreachable { .. } => {
                    nowhere.subtract(&fragments);
                    out_of_reach.insert(peer.id(), peer);
                    continue;
                }
                Standing::Unconfirmed { .. } => drop(unconfirmed.insert(peer.id())),
                Standing::Unknown | Standing::Reachable => {}
            }
            if held.counts(Purpose::ReadNow, &state.peers) {
                live.union_with(&fragments);
            }
        }
        let absences = state.replicas.absences_of(portion.content().id());
        files.extend(absences);
        missing += nowhere.len() as usize;
        let mut away = portion.within(assessment.sourced().clone());
        away.subtract(&live);
        silent += away.len() as usize;
    }
    if missing > 0 {
        let detail = format!("no peer that is there has {}", counted(missing, "fragment"));
        reasons.push(reason(ReasonCode::NoSource, detail));
    }
    if !files.is_empty() {
        reasons.push(reason(ReasonCode::FileAway, files_away(state, &files)));
    }
    if !out_of_reach.is_empty() {
        let holders = counted(out_of_reach.len(), "holder");
        let listed = addresses(out_of_reach.into_values());
        let detail = format!("{holders} out of reach of other peers: {listed}");
        reasons.push(reason(ReasonCode::Unreachable, detail));
    }
    if !unconfirmed.is_empty() {
        let holders = counted(unconfirmed.len(), "holder");
        let detail = format!("{holders} not dialled by another peer yet");
        reasons.push(reason(ReasonCode::Unconfirmed, detail));
    }
    if silent > 0 {
        let fragments = counted(silent, "fragment");
        let detail = format!("only peers that are silent at the moment have {fragments}");
        reasons.push(reason(ReasonCode::SourceAway, detail));
    }
}

/// Lists peers whose files are absent, with the reasons.
fn files_away(state: &State, files: &BTreeMap<PeerId, Absence>) -> String {
    const LISTED: usize = 3;
    let known = files.iter().filter_map(|(id, absence)| {
        let peer = state.peers.get(*id)?;
        Some(format!("at {}: {}", peer.address(), absence.words()))
    });
    let all: Vec<_> = known.collect();
    let more = all.len().saturating_sub(LISTED);
    let rest = (more > 0).then(|| format!("and {more} more"));
    let listed: Vec<_> = all.into_iter().take(LISTED).chain(rest).collect();
    format!("shared files: {}", listed.join("; "))
}

/// Lists addresses that were dialled in vain, with the errors.
fn addresses<'a>(peers: impl IntoIterator<Item = &'a Peer>) -> String {
    const LISTED: usize = 3;
    let failures = peers.into_iter().filter_map(|peer| match peer.standing() {
        Standing::Unreachable { failure, .. } => Some(format!("{}: {}", failure.address, failure.error)),
        Standing::Unknown | Standing::Unconfirmed { .. } | Standing::Reachable => None,
    });
    let all: Vec<_> = failures.collect();
    let more = all.len().saturating_sub(LISTED);
    let listed = all.into_iter().take(LISTED);
    let rest = (more > 0).then(|| format!("and {more} more"));
    listed.chain(rest).collect::<Vec<_>>().join("; ")
}

fn holder_reasons(state: &State, lacking: &[Lacking<'_>], reasons: &mut Vec<Reason>) {
    let now = state.peers.ticked_at();
    let (mut silent, mut maintenance) = (BTreeMap::<PeerId, Duration>::new(), BTreeMap::new());
    let (mut draining, mut pending) = (BTreeSet::new(), BTreeSet::new());
    for Lacking { portion, .. } in lacking {
        for held in holders(state, portion, Purpose::Offer) {
            let Some(peer) = state.peers.get(held.peer()) else {
                continue;
            };
            if held.keeps() && !held.is_confirmed() && peer.is_live() {
                pending.insert(peer.id());
            }
            if !held.counts(Purpose::Remain, &state.peers) {
                continue;
            }
            match (peer.life(), peer.mode()) {
                (Life::Suspect { .. }, PeerMode::Maintenance { until }) if now < until => {
                    maintenance.insert(peer.id(), until);
                }
                (Life::Suspect { since }, _) => {
                    let left = state.timing.grace.saturating_sub(now.since(since));
                    silent.insert(peer.id(), left);
                }
                _ => {}
            }
            if peer.mode() == PeerMode::Draining {
                draining.insert(peer.id());
            }
        }
    }
    if let Some(last) = silent.values().max() {
        let holders = counted(silent.len(), "holder");
        let left = format_duration(*last);
        let detail = format!("{holders} fell silent and still counts as a replica, for {left} at most");
        reasons.push(reason(ReasonCode::GraceRunning, detail));
    }
    if let Some(until) = maintenance.values().max() {
        let holders = counted(maintenance.len(), "holder");
        let left = format_duration(until.since(now));
        let detail = format!("{holders} away for maintenance, for {left} at most");
        reasons.push(reason(ReasonCode::Maintenance, detail));
    }
    if !draining.is_empty() {
        let detail = format!("{} being drained", counted(draining.len(), "holder"));
        reasons.push(reason(ReasonCode::Draining, detail));
    }
    if !pending.is_empty() {
        let holders = counted(pending.len(), "holder");
        let detail = format!("{holders} connected again and not said yet what it holds");
        reasons.push(reason(ReasonCode::InventoryPending, detail));
    }
}

fn copy_reasons(state: &State, lacking: &[Lacking<'_>], reasons: &mut Vec<Reason>) {
    let jobs = lacking.iter().flat_map(|one| copying(state, one.portion));
    let (mut peers, mut bytes) = (BTreeSet::new(), 0);
    for (peer, of) in jobs {
        peers.insert(peer);
        bytes += of;
    }
    if !peers.is_empty() {
        let bytes = ByteCount::new(bytes);
        let detail = format!("{} copying {bytes}", counted(peers.len(), "peer"));
        reasons.push(reason(ReasonCode::Copying, detail));
    }
    if state.is_in_safe_mode() {
        return;
    }
    let uncopied = lacking.iter().filter(|one| {
        state
            .replicas
            .bytes_lacking(one.portion, &one.assessment, &state.peers)
            > 0
    });
    let (mut due, mut queued, mut stuck) = (0, 0, Vec::new());
    for one in uncopied {
        let id = one.content().id();
        if state.replicas.is_due(id) {
            due += 1;
        } else if state.replicas.is_queued(id) {
            queued += 1;
        } else {
            stuck.push(one);
        }
    }
    if due > 0 {
        let detail = "its turn comes within moments";
        reasons.push(reason(ReasonCode::Queued, detail.to_owned()));
    }
    if queued > 0 {
        let (under_way, budget) = (state.replicas.budgeted_bytes(), state.replicas.budget());
        let detail = format!(
            "{} of repair under way, {} at most; more endangered contents come first",
            ByteCount::new(under_way),
            budget
        );
        reasons.push(reason(ReasonCode::RepairBudget, detail));
    }
    let helped = stuck.into_iter().take(HELPED).map(|one| {
        let helpers = helpers_of(state, one.content(), one.is_urgent());
        (one.content().target().get(), helpers)
    });
    let helped: Vec<_> = helped.collect();
    helper_reasons(state, &helped, due > 0, reasons);
}

/// Adds the reasons for which no peer copies contents, given their targets and possible helpers.
fn helper_reasons(state: &State, helped: &[(u32, Helpers)], is_due: bool, reasons: &mut Vec<Reason>) {
    let able = state.peers.iter().filter(|peer| peer.can_be_given()).count();
    // More are wanted than there are peers, whatever hinders those that could help a little.
    let beyond = helped
        .iter()
        .filter(|(target, _)| *target as usize > able)
        .max_by_key(|(target, _)| *target);
    let hopeless = helped.iter().find(|(_, helpers)| helpers.all == 0);
    if let Some((target, helpers)) = hopeless.or(beyond) {
        let target = counted(*target as usize, "replica");
        let able = counted(able, "peer");
        let detail = match helpers.all {
            0 => format!("{target} wanted, {able} in active mode; each has one already or none can be given"),
            _ => format!("{target} wanted, {able} in active mode"),
        };
        reasons.push(reason(ReasonCode::TooFewPeers, detail));
        let is_out = |peer: &&Peer| peer.is_live() && !state.peers.is_in_reach(peer.id());
        let out: Vec<_> = state.peers.iter().filter(is_out).collect();
        let is_said = |reason: &Reason| reason.code == ReasonCode::Unreachable;
        if !out.is_empty() && !reasons.iter().any(is_said) {
            let peers = counted(out.len(), "peer");
            let listed = addresses(out);
            let detail = format!("{peers} out of reach of other peers and given nothing: {listed}");
            reasons.push(reason(ReasonCode::Unreachable, detail));
        }
    }
    // Of several contents, the one that is off worst.
    let most = |of: fn(&Helpers) -> usize| {
        let worst = helped
            .iter()
            .map(|(_, helpers)| helpers)
            .max_by_key(|helpers| of(helpers))?;
        let all = counted(worst.all, "peer");
        (of(worst) > 0).then(|| format!("{} of {all}", of(worst)))
    };
    if let Some(full) = most(|helpers| helpers.without_room) {
        let detail = format!("{full} without room for a copy");
        reasons.push(reason(ReasonCode::NoRoom, detail));
    }
    if let Some(busy) = most(|helpers| helpers.busy) {
        let detail = format!("{busy} with all the work that they can hold");
        reasons.push(reason(ReasonCode::PeersBusy, detail));
    }
    if let Some(cooling) = most(|helpers| helpers.cooling) {
        let rest = format_duration(state.timing.cool_down);
        let detail = format!("{cooling} failed lately and not asked again for {rest}");
        reasons.push(reason(ReasonCode::CoolingDown, detail));
    }
    if let Some(ready) = most(|helpers| helpers.ready).filter(|_| !is_due) {
        let detail = format!("{ready} ready; it is looked at again soon");
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

fn zones_shared(state: &State, portion: &Portion<'_>) -> Option<Reason> {
    let keepers = keepers(state, portion);
    let zones: Vec<_> = keepers
        .iter()
        .filter_map(|held| state.peers.zone(held.peer()))
        .collect();
    let used: BTreeSet<_> = zones.iter().copied().collect();
    let able = state.peers.iter().filter(|peer| peer.can_be_given());
    let all: BTreeSet<_> = able.filter_map(|peer| peer.zone()).collect();
    // A content in several extents has more keepers than replicas, and needs no more zones than these.
    let wanted = zones
        .len()
        .min(portion.content().target().get() as usize)
        .min(all.len());
    (used.len() < wanted).then(|| {
        let detail = format!(
            "{} in {}, and there are {}; replicas that exist stay where they are",
            counted(zones.len(), "keeper"),
            counted(used.len(), "zone"),
            counted(all.len(), "zone")
        );
        reason(ReasonCode::ZonesShared, detail)
    })
}
