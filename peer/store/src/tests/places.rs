//! A content that moves, gets another time or another cut while others read and write it.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use shared::collection::{Mode, ModifiedAt};
use shared::model::FragmentLength;
use shared::{Coded as _, ErrorCode};

use super::super::collected::LOOKED_AT;
use super::super::files::stuck;
use super::super::fixture::Content;
use super::super::handles::Part;
use super::super::{DiskStore, FragmentStore as _, Place, StoreError, verify_fragment};
use super::index_damage::directory;

const CAPACITY: u64 = 1 << 30;

struct Node {
    home: tempfile::TempDir,
    store: DiskStore,
}

impl Node {
    fn new() -> Self {
        let home = directory();
        let store = DiskStore::open(&home.path().join("node"), CAPACITY).expect("opens");
        Self { home, store }
    }

    fn reopened(self) -> Self {
        let Self { home, store } = self;
        drop(store);
        let store = DiskStore::open(&home.path().join("node"), CAPACITY).expect("opens");
        Self { home, store }
    }

    /// Returns a path outside the store, as the store knows it.
    fn path(&self, name: &str) -> PathBuf {
        self.home.path().canonicalize().expect("there").join(name)
    }

    fn add(&self, path: &Path, content: &Content) {
        fs::write(path, &content.bytes).expect("writes");
        let one = NonZeroUsize::MIN;
        let added = self
            .store
            .add_file(path, None, None, one, &|_| {}, &AtomicBool::new(false));
        added.expect("adds");
    }

    fn is_whole(&self, content: &Content) -> bool {
        self.store
            .entry(content.id())
            .is_some_and(|entry| entry.held.is_full())
    }
}

fn all(content: &Content) -> Vec<u32> {
    (0..content.manifest.fragment_count()).collect()
}

fn large(content: &Content) -> Content {
    Content::cut(
        content.bytes.clone(),
        FragmentLength::new(128 << 10).expect("a length"),
    )
}

#[test]
fn a_file_that_gets_its_mode_and_time_while_it_is_read_stays_held() {
    let (node, content) = (Node::new(), Content::new(600_000, 1));
    let path = node.path("large");
    let purpose = content.fetched(&path, false);
    node.store.prepare(&content.manifest, purpose).expect("room");
    content.fill(&node.store, &all(&content));
    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    content
                        .read(&node.store, 3)
                        .expect("nobody has changed its bytes");
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for second in 0..200 {
            let modified = ModifiedAt::new(1_000_000_000 + second, 5).expect("a time");
            node.store
                .set_metadata(content.id(), &path, Mode::of(0o640), Some(modified), &[])
                .expect("sets");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(node.is_whole(&content), "after {reads:?} reads");
    assert!(node.reopened().is_whole(&content));
}

#[test]
fn a_late_reader_of_an_old_place_takes_nothing_from_the_new_one() {
    let (node, content) = (Node::new(), Content::new(600_000, 1));
    let purpose = content.assigned(&all(&content));
    node.store.prepare(&content.manifest, purpose).expect("room");
    content.fill(&node.store, &[0, 1, 2]);
    let old = node.store.slot(content.id()).expect("kept");
    let (index, whole) = (content.index(1), content.manifest.whole(content.index(1)));
    let range = old.kept().locate(index, whole).expect("held");
    let path = node.path("mine");
    node.add(&path, &content);
    // Each goes on with what it knew.
    let read = node.store.read_part(&old, Part::Data, index, range);
    assert!(read.is_err(), "the old data are gone");
    node.store.look_and_withdraw(&old).expect("looks");
    node.store
        .change(&node.store.index(), &old, |kept| {
            kept.held = content.manifest.no_fragments();
        })
        .expect("changes nothing");
    content.read(&node.store, 1).expect("it is in the new place");
    assert!(node.is_whole(&content));
    let node = node.reopened();
    let entry = node.store.entry(content.id()).expect("kept");
    assert!(entry.held.is_full() && entry.roles.published);
    assert_eq!(entry.place, Place::File(path));
}

#[test]
fn blocks_of_another_cut_are_refused() {
    let (node, small) = (Node::new(), Content::new(600_000, 1));
    let large = large(&small);
    assert_eq!(small.id(), large.id());
    node.store
        .prepare(&small.manifest, small.assigned(&all(&small)))
        .expect("room");
    let late = small.proof(1).check(0, small.fragment(1)).expect("true blocks");
    node.store.forget(small.id()).expect("forgets");
    node.store
        .prepare(&large.manifest, large.assigned(&all(&large)))
        .expect("room");
    large.write(&node.store, 1).expect("writes");
    let refused = node.store.write(small.id(), late);
    assert!(
        matches!(refused, Err(StoreError::OtherFragments(_))),
        "{refused:?}"
    );
    large.commit(&node.store, 1).expect("commits");
    large.read(&node.store, 1).expect("as it was written");
}

#[test]
fn a_content_of_which_nothing_is_held_takes_another_cut() {
    let (node, small) = (Node::new(), Content::new(600_000, 1));
    let large = large(&small);
    node.store
        .prepare(&small.manifest, small.assigned(&[0, 1, 2]))
        .expect("room");
    let entry = node.store.prepare(&large.manifest, large.assigned(&[4]));
    let entry = entry.expect("nothing is held of it");
    assert_eq!(entry.manifest, large.manifest);
    assert_eq!(
        node.store.usage().used,
        large.manifest.bytes_in(&large.set(&[0, 1, 4]))
    );
    large.fill(&node.store, &[0, 1, 4]);
    // From now on it is cut like this.
    let refused = node.store.prepare(&small.manifest, small.assigned(&[3]));
    assert!(
        matches!(refused, Err(StoreError::OtherFragments(_))),
        "{refused:?}"
    );
    let node = node.reopened();
    for n in [0, 1, 4] {
        large.read(&node.store, n).expect("held");
    }
}

#[test]
fn a_file_that_may_not_be_read_is_no_replica() {
    // The superuser may read everything.
    if fs::metadata(directory().path()).expect("there").uid() == 0 {
        return;
    }
    for is_looked_at in [false, true] {
        let (node, content) = (Node::new(), Content::new(600_000, 1));
        let path = node.path("mine");
        node.add(&path, &content);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("sets");
        if is_looked_at {
            assert_eq!(node.store.check_files(Duration::ZERO).changed, [content.id()]);
        } else {
            let verified = verify_fragment(&node.store, content.id(), content.index(0));
            assert!(matches!(verified, Err(StoreError::Away { .. })), "{verified:?}");
        }
        assert!(content.held(&node.store).is_empty());
    }
}

#[test]
fn an_output_whose_directory_is_removed_fails_as_a_place() {
    for is_last in [false, true] {
        let (node, content) = (Node::new(), Content::new(200_000, 1));
        let directory = node.path("out");
        let output = directory.join("file");
        fs::create_dir(&directory).expect("made");
        let purpose = content.fetched(&output, false);
        node.store.prepare(&content.manifest, purpose).expect("room");
        let all = all(&content);
        let done = if is_last { &all[..all.len() - 1] } else { &all[..1] };
        content.fill(&node.store, done);
        let next = u32::try_from(done.len()).expect("few");
        content.write(&node.store, next).expect("the file is open");
        fs::remove_dir_all(&directory).expect("removed");
        let first = content.commit(&node.store, next).expect_err("it is gone");
        let second = content.write(&node.store, next).expect_err("it is gone");
        for error in [first, second] {
            let text = error.to_string();
            assert!(matches!(error, StoreError::Place { .. }), "{error:?}");
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
            assert!(
                text.contains(&*output.to_string_lossy()) && text.contains("choose another place"),
                "{text}"
            );
        }
    }
}

#[test]
fn holes_are_read_before_anybody_has_to_wait() {
    let node = Node::new();
    let content = Content::new(300_000, 1);
    let path = node.path("sparse");
    let mut bytes = content.bytes.clone();
    bytes[65_536..196_608].fill(0);
    let content = Content::cut(bytes, FragmentLength::MIN);
    node.add(&path, &content);
    let inode = fs::metadata(&path).expect("there").ino();
    let has_looked = || LOOKED_AT.lock().is_ok_and(|looked_at| looked_at.contains(&inode));
    std::thread::scope(|scope| {
        let index = node.store.index();
        let hole = 65_536..196_608;
        let setting = scope.spawn(|| {
            let modified = ModifiedAt::new(1_700_000_000, 0).expect("a time");
            let (mode, holes) = (Mode::of(0o600), [hole]);
            node.store
                .set_metadata(content.id(), &path, mode, Some(modified), &holes)
        });
        for _ in 0..1000 {
            if has_looked() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let looked = has_looked();
        drop(index);
        setting.join().expect("ends").expect("set");
        assert!(looked, "it waited for the index first");
    });
    assert!(
        fs::metadata(&path).expect("there").blocks() * 512 < 300_000,
        "the hole is one"
    );
    (0..5).for_each(|n| content.read(&node.store, n).expect("it is shared still"));
}

/// Prepares a content whose file's disk answers so many looks and no further one; asserts that another
/// content can be prepared meanwhile. Returns whether the disk was asked once more.
fn prepares_beside_a_stuck_disk(passes: u32) -> bool {
    let (node, content, other) = (Node::new(), Content::new(100_000, 1), Content::new(100_000, 2));
    let path = node.path("file");
    node.add(&path, &content);
    stuck::begin_after(passes, &path);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| node.store.prepare(&content.manifest, content.assigned(&[0])));
        let until = |is_so: &dyn Fn() -> bool| {
            for _ in 0..2_000 {
                if is_so() {
                    return true;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            false
        };
        assert!(until(&|| waiting.is_finished() || stuck::is_awaited(&path)));
        let working = scope.spawn(|| {
            let purpose = other.assigned(&[0, 1]);
            node.store.prepare(&other.manifest, purpose).map(drop)
        });
        let (is_done, is_stuck) = (until(&|| working.is_finished()), !waiting.is_finished());
        stuck::end(&path);
        assert!(
            is_done,
            "the index is locked by look number {} at a file",
            passes + 1
        );
        working.join().expect("ends").expect("fits");
        waiting.join().expect("ends").expect("fits");
        is_stuck
    })
}

#[test]
fn a_disk_that_does_not_answer_holds_up_only_who_needs_it() {
    assert!(prepares_beside_a_stuck_disk(0), "it is looked at");
    // It hangs between two looks, as many as there are.
    let looks = (1..20).find(|passes| !prepares_beside_a_stuck_disk(*passes));
    assert!(looks.is_some(), "looks come to an end");
}
