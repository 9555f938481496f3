//! Calls to the tracker: each may be lost, late, doubled, or answered to nobody. A call that may be repeated
//! is tried again as the production client does (`proto::client`).

use rand::RngExt as _;
use shared::model::{
    Binding, ContentId, ContentRef, Location, Name, PeerId, PinWish, ReplicationTarget, RequestedMode,
    Revision, RevisionEntry,
};
use shared::{Coded as _, ErrorCode};
use tracker::state::{Publish, Rejection, SessionId};

use super::connections::End;
use super::oracle::OperationId;
use super::peer::PeerNumber;
use super::pins::WishId;
use super::queue::Millis;
use super::world::{Event, World};

/// The number of a call; never used twice.
pub(super) type CallId = u64;

/// The longest wait for the answer to an attempt.
const DEADLINE: Millis = 3_000;

/// Attempts at a call, as in the production client.
pub(super) const ATTEMPTS: u32 = 4;

/// A question to the tracker.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Head(Name),
    Resolve(Name),
    Locate(ContentRef, Option<PeerId>),
    Publish(Box<Publish>),
    Remove {
        name: Name,
        expected: Option<Revision>,
    },
    Rename {
        from: Name,
        to: Name,
        expected: Option<Revision>,
    },
    SetTarget {
        name: Name,
        expected: Option<Revision>,
        target: ReplicationTarget,
    },
    SetPeerMode {
        peer: PeerId,
        wish: RequestedMode,
    },
    Pin(Box<PinWish>),
    Release {
        peer: PeerId,
        content: ContentId,
    },
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) enum Answered {
    Head(Revision, Option<ContentId>),
    Bound(Binding),
    Removed(Revision),
    Pinned(RevisionEntry),
    Location(Box<Location>),
}

/// A refusal, or the lack of an answer.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: ErrorCode,
    pub(super) text: String,
}

pub(super) type Outcome = Result<Answered, Failure>;

impl Failure {
    pub(super) fn unavailable() -> Self {
        Self {
            code: ErrorCode::Unavailable,
            text: "the tracker is away".to_owned(),
        }
    }
}

impl From<&Rejection> for Failure {
    fn from(rejection: &Rejection) -> Self {
        Self {
            code: rejection.code(),
            text: rejection.to_string(),
        }
    }
}

/// The purpose of a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// An operation whose answer its user sees.
    Operation(OperationId),
    /// A step of this attempt at a publication.
    Publication(u64),
    /// More sources for a copy under way.
    Sources(ContentId),
    /// Pinning or unpinning a revision.
    Pin(WishId),
    /// A content that a user wants.
    Get,
    /// Whether a content has its replicas.
    Health,
    /// The mode of a peer, or the release of a copy.
    PeerMode,
}

/// A call under way, or over.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) peer: PeerNumber,
    pub(super) run: u64,
    pub(super) question: Question,
    pub(super) purpose: Purpose,
    pub(super) attempt: u32,
    attempts: u32,
    is_open: bool,
    /// Session whose secret the call carries, and the run of the tracker that gave it.
    pub(super) session: Option<(u64, SessionId)>,
}

impl World {
    pub(super) fn call(&mut self, peer: PeerNumber, question: Question, purpose: Purpose, attempts: u32) {
        let (id, run) = (self.number(), self.peers[peer].run);
        let call = Call {
            session: self.secret_of(peer),
            peer,
            run,
            question,
            purpose,
            attempt: 0,
            attempts,
            is_open: true,
        };
        self.calls.insert(id, call);
        self.attempt(id);
    }

    pub(super) fn attempt(&mut self, id: CallId) {
        let (there, again) = (self.delay(), self.delay());
        let loss = self.profile.loss;
        let (is_lost, is_twice) = (self.chance(loss), self.chance(self.profile.duplicates));
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.is_open) else {
            return;
        };
        call.attempt += 1;
        let (attempt, peer) = (call.attempt, call.peer);
        let may_repeat = call.attempts > 1;
        if !is_lost && !self.are_cut(End::Peer(peer), End::Tracker) {
            self.plan(there, Event::Asks(id, attempt));
            if is_twice && may_repeat {
                self.plan(there + again * 3, Event::Asks(id, attempt));
            }
        }
        self.plan(DEADLINE, Event::TimesOut(id, attempt));
    }

    pub(super) fn answer(&mut self, id: CallId, attempt: u32, outcome: Outcome) {
        let (delay, is_lost) = (self.delay(), self.chance(self.profile.loss));
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        if !is_lost && !self.are_cut(End::Peer(call.peer), End::Tracker) {
            self.plan(delay, Event::Answers(id, attempt, outcome));
        }
    }

    /// Loses the answers of a process whose journal was replaced since.
    pub(super) fn answers_get_lost(&mut self) {
        let open = self.calls.iter_mut().filter(|(_, call)| call.is_open);
        let mut late = Vec::new();
        for (id, call) in open {
            call.attempt += 1;
            late.push((*id, call.attempt));
        }
        for (id, attempt) in late {
            self.plan(DEADLINE, Event::TimesOut(id, attempt));
        }
    }

    pub(super) fn call_timed_out(&mut self, id: CallId, attempt: u32) {
        let failure = Failure {
            code: ErrorCode::DeadlineExceeded,
            text: "no answer".to_owned(),
        };
        self.call_answered(id, attempt, Err(failure));
    }

    pub(super) fn call_answered(&mut self, id: CallId, attempt: u32, outcome: Outcome) {
        let wait = self.rng.random_range(100..1_000);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        // An answer to an attempt that was given up, or to a process that is gone, is not heard.
        if !call.is_open || call.attempt != attempt || !self.peers[call.peer].is_in(call.run) {
            return;
        }
        if call.attempt < call.attempts && outcome.as_ref().is_err_and(|f| f.code.is_retryable()) {
            return self.plan(wait, Event::Retries(id));
        }
        call.is_open = false;
        let (peer, purpose, attempts) = (call.peer, call.purpose, call.attempt);
        if !matches!(purpose, Purpose::Health | Purpose::Sources(_)) {
            self.say(format_args!("peer {peer}: {purpose:?} is answered {outcome:?}"));
        }
        match purpose {
            Purpose::Operation(operation) => self.operation_answered(operation, &outcome, attempts),
            Purpose::Publication(attempt) => self.publication_answered(peer, attempt, &outcome),
            Purpose::Sources(content) => self.sources_answered(peer, content, outcome),
            Purpose::Pin(wish) => self.pin_answered(wish, &outcome),
            Purpose::Get => self.get_answered(peer, outcome),
            Purpose::Health => self.health_answered(outcome),
            Purpose::PeerMode => {}
        }
    }
}
