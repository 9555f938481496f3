//! The store in memory: the twin of [`DiskStore`](super::DiskStore) for tests of code that uses a store.
//!
//! The store in memory keeps to the same rules and makes the same changes; files are only remembered by
//! name, never touched. The faults of disks are injected by `faults`.

mod faults;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use shared::hash::{FragmentProof, VerifiedBlocks};
use shared::model::{BlockSpan, ContentId, FragmentIndex, FragmentSet, Manifest};
use tokio::sync::broadcast;

use super::copies::{MAX_COPIES, UserFile};
use super::disk::CHANGES;
use super::kept::Kept;
use super::{Entry, FragmentStore, Place, Purpose, Role, Roles, StoreError, Usage};

/// Fragments in memory.
#[derive(Debug)]
pub struct MemoryStore {
    capacity: u64,
    state: Mutex<State>,
    changes: broadcast::Sender<ContentId>,
}

#[derive(Debug, Default)]
struct State {
    contents: BTreeMap<ContentId, Held>,
    /// Outputs of complete fetches.
    outputs: BTreeSet<PathBuf>,
}

#[derive(Debug)]
struct Held {
    kept: Kept,
    /// Bytes of the whole content, written or not.
    data: Vec<u8>,
    proofs: BTreeMap<FragmentIndex, FragmentProof>,
    /// Other files with the same bytes, in the order in which they came.
    copies: Vec<(UserFile, Vec<u8>)>,
}

impl MemoryStore {
    /// Makes an empty store with a capacity in bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity,
            state: Mutex::default(),
            changes: broadcast::Sender::new(CHANGES),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self, content: ContentId) {
        // It is no error when there is no listener.
        drop(self.changes.send(content));
    }
}

impl State {
    fn get(&mut self, content: ContentId) -> Result<&mut Held, StoreError> {
        self.contents
            .get_mut(&content)
            .ok_or(StoreError::UnknownContent(content))
    }

    fn used(&self) -> u64 {
        self.contents.values().map(|held| held.kept.reserved()).sum()
    }

    fn finish(&mut self, content: ContentId) -> Result<(), StoreError> {
        let Some((_, output, overwrite)) = self.get(content)?.kept.complete_partial() else {
            return Ok(());
        };
        if !self.outputs.insert(output.clone()) && !overwrite {
            return Err(StoreError::OutputExists { path: output });
        }
        self.get(content)?.kept.place = Place::File(output);
        Ok(())
    }

    fn forget(&mut self, content: ContentId) -> Result<u64, StoreError> {
        let held = self
            .contents
            .remove(&content)
            .ok_or(StoreError::UnknownContent(content))?;
        Ok(held.kept.reserved())
    }
}

impl Held {
    /// Moves from the user's file in which the content is to the next of its copies; false when there is
    /// none.
    fn move_to_copy(&mut self) -> bool {
        if self.copies.is_empty() || !matches!(self.kept.place, Place::File(_)) {
            return false;
        }
        let (file, data) = self.copies.remove(0);
        self.kept.move_to(file);
        self.data = data;
        true
    }

    fn remember_copy(&mut self, file: UserFile, data: Vec<u8>) {
        if self.kept.place == Place::File(file.path.clone()) {
            return;
        }
        self.copies.push((file, data));
        let surplus = self.copies.len().saturating_sub(MAX_COPIES as usize);
        self.copies.drain(..surplus);
    }
}

impl FragmentStore for MemoryStore {
    fn entries(&self) -> Vec<Entry> {
        self.state()
            .contents
            .values()
            .map(|held| held.kept.entry())
            .collect()
    }

    fn entry(&self, content: ContentId) -> Option<Entry> {
        self.state().contents.get(&content).map(|held| held.kept.entry())
    }

    fn prepare(&self, manifest: &Manifest, purpose: Purpose) -> Result<Entry, StoreError> {
        let mut state = self.state();
        let content = manifest.content();
        let old = state.contents.get(&content).map(|held| held.kept.clone());
        let next = match &old {
            Some(old) => old.admit(manifest, &purpose, rand::random())?,
            None => Kept::new(manifest, &purpose, rand::random())?,
        };
        if let Some((output, false)) = next.output_of(&purpose)
            && state.outputs.contains(output)
        {
            let path = output.to_owned();
            return Err(StoreError::OutputExists { path });
        }
        let needed = next
            .reserved()
            .saturating_sub(old.as_ref().map_or(0, Kept::reserved));
        let available = self.capacity.saturating_sub(state.used());
        if needed > available {
            return Err(StoreError::NoRoom {
                needed,
                available,
                of: "the capacity lent",
            });
        }
        match state.contents.get_mut(&content) {
            Some(held) => {
                if held.kept.manifest != next.manifest {
                    held.proofs = match next.held.is_full() {
                        true => cut_anew(&held.proofs, &next.manifest),
                        false => BTreeMap::new(),
                    };
                }
                held.kept = next;
            }
            None => {
                let data = vec![0; usize::try_from(manifest.length()).unwrap_or(usize::MAX)];
                state.contents.insert(
                    content,
                    Held {
                        kept: next,
                        data,
                        proofs: BTreeMap::new(),
                        copies: Vec::new(),
                    },
                );
            }
        }
        match state.finish(content) {
            Err(StoreError::OutputExists { path }) if !purpose.is_to(&path) => {}
            other => other?,
        }
        let entry = state.get(content)?.kept.entry();
        drop(state);
        self.notify(content);
        Ok(entry)
    }

    fn write(&self, content: ContentId, blocks: VerifiedBlocks<'_>) -> Result<(), StoreError> {
        let mut state = self.state();
        let held = state.get(content)?;
        let Some(range) = held.kept.place_for(blocks)? else {
            return Ok(());
        };
        held.data[in_memory(range)].copy_from_slice(blocks.bytes());
        held.kept.note_written(blocks);
        Ok(())
    }

    fn commit(&self, content: ContentId, fragments: &[FragmentProof]) -> Result<(), StoreError> {
        let mut state = self.state();
        let held = state.get(content)?;
        let fresh = held.kept.fresh(fragments)?;
        if fresh.is_empty() {
            return Ok(());
        }
        held.kept.hold(&fresh);
        held.proofs
            .extend(fresh.into_iter().map(|proof| (proof.index(), proof.clone())));
        let finished = state.finish(content);
        drop(state);
        self.notify(content);
        finished
    }

    fn read(&self, content: ContentId, index: FragmentIndex, span: BlockSpan) -> Result<Bytes, StoreError> {
        let mut state = self.state();
        let held = state.get(content)?;
        let range = held.kept.locate(index, span)?;
        Ok(Bytes::copy_from_slice(&held.data[in_memory(range)]))
    }

    fn proof(&self, content: ContentId, index: FragmentIndex) -> Result<FragmentProof, StoreError> {
        let mut state = self.state();
        let held = state.get(content)?;
        held.kept.require_held(index)?;
        held.proofs
            .get(&index)
            .cloned()
            .ok_or(StoreError::Damaged { content, index })
    }

    fn withdraw(&self, content: ContentId, fragments: &FragmentSet) -> Result<(), StoreError> {
        let mut state = self.state();
        let held = state.get(content)?;
        let is_lost = held.kept.durable().withdraw(fragments)?;
        if is_lost && !held.move_to_copy() {
            held.kept.withdraw(fragments)?;
            drop(state);
            self.notify(content);
        }
        Ok(())
    }

    fn release(&self, content: ContentId, role: Role) -> Result<u64, StoreError> {
        let mut state = self.state();
        let kept = &mut state.get(content)?.kept;
        let before = kept.roles;
        kept.roles = before.with(role, false);
        let freed = if kept.roles == Roles::default() {
            state.forget(content)?
        } else {
            0
        };
        drop(state);
        if before.has(role) {
            self.notify(content);
        }
        Ok(freed)
    }

    fn forget(&self, content: ContentId) -> Result<u64, StoreError> {
        let freed = self.state().forget(content)?;
        self.notify(content);
        Ok(freed)
    }

    fn give_back(&self, content: ContentId, fragments: &FragmentSet) -> Result<(), StoreError> {
        let mut state = self.state();
        let Ok(held) = state.get(content) else {
            return Ok(());
        };
        if held.kept.give_back(fragments).is_none() {
            return Ok(());
        }
        if held.kept.wanted.is_empty() {
            state.forget(content)?;
        }
        drop(state);
        self.notify(content);
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage {
            capacity: self.capacity,
            used: self.state().used(),
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<ContentId> {
        self.changes.subscribe()
    }
}

/// Returns a range of data in memory as addresses.
fn in_memory(range: std::ops::Range<u64>) -> std::ops::Range<usize> {
    let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
    at(range.start)..at(range.end)
}

/// Returns the proofs of a complete content for the fragments of another manifest of it.
fn cut_anew(
    proofs: &BTreeMap<FragmentIndex, FragmentProof>,
    manifest: &Manifest,
) -> BTreeMap<FragmentIndex, FragmentProof> {
    let mut leaves = proofs.values().flat_map(|proof| proof.leaves().iter().copied());
    let proofs = manifest.indices().filter_map(|index| {
        let own = leaves.by_ref().take(manifest.blocks_of(index) as usize).collect();
        FragmentProof::verify(manifest, index, own)
            .ok()
            .map(|proof| (index, proof))
    });
    proofs.collect()
}
