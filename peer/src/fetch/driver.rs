//! A session: tells the scheduler what happens, and carries its actions out, until no caller waits any more.
//!
//! One task owns the session. Connections and requests are tasks of their own that report through one bounded
//! channel; the session ends only after the last of them has ended, so nothing is written behind its back.

use std::sync::Arc;
use std::time::Duration;

use proto::dial;
use shared::model::{
    BLOCK_LENGTH, ByteRate, FaultKind, FetchSource, FetchSourceState, FetchStanding, FragmentIndex,
    FragmentSet, Manifest, PeerId, Source, Timestamp, Waiting,
};
use shared::runtime::OnExit;
use shared::{Coded as _, ErrorCode};
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use super::arrivals::Fetching;
use super::callers::{Call, Caller, Callers, Update};
use super::commits::{Commits, Committed, Committing};
use super::context::Context;
use super::counters::Intake;
use super::error::FetchError;
use super::limits::Limits;
use super::progress::{Circumstances, standstill, waiting_for};
use super::report::Report;
use super::request::{Outcome, Partials, Request};
use super::running_requests::{Begun, Made, Running};
use super::scheduler::{Action, Event, Failure, Scheduler, SchedulerSummary};
use super::source_faults::judge;
use super::source_follower::SourceFollower;
use super::sources::Sources;
use super::speeds::Speeds;
use store::Entry;

/// Time without a byte after which nothing comes any more: longer than a hiccup, shorter than a user's doubt.
const STANDSTILL: Duration = Duration::from_secs(1);

/// Interval at which the scheduler is told the time, and callers their progress.
const TICK: Duration = Duration::from_millis(100);

/// Reports that may wait for the session; the tasks that send more wait.
const REPORTS: usize = 256;

/// Longest wait for an answer to a search for sources.
const FIND_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for the last requests: they end at their next chunk, unless a disk hangs.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Time after which it is clear whether the sources or this peer's own limit is slower: a limit lets a burst
/// through first.
const FIRST_IMPRESSION: Duration = Duration::from_secs(3);

/// The reason for the end of a session.
enum End {
    /// No caller is waiting. Holds the last caller if it left before it had everything.
    Deserted(Option<Caller>),
    Failed(FetchError),
}

/// See the [module](self).
pub(super) struct Driver {
    context: Arc<Context>,
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
    /// Number of requests that keep this peer's own limit busy, while the limit is what requests wait for.
    throttle: Option<u32>,
    begun: Timestamp,
    /// Guard that tells the swarm that this peer is fetching.
    fetching: Fetching,
    /// Most useful bytes received at any tick, and the time at which they last grew: corrupt bytes keep no
    /// fetch going.
    last_received: (u64, Timestamp),
}

impl Driver {
    pub(super) fn new(context: Arc<Context>, entry: Entry, first: Caller) -> Self {
        let Entry { manifest, held, .. } = entry;
        let (limits, now) = (context.limits, context.clock.now());
        let zone = context.own.zone.borrow().clone();
        let bounds = limits.bounds(manifest.fragment_length());
        let (reports, inbox) = mpsc::channel(REPORTS);
        let mut session = Self {
            scheduler: Scheduler::new(context.own.id, held.clone(), bounds, rand::random()),
            callers: Callers::new(manifest.clone()),
            sources: Sources::new(context.own.id, zone, limits, context.own.tls.clone()),
            commits: Commits::new(now, limits.commit_bytes, limits.commit_interval),
            held,
            committing: Committing::default(),
            running: Running::default(),
            partials: Partials::default(),
            reports,
            inbox,
            intake: Intake::new(Arc::clone(&context.counters)),
            speeds: Speeds::default(),
            throttle: None,
            begun: now,
            last_received: (0, now),
            fetching: context.arrivals.fetch(manifest.content()),
            context,
            manifest,
        };
        session.throttle(now);
        session.take_in(first);
        session
    }

    /// Runs until no caller waits, then ends everything that it has begun and answers the callers.
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
        let stopping = self.context.tasks.token().clone();
        loop {
            // When the disk is behind, requests that end have to wait, and then requests that would begin.
            let is_behind = self.is_disk_behind();
            let step = tokio::select! {
                () = stopping.cancelled() => Err(FetchError::Stopping(self.manifest.content())),
                call = calls.recv() => match call {
                    Some(Call::Join(caller)) => { self.join(*caller).await; Ok(()) }
                    Some(Call::Explain(reply)) => { drop(reply.send(self.explain())); Ok(()) }
                    Some(Call::Leave(id)) => match self.leave(id) {
                        Some(last) => return End::Deserted(Some(last)),
                        None => Ok(()),
                    },
                    // The fetcher has gone, and with it everything that could wait.
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

    /// Takes in a caller who comes later. Fragments that were held may have been found damaged since the
    /// session began, and that may be why the caller comes: the store is asked again.
    async fn join(&mut self, caller: Caller) {
        let (store, content) = (Arc::clone(&self.context.store), self.manifest.content());
        if let Ok(Some(entry)) = tokio::task::spawn_blocking(move || store.entry(content)).await {
            let mut lost = self.held.clone();
            lost.subtract(&entry.held);
            self.held.subtract(&lost);
            self.apply(Event::Lost(lost));
        }
        self.take_in(caller);
    }

    fn take_in(&mut self, caller: Caller) {
        let hints = self.callers.join(caller, self.intake.received());
        self.last_received.1 = self.context.clock.now();
        self.apply(Event::Want(self.callers.wanted()));
        self.sources.offer(hints);
        self.connect(true);
        self.update_callers();
    }

    /// Answers a caller that leaves; returns the last one instead, to be answered when everything has ended.
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
            // Events of a connection that has been ended no longer count.
            Report::Event(event) => {
                if let Some(source) = event.source()
                    && self.sources.get(source).is_some()
                {
                    let is_heard = !matches!(event, Event::Left { .. });
                    self.sources.heard_of(source, is_heard);
                    let has_joined = matches!(event, Event::Joined { .. });
                    if has_joined {
                        self.sources.reached(source);
                    }
                    self.apply(event);
                    if has_joined {
                        // Its attempt is over: the next one may begin.
                        self.connect(false);
                    }
                }
            }
            Report::Unreached(source, error) => {
                let cause = dial::cause(&error);
                let is_foreign = error.code() == ErrorCode::Unimplemented;
                // Once for each time that it was in reach.
                if self.sources.unreached(source, (!is_foreign).then_some(&cause)) {
                    self.context.finder.report_unreached(source, &cause);
                }
                self.give_way(source);
                self.connect(false);
            }
            Report::Ended { number, outcome } => return self.ended(number, outcome),
            Report::Disconnected(source) => {
                self.put_off(source);
                self.connect(false);
            }
            Report::Found(found) => {
                self.sources.end_find();
                self.make_room_for(&found);
                self.sources.found(found);
                self.connect(true);
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
                self.context.records().delivered(source, self.context.clock.now());
                if self.sources.delivered(source) {
                    self.context.finder.report_received(content, source);
                }
                let length = self.manifest.len_of(fragment);
                self.partials.remove(fragment);
                self.commits.push(delivery, length);
                self.record_overtaken(&made);
                self.apply(Event::Delivered { source, fragment });
                // After an answer that came in spite of its cancellation, the same request may have been made
                // again.
                self.running.cancel(source, fragment);
            }
            Outcome::Failed(failure, reason) => {
                debug!(peer = %source, %content, %fragment, ?failure, reason, "a source did not deliver");
                if failure == Failure::TimedOut {
                    self.sources.stalled(source);
                    // While this peer takes little, its own full windows can hold a source up.
                    if !made.token.is_cancelled() && self.throttle.is_none() {
                        self.record_fault(source, FaultKind::Stalled, None);
                    }
                    if self.sources.has_given_nothing(source) {
                        self.give_way(source);
                    }
                }
                // After a cancellation the scheduler may have made the same request again; this is not its
                // end.
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
        let now = self.context.clock.now();
        self.throttle(now);
        self.apply(Event::Tick);
        if self.throttle.is_some() || self.is_disk_behind() {
            self.speeds.held_up();
        } else {
            self.speeds.observe(now, self.sources.asked());
        }
        let overdue = self.sources.overdue(now);
        overdue.into_iter().for_each(|source| self.give_way(source));
        self.connect(false);
        let summary = self.update_callers();
        if summary.pending > summary.in_flight && self.sources.begin_find(now) {
            self.find();
        }
        let useful = self.intake.received().useful();
        if useful > self.last_received.0 {
            self.last_received = (useful, now);
        }
        let waited = now.since(self.last_received.1);
        match self.context.limits.give_up_after {
            Some(limit) if summary.pending > 0 && waited >= limit => Err(FetchError::NoSource {
                content: self.manifest.content(),
                missing: summary.pending,
                tried: self.sources.tried(),
                waited,
                reason: waiting_for(&summary, self.sources.failures())
                    .map_or_else(|| "the sources are too slow".to_owned(), |why| why.to_string()),
            }),
            _ => Ok(()),
        }
    }

    /// Tells the scheduler of an event, and carries out the actions that it returns.
    fn apply(&mut self, event: Event) {
        for action in self.scheduler.apply(self.context.clock.now(), event) {
            match action {
                Action::Request {
                    source,
                    fragment,
                    if_new,
                } => self.request(source, fragment, if_new),
                Action::Move { from, to, fragment } => {
                    let (now, sent) = (self.context.clock.now(), self.sources.bytes_from(from));
                    self.running.overtake(now, from, fragment, sent);
                    self.request(to, fragment, false);
                }
                Action::Cancel { source, fragment } => self.running.cancel(source, fragment),
                Action::RecordFault { source, fragment } => self.report_corruption(source, fragment),
            }
        }
    }

    fn request(&mut self, source: PeerId, fragment: FragmentIndex, if_new: bool) {
        let Some(connected) = self.sources.get(source) else {
            // The scheduler is told that a source has left before its connection is removed, so this is a
            // defect. The scheduler has to hear of it, or it would wait for the answer.
            error!(peer = %source, %fragment, "a request to a source without a connection is skipped");
            return self.disconnect(source);
        };
        let request = Request {
            client: connected.client.clone(),
            manifest: self.manifest.clone(),
            fragment,
            if_new,
            partial: self.partials.of(fragment),
            store: Arc::clone(&self.context.store),
            arrivals: self.context.arrivals.clone(),
            intake: Arc::clone(&self.intake),
            meter: Arc::clone(&connected.meter),
            room: Arc::clone(&self.context.room),
            all_room: self.context.limits.total_blocks(),
            limiter: self.context.limiter.clone(),
            stall: connected.stall,
        };
        let begun = Begun {
            at: self.context.clock.now(),
            sent: connected.meter.bytes(),
        };
        let (number, token) = self.running.begin(source, fragment, begun);
        let reports = self.reports.clone();
        self.context
            .tasks
            .spawn("fetch request", OnExit::Continue, async move {
                let outcome = request.run(token).await;
                drop(reports.send(Report::Ended { number, outcome }).await);
            });
    }

    fn disconnect(&mut self, source: PeerId) {
        self.apply(Event::Left { source });
        self.sources.remove(source);
    }

    /// Disconnects a source that was of no use, and puts it off.
    fn put_off(&mut self, source: PeerId) {
        self.context.records().failed(source, self.context.clock.now());
        self.disconnect(source);
    }

    /// Puts a source off that does not answer, if another candidate waits for its place.
    fn give_way(&mut self, source: PeerId) {
        let now = self.context.clock.now();
        let gives_way = self.sources.gives_way(source, now, &self.context.records());
        if gives_way {
            self.put_off(source);
        }
    }

    /// Disconnects sources that hold nothing of use when others are known and some fragments have no source.
    fn make_room_for(&mut self, found: &[Source]) {
        if self.sources.is_full() && self.scheduler.summary(self.context.clock.now()).unsourced > 0 {
            let useless = self
                .sources
                .connected()
                .filter(|source| self.scheduler.is_useless(*source));
            let leaving: Vec<_> = useless.take(found.len()).collect();
            leaving.into_iter().for_each(|source| self.put_off(source));
        }
    }

    /// Connects to candidates while there are places; `again` to those that failed a moment ago, too.
    fn connect(&mut self, again: bool) {
        let now = self.context.clock.now();
        let in_the_way = |it: &Self| it.sources.in_the_way(now, &it.context.records());
        while let Some(source) = in_the_way(self) {
            self.disconnect(source);
        }
        let is_out = |peer| self.scheduler.is_out(now, peer);
        let added = self.sources.add(now, &self.context.records(), again, is_out);
        for (source, connected) in added {
            let (manifest, reports) = (self.manifest.clone(), self.reports.clone());
            let follower = SourceFollower {
                source,
                is_near: connected.is_near,
                client: connected.client,
                manifest,
                reports,
            };
            self.context
                .tasks
                .spawn("source follower", OnExit::Continue, follower.run(connected.token));
        }
    }

    fn find(&self) {
        let (context, reports, content) = (
            Arc::clone(&self.context),
            self.reports.clone(),
            self.manifest.content(),
        );
        self.context
            .tasks
            .spawn("find sources", OnExit::Continue, async move {
                let found = tokio::time::timeout(FIND_TIMEOUT, context.finder.find(content)).await;
                drop(reports.send(Report::Found(found.unwrap_or_default())).await);
            });
    }

    /// Begins a commit that is due, off this thread; one commit at a time.
    fn begin_commit(&mut self) {
        let now = self.context.clock.now();
        let is_last = !self.commits.is_empty() && self.scheduler.is_complete();
        if !self.committing.is_in_progress() && (is_last || self.commits.is_due(now)) {
            let running = &self.running;
            let deliveries = self.commits.take(now, |index| running.is_about(index));
            if !deliveries.is_empty() {
                self.committing
                    .begin(&self.context.store, &self.manifest, deliveries);
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
        self.update_callers();
        Ok(())
    }

    /// Ends all connections and requests, waits for them, and commits the fragments that they have finished.
    async fn wind_down(self) {
        let Self {
            context,
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
        let rest = commits.take(context.clock.now(), |_| false);
        committing.finish(&context.store, &manifest, rest).await;
    }

    /// Tells the scheduler when this peer's own limit becomes what requests wait for, or ceases to be.
    fn throttle(&mut self, now: Timestamp) {
        let limiter = &self.context.limiter;
        // In the beginning it is not known yet; then a limit is taken to be the narrowest place.
        let is_narrowest = limiter.holds_up() || now.since(self.begun) < FIRST_IMPRESSION;
        let enough = limiter
            .rate()
            .filter(|_| is_narrowest)
            .map(|rate| Limits::at_rate(rate, self.manifest.fragment_length()));
        if std::mem::replace(&mut self.throttle, enough) != enough {
            self.apply(Event::Throttled(enough));
        }
    }

    /// Tells callers their progress; returns the scheduler's summary after that.
    fn update_callers(&mut self) -> SchedulerSummary {
        let now = self.context.clock.now();
        let summary = self.scheduler.summary(now);
        let from = self
            .sources
            .told(|source| self.running.asked_of(source, FetchSource::MAX_ASKED));
        let update = Update {
            now,
            held: &self.held,
            received: self.intake.received(),
            used: self.sources.used(),
            sources: summary.serving,
            waiting_for: self.waiting_for(now, &summary, &from),
            from,
        };
        if self.callers.update(&update) && !self.callers.is_empty() {
            self.apply(Event::Want(self.callers.wanted()));
            return self.scheduler.summary(now);
        }
        summary
    }

    /// Returns the reason for which nothing comes, or little.
    fn waiting_for(
        &self,
        now: Timestamp,
        summary: &SchedulerSummary,
        from: &[FetchSource],
    ) -> Option<Waiting> {
        let (useful, since) = self.last_received;
        let comes = useful > 0 && now.since(since) < STANDSTILL;
        if comes || summary.pending == 0 {
            return self.speeds.complaint(self.remaining());
        }
        if summary.unsourced > 0
            && let Some(failures) = self.sources.failures()
        {
            return Some(failures);
        }
        let is_connecting = |source: &&FetchSource| source.state == FetchSourceState::Connecting;
        let connecting = from.iter().filter(is_connecting).count();
        standstill(summary, u32::try_from(connecting).unwrap_or(u32::MAX))
    }

    /// Returns the bytes of the wanted fragments that are missing.
    fn remaining(&self) -> u64 {
        let mut missing = self.callers.wanted();
        missing.subtract(&self.held);
        self.manifest.bytes_in(&missing)
    }

    /// Whether requests that end have to wait for the disk, and then requests that would begin.
    fn is_disk_behind(&self) -> bool {
        self.committing.is_in_progress() && self.commits.is_full()
    }

    /// Describes the state of the fetch and its reasons to wait.
    fn explain(&self) -> FetchStanding {
        let summary = self.scheduler.summary(self.context.clock.now());
        let wanted = self.callers.wanted();
        let mut held = wanted.clone();
        held.intersect_with(&self.held);
        let limiter = &self.context.limiter;
        let circumstances = Circumstances {
            summary,
            unreached: self.sources.failures(),
            limit: limiter.rate().filter(|_| limiter.holds_up()),
            memory: self
                .waits_for_memory(summary.in_flight)
                .then_some(self.context.limits.total_in_flight_bytes),
            is_disk_behind: self.is_disk_behind(),
            slow: self.speeds.complaint(self.remaining()),
        };
        FetchStanding {
            held_bytes: self.manifest.bytes_in(&held),
            length: self.manifest.bytes_in(&wanted),
            sources: summary.serving,
            reasons: circumstances.reasons(),
        }
    }

    /// Whether requests were made and none has been let out, because other fetches have taken the room.
    fn waits_for_memory(&self, in_flight: u32) -> bool {
        let blocks = self.manifest.fragment_length().get() / BLOCK_LENGTH;
        let least = blocks.min(self.context.limits.total_blocks()) as usize;
        let is_any_out = self.sources.asked().next().is_some();
        in_flight > 0 && !is_any_out && self.context.room.available_permits() < least
    }

    /// Records a fault of a connected source in the node's status and in its log.
    fn record_fault(&self, source: PeerId, kind: FaultKind, rate: Option<ByteRate>) {
        if let Some(connected) = self.sources.get(source) {
            let content = self.manifest.content();
            self.context
                .record_fault(source, &connected.address, kind, rate, content);
        }
    }

    /// Records that a source sent corrupt bytes, and tells the source, so that it can check its own copy.
    fn report_corruption(&mut self, source: PeerId, fragment: FragmentIndex) {
        let content = self.manifest.content();
        warn!(peer = %source, %content, %fragment, "a source sent bytes that do not match their hash");
        self.record_fault(source, FaultKind::Lied, None);
        if let Some(connected) = self.sources.get(source) {
            let client = connected.client.clone();
            self.context.tasks.spawn("dispute", OnExit::Continue, async move {
                match client.dispute(content, fragment).await {
                    Ok(true) => info!(peer = %source, %content, %fragment, "the source's copy was damaged; the source has withdrawn it"),
                    Ok(false) => warn!(peer = %source, %content, %fragment, "the source says that its copy is good"),
                    Err(error) => debug!(peer = %source, %error, "cannot tell a source that its bytes were wrong"),
                }
            });
        }
        // Once may be the wire's fault: the scheduler decides when it was too often.
        if self.scheduler.is_banned(source) {
            self.sources.remove(source);
        }
    }

    /// Records a fault of the source that was overtaken before `winner` delivered its fragment, if one was.
    fn record_overtaken(&mut self, winner: &Made) {
        let Some((source, overtaken)) = self.running.arrived(winner.fragment) else {
            return;
        };
        let sent = self.sources.bytes_from(winner.source);
        let by = winner.begun.pulled(self.context.clock.now(), sent);
        if let Some((kind, rate)) = judge(overtaken, by) {
            self.record_fault(source, kind, rate);
        }
    }
}
