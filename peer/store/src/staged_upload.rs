//! Bytes that come in one after the other, from nobody's file, and become a content of the store's own.
//!
//! Room is taken as they come, of the capacity and of the disk, so that whoever sends for ever is told that there is no
//! more before anything else suffers. They wait in a file of the store's that is gone when the [`StagedUpload`] is dropped or
//! the next node starts; once all are there the file is hashed and becomes the content's data, without a copy.
//!
//! Invariant: what is kept is what came, all of it and synced, or nothing is.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use shared::hash::hash_content;
use shared::model::{FragmentLength, Manifest, Name};

use super::files;
use super::kept::Kept;
use super::layout::make_directory_of;
use super::publish::LeafSpool;
use super::{DiskStore, FragmentStore as _, Purpose, Role, StoreError, Usage};

/// Room is taken this far ahead: seldom enough that asking costs nothing, little enough that small ones fit.
const STEP: u64 = 8 << 20;

/// Bytes on their way into the store. Its methods may wait for the disk.
#[derive(Debug)]
pub struct StagedUpload {
    store: Arc<DiskStore>,
    file: File,
    path: PathBuf,
    length: u64,
    /// Of the capacity.
    reserved: u64,
}

impl DiskStore {
    /// Begins to take bytes in. When it is known how many will come, room for all of them is taken at once.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`], [`StoreError::Manifest`] (more than a content can have), [`StoreError::Io`].
    pub fn stage_upload(self: &Arc<Self>, length: Option<u64>) -> Result<StagedUpload, StoreError> {
        let path = self.layout.inflow(rand::random());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::io("create", &path))?;
        let mut staged = StagedUpload {
            store: Arc::clone(self),
            file,
            path,
            length: 0,
            reserved: 0,
        };
        if let Some(length) = length {
            Manifest::count_fragments(length, FragmentLength::MAX)?;
            staged.reserve(length)?;
        }
        Ok(staged)
    }
}

impl StagedUpload {
    /// Takes in what comes next.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`], [`StoreError::Manifest`], [`StoreError::Io`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let length = self.length + bytes.len() as u64;
        if length > self.reserved {
            Manifest::count_fragments(length, FragmentLength::MAX)?;
            // The last step may be shorter than the others.
            self.reserve(length.next_multiple_of(STEP))
                .or_else(|_| self.reserve(length))?;
        }
        self.file
            .write_all(bytes)
            .map_err(StoreError::io("write", &self.path))?;
        self.length = length;
        Ok(())
    }

    /// How many bytes have come.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Keeps what came as a content that the user has published, in fragments of this length or, when none is given, of the one
    /// that suits its length. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`], [`StoreError::Manifest`], [`StoreError::Io`], [`StoreError::Index`].
    pub fn keep(
        mut self,
        name: &Name,
        fragment_length: Option<FragmentLength>,
    ) -> Result<Manifest, StoreError> {
        self.file.sync_all().map_err(StoreError::io("sync", &self.path))?;
        let spool = LeafSpool::create(self.store.layout.spool(rand::random()))?;
        let fragment_length = fragment_length.unwrap_or_else(|| FragmentLength::for_content(self.length));
        Manifest::count_fragments(self.length, fragment_length)?;
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let put = |fragment, leaves: &[_]| spool.put(fragment, fragment_length, leaves);
        let manifest = hash_content(&self.file, self.length, fragment_length, threads, put)
            .map_err(StoreError::io("hash", &self.path))?;
        spool.sync()?;
        let purpose = Purpose::Collected {
            role: Role::Published,
            name: Some(name.clone()),
            fragments: manifest.all_fragments(),
        };
        if self.settle(&manifest, &purpose, spool)? {
            return Ok(manifest);
        }
        // Something of it is here: what is missing is copied.
        self.release();
        let store = Arc::clone(&self.store);
        let entry = store.prepare(&manifest, purpose)?;
        store.fill(&entry, &self.file)?;
        Ok(entry.manifest)
    }

    /// Lets the file become the data of a content that is new here; false when it is not.
    fn settle(
        &mut self,
        manifest: &Manifest,
        purpose: &Purpose,
        leaves: LeafSpool,
    ) -> Result<bool, StoreError> {
        let store = Arc::clone(&self.store);
        let mut index = store.index();
        let content = manifest.content();
        if store.slots.get(content).is_some() {
            return Ok(false);
        }
        let mut kept = Kept::new(manifest, purpose, rand::random())?;
        kept.held = manifest.all_fragments();
        // What was taken for the stream is the record's from here on: nobody else reserves under this lock.
        self.give_back();
        store.require_capacity(&kept, None)?;
        // Files before the record: what a crash leaves behind in between is nobody's, and swept at the next start.
        leaves.become_leaves(&store.layout.leaves(content))?;
        let data = store.layout.data(content);
        make_directory_of(&data)?;
        files::move_file(&self.path, &data, true)?;
        if let Err(error) = index.insert(&kept) {
            files::remove(&data)?;
            return Err(error);
        }
        store.begin(kept);
        Ok(true)
    }

    /// Takes room until there is enough for so many bytes in all.
    fn reserve(&mut self, length: u64) -> Result<(), StoreError> {
        let more = length.saturating_sub(self.reserved);
        let _index = self.store.index();
        let Usage { capacity, used } = self.store.usage();
        let on_disk = files::free_space(self.path.parent().unwrap_or(&self.path))?;
        let left = [
            (capacity.saturating_sub(used), "the capacity lent"),
            (on_disk, "the disk"),
        ];
        for (available, of) in left {
            if more > available {
                return Err(StoreError::NoRoom {
                    needed: more,
                    available,
                    of,
                });
            }
        }
        self.store.flowing.fetch_add(more, Ordering::Relaxed);
        self.reserved += more;
        Ok(())
    }

    fn release(&mut self) {
        let store = Arc::clone(&self.store);
        let _index = store.index();
        self.give_back();
    }

    /// Gives the capacity back; under the index's lock.
    fn give_back(&mut self) {
        self.store.flowing.fetch_sub(self.reserved, Ordering::Relaxed);
        self.reserved = 0;
    }
}

impl Drop for StagedUpload {
    fn drop(&mut self) {
        self.release();
        // After a rename there is nothing to remove; whatever stays is swept at the next start.
        drop(std::fs::remove_file(&self.path));
    }
}
