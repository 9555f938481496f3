//! Carries out what the tracker orders: hold these fragments, hold this content no longer.
//!
//! Assignments wait in a bounded queue and a few are worked on at a time: room is made first, then the fragments are
//! fetched from other holders, verified and synced; the announce that follows from the store's change is the
//! answer. What cannot be carried out is reported with its reason, so that the tracker chooses another peer.

use std::sync::Arc;

use proto::RemoteError;
use shared::model::{
    AssignmentFailure, ContentId, Epoch, EvictReason, FragmentSet, Manifest, Report, Source,
};
use shared::runtime::{OnExit, Tasks};
use shared::{Coded as _, ErrorCode};
use tokio::sync::{Mutex, mpsc, watch};
use tracing::{info, warn};

use crate::blocking::try_blocking;
use crate::collection::{CollectionError, pending_parts};
use crate::eviction::Eviction;
use crate::fetch::{FetchError, Fetcher, Progress};
use crate::identity::Identity;
use crate::store::{DiskStore, FragmentStore as _, Purpose, StoreError};

/// Assignments that wait; each carries a manifest. A tracker that has more will try again or elsewhere.
const QUEUE: usize = 256;

/// Assignments carried out side by side; each uses several sources already.
const WORKERS: usize = 4;

/// Reports of failures that wait for a session; what does not fit is found out by the assignment's deadline.
const FAILURES: usize = 256;

/// The handle; cheap to clone.
#[derive(Clone, Debug)]
pub struct Assignments {
    store: Arc<DiskStore>,
    queue: mpsc::Sender<Assignment>,
    failures: mpsc::Sender<Report>,
}

#[derive(Debug)]
struct Assignment {
    epoch: Epoch,
    manifest: Manifest,
    fragments: FragmentSet,
    sources: Vec<Source>,
}

impl Assignments {
    /// Starts the workers; what they cannot carry out comes out of the receiver.
    #[must_use]
    pub fn start(
        store: &Arc<DiskStore>,
        identity: &Arc<Identity>,
        fetcher: &Fetcher,
        tasks: &Tasks,
    ) -> (Self, mpsc::Receiver<Report>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (failures, reports) = mpsc::channel(FAILURES);
        let waiting = Arc::new(Mutex::new(waiting));
        let handle = Self {
            store: Arc::clone(store),
            queue,
            failures,
        };
        for _ in 0..WORKERS {
            let (waiting, worker) = (Arc::clone(&waiting), handle.clone());
            let (identity, fetcher, stop) = (Arc::clone(identity), fetcher.clone(), tasks.token().clone());
            tasks.spawn("assignment-worker", OnExit::ShutDown, async move {
                loop {
                    let next = async { waiting.lock().await.recv().await };
                    let assignment = tokio::select! {
                        () = stop.cancelled() => return,
                        next = next => match next { Some(assignment) => assignment, None => return },
                    };
                    // An order of a tracker that is gone: the present one decides anew.
                    if assignment.epoch < identity.epoch() {
                        continue;
                    }
                    worker.carry_out(assignment, &fetcher).await;
                }
            });
        }
        (handle, reports)
    }

    /// Takes an order to hold fragments.
    pub fn accept(&self, epoch: Epoch, manifest: Manifest, fragments: FragmentSet, sources: Vec<Source>) {
        let content = manifest.content();
        if self
            .queue
            .try_send(Assignment {
                epoch,
                manifest,
                fragments,
                sources,
            })
            .is_err()
        {
            self.fail(
                content,
                AssignmentFailure::NoRoom,
                "too many assignments are waiting here",
            );
        }
    }

    /// Holds a content no longer. A content whose publication is still waiting for the tracker stays.
    ///
    /// # Errors
    /// When the store fails; nothing is lost then, and the tracker will ask again.
    pub async fn evict(&self, content: ContentId, reason: EvictReason) -> Result<(), RemoteError> {
        let store = Arc::clone(&self.store);
        let freed = try_blocking(move || {
            let publications = store.publications()?;
            let parts = pending_parts(&store, &publications)?;
            let freed = match Eviction::of(content, reason, &publications, &parts) {
                Eviction::Refuse => return Ok(None),
                Eviction::Release(roles) => roles
                    .iter()
                    .map(|role| store.release(content, *role))
                    .take_while(|released| !matches!(released, Err(StoreError::UnknownContent(_))))
                    .sum::<Result<_, _>>()?,
                Eviction::Forget(publications) => {
                    let freed = store.forget(content)?;
                    publications
                        .iter()
                        .try_for_each(|publication| store.forget_publication(publication).map(drop))?;
                    freed
                }
            };
            Ok::<_, CollectionError>(Some(freed))
        });
        match freed.await {
            Ok(Some(freed)) => info!(content = %content.short(), freed, ?reason, "evicted"),
            Ok(None) => info!(content = %content.short(), "not evicted: its publication is pending"),
            // It is gone already: the order's aim is reached.
            Err(error) if error.code() == ErrorCode::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn carry_out(&self, assignment: Assignment, fetcher: &Fetcher) {
        let Assignment {
            manifest,
            fragments,
            sources,
            ..
        } = assignment;
        let content = manifest.content();
        let (store, wanted, of) = (Arc::clone(&self.store), fragments.clone(), manifest.clone());
        let prepared = try_blocking(move || store.prepare(&of, Purpose::Assigned(wanted))).await;
        if let Err(error) = prepared {
            let failure = if error.code() == ErrorCode::Exhausted {
                AssignmentFailure::NoRoom
            } else {
                AssignmentFailure::Store
            };
            return self.fail(content, failure, &error.to_string());
        }
        let (progress, _) = watch::channel(Progress::default());
        let cancel = tokio_util::sync::CancellationToken::new();
        match fetcher
            .fetch(&manifest, fragments, sources, progress, cancel)
            .await
        {
            Ok(fetched) => {
                info!(content = %content.short(), received = fetched.received_bytes, "assignment carried out");
            }
            Err(FetchError::Stopping(_) | FetchError::Cancelled(_)) => {}
            Err(error @ FetchError::NoSource { .. }) => {
                self.fail(content, AssignmentFailure::NoSource, &error.to_string());
            }
            Err(error) => self.fail(content, AssignmentFailure::Store, &shared::describe(&error)),
        }
    }

    fn fail(&self, content: ContentId, failure: AssignmentFailure, detail: &str) {
        warn!(content = %content.short(), ?failure, detail, "cannot carry out an assignment");
        let report = Report::AssignmentFailed {
            content,
            failure,
            detail: detail.to_owned(),
        };
        // What does not fit is found out by the tracker's deadline.
        drop(self.failures.try_send(report));
    }
}
