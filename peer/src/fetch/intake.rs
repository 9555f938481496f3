//! What a session receives, and how much of it in vain.
//!
//! Counted are the bytes of blocks that have come out of the connection; what was on its way when a request was given
//! up is seen by nobody here. In vain are bytes that were wrong, that had come before, or of fragments that did not become
//! complete before the session ended.

use std::ops::Sub;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::counters::Counters;

/// An amount received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    /// Bytes of blocks.
    pub(super) bytes: u64,
    /// Those of them that were in vain.
    pub(super) wasted: u64,
}

impl Received {
    /// Bytes that were not in vain, as far as it is known yet.
    pub(super) const fn useful(self) -> u64 {
        self.bytes - self.wasted
    }
}

impl Sub for Received {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            bytes: self.bytes - before.bytes,
            wasted: self.wasted - before.wasted,
        }
    }
}

/// Counts for one session, and for the peer.
#[derive(Debug)]
pub(super) struct Intake {
    peer: Arc<Counters>,
    bytes: AtomicU64,
    wasted: AtomicU64,
}

/// Counts for one source of a session.
#[derive(Debug, Default)]
pub(super) struct Meter {
    bytes: AtomicU64,
    requests: AtomicU32,
}

/// What comes for one request: in vain, unless it is [kept](Self::keep).
#[derive(Debug)]
pub(super) struct Portion {
    intake: Arc<Intake>,
    meter: Arc<Meter>,
    bytes: u64,
}

impl Intake {
    /// Nothing yet.
    pub(super) fn new(peer: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            peer,
            bytes: AtomicU64::new(0),
            wasted: AtomicU64::new(0),
        })
    }

    /// So far.
    pub(super) fn received(&self) -> Received {
        // In this order: what is wasted has been received before.
        let wasted = self.wasted.load(Ordering::Acquire);
        Received {
            bytes: self.bytes.load(Ordering::Acquire),
            wasted,
        }
    }

    /// These of the bytes received were in vain.
    pub(super) fn waste(&self, bytes: u64) {
        self.wasted.fetch_add(bytes, Ordering::Release);
        self.peer.add_wasted(bytes);
    }

    /// A source is being asked from now on.
    pub(super) fn begin(self: &Arc<Self>, meter: &Arc<Meter>) -> Portion {
        meter.requests.fetch_add(1, Ordering::Relaxed);
        Portion {
            intake: Arc::clone(self),
            meter: Arc::clone(meter),
            bytes: 0,
        }
    }
}

impl Meter {
    /// Bytes that have come from the source.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether the source is being asked for something.
    pub(super) fn is_asked(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }
}

impl Portion {
    /// Some bytes have come.
    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.meter.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.intake.bytes.fetch_add(bytes, Ordering::Release);
        self.intake.peer.add_received(bytes);
    }

    /// What has come so far is of use.
    pub(super) const fn keep(&mut self) {
        self.bytes = 0;
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        self.meter.requests.fetch_sub(1, Ordering::Relaxed);
        self.intake.waste(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_was_in_vain() {
        let counters = Counters::new();
        let (intake, meter) = (Intake::new(Arc::clone(&counters)), Arc::default());
        let (mut kept, mut dropped) = (intake.begin(&meter), intake.begin(&meter));
        kept.add(5);
        dropped.add(2);
        kept.add(1);
        let so_far = intake.received();
        assert_eq!(so_far, Received { bytes: 8, wasted: 0 });
        kept.keep();
        drop(kept);
        assert!(meter.is_asked());
        drop(dropped);
        assert!(!meter.is_asked());
        assert_eq!(intake.received() - so_far, Received { bytes: 0, wasted: 2 });
        assert_eq!(intake.received().useful(), 6);
        intake.waste(6);
        assert_eq!((counters.received(), counters.wasted(), meter.bytes()), (8, 8, 8));
    }
}
