//! Exit codes, in one place, and the failure that carries one.
//!
//! Scripts rely on the numbers. A node's error arrives as an [`ErrorCode`] and keeps its exit code; [`Exit`]
//! adds the endings that only the command line knows (incomplete, target not met).

use std::{fmt, io};

use shared::language::{self, Language};
use shared::{Coded, ErrorCode};

use crate::words;

/// The endings of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// The command did its work.
    Done,
    /// A defect.
    Internal,
    /// The command line, the environment, the configuration file or a request makes no sense.
    Usage,
    /// No such name, content or file.
    NotFound,
    /// The caller lacks the right.
    NotAllowed,
    /// The object exists already, or its state does not allow the operation.
    Conflict,
    /// The node, the tracker or other peers cannot be reached.
    Unreachable,
    /// A fragment has no live holder: the content cannot be completed now.
    Incomplete,
    /// Bytes do not match their digest, or the disk cannot give them back.
    Integrity,
    /// The disk is full, or the capacity lent is used up.
    Full,
    /// The content is published, but did not get its replicas in the given time.
    TargetNotMet,
    /// `--timeout` ran out.
    TimedOut,
    /// SIGINT or SIGTERM.
    Interrupted,
}

impl Exit {
    /// Every ending, for exhaustive tests.
    pub const ALL: [Self; 13] = [
        Self::Done,
        Self::Internal,
        Self::Usage,
        Self::NotFound,
        Self::NotAllowed,
        Self::Conflict,
        Self::Unreachable,
        Self::Incomplete,
        Self::Integrity,
        Self::Full,
        Self::TargetNotMet,
        Self::TimedOut,
        Self::Interrupted,
    ];

    /// The exit code of the process.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::NotAllowed => 4,
            Self::Conflict => 5,
            Self::Unreachable => 6,
            Self::Incomplete => 7,
            Self::Integrity => 8,
            Self::Full => 9,
            Self::TargetNotMet => 10,
            Self::TimedOut => 124,
            Self::Interrupted => 130,
        }
    }

    /// The `code` of a JSON error.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::NotAllowed => "not_allowed",
            Self::Conflict => "conflict",
            Self::Unreachable => "unreachable",
            Self::Incomplete => "incomplete",
            Self::Integrity => "integrity",
            Self::Full => "full",
            Self::TargetNotMet => "target_not_met",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<ErrorCode> for Exit {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::InvalidArgument => Self::Usage,
            ErrorCode::NotFound => Self::NotFound,
            ErrorCode::Unauthenticated | ErrorCode::PermissionDenied => Self::NotAllowed,
            ErrorCode::Conflict | ErrorCode::FailedPrecondition | ErrorCode::Stale => Self::Conflict,
            ErrorCode::Unavailable | ErrorCode::Unimplemented => Self::Unreachable,
            ErrorCode::Corrupt => Self::Integrity,
            ErrorCode::Exhausted => Self::Full,
            ErrorCode::DeadlineExceeded => Self::TimedOut,
            ErrorCode::Cancelled => Self::Interrupted,
            ErrorCode::Internal => Self::Internal,
        }
    }
}

impl From<&io::Error> for Exit {
    fn from(error: &io::Error) -> Self {
        ErrorCode::from(error).into()
    }
}

/// A failed command: one line with the operation, its object, the reason and some advice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    exit: Exit,
    /// The error's code, of an error that has one: several codes have the same ending.
    code: Option<ErrorCode>,
    message: String,
}

impl Failure {
    /// A failure with a message of the command line itself.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: None,
            message: message.into(),
        }
    }

    /// `cannot WHAT: WHY`, with the ending that follows from the error's code.
    ///
    /// Errors are English. In Spanish the words of another program are a quotation after the error's kind.
    #[must_use]
    pub fn of(what: impl fmt::Display, error: &impl Coded) -> Self {
        Self {
            code: Some(error.code()),
            ..Self::new(error.code().into(), words::cannot(what, words::error(error)))
        }
    }

    /// Adds advice, unless the message has some already.
    #[must_use]
    pub fn hint(mut self, advice: &str) -> Self {
        // Advice in a quotation is English; repeat it in the language in force.
        let own_words = match language::current() {
            Language::English => self.message.as_str(),
            Language::Spanish => self.message.rsplit('»').next().unwrap_or_default(),
        };
        if !own_words.contains("; ") {
            self.message = format!("{}; {advice}", self.message);
        }
        self
    }

    /// Adds advice to a failure with this ending.
    #[must_use]
    pub fn hint_for(self, exit: Exit, advice: &str) -> Self {
        if self.exit == exit {
            self.hint(advice)
        } else {
            self
        }
    }

    /// Whether the error had this code.
    #[must_use]
    pub fn has_code(&self, code: ErrorCode) -> bool {
        self.code == Some(code)
    }

    /// Adds advice to a failure with this code.
    #[must_use]
    pub fn hint_for_code(self, code: ErrorCode, advice: &str) -> Self {
        if self.has_code(code) {
            self.hint(advice)
        } else {
            self
        }
    }

    /// Whether something is in the way that the user could have replaced.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.has_code(ErrorCode::Conflict)
    }

    /// The ending.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proto::RemoteError;

    use super::*;

    #[test]
    fn the_exit_codes_are_the_ones_promised() {
        let table = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 124, 130];
        assert_eq!(Exit::ALL.map(Exit::status), table);
        let codes: HashSet<_> = Exit::ALL.map(Exit::code).into();
        assert_eq!(codes.len(), Exit::ALL.len(), "a code names one ending");
    }

    #[test]
    fn what_a_node_reports_keeps_its_exit_code() {
        for code in ErrorCode::ALL {
            assert_eq!(Exit::from(code).status(), code.exit_code(), "{code}");
        }
    }

    #[test]
    fn a_failure_says_what_why_and_what_to_do_once() {
        let error = RemoteError::new(ErrorCode::NotFound, "no name \"x\"");
        let failure = Failure::of("remove x", &error).hint("`peer list` shows the names");
        assert_eq!(
            failure.to_string(),
            "cannot remove x: no name \"x\"; `peer list` shows the names"
        );
        assert_eq!(failure.clone().hint("try again"), failure);
        let taken = |code| Failure::of("add x", &RemoteError::new(code, "refused"));
        let advised = |code| taken(code).hint_for_code(ErrorCode::Conflict, "--update");
        assert!(advised(ErrorCode::Conflict).to_string().ends_with("--update"));
        let other = taken(ErrorCode::FailedPrecondition);
        assert_eq!(
            advised(ErrorCode::FailedPrecondition),
            other,
            "the same ending, another reason"
        );
        assert_eq!(other.exit(), taken(ErrorCode::Conflict).exit());
        assert_eq!(failure.exit().status(), 3);
    }

    #[test]
    fn in_spanish_only_the_words_of_others_are_quoted() {
        let _spanish = language::here(Language::Spanish);
        let error = RemoteError::new(ErrorCode::NotFound, "no name \"x\"");
        assert_eq!(
            Failure::of("retirar x", &error).to_string(),
            "no se puede retirar x: no hay ningún nombre \"x\""
        );
        let error = RemoteError::new(ErrorCode::NotFound, "x has gone; `peer list` shows them");
        let failure = Failure::of("retirar x", &error);
        let told = "no se puede retirar x: no existe: «x has gone; `peer list` shows them»";
        assert_eq!(failure.to_string(), told);
        let hinted = failure.hint("`peer list` muestra los nombres");
        assert_eq!(
            hinted.to_string(),
            format!("{told}; `peer list` muestra los nombres")
        );
        assert_eq!(hinted.clone().hint("otra cosa"), hinted);
    }
}
