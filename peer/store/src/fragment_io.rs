//! Reading and writing the bytes of fragments and their leaves.
//!
//! A fragment that turns out to be unreadable is withdrawn on the spot: it is not offered twice.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use shared::hash::FragmentProof;
use shared::model::{Digest, FragmentIndex};

use super::files::{self, FileIdentity};
use super::handles::Part;
use super::slot::Slot;
use super::{DiskStore, FragmentStore as _, Place, StoreError};

impl DiskStore {
    /// Withdraws a fragment that cannot be read, and all fragments that are lost with it.
    pub(super) fn lose(&self, slot: &Slot, index: FragmentIndex) -> Result<StoreError, StoreError> {
        let content = slot.kept().content();
        self.withdraw_lost(&self.index(), slot)?;
        let mut lost = slot.kept().manifest.no_fragments();
        if index.get() < lost.capacity() {
            lost.insert(index);
        }
        self.withdraw(content, &lost)?;
        Ok(StoreError::Damaged { content, index })
    }

    /// Returns the open data file; a user's file only while it is unchanged.
    pub(super) fn data(&self, slot: &Slot) -> Result<Arc<File>, StoreError> {
        let (place, identity, own) = {
            let kept = slot.kept();
            (kept.place.clone(), kept.identity, self.layout.own_data(&kept))
        };
        if let Place::File(path) = place {
            if FileIdentity::at(&path) != identity {
                self.withdraw_lost(&self.index(), slot)?;
                return Err(StoreError::Changed { path });
            }
            return self.handles.get(slot.number, Part::Data, || {
                files::open_users(&path).map_err(StoreError::io("open", &path))
            });
        }
        let path = own.unwrap_or_default();
        self.handles.get(slot.number, Part::Data, || {
            files::open_own(&path).map_err(StoreError::io("open", &path))
        })
    }

    fn leaves(&self, slot: &Slot) -> Result<Arc<File>, StoreError> {
        let path = self.layout.leaves(slot.kept().content());
        self.handles.get(slot.number, Part::Leaves, || {
            files::open_own(&path).map_err(StoreError::io("open", &path))
        })
    }

    /// Reads a range of a file that holds a fragment; withdraws the fragment if the range cannot be read.
    pub(super) fn read_part(
        &self,
        slot: &Slot,
        part: Part,
        index: FragmentIndex,
        range: Range<u64>,
    ) -> Result<Bytes, StoreError> {
        let open = || {
            if part == Part::Data {
                self.data(slot)
            } else {
                self.leaves(slot)
            }
        };
        let was_at = slot.kept().place.clone();
        let file = match open() {
            // The file was renamed between the look at its place and the opening.
            Err(StoreError::Io { .. }) if slot.kept().place != was_at => open()?,
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Err(self.lose(slot, index)?);
            }
            other => other?,
        };
        match files::read_range(&file, range) {
            Err(error) if files::means_lost(&error) => Err(self.lose(slot, index)?),
            other => other.map_err(|source| {
                let kept = slot.kept();
                let path = self
                    .layout
                    .own_data(&kept)
                    .unwrap_or_else(|| self.layout.leaves(kept.content()));
                StoreError::io("read", &path)(source)
            }),
        }
    }

    /// Writes the leaves of fragments, then syncs data and leaves.
    pub(super) fn make_durable(&self, slot: &Slot, fresh: &[&FragmentProof]) -> Result<(), StoreError> {
        let (content, data_path) = {
            let kept = slot.kept();
            (kept.content(), self.layout.own_data(&kept).unwrap_or_default())
        };
        let (data, leaves) = (self.data(slot)?, self.leaves(slot)?);
        let leaves_path = self.layout.leaves(content);
        for proof in fresh {
            let at = slot.kept().first_block(proof.index()) * Digest::LEN as u64;
            let bytes: Vec<u8> = proof.leaves().iter().flat_map(|leaf| *leaf.as_bytes()).collect();
            leaves
                .write_all_at(&bytes, at)
                .map_err(StoreError::io("write", &leaves_path))?;
        }
        for (file, path) in [(data, data_path), (leaves, leaves_path)] {
            file.sync_data().map_err(StoreError::io("sync", &path))?;
            // Bytes in a file that has been deleted or replaced meanwhile are not kept.
            let inode = FileIdentity::of_file(&file)
                .map_err(StoreError::io("look at", &path))?
                .inode;
            if FileIdentity::at(&path).is_none_or(|there| there.inode != inode) {
                self.withdraw_lost(&self.index(), slot)?;
                self.handles.close(slot.number);
                return Err(StoreError::Changed { path });
            }
        }
        Ok(())
    }
}
