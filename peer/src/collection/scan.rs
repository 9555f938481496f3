//! Reading a directory: its entries, in the order of a catalog.
//!
//! Links are not followed. Entries that cannot be in a collection are refused by name, unless they are
//! excluded: special files, and names that are not UTF-8 (they could not be shown, chosen, or written on
//! every system).

use std::fs::{self, Metadata};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::SeekFrom;
use shared::collection::{Attributes, Builder, Mode, ModifiedAt, Selection};
use shared::model::FileMetadata;
use shared::own_data::OwnData;

use super::error::{CollectionError, in_own_data};

/// The end of the names of files that a fetch is writing; they belong to nobody.
const PARTIAL: &str = ".enjambre-part";

/// The depth of the deepest tree that is followed, so that reading ends.
const MAX_DEPTH: usize = 128;

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

/// Reads a directory; `own` is the node's data directory, which may not be in it, nor it in that.
///
/// # Errors
/// Entries that cannot be in a collection, by name; entries that cannot be read.
pub fn scan(root: &Path, selection: &Selection, own: &Path) -> Result<Scanned, CollectionError> {
    let own = &OwnData::look(own);
    if own.holds(root) {
        return Err(in_own_data(root, own));
    }
    let metadata = fs::metadata(root).map_err(CollectionError::io("read", root))?;
    let mut scanned = Scanned {
        root: attributes_of(&metadata),
        steps: Vec::new(),
        length: 0,
    };
    directory(root, "", 0, selection, own, &mut scanned)?;
    if scanned.steps.is_empty() && !selection.is_all() {
        return Err(CollectionError::NothingSelected);
    }
    Ok(scanned)
}

fn directory(
    place: &Path,
    path: &str,
    depth: usize,
    selection: &Selection,
    own: &OwnData,
    scanned: &mut Scanned,
) -> Result<(), CollectionError> {
    if depth > MAX_DEPTH {
        return Err(CollectionError::Refused(format!(
            "{path:?} lies too deep to be in a collection"
        )));
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(place).map_err(CollectionError::io("read", place))? {
        names.push(entry.map_err(CollectionError::io("read", place))?.file_name());
    }
    names.sort();
    for name in names {
        let place = place.join(&name);
        let shown = name.to_string_lossy();
        let path = if path.is_empty() {
            shown.to_string()
        } else {
            format!("{path}/{shown}")
        };
        if selection.excludes(&path) || shown.ends_with(PARTIAL) {
            continue;
        }
        let refused = |why: &str| {
            CollectionError::Refused(format!(
                "{path:?} cannot be in a collection: {why}; --exclude leaves it out"
            ))
        };
        let Some(name) = name.to_str().map(str::to_owned) else {
            return Err(refused("its name is not UTF-8"));
        };
        let metadata = fs::symlink_metadata(&place).map_err(CollectionError::io("read", &place))?;
        let (kind, attributes) = (metadata.file_type(), attributes_of(&metadata));
        if kind.is_dir() {
            if own.is_directory(&metadata) {
                return Err(refused("it is the data directory of this node"));
            }
            let before = scanned.steps.len();
            scanned.steps.push(Step::Enter(name, attributes));
            directory(&place, &path, depth + 1, selection, own, scanned)?;
            if scanned.steps.len() == before + 1 && !selection.takes(&path) {
                scanned.steps.pop();
            } else {
                scanned.steps.push(Step::Leave);
            }
        } else if !selection.takes(&path) {
            // The entry is not wanted.
        } else if kind.is_symlink() {
            let target = fs::read_link(&place).map_err(CollectionError::io("read", &place))?;
            let target = target
                .to_str()
                .ok_or_else(|| refused("it leads to a name that is not UTF-8"))?;
            scanned
                .steps
                .push(Step::Link(name, target.to_owned(), attributes.modified));
        } else if kind.is_file() && own.is_file(&metadata) {
            return Err(refused("it is a file of the data directory of this node"));
        } else if kind.is_file() {
            scanned.length += metadata.len();
            scanned.steps.push(Step::File(Found {
                name,
                path,
                place,
                attributes,
                length: metadata.len(),
                is_sparse: metadata.blocks().saturating_mul(512) < metadata.len(),
            }));
        } else {
            return Err(refused("it is a device, a pipe or a socket"));
        }
    }
    Ok(())
}

/// Returns the metadata of the regular file at a path; none when it cannot be opened or is no file (any more).
#[must_use]
pub fn metadata_of(path: &Path) -> Option<FileMetadata> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .ok()?;
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
