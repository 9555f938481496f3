//! Names, their revisions and tombstones, and the contents that they refer to.
//!
//! Invariants: a content is here if and only if a name is bound to it; its effective target is the largest of its
//! names'; a name's revision only grows, through tombstones too. Tombstones are kept for good: they are what stops
//! a removed name from coming back as new. Knows nothing of peers' lives or holdings.

use std::collections::BTreeMap;
use std::ops::Bound;

use shared::model::{Binding, ContentId, Manifest, Name, PeerId, ReplicationTarget, Revision, Timestamp};

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
    },
    Tombstone {
        revision: Revision,
        at: Timestamp,
    },
}

/// A content that some name refers to.
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

impl Content {
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
            } => Some(Binding {
                name: name.clone(),
                revision: *revision,
                content: *content,
                length: self.contents.get(content)?.manifest.length(),
                target: *target,
                published_at: *at,
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

    /// Binds a name; returns the content that no name refers to any longer because of it.
    pub(super) fn bind(
        &mut self,
        name: &Name,
        revision: Revision,
        target: ReplicationTarget,
        manifest: Manifest,
        publishers: &[PeerId],
        at: Timestamp,
    ) -> Option<ContentId> {
        let id = manifest.content();
        let content = self.contents.entry(id).or_insert_with(|| Content {
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
        let previous = self.names.insert(
            name.clone(),
            Entry::Bound {
                revision,
                content: id,
                target,
                at,
            },
        );
        let released = match previous {
            Some(Entry::Bound { content: old, .. }) if old != id => self.release(old, name),
            Some(Entry::Bound { .. }) => None,
            Some(Entry::Tombstone { .. }) | None => {
                self.bound += 1;
                None
            }
        };
        if let Some(Entry::Bound { content: old, .. }) = previous {
            self.update_target(old);
        }
        self.update_target(id);
        released
    }

    /// Changes how many replicas a bound name wants.
    pub(super) fn set_target(&mut self, name: &Name, wanted: ReplicationTarget) {
        if let Some(Entry::Bound { content, target, .. }) = self.names.get_mut(name) {
            *target = wanted;
            let content = *content;
            self.update_target(content);
        }
    }

    /// Leaves a tombstone; returns the content that no name refers to any longer because of it.
    pub(super) fn remove(&mut self, name: &Name, revision: Revision, at: Timestamp) -> Option<ContentId> {
        let previous = self.names.insert(name.clone(), Entry::Tombstone { revision, at });
        let Some(Entry::Bound { content, .. }) = previous else {
            return None;
        };
        self.bound -= 1;
        let released = self.release(content, name);
        self.update_target(content);
        released
    }

    fn release(&mut self, id: ContentId, name: &Name) -> Option<ContentId> {
        let content = self.contents.get_mut(&id)?;
        content.names.retain(|other| other != name);
        content.names.is_empty().then(|| {
            self.contents.remove(&id);
            id
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
            } => {
                let content = self.contents.get(content)?;
                let fact = Fact::Published {
                    name: name.clone(),
                    revision: *revision,
                    target: *target,
                    manifest: content.manifest.clone(),
                    publishers: content.publishers.clone(),
                };
                Some(Record { at: *at, fact })
            }
        })
    }

    /// The first invariant that does not hold, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut bound = 0;
        for (name, entry) in &self.names {
            require(self.revision(name) > Revision::NONE, || {
                format!("{name} has no revision")
            })?;
            if let Entry::Bound { content, target, .. } = entry {
                bound += 1;
                let known = self.contents.get(content);
                let known =
                    known.ok_or_else(|| format!("{name} is bound to content {content}, which is unknown"))?;
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
        let references: usize = self.contents.values().map(|content| content.names.len()).sum();
        require(references == bound, || {
            format!("contents know {references} names, {bound} are bound to them")
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
