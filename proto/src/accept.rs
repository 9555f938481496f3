//! The one place where connections are taken: gRPC and HTTP on the same port, plain or by TLS.
//!
//! tonic's own server has no cap on connections and retries a failing `accept` in a tight loop, so the loop
//! is ours: a [`Door`] with bounded places, a pause after a failed accept, deadlines for the first bytes, for
//! handshakes, for headers and for the drain. The extensions of every request have the [`Ends`] of its
//! connection and the [`Caller`] at the other end, and every request has been judged by the guard before
//! its handler sees it.

pub mod accounts;
mod answer;
mod door;
mod guard;
mod opened;
pub mod places;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::Next;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use shared::runtime::{OnExit, Tasks};
use shared::security::authorization::Caller;
use tokio::net::{TcpListener, TcpStream};
use tonic::service::{Routes, RoutesBuilder};
use tonic_health::server::HealthReporter;
use tower::ServiceExt as _;
use tracing::debug;

pub use crate::ends::{ByTls, Ends};
use answer::Answer;
pub use door::Door;
use door::Place;
pub use guard::{Gatekeeper, Pass, Scopes, who};
use opened::open;

use crate::opening::Opening;
use crate::tls::Connection;
use crate::v1;

/// A client that has not sent its request's headers by then is cut off.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Unanswered pings end a connection whose other end has silently gone.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Time for requests under way to end once the service stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// After a failed accept (out of file descriptors, most likely): long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Receiving windows; see [`crate::dial`] for the size of the other side's.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Bytes of a connection that may wait unsent in the kernel. Unbounded, it is half a megabyte for each
/// receiver of a busy peer: whole fragments, for seconds on a slow line, which can no longer be postponed or
/// cancelled. Peers would believe them served, and give their upload slots to others. Measured in
/// docs/adr/0011-data-path.md.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 32 << 10;

/// Fewer, larger frames: fewer wake-ups on the data path.
const FRAME_BYTES: u32 = 64 << 10;

/// gRPC services of one program, with health and reflection.
#[derive(Debug)]
pub struct Services {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    health: HealthReporter,
}

impl Services {
    /// Begins with the health service.
    #[must_use]
    pub fn new() -> Self {
        let (health, service) = tonic_health::server::health_reporter();
        let mut routes = Routes::builder();
        routes.add_service(service);
        Self {
            routes,
            names: Vec::new(),
            health,
        }
    }

    /// Adds a service; it is reported as serving at once.
    pub async fn add<S>(mut self, service: S) -> Self
    where
        S: tower::Service<http::Request<tonic::body::Body>, Error = Infallible>
            + tonic::server::NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.names.push(S::NAME);
        self.health
            .set_service_status(S::NAME, tonic_health::ServingStatus::Serving)
            .await;
        self
    }

    /// Returns the routes, ready to be merged with a program's HTTP routes, and the handle that changes the
    /// state reported by the health service.
    ///
    /// # Panics
    /// Never: the descriptors are made by the build.
    pub fn into_router(self) -> (Router, HealthReporter) {
        let reflection = || {
            let mut builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
            for name in &self.names {
                builder = builder.with_service_name(*name);
            }
            builder.with_service_name("grpc.health.v1.Health")
        };
        let v1 = reflection()
            .build_v1()
            .expect("descriptors made by the build are valid");
        // Older clients ask the older reflection service.
        let v1alpha = reflection()
            .build_v1alpha()
            .expect("descriptors made by the build are valid");
        let mut routes = self.routes;
        routes.add_service(v1);
        routes.add_service(v1alpha);
        (routes.routes().into_axum_router(), self.health)
    }
}

impl Default for Services {
    fn default() -> Self {
        Self::new()
    }
}

fn is_grpc(headers: &http::HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Answers gRPC calls of unknown services in gRPC, independently of the program's answer to unknown paths.
async fn answer_unknown_calls(request: axum::extract::Request, next: Next) -> axum::response::Response {
    let is_call = is_grpc(request.headers());
    let path = if is_call {
        request.uri().path().to_owned()
    } else {
        String::new()
    };
    let response = next.run(request).await;
    if is_call && response.status() == http::StatusCode::NOT_FOUND && !is_grpc(response.headers()) {
        return tonic::Status::unimplemented(format!("this program does not serve {path}")).into_http();
    }
    response
}

/// Takes connections through a door until the token of `tasks` is cancelled, then lets requests under way
/// end. A connection for which there is no place is closed.
pub async fn serve(listener: TcpListener, router: Router, tasks: Tasks, door: Door) {
    let guard = axum::middleware::from_fn_with_state(door.guard(), guard::admit);
    let router = router
        .layer(guard)
        .layer(axum::middleware::from_fn(answer_unknown_calls));
    let graceful = GracefulShutdown::new();
    let token = tasks.token().clone();
    loop {
        let accepted = tokio::select! {
            () = token.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                door.note_failure(&error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A connection without addresses is closed already.
        let Ok(ends) = Ends::of(&stream, remote) else {
            continue;
        };
        let Some((place, lost)) = door.admit(ends) else {
            continue;
        };
        if let Err(error) = prepare(&stream, ends) {
            debug!(%error, %remote, "cannot set a connection's options");
        }
        let served = Served {
            router: router.clone(),
            place: Arc::new(place),
            ends,
            watcher: graceful.watcher(),
        };
        let (door, stopped) = (door.clone(), token.clone());
        tasks.spawn("connection", OnExit::Continue, async move {
            let connection = async {
                // A connection that is still being opened has no request under way.
                let (stream, caller) = tokio::select! {
                    opened = open(&door, stream, ends) => opened?,
                    () = stopped.cancelled() => return Ok(()),
                };
                let who = places::Who::of(&caller, ends);
                served.place.identify(who).map_err(io::Error::other)?;
                served.run(stream, caller).await
            };
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    debug!(%error, %remote, "connection ended");
                },
                Ok(()) = lost => debug!(%remote, "an idle connection was ended for another"),
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown())
        .await
        .is_err()
    {
        debug!("some connections were still open at the end of the drain");
    }
}

/// A connection that has a place.
struct Served {
    router: Router,
    place: Arc<Place>,
    ends: Ends,
    watcher: Watcher,
}

impl Served {
    /// Serves the requests that come over a stream, until one side ends it or the drain does.
    async fn run(self, stream: Connection, caller: Caller) -> Result<(), Box<dyn Error + Send + Sync>> {
        let Self {
            router,
            place,
            ends,
            watcher,
        } = self;
        let is_secured = stream.is_secured();
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            let under_way = place.begin();
            if is_secured {
                request.extensions_mut().insert(ByTls);
            }
            request.extensions_mut().insert(ends);
            request.extensions_mut().insert(caller.clone());
            let answer = router.clone().oneshot(request);
            async move {
                let answer = answer.await?;
                Ok::<_, Infallible>(answer.map(|body| Answer::new(body, under_way)))
            }
        });
        let connection = connection_builder()
            .serve_connection(TokioIo::new(Opening::within(stream, HEADER_TIMEOUT)), service)
            .into_owned();
        watcher.watch(connection).await
    }
}

fn prepare(stream: &TcpStream, ends: Ends) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // Over loopback there is no line to wait for, and it would cost a twentieth of the speed.
    #[cfg(target_os = "linux")]
    if !ends.remote.is_loopback() {
        socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES)?;
    }
    Ok(())
}

/// Makes the settings of connections.
///
/// Frames that carry no request have bounds that need no setting. Before a frame is read, the answer to the
/// last PING or SETTINGS has been written: a connection holds one of each, and a client that takes no answers
/// is read no further. WINDOW_UPDATE has no answer and keeps one number, which ends the connection when it
/// overflows. Streams that are reset early are counted (20 that wait, 1,024 in all, then the connection
/// ends), and a task that always has something to read yields to the others.
fn connection_builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_concurrent_streams(1024)
        .max_frame_size(FRAME_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    builder
}
