//! Ledger: the shell around the state. One thread applies commands, makes their records durable, and then
//! answers.
//!
//! Commands come in through a bounded queue. The writer takes what is there (a batch), applies it under the
//! write lock, releases the lock, journals the batch's records in one transaction, and only then answers and
//! sends the orders: so many publishes share one sync of the disk. A reader that saw something that is not
//! durable yet waits until it is, so a crash cannot take back what anyone was told.
//!
//! When the journal fails, the state is ahead of it: everything is answered with *unavailable* and the
//! tracker stops.

mod batch;
mod listed;
mod outbox;
mod snapshots;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use shared::model::{
    Binding, ContentId, Hello, KeyHash, Name, Numbered, PeerId, PeerMode, PinWish, ReplicationTarget, Report,
    RequestedMode, Revision, RevisionEntry, RevisionLimit, RunId, Welcome,
};
use shared::runtime::{Clock, Tasks};
use shared::{Coded, ErrorCode};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::info;

use crate::journal::{Journal, JournalError};
use crate::policy::Policy;
use crate::state::{
    Caller, Command, Origin, Publish, Rejection, Reply, SecurityCommand, SecurityReply, SessionId, State,
};
use outbox::Outbox;
use writer::{Job, Writer};

pub use batch::{Batch, Done, begin};
pub use listed::Listed;
pub use outbox::Orders;
pub use snapshots::{SNAPSHOT_EVERY, Snapshots};

/// Commands that wait for the writer; further callers wait to be let into the queue.
const QUEUE_COMMANDS: usize = 4096;

/// Handle on the ledger: the one way to change or read the state; cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    book: Arc<RwLock<Book>>,
    jobs: mpsc::Sender<Job>,
    durable: watch::Receiver<u64>,
    versions: watch::Receiver<u64>,
    sessions: Arc<AtomicU64>,
}

/// The state, and the number of batches with records that it contains.
#[derive(Debug)]
struct Book {
    state: State,
    written: u64,
}

/// Handle on the writer's thread, to wait for its end.
#[derive(Debug)]
pub struct LedgerThread {
    handle: JoinHandle<Result<(), JournalError>>,
    jobs: mpsc::Sender<Job>,
}

/// Reason for which the ledger gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The state does not allow it; nothing has changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The tracker is stopping, or its journal has failed: whether the command will have an effect is
    /// unknown.
    #[error("the tracker is stopping; try again in a moment")]
    Unavailable,
}

impl Coded for LedgerError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Rejected(rejection) => rejection.code(),
            Self::Unavailable => ErrorCode::Unavailable,
        }
    }
}

impl Ledger {
    /// Replays the journal, begins a new epoch, makes that durable, and starts the writer. Blocks on the
    /// disk.
    ///
    /// `tasks` is told to stop when the writer cannot go on. The writer ends when it is told to, or when the
    /// last ledger handle is gone.
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub fn open(
        mut journal: Box<dyn Journal>,
        policy: impl Into<Policy>,
        clock: Clock,
        seed: u64,
        tasks: &Tasks,
    ) -> Result<(Self, LedgerThread), JournalError> {
        let (state, replayed) = begin(&mut *journal, policy, clock.now(), seed)?;
        info!(
            epoch = %state.epoch(),
            from_snapshot = replayed.from_snapshot,
            since_snapshot = replayed.since_snapshot,
            safe_mode = state.is_in_safe_mode(),
            "journal replayed"
        );
        let book = Arc::new(RwLock::new(Book { state, written: 0 }));
        let (jobs, queue) = mpsc::channel(QUEUE_COMMANDS);
        let (durable_tx, durable) = watch::channel(0);
        let (versions_tx, versions) = watch::channel(0);
        let writer = Writer::new(
            Arc::clone(&book),
            journal,
            clock,
            durable_tx,
            versions_tx,
            replayed,
        );
        let token = tasks.token().clone();
        let run = move || {
            // The tracker ends with the writer, for whatever reason that ends.
            let _stop = token.drop_guard();
            writer.run(queue)
        };
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(run);
        let handle = thread.map_err(|source| JournalError::Io {
            act: "start a thread for",
            path: "the ledger".into(),
            source,
        })?;
        let thread = LedgerThread {
            handle,
            jobs: jobs.clone(),
        };
        Ok((
            Self {
                book,
                jobs,
                durable,
                versions,
                sessions: Arc::default(),
            },
            thread,
        ))
    }

    /// Binds a name; the binding is durable when this returns.
    ///
    /// # Errors
    /// As the contract of `Catalog.Publish` says.
    pub async fn publish(&self, publish: Publish, caller: Caller) -> Result<Binding, LedgerError> {
        match self.submit(Command::Publish { publish, caller }, None).await? {
            Reply::Published(binding) => Ok(binding),
            _ => Err(LedgerError::Unavailable),
        }
    }

    /// Removes a name; returns the revision of its tombstone, which is durable then.
    ///
    /// # Errors
    /// As the contract of `Catalog.Remove` says.
    pub async fn remove(&self, name: Name, expected: Option<Revision>) -> Result<Revision, LedgerError> {
        match self.submit(Command::Remove { name, expected }, None).await? {
            Reply::Removed(revision) => Ok(revision),
            _ => Err(LedgerError::Unavailable),
        }
    }

    /// Gives the binding of a name to another name; durable when this returns.
    ///
    /// # Errors
    /// As the contract of `Catalog.Rename` says.
    pub async fn rename(
        &self,
        from: Name,
        to: Name,
        expected: Option<Revision>,
    ) -> Result<Binding, LedgerError> {
        match self.submit(Command::Rename { from, to, expected }, None).await? {
            Reply::Published(binding) => Ok(binding),
            _ => Err(LedgerError::Unavailable),
        }
    }

    /// Changes the replication target of a name; the change is durable when this returns.
    ///
    /// # Errors
    /// As the contract of `Upkeep.SetTarget` says.
    pub async fn set_target(
        &self,
        name: Name,
        expected: Option<Revision>,
        target: ReplicationTarget,
    ) -> Result<Binding, LedgerError> {
        let command = Command::SetTarget {
            name,
            expected,
            target,
        };
        match self.submit(command, None).await? {
            Reply::Published(binding) => Ok(binding),
            _ => Err(LedgerError::Unavailable),
        }
    }

    /// Adopts another policy. Copies that are under way by the old one go on.
    ///
    /// # Errors
    /// When the tracker is stopping.
    pub async fn adopt(&self, policy: Policy) -> Result<(), LedgerError> {
        self.submit(Command::Adopt(Box::new(policy)), None)
            .await
            .map(drop)
    }

    /// Changes how many revisions of every name are remembered; durable when this returns.
    ///
    /// # Errors
    /// When the tracker is stopping.
    pub async fn keep_revisions(&self, limit: RevisionLimit) -> Result<(), LedgerError> {
        self.submit(Command::KeepRevisions(limit), None).await.map(drop)
    }

    /// Pins or unpins a revision; returns its state, which is durable then.
    ///
    /// # Errors
    /// As the contract of `Catalog.Pin` says.
    pub async fn pin(&self, wish: PinWish) -> Result<RevisionEntry, LedgerError> {
        match self.submit(Command::Pin(wish), None).await? {
            Reply::Pinned(revision) => Ok(revision),
            _ => Err(LedgerError::Unavailable),
        }
    }

    /// Changes the mode of a peer; the change is durable when this returns.
    ///
    /// # Errors
    /// As the contract of `Upkeep.SetPeerMode` says.
    pub async fn set_peer_mode(&self, peer: PeerId, wish: RequestedMode) -> Result<PeerMode, LedgerError> {
        match self.submit(Command::SetPeerMode { peer, wish }, None).await? {
            Reply::ModeReport(mode) => Ok(mode),
            _ => Err(LedgerError::Unavailable),
        }
    }

    /// Forgets a peer that is lost.
    ///
    /// # Errors
    /// As the contract of `Upkeep.ForgetPeer` says.
    pub async fn forget_peer(&self, peer: PeerId) -> Result<(), LedgerError> {
        self.submit(Command::ForgetPeer(peer), None).await.map(drop)
    }

    /// Lets a peer drop its copy of a content; the order is on its way when this returns.
    ///
    /// # Errors
    /// As the contract of `Upkeep.Release` says.
    pub async fn release(
        &self,
        peer: PeerId,
        content: ContentId,
        run: Option<RunId>,
        caller: Caller,
    ) -> Result<(), LedgerError> {
        let command = Command::Release {
            peer,
            content,
            run,
            caller,
        };
        self.submit(command, None).await.map(drop)
    }

    /// Begins a session, which ends should the caller go away meanwhile.
    ///
    /// # Errors
    /// When the hello is refused.
    pub async fn open_session(
        &self,
        hello: Hello,
        key: Option<KeyHash>,
        origin: Option<Origin>,
    ) -> Result<(SessionId, Welcome, Orders), LedgerError> {
        let session = SessionId::new(self.sessions.fetch_add(1, Ordering::Relaxed));
        let (outbox, orders) = Outbox::new();
        match self
            .submit(
                Command::OpenSession {
                    session,
                    hello,
                    key,
                    origin,
                },
                Some(outbox),
            )
            .await?
        {
            Reply::Welcomed(welcome) => Ok((session, welcome, orders)),
            _ => Err(LedgerError::Unavailable),
        }
    }

    /// Applies a report of a peer.
    ///
    /// # Errors
    /// When the session is over or the report is out of sequence.
    pub async fn report(&self, session: SessionId, report: Numbered<Report>) -> Result<(), LedgerError> {
        self.submit(Command::Report { session, report }, None)
            .await
            .map(drop)
    }

    /// Ends a session whose stream has ended.
    ///
    /// # Errors
    /// When the tracker is stopping.
    pub async fn close_session(&self, session: SessionId) -> Result<(), LedgerError> {
        self.submit(Command::CloseSession { session }, None)
            .await
            .map(drop)
    }

    /// Carries out a command about tokens and members; its facts are durable when this returns.
    ///
    /// # Errors
    /// As the contract of `Security` says.
    pub async fn secure(&self, command: SecurityCommand) -> Result<SecurityReply, LedgerError> {
        match self.submit(Command::Security(command), None).await? {
            Reply::Security(reply) => Ok(reply),
            _ => Err(LedgerError::Unavailable),
        }
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// When the tracker is stopping.
    pub async fn tick(&self) -> Result<(), LedgerError> {
        self.submit(Command::Tick, None).await.map(drop)
    }

    /// Reads the state; returns only when everything that was read is durable.
    ///
    /// `read` runs under a lock that holds up the writer: it must be short.
    ///
    /// # Errors
    /// When the tracker is stopping.
    pub async fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T, LedgerError> {
        let (answer, seen) = {
            let book = self.book.read().map_err(|_| LedgerError::Unavailable)?;
            (read(&book.state), book.written)
        };
        let mut durable = self.durable.clone();
        durable
            .wait_for(|durable| *durable >= seen)
            .await
            .map_err(|_| LedgerError::Unavailable)?;
        Ok(answer)
    }

    /// Lists up to `limit` names that begin with `prefix` and come after `after`.
    ///
    /// The state is read in steps, because there may be very much to count, and very many names that were
    /// removed. A name that changes in between is listed as it was or as it is.
    ///
    /// # Errors
    /// When the tracker is stopping.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Listed, LedgerError> {
        let mut listed = Listed::default();
        let mut after = after.cloned();
        // One name more than is wanted tells whether there are more.
        while listed.names.len() <= limit {
            let left = limit + 1 - listed.names.len();
            let step = self
                .read(|state| state.list(prefix, after.as_ref(), left))
                .await?;
            after = listed.take(step);
            if after.is_none() {
                break;
            }
        }
        listed.cut(limit);
        Ok(listed)
    }

    /// Returns a counter that changes whenever the state may have changed.
    #[must_use]
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.versions.clone()
    }

    async fn submit(&self, command: Command, outbox: Option<Outbox>) -> Result<Reply, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Apply {
            command: Box::new(command),
            outbox,
            reply,
        };
        self.jobs.send(job).await.map_err(|_| LedgerError::Unavailable)?;
        answer
            .await
            .map_err(|_| LedgerError::Unavailable)?
            .map_err(LedgerError::Rejected)
    }
}

impl LedgerThread {
    /// Lets the writer finish what is in its queue, and waits for its end.
    ///
    /// # Errors
    /// When the journal failed: acknowledged commands are in it, others may be.
    pub async fn stop(self) -> Result<(), JournalError> {
        // Sending fails when the writer has ended already.
        drop(self.jobs.send(Job::Stop).await);
        match tokio::task::spawn_blocking(move || self.handle.join()).await {
            Ok(Ok(ended)) => ended,
            _ => {
                tracing::error!("the ledger's thread has failed");
                Ok(())
            }
        }
    }
}
