//! Bringing one content back to its target: who is to copy what from whom.
//!
//! Extent by extent: a run of fragments is copied to the same peers, so that a content may be larger than any single
//! disk and a peer still holds long runs.
//!
//! What is *urgent*, because one replica is left even if everyone who has just fallen silent comes back, is ordered at
//! once. Everything else has to fit into the budget of repair ([`RepairBudget`](super::repair_budget::RepairBudget)), and comes in its turn.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom as _;
use shared::model::{ContentId, FragmentIndex, FragmentSet, Manifest, Order, PeerId, Source, Timestamp};

use super::assessment::{Assessment, Tally};
use super::assignments::Charge;
use super::{Context, Replicas};
use crate::placement::{Candidate, Problem, Readiness, choose};
use crate::state::command::Outcome;
use crate::state::names::Content;
use crate::state::peers::Peers;

/// Bytes that are placed together. What is left at the end of a disk is less than an extent: of the 50 GiB that a peer
/// lends by default, 1 GiB is 2 %. Smaller extents would fill disks better and make a content depend on more sets of
/// peers; the largest content (1 TiB) has 1,024 of these, each planned by itself.
const EXTENT_BYTES: u64 = 1 << 30;

/// Assignments that one peer has at a time: enough to keep it busy between two ticks.
const MAX_ASSIGNMENTS: usize = 256;

/// Sources named in an assignment; the peer finds more by itself.
const MAX_SOURCES: usize = 16;

/// What is left to be done about a content's copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RepairResult {
    /// Nothing: all that it lacks has been ordered.
    Settled,
    /// Some cannot be made before then, or before something happens.
    Waits(Timestamp),
    /// Some are to be ordered when the budget has room.
    Queued,
}

/// What is known of one content while it is repaired.
struct Plan {
    manifest: Manifest,
    assessment: Assessment,
    target: usize,
    /// Whether the budget does not matter.
    is_urgent: bool,
    /// Peers that share the content in place: replica sets are looked for around them.
    publishers: Vec<PeerId>,
    /// What each peer keeps or is copying.
    kept: BTreeMap<PeerId, FragmentSet>,
    /// What each peer is to copy by this plan.
    chosen: BTreeMap<PeerId, FragmentSet>,
}

impl Replicas {
    /// Orders the copies that the content lacks: when they are urgent or it `has_turn`.
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
        // One order a peer, however many extents: each carries the whole manifest.
        for (peer, fragments) in std::mem::take(&mut plan.chosen) {
            self.send(cx, &plan.manifest, peer, fragments, rng, out);
        }
        result
    }

    /// Assigns copies of one extent, of which some fragments are so many copies short.
    fn repair_extent(
        &mut self,
        cx: &Context<'_>,
        plan: &mut Plan,
        extent: &[FragmentIndex],
        mut short: BTreeMap<FragmentIndex, u32>,
        rng: &mut impl Rng,
    ) -> RepairResult {
        let waits = RepairResult::Waits(cx.now.after(self.agenda.patience(cx.timing.retry)));
        let all = short.len();
        short.retain(|index, _| plan.assessment.sourced().contains(*index));
        let has_sources = short.len() == all;
        // Each round assigns at least one copy of what is short, so it ends.
        while !short.is_empty() {
            if !plan.is_urgent && !self.budget.has_room(&self.assignments) {
                return RepairResult::Queued;
            }
            let mut wanted = plan.manifest.no_fragments();
            for index in short.keys() {
                wanted.insert(*index);
            }
            let Some((peer, wanted)) = self.choose(cx, plan, extent, &wanted, rng) else {
                return waits;
            };
            let charge = match plan.is_urgent {
                true => Some(Charge::Free),
                false => self.charge(cx.peers, &plan.manifest, peer, &wanted),
            };
            let Some(charge) = charge else {
                return waits;
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
        if has_sources { RepairResult::Settled } else { waits }
    }

    /// Takes a copy into the budget: from whom it will come. None when all who have it are busy with that.
    fn charge(
        &mut self,
        peers: &Peers,
        manifest: &Manifest,
        target: PeerId,
        wanted: &FragmentSet,
    ) -> Option<Charge> {
        let held = self.holders.of(manifest.content()).iter();
        let useful = held.filter(|held| {
            held.peer != target
                && held.is_source(peers)
                && peers.is_live(held.peer)
                && held.fragments.intersects(wanted)
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

    /// Who makes the next copy, and of which of the short fragments.
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
        // Whoever keeps a part of the extent is completed first: that is the least to copy.
        let completing = keepers.iter().filter_map(|(peer, has)| {
            let mut lacks = short.clone();
            lacks.subtract(has);
            let bytes = plan.manifest.bytes_in(&lacks);
            let readiness = self.readiness(cx.now, cx.peers, id, **peer, plan.is_urgent);
            let can_take = readiness == Readiness::Ready && bytes <= self.free_on(**peer, cx.peers);
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
        // What it has already, for itself, takes no more room when it is kept.
        let has = |peer| {
            let mut has = short.clone();
            let held = self.holders.get(id, peer)?;
            has.intersect_with(&held.fragments.to_set(plan.manifest.fragment_count()));
            Some(plan.manifest.bytes_in(&has))
        };
        let candidate = |peer| Candidate {
            zone: cx.peers.zone(peer),
            free: self
                .free_on(peer, cx.peers)
                .saturating_add(has(peer).unwrap_or(0)),
            is_fuller: self.is_fuller(peer, cx.peers),
            readiness: self.readiness(cx.now, cx.peers, id, peer, plan.is_urgent),
        };
        let chosen = choose(cx.peers.rings(), &problem, candidate, rng);
        chosen.map(|peer| (peer, short.clone()))
    }

    /// What each peer keeps of the content or is copying of it.
    fn kept(&self, manifest: &Manifest, peers: &Peers) -> BTreeMap<PeerId, FragmentSet> {
        let (id, count) = (manifest.content(), manifest.fragment_count());
        let replicas = self.holders.of(id).iter().filter(|held| held.is_staying(peers));
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

    /// Whether the peer can be given a part of the content.
    pub(crate) fn readiness(
        &self,
        now: Timestamp,
        peers: &Peers,
        content: ContentId,
        id: PeerId,
        is_urgent: bool,
    ) -> Readiness {
        let is_able = peers.get(id).is_some_and(|peer| {
            peer.can_be_given()
                && !peer.is_full(now)
                && !self.assignments.is_cooling(content, id)
                && self.holders.get(content, id).is_none_or(|held| !held.is_evicting)
        });
        let has_place = self.assignments.load(id).assignments < MAX_ASSIGNMENTS
            && (is_urgent || self.budget.has_target(&self.assignments, id));
        match is_able {
            true if has_place => Readiness::Ready,
            true => Readiness::Busy,
            false => Readiness::No,
        }
    }

    /// Tells the peer what has been assigned to it.
    fn send(
        &self,
        cx: &Context<'_>,
        manifest: &Manifest,
        peer: PeerId,
        fragments: FragmentSet,
        rng: &mut impl Rng,
        out: &mut Outcome,
    ) {
        let Some(session) = cx.peers.ready_session(peer) else {
            return;
        };
        let sources = self.sources(cx.peers, manifest, peer, &fragments, rng);
        let order = Order::Assign {
            epoch: cx.epoch,
            manifest: manifest.clone(),
            fragments,
            sources,
        };
        out.send(session.id(), order);
    }

    /// Whom to fetch these fragments from: live ones before suspect ones, whoever repair leaves time before whoever is
    /// busy with it, whoever has all of them before whoever has some, otherwise at random.
    pub(super) fn sources(
        &self,
        peers: &Peers,
        manifest: &Manifest,
        except: PeerId,
        wanted: &FragmentSet,
        rng: &mut impl Rng,
    ) -> Vec<Source> {
        let held = self.holders.of(manifest.content()).iter();
        let useful = held
            .filter(|held| held.peer != except && held.is_source(peers) && held.fragments.intersects(wanted));
        let mut ranked: Vec<_> = useful
            .map(|held| {
                (
                    !peers.is_live(held.peer),
                    !self.budget.has_source(&self.assignments, held.peer),
                    !held.fragments.covers(wanted),
                    held.peer,
                )
            })
            .collect();
        ranked.shuffle(rng);
        ranked.sort_by_key(|(is_suspect, is_busy, has_some, _)| (*is_suspect, *is_busy, *has_some));
        let addressed = ranked.into_iter().filter_map(|(.., peer)| {
            let known = peers.get(peer)?;
            Some(Source {
                peer,
                address: known.address().clone(),
                zone: known.zone().cloned(),
            })
        });
        addressed.take(MAX_SOURCES).collect()
    }

    /// Copies under way, those on live peers apart.
    pub(crate) fn under_way(&self, manifest: &Manifest, peers: &Peers) -> UnderWay {
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

/// Copies that have been asked for.
pub(crate) struct UnderWay {
    all: Tally,
    live: Tally,
}

impl UnderWay {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_uniform()
    }
}

/// Whether some fragment that can be copied has one replica left at most, those on peers that have just fallen silent
/// counted; a content that wants one has to have lost it.
pub(crate) fn is_urgent(manifest: &Manifest, assessment: &Assessment, target: u32) -> bool {
    let is_low = |present| present < target.min(2);
    if assessment.sourced().is_full() {
        return is_low(assessment.present().min(manifest.fragment_count()));
    }
    let mut sourced = assessment.sourced().iter();
    sourced.any(|index| is_low(assessment.present().of(index)))
}

/// Replicas that the fragment has or will have, as far as one may rely on them; those on draining peers are not among them.
///
/// A suspect peer usually comes back, so its replicas count for the grace time; unless at most one copy is left
/// without it, and few others fell silent with it.
pub(crate) fn committed(
    assessment: &Assessment,
    under_way: &UnderWay,
    index: FragmentIndex,
    target: u32,
) -> u32 {
    let is_endangered = target > 1 && assessment.expected().of(index) <= 1;
    if is_endangered {
        assessment.staying().of(index) + under_way.live.of(index)
    } else {
        assessment.counted().of(index) + under_way.all.of(index)
    }
}

/// The runs of fragments that are placed together.
pub(crate) fn extents(manifest: &Manifest) -> Vec<Vec<FragmentIndex>> {
    let run =
        usize::try_from(EXTENT_BYTES / u64::from(manifest.fragment_length().get())).unwrap_or(usize::MAX);
    let indices: Vec<_> = manifest.indices().collect();
    indices
        .chunks(run.max(1))
        .map(<[FragmentIndex]>::to_vec)
        .collect()
}
