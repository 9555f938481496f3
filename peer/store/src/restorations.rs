//! Directories that were made from collections: the next request for the same, into the same directory, goes
//! on there or brings it up to date, and does not make another directory inside.
//!
//! A directory that is being made is known by its path. One that is complete is known by its path and its
//! identity, so that a directory of the user's that took its place is the user's. The newest notes are kept.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::{DiskStore, StoreError};

/// Beginnings of the keys: of directories that are being made, and of complete ones.
const BEGUN: &str = "restoring ";
const COMPLETE: &str = "restored ";

/// Complete directories that are remembered.
const MAX_COMPLETE: u32 = 1000;

impl DiskStore {
    /// Notes that a new directory is being made from the collection that was asked for in these words.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn begin_restoration(&self, directory: &Path, asked: &str) -> Result<(), StoreError> {
        self.meta_set(&key(BEGUN, directory), asked.as_bytes())
    }

    /// Notes that a directory is complete, if its making was noted.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn end_restoration(&self, directory: &Path) -> Result<(), StoreError> {
        let begun = key(BEGUN, directory);
        let Some(asked) = self.meta_get(&begun)? else {
            return Ok(());
        };
        if let Some(identity) = identity(directory) {
            let note = [identity.as_bytes(), &asked].concat();
            self.meta_set(&key(COMPLETE, directory), &note)?;
            self.index().meta_trim(COMPLETE, MAX_COMPLETE)?;
        }
        self.index().meta_remove(&begun)
    }

    /// Whether a directory was made from the collection that is asked for in these words, be it complete or
    /// not.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn is_restoration(&self, directory: &Path, asked: &str) -> Result<bool, StoreError> {
        if let Some(begun) = self.meta_get(&key(BEGUN, directory))? {
            return Ok(begun == asked.as_bytes());
        }
        let Some(complete) = self.meta_get(&key(COMPLETE, directory))? else {
            return Ok(false);
        };
        let now = identity(directory).map(|identity| [identity.as_bytes(), asked.as_bytes()].concat());
        Ok(now == Some(complete))
    }
}

fn key(beginning: &str, directory: &Path) -> String {
    format!("{beginning}{}", directory.display())
}

/// Tells a directory from another or a later one at its path: an inode may be given again, so the time of its
/// making counts too, where the file system knows it.
fn identity(directory: &Path) -> Option<String> {
    let metadata = fs::metadata(directory).ok().filter(fs::Metadata::is_dir)?;
    let born = metadata.created().ok();
    let born = born.and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    let born = born.map_or(0, |born| born.as_nanos());
    Some(format!("{} {born} ", metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_known_until_another_takes_its_place() {
        let home = tempfile::tempdir().expect("a directory");
        let store = DiskStore::open(&home.path().join("data"), 1 << 30).expect("opens");
        let new = home.path().join("new");
        let is_it = |asked: &str| store.is_restoration(&new, asked).expect("reads");
        fs::create_dir(&new).expect("made");
        store.end_restoration(&new).expect("nothing was begun");
        assert!(!is_it("tree"), "the user's own");
        fs::remove_dir(&new).expect("removed");
        store.begin_restoration(&new, "tree").expect("noted");
        assert!(is_it("tree") && !is_it("other"), "it is being made");
        fs::create_dir(&new).expect("made");
        store.end_restoration(&new).expect("noted");
        fs::write(new.join("file"), "x").expect("written");
        assert!(is_it("tree") && !is_it("other"), "it is complete");
        let old = home.path().join("old");
        fs::rename(&new, &old).expect("renamed");
        assert!(!is_it("tree"), "it is gone");
        fs::create_dir(&new).expect("made");
        assert!(!is_it("tree"), "another directory");
        fs::remove_dir(&new).expect("removed");
        fs::rename(&old, &new).expect("renamed");
        assert!(is_it("tree"), "it is back");
    }

    #[test]
    fn the_oldest_notes_of_complete_directories_are_forgotten() {
        let home = tempfile::tempdir().expect("a directory");
        let store = DiskStore::open(&home.path().join("data"), 1 << 30).expect("opens");
        let of = |n: u32| format!("{COMPLETE}/{n:04}");
        for n in 0..5 {
            store.meta_set(&of(n), b"x").expect("noted");
        }
        store.meta_set("restored", b"x").expect("another key");
        store.meta_set(&of(0), b"y").expect("noted again");
        store.index().meta_trim(COMPLETE, 2).expect("trims");
        let is_there = |key: &str| store.meta_get(key).expect("reads").is_some();
        let kept: Vec<_> = (0..5).filter(|n| is_there(&of(*n))).collect();
        assert_eq!(kept, [0, 4]);
        assert!(is_there("restored"));
    }
}
