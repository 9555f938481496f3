//! The shapes of the JSON answers. They are promised to users: fields are added, never changed or taken away.

use serde::Serialize;
use shared::model::{Listing, Location, Name, PeerInfo, RevisionEntry};

use crate::state::{self, PeersPage};

#[derive(Debug, Serialize)]
pub(super) struct Ready {
    pub(super) ready: bool,
    pub(super) in_safe_mode: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Names {
    names: Vec<ListedName>,
    /// Empty on the last page.
    next_page_token: String,
}

#[derive(Debug, Serialize)]
struct ListedName {
    name: String,
    revision: u64,
    content: String,
    length: u64,
    target: u32,
    state: String,
    fewest: u32,
    fragments: u32,
    fragments_at_target: u32,
    copies_under_way: u32,
    published_at_ms: u64,
    /// Ascending; the current one may be among them.
    pinned_revisions: Vec<u64>,
}

impl Names {
    pub(super) fn new(names: Vec<Listing>, has_more: bool) -> Self {
        let last = names
            .last()
            .filter(|_| has_more)
            .map(|last| last.binding.name.to_string());
        let listed = |Listing {
                          binding,
                          health,
                          pinned,
                      }: Listing| ListedName {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content: binding.content.to_string(),
            length: binding.length,
            target: health.target.get(),
            state: health.state.to_string(),
            fewest: health.fewest,
            fragments: health.fragments,
            fragments_at_target: health.fragments_at_target,
            copies_under_way: health.copies_under_way,
            published_at_ms: binding.published_at.as_millis(),
            pinned_revisions: pinned.iter().map(|revision| revision.get()).collect(),
        };
        Self {
            names: names.into_iter().map(listed).collect(),
            next_page_token: last.unwrap_or_default(),
        }
    }
}

/// As `peer history --json` has it.
#[derive(Debug, Serialize)]
pub(super) struct History {
    name: String,
    /// The newest first.
    revisions: Vec<ListedRevision>,
}

#[derive(Debug, Serialize)]
struct ListedRevision {
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
    /// Null when the content is not there any more.
    fewest: Option<u32>,
}

impl History {
    pub(super) fn new(name: &Name, revisions: &[RevisionEntry]) -> Self {
        let listed = |entry: &RevisionEntry| ListedRevision {
            revision: entry.revision.get(),
            published_at_ms: entry.at.as_millis(),
            state: entry.state.to_string(),
            pinned: entry.pins.is_pinned(),
            content: entry.bound.map(|bound| bound.content.to_string()),
            length: entry.bound.map(|bound| bound.length),
            target: entry.bound.map(|bound| bound.target.get()),
            fewest: entry.health.map(|health| health.fewest),
        };
        Self {
            name: name.to_string(),
            revisions: revisions.iter().map(listed).collect(),
        }
    }
}

/// As `peer locate --json` has it, and a little more.
#[derive(Debug, Serialize)]
pub(super) struct Located {
    name: String,
    revision: u64,
    content: String,
    length: u64,
    fragment_length: u32,
    target: u32,
    state: String,
    fewest: u32,
    copies_under_way: u32,
    published_at_ms: u64,
    /// How many holders there are in all, if not all of them are listed.
    holder_count: u32,
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
    /// Whether it keeps what it holds as replicas.
    keeps: bool,
}

impl Located {
    pub(super) fn new(location: &Location) -> Self {
        let ids: Vec<_> = location
            .holders
            .iter()
            .map(|holder| holder.peer.id.to_string())
            .collect();
        let holders_of = |index| {
            let holders = location.holders.iter().zip(&ids);
            holders
                .filter(move |(holder, _)| holder.fragments.contains(index))
                .map(|(_, id)| id.clone())
                .collect()
        };
        let fragments = location
            .manifest
            .indices()
            .map(|index| LocatedFragment {
                index: index.get(),
                holders: holders_of(index),
            })
            .collect();
        let peers = location.holders.iter().map(|holder| LocatedPeer {
            id: holder.peer.id.to_string(),
            addr: holder.peer.address.to_string(),
            zone: holder.peer.zone.as_ref().map(ToString::to_string),
            state: holder.peer.state.to_string(),
            keeps: holder.keeps,
        });
        Self {
            name: location.binding.name.to_string(),
            revision: location.binding.revision.get(),
            content: location.binding.content.to_string(),
            length: location.manifest.length(),
            fragment_length: location.manifest.fragment_length().get(),
            target: location.health.target.get(),
            state: location.health.state.to_string(),
            fewest: location.health.fewest,
            copies_under_way: location.health.copies_under_way,
            published_at_ms: location.binding.published_at.as_millis(),
            holder_count: location.holder_count,
            fragments,
            peers: peers.collect(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Peers {
    peers: Vec<ListedPeer>,
    /// Empty on the last page.
    next_page_token: String,
    epoch: u64,
    in_safe_mode: bool,
}

#[derive(Debug, Serialize)]
struct ListedPeer {
    id: String,
    address: String,
    zone: Option<String>,
    state: String,
    capacity: u64,
    free: u64,
    incarnation: u64,
    contents: u32,
    duty: &'static str,
}

impl Peers {
    pub(super) fn new(page: PeersPage) -> Self {
        let last = page
            .peers
            .last()
            .filter(|_| page.has_more)
            .map(|peer| peer.id.to_string());
        let listed = |peer: PeerInfo| ListedPeer {
            id: peer.id.to_string(),
            address: peer.address.to_string(),
            zone: peer.zone.map(|zone| zone.to_string()),
            state: peer.state.to_string(),
            capacity: peer.capacity,
            free: peer.free,
            incarnation: peer.incarnation.get(),
            contents: peer.contents,
            duty: peer.mode.word(),
        };
        Self {
            peers: page.peers.into_iter().map(listed).collect(),
            next_page_token: last.unwrap_or_default(),
            epoch: page.epoch.get(),
            in_safe_mode: page.is_in_safe_mode,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Status {
    epoch: u64,
    in_safe_mode: bool,
    names: usize,
    contents: usize,
    live_peers: usize,
    suspect_peers: usize,
    lost_peers: usize,
    assignments: usize,
    /// Contents that are short of replicas, over their target, or about to go.
    contents_to_look_at: usize,
    /// What is known to be missing from the journal; null when nothing is.
    gap: Option<Gap>,
}

#[derive(Debug, Serialize)]
struct Gap {
    /// Whether the operator has said so.
    is_declared: bool,
    /// A peer that has seen what is missing.
    seen_by: Option<String>,
    /// The epoch in which it saw that.
    epoch: Option<u64>,
    /// How many facts there were then.
    facts: Option<u64>,
}

impl From<state::Gap> for Gap {
    fn from(gap: state::Gap) -> Self {
        Self {
            is_declared: gap.is_declared,
            seen_by: gap.seen.map(|(peer, _)| peer.to_string()),
            epoch: gap.seen.map(|(_, mark)| mark.epoch.get()),
            facts: gap.seen.map(|(_, mark)| mark.facts),
        }
    }
}

impl Status {
    pub(super) fn new(status: state::Status) -> Self {
        Self {
            epoch: status.epoch.get(),
            in_safe_mode: status.is_in_safe_mode,
            names: status.names,
            contents: status.contents,
            live_peers: status.live_peers,
            suspect_peers: status.suspect_peers,
            lost_peers: status.lost_peers,
            assignments: status.assignments,
            contents_to_look_at: status.contents_to_look_at,
            gap: status.gap.map(Gap::from),
        }
    }
}
