//! Publishing and removing: names change by compare-and-set, linearizably.

use shared::model::{
    Binding, ContentId, Expectation, Manifest, Name, PeerId, ReplicationTarget, Revision, Timestamp,
};

use super::command::{Publish, Rejection};
use super::holders::Fragments;
use super::membership::Peer;
use super::record::{Fact, Record};
use super::{Outcome, State};

impl State {
    pub(super) fn publish(
        &mut self,
        now: Timestamp,
        publish: Publish,
        out: &mut Outcome,
    ) -> Result<Binding, Rejection> {
        self.check_publisher(&publish)?;
        self.check_content(&publish.manifest, publish.publisher)?;
        let bound = self.catalogue.binding(&publish.name);
        let is_same =
            |bound: &Binding| bound.content == publish.manifest.content() && bound.target == publish.target;
        let (revision, at) = match &bound {
            // It may be a retry whose first answer got lost: there is nothing left to expect.
            Some(bound) if is_same(bound) => (bound.revision, bound.published_at),
            _ => {
                self.check_expectation(&publish.name, bound.as_ref(), publish.expectation)?;
                (self.catalogue.revision(&publish.name).next(), now)
            }
        };
        let content = publish.manifest.content();
        let is_repeated = revision == bound.as_ref().map_or(Revision::NONE, |bound| bound.revision);
        if !(is_repeated && self.is_publisher(content, publish.publisher)) {
            let fact = Fact::Published {
                name: publish.name.clone(),
                revision,
                target: publish.target,
                manifest: publish.manifest.clone(),
                publishers: vec![publish.publisher],
            };
            self.bind(now, Record { at, fact }, &publish.manifest, out);
        }
        self.register_publisher(&publish.manifest, publish.publisher);
        Ok(Binding {
            name: publish.name,
            revision,
            content,
            length: publish.manifest.length(),
            target: publish.target,
            published_at: at,
        })
    }

    pub(super) fn remove(
        &mut self,
        now: Timestamp,
        name: Name,
        expected: Option<Revision>,
        out: &mut Outcome,
    ) -> Result<Revision, Rejection> {
        let last = self.catalogue.revision(&name);
        let Some(bound) = self.catalogue.binding(&name) else {
            // A retry names the revision that the tombstone removed.
            return match expected {
                Some(expected) if last != Revision::NONE && last.get() - 1 == expected.get() => Ok(last),
                _ => Err(Rejection::NoSuchName(name.as_str().to_owned())),
            };
        };
        if expected.is_some_and(|expected| expected != bound.revision) {
            return Err(bound_otherwise(&bound, "another revision was expected"));
        }
        let fragments = self
            .catalogue
            .content(bound.content)
            .map_or(0, |known| known.manifest.fragment_count());
        let revision = last.next();
        let released = self.commit(now, Fact::Removed { name, revision }, out);
        match released {
            Some(content) => self.orphan(now, content, fragments),
            None => self.agenda.mark(bound.content),
        }
        Ok(revision)
    }

    /// Wants another number of replicas. The name stays at its revision: it is bound to the same content as before.
    pub(super) fn set_target(
        &mut self,
        now: Timestamp,
        name: Name,
        expected: Option<Revision>,
        target: ReplicationTarget,
        out: &mut Outcome,
    ) -> Result<Binding, Rejection> {
        let bound = self.catalogue.binding(&name);
        let bound = bound.ok_or_else(|| Rejection::NoSuchName(name.as_str().to_owned()))?;
        if expected.is_some_and(|expected| expected != bound.revision) {
            return Err(bound_otherwise(&bound, "another revision was expected"));
        }
        if bound.target != target {
            self.commit(now, Fact::TargetChanged { name, target }, out);
            self.agenda.mark(bound.content);
        }
        Ok(Binding { target, ..bound })
    }

    fn check_expectation(
        &self,
        name: &Name,
        bound: Option<&Binding>,
        expectation: Expectation,
    ) -> Result<(), Rejection> {
        let current = self.catalogue.revision(name);
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

    fn check_publisher(&self, publish: &Publish) -> Result<(), Rejection> {
        let no_session = Rejection::NoSession(publish.publisher);
        let peer = self
            .members
            .get(publish.publisher)
            .ok_or_else(|| no_session.clone())?;
        let current = peer.registration.incarnation;
        if publish.incarnation < current {
            return Err(Rejection::OlderIncarnation {
                peer: publish.publisher,
                current,
                given: publish.incarnation,
            });
        }
        let is_connected = |peer: &Peer| peer.session.is_some() && publish.incarnation == current;
        if is_connected(peer) {
            Ok(())
        } else {
            Err(no_session)
        }
    }

    fn check_content(&self, manifest: &Manifest, publisher: PeerId) -> Result<(), Rejection> {
        let content = manifest.content();
        match self.catalogue.content(content) {
            Some(known) if known.manifest.fragment_length() != manifest.fragment_length() => {
                return Err(Rejection::OtherFragments {
                    content,
                    known: known.manifest.fragment_length(),
                });
            }
            _ => {}
        }
        match self.holders.get(content, publisher) {
            Some(held) if held.is_evicting => Err(Rejection::Evicting(content)),
            _ => Ok(()),
        }
    }

    fn bind(&mut self, now: Timestamp, record: Record, manifest: &Manifest, out: &mut Outcome) {
        let content = manifest.content();
        let Fact::Published { name, .. } = &record.fact else {
            return;
        };
        let old = self
            .catalogue
            .binding(name)
            .map(|bound| bound.content)
            .filter(|old| *old != content);
        let old_fragments = old
            .and_then(|old| self.catalogue.content(old))
            .map_or(0, |known| known.manifest.fragment_count());
        if self.catalogue.content(content).is_none() {
            self.holders.settle(content, manifest.fragment_count());
            self.orphans.remove(&content);
        }
        if let Some(released) = self.commit_at(record, out) {
            self.orphan(now, released, old_fragments);
        } else if let Some(old) = old {
            self.agenda.mark(old);
        }
        self.agenda.mark(content);
    }

    /// To publish is to say that one holds everything, and keeps it.
    fn register_publisher(&mut self, manifest: &Manifest, publisher: PeerId) {
        let content = manifest.content();
        if manifest.fragment_count() > 0 {
            self.holders.set(content, publisher, Fragments::All, true, false);
        }
        if let Some(session) = self
            .members
            .get_mut(publisher)
            .and_then(|peer| peer.session.as_mut())
            && let Some(unconfirmed) = &mut session.unconfirmed
        {
            unconfirmed.remove(&content);
        }
        self.assignments.cancel(content, publisher);
        self.agenda.mark(content);
    }

    /// The last name of a content of this many fragments is gone.
    fn orphan(&mut self, now: Timestamp, content: ContentId, fragments: u32) {
        self.assignments.cancel_content(content);
        self.holders.unsettle(content, fragments);
        self.surplus.remove(&content);
        if self.holders.of(content).is_empty() {
            self.agenda.settle(content);
        } else {
            self.orphans.insert(content, now.after(self.timing.removed));
            self.agenda.mark(content);
        }
    }
}

fn bound_otherwise(bound: &Binding, expected: &'static str) -> Rejection {
    let name = bound.name.as_str().to_owned();
    Rejection::Bound {
        name,
        content: bound.content,
        revision: bound.revision,
        expected,
    }
}
