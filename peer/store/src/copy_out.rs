//! Copies a complete content of the store out into a file of the user's. A fetch of which nothing was here
//! needs no copy: `writing` moves its partial file.

use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use shared::model::{ContentId, Manifest};

use super::copies::UserFile;
use super::files::{self, FileIdentity};
use super::index::Index;
use super::kept::partial_beside;
use super::room::check_output;
use super::verify::read_fragment;
use super::{DiskStore, Place, StoreError};

impl DiskStore {
    /// Copies a complete content to `output` (an absolute path), and verifies every block on the way. The
    /// output appears complete and synced, or not at all, and is remembered as a copy. Does nothing when the
    /// content is kept in that very file.
    ///
    /// # Errors
    /// [`StoreError::UnknownContent`], [`StoreError::NotHeld`] (names the first missing fragment),
    /// [`StoreError::Damaged`] (all damaged fragments have been withdrawn; names the first),
    /// [`StoreError::Changed`] (the fragments concerned have been withdrawn), [`StoreError::OutputExists`],
    /// [`StoreError::NoRoom`], [`StoreError::Place`], [`StoreError::Io`], [`StoreError::Index`].
    pub fn copy_out(&self, content: ContentId, output: &Path, overwrite: bool) -> Result<(), StoreError> {
        let copied = self.copy_to(content, output, overwrite);
        copied.map_err(|error| error.at_output(output))
    }

    /// Refuses an output that [`Self::copy_out`] would refuse before it writes anything.
    ///
    /// # Errors
    /// As [`Self::copy_out`].
    pub fn check_output(&self, output: &Path, overwrite: bool) -> Result<(), StoreError> {
        let checked = check_output(&self.layout, output, overwrite);
        checked.map_err(|error| error.at_output(output))
    }

    /// Refuses a path that leads to a data directory or to something in it.
    ///
    /// # Errors
    /// [`StoreError::OwnData`].
    pub fn require_foreign(&self, path: &Path) -> Result<(), StoreError> {
        self.layout.require_foreign(path)
    }

    fn copy_to(&self, content: ContentId, output: &Path, overwrite: bool) -> Result<(), StoreError> {
        let (entry, identity) = {
            let slot = self.slot(content)?;
            let kept = slot.kept();
            (kept.entry(), kept.identity)
        };
        if let Some(index) = entry.held.complement().iter().next() {
            return Err(StoreError::NotHeld { content, index });
        }
        if let Place::File(path) = &entry.place
            && path.canonicalize().ok() == output.canonicalize().ok()
            && FileIdentity::at(output).is_some_and(|there| Some(there) == identity)
        {
            return Ok(());
        }
        check_output(&self.layout, output, overwrite)?;
        let copy = partial_beside(output, rand::random());
        self.index().add_temporary(&copy)?;
        let done = self
            .copy(&entry.manifest, &copy)
            .and_then(|identity| {
                self.layout.require_foreign(output)?;
                files::move_file(&copy, output, overwrite).map(|()| identity)
            })
            .or_else(|error| files::remove(&copy).and(Err(error)));
        let index = self.index();
        index.remove_temporary(&copy)?;
        let file = UserFile {
            path: output.to_owned(),
            identity: done?,
        };
        if self.finish_elsewhere(&index, content, &file)? {
            return Ok(());
        }
        self.remember_copy(&index, content, &file).map(drop)
    }

    /// Keeps a content in its output, to which a copy has brought it from a partial file on another disk;
    /// returns whether that was so.
    fn finish_elsewhere(
        &self,
        index: &Index,
        content: ContentId,
        file: &UserFile,
    ) -> Result<bool, StoreError> {
        let slot = self.slot(content)?;
        let Some((partial, output, _)) = slot.kept().complete_partial() else {
            return Ok(false);
        };
        if output != file.path {
            return Ok(false);
        }
        index.add_temporary(&partial)?;
        self.change(index, &slot, |kept| kept.move_to(file.clone()))?;
        self.handles.close(slot.number);
        files::remove(&partial)?;
        index.remove_temporary(&partial)?;
        Ok(true)
    }

    fn copy(&self, manifest: &Manifest, to: &Path) -> Result<FileIdentity, StoreError> {
        let available = files::free_space(to.parent().unwrap_or(Path::new("/")))?;
        let needed = manifest.length();
        if needed > available {
            return Err(StoreError::NoRoom {
                needed,
                available,
                of: "the disk",
            });
        }
        let create = |options: &mut OpenOptions| options.write(true).create_new(true).mode(0o600).open(to);
        let file = create(&mut OpenOptions::new()).map_err(StoreError::io("create", to))?;
        if needed > 0 {
            files::reserve(&file, &(0..needed)).map_err(StoreError::io("make room in", to))?;
        }
        let mut damaged = None;
        for index in manifest.indices() {
            let copied = read_fragment(self, manifest, index, |span, blocks| {
                let at = manifest.span_range(index, span).start;
                file.write_all_at(&blocks, at)
                    .map_err(StoreError::io("write", to))
            });
            match copied {
                // The other fragments are checked all the same, so that the damaged ones are fetched in one
                // go.
                Err(error @ StoreError::Damaged { .. }) => drop(damaged.get_or_insert(error)),
                done => done?,
            }
        }
        if let Some(error) = damaged {
            return Err(error);
        }
        file.sync_all().map_err(StoreError::io("sync", to))?;
        FileIdentity::of_file(&file).map_err(StoreError::io("look at", to))
    }
}
