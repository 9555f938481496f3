//! The HTTP side of a node, so that `curl` is enough to use it: health for everyone; status, files and values
//! for the node's own machine.
//!
//! [`operations::access`](crate::operations::access) decides who may do what, and [`gate`] refuses pages of
//! other origins. Read [`files`] and [`values`] for what can be read, [`publishing`] for what
//! can be changed, [`questions`] for JSON. Bytes come in by way of [`receiving`], bounded in memory, room and
//! time. Every handler calls the node's [`operations`](crate::operations), as the `Control` service does.
//! This border knows no wire types and no TLS, and it is not a way for other peers to fetch.

mod files;
mod gate;
mod publishing;
mod questions;
mod receiving;
mod values;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use proto::http::{Asked, HttpError, method_not_allowed, with_fallback, with_grpc};
use shared::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::operations::Node;
use gate::Gate;

/// Files that are sent at once, and received at once. More would only be slower; a client that asks for more
/// is told to come back.
const MAX_DOWNLOADS: usize = 64;
const MAX_UPLOADS: usize = 16;

/// State of the handlers.
#[derive(Clone, Debug)]
struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node: Arc<Node>,
    gate: Gate,
    downloads: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
}

impl Api {
    fn node(&self) -> &Arc<Node> {
        &self.0.node
    }

    fn download(&self) -> Result<OwnedSemaphorePermit, HttpError> {
        place(&self.0.downloads, "downloads")
    }

    fn upload(&self) -> Result<OwnedSemaphorePermit, HttpError> {
        place(&self.0.uploads, "uploads")
    }
}

fn place(places: &Arc<Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, HttpError> {
    Arc::clone(places).try_acquire_owned().map_err(|_| {
        HttpError::new(
            ErrorCode::Exhausted,
            format!("too many {what} at once; try again in a moment"),
        )
    })
}

/// Every route of the program.
pub(crate) fn router(node: Arc<Node>, grpc: Router) -> Router {
    let gate = Gate::new(node.identity.token().to_owned(), &node.address);
    let of_calls = gate.headers().clone();
    let api = Api(Arc::new(Inner {
        node,
        gate,
        downloads: Arc::new(Semaphore::new(MAX_DOWNLOADS)),
        uploads: Arc::new(Semaphore::new(MAX_UPLOADS)),
    }));
    let gated = Router::new()
        .route("/api/v1/status", get(questions::status))
        .route("/api/v1/files", get(questions::files))
        .route("/api/v1/peers", get(questions::peers))
        .route("/api/v1/locate/{*name}", get(questions::locate))
        .route(
            "/api/v1/values/{*key}",
            get(values::get).put(values::put).delete(values::delete),
        )
        .route(
            "/files/{*name}",
            get(files::get).put(publishing::put).delete(publishing::delete),
        )
        .method_not_allowed_fallback(async || method_not_allowed())
        .route_layer(from_fn_with_state(api.clone(), admit))
        .with_state(api);
    let routes = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(async || "ready\n"))
        .merge(gated);
    with_grpc(
        with_fallback(routes, "nothing here; the API is below /api/v1/ and /files/"),
        grpc,
        of_calls,
    )
}

/// Lets requests through that have any access, and passes the access on.
async fn admit(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    match api.0.gate.judge(&Asked::from(&request)) {
        Ok(access) => {
            request.extensions_mut().insert(access);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}
