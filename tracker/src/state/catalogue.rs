//! Names, their revisions and tombstones, and the contents that they refer to.
//!
//! Invariants: a content is here if and only if some name keeps it, as what it is bound to or as a part of a collection,
//! now or for an earlier revision (see [`line`](super::line)); its target is the largest of those, its publishers are those of all of them, so both follow from the names alone; a name's
//! revision only grows, through tombstones too. A name that is unknown is at the *floor*, the largest revision of those
//! that were forgotten: so what followed an earlier revision of it can never be taken for following this one. Knows
//! nothing of peers' lives or holdings.

use std::collections::BTreeMap;
use std::ops::Bound as Edge;

use shared::model::{
    Binding, CollectionSize, ContentId, Manifest, Name, Parts, PeerId, PinCount, ReplicationTarget, Revision,
    RevisionLimit, Timestamp,
};

use super::line::{Bound, Hold, Line, Publishers, Revised, Touched};
use super::news::Told;
use super::record::Past;

/// Revisions of one generation; a restored journal begins the next one (see [`Catalogue::next_generation`]). More than
/// any name sees between a backup and its restoration, and easy to tell apart in a list: 1000001 follows 17.
const GENERATION: u64 = 1_000_000;

/// All names and contents.
#[derive(Debug)]
pub(super) struct Catalogue {
    names: BTreeMap<Name, Line>,
    contents: BTreeMap<ContentId, Content>,
    bound: usize,
    limit: RevisionLimit,
    floor: Revision,
}

/// A content that some name keeps: directly, or as a part of a collection.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) manifest: Manifest,
    /// The largest that a name wants for it.
    pub(super) target: ReplicationTarget,
    /// Peers that share it in place: their copies are not trimmed.
    pub(super) publishers: Publishers,
    /// In ascending order; never empty.
    names: Vec<Name>,
    /// How watchers know its replicas; none when it is to be told anew.
    pub(super) told: Option<Told>,
}

/// A name is bound.
#[derive(Debug)]
pub(super) struct Bind {
    pub(super) name: Name,
    pub(super) revision: Revision,
    pub(super) target: ReplicationTarget,
    pub(super) manifest: Manifest,
    pub(super) publishers: Vec<PeerId>,
    pub(super) parts: Option<Parts>,
}

/// What a change of names means for contents.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Those that are referred to otherwise than before, or no longer.
    pub(super) touched: Touched,
    /// Those of them that no name keeps any longer.
    pub(super) released: Vec<Released>,
}

/// A content that no name keeps any longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Released {
    pub(super) content: ContentId,
    /// How many fragments it has.
    pub(super) fragments: u32,
}

impl Content {
    /// Names that keep it.
    pub(super) fn names(&self) -> &[Name] {
        &self.names
    }
}

impl Default for Catalogue {
    /// Keeps nothing of the past until it is told to: as journals have it that are older than that.
    fn default() -> Self {
        Self {
            names: BTreeMap::new(),
            contents: BTreeMap::new(),
            bound: 0,
            limit: RevisionLimit::ONE,
            floor: Revision::NONE,
        }
    }
}

impl Catalogue {
    /// What the name is bound to.
    pub(super) fn binding(&self, name: &Name) -> Option<Binding> {
        let (revised, bound) = self.names.get(name)?.current()?;
        Some(binding(name, revised, bound))
    }

    /// A revision of a name of which the content is kept, whoever keeps it.
    pub(super) fn binding_at(&self, name: &Name, revision: Revision) -> Option<Binding> {
        let line = self.names.get(name)?;
        let revised = line.get(revision)?;
        let bound = revised
            .bound
            .as_deref()
            .filter(|bound| self.is_there(line, bound))?;
        Some(binding(name, revised, bound))
    }

    /// The first name that is bound to a content or to a collection with it; or else the first that keeps it.
    pub(super) fn binding_of(&self, id: ContentId) -> Option<Binding> {
        let names = self.contents.get(&id)?.names.iter();
        let newest = |name: &Name| {
            let (revised, bound) = self.names.get(name)?.newest_of(id)?;
            Some((bound.hold != Hold::Current, binding(name, revised, bound)))
        };
        let all = names.filter_map(newest);
        all.min_by_key(|(is_past, _)| *is_past)
            .map(|(_, binding)| binding)
    }

    /// Whether what a revision bound can be had.
    pub(super) fn is_there(&self, line: &Line, bound: &Bound) -> bool {
        // Of a collection only a revision that keeps it knows the parts.
        let is_elsewhere = || bound.collection.is_none() && self.contents.contains_key(&bound.content);
        line.same_as(bound).is_some() || is_elsewhere()
    }

    /// How often the name has been bound or removed, as far as anyone can tell.
    pub(super) fn revision(&self, name: &Name) -> Revision {
        self.names.get(name).map_or(self.floor, Line::last)
    }

    /// The revision of the name's next binding: of the newest generation.
    pub(super) fn next_binding(&self, name: &Name) -> Revision {
        let floor = self.floor.get();
        let generation = Revision::new(floor - floor % GENERATION);
        self.revision(name).max(generation).next()
    }

    /// Where the next generation of revisions begins. A journal that was restored does not know which revisions have
    /// been given since the backup: when the floor is raised to this, none of them is given to another binding.
    pub(super) fn next_generation(&self) -> Revision {
        let newest = self.names.values().map(Line::last).max();
        let newest = newest.unwrap_or(Revision::NONE).max(self.floor).get();
        let before = newest - newest % GENERATION;
        Revision::new(before.saturating_add(GENERATION))
    }

    /// What is remembered of a name, bound or removed.
    pub(super) fn line(&self, name: &Name) -> Option<&Line> {
        self.names.get(name)
    }

    /// The names after `name` (or from the first one), with all that is remembered of them.
    pub(super) fn lines_after<'a>(
        &'a self,
        name: Option<&'a Name>,
    ) -> impl Iterator<Item = (&'a Name, &'a Line)> {
        let from = name.map_or(Edge::Unbounded, |name| Edge::Excluded(name.as_str()));
        self.names.range::<str, _>((from, Edge::Unbounded))
    }

    pub(super) const fn limit(&self) -> RevisionLimit {
        self.limit
    }

    pub(super) const fn floor(&self) -> Revision {
        self.floor
    }

    pub(super) fn content(&self, id: ContentId) -> Option<&Content> {
        self.contents.get(&id)
    }

    /// The contents after `id` (or from the first one), in order of ids.
    pub(super) fn contents_after(&self, id: Option<ContentId>) -> impl Iterator<Item = ContentId> + '_ {
        let from = id.map_or(Edge::Unbounded, Edge::Excluded);
        self.contents.range((from, Edge::Unbounded)).map(|(id, _)| *id)
    }

    /// The names that begin with `prefix` and come after `after`, in ascending order.
    pub(super) fn names_after<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Name>,
    ) -> impl Iterator<Item = Binding> + 'a {
        let from = match after {
            Some(after) if after.as_str() >= prefix => Edge::Excluded(after.as_str()),
            _ => Edge::Included(prefix),
        };
        self.names
            .range::<str, _>((from, Edge::Unbounded))
            .take_while(move |(name, _)| name.as_str().starts_with(prefix))
            .filter_map(|(name, _)| self.binding(name))
    }

    pub(super) fn name_count(&self) -> usize {
        self.bound
    }

    pub(super) fn content_count(&self) -> usize {
        self.contents.len()
    }

    /// What the collection that a name is bound to refers to, ascending; nothing when it is none.
    pub(super) fn parts(&self, name: &Name) -> &[ContentId] {
        let current = self.names.get(name).and_then(Line::current);
        current
            .and_then(|(_, bound)| bound.parts.as_deref())
            .unwrap_or_default()
    }

    /// What the collections whose catalog is this content refer to, each ascending.
    pub(super) fn parts_of(&self, catalog: ContentId) -> impl Iterator<Item = &[ContentId]> {
        let names = self
            .contents
            .get(&catalog)
            .into_iter()
            .flat_map(|known| &known.names);
        let lines = names.filter_map(|name| self.names.get(name));
        let of_it =
            lines.flat_map(move |line| line.holding().filter(move |(_, bound)| bound.content == catalog));
        of_it.filter_map(|(_, bound)| bound.parts.as_deref())
    }

    /// Whether the peer has published what the name is bound to.
    pub(super) fn is_published_by(&self, name: &Name, peer: PeerId) -> bool {
        let current = self.names.get(name).and_then(Line::current);
        current.is_some_and(|(_, bound)| bound.publishers.contains(peer))
    }

    /// When a name was removed or renamed; none when it is bound or never was.
    pub(super) fn removed_at(&self, name: &Name) -> Option<Timestamp> {
        self.names.get(name)?.removed_at()
    }

    /// Binds a name. Told again at the same revision, it is a further publisher of what is bound.
    pub(super) fn bind(&mut self, bind: Bind, at: Timestamp) -> Settled {
        let Bind {
            name,
            revision,
            target,
            manifest,
            publishers,
            parts,
        } = bind;
        let bound = self.learn(target, manifest, &publishers, parts.as_ref());
        let limit = self.limit;
        self.change(&name, |line| match line.last() == revision {
            true => {
                line.add_publishers(&bound.publishers);
                bound.contents().collect()
            }
            false => line.bind(revision, at, bound, limit),
        })
    }

    /// Takes in a past revision from a snapshot; they come in order, before what the name is now.
    pub(super) fn remember(&mut self, name: &Name, revision: Revision, past: Past, at: Timestamp) -> Settled {
        let bound = match past {
            Past::Removed => None,
            Past::Collected { was, pins } => Some(Bound {
                content: was.content,
                length: was.length,
                target: was.target,
                collection: was.collection,
                parts: None,
                publishers: Publishers::default(),
                hold: Hold::LetGo,
                pins,
            }),
            Past::Kept {
                since,
                pins,
                target,
                manifest,
                publishers,
                parts,
            } => {
                let bound = self.learn(target, manifest, &publishers, parts.as_ref());
                let hold = Hold::Kept { since };
                Some(Bound { hold, pins, ..bound })
            }
        };
        self.change(name, |line| {
            let touched = bound.iter().flat_map(Bound::contents).collect();
            let bound = bound.map(Box::new);
            line.push(Revised { revision, at, bound });
            touched
        })
    }

    /// Makes sure that a content and its parts are known; no name keeps them yet.
    fn learn(
        &mut self,
        target: ReplicationTarget,
        manifest: Manifest,
        publishers: &[PeerId],
        parts: Option<&Parts>,
    ) -> Bound {
        let bound = Bound {
            content: manifest.content(),
            length: manifest.length(),
            target,
            collection: parts.map(|parts| CollectionSize {
                parts: u32::try_from(parts.manifests().len()).unwrap_or(u32::MAX),
                length: parts.length(),
            }),
            parts: parts.map(|parts| parts.ids().collect()),
            publishers: Publishers::of(publishers),
            hold: Hold::Current,
            pins: PinCount::default(),
        };
        let parts = parts.into_iter().flat_map(Parts::manifests).cloned();
        for manifest in parts.chain([manifest]) {
            let content = self
                .contents
                .entry(manifest.content())
                .or_insert_with(|| Content {
                    manifest,
                    target,
                    publishers: Publishers::default(),
                    names: Vec::new(),
                    told: None,
                });
            content.told = None;
        }
        bound
    }

    /// Watchers know the content's replicas so.
    pub(super) fn set_told(&mut self, id: ContentId, told: Told) {
        if let Some(content) = self.contents.get_mut(&id) {
            content.told = Some(told);
        }
    }

    /// Changes how many replicas a bound name wants.
    pub(super) fn set_target(&mut self, name: &Name, wanted: ReplicationTarget) -> Settled {
        self.change(name, |line| line.set_target(wanted))
    }

    /// Leaves a tombstone; of what the name kept only pinned revisions are left.
    pub(super) fn remove(&mut self, name: &Name, revision: Revision, at: Timestamp) -> Settled {
        let limit = self.limit;
        self.change(name, |line| line.remove(revision, at, limit))
    }

    /// Gives what a name is bound to another name, and leaves a tombstone.
    pub(super) fn rename(
        &mut self,
        from: &Name,
        tombstone: Revision,
        to: &Name,
        revision: Revision,
        at: Timestamp,
    ) -> Settled {
        let Some((_, current)) = self.names.get(from).and_then(Line::current) else {
            return Settled::default();
        };
        let moved = Bound {
            pins: PinCount::default(),
            ..current.clone()
        };
        if let Some(content) = self.contents.get_mut(&moved.content) {
            // To be told of the other name.
            content.told = None;
        }
        let limit = self.limit;
        // In this order nothing is without a name in between.
        let mut settled = self.change(to, |line| line.bind(revision, at, moved, limit));
        let ended = self.change(from, |line| line.end(tombstone, at, limit));
        settled.touched.extend(ended.touched);
        settled.released.extend(ended.released);
        settled
    }

    /// Keeps a revision's contents no longer, unless it is pinned.
    pub(super) fn collect(&mut self, name: &Name, revision: Revision) -> Settled {
        let limit = self.limit;
        self.change(name, |line| line.let_go(revision, limit))
    }

    /// Pins or unpins a revision.
    pub(super) fn pin(&mut self, name: &Name, revision: Revision, pins: PinCount, at: Timestamp) -> Settled {
        self.change(name, |line| line.pin(revision, pins, at))
    }

    /// From now on so many revisions of every name are remembered.
    pub(super) fn keep(&mut self, limit: RevisionLimit) -> Settled {
        self.limit = limit;
        let most = limit.get() as usize;
        let longer = self
            .names
            .iter()
            .filter(|(_, line)| line.revisions().len() > most);
        let longer: Vec<_> = longer.map(|(name, _)| name.clone()).collect();
        let mut all = Settled::default();
        for name in longer {
            let settled = self.change(&name, |line| line.trim(limit));
            all.touched.extend(settled.touched);
            all.released.extend(settled.released);
        }
        all
    }

    /// Forgets a removed name that keeps nothing. Whoever followed a revision of it will not be believed.
    pub(super) fn forget(&mut self, name: &Name) {
        if let Some(line) = self.names.remove(name) {
            self.raise_floor(line.last());
        }
    }

    /// No unknown name is at an earlier revision.
    pub(super) fn raise_floor(&mut self, floor: Revision) {
        self.floor = self.floor.max(floor);
    }

    /// Changes what is remembered of a name, and brings the contents that this touches up to date.
    fn change(&mut self, name: &Name, change: impl FnOnce(&mut Line) -> Touched) -> Settled {
        let line = self.names.entry(name.clone()).or_default();
        let was_bound = line.current().is_some();
        let touched = change(line);
        match (was_bound, line.current().is_some()) {
            (false, true) => self.bound += 1,
            (true, false) => self.bound -= 1,
            _ => {}
        }
        if line.revisions().is_empty() {
            self.names.remove(name);
        }
        let mut released = Vec::new();
        for id in &touched {
            let is_kept = self
                .names
                .get(name)
                .is_some_and(|line| line.referring(*id).next().is_some());
            released.extend(self.settle(*id, name, is_kept));
        }
        Settled { touched, released }
    }

    /// A name keeps a content, or does not; returns the content if none does.
    fn settle(&mut self, id: ContentId, name: &Name, is_kept: bool) -> Option<Released> {
        let content = self.contents.get_mut(&id)?;
        match (is_kept, content.names.binary_search(name)) {
            (true, Err(place)) => {
                // Most contents have one name: no spare room for more.
                content.names.reserve_exact(1);
                content.names.insert(place, name.clone());
            }
            (false, Ok(place)) => drop(content.names.remove(place)),
            _ => {}
        }
        let lines = content.names.iter().filter_map(|name| self.names.get(name));
        let (mut largest, mut publishers) = (None, Publishers::default());
        for bound in lines.flat_map(|line| line.referring(id)) {
            largest = largest.max(Some(bound.target));
            publishers.extend(bound.publishers.as_slice());
        }
        if let Some(largest) = largest {
            (content.target, content.publishers) = (largest, publishers);
            return None;
        }
        let fragments = content.manifest.fragment_count();
        self.contents.remove(&id);
        Some(Released {
            content: id,
            fragments,
        })
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
    }
}
