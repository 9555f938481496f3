//! How one content's replicas stand: counted, not remembered.
//!
//! A holder counts as a replica while it keeps what it holds, has not been told to drop it, and is live or suspect.
//! Whoever else holds something on such a peer is a source, nothing more.

use shared::model::{FragmentIndex, FragmentSet};

use super::{Fragments, Held, Replicas};
use crate::state::names::Content;
use crate::state::peers::Peers;

/// A count for every fragment; what holds everything is counted once for all.
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

    /// Whether all fragments have the same count.
    pub(super) fn is_uniform(&self) -> bool {
        self.each.is_empty()
    }

    pub(crate) fn of(&self, index: FragmentIndex) -> u32 {
        self.all + self.each.get(index.get() as usize).copied().unwrap_or_default()
    }

    /// The smallest count among all fragments of a content of `count`.
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
    /// Replicas on live peers: what there is.
    live: Tally,
    /// The same, and those on suspect peers.
    present: Tally,
    /// Replicas on live peers, and in an outage those on everyone who has just fallen silent.
    expected: Tally,
    /// Replicas on live peers that are not being drained: what will be left.
    staying: Tally,
    /// These, and those on suspect peers: what may be relied upon.
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

    /// Whether all fragments have the same counts.
    pub(crate) fn is_uniform(&self) -> bool {
        self.live.is_uniform()
            && self.expected.is_uniform()
            && self.staying.is_uniform()
            && self.counted.is_uniform()
    }
}

impl Held {
    /// Whether the holder counts as a source.
    pub(crate) fn is_source(&self, peers: &Peers) -> bool {
        !self.is_evicting && !peers.is_lost(self.peer)
    }

    /// Whether the holder counts as a replica.
    pub(crate) fn is_replica(&self, peers: &Peers) -> bool {
        self.keeps && self.is_source(peers)
    }

    /// Whether the holder counts as a replica that others need not make.
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
