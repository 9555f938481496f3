//! The single writer: owns the journal and the sessions' outboxes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use shared::runtime::Clock;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, error, info};

use super::Book;
use super::outbox::Outbox;
use crate::journal::{Journal, JournalError, Replayed};
use crate::state::{Closing, Command, Effect, Record, Rejection, Reply, SessionId};

/// Commands applied under one lock and made durable by one sync.
const BATCH_COMMANDS: usize = 512;

/// A snapshot is due after this many records, or as many as the last one had if those are more: so writing them
/// costs a constant factor, and replay stays within twice the size of the state.
const SNAPSHOT_EVERY: u64 = 10_000;

/// Records added to a snapshot between two batches: some ten milliseconds of writing.
const SNAPSHOT_STEP: usize = 1000;

/// Something for the writer to do.
#[derive(Debug)]
pub(super) enum Job {
    Apply {
        command: Command,
        /// Where a new session's orders go.
        outbox: Option<Outbox>,
        reply: oneshot::Sender<Result<Reply, Rejection>>,
    },
    Stop,
}

/// What has been applied and waits to become durable.
struct Pending {
    answer: Result<Reply, Rejection>,
    reply: Option<oneshot::Sender<Result<Reply, Rejection>>>,
    /// The session that the command opens or closes.
    session: Option<SessionId>,
    outbox: Option<Outbox>,
    effects: Vec<Effect>,
}

pub(super) struct Writer {
    book: Arc<RwLock<Book>>,
    journal: Box<dyn Journal>,
    clock: Clock,
    durable: watch::Sender<u64>,
    versions: watch::Sender<u64>,
    outboxes: HashMap<SessionId, Outbox>,
    /// Sessions that nobody listens to any more.
    abandoned: Vec<SessionId>,
    snapshot: Snapshot,
    /// Records since the last snapshot was begun, and the size of that one.
    since_snapshot: u64,
    snapshot_size: u64,
}

enum Snapshot {
    None,
    Writing(std::vec::IntoIter<Record>),
    Tidying,
}

impl Writer {
    pub(super) fn new(
        book: Arc<RwLock<Book>>,
        journal: Box<dyn Journal>,
        clock: Clock,
        durable: watch::Sender<u64>,
        versions: watch::Sender<u64>,
        replayed: Replayed,
    ) -> Self {
        Self {
            book,
            journal,
            clock,
            durable,
            versions,
            outboxes: HashMap::new(),
            abandoned: Vec::new(),
            // What an interrupted run has left behind.
            snapshot: Snapshot::Tidying,
            since_snapshot: replayed.since_snapshot,
            snapshot_size: replayed.from_snapshot,
        }
    }

    /// Works until told to stop, until nobody can ask any more, or until the journal fails.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(BATCH_COMMANDS);
        loop {
            if queue.blocking_recv_many(&mut jobs, BATCH_COMMANDS) == 0 {
                break;
            }
            let is_last = jobs.iter().any(|job| matches!(job, Job::Stop));
            let done = self.work(jobs.drain(..)).and_then(|()| self.advance_snapshot());
            if let Err(failure) = done {
                error!(error = %failure, "the journal failed; the tracker stops");
                return;
            }
            if is_last {
                break;
            }
        }
        for (_, outbox) in self.outboxes.drain() {
            outbox.close(Closing::Stopping);
        }
    }

    fn work(&mut self, jobs: impl Iterator<Item = Job>) -> Result<(), JournalError> {
        let mut pending = Vec::new();
        let mut records = Vec::new();
        let written = {
            // Only this thread writes: if the lock is poisoned, it was by a reader, which changes nothing.
            let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
            let abandoned = self
                .abandoned
                .drain(..)
                .map(|session| (Command::CloseSession { session }, None, None));
            let asked = jobs.filter_map(|job| match job {
                Job::Apply {
                    command,
                    outbox,
                    reply,
                } => Some((command, outbox, Some(reply))),
                Job::Stop => None,
            });
            for (command, outbox, reply) in abandoned.chain(asked) {
                let session = match &command {
                    Command::OpenSession { session, .. } | Command::CloseSession { session } => {
                        Some(*session)
                    }
                    _ => None,
                };
                let applied = book.state.apply(self.clock.now(), command);
                records.extend(applied.records);
                pending.push(Pending {
                    answer: applied.reply,
                    reply,
                    session,
                    outbox,
                    effects: applied.effects,
                });
            }
            book.written += u64::from(!records.is_empty());
            book.written
        };
        if !records.is_empty() {
            self.journal.append(&records)?;
            self.since_snapshot += records.len() as u64;
            self.durable.send_replace(written);
        }
        for one in pending {
            self.perform(one);
        }
        self.versions.send_modify(|version| *version += 1);
        Ok(())
    }

    fn perform(&mut self, pending: Pending) {
        let is_welcome = matches!(pending.answer, Ok(Reply::Welcomed(_)));
        match (pending.session, pending.outbox) {
            (Some(session), Some(outbox)) if is_welcome => drop(self.outboxes.insert(session, outbox)),
            (Some(session), None) => drop(self.outboxes.remove(&session)),
            _ => {}
        }
        let is_heard = pending
            .reply
            .is_none_or(|reply| reply.send(pending.answer).is_ok());
        if let (true, false, Some(session)) = (is_welcome, is_heard, pending.session) {
            self.outboxes.remove(&session);
            self.abandoned.push(session);
        }
        for effect in pending.effects {
            match effect {
                Effect::Send { session, order } => self.send(session, order),
                Effect::Close { session, why } => {
                    if let Some(outbox) = self.outboxes.remove(&session) {
                        outbox.close(why);
                    }
                }
            }
        }
    }

    fn send(&mut self, session: SessionId, order: shared::model::Order) {
        let Some(outbox) = self.outboxes.get(&session) else {
            return;
        };
        if outbox.put(order) {
            return;
        }
        debug!(%session, "a peer reads its orders too slowly; its session is ended");
        if let Some(outbox) = self.outboxes.remove(&session) {
            outbox.close(Closing::TooSlow);
        }
        self.abandoned.push(session);
    }

    /// One step of writing a snapshot, or of what follows from it; so that no batch waits for long.
    fn advance_snapshot(&mut self) -> Result<(), JournalError> {
        match &mut self.snapshot {
            Snapshot::None if self.since_snapshot >= SNAPSHOT_EVERY.max(self.snapshot_size) => {
                let records = self
                    .book
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .state
                    .records();
                self.journal.begin_snapshot()?;
                (self.since_snapshot, self.snapshot_size) = (0, records.len() as u64);
                self.snapshot = Snapshot::Writing(records.into_iter());
            }
            Snapshot::None => {}
            Snapshot::Writing(rest) => {
                let step: Vec<_> = rest.by_ref().take(SNAPSHOT_STEP).collect();
                let is_done = rest.as_slice().is_empty();
                self.journal.add_to_snapshot(&step)?;
                if is_done {
                    self.journal.finish_snapshot()?;
                    info!(records = self.snapshot_size, "snapshot written");
                    self.snapshot = Snapshot::Tidying;
                }
            }
            Snapshot::Tidying => {
                if !self.journal.tidy()? {
                    self.snapshot = Snapshot::None;
                }
            }
        }
        Ok(())
    }
}
