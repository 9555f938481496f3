//! Journal: the append-only list of facts that survives a restart, shortened now and then by a snapshot.
//!
//! [`Journal`] is the one interface; [`SqliteJournal`] is the real one, [`MemoryJournal`] its twin for tests;
//! both pass the suite in `conformance`. Invariants: records whose `append` has returned are replayed after
//! any crash, in order, exactly once; a batch is replayed whole or not at all; a snapshot does not change the
//! state that replay leads to; damage is reported, never skipped. The journal does not know what the facts
//! mean.

pub mod codec;
#[cfg(test)]
mod conformance;
mod directory;
mod memory;
mod sqlite;
#[cfg(test)]
mod torn;

use std::path::PathBuf;

use shared::model::NetworkId;
use shared::own_data::Owner;
use shared::refusal::{of_place, of_sqlite, remedy};
use shared::{Coded, ErrorCode};

use crate::state::{Record, Rejection, State};

pub use memory::MemoryJournal;
pub use sqlite::{SqliteJournal, back_up};

/// Durable list of facts. All methods may block on the disk.
///
/// A snapshot is written step by step, so that appending is never held up for long:
/// [`Journal::begin_snapshot`] right after an append, any number of [`Journal::add_to_snapshot`] and appends
/// in between, [`Journal::finish_snapshot`]. A snapshot that was not finished counts for nothing.
pub trait Journal: Send + 'static {
    /// Replays the records that lead to the last state: the last snapshot, then all records appended after
    /// it.
    ///
    /// # Errors
    /// When something cannot be read or is damaged; records that were replayed until then must not be used.
    fn replay(&mut self, take: &mut dyn FnMut(Record)) -> Result<Replayed, JournalError>;

    /// Makes the records durable, all or none.
    ///
    /// # Errors
    /// When that is not certain; the journal must not be appended to any more then.
    fn append(&mut self, records: &[Record]) -> Result<(), JournalError>;

    /// Begins a snapshot that stands for everything appended until now; an unfinished one is given up.
    ///
    /// # Errors
    /// As [`Journal::append`].
    fn begin_snapshot(&mut self) -> Result<(), JournalError>;

    /// Adds the next records to the snapshot that was begun.
    ///
    /// # Errors
    /// As [`Journal::append`].
    fn add_to_snapshot(&mut self, records: &[Record]) -> Result<(), JournalError>;

    /// Finishes the snapshot, which takes the place of the records that it stands for.
    ///
    /// # Errors
    /// As [`Journal::append`].
    fn finish_snapshot(&mut self) -> Result<(), JournalError>;

    /// Deletes some of the records that a snapshot has replaced; returns whether there are more.
    ///
    /// # Errors
    /// As [`Journal::append`].
    fn tidy(&mut self) -> Result<bool, JournalError>;
}

/// Numbers of replayed records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Records of the snapshot.
    pub from_snapshot: u64,
    /// Records appended since.
    pub since_snapshot: u64,
}

/// Replays the journal.
///
/// # Errors
/// When it cannot be read, or contradicts itself: then the state is not to be used.
pub fn replay(journal: &mut dyn Journal, state: &mut State) -> Result<Replayed, JournalError> {
    let (mut number, mut contradiction) = (0, None);
    let replayed = journal.replay(&mut |record| {
        number += 1;
        if contradiction.is_none()
            && let Err(why) = state.replay(record)
        {
            contradiction = Some(JournalError::Contradiction { number, why });
        }
    })?;
    contradiction.map_or(Ok(replayed), Err)
}

/// Reason for which the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another tracker runs on the data directory.
    #[error("another tracker is running on the data directory {}; stop it or choose another --data-dir", .0.display())]
    InUse(PathBuf),
    /// A peer has its data in the directory.
    #[error("{} is the data directory of a peer; choose another with --data-dir", .0.display())]
    OfPeer(PathBuf),
    /// The directory has something that is not a tracker's.
    #[error(
        "{} is no data directory of a tracker, and not empty: {} is there; choose another with --data-dir",
        .0.display(), .1.display()
    )]
    OfUser(PathBuf, PathBuf),
    /// There is no journal in the directory.
    #[error("there is no journal in {}; give the data directory of a tracker", .0.display())]
    Missing(PathBuf),
    /// The target of a backup is in a data directory.
    #[error("{}", .1.refusal(.0))]
    Inside(PathBuf, Owner),
    /// The target of a backup exists.
    #[error("{} exists already; back up into a directory of its own", .0.display())]
    Exists(PathBuf),
    /// The directory cannot be used.
    #[error("cannot {act} {}: {source}; {}", path.display(), remedy(source))]
    Io {
        /// The operation.
        act: &'static str,
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file was written by another version of this program, or by another program.
    #[error("{} is of version {found}, this tracker reads version {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The message.
        found: i64,
        /// The version that this program writes.
        expected: i64,
    },
    /// The file does not contain what was written to it.
    #[error("the journal {} is damaged: {what}; restore the data directory from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage, and its place.
        what: String,
    },
    /// A fact is about something that the facts before it do not know.
    #[error(
        "the journal contradicts itself: fact {number}: {why}; nothing was changed. Keep the data directory, start on a \
         backup that passes `tracker check`, and report it"
    )]
    Contradiction {
        /// Number of the fact among those that are replayed.
        number: u64,
        /// The fact, and what is wrong with it.
        why: String,
    },
    /// A number of the journal is the last one that there is.
    #[error("{0}")]
    UsedUp(Rejection),
    /// The journal is that of another network than the one that was named.
    #[error("this is the journal of network {0}; an id is given only to a journal that has none")]
    Named(NetworkId),
    /// The database engine failed.
    #[error("the journal {} failed: {source}{}", path.display(), advice(source))]
    Engine {
        /// The file.
        path: PathBuf,
        /// The message.
        source: rusqlite::Error,
    },
}

fn advice(source: &rusqlite::Error) -> &'static str {
    match code_of(source) {
        ErrorCode::Exhausted => {
            "; make room and start the tracker again: what was acknowledged is in the journal"
        }
        ErrorCode::PermissionDenied => "; make the data directory writable for this user",
        _ => "",
    }
}

fn code_of(error: &rusqlite::Error) -> ErrorCode {
    let told = error.sqlite_error();
    told.map_or(ErrorCode::Internal, |told| of_sqlite(told.extended_code))
}

impl Coded for JournalError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Missing(_) => ErrorCode::NotFound,
            Self::Exists(_) => ErrorCode::Conflict,
            Self::Inside(..) => ErrorCode::InvalidArgument,
            Self::InUse(_) | Self::OfPeer(_) | Self::OfUser(..) | Self::Version { .. } | Self::Named(_) => {
                ErrorCode::FailedPrecondition
            }
            Self::Io { source, .. } => of_place(source),
            Self::Damaged { .. } | Self::Contradiction { .. } | Self::UsedUp(_) => ErrorCode::Corrupt,
            Self::Engine { source, .. } => code_of(source),
        }
    }
}
