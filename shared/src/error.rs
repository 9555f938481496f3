//! The system's one set of error codes, and their consequences.
//!
//! Modules have `thiserror` enums of their own; only one of these codes and a message cross a border (gRPC,
//! HTTP, a process exit). The mapping to gRPC and HTTP lives in `proto::status`; the exit codes and the retry
//! policy are here because they depend on nothing else.

use std::fmt;

/// Kind of a failure, as far as the other side has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request is malformed or out of bounds; the same request will never succeed.
    InvalidArgument,
    /// The requested object does not exist (or was removed).
    NotFound,
    /// The caller has not proved who it is, or its proof is over: it may call again with a new one.
    Unauthenticated,
    /// The caller may not do this.
    PermissionDenied,
    /// The object exists already, or the revision compared against is not the current one.
    Conflict,
    /// The request is right but the state is not: do something else first.
    FailedPrecondition,
    /// The message comes from an older epoch or incarnation and changed nothing.
    Stale,
    /// No room or no capacity: disk full, over quota, too many requests.
    Exhausted,
    /// The other side cannot be reached, or is not ready.
    Unavailable,
    /// The other side answers and does not know the request: it is another program, or another version.
    Unimplemented,
    /// The call took longer than the caller allowed.
    DeadlineExceeded,
    /// Bytes do not match their digest, or the disk cannot give them back.
    Corrupt,
    /// The caller went away or asked to stop.
    Cancelled,
    /// A defect; details are in the log of the side that failed.
    Internal,
}

impl ErrorCode {
    /// Every code, for exhaustive tests of the mappings.
    pub const ALL: [Self; 14] = [
        Self::InvalidArgument,
        Self::NotFound,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::Conflict,
        Self::FailedPrecondition,
        Self::Stale,
        Self::Exhausted,
        Self::Unavailable,
        Self::Unimplemented,
        Self::DeadlineExceeded,
        Self::Corrupt,
        Self::Cancelled,
        Self::Internal,
    ];

    /// Whether the same request may succeed later without anyone changing it.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::Unimplemented | Self::DeadlineExceeded | Self::Exhausted
        )
    }

    /// Returns the process exit code for scripts.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::InvalidArgument => 2,
            Self::NotFound => 3,
            Self::Unauthenticated | Self::PermissionDenied => 4,
            Self::Conflict | Self::FailedPrecondition | Self::Stale => 5,
            Self::Unavailable | Self::Unimplemented => 6,
            Self::Corrupt => 8,
            Self::Exhausted => 9,
            Self::DeadlineExceeded => 124,
            Self::Cancelled => 130,
        }
    }

    /// The words for the code, as the HTTP APIs and the logs have them.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid argument",
            Self::NotFound => "not found",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission denied",
            Self::Conflict => "conflict",
            Self::FailedPrecondition => "failed precondition",
            Self::Stale => "stale",
            Self::Exhausted => "exhausted",
            Self::Unavailable => "unavailable",
            Self::Unimplemented => "unimplemented",
            Self::DeadlineExceeded => "deadline exceeded",
            Self::Corrupt => "corrupt",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Formats an error and its causes in one line; a message that contains its cause is not followed by the
/// cause again.
#[must_use]
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// An error that knows its [`ErrorCode`].
pub trait Coded: std::error::Error {
    /// Returns the code that the other side of a border receives.
    fn code(&self) -> ErrorCode;
}

/// A failure as it is told across a border: its code, and one line that says what failed, on what, and why.
///
/// Modules that callers tell apart have `thiserror` enums; at a border they all become this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    code: ErrorCode,
    message: String,
}

impl Failure {
    /// Makes a failure with a message that says what failed, on what, and why.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// Makes a failure of an error: its code, and the error and its sources in one line.
    #[must_use]
    pub fn of(error: &impl Coded) -> Self {
        Self::new(error.code(), describe(error))
    }

    /// Says the failure of something.
    #[must_use]
    pub fn context(self, what: impl fmt::Display) -> Self {
        Self {
            code: self.code,
            message: format!("{what}: {}", self.message),
        }
    }
}

impl Coded for Failure {
    fn code(&self) -> ErrorCode {
        self.code
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot {what}")]
    struct Failed {
        what: &'static str,
        source: io::Error,
    }

    #[test]
    fn causes_are_told_once() {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let quiet = Failed {
            what: "open the door",
            source: refused(),
        };
        assert_eq!(describe(&quiet), "cannot open the door: permission denied");
        let chatty = Failed {
            what: "open the door: permission denied",
            source: refused(),
        };
        assert_eq!(describe(&chatty), "cannot open the door: permission denied");
        assert_eq!(ErrorCode::from(&refused()), ErrorCode::PermissionDenied);
    }
}
