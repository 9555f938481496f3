//! The fetcher: finds the job of a content or starts one, and waits for it.
//!
//! A job is one task per content, so that no two sessions ever write the same content. It takes callers in
//! and runs a session while there are any.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use shared::model::{ContentId, FetchStanding, FragmentSet, Manifest, Source, SourceFault};
use shared::runtime::{Clock, OnExit, Tasks};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::arrivals::Arrivals;
use super::callers::{Call, Caller};
use super::context::{Context, FindSources, Own};
use super::counters::{Counters, Received};
use super::driver::Driver;
use super::error::FetchError;
use super::limits::Limits;
use super::progress::{Fetched, Progress};
use crate::limiter::Limiter;
use store::{FragmentStore, StoreError};

/// Calls that may wait for a job to take notice of them.
const CALLS: usize = 64;

/// Pause before a caller tries again when the queue of its job is full.
const CALL_AGAIN: Duration = Duration::from_millis(10);

/// Longest wait for a job's description of its state; a job that takes longer is winding down.
const EXPLAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Fetches contents; cheap to clone. See the [module](super).
#[derive(Clone)]
pub struct Fetcher {
    context: Arc<Context>,
    next_caller: Arc<AtomicU64>,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("own", &self.context.own.id)
            .field("limits", &self.context.limits)
            .finish_non_exhaustive()
    }
}

impl Fetcher {
    /// Makes a fetcher that writes to `store` what it gets from hinted sources and from those that `finder`
    /// knows.
    #[must_use]
    pub fn new(
        store: Arc<dyn FragmentStore>,
        finder: Arc<dyn FindSources>,
        tasks: Tasks,
        clock: Clock,
        own: Own,
        limits: Limits,
    ) -> Self {
        Self {
            context: Arc::new(Context::new(store, finder, tasks, clock, own, limits)),
            next_caller: Arc::default(),
        }
    }

    /// Returns the counters of bytes received, to be shared with the code that counts the bytes sent.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.context.counters
    }

    /// Returns the limit on all fetches together; there is no limit until one is set.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.context.limiter
    }

    /// Returns the fragments that are arriving, to be shared with the code that passes them on.
    #[must_use]
    pub fn arrivals(&self) -> &Arrivals {
        &self.context.arrivals
    }

    /// Returns the sources that lied, stalled or were much slower than others since the peer started: a few
    /// dozen, the latest first.
    #[must_use]
    pub fn source_faults(&self) -> Vec<SourceFault> {
        self.context.source_faults()
    }

    /// Number of contents that are being fetched.
    #[must_use]
    pub fn active(&self) -> u32 {
        let jobs = self.context.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        u32::try_from(jobs.len()).unwrap_or(u32::MAX)
    }

    /// Contents that are being fetched.
    #[must_use]
    pub fn contents(&self) -> Vec<ContentId> {
        let jobs = self.context.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.keys().copied().collect()
    }

    /// Describes the state of a content's fetch and its reasons to wait. Returns none when there is no fetch,
    /// or the fetch is just beginning or ending.
    pub async fn explain(&self, content: ContentId) -> Option<FetchStanding> {
        let (reply, replied) = oneshot::channel();
        {
            let jobs = self.context.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.get(&content)?.try_send(Call::Explain(reply)).ok()?;
        }
        tokio::time::timeout(EXPLAIN_TIMEOUT, replied).await.ok()?.ok()
    }

    /// Fetches the wanted fragments that are not held yet, and returns when all wanted ones are held
    /// (committed).
    ///
    /// `FragmentStore::prepare` has been called for the content. `hints` are sources to begin with.
    /// `progress` is updated about ten times a second. A second call for the same content joins the job of
    /// the first: the two share the work, and cancelling one does not stop the other. When `cancel` is
    /// cancelled, or the future is dropped, fragments that have been verified by then are committed and
    /// nothing more is fetched for this caller; a cancelled call returns after that.
    ///
    /// # Errors
    /// See [`FetchError`]. Committed fragments stay held.
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
        let id = self.next_caller.fetch_add(1, Ordering::Relaxed);
        let (reply, mut replied) = oneshot::channel();
        let since = self.context.clock.now();
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

    /// Hands a caller to the job of the content; gives the caller back when the job's queue is full.
    fn submit(&self, content: ContentId, caller: Box<Caller>) -> Result<mpsc::Sender<Call>, Box<Caller>> {
        let mut jobs = self.context.jobs.lock().unwrap_or_else(PoisonError::into_inner);
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
        let job = Job {
            context: Arc::clone(&self.context),
            content,
            calls: queue,
        };
        self.context.tasks.spawn("fetch", OnExit::Continue, job.run());
        Ok(calls)
    }
}

/// The job of one content.
struct Job {
    context: Arc<Context>,
    content: ContentId,
    calls: mpsc::Receiver<Call>,
}

impl Job {
    /// Runs until no caller is waiting.
    async fn run(mut self) {
        while let Some(call) = self.next_or_close() {
            if let Call::Join(caller) = call {
                match self.open(*caller).await {
                    Ok(session) => session.run(&mut self.calls).await,
                    Err((caller, error)) => caller.answer(Err(error)),
                }
            }
        }
    }

    /// Returns the next call. When there is none, removes the job, so that later callers start another one.
    fn next_or_close(&mut self) -> Option<Call> {
        // Callers send while they hold this lock, so no call is lost between the look and the removal.
        let mut jobs = self.context.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let call = self.calls.try_recv().ok();
        if call.is_none() {
            jobs.remove(&self.content);
        }
        call
    }

    async fn open(&self, caller: Caller) -> Result<Driver, (Caller, FetchError)> {
        let (store, content) = (Arc::clone(&self.context.store), self.content);
        let entry = match tokio::task::spawn_blocking(move || store.entry(content)).await {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                let source = Arc::new(StoreError::UnknownContent(content));
                return Err((caller, FetchError::Store { content, source }));
            }
            Err(_) => return Err((caller, FetchError::Broken(content))),
        };
        if entry.manifest != caller.manifest {
            return Err((caller, FetchError::OtherManifest(content)));
        }
        Ok(Driver::new(Arc::clone(&self.context), entry, caller))
    }
}
