//! The shapes of what would be done: `--dry-run`.

use std::path::PathBuf;

use serde::Serialize;

/// `peer add --dry-run`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AddPlan {
    /// What would be shared, in place.
    pub path: PathBuf,
    /// The name that would be bound.
    pub name: String,
    /// The content; null of a directory.
    pub content: Option<String>,
    /// Its bytes.
    pub length: u64,
    /// Of a directory: how many files.
    pub files: Option<usize>,
    /// Bytes of a fragment.
    pub fragment_length: u32,
    /// How many fragments; 0 of a directory.
    pub fragments: u32,
    /// Replicas that would be wanted.
    pub target: u32,
    /// What the name is bound to now; null when it is not, or nobody could tell.
    pub bound_to: Option<String>,
    /// Replicas of its content that there are already; null when no node could tell, like what follows.
    pub replicas: Option<u32>,
    /// Other live peers that take replicas.
    pub peers: Option<u32>,
    /// Bytes that would be moved from here to them.
    pub bytes: Option<u64>,
    /// How long that would take at least; null when there is no limit to tell by.
    pub expected_ms: Option<u64>,
}

/// `peer get --dry-run`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GetPlan {
    /// The name asked for, or one that the content has.
    pub name: String,
    /// The content; of a path inside a directory, the directory's.
    pub content: String,
    /// Its bytes; of a directory those of the files that are wanted.
    pub length: u64,
    /// Whether it is a directory: then what would be moved is an upper bound.
    pub directory: bool,
    /// Of a part of a directory (a path inside, or what globs choose): how many files; its catalog was fetched to tell.
    pub files: Option<u64>,
    /// Where it would go.
    pub output: PathBuf,
    /// Bytes of it that are held here.
    pub here: u64,
    /// Bytes that would be moved.
    pub bytes: u64,
    /// From where: holders of what is missing; of a directory, of its catalog.
    pub sources: Vec<PlannedSource>,
    /// Whether every fragment is on some live peer.
    pub available: bool,
    /// How long it would take at least; null when there is no limit to tell by.
    pub expected_ms: Option<u64>,
}

/// A peer that holds something that is missing here.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlannedSource {
    /// Who it is.
    pub id: String,
    /// Where it is dialled.
    pub addr: String,
    /// Its failure domain.
    pub zone: Option<String>,
    /// `live` or `suspect`.
    pub state: String,
    /// How many of the missing fragments it holds.
    pub fragments: u32,
    /// Their bytes.
    pub bytes: u64,
}
