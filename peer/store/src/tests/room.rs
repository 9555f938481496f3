//! Room on the disk: taken by verified data, promised by an account, and given back.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use shared::model::{Digest, FragmentLength, Manifest};
use shared::{Coded as _, ErrorCode};

use super::super::files::free_space;
use super::super::fixture::{Content, files_below};
use super::super::{DiskStore, FragmentStore as _, Purpose, StoreError};

/// Makes a manifest of which nobody has a byte.
fn made_up(length: u64, seed: u8) -> Manifest {
    let fragment_length = FragmentLength::for_content(length);
    let count = length.div_ceil(fragment_length.get().into());
    let root = |n: u64| {
        let mut root = [seed; 32];
        root[..8].copy_from_slice(&n.to_le_bytes());
        Digest::from_bytes(root)
    };
    Manifest::from_roots(length, fragment_length, (0..count).map(root).collect()).expect("a manifest")
}

fn assign(store: &DiskStore, manifest: &Manifest) -> Result<(), StoreError> {
    let all = Purpose::Assigned(manifest.all_fragments());
    store.prepare(manifest, all).map(drop)
}

/// Bytes that the files below a directory take on the disk.
fn taken(directory: &Path) -> u64 {
    let size = |file: &String| fs::metadata(directory.join(file)).expect("there").blocks() * 512;
    files_below(directory).iter().map(size).sum()
}

#[test]
fn a_made_up_content_takes_no_disk_and_leaves_nothing() {
    let node = tempfile::tempdir().expect("a directory");
    let store = DiskStore::open(node.path(), 1 << 30).expect("opens");
    let manifest = made_up(100 << 20, 1);
    assign(&store, &manifest).expect("fits");
    assert_eq!(store.usage().used, 100 << 20, "the account knows it");
    assert_eq!(taken(&node.path().join("contents")), 0);
    assert_eq!(taken(&node.path().join("leaves")), 0);
    let all = manifest.all_fragments();
    store.give_back(manifest.content(), &all).expect("known");
    assert_eq!(store.usage().used, 0);
    for directory in ["contents", "leaves"] {
        assert_eq!(files_below(&node.path().join(directory)), Vec::<String>::new());
    }
}

#[test]
fn a_disk_that_will_be_full_is_known_before_anything_comes() {
    let node = tempfile::tempdir().expect("a directory");
    let store = DiskStore::open(node.path(), u64::MAX).expect("opens");
    let free = free_space(node.path()).expect("known");
    if free > 1 << 39 {
        // No disk that counts, or more than a content may have.
        return;
    }
    let (first, second) = (made_up(free / 10 * 6, 1), made_up(free / 10 * 6, 2));
    assign(&store, &first).expect("fits");
    let refused = assign(&store, &second).expect_err("both do not fit");
    assert!(
        matches!(refused, StoreError::NoRoom { of: "the disk", .. }),
        "{refused}"
    );
    assert_eq!(refused.code(), ErrorCode::Exhausted);
    assert!(store.entry(second.content()).is_none());
    assign(&store, &first).expect("repeating it asks for nothing more");
    store
        .give_back(first.content(), &first.all_fragments())
        .expect("known");
    assign(&store, &second).expect("there is room again");
    // The account is made anew by a start.
    drop(store);
    let store = DiskStore::open(node.path(), u64::MAX).expect("opens");
    assert!(assign(&store, &first).is_err());
}

#[test]
fn disk_space_is_taken_where_data_arrive_and_given_back() {
    let node = tempfile::tempdir().expect("a directory");
    let store = DiskStore::open(node.path(), 1 << 30).expect("opens");
    let content = Content::new(40 << 20, 1);
    let fragments: Vec<u32> = (0..content.manifest.fragment_count()).collect();
    store
        .prepare(&content.manifest, content.assigned(&fragments))
        .expect("fits");
    content.fill(&store, &[300]);
    let data = || taken(&node.path().join("contents"));
    assert!(data() <= 17 << 20, "its neighbourhood, and no more: {}", data());
    content.write(&store, 301).expect("writes");
    store
        .give_back(content.id(), &content.manifest.all_fragments())
        .expect("known");
    assert_eq!(store.usage().used, 65_536);
    content.read(&store, 300).expect("what has come stays");
    // A file system that cannot make holes keeps the room.
    assert!(data() <= 17 << 20);
}
