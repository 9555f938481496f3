//! JSON documents: of the commands' `--json`, and of the HTTP APIs of the peer and the tracker.
//!
//! Scripts rely on these shapes, so fields are only ever added. A command prints one document. Long
//! operations (`add`, `get`, `verify`) print one object per line, told apart by `event`; the last one is the
//! result and its event is `done`. A command that fails prints [`ErrorLine`] as the last line of stdout. The
//! schemas in `docs/schemas` are made from these types by the test in `schemas.rs`.
//!
//! Ids are hexadecimal, lengths are bytes, times are milliseconds, and `null` means that there is none.

mod names;
mod peers;
mod security;
mod transfers;
mod upkeep;
mod watch;

use std::time::Duration;

use serde::Serialize;

use crate::ErrorCode;

pub use names::{
    Described, Hidden, History, ListedName, Located, LocatedFragment, LocatedHolder, Names, Pinned, Removed,
    Renamed, Replicas, Revision, Targeted,
};
pub use peers::{
    AccusedPeer, AdoptedNetwork, Gap, KeptApart, Limits, LocatedPeer, LostFiles, Network, NetworkDefaults,
    NetworkPeer, NewId, NodeSecurity, NodeStatus, Ready, RebuiltIndex, Scrubbing, TrackerStatus,
};
pub use security::{
    AuditChain, AuditLine, JoinLines, ListedMember, ListedToken, Members, NewToken, Revoked,
    RotatedAuthority, Secured, Tokens,
};
pub use transfers::{
    AddLine, AddPlan, Contents, EntryLine, FilesWritten, Forgotten, GetLine, GetPlan, HeldContent, HeldFile,
    HeldName, LeftOutEntry, PlannedSource, RefusedName, SendLine, ServeLine, Stored, Value, VerifiedSoFar,
    VerifyLine,
};
pub use upkeep::{DrainLine, Drained, Durable, Explained, ModeReport, Surveyed};
pub use watch::{Event, Peer as WatchedPeer, WatchLine};

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
    /// The failure of a program, with the word for its exit code.
    #[must_use]
    pub const fn of(code: ErrorCode, message: String) -> Self {
        Self::new(word(code), message)
    }

    /// An error with its code for scripts and its message for people.
    #[must_use]
    pub const fn new(code: &'static str, message: String) -> Self {
        Self {
            error: ErrorBody { code, message },
        }
    }
}

const fn word(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Internal => "internal",
        ErrorCode::InvalidArgument => "usage",
        ErrorCode::NotFound => "not_found",
        ErrorCode::Unauthenticated | ErrorCode::PermissionDenied => "not_allowed",
        ErrorCode::Conflict | ErrorCode::FailedPrecondition | ErrorCode::Stale => "conflict",
        ErrorCode::Unavailable | ErrorCode::Unimplemented => "unreachable",
        ErrorCode::Corrupt => "integrity",
        ErrorCode::Exhausted => "full",
        ErrorCode::DeadlineExceeded => "timed_out",
        ErrorCode::Cancelled => "interrupted",
    }
}

/// One page of a listing of an HTTP API.
#[derive(Debug, Serialize)]
pub struct Paged<T> {
    /// The listing.
    #[serde(flatten)]
    pub page: T,
    /// The token that asks for the next page; empty on the last page.
    pub next_page_token: String,
}

/// Returns whole milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod schemas;
#[cfg(test)]
mod tests;
