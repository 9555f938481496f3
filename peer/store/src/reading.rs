//! Reading the bytes of fragments and their leaves.
//!
//! A fragment that turns out to be unreadable is withdrawn on the spot, or its content suspended when the
//! whole file is out of reach: it is not offered twice.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use shared::model::{Absence, FragmentIndex};

use super::files::{self, FileIdentity};
use super::handles::Part;
use super::slot::Slot;
use super::watching::away;
use super::{DiskStore, Place, StoreError};

impl DiskStore {
    /// Withdraws a fragment that cannot be read, and all fragments that are lost with it.
    pub(super) fn lose(&self, slot: &Slot, index: FragmentIndex) -> Result<StoreError, StoreError> {
        let content = slot.kept().content();
        let found = self.look_at_files(slot)?;
        let locked = self.index();
        self.withdraw_lost(&locked, slot, &found)?;
        let mut lost = slot.kept().manifest.no_fragments();
        if index.get() < lost.capacity() {
            lost.insert(index);
        }
        if self.slots.is_current(slot) {
            self.withdraw_here(&locked, slot, &lost)?;
        }
        Ok(StoreError::Damaged { content, index })
    }

    /// Returns the open data file; a user's file only while it is unchanged.
    pub(super) fn data(&self, slot: &Slot) -> Result<Arc<File>, StoreError> {
        loop {
            let (place, identity, own) = {
                let kept = slot.kept();
                (kept.place.clone(), kept.identity, self.layout.own_data(&kept))
            };
            let Place::File(path) = &place else {
                let path = own.unwrap_or_default();
                return self.handles.get(slot.number, Part::Data, || {
                    files::open_own(&path).map_err(StoreError::io("open", &path))
                });
            };
            if let Some(file) = self.users_file(slot, path, identity)? {
                return Ok(file);
            }
            let found = self.look_at_files(slot)?;
            let index = self.index();
            let is_as_before = {
                let kept = slot.kept();
                kept.place == place && kept.identity == identity
            };
            // With the index locked nobody is just giving the file another time, or the content another file.
            if is_as_before {
                self.withdraw_lost(&index, slot, &found)?;
                return Err(match away(slot) {
                    Some(StoreError::Away { path, absence }) if absence != Absence::Changed => {
                        StoreError::Away { path, absence }
                    }
                    _ => StoreError::Changed { path: path.clone() },
                });
            }
        }
    }

    /// Returns the open file of a user's at a path; none when it has another identity.
    fn users_file(
        &self,
        slot: &Slot,
        path: &Path,
        identity: Option<FileIdentity>,
    ) -> Result<Option<Arc<File>>, StoreError> {
        let open = || {
            self.handles.get(slot.number, Part::Data, || {
                files::open_users(path).map_err(StoreError::io("open", path))
            })
        };
        let is_right = |file: &Arc<File>| FileIdentity::of_file(file).ok() == identity;
        if FileIdentity::at(path) != identity {
            return Ok(None);
        }
        let file = open()?;
        if is_right(&file) {
            return Ok(Some(file));
        }
        // The file was opened where the content was before.
        self.handles.close(slot.number);
        Ok(Some(open()?).filter(is_right))
    }

    pub(super) fn leaves(&self, slot: &Slot) -> Result<Arc<File>, StoreError> {
        let path = self.layout.leaves(slot.kept().content());
        self.handles.get(slot.number, Part::Leaves, || {
            files::open_own(&path).map_err(StoreError::io("open", &path))
        })
    }

    /// Reads a range of a file that holds a fragment. What cannot be read from one of the user's files is
    /// read from an equal one; where there is none, the fragment is withdrawn, or the content suspended.
    pub(super) fn read_part(
        &self,
        slot: &Slot,
        part: Part,
        index: FragmentIndex,
        range: Range<u64>,
    ) -> Result<Bytes, StoreError> {
        let read = || {
            let file = match part {
                Part::Data => self.data(slot)?,
                Part::Leaves => self.leaves(slot)?,
            };
            files::read_range(&file, range.clone()).map_err(|source| {
                let kept = slot.kept();
                let path = self
                    .layout
                    .own_data(&kept)
                    .unwrap_or_else(|| self.layout.leaves(kept.content()));
                StoreError::io("read", &path)(source)
            })
        };
        loop {
            let was_at = slot.kept().place.clone();
            let error = match read() {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            // The file was renamed meanwhile, or lost, and the content is in another one.
            if part == Part::Data && slot.kept().place != was_at {
                continue;
            }
            let (is_lost, is_closed) = match &error {
                StoreError::Io { source, .. } => (
                    files::means_lost(source) || source.kind() == ErrorKind::NotFound,
                    source.kind() == ErrorKind::PermissionDenied,
                ),
                _ => (false, false),
            };
            if part == Part::Data && (is_lost || is_closed) && self.leave(slot, &was_at)? {
                continue;
            }
            // A disk that fails, or that is gone, has lost nothing yet.
            if (is_lost || is_closed)
                && let Some(away) = self.suspend_unread(slot)?
            {
                return Err(away);
            }
            return Err(if is_lost { self.lose(slot, index)? } else { error });
        }
    }
}
