//! Why a directory cannot be published or restored.

use std::io;
use std::path::{Path, PathBuf};

use shared::collection::{CatalogError, EntryFault, Unsupported};
use shared::own_data::{OwnData, Owner};
use shared::refusal::{of_place, remedy};
use shared::{Coded, ErrorCode};

use store::StoreError;

/// Why a directory cannot be published or restored.
#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    /// An entry cannot be in a collection, or the bytes are no catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A reason that the user can remove, in words.
    #[error("{0}")]
    Refused(String),
    /// Entries that no collection can have.
    #[error(
        "{} cannot be in a collection: {_0}; --exclude or --skip-unsupported leaves them out{}",
        counted(_0.count), advice(_0)
    )]
    Unsupported(Unsupported),
    /// The user's globs take nothing.
    #[error(
        "nothing in the directory is selected: no path matches --include, or --exclude leaves everything out"
    )]
    NothingSelected,
    /// The collection has no entry there.
    #[error("there is no {0:?} in the directory")]
    NoSuchPath(String),
    /// A file of the collection was changed or removed since it was added.
    #[error("a file of the directory has changed since it was added; add it again")]
    PartGone,
    /// The parts of the collection do not hold the bytes that its catalog names.
    #[error("the collection is broken: {0}; whoever published it should add it again")]
    Broken(String),
    /// Another file is in the place.
    #[error("{} exists already", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// A file is in the place of a directory.
    #[error("{} is in the way of a directory, and is never replaced by one; move it away", path.display())]
    InTheWay {
        /// The place.
        path: PathBuf,
    },
    /// A device, a pipe or a socket is in the place.
    #[error("{} is {kind}, which is never replaced; move it away", path.display())]
    Special {
        /// The place.
        path: PathBuf,
        /// Kind of the thing there, in words.
        kind: &'static str,
    },
    /// The operating system refused to write at the place that the user chose.
    #[error("cannot {act} {}: {source}; {}", path.display(), remedy(source))]
    Place {
        /// The verb.
        act: &'static str,
        /// The place.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The operating system refused.
    #[error("cannot {act} {}: {source}", path.display())]
    Io {
        /// The verb.
        act: &'static str,
        /// The path.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

fn counted(count: u64) -> String {
    match count {
        1 => "1 entry".to_owned(),
        n => format!("{n} entries"),
    }
}

fn advice(unsupported: &Unsupported) -> String {
    let mut advice = String::new();
    if unsupported.has(&[EntryFault::Link]) {
        advice.push_str("; --links keep, skip or follow says what to do with links that lead outside");
    }
    if unsupported.has(&[EntryFault::Case]) {
        advice.push_str("; --case keep takes names that differ only in case");
    }
    advice
}

impl CollectionError {
    /// Makes an error of the operating system's refusal to read a path of the user's.
    pub(super) fn io(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            act,
            path: path.to_owned(),
            source,
        }
    }

    /// Makes an error of the operating system's refusal to write at a place that the user chose.
    pub(super) fn at_place(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists {
                path: path.to_owned(),
            },
            _ => Self::Place {
                act,
                path: path.to_owned(),
                source,
            },
        }
    }
}

impl Coded for CollectionError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Catalog(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Unsupported(unsupported) if unsupported.is_only(EntryFault::Unreadable) => {
                ErrorCode::PermissionDenied
            }
            Self::Refused(_) | Self::Unsupported(_) | Self::Special { .. } => ErrorCode::InvalidArgument,
            Self::PartGone | Self::NothingSelected | Self::NoSuchPath(_) => ErrorCode::NotFound,
            Self::Broken(_) => ErrorCode::Corrupt,
            Self::Exists { .. } => ErrorCode::Conflict,
            Self::InTheWay { .. } => ErrorCode::FailedPrecondition,
            Self::Io { source, .. } => source.into(),
            Self::Place { source, .. } => of_place(source),
        }
    }
}

/// Refuses a file that is in a data directory, by whatever path.
///
/// # Errors
/// When it is.
pub fn require_foreign(path: &Path, own: &Path) -> Result<(), CollectionError> {
    match OwnData::look(own).around(path) {
        Some(owner) => Err(in_data_directory(path, owner)),
        None => Ok(()),
    }
}

/// Refuses a place in a data directory.
pub(super) fn in_data_directory(path: &Path, owner: Owner) -> CollectionError {
    let path = path.to_owned();
    StoreError::OwnData { path, owner }.into()
}
