//! What a peer holds: verified fragments on disk, and the index that says so.
//!
//! [`FragmentStore`] is the one interface; [`DiskStore`] is the real one (SQLite index, data in files),
//! [`MemoryStore`] its twin for tests; both pass the suite in `conformance`.
//!
//! Invariants: a fragment is *held* only after its bytes were verified, written and synced, in that order. Data that
//! others share is either written by the store (assigned, in its own directory, or fetched, in the user's output
//! file) or stays in the user's file (published); there is never a second copy. Nothing here knows the network.
//!
//! The interface is synchronous because disks are: callers run it on blocking threads.

mod attempt;
mod collected;
mod disk;
mod error;
mod export;
mod files;
mod fragment_io;
mod handles;
mod index;
mod kept;
mod layout;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod publications;
mod publish;
mod recovery;
mod room;
mod settle;
mod slot;
mod staged_upload;
mod verify;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use bytes::Bytes;
use shared::hash::{FragmentProof, VerifiedBlocks};
use shared::model::{BlockSpan, ContentId, FragmentIndex, FragmentSet, Manifest, Name};
use tokio::sync::broadcast;

pub use attempt::{Next, Publication, PublicationState, is_final};
pub use collected::VerifiedReader;
pub use collected::{dress_file, times};
pub use disk::DiskStore;
pub use error::StoreError;
#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryStore;
pub use staged_upload::StagedUpload;
pub use verify::verify_fragment;

/// What is kept of one content.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the content is made of.
    pub manifest: Manifest,
    /// Verified and synced fragments.
    pub held: FragmentSet,
    /// Why it is here.
    pub roles: Roles,
    /// The name that it was added or fetched under; none for assigned ones.
    pub name: Option<Name>,
    /// Where the data is.
    pub place: Place,
}

/// Why a content is here; several reasons may hold at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Added by the user of this peer, shared in place.
    pub published: bool,
    /// Held by the tracker's order.
    pub assigned: bool,
    /// Fetched by the user of this peer.
    pub fetched: bool,
}

impl Roles {
    /// Whether the peer has undertaken to keep what it holds: only then it counts as a replica.
    #[must_use]
    pub const fn keeps(self) -> bool {
        self.published || self.assigned
    }
}

/// Where the data of a content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file of the store's own; it counts against the capacity.
    Store,
    /// In a file of the user's: a published one, or the complete output of a fetch.
    File(PathBuf),
    /// In a partial file beside the output that it will become.
    Partial {
        /// What is being written.
        partial: PathBuf,
        /// What it will be renamed to when every fragment is held.
        output: PathBuf,
        /// Whether an existing output is to be replaced then.
        overwrite: bool,
    },
}

/// Why room for a content is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The tracker ordered these fragments; they go to the store's own file (or wherever the content already is).
    Assigned(FragmentSet),
    /// The user wants all of it in this file.
    Fetched {
        /// What the user asked for.
        name: Option<Name>,
        /// Where it goes: an absolute path.
        output: PathBuf,
        /// Whether an existing file there may be replaced at the end.
        overwrite: bool,
    },
    /// It is the catalog or a pack of a collection of the user's: these fragments go to the store's own file (or wherever the
    /// content already is).
    Collected {
        /// Whether it was added or fetched.
        role: Role,
        /// The collection's name.
        name: Option<Name>,
        /// What is wanted.
        fragments: FragmentSet,
    },
}

/// Room lent to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes lent in all.
    pub capacity: u64,
    /// Bytes held or reserved of that.
    pub used: u64,
}

/// Verified fragments and what is known about them. All methods may block on the disk.
pub trait FragmentStore: std::fmt::Debug + Send + Sync + 'static {
    /// Everything that is kept, in order of content ids.
    fn entries(&self) -> Vec<Entry>;

    /// What is kept of one content.
    fn entry(&self, content: ContentId) -> Option<Entry>;

    /// Makes room for a content, or for more of one that is here already; repeating it changes nothing.
    ///
    /// Reserves capacity and disk before anything is fetched. A content that is here keeps its place, whatever
    /// the purpose: a caller that wanted it in an output file exports it afterwards. (Unless nothing of it is held
    /// there: its file is gone or was changed, or another output is asked for before anything was fetched.) A complete
    /// content takes on the fragment length of the manifest; otherwise the entry's manifest is the one to go by.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`], [`StoreError::OutputExists`], [`StoreError::OtherFragments`] (it is here in part, in
    /// fragments of another length), [`StoreError::InPlace`] (fragments are missing from a user's file),
    /// [`StoreError::Io`], [`StoreError::Index`].
    fn prepare(&self, manifest: &Manifest, purpose: Purpose) -> Result<Entry, StoreError>;

    /// Writes verified blocks of a fragment that is not held yet. They are not durable, and the fragment is not held,
    /// before [`Self::commit`]. Late copies of blocks of a held fragment are let go.
    ///
    /// # Errors
    /// [`StoreError::UnknownContent`], [`StoreError::NotPrepared`], [`StoreError::OtherFragments`],
    /// [`StoreError::InPlace`], [`StoreError::Io`].
    fn write(&self, content: ContentId, blocks: VerifiedBlocks<'_>) -> Result<(), StoreError>;

    /// Makes fragments durable and then held: syncs data, writes and syncs leaves, commits the index. Every block of
    /// each of them has been written in this run. When the last fragment of a partial file is committed, the file
    /// is moved to its output. Subscribers are told. It waits for the disk a few times however many fragments there
    /// are: better several at once than each alone.
    ///
    /// # Errors
    /// As [`Self::write`], [`StoreError::NotWritten`], [`StoreError::Changed`] (the file was deleted or replaced),
    /// [`StoreError::Index`]; then none of them is held. [`StoreError::OutputExists`]: all are held, but the file could
    /// not be moved to its output.
    fn commit(&self, content: ContentId, fragments: &[FragmentProof]) -> Result<(), StoreError>;

    /// Reads blocks of a held fragment, or blocks that were written in this run. They are *not* verified: whoever shows them to someone checks them against
    /// [`Self::proof`], or sends them to someone who will.
    ///
    /// # Errors
    /// [`StoreError::UnknownContent`], [`StoreError::NotHeld`]; [`StoreError::Changed`] and [`StoreError::Damaged`] (what
    /// cannot be read any more has been withdrawn); [`StoreError::OtherFragments`], [`StoreError::Io`].
    fn read(&self, content: ContentId, index: FragmentIndex, span: BlockSpan) -> Result<Bytes, StoreError>;

    /// The leaves of a held fragment, proven against its root.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn proof(&self, content: ContentId, index: FragmentIndex) -> Result<FragmentProof, StoreError>;

    /// Holds these fragments no longer (they are damaged); their room stays reserved. Subscribers are told.
    ///
    /// # Errors
    /// [`StoreError::UnknownContent`], [`StoreError::Index`].
    fn withdraw(&self, content: ContentId, fragments: &FragmentSet) -> Result<(), StoreError>;

    /// Takes away one role. A content without roles is forgotten; see [`Self::forget`].
    ///
    /// # Errors
    /// As [`Self::forget`].
    fn release(&self, content: ContentId, role: Role) -> Result<u64, StoreError>;

    /// Keeps nothing of a content any longer; returns the bytes of capacity that became free. The store's own data
    /// is deleted, as is a partial file; a user's file stays. Subscribers are told.
    ///
    /// # Errors
    /// [`StoreError::UnknownContent`], [`StoreError::Io`], [`StoreError::Index`].
    fn forget(&self, content: ContentId) -> Result<u64, StoreError>;

    /// Capacity and what is used of it.
    fn usage(&self) -> Usage;

    /// Tells which contents were gained, lost or changed from now on. A receiver that lags looks at everything.
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
