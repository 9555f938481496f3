//! The one mapping between error codes, gRPC statuses and HTTP statuses.
//!
//! The gRPC column is injective, so a code survives the wire without any header of our own.

use shared::{Coded, ErrorCode, Failure, describe};
use tonic::{Code, Status};

/// A failure that the other side of a call reported, or that the call itself met with.
pub type RemoteError = Failure;

/// Reads a status as a failure. The code of a call that failed on the way says only how far it had come: its
/// cause is reported instead.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub fn from_status(status: Status) -> RemoteError {
    let cause = std::error::Error::source(&status);
    let code = match status.code() {
        Code::Unknown | Code::Internal | Code::Cancelled if cause.is_some() => ErrorCode::Unavailable,
        code => from_grpc(code),
    };
    let message = match (status.message(), cause) {
        ("", _) => code.to_string(),
        (text, None) => text.to_owned(),
        (_, Some(cause)) => describe(cause),
    };
    Failure::new(code, message)
}

/// Returns the status that a gRPC client receives for an error. Internal details are logged here and not
/// sent.
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
        ErrorCode::Unauthenticated => Code::Unauthenticated,
        ErrorCode::PermissionDenied => Code::PermissionDenied,
        ErrorCode::Conflict => Code::AlreadyExists,
        ErrorCode::FailedPrecondition => Code::FailedPrecondition,
        ErrorCode::Stale => Code::Aborted,
        ErrorCode::Exhausted => Code::ResourceExhausted,
        ErrorCode::Unavailable => Code::Unavailable,
        ErrorCode::Unimplemented => Code::Unimplemented,
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
        Code::Unauthenticated => ErrorCode::Unauthenticated,
        Code::PermissionDenied => ErrorCode::PermissionDenied,
        Code::AlreadyExists => ErrorCode::Conflict,
        Code::FailedPrecondition => ErrorCode::FailedPrecondition,
        Code::Aborted => ErrorCode::Stale,
        Code::ResourceExhausted => ErrorCode::Exhausted,
        Code::Unavailable => ErrorCode::Unavailable,
        Code::Unimplemented => ErrorCode::Unimplemented,
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
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorCode::Conflict | ErrorCode::Stale => StatusCode::CONFLICT,
        ErrorCode::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
        ErrorCode::Exhausted => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable | ErrorCode::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Unimplemented => StatusCode::NOT_IMPLEMENTED,
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
