//! An index that is gone or torn, a disk that is full or read-only: clear errors, and nothing is lost or made
//! up.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use shared::{Coded as _, ErrorCode};

use super::super::fixture::{Content, files_below};
use super::super::{DiskStore, FragmentStore as _, StoreError, verify_fragment};

const CAPACITY: u64 = 1 << 30;

/// Makes a store with these contents, three fragments each.
fn fill(node: &Path, contents: &[Content]) {
    let store = DiskStore::open(node, CAPACITY).expect("opens");
    for content in contents {
        store
            .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
            .expect("fits");
        content.fill(&store, &[0, 1, 2]);
    }
}

#[test]
fn a_store_whose_index_is_gone_is_refused_and_keeps_its_files() {
    let node = tempfile::tempdir().expect("a directory");
    fill(node.path(), &[Content::new(150_000, 1)]);
    let index = node.path().join("index.db");
    let kept = fs::read(&index).expect("reads");
    let before = files_below(&node.path().join("contents"));
    for harm in [
        (|path: &Path| fs::remove_file(path)) as fn(&Path) -> std::io::Result<()>,
        |path| fs::write(path, ""),
    ] {
        harm(&index).expect("harm");
        let error = DiskStore::open(node.path(), CAPACITY).expect_err("the index is gone");
        assert_eq!(error.code(), ErrorCode::Corrupt);
        assert!(error.to_string().contains("peer rebuild-index"), "{error}");
        assert_eq!(files_below(&node.path().join("contents")), before);
    }
    fs::write(&index, kept).expect("writes");
    let store = DiskStore::open(node.path(), CAPACITY).expect("all is well again");
    assert_eq!(store.entries().len(), 1);
}

#[test]
fn a_changed_index_is_refused_or_no_wrong_byte_is_believed() {
    let node = tempfile::tempdir().expect("a directory");
    let contents = [Content::new(150_000, 1), Content::new(150_000, 2)];
    fill(node.path(), &contents);
    let path = node.path().join("index.db");
    let whole = fs::read(&path).expect("reads");
    let mut refused = 0;
    // Most of a small index is empty.
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    for at in used.iter().copied().step_by(used.len() / 300) {
        let mut index = whole.clone();
        index[at] ^= 0x24;
        fs::write(&path, &index).expect("writes");
        let store = match DiskStore::open(node.path(), CAPACITY) {
            Ok(store) => store,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
                continue;
            }
        };
        for content in &contents {
            let Some(entry) = store.entry(content.id()) else {
                continue;
            };
            for index in entry.held.iter() {
                // The store has the fragments that it claims to hold, or finds out that it has not.
                if verify_fragment(&store, content.id(), index).unwrap_or(false) {
                    content.read(&store, index.get()).expect("it was verified");
                }
            }
        }
    }
    assert!(refused > 30, "only {refused} were refused");
}

/// Held while a program is started from these tests: until it runs, it shares the open files and the locks
/// on them.
pub(crate) static STARTING: Mutex<()> = Mutex::new(());

fn status_of(mut command: Command) -> std::io::Result<ExitStatus> {
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    command.status()
}

/// A small file system in memory; `mount` returns none when this user may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]);
        mount.arg(dir.path()).stderr(Stdio::null());
        status_of(mount)
            .is_ok_and(|status| status.success())
            .then(|| Self(dir))
    }

    fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", options]).arg(self.0.path());
        assert!(status_of(mount).expect("mount").success(), "{options}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let mut unmount = Command::new("umount");
        unmount.arg("-l").arg(self.0.path());
        drop(status_of(unmount));
    }
}

/// Adds contents until that fails; returns the number of complete ones, and the error.
fn fill_up(store: &DiskStore, contents: &[Content]) -> (usize, StoreError) {
    for (n, content) in contents.iter().enumerate() {
        let taken = store
            .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
            .and_then(|_| {
                (0..3).try_for_each(|fragment| {
                    content.write(store, fragment)?;
                    content.commit(store, fragment)
                })
            });
        if let Err(error) = taken {
            return (n, error);
        }
    }
    panic!("the disk never gets full")
}

#[test]
fn a_full_or_read_only_disk_is_named_and_held_fragments_stay() {
    let Some(disk) = SmallDisk::mount() else {
        let skipped = writeln!(
            std::io::stderr(),
            "skipped: this user may not mount a small file system"
        );
        return skipped.expect("someone reads what tests say");
    };
    let contents: Vec<_> = (0..20).map(|seed| Content::new(150_000, seed)).collect();
    let path = disk.0.path().join("node");
    let store = DiskStore::open(&path, CAPACITY).expect("opens");
    let (complete, full) = fill_up(&store, &contents);
    assert_eq!(full.code(), ErrorCode::Exhausted, "{full}");
    let all_are_there = |store: &DiskStore| {
        for content in &contents[..complete] {
            (0..3).for_each(|n| content.read(store, n).expect("what is held is read"));
        }
    };
    assert!(complete > 3);
    all_are_there(&store);

    disk.remount("remount,size=16m");
    let next = &contents[complete];
    store
        .prepare(&next.manifest, next.assigned(&[0, 1, 2]))
        .expect("there is room now");
    next.fill(&store, &[0, 1, 2]);
    drop(store);
    let store = DiskStore::open(&path, CAPACITY).expect("opens");
    all_are_there(&store);
    drop(store);

    disk.remount("remount,ro");
    let error = DiskStore::open(&path, CAPACITY).expect_err("nothing can be written");
    assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
}
