//! The catalog: the entries of a collection.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::model::{Attributes, ContentId, ModifiedAt};

/// All entries of a collection, in order: a directory comes before its entries, and neighbours are ordered by
/// the bytes of their names. Made by a [`Builder`](super::Builder) or read with [`Catalog::decode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    pub(super) root: Attributes,
    pub(super) parts: Vec<ContentId>,
    /// Whether no link leads out and no two names in a directory differ only in case.
    pub(super) is_plain: bool,
    pub(super) entries: Vec<Entry>,
}

/// One thing in a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The directory that it lies in, by its place in the catalog; none for the collection's own.
    pub(super) parent: Option<u32>,
    /// Number of the collection's directories above the entry.
    pub(super) depth: u16,
    pub(super) name: Box<str>,
    /// Kind of the entry, with its data.
    pub kind: Kind,
}

/// Kind of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory; its entries follow.
    Directory(Attributes),
    /// A regular file.
    File(File),
    /// A symbolic link, which leads to something inside of the collection, there or not.
    Link {
        /// Target of the link.
        target: Box<str>,
        /// Time of the last modification.
        modified: ModifiedAt,
    },
}

/// A regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Mode and time.
    pub attributes: Attributes,
    /// Length in bytes, holes included.
    pub length: u64,
    /// Place of the bytes.
    pub data: Data,
    /// Runs of zeros that take no room on disk: ascending, apart, none empty, all inside.
    pub holes: Vec<Range<u64>>,
}

/// Place of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nowhere: it has none.
    Empty,
    /// The bytes are a whole content.
    Whole(ContentId),
    /// The bytes lie in a pack, from this offset on.
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
    /// Returns the name of the entry in its directory: never a path, never `.` or `..`.
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
    /// Returns the attributes of the collection's own directory.
    #[must_use]
    pub const fn root(&self) -> Attributes {
        self.root
    }

    /// The contents that it refers to, ascending, each once.
    #[must_use]
    pub fn parts(&self) -> &[ContentId] {
        &self.parts
    }

    /// Returns all entries, in order.
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

    /// Returns the entry at a path, with its entries if it is a directory, as places in [`Self::entries`].
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

    /// Returns the bytes of parts that the files among some entries need: by part, in ascending order, and each
    /// byte once.
    #[must_use]
    pub fn spans_in(&self, range: Range<usize>) -> BTreeMap<ContentId, Vec<Range<u64>>> {
        let mut spans: BTreeMap<ContentId, Vec<Range<u64>>> = BTreeMap::new();
        for file in self.files_in(range) {
            let (part, start) = match file.data {
                Data::Whole(part) => (part, 0),
                Data::Packed(part, start) => (part, start),
                Data::Empty => continue,
            };
            let end = start.saturating_add(file.length);
            spans.entry(part).or_default().push(start..end);
        }
        for spans in spans.values_mut() {
            spans.sort_by_key(|span| span.start);
            spans.dedup_by(|next, last| {
                let joins = next.start <= last.end;
                if joins {
                    last.end = last.end.max(next.end);
                }
                joins
            });
        }
        spans
    }

    /// Returns the bytes of the files among some entries.
    #[must_use]
    pub fn length_in(&self, range: Range<usize>) -> u64 {
        let files = self.files_in(range).map(|file| file.length);
        files.fold(0, u64::saturating_add)
    }

    /// Bytes of all files.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length_in(0..self.entries.len())
    }

    fn files_in(&self, range: Range<usize>) -> impl Iterator<Item = &File> {
        let entries = self.entries.get(range).unwrap_or_default().iter();
        entries.filter_map(|entry| match &entry.kind {
            Kind::File(file) => Some(file),
            Kind::Directory(_) | Kind::Link { .. } => None,
        })
    }

    /// Returns the number of files.
    #[must_use]
    pub fn file_count(&self) -> usize {
        self.files_in(0..self.entries.len()).count()
    }
}
