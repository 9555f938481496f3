//! What `history`, `pin` and `unpin` print.

use serde::Serialize;
use shared::model::{Name, RevisionEntry};

/// `peer history`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct History {
    name: String,
    /// The newest first.
    revisions: Vec<Revision>,
}

/// `peer pin` and `peer unpin`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pinned {
    name: String,
    #[serde(flatten)]
    revision: Revision,
}

/// One revision of a name.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Revision {
    revision: u64,
    published_at_ms: u64,
    /// `current`, `pinned`, `kept`, `collected` or `removed`.
    state: String,
    /// The current one may be pinned too.
    pinned: bool,
    /// Null when the name was removed.
    content: Option<String>,
    length: Option<u64>,
    target: Option<u32>,
    /// Replicas of the fragment that has the fewest; null when the content is not there any more.
    fewest: Option<u32>,
}

impl History {
    /// What is remembered of a name.
    #[must_use]
    pub fn new(name: &Name, revisions: &[RevisionEntry]) -> Self {
        Self {
            name: name.to_string(),
            revisions: revisions.iter().map(Revision::from).collect(),
        }
    }
}

impl Pinned {
    /// How a revision of a name stands.
    #[must_use]
    pub fn new(name: &Name, entry: &RevisionEntry) -> Self {
        Self {
            name: name.to_string(),
            revision: entry.into(),
        }
    }
}

impl From<&RevisionEntry> for Revision {
    fn from(entry: &RevisionEntry) -> Self {
        Self {
            revision: entry.revision.get(),
            published_at_ms: entry.at.as_millis(),
            state: entry.state.to_string(),
            pinned: entry.pins.is_pinned(),
            content: entry.bound.map(|bound| bound.content.to_string()),
            length: entry.bound.map(|bound| bound.length),
            target: entry.bound.map(|bound| bound.target.get()),
            fewest: entry.health.map(|health| health.fewest),
        }
    }
}
