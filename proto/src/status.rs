//! The one mapping between error codes, gRPC statuses and HTTP statuses.
//!
//! The gRPC column is injective, so a code survives the wire without any header of our own.

use shared::{Coded, ErrorCode, describe};
use tonic::{Code, Status};

/// An error that the other side of a call reported, or that the call itself met with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RemoteError {
    code: ErrorCode,
    message: String,
}

impl RemoteError {
    /// Makes an error; the message says what failed, on what, and why.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// Puts the object of the failure before the message.
    #[must_use]
    pub fn context(self, what: impl std::fmt::Display) -> Self {
        Self {
            code: self.code,
            message: format!("{what}: {}", self.message),
        }
    }
}

impl Coded for RemoteError {
    fn code(&self) -> ErrorCode {
        self.code
    }
}

impl From<Status> for RemoteError {
    fn from(status: Status) -> Self {
        // A call that failed on the way carries the local cause; its own code only tells how far the call
        // got.
        let is_local = std::error::Error::source(&status).is_some();
        let code = match status.code() {
            Code::Unknown | Code::Internal | Code::Cancelled if is_local => ErrorCode::Unavailable,
            code => from_grpc(code),
        };
        let message = match (status.message(), std::error::Error::source(&status)) {
            ("", _) => code.to_string(),
            (text, None) => text.to_owned(),
            // A local failure: its cause explains it.
            (_, Some(cause)) => describe(cause),
        };
        Self { code, message }
    }
}

impl From<RemoteError> for Status {
    fn from(error: RemoteError) -> Self {
        to_status(&error)
    }
}

/// Returns the status that a gRPC client receives for an error. Internal details are logged here, not sent.
#[must_use]
pub fn to_status(error: &impl Coded) -> Status {
    let code = error.code();
    if code == ErrorCode::Internal {
        tracing::error!(error = %describe(error), "internal error");
        return Status::new(
            Code::Internal,
            "internal error; the log of this program has the details",
        );
    }
    Status::new(to_grpc(code), describe(error))
}

/// The gRPC code of an error code.
#[must_use]
pub const fn to_grpc(code: ErrorCode) -> Code {
    match code {
        ErrorCode::InvalidArgument => Code::InvalidArgument,
        ErrorCode::NotFound => Code::NotFound,
        ErrorCode::PermissionDenied => Code::PermissionDenied,
        ErrorCode::Conflict => Code::AlreadyExists,
        ErrorCode::FailedPrecondition => Code::FailedPrecondition,
        ErrorCode::Stale => Code::Aborted,
        ErrorCode::Exhausted => Code::ResourceExhausted,
        ErrorCode::Unavailable => Code::Unavailable,
        ErrorCode::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorCode::Corrupt => Code::DataLoss,
        ErrorCode::Cancelled => Code::Cancelled,
        ErrorCode::Internal => Code::Internal,
    }
}

/// The error code of a gRPC code.
#[must_use]
pub const fn from_grpc(code: Code) -> ErrorCode {
    match code {
        Code::InvalidArgument | Code::OutOfRange => ErrorCode::InvalidArgument,
        Code::NotFound => ErrorCode::NotFound,
        Code::PermissionDenied | Code::Unauthenticated => ErrorCode::PermissionDenied,
        Code::AlreadyExists => ErrorCode::Conflict,
        Code::FailedPrecondition => ErrorCode::FailedPrecondition,
        Code::Aborted => ErrorCode::Stale,
        Code::ResourceExhausted => ErrorCode::Exhausted,
        // Unimplemented: it is there, but it is another program, or another version, than the one that was
        // meant.
        Code::Unavailable | Code::Unimplemented => ErrorCode::Unavailable,
        Code::DeadlineExceeded => ErrorCode::DeadlineExceeded,
        Code::DataLoss => ErrorCode::Corrupt,
        Code::Cancelled => ErrorCode::Cancelled,
        Code::Ok | Code::Unknown | Code::Internal => ErrorCode::Internal,
    }
}

/// The HTTP status of an error code.
#[must_use]
pub const fn to_http(code: ErrorCode) -> http::StatusCode {
    use http::StatusCode;
    match code {
        ErrorCode::InvalidArgument => StatusCode::BAD_REQUEST,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorCode::Conflict | ErrorCode::Stale => StatusCode::CONFLICT,
        ErrorCode::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
        ErrorCode::Exhausted => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable | ErrorCode::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::Corrupt | ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire() {
        for code in ErrorCode::ALL {
            assert_eq!(from_grpc(to_grpc(code)), code);
            assert!(to_http(code).is_client_error() || to_http(code).is_server_error());
        }
    }

    #[test]
    fn internal_details_are_not_sent() {
        let status = to_status(&RemoteError::new(ErrorCode::Internal, "a secret path"));
        assert!(!status.message().contains("secret"));
        let status = to_status(&RemoteError::new(ErrorCode::NotFound, "no name \"x\""));
        assert_eq!(status.message(), "no name \"x\"");
    }
}
