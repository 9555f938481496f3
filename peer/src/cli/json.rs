//! The shapes that `--json` prints: promised to scripts, so fields are only ever added.
//!
//! A command prints one document. Long operations (`add`, `get`, `verify`) print one object per line, told apart by
//! `event`; the last one is the result and its event is `done`. Whatever fails prints, as the last line of stdout,
//! `{"error":{"code","message"}}` with a code of [`super::exit::Exit::code`], and exits with the code's number.
//! What is turned into them, and how, is in `json/from.rs`; `docs/schemas` is what `json/schemas.rs` makes of them.
//!
//! Ids are hexadecimal, lengths are bytes, times are milliseconds, `null` is "there is none".

mod from;
mod history;
mod plan;
mod upkeep;
mod values;

use std::path::PathBuf;

use serde::Serialize;

pub use history::{History, Pinned};
pub use plan::{AddPlan, GetPlan, PlannedSource};
pub use upkeep::{DrainLine, Drained, Durable, Explained, ModeReport, Surveyed, Targeted};
pub use values::{SendLine, Value};

/// The last line when a command fails: `{"error":{"code":"not_found","message":"…"}}`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorLine {
    error: ErrorBody,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ErrorBody {
    code: &'static str,
    message: String,
}

impl ErrorLine {
    /// A code and what people read.
    #[must_use]
    pub const fn new(code: &'static str, message: String) -> Self {
        Self {
            error: ErrorBody { code, message },
        }
    }
}

/// `peer serve`, once it is ready; there is no other line.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ServeLine {
    /// It answers.
    Ready {
        /// Where the node listens, `HOST:PORT`.
        address: String,
    },
}

/// A line of `peer add`.
///
/// `hashing` several times (with `-`, `received`), `shared`, `published` unless it waits for a connection, with `--wait` `replicas`
/// several times, `done`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AddLine {
    /// Bytes hashed so far and in all.
    Hashing {
        /// So far.
        done: u64,
        /// In all.
        total: u64,
    },
    /// Bytes of standard input that the node has taken so far.
    Received {
        /// So many.
        done: u64,
    },
    /// The node shares the content.
    Shared {
        /// Its id.
        content: String,
        /// Its bytes.
        length: u64,
        /// Bytes of a fragment.
        fragment_length: u32,
        /// How many fragments.
        fragments: u32,
        /// Whether the publication waits for a connection.
        pending: bool,
    },
    /// The name is bound.
    Published {
        /// The name.
        name: String,
        /// How often it has been bound or removed.
        revision: u64,
        /// The content.
        content: String,
        /// Replicas wanted.
        target: u32,
    },
    /// How the replicas stand.
    Replicas(Replicas),
    /// The result.
    Done {
        /// The name asked for.
        name: String,
        /// The content.
        content: String,
        /// Its bytes.
        length: u64,
        /// Bytes of a fragment.
        fragment_length: u32,
        /// How many fragments.
        fragments: u32,
        /// The revision bound; null while the publication waits for a connection.
        revision: Option<u64>,
        /// `pending`, `published` or `replicated`.
        state: &'static str,
    },
}

/// How a content's replicas stand.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Replicas {
    /// `unavailable`, `degraded` or `replicated`.
    state: &'static str,
    /// Replicas wanted of every fragment.
    target: u32,
    /// Replicas of the fragment that has the fewest.
    fewest: u32,
    /// Fragments that have their target.
    fragments_at_target: u32,
    /// Fragments in all.
    fragments: u32,
}

/// A line of `peer get`: `started`, `progress` several times, `done`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum GetLine {
    /// What is fetched.
    Started {
        /// The name asked for, or one that the content has.
        name: String,
        /// The content.
        content: String,
        /// Its bytes.
        length: u64,
        /// How many fragments.
        fragments: u32,
        /// Bytes that an earlier attempt left.
        already_held: u64,
    },
    /// How far it is.
    Progress {
        /// Verified bytes on disk.
        held: u64,
        /// Bytes in all.
        length: u64,
        /// Peers that are fetched from.
        sources: u32,
        /// Bytes received in this attempt, held yet or not.
        received: u64,
        /// Those of them that were in vain.
        wasted: u64,
        /// Why nothing moves, or little does; null when all is well.
        waiting_for: Option<String>,
    },
    /// The result.
    Done {
        /// The content.
        content: String,
        /// Its bytes.
        length: u64,
        /// Where it is.
        output: PathBuf,
        /// Bytes received in this attempt.
        received: u64,
        /// Those of them that were in vain.
        wasted: u64,
        /// How long this attempt took.
        elapsed_ms: u64,
        /// Peers that served something.
        sources_used: u32,
    },
}

/// A line of `peer verify`: `progress` several times, `done`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum VerifyLine {
    /// How far it is.
    Progress(VerifiedSoFar),
    /// The result.
    Done(VerifiedSoFar),
}

/// How a verification stands.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VerifiedSoFar {
    /// Bytes verified.
    done: u64,
    /// Bytes in all.
    total: u64,
    /// Fragments found damaged, and withdrawn.
    damaged: u32,
}

/// `peer remove`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Removed {
    /// The name.
    pub name: String,
    /// The revision that records the removal.
    pub revision: u64,
}

/// `peer rename`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Renamed {
    /// The old name.
    pub from: String,
    /// The new name.
    pub name: String,
    /// Its revision.
    pub revision: u64,
    /// What it is bound to.
    pub content: String,
}

/// `peer forget`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Forgotten {
    /// The content.
    pub content: String,
    /// Bytes of store space that became free.
    pub freed: u64,
}

/// `peer list`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Names {
    /// In ascending order.
    names: Vec<ListedName>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ListedName {
    name: String,
    revision: u64,
    content: String,
    length: u64,
    published_at_ms: u64,
    /// Ascending; the current one may be among them.
    pinned_revisions: Vec<u64>,
    #[serde(flatten)]
    replicas: Replicas,
}

/// `peer list --local`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Contents {
    contents: Vec<HeldContent>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct HeldContent {
    content: String,
    name: Option<String>,
    length: u64,
    fragments: u32,
    fragments_held: u32,
    role: String,
    path: Option<PathBuf>,
    pending: bool,
}

/// `peer locate`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Located {
    name: String,
    revision: u64,
    content: String,
    length: u64,
    fragment_length: u32,
    target: u32,
    state: &'static str,
    fragments: Vec<LocatedFragment>,
    peers: Vec<LocatedPeer>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LocatedFragment {
    index: u32,
    holders: Vec<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LocatedPeer {
    id: String,
    addr: String,
    zone: Option<String>,
    state: String,
}

/// `peer network`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Network {
    /// The tracker's epoch.
    epoch: u64,
    /// Whether the tracker waits for peers to report after a restart.
    safe_mode: bool,
    /// In order of ids.
    peers: Vec<NetworkPeer>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct NetworkPeer {
    #[serde(flatten)]
    peer: LocatedPeer,
    capacity: u64,
    free: u64,
    contents: u32,
    incarnation: u64,
    /// `active`, `maintenance` or `draining`.
    duty: &'static str,
}

/// `peer status`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NodeStatus {
    id: String,
    incarnation: u64,
    addr: String,
    zone: Option<String>,
    data_dir: PathBuf,
    version: String,
    capacity: u64,
    used: u64,
    contents: u32,
    /// `offline`, `connecting` or `connected`.
    session: &'static str,
    tracker: Option<String>,
    /// Why there is no session; null when there is one or none is wanted.
    reason: Option<String>,
    epoch: u64,
    pending_publications: u32,
    uptime_ms: u64,
    bytes_sent: u64,
    bytes_received: u64,
    /// Those received in vain.
    bytes_wasted: u64,
    active_fetches: u32,
    active_uploads: u32,
    #[serde(flatten)]
    limits: Limits,
    /// Sources that lied, stalled or were much slower than others, the latest first.
    culprits: Vec<AccusedPeer>,
    /// Reading everything again in the background.
    scrub: Scrubbing,
}

/// How scrubbing goes.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scrubbing {
    /// Bytes of this round, or the last one, that were read.
    done: u64,
    /// Bytes of that round in all.
    total: u64,
    /// Damaged fragments found since the node started.
    damaged: u64,
    /// Rounds completed since the node started.
    rounds: u64,
}

/// A source that did harm.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccusedPeer {
    id: String,
    addr: String,
    /// `lied`, `stalled` or `slow`.
    offence: &'static str,
    times: u32,
    /// How long ago the last time was.
    ago_ms: u64,
    /// How fast it sent then; null when it sent nothing, or not for long enough to tell.
    bytes_per_second: Option<u64>,
}

/// `peer limit`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Limits {
    /// Bytes per second; null when not limited.
    upload_limit: Option<u64>,
    /// Bytes per second; null when not limited.
    download_limit: Option<u64>,
}

#[cfg(test)]
mod schemas;
#[cfg(test)]
mod tests;
