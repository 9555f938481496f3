//! Writer: the single thread that owns the journal and the sessions' outboxes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use shared::runtime::Clock;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, error};

use super::Book;
use super::batch::{Batch, Done};
use super::outbox::Outbox;
use super::snapshots::{SNAPSHOT_EVERY, Snapshots};
use crate::journal::{Journal, JournalError, Replayed};
use crate::state::{Closing, Command, Effect, Rejection, Reply, SessionId};

/// Commands applied under one lock and made durable by one sync.
const BATCH_COMMANDS: usize = 512;

/// Job for the writer.
#[derive(Debug)]
pub(super) enum Job {
    Apply {
        command: Box<Command>,
        /// Outbox of a new session.
        outbox: Option<Outbox>,
        reply: oneshot::Sender<Result<Reply, Rejection>>,
    },
    Stop,
}

/// Everything that is needed to answer a command that has been applied.
struct Asked {
    reply: Option<oneshot::Sender<Result<Reply, Rejection>>>,
    /// The session that the command opens or closes.
    session: Option<SessionId>,
    outbox: Option<Outbox>,
}

pub(super) struct Writer {
    book: Arc<RwLock<Book>>,
    journal: Box<dyn Journal>,
    clock: Clock,
    durable: watch::Sender<u64>,
    versions: watch::Sender<u64>,
    outboxes: HashMap<SessionId, Outbox>,
    /// Sessions whose caller is gone.
    abandoned: Vec<SessionId>,
    snapshots: Snapshots,
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
            snapshots: Snapshots::new(SNAPSHOT_EVERY, replayed),
        }
    }

    /// Works until it is told to stop, until no handle is left, or until the journal fails.
    ///
    /// # Errors
    /// When the journal failed.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) -> Result<(), JournalError> {
        let mut jobs = Vec::with_capacity(BATCH_COMMANDS);
        loop {
            if queue.blocking_recv_many(&mut jobs, BATCH_COMMANDS) == 0 {
                break;
            }
            let is_last = jobs.iter().any(|job| matches!(job, Job::Stop));
            let done = self.work(jobs.drain(..)).and_then(|()| self.advance_snapshot());
            if let Err(failure) = done {
                error!(error = %failure, "the journal failed; the tracker stops");
                return Err(failure);
            }
            if is_last {
                break;
            }
        }
        for (_, outbox) in self.outboxes.drain() {
            outbox.close(Closing::Stopping);
        }
        Ok(())
    }

    fn work(&mut self, jobs: impl Iterator<Item = Job>) -> Result<(), JournalError> {
        let mut batch = Batch::new();
        let written = {
            // Only this thread writes: if the lock is poisoned, a reader did that, which changes nothing.
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
                } => Some((*command, outbox, Some(reply))),
                Job::Stop => None,
            });
            for (command, outbox, reply) in abandoned.chain(asked) {
                let session = match &command {
                    Command::OpenSession { session, .. } | Command::CloseSession { session } => {
                        Some(*session)
                    }
                    _ => None,
                };
                let asked = Asked {
                    reply,
                    session,
                    outbox,
                };
                batch.apply(&mut book.state, self.clock.now(), command, asked);
            }
            book.written += u64::from(batch.record_count() > 0);
            book.written
        };
        let records = batch.record_count() as u64;
        let done = batch.commit(&mut *self.journal)?;
        if records > 0 {
            self.snapshots.appended(records);
            self.durable.send_replace(written);
        }
        for one in done {
            self.perform(one);
        }
        self.versions.send_modify(|version| *version += 1);
        Ok(())
    }

    fn perform(&mut self, done: Done<Asked>) {
        let Done {
            tag: asked,
            answer,
            effects,
        } = done;
        let is_welcome = matches!(answer, Ok(Reply::Welcomed(_)));
        match (asked.session, asked.outbox) {
            (Some(session), Some(outbox)) if is_welcome => drop(self.outboxes.insert(session, outbox)),
            (Some(session), None) => drop(self.outboxes.remove(&session)),
            _ => {}
        }
        let is_heard = asked.reply.is_none_or(|reply| reply.send(answer).is_ok());
        if let (true, false, Some(session)) = (is_welcome, is_heard, asked.session) {
            self.outboxes.remove(&session);
            self.abandoned.push(session);
        }
        for effect in effects {
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

    fn advance_snapshot(&mut self) -> Result<(), JournalError> {
        let book = &self.book;
        let records = || {
            let book = book.read().unwrap_or_else(PoisonError::into_inner);
            book.state.records()
        };
        self.snapshots.advance(records, &mut *self.journal)
    }
}
