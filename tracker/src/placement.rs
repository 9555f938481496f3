//! Which peers should hold new replicas: a pure choice.
//!
//! Invariants of every answer: distinct peers, each with room for the bytes, no more than asked for; zones that hold no
//! replica yet come before zones that do. Among equals the choice is random, weighted by free space, so that
//! disks fill evenly and the loss of a few peers hits a little of everything rather than all of something.
//! Knows nothing of contents, leases or sessions: whoever calls has left out the peers that may not be chosen.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, RngExt as _};
use shared::model::{PeerId, Zone};

/// How many replicas of how many bytes are wanted, and who could hold them.
#[derive(Clone, Debug)]
pub struct Problem<'a> {
    /// Replicas wanted.
    pub count: usize,
    /// Bytes of one replica.
    pub bytes: u64,
    /// Who may be chosen.
    pub candidates: &'a [Candidate<'a>],
    /// How many replicas each zone holds already.
    pub zones: BTreeMap<&'a Zone, usize>,
}

/// A peer that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Who it is.
    pub peer: PeerId,
    /// Its failure domain. Peers without one are each a domain of their own.
    pub zone: Option<&'a Zone>,
    /// Bytes that are neither used nor reserved.
    pub free: u64,
}

/// Chooses up to `problem.count` peers; fewer when fewer have room.
#[must_use]
pub fn place(problem: &Problem<'_>, rng: &mut impl Rng) -> Vec<PeerId> {
    let mut zones = problem.zones.clone();
    let mut chosen = Vec::new();
    let mut taken = BTreeSet::new();
    while chosen.len() < problem.count {
        let crowd = |candidate: &Candidate<'_>| {
            candidate
                .zone
                .map_or(0, |zone| zones.get(zone).copied().unwrap_or_default())
        };
        let has_room =
            |candidate: &&Candidate<'_>| candidate.free >= problem.bytes && !taken.contains(&candidate.peer);
        let Some(least) = problem.candidates.iter().filter(has_room).map(crowd).min() else {
            break;
        };
        let best = || {
            problem
                .candidates
                .iter()
                .filter(has_room)
                .filter(|candidate| crowd(candidate) == least)
        };
        // At least 1 each, so that a peer whose last byte this takes can be chosen too.
        let weight = |candidate: &Candidate<'_>| u128::from(candidate.free.max(1));
        let mut at = rng.random_range(0..best().map(weight).sum::<u128>());
        let choice = best().find(|candidate| match at.checked_sub(weight(candidate)) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        let Some(choice) = choice else { break };
        taken.insert(choice.peer);
        chosen.push(choice.peer);
        if let Some(zone) = choice.zone {
            *zones.entry(zone).or_default() += 1;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    fn peer(n: usize) -> PeerId {
        PeerId::from_bytes([u8::try_from(n).expect("few peers"); 16])
    }

    fn zone(n: u8) -> Zone {
        format!("zone-{n}").parse().expect("a zone")
    }

    proptest! {
        #[test]
        fn choices_are_distinct_have_room_and_spread_over_zones(
            seed: u64,
            count in 0_usize..8,
            bytes in 0_u64..1_000,
            peers in proptest::collection::vec((proptest::option::of(0_u8..4), 0_u64..2_000), 0..20),
        ) {
            let zones: Vec<_> = (0..4).map(zone).collect();
            let candidates: Vec<_> = peers.iter().enumerate().map(|(n, (zone, free))| Candidate {
                peer: peer(n),
                zone: zone.map(|zone| &zones[usize::from(zone)]),
                free: *free,
            }).collect();
            let problem = Problem { count, bytes, candidates: &candidates, zones: BTreeMap::new() };
            let chosen = place(&problem, &mut Xoshiro256PlusPlus::seed_from_u64(seed));

            let with_room: Vec<_> = candidates.iter().filter(|c| c.free >= bytes).collect();
            prop_assert_eq!(chosen.len(), count.min(with_room.len()));
            prop_assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), chosen.len(), "distinct");
            let of = |peer: &PeerId| *candidates.iter().find(|c| c.peer == *peer).expect("a candidate");
            prop_assert!(chosen.iter().all(|peer| of(peer).free >= bytes), "room");
            // A zone is used twice only once every domain with room has been used.
            let domains: BTreeSet<_> = with_room.iter().map(|c| (c.zone, c.zone.is_none().then_some(c.peer))).collect();
            let used: BTreeSet<_> = chosen.iter().map(of).map(|c| (c.zone, c.zone.is_none().then_some(c.peer))).collect();
            let has_unzoned = with_room.iter().any(|c| c.zone.is_none());
            if !has_unzoned {
                prop_assert_eq!(used.len(), chosen.len().min(domains.len()));
            }
            let again = place(&problem, &mut Xoshiro256PlusPlus::seed_from_u64(seed));
            prop_assert_eq!(chosen, again, "the same seed gives the same answer");
        }
    }

    #[test]
    fn zones_that_hold_a_replica_are_used_last() {
        let (a, b) = (zone(0), zone(1));
        let candidates = [(0, &a, 1_000_000), (1, &b, 10)].map(|(n, zone, free)| Candidate {
            peer: peer(n),
            zone: Some(zone),
            free,
        });
        let problem = Problem {
            count: 1,
            bytes: 10,
            candidates: &candidates,
            zones: BTreeMap::from([(&a, 1)]),
        };
        for seed in 0..20 {
            assert_eq!(
                place(&problem, &mut Xoshiro256PlusPlus::seed_from_u64(seed)),
                [peer(1)]
            );
        }
    }

    #[test]
    fn peers_with_more_room_are_chosen_more_often() {
        let candidates = [(0, 1_000), (1, 3_000)].map(|(n, free)| Candidate {
            peer: peer(n),
            zone: None,
            free,
        });
        let problem = Problem {
            count: 1,
            bytes: 1,
            candidates: &candidates,
            zones: BTreeMap::new(),
        };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let big = (0..4_000)
            .filter(|_| place(&problem, &mut rng) == [peer(1)])
            .count();
        assert!((2_800..3_200).contains(&big), "three in four, not {big} of 4000");
    }
}
