//! When the outbox is gone through, and which publication of it comes next. Pure.
//!
//! Invariants: while connected, a publication that a caller leaves pending is tried at once, and again within
//! [`RETRY_WAIT`] of the last attempt; nothing is tried without a connection; one publication is tried at a
//! time.

use std::collections::VecDeque;
use std::time::Duration;

use shared::model::Timestamp;

use store::Publication;

/// Publications that failed for a passing reason are tried again this often.
pub const RETRY_WAIT: Duration = Duration::from_secs(5);

/// The state of the rounds through one outbox.
#[derive(Debug, Default)]
pub struct Rounds {
    /// Publications of this round that were not tried yet.
    waiting: VecDeque<Publication>,
    /// When the next round begins; none while it need not, or cannot.
    next_at: Option<Timestamp>,
    is_connected: bool,
}

/// The next step of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read the outbox: [`Rounds::read`].
    Read,
    /// Try this publication: [`Rounds::tried`].
    Try(Box<Publication>),
    /// Wait until then, or until something happens.
    Wait(Option<Timestamp>),
}

impl Rounds {
    /// A session began, or there is none: the round that was under way is abandoned.
    pub fn connection_changed(&mut self, now: Timestamp, is_connected: bool) {
        self.waiting.clear();
        self.is_connected = is_connected;
        self.next_at = is_connected.then_some(now);
    }

    /// A caller has left a publication pending, or may have: a round is made at once.
    pub const fn remains(&mut self, now: Timestamp) {
        if self.is_connected {
            self.next_at = Some(now);
        }
    }

    /// A try of a round was in vain: another round is made after a while.
    fn again(&mut self, now: Timestamp) {
        if self.is_connected && self.next_at.is_none() {
            self.next_at = Some(now.after(RETRY_WAIT));
        }
    }

    /// Returns the next step.
    pub fn next(&mut self, now: Timestamp) -> Next {
        if let Some(publication) = self.waiting.pop_front() {
            return Next::Try(Box::new(publication));
        }
        if self.next_at.is_some_and(|at| at <= now) {
            self.next_at = None;
            return Next::Read;
        }
        Next::Wait(self.next_at)
    }

    /// The outbox was read: its pending publications, or none when it could not be read.
    pub fn read(&mut self, now: Timestamp, pending: Option<Vec<Publication>>) {
        match pending {
            Some(pending) => self.waiting = pending.into(),
            None => self.again(now),
        }
    }

    /// A publication of this round was tried, and has its final answer or not.
    pub fn tried(&mut self, now: Timestamp, is_settled: bool) {
        if !is_settled {
            self.again(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::model::{ContentId, Name, ReplicationTarget};

    use super::*;
    use store::PublicationState;

    const START: Timestamp = Timestamp::from_millis(1_000);

    fn publication(name: &str) -> Publication {
        Publication {
            name: Name::new(name).expect("a name"),
            content: ContentId::from_bytes([1; 32]),
            target: Some(ReplicationTarget::new(2).expect("in bounds")),
            update: false,
            metadata: None,
            state: PublicationState::Pending(None),
        }
    }

    #[test]
    fn a_session_begins_a_round_and_what_remains_begins_another() {
        let mut rounds = Rounds::default();
        assert_eq!(rounds.next(START), Next::Wait(None));
        rounds.connection_changed(START, true);
        assert_eq!(rounds.next(START), Next::Read);
        let (a, b) = (publication("a"), publication("b"));
        rounds.read(START, Some(vec![a.clone(), b.clone()]));
        assert_eq!(rounds.next(START), Next::Try(Box::new(a)));
        rounds.tried(START, false);
        assert_eq!(rounds.next(START), Next::Try(Box::new(b.clone())));
        rounds.tried(START, true);
        let again = START.after(RETRY_WAIT);
        assert_eq!(rounds.next(START), Next::Wait(Some(again)));
        assert_eq!(rounds.next(again), Next::Read);
        rounds.read(again, Some(vec![b.clone()]));
        rounds.next(again);
        rounds.tried(again, true);
        assert_eq!(rounds.next(again), Next::Wait(None));
        rounds.read(again, None);
        assert!(matches!(rounds.next(again), Next::Wait(Some(_))), "unreadable");
    }

    #[test]
    fn an_attempt_of_a_caller_that_fails_begins_a_round() {
        let mut rounds = Rounds::default();
        rounds.remains(START);
        assert_eq!(
            rounds.next(START),
            Next::Wait(None),
            "the next session begins one"
        );
        rounds.connection_changed(START, true);
        assert_eq!(rounds.next(START), Next::Read);
        rounds.read(START, Some(Vec::new()));
        rounds.remains(START);
        assert_eq!(rounds.next(START), Next::Read, "it is made at once");
        let left = publication("left");
        rounds.read(START, Some(vec![left.clone()]));
        assert_eq!(rounds.next(START), Next::Try(Box::new(left)));
        rounds.tried(START, false);
        assert_eq!(rounds.next(START), Next::Wait(Some(START.after(RETRY_WAIT))));
        rounds.remains(START);
        assert_eq!(
            rounds.next(START),
            Next::Read,
            "another one waits for no other's retry"
        );
    }

    #[test]
    fn a_lost_connection_ends_the_round() {
        let mut rounds = Rounds::default();
        rounds.connection_changed(START, true);
        rounds.next(START);
        rounds.read(START, Some(vec![publication("a")]));
        rounds.connection_changed(START, false);
        assert_eq!(rounds.next(START), Next::Wait(None));
    }
}
