//! Servers and diallers with certificates that count, and with all kinds that do not.

mod authority;
mod ending;
mod enrolling;
mod guarding;
mod handshakes;
mod membership;

use std::ops::Range;

use axum::body::{Body, Bytes, to_bytes};
use axum::{Extension, Router, routing};
use proto::accept::places::Bounds;
use proto::accept::{Door, Services, serve};
use proto::dial::{self, Server};
use proto::tls::{Certificate, Credentials, Tls};
use shared::model::{HostPort, MemberId};
use shared::runtime::{Clock, Tasks};
use shared::security::authorization::{Caller, Mode};
use shared::security::{Identity, Role};
use shared::{ErrorCode, describe};
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tower::ServiceExt as _;

use authority::{Authority, NOW};

/// A program on a port of this machine, which tells callers who they are at `/who`.
struct Program {
    tls: Tls,
    address: HostPort,
    tasks: Tasks,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.tasks.token().cancel();
    }
}

impl Program {
    async fn start(tls: Tls) -> Self {
        let who = async |Extension(caller): Extension<Caller>| format!("{caller:?}");
        let endless =
            || async { Body::from_stream(tokio_stream::pending::<Result<Bytes, std::io::Error>>()) };
        let routes = Router::new()
            .route("/who", routing::get(who))
            .route("/endless", routing::get(endless));
        let door = Door::with(Bounds::of(2048)).secured(tls.clone());
        Self::behind(tls, routes, door).await
    }

    async fn behind(tls: Tls, routes: Router, door: Door) -> Self {
        let tasks = Tasks::new();
        let (grpc, _health) = Services::new().into_router();
        let router = grpc.merge(routes);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").into();
        tasks.spawn_detached("accept", serve(listener, router, tasks.clone(), door));
        Self { tls, address, tasks }
    }

    fn dialled_by(&self, tls: &Tls, server: Server) -> Channel {
        dial::secured(&self.address, tls, server).expect("an address")
    }
}

/// Makes the handle of a member in a network that requires security.
fn handle(credentials: Credentials) -> Tls {
    let tls = Tls::off(Clock::system());
    tls.load(credentials).expect("good credentials");
    tls.set_mode(Mode::Required);
    tls
}

fn own(tls: &Tls) -> Certificate {
    tls.certificate().expect("loaded")
}

fn identity_of(tls: &Tls) -> Server {
    let Identity { id, role, .. } = own(tls).identity;
    Server::Member(role, id)
}

/// Asks a program who it takes the caller for.
async fn who(channel: &Channel) -> Result<String, String> {
    let answer = get(channel, "/who").await?;
    let text = to_bytes(answer, 1 << 12)
        .await
        .map_err(|error| describe(&error))?;
    Ok(String::from_utf8(text.to_vec()).expect("text"))
}

async fn get(channel: &Channel, path: &str) -> Result<Body, String> {
    let request = http::Request::get(path)
        .body(tonic::body::Body::empty())
        .expect("a request");
    let answer = channel
        .clone()
        .oneshot(request)
        .await
        .map_err(|error| describe(&error))?;
    Ok(Body::new(answer.into_body()))
}

#[tokio::test]
async fn members_know_each_other_by_their_certificates() {
    let authority = Authority::new();
    let server = Program::start(handle(authority.certify(authority.identity(Role::Peer), NOW))).await;
    let client = handle(authority.certify(authority.identity(Role::Peer), NOW));
    for expected in [identity_of(&server.tls), Server::Any(Role::Peer)] {
        let channel = server.dialled_by(&client, expected);
        let (identity, key) = (own(&client).identity, own(&client).key);
        assert_eq!(
            who(&channel).await,
            Ok(format!("{:?}", Caller::Member { identity, key }))
        );
        let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
        let checked = health
            .check(tonic_health::pb::HealthCheckRequest::default())
            .await;
        assert!(checked.is_ok(), "{checked:?}");
    }
}

#[tokio::test]
async fn a_dialler_speaks_to_nobody_but_the_expected_server() {
    let authority = Authority::new();
    let server = Program::start(handle(authority.certify(authority.identity(Role::Peer), NOW))).await;
    let client = handle(authority.certify(authority.identity(Role::Peer), NOW));
    let there = own(&server.tls).identity;
    for expected in [
        Server::Member(Role::Peer, MemberId::random()),
        Server::Member(Role::Tracker, there.id),
        Server::Any(Role::Tracker),
    ] {
        let failure = who(&server.dialled_by(&client, expected))
            .await
            .expect_err("refused");
        let told = format!("another program answers there, with a certificate for {there}");
        assert!(failure.contains(&told), "{failure}");
    }
}

/// Kinds of certificates that do not count, and the words for each at the dialler of one.
fn bad(authority: &Authority, role: Role) -> [(Credentials, &'static str); 3] {
    let identity = authority.identity(role);
    let life = |life: Range<i64>| authority.certify(identity, life);
    let mut other = Authority::of(authority.cluster()).certify(identity, NOW);
    other.roots = vec![authority.root()];
    [
        (other, "the certificate there is of another network"),
        (life(-7200..-3600), "the certificate there ended 1h"),
        (
            life(86_400 * 365..86_400 * 366),
            "the certificate there begins in 36",
        ),
    ]
}

#[tokio::test]
async fn servers_take_no_certificate_that_does_not_count() {
    let authority = Authority::new();
    let server = Program::start(handle(authority.certify(authority.identity(Role::Tracker), NOW))).await;
    let words = [
        "does not accept",
        "one of the two clocks",
        "one of the two clocks",
    ];
    for ((credentials, _), words) in bad(&authority, Role::Peer).into_iter().zip(words) {
        let channel = server.dialled_by(&handle(credentials), identity_of(&server.tls));
        let failure = who(&channel).await.expect_err("refused");
        assert!(failure.contains(words), "{failure}");
    }
    let revoked = handle(authority.certify(authority.identity(Role::Peer), NOW));
    server.tls.set_revoked([own(&revoked).key]);
    let channel = server.dialled_by(&revoked, identity_of(&server.tls));
    let caller = who(&channel).await.expect("to hear that it counts no more");
    assert!(caller.starts_with("Revoked"), "{caller}");
    let other = handle(authority.certify(own(&revoked).identity, NOW));
    let channel = server.dialled_by(&other, identity_of(&server.tls));
    who(&channel)
        .await
        .expect("a key is revoked, and this is another one");
}

#[tokio::test]
async fn diallers_take_no_server_whose_certificate_does_not_count() {
    let authority = Authority::new();
    let client = handle(authority.certify(authority.identity(Role::Peer), NOW));
    for (credentials, words) in bad(&authority, Role::Tracker) {
        let server = Program::start(handle(credentials)).await;
        let channel = server.dialled_by(&client, identity_of(&server.tls));
        let failure = who(&channel).await.expect_err("refused");
        assert!(failure.contains(words), "{failure}");
    }
    let server = Program::start(handle(authority.certify(authority.identity(Role::Tracker), NOW))).await;
    client.set_revoked([own(&server.tls).key]);
    let channel = server.dialled_by(&client, identity_of(&server.tls));
    let failure = who(&channel).await.expect_err("refused");
    assert!(failure.contains("the member there is revoked"), "{failure}");
}

#[tokio::test]
async fn plain_and_tls_share_a_port() {
    let authority = Authority::new();
    let server = Program::start(handle(authority.certify(authority.identity(Role::Tracker), NOW))).await;
    let client = handle(authority.certify(authority.identity(Role::Peer), NOW));
    for mode in Mode::ALL {
        server.tls.set_mode(mode);
        let plain = dial::channel(&server.address).expect("an address");
        assert_eq!(who(&plain).await.as_deref(), Ok("OwnMachine"), "{mode}");
        let secured = who(&server.dialled_by(&client, identity_of(&server.tls))).await;
        assert_eq!(secured.is_ok(), mode != Mode::Off, "{mode}: {secured:?}");
    }
}

#[tokio::test]
async fn only_a_permissive_dialler_speaks_without_tls() {
    let authority = Authority::new();
    let plain = Program::start(Tls::off(Clock::system())).await;
    let client = handle(authority.certify(authority.identity(Role::Peer), NOW));
    let expected = Server::Member(Role::Peer, MemberId::random());
    let failure = who(&plain.dialled_by(&client, expected))
        .await
        .expect_err("refused");
    assert!(failure.contains("does not speak TLS"), "{failure}");
    client.set_mode(Mode::Permissive);
    who(&plain.dialled_by(&client, expected))
        .await
        .expect("a plain connection");
    client.set_mode(Mode::Off);
    who(&plain.dialled_by(&client, expected))
        .await
        .expect("a plain connection");

    let stranger = Tls::off(Clock::system());
    stranger.set_mode(Mode::Required);
    let failure = who(&plain.dialled_by(&stranger, expected))
        .await
        .expect_err("refused");
    assert!(failure.contains("has not joined"), "{failure}");
}

#[tokio::test]
async fn a_permissive_dialler_takes_no_wrong_certificate_for_a_plain_server() {
    let authority = Authority::new();
    let server = Program::start(handle(authority.certify(authority.identity(Role::Peer), NOW))).await;
    let client = handle(authority.certify(authority.identity(Role::Peer), NOW));
    client.set_mode(Mode::Permissive);
    let expected = Server::Member(Role::Peer, MemberId::random());
    who(&server.dialled_by(&client, expected))
        .await
        .expect_err("refused");
}

#[tokio::test]
async fn credentials_that_do_not_fit_are_refused_and_change_nothing() {
    let authority = Authority::new();
    let tls = handle(authority.certify(authority.identity(Role::Peer), NOW));
    let before = own(&tls);
    let certify = || authority.certify(authority.identity(Role::Peer), NOW);
    let other_key = Credentials {
        key: certify().key,
        ..certify()
    };
    let no_chain = Credentials {
        chain: vec![],
        ..certify()
    };
    let no_roots = Credentials {
        roots: vec![],
        ..certify()
    };
    let no_member = Credentials {
        chain: vec![authority.root()],
        ..certify()
    };
    for bad in [other_key, no_chain, no_roots, no_member] {
        tls.load(bad).expect_err("refused");
        assert_eq!(own(&tls), before);
    }
}
