//! The parts of the store for collections: contents from bytes in memory, verified reads, and files that get
//! their modes and times after they were fetched.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{OFlags, Timespec, Timestamps};
use shared::collection::{Attributes, Mode, ModifiedAt};
use shared::hash::{self, FragmentProof, ReadAt, hash_content};
use shared::model::{ContentId, FragmentIndex, FragmentLength, Manifest, Name};

use super::copies::UserFile;
use super::files::{self, FileIdentity};
use super::index::collection_key;
use super::verify::read_verified;
use super::{DiskStore, Entry, FragmentStore, Place, Purpose, Role, StoreError};

/// Bytes that are committed together: few waits for the disk, however many fragments there are, and few
/// proofs in memory.
const COMMIT: usize = 64 << 20;

/// Bytes of a hole that are looked at at a time.
const LOOK: usize = 1 << 20;

impl DiskStore {
    /// Keeps bytes as a content that the user has added, durably, in fragments of this length or, without
    /// one, of the length that suits them; `touch` learns of it before.
    pub(super) fn keep_bytes(
        &self,
        bytes: &[u8],
        name: &Name,
        fragment_length: Option<FragmentLength>,
        touch: &mut dyn FnMut(ContentId),
    ) -> Result<Manifest, StoreError> {
        let length = bytes.len() as u64;
        let fragment_length = fragment_length.unwrap_or_else(|| FragmentLength::for_content(length));
        Manifest::count_fragments(length, fragment_length)?;
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let manifest = hash_content(bytes, length, fragment_length, threads, |_, _| Ok(()))
            .map_err(StoreError::io("hash", Path::new("a pack")))?;
        touch(manifest.content());
        let purpose = Purpose::Collected {
            role: Role::Published,
            name: Some(name.clone()),
            fragments: manifest.all_fragments(),
        };
        let entry = self.prepare(&manifest, purpose)?;
        self.fill(&entry, bytes)?;
        Ok(entry.manifest)
    }

    /// Completes a prepared content from a source that has its bytes. The content is durable when this
    /// returns.
    pub(super) fn fill(&self, entry: &Entry, source: &(impl ReadAt + ?Sized)) -> Result<(), StoreError> {
        let manifest = &entry.manifest;
        let content = manifest.content();
        let (mut proofs, mut uncommitted) = (Vec::new(), 0);
        for index in entry.held.complement().iter() {
            let lost = |_| StoreError::Damaged { content, index };
            let range = manifest.range(index);
            let mut blocks = vec![0; manifest.len_of(index) as usize];
            source
                .read_exact_at(&mut blocks, range.start)
                .map_err(StoreError::io("read", Path::new("the bytes to be kept")))?;
            let proof = FragmentProof::verify(manifest, index, hash::leaves(&blocks)).map_err(lost)?;
            let verified = proof.check(0, &blocks).map_err(lost)?;
            self.write(content, verified)?;
            proofs.push(proof);
            uncommitted += blocks.len();
            if uncommitted >= COMMIT {
                self.commit(content, &proofs)?;
                proofs.clear();
                uncommitted = 0;
            }
        }
        self.commit(content, &proofs)
    }

    /// Whether the file at a path is one that the store wrote, with the bytes of a content: nobody has
    /// changed it since, and its user has not published it.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn has_written(&self, content: ContentId, path: &Path) -> Result<bool, StoreError> {
        let Some(kept) = self.slots.get(content).map(|slot| slot.kept().durable()) else {
            return Ok(false);
        };
        let Some(there) = FileIdentity::at(path).filter(|_| !kept.roles.published) else {
            return Ok(false);
        };
        if kept.place == Place::File(path.to_owned()) {
            return Ok(kept.identity == Some(there));
        }
        let copies = self.index().copies(content)?;
        Ok(copies
            .iter()
            .any(|copy| copy.path == path && copy.identity == there))
    }

    /// Sets the mode, the time (if one is given) and the holes of a file that holds a content, and goes on
    /// sharing it if it is shared. Only a hole that contains nothing but zeros gives its room back.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when there is no such file any more; [`StoreError::Io`],
    /// [`StoreError::Index`].
    pub fn set_metadata(
        &self,
        content: ContentId,
        path: &Path,
        mode: Mode,
        modified: Option<ModifiedAt>,
        holes: &[Range<u64>],
    ) -> Result<(), StoreError> {
        self.layout.require_foreign(path)?;
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
        let open = |may_write: bool| {
            let mut options = OpenOptions::new();
            options
                .read(true)
                .write(may_write)
                .custom_flags(flags.cast_signed());
            options.open(path)
        };
        // A file that may not be written to keeps its room.
        let writable = if holes.is_empty() { None } else { open(true).ok() };
        let file = match &writable {
            Some(file) => file.try_clone(),
            None => open(false),
        };
        let file = file.map_err(|error| StoreError::io("open", path)(error).at_output(path))?;
        let failed = |error| StoreError::io("set the time of", path)(error).at_output(path);
        // A hole may have gigabytes: it is read before anybody else has to wait.
        let before = FileIdentity::of_file(&file).map_err(failed)?;
        let mut empty = Vec::new();
        for hole in holes.iter().filter(|_| writable.is_some()) {
            if is_empty(&file, hole).map_err(failed)? {
                empty.push(hole);
            }
        }
        let index = self.index();
        let identity = FileIdentity::at(path);
        // The look is worth nothing if the file has changed since; then it keeps its room.
        if let Some(file) = writable.as_ref().filter(|_| identity == Some(before)) {
            let punched = empty.into_iter().try_for_each(|hole| files::release(file, hole));
            punched.map_err(failed)?;
        }
        match modified {
            Some(modified) => set_file_metadata(&file, Attributes { mode, modified }),
            None => file.set_permissions(Permissions::from_mode(mode.get())),
        }
        .map_err(failed)?;
        let updated = FileIdentity::of_file(&file).map_err(failed)?;
        if FileIdentity::at(path) != Some(updated) {
            return Err(StoreError::Changed {
                path: path.to_owned(),
            });
        }
        if let Some(identity) = identity {
            let path = path.to_owned();
            index.change_copy(content, &UserFile { path, identity }, updated)?;
        }
        if let Some(slot) = self.slots.get(content) {
            let is_shared = {
                let kept = slot.kept();
                kept.place == Place::File(path.to_owned()) && kept.identity == identity
            };
            if is_shared {
                self.change(&index, &slot, |kept| kept.identity = Some(updated))?;
            }
        }
        Ok(())
    }

    /// Forgets contents that were to be written to this path, and of which some has come: another content is
    /// there now. Nothing that is published or assigned is forgotten.
    ///
    /// # Errors
    /// As [`FragmentStore::forget`].
    pub fn forget_unfinished(&self, path: &Path) -> Result<(), StoreError> {
        for entry in self.entries() {
            let is_unfinished = matches!(&entry.place, Place::Partial { output, .. } if output == path);
            if is_unfinished && !entry.roles.keeps() {
                self.forget(entry.manifest.content())?;
            }
        }
        Ok(())
    }

    /// Runs work that may leave files at these paths behind when the process is killed; the next start
    /// removes them.
    ///
    /// # Errors
    /// The errors of the work; [`StoreError::Index`].
    pub fn with_temporaries<T, E: From<StoreError>>(
        &self,
        paths: &[PathBuf],
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.index().change_temporaries(paths, true)?;
        let done = work();
        self.index().change_temporaries(paths, false)?;
        done
    }

    /// Notes that a content is the catalog of a collection that was added here.
    pub(super) fn note_collection(&self, catalog: ContentId) -> Result<(), StoreError> {
        self.meta_set(&collection_key(catalog), &[1])
    }

    /// Forgets that a content is the catalog of a collection.
    pub(super) fn forget_collection(&self, catalog: ContentId) -> Result<(), StoreError> {
        self.index().meta_remove(&collection_key(catalog))
    }

    /// Whether a content is the catalog of a collection that was added here.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn is_collection(&self, content: ContentId) -> Result<bool, StoreError> {
        Ok(self.meta_get(&collection_key(content))?.is_some())
    }
}

/// Sets the mode and the time of a file.
pub fn set_file_metadata(file: &File, attributes: Attributes) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(attributes.mode.get()))?;
    Ok(rustix::fs::futimens(file, &times(attributes.modified))?)
}

/// Returns the time of the last change, for both of a file's times.
pub fn times(modified: ModifiedAt) -> Timestamps {
    let time = Timespec {
        tv_sec: modified.seconds(),
        tv_nsec: modified.nanos().into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Files whose holes were looked at, by inode.
#[cfg(test)]
pub(super) static LOOKED_AT: std::sync::Mutex<Vec<u64>> = std::sync::Mutex::new(Vec::new());

/// Whether a range contains nothing but zeros.
fn is_empty(file: &File, hole: &Range<u64>) -> io::Result<bool> {
    let mut at = hole.start;
    let mut buffer = vec![0; LOOK];
    while at < hole.end {
        let length = usize::try_from(hole.end - at).unwrap_or(LOOK).min(LOOK);
        let found = &mut buffer[..length];
        std::os::unix::fs::FileExt::read_exact_at(file, found, at)?;
        if found.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += length as u64;
    }
    #[cfg(test)]
    if let Ok(mut looked_at) = LOOKED_AT.lock() {
        looked_at.push(FileIdentity::of_file(file)?.inode);
    }
    Ok(true)
}

/// Reads bytes of held contents, verified, and remembers the last fragments, so that a fragment is read once
/// for several small files in it.
#[derive(Debug)]
pub struct VerifiedReader<'a, S: ?Sized> {
    store: &'a S,
    recent: std::collections::VecDeque<((ContentId, FragmentIndex), Bytes)>,
}

/// Fragments that a reader remembers; those of packs have 64 KiB each.
const RECENT: usize = 8;

impl<'a, S: FragmentStore + ?Sized> VerifiedReader<'a, S> {
    /// Makes a reader of this store.
    pub const fn new(store: &'a S) -> Self {
        Self {
            store,
            recent: std::collections::VecDeque::new(),
        }
    }

    /// Reads a byte range of a content.
    ///
    /// # Errors
    /// [`StoreError::UnknownContent`], [`StoreError::NotHeld`], [`StoreError::OtherFragments`] (the content
    /// is shorter), [`StoreError::Damaged`] (the fragment has been withdrawn), [`StoreError::Io`].
    pub fn read(&mut self, manifest: &Manifest, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let content = manifest.content();
        if range.end > manifest.length() {
            return Err(StoreError::OtherFragments(content));
        }
        let mut bytes = Vec::new();
        for index in manifest.fragments_in(&range).iter() {
            let whole = manifest.range(index);
            let fragment = self.fragment(manifest, index)?;
            let (from, to) = (range.start.max(whole.start), range.end.min(whole.end));
            #[expect(clippy::cast_possible_truncation, reason = "within a fragment")]
            let (from, to) = ((from - whole.start) as usize, (to - whole.start) as usize);
            bytes.extend_from_slice(&fragment[from..to]);
        }
        Ok(bytes)
    }

    fn fragment(&mut self, manifest: &Manifest, index: FragmentIndex) -> Result<Bytes, StoreError> {
        let content = manifest.content();
        if let Some((_, bytes)) = self.recent.iter().find(|(key, _)| *key == (content, index)) {
            return Ok(bytes.clone());
        }
        let proof = self.store.proof(content, index)?;
        let bytes = read_verified(self.store, manifest, &proof, manifest.whole(index))?;
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(((content, index), bytes.clone()));
        Ok(bytes)
    }
}
