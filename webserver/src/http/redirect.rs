//! `/api/…` is the trackers': a 307 to the live one whose turn it is.
//!
//! 307 keeps method and body. The choice depends on the latest probe results alone (see [`crate::directory`]
//! for their age); a client that finds no tracker there asks again.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use proto::http::HttpError;
use shared::ErrorCode;
use shared::model::HostPort;

use super::Front;

/// A redirect is only as good as the moment it was made in.
const NO_STORE: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// Sends the client to a live tracker, with the same path and query; answers 503 with the reasons when there
/// is none.
pub(super) async fn to_tracker(State(front): State<Front>, uri: Uri) -> Result<Response, HttpError> {
    let turn = front.turn.fetch_add(1, Ordering::Relaxed);
    let directory = front.directory.borrow();
    let Some(tracker) = directory.choose(turn) else {
        let message = format!("no tracker is alive; try again soon ({})", directory.reasons());
        return Err(HttpError::new(ErrorCode::Unavailable, message));
    };
    let Ok(location) = location(tracker, &uri) else {
        return Err(HttpError::invalid("this path cannot be redirected"));
    };
    let headers = [(header::LOCATION, location), NO_STORE];
    Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}

fn location(tracker: &HostPort, uri: &Uri) -> Result<HeaderValue, axum::http::header::InvalidHeaderValue> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    HeaderValue::try_from(format!("http://{tracker}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_are_kept_and_nothing_else() {
        let tracker: HostPort = "[::1]:50052".parse().expect("valid");
        for (asked, sent) in [
            ("/api/v1/names", "http://[::1]:50052/api/v1/names"),
            (
                "/api/v1/names?prefix=a%2Fb&x",
                "http://[::1]:50052/api/v1/names?prefix=a%2Fb&x",
            ),
            ("http://elsewhere/api/v1", "http://[::1]:50052/api/v1"),
            ("/api/..//x", "http://[::1]:50052/api/..//x"),
        ] {
            let uri: Uri = asked.parse().expect(asked);
            assert_eq!(location(&tracker, &uri).expect(asked), sent);
        }
    }
}
