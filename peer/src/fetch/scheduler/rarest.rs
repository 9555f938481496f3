//! The missing fragments in the order in which they are asked for: rarest first.
//!
//! Fragments that few sources hold are the ones that get lost, and the ones that other fetchers need from us. Among
//! equally rare ones each fetcher has a random order of its own, so that fetchers who start together ask
//! the same source for different fragments and can then trade.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom as _;
use shared::model::{FragmentIndex, FragmentSet};

/// Counts how many sources hold each fragment, and keeps the missing ones in order.
#[derive(Debug)]
pub(super) struct RarestFirst {
    /// Sources that hold the fragment.
    holders: Vec<u32>,
    /// The fragment's place among equally rare ones; a permutation, so `(holders, rank)` is unique.
    rank: Vec<u32>,
    /// Every missing fragment under `(holders, rank)`.
    order: BTreeMap<(u32, u32), FragmentIndex>,
    /// The same fragments, for quick intersections.
    missing: FragmentSet,
}

/// The first key of a fragment that some source holds.
const SOURCED: (u32, u32) = (1, 0);

impl RarestFirst {
    /// Nothing is missing of a content of `count` fragments, and nobody holds anything.
    pub(super) fn new(count: u32, rng: &mut impl Rng) -> Self {
        let mut rank: Vec<u32> = (0..count).collect();
        rank.shuffle(rng);
        Self {
            holders: vec![0; rank.len()],
            rank,
            order: BTreeMap::new(),
            missing: FragmentSet::empty(count),
        }
    }

    /// The missing fragments.
    pub(super) const fn missing(&self) -> &FragmentSet {
        &self.missing
    }

    /// The missing fragments that some source holds, rarest first.
    pub(super) fn sourced(&self) -> impl Iterator<Item = FragmentIndex> + '_ {
        self.order.range(SOURCED..).map(|(_, fragment)| *fragment)
    }

    /// How many of the missing fragments no source holds.
    pub(super) fn unsourced(&self) -> u32 {
        u32::try_from(self.order.range(..SOURCED).count()).unwrap_or(u32::MAX)
    }

    /// The fragment is missing; repeating it changes nothing.
    pub(super) fn insert(&mut self, fragment: FragmentIndex) {
        self.missing.insert(fragment);
        self.order.insert(self.key(fragment), fragment);
    }

    /// The fragment is no longer missing.
    pub(super) fn remove(&mut self, fragment: FragmentIndex) {
        self.missing.remove(fragment);
        self.order.remove(&self.key(fragment));
    }

    /// A source no longer holds `before` but `after`.
    pub(super) fn recount(&mut self, before: &FragmentSet, after: &FragmentSet) {
        let mut gained = after.clone();
        gained.subtract(before);
        let mut lost = before.clone();
        lost.subtract(after);
        for fragment in gained.iter() {
            self.move_to(fragment, self.holders_of(fragment) + 1);
        }
        for fragment in lost.iter() {
            self.move_to(fragment, self.holders_of(fragment).saturating_sub(1));
        }
    }

    fn move_to(&mut self, fragment: FragmentIndex, holders: u32) {
        let was_missing = self.order.remove(&self.key(fragment)).is_some();
        self.holders[fragment.get() as usize] = holders;
        if was_missing {
            self.order.insert(self.key(fragment), fragment);
        }
    }

    fn holders_of(&self, fragment: FragmentIndex) -> u32 {
        self.holders[fragment.get() as usize]
    }

    fn key(&self, fragment: FragmentIndex) -> (u32, u32) {
        (self.holders_of(fragment), self.rank[fragment.get() as usize])
    }
}
