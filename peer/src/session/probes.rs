//! Probes: this peer dials another at the tracker's request, and says who answers.

use std::sync::Arc;

use proto::client::DirectoryClient;
use proto::dial;
use proto::tls::Tls;
use shared::model::{HostPort, PeerId, Report};
use shared::runtime::{OnExit, Tasks};
use tokio::sync::{Semaphore, mpsc};
use tracing::debug;

/// Probes at once; a tracker that wants more asks others.
const AT_ONCE: usize = 16;

/// A dialler for the tracker; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Probes {
    slots: Arc<Semaphore>,
    tls: Tls,
    reports: mpsc::Sender<Report>,
    tasks: Tasks,
}

impl Probes {
    /// Makes a dialler that puts its results into `reports`.
    pub(super) fn new(tls: Tls, reports: mpsc::Sender<Report>, tasks: Tasks) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            tls,
            reports,
            tasks,
        }
    }

    /// Begins to dial an address where a peer should answer. Without a free slot nothing happens: the tracker
    /// asks another peer.
    pub(super) fn begin(&self, probe: u64, peer: PeerId, address: HostPort) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return;
        };
        let (tls, reports) = (self.tls.clone(), self.reports.clone());
        self.tasks.spawn("probe", OnExit::Continue, async move {
            let outcome = DirectoryClient::answers_at(&address, &tls, peer).await;
            debug!(%address, ?outcome, "dialled a peer for the tracker");
            let outcome = outcome.map_err(|error| dial::cause(&error));
            // Without a session by then, the tracker asks another peer.
            drop(reports.send(Report::Probed { probe, outcome }).await);
            drop(slot);
        });
    }
}
