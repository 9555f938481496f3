//! The store of a peer: verified fragments on disk, and the index of them.
//!
//! [`FragmentStore`] is the one interface. [`DiskStore`] is the real store (SQLite index, data in files);
//! `MemoryStore`, behind the feature `testing`, is its twin for tests; both pass the suite in `conformance`.
//!
//! Invariants: a fragment is *held* only after its bytes were verified, written and synced, in that order.
//! Shared data is either written by the store (assigned, in its own directory, or fetched, in the user's
//! output file) or stays in the user's file (published); there is never a second copy. This crate knows no
//! network.
//!
//! The interface is synchronous because disks are: callers run it on blocking threads.

mod account;
mod additions;
mod belonging;
mod collected;
mod copies;
mod copy_out;
mod disk;
mod error;
mod files;
mod handles;
mod index;
mod kept;
mod layout;
mod looking;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod networks;
mod passing;
mod publications;
mod publish;
mod reading;
mod rebuild;
mod recovery;
mod reserve;
mod restorations;
mod room;
mod salvage;
mod settle;
mod slot;
mod staged_upload;
mod strays;
mod suspension;
mod touched;
mod verify;
mod watching;
mod writing;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use shared::hash::{FragmentProof, VerifiedBlocks};
use shared::model::{BlockSpan, ContentId, FragmentIndex, FragmentSet, Manifest, Name};
use tokio::sync::broadcast;

pub use additions::Addition;
pub use belonging::{Adopted, Belonging};
pub use collected::{VerifiedReader, set_file_metadata, times};
pub use disk::DiskStore;
pub use error::StoreError;
pub use files::{free_on, special_kind};
pub use kept::{is_partial_name, partial_name};
#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryStore;
pub use publications::{Publication, PublicationState};
pub use publish::{HashedFile, read_file};
pub use rebuild::Rebuilt;
pub use room::Room;
pub use staged_upload::StagedUpload;
pub use suspension::Away;
pub use verify::{read_verified, verify_fragment};
pub use watching::Looked;

/// Record of a content that is kept.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Manifest of the content.
    pub manifest: Manifest,
    /// Verified and synced fragments.
    pub held: FragmentSet,
    /// Reasons for which the content is here.
    pub roles: Roles,
    /// Name under which the content was added or fetched; none if it was assigned.
    pub name: Option<Name>,
    /// Place of the data.
    pub place: Place,
    /// Why nothing of it is held at the moment, when the file is away and may come back.
    pub away: Option<Away>,
}

/// Reasons for which a content is here; several may hold at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Added by the user of this peer, shared in place.
    pub published: bool,
    /// Assigned by the tracker.
    pub assigned: bool,
    /// Fetched by the user of this peer.
    pub fetched: bool,
}

impl Roles {
    /// Whether the peer has undertaken to keep the content: only then its fragments count as replicas.
    #[must_use]
    pub const fn keeps(self) -> bool {
        self.published || self.assigned
    }
}

/// Place of a content's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file of the store's own; it counts against the capacity.
    Store,
    /// A file of the user's: a published one, or the complete output of a fetch.
    File(PathBuf),
    /// A partial file beside the output that it will become.
    Partial {
        /// The partial file.
        partial: PathBuf,
        /// The output to which it is renamed when every fragment is held.
        output: PathBuf,
        /// Whether an existing output is replaced then.
        overwrite: bool,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store => f.write_str("store"),
            Self::File(path) | Self::Partial { partial: path, .. } => path.display().fmt(f),
        }
    }
}

/// Purpose for which room for a content is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The tracker assigned these fragments; they go to the store's own file (or to the place that the
    /// content has).
    Assigned(FragmentSet),
    /// The user wants the whole content in this file.
    Fetched {
        /// Name for which the user asked.
        name: Option<Name>,
        /// Absolute path of the file.
        output: PathBuf,
        /// Whether an existing file there may be replaced at the end.
        overwrite: bool,
    },
    /// The content is the catalog or a pack of a collection of the user's: these fragments go to the store's
    /// own file (or to the place that the content has).
    Collected {
        /// Whether the collection was added or fetched.
        role: Role,
        /// Name of the collection.
        name: Option<Name>,
        /// Fragments that are wanted.
        fragments: FragmentSet,
    },
}

/// Room that the peer gives to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in all.
    pub capacity: u64,
    /// Bytes of the capacity that are held or reserved.
    pub used: u64,
}

/// A store of verified fragments. All methods may block on the disk.
pub trait FragmentStore: std::fmt::Debug + Send + Sync + 'static {
    /// Returns the records of all contents that are kept, in order of content ids.
    fn entries(&self) -> Vec<Entry>;

    /// Returns the record of one content.
    fn entry(&self, content: ContentId) -> Option<Entry>;

    /// Makes room for a content, or for more of one that is here already; repeating it changes nothing.
    ///
    /// Reserves capacity before anything is fetched, and admits only what the disk has room for beside all
    /// that is still to come; disk space itself is taken as verified blocks arrive. A content that is here
    /// keeps its place, whatever the purpose: a caller that wanted the content in an output file copies it
    /// out afterwards. (A content of which no fragment is held moves: its file is gone or was changed, or
    /// another output is asked for before anything was fetched. A partial file becomes the output that is
    /// asked for last.) A complete content takes on the fragment length of the manifest; otherwise the
    /// entry's manifest is the valid one.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`], [`StoreError::OutputExists`], [`StoreError::OtherFragments`] (the content is
    /// here in part, in fragments of another length), [`StoreError::InPlace`] (fragments are missing from a
    /// user's file), [`StoreError::Away`] (of an assignment: the content is in a file that is away),
    /// [`StoreError::Io`], [`StoreError::Index`].
    fn prepare(&self, manifest: &Manifest, purpose: Purpose) -> Result<Entry, StoreError>;

    /// Writes verified blocks of a fragment that is not held yet. They are not durable, and the fragment is
    /// not held, before [`Self::commit`]. Late copies of blocks of a held fragment are ignored.
    ///
    /// # Errors
    /// [`StoreError::UnknownContent`], [`StoreError::NotPrepared`], [`StoreError::OtherFragments`],
    /// [`StoreError::InPlace`], [`StoreError::Io`].
    fn write(&self, content: ContentId, blocks: VerifiedBlocks<'_>) -> Result<(), StoreError>;

    /// Makes fragments durable and then held: syncs data, writes and syncs leaves, commits the index. Every
    /// block of each fragment has been written in this run. When the last fragment of a partial file is
    /// committed, the file is moved to its output. Notifies subscribers. The call waits for the disk a few
    /// times, however many fragments there are: several at once are better than each alone.
    ///
    /// # Errors
    /// As [`Self::write`], [`StoreError::NotWritten`], [`StoreError::Changed`] (the file was deleted or
    /// replaced), [`StoreError::Index`]; then no fragment is held. [`StoreError::OutputExists`]: all
    /// fragments are held, but the file could not be moved to its output.
    fn commit(&self, content: ContentId, fragments: &[FragmentProof]) -> Result<(), StoreError>;

    /// Reads blocks of a held fragment, or blocks that were written in this run. They are *not* verified: a
    /// caller that shows them to a user checks them against [`Self::proof`]; a caller that sends them leaves
    /// that to the receiver.
    ///
    /// # Errors
    /// [`StoreError::UnknownContent`], [`StoreError::NotHeld`]; [`StoreError::Changed`],
    /// [`StoreError::Away`], [`StoreError::Damaged`] and [`StoreError::Io`] (fragments that cannot be read
    /// any more have been withdrawn, or their content suspended); [`StoreError::OtherFragments`].
    fn read(&self, content: ContentId, index: FragmentIndex, span: BlockSpan) -> Result<Bytes, StoreError>;

    /// Returns the leaves of a held fragment, proven against its root.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn proof(&self, content: ContentId, index: FragmentIndex) -> Result<FragmentProof, StoreError>;

    /// Withdraws fragments that are damaged: they are no longer held. Their room stays reserved. Notifies
    /// subscribers.
    ///
    /// # Errors
    /// [`StoreError::UnknownContent`], [`StoreError::Index`].
    fn withdraw(&self, content: ContentId, fragments: &FragmentSet) -> Result<(), StoreError>;

    /// Removes one role of a content. A content without roles is forgotten; see [`Self::forget`].
    ///
    /// # Errors
    /// As [`Self::forget`].
    fn release(&self, content: ContentId, role: Role) -> Result<u64, StoreError>;

    /// Forgets a content; returns the bytes of capacity that became free. Deletes the store's own data and a
    /// partial file; a user's file stays. Notifies subscribers.
    ///
    /// # Errors
    /// [`StoreError::UnknownContent`], [`StoreError::Io`], [`StoreError::Index`].
    fn forget(&self, content: ContentId) -> Result<u64, StoreError>;

    /// Takes these roles away from a content, or forgets it when there are none named, unless `is_protected`
    /// says that it stays. On a disk nobody shares the content between that answer and the change: so a file
    /// that is added after its content was protected is never taken for the copy that is to go. Returns the
    /// bytes freed; none when it stays.
    ///
    /// # Errors
    /// As [`Self::forget`].
    fn evict(
        &self,
        content: ContentId,
        roles: Option<&[Role]>,
        is_protected: &dyn Fn() -> bool,
    ) -> Result<Option<u64>, StoreError> {
        if is_protected() {
            return Ok(None);
        }
        let Some(roles) = roles else {
            return self.forget(content).map(Some);
        };
        let mut freed = 0;
        for role in roles {
            match self.release(content, *role) {
                // With its last role it was forgotten.
                Err(StoreError::UnknownContent(_)) => break,
                released => freed += released?,
            }
        }
        Ok(Some(freed))
    }

    /// Gives back the room of these fragments, as far as they were only assigned and are not held; a content
    /// of which nothing is left is forgotten. Nothing writes to the content meanwhile. Notifies subscribers.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Index`].
    fn give_back(&self, content: ContentId, fragments: &FragmentSet) -> Result<(), StoreError>;

    /// Returns the capacity and the used part of it.
    fn usage(&self) -> Usage;

    /// Returns the bytes that the store's disk has free, if it knows.
    fn disk_free(&self) -> Option<u64> {
        None
    }

    /// Whether a content belongs to other networks only than the one that the peer is in: no tracker of this
    /// one is told of it.
    fn is_elsewhere(&self, _content: ContentId) -> bool {
        false
    }

    /// Subscribes to the contents that are gained, lost or changed. A receiver that lags looks at everything.
    fn subscribe(&self) -> broadcast::Receiver<ContentId>;
}

/// One of [`Roles`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// See [`Roles::published`].
    Published,
    /// See [`Roles::assigned`].
    Assigned,
    /// See [`Roles::fetched`].
    Fetched,
}
