//! Holders: which peer holds which fragments of which content, in both directions, always consistent.
//!
//! Holdings are learnt from announces and forgotten with the process. They are compact: a holder of
//! everything costs 48 bytes a content and 32 in the other direction, whatever the number of fragments; a
//! holder of a part costs a bitmap more. Knows neither names nor whether a peer lives.

use std::collections::{BTreeMap, BTreeSet};

use shared::model::{ContentId, FragmentSet, PeerId};

/// All holdings.
#[derive(Debug, Default)]
pub(super) struct Holders {
    by_content: BTreeMap<ContentId, Vec<Held>>,
    by_peer: BTreeMap<PeerId, BTreeSet<ContentId>>,
    /// Bytes of the holdings with bitmaps, of each peer that has any, and of all: of contents that nobody has
    /// published, and of parts of others.
    bitmaps: BTreeMap<PeerId, usize>,
    all_bitmaps: usize,
}

/// Bytes of such a holding besides its bitmap: here in both directions, among the orphans and on the agenda.
const HELD_BYTES: usize = 320;

/// Limits of the bytes of holdings with bitmaps, of one peer and of all peers. A peer announces the parts of
/// the largest collection before it is published.
const MOST_OF_PEER: usize = 24 << 20;
const MOST_OF_ALL: usize = 72 << 20;

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

    /// Bytes of a holding of them, unless it is small.
    fn bytes(&self) -> usize {
        match self {
            Self::All => 0,
            Self::Some(set) => HELD_BYTES + set.capacity().div_ceil(8) as usize,
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
        self.by_content.get(&content).map_or(&[], Vec::as_slice)
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
        self.by_peer.get(&peer)
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
        let before = self.get(content, peer).map_or(0, |held| held.fragments.bytes());
        self.count_bitmap(peer, before, fragments.bytes());
        let all = self.by_content.entry(content).or_default();
        let mut held = Held {
            peer,
            fragments,
            keeps,
            is_evicting: false,
            refusals: 0,
            is_assigned: false,
            is_confirmed: true,
        };
        match all.binary_search_by_key(&peer, |held| held.peer) {
            Ok(at) => {
                held.is_assigned = all[at].is_assigned;
                held.refusals = all[at].refusals.saturating_add(u8::from(all[at].is_evicting));
                all[at] = held;
            }
            Err(at) => {
                // Most contents have few holders, so no spare room is kept for more.
                all.reserve_exact(1);
                all.insert(at, held);
                self.by_peer.entry(peer).or_default().insert(content);
            }
        }
    }

    /// Returns whether there is room for one more such holding of the peer, of a content that nobody has
    /// published. What is held of the others has the room that it needs.
    pub(super) fn has_room_for(&self, content: ContentId, peer: PeerId, fragments: &Fragments) -> bool {
        let before = self.get(content, peer).map_or(0, |held| held.fragments.bytes());
        let more = fragments.bytes().saturating_sub(before);
        let of_peer = self.bitmaps.get(&peer).copied().unwrap_or(0);
        of_peer + more <= MOST_OF_PEER && self.all_bitmaps + more <= MOST_OF_ALL
    }

    fn count_bitmap(&mut self, peer: PeerId, before: usize, after: usize) {
        let of_peer = self.bitmaps.entry(peer).or_default();
        *of_peer = *of_peer + after - before;
        self.all_bitmaps = self.all_bitmaps + after - before;
        if *of_peer == 0 {
            self.bitmaps.remove(&peer);
        }
    }

    /// Forgets the peer's holding of the content.
    pub(super) fn drop_one(&mut self, content: ContentId, peer: PeerId) {
        let before = self.get(content, peer).map_or(0, |held| held.fragments.bytes());
        if before > 0 {
            self.count_bitmap(peer, before, 0);
        }
        if let Some(all) = self.by_content.get_mut(&content) {
            all.retain(|held| held.peer != peer);
            if all.is_empty() {
                self.by_content.remove(&content);
            }
        }
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
        self.all_bitmaps -= self.bitmaps.remove(&peer).unwrap_or(0);
        for content in &contents {
            if let Some(all) = self.by_content.get_mut(content) {
                all.retain(|held| held.peer != peer);
                if all.is_empty() {
                    self.by_content.remove(content);
                }
            }
        }
        contents
    }

    /// Settles how many fragments a content has. Returns the peers that announced it in other fragments: they
    /// are no use as holders.
    pub(super) fn settle(&mut self, content: ContentId, count: u32) -> Vec<PeerId> {
        let mut others = Vec::new();
        let mut counts = Vec::new();
        for held in self.by_content.get_mut(&content).into_iter().flatten() {
            match &held.fragments {
                Fragments::Some(set) if set.capacity() != count => others.push(held.peer),
                Fragments::Some(set) if set.is_full() => {
                    counts.push((held.peer, held.fragments.bytes(), 0));
                    held.fragments = Fragments::All;
                }
                Fragments::Some(_) | Fragments::All => {}
            }
        }
        for (peer, before, after) in counts {
            self.count_bitmap(peer, before, after);
        }
        others
    }

    /// Reverses that: the content is about to lose its manifest, so full sets must say how many fragments
    /// they have.
    pub(super) fn unsettle(&mut self, content: ContentId, count: u32) {
        let mut counts = Vec::new();
        for held in self.by_content.get_mut(&content).into_iter().flatten() {
            let before = held.fragments.bytes();
            held.fragments = Fragments::Some(held.fragments.to_set(count));
            counts.push((held.peer, before, held.fragments.bytes()));
        }
        for (peer, before, after) in counts {
            self.count_bitmap(peer, before, after);
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
        assert_eq!(
            pairs,
            self.by_peer.values().map(BTreeSet::len).sum::<usize>(),
            "both directions agree"
        );
        let mut bitmaps: BTreeMap<PeerId, usize> = BTreeMap::new();
        for (_, held) in self.iter().filter(|(_, held)| held.fragments.bytes() > 0) {
            *bitmaps.entry(held.peer).or_default() += held.fragments.bytes();
        }
        assert_eq!(self.bitmaps, bitmaps, "bytes of bitmaps");
        assert_eq!(self.all_bitmaps, bitmaps.values().sum::<usize>());
    }
}
