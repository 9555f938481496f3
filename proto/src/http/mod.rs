//! The parts of HTTP that the three programs share: errors, JSON, pages, the path's last part, ranges and
//! conditions, media types, and the gate that refuses pages of others.
//!
//! Routes, and the question who may change something, are each program's own.

mod conditions;
mod error;
mod gate;
mod media;
mod range;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::messages::Page;

pub use conditions::{Conditions, Verdict};
pub use error::{HttpError, RETRY_AFTER};
pub use gate::{Addresses, Asked, Gate, Origin, OriginError, guard};
pub use media::media_type;
pub use range::range;

use gate::guard_calls;

#[cfg(test)]
fn headers(all: &[(&header::HeaderName, &str)]) -> axum::http::HeaderMap {
    let mut map = axum::http::HeaderMap::new();
    for (name, value) in all {
        map.append((*name).clone(), value.parse().expect("a value"));
    }
    map
}

/// Answers with JSON that is true only now, and ends with a newline, for terminals.
pub fn json(body: impl Serialize) -> Response {
    let Ok(mut text) = serde_json::to_vec(&body) else {
        let error = HttpError::new(shared::ErrorCode::Internal, "the answer is no JSON");
        return error.into_response();
    };
    text.push(b'\n');
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

/// The answer to a method that a path does not have; the router adds `Allow`.
#[must_use]
pub fn method_not_allowed() -> HttpError {
    HttpError::invalid("this path does not take the method; the header Allow lists those that it takes")
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
}

/// Answers every path that has no route with `nothing_here`, and other methods than those of a route with
/// 405.
pub fn with_fallback(routes: Router, nothing_here: &'static str) -> Router {
    routes
        .method_not_allowed_fallback(async || method_not_allowed())
        .fallback(async move || HttpError::new(shared::ErrorCode::NotFound, nothing_here))
}

/// Merges the routes of a program's gRPC services into its HTTP routes, whose fallback stays. gRPC clients
/// read a 404 as "unimplemented", so one answer serves both. No call passes beside the gate.
pub fn with_grpc(routes: Router, grpc: Router, gate: Gate) -> Router {
    let calls = grpc.route_layer(from_fn_with_state(gate, guard_calls));
    routes.merge(calls.reset_fallback())
}

/// The query of a request; an unknown parameter is an error.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        // The library would answer in plain text.
        let refused = |rejection: QueryRejection| {
            let why =
                std::error::Error::source(&rejection).map_or_else(String::new, |why| format!(": {why}"));
            HttpError::invalid(format!("cannot read the query{why}"))
        };
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(params)| Self(params)).map_err(refused)
    }
}

/// The last part of a path, decoded.
#[derive(Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(_) => Err(HttpError::invalid(
                "cannot read the path: it must be UTF-8, with anything else than letters and digits as %XX",
            )),
        }
    }
}

/// The query of a listing.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageQuery {
    /// The beginning of the names that are listed.
    pub prefix: String,
    page_token: String,
    page_size: u32,
}

impl PageQuery {
    /// The page that is asked for.
    #[must_use]
    pub fn page(&self) -> Page {
        Page::new(self.page_token.clone(), self.page_size)
    }
}
