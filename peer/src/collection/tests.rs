//! Round trips on real directories, and hostile surroundings.

mod room;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use shared::collection::{Catalog, EntryFault, Kind, Mode, OutsideLinks, Rules, Selection, Unsupported};
use shared::model::{ContentId, FragmentLength, Name, ReplicationTarget, Revision};
use shared::{Coded as _, ErrorCode};

use super::publish::{Source, Watcher, make};
use super::restore::Restoration;
use super::{CollectionError, going_with, parts_held, pending_parts, read_catalog};
use store::{Addition, DiskStore, FragmentStore as _, Publication, PublicationState};

struct Node {
    store: Arc<DiskStore>,
    home: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let store = Arc::new(DiskStore::open(&home.path().join("data"), 1 << 40).expect("opens"));
        fs::create_dir(home.path().join("tree")).expect("creates");
        Self { store, home }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.home.path().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path("tree").join(path);
        fs::create_dir_all(path.parent().expect("inside")).expect("creates");
        fs::write(path, bytes).expect("writes");
    }

    fn add(&self, selection: &Selection, before: Option<&Catalog>) -> Result<Catalog, CollectionError> {
        self.add_under(selection, Rules::default(), before)
            .map(|(catalog, _)| catalog)
    }

    fn add_under(
        &self,
        selection: &Selection,
        rules: Rules,
        before: Option<&Catalog>,
    ) -> Result<(Catalog, Unsupported), CollectionError> {
        let name = Name::new("tree").expect("a name");
        let source = Source {
            root: &self.path("tree"),
            selection,
            rules,
            name: &name,
            own: &self.path("data"),
            before,
            fragment_length: None,
        };
        let watcher = Watcher {
            progress: &|_, _| {},
            cancelled: &AtomicBool::new(false),
            hold: &|_| {},
        };
        let mut addition = Addition::begin(&self.store);
        let made = make(&mut addition, &source, &watcher)?;
        addition.keep();
        drop(addition);
        let content = made.manifest.content();
        let parts = parts_held(&self.store, content)?.expect("a collection");
        let catalog = read_catalog(&*self.store, content)?;
        assert!(parts.ids().eq(catalog.parts().iter().copied()));
        Ok((catalog, made.left_out))
    }

    fn restore(
        &self,
        catalog: &Catalog,
        inside: Option<&str>,
        to: &str,
        force: bool,
    ) -> Result<(), CollectionError> {
        let all = Selection::default();
        let how = (force, Mode::of(0));
        let restoration = Restoration::new(catalog.clone(), inside, &all, &self.path(to), how)?;
        restoration.check()?;
        restoration.check_bytes(&*self.store)?;
        restoration.make_directories()?;
        restoration.fill(&*self.store)
    }
}

/// Lists a tree: path, kind, mode, time, bytes or target.
fn seen(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut next = vec![root.to_owned()];
    while let Some(path) = next.pop() {
        let metadata = fs::symlink_metadata(&path).expect("is there");
        let what = if metadata.is_symlink() {
            fs::read_link(&path).expect("a link").display().to_string()
        } else if metadata.is_dir() {
            next.extend(
                fs::read_dir(&path)
                    .expect("lists")
                    .map(|entry| entry.expect("lists").path()),
            );
            String::new()
        } else {
            format!("{:?}", fs::read(&path).expect("reads"))
        };
        let mode = if metadata.is_symlink() { 0 } else { metadata.mode() };
        let path = path.strip_prefix(root).expect("inside").display().to_string();
        let time = (metadata.mtime(), metadata.mtime_nsec());
        all.push(format!("{path} {mode:o} {time:?} {what}"));
    }
    all.sort();
    all
}

fn usual() -> Node {
    let node = Node::new();
    node.write("a", b"first");
    node.write("b/c", b"second");
    node.write("b/d", b"");
    fs::create_dir(node.path("tree/empty")).expect("creates");
    symlink("../a", node.path("tree/b/up")).expect("links");
    fs::set_permissions(node.path("tree/a"), fs::Permissions::from_mode(0o600)).expect("changes");
    fs::set_permissions(node.path("tree/empty"), fs::Permissions::from_mode(0o555)).expect("changes");
    node
}

#[test]
fn an_added_directory_is_restored_and_again_changes_nothing() {
    let node = usual();
    let catalog = node.add(&Selection::default(), None).expect("added");
    node.restore(&catalog, None, "out", false).expect("restored");
    assert_eq!(seen(&node.path("out")), seen(&node.path("tree")));
    let inode = || fs::metadata(node.path("out/a")).expect("is there").ino();
    let before = inode();
    node.restore(&catalog, None, "out", false)
        .expect("the same is no conflict");
    assert_eq!(
        (inode(), seen(&node.path("out"))),
        (before, seen(&node.path("tree")))
    );
}

#[test]
fn a_part_of_it_is_restored_by_its_path() {
    let node = usual();
    let catalog = node.add(&Selection::default(), None).expect("added");
    node.restore(&catalog, Some("b"), "dir", false).expect("restored");
    assert_eq!(seen(&node.path("dir")), seen(&node.path("tree/b")));
    node.restore(&catalog, Some("b/c"), "file", false)
        .expect("restored");
    assert_eq!(fs::read(node.path("file")).expect("reads"), b"second");
    assert!(node.restore(&catalog, Some("b/x"), "none", false).is_err());
}

#[test]
fn an_unchanged_directory_is_the_same_a_changed_one_keeps_its_packs() {
    let node = Node::new();
    for n in 0..200 {
        node.write(&format!("f{n:03}"), &[n; 4_000]);
    }
    let first = node.add(&Selection::default(), None).expect("added");
    let again = node.add(&Selection::default(), Some(&first)).expect("added");
    assert_eq!(again, first);
    node.write("f007", b"changed");
    let second = node.add(&Selection::default(), Some(&first)).expect("added");
    let fresh: Vec<_> = second
        .parts()
        .iter()
        .filter(|part| !first.parts().contains(part))
        .collect();
    assert_eq!((fresh.len(), second.parts().len()), (1, first.parts().len() + 1));
    let length = node.store.entry(*fresh[0]).expect("held").manifest.length();
    assert_eq!(length, 7, "only what changed is packed again");
    node.restore(&second, None, "out", false).expect("restored");
    assert_eq!(seen(&node.path("out")), seen(&node.path("tree")));
}

#[test]
fn nothing_is_replaced_unless_that_is_asked_for() {
    let node = usual();
    let catalog = node.add(&Selection::default(), None).expect("added");
    fs::create_dir(node.path("out")).expect("creates");
    fs::write(node.path("out/a"), b"mine").expect("writes");
    let refused = node.restore(&catalog, None, "out", false).expect_err("refused");
    assert!(
        matches!(&refused, CollectionError::Exists { path } if path.ends_with("out/a")),
        "{refused}"
    );
    assert_eq!(fs::read(node.path("out/a")).expect("reads"), b"mine");
    node.restore(&catalog, None, "out", true).expect("restored");
    assert_eq!(seen(&node.path("out")), seen(&node.path("tree")));
}

#[test]
fn links_that_are_there_already_lead_nothing_outside() {
    let node = usual();
    let catalog = node.add(&Selection::default(), None).expect("added");
    for force in [false, true] {
        let out = format!("out-{force}");
        fs::create_dir(node.path(&out)).expect("creates");
        let outside = node.path(&format!("outside-{force}"));
        fs::create_dir(&outside).expect("creates");
        // A directory of the collection is a link to somewhere else here, and so is a file.
        symlink(&outside, node.path(&out).join("b")).expect("links");
        symlink(outside.join("victim"), node.path(&out).join("a")).expect("links");
        let refused = node.restore(&catalog, None, &out, force).expect_err("refused");
        let told = ["/a exists already", "/b is in the way"][usize::from(force)];
        assert!(refused.to_string().contains(told), "{refused}");
        fs::remove_file(node.path(&out).join("b")).expect("removes");
        drop(node.restore(&catalog, None, &out, force));
        assert_eq!(
            fs::read_dir(&outside).expect("lists").count(),
            0,
            "nothing was written outside"
        );
    }
}

#[test]
fn a_forbidden_entry_is_refused_by_name_and_can_be_left_out() {
    use std::os::unix::ffi::OsStrExt as _;
    let node = Node::new();
    node.write("good", b"x");
    symlink("/etc/passwd", node.path("tree/absolute")).expect("links");
    node.write("Case", b"1");
    node.write("case", b"2");
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff");
    fs::write(node.path("tree").join(odd), b"x").expect("writes");
    rustix::fs::mkfifoat(rustix::fs::CWD, node.path("tree/pipe"), rustix::fs::Mode::RWXU).expect("a pipe");
    let mut exclude = Vec::new();
    for name in ["odd", "pipe", "absolute", "case"] {
        let selection = Selection::new(Vec::new(), exclude.clone()).expect("patterns");
        let text = node.add(&selection, None).expect_err("refused").to_string();
        assert!(text.contains(name), "{name}: {text}");
        exclude.push(format!("{name}*"));
    }
    let selection = Selection::new(Vec::new(), exclude).expect("patterns");
    let catalog = node.add(&selection, None).expect("added");
    assert_eq!(catalog.entries().len(), 2);
}

#[test]
fn only_what_a_fetch_is_writing_is_left_out_and_it_is_named() {
    let node = Node::new();
    let own = ".model.bin.00000000000000ab.enjambre-part";
    for name in ["notes.enjambre-part", ".notes.enjambre-part", own] {
        node.write(name, name.as_bytes());
    }
    let added = node.add_under(&Selection::default(), Rules::default(), None);
    let (catalog, left_out) = added.expect("added");
    assert_eq!(faults(&left_out), [(own, EntryFault::Unfinished)]);
    let names: Vec<&str> = catalog.entries().iter().map(|entry| entry.name()).collect();
    assert_eq!(names, [".notes.enjambre-part", "notes.enjambre-part"]);
}

#[test]
fn holes_of_small_files_stay_holes() {
    let node = Node::new();
    let file = fs::File::create(node.path("tree/sparse")).expect("creates");
    std::os::unix::fs::FileExt::write_all_at(&file, b"end", 500_000).expect("writes");
    drop(file);
    let catalog = node.add(&Selection::default(), None).expect("added");
    node.restore(&catalog, None, "out", false).expect("restored");
    let blocks = |path: &str| fs::metadata(node.path(path)).expect("is there").blocks();
    assert!(blocks("out/sparse") <= blocks("tree/sparse").max(16));
    assert_eq!(seen(&node.path("out")), seen(&node.path("tree")));
}

#[test]
fn parts_are_kept_while_a_publication_waits_also_after_a_restart() {
    let node = Node::new();
    node.write("a", b"small");
    node.write("b/c", &[7; 200_000]);
    let catalog = node.add(&Selection::default(), None).expect("a collection");
    let parts: Vec<ContentId> = catalog.parts().to_vec();
    assert!(!parts.is_empty());
    let content = node
        .store
        .entries()
        .into_iter()
        .map(|entry| entry.manifest.content())
        .find(|content| !parts.contains(content))
        .expect("the catalog");
    let Node { store, home } = node;
    drop(store);
    let store = DiskStore::open(&home.path().join("data"), 1 << 40).expect("opens again");
    let waiting = Publication {
        name: Name::new("tree").expect("a name"),
        content,
        target: Some(ReplicationTarget::new(2).expect("in bounds")),
        update: false,
        metadata: None,
        state: PublicationState::Pending(None),
    };
    let kept = |publication: &Publication| -> Vec<ContentId> {
        let kept = pending_parts(&store, std::slice::from_ref(publication)).expect("readable");
        kept.into_iter().collect()
    };
    let mut expected = parts;
    expected.sort_unstable();
    assert_eq!(kept(&waiting), expected);
    let settled = Publication {
        state: PublicationState::Published(Revision::new(1)),
        ..waiting
    };
    assert_eq!(kept(&settled), []);
}

/// Lists paths, modes, lengths and times without reading anything.
fn standing(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut next = vec![root.to_owned()];
    while let Some(path) = next.pop() {
        let there = fs::symlink_metadata(&path).expect("is there");
        if there.is_dir() {
            let entries = fs::read_dir(&path).expect("lists");
            next.extend(entries.map(|entry| entry.expect("lists").path()));
        }
        let time = (there.mtime(), there.mtime_nsec());
        all.push(format!(
            "{} {:o} {} {time:?}",
            path.display(),
            there.mode(),
            there.len()
        ));
    }
    all.sort();
    all
}

/// Lays something in the way of each entry of the usual directory, and expects that nothing is written then.
#[test]
fn nothing_is_written_when_anything_is_in_the_way() {
    type Lay = fn(&Path) -> std::io::Result<()>;
    let pipe: Lay = |path| {
        Ok(rustix::fs::mkfifoat(
            rustix::fs::CWD,
            path,
            rustix::fs::Mode::RWXU,
        )?)
    };
    // Where it lies, what lies there, whether it may be replaced, and the exit code.
    let cases: [(&str, Lay, bool, u8); 10] = [
        ("b/d", |path| fs::create_dir(path), true, 2),
        ("b/d", |path| fs::create_dir(path), false, 2),
        ("b/up", |path| fs::create_dir(path), true, 2),
        ("empty", |path| fs::write(path, b"mine"), true, 5),
        ("empty", |path| symlink("a", path), true, 5),
        ("empty", pipe, true, 2),
        ("b/up", pipe, true, 2),
        ("b/d", |path| symlink("/dev/null", path), true, 2),
        // The length is right, and the bytes are not.
        ("b/c", |path| fs::write(path, b"SECOND"), false, 5),
        ("b/up", |path| symlink("elsewhere", path), false, 5),
    ];
    let node = usual();
    let catalog = node.add(&Selection::default(), None).expect("added");
    for (n, (place, lay, force, code)) in cases.into_iter().enumerate() {
        let out = node.path(&format!("out {n}"));
        fs::create_dir_all(out.join("b")).expect("creates");
        fs::write(out.join("kept"), b"kept").expect("writes");
        lay(&out.join(place)).expect("lies there");
        let before = standing(&out);
        let refused = node
            .restore(&catalog, None, &format!("out {n}"), force)
            .expect_err("refused");
        assert_eq!(refused.code().exit_code(), code, "{place}: {refused}");
        assert!(refused.to_string().contains(place), "{refused}");
        assert!(!force || refused.code() != ErrorCode::Conflict, "{refused}");
        assert_eq!(standing(&out), before, "nothing is half applied");
    }
}

#[test]
fn what_a_killed_process_was_writing_goes_at_the_next_start() {
    let node = usual();
    let catalog = node.add(&Selection::default(), None).expect("added");
    node.restore(&catalog, None, "out", false).expect("restored");
    let (all, out) = (Selection::default(), node.path("out"));
    let restoration = Restoration::new(catalog, None, &all, &out, (true, Mode::of(0))).expect("planned");
    let unfinished = restoration.unfinished();
    assert_eq!(unfinished.len(), 3, "one in each directory");
    let killed = || -> Result<(), CollectionError> {
        for path in &unfinished {
            fs::write(path, b"half").expect("writes");
        }
        panic!("killed");
    };
    let killed = || node.store.with_temporaries(&unfinished, killed);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(killed)).expect_err("killed");
    // A file of the user's whose name only looks like that stays.
    let users = node.path("out/.0123456789abcdef.enjambre-part");
    fs::write(&users, b"mine").expect("writes");
    let Node { store, home } = node;
    drop(store);
    DiskStore::open(&home.path().join("data"), 1 << 40).expect("opens again");
    assert!(unfinished.iter().all(|path| !path.exists()));
    assert!(users.exists());
}

#[test]
fn a_directory_whose_making_is_stopped_leaves_nothing() {
    let node = Node::new();
    for n in 0..20 {
        node.write(&format!("small {n}"), &[n; 30_000]);
    }
    node.write("large", &[7; 2 << 20]);
    let (selection, name) = (Selection::default(), Name::new("tree").expect("a name"));
    let source = Source {
        root: &node.path("tree"),
        selection: &selection,
        rules: Rules::default(),
        name: &name,
        own: &node.path("data"),
        before: None,
        fragment_length: None,
    };
    let cancelled = AtomicBool::new(false);
    let watcher = Watcher {
        progress: &|done, _| cancelled.store(done > 1_000_000, std::sync::atomic::Ordering::Relaxed),
        cancelled: &cancelled,
        hold: &|_| {},
    };
    let mut addition = Addition::begin(&node.store);
    let error = make(&mut addition, &source, &watcher).expect_err("stopped");
    assert_eq!(shared::Coded::code(&error), shared::ErrorCode::Cancelled);
    assert!(node.store.usage().used > 0, "there were packs");
    drop(addition);
    assert!(node.store.entries().is_empty() && node.store.usage().used == 0);
}

#[test]
fn only_the_parts_that_nothing_else_needs_go_with_a_directory() {
    let node = Node::new();
    node.write("same", &[1; 2 << 20]);
    node.write("small", b"of both");
    let both = node.add(&Selection::default(), None).expect("a collection");
    node.write("own", &[2; 2 << 20]);
    node.write("another", b"of the second alone");
    let second = node
        .add(&Selection::default(), Some(&both))
        .expect("a collection");
    let catalog = |of: &Catalog| {
        let entries = node.store.entries().into_iter();
        let mut catalogs =
            entries.filter(|entry| read_catalog(&*node.store, entry.manifest.content()).is_ok());
        catalogs
            .find(|entry| read_catalog(&*node.store, entry.manifest.content()).is_ok_and(|it| it == *of))
            .expect("it is here")
    };
    let going = |entry: &store::Entry| -> BTreeSet<ContentId> {
        let going = going_with(&node.store, Some(entry), entry.name.as_ref()).expect("reads");
        going.into_iter().collect()
    };
    let of = |catalog: &Catalog| catalog.parts().iter().copied().collect::<BTreeSet<_>>();
    let (first_entry, second_entry) = (catalog(&both), catalog(&second));
    assert_eq!(going(&first_entry), BTreeSet::new(), "the second has all of it");
    let own: BTreeSet<_> = of(&second).difference(&of(&both)).copied().collect();
    assert_eq!(own.len(), 2, "a large file and a pack");
    assert_eq!(going(&second_entry), own);
    // A part that has a name of its own stays.
    let part = *own.first().expect("it has some");
    let named = Publication {
        name: Name::new("part").expect("a name"),
        content: part,
        target: ReplicationTarget::new(1).ok(),
        update: false,
        metadata: None,
        state: PublicationState::Published(Revision::new(1)),
    };
    node.store.put_publication(&named).expect("writes");
    assert!(!going(&second_entry).contains(&part));
    node.store.forget(first_entry.manifest.content()).expect("known");
    node.store.forget_publication(&named).expect("writes");
    assert_eq!(going(&second_entry), of(&second), "it is the last");
}

/// Everything that a real directory has and a collection cannot.
fn plant_offenders(node: &Node) {
    use std::os::unix::ffi::OsStrExt as _;
    node.write("good", b"good");
    node.write("readme", b"1");
    node.write("README", b"2");
    node.write("con\u{1}trol", b"3");
    let tree = node.path("tree");
    fs::write(tree.join(std::ffi::OsStr::from_bytes(b"not\xffutf8")), b"4").expect("writes");
    for (link, target) in [
        ("absolute", "/etc/hostname"),
        ("up", "../outside"),
        ("inside", "good"),
        ("nowhere", "none"),
    ] {
        std::os::unix::fs::symlink(target, tree.join(link)).expect("links");
    }
    drop(std::os::unix::net::UnixListener::bind(tree.join("socket")).expect("binds"));
    rustix::fs::mkfifoat(rustix::fs::CWD, tree.join("fifo"), rustix::fs::Mode::RUSR).expect("a pipe");
}

fn refused(node: &Node, rules: Rules) -> Unsupported {
    match node.add_under(&Selection::default(), rules, None) {
        Err(CollectionError::Unsupported(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

fn faults(of: &Unsupported) -> Vec<(&str, EntryFault)> {
    of.first
        .iter()
        .map(|(path, fault)| (path.as_str(), *fault))
        .collect()
}

#[test]
fn all_offenders_are_refused_in_one_answer_and_left_out_when_allowed() {
    let node = Node::new();
    plant_offenders(&node);
    let all = refused(&node, Rules::default());
    let expected = [
        ("absolute", EntryFault::Link),
        ("con\u{1}trol", EntryFault::Name),
        ("fifo", EntryFault::Special),
        ("not\u{fffd}utf8", EntryFault::NotUtf8),
        ("readme", EntryFault::Case),
        ("socket", EntryFault::Special),
        ("up", EntryFault::Link),
    ];
    assert_eq!((all.count, faults(&all)), (7, expected.to_vec()));
    let told = CollectionError::Unsupported(all).to_string();
    assert!(
        told.starts_with("7 entries cannot be in a collection: \"absolute\" (a link that leads outside); "),
        "{told}"
    );
    assert!(
        told.contains("--skip-unsupported") && told.contains("--links") && told.contains("--case"),
        "{told}"
    );
    // The rules that are relaxed are no longer broken; the others are.
    let skip_links = Rules {
        links: OutsideLinks::Skip,
        keeps_case: true,
        ..Rules::default()
    };
    assert_eq!(refused(&node, skip_links).count, 4);
    let skip = Rules {
        skips_unsupported: true,
        ..Rules::default()
    };
    let (catalog, left_out) = node.add_under(&Selection::default(), skip, None).expect("added");
    assert_eq!(left_out.count, 7);
    let paths: Vec<_> = (0..catalog.entries().len()).map(|at| catalog.path(at)).collect();
    assert_eq!(paths, ["README", "good", "inside", "nowhere"]);
    assert_eq!(
        catalog.encode().expect("short")[4],
        1,
        "programs before this one read it"
    );
}

#[test]
fn links_that_lead_out_are_kept_left_out_or_followed() {
    let node = Node::new();
    node.write("good", b"good");
    fs::create_dir_all(node.path("outside/deep")).expect("creates");
    fs::write(node.path("outside/deep/file"), b"far").expect("writes");
    let tree = node.path("tree");
    for (link, target) in [
        ("far", "../outside"),
        ("gone", "/none/at/all"),
        ("self", "../tree"),
    ] {
        std::os::unix::fs::symlink(target, tree.join(link)).expect("links");
    }
    let under = |links, skips_unsupported| Rules {
        links,
        keeps_case: false,
        skips_unsupported,
    };
    let all = Selection::default();
    let (kept, left_out) = node
        .add_under(&all, under(OutsideLinks::Keep, false), None)
        .expect("added");
    assert_eq!((kept.entries().len(), left_out.count), (4, 0));
    let bytes = kept.encode().expect("short");
    assert_eq!(bytes[4], 2, "programs before this one refuse it");
    assert_eq!(Catalog::decode(&bytes), Ok(kept.clone()));
    let output = node.path("copy");
    node.restore(&kept, None, "copy", false).expect("restored");
    assert_eq!(
        fs::read_link(output.join("gone")).expect("a link"),
        Path::new("/none/at/all")
    );
    let (skipped, left_out) = node
        .add_under(&all, under(OutsideLinks::Skip, false), None)
        .expect("added");
    assert_eq!((skipped.entries().len(), left_out.count), (1, 3));
    // Following ends at links that lead nowhere and at those that never end.
    let broken = refused(&node, under(OutsideLinks::Follow, false));
    assert_eq!(
        faults(&broken),
        [("gone", EntryFault::Dangling), ("self", EntryFault::Loop)]
    );
    let (followed, _) = node
        .add_under(&all, under(OutsideLinks::Follow, true), None)
        .expect("added");
    assert!(followed.find("far/deep/file").is_some());
    assert!(
        matches!(followed.entries()[0].kind, Kind::Directory(_)),
        "far is the directory itself"
    );
}

#[test]
fn names_that_differ_only_in_case_are_taken_when_asked_for() {
    let node = Node::new();
    node.write("a/readme", b"1");
    node.write("a/README", b"2");
    let keep = Rules {
        keeps_case: true,
        ..Rules::default()
    };
    let (catalog, _) = node.add_under(&Selection::default(), keep, None).expect("added");
    let output = node.path("copy");
    node.restore(&catalog, None, "copy", false).expect("restored");
    assert_eq!(fs::read(output.join("a/readme")).expect("reads"), b"1");
    assert_eq!(fs::read(output.join("a/README")).expect("reads"), b"2");
    // A catalog says that it is relaxed only when it is.
    let mut bytes = catalog.encode().expect("short");
    bytes[4] = 1;
    assert!(Catalog::decode(&bytes).is_err());
    node.write("b", b"3");
    let plain = node
        .add(
            &Selection::new(vec!["b".to_owned()], Vec::new()).expect("a glob"),
            None,
        )
        .expect("added");
    let mut bytes = plain.encode().expect("short");
    bytes[4] = 2;
    assert!(Catalog::decode(&bytes).is_err());
}

#[test]
fn files_that_change_or_vanish_while_they_are_read_are_left_out() {
    let node = Node::new();
    for path in ["a", "b", "c", "d"] {
        node.write(path, path.as_bytes());
    }
    node.write("large", &[7; 2 << 20]);
    let (selection, name) = (Selection::default(), Name::new("tree").expect("a name"));
    let make_under = |skips_unsupported: bool| {
        let tree = node.path("tree");
        let source = Source {
            root: &tree,
            selection: &selection,
            rules: Rules {
                skips_unsupported,
                ..Rules::default()
            },
            name: &name,
            own: &node.path("data"),
            before: None,
            fragment_length: None,
        };
        // The first bytes are read after everything was found.
        let progress = |_: u64, _: u64| {
            drop(fs::remove_file(tree.join("c")));
            drop(fs::write(tree.join("d"), b"longer than before"));
            drop(fs::remove_file(tree.join("large")));
        };
        let watcher = Watcher {
            progress: &progress,
            cancelled: &AtomicBool::new(false),
            hold: &|_| {},
        };
        let mut addition = Addition::begin(&node.store);
        let made = make(&mut addition, &source, &watcher);
        addition.keep();
        made
    };
    assert!(make_under(false).is_err());
    node.write("c", b"c");
    node.write("d", b"d");
    node.write("large", &[7; 2 << 20]);
    let made = make_under(true).expect("made");
    let expected = [
        ("c", EntryFault::Vanished),
        ("d", EntryFault::Changing),
        ("large", EntryFault::Vanished),
    ];
    assert_eq!(faults(&made.left_out), expected);
    assert_eq!(made.length, 2);
    let catalog = read_catalog(&*node.store, made.manifest.content()).expect("reads");
    let paths: Vec<_> = (0..catalog.entries().len()).map(|at| catalog.path(at)).collect();
    assert_eq!(paths, ["a", "b"]);
}

#[test]
fn the_data_directory_is_in_no_collection_and_gets_none() {
    let node = Node::new();
    node.write("good", b"x");
    let token = node.path("data/token");
    fs::write(&token, "secret").expect("writes");
    let taken = |root: &str, excluded: &[&str]| {
        let selection = Selection::new(Vec::new(), excluded.iter().map(|it| (*it).to_owned()).collect());
        let scanned = super::scan::scan(
            &node.path(root),
            &selection.expect("patterns"),
            Rules::default(),
            &node.path("data"),
        );
        scanned.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(taken("tree", &[]), Ok(()));
    // A directory that contains it, itself, one in it, and one that a link leads to.
    let error = taken("", &[]).expect_err("it is in there");
    assert!(
        error.contains("\"data\"") && error.contains("--exclude"),
        "{error}"
    );
    assert_eq!(taken("", &["data"]), Ok(()));
    symlink(node.path("data"), node.path("way")).expect("links");
    for root in ["data", "data/contents", "way", "way/leaves"] {
        let error = taken(root, &[]).expect_err(root);
        assert!(error.contains("a data directory of a node"), "{error}");
    }
    fs::hard_link(&token, node.path("tree/innocent")).expect("links");
    let error = taken("tree", &[]).expect_err("a file of it");
    assert!(error.contains("innocent"), "{error}");
    fs::remove_file(node.path("tree/innocent")).expect("removes");

    node.write("data/token", b"mine");
    let catalog = node.add(&Selection::default(), None).expect("added");
    let own = shared::own_data::OwnData::look(&node.path("data"));
    let into = |output: &str| {
        let all = Selection::default();
        let restoration = Restoration::new(
            catalog.clone(),
            None,
            &all,
            &node.path(output),
            (true, Mode::of(0)),
        )
        .expect("all");
        restoration.require_foreign(&own)
    };
    for output in ["data", "data/new", "way", "way/new", ""] {
        let refused = into(output).expect_err(output).to_string();
        assert!(refused.contains("choose another place"), "{refused}");
    }
    into("out").expect("another place");
    assert_eq!(fs::read(&token).expect("reads"), b"secret");
}

#[test]
fn parts_without_a_catalog_go_with_their_name() {
    let node = Node::new();
    node.write("small", b"of the directory that is kept");
    let kept = node.add(&Selection::default(), None).expect("a collection");
    let (name, other) = (
        Name::new("gone").expect("a name"),
        Name::new("other").expect("a name"),
    );
    let fetch = |bytes: &[u8], name: &Name| -> ContentId {
        let mut hasher = shared::hash::ContentHasher::new(bytes.len() as u64, FragmentLength::MIN);
        hasher.update(bytes);
        let manifest = hasher.finish().expect("the length is right");
        let purpose = store::Purpose::Collected {
            role: store::Role::Fetched,
            name: Some(name.clone()),
            fragments: manifest.all_fragments(),
        };
        node.store.prepare(&manifest, purpose).expect("fits");
        manifest.content()
    };
    let (pack, _) = (fetch(b"a pack", &name), fetch(b"a pack of another", &other));
    assert_eq!(going_with(&node.store, None, Some(&name)).expect("reads"), [pack]);
    assert_eq!(going_with(&node.store, None, None).expect("reads"), []);
    let unknown = Name::new("unknown").expect("a name");
    assert_eq!(going_with(&node.store, None, Some(&unknown)).expect("reads"), []);
    assert!(!kept.parts().contains(&pack));
}
