//! Requests: the missing part of a fragment comes from one source in chunks, each verified and written before
//! the next is taken.
//!
//! One request at a time works on a fragment. Parts that have come are kept, verified and written, in the
//! memory of the session alone ([`Partials`]): the next source is asked only for the rest, and a crash costs
//! what the fragments in flight had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proto::client::TransferClient;
use proto::messages::{Chunk, Fetch, FetchRange};
use shared::hash::{FragmentProof, ProofError};
use shared::model::{BLOCK_LENGTH, FragmentIndex, Manifest};
use shared::{Coded as _, ErrorCode};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use super::arrivals::Arrivals;
use super::commits::Delivery;
use super::counters::{Intake, Meter};
use super::scheduler::Failure;
use crate::limiter::Limiter;
use store::{FragmentStore, StoreError};

/// Partial fragments that are kept while no request works on them: their leaves take up to 32 KiB each.
const MAX_PARTIALS: usize = 64;

/// The part of a fragment that has come.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// Leaves of the fragment, once they are proven.
    delivery: Option<Delivery>,
    /// Number of blocks, from the first one on.
    blocks: u32,
}

/// The partial fragments of a session.
#[derive(Debug, Default)]
pub(super) struct Partials(BTreeMap<FragmentIndex, Arc<Mutex<Partial>>>);

impl Partials {
    /// Returns the part of the fragment that has come, to be locked by the request that works on it.
    pub(super) fn of(&mut self, fragment: FragmentIndex) -> Arc<Mutex<Partial>> {
        if self.0.len() >= MAX_PARTIALS && !self.0.contains_key(&fragment) {
            let idle = self.0.iter().find(|(_, partial)| Arc::strong_count(partial) == 1);
            if let Some(idle) = idle.map(|(index, _)| *index) {
                self.0.remove(&idle);
            }
        }
        Arc::clone(self.0.entry(fragment).or_default())
    }

    /// Removes a fragment that is complete.
    pub(super) fn remove(&mut self, fragment: FragmentIndex) {
        self.0.remove(&fragment);
    }

    /// Bytes that were received and will not be of use when everything has ended.
    pub(super) fn bytes(&self) -> u64 {
        let blocks = self.0.values().filter_map(|partial| partial.try_lock().ok());
        blocks
            .map(|partial| u64::from(partial.blocks) * u64::from(BLOCK_LENGTH))
            .sum()
    }
}

/// A request to be made.
pub(super) struct Request {
    pub(super) client: TransferClient,
    pub(super) manifest: Manifest,
    pub(super) fragment: FragmentIndex,
    /// Whether the source should refuse if it has handed the fragment out to another peer.
    pub(super) if_new: bool,
    /// The part of the fragment that came before.
    pub(super) partial: Arc<Mutex<Partial>>,
    pub(super) store: Arc<dyn FragmentStore>,
    /// Register through which arriving blocks are passed on.
    pub(super) arrivals: Arrivals,
    /// Counter of the session.
    pub(super) intake: Arc<Intake>,
    /// Counter of this source.
    pub(super) meter: Arc<Meter>,
    /// One permit for every block that may be in flight.
    pub(super) room: Arc<Semaphore>,
    /// Number of permits that `room` has in all.
    pub(super) all_room: u32,
    /// Limit on all fetches together.
    pub(super) limiter: Limiter,
    /// Longest pause between two chunks.
    pub(super) stall: Duration,
}

/// The end of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Every block has been verified and written.
    Delivered(Delivery),
    /// The source did not deliver, for this reason; the text says more.
    Failed(Failure, String),
    /// This peer's store failed.
    Store(StoreError),
    /// A thread of this peer failed.
    Broken,
    /// The request was cancelled.
    Cancelled,
}

impl Request {
    /// Makes the request. Ends soon after `token` is cancelled, but never in the middle of a write.
    pub(super) async fn run(self, token: CancellationToken) -> Outcome {
        // A request that has just been cancelled may still be writing what has come.
        let mut partial = tokio::select! {
            partial = self.partial.lock() => partial,
            () = token.cancelled() => return Outcome::Cancelled,
        };
        let all = self.manifest.blocks_of(self.fragment);
        let first = partial.blocks;
        if first == all {
            return Outcome::Cancelled; // the earlier request completed the fragment and has reported that
        }
        let fetch = Fetch {
            content: self.manifest.content(),
            ranges: vec![FetchRange {
                fragment: self.fragment.get(),
                first_block: first,
                block_count: all - first,
            }],
            with_leaves: partial.delivery.is_none(),
            if_new: self.if_new,
        };
        // A fragment larger than all the room takes all of it.
        let blocks = (all - first).min(self.all_room);
        let _room = tokio::select! {
            room = self.room.acquire_many(blocks) => room,
            () = token.cancelled() => return Outcome::Cancelled,
        };
        let mut portion = self.intake.begin(&self.meter);
        let started = tokio::select! {
            started = self.client.fetch(fetch) => started,
            () = token.cancelled() => return Outcome::Cancelled,
        };
        let mut chunks = match started {
            Ok(chunks) => chunks,
            Err(error) => return Outcome::Failed(failure(error.code()), error.to_string()),
        };
        while partial.blocks < all {
            let received = tokio::select! {
                received = tokio::time::timeout(self.stall, chunks.next()) => received,
                () = token.cancelled() => return Outcome::Cancelled,
            };
            let chunk = match received {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => {
                    return Outcome::Failed(Failure::ConnectionLost, "the source stopped early".to_owned());
                }
                Ok(Err(error)) => return Outcome::Failed(failure(error.code()), error.to_string()),
                Err(_) => return Outcome::Failed(Failure::TimedOut, "nothing came for too long".to_owned()),
            };
            let bytes = chunk.data.len();
            portion.add(bytes as u64);
            if chunk.fragment != self.fragment.get() || chunk.first_block != partial.blocks {
                let what = format!(
                    "block {} of fragment {} was not asked for",
                    chunk.first_block, chunk.fragment
                );
                return Outcome::Failed(Failure::Corrupt, what);
            }
            let taken;
            (partial.delivery, taken) = self.take(chunk, partial.delivery.take()).await;
            if let Err(outcome) = taken {
                return outcome;
            }
            portion.keep();
            // The chunk is verified, so it has no more blocks than the fragment.
            partial.blocks += u32::try_from(bytes).unwrap_or(u32::MAX).div_ceil(BLOCK_LENGTH);
            // While nothing is taken, the flow control of HTTP/2 holds the source up. Bytes within its window
            // (up to 16 MiB for each connection) come at once all the same and wait in memory.
            tokio::select! {
                biased;
                () = self.limiter.take(bytes as u64) => {}
                () = token.cancelled() => {
                    // A complete fragment is not thrown away.
                    if partial.blocks < all {
                        return Outcome::Cancelled;
                    }
                }
            }
        }
        // A fragment has at least one block, so there was a chunk.
        partial
            .delivery
            .take()
            .map_or(Outcome::Broken, Outcome::Delivered)
    }

    /// Verifies a chunk and writes it, on a thread that may block. The first chunk brings the leaves. Returns
    /// the delivery so far in any case.
    async fn take(
        &self,
        chunk: Chunk,
        delivery: Option<Delivery>,
    ) -> (Option<Delivery>, Result<(), Outcome>) {
        let (manifest, fragment) = (self.manifest.clone(), self.fragment);
        let (store, arrivals) = (Arc::clone(&self.store), self.arrivals.clone());
        let corrupt = |error: ProofError| Outcome::Failed(Failure::Corrupt, error.to_string());
        let begin = move |leaves| {
            let proof = FragmentProof::verify(&manifest, fragment, leaves).map_err(corrupt)?;
            let arrival = arrivals.begin(manifest.content(), &proof);
            Ok(Delivery { proof, arrival })
        };
        let content = self.manifest.content();
        let write = move |delivery: &Delivery, first_block, data: &[u8]| {
            let blocks = delivery.proof.check(first_block, data).map_err(corrupt)?;
            store.write(content, blocks).map_err(Outcome::Store)?;
            let run = u32::try_from(data.len())
                .unwrap_or(u32::MAX)
                .div_ceil(BLOCK_LENGTH);
            // Chunks come in order, so there is no gap before this one.
            delivery.arrival.advance(first_block + run);
            Ok(())
        };
        let work = move || match delivery.map_or_else(|| begin(chunk.leaves), Ok) {
            Ok(delivery) => {
                let written = write(&delivery, chunk.first_block, &chunk.data);
                (Some(delivery), written)
            }
            Err(outcome) => (None, Err(outcome)),
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or((None, Err(Outcome::Broken)))
    }
}

/// Translates an error that the source answered for the scheduler.
const fn failure(code: ErrorCode) -> Failure {
    match code {
        // The source found its own copy damaged and withdrew it: honest, but of no use. Or it knows no such
        // blocks because it keeps the content in fragments of another length.
        ErrorCode::NotFound | ErrorCode::Corrupt | ErrorCode::InvalidArgument => Failure::DoesNotHold,
        ErrorCode::Exhausted => Failure::Busy,
        ErrorCode::Conflict => Failure::HandedOut,
        ErrorCode::DeadlineExceeded => Failure::TimedOut,
        _ => Failure::ConnectionLost,
    }
}

#[cfg(test)]
mod tests {
    use shared::model::FragmentSet;

    use super::*;

    #[test]
    fn idle_partial_fragments_are_bounded_and_busy_ones_stay() {
        let mut partials = Partials::default();
        let all: Vec<_> = FragmentSet::full(200).iter().collect();
        let worked_on = partials.of(all[0]);
        worked_on.try_lock().expect("idle").blocks = 3;
        for fragment in &all[1..] {
            partials.of(*fragment);
        }
        assert_eq!(partials.0.len(), MAX_PARTIALS);
        assert_eq!(partials.bytes(), 3 * u64::from(BLOCK_LENGTH));
        assert_eq!(partials.of(all[0]).try_lock().expect("idle").blocks, 3);
        partials.remove(all[0]);
        assert_eq!(partials.bytes(), 0);
    }
}
