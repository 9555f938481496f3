//! Operations of users: add, update, pin, put if absent, compare and set, remove, rename, read, get, forget,
//! verify.

use rand::RngExt as _;
use shared::model::{ContentId, ContentRef, Expectation, Name, ReplicationTarget, Revision};
use store::{FragmentStore as _, Publication, PublicationState, Purpose as StorePurpose};
use tracker::state::Publish;

use super::calls::{ATTEMPTS, Answered, Outcome, Purpose, Question};
use super::contents::{self, Content};
use super::naming::Asked;
use super::oracle::other_of;
use super::peer::PeerNumber;
use super::profile::Harm;
use super::world::{Event, World};

/// The share of upkeep among the operations.
const UPKEEP: f64 = 0.1;

impl World {
    pub(super) fn operate(&mut self) {
        if self.is_quiescent {
            return;
        }
        let wait = self.rng.random_range(1..=self.profile.operation_every);
        self.plan(wait, Event::Operates);
        let number = self.rng.random_range(0..self.peers.len());
        if self.rng.random_bool(UPKEEP) {
            return self.upkeep(number);
        }
        let name = self.any_name();
        if !self.peers[number].is_up || self.peers[number].is_fake || !self.has_place_for(&name) {
            return;
        }
        match self.rng.random_range(0..100) {
            0..22 => self.add(number, &name),
            22..36 => self.publish(number, &name),
            36..44 => self.remove(number, name),
            44..48 => self.rename(number, name),
            48..70 => self.ask_name(number, name),
            70..80 => {
                let name = match self.rng.random_bool(0.3) {
                    true => Name::new(self.any_revision(&name).to_string()).expect("a name"),
                    false => name,
                };
                let question = Question::Locate(ContentRef::Name(name), None);
                self.call(number, question, Purpose::Get, ATTEMPTS);
            }
            80..86 => self.pin(number, &name),
            86..96 => {
                let question = Question::Locate(ContentRef::Name(name), None);
                self.call(number, question, Purpose::Health, 1);
            }
            96 => self.verify_everything(number),
            _ => self.forget(number),
        }
    }

    pub(super) fn any_name(&mut self) -> Name {
        let n = self.rng.random_range(0..self.profile.names);
        Name::new(format!("n/{n}")).expect("a name")
    }

    pub(super) fn any_target(&mut self) -> ReplicationTarget {
        ReplicationTarget::new(self.rng.random_range(1..=4)).expect("in bounds")
    }

    /// Shares a file at the peer, new or not, and its parts.
    fn share(&mut self, number: PeerNumber, name: &Name) -> Option<&'static Content> {
        let content = &contents::pool()[self.rng.random_range(0..contents::pool().len())];
        for part in contents::parts_of(content.manifest.content()) {
            self.share_one(number, name, part)?;
        }
        self.share_one(number, name, content)
    }

    fn share_one(
        &mut self,
        number: PeerNumber,
        name: &Name,
        content: &'static Content,
    ) -> Option<&'static Content> {
        let peer = &mut self.peers[number];
        let id = content.manifest.content();
        if peer.is_disk_broken {
            return None;
        }
        let path = format!("/home/{}", id.short());
        let name = Some(name.clone());
        peer.store
            .share(&content.manifest, &content.bytes, path.into(), name)
            .ok()?;
        // From now on the file as it was read counts; but a complete copy stays where it is.
        let intact: Vec<_> = content
            .manifest
            .indices()
            .filter(|index| peer.store.is_intact(id, *index))
            .collect();
        for index in intact {
            peer.rotten.remove(&(id, index));
        }
        self.changed(number, id);
        Some(content)
    }

    fn add(&mut self, number: PeerNumber, name: &Name) {
        let (target, update) = (self.any_target(), self.rng.random_bool(0.5));
        let Some(content) = self.share(number, name) else {
            return;
        };
        let id = content.manifest.content();
        let what = (id, target.get());
        let operation = self.begins(name, Asked::Add { what, update }, false);
        self.say(format_args!("peer {number}: adds {} as {name}", id.short()));
        let publication = Publication {
            name: name.clone(),
            content: id,
            target: Some(target),
            update,
            metadata: None,
            state: PublicationState::Pending(None),
        };
        self.put_publication(number, publication, operation);
    }

    /// Publishes as a client that speaks to the tracker itself, in the name of a peer that has the content.
    fn publish(&mut self, number: PeerNumber, name: &Name) {
        let target = self.any_target();
        let Some(content) = self.share(number, name) else {
            return;
        };
        let (expectation, attempts) = match self.rng.random_range(0..4) {
            0 => (Expectation::Unbound, 1),
            1 => (Expectation::Anything, 1),
            2 => (Expectation::Revision(self.known_revision(name)), 1),
            _ => (Expectation::Revision(self.known_revision(name)), ATTEMPTS),
        };
        let what = (content.manifest.content(), target.get());
        let asked = Asked::Publish { what, expectation };
        let operation = self.begins(name, asked, attempts == 1);
        let publish = Publish {
            name: name.clone(),
            manifest: content.manifest.clone(),
            target,
            expectation,
            publisher: self.peers[number].id,
            incarnation: self.peers[number].incarnation(),
            metadata: None,
            replaces_metadata: false,
            keeps_target: false,
            parts: contents::declared_parts(what.0),
        };
        let question = Question::Publish(Box::new(publish));
        self.lend(number, what.0);
        for part in contents::parts_of(what.0) {
            self.lend(number, part.manifest.content());
        }
        self.call(number, question, Purpose::Operation(operation), attempts);
    }

    /// Returns the newest revision that anyone has seen, or an older one.
    pub(super) fn known_revision(&mut self, name: &Name) -> Revision {
        let newest = self.oracle.newest.get(name).map_or(0, |(newest, _)| newest.get());
        let back = if self.rng.random_bool(0.2) { 1 } else { 0 };
        Revision::new(newest.saturating_sub(back))
    }

    fn remove(&mut self, number: PeerNumber, name: Name) {
        self.withdraw_publication(number, &name);
        let (expected, attempts) = match self.rng.random_range(0..3) {
            0 => (None, 1),
            1 => (Some(self.known_revision(&name)), 1),
            _ => (Some(self.known_revision(&name)), ATTEMPTS),
        };
        let operation = self.begins(&name, Asked::Remove { expected }, attempts == 1);
        let question = Question::Remove { name, expected };
        self.call(number, question, Purpose::Operation(operation), attempts);
    }

    fn rename(&mut self, number: PeerNumber, from: Name) {
        let (expected, attempts) = match self.rng.random_range(0..3) {
            0 => (None, 1),
            1 => (Some(self.known_revision(&from)), 1),
            _ => (Some(self.known_revision(&from)), ATTEMPTS),
        };
        let operation = self.begins(&from, Asked::Rename { expected }, attempts == 1);
        let to = other_of(&from);
        let question = Question::Rename { from, to, expected };
        self.call(number, question, Purpose::Operation(operation), attempts);
    }

    fn ask_name(&mut self, number: PeerNumber, name: Name) {
        let operation = self.begins(&name, Asked::Read, false);
        let question = match self.rng.random_bool(0.5) {
            true => Question::Resolve(name),
            false => Question::Head(name),
        };
        self.call(number, question, Purpose::Operation(operation), ATTEMPTS);
    }

    pub(super) fn get_answered(&mut self, number: PeerNumber, outcome: Outcome) {
        let Ok(Answered::Location(location)) = outcome else {
            return;
        };
        let content = location.manifest.content();
        let (name, revision) = (location.binding.name.clone(), location.binding.revision);
        self.observed(&name, revision, Some(content));
        let output = format!("/out/{}", self.number()).into();
        let purpose = StorePurpose::Fetched {
            name: Some(location.binding.name.clone()),
            output,
            overwrite: false,
        };
        if self.prepare(number, &location.manifest, purpose).is_err() {
            return;
        }
        let sources = location.holders.iter().map(|holder| holder.peer.id).collect();
        self.say(format_args!("peer {number}: gets {}", content.short()));
        let all = location.manifest.all_fragments();
        self.copy(number, &location.manifest, &all, sources, None);
    }

    pub(super) fn health_answered(&mut self, outcome: Outcome) {
        if let Ok(Answered::Location(location)) = outcome {
            let binding = &location.binding;
            self.say(format_args!("{} is {}", binding.name, location.health.state));
        }
    }

    fn verify_everything(&mut self, number: PeerNumber) {
        for entry in self.peers[number].store.entries() {
            for index in entry.held.iter() {
                self.verify(number, entry.manifest.content(), index);
            }
        }
    }

    /// `peer forget`, by one user or by several at the same moment.
    fn forget(&mut self, number: PeerNumber) {
        let entries = self.peers[number].store.entries();
        if entries.is_empty() {
            return;
        }
        let content = entries[self.rng.random_range(0..entries.len())]
            .manifest
            .content();
        let is_forced = self.profile.harm != Harm::None && self.rng.random_bool(0.4);
        let others = if self.rng.random_bool(0.5) { 3 } else { 0 };
        let holds = |other: &usize| {
            let peer = &self.peers[*other];
            *other != number && peer.is_up && peer.store.entry(content).is_some()
        };
        let others: Vec<_> = (0..self.peers.len()).filter(holds).take(others).collect();
        for number in others.into_iter().chain([number]) {
            if is_forced {
                self.forget_one(number, content);
            } else {
                let peer = self.peers[number].id;
                self.call(number, Question::Release { peer, content }, Purpose::PeerMode, 1);
            }
        }
    }

    /// `peer forget --force`: the user decides to destroy a copy.
    fn forget_one(&mut self, number: PeerNumber, content: ContentId) {
        self.withdraw_orders(number, content);
        let peer = &mut self.peers[number];
        peer.outbox
            .retain(|_, publication| publication.content != content);
        drop(peer.store.forget(content));
        let id = peer.id;
        self.say(format_args!("peer {number}: forgets {}", content.short()));
        self.destroyed(id, content);
        self.forgotten(number, content);
    }
}
