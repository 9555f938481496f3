//! Reasons for which entries make no catalog.

use crate::{Coded, ErrorCode};

/// Entries, or bytes, that make no catalog: which one, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// A name that is empty, `.` or `..`, too long, a path, or has control characters.
    #[error("{path:?} cannot be in a collection: {why}")]
    Name {
        /// The entry, as far as it can be shown.
        path: String,
        /// Fault of the entry.
        why: &'static str,
    },
    /// A path that is longer than file systems allow.
    #[error("{path:?} cannot be in a collection: its path is too long")]
    LongPath {
        /// The entry, as far as it can be shown.
        path: String,
    },
    /// A directory inside too many others.
    #[error("{path:?} cannot be in a collection: it lies in more than {max} directories")]
    TooDeep {
        /// The directory, as far as it can be shown.
        path: String,
        /// The limit.
        max: usize,
    },
    /// Two names in one directory that some file systems cannot tell apart.
    #[error("{path:?} cannot be in a collection: another name beside it differs only in case")]
    CaseClash {
        /// The second of them.
        path: String,
    },
    /// A symbolic link that leads out of the collection, or could.
    #[error("link {path:?} -> {target:?} cannot be in a collection: {why}")]
    Link {
        /// The link.
        path: String,
        /// Target of the link.
        target: String,
        /// Fault of the target.
        why: &'static str,
    },
    /// A file's holes or its place in a part make no sense.
    #[error("file {path:?} cannot be in a collection: {why}")]
    File {
        /// The file.
        path: String,
        /// Fault of the bytes.
        why: &'static str,
    },
    /// Too much of something.
    #[error("a collection may have {max} {what}; split it")]
    TooMany {
        /// Kind of the items.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The bytes are not those that a catalog has.
    #[error("this is no catalog of a collection: {0}")]
    Malformed(&'static str),
    /// The catalog is of a later version.
    #[error("the collection has format {0}, which this program does not know; use a newer one")]
    Version(u8),
}

impl Coded for CatalogError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed(_) => ErrorCode::Corrupt,
            Self::Version(_) => ErrorCode::FailedPrecondition,
            _ => ErrorCode::InvalidArgument,
        }
    }
}
