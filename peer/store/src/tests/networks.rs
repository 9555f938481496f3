//! A peer that changes networks: everything of each stays apart from the others.

use std::fs;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rusqlite::Connection;
use shared::model::{ContentId, FragmentLength, KeptApart, NetworkId, ReplicationTarget, Revision};
use tempfile::TempDir;

use super::super::fixture::Content;
use super::super::{
    Belonging, DiskStore, FragmentStore as _, Publication, PublicationState, Role, StoreError,
};

const A: NetworkId = NetworkId::from_bytes([0xa; 16]);
const B: NetworkId = NetworkId::from_bytes([0xb; 16]);
const FACTS: [&str; 2] = ["epoch", "mark"];
const LENGTH: usize = 150_000;

fn open(directory: &TempDir) -> DiskStore {
    DiskStore::open(directory.path(), 1 << 20).expect("opens")
}

/// Holds a whole content as an assignment.
fn hold(store: &DiskStore, content: &Content) {
    store
        .prepare(&content.manifest, content.assigned(&[0, 1, 2]))
        .expect("room");
    content.fill(store, &[0, 1, 2]);
}

fn publication(name: &str, content: ContentId, state: PublicationState) -> Publication {
    Publication {
        name: name.parse().expect("a name"),
        content,
        target: Some(ReplicationTarget::DEFAULT),
        update: true,
        metadata: None,
        state,
    }
}

fn fact(store: &DiskStore, key: &str) -> Option<Vec<u8>> {
    store.meta_get(key).expect("reads")
}

#[test]
fn networks_are_apart_and_come_back_as_they_were() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(&directory);
    let (ours, theirs) = (Content::new(LENGTH, 1), Content::new(LENGTH, 2));
    hold(&store, &ours);
    store.meta_set("epoch", &[5]).expect("writes");
    let waiting = publication(
        "same",
        ours.id(),
        PublicationState::Pending(Some(Revision::new(3))),
    );
    store.put_publication(&waiting).expect("writes");
    store
        .note_passing(&waiting.name, Revision::new(3))
        .expect("writes");
    let passing = [(waiting.name.clone(), Revision::new(3))];
    // Everything that was here before any network had an id goes along to the first one.
    store.turn_to(A, &FACTS).expect("turns");
    assert_eq!(store.network(), Some(A));
    assert_eq!(
        (fact(&store, "epoch"), fact(&store, "mark")),
        (Some(vec![5]), None)
    );
    assert!(!store.is_elsewhere(ours.id()));
    assert_eq!(store.apart().expect("reads"), []);

    store.turn_to(B, &FACTS).expect("turns");
    store.meta_set("mark", &[6]).expect("writes");
    drop(store);
    store = open(&directory);
    assert_eq!(store.network(), Some(B));
    assert_eq!(
        (fact(&store, "epoch"), fact(&store, "mark")),
        (None, Some(vec![6]))
    );
    assert!(store.is_elsewhere(ours.id()), "also after a restart");
    assert_eq!(store.belonging(ours.id()).expect("reads"), Belonging::Elsewhere);
    assert_eq!(store.publications().expect("reads"), []);
    assert_eq!(store.passing().expect("reads"), [], "it is no name of this one");
    let apart = KeptApart {
        network: A,
        contents: 1,
        bytes: LENGTH as u64,
        pending: 1,
    };
    assert_eq!(store.apart().expect("reads"), [apart]);
    assert_eq!(store.other_networks().expect("reads"), [A]);
    // The same name means something else here.
    hold(&store, &theirs);
    let made = publication("same", theirs.id(), PublicationState::Published(Revision::new(1)));
    store.put_publication(&made).expect("writes");

    store.turn_to(A, &FACTS).expect("turns");
    assert_eq!(
        (fact(&store, "epoch"), fact(&store, "mark")),
        (Some(vec![5]), None)
    );
    assert_eq!(store.publications().expect("reads"), [waiting]);
    assert_eq!(store.passing().expect("reads"), passing);
    assert!(!store.is_elsewhere(ours.id()) && store.is_elsewhere(theirs.id()));
    store.turn_to(B, &FACTS).expect("turns");
    assert_eq!(store.publications().expect("reads"), [made]);
    assert_eq!(fact(&store, "mark"), Some(vec![6]));
}

#[test]
fn a_content_of_two_networks_is_dropped_by_neither_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory);
    let content = Content::new(LENGTH, 1);
    store.turn_to(A, &FACTS).expect("turns");
    hold(&store, &content);
    assert_eq!(store.belonging(content.id()).expect("reads"), Belonging::Here);
    store
        .leave_to_others(content.id(), &|| false)
        .expect("there are none");
    assert_eq!(store.belonging(content.id()).expect("reads"), Belonging::Here);
    store.turn_to(B, &FACTS).expect("turns");
    let mut changes = store.subscribe();
    // An order of this network's tracker finds the bytes here.
    let entry = store.prepare(&content.manifest, content.assigned(&[0]));
    assert!(entry.expect("room").held.is_full());
    assert_eq!(changes.try_recv(), Ok(content.id()), "it is announced");
    assert_eq!(store.belonging(content.id()).expect("reads"), Belonging::Both);
    let has_left = store.leave_to_others(content.id(), &|| true).expect("reads");
    assert!(!has_left, "it is being published here");
    assert_eq!(store.belonging(content.id()).expect("reads"), Belonging::Both);
    store.leave_to_others(content.id(), &|| false).expect("leaves");
    assert_eq!(
        store.belonging(content.id()).expect("reads"),
        Belonging::Elsewhere
    );
    store.turn_to(A, &FACTS).expect("turns");
    assert_eq!(store.belonging(content.id()).expect("reads"), Belonging::Here);
    assert!(store.entry(content.id()).expect("here").held.is_full());

    // Once it is forgotten, nothing of that is left.
    store.turn_to(B, &FACTS).expect("turns");
    store
        .release(content.id(), Role::Assigned)
        .expect("its last role");
    hold(&store, &content);
    assert_eq!(store.belonging(content.id()).expect("reads"), Belonging::Here);
}

#[test]
fn adopted_names_are_published_anew_and_take_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory);
    let (ours, theirs) = (Content::new(LENGTH, 1), Content::new(LENGTH, 2));
    hold(&store, &ours);
    store.turn_to(A, &FACTS).expect("turns");
    let done = PublicationState::Published(Revision::new(7));
    for (name, state) in [
        ("done", done.clone()),
        ("refused", PublicationState::Refused("no".to_owned())),
        ("taken", PublicationState::Pending(None)),
    ] {
        store
            .put_publication(&publication(name, ours.id(), state))
            .expect("writes");
    }
    store.turn_to(B, &FACTS).expect("turns");
    let taken = publication("taken", theirs.id(), done);
    store.put_publication(&taken).expect("writes");
    let none = store.adopt_publications(|network| network == B).expect("reads");
    assert_eq!(none.networks, 0);
    let adopted = store.adopt_publications(|network| network == A).expect("writes");
    let names = |names: &[shared::model::Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (adopted.networks, names(&adopted.names), names(&adopted.taken)),
        (1, vec!["done".to_owned()], vec!["taken".to_owned()])
    );
    // It replaces nothing that others have bound, whatever the user wanted there.
    let anew = Publication {
        update: false,
        ..publication("done", ours.id(), PublicationState::Pending(None))
    };
    assert_eq!(store.publications().expect("reads"), [anew, taken]);
    assert_eq!(store.forget_pending_apart().expect("writes").len(), 1);
    assert_eq!(store.apart().expect("reads")[0].pending, 0);
}

/// Makes a directory with a content of each of two networks; the present one is B.
fn two_networks() -> (TempDir, Content, Content) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory);
    let (ours, theirs) = (Content::new(LENGTH, 1), Content::new(LENGTH, 2));
    store.turn_to(A, &FACTS).expect("turns");
    hold(&store, &ours);
    store.meta_set("epoch", &[5]).expect("writes");
    let done = PublicationState::Published(Revision::new(7));
    store
        .put_publication(&publication("ours", ours.id(), done))
        .expect("writes");
    store.turn_to(B, &FACTS).expect("turns");
    hold(&store, &theirs);
    (directory, ours, theirs)
}

fn rebuilt(directory: &TempDir) -> DiskStore {
    // A node refuses an index that lacks its id.
    let rebuilt = DiskStore::rebuild(directory.path(), 1 << 20, "peer_id").expect("rebuilds");
    rebuilt.expect("there is something").0
}

#[test]
fn a_rebuilt_index_knows_the_networks() -> Result<(), StoreError> {
    let (directory, ours, theirs) = two_networks();
    let store = rebuilt(&directory);
    assert_eq!(store.network(), Some(B));
    assert!(store.is_elsewhere(ours.id()) && !store.is_elsewhere(theirs.id()));
    store.turn_to(A, &FACTS)?;
    assert_eq!(fact(&store, "epoch"), Some(vec![5]));
    assert_eq!(store.publications()?.len(), 1);
    Ok(())
}

#[test]
fn contents_whose_networks_are_lost_are_of_all() -> Result<(), StoreError> {
    let (directory, ours, theirs) = two_networks();
    let index = Connection::open(directory.path().join("index.db")).expect("opens");
    index.execute_batch("DROP TABLE belongs").expect("drops");
    drop(index);
    let store = rebuilt(&directory);
    for content in [&ours, &theirs] {
        assert_eq!(store.belonging(content.id())?, Belonging::Both);
    }
    drop(store);
    // A file without a record may be of any of them too.
    let index = Connection::open(directory.path().join("index.db")).expect("opens");
    let forget = "DELETE FROM holdings; DELETE FROM contents; DELETE FROM belongs";
    index.execute_batch(forget).expect("forgets");
    drop(index);
    drop(fs::remove_file(directory.path().join("index.db-running")));
    let store = open(&directory);
    assert_eq!(store.belonging(ours.id())?, Belonging::Both);
    Ok(())
}

#[test]
fn a_file_of_another_network_that_is_away_still_lies_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, away) = (directory.path().join("file"), directory.path().join("away"));
    let content = Content::new(LENGTH, 1);
    fs::write(&file, &content.bytes).expect("writes");
    let store = DiskStore::open(&directory.path().join("node"), 1 << 20).expect("opens");
    let (one, stop) = (NonZeroUsize::MIN, AtomicBool::new(false));
    store
        .add_file(&file, None, Some(FragmentLength::MIN), one, &|_| {}, &stop)
        .expect("adds");
    store.turn_to(A, &FACTS).expect("turns");
    store.turn_to(B, &FACTS).expect("turns");
    let apart = [KeptApart {
        network: A,
        contents: 1,
        bytes: LENGTH as u64,
        pending: 0,
    }];
    assert_eq!(store.apart().expect("reads"), apart);
    fs::rename(&file, &away).expect("renames");
    store.check_files(Duration::ZERO);
    assert!(
        store
            .entry(content.id())
            .is_some_and(|entry| entry.away.is_some())
    );
    assert_eq!(store.apart().expect("reads"), apart, "it may come back");
    fs::rename(&away, &file).expect("renames");
    store.check_files(Duration::ZERO);
    assert_eq!(store.apart().expect("reads"), apart);
}
