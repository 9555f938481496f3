//! Room for a content: its files exist and are long enough, and the disk has room for what is to come.
//!
//! The files are made as long as they will be, of holes alone: disk space is taken as verified data arrive.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::FileType;
use shared::data_files;
use shared::model::{Digest, FragmentSet, Manifest};

use super::account::Disk;
use super::files::{self, sync_directory};
use super::kept::Kept;
use super::layout::{Layout, make_directory_of};
use super::{Place, StoreError};

/// Room that was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Made {
    /// Whether a file had to be made or made longer, so that blocks written before are not there.
    pub(super) is_anew: bool,
    /// Disk of the data, when the store writes them.
    pub(super) disk: Option<Disk>,
}

/// Makes the files of a content that the store writes, when the disk has room for all that is missing beside
/// what is `expected` there of other contents.
///
/// Existing files stay as they are, so repeating the call changes nothing. After a failure, files may be left
/// over.
pub(super) fn make_room(
    layout: &Layout,
    kept: &Kept,
    expected: impl FnOnce(Disk) -> u64,
) -> Result<Made, StoreError> {
    let leaves = layout.leaves(kept.content());
    let Some(data) = layout.own_data(kept) else {
        return Ok(Made::default());
    };
    if kept.place == Place::Store {
        make_directory_of(&data)?;
    }
    make_directory_of(&leaves)?;
    let directory = data.parent().unwrap_or(Path::new("/"));
    let disk = files::disk_of(directory)?;
    let needed = kept.claim().missing;
    if needed > 0 {
        Room::beside(&data, needed)?.less(expected(disk)).require()?;
    }
    let is_data_anew = grow(&data, kept.manifest.length())?;
    let are_leaves_anew = grow(&leaves, kept.block_count() * Digest::LEN as u64)?;
    Ok(Made {
        is_anew: is_data_anew || are_leaves_anew,
        disk: Some(disk),
    })
}

/// Room that something needs on a disk, and the room that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that are to be written.
    pub needed: u64,
    /// Bytes that may be used.
    pub available: u64,
}

impl Room {
    /// Looks at the disk on which a file is, or is to be.
    ///
    /// # Errors
    /// [`StoreError::Io`] when there is no such directory.
    pub fn beside(file: &Path, needed: u64) -> Result<Self, StoreError> {
        let available = files::free_space(file.parent().unwrap_or(Path::new("/")))?;
        Ok(Self { needed, available })
    }

    /// Looks at the disk of an output that a user has chosen.
    ///
    /// # Errors
    /// [`StoreError::Place`] when there is no such directory.
    pub fn for_output(output: &Path, needed: u64) -> Result<Self, StoreError> {
        Self::beside(output, needed).map_err(|error| error.at_output(output))
    }

    /// Leaves room for bytes that others are to write to the disk.
    pub(super) const fn less(self, promised: u64) -> Self {
        Self {
            available: self.available.saturating_sub(promised),
            ..self
        }
    }

    /// Refuses what does not fit.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`].
    pub fn require(self) -> Result<(), StoreError> {
        let Self { needed, available } = self;
        match needed <= available {
            true => Ok(()),
            false => Err(no_room(needed, available)),
        }
    }
}

fn no_room(needed: u64, available: u64) -> StoreError {
    let of = "the disk";
    StoreError::NoRoom {
        needed,
        available,
        of,
    }
}

/// Returns the error for a failure to write `needed` bytes to a file; for `map_err`.
pub(super) fn write_failed<'a>(
    act: &'static str,
    path: &'a Path,
    needed: u64,
) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            let free = path.parent().map_or(Ok(0), files::free_space);
            no_room(needed, free.unwrap_or(0))
        }
        _ => StoreError::io(act, path)(error),
    }
}

/// Makes a file at least `length` bytes long; returns whether it was shorter.
fn grow(path: &Path, length: u64) -> Result<bool, StoreError> {
    let open = |options: &mut OpenOptions| data_files::open(path, options.read(true).write(true));
    let (file, is_new) = match open(&mut OpenOptions::new()) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Nobody else's until it is complete.
            let created = open(OpenOptions::new().create_new(true).mode(0o600));
            (created.map_err(StoreError::io("create", path))?, true)
        }
        other => (other.map_err(StoreError::io("open", path))?, false),
    };
    let failed = |error| write_failed("make room in", path, length)(error);
    let is_short = file.metadata().map_err(failed)?.len() < length;
    if is_short {
        file.set_len(length).map_err(failed)?;
    }
    if let Some(directory) = path.parent().filter(|_| is_new) {
        sync_directory(directory)?;
    }
    Ok(is_new || is_short)
}

/// Returns the byte ranges of fragments in the data; neighbours are one range.
pub(super) fn byte_ranges(manifest: &Manifest, fragments: &FragmentSet) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for index in fragments.iter() {
        let range = manifest.range(index);
        match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ranges.push(range),
        }
    }
    ranges
}

/// Refuses an output to which a file could not, or must not, be moved in the end.
pub(super) fn check_output(layout: &Layout, output: &Path, overwrite: bool) -> Result<(), StoreError> {
    layout.require_foreign(output)?;
    let refuse = |kind: ErrorKind| Err(StoreError::io("write", output)(kind.into()));
    let has_name = output.file_name().is_some_and(|name| name != OsStr::new(""));
    if !output.is_absolute() || !has_name {
        return refuse(ErrorKind::InvalidInput);
    }
    // A link to a device, such as /dev/stdout, stands for the device.
    let special = output.metadata().ok();
    let special = special.and_then(|there| files::special_kind(FileType::from_raw_mode(there.mode())));
    match output.symlink_metadata() {
        // None of these is ever replaced, whatever the caller allows.
        Ok(_) if let Some(kind) = special => Err(StoreError::Special {
            path: output.to_owned(),
            kind,
        }),
        Ok(there) if there.is_dir() => refuse(ErrorKind::IsADirectory),
        Ok(_) if !overwrite => Err(StoreError::OutputExists {
            path: output.to_owned(),
        }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => match output.parent() {
            Some(parent) if parent.is_dir() => Ok(()),
            _ => {
                let error = std::io::Error::new(ErrorKind::InvalidInput, "there is no such directory");
                Err(StoreError::io("write", output)(error))
            }
        },
        Err(error) => Err(StoreError::io("write", output)(error)),
    }
}
