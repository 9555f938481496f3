//! One request for blocks, from the check of its numbers to the last chunk.

use std::sync::Arc;
use std::time::Duration;

use proto::convert::{Chunk, Fetch};
use proto::status::to_status;
use proto::v1;
use shared::ErrorCode;
use shared::model::{BLOCK_LENGTH, BlockSpan, FragmentIndex, Manifest};
use shared::runtime::OnExit;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{TransferService, blocking, fragment_of, refusal, withdraw_if_bad};
use crate::fetch::Upload;
use crate::store::{Entry, FragmentStore, StoreError};

/// Blocks in one chunk: 512 KiB. Larger ones cost memory, smaller ones wake-ups.
const CHUNK_BLOCKS: u32 = (512 << 10) / BLOCK_LENGTH;

/// Chunks read ahead of the connection.
const CHUNKS_AHEAD: usize = 2;

/// A receiver that takes nothing for so long does not keep a slot.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Checked pieces of at most [`CHUNK_BLOCKS`], in the order in which they are sent.
#[derive(Debug)]
pub(super) struct Plan(Vec<Piece>);

#[derive(Clone, Copy, Debug)]
struct Piece {
    index: FragmentIndex,
    span: BlockSpan,
    with_leaves: bool,
}

/// Checks what is asked for against what the content is made of and what of it is held.
///
/// At most 64 ranges of at most a fragment each: a request is at most 1 GiB.
pub(super) fn plan(entry: &Entry, fetch: &Fetch) -> Result<Plan, Status> {
    let manifest = &entry.manifest;
    let mut pieces = Vec::new();
    for range in &fetch.ranges {
        let index = fragment_of(manifest, range.fragment)?;
        if manifest
            .span(index, range.first_block, range.block_count)
            .is_none()
        {
            let blocks = manifest.blocks_of(index);
            return Err(refusal(
                ErrorCode::InvalidArgument,
                format!(
                    "fragment {index} of content {} has {blocks} blocks",
                    manifest.content()
                ),
            ));
        }
        if !entry.held.contains(index) {
            return Err(to_status(&StoreError::NotHeld {
                content: manifest.content(),
                index,
            }));
        }
        // In bounds, so none of this can overflow.
        let end = range.first_block + range.block_count;
        pieces.extend(
            (range.first_block..end)
                .step_by(CHUNK_BLOCKS as usize)
                .filter_map(|first| {
                    let span = manifest.span(index, first, CHUNK_BLOCKS.min(end - first))?;
                    Some(Piece {
                        index,
                        span,
                        with_leaves: fetch.with_leaves && first == range.first_block,
                    })
                }),
        );
    }
    Ok(Plan(pieces))
}

impl TransferService {
    /// Reads and sends what was planned; the slot is free again when the stream has ended.
    pub(super) fn upload(
        &self,
        manifest: Manifest,
        plan: Plan,
        slot: OwnedSemaphorePermit,
    ) -> ReceiverStream<Result<v1::FetchChunk, Status>> {
        let (chunks, stream) = mpsc::channel(CHUNKS_AHEAD);
        let (store, token) = (Arc::clone(&self.store), self.tasks.token().clone());
        let upload = self.counters.upload();
        self.tasks.spawn("upload", OnExit::Continue, async move {
            // Both are given back before the receiver sees the end: it may ask again at once.
            let (_slot, upload) = (slot, upload);
            let work = send(&store, &manifest, plan, &chunks, &upload);
            let ended = tokio::select! {
                ended = work => ended,
                () = token.cancelled() => Err(refusal(ErrorCode::Unavailable, "this peer is stopping")),
            };
            if let Err(status) = ended {
                // When there is no room the receiver is not reading either; it will see the stream end.
                drop(chunks.try_send(Err(status)));
            }
        });
        ReceiverStream::new(stream)
    }
}

async fn send(
    store: &Arc<dyn FragmentStore>,
    manifest: &Manifest,
    plan: Plan,
    chunks: &mpsc::Sender<Result<v1::FetchChunk, Status>>,
    upload: &Upload,
) -> Result<(), Status> {
    for piece in plan.0 {
        let (store, manifest) = (Arc::clone(store), manifest.clone());
        let chunk = blocking(move || read(&*store, &manifest, piece)).await?;
        let bytes = chunk.data.len() as u64;
        match tokio::time::timeout(SEND_TIMEOUT, chunks.send(Ok(chunk.into()))).await {
            Ok(Ok(())) => upload.add_sent(bytes),
            Ok(Err(_)) => return Ok(()), // the receiver went away
            Err(_) => return Err(refusal(ErrorCode::DeadlineExceeded, "the receiver takes nothing")),
        }
    }
    Ok(())
}

fn read(store: &dyn FragmentStore, manifest: &Manifest, piece: Piece) -> Result<Chunk, StoreError> {
    let content = manifest.content();
    let read = || {
        let leaves = if piece.with_leaves {
            store.proof(content, piece.index)?.leaves().to_vec()
        } else {
            Vec::new()
        };
        let data = store.read(content, piece.index, piece.span)?;
        Ok(Chunk {
            fragment: piece.index.get(),
            first_block: piece.span.first(),
            leaves,
            data,
        })
    };
    read().inspect_err(|error| {
        withdraw_if_bad(store, manifest, error);
    })
}
