//! `/api/…` is the trackers': a 307 to the live one whose turn it is.
//!
//! 307 keeps method and body. The choice depends on the latest probe results alone (see [`crate::directory`]
//! for their age); a client that finds no tracker there asks again. It gets there as it came here, by TLS or
//! without, but for one that the tracker would not serve without TLS.

use std::sync::atomic::Ordering;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use proto::accept::ByTls;
use proto::http::HttpError;
use shared::ErrorCode;
use shared::model::HostPort;
use shared::security::authorization::Mode;

use super::Front;

/// A redirect is only as good as the moment it was made in.
const NO_STORE: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// Sends the client to a live tracker, with the same path and query; answers 503 with the reasons when there
/// is none.
pub(super) async fn to_tracker(
    State(front): State<Front>,
    by_tls: Option<Extension<ByTls>>,
    uri: Uri,
) -> Result<Response, HttpError> {
    let turn = front.turn.fetch_add(1, Ordering::Relaxed);
    let directory = front.directory.borrow();
    let Some(tracker) = directory.choose(turn) else {
        let message = format!("no tracker is alive; try again soon ({})", directory.reasons());
        return Err(HttpError::new(ErrorCode::Unavailable, message));
    };
    let scheme = scheme(front.tls.mode(), by_tls.is_some(), tracker);
    let Ok(location) = location(scheme, tracker, &uri) else {
        return Err(HttpError::invalid("this path cannot be redirected"));
    };
    let headers = [(header::LOCATION, location), NO_STORE];
    Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}

/// A tracker of a secured network serves this machine without TLS, and nobody else: only its own machine
/// reaches a loopback address.
fn scheme(mode: Mode, is_by_tls: bool, tracker: &HostPort) -> &'static str {
    match mode {
        Mode::Off => "http",
        _ if is_by_tls => "https",
        Mode::Required if !tracker.is_loopback() => "https",
        Mode::Permissive | Mode::Required => "http",
    }
}

fn location(
    scheme: &str,
    tracker: &HostPort,
    uri: &Uri,
) -> Result<HeaderValue, axum::http::header::InvalidHeaderValue> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    HeaderValue::try_from(format!("{scheme}://{tracker}{path}"))
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
            assert_eq!(location("http", &tracker, &uri).expect(asked), sent);
        }
    }

    #[test]
    fn clients_go_on_by_tls_where_they_came_by_it_or_need_it() {
        let [near, far]: [HostPort; 2] =
            ["127.0.0.1:50052", "10.0.0.7:50052"].map(|text| text.parse().expect("an address"));
        for (mode, is_by_tls, tracker, sent) in [
            (Mode::Off, false, &far, "http"),
            (Mode::Permissive, false, &far, "http"),
            (Mode::Permissive, true, &far, "https"),
            (Mode::Required, false, &near, "http"),
            (Mode::Required, false, &far, "https"),
            (Mode::Required, true, &near, "https"),
        ] {
            assert_eq!(
                scheme(mode, is_by_tls, tracker),
                sent,
                "{mode} {is_by_tls} {tracker}"
            );
        }
    }
}
