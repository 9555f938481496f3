//! The outbox of publications, and small facts that must survive: both in the store's index.
//!
//! Invariant: a publication that was once settled is never pending again, unless the user adds the name anew. So a
//! name that someone removed while this peer was away is not published a second time.

use shared::model::Name;

use super::{DiskStore, Publication, PublicationState, StoreError};

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
