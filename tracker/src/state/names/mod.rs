//! Names, their revisions and tombstones, and the contents that they refer to.
//!
//! Invariants: a content is here if and only if some binding refers to it, as the content itself or as a part
//! of a collection, now or in an earlier revision that is kept (see [`NameHistory`]); its target is the
//! largest of those bindings, its publishers are the publishers of all of them, so both follow from the names
//! alone; a name's revision only grows, through tombstones too. An unknown name is at the *floor*, the
//! largest revision of the forgotten names, so a caller that has seen an earlier revision of it cannot be
//! taken for one that has seen this one. This part depends on no other: it knows nothing of peers' lives or
//! holdings.

mod keepers;
mod name_history;
mod published;
mod publishing;
mod revisions;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound as Edge, RangeInclusive};

use shared::model::{
    Binding, ContentId, ContentState, Health, Manifest, Name, Parts, PeerId, PinCount, ReplicationTarget,
    Revision, RevisionLimit, Timestamp,
};

use super::record::{Fact, NameFact, Past};
use super::steps::visited;
use keepers::{Contribution, Keepers};
use published::Published;

pub(crate) use keepers::Shape;
pub(crate) use name_history::{Bound, Hold, NameHistory, Publishers, Revised};
pub(crate) use publishing::{Decision, size_of};

/// Revisions of one generation; a restored journal begins the next one (see [`Names::next_generation`]). More
/// than any name sees between a backup and its restoration, and easy to tell apart in a list: 1000001 follows
/// 17.
const GENERATION: u64 = 1_000_000;

/// All names and contents.
#[derive(Debug)]
pub(crate) struct Names {
    names: BTreeMap<Name, NameHistory>,
    contents: BTreeMap<ContentId, Content>,
    published: Published,
    bound: usize,
    limit: RevisionLimit,
    floor: Revision,
    /// The name that the look at old revisions has come to.
    aged: Option<Name>,
    /// The name whose past a snapshot has just told, in which its binding may come next: earlier versions
    /// told the past first.
    remembered: Option<Name>,
}

/// A content that some name keeps: directly, or as a part of a collection.
#[derive(Debug)]
pub(crate) struct Content {
    manifest: Manifest,
    /// Names that keep it, at least one; the largest target of their bindings, and all publishers, whose
    /// copies are not trimmed.
    keepers: Keepers,
    /// State of its replicas that watchers were sent last; none when it is to be sent anew. It stands here,
    /// not with the feed, because three bytes beside each content cost less than a map of millions.
    /// One for each file or collection that is this content; none when watchers are to be sent all of them.
    last_sent: Box<[LastSent]>,
}

/// State of a content's replicas as watchers were sent it; the rest of its health changes too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastSent {
    state: ContentState,
    /// Fewest replicas of a fragment, at most the target, which is at most 32.
    fewest: u8,
    target: u8,
}

impl LastSent {
    pub(crate) fn of(health: &Health) -> Self {
        let target = health.target.get();
        let small = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
        Self {
            state: health.state,
            fewest: small(health.fewest.min(target)),
            target: small(target),
        }
    }
}

/// Changes of the references from names to contents that one fact brought about.
#[derive(Debug, Default)]
pub(crate) struct RefChange {
    /// Contents that were unknown before, and the number of their fragments.
    learned: Vec<(ContentId, u32)>,
    /// Contents that are referred to otherwise than before, or no longer.
    touched: BTreeSet<ContentId>,
    /// Those of them that no name keeps any longer, and the number of their fragments.
    collected: Vec<(ContentId, u32)>,
}

impl RefChange {
    pub(crate) fn learned(&self) -> &[(ContentId, u32)] {
        &self.learned
    }

    pub(crate) fn touched(&self) -> &BTreeSet<ContentId> {
        &self.touched
    }

    pub(crate) fn collected(&self) -> &[(ContentId, u32)] {
        &self.collected
    }

    fn add(&mut self, other: Self) {
        self.learned.extend(other.learned);
        self.touched.extend(other.touched);
        self.collected.extend(other.collected);
    }
}

impl Content {
    pub(crate) fn id(&self) -> ContentId {
        self.manifest.content()
    }

    pub(crate) const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) const fn target(&self) -> ReplicationTarget {
        self.keepers.target()
    }

    pub(crate) const fn publishers(&self) -> &Publishers {
        self.keepers.publishers()
    }

    /// Returns the names that keep it, in ascending order; at least one.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.keepers.iter()
    }

    pub(crate) fn name_count(&self) -> usize {
        self.keepers.len()
    }

    pub(crate) fn has_name(&self, name: &Name) -> bool {
        self.keepers.contains(name)
    }

    pub(crate) const fn last_sent(&self) -> &[LastSent] {
        &self.last_sent
    }
}

impl Default for Names {
    /// Creates a catalogue that keeps no past revisions until it is told to, which is what older journals
    /// mean.
    fn default() -> Self {
        Self {
            names: BTreeMap::new(),
            contents: BTreeMap::new(),
            published: Published::default(),
            bound: 0,
            limit: RevisionLimit::ONE,
            floor: Revision::NONE,
            aged: None,
            remembered: None,
        }
    }
}

impl Names {
    /// Returns the binding of a name.
    pub(crate) fn binding(&self, name: &Name) -> Option<Binding> {
        let (revised, bound) = self.names.get(name)?.current()?;
        Some(binding(name, revised, bound))
    }

    /// Returns the binding at a revision of a name whose content is available.
    pub(crate) fn binding_at(&self, name: &Name, revision: Revision) -> Option<Binding> {
        let history = self.names.get(name)?;
        let revised = history.get(revision)?;
        let bound = revised
            .bound
            .as_deref()
            .filter(|bound| self.is_there(history, bound))?;
        Some(binding(name, revised, bound))
    }

    /// Returns the contents whose ids are in a range.
    pub(crate) fn ids_within(&self, ids: RangeInclusive<ContentId>) -> impl Iterator<Item = ContentId> {
        self.contents.range(ids).map(|(id, _)| *id)
    }

    /// Returns the newest binding of the first name that is bound to a content or to a collection with it, or
    /// else of the first that keeps it.
    pub(crate) fn binding_of(&self, id: ContentId) -> Option<Binding> {
        let name = self.contents.get(&id)?.keepers.first_choice()?;
        let (revised, bound) = self.names.get(name)?.newest_of(id)?;
        Some(binding(name, revised, bound))
    }

    /// Returns the contents to which names are bound now that refer to a content, itself among them, and the
    /// parts of each.
    pub(crate) fn wholes_with(&self, id: ContentId) -> Vec<(ContentId, Shape)> {
        let known = self.contents.get(&id);
        known.map_or_else(Vec::new, |known| {
            known.keepers.wholes(id, |name| self.names.get(name))
        })
    }

    /// Returns whether the contents of a past binding are available.
    pub(crate) fn is_there(&self, history: &NameHistory, bound: &Bound) -> bool {
        // Only a revision that keeps a collection knows its parts.
        let is_elsewhere = || bound.collection.is_none() && self.contents.contains_key(&bound.content);
        history.same_as(bound).is_some() || is_elsewhere()
    }

    /// Returns the newest revision of a name; the floor when it is unknown.
    pub(crate) fn revision(&self, name: &Name) -> Revision {
        self.names.get(name).map_or(self.floor, NameHistory::last)
    }

    /// Returns the revision of the name's next binding, in the newest generation; none when they are used up.
    pub(crate) fn next_binding(&self, name: &Name) -> Option<Revision> {
        let floor = self.floor.get();
        let generation = Revision::new(floor - floor % GENERATION);
        self.revision(name).max(generation).next()
    }

    /// Returns the beginning of the next generation of revisions. A restored journal does not know which
    /// revisions were given since the backup; with the floor raised to this one, none of them is given to
    /// another binding. None when they are used up.
    pub(crate) fn next_generation(&self) -> Option<Revision> {
        let newest = visited(self.names.values()).map(NameHistory::last).max();
        let newest = newest.unwrap_or(Revision::NONE).max(self.floor).get();
        let before = newest - newest % GENERATION;
        before.checked_add(GENERATION).map(Revision::new)
    }

    /// Returns whether a snapshot has just told the past of this name, so that its binding may come next.
    pub(crate) fn is_being_restored(&self, name: &Name) -> bool {
        self.remembered.as_ref() == Some(name)
    }

    /// Returns the history of a name, bound or removed.
    pub(crate) fn history(&self, name: &Name) -> Option<&NameHistory> {
        self.names.get(name)
    }

    /// Returns the names after `name` (or from the first one) with their histories.
    pub(crate) fn histories_after<'a>(
        &'a self,
        name: Option<&'a Name>,
    ) -> impl Iterator<Item = (&'a Name, &'a NameHistory)> {
        let from = name.map_or(Edge::Unbounded, |name| Edge::Excluded(name.as_str()));
        visited(self.names.range::<str, _>((from, Edge::Unbounded)))
    }

    pub(crate) fn content(&self, id: ContentId) -> Option<&Content> {
        self.contents.get(&id)
    }

    /// Returns the contents after `id` (or from the first one), in order of ids.
    pub(crate) fn contents_after(&self, id: Option<ContentId>) -> impl Iterator<Item = ContentId> + '_ {
        let from = id.map_or(Edge::Unbounded, Edge::Excluded);
        visited(self.contents.range((from, Edge::Unbounded))).map(|(id, _)| *id)
    }

    /// Returns the names that begin with `prefix` and come after `after`, in ascending order, with their
    /// histories; those that were removed too.
    pub(crate) fn histories_from<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Name>,
    ) -> impl Iterator<Item = (&'a Name, &'a NameHistory)> {
        let from = match after {
            Some(after) if after.as_str() >= prefix => Edge::Excluded(after.as_str()),
            _ => Edge::Included(prefix),
        };
        visited(self.names.range::<str, _>((from, Edge::Unbounded)))
            .take_while(move |(name, _)| name.as_str().starts_with(prefix))
    }

    pub(crate) fn name_count(&self) -> usize {
        self.bound
    }

    pub(crate) fn content_count(&self) -> usize {
        self.contents.len()
    }

    /// Returns the parts of the collection that a name is bound to, ascending; none for a file.
    pub(crate) fn parts(&self, name: &Name) -> &[ContentId] {
        let current = self.names.get(name).and_then(NameHistory::current);
        current
            .and_then(|(_, bound)| bound.parts.as_deref())
            .unwrap_or_default()
    }

    /// Returns the parts of the collection that a name was bound to at a revision, ascending; none for a
    /// file, and none once the revision was collected.
    pub(crate) fn parts_at(&self, name: &Name, revision: Revision) -> &[ContentId] {
        let history = self.names.get(name);
        let bound = history.and_then(|history| Some((history, history.get(revision)?.bound()?)));
        bound.map_or(&[], |(history, bound)| history.parts_of(bound))
    }

    /// Returns the publishers of a revision; none when it is not bound.
    pub(crate) fn publishers_at(&self, name: &Name, revision: Revision) -> Option<&Publishers> {
        let bound = self.names.get(name)?.get(revision)?.bound()?;
        Some(&bound.publishers)
    }

    /// Returns the parts of each collection whose catalog is this content, also of past revisions.
    pub(crate) fn shapes_of(&self, catalog: ContentId) -> Vec<Shape> {
        let known = self.contents.get(&catalog);
        known.map_or_else(Vec::new, |known| {
            known.keepers.own_shapes(catalog, |name| self.names.get(name))
        })
    }

    /// Returns whether the peer would be one more publisher of the binding of the name. When no more are
    /// noted, nothing tells a peer that publishes from one that repeats it: its announces say what it has.
    pub(crate) fn can_be_published_by(&self, name: &Name, peer: PeerId) -> bool {
        let current = self.names.get(name).and_then(NameHistory::current);
        current.is_some_and(|(_, bound)| bound.publishers.has_room_for(peer))
    }

    /// Applies a fact about names; any other one changes nothing.
    pub(crate) fn evolve(&mut self, fact: Fact, at: Timestamp) -> RefChange {
        match fact {
            Fact::Published {
                name,
                revision,
                target,
                manifest,
                publishers,
                parts,
            } => {
                let (bound, learned) = self.learn(target, manifest, &publishers, parts.as_ref());
                let change = self.bind(&name, revision, bound, at);
                RefChange { learned, ..change }
            }
            Fact::Removed { name, revision } => {
                let limit = self.limit;
                self.change(&name, |history| history.remove(revision, at, limit))
            }
            Fact::Renamed {
                from,
                tombstone,
                to,
                revision,
            } => self.move_binding(&from, tombstone, &to, revision, at),
            Fact::TargetChanged { name, target } => self.change(&name, |history| history.set_target(target)),
            Fact::Name(fact) => self.restore_line(fact, at),
            Fact::History { .. } => {
                // The end of a snapshot.
                self.remembered = None;
                RefChange::default()
            }
            _ => RefChange::default(),
        }
    }

    /// Applies a fact about the past of a name.
    fn restore_line(&mut self, fact: NameFact, at: Timestamp) -> RefChange {
        let limit = self.limit;
        match fact {
            NameFact::RevisionsKept(limit) => self.keep(limit),
            NameFact::Collected { name, revision } => {
                self.change(&name, |history| history.collect(revision, limit))
            }
            NameFact::PinChanged { name, revision, pins } => {
                self.change(&name, |history| history.pin(revision, pins, at))
            }
            NameFact::Described {
                name,
                revision,
                metadata,
            } => {
                if let Some(history) = self.names.get_mut(&name) {
                    history.describe(revision, metadata);
                }
                RefChange::default()
            }
            NameFact::Remembered { name, revision, past } => self.remember(&name, revision, past, at),
            NameFact::NameForgotten(name) => {
                if let Some(history) = self.names.remove(&name) {
                    self.floor = self.floor.max(history.last());
                }
                RefChange::default()
            }
            NameFact::FloorRaised(floor) => {
                self.floor = self.floor.max(floor);
                RefChange::default()
            }
        }
    }

    /// Binds a name. A fact about the revision that it is at already brings further publishers of the
    /// binding.
    fn bind(&mut self, name: &Name, revision: Revision, bound: Bound, at: Timestamp) -> RefChange {
        let limit = self.limit;
        // Nothing of a past that a snapshot tells is beyond the limit.
        let is_restored = self
            .remembered
            .take()
            .is_some_and(|remembered| remembered == *name);
        self.change(name, |history| match history.last() == revision {
            true => {
                history.add_publishers(&bound.publishers);
                bound.contents().collect()
            }
            false if is_restored => {
                let touched = bound.contents().collect();
                let bound = Some(Box::new(bound));
                history.push(Revised {
                    revision,
                    at,
                    bound,
                    is_moved: false,
                });
                touched
            }
            false => history.bind(revision, at, bound, limit),
        })
    }

    /// Restores a past revision from a snapshot; past revisions come in order, after the newest one or before
    /// it.
    fn remember(&mut self, name: &Name, revision: Revision, past: Past, at: Timestamp) -> RefChange {
        let is_moved = past == Past::Moved;
        let bound = match past {
            Past::Removed | Past::Moved => None,
            Past::Collected { was, pins } => Some(Bound {
                content: was.content,
                length: was.length,
                target: was.target,
                collection: was.collection,
                parts: None,
                publishers: Publishers::default(),
                hold: Hold::Collected,
                pins,
                metadata: None,
            }),
            Past::Kept {
                since,
                pins,
                target,
                manifest,
                publishers,
                parts,
            } => {
                let (bound, _) = self.learn(target, manifest, &publishers, parts.as_ref());
                let hold = Hold::Kept { since };
                Some(Bound { hold, pins, ..bound })
            }
        };
        self.remembered = Some(name.clone());
        self.change(name, |history| {
            let touched = bound.iter().flat_map(Bound::contents).collect();
            let bound = bound.map(Box::new);
            history.insert(Revised {
                revision,
                at,
                bound,
                is_moved,
            });
            touched
        })
    }

    /// Adds a content and its parts unless they are known; no name keeps them yet.
    fn learn(
        &mut self,
        target: ReplicationTarget,
        manifest: Manifest,
        publishers: &[PeerId],
        parts: Option<&Parts>,
    ) -> (Bound, Vec<(ContentId, u32)>) {
        let bound = Bound {
            content: manifest.content(),
            length: manifest.length(),
            target,
            collection: parts.map(size_of),
            parts: parts.map(|parts| parts.ids().collect()),
            publishers: Publishers::of(publishers),
            hold: Hold::Current,
            pins: PinCount::default(),
            metadata: None,
        };
        let parts = parts.into_iter().flat_map(Parts::manifests).cloned();
        let mut learned = Vec::new();
        for manifest in parts.chain([manifest]) {
            let (id, fragments) = (manifest.content(), manifest.fragment_count());
            self.contents.entry(id).or_insert_with(|| {
                learned.push((id, fragments));
                Content {
                    manifest,
                    keepers: Keepers::none(target),
                    last_sent: Box::default(),
                }
            });
        }
        (bound, learned)
    }

    /// Records what watchers were sent about the content's replicas.
    pub(crate) fn set_last_sent(&mut self, id: ContentId, sent: Box<[LastSent]>) {
        if let Some(content) = self.contents.get_mut(&id) {
            content.last_sent = sent;
        }
    }

    /// Gives the binding of a name to another name, and leaves a tombstone.
    fn move_binding(
        &mut self,
        from: &Name,
        tombstone: Revision,
        to: &Name,
        revision: Revision,
        at: Timestamp,
    ) -> RefChange {
        let Some((_, current)) = self.names.get(from).and_then(NameHistory::current) else {
            return RefChange::default();
        };
        let moved = Bound {
            pins: PinCount::default(),
            ..current.clone()
        };
        let limit = self.limit;
        // In this order no content is without a name in between.
        let mut change = self.change(to, |history| history.bind(revision, at, moved, limit));
        let ended = self.change(from, |history| history.end((tombstone, at), true, limit));
        change.add(ended);
        change
    }

    /// Changes how many revisions of every name are remembered.
    fn keep(&mut self, limit: RevisionLimit) -> RefChange {
        self.limit = limit;
        let most = limit.get() as usize;
        let longer = self
            .names
            .iter()
            .filter(|(_, history)| history.revisions().len() > most);
        let longer: Vec<_> = longer.map(|(name, _)| name.clone()).collect();
        let mut all = RefChange::default();
        for name in longer {
            let change = self.change(&name, |history| history.trim(limit));
            all.add(change);
        }
        all
    }

    /// Edits the history of a name, and updates the contents that this touches.
    fn change(
        &mut self,
        name: &Name,
        edit: impl FnOnce(&mut NameHistory) -> BTreeSet<ContentId>,
    ) -> RefChange {
        let history = self.names.entry(name.clone()).or_default();
        let was_bound = history.current().is_some();
        let touched = edit(history);
        match (was_bound, history.current().is_some()) {
            (false, true) => self.bound += 1,
            (true, false) => self.bound -= 1,
            _ => {}
        }
        if history.revisions().is_empty() {
            self.names.remove(name);
        }
        let history = self.names.get(name);
        let holding: Vec<&Bound> = history.map_or_else(Vec::new, |history| {
            history.holding().map(|(_, bound)| bound).collect()
        });
        let mut collected = Vec::new();
        for id in &touched {
            let Some(content) = self.contents.get_mut(id) else {
                continue;
            };
            let now = Contribution::of(visited(holding.iter().copied()), *id);
            let of_name = content.keepers.publishers_of(name);
            let will_be = now.as_ref().map(Contribution::publishers).unwrap_or_default();
            // Nobody else begins or ceases to publish the content.
            let mut touched = of_name.clone();
            touched.extend(will_be.as_slice());
            let before = touched.among(content.keepers.publishers());
            let is_kept = content.keepers.set(name, now, *id, |name| self.names.get(name));
            let after = match is_kept {
                true => touched.among(content.keepers.publishers()),
                false => Publishers::none(),
            };
            let bytes = published::bytes_of(&content.manifest);
            self.published.take(&before, bytes);
            self.published.add(&after, bytes);
            self.published.take(&of_name, published::NAME_BYTES);
            self.published.add(&will_be, published::NAME_BYTES);
            if !is_kept {
                collected.push((*id, content.manifest.fragment_count()));
                self.contents.remove(id);
            }
        }
        RefChange {
            learned: Vec::new(),
            touched,
            collected,
        }
    }
}

fn binding(name: &Name, revised: &Revised, bound: &Bound) -> Binding {
    Binding {
        name: name.clone(),
        revision: revised.revision,
        content: bound.content,
        length: bound.length,
        target: bound.target,
        published_at: revised.at,
        collection: bound.collection,
        metadata: bound.metadata.as_deref().cloned(),
    }
}
