//! The peer's session with a tracker: finding one, staying registered, announcing holdings, obeying orders.
//!
//! [`Network`] is the handle: it takes wishes (enter by this webserver or tracker, leave) and shows the
//! session's status. The loop behind it (`driver`) dials with back-off as long as a network is wished for.
//! [`Session`] (`machine`) decides what is said and obeyed in one session, without I/O; every session
//! announces everything anew.

mod attempts;
mod driver;
mod entrance;
mod inventory;
mod machine;
mod probes;
mod protected;
mod samples;
#[cfg(test)]
mod tests;
mod whom_to_ask;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use proto::RemoteError;
use proto::client::{CatalogClient, Gateways, UpkeepClient};
use proto::messages::control::{EntryPoint, SessionStatus};
use shared::ErrorCode;
use shared::model::{
    ContentId, DialFailure, Epoch, HostPort, NetworkDefaults, NetworkId, PeerId, Received, Report, Timestamp,
};
use shared::runtime::{Clock, OnExit, Tasks};
use tokio::sync::{mpsc, watch};

use probes::Probes;
use samples::{Deliveries, Samples};

pub use driver::SessionDeps;
pub use entrance::Acquaintances;
#[cfg(feature = "testing")]
pub(crate) use entrance::rewritten;
pub use inventory::Refusal;
pub use machine::{ANNOUNCE_DELAY, End, Found, Input, LookUp, Output, Session};
pub use protected::{Protected, ProtectionGuard};

/// The wait of a command for a session that is being entered: a few attempts at a tracker that is up.
const ENTRY_WAIT: Duration = Duration::from_secs(3);

/// The wait of a command for a session that was lost a moment ago: the time in which a tracker restarts.
const RETURN_WAIT: Duration = Duration::from_secs(10);

/// The time for which a tracker whose session was lost is taken to be restarting.
const RETURNING: Duration = Duration::from_secs(30);

/// The longest that a broken call waits for the end of its session to be noticed.
const NOTICE_WAIT: Duration = Duration::from_secs(1);

/// Returns the wait of a command that needs a tracker.
fn patience(since_lost: Option<Duration>) -> Duration {
    match since_lost {
        Some(since) if since <= RETURNING => RETURN_WAIT,
        _ => ENTRY_WAIT,
    }
}

/// A tracker that has welcomed this peer.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its address.
    pub tracker: HostPort,
    /// The network, if the tracker says it.
    pub network: Option<NetworkId>,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its catalogue.
    pub catalog: CatalogClient,
    /// Its targets, modes of peers, and the safety of contents.
    pub upkeep: UpkeepClient,
    /// Set when this peer is a visitor there because no other machine can dial its address: the address on
    /// which it could listen.
    pub visitor_host: Option<IpAddr>,
}

/// The handle on the peer's network; cheap to clone.
#[derive(Clone, Debug)]
pub struct Network {
    wish: watch::Sender<Wish>,
    status: watch::Receiver<NetworkStatus>,
    connection: watch::Receiver<Option<Connection>>,
    known: watch::Receiver<Option<entrance::Known>>,
    defaults: watch::Receiver<NetworkDefaults>,
    reach: watch::Receiver<Option<DialFailure>>,
    /// The end of the latest session that was not wished for.
    lost: watch::Receiver<Option<Timestamp>>,
    clock: Clock,
    protected: Protected,
    reports: mpsc::Sender<Report>,
    deliveries: Deliveries,
}

/// A wish of the user: the latest one counts.
#[derive(Clone, Debug)]
struct Wish {
    /// Tells one wish from the next.
    number: u64,
    /// The network to be in; none to be in none.
    entry: Option<EntryPoint>,
}

/// The session's status, and the wish that it is about.
#[derive(Clone, Debug)]
struct NetworkStatus {
    wish: u64,
    status: SessionStatus,
}

impl Network {
    /// Starts the loop; it enters `entry` at once if there is one.
    #[must_use]
    pub fn start(deps: SessionDeps, entry: Option<EntryPoint>, tasks: &Tasks) -> Self {
        let (wish, wishes) = watch::channel(Wish { number: 0, entry });
        let (status_tx, status) = watch::channel(NetworkStatus {
            wish: 0,
            status: SessionStatus::Offline,
        });
        let (connection_tx, connection) = watch::channel(None);
        let (known_tx, known) = watch::channel(None);
        let (defaults_tx, defaults) = watch::channel(NetworkDefaults::default());
        let (reach_tx, reach) = watch::channel(None);
        let (lost_tx, lost) = watch::channel(None);
        let clock = deps.clock.clone();
        let protected = Protected::default();
        let (reports, deliveries) = (deps.reporter.clone(), Deliveries::default());
        let driver = driver::Driver {
            probes: Probes::new(deps.tls.clone(), reports.clone(), tasks.clone()),
            samples: Samples::new(
                deps.tls.clone(),
                reports.clone(),
                Arc::clone(&deps.store),
                Arc::clone(&deps.counters),
                tasks.clone(),
            ),
            deliveries: deliveries.clone(),
            was_refused: false,
            deps,
            wishes,
            status: status_tx,
            connection: connection_tx,
            known: known_tx,
            defaults: defaults_tx,
            reach: reach_tx,
            lost: lost_tx,
            protected: protected.clone(),
        };
        tasks.spawn("session", OnExit::ShutDown, driver.run(tasks.token().clone()));
        Self {
            wish,
            status,
            connection,
            known,
            defaults,
            reach,
            lost,
            clock,
            protected,
            reports,
            deliveries,
        }
    }

    /// Tells the tracker that a peer could not be dialled. Without room nothing happens: others may tell it.
    pub fn report_unreached(&self, peer: PeerId, error: String) {
        drop(self.reports.try_send(Report::Unreached { peer, error }));
    }

    /// Tells the tracker with the next heartbeat that a peer has delivered verified bytes.
    pub fn report_received(&self, content: ContentId, from: PeerId) {
        self.deliveries.note(Received { content, from });
    }

    /// Returns the session's status.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        self.status.borrow().status.clone()
    }

    /// Returns the defaults of the network, as it told them last; the program's own before that.
    #[must_use]
    pub fn defaults(&self) -> NetworkDefaults {
        *self.defaults.borrow()
    }

    /// Returns the same after a moment's wait for a session that is being entered.
    pub async fn defaults_soon(&self) -> NetworkDefaults {
        let mut status = self.status.clone();
        let is_settled = |now: &NetworkStatus| match &now.status {
            SessionStatus::Connecting { reason } => !reason.is_empty(),
            _ => true,
        };
        drop(tokio::time::timeout(ENTRY_WAIT, status.wait_for(is_settled)).await);
        self.defaults()
    }

    /// Returns the address on which this peer could listen, when it is a visitor because of its address.
    #[must_use]
    pub fn visitor_host(&self) -> Option<IpAddr> {
        self.connection.borrow().as_ref()?.visitor_host
    }

    /// Returns the failure of other peers to dial this one, as the tracker told it.
    #[must_use]
    pub fn unreachable(&self) -> Option<DialFailure> {
        self.reach.borrow().clone()
    }

    /// Returns the tracker that has welcomed this peer.
    ///
    /// # Errors
    /// Unavailable, with the reason, when there is none now.
    pub fn connection(&self) -> Result<Connection, RemoteError> {
        self.connection.borrow().clone().ok_or_else(|| {
            let status = self.status();
            refusal(&status).unwrap_or_else(|| {
                let why = match status {
                    SessionStatus::Offline => "this node is not connected to a network; connect it first",
                    _ => "this node is still connecting to its network; try again",
                };
                RemoteError::new(ErrorCode::Unavailable, why)
            })
        })
    }

    /// Returns the tracker as [`Self::connection`] does, after a moment's wait for a session that is being
    /// entered: a command may follow a node's start closely.
    ///
    /// # Errors
    /// As [`Self::connection`].
    pub async fn connection_soon(&self) -> Result<Connection, RemoteError> {
        self.connection_within(ENTRY_WAIT).await
    }

    /// Returns the tracker for a command that can do nothing without it: waits longer for one that was there
    /// a moment ago, because it restarts.
    ///
    /// # Errors
    /// As [`Self::connection`].
    pub async fn connection_back(&self) -> Result<Connection, RemoteError> {
        let lost = *self.lost.borrow();
        let since = lost.map(|lost| self.clock.now().since(lost));
        self.connection_within(patience(since)).await
    }

    async fn connection_within(&self, wait: Duration) -> Result<Connection, RemoteError> {
        let mut status = self.status.clone();
        let is_settled = |now: &NetworkStatus| !matches!(now.status, SessionStatus::Connecting { .. });
        // After the wait the answer is the present state, whether or not it is settled.
        drop(tokio::time::timeout(wait, status.wait_for(is_settled)).await);
        self.connection()
    }

    /// Whether a connection over which a call broke is over: another one takes its place, or will.
    pub async fn has_lost(&self, broken: &Connection) -> bool {
        let mut connection = self.connection.clone();
        let is_other = |now: &Option<Connection>| {
            let now = now.as_ref().map(|now| (&now.tracker, now.epoch));
            now != Some((&broken.tracker, broken.epoch))
        };
        let noticed = tokio::time::timeout(NOTICE_WAIT, connection.wait_for(is_other)).await;
        noticed.is_ok_and(|noticed| noticed.is_ok())
    }

    /// Returns the addresses by which others can enter this network, as far as they are known here.
    #[must_use]
    pub fn gateways(&self) -> Gateways {
        let current = self.connection.borrow().as_ref().map(|now| now.tracker.clone());
        let known = self.known.borrow();
        known
            .as_ref()
            .map(|known| known.gateways(current.as_ref()))
            .unwrap_or_default()
    }

    /// Follows the connection as it comes and goes.
    #[must_use]
    pub fn connections(&self) -> watch::Receiver<Option<Connection>> {
        self.connection.clone()
    }

    /// Enters a network, leaving the one before, and waits until a tracker has welcomed this peer.
    ///
    /// # Errors
    /// The reason of the first failure; the loop goes on trying.
    pub async fn enter(&self, entry: EntryPoint) -> Result<Connection, RemoteError> {
        let decided = self.wish_for(Some(entry), |status| match status {
            SessionStatus::Connecting { reason, .. } => !reason.is_empty(),
            SessionStatus::Connected { .. } | SessionStatus::CopyOf { .. } | SessionStatus::Offline => true,
        });
        match refusal(&decided.await?) {
            Some(refusal) => Err(refusal),
            None => self.connection(),
        }
    }

    /// Leaves the network and waits until the tracker has been told.
    ///
    /// # Errors
    /// When the node is stopping.
    pub async fn leave(&self) -> Result<(), RemoteError> {
        self.wish_for(None, |status| *status == SessionStatus::Offline)
            .await
            .map(|_| ())
    }

    /// Keeps a content from being evicted until the guard is dropped and the tracker has been told.
    #[must_use]
    pub fn protect(&self, content: ContentId) -> ProtectionGuard {
        self.protected.begin(content)
    }

    async fn wish_for(
        &self,
        entry: Option<EntryPoint>,
        is_decided: impl Fn(&SessionStatus) -> bool,
    ) -> Result<SessionStatus, RemoteError> {
        let mut number = 0;
        self.wish.send_modify(|wish| {
            number = wish.number + 1;
            *wish = Wish { number, entry };
        });
        let mut status = self.status.clone();
        // A later wish of another caller decides for this one too.
        let decided = status
            .wait_for(|now| now.wish >= number && is_decided(&now.status))
            .await;
        decided
            .map(|now| now.status.clone())
            .map_err(|_| RemoteError::new(ErrorCode::Cancelled, "the node is stopping"))
    }
}

/// Returns why there is no session, as far as an attempt has told.
fn refusal(status: &SessionStatus) -> Option<RemoteError> {
    let code = match status {
        SessionStatus::CopyOf { .. } => ErrorCode::FailedPrecondition,
        _ => ErrorCode::Unavailable,
    };
    status.reason().map(|reason| RemoteError::new(code, reason))
}
