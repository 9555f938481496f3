//! Files of the user's: shared in place, never written to, and not shared after they have changed.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use shared::model::{ContentId, FragmentLength, Manifest, ManifestError};
use shared::{Coded as _, ErrorCode};
use tempfile::TempDir;

use super::super::files::FAILING;
use super::super::fixture::{Content, files_below};
use super::super::{DiskStore, FragmentStore as _, Place, Role, StoreError};

struct Node {
    directory: TempDir,
    store: DiskStore,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = DiskStore::open(&directory.path().join("node"), 1 << 20).expect("opens");
        Self { directory, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        // As the store returns it: without symbolic links.
        self.directory.path().canonicalize().expect("exists").join(name)
    }

    fn file(&self, name: &str, content: &Content) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, &content.bytes).expect("writes");
        path
    }

    fn add(&self, path: &Path) -> Result<Manifest, StoreError> {
        self.add_in(path, None)
    }

    fn add_in(&self, path: &Path, fragment_length: Option<FragmentLength>) -> Result<Manifest, StoreError> {
        let threads = NonZeroUsize::new(3).expect("positive");
        self.store.add_file(
            path,
            None,
            fragment_length,
            threads,
            &|_| {},
            &AtomicBool::new(false),
        )
    }

    fn reopen(self) -> Self {
        let Self { directory, store } = self;
        drop(store);
        let store = DiskStore::open(&directory.path().join("node"), 1 << 20).expect("opens");
        Self { directory, store }
    }
}

#[test]
fn a_file_that_cannot_be_synced_is_not_shared() {
    let node = Node::new();
    let content = Content::new(150_000, 1);
    let file = node.file("a", &content);
    let directory = file.parent().expect("it has one").to_owned();
    // Neither the bytes nor the name of the file may be lost with the power once others count on it.
    for unsynced in [&file, &directory] {
        FAILING.set(Some(unsynced.clone()));
        let refused = node.add(&file).expect_err("not synced");
        FAILING.set(None);
        assert!(
            matches!(&refused, StoreError::Io { act: "sync", path, .. } if path == unsynced),
            "{refused}"
        );
        assert!(node.store.entry(content.id()).is_none(), "nothing is held");
    }
    node.add(&file).expect("a file that can be synced is shared");
}

#[test]
fn an_equal_file_is_synced_before_it_is_remembered() {
    let node = Node::new();
    let content = Content::new(150_000, 1);
    node.add(&node.file("a", &content)).expect("shared");
    let copy = node.file("b", &content);
    FAILING.set(Some(copy.clone()));
    let refused = node.add(&copy).expect_err("not synced");
    FAILING.set(None);
    assert!(matches!(refused, StoreError::Io { act: "sync", .. }), "{refused}");
    let files = node.store.users_files(content.id()).expect("known");
    assert!(files.iter().all(|known| known.path != copy), "{files:?}");
}

#[test]
fn an_added_file_is_shared_in_place_and_after_a_restart() {
    let (node, content) = (Node::new(), Content::new(300_000, 1));
    let path = node.file("file", &content);
    let (seen, name) = (AtomicU64::new(0), "a/b".parse().ok());
    let progress = |done| {
        seen.fetch_max(done, Ordering::Relaxed);
    };
    let one = NonZeroUsize::MIN;
    let manifest = node
        .store
        .add_file(&path, name.clone(), None, one, &progress, &AtomicBool::new(false));
    assert_eq!(manifest.expect("adds"), content.manifest);
    assert_eq!(seen.into_inner(), 300_000);
    let node = node.reopen();
    let entry = node.store.entry(content.id()).expect("kept");
    assert!(entry.roles.published && entry.held.is_full());
    assert_eq!((entry.place, entry.name), (Place::File(path.clone()), name));
    assert_eq!(node.store.usage().used, 0);
    (0..5).for_each(|n| content.read(&node.store, n).expect("reads"));
    assert!(
        files_below(&node.path("node/contents")).is_empty(),
        "no second copy"
    );
    node.store.forget(content.id()).expect("known");
    assert_eq!(fs::read(&path).expect("the file stays"), content.bytes);
    assert!(files_below(&node.path("node/leaves")).is_empty());
}

#[test]
fn a_changed_file_is_withdrawn_and_never_read() {
    let (node, content) = (Node::new(), Content::new(300_000, 1));
    let path = node.file("file", &content);
    node.add(&path).expect("adds");
    content.read(&node.store, 0).expect("reads");
    fs::write(&path, vec![9; 300_000]).expect("writes");
    let mut changes = node.store.subscribe();
    let read = content.read(&node.store, 0);
    assert!(matches!(&read, Err(error @ StoreError::Changed { .. }) if error.code() == ErrorCode::Corrupt));
    assert_eq!(changes.try_recv(), Ok(content.id()));
    assert!(content.held(&node.store).is_empty());
    let node = node.reopen();
    assert!(content.held(&node.store).is_empty(), "for good");
    fs::write(&path, &content.bytes).expect("writes");
    assert!(content.held(&node.store).is_empty());
    node.add(&path).expect("until it is added again");
    content.read(&node.store, 4).expect("reads");
}

#[test]
fn the_regular_check_finds_files_that_are_gone() {
    let (node, gone, stays) = (Node::new(), Content::new(100_000, 1), Content::new(100_000, 2));
    let path = node.file("gone", &gone);
    node.add(&path).expect("adds");
    node.add(&node.file("stays", &stays)).expect("adds");
    assert_eq!(node.store.check_files(Duration::ZERO).changed, []);
    fs::remove_file(&path).expect("removes");
    assert_eq!(node.store.check_files(Duration::ZERO).changed, [gone.id()]);
    assert_eq!(
        node.store.check_files(Duration::ZERO).changed,
        [],
        "it is told once"
    );
    assert!(gone.held(&node.store).is_empty());
    stays.read(&node.store, 0).expect("reads");
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    node.store.check_files(year);
    node.store.check_files(year);
    let entry = node
        .store
        .prepare(&gone.manifest, gone.assigned(&[0]))
        .expect("fits");
    assert!(entry.roles.assigned && !entry.roles.published && entry.place == Place::Store);
}

#[test]
fn a_file_replaced_by_a_pipe_blocks_no_reader() {
    let (node, content) = (Node::new(), Content::new(100_000, 1));
    let path = node.file("file", &content);
    node.add(&path).expect("adds");
    fs::remove_file(&path).expect("removes");
    make_pipe(&path);
    assert!(matches!(
        content.read(&node.store, 0),
        Err(StoreError::Changed { .. })
    ));
}

fn make_pipe(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
}

#[test]
fn only_regular_files_can_be_added() {
    let node = Node::new();
    let pipe = node.path("pipe");
    make_pipe(&pipe);
    for (path, kind) in [
        (node.path(""), "a directory"),
        (pipe, "a pipe"),
        (PathBuf::from("/dev/null"), "a device"),
    ] {
        let error = node.add(&path).expect_err(kind);
        assert!(
            error.to_string().contains(kind) && error.code() == ErrorCode::InvalidArgument,
            "{error}"
        );
    }
    assert_eq!(
        node.add(&node.path("missing")).expect_err("missing").code(),
        ErrorCode::NotFound
    );
    assert!(files_below(&node.path("node/leaves")).is_empty());
}

#[test]
fn a_symbolic_link_means_the_file_that_it_leads_to_now() {
    let (node, content) = (Node::new(), Content::new(100_000, 1));
    let (path, link) = (node.file("file", &content), node.path("link"));
    std::os::unix::fs::symlink(&path, &link).expect("links");
    node.add(&link).expect("adds");
    fs::remove_file(&link).expect("removes");
    assert_eq!(
        node.store.entry(content.id()).expect("kept").place,
        Place::File(path)
    );
    content.read(&node.store, 1).expect("reads");
}

#[test]
fn the_empty_file_is_a_content() {
    let (node, empty) = (Node::new(), Content::new(0, 0));
    let manifest = node.add(&node.file("empty", &empty)).expect("adds");
    assert_eq!(
        (manifest.content(), manifest.fragment_count()),
        (ContentId::EMPTY, 0)
    );
    let node = node.reopen();
    assert!(node.store.entry(ContentId::EMPTY).expect("kept").roles.published);
}

#[test]
fn a_file_that_changes_while_it_is_hashed_is_not_shared() {
    let (node, content) = (Node::new(), Content::new(600_000, 1));
    for change in ["grown", "cut", "rewritten", "replaced"] {
        let path = node.file("file", &content);
        let meddle = |_| match change {
            "grown" => fs::OpenOptions::new()
                .append(true)
                .open(&path)
                .and_then(|mut f| std::io::Write::write_all(&mut f, b"x"))
                .expect("grows"),
            "cut" => fs::OpenOptions::new()
                .write(true)
                .open(&path)
                .and_then(|f| f.set_len(10))
                .expect("cuts"),
            "rewritten" => fs::write(&path, vec![3; 600_000]).expect("writes"),
            _ => {
                fs::write(node.path("new"), &content.bytes).expect("writes");
                fs::rename(node.path("new"), &path).expect("renames");
            }
        };
        let one = NonZeroUsize::MIN;
        let added = node
            .store
            .add_file(&path, None, None, one, &meddle, &AtomicBool::new(false));
        assert!(
            matches!(added, Err(StoreError::ChangedWhileRead { .. })),
            "{change}: {added:?}"
        );
    }
    assert!(node.store.entries().is_empty());
    assert!(files_below(&node.path("node/leaves")).is_empty());
}

#[test]
fn adding_can_be_stopped_and_has_bounds() {
    let (node, content) = (Node::new(), Content::new(600_000, 1));
    let path = node.file("file", &content);
    let cancelled = AtomicBool::new(false);
    let stop = |_| cancelled.store(true, Ordering::Relaxed);
    let stopped = node
        .store
        .add_file(&path, None, None, NonZeroUsize::MIN, &stop, &cancelled);
    assert!(matches!(stopped, Err(StoreError::Cancelled { .. })));
    let sparse = node.path("sparse");
    fs::File::create(&sparse)
        .and_then(|file| file.set_len(8 << 30))
        .expect("makes");
    let refused = node.add_in(&sparse, Some(FragmentLength::MIN));
    assert!(matches!(
        refused,
        Err(StoreError::Manifest(ManifestError::TooManyFragments { .. }))
    ));
    assert!(files_below(&node.path("node/leaves")).is_empty());
}

#[test]
fn adding_a_complete_content_keeps_its_place() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    node.store
        .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
        .expect("fits");
    content.fill(&node.store, &[0, 1, 2]);
    let path = node.file("file", &content);
    let longer = FragmentLength::new(128 << 10).ok();
    assert_eq!(node.add_in(&path, longer).expect("adds"), content.manifest);
    let entry = node.store.entry(content.id()).expect("kept");
    assert!(entry.roles.published && entry.roles.assigned && entry.place == Place::Store);
    node.store.release(content.id(), Role::Assigned).expect("known");
    fs::remove_file(&path).expect("removes");
    content.read(&node.store, 1).expect("reads");
}

#[test]
fn adding_a_partial_content_makes_the_file_its_place() {
    for is_fetch in [false, true] {
        let (node, content) = (Node::new(), Content::new(150_000, 1));
        let output = node.path("output");
        let purpose = if is_fetch {
            content.fetched(&output, false)
        } else {
            content.assigned(&[0, 1])
        };
        node.store.prepare(&content.manifest, purpose).expect("fits");
        content.fill(&node.store, &[0]);
        content.write(&node.store, 1).expect("writes");
        let path = node.file("file", &content);
        let longer = FragmentLength::new(128 << 10).ok();
        assert_eq!(
            node.add_in(&path, longer).expect("adds"),
            content.manifest,
            "the fragments of the other manifest"
        );
        content.commit(&node.store, 1).expect("it is held, elsewhere");
        let node = node.reopen();
        let entry = node.store.entry(content.id()).expect("kept");
        assert_eq!(
            (entry.place, entry.roles.fetched),
            (Place::File(path.clone()), is_fetch)
        );
        (0..3).for_each(|n| content.read(&node.store, n).expect("reads"));
        assert_eq!(node.store.usage().used, 0);
        let mut left = files_below(&node.path(""));
        left.retain(|file| !file.starts_with("node/"));
        assert_eq!(left, ["file"], "the copy in part is gone");
        node.store.copy_out(content.id(), &output, false).expect("copies");
        assert_eq!(fs::read(&output).expect("reads"), content.bytes);
    }
}

#[test]
fn a_copy_replaces_only_what_it_may_and_never_its_own_source() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    let path = node.file("file", &content);
    node.add(&path).expect("adds");
    node.store
        .copy_out(content.id(), &path, true)
        .expect("it is there");
    content.read(&node.store, 0).expect("still what it was");
    let output = node.path("output");
    fs::write(&output, "mine").expect("writes");
    assert!(matches!(
        node.store.copy_out(content.id(), &output, false),
        Err(StoreError::OutputExists { .. })
    ));
    assert_eq!(fs::read(&output).expect("reads"), b"mine");
    node.store.copy_out(content.id(), &output, true).expect("copies");
    assert_eq!(fs::read(&output).expect("reads"), content.bytes);
    let nowhere = node.path("missing/output");
    assert_eq!(
        node.store
            .copy_out(content.id(), &nowhere, true)
            .expect_err("nowhere")
            .code(),
        ErrorCode::InvalidArgument
    );
    let directory = node.path("node");
    assert!(node.store.copy_out(content.id(), &directory, true).is_err());
    assert!(
        node.store
            .copy_out(content.id(), Path::new("relative"), true)
            .is_err()
    );
}

#[test]
fn late_copies_of_blocks_do_not_change_a_file_that_is_complete() {
    let (node, content) = (Node::new(), Content::new(400_000, 1));
    let output = node.path("output");
    for round in 0..10 {
        node.store
            .prepare(&content.manifest, content.fetched(&output, true))
            .expect("fits");
        // All threads write and commit all fragments, as at the end of a fetch; the first commit of each
        // counts.
        std::thread::scope(|scope| {
            for worker in 0..4_u32 {
                let (store, content) = (&node.store, &content);
                scope.spawn(move || {
                    for n in 0..7 {
                        let n = (n + worker * 2) % 7;
                        content.write(store, n).expect("writes");
                        content.commit(store, n).expect("commits");
                        content.read(store, n).expect("reads");
                    }
                });
            }
        });
        assert_eq!(
            node.store.entry(content.id()).expect("kept").place,
            Place::File(output.clone())
        );
        assert_eq!(
            node.store.check_files(Duration::ZERO).changed,
            [],
            "round {round}"
        );
        assert_eq!(fs::read(&output).expect("reads"), content.bytes);
        node.store.forget(content.id()).expect("known");
    }
}

#[test]
fn a_complete_file_gets_its_identity_after_the_last_write() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    let output = node.path("output");
    node.store
        .prepare(&content.manifest, content.fetched(&output, false))
        .expect("fits");
    content.fill(&node.store, &[0, 1]);
    content.write(&node.store, 2).expect("writes");
    let slot = node.store.slot(content.id()).expect("kept");
    let partial = node.store.layout.own_data(&slot.kept()).expect("it has one");
    let late = slot.begin_writing();
    let mut changes = node.store.subscribe();
    std::thread::scope(|scope| {
        let last = scope.spawn(|| content.commit(&node.store, 2));
        changes.blocking_recv().expect("all is held");
        // Time for a mistake to happen.
        let has_time_passed = (0..5_000).all(|_| {
            std::thread::yield_now();
            partial.exists()
        });
        assert!(has_time_passed, "it was renamed during a write");
        let file = fs::OpenOptions::new()
            .write(true)
            .open(&partial)
            .expect("it has not been renamed");
        std::os::unix::fs::FileExt::write_all_at(&file, &content.bytes[..100], 0).expect("writes");
        drop(late);
        last.join().expect("no panic").expect("commits");
    });
    assert_eq!(node.store.check_files(Duration::ZERO).changed, []);
    assert_eq!(fs::read(&output).expect("reads"), content.bytes);
}

#[test]
fn a_file_with_bytes_after_its_end_is_refused() {
    let refused = Node::new().add(Path::new("/proc/version"));
    assert!(matches!(refused, Err(StoreError::NotAFile { .. })), "{refused:?}");
}

#[test]
fn nothing_of_the_data_directory_is_published_or_overwritten() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    let path = node.file("mine", &content);
    node.add(&path).expect("adds");
    fs::write(node.path("node/token"), "secret").expect("writes");
    fs::hard_link(node.path("node/token"), node.path("linked")).expect("links");
    std::os::unix::fs::symlink(node.path("node"), node.path("way")).expect("links");
    std::os::unix::fs::symlink(node.path("node/token"), node.path("alias")).expect("links");
    let packed = Content::new(90_000, 2);
    node.store
        .prepare(&packed.manifest, packed.assigned(&[0, 1]))
        .expect("fits");
    packed.fill(&node.store, &[0, 1]);
    let data = node.store.layout.data(packed.id());
    fs::hard_link(&data, node.path("packed")).expect("links");
    for own in [
        "node/token",
        "node/index.db",
        "linked",
        "way/token",
        "alias",
        "packed",
        "way/lock",
    ] {
        let error = node.add(&node.path(own)).expect_err(own);
        assert!(matches!(error, StoreError::OwnData { .. }), "{own}: {error}");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
    let index = fs::read(node.path("node/index.db")).expect("reads");
    for own in [
        "node/index.db",
        "node/new",
        "way/index.db",
        "node/contents/new",
        "alias",
        "linked",
    ] {
        let output = node.path(own);
        let copied = node.store.copy_out(content.id(), &output, true);
        assert!(
            matches!(copied, Err(StoreError::OwnData { .. })),
            "{own}: {copied:?}"
        );
        let other = Content::new(10, 7);
        let fetch = node.store.prepare(&other.manifest, other.fetched(&output, true));
        assert!(
            matches!(fetch, Err(StoreError::OwnData { .. })),
            "{own}: {fetch:?}"
        );
        assert!(node.store.entry(other.id()).is_none());
    }
    assert_eq!(fs::read(node.path("node/index.db")).expect("reads"), index);
    node.store
        .copy_out(content.id(), &node.path("beside"), false)
        .expect("copies");
}
