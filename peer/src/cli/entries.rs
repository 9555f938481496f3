//! `peer list NAME`: what is in a collection.

use proto::messages::control::{EntryKind, Listed};
use serde::Serialize;
use shared::model::{ByteCount, ContentRef};

use super::attach;
use super::context::Context;
use super::exit::Failure;
use crate::words;

/// One entry, a line of `--json`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct EntryLine<'a> {
    path: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    modified: i64,
}

impl<'a> From<&'a Listed> for EntryLine<'a> {
    fn from(listed: &'a Listed) -> Self {
        let octal = |mode: &shared::collection::Mode| Some(format!("{:04o}", mode.get()));
        let (kind, mode, length, target) = match &listed.kind {
            EntryKind::Directory(mode) => ("directory", octal(mode), None, None),
            EntryKind::File(mode, length) => ("file", octal(mode), Some(*length), None),
            EntryKind::Link(target) => ("link", None, None, Some(&**target)),
        };
        Self {
            path: &listed.path,
            kind,
            mode,
            length,
            target,
            modified: listed.modified.seconds(),
        }
    }
}

pub(super) async fn run(context: &Context<'_>, content: &ContentRef) -> Result<(), Failure> {
    let client = attach::require(context.options).await?.client;
    let failed = |error| Failure::of(words::list(content), &error);
    let mut entries = client.entries(content).await.map_err(failed)?;
    while let Some(some) = entries.next().await.map_err(failed)? {
        for listed in &some {
            context.out.json(&EntryLine::from(listed));
            context.out.line(&shown(listed));
        }
    }
    Ok(())
}

fn shown(listed: &Listed) -> String {
    let path = &listed.path;
    match &listed.kind {
        EntryKind::Directory(mode) => format!("d{mode} {:>10} {path}/", ""),
        EntryKind::File(mode, length) => {
            format!("-{mode} {:>10} {path}", ByteCount::new(*length).to_string())
        }
        EntryKind::Link(target) => format!("l{:9} {:>10} {path} -> {target}", "", ""),
    }
}
