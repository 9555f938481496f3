//! What can be had of a content here: at once, and whenever it changes.

use std::time::Duration;

use proto::v1;
use shared::model::{ContentId, FragmentSet};
use shared::runtime::OnExit;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::TransferService;

/// Bitmaps on their way: each replaces the one before, so none is made while one waits.
const BITMAPS_AHEAD: usize = 1;

/// A follower that takes nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Changes within this time are told together: short beside the time that a fragment takes on a slow line, long
/// enough that bitmaps are no more than a percent of the traffic there.
const PAUSE: Duration = Duration::from_millis(25);

/// Bytes of bitmaps a second to one follower, at most: those of large contents have 16 KiB.
const BYTES_PER_SECOND: u32 = 128 << 10;

/// What a follower is told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Availability {
    held: FragmentSet,
    coming: FragmentSet,
    handed_out: FragmentSet,
    is_full: bool,
}

impl TransferService {
    /// Sends bitmaps until the content is forgotten, the follower goes, or the peer stops.
    pub(super) async fn bitmaps(
        &self,
        content: ContentId,
        slot: OwnedSemaphorePermit,
    ) -> Result<ReceiverStream<Result<v1::FollowReply, Status>>, Status> {
        // Subscribed before the first look, so that no change falls between.
        let (mut held_changes, mut coming_changes) = (self.store.subscribe(), self.arrivals.subscribe());
        let (mut handouts, mut room) = (self.handed_out.subscribe(), self.slots.subscribe());
        let first = self.availability(content).await?;
        let (bitmaps, stream) = mpsc::channel(BITMAPS_AHEAD);
        let service = self.clone();
        self.tasks.spawn("follow", OnExit::Continue, async move {
            let _slot = slot;
            let mut last: Option<Availability> = None;
            let mut now = first;
            loop {
                if last.as_ref() != Some(&now) {
                    let sent = bitmaps.send(Ok(now.to_wire()));
                    if !matches!(tokio::time::timeout(SEND_TIMEOUT, sent).await, Ok(Ok(()))) {
                        return;
                    }
                    tokio::time::sleep(now.pause()).await;
                    last = Some(now);
                }
                let has_changed = tokio::select! {
                    () = service.tasks.token().cancelled() => false,
                    () = bitmaps.closed() => false,
                    has_changed = changed(&mut held_changes, content) => has_changed,
                    has_changed = changed(&mut coming_changes, content) => has_changed,
                    has_changed = changed(&mut handouts, content) => has_changed,
                    has_changed = room.changed() => has_changed.is_ok(),
                    () = service.handout_ends(content) => true,
                };
                if !has_changed {
                    return;
                }
                let Ok(availability) = service.availability(content).await else {
                    return;
                };
                now = availability;
            }
        });
        Ok(ReceiverStream::new(stream))
    }

    async fn availability(&self, content: ContentId) -> Result<Availability, Status> {
        let entry = self.entry(content).await?;
        let count = entry.manifest.fragment_count();
        let handed_out = self.handouts().of(self.clock.now(), content, count);
        Ok(Availability {
            held: entry.held,
            coming: self.arrivals.coming(content, count),
            handed_out,
            is_full: self.slots.is_full(),
        })
    }

    /// Waits until something that was handed out counts no longer.
    async fn handout_ends(&self, content: ContentId) {
        let next = self.handouts().next_end(content);
        match next {
            Some(end) => tokio::time::sleep(end.since(self.clock.now()).max(PAUSE)).await,
            None => std::future::pending().await,
        }
    }
}

impl Availability {
    fn to_wire(&self) -> v1::FollowReply {
        v1::FollowReply {
            fragments: self.held.to_bytes().into(),
            coming: self.coming.to_bytes().into(),
            handed_out: self.handed_out.to_bytes().into(),
            is_full: self.is_full,
        }
    }

    /// How long nothing more is said after this.
    fn pause(&self) -> Duration {
        let bytes = self.held.capacity().div_ceil(8) * 3;
        PAUSE.max(Duration::from_secs(1) * bytes / BYTES_PER_SECOND)
    }
}

/// Waits for a change of one content, and takes all that have come by then as one; false when what it listens to has
/// gone. Cancel-safe.
async fn changed(changes: &mut broadcast::Receiver<ContentId>, content: ContentId) -> bool {
    loop {
        match changes.recv().await {
            Ok(other) if other != content => {}
            Ok(_) | Err(RecvError::Lagged(_)) => break,
            Err(RecvError::Closed) => return false,
        }
    }
    // What is looked at after this is newer than all of these.
    while !matches!(
        changes.try_recv(),
        Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed)
    ) {}
    true
}
