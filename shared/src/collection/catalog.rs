//! The catalog: what a collection consists of.

use std::ops::Range;

use super::attributes::{Attributes, ModifiedAt};
use crate::model::ContentId;

/// Everything in a collection, in order: a directory comes before what is in it, and neighbours are ordered by the
/// bytes of their names. Made by a [`Builder`](super::Builder) or read with [`Catalog::decode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    pub(super) root: Attributes,
    pub(super) parts: Vec<ContentId>,
    pub(super) entries: Vec<Entry>,
}

/// One thing in a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The directory that it lies in, by its place in the catalog; none for the collection's own.
    pub(super) parent: Option<u32>,
    /// How many directories of the collection it lies in.
    pub(super) depth: u16,
    pub(super) name: Box<str>,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory; what is in it follows.
    Directory(Attributes),
    /// A regular file.
    File(File),
    /// A symbolic link, which leads to something inside of the collection, there or not.
    Link {
        /// Where it leads.
        target: Box<str>,
        /// When it was made.
        modified: ModifiedAt,
    },
}

/// A regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Mode and time.
    pub attributes: Attributes,
    /// Its bytes, holes included.
    pub length: u64,
    /// Where they are.
    pub data: Data,
    /// Runs of zeros that take no room on disk: ascending, apart, none empty, all inside.
    pub holes: Vec<Range<u64>>,
}

/// Where a file's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nowhere: it has none.
    Empty,
    /// They are a whole content.
    Whole(ContentId),
    /// They lie in a pack, from this offset on.
    Packed(ContentId, u64),
}

impl Data {
    /// The part that they are in.
    #[must_use]
    pub const fn part(self) -> Option<ContentId> {
        match self {
            Self::Empty => None,
            Self::Whole(part) | Self::Packed(part, _) => Some(part),
        }
    }
}

impl Entry {
    /// Its name in its directory: never a path, never `.` or `..`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The place of the directory that it lies in; none for the collection's own.
    #[must_use]
    pub fn parent(&self) -> Option<usize> {
        self.parent.map(|parent| parent as usize)
    }
}

impl Catalog {
    /// What the collection's own directory has.
    #[must_use]
    pub const fn root(&self) -> Attributes {
        self.root
    }

    /// The contents that it refers to, ascending, each once.
    #[must_use]
    pub fn parts(&self) -> &[ContentId] {
        &self.parts
    }

    /// Everything in it, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The path of the entry at this place, below the collection's own directory.
    #[must_use]
    pub fn path(&self, at: usize) -> String {
        let mut names = Vec::new();
        let mut next = Some(at);
        while let Some(entry) = next.and_then(|at| self.entries.get(at)) {
            names.push(&*entry.name);
            next = entry.parent();
        }
        names.reverse();
        names.join("/")
    }

    /// The entry at a path, and what is in it if it is a directory: places in [`Self::entries`].
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Range<usize>> {
        let (mut within, mut found) = (0..self.entries.len(), None);
        for (depth, part) in path.split('/').enumerate() {
            let is_it = |at: &usize| {
                let entry = &self.entries[*at];
                usize::from(entry.depth) == depth && *entry.name == *part
            };
            let at = within.clone().find(is_it)?;
            let below = self.entries[at + 1..within.end].iter();
            let count = below.take_while(|entry| usize::from(entry.depth) > depth).count();
            within = at + 1..at + 1 + count;
            found = Some(at..within.end);
        }
        found
    }

    /// Bytes of all files.
    #[must_use]
    pub fn length(&self) -> u64 {
        let files = self.entries.iter().map(|entry| match &entry.kind {
            Kind::File(file) => file.length,
            Kind::Directory(_) | Kind::Link { .. } => 0,
        });
        files.fold(0, u64::saturating_add)
    }

    /// How many files there are.
    #[must_use]
    pub fn file_count(&self) -> usize {
        let is_file = |entry: &&Entry| matches!(entry.kind, Kind::File(_));
        self.entries.iter().filter(is_file).count()
    }
}
