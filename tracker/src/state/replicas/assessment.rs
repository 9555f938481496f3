//! Assessment of one content's replicas: counted, not remembered.
//!
//! A holder counts as a replica while it keeps what it holds, has not been told to drop it, and is live or
//! suspect. Any other holder on such a peer is a source, nothing more. A collection is as well off as the
//! worst of its contents; the tracker never reads a catalog: its publisher has said which contents belong to
//! it.

use shared::model::{ContentId, ContentState, FragmentIndex, FragmentSet, Health};

use super::{Fragments, Held, Replicas};
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
pub(crate) struct Assessment {
    /// Replicas on live peers.
    live: Tally,
    /// Replicas on live and suspect peers.
    present: Tally,
    /// Replicas on live peers and, in an outage, on peers that have just fallen silent.
    expected: Tally,
    /// Replicas on live peers that are not being drained, which will be left.
    staying: Tally,
    /// Replicas on live and suspect peers that are not being drained, which may be relied upon.
    counted: Tally,
    /// Fragments that some live or suspect peer holds, kept or not.
    sourced: FragmentSet,
}

impl Assessment {
    pub(crate) const fn live(&self) -> &Tally {
        &self.live
    }

    pub(super) const fn present(&self) -> &Tally {
        &self.present
    }

    pub(super) const fn expected(&self) -> &Tally {
        &self.expected
    }

    pub(crate) const fn staying(&self) -> &Tally {
        &self.staying
    }

    pub(super) const fn counted(&self) -> &Tally {
        &self.counted
    }

    pub(crate) const fn sourced(&self) -> &FragmentSet {
        &self.sourced
    }

    /// Returns whether all fragments have the same counts.
    pub(crate) fn is_uniform(&self) -> bool {
        self.live.is_uniform()
            && self.expected.is_uniform()
            && self.staying.is_uniform()
            && self.counted.is_uniform()
    }
}

impl Held {
    /// Returns whether the holder counts as a source.
    pub(crate) fn is_source(&self, peers: &Peers) -> bool {
        !self.is_evicting && !peers.is_lost(self.peer)
    }

    /// Returns whether the holder counts as a replica.
    pub(crate) fn is_replica(&self, peers: &Peers) -> bool {
        self.keeps && self.is_source(peers)
    }

    /// Returns whether the holder counts as a replica that no other peer need make.
    pub(super) fn is_staying(&self, peers: &Peers) -> bool {
        self.is_replica(peers) && !peers.is_draining(self.peer)
    }
}

impl Replicas {
    /// Counts the replicas of a content.
    pub(crate) fn assess(&self, content: &Content, peers: &Peers) -> Assessment {
        let count = content.manifest().fragment_count();
        let (mut live, mut present, mut expected) = (Tally::new(), Tally::new(), Tally::new());
        let (mut staying, mut counted) = (Tally::new(), Tally::new());
        let mut sourced = content.manifest().no_fragments();
        for held in self
            .holders
            .of(content.id())
            .iter()
            .filter(|held| held.is_source(peers))
        {
            match &held.fragments {
                Fragments::All => sourced = content.manifest().all_fragments(),
                Fragments::Some(set) => sourced.union_with(set),
            }
            let is_live = peers.is_live(held.peer);
            if held.keeps && is_live {
                live.add(&held.fragments, count);
            }
            if held.keeps {
                present.add(&held.fragments, count);
            }
            if held.keeps && (is_live || peers.is_excused(held.peer)) {
                expected.add(&held.fragments, count);
            }
            if held.is_staying(peers) {
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
}

impl Replicas {
    /// Returns the health of a content as it is promised to users: only replicas on live peers count.
    /// Planning counts suspect peers too, out of patience with short interruptions, but they are no
    /// durability.
    pub(crate) fn health_of(&self, content: &Content, peers: &Peers) -> Health {
        let assessment = self.assess(content, peers);
        let fragments = content.manifest().fragment_count();
        let target = content.target().get();
        let fewest = assessment.live().min(fragments);
        let at_target = match fewest >= target {
            true => content.manifest().indices().len(),
            false => content
                .manifest()
                .indices()
                .filter(|index| assessment.live().of(*index) >= target)
                .count(),
        };
        let fragments_at_target = u32::try_from(at_target).unwrap_or(fragments);
        let state = match () {
            () if fragments_at_target == fragments => ContentState::Replicated,
            () if assessment.sourced().is_full() => ContentState::Degraded,
            () => ContentState::Unavailable,
        };
        let wanted = self
            .assignments
            .of(content.id())
            .map(|(_, job)| job.wanted().len());
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
        // The same collection may have several names, and several revisions of each.
        let mut counted: Vec<&[ContentId]> = Vec::new();
        for parts in names.parts_of(content.id()) {
            if !counted.contains(&parts) {
                counted.push(parts);
            }
        }
        let parts = counted.into_iter().flatten();
        let parts = parts.filter_map(|part| names.content(*part));
        self.health_of_all(content, parts, peers)
    }

    /// Returns the health of a content and of others that belong to it: as good as the worst of them.
    pub(crate) fn health_of_all<'a>(
        &self,
        content: &Content,
        others: impl Iterator<Item = &'a Content>,
        peers: &Peers,
    ) -> Health {
        let mut health = self.health_of(content, peers);
        for other in others {
            add(&mut health, self.health_of(other, peers));
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
