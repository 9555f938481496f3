//! Reports of long operations: events for the caller, at their beginning, several times a second, and at
//! their end.
//!
//! [`Events`] is the way to the caller and owns the loop that reports while work is under way. [`Report`]
//! makes the events of one `get`, and [`FetchTally`] adds up the fetches that it is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::messages::control::GetEvent;
use shared::model::{
    ContentId, FetchPhase, FetchSource, FetchSourceState, FragmentSet, Manifest, Name, PeerId, Source,
    Timestamp, Waiting,
};
use shared::{ErrorCode, Failure};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::fetch::{FetchError, Fetched, Progress};
use store::StoreError;

/// Events that wait for a slow caller; after that the work waits.
const QUEUE: usize = 16;

/// The time between two reports: short enough for a bar that moves, long enough not to matter.
const INTERVAL: Duration = Duration::from_millis(150);

/// The events of one long operation, on their way to its caller; cheap to clone.
#[derive(Debug)]
pub(crate) struct Events<T>(mpsc::Sender<Result<T, Failure>>);

impl<T> Clone for Events<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Events<T> {
    /// Makes a way for events, and its other end.
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Result<T, Failure>>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Sends an event; waits while the caller is slow.
    ///
    /// # Errors
    /// Cancelled when the caller has gone.
    pub(crate) async fn tell(&self, event: T) -> Result<(), Failure> {
        let sent = self.0.send(Ok(event)).await;
        sent.map_err(|_| Failure::new(ErrorCode::Cancelled, "the caller has gone away"))
    }

    /// Ends the operation with a failure, which the caller may not be there any more to hear.
    pub(crate) async fn fail(&self, failure: Failure) {
        drop(self.0.send(Err(failure)).await);
    }

    /// Completes when the caller has gone.
    pub(crate) async fn caller_gone(&self) {
        self.0.closed().await;
    }

    /// Whether the caller has gone.
    pub(crate) fn is_caller_gone(&self) -> bool {
        self.0.is_closed()
    }

    /// Runs work to its end. Meanwhile sends `progress` at every interval, except to a caller that is slow,
    /// and calls `stop` once when the caller goes; the work then decides how it ends.
    pub(super) async fn during<R>(
        &self,
        work: impl Future<Output = R>,
        stop: impl FnOnce(),
        progress: impl Fn() -> T,
    ) -> R {
        tokio::pin!(work);
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut stop = Some(stop);
        loop {
            tokio::select! {
                result = &mut work => return result,
                () = self.caller_gone(), if stop.is_some() => if let Some(stop) = stop.take() { stop() },
                _ = tick.tick() => drop(self.0.try_send(Ok(progress()))),
            }
        }
    }
}

/// The content that a report is about.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) name: Name,
    pub(super) content: ContentId,
    /// Bytes that the caller gets.
    pub(super) length: u64,
    pub(super) fragments: u32,
    /// The path that is written, if one is.
    pub(super) output: Option<PathBuf>,
}

/// Reports one `get` to its caller.
pub(super) struct Report<'a, T> {
    node: &'a Node,
    events: &'a Events<T>,
    begun: Timestamp,
    content: ContentId,
    length: u64,
}

impl<'a, T: From<GetEvent>> Report<'a, T> {
    /// Reports the start of a `get` that began at `begun`; `already_held` of its bytes are here.
    ///
    /// # Errors
    /// Cancelled when the caller has gone; the other methods too.
    pub(super) async fn start(
        node: &'a Node,
        events: &'a Events<T>,
        begun: Timestamp,
        subject: Subject,
        already_held: u64,
    ) -> Result<Self, Failure> {
        let Subject {
            name,
            content,
            length,
            fragments,
            output,
        } = subject;
        let started = GetEvent::Started {
            name,
            content,
            length,
            fragments,
            already_held,
            output,
        };
        events.tell(started.into()).await?;
        Ok(Self {
            node,
            events,
            begun,
            content,
            length,
        })
    }

    /// Runs work to its end and reports how far it is; cancels `cancel` when the caller goes.
    pub(super) async fn during<R>(
        &self,
        work: impl Future<Output = R>,
        cancel: &CancellationToken,
        progress: impl Fn() -> Progress,
    ) -> R {
        let event = || {
            let now = progress();
            let event = GetEvent::Progress {
                held: held(&now, self.length),
                length: self.length,
                sources: now.sources,
                received: now.received_bytes,
                wasted: now.wasted_bytes,
                waiting_for: now.waiting_for,
                phase: now.phase,
                from: now.from,
            };
            event.into()
        };
        self.events.during(work, || cancel.cancel(), event).await
    }

    /// Reports the end.
    pub(super) async fn done(self, totals: Totals) -> Result<(), Failure> {
        let done = GetEvent::Done {
            content: self.content,
            length: self.length,
            received: totals.received,
            wasted: totals.wasted,
            elapsed: self.node.clock.now().since(self.begun),
            sources_used: u32::try_from(totals.used.len()).unwrap_or(u32::MAX),
            from: totals.from,
        };
        self.events.tell(done.into()).await
    }
}

/// Returns the bytes that the caller has: fetched ones, or, of files that are made of what was here before,
/// as many as have been written.
fn held(now: &Progress, length: u64) -> u64 {
    let written = match now.phase {
        FetchPhase::Writing { done, total } if total > 0 => {
            let part = u128::from(length) * u128::from(done.min(total)) / u128::from(total);
            u64::try_from(part).unwrap_or(length)
        }
        _ => 0,
    };
    now.held_bytes.max(written).min(length)
}

/// Sums over fetches that have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) received: u64,
    pub(super) wasted: u64,
    /// Sources that gave something of use to any of the fetches.
    pub(super) used: BTreeSet<PeerId>,
    /// The sources of all fetches.
    pub(super) from: Vec<FetchSource>,
}

/// The sum of several fetches that are one operation to its caller; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct FetchTally(Arc<Mutex<Tally>>);

#[derive(Debug, Default)]
struct Tally {
    ended: Totals,
    /// The latest fetch of each content, and whether it is under way.
    latest: BTreeMap<ContentId, (watch::Receiver<Progress>, bool)>,
}

impl FetchTally {
    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches fragments of a content that the store has made room for; the tally shows how far it is.
    ///
    /// # Errors
    /// The errors of the fetch; nothing that came is lost.
    pub(super) async fn fetch(
        &self,
        node: &Node,
        manifest: &Manifest,
        fragments: FragmentSet,
        sources: Vec<Source>,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let (progress, shown) = watch::channel(Progress {
            waiting_for: Some(match u32::try_from(sources.len()) {
                Ok(0) => Waiting::Searching,
                many => Waiting::Connecting(many.unwrap_or(u32::MAX)),
            }),
            ..Progress::default()
        });
        self.lock().latest.insert(manifest.content(), (shown, true));
        let fetching = node
            .fetcher
            .fetch(manifest, fragments, sources, progress, cancel.clone());
        let fetched = fetching.await;
        self.end(manifest.content(), fetched.as_ref().ok());
        fetched.map(drop).map_err(|error| match error {
            FetchError::Store { source, .. } if matches!(*source, StoreError::UnknownContent(_)) => {
                Failure::new(
                    ErrorCode::NotFound,
                    "the content was removed while it was being fetched",
                )
            }
            error => Failure::of(&error),
        })
    }

    fn end(&self, content: ContentId, fetched: Option<&Fetched>) {
        let mut tally = self.lock();
        let tally = &mut *tally;
        if let Some((shown, is_running)) = tally.latest.get_mut(&content) {
            *is_running = false;
            FetchSource::add_all(&mut tally.ended.from, &shown.borrow().from);
        }
        if let Some(fetched) = fetched {
            tally.ended.received += fetched.received_bytes;
            tally.ended.wasted += fetched.wasted_bytes;
            tally.ended.used.extend(&fetched.used);
        }
    }

    /// Returns the sums over the fetches that have ended.
    pub(super) fn totals(&self) -> Totals {
        self.lock().ended.clone()
    }

    /// Returns how far all fetches are together.
    pub(super) fn now(&self) -> Progress {
        let tally = self.lock();
        let mut sum = Progress {
            received_bytes: tally.ended.received,
            wasted_bytes: tally.ended.wasted,
            from: tally.ended.from.clone(),
            ..Progress::default()
        };
        // A connection of a fetch that has ended says nothing about the others.
        for source in &mut sum.from {
            (source.state, source.asked) = (FetchSourceState::Gone, Vec::new());
        }
        let (mut running, mut waiting) = (0, Vec::new());
        for (shown, is_running) in tally.latest.values() {
            let now = shown.borrow();
            sum.held_bytes += now.held_bytes;
            if *is_running {
                sum.received_bytes += now.received_bytes;
                sum.wasted_bytes += now.wasted_bytes;
                sum.sources = sum.sources.max(now.sources);
                FetchSource::add_all(&mut sum.from, &now.from);
                running += 1;
                waiting.extend(now.waiting_for.clone());
            }
        }
        sum.phase = match sum.received_bytes {
            _ if running == 0 => FetchPhase::Checking,
            0 if sum.sources == 0 => FetchPhase::Connecting,
            _ => FetchPhase::Fetching,
        };
        // While bytes of one come, nothing is waited for.
        let is_standstill = running > 0 && waiting.len() == running;
        sum.waiting_for = waiting.into_iter().next().filter(|_| is_standstill);
        sum
    }

    /// Returns the same while the disk is looked at.
    pub(super) fn checking(&self) -> Progress {
        Progress {
            phase: FetchPhase::Checking,
            waiting_for: None,
            ..self.now()
        }
    }

    /// Returns the same while files are written.
    pub(super) fn writing(&self, done: u64, total: u64) -> Progress {
        Progress {
            phase: FetchPhase::Writing { done, total },
            waiting_for: None,
            ..self.now()
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::Coded as _;

    use super::*;

    #[test]
    fn files_that_are_written_from_what_is_here_count_as_they_appear() {
        let at = |held_bytes, done, total| {
            let now = Progress {
                held_bytes,
                phase: FetchPhase::Writing { done, total },
                ..Progress::default()
            };
            held(&now, 1000)
        };
        assert_eq!([at(0, 0, 8), at(0, 4, 8), at(0, 8, 8)], [0, 500, 1000]);
        assert_eq!(at(1000, 1, 8), 1000, "it came from peers, and is held");
        assert_eq!([at(5, 0, 0), at(2000, 0, 1)], [5, 1000]);
    }

    #[test]
    fn a_peer_that_gave_to_several_fetches_is_counted_once() {
        let tally = FetchTally::default();
        for (content, used) in [(1, [1, 2]), (2, [2, 3])] {
            let fetched = Fetched {
                received_bytes: 500,
                wasted_bytes: 0,
                used: used.map(|number| PeerId::from_bytes([number; 16])).into(),
                elapsed: Duration::from_secs(1),
            };
            tally.end(ContentId::from_bytes([content; 32]), Some(&fetched));
        }
        let totals = tally.totals();
        assert_eq!((totals.used.len(), totals.received), (3, 1000));
    }

    #[tokio::test]
    async fn work_is_reported_until_it_ends_and_stopped_without_a_caller() {
        let (events, mut told) = Events::channel();
        let work = async {
            for _ in 0..3 {
                assert_eq!(told.recv().await, Some(Ok(7)));
            }
        };
        events.during(work, || panic!("the caller is there"), || 7).await;
        drop(told);
        let cancel = CancellationToken::new();
        events.during(cancel.cancelled(), || cancel.cancel(), || 7).await;
        let failure = events.tell(7).await.expect_err("nobody is there");
        assert_eq!(failure.code(), ErrorCode::Cancelled);
    }
}
