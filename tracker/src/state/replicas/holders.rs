//! Holders: which peer holds which fragments of which content, in both directions, always consistent.
//!
//! Holdings are learnt from announces and forgotten with the process. They are compact: a holder of
//! everything costs 56 bytes a content and 32 in the other direction, whatever the number of fragments; a
//! holder of a part costs a bitmap more. Knows neither names nor whether a peer lives.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use shared::model::{ContentId, FragmentSet, PeerId};

use super::proofs::Proof;
use crate::state::steps::{visit, visited};

/// All holdings.
#[derive(Debug, Default)]
pub(super) struct Holders {
    by_content: BTreeMap<ContentId, Vec<Held>>,
    by_peer: BTreeMap<PeerId, BTreeSet<ContentId>>,
    /// Peers that keep something, and the number of contents of which they do.
    keeping: BTreeMap<PeerId, usize>,
}

/// Holding of one peer of one content; without fragments only while the peer is fetching it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(super) peer: PeerId,
    pub(super) fragments: Fragments,
    /// Whether the peer has undertaken to keep the fragments.
    pub(super) keeps: bool,
    /// Whether the peer has been told to drop them: the holding counts for nothing until it is announced
    /// anew.
    pub(super) is_evicting: bool,
    /// Number of times in a row that the peer was told to drop them and kept them.
    pub(super) refusals: u8,
    /// Whether the peer says that the copy was assigned to it: a publisher that says so has lost its own
    /// file.
    pub(super) is_assigned: bool,
    /// Whether the peer has said so since its latest hello: announced it, published it, or told in short that
    /// nothing has changed.
    pub(super) is_confirmed: bool,
    pub(super) proof: Proof,
}

impl Held {
    pub(crate) const fn peer(&self) -> PeerId {
        self.peer
    }

    pub(crate) const fn fragments(&self) -> &Fragments {
        &self.fragments
    }

    pub(crate) const fn keeps(&self) -> bool {
        self.keeps
    }

    pub(crate) const fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    pub(crate) const fn proof(&self) -> Proof {
        self.proof
    }

    #[cfg(test)]
    pub(crate) const fn is_assigned(&self) -> bool {
        self.is_assigned
    }

    #[cfg(test)]
    pub(crate) const fn is_evicting(&self) -> bool {
        self.is_evicting
    }
}

/// A set of fragments that costs nothing when it is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fragments {
    All,
    Some(FragmentSet),
}

impl Fragments {
    /// Returns a plain set of a content of `count` fragments.
    pub(crate) fn to_set(&self, count: u32) -> FragmentSet {
        match self {
            Self::All => FragmentSet::full(count),
            Self::Some(set) => set.clone(),
        }
    }

    pub(crate) fn intersects(&self, other: &FragmentSet) -> bool {
        match self {
            Self::All => !other.is_empty(),
            Self::Some(set) => set.intersects(other),
        }
    }

    pub(crate) fn covers(&self, other: &FragmentSet) -> bool {
        match self {
            Self::All => true,
            Self::Some(set) => other.is_subset(set),
        }
    }
}

impl Holders {
    /// Returns all holders of the content, in order of peer ids.
    pub(super) fn of(&self, content: ContentId) -> &[Held] {
        let all = self.by_content.get(&content).map_or(&[][..], Vec::as_slice);
        visit(all.len());
        all
    }

    /// Returns the content after this one, in order of their ids, that has a holder.
    pub(super) fn after(&self, content: Option<ContentId>) -> Option<ContentId> {
        let from = content.map_or(Bound::Unbounded, Bound::Excluded);
        let mut after = self.by_content.range((from, Bound::Unbounded));
        after.next().map(|(content, _)| *content)
    }

    /// Returns every holding.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ContentId, &Held)> {
        self.by_content
            .iter()
            .flat_map(|(content, all)| all.iter().map(move |held| (*content, held)))
    }

    pub(super) fn get(&self, content: ContentId, peer: PeerId) -> Option<&Held> {
        let held = self.by_content.get(&content)?;
        held.binary_search_by_key(&peer, |held| held.peer)
            .ok()
            .map(|at| &held[at])
    }

    pub(super) fn get_mut(&mut self, content: ContentId, peer: PeerId) -> Option<&mut Held> {
        let held = self.by_content.get_mut(&content)?;
        held.binary_search_by_key(&peer, |held| held.peer)
            .ok()
            .map(|at| &mut held[at])
    }

    pub(super) fn contents_of(&self, peer: PeerId) -> Option<&BTreeSet<ContentId>> {
        let all = self.by_peer.get(&peer);
        visit(all.map_or(0, BTreeSet::len));
        all
    }

    /// Whether anybody holds something of the content.
    pub(super) fn has(&self, content: ContentId) -> bool {
        self.by_content.contains_key(&content)
    }

    pub(super) fn count_of(&self, peer: PeerId) -> usize {
        self.by_peer.get(&peer).map_or(0, BTreeSet::len)
    }

    /// Replaces the peer's holding of the content, which is confirmed by that; an eviction under way is off.
    pub(super) fn set(
        &mut self,
        content: ContentId,
        peer: PeerId,
        fragments: Fragments,
        keeps: bool,
        is_fetching: bool,
    ) {
        if !is_fetching && matches!(&fragments, Fragments::Some(set) if set.is_empty()) {
            self.drop_one(content, peer);
            return;
        }
        let all = self.by_content.entry(content).or_default();
        let mut held = Held {
            peer,
            fragments,
            keeps,
            is_evicting: false,
            refusals: 0,
            is_assigned: false,
            is_confirmed: true,
            proof: Proof::None,
        };
        match all.binary_search_by_key(&peer, |held| held.peer) {
            Ok(at) => {
                let (before, now) = (all[at].keeps, held.keeps);
                held.is_assigned = all[at].is_assigned;
                held.proof = all[at].proof;
                held.refusals = all[at].refusals.saturating_add(u8::from(all[at].is_evicting));
                all[at] = held;
                if before != now {
                    self.count_kept(peer, now);
                }
            }
            Err(at) => {
                // Most contents have few holders, so no spare room is kept for more.
                all.reserve_exact(1);
                all.insert(at, held);
                self.by_peer.entry(peer).or_default().insert(content);
                if keeps {
                    self.count_kept(peer, true);
                }
            }
        }
    }

    /// Forgets the peer's holding of the content.
    pub(super) fn drop_one(&mut self, content: ContentId, peer: PeerId) {
        self.take(content, peer);
        if let Some(contents) = self.by_peer.get_mut(&peer) {
            contents.remove(&content);
            if contents.is_empty() {
                self.by_peer.remove(&peer);
            }
        }
    }

    /// Forgets everything about the peer; returns the contents that it held something of.
    pub(super) fn drop_peer(&mut self, peer: PeerId) -> BTreeSet<ContentId> {
        let contents = self.by_peer.remove(&peer).unwrap_or_default();
        for content in &contents {
            visit(1);
            self.take(*content, peer);
        }
        contents
    }

    /// Takes a holder from those of the content.
    fn take(&mut self, content: ContentId, peer: PeerId) {
        let Some(all) = self.by_content.get_mut(&content) else {
            return;
        };
        let found = all.binary_search_by_key(&peer, |held| held.peer);
        let taken = found.ok().map(|at| all.remove(at));
        if all.is_empty() {
            self.by_content.remove(&content);
        }
        if taken.is_some_and(|held| held.keeps) {
            self.count_kept(peer, false);
        }
    }

    fn count_kept(&mut self, peer: PeerId, is_more: bool) {
        let count = self.keeping.entry(peer).or_default();
        *count = if is_more {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
        if *count == 0 {
            self.keeping.remove(&peer);
        }
    }

    /// Returns the peers that keep something.
    pub(super) fn keeping(&self) -> impl Iterator<Item = PeerId> {
        visited(self.keeping.keys()).copied()
    }

    /// Whether the peer keeps something.
    pub(super) fn is_keeping(&self, peer: PeerId) -> bool {
        self.keeping.contains_key(&peer)
    }

    /// Settles how many fragments a content has. Returns the peers that announced it in other fragments: they
    /// are no use as holders.
    pub(super) fn settle(&mut self, content: ContentId, count: u32) -> Vec<PeerId> {
        let mut others = Vec::new();
        for held in visited(self.by_content.get_mut(&content).into_iter().flatten()) {
            match &held.fragments {
                Fragments::Some(set) if set.capacity() != count => others.push(held.peer),
                Fragments::Some(set) if set.is_full() => held.fragments = Fragments::All,
                Fragments::Some(_) | Fragments::All => {}
            }
        }
        others
    }

    /// Reverses that: the content is about to lose its manifest, so full sets must say how many fragments
    /// they have.
    pub(super) fn unsettle(&mut self, content: ContentId, count: u32) {
        for held in visited(self.by_content.get_mut(&content).into_iter().flatten()) {
            held.fragments = Fragments::Some(held.fragments.to_set(count));
        }
    }

    /// Asserts the invariants.
    pub(super) fn check(&self) {
        let mut pairs = 0;
        for (content, all) in &self.by_content {
            assert!(!all.is_empty(), "content {content:?} has holders");
            assert!(all.is_sorted_by_key(|held| held.peer), "holders are in order");
            for held in all {
                pairs += 1;
                assert!(
                    self.by_peer
                        .get(&held.peer)
                        .is_some_and(|contents| contents.contains(content))
                );
            }
        }
        let mut keeping: BTreeMap<PeerId, usize> = BTreeMap::new();
        let kept = self.by_content.values().flatten().filter(|held| held.keeps);
        kept.for_each(|held| *keeping.entry(held.peer).or_default() += 1);
        assert_eq!(keeping, self.keeping, "what each peer keeps is counted");
        assert_eq!(
            pairs,
            self.by_peer.values().map(BTreeSet::len).sum::<usize>(),
            "both directions agree"
        );
    }
}
