//! HTTP for people, browsers and scripts: redirects, health, the page. On the same port as gRPC. On the same
//! port as gRPC.

mod page;
mod redirect;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use proto::status::to_http;
use serde::Serialize;
use shared::ErrorCode;
use tokio::sync::watch;

use crate::directory::{Directory, Tracker, TrackerState};

/// Shared state of the handlers: the latest probe results, and the next tracker's turn.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    directory: watch::Receiver<Directory>,
    turn: Arc<AtomicU64>,
}

/// Every route of the program: ours, those of `grpc`, and a plain 404 for the rest.
pub(crate) fn router(directory: watch::Receiver<Directory>, grpc: Router) -> Router {
    let front = Front {
        directory,
        turn: Arc::default(),
    };
    Router::new()
        .route("/api/", any(redirect::to_tracker))
        .route("/api/{*rest}", any(redirect::to_tracker))
        .route("/directory.json", get(list))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .merge(page::routes())
        .with_state(front)
        .merge(grpc)
        // gRPC clients read a 404 as "unimplemented", so one answer serves both.
        .fallback(|| async {
            error(
                ErrorCode::NotFound,
                "nothing here; the API of the trackers is below /api/",
            )
        })
}

/// The process runs and answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// Clients can be sent somewhere.
async fn readyz(State(front): State<Front>) -> Response {
    let directory = front.directory.borrow();
    match directory.live().next() {
        Some(_) => "ready\n".into_response(),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
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

/// The trackers, live ones first.
async fn list(State(front): State<Front>) -> Response {
    let trackers = front.directory.borrow().live_first().map(listed).collect();
    (
        [(header::CACHE_CONTROL, "no-store")],
        Json(TrackerList { trackers }),
    )
        .into_response()
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

#[derive(Debug, Serialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Debug, Serialize)]
struct ErrorDetail {
    code: String,
    message: String,
}

/// Makes an error as every HTTP API of the system does.
fn error(code: ErrorCode, message: impl Into<String>) -> Response {
    let body = ErrorBody {
        error: ErrorDetail {
            code: code.to_string(),
            message: message.into(),
        },
    };
    (to_http(code), [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
