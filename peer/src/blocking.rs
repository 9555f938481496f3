//! Work that waits for the disk, off the async threads.

use shared::{ErrorCode, Failure};

/// Runs `work` on a thread that may wait.
///
/// # Errors
/// When it panicked, or the runtime is going away; both are told, not passed on as a panic.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new(ErrorCode::Internal, format!("a store operation failed: {error}")))
}

/// The same for work that can fail by itself.
///
/// # Errors
/// As [`blocking`], and the work's own.
pub(crate) async fn try_blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Failure>
where
    T: Send + 'static,
    E: shared::Coded + Send + 'static,
{
    blocking(work).await?.map_err(|error| Failure::of(&error))
}
