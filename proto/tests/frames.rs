//! Floods of frames that ask for an answer or for nothing: the server holds one answer at most, reads no
//! further while it cannot send it, and serves others meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use proto::accept::{Door, Services, serve};
use proto::client::identify;
use proto::tls::Tls;
use shared::runtime::{OnExit, Tasks};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// First bytes of a client: the preface, and settings without a change.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A ping of the client's.
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0flooding";

/// Settings without a change, which are acknowledged all the same.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// One byte more for the connection.
const WINDOW_UPDATE: &[u8] = b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01";

/// As many bytes more as there can be.
const LARGEST_UPDATE: &[u8] = b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\xff\xff";

/// More than the kernel keeps for a connection in both directions: what is taken beyond, the server holds.
const KERNEL: usize = 32 << 20;

/// Time in which a server that reads takes something.
const STILL: Duration = Duration::from_secs(2);

async fn start(tasks: &Tasks) -> SocketAddr {
    let (grpc, _health) = Services::new().into_router();
    let router: Router = grpc;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let serving = serve(listener, router, tasks.clone(), Door::new());
    tasks.spawn("accept", OnExit::ShutDown, serving);
    address
}

async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(64 << 10).expect("a small buffer");
    let mut stream = socket.connect(address).await.expect("connects");
    stream.write_all(HELLO).await.expect("is taken");
    stream
}

/// Writes a frame again and again, and reads nothing. Returns the bytes that were taken until nothing more
/// was, or `most`.
async fn flood(stream: &mut TcpStream, frame: &[u8], most: usize) -> usize {
    let frames = frame.repeat(1 + (64 << 10) / frame.len());
    let mut taken = 0;
    while taken < most {
        // Frames are cut anywhere: the next write goes on where this one ended.
        let at = taken % frames.len();
        match tokio::time::timeout(STILL, stream.write(&frames[at..])).await {
            Ok(written) => taken += written.expect("the connection stays"),
            Err(_) => break,
        }
    }
    taken
}

async fn others_are_served(address: SocketAddr) {
    let named =
        tokio::time::timeout(Duration::from_secs(5), identify(&address.into(), &Tls::default())).await;
    assert!(named.expect("in time").is_some());
}

#[tokio::test]
async fn answers_do_not_pile_up_for_a_client_that_reads_none() {
    let tasks = Tasks::new();
    let address = start(&tasks).await;
    let mut held = Vec::new();
    for frame in [PING, SETTINGS] {
        let mut stream = connect(address).await;
        let taken = flood(&mut stream, frame, 2 * KERNEL).await;
        assert!(
            taken < KERNEL,
            "{taken} bytes of frames were taken, and no answer was"
        );
        others_are_served(address).await;
        held.push(stream);
    }
    drop(held);
    assert!(
        tasks.stop(Duration::from_secs(10)).await,
        "the server stops in time"
    );
}

#[tokio::test]
async fn a_flood_that_needs_no_answer_holds_nobody_up_and_ends() {
    let tasks = Tasks::new();
    let address = start(&tasks).await;
    let mut stream = connect(address).await;
    let taken = tokio::join!(flood(&mut stream, WINDOW_UPDATE, 2 << 20), async {
        for _ in 0..20 {
            others_are_served(address).await;
        }
    });
    assert!(taken.0 >= 2 << 20);
    // The window has a bound, at which the connection ends.
    for _ in 0..2 {
        stream.write_all(LARGEST_UPDATE).await.expect("is taken");
    }
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    drop(ended.expect("the connection ends"));
    assert!(
        tasks.stop(Duration::from_secs(10)).await,
        "the server stops in time"
    );
}
