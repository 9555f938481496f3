//! Tests of fetching from real peers over loopback. They use the fetcher and the `Transfer` service together,
//! so they are beside both.

mod limited;
pub(crate) mod neighbour;
mod preference;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use proto::tls::Tls;
use shared::model::{BLOCK_LENGTH, ContentId, FaultKind, Manifest, PeerId, Source, Waiting, Zone};
use shared::runtime::{Clock, Tasks};
use shared::{Coded as _, ErrorCode};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::fetch::{FetchError, Fetched, Fetcher, FindSources, Limits, Own, Progress};
use crate::rpc::UPLOADS_IN_LINE;
use neighbour::{Gate, Known, Neighbour, Tampered, content, hold, read_back, some, store};
use store::{FragmentStore, MemoryStore, Purpose};

const FRAGMENT: usize = 64 << 10;

/// A peer that fetches.
struct Fetching {
    store: Arc<MemoryStore>,
    fetcher: Fetcher,
    manifest: Manifest,
    progress: watch::Sender<Progress>,
    cancel: CancellationToken,
    tasks: Tasks,
}

impl Fetching {
    fn new(manifest: &Manifest, finder: impl FindSources, limits: Limits) -> Self {
        Self::in_zone(None, manifest, finder, limits)
    }

    fn in_zone(zone: Option<Zone>, manifest: &Manifest, finder: impl FindSources, limits: Limits) -> Self {
        let store = Arc::new(MemoryStore::new(1 << 30));
        store
            .prepare(manifest, Purpose::Assigned(manifest.all_fragments()))
            .expect("there is room");
        let tasks = Tasks::new();
        let (own, finder) = (PeerId::random(), Arc::new(finder));
        let fetcher = Fetcher::new(
            Arc::clone(&store) as _,
            finder,
            tasks.clone(),
            Clock::system(),
            Own {
                id: own,
                zone: watch::Sender::new(zone).subscribe(),
                tls: Tls::default(),
            },
            limits,
        );
        let (progress, cancel) = (watch::Sender::default(), CancellationToken::new());
        Self {
            store,
            fetcher,
            manifest: manifest.clone(),
            progress,
            cancel,
            tasks,
        }
    }

    /// Makes a peer that fetches from these sources and no others.
    fn from(manifest: &Manifest, sources: &[&Neighbour]) -> Self {
        let sources = sources.iter().map(|neighbour| neighbour.source.clone()).collect();
        Self::new(manifest, Known(sources), Limits::default())
    }

    async fn run(&self) -> Result<Fetched, FetchError> {
        self.run_with(vec![]).await
    }

    async fn run_with(&self, hints: Vec<Source>) -> Result<Fetched, FetchError> {
        let wanted = self.manifest.all_fragments();
        let (progress, cancel) = (self.progress.clone(), self.cancel.clone());
        let fetch = self
            .fetcher
            .fetch(&self.manifest, wanted, hints, progress, cancel);
        tokio::time::timeout(Duration::from_secs(60), fetch)
            .await
            .expect("a fetch ends")
    }

    /// Waits until the progress satisfies a condition.
    async fn until(&self, is_so: impl FnMut(&Progress) -> bool) -> Progress {
        let mut progress = self.progress.subscribe();
        let seen = tokio::time::timeout(Duration::from_secs(60), progress.wait_for(is_so)).await;
        seen.expect("in time").expect("the sender lives").clone()
    }

    /// Returns the recorded faults: the peer, the kind, and the number of times.
    fn source_faults(&self) -> Vec<(PeerId, FaultKind, u32)> {
        let faults = self.fetcher.source_faults();
        faults
            .into_iter()
            .map(|fault| (fault.peer, fault.kind, fault.times))
            .collect()
    }

    fn assert_complete(&self, bytes: &[u8]) {
        assert!(
            read_back(&*self.store, &self.manifest) == bytes,
            "the bytes are not those of the content"
        );
    }
}

#[tokio::test]
async fn two_sources_with_a_half_each_make_a_whole() {
    let (manifest, bytes) = content(20 * FRAGMENT + 5);
    let first = Neighbour::serving(store(&manifest, &bytes, &some(&manifest, 0..10))).await;
    let second = Neighbour::serving(store(&manifest, &bytes, &some(&manifest, 10..21))).await;
    let fetching = Fetching::from(&manifest, &[&first, &second]);
    let fetched = fetching.run().await.expect("everything is somewhere");
    fetching.assert_complete(&bytes);
    assert_eq!(
        (fetched.received_bytes, fetched.used.len()),
        (bytes.len() as u64, 2)
    );
    assert_eq!(first.counters.sent() + second.counters.sent(), bytes.len() as u64);
    let progress = fetching.progress.borrow().clone();
    assert_eq!(
        (progress.held_bytes, progress.length),
        (bytes.len() as u64, bytes.len() as u64)
    );
    assert_eq!(fetching.fetcher.counters().received(), bytes.len() as u64);
    assert!(
        fetching.tasks.stop(Duration::from_secs(10)).await,
        "every task ends"
    );
}

#[tokio::test]
async fn contents_of_every_odd_size_arrive_whole() {
    let block = BLOCK_LENGTH as usize;
    for length in [
        0,
        1,
        block - 1,
        block,
        block + 1,
        FRAGMENT - 1,
        FRAGMENT,
        FRAGMENT + 1,
    ] {
        let (manifest, bytes) = content(length);
        let neighbour = Neighbour::serving(store(&manifest, &bytes, &manifest.all_fragments())).await;
        let fetching = Fetching::from(&manifest, &[&neighbour]);
        let fetched = fetching.run().await.expect("the source has it");
        assert_eq!(fetched.received_bytes, length as u64);
        fetching.assert_complete(&bytes);
    }
}

/// A finder that knows the honest source only after the lying one has been told of its fault.
struct AfterTheDispute {
    honest: Source,
    disputed: watch::Receiver<bool>,
}

impl FindSources for AfterTheDispute {
    fn find(&self, _: ContentId) -> BoxFuture<'_, Vec<Source>> {
        let is_disputed = *self.disputed.borrow();
        Box::pin(std::future::ready(if is_disputed {
            vec![self.honest.clone()]
        } else {
            vec![]
        }))
    }
}

#[tokio::test]
async fn a_lying_source_is_told_and_banned_and_an_honest_one_serves() {
    let (manifest, bytes) = content(5 * FRAGMENT);
    let good = store(&manifest, &bytes, &manifest.all_fragments());
    let honest = Neighbour::serving(good).await;
    let rotten = store(&manifest, &bytes, &manifest.all_fragments());
    let mut changes = rotten.subscribe();
    let lying = Neighbour::serving(Tampered::lying(Arc::clone(&rotten))).await;
    let (told, disputed) = watch::channel(false);
    let finder = AfterTheDispute {
        honest: honest.source.clone(),
        disputed,
    };
    let fetching = Fetching::new(&manifest, finder, Limits::default());
    let withdrawal = async {
        changes.recv().await.expect("the store lives");
        let held = rotten.entry(manifest.content()).expect("kept").held.len();
        assert!(
            (2..5).contains(&held),
            "its bad copies are withdrawn: {held} are left"
        );
        told.send_replace(true);
    };
    let (fetched, ()) = tokio::join!(fetching.run_with(vec![lying.source.clone()]), withdrawal);
    assert_eq!(fetched.expect("the honest one has it").used.len(), 1);
    fetching.assert_complete(&bytes);
    assert_eq!(
        honest.counters.sent(),
        bytes.len() as u64,
        "nothing of the lying source was kept"
    );
    let counters = fetching.fetcher.counters();
    assert_eq!(
        counters.received() - counters.wasted(),
        bytes.len() as u64,
        "what it sent was in vain"
    );
    assert!(counters.wasted() > 0, "its wrong bytes came all the same");
    // Some of the three corrupt answers that ban the source may belong to requests that were in progress
    // together.
    let faults = fetching.source_faults();
    assert!(
        matches!(faults[..], [(peer, FaultKind::Lied, 1..=3)] if peer == lying.source.peer),
        "{faults:?}"
    );
}

#[tokio::test]
async fn a_source_that_dies_in_the_middle_is_replaced() {
    let (manifest, bytes) = content(40 * FRAGMENT);
    let all = store(&manifest, &bytes, &manifest.all_fragments());
    let dying = Tasks::new();
    let death = dying.token().clone();
    let reads = std::sync::atomic::AtomicU32::new(0);
    let mortal = Tampered::new(Arc::clone(&all), move |_, _, bytes| {
        if reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 10 {
            death.cancel();
        }
        Ok(bytes)
    });
    let mortal = Neighbour::start(mortal, 16, dying).await;
    let heir = Neighbour::serving(all).await;
    let fetching = Fetching::from(&manifest, &[&heir]);

    let fetched = fetching
        .run_with(vec![mortal.source.clone()])
        .await
        .expect("the heir has it");
    fetching.assert_complete(&bytes);
    assert!(heir.counters.sent() > 0 && !fetched.used.is_empty());
}

#[tokio::test]
async fn a_busy_source_is_waited_for_when_there_is_no_other() {
    let (manifest, bytes) = content(3 * FRAGMENT);
    let (gate, keeper) = Gate::closed_after(0);
    let gated = Tampered::gated(store(&manifest, &bytes, &manifest.all_fragments()), &gate);
    let busy = Neighbour::start(gated, 1, Tasks::new()).await;
    // Other peers have the only slot and all places in the line.
    let others: Vec<_> = (0..UPLOADS_IN_LINE)
        .map(|_| Fetching::from(&manifest, &[&busy]))
        .collect();
    let fetching = Fetching::from(&manifest, &[&busy]);
    let story = async {
        while busy.counters.uploads() as usize <= UPLOADS_IN_LINE {
            tokio::task::yield_now().await;
        }
        let opening = async {
            let is_waiting = |progress: &Progress| progress.waiting_for == Some(Waiting::SourcesBusy(1));
            fetching.until(is_waiting).await;
            keeper.open();
        };
        tokio::join!(fetching.run(), opening).0
    };
    let all_others = futures_util::future::join_all(others.iter().map(Fetching::run));
    let (first, second) = tokio::join!(all_others, story);
    second.expect("it waited");
    fetching.assert_complete(&bytes);
    for (other, result) in others.iter().zip(first) {
        result.expect("it waited too");
        other.assert_complete(&bytes);
    }
}

#[tokio::test]
async fn a_source_without_a_free_slot_does_not_hold_up_one_that_has() {
    let (manifest, bytes) = content(10 * FRAGMENT);
    let all = store(&manifest, &bytes, &manifest.all_fragments());
    let full = Neighbour::start(Arc::clone(&all) as _, 0, Tasks::new()).await;
    let free = Neighbour::serving(all).await;
    let fetching = Fetching::from(&manifest, &[&full, &free]);
    assert_eq!(fetching.run().await.expect("one is free").used.len(), 1);
    fetching.assert_complete(&bytes);
}

#[tokio::test]
async fn another_source_sends_what_a_silent_one_does_not() {
    let (manifest, bytes) = content(10 * FRAGMENT);
    let all = store(&manifest, &bytes, &manifest.all_fragments());
    let (gate, _keeper) = Gate::closed_after(1);
    let silent = Neighbour::serving(Tampered::gated(Arc::clone(&all), &gate)).await;
    let lively = Neighbour::serving(all).await;
    let limits = Limits {
        stall: Duration::from_millis(100),
        ..Limits::default()
    };
    let known = Known(vec![silent.source.clone(), lively.source.clone()]);
    let fetching = Fetching::new(&manifest, known, limits);
    fetching.run().await.expect("the lively one has it");
    fetching.assert_complete(&bytes);
    let faults = fetching.source_faults();
    assert!(
        matches!(faults[..], [(peer, FaultKind::Stalled, 1..)] if peer == silent.source.peer),
        "{faults:?}"
    );
}

#[tokio::test]
async fn a_cancelled_fetch_stops_at_once_and_keeps_what_was_committed() {
    let (manifest, bytes) = content(20 * FRAGMENT);
    let (gate, keeper) = Gate::closed_after(7);
    let gated = Tampered::gated(store(&manifest, &bytes, &manifest.all_fragments()), &gate);
    let neighbour = Neighbour::serving(gated).await;
    let fetching = Fetching::from(&manifest, &[&neighbour]);
    let story = async {
        let progress = fetching.until(|progress| progress.held_bytes > 0).await;
        fetching.cancel.cancel();
        progress.held_bytes
    };
    let (result, kept) = tokio::join!(fetching.run(), story);
    let error = result.expect_err("it was cancelled");
    assert_eq!(error.code(), ErrorCode::Cancelled);
    let held = fetching.store.entry(manifest.content()).expect("kept").held;
    assert!(manifest.bytes_in(&held) >= kept && held.len() <= 7, "{held:?}");
    // The next fetch goes on from there.
    keeper.open();
    let again = Fetching {
        cancel: CancellationToken::new(),
        ..fetching
    };
    let fetched = again.run().await.expect("the source is there");
    assert_eq!(
        fetched.received_bytes,
        manifest.length() - manifest.bytes_in(&held)
    );
    again.assert_complete(&bytes);
}

#[tokio::test]
async fn two_fetches_of_one_content_share_the_work_and_one_may_leave() {
    let (manifest, bytes) = content(20 * FRAGMENT);
    let (gate, keeper) = Gate::closed_after(3);
    let gated = Tampered::gated(store(&manifest, &bytes, &manifest.all_fragments()), &gate);
    let neighbour = Neighbour::serving(gated).await;
    let fetching = Fetching::from(&manifest, &[&neighbour]);
    let fetch = |wanted, progress: &watch::Sender<Progress>, cancel: &CancellationToken| {
        let (fetcher, progress, cancel) = (fetching.fetcher.clone(), progress.clone(), cancel.clone());
        let manifest = manifest.clone();
        async move { fetcher.fetch(&manifest, wanted, vec![], progress, cancel).await }
    };
    let (second, third) = (
        watch::Sender::<Progress>::default(),
        watch::Sender::<Progress>::default(),
    );
    let fickle = CancellationToken::new();
    let story = async {
        for progress in [&fetching.progress, &second, &third] {
            let known = |progress: &Progress| progress.length > 0;
            drop(
                progress
                    .subscribe()
                    .wait_for(known)
                    .await
                    .expect("the sender lives"),
            );
        }
        fickle.cancel();
        keeper.open();
    };
    let (first, other, left, ()) = tokio::join!(
        fetching.run(),
        fetch(some(&manifest, 5..9), &second, &CancellationToken::new()),
        fetch(manifest.all_fragments(), &third, &fickle),
        story,
    );
    first.expect("it has a source");
    other.expect("it wants less of the same");
    assert_eq!(left.expect_err("it was cancelled").code(), ErrorCode::Cancelled);
    assert_eq!(second.borrow().length, 4 * FRAGMENT as u64);
    fetching.assert_complete(&bytes);
    assert_eq!(
        neighbour.counters.sent(),
        bytes.len() as u64,
        "every byte was sent once"
    );
}

#[tokio::test]
async fn a_fetch_without_any_source_says_so_and_gives_up() {
    let (manifest, _) = content(3 * FRAGMENT);
    let limits = Limits {
        give_up_after: Some(Duration::from_millis(400)),
        ..Limits::default()
    };
    let fetching = Fetching::new(&manifest, Known(vec![]), limits);
    let error = fetching.run().await.expect_err("no peer has it");
    assert!(
        matches!(
            error,
            FetchError::NoSource {
                missing: 3,
                tried: 0,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(
        error
            .to_string()
            .contains("no peer that is online holds what is missing"),
        "{error}"
    );
}

#[tokio::test]
async fn fragments_that_a_source_gains_later_are_fetched() {
    let (manifest, bytes) = content(4 * FRAGMENT);
    let growing = store(&manifest, &bytes, &some(&manifest, [0]));
    let neighbour = Neighbour::serving(Arc::clone(&growing) as _).await;
    let fetching = Fetching::from(&manifest, &[&neighbour]);
    let story = async {
        fetching
            .until(|progress| progress.waiting_for == Some(Waiting::NoSource) && progress.held_bytes > 0)
            .await;
        hold(&*growing, &manifest, &bytes, &some(&manifest, 1..4));
    };
    let (fetched, ()) = tokio::join!(fetching.run(), story);
    fetched.expect("it grew");
    fetching.assert_complete(&bytes);
}

#[tokio::test]
async fn fragments_larger_than_the_budget_come_one_by_one() {
    let (manifest, bytes) = content(10 * FRAGMENT);
    let neighbour = Neighbour::serving(store(&manifest, &bytes, &manifest.all_fragments())).await;
    let limits = Limits {
        in_flight_bytes: 1,
        total_in_flight_bytes: 1,
        ..Limits::default()
    };
    let fetching = Fetching::new(&manifest, Known(vec![neighbour.source.clone()]), limits);
    fetching.run().await.expect("the source has it");
    fetching.assert_complete(&bytes);
}

#[tokio::test]
async fn sources_of_no_use_make_room_for_others() {
    let (manifest, bytes) = content(4 * FRAGMENT);
    let empty = store(&manifest, &bytes, &manifest.no_fragments());
    let useless = [
        Neighbour::serving(Arc::clone(&empty) as _).await,
        Neighbour::serving(empty).await,
    ];
    let useful = Neighbour::serving(store(&manifest, &bytes, &manifest.all_fragments())).await;
    let all = [&useless[0], &useless[1], &useful].map(|neighbour| neighbour.source.clone());
    let limits = Limits {
        sources: 1,
        find_interval: Duration::from_millis(100),
        ..Limits::default()
    };
    let fetching = Fetching::new(&manifest, Known(all.to_vec()), limits);
    let hints = vec![useless[0].source.clone()];
    assert_eq!(fetching.run_with(hints).await.expect("one has it").used.len(), 1);
    fetching.assert_complete(&bytes);
}

#[tokio::test]
async fn a_content_without_room_is_refused() {
    let (manifest, _) = content(FRAGMENT);
    let fetching = Fetching::new(&manifest, Known(vec![]), Limits::default());
    fetching
        .store
        .forget(manifest.content())
        .expect("it was prepared");
    assert_eq!(
        fetching.run().await.expect_err("not prepared").code(),
        ErrorCode::NotFound
    );
}
