//! Writing a collection into a directory.
//!
//! In three steps, so that the directory has its times in the end: the directories, then (by the caller, who
//! fetches them in place) the large files, then the small files and links from packs, and last the modes and
//! times of the directories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use shared::collection::{Catalog, Data, File, Kind, Selection};
use shared::model::{ContentId, FragmentSet, Manifest};
use shared::own_data::OwnData;

use super::directory::Directory;
use super::error::{CollectionError, in_own_data};
use store::{FragmentStore, VerifiedReader};

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
}

/// A large file that is wanted.
#[derive(Clone, Debug)]
pub struct Large {
    /// Its content.
    pub content: ContentId,
    /// Its bytes, mode, time and holes.
    pub file: File,
    /// The path that it is written to.
    pub output: PathBuf,
}

impl Restoration {
    /// Plans to write the selected entries of a collection, or of its directory `inside`, into the directory
    /// `output`. A file or link `inside` becomes `output` itself.
    ///
    /// # Errors
    /// When the collection has no such path, or nothing of it is selected.
    pub fn new(
        catalog: Catalog,
        inside: Option<&str>,
        selection: &Selection,
        output: &Path,
        overwrite: bool,
    ) -> Result<Self, CollectionError> {
        let missing = |path: &str| CollectionError::Io {
            act: "find",
            path: path.into(),
            source: std::io::ErrorKind::NotFound.into(),
        };
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
                file: file.clone(),
                output: self.place(at),
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

    /// Refuses a restoration that would write into the node's data directory.
    ///
    /// # Errors
    /// When the output, or a directory in it, is there.
    pub fn require_foreign(&self, own: &OwnData) -> Result<(), CollectionError> {
        if own.holds(&self.output) {
            return Err(in_own_data(&self.output, own));
        }
        let is_directory = |at: &&usize| matches!(self.catalog.entries()[**at].kind, Kind::Directory(_));
        for at in self.wanted.iter().filter(is_directory) {
            let place = self.place(*at);
            if fs::symlink_metadata(&place).is_ok_and(|there| own.is_directory(&there)) {
                return Err(in_own_data(&place, own));
            }
        }
        Ok(())
    }

    /// Makes the output and the directories in it.
    ///
    /// # Errors
    /// When something else is in the way of one.
    pub fn make_directories(&self) -> Result<(), CollectionError> {
        fs::create_dir_all(&self.output).map_err(CollectionError::io("create", &self.output))?;
        self.walk(|_, _, _| Ok(()), false)
    }

    /// Writes small files and links, and gives every directory its mode and time.
    ///
    /// # Errors
    /// When something is in the way, or a pack does not have what the catalog says.
    pub fn fill(&self, store: &impl FragmentStore) -> Result<(), CollectionError> {
        let mut reader = VerifiedReader::new(store);
        let mut manifests: BTreeMap<ContentId, Manifest> = BTreeMap::new();
        self.walk(
            |directory, at, place| {
                let entry = &self.catalog.entries()[at];
                let failed = CollectionError::io("write", place);
                match &entry.kind {
                    Kind::Directory(_) => Ok(()),
                    Kind::Link { target, modified } => directory
                        .link(self.name(at), target, *modified, self.overwrite)
                        .map_err(failed),
                    Kind::File(file) => {
                        let bytes = match file.data {
                            Data::Whole(_) => return Ok(()),
                            Data::Empty => Vec::new(),
                            Data::Packed(pack, offset) => {
                                let manifest = match manifests.get(&pack) {
                                    Some(manifest) => manifest,
                                    None => {
                                        let entry = store.entry(pack).ok_or(CollectionError::PartGone)?;
                                        manifests.entry(pack).or_insert(entry.manifest)
                                    }
                                };
                                reader.read(manifest, offset..offset + file.length)?
                            }
                        };
                        directory
                            .file(
                                self.name(at),
                                &bytes,
                                file.attributes,
                                &file.holes,
                                self.overwrite,
                            )
                            .map_err(failed)
                    }
                }
            },
            true,
        )
    }

    /// Visits every wanted entry with its parent directory, which is open.
    fn walk(
        &self,
        mut visit: impl FnMut(&Directory, usize, &Path) -> Result<(), CollectionError>,
        dresses: bool,
    ) -> Result<(), CollectionError> {
        let output = Directory::open(&self.output).map_err(CollectionError::io("open", &self.output))?;
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
                    .enter(entry.name())
                    .map_err(CollectionError::io("create directory", &path))?;
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
            .dress(attributes)
            .map_err(CollectionError::io("set the time of", &path))
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
                .dress(attributes)
                .map_err(CollectionError::io("set the time of", &path))?;
        }
        Ok(())
    }
}

/// Returns the fragments of a content that hold these bytes of it.
///
/// # Errors
/// When the content is shorter.
pub fn fragments_of(manifest: &Manifest, ranges: &[Range<u64>]) -> Result<FragmentSet, CollectionError> {
    let mut fragments = manifest.no_fragments();
    for range in ranges {
        if range.end > manifest.length() {
            return Err(CollectionError::Broken(format!(
                "files lie after the end of {}",
                manifest.content().short()
            )));
        }
        fragments.union_with(&manifest.fragments_in(range));
    }
    Ok(fragments)
}
