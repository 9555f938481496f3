//! A node: one running peer, wired together.
//!
//! [`NodeHandle::start`] opens the store, begins a run, binds the port and enters the network;
//! [`NodeHandle::run_until`] keeps it running until it is told to stop. The command line and the menu talk to
//! it through its `Control` service like to any other node, so there is one path for all of them.

mod config;
mod join_source;
mod joining;
mod listening;
mod memory;
mod running;
pub mod settings;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proto::RemoteError;
use proto::accept::{self, Door, Services};
use proto::listen::ListenError;
use proto::membership::{Membership, MembershipError};
use proto::messages::control::EntryPoint;
use proto::tls::Tls;
use shared::model::{ContentId, HostPort, NetworkId, Zone};
use shared::refusal::{of_place, remedy};
use shared::runtime::{Clock, OnExit, Tasks};
use shared::security::{Exposure, Role, Unsecured};
use shared::{Coded, ErrorCode, Failure};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::info;

pub use config::NodeConfig;
pub use join_source::{JoinSource, JoinSourceError};
pub use joining::{membership_of, security_of};
pub use listening::own_address;
pub use memory::{MemoryBudget, MemoryBudgetError};
pub use running::{Hidden, RunningNode, find_running};
pub use settings::{Adjustable, NodeSettings, RateLimit};

use listening::Listening;

use crate::blocking::try_blocking;
use crate::fetch::{Fetcher, Limits, Own};
use crate::identity::{self, Identity, RebuiltNode, Renewed};
use crate::operations::outputs::Outputs;
use crate::operations::{Node, passing};
use crate::orders::Assignments;
use crate::publisher::Publisher;
use crate::rpc::{ControlService, DirectoryService, TransferService};
use crate::scrubber::Scrubber;
use crate::session::{Acquaintances, Network, SessionDeps};
use crate::source_finder::TrackerSources;
use store::{Adopted, DiskStore, StoreError};

/// Returns the entry by which the node of a data directory was last in a network.
#[must_use]
pub fn last_entry(data_dir: &Path) -> Option<EntryPoint> {
    Acquaintances::of(data_dir).last_entry()
}

/// Returns the trackers that the node of a data directory knew last.
#[must_use]
pub fn known_trackers(data_dir: &Path) -> Vec<HostPort> {
    Acquaintances::of(data_dir).trackers()
}

/// Gives a data directory on which no node runs an id of its own; none when it has no id yet.
///
/// # Errors
/// When the data directory is in use or unusable.
pub async fn new_id(data_dir: &Path, capacity: u64) -> Result<Option<Renewed>, NodeError> {
    let path = data_dir.to_owned();
    let renewed = try_blocking(move || match DiskStore::exists(&path) {
        true => identity::renew(&DiskStore::open(&path, capacity)?),
        false => Ok(None),
    });
    renewed.await.map_err(|source| NodeError::Store {
        path: data_dir.to_owned(),
        source,
    })
}

/// Has the publications of other networks made in the one of a data directory on which no node runs: of those
/// whose ids begin with `from`, or of all. Returns the network, and what was adopted; none when the directory
/// was in no network yet.
///
/// # Errors
/// When the data directory is in use or unusable.
pub async fn adopt_network(
    data_dir: &Path,
    capacity: u64,
    from: Option<&str>,
) -> Result<Option<(NetworkId, Adopted)>, NodeError> {
    let (path, from) = (data_dir.to_owned(), from.unwrap_or_default().to_lowercase());
    let adopted = try_blocking(move || {
        if !DiskStore::exists(&path) {
            return Ok(None);
        }
        let store = DiskStore::open(&path, capacity)?;
        let Some(here) = store.network() else {
            return Ok(None);
        };
        let adopted = store.adopt_publications(|network| network.to_string().starts_with(&from))?;
        Ok::<_, StoreError>(Some((here, adopted)))
    });
    adopted.await.map_err(|source| NodeError::Store {
        path: data_dir.to_owned(),
        source,
    })
}

/// Makes a new index for a data directory on which no node runs; none when there is nothing from which to
/// make it. Reads everything that is held.
///
/// # Errors
/// When the index is sound, or the data directory is in use or unusable.
pub async fn rebuild_index(data_dir: &Path, capacity: u64) -> Result<Option<RebuiltNode>, NodeError> {
    let path = data_dir.to_owned();
    let rebuilt = try_blocking(move || identity::rebuild(&path, capacity));
    rebuilt.await.map_err(|source| NodeError::Store {
        path: data_dir.to_owned(),
        source,
    })
}

/// The time that everything under way has to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Reports to the tracker that wait for a session.
const REPORTS: usize = 256;

/// The time between two looks at the files that users share.
const WATCH_INTERVAL: Duration = Duration::from_secs(10);

/// A running node, as the program that started it sees it.
#[derive(Debug)]
pub struct NodeHandle {
    address: SocketAddr,
    control: SocketAddr,
    token: String,
    data_dir: PathBuf,
    joined: Option<EntryPoint>,
    adjustable: Adjustable,
    tasks: Tasks,
}

/// Why a node cannot run.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The store cannot be used.
    #[error("cannot use the data directory {}: {source}", path.display())]
    Store {
        /// The data directory.
        path: PathBuf,
        /// The cause.
        source: Failure,
    },
    /// The name stands for every address of the machine, and nothing says which one others dial.
    #[error(
        "{0} listens on every address of this machine; say which one others dial with --advertise HOST:PORT"
    )]
    Wildcard(String),
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The node would listen for other machines without security.
    #[error(transparent)]
    Unsecured(#[from] Unsecured),
    /// The file that tells commands about the node cannot be written.
    #[error("cannot write into the data directory {}: {source}; {}", path.display(), remedy(source))]
    Announce {
        /// The data directory.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The certificate of the node cannot be used.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// There is no join line at its place.
    #[error(transparent)]
    JoinSource(#[from] JoinSourceError),
    /// The network of the join line cannot be joined.
    #[error("cannot join the network: {0}")]
    Join(RemoteError),
    /// A task that the node cannot do without has failed.
    #[error("the node stopped because of a failure inside; its log says which")]
    Failed,
}

impl Coded for NodeError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Store { source, .. } => source.code(),
            Self::Wildcard(_) => ErrorCode::InvalidArgument,
            Self::Listen(error) => error.code(),
            Self::Unsecured(error) => error.code(),
            Self::Announce { source, .. } => of_place(source),
            Self::Membership(error) => error.code(),
            Self::JoinSource(error) => error.code(),
            Self::Join(error) => error.code(),
            Self::Failed => ErrorCode::Internal,
        }
    }
}

impl NodeHandle {
    /// Starts a node; when it returns, the port is open and the network is being entered.
    ///
    /// # Errors
    /// When the data directory is in use or unusable, or the port is not free. Nothing runs then.
    pub async fn start(config: NodeConfig, tasks: Tasks) -> Result<Self, NodeError> {
        let (store, identity) = open(&config).await?;
        let clock = Clock::system();
        let tls = Tls::off(clock.clone());
        let membership = joining::open(&config, &identity, tls.clone(), clock.clone()).await?;
        let joined = joining::join(&config, &membership).await?;
        let entry = joined.clone().or_else(|| config.entry.clone());
        let host = listening::host(&config, &membership, entry.as_ref()).await;
        let listening = Listening::start(&host, config.port).await?;
        let (address, control) = (listening.address, listening.control);
        refuse_wildcard(&config, host, address)?;
        exposure(&config, &membership, address).judge()?;
        let zone = watch::Sender::new(config.settings.zone.clone().or_else(|| membership.zone()));
        let sources = TrackerSources::new(identity.peer());
        let own = own(&identity, &zone, &tls);
        let fetcher = fetcher(&config.settings, store.clone(), &sources, &tasks, &clock, own);
        let (reporter, reports) = mpsc::channel(REPORTS);
        let assignments = Assignments::start(&store, &identity, &fetcher, &clock, &tasks, reporter.clone());
        let advertised = listening.advertised(config.advertise.as_ref());
        let deps = SessionDeps {
            identity: Arc::clone(&identity),
            tls,
            address: advertised.clone(),
            zone: zone.subscribe(),
            store: store.clone(),
            arrivals: fetcher.arrivals().clone(),
            assignments: assignments.clone(),
            is_transient: config.is_transient,
            reports,
            reporter,
            acquaintances: Acquaintances::of(&config.data_dir),
            counters: Arc::clone(fetcher.counters()),
            clock: clock.clone(),
        };
        let network = Network::start(deps, entry, &tasks);
        sources.follow(network.clone());
        keep_membership(&membership, &network, &tasks);
        let publisher = Publisher::start(&store, &identity, &network, &clock, &tasks);
        let transfer = transfer_service(&config.settings, store.clone(), &fetcher, &tasks, &clock);
        let adjustable = Adjustable::new(&config.settings, zone, &membership, &store, &transfer, &fetcher);
        adjustable.tell(config.in_force.clone());
        let scrub = adjustable.scrub.subscribe();
        let scrubber = Scrubber::start(Arc::clone(&store), scrub, clock.clone(), &tasks);
        let watching = watch_files(Arc::clone(&store), fetcher.clone(), clock.clone(), tasks.clone());
        let node = Arc::new(Node {
            store,
            identity: Arc::clone(&identity),
            network,
            membership,
            publisher,
            assignments,
            scrubber,
            counters: Arc::clone(fetcher.counters()),
            fetcher,
            outputs: Outputs::default(),
            uploads: adjustable.uploads.clone(),
            started: clock.now(),
            clock,
            tasks: tasks.clone(),
            address: advertised,
            listens: address,
            settings: adjustable.in_force.subscribe(),
            zone: adjustable.zone.clone(),
            data_dir: config.data_dir.clone(),
        });
        let token = identity.token().to_owned();
        announce(&config, &listening, &token)?;
        serve(listening, transfer, node).await;
        tasks.spawn("watch-files", OnExit::ShutDown, watching);
        info!(peer = %identity.peer(), incarnation = %identity.incarnation(), %address, "node started");
        Ok(Self {
            address,
            control,
            token,
            data_dir: config.data_dir,
            joined,
            adjustable,
            tasks,
        })
    }

    /// Returns the way into the network that the node has joined with its join line now.
    #[must_use]
    pub const fn joined(&self) -> Option<&EntryPoint> {
        self.joined.as_ref()
    }

    /// Returns the address on which the node listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address that the node's own commands dial.
    #[must_use]
    pub fn control_address(&self) -> HostPort {
        self.control.into()
    }

    /// Returns the token that proves the right to change something.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Returns the handles to everything that can be changed while the node runs.
    #[must_use]
    pub fn adjustable(&self) -> Adjustable {
        self.adjustable.clone()
    }

    /// Runs until `shutdown` completes or an indispensable task fails; then stops.
    ///
    /// # Errors
    /// When a failure ended the node.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), NodeError> {
        let failed = tokio::select! {
            () = shutdown => false,
            () = self.tasks.token().cancelled() => true,
        };
        self.stop().await;
        if failed { Err(NodeError::Failed) } else { Ok(()) }
    }

    /// Stops: tells the tracker, lets transfers under way end, bounded in time.
    pub async fn stop(self) {
        running::withdraw(&self.data_dir);
        self.tasks.stop(STOP_TIMEOUT).await;
    }
}

/// Returns what decides whether a node may listen at an address.
fn exposure(config: &NodeConfig, membership: &Membership, address: SocketAddr) -> Exposure {
    Exposure {
        program: Role::Peer,
        address,
        is_secured: membership.is_member(),
        is_accepted: config.is_insecure,
    }
}

/// Refuses to tell others an address that means every one of the machine. The settings know wildcards in
/// numbers; only the resolver knows that a name means one.
fn refuse_wildcard(config: &NodeConfig, host: String, address: SocketAddr) -> Result<(), NodeError> {
    match config.advertise.is_none() && address.ip().is_unspecified() {
        true => Err(NodeError::Wildcard(host)),
        false => Ok(()),
    }
}

async fn open(config: &NodeConfig) -> Result<(Arc<DiskStore>, Arc<Identity>), NodeError> {
    let (data_dir, capacity) = (config.data_dir.clone(), config.settings.capacity);
    try_blocking(move || {
        let store = Arc::new(DiskStore::open(&data_dir, capacity)?);
        // A killed node may have left files behind, or they were copied here: they speak of another node.
        running::withdraw(&data_dir);
        let identity = Arc::new(Identity::begin(Arc::clone(&store))?);
        Ok::<_, StoreError>((store, identity))
    })
    .await
    .map_err(|source| NodeError::Store {
        path: config.data_dir.clone(),
        source,
    })
}

fn own(identity: &Identity, zone: &watch::Sender<Option<Zone>>, tls: &Tls) -> Own {
    Own {
        id: identity.peer(),
        zone: zone.subscribe(),
        tls: tls.clone(),
    }
}

/// Fetches from the sources that are found, within limits.
fn fetcher(
    settings: &NodeSettings,
    store: Arc<DiskStore>,
    sources: &TrackerSources,
    tasks: &Tasks,
    clock: &Clock,
    own: Own,
) -> Fetcher {
    let (finder, limits) = (
        Arc::new(sources.clone()),
        Limits::within(settings.memory.for_fetches()),
    );
    let fetcher = Fetcher::new(store, finder, tasks.clone(), clock.clone(), own, limits);
    fetcher.limiter().set(settings.download_limit);
    fetcher
}

/// Serves what the store holds and what the fetcher is receiving, within limits.
fn transfer_service(
    settings: &NodeSettings,
    store: Arc<DiskStore>,
    fetcher: &Fetcher,
    tasks: &Tasks,
    clock: &Clock,
) -> TransferService {
    let service = TransferService::new(
        store,
        tasks.clone(),
        Arc::clone(fetcher.counters()),
        fetcher.arrivals().clone(),
        clock.clone(),
        settings.upload_slots.get().into(),
    );
    service.limiter().set(settings.upload_limit);
    service.with_memory(settings.memory.for_uploads())
}

/// Starts to answer other peers, the node's own commands, and HTTP, on one port. Its listeners
/// share one door, which keeps places for this machine. Names that earlier runs left are looked for before
/// new ones can come.
async fn serve(listening: Listening, transfer: TransferService, node: Arc<Node>) {
    passing::withdraw_left(&node).await;
    let services = Services::new().add(transfer.into_server()).await;
    let services = services.add(ControlService::server(Arc::clone(&node))).await;
    let directory = DirectoryService::server(node.network.clone(), node.identity.peer());
    let services = services.add(directory).await;
    let (grpc, _health) = services.into_router();
    let tasks = node.tasks.clone();
    let door = Door::new().secured(node.membership.tls().clone());
    let door = door.guarded(Role::Peer);
    let router = crate::http::router(node, grpc);
    for listener in listening.into_listeners() {
        let serving = accept::serve(listener, router.clone(), tasks.clone(), door.clone());
        tasks.spawn("accept", OnExit::ShutDown, serving);
    }
}

/// Keeps the node a member: what the network says about its security is heard from the tracker of the moment,
/// and the certificate is renewed in time.
fn keep_membership(membership: &Membership, network: &Network, tasks: &Tasks) {
    let (tell, tracker) = watch::channel(None);
    let asked = network.clone().tell_tracker(membership.clone(), tell);
    tasks.spawn("security-tracker", OnExit::Continue, asked);
    let keeping = membership.clone().keep(tracker, tasks.clone());
    tasks.spawn("security", OnExit::Continue, keeping);
}

/// Writes the files by which commands find the node.
fn announce(config: &NodeConfig, listening: &Listening, token: &str) -> Result<(), NodeError> {
    let running = RunningNode {
        address: listening.control.into(),
        listens: listening.addresses().map(Into::into).collect(),
        token: token.to_owned(),
    };
    running::announce(&config.data_dir, &running).map_err(|source| NodeError::Announce {
        path: config.data_dir.clone(),
        source,
    })
}

/// Looks after the files that users share, and forgets contents of which nothing is here and nothing is under
/// way. Files that may be those that were away are read beside it.
async fn watch_files(store: Arc<DiskStore>, fetcher: Fetcher, clock: Clock, tasks: Tasks) {
    let mut interval = tokio::time::interval(WATCH_INTERVAL);
    let (mut last, mut reading) = (clock.now(), None::<JoinHandle<()>>);
    let stopping = Arc::new(AtomicBool::new(false));
    loop {
        tokio::select! {
            () = tasks.token().cancelled() => {
                stopping.store(true, Ordering::Relaxed);
                return;
            }
            _ = interval.tick() => {}
        }
        let now = clock.now();
        let passed = now.since(std::mem::replace(&mut last, now));
        let (watched, fetching) = (Arc::clone(&store), fetcher.contents());
        let fetching: BTreeSet<ContentId> = fetching.into_iter().collect();
        let look = move || {
            let looked = watched.check_files(passed);
            let left_over = watched.forget_leftovers(|content| fetching.contains(&content));
            (looked.doubtful, left_over)
        };
        match crate::blocking::blocking(look).await {
            Ok((doubtful, left_over)) => {
                let is_reading = reading.as_ref().is_some_and(|reading| !reading.is_finished());
                if !doubtful.is_empty() && !is_reading {
                    let (store, stopping) = (Arc::clone(&store), Arc::clone(&stopping));
                    let read = move || store.verify_files(&doubtful, &stopping);
                    reading = Some(tokio::task::spawn_blocking(read));
                }
                match left_over {
                    Ok(gone) => gone.iter().for_each(|content| {
                        info!(content = %content.short(), "forgetting a content of which nothing is here");
                    }),
                    Err(error) => tracing::warn!(%error, "cannot forget contents of which nothing is here"),
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look at the shared files"),
        }
    }
}
