//! Verified reads: bytes of held fragments are checked against their leaves, and rot is withdrawn.

use bytes::Bytes;
use shared::hash::FragmentProof;
use shared::model::{BLOCK_LENGTH, BlockSpan, ContentId, FragmentIndex, Manifest};

use super::{FragmentStore, StoreError};

/// Blocks that are read at a time: many enough for the disk, few beside everything else in memory.
const READ_BLOCKS: u32 = (1 << 20) / BLOCK_LENGTH;

/// Reads blocks of a held fragment and checks them. Withdraws a damaged fragment, unless it is in an equal
/// file of the user's as well: then it is read from there.
///
/// # Errors
/// As [`FragmentStore::read`]; [`StoreError::Damaged`] also when the bytes do not match the proof.
pub fn read_verified(
    store: &(impl FragmentStore + ?Sized),
    manifest: &Manifest,
    proof: &FragmentProof,
    span: BlockSpan,
) -> Result<Bytes, StoreError> {
    let (content, index) = (manifest.content(), proof.index());
    loop {
        let bytes = store.read(content, index, span)?;
        if proof.check(span.first(), &bytes).is_ok() {
            return Ok(bytes);
        }
        store.withdraw(content, &manifest.only(index))?;
        let is_held = |entry: super::Entry| entry.manifest == *manifest && entry.held.contains(index);
        if !store.entry(content).is_some_and(is_held) {
            return Err(StoreError::Damaged { content, index });
        }
    }
}

/// Reads a whole fragment as [`read_verified`] does, and passes it on piece by piece.
pub(super) fn read_fragment(
    store: &(impl FragmentStore + ?Sized),
    manifest: &Manifest,
    index: FragmentIndex,
    mut pass_on: impl FnMut(BlockSpan, Bytes) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let content = manifest.content();
    let proof = store.proof(content, index)?;
    let count = manifest.blocks_of(index);
    for first in (0..count).step_by(READ_BLOCKS as usize) {
        let span = manifest
            .span(index, first, READ_BLOCKS.min(count - first))
            .ok_or(StoreError::OtherFragments(content))?;
        pass_on(span, read_verified(store, manifest, &proof, span)?)?;
    }
    Ok(())
}

/// Reads a held fragment and checks every block of it. Withdraws a damaged fragment and returns false.
///
/// # Errors
/// [`StoreError::UnknownContent`], [`StoreError::NotHeld`], [`StoreError::Changed`] and [`StoreError::Away`]
/// (nothing of the content is held then), [`StoreError::Io`], [`StoreError::Index`].
pub fn verify_fragment(
    store: &(impl FragmentStore + ?Sized),
    content: ContentId,
    index: FragmentIndex,
) -> Result<bool, StoreError> {
    let entry = store.entry(content).ok_or(StoreError::UnknownContent(content))?;
    match read_fragment(store, &entry.manifest, index, |_, _| Ok(())) {
        Ok(()) => Ok(true),
        // The fragment has been withdrawn already.
        Err(StoreError::Damaged { .. }) => Ok(false),
        // So has a fragment of a file that cannot be opened; whatever else failed says nothing about it.
        Err(error @ StoreError::Io { .. }) => {
            let is_held = store
                .entry(content)
                .is_some_and(|entry| entry.held.contains(index));
            if is_held { Err(error) } else { Ok(false) }
        }
        Err(error) => Err(error),
    }
}
