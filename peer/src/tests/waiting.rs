//! Tests of the reasons that a waiting fetch gives.

use shared::model::{ByteRate, FetchStanding, ReasonCode};

use super::neighbour::stranger;
use super::*;

/// Asks until the answer names this reason; returns the answer.
async fn says(fetcher: &Fetcher, content: ContentId, code: ReasonCode) -> FetchStanding {
    let asking = async {
        loop {
            let standing = fetcher.explain(content).await.unwrap_or_default();
            if standing.reasons.iter().any(|reason| reason.code == code) {
                return standing;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let said = tokio::time::timeout(Duration::from_secs(60), asking).await;
    said.expect("in time")
}

#[tokio::test]
async fn no_peer_holds_the_missing_fragments() {
    let (manifest, bytes) = content(4 * FRAGMENT);
    let half = Neighbour::serving(store(&manifest, &bytes, &some(&manifest, 0..2))).await;
    let fetching = Fetching::from(&manifest, &[&half]);
    assert_eq!(
        fetching.fetcher.explain(manifest.content()).await,
        None,
        "nothing is fetched"
    );
    let ask = async {
        fetching
            .until(|progress| progress.held_bytes == 2 * FRAGMENT as u64)
            .await;
        let standing = says(&fetching.fetcher, manifest.content(), ReasonCode::NoSource).await;
        assert_eq!(standing.held_bytes, 2 * FRAGMENT as u64);
        assert_eq!((standing.length, standing.sources), (4 * FRAGMENT as u64, 0));
        assert_eq!(fetching.fetcher.contents(), [manifest.content()]);
        fetching.cancel.cancel();
    };
    let (ended, ()) = tokio::join!(fetching.run(), ask);
    assert_eq!(ended.expect_err("cancelled").code(), ErrorCode::Cancelled);
}

#[tokio::test]
async fn who_joins_a_fetch_for_a_damaged_fragment_gets_it_anew() {
    let (manifest, bytes) = content(4 * FRAGMENT);
    let half = Neighbour::serving(store(&manifest, &bytes, &some(&manifest, 0..2))).await;
    let fetching = Fetching::from(&manifest, &[&half]);
    let join = async {
        fetching
            .until(|progress| progress.held_bytes == 2 * FRAGMENT as u64)
            .await;
        // The first fetch waits for the other half; a repair of what is damaged meanwhile joins it.
        let damaged = some(&manifest, 0..1);
        let kept = Arc::clone(&fetching.store);
        kept.withdraw(manifest.content(), &damaged).expect("it is held");
        let (progress, cancel) = (watch::Sender::default(), CancellationToken::new());
        let repair = fetching
            .fetcher
            .fetch(&manifest, damaged, vec![], progress, cancel);
        let repaired = tokio::time::timeout(Duration::from_secs(60), repair).await;
        repaired.expect("in time").expect("the source has it");
        let held = kept.entry(manifest.content()).expect("it is here").held;
        assert_eq!(
            held,
            some(&manifest, 0..2),
            "it is held again, and not only said to be"
        );
        fetching.cancel.cancel();
    };
    let (ended, ()) = tokio::join!(fetching.run(), join);
    assert_eq!(ended.expect_err("cancelled").code(), ErrorCode::Cancelled);
}

#[tokio::test]
async fn the_limit_on_downloads_holds_the_fetch_up() {
    let (manifest, bytes) = content(32 * FRAGMENT);
    let source = Neighbour::serving(store(&manifest, &bytes, &manifest.all_fragments())).await;
    let fetching = Fetching::from(&manifest, &[&source]);
    fetching.fetcher.limiter().set(ByteRate::new(1));
    let ask = async {
        says(&fetching.fetcher, manifest.content(), ReasonCode::DownloadLimit).await;
        fetching.fetcher.limiter().set(None);
    };
    let (fetched, ()) = tokio::join!(fetching.run(), ask);
    fetched.expect("it goes on");
    fetching.assert_complete(&bytes);
}

#[tokio::test]
async fn other_fetches_have_taken_all_the_memory() {
    let (first, bytes) = content(FRAGMENT);
    let (gate, keeper) = Gate::closed_after(0);
    let hanging = Tampered::gated(store(&first, &bytes, &first.all_fragments()), &gate);
    let hanging = Neighbour::serving(hanging).await;
    let limits = Limits {
        total_in_flight_bytes: FRAGMENT as u64,
        stall: Duration::from_secs(60),
        ..Limits::default()
    };
    let fetching = Fetching::new(&first, Known(vec![hanging.source.clone()]), limits);

    let (second, bytes) = content(2 * FRAGMENT);
    let willing = Neighbour::serving(store(&second, &bytes, &second.all_fragments())).await;
    let prepared = Purpose::Assigned(second.all_fragments());
    fetching.store.prepare(&second, prepared).expect("there is room");
    let (progress, cancel) = (watch::Sender::default(), CancellationToken::new());
    let hints = vec![willing.source.clone()];
    let of_second = async {
        gate.is_reached().await;
        let all = second.all_fragments();
        fetching
            .fetcher
            .fetch(&second, all, hints, progress, cancel)
            .await
    };
    let ask = async {
        says(&fetching.fetcher, second.content(), ReasonCode::MemoryBudget).await;
        keeper.open();
    };
    let (one, other, ()) = tokio::join!(fetching.run(), of_second, ask);
    one.expect("it goes on");
    other.expect("and then there is room");
}

#[tokio::test]
async fn a_program_that_is_no_peer_is_not_called_out_of_reach() {
    let (manifest, _) = content(2 * FRAGMENT);
    let tasks = shared::runtime::Tasks::new();
    let stranger = stranger(&tasks).await;
    let foreign = Waiting::Foreign(stranger.address.to_string());
    let fetching = Fetching::new(&manifest, Known(vec![stranger]), Limits::default());
    let ask = async {
        fetching
            .until(|progress| progress.waiting_for.as_ref() == Some(&foreign))
            .await;
        let standing = says(&fetching.fetcher, manifest.content(), ReasonCode::Foreign).await;
        assert_eq!(standing.reasons[0].detail, foreign.to_string());
        fetching.cancel.cancel();
    };
    let (ended, ()) = tokio::join!(fetching.run(), ask);
    assert_eq!(ended.expect_err("cancelled").code(), ErrorCode::Cancelled);
    tasks.token().cancel();
}
