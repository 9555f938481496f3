//! Publishing: a user's file is hashed and shared in place.
//!
//! Invariant: the file's identity is noted before the first byte is read and is the same after the last, so a
//! file is shared only if it is the one that was hashed. Clocks of file systems tick (some every two
//! seconds), and a file that changes twice within a tick looks unchanged: so a file that was modified just
//! now is read a tick later.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::FileType;
use shared::hash::{ReadAt, hash_content};
use shared::model::{ContentId, Digest, FragmentLength, Manifest, Name};

use super::copies::UserFile;
use super::files::{self, FileIdentity};
use super::kept::Kept;
use super::layout::make_directory_of;
use super::settle::note_partial;
use super::{DiskStore, Role, Roles, StoreError};

/// One second in nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// Pause between two looks at the clock; most clocks tick every 1 to 10 ms.
const TICK_WAIT: Duration = Duration::from_millis(1);

/// Longest wait for a tick, in pauses: more than the two seconds of the slowest clock (FAT's).
const MAX_TICK_WAITS: u32 = 2_500;

/// Leaf hashes of a file that is being added; they may come in any order and from several threads.
///
/// They are in a file of the store that is removed when this is dropped, unless it became a content's leaves.
#[derive(Debug)]
pub(super) struct LeafSpool {
    file: File,
    path: PathBuf,
}

impl LeafSpool {
    pub(super) fn create(path: PathBuf) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(StoreError::io("create", &path))?;
        Ok(Self { file, path })
    }

    /// Takes in the leaves of fragment number `fragment`.
    pub(super) fn put(
        &self,
        fragment: u32,
        fragment_length: FragmentLength,
        leaves: &[Digest],
    ) -> io::Result<()> {
        let first = u64::from(fragment) * u64::from(fragment_length.blocks());
        let bytes: Vec<u8> = leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect();
        self.file.write_all_at(&bytes, first * Digest::LEN as u64)
    }

    /// Returns the file system's time, in nanoseconds since the Unix epoch.
    fn now(&self) -> io::Result<i64> {
        self.file.write_all_at(&[0], 0)?;
        self.file.set_len(0)?;
        FileIdentity::of_file(&self.file).map(|file| file.modified)
    }

    /// Waits until the next change of a file will change its identity. Called before leaves are put into the
    /// spool.
    fn await_next_tick(&self, identity: FileIdentity) -> io::Result<()> {
        // With whole seconds the file system may know no finer times.
        let tick = if identity.modified % SECOND == 0 {
            2 * SECOND
        } else {
            0
        };
        for _ in 0..MAX_TICK_WAITS {
            let now = self.now()?;
            let (past, future) = (
                identity.modified.saturating_add(tick),
                now.saturating_add(10 * SECOND),
            );
            if now > past || identity.modified > future {
                break;
            }
            std::thread::sleep(TICK_WAIT);
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(StoreError::io("sync", &self.path))
    }

    /// Makes the spool the leaves of a content, in place of earlier ones: it has those of all blocks.
    pub(super) fn become_leaves(self, path: &Path) -> Result<(), StoreError> {
        make_directory_of(path)?;
        files::move_file(&self.path, path, true)
    }
}

impl Drop for LeafSpool {
    fn drop(&mut self) {
        // After a rename there is nothing to remove; a file that stays is swept at the next start.
        drop(fs::remove_file(&self.path));
    }
}

/// A file of the user's that was hashed, and is not shared yet.
#[derive(Debug)]
pub struct HashedFile {
    manifest: Manifest,
    leaves: LeafSpool,
    file: UserFile,
}

impl HashedFile {
    /// Returns the id of its content.
    #[must_use]
    pub const fn content(&self) -> ContentId {
        self.manifest.content()
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    /// Returns the identity that the file had while it was hashed.
    pub(super) const fn identity(&self) -> FileIdentity {
        self.file.identity
    }
}

/// A file as the hashing threads read it: counts the bytes, and stops when it is cancelled.
struct CancellableFile<'a> {
    file: &'a File,
    done: AtomicU64,
    progress: &'a (dyn Fn(u64) + Sync),
    cancelled: &'a AtomicBool,
}

impl ReadAt for CancellableFile<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::Error::other("cancelled"));
        }
        ReadAt::read_exact_at(self.file, buffer, offset)?;
        let length = buffer.len() as u64;
        (self.progress)(self.done.fetch_add(length, Ordering::Relaxed) + length);
        Ok(())
    }
}

impl DiskStore {
    /// Hashes a user's file and shares it in place, durably; see [`Self::hash_file`]. Returns the manifest
    /// that is kept.
    ///
    /// # Errors
    /// As [`Self::hash_file`]; [`StoreError::Index`].
    #[cfg(any(test, feature = "testing"))]
    pub fn add_file(
        &self,
        path: &Path,
        name: Option<Name>,
        fragment_length: Option<FragmentLength>,
        threads: NonZeroUsize,
        progress: &(dyn Fn(u64) + Sync),
        cancelled: &AtomicBool,
    ) -> Result<Manifest, StoreError> {
        let hashed = self.hash_file(path, fragment_length, threads, progress, cancelled)?;
        self.share(hashed, name).map(|(manifest, _)| manifest)
    }

    /// Hashes a user's file with `threads` threads; [`Addition::file`](super::Addition::file) shares it.
    ///
    /// A symbolic link is followed once, now. `progress` is called with the bytes hashed so far, from any
    /// thread; setting `cancelled` stops the work within a read. Without a fragment length, the content's
    /// length decides.
    ///
    /// # Errors
    /// [`StoreError::NotAFile`], [`StoreError::ChangedWhileRead`], [`StoreError::Cancelled`],
    /// [`StoreError::Manifest`] (too many fragments), [`StoreError::Io`].
    pub fn hash_file(
        &self,
        path: &Path,
        fragment_length: Option<FragmentLength>,
        threads: NonZeroUsize,
        progress: &(dyn Fn(u64) + Sync),
        cancelled: &AtomicBool,
    ) -> Result<HashedFile, StoreError> {
        let (path, file, identity) = open_regular(path)?;
        self.layout.require_foreign_file(&path, &file)?;
        let fragment_length = fragment_length.unwrap_or_else(|| FragmentLength::for_content(identity.size));
        Manifest::count_fragments(identity.size, fragment_length)?;
        let spool = LeafSpool::create(self.layout.spool(rand::random()))?;
        spool
            .await_next_tick(identity)
            .map_err(StoreError::io("write", &spool.path))?;
        let reading = CancellableFile {
            file: &file,
            done: AtomicU64::new(0),
            progress,
            cancelled,
        };
        let has_spool_failed = AtomicBool::new(false);
        let hashed = hash_content(
            &reading,
            identity.size,
            fragment_length,
            threads,
            |fragment, leaves| {
                spool
                    .put(fragment, fragment_length, leaves)
                    .inspect_err(|_| has_spool_failed.store(true, Ordering::Relaxed))
            },
        );
        let manifest = match hashed {
            Err(_) if cancelled.load(Ordering::Relaxed) => return Err(StoreError::Cancelled { path }),
            Err(error) if has_spool_failed.into_inner() => {
                return Err(StoreError::io("write", &spool.path)(error));
            }
            hashed => checked(hashed, &path, &file, identity)?,
        };
        spool.sync()?;
        // A replica is on the disk before it is announced, with the bytes that the user has written just now.
        files::sync_users(&file, &path)?;
        let file = UserFile { path, identity };
        Ok(HashedFile {
            manifest,
            leaves: spool,
            file,
        })
    }

    /// Shares a file that was hashed, durably. A content that is here completely keeps its place, its name
    /// and its fragment length, and the file is remembered as a copy; the file becomes the place of a content
    /// that is here in part. Returns the manifest that is kept, and whether the file is a copy that was
    /// unknown.
    pub(super) fn share(
        &self,
        hashed: HashedFile,
        name: Option<Name>,
    ) -> Result<(Manifest, bool), StoreError> {
        let HashedFile {
            manifest,
            leaves,
            file,
        } = hashed;
        let found = self.look_first(manifest.content())?;
        let mut index = self.index();
        let is_known = index.is_copy(manifest.content(), &file.path)?;
        // The file has these bytes now, whatever it had before.
        index.remove_copy(&file.path)?;
        let Some(slot) = self.slots.get(manifest.content()) else {
            let roles = Roles::default().with(Role::Published, true);
            let kept = Kept::in_file(&manifest, file, roles, name);
            leaves.become_leaves(&self.layout.leaves(manifest.content()))?;
            index.insert(&kept)?;
            self.begin(kept);
            return Ok((manifest, false));
        };
        if let Some(found) = &found {
            self.withdraw_lost(&index, &slot, found)?;
        }
        let old = slot.kept().clone();
        let roles = old.roles.with(Role::Published, true);
        if old.held.is_full() {
            let is_copy = self.remember_copy(&index, manifest.content(), &file)?;
            if roles != old.roles {
                self.change(&index, &slot, |kept| kept.roles = roles)?;
            }
            self.notify(manifest.content());
            return Ok((old.manifest, is_copy && !is_known));
        }
        let name = old.name.clone().or(name);
        // Other peers know the content by the fragments that it has here already; the leaves are the same.
        let kept = Kept::in_file(&old.manifest, file, roles, name);
        leaves.become_leaves(&self.layout.leaves(manifest.content()))?;
        note_partial(&index, &old)?;
        index.insert(&kept)?;
        self.replace(&index, &old, kept)?;
        Ok((old.manifest, false))
    }
}

/// Hashes a user's file as [`DiskStore::hash_file`] does, with the same refusals, and keeps nothing.
///
/// # Errors
/// As [`DiskStore::hash_file`].
pub fn read_file(
    path: &Path,
    fragment_length: Option<FragmentLength>,
    threads: NonZeroUsize,
) -> Result<Manifest, StoreError> {
    let (path, file, identity) = open_regular(path)?;
    let fragment_length = fragment_length.unwrap_or_else(|| FragmentLength::for_content(identity.size));
    Manifest::count_fragments(identity.size, fragment_length)?;
    let hashed = hash_content(&file, identity.size, fragment_length, threads, |_, _| Ok(()));
    checked(hashed, &path, &file, identity)
}

/// Returns what was read of a file, if the file is the one that was opened and ends where its length says.
fn checked(
    hashed: io::Result<Manifest>,
    path: &Path,
    file: &File,
    identity: FileIdentity,
) -> Result<Manifest, StoreError> {
    let changed = || StoreError::ChangedWhileRead {
        path: path.to_owned(),
    };
    let manifest = hashed.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => changed(),
        _ => StoreError::io("read", path)(error),
    })?;
    let after = FileIdentity::of_file(file).map_err(StoreError::io("look at", path))?;
    if after != identity || FileIdentity::at(path) != Some(identity) {
        return Err(changed());
    }
    // An unchanged file that does not simply end where its length says has a length that means nothing.
    match file.read_at(&mut [0], identity.size) {
        Ok(0) => Ok(manifest),
        _ => Err(StoreError::NotAFile {
            path: path.to_owned(),
            kind: "made up while it is read, as files in /proc are",
        }),
    }
}

/// Opens a regular file; the error names the kind of any other file. Returns the path without symbolic links.
fn open_regular(asked: &Path) -> Result<(PathBuf, File, FileIdentity), StoreError> {
    let path = asked.canonicalize().map_err(StoreError::io("read", asked))?;
    let refuse_others = |metadata: &fs::Metadata| {
        if metadata.is_file() {
            return Ok(());
        }
        let special = files::special_kind(FileType::from_raw_mode(metadata.mode()));
        let kind = special.unwrap_or("a directory");
        Err(StoreError::NotAFile {
            path: asked.to_owned(),
            kind,
        })
    };
    // Before opening, because opening a device may have an effect.
    refuse_others(&fs::metadata(&path).map_err(StoreError::io("read", &path))?)?;
    let file = files::open_users(&path).map_err(StoreError::io("read", &path))?;
    let metadata = file.metadata().map_err(StoreError::io("read", &path))?;
    refuse_others(&metadata)?;
    Ok((path, file, FileIdentity::of(&metadata)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_modified_just_now_is_read_a_tick_later() {
        let directory = tempfile::tempdir().expect("a directory");
        let spool = LeafSpool::create(directory.path().join("spool")).expect("creates");
        let now = spool.now().expect("writes");
        // A clock that has not moved on for 20 ms, one of whole seconds, and a time in the future.
        let soon = now + 20_000_000;
        let second = now / SECOND * SECOND - SECOND;
        for (modified, past) in [
            (soon, soon),
            (second, second + 2 * SECOND),
            (now + 3_600 * SECOND, 0),
        ] {
            spool
                .await_next_tick(FileIdentity {
                    size: 0,
                    modified,
                    inode: 0,
                })
                .expect("writes");
            assert!(spool.now().expect("writes") > past);
        }
        assert_eq!(FileIdentity::of_file(&spool.file).expect("reads").size, 0);
    }
}
