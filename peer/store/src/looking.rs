//! Looks at the files of a content that hold no lock, for decisions that are made with the index locked.
//!
//! A user's disk may not answer: then the caller who needs a file of it waits, and nobody else. So what
//! becomes of a content whose file is lost is decided by a look that was made before the index was locked.
//! Invariant: a look counts only while the record is as it was then. A record that has changed since was
//! changed by a caller who had the file a moment ago, and the watch looks again soon.

use std::path::Path;

use shared::model::{ContentId, FragmentSet};
use tracing::warn;

use super::copies::{Succession, UserFile, succeed};
use super::files::{self, FileIdentity};
use super::index::Index;
use super::kept::Kept;
use super::recovery::{look, provable};
use super::slot::Slot;
use super::suspension::Seen;
use super::{DiskStore, Place, StoreError};

/// The files of a content, as they were found.
#[derive(Debug)]
pub(super) struct Look {
    place: Place,
    identity: Option<FileIdentity>,
    held: FragmentSet,
    pub(super) seen: Seen,
    /// Fragments that the files in use are long enough for.
    pub(super) provable: FragmentSet,
    copies: Vec<FoundCopy>,
}

/// A note about a copy, and the file at its path.
#[derive(Debug)]
struct FoundCopy {
    noted: UserFile,
    found: Option<FileIdentity>,
}

impl DiskStore {
    /// Looks at the files in which a content is, and at its copies when those are not as they were. The index
    /// must not be locked by the caller.
    pub(super) fn look_at_files(&self, slot: &Slot) -> Result<Look, StoreError> {
        let mut found = self.look_in_place(slot);
        if found.seen != Seen::Same {
            found.copies = self.look_at_copies(slot)?;
        }
        Ok(found)
    }

    /// Looks at the files in which a content is, and at its copies.
    pub(super) fn look_everywhere(&self, slot: &Slot) -> Result<Look, StoreError> {
        let mut found = self.look_in_place(slot);
        found.copies = self.look_at_copies(slot)?;
        Ok(found)
    }

    /// Looks at the files in which a content is, and at no copies.
    pub(super) fn look_in_place(&self, slot: &Slot) -> Look {
        let kept = slot.kept().durable();
        Look {
            seen: look(&self.layout, &kept),
            provable: provable(&self.layout, &kept),
            copies: Vec::new(),
            place: kept.place,
            identity: kept.identity,
            held: kept.held,
        }
    }

    /// Looks at the files of a content that is kept here, before the index is locked for a change of it.
    pub(super) fn look_first(&self, content: ContentId) -> Result<Option<Look>, StoreError> {
        let slot = self.slots.get(content);
        slot.map(|slot| self.look_at_files(&slot)).transpose()
    }

    /// Suspends a content whose file is away, as `found` says, and withdraws the fragments that its files
    /// cannot hold (any more). Where an equal file of the user's is left, the content moves there and nothing
    /// is lost.
    pub(super) fn withdraw_lost(&self, index: &Index, slot: &Slot, found: &Look) -> Result<(), StoreError> {
        let kept = slot.kept().durable();
        if !self.slots.is_current(slot) || kept.held.is_empty() || !found.is_of(&kept) {
            return Ok(());
        }
        if let Some(absence) = found.seen.absence() {
            return match self.move_to_copy(index, slot, found)? {
                true => Ok(()),
                false => self.suspend(index, slot, absence),
            };
        }
        if found.provable == kept.held {
            return Ok(());
        }
        warn!(content = %kept.content(), place = %kept.place, "fragments are no longer on disk; not held any more");
        self.handles.close(slot.number);
        self.change(index, slot, |kept| {
            kept.held = found.provable.clone();
            kept.forget_written();
        })?;
        self.notify(kept.content());
        Ok(())
    }

    /// Looks at the files of a content, and does as [`Self::withdraw_lost`] does.
    pub(super) fn look_and_withdraw(&self, slot: &Slot) -> Result<(), StoreError> {
        let found = self.look_at_files(slot)?;
        self.withdraw_lost(&self.index(), slot, &found)
    }

    fn look_at_copies(&self, slot: &Slot) -> Result<Vec<FoundCopy>, StoreError> {
        let content = slot.kept().content();
        let noted = self.index().copies(content)?;
        let in_use = slot.kept().place.clone();
        let mut all = Vec::new();
        for noted in noted {
            let found = files::look(&noted.path).ok().map(|found| found.identity);
            let is_successor = found == Some(noted.identity) && in_use != Place::File(noted.path.clone());
            all.push(FoundCopy { noted, found });
            if is_successor {
                break;
            }
        }
        Ok(all)
    }
}

impl Look {
    /// Whether the record is as it was when this was found.
    pub(super) fn is_of(&self, kept: &Kept) -> bool {
        (&self.place, self.identity, &self.held) == (&kept.place, kept.identity, &kept.held)
    }

    /// Finds the copy that takes the place of a file that is lost, and brings the copies in the index up to
    /// date, but for that file: the record names it first, and then it is no copy any more.
    pub(super) fn successor(&self, index: &Index, kept: &Kept) -> Result<Option<UserFile>, StoreError> {
        let Place::File(lost) = &kept.place else {
            return Ok(None);
        };
        let Some(next) = self.copy_that_is_there(index, kept, lost)? else {
            return Ok(None);
        };
        if let Some(identity) = kept.identity.filter(|_| !self.seen.is_there()) {
            let path = lost.clone();
            index.add_copy(kept.content(), &UserFile { path, identity })?;
        }
        Ok(Some(next))
    }

    /// Finds a copy that is as it was, other than the file that is lost; forgets those that have changed.
    pub(super) fn copy_that_is_there(
        &self,
        index: &Index,
        kept: &Kept,
        lost: &Path,
    ) -> Result<Option<UserFile>, StoreError> {
        let mut noted = index.copies(kept.content())?;
        // A note that was made since the look is left as it is.
        noted.retain(|copy| self.copies.iter().any(|known| known.noted == *copy));
        let at = |path: &Path| {
            let known = self.copies.iter().find(|known| known.noted.path == path);
            known.and_then(|known| known.found)
        };
        let Succession { next, changed } = succeed(noted, lost, at);
        for path in &changed {
            index.remove_copy(path)?;
        }
        Ok(next)
    }
}
