//! A session over sockets, with a tracker that the test plays.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::Stream;
use proto::accept::{Door, Services, serve};
use proto::messages::control::EntryPoint;
use proto::messages::{FromPeer, FromTracker};
use proto::tls::Tls;
use proto::v1;
use proto::v1::session_server::{Session, SessionServer};
use shared::model::{
    ContentId, Digest, Epoch, FragmentLength, HostPort, Manifest, Numbered, Order, Report, Welcome,
};
use shared::runtime::{Clock, OnExit, Tasks};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Acquaintances, Network, SessionDeps};
use crate::fetch::{Arrivals, Counters, Fetcher, Limits, Own};
use crate::identity::Identity;
use crate::orders::Assignments;
use crate::tests::neighbour::Known;
use store::{DiskStore, MemoryStore};

const EPOCH: Epoch = Epoch::new(1);

/// Far longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

type Up = Streaming<v1::FromPeer>;
type Down = mpsc::Sender<Result<v1::FromTracker, Status>>;

/// A tracker that takes one session and leaves it to the test.
struct Played(Mutex<Option<oneshot::Sender<(Up, Down)>>>);

#[tonic::async_trait]
impl Session for Played {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<v1::FromTracker, Status>> + Send>>;

    async fn open(&self, request: Request<Up>) -> Result<Response<Self::OpenStream>, Status> {
        let (down, stream) = mpsc::channel(4);
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let taken = taken.ok_or_else(|| Status::unavailable("one session is enough"))?;
        drop(taken.send((request.into_inner(), down)));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// A peer in a session with the test.
struct Welcomed {
    up: Up,
    down: Down,
    tasks: Tasks,
    _network: Network,
    _home: tempfile::TempDir,
}

impl Drop for Welcomed {
    fn drop(&mut self) {
        self.tasks.token().cancel();
    }
}

impl Welcomed {
    /// Starts a peer that carries nothing out: its workers have stopped.
    async fn idle() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let tasks = Tasks::new();
        let (session, opened) = oneshot::channel();
        let tracker = listen(Played(Mutex::new(Some(session))), &tasks).await;

        let disk = Arc::new(DiskStore::open(&home.path().join("data"), 1 << 20).expect("opens"));
        let identity = Arc::new(Identity::begin(Arc::clone(&disk)).expect("begins"));
        let store = Arc::new(MemoryStore::new(1 << 20));
        let fetcher = Fetcher::new(
            Arc::clone(&store) as _,
            Arc::new(Known(Vec::new())),
            tasks.clone(),
            Clock::system(),
            Own {
                id: identity.peer(),
                zone: watch::Sender::default().subscribe(),
                tls: Tls::default(),
            },
            Limits::default(),
        );
        let stopped = Tasks::new();
        stopped.token().cancel();
        let (reporter, reports) = mpsc::channel(1);
        let clock = Clock::system();
        let assignments = Assignments::start(&disk, &identity, &fetcher, &clock, &stopped, reporter.clone());
        let deps = SessionDeps {
            tls: Tls::default(),
            identity,
            address: tracker.clone(),
            zone: watch::Sender::default().subscribe(),
            store,
            arrivals: Arrivals::default(),
            assignments,
            is_transient: false,
            reports,
            reporter,
            acquaintances: Acquaintances::of(home.path()),
            counters: Counters::new(),
            clock: Clock::system(),
        };
        let network = Network::start(deps, Some(EntryPoint::Tracker(tracker)), &tasks);
        let (up, down) = within(opened).await.expect("a session is opened");
        let mut welcomed = Self {
            up,
            down,
            tasks,
            _network: network,
            _home: home,
        };
        assert!(matches!(welcomed.hear().await, FromPeer::Hello(..)));
        let welcome = Welcome {
            network: None,
            epoch: EPOCH,
            lease: LIMIT,
            heartbeat: LIMIT,
            listing: None,
            defaults: shared::model::NetworkDefaults::default(),
            visitor_host: None,
            takes_file_news: true,
            secret: None,
        };
        welcomed.say(FromTracker::Welcome(welcome)).await;
        while !matches!(
            welcomed.hear().await,
            FromPeer::Report(Report::Announce {
                completes_inventory: true,
                ..
            })
        ) {}
        welcomed
    }

    async fn say(&self, message: FromTracker) {
        self.down
            .send(Ok(message.into()))
            .await
            .expect("the peer listens");
    }

    async fn hear(&mut self) -> FromPeer {
        let message = within(self.up.next())
            .await
            .expect("the peer stays")
            .expect("it speaks");
        let message: Numbered<FromPeer> = message.try_into().expect("it makes sense");
        message.message
    }

    /// Waits for an announce of this content.
    async fn hear_of(&mut self, wanted: ContentId) {
        loop {
            if let FromPeer::Report(Report::Announce { holdings, .. }) = self.hear().await
                && holdings.iter().any(|holding| holding.content == wanted)
            {
                return;
            }
        }
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("in time")
}

async fn listen(session: Played, tasks: &Tasks) -> HostPort {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let address = listener.local_addr().expect("bound").into();
    let services = Services::new().add(SessionServer::new(session)).await;
    let (router, _health) = services.into_router();
    tasks.spawn(
        "tracker",
        OnExit::Continue,
        serve(listener, router, tasks.clone(), Door::new()),
    );
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_assignment_is_announced_before_anything_arrives() {
    let mut peer = Welcomed::idle().await;
    let manifest = Manifest::from_roots(10, FragmentLength::MIN, vec![Digest::from_bytes([1; 32])]);
    let manifest = manifest.expect("one fragment");
    let content = manifest.content();
    let assign = Order::Assign {
        epoch: EPOCH,
        fragments: manifest.all_fragments(),
        manifest,
        sources: Vec::new(),
    };
    peer.say(FromTracker::Order(assign)).await;
    peer.hear_of(content).await;
}

#[test]
fn a_tracker_that_was_there_a_moment_ago_is_waited_for() {
    use super::{ENTRY_WAIT, RETURN_WAIT, RETURNING, patience};
    let beyond = RETURNING + Duration::from_millis(1);
    for (since_lost, wait) in [
        (None, ENTRY_WAIT),
        (Some(Duration::ZERO), RETURN_WAIT),
        (Some(RETURNING), RETURN_WAIT),
        (Some(beyond), ENTRY_WAIT),
    ] {
        assert_eq!(patience(since_lost), wait, "{since_lost:?}");
    }
}
