//! The tracker's disk: one file for appending.
//!
//! Synced bytes survive a crash. Of bytes that were written and not synced a prefix of any length survives,
//! and its last bytes may be rubbish: a torn record.

use rand::{Rng, RngExt as _};

/// One file.
#[derive(Debug, Default)]
pub(super) struct Disk {
    bytes: Vec<u8>,
    synced: usize,
    /// Syncing does nothing: the power fails before it is over.
    pub(super) is_dying: bool,
    /// Every write fails after a few bytes.
    pub(super) is_failing: bool,
}

/// The disk is full or broken.
#[derive(Debug)]
pub(super) struct WriteFailed;

impl Disk {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), WriteFailed> {
        if self.is_failing {
            self.bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
            return Err(WriteFailed);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) const fn sync(&mut self) {
        if !self.is_dying {
            self.synced = self.bytes.len();
        }
    }

    /// Cuts off the bytes after the last whole record, as opening the file does.
    pub(super) fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
        self.synced = self.bytes.len();
    }

    /// Puts other bytes in their place, all or none (by renaming a file).
    pub(super) fn replace(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
        self.sync();
    }

    /// Ends the process, or the power.
    pub(super) fn crash(&mut self, rng: &mut impl Rng) {
        let kept = rng.random_range(self.synced..=self.bytes.len());
        self.bytes.truncate(kept);
        if kept > self.synced && rng.random_bool(0.3) {
            let torn = rng.random_range(self.synced..kept);
            for byte in &mut self.bytes[torn..] {
                *byte = rng.random();
            }
        }
        (self.is_dying, self.is_failing) = (false, false);
    }
}
