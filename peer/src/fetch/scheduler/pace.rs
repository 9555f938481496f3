//! How quickly requests are served, and what follows from it: which are late, and who is better asked less.

use std::time::Duration;

/// A request is late when it has taken this many times as long as requests usually take…
const LATE_FACTOR: u32 = 3;

/// …or this many times when nothing else is left to ask for: then it is what everything waits for.
const LATE_FACTOR_AT_THE_END: u32 = 2;

/// No request is late before this, however quick the others were: a short hiccup is not worth sending twice.
const SOONEST_LATE: Duration = Duration::from_secs(1);

/// When a request is late as long as none has been served yet.
const FIRST_LATE: Duration = Duration::from_secs(3);

/// A source that takes so many times as long as is usual is slow.
const SLOW_FACTOR: u32 = 2;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How long requests take, smoothed.
    typical: Option<Duration>,
    /// While we take no more than we allow ourselves, and how long a request takes is our own doing: how many requests are
    /// enough.
    enough: Option<u32>,
}

impl Pace {
    /// Our own limit is what requests wait for, and so many keep it busy; or it is not. While it is, none is late, no
    /// source is slow, and nothing is learnt: a second copy would only wait beside the first.
    pub(super) const fn throttle(&mut self, enough: Option<u32>) {
        self.enough = enough;
    }

    /// Requests that may be made at once, where so many are allowed.
    pub(super) fn at_once(&self, allowed: u32) -> u32 {
        self.enough.map_or(allowed, |enough| enough.clamp(1, allowed))
    }

    /// Whether our own limit is what requests wait for.
    pub(super) const fn is_throttled(&self) -> bool {
        self.enough.is_some()
    }

    /// How long a whole fragment takes, if one has come.
    pub(super) const fn typical(&self) -> Option<Duration> {
        self.typical
    }

    /// Whether a source that takes so long is quicker than most.
    pub(super) fn is_quick(&self, usual: Option<Duration>) -> bool {
        let quick = |usual: Duration| self.typical.is_some_and(|typical| usual * 4 <= typical * 3);
        usual.is_some_and(quick)
    }

    /// A whole fragment took so long. False when nothing can be learnt from that, because it waited for our own limit.
    pub(super) fn served_in(&mut self, took: Duration) -> bool {
        if self.enough.is_some() {
            return false;
        }
        // One that took for ever says nothing about the others.
        let blend = |typical: Duration| (typical * 7 + took.min(typical * 2)) / 8;
        self.typical = Some(self.typical.map_or(took, blend));
        true
    }

    /// How long a request may take before someone else is asked as well; `is_end`: nothing else is left to ask for.
    pub(super) fn late_after(&self, is_end: bool) -> Duration {
        if self.enough.is_some() {
            return Duration::MAX;
        }
        let factor = if is_end {
            LATE_FACTOR_AT_THE_END
        } else {
            LATE_FACTOR
        };
        let late = |typical: Duration| SOONEST_LATE.max(typical * factor);
        self.typical.map_or(FIRST_LATE, late)
    }

    /// How long to leave a source alone that has served a request in so long: the slower, the longer. Its uplink is
    /// then shared by fewer, each of whom waits less.
    pub(super) fn rest_after(&self, took: Duration) -> Duration {
        let slow =
            |typical: &Duration| self.enough.is_none() && !typical.is_zero() && took > *typical * SLOW_FACTOR;
        self.typical.filter(slow).map_or(Duration::ZERO, |typical| {
            took.mul_f64(took.div_duration_f64(typical) - 1.0)
        })
    }
}
