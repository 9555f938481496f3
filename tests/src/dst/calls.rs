//! Questions to the tracker, each on its own: lost, late, twice, or answered to nobody; tried again as the production
//! client does (`proto::client`) when the question may be.

use rand::RngExt as _;
use shared::model::{
    Binding, ContentId, ContentRef, Location, Name, PeerId, PinWish, ReplicationTarget, RequestedMode,
    Revision, RevisionEntry,
};
use shared::{Coded as _, ErrorCode};
use tracker::state::{Publish, Rejection};

use super::lines::End;
use super::oracle::OperationId;
use super::peer::PeerNumber;
use super::pins::WishId;
use super::queue::Millis;
use super::world::{Event, World};

/// A call; never used twice.
pub(super) type CallId = u64;

/// The caller waits so long for each attempt.
const DEADLINE: Millis = 3_000;

/// As many attempts as the production client makes.
pub(super) const ATTEMPTS: u32 = 4;

/// What is asked.
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

/// What is answered.
#[derive(Clone, Debug)]
pub(super) enum Answered {
    Head(Revision, Option<ContentId>),
    Bound(Binding),
    Removed(Revision),
    Pinned(RevisionEntry),
    Location(Box<Location>),
}

/// What is answered instead.
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

/// What the answer is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// An operation whose answer people see.
    Operation(OperationId),
    /// A step of bringing a publication from the outbox.
    Publication,
    /// More sources for a copy under way.
    Sources(ContentId),
    /// Pinning or unpinning a revision.
    Pin(WishId),
    /// What a user wants to have.
    Get,
    /// Whether a content has its replicas.
    Health,
    /// What a peer is to be used for, or whether it can do without a copy.
    PeerMode,
}

/// A question under way, or over.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) peer: PeerNumber,
    pub(super) run: u64,
    pub(super) question: Question,
    pub(super) purpose: Purpose,
    pub(super) attempt: u32,
    attempts: u32,
    is_open: bool,
}

impl World {
    pub(super) fn call(&mut self, peer: PeerNumber, question: Question, purpose: Purpose, attempts: u32) {
        let (id, run) = (self.number(), self.peers[peer].run);
        let call = Call {
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

    /// What was answered by a process whose journal has been replaced since does not arrive.
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
        // The answer to an attempt that was given up is not heard, nor is one to a process that is gone.
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
            Purpose::Publication => self.publication_answered(peer, &outcome, attempts),
            Purpose::Sources(content) => self.sources_answered(peer, content, outcome),
            Purpose::Pin(wish) => self.pin_answered(wish, &outcome),
            Purpose::Get => self.get_answered(peer, outcome),
            Purpose::Health => self.health_answered(outcome),
            Purpose::PeerMode => {}
        }
    }
}
