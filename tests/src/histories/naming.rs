//! What one name does when its operations happen one after the other: the specification that histories are checked
//! against. Written from the contract of `Catalog`, not from the tracker's code.

use shared::model::{ContentId, Expectation, Revision};

use super::linear::Model;

/// What was asked about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `Catalog.Publish`.
    Publish {
        /// What to bind it to, and the target.
        what: (ContentId, u32),
        /// What it is expected to be bound to.
        expectation: Expectation,
    },
    /// `peer add`: binds what is unbound, or, if asked to, what is bound; however often the peer has to try.
    Add {
        /// What to bind it to, and the target.
        what: (ContentId, u32),
        /// Whether a name of another content is taken over.
        update: bool,
    },
    /// `Catalog.Remove`.
    Remove {
        /// The revision that is to be removed.
        expected: Option<Revision>,
    },
    /// `peer replicas`: another target for what the name is bound to; the revision stays.
    Replicas {
        /// Replicas wanted.
        target: u32,
        /// The revision that is meant.
        expected: Option<Revision>,
    },
    /// `Catalog.Resolve` and `Catalog.Head`.
    Read,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Bound, or removed, at this revision.
    Done(Revision),
    /// The name is bound otherwise.
    Conflict,
    /// The name is not bound.
    Missing,
    /// It is bound at this revision to this content.
    Bound(Revision, ContentId),
    /// It is at this revision, and that bound it to this or removed it.
    Head(Revision, Option<ContentId>),
    /// No answer came, or one that says nothing (a conflict with an earlier attempt of the same operation, perhaps).
    Unknown,
}

/// How a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    revision: Revision,
    bound: Option<(ContentId, u32)>,
}

/// One name.
#[derive(Clone, Copy, Debug)]
pub struct Naming;

impl Standing {
    fn bind(self, what: (ContentId, u32), is_allowed: bool) -> (Self, Answer) {
        match self.bound {
            Some(bound) if bound == what => (self, Answer::Done(self.revision)),
            _ if is_allowed => {
                let revision = self.revision.next();
                let bound = Some(what);
                (Self { revision, bound }, Answer::Done(revision))
            }
            _ => (self, Answer::Conflict),
        }
    }

    fn remove(self, expected: Option<Revision>) -> (Self, Answer) {
        if self.bound.is_none() {
            let was_ours = expected.is_some_and(|expected| expected.next() == self.revision);
            let answer = if was_ours && self.revision != Revision::NONE {
                Answer::Done(self.revision)
            } else {
                Answer::Missing
            };
            return (self, answer);
        }
        if expected.is_some_and(|expected| expected != self.revision) {
            return (self, Answer::Conflict);
        }
        let revision = self.revision.next();
        let bound = None;
        (Self { revision, bound }, Answer::Done(revision))
    }

    fn replicas(self, target: u32, expected: Option<Revision>) -> (Self, Answer) {
        match self.bound {
            None => (self, Answer::Missing),
            Some(_) if expected.is_some_and(|expected| expected != self.revision) => (self, Answer::Conflict),
            Some((content, _)) => {
                let bound = Some((content, target));
                (Self { bound, ..self }, Answer::Done(self.revision))
            }
        }
    }

    fn allows(self, expectation: Expectation) -> bool {
        match expectation {
            Expectation::Anything => true,
            Expectation::Unbound => self.bound.is_none(),
            Expectation::Revision(expected) => expected == self.revision,
        }
    }
}

impl Model for Naming {
    type State = Standing;
    type Operation = (Asked, Answer);

    fn initial(&self) -> Standing {
        Standing {
            revision: Revision::NONE,
            bound: None,
        }
    }

    fn step(&self, state: &Standing, (asked, answer): &(Asked, Answer)) -> Option<Standing> {
        let (next, would_be) = match *asked {
            Asked::Publish { what, expectation } => state.bind(what, state.allows(expectation)),
            Asked::Add { what, update } => {
                let is_taken = state.bound.is_some_and(|(content, _)| content != what.0);
                state.bind(what, update || !is_taken)
            }
            Asked::Remove { expected } => state.remove(expected),
            Asked::Replicas { target, expected } => state.replicas(target, expected),
            Asked::Read => {
                let content = state.bound.map(|(content, _)| content);
                let fits = match *answer {
                    Answer::Bound(revision, bound) => state.revision == revision && content == Some(bound),
                    Answer::Head(revision, bound) => state.revision == revision && content == bound,
                    Answer::Missing => content.is_none(),
                    _ => true,
                };
                return fits.then_some(*state);
            }
        };
        (*answer == would_be || *answer == Answer::Unknown).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::super::linear::{Interval, is_linearizable};
    use super::*;

    const A: (ContentId, u32) = (ContentId::from_bytes([1; 32]), 2);
    const B: (ContentId, u32) = (ContentId::from_bytes([2; 32]), 2);

    fn rev(n: u64) -> Revision {
        Revision::new(n)
    }

    fn check(history: &[(Asked, Answer, u64, Option<u64>)]) -> bool {
        let intervals = history.iter().map(|&(asked, answer, from, until)| Interval {
            operation: (asked, answer),
            from,
            until,
        });
        is_linearizable(&Naming, &intervals.collect::<Vec<_>>())
    }

    fn put(what: (ContentId, u32), expected: u64) -> Asked {
        let expectation = Expectation::Revision(rev(expected));
        Asked::Publish { what, expectation }
    }

    #[test]
    fn of_two_that_follow_the_same_revision_one_wins() {
        let won = (put(A, 0), Answer::Done(rev(1)), 0, Some(9));
        assert!(check(&[won, (put(B, 0), Answer::Conflict, 0, Some(9))]));
        assert!(!check(&[won, (put(B, 0), Answer::Done(rev(1)), 0, Some(9))]));
        assert!(
            !check(&[(put(B, 0), Answer::Conflict, 0, Some(9))]),
            "there was nobody to lose to"
        );
        assert!(
            check(&[won, (put(A, 0), Answer::Done(rev(1)), 20, Some(21))]),
            "a retry finds its own binding"
        );
    }

    #[test]
    fn an_operation_has_its_effect_once() {
        let add = Asked::Add {
            what: A,
            update: false,
        };
        let removed = (
            Asked::Remove { expected: None },
            Answer::Done(rev(2)),
            10,
            Some(11),
        );
        let read = |revision, from| {
            (
                Asked::Read,
                Answer::Bound(rev(revision), A.0),
                from,
                Some(from + 1),
            )
        };
        let once = [(add, Answer::Done(rev(1)), 0, Some(30)), read(1, 5), removed];
        assert!(check(&once));
        // The removed name comes back by a second attempt of the same addition.
        let twice = [
            (add, Answer::Done(rev(3)), 0, Some(30)),
            read(1, 5),
            removed,
            read(3, 40),
        ];
        assert!(!check(&twice));
    }

    #[test]
    fn a_removal_is_seen_by_all_who_ask_later_and_leaves_its_revision() {
        let bound = (put(A, 0), Answer::Done(rev(1)), 0, Some(1));
        let removed = (
            Asked::Remove {
                expected: Some(rev(1)),
            },
            Answer::Done(rev(2)),
            2,
            Some(3),
        );
        assert!(check(&[
            bound,
            removed,
            (Asked::Read, Answer::Head(rev(2), None), 4, Some(5))
        ]));
        assert!(!check(&[
            bound,
            removed,
            (Asked::Read, Answer::Bound(rev(1), A.0), 4, Some(5))
        ]));
        assert!(
            !check(&[bound, removed, (put(A, 0), Answer::Done(rev(1)), 4, Some(5))]),
            "as if it had never been"
        );
    }
}
