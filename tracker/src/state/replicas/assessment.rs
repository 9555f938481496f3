//! Assessment of one content's replicas: counted, not remembered.
//!
//! `counts.rs` says what a copy counts for. A collection is as well off as the worst of its contents; the
//! tracker never reads a catalog: its publisher has said which contents belong to it.

use shared::model::{ContentState, FragmentIndex, FragmentSet, Health};

use super::{Fragments, Portion, Purpose, Replicas};
use crate::state::names::{Content, Names};
use crate::state::peers::Peers;

/// Count for every fragment; a holder of everything is counted once for all of them.
#[derive(Debug)]
pub(crate) struct Tally {
    all: u32,
    each: Vec<u32>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            all: 0,
            each: Vec::new(),
        }
    }

    /// Returns whether all fragments have the same count.
    pub(super) fn is_uniform(&self) -> bool {
        self.each.is_empty()
    }

    pub(crate) fn of(&self, index: FragmentIndex) -> u32 {
        self.all + self.each.get(index.get() as usize).copied().unwrap_or_default()
    }

    /// Returns the smallest count among all fragments of a content of `count`.
    pub(crate) fn min(&self, count: u32) -> u32 {
        if self.each.is_empty() || count == 0 {
            self.all
        } else {
            self.all + self.each.iter().min().unwrap_or(&0)
        }
    }

    /// Returns the smallest count among the fragments of a portion.
    pub(crate) fn fewest(&self, portion: &Portion<'_>) -> u32 {
        match portion.is_all() {
            true => self.min(portion.count()),
            false => portion
                .indices()
                .map(|index| self.of(index))
                .min()
                .unwrap_or_default(),
        }
    }

    pub(super) fn add(&mut self, fragments: &Fragments, count: u32) {
        match fragments {
            Fragments::All => self.all += 1,
            Fragments::Some(set) => self.add_set(set, count),
        }
    }

    pub(super) fn add_set(&mut self, set: &FragmentSet, count: u32) {
        self.each.resize(count as usize, 0);
        for index in set.iter() {
            self.each[index.get() as usize] += 1;
        }
    }
}

/// The replicas of one content, counted for every purpose.
#[derive(Debug)]
pub(crate) struct Assessment {
    durable: Tally,
    spare: Tally,
    suffice: Tally,
    suffice_at_once: Tally,
    remain: Tally,
    expect: Tally,
    /// Fragments that others can read from some peer, kept or not.
    sourced: FragmentSet,
}

impl Assessment {
    pub(crate) const fn durable(&self) -> &Tally {
        &self.durable
    }

    pub(crate) const fn spare(&self) -> &Tally {
        &self.spare
    }

    pub(super) const fn suffice(&self) -> &Tally {
        &self.suffice
    }

    pub(super) const fn suffice_at_once(&self) -> &Tally {
        &self.suffice_at_once
    }

    pub(super) const fn remain(&self) -> &Tally {
        &self.remain
    }

    pub(super) const fn expect(&self) -> &Tally {
        &self.expect
    }

    pub(crate) const fn sourced(&self) -> &FragmentSet {
        &self.sourced
    }

    /// Returns whether all fragments have the same counts.
    pub(crate) fn is_uniform(&self) -> bool {
        let tallies = [
            &self.durable,
            &self.spare,
            &self.suffice,
            &self.suffice_at_once,
            &self.expect,
        ];
        tallies.into_iter().all(Tally::is_uniform)
    }
}

impl Replicas {
    /// Counts the replicas of a content.
    pub(crate) fn assess(&self, content: &Content, peers: &Peers) -> Assessment {
        let held = self.holders.of(content.id()).iter();
        let mut sourced = content.manifest().no_fragments();
        for held in held.clone().filter(|held| held.counts(Purpose::Read, peers)) {
            match &held.fragments {
                Fragments::All => sourced = content.manifest().all_fragments(),
                Fragments::Some(set) => sourced.union_with(set),
            }
        }
        let tally = |purpose| self.tally(content, purpose, peers);
        Assessment {
            durable: tally(Purpose::Durable),
            spare: tally(Purpose::Spare),
            suffice: tally(Purpose::Suffice),
            suffice_at_once: tally(Purpose::SufficeAtOnce),
            remain: tally(Purpose::Remain),
            expect: tally(Purpose::Expect),
            sourced,
        }
    }
}

impl Replicas {
    /// Counts the replicas of a content for one purpose.
    pub(crate) fn tally(&self, content: &Content, purpose: Purpose, peers: &Peers) -> Tally {
        let mut tally = Tally::new();
        let held = self.holders.of(content.id()).iter();
        for held in held.filter(|held| held.counts(purpose, peers)) {
            tally.add(&held.fragments, content.manifest().fragment_count());
        }
        tally
    }

    /// Returns the health of a content as it is promised to users: only durable replicas count. Planning
    /// counts silent peers too, out of patience with short interruptions, but they are no durability.
    pub(crate) fn health_of(&self, portion: &Portion<'_>, peers: &Peers) -> Health {
        let content = portion.content();
        let assessment = self.assess(content, peers);
        let fragments = portion.count();
        let target = content.target().get();
        let fewest = assessment.durable().fewest(portion);
        let at_target = match fewest >= target {
            true => fragments as usize,
            false => portion
                .indices()
                .filter(|index| assessment.durable().of(*index) >= target)
                .count(),
        };
        let fragments_at_target = u32::try_from(at_target).unwrap_or(fragments);
        let state = match () {
            () if fragments_at_target == fragments => ContentState::Replicated,
            () if portion.is_within(assessment.sourced()) => ContentState::Degraded,
            () => ContentState::Unavailable,
        };
        let wanted = self
            .assignments
            .of(content.id())
            .map(|(_, job)| portion.within(job.wanted().clone()).len());
        Health {
            state,
            target: content.target(),
            fewest: if fragments == 0 { 0 } else { fewest },
            fragments_at_target,
            fragments,
            copies_under_way: wanted.sum(),
        }
    }

    /// Returns the health of a content together with the parts of the collections whose catalog it is.
    pub(crate) fn health_with_parts(&self, content: &Content, names: &Names, peers: &Peers) -> Health {
        let shapes = names.shapes_of(content.id());
        let parts = shapes.iter().flatten().flat_map(|parts| parts.iter());
        let parts = parts.filter_map(|part| names.content(*part));
        self.health_of_all(content, parts.map(Portion::from), peers)
    }

    /// Returns the health of a content and of others that belong to it: as good as the worst of them.
    pub(crate) fn health_of_all<'a>(
        &self,
        content: &Content,
        others: impl Iterator<Item = Portion<'a>>,
        peers: &Peers,
    ) -> Health {
        let mut health = self.health_of(&content.into(), peers);
        for other in others {
            add(&mut health, self.health_of(&other, peers));
        }
        health
    }
}

fn add(health: &mut Health, part: Health) {
    health.fewest = match (health.fragments, part.fragments) {
        (0, _) => part.fewest,
        (_, 0) => health.fewest,
        _ => health.fewest.min(part.fewest),
    };
    // The worse state comes first.
    health.state = health.state.min(part.state);
    health.fragments = health.fragments.saturating_add(part.fragments);
    health.fragments_at_target = health
        .fragments_at_target
        .saturating_add(part.fragments_at_target);
    health.copies_under_way = health.copies_under_way.saturating_add(part.copies_under_way);
    debug_assert!(health.state != ContentState::Replicated || health.fragments == health.fragments_at_target);
}
