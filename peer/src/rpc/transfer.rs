//! The `Transfer` service: other peers fetch verified fragments here.
//!
//! Every number that comes in is checked against the content's manifest before it is used. Uploads take one of a
//! few slots, in the order of asking, and together go no faster than a limit allows. Reads happen off the async
//! threads, a few chunks ahead of the connection and within a budget of memory. Blocks are sent as they are on disk:
//! whoever receives them verifies them.

mod body;
mod follow;
#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod tests;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use proto::convert::{self, Fetch};
use proto::status::to_status;
use proto::v1::transfer_server::Transfer;
use proto::{RemoteError, v1};
use shared::ErrorCode;
use shared::model::{BLOCK_LENGTH, ContentId, FragmentIndex, Manifest};
use shared::runtime::{Clock, Tasks};
use tokio::sync::Semaphore;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tracing::warn;

pub use body::TransferEndpoint;

use crate::fetch::{Arrivals, Counters};
use crate::limiter::Limiter;
use crate::store::{Entry, FragmentStore, StoreError, verify_fragment};

/// How long a request waits for an upload slot before it is sent elsewhere: a fragment's time on a quick network.
const SLOT_WAIT: Duration = Duration::from_millis(250);

/// Bitmaps are small, but each follower is a task and a stream.
const MAX_FOLLOWERS: usize = 256;

/// Disputes verified at once; a claim that is wrong must not cost more than one read at a time.
const MAX_DISPUTES: usize = 1;

/// How many uploads at once when nobody says otherwise: in a swarm every neighbour (up to 64) gets a few streams that
/// go only as fast as their fragments arrive.
pub const DEFAULT_UPLOAD_SLOTS: usize = 192;

/// Bytes of blocks of all uploads that are in our memory at once when nobody says otherwise. Who comes first is served
/// first.
const DEFAULT_MEMORY: u64 = 32 << 20;

/// Serves what the store holds. Cheap to clone.
#[derive(Clone)]
pub struct TransferService {
    store: Arc<dyn FragmentStore>,
    tasks: Tasks,
    counters: Arc<Counters>,
    uploads: Arc<Semaphore>,
    followers: Arc<Semaphore>,
    disputes: Arc<Semaphore>,
    /// A permit for every block that may be in memory.
    memory: Arc<Semaphore>,
    limiter: Limiter,
    arrivals: Arrivals,
}

impl std::fmt::Debug for TransferService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransferService")
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl TransferService {
    /// Serves at most `upload_slots` requests for blocks at once.
    #[must_use]
    pub fn new(
        store: Arc<dyn FragmentStore>,
        tasks: Tasks,
        counters: Arc<Counters>,
        arrivals: Arrivals,
        clock: Clock,
        upload_slots: usize,
    ) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits));
        Self {
            store,
            tasks,
            counters,
            uploads: semaphore(upload_slots),
            followers: semaphore(MAX_FOLLOWERS),
            disputes: semaphore(MAX_DISPUTES),
            memory: semaphore(memory_blocks(DEFAULT_MEMORY)),
            limiter: Limiter::unlimited(clock),
            arrivals,
        }
    }

    /// The same, with at most so many bytes of blocks in memory, but at least the largest chunk.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = Arc::new(Semaphore::new(memory_blocks(bytes)));
        self
    }

    /// Limits all uploads together; there is no limit until one is set.
    #[must_use]
    pub const fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// As a service that can be added to a server.
    #[must_use]
    pub fn into_server(self) -> TransferEndpoint {
        TransferEndpoint::new(self)
    }

    /// Checks a request for blocks, takes a slot for it, and begins to send.
    async fn open_upload(
        &self,
        request: v1::FetchRequest,
    ) -> Result<ReceiverStream<Result<upload::Sending, Status>>, Status> {
        let fetch = Fetch::try_from(request)?;
        let entry = self.entry(fetch.content).await?;
        let plan = upload::plan(&entry, &self.arrivals, &fetch)?;
        let acquired = tokio::time::timeout(SLOT_WAIT, Arc::clone(&self.uploads).acquire_owned()).await;
        let Ok(Ok(slot)) = acquired else {
            return Err(refusal(
                ErrorCode::Exhausted,
                "all upload slots are taken; try another source, or later",
            ));
        };
        Ok(self.upload(entry.manifest, plan, slot))
    }

    /// Works with the store on a thread that may block.
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn FragmentStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Status> {
        let store = Arc::clone(&self.store);
        blocking(move || work(&*store)).await
    }

    async fn entry(&self, content: ContentId) -> Result<Entry, Status> {
        self.with_store(move |store| store.entry(content).ok_or(StoreError::UnknownContent(content)))
            .await
    }
}

/// How many blocks fit; never fewer than a chunk may have, for which there would never be room.
fn memory_blocks(bytes: u64) -> usize {
    let blocks = usize::try_from(bytes / u64::from(BLOCK_LENGTH)).unwrap_or(usize::MAX);
    blocks.clamp(upload::MAX_CHUNK_BLOCKS as usize, Semaphore::MAX_PERMITS)
}

/// Runs what may block on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| to_status(&error)),
        Err(panic) => Err(refusal(ErrorCode::Internal, panic.to_string())),
    }
}

fn refusal(code: ErrorCode, message: impl Into<String>) -> Status {
    to_status(&RemoteError::new(code, message))
}

/// Checks a fragment number from outside.
fn fragment_of(manifest: &Manifest, number: u32) -> Result<FragmentIndex, Status> {
    manifest.index(number).ok_or_else(|| {
        let count = manifest.fragment_count();
        refusal(
            ErrorCode::InvalidArgument,
            format!(
                "there is no fragment {number}: content {} has {count}",
                manifest.content()
            ),
        )
    })
}

/// Verifies our own copy of a fragment, which withdraws it when it is damaged.
fn is_damaged(
    store: &dyn FragmentStore,
    content: ContentId,
    index: FragmentIndex,
) -> Result<bool, StoreError> {
    match verify_fragment(store, content, index) {
        Ok(is_intact) => Ok(!is_intact),
        Err(StoreError::Changed { .. } | StoreError::Damaged { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Stops sharing what an error says is not what it should be; whether it says so.
fn withdraw_if_bad(store: &dyn FragmentStore, manifest: &Manifest, error: &StoreError) -> bool {
    let fragments = match error {
        StoreError::Damaged { index, .. } => {
            let mut damaged = manifest.no_fragments();
            damaged.insert(*index);
            damaged
        }
        StoreError::Changed { .. } => manifest.all_fragments(),
        _ => return false,
    };
    warn!(content = %manifest.content(), %error, "withdrawing what does not match its hash");
    // The store may have done so itself; then this changes nothing.
    if let Err(failure) = store.withdraw(manifest.content(), &fragments) {
        warn!(content = %manifest.content(), error = %failure, "cannot withdraw");
    }
    true
}

#[tonic::async_trait]
impl Transfer for TransferService {
    // Nothing is ever sent through it: see `body`.
    type FetchStream = tokio_stream::Empty<Result<v1::FetchChunk, Status>>;
    type FollowStream = ReceiverStream<Result<v1::FollowReply, Status>>;

    async fn fetch(&self, _: Request<v1::FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        Err(refusal(
            ErrorCode::Internal,
            "the endpoint answers this method itself",
        ))
    }

    async fn describe(
        &self,
        request: Request<v1::DescribeRequest>,
    ) -> Result<Response<v1::DescribeReply>, Status> {
        let content = convert::types::content_id(&request.into_inner().content_id)?;
        let entry = self.entry(content).await?;
        Ok(Response::new(v1::DescribeReply {
            manifest: Some((&entry.manifest).into()),
        }))
    }

    async fn follow(
        &self,
        request: Request<v1::FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let content = convert::types::content_id(&request.into_inner().content_id)?;
        let Ok(slot) = Arc::clone(&self.followers).try_acquire_owned() else {
            return Err(refusal(ErrorCode::Exhausted, "too many followers"));
        };
        self.bitmaps(content, slot).await.map(Response::new)
    }

    async fn dispute(
        &self,
        request: Request<v1::DisputeRequest>,
    ) -> Result<Response<v1::DisputeReply>, Status> {
        let v1::DisputeRequest { content_id, fragment } = request.into_inner();
        let manifest = self
            .entry(convert::types::content_id(&content_id)?)
            .await?
            .manifest;
        let index = fragment_of(&manifest, fragment)?;
        let Ok(slot) = Arc::clone(&self.disputes).try_acquire_owned() else {
            return Err(refusal(
                ErrorCode::Exhausted,
                "another dispute is being verified; try again later",
            ));
        };
        let verify = move |store: &dyn FragmentStore| {
            let _slot = slot; // until the read is over, even if the caller goes away
            is_damaged(store, manifest.content(), index)
        };
        Ok(Response::new(v1::DisputeReply {
            is_damaged: self.with_store(verify).await?,
        }))
    }
}
