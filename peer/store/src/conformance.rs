//! The behaviour of every store, on disk and in memory alike.

mod model;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use shared::model::FragmentLength;
use tokio::sync::broadcast::error::TryRecvError;

use super::fixture::Content;
use super::{DiskStore, FragmentStore, MemoryStore, Place, Role, StoreError, Usage, verify_fragment};

const FRAGMENT: u64 = 64 << 10;

/// Runs a test on an empty store of this capacity, once for each kind; the path is a directory for outputs.
fn both(capacity: u64, story: impl Fn(&dyn FragmentStore, &Path)) {
    let directory = tempfile::tempdir().expect("a directory");
    story(&MemoryStore::new(capacity), directory.path());
    let disk = DiskStore::open(&directory.path().join("node"), capacity).expect("opens");
    story(&disk, directory.path());
}

/// Files of a user's, which come and go.
trait Users: FragmentStore {
    fn add(&self, content: &Content, path: &Path);
    fn lose(&self, path: &Path);
}

impl Users for MemoryStore {
    fn add(&self, content: &Content, path: &Path) {
        self.share(&content.manifest, &content.bytes, path.to_owned(), None)
            .expect("the bytes are right");
    }

    fn lose(&self, path: &Path) {
        self.remove_file(path);
    }
}

impl Users for DiskStore {
    fn add(&self, content: &Content, path: &Path) {
        if std::fs::read(path).ok().as_ref() != Some(&content.bytes) {
            std::fs::write(path, &content.bytes).expect("writes");
        }
        let stop = AtomicBool::new(false);
        self.add_file(
            path,
            None,
            Some(FragmentLength::MIN),
            NonZeroUsize::MIN,
            &|_| {},
            &stop,
        )
        .expect("adds");
    }

    fn lose(&self, path: &Path) {
        std::fs::remove_file(path).expect("removes");
        self.check_files(Duration::ZERO);
    }
}

/// Runs a story with files on an empty store of each kind.
fn both_users(story: impl Fn(&dyn Users, &Path)) {
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path().canonicalize().expect("exists");
    story(&MemoryStore::new(0), &home);
    let disk = DiskStore::open(&home.join("node"), 0).expect("opens");
    story(&disk, &home);
}

#[test]
fn room_of_what_does_not_come_is_given_back() {
    both(1 << 20, |store, directory| {
        let content = Content::new(150_000, 1);
        let prepare = |purpose| store.prepare(&content.manifest, purpose).expect("fits");
        prepare(content.assigned(&[0, 1, 2]));
        content.fill(store, &[0]);
        content.write(store, 1).expect("writes");
        store
            .give_back(content.id(), &content.set(&[0, 1, 2]))
            .expect("known");
        assert_eq!(store.usage().used, 65_536);
        content.read(store, 0).expect("what has come stays");
        assert!(matches!(
            content.commit(store, 1),
            Err(StoreError::NotPrepared { .. })
        ));
        prepare(content.assigned(&[1, 2]));
        content.fill(store, &[1, 2]);
        store
            .give_back(content.id(), &content.set(&[0, 1, 2]))
            .expect("known");
        (0..3).for_each(|n| content.read(store, n).expect("all has come"));

        // Nothing came.
        let made_up = Content::new(90_000, 2);
        store
            .prepare(&made_up.manifest, made_up.assigned(&[0, 1]))
            .expect("fits");
        store.give_back(made_up.id(), &made_up.set(&[0])).expect("known");
        assert_eq!(store.usage().used, 150_000 + 90_000 - 65_536);
        store.give_back(made_up.id(), &made_up.set(&[1])).expect("known");
        assert!(store.entry(made_up.id()).is_none());
        store
            .give_back(made_up.id(), &made_up.set(&[1]))
            .expect("it is gone already");
        assert_eq!(store.usage().used, 150_000);

        // The user wants it.
        let output = directory.join("output");
        store
            .prepare(&made_up.manifest, made_up.fetched(&output, false))
            .expect("fits");
        store
            .prepare(&made_up.manifest, made_up.assigned(&[0, 1]))
            .expect("fits");
        store
            .give_back(made_up.id(), &made_up.set(&[0, 1]))
            .expect("known");
        made_up.fill(store, &[0, 1]);
    });
}

#[test]
fn a_content_stays_while_one_of_its_files_does() {
    let (content, other) = (Content::new(150_000, 1), Content::new(150_000, 2));
    both_users(|store, home| {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| home.join(name));
        // A path that is given twice is one file, and the first stays the place.
        for path in [&a, &b, &a, &c, &d, &b] {
            store.add(&content, path);
        }
        let place = || store.entry(content.id()).expect("kept").place;
        assert_eq!(place(), Place::File(a.clone()));
        store.add(&other, &c);
        let mut changes = store.subscribe();
        store.lose(&a);
        store.lose(&d);
        assert_eq!(place(), Place::File(b.clone()), "c has other bytes by now");
        (0..3).for_each(|n| content.read(store, n).map(drop).expect("reads"));
        assert_eq!(
            changes.try_recv(),
            Err(TryRecvError::Empty),
            "nothing was withdrawn"
        );
        store.lose(&b);
        assert!(content.held(store).is_empty(), "no file is left");
        assert_eq!(changes.try_recv(), Ok(content.id()));
        other.read(store, 0).expect("reads");
        store.add(&content, &b);
        store.add(&content, &a);
        store.forget(content.id()).expect("known");
        store.add(&content, &d);
        store.lose(&d);
        assert!(content.held(store).is_empty(), "forgotten files do not come back");
    });
}

#[test]
fn a_file_that_is_damaged_gives_way_to_an_equal_one() {
    let content = Content::new(150_000, 1);
    both_users(|store, home| {
        let (a, b) = (home.join("a"), home.join("b"));
        store.add(&content, &a);
        store.add(&content, &b);
        store.withdraw(content.id(), &content.set(&[1])).expect("known");
        assert_eq!(store.entry(content.id()).expect("kept").place, Place::File(b));
        assert_eq!(content.held(store), [0, 1, 2]);
        store.withdraw(content.id(), &content.set(&[1])).expect("known");
        assert_eq!(content.held(store), [0, 2]);
    });
}

#[test]
fn a_fragment_is_held_when_it_is_committed_and_not_before() {
    let content = Content::new(150_000, 1);
    both(1 << 20, |store, _| {
        let mut changes = store.subscribe();
        let entry = store
            .prepare(&content.manifest, content.assigned(&[0, 2]))
            .expect("fits");
        assert!(entry.held.is_empty() && entry.roles.assigned && entry.place == Place::Store);
        content.write(store, 2).expect("writes");
        assert!(matches!(content.read(store, 2), Err(StoreError::NotHeld { .. })));
        while changes.try_recv().is_ok() {}
        content.commit(store, 2).expect("commits");
        assert_eq!(changes.try_recv(), Ok(content.id()));
        assert_eq!(changes.try_recv(), Err(TryRecvError::Empty));
        content.read(store, 2).expect("reads");
        assert_eq!(content.held(store), [2]);
        assert!(verify_fragment(store, content.id(), content.index(2)).expect("held"));
        assert!(matches!(
            verify_fragment(store, content.id(), content.index(0)),
            Err(StoreError::NotHeld { .. })
        ));
    });
}

#[test]
fn only_prepared_and_written_fragments_can_be_committed() {
    let content = Content::new(150_000, 1);
    both(1 << 20, |store, _| {
        assert!(matches!(
            content.write(store, 0),
            Err(StoreError::UnknownContent(_))
        ));
        assert!(matches!(
            content.commit(store, 0),
            Err(StoreError::UnknownContent(_))
        ));
        store
            .prepare(&content.manifest, content.assigned(&[0]))
            .expect("fits");
        assert!(matches!(
            content.write(store, 1),
            Err(StoreError::NotPrepared { .. })
        ));
        assert!(matches!(
            content.commit(store, 1),
            Err(StoreError::NotPrepared { .. })
        ));
        let first = content
            .proof(0)
            .check(0, &content.fragment(0)[..16 << 10])
            .expect("true");
        store.write(content.id(), first).expect("writes");
        assert!(matches!(
            content.commit(store, 0),
            Err(StoreError::NotWritten { .. })
        ));
        assert!(content.held(store).is_empty());
    });
}

#[test]
fn blocks_written_before_a_content_was_forgotten_do_not_count() {
    let content = Content::new(150_000, 1);
    both(1 << 20, |store, _| {
        store
            .prepare(&content.manifest, content.assigned(&[0]))
            .expect("fits");
        content.write(store, 0).expect("writes");
        store.forget(content.id()).expect("known");
        store
            .prepare(&content.manifest, content.assigned(&[0]))
            .expect("fits");
        assert!(matches!(
            content.commit(store, 0),
            Err(StoreError::NotWritten { .. })
        ));
    });
}

#[test]
fn preparing_again_changes_nothing_and_more_may_be_added() {
    let content = Content::new(150_000, 1);
    both(1 << 20, |store, _| {
        store
            .prepare(&content.manifest, content.assigned(&[0]))
            .expect("fits");
        content.fill(store, &[0]);
        for _ in 0..2 {
            let entry = store
                .prepare(&content.manifest, content.assigned(&[0]))
                .expect("fits");
            assert_eq!(entry.held, content.set(&[0]));
            assert_eq!(
                store.usage(),
                Usage {
                    capacity: 1 << 20,
                    used: FRAGMENT
                }
            );
        }
        store
            .prepare(&content.manifest, content.assigned(&[2]))
            .expect("fits");
        assert_eq!(store.usage().used, FRAGMENT + (150_000 - 2 * FRAGMENT));
        content.fill(store, &[2]);
        assert_eq!(content.held(store), [0, 2]);
    });
}

#[test]
fn a_content_beyond_the_capacity_is_refused_and_leaves_nothing() {
    let (content, other) = (Content::new(150_000, 1), Content::new(200_000, 2));
    both(2 * FRAGMENT, |store, _| {
        let refused = store.prepare(&content.manifest, content.assigned(&[0, 1, 2]));
        assert!(matches!(refused, Err(StoreError::NoRoom { available, .. }) if available == 2 * FRAGMENT));
        assert!(store.entry(content.id()).is_none() && store.usage().used == 0);
        store
            .prepare(&content.manifest, content.assigned(&[0]))
            .expect("fits");
        assert!(store.prepare(&other.manifest, other.assigned(&[0, 1])).is_err());
        assert!(
            store
                .prepare(&content.manifest, content.assigned(&[1, 2]))
                .is_err()
        );
        assert_eq!(store.usage().used, FRAGMENT);
        assert_eq!(store.forget(content.id()).expect("known"), FRAGMENT);
        store
            .prepare(&other.manifest, other.assigned(&[0, 1]))
            .expect("now it fits");
    });
}

#[test]
fn a_withdrawn_fragment_can_be_written_again() {
    let content = Content::new(150_000, 1);
    both(1 << 20, |store, _| {
        store
            .prepare(&content.manifest, content.assigned(&[0, 1]))
            .expect("fits");
        content.fill(store, &[0, 1]);
        let mut changes = store.subscribe();
        store.withdraw(content.id(), &content.set(&[1])).expect("known");
        assert_eq!(changes.try_recv(), Ok(content.id()));
        assert!(matches!(content.read(store, 1), Err(StoreError::NotHeld { .. })));
        assert_eq!(store.usage().used, 2 * FRAGMENT, "its room stays reserved");
        store.withdraw(content.id(), &content.set(&[1])).expect("known");
        assert_eq!(changes.try_recv(), Err(TryRecvError::Empty), "nothing changed");
        assert!(matches!(
            content.commit(store, 1),
            Err(StoreError::NotWritten { .. })
        ));
        content.fill(store, &[1]);
        content.read(store, 1).expect("reads");
    });
}

#[test]
fn a_content_stays_while_it_has_a_role() {
    let content = Content::new(150_000, 1);
    both(1 << 20, |store, outputs| {
        store
            .prepare(&content.manifest, content.assigned(&[0]))
            .expect("fits");
        let entry = store
            .prepare(&content.manifest, content.fetched(&outputs.join("out"), false))
            .expect("fits");
        assert!(entry.roles.assigned && entry.roles.fetched && entry.place == Place::Store);
        assert_eq!(store.usage().used, 150_000);
        assert_eq!(store.release(content.id(), Role::Fetched).expect("known"), 0);
        assert_eq!(store.release(content.id(), Role::Published).expect("known"), 0);
        let mut changes = store.subscribe();
        assert_eq!(
            store.release(content.id(), Role::Assigned).expect("known"),
            150_000
        );
        assert_eq!(changes.try_recv(), Ok(content.id()));
        assert!(store.entries().is_empty() && store.usage().used == 0);
        assert!(matches!(
            store.release(content.id(), Role::Assigned),
            Err(StoreError::UnknownContent(_))
        ));
        assert!(matches!(
            store.forget(content.id()),
            Err(StoreError::UnknownContent(_))
        ));
    });
}

#[test]
fn a_complete_fetch_is_its_output_and_takes_no_capacity() {
    let content = Content::new(150_000, 1);
    both(0, |store, outputs| {
        let output = outputs.join("out");
        store
            .prepare(&content.manifest, content.fetched(&output, false))
            .expect("fits");
        content.fill(store, &[2, 0]);
        let entry = store.entry(content.id()).expect("kept");
        assert!(matches!(entry.place, Place::Partial { output: to, .. } if to == output));
        content.read(store, 0).expect("served while it is fetched");
        content.fill(store, &[1]);
        let entry = store
            .prepare(&content.manifest, content.fetched(&output, false))
            .expect("it is there");
        assert_eq!(entry.place, Place::File(output.clone()));
        assert_eq!(store.usage().used, 0);
        content.read(store, 1).expect("reads");
        content.fill(store, &[1]);
        let entry = store
            .prepare(&content.manifest, content.assigned(&[0, 1]))
            .expect("nothing to do");
        assert_eq!(entry.place, Place::File(output.clone()));

        let other = Content::new(10, 2);
        let exists = store.prepare(&other.manifest, other.fetched(&output, false));
        assert!(matches!(exists, Err(StoreError::OutputExists { path }) if path == output));
        assert!(store.entry(other.id()).is_none());
        store
            .prepare(&other.manifest, other.fetched(&output, true))
            .expect("it may be replaced");
    });
}

#[test]
fn a_fetch_goes_to_the_output_that_was_asked_for_last() {
    let content = Content::new(150_000, 1);
    both(0, |store, outputs| {
        store
            .prepare(&content.manifest, content.fetched(&outputs.join("a"), false))
            .expect("fits");
        store
            .prepare(&content.manifest, content.fetched(&outputs.join("b"), false))
            .expect("fits");
        content.fill(store, &[0]);
        store
            .prepare(&content.manifest, content.fetched(&outputs.join("c"), false))
            .expect("fits");
        content.fill(store, &[1, 2]);
        assert_eq!(
            store.entry(content.id()).expect("kept").place,
            Place::File(outputs.join("c"))
        );
        assert!(!outputs.join("a").exists() && !outputs.join("b").exists());
    });
}

#[test]
fn a_fetch_that_is_refused_changes_nothing() {
    let (content, other) = (Content::new(150_000, 1), Content::new(10, 2));
    both(1 << 20, |store, outputs| {
        let output = outputs.join("out");
        store
            .prepare(&other.manifest, other.fetched(&output, false))
            .expect("fits");
        other.fill(store, &[0]);
        store
            .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
            .expect("fits");
        content.fill(store, &[0, 1, 2]);
        let refused = store.prepare(&content.manifest, content.fetched(&output, false));
        assert!(matches!(refused, Err(StoreError::OutputExists { .. })));
        let entry = store.entry(content.id()).expect("kept");
        assert!(entry.roles.assigned && !entry.roles.fetched);
        store
            .prepare(&content.manifest, content.fetched(&output, true))
            .expect("it may be replaced");
    });
}

#[test]
fn damage_in_a_users_file_is_not_repaired_in_place() {
    let content = Content::new(150_000, 1);
    both(1 << 20, |store, outputs| {
        store
            .prepare(&content.manifest, content.fetched(&outputs.join("out"), false))
            .expect("fits");
        content.fill(store, &[0, 1, 2]);
        store.withdraw(content.id(), &content.set(&[1])).expect("known");
        assert!(matches!(content.write(store, 1), Err(StoreError::InPlace { .. })));
        let refused = store.prepare(&content.manifest, content.assigned(&[1]));
        assert!(matches!(refused, Err(StoreError::InPlace { .. })));
        assert_eq!(content.held(store), [0, 2], "right fragments stay");
        store
            .withdraw(content.id(), &content.set(&[0, 2]))
            .expect("known");
        let entry = store
            .prepare(&content.manifest, content.assigned(&[1]))
            .expect("nothing to lose");
        assert_eq!(entry.place, Place::Store);
        content.fill(store, &[1]);
        content.read(store, 1).expect("reads");
    });
}

#[test]
fn the_empty_content_is_complete_at_once() {
    let empty = Content::new(0, 0);
    both(0, |store, outputs| {
        let output = outputs.join("empty");
        let entry = store
            .prepare(&empty.manifest, empty.fetched(&output, false))
            .expect("fits");
        assert_eq!(entry.place, Place::File(output));
        assert_eq!(store.release(empty.id(), Role::Fetched).expect("known"), 0);
        assert!(
            store
                .prepare(&empty.manifest, empty.assigned(&[]))
                .expect("fits")
                .held
                .is_full()
        );
    });
}

#[test]
fn only_a_complete_content_can_be_cut_into_other_fragments() {
    let small = Content::new(150_000, 1);
    let large = Content::cut(
        small.bytes.clone(),
        FragmentLength::new(2 * FRAGMENT).expect("in bounds"),
    );
    assert_eq!(small.id(), large.id());
    both(1 << 20, |store, _| {
        store
            .prepare(&small.manifest, small.assigned(&[0, 1, 2]))
            .expect("fits");
        small.fill(store, &[0]);
        let refused = store.prepare(&large.manifest, large.assigned(&[0]));
        assert!(matches!(refused, Err(StoreError::OtherFragments(_))));
        assert!(matches!(
            large.write(store, 1),
            Err(StoreError::OtherFragments(_))
        ));
        assert!(matches!(
            store.withdraw(small.id(), &large.set(&[1])),
            Err(StoreError::OtherFragments(_))
        ));
        assert!(store.prepare(&small.manifest, large.assigned(&[1])).is_err());
        small.fill(store, &[1, 2]);
        let entry = store
            .prepare(&large.manifest, large.assigned(&[0]))
            .expect("complete");
        assert_eq!(
            (entry.manifest, entry.held),
            (large.manifest.clone(), large.set(&[0, 1]))
        );
        large.read(store, 0).expect("reads");
        large.read(store, 1).expect("reads");
        let beyond = small.index(2);
        assert!(matches!(
            store.proof(small.id(), beyond),
            Err(StoreError::NotHeld { .. })
        ));
        let whole = large.manifest.whole(large.index(0));
        assert!(matches!(
            store.read(small.id(), large.index(1), whole),
            Err(StoreError::OtherFragments(_))
        ));
        assert_eq!(store.usage().used, 150_000);
    });
}
