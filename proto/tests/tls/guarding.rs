//! The guard: each request is judged before its handler sees it.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use http::{Response, StatusCode, header};
use proto::accept::{Ends, Gatekeeper, Pass, Scopes};
use shared::security::authorization::{Action, Denial, Object};
use shared::security::{ApiToken, Scope};

use super::*;

/// Knows one token, and writes denials down.
#[derive(Debug)]
struct Keeper {
    known: ApiToken,
    scopes: Scopes,
    heard: Mutex<Vec<(String, Denial)>>,
}

impl Gatekeeper for Keeper {
    fn scopes<'a>(
        &'a self,
        token: &'a ApiToken,
    ) -> Pin<Box<dyn Future<Output = Option<Scopes>> + Send + 'a>> {
        let known = (*token == self.known).then(|| self.scopes.clone());
        Box::pin(std::future::ready(known))
    }

    fn denied(&self, _: &Caller, _: Option<Ends>, call: &str, why: Denial) {
        self.heard
            .lock()
            .expect("no test panics with it")
            .push((call.to_owned(), why));
    }
}

/// A tracker that lists names by a prefix, and says at `/who` who asks.
async fn tracker(tls: Tls, scope: &str) -> (Program, Arc<Keeper>) {
    let scope: Scope = scope.parse().expect("a scope");
    let keeper = Arc::new(Keeper {
        known: ApiToken::random(),
        scopes: [scope].into(),
        heard: Mutex::default(),
    });
    let names = async |request: axum::extract::Request| {
        let prefix = request.uri().query().unwrap_or_default().to_owned();
        match Pass::of(request.extensions()).may(Action::Read, Object::Name(&prefix)) {
            Ok(()) => (StatusCode::OK, String::new()),
            Err(why) => (StatusCode::FORBIDDEN, why.to_string()),
        }
    };
    let routes = Router::new()
        .route("/api/v1/names", routing::get(names))
        .route("/forgotten", routing::get(async || "nobody may see this"));
    let door = Door::with(Bounds::of(64)).guarded(Role::Tracker);
    let door = door.secured(tls.clone()).kept_by(keeper.clone());
    (Program::behind(tls, routes, door).await, keeper)
}

async fn ask(channel: &Channel, path: &str, token: &str) -> Response<tonic::body::Body> {
    let mut request = http::Request::get(path);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(tonic::body::Body::empty()).expect("a request");
    channel.clone().oneshot(request).await.expect("an answer")
}

#[tokio::test]
async fn a_request_is_judged_by_its_route_its_caller_and_its_object() {
    let authority = Authority::new();
    let certified = |role| handle(authority.certify(authority.identity(role), NOW));
    let (server, keeper) = tracker(certified(Role::Tracker), "read:models/").await;
    let token = keeper.known.to_string();
    let of = |role| server.dialled_by(&certified(role), Server::Any(Role::Tracker));
    let (peer, webserver) = (of(Role::Peer), of(Role::Webserver));
    let other = ApiToken::random().to_string();
    for (channel, path, shown, expected) in [
        (&peer, "/api/v1/names?x", "", StatusCode::OK),
        (&webserver, "/api/v1/names?x", "", StatusCode::FORBIDDEN),
        // A token counts in place of the certificate.
        (&peer, "/api/v1/names?x", &*token, StatusCode::FORBIDDEN),
        (&webserver, "/api/v1/names?models/7b", &*token, StatusCode::OK),
        (
            &peer,
            "/api/v1/names?models/7b",
            &*other,
            StatusCode::UNAUTHORIZED,
        ),
        // The token of a node is none of ours.
        (&peer, "/api/v1/names?x", "0123456789abcdef", StatusCode::OK),
        (&peer, "/forgotten", "", StatusCode::FORBIDDEN),
        (&peer, "/forgotten", &*token, StatusCode::FORBIDDEN),
    ] {
        let answer = ask(channel, path, shown).await;
        assert_eq!(answer.status(), expected, "{path}");
        let is_challenged = answer.headers().contains_key(header::WWW_AUTHENTICATE);
        assert_eq!(is_challenged, expected == StatusCode::UNAUTHORIZED, "{path}");
    }
    let heard = keeper.heard.lock().expect("whole").clone();
    let heard: Vec<_> = heard.iter().map(|(call, why)| (call.as_str(), *why)).collect();
    let expected = [
        ("/api/v1/names", Denial::Role(Role::Webserver)),
        ("/api/v1/names", Denial::NoToken),
        ("/forgotten", Denial::Unknown),
        ("/forgotten", Denial::Unknown),
    ];
    assert_eq!(heard, expected, "objects are the handler's to refuse");
}

#[tokio::test]
async fn strangers_hear_how_to_come_in_and_see_nothing_else() {
    let authority = Authority::new();
    let tls = handle(authority.certify(authority.identity(Role::Tracker), NOW));
    let (server, _) = tracker(tls.clone(), "read").await;
    let cluster = own(&tls).identity.cluster;
    let guest = Tls::of_guest(Clock::system(), cluster, vec![authority.root()]).expect("a root");
    let stranger = server.dialled_by(&guest, Server::Any(Role::Tracker));
    // From its own machine a caller may read, and nothing else; the guard itself is told the ends.
    let answer = ask(&stranger, "/api/v1/names?x", "").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        ask(&stranger, "/forgotten", "").await.status(),
        StatusCode::FORBIDDEN
    );
    let mut health = tonic_health::pb::health_client::HealthClient::new(stranger.clone());
    health
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await
        .expect("everybody may");
    tls.set_mode(Mode::Off);
    let plain = dial::channel(&server.address).expect("an address");
    let answer = ask(&plain, "/forgotten", "").await;
    assert_eq!(answer.status(), StatusCode::OK, "nothing is judged");
}
