//! Waiting for something to become true.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

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
