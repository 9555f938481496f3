//! Keeps a peer in its network: dials trackers with back-off, and drives a [`Session`] over sockets and the
//! disk.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use proto::RemoteError;
use proto::client::{CatalogClient, NotWelcome, Orders, SessionClient, UpkeepClient};
use proto::credentials::Credentials;
use proto::messages::FromTracker;
use proto::messages::control::{EntryPoint, SessionStatus};
use proto::tls::Tls;
use shared::ErrorCode;
use shared::model::{
    ContentId, DialFailure, Epoch, Hello, HostPort, NetworkDefaults, NetworkId, Numbered, Order, Report,
    RunTraits, Timestamp, Welcome, Zone,
};
use shared::runtime::{Backoff, Clock};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::attempts::Failures;
use super::entrance::{self, Acquaintances, Found as Tracker, Known, Networks};
use super::machine::{End, Found, Input, LookUp, Output, Session};
use super::probes::Probes;
use super::protected::Protected;
use super::samples::{Deliveries, Samples};
use super::{Connection, NetworkStatus, Wish};
use crate::blocking::{blocking, try_blocking};
use crate::fetch::{Arrivals, Counters};
use crate::identity::Identity;
use crate::orders::{Assignment, Assignments};
use store::{FragmentStore, StoreError};

/// Between the first attempts to reach a tracker, and at most: a command waits for a tracker that restarts,
/// and should not wait much longer than that takes.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Between two attempts while another run of this peer may have ended without the tracker's notice.
const CONTESTED_WAIT: Duration = Duration::from_secs(1);

/// Between two attempts of a run that was refused as a copy, at most: the tracker shows a copy for as long as
/// it asks.
const REFUSED_WAIT: Duration = Duration::from_secs(60);

/// The tracker gets this long to take a message before the session is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// The parts of the node that a session needs.
#[derive(Debug)]
pub struct SessionDeps {
    /// The id of this peer and its counters.
    pub identity: Arc<Identity>,
    /// Security of its connections.
    pub tls: Tls,
    /// Where other peers dial it.
    pub address: HostPort,
    /// Its failure domain; a change is told by registering anew.
    pub zone: watch::Receiver<Option<Zone>>,
    /// The fragments that it holds.
    pub store: Arc<dyn FragmentStore>,
    /// The fragments that are arriving.
    pub arrivals: Arrivals,
    /// Carries out the tracker's orders.
    pub assignments: Assignments,
    /// Whether the peer runs for one command only.
    pub is_transient: bool,
    /// Reports from elsewhere in the node: assignments that failed, results of probes.
    pub reports: mpsc::Receiver<Report>,
    /// The other end of it.
    pub reporter: mpsc::Sender<Report>,
    /// Where the addresses last known are kept.
    pub acquaintances: Acquaintances,
    /// Counters of bytes, those of checks among them.
    pub counters: Arc<Counters>,
    /// Tells the time.
    pub clock: Clock,
}

/// The loop's state.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) deps: SessionDeps,
    pub(super) wishes: watch::Receiver<Wish>,
    pub(super) status: watch::Sender<NetworkStatus>,
    pub(super) connection: watch::Sender<Option<Connection>>,
    pub(super) known: watch::Sender<Option<Known>>,
    pub(super) defaults: watch::Sender<NetworkDefaults>,
    pub(super) reach: watch::Sender<Option<DialFailure>>,
    pub(super) lost: watch::Sender<Option<Timestamp>>,
    pub(super) protected: Protected,
    pub(super) probes: Probes,
    pub(super) samples: Samples,
    pub(super) deliveries: Deliveries,
    /// Whether this run was refused as a copy and has not been welcome since.
    pub(super) was_refused: bool,
}

/// Why a session ended without a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ended {
    /// There is another wish, or what the tracker was told of this peer has changed.
    Anew,
    /// The node stops.
    Stopping,
    /// Another run of this peer may have ended without the tracker's notice.
    Contested,
    /// The tracker counts the runs of this peer otherwise, or is of another network.
    SayAgain,
    /// The data directory is a copy of the one at this address: the user has to do something, unless the
    /// other one leaves.
    CopyOf(HostPort),
}

/// The parameters of one session.
struct Attempt<'a> {
    wish: u64,
    entry: &'a EntryPoint,
    tracker: Tracker,
    was_welcomed: bool,
    visitor_host: Option<IpAddr>,
    credentials: Credentials,
    /// The way back of what was found before evictions: an earlier session's answers reach no later one.
    looked: mpsc::Sender<Input>,
}

/// Looks at other copies that may wait for their session.
const LOOKS: usize = 16;

/// Changes that may have to be announced.
struct Changes {
    store: broadcast::Receiver<ContentId>,
    fetching: broadcast::Receiver<ContentId>,
}

impl Changes {
    /// The content that changed next. Cancel-safe.
    async fn next(&mut self) -> Result<ContentId, RecvError> {
        tokio::select! {
            change = self.store.recv() => change,
            change = self.fetching.recv() => change,
        }
    }
}

type Opened = (Welcome, mpsc::Sender<Numbered<Report>>, Orders);

/// The connection to the tracker.
enum Wire {
    /// Hello is not said yet.
    Idle,
    /// Hello is said.
    Opening(Pin<Box<dyn Future<Output = Result<Opened, NotWelcome>> + Send>>),
    Open(mpsc::Sender<Numbered<Report>>, Box<Orders>),
}

impl Driver {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut refused = Backoff::new(REFUSED_WAIT, REFUSED_WAIT);
        let mut said = Failures::default();
        self.recall().await;
        while !stop.is_cancelled() {
            let wish = self.wishes.borrow_and_update().clone();
            let Some(entry) = wish.entry else {
                self.publish_status(wish.number, SessionStatus::Offline);
                tokio::select! {
                    () = stop.cancelled() => break,
                    changed = self.wishes.changed() => if changed.is_err() { break },
                }
                continue;
            };
            if !self.has_failed(wish.number) {
                self.publish_connecting(wish.number, String::new());
            }
            let mut was_welcomed = false;
            let outcome = self.enter(wish.number, &entry, &stop, &mut was_welcomed).await;
            self.connection.send_replace(None);
            self.reach.send_replace(None);
            if was_welcomed && !matches!(outcome, Ok(Ended::Anew)) {
                self.lost.send_replace(Some(self.deps.clock.now()));
            }
            let is_renumbered = matches!(outcome, Ok(Ended::SayAgain));
            if was_welcomed || (outcome.is_ok() && !is_renumbered) {
                backoff.reset();
                said = Failures::default();
            }
            let failure = match outcome {
                Ok(Ended::Stopping) => break,
                Ok(Ended::Anew) => continue,
                Ok(Ended::Contested | Ended::SayAgain) => {
                    // No reason is published: nothing is wrong unless it stays so.
                    let wait = if is_renumbered {
                        backoff.next_wait()
                    } else {
                        CONTESTED_WAIT
                    };
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(wait) => {}
                        changed = self.wishes.changed() => if changed.is_err() { break },
                    }
                    continue;
                }
                // The status says so for as long as nothing else is known.
                Ok(Ended::CopyOf(_)) => None,
                Err(failure) => Some(failure),
            };
            let wait = match failure {
                Some(failure) if !self.is_refused(wish.number) => {
                    let wait = backoff.next_wait();
                    if let Some(since) = said.note(&failure.to_string(), self.deps.clock.now()) {
                        info!(%failure, attempts = since, wait_ms = wait.as_millis(), "no session with a tracker");
                    }
                    self.publish_connecting(wish.number, failure.to_string());
                    wait
                }
                _ => refused.next_wait(),
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
                changed = self.wishes.changed() => {
                    backoff.reset();
                    if changed.is_err() {
                        break;
                    }
                }
            }
        }
        let wish = self.wishes.borrow().number;
        self.publish_status(wish, SessionStatus::Offline);
    }

    /// Reads by which way the network was entered the last time, and which networks this peer knows.
    async fn recall(&self) {
        let acquaintances = self.deps.acquaintances.clone();
        let Ok(known) = blocking(move || acquaintances.read()).await else {
            return;
        };
        if let Some(known) = &known {
            let (identity, networks) = (Arc::clone(&self.deps.identity), known.networks());
            let recalled = try_blocking(move || identity.recall(networks.current, &networks.others));
            if let Err(error) = recalled.await {
                warn!(%error, "cannot write down the networks that this peer was in");
            }
        }
        self.known.send_replace(known);
    }

    fn publish_status(&self, wish: u64, status: SessionStatus) {
        self.status.send_replace(NetworkStatus { wish, status });
    }

    /// Whether the status says why this wish is not fulfilled: it says so until something else is known.
    fn has_failed(&self, wish: u64) -> bool {
        let now = self.status.borrow();
        now.wish == wish && now.status.reason().is_some()
    }

    /// Whether the status says that the data directory is a copy.
    fn is_refused(&self, wish: u64) -> bool {
        let now = self.status.borrow();
        now.wish == wish && matches!(now.status, SessionStatus::CopyOf { .. })
    }

    /// Says that the data directory is a copy, unless that was said.
    fn stay_out(&mut self, wish: u64, tracker: &HostPort, of: &HostPort) {
        self.was_refused = true;
        let status = SessionStatus::CopyOf {
            tracker: tracker.clone(),
            of: of.clone(),
        };
        if self.is_refused(wish) && self.status.borrow().status == status {
            return;
        }
        warn!(
            %tracker,
            copy_of = %of,
            "this data directory is a copy of the one of another node: this node stays out of the network for as long \
             as that one is in it; stop this node and give the directory an id of its own with `peer new-id`"
        );
        self.publish_status(wish, status);
    }

    fn publish_connecting(&self, wish: u64, reason: String) {
        self.publish_status(wish, SessionStatus::Connecting { reason });
    }

    /// Tries every way into the network until a tracker welcomes this peer, and stays in that session to its
    /// end.
    async fn enter(
        &mut self,
        wish: u64,
        entry: &EntryPoint,
        stop: &CancellationToken,
        was_welcomed: &mut bool,
    ) -> Result<Ended, RemoteError> {
        let known = self.known.borrow().clone();
        let mut failure = None;
        for way in entrance::ways(entry, known.as_ref()) {
            let found = tokio::select! {
                () = stop.cancelled() => return Ok(Ended::Stopping),
                _ = self.wishes.changed() => return Ok(Ended::Anew),
                found = entrance::find(&way, &self.deps.tls) => found,
            };
            let outcome = match found {
                Ok(tracker) => {
                    let (looked, looks) = mpsc::channel(LOOKS);
                    let mut attempt = Attempt {
                        wish,
                        entry,
                        tracker,
                        was_welcomed: false,
                        visitor_host: None,
                        credentials: Credentials::default(),
                        looked,
                    };
                    let outcome = self.session(&mut attempt, looks, stop).await;
                    *was_welcomed = attempt.was_welcomed;
                    let tracker = &attempt.tracker.tracker;
                    if let Ok(Ended::CopyOf(of)) = &outcome {
                        self.stay_out(wish, tracker, of);
                    }
                    match outcome {
                        Err(error) if !*was_welcomed => {
                            let error = entrance::named(error, tracker, &format!("tracker {tracker}"));
                            Err(entrance::explained(&way, error, &self.deps.tls).await)
                        }
                        outcome => outcome,
                    }
                }
                Err(error) => Err(error),
            };
            match outcome {
                // The failure that is told is about what the user named.
                Err(error) if !*was_welcomed => failure = failure.or(Some(error)),
                outcome => return outcome,
            }
        }
        let nothing = || RemoteError::new(ErrorCode::Unavailable, "there is no way into the network");
        Err(failure.unwrap_or_else(nothing))
    }

    /// Registers with a tracker and serves it until it fails, another wish comes or the node stops.
    async fn session(
        &mut self,
        attempt: &mut Attempt<'_>,
        mut looks: mpsc::Receiver<Input>,
        stop: &CancellationToken,
    ) -> Result<Ended, RemoteError> {
        // Subscribed before anything is looked up, so that no change falls between.
        let mut changes = Changes {
            store: self.deps.store.subscribe(),
            fetching: self.deps.arrivals.subscribe_fetching(),
        };
        let (mut session, mut outputs) = Session::begin(self.hello(), self.protected.clone());
        let (mut wire, mut ended) = (Wire::Idle, Ended::Anew);
        loop {
            while !outputs.is_empty() {
                for output in std::mem::take(&mut outputs) {
                    if let Output::Close(end) = output {
                        wire.hang_up().await;
                        return closed(end, ended);
                    }
                    let answer = self.carry_out(output, attempt, &mut wire).await?;
                    if let Some(found) = answer {
                        outputs = session.handle(self.deps.clock.now(), Input::Found(found));
                    }
                }
            }
            let due = session.next_timer().map(|at| at.since(self.deps.clock.now()));
            let used = || (self.deps.store.usage().used, self.deps.store.disk_free());
            let is_open = session.is_open();
            let input = tokio::select! {
                () = stop.cancelled() => {
                    ended = Ended::Stopping;
                    Input::Leave
                }
                _ = self.wishes.changed() => Input::Leave,
                Ok(()) = self.deps.zone.changed() => Input::Leave,
                input = wire.next() => input?,
                change = changes.next() => match change {
                    // Changes of contents of other networks are no concern of this tracker.
                    Ok(content) if self.deps.store.is_elsewhere(content) => continue,
                    Ok(content) => Input::Changed(content),
                    Err(RecvError::Lagged(missed)) => Input::ChangesMissed(missed),
                    Err(RecvError::Closed) => return Ok(Ended::Stopping),
                },
                () = self.protected.ended() => Input::ProtectionEnded,
                Some(report) = self.deps.reports.recv(), if is_open => Input::Say(report),
                Some(looked) = looks.recv() => looked,
                () = sleep(due) => {
                    let ((used, disk_free), received) = (used(), self.deliveries.take());
                    Input::TimeUp { used, disk_free, received }
                }
            };
            if let Input::Welcomed(welcome) = &input {
                attempt.visitor_host = welcome.visitor_host;
                attempt.credentials = Credentials::new(welcome.secret);
            }
            outputs = session.handle(self.deps.clock.now(), input);
        }
    }

    fn hello(&mut self) -> Hello {
        let deps = &mut self.deps;
        let usage = deps.store.usage();
        Hello {
            peer: deps.identity.peer(),
            incarnation: deps.identity.incarnation(),
            run: Some(deps.identity.run()),
            address: deps.address.clone(),
            zone: deps.zone.borrow_and_update().clone(),
            capacity: usage.capacity,
            used: usage.used,
            network: deps.identity.network(),
            epoch: deps.identity.epoch(),
            mark: deps.identity.mark(),
            holdings: None,
            traits: RunTraits {
                is_transient: deps.is_transient,
                can_probe: true,
                can_check: true,
                disk_free: deps.store.disk_free(),
                was_refused: self.was_refused,
            },
        }
    }

    /// Does what the session says; the answer if that was a look-up.
    async fn carry_out(
        &mut self,
        output: Output,
        attempt: &mut Attempt<'_>,
        wire: &mut Wire,
    ) -> Result<Option<Found>, RemoteError> {
        match output {
            Output::LookUp(look_up) => return self.look_up(look_up).await.map(Some),
            Output::Hello(hello) => {
                let client = SessionClient::new(&attempt.tracker.tracker, &self.deps.tls)?;
                let key = Arc::clone(self.deps.identity.key());
                *wire = Wire::Opening(Box::pin(async move { client.open(*hello, Some(&key)).await }));
            }
            Output::TurnTo(network) => self.turn_to(network).await?,
            Output::RaiseEpoch(epoch) => {
                let identity = Arc::clone(&self.deps.identity);
                try_blocking(move || identity.raise_epoch(epoch)).await?;
                (attempt.was_welcomed, self.was_refused) = (true, false);
                let identity = Arc::clone(&self.deps.identity);
                let networks = try_blocking(move || {
                    let (current, others) = (identity.network(), identity.other_networks()?);
                    Ok::<_, StoreError>(Networks { current, others })
                });
                let (networks, before) = (networks.await?, self.known.borrow().clone());
                let known = Known::of(attempt.entry, &attempt.tracker, networks, before.as_ref());
                self.remember(known).await;
            }
            Output::CountOn(last) => {
                let (identity, before) = (Arc::clone(&self.deps.identity), self.deps.identity.incarnation());
                try_blocking(move || identity.count_on(last)).await?;
                let run = self.deps.identity.incarnation();
                if last < before {
                    info!(%run, %before, "the tracker knows no run that is near this one: this one counts on from the last");
                } else {
                    info!(%run, %before, "a later run was in the network: this data directory comes from a backup");
                }
            }
            Output::Opened(epoch) => self.opened(attempt, epoch)?,
            Output::Report(report) => wire.send(report).await?,
            Output::Look(order) => self.samples.look(order, attempt.looked.clone()),
            Output::Obey(order) => self.obey(order).await,
            Output::Refused(refusal) => debug!(%refusal, "order not carried out"),
            // The loop ends with it.
            Output::Close(_) => {}
        }
        Ok(None)
    }

    /// Turns to another network, and tells the user what is kept apart for others.
    async fn turn_to(&self, network: NetworkId) -> Result<(), RemoteError> {
        let identity = Arc::clone(&self.deps.identity);
        let before = identity.network();
        // Orders of the tracker before are no orders here.
        self.deps.assignments.abandon();
        try_blocking(move || identity.turn_to(network)).await?;
        match before {
            None => info!(%network, "this is the network of everything that this peer holds"),
            Some(before) => warn!(
                %network,
                %before,
                "the tracker is of another network than the one before: what this peer holds of that one is kept apart, \
                 not announced and not deleted, and its publications wait; `peer status` says how much that is. Back \
                 in that network, everything is as it was. If that one is gone for good, `peer adopt-network` \
                 publishes its names in this one; if its tracker has lost its journal, `tracker restored --network` \
                 gives a new one its id"
            ),
        }
        Ok(())
    }

    async fn look_up(&self, look_up: LookUp) -> Result<Found, RemoteError> {
        let (store, arrivals) = (Arc::clone(&self.deps.store), self.deps.arrivals.clone());
        blocking(move || look_up.answer(&*store, |content| arrivals.is_fetching(content))).await
    }

    fn opened(&self, attempt: &Attempt<'_>, epoch: Epoch) -> Result<(), RemoteError> {
        let tracker = attempt.tracker.tracker.clone();
        info!(%tracker, %epoch, "welcomed by the tracker");
        if let Some(host) = attempt.visitor_host {
            warn!(%host, address = %self.deps.address, "no other machine can reach this peer: it is a visitor, which keeps nothing for others; start it with `--host {host}`");
        }
        self.connection.send_replace(Some(Connection {
            network: self.deps.identity.network(),
            epoch,
            catalog: CatalogClient::new(&tracker, &self.deps.tls)?.speaking_with(attempt.credentials),
            upkeep: UpkeepClient::new(&tracker, &self.deps.tls)?.speaking_with(attempt.credentials),
            visitor_host: attempt.visitor_host,
            tracker: tracker.clone(),
        }));
        self.publish_status(attempt.wish, SessionStatus::Connected { tracker });
        Ok(())
    }

    /// Shows whether other peers can dial this one.
    fn take_reach(&self, failure: Option<DialFailure>) {
        let before = self.reach.send_replace(failure.clone());
        match failure {
            Some(failure) if before.is_none() => warn!(
                address = %failure.address,
                error = failure.error,
                "other peers cannot dial this one: its copies count for nothing, and nobody can read what it adds; let \
                 the port through the firewall, or start the peer with a --host or --advertise that others reach"
            ),
            None if before.is_some() => info!("other peers can dial this one again"),
            _ => {}
        }
    }

    /// Keeps the addresses for the next start, and for other peers that ask this one.
    async fn remember(&self, new: Known) {
        if self.known.borrow().as_ref() == Some(&new) {
            return;
        }
        self.known.send_replace(Some(new.clone()));
        let acquaintances = self.deps.acquaintances.clone();
        if let Ok(Err(error)) = blocking(move || acquaintances.write(&new)).await {
            warn!(%error, "cannot write down by which addresses the network was entered");
        }
    }

    async fn obey(&self, order: Order) {
        match order {
            Order::Assign {
                epoch,
                manifest,
                fragments,
                sources,
            } => self.deps.assignments.accept(Assignment {
                epoch,
                manifest,
                fragments,
                sources,
            }),
            Order::Evict { content, reason, .. } => {
                let protected = self.protected.clone();
                let is_protected = move || protected.contains(content);
                let evicted = self.deps.assignments.evict(content, reason, is_protected);
                if let Err(error) = evicted.await {
                    warn!(content = %content.short(), %error, "cannot evict");
                }
            }
            // The session has answered.
            Order::Ask { .. } => {}
            Order::Reach { failure, .. } => self.take_reach(failure),
            Order::Adopt { defaults, .. } => drop(self.defaults.send_replace(defaults)),
            Order::Probe {
                probe, peer, address, ..
            } => self.probes.begin(probe, peer, address),
            Order::Check {
                check,
                holder,
                sample,
                ..
            } => self.samples.check(check, holder, sample),
            Order::Remember(mark) => {
                let identity = Arc::clone(&self.deps.identity);
                if let Err(error) = try_blocking(move || identity.remember(mark)).await {
                    warn!(%error, "cannot write down how far the tracker's history had come");
                }
            }
        }
    }
}

impl Wire {
    /// The tracker's next message. Cancel-safe.
    async fn next(&mut self) -> Result<Input, RemoteError> {
        match self {
            Self::Idle => std::future::pending().await,
            Self::Opening(opening) => {
                let opened = opening.await;
                *self = Self::Idle;
                match opened {
                    Ok((welcome, reports, orders)) => {
                        *self = Self::Open(reports, Box::new(orders));
                        Ok(Input::Welcomed(welcome))
                    }
                    Err(NotWelcome::Refused(refusal)) => Ok(Input::Refused(refusal)),
                    Err(NotWelcome::Failed(error)) => Err(error),
                }
            }
            Self::Open(_, orders) => match orders.next().await? {
                Some(FromTracker::Order(order)) => Ok(Input::Ordered(order)),
                Some(FromTracker::Welcome(welcome)) => Ok(Input::Welcomed(welcome)),
                Some(FromTracker::Challenge(_)) => Err(RemoteError::new(
                    ErrorCode::Internal,
                    "the tracker challenged this peer after it had welcomed it",
                )),
                Some(FromTracker::Refused(refusal)) => Ok(Input::Refused(refusal)),
                None => Err(RemoteError::new(
                    ErrorCode::Unavailable,
                    "the tracker ended the session",
                )),
            },
        }
    }

    async fn send(&mut self, report: Numbered<Report>) -> Result<(), RemoteError> {
        use mpsc::error::SendTimeoutError::{Closed, Timeout};
        let (code, text) = match self {
            Self::Open(reports, _) => match reports.send_timeout(report, SEND_TIMEOUT).await {
                Ok(()) => return Ok(()),
                Err(Timeout(_)) => (ErrorCode::DeadlineExceeded, "the tracker takes no messages"),
                Err(Closed(_)) => (ErrorCode::Unavailable, "the tracker ended the session"),
            },
            Self::Idle | Self::Opening(_) => (ErrorCode::Internal, "a report before Welcome"),
        };
        Err(RemoteError::new(code, text))
    }

    /// Ends our side and waits a moment for the tracker to end its own, so that the last messages are heard.
    async fn hang_up(self) {
        if let Self::Open(reports, mut orders) = self {
            drop(reports);
            let end = async { while let Ok(Some(_)) = orders.next().await {} };
            drop(tokio::time::timeout(Duration::from_secs(1), end).await);
        }
    }
}

/// The outcome of a session that ended itself; `ended` is why it was told to leave.
fn closed(end: End, ended: Ended) -> Result<Ended, RemoteError> {
    match end {
        End::Left => Ok(ended),
        End::ContestedBy(_) => Ok(Ended::Contested),
        End::CopyOf(address) => Ok(Ended::CopyOf(address)),
        End::SayAgain => Ok(Ended::SayAgain),
        End::ChangesMissed(missed) => {
            let text =
                format!("{missed} changes of the store were missed; saying hello again to tell what differs");
            Err(RemoteError::new(ErrorCode::Unavailable, text))
        }
        End::Protocol(what) => Err(RemoteError::new(ErrorCode::Internal, what)),
    }
}

/// Waits so long; for ever if there is nothing to wait for. Cancel-safe.
async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
