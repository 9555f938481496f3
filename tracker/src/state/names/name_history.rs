//! Revisions of one name that are remembered, and which of their contents the name keeps.
//!
//! Invariants: revisions ascend; only the last one is current; a pinned revision refers to its contents and
//! stays in the history, however old; a collected one refers to nothing. Contents are kept for the current
//! revision, for pinned ones, and for those that were superseded and not collected yet. Knows neither other
//! names nor the time.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::state::steps::{visit, visited};

use shared::model::{
    CollectionSize, ContentId, FileMetadata, PeerId, PinCount, ReplicationTarget, RevisedContent, Revision,
    RevisionLimit, Timestamp,
};

/// Remembered revisions of one name, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct NameHistory {
    revisions: Vec<Revised>,
}

/// One revision.
#[derive(Debug)]
pub(crate) struct Revised {
    pub(super) revision: Revision,
    pub(super) at: Timestamp,
    /// Binding; none for a removal, which costs no more than this.
    pub(super) bound: Option<Box<Bound>>,
    /// Whether it is a removal by which another name took over the binding.
    pub(super) is_moved: bool,
}

/// Binding of a name at one revision.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(super) content: ContentId,
    pub(super) length: u64,
    pub(super) target: ReplicationTarget,
    pub(super) collection: Option<CollectionSize>,
    /// Parts of a collection, ascending; none once the revision was collected.
    pub(super) parts: Option<Arc<[ContentId]>>,
    /// Peers that published this binding; nobody once the revision was collected.
    pub(super) publishers: Publishers,
    pub(super) hold: Hold,
    pub(super) pins: PinCount,
    /// Metadata of the file that was published.
    pub(super) metadata: Option<Box<FileMetadata>>,
}

/// Peers that share the contents of a binding in place, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Publishers(Vec<PeerId>);

impl Publishers {
    /// Limit of publishers of one binding; the copies of further ones may be trimmed.
    const MAX: usize = 64;

    pub(crate) fn of(peers: &[PeerId]) -> Self {
        let mut publishers = Self::default();
        publishers.extend(peers);
        publishers.0.truncate(Self::MAX);
        publishers
    }

    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn as_slice(&self) -> &[PeerId] {
        &self.0
    }

    pub(crate) fn contains(&self, peer: PeerId) -> bool {
        self.0.binary_search(&peer).is_ok()
    }

    /// Returns whether the peer could be added.
    pub(crate) fn has_room_for(&self, peer: PeerId) -> bool {
        self.0.len() < Self::MAX && !self.contains(peer)
    }

    /// Adds every peer, without a bound.
    pub(crate) fn extend(&mut self, peers: &[PeerId]) {
        for peer in peers {
            if let Err(place) = self.0.binary_search(peer) {
                // Most bindings have one publisher, so no spare room is kept for more.
                self.0.reserve_exact(1);
                self.0.insert(place, *peer);
            }
        }
    }

    /// Returns those that are among others.
    pub(super) fn among(&self, others: &Self) -> Self {
        let among = self.0.iter().filter(|peer| others.contains(**peer));
        Self(among.copied().collect())
    }

    /// Removes a peer.
    pub(super) fn remove(&mut self, peer: PeerId) {
        if let Ok(place) = self.0.binary_search(&peer) {
            self.0.remove(place);
        }
    }

    /// Adds peers until the set is full.
    fn admit(&mut self, others: &Self) {
        let room = Self::MAX.saturating_sub(self.0.len());
        let fresh = others.0.iter().filter(|peer| !self.contains(**peer));
        let fresh: Vec<_> = fresh.take(room).copied().collect();
        self.extend(&fresh);
    }
}

/// Whether a revision keeps its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The name is bound to the contents.
    Current,
    /// The contents stay for the grace time, or as long as the revision is pinned.
    Kept {
        /// Time at which the revision was superseded, or unpinned after that; 0 when only the pin keeps it.
        since: Timestamp,
    },
    /// The contents stay no longer for this revision.
    Collected,
}

impl Hold {
    /// Hold of a pinned revision whose grace time is over; another one begins when the pin goes.
    const KEPT_BY_PIN: Self = Self::Kept {
        since: Timestamp::from_millis(0),
    };
}

impl Bound {
    /// Returns whether the name keeps the contents for this revision.
    pub(crate) fn holds(&self) -> bool {
        self.hold != Hold::Collected
    }

    /// Returns all contents that the binding refers to: the content and, of a collection, the parts.
    pub(crate) fn contents(&self) -> impl Iterator<Item = ContentId> + '_ {
        let parts = self.parts.iter().flat_map(|parts| parts.iter());
        parts.chain([&self.content]).copied()
    }

    /// Returns whether the name keeps a content for this revision.
    pub(crate) fn refers_to(&self, content: ContentId) -> bool {
        let is_part = |parts: &Arc<[ContentId]>| parts.binary_search(&content).is_ok();
        self.holds() && (self.content == content || self.parts.as_ref().is_some_and(is_part))
    }

    /// Returns whether both bindings mean the same bytes, as a file or as a collection.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.content == other.content && self.collection.is_some() == other.collection.is_some()
    }

    fn collect(&mut self) {
        if self.pins.is_pinned() {
            self.hold = Hold::KEPT_BY_PIN;
        } else {
            self.hold = Hold::Collected;
            self.parts = None;
            self.publishers = Publishers::default();
        }
    }

    pub(crate) const fn content(&self) -> ContentId {
        self.content
    }

    /// Returns the parts of a collection; none of a file.
    pub(crate) const fn shape(&self) -> &Option<Arc<[ContentId]>> {
        &self.parts
    }

    pub(crate) const fn hold(&self) -> Hold {
        self.hold
    }

    pub(crate) const fn pins(&self) -> PinCount {
        self.pins
    }

    /// Returns the binding as users see it.
    pub(crate) fn revised_content(&self) -> RevisedContent {
        RevisedContent {
            content: self.content,
            length: self.length,
            target: self.target,
            collection: self.collection,
            attributes: self.metadata.as_ref().map(|metadata| metadata.attributes()),
        }
    }
}

impl Revised {
    pub(crate) const fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) const fn at(&self) -> Timestamp {
        self.at
    }

    /// Returns the binding; none for a removal.
    pub(crate) fn bound(&self) -> Option<&Bound> {
        self.bound.as_deref()
    }
}

impl NameHistory {
    /// Returns all revisions, the oldest first.
    pub(crate) fn revisions(&self) -> &[Revised] {
        &self.revisions
    }

    /// Returns the newest revision; [`Revision::NONE`] for an empty history.
    pub(crate) fn last(&self) -> Revision {
        self.revisions.last().map_or(Revision::NONE, |last| last.revision)
    }

    /// Returns the current revision and its binding; none while the name is removed.
    pub(crate) fn current(&self) -> Option<(&Revised, &Bound)> {
        let last = self.revisions.last()?;
        Some((last, last.bound.as_deref()?)).filter(|(_, bound)| bound.hold == Hold::Current)
    }

    /// Returns the time of the removal; none while the name is bound.
    pub(crate) fn removed_at(&self) -> Option<Timestamp> {
        self.revisions
            .last()
            .filter(|last| last.bound.is_none())
            .map(|last| last.at)
    }

    /// Returns whether another name has taken over the binding since.
    pub(crate) fn was_moved(&self) -> bool {
        self.revisions.last().is_some_and(|last| last.is_moved)
    }

    pub(crate) fn get(&self, revision: Revision) -> Option<&Revised> {
        let found = self.revisions.binary_search_by_key(&revision, |one| one.revision);
        found.ok().map(|at| &self.revisions[at])
    }

    fn bound_mut(&mut self, revision: Revision) -> Option<&mut Bound> {
        let found = self.revisions.binary_search_by_key(&revision, |one| one.revision);
        self.revisions[found.ok()?].bound.as_deref_mut()
    }

    /// Returns the revisions that keep contents, the newest first.
    pub(crate) fn holding(&self) -> impl Iterator<Item = (&Revised, &Bound)> {
        let bound = visited(self.revisions.iter().rev());
        bound
            .filter_map(|one| Some((one, one.bound.as_deref()?)))
            .filter(|(_, bound)| bound.holds())
    }

    /// Returns the bindings for which the content is kept, the newest first.
    pub(crate) fn referring(&self, content: ContentId) -> impl Iterator<Item = &Bound> {
        let all = self.holding().map(|(_, bound)| bound);
        all.filter(move |bound| bound.refers_to(content))
    }

    /// Returns the newest revision for which the content is kept.
    pub(crate) fn newest_of(&self, content: ContentId) -> Option<(&Revised, &Bound)> {
        self.holding().find(|(_, bound)| bound.refers_to(content))
    }

    /// Returns the pinned revisions, the newest first.
    pub(crate) fn pinned(&self) -> impl Iterator<Item = Revision> {
        let pinned = self.holding().filter(|(_, bound)| bound.pins.is_pinned());
        pinned.map(|(one, _)| one.revision)
    }

    /// Gives a revision metadata.
    pub(crate) fn describe(&mut self, revision: Revision, metadata: FileMetadata) {
        if let Some(bound) = self.bound_mut(revision) {
            bound.metadata = Some(Box::new(metadata));
        }
    }

    /// Adds a binding, and forgets revisions beyond the limit that are not pinned.
    pub(crate) fn bind(
        &mut self,
        revision: Revision,
        at: Timestamp,
        mut bound: Bound,
        limit: RevisionLimit,
    ) -> BTreeSet<ContentId> {
        let mut touched: BTreeSet<ContentId> = bound.contents().collect();
        if let Some(last) = self.revisions.last_mut().and_then(|last| last.bound.as_mut())
            && last.hold == Hold::Current
        {
            touched.extend(last.contents());
            last.hold = Hold::Kept { since: at };
            // The same bytes are bound anew, so the old target counts no longer, and the old publishers share
            // them still.
            if last.is_same(&bound) && last.parts == bound.parts {
                bound.publishers.admit(&last.publishers);
                last.collect();
            }
        }
        let bound = Some(Box::new(bound));
        self.push(Revised {
            revision,
            at,
            bound,
            is_moved: false,
        });
        touched.extend(self.trim(limit));
        touched
    }

    /// Adds publishers to the current binding.
    pub(crate) fn add_publishers(&mut self, publishers: &Publishers) {
        if let Some(last) = self.revisions.last_mut().and_then(|last| last.bound.as_mut())
            && last.hold == Hold::Current
        {
            last.publishers.admit(publishers);
        }
    }

    /// Adds a removal, which collects every revision that is not pinned.
    pub(crate) fn remove(
        &mut self,
        revision: Revision,
        at: Timestamp,
        limit: RevisionLimit,
    ) -> BTreeSet<ContentId> {
        let mut touched = BTreeSet::new();
        for bound in visited(self.revisions.iter_mut()).filter_map(|one| one.bound.as_mut()) {
            // A pinned revision goes on to keep what it keeps.
            if bound.hold == Hold::Current || bound.holds() && !bound.pins.is_pinned() {
                touched.extend(bound.contents());
            }
            bound.collect();
        }
        touched.extend(self.end((revision, at), false, limit));
        touched
    }

    /// Adds a removal that collects nothing before its time: with `is_moved`, one by which another name has
    /// taken over the binding.
    pub(crate) fn end(
        &mut self,
        (revision, at): (Revision, Timestamp),
        is_moved: bool,
        limit: RevisionLimit,
    ) -> BTreeSet<ContentId> {
        let mut touched = BTreeSet::new();
        if let Some(last) = self.revisions.last_mut().and_then(|last| last.bound.as_mut())
            && last.hold == Hold::Current
        {
            touched.extend(last.contents());
            last.hold = Hold::Kept { since: at };
        }
        self.push(Revised {
            revision,
            at,
            bound: None,
            is_moved,
        });
        touched.extend(self.trim(limit));
        touched
    }

    /// Appends a revision as it is.
    pub(crate) fn push(&mut self, revised: Revised) {
        // Most names have one revision, so no spare room is kept for more.
        self.revisions.reserve_exact(1);
        self.revisions.push(revised);
    }

    /// Adds a revision in its place.
    pub(crate) fn insert(&mut self, revised: Revised) {
        let place = self
            .revisions
            .partition_point(|one| one.revision < revised.revision);
        self.revisions.reserve_exact(1);
        self.revisions.insert(place, revised);
    }

    /// Forgets all but the newest revisions and the pinned ones.
    pub(crate) fn trim(&mut self, limit: RevisionLimit) -> BTreeSet<ContentId> {
        let mut touched = BTreeSet::new();
        let surplus = self.revisions.len().saturating_sub(limit.get() as usize);
        visit(self.revisions.len());
        let mut at = 0;
        self.revisions.retain(|one| {
            at += 1;
            let is_pinned = one.bound.as_ref().is_some_and(|bound| bound.pins.is_pinned());
            let stays = at > surplus || is_pinned;
            if !stays {
                touched.extend(one.bound.iter().flat_map(|bound| bound.contents()));
            }
            stays
        });
        touched
    }

    /// Changes how many replicas the current revision wants.
    pub(crate) fn set_target(&mut self, wanted: ReplicationTarget) -> BTreeSet<ContentId> {
        match self.revisions.last_mut().and_then(|last| last.bound.as_mut()) {
            Some(current) if current.hold == Hold::Current => {
                current.target = wanted;
                current.contents().collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// Collects a superseded revision, and forgets it when it is none of the newest. Others stay: each has a
    /// grace time of its own, and a fact of its own about its end.
    pub(crate) fn collect(&mut self, revision: Revision, limit: RevisionLimit) -> BTreeSet<ContentId> {
        let Some(bound) = self.bound_mut(revision) else {
            return BTreeSet::new();
        };
        let touched: BTreeSet<ContentId> = bound.contents().collect();
        bound.collect();
        let surplus = self.revisions.len().saturating_sub(limit.get() as usize);
        let mut at = 0;
        self.revisions.retain(|one| {
            at += 1;
            let is_pinned = one.bound.as_ref().is_some_and(|bound| bound.pins.is_pinned());
            at > surplus || one.revision != revision || is_pinned
        });
        touched
    }

    /// Pins or unpins a revision. One that is unpinned has the grace time of a superseded one before it is
    /// collected.
    pub(crate) fn pin(&mut self, revision: Revision, pins: PinCount, at: Timestamp) -> BTreeSet<ContentId> {
        let there = self.get(revision).and_then(|one| one.bound.as_deref());
        // The contents of a collected revision may be here all the same, for another revision.
        let same = there.and_then(|there| self.same_as(there));
        let same = same.map(|same| (same.parts.clone(), same.publishers.clone()));
        let Some(bound) = self.bound_mut(revision) else {
            return BTreeSet::new();
        };
        bound.pins = pins;
        if pins.is_pinned() {
            if bound.hold == Hold::Collected {
                bound.hold = Hold::KEPT_BY_PIN;
                (bound.parts, bound.publishers) = same.unwrap_or_default();
            }
        } else if bound.hold != Hold::Current {
            bound.hold = Hold::Kept { since: at };
        }
        bound.contents().collect()
    }

    /// Returns a binding to the same bytes that keeps them; the given one itself, if it does.
    pub(crate) fn same_as(&self, bound: &Bound) -> Option<&Bound> {
        let mut same = self.holding().map(|(_, other)| other);
        same.find(|other| other.is_same(bound))
    }

    /// Returns the parts of the collection that a revision was bound to, ascending; none for a file, and none
    /// once it was collected. Of equal revisions, one that keeps the contents knows them.
    pub(crate) fn parts_of<'a>(&'a self, bound: &'a Bound) -> &'a [ContentId] {
        let own = bound.parts.as_deref();
        let known = own.or_else(|| self.same_as(bound)?.parts.as_deref());
        known.unwrap_or_default()
    }
}
