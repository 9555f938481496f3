//! Ingest: bytes that arrive one after the other enter the store, without an async thread that waits for the
//! disk.
//!
//! The callers decide how much may come, and how slowly.

use std::sync::Arc;

use bytes::Bytes;
use shared::Failure;

use crate::blocking::{OffThread, try_blocking};
use store::{DiskStore, StagedUpload};

/// The async side of a [`StagedUpload`].
pub(crate) struct Ingest(OffThread<StagedUpload>);

impl Ingest {
    /// Begins; takes room for all bytes at once when their number is known.
    ///
    /// # Errors
    /// As [`DiskStore::stage_upload`].
    pub(crate) async fn begin(store: &Arc<DiskStore>, length: Option<u64>) -> Result<Self, Failure> {
        let store = Arc::clone(store);
        let staged = try_blocking(move || store.stage_upload(length)).await?;
        Ok(Self(OffThread::new(staged)))
    }

    /// Bytes that have come.
    pub(crate) fn length(&self) -> u64 {
        self.0.get().map_or(0, StagedUpload::length)
    }

    /// Writes the bytes that come next. After an error, and after its future was dropped, nothing more can
    /// come.
    ///
    /// # Errors
    /// As [`StagedUpload::append`].
    pub(crate) async fn append(&mut self, pieces: Vec<Bytes>) -> Result<(), Failure> {
        let write = move |staged: &mut StagedUpload| pieces.iter().try_for_each(|bytes| staged.append(bytes));
        self.0.run(write).await
    }

    /// Ends; no more bytes come.
    ///
    /// # Errors
    /// When an append has failed before.
    pub(crate) fn finish(self) -> Result<StagedUpload, Failure> {
        self.0.into_inner()
    }
}
