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

use store::{DiskStore, FragmentStore, Publication, StoreError, VerifiedReader};

pub use error::CollectionError;

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
