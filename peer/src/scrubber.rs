//! The scrubber: reads held fragments again, slowly and for ever, so that rot is found before a reader meets
//! it or the last good replica is gone.
//!
//! A round goes over all contents once, from a random one on (so that a node that is often restarted gets
//! everywhere), and the next round begins a day after it began. Invariants: never faster than the rate that
//! was set; one fragment in memory at a time; damaged fragments are withdrawn, which the session announces
//! and the tracker repairs.
//!
//! Deliberately absent: repair, and memory across restarts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::RemoteError;
use proto::messages::control::Scrub;
use shared::model::{ByteRate, ContentId, FragmentIndex};
use shared::runtime::{Clock, OnExit, Tasks};
use shared::{Coded as _, ErrorCode};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::blocking::{blocking, try_blocking};
use store::{DiskStore, Entry, FragmentStore, verify_fragment};

/// Default rate: a disk does twenty times that, and a terabyte takes a day and a half.
pub const DEFAULT_RATE: ByteRate = ByteRate::new(8 << 20).expect("more than nothing");

/// Wait after the start: a node that has just started has better things to do.
const FIRST_WAIT: Duration = Duration::from_secs(60);

/// Time from the beginning of a round to that of the next.
const ROUND: Duration = Duration::from_secs(24 * 60 * 60);

/// Result of reading a fragment again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The fragment is right.
    Intact,
    /// The fragment was damaged; it is not held any more.
    Damaged,
    /// The fragment was withdrawn or forgotten meanwhile, or its file is away.
    Gone,
}

/// Reads a held fragment again and withdraws it if it is damaged.
///
/// # Errors
/// When the store fails.
pub async fn look_at<S: FragmentStore>(
    store: &Arc<S>,
    content: ContentId,
    index: FragmentIndex,
) -> Result<Finding, RemoteError> {
    let store = Arc::clone(store);
    match try_blocking(move || verify_fragment(&*store, content, index)).await {
        Ok(true) => Ok(Finding::Intact),
        Ok(false) => Ok(Finding::Damaged),
        Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::Unavailable) => {
            Ok(Finding::Gone)
        }
        // The user's file has changed.
        Err(error) if error.code() == ErrorCode::Corrupt => Ok(Finding::Damaged),
        Err(error) => Err(error),
    }
}

/// The scrubber's progress; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Scrubber(Arc<Mutex<Scrub>>);

impl Scrubber {
    /// Starts scrubbing at the current rate of the receiver; no rate is a pause.
    #[must_use]
    pub fn start(
        store: Arc<DiskStore>,
        rate: watch::Receiver<Option<ByteRate>>,
        clock: Clock,
        tasks: &Tasks,
    ) -> Self {
        let scrubber = Self::default();
        let (own, stop) = (scrubber.clone(), tasks.token().clone());
        tasks.spawn("scrub", OnExit::ShutDown, async move {
            stop.run_until_cancelled(own.run(store, rate, clock)).await;
        });
        scrubber
    }

    /// Returns the progress.
    #[must_use]
    pub fn status(&self) -> Scrub {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Scrub> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self, store: Arc<DiskStore>, mut rate: watch::Receiver<Option<ByteRate>>, clock: Clock) {
        tokio::time::sleep(FIRST_WAIT).await;
        loop {
            allowed(&mut rate).await;
            let begun = clock.now();
            let start = ContentId::from_bytes(rand::random());
            if let Err(error) = self.round(&store, &mut rate, start).await {
                warn!(%error, "scrubbing has stopped; the next round tries again");
            }
            tokio::time::sleep(ROUND.saturating_sub(clock.now().since(begun))).await;
        }
    }

    /// Reads all held fragments once, from a content on.
    async fn round<S: FragmentStore>(
        &self,
        store: &Arc<S>,
        rate: &mut watch::Receiver<Option<ByteRate>>,
        start: ContentId,
    ) -> Result<(), RemoteError> {
        let listed = Arc::clone(store);
        let entries = from(blocking(move || listed.entries()).await?, start);
        {
            let mut scrub = self.lock();
            scrub.done = 0;
            scrub.total = entries.iter().map(held_bytes).sum();
        }
        for entry in entries {
            let content = entry.manifest.content();
            for index in entry.held.iter() {
                let now = allowed(rate).await;
                let finding = match look_at(store, content, index).await {
                    Ok(finding) => finding,
                    // The rest is read all the same; this fragment's turn comes again in the next round.
                    Err(error) => {
                        warn!(content = %content.short(), %index, %error, "a fragment could not be read again");
                        Finding::Gone
                    }
                };
                let bytes = u64::from(entry.manifest.len_of(index));
                {
                    let mut scrub = self.lock();
                    scrub.done += bytes;
                    scrub.damaged += u64::from(finding == Finding::Damaged);
                }
                if finding == Finding::Damaged {
                    warn!(content = %content.short(), %index, "a fragment has rotted and was withdrawn");
                }
                // A change of the rate ends a pause that was meant for the old one.
                drop(tokio::time::timeout(pause(bytes, now), rate.changed()).await);
            }
        }
        let scrub = {
            let mut scrub = self.lock();
            scrub.rounds += 1;
            *scrub
        };
        info!(
            bytes = scrub.done,
            damaged = scrub.damaged,
            "all held fragments were read again"
        );
        Ok(())
    }
}

/// Returns the current rate; waits until there is one.
async fn allowed(rate: &mut watch::Receiver<Option<ByteRate>>) -> ByteRate {
    loop {
        if let Some(rate) = *rate.borrow_and_update() {
            return rate;
        }
        if rate.changed().await.is_err() {
            // No sender is left that could set a rate.
            std::future::pending::<()>().await;
        }
    }
}

fn held_bytes(entry: &Entry) -> u64 {
    entry.manifest.bytes_in(&entry.held)
}

/// Rotates the entries, which are in order of contents, so that they begin at `start`.
fn from(mut entries: Vec<Entry>, start: ContentId) -> Vec<Entry> {
    let first = entries.partition_point(|entry| entry.manifest.content() < start);
    entries.rotate_left(first);
    entries
}

/// Returns the time that `bytes` bytes take at this rate; at most an hour, whatever the rate.
fn pause(bytes: u64, rate: ByteRate) -> Duration {
    const MAX_PAUSE_MS: u64 = 60 * 60 * 1000;
    Duration::from_millis((bytes.saturating_mul(1000) / rate.get()).min(MAX_PAUSE_MS))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::FileExt as _;

    use shared::hash::{ContentHasher, FragmentProof, leaves};
    use shared::model::{FragmentLength, Manifest};

    use super::*;
    use store::Purpose;

    /// Puts a content of three fragments into the store.
    fn fill(store: &DiskStore, seed: u8) -> Manifest {
        let length = FragmentLength::MIN;
        let bytes: Vec<u8> = (0..length.get() * 3).map(|n| seed ^ n.to_le_bytes()[1]).collect();
        let mut hasher = ContentHasher::new(bytes.len() as u64, length);
        hasher.update(&bytes);
        let manifest = hasher.finish().expect("the length is right");
        let content = manifest.content();
        let all = manifest.all_fragments();
        store.prepare(&manifest, Purpose::Assigned(all)).expect("fits");
        for (index, fragment) in manifest.indices().zip(bytes.chunks(length.get() as usize)) {
            let proof = FragmentProof::verify(&manifest, index, leaves(fragment)).expect("true leaves");
            let blocks = proof.check(0, fragment).expect("true blocks");
            store.write(content, blocks).expect("writes");
            store.commit(content, &[proof]).expect("commits");
        }
        manifest
    }

    #[tokio::test]
    async fn a_round_finds_rot_and_takes_as_long_as_the_rate_says() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Arc::new(DiskStore::open(dir.path(), 1 << 30).expect("opens"));
        let (sound, rotten) = (fill(&store, 1), fill(&store, 2));
        let hex = rotten.content().to_string();
        let path = dir
            .path()
            .join("contents")
            .join(&hex[..2])
            .join(format!("{hex}.data"));
        let file = OpenOptions::new().write(true).open(path).expect("opens");
        file.write_all_at(b"rot", 70_000).expect("writes");

        let scrubber = Scrubber::default();
        let told = watch::Sender::new(ByteRate::new(4 << 20));
        let mut rate = told.subscribe();
        let bytes = 6 * u64::from(FragmentLength::MIN.get());
        let begun = tokio::time::Instant::now();
        scrubber
            .round(&store, &mut rate, rotten.content())
            .await
            .expect("the store works");
        let expected = Duration::from_millis(bytes * 1000 / (4 << 20));
        assert!(
            begun.elapsed() + Duration::from_millis(10) >= expected,
            "{:?}",
            begun.elapsed()
        );
        let scrub = Scrub {
            done: bytes,
            total: bytes,
            damaged: 1,
            rounds: 1,
        };
        assert_eq!(scrubber.status(), scrub);
        let held = |manifest: &Manifest| store.entry(manifest.content()).expect("it is kept").held.len();
        assert_eq!((held(&sound), held(&rotten)), (3, 2));

        // Withdrawn fragments are not read again.
        scrubber
            .round(&store, &mut rate, sound.content())
            .await
            .expect("the store works");
        assert_eq!((scrubber.status().damaged, scrubber.status().rounds), (1, 2));
    }

    #[tokio::test]
    async fn a_new_rate_counts_at_once_and_no_rate_pauses() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Arc::new(DiskStore::open(dir.path(), 1 << 30).expect("opens"));
        let content = fill(&store, 1).content();
        let told = watch::Sender::new(None);
        let (scrubber, mut rate) = (Scrubber::default(), told.subscribe());
        assert!(futures_util::poll!(Box::pin(allowed(&mut rate))).is_pending());
        // A fragment takes an hour at this rate.
        told.send_replace(ByteRate::new(18));
        let mut round = Box::pin(scrubber.round(&store, &mut rate, content));
        let has_begun = async {
            while scrubber.status().done == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut round => panic!("it takes long"),
            () = has_begun => {}
        }
        told.send_replace(ByteRate::new(1 << 30));
        round.await.expect("the store works");
        assert_eq!(scrubber.status().rounds, 1);
    }

    #[test]
    fn no_pause_is_endless() {
        let slow = ByteRate::new(1).expect("a rate");
        assert_eq!(pause(u64::MAX, slow), Duration::from_secs(3600));
        assert_eq!(pause(1 << 20, DEFAULT_RATE), Duration::from_millis(125));
    }
}
