//! Writing a collection into a directory.
//!
//! First everything is looked at: obstacles, missing rights and names that are too long are errors before
//! anything is written. After that in three steps, so that the directory has its times in the end: the
//! directories, then (by the caller, who fetches them in place) the large files, then the small files and
//! links from packs, and last the modes and times of the directories. A file system has no transaction over
//! many files: a disk that fills up or fails in the middle leaves the files that were written until then,
//! each of them complete.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use shared::collection::{Attributes, Catalog, Data, File, Kind, Mode, Selection};
use shared::model::{ContentId, FragmentSet, Manifest};
use shared::own_data::{OwnData, Owner};

use super::directory::{Directory, Disk, Found, Placing, Unlocked, partial, total};
use super::error::{CollectionError, in_data_directory};
use store::{FragmentStore, Place, Room, VerifiedReader};

/// The restoration of a collection, or of a part of it, into a directory.
#[derive(Debug)]
pub struct Restoration {
    catalog: Catalog,
    /// The entries of the catalog that are wanted, by place; a directory before its entries.
    wanted: BTreeSet<usize>,
    /// The directory of the collection that becomes the output directory.
    top: Option<usize>,
    /// The directory that is written to.
    output: PathBuf,
    /// The name that a single file or link gets there.
    single: Option<String>,
    overwrite: bool,
    /// Permissions that nothing gets.
    umask: Mode,
    /// Name of a file that is being written, until it is complete.
    partial: String,
    unlocked: Unlocked,
    /// Small files and links that are written.
    written: AtomicU64,
}

/// Surroundings of an entry in the output, before anything is written.
#[derive(Clone, Copy)]
struct Surroundings<'a> {
    /// Its parent directory and the thing that has its name there, if there is one.
    found: Option<(&'a Directory, Found)>,
    /// Disk of the nearest directory that is there.
    disk: Disk,
}

/// Longest path that the system takes.
const MAX_PATH: usize = 4095;

/// A large file that is wanted.
#[derive(Clone, Debug)]
pub struct Large {
    /// Its content.
    pub content: ContentId,
    /// Its bytes, mode, time and holes.
    pub file: File,
    /// The path that it is written to.
    pub output: PathBuf,
    /// Whether it is there already; not known at first.
    pub is_there: bool,
}

impl Restoration {
    /// Plans to write the selected entries of a collection, or of its directory `inside`, into the directory
    /// `output`. A file or link `inside` becomes `output` itself. Existing files are replaced if the first
    /// flag says so; the second takes permissions from everything that is written.
    ///
    /// # Errors
    /// When the collection has no such path, or nothing of it is selected.
    pub fn new(
        catalog: Catalog,
        inside: Option<&str>,
        selection: &Selection,
        output: &Path,
        (overwrite, umask): (bool, Mode),
    ) -> Result<Self, CollectionError> {
        let missing = |path: &str| CollectionError::NoSuchPath(path.to_owned());
        let mut range = 0..catalog.entries().len();
        let (mut top, mut single, mut output) = (None, None, output.to_owned());
        if let Some(path) = inside {
            let found = catalog.find(path).ok_or_else(|| missing(path))?;
            if matches!(catalog.entries()[found.start].kind, Kind::Directory(_)) {
                (top, range) = (Some(found.start), found.start + 1..found.end);
            } else {
                top = catalog.entries()[found.start].parent();
                single = output
                    .file_name()
                    .and_then(|name| name.to_str())
                    .map(str::to_owned);
                output.pop();
                range = found;
            }
        }
        let mut wanted = BTreeSet::new();
        for at in range {
            if selection.is_all() || selection.takes(&catalog.path(at)) {
                let mut next = Some(at);
                // With its parent directories.
                while let Some(at) = next.filter(|at| Some(*at) != top) {
                    if !wanted.insert(at) {
                        break;
                    }
                    next = catalog.entries()[at].parent();
                }
            }
        }
        if wanted.is_empty() && !selection.is_all() {
            return Err(CollectionError::NothingSelected);
        }
        Ok(Self {
            catalog,
            wanted,
            top,
            output,
            single,
            overwrite,
            umask,
            partial: partial(),
            unlocked: Unlocked::default(),
            written: AtomicU64::new(0),
        })
    }

    /// Returns the bytes of the files that are wanted.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.files()
            .map(|(_, file)| file.length)
            .fold(0, u64::saturating_add)
    }

    /// Returns the number of files that are wanted.
    #[must_use]
    pub fn file_count(&self) -> u64 {
        self.files().count() as u64
    }

    fn files(&self) -> impl Iterator<Item = (usize, &File)> {
        self.wanted
            .iter()
            .filter_map(|at| match &self.catalog.entries()[*at].kind {
                Kind::File(file) => Some((*at, file)),
                _ => None,
            })
    }

    /// Returns the large files that are wanted.
    pub fn large(&self) -> impl Iterator<Item = Large> + '_ {
        self.files().filter_map(|(at, file)| match file.data {
            Data::Whole(content) => Some(Large {
                content,
                file: File {
                    attributes: self.masked(file.attributes),
                    ..file.clone()
                },
                output: self.place(at),
                is_there: false,
            }),
            _ => None,
        })
    }

    /// Returns the packs that are needed, and the ranges of their bytes.
    #[must_use]
    pub fn packs(&self) -> BTreeMap<ContentId, Vec<Range<u64>>> {
        let mut packs: BTreeMap<ContentId, Vec<Range<u64>>> = BTreeMap::new();
        for (_, file) in self.files() {
            if let Data::Packed(pack, offset) = file.data {
                let ranges = packs.entry(pack).or_default();
                let end = offset + file.length;
                match ranges.last_mut() {
                    Some(last) if last.end == offset => last.end = end,
                    _ => ranges.push(offset..end),
                }
            }
        }
        packs
    }

    /// Returns the name of an entry in the output.
    fn name(&self, at: usize) -> &str {
        match &self.single {
            Some(name) => name,
            None => self.catalog.entries()[at].name(),
        }
    }

    /// Returns the path of an entry in the output; its names are no paths.
    fn place(&self, at: usize) -> PathBuf {
        let mut names = Vec::new();
        let mut next = Some(at);
        while let Some(at) = next.filter(|at| Some(*at) != self.top) {
            names.push(self.name(at));
            next = self.catalog.entries()[at].parent();
        }
        let mut place = self.output.clone();
        place.extend(names.into_iter().rev());
        place
    }

    fn masked(&self, attributes: Attributes) -> Attributes {
        Attributes {
            mode: attributes.mode.without(self.umask),
            ..attributes
        }
    }

    /// Returns the numbers of small files and links that are written, and that are to be.
    #[must_use]
    pub fn small_files(&self) -> (u64, u64) {
        let is_small = |at: &&usize| match &self.catalog.entries()[**at].kind {
            Kind::File(file) => !matches!(file.data, Data::Whole(_)),
            Kind::Link { .. } => true,
            Kind::Directory(_) => false,
        };
        let total = self.wanted.iter().filter(is_small).count() as u64;
        (self.written.load(Ordering::Relaxed), total)
    }

    /// Returns the paths that unfinished files can have: one in each directory.
    #[must_use]
    pub fn unfinished(&self) -> Vec<PathBuf> {
        let is_directory = |at: &&usize| matches!(self.catalog.entries()[**at].kind, Kind::Directory(_));
        let directories = self.wanted.iter().filter(is_directory).map(|at| self.place(*at));
        directories
            .chain([self.output.clone()])
            .map(|directory| directory.join(&self.partial))
            .collect()
    }

    /// Looks at everything that is to be written to, and changes nothing.
    ///
    /// # Errors
    /// When something is in the way, may not be written to, or has a name that the system does not take.
    pub fn check(&self) -> Result<(), CollectionError> {
        let visit = |Surroundings { found, disk }: Surroundings<'_>, at: usize, place: &Path| {
            let kind = &self.catalog.entries()[at].kind;
            let is_by_path = matches!(kind, Kind::File(file) if matches!(file.data, Data::Whole(_)));
            if self.name(at).len() > disk.longest_name || is_by_path && place.as_os_str().len() > MAX_PATH {
                return Err(CollectionError::at_place("write", place)(
                    Errno::NAMETOOLONG.into(),
                ));
            }
            match (kind, found) {
                (_, None) | (Kind::Directory(_), Some((_, Found::Directory))) => Ok(()),
                (Kind::Directory(_), Some((_, Found::Special(kind)))) => Err(CollectionError::Special {
                    path: place.to_owned(),
                    kind,
                }),
                (Kind::Directory(_), Some(_)) => Err(CollectionError::InTheWay {
                    path: place.to_owned(),
                }),
                (_, Some((directory, found))) => self.check_entry(directory, found, at, place),
            }
        };
        self.look_through(visit)
    }

    /// Returns the room that the files need which are not there yet, and the room that is there: on the disk
    /// that has too little, if one has. Files that `store` writes in place have their room already.
    ///
    /// # Errors
    /// When something cannot be looked at.
    pub fn room(&self, store: &impl FragmentStore) -> Result<Room, CollectionError> {
        let mut disks: BTreeMap<u64, Room> = BTreeMap::new();
        let visit = |Surroundings { found, disk }: Surroundings<'_>, at: usize, place: &Path| {
            let available = disk.free;
            let room = disks.entry(disk.device);
            let room = room.or_insert(Room { needed: 0, available });
            if let Kind::File(file) = &self.catalog.entries()[at].kind {
                let there = match found {
                    Some((_, Found::File(length))) => length,
                    _ if is_placed(store, file, place) => file.length,
                    _ => 0,
                };
                let bytes = file.length.saturating_sub(total(&file.holes));
                let bytes = bytes.saturating_sub(there);
                room.needed = room.needed.saturating_add(bytes);
            }
            Ok(())
        };
        self.look_through(visit)?;
        let tightest = |room: &Room| (room.needed.saturating_sub(room.available), room.needed);
        match disks.into_values().max_by_key(tightest) {
            Some(room) => Ok(room),
            None => Ok(Room {
                needed: 0,
                available: self.check_output()?.1.free,
            }),
        }
    }

    /// Visits every wanted entry, with its surroundings.
    fn look_through(
        &self,
        mut visit: impl FnMut(Surroundings<'_>, usize, &Path) -> Result<(), CollectionError>,
    ) -> Result<(), CollectionError> {
        let (output, disk) = self.check_output()?;
        let mut open = vec![(self.top, output, disk, self.output.clone())];
        for at in &self.wanted {
            let entry = &self.catalog.entries()[*at];
            while open.len() > 1 && open.last().is_some_and(|(of, ..)| *of != entry.parent()) {
                open.pop();
            }
            let Some((_, directory, disk, path)) = open.last() else {
                break;
            };
            let (disk, place) = (*disk, path.join(self.name(*at)));
            let found = match directory {
                Some(directory) => directory.look(self.name(*at)),
                None => Ok(None),
            };
            let found = found.map_err(CollectionError::at_place("look at", &place))?;
            let found = directory.as_ref().zip(found);
            visit(Surroundings { found, disk }, *at, &place)?;
            if !matches!(entry.kind, Kind::Directory(_)) {
                continue;
            }
            let (below, disk) = match found {
                Some((directory, Found::Directory)) => {
                    let below = directory.go_into(entry.name());
                    let below = below.map_err(CollectionError::at_place("open", &place))?;
                    check_directory(&below, &place)?;
                    let disk = below.disk();
                    let disk = disk.map_err(CollectionError::at_place("look at", &place))?;
                    (Some(below), disk)
                }
                _ => (None, disk),
            };
            open.push((Some(*at), below, disk, place));
        }
        Ok(())
    }

    /// Refuses a restoration that would write into the node's data directory.
    ///
    /// # Errors
    /// When the output, or a directory in it, is there.
    pub fn require_foreign(&self, own: &OwnData) -> Result<(), CollectionError> {
        if let Some(owner) = own.around_output(&self.output) {
            return Err(in_data_directory(&self.output, owner));
        }
        let is_directory = |at: &&usize| matches!(self.catalog.entries()[**at].kind, Kind::Directory(_));
        for at in self.wanted.iter().filter(is_directory) {
            let place = self.place(*at);
            if fs::symlink_metadata(&place).is_ok_and(|there| own.is_directory(&there)) {
                return Err(in_data_directory(&place, Owner::Directory(own.root().to_owned())));
            }
        }
        Ok(())
    }

    /// Checks the output, and returns it if it is there, and its disk.
    fn check_output(&self) -> Result<(Option<Directory>, Disk), CollectionError> {
        for path in self.output.ancestors() {
            match fs::metadata(path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(CollectionError::at_place("write", &self.output)(error)),
                Ok(_) => {
                    let directory = Directory::open(path).map_err(CollectionError::at_place("open", path))?;
                    let is_ours = path == self.output && self.single.is_none();
                    if is_ours {
                        check_directory(&directory, path)?;
                    } else {
                        let writable = directory.require_writable(false);
                        writable.map_err(CollectionError::at_place("write into", path))?;
                    }
                    let disk = directory.disk();
                    let disk = disk.map_err(CollectionError::at_place("look at", path))?;
                    return Ok(((path == self.output).then_some(directory), disk));
                }
            }
        }
        Err(CollectionError::at_place("write", &self.output)(
            Errno::NOENT.into(),
        ))
    }

    /// Checks that a file or link can take its place.
    fn check_entry(
        &self,
        directory: &Directory,
        found: Found,
        at: usize,
        place: &Path,
    ) -> Result<(), CollectionError> {
        let is_same = match &self.catalog.entries()[at].kind {
            Kind::Link { target, .. } => directory.leads_to(self.name(at), target),
            // Whether the bytes are the same is known once they are here.
            Kind::File(file) => found == Found::File(file.length),
            Kind::Directory(_) => false,
        };
        match found {
            Found::Directory => Err(CollectionError::at_place("write", place)(Errno::ISDIR.into())),
            Found::Special(kind) => Err(CollectionError::Special {
                path: place.to_owned(),
                kind,
            }),
            Found::File(_) | Found::Link if is_same || self.overwrite => Ok(()),
            Found::File(_) | Found::Link => Err(CollectionError::Exists {
                path: place.to_owned(),
            }),
        }
    }

    /// Checks, once the packs are here, that the small files that are there already have the bytes that they
    /// are to have, unless they may be replaced.
    ///
    /// # Errors
    /// When one has not, or a pack does not have what the catalog says.
    pub fn check_bytes(&self, store: &impl FragmentStore) -> Result<(), CollectionError> {
        if self.overwrite {
            return Ok(());
        }
        let mut small = SmallFiles::of(store);
        let visit = |Surroundings { found, .. }: Surroundings<'_>, at: usize, place: &Path| {
            let (Some((directory, _)), Kind::File(file)) = (found, &self.catalog.entries()[at].kind) else {
                return Ok(());
            };
            let Some(bytes) = small.bytes(file)? else {
                return Ok(());
            };
            match directory.same(self.name(at), &bytes) {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err(CollectionError::Exists {
                    path: place.to_owned(),
                }),
                Err(error) => Err(CollectionError::at_place("read", place)(error)),
            }
        };
        self.look_through(visit)
    }

    /// Makes the output and the directories in it.
    ///
    /// # Errors
    /// When something else is in the way of one.
    pub fn make_directories(&self) -> Result<(), CollectionError> {
        fs::create_dir_all(&self.output).map_err(CollectionError::at_place("create", &self.output))?;
        self.walk(|_, _, _| Ok(()), false)
    }

    /// Writes small files and links, and gives every directory its mode and time.
    ///
    /// # Errors
    /// When something is in the way, or a pack does not have what the catalog says.
    pub fn fill(&self, store: &impl FragmentStore) -> Result<(), CollectionError> {
        let mut small = SmallFiles::of(store);
        let placing = Placing {
            partial: &self.partial,
            overwrite: self.overwrite,
        };
        let write = |directory: &Directory, at: usize, place: &Path| {
            let written = match &self.catalog.entries()[at].kind {
                Kind::Directory(_) => return Ok(()),
                Kind::Link { target, modified } => directory.link(self.name(at), target, *modified, placing),
                Kind::File(file) => {
                    let Some(bytes) = small.bytes(file)? else {
                        return Ok(());
                    };
                    let attributes = self.masked(file.attributes);
                    directory.file(self.name(at), &bytes, attributes, &file.holes, placing)
                }
            };
            self.written.fetch_add(1, Ordering::Relaxed);
            written.map_err(CollectionError::at_place("write", place))
        };
        self.walk(write, true)?;
        self.unlocked.finish();
        Ok(())
    }

    /// Visits every wanted entry with its parent directory, which is open.
    fn walk(
        &self,
        mut visit: impl FnMut(&Directory, usize, &Path) -> Result<(), CollectionError>,
        dresses: bool,
    ) -> Result<(), CollectionError> {
        let output =
            Directory::open(&self.output).map_err(CollectionError::at_place("open", &self.output))?;
        if self.single.is_none() {
            let unlocked = output.unlock(&self.output, &self.unlocked);
            unlocked.map_err(CollectionError::at_place("write into", &self.output))?;
        }
        let mut open: Vec<(Option<usize>, Directory, PathBuf)> =
            vec![(self.top, output, self.output.clone())];
        for at in &self.wanted {
            let entry = &self.catalog.entries()[*at];
            while open.len() > 1 && open.last().is_some_and(|(of, ..)| *of != entry.parent()) {
                self.leave(open.pop(), dresses)?;
            }
            let Some((_, directory, path)) = open.last() else {
                break;
            };
            let path = path.join(self.name(*at));
            visit(directory, *at, &path)?;
            if matches!(entry.kind, Kind::Directory(_)) {
                let entered = directory
                    .enter(entry.name(), &path, &self.unlocked)
                    .map_err(|error| match error.kind() {
                        // No permission to replace files lets a directory take the place of one.
                        std::io::ErrorKind::AlreadyExists => CollectionError::InTheWay { path: path.clone() },
                        _ => CollectionError::at_place("create directory", &path)(error),
                    })?;
                open.push((Some(*at), entered, path));
            }
        }
        while open.len() > 1 {
            self.leave(open.pop(), dresses)?;
        }
        let Some((_, output, path)) = open.pop().filter(|_| dresses && self.single.is_none()) else {
            return Ok(());
        };
        let attributes = match self.top.map(|at| &self.catalog.entries()[at].kind) {
            Some(Kind::Directory(attributes)) => *attributes,
            _ => self.catalog.root(),
        };
        output
            .dress(self.masked(attributes))
            .map_err(CollectionError::at_place("set the time of", &path))
    }

    fn leave(
        &self,
        left: Option<(Option<usize>, Directory, PathBuf)>,
        dresses: bool,
    ) -> Result<(), CollectionError> {
        if let Some((Some(at), directory, path)) = left
            && dresses
            && let Kind::Directory(attributes) = self.catalog.entries()[at].kind
        {
            directory
                .dress(self.masked(attributes))
                .map_err(CollectionError::at_place("set the time of", &path))?;
        }
        Ok(())
    }
}

/// Refuses a large file of whose path below the output a part is no directory, but a link to one for example.
///
/// The store writes large files by their paths, because it goes on sharing them there, and looks again before
/// it writes and before it moves them in. Whoever replaces a directory between the look and the writing may
/// write to the output anyway, and gains a file of bytes that are the publisher's: one that is new, because
/// none is replaced through a link.
///
/// # Errors
/// When something else is there.
pub fn require_beneath(output: &Path, file: &Path) -> Result<(), CollectionError> {
    let Some(below) = file.parent().and_then(|parent| parent.strip_prefix(output).ok()) else {
        return Ok(());
    };
    let mut directory = Directory::open(output).map_err(CollectionError::at_place("open", output))?;
    for name in below.iter().filter_map(|name| name.to_str()) {
        let below = directory.go_into(name);
        directory = below.map_err(CollectionError::at_place("write", file))?;
    }
    Ok(())
}

/// Whether the store writes a large file at its place, where it has taken the room for it.
fn is_placed(store: &impl FragmentStore, file: &File, place: &Path) -> bool {
    let Data::Whole(content) = file.data else {
        return false;
    };
    store.entry(content).is_some_and(|entry| match entry.place {
        Place::Partial { output, .. } => output == place,
        Place::File(_) | Place::Store => false,
    })
}

/// Checks a directory of the collection that is there.
fn check_directory(directory: &Directory, path: &Path) -> Result<(), CollectionError> {
    let writable = directory.require_writable(true);
    writable.map_err(CollectionError::at_place("write into", path))?;
    let ours = directory.require_ours();
    ours.map_err(CollectionError::at_place("set the time of", path))
}

/// The small files of a collection, read from the packs that the store holds.
struct SmallFiles<'a, S> {
    store: &'a S,
    reader: VerifiedReader<'a, S>,
    manifests: BTreeMap<ContentId, Manifest>,
}

impl<'a, S: FragmentStore> SmallFiles<'a, S> {
    const fn of(store: &'a S) -> Self {
        Self {
            store,
            reader: VerifiedReader::new(store),
            manifests: BTreeMap::new(),
        }
    }

    /// Returns the bytes of a file; none of a large one.
    fn bytes(&mut self, file: &File) -> Result<Option<Vec<u8>>, CollectionError> {
        let (pack, offset) = match file.data {
            Data::Whole(_) => return Ok(None),
            Data::Empty => return Ok(Some(Vec::new())),
            Data::Packed(pack, offset) => (pack, offset),
        };
        let manifest = match self.manifests.get(&pack) {
            Some(manifest) => manifest,
            None => {
                let entry = self.store.entry(pack).ok_or(CollectionError::PartGone)?;
                self.manifests.entry(pack).or_insert(entry.manifest)
            }
        };
        Ok(Some(self.reader.read(manifest, offset..offset + file.length)?))
    }
}

/// Returns the fragments of a content that hold these bytes of it.
///
/// # Errors
/// When the content is shorter.
pub fn fragments_of(manifest: &Manifest, ranges: &[Range<u64>]) -> Result<FragmentSet, CollectionError> {
    if ranges.iter().any(|range| range.end > manifest.length()) {
        let why = format!("files lie after the end of {}", manifest.content().short());
        return Err(CollectionError::Broken(why));
    }
    Ok(manifest.fragments_in_any(ranges))
}
