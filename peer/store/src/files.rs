//! Operations on files, one function each: identities, reading, reserving, renaming, syncing.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::{CWD, FallocateFlags, FileType, OFlags, RenameFlags, StatVfs};
use rustix::io::Errno;

use shared::data_files;

use super::StoreError;

/// Room that is left on a disk for others: the smaller of this and a hundredth of the disk.
const DISK_RESERVE: u64 = 64 << 20;

/// Identity of a file: tells it from another or later one without reading it.
///
/// A change that leaves size, modification time and inode as they were is not noticed by it; receivers of the
/// bytes verify them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    /// Bytes.
    pub(super) size: u64,
    /// Nanoseconds since the Unix epoch.
    pub(super) modified: i64,
    /// Number of the file in its file system. (The file system's own number may change when a machine starts
    /// anew.)
    pub(super) inode: u64,
}

impl FileIdentity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let modified = metadata
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.mtime_nsec());
        Self {
            size: metadata.len(),
            modified,
            inode: metadata.ino(),
        }
    }

    pub(super) fn of_file(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::of(&metadata))
    }

    /// Returns the identity of the regular file at a path, if there is one.
    pub(super) fn at(path: &Path) -> Option<Self> {
        #[cfg(test)]
        stuck::wait(path);
        std::fs::metadata(path)
            .ok()
            .filter(Metadata::is_file)
            .map(|metadata| Self::of(&metadata))
    }
}

/// A file as the system shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) identity: FileIdentity,
    /// Number of its file system, which may be another after a mount or a start of the machine.
    pub(super) device: u64,
    pub(super) is_regular: bool,
}

/// Looks at a file, and whether this user may read it. Waits for no pipe.
pub(super) fn look(path: &Path) -> io::Result<Found> {
    #[cfg(test)]
    stuck::wait(path);
    let metadata = std::fs::metadata(path)?;
    rustix::fs::access(path, rustix::fs::Access::READ_OK)?;
    Ok(Found {
        identity: FileIdentity::of(&metadata),
        device: metadata.dev(),
        is_regular: metadata.is_file(),
    })
}

/// Reads a byte at both ends of a file: a disk that fails may still know the file's name.
pub(super) fn read_ends(path: &Path) -> io::Result<()> {
    let file = open_users(path)?;
    let length = file.metadata()?.len();
    for at in [0, length.saturating_sub(1)] {
        read_range(&file, at..length.min(at + 1))?;
    }
    Ok(())
}

/// Returns the words for a file that is more than bytes in a file system; none for a regular file, a
/// directory or a link.
#[must_use]
pub fn special_kind(kind: FileType) -> Option<&'static str> {
    match kind {
        FileType::RegularFile | FileType::Directory | FileType::Symlink => None,
        FileType::Fifo => Some("a pipe"),
        FileType::Socket => Some("a socket"),
        FileType::BlockDevice | FileType::CharacterDevice => Some("a device"),
        FileType::Unknown => Some("something else"),
    }
}

/// Opens a user's file for reading; never waits for a file that turned into a pipe.
pub(super) fn open_users(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY).bits();
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)
}

/// Opens one of the store's files for reading and writing.
pub(super) fn open_own(path: &Path) -> io::Result<File> {
    data_files::open(path, OpenOptions::new().read(true).write(true))
}

/// Reads exactly this range.
pub(super) fn read_range(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end - range.start).map_err(|_| ErrorKind::InvalidInput)?;
    // The buffer is not filled with zeros first: it may have a megabyte, thousands of times a second.
    let mut buffer = Vec::with_capacity(length);
    while buffer.len() < length {
        let at = range.start + buffer.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut buffer), at) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The allocator may have given a larger buffer.
    buffer.truncate(length);
    Ok(buffer.into())
}

/// Whether a read failed because the bytes are not there (any more), rather than because of the system's
/// state.
pub(super) fn means_lost(error: &io::Error) -> bool {
    error.kind() == ErrorKind::UnexpectedEof || error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

/// Returns the bytes that may be used on the disk of `directory`, without the reserve. A file system that
/// counts no blocks (in memory, or of the system's own) has no limit that it could tell.
pub(super) fn free_space(directory: &Path) -> Result<u64, StoreError> {
    let disk = rustix::fs::statvfs(directory)
        .map_err(|error| StoreError::io("find the free space of", directory)(error.into()))?;
    Ok(free_on(&disk))
}

/// Returns the bytes that may be used on a disk, as `free_space` does.
#[must_use]
pub fn free_on(disk: &StatVfs) -> u64 {
    if disk.f_blocks == 0 {
        return u64::MAX;
    }
    let reserve = DISK_RESERVE.min(disk.f_blocks.saturating_mul(disk.f_frsize) / 100);
    disk.f_bavail
        .saturating_mul(disk.f_frsize)
        .saturating_sub(reserve)
}

/// Returns the number of the file system that a directory is on.
pub(super) fn disk_of(directory: &Path) -> Result<u64, StoreError> {
    let found = std::fs::metadata(directory).map_err(StoreError::io("look at", directory))?;
    Ok(found.dev())
}

/// Gives the disk space of a range of a file back; it reads as zeros then.
pub(super) fn release(file: &File, range: &Range<u64>) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(file, flags, range.start, range.end - range.start) {
        // Where the file system cannot, only room is lost.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes disk space for a range of a file, where the file system can.
pub(super) fn reserve(file: &File, range: &Range<u64>) -> io::Result<()> {
    let length = range.end - range.start;
    match rustix::io::retry_on_intr(|| {
        rustix::fs::fallocate(file, FallocateFlags::empty(), range.start, length)
    }) {
        // Without the reservation a full disk is noticed when writing.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Renames a file, durably. Replaces a file at `to` only if `overwrite` is set.
pub(super) fn move_file(from: &Path, to: &Path, overwrite: bool) -> Result<(), StoreError> {
    rename_file(from, to, overwrite)?;
    to.parent().map_or(Ok(()), sync_directory)
}

/// Renames a file; a crash may take that back until its directory is synced.
pub(super) fn rename_file(from: &Path, to: &Path, overwrite: bool) -> Result<(), StoreError> {
    let result = if overwrite {
        std::fs::rename(from, to)
    } else {
        rename_to_nothing(from, to)
    };
    match result {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(StoreError::OutputExists { path: to.to_owned() })
        }
        other => other.map_err(StoreError::io("create", to)),
    }
}

fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can do this; a second link that must be new has the same effect.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            std::fs::hard_link(from, to)?;
            std::fs::remove_file(from)
        }
        other => other.map_err(io::Error::from),
    }
}

#[cfg(test)]
thread_local! {
    /// A file or directory that this thread cannot sync.
    pub(super) static FAILING: std::cell::RefCell<Option<std::path::PathBuf>> =
        const { std::cell::RefCell::new(None) };
}

#[cfg(test)]
fn fails(path: &Path) -> bool {
    FAILING.with_borrow(|failing| failing.as_deref() == Some(path))
}

/// Makes the changes to a directory (files created, renamed or removed) durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    #[cfg(test)]
    if fails(directory) {
        return Err(StoreError::io("sync", directory)(Errno::IO.into()));
    }
    match data_files::sync_directory(directory) {
        // Some file systems have nothing to sync there.
        Err(error) if error.kind() == ErrorKind::InvalidInput || error.kind() == ErrorKind::Unsupported => {
            Ok(())
        }
        other => other.map_err(StoreError::io("sync", directory)),
    }
}

#[cfg_attr(
    not(test),
    expect(unused_variables, reason = "tests name the files that fail by their paths")
)]
fn sync_file(file: &File, path: &Path) -> io::Result<()> {
    #[cfg(test)]
    if fails(path) {
        return Err(Errno::IO.into());
    }
    file.sync_all()
}

/// Makes a user's file durable: its bytes, and its name in its directory.
pub(super) fn sync_users(file: &File, path: &Path) -> Result<(), StoreError> {
    // On a file system that is only read there is nothing to wait for.
    if let Err(error) = sync_file(file, path)
        && !matches!(
            error.kind(),
            ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::ReadOnlyFilesystem
        )
    {
        return Err(StoreError::io("sync", path)(error));
    }
    match path.parent().map_or(Ok(()), sync_directory) {
        // A directory may let its users through and not show itself; the bytes are on the disk.
        Err(StoreError::Io { source, .. })
            if matches!(
                source.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// Removes a file, if there is one.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other.map_err(StoreError::io("remove", path)),
    }
}

/// A disk that does not answer, for tests.
#[cfg(test)]
pub(super) mod stuck {
    use std::path::{Path, PathBuf};
    use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

    /// A file, looks at it that are let pass, and whether somebody waits for it.
    struct Stuck {
        path: PathBuf,
        passes: u32,
        is_awaited: bool,
    }

    static STUCK: Mutex<Vec<Stuck>> = Mutex::new(Vec::new());
    static CHANGED: Condvar = Condvar::new();

    fn lock() -> MutexGuard<'static, Vec<Stuck>> {
        STUCK.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets nobody look at a file after so many looks.
    pub(crate) fn begin_after(passes: u32, path: &Path) {
        lock().push(Stuck {
            path: path.to_owned(),
            passes,
            is_awaited: false,
        });
    }

    /// Whether somebody waits for the file.
    pub(crate) fn is_awaited(path: &Path) -> bool {
        lock().iter().any(|stuck| stuck.path == path && stuck.is_awaited)
    }

    pub(crate) fn end(path: &Path) {
        lock().retain(|stuck| stuck.path != path);
        CHANGED.notify_all();
    }

    pub(crate) fn wait(path: &Path) {
        let mut all = lock();
        while let Some(stuck) = all.iter_mut().find(|stuck| stuck.path == path) {
            if stuck.passes > 0 {
                stuck.passes -= 1;
                return;
            }
            stuck.is_awaited = true;
            all = CHANGED.wait(all).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
