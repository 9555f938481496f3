//! Directories of the user, published as collections and restored from them.
//!
//! The rules of collections are in [`shared::collection`]. This module reads a directory ([`scan`]), makes
//! contents of it ([`publish`]) and writes it again ([`restore`]). It is synchronous, waits for the disk, and
//! knows no network.
//!
//! Invariants: the published bytes are those that were read, or nothing is published; no catalog, and no file
//! that is there already, makes a restoration write outside its directory; a file appears complete or not at
//! all.

mod directory;
mod error;
pub mod publish;
pub mod restore;
pub mod scan;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

use shared::collection::{Catalog, CatalogError, MAX_BYTES};
use shared::model::{ContentId, Manifest, Name, Parts};
use shared::{Coded as _, ErrorCode};

use store::{DiskStore, Entry, FragmentStore, Place, Publication, StoreError, VerifiedReader};

pub use error::{CollectionError, require_foreign};

/// Reads the catalog that a held content is.
///
/// # Errors
/// When the content is not held, damaged, or no catalog.
pub fn read_catalog(store: &impl FragmentStore, content: ContentId) -> Result<Catalog, CollectionError> {
    let entry = store.entry(content).ok_or(StoreError::UnknownContent(content))?;
    if entry.manifest.length() > MAX_BYTES as u64 {
        return Err(CatalogError::Malformed("it is too long").into());
    }
    let bytes = VerifiedReader::new(store).read(&entry.manifest, 0..entry.manifest.length())?;
    Ok(Catalog::decode(&bytes)?)
}

/// Returns the parts of a collection that was added here; none when the content is no collection.
///
/// # Errors
/// When a part is not held here any more.
pub fn parts_held(store: &DiskStore, content: ContentId) -> Result<Option<Parts>, CollectionError> {
    if !store.is_collection(content)? {
        return Ok(None);
    }
    let catalog = read_catalog(store, content)?;
    let held = |part: &ContentId| {
        let entry = store.entry(*part).ok_or(CollectionError::PartGone)?;
        require_no_absence(&entry)?;
        let whole = Some(entry).filter(|entry| entry.held.is_full());
        whole.map(|entry| entry.manifest).ok_or(CollectionError::PartGone)
    };
    let manifests: Vec<Manifest> = catalog.parts().iter().map(held).collect::<Result<_, _>>()?;
    Parts::new(manifests)
        .map(Some)
        .map_err(|error| CollectionError::Refused(error.to_string()))
}

/// Refuses a content whose file is away for now: its publication waits until it is back.
///
/// # Errors
/// [`StoreError::Away`].
pub fn require_no_absence(entry: &Entry) -> Result<(), StoreError> {
    match entry.away {
        Some(away) => {
            let path = match &entry.place {
                Place::File(path) => path.clone(),
                Place::Store | Place::Partial { .. } => PathBuf::new(),
            };
            let absence = away.absence;
            Err(StoreError::Away { path, absence })
        }
        None => Ok(()),
    }
}

/// Returns the parts of the collections that wait to be published: nothing else refers to those parts yet,
/// whether this run of the node made them or an earlier one.
///
/// # Errors
/// When the store fails. A collection whose catalog is gone or damaged cannot be published any more and keeps
/// nothing.
pub fn pending_parts(
    store: &DiskStore,
    publications: &[Publication],
) -> Result<BTreeSet<ContentId>, CollectionError> {
    let mut parts = BTreeSet::new();
    for publication in publications.iter().filter(|publication| publication.is_pending()) {
        if !store.is_collection(publication.content)? {
            continue;
        }
        match read_catalog(store, publication.content) {
            Ok(catalog) => parts.extend(catalog.parts()),
            Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::Corrupt) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(parts)
}

/// Returns the contents that go when one is forgotten here, besides itself: the parts of a directory that
/// nothing else of this node's needs, and all that was fetched into the store's own files under the name that
/// is forgotten: older revisions, and parts whose catalog is gone.
///
/// # Errors
/// When the store fails. A catalog that cannot be read has no parts.
pub fn going_with(
    store: &DiskStore,
    entry: Option<&Entry>,
    name: Option<&Name>,
) -> Result<Vec<ContentId>, CollectionError> {
    let content = entry.map(|entry| entry.manifest.content());
    let label = entry.map_or(name, |entry| entry.name.as_ref());
    let is_older = |other: &Entry| {
        let is_called_so = name.is_some() && other.name.as_ref() == name;
        is_called_so && other.place == Place::Store && other.roles.fetched && !other.roles.keeps()
    };
    let entries = store.entries();
    let is_directory = entry.is_some_and(|entry| catalog_in(store, entry).is_some());
    if !is_directory && !entries.iter().any(is_older) {
        return Ok(Vec::new());
    }
    let (mut going, mut parts, mut needed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for other in entries {
        let (id, roles, is_older) = (other.manifest.content(), other.roles, is_older(&other));
        // The parts of a catalog that is only assigned are here because they are assigned as well.
        if !roles.published && !roles.fetched {
            continue;
        }
        if is_older {
            going.insert(id);
        }
        let catalog = catalog_in(store, &other);
        let of = catalog.iter().flat_map(|catalog| catalog.parts()).copied();
        match Some(id) == content || is_older {
            true => parts.extend(of),
            false => needed.extend(of),
        }
    }
    for part in parts {
        // A file that came under a name of its own is not only a part.
        let is_own = |held: Entry| {
            let has_name = held.name.is_some() && held.name.as_ref() != label;
            !matches!(held.place, Place::File(_)) || !has_name
        };
        if store.entry(part).is_some_and(is_own) {
            going.insert(part);
        }
    }
    let mut free = Vec::new();
    for id in going.difference(&needed).filter(|id| Some(**id) != content) {
        if !store.publications_of(*id)?.iter().any(Publication::is_name) {
            free.push(*id);
        }
    }
    Ok(free)
}

/// Returns the catalog that a content is, if all of it is here.
fn catalog_in(store: &DiskStore, entry: &Entry) -> Option<Catalog> {
    let manifest = &entry.manifest;
    let (content, first) = (manifest.content(), manifest.indices().next()?);
    let may_be = entry.place == Place::Store && entry.held.is_full() && manifest.length() <= MAX_BYTES as u64;
    let beginning = may_be.then(|| store.read(content, first, manifest.span(first, 0, 1)?).ok())?;
    let may_be = Catalog::may_begin_with(&beginning?);
    may_be.then(|| read_catalog(store, content).ok())?
}
