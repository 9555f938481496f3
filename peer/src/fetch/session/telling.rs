//! What a session tells: its callers how far it is, the scheduler that our own limit is the narrowest place, and whoever
//! asks what keeps it waiting.

use std::time::Duration;

use shared::model::{BLOCK_LENGTH, FetchStanding, Timestamp};

use super::super::callers::News;
use super::super::limits::Limits;
use super::super::progress::{Circumstances, waiting_for};
use super::super::scheduler::Event;
use super::Session;

/// How long it takes to see whether the sources or our own limit is slower: a limit lets a burst through first.
const FIRST_IMPRESSION: Duration = Duration::from_secs(3);

impl Session {
    /// Tells the scheduler when our own limit becomes what requests wait for, or is it no longer.
    pub(super) fn throttle(&mut self, now: Timestamp) {
        let limiter = &self.inner.limiter;
        // At first it is not known yet; then a limit is taken to be the narrowest place.
        let is_narrowest = limiter.holds_up() || now.since(self.begun) < FIRST_IMPRESSION;
        let enough = limiter
            .rate()
            .filter(|_| is_narrowest)
            .map(|rate| Limits::at_rate(rate, self.manifest.fragment_length()));
        if std::mem::replace(&mut self.throttle, enough) != enough {
            self.apply(Event::Throttled(enough));
        }
    }

    /// Tells callers how far it is.
    pub(super) fn tell(&mut self) {
        let now = self.inner.clock.now();
        let outlook = self.scheduler.outlook(now);
        let news = News {
            now,
            held: &self.held,
            received: self.intake.received(),
            sources_used: self.sources.used(),
            sources: outlook.serving,
            waiting_for: waiting_for(&outlook)
                .map(|reason| reason.detail)
                .or_else(|| self.speeds.complaint()),
        };
        if self.callers.tell(&news) && !self.callers.is_empty() {
            self.apply(Event::Want(self.callers.wanted()));
        }
    }

    /// Whether what ends has to wait for the disk, and then what would begin.
    pub(super) fn is_disk_behind(&self) -> bool {
        self.committing.is_under_way() && self.commits.is_full()
    }

    /// How it stands, and what keeps it waiting.
    pub(super) fn explain(&self) -> FetchStanding {
        let outlook = self.scheduler.outlook(self.inner.clock.now());
        let wanted = self.callers.wanted();
        let mut held = wanted.clone();
        held.intersect_with(&self.held);
        let limiter = &self.inner.limiter;
        let circumstances = Circumstances {
            outlook,
            limit: limiter.rate().filter(|_| limiter.holds_up()),
            memory: self
                .waits_for_memory(outlook.in_flight)
                .then_some(self.inner.limits.total_in_flight_bytes),
            is_disk_behind: self.is_disk_behind(),
            slow: self.speeds.complaint(),
        };
        FetchStanding {
            held_bytes: self.manifest.bytes_in(&held),
            length: self.manifest.bytes_in(&wanted),
            sources: outlook.serving,
            reasons: circumstances.reasons(),
        }
    }

    /// Whether requests were made and none has been let out, because others have taken the room.
    fn waits_for_memory(&self, in_flight: u32) -> bool {
        let blocks = self.manifest.fragment_length().get() / BLOCK_LENGTH;
        let least = blocks.min(self.inner.limits.total_blocks()) as usize;
        in_flight > 0 && self.sources.asked().next().is_none() && self.inner.room.available_permits() < least
    }
}
