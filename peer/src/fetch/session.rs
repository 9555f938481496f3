//! A session: tells the scheduler what happens, and does what it says, until nobody waits any more.
//!
//! One task owns all of it. Links and requests are tasks of their own that report through one bounded channel;
//! the session ends only after the last of them has ended, so nothing is written behind its back.

mod blame;
mod telling;

use std::sync::Arc;
use std::time::Duration;

use shared::model::{FaultKind, FragmentIndex, FragmentSet, Manifest, PeerId, Source, Timestamp};
use shared::runtime::OnExit;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::arrivals::Fetching;
use super::callers::Callers;
use super::commits::Commits;
use super::committing::{Committed, Committing};
use super::error::FetchError;
use super::fetcher::Inner;
use super::intake::Intake;
use super::job::{Call, Caller};
use super::link::Link;
use super::partial::Partials;
use super::progress::waiting_for;
use super::request::{Outcome, Request};
use super::running::{Begun, Running};
use super::scheduler::{Action, Event, Failure, Scheduler};
use super::sources::Sources;
use super::speeds::Speeds;
use crate::store::Entry;

/// How often the scheduler is told the time, and callers the progress.
const TICK: Duration = Duration::from_millis(100);

/// Reports that wait for the session; whoever reports more waits.
const REPORTS: usize = 256;

/// An answer to "who holds this?" that takes longer is not waited for.
const FIND_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests end at their next chunk; only a disk that hangs takes longer than this.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What links, requests and searches tell their session.
#[derive(Debug)]
pub(super) enum Report {
    /// A source came, went, or holds something else.
    Event(Event),
    /// A request ended; every request says so once, under its number.
    Ended { number: u64, outcome: Outcome },
    /// A link ended by itself.
    Gone(PeerId),
    /// These may be sources.
    Found(Vec<Source>),
}

/// Why a session ends.
enum End {
    /// Nobody is waiting; the last caller, if it has left before it had everything.
    Deserted(Option<Caller>),
    Failed(FetchError),
}

/// See the [module](self).
pub(super) struct Session {
    inner: Arc<Inner>,
    manifest: Manifest,
    scheduler: Scheduler,
    callers: Callers,
    sources: Sources,
    commits: Commits,
    /// Committed fragments.
    held: FragmentSet,
    committing: Committing,
    running: Running,
    partials: Partials,
    reports: mpsc::Sender<Report>,
    inbox: mpsc::Receiver<Report>,
    intake: Arc<Intake>,
    speeds: Speeds,
    /// Whether requests wait for our own limit; if so, how many are enough.
    throttle: Option<u32>,
    begun: Timestamp,
    /// Tells the swarm that this peer is fetching.
    fetching: Fetching,
    /// The most bytes received, but not in vain, at any tick, and when they last became more: liars keep no fetch going.
    last_received: (u64, Timestamp),
}

impl Session {
    pub(super) fn new(inner: Arc<Inner>, entry: Entry, first: Caller) -> Self {
        let Entry { manifest, held, .. } = entry;
        let (limits, now) = (inner.limits, inner.clock.now());
        let zone = inner.zone.borrow().clone();
        let bounds = limits.bounds(manifest.fragment_length());
        let (reports, inbox) = mpsc::channel(REPORTS);
        let mut session = Self {
            scheduler: Scheduler::new(inner.own, held.clone(), bounds, rand::random()),
            callers: Callers::new(manifest.clone()),
            sources: Sources::new(inner.own, zone, limits),
            commits: Commits::new(now, limits.commit_bytes, limits.commit_interval),
            held,
            committing: Committing::default(),
            running: Running::default(),
            partials: Partials::default(),
            reports,
            inbox,
            intake: Intake::new(Arc::clone(&inner.counters)),
            speeds: Speeds::default(),
            throttle: None,
            begun: now,
            last_received: (0, now),
            fetching: inner.arrivals.fetch(manifest.content()),
            inner,
            manifest,
        };
        session.throttle(now);
        session.join(first);
        session
    }

    /// Runs until nobody waits, then ends everything it has begun and answers.
    pub(super) async fn run(mut self, calls: &mut mpsc::Receiver<Call>) {
        let end = self.work(calls).await;
        let failure = match &end {
            End::Deserted(_) => FetchError::Cancelled(self.manifest.content()),
            End::Failed(error) => error.clone(),
        };
        let mut leaving = self.callers.leave_all();
        if let End::Deserted(Some(last)) = end {
            leaving.push(last);
        }
        self.wind_down().await;
        leaving
            .into_iter()
            .for_each(|caller| caller.answer(Err(failure.clone())));
    }

    async fn work(&mut self, calls: &mut mpsc::Receiver<Call>) -> End {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stopping = self.inner.tasks.token().clone();
        loop {
            // When the disk is behind, what ends has to wait, and then what would begin.
            let is_behind = self.is_disk_behind();
            let step = tokio::select! {
                () = stopping.cancelled() => Err(FetchError::Stopping(self.manifest.content())),
                call = calls.recv() => match call {
                    Some(Call::Join(caller)) => { self.join(*caller); Ok(()) }
                    Some(Call::Explain(reply)) => { drop(reply.send(self.explain())); Ok(()) }
                    Some(Call::Leave(id)) => match self.leave(id) {
                        Some(last) => return End::Deserted(Some(last)),
                        None => Ok(()),
                    },
                    // The fetcher has gone, and with it everyone who could wait.
                    None => return End::Deserted(None),
                },
                Some(report) = self.inbox.recv(), if !is_behind => self.report(report),
                committed = self.committing.finished() => self.committed(committed),
                passed_on = self.fetching.passed_on() => {
                    passed_on.into_iter().for_each(|fragment| self.apply(Event::PassedOn { fragment }));
                    Ok(())
                }
                _ = ticks.tick() => self.tick(),
            };
            if let Err(error) = step {
                return End::Failed(error);
            }
            self.begin_commit();
            if self.callers.is_empty() {
                return End::Deserted(None);
            }
        }
    }

    fn join(&mut self, caller: Caller) {
        let hints = self.callers.join(caller, self.intake.received());
        self.last_received.1 = self.inner.clock.now();
        self.apply(Event::Want(self.callers.wanted()));
        self.link(hints);
        self.tell();
    }

    /// Lets a caller go; the last one is returned and answered when everything has ended.
    fn leave(&mut self, id: u64) -> Option<Caller> {
        let caller = self.callers.leave(id)?;
        if self.callers.is_empty() {
            return Some(caller);
        }
        caller.answer(Err(FetchError::Cancelled(self.manifest.content())));
        self.apply(Event::Want(self.callers.wanted()));
        None
    }

    fn report(&mut self, report: Report) -> Result<(), FetchError> {
        match report {
            // What a link said before it was ended no longer counts.
            Report::Event(event) => {
                if event
                    .source()
                    .is_some_and(|source| self.sources.get(source).is_some())
                {
                    self.apply(event);
                }
            }
            Report::Ended { number, outcome } => return self.ended(number, outcome),
            Report::Gone(source) => self.unlink(source),
            Report::Found(found) => {
                self.sources.end_find();
                self.make_room_for(&found);
                self.link(found);
            }
        }
        Ok(())
    }

    fn ended(&mut self, number: u64, outcome: Outcome) -> Result<(), FetchError> {
        let Some(made) = self.running.end(number) else {
            return Ok(());
        };
        let (source, fragment) = (made.source, made.fragment);
        let content = self.manifest.content();
        match outcome {
            Outcome::Delivered(delivery) => {
                self.sources.delivered(source);
                let length = self.manifest.len_of(fragment);
                self.partials.remove(fragment);
                self.commits.push(delivery, length);
                self.blame_overtaken(&made);
                self.apply(Event::Delivered { source, fragment });
                // An answer that came in spite of its cancellation: the same was asked again meanwhile.
                self.running.cancel(source, fragment);
            }
            Outcome::Failed(failure, reason) => {
                debug!(peer = %source, %content, %fragment, ?failure, reason, "a source did not deliver");
                if failure == Failure::TimedOut {
                    self.sources.stalled(source);
                    // While we take little, our full windows can hold up what a source sends.
                    if !made.token.is_cancelled() && self.throttle.is_none() {
                        self.blame(source, FaultKind::Stalled, None);
                    }
                }
                // After a cancellation the scheduler may have made the same request anew; this is not its end.
                if !made.token.is_cancelled() || failure == Failure::Corrupt {
                    self.apply(Event::Failed {
                        source,
                        fragment,
                        failure,
                    });
                }
            }
            Outcome::Store(error) => {
                return Err(FetchError::Store {
                    content,
                    source: Arc::new(error),
                });
            }
            Outcome::Broken => return Err(FetchError::Broken(content)),
            Outcome::Cancelled => {}
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), FetchError> {
        let now = self.inner.clock.now();
        self.throttle(now);
        self.apply(Event::Tick);
        if self.throttle.is_some() || self.is_disk_behind() {
            self.speeds.held_up();
        } else {
            self.speeds.observe(now, self.sources.asked());
        }
        self.tell();
        let outlook = self.scheduler.outlook(now);
        if outlook.pending > outlook.in_flight && self.sources.begin_find(now) {
            self.find();
        }
        let useful = self.intake.received().useful();
        if useful > self.last_received.0 {
            self.last_received = (useful, now);
        }
        let waited = now.since(self.last_received.1);
        match self.inner.limits.give_up_after {
            Some(limit) if outlook.pending > 0 && waited >= limit => Err(FetchError::NoSource {
                content: self.manifest.content(),
                missing: outlook.pending,
                tried: self.sources.tried(),
                waited,
                reason: waiting_for(&outlook)
                    .map_or_else(|| "the sources are too slow".to_owned(), |reason| reason.detail),
            }),
            _ => Ok(()),
        }
    }

    /// Tells the scheduler, and does what it says.
    fn apply(&mut self, event: Event) {
        for action in self.scheduler.apply(self.inner.clock.now(), event) {
            match action {
                Action::Request {
                    source,
                    fragment,
                    if_new,
                } => self.request(source, fragment, if_new),
                Action::Move { from, to, fragment } => {
                    let (now, sent) = (self.inner.clock.now(), self.sources.bytes_from(from));
                    self.running.overtake(now, from, fragment, sent);
                    self.request(to, fragment, false);
                }
                Action::Cancel { source, fragment } => self.running.cancel(source, fragment),
                Action::Liar { source, fragment } => self.expose(source, fragment),
            }
        }
    }

    fn request(&mut self, source: PeerId, fragment: FragmentIndex, if_new: bool) {
        // The scheduler is told that a source has left before its link is removed.
        let linked = self
            .sources
            .get(source)
            .expect("requests are made only to linked sources");
        let request = Request {
            client: linked.client.clone(),
            manifest: self.manifest.clone(),
            fragment,
            if_new,
            partial: self.partials.of(fragment),
            store: Arc::clone(&self.inner.store),
            arrivals: self.inner.arrivals.clone(),
            intake: Arc::clone(&self.intake),
            meter: Arc::clone(&linked.meter),
            room: Arc::clone(&self.inner.room),
            all_room: self.inner.limits.total_blocks(),
            limiter: self.inner.limiter.clone(),
            stall: linked.stall,
        };
        let begun = Begun {
            at: self.inner.clock.now(),
            sent: linked.meter.bytes(),
        };
        let (number, token) = self.running.begin(source, fragment, begun);
        let reports = self.reports.clone();
        self.inner
            .tasks
            .spawn("fetch request", OnExit::Continue, async move {
                let outcome = request.run(token).await;
                drop(reports.send(Report::Ended { number, outcome }).await);
            });
    }

    fn unlink(&mut self, source: PeerId) {
        self.apply(Event::Left { source });
        self.sources.remove(source);
    }

    /// Gives up sources that hold nothing of use when there are others and some fragments have no source.
    fn make_room_for(&mut self, found: &[Source]) {
        if self.sources.is_full() && self.scheduler.outlook(self.inner.clock.now()).unsourced > 0 {
            let useless = self
                .sources
                .linked()
                .filter(|source| self.scheduler.is_useless(*source));
            let leaving: Vec<_> = useless.take(found.len()).collect();
            leaving.into_iter().for_each(|source| self.unlink(source));
        }
    }

    fn link(&mut self, offered: Vec<Source>) {
        let now = self.inner.clock.now();
        for (source, linked) in self.sources.add(offered, |peer| self.scheduler.is_out(now, peer)) {
            let (manifest, reports) = (self.manifest.clone(), self.reports.clone());
            let link = Link {
                source,
                is_near: linked.is_near,
                client: linked.client,
                manifest,
                reports,
            };
            self.inner
                .tasks
                .spawn("fetch link", OnExit::Continue, link.run(linked.token));
        }
    }

    fn find(&self) {
        let (inner, reports, content) = (
            Arc::clone(&self.inner),
            self.reports.clone(),
            self.manifest.content(),
        );
        self.inner
            .tasks
            .spawn("find sources", OnExit::Continue, async move {
                let found = tokio::time::timeout(FIND_TIMEOUT, inner.finder.find(content)).await;
                drop(reports.send(Report::Found(found.unwrap_or_default())).await);
            });
    }

    /// Commits what is due, off this thread; one commit at a time.
    fn begin_commit(&mut self) {
        let now = self.inner.clock.now();
        let is_last = !self.commits.is_empty() && self.scheduler.is_complete();
        if !self.committing.is_under_way() && (is_last || self.commits.is_due(now)) {
            let running = &self.running;
            let deliveries = self.commits.take(now, |index| running.is_about(index));
            if !deliveries.is_empty() {
                self.committing
                    .begin(&self.inner.store, &self.manifest, deliveries);
            }
        }
    }

    fn committed(&mut self, ended: Committed) -> Result<(), FetchError> {
        let content = self.manifest.content();
        let committed =
            ended
                .map_err(|_| FetchError::Broken(content))?
                .map_err(|error| FetchError::Store {
                    content,
                    source: Arc::new(error),
                })?;
        self.held.union_with(&committed);
        self.tell();
        Ok(())
    }

    /// Ends all links and requests, waits for them, and commits what they have finished.
    async fn wind_down(self) {
        let Self {
            inner,
            manifest,
            mut sources,
            mut commits,
            committing,
            running,
            partials,
            intake,
            ..
        } = self;
        let (mut inbox, reports) = (self.inbox, self.reports);
        sources.remove_all();
        running.cancel_all();
        // The inbox ends when the last task that could report has ended.
        drop(reports);
        let drain = async {
            while let Some(report) = inbox.recv().await {
                let Report::Ended {
                    outcome: Outcome::Delivered(delivery),
                    ..
                } = report
                else {
                    continue;
                };
                commits.push(delivery, 0);
            }
        };
        let content = manifest.content();
        if tokio::time::timeout(DRAIN_TIMEOUT, drain).await.is_err() {
            warn!(%content, "some requests did not end in time");
        }
        intake.waste(partials.bytes());
        let rest = commits.take(inner.clock.now(), |_| false);
        committing.finish(&inner.store, &manifest, rest).await;
    }
}
