//! The steps by which a publication is made, one for each answer of the tracker. Pure.
//!
//! Invariants: a publication may only follow the revision that was written down before the tracker was first
//! asked to bind the name; a settled publication is never asked for again.

use shared::ErrorCode;
use shared::model::{ContentId, Revision};

use super::{Publication, PublicationState};

/// The next step of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask for the revision of the name, then call [`Publication::follow`].
    AskHead,
    /// Ask for a binding that follows this revision.
    Ask(Revision),
    /// Nothing: the name is bound at this revision already.
    Published(Revision),
    /// Nothing: the tracker refused the publication, for this reason.
    Refused(String),
}

impl Publication {
    /// Returns the next step.
    #[must_use]
    pub fn next(&self) -> Next {
        match &self.state {
            PublicationState::Pending(None) => Next::AskHead,
            PublicationState::Pending(Some(base)) => Next::Ask(*base),
            PublicationState::Published(revision) => Next::Published(*revision),
            PublicationState::Refused(reason) => Next::Refused(reason.clone()),
        }
    }

    /// Returns the state that is to be written down before a binding is asked for, given the name's revision
    /// and the content to which that revision bound it.
    ///
    /// # Errors
    /// A text, when the name is bound to another content and that is not to be changed.
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
    /// Returns the state in which an attempt with this outcome settles a publication; none when it stays
    /// pending.
    #[must_use]
    pub fn after(outcome: Result<Revision, (ErrorCode, &str)>) -> Option<Self> {
        match outcome {
            Ok(revision) => Some(Self::Published(revision)),
            Err((code, reason)) if is_final(code) => Some(Self::Refused(reason.to_owned())),
            Err(_) => None,
        }
    }
}

/// Whether the tracker will give the same answer the next time.
#[must_use]
pub const fn is_final(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::InvalidArgument | ErrorCode::Conflict | ErrorCode::NotFound | ErrorCode::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use shared::model::{Name, ReplicationTarget};

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
        // An attempt without an answer is repeated unchanged, whatever has become of the name since.
        assert_eq!(
            PublicationState::after(Err((ErrorCode::Unavailable, "away"))),
            None
        );
        assert_eq!(publication.next(), Next::Ask(base));
    }

    #[test]
    fn a_name_of_another_content_is_rebound_only_on_request() {
        let other = Some(ContentId::from_bytes([2; 32]));
        let (head, own) = (Revision::new(1), Some(publication(false).content));
        assert!(publication(false).follow(head, other).is_err());
        assert!(publication(true).follow(head, other).is_ok());
        assert!(publication(false).follow(head, own).is_ok());
    }

    #[test]
    fn a_settled_publication_stays_settled() {
        let refused = PublicationState::after(Err((ErrorCode::Conflict, "bound")));
        assert_eq!(refused, Some(PublicationState::Refused("bound".to_owned())));
        let published = PublicationState::after(Ok(Revision::new(2)));
        assert_eq!(published, Some(PublicationState::Published(Revision::new(2))));
        let mut publication = publication(false);
        publication.state = published.expect("settled");
        assert_eq!(publication.next(), Next::Published(Revision::new(2)));
    }
}
