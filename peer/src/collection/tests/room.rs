//! Room for restored directories, and their modes when there is not enough.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use shared::collection::{Attributes, Builder, Data, File, Mode, ModifiedAt, Selection};
use shared::model::ContentId;
use store::{FragmentStore as _, Purpose, Role, Room};

use super::super::restore::{Restoration, require_beneath};
use super::{Node, usual};

fn attributes() -> Attributes {
    Attributes {
        mode: Mode::of(0o644),
        modified: ModifiedAt::new(0, 0).expect("a time"),
    }
}

/// A collection of some hundred bytes that names the same bytes many times.
fn bomb(length: u64, count: usize) -> shared::collection::Catalog {
    let mut builder = Builder::new(attributes());
    for n in 0..count {
        let file = File {
            attributes: attributes(),
            length,
            data: Data::Whole(ContentId::from_bytes([7; 32])),
            holes: Vec::new(),
        };
        builder.file(&format!("{n:04}"), file).expect("an entry");
    }
    builder.finish().expect("a catalog")
}

#[test]
fn a_small_catalog_cannot_ask_for_more_than_the_disk_has() {
    let node = Node::new();
    let (all, out) = (Selection::default(), node.path("new/out"));
    let how = (false, Mode::of(0));
    let room = |length, count| {
        let restoration = Restoration::new(bomb(length, count), None, &all, &out, how).expect("planned");
        restoration.check().expect("nothing is in the way");
        restoration.room(&*node.store).expect("looks")
    };
    let fits = room(1000, 3);
    assert_eq!(fits.needed, 3000);
    fits.require().expect("fits");
    let each = fits.available / 100;
    let refused = room(each, 200).require().expect_err("too much");
    assert!(refused.to_string().contains("do not fit"), "{refused}");
    room(u64::MAX / 2, 200).require().expect_err("nothing wraps");
}

#[test]
fn files_that_are_there_need_no_room() {
    let node = usual();
    let catalog = node.add(&Selection::default(), None).expect("added");
    let (all, out) = (Selection::default(), node.path("out"));
    let needed = |overwrite| {
        let how = (overwrite, Mode::of(0));
        let restoration = Restoration::new(catalog.clone(), None, &all, &out, how).expect("planned");
        (
            restoration.room(&*node.store).expect("looks").needed,
            restoration.length(),
        )
    };
    let (before, length) = needed(false);
    assert_eq!(before, length, "nothing is there");
    node.restore(&catalog, None, "out", false).expect("restored");
    assert_eq!(needed(false).0, 0, "everything is");
    let there = fs::read(node.path("out/a")).expect("reads");
    fs::write(node.path("out/a"), &there[1..]).expect("writes");
    assert_eq!(needed(true).0, 1, "a file that is replaced gives its room");
}

#[test]
fn what_does_not_fit_is_refused_by_its_numbers() {
    let (needed, available) = (2, 1);
    let refused = Room { needed, available }.require().expect_err("too much");
    assert_eq!(refused.to_string(), "2 bytes do not fit: 1 are left of the disk");
    let (needed, available) = (1, 1);
    Room { needed, available }.require().expect("fits");
}

#[test]
fn a_restoration_that_ends_early_leaves_modes_as_they_were() {
    let node = usual();
    let catalog = node.add(&Selection::default(), None).expect("added");
    node.restore(&catalog, None, "out", false).expect("restored");
    let mode = |path: &str| fs::metadata(node.path(path)).expect("is there").mode() & 0o777;
    for (path, read_only) in [("out/b", 0o500), ("out", 0o555)] {
        fs::set_permissions(node.path(path), fs::Permissions::from_mode(read_only)).expect("changes");
    }
    let (all, out) = (Selection::default(), node.path("out"));
    let restoration = Restoration::new(catalog, None, &all, &out, (true, Mode::of(0))).expect("planned");
    restoration.check().expect("its own directories are no obstacle");
    restoration.make_directories().expect("all are there");
    assert_eq!(
        (mode("out"), mode("out/b"), mode("out/empty")),
        (0o755, 0o700, 0o755)
    );
    drop(restoration);
    assert_eq!(
        (mode("out"), mode("out/b"), mode("out/empty")),
        (0o555, 0o500, 0o555)
    );
}

#[test]
fn packs_that_were_only_fetched_are_published_with_the_next_revision() {
    let node = usual();
    let before = node.add(&Selection::default(), None).expect("added");
    let packs: Vec<ContentId> = before.parts().to_vec();
    assert!(!packs.is_empty());
    for pack in &packs {
        let manifest = node.store.entry(*pack).expect("here").manifest;
        let purpose = Purpose::Collected {
            role: Role::Fetched,
            name: None,
            fragments: manifest.all_fragments(),
        };
        node.store.prepare(&manifest, purpose).expect("it is here");
        node.store.release(*pack, Role::Published).expect("it was added");
    }
    let roles = |pack: &ContentId| node.store.entry(*pack).expect("here").roles;
    assert!(
        packs
            .iter()
            .all(|pack| !roles(pack).published && roles(pack).fetched)
    );
    node.write("new", b"of the next revision");
    let after = node.add(&Selection::default(), Some(&before)).expect("added");
    let shared = after.parts().iter().filter(|part| packs.contains(part)).count();
    assert!(shared > 0, "nothing was packed anew that is here");
    assert!(after.parts().iter().all(|part| roles(part).published));
}

#[test]
fn a_large_file_goes_through_no_link_below_the_output() {
    let home = tempfile::tempdir().expect("a directory");
    let at = |path: &str| home.path().join(path);
    fs::create_dir_all(at("out/real/deep")).expect("made");
    fs::create_dir_all(at("elsewhere/deep")).expect("made");
    std::os::unix::fs::symlink(at("elsewhere"), at("out/link")).expect("links");
    std::os::unix::fs::symlink(at("out"), at("way")).expect("links");
    for inside in ["out/file", "out/real/file", "out/real/deep/file", "out"] {
        require_beneath(&at("out"), &at(inside)).expect(inside);
    }
    // The user's own way to the output is the user's.
    require_beneath(&at("way"), &at("way/real/file")).expect("a way");
    for led_astray in ["out/link/file", "out/link/deep/file", "out/missing/file"] {
        let refused = require_beneath(&at("out"), &at(led_astray)).expect_err(led_astray);
        assert!(refused.to_string().contains(led_astray), "{refused}");
    }
}
