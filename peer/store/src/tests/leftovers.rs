//! Records of contents of which nothing is held go, and none that somebody still works on.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use shared::model::ContentId;

use super::super::fixture::{Content, files_below};
use super::super::{DiskStore, FragmentStore as _, Purpose, Role, verify_fragment};

const CAPACITY: u64 = 1 << 20;

/// Calls, after the first, that find a leftover before it goes.
const LATER: u32 = 5;

fn look(store: &DiskStore, times: u32) -> Vec<ContentId> {
    let looks = (0..times).flat_map(|_| store.forget_leftovers(|_| false).expect("looks"));
    looks.collect()
}

/// Changes a byte of the data in the store, or changes it back.
fn flip(node: &Path, content: &Content) {
    let hex = content.id().to_string();
    let path = node.join("contents").join(&hex[..2]).join(format!("{hex}.data"));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("opens");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 9).expect("reads");
    file.write_all_at(&[byte[0] ^ 1], 9).expect("writes");
}

fn fetched(content: &Content, role: Role) -> Purpose {
    Purpose::Collected {
        role,
        name: None,
        fragments: content.manifest.all_fragments(),
    }
}

#[test]
fn a_fetch_that_brought_nothing_leaves_no_record() {
    let directory = tempfile::tempdir().expect("a directory");
    let node = directory.path().join("node");
    let store = DiskStore::open(&node, CAPACITY).expect("opens");
    let empty_store = files_below(&node);
    let [catalog, file, held, added] = [1, 2, 3, 4].map(|seed| Content::new(40_000, seed));
    let output = directory.path().join("file");
    for (content, purpose) in [
        (&catalog, fetched(&catalog, Role::Fetched)),
        (&file, file.fetched(&output, false)),
        (&held, held.assigned(&[0])),
        (&added, fetched(&added, Role::Published)),
    ] {
        store.prepare(&content.manifest, purpose).expect("fits");
    }
    held.fill(&store, &[0]);
    assert_eq!(look(&store, LATER), []);
    // Wanted once more, and being fetched.
    store
        .prepare(&catalog.manifest, fetched(&catalog, Role::Fetched))
        .expect("fits");
    let busy = store.forget_leftovers(|content| content == file.id());
    assert_eq!(busy.expect("looks"), []);
    assert_eq!(look(&store, LATER - 1), []);
    assert_eq!(look(&store, 1), [catalog.id()]);
    assert_eq!(look(&store, 1), [file.id()]);
    assert_eq!(look(&store, LATER * 3), []);
    let mut left: Vec<_> = store
        .entries()
        .iter()
        .map(|entry| entry.manifest.content())
        .collect();
    left.sort();
    let mut expected = [held.id(), added.id()];
    expected.sort();
    assert_eq!(left, expected, "the user's own stays, as does what is held");
    assert_eq!(
        store.usage().used,
        held.manifest.length() + added.manifest.length()
    );
    assert!(
        files_below(directory.path())
            .iter()
            .all(|path| path.starts_with("node/"))
    );
    store.forget(held.id()).expect("is there");
    store.forget(added.id()).expect("is there");
    assert_eq!(files_below(&node), empty_store);
}

#[test]
fn a_copy_that_rotted_whole_takes_no_room() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = DiskStore::open(directory.path(), CAPACITY).expect("opens");
    let content = Content::new(40_000, 1);
    for is_well_again in [false, true] {
        store
            .prepare(&content.manifest, content.assigned(&[0]))
            .expect("fits");
        content.fill(&store, &[0]);
        flip(directory.path(), &content);
        let intact = verify_fragment(&store, content.id(), content.index(0)).expect("reads");
        assert!(!intact);
        assert_eq!(store.usage().used, content.manifest.length(), "room for a repair");
        if is_well_again {
            flip(directory.path(), &content);
        }
        assert_eq!(look(&store, LATER + 1), [content.id()]);
        assert_eq!(store.usage().used, 0);
    }
    // Bytes that are right after all are not thrown away.
    drop(store);
    let store = DiskStore::open(directory.path(), CAPACITY).expect("opens");
    content.read(&store, 0).expect("adopted");
}
