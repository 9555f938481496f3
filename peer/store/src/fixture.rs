//! Contents for tests of stores.

use std::fs;
use std::path::Path;

use shared::hash::{ContentHasher, FragmentProof, leaves};
use shared::model::{BLOCK_LENGTH, ContentId, FragmentIndex, FragmentLength, FragmentSet, Manifest};

use super::{FragmentStore, Purpose, StoreError};

/// A content with its bytes and proofs.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) manifest: Manifest,
    pub(super) bytes: Vec<u8>,
    pub(super) proofs: Vec<FragmentProof>,
}

impl Content {
    /// Makes a content of `length` bytes that depend on `seed`, in the smallest fragments (64 KiB).
    pub(super) fn new(length: usize, seed: u8) -> Self {
        let bytes = (0..length)
            .map(|i| u8::try_from(i * 31 / 7 % 251).expect("below 251") ^ seed)
            .collect();
        Self::cut(bytes, FragmentLength::MIN)
    }

    pub(super) fn cut(bytes: Vec<u8>, fragment_length: FragmentLength) -> Self {
        let mut hasher = ContentHasher::new(bytes.len() as u64, fragment_length);
        hasher.update(&bytes);
        let manifest = hasher.finish().expect("the length is right");
        let fragments = bytes.chunks(fragment_length.get() as usize);
        let proofs = manifest.indices().zip(fragments).map(|(index, fragment)| {
            FragmentProof::verify(&manifest, index, leaves(fragment)).expect("true leaves")
        });
        let proofs = proofs.collect();
        Self {
            manifest,
            bytes,
            proofs,
        }
    }

    pub(super) fn id(&self) -> ContentId {
        self.manifest.content()
    }

    pub(super) fn index(&self, n: u32) -> FragmentIndex {
        self.manifest.index(n).expect("the content has it")
    }

    pub(super) fn set(&self, fragments: &[u32]) -> FragmentSet {
        let mut set = self.manifest.no_fragments();
        for n in fragments {
            set.insert(self.index(*n));
        }
        set
    }

    pub(super) fn fragment(&self, n: u32) -> &[u8] {
        let range = self.manifest.range(self.index(n));
        &self.bytes[usize::try_from(range.start).expect("small")..usize::try_from(range.end).expect("small")]
    }

    pub(super) fn assigned(&self, fragments: &[u32]) -> Purpose {
        Purpose::Assigned(self.set(fragments))
    }

    pub(super) fn fetched(&self, output: &Path, overwrite: bool) -> Purpose {
        Purpose::Fetched {
            name: None,
            output: output.to_owned(),
            overwrite,
        }
    }

    pub(super) fn proof(&self, n: u32) -> &FragmentProof {
        &self.proofs[n as usize]
    }

    /// Writes a fragment two blocks at a time, the last ones first.
    pub(super) fn write(&self, store: &dyn FragmentStore, n: u32) -> Result<(), StoreError> {
        let pieces: Vec<_> = (0_u32..)
            .step_by(2)
            .zip(self.fragment(n).chunks(2 * BLOCK_LENGTH as usize))
            .collect();
        pieces.into_iter().rev().try_for_each(|(first, blocks)| {
            store.write(
                self.id(),
                self.proof(n).check(first, blocks).expect("true blocks"),
            )
        })
    }

    pub(super) fn commit(&self, store: &dyn FragmentStore, n: u32) -> Result<(), StoreError> {
        store.commit(self.id(), std::slice::from_ref(self.proof(n)))
    }

    pub(super) fn fill(&self, store: &dyn FragmentStore, fragments: &[u32]) {
        for n in fragments {
            self.write(store, *n).expect("writes");
            self.commit(store, *n).expect("commits");
        }
    }

    /// Reads a fragment from the store and checks that its bytes and leaves are right.
    pub(super) fn read(&self, store: &dyn FragmentStore, n: u32) -> Result<(), StoreError> {
        let index = self.index(n);
        let bytes = store.read(self.id(), index, self.manifest.whole(index))?;
        assert_eq!(bytes, self.fragment(n), "fragment {n}");
        assert_eq!(store.proof(self.id(), index)?.leaves(), self.proof(n).leaves());
        Ok(())
    }

    pub(super) fn held(&self, store: &dyn FragmentStore) -> Vec<u32> {
        let entry = store.entry(self.id()).expect("it is kept");
        entry.held.iter().map(FragmentIndex::get).collect()
    }
}

/// Returns all files below a directory, sorted, relative to it.
pub(super) fn files_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("lists") {
        let path = entry.expect("lists").path();
        let name = path.file_name().expect("named").to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(
                files_below(&path)
                    .into_iter()
                    .map(|below| format!("{name}/{below}")),
            );
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}
