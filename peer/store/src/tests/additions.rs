//! Additions: nothing is left of one that does not come about.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use shared::model::{Manifest, Name};
use tempfile::TempDir;

use super::super::fixture::{Content, files_below};
use super::super::{Addition, DiskStore, FragmentStore as _, Place, Role, StoreError};

struct Home {
    directory: TempDir,
    store: Arc<DiskStore>,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Arc::new(DiskStore::open(&directory.path().join("node"), 1 << 20).expect("opens"));
        Self { directory, store }
    }

    fn file(&self, name: &str, content: &Content) -> PathBuf {
        let path = self.directory.path().canonicalize().expect("exists").join(name);
        fs::write(&path, &content.bytes).expect("writes");
        path
    }

    fn begin(&self) -> Addition {
        Addition::begin(&self.store)
    }

    fn add(&self, addition: &mut Addition, name: &str, content: &Content) -> Result<Manifest, StoreError> {
        let path = self.file(name, content);
        let (one, stop) = (NonZeroUsize::MIN, AtomicBool::new(false));
        let hashed = self.store.hash_file(&path, None, one, &|_| {}, &stop)?;
        addition.file(hashed, Some(name.parse().expect("a name")))
    }

    fn names(&self) -> Vec<Option<Name>> {
        self.store.entries().into_iter().map(|entry| entry.name).collect()
    }

    fn is_published(&self, content: &Content) -> bool {
        let entry = self.store.entry(content.id());
        entry.is_some_and(|entry| entry.roles.published)
    }
}

#[test]
fn an_addition_that_is_dropped_leaves_nothing() {
    let (home, file, pack) = (Home::new(), Content::new(300_000, 1), Content::new(100_000, 2));
    let name: Name = "tree".parse().expect("a name");
    let mut addition = home.begin();
    home.add(&mut addition, "file", &file).expect("adds");
    let catalog = addition.bytes(&pack.bytes, &name, None).expect("fits").content();
    addition.catalog(catalog).expect("writes");
    let mut upload = home.store.stage_upload(None).expect("room");
    upload.append(&Content::new(50_000, 3).bytes).expect("writes");
    addition.upload(upload, &name, None).expect("fits");
    assert_eq!(home.store.usage().used, 150_000);
    drop(addition);
    assert!(home.store.entries().is_empty() && home.store.usage().used == 0);
    assert!(!home.store.is_collection(catalog).expect("reads"));
    for directory in ["node/contents", "node/leaves"] {
        assert!(files_below(&home.directory.path().join(directory)).is_empty());
    }
}

#[test]
fn a_refused_addition_of_a_known_content_leaves_it_as_it_was() {
    let (home, content) = (Home::new(), Content::new(150_000, 1));
    let mut first = home.begin();
    home.add(&mut first, "a", &content).expect("adds");
    first.keep();
    drop(first);
    let mut second = home.begin();
    home.add(&mut second, "b", &content).expect("adds");
    second.keep();
    second.undo();
    assert_eq!(home.names(), [Some("a".parse().expect("a name"))]);
    assert!(home.is_published(&content));
    assert_eq!(
        home.store.index().copies(content.id()).expect("reads"),
        [],
        "b is no copy"
    );

    // An assigned content is published no longer, but it stays.
    let assigned = Content::new(100_000, 2);
    let store = &home.store;
    store
        .prepare(&assigned.manifest, assigned.assigned(&[0, 1]))
        .expect("fits");
    assigned.fill(&**store, &[0, 1]);
    let mut third = home.begin();
    home.add(&mut third, "c", &assigned).expect("adds");
    assert!(home.is_published(&assigned));
    drop(third);
    assert!(!home.is_published(&assigned));
    let entry = store.entry(assigned.id()).expect("kept");
    assert_eq!(
        (entry.place, entry.name, entry.held.is_full()),
        (Place::Store, None, true)
    );
}

#[test]
fn of_two_additions_at_once_one_is_enough() {
    let (home, content) = (Home::new(), Content::new(150_000, 1));
    for is_first_kept in [true, false] {
        let (mut first, mut second) = (home.begin(), home.begin());
        home.add(&mut first, "a", &content).expect("adds");
        home.add(&mut second, "a", &content).expect("adds");
        match is_first_kept {
            true => first.keep(),
            false => second.keep(),
        }
        drop(first);
        assert!(home.is_published(&content));
        drop(second);
        assert!(home.is_published(&content), "one of them was accepted");
        home.store.forget(content.id()).expect("known");
    }
    let (mut first, mut second) = (home.begin(), home.begin());
    home.add(&mut first, "a", &content).expect("adds");
    home.add(&mut second, "a", &content).expect("adds");
    drop(first);
    assert!(home.is_published(&content), "the other may come about");
    drop(second);
    assert!(home.store.entries().is_empty());
}

#[test]
fn nobody_shares_between_the_question_and_the_eviction() {
    let (home, content) = (Home::new(), Content::new(100_000, 1));
    let mut addition = home.begin();
    home.add(&mut addition, "file", &content).expect("adds");
    addition.keep();
    for (is_protected, roles) in [(true, None), (true, Some(&[Role::Published][..])), (false, None)] {
        let ask = || {
            assert!(home.store.is_index_locked(), "who shares waits");
            is_protected
        };
        let freed = home.store.evict(content.id(), roles, &ask).expect("known");
        assert_eq!(freed.is_none(), is_protected);
        assert_eq!(home.is_published(&content), is_protected);
    }
}
