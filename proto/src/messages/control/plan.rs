//! Answers to the question what a `get` would do.

use std::path::PathBuf;

use shared::model::{ContentId, Name, Share};

use crate::messages::types::content_id;
use crate::messages::{Invalid, Locate, bounded, parsed};
use crate::v1;

/// Bytes that `get` would move, and the peers that have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The name asked for, or one that the content has; of a path inside a directory, the directory's.
    pub name: Name,
    /// The content; of a directory, its catalog.
    pub content: ContentId,
    /// Number of wanted files of a directory.
    pub files: Option<u64>,
    /// Bytes that are wanted.
    pub length: u64,
    /// Bytes of these that are here.
    pub here: u64,
    /// Bytes that would be fetched.
    pub missing: u64,
    /// Whether every wanted fragment is on some live peer.
    pub is_available: bool,
    /// Other peers that hold something that is missing here.
    pub sources: Vec<Share>,
    /// Number of all these peers.
    pub source_count: u32,
    /// The path that would be written; none of older nodes.
    pub output: Option<PathBuf>,
    /// Bytes to write; none of older nodes.
    pub writes: Option<Writes>,
}

/// Bytes that `get` would write, and the room for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writes {
    /// Bytes that are not at the output yet.
    pub bytes: u64,
    /// Bytes that may be written there now.
    pub free: u64,
}

impl TryFrom<v1::PlanReply> for Planned {
    type Error = Invalid;

    fn try_from(wire: v1::PlanReply) -> Result<Self, Invalid> {
        Ok(Self {
            name: parsed("name", &wire.name)?,
            content: content_id(&wire.content_id)?,
            files: wire.files,
            length: wire.length,
            here: wire.here,
            missing: wire.missing,
            is_available: wire.is_available,
            sources: bounded("sources", Locate::MAX_HOLDERS as usize, wire.sources)?,
            source_count: wire.source_count,
            output: (!wire.output.is_empty()).then(|| wire.output.into()),
            writes: wire
                .written
                .zip(wire.free)
                .map(|(bytes, free)| Writes { bytes, free }),
        })
    }
}

impl From<Planned> for v1::PlanReply {
    fn from(planned: Planned) -> Self {
        Self {
            name: planned.name.to_string(),
            content_id: planned.content.as_bytes().to_vec().into(),
            files: planned.files,
            length: planned.length,
            here: planned.here,
            missing: planned.missing,
            is_available: planned.is_available,
            sources: planned.sources.into_iter().map(Into::into).collect(),
            source_count: planned.source_count,
            output: planned
                .output
                .map_or_else(String::new, |output| output.to_string_lossy().into_owned()),
            written: planned.writes.map(|writes| writes.bytes),
            free: planned.writes.map(|writes| writes.free),
        }
    }
}
