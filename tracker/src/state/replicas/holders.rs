//! Holders: which peer holds which fragments of which content, in both directions, always consistent.
//!
//! Holdings are learnt from announces and forgotten with the process. They are compact: a holder of
//! everything costs 56 bytes a content and 32 in the other direction, whatever the number of fragments; a
//! holder of a part costs a bitmap more. Knows neither names nor whether a peer lives.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use shared::model::{ContentId, FragmentSet, PeerId, Timestamp};

use crate::state::steps::{visit, visited};

/// All holdings.
#[derive(Debug, Default)]
pub(super) struct Holders {
    by_content: BTreeMap<ContentId, Vec<Held>>,
    by_peer: BTreeMap<PeerId, BTreeSet<ContentId>>,
    /// Peers that keep something, and the number of contents of which they do.
    keeping: BTreeMap<PeerId, usize>,
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
    pub(super) proof: Proof,
}

/// Belief about a copy's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nobody has said that it had bytes of it.
    #[default]
    None,
    /// Another member had verified bytes of it at this second of the tracker's clock.
    Seen(u32),
    /// It could not be proved for a long time.
    Doubtful,
    /// Members have asked for its bytes and did not get the right ones.
    Denied,
}

impl Proof {
    pub(super) fn now(now: Timestamp) -> Self {
        Self::Seen(u32::try_from(now.as_millis() / 1_000).unwrap_or(u32::MAX))
    }

    /// Returns whether looks at the copy were in vain: the peer is given no other.
    pub(super) const fn is_doubtful(self) -> bool {
        matches!(self, Self::Doubtful | Self::Denied)
    }

    /// Returns the time of the proof, if there is one.
    pub(crate) fn at(self) -> Option<Timestamp> {
        match self {
            Self::Seen(second) => Some(Timestamp::from_millis(u64::from(second) * 1_000)),
            Self::None | Self::Doubtful | Self::Denied => None,
        }
    }
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
            proof: Proof::None,
        };
        match all.binary_search_by_key(&peer, |held| held.peer) {
            Ok(at) => {
                let (before, now) = (all[at].keeps, held.keeps);
                held.is_assigned = all[at].is_assigned;
                // What nobody relies on is not looked at again.
                held.proof = if keeps { all[at].proof } else { Proof::None };
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
        self.all_bitmaps -= self.bitmaps.remove(&peer).unwrap_or(0);
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
        let mut counts = Vec::new();
        for held in visited(self.by_content.get_mut(&content).into_iter().flatten()) {
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
        for held in visited(self.by_content.get_mut(&content).into_iter().flatten()) {
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
        let mut keeping: BTreeMap<PeerId, usize> = BTreeMap::new();
        let kept = self.by_content.values().flatten().filter(|held| held.keeps);
        kept.for_each(|held| *keeping.entry(held.peer).or_default() += 1);
        assert_eq!(keeping, self.keeping, "what each peer keeps is counted");
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
