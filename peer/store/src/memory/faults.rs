//! Faults and other actions of disks and users, for tests: files that are added, power that fails, bits that
//! rot.

use std::path::{Path, PathBuf};

use shared::hash::{FragmentProof, leaves};
use shared::model::{ContentId, FragmentIndex, Manifest, Name};

use super::super::copies::UserFile;
use super::super::files::FileIdentity;
use super::super::kept::Kept;
use super::super::{Entry, FragmentStore as _, Place, Role, Roles, StoreError};
use super::{Held, MemoryStore, State, in_memory};

impl MemoryStore {
    /// Shares a user's file, as [`DiskStore::add_file`](crate::DiskStore::add_file) does; returns the entry.
    ///
    /// # Errors
    /// [`StoreError::OtherFragments`] when the bytes are not the content's.
    pub fn share(
        &self,
        manifest: &Manifest,
        bytes: &[u8],
        path: PathBuf,
        name: Option<Name>,
    ) -> Result<Entry, StoreError> {
        let content = manifest.content();
        let mut state = self.state();
        let published = |roles: Roles| roles.with(Role::Published, true);
        let identity = FileIdentity {
            size: manifest.length(),
            modified: 0,
            inode: 0,
        };
        let file = UserFile { path, identity };
        state.forget_copies(&file.path);
        let old = state.contents.get_mut(&content);
        if let Some(held) = old.filter(|held| held.kept.held.is_full()) {
            held.kept.roles = published(held.kept.roles);
            held.remember_copy(file, bytes.to_vec());
        } else {
            let old = state.contents.get(&content).map(|held| &held.kept);
            let manifest = old.map_or(manifest, |old| &old.manifest).clone();
            let roles = published(old.map_or_else(Roles::default, |old| old.roles));
            let proofs = proofs(&manifest, bytes)?;
            let kept = Kept::in_file(&manifest, file, roles, name);
            let (data, copies) = (bytes.to_vec(), Vec::new());
            let held = Held {
                kept,
                data,
                proofs,
                copies,
            };
            state.contents.insert(content, held);
        }
        drop(state);
        self.notify(content);
        self.entry(content).ok_or(StoreError::UnknownContent(content))
    }

    /// Removes a file of the user's, or changes it: no content is in it any more.
    pub fn remove_file(&self, path: &Path) {
        let mut state = self.state();
        state.forget_copies(path);
        state.outputs.remove(path);
        let place = Place::File(path.to_owned());
        let mut changed = Vec::new();
        for (content, held) in &mut state.contents {
            if held.kept.place == place && !held.move_to_copy() {
                held.kept.held = held.kept.manifest.no_fragments();
                changed.push(*content);
            }
        }
        drop(state);
        changed.into_iter().for_each(|content| self.notify(content));
    }

    /// Cuts the power: blocks that were written and not committed are as good as gone.
    pub fn crash(&self) {
        for held in self.state().contents.values_mut() {
            held.kept.forget_written();
        }
    }

    /// Flips a bit of a fragment's first byte, whether or not the fragment is held; returns false when there
    /// is no such byte.
    pub fn rot(&self, content: ContentId, index: FragmentIndex) -> bool {
        let mut state = self.state();
        let Some(held) = state.contents.get_mut(&content) else {
            return false;
        };
        let range = in_memory(held.kept.manifest.range(index));
        let byte = held.data.get_mut(range).and_then(<[u8]>::first_mut);
        byte.is_some_and(|byte| {
            *byte ^= 1;
            true
        })
    }

    /// Whether the fragment is held and its bytes are right.
    #[must_use]
    pub fn is_intact(&self, content: ContentId, index: FragmentIndex) -> bool {
        let state = self.state();
        let Some(held) = state.contents.get(&content) else {
            return false;
        };
        let manifest = &held.kept.manifest;
        let bytes = held.data.get(in_memory(manifest.range(index)));
        let intact = |bytes| FragmentProof::verify(manifest, index, leaves(bytes)).is_ok();
        held.kept.held.contains(index) && bytes.is_some_and(intact)
    }
}

impl State {
    /// Takes a file out of all copies: it has other bytes from now on, or is noted anew.
    fn forget_copies(&mut self, path: &Path) {
        for held in self.contents.values_mut() {
            held.copies.retain(|(copy, _)| copy.path != path);
        }
    }
}

fn proofs(
    manifest: &Manifest,
    bytes: &[u8],
) -> Result<std::collections::BTreeMap<FragmentIndex, FragmentProof>, StoreError> {
    let other = |_| StoreError::OtherFragments(manifest.content());
    let proven = manifest.indices().map(|index| {
        let own = bytes.get(in_memory(manifest.range(index))).unwrap_or_default();
        FragmentProof::verify(manifest, index, leaves(own))
            .map(|proof| (index, proof))
            .map_err(other)
    });
    proven.collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::Content;
    use super::*;

    #[test]
    fn a_crash_leaves_only_what_was_committed() {
        let (store, content) = (MemoryStore::new(1 << 20), Content::new(100_000, 1));
        store
            .prepare(&content.manifest, content.assigned(&[0, 1]))
            .expect("room");
        content.fill(&store, &[0]);
        content.write(&store, 1).expect("writes");
        store.crash();
        assert!(matches!(
            content.commit(&store, 1),
            Err(StoreError::NotWritten { .. })
        ));
        assert_eq!(content.held(&store), [0]);
        assert!(store.is_intact(content.id(), content.index(0)));
        assert!(store.rot(content.id(), content.index(0)));
        assert!(!store.is_intact(content.id(), content.index(0)));
    }

    #[test]
    fn a_shared_file_is_held_completely_and_kept() {
        let (store, content) = (MemoryStore::new(1 << 20), Content::new(100_000, 1));
        store
            .prepare(&content.manifest, content.assigned(&[0]))
            .expect("room");
        let entry = store
            .share(&content.manifest, &content.bytes, "/a".into(), None)
            .expect("the bytes are right");
        assert!(entry.held.is_full() && entry.roles.published && entry.roles.assigned);
        content.read(&store, 1).expect("is there");
        let wrong = store.share(&Content::new(9, 2).manifest, &content.bytes, "/b".into(), None);
        assert!(wrong.is_err());
    }
}
