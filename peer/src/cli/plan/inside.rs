//! What of a collection would be fetched, when that is a path inside of it or what globs choose.
//!
//! Only the collection's catalog can tell, so it is fetched if it is not here: the one thing that a dry run moves, a few dozen
//! bytes for each entry, which `get` needs too.

use proto::client::ControlClient;
use proto::messages::control::EntryKind;
use shared::collection::Selection;
use shared::model::{ContentRef, Location, Name};

use super::super::exit::Failure;
use super::super::get;
use super::located;

/// Files of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// How many.
    pub(super) files: u64,
    /// Bytes of all of them.
    pub(super) length: u64,
}

/// The collection that a path is in: the longest beginning of it that is the name of one.
pub(super) async fn around(client: &ControlClient, path: &Name) -> Result<Option<Location>, Failure> {
    let text = path.as_str();
    for (at, _) in text.rmatch_indices('/') {
        let Ok(name) = Name::new(&text[..at]) else {
            continue;
        };
        let found = located(client, &ContentRef::Name(name)).await?;
        if let Some(location) = found.filter(|location| location.binding.collection.is_some()) {
            return Ok(Some(location));
        }
    }
    Ok(None)
}

/// What is wanted of it.
pub(super) async fn wanted(
    client: &ControlClient,
    content: &ContentRef,
    selection: &Selection,
) -> Result<Part, Failure> {
    let failed = |error| get::get_failure(content, &error);
    let mut entries = client.entries(content).await.map_err(failed)?;
    let mut part = Part::default();
    while let Some(some) = entries.next().await.map_err(failed)? {
        for listed in some {
            if let EntryKind::File(_, length) = listed.kind
                && selection.takes(&listed.path)
            {
                part.files += 1;
                part.length = part.length.saturating_add(length);
            }
        }
    }
    Ok(part)
}
