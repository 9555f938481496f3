//! Security over real connections: `tracker init`, machines that join, calls that are refused.

mod auditing;
mod joining;
mod matrix;
mod revoking;
mod rotating;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use proto::client::{CatalogClient, Orders, SecurityClient, SessionClient};
use proto::credentials::Credentials as SessionCredentials;
use proto::dial::{self, Server};
use proto::membership::Membership;
use proto::tls::{Credentials, Tls};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use shared::keys::PeerKey;
use shared::model::{ClusterId, HostPort, KeyHash, MemberId, Numbered, PeerId, Report, Timestamp, Welcome};
use shared::runtime::Clock;
use shared::security::authorization::Mode;
use shared::security::{ApiToken, Identity, JoinLine, Role};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tower::ServiceExt as _;
use tracker::authority::{self, Authority, Life, Proved};
use tracker::config::SecureCommand;
use tracker::{Config, commands};

use super::{Served, hello};

const DAY: Duration = Duration::from_hours(24);

/// The tracker of a secured network, with what its `init` has printed.
struct Secured {
    dir: TempDir,
    served: Served,
    admin: ApiToken,
    lines: [JoinLine; 3],
}

/// Secures the network of a data directory; returns the document that was printed.
async fn init(data_dir: &Path) -> serde_json::Value {
    let command = SecureCommand::Init {
        names: vec!["tracker.lab".to_owned()],
        addresses: vec!["127.0.0.1:1".parse().expect("an address")],
        json: true,
    };
    let config = Config::on_free_port(data_dir);
    let printed = commands::perform(command, &config).await.expect("secured");
    serde_json::from_str(&printed).expect("JSON")
}

impl Secured {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let printed = init(dir.path()).await;
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let admin = text(&printed["admin_token"]).parse().expect("a token");
        let lines = ["peer", "webserver", "tracker"].map(|role| text(&printed["join"][role]));
        let lines = lines.map(|line| line.parse().expect("a join line"));
        let served = Served::start(dir.path()).await;
        Self {
            dir,
            served,
            admin,
            lines,
        }
    }

    fn address(&self) -> HostPort {
        self.served.address.into()
    }

    /// Returns a line as if it had the port that the tracker has got.
    fn at_hand(&self, line: &JoinLine) -> JoinLine {
        let servers = vec![self.address()];
        JoinLine::new(servers, line.pin(), line.token(), line.secret().clone()).expect("a line")
    }

    fn line(&self, role: Role) -> JoinLine {
        let place = [Role::Peer, Role::Webserver, Role::Tracker]
            .iter()
            .position(|of| *of == role);
        self.at_hand(&self.lines[place.expect("such a line")])
    }

    /// The authority, as it lies in the data directory.
    fn authority(&self) -> Authority {
        Authority::open(self.dir.path()).expect("read").expect("there")
    }

    fn guest(&self) -> Tls {
        let (cluster, roots) = authority::trust(self.dir.path()).expect("read");
        Tls::of_guest(Clock::system(), cluster, roots).expect("roots")
    }

    fn security(&self, token: &ApiToken) -> SecurityClient {
        let client = SecurityClient::new(&self.address(), &self.guest()).expect("an address");
        client.with_token(Some(token.clone()))
    }

    fn administrator(&self) -> SecurityClient {
        self.security(&self.admin)
    }

    fn credentials_at(&self, identity: Identity, now: Timestamp) -> (Credentials, KeyHash) {
        certified_by(&self.authority(), identity, now)
    }
}

/// A peer that has joined.
struct Joined {
    id: PeerId,
    key: PeerKey,
    membership: Membership,
    dir: TempDir,
}

impl Joined {
    /// Makes a peer that has not joined yet.
    fn machine(n: u8) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (id, key) = (PeerId::from_bytes([n; 16]), PeerKey::generate().expect("a key"));
        let clock = Clock::system();
        let own = Some((MemberId::from(id), &key));
        let tls = Tls::off(clock.clone());
        let membership = Membership::open(dir.path(), Role::Peer, own, tls, clock).expect("opened");
        Self {
            id,
            key,
            membership,
            dir,
        }
    }

    async fn new(tracker: &Secured, n: u8) -> Self {
        let machine = Self::machine(n);
        let joined = machine.membership.join(&tracker.line(Role::Peer)).await;
        joined.expect("it joins");
        machine
    }

    fn tls(&self) -> &Tls {
        self.membership.tls()
    }

    async fn session(&self, tracker: &Secured) -> InSession {
        let client = SessionClient::new(&tracker.address(), self.tls()).expect("an address");
        let n = self.id.as_bytes()[0];
        let opened = client.open(hello(n, 1, 0), Some(&self.key)).await;
        let (welcome, up, orders) = opened.expect("welcome");
        let inventory = Report::Announce {
            holdings: Vec::new(),
            completes_inventory: true,
        };
        let first = Numbered {
            sequence: 2,
            message: inventory,
        };
        up.send(first).await.expect("the session is open");
        InSession { welcome, up, orders }
    }

    fn catalog(&self, tracker: &Secured, session: &InSession) -> CatalogClient {
        let client = CatalogClient::new(&tracker.address(), self.tls()).expect("an address");
        client.speaking_with(SessionCredentials::new(session.welcome.secret))
    }
}

struct InSession {
    welcome: Welcome,
    #[expect(dead_code, reason = "the session is open as long as it is there")]
    up: mpsc::Sender<Numbered<Report>>,
    orders: Orders,
}

/// Has an authority certify a new key of a member, as at some time.
fn certified_by(authority: &Authority, identity: Identity, now: Timestamp) -> (Credentials, KeyHash) {
    let key = KeyPair::generate().expect("a key");
    let request = CertificateParams::default()
        .serialize_request(&key)
        .expect("a request");
    let proved = Proved::by(request.der()).expect("it proves the key");
    let chain = authority
        .certify(&proved, identity, Life::of_member(now))
        .expect("certified");
    let credentials = Credentials {
        chain,
        key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        roots: authority.roots(Clock::system().now()),
    };
    (credentials, proved.hash())
}

/// Makes the handle of somebody with these credentials.
fn handle(credentials: Credentials) -> Tls {
    let tls = Tls::off(Clock::system());
    tls.load(credentials).expect("they fit");
    tls.set_mode(Mode::Required);
    tls
}

fn identity(authority: &Authority, role: Role, n: u8) -> Identity {
    Identity {
        id: MemberId::from_bytes([n; 16]),
        role,
        cluster: authority.cluster(),
    }
}

/// Outcome of a call that was made by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// There was no connection over which to ask.
    Unheard,
    /// The caller may not do this; the reason in words.
    Refused(String),
    /// The call was let in, whatever came of it then.
    LetIn,
}

/// Makes a call of the table by hand, with a message in protobuf.
async fn call(at: SocketAddr, tls: &Tls, token: Option<&ApiToken>, name: &str, message: &[u8]) -> Answer {
    let channel = dial::secured(&at.into(), tls, Server::Any(Role::Tracker)).expect("an address");
    let (method, path) = name.split_once(' ').unwrap_or(("POST", name));
    let path = path.replace("{*name}", "a").replace("{id}", &"0".repeat(64));
    let mut request = http::Request::builder()
        .method(method)
        .uri(format!("http://{at}{path}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let is_rpc = name.starts_with('/');
    let body = match is_rpc {
        true => {
            request = request
                .header("content-type", "application/grpc")
                .header("te", "trailers");
            let length = u32::try_from(message.len()).expect("short").to_be_bytes();
            [&[0], &length[..], message].concat()
        }
        false => Vec::new(),
    };
    let request = request
        .body(tonic::body::Body::new(Body::from(body)))
        .expect("a request");
    let asked = tokio::time::timeout(super::PATIENCE, channel.oneshot(request)).await;
    let Ok(answer) = asked.expect("an answer comes in time") else {
        return Answer::Unheard;
    };
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let (status, code) = (answer.status().as_u16(), header("grpc-status"));
    let refused = matches!(code, Some("7" | "16" | "9")) || matches!(status, 401 | 403 | 412);
    let words = header("grpc-message").unwrap_or_default().replace("%20", " ");
    match (refused, is_rpc) {
        (true, true) => Answer::Refused(words),
        (true, false) => {
            let body = to_bytes(Body::new(answer.into_body()), 1 << 16)
                .await
                .expect("a body");
            Answer::Refused(String::from_utf8_lossy(&body).into_owned())
        }
        (false, _) => Answer::LetIn,
    }
}

/// Returns the bytes of a message with these texts in its first fields.
fn texts(texts: &[&str]) -> Vec<u8> {
    let field = |(n, text): (u8, &&str)| {
        let length = u8::try_from(text.len()).expect("short");
        [&[n << 3 | 2, length], text.as_bytes()].concat()
    };
    (1..).zip(texts).flat_map(field).collect()
}

/// Another cluster's id.
fn elsewhere() -> ClusterId {
    ClusterId::from_bytes([0xee; 8])
}
