//! The outbox of publications, and small facts that must survive: both in the store's index.
//!
//! Invariant: a publication that was once settled is never pending again, unless the user adds the name anew. So a
//! name that someone removed while this peer was away is not published a second time.

use shared::model::{ContentId, Name, ReplicationTarget, Revision};

use super::{DiskStore, StoreError};

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

impl DiskStore {
    /// Every publication, in order of names.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn publications(&self) -> Result<Vec<Publication>, StoreError> {
        self.index().publications()
    }

    /// Writes a publication, in place of an earlier one of the name. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn put_publication(&self, publication: &Publication) -> Result<(), StoreError> {
        self.index().put_publication(publication)
    }

    /// Changes the state of the publication that was attempted, which is pending, if it still is what it was then in every
    /// respect; false (and nothing changed) when the user has withdrawn it or added something under the name since, be it
    /// the same: an answer to an earlier attempt says nothing about that.
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

    /// Forgets this publication; false (and nothing changed) when it is not what it was any more.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn forget_publication(&self, publication: &Publication) -> Result<bool, StoreError> {
        self.index().forget_publication(publication)
    }

    /// Forgets what waits to be published under a name; whether something did.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn withdraw_publication(&self, name: &Name) -> Result<bool, StoreError> {
        self.index().withdraw_publication(name)
    }

    /// A small fact that was stored under a key (the peer's id, its incarnation, the newest epoch, …).
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn meta_get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.index().meta_get(key)
    }

    /// Stores a small fact under a key. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn meta_set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.index().meta_set(key, value)
    }
}
