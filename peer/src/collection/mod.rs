//! Directories of the user's, published as collections and restored from them.
//!
//! What a collection is, and every rule about what may be in one, is in [`shared::collection`]. Here is what it takes to
//! read a directory ([`scan`]), to make contents of it ([`publish`]) and to write it again ([`restore`]). All of it is
//! synchronous and waits for the disk; none of it knows the network.
//!
//! Invariants: what is published is what was read, or nothing is; nothing is written outside of the directory that is
//! restored to, whatever a catalog says and whatever lies there already; a file appears complete or not at all.

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

use crate::store::{DiskStore, FragmentStore, Publication, StoreError, VerifiedReader};

pub use error::CollectionError;

/// The catalog that a content is, all of which is held.
///
/// # Errors
/// When it is not held, damaged, or no catalog.
pub fn read_catalog(store: &impl FragmentStore, content: ContentId) -> Result<Catalog, CollectionError> {
    let entry = store.entry(content).ok_or(StoreError::UnknownContent(content))?;
    if entry.manifest.length() > MAX_BYTES as u64 {
        return Err(CatalogError::Malformed("it is too long").into());
    }
    let bytes = VerifiedReader::new(store).read(&entry.manifest, 0..entry.manifest.length())?;
    Ok(Catalog::decode(&bytes)?)
}

/// What a collection that was added here refers to; nothing when the content is none.
///
/// # Errors
/// When any of it is not held here any more.
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

/// What the collections refer to that wait to be published: it is nobody's yet but theirs, whether this run of the node
/// made them or an earlier one.
///
/// # Errors
/// When the store fails. A collection whose catalog is gone or damaged cannot be published any more and keeps nothing.
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
