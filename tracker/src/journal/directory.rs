//! Data directory of a tracker: its lock, and whether its journal is still there.
//!
//! The lock file says more than that a tracker runs: once it is not empty, a journal was begun here. A
//! directory without the journal that was begun in it has lost it, and to begin anew would silently forget
//! every name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use shared::data_files;
use shared::database::{self, Verdict};
use shared::own_data::{Program, is_of_node, stranger};
use tracing::warn;

use super::JournalError;

const LOCK: &str = "tracker.lock";
const JOURNAL: &str = "journal.sqlite";

/// Attempts to lock a directory, and the time between them.
const ATTEMPTS: u32 = 5;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// Content of the lock file once there is a journal.
const BEGUN: &str = "a journal was begun here\n";

/// Data directory that is locked as long as this value lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    lock: File,
}

impl Directory {
    /// Creates the directory if it is missing, and locks it; touches none that has something else in it.
    pub(super) fn take(path: &Path) -> Result<Self, JournalError> {
        if is_of_node(path) {
            return Err(JournalError::OfPeer(path.to_owned()));
        }
        if let Some(stranger) = stranger(path, Program::Tracker) {
            return Err(JournalError::OfUser(path.to_owned(), stranger));
        }
        data_files::make_data_directory(path).map_err(failed("create the data directory", path))?;
        Self::lock(path, OpenOptions::new().create(true).truncate(false))
    }

    /// Locks a directory in which nothing is to be written; returns none for one that has no lock file.
    pub(super) fn visit(path: &Path) -> Result<Option<Self>, JournalError> {
        match path.join(LOCK).try_exists() {
            Ok(true) => Self::lock(path, &mut OpenOptions::new()).map(Some),
            // A backup has no lock, and needs none.
            Ok(false) => Ok(None),
            Err(source) => Err(failed("look into", path)(source)),
        }
    }

    fn lock(path: &Path, options: &mut OpenOptions) -> Result<Self, JournalError> {
        let file = path.join(LOCK);
        let lock = data_files::open(&file, options.read(true).write(true));
        let lock = lock.map_err(failed("write", &file))?;
        take(&lock).map_err(|error| match error {
            TryLockError::WouldBlock => JournalError::InUse(path.to_owned()),
            TryLockError::Error(source) => failed("lock", &file)(source),
        })?;
        Ok(Self {
            path: path.to_owned(),
            lock,
        })
    }

    /// Returns the path of the journal in a data directory.
    pub(super) fn journal(path: &Path) -> PathBuf {
        path.join(JOURNAL)
    }

    /// Checks that the journal can contain everything that was acknowledged, as far as its files tell. No
    /// program may have the file open, because opening it replays its log.
    pub(super) fn examine(path: &Path) -> Result<(), JournalError> {
        let journal = path.join(JOURNAL);
        let damaged = |what| JournalError::Damaged {
            path: journal.clone(),
            what,
        };
        let is_begun = match data_files::read(&path.join(LOCK)) {
            Ok(text) => !text.is_empty(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(source) => return Err(failed("read", &path.join(LOCK))(source)),
        };
        match database::examine(&journal).map_err(failed("read", &journal))? {
            Verdict::Absent if is_begun => Err(damaged("there was one here, and it is gone".to_owned())),
            Verdict::Damaged(what) => Err(damaged(what)),
            Verdict::Torn(what) => {
                warn!(journal = %journal.display(), what, "the end of the journal's log is cut, as after a crash");
                Ok(())
            }
            Verdict::Absent | Verdict::Sound => Ok(()),
        }
    }

    /// Notes that there is a journal from now on; durable when it returns.
    pub(super) fn note_begun(&mut self) -> Result<(), JournalError> {
        let file = self.path.join(LOCK);
        let failed = || failed("write", &file);
        let mut text = Vec::new();
        self.lock.read_to_end(&mut text).map_err(|e| failed()(e))?;
        if text.is_empty() {
            self.lock.write_all(BEGUN.as_bytes()).map_err(|e| failed()(e))?;
            self.lock.sync_all().map_err(|e| failed()(e))?;
        }
        Ok(())
    }
}

/// Makes an error of an operation on a path that the operating system refused; for `map_err`.
pub(super) fn failed<'a>(
    act: &'static str,
    path: &'a Path,
) -> impl FnOnce(std::io::Error) -> JournalError + 'a {
    move |source| JournalError::Io {
        act,
        path: path.to_owned(),
        source,
    }
}

/// Locks the file. Waits a moment for a command that has it for an instant, and for a tracker that is ending.
fn take(file: &File) -> Result<(), TryLockError> {
    for _ in 1..ATTEMPTS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_ATTEMPTS),
            done => return done,
        }
    }
    file.try_lock()
}
