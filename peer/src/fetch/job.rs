//! The job of one content: takes callers in and runs a session for as long as there are any.
//!
//! One task per content, so that no two sessions ever write the same content.

use std::sync::{Arc, PoisonError};

use shared::model::{ContentId, FetchStanding, FragmentSet, Manifest, Source, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};

use super::error::FetchError;
use super::fetcher::{Fetched, Inner};
use super::intake::Received;
use super::progress::Progress;
use super::session::Session;
use crate::store::StoreError;

/// What callers ask of a job.
pub(super) enum Call {
    /// Take me in.
    Join(Box<Caller>),
    /// I no longer wait for it.
    Leave(u64),
    /// How does it stand, and why does it wait? Unanswered when it is about to end.
    Explain(oneshot::Sender<FetchStanding>),
}

/// Someone who waits for fragments.
pub(super) struct Caller {
    pub(super) id: u64,
    pub(super) manifest: Manifest,
    pub(super) wanted: FragmentSet,
    pub(super) hints: Vec<Source>,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) reply: oneshot::Sender<Result<Fetched, FetchError>>,
    pub(super) since: Timestamp,
    /// What the session had received when the caller joined it.
    pub(super) before: Received,
}

impl Caller {
    /// Tells the caller how it ended. One that has gone away does not mind.
    pub(super) fn answer(self, result: Result<Fetched, FetchError>) {
        drop(self.reply.send(result));
    }
}

/// See the [module](self).
pub(super) struct Job {
    inner: Arc<Inner>,
    content: ContentId,
    calls: mpsc::Receiver<Call>,
}

impl Job {
    pub(super) const fn new(inner: Arc<Inner>, content: ContentId, calls: mpsc::Receiver<Call>) -> Self {
        Self {
            inner,
            content,
            calls,
        }
    }

    /// Runs until nobody is waiting.
    pub(super) async fn run(mut self) {
        while let Some(call) = self.next_or_close() {
            if let Call::Join(caller) = call {
                match self.open(*caller).await {
                    Ok(session) => session.run(&mut self.calls).await,
                    Err((caller, error)) => caller.answer(Err(error)),
                }
            }
        }
    }

    /// The next call; or none, and from then on callers start another job.
    fn next_or_close(&mut self) -> Option<Call> {
        // Callers send while they hold this lock, so none is lost between the look and the removal.
        let mut jobs = self.inner.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let call = self.calls.try_recv().ok();
        if call.is_none() {
            jobs.remove(&self.content);
        }
        call
    }

    async fn open(&self, caller: Caller) -> Result<Session, (Caller, FetchError)> {
        let (store, content) = (Arc::clone(&self.inner.store), self.content);
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
        Ok(Session::new(Arc::clone(&self.inner), entry, caller))
    }
}
