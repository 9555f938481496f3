//! The place of a join line: an argument or a variable, or a file.

use std::io;
use std::path::{Path, PathBuf};

use shared::ErrorCode;
use shared::security::{JoinLine, JoinLineError};

/// A longer file holds something else than a join line.
const MAX_FILE: u64 = 8192;

/// The place of a join line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinSource {
    /// The line itself.
    Line(JoinLine),
    /// A file that holds it.
    File(PathBuf),
}

/// Reasons for which there is no join line at its place.
#[derive(Debug, thiserror::Error)]
pub enum JoinSourceError {
    /// The file cannot be read.
    #[error("cannot read the join line in {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{}: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: JoinLineError,
    },
}

impl shared::Coded for JoinSourceError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Read { source, .. } => shared::refusal::of_place(source),
            Self::Line { .. } => ErrorCode::InvalidArgument,
        }
    }
}

impl JoinSource {
    /// Reads the line. It blocks for as long as the disk does.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no join line.
    pub fn read(&self) -> Result<JoinLine, JoinSourceError> {
        let path = match self {
            Self::Line(line) => return Ok(line.clone()),
            Self::File(path) => path,
        };
        let text = read(path).map_err(|source| JoinSourceError::Read {
            path: path.clone(),
            source,
        })?;
        text.parse().map_err(|source| JoinSourceError::Line {
            path: path.clone(),
            source,
        })
    }
}

fn read(path: &Path) -> io::Result<String> {
    if std::fs::metadata(path)?.len() > MAX_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    std::fs::read_to_string(path)
}
