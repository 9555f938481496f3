//! Catalogs and their bytes.

use proptest::prelude::*;

use super::*;
use crate::model::ContentId;

fn attributes(mode: u32, seconds: i64, nanos: u32) -> Attributes {
    let modified = ModifiedAt::new(seconds, nanos % 1_000_000_000).expect("below a second");
    Attributes {
        mode: Mode::of(mode),
        modified,
    }
}

fn usual() -> Attributes {
    attributes(0o644, 1_700_000_000, 5)
}

fn part(n: u8) -> ContentId {
    ContentId::from_bytes([n; 32])
}

fn file(length: u64, data: Data) -> File {
    File {
        attributes: usual(),
        length,
        data,
        holes: Vec::new(),
    }
}

/// A tree as a user has it: an empty directory, a link, a file with a hole, small ones, a large one.
fn tree() -> Catalog {
    let mut builder = Builder::new(attributes(0o755, -5, 7));
    let mut add = || -> Result<(), CatalogError> {
        builder.file("a", file(10, Data::Packed(part(1), 0)))?;
        builder.enter("b", attributes(0o700, 1, 2))?;
        builder.file("a", file(5, Data::Packed(part(1), 10)))?;
        builder.enter("empty", usual())?;
        builder.leave()?;
        builder.link("up", "../a", usual().modified)?;
        builder.leave()?;
        let holes = vec![0..4096, 8192..12_288];
        let sparse = File {
            holes,
            ..file(20_000, Data::Whole(part(2)))
        };
        builder.file("c", sparse)?;
        builder.file("ñ", file(0, Data::Empty))
    };
    add().expect("all of it may be");
    builder.finish().expect("complete")
}

#[test]
fn a_tree_survives_its_bytes_and_has_paths() {
    let tree = tree();
    let bytes = tree.encode().expect("short");
    assert_eq!(Catalog::decode(&bytes), Ok(tree.clone()));
    let paths: Vec<String> = (0..tree.entries().len()).map(|at| tree.path(at)).collect();
    assert_eq!(paths, ["a", "b", "b/a", "b/empty", "b/up", "c", "ñ"]);
    assert_eq!(tree.find("b"), Some(1..5));
    assert_eq!(tree.find("b/a"), Some(2..3));
    assert_eq!(
        (tree.find("a/b"), tree.find("b/c"), tree.find("")),
        (None, None, None)
    );
    assert_eq!(
        (tree.parts(), tree.length(), tree.file_count()),
        (&[part(1), part(2)][..], 20_015, 4)
    );
    assert_eq!(tree.root().mode.to_string(), "rwxr-xr-x");
}

#[test]
fn what_would_leave_the_directory_is_refused_by_name() {
    let refused = |name: &str| {
        let mut builder = Builder::new(usual());
        builder.enter("d", usual()).expect("a name");
        builder
            .file(name, file(0, Data::Empty))
            .expect_err("refused")
            .to_string()
    };
    for (name, why) in [
        ("..", "another directory"),
        (".", "another directory"),
        ("", "empty"),
        ("/etc/passwd", "is a path"),
        ("../../x", "is a path"),
        ("a\0b", "control"),
        ("a\nb", "control"),
    ] {
        let text = refused(name);
        assert!(text.contains(why) && text.contains("\"d/"), "{text}");
    }
    assert!(refused(&"x".repeat(256)).contains("too long"));
    let mut builder = Builder::new(usual());
    let text = builder
        .link("l", "/etc", usual().modified)
        .expect_err("refused")
        .to_string();
    assert!(text.contains("\"l\" -> \"/etc\""), "{text}");
    builder.file("Read", file(0, Data::Empty)).expect("first");
    let text = builder
        .file("read", file(0, Data::Empty))
        .expect_err("clash")
        .to_string();
    assert!(text.contains("\"read\"") && text.contains("case"), "{text}");
}

#[test]
fn nothing_lies_under_what_is_no_directory_or_comes_twice() {
    let mut builder = Builder::new(usual());
    builder.link("l", "a", usual().modified).expect("a link");
    // Nothing can be added below a link, and its name cannot come again as a directory.
    assert!(builder.enter("l", usual()).is_err());
    assert!(builder.leave().is_err());
}

#[test]
fn files_lie_where_files_can() {
    let mut builder = Builder::new(usual());
    let mut try_file = |file| builder.file("f", file);
    for wrong in [
        file(0, Data::Whole(part(1))),
        file(1, Data::Empty),
        file(2, Data::Packed(part(1), u64::MAX)),
    ] {
        assert!(try_file(wrong).is_err());
    }
    for holes in [
        &[(0, 0)][..],
        &[(5, 3)],
        &[(0, 11)],
        &[(4, 6), (5, 7)],
        &[(0, 2), (2, 4)],
    ] {
        let holes = holes.iter().map(|(start, end)| *start..*end).collect();
        let wrong = File {
            holes,
            ..file(10, Data::Whole(part(1)))
        };
        assert!(try_file(wrong).is_err());
    }
}

#[test]
fn ten_thousand_small_files_have_a_short_catalog() {
    let mut builder = Builder::new(usual());
    let mut offset = 0;
    for directory in 0..100 {
        builder
            .enter(&format!("d{directory:03}"), usual())
            .expect("in order");
        for n in 0..100 {
            let small = File {
                attributes: attributes(0o644, 1_700_000_000 + n, 123_456_789),
                ..file(4_000, Data::Packed(part(1), offset))
            };
            builder.file(&format!("file{n:05}"), small).expect("in order");
            offset += 4_000;
        }
        builder.leave().expect("entered");
    }
    let bytes = builder.finish().expect("complete").encode().expect("short");
    assert!(
        bytes.len() < 220_000,
        "{} bytes: half a hundredth of the files'",
        bytes.len()
    );
}

#[test]
fn another_version_and_another_form_are_refused() {
    let bytes = tree().encode().expect("short");
    let mut newer = bytes.clone();
    newer[4] = 3;
    assert_eq!(Catalog::decode(&newer), Err(CatalogError::Version(3)));
    // The number of parts, 2, in two bytes instead of one.
    let mut longer = bytes.clone();
    longer.splice(5..6, [0x82, 0]);
    assert!(matches!(
        Catalog::decode(&longer),
        Err(CatalogError::Malformed(_))
    ));
    // A part that nothing refers to.
    let mut more = bytes;
    more[5] = 3;
    more.splice(70..70, [0xff; 32]);
    assert!(Catalog::decode(&more).is_err());
}

fn any_step() -> impl Strategy<Value = (u8, String, u64, u8, i64, u32)> {
    (
        0..4_u8,
        "[a-eA-E]{1,3}|\\.\\.?|[^a]{0,4}",
        0..50_u64,
        1..4_u8,
        any::<i64>(),
        any::<u32>(),
    )
}

proptest! {
    #[test]
    fn what_can_be_built_survives_its_bytes(steps in proptest::collection::vec(any_step(), 0..40)) {
        let mut builder = Builder::new(usual());
        for (kind, name, length, n, seconds, nanos) in steps {
            let attributes = attributes(nanos >> 3, seconds, nanos);
            // A refused entry is left out.
            drop(match kind {
                0 => builder.enter(&name, attributes),
                1 => builder.leave(),
                2 => builder.link(&name, &name.repeat(2), attributes.modified),
                _ => {
                    let data = match (length, n) {
                        (0, _) => Data::Empty,
                        (_, 1) => Data::Whole(part(n)),
                        _ => Data::Packed(part(n), length * u64::from(nanos % 3)),
                    };
                    builder.file(&name, File { attributes, ..file(length, data) })
                }
            });
        }
        while builder.leave().is_ok() {}
        let catalog = builder.finish().expect("complete");
        let bytes = catalog.encode().expect("short");
        prop_assert_eq!(Catalog::decode(&bytes), Ok(catalog));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(catalog) = Catalog::decode(&bytes) {
            prop_assert_eq!(catalog.encode(), Ok(bytes));
        }
    }

    #[test]
    fn damaged_catalogs_never_panic(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut bytes = tree().encode().expect("short");
        let length = bytes.len();
        bytes[at.index(length)] = byte;
        if let Ok(catalog) = Catalog::decode(&bytes) {
            prop_assert_eq!(catalog.encode(), Ok(bytes.clone()));
        }
        let whole = tree().encode().expect("short");
        prop_assert!(Catalog::decode(&whole[..cut.index(length)]).is_err());
    }
}

#[test]
fn entries_need_each_byte_of_a_part_once() {
    let tree = tree();
    let all = tree.spans_in(0..tree.entries().len());
    let once = |part, range: std::ops::Range<u64>| (part, std::iter::once(range).collect());
    assert_eq!(all, [once(part(1), 0..15), once(part(2), 0..20_000)].into());
    assert_eq!((tree.length(), tree.file_count()), (20_015, 4));
    let b = tree.find("b").expect("a directory");
    assert_eq!(tree.spans_in(b.clone()), [once(part(1), 10..15)].into());
    assert_eq!(tree.length_in(b), 5);
    let empty = tree.find("ñ").expect("a file");
    assert!(tree.spans_in(empty).is_empty());

    // Equal files have the same bytes of a part.
    let mut builder = Builder::new(usual());
    let mut add = || -> Result<(), CatalogError> {
        builder.file("one", file(10, Data::Packed(part(1), 30)))?;
        builder.file("other", file(10, Data::Packed(part(1), 30)))?;
        builder.file("third", file(5, Data::Packed(part(1), 0)))
    };
    add().expect("all of it may be");
    let twice = builder.finish().expect("complete");
    assert_eq!(twice.spans_in(0..3), [(part(1), vec![0..5, 30..40])].into());
    assert_eq!(twice.length(), 25);
}
