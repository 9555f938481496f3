//! What of a node can be changed while it runs.

use std::sync::Arc;

use shared::model::{ByteRate, Zone};
use tokio::sync::watch;

use super::NodeLimits;
use crate::fetch::Fetcher;
use crate::limiter::Limiter;
use crate::rpc::{TransferService, UploadSlots};
use crate::store::DiskStore;

/// Handles to what can be changed of a running node; cheap to clone. A change counts for what is under way too.
#[derive(Clone, Debug)]
pub struct Adjustable {
    /// How fast it sends to peers.
    pub uploads: Limiter,
    /// How fast it takes from peers.
    pub downloads: Limiter,
    /// How many uploads send at once.
    pub slots: UploadSlots,
    /// How fast what is held is read again; none: never.
    pub scrub: watch::Sender<Option<ByteRate>>,
    pub(super) zone: watch::Sender<Option<Zone>>,
    pub(super) store: Arc<DiskStore>,
}

impl Adjustable {
    pub(super) fn new(
        limits: &NodeLimits,
        zone: watch::Sender<Option<Zone>>,
        store: &Arc<DiskStore>,
        transfer: &TransferService,
        fetcher: &Fetcher,
    ) -> Self {
        Self {
            uploads: transfer.limiter().clone(),
            downloads: fetcher.limiter().clone(),
            slots: transfer.slots().clone(),
            scrub: watch::Sender::new(limits.scrub),
            zone,
            store: Arc::clone(store),
        }
    }

    /// It is in this failure domain from now on; the tracker is told.
    pub fn enter(&self, zone: Option<Zone>) {
        self.zone.send_replace(zone);
    }

    /// It lends so many bytes from now on; the tracker is told. What is held already stays, also when it is more.
    pub fn lend(&self, bytes: u64) {
        self.store.set_capacity(bytes);
        // Both are told with a hello, so that a session begins anew.
        self.zone.send_modify(|_| {});
    }
}
