//! The only reader of the machine's clocks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
    /// The monotonic clock, and the wall clock that it follows.
    Following {
        start: Instant,
        latest: Arc<Mutex<Reading>>,
    },
    Manual(Arc<AtomicU64>),
}

/// Time told at a moment of the monotonic clock; both since their beginnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    at: Duration,
    told: Duration,
}

/// Share of the passing time by which a clock that is ahead of the wall is slow: one of this many.
const SLOW_BY: u32 = 10;

impl Reading {
    /// Returns the next reading. A wall clock that was set forward is followed at once. One that was set back
    /// is waited for: this one goes on, a tenth slower, until the wall has caught up; it never runs
    /// backwards.
    fn follow(self, at: Duration, wall: Duration) -> Self {
        let passed = at.saturating_sub(self.at);
        let slow = self.told + passed.saturating_sub(passed / SLOW_BY);
        let told = slow.max(wall);
        Self { at, told }
    }
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
        let wall_at_start = Timestamp::default().after(wall());
        Self(Source::System {
            wall_at_start,
            start: Instant::now(),
        })
    }

    /// The machine's clock for a program that runs for months and tells people dates: it follows changes of
    /// the wall clock, also while the machine sleeps. Whoever uses it must bear leaps.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place where the clock is read"
    )]
    pub fn following() -> Self {
        let at = Duration::ZERO;
        let told = wall();
        Self(Source::Following {
            start: Instant::now(),
            latest: Arc::new(Mutex::new(Reading { at, told })),
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
            Source::Following { start, latest } => {
                let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
                *latest = latest.follow(start.elapsed(), wall());
                Timestamp::default().after(latest.told)
            }
            Source::Manual(millis) => Timestamp::from_millis(millis.load(Ordering::SeqCst)),
        }
    }
}

/// Returns the time since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the place where the clock is read"
)]
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_wall_clock_that_was_set_is_followed_and_time_never_runs_back() {
        let mut reading = Reading {
            at: seconds(0),
            told: seconds(1000),
        };
        let mut told = |at, wall| {
            let next = reading.follow(seconds(at), seconds(wall));
            assert!(next.told >= reading.told, "{reading:?}, {next:?}");
            reading = next;
            next.told
        };
        assert_eq!(told(10, 1010), seconds(1010), "both run alike");
        assert_eq!(told(20, 5000), seconds(5000), "the wall was set forward");
        // It is set back by 90 s, which takes fifteen minutes to make up for.
        assert_eq!(told(120, 5010), seconds(5090));
        assert_eq!(told(520, 5410), seconds(5450));
        assert_eq!(told(920, 5810), seconds(5810));
        assert_eq!(told(930, 5820), seconds(5820));
    }

    #[test]
    fn a_clock_that_is_read_often_goes_on() {
        let mut reading = Reading {
            at: seconds(0),
            told: seconds(1000),
        };
        for n in 1..=10_000 {
            reading = reading.follow(Duration::from_micros(n * 100), seconds(0));
        }
        assert!(reading.told >= Duration::from_millis(1_000_899), "{reading:?}");
    }

    #[test]
    fn the_clock_that_follows_tells_the_time_of_the_machine() {
        let (one, other) = (Clock::system().now(), Clock::following().now());
        assert!(other.since(one) < seconds(60) && one.since(other) < seconds(60));
    }
}
