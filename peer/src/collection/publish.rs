//! Making contents of a directory: packs of small files, large files where they lie, and the catalog.
//!
//! A file that lies unchanged in a pack of the revision before is not packed again. Unchanged means that its
//! bytes are those in the pack: all of them are compared.

use std::collections::HashMap;
use std::fs::File as OpenFile;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::collection::{Builder, Catalog, Data, File, Kind, LARGE_FILE, Packed, Selection, Small, plan};
use shared::model::{ContentId, FragmentLength, Manifest, Name};

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
    let scanned = scan(source.root, source.selection, source.own)?;
    // Every rule is checked before the first byte is read.
    build(&scanned, |found| Ok((placeholder(found), Vec::new())))?;
    let total = scanned.length;
    let mut done = 0;
    let files: Vec<&Found> = scanned.steps.iter().filter_map(found).collect();
    let small: Vec<&Found> = files
        .iter()
        .copied()
        .filter(|found| found.length > 0 && found.length < LARGE_FILE)
        .collect();
    let mut places = pack(addition, source, &small, watcher.hold, &mut |bytes| {
        done += bytes;
        (watcher.progress)(done, total);
        match watcher.cancelled.load(Ordering::Relaxed) {
            true => Err(cancelled(source.root)),
            false => Ok(()),
        }
    })?;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    for found in files.iter().filter(|found| found.length >= LARGE_FILE) {
        let progress = |bytes: u64| (watcher.progress)(done + bytes, total);
        let manifest = addition.hash_and_share(
            &found.place,
            source.fragment_length,
            threads,
            &progress,
            watcher.cancelled,
        )?;
        if manifest.length() != found.length {
            return Err(changed(found));
        }
        (watcher.hold)(manifest.content());
        done += found.length;
        places.insert(&found.path, Data::Whole(manifest.content()));
    }
    let catalog = build(&scanned, |found| {
        let holes = match found.is_sparse {
            true => holes(&open(found)?, found.length),
            false => Vec::new(),
        };
        Ok((places.get(&*found.path).copied().unwrap_or(Data::Empty), holes))
    })?;
    let manifest = addition.bytes(&catalog.encode()?, source.name, source.fragment_length)?;
    (watcher.hold)(manifest.content());
    addition.catalog(manifest.content())?;
    Ok(Made {
        manifest,
        length: total,
    })
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

fn placeholder(found: &Found) -> Data {
    match found.length {
        0 => Data::Empty,
        _ => Data::Whole(ContentId::EMPTY),
    }
}

fn build(
    scanned: &Scanned,
    mut of: impl FnMut(&Found) -> Result<(Data, Vec<std::ops::Range<u64>>), CollectionError>,
) -> Result<Catalog, CollectionError> {
    let mut builder = Builder::new(scanned.root);
    for step in &scanned.steps {
        match step {
            Step::Enter(name, attributes) => builder.enter(name, *attributes)?,
            Step::Leave => builder.leave()?,
            Step::Link(name, target, modified) => builder.link(name, target, *modified)?,
            Step::File(found) => {
                let (data, holes) = of(found)?;
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
    hold: &dyn Fn(ContentId),
    on_read: &mut dyn FnMut(u64) -> Result<(), CollectionError>,
) -> Result<HashMap<&'a str, Data>, CollectionError> {
    let store = Arc::clone(addition.store());
    let before = packed_before(&store, source.before);
    let mut reader = VerifiedReader::new(&*store);
    let mut small = Vec::with_capacity(files.len());
    for found in files {
        let same = before
            .get(&*found.path)
            .filter(|(_, _, length)| *length == found.length);
        let packed = match same {
            Some((manifest, offset, length)) => {
                let bytes = read(found)?;
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
        small.push(Small {
            path: &found.path,
            length: found.length,
            before: packed,
        });
    }
    let plan = plan(&small);
    plan.kept.values().for_each(|packed| hold(packed.pack));
    let mut places = HashMap::with_capacity(files.len());
    for (number, packed) in &plan.kept {
        places.insert(&*files[*number].path, Data::Packed(packed.pack, packed.offset));
        on_read(files[*number].length)?;
    }
    for numbers in &plan.packs {
        let mut bytes = Vec::new();
        let mut offsets = Vec::with_capacity(numbers.len());
        for number in numbers {
            offsets.push(bytes.len() as u64);
            bytes.extend_from_slice(&read(files[*number])?);
            on_read(files[*number].length)?;
        }
        let pack = addition.bytes(&bytes, source.name, source.fragment_length)?;
        let pack = pack.content();
        hold(pack);
        for (number, offset) in numbers.iter().zip(offsets) {
            places.insert(&*files[*number].path, Data::Packed(pack, offset));
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
