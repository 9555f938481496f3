//! Callers that wait for the same session, and the calls by which they reach a job.

use std::collections::BTreeSet;

use shared::model::{
    FetchPhase, FetchSource, FetchStanding, FragmentSet, Manifest, PeerId, Source, Timestamp, Waiting,
};
use tokio::sync::{oneshot, watch};

use super::counters::Received;
use super::error::FetchError;
use super::progress::{Fetched, Progress};

/// A request that a caller makes of a job.
pub(super) enum Call {
    /// Add a caller.
    Join(Box<Caller>),
    /// Remove the caller with this number.
    Leave(u64),
    /// Describe the state of the fetch and its reasons to wait. A job that is about to end does not answer.
    Explain(oneshot::Sender<FetchStanding>),
}

/// A caller that waits for fragments.
pub(super) struct Caller {
    pub(super) id: u64,
    pub(super) manifest: Manifest,
    pub(super) wanted: FragmentSet,
    pub(super) hints: Vec<Source>,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) reply: oneshot::Sender<Result<Fetched, FetchError>>,
    pub(super) since: Timestamp,
    /// Amount that the session had received when the caller joined.
    pub(super) before: Received,
}

impl Caller {
    /// Sends the result to the caller, if it is still there.
    pub(super) fn answer(self, result: Result<Fetched, FetchError>) {
        drop(self.reply.send(result));
    }
}

/// State of a session, as its callers are told.
pub(super) struct Update<'a> {
    pub(super) now: Timestamp,
    /// Committed fragments.
    pub(super) held: &'a FragmentSet,
    pub(super) received: Received,
    pub(super) used: BTreeSet<PeerId>,
    pub(super) sources: u32,
    pub(super) waiting_for: Option<Waiting>,
    pub(super) from: Vec<FetchSource>,
}

/// The callers of one session; all have the same manifest.
pub(super) struct Callers {
    manifest: Manifest,
    waiting: Vec<Caller>,
}

impl Callers {
    pub(super) const fn new(manifest: Manifest) -> Self {
        Self {
            manifest,
            waiting: Vec::new(),
        }
    }

    /// Adds a caller and returns its hints; refuses a caller whose manifest differs.
    pub(super) fn join(&mut self, mut caller: Caller, received: Received) -> Vec<Source> {
        if caller.manifest != self.manifest {
            caller.answer(Err(FetchError::OtherManifest(self.manifest.content())));
            return Vec::new();
        }
        caller.before = received;
        let hints = std::mem::take(&mut caller.hints);
        self.waiting.push(caller);
        hints
    }

    /// Removes and returns a caller.
    pub(super) fn leave(&mut self, id: u64) -> Option<Caller> {
        let at = self.waiting.iter().position(|caller| caller.id == id)?;
        Some(self.waiting.swap_remove(at))
    }

    /// Removes and returns all callers.
    pub(super) fn leave_all(&mut self) -> Vec<Caller> {
        std::mem::take(&mut self.waiting)
    }

    /// Whether no caller is waiting.
    pub(super) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns the union of the fragments that the callers want.
    pub(super) fn wanted(&self) -> FragmentSet {
        let mut union = self.manifest.no_fragments();
        self.waiting
            .iter()
            .for_each(|caller| union.union_with(&caller.wanted));
        union
    }

    /// Sends every caller its progress, answers callers that have everything, and drops callers that have
    /// gone away. Returns whether fewer callers are left.
    pub(super) fn update(&mut self, update: &Update<'_>) -> bool {
        let before = self.waiting.len();
        for caller in std::mem::take(&mut self.waiting) {
            let mut held = caller.wanted.clone();
            held.intersect_with(update.held);
            let is_done = caller.wanted.is_subset(update.held);
            let received = update.received - caller.before;
            let progress = Progress {
                held_bytes: self.manifest.bytes_in(&held),
                length: self.manifest.bytes_in(&caller.wanted),
                sources: if is_done { 0 } else { update.sources },
                received_bytes: received.bytes,
                wasted_bytes: received.wasted,
                waiting_for: update.waiting_for.clone().filter(|_| !is_done),
                phase: match received.bytes {
                    0 if update.sources == 0 && !is_done => FetchPhase::Connecting,
                    _ => FetchPhase::Fetching,
                },
                from: update.from.clone(),
            };
            caller.progress.send_if_modified(|last| {
                let has_changed = *last != progress;
                *last = progress;
                has_changed
            });
            if is_done {
                let elapsed = update.now.since(caller.since);
                caller.answer(Ok(Fetched {
                    received_bytes: received.bytes,
                    wasted_bytes: received.wasted,
                    used: update.used.clone(),
                    elapsed,
                }));
            } else if !caller.reply.is_closed() {
                self.waiting.push(caller);
            }
        }
        self.waiting.len() < before
    }
}
