//! Asks every tracker, again and again, whether it is alive.
//!
//! One task a tracker, so that a slow one delays no other. It only carries the answers to the [`Directory`], which
//! decides what follows from them.

use std::sync::Arc;
use std::time::Duration;

use shared::model::{HostPort, format_duration};
use shared::runtime::{Clock, OnExit, Tasks};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::Probing;
use crate::directory::{Change, Directory, ProbeResult};
use crate::rpc::check_tracker;

/// Starts the probing of every tracker in the directory; it ends with the token of `tasks`.
pub(crate) fn start(directory: watch::Sender<Directory>, probing: Probing, clock: &Clock, tasks: &Tasks) {
    let addresses: Vec<_> = directory
        .borrow()
        .trackers()
        .iter()
        .map(|tracker| tracker.address().clone())
        .collect();
    let directory = Arc::new(directory);
    for tracker in addresses {
        let (directory, clock, token) = (Arc::clone(&directory), clock.clone(), tasks.token().clone());
        tasks.spawn("probe", OnExit::ShutDown, async move {
            token
                .run_until_cancelled(probe_forever(tracker, &directory, probing, &clock))
                .await;
        });
    }
}

async fn probe_forever(
    tracker: HostPort,
    directory: &watch::Sender<Directory>,
    probing: Probing,
    clock: &Clock,
) {
    loop {
        let outcome = probe(&tracker, probing.deadline).await;
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

async fn probe(tracker: &HostPort, deadline: Duration) -> Result<(), String> {
    tokio::time::timeout(deadline, check_tracker(tracker))
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {}", format_duration(deadline))))
}
