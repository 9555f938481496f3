//! The parts that all jobs of a fetcher share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use proto::tls::Tls;
use shared::model::{ByteRate, ContentId, FaultKind, HostPort, PeerId, Source, SourceFault, Zone};
use shared::runtime::{Clock, Tasks};
use tokio::sync::{Semaphore, mpsc, watch};
use tracing::warn;

use super::arrivals::Arrivals;
use super::callers::Call;
use super::counters::Counters;
use super::limits::Limits;
use super::source_faults::SourceFaults;
use super::track_records::TrackRecords;
use crate::limiter::Limiter;
use store::FragmentStore;

/// A directory of the peers that hold fragments of a content.
pub trait FindSources: Send + Sync + 'static {
    /// Returns peers that are said to hold fragments of the content, in no order. The answer is empty when
    /// no such peer is known, or when the directory cannot be asked. A fetch stops waiting after a few
    /// seconds.
    fn find(&self, content: ContentId) -> BoxFuture<'_, Vec<Source>>;

    /// Takes note that a peer which was found could not be dialled.
    fn report_unreached(&self, _peer: PeerId, _error: &str) {}

    /// Takes note that a peer has delivered verified bytes of a content.
    fn report_received(&self, _content: ContentId, _from: PeerId) {}
}

/// The peer that fetches.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its id: it is never a source of its own.
    pub id: PeerId,
    /// Its failure domain: sources in the one that it is in when a fetch begins are preferred.
    pub zone: watch::Receiver<Option<Zone>>,
    /// Security of its connections.
    pub tls: Tls,
}

/// Everything that is shared by the jobs of one fetcher.
pub(super) struct Context {
    pub(super) store: Arc<dyn FragmentStore>,
    pub(super) finder: Arc<dyn FindSources>,
    pub(super) tasks: Tasks,
    pub(super) clock: Clock,
    pub(super) own: Own,
    pub(super) limits: Limits,
    pub(super) counters: Arc<Counters>,
    pub(super) limiter: Limiter,
    source_faults: Mutex<SourceFaults>,
    records: Mutex<TrackRecords>,
    /// Fragments that are arriving, which can be passed on.
    pub(super) arrivals: Arrivals,
    /// One permit for every block that may be in flight.
    pub(super) room: Arc<Semaphore>,
    /// The running job of each content. A job removes itself only when no call is waiting for it.
    pub(super) jobs: Mutex<BTreeMap<ContentId, mpsc::Sender<Call>>>,
}

impl Context {
    pub(super) fn new(
        store: Arc<dyn FragmentStore>,
        finder: Arc<dyn FindSources>,
        tasks: Tasks,
        clock: Clock,
        own: Own,
        limits: Limits,
    ) -> Self {
        Self {
            store,
            finder,
            tasks,
            limiter: Limiter::unlimited(clock.clone()),
            clock,
            own,
            limits,
            counters: Counters::new(),
            source_faults: Mutex::default(),
            records: Mutex::default(),
            arrivals: Arrivals::default(),
            room: Arc::new(Semaphore::new(limits.total_blocks() as usize)),
            jobs: Mutex::default(),
        }
    }

    /// Returns the track records of all sources.
    pub(super) fn records(&self) -> MutexGuard<'_, TrackRecords> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a source lied, stalled or was slow: the status lists the source from now on, and the log
    /// names it the first time.
    pub(super) fn record_fault(
        &self,
        peer: PeerId,
        address: &HostPort,
        kind: FaultKind,
        rate: Option<ByteRate>,
        content: ContentId,
    ) {
        let mut faults = self.source_faults.lock().unwrap_or_else(PoisonError::into_inner);
        let times = faults.record(self.clock.now(), peer, address.clone(), kind, rate);
        drop(faults);
        if times == 1 {
            let rate = rate.map(tracing::field::display);
            warn!(%peer, %address, %content, fault = %kind, rate, "a source did not serve as it should; `peer status` lists it");
        }
    }

    /// Returns the recorded faults, the latest first.
    pub(super) fn source_faults(&self) -> Vec<SourceFault> {
        let faults = self.source_faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.list(self.clock.now())
    }
}
