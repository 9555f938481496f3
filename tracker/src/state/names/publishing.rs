//! Publishing, removing and renaming: names change by compare-and-set, linearizably.
//!
//! Every function decides and changes nothing: it returns the answer, and the fact that makes the answer true
//! unless it is true already. A rename is one fact that binds a name and removes another, so nobody ever sees
//! both or neither, and no content of it is without a name in between.

use proto::messages::Publish;
use shared::model::{
    Binding, CollectionSize, Expectation, Manifest, Name, Parts, ReplicationTarget, Revision, Timestamp,
};

use super::{NameHistory, Names};
use crate::state::command::Rejection;
use crate::state::record::{Fact, NameFact};

/// Answer to a command, and the fact that makes it true; no fact when it is true already.
pub(crate) type Decision<T> = Result<(T, Option<Fact>), Rejection>;

impl Names {
    /// Binds a name to a content. A repetition of what its publisher has published already changes nothing.
    pub(crate) fn publish(&self, now: Timestamp, publish: &Publish) -> Decision<Binding> {
        let bound = self.binding(&publish.name);
        let content = publish.manifest.content();
        let target = match &bound {
            Some(bound) if publish.keeps_target => bound.target,
            _ => publish.target,
        };
        let is_same = |bound: &Binding| {
            let parts = publish.parts.iter().flat_map(Parts::ids);
            bound.content == content
                && bound.target == target
                && bound.collection.is_some() == publish.parts.is_some()
                && parts.eq(self.parts(&publish.name).iter().copied())
        };
        let (revision, at) = match &bound {
            // This may be a retry whose first answer got lost, so the expectation is not checked.
            Some(bound) if is_same(bound) => (bound.revision, bound.published_at),
            _ => {
                if bound.is_none() {
                    publish.name.require_visible()?;
                }
                self.check_expectation(&publish.name, bound.as_ref(), publish.expectation)?;
                (given(&publish.name, self.next_binding(&publish.name))?, now)
            }
        };
        let is_repeated = revision == bound.as_ref().map_or(Revision::NONE, |bound| bound.revision);
        // A repetition may come late, and the peer's announces since then are newer.
        let is_new = !is_repeated || self.can_be_published_by(&publish.name, publish.publisher);
        if !is_repeated && self.published.is_beyond(publish) {
            return Err(Rejection::TooMuchPublished(publish.publisher));
        }
        let fact = is_new.then(|| Fact::Published {
            name: publish.name.clone(),
            revision,
            target,
            manifest: publish.manifest.clone(),
            publishers: vec![publish.publisher],
            parts: publish.parts.clone(),
        });
        let binding = Binding {
            name: publish.name.clone(),
            revision,
            content,
            length: publish.manifest.length(),
            target,
            published_at: at,
            collection: publish.parts.as_ref().map(size_of),
            metadata: match bound {
                // Bytes that are the same are the same file, also with another target.
                Some(bound) if bound.content == content => {
                    let replacing = publish.metadata.clone().filter(|_| publish.replaces_metadata);
                    replacing.or(bound.metadata)
                }
                _ => publish.metadata.clone(),
            },
        };
        Ok((binding, fact))
    }

    /// Returns the fact that gives a binding the metadata that it is to have, unless it has them.
    pub(crate) fn describe(&self, binding: &Binding) -> Option<Fact> {
        let metadata = binding.metadata.clone()?;
        let bound = self.binding(&binding.name)?;
        let is_described = bound.revision != binding.revision || bound.metadata.as_ref() == Some(&metadata);
        (!is_described).then(|| {
            Fact::Name(NameFact::Described {
                name: binding.name.clone(),
                revision: binding.revision,
                metadata,
            })
        })
    }

    /// Removes a name; answers with the revision of its tombstone.
    pub(crate) fn remove(&self, name: Name, expected: Option<Revision>) -> Decision<Revision> {
        let last = self.revision(&name);
        let Some(bound) = self.binding(&name) else {
            // A name that was renamed was not removed: its content is there, under the other name.
            let was_removed = self.history(&name).is_some_and(|history| !history.was_moved());
            // A retry names the revision that the tombstone removed.
            return match expected {
                Some(expected) if was_removed && expected.next() == Some(last) => Ok((last, None)),
                _ => Err(Rejection::NoSuchName(name.as_str().to_owned())),
            };
        };
        expect(&bound, expected)?;
        let revision = given(&name, last.next())?;
        Ok((revision, Some(Fact::Removed { name, revision })))
    }

    /// Changes how many replicas a name wants. The name stays at its revision: it is bound to the same
    /// content.
    pub(crate) fn set_target(
        &self,
        name: Name,
        expected: Option<Revision>,
        target: ReplicationTarget,
    ) -> Decision<Binding> {
        let bound = self.binding(&name);
        let bound = bound.ok_or_else(|| Rejection::NoSuchName(name.as_str().to_owned()))?;
        expect(&bound, expected)?;
        let fact = (bound.target != target).then_some(Fact::TargetChanged { name, target });
        Ok((Binding { target, ..bound }, fact))
    }

    /// Gives what a name is bound to another name, which must not be bound. The old name leaves a tombstone.
    pub(crate) fn rename(
        &self,
        now: Timestamp,
        from: Name,
        to: Name,
        expected: Option<Revision>,
    ) -> Decision<Binding> {
        let taken = self.binding(&to);
        let Some(bound) = self.binding(&from) else {
            let done = taken.filter(|taken| self.is_renamed(&from, taken, expected));
            let done = done.ok_or_else(|| Rejection::NoSuchName(from.as_str().to_owned()))?;
            return Ok((done, None));
        };
        expect(&bound, expected)?;
        if let Some(taken) = taken {
            return Err(bound_otherwise(&taken, "nothing was expected"));
        }
        to.require_visible()?;
        let revision = given(&to, self.next_binding(&to))?;
        let tombstone = given(&from, bound.revision.next())?;
        let fact = Fact::Renamed {
            from,
            tombstone,
            to: to.clone(),
            revision,
        };
        let binding = Binding {
            name: to,
            revision,
            published_at: now,
            ..bound
        };
        Ok((binding, Some(fact)))
    }

    /// Returns whether a rename from a removed name to this binding was carried out before.
    ///
    /// A retry names the revision that was renamed, and both names have changed at the same moment. Several
    /// commands of one batch happen at one moment too, so the content has to be the same, if it is known.
    fn is_renamed(&self, from: &Name, to: &Binding, expected: Option<Revision>) -> bool {
        let Some(expected) = expected else {
            return false;
        };
        let history = self.history(from);
        let was = history.and_then(|history| history.get(expected)?.bound());
        expected.next() == Some(self.revision(from))
            && history.and_then(NameHistory::removed_at) == Some(to.published_at)
            && was.is_none_or(|was| was.content() == to.content)
    }

    fn check_expectation(
        &self,
        name: &Name,
        bound: Option<&Binding>,
        expectation: Expectation,
    ) -> Result<(), Rejection> {
        let current = self.revision(name);
        match (expectation, bound) {
            (Expectation::Anything, _) | (Expectation::Unbound, None) => Ok(()),
            (Expectation::Revision(expected), _) if expected == current => Ok(()),
            (Expectation::Unbound, Some(bound)) => Err(bound_otherwise(bound, "nothing was expected")),
            (Expectation::Revision(_), Some(bound)) => {
                Err(bound_otherwise(bound, "another revision was expected"))
            }
            (Expectation::Revision(expected), None) => Err(Rejection::Unbound {
                name: name.as_str().to_owned(),
                expected,
            }),
        }
    }

    /// Refuses a content that is known in fragments of another length.
    pub(crate) fn check_fragments(&self, manifest: &Manifest) -> Result<(), Rejection> {
        let content = manifest.content();
        match self
            .content(content)
            .map(|known| known.manifest().fragment_length())
        {
            Some(known) if known != manifest.fragment_length() => {
                Err(Rejection::OtherFragments { content, known })
            }
            _ => Ok(()),
        }
    }
}

/// Returns the number of parts of a collection and their total length.
pub(crate) fn size_of(parts: &Parts) -> CollectionSize {
    CollectionSize {
        parts: u32::try_from(parts.manifests().len()).unwrap_or(u32::MAX),
        length: parts.length(),
    }
}

fn expect(bound: &Binding, expected: Option<Revision>) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != bound.revision => {
            Err(bound_otherwise(bound, "another revision was expected"))
        }
        _ => Ok(()),
    }
}

/// Returns the next revision of a name, if there is one.
fn given(name: &Name, next: Option<Revision>) -> Result<Revision, Rejection> {
    next.ok_or_else(|| Rejection::RevisionsUsedUp(name.as_str().to_owned()))
}

fn bound_otherwise(bound: &Binding, expected: &'static str) -> Rejection {
    Rejection::Bound {
        name: bound.name.as_str().to_owned(),
        content: bound.content,
        revision: bound.revision,
        expected,
    }
}
