//! Counters of bytes sent, received, and received in vain: for the peer, for a session, for a source.
//!
//! Received are the bytes of blocks that have come out of the connection; bytes that were on their way when a
//! request was given up are counted nowhere. In vain are bytes that were wrong, that had come before, or that
//! belong to fragments that did not become complete before the session ended.

use std::ops::Sub;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Bytes of fragments since the peer started, and uploads in progress. The fetcher and the transfer service
/// share it.
#[derive(Debug, Default)]
pub struct Counters {
    sent: AtomicU64,
    received: AtomicU64,
    wasted: AtomicU64,
    checked: AtomicU64,
    uploads: AtomicU32,
}

/// An upload in progress; it ends when this is dropped.
#[derive(Debug)]
pub struct Upload(Arc<Counters>);

impl Counters {
    /// Starts at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Bytes of blocks sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes of blocks received.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes of blocks received in vain.
    #[must_use]
    pub fn wasted(&self) -> u64 {
        self.wasted.load(Ordering::Relaxed)
    }

    /// Bytes of blocks and leaves that were read to see that others have them; not among those received.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }

    /// Counts bytes that were read for a check.
    pub(super) fn add_checked(&self, bytes: u64) {
        self.checked.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Uploads in progress.
    #[must_use]
    pub fn uploads(&self) -> u32 {
        self.uploads.load(Ordering::Relaxed)
    }

    /// Begins an upload.
    #[must_use]
    pub fn upload(self: &Arc<Self>) -> Upload {
        self.uploads.fetch_add(1, Ordering::Relaxed);
        Upload(Arc::clone(self))
    }
}

impl Upload {
    /// Counts bytes that were handed to the connection.
    pub fn add_sent(&self, bytes: u64) {
        self.0.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.0.uploads.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An amount received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    /// Bytes of blocks.
    pub(super) bytes: u64,
    /// Bytes of blocks received in vain.
    pub(super) wasted: u64,
}

impl Received {
    /// Bytes that were not in vain, as far as is known yet.
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

/// Counter of one session; counts for the peer too.
#[derive(Debug)]
pub(super) struct Intake {
    peer: Arc<Counters>,
    bytes: AtomicU64,
    wasted: AtomicU64,
}

/// Counter of one source of a session.
#[derive(Debug, Default)]
pub(super) struct Meter {
    bytes: AtomicU64,
    /// Bytes of them that were verified.
    kept: AtomicU64,
    requests: AtomicU32,
}

/// Bytes that come for one request: in vain, unless they are [kept](Self::keep).
#[derive(Debug)]
pub(super) struct Portion {
    intake: Arc<Intake>,
    meter: Arc<Meter>,
    bytes: u64,
}

impl Intake {
    /// Starts at zero.
    pub(super) fn new(peer: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            peer,
            bytes: AtomicU64::new(0),
            wasted: AtomicU64::new(0),
        })
    }

    /// Amount received until now.
    pub(super) fn received(&self) -> Received {
        // In this order: wasted bytes were received before.
        let wasted = self.wasted.load(Ordering::Acquire);
        Received {
            bytes: self.bytes.load(Ordering::Acquire),
            wasted,
        }
    }

    /// Counts received bytes as received in vain.
    pub(super) fn waste(&self, bytes: u64) {
        self.wasted.fetch_add(bytes, Ordering::Release);
        self.peer.wasted.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Begins a request to a source.
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

    /// Whether something has come from the source that was verified.
    pub(super) fn is_of_use(&self) -> bool {
        self.kept.load(Ordering::Relaxed) > 0
    }

    /// Whether a request to the source is in progress.
    pub(super) fn is_asked(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }
}

impl Portion {
    /// Counts bytes that have come.
    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.meter.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.intake.bytes.fetch_add(bytes, Ordering::Release);
        self.intake.peer.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Keeps the bytes that have come so far: they are of use.
    pub(super) fn keep(&mut self) {
        let kept = std::mem::take(&mut self.bytes);
        self.meter.kept.fetch_add(kept, Ordering::Relaxed);
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
    fn bytes_that_are_not_kept_were_received_in_vain() {
        let counters = Counters::new();
        let (intake, meter) = (Intake::new(Arc::clone(&counters)), Arc::default());
        let (mut kept, mut dropped) = (intake.begin(&meter), intake.begin(&meter));
        kept.add(5);
        dropped.add(2);
        kept.add(1);
        let so_far = intake.received();
        assert_eq!(so_far, Received { bytes: 8, wasted: 0 });
        assert!(!meter.is_of_use(), "nothing is verified yet");
        kept.keep();
        assert!(meter.is_of_use());
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
