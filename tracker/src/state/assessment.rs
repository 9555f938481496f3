//! How one content's replicas stand: counted, not remembered.
//!
//! A holder counts as a replica while it keeps what it holds, has not been told to drop it, and is live or suspect.
//! Whoever else holds something on such a peer is a source, nothing more.

use shared::model::{ContentState, FragmentIndex, FragmentSet, Health};

use super::State;
use super::catalogue::Content;
use super::holders::{Fragments, Held};

/// A count for every fragment; what holds everything is counted once for all.
#[derive(Debug)]
pub(super) struct Tally {
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

    /// Whether all fragments have the same count.
    pub(super) fn is_uniform(&self) -> bool {
        self.each.is_empty()
    }

    pub(super) fn of(&self, index: FragmentIndex) -> u32 {
        self.all + self.each.get(index.get() as usize).copied().unwrap_or_default()
    }

    /// The smallest count among all fragments of a content of `count`.
    pub(super) fn min(&self, count: u32) -> u32 {
        if self.each.is_empty() || count == 0 {
            self.all
        } else {
            self.all + self.each.iter().min().unwrap_or(&0)
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

/// The replicas of one content.
#[derive(Debug)]
pub(super) struct Assessment {
    /// Replicas on live peers: what there is.
    pub(super) live: Tally,
    /// The same, and those on suspect peers.
    pub(super) present: Tally,
    /// Replicas on live peers, and in an outage those on everyone who has just fallen silent.
    pub(super) expected: Tally,
    /// Replicas on live peers that are not being drained: what will be left.
    pub(super) staying: Tally,
    /// These, and those on suspect peers: what may be relied upon.
    pub(super) counted: Tally,
    /// Fragments that some live or suspect peer holds, kept or not.
    pub(super) sourced: FragmentSet,
}

impl Assessment {
    /// Whether all fragments have the same counts.
    pub(super) fn is_uniform(&self) -> bool {
        self.live.is_uniform()
            && self.expected.is_uniform()
            && self.staying.is_uniform()
            && self.counted.is_uniform()
    }
}

impl State {
    /// Whether the holder counts as a source.
    pub(super) fn is_source(&self, held: &Held) -> bool {
        !held.is_evicting && !self.members.is_lost(held.peer)
    }

    /// Whether the holder counts as a replica.
    pub(super) fn is_replica(&self, held: &Held) -> bool {
        held.keeps && self.is_source(held)
    }

    /// Whether the holder counts as a replica that others need not make.
    pub(super) fn is_staying(&self, held: &Held) -> bool {
        self.is_replica(held) && !self.is_draining(held.peer)
    }

    pub(super) fn assess(&self, content: &Content) -> Assessment {
        let count = content.manifest.fragment_count();
        let (mut live, mut present, mut expected) = (Tally::new(), Tally::new(), Tally::new());
        let (mut staying, mut counted) = (Tally::new(), Tally::new());
        let mut sourced = content.manifest.no_fragments();
        for held in self
            .holders
            .of(content.manifest.content())
            .iter()
            .filter(|held| self.is_source(held))
        {
            match &held.fragments {
                Fragments::All => sourced = content.manifest.all_fragments(),
                Fragments::Some(set) => sourced.union_with(set),
            }
            let is_live = self.members.is_live(held.peer);
            if held.keeps && is_live {
                live.add(&held.fragments, count);
            }
            if held.keeps {
                present.add(&held.fragments, count);
            }
            if held.keeps && (is_live || self.is_excused(held.peer)) {
                expected.add(&held.fragments, count);
            }
            if self.is_staying(held) {
                counted.add(&held.fragments, count);
                if is_live {
                    staying.add(&held.fragments, count);
                }
            }
        }
        Assessment {
            live,
            present,
            expected,
            staying,
            counted,
            sourced,
        }
    }

    /// What is promised to people: only replicas on live peers count. That a suspect peer still counts when repairs are
    /// planned is patience with a flap, not durability.
    pub(super) fn health_of(&self, content: &Content) -> Health {
        let assessment = self.assess(content);
        let fragments = content.manifest.fragment_count();
        let target = content.target.get();
        let fewest = assessment.live.min(fragments);
        let at_target = match fewest >= target {
            true => content.manifest.indices().len(),
            false => content
                .manifest
                .indices()
                .filter(|index| assessment.live.of(*index) >= target)
                .count(),
        };
        let fragments_at_target = u32::try_from(at_target).unwrap_or(fragments);
        let state = match () {
            () if fragments_at_target == fragments => ContentState::Replicated,
            () if assessment.sourced.is_full() => ContentState::Degraded,
            () => ContentState::Unavailable,
        };
        let wanted = self
            .assignments
            .of(content.manifest.content())
            .map(|(_, job)| job.wanted.len());
        Health {
            state,
            target: content.target,
            fewest: if fragments == 0 { 0 } else { fewest },
            fragments_at_target,
            fragments,
            copies_under_way: wanted.sum(),
        }
    }
}
