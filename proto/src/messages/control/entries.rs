//! Entries of a collection, as commands receive them.

use shared::collection::{Attributes, Catalog, Kind, Mode, ModifiedAt};

use crate::{Invalid, v1};

/// An entry of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Path below the collection's directory.
    pub path: String,
    /// Kind of the entry.
    pub kind: EntryKind,
    /// Time of the last modification.
    pub modified: ModifiedAt,
}

/// Kind of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory(Mode),
    /// A regular file: its mode and its bytes.
    File(Mode, u64),
    /// A symbolic link: where it leads.
    Link(String),
}

impl Listed {
    /// An entry of a catalog, by its place.
    #[must_use]
    pub fn of(catalog: &Catalog, at: usize) -> Option<Self> {
        let path = catalog.path(at);
        let (kind, modified) = match &catalog.entries().get(at)?.kind {
            Kind::Directory(Attributes { mode, modified }) => (EntryKind::Directory(*mode), *modified),
            Kind::File(file) => (
                EntryKind::File(file.attributes.mode, file.length),
                file.attributes.modified,
            ),
            Kind::Link { target, modified } => (EntryKind::Link(target.to_string()), *modified),
        };
        Some(Self { path, kind, modified })
    }
}

impl From<Listed> for v1::CollectionEntry {
    fn from(listed: Listed) -> Self {
        let (kind, mode, length, target) = match listed.kind {
            EntryKind::Directory(mode) => (v1::EntryKind::Directory, mode.get(), 0, String::new()),
            EntryKind::File(mode, length) => (v1::EntryKind::File, mode.get(), length, String::new()),
            EntryKind::Link(target) => (v1::EntryKind::Link, 0, 0, target),
        };
        Self {
            path: listed.path,
            kind: kind.into(),
            mode,
            modified_seconds: listed.modified.seconds(),
            modified_nanos: listed.modified.nanos(),
            length,
            target,
        }
    }
}

impl TryFrom<v1::CollectionEntry> for Listed {
    type Error = Invalid;

    fn try_from(wire: v1::CollectionEntry) -> Result<Self, Invalid> {
        let mode = Mode::of(wire.mode);
        let kind = match wire.kind() {
            v1::EntryKind::Unspecified => return Err(Invalid::Missing("kind")),
            v1::EntryKind::Directory => EntryKind::Directory(mode),
            v1::EntryKind::File => EntryKind::File(mode, wire.length),
            v1::EntryKind::Link => EntryKind::Link(wire.target),
        };
        Ok(Self {
            path: wire.path,
            kind,
            modified: ModifiedAt::new(wire.modified_seconds, wire.modified_nanos)
                .ok_or(Invalid::Missing("modified"))?,
        })
    }
}

/// Entries that came in one message.
impl TryFrom<v1::EntriesReply> for Vec<Listed> {
    type Error = Invalid;

    fn try_from(wire: v1::EntriesReply) -> Result<Self, Invalid> {
        wire.entries.into_iter().map(Listed::try_from).collect()
    }
}

impl From<Vec<Listed>> for v1::EntriesReply {
    fn from(entries: Vec<Listed>) -> Self {
        Self {
            entries: entries.into_iter().map(Into::into).collect(),
        }
    }
}
