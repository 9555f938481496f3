//! Verified fragments that wait to be made durable together: a sync costs the same for one as for many.

use std::time::Duration;

use shared::hash::FragmentProof;
use shared::model::{FragmentIndex, Timestamp};

use super::arrivals::Arrival;

/// A verified and written fragment.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) proof: FragmentProof,
    /// It is passed on until it is held.
    pub(super) arrival: Arrival,
}

/// Collects fragments and says when to commit them. Pure.
#[derive(Debug)]
pub(super) struct Commits {
    ready: Vec<Delivery>,
    bytes: u64,
    last: Timestamp,
    commit_bytes: u64,
    interval: Duration,
}

impl Commits {
    /// Nothing is waiting.
    pub(super) const fn new(now: Timestamp, commit_bytes: u64, interval: Duration) -> Self {
        Self {
            ready: Vec::new(),
            bytes: 0,
            last: now,
            commit_bytes,
            interval,
        }
    }

    /// A fragment of so many bytes is waiting.
    pub(super) fn push(&mut self, delivery: Delivery, bytes: u32) {
        self.ready.push(delivery);
        self.bytes += u64::from(bytes);
    }

    /// Whether nothing is waiting.
    pub(super) const fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether as much is waiting as may be.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes >= self.commit_bytes
    }

    /// Whether it is time to commit.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        !self.is_empty() && (self.is_full() || now.since(self.last) >= self.interval)
    }

    /// Takes what waits, except fragments that are still `busy`: another source's last blocks of them are just being
    /// written.
    pub(super) fn take(&mut self, now: Timestamp, busy: impl Fn(FragmentIndex) -> bool) -> Vec<Delivery> {
        let (busy, taken): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ready)
            .into_iter()
            .partition(|delivery| busy(delivery.proof.index()));
        // Busy ones are few and soon taken; they are not worth counting.
        self.bytes = 0;
        self.ready = busy;
        self.last = now;
        taken
    }
}
