//! A damaged index or log: the store refuses it or keeps every fragment, and deletes none.

use std::fs;
use std::path::{Path, PathBuf};

use shared::ErrorCode;
use shared::error::Coded as _;

use super::super::fixture::{Content, files_below};
use super::super::{DiskStore, FragmentStore as _, Purpose, Role};

const CAPACITY: u64 = 1 << 30;

/// In memory where that is possible: syncs to a disk take long.
pub(super) fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    directory.expect("a directory")
}

pub(super) fn copy(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().expect("below")).expect("creates");
        fs::copy(from.join(&file), target).expect("copies");
    }
}

/// Returns the harm that flips bit 0 of a byte.
pub(super) fn flip(at: usize) -> impl Fn(&Path) {
    move |path| {
        let mut bytes = fs::read(path).expect("reads");
        bytes[at] ^= 1;
        fs::write(path, bytes).expect("writes");
    }
}

/// Returns the purpose of a content that is added and goes into the store's own files.
fn added(content: &Content) -> Purpose {
    Purpose::Collected {
        role: Role::Published,
        name: None,
        fragments: content.manifest.all_fragments(),
    }
}

/// A data directory with whole contents, assigned and added, as after a kill or after a clean stop, with a
/// short or a long log.
struct Node {
    home: tempfile::TempDir,
    contents: Vec<Content>,
}

impl Node {
    fn new(count: u8, is_killed: bool) -> Self {
        let (made, home) = (directory(), directory());
        let contents: Vec<_> = (0..count).map(|seed| Content::new(70_000, seed)).collect();
        let store = DiskStore::open(made.path(), CAPACITY).expect("opens");
        for content in &contents {
            let purpose = match content.id() == contents[0].id() {
                true => content.assigned(&[0, 1]),
                false => added(content),
            };
            store.prepare(&content.manifest, purpose).expect("fits");
            content.fill(&store, &[0, 1]);
        }
        if is_killed {
            copy(made.path(), home.path());
        } else {
            drop(store);
            copy(made.path(), home.path());
        }
        Self { home, contents }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.home.path().join(file)
    }

    /// Returns a copy with one file harmed.
    fn harmed(&self, file: &str, harm: impl Fn(&Path)) -> tempfile::TempDir {
        let home = directory();
        copy(self.home.path(), home.path());
        harm(&home.path().join(file));
        home
    }

    /// Counts the contents of which the whole data are somewhere below the directory.
    fn whole(&self, home: &Path) -> usize {
        let files: Vec<_> = files_below(home)
            .into_iter()
            .filter(|file| file.ends_with(".data"))
            .collect();
        let has = |content: &&Content| {
            let name = format!("{}.data", content.id());
            let mut of_it = files.iter().filter(|file| file.ends_with(&name));
            of_it.any(|file| fs::read(home.join(file)).is_ok_and(|bytes| bytes == content.bytes))
        };
        self.contents.iter().filter(has).count()
    }
}

fn refused(home: &Path) -> String {
    let error = DiskStore::open(home, CAPACITY).expect_err("it is damaged");
    assert_eq!(error.code(), ErrorCode::Corrupt, "{error}");
    error.to_string()
}

type Harm = Box<dyn Fn(&Path)>;

#[test]
fn a_log_that_a_kill_left_and_that_is_damaged_is_refused() {
    for count in [1, 40] {
        let node = Node::new(count, true);
        let log = "index.db-wal";
        let length = fs::read(node.path(log)).expect("there").len();
        let cut = |to: usize| {
            move |path: &Path| {
                fs::write(path, &fs::read(path).expect("reads")[..to]).expect("writes");
            }
        };
        let harms: [(&str, Harm); 8] = [
            ("bit 0 of byte 20", Box::new(flip(20))),
            ("the first frame", Box::new(flip(1000))),
            ("the middle", Box::new(flip(length / 2))),
            ("a salt", Box::new(flip(32 + 8))),
            ("emptied", Box::new(cut(0))),
            ("headless", Box::new(cut(20))),
            ("no frame", Box::new(cut(32))),
            (
                "removed",
                Box::new(|path: &Path| fs::remove_file(path).expect("removes")),
            ),
        ];
        for (name, harm) in harms {
            let home = node.harmed(log, harm);
            let before = files_below(home.path());
            let told = refused(home.path());
            assert!(told.contains("write-ahead log"), "{name}: {told}");
            assert_eq!(files_below(home.path()), before, "{name}: nothing was changed");
        }
        let home = node.harmed(log, |path| fs::write(path, vec![7; 9000]).expect("writes"));
        refused(home.path());
        // Without harm, the same directory starts, again and again.
        for _ in 0..2 {
            let home = node.harmed(log, |_| {});
            let store = DiskStore::open(home.path(), CAPACITY).expect("opens");
            assert_eq!(store.content_count(), node.contents.len());
        }
    }
}

#[test]
fn an_orderly_stop_leaves_neither_log_nor_marker() {
    let node = Node::new(2, false);
    assert!(!node.path("index.db-running").exists() && !node.path("index.db-wal").exists());
    let killed = Node::new(2, true);
    assert!(killed.path("index.db-running").exists() && killed.path("index.db-wal").exists());
    // An earlier version knows no marker.
    fs::remove_file(killed.path("index.db-running")).expect("removes");
    let store = DiskStore::open(killed.home.path(), CAPACITY).expect("opens");
    assert_eq!(store.content_count(), 2);
}

#[test]
fn an_index_of_one_byte_is_damaged_and_not_empty() {
    for is_killed in [false, true] {
        let node = Node::new(2, is_killed);
        for bytes in [vec![83], vec![0; 100], vec![0; 4096]] {
            let home = node.harmed("index.db", |path| fs::write(path, &bytes).expect("writes"));
            if let Ok(store) = DiskStore::open(home.path(), CAPACITY) {
                assert_eq!(store.content_count(), 2, "the log has it all");
            }
            assert_eq!(node.whole(home.path()), 2);
        }
        let home = node.harmed("index.db", |path| fs::write(path, [83]).expect("writes"));
        assert!(refused(home.path()).contains("less than a page"));
    }
}

#[test]
fn fragments_without_a_record_are_adopted_or_put_away() {
    let node = Node::new(4, false);
    let other = Content::new(70_000, 99);
    // The index of another store, which knows one other content.
    let stranger = directory();
    let store = DiskStore::open(stranger.path(), CAPACITY).expect("opens");
    store
        .prepare(&other.manifest, other.assigned(&[0]))
        .expect("fits");
    drop(store);
    fs::copy(stranger.path().join("index.db"), node.path("index.db")).expect("replaces");
    let file_of = |n: usize, directory: &str, end: &str| {
        let id = node.contents[n].id().to_string();
        node.path(&format!("{directory}/{}/{id}.{end}", &id[..2]))
    };
    // The leaves tell which part of spoilt data is right; without leaves nothing does.
    for n in [0, 3] {
        flip(66_000)(&file_of(n, "contents", "data"));
    }
    // Leaves are made anew from data that prove themselves.
    for n in [1, 3] {
        fs::remove_file(file_of(n, "leaves", "leaves")).expect("removes");
    }
    let store = DiskStore::open(node.home.path(), CAPACITY).expect("opens");
    for content in &node.contents[1..3] {
        let entry = store.entry(content.id()).expect("adopted");
        assert!(entry.roles.assigned && entry.held == content.manifest.all_fragments());
        let whole = shared::model::FragmentIndex::get;
        let held: Vec<_> = entry.held.iter().map(whole).collect();
        for n in held {
            let index = entry.manifest.index(n).expect("has it");
            store.proof(content.id(), index).expect("leaves");
        }
    }
    assert_eq!(node.contents[0].held(&store), [0]);
    node.contents[0].read(&store, 0).expect("right");
    assert!(store.entry(node.contents[3].id()).is_none());
    let lost = store.lost().expect("counts");
    assert_eq!((lost.files, lost.bytes), (1, 70_000));
    drop(store);
    let store = DiskStore::open(node.home.path(), CAPACITY).expect("opens again");
    assert_eq!(store.content_count(), 4);
}

#[test]
fn an_addition_that_was_killed_leaves_no_room_behind() {
    let (node, content) = (directory(), Content::new(600_000, 1));
    let store = DiskStore::open(node.path(), CAPACITY).expect("opens");
    store.prepare(&content.manifest, added(&content)).expect("fits");
    drop(store);
    let store = DiskStore::open(node.path(), CAPACITY).expect("opens");
    assert_eq!(store.usage().used, 0);
    assert!(files_below(&node.path().join("contents")).is_empty());
    assert!(!node.path().join("lost").exists());
}

#[test]
fn a_leftover_that_cannot_be_removed_keeps_no_node_from_starting() {
    let (node, place) = (directory(), directory());
    let store = DiskStore::open(node.path(), CAPACITY).expect("opens");
    let file = place.path().join("out");
    store
        .index()
        .add_temporary(&file.join(".x.enjambre-part"))
        .expect("notes");
    drop(store);
    fs::write(&file, "a file where its directory was").expect("writes");
    for _ in 0..2 {
        DiskStore::open(node.path(), CAPACITY).expect("opens");
    }
}
