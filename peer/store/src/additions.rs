//! Additions: changes that a publication makes to the store, and that are taken back unless it comes about.
//!
//! A content is here, and durable, before the tracker is asked to bind its name. When the tracker refuses,
//! when the user stops the command, or when a later file of a directory cannot be read, the store must be as
//! it was: no role, no file that is remembered, no byte of capacity taken. So everything that is added for a
//! publication goes through an [`Addition`], which undoes it when it is dropped before [`Addition::keep`].
//!
//! A killed process cannot undo anything: the index notes what is being added, and the next start takes it
//! back (`recovery`).
//!
//! Several additions may touch one content: see [`TouchedContents`](super::touched::TouchedContents).

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use shared::model::{ContentId, FragmentLength, Manifest, Name};
use tracing::warn;

use super::publish::HashedFile;
use super::{DiskStore, FragmentStore as _, Role, StagedUpload, StoreError};

/// The changes of one addition. Its methods, and its end, may wait for the disk.
#[derive(Debug)]
pub struct Addition {
    store: Arc<DiskStore>,
    /// Tells this addition from others in the index.
    number: u64,
    touched: Vec<ContentId>,
    /// Copies that were not remembered before.
    copies: Vec<(ContentId, PathBuf)>,
    /// Catalogs that were not noted as such before.
    catalogs: Vec<ContentId>,
    is_kept: bool,
}

impl Addition {
    /// Begins an addition, which has changed nothing yet.
    #[must_use]
    pub fn begin(store: &Arc<DiskStore>) -> Self {
        Self {
            store: Arc::clone(store),
            number: rand::random(),
            touched: Vec::new(),
            copies: Vec::new(),
            catalogs: Vec::new(),
            is_kept: false,
        }
    }

    /// Returns the store.
    #[must_use]
    pub const fn store(&self) -> &Arc<DiskStore> {
        &self.store
    }

    /// Shares a file that was hashed. Returns the manifest that is kept.
    ///
    /// # Errors
    /// As [`DiskStore::add_file`].
    pub fn file(&mut self, hashed: HashedFile, name: Option<Name>) -> Result<Manifest, StoreError> {
        let (content, path) = (hashed.content(), hashed.path().to_owned());
        self.touch(content);
        let (manifest, is_new_copy) = self.store.share(hashed, name)?;
        if is_new_copy {
            self.copies.push((content, path));
        }
        Ok(manifest)
    }

    /// Hashes a user's file and shares it in place.
    ///
    /// # Errors
    /// As [`DiskStore::add_file`].
    pub fn hash_and_share(
        &mut self,
        path: &std::path::Path,
        fragment_length: Option<FragmentLength>,
        threads: NonZeroUsize,
        progress: &(dyn Fn(u64) + Sync),
        cancelled: &AtomicBool,
    ) -> Result<Manifest, StoreError> {
        let hashed = self
            .store
            .hash_file(path, fragment_length, threads, progress, cancelled)?;
        self.file(hashed, None)
    }

    /// Keeps bytes as a content that the user has added: a pack, a catalog or a value. The content is durable
    /// when this returns.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`], [`StoreError::Manifest`], [`StoreError::Io`], [`StoreError::Index`].
    pub fn bytes(
        &mut self,
        bytes: &[u8],
        name: &Name,
        fragment_length: Option<FragmentLength>,
    ) -> Result<Manifest, StoreError> {
        let store = Arc::clone(&self.store);
        store.keep_bytes(bytes, name, fragment_length, &mut |content| self.touch(content))
    }

    /// Adds a content again that is all here: a pack of an earlier revision, maybe one that was only fetched.
    ///
    /// # Errors
    /// [`StoreError::UnknownContent`] when it has gone meanwhile; [`StoreError::Index`].
    pub fn again(&mut self, content: ContentId) -> Result<(), StoreError> {
        self.touch(content);
        let slot = self.store.slot(content)?;
        let index = self.store.index();
        self.store.change(&index, &slot, |kept| {
            kept.roles = kept.roles.with(Role::Published, true);
        })
    }

    /// Keeps the bytes of an upload; see `StagedUpload::keep`.
    ///
    /// # Errors
    /// As `StagedUpload::keep`.
    pub fn upload(
        &mut self,
        staged: StagedUpload,
        name: &Name,
        fragment_length: Option<FragmentLength>,
    ) -> Result<Manifest, StoreError> {
        staged.keep(name, fragment_length, &mut |content| self.touch(content))
    }

    /// Notes that a content is the catalog of a collection that is added here.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn catalog(&mut self, catalog: ContentId) -> Result<(), StoreError> {
        if !self.store.is_collection(catalog)? {
            self.store.note_collection(catalog)?;
            self.catalogs.push(catalog);
        }
        Ok(())
    }

    /// Makes the changes final: the publication is in the outbox.
    pub fn keep(&mut self) {
        self.is_kept = true;
        // The publication has ended this addition; others may have begun with the same contents.
        warn_of(self.store.index().end_addition(&self.touched));
    }

    /// Takes the changes back, also after [`Self::keep`]: the tracker has refused the publication.
    pub fn undo(mut self) {
        self.is_kept = false;
    }

    fn touch(&mut self, content: ContentId) {
        let is_published = || {
            let entry = self.store.entry(content);
            entry.is_some_and(|entry| entry.roles.published)
        };
        if self.store.touched.touch(content, is_published) {
            warn_of(self.store.index().begin_addition(self.number, content));
        }
        self.touched.push(content);
    }

    fn take_back(&self, content: ContentId) -> Result<(), StoreError> {
        match self.store.release(content, Role::Published) {
            Ok(_) | Err(StoreError::UnknownContent(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Addition {
    fn drop(&mut self) {
        let warn = |content: ContentId, done: Result<(), StoreError>| {
            if let Err(error) = done {
                warn!(content = %content.short(), %error, "an addition could not be taken back");
            }
        };
        if !self.is_kept {
            for (content, path) in &self.copies {
                warn(*content, self.store.index().remove_copy(path));
            }
            for catalog in &self.catalogs {
                warn(*catalog, self.store.forget_collection(*catalog));
            }
        }
        let mut undone = Vec::new();
        for content in &self.touched {
            if self.store.touched.end(*content, self.is_kept) {
                warn(*content, self.take_back(*content));
                undone.push(*content);
            }
        }
        warn_of(self.store.index().end_addition(&undone));
    }
}

/// Logs that the index could not note the beginning or end of an addition: only a kill makes a difference.
fn warn_of(noted: Result<(), StoreError>) {
    if let Err(error) = noted {
        warn!(%error, "an addition could not be noted; a kill might leave some of it behind");
    }
}
