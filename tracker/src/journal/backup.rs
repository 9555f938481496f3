//! A copy of the journal while its tracker runs.
//!
//! SQLite's own snapshot of one moment is written into a new file, so the tracker need not know: no rpc, no signal,
//! no pause. What was acknowledged before the copy began is in it, and of what came later nothing or a beginning.
//! Invariants: nothing is overwritten; the file gets its name only when it is complete and on disk.

use std::fs::{self, File};
use std::path::Path;

use super::JournalError;
use super::directory::{Directory, failed};
use super::sqlite::{failure, read_only};

/// What is not complete yet.
const UNFINISHED: &str = "journal.unfinished";

/// Copies the journal of a data directory into another directory, which is made if need be. A tracker can start
/// from it.
///
/// # Errors
/// When there is no journal, the target has one, or reading or writing fails.
pub fn back_up(data_dir: &Path, target: &Path) -> Result<(), JournalError> {
    let source = Directory::journal(data_dir);
    if !source.is_file() {
        return Err(JournalError::Missing(data_dir.to_owned()));
    }
    fs::create_dir_all(target).map_err(failed("create", target))?;
    let (unfinished, copy) = (target.join(UNFINISHED), Directory::journal(target));
    if copy.exists() {
        return Err(JournalError::Exists(copy));
    }
    // What an interrupted backup left behind.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed("replace", &unfinished)(error));
        }
        _ => {}
    }
    let connection = read_only(&source)?;
    let written = connection.execute("VACUUM INTO ?1", [unfinished.to_string_lossy().as_ref()]);
    written.map_err(|error| failure(&unfinished, error))?;
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    sync(&unfinished).map_err(failed("sync", &unfinished))?;
    fs::rename(&unfinished, &copy).map_err(failed("name", &copy))?;
    sync(target).map_err(failed("sync", target))
}
