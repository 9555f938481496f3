//! Documents about names: `list`, `locate`, `history`, `pin`, `remove`, `rename`, `replicas`.

use serde::Serialize;

use super::{Detail, LocatedPeer};
use crate::model::{Binding, Health, Listing, Location, Name, RevisionEntry};

/// State of a content's replicas.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Replicas {
    /// `unavailable`, `degraded` or `replicated`.
    state: String,
    /// Replicas wanted of every fragment.
    target: u32,
    /// Replicas of the fragment that has the fewest.
    fewest: u32,
    /// Fragments that have their target.
    fragments_at_target: u32,
    /// Number of fragments.
    fragments: u32,
}

/// `peer list`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Names {
    /// Names in ascending order.
    names: Vec<ListedName>,
}

/// A name and the content that it is bound to.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListedName {
    name: String,
    revision: u64,
    content: String,
    length: u64,
    published_at_ms: u64,
    /// Pinned revisions in ascending order; the current one may be among them.
    pinned_revisions: Vec<u64>,
    #[serde(flatten)]
    replicas: Replicas,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(skip))]
    copies_under_way: Option<u32>,
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
    state: String,
    #[serde(flatten)]
    #[cfg_attr(test, schemars(skip))]
    more: Option<LocatedMore>,
    fragments: Vec<LocatedFragment>,
    peers: Vec<LocatedPeer>,
}

/// Fields of [`Located`] that only the tracker tells.
#[derive(Debug, Serialize)]
pub struct LocatedMore {
    fewest: u32,
    copies_under_way: u32,
    published_at_ms: u64,
    /// Number of all holders; `peers` may list fewer.
    holder_count: u32,
}

/// The holders of one fragment.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LocatedFragment {
    index: u32,
    holders: Vec<String>,
}

/// `peer history`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct History {
    name: String,
    /// Revisions, the newest first.
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
pub struct Revision {
    revision: u64,
    published_at_ms: u64,
    /// `current`, `pinned`, `kept`, `collected` or `removed`.
    state: String,
    /// Whether the revision is pinned; the current one may be.
    pinned: bool,
    /// Null when this revision removed the name.
    content: Option<String>,
    length: Option<u64>,
    target: Option<u32>,
    /// Replicas of the fragment that has the fewest; null when the content has been collected.
    fewest: Option<u32>,
}

/// `peer remove`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Removed {
    /// The removed name.
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
    /// The new name's revision.
    pub revision: u64,
    /// The content that the new name is bound to.
    pub content: String,
}

/// `peer replicas`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Targeted {
    name: String,
    revision: u64,
    content: String,
    target: u32,
}

impl From<&Health> for Replicas {
    fn from(health: &Health) -> Self {
        Self {
            state: health.state.to_string(),
            target: health.target.get(),
            fewest: health.fewest,
            fragments_at_target: health.fragments_at_target,
            fragments: health.fragments,
        }
    }
}

impl Names {
    /// The names of a listing.
    #[must_use]
    pub fn new(names: &[Listing], detail: Detail) -> Self {
        let listed = |Listing {
                          binding,
                          health,
                          pinned,
                      }: &Listing| ListedName {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content: binding.content.to_string(),
            length: binding.length,
            published_at_ms: binding.published_at.as_millis(),
            pinned_revisions: pinned.iter().map(|revision| revision.get()).collect(),
            replicas: health.into(),
            copies_under_way: detail.only_tracker(health.copies_under_way),
        };
        Self {
            names: names.iter().map(listed).collect(),
        }
    }
}

impl Located {
    /// A content's place, with its holders' bitmaps turned into a list of holders for every fragment.
    #[must_use]
    pub fn new(location: &Location, detail: Detail) -> Self {
        let (binding, health, manifest) = (&location.binding, &location.health, &location.manifest);
        let mut fragments: Vec<_> = manifest
            .indices()
            .map(|index| LocatedFragment {
                index: index.get(),
                holders: Vec::new(),
            })
            .collect();
        for holder in &location.holders {
            for index in holder.fragments.iter() {
                if let Some(fragment) = fragments.get_mut(index.get() as usize) {
                    fragment.holders.push(holder.peer.id.to_string());
                }
            }
        }
        let peers = location.holders.iter().map(|holder| LocatedPeer {
            keeps: detail.only_tracker(holder.keeps),
            ..LocatedPeer::from(&holder.peer)
        });
        Self {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content: binding.content.to_string(),
            length: binding.length,
            fragment_length: manifest.fragment_length().get(),
            target: health.target.get(),
            state: health.state.to_string(),
            more: detail.only_tracker(LocatedMore {
                fewest: health.fewest,
                copies_under_way: health.copies_under_way,
                published_at_ms: binding.published_at.as_millis(),
                holder_count: location.holder_count,
            }),
            fragments,
            peers: peers.collect(),
        }
    }
}

impl History {
    /// The remembered revisions of a name.
    #[must_use]
    pub fn new(name: &Name, revisions: &[RevisionEntry]) -> Self {
        Self {
            name: name.to_string(),
            revisions: revisions.iter().map(Revision::from).collect(),
        }
    }
}

impl Pinned {
    /// The state of one revision of a name.
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

impl From<&Binding> for Targeted {
    fn from(binding: &Binding) -> Self {
        Self {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content: binding.content.to_string(),
            target: binding.target.get(),
        }
    }
}
