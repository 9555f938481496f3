//! A limit on bytes per second that can be changed while transfers run.
//!
//! `Bucket` decides (pure): every byte taken is owed and paid back at the rate, and no more may be owed than
//! a burst. [`Limiter`] is the handle that all transfers of one direction share: it lets them wait in the
//! order of asking.
//!
//! The limiter counts the bytes of blocks, not those of frames, proofs and headers: a few per mille more are
//! on the line. Deliberately absent: the identity of a peer. Peers are treated fairly because each waits for
//! one chunk at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::model::{ByteRate, Timestamp};
use shared::runtime::Clock;
use tokio::sync::{Notify, Semaphore};

/// Part of a second's bytes that may be taken at once after a pause: a quarter, so that no task has to wake
/// up more often than a busy machine can.
const BURST_PARTS: u64 = 4;

/// Smallest burst: the largest chunk that an upload sends.
const LEAST_BURST: u64 = 512 << 10;

/// Time after the last wait from which on transfers do not count as held up by the limit.
const LATELY: Duration = Duration::from_secs(1);

/// Parts of a byte: clocks tell milliseconds, and a byte per second is a thousandth of a byte in each.
const PARTS: u128 = 1000;

/// Debt at a limit, as a function of the time.
///
/// A generic cell rate algorithm that counts bytes instead of time, so that a debt outlives a change of the
/// rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    /// Thousandths of bytes that were taken and not paid back by `at`.
    owed: u128,
    at: Timestamp,
}

impl Bucket {
    /// Pays back the bytes that the rate has allowed since the last time.
    fn settle(&mut self, rate: ByteRate, now: Timestamp) {
        let allowed = u128::from(rate.get()) * now.since(self.at).as_millis();
        self.owed = self.owed.saturating_sub(allowed);
        self.at = self.at.max(now);
    }

    /// Takes the bytes, or returns the time at this rate until they can be taken. More than a burst can be
    /// taken when nothing is owed.
    fn take(&mut self, rate: ByteRate, now: Timestamp, bytes: u64) -> Result<(), Duration> {
        self.settle(rate, now);
        let may_owe = u128::from(burst(rate).saturating_sub(bytes)) * PARTS;
        if self.owed <= may_owe {
            self.owed += u128::from(bytes) * PARTS;
            return Ok(());
        }
        let millis = (self.owed - may_owe).div_ceil(rate.get().into());
        Err(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }

    /// Changes the rate. Debt above the new burst is forgiven: a quarter of a second of a quick line can be
    /// minutes of a slow one.
    fn change(&mut self, from: ByteRate, to: ByteRate, now: Timestamp) {
        self.settle(from, now);
        self.owed = self.owed.min(u128::from(burst(to)) * PARTS);
    }
}

/// Returns the bytes that may be taken at once.
fn burst(rate: ByteRate) -> u64 {
    (rate.get() / BURST_PARTS).max(LEAST_BURST)
}

/// A limit that lets no more bytes through than its rate allows; cheap to clone, and all clones share the
/// rate.
#[derive(Clone, Debug)]
pub struct Limiter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    /// Bytes per second; 0 is no limit. Written only under the bucket's lock.
    rate: AtomicU64,
    bucket: Mutex<Bucket>,
    /// End of the last wait, in milliseconds; 0 when no caller has waited since the rate was set. Written
    /// only under the bucket's lock.
    held_until: AtomicU64,
    /// Turn to wait for the bucket; the other callers wait for the turn, in the order of asking.
    turn: Semaphore,
    /// Tells the caller whose turn it is that the rate has changed.
    changed: Notify,
}

impl Limiter {
    /// Makes a limiter without a limit until one is set.
    #[must_use]
    pub fn unlimited(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            rate: AtomicU64::new(0),
            bucket: Mutex::default(),
            held_until: AtomicU64::new(0),
            turn: Semaphore::new(1),
            changed: Notify::new(),
        }))
    }

    /// Returns the limit, if there is one.
    #[must_use]
    pub fn rate(&self) -> Option<ByteRate> {
        ByteRate::new(self.0.rate.load(Ordering::Relaxed))
    }

    /// Sets or lifts the limit, also for callers that are waiting now.
    pub fn set(&self, rate: Option<ByteRate>) {
        {
            let mut bucket = self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.0.clock.now();
            match (self.rate(), rate) {
                (Some(from), Some(to)) => bucket.change(from, to, now),
                // Without a limit nothing is counted.
                _ => *bucket = Bucket { owed: 0, at: now },
            }
            self.0
                .rate
                .store(rate.map_or(0, ByteRate::get), Ordering::Relaxed);
            self.0.held_until.store(0, Ordering::Relaxed);
        }
        self.0.changed.notify_one();
    }

    /// Whether the limit has made a caller wait within the last second: then a slow transfer may be slow
    /// because of it. (A caller that waits in turn does not wait all the time.)
    #[must_use]
    pub fn holds_up(&self) -> bool {
        let until = self.0.held_until.load(Ordering::Relaxed);
        until > 0 && self.0.clock.now().since(Timestamp::from_millis(until)) < LATELY
    }

    /// Waits until `bytes` bytes may go. Without a limit the call costs one load.
    ///
    /// Cancel-safe: a caller that gives up waiting has taken nothing and holds no other caller up.
    pub async fn take(&self, bytes: u64) {
        if self.rate().is_none() {
            return;
        }
        // Never closed.
        let _turn = self.0.turn.acquire().await;
        while let Err(wait) = self.try_take(bytes) {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.0.changed.notified() => {}
            }
        }
    }

    fn try_take(&self, bytes: u64) -> Result<(), Duration> {
        let mut bucket = self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rate) = self.rate() else {
            return Ok(());
        };
        let now = self.0.clock.now();
        bucket.take(rate, now, bytes).inspect_err(|wait| {
            self.0
                .held_until
                .store(now.after(*wait).as_millis(), Ordering::Relaxed);
        })
    }
}

#[cfg(test)]
mod tests;
