//! The handle: finds the job of a content or starts one, and waits for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use shared::model::{
    ByteRate, ContentId, FaultKind, FetchStanding, FragmentSet, HostPort, Manifest, PeerId, Source,
    SourceFault, Zone,
};
use shared::runtime::{Clock, OnExit, Tasks};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::arrivals::Arrivals;
use super::counters::Counters;
use super::error::FetchError;
use super::intake::Received;
use super::job::{Call, Caller, Job};
use super::limits::Limits;
use super::progress::Progress;
use super::source_faults::SourceFaults;
use crate::limiter::Limiter;
use crate::store::FragmentStore;

/// Callers that wait for a job to take notice of them.
const CALLS: usize = 64;

/// How soon a caller tries again when so many are waiting.
const CALL_AGAIN: Duration = Duration::from_millis(10);

/// A job that does not say for so long how it stands is winding down.
const EXPLAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Knows who holds fragments of a content.
pub trait FindSources: Send + Sync + 'static {
    /// Peers that hold some, as far as is known; none when nobody is known or nobody can be asked. In no
    /// order. A fetch stops waiting after a few seconds.
    fn find(&self, content: ContentId) -> BoxFuture<'_, Vec<Source>>;
}

/// What a fetch took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Bytes of blocks received meanwhile, for all callers of the same job.
    pub received_bytes: u64,
    /// Those of them that were in vain: wrong, of requests that did not deliver, or here already.
    pub wasted_bytes: u64,
    /// Sources that delivered a fragment since the job began.
    pub sources_used: u32,
    /// From the call to the last commit.
    pub elapsed: Duration,
}

/// Fetches contents; cheap to clone. See the [module](super).
#[derive(Clone)]
pub struct Fetcher(Arc<Inner>);

/// What all jobs share.
pub(super) struct Inner {
    pub(super) store: Arc<dyn FragmentStore>,
    pub(super) finder: Arc<dyn FindSources>,
    pub(super) tasks: Tasks,
    pub(super) clock: Clock,
    pub(super) own: PeerId,
    pub(super) zone: watch::Receiver<Option<Zone>>,
    pub(super) limits: Limits,
    pub(super) counters: Arc<Counters>,
    pub(super) limiter: Limiter,
    culprits: Mutex<SourceFaults>,
    /// What is arriving, to be passed on.
    pub(super) arrivals: Arrivals,
    /// A permit for every block that may be in flight.
    pub(super) room: Arc<Semaphore>,
    /// The running job of each content. A job takes itself out only when no call is waiting for it.
    pub(super) jobs: Mutex<BTreeMap<ContentId, mpsc::Sender<Call>>>,
    next_caller: AtomicU64,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("own", &self.0.own)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// A source lied, stalled or was slow: status names it from now on, and the log does the first time.
    pub(super) fn blame(
        &self,
        peer: PeerId,
        address: &HostPort,
        offence: FaultKind,
        rate: Option<ByteRate>,
        content: ContentId,
    ) {
        let times = self.culprits.lock().unwrap_or_else(PoisonError::into_inner).note(
            self.clock.now(),
            peer,
            address.clone(),
            offence,
            rate,
        );
        if times == 1 {
            let rate = rate.map(tracing::field::display);
            warn!(%peer, %address, %content, %offence, rate, "a source did not serve as it should; `peer status` lists it");
        }
    }
}

impl Fetcher {
    /// Writes to `store` what it fetches from the sources that are hinted at or `finder` knows. `own` is this peer,
    /// which is never a source of its own; sources in the `zone` that it is in when a fetch begins are preferred.
    #[must_use]
    pub fn new(
        store: Arc<dyn FragmentStore>,
        finder: Arc<dyn FindSources>,
        tasks: Tasks,
        clock: Clock,
        own: PeerId,
        zone: watch::Receiver<Option<Zone>>,
        limits: Limits,
    ) -> Self {
        let limiter = Limiter::unlimited(clock.clone());
        Self(Arc::new(Inner {
            store,
            finder,
            tasks,
            clock,
            own,
            zone,
            limits,
            counters: Counters::new(),
            limiter,
            culprits: Mutex::default(),
            arrivals: Arrivals::default(),
            room: Arc::new(Semaphore::new(limits.total_blocks() as usize)),
            jobs: Mutex::default(),
            next_caller: AtomicU64::new(0),
        }))
    }

    /// What has been received since the peer started; to be shared with what counts the bytes sent.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.0.counters
    }

    /// Limits all fetches together; there is no limit until one is set.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    /// What is arriving now; to be shared with what passes it on.
    #[must_use]
    pub fn arrivals(&self) -> &Arrivals {
        &self.0.arrivals
    }

    /// The sources that lied, stalled or were much slower than others since the peer started: a few dozen, the latest
    /// first.
    #[must_use]
    pub fn culprits(&self) -> Vec<SourceFault> {
        let culprits = self.0.culprits.lock().unwrap_or_else(PoisonError::into_inner);
        culprits.list(self.0.clock.now())
    }

    /// How many contents are being fetched now.
    #[must_use]
    pub fn active(&self) -> u32 {
        let jobs = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        u32::try_from(jobs.len()).unwrap_or(u32::MAX)
    }

    /// Which contents are being fetched now.
    #[must_use]
    pub fn contents(&self) -> Vec<ContentId> {
        let jobs = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.keys().copied().collect()
    }

    /// How the fetch of a content stands and what keeps it waiting; none when there is none, or it is just beginning or
    /// ending.
    pub async fn explain(&self, content: ContentId) -> Option<FetchStanding> {
        let (reply, replied) = oneshot::channel();
        {
            let jobs = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.get(&content)?.try_send(Call::Explain(reply)).ok()?;
        }
        tokio::time::timeout(EXPLAIN_TIMEOUT, replied).await.ok()?.ok()
    }

    /// Fetches the wanted fragments that are not held yet, and returns when all wanted ones are held (committed).
    ///
    /// `FragmentStore::prepare` has been called for the content. `hints` are sources to begin with. `progress` is
    /// told about ten times a second. A second call for the same content joins the job of the first: the work is
    /// shared, and cancelling one does not stop the other. When `cancel` is cancelled, or the future is dropped, what
    /// has been verified by then is committed and nothing more is fetched for this caller; a cancelled call returns
    /// after that.
    ///
    /// # Errors
    /// See [`FetchError`]. What has been committed stays held.
    pub async fn fetch(
        &self,
        manifest: &Manifest,
        wanted: FragmentSet,
        hints: Vec<Source>,
        progress: watch::Sender<Progress>,
        cancel: CancellationToken,
    ) -> Result<Fetched, FetchError> {
        let content = manifest.content();
        if wanted.capacity() != manifest.fragment_count() {
            return Err(FetchError::OtherManifest(content));
        }
        let id = self.0.next_caller.fetch_add(1, Ordering::Relaxed);
        let (reply, mut replied) = oneshot::channel();
        let since = self.0.clock.now();
        let manifest = manifest.clone();
        let mut caller = Box::new(Caller {
            id,
            manifest,
            wanted,
            hints,
            progress,
            reply,
            since,
            before: Received::default(),
        });
        let calls = loop {
            match self.submit(content, caller) {
                Ok(calls) => break calls,
                Err(refused) => caller = refused,
            }
            tokio::time::sleep(CALL_AGAIN).await;
        };
        let result = tokio::select! {
            result = &mut replied => result,
            () = cancel.cancelled() => {
                // A job that has ended meanwhile has answered.
                drop(calls.send(Call::Leave(id)).await);
                replied.await
            }
        };
        result.unwrap_or(Err(FetchError::Broken(content)))
    }

    /// Hands a caller to the job of the content; gives it back when too many are waiting.
    fn submit(&self, content: ContentId, caller: Box<Caller>) -> Result<mpsc::Sender<Call>, Box<Caller>> {
        let mut jobs = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut call = Call::Join(caller);
        if let Some(calls) = jobs.get(&content) {
            match calls.try_send(call) {
                Ok(()) => return Ok(calls.clone()),
                Err(mpsc::error::TrySendError::Full(Call::Join(caller))) => return Err(caller),
                Err(error) => call = error.into_inner(),
            }
        }
        let (calls, queue) = mpsc::channel(CALLS);
        drop(calls.try_send(call)); // the queue is new, so there is room
        jobs.insert(content, calls.clone());
        let job = Job::new(Arc::clone(&self.0), content, queue);
        self.0.tasks.spawn("fetch", OnExit::Continue, job.run());
        Ok(calls)
    }
}
