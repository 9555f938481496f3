//! Absence of a shared file: why its content cannot be served, although nobody gave it up.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::ContentId;

/// The reason for which a shared file is not as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Absence {
    /// Nothing is at its path: it was moved or deleted, or its disk is not mounted.
    Gone,
    /// Another file is at its path, or it was written to.
    Changed,
    /// The node's user may not read it.
    Unreadable,
    /// The system fails to look at it or to read it.
    Failing,
}

impl Absence {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Gone, Self::Changed, Self::Unreadable, Self::Failing];

    /// Returns the code for scripts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::Unreadable => "unreadable",
            Self::Failing => "failing",
        }
    }

    /// Returns words for people, about a file.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Gone => "it is gone, or its disk is not mounted",
            Self::Changed => "it has changed since it was added",
            Self::Unreadable => "the node's user may not read it",
            Self::Failing => "the system fails to read it",
        }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text was the code of no reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no absence of a file has this code")]
pub struct NoAbsence;

impl FromStr for Absence {
    type Err = NoAbsence;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|absence| absence.as_str() == text);
        known.ok_or(NoAbsence)
    }
}

/// News of a file that a peer shares: it is absent, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileNews {
    /// The content that is in the file.
    pub content: ContentId,
    /// The reason; none when the file is back, or is not shared any more.
    pub absence: Option<Absence>,
}

/// A file of the user's with the bytes of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// The file.
    pub path: PathBuf,
    /// Why it cannot be read, or is not as it was.
    pub absence: Option<Absence>,
}

impl LocalFile {
    /// Files of one content that a node lists at most.
    pub const MAX: usize = 64;
}

/// A shared file that is absent; its content is shared again when it is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuspendedFile {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub absence: Absence,
    /// Time for which it has been absent while the node ran.
    pub lasted: Duration,
}

/// The shared files of a node that are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuspendedFiles {
    /// Those that are gone.
    pub gone: u64,
    /// Those that have changed.
    pub changed: u64,
    /// Those that may not be read.
    pub unreadable: u64,
    /// Those that cannot be read.
    pub failing: u64,
    /// Some of them, at most [`SuspendedFiles::NAMED`].
    pub first: Vec<SuspendedFile>,
}

impl SuspendedFiles {
    /// Files that are named.
    pub const NAMED: usize = 8;

    /// Adds a file.
    pub fn add(&mut self, file: SuspendedFile) {
        let count = match file.absence {
            Absence::Gone => &mut self.gone,
            Absence::Changed => &mut self.changed,
            Absence::Unreadable => &mut self.unreadable,
            Absence::Failing => &mut self.failing,
        };
        *count = count.saturating_add(1);
        if self.first.len() < Self::NAMED {
            self.first.push(file);
        }
    }

    /// Number of all of them.
    #[must_use]
    pub const fn count(&self) -> u64 {
        let known = self.gone.saturating_add(self.changed);
        known.saturating_add(self.unreadable).saturating_add(self.failing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_reason_and_only_some_are_named() {
        let mut files = SuspendedFiles::default();
        for absence in Absence::ALL {
            assert_eq!(absence.as_str().parse(), Ok(absence));
            for n in 0..3 {
                files.add(SuspendedFile {
                    path: PathBuf::from(format!("/{n}")),
                    absence,
                    lasted: Duration::ZERO,
                });
            }
        }
        assert_eq!((files.gone, files.failing, files.count()), (3, 3, 12));
        assert_eq!(files.first.len(), SuspendedFiles::NAMED);
        assert!("away".parse::<Absence>().is_err());
    }
}
