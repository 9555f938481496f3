//! The page at `/`: trackers, peers and names, from the live API. Three files in the program, nothing from
//! elsewhere.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::Front;

/// Our own script and style only. The page's requests are redirected to trackers, which are other origins,
/// and browsers apply `connect-src` to where a redirect leads.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self' http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route(
            "/",
            get(async || asset("text/html; charset=utf-8", include_str!("page/page.html"))),
        )
        .route(
            "/page.js",
            get(async || asset("text/javascript; charset=utf-8", include_str!("page/page.js"))),
        )
        .route(
            "/page.css",
            get(async || asset("text/css; charset=utf-8", include_str!("page/page.css"))),
        )
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    let fixed = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    (
        [
            fixed(header::CONTENT_TYPE, content_type),
            fixed(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            fixed(header::REFERRER_POLICY, "no-referrer"),
            fixed(header::CACHE_CONTROL, "no-cache"),
        ],
        text,
    )
        .into_response()
}
