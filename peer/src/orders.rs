//! Carries out the tracker's orders: hold these fragments, hold this content no longer.
//!
//! [`OpenOrders`] decides which assignments are worked on. Of each, room is made first, then the fragments
//! are fetched from other holders, verified and synced; the announce that follows from the store's change is
//! the answer. An assignment that cannot be carried out is reported with its reason, so that the tracker
//! chooses another peer.

mod open;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::RemoteError;
use shared::model::{AssignmentFailure, ContentId, EvictReason, FragmentSet, Report, format_duration};
use shared::runtime::{Clock, OnExit, Tasks};
use shared::{Coded as _, ErrorCode};
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::blocking::try_blocking;
use crate::collection::{CollectionError, pending_parts};
use crate::eviction::Eviction;
use crate::fetch::{FetchError, Fetcher, Progress};
use crate::identity::Identity;
use store::{DiskStore, FragmentStore as _, Purpose, Role, StoreError};

pub use open::{Action, Assignment, Ending, OpenOrders, OrderNumber};

/// Interval at which orders under way are looked at.
const TICK: Duration = Duration::from_millis(250);

/// Orders of which nothing has come may take one part in this many of the capacity.
const UNPROVED_SHARE: u64 = 2;

/// Ends of orders that may wait to be noticed.
const ENDS: usize = 64;

/// The handle; cheap to clone.
#[derive(Clone, Debug)]
pub struct Assignments {
    store: Arc<DiskStore>,
    open: Arc<(Mutex<OpenOrders>, Notify)>,
    /// Fragments that do not fit are found out by the assignment's deadline.
    failures: mpsc::Sender<Report>,
    /// Contents that were to go and stay, with the reason.
    kept: broadcast::Sender<(ContentId, RemoteError)>,
}

/// An order under way, as the loop that watches all of them sees it.
struct UnderWay {
    progress: watch::Receiver<Progress>,
    cancel: CancellationToken,
}

/// The end of an order under way: none if it was carried out.
type End = (OrderNumber, ContentId, Option<(AssignmentFailure, String)>);

/// The loop that begins and ends orders.
struct Foreman {
    orders: Assignments,
    identity: Arc<Identity>,
    fetcher: Fetcher,
    clock: Clock,
    tasks: Tasks,
    under_way: BTreeMap<OrderNumber, UnderWay>,
    ended: mpsc::Sender<End>,
    /// Fragments whose room is given back as soon as no fetch writes to their contents.
    unused: Vec<(ContentId, FragmentSet)>,
}

/// The failure that is reported when room cannot be made, for this reason.
#[must_use]
pub const fn failure_to_prepare(code: ErrorCode) -> AssignmentFailure {
    match code {
        ErrorCode::Exhausted => AssignmentFailure::NoRoom,
        _ => AssignmentFailure::Store,
    }
}

impl Assignments {
    /// Starts to carry out orders; assignments that fail go into `failures`.
    #[must_use]
    pub fn start(
        store: &Arc<DiskStore>,
        identity: &Arc<Identity>,
        fetcher: &Fetcher,
        clock: &Clock,
        tasks: &Tasks,
        failures: mpsc::Sender<Report>,
    ) -> Self {
        let orders = Self {
            store: Arc::clone(store),
            open: Arc::default(),
            failures,
            kept: broadcast::channel(ENDS).0,
        };
        let (ended, ends) = mpsc::channel(ENDS);
        let foreman = Foreman {
            orders: orders.clone(),
            identity: Arc::clone(identity),
            fetcher: fetcher.clone(),
            clock: clock.clone(),
            tasks: tasks.clone(),
            under_way: BTreeMap::new(),
            ended,
            unused: Vec::new(),
        };
        tasks.spawn("assignments", OnExit::ShutDown, foreman.run(ends));
        orders
    }

    /// Takes an order to hold fragments.
    pub fn accept(&self, assignment: Assignment) {
        let content = assignment.manifest.content();
        if self.change(|open| open.accept(assignment)) {
            return;
        }
        let detail = "too many assignments are waiting here";
        self.fail(content, AssignmentFailure::NoRoom, detail);
    }

    /// Ends all orders to hold a content, which was forgotten here.
    pub fn withdraw(&self, content: ContentId) {
        self.change(|open| open.withdraw(content));
    }

    /// Ends all orders: the peer is in another network.
    pub fn abandon(&self) {
        self.change(OpenOrders::abandon);
    }

    fn open<T>(&self, act: impl FnOnce(&mut OpenOrders) -> T) -> T {
        act(&mut self.open.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the orders, and has the loop look at them.
    fn change<T>(&self, act: impl FnOnce(&mut OpenOrders) -> T) -> T {
        let answer = self.open(act);
        self.open.1.notify_one();
        answer
    }

    /// Returns the contents that are to go from now on and stay, with the reason.
    #[must_use]
    pub fn kept(&self) -> broadcast::Receiver<(ContentId, RemoteError)> {
        self.kept.subscribe()
    }

    /// Carries out an order to hold a content no longer. A content whose publication waits for the tracker
    /// stays, and so does one of which `is_protected` says at the last moment that it is being published:
    /// that may have begun since the order was judged.
    ///
    /// # Errors
    /// When the store fails; nothing is lost then, and the tracker will ask again.
    pub async fn evict(
        &self,
        content: ContentId,
        reason: EvictReason,
        is_protected: impl Fn() -> bool + Send + 'static,
    ) -> Result<(), RemoteError> {
        let evicted = self.drop_content(content, reason, is_protected).await;
        if let Err(error) = &evicted {
            // Mostly nobody waits for it.
            drop(self.kept.send((content, error.clone())));
        }
        evicted
    }

    async fn drop_content(
        &self,
        content: ContentId,
        reason: EvictReason,
        is_protected: impl Fn() -> bool + Send + 'static,
    ) -> Result<(), RemoteError> {
        self.withdraw(content);
        let store = Arc::clone(&self.store);
        let freed = try_blocking(move || {
            let publications = store.publications_of(content)?;
            let parts = pending_parts(&store, &store.pending_publications()?)?;
            let is_away = store.entry(content).is_some_and(|entry| entry.away.is_some());
            let eviction = Eviction::of(content, reason, store.belonging(content)?, &publications, &parts);
            let freed = match eviction.clone().while_away(is_away) {
                Eviction::Leave(_) => store.leave_to_others(content, &is_protected)?.then_some(0),
                eviction => eviction.carry_out(content, &*store, &is_protected)?,
            };
            for publication in eviction.forgotten().iter().filter(|_| freed.is_some()) {
                store.forget_publication(publication)?;
            }
            Ok::<_, CollectionError>(freed)
        });
        match freed.await {
            Ok(Some(freed)) => info!(content = %content.short(), freed, %reason, "evicted"),
            Ok(None) => {
                info!(content = %content.short(), "not evicted: it is being published, or is of another network");
            }
            // It is gone already: the order's aim is reached.
            Err(error) if error.code() == ErrorCode::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Carries out one assignment; returns why it failed.
    async fn carry_out(
        &self,
        assignment: Assignment,
        fetcher: &Fetcher,
        progress: watch::Sender<Progress>,
        cancel: CancellationToken,
    ) -> Option<(AssignmentFailure, String)> {
        let Assignment {
            manifest,
            fragments,
            sources,
            ..
        } = assignment;
        let content = manifest.content();
        let (store, wanted, of) = (Arc::clone(&self.store), fragments.clone(), manifest.clone());
        let prepared = try_blocking(move || store.prepare(&of, Purpose::Assigned(wanted))).await;
        if let Err(error) = prepared {
            return Some((failure_to_prepare(error.code()), error.to_string()));
        }
        let fetched = fetcher
            .fetch(&manifest, fragments, sources, progress, cancel)
            .await;
        match fetched {
            Ok(fetched) => {
                info!(content = %content.short(), received = fetched.received_bytes, "assignment carried out");
                None
            }
            Err(FetchError::Stopping(_) | FetchError::Cancelled(_)) => None,
            Err(error @ FetchError::NoSource { .. }) => {
                Some((AssignmentFailure::NoSource, error.to_string()))
            }
            Err(error) => Some((failure_to_prepare(error.code()), shared::describe(&error))),
        }
    }

    fn fail(&self, content: ContentId, failure: AssignmentFailure, detail: &str) {
        warn!(content = %content.short(), %failure, detail, "cannot carry out an assignment");
        let report = Report::AssignmentFailed {
            content,
            failure,
            detail: detail.to_owned(),
        };
        // A report that does not fit is found out by the tracker's deadline.
        drop(self.failures.try_send(report));
    }
}

impl Foreman {
    async fn run(mut self, mut ends: mpsc::Receiver<End>) {
        let stop = self.tasks.token().clone();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            self.look();
            self.give_back().await;
            let is_idle = self.orders.open(|open| open.is_empty()) && self.unused.is_empty();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.orders.open.1.notified() => {}
                Some(end) = ends.recv() => self.ended(end).await,
                _ = ticks.tick(), if !is_idle => {}
            }
        }
    }

    /// Says how far the orders are, and does all that follows.
    fn look(&mut self) {
        let (now, epoch) = (self.clock.now(), self.identity.epoch());
        let under_way = &self.under_way;
        let capacity = self.orders.store.usage().capacity;
        self.orders.open(|open| {
            open.limit_unproved(capacity / UNPROVED_SHARE);
            open.begin_epoch(epoch);
            for (number, fetch) in under_way {
                let progress = fetch.progress.borrow();
                let useful = progress.received_bytes.saturating_sub(progress.wasted_bytes);
                open.progress(now, *number, useful, progress.waiting_for.is_some());
            }
        });
        while let Some(action) = self.orders.open(|open| open.next(now)) {
            match action {
                Action::Begin(number, assignment) => self.begin(number, assignment),
                Action::GiveBack(content, fragments) => self.unused.push((content, fragments)),
                Action::End(number) => {
                    if let Some(fetch) = self.under_way.get(&number) {
                        fetch.cancel.cancel();
                    }
                }
                Action::GiveUp(content, waited) => {
                    let detail = format!("nothing came from any peer for {}", format_duration(waited));
                    self.orders.fail(content, AssignmentFailure::NoSource, &detail);
                }
            }
        }
    }

    /// Gives back the room of fragments that did not come.
    async fn give_back(&mut self) {
        if self.unused.is_empty() {
            return;
        }
        let fetching = self.fetcher.contents();
        let is_written = |(content, _): &(ContentId, FragmentSet)| fetching.contains(content);
        let (later, now) = std::mem::take(&mut self.unused).into_iter().partition(is_written);
        self.unused = later;
        let store = Arc::clone(&self.orders.store);
        let give_back = move || {
            let now: Vec<(ContentId, FragmentSet)> = now;
            now.iter()
                .try_for_each(|(content, fragments)| store.give_back(*content, fragments))
        };
        if let Err(error) = try_blocking(give_back).await {
            warn!(%error, "cannot give back the room of an assignment that was given up");
        }
    }

    fn begin(&mut self, number: OrderNumber, assignment: Assignment) {
        for (content, unused) in &mut self.unused {
            if *content == assignment.manifest.content()
                && unused.capacity() == assignment.fragments.capacity()
            {
                unused.subtract(&assignment.fragments);
            }
        }
        let (told, progress) = watch::channel(Progress::default());
        let cancel = CancellationToken::new();
        let (orders, fetcher, ended) = (self.orders.clone(), self.fetcher.clone(), self.ended.clone());
        let (content, token) = (assignment.manifest.content(), cancel.clone());
        self.tasks.spawn("assignment", OnExit::Continue, async move {
            let failure = orders.carry_out(assignment, &fetcher, told, token).await;
            drop(ended.send((number, content, failure)).await);
        });
        self.under_way.insert(number, UnderWay { progress, cancel });
    }

    async fn ended(&mut self, (number, content, failure): End) {
        self.under_way.remove(&number);
        match (self.orders.open(|open| open.ended(number)), failure) {
            (Ending::Open, Some((failure, detail))) => self.orders.fail(content, failure, &detail),
            (Ending::Open, None) | (Ending::PutOff, _) => {}
            // Room may have been made for it after it was withdrawn.
            (Ending::Withdrawn, _) => {
                let store = Arc::clone(&self.orders.store);
                match try_blocking(move || release(&store, content)).await {
                    Ok(()) => info!(content = %content.short(), "an assignment was withdrawn"),
                    Err(error) => warn!(content = %content.short(), %error, "cannot withdraw an assignment"),
                }
            }
        }
    }
}

/// Gives back what was prepared for an assignment.
fn release(store: &DiskStore, content: ContentId) -> Result<(), StoreError> {
    match store.release(content, Role::Assigned) {
        Ok(_) | Err(StoreError::UnknownContent(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
