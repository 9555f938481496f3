//! Reading held fragments again to find rot.

use shared::model::{BLOCK_LENGTH, ContentId, FragmentIndex};

use super::{FragmentStore, StoreError};

/// How much is read at a time: large enough for the disk, small beside everything else in memory.
const READ_BLOCKS: u32 = (1 << 20) / BLOCK_LENGTH;

/// Reads a held fragment and checks every block of it; one that is damaged is withdrawn, and that is `false`.
///
/// # Errors
/// [`StoreError::UnknownContent`], [`StoreError::NotHeld`], [`StoreError::Changed`] (everything of the content has
/// been withdrawn then), [`StoreError::Io`], [`StoreError::Index`].
pub fn verify_fragment(
    store: &(impl FragmentStore + ?Sized),
    content: ContentId,
    index: FragmentIndex,
) -> Result<bool, StoreError> {
    match is_intact(store, content, index) {
        // Whoever says so has withdrawn it already.
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
    // A proof has been checked against the manifest, so the index is one of its.
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
