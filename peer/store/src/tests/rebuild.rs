//! A new index from the fragments: what was held is held again, and nothing is deleted.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rusqlite::Connection;

use super::super::fixture::{Content, files_below};
use super::super::rebuild::Rebuilt;
use super::super::{DiskStore, FragmentStore as _, Place, Publication, PublicationState, Purpose, Role};
use super::index_damage::{copy, directory, flip};
use shared::model::{ReplicationTarget, Revision};
use shared::{ErrorCode, error::Coded as _};

const CAPACITY: u64 = 1 << 30;
const ID: &str = "peer_id";

/// A node that was killed, with an added file, an assigned part of a content, a whole pack, a name that is
/// published and one that waits.
struct Killed {
    home: tempfile::TempDir,
    users: tempfile::TempDir,
    file: Content,
    part: Content,
    pack: Content,
}

fn publication(content: &Content, name: &str, state: PublicationState) -> Publication {
    Publication {
        name: name.parse().expect("a name"),
        content: content.id(),
        target: Some(ReplicationTarget::DEFAULT),
        update: false,
        metadata: None,
        state,
    }
}

impl Killed {
    fn new() -> Self {
        let (made, home, users) = (directory(), directory(), directory());
        let [file, part, pack] = [1, 2, 3].map(|seed| Content::new(300_000, seed));
        let store = DiskStore::open(made.path(), CAPACITY).expect("opens");
        store.meta_set(ID, &[7; 16]).expect("sets");
        let path = users.path().join("mine");
        fs::write(&path, &file.bytes).expect("writes");
        let threads = NonZeroUsize::MIN;
        store
            .add_file(&path, None, None, threads, &|_| {}, &AtomicBool::new(false))
            .expect("adds");
        store
            .prepare(&part.manifest, part.assigned(&[0, 2]))
            .expect("fits");
        part.fill(&store, &[0, 2]);
        let all: Vec<u32> = (0..pack.manifest.fragment_count()).collect();
        let purpose = Purpose::Collected {
            role: Role::Published,
            name: None,
            fragments: pack.manifest.all_fragments(),
        };
        store.prepare(&pack.manifest, purpose).expect("fits");
        pack.fill(&store, &all);
        let published = PublicationState::Published(Revision::new(3));
        for publication in [
            publication(&file, "mine", published),
            publication(&file, "soon", PublicationState::Pending(None)),
        ] {
            store.put_publication(&publication).expect("puts");
        }
        copy(made.path(), home.path());
        Self {
            home,
            users,
            file,
            part,
            pack,
        }
    }

    /// Returns a copy of the data directory in which this was done to the index and its log.
    fn with(&self, harm: impl Fn(&Path)) -> tempfile::TempDir {
        let home = directory();
        copy(self.home.path(), home.path());
        harm(home.path());
        home
    }
}

fn rebuild(home: &Path) -> (DiskStore, Rebuilt) {
    let rebuilt = DiskStore::rebuild(home, CAPACITY, ID).expect("rebuilds");
    rebuilt.expect("there is something")
}

fn log(home: &Path) -> std::path::PathBuf {
    home.join("index.db-wal")
}

#[test]
fn what_was_held_is_held_again_after_a_bit_of_the_log_is_flipped() {
    let node = Killed::new();
    // Heads and first frames: whatever else was committed is in frames of its own.
    for byte in [0, 9, 20, 26, 40, 1000] {
        let home = node.with(|home| flip(byte)(&log(home)));
        let damaged = fs::read(log(home.path())).expect("reads");
        DiskStore::open(home.path(), CAPACITY).expect_err("it is damaged");
        let (store, rebuilt) = rebuild(home.path());
        assert_eq!(
            store.meta_get(ID).expect("reads"),
            Some(vec![7; 16]),
            "byte {byte}"
        );
        for (content, held) in [
            (&node.file, vec![0, 1, 2, 3, 4]),
            (&node.part, vec![0, 2]),
            (&node.pack, vec![0, 1, 2, 3, 4]),
        ] {
            assert_eq!(content.held(&store), held, "byte {byte}");
            for n in held {
                content.read(&store, n).expect("reads");
            }
        }
        let entry = |content: &Content| store.entry(content.id()).expect("kept");
        assert!(entry(&node.file).roles.published && entry(&node.part).roles.assigned);
        let mine = node.users.path().join("mine").canonicalize().expect("there");
        assert_eq!(entry(&node.file).place, Place::File(mine));
        assert_eq!((rebuilt.contents, rebuilt.fragments), (3, 12));
        assert_eq!(rebuilt.bytes, 600_000 + 2 * 65_536);
        // A waiting publication may have been made meanwhile: it is named, and not made again.
        let soon: Vec<_> = rebuilt.unpublished.iter().map(ToString::to_string).collect();
        assert_eq!(soon, ["soon"], "byte {byte}");
        let names = store.publications().expect("reads");
        assert_eq!(names.len(), 1);
        let aside = rebuilt.moved.expect("there was an index");
        assert_eq!(aside.file_name().expect("named"), "index.db.damaged");
        assert_eq!(
            fs::read(home.path().join("index.db.damaged-wal")).expect("kept"),
            damaged
        );
        assert!(!home.path().join("rebuilding").exists());
        drop(store);
        let store = DiskStore::open(home.path(), CAPACITY).expect("starts again");
        assert_eq!(store.content_count(), 3);
    }
}

#[test]
fn without_any_index_whole_contents_are_held_and_the_rest_is_lost() {
    let node = Killed::new();
    let home = node.with(|home| {
        for file in ["index.db", "index.db-wal", "index.db-running", "index.db-shm"] {
            drop(fs::remove_file(home.join(file)));
        }
    });
    let told = DiskStore::open(home.path(), CAPACITY).expect_err("it is gone");
    assert!(told.to_string().contains("peer rebuild-index"), "{told}");
    let (store, rebuilt) = rebuild(home.path());
    assert_eq!(rebuilt.moved, None);
    assert_eq!(store.meta_get(ID).expect("reads"), None, "nothing tells the id");
    assert_eq!(node.pack.held(&store), [0, 1, 2, 3, 4]);
    assert_eq!(rebuilt.contents, 1);
    // The data and the leaves of the part; the leaves of the file, whose data are the user's.
    assert_eq!(store.lost().expect("counts").files, 3);
}

#[test]
fn damaged_data_are_not_held_and_stay() {
    let node = Killed::new();
    let id = node.pack.id().to_string();
    let data = format!("contents/{}/{id}.data", &id[..2]);
    let home = node.with(|home| {
        flip(20)(&log(home));
        flip(70_000)(&home.join(&data));
    });
    let (store, _) = rebuild(home.path());
    assert_eq!(node.pack.held(&store), [0, 2, 3, 4], "fragment 1 is damaged");
    assert_eq!(
        fs::metadata(home.path().join(&data)).expect("there").len(),
        300_000
    );
}

#[test]
fn a_sound_index_stays_and_nothing_makes_nothing() {
    let node = Killed::new();
    let before = files_below(node.home.path());
    let error = DiskStore::rebuild(node.home.path(), CAPACITY, ID).expect_err("it is sound");
    assert_eq!(error.code(), ErrorCode::FailedPrecondition, "{error}");
    assert_eq!(files_below(node.home.path()), before);
    let (empty, nowhere) = (directory(), directory().path().join("nowhere"));
    for place in [empty.path(), &nowhere] {
        assert!(DiskStore::rebuild(place, CAPACITY, ID).expect("looks").is_none());
    }
    assert!(files_below(empty.path()).is_empty() && !nowhere.exists());
    // An id that is lost is damage too.
    let home = node.with(|_| {});
    assert!(
        DiskStore::rebuild(home.path(), CAPACITY, "another key")
            .expect("rebuilds")
            .is_some()
    );
}

#[test]
fn an_attempt_that_was_killed_is_made_again_and_finds_the_id() {
    let node = Killed::new();
    let home = node.with(|home| flip(20)(&log(home)));
    // As a kill leaves it after the old log was removed: the index knows nothing yet, the old one has it all.
    for file in ["", "-wal", "-running"] {
        let from = home.path().join(format!("index.db{file}"));
        fs::hard_link(&from, home.path().join(format!("index.db.damaged{file}"))).expect("links");
    }
    fs::remove_file(log(home.path())).expect("removes");
    fs::create_dir(home.path().join("rebuilding")).expect("makes");
    fs::write(home.path().join("rebuilding/index.db"), "half").expect("writes");
    DiskStore::open(home.path(), CAPACITY).expect_err("half done");
    let (store, rebuilt) = rebuild(home.path());
    assert_eq!(store.meta_get(ID).expect("reads"), Some(vec![7; 16]));
    assert_eq!(rebuilt.contents, 3);
    assert!(rebuilt.moved.expect("moved").ends_with("index.db.damaged.1"));
}

#[test]
fn what_the_user_has_added_stays_his_and_what_is_lost_is_named() {
    let node = Killed::new();
    let home = node.with(|home| {
        let store = DiskStore::open(home, CAPACITY).expect("opens");
        let published = PublicationState::Published(Revision::new(1));
        let pack = publication(&node.pack, "pack", published);
        store.put_publication(&pack).expect("puts");
        drop(store);
        let index = Connection::open(home.join("index.db")).expect("opens");
        for lost in [&node.pack, &node.file] {
            let damage = "UPDATE contents SET fragment_length = 7 WHERE content = ?";
            let changed = index.execute(damage, [lost.id().as_bytes()]).expect("writes");
            assert_eq!(changed, 1);
        }
    });
    let (store, rebuilt) = rebuild(home.path());
    // Its data are in the store, and prove themselves.
    let pack = store.entry(node.pack.id()).expect("adopted");
    assert!(pack.roles.published && !pack.roles.assigned, "{:?}", pack.roles);
    assert_eq!(pack.name.expect("it has one").as_str(), "pack");
    // Nothing tells any more where the user's file is.
    assert!(store.entry(node.file.id()).is_none());
    let unshared: Vec<_> = rebuilt.unshared.iter().map(ToString::to_string).collect();
    assert_eq!(unshared, ["mine"]);
}
