//! Uploads: one request for blocks, from the check of its numbers to the last chunk.
//!
//! Blocks of a held fragment are sent as quickly as the receiver takes them; those of an arriving one as they
//! arrive.

use std::sync::Arc;
use std::time::Duration;

use proto::messages::{Chunk, Fetch};
use proto::status::to_status;
use shared::ErrorCode;
use shared::model::{BLOCK_LENGTH, BlockSpan, Digest, FragmentIndex, Manifest};
use shared::runtime::OnExit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::slots::{Place, Slots, Turn};
use super::{HandedOut, TransferService, blocking, fragment_of, refusal};
use crate::fetch::{Arrivals, Passing, Upload};
use crate::limiter::Limiter;
use store::{Entry, FragmentStore, StoreError};

/// Approximate number of chunks in a fragment. A chunk is verified, and passed on, only as a whole, so the
/// time that a relay adds to the way of a block is a small part of the time of a fragment, however long
/// fragments are.
const CHUNKS: u32 = 16;

/// Largest number of blocks in a chunk: 512 KiB. Larger chunks cost memory, smaller ones wake-ups on a quick
/// line.
pub(super) const MAX_CHUNK_BLOCKS: u32 = (512 << 10) / BLOCK_LENGTH;

/// Chunks read ahead of the connection.
const CHUNKS_AHEAD: usize = 1;

/// Time after which a receiver that takes nothing loses its upload.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Time after which a receiver that takes nothing gives its turn to others until it takes something again.
const TURN_TIMEOUT: Duration = Duration::from_millis(250);

/// Time after which a fragment that has stopped arriving is not waited for: the receiver asks another source.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(3);

/// Checked ranges, in the order in which they are sent.
#[derive(Debug)]
pub(super) struct Plan {
    ranges: Vec<(FragmentIndex, BlockSpan)>,
    with_leaves: bool,
}

/// A chunk on its way, and the memory that it takes.
pub(super) struct Sending {
    pub(super) chunk: Chunk,
    pub(super) memory: OwnedSemaphorePermit,
}

/// State of an upload.
struct Sender {
    store: Arc<dyn FragmentStore>,
    arrivals: Arrivals,
    manifest: Manifest,
    memory: Arc<Semaphore>,
    limiter: Limiter,
    chunks: mpsc::Sender<Result<Sending, Status>>,
    upload: Upload,
    slots: Slots,
    /// Place in the line for a turn, if the upload waits for one. It has neither place nor turn while it has
    /// nothing to send.
    place: Option<Place>,
    turn: Option<Turn>,
    /// Largest number of blocks in a chunk.
    chunk_blocks: u32,
}

impl Plan {
    /// Returns the fragments of the plan.
    pub(super) fn fragments(&self) -> impl Iterator<Item = FragmentIndex> + '_ {
        self.ranges.iter().map(|(index, _)| *index)
    }
}

/// Checks a request against the content's manifest and against the fragments that are held or arriving.
///
/// A request has at most 64 ranges of at most a fragment each, that is, at most 1 GiB.
pub(super) fn plan(entry: &Entry, arrivals: &Arrivals, fetch: &Fetch) -> Result<Plan, Status> {
    let manifest = &entry.manifest;
    let content = manifest.content();
    let mut ranges = Vec::with_capacity(fetch.ranges.len());
    for range in &fetch.ranges {
        let index = fragment_of(manifest, range.fragment)?;
        let Some(span) = manifest.span(index, range.first_block, range.block_count) else {
            let blocks = manifest.blocks_of(index);
            let text = format!("fragment {index} of content {content} has {blocks} blocks");
            return Err(refusal(ErrorCode::InvalidArgument, text));
        };
        if !entry.held.contains(index) && arrivals.passing(content, index).is_none() {
            return Err(to_status(&StoreError::NotHeld { content, index }));
        }
        ranges.push((index, span));
    }
    Ok(Plan {
        ranges,
        with_leaves: fetch.with_leaves,
    })
}

impl TransferService {
    /// Reads and sends the planned blocks.
    pub(super) fn upload(
        &self,
        manifest: Manifest,
        plan: Plan,
        place: Place,
        mut handed_out: HandedOut,
    ) -> ReceiverStream<Result<Sending, Status>> {
        let (chunks, stream) = mpsc::channel(CHUNKS_AHEAD);
        let token = self.tasks.token().clone();
        let chunk_blocks = (manifest.fragment_length().blocks() / CHUNKS).clamp(1, MAX_CHUNK_BLOCKS);
        let mut sender = Sender {
            store: Arc::clone(&self.store),
            arrivals: self.arrivals.clone(),
            manifest,
            memory: Arc::clone(&self.memory),
            limiter: self.limiter.clone(),
            chunks,
            upload: self.counters.upload(),
            slots: self.slots.clone(),
            place: Some(place),
            turn: None,
            chunk_blocks,
        };
        self.tasks.spawn("upload", OnExit::Continue, async move {
            let ended = tokio::select! {
                ended = sender.send(&plan) => ended,
                () = token.cancelled() => Err(refusal(ErrorCode::Unavailable, "this peer is stopping")),
            };
            // Both happen before the receiver sees the end, because it may ask again at once.
            sender.yield_turn();
            handed_out.is_complete = matches!(ended, Ok(true));
            drop(handed_out);
            if let Err(status) = ended {
                // When there is no room the receiver is not reading either; it will see the stream end.
                drop(sender.chunks.try_send(Err(status)));
            }
        });
        ReceiverStream::new(stream)
    }
}

impl Sender {
    /// Sends all blocks; returns false when the receiver has gone away before.
    async fn send(&mut self, plan: &Plan) -> Result<bool, Status> {
        for (index, span) in &plan.ranges {
            let end = span.first() + span.count();
            let mut next = span.first();
            while next < end {
                let with_leaves = plan.with_leaves && next == span.first();
                let (there, leaves) = self.wait_for(*index, next, with_leaves).await?;
                let count = self.chunk_blocks.min(there.min(end) - next);
                let Some(piece) = self.manifest.span(*index, next, count) else {
                    return Ok(false);
                };
                if !self.send_piece(*index, piece, leaves, with_leaves).await? {
                    return Ok(false);
                }
                next += count;
            }
        }
        Ok(true)
    }

    /// Waits until the block `next` can be sent. Returns the number of blocks from the first one on that can
    /// be sent now, and the leaves when the fragment is still arriving.
    async fn wait_for(
        &mut self,
        index: FragmentIndex,
        next: u32,
        with_leaves: bool,
    ) -> Result<(u32, Option<Vec<Digest>>), Status> {
        let content = self.manifest.content();
        if let Some(Passing { proof, mut blocks }) = self.arrivals.passing(content, index) {
            if *blocks.borrow() <= next {
                self.yield_turn();
            }
            let arrived = tokio::select! {
                arrived = tokio::time::timeout(ARRIVAL_TIMEOUT, blocks.wait_for(|there| *there > next)) => arrived,
                () = self.chunks.closed() => return Ok((next + 1, None)),
            };
            match arrived {
                Ok(Ok(there)) => return Ok((*there, with_leaves.then(|| proof.leaves().to_vec()))),
                // The fragment no longer arrives: either it is held now, which the store knows, or it was
                // given up.
                Ok(Err(_)) => {}
                Err(_) => {
                    let text = format!("fragment {index} of content {content} has stopped arriving here");
                    return Err(refusal(ErrorCode::Unavailable, text));
                }
            }
        }
        Ok((self.manifest.blocks_of(index), None))
    }

    /// Gives the turn back, because there is nothing to send for now.
    fn yield_turn(&mut self) {
        (self.place, self.turn) = (None, None);
    }

    /// Reads and sends some blocks; returns false when the receiver has gone away.
    async fn send_piece(
        &mut self,
        index: FragmentIndex,
        piece: BlockSpan,
        leaves: Option<Vec<Digest>>,
        with_leaves: bool,
    ) -> Result<bool, Status> {
        if self.turn.is_none() {
            let place = self.place.take().unwrap_or_else(|| self.slots.enter_again());
            self.turn = tokio::select! {
                turn = place.turn() => turn,
                () = self.chunks.closed() => return Ok(false),
            };
        }
        // Never closed.
        let Ok(memory) = Arc::clone(&self.memory).acquire_many_owned(piece.count()).await else {
            return Ok(false);
        };
        let (store, manifest) = (Arc::clone(&self.store), self.manifest.clone());
        let chunk = blocking(move || read(&*store, &manifest, index, piece, leaves, with_leaves)).await?;
        let bytes = chunk.data.len() as u64;
        // The wait counts as the receiver's time: where the limit holds uploads up, chunks become small as on
        // a slow line.
        tokio::select! {
            biased;
            () = self.limiter.take(bytes) => {}
            () = self.chunks.closed() => return Ok(false),
        }
        let Some(room) = self.wait_for_room().await? else {
            return Ok(false);
        };
        room.send(Ok(Sending { chunk, memory }));
        self.upload.add_sent(bytes);
        Ok(true)
    }

    /// Waits until the connection takes one more chunk; returns none when the receiver has gone away.
    async fn wait_for_room(&mut self) -> Result<Option<mpsc::OwnedPermit<Result<Sending, Status>>>, Status> {
        let mut reserving = std::pin::pin!(self.chunks.clone().reserve_owned());
        let in_turn = tokio::time::timeout(TURN_TIMEOUT, &mut reserving).await;
        let reserved = match in_turn {
            Ok(reserved) => reserved,
            Err(_) => {
                self.yield_turn();
                let late = |_| refusal(ErrorCode::DeadlineExceeded, "the receiver takes nothing");
                tokio::time::timeout(SEND_TIMEOUT, reserving)
                    .await
                    .map_err(late)?
            }
        };
        Ok(reserved.ok())
    }
}

fn read(
    store: &dyn FragmentStore,
    manifest: &Manifest,
    index: FragmentIndex,
    piece: BlockSpan,
    leaves: Option<Vec<Digest>>,
    with_leaves: bool,
) -> Result<Chunk, StoreError> {
    let content = manifest.content();
    let leaves = match leaves {
        Some(leaves) => leaves,
        None if with_leaves => store.proof(content, index)?.leaves().to_vec(),
        None => Vec::new(),
    };
    // The store has withdrawn itself whatever cannot be read.
    let data = store.read(content, index, piece)?;
    Ok(Chunk {
        fragment: index.get(),
        first_block: piece.first(),
        leaves,
        data,
    })
}
