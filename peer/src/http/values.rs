//! Small values under keys: contents under names that begin with a prefix. See [`crate::values`].

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use shared::model::{ContentRef, Name};

use super::failure::Failure;
use super::gate::Right;
use super::publishing::{self, PutQuery};
use super::{Api, Segment, files};
use crate::values::{MAX_VALUE, name_of};

pub(super) async fn get(
    State(api): State<Api>,
    Extension(right): Extension<Right>,
    method: Method,
    headers: HeaderMap,
    key: Segment,
) -> Result<Response, Failure> {
    files::serve(&api, right, &method, &headers, &ContentRef::Name(name(key)?)).await
}

pub(super) async fn put(
    State(api): State<Api>,
    Extension(right): Extension<Right>,
    query: Result<Query<PutQuery>, QueryRejection>,
    headers: HeaderMap,
    key: Segment,
    body: Body,
) -> Result<Response, Failure> {
    publishing::publish(&api, right, name(key)?, query, &headers, body, Some(MAX_VALUE)).await
}

pub(super) async fn delete(
    State(api): State<Api>,
    Extension(right): Extension<Right>,
    headers: HeaderMap,
    key: Segment,
) -> Result<Response, Failure> {
    publishing::remove(&api, right, name(key)?, &headers).await
}

fn name(key: Segment) -> Result<Name, Failure> {
    let key = key.map_err(|rejection| Failure::path(&rejection))?.0;
    name_of(&key).map_err(Failure::invalid)
}
