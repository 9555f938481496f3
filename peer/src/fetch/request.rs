//! One request to one source: a fragment's chunks, each verified and written before the next is taken.

use std::sync::Arc;
use std::time::Duration;

use proto::client::TransferClient;
use proto::convert::{Chunk, Fetch, FetchRange};
use shared::hash::FragmentProof;
use shared::model::{BLOCK_LENGTH, FragmentIndex, Manifest};
use shared::{Coded as _, ErrorCode};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::arrivals::Arrivals;
use super::commits::Delivery;
use super::intake::{Intake, Meter};
use super::scheduler::Failure;
use crate::limiter::Limiter;
use crate::store::{FragmentStore, StoreError};

/// What is needed to make a request.
pub(super) struct Request {
    pub(super) client: TransferClient,
    pub(super) manifest: Manifest,
    pub(super) fragment: FragmentIndex,
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
        let fetch = Fetch {
            content: self.manifest.content(),
            ranges: vec![FetchRange {
                fragment: self.fragment.get(),
                first_block: 0,
                block_count: self.manifest.blocks_of(self.fragment),
            }],
            with_leaves: true,
        };
        // A fragment larger than all the room there is takes all of it.
        let blocks = self.manifest.blocks_of(self.fragment).min(self.all_room);
        let _room = tokio::select! {
            room = self.room.acquire_many(blocks) => room,
            () = token.cancelled() => return Outcome::Cancelled,
        };
        let mut portion = self.intake.begin(&self.meter);
        let _claim = self.arrivals.claim(self.manifest.content(), self.fragment);
        let started = tokio::select! {
            started = self.client.fetch(fetch) => started,
            () = token.cancelled() => return Outcome::Cancelled,
        };
        let mut chunks = match started {
            Ok(chunks) => chunks,
            Err(error) => return Outcome::Failed(failure(error.code()), error.to_string()),
        };
        let mut delivery = None;
        let mut next = 0;
        while next < self.manifest.blocks_of(self.fragment) {
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
            if chunk.fragment != self.fragment.get() || chunk.first_block != next {
                let what = format!(
                    "block {} of fragment {} was not asked for",
                    chunk.first_block, chunk.fragment
                );
                return Outcome::Failed(Failure::Corrupt, what);
            }
            match self.take(chunk, delivery).await {
                Ok(so_far) => delivery = Some(so_far),
                Err(outcome) => return outcome,
            }
            // Verified, so it is no more than a fragment has.
            next += u32::try_from(bytes).unwrap_or(u32::MAX).div_ceil(BLOCK_LENGTH);
            // While nothing is taken the source is held up by the flow control of HTTP/2. What its window lets through
            // (up to 16 MiB for each connection) comes at once all the same and waits in memory.
            tokio::select! {
                biased;
                () = self.limiter.take(bytes as u64) => {}
                () = token.cancelled() => {
                    // What is complete is not thrown away.
                    if next < self.manifest.blocks_of(self.fragment) {
                        return Outcome::Cancelled;
                    }
                }
            }
        }
        portion.keep();
        // A fragment has at least one block, so there was a chunk.
        delivery.map_or(Outcome::Broken, Outcome::Delivered)
    }

    /// Verifies a chunk and writes it, on a thread that may block. The first one brings the leaves.
    async fn take(&self, chunk: Chunk, delivery: Option<Delivery>) -> Result<Delivery, Outcome> {
        let (manifest, fragment) = (self.manifest.clone(), self.fragment);
        let (store, arrivals) = (Arc::clone(&self.store), self.arrivals.clone());
        let work = move || {
            let corrupt =
                |error: shared::hash::ProofError| Outcome::Failed(Failure::Corrupt, error.to_string());
            let delivery = match delivery {
                Some(delivery) => delivery,
                None => {
                    let proof = FragmentProof::verify(&manifest, fragment, chunk.leaves).map_err(corrupt)?;
                    let arrival = arrivals.begin(manifest.content(), &proof);
                    Delivery { proof, arrival }
                }
            };
            let blocks = delivery
                .proof
                .check(chunk.first_block, &chunk.data)
                .map_err(corrupt)?;
            store.write(manifest.content(), blocks).map_err(Outcome::Store)?;
            let run = u32::try_from(chunk.data.len())
                .unwrap_or(u32::MAX)
                .div_ceil(BLOCK_LENGTH);
            // Chunks come in order, so there is no gap before this one.
            delivery.arrival.advance(chunk.first_block + run);
            Ok(delivery)
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or(Err(Outcome::Broken))
    }
}

/// What an error that the source answered means for the scheduler.
const fn failure(code: ErrorCode) -> Failure {
    match code {
        // It found its own copy damaged and withdrew it: honest, but of no use. Or it knows no such blocks: it
        // keeps the content in fragments of another length.
        ErrorCode::NotFound | ErrorCode::Corrupt | ErrorCode::InvalidArgument => Failure::DoesNotHold,
        ErrorCode::Exhausted => Failure::Busy,
        ErrorCode::DeadlineExceeded => Failure::TimedOut,
        _ => Failure::ConnectionLost,
    }
}
