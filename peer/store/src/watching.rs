//! The watch over the files in which contents are: those that are away are suspended, and shared again when
//! they are back. `suspension` decides; this looks, and carries it out.
//!
//! Invariants: a suspension changes memory only, so that a disk with many files can go and come back without
//! a write; the index goes on promising what was held, and a start looks at the files anew. The time that
//! each has been away is written down now and then.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shared::model::{Absence, ContentId, LocalFile, SuspendedFile, SuspendedFiles};
use tracing::{info, warn};

use super::files;
use super::index::Index;
use super::kept::Kept;
use super::recovery::look;
use super::slot::Slot;
use super::suspension::{NOTES, Seen, Step, absence, compare, decide, notes};
use super::{DiskStore, Place, StoreError};

/// Time between two notes of how long files have been away: a restart forgets no more of it.
const NOTE_AFTER: Duration = Duration::from_secs(60 * 60);

/// Result of a look at all files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Contents that are held no longer, or again.
    pub changed: Vec<ContentId>,
    /// Contents of which a file like theirs is there: [`DiskStore::verify_files`] reads it.
    pub doubtful: Vec<ContentId>,
}

impl DiskStore {
    /// Looks at every user's file, and at the others that are away: suspends contents, shares them again, or
    /// withdraws them when they have been away for too long. `passed` is the time since the last look.
    pub fn check_files(&self, passed: Duration) -> Looked {
        let mut looked = Looked::default();
        for slot in self.slots.all() {
            let (content, was_away) = {
                let mut kept = slot.kept();
                let is_watched = matches!(kept.place, Place::File(_)) && !kept.held.is_empty();
                if let Some(suspension) = &mut kept.suspension {
                    suspension.away.lasted = suspension.away.lasted.saturating_add(passed);
                } else if !is_watched {
                    continue;
                }
                (kept.content(), kept.suspension.is_some())
            };
            match self.look_after(&slot) {
                Ok(Step::Nothing) => {}
                Ok(Step::Verify(_)) => looked.doubtful.push(content),
                Ok(Step::Suspend(_) | Step::Resume | Step::Withdraw) => {
                    if slot.kept().held.is_empty() != was_away {
                        looked.changed.push(content);
                    }
                }
                Err(error) => {
                    warn!(%content, %error, "the index does not take what became of a file; it is not served");
                }
            }
        }
        if let Err(error) = self.note_absences(passed) {
            warn!(%error, "cannot write down how long files have been away");
        }
        looked
    }

    /// Looks at the file of one content, and does what follows.
    fn look_after(&self, slot: &Slot) -> Result<Step, StoreError> {
        let seen = self.look_at_slot(slot);
        let (suspension, keeps) = {
            let kept = slot.kept();
            (kept.suspension.clone(), kept.roles.keeps())
        };
        let step = decide(suspension.as_ref(), keeps, seen);
        match step {
            Step::Nothing | Step::Verify(_) => {}
            Step::Suspend(absence) if suspension.is_some() => slot.kept().suspend(absence, false),
            Step::Suspend(_) => self.look_and_withdraw(slot)?,
            Step::Resume => self.resume(slot)?,
            Step::Withdraw => self.give_up(&self.index(), slot)?,
        }
        if suspension.is_some_and(|suspension| suspension.has_copies) && step != Step::Resume {
            let found = self.look_everywhere(slot)?;
            let is_moved = {
                let index = self.index();
                self.slots.is_current(slot) && self.move_to_copy(&index, slot, &found)?
            };
            if is_moved {
                self.resume(slot)?;
                return Ok(Step::Resume);
            }
        }
        Ok(step)
    }

    /// Withdraws a content whose file has been away for too long.
    fn give_up(&self, index: &Index, slot: &Slot) -> Result<(), StoreError> {
        let (content, place) = {
            let kept = slot.kept();
            (kept.content(), kept.place.clone())
        };
        warn!(content = %content.short(), %place, "a file was away for too long; its content is withdrawn until the file is added again");
        self.change(index, slot, |kept| kept.suspension = None)?;
        self.notify(content);
        Ok(())
    }

    /// Looks at the file of a content; at one that fails more closely.
    fn look_at_slot(&self, slot: &Slot) -> Seen {
        let (path, identity, device, away) = {
            let kept = slot.kept();
            let path = match &kept.place {
                Place::File(path) => Some(path.clone()),
                Place::Store | Place::Partial { .. } => None,
            };
            let away = kept.suspension.as_ref().map(|suspension| suspension.away.absence);
            (path, kept.identity, kept.device, away)
        };
        match (path, away) {
            (Some(path), None) => {
                let found = files::look(&path);
                if let (Ok(found), None) = (&found, device) {
                    slot.kept().device = Some(found.device);
                }
                compare(identity, device, found.map_err(|error| absence(&error)))
            }
            (_, Some(Absence::Failing)) => self.look_closely(slot),
            _ => look(&self.layout, &slot.kept().durable()),
        }
    }

    /// Looks at the files of a content, and reads at both ends of its data.
    fn look_closely(&self, slot: &Slot) -> Seen {
        let kept = slot.kept().durable();
        let seen = look(&self.layout, &kept);
        let (path, is_own) = match &kept.place {
            Place::File(path) => (Some(path.clone()), false),
            Place::Store | Place::Partial { .. } => (self.layout.own_data(&kept), true),
        };
        let read = path.map_or(Ok(()), |path| files::read_ends(&path));
        match read.map_err(|error| absence(&error)) {
            // One of the store's own that is gone is lost.
            Err(absence) if seen == Seen::Same && !(is_own && absence == Absence::Gone) => {
                Seen::Absent(absence)
            }
            _ => seen,
        }
    }

    /// Suspends a content whose file is away, and to which no equal file is left.
    pub(super) fn suspend(&self, index: &Index, slot: &Slot, absence: Absence) -> Result<(), StoreError> {
        let (content, place) = {
            let kept = slot.kept();
            (kept.content(), kept.place.clone())
        };
        let has_copies = !index.copies(content)?.is_empty();
        self.slots.change(slot, |kept| kept.suspend(absence, has_copies));
        self.handles.close(slot.number);
        warn!(content = %content.short(), %place, %absence, "a file is away; its content is not shared until it is back");
        self.notify(content);
        Ok(())
    }

    /// Suspends a content whose file cannot be read, although it may look as it was; returns the error for
    /// that, if it is so.
    pub(super) fn suspend_unread(&self, slot: &Slot) -> Result<Option<StoreError>, StoreError> {
        let place = slot.kept().place.clone();
        let seen = self.look_closely(slot);
        let index = self.index();
        let is_there = self.slots.is_current(slot) && slot.kept().place == place;
        if let Some(absence) = seen.absence()
            && is_there
            && !slot.kept().held.is_empty()
        {
            self.suspend(&index, slot, absence)?;
        }
        Ok(away(slot))
    }

    /// Shares a content again whose file is back, as far as its files can prove it.
    fn resume(&self, slot: &Slot) -> Result<(), StoreError> {
        {
            let _index = self.index();
            if !self.slots.is_current(slot) || slot.kept().suspension.is_none() {
                return Ok(());
            }
            self.handles.close(slot.number);
            self.slots.change(slot, Kept::resume);
        }
        let (content, place) = {
            let kept = slot.kept();
            (kept.content(), kept.place.clone())
        };
        info!(content = %content.short(), %place, "a file is back; its content is shared again");
        self.notify(content);
        self.look_and_withdraw(slot)
    }

    /// Reads the files of these contents, which are away and have something like them in their place; those
    /// with the right bytes are shared again. Setting `cancelled` ends it within a read.
    pub fn verify_files(&self, contents: &[ContentId], cancelled: &AtomicBool) {
        for content in contents {
            if cancelled.load(Ordering::Relaxed) {
                return;
            }
            match self.verify_file(*content, cancelled) {
                Ok(()) | Err(StoreError::Cancelled { .. } | StoreError::UnknownContent(_)) => {}
                Err(error) => {
                    info!(content = %content.short(), %error, "a file in the place of one that is away cannot be read");
                }
            }
        }
    }

    fn verify_file(&self, content: ContentId, cancelled: &AtomicBool) -> Result<(), StoreError> {
        let slot = self.slot(content)?;
        let (place, length) = {
            let kept = slot.kept();
            (kept.place.clone(), kept.manifest.fragment_length())
        };
        let Place::File(path) = &place else {
            return Ok(());
        };
        let hashed = self.hash_file(path, Some(length), NonZeroUsize::MIN, &|_| {}, cancelled)?;
        let identity = hashed.identity();
        let index = self.index();
        let is_awaited = {
            let kept = slot.kept();
            kept.suspension.is_some() && kept.place == place
        };
        if !is_awaited || !self.slots.is_current(&slot) {
            return Ok(());
        }
        if hashed.content() == content {
            self.change(&index, &slot, |kept| {
                (kept.identity, kept.device) = (Some(identity), None);
            })?;
            drop(index);
            return self.resume(&slot);
        }
        if let Some(suspension) = &mut slot.kept().suspension {
            suspension.refuted = Some(identity);
        }
        Ok(())
    }

    /// Returns the files that are away, of those that the network expects to be kept.
    #[must_use]
    pub fn files_away(&self) -> SuspendedFiles {
        let mut files = SuspendedFiles::default();
        for slot in self.slots.suspended() {
            let kept = slot.kept();
            if let Some(suspension) = kept.suspension.as_ref().filter(|_| kept.roles.keeps()) {
                files.add(SuspendedFile {
                    path: path_of(&kept.place),
                    absence: suspension.away.absence,
                    lasted: suspension.away.lasted,
                });
            }
        }
        files
    }

    /// Returns the user's files with the bytes of a content, the one in use first, and the absence of each;
    /// only some of many.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn users_files(&self, content: ContentId) -> Result<Vec<LocalFile>, StoreError> {
        let Some(slot) = self.slots.get(content) else {
            return Ok(Vec::new());
        };
        let kept = slot.kept().durable();
        let in_use = match &kept.place {
            Place::File(path) => Some((path.clone(), kept.identity, kept.device)),
            Place::Store | Place::Partial { .. } => None,
        };
        let copies = self.index().copies(content)?.into_iter();
        let copies = copies.map(|copy| (copy.path, Some(copy.identity), None));
        let all = in_use.into_iter().chain(copies).take(LocalFile::MAX);
        let look = |(path, identity, device): (PathBuf, _, _)| {
            let found = files::look(&path).map_err(|error| absence(&error));
            let absence = compare(identity, device, found).absence();
            LocalFile { path, absence }
        };
        Ok(all.map(look).collect())
    }

    /// Writes down now and then how long files have been away.
    fn note_absences(&self, passed: Duration) -> Result<(), StoreError> {
        let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let unnoted = self.unnoted.fetch_add(passed, Ordering::Relaxed) + passed;
        if u128::from(unnoted) < NOTE_AFTER.as_millis() {
            return Ok(());
        }
        self.unnoted.store(0, Ordering::Relaxed);
        let away = self.slots.suspended().into_iter().filter_map(|slot| {
            let kept = slot.kept();
            let suspension = kept.suspension.as_ref()?;
            Some((kept.content(), suspension.away.lasted))
        });
        match notes(away) {
            notes if notes.is_empty() => self.index().meta_remove(NOTES),
            notes => self.index().meta_set(NOTES, &notes),
        }
    }
}

/// Returns the error for a content whose file is away.
pub(super) fn away(slot: &Slot) -> Option<StoreError> {
    let kept = slot.kept();
    let absence = kept.suspension.as_ref()?.away.absence;
    let path = path_of(&kept.place);
    Some(StoreError::Away { path, absence })
}

fn path_of(place: &Place) -> PathBuf {
    match place {
        Place::File(path) | Place::Partial { partial: path, .. } => path.clone(),
        Place::Store => PathBuf::new(),
    }
}
