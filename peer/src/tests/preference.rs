//! Tests of the preference for near sources, and of the faults that are recorded.

use super::*;

#[tokio::test]
async fn near_sources_are_preferred() {
    let (manifest, bytes) = content(5 * FRAGMENT);
    let all = store(&manifest, &bytes, &manifest.all_fragments());
    let mut near = Neighbour::serving(Arc::clone(&all) as _).await;
    let zone: Zone = "rack-a".parse().expect("a zone");
    near.source.zone = Some(zone.clone());
    let mut others = Vec::new();
    for name in ["rack-b", "rack-c", "rack-d"] {
        let mut other = Neighbour::serving(Arc::clone(&all) as _).await;
        other.source.zone = Some(name.parse().expect("a zone"));
        others.push(other);
    }
    let known = others.iter().chain([&near]).map(|other| other.source.clone());
    let only_one = Limits {
        sources: 1,
        ..Limits::default()
    };
    let fetching = Fetching::in_zone(Some(zone), &manifest, Known(known.collect()), only_one);
    fetching.run().await.expect("it has everything");
    fetching.assert_complete(&bytes);
    assert_eq!(near.counters.sent(), bytes.len() as u64, "only it was asked");
}

#[tokio::test]
async fn a_source_that_is_overtaken_in_silence_is_named() {
    let (manifest, bytes) = content(FRAGMENT);
    let all = store(&manifest, &bytes, &manifest.all_fragments());
    let (gate, _keeper) = Gate::closed_after(0);
    let silent = Neighbour::serving(Tampered::gated(Arc::clone(&all), &gate)).await;
    let lively = Neighbour::serving(all).await;
    let fetching = Fetching::from(&manifest, &[]);
    let story = async {
        gate.is_reached().await;
        // A second caller brings another source to the same job.
        fetching.run_with(vec![lively.source.clone()]).await
    };
    let (first, second) = tokio::join!(fetching.run_with(vec![silent.source.clone()]), story);
    first.expect("the lively one has it");
    second.expect("the lively one has it");
    fetching.assert_complete(&bytes);
    assert_eq!(
        fetching.source_faults(),
        [(silent.source.peer, FaultKind::Stalled, 1)]
    );
    assert_eq!(fetching.fetcher.counters().wasted(), 0, "it sent nothing at all");
}
