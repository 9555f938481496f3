//! The laws of placement, and how few sets there are.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::IteratorRandom as _;

use super::*;

fn peer(n: usize) -> PeerId {
    // Spread like the random ids of real peers, and easy to tell apart.
    let id = (n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    PeerId::from_bytes(id.to_be_bytes())
}

fn rings(peers: impl IntoIterator<Item = usize>) -> Rings {
    let mut rings = Rings::default();
    peers.into_iter().for_each(|n| rings.insert(peer(n)));
    rings
}

fn zone(n: u8) -> Zone {
    format!("zone-{n}").parse().expect("a zone")
}

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

const OPEN: Candidate<'static> = Candidate {
    zone: None,
    free: 1_000,
    is_fuller: false,
    readiness: Readiness::Ready,
};

/// Returns all keepers of the content that this peer has published, the publisher included.
fn replica_set(rings: &Rings, publisher: PeerId, target: usize, rng: &mut impl Rng) -> BTreeSet<PeerId> {
    let mut kept = vec![publisher];
    while kept.len() < target {
        let problem = Problem {
            kept: &kept,
            target,
            bytes: 1,
        };
        kept.push(choose(rings, &problem, |_| OPEN, rng).expect("there are enough peers"));
    }
    kept.into_iter().collect()
}

/// Returns every set that can come about while all peers have room.
fn all_sets(rings: &Rings, target: usize) -> BTreeSet<BTreeSet<PeerId>> {
    let problem = Problem {
        kept: &[],
        target,
        bytes: 1,
    };
    let search = Search::new(rings, &problem, &|_| OPEN);
    let around = |first: PeerId| {
        let sets = (0..Rings::used(target)).map(move |ring| (ring, first));
        sets.map(|(ring, first)| search.set(ring, first, 0, Level::BEST).fresh)
            .map(|fresh| fresh.into_iter().chain([first]).collect::<BTreeSet<_>>())
            .collect::<Vec<_>>()
    };
    rings.peers().flat_map(around).collect()
}

#[derive(Clone, Debug)]
struct Someone {
    zone: Option<u8>,
    free: u64,
    is_fuller: bool,
    readiness: Readiness,
}

fn someone() -> impl Strategy<Value = Someone> {
    let readiness = prop_oneof![
        6 => Just(Readiness::Ready),
        1 => Just(Readiness::Busy),
        2 => Just(Readiness::No),
    ];
    let zone = proptest::option::weighted(0.7, 0_u8..4);
    (zone, 0_u64..2_000, any::<bool>(), readiness).prop_map(|(zone, free, is_fuller, readiness)| Someone {
        zone,
        free,
        is_fuller,
        readiness,
    })
}

proptest! {
    #[test]
    fn who_is_chosen_is_new_has_room_and_is_in_the_emptiest_zone(
        seed: u64,
        target in 1_usize..8,
        bytes in 0_u64..1_500,
        keepers in 0_usize..6,
        everyone in proptest::collection::vec(someone(), 0..30),
    ) {
        let zones: Vec<_> = (0..4).map(zone).collect();
        let known: BTreeMap<_, _> = everyone.iter().enumerate().map(|(n, one)| (peer(n), one)).collect();
        let kept: Vec<_> = known.keys().copied().sample(&mut rng(seed), keepers);
        let describe = |id: PeerId| {
            let one = known[&id];
            Candidate {
                zone: one.zone.map(|zone| &zones[usize::from(zone)]),
                free: one.free,
                is_fuller: one.is_fuller,
                readiness: one.readiness,
            }
        };
        let rings = rings(0..everyone.len());
        let problem = Problem { kept: &kept, target, bytes };
        let chosen = choose(&rings, &problem, describe, &mut rng(seed));

        let crowd = |id: PeerId| {
            let zone = known[&id].zone;
            kept.iter().filter(|id| zone.is_some() && known[*id].zone == zone).count()
        };
        let can = |id: &PeerId| {
            !kept.contains(id) && known[id].free >= bytes && known[id].readiness != Readiness::No
        };
        let best = known.keys().filter(|id| can(id)).map(|id| (crowd(*id), known[id].is_fuller)).min();
        let is_best = |id: &PeerId| Some((crowd(*id), known[id].is_fuller)) == best;
        match chosen {
            Some(id) => {
                prop_assert!(can(&id) && known[&id].readiness == Readiness::Ready);
                prop_assert!(is_best(&id), "no better zone, nobody emptier");
            }
            None => {
                let is_waiting = known.keys().any(|id| can(id) && known[id].readiness == Readiness::Busy);
                let is_possible = known.keys().any(|id| can(id) && is_best(id));
                prop_assert!(is_waiting || !is_possible, "who could be chosen is chosen or waited for");
            }
        }
        prop_assert_eq!(chosen, choose(&rings, &problem, describe, &mut rng(seed)), "the same seed, the same answer");
    }

    #[test]
    fn whoever_publishes_the_sets_are_few_and_so_are_a_peers_neighbours(
        seed: u64,
        count in 20_usize..80,
        target in 2_usize..6,
    ) {
        let (rings, mut rng) = (rings(0..count), rng(seed));
        let bound = all_sets(&rings, target);
        prop_assert!(bound.len() <= count * Rings::used(target));
        let mut neighbours: BTreeMap<PeerId, BTreeSet<PeerId>> = BTreeMap::new();
        for n in 0..10 * count {
            let set = replica_set(&rings, peer(n % count), target, &mut rng);
            prop_assert!(bound.contains(&set), "a set that was not counted");
            for id in &set {
                neighbours.entry(*id).or_default().extend(set.iter().filter(|other| *other != id));
            }
        }
        let widest = neighbours.values().map(BTreeSet::len).max();
        prop_assert!(widest <= Some(2 * (target - 1) * Rings::used(target)), "scatter width");
    }

    #[test]
    fn who_joins_or_leaves_changes_only_the_sets_around(
        count in 8_usize..60,
        target in 2_usize..6,
        who in any::<prop::sample::Index>(),
    ) {
        let who = who.index(count);
        let without = all_sets(&rings((0..count).filter(|n| *n != who)), target);
        let with = all_sets(&rings(0..count), target);
        let near = target * Rings::used(target);
        prop_assert!(with.difference(&without).all(|set| set.contains(&peer(who))));
        prop_assert!(with.difference(&without).count() <= near);
        prop_assert!(without.difference(&with).count() <= near);
    }
}

#[test]
fn one_publisher_fills_more_and_more_peers_rather_than_a_few() {
    let (count, target, capacity) = (60, 3, 200_u64);
    let (rings, mut rng) = (rings(0..count), rng(7));
    let mut used: BTreeMap<PeerId, u64> = BTreeMap::new();
    // Half of the capacity of all peers.
    for _ in 0..count as u64 * capacity / 2 / 2 {
        let all: u64 = used.values().sum();
        let average = capacity - all / count as u64;
        let mut kept = vec![peer(0)];
        while kept.len() < target {
            let describe = |id: PeerId| {
                let free = capacity - used.get(&id).copied().unwrap_or_default();
                Candidate {
                    free,
                    is_fuller: free < average / 2,
                    ..OPEN
                }
            };
            let problem = Problem {
                kept: &kept,
                target,
                bytes: 1,
            };
            let chosen = choose(&rings, &problem, describe, &mut rng).expect("there is room");
            *used.entry(chosen).or_default() += 1;
            kept.push(chosen);
        }
    }
    let fullest = used.values().max().copied().unwrap_or_default();
    assert!(used.len() > count / 2, "only {} peers hold anything", used.len());
    assert!(
        fullest <= capacity * 9 / 10,
        "one peer holds {fullest} of {capacity}"
    );
}

#[test]
fn a_busy_neighbour_is_waited_for_and_a_full_one_is_not() {
    let rings = rings(0..40);
    let kept = [peer(0)];
    let problem = Problem {
        kept: &kept,
        target: 2,
        bytes: 10,
    };
    let near: BTreeSet<_> = (0..200)
        .filter_map(|seed| choose(&rings, &problem, |_| OPEN, &mut rng(seed)))
        .collect();
    assert!((6..=10).contains(&near.len()), "{} neighbours", near.len());
    let with = |change: Candidate<'static>| {
        let describe = |id: PeerId| if near.contains(&id) { change } else { OPEN };
        choose(&rings, &problem, describe, &mut rng(1))
    };
    let busy = Candidate {
        readiness: Readiness::Busy,
        ..OPEN
    };
    assert_eq!(with(busy), None);
    let full = with(Candidate { free: 9, ..OPEN }).expect("the next ones have room");
    assert!(!near.contains(&full));
}

/// Measures what losses of R peers at once cost, by the number of sets: the figures of ADR 0013.
#[test]
fn losing_as_many_peers_as_there_are_replicas_rarely_loses_anything() {
    let (contents, target) = (20_000, 3);
    for (count, at_most) in [(50, 0.009), (200, 0.000_5), (1_000, 0.000_02)] {
        let (rings, mut rng) = (rings(0..count), rng(count as u64));
        let sets = |place: &mut dyn FnMut(usize) -> BTreeSet<PeerId>| {
            (0..contents).map(place).collect::<BTreeSet<_>>().len()
        };
        let copysets = {
            let rng = &mut rng;
            sets(&mut |n| replica_set(&rings, peer(n % count), target, rng))
        };
        let at_random = sets(&mut |n| {
            let others = (0..count).filter(|other| *other != n % count);
            let others = others.sample(&mut rng, target - 1);
            others.into_iter().chain([n % count]).map(peer).collect()
        });
        let ways = (count * (count - 1) * (count - 2) / 6) as f64;
        let (few, many) = (copysets as f64 / ways, at_random as f64 / ways);
        let figures = format!("{count} peers: {copysets} sets, {few:.2e}; at random {at_random}, {many:.2e}");
        assert!(copysets <= count * Rings::used(target), "{figures}");
        assert!(few < at_most && many > few * 6.0, "{figures}");
    }
}
