//! The first bytes of connections: TLS or not, HTTP/1 or HTTP/2, and whatever else somebody sends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::routing;
use proto::accept::places::Bounds;
use proto::accept::{Door, Services, serve};
use proto::tls::{Credentials, Tls};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use shared::model::{ClusterId, MemberId};
use shared::runtime::{Clock, Tasks};
use shared::security::authorization::Mode;
use shared::security::{Identity, Role};
use tokio::runtime::Runtime;

use super::Target;

/// The client has said everything: an answer that takes longer than this does not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of an answer that are read; ours are shorter.
const LONGEST: u64 = 1 << 20;

/// An honest request comes after this number of inputs.
const HONEST_EACH: usize = 50;

const HONEST: &[u8] = b"GET /ok HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";

/// HTTP/2: the preface, SETTINGS, and the headers of `GET /ok`.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
    \0\0\x12\x01\x05\0\0\0\x01\x82\x86\x04\x03/ok\x41\x09127.0.0.1";

pub(super) const ACCEPT: Target = Target {
    name: "accept",
    run: first_bytes,
    samples: || {
        let ping = b"\0\0\x08\x06\0\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08";
        let post =
            b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc";
        let call = b"POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\n\r\n";
        let (pinged, hello) = ([HTTP2, &ping[..]].concat(), hello());
        let all: [&[u8]; 6] = [HONEST, post, call, HTTP2, &pinged, &hello];
        // Each to a program without security and to one that has it; whole, and in two parts.
        let to = |how: u8| all.map(|bytes| [&[how][..], bytes].concat());
        [0, 1, 20, 21].into_iter().flat_map(to).collect()
    },
    words: &[
        "\u{16}\u{3}\u{1}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\r\n\r\n",
        "HTTP/1.1",
        "\0\0\0\u{4}\0",
        "GET ",
        ":",
    ],
    inputs: 250,
};

/// Panics in this process, also those in tasks, which go on without telling anybody.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Connections made.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// Two servers in this process: one without security, and one that requires it.
struct Servers {
    addresses: [SocketAddr; 2],
    _runtime: Runtime,
}

static SERVERS: LazyLock<Servers> = LazyLock::new(|| {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_served = std::thread::current().name().is_some_and(|name| name == "accept");
        PANICS.fetch_add(usize::from(is_served), Ordering::SeqCst);
        before(panic);
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("accept")
        .enable_all()
        .build()
        .expect("a runtime");
    let secured = Tls::off(Clock::system());
    secured.load(credentials()).expect("good credentials");
    secured.set_mode(Mode::Required);
    let addresses = [Tls::off(Clock::system()), secured].map(|tls| runtime.block_on(start(tls)));
    Servers {
        addresses,
        _runtime: runtime,
    }
});

async fn start(tls: Tls) -> SocketAddr {
    let tasks = Tasks::new();
    let (grpc, _health) = Services::new().into_router();
    let router = grpc.route("/ok", routing::get(async || "ok"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("bound");
    let door = Door::with(Bounds::of(64)).secured(tls);
    tasks.spawn_detached("accept", serve(listener, router, tasks.clone(), door));
    address
}

/// Credentials of a tracker, by an authority of their own.
fn credentials() -> Credentials {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let root = params.self_signed(&key).expect("a root").der().clone();
    let issuer = Issuer::new(params, key);
    let identity = Identity {
        id: MemberId::random(),
        role: Role::Tracker,
        cluster: ClusterId::random(),
    };
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(identity.names()).expect("names");
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let leaf = params.signed_by(&key, &issuer).expect("a certificate");
    Credentials {
        chain: vec![leaf.der().clone(), root.clone()],
        key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        roots: vec![root],
    }
}

/// The first message of a client by TLS.
fn hello() -> Vec<u8> {
    let provider = rustls::crypto::aws_lc_rs::default_provider().into();
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a version")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("tracker.fedcba9876543210.enjambre").expect("a name");
    let mut client = ClientConnection::new(config.into(), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("into memory");
    bytes
}

/// Takes a byte that tells the server and where the bytes after it are cut in two, and these.
fn first_bytes(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else {
        return;
    };
    let address = SERVERS.addresses[usize::from(how % 2)];
    let cut = usize::from(how / 2).min(bytes.len());
    let answer = exchange(address, &[&bytes[..cut], &bytes[cut..]], true);
    let is_known = match &answer[..] {
        [] => true,
        // An alert or a message of TLS, a frame of HTTP/2 on the connection itself.
        [0x15 | 0x16, 3, ..] => true,
        [0, _, _, _, ..] => true,
        answer => answer.starts_with(b"HTTP/1."),
    };
    assert!(
        is_known,
        "an answer that nobody speaks: {}",
        answer.escape_ascii()
    );
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "a task of the server panicked");
    if MADE.fetch_add(1, Ordering::Relaxed).is_multiple_of(HONEST_EACH) {
        for address in SERVERS.addresses {
            let answer = exchange(address, &[HONEST], false);
            assert!(
                answer.starts_with(b"HTTP/1.1 200"),
                "an honest one gets {}",
                answer.escape_ascii()
            );
        }
    }
}

/// Sends the parts, says that there is nothing more if that is wanted, and reads what comes until the server
/// closes. A request that is not answered yet is given up with the end of its connection's input.
fn exchange(address: SocketAddr, parts: &[&[u8]], ends_input: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    // The server may have closed before it has read everything: that is an answer, too.
    for part in parts {
        if stream.write_all(part).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    if !ends_input || stream.shutdown(Shutdown::Write).is_ok() {
        let read = stream.take(LONGEST).read_to_end(&mut answer);
        let is_late =
            |error: std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(
            !read.is_err_and(is_late),
            "the server does not end the connection"
        );
    }
    answer
}
