//! Staged uploads: kept without a copy, or gone without a trace; never more than there is room for.

use std::fs;
use std::sync::Arc;

use shared::model::Name;
use shared::{Coded as _, ErrorCode};
use tempfile::TempDir;

use super::super::fixture::{Content, files_below};
use super::super::{DiskStore, FragmentStore as _, Place, Role, StoreError};

const CAPACITY: u64 = 1 << 20;

fn opened() -> (TempDir, Arc<DiskStore>) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = DiskStore::open(directory.path(), CAPACITY).expect("opens");
    (directory, Arc::new(store))
}

fn name() -> Name {
    Name::new("a/b").expect("a name")
}

#[test]
fn an_upload_is_a_published_content_also_after_a_restart() {
    let (directory, store) = opened();
    let content = Content::new(300_000, 1);
    let mut upload = store.stage_upload(None).expect("room");
    for piece in content.bytes.chunks(7_001) {
        upload.append(piece).expect("room");
    }
    assert_eq!(
        upload.keep(&name(), None, &mut |_| {}).expect("kept"),
        content.manifest
    );
    assert_eq!(store.usage().used, 300_000);
    drop(store);
    let store = DiskStore::open(directory.path(), CAPACITY).expect("opens");
    let entry = store.entry(content.id()).expect("kept");
    assert!(entry.roles.published && entry.held.is_full());
    assert_eq!((entry.place, entry.name), (Place::Store, Some(name())));
    (0..5).for_each(|n| content.read(&store, n).expect("reads"));
    assert_eq!(store.forget(content.id()).expect("known"), 300_000);
    assert!(files_below(&directory.path().join("contents")).is_empty());
    assert!(files_below(&directory.path().join("leaves")).is_empty());
}

#[test]
fn an_upload_that_breaks_off_or_does_not_fit_leaves_nothing() {
    let (directory, store) = opened();
    let mut upload = store.stage_upload(None).expect("room");
    upload.append(&[1; 5_000]).expect("room");
    assert_eq!(store.usage().used, 5_000, "the last step is as long as is needed");
    drop(upload);
    let mut endless = store.stage_upload(None).expect("room for nothing yet");
    let full = (0..).find_map(|_| endless.append(&[2; 100_000]).err());
    let full = full.expect("it ends");
    assert_eq!(full.code(), ErrorCode::Exhausted);
    assert!(endless.length() <= CAPACITY);
    // All bytes that have come, and not the piece that came last.
    let (came, room) = (1_100_000, CAPACITY);
    assert!(
        matches!(full, StoreError::NoRoom { needed, available, .. } if (needed, available) == (came, room)),
        "{full}"
    );
    let second = store.stage_upload(Some(CAPACITY));
    assert!(matches!(second, Err(StoreError::NoRoom { .. })), "it is taken");
    drop(endless);
    drop(store.stage_upload(Some(CAPACITY)).expect("and now it is not"));
    assert!(store.stage_upload(Some(CAPACITY + 1)).is_err());
    assert!(store.stage_upload(Some(u64::MAX)).is_err());
    assert_eq!(store.usage().used, 0);
    assert!(files_below(&directory.path().join("contents")).is_empty());
}

#[test]
fn an_upload_completes_a_partial_content_and_doubles_none() {
    let (directory, store) = opened();
    let content = Content::new(300_000, 3);
    let purpose = content.assigned(&[1, 2]);
    store.prepare(&content.manifest, purpose).expect("room");
    content.fill(&*store, &[1]);
    for _ in 0..2 {
        let mut upload = store.stage_upload(Some(300_000)).expect("room");
        upload.append(&content.bytes).expect("room");
        assert_eq!(
            upload.keep(&name(), None, &mut |_| {}).expect("kept"),
            content.manifest
        );
        assert_eq!(store.usage().used, 300_000);
        let entry = store.entry(content.id()).expect("kept");
        assert!(entry.held.is_full() && entry.roles.published && entry.roles.assigned);
    }
    (0..5).for_each(|n| content.read(&*store, n).expect("reads"));
    assert_eq!(files_below(&directory.path().join("contents")).len(), 1);
    store.release(content.id(), Role::Published).expect("known");
    assert!(store.entry(content.id()).is_some(), "it is assigned still");
}

#[test]
fn an_empty_upload_is_a_content_and_leftovers_are_swept() {
    let (directory, store) = opened();
    let empty = store
        .stage_upload(None)
        .expect("room")
        .keep(&name(), None, &mut |_| {})
        .expect("kept");
    assert_eq!((empty.length(), empty.fragment_count()), (0, 0));
    drop(store);
    fs::write(directory.path().join("contents/0123456789abcdef.upload"), b"half").expect("writes");
    let store = DiskStore::open(directory.path(), CAPACITY).expect("opens");
    assert!(store.entry(empty.content()).is_some());
    assert_eq!(files_below(&directory.path().join("contents")).len(), 1);
}
