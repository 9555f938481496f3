//! Adding a file or a directory: the request, and the events until its replicas are there.

use std::path::PathBuf;

use shared::collection::{EntryFault, OutsideLinks, Rules, Selection, Unsupported};
use shared::model::{Binding, ContentId, FragmentLength, Health, Name, ReplicationTarget};

use super::wire::{absolute, selection, text_of};
use crate::messages::types::{
    chosen_fragment_length, chosen_target, content_id, fragment_length_number, target_number,
};
use crate::messages::{Invalid, parsed};
use crate::v1;

/// Publish a file in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// An absolute path.
    pub path: PathBuf,
    /// The name to bind.
    pub name: Name,
    /// Replicas wanted; `None` means as many as the network's default.
    pub target: Option<ReplicationTarget>,
    /// Length of the fragments; `None` lets the network's default, or else the content's length decide.
    pub fragment_length: Option<FragmentLength>,
    /// Whether a name that is bound to another content should be bound to this one.
    pub update: bool,
    /// Whether to go on reporting until every fragment has its target of replicas.
    pub wait: bool,
    /// Selected entries of a directory.
    pub selection: Selection,
    /// Rules for the entries of a directory.
    pub rules: Rules,
}

/// Event of an [`Add`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddEvent {
    /// Bytes hashed so far and in all.
    Hashing {
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The content is shared by this node.
    Shared {
        /// Id of the content.
        content: ContentId,
        /// Length in bytes.
        length: u64,
        /// The length of its fragments.
        fragment_length: FragmentLength,
        /// Number of fragments.
        fragments: u32,
        /// Whether the publication waits for a connection to a tracker.
        is_pending: bool,
        /// Size of the directory, if it is one; then the fragments are those of all its contents.
        directory: Option<DirectorySize>,
    },
    /// The name is bound, journaled by the tracker.
    Published(Binding),
    /// The replicas as they appear.
    Replicas(Health),
    /// Bytes of a stream that have come so far.
    Received(u64),
    /// Entries of a directory that were left out.
    LeftOut(Unsupported),
    /// A name hides a path inside a directory.
    Hides(Hiding),
}

/// Size of a directory that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectorySize {
    /// Number of its files.
    pub files: u64,
    /// Number of its contents: its catalog, packs of small files, and large files.
    pub contents: u32,
}

/// A name that hides a path inside a directory, because both read the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hiding {
    /// The name.
    pub name: Name,
    /// The path, written so that the name does not hide it: the directory at its revision, and the path.
    pub inside: String,
}

impl TryFrom<v1::AddRequest> for Add {
    type Error = Invalid;

    fn try_from(wire: v1::AddRequest) -> Result<Self, Invalid> {
        let links = wire.links();
        Ok(Self {
            path: absolute("path", wire.path)?,
            name: parsed("name", &wire.name)?,
            target: chosen_target(wire.target)?,
            fragment_length: chosen_fragment_length(wire.fragment_length)?,
            update: wire.update,
            wait: wire.wait,
            rules: Rules {
                links: match links {
                    v1::OutsideLinks::Unspecified => OutsideLinks::Refuse,
                    v1::OutsideLinks::Keep => OutsideLinks::Keep,
                    v1::OutsideLinks::Skip => OutsideLinks::Skip,
                    v1::OutsideLinks::Follow => OutsideLinks::Follow,
                },
                keeps_case: wire.keep_case,
                skips_unsupported: wire.skip_unsupported,
            },
            selection: selection(wire.include, wire.exclude)?,
        })
    }
}

impl From<Add> for v1::AddRequest {
    fn from(add: Add) -> Self {
        Self {
            path: text_of(add.path),
            name: add.name.to_string(),
            target: target_number(add.target),
            fragment_length: fragment_length_number(add.fragment_length),
            update: add.update,
            wait: add.wait,
            include: add.selection.include().to_vec(),
            exclude: add.selection.exclude().to_vec(),
            links: match add.rules.links {
                OutsideLinks::Refuse => v1::OutsideLinks::Unspecified,
                OutsideLinks::Keep => v1::OutsideLinks::Keep,
                OutsideLinks::Skip => v1::OutsideLinks::Skip,
                OutsideLinks::Follow => v1::OutsideLinks::Follow,
            }
            .into(),
            keep_case: add.rules.keeps_case,
            skip_unsupported: add.rules.skips_unsupported,
        }
    }
}

impl TryFrom<v1::LeftOut> for Unsupported {
    type Error = Invalid;

    fn try_from(wire: v1::LeftOut) -> Result<Self, Invalid> {
        if wire.entries.len() > Self::NAMED {
            return Err(Invalid::field("left_out", "more is listed than may be"));
        }
        let entry = |entry: v1::LeftOutEntry| (entry.path, EntryFault::of(&entry.code));
        Ok(Self {
            count: wire.count,
            first: wire.entries.into_iter().map(entry).collect(),
        })
    }
}

impl From<Unsupported> for v1::LeftOut {
    fn from(left_out: Unsupported) -> Self {
        let entry = |(path, fault): (String, EntryFault)| v1::LeftOutEntry {
            path,
            code: fault.as_str().to_owned(),
        };
        Self {
            count: left_out.count,
            entries: left_out.first.into_iter().map(entry).collect(),
        }
    }
}

impl TryFrom<v1::AddEvent> for AddEvent {
    type Error = Invalid;

    fn try_from(wire: v1::AddEvent) -> Result<Self, Invalid> {
        use v1::add_event::Event;
        Ok(match wire.event.ok_or(Invalid::Missing("event"))? {
            Event::Hashing(progress) => Self::Hashing {
                done: progress.done,
                total: progress.total,
            },
            Event::Shared(shared) => Self::Shared {
                content: content_id(&shared.content_id)?,
                length: shared.length,
                fragment_length: FragmentLength::new(u64::from(shared.fragment_length))
                    .map_err(|error| Invalid::field("fragment_length", error))?,
                fragments: shared.fragments,
                is_pending: shared.is_pending,
                directory: shared.directory.map(|directory| DirectorySize {
                    files: directory.files,
                    contents: directory.contents,
                }),
            },
            Event::Published(binding) => Self::Published(binding.try_into()?),
            Event::Replicas(health) => Self::Replicas(health.try_into()?),
            Event::Received(bytes) => Self::Received(bytes),
            Event::LeftOut(left_out) => Self::LeftOut(left_out.try_into()?),
            Event::Hides(hiding) => Self::Hides(hiding.try_into()?),
        })
    }
}

impl From<AddEvent> for v1::AddEvent {
    fn from(event: AddEvent) -> Self {
        use v1::add_event::{DirectorySize as Size, Event, Shared};
        let event = match event {
            AddEvent::Hashing { done, total } => Event::Hashing(v1::ByteProgress { done, total }),
            AddEvent::Shared {
                content,
                length,
                fragment_length,
                fragments,
                is_pending,
                directory,
            } => Event::Shared(Shared {
                content_id: content.as_bytes().to_vec().into(),
                length,
                fragment_length: fragment_length.get(),
                fragments,
                is_pending,
                directory: directory.map(|directory| Size {
                    files: directory.files,
                    contents: directory.contents,
                }),
            }),
            AddEvent::Published(binding) => Event::Published(binding.into()),
            AddEvent::Replicas(health) => Event::Replicas(health.into()),
            AddEvent::Received(bytes) => Event::Received(bytes),
            AddEvent::LeftOut(left_out) => Event::LeftOut(left_out.into()),
            AddEvent::Hides(hiding) => Event::Hides(hiding.into()),
        };
        Self { event: Some(event) }
    }
}

impl TryFrom<v1::Hiding> for Hiding {
    type Error = Invalid;

    fn try_from(wire: v1::Hiding) -> Result<Self, Invalid> {
        Ok(Self {
            name: Name::new(wire.name).map_err(|error| Invalid::field("name", error))?,
            inside: wire.inside,
        })
    }
}

impl From<Hiding> for v1::Hiding {
    fn from(hiding: Hiding) -> Self {
        Self {
            name: hiding.name.to_string(),
            inside: hiding.inside,
        }
    }
}
