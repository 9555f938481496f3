//! Carries out the tracker's orders: hold these fragments, hold this content no longer.
//!
//! Assignments wait in a bounded queue and a few are worked on at a time: room is made first, then the
//! fragments are fetched from other holders, verified and synced; the announce that follows from the store's
//! change is the answer. An assignment that cannot be carried out is reported with its reason, so that the
//! tracker chooses another peer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use proto::RemoteError;
use shared::model::{
    AssignmentFailure, ContentId, Epoch, EvictReason, FragmentSet, Manifest, Report, Source,
};
use shared::runtime::{OnExit, Tasks};
use shared::{Coded as _, ErrorCode};
use tokio::sync::{Notify, mpsc, watch};
use tracing::{info, warn};

use crate::blocking::try_blocking;
use crate::collection::{CollectionError, pending_parts};
use crate::eviction::Eviction;
use crate::fetch::{FetchError, Fetcher, Progress};
use crate::identity::Identity;
use store::{DiskStore, FragmentStore as _, Purpose};

/// Assignments that wait; each carries a manifest. A tracker that has more will try again or elsewhere.
const MAX_WAITING: usize = 256;

/// Assignments carried out side by side; each uses several sources already.
pub const WORKERS: usize = 4;

/// The handle; cheap to clone.
#[derive(Clone, Debug)]
pub struct Assignments {
    store: Arc<DiskStore>,
    waiting: Arc<(Mutex<AssignmentQueue>, Notify)>,
    /// Fragments that do not fit are found out by the assignment's deadline.
    failures: mpsc::Sender<Report>,
}

/// An order to hold fragments.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Of the tracker that gave it.
    pub epoch: Epoch,
    /// The content.
    pub manifest: Manifest,
    /// The fragments to hold.
    pub fragments: FragmentSet,
    /// Peers that have some.
    pub sources: Vec<Source>,
}

/// Assignments that wait for a worker, in order. Pure.
#[derive(Debug, Default)]
pub struct AssignmentQueue(VecDeque<Assignment>);

impl AssignmentQueue {
    /// Puts an assignment at the end; false when there is no place for it.
    pub fn push(&mut self, assignment: Assignment) -> bool {
        let has_place = self.0.len() < MAX_WAITING;
        if has_place {
            self.0.push_back(assignment);
        }
        has_place
    }

    /// Takes the first assignment that is still to be carried out. An order of a tracker that is gone is not:
    /// the present tracker decides anew.
    pub fn next(&mut self, epoch: Epoch) -> Option<Assignment> {
        std::iter::from_fn(|| self.0.pop_front()).find(|assignment| assignment.epoch >= epoch)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The failure that is reported when room cannot be made, for this reason.
#[must_use]
pub const fn failure_to_prepare(code: ErrorCode) -> AssignmentFailure {
    match code {
        ErrorCode::Exhausted => AssignmentFailure::NoRoom,
        _ => AssignmentFailure::Store,
    }
}

impl Assignments {
    /// Starts the workers; assignments that they cannot carry out go into `failures`.
    #[must_use]
    pub fn start(
        store: &Arc<DiskStore>,
        identity: &Arc<Identity>,
        fetcher: &Fetcher,
        tasks: &Tasks,
        failures: mpsc::Sender<Report>,
    ) -> Self {
        let handle = Self {
            store: Arc::clone(store),
            waiting: Arc::default(),
            failures,
        };
        for _ in 0..WORKERS {
            let worker = handle.clone();
            let (identity, fetcher, stop) = (Arc::clone(identity), fetcher.clone(), tasks.token().clone());
            tasks.spawn("assignment-worker", OnExit::ShutDown, async move {
                while !stop.is_cancelled() {
                    let next = worker.queue(|queue| queue.next(identity.epoch()));
                    if let Some(assignment) = next {
                        worker.carry_out(assignment, &fetcher).await;
                        continue;
                    }
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = worker.waiting.1.notified() => {}
                    }
                }
            });
        }
        handle
    }

    /// Takes an order to hold fragments.
    pub fn accept(&self, assignment: Assignment) {
        let content = assignment.manifest.content();
        if self.queue(|queue| queue.push(assignment)) {
            self.waiting.1.notify_one();
        } else {
            self.fail(
                content,
                AssignmentFailure::NoRoom,
                "too many assignments are waiting here",
            );
        }
    }

    fn queue<T>(&self, act: impl FnOnce(&mut AssignmentQueue) -> T) -> T {
        act(&mut self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Carries out an order to hold a content no longer. A content whose publication waits for the tracker
    /// stays.
    ///
    /// # Errors
    /// When the store fails; nothing is lost then, and the tracker will ask again.
    pub async fn evict(&self, content: ContentId, reason: EvictReason) -> Result<(), RemoteError> {
        let store = Arc::clone(&self.store);
        let freed = try_blocking(move || {
            let publications = store.publications_of(content)?;
            let parts = pending_parts(&store, &store.pending_publications()?)?;
            let eviction = Eviction::of(content, reason, &publications, &parts);
            let freed = eviction.carry_out(content, &*store)?;
            for publication in eviction.forgotten() {
                store.forget_publication(publication)?;
            }
            Ok::<_, CollectionError>(freed)
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
            return self.fail(content, failure_to_prepare(error.code()), &error.to_string());
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
        // A report that does not fit is found out by the tracker's deadline.
        drop(self.failures.try_send(report));
    }
}

#[cfg(test)]
mod tests {
    use shared::model::{Digest, FragmentLength};

    use super::*;

    fn assignment(epoch: u64) -> Assignment {
        let roots = vec![Digest::from_bytes([1; 32])];
        let manifest = Manifest::from_roots(10, FragmentLength::MIN, roots).expect("one fragment");
        Assignment {
            epoch: Epoch::new(epoch),
            fragments: manifest.all_fragments(),
            manifest,
            sources: Vec::new(),
        }
    }

    #[test]
    fn the_queue_is_bounded_and_skips_orders_of_trackers_that_are_gone() {
        let mut queue = AssignmentQueue::default();
        for n in 0..MAX_WAITING {
            assert!(queue.push(assignment(if n < 3 { 1 } else { 2 })));
        }
        assert!(!queue.push(assignment(2)));
        let next = queue.next(Epoch::new(2)).expect("one of the epoch");
        assert_eq!(next.epoch, Epoch::new(2));
        assert_eq!(queue.0.len(), MAX_WAITING - 4);
        assert!(queue.next(Epoch::new(3)).is_none() && queue.is_empty());
    }
}
