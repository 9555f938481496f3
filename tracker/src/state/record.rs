//! What is journaled: facts that are true from a moment on.
//!
//! A fact says what *became*, not what was asked for, so replaying it involves no decision and cannot fail. The
//! same function (`State::evolve`) takes facts in when they come about and when they are replayed; a snapshot is
//! nothing but the shortest list of facts that leads to the same state.

use shared::model::{
    Epoch, Holding, HostPort, Incarnation, Manifest, Mark, Name, Parts, PeerId, PeerMode, PinCount,
    ReplicationTarget, RevisedContent, Revision, RevisionLimit, Timestamp, Zone,
};

/// A fact and when it came about, by the tracker's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// What.
    pub fact: Fact,
}

/// Something that a restart must not undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A run of the tracker began.
    EpochBegun(Epoch),
    /// A peer is a member: new, returned, or changed.
    PeerRegistered(Registration),
    /// A peer left or was given up: a restart need not wait for it.
    PeerGone(PeerId),
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
        /// Peers that share the content in place; those known before are kept.
        publishers: Vec<PeerId>,
        /// What the content refers to, when it is the catalog of a collection; the publishers share that too.
        parts: Option<Parts>,
    },
    /// A name is bound to nothing; this is its tombstone.
    Removed {
        /// The name.
        name: Name,
        /// The revision of the tombstone.
        revision: Revision,
    },
    /// What a name was bound to has another name, which was not bound.
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
    /// A peer is used for something else.
    ModeChanged {
        /// Who.
        peer: PeerId,
        /// For what.
        mode: PeerMode,
    },
    /// A peer in maintenance has fallen silent.
    WentAway {
        /// Who.
        peer: PeerId,
        /// What it keeps of named contents, or a part of that.
        holdings: Vec<Holding>,
        /// Whether that is in addition to what was said before.
        is_more: bool,
    },
    /// In a snapshot, after all else: how much history it stands for.
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
        /// Who.
        peer: PeerId,
        /// What.
        seen: Mark,
    },
    /// The operator has seen to what was lost.
    GapAccepted,
}

/// What becomes of the revisions of names, apart from new ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameFact {
    /// So many revisions of every name are remembered from now on. Until this is said, one is: journals that are older
    /// than revisions mean that.
    RevisionsKept(RevisionLimit),
    /// A superseded revision was let go: its contents stay for it no longer.
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
        /// How often that has happened now; odd: it is pinned.
        pins: PinCount,
    },
    /// Of a removed name nothing is remembered any longer; the floor rises to its revision.
    NameForgotten(Name),
    /// In a snapshot: every name that is unknown is at this revision.
    FloorRaised(Revision),
    /// In a snapshot, before what the name is now: one of its earlier revisions.
    Remembered {
        /// The name.
        name: Name,
        /// The revision.
        revision: Revision,
        /// What it was, and what is kept of it.
        past: Past,
    },
}

/// An earlier revision, or the removal that is the newest one of a name with earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    /// It was a removal.
    Removed,
    /// Its contents were let go.
    Collected {
        /// What it was.
        was: RevisedContent,
        /// How often it was pinned and unpinned; even.
        pins: PinCount,
    },
    /// Its contents are kept.
    Kept {
        /// Since when only for a while, unless it is pinned.
        since: Timestamp,
        /// How often it was pinned and unpinned.
        pins: PinCount,
        /// Replicas wanted of every fragment.
        target: ReplicationTarget,
        /// The content.
        manifest: Manifest,
        /// Peers that share the content in place.
        publishers: Vec<PeerId>,
        /// What the content refers to, when it is the catalog of a collection.
        parts: Option<Parts>,
    },
}

/// Where an epoch begins in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochBegin {
    /// The epoch.
    pub epoch: Epoch,
    /// When it began, by the tracker's clock.
    pub at: Timestamp,
    /// Facts until then, its own included.
    pub facts: u64,
}

/// What is remembered of a peer across restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Who it is.
    pub peer: PeerId,
    /// Its latest run.
    pub incarnation: Incarnation,
    /// Where other peers dial it.
    pub address: HostPort,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// Bytes that it lends for replicas in all.
    pub capacity: u64,
}

/// Returns the complaint when an invariant does not hold.
pub(super) fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
