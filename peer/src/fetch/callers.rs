//! Everyone who waits for the same session.

use shared::model::{FragmentSet, Manifest, Source, Timestamp};

use super::error::FetchError;
use super::fetcher::Fetched;
use super::intake::Received;
use super::job::Caller;
use super::progress::Progress;

/// What a session has to tell its callers.
pub(super) struct News<'a> {
    pub(super) now: Timestamp,
    /// Committed fragments.
    pub(super) held: &'a FragmentSet,
    pub(super) received: Received,
    pub(super) sources_used: u32,
    pub(super) sources: u32,
    pub(super) waiting_for: Option<String>,
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

    /// Takes a caller in and returns its hints; refuses one with another idea of the content.
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

    /// Takes a caller out.
    pub(super) fn leave(&mut self, id: u64) -> Option<Caller> {
        let at = self.waiting.iter().position(|caller| caller.id == id)?;
        Some(self.waiting.swap_remove(at))
    }

    /// Takes everyone out.
    pub(super) fn leave_all(&mut self) -> Vec<Caller> {
        std::mem::take(&mut self.waiting)
    }

    /// Whether nobody is waiting.
    pub(super) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What all of them want together.
    pub(super) fn wanted(&self) -> FragmentSet {
        let mut union = self.manifest.no_fragments();
        self.waiting
            .iter()
            .for_each(|caller| union.union_with(&caller.wanted));
        union
    }

    /// Tells everyone how far it is, answers those who have everything, and forgets those who have gone; true when
    /// there are fewer than before.
    pub(super) fn tell(&mut self, news: &News<'_>) -> bool {
        let before = self.waiting.len();
        for caller in std::mem::take(&mut self.waiting) {
            let mut held = caller.wanted.clone();
            held.intersect_with(news.held);
            let is_done = caller.wanted.is_subset(news.held);
            let received = news.received - caller.before;
            let progress = Progress {
                held_bytes: self.manifest.bytes_in(&held),
                length: self.manifest.bytes_in(&caller.wanted),
                sources: if is_done { 0 } else { news.sources },
                received_bytes: received.bytes,
                wasted_bytes: received.wasted,
                waiting_for: news.waiting_for.clone().filter(|_| !is_done),
            };
            caller.progress.send_if_modified(|last| {
                let has_changed = *last != progress;
                *last = progress;
                has_changed
            });
            if is_done {
                let elapsed = news.now.since(caller.since);
                caller.answer(Ok(Fetched {
                    received_bytes: received.bytes,
                    wasted_bytes: received.wasted,
                    sources_used: news.sources_used,
                    elapsed,
                }));
            } else if !caller.reply.is_closed() {
                self.waiting.push(caller);
            }
        }
        self.waiting.len() < before
    }
}
