//! A directory that is written to by name, never by path, so that nothing is written elsewhere.
//!
//! Every name is one part of a path (a catalog has no others), looked up in an open directory, and no
//! symbolic link is followed. So neither a hostile catalog nor a link that was there before leads outside.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, CWD, Mode as FsMode, OFlags, RenameFlags};
use rustix::io::Errno;
use shared::collection::{Attributes, ModifiedAt};

use store::{set_file_metadata, times};

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
    pub(super) fn open(path: &std::path::Path) -> io::Result<Self> {
        let fd = rustix::fs::openat(CWD, path, OPEN_DIRECTORY, FsMode::empty())?;
        Ok(Self { fd, is_new: false })
    }

    /// Goes into a directory of this one; makes it if it is missing.
    ///
    /// Fails when something else is there, a link to a directory for example.
    pub(super) fn enter(&self, name: &str) -> io::Result<Self> {
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
            // An earlier restoration may have made it read-only.
            let mode = FsMode::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
            if !mode.contains(PRIVATE) {
                rustix::fs::fchmod(&fd, mode | PRIVATE)?;
            }
        }
        Ok(Self { fd, is_new })
    }

    /// Sets mode and time.
    pub(super) fn dress(self, attributes: Attributes) -> io::Result<()> {
        set_file_metadata(&File::from(self.fd), attributes)
    }

    /// Makes a symbolic link, unless it is there; replaces another file or link only if `overwrite` says so.
    pub(super) fn link(
        &self,
        name: &str,
        target: &str,
        modified: ModifiedAt,
        overwrite: bool,
    ) -> io::Result<()> {
        let is_there = !self.is_new
            && rustix::fs::readlinkat(&self.fd, name, Vec::new())
                .is_ok_and(|there| there.as_bytes() == target.as_bytes());
        if !is_there {
            let partial = partial();
            rustix::fs::symlinkat(target, &self.fd, &partial)?;
            self.move_in(&partial, name, overwrite)?;
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::utimensat(&self.fd, name, &times(modified), flags)?)
    }

    /// Writes a file, unless it is there with these bytes; replaces another file or link only if `overwrite`
    /// says so. The file appears complete.
    pub(super) fn file(
        &self,
        name: &str,
        bytes: &[u8],
        attributes: Attributes,
        holes: &[Range<u64>],
        overwrite: bool,
    ) -> io::Result<()> {
        if !self.is_new
            && let Some(same) = self.same(name, bytes)?
        {
            return set_file_metadata(&same, attributes);
        }
        let partial = partial();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = FsMode::RUSR | FsMode::WUSR;
        let file = File::from(rustix::fs::openat(&self.fd, &partial, flags, mode)?);
        let written = write(&file, bytes, holes).and_then(|()| set_file_metadata(&file, attributes));
        let moved = written.and_then(|()| self.move_in(&partial, name, overwrite));
        if moved.is_err() {
            // The failure of the move is reported, not that of the clean-up.
            rustix::fs::unlinkat(&self.fd, &partial, AtFlags::empty()).ok();
        }
        moved
    }

    /// Returns the regular file of that name, if it has these bytes.
    fn same(&self, name: &str, bytes: &[u8]) -> io::Result<Option<File>> {
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

    fn move_in(&self, partial: &str, name: &str, overwrite: bool) -> io::Result<()> {
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

/// Makes a hidden name that nobody else has; `peer add` leaves such names out.
fn partial() -> String {
    format!(".{:016x}.enjambre-part", rand::random::<u64>())
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
