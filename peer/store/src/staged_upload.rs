//! Staged uploads: bytes that come as a stream, not from a user's file, and become a content of the store's
//! own.
//!
//! Room is taken as the bytes come, of the capacity and of the disk, so that an endless stream is refused
//! before anything else suffers. The bytes wait in a file of the store's that is removed when the
//! [`StagedUpload`] is dropped or the next node starts. Once all have come, the file is hashed and becomes
//! the content's data, without a copy.
//!
//! Invariant: either all bytes that came are kept, and synced, or none are.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use shared::hash::hash_content;
use shared::model::{ContentId, FragmentLength, Manifest, Name};

use super::files;
use super::kept::Kept;
use super::layout::make_directory_of;
use super::publish::LeafSpool;
use super::{DiskStore, FragmentStore as _, Purpose, Role, StoreError, Usage};

/// Room is taken in steps of this many bytes: large enough that asking costs nothing, small enough that small
/// uploads fit.
const STEP: u64 = 8 << 20;

/// Bytes on their way into the store. Its methods may wait for the disk.
#[derive(Debug)]
pub struct StagedUpload {
    store: Arc<DiskStore>,
    file: File,
    path: PathBuf,
    length: u64,
    /// Bytes taken of the capacity.
    reserved: u64,
}

impl DiskStore {
    /// Begins an upload. When its length is known, room for all of it is taken at once.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`], [`StoreError::Manifest`] (more than a content can have), [`StoreError::Io`].
    pub fn stage_upload(self: &Arc<Self>, length: Option<u64>) -> Result<StagedUpload, StoreError> {
        let path = self.layout.staged(rand::random());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::io("create", &path))?;
        let mut upload = StagedUpload {
            store: Arc::clone(self),
            file,
            path,
            length: 0,
            reserved: 0,
        };
        if let Some(length) = length {
            Manifest::count_fragments(length, FragmentLength::MAX)?;
            upload.reserve(length)?;
        }
        Ok(upload)
    }
}

impl StagedUpload {
    /// Appends the next bytes.
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
        self.file.write_all(bytes).map_err(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => self.no_room(length),
            _ => StoreError::io("write", &self.path)(error),
        })?;
        self.length = length;
        Ok(())
    }

    /// Number of bytes that have come.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Keeps the bytes as a content that the user has published, in fragments of this length or, without one,
    /// of the length that suits the content. The content is durable when this returns; `touch` learns of it
    /// before.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`], [`StoreError::Manifest`], [`StoreError::Io`], [`StoreError::Index`].
    pub(super) fn keep(
        mut self,
        name: &Name,
        fragment_length: Option<FragmentLength>,
        touch: &mut dyn FnMut(ContentId),
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
        touch(manifest.content());
        let purpose = Purpose::Collected {
            role: Role::Published,
            name: Some(name.clone()),
            fragments: manifest.all_fragments(),
        };
        if self.settle(&manifest, &purpose, spool)? {
            return Ok(manifest);
        }
        // The content is here in part: the missing fragments are copied.
        self.release();
        let store = Arc::clone(&self.store);
        let entry = store.prepare(&manifest, purpose)?;
        store.fill(&entry, &self.file)?;
        Ok(entry.manifest)
    }

    /// Makes the file the data of a content that is new here; returns false when the content is not new.
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
        // The room of the stream belongs to the record from here on: nothing else reserves room under this
        // lock.
        self.give_back();
        store.require_capacity(&kept, None)?;
        // Files before the record: files that a crash leaves behind in between are swept at the next start.
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

    /// Returns the error for a disk on which `length` bytes in all do not fit.
    fn no_room(&self, length: u64) -> StoreError {
        let free = self.path.parent().map_or(Ok(0), files::free_space);
        StoreError::NoRoom {
            needed: length,
            available: self
                .length
                .saturating_add(free.unwrap_or(0))
                .min(length.saturating_sub(1)),
            of: "the disk",
        }
    }

    /// Takes room until there is enough for `length` bytes in all. A refusal counts all of them, and the room
    /// that they have already.
    fn reserve(&mut self, length: u64) -> Result<(), StoreError> {
        let more = length.saturating_sub(self.reserved);
        let _index = self.store.index();
        let Usage { capacity, used } = self.store.usage();
        let directory = self.path.parent().unwrap_or(&self.path);
        let disk = files::disk_of(directory)?;
        let promised = self.store.slots.missing_on(disk, ContentId::EMPTY);
        let on_disk = files::free_space(directory)?.saturating_sub(promised);
        let left = [
            (self.reserved, capacity.saturating_sub(used), "the capacity lent"),
            (self.length, on_disk, "the disk"),
        ];
        for (had, available, of) in left {
            if more > available {
                return Err(StoreError::NoRoom {
                    needed: length,
                    available: had.saturating_add(available),
                    of,
                });
            }
        }
        self.store.staged.fetch_add(more, Ordering::Relaxed);
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
        self.store.staged.fetch_sub(self.reserved, Ordering::Relaxed);
        self.reserved = 0;
    }
}

impl Drop for StagedUpload {
    fn drop(&mut self) {
        self.release();
        // After a rename there is nothing to remove; a file that stays is swept at the next start.
        drop(std::fs::remove_file(&self.path));
    }
}
