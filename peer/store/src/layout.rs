//! The layout of a data directory, and the lock on it.
//!
//! ```text
//! lock                          one node at a time
//! index.db                      index of the contents that are kept (SQLite)
//! contents/<2 hex>/<id>.data    bytes of contents that the store keeps, each fragment at its offset (sparse)
//! leaves/<2 hex>/<id>.leaves    leaf hashes of every content, 32 bytes at each block's position (sparse)
//! leaves/<random>.spool         leaf hashes of a file that is being added
//! index.db-running              there while the index has a log, which must be there too
//! lost/                         files of the two directories that nothing refers to and that prove nothing
//! index.db.damaged, …           an index that was rebuilt, as it was, with its log and its marker
//! rebuilding/                   copies, while an index is rebuilt
//! contents/<random>.staged      bytes of a staged upload, until they are a content
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use shared::data_files;
use shared::database::{self, Verdict};
use shared::model::ContentId;
use shared::own_data::{OwnData, Owner, Program, is_of_tracker, stranger};
use tracing::warn;

use super::error::MEND;
use super::files::sync_directory;
use super::kept::Kept;
use super::{Place, StoreError};

/// Attempts to lock a directory at which only commands look ([`take`]). They look for microseconds, but there
/// can be many of them, and a busy machine can hold one up just then.
const ATTEMPTS: u32 = 1000;

/// Pause between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(1);

/// The paths of one data directory.
#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Makes the missing directories, readable by their owner only.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when a tracker has its data there, or the user; [`StoreError::Io`].
    pub(super) fn create(root: &Path) -> Result<Self, StoreError> {
        if is_of_tracker(root) {
            return Err(StoreError::Unusable(format!(
                "{} is the data directory of a tracker; choose another with --data-dir",
                root.display()
            )));
        }
        if let Some(stranger) = stranger(root, Program::Node) {
            return Err(StoreError::Unusable(format!(
                "{} is no data directory of a peer, and not empty: {} is there; choose another with --data-dir",
                root.display(),
                stranger.display()
            )));
        }
        let layout = Self {
            root: root.to_owned(),
        };
        data_files::make_data_directory(root).map_err(StoreError::io("create", root))?;
        for directory in [layout.contents(), layout.leaf_files()] {
            make_directory(&directory)?;
        }
        // Paths are stored and compared: they must not depend on the working directory.
        let root = root.canonicalize().map_err(StoreError::io("use", root))?;
        sync_directory(&root)?;
        Ok(Self { root })
    }

    /// Takes the directory for this process, while the returned file is open. Blocks: it waits a moment for
    /// commands that only look whether a node runs here.
    pub(super) fn lock(&self) -> Result<File, StoreError> {
        let path = self.root.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = data_files::open(&path, &options).map_err(StoreError::io("open", &path))?;
        match take(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // The number only helps people; a process id has at most ten digits.
                let found = (&file).take(16).read_to_string(&mut pid).map(|_| pid.trim());
                let who = found.ok().filter(|pid| !pid.is_empty()).unwrap_or("unknown");
                return Err(StoreError::Unusable(format!(
                    "{} is in use by another node (pid {who}); stop it or choose another data directory",
                    self.root.display()
                )));
            }
            Err(TryLockError::Error(source)) => return Err(StoreError::io("lock", &path)(source)),
        }
        let pid = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all(pid.as_bytes()))
            .map_err(StoreError::io("write", &path))?;
        Ok(file)
    }

    /// Refuses an output that leads to a data directory or to something in it, or into the system's.
    pub(super) fn require_foreign(&self, path: &Path) -> Result<(), StoreError> {
        refuse(path, OwnData::look(&self.root).around_output(path))
    }

    /// Refuses an open file of the data directory, whatever path led to it.
    pub(super) fn require_foreign_file(&self, path: &Path, file: &File) -> Result<(), StoreError> {
        let own = OwnData::look(&self.root);
        let metadata = file.metadata().map_err(StoreError::io("look at", path))?;
        let is_own = own
            .is_file(&metadata)
            .then(|| Owner::Directory(self.root.clone()));
        refuse(path, is_own.or_else(|| own.around(path)))
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn index(&self) -> PathBuf {
        Self::index_of(&self.root)
    }

    /// Returns the index of a data directory.
    pub(super) fn index_of(data_dir: &Path) -> PathBuf {
        data_dir.join("index.db")
    }

    /// Whether there are fragments in a directory, or an index, also one that was put aside. Makes nothing.
    pub(super) fn is_used(root: &Path) -> bool {
        let layout = Self {
            root: root.to_owned(),
        };
        let is_index = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.is_ok_and(|entry| entry.file_name().as_encoded_bytes().starts_with(b"index.db"))
        };
        let has_index = std::fs::read_dir(root).is_ok_and(|mut entries| entries.any(is_index));
        let directories = [layout.contents(), layout.leaf_files(), layout.lost()];
        has_index
            || directories
                .iter()
                .any(|directory| has_file(directory).unwrap_or(false))
    }

    /// Refuses an index that is damaged or has lost something, and a directory that has fragments and no
    /// index.
    pub(super) fn examine_index(&self) -> Result<(), StoreError> {
        let index = self.index();
        match database::examine(&index).map_err(StoreError::io("read", &index))? {
            Verdict::Absent => {}
            Verdict::Sound => return Ok(()),
            Verdict::Torn(what) => {
                warn!(index = %index.display(), what, "the end of the index's log is cut, as after a crash");
                return Ok(());
            }
            Verdict::Damaged(what) => {
                return Err(StoreError::Torn(format!(
                    "{} is damaged: {what}; nothing was changed; {MEND}",
                    index.display()
                )));
            }
        }
        for directory in [self.contents(), self.leaf_files()] {
            if has_file(&directory).map_err(StoreError::io("list", &directory))? {
                return Err(StoreError::Torn(format!(
                    "{} is gone, but there are fragments in {}; {MEND}",
                    index.display(),
                    directory.display()
                )));
            }
        }
        Ok(())
    }

    pub(super) fn contents(&self) -> PathBuf {
        self.root.join("contents")
    }

    pub(super) fn leaf_files(&self) -> PathBuf {
        self.root.join("leaves")
    }

    /// Returns the directory of the copies that are needed while an index is rebuilt.
    pub(super) fn rebuilding(&self) -> PathBuf {
        self.root.join("rebuilding")
    }

    /// Returns the directory of the files that were found and belong to nothing.
    pub(super) fn lost(&self) -> PathBuf {
        self.root.join("lost")
    }

    pub(super) fn data(&self, content: ContentId) -> PathBuf {
        Self::spread(&self.contents(), content, "data")
    }

    /// Returns the file to which the store writes a content's data; none when the data is in a user's file.
    pub(super) fn own_data(&self, kept: &Kept) -> Option<PathBuf> {
        match &kept.place {
            Place::Store => Some(self.data(kept.content())),
            Place::Partial { partial, .. } => Some(partial.clone()),
            Place::File(_) => None,
        }
    }

    pub(super) fn leaves(&self, content: ContentId) -> PathBuf {
        Self::spread(&self.leaf_files(), content, "leaves")
    }

    pub(super) fn spool(&self, nonce: u64) -> PathBuf {
        self.leaf_files().join(format!("{nonce:016x}.spool"))
    }

    pub(super) fn staged(&self, nonce: u64) -> PathBuf {
        self.contents().join(format!("{nonce:016x}.staged"))
    }

    /// Spreads files over 256 directories, so that no directory grows too large.
    fn spread(directory: &Path, content: ContentId, extension: &str) -> PathBuf {
        let hex = content.to_string();
        directory.join(&hex[..2]).join(format!("{hex}.{extension}"))
    }
}

/// Locks the file, exclusively. Waits for commands that share the lock for an instant to look whether a node
/// runs, and not for a node.
fn take(file: &File) -> Result<(), TryLockError> {
    for _ in 1..ATTEMPTS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => file.try_lock_shared()?,
            done => return done,
        }
        // No process has the lock to itself, so no node uses the directory.
        file.unlock().map_err(TryLockError::Error)?;
        std::thread::sleep(BETWEEN_ATTEMPTS);
    }
    file.try_lock()
}

/// Whether there is a file in the directory, or one level below.
fn has_file(directory: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let is_empty = entry.file_type()?.is_dir() && std::fs::read_dir(entry.path())?.next().is_none();
        if !is_empty {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes the directory of one of the store's own files, durably.
pub(super) fn make_directory_of(file: &Path) -> Result<(), StoreError> {
    let Some(directory) = file.parent().filter(|directory| !directory.is_dir()) else {
        return Ok(());
    };
    make_directory(directory)?;
    directory.parent().map_or(Ok(()), sync_directory)
}

pub(super) fn make_directory(path: &Path) -> Result<(), StoreError> {
    data_files::make_directory(path).map_err(StoreError::io("create", path))
}

/// Refuses a path for the program that owns the place.
fn refuse(path: &Path, owner: Option<Owner>) -> Result<(), StoreError> {
    let path = path.to_owned();
    owner.map_or(Ok(()), |owner| Err(StoreError::OwnData { path, owner }))
}

#[cfg(test)]
mod tests {
    use std::sync::PoisonError;
    use std::sync::mpsc::{self, TryRecvError};

    use super::*;
    use crate::tests::fire::STARTING;

    #[test]
    fn a_command_that_looks_keeps_no_node_from_starting_and_a_node_does() {
        let _no_program_starts = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let home = tempfile::tempdir().expect("made");
        let layout = Layout::create(home.path()).expect("made");
        drop(layout.lock().expect("it is free"));
        let lock = home.path().join("lock");
        let (over, is_over) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while is_over.try_recv() == Err(TryRecvError::Empty) {
                    let file = File::open(&lock).expect("it is there");
                    drop(file.try_lock_shared());
                }
            });
            for _ in 0..300 {
                let used = layout.lock().expect("commands only look");
                let refused = layout.lock().expect_err("it is used");
                assert!(
                    refused.to_string().contains("in use by another node"),
                    "{refused}"
                );
                drop(used);
            }
            drop(over);
        });
    }
}
