//! The HTTP side: health, and read-only JSON, for people, browsers and scripts. On the same port as gRPC.

mod json;

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use proto::accept::{Ends, Pass};
use proto::http::{
    Gate, HttpError, PageQuery, Params, RETRY_AFTER, Segment, guard, json, method_not_allowed, with_fallback,
    with_grpc,
};
use proto::messages::{Locate, Page};
use shared::json::{History, Located, Names, Paged, Ready};
use shared::model::{ContentId, ContentRef, Name, PeerId, SHORTEST_PREFIX};
use shared::runtime::Tasks;
use shared::security::authorization::{Action, Object};

use crate::audit_log::Outcome;
use crate::guardian::Guardian;
use crate::ledger::{Ledger, LedgerError};

/// Fragments times holders in one answer: about 10 MB of JSON.
const MAX_HOLDINGS: u32 = 1 << 18;

/// State of the handlers.
#[derive(Clone, Debug)]
struct Api {
    ledger: Ledger,
    tasks: Tasks,
    guardian: Guardian,
}

/// The caller of a request, who only looks.
#[derive(Debug)]
struct Looking {
    guardian: Guardian,
    pass: Pass,
    ends: Option<Ends>,
    call: String,
}

impl FromRequestParts<Api> for Looking {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Self::Rejection> {
        Ok(Self {
            guardian: api.guardian.clone(),
            pass: Pass::of(&parts.extensions),
            ends: parts.extensions.get().copied(),
            call: parts.uri.path().to_owned(),
        })
    }
}

impl Looking {
    /// Decides whether the caller may see an object.
    fn at(&self, object: Object<'_>) -> Result<(), HttpError> {
        self.pass.may(Action::Read, object).map_err(|why| {
            let caller = (self.pass.caller(), self.ends, self.call.as_str());
            self.guardian.note(caller, &"", (Outcome::Denied, &why.reason()));
            why.into()
        })
    }
}

/// Every route of the program. Pages of other origins may read what the gate lets them.
pub(crate) fn router(ledger: Ledger, tasks: Tasks, guardian: Guardian, gate: Gate, grpc: Router) -> Router {
    let gated = Router::new()
        .route("/api/v1/names", get(names))
        .route("/api/v1/names/{*name}", get(name))
        .route("/api/v1/history/{*name}", get(history))
        .route("/api/v1/contents/{id}", get(content))
        .route("/api/v1/peers", get(peers))
        .route("/api/v1/status", get(status))
        .method_not_allowed_fallback(async || method_not_allowed())
        .route_layer(from_fn_with_state(gate.clone(), guard));
    let routes = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .merge(gated)
        .with_state(Api {
            ledger,
            tasks,
            guardian,
        });
    let routes = with_fallback(routes, "nothing here; the API is below /api/v1/");
    with_grpc(routes, grpc, gate)
}

/// Answers whether requests are answered; in safe mode they are, but replicas are not repaired yet.
async fn readyz(State(api): State<Api>) -> Response {
    match api.ledger.read(crate::state::State::is_in_safe_mode).await {
        Ok(is_in_safe_mode) if !api.tasks.token().is_cancelled() => json(Ready {
            ready: true,
            in_safe_mode: is_in_safe_mode,
        }),
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, RETRY_AFTER)],
            json(Ready {
                ready: false,
                in_safe_mode: false,
            }),
        )
            .into_response(),
    }
}

async fn names(
    State(api): State<Api>,
    looking: Looking,
    Params(query): Params<PageQuery>,
) -> Result<Response, HttpError> {
    looking.at(Object::Name(&query.prefix))?;
    let page = query.page();
    let after = after::<Name>(&page)?;
    let listed = api
        .ledger
        .list(&query.prefix, after.as_ref(), page.size as usize)
        .await;
    let listed = listed?;
    Ok(json(Paged {
        next_page_token: listed.next().map(Name::to_string).unwrap_or_default(),
        page: Names::new(&listed.names).with_removed(&listed.removed),
    }))
}

async fn name(
    State(api): State<Api>,
    looking: Looking,
    Segment(name): Segment,
) -> Result<Response, HttpError> {
    let name = Name::new(name).map_err(HttpError::invalid)?;
    // The beginning of an id reads as a name, but is none.
    let is_beginning = ContentId::beginning_with(name.as_str()).is_some();
    let is_id = is_beginning && api.ledger.read(|state| state.head(&name)).await?.1.is_none();
    looking.at(if is_id {
        Object::Network
    } else {
        Object::Name(name.as_str())
    })?;
    locate(&api, ContentRef::Name(name)).await
}

async fn history(
    State(api): State<Api>,
    looking: Looking,
    Segment(name): Segment,
) -> Result<Response, HttpError> {
    let name = Name::new(name).map_err(HttpError::invalid)?;
    looking.at(Object::Name(name.as_str()))?;
    let revisions = api.ledger.read(|state| state.revisions(&name)).await?;
    let revisions = revisions.map_err(LedgerError::Rejected)?;
    Ok(json(History::new(&name, &revisions)))
}

async fn content(
    State(api): State<Api>,
    looking: Looking,
    Segment(id): Segment,
) -> Result<Response, HttpError> {
    looking.at(Object::Network)?;
    let what = match id.parse() {
        Ok(id) => ContentRef::Id(id),
        // The beginning of an id reads as a name.
        Err(_) => match ContentId::beginning_with(&id).map(|_| Name::new(id.clone())) {
            Some(Ok(beginning)) => ContentRef::Name(beginning),
            _ => {
                let shown: String = id.chars().take(80).collect();
                let why = format!(
                    "a content id has 64 hexadecimal digits, of which the first {SHORTEST_PREFIX} or more are enough; \
                     got {shown:?}"
                );
                return Err(HttpError::invalid(why));
            }
        },
    };
    locate(&api, what).await
}

async fn locate(api: &Api, what: ContentRef) -> Result<Response, HttpError> {
    let read = |state: &crate::state::State| {
        let (_, manifest) = state.resolve(&what)?;
        let max_holders = (MAX_HOLDINGS / manifest.fragment_count().max(1)).clamp(1, Locate::MAX_HOLDERS);
        state.locate(&what.into(), max_holders as usize, None, &mut rand::rng())
    };
    let location = api.ledger.read(read).await?.map_err(LedgerError::Rejected)?;
    Ok(json(Located::new(&location)))
}

async fn peers(
    State(api): State<Api>,
    looking: Looking,
    Params(query): Params<PageQuery>,
) -> Result<Response, HttpError> {
    looking.at(Object::Network)?;
    let page = query.page();
    let after = after::<PeerId>(&page)?;
    let found = api
        .ledger
        .read(|state| state.peers(after, page.size as usize))
        .await?;
    Ok(json(json::peers(&found)))
}

async fn status(State(api): State<Api>, looking: Looking) -> Result<Response, HttpError> {
    looking.at(Object::Network)?;
    let status = api.ledger.read(crate::state::State::status).await?;
    Ok(json(json::status(status)))
}

fn after<T: std::str::FromStr>(page: &Page) -> Result<Option<T>, HttpError> {
    match page.token.as_str() {
        "" => Ok(None),
        token => token
            .parse()
            .map(Some)
            .map_err(|_| HttpError::invalid("invalid page_token: no page ended there")),
    }
}
