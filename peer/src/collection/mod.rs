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

use shared::collection::{Catalog, CatalogError, MAX_BYTES};
use shared::model::{ContentId, Manifest, Parts};
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
        let entry = store.entry(*part).filter(|entry| entry.held.is_full());
        entry.map(|entry| entry.manifest).ok_or(CollectionError::PartGone)
    };
    let manifests: Vec<Manifest> = catalog.parts().iter().map(held).collect::<Result<_, _>>()?;
    Parts::new(manifests)
        .map(Some)
        .map_err(|error| CollectionError::Refused(error.to_string()))
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

/// Returns the contents that go when a content is forgotten here, besides itself: the parts of a directory
/// that nothing else of this node's needs. Of a directory that is forgotten by its name, the revisions go too
/// that were fetched under that name, and their parts.
///
/// # Errors
/// When the store fails. A catalog that cannot be read has no parts.
pub fn going_with(
    store: &DiskStore,
    entry: &Entry,
    is_named: bool,
) -> Result<Vec<ContentId>, CollectionError> {
    let content = entry.manifest.content();
    if catalog_in(store, entry).is_none() {
        return Ok(Vec::new());
    }
    let (mut going, mut needed) = (Vec::new(), BTreeSet::new());
    let mut parts = BTreeSet::new();
    for other in store.entries() {
        // The parts of a catalog that is only assigned are here because they are assigned as well.
        if !other.roles.published && !other.roles.fetched {
            continue;
        }
        let id = other.manifest.content();
        let is_older = is_named && other.name.is_some() && other.name == entry.name && !other.roles.keeps();
        let Some(catalog) = catalog_in(store, &other) else {
            continue;
        };
        match id == content || is_older {
            true => parts.extend(catalog.parts()),
            false => needed.extend(catalog.parts().iter().copied()),
        }
        if is_older && id != content {
            going.push(id);
        }
    }
    for part in parts.difference(&needed) {
        let Some(held) = store.entry(*part) else {
            continue;
        };
        // A file that came under a name of its own, or that has one, is not only a part.
        let has_name = matches!(held.place, Place::File(_)) && held.name.is_some() && held.name != entry.name;
        let names = store.publications_of(*part)?;
        if !has_name && !names.iter().any(Publication::is_name) {
            going.insert(0, *part);
        }
    }
    Ok(going)
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
