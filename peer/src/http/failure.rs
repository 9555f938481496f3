//! A refusal as every HTTP API of the system tells it: `{"error":{"code","message"}}` and the status that fits.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use proto::RemoteError;
use proto::status::to_http;
use serde::Serialize;
use shared::{Coded, ErrorCode};

/// Why a request is not answered otherwise.
#[derive(Debug)]
pub(super) struct Failure {
    code: ErrorCode,
    status: StatusCode,
    message: String,
    /// Of a range that the file does not have: how long it is.
    length: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Debug, Serialize)]
struct ErrorDetail {
    code: String,
    message: String,
}

impl Failure {
    /// With the status of the code.
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            status: to_http(code),
            message: message.into(),
            length: None,
        }
    }

    pub(super) fn invalid(message: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidArgument, message.to_string())
    }

    /// The same failure with a status that says it better.
    pub(super) const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// There is no room: the request is right, and others may be answered.
    pub(super) fn storing(error: RemoteError) -> Self {
        let is_full = error.code() == ErrorCode::Exhausted;
        let failure = Self::from(error);
        if is_full {
            failure.with_status(StatusCode::INSUFFICIENT_STORAGE)
        } else {
            failure
        }
    }

    /// The conditions of the request do not hold.
    pub(super) fn condition(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message).with_status(StatusCode::PRECONDITION_FAILED)
    }

    /// The file is not as long as the range supposes.
    pub(super) fn range(length: u64) -> Self {
        let mut failure = Self::invalid(format!(
            "the file has {length} bytes, the range begins after them"
        ))
        .with_status(StatusCode::RANGE_NOT_SATISFIABLE);
        failure.length = Some(length);
        failure
    }

    /// What the library says is wrapped, so that only this is ours.
    pub(super) fn query(rejection: &QueryRejection) -> Self {
        let why = std::error::Error::source(rejection).map_or_else(String::new, |why| format!(": {why}"));
        Self::invalid(format!("cannot read the query{why}"))
    }

    /// A part of the path that is no text.
    pub(super) fn path(_: &PathRejection) -> Self {
        Self::invalid(
            "cannot read the path: it must be UTF-8, with anything else than letters and digits as %XX",
        )
    }

    pub(super) const fn is_conflict(&self) -> bool {
        matches!(self.code, ErrorCode::Conflict)
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        let code = error.code();
        if code == ErrorCode::Internal {
            tracing::error!(%error, "internal error");
            return Self::new(code, "internal error; the log of the node has the details");
        }
        Self::new(code, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let error = ErrorDetail {
            code: self.code.to_string(),
            message: self.message,
        };
        let mut response = (self.status, json(ErrorBody { error })).into_response();
        if let Some(length) = self.length
            && let Ok(value) = format!("bytes */{length}").parse()
        {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
        response
    }
}

/// JSON that is true only now.
pub(super) fn json(body: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
