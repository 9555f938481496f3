//! Several files of the user's with the same bytes: the loss of one is no loss of the content.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use shared::collection::{Attributes, Mode, ModifiedAt};
use shared::model::{Absence, LocalFile};
use tempfile::TempDir;

use super::super::copies::MAX_COPIES;
use super::super::fixture::Content;
use super::super::{DiskStore, FragmentStore as _, Place, StoreError, verify_fragment};

const LENGTH: usize = 150_000;

struct Home {
    directory: TempDir,
    store: Option<DiskStore>,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut home = Self {
            directory,
            store: None,
        };
        home.open();
        home
    }

    fn open(&mut self) {
        let store = DiskStore::open(&self.path("node"), 1 << 20).expect("opens");
        self.store = Some(store);
    }

    /// Does something while the node is stopped.
    fn stopped(&mut self, act: impl Fn(&Self)) {
        self.store = None;
        act(self);
        self.open();
    }

    fn store(&self) -> &DiskStore {
        self.store.as_ref().expect("it is open")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().expect("exists").join(name)
    }

    fn write(&self, name: &str, content: &Content) {
        fs::write(self.path(name), &content.bytes).expect("writes");
    }

    fn add(&self, name: &str) {
        let stop = AtomicBool::new(false);
        self.store()
            .add_file(&self.path(name), None, None, NonZeroUsize::MIN, &|_| {}, &stop)
            .expect("adds");
    }

    fn share(&self, name: &str, content: &Content) {
        self.write(name, content);
        self.add(name);
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("removes");
    }

    fn place(&self, content: &Content) -> Place {
        self.store().entry(content.id()).expect("kept").place
    }

    fn is_at(&self, name: &str, content: &Content) -> bool {
        (0..3).all(|n| content.read(self.store(), n).is_ok())
            && self.place(content) == Place::File(self.path(name))
    }
}

#[test]
fn a_reader_goes_on_when_the_first_file_goes() {
    let (home, content) = (Home::new(), Content::new(LENGTH, 1));
    home.share("a", &content);
    home.share("b", &content);
    content.read(home.store(), 0).expect("reads");
    home.remove("a");
    let mut changes = home.store().subscribe();
    assert!(home.is_at("b", &content));
    fs::write(home.path("c"), &content.bytes).expect("writes");
    home.add("c");
    // Changed in place, while the file is open.
    let file = fs::OpenOptions::new()
        .write(true)
        .open(home.path("b"))
        .expect("opens");
    file.write_all_at(b"other", 100).expect("writes");
    drop(file);
    assert!(home.is_at("c", &content));
    assert!(changes.try_recv().is_ok(), "c was added");
    assert!(changes.try_recv().is_err(), "nothing was withdrawn");
}

#[test]
fn files_that_go_while_the_node_is_stopped_are_replaced() {
    let (mut home, content) = (Home::new(), Content::new(LENGTH, 1));
    for name in ["a", "b", "c"] {
        home.share(name, &content);
    }
    home.stopped(|home| {
        home.remove("a");
        fs::write(home.path("b"), "another file").expect("writes");
    });
    assert!(home.is_at("c", &content));
    home.stopped(|_| {});
    home.remove("c");
    assert_eq!(home.store().check_files(Duration::ZERO).changed, [content.id()]);
    assert!(content.held(home.store()).is_empty());
}

#[test]
fn a_hard_link_is_a_file_of_its_own() {
    let (home, content) = (Home::new(), Content::new(LENGTH, 1));
    home.share("a", &content);
    fs::hard_link(home.path("a"), home.path("b")).expect("links");
    home.add("b");
    home.remove("a");
    assert!(home.is_at("b", &content));
    fs::hard_link(home.path("b"), home.path("c")).expect("links");
    home.add("c");
    // One file under two names changes under both.
    fs::write(home.path("c"), vec![7; LENGTH]).expect("writes");
    assert!(matches!(
        content.read(home.store(), 0),
        Err(StoreError::Changed { .. })
    ));
}

#[test]
fn a_file_that_was_away_is_used_again() {
    let (home, content) = (Home::new(), Content::new(LENGTH, 1));
    home.share("a", &content);
    home.share("b", &content);
    fs::rename(home.path("a"), home.path("away")).expect("renames");
    assert!(home.is_at("b", &content));
    fs::rename(home.path("away"), home.path("a")).expect("renames");
    home.remove("b");
    assert!(home.is_at("a", &content));
}

#[test]
fn an_output_is_a_copy_also_with_other_times() {
    let (home, content) = (Home::new(), Content::new(LENGTH, 1));
    home.share("a", &content);
    let output = home.path("out");
    home.store()
        .copy_out(content.id(), &output, false)
        .expect("copies");
    let attributes = Attributes {
        mode: Mode::of(0o640),
        modified: ModifiedAt::new(1_000_000_000, 0).expect("a time"),
    };
    home.store()
        .set_metadata(
            content.id(),
            &output,
            attributes.mode,
            Some(attributes.modified),
            &[],
        )
        .expect("sets");
    home.remove("a");
    assert!(home.is_at("out", &content));
}

#[test]
fn the_last_of_a_thousand_files_is_enough() {
    let (mut home, content) = (Home::new(), Content::new(LENGTH, 1));
    let name = |n: usize| format!("f{n}");
    for n in 0..1_000 {
        fs::write(home.path(&name(n)), &content.bytes).expect("writes");
        home.add(&name(n));
    }
    home.stopped(|home| (0..500).for_each(|n| home.remove(&name(n))));
    assert!(home.is_at(&name(500), &content));
    (500..999).for_each(|n| home.remove(&name(n)));
    assert_eq!(home.store().check_files(Duration::ZERO).changed, []);
    assert!(home.is_at(&name(999), &content));
    home.store().forget(content.id()).expect("known");
    let left = home.store().index().copies(content.id()).expect("reads");
    assert_eq!(left, []);
}

#[test]
fn the_copies_of_a_content_are_bounded() {
    let (home, content) = (Home::new(), Content::new(10, 1));
    home.share("a", &content);
    let index = home.store().index();
    for n in 0..MAX_COPIES + 3 {
        let copy = super::super::copies::UserFile {
            path: Path::new("/gone").join(n.to_string()),
            identity: super::super::files::FileIdentity::at(&home.path("a")).expect("there"),
        };
        index.add_copy(content.id(), &copy).expect("writes");
    }
    let copies = index.copies(content.id()).expect("reads");
    assert_eq!(copies.len(), MAX_COPIES as usize);
    assert_eq!(copies.first().map(|copy| &*copy.path), Some(Path::new("/gone/3")));
}

#[test]
fn rot_in_one_file_is_read_from_the_next() {
    let (home, content) = (Home::new(), Content::new(LENGTH, 1));
    home.share("a", &content);
    home.share("b", &content);
    let path = home.path("a");
    let modified = fs::metadata(&path)
        .and_then(|file| file.modified())
        .expect("there");
    let file = fs::OpenOptions::new().write(true).open(&path).expect("opens");
    file.write_all_at(b"rot", 70_000).expect("writes");
    file.set_modified(modified)
        .expect("as if nothing had been written");
    assert!(verify_fragment(home.store(), content.id(), content.index(1)).expect("held"));
    assert!(home.is_at("b", &content));
}

#[test]
fn every_equal_file_is_listed_with_its_state() {
    let (home, content) = (Home::new(), Content::new(LENGTH, 1));
    home.share("a", &content);
    home.share("b", &content);
    home.share("c", &content);
    let file = |name: &str, absence| LocalFile {
        path: home.path(name),
        absence,
    };
    let listed = || home.store().users_files(content.id()).expect("lists");
    assert_eq!(listed(), [file("a", None), file("b", None), file("c", None)]);
    home.remove("a");
    fs::write(home.path("c"), "another file").expect("writes");
    let (gone, changed) = (Some(Absence::Gone), Some(Absence::Changed));
    assert_eq!(listed(), [file("a", gone), file("b", None), file("c", changed)]);
    let unknown = Content::new(LENGTH, 2).id();
    assert_eq!(home.store().users_files(unknown).expect("lists"), []);
}
