//! Room that is set aside on the disk of the data directory, so that something can be forgotten when the disk
//! is full: the index has to write before the files of a content may go, since nothing is deleted that a
//! record still promises.
//!
//! It is a file that is removed for the second attempt at such a change, and made again when there is room.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use shared::{Coded as _, ErrorCode};
use tracing::debug;

use super::StoreError;
use super::files::{free_space, reserve};

/// Bytes that are set aside: pages of the index, and its log, for many records.
const BYTES: u64 = 256 << 10;

/// Bytes that must be free for that: on a disk that is nearly full, contents need them more.
const FREE: u64 = 64 * BYTES;

/// The room of one data directory.
#[derive(Debug)]
pub(super) struct Reserve(PathBuf);

impl Reserve {
    /// Sets room aside in a data directory, if there is enough.
    pub(super) fn in_directory(root: &Path) -> Self {
        let reserve = Self(root.join("reserve"));
        reserve.make();
        reserve
    }

    /// Does work that gives room back and first needs some; once more without the reserve if the disk is
    /// full.
    pub(super) fn lend<T>(&self, mut work: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
        match work() {
            Err(error) if error.code() == ErrorCode::Exhausted && self.give_up() => {
                let done = work();
                self.make();
                done
            }
            done => done,
        }
    }

    fn give_up(&self) -> bool {
        std::fs::remove_file(&self.0).is_ok()
    }

    /// Makes the file unless it is there. It helps only, so a failure is none of the caller's.
    fn make(&self) {
        let has_room = self
            .0
            .parent()
            .is_some_and(|root| free_space(root).is_ok_and(|free| free >= FREE));
        if !has_room || self.0.exists() {
            return;
        }
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.0);
        if let Err(error) = made.and_then(|file| reserve(&file, &(0..BYTES))) {
            debug!(%error, "no room is set aside in the data directory");
            self.give_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn full() -> StoreError {
        StoreError::NoRoom {
            needed: 1,
            available: 0,
            of: "the disk",
        }
    }

    #[test]
    fn the_room_is_lent_to_the_second_attempt_on_a_full_disk() {
        let home = tempfile::tempdir().expect("a directory");
        let (reserve, file) = (Reserve::in_directory(home.path()), home.path().join("reserve"));
        let length = || std::fs::metadata(&file).map_or(0, |file| file.len());
        assert_eq!(length(), BYTES);
        let attempts = Cell::new(0);
        let needs_room = || {
            attempts.set(attempts.get() + 1);
            if file.exists() { Err(full()) } else { Ok(()) }
        };
        reserve.lend(needs_room).expect("there is room");
        assert_eq!(
            (attempts.get(), length()),
            (2, BYTES),
            "and it is set aside again"
        );
        attempts.set(0);
        let refused = reserve.lend(|| {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(StoreError::Unusable("for another reason".to_owned()))
        });
        assert!(refused.is_err() && attempts.get() == 1 && file.exists());
        attempts.set(0);
        let refused = reserve.lend(|| {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(full())
        });
        assert_eq!(
            (refused.map_err(|error| error.code()), attempts.get()),
            (Err(ErrorCode::Exhausted), 2)
        );
    }
}
