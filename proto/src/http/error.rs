//! Errors as every HTTP API of the system tells them: a status, and the body `{"error":{"code","message"}}`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shared::json::ErrorLine;
use shared::{Coded, ErrorCode, describe};

use super::json;
use crate::status::to_http;

/// The way to show the token (RFC 6750).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"enjambre\"");

/// Seconds after which a program that is full or has no tracker may answer: transfers end and sessions begin
/// within such a time.
pub const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// The reason why a request is not answered as it wishes.
#[derive(Debug)]
pub struct HttpError {
    code: ErrorCode,
    status: StatusCode,
    message: String,
    /// The length of the file, when the request asks for a range that the file does not have.
    length: Option<u64>,
}

impl HttpError {
    /// Makes an error with the status of its code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            status: to_http(code),
            message: message.into(),
            length: None,
        }
    }

    /// Makes an error of a request that can never succeed.
    pub fn invalid(message: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidArgument, message.to_string())
    }

    /// Makes an error of a request that lacks the token.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::PermissionDenied, message).with_status(StatusCode::UNAUTHORIZED)
    }

    /// Makes an error of conditions of the request that do not hold.
    pub fn condition(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message).with_status(StatusCode::PRECONDITION_FAILED)
    }

    /// Makes an error of a range that begins after the end of a file of this length.
    #[must_use]
    pub fn range(length: u64) -> Self {
        let message = format!("the file has {length} bytes, the range begins after them");
        let error = Self::invalid(message).with_status(StatusCode::RANGE_NOT_SATISFIABLE);
        Self {
            length: Some(length),
            ..error
        }
    }

    /// Makes an error of a failure of the store. A full store is no fault of the request, and others may be
    /// answered.
    pub fn storing(error: impl Coded) -> Self {
        let is_full = error.code() == ErrorCode::Exhausted;
        let error = Self::from(error);
        match is_full {
            true => error.with_status(StatusCode::INSUFFICIENT_STORAGE),
            false => error,
        }
    }

    /// Answers with a status that fits better than that of the code.
    #[must_use]
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Whether the state that the request supposes is not the current one.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self.code, ErrorCode::Conflict)
    }
}

/// Internal details are logged here, not sent.
impl<E: Coded> From<E> for HttpError {
    fn from(error: E) -> Self {
        let code = error.code();
        if code == ErrorCode::Internal {
            tracing::error!(error = %describe(&error), "internal error");
            return Self::new(code, "internal error; the log of this program has the details");
        }
        Self::new(code, error.to_string())
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let body = ErrorLine::new(self.code.as_str(), self.message);
        let mut response = (self.status, json(body)).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            _ => {}
        }
        if let Some(length) = self.length
            && let Ok(value) = format!("bytes */{length}").parse()
        {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
        response
    }
}
