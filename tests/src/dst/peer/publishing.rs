//! The outbox brought to the tracker, as `peer::publisher` does it: one publication at a time, protected from eviction,
//! the revision to follow written down before a binding is asked for.

use peer::publisher::Next;
use peer::store::{FragmentStore as _, Publication, PublicationState};
use shared::model::{Expectation, Name, Revision};
use tracker::state::Publish;

use super::PeerNumber;
use crate::dst::calls::{ATTEMPTS, Answered, Failure, Outcome, Purpose, Question};
use crate::dst::contents;
use crate::dst::naming::Answer;
use crate::dst::oracle::OperationId;
use crate::dst::world::{Act, World};

/// Publications that failed for a passing reason are tried again after this.
const RETRY_WAIT: u64 = 2_000;

impl World {
    /// The user adds a file under a name: it is shared and written to the outbox.
    pub(in crate::dst) fn put_publication(
        &mut self,
        number: PeerNumber,
        publication: Publication,
        operation: OperationId,
    ) {
        let name = publication.name.clone();
        let peer = &mut self.peers[number];
        peer.additions.insert(name.clone(), operation);
        peer.outbox.insert(name, publication);
        self.will(number, 0, Act::Publishes);
    }

    pub(in crate::dst) fn withdraw_publication(&mut self, number: PeerNumber, name: &Name) {
        let peer = &mut self.peers[number];
        if peer.outbox.get(name).is_some_and(Publication::is_pending) {
            peer.outbox.remove(name);
        }
    }

    /// Tries the next pending publication, if none is being tried.
    pub(in crate::dst) fn publish_pending(&mut self, number: PeerNumber) {
        let peer = &mut self.peers[number];
        if peer.publishing.is_some() || !peer.is_connected() {
            return;
        }
        let pending = peer.outbox.values().find(|publication| publication.is_pending());
        let Some(publication) = pending else {
            return;
        };
        // Before the store is asked: from here on the content cannot be evicted under us.
        let parts = contents::parts_of(publication.content);
        let all = parts
            .iter()
            .map(|part| part.manifest.content())
            .chain([publication.content]);
        let guards = all.map(|content| peer.protected.begin(content)).collect();
        peer.publishing = Some((publication.clone(), guards));
        self.publication_step(number);
    }

    fn publication_step(&mut self, number: PeerNumber) {
        let peer = &self.peers[number];
        let Some((attempted, _)) = &peer.publishing else {
            return;
        };
        match attempted.next() {
            Next::AskHead => {
                let question = Question::Head(attempted.name.clone());
                self.call(number, question, Purpose::Publication, ATTEMPTS);
            }
            Next::Ask(base) => self.ask(number, base),
            Next::Published(_) | Next::Refused(_) => self.stop_publishing(number, 0),
        }
    }

    fn ask(&mut self, number: PeerNumber, base: Revision) {
        let peer = &self.peers[number];
        let Some((attempted, _)) = &peer.publishing else {
            return;
        };
        let entry = peer.store.entry(attempted.content);
        let has = |part: &&contents::Content| {
            let entry = peer.store.entry(part.manifest.content());
            entry.is_some_and(|entry| entry.held.is_full())
        };
        let has_parts = contents::parts_of(attempted.content).iter().all(has);
        let Some(entry) = entry.filter(|entry| entry.held.is_full() && has_parts) else {
            let failure = Failure {
                code: shared::ErrorCode::NotFound,
                text: "the file is no longer shared here".to_owned(),
            };
            return self.publication_answered(number, &Err(failure), 1);
        };
        let publish = Publish {
            name: attempted.name.clone(),
            manifest: entry.manifest,
            target: attempted.target,
            expectation: Expectation::Revision(base),
            publisher: peer.id,
            incarnation: peer.incarnation(),
            parts: contents::told_parts(attempted.content),
        };
        let question = Question::Publish(Box::new(publish));
        self.call(number, question, Purpose::Publication, ATTEMPTS);
    }

    pub(in crate::dst) fn publication_answered(
        &mut self,
        number: PeerNumber,
        outcome: &Outcome,
        attempts: u32,
    ) {
        let peer = &mut self.peers[number];
        let Some((attempted, _)) = &mut peer.publishing else {
            return;
        };
        let name = attempted.name.clone();
        // As the index of a real store compares them.
        let Some(publication) = peer.outbox.get_mut(&name).filter(|known| *known == attempted) else {
            // The user has withdrawn it, or added something else.
            return self.stop_publishing(number, 0);
        };
        let was_asked = matches!(publication.next(), Next::Ask(_));
        let told = match outcome {
            Ok(Answered::Head(revision, bound)) => match publication.follow(*revision, *bound) {
                Ok(state) => {
                    publication.state = state.clone();
                    attempted.state = state;
                    return self.publication_step(number);
                }
                Err(reason) => Err((shared::ErrorCode::Conflict, reason)),
            },
            Ok(Answered::Bound(binding)) => Ok(binding.revision),
            Ok(_) => Err((shared::ErrorCode::Internal, String::new())),
            Err(failure) => Err((failure.code, failure.text.clone())),
        };
        let state = PublicationState::after(match &told {
            Ok(revision) => Ok(*revision),
            Err((code, reason)) => Err((*code, reason)),
        });
        let Some(state) = state else {
            return self.stop_publishing(number, RETRY_WAIT);
        };
        publication.state = state;
        let operation = peer.additions.get(&name).copied();
        match (told, operation) {
            (Ok(revision), Some(operation)) => self.settled(operation, Answer::Done(revision)),
            // Nothing was ever asked for.
            (Err(_), Some(operation)) if !was_asked => self.never_happened(operation),
            _ => {}
        }
        let is_refused = self.peers[number]
            .outbox
            .get(&name)
            .is_some_and(|publication| matches!(publication.next(), Next::Refused(_)));
        self.say(format_args!(
            "peer {number}: the publication of {name} is settled, refused: {is_refused}, after {attempts}"
        ));
        if is_refused {
            // The file stays shared until the tracker says otherwise.
            self.peers[number].outbox.remove(&name);
        }
        self.stop_publishing(number, 0);
    }

    fn stop_publishing(&mut self, number: PeerNumber, wait: u64) {
        // The guard goes with it, and the end is told at once.
        self.peers[number].publishing = None;
        self.announce_ended(number);
        self.will(number, wait, Act::Publishes);
    }

    /// The peer itself has dropped its copy, or a reason for it.
    pub(in crate::dst) fn forgotten(&mut self, number: PeerNumber, content: shared::model::ContentId) {
        let peer = &mut self.peers[number];
        if peer.store.entry(content).is_none() {
            peer.rotten.retain(|(rotten, _)| *rotten != content);
        }
        self.changed(number, content);
    }
}
