//! What a node says over plain HTTP: that it is there.

use axum::Router;
use axum::routing::get;

/// `/healthz` and `/readyz`: a node that answers has opened its store and serves.
pub(super) fn routes() -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(async || "ready\n"))
}
