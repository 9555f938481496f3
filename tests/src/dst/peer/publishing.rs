//! Drives the production publisher on a simulated outbox and network: one attempt at a time, of callers
//! first.

use peer::publisher::{Attempt, Bind, Input, Next, Outcome, Output};
use peer::session::ProtectionGuard;
use shared::ErrorCode;
use shared::model::{Name, ReplicationTarget};
use store::{FragmentStore as _, Publication, PublicationState};
use tracker::state::Publish;

use super::PeerNumber;
use super::session::SimSession;
use crate::dst::calls::{ATTEMPTS, Answered, Outcome as Answer, Purpose, Question};
use crate::dst::contents;
use crate::dst::naming;
use crate::dst::oracle::OperationId;
use crate::dst::queue::Millis;
use crate::dst::world::{Act, World};

/// An attempt under way.
pub(super) struct SimAttempt {
    /// Tells it from others in the answers to its calls.
    number: u64,
    attempt: Attempt,
    guards: Vec<ProtectionGuard>,
    /// Whether it belongs to a round through the outbox, and not to a caller.
    is_of_round: bool,
}

impl World {
    /// The user adds a file under a name: it is written to the outbox, and made at once if there is a
    /// tracker.
    pub(in crate::dst) fn put_publication(
        &mut self,
        number: PeerNumber,
        publication: Publication,
        operation: OperationId,
    ) {
        let name = publication.name.clone();
        let peer = &mut self.peers[number];
        peer.additions.insert(name.clone(), operation);
        peer.outbox.insert(name, publication.clone());
        if peer.is_connected() {
            peer.callers.push_back(publication);
            self.will_publish(number, 0);
        }
    }

    pub(in crate::dst) fn withdraw_publication(&mut self, number: PeerNumber, name: &Name) {
        let peer = &mut self.peers[number];
        if peer.outbox.get(name).is_some_and(Publication::is_pending) {
            peer.outbox.remove(name);
        }
    }

    /// Plans the next look at callers and outbox, unless one comes before.
    pub(super) fn will_publish(&mut self, number: PeerNumber, after: Millis) {
        let at = self.now + after;
        let planned = &mut self.peers[number].publishes_at;
        if planned.is_none_or(|planned| planned > at) {
            *planned = Some(at);
            self.will(number, after, Act::Publishes);
        }
    }

    /// Begins the next attempt, if none is under way.
    pub(in crate::dst) fn publish_next(&mut self, number: PeerNumber) {
        let (now, millis) = (self.timestamp(), self.now);
        let peer = &mut self.peers[number];
        if peer.publishes_at.take_if(|at| *at == millis).is_none() || peer.attempt.is_some() {
            return;
        }
        let (wanted, is_of_round) = match peer.callers.pop_front() {
            Some(wanted) => (wanted, false),
            None => match peer.rounds.next(now) {
                Next::Try(publication) => (*publication, true),
                Next::Read => {
                    let pending = peer
                        .outbox
                        .values()
                        .filter(|publication| publication.is_pending());
                    let pending = pending.cloned().collect();
                    peer.rounds.read(now, Some(pending));
                    return self.will_publish(number, 0);
                }
                Next::Wait(Some(at)) => return self.will_publish(number, at.as_millis() - millis),
                Next::Wait(None) => return,
            },
        };
        let known = peer.outbox.get(&wanted.name);
        let Some(known) = known.filter(|known| known.asks_the_same(&wanted)) else {
            // The user has withdrawn it, or added another file.
            peer.rounds.remains(now);
            return self.will_publish(number, 0);
        };
        let (attempt, output) = Attempt::begin(known.clone());
        let id = self.number();
        self.peers[number].attempt = Some(SimAttempt {
            number: id,
            attempt,
            guards: Vec::new(),
            is_of_round,
        });
        self.go_on_publishing(number, output);
    }

    /// Carries out the outputs of the attempt until one takes time.
    fn go_on_publishing(&mut self, number: PeerNumber, mut output: Output) {
        loop {
            let peer = &mut self.peers[number];
            let Some(current) = &mut peer.attempt else {
                return;
            };
            let (id, publication) = (current.number, current.attempt.publication().clone());
            let is_connected = peer.session.as_ref().is_some_and(SimSession::is_open);
            let answer = match output {
                Output::AskHead | Output::Bind(_) if !is_connected => {
                    Input::Failed(ErrorCode::Unavailable, "there is no session".to_owned())
                }
                Output::Protect => {
                    let parts = contents::parts_of(publication.content).into_iter();
                    let parts = parts.map(|part| part.manifest.content());
                    let all = parts.chain([publication.content]);
                    current.guards = all.map(|content| peer.protected.begin(content)).collect();
                    Input::Protected
                }
                Output::AskHead => {
                    let question = Question::Head(publication.name);
                    return self.call(number, question, Purpose::Publication(id), ATTEMPTS);
                }
                Output::Write(state) => Input::Written(self.write(number, &publication, state)),
                Output::LookUp => Input::Held(self.held(number, &publication)),
                Output::Bind(bind) => return self.bind(number, id, publication, *bind),
                Output::Done(outcome) => return self.attempt_over(number, &publication, &outcome),
            };
            let Some(current) = &mut self.peers[number].attempt else {
                return;
            };
            output = current.attempt.handle(answer);
        }
    }

    /// Writes a state to the outbox, if it still has what was attempted: as the index of a real store
    /// compares them.
    fn write(&mut self, number: PeerNumber, attempted: &Publication, state: PublicationState) -> bool {
        let peer = &mut self.peers[number];
        let known = peer.outbox.get_mut(&attempted.name);
        let Some(known) = known.filter(|known| *known == attempted) else {
            return false;
        };
        known.state = state.clone();
        let operation = peer.additions.get(&attempted.name).copied();
        match (state, operation) {
            (PublicationState::Published(revision), Some(operation)) => {
                self.settled(operation, naming::Answer::Done(revision));
            }
            // The tracker was never asked to bind.
            (PublicationState::Refused(_), Some(operation))
                if attempted.state == PublicationState::Pending(None) =>
            {
                self.never_happened(operation);
            }
            _ => {}
        }
        true
    }

    fn held(
        &self,
        number: PeerNumber,
        publication: &Publication,
    ) -> Option<(shared::model::Manifest, Option<shared::model::Parts>)> {
        let store = &self.peers[number].store;
        let whole = |content| store.entry(content).filter(|entry| entry.held.is_full());
        let parts = contents::parts_of(publication.content);
        let has_parts = parts.iter().all(|part| whole(part.manifest.content()).is_some());
        let entry = whole(publication.content).filter(|_| has_parts)?;
        Some((entry.manifest, contents::declared_parts(publication.content)))
    }

    fn bind(&mut self, number: PeerNumber, attempt: u64, publication: Publication, bind: Bind) {
        let peer = &self.peers[number];
        let publish = Publish {
            name: publication.name,
            manifest: bind.manifest,
            target: publication.target.unwrap_or(ReplicationTarget::DEFAULT),
            expectation: bind.expectation,
            publisher: peer.id,
            incarnation: peer.incarnation(),
            metadata: None,
            replaces_metadata: false,
            parts: bind.parts,
        };
        let question = Question::Publish(Box::new(publish));
        self.call(number, question, Purpose::Publication(attempt), ATTEMPTS);
    }

    pub(in crate::dst) fn publication_answered(
        &mut self,
        number: PeerNumber,
        attempt: u64,
        outcome: &Answer,
    ) {
        let current = self.peers[number].attempt.as_mut();
        let Some(current) = current.filter(|current| current.number == attempt) else {
            return;
        };
        let input = match outcome {
            Ok(Answered::Head(revision, bound)) => Input::Head(*revision, *bound),
            Ok(Answered::Bound(binding)) => Input::Bound(binding.revision),
            Ok(_) => Input::Failed(ErrorCode::Internal, String::new()),
            Err(failure) => Input::Failed(failure.code, failure.text.clone()),
        };
        let output = current.attempt.handle(input);
        self.go_on_publishing(number, output);
    }

    fn attempt_over(&mut self, number: PeerNumber, publication: &Publication, outcome: &Outcome) {
        let now = self.timestamp();
        self.say(format_args!(
            "peer {number}: the attempt to publish {} ends: {outcome:?}",
            publication.name
        ));
        let peer = &mut self.peers[number];
        let Some(over) = peer.attempt.take() else {
            return;
        };
        if over.is_of_round {
            peer.rounds.tried(now, !matches!(outcome, Outcome::Failed(..)));
        } else if matches!(outcome, Outcome::Refused(..)) {
            // The caller takes it back. Here the file stays shared, as after a crash just then.
            let outbox = &mut peer.outbox;
            let known = outbox.get(&publication.name);
            if known.is_some_and(|known| known.asks_the_same(publication)) {
                outbox.remove(&publication.name);
            }
        } else if !matches!(outcome, Outcome::Published(_)) {
            peer.rounds.remains(now);
        }
        drop(over.guards);
        self.protection_ended(number);
        self.will_publish(number, 0);
    }

    /// The connection is lost: an attempt of the round under way is given up, one of a caller goes on.
    pub(super) fn abandon_round(&mut self, number: PeerNumber) {
        let attempt = &mut self.peers[number].attempt;
        if attempt.take_if(|attempt| attempt.is_of_round).is_some() {
            self.protection_ended(number);
            self.will_publish(number, 0);
        }
    }
}
