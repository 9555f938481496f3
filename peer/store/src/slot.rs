//! Slots: the records of a disk store in memory, and the locks under which they change.
//!
//! Invariants: a record changes only under the index's lock, after the index has changed (except for its
//! notes about written blocks, which are not durable). A content whose data moves to another place gets a new
//! slot, so that blocks written to the old place can never be committed for the new one. No record's lock is
//! held during I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use shared::model::ContentId;

use super::account::{Account, Claim, Disk};
use super::kept::Kept;

/// One content in one place.
#[derive(Debug)]
pub(super) struct Slot {
    /// Number under which the slot's files are open.
    pub(super) number: u64,
    kept: Mutex<Kept>,
    /// Lock held shared while blocks are written, and exclusively while a file gets its final identity.
    writing: RwLock<()>,
    /// Lock for one sync at a time: the system reports an error to only one of several callers, so they must
    /// not overlap.
    syncing: Mutex<()>,
    /// Looks in a row that met the content as a leftover, none of it wanted in between; changes under the
    /// index's lock.
    looks: AtomicU32,
}

impl Slot {
    /// Notes that the content is wanted.
    pub(super) fn want(&self) {
        self.looks.store(0, Ordering::Relaxed);
    }

    /// Notes a look at a leftover; returns how many there were.
    pub(super) fn look(&self) -> u32 {
        self.looks.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin_writing(&self) -> RwLockReadGuard<'_, ()> {
        self.writing.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stop_writing(&self) -> RwLockWriteGuard<'_, ()> {
        self.writing.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin_syncing(&self) -> MutexGuard<'_, ()> {
        self.syncing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The current slot of every content.
#[derive(Debug, Default)]
pub(super) struct Slots {
    current: RwLock<BTreeMap<ContentId, Arc<Slot>>>,
    /// Slots that were ever made.
    count: AtomicU64,
    /// Room of the current records; changes under the index's lock.
    account: Mutex<Account>,
    /// Contents whose files are away; changes under the index's lock.
    suspended: Mutex<BTreeSet<ContentId>>,
}

impl Slots {
    pub(super) fn get(&self, content: ContentId) -> Option<Arc<Slot>> {
        self.read().get(&content).cloned()
    }

    /// Whether the slot is still the current one of its content.
    pub(super) fn is_current(&self, slot: &Slot) -> bool {
        let content = slot.kept().content();
        self.read()
            .get(&content)
            .is_some_and(|current| current.number == slot.number)
    }

    /// Number of contents.
    pub(super) fn count(&self) -> usize {
        self.read().len()
    }

    /// Bytes of the capacity that all contents take.
    pub(super) fn reserved(&self) -> u64 {
        self.account().reserved()
    }

    /// Bytes that are to come onto a disk for other contents than this one.
    pub(super) fn missing_on(&self, disk: Disk, besides: ContentId) -> u64 {
        self.account().missing_on(disk, besides)
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the record of a slot; under the index's lock.
    pub(super) fn change(&self, slot: &Slot, change: impl FnOnce(&mut Kept)) {
        let is_current = self.is_current(slot);
        let mut kept = slot.kept();
        change(&mut kept);
        if is_current {
            self.account().set(kept.content(), kept.claim());
            self.note_suspension(kept.content(), kept.suspension.is_some());
        }
    }

    fn note_suspension(&self, content: ContentId, is_suspended: bool) {
        let mut suspended = self.suspended.lock().unwrap_or_else(PoisonError::into_inner);
        match is_suspended {
            true => suspended.insert(content),
            false => suspended.remove(&content),
        };
    }

    /// Returns the slots of contents whose files are away.
    pub(super) fn suspended(&self) -> Vec<Arc<Slot>> {
        let suspended = self.suspended.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.read();
        let slot = |content: &ContentId| current.get(content).cloned();
        suspended.iter().filter_map(slot).collect()
    }

    /// Returns all slots, in order of content ids.
    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        self.read().values().cloned().collect()
    }

    /// Puts a record in a new slot, in place of the content's earlier slot.
    pub(super) fn put(&self, kept: Kept) -> Arc<Slot> {
        let content = kept.content();
        self.account().set(content, kept.claim());
        self.note_suspension(content, kept.suspension.is_some());
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let (writing, syncing) = (RwLock::new(()), Mutex::new(()));
        let slot = Arc::new(Slot {
            number,
            kept: Mutex::new(kept),
            writing,
            syncing,
            looks: AtomicU32::new(0),
        });
        self.write().insert(content, Arc::clone(&slot));
        slot
    }

    pub(super) fn remove(&self, content: ContentId) {
        self.note_suspension(content, false);
        self.account().set(content, Claim::default());
        self.write().remove(&content);
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<ContentId, Arc<Slot>>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<ContentId, Arc<Slot>>> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }
}
