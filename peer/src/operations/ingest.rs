//! Ingest: bytes that arrive one after the other enter the store, without an async thread that waits for the
//! disk.
//!
//! The callers decide how much may come, and how slowly.

use std::sync::Arc;

use bytes::Bytes;
use shared::{ErrorCode, Failure};

use crate::blocking::try_blocking;
use store::{DiskStore, StagedUpload};

/// The async side of a [`StagedUpload`]. Dropping it removes the bytes on a thread that may wait for the
/// disk.
pub(crate) struct Ingest(Option<StagedUpload>);

impl Ingest {
    /// Begins; takes room for all bytes at once when their number is known.
    ///
    /// # Errors
    /// As [`DiskStore::stage_upload`].
    pub(crate) async fn begin(store: &Arc<DiskStore>, length: Option<u64>) -> Result<Self, Failure> {
        let store = Arc::clone(store);
        let staged = try_blocking(move || store.stage_upload(length)).await?;
        Ok(Self(Some(staged)))
    }

    /// Bytes that have come.
    pub(crate) fn length(&self) -> u64 {
        self.0.as_ref().map_or(0, StagedUpload::length)
    }

    /// Writes the bytes that come next. After an error, and after its future was dropped, nothing more can
    /// come.
    ///
    /// # Errors
    /// As [`StagedUpload::append`].
    pub(crate) async fn append(&mut self, pieces: Vec<Bytes>) -> Result<(), Failure> {
        let mut staged = self.0.take().ok_or_else(lost)?;
        let write = move || {
            let written = pieces.iter().try_for_each(|bytes| staged.append(bytes));
            written.map(|()| staged)
        };
        self.0 = Some(try_blocking(write).await?);
        Ok(())
    }

    /// Ends; no more bytes come.
    ///
    /// # Errors
    /// When an append has failed before.
    pub(crate) fn finish(mut self) -> Result<StagedUpload, Failure> {
        self.0.take().ok_or_else(lost)
    }
}

fn lost() -> Failure {
    Failure::new(ErrorCode::Internal, "the bytes that came are lost")
}

impl Drop for Ingest {
    fn drop(&mut self) {
        if let Some(staged) = self.0.take() {
            drop(tokio::task::spawn_blocking(move || drop(staged)));
        }
    }
}
