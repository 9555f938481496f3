//! Copies: the other files of the user's that have a content's bytes.
//!
//! A content's data is in one place. The user may have shared it in several files: equal files, hard links, a
//! file in two directories, an output to which it was copied out. The loss of one of them says nothing about
//! the others, so every one is remembered with its identity. When the file in use is gone, changed,
//! unreadable or damaged, the next one that is as it was takes its place, and only when there is none is the
//! content withdrawn.
//!
//! Invariants: a path is a copy of one content at a time; a file is used only while its identity is the one
//! that it had when its bytes were known to be right. A copy that has changed is forgotten. A copy that is
//! away is not: it may come back.

use std::path::{Path, PathBuf};

use super::files::FileIdentity;

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
