//! Pace: the time that requests take, and what follows from it: which are late, and which sources are better
//! asked less.

use std::time::Duration;

/// Multiple of the usual time after which a request is late.
const LATE_FACTOR: u32 = 3;

/// Multiple of the usual time after which a request is late when nothing else is left to ask for: then
/// everything waits for it.
const LATE_FACTOR_AT_THE_END: u32 = 2;

/// Time before which no request is late, however quick the others were: a short hiccup is not worth sending
/// twice.
const SOONEST_LATE: Duration = Duration::from_secs(1);

/// Time after which a request is late while none has been served yet.
const FIRST_LATE: Duration = Duration::from_secs(3);

/// Multiple of the usual time from which on a source is slow.
const SLOW_FACTOR: u32 = 2;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Time that requests take, smoothed.
    typical: Option<Duration>,
    /// Number of requests that keep this peer's own limit busy, while requests wait for that limit.
    enough: Option<u32>,
}

impl Pace {
    /// Sets the number of requests that keep this peer's own limit busy; none when requests do not wait for
    /// it. While they do, no request is late, no source is slow, and nothing is learnt: a second copy would
    /// only wait beside the first.
    pub(super) const fn throttle(&mut self, enough: Option<u32>) {
        self.enough = enough;
    }

    /// Returns the number of requests that may be made at once, where `allowed` are allowed.
    pub(super) fn at_once(&self, allowed: u32) -> u32 {
        self.enough.map_or(allowed, |enough| enough.clamp(1, allowed))
    }

    /// Whether requests wait for this peer's own limit.
    pub(super) const fn is_throttled(&self) -> bool {
        self.enough.is_some()
    }

    /// Time that a whole fragment takes, if one has come.
    pub(super) const fn typical(&self) -> Option<Duration> {
        self.typical
    }

    /// Whether a source that usually takes this time is quicker than most.
    pub(super) fn is_quick(&self, usual: Option<Duration>) -> bool {
        let quick = |usual: Duration| self.typical.is_some_and(|typical| usual * 4 <= typical * 3);
        usual.is_some_and(quick)
    }

    /// Takes in the time that a whole fragment took. Returns false when nothing can be learnt from it,
    /// because the request waited for this peer's own limit.
    pub(super) fn served_in(&mut self, took: Duration) -> bool {
        if self.enough.is_some() {
            return false;
        }
        // A request that took for ever says nothing about the others.
        let blend = |typical: Duration| (typical * 7 + took.min(typical * 2)) / 8;
        self.typical = Some(self.typical.map_or(took, blend));
        true
    }

    /// Returns the time that a request may take before another source takes over; `is_end` says that nothing
    /// else is left to ask for.
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

    /// Returns the time for which to leave a source alone after a request that took this long: the slower,
    /// the longer. Fewer peers then share its uplink, and each of them waits less.
    pub(super) fn rest_after(&self, took: Duration) -> Duration {
        let slow =
            |typical: &Duration| self.enough.is_none() && !typical.is_zero() && took > *typical * SLOW_FACTOR;
        self.typical.filter(slow).map_or(Duration::ZERO, |typical| {
            took.mul_f64(took.div_duration_f64(typical) - 1.0)
        })
    }
}
