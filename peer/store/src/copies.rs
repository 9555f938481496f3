//! Copies: the other files of the user's that have a content's bytes.
//!
//! A content's data is in one place. The user may have shared it in several files: equal files, hard links, a
//! file in two directories, an output to which it was exported. The loss of one of them says nothing about
//! the others, so every one is remembered with its identity. When the file in use is gone, changed, unreadable
//! or damaged, the next one that is as it was takes its place, and only when there is none is the content
//! withdrawn.
//!
//! Invariants: a path is a copy of one content at a time; a file is used only while its identity is the one
//! that it had when its bytes were known to be right. A copy that has changed is forgotten. A copy that is
//! away is not: it may come back.

use std::path::{Path, PathBuf};

use shared::model::ContentId;
use tracing::warn;

use super::files::FileIdentity;
use super::index::Index;
use super::slot::Slot;
use super::{DiskStore, Place, StoreError};

/// Copies of one content that are remembered; the oldest make way for new ones. A user has few, a backup of
/// many machines has hundreds.
pub(super) const MAX_COPIES: u32 = 4096;

/// A file of the user's, and its identity when its bytes were known to be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UserFile {
    pub(super) path: PathBuf,
    pub(super) identity: FileIdentity,
}

/// The successor of a file that is lost, among the copies of its content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Succession {
    /// The first copy that is as it was.
    pub(super) next: Option<UserFile>,
    /// Copies before it that have changed.
    pub(super) changed: Vec<PathBuf>,
}

/// Looks for the file that takes the place of a lost one; `at` tells the identity of the file at a path.
pub(super) fn succeed(
    copies: impl IntoIterator<Item = UserFile>,
    lost: &Path,
    at: impl Fn(&Path) -> Option<FileIdentity>,
) -> Succession {
    let mut changed = Vec::new();
    for copy in copies {
        match at(&copy.path) {
            Some(there) if there == copy.identity && copy.path != lost => {
                let next = Some(copy);
                return Succession { next, changed };
            }
            Some(there) if there != copy.identity => changed.push(copy.path),
            _ => {}
        }
    }
    Succession { next: None, changed }
}

/// Finds the file that takes the place of the one in which a content is, and brings the copies in the index up
/// to date, but for that file: the record names it first, and then it is no copy any more.
pub(super) fn successor(
    index: &Index,
    content: ContentId,
    place: &Place,
    identity: Option<FileIdentity>,
) -> Result<Option<UserFile>, StoreError> {
    let Place::File(lost) = place else {
        return Ok(None);
    };
    let Succession { next, changed } = succeed(index.copies(content)?, lost, FileIdentity::at);
    for path in &changed {
        index.remove_copy(path)?;
    }
    let Some(next) = next else {
        return Ok(None);
    };
    warn!(content = %content.short(), lost = %lost.display(), next = %next.path.display(), "a shared file is lost; an equal one is shared instead");
    if let Some(identity) = identity.filter(|_| FileIdentity::at(lost).is_none()) {
        let path = lost.clone();
        index.add_copy(content, &UserFile { path, identity })?;
    }
    Ok(Some(next))
}

impl DiskStore {
    /// Moves a content from the user's file in which it is to an equal one; returns false when there is none.
    pub(super) fn move_to_copy(&self, index: &Index, slot: &Slot) -> Result<bool, StoreError> {
        let kept = slot.kept().durable();
        let Some(next) = successor(index, kept.content(), &kept.place, kept.identity)? else {
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
        let index = self.index();
        let is_there = self.slots.is_current(slot) && slot.kept().place == *place;
        Ok(is_there && self.move_to_copy(&index, slot)?)
    }

    /// Remembers a file that has the bytes of a content, which is all here. Returns false when the content is in
    /// that very file.
    pub(super) fn remember_copy(
        &self,
        index: &Index,
        content: ContentId,
        copy: &UserFile,
    ) -> Result<bool, StoreError> {
        let is_in_use = |slot: &std::sync::Arc<Slot>| slot.kept().place == Place::File(copy.path.clone());
        match self.slots.get(content) {
            Some(slot) if !is_in_use(&slot) => index.add_copy(content, copy).map(|()| true),
            _ => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, inode: u64) -> UserFile {
        let identity = FileIdentity {
            size: 1,
            modified: 2,
            inode,
        };
        UserFile {
            path: path.into(),
            identity,
        }
    }

    #[test]
    fn the_first_copy_that_is_as_it_was_succeeds() {
        let copies = [
            file("away", 1),
            file("changed", 2),
            file("good", 3),
            file("later", 4),
        ];
        let at = |path: &Path| match path.to_str() {
            Some("changed") => Some(file("", 9).identity),
            Some("good") => Some(file("", 3).identity),
            Some("later") => Some(file("", 4).identity),
            _ => None,
        };
        let found = succeed(copies.clone(), Path::new("lost"), at);
        let changed = vec![PathBuf::from("changed")];
        assert_eq!(found.next, Some(file("good", 3)));
        assert_eq!(found.changed, changed);
        let found = succeed(copies.clone(), Path::new("good"), at);
        assert_eq!(
            found.next,
            Some(file("later", 4)),
            "the lost one is not its own successor"
        );
        let found = succeed(copies, Path::new("lost"), |_| None);
        assert_eq!((found.next, found.changed), (None, Vec::new()), "all are away");
    }
}
