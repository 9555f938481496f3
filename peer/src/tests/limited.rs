//! Tests of fetches under a limit on downloads.

use shared::model::ByteRate;

use super::*;

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn a_fetch_takes_as_long_as_the_limit_says() {
    let (manifest, bytes) = content(32 * FRAGMENT);
    let first = Neighbour::serving(store(&manifest, &bytes, &manifest.all_fragments())).await;
    let second = Neighbour::serving(store(&manifest, &bytes, &manifest.all_fragments())).await;
    let fetching = Fetching::from(&manifest, &[&first, &second]);
    fetching.fetcher.limiter().set(ByteRate::new(MIB));
    let fetched = fetching.run().await.expect("a limit stops nothing");
    fetching.assert_complete(&bytes);
    // Half a MiB comes at once; a clock of milliseconds may be one off.
    assert!(
        fetched.elapsed >= Duration::from_millis(1_490),
        "{:?} for 2 MiB at 1 MiB/s",
        fetched.elapsed
    );
}

#[tokio::test]
async fn a_fetch_that_waits_goes_on_when_the_limit_is_lifted() {
    let (manifest, bytes) = content(32 * FRAGMENT);
    let source = Neighbour::serving(store(&manifest, &bytes, &manifest.all_fragments())).await;
    let fetching = Fetching::from(&manifest, &[&source]);
    fetching.fetcher.limiter().set(ByteRate::new(1));
    let lift = async {
        // A request after the burst waits for days.
        fetching.until(|progress| progress.held_bytes >= 256 << 10).await;
        fetching.fetcher.limiter().set(None);
    };
    let (fetched, ()) = tokio::join!(fetching.run(), lift);
    fetched.expect("it goes on");
    fetching.assert_complete(&bytes);
}

#[tokio::test]
async fn a_fetch_that_waits_can_be_cancelled() {
    let (manifest, bytes) = content(32 * FRAGMENT);
    let source = Neighbour::serving(store(&manifest, &bytes, &manifest.all_fragments())).await;
    let fetching = Fetching::from(&manifest, &[&source]);
    fetching.fetcher.limiter().set(ByteRate::new(1));
    let cancel = async {
        fetching.until(|progress| progress.held_bytes >= 256 << 10).await;
        fetching.cancel.cancel();
    };
    let (fetched, ()) = tokio::join!(fetching.run(), cancel);
    assert_eq!(fetched.expect_err("cancelled").code(), ErrorCode::Cancelled);
}

#[tokio::test]
async fn sources_are_not_slow_while_they_wait_for_our_limit() {
    let (manifest, bytes) = content(24 * FRAGMENT);
    let all = store(&manifest, &bytes, &manifest.all_fragments());
    let sources = [
        Neighbour::serving(Arc::clone(&all) as _).await,
        Neighbour::serving(Arc::clone(&all) as _).await,
        Neighbour::serving(all).await,
    ];
    let fetching = Fetching::from(&manifest, &sources.each_ref());
    // Half a MiB comes at once, and makes everything after it look slow: the rest takes four seconds.
    fetching.fetcher.limiter().set(ByteRate::new(MIB / 4));
    let fetched = fetching.run().await.expect("a limit stops nothing");
    assert_eq!(fetched.received_bytes, bytes.len() as u64, "once is enough");
    assert_eq!((fetched.wasted_bytes, fetching.source_faults()), (0, vec![]));
    let words = fetching.progress.borrow().waiting_for.clone();
    assert_eq!(words, None, "it is we who are slow");
}
