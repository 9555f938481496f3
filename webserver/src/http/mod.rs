//! The HTTP side: redirects, health and the page, for people, browsers and scripts. On the same port as gRPC.

mod page;
mod redirect;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use proto::http::{Gate, RETRY_AFTER, guard, json, with_fallback, with_grpc};
use proto::tls::Tls;
use serde::Serialize;
use tokio::sync::watch;

use crate::directory::{Directory, Tracker, TrackerState};

/// State of the handlers: the latest probe results, the number of the next redirect, and the network's
/// security.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    directory: watch::Receiver<Directory>,
    turn: Arc<AtomicU64>,
    tls: Tls,
}

/// Every route of the program.
pub(crate) fn router(directory: watch::Receiver<Directory>, tls: Tls, gate: Gate, grpc: Router) -> Router {
    let front = Front {
        directory,
        turn: Arc::default(),
        tls,
    };
    let gated = Router::new()
        .route("/api/", any(redirect::to_tracker))
        .route("/api/{*rest}", any(redirect::to_tracker))
        .route("/directory.json", get(list))
        .route_layer(from_fn_with_state(gate.clone(), guard));
    let routes = gated
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .merge(page::routes())
        .with_state(front);
    with_grpc(
        with_fallback(routes, "nothing here; the API of the trackers is below /api/"),
        grpc,
        gate,
    )
}

/// Answers whether there is a tracker that clients can be sent to.
async fn readyz(State(front): State<Front>) -> Response {
    let directory = front.directory.borrow();
    match directory.live().next() {
        Some(_) => "ready\n".into_response(),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, RETRY_AFTER)],
            format!("no tracker is alive: {}\n", directory.reasons()),
        )
            .into_response(),
    }
}

#[derive(Debug, Serialize)]
struct TrackerList {
    trackers: Vec<ListedTracker>,
}

#[derive(Debug, Serialize)]
struct ListedTracker {
    address: String,
    state: &'static str,
    reason: String,
    since_ms: u64,
}

/// Lists the trackers, live ones first.
async fn list(State(front): State<Front>) -> Response {
    let trackers = front.directory.borrow().live_first().map(listed).collect();
    json(TrackerList { trackers })
}

fn listed(tracker: &Tracker) -> ListedTracker {
    ListedTracker {
        address: tracker.address().to_string(),
        state: match tracker.state() {
            TrackerState::Unchecked => "unchecked",
            TrackerState::Live => "live",
            TrackerState::Dead { .. } => "dead",
        },
        reason: tracker.reason().to_owned(),
        since_ms: tracker.since().as_millis(),
    }
}
