//! The shapes that `--json` prints: promised to scripts, so fields are only ever added.
//!
//! A command prints one document. Long operations (`add`, `get`, `verify`) print one object per line, told apart by
//! `event`; the last one is the result and its event is `done`. Whatever fails prints, as the last line of stdout,
//! `{"error":{"code","message"}}` with a code of [`super::exit::Exit::code`], and exits with the code's number.
//! Ids are hexadecimal, lengths are bytes, times are milliseconds, `null` is "there is none".

use std::collections::BTreeMap;
use std::path::PathBuf;

use proto::control::{AddEvent, GetEvent, LocalContent, SessionStatus, Status, Verified};
use serde::Serialize;
use shared::model::{Binding, ContentState, Health, Location, PeerInfo};

/// The last line when a command fails: `{"error":{"code":"not_found","message":"…"}}`.
#[derive(Debug, Serialize)]
pub struct ErrorLine {
    error: ErrorBody,
}

#[derive(Debug, Serialize)]
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
#[serde(tag = "event", rename = "ready")]
pub struct Ready {
    /// Where the node listens, `HOST:PORT`.
    pub address: String,
}

/// A line of `peer add`.
///
/// `hashing` several times, `shared`, `published` unless it waits for a connection, with `--wait` `replicas`
/// several times, `done`.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AddLine {
    /// Bytes hashed so far and in all.
    Hashing {
        /// So far.
        done: u64,
        /// In all.
        total: u64,
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
        /// Why nothing moves; null when something does.
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
        /// How long this attempt took.
        elapsed_ms: u64,
        /// Peers that served something.
        sources_used: u32,
    },
}

/// A line of `peer verify`: `progress` several times, `done`.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum VerifyLine {
    /// How far it is.
    Progress(VerifiedSoFar),
    /// The result.
    Done(VerifiedSoFar),
}

/// How a verification stands.
#[derive(Debug, Serialize)]
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
pub struct Removed {
    /// The name.
    pub name: String,
    /// The revision that records the removal.
    pub revision: u64,
}

/// `peer forget`.
#[derive(Debug, Serialize)]
pub struct Forgotten {
    /// The content.
    pub content: String,
    /// Bytes of store space that became free.
    pub freed: u64,
}

/// `peer list`.
#[derive(Debug, Serialize)]
pub struct Names {
    /// In ascending order.
    names: Vec<ListedName>,
}

#[derive(Debug, Serialize)]
struct ListedName {
    name: String,
    revision: u64,
    content: String,
    length: u64,
    published_at_ms: u64,
    #[serde(flatten)]
    replicas: Replicas,
}

/// `peer list --local`.
#[derive(Debug, Serialize)]
pub struct Contents {
    contents: Vec<HeldContent>,
}

#[derive(Debug, Serialize)]
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
struct LocatedFragment {
    index: u32,
    holders: Vec<String>,
}

#[derive(Debug, Serialize)]
struct LocatedPeer {
    id: String,
    addr: String,
    zone: Option<String>,
    state: String,
}

/// `peer network`.
#[derive(Debug, Serialize)]
pub struct Network {
    /// The tracker's epoch.
    epoch: u64,
    /// Whether the tracker waits for peers to report after a restart.
    safe_mode: bool,
    /// In order of ids.
    peers: Vec<NetworkPeer>,
}

#[derive(Debug, Serialize)]
struct NetworkPeer {
    #[serde(flatten)]
    peer: LocatedPeer,
    capacity: u64,
    free: u64,
    contents: u32,
    incarnation: u64,
}

/// `peer status`.
#[derive(Debug, Serialize)]
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
    active_fetches: u32,
    active_uploads: u32,
}

impl From<&AddEvent> for AddLine {
    fn from(event: &AddEvent) -> Self {
        match event {
            AddEvent::Hashing { done, total } => Self::Hashing {
                done: *done,
                total: *total,
            },
            AddEvent::Shared {
                content,
                length,
                fragment_length,
                fragments,
                is_pending,
            } => Self::Shared {
                content: content.to_string(),
                length: *length,
                fragment_length: fragment_length.get(),
                fragments: *fragments,
                pending: *is_pending,
            },
            AddEvent::Published(binding) => Self::Published {
                name: binding.name.to_string(),
                revision: binding.revision.get(),
                content: binding.content.to_string(),
                target: binding.target.get(),
            },
            AddEvent::Replicas(health) => Self::Replicas(health.into()),
        }
    }
}

impl From<&Health> for Replicas {
    fn from(health: &Health) -> Self {
        Self {
            state: state(health.state),
            target: health.target.get(),
            fewest: health.fewest,
            fragments_at_target: health.fragments_at_target,
            fragments: health.fragments,
        }
    }
}

impl GetLine {
    /// The event of a fetch into this file.
    #[must_use]
    pub fn new(event: &GetEvent, output: &std::path::Path) -> Self {
        match event {
            GetEvent::Started {
                name,
                content,
                length,
                fragments,
                already_held,
            } => Self::Started {
                name: name.to_string(),
                content: content.to_string(),
                length: *length,
                fragments: *fragments,
                already_held: *already_held,
            },
            GetEvent::Progress {
                held,
                length,
                sources,
                waiting_for,
            } => Self::Progress {
                held: *held,
                length: *length,
                sources: *sources,
                waiting_for: (!waiting_for.is_empty()).then(|| waiting_for.clone()),
            },
            GetEvent::Done {
                content,
                length,
                received,
                elapsed,
                sources_used,
            } => Self::Done {
                content: content.to_string(),
                length: *length,
                output: output.to_owned(),
                received: *received,
                elapsed_ms: millis(*elapsed),
                sources_used: *sources_used,
            },
        }
    }
}

impl From<Verified> for VerifiedSoFar {
    fn from(verified: Verified) -> Self {
        Self {
            done: verified.done,
            total: verified.total,
            damaged: verified.damaged,
        }
    }
}

impl From<&[(Binding, Health)]> for Names {
    fn from(names: &[(Binding, Health)]) -> Self {
        let listed = |(binding, health): &(Binding, Health)| ListedName {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content: binding.content.to_string(),
            length: binding.length,
            published_at_ms: binding.published_at.as_millis(),
            replicas: health.into(),
        };
        Self {
            names: names.iter().map(listed).collect(),
        }
    }
}

impl From<&[LocalContent]> for Contents {
    fn from(contents: &[LocalContent]) -> Self {
        let held = |content: &LocalContent| HeldContent {
            content: content.content.to_string(),
            name: content.name.as_ref().map(ToString::to_string),
            length: content.length,
            fragments: content.fragments,
            fragments_held: content.fragments_held,
            role: content.role.to_string(),
            path: content.path.clone(),
            pending: content.is_pending,
        };
        Self {
            contents: contents.iter().map(held).collect(),
        }
    }
}

impl From<&Location> for Located {
    /// Turns the holders' bitmaps into a list of holders for every fragment.
    fn from(location: &Location) -> Self {
        let (binding, manifest) = (&location.binding, &location.manifest);
        let mut holders: BTreeMap<u32, Vec<String>> = manifest
            .indices()
            .map(|index| (index.get(), Vec::new()))
            .collect();
        for holder in &location.holders {
            let id = holder.peer.id.to_string();
            for index in holder.fragments.iter() {
                holders.entry(index.get()).or_default().push(id.clone());
            }
        }
        Self {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content: binding.content.to_string(),
            length: binding.length,
            fragment_length: manifest.fragment_length().get(),
            target: location.health.target.get(),
            state: state(location.health.state),
            fragments: holders
                .into_iter()
                .map(|(index, holders)| LocatedFragment { index, holders })
                .collect(),
            peers: location
                .holders
                .iter()
                .map(|holder| (&holder.peer).into())
                .collect(),
        }
    }
}

impl From<&PeerInfo> for LocatedPeer {
    fn from(peer: &PeerInfo) -> Self {
        Self {
            id: peer.id.to_string(),
            addr: peer.address.to_string(),
            zone: peer.zone.as_ref().map(ToString::to_string),
            state: peer.state.to_string(),
        }
    }
}

impl Network {
    /// All pages of peers, and what the tracker says of itself.
    #[must_use]
    pub fn new(peers: &[PeerInfo], epoch: u64, safe_mode: bool) -> Self {
        let peer = |peer: &PeerInfo| NetworkPeer {
            peer: peer.into(),
            capacity: peer.capacity,
            free: peer.free,
            contents: peer.contents,
            incarnation: peer.incarnation.get(),
        };
        Self {
            epoch,
            safe_mode,
            peers: peers.iter().map(peer).collect(),
        }
    }
}

impl From<&Status> for NodeStatus {
    fn from(status: &Status) -> Self {
        let (session, tracker, reason) = match &status.session {
            SessionStatus::Offline => ("offline", None, None),
            SessionStatus::Connecting { tracker, reason } => ("connecting", tracker.as_ref(), Some(reason)),
            SessionStatus::Connected { tracker } => ("connected", Some(tracker), None),
        };
        Self {
            id: status.peer.to_string(),
            incarnation: status.incarnation.get(),
            addr: status.address.to_string(),
            zone: status.zone.as_ref().map(ToString::to_string),
            data_dir: status.data_dir.clone(),
            version: status.version.clone(),
            capacity: status.capacity,
            used: status.used,
            contents: status.contents,
            session,
            tracker: tracker.map(ToString::to_string),
            reason: reason.cloned(),
            epoch: status.epoch.get(),
            pending_publications: status.pending_publications,
            uptime_ms: millis(status.uptime),
            bytes_sent: status.bytes_sent,
            bytes_received: status.bytes_received,
            active_fetches: status.active_fetches,
            active_uploads: status.active_uploads,
        }
    }
}

const fn state(state: ContentState) -> &'static str {
    match state {
        ContentState::Unavailable => "unavailable",
        ContentState::Degraded => "degraded",
        ContentState::Replicated => "replicated",
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
