//! The place of a content's data: a place of its own, more of it there, another place, and none.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;

use shared::hash::hash_content;
use shared::model::{ContentId, FragmentSet, Manifest};
use tracing::warn;

use super::copies::UserFile;
use super::files;
use super::index::Index;
use super::kept::Kept;
use super::looking::Look;
use super::room::{Made, byte_ranges, check_output, make_room};
use super::slot::Slot;
use super::{DiskStore, FragmentStore as _, Place, Purpose, StoreError, Usage};

/// Looks at a content before it goes as a leftover: between its preparation and its first block an operation
/// may wait for its caller.
const LOOKS: u32 = 6;

impl DiskStore {
    /// Moves a content from the user's file in which it is to an equal one that was found; returns false when
    /// there is none.
    pub(super) fn move_to_copy(&self, index: &Index, slot: &Slot, found: &Look) -> Result<bool, StoreError> {
        let kept = slot.kept().durable();
        let Some(next) = found.successor(index, &kept)? else {
            return Ok(false);
        };
        self.change(index, slot, |kept| kept.move_to(next.clone()))?;
        self.handles.close(slot.number);
        index.remove_copy(&next.path)?;
        Ok(true)
    }

    /// Leaves a user's file that cannot be read, if the content is still there and an equal file can take its
    /// place.
    pub(super) fn leave(&self, slot: &Slot, place: &Place) -> Result<bool, StoreError> {
        let found = self.look_everywhere(slot)?;
        let index = self.index();
        let is_there = self.slots.is_current(slot) && slot.kept().place == *place;
        Ok(is_there && self.move_to_copy(&index, slot, &found)?)
    }

    /// Remembers a file that has the bytes of a content, which is all here. Returns false when the content is
    /// in that very file.
    pub(super) fn remember_copy(
        &self,
        index: &Index,
        content: ContentId,
        copy: &UserFile,
    ) -> Result<bool, StoreError> {
        let is_in_use = |slot: &Arc<Slot>| slot.kept().place == Place::File(copy.path.clone());
        match self.slots.get(content) {
            Some(slot) if !is_in_use(&slot) => index.add_copy(content, copy).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Keeps a content in a new place; `old` is its record before.
    pub(super) fn settle_in(
        &self,
        index: &mut Index,
        mut next: Kept,
        old: Option<&Kept>,
    ) -> Result<Arc<Slot>, StoreError> {
        if let Place::Partial {
            output, overwrite, ..
        } = &next.place
        {
            check_output(&self.layout, output, *overwrite)?;
        }
        self.require_capacity(&next, old)?;
        if let Some(old) = old.filter(|old| self.layout.own_data(old) != self.layout.own_data(&next)) {
            note_partial(index, old)?;
        }
        index.insert(&next)?;
        let made = match self.make_room_for(&next) {
            Ok(made) => made,
            Err(error) => {
                match old {
                    Some(old) => {
                        index.insert(old)?;
                        forget_partial(index, old)?;
                    }
                    None => index.delete(next.content())?,
                }
                if !next.held.is_full() {
                    self.remove_own_files(&next);
                }
                return Err(error);
            }
        };
        next.device = made.disk;
        match old {
            Some(old) => self.replace(index, old, next),
            None => Ok(self.begin(next)),
        }
    }

    /// Puts a record that is new, and in the index, in a slot.
    pub(super) fn begin(&self, next: Kept) -> Arc<Slot> {
        let content = next.content();
        let slot = self.slots.put(next);
        self.notify(content);
        slot
    }

    /// Puts a record that replaced another one in the index in a slot of its own; removes the data at the old
    /// place, which [`note_partial`] has noted.
    pub(super) fn replace(&self, index: &Index, old: &Kept, next: Kept) -> Result<Arc<Slot>, StoreError> {
        let (before, data) = (self.slots.get(next.content()), self.layout.own_data(old));
        let is_elsewhere = data != self.layout.own_data(&next);
        let slot = self.begin(next);
        if let Some(before) = before {
            self.handles.close(before.number);
        }
        if let Some(data) = data.filter(|_| is_elsewhere) {
            files::remove(&data)?;
        }
        // The file is awaited: when it is back, it is one of the content's again.
        if let Some(file) = old.file_away()
            && Place::File(file.path.clone()) != slot.kept().place
        {
            index.add_copy(old.content(), &file)?;
        }
        forget_partial(index, old)?;
        Ok(slot)
    }

    /// Keeps a content for one more purpose.
    pub(super) fn extend(
        &self,
        index: &mut Index,
        slot: Arc<Slot>,
        manifest: &Manifest,
        purpose: &Purpose,
        found: Option<&Look>,
    ) -> Result<Arc<Slot>, StoreError> {
        if let Some(found) = found {
            self.withdraw_lost(index, &slot, found)?;
        }
        let old = slot.kept().clone();
        let next = old.admit(manifest, purpose, rand::random())?;
        let is_moved = self.layout.own_data(&next) != self.layout.own_data(&old);
        if is_moved || next.manifest != old.manifest {
            return self.settle_in(index, next, Some(&old));
        }
        if let Some((output, overwrite)) = next.output_of(purpose) {
            check_output(&self.layout, output, overwrite)?;
        }
        self.require_capacity(&next, Some(&old))?;
        let Made { is_anew, disk } = self.make_room_for(&next)?;
        if disk.is_some() {
            self.slots.change(&slot, |kept| kept.device = disk);
        }
        let entry = |kept: &Kept| {
            (
                kept.wanted.clone(),
                kept.roles,
                kept.name.clone(),
                kept.place.clone(),
            )
        };
        if entry(&next) != entry(&old) {
            self.change(index, &slot, |kept| {
                (kept.wanted, kept.roles, kept.name, kept.place) = entry(&next);
            })?;
            self.notify(next.content());
        }
        if is_anew {
            // Blocks that were written to the lost file must never be committed for this one.
            let mut fresh = slot.kept().clone();
            fresh.forget_written();
            fresh.suspension = None;
            self.handles.close(slot.number);
            return Ok(self.slots.put(fresh));
        }
        Ok(slot)
    }

    fn make_room_for(&self, next: &Kept) -> Result<Made, StoreError> {
        let expected = |disk| self.slots.missing_on(disk, next.content());
        make_room(&self.layout, next, expected)
    }

    /// Gives back the room of fragments that were assigned and did not come; forgets a content of which
    /// nothing is left.
    pub(super) fn give_back_room(
        &self,
        content: ContentId,
        fragments: &FragmentSet,
    ) -> Result<(), StoreError> {
        let mut index = self.index();
        let Some(slot) = self.slots.get(content) else {
            return Ok(());
        };
        let mut next = slot.kept().durable();
        let Some(unused) = next.give_back(fragments) else {
            return Ok(());
        };
        if next.wanted.is_empty() {
            return self.forget_slot(&mut index, &slot).map(drop);
        }
        let _no_writes = slot.stop_writing();
        self.change(&index, &slot, |kept| drop(kept.give_back(fragments)))?;
        self.notify(content);
        // Blocks of fragments that never became whole.
        let file = self.data(&slot)?;
        let path = self.layout.data(content);
        byte_ranges(&next.manifest, &unused)
            .iter()
            .try_for_each(|range| files::release(&file, range))
            .map_err(StoreError::io("give back room in", &path))
    }

    pub(super) fn require_capacity(&self, next: &Kept, old: Option<&Kept>) -> Result<(), StoreError> {
        let needed = next.reserved().saturating_sub(old.map_or(0, Kept::reserved));
        let Usage { capacity, used } = self.usage();
        let available = capacity.saturating_sub(used);
        if needed > available {
            return Err(StoreError::NoRoom {
                needed,
                available,
                of: "the capacity lent",
            });
        }
        Ok(())
    }

    /// Removes the files that only this record needed. A failure is only logged: the next start tries again.
    fn remove_own_files(&self, kept: &Kept) {
        for path in self
            .layout
            .own_data(kept)
            .into_iter()
            .chain([self.layout.leaves(kept.content())])
        {
            if let Err(error) = files::remove(&path) {
                warn!(%error, "an unused file is left over");
            }
        }
    }

    pub(super) fn forget_slot(&self, index: &mut Index, slot: &Slot) -> Result<u64, StoreError> {
        let kept = slot.kept().clone();
        if let Place::Partial { partial, .. } = &kept.place {
            // Recovery may not sweep the partial file, so it is removed while the index still knows it.
            self.change(index, slot, |kept| kept.held = kept.manifest.no_fragments())?;
            files::remove(partial)?;
        }
        self.forget_record(index, slot)?;
        self.remove_own_files(&kept);
        Ok(kept.reserved())
    }

    /// Forgets contents of which nothing is held and nothing is under way, once several calls in a row have
    /// met them, which come some seconds apart; returns them. `is_fetched` tells which contents are being
    /// fetched. Bytes that prove themselves stay on the disk, where the next start adopts them. A shared
    /// content that was being fetched anew while its file was away goes back to that file.
    ///
    /// # Errors
    /// [`StoreError::Index`], [`StoreError::Io`].
    pub fn forget_leftovers(
        &self,
        is_fetched: impl Fn(ContentId) -> bool,
    ) -> Result<Vec<ContentId>, StoreError> {
        let mut gone = Vec::new();
        for slot in self.slots.all() {
            let kept = slot.kept().clone();
            let is_displaced = kept.is_displaced();
            if !(kept.is_left_over() || is_displaced) || is_fetched(kept.content()) {
                slot.want();
                continue;
            }
            if slot.look() < LOOKS {
                continue;
            }
            if is_displaced {
                let found = self.look_everywhere(&slot)?;
                self.go_back(&mut self.index(), &slot, &found)?;
                continue;
            }
            let proves_itself = self.proves_itself(&kept);
            let mut index = self.index();
            // A preparation in between begins the count anew.
            if slot.look() < LOOKS || !self.slots.is_current(&slot) || !slot.kept().is_left_over() {
                continue;
            }
            if proves_itself {
                warn!(content = %kept.content(), "bytes that were read wrongly are right; the next start adopts them");
                self.forget_record(&mut index, &slot)?;
            } else {
                self.forget_slot(&mut index, &slot)?;
            }
            gone.push(kept.content());
        }
        Ok(gone)
    }

    /// Leaves the place into which a shared content was fetched anew for a file of the user's that has the
    /// bytes.
    fn go_back(&self, index: &mut Index, slot: &Slot, found: &Look) -> Result<(), StoreError> {
        let old = slot.kept().clone();
        if !old.is_displaced() || !self.slots.is_current(slot) {
            return Ok(());
        }
        let Some(file) = found.copy_that_is_there(index, &old, Path::new(""))? else {
            return Ok(());
        };
        let path = file.path.clone();
        let kept = Kept::in_file(&old.manifest, file, old.roles, old.name.clone());
        note_partial(index, &old)?;
        index.insert(&kept)?;
        index.remove_copy(&path)?;
        self.replace(index, &old, kept).map(drop)
    }

    /// Whether the data of a content in the store are right, although nothing of it is held any more.
    fn proves_itself(&self, kept: &Kept) -> bool {
        let path = self.layout.data(kept.content());
        let was_held = kept.place == Place::Store && self.layout.leaves(kept.content()).exists();
        let Some(file) = was_held.then(|| files::open_users(&path).ok()).flatten() else {
            return false;
        };
        let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let (length, fragments) = (kept.manifest.length(), kept.manifest.fragment_length());
        hash_content(&file, length, fragments, threads, |_, _| Ok(()))
            .is_ok_and(|found| found.content() == kept.content())
    }

    /// Forgets a record, and leaves its files.
    pub(super) fn forget_record(&self, index: &mut Index, slot: &Slot) -> Result<(), StoreError> {
        let content = slot.kept().content();
        index.delete(content)?;
        self.slots.remove(content);
        self.forget_belonging(content);
        self.handles.close(slot.number);
        self.notify(content);
        Ok(())
    }
}

/// Notes that a partial file is to be removed with the record that knows it, also if there is a crash in
/// between.
pub(super) fn note_partial(index: &Index, old: &Kept) -> Result<(), StoreError> {
    match &old.place {
        Place::Partial { partial, .. } => index.add_temporary(partial),
        _ => Ok(()),
    }
}

fn forget_partial(index: &Index, old: &Kept) -> Result<(), StoreError> {
    match &old.place {
        Place::Partial { partial, .. } => index.remove_temporary(partial),
        _ => Ok(()),
    }
}
