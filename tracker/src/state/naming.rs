//! Publishing and removing: names change by compare-and-set, linearizably.

use shared::model::{
    Binding, CollectionSize, ContentId, Expectation, Manifest, Name, Parts, PeerId, ReplicationTarget,
    Revision, Timestamp,
};

use super::catalogue::Settled;
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
        for manifest in contents_of(&publish.manifest, publish.parts.as_ref()) {
            self.check_content(manifest, publish.publisher)?;
        }
        let bound = self.catalogue.binding(&publish.name);
        let content = publish.manifest.content();
        let is_same = |bound: &Binding| {
            let parts = publish.parts.iter().flat_map(Parts::ids);
            bound.content == content
                && bound.target == publish.target
                && bound.collection.is_some() == publish.parts.is_some()
                && parts.eq(self.catalogue.parts(&publish.name).iter().copied())
        };
        let (revision, at) = match &bound {
            // It may be a retry whose first answer got lost: there is nothing left to expect.
            Some(bound) if is_same(bound) => (bound.revision, bound.published_at),
            _ => {
                self.check_expectation(&publish.name, bound.as_ref(), publish.expectation)?;
                (self.catalogue.next_binding(&publish.name), now)
            }
        };
        let is_repeated = revision == bound.as_ref().map_or(Revision::NONE, |bound| bound.revision);
        // A repetition may come late: what the peer has announced since is newer than what it then held.
        if !(is_repeated && self.catalogue.is_published_by(&publish.name, publish.publisher)) {
            let fact = Fact::Published {
                name: publish.name.clone(),
                revision,
                target: publish.target,
                manifest: publish.manifest.clone(),
                publishers: vec![publish.publisher],
                parts: publish.parts.clone(),
            };
            self.bind(now, Record { at, fact }, out);
            for manifest in contents_of(&publish.manifest, publish.parts.as_ref()) {
                self.register_publisher(manifest, publish.publisher);
            }
        }
        Ok(Binding {
            name: publish.name,
            revision,
            content,
            length: publish.manifest.length(),
            target: publish.target,
            published_at: at,
            collection: publish.parts.map(|parts| CollectionSize {
                parts: u32::try_from(parts.manifests().len()).unwrap_or(u32::MAX),
                length: parts.length(),
            }),
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
            let is_known = self.catalogue.line(&name).is_some();
            // A retry names the revision that the tombstone removed.
            return match expected {
                Some(expected) if is_known && last.get() - 1 == expected.get() => Ok(last),
                _ => Err(Rejection::NoSuchName(name.as_str().to_owned())),
            };
        };
        if expected.is_some_and(|expected| expected != bound.revision) {
            return Err(bound_otherwise(&bound, "another revision was expected"));
        }
        let revision = last.next();
        let settled = self.commit(now, Fact::Removed { name, revision }, out);
        self.let_go(now, settled);
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
            let settled = self.commit(now, Fact::TargetChanged { name, target }, out);
            self.let_go(now, settled);
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

    fn bind(&mut self, now: Timestamp, record: Record, out: &mut Outcome) {
        let Fact::Published { manifest, parts, .. } = &record.fact else {
            return;
        };
        for manifest in contents_of(manifest, parts.as_ref()) {
            let content = manifest.content();
            if self.catalogue.content(content).is_none() {
                self.holders.settle(content, manifest.fragment_count());
                self.orphans.remove(&content);
            }
            self.agenda.mark(content);
        }
        let settled = self.commit_at(record, out);
        self.let_go(now, settled);
    }

    /// Names refer to contents otherwise than before; some of these no name keeps any more.
    pub(super) fn let_go(&mut self, now: Timestamp, settled: Settled) {
        settled
            .touched
            .into_iter()
            .for_each(|content| self.agenda.mark(content));
        for gone in settled.released {
            self.orphan(now, gone.content, gone.fragments);
        }
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

/// A content and the parts that belong to it.
fn contents_of<'a>(manifest: &'a Manifest, parts: Option<&'a Parts>) -> impl Iterator<Item = &'a Manifest> {
    std::iter::once(manifest).chain(parts.into_iter().flat_map(Parts::manifests))
}

pub(super) fn bound_otherwise(bound: &Binding, expected: &'static str) -> Rejection {
    let name = bound.name.as_str().to_owned();
    Rejection::Bound {
        name,
        content: bound.content,
        revision: bound.revision,
        expected,
    }
}
