//! The words that several services share.

use shared::model::{
    Absence, Asked, AskedPart, Attributes, Binding, CollectionSize, ContentId, ContentRef, ContentState,
    DialFailure, Digest, Extent, FileMetadata, FileMetadataError, FragmentLength, FragmentSet, Health,
    Holder, HostPort, Incarnation, Manifest, Mode, ModifiedAt, Name, NetworkId, Parts, PeerId, PeerInfo,
    PeerMode, PeerState, Reach, ReplicationTarget, Revision, RunId, Share, SourceRank, Timestamp, Zone,
};

use super::{Invalid, fixed, parsed, required};
use crate::v1;

/// The code of a reason for which a file is absent; empty when it is not. A reason of a newer program is a
/// failure of the system's as far as this program knows.
pub fn absence(code: &str) -> Option<Absence> {
    (!code.is_empty()).then(|| code.parse().unwrap_or(Absence::Failing))
}

/// The other way.
pub fn absence_text(absence: Option<Absence>) -> String {
    absence.map(|absence| absence.to_string()).unwrap_or_default()
}

/// 32 bytes that are a content id.
pub fn content_id(bytes: &[u8]) -> Result<ContentId, Invalid> {
    fixed("content_id", bytes).map(ContentId::from_bytes)
}

/// 16 bytes that are a peer id.
pub fn peer_id(bytes: &[u8]) -> Result<PeerId, Invalid> {
    fixed("peer_id", bytes).map(PeerId::from_bytes)
}

/// A concatenation of 32-byte digests.
pub(crate) fn digests(field: &'static str, bytes: &[u8]) -> Result<Vec<Digest>, Invalid> {
    if !bytes.len().is_multiple_of(Digest::LEN) {
        return Err(Invalid::field(
            field,
            format!("must be a multiple of 32 bytes, got {}", bytes.len()),
        ));
    }
    bytes
        .chunks_exact(Digest::LEN)
        .map(|chunk| fixed(field, chunk).map(Digest::from_bytes))
        .collect()
}

/// Digests, concatenated.
pub(crate) fn concatenated(digests: &[Digest]) -> Vec<u8> {
    digests.iter().flat_map(|digest| *digest.as_bytes()).collect()
}

pub(crate) fn target(number: u32) -> Result<ReplicationTarget, Invalid> {
    ReplicationTarget::new(number).map_err(|error| Invalid::field("target", error))
}

/// Reads a target; 0 means that none is chosen.
pub(crate) fn chosen_target(number: u32) -> Result<Option<ReplicationTarget>, Invalid> {
    (number != 0).then(|| target(number)).transpose()
}

/// Returns the number on the wire for a target; 0 when none is chosen.
pub(crate) fn target_number(target: Option<ReplicationTarget>) -> u32 {
    target.map_or(0, ReplicationTarget::get)
}

/// Returns the number on the wire for a fragment length; 0 when none is chosen.
pub(crate) fn fragment_length_number(length: Option<FragmentLength>) -> u32 {
    length.map_or(0, FragmentLength::get)
}

/// Reads a fragment length; 0 lets the network's default, or else the content's length decide.
pub(crate) fn chosen_fragment_length(bytes: u32) -> Result<Option<FragmentLength>, Invalid> {
    match bytes {
        0 => Ok(None),
        bytes => FragmentLength::new(u64::from(bytes))
            .map(Some)
            .map_err(|error| Invalid::field("fragment_length", error)),
    }
}

/// Words of another program, short enough and without anything that moves a terminal's cursor.
pub(crate) fn words(text: &str) -> String {
    const MAX_CHARS: usize = 1024;
    text.chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()
}

/// Reads the id of a run; none from peers that have no such ids.
///
/// # Errors
/// When it has another length.
pub fn run_id(bytes: &[u8]) -> Result<Option<RunId>, Invalid> {
    Ok(sixteen("run_id", bytes)?.map(RunId::from_bytes))
}

/// Reads the id of a network; none from programs that know no such ids.
pub(crate) fn network_id(field: &'static str, bytes: &[u8]) -> Result<Option<NetworkId>, Invalid> {
    Ok(sixteen(field, bytes)?.map(NetworkId::from_bytes))
}

pub(crate) fn network_bytes(network: Option<NetworkId>) -> bytes::Bytes {
    let bytes = |network: NetworkId| network.as_bytes().to_vec().into();
    network.map(bytes).unwrap_or_default()
}

/// Reads the 16 bytes of an id that older programs do not have.
fn sixteen(field: &'static str, bytes: &[u8]) -> Result<Option<[u8; 16]>, Invalid> {
    match <[u8; 16]>::try_from(bytes) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(_) if bytes.is_empty() => Ok(None),
        Err(_) => Err(Invalid::field(field, "must have 16 bytes, or none")),
    }
}

pub(crate) fn zone(text: &str) -> Result<Option<Zone>, Invalid> {
    if text.is_empty() {
        Ok(None)
    } else {
        parsed("zone", text).map(Some)
    }
}

pub(crate) fn zone_text(zone: Option<Zone>) -> String {
    zone.map(|zone| zone.to_string()).unwrap_or_default()
}

impl TryFrom<v1::Manifest> for Manifest {
    type Error = Invalid;

    fn try_from(wire: v1::Manifest) -> Result<Self, Invalid> {
        let fragment_length = FragmentLength::new(u64::from(wire.fragment_length))
            .map_err(|error| Invalid::field("fragment_length", error))?;
        let roots = digests("fragment_roots", &wire.fragment_roots)?;
        Self::verified(content_id(&wire.content_id)?, wire.length, fragment_length, roots)
            .map_err(|error| Invalid::field("manifest", error))
    }
}

impl From<&Manifest> for v1::Manifest {
    fn from(manifest: &Manifest) -> Self {
        Self {
            content_id: manifest.content().as_bytes().to_vec().into(),
            length: manifest.length(),
            fragment_length: manifest.fragment_length().get(),
            fragment_roots: concatenated(manifest.roots()).into(),
        }
    }
}

impl From<v1::CollectionSize> for CollectionSize {
    fn from(wire: v1::CollectionSize) -> Self {
        Self {
            parts: wire.parts,
            length: wire.length,
        }
    }
}

impl From<CollectionSize> for v1::CollectionSize {
    fn from(size: CollectionSize) -> Self {
        Self {
            parts: size.parts,
            length: size.length,
        }
    }
}

impl TryFrom<v1::ContentRef> for ContentRef {
    type Error = Invalid;

    fn try_from(wire: v1::ContentRef) -> Result<Self, Invalid> {
        match required("ref", wire.r#ref)? {
            v1::content_ref::Ref::Name(name) => parsed("name", &name).map(Self::Name),
            v1::content_ref::Ref::ContentId(bytes) => content_id(&bytes).map(Self::Id),
            v1::content_ref::Ref::Inside(path) => parsed("inside", &path),
        }
    }
}

impl From<&ContentRef> for v1::ContentRef {
    fn from(content: &ContentRef) -> Self {
        let r#ref = match content {
            ContentRef::Name(name) => v1::content_ref::Ref::Name(name.to_string()),
            ContentRef::Id(id) => v1::content_ref::Ref::ContentId(id.as_bytes().to_vec().into()),
            ContentRef::Inside(path) => v1::content_ref::Ref::Inside(path.as_str().to_owned()),
        };
        Self { r#ref: Some(r#ref) }
    }
}

/// Decodes the subject of a question.
pub(crate) fn asked(
    content: Option<v1::ContentRef>,
    parts: &[bytes::Bytes],
    ranges: &[v1::PartRange],
) -> Result<Asked, Invalid> {
    if parts.len() > Parts::MAX {
        return Err(Invalid::field("parts", "more parts than a collection can have"));
    }
    if ranges.len() > Asked::MAX_RANGES {
        return Err(Invalid::field("ranges", "more ranges than a question may have"));
    }
    let mut bytes = vec![Vec::new(); parts.len()];
    for range in ranges {
        let of = usize::try_from(range.part).ok().and_then(|at| bytes.get_mut(at));
        let of = of.ok_or_else(|| Invalid::field("ranges", "a range of no part"))?;
        if range.start >= range.end {
            return Err(Invalid::field("ranges", "a range without a byte"));
        }
        of.push(range.start..range.end);
    }
    Ok(Asked {
        content: required("ref", content)?.try_into()?,
        parts: parts
            .iter()
            .zip(bytes)
            .map(|(part, ranges)| Ok(AskedPart::new(content_id(part)?, ranges)))
            .collect::<Result<_, _>>()?,
    })
}

pub(crate) fn wire_parts(asked: &Asked) -> Vec<bytes::Bytes> {
    asked
        .parts
        .iter()
        .map(|part| part.content().as_bytes().to_vec().into())
        .collect()
}

pub(crate) fn wire_ranges(asked: &Asked) -> Vec<v1::PartRange> {
    let ranges = (0..)
        .zip(&asked.parts)
        .flat_map(|(at, part)| part.ranges().iter().map(move |range| (at, range)));
    ranges
        .map(|(part, range)| v1::PartRange {
            part,
            start: range.start,
            end: range.end,
        })
        .collect()
}

impl From<v1::Extent> for Extent {
    fn from(wire: v1::Extent) -> Self {
        Self {
            contents: wire.contents,
            length: wire.length,
        }
    }
}

impl From<Extent> for v1::Extent {
    fn from(extent: Extent) -> Self {
        Self {
            contents: extent.contents,
            length: extent.length,
        }
    }
}

impl TryFrom<v1::Share> for Share {
    type Error = Invalid;

    fn try_from(wire: v1::Share) -> Result<Self, Invalid> {
        Ok(Self {
            peer: required("peer", wire.peer)?.try_into()?,
            held: wire.held,
            kept: wire.kept,
            bytes: wire.bytes,
        })
    }
}

impl From<Share> for v1::Share {
    fn from(share: Share) -> Self {
        Self {
            peer: Some(share.peer.into()),
            held: share.held,
            kept: share.kept,
            bytes: share.bytes,
        }
    }
}

impl TryFrom<v1::Binding> for Binding {
    type Error = Invalid;

    fn try_from(wire: v1::Binding) -> Result<Self, Invalid> {
        Ok(Self {
            name: parsed::<Name>("name", &wire.name)?,
            revision: Revision::new(wire.revision),
            content: content_id(&wire.content_id)?,
            length: wire.length,
            target: target(wire.target)?,
            published_at: Timestamp::from_millis(wire.published_at_ms),
            collection: wire.collection.map(Into::into),
            metadata: metadata_of(wire.metadata, wire.length)?,
        })
    }
}

impl From<Binding> for v1::Binding {
    fn from(binding: Binding) -> Self {
        Self {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content_id: binding.content.as_bytes().to_vec().into(),
            length: binding.length,
            target: binding.target.get(),
            published_at_ms: binding.published_at.as_millis(),
            collection: binding.collection.map(Into::into),
            metadata: binding.metadata.as_ref().map(Into::into),
        }
    }
}

/// Reads the metadata of a file that has this length.
pub(super) fn metadata_of(
    wire: Option<v1::FileMetadata>,
    length: u64,
) -> Result<Option<FileMetadata>, Invalid> {
    let metadata = wire.map(FileMetadata::try_from).transpose()?;
    match metadata {
        Some(metadata) if !metadata.fits(length) => Err(Invalid::field("metadata", FileMetadataError)),
        metadata => Ok(metadata),
    }
}

impl TryFrom<v1::FileMetadata> for FileMetadata {
    type Error = Invalid;

    fn try_from(wire: v1::FileMetadata) -> Result<Self, Invalid> {
        let (holes, []) = wire.holes.as_chunks::<2>() else {
            return Err(Invalid::Missing("end of a hole"));
        };
        let holes = holes.iter().map(|[start, end]| *start..*end).collect();
        let modified = ModifiedAt::new(wire.modified_seconds, wire.modified_nanos);
        let attributes = Attributes {
            mode: Mode::of(wire.mode),
            modified: modified.ok_or(Invalid::Missing("modified"))?,
        };
        Self::new(attributes, holes).map_err(|error| Invalid::field("metadata", error))
    }
}

impl From<&FileMetadata> for v1::FileMetadata {
    fn from(metadata: &FileMetadata) -> Self {
        let ends = metadata.holes().iter().flat_map(|hole| [hole.start, hole.end]);
        Self {
            holes: ends.collect(),
            ..metadata.attributes().into()
        }
    }
}

impl From<Attributes> for v1::FileMetadata {
    fn from(Attributes { mode, modified }: Attributes) -> Self {
        Self {
            mode: mode.get(),
            modified_seconds: modified.seconds(),
            modified_nanos: modified.nanos(),
            holes: Vec::new(),
        }
    }
}

impl TryFrom<v1::Health> for Health {
    type Error = Invalid;

    fn try_from(wire: v1::Health) -> Result<Self, Invalid> {
        let state = match wire.state() {
            v1::ContentState::Unspecified => return Err(Invalid::Missing("state")),
            v1::ContentState::Replicated => ContentState::Replicated,
            v1::ContentState::Degraded => ContentState::Degraded,
            v1::ContentState::Unavailable => ContentState::Unavailable,
        };
        Ok(Self {
            state,
            target: target(wire.target)?,
            fewest: wire.fewest,
            fragments_at_target: wire.fragments_at_target,
            fragments: wire.fragments,
            copies_under_way: wire.copies_under_way,
        })
    }
}

impl From<Health> for v1::Health {
    fn from(health: Health) -> Self {
        let state = match health.state {
            ContentState::Replicated => v1::ContentState::Replicated,
            ContentState::Degraded => v1::ContentState::Degraded,
            ContentState::Unavailable => v1::ContentState::Unavailable,
        };
        Self {
            state: state.into(),
            target: health.target.get(),
            fewest: health.fewest,
            fragments_at_target: health.fragments_at_target,
            fragments: health.fragments,
            copies_under_way: health.copies_under_way,
        }
    }
}

/// Mode of a peer on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModeOf(pub(crate) PeerMode);

/// An older tracker sends no mode; its peers are active.
impl From<Option<v1::Duty>> for ModeOf {
    fn from(wire: Option<v1::Duty>) -> Self {
        use v1::duty::Duty as Wire;
        Self(match wire.and_then(|wire| wire.duty) {
            Some(Wire::IsDraining(true)) => PeerMode::Draining,
            Some(Wire::MaintenanceUntilMs(until)) => PeerMode::Maintenance {
                until: Timestamp::from_millis(until),
            },
            Some(Wire::IsDraining(false)) | None => PeerMode::Active,
        })
    }
}

impl From<PeerMode> for v1::Duty {
    fn from(mode: PeerMode) -> Self {
        use v1::duty::Duty as Wire;
        let mode = match mode {
            PeerMode::Active => None,
            PeerMode::Draining => Some(Wire::IsDraining(true)),
            PeerMode::Maintenance { until } => Some(Wire::MaintenanceUntilMs(until.as_millis())),
        };
        Self { duty: mode }
    }
}

/// An address; none when the text is empty.
pub(super) fn some_address(field: &'static str, text: &str) -> Result<Option<HostPort>, Invalid> {
    (!text.is_empty()).then(|| parsed(field, text)).transpose()
}

impl TryFrom<v1::Peer> for PeerInfo {
    type Error = Invalid;

    fn try_from(wire: v1::Peer) -> Result<Self, Invalid> {
        let state = match wire.state() {
            v1::PeerState::Unspecified => return Err(Invalid::Missing("state")),
            v1::PeerState::Live => PeerState::Live,
            v1::PeerState::Suspect => PeerState::Suspect,
            v1::PeerState::Lost => PeerState::Lost,
        };
        Ok(Self {
            id: peer_id(&wire.peer_id)?,
            address: parsed::<HostPort>("address", &wire.address)?,
            zone: zone(&wire.zone)?,
            state,
            capacity: wire.capacity,
            free: wire.free,
            incarnation: Incarnation::new(wire.incarnation),
            contents: wire.contents,
            mode: ModeOf::from(wire.duty).0,
            reach: match wire.unreachable {
                Some(unreachable) => Reach::Unreachable(unreachable.try_into()?),
                None if wire.is_unconfirmed => Reach::Unconfirmed,
                None => Reach::Reachable,
            },
            is_visitor: wire.is_visitor,
            copy: some_address("copy_address", &wire.copy_address)?,
        })
    }
}

impl TryFrom<v1::Unreachable> for DialFailure {
    type Error = Invalid;

    fn try_from(wire: v1::Unreachable) -> Result<Self, Invalid> {
        Ok(Self {
            address: parsed::<HostPort>("address", &wire.address)?,
            error: wire.error,
            since: Timestamp::from_millis(wire.since_ms),
        })
    }
}

impl From<DialFailure> for v1::Unreachable {
    fn from(failure: DialFailure) -> Self {
        Self {
            address: failure.address.to_string(),
            error: failure.error,
            since_ms: failure.since.as_millis(),
        }
    }
}

impl From<PeerInfo> for v1::Peer {
    fn from(peer: PeerInfo) -> Self {
        let state = match peer.state {
            PeerState::Live => v1::PeerState::Live,
            PeerState::Suspect => v1::PeerState::Suspect,
            PeerState::Lost => v1::PeerState::Lost,
        };
        Self {
            peer_id: peer.id.as_bytes().to_vec().into(),
            address: peer.address.to_string(),
            zone: zone_text(peer.zone),
            state: state.into(),
            capacity: peer.capacity,
            free: peer.free,
            incarnation: peer.incarnation.get(),
            contents: peer.contents,
            duty: Some(peer.mode.into()),
            copy_address: peer.copy.map(|copy| copy.to_string()).unwrap_or_default(),
            is_unconfirmed: peer.reach == Reach::Unconfirmed,
            unreachable: match peer.reach {
                Reach::Unreachable(failure) => Some(failure.into()),
                Reach::Reachable | Reach::Unconfirmed => None,
            },
            is_visitor: peer.is_visitor,
        }
    }
}

/// Reads a rank; none when a tracker of an earlier version has not told it.
pub(super) const fn source_rank(rank: v1::SourceRank) -> Option<SourceRank> {
    match rank {
        v1::SourceRank::Unspecified => None,
        v1::SourceRank::Holder => Some(SourceRank::Holder),
        v1::SourceRank::Keeper => Some(SourceRank::Keeper),
        v1::SourceRank::Publisher => Some(SourceRank::Publisher),
    }
}

impl From<SourceRank> for v1::SourceRank {
    fn from(rank: SourceRank) -> Self {
        match rank {
            SourceRank::Holder => Self::Holder,
            SourceRank::Keeper => Self::Keeper,
            SourceRank::Publisher => Self::Publisher,
        }
    }
}

impl v1::Holder {
    /// Checks a holder of a content of `fragment_count` fragments.
    pub(crate) fn into_holder(self, fragment_count: u32) -> Result<Holder, Invalid> {
        let untold = if self.keeps {
            SourceRank::Keeper
        } else {
            SourceRank::Holder
        };
        Ok(Holder {
            rank: source_rank(self.rank()).unwrap_or(untold),
            peer: required("peer", self.peer)?.try_into()?,
            fragments: FragmentSet::from_bytes(fragment_count, &self.fragments)
                .map_err(|error| Invalid::field("fragments", error))?,
            keeps: self.keeps,
            proved_at: (self.proved_ms > 0).then(|| Timestamp::from_millis(self.proved_ms)),
        })
    }
}

impl From<Holder> for v1::Holder {
    fn from(holder: Holder) -> Self {
        Self {
            peer: Some(holder.peer.into()),
            fragments: holder.fragments.to_bytes().into(),
            keeps: holder.keeps,
            rank: v1::SourceRank::from(holder.rank).into(),
            proved_ms: holder.proved_at.map_or(0, Timestamp::as_millis),
        }
    }
}
