//! Reading a directory: its entries, in the order of a catalog.
//!
//! Links are not followed unless that is asked for. Entries that cannot be in a collection are refused, all
//! of them in one answer, or left out: special files, names that are not UTF-8 (they could not be shown,
//! chosen, or written on every system), what cannot be read, and what breaks a rule of catalogs.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, SeekFrom};
use shared::collection::{
    Attributes, Builder, CatalogError, Data, EntryFault, File, Mode, ModifiedAt, OutsideLinks, Rules,
    Selection, Unsupported,
};
use shared::model::{ContentId, FileMetadata};
use shared::own_data::{self, OwnData};

use super::error::{CollectionError, in_data_directory};
use store::is_partial_name;

/// A step on the way through a directory.
#[derive(Debug)]
pub enum Step {
    /// A directory begins.
    Enter(String, Attributes),
    /// A directory ends.
    Leave,
    /// A symbolic link: its name, its target, its time.
    Link(String, String, ModifiedAt),
    /// A regular file.
    File(Found),
}

/// A regular file that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Its path from the directory that is read.
    pub path: String,
    /// Its path in the file system.
    pub place: PathBuf,
    /// Mode and time.
    pub attributes: Attributes,
    /// Its bytes.
    pub length: u64,
    /// Whether it takes less room than it has bytes.
    pub is_sparse: bool,
}

/// The entries of a directory.
#[derive(Debug)]
pub struct Scanned {
    /// Mode and time of the directory itself.
    pub root: Attributes,
    /// In the order of a catalog.
    pub steps: Vec<Step>,
    /// Bytes of all files.
    pub length: u64,
    /// Entries that are left out.
    pub left_out: Unsupported,
}

/// Returns mode and time of a file.
#[must_use]
pub fn attributes_of(metadata: &Metadata) -> Attributes {
    let nanos = u32::try_from(metadata.mtime_nsec()).unwrap_or_default();
    Attributes {
        mode: Mode::of(metadata.mode()),
        modified: ModifiedAt::new(metadata.mtime(), nanos)
            .unwrap_or(ModifiedAt::new(metadata.mtime(), 0).unwrap_or_else(unreachable_time)),
    }
}

fn unreachable_time() -> ModifiedAt {
    ModifiedAt::new(0, 0).expect("no nanoseconds are less than a second")
}

/// Reads a directory under the rules that every catalog obeys, but for those that are relaxed; `own` is the
/// node's data directory, which may not be in it. No file is opened but those with
/// several names, which may be a program's.
///
/// # Errors
/// All entries that cannot be in a collection, together, unless they are left out.
pub fn scan(
    root: &Path,
    selection: &Selection,
    rules: Rules,
    own: &Path,
) -> Result<Scanned, CollectionError> {
    let own = &OwnData::look(own);
    if let Some(data) = own.around(root) {
        return Err(in_data_directory(root, data));
    }
    let metadata = fs::metadata(root).map_err(CollectionError::io("read", root))?;
    let names = names_in(root).map_err(CollectionError::io("read", root))?;
    let attributes = attributes_of(&metadata);
    let mut scan = Scan {
        selection,
        rules,
        own,
        builder: Builder::under(attributes, rules),
        above: vec![identity(&metadata)],
        scanned: Scanned {
            root: attributes,
            steps: Vec::new(),
            length: 0,
            left_out: Unsupported::default(),
        },
        refused: Unsupported::default(),
    };
    scan.entries(root, "", names)?;
    let Scan {
        builder,
        scanned,
        refused,
        ..
    } = scan;
    if refused.count > 0 {
        return Err(CollectionError::Unsupported(refused));
    }
    builder.finish()?;
    if scanned.steps.is_empty() && !selection.is_all() {
        return Err(CollectionError::NothingSelected);
    }
    Ok(scanned)
}

/// Device and inode of a directory.
fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn names_in(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.push(entry?.file_name());
    }
    names.sort();
    Ok(names)
}

/// A directory that is being read.
struct Scan<'a> {
    selection: &'a Selection,
    rules: Rules,
    own: &'a OwnData,
    /// Checks every rule about entries.
    builder: Builder,
    /// The directories above, so that followed links end.
    above: Vec<(u64, u64)>,
    scanned: Scanned,
    /// Entries that may not be left out.
    refused: Unsupported,
}

/// Returns the fault that an error of the operating system stands for.
fn fault_of(error: &io::Error) -> EntryFault {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => EntryFault::Vanished,
        _ => EntryFault::Unreadable,
    }
}

/// Returns the fault that breaks a rule of catalogs; none when it is not about one entry.
const fn fault_in(error: &CatalogError) -> Option<EntryFault> {
    match error {
        CatalogError::Name { .. } => Some(EntryFault::Name),
        CatalogError::LongPath { .. } => Some(EntryFault::TooLong),
        CatalogError::CaseClash { .. } => Some(EntryFault::Case),
        CatalogError::Link { .. } => Some(EntryFault::Link),
        CatalogError::TooDeep { .. } => Some(EntryFault::TooDeep),
        _ => None,
    }
}

impl Scan<'_> {
    /// Reads the entries of a directory.
    fn entries(&mut self, place: &Path, path: &str, names: Vec<OsString>) -> Result<(), CollectionError> {
        for name in names {
            let shown = name.to_string_lossy();
            let path = match path {
                "" => shown.to_string(),
                path => format!("{path}/{shown}"),
            };
            if self.selection.excludes(&path) {
                continue;
            }
            match self.entry(&place.join(&name), &path, name.to_str()) {
                Ok(()) => {}
                Err(Refusal::Entry(fault)) if self.rules.leaves_out(fault) => {
                    self.scanned.left_out.add(&path, fault);
                }
                Err(Refusal::Entry(fault)) => self.refused.add(&path, fault),
                Err(Refusal::All(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads one entry, and a directory with its entries.
    fn entry(&mut self, place: &Path, path: &str, name: Option<&str>) -> Result<(), Refusal> {
        let metadata = fs::symlink_metadata(place)?;
        let is_directory = metadata.is_dir();
        if !is_directory && !self.selection.takes(path) {
            return Ok(());
        }
        let name = name.ok_or(EntryFault::NotUtf8)?;
        if !is_directory && is_partial_name(name) {
            return Err(EntryFault::Unfinished.into());
        }
        if metadata.is_symlink() {
            return self.link(place, path, name, &metadata);
        }
        self.target(place, path, name, &metadata)
    }

    fn link(&mut self, place: &Path, path: &str, name: &str, metadata: &Metadata) -> Result<(), Refusal> {
        let target = fs::read_link(place)?;
        let target = target.to_str().ok_or(EntryFault::NotUtf8)?;
        let modified = attributes_of(metadata).modified;
        match self.builder.link(name, target, modified) {
            Ok(()) => {
                let step = Step::Link(name.to_owned(), target.to_owned(), modified);
                self.scanned.steps.push(step);
                Ok(())
            }
            Err(CatalogError::Link { .. }) if self.rules.links == OutsideLinks::Follow => {
                let followed = place.canonicalize().map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => EntryFault::Dangling,
                    io::ErrorKind::PermissionDenied => EntryFault::Unreadable,
                    _ => EntryFault::Loop,
                })?;
                if self.own.around(&followed).is_some() {
                    return Err(EntryFault::OwnData.into());
                }
                let metadata = fs::metadata(&followed)?;
                if metadata.is_dir() && self.above.contains(&identity(&metadata)) {
                    return Err(EntryFault::Loop.into());
                }
                self.target(&followed, path, name, &metadata)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a file or directory.
    fn target(&mut self, place: &Path, path: &str, name: &str, metadata: &Metadata) -> Result<(), Refusal> {
        let attributes = attributes_of(metadata);
        if metadata.is_dir() {
            return self.directory(place, path, name, metadata);
        }
        if !metadata.is_file() {
            return Err(EntryFault::Special.into());
        }
        if self.own.is_private(place, metadata) {
            return Err(EntryFault::OwnData.into());
        }
        if rustix::fs::accessat(CWD, place, Access::READ_OK, AtFlags::EACCESS).is_err() {
            return Err(EntryFault::Unreadable.into());
        }
        if !ends_at(place, metadata.len())? {
            return Err(EntryFault::Changing.into());
        }
        let file = File {
            attributes,
            length: metadata.len(),
            data: match metadata.len() {
                0 => Data::Empty,
                _ => Data::Whole(ContentId::EMPTY),
            },
            holes: Vec::new(),
        };
        self.builder.file(name, file)?;
        self.scanned.length += metadata.len();
        self.scanned.steps.push(Step::File(Found {
            name: name.to_owned(),
            path: path.to_owned(),
            place: place.to_owned(),
            attributes,
            length: metadata.len(),
            is_sparse: metadata.blocks().saturating_mul(512) < metadata.len(),
        }));
        Ok(())
    }

    fn directory(
        &mut self,
        place: &Path,
        path: &str,
        name: &str,
        metadata: &Metadata,
    ) -> Result<(), Refusal> {
        if self.own.is_directory(metadata) || own_data::is_data_directory(place) {
            return Err(EntryFault::OwnData.into());
        }
        let names = names_in(place)?;
        let attributes = attributes_of(metadata);
        self.builder.enter(name, attributes)?;
        let before = self.scanned.steps.len();
        self.scanned.steps.push(Step::Enter(name.to_owned(), attributes));
        self.above.push(identity(metadata));
        self.entries(place, path, names).map_err(Refusal::All)?;
        self.above.pop();
        self.builder.leave()?;
        if self.scanned.steps.len() == before + 1 && !self.selection.takes(path) {
            self.scanned.steps.pop();
        } else {
            self.scanned.steps.push(Step::Leave);
        }
        Ok(())
    }
}

/// The reason why an entry is not taken, or none at all.
enum Refusal {
    Entry(EntryFault),
    All(CollectionError),
}

impl From<EntryFault> for Refusal {
    fn from(fault: EntryFault) -> Self {
        Self::Entry(fault)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Entry(fault_of(&error))
    }
}

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Self {
        fault_in(&error).map_or_else(|| Self::All(error.clone().into()), Self::Entry)
    }
}

/// Opens a file for reading, and does not wait for anybody to write to it.
fn open(path: &Path) -> io::Result<fs::File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Whether a file can be read, and ends where its length says: files in /proc and /sys are made up while they
/// are read. Reading all of it comes later; what is certain to be refused then is refused now.
fn ends_at(place: &Path, length: u64) -> io::Result<bool> {
    let file = open(place)?;
    let has_last = length == 0 || file.read_at(&mut [0], length - 1)? == 1;
    Ok(has_last && file.read_at(&mut [0], length)? == 0)
}

/// Returns the metadata of the regular file at a path; none when it cannot be opened or is no file.
#[must_use]
pub fn metadata_of(path: &Path) -> Option<FileMetadata> {
    let file = open(path).ok()?;
    let metadata = file.metadata().ok().filter(Metadata::is_file)?;
    let mut holes = match metadata.blocks().saturating_mul(512) < metadata.len() {
        true => holes(&file, metadata.len()),
        false => Vec::new(),
    };
    holes.truncate(FileMetadata::MAX_HOLES);
    FileMetadata::new(attributes_of(&metadata), holes).ok()
}

/// Returns the holes of a file, as far as the file system tells them.
#[must_use]
pub fn holes(file: &fs::File, length: u64) -> Vec<Range<u64>> {
    let mut holes = Vec::new();
    let mut at = 0;
    while at < length && holes.len() < Builder::MAX_HOLES {
        let Ok(start) = rustix::fs::seek(file, SeekFrom::Hole(at)) else {
            break;
        };
        if start >= length {
            break;
        }
        // No data follows the last hole.
        let end = rustix::fs::seek(file, SeekFrom::Data(start))
            .unwrap_or(length)
            .min(length);
        if end <= start {
            break;
        }
        holes.push(start..end);
        at = end;
    }
    holes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_files_are_not_taken_for_empty_ones() {
        let empty = tempfile::NamedTempFile::new().expect("a file");
        assert!(ends_at(empty.path(), 0).expect("reads"));
        assert!(!ends_at(empty.path(), 1).expect("reads"));
        std::fs::write(empty.path(), b"two").expect("writes");
        assert!(ends_at(empty.path(), 3).expect("reads"));
        assert!(!ends_at(empty.path(), 2).expect("reads"));
        assert!(!ends_at(Path::new("/proc/self/status"), 0).expect("reads"));
        // Its length is said to be that of a page.
        if let Ok(made_up) = std::fs::metadata("/sys/kernel/mm/transparent_hugepage/enabled") {
            let place = Path::new("/sys/kernel/mm/transparent_hugepage/enabled");
            assert!(!ends_at(place, made_up.len()).expect("reads"));
        }
    }
}
