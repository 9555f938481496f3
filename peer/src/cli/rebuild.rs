//! `peer rebuild-index`: a new index in place of a damaged one.

use shared::json::{LostFiles, RebuiltIndex};
use shared::model::ByteCount;

use super::context::Context;
use super::node::require_no_node;
use crate::terminal::exit::{Exit, Failure};
use crate::{node, words};

/// Makes a new index for the data directory.
pub(super) async fn run(context: &Context<'_>) -> Result<(), Failure> {
    let data_dir = &context.options.data_dir;
    require_no_node(data_dir, words::rebuild_index())?;
    let rebuilt = node::rebuild_index(data_dir, context.options.node.capacity).await;
    let rebuilt = rebuilt.map_err(|error| Failure::of(words::rebuild_index(), &error))?;
    let Some(rebuilt) = rebuilt else {
        let nothing = words::nothing_to_rebuild_from(data_dir.display());
        return Err(Failure::new(Exit::NotFound, nothing));
    };
    let (index, lost) = (&rebuilt.index, rebuilt.lost);
    if let Some(moved) = &index.moved {
        context.out.note(&words::old_index_is_at(moved.display()));
    }
    for name in &index.unpublished {
        context.out.note(&words::was_to_be_published(name));
    }
    for name in &index.unshared {
        context.out.note(&words::no_longer_shared(name));
    }
    if lost.files > 0 {
        let (files, bytes) = (words::files(lost.files), ByteCount::new(lost.bytes));
        let place = data_dir.join("lost");
        context
            .out
            .note(&words::lost_files(files, bytes, place.display()));
    }
    if rebuilt.is_new_id {
        context.out.note(&words::id_was_lost(rebuilt.peer));
    }
    let contents = words::contents(index.contents);
    let bytes = ByteCount::new(index.bytes);
    context
        .out
        .line(&words::index_rebuilt(data_dir.display(), contents, bytes));
    context.out.json(&RebuiltIndex {
        id: rebuilt.peer.to_string(),
        is_new_id: rebuilt.is_new_id,
        moved: index.moved.clone(),
        contents: index.contents,
        fragments: index.fragments,
        bytes: index.bytes,
        lost: LostFiles {
            files: lost.files,
            bytes: lost.bytes,
        },
        unpublished: index.unpublished.iter().map(ToString::to_string).collect(),
        unshared: index.unshared.iter().map(ToString::to_string).collect(),
    });
    Ok(())
}
