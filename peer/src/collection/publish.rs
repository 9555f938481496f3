//! Making contents of a directory: packs of small files, large files where they lie, and the catalog.
//!
//! A file that lies unchanged in a pack of the revision before is not packed again. Unchanged means that its
//! bytes are those in the pack: all of them are compared.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File as OpenFile;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::collection::{
    Builder, Catalog, Data, EntryFault, File, Kind, LARGE_FILE, Packed, Rules, Selection, Small, Unsupported,
    plan,
};
use shared::model::{ContentId, FragmentLength, Manifest, Name};
use shared::{Coded as _, ErrorCode};

use super::error::CollectionError;
use super::scan::{Found, Scanned, Step, attributes_of, holes, scan};
use store::{Addition, DiskStore, FragmentStore as _, StoreError, VerifiedReader};

/// A directory, and the name that its collection gets.
#[derive(Debug)]
pub struct Source<'a> {
    /// The directory.
    pub root: &'a Path,
    /// The entries that are wanted.
    pub selection: &'a Selection,
    /// The rules for entries.
    pub rules: Rules,
    /// The collection's name.
    pub name: &'a Name,
    /// The node's data directory.
    pub own: &'a Path,
    /// The catalog of the revision before, if its packs may be here.
    pub before: Option<&'a Catalog>,
    /// Length of the fragments; none lets the length of each content decide.
    pub fragment_length: Option<FragmentLength>,
}

/// Watches the work and may stop it.
pub struct Watcher<'a> {
    /// Receives the bytes read so far, and the bytes in all.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Stops the work when set.
    pub cancelled: &'a AtomicBool,
    /// Receives every content that the collection will refer to, and keeps it until then.
    pub hold: &'a dyn Fn(ContentId),
}

impl std::fmt::Debug for Watcher<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

/// A collection that is held, and not published yet.
#[derive(Debug)]
pub struct Made {
    /// The manifest of its catalog.
    pub manifest: Manifest,
    /// Bytes of its files.
    pub length: u64,
    /// Number of its files.
    pub files: u64,
    /// Number of its contents: the catalog and all parts.
    pub contents: u32,
    /// Fragments of all these contents.
    pub fragments: u32,
    /// Entries that were left out.
    pub left_out: Unsupported,
}

/// Makes the contents of a collection, held durably when this returns, and taken back with the addition.
///
/// # Errors
/// Entries that cannot be in a collection, by name; files that cannot be read or that change meanwhile; a
/// full store.
pub fn make(
    addition: &mut Addition,
    source: &Source<'_>,
    watcher: &Watcher<'_>,
) -> Result<Made, CollectionError> {
    // Every rule is checked before the first byte is read.
    let mut scanned = scan(source.root, source.selection, source.rules, source.own)?;
    let mut lost = Lost {
        rules: source.rules,
        paths: HashSet::new(),
        left_out: std::mem::take(&mut scanned.left_out),
    };
    let total = scanned.length;
    let mut done = 0;
    let files: Vec<&Found> = scanned.steps.iter().filter_map(found).collect();
    let small: Vec<&Found> = files
        .iter()
        .copied()
        .filter(|found| found.length > 0 && found.length < LARGE_FILE)
        .collect();
    let mut places = pack(addition, source, &small, &mut lost, watcher.hold, &mut |bytes| {
        done += bytes;
        (watcher.progress)(done, total);
        match watcher.cancelled.load(Ordering::Relaxed) {
            true => Err(cancelled(source.root)),
            false => Ok(()),
        }
    })?;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    for &found in files.iter().filter(|found| found.length >= LARGE_FILE) {
        let progress = |bytes: u64| (watcher.progress)(done + bytes, total);
        let length = source.fragment_length;
        let shared = addition.hash_and_share(&found.place, length, threads, &progress, watcher.cancelled);
        let shared = shared.map_err(CollectionError::from);
        let is_same = |manifest: &Manifest| manifest.length() == found.length;
        let shared = shared.and_then(|manifest| {
            is_same(&manifest)
                .then_some(manifest)
                .ok_or_else(|| changed(found))
        });
        let Some(manifest) = lost.unless_left_out(found, shared)? else {
            continue;
        };
        (watcher.hold)(manifest.content());
        done += found.length;
        places.insert(&found.path, Data::Whole(manifest.content()));
    }
    let gone: u64 = files
        .iter()
        .filter(|found| lost.paths.contains(&*found.path))
        .map(|found| found.length)
        .sum();
    let catalog = build(&scanned, source.rules, |found| {
        if lost.paths.contains(&*found.path) {
            return Ok(None);
        }
        let holes = match found.is_sparse {
            true => holes(&open(found)?, found.length),
            false => Vec::new(),
        };
        Ok(Some((
            places.get(&*found.path).copied().unwrap_or(Data::Empty),
            holes,
        )))
    })?;
    let manifest = addition.bytes(&catalog.encode()?, source.name, source.fragment_length)?;
    (watcher.hold)(manifest.content());
    addition.catalog(manifest.content())?;
    let parts = catalog.parts().iter();
    let of_part = |part: &ContentId| {
        addition
            .store()
            .entry(*part)
            .map(|part| part.manifest.fragment_count())
    };
    let fragments = parts
        .filter_map(of_part)
        .fold(manifest.fragment_count(), u32::saturating_add);
    Ok(Made {
        files: catalog.file_count() as u64,
        contents: u32::try_from(1 + catalog.parts().len()).unwrap_or(u32::MAX),
        fragments,
        manifest,
        length: total - gone,
        left_out: lost.left_out,
    })
}

/// Files that were found, and could not be read then.
struct Lost<'a> {
    rules: Rules,
    paths: HashSet<&'a str>,
    left_out: Unsupported,
}

impl<'a> Lost<'a> {
    /// Returns the result of reading a file; none when the file has changed or gone meanwhile, and is left
    /// out.
    fn unless_left_out<T>(
        &mut self,
        found: &'a Found,
        read: Result<T, CollectionError>,
    ) -> Result<Option<T>, CollectionError> {
        let error = match read {
            Ok(read) => return Ok(Some(read)),
            Err(error) => error,
        };
        let fault = match (&error, error.code()) {
            (CollectionError::Store(StoreError::ChangedWhileRead { .. }), _) => EntryFault::Changing,
            (_, ErrorCode::NotFound) => EntryFault::Vanished,
            (_, ErrorCode::PermissionDenied) => EntryFault::Unreadable,
            _ => return Err(error),
        };
        if !self.rules.leaves_out(fault) {
            return Err(error);
        }
        self.left_out.add(&found.path, fault);
        self.paths.insert(&found.path);
        Ok(None)
    }
}

fn found(step: &Step) -> Option<&Found> {
    match step {
        Step::File(found) => Some(found),
        _ => None,
    }
}

fn cancelled(path: &Path) -> CollectionError {
    StoreError::Cancelled {
        path: path.to_owned(),
    }
    .into()
}

fn changed(found: &Found) -> CollectionError {
    StoreError::ChangedWhileRead {
        path: found.place.clone(),
    }
    .into()
}

/// The place of a file's bytes, and its holes.
type Placed = (Data, Vec<std::ops::Range<u64>>);

/// Builds the catalog; files of which `of` returns none are not in it.
fn build(
    scanned: &Scanned,
    rules: Rules,
    mut of: impl FnMut(&Found) -> Result<Option<Placed>, CollectionError>,
) -> Result<Catalog, CollectionError> {
    let mut builder = Builder::under(scanned.root, rules);
    for step in &scanned.steps {
        match step {
            Step::Enter(name, attributes) => builder.enter(name, *attributes)?,
            Step::Leave => builder.leave()?,
            Step::Link(name, target, modified) => builder.link(name, target, *modified)?,
            Step::File(found) => {
                let Some((data, holes)) = of(found)? else {
                    continue;
                };
                let file = File {
                    attributes: found.attributes,
                    length: found.length,
                    data,
                    holes,
                };
                builder.file(&found.name, file)?;
            }
        }
    }
    Ok(builder.finish()?)
}

/// Packs small files that do not lie in a pack already, and returns the places of all of them.
fn pack<'a>(
    addition: &mut Addition,
    source: &Source<'_>,
    files: &[&'a Found],
    lost: &mut Lost<'a>,
    hold: &dyn Fn(ContentId),
    on_read: &mut dyn FnMut(u64) -> Result<(), CollectionError>,
) -> Result<HashMap<&'a str, Data>, CollectionError> {
    let store = Arc::clone(addition.store());
    let before = packed_before(&store, source.before);
    let mut reader = VerifiedReader::new(&*store);
    let mut small = Vec::with_capacity(files.len());
    let mut readable = Vec::with_capacity(files.len());
    for &found in files {
        let same = before
            .get(&*found.path)
            .filter(|(_, _, length)| *length == found.length);
        let packed = match same {
            Some((manifest, offset, length)) => {
                let Some(bytes) = lost.unless_left_out(found, read(found))? else {
                    continue;
                };
                let is_same = reader
                    .read(manifest, *offset..offset + length)
                    .is_ok_and(|packed| packed == bytes);
                is_same.then(|| Packed {
                    pack: manifest.content(),
                    pack_length: manifest.length(),
                    offset: *offset,
                })
            }
            None => None,
        };
        readable.push(found);
        small.push(Small {
            path: &found.path,
            length: found.length,
            before: packed,
        });
    }
    let plan = plan(&small);
    let kept: BTreeSet<ContentId> = plan.kept.values().map(|packed| packed.pack).collect();
    for pack in kept {
        hold(pack);
        addition.again(pack)?;
    }
    let mut places = HashMap::with_capacity(files.len());
    for (number, packed) in &plan.kept {
        places.insert(&*readable[*number].path, Data::Packed(packed.pack, packed.offset));
        on_read(readable[*number].length)?;
    }
    for numbers in &plan.packs {
        let mut bytes = Vec::new();
        let mut offsets = Vec::with_capacity(numbers.len());
        for number in numbers {
            let file = readable[*number];
            on_read(file.length)?;
            offsets.push(bytes.len() as u64);
            if let Some(read) = lost.unless_left_out(file, read(file))? {
                bytes.extend_from_slice(&read);
            }
        }
        if bytes.is_empty() {
            continue;
        }
        let pack = addition.bytes(&bytes, source.name, source.fragment_length)?;
        let pack = pack.content();
        hold(pack);
        for (number, offset) in numbers.iter().zip(offsets) {
            places.insert(&*readable[*number].path, Data::Packed(pack, offset));
        }
    }
    Ok(places)
}

/// Returns the places of small files in the packs of the revision before that are held: manifest, offset,
/// length.
fn packed_before(store: &DiskStore, before: Option<&Catalog>) -> HashMap<String, (Manifest, u64, u64)> {
    let mut packs: HashMap<ContentId, Option<Manifest>> = HashMap::new();
    let mut places = HashMap::new();
    let Some(before) = before else {
        return places;
    };
    for (at, entry) in before.entries().iter().enumerate() {
        if let Kind::File(file) = &entry.kind
            && let Data::Packed(pack, offset) = file.data
        {
            let manifest = packs.entry(pack).or_insert_with(|| {
                let entry = store.entry(pack).filter(|entry| entry.held.is_full());
                entry.map(|entry| entry.manifest)
            });
            if let Some(manifest) = manifest {
                places.insert(before.path(at), (manifest.clone(), offset, file.length));
            }
        }
    }
    places
}

fn open(found: &Found) -> Result<OpenFile, CollectionError> {
    OpenFile::open(&found.place).map_err(CollectionError::io("read", &found.place))
}

/// Reads the bytes of a small file.
///
/// # Errors
/// When the file has changed since it was found.
fn read(found: &Found) -> Result<Vec<u8>, CollectionError> {
    use std::io::Read as _;
    let file = open(found)?;
    #[expect(clippy::cast_possible_truncation, reason = "it is small")]
    let mut bytes = Vec::with_capacity(found.length as usize);
    let failed = CollectionError::io("read", &found.place);
    (&file).take(LARGE_FILE).read_to_end(&mut bytes).map_err(failed)?;
    let metadata = file
        .metadata()
        .map_err(CollectionError::io("read", &found.place))?;
    let is_same = bytes.len() as u64 == found.length && attributes_of(&metadata) == found.attributes;
    if is_same { Ok(bytes) } else { Err(changed(found)) }
}
