//! Work that waits for the disk, off the async threads.

use shared::{ErrorCode, Failure};

/// Runs `work` on a thread that may wait.
///
/// # Errors
/// When `work` panics, or the runtime is going away; neither is passed on as a panic.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new(ErrorCode::Internal, format!("a store operation failed: {error}")))
}

/// Runs `work` that can fail on a thread that may wait.
///
/// # Errors
/// As [`blocking`], and the errors of `work`.
pub(crate) async fn try_blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Failure>
where
    T: Send + 'static,
    E: shared::Coded + Send + 'static,
{
    blocking(work).await?.map_err(|error| Failure::of(&error))
}
