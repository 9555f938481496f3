//! Commits: verified fragments wait to be made durable together, because a sync costs the same for one as for
//! many.
//!
//! [`Commits`] says when to commit (pure); [`Committing`] is the commit in progress, at most one at a time,
//! on a thread that may block.

use std::sync::Arc;
use std::time::Duration;

use shared::hash::FragmentProof;
use shared::model::{FragmentIndex, FragmentSet, Manifest, Timestamp};
use tokio::task::{JoinError, JoinHandle};
use tracing::warn;

use super::arrivals::Arrival;
use store::{FragmentStore, StoreError};

/// A verified and written fragment.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) proof: FragmentProof,
    /// Guard under which the fragment is passed on until it is held.
    pub(super) arrival: Arrival,
}

/// Fragments that wait to be committed.
#[derive(Debug)]
pub(super) struct Commits {
    ready: Vec<Delivery>,
    bytes: u64,
    last: Timestamp,
    commit_bytes: u64,
    interval: Duration,
}

impl Commits {
    /// Starts empty.
    pub(super) const fn new(now: Timestamp, commit_bytes: u64, interval: Duration) -> Self {
        Self {
            ready: Vec::new(),
            bytes: 0,
            last: now,
            commit_bytes,
            interval,
        }
    }

    /// Adds a fragment of `bytes` bytes.
    pub(super) fn push(&mut self, delivery: Delivery, bytes: u32) {
        self.ready.push(delivery);
        self.bytes += u64::from(bytes);
    }

    /// Whether no fragment is waiting.
    pub(super) const fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether no more bytes may wait.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes >= self.commit_bytes
    }

    /// Whether it is time to commit.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        !self.is_empty() && (self.is_full() || now.since(self.last) >= self.interval)
    }

    /// Takes the waiting fragments, except those that are still `busy`: another source's last blocks of a
    /// busy fragment are being written at this moment.
    pub(super) fn take(&mut self, now: Timestamp, busy: impl Fn(FragmentIndex) -> bool) -> Vec<Delivery> {
        let (busy, taken): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ready)
            .into_iter()
            .partition(|delivery| busy(delivery.proof.index()));
        // Busy fragments are few and taken soon; counting them is not worth the trouble.
        self.bytes = 0;
        self.ready = busy;
        self.last = now;
        taken
    }
}

/// Result of a commit: the fragments that are held from now on, or the store's error. The outer error is a
/// panic.
pub(super) type Committed = Result<Result<FragmentSet, StoreError>, JoinError>;

/// The commit in progress, if there is one.
#[derive(Debug, Default)]
pub(super) struct Committing(Option<JoinHandle<Result<FragmentSet, StoreError>>>);

impl Committing {
    /// Whether a commit is in progress.
    pub(super) const fn is_in_progress(&self) -> bool {
        self.0.is_some()
    }

    /// Begins to make fragments durable. No other commit is in progress.
    pub(super) fn begin(
        &mut self,
        store: &Arc<dyn FragmentStore>,
        manifest: &Manifest,
        deliveries: Vec<Delivery>,
    ) {
        debug_assert!(!self.is_in_progress(), "one commit at a time");
        let (store, manifest) = (Arc::clone(store), manifest.clone());
        self.0 = Some(tokio::task::spawn_blocking(move || {
            let (proofs, arrivals): (Vec<_>, Vec<_>) = deliveries
                .into_iter()
                .map(|delivery| (delivery.proof, delivery.arrival))
                .unzip();
            store.commit(manifest.content(), &proofs)?;
            // From here on the fragments are passed on because they are held.
            drop(arrivals);
            let mut committed = manifest.no_fragments();
            for proof in &proofs {
                committed.insert(proof.index());
            }
            Ok(committed)
        }));
    }

    /// Waits for the end of the commit in progress; for ever when there is none. Cancel-safe.
    pub(super) async fn finished(&mut self) -> Committed {
        match &mut self.0 {
            Some(handle) => {
                let ended = handle.await;
                self.0 = None;
                ended
            }
            None => std::future::pending().await,
        }
    }

    /// Waits for the commit in progress, then makes `rest` durable. No caller waits for the result: a failure
    /// costs only a repetition of the fetch, and is logged.
    pub(super) async fn finish(
        mut self,
        store: &Arc<dyn FragmentStore>,
        manifest: &Manifest,
        rest: Vec<Delivery>,
    ) {
        let content = manifest.content();
        let log = |ended: Committed| match ended {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => warn!(%content, %error, "cannot commit fetched fragments"),
            Err(error) => warn!(%content, %error, "cannot commit fetched fragments"),
        };
        if self.is_in_progress() {
            log(self.finished().await);
        }
        if !rest.is_empty() {
            self.begin(store, manifest, rest);
            log(self.finished().await);
        }
    }
}
