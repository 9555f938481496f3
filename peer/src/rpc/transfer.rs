//! The `Transfer` service: other peers fetch verified fragments here.
//!
//! Every incoming number is checked against the content's manifest before it is used. Uploads send in turns,
//! a few at once, and together no faster than a limit allows. Reads happen off the async threads, a few
//! chunks ahead of the connection and within a budget of memory. Blocks are sent as they are on disk: the
//! receiver verifies them.

mod body;
mod follow;
mod handouts;
mod slots;
#[cfg(test)]
mod tests;
mod upload;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::messages::{self, Fetch};
use proto::status::to_status;
use proto::v1::transfer_server::Transfer;
use proto::{RemoteError, v1};
use shared::ErrorCode;
use shared::model::{BLOCK_LENGTH, ContentId, FragmentIndex, Manifest};
use shared::runtime::{Clock, Tasks};
use tokio::sync::{Semaphore, broadcast};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

pub use body::TransferEndpoint;
use follow::Followed;
use handouts::Handouts;
pub use slots::Slots;

use crate::fetch::{Arrivals, Counters};
use crate::limiter::Limiter;
use store::{Entry, FragmentStore, StoreError, verify_fragment};

/// Followers at once: bitmaps are small, but each follower is a task and a stream.
const MAX_FOLLOWERS: usize = 256;

/// Changes that a slow follower may be behind; a follower that is further behind looks at everything.
const CHANGES: usize = 256;

/// Disputes verified at once: a wrong claim must not cost more than one read at a time.
const MAX_DISPUTES: usize = 1;

/// Default number of uploads that send at once. Few, so that each is quick and can be passed on soon; uploads
/// that have nothing to send at the moment do not count.
pub const DEFAULT_UPLOAD_SLOTS: usize = 8;

/// Uploads that may wait for one of the slots; further requests are refused. Enough that a slot is never
/// idle.
pub const UPLOADS_IN_LINE: usize = 4;

/// Default number of bytes of blocks that all uploads together have in memory; the first to ask is served
/// first.
const DEFAULT_MEMORY: u64 = 32 << 20;

/// The service that sends held and arriving fragments. Cheap to clone.
#[derive(Clone)]
pub struct TransferService {
    store: Arc<dyn FragmentStore>,
    tasks: Tasks,
    counters: Arc<Counters>,
    slots: Slots,
    handouts: Arc<Mutex<Handouts>>,
    /// Contents of which a fragment was handed out, or its upload broken off.
    handed_out: broadcast::Sender<ContentId>,
    clock: Clock,
    followers: Arc<Semaphore>,
    followed: Arc<Mutex<Followed>>,
    disputes: Arc<Semaphore>,
    /// One permit for every block that may be in memory.
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
    /// Makes a service in which at most `upload_slots` uploads send at once.
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
            slots: Slots::new(upload_slots),
            handouts: Arc::default(),
            handed_out: broadcast::Sender::new(CHANGES),
            clock: clock.clone(),
            followers: semaphore(MAX_FOLLOWERS),
            followed: Arc::default(),
            disputes: semaphore(MAX_DISPUTES),
            memory: semaphore(memory_blocks(DEFAULT_MEMORY)),
            limiter: Limiter::unlimited(clock),
            arrivals,
        }
    }

    /// Sets the bytes of blocks in memory, at least the largest chunk.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = Arc::new(Semaphore::new(memory_blocks(bytes)));
        self
    }

    /// Returns the limit on all uploads together; there is no limit until one is set.
    #[must_use]
    pub const fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// Returns the slots of uploads that send at once.
    #[must_use]
    pub const fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Converts to a service that can be added to a server.
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
        let Some(place) = self.slots.enter() else {
            return Err(refusal(
                ErrorCode::Exhausted,
                "all upload slots are taken; try another source, or later",
            ));
        };
        let handed_out = self.hand_out(&fetch, &plan)?;
        Ok(self.upload(entry.manifest, plan, place, handed_out))
    }

    /// Notes the fragments that are being handed out; refuses when only new ones are asked for and one of
    /// them is not new.
    fn hand_out(&self, fetch: &Fetch, plan: &upload::Plan) -> Result<HandedOut, Status> {
        let (content, now) = (fetch.content, self.clock.now());
        let mut handouts = self.handouts();
        if fetch.if_new
            && let Some(index) = plan.fragments().find(|index| handouts.has(now, content, *index))
        {
            let text = format!("fragment {index} of content {content} has been handed out to another peer");
            return Err(refusal(ErrorCode::Conflict, text));
        }
        let fragments: Vec<_> = plan.fragments().collect();
        // Not `any`: each of the fragments begins.
        let new = fragments
            .iter()
            .filter(|index| handouts.begin(now, content, **index));
        if new.count() > 0 {
            self.notify_handed_out(content);
        }
        drop(handouts);
        Ok(HandedOut {
            service: self.clone(),
            content,
            fragments,
            is_complete: false,
        })
    }

    fn notify_handed_out(&self, content: ContentId) {
        // It is no error when there is no listener.
        drop(self.handed_out.send(content));
    }

    fn handouts(&self) -> MutexGuard<'_, Handouts> {
        self.handouts.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Fragments that are being handed out, until this is dropped.
struct HandedOut {
    service: TransferService,
    content: ContentId,
    fragments: Vec<FragmentIndex>,
    /// Whether all of them have been sent.
    is_complete: bool,
}

impl Drop for HandedOut {
    fn drop(&mut self) {
        let now = self.service.clock.now();
        let mut handouts = self.service.handouts();
        for fragment in &self.fragments {
            handouts.end(now, self.content, *fragment, self.is_complete);
        }
        drop(handouts);
        if self.is_complete {
            let arrivals = &self.service.arrivals;
            self.fragments
                .iter()
                .for_each(|fragment| arrivals.passed_on(self.content, *fragment));
        } else {
            // Fragments that were sent completely go on counting, so only this end is a change.
            self.service.notify_handed_out(self.content);
        }
    }
}

/// Returns the number of blocks that fit; never fewer than a chunk may have, which would never find room.
fn memory_blocks(bytes: u64) -> usize {
    let blocks = usize::try_from(bytes / u64::from(BLOCK_LENGTH)).unwrap_or(usize::MAX);
    blocks.clamp(upload::MAX_CHUNK_BLOCKS as usize, Semaphore::MAX_PERMITS)
}

/// Runs blocking work on a thread for it.
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

/// Checks a fragment number of a request.
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

/// Verifies this peer's copy of a fragment, which withdraws a damaged one; returns whether it was damaged.
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

#[tonic::async_trait]
impl Transfer for TransferService {
    // Nothing is ever sent through this stream: see `body`.
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
        let content = messages::types::content_id(&request.into_inner().content_id)?;
        let entry = self.entry(content).await?;
        Ok(Response::new(v1::DescribeReply {
            manifest: Some((&entry.manifest).into()),
        }))
    }

    async fn follow(
        &self,
        request: Request<v1::FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let content = messages::types::content_id(&request.into_inner().content_id)?;
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
            .entry(messages::types::content_id(&content_id)?)
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
