//! The webserver as a whole: bind, run until a signal, drain.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use proto::accept::{self, Door, Services};
use proto::client::{Program, identify};
use proto::listen::{self, ListenError};
use proto::membership::Membership;
use proto::tls::Tls;
use shared::model::HostPort;
use shared::runtime::{Clock, OnExit, Tasks};
use shared::security::Role;
use shared::{Coded, ErrorCode};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::config::{Config, ConfigError};
use crate::directory::{Directory, TrackersError};
use crate::joining::{JoiningError, Place};
use crate::rpc::DirectoryService;
use crate::{http, prober};

/// Time for tasks to end: the drain of [`accept::serve`] and some more.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A webserver that listens and does not answer yet; [`Self::run_until`] makes it answer.
#[derive(Debug)]
pub struct Webserver {
    listener: TcpListener,
    address: SocketAddr,
    directory: Directory,
    config: watch::Sender<Config>,
    place: Place,
    clock: Clock,
}

/// Reasons for which a webserver did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings make no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The webserver does not become a member of a secured network.
    #[error(transparent)]
    Joining(#[from] JoiningError),
    /// A secured network is at the address of a tracker, and this webserver is no member of it.
    #[error(
        "{0} speaks TLS, as a tracker of a secured network does: start this webserver with a join line of that \
         network (--join-file FILE or ENJAMBRE_JOIN)"
    )]
    Secured(HostPort),
    /// Another program answers at the address of a tracker.
    #[error("{address} is {program}, not a tracker; give --tracker the address of a tracker")]
    NotATracker {
        /// The address.
        address: HostPort,
        /// The program that answers there.
        program: Program,
    },
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A necessary task has ended; the log has its name and the cause.
    #[error("stopped by itself because a part of it failed; the log has the details")]
    Failed,
}

impl From<TrackersError> for StartError {
    fn from(error: TrackersError) -> Self {
        Self::Config(error.into())
    }
}

impl Coded for StartError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Config(error) => error.code(),
            Self::Listen(error) => error.code(),
            Self::Joining(error) => error.code(),
            Self::NotATracker { .. } | Self::Secured(_) => ErrorCode::InvalidArgument,
            Self::Failed => ErrorCode::Internal,
        }
    }
}

/// Refuses addresses at which another program answers. Says nothing about those at which none does: a tracker
/// may start later.
///
/// # Errors
/// [`StartError::NotATracker`] and [`StartError::Secured`].
pub async fn refuse_other_programs(trackers: &[HostPort], tls: &Tls) -> Result<(), StartError> {
    let programs = join_all(trackers.iter().map(|tracker| identify(tracker, tls))).await;
    for (address, program) in trackers.iter().zip(programs) {
        match program {
            None | Some(Program::Tracker) => {}
            Some(Program::Tls) => return Err(StartError::Secured(address.clone())),
            Some(program) => {
                let address = address.clone();
                return Err(StartError::NotATracker { address, program });
            }
        }
    }
    Ok(())
}

impl Webserver {
    /// Checks the settings and takes the port, outside of secured networks; connections wait until
    /// [`Self::run_until`].
    ///
    /// # Errors
    /// When the settings make no sense or the port is taken.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        Self::bind_at(config, Place::default()).await
    }

    /// Binds a webserver that serves as the member that it is.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub async fn bind_at(config: Config, place: Place) -> Result<Self, StartError> {
        let clock = Clock::system();
        let directory = Directory::new(config.trackers.clone(), clock.now())?;
        let listener = listen::bind(&config.host, config.port).await?;
        let address = listener.local_addr().map_err(|_| StartError::Failed)?;
        config
            .check_exposure(address, place.membership.is_some())
            .map_err(ConfigError::from)?;
        if !address.ip().is_loopback() {
            warn!(%address, "everyone who can reach this address sees the page and the addresses of the trackers");
        }
        Ok(Self {
            listener,
            address,
            directory,
            config: watch::Sender::new(config),
            place,
            clock,
        })
    }

    /// Returns the listening address; with port 0 in the settings, the port that was picked.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the sender of configurations: changed trackers and probe timings take effect while it runs.
    #[must_use]
    pub fn config(&self) -> watch::Sender<Config> {
        self.config.clone()
    }

    /// Probes the trackers and answers clients until `shutdown` completes, then lets requests under way end.
    ///
    /// Gives the first answer after every tracker has been probed once, at most one probe deadline after the
    /// start: a client never hears that no tracker is alive only because none has been asked.
    ///
    /// # Errors
    /// When a necessary task failed and the webserver had to stop.
    pub async fn run_until(mut self, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
        let tasks = Tasks::new();
        let token = tasks.token().clone();
        let (sender, receiver) = watch::channel(self.directory);
        let tls = self.place.tls();
        let certified = std::mem::take(&mut self.place.names);
        if let Some(membership) = self.place.membership {
            keep(membership, receiver.clone(), &tasks);
        }
        prober::start(sender, self.config.subscribe(), tls.clone(), self.clock, &tasks);

        let (grpc, _health) = Services::new()
            .add(DirectoryService::server(receiver.clone()))
            .await
            .into_router();
        let gate = self.config.borrow().gate(&certified);
        let router = http::router(receiver.clone(), tls.clone(), gate, grpc);
        let door = Door::new().secured(tls).guarded(Role::Webserver);
        let (listener, serving) = (self.listener, tasks.clone());
        tasks.spawn("accept", OnExit::ShutDown, async move {
            let mut directory = receiver;
            let first_round = directory.wait_for(Directory::is_checked);
            if let Some(checked) = serving.token().run_until_cancelled(first_round).await {
                // Fails when the probers are gone; then their end has begun the shutdown.
                debug!(is_checked = checked.is_ok(), "answering clients");
            }
            accept::serve(listener, router, serving, door).await;
        });

        tokio::select! {
            () = shutdown => {}
            () = token.cancelled() => {}
        }
        let has_failed = token.is_cancelled();
        info!("stopping");
        tasks.stop(STOP_TIMEOUT).await;
        if has_failed {
            Err(StartError::Failed)
        } else {
            Ok(())
        }
    }
}

/// Keeps the webserver a member, by a live tracker, or the first one when none is live.
fn keep(membership: Membership, mut directory: watch::Receiver<Directory>, tasks: &Tasks) {
    let (sender, tracker) = watch::channel(None);
    tasks.spawn(
        "membership",
        OnExit::ShutDown,
        membership.keep(tracker, tasks.clone()),
    );
    let token = tasks.token().clone();
    tasks.spawn("live tracker", OnExit::ShutDown, async move {
        let following = async {
            loop {
                // A tracker does not serve a webserver whose certificate has ended, so that none is live
                // until one has renewed it.
                let first = directory.borrow_and_update().live_first().next().cloned();
                let first = first.map(|tracker| tracker.address().clone());
                sender.send_if_modified(|known| {
                    let is_news = *known != first;
                    *known = first;
                    is_news
                });
                // The prober has the sender, and its end stops the webserver.
                if directory.changed().await.is_err() {
                    return;
                }
            }
        };
        token.run_until_cancelled(following).await;
    });
}
