//! Real time in the harness: bounded waits, their interruption, and durations.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes every wait end with an error: someone wants the program to stop.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// Whether someone wants the program to stop.
#[must_use]
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Asks again and again until the answer is good.
///
/// # Errors
/// When it does not within `limit`: names the wait and the last answer.
#[expect(
    clippy::disallowed_methods,
    reason = "the harness watches real programs in real time"
)]
pub fn eventually<T: Debug>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> T,
    is_good: impl Fn(&T) -> bool,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        let answer = ask();
        if is_good(&answer) {
            return Ok(answer);
        }
        if is_interrupted() {
            bail!("interrupted while waiting for {what}");
        }
        if begun.elapsed() > limit {
            bail!("{what}: not within {limit:?}; last seen: {answer:#?}");
        }
        // A polling interval, not a wait for an event.
        std::thread::sleep(Duration::from_millis(50));
    }
}

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

/// A stopwatch that runs from its beginning.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the harness measures real programs in real time"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
