//! Where bytes that come one after the other enter the store: the way of [`StagedUpload`] for whoever may not wait for the disk.
//!
//! It decides nothing: how much may come and how slowly is for [`crate::http`] and [`crate::rpc`] to say.

use std::sync::Arc;

use bytes::Bytes;
use proto::RemoteError;
use shared::ErrorCode;

use crate::blocking::try_blocking;
use crate::store::{DiskStore, StagedUpload};

/// What has come so far, while more is waited for. When it is dropped, whatever came is let go of where the disk may be waited
/// for.
pub(crate) struct Inlet(Option<StagedUpload>);

impl Inlet {
    /// Begins; when it is known how many bytes will come, room for all of them is taken at once.
    ///
    /// # Errors
    /// As [`DiskStore::stage`].
    pub(crate) async fn open(store: &Arc<DiskStore>, length: Option<u64>) -> Result<Self, RemoteError> {
        let store = Arc::clone(store);
        let upload = try_blocking(move || store.stage(length)).await?;
        Ok(Self(Some(upload)))
    }

    /// How many bytes have come.
    pub(crate) fn length(&self) -> u64 {
        self.0.as_ref().map_or(0, StagedUpload::length)
    }

    /// Takes in what comes next. After an error, and when its future was dropped, nothing more can come.
    ///
    /// # Errors
    /// As [`StagedUpload::append`].
    pub(crate) async fn append(&mut self, pieces: Vec<Bytes>) -> Result<(), RemoteError> {
        let mut upload = self.0.take().ok_or_else(lost)?;
        let write = move || {
            let written = pieces.iter().try_for_each(|bytes| upload.append(bytes));
            written.map(|()| upload)
        };
        self.0 = Some(try_blocking(write).await?);
        Ok(())
    }

    /// All that came, and nothing more comes.
    ///
    /// # Errors
    /// When an append has failed before.
    pub(crate) fn close(mut self) -> Result<StagedUpload, RemoteError> {
        self.0.take().ok_or_else(lost)
    }
}

fn lost() -> RemoteError {
    RemoteError::new(ErrorCode::Internal, "the bytes that came are lost")
}

impl Drop for Inlet {
    fn drop(&mut self) {
        if let Some(upload) = self.0.take() {
            drop(tokio::task::spawn_blocking(move || drop(upload)));
        }
    }
}
