//! Revisions of names.

use shared::model::{
    FileMetadata, Health, NamedRevision, PinCount, PinWish, RevisedContent, Revision, RevisionEntry,
    RevisionState, Timestamp,
};

use super::types::{content_id, target};
use super::{Invalid, bounded, parsed};
use crate::v1;

/// Revisions of one name that an answer may list: as many as are kept at most, and as many that are pinned.
const MAX_REVISIONS: usize = 128;

impl TryFrom<v1::PinRequest> for PinWish {
    type Error = Invalid;

    fn try_from(wire: v1::PinRequest) -> Result<Self, Invalid> {
        if wire.revision == 0 {
            return Err(Invalid::Missing("revision"));
        }
        Ok(Self {
            what: NamedRevision {
                name: parsed("name", &wire.name)?,
                revision: Revision::new(wire.revision),
            },
            is_pinned: wire.is_pinned,
            expected: wire.expected_pin_count.map(PinCount::new),
        })
    }
}

impl From<&PinWish> for v1::PinRequest {
    fn from(wish: &PinWish) -> Self {
        Self {
            name: wish.what.name.to_string(),
            revision: wish.what.revision.get(),
            is_pinned: wish.is_pinned,
            expected_pin_count: wish.expected.map(PinCount::get),
        }
    }
}

impl TryFrom<v1::HistoryReply> for Vec<RevisionEntry> {
    type Error = Invalid;

    fn try_from(wire: v1::HistoryReply) -> Result<Self, Invalid> {
        bounded("revisions", MAX_REVISIONS, wire.revisions)
    }
}

impl From<Vec<RevisionEntry>> for v1::HistoryReply {
    fn from(revisions: Vec<RevisionEntry>) -> Self {
        Self {
            revisions: revisions.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::PinReply> for RevisionEntry {
    type Error = Invalid;

    fn try_from(wire: v1::PinReply) -> Result<Self, Invalid> {
        wire.revision.ok_or(Invalid::Missing("revision"))?.try_into()
    }
}

impl TryFrom<v1::RevisionEntry> for RevisionEntry {
    type Error = Invalid;

    fn try_from(wire: v1::RevisionEntry) -> Result<Self, Invalid> {
        use v1::RevisionState as Wire;
        let state = match wire.state() {
            Wire::Unspecified => return Err(Invalid::Missing("state")),
            Wire::Current => RevisionState::Current,
            Wire::Pinned => RevisionState::Pinned,
            Wire::Kept => RevisionState::Kept,
            Wire::Collected => RevisionState::Collected,
            Wire::Removed => RevisionState::Removed,
        };
        let bound = match state {
            RevisionState::Removed => None,
            _ => Some(RevisedContent {
                content: content_id(&wire.content_id)?,
                length: wire.length,
                target: target(wire.target)?,
                collection: wire.collection.map(Into::into),
                attributes: match wire.metadata {
                    Some(metadata) => Some(FileMetadata::try_from(metadata)?.attributes()),
                    None => None,
                },
            }),
        };
        Ok(Self {
            revision: Revision::new(wire.revision),
            at: Timestamp::from_millis(wire.at_ms),
            state,
            pins: PinCount::new(wire.pin_count),
            bound,
            health: wire.health.map(Health::try_from).transpose()?,
        })
    }
}

impl From<RevisionEntry> for v1::RevisionEntry {
    fn from(entry: RevisionEntry) -> Self {
        use v1::RevisionState as Wire;
        let state = match entry.state {
            RevisionState::Current => Wire::Current,
            RevisionState::Pinned => Wire::Pinned,
            RevisionState::Kept => Wire::Kept,
            RevisionState::Collected => Wire::Collected,
            RevisionState::Removed => Wire::Removed,
        };
        let bound = entry.bound;
        let content = bound.map(|bound| bound.content.as_bytes().to_vec());
        Self {
            revision: entry.revision.get(),
            at_ms: entry.at.as_millis(),
            state: state.into(),
            pin_count: entry.pins.get(),
            content_id: content.unwrap_or_default().into(),
            length: bound.map_or(0, |bound| bound.length),
            target: bound.map_or(0, |bound| bound.target.get()),
            collection: bound.and_then(|bound| bound.collection).map(Into::into),
            metadata: bound.and_then(|bound| bound.attributes).map(Into::into),
            health: entry.health.map(Into::into),
        }
    }
}
