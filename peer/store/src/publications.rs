//! The outbox of publications, and small facts that must survive: both are in the store's index.
//!
//! Invariant: a publication that was once settled is never pending again, unless the user adds the name anew.
//! So a name that another user removed while this peer was away is not published a second time.

use shared::model::{ContentId, Name, ReplicationTarget, Revision};

use super::{DiskStore, StoreError};

/// A name that the user of this peer wants bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The name.
    pub name: Name,
    /// The content to which it is to be bound.
    pub content: ContentId,
    /// Replicas wanted of every fragment.
    pub target: ReplicationTarget,
    /// Whether a name that is bound to another content is to be bound to this one.
    pub update: bool,
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

    /// Whether both publications ask for the same, whatever their states.
    #[must_use]
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let of = |publication: &Self| (publication.content, publication.target, publication.update);
        self.name == other.name && of(self) == of(other)
    }
}

impl DiskStore {
    /// Returns all publications, in order of names.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn publications(&self) -> Result<Vec<Publication>, StoreError> {
        self.index().publications()
    }

    /// Writes a publication, in place of an earlier one of the name. The write is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn put_publication(&self, publication: &Publication) -> Result<(), StoreError> {
        self.index().put_publication(publication)
    }

    /// Changes the state of the attempted publication, which is pending, if it is unchanged in every respect.
    /// Returns false, and changes nothing, when the user has withdrawn it or has added a content under the
    /// name since, even the same one: an answer to an earlier attempt says nothing about that.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn settle_publication(
        &self,
        attempted: &Publication,
        state: &PublicationState,
    ) -> Result<bool, StoreError> {
        self.index().settle_publication(attempted, state)
    }

    /// Forgets this publication; returns false, and changes nothing, when it has changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn forget_publication(&self, publication: &Publication) -> Result<bool, StoreError> {
        self.index().forget_publication(publication)
    }

    /// Forgets the publication that waits under a name; returns whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn withdraw_publication(&self, name: &Name) -> Result<bool, StoreError> {
        self.index().withdraw_publication(name)
    }

    /// Returns a small fact that was stored under a key (the peer's id, its incarnation, the newest epoch,
    /// …).
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn meta_get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.index().meta_get(key)
    }

    /// Stores a small fact under a key. The write is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn meta_set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.index().meta_set(key, value)
    }
}
