//! `peer list NAME`: what is in a collection.

use proto::messages::control::{EntryKind, Listed};
use shared::model::{ByteCount, ContentRef};

use super::attach;
use super::context::Context;
use super::exit::Failure;
use crate::{json, words};

pub(super) async fn run(context: &Context<'_>, content: &ContentRef) -> Result<(), Failure> {
    let client = attach::require(context.options).await?.client;
    let failed = |error| Failure::of(words::list(content), &error);
    let mut entries = client.entries(content).await.map_err(failed)?;
    while let Some(some) = entries.next().await.map_err(failed)? {
        for listed in &some {
            context.out.json(&json::entry(listed));
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
