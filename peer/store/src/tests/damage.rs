//! Files that are cut, lost or rotten, and full disks: damage is found, withdrawn and never served, without a
//! panic.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use shared::model::{Digest, FragmentLength, Manifest};

use super::super::fixture::{Content, files_below};
use super::super::{DiskStore, FragmentStore as _, Place, StoreError, verify_fragment};

const CAPACITY: u64 = 1 << 20;

fn file_of(node: &Path, kind: &str, content: &Content) -> PathBuf {
    let hex = content.id().to_string();
    let directory = if kind == "data" { "contents" } else { "leaves" };
    node.join(directory).join(&hex[..2]).join(format!("{hex}.{kind}"))
}

fn cut(path: &Path, length: u64) {
    OpenOptions::new()
        .write(true)
        .open(path)
        .expect("opens")
        .set_len(length)
        .expect("cuts");
}

fn spoil(path: &Path, at: u64) {
    OpenOptions::new()
        .write(true)
        .open(path)
        .expect("opens")
        .write_all_at(b"rot", at)
        .expect("writes");
}

/// Makes a store with all fragments of a content.
fn full(node: &Path, content: &Content) -> DiskStore {
    let store = DiskStore::open(node, CAPACITY).expect("opens");
    store
        .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
        .expect("fits");
    content.fill(&store, &[0, 1, 2]);
    store
}

#[test]
fn files_that_were_cut_between_two_runs() {
    let content = Content::new(150_000, 1);
    for (kind, length, held) in [
        ("data", 70_000, vec![0]),
        ("data", 0, vec![]),
        ("leaves", 8 * 32, vec![0, 1]),
        ("leaves", 31, vec![]),
    ] {
        let node = tempfile::tempdir().expect("a directory");
        drop(full(node.path(), &content));
        cut(&file_of(node.path(), kind, &content), length);
        let store = DiskStore::open(node.path(), CAPACITY).expect("opens");
        assert_eq!(content.held(&store), held, "{kind} of {length} bytes");
        let missing: Vec<u32> = (0..3).filter(|n| !held.contains(n)).collect();
        store
            .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
            .expect("fits");
        content.fill(&store, &missing);
        (0..3).for_each(|n| content.read(&store, n).expect("reads"));
    }
}

#[test]
fn files_that_are_cut_or_deleted_under_a_running_node() {
    let content = Content::new(150_000, 1);
    for kind in ["data", "leaves"] {
        for is_deleted in [false, true] {
            let node = tempfile::tempdir().expect("a directory");
            drop(full(node.path(), &content));
            let store = DiskStore::open(node.path(), CAPACITY).expect("opens");
            let path = file_of(node.path(), kind, &content);
            if is_deleted {
                fs::remove_file(&path).expect("removes");
            } else {
                cut(&path, 0);
            }
            let mut changes = store.subscribe();
            assert!(
                matches!(content.read(&store, 1), Err(StoreError::Damaged { .. })),
                "{kind}"
            );
            assert!(content.held(&store).is_empty());
            assert_eq!(changes.try_recv(), Ok(content.id()));
            store
                .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
                .expect("fits");
            content.fill(&store, &[0, 1, 2]);
            (0..3).for_each(|n| content.read(&store, n).expect("reads"));
        }
    }
}

#[test]
fn bytes_in_a_file_that_was_deleted_since_are_not_committed() {
    let (node, content) = (
        tempfile::tempdir().expect("a directory"),
        Content::new(150_000, 1),
    );
    let store = DiskStore::open(node.path(), CAPACITY).expect("opens");
    store
        .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
        .expect("fits");
    content.fill(&store, &[0]);
    content.write(&store, 1).expect("writes");
    fs::remove_file(file_of(node.path(), "data", &content)).expect("removes");
    assert!(matches!(
        content.commit(&store, 1),
        Err(StoreError::Changed { .. })
    ));
    assert!(content.held(&store).is_empty());
    store
        .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
        .expect("fits");
    assert!(matches!(
        content.commit(&store, 1),
        Err(StoreError::NotWritten { .. })
    ));
    content.fill(&store, &[0, 1, 2]);
    (0..3).for_each(|n| content.read(&store, n).expect("reads"));
}

#[test]
fn preparing_again_loses_no_written_blocks() {
    let (node, content) = (
        tempfile::tempdir().expect("a directory"),
        Content::new(150_000, 1),
    );
    let store = DiskStore::open(node.path(), CAPACITY).expect("opens");
    store
        .prepare(&content.manifest, content.assigned(&[0]))
        .expect("fits");
    content.write(&store, 0).expect("writes");
    store
        .prepare(&content.manifest, content.assigned(&[0, 2]))
        .expect("fits");
    content.commit(&store, 0).expect("commits");
}

#[test]
fn bytes_in_a_file_that_was_replaced_since_are_not_committed() {
    let (node, content) = (
        tempfile::tempdir().expect("a directory"),
        Content::new(150_000, 1),
    );
    let store = DiskStore::open(node.path(), CAPACITY).expect("opens");
    store
        .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
        .expect("fits");
    content.write(&store, 1).expect("writes");
    let path = file_of(node.path(), "data", &content);
    fs::rename(&path, node.path().join("away")).expect("renames");
    fs::write(&path, vec![0; 150_000]).expect("writes");
    assert!(matches!(
        content.commit(&store, 1),
        Err(StoreError::Changed { .. })
    ));
    content.fill(&store, &[1]);
    content.read(&store, 1).expect("reads");
}

#[test]
fn bytes_written_before_a_lost_file_was_remade_are_not_committed() {
    for kind in ["data", "leaves"] {
        let (node, content) = (
            tempfile::tempdir().expect("a directory"),
            Content::new(150_000, 1),
        );
        let store = DiskStore::open(node.path(), CAPACITY).expect("opens");
        let prepare = || {
            store
                .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
                .expect("fits")
        };
        prepare();
        content.write(&store, 1).expect("writes");
        // As after many other files have been opened.
        store
            .handles
            .close(store.slot(content.id()).expect("kept").number);
        fs::remove_file(file_of(node.path(), kind, &content)).expect("removes");
        prepare();
        assert!(matches!(
            content.commit(&store, 1),
            Err(StoreError::NotWritten { .. })
        ));
        content.fill(&store, &[0, 1]);
        content.read(&store, 1).expect("reads");
    }
}

#[test]
fn a_content_without_room_leaves_nothing() {
    let (node, content) = (
        tempfile::tempdir().expect("a directory"),
        Content::new(150_000, 1),
    );
    let store = DiskStore::open(node.path(), CAPACITY).expect("opens");
    let leaves = file_of(node.path(), "leaves", &content);
    // The data file is made first; then this directory is in the way.
    fs::create_dir_all(&leaves).expect("creates");
    assert!(store.prepare(&content.manifest, content.assigned(&[0])).is_err());
    assert!(store.entries().is_empty() && store.usage().used == 0);
    assert!(files_below(&node.path().join("contents")).is_empty());
    fs::remove_dir(&leaves).expect("removes");
    store
        .prepare(&content.manifest, content.assigned(&[0]))
        .expect("fits");
}

#[test]
fn rot_is_found_by_reading_again_and_healed_by_writing_again() {
    let (node, content) = (
        tempfile::tempdir().expect("a directory"),
        Content::new(150_000, 1),
    );
    let store = full(node.path(), &content);
    spoil(&file_of(node.path(), "data", &content), 70_000);
    // The leaf of the first block of fragment 2.
    spoil(&file_of(node.path(), "leaves", &content), 8 * 32);
    let verify = |n| verify_fragment(&store, content.id(), content.index(n)).expect("held");
    assert!(verify(0) && !verify(1) && !verify(2));
    assert_eq!(content.held(&store), [0]);
    content.fill(&store, &[1, 2]);
    assert!(verify(1) && verify(2));
}

#[test]
fn damage_is_not_copied_out() {
    let (directory, content) = (
        tempfile::tempdir().expect("a directory"),
        Content::new(150_000, 1),
    );
    let (node, output) = (directory.path().join("node"), directory.path().join("output"));
    let store = full(&node, &content);
    spoil(&file_of(&node, "data", &content), 70_000);
    spoil(&file_of(&node, "data", &content), 140_000);
    let refused = store.copy_out(content.id(), &output, false);
    assert!(matches!(refused, Err(StoreError::Damaged { index, .. }) if index == content.index(1)));
    assert_eq!(
        content.held(&store),
        [0],
        "all damaged fragments are withdrawn at once"
    );
    let visible: Vec<_> = files_below(directory.path())
        .into_iter()
        .filter(|f| !f.starts_with("node/"))
        .collect();
    assert!(visible.is_empty(), "{visible:?}");
    assert!(matches!(
        store.copy_out(content.id(), &output, false),
        Err(StoreError::NotHeld { .. })
    ));
}

#[test]
fn a_content_larger_than_the_disk_is_refused_and_leaves_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = DiskStore::open(&directory.path().join("node"), u64::MAX).expect("opens");
    let before = files_below(directory.path());
    // The content is as large as contents can be; its roots are made up.
    let manifest =
        Manifest::from_roots(1 << 40, FragmentLength::MAX, vec![Digest::ZERO; 65_536]).expect("in bounds");
    let output = directory.path().join("output");
    let fetch = super::super::Purpose::Fetched {
        name: None,
        output,
        overwrite: false,
    };
    for purpose in [fetch, super::super::Purpose::Assigned(manifest.all_fragments())] {
        let refused = store.prepare(&manifest, purpose);
        assert!(
            matches!(refused, Err(StoreError::NoRoom { of: "the disk", .. })),
            "{refused:?}"
        );
    }
    assert!(store.entries().is_empty() && store.usage().used == 0);
    assert_eq!(files_below(directory.path()), before);
}

#[test]
fn a_partial_file_that_the_user_deletes_is_fetched_again() {
    let (directory, content) = (
        tempfile::tempdir().expect("a directory"),
        Content::new(150_000, 1),
    );
    let output = directory.path().join("output");
    let store = DiskStore::open(&directory.path().join("node"), 0).expect("opens");
    store
        .prepare(&content.manifest, content.fetched(&output, false))
        .expect("fits");
    content.fill(&store, &[0]);
    let Place::Partial { partial, .. } = store.entry(content.id()).expect("kept").place else {
        panic!("partial")
    };
    fs::remove_file(&partial).expect("removes");
    content.write(&store, 1).expect("writes into the void");
    assert!(content.commit(&store, 1).is_err());
    store
        .prepare(&content.manifest, content.fetched(&output, false))
        .expect("fits");
    content.fill(&store, &[0, 1, 2]);
    assert_eq!(fs::read(&output).expect("reads"), content.bytes);
}

#[test]
fn disk_space_is_taken_before_anything_is_fetched() {
    use std::os::unix::fs::MetadataExt as _;
    let (node, content) = (
        tempfile::tempdir().expect("a directory"),
        Content::new(512 << 10, 1),
    );
    let store = DiskStore::open(node.path(), CAPACITY).expect("opens");
    store
        .prepare(&content.manifest, content.assigned(&[1, 2, 6]))
        .expect("fits");
    let file = fs::metadata(file_of(node.path(), "data", &content)).expect("is there");
    assert_eq!(file.len(), 512 << 10);
    assert!(file.blocks() * 512 < 512 << 10, "unwanted fragments take no room");
}
