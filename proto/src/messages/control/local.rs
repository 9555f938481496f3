//! Contents that a node holds, and the reading of them again, from and to the wire.

use std::path::PathBuf;

use super::wire::text_of;
use super::{LocalContent, LocalRole, Verified};
use crate::messages::types::content_id;
use crate::messages::{Invalid, parsed};
use crate::v1;

impl TryFrom<v1::LocalContent> for LocalContent {
    type Error = Invalid;

    fn try_from(wire: v1::LocalContent) -> Result<Self, Invalid> {
        let role = match wire.role() {
            v1::LocalRole::Unspecified => return Err(Invalid::Missing("role")),
            v1::LocalRole::Published => LocalRole::Published,
            v1::LocalRole::Assigned => LocalRole::Assigned,
            v1::LocalRole::Fetched => LocalRole::Fetched,
        };
        Ok(Self {
            content: content_id(&wire.content_id)?,
            name: if wire.name.is_empty() {
                None
            } else {
                Some(parsed("name", &wire.name)?)
            },
            length: wire.length,
            fragments: wire.fragments,
            fragments_held: wire.fragments_held,
            role,
            path: (!wire.path.is_empty()).then(|| PathBuf::from(&wire.path)),
            is_pending: wire.is_pending,
            refused: wire
                .refused
                .into_iter()
                .map(|refused| Ok((parsed("refused", &refused.name)?, refused.reason)))
                .collect::<Result<_, Invalid>>()?,
            is_part: wire.is_part,
            collection: wire
                .collection_length
                .map(|length| (length, wire.collection_held)),
        })
    }
}

impl From<LocalContent> for v1::LocalContent {
    fn from(content: LocalContent) -> Self {
        let role = match content.role {
            LocalRole::Published => v1::LocalRole::Published,
            LocalRole::Assigned => v1::LocalRole::Assigned,
            LocalRole::Fetched => v1::LocalRole::Fetched,
        };
        Self {
            content_id: content.content.as_bytes().to_vec().into(),
            name: content.name.map(|name| name.to_string()).unwrap_or_default(),
            length: content.length,
            fragments: content.fragments,
            fragments_held: content.fragments_held,
            role: role.into(),
            path: content.path.map(text_of).unwrap_or_default(),
            is_pending: content.is_pending,
            refused: content
                .refused
                .into_iter()
                .map(|(name, reason)| v1::RefusedName {
                    name: name.to_string(),
                    reason,
                })
                .collect(),
            is_part: content.is_part,
            collection_length: content.collection.map(|(length, _)| length),
            collection_held: content.collection.map_or(0, |(_, held)| held),
        }
    }
}

impl TryFrom<v1::VerifyEvent> for Verified {
    type Error = Invalid;

    fn try_from(wire: v1::VerifyEvent) -> Result<Self, Invalid> {
        let progress = wire.progress.ok_or(Invalid::Missing("progress"))?;
        Ok(Self {
            done: progress.done,
            total: progress.total,
            damaged: wire.damaged,
            missing: wire.missing,
        })
    }
}

impl From<Verified> for v1::VerifyEvent {
    fn from(verified: Verified) -> Self {
        let progress = Some(v1::ByteProgress {
            done: verified.done,
            total: verified.total,
        });
        Self {
            progress,
            damaged: verified.damaged,
            missing: verified.missing,
        }
    }
}
