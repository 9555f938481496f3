//! Server: the tracker as a whole. It binds, runs until it is told to stop, and drains.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use proto::accept::accounts::Accounts;
use proto::accept::{self, Door, Services};
use proto::listen::{self, ListenError};
use shared::runtime::{Clock, OnExit, Tasks};
use shared::security::Role;
use shared::security::authorization::Mode;
use shared::{Coded, ErrorCode};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::audit_log::{AuditLog, AuditLogError};
use crate::authority::{Authority, AuthorityError};
use crate::config::{Config, ConfigError};
use crate::guardian::{Guardian, GuardianError};
use crate::http;
use crate::journal::{Journal, JournalError, SqliteJournal};
use crate::ledger::{Ledger, LedgerThread};
use crate::rpc::{Callers, CatalogService, SecurityService, SessionService, UpkeepService};
use crate::whereabouts;

/// Time in which tasks have to end: the drain of [`accept::serve`] and some more.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Tracker that has begun its epoch and listens; [`Self::run_until`] makes it answer.
#[derive(Debug)]
pub struct Tracker {
    listener: TcpListener,
    address: SocketAddr,
    ledger: Ledger,
    thread: LedgerThread,
    guardian: Guardian,
    tasks: Tasks,
    config: watch::Sender<Config>,
}

/// Parts of a tracker besides its settings; tests pass their own.
pub struct Parts {
    /// Clock.
    pub clock: Clock,
    /// Journal; none means the one in the data directory.
    pub journal: Option<Box<dyn Journal>>,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            clock: Clock::following(),
            journal: None,
            seed: rand::random(),
        }
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("clock", &self.clock)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Reason for which a tracker did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings make no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The authority of the network cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The audit log cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditLogError),
    /// An indispensable task has ended; the log says which and why.
    #[error("stopped by itself because a part of it failed; the log has the details")]
    Failed,
}

impl Coded for StartError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Config(error) => error.code(),
            Self::Listen(error) => error.code(),
            Self::Journal(error) => error.code(),
            Self::Authority(error) => error.code(),
            Self::Audit(error) => error.code(),
            Self::Failed => ErrorCode::Internal,
        }
    }
}

impl From<GuardianError> for StartError {
    fn from(error: GuardianError) -> Self {
        match error {
            GuardianError::Authority(error) => Self::Authority(error),
            other => {
                tracing::error!(error = %other, "the network's security cannot begin");
                Self::Failed
            }
        }
    }
}

impl Tracker {
    /// Takes the port, replays the journal and begins a new epoch.
    ///
    /// # Errors
    /// When the port cannot be had or the journal not be used.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        Self::bind_with(config, Parts::default()).await
    }

    /// Binds a tracker with parts of the caller's.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub async fn bind_with(config: Config, parts: Parts) -> Result<Self, StartError> {
        config.security()?;
        let listener = listen::bind(&config.host, config.port).await?;
        let address = listener.local_addr().map_err(|_| StartError::Failed)?;
        let mode = config.security_at(address)?;
        if mode != Mode::Required && !address.ip().is_loopback() {
            warn!(%address, "whoever can reach this address can publish, remove and join");
        }
        let (tasks, policy, data_dir) = (Tasks::new(), config.policy(), config.data_dir.clone());
        let (stopping, clock) = (tasks.clone(), parts.clock.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let journal = match parts.journal {
                Some(journal) => journal,
                None => Box::new(SqliteJournal::open(&data_dir)?),
            };
            let authority = Authority::open(&data_dir)?;
            if authority.is_some()
                && let Err(error) = whereabouts::note_listening(&data_dir, address)
            {
                warn!(%error, "cannot note the address for commands on the data directory");
            }
            let audit = authority.as_ref();
            let audit = audit.map(|_| AuditLog::open(&data_dir, parts.clock.clone()));
            let secured = (authority, audit.transpose()?);
            let ledger = Ledger::open(journal, policy, parts.clock, parts.seed, &stopping)?;
            Ok::<_, StartError>((ledger, secured))
        });
        let ((ledger, thread), secured) = opened.await.map_err(|_| StartError::Failed)??;
        let guardian = Guardian::begin(ledger.clone(), secured, clock, mode).await?;
        let kept = ledger.keep_revisions(config.keep_revisions).await;
        kept.map_err(|_| StartError::Failed)?;
        Ok(Self {
            listener,
            address,
            ledger,
            thread,
            guardian,
            tasks,
            config: watch::Sender::new(config),
        })
    }

    /// Returns the address that it listens on; with port 0 in the settings, the port that was picked.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns a sender of its settings, of which the policy and the number of revisions take effect while it
    /// runs.
    #[must_use]
    pub fn config(&self) -> watch::Sender<Config> {
        self.config.clone()
    }

    /// Returns its ledger, for tests that look inside or let time pass by hand.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Answers until `shutdown` completes, then lets requests under way end, ends the sessions and makes
    /// accepted commands durable.
    ///
    /// # Errors
    /// When an indispensable task failed.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
        let tasks = self.tasks;
        let token = tasks.token().clone();
        let guardian = self.guardian;
        let grpc = services(&self.ledger, &guardian, &tasks).await;
        let gate = self.config.borrow().gate(guardian.names());
        let router = http::router(self.ledger.clone(), tasks.clone(), guardian.clone(), gate, grpc);
        let door = Door::new()
            .secured(guardian.tls().clone())
            .guarded(Role::Tracker)
            .kept_by(Arc::new(guardian.clone()));
        tasks.spawn(
            "accept",
            OnExit::ShutDown,
            accept::serve(self.listener, router, tasks.clone(), door),
        );
        tasks.spawn(
            "security",
            OnExit::ShutDown,
            guardian.clone().watch(tasks.clone()),
        );
        let every = self.config.borrow().timing.tick;
        tasks.spawn(
            "config",
            OnExit::Continue,
            adopt(
                self.ledger.clone(),
                guardian.clone(),
                self.config.subscribe(),
                self.address,
                tasks.clone(),
            ),
        );
        tasks.spawn("tick", OnExit::ShutDown, tick(self.ledger, every, tasks.clone()));

        tokio::select! {
            () = shutdown => {}
            () = token.cancelled() => {}
        }
        let has_failed = token.is_cancelled();
        info!("stopping");
        tasks.stop(STOP_TIMEOUT).await;
        self.thread.stop().await?;
        drop(tokio::task::spawn_blocking(move || guardian.close()).await);
        if has_failed {
            Err(StartError::Failed)
        } else {
            Ok(())
        }
    }
}

/// Makes the services of gRPC.
async fn services(ledger: &Ledger, guardian: &Guardian, tasks: &Tasks) -> Router {
    let (accounts, callers) = (Accounts::new(), Callers::default());
    let (ledger, tasks, guardian) = (|| ledger.clone(), || tasks.clone(), || guardian.clone());
    let (watched, known) = (accounts.clone(), callers.clone());
    let catalog = CatalogService::server(ledger(), tasks(), watched, known, guardian());
    let upkeep = UpkeepService::server(ledger(), callers.clone(), guardian());
    let security = SecurityService::server(guardian(), tasks(), accounts.clone());
    let session = SessionService::server(ledger(), tasks(), accounts, callers, guardian());
    let services = Services::new().add(catalog).await.add(session).await;
    let (grpc, _health) = services.add(upkeep).await.add(security).await.into_router();
    grpc
}

/// Passes changed settings on to the state. Ends with the ledger, or when nobody can change settings any
/// more.
async fn adopt(
    ledger: Ledger,
    guardian: Guardian,
    mut changed: watch::Receiver<Config>,
    address: SocketAddr,
    tasks: Tasks,
) {
    while let Some(Ok(())) = tasks.token().run_until_cancelled(changed.changed()).await {
        let (policy, keep_revisions, mode) = {
            let config = changed.borrow_and_update();
            (
                config.policy(),
                config.keep_revisions,
                config.security_at(address),
            )
        };
        match mode {
            Ok(mode) => guardian.set_mode(mode),
            Err(error) => warn!(%error, "the network's security stays as it is"),
        }
        if ledger.adopt(policy).await.is_err() || ledger.keep_revisions(keep_revisions).await.is_err() {
            return;
        }
    }
}

/// Ticks. Ends with the ledger.
async fn tick(ledger: Ledger, every: Duration, tasks: Tasks) {
    let mut interval = tokio::time::interval(every);
    // Ticks that were missed during a long one are skipped.
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while tasks.token().run_until_cancelled(interval.tick()).await.is_some() {
        if ledger.tick().await.is_err() {
            return;
        }
    }
}
