//! Reading files: a name, an id, or a path in a collection; whole or a range of it.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use shared::ErrorCode;
use shared::model::{ContentRef, FragmentSet, Manifest, Name, Source};

use super::conditions::{self, Conditions, Verdict};
use super::failure::Failure;
use super::gate::Right;
use super::serving::Serving;
use super::{Api, Segment};
use crate::blocking::{blocking, try_blocking};
use crate::rpc::control::{collection, get};
use crate::store::{FragmentStore as _, Purpose, Role};

/// What a path leads to: a part of a content.
struct Found {
    name: Name,
    manifest: Manifest,
    sources: Vec<Source>,
    /// Where the file lies in the content: all of it, unless it lies in a pack of a collection.
    span: Range<u64>,
}

impl Found {
    /// What only these bytes have.
    fn tag(&self) -> String {
        let content = self.manifest.content();
        if self.span == (0..self.manifest.length()) {
            content.to_string()
        } else {
            format!("{content}-{}-{}", self.span.start, self.span.end)
        }
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
    let (tag, length) = (found.tag(), found.span.end - found.span.start);
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
    let Some(inside) = &wanted.collection else {
        return Ok(Found {
            name: wanted.name,
            span: 0..wanted.manifest.length(),
            manifest: wanted.manifest,
            sources: wanted.sources,
        });
    };
    let Some(inside) = inside.clone() else {
        let why = format!("{asked} is a directory; ask for a file in it, `peer list {asked}` shows them");
        return Err(Failure::new(ErrorCode::Conflict, why));
    };
    // Its catalog may have to be fetched.
    if right < Right::Change {
        return Err(needs_token("what is in a directory"));
    }
    let name = wanted.name.clone();
    let (manifest, sources, span) = collection::file_in(api.parts(), wanted, &inside).await?;
    Ok(Found {
        name,
        manifest,
        sources,
        span,
    })
}

fn needs_token(what: &str) -> Failure {
    Failure::new(
        ErrorCode::PermissionDenied,
        format!(
            "{what} is not all here, and to fetch it takes the node's token: send the header in its file http-token"
        ),
    )
}

/// Makes room for what is missing of a range of the content, and begins to send the range.
async fn begin(api: &Api, right: Right, found: Found, range: Range<u64>) -> Result<Body, Failure> {
    let place = api.download()?;
    let (store, content) = (Arc::clone(&api.parts().store), found.manifest.content());
    let entry = blocking(move || store.entry(content)).await?;
    let mut manifest = entry
        .as_ref()
        .map_or(found.manifest, |entry| entry.manifest.clone());
    let needed = fragments(&manifest, &range);
    if !entry.is_some_and(|entry| needed.is_subset(&entry.held)) {
        if right < Right::Change {
            return Err(needs_token(found.name.as_str()));
        }
        let (store, wanted) = (Arc::clone(&api.parts().store), manifest.clone());
        let purpose = Purpose::Collected {
            role: Role::Fetched,
            name: Some(found.name),
            fragments: needed,
        };
        let prepared = try_blocking(move || store.prepare(&wanted, purpose)).await;
        manifest = prepared.map_err(Failure::storing)?.manifest;
    }
    let serving = Serving {
        parts: Arc::clone(api.parts()),
        manifest,
        sources: found.sources,
        range,
        place,
    };
    serving.begin().await.map_err(Failure::storing)
}

/// The fragments that a range of bytes touches.
fn fragments(manifest: &Manifest, range: &Range<u64>) -> FragmentSet {
    let mut touched = manifest.no_fragments();
    let mut next = range.start;
    while next < range.end {
        let Some(index) = manifest.fragment_at(next) else {
            break;
        };
        touched.insert(index);
        next = manifest.range(index).end;
    }
    touched
}
