//! Facts: the records of the journal, each true from a moment on.
//!
//! A fact states a result, not a request, so its replay involves no decision; it fails only when the facts
//! before it do not know what it is about (`audit.rs`). The same function (`State::evolve`) applies facts
//! when they come about and when they are replayed; a snapshot is nothing but the shortest list of facts that
//! leads to the same state.

use shared::model::{
    Epoch, FileMetadata, Holding, HostPort, Incarnation, KeyHash, Manifest, Mark, MemberId, Name, NetworkId,
    Parts, PeerId, PeerMode, PinCount, ReplicationTarget, RevisedContent, Revision, RevisionLimit, Timestamp,
    TokenId, Zone,
};
use shared::security::{Grant, Role, SecretHash};

/// About how many bytes everything of a record has that does not grow with contents.
const FIXED: usize = 64;

/// A fact and the time at which it came about, by the tracker's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The time.
    pub at: Timestamp,
    /// The subject.
    pub fact: Fact,
}

impl Record {
    /// Returns about how many bytes its encoded form has.
    #[must_use]
    pub fn size(&self) -> usize {
        let manifest = |manifest: &Manifest| FIXED + manifest.roots().len() * 32;
        let all = |one: &Manifest, parts: &Option<Parts>| {
            let parts = parts.iter().flat_map(Parts::manifests);
            manifest(one) + parts.map(manifest).sum::<usize>()
        };
        match &self.fact {
            Fact::Published { manifest, parts, .. } => all(manifest, parts),
            Fact::Name(NameFact::Remembered {
                past: Past::Kept { manifest, parts, .. },
                ..
            }) => all(manifest, parts),
            Fact::WentAway { holdings, .. } => {
                let bytes = |holding: &Holding| FIXED + holding.fragments.capacity() as usize / 8;
                FIXED + holdings.iter().map(bytes).sum::<usize>()
            }
            Fact::Security(SecurityFact::TokenMade {
                grant: Grant::Api { scopes },
                ..
            }) => {
                let bytes = scopes.iter().map(|scope| FIXED + scope.prefix().len());
                FIXED + bytes.sum::<usize>()
            }
            _ => FIXED,
        }
    }
}

/// Something that a restart must not undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A run of the tracker began.
    EpochBegun(Epoch),
    /// The network has this id; said once in a journal.
    NetworkNamed(NetworkId),
    /// A peer is a member: new, returned, or changed.
    PeerRegistered(Registration),
    /// A peer has proved a key, and had none: from now on its id belongs to the key.
    KeyRecorded {
        /// The peer.
        peer: PeerId,
        /// The key.
        key: KeyHash,
    },
    /// A peer left or was given up: a restart need not wait for it.
    PeerGone(PeerId),
    /// A peer that kept nothing left or was given up.
    VisitorGone(PeerId),
    /// A peer has been gone for so long that nothing is remembered of it.
    PeerForgotten(PeerId),
    /// A name is bound.
    Published {
        /// The name.
        name: Name,
        /// Its revision.
        revision: Revision,
        /// Replicas wanted of every fragment.
        target: ReplicationTarget,
        /// The content.
        manifest: Manifest,
        /// Peers that publish this binding and share its contents in place; those known before are kept.
        publishers: Vec<PeerId>,
        /// Parts of the collection, when the content is its catalog; the publishers share them too.
        parts: Option<Parts>,
    },
    /// A name is bound to nothing; this is its tombstone.
    Removed {
        /// The name.
        name: Name,
        /// The revision of the tombstone.
        revision: Revision,
    },
    /// The binding of a name was given to another name, which was not bound.
    Renamed {
        /// The old name.
        from: Name,
        /// The revision of its tombstone.
        tombstone: Revision,
        /// The new name.
        to: Name,
        /// Its revision.
        revision: Revision,
    },
    /// A bound name wants another number of replicas; its revision stays.
    TargetChanged {
        /// The name.
        name: Name,
        /// Replicas wanted of every fragment.
        target: ReplicationTarget,
    },
    /// Something about the past of names.
    Name(NameFact),
    /// A peer has another mode.
    ModeChanged {
        /// The peer.
        peer: PeerId,
        /// The mode.
        mode: PeerMode,
    },
    /// A peer in maintenance has fallen silent.
    WentAway {
        /// The peer.
        peer: PeerId,
        /// Its holdings of named contents, or a part of them.
        holdings: Vec<Holding>,
        /// Whether the holdings add to those of the record before.
        is_more: bool,
    },
    /// Last record of a snapshot: the length of the history that it stands for.
    History {
        /// Facts that were ever journaled.
        facts: u64,
        /// The epochs that are remembered, in order.
        epochs: Vec<EpochBegin>,
    },
    /// The operator has restored the journal from an older backup.
    GapDeclared,
    /// A peer has seen what this history does not contain.
    GapFound {
        /// The peer.
        peer: PeerId,
        /// The subject.
        seen: Mark,
    },
    /// The operator has seen to what was lost.
    GapAccepted,
    /// Something about tokens and members.
    Security(SecurityFact),
}

/// Facts about tokens and members. Of secrets they have hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecurityFact {
    /// There is a token.
    TokenMade {
        /// Its id.
        token: TokenId,
        /// Hash of its secret.
        hash: SecretHash,
        /// Its right.
        grant: Grant,
        /// Its end, if it has one.
        ends: Option<Timestamp>,
    },
    /// A machine has joined with a token.
    TokenUsed {
        /// The token.
        token: TokenId,
        /// Number of machines that have joined with it.
        used: u32,
    },
    /// An administrator has ended a token.
    TokenRevoked(TokenId),
    /// Nothing is remembered of a token, which ended long ago.
    TokenForgotten(TokenId),
    /// A machine is a member.
    MemberJoined {
        /// Its id; a peer's is its peer id.
        member: MemberId,
        /// Its role.
        role: Role,
        /// Its key.
        key: KeyHash,
        /// The token with which it has joined; none of a tracker.
        by: Option<TokenId>,
    },
    /// The key of a member is certified until a later time than before.
    CertifiedUntil {
        /// The member.
        member: MemberId,
        /// The end of its newest certificate.
        ends: Timestamp,
    },
    /// The certificate of a member was taken back, for good.
    MemberRevoked(MemberId),
    /// Nothing is remembered of a member, whose certificate ended long ago.
    MemberForgotten(MemberId),
}

/// Facts about the past of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameFact {
    /// Number of revisions of every name that are remembered from now on. Until this is said it is one:
    /// journals that are older than revisions mean that.
    RevisionsKept(RevisionLimit),
    /// A superseded revision was collected: its contents stay for it no longer.
    Collected {
        /// The name.
        name: Name,
        /// The revision.
        revision: Revision,
    },
    /// A revision was pinned or unpinned.
    PinChanged {
        /// The name.
        name: Name,
        /// The revision.
        revision: Revision,
        /// Number of times that this has happened; the revision is pinned when it is odd.
        pins: PinCount,
    },
    /// A revision has metadata, or others than before.
    Described {
        /// The name.
        name: Name,
        /// The revision.
        revision: Revision,
        /// Metadata of its file.
        metadata: FileMetadata,
    },
    /// A removed name is forgotten; the floor rises to its revision.
    NameForgotten(Name),
    /// Revision of every unknown name; part of a snapshot.
    FloorRaised(Revision),
    /// Earlier revision of a name; part of a snapshot, before the name's newest revision.
    Remembered {
        /// The name.
        name: Name,
        /// The revision.
        revision: Revision,
        /// Its binding, and how much of that is kept.
        past: Past,
    },
}

/// An earlier revision, or the removal that is the newest one of a name with earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    /// The revision was a removal.
    Removed,
    /// The revision was a removal by which another name took over the binding.
    Moved,
    /// The contents were collected.
    Collected {
        /// The binding.
        was: RevisedContent,
        /// Number of times that it was pinned and unpinned; even.
        pins: PinCount,
    },
    /// The contents are kept.
    Kept {
        /// Time at which the grace time began, which counts unless the revision is pinned.
        since: Timestamp,
        /// Number of times that it was pinned and unpinned.
        pins: PinCount,
        /// Replicas wanted of every fragment.
        target: ReplicationTarget,
        /// The content.
        manifest: Manifest,
        /// Peers that share the content in place.
        publishers: Vec<PeerId>,
        /// Parts of the collection, when the content is its catalog.
        parts: Option<Parts>,
    },
}

/// Beginning of an epoch in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochBegin {
    /// The epoch.
    pub epoch: Epoch,
    /// Time of its beginning, by the tracker's clock.
    pub at: Timestamp,
    /// Facts until then, its own included.
    pub facts: u64,
}

/// Attributes of a peer that are remembered across restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its id.
    pub peer: PeerId,
    /// Its latest run.
    pub incarnation: Incarnation,
    /// Address at which other peers dial it.
    pub address: HostPort,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// Bytes that it lends for replicas.
    pub capacity: u64,
}

/// Returns the complaint when an invariant does not hold.
pub(super) fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
