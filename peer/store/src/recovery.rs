//! Recovery: a store that is opened believes only what the files on disk can prove.
//!
//! The index never promises more than was synced, so after a crash of the process or of the machine every
//! held bit is true. Checked here are changes by others (files deleted, truncated or replaced), the one step
//! that cannot be atomic (renaming a complete partial file and noting that in the index), and files that were
//! left behind half-made.
//!
//! Outside the store's own directories only the partial and temporary files in its index are touched.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use shared::model::{ContentId, Digest, FragmentSet};
use tracing::{info, warn};

use super::copies::{Succession, UserFile, succeed};
use super::files::{self, FileIdentity};
use super::index::Index;
use super::kept::Kept;
use super::layout::Layout;
use super::{Place, StoreError};

/// Brings index and files into agreement; returns the records.
pub(super) fn recover(layout: &Layout, index: &Index) -> Result<Vec<Kept>, StoreError> {
    for path in index.temporaries()? {
        files::remove(&path)?;
        index.remove_temporary(&path)?;
    }
    let mut all = index.load()?;
    for kept in &mut all {
        if settle(layout, index, kept)? {
            index.update(kept)?;
        }
    }
    let expected = all.iter().flat_map(|kept| {
        let data = (kept.place == Place::Store).then(|| layout.data(kept.content()));
        data.into_iter().chain([layout.leaves(kept.content())])
    });
    let expected: HashSet<PathBuf> = expected.collect();
    for directory in [layout.contents(), layout.leaf_files()] {
        remove_strays(&directory, &expected)?;
    }
    Ok(all)
}

/// Drops the fragments that one record cannot prove, unless an equal file of the user's can, and finishes a
/// rename that was made but not noted; returns whether the record changed.
fn settle(layout: &Layout, index: &Index, kept: &mut Kept) -> Result<bool, StoreError> {
    let adopted = adopt_output(kept);
    let lost = |kept: &Kept| {
        let mut lost = kept.held.clone();
        lost.subtract(&provable(layout, kept));
        lost
    };
    if !lost(kept).is_empty()
        && let Some(next) = successor(index, kept.content(), &kept.place, kept.identity)?
    {
        let path = next.path.clone();
        kept.move_to(next);
        index.update(kept)?;
        index.remove_copy(&path)?;
    }
    let lost = lost(kept);
    if !lost.is_empty() {
        warn!(content = %kept.content(), fragments = lost.len(), "fragments are no longer on disk; not held any more");
        kept.held.subtract(&lost);
    }
    Ok(adopted || !lost.is_empty())
}

/// Finds the file that takes the place of the one in which a content is, and brings the copies in the index
/// up to date, but for that file: the record names it first, and then it is no copy any more.
pub(super) fn successor(
    index: &Index,
    content: ContentId,
    place: &Place,
    identity: Option<FileIdentity>,
) -> Result<Option<UserFile>, StoreError> {
    let Place::File(lost) = place else {
        return Ok(None);
    };
    let Succession { next, changed } = succeed(index.copies(content)?, lost, FileIdentity::at);
    for path in &changed {
        index.remove_copy(path)?;
    }
    let Some(next) = next else {
        return Ok(None);
    };
    warn!(content = %content.short(), lost = %lost.display(), next = %next.path.display(), "a shared file is lost; an equal one is shared instead");
    if let Some(identity) = identity.filter(|_| FileIdentity::at(lost).is_none()) {
        let path = lost.clone();
        index.add_copy(content, &UserFile { path, identity })?;
    }
    Ok(Some(next))
}

/// Adopts the output of a partial file that was renamed just before a crash: the very file that the index
/// noted before.
fn adopt_output(kept: &mut Kept) -> bool {
    let Some((partial, output, _)) = kept.complete_partial() else {
        return false;
    };
    if kept.identity.is_none() || FileIdentity::at(&output) != kept.identity {
        return false;
    }
    // Where renaming takes two steps, the first name may still be there.
    if let Err(error) = files::remove(&partial) {
        warn!(%error, "a partial file is left over");
    }
    info!(content = %kept.content(), output = %output.display(), "complete since before the crash");
    kept.place = Place::File(output);
    true
}

/// Returns the held fragments for which data and leaves are long enough, in the file that the record names.
pub(super) fn provable(layout: &Layout, kept: &Kept) -> FragmentSet {
    let length_of = |path: &Path| FileIdentity::at(path).map_or(0, |file| file.size);
    let data = match &kept.place {
        Place::Store => length_of(&layout.data(kept.content())),
        Place::Partial { partial, .. } => length_of(partial),
        Place::File(path) => FileIdentity::at(path)
            .filter(|now| kept.identity == Some(*now))
            .map_or(0, |now| now.size),
    };
    let leaves = length_of(&layout.leaves(kept.content())) / Digest::LEN as u64;
    let mut provable = kept.manifest.no_fragments();
    for index in kept.held.iter() {
        let blocks = kept.first_block(index) + u64::from(kept.manifest.blocks_of(index));
        if kept.manifest.range(index).end <= data && blocks <= leaves {
            provable.insert(index);
        }
    }
    provable
}

/// Removes files of the store's own to which nothing refers: they were made or emptied just before a crash.
fn remove_strays(directory: &Path, expected: &HashSet<PathBuf>) -> Result<(), StoreError> {
    for entry in fs::read_dir(directory).map_err(StoreError::io("list", directory))? {
        let entry = entry.map_err(StoreError::io("list", directory))?;
        let (path, kind) = (
            entry.path(),
            entry.file_type().map_err(StoreError::io("look at", directory))?,
        );
        if kind.is_dir() {
            remove_strays(&path, expected)?;
        } else if !expected.contains(&path) {
            info!(path = %path.display(), "removing a file that nothing refers to");
            files::remove(&path)?;
        }
    }
    Ok(())
}
