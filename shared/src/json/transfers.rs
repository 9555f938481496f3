//! Documents about transfers and held contents: `serve`, `add`, `get`, `verify`, `send`, `value`, `list
//! --local`.

use std::path::PathBuf;

use serde::Serialize;

use super::{Hidden, Replicas};
use crate::collection::{EntryFault, Unsupported};
use crate::model::{ContentId, FetchSource};

/// The line of `peer serve`, printed when the node is ready.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ServeLine {
    /// The node answers.
    Ready {
        /// The address on which the node listens, `HOST:PORT`.
        address: String,
    },
}

/// A line of `peer add`.
///
/// In order: `hashing` several times (with `-`, `received`), `shared`, `published` unless the publication
/// waits for a connection, with `--wait` `replicas` several times, `done`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AddLine {
    /// Progress of hashing.
    Hashing {
        /// Bytes hashed so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Progress of reading standard input.
    Received {
        /// Bytes that the node has taken so far.
        done: u64,
    },
    /// The node shares the content.
    Shared {
        /// Its id.
        content: String,
        /// Its bytes.
        length: u64,
        /// Bytes of a fragment.
        fragment_length: u32,
        /// Number of fragments; of a directory, those of all its contents.
        fragments: u32,
        /// Whether the publication waits for a connection.
        pending: bool,
        /// Number of files of a directory; null otherwise.
        files: Option<u64>,
        /// Number of contents: 1, or of a directory its catalog, packs of small files, and large files.
        contents: u32,
    },
    /// The name is bound.
    Published {
        /// The name.
        name: String,
        /// Number of times that it has been bound or removed.
        revision: u64,
        /// The content.
        content: String,
        /// Replicas wanted.
        target: u32,
    },
    /// A name that hides a path inside a directory; once for each, after `published`.
    Hides(Hidden),
    /// State of the replicas.
    Replicas(Replicas),
    /// Entries of a directory that were left out.
    LeftOut {
        /// Number of all of them.
        count: u64,
        /// The first ones, at most 20.
        entries: Vec<LeftOutEntry>,
    },
    /// The result.
    Done(Stored),
}

/// The result of a publication: of `peer add` and `peer put`, and the answer to HTTP `PUT`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stored {
    /// The name asked for.
    pub name: String,
    /// The content.
    pub content: String,
    /// Its bytes.
    pub length: u64,
    /// Bytes of a fragment.
    pub fragment_length: u32,
    /// Number of fragments; of a directory, those of all its contents.
    pub fragments: u32,
    /// Number of files of a directory; null otherwise.
    pub files: Option<u64>,
    /// Number of contents: 1, or of a directory its catalog, packs of small files, and large files.
    pub contents: u32,
    /// The revision bound; null while the publication waits for a connection.
    pub revision: Option<u64>,
    /// `pending`, `published` or `replicated`.
    pub state: &'static str,
    /// Names that hide paths inside directories since.
    pub hides: Vec<Hidden>,
}

/// A line of `peer get`: `started`, `progress` several times, `done`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum GetLine {
    /// The fetch has begun.
    Started {
        /// The name asked for, or one that the content has.
        name: String,
        /// The content.
        content: String,
        /// Its bytes.
        length: u64,
        /// Number of fragments.
        fragments: u32,
        /// Bytes that the peer held before.
        already_held: u64,
    },
    /// Progress.
    Progress {
        /// Verified bytes on disk.
        held: u64,
        /// Bytes in all.
        length: u64,
        /// Peers that send.
        sources: u32,
        /// Bytes received in this attempt, whether held yet or not.
        received: u64,
        /// Received bytes that were of no use.
        wasted: u64,
        /// The reason why little or nothing moves; null while bytes come as they should.
        waiting_for: Option<String>,
        /// The code of that reason; docs/reasons.md lists them.
        waiting_code: Option<&'static str>,
        /// `connecting`, `fetching`, `checking` (what is there already) or `writing` (files to their places).
        phase: &'static str,
        /// Files written so far; null unless files are being written.
        files: Option<FilesWritten>,
        /// The sources, and the part that each has given; at most 64.
        from: Vec<FetchedFrom>,
    },
    /// The result.
    Done {
        /// The content.
        content: String,
        /// Its bytes.
        length: u64,
        /// The file or directory that was written.
        output: PathBuf,
        /// Bytes received in this attempt.
        received: u64,
        /// Received bytes that were of no use.
        wasted: u64,
        /// Duration of this attempt.
        elapsed_ms: u64,
        /// Peers that served at least one block.
        sources_used: u32,
        /// The sources, and the part that each has given; at most 64.
        from: Vec<FetchedFrom>,
    },
}

/// A source of a fetch.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FetchedFrom {
    /// Its id.
    pub id: String,
    /// The address at which it is dialled, `HOST:PORT`.
    pub address: String,
    /// `connecting`, `idle`, `asked` or `gone`.
    pub state: &'static str,
    /// Fragments that it has delivered.
    pub fragments: u32,
    /// Bytes that have come from it.
    pub bytes: u64,
    /// Fragments that it is being asked for; the first 8 of them.
    pub asked: Vec<u32>,
}

impl From<&FetchSource> for FetchedFrom {
    fn from(source: &FetchSource) -> Self {
        Self {
            id: source.peer.to_string(),
            address: source.address.to_string(),
            state: source.state.word(),
            fragments: source.fragments,
            bytes: source.bytes,
            asked: source.asked.clone(),
        }
    }
}

/// Files that are written to their places.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FilesWritten {
    /// Files that are written.
    pub done: u64,
    /// Files in all.
    pub total: u64,
}

/// A line of `peer verify`: `progress` several times, `done`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum VerifyLine {
    /// Progress.
    Progress(VerifiedSoFar),
    /// The result.
    Done(VerifiedSoFar),
}

/// Progress of a verification.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VerifiedSoFar {
    /// Bytes verified.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
    /// Fragments found damaged, and withdrawn.
    pub damaged: u32,
    /// Bytes of the file, or of the files of the directory, that were not here when it began; 0 when
    /// everything that the node holds is verified.
    pub missing: u64,
}

/// `peer forget`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Forgotten {
    /// The content.
    pub content: String,
    /// Bytes of store space that became free.
    pub freed: u64,
}

/// `peer list --local`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Contents {
    /// Contents in the order in which the node lists them.
    pub contents: Vec<HeldContent>,
}

/// A content that a node holds, in full or in part.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeldContent {
    /// Its id.
    pub content: String,
    /// A name that the node knows it by.
    pub name: Option<String>,
    /// Its bytes.
    pub length: u64,
    /// Number of its fragments.
    pub fragments: u32,
    /// Number of fragments that the node holds.
    pub fragments_held: u32,
    /// `published`, `assigned` or `fetched`.
    pub role: String,
    /// The file that is shared in place; null when the fragments are in the store.
    pub path: Option<PathBuf>,
    /// Why that file is away, so that nothing is held for now: `gone`, `changed`, `unreadable` or `failing`.
    pub absence: Option<&'static str>,
    /// Whether the publication waits for a connection.
    pub pending: bool,
    /// Names under which it was to be published, and that the tracker has refused.
    pub refused: Vec<RefusedName>,
    /// Names under which it is published from here, or waits to be.
    pub names: Vec<HeldName>,
    /// The user's files with its bytes, the one in use first; some of many.
    pub files: Vec<HeldFile>,
}

/// A name of a content that a node holds.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeldName {
    /// The name.
    pub name: String,
    /// Whether its publication waits for a connection.
    pub pending: bool,
}

/// A user's file with the bytes of a content.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeldFile {
    /// The file.
    pub path: PathBuf,
    /// Why it is not as it was: `gone`, `changed`, `unreadable` or `failing`.
    pub absence: Option<&'static str>,
}

/// A name that the tracker has refused.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RefusedName {
    /// The name.
    pub name: String,
    /// The tracker's reason.
    pub reason: String,
}

/// A line of `peer list NAME`: one entry of a directory.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EntryLine<'a> {
    /// The path inside the directory.
    pub path: &'a str,
    /// `directory`, `file` or `link`.
    pub kind: &'static str,
    /// Octal permissions; absent of a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Bytes of a file; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// The path that a link leads to; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<&'a str>,
    /// Time of the last modification, in seconds since the Unix epoch.
    pub modified: i64,
}

/// `peer add --dry-run`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AddPlan {
    /// The file or directory that would be shared, in place.
    pub path: PathBuf,
    /// The name that would be bound.
    pub name: String,
    /// The content; null of a directory.
    pub content: Option<String>,
    /// Its bytes.
    pub length: u64,
    /// Number of files of a directory; null of a file.
    pub files: Option<usize>,
    /// Number of entries of a directory that would be left out, and the first of them.
    pub left_out: u64,
    /// The first of them, at most 20.
    pub left_out_entries: Vec<LeftOutEntry>,
    /// Bytes of a fragment.
    pub fragment_length: u32,
    /// Number of fragments; 0 of a directory.
    pub fragments: u32,
    /// Replicas that would be wanted.
    pub target: u32,
    /// The content that the name is bound to now; null when it is not bound, or no node could tell.
    pub bound_to: Option<String>,
    /// Replicas that the content has already; null when no node could tell, like the fields that follow.
    pub replicas: Option<u32>,
    /// Other live peers that take replicas.
    pub peers: Option<u32>,
    /// Bytes that would be sent to them.
    pub bytes: Option<u64>,
    /// Least time that sending would take; null without a limit to compute it from.
    pub expected_ms: Option<u64>,
}

/// An entry of a directory that was left out.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeftOutEntry {
    /// Path below the directory.
    pub path: String,
    /// `special`, `not_utf8`, `link`, `case`, `unreadable`, `vanished`, …: docs/json.md lists them.
    pub reason: &'static str,
}

impl LeftOutEntry {
    /// The entries that are named.
    #[must_use]
    pub fn list(left_out: &Unsupported) -> Vec<Self> {
        let entry = |(path, fault): &(String, EntryFault)| Self {
            path: path.clone(),
            reason: fault.as_str(),
        };
        left_out.first.iter().map(entry).collect()
    }
}

/// `peer get --dry-run`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GetPlan {
    /// The name asked for, or one that the content has.
    pub name: String,
    /// The content; of a path inside a directory, the directory's.
    pub content: String,
    /// Its bytes; of a directory, the bytes of the selected files.
    pub length: u64,
    /// Whether it is a directory, or something in one.
    pub directory: bool,
    /// Number of files, of a part of a directory (a path inside it, or a selection by globs); null otherwise.
    pub files: Option<u64>,
    /// The path that would be written.
    pub output: PathBuf,
    /// Bytes of it that this peer holds.
    pub here: u64,
    /// Bytes that would be fetched.
    pub bytes: u64,
    /// Bytes that would be written to the output; null for standard output, and of older nodes.
    pub written: Option<u64>,
    /// Bytes that may be written there now; less than `written` means that a fetch would be refused.
    pub free: Option<u64>,
    /// Other peers that hold something of it.
    pub sources: Vec<PlannedSource>,
    /// Number of all these peers; `sources` may list fewer.
    pub source_count: u32,
    /// Whether every fragment is on some live peer.
    pub available: bool,
    /// Least time that fetching would take; null without a limit to compute it from.
    pub expected_ms: Option<u64>,
}

/// A peer that holds fragments that are missing here.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlannedSource {
    /// The peer's id.
    pub id: String,
    /// The address where it is dialled.
    pub addr: String,
    /// Its failure domain.
    pub zone: Option<String>,
    /// `live` or `suspect`.
    pub state: String,
    /// Number of missing fragments that it holds.
    pub fragments: u64,
    /// Bytes of those fragments.
    pub bytes: u64,
}

/// `peer value`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Value {
    key: String,
    /// The id of the value as a content.
    content: String,
    length: u64,
    /// The value; null when it is not UTF-8.
    value: Option<String>,
    /// The value's bytes in hexadecimal digits when it is not UTF-8; null otherwise.
    hex: Option<String>,
}

impl Value {
    /// The value under a key.
    #[must_use]
    pub fn new(key: &str, content: ContentId, bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
        let hex = || bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            key: key.to_owned(),
            content: content.to_string(),
            length: bytes.len() as u64,
            hex: text.is_none().then(hex),
            value: text,
        }
    }
}

/// A line of `peer send`: `ready`, and `done` at the end.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SendLine {
    /// The content can be received.
    Ready {
        /// The line that `peer receive` takes.
        line: String,
        /// The name under which it is published meanwhile.
        name: String,
        /// The content.
        content: String,
        /// Time for which it can be received; null: until the name is removed.
        for_ms: Option<u64>,
    },
    /// The result: the name is removed.
    Done {
        /// The removed name.
        name: String,
    },
}
