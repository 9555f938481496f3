//! What people, browsers and scripts see: health, and read-only JSON. On the same port as gRPC.

mod json;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use proto::messages::{Locate, Page};
use proto::status::to_http;
use serde::{Deserialize, Serialize};
use shared::json::{Detail, History, Located, Names, Paged, Ready};
use shared::model::{ContentId, ContentRef, Name, PeerId};
use shared::runtime::Tasks;
use shared::{Coded, ErrorCode};

use crate::ledger::{Ledger, LedgerError};

/// Fragments times holders in one answer: about 10 MB of JSON.
const MAX_HOLDINGS: u32 = 1 << 18;

/// What the handlers share.
#[derive(Clone, Debug)]
struct Api {
    ledger: Ledger,
    tasks: Tasks,
}

/// Every route of the program: ours, those of `grpc`, and a plain 404 for the rest.
pub(crate) fn router(ledger: Ledger, tasks: Tasks, grpc: Router) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/api/v1/names", get(names))
        .route("/api/v1/names/{*name}", get(name))
        .route("/api/v1/history/{*name}", get(history))
        .route("/api/v1/contents/{id}", get(content))
        .route("/api/v1/peers", get(peers))
        .route("/api/v1/status", get(status))
        .with_state(Api { ledger, tasks })
        .merge(grpc)
        // gRPC clients read a 404 as "unimplemented", so one answer serves both.
        .fallback(async || {
            Failure(
                ErrorCode::NotFound,
                "nothing here; the API is below /api/v1/".to_owned(),
            )
        })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PageQuery {
    prefix: String,
    page_token: String,
    page_size: u32,
}

/// What a handler is given of the query, or why it cannot be read: the library would answer that in plain text.
type Asked = Result<Query<PageQuery>, QueryRejection>;

/// The same of the path's last part.
type Segment = Result<Path<String>, PathRejection>;

fn asked(query: Asked) -> Result<PageQuery, Failure> {
    query
        .map(|query| query.0)
        .map_err(|rejection| Failure::query(&rejection))
}

/// An error as every HTTP API of the system tells it.
#[derive(Debug)]
struct Failure(ErrorCode, String);

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
    fn invalid(message: impl std::fmt::Display) -> Self {
        Self(ErrorCode::InvalidArgument, message.to_string())
    }

    /// The query is not one that is understood here. What the library says is wrapped, so that only this is ours.
    fn query(rejection: &QueryRejection) -> Self {
        let why = std::error::Error::source(rejection).map_or_else(String::new, |why| format!(": {why}"));
        Self::invalid(format!(
            "cannot read the query{why}; it may have prefix, page_token and page_size"
        ))
    }

    /// A part of the path that is no text.
    fn path(_: PathRejection) -> Self {
        Self::invalid(
            "cannot read the path: it must be UTF-8, with anything else than letters and digits as %XX",
        )
    }
}

impl<E: Coded> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.code(), error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let error = ErrorDetail {
            code: self.0.to_string(),
            message: self.1,
        };
        (to_http(self.0), json(ErrorBody { error })).into_response()
    }
}

/// JSON that is true only now, and that pages of other origins (the webserver's) may read.
fn json(body: impl Serialize) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, Json(body)).into_response()
}

/// Whether requests are answered; in safe mode they are, but replicas are not repaired yet.
async fn readyz(State(api): State<Api>) -> Response {
    match api.ledger.read(crate::state::State::is_in_safe_mode).await {
        Ok(is_in_safe_mode) if !api.tasks.token().is_cancelled() => json(Ready {
            ready: true,
            in_safe_mode: is_in_safe_mode,
        }),
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            json(Ready {
                ready: false,
                in_safe_mode: false,
            }),
        )
            .into_response(),
    }
}

async fn names(State(api): State<Api>, query: Asked) -> Result<Response, Failure> {
    let PageQuery {
        prefix,
        page_token,
        page_size,
    } = asked(query)?;
    let page = Page::new(page_token, page_size);
    let after = after::<Name>(&page)?;
    let (names, has_more) = api
        .ledger
        .read(|state| state.list(&prefix, after.as_ref(), page.size as usize))
        .await?;
    let last = names.last().filter(|_| has_more);
    Ok(json(Paged {
        next_page_token: last.map(|last| last.binding.name.to_string()).unwrap_or_default(),
        page: Names::new(&names, Detail::Tracker),
    }))
}

async fn name(State(api): State<Api>, name: Segment) -> Result<Response, Failure> {
    let Path(name) = name.map_err(Failure::path)?;
    let name = Name::new(name).map_err(Failure::invalid)?;
    locate(&api, ContentRef::Name(name)).await
}

async fn history(State(api): State<Api>, name: Segment) -> Result<Response, Failure> {
    let Path(name) = name.map_err(Failure::path)?;
    let name = Name::new(name).map_err(Failure::invalid)?;
    let revisions = api.ledger.read(|state| state.revisions(&name)).await?;
    let revisions = revisions.map_err(LedgerError::Rejected)?;
    Ok(json(History::new(&name, &revisions)))
}

async fn content(State(api): State<Api>, id: Segment) -> Result<Response, Failure> {
    let Path(id) = id.map_err(Failure::path)?;
    let id: ContentId = id.parse().map_err(Failure::invalid)?;
    locate(&api, ContentRef::Id(id)).await
}

async fn locate(api: &Api, what: ContentRef) -> Result<Response, Failure> {
    let read = |state: &crate::state::State| {
        let (_, manifest) = state.resolve(&what)?;
        let max_holders = (MAX_HOLDINGS / manifest.fragment_count().max(1)).clamp(1, Locate::MAX_HOLDERS);
        state.locate(&what, max_holders as usize, None, &mut rand::rng())
    };
    let location = api.ledger.read(read).await?.map_err(LedgerError::Rejected)?;
    Ok(json(Located::new(&location, Detail::Tracker)))
}

async fn peers(State(api): State<Api>, query: Asked) -> Result<Response, Failure> {
    let query = asked(query)?;
    let page = Page::new(query.page_token, query.page_size);
    let after = after::<PeerId>(&page)?;
    let found = api
        .ledger
        .read(|state| state.peers(after, page.size as usize))
        .await?;
    Ok(json(json::peers(&found)))
}

async fn status(State(api): State<Api>) -> Result<Response, Failure> {
    let status = api.ledger.read(crate::state::State::status).await?;
    Ok(json(json::status(status)))
}

fn after<T: std::str::FromStr>(page: &Page) -> Result<Option<T>, Failure> {
    match page.token.as_str() {
        "" => Ok(None),
        token => token
            .parse()
            .map(Some)
            .map_err(|_| Failure::invalid("invalid page_token: no page ended there")),
    }
}
