//! Documents about names: `list`, `locate`, `history`, `pin`, `remove`, `rename`, `replicas`.

use serde::Serialize;

use super::LocatedPeer;
use crate::model::{
    Attributes, Binding, FileMetadata, Health, Listing, Location, Name, NamedRevision, PeerInfo,
    RevisionEntry, Timestamp,
};

/// Fragments times holders in one document: about 10 MB of JSON.
const MAX_HOLDINGS: usize = 1 << 18;

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

/// Metadata of the file that was published; absent when it was none, or its name is older than metadata.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Described {
    /// Octal permissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    /// Time of the last modification, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<i64>,
}

impl From<Option<Attributes>> for Described {
    fn from(attributes: Option<Attributes>) -> Self {
        Self {
            mode: attributes.map(|attributes| format!("{:03o}", attributes.mode.get())),
            modified: attributes.map(|attributes| attributes.modified.seconds()),
        }
    }
}

impl From<&Binding> for Described {
    fn from(binding: &Binding) -> Self {
        binding.metadata.as_ref().map(FileMetadata::attributes).into()
    }
}

/// `peer list`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Names {
    /// Names in ascending order.
    names: Vec<ListedName>,
    /// Pinned revisions of names that were removed, such as `a@3`, which keep their contents; absent when
    /// there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed_pinned: Vec<String>,
}

/// A name and the content that it is bound to.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListedName {
    name: String,
    revision: u64,
    content: String,
    /// Bytes of the file, or of all files of the directory.
    length: u64,
    /// Whether it is a directory.
    directory: bool,
    published_at_ms: u64,
    /// Pinned revisions in ascending order; the current one may be among them.
    pinned_revisions: Vec<u64>,
    #[serde(flatten)]
    described: Described,
    #[serde(flatten)]
    replicas: Replicas,
    /// Fragment copies that peers have been asked for.
    copies_under_way: u32,
}

/// `peer locate`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Located {
    name: String,
    revision: u64,
    content: String,
    /// Bytes of the file, or of all files of the directory, or of those at the path that was asked for.
    length: u64,
    /// Whether it is a directory: then state, counts and peers are of its catalog and all parts that are
    /// meant.
    directory: bool,
    /// Number of contents that are counted: 1 for a file; null when the tracker counts only the catalog of a
    /// directory.
    contents: Option<u32>,
    fragment_length: u32,
    target: u32,
    state: String,
    /// Replicas of the fragment that has the fewest.
    fewest: u32,
    /// Fragments that have their target.
    fragments_at_target: u32,
    /// Number of all fragments.
    fragment_count: u32,
    copies_under_way: u32,
    published_at_ms: u64,
    #[serde(flatten)]
    described: Described,
    /// Number of all peers that hold something; `peers` may list fewer.
    holder_count: u32,
    /// Number of those that keep something as replicas; null when the tracker does not tell.
    keeper_count: Option<u32>,
    /// Fragments of the file; of a directory, those of its catalog.
    fragments: Vec<LocatedFragment>,
    peers: Vec<LocatedHolder>,
}

/// The holders of one fragment.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LocatedFragment {
    index: u32,
    /// Every listed peer that has it, cached copies included.
    holders: Vec<String>,
    /// The peers among them that keep it as a replica.
    keepers: Vec<String>,
}

/// A peer that holds something.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LocatedHolder {
    #[serde(flatten)]
    peer: LocatedPeer,
    /// Whether it keeps something as a replica; otherwise it fetched it for itself.
    keeps: bool,
    fragments_held: u64,
    fragments_kept: u64,
    /// Time at which another peer last had verified bytes of its copy; null when none had, for the contents
    /// of a directory, and when the tracker does not tell.
    proved_at_ms: Option<u64>,
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
    /// Bytes of the file, or of all files of the directory.
    length: Option<u64>,
    target: Option<u32>,
    #[serde(flatten)]
    described: Described,
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
    /// Paths inside directories that names hide since.
    pub hides: Vec<Hidden>,
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
    pub fn new(names: &[Listing]) -> Self {
        let listed = |Listing {
                          binding,
                          health,
                          pinned,
                      }: &Listing| ListedName {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content: binding.content.to_string(),
            length: binding.size(),
            directory: binding.collection.is_some(),
            published_at_ms: binding.published_at.as_millis(),
            pinned_revisions: pinned.iter().map(|revision| revision.get()).collect(),
            described: binding.into(),
            replicas: health.into(),
            copies_under_way: health.copies_under_way,
        };
        Self {
            names: names.iter().map(listed).collect(),
            removed_pinned: Vec::new(),
        }
    }

    /// Adds the pinned revisions of names that were removed.
    #[must_use]
    pub fn with_removed(mut self, removed: &[NamedRevision]) -> Self {
        self.removed_pinned = removed.iter().map(ToString::to_string).collect();
        self
    }
}

impl Located {
    /// A content's place, with its holders' bitmaps turned into a list of holders for every fragment.
    #[must_use]
    pub fn new(location: &Location) -> Self {
        let (binding, health, manifest) = (&location.binding, &location.health, &location.manifest);
        let none = |index: crate::model::FragmentIndex| LocatedFragment {
            index: index.get(),
            holders: Vec::new(),
            keepers: Vec::new(),
        };
        let mut fragments: Vec<_> = manifest.indices().map(none).collect();
        let most = (MAX_HOLDINGS / fragments.len().max(1)).max(1);
        let holders = &location.holders[..location.holders.len().min(most)];
        for holder in holders {
            for index in holder.fragments.iter() {
                if let Some(fragment) = fragments.get_mut(index.get() as usize) {
                    let id = holder.peer.id.to_string();
                    fragment.keepers.extend(holder.keeps.then(|| id.clone()));
                    fragment.holders.push(id);
                }
            }
        }
        let whole = location.whole.as_ref();
        let peers = match whole.filter(|_| binding.collection.is_some()) {
            Some(whole) => {
                let shares = whole.shares.iter();
                shares
                    .map(|share| LocatedHolder::new(&share.peer, share.held, share.kept))
                    .collect()
            }
            None => holders
                .iter()
                .map(|holder| {
                    let held = u64::from(holder.fragments.len());
                    LocatedHolder {
                        keeps: holder.keeps,
                        proved_at_ms: holder.proved_at.map(Timestamp::as_millis),
                        ..LocatedHolder::new(&holder.peer, held, if holder.keeps { held } else { 0 })
                    }
                })
                .collect(),
        };
        Self {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content: binding.content.to_string(),
            length: binding.size(),
            directory: binding.collection.is_some(),
            contents: match binding.collection {
                Some(_) => whole.map(|whole| whole.extent.contents),
                None => Some(1),
            },
            fragment_length: manifest.fragment_length().get(),
            target: health.target.get(),
            state: health.state.to_string(),
            fewest: health.fewest,
            fragments_at_target: health.fragments_at_target,
            fragment_count: health.fragments,
            copies_under_way: health.copies_under_way,
            published_at_ms: binding.published_at.as_millis(),
            described: binding.into(),
            holder_count: whole.map_or(location.holder_count, |whole| whole.holder_count),
            keeper_count: whole.map(|whole| whole.keeper_count),
            fragments,
            peers,
        }
    }
}

impl LocatedHolder {
    fn new(peer: &PeerInfo, held: u64, kept: u64) -> Self {
        Self {
            peer: peer.into(),
            keeps: kept > 0,
            fragments_held: held,
            fragments_kept: kept,
            proved_at_ms: None,
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
            length: entry.bound.map(|bound| bound.size()),
            target: entry.bound.map(|bound| bound.target.get()),
            described: entry.bound.and_then(|bound| bound.attributes).into(),
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

/// A name, and a path inside a directory that reads the same: the name is meant where the text is given.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Hidden {
    /// The name.
    pub name: String,
    /// The path, written so that the name does not hide it.
    pub inside: String,
}
