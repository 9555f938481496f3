//! Contents that a node holds, and the reading of them again, from and to the wire.

use std::path::PathBuf;
use std::time::Duration;

use shared::model::{Absence, LocalFile, SuspendedFile, SuspendedFiles};

use super::wire::text_of;
use super::{LocalContent, LocalName, LocalRole, Noted, Verified};
use crate::messages::types::{absence, absence_text, content_id};
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
            absence: absence(&wire.absence),
            names: wire
                .names
                .into_iter()
                .map(|name| {
                    let is_pending = name.is_pending;
                    let name = parsed("names", &name.name)?;
                    Ok(LocalName { name, is_pending })
                })
                .collect::<Result<_, Invalid>>()?,
            files: wire
                .files
                .into_iter()
                .take(LocalFile::MAX)
                .map(|file| LocalFile {
                    path: PathBuf::from(file.path),
                    absence: absence(&file.absence),
                })
                .collect(),
        })
    }
}

impl TryFrom<v1::RemoveAfterEvent> for Noted {
    type Error = Invalid;

    fn try_from(_: v1::RemoveAfterEvent) -> Result<Self, Invalid> {
        Ok(Self)
    }
}

impl From<Noted> for v1::RemoveAfterEvent {
    fn from(_: Noted) -> Self {
        Self {}
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
            absence: absence_text(content.absence),
            names: content
                .names
                .into_iter()
                .map(|LocalName { name, is_pending }| v1::LocalName {
                    name: name.to_string(),
                    is_pending,
                })
                .collect(),
            files: content
                .files
                .into_iter()
                .map(|file| v1::LocalFile {
                    path: text_of(file.path),
                    absence: absence_text(file.absence),
                })
                .collect(),
        }
    }
}

impl TryFrom<v1::SuspendedFiles> for SuspendedFiles {
    type Error = Invalid;

    fn try_from(wire: v1::SuspendedFiles) -> Result<Self, Invalid> {
        if wire.first.len() > Self::NAMED {
            return Err(Invalid::field("suspended", "more is listed than may be"));
        }
        let file = |file: v1::SuspendedFile| SuspendedFile {
            path: PathBuf::from(file.path),
            absence: absence(&file.absence).unwrap_or(Absence::Failing),
            lasted: Duration::from_millis(file.lasted_ms),
        };
        Ok(Self {
            gone: wire.gone,
            changed: wire.changed,
            unreadable: wire.unreadable,
            failing: wire.failing,
            first: wire.first.into_iter().map(file).collect(),
        })
    }
}

impl From<SuspendedFiles> for v1::SuspendedFiles {
    fn from(files: SuspendedFiles) -> Self {
        let file = |file: SuspendedFile| v1::SuspendedFile {
            path: text_of(file.path),
            absence: file.absence.to_string(),
            lasted_ms: u64::try_from(file.lasted.as_millis()).unwrap_or(u64::MAX),
        };
        Self {
            gone: files.gone,
            changed: files.changed,
            unreadable: files.unreadable,
            failing: files.failing,
            first: files.first.into_iter().map(file).collect(),
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
