//! What can be had of a content here: at once, and whenever it changes.
//!
//! It is looked up once for all who follow the content, however many they are: in a swarm that is everybody, and there is
//! something new dozens of times a second.

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

/// Bitmaps on their way: each replaces the one before, so none is made while one waits.
const BITMAPS_AHEAD: usize = 1;

/// A follower that takes nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Changes within this time are told together: short beside the time that a fragment takes on a slow line, long
/// enough that bitmaps are no more than a percent of the traffic there.
const PAUSE: Duration = Duration::from_millis(25);

/// Bitmaps a second to all followers together, at most: each is a message to be made, sent and read, and everyone in a swarm
/// is a follower of everyone. With 32 followers one waits 50 ms for news, which the simulator cannot tell from 20.
const BITMAPS_PER_SECOND: u32 = 640;

/// Bytes of bitmaps a second to one follower, at most: those of large contents have 16 KiB.
const BYTES_PER_SECOND: u32 = 128 << 10;

/// What is said about the contents that someone follows.
pub(super) type Followed = BTreeMap<ContentId, watch::Sender<v1::FollowReply>>;

/// What tells that there may be something new to say.
struct Changes {
    held: broadcast::Receiver<ContentId>,
    coming: broadcast::Receiver<ContentId>,
    handed_out: broadcast::Receiver<ContentId>,
    room: watch::Receiver<()>,
}

/// Says what is new about a content, as long as someone listens; the only one who does so for this content.
struct Bulletin {
    service: TransferService,
    content: ContentId,
    news: watch::Sender<v1::FollowReply>,
}

impl TransferService {
    /// Sends bitmaps until the content is forgotten, the follower goes, or the peer stops.
    pub(super) async fn bitmaps(
        &self,
        content: ContentId,
        slot: OwnedSemaphorePermit,
    ) -> Result<ReceiverStream<Result<v1::FollowReply, Status>>, Status> {
        let mut news = self.listen(content).await?;
        let (bitmaps, stream) = mpsc::channel(BITMAPS_AHEAD);
        let token = self.tasks.token().clone();
        self.tasks.spawn("follower", OnExit::Continue, async move {
            let _slot = slot;
            let mut goes_on = true;
            while goes_on {
                let now = news.borrow_and_update().clone();
                let sent = tokio::time::timeout(SEND_TIMEOUT, bitmaps.send(Ok(now)));
                goes_on = tokio::select! {
                    () = token.cancelled() => false,
                    sent = sent => matches!(sent, Ok(Ok(()))),
                };
                goes_on &= tokio::select! {
                    () = bitmaps.closed() => false,
                    changed = news.changed() => changed.is_ok(),
                };
            }
        });
        Ok(ReceiverStream::new(stream))
    }

    /// What is said about a content from now on.
    async fn listen(&self, content: ContentId) -> Result<watch::Receiver<v1::FollowReply>, Status> {
        if let Some(news) = self.followed().get(&content) {
            return Ok(news.subscribe());
        }
        // Before the first look, so that no change falls between.
        let changes = Changes {
            held: self.store.subscribe(),
            coming: self.arrivals.subscribe(),
            handed_out: self.handed_out.subscribe(),
            room: self.slots.subscribe(),
        };
        let first = self.availability(content).await?;
        let mut followed = self.followed();
        if let Some(news) = followed.get(&content) {
            return Ok(news.subscribe()); // another follower was quicker
        }
        let (news, listener) = watch::channel(first);
        followed.insert(content, news.clone());
        drop(followed);
        let bulletin = Bulletin {
            service: self.clone(),
            content,
            news,
        };
        let tell = bulletin.tell(changes);
        self.tasks.spawn("bulletin", OnExit::Continue, tell);
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

    /// Waits until something that was handed out counts no longer.
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

impl Bulletin {
    async fn tell(self, mut changes: Changes) {
        let (service, content) = (&self.service, self.content);
        while !self.is_over() {
            let pause = pause(&self.news.borrow(), self.news.receiver_count());
            tokio::time::sleep(pause).await;
            let goes_on = tokio::select! {
                () = service.tasks.token().cancelled() => false,
                () = self.news.closed() => continue,
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
            self.news.send_if_modified(|said| {
                let is_news = *said != now;
                *said = now;
                is_news
            });
        }
    }

    /// Whether nobody listens any more; then nobody finds it any more either.
    fn is_over(&self) -> bool {
        let mut followed = self.service.followed();
        let is_over = self.news.receiver_count() == 0;
        if is_over {
            followed.remove(&self.content);
        }
        is_over
    }
}

impl Drop for Bulletin {
    fn drop(&mut self) {
        // Who listens is told by the end of the stream.
        let mut followed = self.service.followed();
        let is_ours = |news: &watch::Sender<_>| news.same_channel(&self.news);
        if followed.get(&self.content).is_some_and(is_ours) {
            followed.remove(&self.content);
        }
    }
}

/// How long nothing more is said to so many after this.
fn pause(said: &v1::FollowReply, followers: usize) -> Duration {
    let bytes = said.fragments.len() + said.coming.len() + said.handed_out.len();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let by_followers = Duration::from_secs(1) * count(followers) / BITMAPS_PER_SECOND;
    let by_bytes = Duration::from_secs(1) * count(bytes) / BYTES_PER_SECOND;
    PAUSE.max(by_followers).max(by_bytes)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_wait_longer_the_more_are_told_and_the_longer_they_are() {
        let of = |bytes: usize, followers| {
            let said = v1::FollowReply {
                fragments: vec![0; bytes].into(),
                ..v1::FollowReply::default()
            };
            pause(&said, followers).as_millis()
        };
        assert_eq!(of(32, 1), 25);
        assert_eq!(of(32, 16), 25);
        assert_eq!(of(32, 32), 50);
        assert_eq!(of(32, 64), 100);
        assert_eq!(of(16 << 10, 16), 125);
    }
}
