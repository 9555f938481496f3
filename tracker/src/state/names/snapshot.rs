//! Names as facts of a snapshot, and their invariants.

use std::collections::BTreeSet;

use shared::model::{Name, Parts, Revision, RevisionLimit, Timestamp};

use super::published::{NAME_BYTES, Published, bytes_of};
use super::revisions::MAX_PINS;
use super::{Bound, Hold, NameHistory, Names, Revised};
use crate::state::record::{Fact, NameFact, Past, Record, require};

impl Names {
    /// Returns the shortest list of facts that leads to these names; `at` is the time of those that have none
    /// of their own.
    pub(crate) fn records(&self, at: Timestamp) -> impl Iterator<Item = Record> + '_ {
        let limit = Some(self.limit).filter(|limit| *limit != RevisionLimit::ONE);
        let floor = Some(self.floor).filter(|floor| *floor != Revision::NONE);
        let stamped = move |fact| Record {
            at,
            fact: Fact::Name(fact),
        };
        let first = limit.map(|limit| stamped(NameFact::RevisionsKept(limit)));
        // The floor comes last, because known names may be below it.
        let last = floor.map(|floor| stamped(NameFact::FloorRaised(floor)));
        let names = self.histories_after(None).flat_map(move |(name, history)| {
            let count = history.revisions().len();
            // The current revision comes first: binding it forgets past ones beyond the limit, which pins
            // that were taken back may have left.
            let is_current = history.current().is_some();
            let mut all: Vec<_> = history.revisions().iter().enumerate().collect();
            all.rotate_right(usize::from(is_current && count > 1));
            all.into_iter().flat_map(move |(place, revised)| {
                let is_last = place + 1 == count;
                let fact = match &revised.bound {
                    Some(bound) if is_last && bound.hold == Hold::Current => {
                        self.bound_fact(name, revised, bound)
                    }
                    None if count == 1 && !revised.is_moved => Some(Fact::Removed {
                        name: name.clone(),
                        revision: revised.revision,
                    }),
                    _ => self.past(revised).map(|past| {
                        let (name, revision) = (name.clone(), revised.revision);
                        Fact::Name(NameFact::Remembered { name, revision, past })
                    }),
                };
                let of_current = revised.bound.as_ref().filter(|bound| bound.hold == Hold::Current);
                let pins = of_current.map(|bound| bound.pins).filter(|pins| pins.get() > 0);
                let pinned = pins.map(|pins| {
                    let (name, revision) = (name.clone(), revised.revision);
                    Fact::Name(NameFact::PinChanged { name, revision, pins })
                });
                let metadata = revised.bound.as_ref().and_then(|bound| bound.metadata.as_deref());
                let described = metadata.map(|metadata| {
                    Fact::Name(NameFact::Described {
                        name: name.clone(),
                        revision: revised.revision,
                        metadata: metadata.clone(),
                    })
                });
                let at = revised.at;
                fact.into_iter()
                    .chain(pinned)
                    .chain(described)
                    .map(move |fact| Record { at, fact })
            })
        });
        first.into_iter().chain(names).chain(last)
    }

    fn bound_fact(&self, name: &Name, revised: &Revised, bound: &Bound) -> Option<Fact> {
        let content = self.content(bound.content)?;
        Some(Fact::Published {
            name: name.clone(),
            revision: revised.revision,
            target: bound.target,
            manifest: content.manifest.clone(),
            publishers: bound.publishers.as_slice().to_vec(),
            parts: self.known_parts(bound),
        })
    }

    /// Returns the parts of a binding, which were within bounds when they came.
    fn known_parts(&self, bound: &Bound) -> Option<Parts> {
        let manifest = |part| self.content(part).map(|part| part.manifest.clone());
        let parts = bound.parts.as_ref()?.iter().copied().filter_map(manifest);
        Parts::new(parts.collect()).ok()
    }

    fn past(&self, revised: &Revised) -> Option<Past> {
        let Some(bound) = revised.bound.as_deref() else {
            return Some(match revised.is_moved {
                true => Past::Moved,
                false => Past::Removed,
            });
        };
        let Hold::Kept { since } = bound.hold else {
            let (was, pins) = (bound.revised_content(), bound.pins);
            return Some(Past::Collected { was, pins });
        };
        let content = self.content(bound.content)?;
        Some(Past::Kept {
            since,
            pins: bound.pins,
            target: bound.target,
            manifest: content.manifest.clone(),
            publishers: bound.publishers.as_slice().to_vec(),
            parts: self.known_parts(bound),
        })
    }

    /// Checks the invariants; the complaint is in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (mut bound, mut references) = (0, 0);
        for (name, history) in self.histories_after(None) {
            require(history.last() > Revision::NONE, || {
                format!("{name} has no revision")
            })?;
            self.check_history(history)
                .map_err(|why| format!("{name}: {why}"))?;
            bound += usize::from(history.current().is_some());
            let kept: BTreeSet<_> = history
                .holding()
                .flat_map(|(_, bound)| bound.contents())
                .collect();
            references += kept.len();
            for content in kept {
                let known = self.content(content);
                let known =
                    known.ok_or_else(|| format!("{name} refers to content {content}, which is unknown"))?;
                require(known.has_name(name), || {
                    format!("content {content} does not know its name {name}")
                })?;
                let is_met = |bound: &Bound| {
                    let mut publishers = bound.publishers.as_slice().iter();
                    known.target() >= bound.target
                        && publishers.all(|peer| known.publishers().contains(*peer))
                };
                require(history.referring(content).all(is_met), || {
                    format!("content {content} lacks the target or a publisher of {name}")
                })?;
            }
        }
        require(bound == self.name_count(), || {
            format!("{} names are counted, {bound} are bound", self.name_count())
        })?;
        let contents = || {
            self.contents_after(None)
                .filter_map(|id| Some((id, self.content(id)?)))
        };
        let known: usize = contents().map(|(_, content)| content.name_count()).sum();
        require(references == known, || {
            format!("contents know {known} names, {references} refer to them")
        })?;
        let mut published = Published::default();
        for (_, content) in contents() {
            published.add(content.publishers(), bytes_of(&content.manifest));
            for name in content.keepers.iter() {
                published.add(&content.keepers.publishers_of(name), NAME_BYTES);
            }
        }
        require(published == self.published, || {
            "the bytes of what peers have published are not those that are counted".to_owned()
        })?;
        for (id, content) in contents() {
            require(content.name_count() > 0, || format!("content {id} has no name"))?;
            require(content.manifest.content() == id, || {
                format!("content {id} has another one's manifest")
            })?;
        }
        Ok(())
    }

    fn check_history(&self, history: &NameHistory) -> Result<(), String> {
        let revisions = history.revisions();
        require(
            revisions.is_sorted_by(|one, next| one.revision < next.revision),
            || "its revisions are not in order".to_owned(),
        )?;
        let most = self.limit.get() as usize + MAX_PINS;
        require(revisions.len() <= most, || {
            format!("{} revisions are remembered, {most} may be", revisions.len())
        })?;
        let past = revisions.split_last().map_or(revisions, |(_, past)| past);
        let mut past = past.iter().filter_map(|one| one.bound.as_deref());
        require(past.all(|bound| bound.hold != Hold::Current), || {
            "a past revision is current".to_owned()
        })?;
        let mut bound = revisions.iter().filter_map(|one| one.bound.as_deref());
        require(
            bound.all(|bound| bound.parts.is_some() == (bound.holds() && bound.collection.is_some())),
            || "the parts of a revision are there though it keeps nothing, or the reverse".to_owned(),
        )?;
        let mut collected = revisions.iter().filter_map(|one| one.bound.as_deref());
        require(
            collected.all(|bound| bound.holds() || bound.publishers.as_slice().is_empty()),
            || "a revision that keeps nothing has publishers".to_owned(),
        )
    }
}
