//! Errors of the store.

use std::path::{Path, PathBuf};

use shared::model::{Absence, ContentId, FragmentIndex, ManifestError};
use shared::own_data::Owner;
use shared::refusal::{of_place, of_sqlite, remedy};
use shared::{Coded, ErrorCode};

/// Advice for an index that cannot be used.
pub(super) const MEND: &str = "put the index and its log back as they were, or have `peer rebuild-index` make a new \
                               index from the fragments";

/// The reason for which the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No fragment of this content is here.
    #[error("nothing of content {0} is held here")]
    UnknownContent(ContentId),
    /// This fragment is not held.
    #[error("fragment {index} of content {content} is not held here")]
    NotHeld {
        /// The content.
        content: ContentId,
        /// The fragment.
        index: FragmentIndex,
    },
    /// No room was made for this fragment: [`FragmentStore::prepare`](super::FragmentStore::prepare) comes
    /// first.
    #[error("no room was made for fragment {index} of content {content}")]
    NotPrepared {
        /// The content.
        content: ContentId,
        /// The fragment.
        index: FragmentIndex,
    },
    /// A fragment was to be committed of which not every block has been written in this run.
    #[error("not every block of fragment {index} of content {content} has been written")]
    NotWritten {
        /// The content.
        content: ContentId,
        /// The fragment.
        index: FragmentIndex,
    },
    /// The content is kept in fragments of another length than the caller means.
    #[error("content {0} is kept in fragments of another length; forget it here first")]
    OtherFragments(ContentId),
    /// Fragments are missing from a user's file, which is never written to.
    #[error(
        "content {content} is kept in {}, which is damaged and not ours to repair; forget it here first",
        path.display()
    )]
    InPlace {
        /// The content.
        content: ContentId,
        /// The user's file.
        path: PathBuf,
    },
    /// The user's file has changed since it was added.
    #[error("{} has changed since it was added; it is no longer shared", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file with the content is away.
    #[error("{}: {}; its content is shared again when it is back", path.display(), absence.words())]
    Away {
        /// The file.
        path: PathBuf,
        /// The reason.
        absence: Absence,
    },
    /// The user's file changed while it was being hashed.
    #[error("{} changed while it was being read; add it again when nothing writes to it", path.display())]
    ChangedWhileRead {
        /// The file.
        path: PathBuf,
    },
    /// Only regular files can be added.
    #[error("{} is {kind}; only regular files can be added", path.display())]
    NotAFile {
        /// The path that was to be added.
        path: PathBuf,
        /// Kind of the file at that path, in words.
        kind: &'static str,
    },
    /// The file cannot be a content.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The caller asked to stop.
    #[error("stopped while reading {}", path.display())]
    Cancelled {
        /// The file that was being read.
        path: PathBuf,
    },
    /// A path leads into the node's data directory, from which nothing is published and to which nothing is
    /// written.
    #[error("{}", owner.refusal(path))]
    OwnData {
        /// The path.
        path: PathBuf,
        /// The owner of the place.
        owner: Owner,
    },
    /// The output of a fetch exists already.
    #[error("{} exists already", path.display())]
    OutputExists {
        /// The file.
        path: PathBuf,
    },
    /// The output of a fetch is something that is no file.
    #[error(
        "{} is {kind}, which is never replaced; write into it with --output - and your shell's `>`",
        path.display()
    )]
    Special {
        /// The output.
        path: PathBuf,
        /// Kind of the thing there, in words.
        kind: &'static str,
    },
    /// Not enough capacity or disk.
    #[error("{needed} bytes do not fit: {available} are left of {of}")]
    NoRoom {
        /// Bytes asked for.
        needed: u64,
        /// Bytes left.
        available: u64,
        /// The resource that is full.
        of: &'static str,
    },
    /// Stored bytes do not match their hash.
    #[error("the stored copy of fragment {index} of content {content} is damaged")]
    Damaged {
        /// The content.
        content: ContentId,
        /// The fragment.
        index: FragmentIndex,
    },
    /// The index or the data directory belongs to another version or another running node.
    #[error("{0}")]
    Unusable(String),
    /// The index is damaged or gone.
    #[error("{0}")]
    Torn(String),
    /// The operating system refused.
    #[error("cannot {act} {}: {source}", path.display())]
    Io {
        /// The action that was tried.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The operating system refused to write at the place that the user chose.
    #[error("cannot {act} {}: {source}; {}", path.display(), remedy(source))]
    Place {
        /// The action that was tried.
        act: &'static str,
        /// The place as the user knows it.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The index refused.
    #[error("the index of the store failed: {0}{advice}", advice = advice(.0))]
    Index(#[source] rusqlite::Error),
}

fn advice(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match (code_of(error), error.sqlite_error_code()) {
        (ErrorCode::Exhausted, _) => "; make room on the disk of the data directory",
        (ErrorCode::PermissionDenied, _) => "; make the data directory writable for this user",
        (_, Some(DatabaseCorrupt | NotADatabase)) => {
            "; have `peer rebuild-index` make a new index from the fragments"
        }
        _ => "",
    }
}

fn code_of(error: &rusqlite::Error) -> ErrorCode {
    let told = error.sqlite_error();
    told.map_or(ErrorCode::Internal, |told| of_sqlite(told.extended_code))
}

impl Coded for StoreError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownContent(_) | Self::NotHeld { .. } => ErrorCode::NotFound,
            Self::OutputExists { .. } => ErrorCode::Conflict,
            Self::NoRoom { .. } => ErrorCode::Exhausted,
            Self::Changed { .. } | Self::ChangedWhileRead { .. } | Self::Damaged { .. } => ErrorCode::Corrupt,
            Self::Away { .. } => ErrorCode::Unavailable,
            Self::NotAFile { .. } | Self::Special { .. } | Self::OwnData { .. } | Self::Manifest(_) => {
                ErrorCode::InvalidArgument
            }
            Self::Cancelled { .. } => ErrorCode::Cancelled,
            Self::Unusable(_)
            | Self::NotPrepared { .. }
            | Self::NotWritten { .. }
            | Self::OtherFragments(_)
            | Self::InPlace { .. } => ErrorCode::FailedPrecondition,
            Self::Io { source, .. } => source.into(),
            Self::Place { source, .. } => of_place(source),
            Self::Torn(_) => ErrorCode::Corrupt,
            Self::Index(error) => code_of(error),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Index(error)
    }
}

impl StoreError {
    /// Says of a refusal of the operating system that it concerns the user's `output`, its directory, or the
    /// file beside it that becomes the output.
    pub(super) fn at_output(self, output: &Path) -> Self {
        let directory = output.parent();
        match self {
            Self::Io { act, path, source }
                if path == output || path.parent() == directory || directory == Some(path.as_path()) =>
            {
                Self::Place {
                    act,
                    path: output.to_owned(),
                    source,
                }
            }
            other => other,
        }
    }

    /// Says of a refusal of the operating system that it concerns the data directory, a place that the user
    /// chose.
    pub(super) fn in_data_directory(self) -> Self {
        match self {
            Self::Io { act, path, source } => Self::Place { act, path, source },
            other => other,
        }
    }

    /// Adds the action and the file to an error of the operating system; for `map_err`.
    pub(super) fn io(act: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            act,
            path: path.to_owned(),
            source,
        }
    }
}
