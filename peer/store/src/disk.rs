//! The store on disk. `writing` tells how data gets there, `reading` how it is read.
//!
//! A new content is in the index before its files are made, so that no file is ever without an owner. A
//! forgotten content leaves the index first (with a partial file: after it was withdrawn), and its files are
//! removed after that.
//!
//! Locks, in this order: a slot's `syncing`, the index, a slot's `writing`, a slot's record. Data is read and
//! written under no lock but `writing`, which is shared. With the index locked no file of a user's is looked
//! at (`looking`), but for one that is moved to its output just then, or gets its mode and time.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use shared::hash::{FragmentProof, VerifiedBlocks};
use shared::model::{
    BlockSpan, ContentId, Digest, FragmentIndex, FragmentSet, LostFiles, Manifest, Name, Revision,
};
use tokio::sync::broadcast;

use super::files::{disk_of, free_space};
use super::handles::{Handles, Part};
use super::index::Index;
use super::kept::Kept;
use super::layout::Layout;
use super::networks::{self, Networks};
use super::publications::{Publication, PublicationState};
use super::recovery::recover;
use super::reserve::Reserve;
use super::slot::{Slot, Slots};
use super::touched::TouchedContents;
use super::{Entry, FragmentStore, Place, Purpose, Role, Roles, StoreError, Usage, strays};

/// Changes that a subscriber may lag behind before it has to look at everything.
pub(super) const CHANGES: usize = 1024;

/// A store with fragments in files and their index in SQLite, for one node at a time.
#[derive(Debug)]
pub struct DiskStore {
    pub(super) layout: Layout,
    capacity: AtomicU64,
    index: Mutex<Index>,
    pub(super) slots: Slots,
    pub(super) handles: Handles,
    /// Bytes of the capacity that staged uploads may take; changes under the index's lock.
    pub(super) staged: AtomicU64,
    /// Milliseconds since it was last written down how long files have been away.
    pub(super) unnoted: AtomicU64,
    changes: broadcast::Sender<ContentId>,
    pub(super) touched: TouchedContents,
    /// The network that the peer is in, and the contents that belong to others.
    pub(super) networks: Mutex<Networks>,
    /// Room for forgetting on a full disk.
    reserve: Reserve,
    /// Lock on the data directory, held while the store is open.
    _lock: File,
}

impl DiskStore {
    /// Opens the store in a data directory (made if missing), of which at most `capacity` bytes are used for
    /// fragments. Fragments that the files on disk cannot prove are not held any more.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when another node uses the directory, or a newer version made it;
    /// [`StoreError::Torn`] when the index is damaged or gone; [`StoreError::Place`], [`StoreError::Index`].
    pub fn open(data_dir: &Path, capacity: u64) -> Result<Self, StoreError> {
        Self::open_in(data_dir, capacity).map_err(StoreError::in_data_directory)
    }

    fn open_in(data_dir: &Path, capacity: u64) -> Result<Self, StoreError> {
        let layout = Layout::create(data_dir)?;
        let lock = layout.lock()?;
        layout.examine_index()?;
        Self::on(layout, lock, capacity)
    }

    /// Opens the store in a data directory that is locked, and whose index can be used.
    pub(super) fn on(layout: Layout, lock: File, capacity: u64) -> Result<Self, StoreError> {
        let mut index = Index::open(&layout.index())?;
        let reserve = Reserve::in_directory(layout.root());
        networks::prepare(&index)?;
        let slots = Slots::default();
        for mut kept in recover(&layout, &mut index)? {
            // Where data are to come; a directory that is away gets none.
            let data = layout.own_data(&kept).filter(|_| kept.claim().missing > 0);
            kept.device = data.and_then(|data| disk_of(data.parent()?).ok());
            slots.put(kept);
        }
        let networks = Mutex::new(Networks::load(&index)?);
        let (index, changes) = (Mutex::new(index), broadcast::Sender::new(CHANGES));
        Ok(Self {
            layout,
            capacity: AtomicU64::new(capacity),
            index,
            slots,
            handles: Handles::default(),
            staged: AtomicU64::new(0),
            unnoted: AtomicU64::new(0),
            changes,
            touched: TouchedContents::default(),
            reserve,
            networks,
            _lock: lock,
        })
    }

    /// Returns whether there is an index in a data directory: a store was opened there before.
    #[must_use]
    pub fn exists(data_dir: &Path) -> bool {
        Layout::index_of(data_dir).exists()
    }

    /// Whether anything is kept here, or was and is lost.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn has_fragments(&self) -> Result<bool, StoreError> {
        Ok(self.slots.count() > 0 || self.layout.lost().exists())
    }

    /// Counts the files in the data directory's `lost`: the user decides about them.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn lost(&self) -> Result<LostFiles, StoreError> {
        strays::count(&self.layout.lost())
    }

    /// Sets the bytes that are used for fragments at most from now on; fragments that are there stay.
    pub fn set_capacity(&self, capacity: u64) {
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn is_index_locked(&self) -> bool {
        self.index.try_lock().is_err()
    }

    /// Locks the index, and with it the right to change records.
    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn slot(&self, content: ContentId) -> Result<Arc<Slot>, StoreError> {
        self.slots.get(content).ok_or(StoreError::UnknownContent(content))
    }

    /// Does something with a content in the place where it is; again when it failed because the content has
    /// got another place meanwhile.
    fn in_its_place<T>(
        &self,
        content: ContentId,
        work: impl Fn(&Slot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            let slot = self.slot(content)?;
            let done = work(&slot);
            if done.is_ok() || self.slots.is_current(&slot) {
                return done;
            }
        }
    }

    pub(super) fn notify(&self, content: ContentId) {
        // It is no error when there is no listener.
        drop(self.changes.send(content));
    }

    /// Changes a record: first in the index, then in memory. The copy for the index lacks the notes about
    /// written blocks. A slot that its content has left changes nothing: the record in the index is
    /// another's.
    pub(super) fn change(
        &self,
        index: &Index,
        slot: &Slot,
        change: impl Fn(&mut Kept),
    ) -> Result<(), StoreError> {
        if !self.slots.is_current(slot) {
            return Ok(());
        }
        let mut next = slot.kept().durable();
        change(&mut next);
        index.update(&next)?;
        self.slots.change(slot, change);
        Ok(())
    }

    /// Withdraws fragments, whatever other files there are.
    pub(super) fn withdraw_here(
        &self,
        index: &Index,
        slot: &Slot,
        fragments: &FragmentSet,
    ) -> Result<(), StoreError> {
        let mut next = slot.kept().durable();
        if next.withdraw(fragments)? {
            self.change(index, slot, |kept| kept.held = next.held.clone())?;
            self.notify(next.content());
        }
        Ok(())
    }

    /// Says of a failure to write a content that its output, which the user chose, has failed: its directory
    /// was removed, perhaps, or the disk on which it is.
    fn at_output_of(&self, content: ContentId, error: StoreError) -> StoreError {
        let place = self.slots.get(content).map(|slot| slot.kept().place.clone());
        let Some(Place::Partial { partial, output, .. }) = place else {
            return error;
        };
        match error {
            StoreError::Changed { path } | StoreError::Away { path, .. } if path == partial => {
                StoreError::io("write", &output)(std::io::ErrorKind::NotFound.into())
            }
            error => error,
        }
        .at_output(&output)
    }

    fn release_roles(&self, index: &mut Index, content: ContentId, gone: &[Role]) -> Result<u64, StoreError> {
        let slot = self.slot(content)?;
        let before = slot.kept().roles;
        let roles = gone.iter().fold(before, |roles, role| roles.with(*role, false));
        if roles == Roles::default() {
            return self.forget_slot(index, &slot);
        }
        if roles != before {
            self.change(index, &slot, |kept| kept.roles = roles)?;
            self.notify(content);
        }
        Ok(0)
    }
}

impl FragmentStore for DiskStore {
    fn entries(&self) -> Vec<Entry> {
        self.slots.all().iter().map(|slot| slot.kept().entry()).collect()
    }

    fn entry(&self, content: ContentId) -> Option<Entry> {
        self.slots.get(content).map(|slot| slot.kept().entry())
    }

    fn prepare(&self, manifest: &Manifest, purpose: Purpose) -> Result<Entry, StoreError> {
        let prepared = self.prepare_for(manifest, &purpose);
        prepared.map_err(|error| match &purpose {
            Purpose::Fetched { output, .. } => error.at_output(output),
            _ => error,
        })
    }

    fn write(&self, content: ContentId, blocks: VerifiedBlocks<'_>) -> Result<(), StoreError> {
        self.write_blocks(content, blocks)
            .map_err(|error| self.at_output_of(content, error))
    }

    fn commit(&self, content: ContentId, fragments: &[FragmentProof]) -> Result<(), StoreError> {
        self.commit_fragments(content, fragments)
            .map_err(|error| self.at_output_of(content, error))
    }

    fn read(&self, content: ContentId, index: FragmentIndex, span: BlockSpan) -> Result<Bytes, StoreError> {
        self.in_its_place(content, |slot| {
            let range = slot.kept().locate(index, span)?;
            self.read_part(slot, Part::Data, index, range)
        })
    }

    fn proof(&self, content: ContentId, index: FragmentIndex) -> Result<FragmentProof, StoreError> {
        self.in_its_place(content, |slot| {
            let (manifest, first) = {
                let kept = slot.kept();
                kept.require_held(index)?;
                (kept.manifest.clone(), kept.first_block(index))
            };
            let start = first * Digest::LEN as u64;
            let end = start + u64::from(manifest.blocks_of(index)) * Digest::LEN as u64;
            let bytes = self.read_part(slot, Part::Leaves, index, start..end)?;
            let leaves = bytes
                .as_chunks()
                .0
                .iter()
                .map(|leaf| Digest::from_bytes(*leaf))
                .collect();
            match FragmentProof::verify(&manifest, index, leaves) {
                Ok(proof) => Ok(proof),
                Err(_) => Err(self.lose(slot, index)?),
            }
        })
    }

    fn withdraw(&self, content: ContentId, fragments: &FragmentSet) -> Result<(), StoreError> {
        let slot = self.slot(content)?;
        let found = self.look_everywhere(&slot)?;
        let index = self.index();
        let is_lost = slot.kept().durable().withdraw(fragments)?;
        // An equal file is not damaged in the same place.
        let is_there = self.slots.is_current(&slot) && found.is_of(&slot.kept());
        if is_lost && !(is_there && self.move_to_copy(&index, &slot, &found)?) {
            self.withdraw_here(&index, &slot, fragments)?;
        }
        Ok(())
    }

    fn release(&self, content: ContentId, role: Role) -> Result<u64, StoreError> {
        self.reserve
            .lend(|| self.release_roles(&mut self.index(), content, &[role]))
    }

    fn forget(&self, content: ContentId) -> Result<u64, StoreError> {
        self.reserve.lend(|| {
            let mut index = self.index();
            let slot = self.slot(content)?;
            self.forget_slot(&mut index, &slot)
        })
    }

    fn evict(
        &self,
        content: ContentId,
        roles: Option<&[Role]>,
        is_protected: &dyn Fn() -> bool,
    ) -> Result<Option<u64>, StoreError> {
        self.reserve.lend(|| {
            let mut index = self.index();
            if is_protected() {
                return Ok(None);
            }
            match roles {
                Some(roles) => self.release_roles(&mut index, content, roles),
                None => self
                    .slot(content)
                    .and_then(|slot| self.forget_slot(&mut index, &slot)),
            }
            .map(Some)
        })
    }

    fn give_back(&self, content: ContentId, fragments: &FragmentSet) -> Result<(), StoreError> {
        self.give_back_room(content, fragments)
    }

    fn usage(&self) -> Usage {
        Usage {
            capacity: self.capacity.load(Ordering::Relaxed),
            used: self.slots.reserved() + self.staged.load(Ordering::Relaxed),
        }
    }

    fn disk_free(&self) -> Option<u64> {
        let index = self.layout.index();
        let free = free_space(index.parent()?).ok();
        free.filter(|free| *free < u64::MAX)
    }

    fn is_elsewhere(&self, content: ContentId) -> bool {
        self.is_elsewhere_now(content)
    }

    fn subscribe(&self) -> broadcast::Receiver<ContentId> {
        self.changes.subscribe()
    }
}

impl DiskStore {
    /// Returns all publications, in order of names: for tests. A node has as many as its user has files.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    #[cfg(any(test, feature = "testing"))]
    pub fn publications(&self) -> Result<Vec<Publication>, StoreError> {
        self.index().publications()
    }

    /// Returns the publication under a name.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn publication(&self, name: &Name) -> Result<Option<Publication>, StoreError> {
        self.index().publication(name)
    }

    /// Returns the publications of a content, in order of names.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn publications_of(&self, content: ContentId) -> Result<Vec<Publication>, StoreError> {
        self.index().publications_of(content)
    }

    /// Returns the publications that wait for a tracker, in order of names.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn pending_publications(&self) -> Result<Vec<Publication>, StoreError> {
        self.index().pending_publications()
    }

    /// Counts the publications that wait for a tracker.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn count_pending(&self) -> Result<u64, StoreError> {
        self.index().count_pending()
    }

    /// Counts the publications that a tracker has refused.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn count_refused(&self) -> Result<u64, StoreError> {
        self.index().count_refused()
    }

    /// Writes a publication, in place of an earlier one of the name, which is returned. The write is durable
    /// when this returns.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn put_publication(&self, publication: &Publication) -> Result<Option<Publication>, StoreError> {
        self.index().put_publication(publication)
    }

    /// Notes that the content of a name has another name now, at this revision.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn rename(
        &self,
        from: &Name,
        to: &Name,
        content: ContentId,
        revision: Revision,
    ) -> Result<(), StoreError> {
        let mut index = self.index();
        index.rename(from, to, content, revision)?;
        for slot in self.slots.all() {
            let mut kept = slot.kept();
            if kept.name.as_ref() == Some(from) {
                kept.name = Some(to.clone());
            }
        }
        Ok(())
    }

    /// Takes a publication back that the tracker has refused: the one that had the name before is there
    /// again. Changes nothing when the user has added something else under the name meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn take_back_publication(
        &self,
        refused: &Publication,
        before: Option<&Publication>,
    ) -> Result<(), StoreError> {
        self.index().take_back_publication(refused, before)
    }

    /// Number of the contents that are kept.
    #[must_use]
    pub fn content_count(&self) -> usize {
        self.slots.count()
    }

    /// Changes the state of the attempted publication, which is pending, if it is unchanged in every respect.
    /// Returns false, and changes nothing, when the user has withdrawn it or has added a content under the
    /// name since, even the same one: an answer to an earlier attempt says nothing about that.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn settle_publication(
        &self,
        attempted: &Publication,
        state: &PublicationState,
    ) -> Result<bool, StoreError> {
        self.index().settle_publication(attempted, state)
    }

    /// Forgets this publication; returns false, and changes nothing, when it has changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn forget_publication(&self, publication: &Publication) -> Result<bool, StoreError> {
        self.reserve.lend(|| self.index().forget_publication(publication))
    }

    /// Forgets the publication that waits under a name; returns whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn withdraw_publication(&self, name: &Name) -> Result<bool, StoreError> {
        self.index().withdraw_publication(name)
    }

    /// Returns the data directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Returns a small fact that was stored under a key (the peer's id, its incarnation, the newest epoch,
    /// …).
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn meta_get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.index().meta_get(key)
    }

    /// Stores a small fact under a key. The write is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn meta_set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.index().meta_set(key, value)
    }
}
