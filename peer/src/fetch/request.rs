//! One request to one source: what is missing of a fragment, in chunks, each verified and written before the next is
//! taken.

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
use super::intake::{Intake, Meter};
use super::partial::Partial;
use super::scheduler::Failure;
use crate::limiter::Limiter;
use crate::store::{FragmentStore, StoreError};

/// What is needed to make a request.
pub(super) struct Request {
    pub(super) client: TransferClient,
    pub(super) manifest: Manifest,
    pub(super) fragment: FragmentIndex,
    /// Only if the source has not handed it out to someone else.
    pub(super) if_new: bool,
    /// What has come of it before.
    pub(super) partial: Arc<Mutex<Partial>>,
    pub(super) store: Arc<dyn FragmentStore>,
    /// What arrives is passed on.
    pub(super) arrivals: Arrivals,
    /// Counts what comes…
    pub(super) intake: Arc<Intake>,
    /// …from this source.
    pub(super) meter: Arc<Meter>,
    /// Has a permit for every block that may be in flight…
    pub(super) room: Arc<Semaphore>,
    /// …and never had more than this.
    pub(super) all_room: u32,
    /// Limits all fetches together.
    pub(super) limiter: Limiter,
    /// How long nothing may come.
    pub(super) stall: Duration,
}

/// How a request ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Every block has been verified and written.
    Delivered(Delivery),
    /// The source did not deliver; why, and in words.
    Failed(Failure, String),
    /// Our store failed.
    Store(StoreError),
    /// A thread of ours failed.
    Broken,
    /// It was cancelled.
    Cancelled,
}

impl Request {
    /// Makes the request. Ends soon after `token` is cancelled, but never in the middle of a write.
    pub(super) async fn run(self, token: CancellationToken) -> Outcome {
        // Whoever was asked before is still writing what has come, if its request has just been cancelled.
        let mut partial = tokio::select! {
            partial = self.partial.lock() => partial,
            () = token.cancelled() => return Outcome::Cancelled,
        };
        let all = self.manifest.blocks_of(self.fragment);
        let first = partial.blocks;
        if first == all {
            return Outcome::Cancelled; // it was completed after all, and has been reported
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
        // A fragment larger than all the room there is takes all of it.
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
                    return Outcome::Failed(Failure::ConnectionLost, "it stopped early".to_owned());
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
            // Verified, so it is no more than a fragment has.
            partial.blocks += u32::try_from(bytes).unwrap_or(u32::MAX).div_ceil(BLOCK_LENGTH);
            // While nothing is taken the source is held up by the flow control of HTTP/2. What its window lets through
            // (up to 16 MiB for each connection) comes at once all the same and waits in memory.
            tokio::select! {
                biased;
                () = self.limiter.take(bytes as u64) => {}
                () = token.cancelled() => {
                    // What is complete is not thrown away.
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

    /// Verifies a chunk and writes it, on a thread that may block. The first one brings the leaves. What had come before
    /// is given back in any case.
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

/// What an error that the source answered means for the scheduler.
const fn failure(code: ErrorCode) -> Failure {
    match code {
        // It found its own copy damaged and withdrew it: honest, but of no use. Or it knows no such blocks: it
        // keeps the content in fragments of another length.
        ErrorCode::NotFound | ErrorCode::Corrupt | ErrorCode::InvalidArgument => Failure::DoesNotHold,
        ErrorCode::Exhausted => Failure::Busy,
        ErrorCode::Conflict => Failure::HandedOut,
        ErrorCode::DeadlineExceeded => Failure::TimedOut,
        _ => Failure::ConnectionLost,
    }
}
