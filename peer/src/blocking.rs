//! Work that waits for the disk, off the async threads.

use proto::RemoteError;
use shared::ErrorCode;

/// Runs `work` on a thread that may wait.
///
/// # Errors
/// When it panicked, or the runtime is going away; both are told, not passed on as a panic.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RemoteError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| RemoteError::new(ErrorCode::Internal, format!("a store operation failed: {error}")))
}

/// The same for work that can fail by itself.
///
/// # Errors
/// As [`blocking`], and the work's own.
pub(crate) async fn try_blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, RemoteError>
where
    T: Send + 'static,
    E: shared::Coded + Send + 'static,
{
    blocking(work).await?.map_err(|error| told(&error))
}

/// An error of this node, as it is told to others: its code, and it and its sources in one line.
pub(crate) fn told(error: &impl shared::Coded) -> RemoteError {
    RemoteError::new(error.code(), shared::describe(error))
}
