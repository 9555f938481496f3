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

/// Holds a value whose methods and whose end may wait for the disk. Dropping it drops the value on a thread
/// that may wait.
#[derive(Debug)]
pub(crate) struct OffThread<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> OffThread<T> {
    /// Takes a value in.
    pub(crate) const fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// Returns the value, unless work on it has failed or was given up.
    pub(crate) const fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// Works on the value. After an error, and after this future was dropped, the value is gone.
    ///
    /// # Errors
    /// As [`try_blocking`]; Internal when the value is gone.
    pub(crate) async fn run<R, E>(
        &mut self,
        work: impl FnOnce(&mut T) -> Result<R, E> + Send + 'static,
    ) -> Result<R, Failure>
    where
        R: Send + 'static,
        E: shared::Coded + Send + 'static,
    {
        let mut value = self.0.take().ok_or_else(gone)?;
        let work = move || work(&mut value).map(|done| (value, done));
        let (value, done) = try_blocking(work).await?;
        self.0 = Some(value);
        Ok(done)
    }

    /// Returns the value.
    ///
    /// # Errors
    /// Internal when the value is gone.
    pub(crate) fn into_inner(mut self) -> Result<T, Failure> {
        self.0.take().ok_or_else(gone)
    }
}

impl<T: Send + 'static> Drop for OffThread<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            drop(tokio::task::spawn_blocking(move || drop(value)));
        }
    }
}

fn gone() -> Failure {
    Failure::new(
        ErrorCode::Internal,
        "an earlier step of this operation has failed",
    )
}
