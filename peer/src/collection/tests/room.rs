//! Room for restored directories, and their modes when there is not enough.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use shared::collection::{Attributes, Builder, Data, File, Mode, ModifiedAt, Selection};
use shared::model::ContentId;
use store::Room;

use super::super::restore::Restoration;
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
