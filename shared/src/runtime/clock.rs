//! The only reader of the machine's clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// Tells the time; cheap to clone. Either the machine's, or one that a test moves by hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    /// Wall time at the start of the process and the monotonic clock since: it never runs backwards.
    System {
        wall_at_start: Timestamp,
        start: Instant,
    },
    Manual(Arc<AtomicU64>),
}

/// The hand that moves a manual clock.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place where the clock is read"
    )]
    pub fn system() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_at_start = Timestamp::default().after(wall);
        Self(Source::System {
            wall_at_start,
            start: Instant::now(),
        })
    }

    /// A clock that stands still at `start` until its hand is moved.
    #[must_use]
    pub fn manual(start: Timestamp) -> (Self, ManualClock) {
        let millis = Arc::new(AtomicU64::new(start.as_millis()));
        (Self(Source::Manual(Arc::clone(&millis))), ManualClock(millis))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { wall_at_start, start } => wall_at_start.after(start.elapsed()),
            Source::Manual(millis) => Timestamp::from_millis(millis.load(Ordering::SeqCst)),
        }
    }
}

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(
            u64::try_from(by.as_millis()).unwrap_or(u64::MAX),
            Ordering::SeqCst,
        );
    }
}
