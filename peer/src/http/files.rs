//! Reading files: a name, an id, or a path in a collection; whole or a range of it.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use proto::http::{Conditions, HttpError, Segment, Verdict, media_type, range};
use shared::ErrorCode;
use shared::model::ContentRef;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tracing::debug;

use super::Api;
use crate::operations::access::Access;
use crate::operations::reader::{ReadTimeouts, Readable};
use crate::operations::resolve::{WantedKind, resolve};

/// Longer than a holder takes to restart or the tracker to find others, shorter than clients and proxies
/// wait; and longer than a client that is alive takes nothing.
const TIMEOUTS: ReadTimeouts = ReadTimeouts {
    sources: Some(Duration::from_secs(45)),
    receiver: Some(Duration::from_secs(60)),
};

/// Clients ask each time whether the name still means the same bytes.
const NO_CACHE: &str = "no-cache";

/// Published files are anybody's, and a browser would run a page among them with this node's origin, which
/// may read everything here. In a sandbox it has an origin of its own and runs no script.
const SANDBOX: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/// Returns a tag that only these bytes have.
fn tag(file: &Readable) -> String {
    let (content, span) = (file.manifest.content(), &file.span);
    if *span == (0..file.manifest.length()) {
        content.to_string()
    } else {
        format!("{content}-{}-{}", span.start, span.end)
    }
}

pub(super) async fn get(
    State(api): State<Api>,
    Extension(access): Extension<Access>,
    method: Method,
    headers: HeaderMap,
    Segment(name): Segment,
) -> Result<Response, HttpError> {
    serve(&api, access, &method, &headers, &reference(&name)?).await
}

/// Reads a name, an id, or a path inside a directory.
pub(super) fn reference(path: &str) -> Result<ContentRef, HttpError> {
    path.parse().map_err(HttpError::invalid)
}

/// Answers with the file, with the range of it that is asked for, or with "not modified".
pub(super) async fn serve(
    api: &Api,
    access: Access,
    method: &Method,
    headers: &HeaderMap,
    asked: &ContentRef,
) -> Result<Response, HttpError> {
    let conditions = Conditions::of(headers)?;
    let file = find(api, access, asked).await?;
    let (tag, length) = (tag(&file), file.span.end - file.span.start);
    // The name that was asked for: that of a file in a directory has the file's ending.
    let media = match asked {
        ContentRef::Name(_) | ContentRef::Inside(_) => media_type(&asked.to_string()),
        ContentRef::Id(_) => media_type(file.name.as_str()),
    };
    let quoted = format!("\"{tag}\"");
    match conditions.judge(Some(&tag)) {
        Verdict::Go => {}
        Verdict::Excluded => {
            let same = [
                (header::ETAG, quoted),
                (header::CACHE_CONTROL, NO_CACHE.to_owned()),
            ];
            return Ok((StatusCode::NOT_MODIFIED, same).into_response());
        }
        Verdict::Other => return Err(HttpError::condition(format!("{asked} is another content now"))),
    }
    let part = range(method, headers, length, &tag)?;
    let status = if part.is_some() {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let sent = part.clone().unwrap_or(0..length);
    let body = if method == Method::HEAD || sent.is_empty() {
        Body::empty()
    } else {
        let range = file.span.start + sent.start..file.span.start + sent.end;
        begin(api, access, file, range).await?
    };
    let described = [
        (header::CONTENT_TYPE, media.to_owned()),
        (header::CONTENT_LENGTH, (sent.end - sent.start).to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, quoted),
        (header::CACHE_CONTROL, NO_CACHE.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_SECURITY_POLICY, SANDBOX.to_owned()),
        (header::VARY, "origin".to_owned()),
    ];
    let mut response = (status, described, body).into_response();
    if let Some(part) = part
        && let Ok(value) = format!("bytes {}-{}/{length}", part.start, part.end - 1).parse()
    {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

async fn find(api: &Api, access: Access, asked: &ContentRef) -> Result<Readable, HttpError> {
    let wanted = resolve(api.node(), asked).await?;
    if wanted.kind == WantedKind::Collection {
        let why = format!("{asked} is a directory; ask for a file in it, `peer list {asked}` shows them");
        return Err(HttpError::new(ErrorCode::Conflict, why));
    }
    // Its catalog says where the file is.
    if access < Access::Change && wanted.kind != WantedKind::File {
        let catalog = &wanted.manifest;
        let entry = api.node().entry(catalog.content()).await?;
        if entry.is_none_or(|entry| entry.held.len() < catalog.fragment_count()) {
            return Err(needs_token(&format!("the catalog of {}", wanted.name)));
        }
    }
    Ok(Readable::of(api.node(), wanted).await?)
}

fn needs_token(what: &str) -> HttpError {
    HttpError::unauthorized(format!(
        "{what} is not all here, and to fetch it takes the node's token: send the header in its file http-token"
    ))
}

/// Begins to send a range of the content, and returns when its first bytes are here, so that missing bytes
/// become an error and not an answer that breaks off. An answer that cannot be completed after that breaks
/// off: it is shorter than its `Content-Length`, which no client takes for the whole.
async fn begin(
    api: &Api,
    access: Access,
    file: Readable,
    range: std::ops::Range<u64>,
) -> Result<Body, HttpError> {
    let place = api.download()?;
    let (name, content) = (file.name.clone(), file.manifest.content());
    let opened = file.open(api.node(), range, access >= Access::Change).await;
    let reader = opened
        .map_err(HttpError::storing)?
        .ok_or_else(|| needs_token(name.as_str()))?;
    let mut pieces = reader.with_timeouts(TIMEOUTS).start(place);
    let nothing = || HttpError::new(ErrorCode::Internal, "the bytes that were to be sent are lost");
    let first = pieces.recv().await.ok_or_else(nothing)?;
    let first = first.map_err(HttpError::storing)?;
    let rest = ReceiverStream::new(pieces).map(move |piece| {
        piece.map_err(|error| {
            debug!(%content, %error, "an answer breaks off");
            io::Error::other(error)
        })
    });
    Ok(Body::from_stream(tokio_stream::once(Ok(first)).chain(rest)))
}
