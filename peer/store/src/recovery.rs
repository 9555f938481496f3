//! Recovery: a store that is opened believes only what the files on disk can prove.
//!
//! The index never promises more than was synced, so after a crash of the process or of the machine every
//! held bit is true. Checked here are changes by others (files deleted, truncated or replaced), the one step
//! that cannot be atomic (renaming a complete partial file and noting that in the index), and files that were
//! left behind half-made. Files to which nothing refers are the concern of `strays`.
//!
//! Outside the store's own directories only the partial and temporary files in its index are touched.

use std::path::Path;

use shared::model::{Absence, ContentId, Digest, FragmentSet};
use tracing::{info, warn};

use super::copies::{Succession, UserFile, succeed};
use super::files::{self, FileIdentity};
use super::index::{Index, collection_key};
use super::kept::Kept;
use super::layout::Layout;
use super::suspension::{NOTES, Seen, absence, compare, noted};
use super::{Place, Role, Roles, StoreError, strays};

/// Brings index and files into agreement; returns the records.
pub(super) fn recover(layout: &Layout, index: &mut Index) -> Result<Vec<Kept>, StoreError> {
    let records = index.load()?;
    let is_live = |path: &Path| {
        let is_its = |kept: &Kept| matches!(&kept.place, Place::Partial { partial, .. } if partial == path);
        records.iter().any(is_its)
    };
    for path in index.temporaries()? {
        // It was to go with a record that has another place in the end, and the crash came before that.
        if is_live(&path) {
            index.remove_temporary(&path)?;
            continue;
        }
        // Its disk may be away or read-only: the next start tries again.
        match files::remove(&path) {
            Ok(()) => index.remove_temporary(&path)?,
            Err(error) => warn!(%error, "a file that was half-made before is left over"),
        }
    }
    let unfinished = index.unfinished()?;
    let mut all = Vec::new();
    for mut kept in records {
        if unfinished.contains(&kept.content()) && take_back(layout, index, &mut kept)? {
            continue;
        }
        if is_promised_to_nobody(&kept) {
            // Its files, if bytes are in them, are strays from now on: damage looks the same in the record.
            info!(content = %kept.content(), "forgetting a content that was to be added and of which nothing is held");
            index.delete(kept.content())?;
        } else {
            all.push(kept);
        }
    }
    let absences = noted(&index.meta_get(NOTES)?.unwrap_or_default());
    for kept in &mut all {
        if settle(layout, index, kept)? {
            index.update(kept)?;
        }
        if let Some(suspension) = &mut kept.suspension {
            suspension.away.lasted = absences
                .get(&kept.manifest.content())
                .copied()
                .unwrap_or_default();
        }
    }
    strays::settle(layout, index, &mut all, &unfinished)?;
    for content in &unfinished {
        index.meta_remove(&collection_key(*content))?;
    }
    index.end_addition(&unfinished)?;
    Ok(all)
}

/// Takes back a part of an addition that was interrupted before its publication was there; returns whether
/// its record is gone.
///
/// A user's file stays. Bytes of the store's own that are all here are kept as if they had been assigned,
/// like those without a record: the tracker evicts them when nobody needs them.
fn take_back(layout: &Layout, index: &mut Index, kept: &mut Kept) -> Result<bool, StoreError> {
    let content = kept.content();
    let roles = kept.roles.with(Role::Published, false);
    let is_whole = kept.place == Place::Store && kept.held.is_full() && provable(layout, kept).is_full();
    info!(content = %content.short(), is_whole, "taking back what an interrupted addition has left");
    if roles != Roles::default() || is_whole {
        kept.roles = roles.with(Role::Assigned, roles.assigned || roles == Roles::default());
        kept.name = kept.name.take().filter(|_| roles.fetched);
        index.update(kept)?;
        return Ok(false);
    }
    // An index that has lost its end says so of whole contents too: its files must prove themselves.
    index.delete(content)?;
    Ok(true)
}

/// Whether this may be a part of an addition that was interrupted: nothing of it is held, so nobody knows of
/// it and nobody would ever drop its record.
fn is_promised_to_nobody(kept: &Kept) -> bool {
    let is_added = kept.roles.published && !kept.roles.assigned && !kept.roles.fetched;
    // Of an empty content all is here.
    is_added && kept.place == Place::Store && kept.held.is_empty() && !kept.held.is_full()
}

/// Suspends a record whose file is away, unless an equal file of the user's is there, drops the fragments
/// that its files cannot prove, and finishes a rename that was made but not noted; returns whether the index
/// has to know.
fn settle(layout: &Layout, index: &Index, kept: &mut Kept) -> Result<bool, StoreError> {
    let adopted = adopt_output(kept);
    if kept.held.is_empty() {
        return Ok(adopted);
    }
    let mut seen = look(layout, kept);
    if seen != Seen::Same
        && let Some(next) = successor(index, kept.content(), &kept.place, kept.identity)?
    {
        let path = next.path.clone();
        kept.move_to(next);
        index.update(kept)?;
        index.remove_copy(&path)?;
        seen = look(layout, kept);
    }
    if let Some(absence) = seen.absence() {
        warn!(content = %kept.content().short(), place = %kept.place, %absence, "a file is away; its content is not shared until it is back");
        kept.suspend(absence, !index.copies(kept.content())?.is_empty());
        return Ok(adopted);
    }
    let mut lost = kept.held.clone();
    lost.subtract(&provable(layout, kept));
    if !lost.is_empty() {
        warn!(content = %kept.content(), fragments = lost.len(), "fragments are no longer on disk; not held any more");
        kept.held.subtract(&lost);
    }
    Ok(adopted || !lost.is_empty())
}

/// Looks at the files of a record. One of the store's own that is gone or short is not away: see
/// [`provable`].
pub(super) fn look(layout: &Layout, kept: &Kept) -> Seen {
    let look = |path: &Path| files::look(path).map_err(|error| absence(&error));
    let own = layout.own_data(kept).into_iter();
    for path in own.chain([layout.leaves(kept.content())]) {
        if let Err(absence @ (Absence::Unreadable | Absence::Failing)) = look(&path) {
            return Seen::Absent(absence);
        }
    }
    match &kept.place {
        Place::File(path) => compare(kept.identity, kept.device, look(path)),
        Place::Store | Place::Partial { .. } => Seen::Same,
    }
}

/// Finds the file that takes the place of the one in which a content is, and brings the copies in the index
/// up to date, but for that file: the record names it first, and then it is no copy any more.
fn successor(
    index: &Index,
    content: ContentId,
    place: &Place,
    identity: Option<FileIdentity>,
) -> Result<Option<UserFile>, StoreError> {
    let Place::File(lost) = place else {
        return Ok(None);
    };
    let Some(next) = copy_that_is_there(index, content, lost)? else {
        return Ok(None);
    };
    warn!(content = %content.short(), lost = %lost.display(), next = %next.path.display(), "a shared file is lost; an equal one is shared instead");
    if let Some(identity) = identity.filter(|_| FileIdentity::at(lost).is_none()) {
        let path = lost.clone();
        index.add_copy(content, &UserFile { path, identity })?;
    }
    Ok(Some(next))
}

/// Finds a copy of a content that is as it was, other than the file that is lost; forgets those that have
/// changed.
fn copy_that_is_there(
    index: &Index,
    content: ContentId,
    lost: &Path,
) -> Result<Option<UserFile>, StoreError> {
    let at = |path: &Path| files::look(path).ok().map(|found| found.identity);
    let Succession { next, changed } = succeed(index.copies(content)?, lost, at);
    for path in &changed {
        index.remove_copy(path)?;
    }
    Ok(next)
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

/// Returns the held fragments for which data and leaves are long enough, in the file that the record names
/// and that is as it was.
pub(super) fn provable(layout: &Layout, kept: &Kept) -> FragmentSet {
    let length_of = |path: &Path| FileIdentity::at(path).map_or(0, |file| file.size);
    let data = match &kept.place {
        Place::Store => length_of(&layout.data(kept.content())),
        Place::Partial { partial, .. } => length_of(partial),
        Place::File(path) => length_of(path),
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
