//! Spoiled copies: fragments of this node's own that turn out to be damaged, changed or gone at the moment in
//! which they are to be handed on. The store has withdrawn or suspended them by then, so the operation
//! fetches them from other peers and tries again, as often as [`ATTEMPTS`] says.

use std::sync::Arc;

use shared::{Coded, Failure};

use super::Node;
use crate::collection::CollectionError;
use store::{DiskStore, StoreError};

/// Attempts to fetch and hand on: a disk on which everything rots at once is not worth more.
pub(super) const ATTEMPTS: u32 = 3;

/// An error that may mean a spoiled copy.
pub(super) trait MaySpoil: Coded {
    /// Whether fragments were withdrawn, and can be fetched again.
    fn is_spoiled(&self) -> bool;
}

impl MaySpoil for StoreError {
    fn is_spoiled(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. } | Self::NotHeld { .. } | Self::Changed { .. } | Self::Away { .. }
        )
    }
}

impl MaySpoil for CollectionError {
    fn is_spoiled(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_spoiled())
    }
}

/// Does work on the store. Returns none when it meets a spoiled copy, which is an error in the last attempt.
///
/// # Errors
/// The other errors of the work.
pub(super) async fn unless_spoiled<T, E>(
    node: &Node,
    attempt: u32,
    work: impl FnOnce(&Arc<DiskStore>) -> Result<T, E> + Send + 'static,
) -> Result<Option<T>, Failure>
where
    T: Send + 'static,
    E: MaySpoil + Send + 'static,
{
    node.with_store(move |store| match work(store) {
        Err(error) if attempt < ATTEMPTS && error.is_spoiled() => Ok(None),
        done => done.map(Some),
    })
    .await
}
