//! Data directories of programs: nothing in them is published, and no output goes there, whatever the path
//! says.
//!
//! A path may lead into a directory through links, bind mounts and `..`, and a file may have a second name
//! outside. So files and directories of a program's own are compared by device and inode, at the time of
//! use. The directories of other nodes and trackers on the machine are known by the files in them, and other
//! names of such files, wherever they are, by their content: keys, tokens and databases.
//!
//! Invariant: whatever cannot be looked at is not taken for the program's own; opening it fails anyway.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, Metadata, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

/// Levels of directories below the data directory that programs make in it.
const LEVELS: u32 = 3;

/// Application id of a tracker's journal, "enjT" in ASCII, which tells other programs' databases apart.
pub const JOURNAL_ID: i32 = 0x656e_6a54;

/// Application id of a node's index, "enjP" in ASCII.
pub const INDEX_ID: i32 = 0x656e_6a50;

/// The file with the address and the token of a running node.
pub const NODE_FILE: &str = "node.json";

/// The file with the key of a peer.
pub const KEY_FILE: &str = "peer.key";

/// The file with a member's certificate in a secured network, and with the key of a program that has no other
/// place for it.
pub const MEMBERSHIP_FILE: &str = "membership.json";

/// Beginning of the file [`MEMBERSHIP_FILE`].
const MEMBERSHIP_BEGINNING: &str = "{\"chain\":[\"";

/// Beginning of the file [`KEY_FILE`]; the peer's id follows, and the key in the next line.
pub const KEY_HEADER: &str = "Enjambre key of peer ";

/// Beginning of the file with the token of a running node.
pub const TOKEN_HEADER: &str = "Authorization: Bearer ";

/// Beginning of the file [`NODE_FILE`].
const NODE_FILE_BEGINNING: &str = "{\"address\":\"";

/// Bytes at the beginning of a file that tell the database, token or key of a program.
const BEGINNING: u64 = 512;

/// Directories in which the operating system makes up the files.
const SYSTEM: [&str; 3] = ["/dev", "/proc", "/sys"];

/// The directory among them that has ordinary files.
const SHARED_MEMORY: &str = "/dev/shm";

/// Links in a path after which the operating system gives up, too.
const MAX_LINKS: u32 = 40;

/// A file or directory, whatever its path: device and inode.
type Identity = (u64, u64);

/// The reason for which a file is not the user's to publish or to replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It is in this data directory.
    Directory(PathBuf),
    /// It is a file of a node or tracker that has another name somewhere.
    Linked,
    /// It is below this directory, whose files the operating system makes up.
    System(&'static str),
}

impl Owner {
    /// Returns the refusal of a path that leads there.
    #[must_use]
    pub fn refusal(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Directory(root) => format!(
                "{path} is in {}, a data directory of a node or tracker; choose another place",
                root.display()
            ),
            Self::Linked => format!(
                "{path} is another name of a file in a data directory of a node or tracker; choose another place"
            ),
            Self::System(root) => format!(
                "{path} leads into {root}, where the operating system's own files are; choose another place \
                 (standard output is `-o -`)"
            ),
        }
    }
}

/// The files and directories of a data directory at one moment.
#[derive(Debug)]
pub struct OwnData {
    root: PathBuf,
    device: Option<u64>,
    /// The directory itself and those in it.
    directories: HashSet<Identity>,
    /// The files directly in it: keys, tokens, the index.
    files: HashSet<Identity>,
    /// Inodes of all files in it. They are many, and asked for only when a file has a second name.
    all: OnceLock<HashSet<u64>>,
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

impl OwnData {
    /// Looks at a data directory, which need not exist.
    #[must_use]
    pub fn look(root: &Path) -> Self {
        let mut own = Self {
            root: root.to_owned(),
            device: None,
            directories: HashSet::new(),
            files: HashSet::new(),
            all: OnceLock::new(),
        };
        if let Ok(metadata) = fs::metadata(root) {
            own.device = Some(metadata.dev());
            own.directories.insert(identity(&metadata));
        }
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => {
                    own.directories.insert(identity(&metadata));
                    own.directories.extend(directories_in(&entry.path()));
                }
                Ok(metadata) if metadata.is_file() => {
                    own.files.insert(identity(&metadata));
                }
                _ => {}
            }
        }
        own
    }

    /// Returns the path of the directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether this is the data directory, or a directory in it.
    #[must_use]
    pub fn is_directory(&self, metadata: &Metadata) -> bool {
        self.has_directory(metadata.dev(), metadata.ino())
    }

    /// Whether the directory with this device and inode is the data directory, or a directory in it.
    #[must_use]
    pub fn has_directory(&self, device: u64, inode: u64) -> bool {
        self.directories.contains(&(device, inode))
    }

    /// Whether this is a file of the data directory, by whatever name.
    #[must_use]
    pub fn is_file(&self, metadata: &Metadata) -> bool {
        let may_be_linked = metadata.nlink() > 1 && Some(metadata.dev()) == self.device;
        self.files.contains(&identity(metadata))
            || may_be_linked && self.all.get_or_init(|| self.inodes()).contains(&metadata.ino())
    }

    /// Whether a file belongs to this data directory or, by another name, to another program's.
    #[must_use]
    pub fn is_private(&self, path: &Path, metadata: &Metadata) -> bool {
        self.is_file(metadata) || is_linked(path, metadata)
    }

    /// Returns the owner of the place to which a path leads: this data directory, or another program's. Where
    /// nothing is there yet, its directory counts.
    #[must_use]
    pub fn around(&self, path: &Path) -> Option<Owner> {
        let there = path.ancestors().find_map(|path| path.canonicalize().ok())?;
        let is_own = |path: &Path| fs::metadata(path).is_ok_and(|metadata| self.is_directory(&metadata));
        let file = fs::metadata(&there).ok().filter(Metadata::is_file);
        if file.as_ref().is_some_and(|file| self.is_file(file)) || there.ancestors().any(is_own) {
            return Some(Owner::Directory(self.root.clone()));
        }
        owner(&there)
    }

    /// Returns the owner of the place to which the path of an output leads: this data directory, another
    /// program's, or the system.
    #[must_use]
    pub fn around_output(&self, path: &Path) -> Option<Owner> {
        system(path).or_else(|| self.around(path))
    }

    fn inodes(&self) -> HashSet<u64> {
        let mut inodes = HashSet::new();
        let mut next = vec![(self.root.clone(), 0)];
        while let Some((directory, level)) = next.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && level < LEVELS => next.push((entry.path(), level + 1)),
                    Ok(kind) if kind.is_file() => {
                        inodes.insert(entry.ino());
                    }
                    _ => {}
                }
            }
        }
        inodes
    }
}

/// Returns the program to which the place belongs to which a path leads. Where nothing is there yet, its
/// directory counts.
#[must_use]
pub fn owner(path: &Path) -> Option<Owner> {
    let there = path.ancestors().find_map(|path| path.canonicalize().ok())?;
    if let Some(root) = there.ancestors().find(|path| is_data_directory(path)) {
        return Some(Owner::Directory(root.to_owned()));
    }
    let metadata = fs::metadata(&there).ok()?;
    is_linked(&there, &metadata).then_some(Owner::Linked)
}

/// Returns the program to which the place belongs that an output is to take, or the system.
#[must_use]
pub fn owner_of_output(path: &Path) -> Option<Owner> {
    system(path).or_else(|| owner(path))
}

/// Returns the system if a path leads into one of its directories, also through links.
///
/// The path is followed part by part, and never inside those directories: there the same path means another
/// file for every process (`/proc/self`, and `/dev/stdout`, which leads there).
fn system(path: &Path) -> Option<Owner> {
    let mut rest: Vec<OsString> = parts(path);
    let (mut at, mut links) = (PathBuf::from("/"), 0);
    while let Some(part) = rest.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        if part == "/" {
            at = PathBuf::from("/");
            continue;
        }
        at.push(part);
        if let Some(root) = SYSTEM.iter().find(|root| at.starts_with(root)) {
            // Memory that programs share is a file system as any other.
            let is_memory = at.starts_with(SHARED_MEMORY) || rest.last().is_some_and(|next| next == "shm");
            if !(*root == "/dev" && is_memory) {
                return Some(Owner::System(root));
            }
        }
        if let Ok(target) = fs::read_link(&at) {
            links += 1;
            if links > MAX_LINKS {
                return None;
            }
            at.pop();
            rest.extend(parts(&target));
        }
    }
    None
}

/// Returns the parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.rev().map(|part| part.as_os_str().to_owned()).collect()
}

/// Whether a node or a tracker has its data in a directory, running or not.
#[must_use]
pub fn is_data_directory(path: &Path) -> bool {
    has_node(path) || has_tracker(path)
}

/// Whether a directory has the data of a tracker and not of a node: no node may put its own beside them.
/// (Some version did, where it was told to, and such a directory goes on working.)
#[must_use]
pub fn is_of_tracker(path: &Path) -> bool {
    has_tracker(path) && !has_node(path)
}

/// Whether a directory has the data of a node and not of a tracker.
#[must_use]
pub fn is_of_node(path: &Path) -> bool {
    has_node(path) && !has_tracker(path)
}

/// A program that keeps its data in a directory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// A peer's node.
    Node,
    /// A tracker.
    Tracker,
}

impl Program {
    /// Beginning of the names of its database, of which every directory that it has used has one, or had.
    const fn database(self) -> &'static str {
        match self {
            Self::Node => "index.db",
            Self::Tracker => "journal.sqlite",
        }
    }

    /// Names of other entries that it makes. A file system has its own at the top.
    const fn others(self) -> &'static [&'static str] {
        match self {
            Self::Node => &[
                "lost+found",
                "lock",
                "leaves",
                "lost",
                "rebuilding",
                "reserve",
                KEY_FILE,
                NODE_FILE,
                "http-token",
                "network.json",
                MEMBERSHIP_FILE,
            ],
            Self::Tracker => &["lost+found", "tracker.lock", "journal.unfinished"],
        }
    }

    /// Whether an entry of a directory can be its own: by name and, where others use the name, by content.
    fn makes(self, entry: &Path) -> bool {
        let name = entry
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let name = name.strip_suffix(".new").unwrap_or(name);
        match name {
            // A process id, or nothing.
            "lock" if self == Self::Node => {
                fs::metadata(entry).is_ok_and(|found| found.is_file() && found.len() <= 16)
                    && fs::read(entry).is_ok_and(|text| text.trim_ascii().iter().all(u8::is_ascii_digit))
            }
            // A place for every first byte of an id, and parts of uploads.
            "contents" if self == Self::Node => fs::read_dir(entry).is_ok_and(|entries| {
                let names = entries.flatten().map(|entry| entry.file_name());
                names
                    .into_iter()
                    .all(|name| name.len() == 2 || name.as_encoded_bytes().ends_with(b".staged"))
            }),
            name => self.others().contains(&name),
        }
    }
}

/// Returns an entry of a directory that keeps a program from taking the directory for its data: it is not the
/// program's, and nothing says that the program has used the directory before. Changes nothing.
#[must_use]
pub fn stranger(directory: &Path, program: Program) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let is_database = |entry: &PathBuf| {
        let name = entry.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(program.database().as_bytes())
    };
    let was_node = program == Program::Node && has(directory, &["lock", "contents", "leaves"]);
    let lock_is_own = || program.makes(&directory.join("lock"));
    if entries.iter().any(is_database) || was_node && lock_is_own() {
        return None;
    }
    entries.into_iter().filter(|entry| !program.makes(entry)).min()
}

fn has_node(path: &Path) -> bool {
    has(path, &["lock", "index.db", "contents"])
}

fn has_tracker(path: &Path) -> bool {
    has(path, &["tracker.lock", "journal.sqlite"])
}

fn has(path: &Path, names: &[&str]) -> bool {
    names.iter().all(|name| path.join(name).exists())
}

/// Whether a file with several names is the key, the token or the database of some node or tracker. Its
/// directory is not known, so its content has to tell.
fn is_linked(path: &Path, metadata: &Metadata) -> bool {
    if metadata.nlink() < 2 || !metadata.is_file() {
        return false;
    }
    let (mut options, mut beginning) = (OpenOptions::new(), Vec::new());
    // Something else may be there by now, which must not block.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = options.read(true).custom_flags(flags).open(path);
    let read = file.and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning));
    read.is_ok() && is_of_a_program(&beginning)
}

fn is_of_a_program(beginning: &[u8]) -> bool {
    // The header of a database of SQLite has its application id there.
    let id = beginning
        .get(68..72)
        .and_then(|id| id.try_into().ok())
        .map(i32::from_be_bytes);
    let is_database =
        beginning.starts_with(b"SQLite format 3\0") && matches!(id, Some(JOURNAL_ID | INDEX_ID));
    let has_token = beginning.windows(9).any(|part| part == b"\"token\":\"");
    is_database
        || beginning.starts_with(KEY_HEADER.as_bytes())
        || beginning.starts_with(TOKEN_HEADER.as_bytes())
        || beginning.starts_with(MEMBERSHIP_BEGINNING.as_bytes())
        || beginning.starts_with(NODE_FILE_BEGINNING.as_bytes()) && has_token
}

/// Returns the identities of the directories that are entries of a directory.
fn directories_in(directory: &Path) -> impl Iterator<Item = Identity> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.filter_map(|entry| Some(identity(&entry.metadata().ok()?)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_data_directory_is_known_by_every_name() {
        let home = tempfile::tempdir().expect("a directory");
        let at = |path: &str| home.path().join(path);
        fs::create_dir_all(at("data/contents/ab")).expect("creates");
        fs::create_dir_all(at("other/sub")).expect("creates");
        for file in ["data/token", "data/contents/ab/x.data", "other/mine"] {
            fs::write(at(file), file).expect("writes");
        }
        symlink(at("data"), at("other/link")).expect("links");
        symlink(at("data/contents"), at("other/deep")).expect("links");
        fs::hard_link(at("data/token"), at("other/token")).expect("links");
        fs::hard_link(at("data/contents/ab/x.data"), at("other/x")).expect("links");
        fs::hard_link(at("other/mine"), at("other/again")).expect("links");
        let own = OwnData::look(&at("data"));
        for inside in [
            "data",
            "data/token",
            "data/new",
            "data/new/deeper",
            "data/contents/ab/y.data",
            "other/link",
            "other/link/new",
            "other/deep/ab",
            "other/token",
            "other/x",
            "other/sub/../../data/new",
        ] {
            assert_eq!(
                own.around(&at(inside)),
                Some(Owner::Directory(at("data"))),
                "{inside}"
            );
        }
        for outside in [
            "other",
            "other/mine",
            "other/again",
            "other/new",
            "dat",
            "data2",
            ".",
        ] {
            assert_eq!(own.around(&at(outside)), None, "{outside}");
        }
        let metadata = |path: &str| fs::metadata(at(path)).expect("there");
        assert!(own.is_file(&metadata("other/token")) && own.is_file(&metadata("other/x")));
        assert!(!own.is_file(&metadata("other/again")));
        assert!(own.is_directory(&metadata("other/deep")) && !own.is_directory(&metadata("other")));
        assert_eq!(OwnData::look(&at("missing")).around(&at("other")), None);
        assert!(
            own.is_directory(&metadata("data/contents/ab")),
            "a bind mount of it has its identity"
        );
    }

    #[test]
    fn a_directory_of_the_users_is_taken_by_no_program() {
        let home = tempfile::tempdir().expect("a directory");
        let both = [Program::Node, Program::Tracker];
        let make = |name: &str, entries: &[(&str, &str)]| {
            let directory = home.path().join(name);
            fs::create_dir(&directory).expect("creates");
            for (path, text) in entries {
                let path = directory.join(path);
                fs::create_dir_all(path.parent().expect("below")).expect("creates");
                match text.is_empty() && path.extension().is_none() {
                    true => fs::create_dir_all(path).expect("creates"),
                    false => fs::write(path, text).expect("writes"),
                }
            }
            directory
        };
        let (empty, disk) = (make("empty", &[]), make("disk", &[("lost+found", "")]));
        for free in [&empty, &disk, &home.path().join("none")] {
            assert_eq!(
                both.map(|program| stranger(free, program)),
                [None, None],
                "{free:?}"
            );
        }
        let notes = make("notes", &[("contents/notes.txt", "mine")]);
        let locked = make("locked", &[("lock", "my own words")]);
        let mixed = make("mixed", &[("lock", "12\n"), ("thesis.tex", "mine")]);
        let tracker_lock = make(
            "named",
            &[
                ("tracker.lock", "a journal was begun here\n"),
                ("thesis.tex", "mine"),
            ],
        );
        for (users, first, first_for_tracker) in [
            (&notes, "contents", "contents"),
            (&locked, "lock", "lock"),
            (&mixed, "thesis.tex", "lock"),
            (&tracker_lock, "thesis.tex", "thesis.tex"),
        ] {
            let first = [first, first_for_tracker].map(|name| Some(users.join(name)));
            assert_eq!(both.map(|program| stranger(users, program)), first);
        }
        for (own, program) in [
            (
                make("node", &[("index.db", "x"), ("thesis.tex", "mine")]),
                Program::Node,
            ),
            (
                make("begun", &[("lock", "12\n"), ("contents/ab", ""), ("leaves", "")]),
                Program::Node,
            ),
            (
                make(
                    "lost",
                    &[("lock", "12\n"), ("contents/mine.txt", "x"), ("leaves", "")],
                ),
                Program::Node,
            ),
            (
                make("tracker", &[("journal.sqlite-wal", "x"), ("thesis.tex", "mine")]),
                Program::Tracker,
            ),
            (
                make("gone", &[("tracker.lock", "a journal was begun here\n")]),
                Program::Tracker,
            ),
        ] {
            assert_eq!(stranger(&own, program), None, "{own:?}");
        }
    }

    #[test]
    fn no_output_goes_into_the_systems_directories_by_any_path() {
        let home = tempfile::tempdir().expect("a directory");
        let at = |path: &str| home.path().join(path);
        fs::create_dir(at("sub")).expect("creates");
        symlink("/dev/stdout", at("out")).expect("links");
        symlink("out", at("again")).expect("links");
        symlink("/dev", at("devices")).expect("links");
        symlink("/dev/shm", at("memory")).expect("links");
        symlink("sub", at("ordinary")).expect("links");
        symlink("loop", at("loop")).expect("links");
        let up = "../".repeat(12);
        for (system, root) in [
            ("/dev/stdout".into(), "/dev"),
            ("/dev/fd/1".into(), "/dev"),
            ("/dev/null".into(), "/dev"),
            ("/dev/new.bin".into(), "/dev"),
            ("/dev".into(), "/dev"),
            ("/proc/self/fd/1".into(), "/proc"),
            ("/proc/self/cwd/new.bin".into(), "/proc"),
            ("/sys/new".into(), "/sys"),
            ("/dev/shm/../null".into(), "/dev"),
            (at("out"), "/dev"),
            (at("again"), "/dev"),
            (at("devices/new"), "/dev"),
            (at("sub").join(format!("{up}proc/1/fd/1")), "/proc"),
        ] {
            assert_eq!(owner_of_output(&system), Some(Owner::System(root)), "{system:?}");
        }
        for ordinary in [
            at("new"),
            at("sub/new"),
            at("ordinary/new"),
            at("memory/new"),
            at("loop"),
            "/devices/x".into(),
        ] {
            assert_eq!(system(&ordinary), None, "{ordinary:?}");
        }
    }

    #[test]
    fn data_directories_of_other_programs_are_known_by_their_files() {
        let home = tempfile::tempdir().expect("a directory");
        let home = home.path().canonicalize().expect("exists");
        let own = OwnData::look(&home.join("data"));
        for (program, files) in [
            ("peer", ["lock", "index.db"]),
            ("tracker", ["tracker.lock", "journal.sqlite"]),
        ] {
            let root = home.join(program);
            fs::create_dir_all(root.join("contents/ab")).expect("creates");
            assert_eq!(own.around(&root.join("new")), None, "{program}: no data yet");
            for file in files {
                fs::write(root.join(file), file).expect("writes");
            }
            for inside in ["", "index.db", "new", "contents/ab/x.data"] {
                let found = own.around(&root.join(inside));
                assert_eq!(found, Some(Owner::Directory(root.clone())), "{program} {inside}");
            }
            assert_eq!(is_of_node(&root), program == "peer");
            assert_eq!(is_of_tracker(&root), program == "tracker");
        }
        assert_eq!(own.around(&home), None);
        // Both were here already: neither is refused.
        for file in ["tracker.lock", "journal.sqlite"] {
            fs::write(home.join("peer").join(file), file).expect("writes");
        }
        assert!(!is_of_node(&home.join("peer")) && !is_of_tracker(&home.join("peer")));
    }

    #[test]
    fn other_names_of_tokens_and_databases_are_known_by_their_content() {
        let home = tempfile::tempdir().expect("a directory");
        let home = home.path().canonicalize().expect("exists");
        let own = OwnData::look(&home.join("data"));
        let database = |id: i32| {
            let mut bytes = b"SQLite format 3\0".to_vec();
            bytes.resize(68, 0);
            bytes.extend(id.to_be_bytes());
            bytes
        };
        let node = br#"{"address":"127.0.0.1:1","listens":[],"token":"0123"}"#;
        for (name, bytes, is_private) in [
            ("token", b"Authorization: Bearer 0123\n".to_vec(), true),
            ("node", node.to_vec(), true),
            ("journal", database(JOURNAL_ID), true),
            ("index", database(INDEX_ID), true),
            ("another", database(7), false),
            ("address", br#"{"address":"Elm Street"}"#.to_vec(), false),
            ("short", b"SQLite format 3\0".to_vec(), false),
            ("empty", Vec::new(), false),
        ] {
            let (file, link) = (home.join(name), home.join(format!("{name}.link")));
            fs::write(&file, bytes).expect("writes");
            // A file with one name may be the user's copy.
            assert_eq!(own.around(&file), None, "{name}");
            fs::hard_link(&file, &link).expect("links");
            assert_eq!(own.around(&link), is_private.then_some(Owner::Linked), "{name}");
            let metadata = fs::metadata(&link).expect("there");
            assert_eq!(own.is_private(&link, &metadata), is_private, "{name}");
        }
    }
}
