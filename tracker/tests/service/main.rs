//! The whole tracker over real connections: gRPC and HTTP on one port, restarts, the program itself.

mod http;
mod keys;
mod program;
mod security;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use proto::client::{CatalogClient, NotWelcome, Orders, SessionClient};
use proto::messages::{FromTracker, List, Locate, Page, Publish, Remove};
use proto::tls::Tls;
use shared::hash::ContentHasher;
use shared::keys::PeerKey;
use shared::model::{
    ContentRef, ContentState, Epoch, Expectation, FragmentLength, Hello, HelloRefusal, Holding, Incarnation,
    Manifest, Name, Numbered, Order, PeerId, ReplicationTarget, Report, Revision, RunId, RunTraits, Welcome,
};
use shared::{Coded as _, ErrorCode};
use tokio::sync::{mpsc, oneshot};
use tracker::{Config, StartError, Tracker};

/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tracker that serves until it is stopped.
struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<Result<(), StartError>>,
}

impl Served {
    async fn start(data_dir: &Path) -> Self {
        Self::with(Config::on_free_port(data_dir)).await
    }

    async fn with(mut config: Config) -> Self {
        config.timing.tick = Duration::from_millis(20);
        config.timing.removed = Duration::from_millis(50);
        let tracker = Tracker::bind(config).await.expect("bind");
        let address = tracker.local_addr();
        let (stop, stopped) = oneshot::channel();
        #[expect(clippy::disallowed_methods, reason = "the test is the owner of the tracker")]
        let ended = tokio::spawn(tracker.run_until(async { drop(stopped.await) }));
        Self { address, stop, ended }
    }

    async fn stop(self) {
        self.stop.send(()).expect("it runs");
        let ended = tokio::time::timeout(PATIENCE, self.ended)
            .await
            .expect("it ends in time");
        ended.expect("no panic").expect("a clean end");
    }

    fn catalog(&self) -> CatalogClient {
        CatalogClient::new(&self.address.into(), &Tls::default()).expect("an address")
    }
}

/// Peer with the holdings that the test gives it.
struct Member {
    id: PeerId,
    welcome: Welcome,
    up: mpsc::Sender<Numbered<Report>>,
    orders: Orders,
    sequence: u64,
}

fn hello(n: u8, incarnation: u64, epoch: u64) -> Hello {
    Hello {
        peer: PeerId::from_bytes([n; 16]),
        incarnation: Incarnation::new(incarnation),
        run: None,
        address: format!("127.0.0.1:{}", 6000 + u16::from(n))
            .parse()
            .expect("an address"),
        zone: None,
        capacity: 1 << 30,
        used: 0,
        network: None,
        epoch: Epoch::new(epoch),
        mark: None,
        holdings: None,
        traits: RunTraits::default(),
    }
}

impl Member {
    async fn join(tracker: &Served, hello: Hello) -> Self {
        Self::join_with(tracker, hello, None).await
    }

    async fn join_with(tracker: &Served, hello: Hello, key: Option<&PeerKey>) -> Self {
        let id = hello.peer;
        let client = SessionClient::new(&tracker.address.into(), &Tls::default()).expect("an address");
        let (welcome, up, orders) = client.open(hello, key).await.expect("welcome");
        let mut member = Self {
            id,
            welcome,
            up,
            orders,
            sequence: 1,
        };
        member.announce(Vec::new(), true).await;
        member
    }

    async fn say(&mut self, message: Report) {
        self.sequence += 1;
        self.up
            .send(Numbered {
                sequence: self.sequence,
                message,
            })
            .await
            .expect("the session is open");
    }

    async fn announce(&mut self, holdings: Vec<Holding>, completes_inventory: bool) {
        self.say(Report::Announce {
            holdings,
            completes_inventory,
        })
        .await;
    }

    async fn holds_all(&mut self, manifest: &Manifest) {
        let holding = Holding {
            content: manifest.content(),
            fragments: manifest.all_fragments(),
            keeps: true,
            is_assigned: false,
            is_fetching: false,
        };
        self.announce(vec![holding], false).await;
    }

    async fn order(&mut self) -> Order {
        let next = tokio::time::timeout(PATIENCE, self.orders.next()).await;
        match next
            .expect("an order comes in time")
            .expect("the session goes on")
        {
            Some(FromTracker::Order(order)) => order,
            other => panic!("{other:?} is no order"),
        }
    }

    async fn end(&mut self) -> ErrorCode {
        let next = tokio::time::timeout(PATIENCE, self.orders.next()).await;
        next.expect("the end comes in time")
            .expect_err("the session is ended with a reason")
            .code()
    }
}

fn manifest(seed: u8) -> Manifest {
    let bytes = vec![seed; 300_000];
    let mut hasher = ContentHasher::new(bytes.len() as u64, FragmentLength::MIN);
    hasher.update(&bytes);
    hasher.finish().expect("the length is right")
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn publish(of: &Member, text: &str, manifest: &Manifest, target: u32) -> Publish {
    Publish {
        name: name(text),
        manifest: manifest.clone(),
        target: ReplicationTarget::new(target).expect("in bounds"),
        expectation: Expectation::Unbound,
        publisher: of.id,
        incarnation: Incarnation::new(1),
        metadata: None,
        replaces_metadata: false,
        keeps_target: false,
        parts: None,
    }
}

/// Asks for the next state until it is as it should be.
async fn is_replicated(mut next: impl AsyncFnMut() -> ContentState) {
    let waiting = async { while next().await != ContentState::Replicated {} };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.expect("it is replicated in time");
}

#[tokio::test]
async fn numbers_at_their_end_are_refused_over_the_wire_and_harm_nobody() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = Served::start(dir.path()).await;
    let client = SessionClient::new(&tracker.address.into(), &Tls::default()).expect("an address");
    for last in [u64::MAX, u64::MAX - 1] {
        let of_today = Hello {
            run: Some(RunId::from_bytes([1; 16])),
            ..hello(1, last, 0)
        };
        let refused = client.open(of_today, None).await.map(drop);
        let count_on = HelloRefusal::AheadOf(Incarnation::new(0));
        assert_eq!(refused, Err(NotWelcome::Refused(count_on)));
        for (incarnation, epoch) in [(last, 0), (1, last), (last, last)] {
            let refused = client.open(hello(1, incarnation, epoch), None).await;
            let Err(NotWelcome::Failed(error)) = refused.map(drop) else {
                panic!("run {incarnation}, epoch {epoch} is welcome")
            };
            assert_eq!(error.code(), ErrorCode::FailedPrecondition, "{error}");
        }
    }
    let member = Member::join(&tracker, hello(1, 1, 0)).await;
    assert_eq!(member.welcome.epoch, Epoch::new(1));
    drop(member);
    tracker.stop().await;
}

#[tokio::test]
async fn a_content_is_published_replicated_located_watched_and_removed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = Served::start(dir.path()).await;
    let catalog = tracker.catalog();
    let mut publisher = Member::join(&tracker, hello(1, 1, 0)).await;
    assert_eq!(publisher.welcome.epoch, Epoch::new(1));
    let mut other = Member::join(&tracker, hello(2, 1, 0)).await;

    let bytes = manifest(7);
    let wish = publish(&publisher, "models/a", &bytes, 2);
    let binding = catalog.publish(&wish).await.expect("published");
    assert_eq!(binding.revision, Revision::new(1));
    let mut watch = catalog.watch(bytes.content()).await.expect("watching");
    let health = watch.next().await.expect("an answer").expect("at once");
    assert_eq!(health.state, ContentState::Degraded);

    let Order::Assign {
        epoch,
        manifest,
        fragments,
        sources,
    } = other.order().await
    else {
        panic!("an assignment comes first")
    };
    assert_eq!(
        (epoch, &manifest, fragments.is_full()),
        (Epoch::new(1), &bytes, true)
    );
    assert_eq!(
        sources.iter().map(|source| source.peer).collect::<Vec<_>>(),
        [publisher.id]
    );
    other.holds_all(&bytes).await;
    is_replicated(async || {
        let health = watch.next().await.expect("an answer");
        health.expect("the content is there").state
    })
    .await;

    let locate = Locate {
        content: ContentRef::Name(name("models/a")).into(),
        max_holders: 256,
        except: Some(publisher.id),
    };
    let location = catalog.locate(&locate).await.expect("located");
    assert_eq!(
        location
            .holders
            .iter()
            .map(|holder| holder.peer.id)
            .collect::<Vec<_>>(),
        [other.id]
    );
    let (_, resolved) = catalog
        .resolve(&ContentRef::Id(bytes.content()))
        .await
        .expect("resolved");
    assert_eq!(resolved, bytes);
    let listed = catalog
        .list(&List {
            prefix: "models/".to_owned(),
            page: Page::first(),
        })
        .await
        .expect("listed");
    assert_eq!(listed.names.len(), 1);

    let remove = Remove {
        name: name("models/a"),
        expected: Some(binding.revision),
    };
    assert_eq!(catalog.remove(&remove).await, Ok(Revision::new(2)));
    assert_eq!(
        watch.next().await.expect_err("the content goes").code(),
        ErrorCode::NotFound
    );
    for member in [&mut publisher, &mut other] {
        assert!(matches!(member.order().await, Order::Evict { content, .. } if content == bytes.content()));
    }
    tracker.stop().await;
    assert_eq!(publisher.end().await, ErrorCode::Unavailable);
}

#[tokio::test]
async fn names_survive_a_restart_and_the_epoch_moves_on() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let bytes = manifest(7);
    let tracker = Served::start(dir.path()).await;
    let member = Member::join(&tracker, hello(1, 1, 0)).await;
    tracker
        .catalog()
        .publish(&publish(&member, "a", &bytes, 1))
        .await
        .expect("published");
    tracker.stop().await;

    let tracker = Served::start(dir.path()).await;
    let catalog = tracker.catalog();
    let (binding, resolved) = catalog
        .resolve(&ContentRef::Name(name("a")))
        .await
        .expect("still there");
    assert_eq!((binding.revision, resolved), (Revision::new(1), bytes.clone()));
    let peers = catalog.peers(&Page::first()).await.expect("peers");
    assert!(
        peers.in_safe_mode && peers.peers.len() == 1,
        "the peer that it knows has not reported"
    );
    let mut member = Member::join(&tracker, hello(1, 2, 1)).await;
    assert_eq!(member.welcome.epoch, Epoch::new(2));
    member.holds_all(&bytes).await;
    let mut watch = catalog.watch(bytes.content()).await.expect("watching");
    is_replicated(async || {
        let health = watch.next().await.expect("an answer");
        health.expect("the content is there").state
    })
    .await;
    tracker.stop().await;
}

#[tokio::test]
async fn sessions_that_break_the_rules_are_ended_with_a_reason() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = Served::start(dir.path()).await;
    let client = SessionClient::new(&tracker.address.into(), &Tls::default()).expect("an address");
    let refused = |hello| {
        let client = client.clone();
        async move {
            match client.open(hello, None).await.map(drop).expect_err("refused") {
                NotWelcome::Failed(error) => error.code(),
                NotWelcome::Refused(refusal) => panic!("told an older peer {refusal:?}"),
            }
        }
    };
    assert_eq!(
        refused(hello(1, 1, 9)).await,
        ErrorCode::Stale,
        "it has seen a newer tracker"
    );

    let mut first = Member::join(&tracker, hello(1, 2, 0)).await;
    assert_eq!(
        refused(hello(1, 3, 0)).await,
        ErrorCode::Unavailable,
        "another run has a session"
    );
    let mut second = Member::join(&tracker, hello(1, 2, 0)).await;
    assert_eq!(first.end().await, ErrorCode::Stale, "the run has a newer session");
    second.sequence += 5;
    second.announce(Vec::new(), false).await;
    assert_eq!(
        second.end().await,
        ErrorCode::InvalidArgument,
        "messages are missing"
    );
    assert_eq!(
        refused(hello(1, 1, 0)).await,
        ErrorCode::Stale,
        "an older run comes too late"
    );

    let early = publish(&second, "a", &manifest(1), 1);
    let wish = Publish {
        publisher: PeerId::from_bytes([9; 16]),
        ..early
    };
    assert_eq!(
        tracker
            .catalog()
            .publish(&wish)
            .await
            .expect_err("unknown")
            .code(),
        ErrorCode::FailedPrecondition
    );
    tracker.stop().await;
}

#[tokio::test]
async fn bad_page_tokens_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = Served::start(dir.path()).await;
    let page = Page::new("//".to_owned(), 0);
    let listed = tracker
        .catalog()
        .list(&List {
            prefix: String::new(),
            page: page.clone(),
        })
        .await;
    assert_eq!(
        listed.map(|_| ()).expect_err("no such page").code(),
        ErrorCode::InvalidArgument
    );
    let peers = tracker.catalog().peers(&page).await;
    assert_eq!(
        peers.map(|_| ()).expect_err("no such page").code(),
        ErrorCode::InvalidArgument
    );
    tracker.stop().await;
}
