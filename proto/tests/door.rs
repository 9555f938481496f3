//! A server with few places under hundreds of idle connections that answer pings.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::{Router, routing};
use proto::accept::places::Bounds;
use proto::accept::{Door, Services, serve};
use proto::client::identify;
use shared::runtime::{OnExit, Tasks};
use tokio::net::{TcpListener, TcpStream};

const PLACES: usize = 64;

/// Idle connections, nearly five times as many as there are places.
const IDLE: usize = 300;

/// Connections with a request that does not end.
const BUSY: usize = 20;

async fn start(tasks: &Tasks) -> SocketAddr {
    let (grpc, _health) = Services::new().into_router();
    let endless = || async { Body::from_stream(tokio_stream::pending::<Result<Bytes, std::io::Error>>()) };
    let router: Router = grpc.route("/endless", routing::get(endless));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let door = Door::with(Bounds::of(PLACES));
    tasks.spawn(
        "accept",
        OnExit::ShutDown,
        serve(listener, router, tasks.clone(), door),
    );
    address
}

/// Opens a connection of HTTP/2 and keeps it: pings are answered. Counts it while it is open.
async fn connect(
    address: SocketAddr,
    tasks: &Tasks,
    open: &Arc<AtomicUsize>,
) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.expect("connects");
    let (requests, connection) = h2::client::handshake(stream).await.expect("a handshake");
    let open = Arc::clone(open);
    open.fetch_add(1, Ordering::Relaxed);
    tasks.spawn_detached("a client's connection", async move {
        // Its end is all that counts.
        drop(connection.await);
        open.fetch_sub(1, Ordering::Relaxed);
    });
    requests
}

async fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let until = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), until).await;
    waited.unwrap_or_else(|_| panic!("{what}: not in time"));
}

#[tokio::test]
async fn idle_connections_make_room_and_requests_go_on() {
    let tasks = Tasks::new();
    let address = start(&tasks).await;
    let (busy, idle) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));

    let mut answers = Vec::new();
    for _ in 0..BUSY {
        let mut requests = connect(address, &tasks, &busy)
            .await
            .ready()
            .await
            .expect("ready");
        let request = http::Request::get(format!("http://{address}/endless")).body(());
        let (answer, _) = requests
            .send_request(request.expect("a request"), true)
            .expect("is sent");
        answers.push((requests, answer.await.expect("an answer")));
    }
    let mut held = Vec::new();
    for _ in 0..IDLE {
        held.push(connect(address, &tasks, &idle).await);
    }
    wait_for("the longest idle connections to end", || {
        idle.load(Ordering::Relaxed) <= PLACES - BUSY
    })
    .await;

    // Others are answered all the time.
    for _ in 0..10 {
        let named = tokio::time::timeout(
            Duration::from_secs(5),
            identify(&address.into(), &proto::tls::Tls::default()),
        )
        .await;
        assert!(named.expect("in time").is_some());
    }
    assert_eq!(
        busy.load(Ordering::Relaxed),
        BUSY,
        "a connection with a request was ended"
    );

    // A connection whose request has ended is as idle as any.
    let kept: Vec<_> = answers.into_iter().map(|(requests, _)| requests).collect();
    let more = Arc::new(AtomicUsize::new(0));
    for _ in 0..20 * PLACES {
        if busy.load(Ordering::Relaxed) == 0 {
            break;
        }
        held.push(connect(address, &tasks, &more).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        busy.load(Ordering::Relaxed),
        0,
        "connections without requests stay"
    );
    drop((held, kept));
    assert!(
        tasks.stop(Duration::from_secs(10)).await,
        "the server stops in time"
    );
}
