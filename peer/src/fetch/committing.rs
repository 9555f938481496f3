//! The commit under way: at most one at a time, on a thread that may block.

use std::sync::Arc;

use shared::model::{FragmentSet, Manifest};
use tokio::task::{JoinError, JoinHandle};
use tracing::warn;

use super::commits::Delivery;
use crate::store::{FragmentStore, StoreError};

/// How a commit ended: with the fragments that are held from now on, or not. The outer error is a panic.
pub(super) type Committed = Result<Result<FragmentSet, StoreError>, JoinError>;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Committing(Option<JoinHandle<Result<FragmentSet, StoreError>>>);

impl Committing {
    /// Whether a commit is under way.
    pub(super) const fn is_under_way(&self) -> bool {
        self.0.is_some()
    }

    /// Begins to make fragments durable. No other commit is under way.
    pub(super) fn begin(
        &mut self,
        store: &Arc<dyn FragmentStore>,
        manifest: &Manifest,
        deliveries: Vec<Delivery>,
    ) {
        debug_assert!(!self.is_under_way(), "one commit at a time");
        let (store, manifest) = (Arc::clone(store), manifest.clone());
        self.0 = Some(tokio::task::spawn_blocking(move || {
            let (proofs, arrivals): (Vec<_>, Vec<_>) = deliveries
                .into_iter()
                .map(|delivery| (delivery.proof, delivery.arrival))
                .unzip();
            store.commit(manifest.content(), &proofs)?;
            // From here on they are passed on because they are held.
            drop(arrivals);
            let mut committed = manifest.no_fragments();
            for proof in &proofs {
                committed.insert(proof.index());
            }
            Ok(committed)
        }));
    }

    /// The end of the commit under way; never when there is none. Cancel-safe.
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

    /// Waits for the commit under way, then makes `rest` durable, for nobody who waits: a failure costs only a
    /// repetition of the fetch.
    pub(super) async fn finish(
        mut self,
        store: &Arc<dyn FragmentStore>,
        manifest: &Manifest,
        rest: Vec<Delivery>,
    ) {
        let content = manifest.content();
        let tell = |ended: Committed| match ended {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => warn!(%content, %error, "cannot commit what was fetched"),
            Err(error) => warn!(%content, %error, "cannot commit what was fetched"),
        };
        if self.is_under_way() {
            tell(self.finished().await);
        }
        if !rest.is_empty() {
            self.begin(store, manifest, rest);
            tell(self.finished().await);
        }
    }
}
