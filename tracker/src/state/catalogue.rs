//! Names, their revisions and tombstones, and the contents that they refer to.
//!
//! Invariants: a content is here if and only if a name is bound to it, or to a collection that it is a part of; its effective target is the largest of its
//! names'; a name's revision only grows, through tombstones too. Tombstones are kept for good: they are what stops
//! a removed name from coming back as new. Knows nothing of peers' lives or holdings.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use shared::model::{
    Binding, CollectionSize, ContentId, Manifest, Name, Parts, PeerId, ReplicationTarget, Revision, Timestamp,
};

use super::check::require;
use super::record::{Fact, Record};

/// More publishers of one content than this are not remembered; what is lost is only that their copies may
/// be trimmed.
const MAX_PUBLISHERS: usize = 64;

/// All names and contents.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    names: BTreeMap<Name, Entry>,
    contents: BTreeMap<ContentId, Content>,
    bound: usize,
}

#[derive(Debug)]
enum Entry {
    Bound {
        revision: Revision,
        content: ContentId,
        target: ReplicationTarget,
        at: Timestamp,
        /// Of a collection, ascending.
        parts: Option<Arc<[ContentId]>>,
    },
    Tombstone {
        revision: Revision,
        at: Timestamp,
    },
}

/// A content that some name refers to: directly, or as a part of a collection.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) manifest: Manifest,
    /// The largest of its names' targets.
    pub(super) target: ReplicationTarget,
    /// Peers that share it in place: their copies are not trimmed.
    pub(super) publishers: Vec<PeerId>,
    /// In ascending order; never empty.
    names: Vec<Name>,
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

/// A content that no name refers to any longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Released {
    pub(super) content: ContentId,
    /// How many fragments it has.
    pub(super) fragments: u32,
}

impl Content {
    /// Names that are bound to it, and of collections that it is a part of.
    pub(super) fn names(&self) -> &[Name] {
        &self.names
    }
}

impl Catalogue {
    /// What the name is bound to.
    pub(super) fn binding(&self, name: &Name) -> Option<Binding> {
        match self.names.get(name)? {
            Entry::Bound {
                revision,
                content,
                target,
                at,
                parts,
            } => Some(Binding {
                name: name.clone(),
                revision: *revision,
                content: *content,
                length: self.contents.get(content)?.manifest.length(),
                target: *target,
                published_at: *at,
                collection: parts.as_deref().map(|parts| self.size_of(parts)),
            }),
            Entry::Tombstone { .. } => None,
        }
    }

    /// How often the name has been bound or removed.
    pub(super) fn revision(&self, name: &Name) -> Revision {
        match self.names.get(name) {
            Some(Entry::Bound { revision, .. } | Entry::Tombstone { revision, .. }) => *revision,
            None => Revision::NONE,
        }
    }

    pub(super) fn content(&self, id: ContentId) -> Option<&Content> {
        self.contents.get(&id)
    }

    /// The contents after `id` (or from the first one), in order of ids.
    pub(super) fn contents_after(&self, id: Option<ContentId>) -> impl Iterator<Item = ContentId> + '_ {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.contents.range((from, Bound::Unbounded)).map(|(id, _)| *id)
    }

    /// The names that begin with `prefix` and come after `after`, in ascending order.
    pub(super) fn names_after<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Name>,
    ) -> impl Iterator<Item = Binding> + 'a {
        let from = match after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix),
        };
        self.names
            .range::<str, _>((from, Bound::Unbounded))
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
        match self.names.get(name) {
            Some(Entry::Bound {
                parts: Some(parts), ..
            }) => parts,
            _ => &[],
        }
    }

    fn size_of(&self, parts: &[ContentId]) -> CollectionSize {
        let lengths = parts
            .iter()
            .filter_map(|part| self.contents.get(part))
            .map(|content| content.manifest.length());
        CollectionSize {
            parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
            length: lengths.fold(0, u64::saturating_add),
        }
    }

    /// Binds a name; returns the contents that no name refers to any longer because of it.
    pub(super) fn bind(&mut self, bound: Bind, at: Timestamp) -> Vec<Released> {
        let Bind {
            name,
            revision,
            target,
            manifest,
            publishers,
            parts,
        } = bound;
        let id = manifest.content();
        self.refer(&name, target, manifest, &publishers);
        for part in parts.iter().flat_map(|parts| parts.manifests()) {
            self.refer(&name, target, part.clone(), &publishers);
        }
        let entry = Entry::Bound {
            revision,
            content: id,
            target,
            at,
            parts: parts.map(|parts| parts.ids().collect()),
        };
        let before = self.referred(&name);
        if !matches!(self.names.insert(name.clone(), entry), Some(Entry::Bound { .. })) {
            self.bound += 1;
        }
        let now = self.referred(&name);
        let gone = before.iter().filter(|old| !now.contains(old));
        let released = gone.filter_map(|old| self.release(*old, &name)).collect();
        before.iter().chain(&now).for_each(|id| self.update_target(*id));
        released
    }

    /// Lets a content have one more name.
    fn refer(&mut self, name: &Name, target: ReplicationTarget, manifest: Manifest, publishers: &[PeerId]) {
        let content = self
            .contents
            .entry(manifest.content())
            .or_insert_with(|| Content {
                manifest,
                target,
                publishers: Vec::new(),
                names: Vec::new(),
            });
        for publisher in publishers {
            if !content.publishers.contains(publisher) && content.publishers.len() < MAX_PUBLISHERS {
                content.publishers.reserve_exact(1);
                content.publishers.push(*publisher);
            }
        }
        if let Err(place) = content.names.binary_search(name) {
            // Most contents have one name: no spare room for more.
            content.names.reserve_exact(1);
            content.names.insert(place, name.clone());
        }
    }

    /// Every content that a name refers to, directly or as a part.
    pub(super) fn referred(&self, name: &Name) -> BTreeSet<ContentId> {
        match self.names.get(name) {
            Some(Entry::Bound { content, parts, .. }) => {
                let parts = parts.iter().flat_map(|parts| parts.iter());
                parts.chain([content]).copied().collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// Changes how many replicas a bound name wants.
    pub(super) fn set_target(&mut self, name: &Name, wanted: ReplicationTarget) {
        if let Some(Entry::Bound { target, .. }) = self.names.get_mut(name) {
            *target = wanted;
            self.referred(name).iter().for_each(|id| self.update_target(*id));
        }
    }

    /// Leaves a tombstone; returns the contents that no name refers to any longer because of it.
    pub(super) fn remove(&mut self, name: &Name, revision: Revision, at: Timestamp) -> Vec<Released> {
        let before = self.referred(name);
        let previous = self.names.insert(name.clone(), Entry::Tombstone { revision, at });
        if matches!(previous, Some(Entry::Bound { .. })) {
            self.bound -= 1;
        }
        let released = before.iter().filter_map(|id| self.release(*id, name)).collect();
        before.iter().for_each(|id| self.update_target(*id));
        released
    }

    /// Moves what a name is bound to under another name, and leaves a tombstone.
    pub(super) fn rename(
        &mut self,
        from: &Name,
        tombstone: Revision,
        to: &Name,
        revision: Revision,
        at: Timestamp,
    ) {
        let contents = self.referred(from);
        let gone = Entry::Tombstone {
            revision: tombstone,
            at,
        };
        let Some(Entry::Bound {
            content,
            target,
            parts,
            ..
        }) = self.names.insert(from.clone(), gone)
        else {
            return;
        };
        let moved = Entry::Bound {
            revision,
            content,
            target,
            at,
            parts,
        };
        self.names.insert(to.clone(), moved);
        for id in contents {
            if let Some(content) = self.contents.get_mut(&id) {
                content.names.retain(|name| name != from);
                if let Err(place) = content.names.binary_search(to) {
                    content.names.insert(place, to.clone());
                }
            }
        }
    }

    /// When a name was removed or renamed; none when it is bound or never was.
    pub(super) fn removed_at(&self, name: &Name) -> Option<Timestamp> {
        match self.names.get(name)? {
            Entry::Tombstone { at, .. } => Some(*at),
            Entry::Bound { .. } => None,
        }
    }

    fn release(&mut self, id: ContentId, name: &Name) -> Option<Released> {
        let content = self.contents.get_mut(&id)?;
        content.names.retain(|other| other != name);
        if !content.names.is_empty() {
            return None;
        }
        let fragments = content.manifest.fragment_count();
        self.contents.remove(&id);
        Some(Released {
            content: id,
            fragments,
        })
    }

    fn update_target(&mut self, id: ContentId) {
        let Some(content) = self.contents.get_mut(&id) else {
            return;
        };
        let targets = content
            .names
            .iter()
            .filter_map(|name| match self.names.get(name) {
                Some(Entry::Bound { target, .. }) => Some(*target),
                _ => None,
            });
        if let Some(largest) = targets.max() {
            content.target = largest;
        }
    }

    /// The shortest list of facts that leads here.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.names.iter().filter_map(|(name, entry)| match entry {
            Entry::Tombstone { revision, at } => Some(Record {
                at: *at,
                fact: Fact::Removed {
                    name: name.clone(),
                    revision: *revision,
                },
            }),
            Entry::Bound {
                revision,
                content,
                target,
                at,
                parts,
            } => {
                let content = self.contents.get(content)?;
                let manifest = |part| self.contents.get(part).map(|part| part.manifest.clone());
                let parts = parts
                    .as_ref()
                    .map(|parts| Parts::new(parts.iter().filter_map(manifest).collect()));
                let fact = Fact::Published {
                    name: name.clone(),
                    revision: *revision,
                    target: *target,
                    manifest: content.manifest.clone(),
                    publishers: content.publishers.clone(),
                    // They were within bounds when they came.
                    parts: parts.and_then(Result::ok),
                };
                Some(Record { at: *at, fact })
            }
        })
    }

    /// The first invariant that does not hold, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        let (mut bound, mut references) = (0, 0);
        for (name, entry) in &self.names {
            require(self.revision(name) > Revision::NONE, || {
                format!("{name} has no revision")
            })?;
            let Entry::Bound { target, .. } = entry else {
                continue;
            };
            bound += 1;
            for content in self.referred(name) {
                references += 1;
                let known = self.contents.get(&content);
                let known =
                    known.ok_or_else(|| format!("{name} refers to content {content}, which is unknown"))?;
                require(known.names.binary_search(name).is_ok(), || {
                    format!("content {content} does not know its name {name}")
                })?;
                require(known.target >= *target, || {
                    format!("the target of {name} is not met by that of content {content}")
                })?;
            }
        }
        require(bound == self.bound, || {
            format!("{} names are counted, {bound} are bound", self.bound)
        })?;
        let known: usize = self.contents.values().map(|content| content.names.len()).sum();
        require(references == known, || {
            format!("contents know {known} names, {references} refer to them")
        })?;
        for (id, content) in &self.contents {
            require(!content.names.is_empty(), || format!("content {id} has no name"))?;
            require(content.manifest.content() == *id, || {
                format!("content {id} has another one's manifest")
            })?;
        }
        Ok(())
    }
}
