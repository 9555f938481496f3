//! Data directories of programs: nothing in them is published, and no output goes there, whatever the path
//! says.
//!
//! A path may lead into a directory through links, bind mounts and `..`, and a file may have a second name
//! outside. So files and directories of a program's own are compared by device and inode, at the time of
//! use. The directories of other nodes and trackers on the machine are known by the files in them.
//!
//! Invariant: whatever cannot be looked at is not taken for the program's own; opening it fails anyway.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Levels of directories below the data directory that programs make in it.
const LEVELS: u32 = 3;

/// A file or directory, whatever its path: device and inode.
type Identity = (u64, u64);

/// The files and directories of a data directory at one moment.
#[derive(Debug)]
pub struct OwnData {
    root: PathBuf,
    device: Option<u64>,
    /// The directory itself and those in it.
    directories: HashSet<Identity>,
    /// The files directly in it: keys, tokens, the index.
    files: HashSet<Identity>,
    /// Inodes of all files in it. They are many, and asked for only when a file has a second name.
    all: OnceLock<HashSet<u64>>,
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

impl OwnData {
    /// Looks at a data directory, which need not exist.
    #[must_use]
    pub fn look(root: &Path) -> Self {
        let mut own = Self {
            root: root.to_owned(),
            device: None,
            directories: HashSet::new(),
            files: HashSet::new(),
            all: OnceLock::new(),
        };
        if let Ok(metadata) = fs::metadata(root) {
            own.device = Some(metadata.dev());
            own.directories.insert(identity(&metadata));
        }
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => {
                    own.directories.insert(identity(&metadata));
                    own.directories.extend(directories_in(&entry.path()));
                }
                Ok(metadata) if metadata.is_file() => {
                    own.files.insert(identity(&metadata));
                }
                _ => {}
            }
        }
        own
    }

    /// Returns the path of the directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether this is the data directory, or a directory in it.
    #[must_use]
    pub fn is_directory(&self, metadata: &Metadata) -> bool {
        self.has_directory(metadata.dev(), metadata.ino())
    }

    /// Whether the directory with this device and inode is the data directory, or a directory in it.
    #[must_use]
    pub fn has_directory(&self, device: u64, inode: u64) -> bool {
        self.directories.contains(&(device, inode))
    }

    /// Whether this is a file of the data directory, by whatever name.
    #[must_use]
    pub fn is_file(&self, metadata: &Metadata) -> bool {
        let may_be_linked = metadata.nlink() > 1 && Some(metadata.dev()) == self.device;
        self.files.contains(&identity(metadata))
            || may_be_linked && self.all.get_or_init(|| self.inodes()).contains(&metadata.ino())
    }

    /// Returns the data directory to which or into which a path leads: this one, or another program's. Where
    /// nothing is there yet, its directory counts.
    #[must_use]
    pub fn around(&self, path: &Path) -> Option<PathBuf> {
        let there = path.ancestors().find_map(|path| path.canonicalize().ok())?;
        let is_own = |path: &Path| fs::metadata(path).is_ok_and(|metadata| self.is_directory(&metadata));
        let is_own_file = fs::metadata(&there).is_ok_and(|there| there.is_file() && self.is_file(&there));
        if is_own_file || there.ancestors().any(is_own) {
            return Some(self.root.clone());
        }
        let other = there.ancestors().find(|path| is_data_directory(path));
        other.map(Path::to_owned)
    }

    fn inodes(&self) -> HashSet<u64> {
        let mut inodes = HashSet::new();
        let mut next = vec![(self.root.clone(), 0)];
        while let Some((directory, level)) = next.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && level < LEVELS => next.push((entry.path(), level + 1)),
                    Ok(kind) if kind.is_file() => {
                        inodes.insert(entry.ino());
                    }
                    _ => {}
                }
            }
        }
        inodes
    }
}

/// Whether a node or a tracker has its data in a directory, running or not.
#[must_use]
pub fn is_data_directory(path: &Path) -> bool {
    let has = |names: &[&str]| names.iter().all(|name| path.join(name).exists());
    has(&["lock", "index.db", "contents"]) || has(&["tracker.lock", "journal.sqlite"])
}

/// Returns the identities of the directories that are entries of a directory.
fn directories_in(directory: &Path) -> impl Iterator<Item = Identity> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.filter_map(|entry| Some(identity(&entry.metadata().ok()?)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_data_directory_is_known_by_every_name() {
        let home = tempfile::tempdir().expect("a directory");
        let at = |path: &str| home.path().join(path);
        fs::create_dir_all(at("data/contents/ab")).expect("creates");
        fs::create_dir_all(at("other/sub")).expect("creates");
        for file in ["data/token", "data/contents/ab/x.data", "other/mine"] {
            fs::write(at(file), file).expect("writes");
        }
        symlink(at("data"), at("other/link")).expect("links");
        symlink(at("data/contents"), at("other/deep")).expect("links");
        fs::hard_link(at("data/token"), at("other/token")).expect("links");
        fs::hard_link(at("data/contents/ab/x.data"), at("other/x")).expect("links");
        fs::hard_link(at("other/mine"), at("other/again")).expect("links");
        let own = OwnData::look(&at("data"));
        for inside in [
            "data",
            "data/token",
            "data/new",
            "data/new/deeper",
            "data/contents/ab/y.data",
            "other/link",
            "other/link/new",
            "other/deep/ab",
            "other/token",
            "other/x",
            "other/sub/../../data/new",
        ] {
            assert_eq!(own.around(&at(inside)), Some(at("data")), "{inside}");
        }
        for outside in [
            "other",
            "other/mine",
            "other/again",
            "other/new",
            "dat",
            "data2",
            ".",
        ] {
            assert_eq!(own.around(&at(outside)), None, "{outside}");
        }
        let metadata = |path: &str| fs::metadata(at(path)).expect("there");
        assert!(own.is_file(&metadata("other/token")) && own.is_file(&metadata("other/x")));
        assert!(!own.is_file(&metadata("other/again")));
        assert!(own.is_directory(&metadata("other/deep")) && !own.is_directory(&metadata("other")));
        assert_eq!(OwnData::look(&at("missing")).around(&at("other")), None);
        assert!(
            own.is_directory(&metadata("data/contents/ab")),
            "a bind mount of it has its identity"
        );
    }

    #[test]
    fn data_directories_of_other_programs_are_known_by_their_files() {
        let home = tempfile::tempdir().expect("a directory");
        let home = home.path().canonicalize().expect("exists");
        let own = OwnData::look(&home.join("data"));
        for (program, files) in [
            ("peer", ["lock", "index.db"]),
            ("tracker", ["tracker.lock", "journal.sqlite"]),
        ] {
            let root = home.join(program);
            fs::create_dir_all(root.join("contents/ab")).expect("creates");
            assert_eq!(own.around(&root.join("new")), None, "{program}: no data yet");
            for file in files {
                fs::write(root.join(file), file).expect("writes");
            }
            for inside in ["", "index.db", "new", "contents/ab/x.data"] {
                let found = own.around(&root.join(inside));
                assert_eq!(found.as_deref(), Some(root.as_path()), "{program} {inside}");
            }
        }
        assert_eq!(own.around(&home), None);
    }
}
