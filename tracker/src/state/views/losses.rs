//! Fatal losses, computed from the sets of keepers instead of by trying out losses.
//!
//! A fragment is lost when all of its keepers are, so a set of one is a fatal peer, a set of two a fatal
//! pair, a set within one zone a fatal zone. Fragments with the same keepers are one case, and a content that
//! every keeper has whole is one case in all.

use std::collections::{BTreeMap, BTreeSet};

use shared::model::{Losses, PeerId, Zone};

use super::State;
use crate::state::replicas::{Fragments, Held, Portion, Purpose};

/// Fatal losses of one or many contents, each with the number of contents that it concerns.
#[derive(Clone, Debug, Default)]
pub(super) struct Toll {
    peers: BTreeMap<PeerId, u64>,
    pairs: BTreeMap<(PeerId, PeerId), u64>,
    zones: BTreeMap<Zone, u64>,
}

impl Toll {
    /// Adds the fatal losses of one content, or of several that are lost together, given the sets of its
    /// fragments' keepers and the zones of those.
    fn add<'a>(&mut self, sets: &BTreeSet<Vec<PeerId>>, zone: impl Fn(PeerId) -> Option<&'a Zone>) {
        let alone: BTreeSet<_> = sets
            .iter()
            .filter_map(|set| match set[..] {
                [peer] => Some(peer),
                _ => None,
            })
            .collect();
        let mut zones = BTreeSet::new();
        for set in sets {
            if let [one, other] = set[..]
                && !alone.contains(&one)
                && !alone.contains(&other)
                && (self.pairs.len() < Losses::PAIRS_COUNTED || self.pairs.contains_key(&(one, other)))
            {
                *self.pairs.entry((one, other)).or_default() += 1;
            }
            if let Some(first) = set.first().and_then(|peer| zone(*peer))
                && set.iter().all(|peer| zone(*peer) == Some(first))
            {
                zones.insert(first);
            }
        }
        for peer in alone {
            *self.peers.entry(peer).or_default() += 1;
        }
        for zone in zones {
            *self.zones.entry(zone.clone()).or_default() += 1;
        }
    }

    /// Returns the worst losses of each kind, and how many there are.
    pub(super) fn summary(&self) -> Losses {
        Losses {
            peers: worst(&self.peers),
            peer_count: self.peers.len() as u64,
            pairs: worst(&self.pairs),
            pair_count: self.pairs.len() as u64,
            zones: worst(&self.zones),
            zone_count: self.zones.len() as u64,
        }
    }
}

fn worst<K: Ord + Clone>(tolls: &BTreeMap<K, u64>) -> Vec<K> {
    let mut all: Vec<_> = tolls.iter().collect();
    all.sort_by_key(|(_, toll)| std::cmp::Reverse(**toll));
    all.truncate(Losses::LISTED);
    all.into_iter().map(|(key, _)| key.clone()).collect()
}

/// Returns the durable copies of the portion, each of something of it.
pub(super) fn keepers<'a>(state: &'a State, portion: &Portion<'_>) -> Vec<&'a Held> {
    let held = state.replicas.holders_of(portion.content().id()).iter();
    held.filter(|held| held.counts(Purpose::Durable, &state.peers) && portion.is_touched_by(held.fragments()))
        .collect()
}

/// Adds the fatal losses of contents that are lost together; returns the work: keepers looked at.
pub(super) fn add_toll(state: &State, portions: &[Portion<'_>], toll: &mut Toll) -> usize {
    let (mut sets, mut cost) = (BTreeSet::new(), 0);
    for portion in portions.iter().filter(|portion| portion.count() > 0) {
        cost += keeper_sets(state, portion, &mut sets);
    }
    toll.add(&sets, |peer| state.peers.zone(peer));
    cost
}

/// Adds the sets of peers that keep the same fragment; returns the keepers looked at.
fn keeper_sets(state: &State, portion: &Portion<'_>, sets: &mut BTreeSet<Vec<PeerId>>) -> usize {
    let keepers = keepers(state, portion);
    let whole: Vec<_> = keepers
        .iter()
        .filter(|held| *held.fragments() == Fragments::All)
        .map(|held| held.peer())
        .collect();
    if whole.len() == keepers.len() {
        sets.insert(whole);
        return keepers.len();
    }
    let having = |index| {
        let has = |held: &&&Held| match &held.fragments() {
            Fragments::All => true,
            Fragments::Some(set) => set.contains(index),
        };
        keepers.iter().filter(has).map(|held| held.peer()).collect()
    };
    sets.extend(portion.indices().map(having));
    portion.count() as usize * keepers.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> PeerId {
        PeerId::from_bytes([n; 16])
    }

    fn toll(sets: &[&[u8]], zones: &BTreeMap<PeerId, Zone>) -> Losses {
        let sets = sets
            .iter()
            .map(|set| set.iter().map(|n| peer(*n)).collect())
            .collect();
        let mut toll = Toll::default();
        toll.add(&sets, |peer| zones.get(&peer));
        toll.summary()
    }

    #[test]
    fn a_set_of_keepers_is_what_must_not_be_lost_together() {
        let zones = BTreeMap::new();
        assert_eq!(toll(&[&[1, 2, 3]], &zones), Losses::default());
        let losses = toll(&[&[1, 2], &[2, 3], &[4], &[4, 5]], &zones);
        assert_eq!(losses.peers, [peer(4)]);
        assert_eq!(
            losses.pairs,
            [(peer(1), peer(2)), (peer(2), peer(3))],
            "4 and 5 are no pair: 4 alone is enough"
        );
        assert_eq!(
            (losses.peer_count, losses.pair_count, losses.zone_count),
            (1, 2, 0)
        );
    }

    #[test]
    fn a_zone_is_fatal_if_it_has_all_keepers() {
        let zone = |text: &str| text.parse::<Zone>().expect("a zone");
        let zones: BTreeMap<_, _> = [(1, "a"), (2, "a"), (3, "b")]
            .map(|(n, text)| (peer(n), zone(text)))
            .into();
        assert_eq!(toll(&[&[1, 2]], &zones).zones, [zone("a")]);
        assert_eq!(toll(&[&[1, 2, 3], &[1, 2, 4]], &zones).zones, []);
        assert_eq!(
            toll(&[&[4, 5]], &zones).zones,
            [],
            "who has no zone is alone in it"
        );
    }

    #[test]
    fn lists_are_short_and_the_worst_come_first() {
        let mut toll = Toll::default();
        for n in 0..40 {
            toll.add(&BTreeSet::from([vec![peer(n)]]), |_| None);
        }
        toll.add(&BTreeSet::from([vec![peer(30)]]), |_| None);
        let losses = toll.summary();
        assert_eq!((losses.peers.len(), losses.peer_count), (Losses::LISTED, 40));
        assert_eq!(losses.peers[0], peer(30));
    }
}
