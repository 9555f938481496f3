//! Small values under keys: contents under names that begin with a prefix. See [`crate::values`].

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use proto::http::{HttpError, Params, Segment};
use shared::model::{ContentRef, Name};

use super::publishing::{self, PutQuery};
use super::{Api, files};
use crate::operations::access::Access;
use crate::values::{MAX_VALUE, name_of};

pub(super) async fn get(
    State(api): State<Api>,
    Extension(access): Extension<Access>,
    method: Method,
    headers: HeaderMap,
    Segment(key): Segment,
) -> Result<Response, HttpError> {
    files::serve(&api, access, &method, &headers, &ContentRef::Name(name(&key)?)).await
}

pub(super) async fn put(
    State(api): State<Api>,
    Extension(access): Extension<Access>,
    Params(query): Params<PutQuery>,
    headers: HeaderMap,
    Segment(key): Segment,
    body: Body,
) -> Result<Response, HttpError> {
    publishing::publish(&api, access, name(&key)?, query, &headers, body, Some(MAX_VALUE)).await
}

pub(super) async fn delete(
    State(api): State<Api>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    Segment(key): Segment,
) -> Result<Response, HttpError> {
    publishing::remove(&api, access, name(&key)?, &headers).await
}

fn name(key: &str) -> Result<Name, HttpError> {
    name_of(key).map_err(HttpError::invalid)
}
