//! What a node says over plain HTTP, so that `curl` is enough to use it: health for everyone; status, files and values for
//! its own machine.
//!
//! Read [`gate`] for who may do what, [`files`] and [`values`] for what can be read, [`publishing`] for what can be changed,
//! [`questions`] for JSON. Bytes go out by way of [`crate::outflow`] and come in by way of [`receiving`], bounded in memory,
//! room and time. All of it asks the node for what its commands ask it for, through the same functions as the `Control` service.
//! It knows no wire types and no TLS, and it is not a way for other peers to fetch.

mod conditions;
mod failure;
mod files;
mod gate;
mod publishing;
mod questions;
mod receiving;
mod values;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use proto::accept::RemoteAddr;
use shared::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::rpc::{ControlParts, ControlService};
use failure::Failure;
use gate::{Asked, Gate};

/// Files that are sent at once, and received at once. More would only be slower; who asks for more is told to come back.
const MAX_DOWNLOADS: usize = 64;
const MAX_UPLOADS: usize = 16;

/// What the handlers share.
#[derive(Clone, Debug)]
struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    control: ControlService,
    gate: Gate,
    downloads: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
}

/// What a handler is given of the path's last part.
type Segment = Result<Path<String>, PathRejection>;

impl Api {
    fn parts(&self) -> &Arc<ControlParts> {
        self.0.control.parts()
    }

    fn download(&self) -> Result<OwnedSemaphorePermit, Failure> {
        place(&self.0.downloads, "downloads")
    }

    fn upload(&self) -> Result<OwnedSemaphorePermit, Failure> {
        place(&self.0.uploads, "uploads")
    }
}

fn place(places: &Arc<Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, Failure> {
    Arc::clone(places).try_acquire_owned().map_err(|_| {
        Failure::new(
            ErrorCode::Exhausted,
            format!("too many {what} at once; try again in a moment"),
        )
    })
}

/// Every route of the program: ours, those of `grpc`, and a plain 404 for the rest.
pub(crate) fn router(control: ControlService, grpc: Router) -> Router {
    let parts = control.parts();
    let gate = Gate::new(parts.identity.token().to_owned(), parts.address.clone());
    let api = Api(Arc::new(Inner {
        control,
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
        .method_not_allowed_fallback(async || {
            Failure::invalid("this can be read with GET; files and values can be changed with PUT and DELETE")
                .with_status(http::StatusCode::METHOD_NOT_ALLOWED)
        })
        .route_layer(from_fn_with_state(api.clone(), admit))
        .with_state(api);
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(async || "ready\n"))
        .merge(gated)
        .merge(grpc)
        // gRPC clients read a 404 as "unimplemented", so one answer serves both.
        .fallback(async || {
            Failure::new(
                ErrorCode::NotFound,
                "nothing here; the API is below /api/v1/ and /files/",
            )
        })
}

/// Lets requests through that may ask, with what they may.
async fn admit(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let remote = request.extensions().get::<RemoteAddr>();
    let asked = Asked {
        remote: remote.map(|remote| unmapped(remote.0.ip())),
        authority: request.uri().authority(),
        headers: request.headers(),
    };
    match api.0.gate.judge(&asked) {
        Ok(right) => {
            request.extensions_mut().insert(right);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
}

/// Who listens on all of IPv6 sees IPv4 callers with an address in it.
fn unmapped(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}
