//! Verification: held fragments are read again to find rot.

use shared::model::{BLOCK_LENGTH, ContentId, FragmentIndex};

use super::{FragmentStore, StoreError};

/// Blocks that are read at a time: many enough for the disk, few beside everything else in memory.
const READ_BLOCKS: u32 = (1 << 20) / BLOCK_LENGTH;

/// Reads a held fragment and checks every block of it. Withdraws a damaged fragment and returns false.
///
/// # Errors
/// [`StoreError::UnknownContent`], [`StoreError::NotHeld`], [`StoreError::Changed`] (all fragments of the
/// content have been withdrawn then), [`StoreError::Io`], [`StoreError::Index`].
pub fn verify_fragment(
    store: &(impl FragmentStore + ?Sized),
    content: ContentId,
    index: FragmentIndex,
) -> Result<bool, StoreError> {
    match is_intact(store, content, index) {
        // The store has withdrawn the fragment already.
        Err(StoreError::Damaged { .. }) => Ok(false),
        Ok(false) => {
            let Some(entry) = store.entry(content) else {
                return Err(StoreError::UnknownContent(content));
            };
            let mut damaged = entry.manifest.no_fragments();
            damaged.insert(index);
            store.withdraw(content, &damaged)?;
            Ok(false)
        }
        other => other,
    }
}

fn is_intact(
    store: &(impl FragmentStore + ?Sized),
    content: ContentId,
    index: FragmentIndex,
) -> Result<bool, StoreError> {
    let manifest = store
        .entry(content)
        .ok_or(StoreError::UnknownContent(content))?
        .manifest;
    let proof = store.proof(content, index)?;
    let mut first = 0;
    // A proof has been checked against the manifest, so the index is within the manifest.
    while let Some(rest) = manifest
        .blocks_of(index)
        .checked_sub(first)
        .filter(|rest| *rest > 0)
    {
        let Some(span) = manifest.span(index, first, rest.min(READ_BLOCKS)) else {
            return Ok(false);
        };
        let blocks = store.read(content, index, span)?;
        if proof.check(first, &blocks).is_err() {
            return Ok(false);
        }
        first += span.count();
    }
    Ok(true)
}
