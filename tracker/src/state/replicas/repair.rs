//! Repair of one content: which peers copy which fragments, and from whom.
//!
//! Repair goes extent by extent: a run of fragments is copied to the same peers, so that a content may be
//! larger than any single disk and a peer still holds long runs.
//!
//! A copy is *urgent* when one replica is left even if every peer that has just fallen silent comes back; it
//! is ordered at once. Every other copy has to fit into the budget of repair
//! ([`RepairBudget`](super::repair_budget::RepairBudget)), and comes in its turn.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom as _;
use shared::model::{ContentId, FragmentIndex, FragmentSet, Manifest, Order, PeerId, Source};

use super::assessment::{Assessment, Tally};
use super::assignments::Charge;
use super::{Context, Portion, Purpose, Replicas};
use crate::placement::{Candidate, Problem, Readiness, choose};
use crate::state::command::Outcome;
use crate::state::names::Content;
use crate::state::peers::Peers;

/// Bytes that are placed together. The unused end of a disk is less than an extent: of the 50 GiB that a peer
/// lends by default, 1 GiB is 2 %. Smaller extents would fill disks better and make a content depend on more
/// sets of peers; the largest content (1 TiB) has 1,024 of these, each planned by itself.
const EXTENT_BYTES: u64 = 1 << 30;

/// Assignments that one peer has at a time: enough to keep it busy between two ticks.
const MAX_ASSIGNMENTS: usize = 256;

/// Sources named in an assignment; the peer finds more by itself.
const MAX_SOURCES: usize = 16;

/// Result of a repair: what is left to do about the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RepairResult {
    /// Nothing is left: all missing copies have been ordered.
    Settled,
    /// Some copies cannot be made now.
    Waits,
    /// Some copies are to be ordered when the budget has room.
    Queued,
}

/// Plan for one content while it is repaired.
struct Plan {
    manifest: Manifest,
    assessment: Assessment,
    target: usize,
    /// Whether the copies are urgent, so that the budget does not matter.
    is_urgent: bool,
    /// Peers that share the content in place: replica sets are looked for around them.
    publishers: Vec<PeerId>,
    /// Fragments that each peer keeps or is copying.
    kept: BTreeMap<PeerId, FragmentSet>,
    /// Fragments that each peer is to copy by this plan.
    chosen: BTreeMap<PeerId, FragmentSet>,
}

impl Replicas {
    /// Orders the copies that the content lacks, if they are urgent or the content `has_turn`.
    pub(super) fn repair(
        &mut self,
        cx: &Context<'_>,
        content: &Content,
        has_turn: bool,
        rng: &mut impl Rng,
        out: &mut Outcome,
    ) -> RepairResult {
        let target = content.target().get();
        let assessment = self.assess(content, cx.peers);
        let under_way = self.under_way(content.manifest(), cx.peers);
        let lacking = |index: FragmentIndex| {
            let lacking = target.saturating_sub(committed(&assessment, &under_way, index, target));
            (lacking > 0).then_some((index, lacking))
        };
        let extents = extents(content.manifest());
        let lacking_of = |extent: &Vec<FragmentIndex>| extent.iter().copied().filter_map(lacking).collect();
        let short: Vec<BTreeMap<_, _>> = extents.iter().map(lacking_of).collect();
        if short.iter().all(BTreeMap::is_empty) {
            return RepairResult::Settled;
        }
        let is_urgent = is_urgent(content.manifest(), &assessment, target);
        if !is_urgent && !has_turn {
            return RepairResult::Queued;
        }
        let mut plan = Plan {
            manifest: content.manifest().clone(),
            kept: self.kept(content.manifest(), cx.peers),
            target: target as usize,
            is_urgent,
            publishers: content.publishers().as_slice().to_vec(),
            chosen: BTreeMap::new(),
            assessment,
        };
        let mut result = RepairResult::Settled;
        for (extent, short) in extents.iter().zip(short) {
            let left = self.repair_extent(cx, &mut plan, extent, short, rng);
            if left != RepairResult::Settled {
                result = left;
            }
            if left == RepairResult::Queued {
                break;
            }
        }
        // Each peer gets one order, however many extents: an order carries the whole manifest.
        for (peer, fragments) in std::mem::take(&mut plan.chosen) {
            self.send(cx, content, peer, fragments, rng, out);
        }
        result
    }

    /// Assigns copies of one extent; `short` says how many copies each fragment lacks.
    fn repair_extent(
        &mut self,
        cx: &Context<'_>,
        plan: &mut Plan,
        extent: &[FragmentIndex],
        mut short: BTreeMap<FragmentIndex, u32>,
        rng: &mut impl Rng,
    ) -> RepairResult {
        let all = short.len();
        short.retain(|index, _| plan.assessment.sourced().contains(*index));
        let has_sources = short.len() == all;
        // Each round assigns at least one copy of a short fragment, so the loop ends.
        while !short.is_empty() {
            if !plan.is_urgent && !self.budget.has_room(&self.assignments) {
                return RepairResult::Queued;
            }
            let mut wanted = plan.manifest.no_fragments();
            for index in short.keys() {
                wanted.insert(*index);
            }
            let Some((peer, wanted)) = self.choose(cx, plan, extent, &wanted, rng) else {
                return RepairResult::Waits;
            };
            let charge = match plan.is_urgent {
                true => Some(Charge::Free),
                false => self.charge(cx.peers, &plan.manifest, peer, &wanted),
            };
            let Some(charge) = charge else {
                return RepairResult::Waits;
            };
            self.assignments
                .add(&plan.manifest, peer, &wanted, &charge, cx.now);
            for sets in [&mut plan.kept, &mut plan.chosen] {
                sets.entry(peer)
                    .or_insert_with(|| plan.manifest.no_fragments())
                    .union_with(&wanted);
            }
            short.retain(|index, lacking| {
                *lacking -= u32::from(wanted.contains(*index));
                *lacking > 0
            });
        }
        match has_sources {
            true => RepairResult::Settled,
            false => RepairResult::Waits,
        }
    }

    /// Charges a copy to the budget and to the peers that it will come from. None when all of its sources are
    /// busy with repair.
    fn charge(
        &mut self,
        peers: &Peers,
        manifest: &Manifest,
        target: PeerId,
        wanted: &FragmentSet,
    ) -> Option<Charge> {
        let held = self.holders.of(manifest.content()).iter();
        let useful = held.filter(|held| {
            held.peer != target && held.counts(Purpose::ReadNow, peers) && held.fragments.intersects(wanted)
        });
        let live: Vec<_> = useful.map(|held| held.peer).collect();
        let mut free = live.clone();
        free.retain(|peer| self.budget.has_source(&self.assignments, *peer));
        if free.is_empty() && !live.is_empty() {
            return None;
        }
        free.sort_by_key(|peer| (self.assignments.taken_from(*peer), *peer));
        free.truncate(MAX_SOURCES);
        self.budget.take(manifest.bytes_in(wanted));
        Some(Charge::Budget(free))
    }

    /// Chooses the peer that makes the next copy, and the short fragments that it copies.
    fn choose(
        &self,
        cx: &Context<'_>,
        plan: &Plan,
        extent: &[FragmentIndex],
        short: &FragmentSet,
        rng: &mut impl Rng,
    ) -> Option<(PeerId, FragmentSet)> {
        let id = plan.manifest.content();
        let is_part = |has: &FragmentSet| extent.iter().any(|index| has.contains(*index));
        let mut keepers: Vec<_> = plan.kept.iter().filter(|(_, has)| is_part(has)).collect();
        // A peer that keeps a part of the extent is completed first, because that is the least to copy.
        let completing = keepers.iter().filter_map(|(peer, has)| {
            let mut lacks = short.clone();
            lacks.subtract(has);
            let bytes = plan.manifest.bytes_in(&lacks);
            let readiness = self.readiness(cx.peers, id, **peer, plan.is_urgent);
            let can_take = readiness == Readiness::Ready && bytes <= self.room_on(**peer, cx.peers);
            (can_take && !lacks.is_empty()).then_some((bytes, **peer, lacks))
        });
        if let Some((_, peer, lacks)) = completing.min_by_key(|(bytes, peer, _)| (*bytes, *peer)) {
            return Some((peer, lacks));
        }
        keepers.sort_by_key(|(peer, _)| (!plan.publishers.contains(peer), **peer));
        let kept: Vec<_> = keepers.into_iter().map(|(peer, _)| *peer).collect();
        let problem = Problem {
            kept: &kept,
            target: plan.target,
            bytes: plan.manifest.bytes_in(short),
        };
        // Bytes that the peer holds for itself already take no more room when it keeps them.
        let has = |peer| {
            let mut has = short.clone();
            let held = self.holders.get(id, peer)?;
            has.intersect_with(&held.fragments.to_set(plan.manifest.fragment_count()));
            Some(plan.manifest.bytes_in(&has))
        };
        let candidate = |peer| Candidate {
            zone: cx.peers.zone(peer),
            free: self
                .room_on(peer, cx.peers)
                .saturating_add(has(peer).unwrap_or(0)),
            is_fuller: self.is_fuller(peer, cx.peers),
            readiness: self.readiness(cx.peers, id, peer, plan.is_urgent),
        };
        let chosen = choose(cx.peers.rings(), &problem, candidate, rng);
        chosen.map(|peer| (peer, short.clone()))
    }

    /// Returns the fragments that each peer keeps of the content or is copying.
    fn kept(&self, manifest: &Manifest, peers: &Peers) -> BTreeMap<PeerId, FragmentSet> {
        let (id, count) = (manifest.content(), manifest.fragment_count());
        let held = self.holders.of(id).iter();
        let replicas = held.filter(|held| held.counts(Purpose::Suffice, peers));
        let mut kept: BTreeMap<_, _> = replicas
            .map(|held| (held.peer, held.fragments.to_set(count)))
            .collect();
        for (peer, job) in self.assignments.of(id) {
            kept.entry(peer)
                .or_insert_with(|| manifest.no_fragments())
                .union_with(job.wanted());
        }
        kept
    }

    /// Returns whether the peer can be given a part of the content.
    pub(crate) fn readiness(
        &self,
        peers: &Peers,
        content: ContentId,
        id: PeerId,
        is_urgent: bool,
    ) -> Readiness {
        let is_able = peers.get(id).is_some_and(|peer| {
            peer.can_be_given()
                && !self.assignments.is_cooling(content, id)
                && self
                    .holders
                    .get(content, id)
                    .is_none_or(|held| !held.is_evicting && !held.proof.is_doubtful())
        });
        let has_place = self.assignments.load(id).assignments < MAX_ASSIGNMENTS
            && (is_urgent || self.budget.has_target(&self.assignments, id));
        match is_able {
            true if has_place => Readiness::Ready,
            true => Readiness::Busy,
            false => Readiness::No,
        }
    }

    /// Sends the peer its assignment.
    fn send(
        &self,
        cx: &Context<'_>,
        content: &Content,
        peer: PeerId,
        fragments: FragmentSet,
        rng: &mut impl Rng,
        out: &mut Outcome,
    ) {
        let Some(session) = cx.peers.ready_session(peer) else {
            return;
        };
        let sources = self.sources(cx.peers, content, peer, &fragments, rng);
        let order = Order::Assign {
            epoch: cx.epoch,
            manifest: content.manifest().clone(),
            fragments,
            sources,
        };
        out.send(session.id(), order);
    }

    /// Returns peers to fetch these fragments from: live ones in reach before others, those with a better
    /// rank before others, idle before busy with repair, holders of all before holders of some, otherwise in
    /// random order.
    pub(super) fn sources(
        &self,
        peers: &Peers,
        content: &Content,
        except: PeerId,
        wanted: &FragmentSet,
        rng: &mut impl Rng,
    ) -> Vec<Source> {
        let held = self.holders.of(content.id()).iter();
        let useful = held.filter(|held| {
            held.peer != except && held.counts(Purpose::Offer, peers) && held.fragments.intersects(wanted)
        });
        let mut ranked: Vec<_> = useful
            .map(|held| {
                let is_away = !held.counts(Purpose::ReadNow, peers);
                let rank = held.rank(content.publishers(), peers);
                let is_busy = !self.budget.has_source(&self.assignments, held.peer);
                let has_some = !held.fragments.covers(wanted);
                ((is_away, rank, is_busy, has_some), held.peer)
            })
            .collect();
        ranked.shuffle(rng);
        ranked.sort_by_key(|(order, _)| *order);
        let addressed = ranked.into_iter().filter_map(|((_, rank, ..), peer)| {
            let known = peers.get(peer)?;
            Some(Source {
                peer,
                address: known.address().clone(),
                zone: known.zone().cloned(),
                rank,
            })
        });
        addressed.take(MAX_SOURCES).collect()
    }

    /// Returns the bytes of the missing copies that could be made and that no peer has been asked for.
    pub(crate) fn bytes_lacking(&self, of: &Portion<'_>, assessment: &Assessment, peers: &Peers) -> u64 {
        let (manifest, target) = (of.content().manifest(), of.content().target().get());
        let under_way = self.under_way(manifest, peers);
        let lacking = |index| u64::from(lacking(assessment, &under_way, index, target));
        if of.is_all() && is_uniform(assessment, &under_way) {
            let first = manifest.indices().next();
            return first.map_or(0, |first| lacking(first) * manifest.length());
        }
        let length_of = |index| u64::from(manifest.len_of(index));
        of.indices().map(|index| lacking(index) * length_of(index)).sum()
    }

    /// Returns the number of replicas of the most endangered fragment that lacks copies; none when no
    /// fragment lacks a copy that could be made and that no peer has been asked for.
    pub(super) fn fewest_lacking(&self, content: &Content, peers: &Peers) -> Option<u32> {
        let (manifest, target) = (content.manifest(), content.target().get());
        let (assessment, under_way) = (self.assess(content, peers), self.under_way(manifest, peers));
        let alike = match is_uniform(&assessment, &under_way) {
            true => 1,
            false => usize::MAX,
        };
        let indices = manifest.indices().take(alike);
        let short = indices.filter(|index| lacking(&assessment, &under_way, *index, target) > 0);
        short.map(|index| assessment.durable().of(index)).min()
    }

    /// Counts the copies under way, and those on live peers.
    fn under_way(&self, manifest: &Manifest, peers: &Peers) -> UnderWay {
        let count = manifest.fragment_count();
        let mut tallies = UnderWay {
            all: Tally::new(),
            live: Tally::new(),
        };
        for (peer, job) in self.assignments.of(manifest.content()) {
            tallies.all.add_set(job.wanted(), count);
            if peers.is_live(peer) {
                tallies.live.add_set(job.wanted(), count);
            }
        }
        tallies
    }
}

/// Copies that are under way, for each fragment.
struct UnderWay {
    all: Tally,
    live: Tally,
}

impl UnderWay {
    fn is_empty(&self) -> bool {
        self.all.is_uniform()
    }
}

/// Returns whether some fragment that can be copied has at most one replica left, replicas on peers that have
/// just fallen silent included. A content whose target is one is urgent when it has none.
pub(crate) fn is_urgent(manifest: &Manifest, assessment: &Assessment, target: u32) -> bool {
    let is_low = |present| present < target.min(2);
    if assessment.sourced().is_full() {
        return is_low(assessment.remain().min(manifest.fragment_count()));
    }
    let mut sourced = assessment.sourced().iter();
    sourced.any(|index| is_low(assessment.remain().of(index)))
}

/// Counts the replicas that the fragment has or will have and that may be relied upon; those on draining
/// peers are not among them.
///
/// A suspect peer usually comes back, so its replicas count for the grace time; unless at most one copy is
/// left without it, and few others fell silent with it.
fn committed(assessment: &Assessment, under_way: &UnderWay, index: FragmentIndex, target: u32) -> u32 {
    let is_endangered = target > 1 && assessment.expect().of(index) <= 1;
    if is_endangered {
        assessment.suffice_at_once().of(index) + under_way.live.of(index)
    } else {
        assessment.suffice().of(index) + under_way.all.of(index)
    }
}

/// Returns the copies of the fragment that could be made and that no peer has been asked for.
fn lacking(assessment: &Assessment, under_way: &UnderWay, index: FragmentIndex, target: u32) -> u32 {
    match assessment.sourced().contains(index) {
        true => target.saturating_sub(committed(assessment, under_way, index, target)),
        false => 0,
    }
}

/// Returns whether all fragments lack the same.
fn is_uniform(assessment: &Assessment, under_way: &UnderWay) -> bool {
    assessment.is_uniform() && assessment.sourced().is_full() && under_way.is_empty()
}

/// Returns the runs of fragments that are placed together.
pub(crate) fn extents(manifest: &Manifest) -> Vec<Vec<FragmentIndex>> {
    let run =
        usize::try_from(EXTENT_BYTES / u64::from(manifest.fragment_length().get())).unwrap_or(usize::MAX);
    let indices: Vec<_> = manifest.indices().collect();
    indices
        .chunks(run.max(1))
        .map(<[FragmentIndex]>::to_vec)
        .collect()
}
