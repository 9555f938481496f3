//! Crashes between any two steps: held fragments are right afterwards, and the others can be fetched again.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use shared::model::{Attributes, FileMetadata, Mode, ModifiedAt, Name};
use tempfile::TempDir;

use super::super::files::{FAILING, move_file};
use super::super::fixture::{Content, files_below};
use super::super::kept::Kept;
use super::super::settle::note_partial;
use super::super::slot::Slot;
use super::super::{
    Addition, DiskStore, FragmentStore as _, Place, Publication, PublicationState, Purpose, Role, StoreError,
};

const CAPACITY: u64 = 1 << 20;

struct Node {
    directory: TempDir,
}

impl Node {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn open(&self) -> DiskStore {
        DiskStore::open(&self.path("node"), CAPACITY).expect("opens")
    }

    /// Returns a node with the data directory as a crash at this moment would leave it.
    fn crashed(&self) -> Self {
        let copy = Self::new();
        copy_directory(&self.path("node"), &copy.path("node"));
        copy
    }
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("creates");
    for entry in fs::read_dir(from).expect("lists") {
        let path = entry.expect("lists").path();
        let target = to.join(path.file_name().expect("named"));
        if path.is_dir() {
            copy_directory(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copies");
        }
    }
}

/// Asserts that after a crash exactly `held` is held and right, and that fetching the rest makes the content
/// complete.
fn assert_recovers(node: &Node, content: &Content, held: &[u32]) {
    let store = node.open();
    assert_eq!(content.held(&store), held);
    let entry = store
        .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
        .expect("fits");
    let missing: Vec<u32> = entry
        .held
        .complement()
        .iter()
        .map(shared::model::FragmentIndex::get)
        .collect();
    content.fill(&store, &missing);
    (0..3).for_each(|n| content.read(&store, n).expect("reads"));
    drop(store);
    let store = node.open();
    (0..3).for_each(|n| content.read(&store, n).expect("still reads after another start"));
}

#[test]
fn at_each_step_of_a_commit() {
    let content = Content::new(150_000, 1);
    let node = Node::new();
    let store = node.open();
    store
        .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
        .expect("fits");
    let prepared = node.crashed();
    content.fill(&store, &[0]);
    content.write(&store, 1).expect("writes");
    let written = node.crashed();
    let slot = store.slot(content.id()).expect("kept");
    store.make_durable(&slot, &[content.proof(1)]).expect("syncs");
    let synced = node.crashed();
    content.commit(&store, 1).expect("commits");
    let committed = node.crashed();

    assert_recovers(&prepared, &content, &[]);
    assert_recovers(&written, &content, &[0]);
    assert_recovers(&synced, &content, &[0]);
    assert_recovers(&committed, &content, &[0, 1]);
}

#[test]
fn between_the_index_entry_of_a_new_content_and_its_files() {
    let content = Content::new(150_000, 1);
    let node = Node::new();
    node.open()
        .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
        .expect("fits");
    for directory in ["contents", "leaves"] {
        fs::remove_dir_all(node.path("node").join(directory)).expect("removes");
    }
    assert_recovers(&node, &content, &[]);
}

#[test]
fn between_forgetting_a_content_and_removing_its_files() {
    let content = Content::new(150_000, 1);
    let node = Node::new();
    let store = node.open();
    store
        .prepare(&content.manifest, content.assigned(&[0]))
        .expect("fits");
    let before = files_below(&node.path("node/contents"));
    assert_eq!(
        before,
        [format!(
            "{}/{}.data",
            &content.id().to_string()[..2],
            content.id()
        )]
    );
    let crashed = node.crashed();
    store.forget(content.id()).expect("known");
    assert!(files_below(&node.path("node/contents")).is_empty());
    drop(store);
    // The files are there again, but the index entry is not.
    copy_directory(&crashed.path("node/contents"), &node.path("node/contents"));
    copy_directory(&crashed.path("node/leaves"), &node.path("node/leaves"));
    fs::write(node.path("node/leaves/0123.spool"), "half of an addition").expect("writes");
    let store = node.open();
    assert!(store.entries().is_empty());
    assert!(files_below(&node.path("node/contents")).is_empty());
    assert!(files_below(&node.path("node/leaves")).is_empty());
    let lost = [format!("{}.data", content.id())];
    assert_eq!(
        files_below(&node.path("node/lost"))[..1],
        lost,
        "nothing proves that nobody needs it"
    );
}

/// Makes a fetch that is complete but for its last step, because another file is in the way at its output.
fn almost_finished(node: &Node, content: &Content) -> (PathBuf, PathBuf) {
    let output = node.path("output");
    let store = node.open();
    store
        .prepare(&content.manifest, content.fetched(&output, false))
        .expect("fits");
    content.fill(&store, &[0, 1]);
    fs::write(&output, "in the way").expect("writes");
    content.write(&store, 2).expect("writes");
    assert!(matches!(
        content.commit(&store, 2),
        Err(StoreError::OutputExists { .. })
    ));
    assert_eq!(fs::read(&output).expect("reads"), b"in the way");
    let Place::Partial { partial, .. } = store.entry(content.id()).expect("kept").place else {
        panic!("it has not been moved")
    };
    assert_eq!(content.held(&store), [0, 1, 2]);
    (partial, output)
}

#[test]
fn before_a_complete_fetch_is_renamed() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    let (partial, output) = almost_finished(&node, &content);
    fs::remove_file(&output).expect("removes");
    let store = node.open();
    assert_eq!(content.held(&store), [0, 1, 2]);
    let entry = store
        .prepare(&content.manifest, content.fetched(&output, false))
        .expect("it is there");
    assert_eq!(entry.place, Place::File(output.clone()));
    assert!(!partial.exists() && fs::read(&output).expect("reads") == content.bytes);
}

#[test]
fn after_a_complete_fetch_was_renamed_and_before_the_index_says_so() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    let (partial, output) = almost_finished(&node, &content);
    move_file(&partial, &output, true).expect("renames");
    for _ in 0..2 {
        let store = node.open();
        assert_eq!(
            store.entry(content.id()).expect("kept").place,
            Place::File(output.clone())
        );
        (0..3).for_each(|n| content.read(&store, n).expect("reads"));
    }
}

#[test]
fn between_the_two_halves_of_a_rename_where_it_takes_two() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    let (partial, output) = almost_finished(&node, &content);
    fs::remove_file(&output).expect("removes");
    fs::hard_link(&partial, &output).expect("links");
    let store = node.open();
    assert_eq!(
        store.entry(content.id()).expect("kept").place,
        Place::File(output.clone())
    );
    content.read(&store, 1).expect("reads");
    assert!(!partial.exists());
}

#[test]
fn a_file_that_only_looks_like_the_output_is_not_touched() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    let (partial, output) = almost_finished(&node, &content);
    fs::remove_file(&partial).expect("removes");
    fs::write(&output, vec![7; content.bytes.len()]).expect("writes");
    let store = node.open();
    assert!(content.held(&store).is_empty());
    let again = store.prepare(&content.manifest, content.fetched(&output, false));
    assert!(matches!(again, Err(StoreError::OutputExists { .. })));
    assert_eq!(fs::read(&output).expect("reads"), vec![7; content.bytes.len()]);
    store
        .prepare(&content.manifest, content.fetched(&output, true))
        .expect("it may be replaced");
    content.fill(&store, &[0, 1, 2]);
    assert_eq!(fs::read(&output).expect("reads"), content.bytes);
}

#[test]
fn a_fetch_whose_output_is_taken_can_still_be_copied_out() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    let (partial, _) = almost_finished(&node, &content);
    let (store, other) = (node.open(), node.path("other"));
    store
        .prepare(&content.manifest, content.fetched(&other, false))
        .expect("it is here");
    store.copy_out(content.id(), &other, false).expect("copies");
    assert_eq!(fs::read(&other).expect("reads"), content.bytes);
    store.release(content.id(), Role::Fetched).expect("known");
    assert!(!partial.exists(), "a partial file goes with its content");
    assert_eq!(fs::read(&other).expect("reads"), content.bytes);
}

/// Begins to fetch a content to an output; returns its record and its partial file.
fn begun(node: &Node, content: &Content) -> (DiskStore, Kept, PathBuf) {
    let store = node.open();
    store
        .prepare(&content.manifest, content.fetched(&node.path("output"), false))
        .expect("fits");
    content.fill(&store, &[0]);
    let record = store.slot(content.id()).expect("kept").kept().clone();
    let partial = store.layout.own_data(&record).expect("it has one");
    (store, record, partial)
}

#[test]
fn between_the_index_entry_of_a_new_place_and_the_end_of_the_old_one() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    let (store, old, partial) = begun(&node, &content);
    let mut next = old.clone();
    next.place = Place::Store;
    // As when the user adds the file or asks for another output, up to the removal of the old file.
    note_partial(&store.index(), &old).expect("writes");
    store.index().insert(&next).expect("writes");
    drop(store);
    assert!(partial.exists());
    let store = node.open();
    assert!(!partial.exists());
    assert_eq!(store.entry(content.id()).expect("kept").place, Place::Store);
    drop(store);
    assert_recovers(&node, &content, &[]);
}

#[test]
fn a_note_about_a_file_that_a_record_still_names_deletes_nothing() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    let (store, old, partial) = begun(&node, &content);
    // The content was to get another place, and the crash came before its record had it.
    note_partial(&store.index(), &old).expect("writes");
    drop(store);
    let store = node.open();
    assert!(partial.exists(), "the fragment that is held is in it");
    assert_eq!(content.held(&store), [0]);
    content.fill(&store, &[1, 2]);
    drop(store);
    assert_recovers(&node, &content, &[0, 1, 2]);
}

#[test]
fn an_output_whose_directory_cannot_be_synced_is_served_all_the_same() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    let (store, output) = (node.open(), node.path("output"));
    store
        .prepare(&content.manifest, content.fetched(&output, false))
        .expect("fits");
    content.fill(&store, &[0, 1]);
    let directory = output.parent().expect("it has one").to_owned();
    FAILING.set(Some(directory));
    content.write(&store, 2).expect("writes");
    let failed = content.commit(&store, 2).expect_err("not synced");
    FAILING.set(None);
    assert!(matches!(failed, StoreError::Io { act: "sync", .. }), "{failed}");
    assert_eq!(fs::read(&output).expect("reads"), content.bytes);
    assert_eq!(content.held(&store), [0, 1, 2]);
    assert_eq!(
        store.entry(content.id()).expect("kept").place,
        Place::File(output.clone())
    );
    store
        .prepare(&content.manifest, content.fetched(&output, false))
        .expect("it is here");
    drop(store);
    assert_recovers(&node, &content, &[0, 1, 2]);
}

#[test]
fn a_block_that_is_noted_after_a_failed_sync_is_forgotten_too() {
    let (node, content) = (Node::new(), Content::new(150_000, 1));
    let store = node.open();
    store
        .prepare(&content.manifest, content.fetched(&node.path("output"), false))
        .expect("fits");
    content.write(&store, 0).expect("writes");
    let is_written = |slot: &Slot| slot.kept().fresh(std::slice::from_ref(content.proof(0))).is_ok();
    let slot = store.slot(content.id()).expect("kept");
    let partial = store.layout.own_data(&slot.kept()).expect("it has one");
    // The sync finds that the file is gone, as it would find a broken disk.
    fs::remove_file(&partial).expect("removes");
    std::thread::scope(|scope| {
        let writing = slot.begin_writing();
        let committing = scope.spawn(|| content.commit(&store, 0));
        for _ in 0..50 {
            assert!(is_written(&slot), "a block may be noted just now");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        drop(writing);
        committing.join().expect("ends").expect_err("the file is gone");
    });
    assert!(!is_written(&slot), "nobody knows what is on the disk");
}

#[test]
fn an_unfinished_copy_is_swept_and_nothing_else() {
    let node = Node::new();
    let store = node.open();
    let (unfinished, bystander) = (node.path(".x.1.enjambre-part"), node.path(".x.2.enjambre-part"));
    fs::write(&unfinished, "half").expect("writes");
    fs::write(&bystander, "another program's").expect("writes");
    store.index().add_temporary(&unfinished).expect("writes");
    drop(store);
    drop(node.open());
    assert!(!unfinished.exists() && bystander.exists());
}

#[test]
fn a_data_directory_has_one_node_at_a_time() {
    let node = Node::new();
    let store = node.open();
    let second = DiskStore::open(&node.path("node"), CAPACITY).expect_err("in use");
    let pid = format!("pid {}", std::process::id());
    assert!(
        second.to_string().contains("in use") && second.to_string().contains(&pid),
        "{second}"
    );
    drop(store);
    drop(node.open());
}

#[test]
fn facts_and_publications_survive() {
    let (node, content) = (Node::new(), Content::new(10, 1));
    let name: shared::model::Name = "models/a".parse().expect("a name");
    let attributes = Attributes {
        mode: Mode::of(0o750),
        modified: ModifiedAt::new(-1, 5).expect("within a second"),
    };
    let metadata = FileMetadata::new(attributes, std::iter::once(4..9).collect()).expect("one hole");
    let pending = Publication {
        name: name.clone(),
        content: content.id(),
        target: None,
        update: true,
        metadata: Some(metadata),
        state: PublicationState::Pending(None),
    };
    let store = node.open();
    assert_eq!(store.meta_get("epoch").expect("reads"), None);
    store.meta_set("epoch", &[1, 2]).expect("writes");
    store.meta_set("epoch", &[3]).expect("writes");
    store.put_publication(&pending).expect("writes");
    drop(store);
    let store = node.open();
    assert_eq!(store.meta_get("epoch").expect("reads"), Some(vec![3]));
    assert_eq!(
        store.publications().expect("reads"),
        std::slice::from_ref(&pending)
    );

    let published = PublicationState::Published(shared::model::Revision::new(4));
    let settle = |attempted: &Publication, state: &PublicationState| {
        store.settle_publication(attempted, state).expect("writes")
    };
    let elsewhere = Publication {
        content: Content::new(10, 2).id(),
        ..pending.clone()
    };
    assert!(!settle(&elsewhere, &published), "an answer about something else");
    let fewer = Publication {
        target: shared::model::ReplicationTarget::new(1).ok(),
        ..pending.clone()
    };
    assert!(
        !settle(&fewer, &published),
        "an answer about another number of replicas"
    );
    let following = PublicationState::Pending(Some(shared::model::Revision::new(3)));
    assert!(settle(&pending, &following));
    let attempted = Publication {
        state: following.clone(),
        ..pending.clone()
    };
    // The user adds the very same file again, while the tracker is being asked.
    store.put_publication(&pending).expect("writes");
    assert!(!settle(&attempted, &published), "an answer to an earlier attempt");
    assert!(
        !store.forget_publication(&attempted).expect("writes"),
        "nor is it forgotten with it"
    );
    assert!(settle(&pending, &following));
    let pending = attempted;
    assert!(settle(&pending, &published));
    assert!(
        !settle(&pending, &PublicationState::Refused("late".into())),
        "it is settled"
    );
    let settled = Publication {
        state: published,
        ..pending
    };
    assert_eq!(
        store.publications().expect("reads"),
        std::slice::from_ref(&settled)
    );
    assert!(
        !store.withdraw_publication(&name).expect("writes"),
        "it waits for nothing"
    );
    assert!(store.forget_publication(&settled).expect("writes"));
    assert!(!store.forget_publication(&settled).expect("writes"));
    assert!(store.publications().expect("reads").is_empty());
}

#[test]
fn an_addition_that_a_kill_interrupts_is_taken_back_by_the_next_start() {
    let (node, file, pack) = (Node::new(), Content::new(300_000, 1), Content::new(100_000, 2));
    let name: Name = "tree".parse().expect("a name");
    let store = Arc::new(node.open());
    fs::write(node.path("mine"), &file.bytes).expect("writes");
    let mut addition = Addition::begin(&store);
    let (one, stop) = (NonZeroUsize::MIN, AtomicBool::new(false));
    addition
        .hash_and_share(&node.path("mine"), None, one, &|_| {}, &stop)
        .expect("adds");
    let shared = node.crashed();
    addition.bytes(&pack.bytes, &name, None).expect("fits");
    addition.catalog(pack.id()).expect("notes");
    let packed = node.crashed();
    let publication = Publication {
        name,
        content: pack.id(),
        target: None,
        update: false,
        metadata: None,
        state: PublicationState::Pending(None),
    };
    store.put_publication(&publication).expect("writes");
    let published = node.crashed();
    addition.keep();
    let kept = node.crashed();

    assert!(shared.open().entries().is_empty());
    assert!(files_below(&shared.path("node/leaves")).is_empty());
    let again = packed.open();
    assert!(again.entry(file.id()).is_none() && !again.is_collection(pack.id()).expect("reads"));
    // Whole bytes are never deleted: the tracker says that nobody needs them.
    let entry = again.entry(pack.id()).expect("it is whole");
    assert!(entry.roles.assigned && !entry.roles.published && entry.name.is_none());
    for node in [published, kept] {
        for _ in 0..2 {
            let store = node.open();
            for content in [&file, &pack] {
                let entry = store.entry(content.id()).expect("kept");
                assert!(entry.roles.published && entry.held.is_full());
            }
            assert!(store.is_collection(pack.id()).expect("reads"));
        }
    }
}

#[test]
fn a_part_of_an_interrupted_addition_leaves_no_file_behind() {
    let (node, pack) = (Node::new(), Content::new(150_000, 2));
    let store = node.open();
    store.index().begin_addition(7, pack.id()).expect("notes");
    let purpose = Purpose::Collected {
        role: Role::Published,
        name: None,
        fragments: pack.manifest.all_fragments(),
    };
    store.prepare(&pack.manifest, purpose).expect("fits");
    pack.fill(&store, &[0]);
    drop(store);
    let store = node.open();
    assert!(store.entries().is_empty() && store.usage().used == 0);
    assert_eq!(store.index().unfinished().expect("reads"), []);
    for directory in ["node/contents", "node/leaves"] {
        assert!(files_below(&node.path(directory)).is_empty(), "{directory}");
    }
    assert!(!node.path("node/lost").exists());
}
