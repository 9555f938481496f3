//! The simulated tracker: the production state, batches, snapshots and record format, on a simulated disk and
//! clock.
//!
//! Events take the place of the threads of `ledger::writer`: commands gather in an inbox; a batch of them is
//! applied; its sync takes time; then it is answered. A reader meanwhile waits for the sync.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::RngExt as _;
use shared::model::{ContentRef, Incarnation, Name, PeerId, Timestamp};
use tracker::ledger::{Batch, Done, Snapshots, begin};
use tracker::state::{Caller, Command, Effect, Rejection, Reply, SessionId, State};

use super::calls::{Answered, Call, CallId, Failure, Outcome, Question};
use super::connections::{ConnectionId, Down, Up};
use super::journal::DiskJournal;
use super::peer::PeerNumber;
use super::queue::Millis;
use super::restoration::Backup;
use super::world::{Event, World};

/// Commands applied at once.
const BATCH: usize = 32;

/// Batches between two checks of the whole state.
const CHECK_EVERY: u64 = 8;

/// Sources in the answer to a location.
const HOLDERS: usize = 64;

/// The sender of a command, who waits for its answer.
#[derive(Clone, Debug)]
pub(super) enum Tag {
    Nobody,
    /// A message of a session that is over.
    Stray,
    /// A message of somebody who uses the id of a peer that has a key.
    Impostor,
    Hello(ConnectionId, SessionId, PeerId, Incarnation),
    Report(ConnectionId),
    /// The administrator, who revokes a peer.
    Revocation(PeerNumber),
    Call(CallId, u32),
}

/// The data directory, and the process if there is one.
#[derive(Debug, Default)]
pub(super) struct SimTracker {
    pub(super) journal: DiskJournal,
    pub(super) process: Option<Process>,
    runs: u64,
    /// The lead of the machine's clock.
    pub(super) clock_ahead: Millis,
    pub(super) backup: Option<Backup>,
}

/// One run of the tracker.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) state: State,
    inbox: VecDeque<(Command, Tag)>,
    is_awake: bool,
    /// The batch that is being synced, and the readers who have seen it and must not be answered before.
    busy: Option<Batch<Tag>>,
    waiting: Vec<(CallId, u32, Outcome)>,
    snapshots: Snapshots,
    pub(super) sessions: BTreeMap<SessionId, ConnectionId>,
    next_session: u64,
    batches: u64,
}

impl SimTracker {
    pub(super) const fn run_number(&self) -> u64 {
        self.runs
    }

    pub(super) const fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Returns the state when everything in it is durable.
    pub(super) fn settled(&self) -> Option<&State> {
        let process = self.process.as_ref()?;
        process.busy.is_none().then_some(&process.state)
    }
}

impl World {
    pub(super) fn tracker_clock(&self) -> Timestamp {
        Timestamp::from_millis(10_000_000 + self.now + self.tracker.clock_ahead)
    }

    pub(super) fn start_tracker(&mut self) {
        if self.tracker.is_up() {
            return;
        }
        self.tracker.runs += 1;
        let (run, seed) = (self.tracker.runs, self.rng.random());
        let now = self.tracker_clock();
        let begun = begin(&mut self.tracker.journal, self.profile.policy(), now, seed);
        let (state, replayed) = match begun {
            Ok(begun) => begun,
            Err(error) => return self.violated(format_args!("the tracker cannot start: {error}")),
        };
        self.say(format_args!(
            "tracker: starts in epoch {} after {replayed:?}",
            state.epoch()
        ));
        let epoch = state.epoch();
        self.tracker.process = Some(Process {
            state,
            inbox: VecDeque::new(),
            is_awake: false,
            busy: None,
            waiting: Vec::new(),
            snapshots: Snapshots::new(self.profile.snapshot_every, replayed),
            sessions: BTreeMap::new(),
            next_session: 0,
            batches: 0,
        });
        self.epoch_begins(epoch);
        self.note_run();
        self.check_names();
        self.check_revoked();
        self.check_pins();
        self.submit(Command::KeepRevisions(self.profile.keep_revisions), Tag::Nobody);
        self.plan(100, Event::Ticks(run));
    }

    /// Ends the process; a batch on its way to the disk may be lost.
    pub(super) fn crash_tracker(&mut self) {
        let Some(process) = self.tracker.process.take() else {
            return;
        };
        self.say(format_args!("tracker: crashes"));
        if let Some(batch) = process.busy {
            self.tracker.journal.disk().is_dying = true;
            // Written or not, nobody is told.
            drop(batch.commit(&mut self.tracker.journal));
        }
        self.tracker.journal.disk().crash(&mut self.rng);
        self.tracker_hangs_up();
    }

    pub(super) fn submit(&mut self, command: Command, tag: Tag) {
        let (delay, run) = (self.rng.random_range(0..3), self.tracker.runs);
        let Some(process) = &mut self.tracker.process else {
            return;
        };
        process.inbox.push_back((command, tag));
        if process.busy.is_none() && !process.is_awake {
            process.is_awake = true;
            self.plan(delay, Event::Works(run));
        }
    }

    pub(super) fn tracker_ticks(&mut self, run: u64) {
        if run == self.tracker.runs && self.tracker.is_up() {
            self.submit(Command::Tick, Tag::Nobody);
            self.plan(500, Event::Ticks(run));
        }
    }

    pub(super) fn tracker_works(&mut self, run: u64) {
        let now = self.tracker_clock();
        let sync = self.rng.random_range(1..=self.profile.tracker_sync);
        let Some(process) = self.tracker.process.as_mut().filter(|_| run == self.tracker.runs) else {
            return;
        };
        process.is_awake = false;
        if process.busy.is_some() {
            return;
        }
        let mut batch = Batch::new();
        for (command, tag) in process.inbox.drain(..process.inbox.len().min(BATCH)) {
            let is_tick = matches!(command, Command::Tick);
            batch.apply(&mut process.state, now, command, tag);
            if is_tick {
                // A peer that kept nothing is forgotten after an hour; its runs begin anew then.
                let known = process.state.peers(None, usize::MAX).peers;
                let is_known = |id: &PeerId| known.binary_search_by_key(id, |peer| peer.id).is_ok();
                self.oracle.incarnations.retain(|id, _| is_known(id));
            }
        }
        process.batches += 1;
        if process.batches % CHECK_EVERY == 0 {
            process.state.check();
        }
        let is_written = batch.record_count() > 0;
        process.busy = Some(batch);
        if is_written {
            self.plan(sync, Event::Synced(run));
        } else {
            self.tracker_synced(run);
        }
    }

    pub(super) fn tracker_synced(&mut self, run: u64) {
        let Some(process) = self.tracker.process.as_mut().filter(|_| run == self.tracker.runs) else {
            return;
        };
        let Some(batch) = process.busy.take() else {
            return;
        };
        process.snapshots.appended(batch.record_count() as u64);
        let is_written = batch.record_count() > 0;
        let done = match batch.commit(&mut self.tracker.journal) {
            Ok(done) => done,
            Err(error) => {
                self.say(format_args!("tracker: {error}"));
                self.crash_tracker();
                return self.plan(2_000, Event::TrackerStarts);
            }
        };
        let waiting = std::mem::take(&mut process.waiting);
        if !process.inbox.is_empty() {
            process.is_awake = true;
            self.queue.plan(self.now, Event::Works(run));
        }
        for one in done {
            self.tracker_done(one);
        }
        for (call, attempt, outcome) in waiting {
            self.answer(call, attempt, outcome);
        }
        if is_written {
            self.check_revoked();
            self.check_names();
            self.check_pins();
        }
        let Some(process) = &mut self.tracker.process else {
            return;
        };
        let state = &process.state;
        let advanced = process
            .snapshots
            .advance(|| state.records(), &mut self.tracker.journal);
        if advanced.is_err() {
            self.crash_tracker();
            self.plan(2_000, Event::TrackerStarts);
        }
    }

    fn tracker_done(&mut self, done: Done<Tag>) {
        match (done.tag, done.answer) {
            (Tag::Nobody, _) | (Tag::Stray | Tag::Impostor, Err(_)) => {}
            (Tag::Report(connection), Ok(_)) => self.check_heard(connection),
            (Tag::Revocation(peer), answer) => self.revocation_answered(peer, answer.as_ref().err()),
            (Tag::Impostor, Ok(answer)) => {
                self.violated(format_args!("an impostor was answered {answer:?}"));
            }
            (Tag::Stray, Ok(_)) => {
                self.violated(format_args!("a message of a session that is over was heard"));
            }
            (Tag::Hello(connection, session, peer, incarnation), Ok(Reply::Welcomed(welcome))) => {
                self.welcomed(peer, incarnation);
                self.check_welcomed(peer);
                if let Some(process) = &mut self.tracker.process {
                    process.sessions.insert(session, connection);
                }
                if let Some(connection) = self.connections.get_mut(&connection) {
                    connection.session = Some(session);
                }
                self.send_down(connection, Down::Welcome(welcome));
                if !self
                    .connections
                    .get(&connection)
                    .is_some_and(|connection| connection.is_open_at_tracker)
                {
                    self.submit(Command::CloseSession { session }, Tag::Nobody);
                }
            }
            (Tag::Hello(connection, _, peer, incarnation), Err(Rejection::CopyOf(_))) if connection != 0 => {
                self.violated(format_args!(
                    "run {incarnation} of {peer} was called a copy, and there is none"
                ));
            }
            (Tag::Hello(connection, ..) | Tag::Report(connection), answer) => {
                if let Some(refusal) = answer.as_ref().err().and_then(Rejection::refusal) {
                    self.send_down(connection, Down::Refused(refusal));
                }
                let why = answer.map_or_else(|error| error.to_string(), |_| String::new());
                self.end_connection(connection, why);
            }
            (Tag::Call(call, attempt), answer) => {
                let outcome = match answer {
                    Ok(Reply::Published(binding)) => {
                        self.check_publisher(call);
                        Ok(Answered::Bound(binding))
                    }
                    Ok(Reply::Removed(revision)) => Ok(Answered::Removed(revision)),
                    Ok(Reply::Pinned(entry)) => Ok(Answered::Pinned(entry)),
                    Ok(_) => Err(Failure::unavailable()),
                    Err(rejection) => Err(Failure::from(&rejection)),
                };
                self.answer(call, attempt, outcome);
            }
        }
        for effect in done.effects {
            let connection = |session| self.tracker.process.as_ref()?.sessions.get(&session).copied();
            match effect {
                Effect::Send { session, order } => {
                    if let Some(connection) = connection(session) {
                        self.check_relied_upon(&order);
                        self.ordered(connection, &order);
                        self.send_down(connection, Down::Order(Box::new(order)));
                    }
                }
                Effect::Close { session, why } => {
                    if let Some(connection) = connection(session) {
                        self.end_connection(connection, why.to_string());
                    }
                }
            }
        }
    }

    /// Ends a session, with the reason.
    fn end_connection(&mut self, connection: ConnectionId, why: String) {
        self.send_down(connection, Down::Ends(why));
        let Some(known) = self.connections.get_mut(&connection) else {
            return;
        };
        known.is_open_at_tracker = false;
        self.session_ended(connection);
    }

    /// Closes the session of a connection whose end at the tracker is closed.
    pub(super) fn session_ended(&mut self, connection: ConnectionId) {
        let Some(session) = self
            .connections
            .get(&connection)
            .and_then(|connection| connection.session)
        else {
            return;
        };
        if let Some(process) = &mut self.tracker.process
            && process.sessions.remove(&session).is_some()
        {
            self.submit(Command::CloseSession { session }, Tag::Nobody);
        }
    }

    pub(super) fn tracker_hears(&mut self, id: ConnectionId, message: Up) {
        match message {
            Up::Hello(hello) => {
                let number = self.connections.get(&id).map(|connection| connection.peer);
                let key = number.and_then(|number| self.peers[number].key(number));
                let Some(process) = &mut self.tracker.process else {
                    return;
                };
                process.next_session += 1;
                let session = SessionId::new(process.next_session);
                let tag = Tag::Hello(id, session, hello.peer, hello.incarnation);
                let hello = *hello;
                let command = Command::OpenSession {
                    session,
                    hello,
                    key,
                    origin: None,
                };
                self.submit(command, tag);
            }
            Up::Report(report) => {
                let Some(session) = self
                    .connections
                    .get(&id)
                    .and_then(|connection| connection.session)
                else {
                    return;
                };
                let report = *report;
                self.submit(Command::Report { session, report }, Tag::Report(id));
            }
        }
    }

    /// Handles a call that reaches the tracker.
    pub(super) fn tracker_is_asked(&mut self, id: CallId, attempt: u32) {
        // Whether or not the caller is still there.
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let (question, caller) = (call.question.clone(), self.caller(call));
        if !self.tracker.is_up() {
            return self.answer(id, attempt, Err(Failure::unavailable()));
        }
        match question {
            Question::Publish(publish) => {
                let publish = *publish;
                self.submit(Command::Publish { publish, caller }, Tag::Call(id, attempt));
            }
            Question::Remove { name, expected } => {
                self.submit(Command::Remove { name, expected }, Tag::Call(id, attempt));
            }
            Question::Rename { from, to, expected } => {
                self.submit(Command::Rename { from, to, expected }, Tag::Call(id, attempt));
            }
            Question::Pin(wish) => self.submit(Command::Pin(*wish), Tag::Call(id, attempt)),
            Question::SetTarget {
                name,
                expected,
                target,
            } => {
                let command = Command::SetTarget {
                    name,
                    expected,
                    target,
                };
                self.submit(command, Tag::Call(id, attempt));
            }
            Question::Release { peer, content } => {
                let run = self.peer_of(peer).map(|number| self.peers[number].run_id);
                let command = Command::Release {
                    peer,
                    content,
                    run,
                    caller,
                };
                self.submit(command, Tag::Call(id, attempt));
            }
            Question::SetPeerMode { peer, wish } => {
                self.submit(Command::SetPeerMode { peer, wish }, Tag::Call(id, attempt));
            }
            question => {
                let outcome = self.read(&question);
                if let (Ok(Answered::Location(location)), Question::Locate(_, except)) = (&outcome, &question)
                {
                    self.check_location(location, *except);
                }
                let is_busy = |process: &Process| process.busy.is_some();
                match &mut self.tracker.process {
                    Some(process) if is_busy(process) => process.waiting.push((id, attempt, outcome)),
                    _ => self.answer(id, attempt, outcome),
                }
            }
        }
    }

    /// Returns the sender of a call, as the border knows it by the secret of its session.
    fn caller(&self, call: &Call) -> Caller {
        let Some((run, session)) = call.session else {
            return Caller::Anonymous;
        };
        let process = self.tracker.process.as_ref().filter(|_| run == self.tracker.runs);
        match process.is_some_and(|process| process.sessions.contains_key(&session)) {
            true => Caller::Peer {
                id: self.peers[call.peer].id,
                session,
            },
            false => Caller::Former,
        }
    }

    fn read(&mut self, question: &Question) -> Outcome {
        let Some(process) = &self.tracker.process else {
            return Err(Failure::unavailable());
        };
        let state = &process.state;
        let by_name = |name: &Name| ContentRef::Name(name.clone());
        let answer = match question {
            Question::Head(name) => {
                let (revision, bound) = state.head(name);
                Ok(Answered::Head(revision, bound))
            }
            Question::Resolve(name) => state
                .resolve(&by_name(name))
                .map(|(binding, _)| Answered::Bound(binding)),
            Question::Locate(what, except) => state
                .locate(&what.clone().into(), HOLDERS, *except, &mut self.rng)
                .map(|location| Answered::Location(Box::new(location))),
            Question::Publish(_)
            | Question::Pin(_)
            | Question::Rename { .. }
            | Question::Remove { .. }
            | Question::SetTarget { .. }
            | Question::Release { .. }
            | Question::SetPeerMode { .. } => return Err(Failure::unavailable()),
        };
        answer.map_err(|rejection| Failure::from(&rejection))
    }

    /// Moves the tracker's clock forward while it runs.
    pub(super) fn leap(&mut self, by: Duration) {
        self.tracker.clock_ahead += u64::try_from(by.as_millis()).unwrap_or_default();
        self.say(format_args!("tracker: its clock leaps by {by:?}"));
    }
}
