//! What the scheduler knows about one source: what it holds, how much it may be asked, whether it is trusted.

use std::time::Duration;

use shared::model::{FragmentSet, Timestamp};

/// The first wait after a failure; long enough that a busy source has served something meanwhile.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// No wait is longer: a source that has recovered is used again after this time at the latest.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Requests that a source about which nothing is known yet is given: one to serve, one to follow at once.
const FIRST_WINDOW: u32 = 2;

/// One source's standing. It outlives the source's absence, so that coming back wipes nothing out.
#[derive(Debug)]
pub(super) struct Standing {
    /// What it holds; nothing while it is away.
    pub(super) fragments: FragmentSet,
    /// Whether it can be asked at all.
    pub(super) is_present: bool,
    /// Whether it is in our zone.
    pub(super) is_near: bool,
    /// Whether it sent bytes that did not match their hash; never forgiven in this job.
    pub(super) is_banned: bool,
    /// Requests that it is serving.
    pub(super) in_flight: u32,
    /// Requests that it may serve at once: grows with success, falls to 1 with failure.
    window: u32,
    /// Failures since the last success.
    strikes: u32,
    /// Nothing is asked of it before.
    ready_at: Timestamp,
}

impl Standing {
    /// A source of which nothing is known.
    pub(super) fn new(count: u32, widest: u32) -> Self {
        Self {
            fragments: FragmentSet::empty(count),
            is_present: false,
            is_near: false,
            is_banned: false,
            in_flight: 0,
            window: FIRST_WINDOW.min(widest),
            strikes: 0,
            ready_at: Timestamp::default(),
        }
    }

    /// Whether one more request may be given to it now.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        self.is_usable() && self.has_room_for(0) && !self.is_waiting(now)
    }

    /// Whether requests may be given to it, now or later.
    pub(super) const fn is_usable(&self) -> bool {
        self.is_present && !self.is_banned
    }

    /// Whether it could be given one more request after `given` others.
    pub(super) const fn has_room_for(&self, given: u32) -> bool {
        self.in_flight + given < self.window
    }

    /// Whether it is being left alone after a failure.
    pub(super) fn is_waiting(&self, now: Timestamp) -> bool {
        now < self.ready_at
    }

    /// How much of what it may serve it would be serving with `given` more, in thousandths.
    pub(super) const fn load_with(&self, given: u32) -> u32 {
        (self.in_flight + given) * 1000 / self.window
    }

    /// It served a request.
    pub(super) fn succeeded(&mut self, widest: u32) {
        self.strikes = 0;
        self.window = (self.window + 1).min(widest);
    }

    /// It did not serve a request: it is asked less, and not again before a wait that doubles with every failure in
    /// a row; requests that fail together count as one. `jitter`, from 0.5 to 1, keeps fetchers from coming back all at
    /// once.
    pub(super) fn failed(&mut self, now: Timestamp, jitter: f64) {
        self.window = 1;
        if !self.is_waiting(now) {
            let doublings = self.strikes.min(16);
            self.strikes += 1;
            let wait = FIRST_WAIT
                .saturating_mul(1 << doublings)
                .min(LONGEST_WAIT)
                .mul_f64(jitter);
            self.ready_at = now.after(wait);
        }
    }

    /// Another source was faster with the same fragment: it is asked less, but not left alone.
    pub(super) const fn outrun(&mut self) {
        self.window = 1;
    }
}
