//! Publications, and what follows from each answer while one is made: pure.
//!
//! Invariants: a publication may only follow the revision that was written down before the tracker was first asked to
//! bind; what was settled is never asked for again.

use shared::ErrorCode;
use shared::model::{ContentId, Name, ReplicationTarget, Revision};

/// A name that the user of this peer wants bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The name.
    pub name: Name,
    /// What it is to be bound to.
    pub content: ContentId,
    /// Replicas wanted of every fragment.
    pub target: ReplicationTarget,
    /// Whether a name that is bound to another content is to be bound to this one.
    pub update: bool,
    /// What has become of it.
    pub state: PublicationState,
}

/// What has become of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicationState {
    /// It waits for a tracker's answer. The revision is the one that the name had when the tracker was first asked, and
    /// none before that: the publication may only follow that very revision. So an attempt whose answer got lost is
    /// never repeated over what others have done to the name since.
    Pending(Option<Revision>),
    /// The tracker journaled it as this revision.
    Published(Revision),
    /// The tracker refused it, for this reason.
    Refused(String),
}

impl Publication {
    /// Whether it waits for a tracker's answer.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        matches!(self.state, PublicationState::Pending(_))
    }

    /// Whether both ask for the same, whatever has become of them.
    #[must_use]
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let of = |publication: &Self| (publication.content, publication.target, publication.update);
        self.name == other.name && of(self) == of(other)
    }
}

/// What is to be done next about a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask at which revision the name is, then [`Publication::follow`].
    AskHead,
    /// Ask for a binding that follows this revision.
    Ask(Revision),
    /// It is bound at this revision already.
    Published(Revision),
    /// It was refused for this reason.
    Refused(String),
}

impl Publication {
    /// What is to be done next.
    #[must_use]
    pub fn next(&self) -> Next {
        match &self.state {
            PublicationState::Pending(None) => Next::AskHead,
            PublicationState::Pending(Some(base)) => Next::Ask(*base),
            PublicationState::Published(revision) => Next::Published(*revision),
            PublicationState::Refused(reason) => Next::Refused(reason.clone()),
        }
    }

    /// The name is at this revision, which bound it to `bound`: what is to be written down before a binding is asked
    /// for.
    ///
    /// # Errors
    /// In words, when the name is bound to another content and that is not to be changed.
    pub fn follow(&self, head: Revision, bound: Option<ContentId>) -> Result<PublicationState, String> {
        if bound.is_some_and(|bound| bound != self.content) && !self.update {
            return Err(format!(
                "{} is bound to another content; update it, or choose another name",
                self.name
            ));
        }
        Ok(PublicationState::Pending(Some(head)))
    }
}

impl PublicationState {
    /// What to settle a publication as when this came of an attempt; none when it stays pending.
    #[must_use]
    pub fn after(outcome: Result<Revision, (ErrorCode, &str)>) -> Option<Self> {
        match outcome {
            Ok(revision) => Some(Self::Published(revision)),
            Err((code, reason)) if is_final(code) => Some(Self::Refused(reason.to_owned())),
            Err(_) => None,
        }
    }
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
    use super::*;

    fn publication(update: bool) -> Publication {
        Publication {
            name: Name::new("a").expect("a name"),
            content: ContentId::from_bytes([1; 32]),
            target: ReplicationTarget::new(2).expect("in bounds"),
            update,
            state: PublicationState::Pending(None),
        }
    }

    #[test]
    fn the_revision_to_follow_is_written_down_once() {
        let mut publication = publication(false);
        assert_eq!(publication.next(), Next::AskHead);
        let base = Revision::new(4);
        publication.state = publication.follow(base, None).expect("nothing is bound");
        assert_eq!(publication.next(), Next::Ask(base));
        // Whatever became of the name since: an attempt that got no answer is repeated as it was.
        assert_eq!(
            PublicationState::after(Err((ErrorCode::Unavailable, "away"))),
            None
        );
        assert_eq!(publication.next(), Next::Ask(base));
    }

    #[test]
    fn a_name_of_another_content_is_taken_over_only_when_asked_to() {
        let other = Some(ContentId::from_bytes([2; 32]));
        let (head, own) = (Revision::new(1), Some(publication(false).content));
        assert!(publication(false).follow(head, other).is_err());
        assert!(publication(true).follow(head, other).is_ok());
        assert!(publication(false).follow(head, own).is_ok());
    }

    #[test]
    fn what_is_settled_stays_settled() {
        let refused = PublicationState::after(Err((ErrorCode::Conflict, "bound")));
        assert_eq!(refused, Some(PublicationState::Refused("bound".to_owned())));
        let published = PublicationState::after(Ok(Revision::new(2)));
        assert_eq!(published, Some(PublicationState::Published(Revision::new(2))));
        let mut publication = publication(false);
        publication.state = published.expect("settled");
        assert_eq!(publication.next(), Next::Published(Revision::new(2)));
    }
}
