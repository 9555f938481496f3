//! A directory that is written to by name, never by path, so that nothing is written elsewhere.
//!
//! Every name is one part of a path (a catalog has no others), looked up in an open directory, and no
//! symbolic link is followed. So neither a hostile catalog nor a link that was there before leads outside.
//!
//! A directory that its owner may not write to is [`Unlocked`] for as long as the restoration takes.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Access, AtFlags, CWD, FileType, Mode as FsMode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use shared::collection::{Attributes, ModifiedAt};

use store::{free_on, partial_name, set_file_metadata, special_kind, times};

/// Finding at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Directory,
    /// A regular file, and its length.
    File(u64),
    Link,
    /// A device, a pipe or a socket, or a link to one.
    Special(&'static str),
}

/// The disk of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    /// Tells it from others.
    pub(super) device: u64,
    /// Bytes that may be used.
    pub(super) free: u64,
    /// Bytes of the longest name.
    pub(super) longest_name: usize,
}

/// An open directory.
#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
    /// Whether the directory was made just now, so that nothing can be in the way.
    is_new: bool,
}

const OPEN_DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// The mode of a new directory, until its own mode is set.
const PRIVATE: FsMode = FsMode::RWXU;

impl Directory {
    /// Opens the directory that is restored to, by the path that the user gave.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::openat(CWD, path, OPEN_DIRECTORY, FsMode::empty())?;
        Ok(Self { fd, is_new: false })
    }

    /// Goes into a directory that is there, and changes nothing.
    pub(super) fn go_into(&self, name: &str) -> io::Result<Self> {
        let flags = OPEN_DIRECTORY | OFlags::NOFOLLOW;
        let fd = rustix::fs::openat(&self.fd, name, flags, FsMode::empty())?;
        Ok(Self { fd, is_new: false })
    }

    /// Looks at what has this name.
    pub(super) fn look(&self, name: &str) -> io::Result<Option<Found>> {
        let stat = match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            stat => stat?,
        };
        let kind = |stat: &Stat| FileType::from_raw_mode(stat.st_mode);
        Ok(Some(match kind(&stat) {
            FileType::Directory => Found::Directory,
            FileType::RegularFile => Found::File(u64::try_from(stat.st_size).unwrap_or_default()),
            FileType::Symlink => {
                let end = rustix::fs::statat(&self.fd, name, AtFlags::empty());
                end.ok()
                    .and_then(|end| special_kind(kind(&end)))
                    .map_or(Found::Link, Found::Special)
            }
            other => Found::Special(special_kind(other).unwrap_or("something else")),
        }))
    }

    /// Returns the disk of this directory.
    pub(super) fn disk(&self) -> io::Result<Disk> {
        let disk = rustix::fs::fstatvfs(&self.fd)?;
        Ok(Disk {
            device: rustix::fs::fstat(&self.fd)?.st_dev,
            free: free_on(&disk),
            longest_name: usize::try_from(disk.f_namemax).unwrap_or(usize::MAX),
        })
    }

    /// Refuses a file for which there is no room now, so that the disk keeps the rest that the store leaves
    /// to others: a small catalog can name the same bytes a million times.
    fn require_room(&self, bytes: u64) -> io::Result<()> {
        match bytes > 0 && self.disk()?.free < bytes {
            true => Err(Errno::NOSPC.into()),
            false => Ok(()),
        }
    }

    /// Refuses a directory in which this user can make nothing, not even after it was [`Unlocked`].
    pub(super) fn require_writable(&self, may_unlock: bool) -> io::Result<()> {
        let wanted = Access::WRITE_OK | Access::EXEC_OK;
        match rustix::fs::accessat(&self.fd, ".", wanted, AtFlags::empty()) {
            Err(Errno::ACCESS) if may_unlock && self.is_ours()? => Ok(()),
            done => Ok(done?),
        }
    }

    /// Refuses a directory whose mode and time this user cannot set.
    pub(super) fn require_ours(&self) -> io::Result<()> {
        if self.is_ours()? {
            return Ok(());
        }
        Err(Errno::PERM.into())
    }

    fn is_ours(&self) -> io::Result<bool> {
        let user = rustix::process::geteuid();
        Ok(user.is_root() || rustix::fs::fstat(&self.fd)?.st_uid == user.as_raw())
    }

    /// Makes a directory of the restoration writable for it.
    pub(super) fn unlock(&self, path: &Path, unlocked: &Unlocked) -> io::Result<()> {
        unlocked.unlock(&self.fd, path)
    }

    /// Goes into a directory of this one, whose path is `path`; makes it if it is missing, and makes it
    /// writable for the restoration.
    ///
    /// Fails when something else is there, a link to a directory for example.
    pub(super) fn enter(&self, name: &str, path: &Path, unlocked: &Unlocked) -> io::Result<Self> {
        let is_new = match rustix::fs::mkdirat(&self.fd, name, PRIVATE) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let fd = rustix::fs::openat(&self.fd, name, OPEN_DIRECTORY | OFlags::NOFOLLOW, FsMode::empty());
        let fd = match fd {
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(io::ErrorKind::AlreadyExists.into()),
            fd => fd?,
        };
        if !is_new {
            unlocked.unlock(&fd, path)?;
        }
        Ok(Self { fd, is_new })
    }

    /// Sets mode and time. The bit by which new entries get the directory's group stays as it is: the
    /// directory has it from its parent.
    pub(super) fn dress(self, attributes: Attributes) -> io::Result<()> {
        let inherited = FsMode::from_raw_mode(rustix::fs::fstat(&self.fd)?.st_mode) & FsMode::SGID;
        let mode = FsMode::from_raw_mode(attributes.mode.get()) | inherited;
        rustix::fs::fchmod(&self.fd, mode)?;
        Ok(rustix::fs::futimens(&self.fd, &times(attributes.modified))?)
    }

    /// Makes a symbolic link, unless it is there; replaces another file or link only if `overwrite` says so.
    pub(super) fn link(
        &self,
        name: &str,
        target: &str,
        modified: ModifiedAt,
        place: Placing<'_>,
    ) -> io::Result<()> {
        if self.is_new || !self.leads_to(name, target) {
            rustix::fs::symlinkat(target, &self.fd, place.partial)?;
            self.move_in(name, place)?;
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::utimensat(&self.fd, name, &times(modified), flags)?)
    }

    /// Whether a symbolic link of this name leads there.
    pub(super) fn leads_to(&self, name: &str, target: &str) -> bool {
        rustix::fs::readlinkat(&self.fd, name, Vec::new())
            .is_ok_and(|there| there.as_bytes() == target.as_bytes())
    }

    /// Writes a file, unless it is there with these bytes; replaces another file or link only if `place` says
    /// so. The file appears complete.
    pub(super) fn file(
        &self,
        name: &str,
        bytes: &[u8],
        attributes: Attributes,
        holes: &[Range<u64>],
        place: Placing<'_>,
    ) -> io::Result<()> {
        if !self.is_new
            && let Some(same) = self.same(name, bytes)?
        {
            return set_file_metadata(&same, attributes);
        }
        self.require_room((bytes.len() as u64).saturating_sub(total(holes)))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = FsMode::RUSR | FsMode::WUSR;
        let file = File::from(rustix::fs::openat(&self.fd, place.partial, flags, mode)?);
        let written = write(&file, bytes, holes).and_then(|()| set_file_metadata(&file, attributes));
        let moved = written.and_then(|()| self.move_in(name, place));
        if moved.is_err() {
            // The failure of the move is reported, not that of the clean-up.
            rustix::fs::unlinkat(&self.fd, place.partial, AtFlags::empty()).ok();
        }
        moved
    }

    /// Returns the regular file of that name, if it has these bytes.
    pub(super) fn same(&self, name: &str, bytes: &[u8]) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.fd, name, flags, FsMode::empty()) {
            Ok(fd) => File::from(fd),
            // Anything that cannot be opened is not the same.
            Err(_) => return Ok(None),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() != bytes.len() as u64 {
            return Ok(None);
        }
        let mut there = Vec::with_capacity(bytes.len());
        (&file).take(metadata.len()).read_to_end(&mut there)?;
        Ok((there == bytes).then_some(file))
    }

    fn move_in(&self, name: &str, Placing { partial, overwrite }: Placing<'_>) -> io::Result<()> {
        let flags = match overwrite {
            true => RenameFlags::empty(),
            false => RenameFlags::NOREPLACE,
        };
        match rustix::fs::renameat_with(&self.fd, partial, &self.fd, name, flags) {
            // Not every file system has this flag; a second link, which must be new, does the same.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if !overwrite => {
                rustix::fs::linkat(&self.fd, partial, &self.fd, name, AtFlags::empty())?;
                Ok(rustix::fs::unlinkat(&self.fd, partial, AtFlags::empty())?)
            }
            Err(error) => {
                rustix::fs::unlinkat(&self.fd, partial, AtFlags::empty()).ok();
                Err(error.into())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Way in which a file or link takes its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placing<'a> {
    /// Name that it has until it is complete.
    pub(super) partial: &'a str,
    /// Whether it replaces another file or link.
    pub(super) overwrite: bool,
}

/// Makes a hidden name that nobody else has; `peer add` leaves such names out.
pub(super) fn partial() -> String {
    partial_name(rand::random())
}

/// Directories that were made writable for a restoration. Those that it does not finish get their modes back
/// when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Unlocked(Mutex<Vec<Locked>>);

/// A directory as it was: where, which one, and its mode.
#[derive(Debug)]
struct Locked {
    path: PathBuf,
    file: (u64, u64),
    mode: FsMode,
}

impl Unlocked {
    fn unlock(&self, directory: &OwnedFd, path: &Path) -> io::Result<()> {
        let stat = rustix::fs::fstat(directory)?;
        let mode = FsMode::from_raw_mode(stat.st_mode);
        if mode.contains(PRIVATE) {
            return Ok(());
        }
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Locked {
                path: path.to_owned(),
                file: (stat.st_dev, stat.st_ino),
                mode,
            });
        Ok(rustix::fs::fchmod(directory, mode | PRIVATE)?)
    }

    /// Forgets the directories: they have the modes that they are to have.
    pub(super) fn finish(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Unlocked {
    fn drop(&mut self) {
        let all = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        // A directory before its parent, which may not be searched any more after that.
        for locked in all.drain(..).rev() {
            let flags = OPEN_DIRECTORY | OFlags::NOFOLLOW;
            let Ok(directory) = rustix::fs::openat(CWD, &locked.path, flags, FsMode::empty()) else {
                continue;
            };
            let is_it = rustix::fs::fstat(directory.as_fd())
                .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == locked.file);
            if is_it && let Err(error) = rustix::fs::fchmod(&directory, locked.mode) {
                tracing::warn!(path = %locked.path.display(), %error, "a directory stays writable");
            }
        }
    }
}

/// Adds up the bytes of ranges.
pub(super) fn total(ranges: &[Range<u64>]) -> u64 {
    let bytes = ranges.iter().map(|range| range.end.saturating_sub(range.start));
    bytes.fold(0, u64::saturating_add)
}

/// Writes all bytes except holes of zeros.
fn write(mut file: &File, bytes: &[u8], holes: &[Range<u64>]) -> io::Result<()> {
    if holes.is_empty() {
        return file.write_all(bytes);
    }
    file.set_len(bytes.len() as u64)?;
    let mut at = 0;
    for hole in holes {
        let (start, end) = (index(hole.start, bytes), index(hole.end, bytes));
        if start < at || bytes[start..end].iter().any(|byte| *byte != 0) {
            continue;
        }
        std::os::unix::fs::FileExt::write_all_at(file, &bytes[at..start], at as u64)?;
        at = end;
    }
    std::os::unix::fs::FileExt::write_all_at(file, &bytes[at..], at as u64)
}

fn index(offset: u64, bytes: &[u8]) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len())
}
