//! `Follow`: tells which fragments of a content can be fetched here, at once and whenever that changes.
//!
//! The availability is looked up once for all followers of the content: in a swarm every peer follows every
//! other one, and there are changes dozens of times a second.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use proto::v1;
use shared::model::ContentId;
use shared::runtime::OnExit;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::TransferService;

/// Bitmaps that wait to be sent: each replaces the one before, so none is made while one waits.
const BITMAPS_AHEAD: usize = 1;

/// Time after which a follower that takes nothing is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Time within which changes are sent together: short beside the time that a fragment takes on a slow line,
/// and long enough that bitmaps are no more than a percent of the traffic there.
const PAUSE: Duration = Duration::from_millis(25);

/// Largest number of bitmaps a second to all followers together: each is a message to be made, sent and read,
/// and every peer in a swarm follows every other one. With 32 followers a change waits 50 ms, which the
/// simulator cannot tell from 20 ms.
const BITMAPS_PER_SECOND: u32 = 640;

/// Largest number of bytes of bitmaps a second to one follower: the bitmaps of large contents have 16 KiB.
const BYTES_PER_SECOND: u32 = 128 << 10;

/// The availability of each content that has followers.
pub(super) type Followed = BTreeMap<ContentId, watch::Sender<v1::FollowReply>>;

/// Notifications after which the availability may have changed.
struct Changes {
    held: broadcast::Receiver<ContentId>,
    coming: broadcast::Receiver<ContentId>,
    handed_out: broadcast::Receiver<ContentId>,
    room: watch::Receiver<()>,
}

/// The task that updates the availability of one content while it has followers; there is one for each such
/// content.
struct Updater {
    service: TransferService,
    content: ContentId,
    availability: watch::Sender<v1::FollowReply>,
}

impl TransferService {
    /// Sends bitmaps until the content is forgotten, the follower goes, or the peer stops.
    pub(super) async fn bitmaps(
        &self,
        content: ContentId,
        slot: OwnedSemaphorePermit,
    ) -> Result<ReceiverStream<Result<v1::FollowReply, Status>>, Status> {
        let mut availability = self.listen(content).await?;
        let (bitmaps, stream) = mpsc::channel(BITMAPS_AHEAD);
        let token = self.tasks.token().clone();
        self.tasks.spawn("follower", OnExit::Continue, async move {
            let _slot = slot;
            let mut goes_on = true;
            while goes_on {
                let now = availability.borrow_and_update().clone();
                let sent = tokio::time::timeout(SEND_TIMEOUT, bitmaps.send(Ok(now)));
                goes_on = tokio::select! {
                    () = token.cancelled() => false,
                    sent = sent => matches!(sent, Ok(Ok(()))),
                };
                goes_on &= tokio::select! {
                    () = bitmaps.closed() => false,
                    changed = availability.changed() => changed.is_ok(),
                };
            }
        });
        Ok(ReceiverStream::new(stream))
    }

    /// Subscribes to the availability of a content.
    async fn listen(&self, content: ContentId) -> Result<watch::Receiver<v1::FollowReply>, Status> {
        if let Some(availability) = self.followed().get(&content) {
            return Ok(availability.subscribe());
        }
        // Subscribed before the first look, so that no change is missed in between.
        let changes = Changes {
            held: self.store.subscribe(),
            coming: self.arrivals.subscribe(),
            handed_out: self.handed_out.subscribe(),
            room: self.slots.subscribe(),
        };
        let first = self.availability(content).await?;
        let mut followed = self.followed();
        if let Some(availability) = followed.get(&content) {
            return Ok(availability.subscribe()); // another follower was quicker
        }
        let (availability, listener) = watch::channel(first);
        followed.insert(content, availability.clone());
        drop(followed);
        let updater = Updater {
            service: self.clone(),
            content,
            availability,
        };
        self.tasks
            .spawn("availability", OnExit::Continue, updater.run(changes));
        Ok(listener)
    }

    async fn availability(&self, content: ContentId) -> Result<v1::FollowReply, Status> {
        let entry = self.entry(content).await?;
        let count = entry.manifest.fragment_count();
        let handed_out = self.handouts().of(self.clock.now(), content, count);
        Ok(v1::FollowReply {
            fragments: entry.held.to_bytes().into(),
            coming: self.arrivals.coming(content, count).to_bytes().into(),
            handed_out: handed_out.to_bytes().into(),
            is_full: self.slots.is_full(),
        })
    }

    /// Waits until a fragment that was handed out no longer counts.
    async fn handout_ends(&self, content: ContentId) {
        let next = self.handouts().next_end(content);
        match next {
            Some(end) => tokio::time::sleep(end.since(self.clock.now()).max(PAUSE)).await,
            None => std::future::pending().await,
        }
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Updater {
    async fn run(self, mut changes: Changes) {
        let (service, content) = (&self.service, self.content);
        while !self.is_over() {
            let pause = pause(&self.availability.borrow(), self.availability.receiver_count());
            tokio::time::sleep(pause).await;
            let goes_on = tokio::select! {
                () = service.tasks.token().cancelled() => false,
                () = self.availability.closed() => continue,
                goes_on = changed(&mut changes.held, content) => goes_on,
                goes_on = changed(&mut changes.coming, content) => goes_on,
                goes_on = changed(&mut changes.handed_out, content) => goes_on,
                changed = changes.room.changed() => changed.is_ok(),
                () = service.handout_ends(content) => true,
            };
            if !goes_on {
                return;
            }
            let Ok(now) = service.availability(content).await else {
                return;
            };
            self.availability.send_if_modified(|last_sent| {
                let has_changed = *last_sent != now;
                *last_sent = now;
                has_changed
            });
        }
    }

    /// Whether the content has no followers any more; if so, removes it, so that no new follower finds this
    /// task.
    fn is_over(&self) -> bool {
        let mut followed = self.service.followed();
        let is_over = self.availability.receiver_count() == 0;
        if is_over {
            followed.remove(&self.content);
        }
        is_over
    }
}

impl Drop for Updater {
    fn drop(&mut self) {
        // The end of the stream tells the followers.
        let mut followed = self.service.followed();
        let is_ours = |sender: &watch::Sender<_>| sender.same_channel(&self.availability);
        if followed.get(&self.content).is_some_and(is_ours) {
            followed.remove(&self.content);
        }
    }
}

/// Returns the pause after a message to this number of followers.
fn pause(sent: &v1::FollowReply, followers: usize) -> Duration {
    let bytes = sent.fragments.len() + sent.coming.len() + sent.handed_out.len();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let by_followers = Duration::from_secs(1) * count(followers) / BITMAPS_PER_SECOND;
    let by_bytes = Duration::from_secs(1) * count(bytes) / BYTES_PER_SECOND;
    PAUSE.max(by_followers).max(by_bytes)
}

/// Waits for a change of one content, and takes all changes that have come by then as one. Returns false when
/// the sender has gone. Cancel-safe.
async fn changed(changes: &mut broadcast::Receiver<ContentId>, content: ContentId) -> bool {
    loop {
        match changes.recv().await {
            Ok(other) if other != content => {}
            Ok(_) | Err(RecvError::Lagged(_)) => break,
            Err(RecvError::Closed) => return false,
        }
    }
    // The next look is newer than all of these changes.
    while !matches!(
        changes.try_recv(),
        Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed)
    ) {}
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_wait_longer_with_more_followers_and_larger_bitmaps() {
        let of = |bytes: usize, followers| {
            let sent = v1::FollowReply {
                fragments: vec![0; bytes].into(),
                ..v1::FollowReply::default()
            };
            pause(&sent, followers).as_millis()
        };
        assert_eq!(of(32, 1), 25);
        assert_eq!(of(32, 16), 25);
        assert_eq!(of(32, 32), 50);
        assert_eq!(of(32, 64), 100);
        assert_eq!(of(16 << 10, 16), 125);
    }
}
