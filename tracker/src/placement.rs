//! Placement: the pure choice of the peer that holds the next replica, for `state/replicas/repair.rs`.
//!
//! Replicas are not spread over *all* sets of peers but over a bounded number of them (*copysets*): with
//! random sets every R peers that are lost at once take something with them as soon as there is enough data;
//! with N peers and 3 N sets hardly any R peers do. The sets are neighbourhoods in a few fixed orders of the
//! peers ([`Rings`]), so they need no storage, and a peer that comes or goes changes only the sets around it
//! (see ADR 0013).
//!
//! Invariants of every answer: the peer has no replica yet; it has room for the bytes; no zone that could be
//! chosen has fewer replicas. Among the sets that fit the existing keepers the choice is random, weighted by
//! free space; peers that are much fuller than the average are passed over while others will do, so that a
//! set around a busy publisher grows before it bursts. Placement knows nothing of contents, leases or
//! sessions.

mod rings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rand::{Rng, RngExt as _};
use shared::model::{PeerId, Zone};

pub use rings::{Rings, SCATTER_WIDTH};

/// Peers looked at in one direction to fill one set: after this many that will not do, sets have lost their
/// sense and any peer with room is taken.
const REACH: usize = 128;

/// Problem: one more replica is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// Peers that keep a replica or are about to. The sets around the first one are looked at, so a publisher
    /// should be named first.
    pub kept: &'a [PeerId],
    /// Replicas wanted in all: the size of a set.
    pub target: usize,
    /// Bytes of the replica.
    pub bytes: u64,
}

/// Attributes of a peer that placement depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Failure domain. A peer without one is a domain of its own.
    pub zone: Option<&'a Zone>,
    /// Bytes that are neither used nor reserved.
    pub free: u64,
    /// Whether it is much fuller than others: then it is chosen only if no other will do.
    pub is_fuller: bool,
    /// Whether it can be given a replica now.
    pub readiness: Readiness,
}

/// Readiness of a peer to be given a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The peer can be given a replica now.
    Ready,
    /// The peer is worth waiting for, because giving its share to others would make more sets.
    Busy,
    /// The peer cannot be given a replica for a while.
    No,
}

/// Level of a choice, the best first: zones come first, then even filling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Level {
    /// Replicas that the zone has already.
    crowd: usize,
    is_fuller: bool,
}

impl Level {
    const BEST: Self = Self {
        crowd: 0,
        is_fuller: false,
    };
}

/// Set around the first keeper, as far as it can be filled.
struct Set {
    /// Members that keep a replica.
    kept: usize,
    fresh: Vec<PeerId>,
}

/// Result of a search through the sets.
enum Found {
    Peer(PeerId),
    /// The search found only peers that are busy.
    Busy,
    Nothing,
}

/// Chooses the peer that holds the next replica; none when no peer can, or none now. `peer` describes all
/// peers in `rings` and all that keep a replica.
#[must_use]
pub fn choose<'a>(
    rings: &Rings,
    problem: &Problem<'_>,
    peer: impl Fn(PeerId) -> Candidate<'a>,
    rng: &mut impl Rng,
) -> Option<PeerId> {
    let search = Search::new(rings, problem, &peer);
    if let Some(first) = problem.kept.first() {
        match search.in_sets(*first, Level::BEST, rng) {
            Found::Peer(chosen) => return Some(chosen),
            Found::Busy => return None,
            Found::Nothing => {}
        }
    }
    let acceptable: Vec<_> = rings.peers().filter_map(|id| search.level(id)).collect();
    let best = acceptable.iter().map(|(level, ..)| *level).min()?;
    if let Some(first) = problem.kept.first() {
        match search.in_sets(*first, best, rng) {
            Found::Peer(chosen) => return Some(chosen),
            Found::Busy => return None,
            Found::Nothing => {}
        }
    }
    // No peer keeps a replica yet, or no peer around has room, so any peer will do.
    let ready = acceptable
        .into_iter()
        .filter(|(level, _, at)| *level == best && at.readiness == Readiness::Ready);
    weighted(ready.map(|(_, id, at)| (id, at.free)), rng)
}

struct Search<'p, 'a, F> {
    rings: &'p Rings,
    problem: &'p Problem<'p>,
    peer: &'p F,
    /// Replicas in each zone.
    crowds: BTreeMap<&'a Zone, usize>,
}

impl<'p, 'a, F: Fn(PeerId) -> Candidate<'a>> Search<'p, 'a, F> {
    fn new(rings: &'p Rings, problem: &'p Problem<'p>, peer: &'p F) -> Self {
        let mut crowds = BTreeMap::new();
        for zone in problem.kept.iter().filter_map(|id| peer(*id).zone) {
            *crowds.entry(zone).or_default() += 1;
        }
        Self {
            rings,
            problem,
            peer,
            crowds,
        }
    }

    /// Returns how good the peer would be, if it can be chosen at all.
    fn level(&self, id: PeerId) -> Option<(Level, PeerId, Candidate<'a>)> {
        let at = (self.peer)(id);
        let can_go = at.readiness != Readiness::No
            && at.free >= self.problem.bytes
            && !self.problem.kept.contains(&id);
        can_go.then(|| {
            let level = Level {
                crowd: crowd(&self.crowds, at.zone),
                is_fuller: at.is_fuller,
            };
            (level, id, at)
        })
    }

    /// Looks for a peer in the sets around `first` that contain the most keepers.
    fn in_sets(&self, first: PeerId, worst: Level, rng: &mut impl Rng) -> Found {
        let size = self.problem.target;
        let rings = 0..Rings::used(size);
        let places = rings.flat_map(|ring| (0..size).map(move |ahead| (ring, ahead)));
        let sets: Vec<_> = places
            .map(|(ring, ahead)| self.set(ring, first, ahead, worst))
            .filter(|set| !set.fresh.is_empty())
            .collect();
        let Some(most) = sets.iter().map(|set| set.kept).max() else {
            return Found::Nothing;
        };
        let is_ready = |id: &PeerId| (self.peer)(*id).readiness == Readiness::Ready;
        let free = |id: PeerId| (self.peer)(id).free;
        let open = sets.iter().filter(|set| set.kept == most).filter_map(|set| {
            let roomiest = set.fresh.iter().copied().filter(is_ready);
            let roomiest = roomiest.max_by_key(|id| (free(*id), *id))?;
            // A set is as good as the fullest of its members.
            let weight = set.fresh.iter().map(|id| free(*id)).min()?;
            Some((roomiest, weight))
        });
        weighted(open, rng).map_or(Found::Busy, Found::Peer)
    }

    /// Returns the set of one order that begins `ahead` members before `first`.
    fn set(&self, ring: usize, first: PeerId, ahead: usize, worst: Level) -> Set {
        let mut crowds = self.crowds.clone();
        let mut set = Set {
            kept: 1,
            fresh: Vec::new(),
        };
        let mut seen = vec![first];
        let mut fill = |id: PeerId| {
            // In a small ring both directions meet.
            if seen.contains(&id) {
                return false;
            }
            if self.problem.kept.contains(&id) {
                set.kept += 1;
            } else {
                let Some((level, _, at)) = self.level(id) else {
                    return false;
                };
                let crowd = crowd(&crowds, at.zone);
                if crowd > worst.crowd || (level.is_fuller && !worst.is_fuller) {
                    return false;
                }
                if let Some(zone) = at.zone {
                    *crowds.entry(zone).or_default() += 1;
                }
                set.fresh.push(id);
            }
            seen.push(id);
            true
        };
        let mut fill_from = |mut lacking: usize, walk: &mut dyn Iterator<Item = PeerId>| {
            for id in walk {
                if lacking == 0 {
                    break;
                }
                lacking -= usize::from(fill(id));
            }
        };
        fill_from(ahead, &mut self.rings.before(ring, first).take(REACH));
        let behind = self.problem.target.saturating_sub(ahead + 1);
        fill_from(behind, &mut self.rings.after(ring, first).take(REACH));
        set
    }
}

fn crowd(crowds: &BTreeMap<&Zone, usize>, zone: Option<&Zone>) -> usize {
    zone.and_then(|zone| crowds.get(zone))
        .copied()
        .unwrap_or_default()
}

/// Chooses a peer at random, in proportion to free space; none only if there is no choice.
fn weighted(choices: impl Iterator<Item = (PeerId, u64)>, rng: &mut impl Rng) -> Option<PeerId> {
    let choices: Vec<_> = choices.collect();
    // At least 1 each, so that a peer whose last byte this takes can be chosen too.
    let weight = |free: u64| u128::from(free.max(1));
    let all: u128 = choices.iter().map(|(_, free)| weight(*free)).sum();
    if all == 0 {
        return None;
    }
    let mut at = rng.random_range(0..all);
    let chosen = choices
        .iter()
        .find(|(_, free)| match at.checked_sub(weight(*free)) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
    chosen.map(|(id, _)| *id)
}
