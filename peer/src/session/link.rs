//! The loop that keeps a peer in its network.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use proto::RemoteError;
use proto::client::{CatalogClient, Orders, SessionClient, UpkeepClient};
use proto::messages::FromTracker;
use proto::messages::control::{EntryPoint, SessionStatus};
use shared::ErrorCode;
use shared::model::{
    ContentId, DigestBuckets, Hello, Holding, HostPort, Numbered, Order, Report, Welcome, Zone,
};
use shared::runtime::Backoff;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::entrance::{self, Acquaintances, Found, Known};
use super::inventory::{Inventory, digest_of, holding_of};
use super::protected::Protected;
use super::{Connection, Standing, Wish};
use crate::assignments::Assignments;
use crate::blocking::{blocking, try_blocking};
use crate::fetch::Arrivals;
use crate::identity::Identity;
use crate::store::{Entry, FragmentStore};

/// Between the first attempts to reach a tracker, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Changes are told together if they come within this time: a fetch commits many fragments a second.
const ANNOUNCE_DELAY: Duration = Duration::from_millis(50);

/// The tracker gets this long to take a message before the session is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// What a session needs of the node.
#[derive(Debug)]
pub struct Link {
    /// Who this peer is.
    pub identity: Arc<Identity>,
    /// Where other peers dial it.
    pub address: HostPort,
    /// Its failure domain; a change is told by registering anew.
    pub zone: watch::Receiver<Option<Zone>>,
    /// What it holds.
    pub store: Arc<dyn FragmentStore>,
    /// What is arriving there.
    pub arrivals: Arrivals,
    /// Carries out the tracker's orders.
    pub assignments: Assignments,
    /// What could not be carried out.
    pub failures: mpsc::Receiver<Report>,
    /// Where the addresses last known are kept.
    pub acquaintances: Acquaintances,
}

/// The loop's state.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) link: Link,
    pub(super) wishes: watch::Receiver<Wish>,
    pub(super) standing: watch::Sender<Standing>,
    pub(super) connection: watch::Sender<Option<Connection>>,
    pub(super) known: watch::Sender<Option<Known>>,
    pub(super) protected: Protected,
}

/// Why a session ended without a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// There is another wish, or what the tracker was told of this peer has changed.
    Anew,
    /// The node stops.
    Stopping,
}

fn fell_behind(missed: u64) -> RemoteError {
    let text = format!("{missed} changes of the store were missed; saying hello again to tell what differs");
    RemoteError::new(ErrorCode::Unavailable, text)
}

/// What may have to be announced anew.
struct Changes {
    /// What is held.
    store: broadcast::Receiver<ContentId>,
    /// What is being fetched.
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

/// One session with one tracker.
struct Session {
    inventory: Inventory,
    reports: mpsc::Sender<Numbered<Report>>,
    orders: Orders,
    welcome: Welcome,
}

impl Runner {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let acquaintances = self.link.acquaintances.clone();
        if let Ok(known) = blocking(move || acquaintances.read()).await {
            self.known.send_replace(known);
        }
        while !stop.is_cancelled() {
            let wish = self.wishes.borrow_and_update().clone();
            let Some(entry) = wish.entry else {
                self.stand(wish.number, SessionStatus::Offline);
                tokio::select! {
                    () = stop.cancelled() => break,
                    changed = self.wishes.changed() => if changed.is_err() { break },
                }
                continue;
            };
            self.stand(
                wish.number,
                SessionStatus::Connecting {
                    tracker: None,
                    reason: String::new(),
                },
            );
            let mut was_welcomed = false;
            let outcome = self.session(wish.number, &entry, &stop, &mut was_welcomed).await;
            self.connection.send_replace(None);
            let failure = match outcome {
                Ok(Ended::Stopping) => break,
                Ok(Ended::Anew) => {
                    backoff.reset();
                    continue;
                }
                Err(failure) => failure,
            };
            if was_welcomed {
                backoff.reset();
            }
            let wait = backoff.next_wait();
            info!(%failure, wait_ms = wait.as_millis(), "no session with a tracker");
            self.stand(
                wish.number,
                SessionStatus::Connecting {
                    tracker: None,
                    reason: failure.to_string(),
                },
            );
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
        self.stand(wish, SessionStatus::Offline);
    }

    fn stand(&self, wish: u64, status: SessionStatus) {
        self.standing.send_replace(Standing { wish, status });
    }

    /// Finds a tracker, registers, and serves it until it fails, another wish comes or the node stops.
    async fn session(
        &mut self,
        wish: u64,
        entry: &EntryPoint,
        stop: &CancellationToken,
        was_welcomed: &mut bool,
    ) -> Result<Ended, RemoteError> {
        let registering = async {
            let known = self.known.borrow().clone();
            let mut failure = None;
            for way in entrance::ways(entry, known.as_ref()) {
                match self.register_by(&way).await {
                    Ok(registered) => return Ok(registered),
                    // What is told is about what the user named.
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
            let nothing = || RemoteError::new(ErrorCode::Unavailable, "there is no way into the network");
            Err(failure.unwrap_or_else(nothing))
        };
        let mut wishes = self.wishes.clone();
        // Subscribed before everything is listed, so that no change falls between.
        let changes = Changes {
            store: self.link.store.subscribe(),
            fetching: self.link.arrivals.subscribe_fetching(),
        };
        let (found, mut session) = tokio::select! {
            () = stop.cancelled() => return Ok(Ended::Stopping),
            _ = wishes.changed() => return Ok(Ended::Anew),
            registered = registering => registered?,
        };
        *was_welcomed = true;
        self.remember(Known::of(entry, &found)).await;
        let tracker = found.tracker;
        let listing = session.welcome.listing;
        self.list(&mut session, listing).await?;
        let epoch = session.welcome.epoch;
        info!(%tracker, %epoch, "welcomed by the tracker");
        let catalog = CatalogClient::new(&tracker)?;
        let upkeep = UpkeepClient::new(&tracker)?;
        self.connection.send_replace(Some(Connection {
            tracker: tracker.clone(),
            epoch,
            catalog,
            upkeep,
        }));
        self.stand(wish, SessionStatus::Connected { tracker });
        let outcome = self.serve(&mut session, changes, stop).await;
        if outcome.is_ok() {
            // On purpose: the tracker need not wait for the lease to run out.
            session.send(Report::Leave).await?;
            session.hang_up().await;
        }
        outcome
    }

    /// Finds a tracker by one way and registers with it.
    async fn register_by(&self, way: &EntryPoint) -> Result<(Found, Session), RemoteError> {
        let found = entrance::find(way).await?;
        let session = self.register(&found.tracker).await;
        let session = session.map_err(|error| error.context(format!("tracker {}", found.tracker)))?;
        Ok((found, session))
    }

    /// Keeps the addresses for the next start, and for whoever asks this peer.
    async fn remember(&self, new: Known) {
        let mut new = new;
        if let Some(old) = self.known.borrow().as_ref().filter(|old| old.entry == new.entry) {
            // Entered by a tracker that was remembered: by which webserver it was found is still good to know.
            new.webserver = new.webserver.or_else(|| old.webserver.clone());
        }
        if self.known.borrow().as_ref() == Some(&new) {
            return;
        }
        self.known.send_replace(Some(new.clone()));
        let acquaintances = self.link.acquaintances.clone();
        if let Ok(Err(error)) = blocking(move || acquaintances.write(&new)).await {
            warn!(%error, "cannot write down by which addresses the network was entered");
        }
    }

    async fn register(&self, tracker: &HostPort) -> Result<Session, RemoteError> {
        let link = &self.link;
        let usage = link.store.usage();
        let zone = link.zone.borrow().clone();
        let holdings = self.holdings(|_| true).await?;
        let hello = Hello {
            peer: link.identity.peer(),
            incarnation: link.identity.incarnation(),
            address: link.address.clone(),
            zone,
            capacity: usage.capacity,
            used: usage.used,
            epoch: link.identity.epoch(),
            mark: link.identity.mark(),
            holdings: Some(blocking(move || digest_of(&holdings)).await?),
        };
        let (welcome, reports, orders) = SessionClient::new(tracker)?.open(hello).await?;
        let identity = Arc::clone(&link.identity);
        try_blocking(move || identity.raise_epoch(welcome.epoch)).await?;
        let inventory = Inventory::new(welcome.epoch);
        Ok(Session {
            inventory,
            reports,
            orders,
            welcome,
        })
    }

    /// Tells what the tracker asks for, or everything; what happened since the hello is told as a change.
    async fn list(&self, session: &mut Session, listing: Option<DigestBuckets>) -> Result<(), RemoteError> {
        // Before the look: what ends from here on is told by itself.
        let ended = self.protected.take_ended();
        let is_asked = move |content| listing.is_none_or(|listing| listing.contains(content));
        let holdings = self.holdings(is_asked).await?;
        for report in session.inventory.everything(holdings) {
            send(&session.reports, report).await?;
        }
        // A listing is silent about what is not held; the tracker may think otherwise of these.
        self.announce(session, ended.into_iter().collect()).await
    }

    /// What is held of the contents that are asked for.
    async fn holdings(
        &self,
        is_asked: impl Fn(ContentId) -> bool + Send + 'static,
    ) -> Result<Vec<Holding>, RemoteError> {
        let (store, arrivals) = (Arc::clone(&self.link.store), self.link.arrivals.clone());
        let holding = move |entry: Entry| {
            let content = entry.manifest.content();
            is_asked(content).then(|| holding_of(content, Some(entry), arrivals.is_fetching(content)))
        };
        blocking(move || store.entries().into_iter().filter_map(holding).collect()).await
    }

    async fn serve(
        &mut self,
        session: &mut Session,
        mut changes: Changes,
        stop: &CancellationToken,
    ) -> Result<Ended, RemoteError> {
        let mut heartbeat = tokio::time::interval(session.welcome.heartbeat);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Runs from the first change that was not told: others that follow it closely must not put it off.
        let mut delay: Option<Pin<Box<Sleep>>> = None;
        loop {
            if session.inventory.has_changes() && delay.is_none() {
                delay = Some(Box::pin(tokio::time::sleep(ANNOUNCE_DELAY)));
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(Ended::Stopping),
                _ = self.wishes.changed() => return Ok(Ended::Anew),
                Ok(()) = self.link.zone.changed() => return Ok(Ended::Anew),
                _ = heartbeat.tick() => session.send(Report::Heartbeat { used: self.link.store.usage().used }).await?,
                order = session.orders.next() => match order? {
                    Some(FromTracker::Order(order)) => self.obey(session, order).await,
                    Some(FromTracker::Welcome(_)) => {
                        return Err(RemoteError::new(ErrorCode::Internal, "the tracker sent Welcome twice"));
                    }
                    None => return Err(RemoteError::new(ErrorCode::Unavailable, "the tracker ended the session")),
                },
                change = changes.next() => match change {
                    Ok(content) => session.inventory.note(content),
                    // What is gone by now is in no listing: a new session begins with what differs.
                    Err(RecvError::Lagged(missed)) => return Err(fell_behind(missed)),
                    Err(RecvError::Closed) => return Ok(Ended::Stopping),
                },
                () = over(&mut delay) => {
                    delay = None;
                    let changed = session.inventory.take_changed();
                    self.announce(session, changed).await?;
                }
                // Told at once and before the next order is looked at: this is what lifts the protection.
                () = self.protected.ended() => {
                    let ended = self.protected.take_ended().into_iter().collect();
                    self.announce(session, ended).await?;
                }
                Some(failure) = self.link.failures.recv() => session.send(failure).await?,
            }
        }
    }

    async fn announce(
        &self,
        session: &mut Session,
        contents: BTreeSet<ContentId>,
    ) -> Result<(), RemoteError> {
        let (store, arrivals) = (Arc::clone(&self.link.store), self.link.arrivals.clone());
        let holdings = blocking(move || {
            let current = |content| holding_of(content, store.entry(content), arrivals.is_fetching(content));
            contents.into_iter().map(current).collect()
        });
        for report in session.inventory.announce(holdings.await?) {
            send(&session.reports, report).await?;
        }
        Ok(())
    }

    async fn obey(&self, session: &mut Session, order: Order) {
        let is_protected = |content| self.protected.contains(content);
        if let Err(refusal) = session.inventory.judge(&order, is_protected) {
            debug!(%refusal, "order not carried out");
            session.inventory.answer(&order);
            return;
        }
        // Whatever becomes of it, the tracker is told what is here then.
        session.inventory.answer(&order);
        match order {
            Order::Assign {
                epoch,
                manifest,
                fragments,
                sources,
            } => {
                self.link.assignments.accept(epoch, manifest, fragments, sources);
            }
            Order::Evict { content, reason, .. } => {
                let assignments = self.link.assignments.clone();
                if let Err(error) = assignments.evict(content, reason).await {
                    warn!(content = %content.short(), %error, "cannot evict");
                }
            }
            Order::Remember(mark) => {
                let identity = Arc::clone(&self.link.identity);
                if let Err(error) = try_blocking(move || identity.remember(mark)).await {
                    warn!(%error, "cannot write down how far the tracker's history had come");
                }
            }
        }
    }
}

impl Session {
    async fn send(&mut self, report: Report) -> Result<(), RemoteError> {
        send(&self.reports, self.inventory.report(report)).await
    }

    /// Ends our side and waits a moment for the tracker to end its own, so that what was said is heard.
    async fn hang_up(self) {
        let Self {
            reports, mut orders, ..
        } = self;
        drop(reports);
        let end = async { while let Ok(Some(_)) = orders.next().await {} };
        drop(tokio::time::timeout(Duration::from_secs(1), end).await);
    }
}

/// The end of a delay, if one has begun. Cancel-safe.
async fn over(delay: &mut Option<Pin<Box<Sleep>>>) {
    match delay {
        Some(delay) => delay.await,
        None => std::future::pending().await,
    }
}

async fn send(reports: &mpsc::Sender<Numbered<Report>>, report: Numbered<Report>) -> Result<(), RemoteError> {
    reports
        .send_timeout(report, SEND_TIMEOUT)
        .await
        .map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => {
                RemoteError::new(ErrorCode::DeadlineExceeded, "the tracker takes no messages")
            }
            mpsc::error::SendTimeoutError::Closed(_) => {
                RemoteError::new(ErrorCode::Unavailable, "the tracker ended the session")
            }
        })
}
