//! The parts of HTTP that the three programs share: errors, JSON, pages, the path's last part, ranges and
//! conditions.
//!
//! Routes, and the question who may ask, are each program's own.

mod conditions;
mod error;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::messages::Page;

pub use conditions::{Conditions, Verdict, range};
pub use error::HttpError;

/// Answers with JSON that is true only now.
pub fn json(body: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Allows pages of other origins, such as the webserver's, to read a response.
#[must_use]
pub fn for_any_origin(mut response: Response) -> Response {
    let any = HeaderValue::from_static("*");
    response
        .headers_mut()
        .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    response
}

/// Answers every path that has no route with `nothing_here`.
pub fn with_fallback(routes: Router, nothing_here: &'static str) -> Router {
    routes.fallback(async move || HttpError::new(shared::ErrorCode::NotFound, nothing_here))
}

/// Merges the routes of a program's gRPC services into its HTTP routes, whose fallback stays. gRPC clients
/// read a 404 as "unimplemented", so one answer serves both.
pub fn with_grpc(routes: Router, grpc: Router) -> Router {
    routes.merge(grpc.reset_fallback())
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
