//! Reading files: a name, an id, or a path in a collection; whole or a range of it.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use shared::ErrorCode;
use shared::model::{ContentRef, Name};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tracing::debug;

use super::conditions::{self, Conditions, Verdict};
use super::failure::Failure;
use super::gate::Right;
use super::{Api, Segment};
use crate::outflow::{Found, Patience};
use crate::rpc::control::get;

/// Longer than a holder takes to restart or the tracker to find others; shorter than clients and proxies wait. And a client
/// that takes nothing for so long is left.
const PATIENCE: Patience = Patience {
    sources: Some(Duration::from_secs(45)),
    taker: Some(Duration::from_secs(60)),
};

/// What only the bytes that are found have.
fn tag(found: &Found) -> String {
    let (content, span) = (found.manifest.content(), &found.span);
    if *span == (0..found.manifest.length()) {
        content.to_string()
    } else {
        format!("{content}-{}-{}", span.start, span.end)
    }
}

pub(super) async fn get(
    State(api): State<Api>,
    Extension(right): Extension<Right>,
    method: Method,
    headers: HeaderMap,
    name: Segment,
) -> Result<Response, Failure> {
    serve(&api, right, &method, &headers, &reference(name)?).await
}

/// A name or id from a path.
pub(super) fn reference(segment: Segment) -> Result<ContentRef, Failure> {
    let path = segment.map_err(|rejection| Failure::path(&rejection))?.0;
    match path.parse() {
        Ok(id) => Ok(ContentRef::Id(id)),
        Err(_) => Name::new(path).map(ContentRef::Name).map_err(Failure::invalid),
    }
}

/// Answers with the file, or the part of it that is asked for, or with what says that it has not changed.
pub(super) async fn serve(
    api: &Api,
    right: Right,
    method: &Method,
    headers: &HeaderMap,
    asked: &ContentRef,
) -> Result<Response, Failure> {
    let conditions = Conditions::of(headers)?;
    let found = find(api, right, asked).await?;
    let (tag, length) = (tag(&found), found.span.end - found.span.start);
    let quoted = format!("\"{tag}\"");
    match conditions.judge(Some(&tag)) {
        Verdict::Go => {}
        Verdict::Excluded => return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, quoted)]).into_response()),
        Verdict::Other => return Err(Failure::condition(format!("{asked} is another content now"))),
    }
    let part = conditions::range(headers, length, &tag)?;
    let status = if part.is_some() {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let sent = part.clone().unwrap_or(0..length);
    let body = if method == Method::HEAD || sent.is_empty() {
        Body::empty()
    } else {
        let range = found.span.start + sent.start..found.span.start + sent.end;
        begin(api, right, found, range).await?
    };
    let described = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, (sent.end - sent.start).to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, quoted),
        // Ask again each time whether the name means the same bytes.
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    let mut response = (status, described, body).into_response();
    if let Some(part) = part
        && let Ok(value) = format!("bytes {}-{}/{length}", part.start, part.end - 1).parse()
    {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

async fn find(api: &Api, right: Right, asked: &ContentRef) -> Result<Found, Failure> {
    let wanted = get::resolve(api.parts(), asked).await?;
    if matches!(wanted.collection, Some(None)) {
        let why = format!("{asked} is a directory; ask for a file in it, `peer list {asked}` shows them");
        return Err(Failure::new(ErrorCode::Conflict, why));
    }
    // Its catalog may have to be fetched.
    if right < Right::Change && matches!(wanted.collection, Some(Some(_))) {
        return Err(needs_token("what is in a directory"));
    }
    Ok(Found::of(api.parts(), wanted).await?)
}

fn needs_token(what: &str) -> Failure {
    Failure::new(
        ErrorCode::PermissionDenied,
        format!(
            "{what} is not all here, and to fetch it takes the node's token: send the header in its file http-token"
        ),
    )
}

/// Begins to send a range of the content: when it returns, the first bytes are here, so that what cannot be had is told as
/// an error and not as an answer that breaks off. After that an answer that cannot be completed breaks off: it is shorter than
/// it said, which no client takes for the whole.
async fn begin(api: &Api, right: Right, found: Found, range: std::ops::Range<u64>) -> Result<Body, Failure> {
    let place = api.download()?;
    let (name, content) = (found.name.clone(), found.manifest.content());
    let prepared = found.prepare(api.parts(), range, right >= Right::Change).await;
    let outflow = prepared
        .map_err(Failure::storing)?
        .ok_or_else(|| needs_token(name.as_str()))?;
    let mut pieces = outflow.patient(PATIENCE).start(place);
    let nothing = || Failure::new(ErrorCode::Internal, "the bytes that were to be sent are lost");
    let first = pieces.recv().await.ok_or_else(nothing)?;
    let first = first.map_err(Failure::storing)?;
    let rest = ReceiverStream::new(pieces).map(move |piece| {
        piece.map_err(|error| {
            debug!(%content, %error, "an answer breaks off");
            io::Error::other(error)
        })
    });
    Ok(Body::from_stream(tokio_stream::once(Ok(first)).chain(rest)))
}
