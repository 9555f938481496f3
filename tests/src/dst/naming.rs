//! The specification of two names, against which histories are checked. Written from the contract of
//! `Catalog`, not from the tracker's code.
//!
//! The model has two names because a rename changes two at once; no other operation on one concerns the
//! other.

use shared::model::{ContentId, Expectation, Revision};

use super::linear::Model;

/// An operation on a name, as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `Catalog.Publish`.
    Publish {
        /// The content to bind it to, and the target.
        what: (ContentId, u32),
        /// The state that it is expected to have.
        expectation: Expectation,
    },
    /// `peer add`: binds a name that is unbound, or, with `update`, any; the peer tries until it has an
    /// answer.
    Add {
        /// The content to bind it to, and the target.
        what: (ContentId, u32),
        /// Whether a name of another content is taken over.
        update: bool,
    },
    /// `Catalog.Remove`.
    Remove {
        /// The revision that is to be removed.
        expected: Option<Revision>,
    },
    /// `peer replicas`: another target for the content; the revision stays.
    Replicas {
        /// Replicas wanted.
        target: u32,
        /// The revision that is meant.
        expected: Option<Revision>,
    },
    /// `Catalog.Rename`: the other one of the two names gets the binding.
    Rename {
        /// The revision that is meant.
        expected: Option<Revision>,
    },
    /// `Catalog.Resolve` and `Catalog.Head`.
    Read,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The name was bound, or removed, at this revision.
    Done(Revision),
    /// The name is bound otherwise.
    Conflict,
    /// The name is not bound.
    Missing,
    /// The name is bound at this revision to this content.
    Bound(Revision, ContentId),
    /// The name is at this revision, which bound it to this content or removed it.
    Head(Revision, Option<ContentId>),
    /// No answer came, or one that says nothing (a conflict with an earlier attempt of the same operation,
    /// perhaps).
    Unknown,
}

/// The state of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NameState {
    revision: Revision,
    bound: Option<(ContentId, u32)>,
    /// The content that it was bound to when it was removed or renamed.
    was: Was,
    end: End,
}

/// The way in which a binding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    /// The name was removed, or never bound.
    Removed,
    /// Another name took over the binding.
    Moved,
    /// A restored tracker knows which; its answers tell.
    Either,
}

/// The content to which an unbound name was bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Was {
    /// The name was never bound, or is bound now.
    Nothing,
    /// This content.
    Content(ContentId),
    /// Some content: a restored tracker remembers nothing but the removal.
    Forgotten,
}

/// One of two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which {
    /// The first.
    One,
    /// The second.
    Other,
}

/// An operation on one of two names, and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// The name.
    pub of: Which,
    /// The operation.
    pub asked: Asked,
    /// The answer.
    pub answer: Answer,
}

/// Two names.
#[derive(Clone, Copy, Debug)]
pub struct Naming {
    /// Their first states.
    pub from: [NameState; 2],
    /// Bindings have later revisions than this: more than 0 after the journal was restored.
    pub generation: Revision,
}

impl Naming {
    /// Names that were never bound.
    pub const NEW: Self = Self {
        from: [NameState::UNBOUND; 2],
        generation: Revision::NONE,
    };
}

/// The revision after this one.
fn after(revision: Revision) -> Revision {
    revision.next().expect("no history is so long")
}

impl NameState {
    /// Returns the state of a name that is bound to `bound`, or was bound to `was`.
    pub(super) const fn at(revision: Revision, bound: Option<(ContentId, u32)>, was: Was) -> Self {
        Self {
            revision,
            bound,
            was,
            end: End::Either,
        }
    }

    /// Whether `later` is the same state; the revision of an unbound name may have grown.
    pub(super) fn is_as(&self, later: &Self) -> bool {
        let is_later = self.bound.is_none() && self.revision < later.revision;
        self.bound == later.bound && (self.revision == later.revision || is_later)
    }

    /// A name that was never bound.
    const UNBOUND: Self = Self {
        revision: Revision::NONE,
        bound: None,
        was: Was::Nothing,
        end: End::Removed,
    };

    fn bind(self, what: (ContentId, u32), is_allowed: bool, generation: Revision) -> (Self, Answer) {
        match self.bound {
            Some(bound) if bound == what => (self, Answer::Done(self.revision)),
            _ if is_allowed => {
                let revision = after(self.revision.max(generation));
                (Self::bound(revision, what), Answer::Done(revision))
            }
            _ => (self, Answer::Conflict),
        }
    }

    const fn bound(revision: Revision, what: (ContentId, u32)) -> Self {
        Self {
            revision,
            bound: Some(what),
            was: Was::Nothing,
            end: End::Removed,
        }
    }

    fn unbound(self, end: End) -> Self {
        Self {
            end,
            revision: after(self.revision),
            bound: None,
            was: self
                .bound
                .map_or(Was::Nothing, |(content, _)| Was::Content(content)),
        }
    }

    fn remove(self, expected: Option<Revision>) -> (Self, Answer) {
        if self.bound.is_none() {
            let is_last = expected.is_some_and(|expected| expected.next() == Some(self.revision));
            // A name that was never bound is not removed again, whatever its revision.
            let answer = if is_last && self.was != Was::Nothing && self.end != End::Moved {
                Answer::Done(self.revision)
            } else {
                Answer::Missing
            };
            return (self, answer);
        }
        if expected.is_some_and(|expected| expected != self.revision) {
            return (self, Answer::Conflict);
        }
        let removed = self.unbound(End::Removed);
        (removed, Answer::Done(removed.revision))
    }

    /// Whether a rename to `to` at this revision seems to have been made.
    fn looks_renamed(self, to: Self, expected: Option<Revision>) -> bool {
        let content = to.bound.map(|(content, _)| content);
        let is_last = expected.is_some_and(|expected| expected.next() == Some(self.revision));
        let is_same = match self.was {
            Was::Nothing => false,
            Was::Content(was) => content == Some(was),
            Was::Forgotten => content.is_some(),
        };
        self.bound.is_none() && is_last && is_same
    }

    fn rename(self, to: Self, expected: Option<Revision>, generation: Revision) -> (Self, Self, Answer) {
        match (self.bound, to.bound) {
            (None, _) => (self, to, Answer::Missing),
            _ if expected.is_some_and(|expected| expected != self.revision) => (self, to, Answer::Conflict),
            (Some(_), Some(_)) => (self, to, Answer::Conflict),
            (Some(what), None) => {
                let renamed = Self::bound(after(to.revision.max(generation)), what);
                (self.unbound(End::Moved), renamed, Answer::Done(renamed.revision))
            }
        }
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
    type State = [NameState; 2];
    type Operation = Exchange;

    fn initial(&self) -> [NameState; 2] {
        self.from
    }

    fn step(&self, state: &[NameState; 2], exchange: &Exchange) -> Option<[NameState; 2]> {
        let Exchange { of, asked, answer } = *exchange;
        let [one, other] = *state;
        let (this, that) = match of {
            Which::One => (one, other),
            Which::Other => (other, one),
        };
        let (this, that) = self.meet(this, that, asked, answer)?;
        Some(match of {
            Which::One => [this, that],
            Which::Other => [that, this],
        })
    }
}

impl Naming {
    /// Returns the two states after an operation, if its answer is possible.
    fn meet(
        &self,
        this: NameState,
        that: NameState,
        asked: Asked,
        answer: Answer,
    ) -> Option<(NameState, NameState)> {
        let (next, would_be) = match asked {
            Asked::Publish { what, expectation } => {
                this.bind(what, this.allows(expectation), self.generation)
            }
            Asked::Add { what, update } => {
                let is_taken = this.bound.is_some_and(|(content, _)| content != what.0);
                this.bind(what, update || !is_taken, self.generation)
            }
            Asked::Remove { .. }
                if answer == Answer::Missing && this.bound.is_none() && this.end == End::Either =>
            {
                return Some((this, that));
            }
            Asked::Remove { expected } => this.remove(expected),
            Asked::Replicas { target, expected } => this.replicas(target, expected),
            Asked::Rename { expected } => {
                // A retry may be told so, or find nothing: it changes nothing, and its answer is true.
                if this.looks_renamed(that, expected) && answer == Answer::Done(that.revision) {
                    return Some((this, that));
                }
                let (this, that, would_be) = this.rename(that, expected, self.generation);
                return (answer == would_be || answer == Answer::Unknown).then_some((this, that));
            }
            Asked::Read => {
                let content = this.bound.map(|(content, _)| content);
                let fits = match answer {
                    Answer::Bound(revision, bound) => this.revision == revision && content == Some(bound),
                    Answer::Head(revision, bound) => this.revision == revision && content == bound,
                    Answer::Missing => content.is_none(),
                    _ => true,
                };
                return fits.then_some((this, that));
            }
        };
        (answer == would_be || answer == Answer::Unknown).then_some((next, that))
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
            operation: Exchange {
                of: Which::One,
                asked,
                answer,
            },
            from,
            until,
        });
        is_linearizable(&Naming::NEW, &intervals.collect::<Vec<_>>())
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

    #[test]
    fn a_rename_is_one_moment_for_both_names() {
        let at = |of, asked, answer, from, until| Interval {
            operation: Exchange { of, asked, answer },
            from,
            until: Some(until),
        };
        let bound = at(Which::One, put(A, 0), Answer::Done(rev(1)), 0, 1);
        let rename = Asked::Rename {
            expected: Some(rev(1)),
        };
        let renamed = at(Which::One, rename, Answer::Done(rev(1)), 2, 9);
        let old_is = |answer, from| at(Which::One, Asked::Read, answer, from, from + 1);
        let new_is = |answer, from| at(Which::Other, Asked::Read, answer, from, from + 1);
        let (gone, there) = (Answer::Head(rev(2), None), Answer::Bound(rev(1), A.0));
        assert!(is_linearizable(
            &Naming::NEW,
            &[bound.clone(), renamed.clone(), old_is(gone, 3), new_is(there, 5)]
        ));
        let both = [bound.clone(), renamed.clone(), new_is(there, 3), old_is(there, 5)];
        assert!(!is_linearizable(&Naming::NEW, &both), "both are there");
        let neither = [
            bound.clone(),
            renamed.clone(),
            old_is(gone, 3),
            new_is(Answer::Missing, 5),
        ];
        assert!(!is_linearizable(&Naming::NEW, &neither), "neither is");
        let again = at(Which::One, rename, Answer::Done(rev(1)), 20, 21);
        assert!(is_linearizable(&Naming::NEW, &[bound, renamed, again]), "a retry");
    }
}
