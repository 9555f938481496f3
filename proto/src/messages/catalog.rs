//! Requests and replies of the catalogue.

use shared::model::{
    Asked, Binding, Expectation, FileMetadata, Incarnation, Listing, Location, Manifest, Name, NamedRevision,
    Parts, PeerId, ReplicationTarget, Revision, Whole,
};

use super::types::{asked, metadata_of, peer_id, target, wire_parts, wire_ranges};
use super::{Invalid, bounded, parsed, required};
use crate::v1;

/// Bind a name to a content that the publisher holds.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The name to bind.
    pub name: Name,
    /// Manifest of the content.
    pub manifest: Manifest,
    /// Replicas wanted.
    pub target: ReplicationTarget,
    /// Expected state of the name.
    pub expectation: Expectation,
    /// Peer that holds every fragment.
    pub publisher: PeerId,
    /// Run of the publisher.
    pub incarnation: Incarnation,
    /// Parts of the collection, when the content is its catalog.
    pub parts: Option<Parts>,
    /// Metadata of the file, if it is one.
    pub metadata: Option<FileMetadata>,
    /// Whether these metadata take the place of others when the name is bound to the content already.
    pub replaces_metadata: bool,
    /// Whether a name that is bound keeps its target: the publisher has chosen none.
    pub keeps_target: bool,
}

/// Remove a name.
#[derive(Clone, Debug)]
pub struct Remove {
    /// The name.
    pub name: Name,
    /// The revision that the caller has seen; `None` means any.
    pub expected: Option<Revision>,
}

/// Request to move a binding to another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The name.
    pub from: Name,
    /// The other name.
    pub to: Name,
    /// The revision that the caller has seen; `None` means any.
    pub expected: Option<Revision>,
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// End of the last page; empty for the first.
    pub token: String,
    /// Largest number of entries: 1 to [`Page::MAX`].
    pub size: u32,
}

impl Page {
    /// No page is larger.
    pub const MAX: u32 = 1000;

    /// The first page.
    #[must_use]
    pub const fn first() -> Self {
        Self {
            token: String::new(),
            size: Self::MAX,
        }
    }

    /// Makes a page from the fields of a request; 0 and anything too large mean the largest page.
    #[must_use]
    pub const fn new(token: String, size: u32) -> Self {
        Self {
            token,
            size: if size == 0 || size > Self::MAX {
                Self::MAX
            } else {
                size
            },
        }
    }
}

/// List names.
#[derive(Clone, Debug)]
pub struct List {
    /// Prefix of the names to list.
    pub prefix: String,
    /// Page to list.
    pub page: Page,
}

/// Locate a content.
#[derive(Clone, Debug)]
pub struct Locate {
    /// Content to locate.
    pub content: Asked,
    /// Largest number of holders: 1 to [`Locate::MAX_HOLDERS`].
    pub max_holders: u32,
    /// Leaves this peer out.
    pub except: Option<PeerId>,
}

impl Locate {
    /// Bounds the reply: 256 holders of 65,536 fragments are 2 MiB of bitmaps.
    pub const MAX_HOLDERS: u32 = 256;
}

/// A page of peers.
#[derive(Clone, Debug)]
pub struct Peers {
    /// Peers in order of ids.
    pub peers: Vec<shared::model::PeerInfo>,
    /// Empty on the last page.
    pub next: String,
    /// The tracker's epoch.
    pub epoch: shared::model::Epoch,
    /// Whether the tracker waits for peers to report after a restart.
    pub in_safe_mode: bool,
}

/// A page of names.
#[derive(Clone, Debug)]
pub struct Published {
    /// Names in ascending order.
    pub names: Vec<Listing>,
    /// Empty on the last page.
    pub next: String,
    /// Pinned revisions of names in the page's range that were removed.
    pub removed: Vec<NamedRevision>,
}

impl Published {
    /// Limit of pinned revisions of removed names in one page.
    pub const MAX_REMOVED: usize = 1024;
}

impl TryFrom<v1::Expectation> for Expectation {
    type Error = Invalid;

    fn try_from(wire: v1::Expectation) -> Result<Self, Invalid> {
        use v1::expectation::Expect;
        Ok(match required("expectation", wire.expect)? {
            Expect::Unbound(_) => Self::Unbound,
            Expect::Revision(revision) => Self::Revision(Revision::new(revision)),
            Expect::Anything(_) => Self::Anything,
        })
    }
}

impl From<Expectation> for v1::Expectation {
    fn from(expectation: Expectation) -> Self {
        use v1::expectation::{Anything, Expect, Unbound};
        let expect = match expectation {
            Expectation::Unbound => Expect::Unbound(Unbound {}),
            Expectation::Revision(revision) => Expect::Revision(revision.get()),
            Expectation::Anything => Expect::Anything(Anything {}),
        };
        Self { expect: Some(expect) }
    }
}

impl TryFrom<v1::PublishRequest> for Publish {
    type Error = Invalid;

    fn try_from(wire: v1::PublishRequest) -> Result<Self, Invalid> {
        let name = parsed("name", &wire.name)?;
        let manifest: Manifest = required("manifest", wire.manifest)?.try_into()?;
        Ok(Self {
            name,
            metadata: metadata_of(wire.metadata, manifest.length())?,
            manifest,
            target: target(wire.target)?,
            expectation: required("expectation", wire.expectation)?.try_into()?,
            publisher: peer_id(&wire.publisher)?,
            incarnation: Incarnation::new(wire.incarnation),
            parts: None,
            replaces_metadata: wire.replaces_metadata,
            keeps_target: wire.keeps_target,
        })
    }
}

impl From<&Publish> for v1::PublishRequest {
    fn from(publish: &Publish) -> Self {
        Self {
            name: publish.name.to_string(),
            manifest: Some((&publish.manifest).into()),
            target: publish.target.get(),
            expectation: Some(publish.expectation.into()),
            publisher: publish.publisher.as_bytes().to_vec().into(),
            incarnation: publish.incarnation.get(),
            metadata: publish.metadata.as_ref().map(Into::into),
            replaces_metadata: publish.replaces_metadata,
            keeps_target: publish.keeps_target,
        }
    }
}

impl TryFrom<v1::RemoveRequest> for Remove {
    type Error = Invalid;

    fn try_from(wire: v1::RemoveRequest) -> Result<Self, Invalid> {
        let expected = (wire.expected_revision != 0).then(|| Revision::new(wire.expected_revision));
        Ok(Self {
            name: parsed("name", &wire.name)?,
            expected,
        })
    }
}

impl TryFrom<v1::RenameRequest> for Rename {
    type Error = Invalid;

    fn try_from(wire: v1::RenameRequest) -> Result<Self, Invalid> {
        Ok(Self {
            from: parsed("from", &wire.from)?,
            to: parsed("to", &wire.to)?,
            expected: (wire.expected_revision != 0).then(|| Revision::new(wire.expected_revision)),
        })
    }
}

impl From<&Rename> for v1::RenameRequest {
    fn from(rename: &Rename) -> Self {
        Self {
            from: rename.from.to_string(),
            to: rename.to.to_string(),
            expected_revision: rename.expected.map_or(0, Revision::get),
        }
    }
}

impl From<&Remove> for v1::RemoveRequest {
    fn from(remove: &Remove) -> Self {
        let expected_revision = remove.expected.map_or(0, Revision::get);
        Self {
            name: remove.name.to_string(),
            expected_revision,
        }
    }
}

impl TryFrom<v1::ListRequest> for List {
    type Error = Invalid;

    fn try_from(wire: v1::ListRequest) -> Result<Self, Invalid> {
        const MAX_PREFIX_BYTES: usize = 1024;
        if wire.prefix.len() > MAX_PREFIX_BYTES {
            return Err(Invalid::field("prefix", "at most 1024 bytes are allowed"));
        }
        Ok(Self {
            prefix: wire.prefix,
            page: Page::new(wire.page_token, wire.page_size),
        })
    }
}

impl From<&List> for v1::ListRequest {
    fn from(list: &List) -> Self {
        Self {
            prefix: list.prefix.clone(),
            page_token: list.page.token.clone(),
            page_size: list.page.size,
        }
    }
}

impl TryFrom<v1::ListReply> for Published {
    type Error = Invalid;

    fn try_from(wire: v1::ListReply) -> Result<Self, Invalid> {
        let name = |listed: v1::ListedName| {
            Ok(Listing {
                binding: required("binding", listed.binding)?.try_into()?,
                health: required("health", listed.health)?.try_into()?,
                pinned: listed.pinned_revisions.into_iter().map(Revision::new).collect(),
            })
        };
        let names = wire.names.into_iter().map(name).collect::<Result<_, Invalid>>()?;
        let removed = wire.removed_pinned.iter().take(Published::MAX_REMOVED);
        let removed = removed.map(|what| parsed("removed_pinned", what));
        Ok(Self {
            names,
            next: wire.next_page_token,
            removed: removed.collect::<Result<_, Invalid>>()?,
        })
    }
}

impl From<Published> for v1::ListReply {
    fn from(page: Published) -> Self {
        let listed = |listing: Listing| v1::ListedName {
            binding: Some(listing.binding.into()),
            health: Some(listing.health.into()),
            pinned_revisions: listing.pinned.iter().map(|revision| revision.get()).collect(),
        };
        Self {
            names: page.names.into_iter().map(listed).collect(),
            next_page_token: page.next,
            removed_pinned: page.removed.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<v1::LocateRequest> for Locate {
    type Error = Invalid;

    fn try_from(wire: v1::LocateRequest) -> Result<Self, Invalid> {
        let max_holders = match wire.max_holders {
            0 => Self::MAX_HOLDERS,
            n => n.min(Self::MAX_HOLDERS),
        };
        let except = if wire.except.is_empty() {
            None
        } else {
            Some(peer_id(&wire.except)?)
        };
        Ok(Self {
            content: asked(wire.r#ref, &wire.parts, &wire.ranges)?,
            max_holders,
            except,
        })
    }
}

impl From<&Locate> for v1::LocateRequest {
    fn from(locate: &Locate) -> Self {
        Self {
            r#ref: Some((&locate.content.content).into()),
            parts: wire_parts(&locate.content),
            ranges: wire_ranges(&locate.content),
            max_holders: locate.max_holders,
            except: locate
                .except
                .map(|peer| peer.as_bytes().to_vec())
                .unwrap_or_default()
                .into(),
        }
    }
}

impl TryFrom<v1::LocateReply> for Location {
    type Error = Invalid;

    fn try_from(wire: v1::LocateReply) -> Result<Self, Invalid> {
        let manifest: Manifest = required("manifest", wire.manifest)?.try_into()?;
        let count = manifest.fragment_count();
        let holders = wire.holders.into_iter().map(|holder| holder.into_holder(count));
        let (shares, most) = (wire.shares, Locate::MAX_HOLDERS as usize);
        let (holder_count, keeper_count) = (wire.whole_holder_count, wire.whole_keeper_count);
        let whole = wire.extent.map(|extent| {
            Ok::<_, Invalid>(Whole {
                extent: extent.into(),
                holder_count,
                keeper_count,
                shares: bounded("shares", most, shares)?,
            })
        });
        Ok(Self {
            whole: whole.transpose()?,
            binding: required("binding", wire.binding)?.try_into()?,
            health: required("health", wire.health)?.try_into()?,
            holders: holders.collect::<Result<_, _>>()?,
            holder_count: wire.holder_count,
            manifest,
        })
    }
}

impl From<Location> for v1::LocateReply {
    fn from(location: Location) -> Self {
        let extent = location.whole.as_ref().map(|whole| whole.extent.into());
        let (holders, keepers, shares) = location.whole.map_or((0, 0, Vec::new()), |whole| {
            (whole.holder_count, whole.keeper_count, whole.shares)
        });
        Self {
            extent,
            whole_holder_count: holders,
            whole_keeper_count: keepers,
            shares: shares.into_iter().map(Into::into).collect(),
            binding: Some(location.binding.into()),
            manifest: Some((&location.manifest).into()),
            health: Some(location.health.into()),
            holders: location.holders.into_iter().map(Into::into).collect(),
            holder_count: location.holder_count,
        }
    }
}

impl TryFrom<v1::ResolveReply> for (Binding, Manifest) {
    type Error = Invalid;

    fn try_from(wire: v1::ResolveReply) -> Result<Self, Invalid> {
        let binding = required("binding", wire.binding)?.try_into()?;
        Ok((binding, required("manifest", wire.manifest)?.try_into()?))
    }
}

impl TryFrom<v1::PeersReply> for Peers {
    type Error = Invalid;

    fn try_from(wire: v1::PeersReply) -> Result<Self, Invalid> {
        Ok(Self {
            peers: wire
                .peers
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            next: wire.next_page_token,
            epoch: shared::model::Epoch::new(wire.epoch),
            in_safe_mode: wire.in_safe_mode,
        })
    }
}

impl From<Peers> for v1::PeersReply {
    fn from(page: Peers) -> Self {
        Self {
            peers: page.peers.into_iter().map(Into::into).collect(),
            next_page_token: page.next,
            epoch: page.epoch.get(),
            in_safe_mode: page.in_safe_mode,
        }
    }
}
