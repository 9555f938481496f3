//! Programs that end cleanly when someone wants them to.

use anyhow::{Context as _, Result};

use crate::interrupt;

/// Runs the work; SIGINT and SIGTERM make it end at its next wait, and what it has started and made goes with it.
///
/// # Errors
/// Those of the work, and when signals cannot be listened for.
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
