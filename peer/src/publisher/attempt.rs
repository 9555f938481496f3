//! One attempt at a publication, without I/O: what is done next, and what follows from each answer.
//!
//! Invariants: a publication may only follow the revision that was written down before the tracker was first
//! asked to bind; a publication that was settled is never asked for again; only one that the tracker refused
//! for good may be taken back, since any other attempt may have bound the name; its content is protected from
//! eviction from before the store is looked at until the attempt is over.

use shared::ErrorCode;
use shared::model::{ContentId, Expectation, Manifest, Parts, Revision};

use store::{Publication, PublicationState};

/// An attempt at one publication.
#[derive(Debug)]
pub struct Attempt {
    publication: Publication,
    step: Step,
}

/// The answer that an attempt waits for.
#[derive(Debug)]
enum Step {
    Protecting,
    AskingHead,
    /// The state, with the revision to follow, is being written down.
    WritingDown(PublicationState),
    LookingUp(Revision),
    Binding,
    /// The tracker refused for this reason; the name's revision tells whether others came first.
    AskingWhy(String),
    Settling(Outcome),
    Over,
}

/// An instruction to whoever drives an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Protect the content and its parts from eviction until the attempt is over; then [`Input::Protected`].
    Protect,
    /// Ask the tracker for the name's revision: [`Input::Head`].
    AskHead,
    /// Put this state in place of the attempted publication's in the outbox: [`Input::Written`].
    Write(PublicationState),
    /// Look at the copy in the store: [`Input::Held`].
    LookUp,
    /// Ask the tracker to bind the name: [`Input::Bound`].
    Bind(Box<Bind>),
    /// The attempt is over.
    Done(Outcome),
}

/// The parts of a request to bind that the attempt decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// The content.
    pub manifest: Manifest,
    /// The contents that a collection refers to; none for a file.
    pub parts: Option<Parts>,
    /// The revision that the name must have.
    pub expectation: Expectation,
}

/// An answer to an [`Output`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The content and its parts are protected.
    Protected,
    /// The name's revision, and the content that it bound.
    Head(Revision, Option<ContentId>),
    /// Whether the outbox still had the publication as it was attempted.
    Written(bool),
    /// The content and its parts, when all of it is held.
    Held(Option<(Manifest, Option<Parts>)>),
    /// The name is bound at this revision.
    Bound(Revision),
    /// The output could not be carried out, or the tracker refused, for this reason.
    Failed(ErrorCode, String),
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The name is bound at this revision.
    Published(Revision),
    /// The publication will never come about: the outbox says so, and the caller may take it back.
    Refused(ErrorCode, String),
    /// The attempt failed, and the tracker may have bound the name all the same: the publication stays
    /// pending, and its content stays here.
    Failed(ErrorCode, String),
    /// The user withdrew it, or added another file under the name.
    Withdrawn,
}

impl Attempt {
    /// Begins an attempt at a publication as the outbox has it.
    #[must_use]
    pub fn begin(publication: Publication) -> (Self, Output) {
        let (step, output) = match &publication.state {
            PublicationState::Pending(_) => (Step::Protecting, Output::Protect),
            PublicationState::Published(revision) => {
                (Step::Over, Output::Done(Outcome::Published(*revision)))
            }
            PublicationState::Refused(reason) => {
                let refused = Outcome::Refused(ErrorCode::Conflict, reason.clone());
                (Step::Over, Output::Done(refused))
            }
        };
        (Self { publication, step }, output)
    }

    /// Returns the publication as the outbox has it as far as this attempt knows.
    #[must_use]
    pub const fn publication(&self) -> &Publication {
        &self.publication
    }

    /// Whether the tracker has not been asked to bind the name yet, so that the publication can be given up.
    #[must_use]
    pub const fn is_unasked(&self) -> bool {
        matches!(
            self.step,
            Step::Protecting | Step::AskingHead | Step::WritingDown(_) | Step::LookingUp(_)
        )
    }

    /// Takes the answer to the last output and returns the next one.
    pub fn handle(&mut self, input: Input) -> Output {
        let step = std::mem::replace(&mut self.step, Step::Over);
        match (step, input) {
            (Step::Binding, Input::Failed(ErrorCode::Conflict, reason)) => {
                self.go(Step::AskingWhy(reason), Output::AskHead)
            }
            (Step::AskingWhy(reason), Input::Head(head, _)) => {
                let text = self.superseded(head, &reason).unwrap_or(reason);
                self.settle(Outcome::Refused(ErrorCode::Conflict, text))
            }
            (Step::AskingWhy(reason), Input::Failed(..)) => {
                self.settle(Outcome::Refused(ErrorCode::Conflict, reason))
            }
            (Step::AskingHead | Step::LookingUp(_) | Step::Binding, Input::Failed(code, reason))
                if is_final(code) =>
            {
                self.settle(Outcome::Refused(code, reason))
            }
            (Step::Settling(_), Input::Failed(code, reason)) => Output::Done(Outcome::Failed(code, reason)),
            (_, Input::Failed(code, reason)) => self.settle(Outcome::Failed(code, reason)),
            (Step::Protecting, Input::Protected) => match self.publication.state {
                PublicationState::Pending(Some(base)) => self.go(Step::LookingUp(base), Output::LookUp),
                _ => self.go(Step::AskingHead, Output::AskHead),
            },
            (Step::AskingHead, Input::Head(revision, bound)) => self.follow(revision, bound),
            (Step::WritingDown(state), Input::Written(true)) => {
                self.publication.state = state;
                self.handle_written()
            }
            (Step::WritingDown(_), Input::Written(false)) => Output::Done(Outcome::Withdrawn),
            (Step::LookingUp(base), Input::Held(Some((manifest, parts)))) => {
                let expectation = Expectation::Revision(base);
                let bind = Bind {
                    manifest,
                    parts,
                    expectation,
                };
                self.go(Step::Binding, Output::Bind(Box::new(bind)))
            }
            (Step::LookingUp(_), Input::Held(None)) => {
                let text = format!(
                    "the file of {} is no longer shared here; add it again",
                    self.publication.name
                );
                self.settle(Outcome::Refused(ErrorCode::NotFound, text))
            }
            (Step::Binding, Input::Bound(revision)) => self.settle(Outcome::Published(revision)),
            // Where it is another publication by now, there is nothing to settle; the answer is true all the
            // same.
            (Step::Settling(outcome), Input::Written(_)) => Output::Done(outcome),
            (step, input) => {
                let text = format!("{input:?} is no answer to {step:?}");
                Output::Done(Outcome::Failed(ErrorCode::Internal, text))
            }
        }
    }

    /// The name is at this revision: that is written down before a binding is asked for.
    fn follow(&mut self, head: Revision, bound: Option<ContentId>) -> Output {
        if let Some(text) = conflict(&self.publication, bound) {
            return self.settle(Outcome::Refused(ErrorCode::Conflict, text));
        }
        let state = PublicationState::Pending(Some(head));
        self.go(Step::WritingDown(state.clone()), Output::Write(state))
    }

    /// Returns the words for a publication whose name has moved on since the revision that it may follow.
    fn superseded(&self, head: Revision, reason: &str) -> Option<String> {
        let base = self.publication.revision().filter(|base| *base != head)?;
        Some(format!(
            "superseded: others have changed the name since revision {base}, which this publication was to follow \
             ({reason}); look at theirs, and add the file again if it is to replace theirs"
        ))
    }

    /// The revision to follow is written down.
    fn handle_written(&mut self) -> Output {
        self.step = Step::Protecting;
        self.handle(Input::Protected)
    }

    /// Settles the publication by an outcome; it stays as it is when that is not final.
    fn settle(&mut self, outcome: Outcome) -> Output {
        let state = match &outcome {
            Outcome::Published(revision) => PublicationState::Published(*revision),
            Outcome::Refused(_, reason) => PublicationState::Refused(reason.clone()),
            Outcome::Failed(..) | Outcome::Withdrawn => return Output::Done(outcome),
        };
        self.go(Step::Settling(outcome), Output::Write(state))
    }

    fn go(&mut self, step: Step, output: Output) -> Output {
        self.step = step;
        output
    }
}

/// Returns the reason why a publication cannot follow a name that is bound to this content.
#[must_use]
pub fn conflict(publication: &Publication, bound: Option<ContentId>) -> Option<String> {
    let is_taken = bound.is_some_and(|bound| bound != publication.content);
    (is_taken && !publication.update).then(|| {
        format!(
            "{} is bound to another content; add it with --update, or under another --name",
            publication.name
        )
    })
}

/// Whether the tracker's answer will be the same the next time.
#[must_use]
pub const fn is_final(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::InvalidArgument | ErrorCode::Conflict | ErrorCode::NotFound | ErrorCode::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use shared::model::{Digest, FragmentLength, Name, ReplicationTarget};

    use super::*;

    const BASE: Revision = Revision::new(4);

    fn publication(update: bool) -> Publication {
        Publication {
            name: Name::new("a").expect("a name"),
            content: ContentId::from_bytes([1; 32]),
            target: Some(ReplicationTarget::new(2).expect("in bounds")),
            update,
            metadata: None,
            state: PublicationState::Pending(None),
        }
    }

    #[test]
    fn a_publication_can_be_given_up_until_the_tracker_is_asked_to_bind() {
        let (mut attempt, output) = Attempt::begin(publication(false));
        assert!(output == Output::Protect && attempt.is_unasked());
        for (answer, is_unasked) in [
            (Input::Protected, true),
            (Input::Head(BASE, None), true),
            (Input::Written(true), true),
            (held(), false),
            (Input::Failed(ErrorCode::Unavailable, "lost".to_owned()), false),
        ] {
            attempt.handle(answer.clone());
            assert_eq!(attempt.is_unasked(), is_unasked, "{answer:?}");
        }
    }

    fn held() -> Input {
        let roots = vec![Digest::from_bytes([1; 32])];
        let manifest = Manifest::from_roots(10, FragmentLength::MIN, roots).expect("one fragment");
        Input::Held(Some((manifest, None)))
    }

    /// An attempt that has asked for the name's revision.
    fn asking(update: bool) -> Attempt {
        let (mut attempt, output) = Attempt::begin(publication(update));
        assert_eq!(output, Output::Protect);
        assert_eq!(attempt.handle(Input::Protected), Output::AskHead);
        attempt
    }

    /// An attempt that has asked the tracker to bind the name.
    fn binding() -> Attempt {
        let mut attempt = asking(false);
        let followed = PublicationState::Pending(Some(BASE));
        assert_eq!(attempt.handle(Input::Head(BASE, None)), Output::Write(followed));
        assert_eq!(attempt.handle(Input::Written(true)), Output::LookUp);
        let Output::Bind(bind) = attempt.handle(held()) else {
            panic!("it asks");
        };
        assert_eq!(bind.expectation, Expectation::Revision(BASE));
        attempt
    }

    #[test]
    fn the_revision_to_follow_is_written_down_once() {
        let mut first = binding();
        let lost = Input::Failed(ErrorCode::Unavailable, "away".to_owned());
        let Output::Done(Outcome::Failed(ErrorCode::Unavailable, _)) = first.handle(lost) else {
            panic!("it stays pending");
        };
        // The name may have changed since: an attempt that got no answer is repeated as it was.
        let (mut again, _) = Attempt::begin(first.publication().clone());
        assert_eq!(again.handle(Input::Protected), Output::LookUp);
        let Output::Bind(bind) = again.handle(held()) else {
            panic!("it asks");
        };
        assert_eq!(bind.expectation, Expectation::Revision(BASE));
    }

    #[test]
    fn a_name_of_another_content_is_taken_over_only_when_asked_to() {
        let other = Some(ContentId::from_bytes([2; 32]));
        let own = Some(publication(false).content);
        let goes_on = |update, bound| {
            let output = asking(update).handle(Input::Head(BASE, bound));
            matches!(output, Output::Write(PublicationState::Pending(_)))
        };
        assert!(!goes_on(false, other));
        assert!(goes_on(true, other) && goes_on(false, own) && goes_on(false, None));
    }

    #[test]
    fn a_settled_publication_is_not_asked_for_again() {
        let mut attempt = binding();
        let bound = Revision::new(5);
        let state = PublicationState::Published(bound);
        assert_eq!(attempt.handle(Input::Bound(bound)), Output::Write(state.clone()));
        let done = Output::Done(Outcome::Published(bound));
        assert_eq!(attempt.handle(Input::Written(false)), done);
        let settled = Publication {
            state,
            ..publication(false)
        };
        assert_eq!(Attempt::begin(settled).1, done);
    }

    #[test]
    fn a_refusal_is_final_and_a_failure_of_the_disk_is_told() {
        let refused = |attempt: &mut Attempt| {
            let asked = attempt.handle(Input::Failed(ErrorCode::Conflict, "bound".to_owned()));
            assert_eq!(asked, Output::AskHead);
            let output = attempt.handle(Input::Head(Revision::new(5), None));
            let Output::Write(PublicationState::Refused(reason)) = output else {
                panic!("it is refused");
            };
            // Others have changed the name since its revision was written down.
            assert!(reason.starts_with("superseded: "), "{reason}");
            assert!(
                reason.contains("(bound)") && reason.contains(&BASE.to_string()),
                "{reason}"
            );
        };
        let mut attempt = binding();
        refused(&mut attempt);
        let Output::Done(Outcome::Refused(ErrorCode::Conflict, _)) = attempt.handle(Input::Written(true))
        else {
            panic!("it is over");
        };
        let mut attempt = binding();
        refused(&mut attempt);
        let disk = Input::Failed(ErrorCode::Internal, "the disk".to_owned());
        assert!(matches!(
            attempt.handle(disk),
            Output::Done(Outcome::Failed(ErrorCode::Internal, _))
        ));
    }

    #[test]
    fn a_refusal_for_another_reason_blames_nobody_else() {
        let mut attempt = binding();
        attempt.handle(Input::Failed(ErrorCode::Conflict, "other fragments".to_owned()));
        let refused = PublicationState::Refused("other fragments".to_owned());
        assert_eq!(attempt.handle(Input::Head(BASE, None)), Output::Write(refused));
    }

    #[test]
    fn an_attempt_that_may_have_bound_the_name_is_never_refused() {
        // The tracker has bound the name, its answer was lost, and after its restart it misses the session.
        for code in [
            ErrorCode::FailedPrecondition,
            ErrorCode::Stale,
            ErrorCode::Unauthenticated,
            ErrorCode::Internal,
        ] {
            let lost = Input::Failed(code, "no session".to_owned());
            let Output::Done(Outcome::Failed(failed, _)) = binding().handle(lost) else {
                panic!("it stays pending");
            };
            assert_eq!(failed, code);
        }
        // The name is bound, and the disk does not take it down.
        let mut attempt = binding();
        attempt.handle(Input::Bound(Revision::new(5)));
        let disk = Input::Failed(ErrorCode::PermissionDenied, "a read-only disk".to_owned());
        assert!(matches!(attempt.handle(disk), Output::Done(Outcome::Failed(..))));
    }

    #[test]
    fn a_withdrawn_publication_and_a_file_that_is_gone_are_not_asked_for() {
        let mut attempt = asking(false);
        attempt.handle(Input::Head(BASE, None));
        assert_eq!(
            attempt.handle(Input::Written(false)),
            Output::Done(Outcome::Withdrawn)
        );
        let mut attempt = asking(false);
        attempt.handle(Input::Head(BASE, None));
        attempt.handle(Input::Written(true));
        assert!(matches!(
            attempt.handle(Input::Held(None)),
            Output::Write(PublicationState::Refused(_))
        ));
    }
}
