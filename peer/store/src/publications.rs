//! The outbox of publications, and small facts that must survive: both are in the store's index.
//!
//! Invariant: a publication that was once settled is never pending again, unless the user adds the name anew.
//! So a name that another user removed while this peer was away is not published a second time.

use shared::model::{ContentId, FileMetadata, Name, ReplicationTarget, Revision};

/// A name that the user of this peer wants bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The name.
    pub name: Name,
    /// The content to which it is to be bound.
    pub content: ContentId,
    /// Replicas wanted of every fragment; none means the network's default at the time of the publication.
    pub target: Option<ReplicationTarget>,
    /// Whether a name that is bound to another content is to be bound to this one.
    pub update: bool,
    /// Metadata of the file, if it is one.
    pub metadata: Option<FileMetadata>,
    /// State of the publication.
    pub state: PublicationState,
}

/// State of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicationState {
    /// The publication waits for a tracker's answer. The revision is the one that the name had when the
    /// tracker was first asked, and none before that: the publication may only follow that very revision. So
    /// an attempt whose answer got lost never overwrites what others have done to the name since.
    Pending(Option<Revision>),
    /// The tracker journaled the publication as this revision.
    Published(Revision),
    /// The tracker refused the publication, for this reason.
    Refused(String),
}

impl Publication {
    /// Whether the publication waits for a tracker's answer.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        matches!(self.state, PublicationState::Pending(_))
    }

    /// Whether the name was bound before, as far as this peer knows.
    #[must_use]
    pub fn is_update(&self) -> bool {
        self.update || self.revision().is_some_and(|revision| revision > Revision::NONE)
    }

    /// Returns the revision of the name that this peer knew last, if any.
    #[must_use]
    pub const fn revision(&self) -> Option<Revision> {
        match self.state {
            PublicationState::Pending(revision) => revision,
            PublicationState::Published(revision) => Some(revision),
            PublicationState::Refused(_) => None,
        }
    }

    /// Whether the name means the content, or will: a publication that was refused is no name.
    #[must_use]
    pub const fn is_name(&self) -> bool {
        !matches!(self.state, PublicationState::Refused(_))
    }

    /// Whether both publications ask for the same, whatever their states.
    #[must_use]
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let of = |publication: &Self| (publication.content, publication.target, publication.update);
        self.name == other.name && of(self) == of(other)
    }
}
