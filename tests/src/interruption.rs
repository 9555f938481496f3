//! Programs that end cleanly when someone wants them to.

use anyhow::{Context as _, Result};

use crate::interrupt;

/// Runs the work; SIGINT and SIGTERM end it at its next wait, and its processes and files go with it.
///
/// # Errors
/// When the work fails, or signals cannot be listened for.
#[expect(clippy::print_stdout, reason = "it talks to the person who interrupts")]
pub fn until_interrupted<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("start the runtime")?.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut work = tokio::task::spawn_blocking(work);
        tokio::select! {
            done = &mut work => return done?,
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        println!("stopping …");
        interrupt();
        work.await?
    })
}
