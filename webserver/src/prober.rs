//! Asks every tracker, again and again, whether it is alive.
//!
//! All at the same time, so that a slow one delays no other; anew when the configuration has changed. The
//! prober only carries the answers to the [`Directory`], which decides the consequences.

use std::time::Duration;

use futures_util::future::join_all;
use proto::tls::Tls;
use shared::model::{HostPort, format_duration};
use shared::runtime::{Clock, OnExit, Tasks};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::{Config, Probing};
use crate::directory::{Change, Directory, ProbeResult};
use crate::rpc::check_tracker;

/// Starts the probing of the configured trackers; it ends with the token of `tasks`, or with the last sender
/// of configurations.
pub(crate) fn start(
    directory: watch::Sender<Directory>,
    config: watch::Receiver<Config>,
    tls: Tls,
    clock: Clock,
    tasks: &Tasks,
) {
    let token = tasks.token().clone();
    tasks.spawn("probe", OnExit::ShutDown, async move {
        token
            .run_until_cancelled(run(directory, config, tls, clock))
            .await;
    });
}

async fn run(
    directory: watch::Sender<Directory>,
    mut config: watch::Receiver<Config>,
    tls: Tls,
    clock: Clock,
) {
    loop {
        let (trackers, probing) = {
            let config = config.borrow_and_update();
            (config.trackers.clone(), config.probing)
        };
        directory.send_if_modified(|directory| match directory.with(trackers.clone(), clock.now()) {
            Ok(next) if next != *directory => {
                *directory = next;
                true
            }
            // A configuration has been checked before it gets here.
            Ok(_) | Err(_) => false,
        });
        let probes = trackers
            .into_iter()
            .map(|tracker| probe_forever(tracker, &directory, probing, &tls, &clock));
        tokio::select! {
            _ = join_all(probes) => return,
            changed = config.changed() => if changed.is_err() {
                return;
            }
        }
    }
}

async fn probe_forever(
    tracker: HostPort,
    directory: &watch::Sender<Directory>,
    probing: Probing,
    tls: &Tls,
    clock: &Clock,
) {
    loop {
        let outcome = probe(&tracker, probing.deadline, tls).await;
        let result = ProbeResult {
            tracker: tracker.clone(),
            outcome,
        };
        directory.send_modify(|directory| match directory.apply(clock.now(), result) {
            Some(Change::Up) => info!(%tracker, "the tracker is live"),
            Some(Change::Down { reason }) => warn!(%tracker, reason, "the tracker is not live"),
            None => {}
        });
        tokio::time::sleep(probing.interval).await;
    }
}

async fn probe(tracker: &HostPort, deadline: Duration, tls: &Tls) -> Result<(), String> {
    tokio::time::timeout(deadline, check_tracker(tracker, tls))
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {}", format_duration(deadline))))
}
