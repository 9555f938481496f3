//! What is held of a content: at once, and whenever it changes.

use std::time::Duration;

use proto::v1;
use shared::model::{ContentId, FragmentSet};
use shared::runtime::OnExit;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{TransferService, bitmap};

/// Bitmaps on their way: each replaces the one before, so none is made while one waits.
const BITMAPS_AHEAD: usize = 1;

/// A follower that takes nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

impl TransferService {
    /// Sends bitmaps until the content is forgotten, the follower goes, or the peer stops.
    pub(super) async fn bitmaps(
        &self,
        content: ContentId,
        slot: OwnedSemaphorePermit,
    ) -> Result<ReceiverStream<Result<v1::FollowReply, Status>>, Status> {
        // Subscribed before the first look, so that no change falls between.
        let mut changes = self.store.subscribe();
        let first = self.entry(content).await?.held;
        let (bitmaps, stream) = mpsc::channel(BITMAPS_AHEAD);
        let service = self.clone();
        self.tasks.spawn("follow", OnExit::Continue, async move {
            let _slot = slot;
            let mut last: Option<FragmentSet> = None;
            let mut held = first;
            loop {
                if last.as_ref() != Some(&held) {
                    let sent = bitmaps.send(Ok(bitmap(&held)));
                    if !matches!(tokio::time::timeout(SEND_TIMEOUT, sent).await, Ok(Ok(()))) {
                        return;
                    }
                    last = Some(held);
                }
                let has_changed = tokio::select! {
                    () = service.tasks.token().cancelled() => false,
                    () = bitmaps.closed() => false,
                    has_changed = changed(&mut changes, content) => has_changed,
                };
                if !has_changed {
                    return;
                }
                let Ok(entry) = service.entry(content).await else {
                    return;
                };
                held = entry.held;
            }
        });
        Ok(ReceiverStream::new(stream))
    }
}

/// Waits for a change of one content, and takes all that have come by then as one; false when the store has gone.
async fn changed(changes: &mut broadcast::Receiver<ContentId>, content: ContentId) -> bool {
    loop {
        match changes.recv().await {
            Ok(other) if other != content => {}
            Ok(_) | Err(RecvError::Lagged(_)) => break,
            Err(RecvError::Closed) => return false,
        }
    }
    // What is read from the store after this is newer than all of these.
    while !matches!(
        changes.try_recv(),
        Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed)
    ) {}
    true
}
