//! Verified data on its way onto the disk: room is made (`prepare_for`), blocks are written (`write_blocks`),
//! fragments become durable and then held (`commit_fragments`), and a complete file goes to its output
//! (`finish`).
//!
//! A commit keeps this order, so that no index entry ever promises bytes that might not be there, whenever
//! the power fails:
//!
//! 1. the data of the fragment is written (`write`), then its leaves;
//! 2. the data is synced, then the leaves (their directories were synced when the files were made);
//! 3. the index commits the new set of held fragments.
//!
//! After the last fragment of a partial file, the index notes the file's identity, the file is renamed, its
//! directory is synced, and the index notes the new place. `recovery` settles a crash in between: it adopts
//! the output when it is that very file; otherwise nothing was renamed and `prepare` tries again.

use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;

use shared::hash::{FragmentProof, VerifiedBlocks};
use shared::model::{ContentId, Digest, Manifest};

use super::files::{self, FileIdentity};
use super::index::Index;
use super::kept::Kept;
use super::room::{byte_ranges, write_failed};
use super::slot::Slot;
use super::{DiskStore, Entry, Place, Purpose, StoreError};

impl DiskStore {
    /// Makes room for a content, or for more of one that is here: the file that its blocks are written to.
    pub(super) fn prepare_for(&self, manifest: &Manifest, purpose: &Purpose) -> Result<Entry, StoreError> {
        let found = self.look_first(manifest.content())?;
        let mut index = self.index();
        let slot = match self.slots.get(manifest.content()) {
            Some(slot) => self.extend(&mut index, slot, manifest, purpose, found.as_ref())?,
            None => {
                let next = Kept::new(manifest, purpose, rand::random())?;
                self.settle_in(&mut index, next, None)?
            }
        };
        match self.finish(&index, &slot) {
            // An earlier fetch cannot be moved to its output: that is not this caller's concern.
            Err(StoreError::OutputExists { path }) if !purpose.is_to(&path) => {}
            other => other?,
        }
        slot.want();
        self.claim_in(&index, manifest.content())?;
        let entry = slot.kept().entry();
        Ok(entry)
    }

    /// Writes verified blocks of a fragment at their place. Nothing is promised yet.
    pub(super) fn write_blocks(
        &self,
        content: ContentId,
        blocks: VerifiedBlocks<'_>,
    ) -> Result<(), StoreError> {
        let slot = self.slot(content)?;
        let _writing = slot.begin_writing();
        let (range, room, path) = {
            let kept = slot.kept();
            let Some(range) = kept.place_for(blocks)? else {
                return Ok(());
            };
            let room = kept.room_for(blocks.index());
            let room = room.map(|fragments| byte_ranges(&kept.manifest, &fragments));
            (range, room, self.layout.own_data(&kept).unwrap_or_default())
        };
        let file = self.data(&slot)?;
        for range in room.unwrap_or_default() {
            files::reserve(&file, &range).map_err(write_failed(
                "make room in",
                &path,
                range.end - range.start,
            ))?;
        }
        let length = range.end - range.start;
        file.write_all_at(blocks.bytes(), range.start)
            .map_err(write_failed("write", &path, length))?;
        slot.kept().note_written(blocks);
        Ok(())
    }

    /// Makes fragments durable, then held; moves the file to its output after the last one.
    pub(super) fn commit_fragments(
        &self,
        content: ContentId,
        fragments: &[FragmentProof],
    ) -> Result<(), StoreError> {
        let slot = self.slot(content)?;
        let syncing = slot.begin_syncing();
        let fresh = slot.kept().fresh(fragments)?;
        if fresh.is_empty() {
            return Ok(());
        }
        // After a failed sync it is unknown which of the blocks written since the last one are on disk, also
        // of those that are noted as written only now.
        self.make_durable(&slot, &fresh).inspect_err(|_| {
            let _no_writes = slot.stop_writing();
            slot.kept().forget_written();
        })?;
        let index = self.index();
        if !self.slots.is_current(&slot) {
            // The content has moved or gone meanwhile; that is fine if the fragments are held in its new
            // place.
            return self.slot(content)?.kept().fresh(fragments).map(drop);
        }
        self.change(&index, &slot, |kept| kept.hold(&fresh))?;
        drop(syncing);
        self.notify(content);
        self.finish(&index, &slot)
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
                self.look_and_withdraw(slot)?;
                self.handles.close(slot.number);
                return Err(StoreError::Changed { path });
            }
        }
        Ok(())
    }

    /// Moves a partial file to its output if every fragment is held.
    fn finish(&self, index: &Index, slot: &Slot) -> Result<(), StoreError> {
        let Some((partial, output, overwrite)) = slot.kept().complete_partial() else {
            return Ok(());
        };
        // From here on nothing is written to the file: late copies of blocks are ignored because all
        // fragments are held.
        let _no_writes = slot.stop_writing();
        let file = self.data(slot)?;
        file.sync_all().map_err(StoreError::io("sync", &partial))?;
        let identity = FileIdentity::of_file(&file).map_err(StoreError::io("look at", &partial))?;
        if FileIdentity::at(&partial) != Some(identity) {
            self.withdraw_lost(index, slot, &self.look_in_place(slot))?;
            return Err(StoreError::Changed { path: partial });
        }
        self.change(index, slot, |kept| kept.identity = Some(identity))?;
        self.layout.require_foreign(&output)?;
        match files::rename_file(&partial, &output, overwrite) {
            // On another disk a copy brings it to its output, without the index's lock.
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::CrossesDevices => return Ok(()),
            moved => moved?,
        }
        // The file is there from now on, whatever becomes of its directory. Should a crash take the renaming
        // back, the record names a file that is not there, and promises nothing.
        let synced = output.parent().map_or(Ok(()), files::sync_directory);
        self.change(index, slot, |kept| kept.place = Place::File(output.clone()))?;
        self.handles.close(slot.number);
        synced
    }
}
