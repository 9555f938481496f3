//! Tests of the `Transfer` service on the wire.

mod limit;

use std::sync::Arc;
use std::time::Duration;

use proto::v1::transfer_client::TransferClient;
use shared::runtime::Tasks;
use tonic::Code;
use tonic::transport::Channel;

use super::*;
use crate::tests::neighbour::{Gate, Neighbour, Tampered, content, hold, some, store};
use store::StoreError;

const FRAGMENT: usize = 64 << 10;

fn client(neighbour: &Neighbour) -> TransferClient<Channel> {
    TransferClient::new(proto::dial::channel(&neighbour.source.address).expect("a loopback address"))
}

fn id(manifest: &Manifest) -> bytes::Bytes {
    manifest.content().as_bytes().to_vec().into()
}

fn request(manifest: &Manifest, ranges: &[(u32, u32, u32)]) -> v1::FetchRequest {
    let range = |&(fragment, first_block, block_count)| v1::BlockRange {
        fragment,
        first_block,
        block_count,
    };
    v1::FetchRequest {
        content_id: id(manifest),
        ranges: ranges.iter().map(range).collect(),
        with_leaves: true,
        if_new: false,
    }
}

/// Reads a stream to its end; returns its messages and its status.
async fn drain<T>(mut stream: tonic::Streaming<T>) -> (Vec<T>, Result<(), Status>) {
    let mut messages = Vec::new();
    loop {
        match tokio::time::timeout(Duration::from_secs(30), stream.message())
            .await
            .expect("a stream goes on")
        {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, Ok(())),
            Err(status) => return (messages, Err(status)),
        }
    }
}

#[tokio::test]
async fn blocks_come_in_order_with_the_leaves_first() {
    let (manifest, bytes) = content(2 * FRAGMENT + 100);
    let neighbour = Neighbour::serving(store(&manifest, &bytes, &manifest.all_fragments())).await;
    let asked = request(&manifest, &[(2, 0, 1), (0, 1, 2), (1, 0, 4)]);
    let stream = client(&neighbour).fetch(asked).await.expect("held").into_inner();
    let (chunks, ended) = drain(stream).await;
    ended.expect("a regular end");
    let heads: Vec<_> = chunks
        .iter()
        .map(|chunk| (chunk.fragment, chunk.first_block, chunk.leaves.len()))
        .collect();
    // A fragment of four blocks comes in as many chunks.
    let (first, second) = (
        [(0, 1, 4 * 32), (0, 2, 0)],
        [(1, 0, 4 * 32), (1, 1, 0), (1, 2, 0), (1, 3, 0)],
    );
    assert_eq!(heads, [&[(2, 0, 32)][..], &first, &second].concat());
    let data: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.data.to_vec()).collect();
    let asked = [
        &bytes[2 * FRAGMENT..],
        &bytes[FRAGMENT / 4..FRAGMENT * 3 / 4],
        &bytes[FRAGMENT..2 * FRAGMENT],
    ];
    assert_eq!(data, asked.concat());
    assert_eq!(neighbour.counters.sent(), (100 + FRAGMENT / 2 + FRAGMENT) as u64);
}

#[tokio::test]
async fn hostile_requests_are_refused() {
    let (manifest, bytes) = content(2 * FRAGMENT + 100);
    let neighbour = Neighbour::serving(store(&manifest, &bytes, &some(&manifest, [0, 2]))).await;
    let mut client = client(&neighbour);
    let max = u32::MAX;
    for ranges in [
        &[][..],
        &[(0, 0, 0)],
        &[(3, 0, 1)],
        &[(max, 0, 1)],
        &[(0, 0, 5)],
        &[(0, 4, 1)],
        &[(0, max, 1)],
        &[(0, 1, max)],
        &[(0, max, max)],
        &[(2, 0, 2)],
        &[(0, 0, 1), (max, max, max)],
        &[(0, 0, 1); 65],
    ] {
        let status = client
            .fetch(request(&manifest, ranges))
            .await
            .expect_err("hostile");
        assert_eq!(status.code(), Code::InvalidArgument, "{ranges:?}: {status}");
    }
    for content_id in [vec![], vec![0; 31], vec![0; 33], vec![7; 1 << 20]] {
        let asked = v1::FetchRequest {
            content_id: content_id.into(),
            ..request(&manifest, &[(0, 0, 1)])
        };
        assert_eq!(
            client.fetch(asked).await.expect_err("no content id").code(),
            Code::InvalidArgument
        );
    }
    let unknown = v1::FetchRequest {
        content_id: vec![7; 32].into(),
        ..request(&manifest, &[(0, 0, 1)])
    };
    assert_eq!(
        client.fetch(unknown).await.expect_err("unknown").code(),
        Code::NotFound
    );
    let lacking = request(&manifest, &[(0, 0, 1), (1, 0, 1)]);
    assert_eq!(
        client.fetch(lacking).await.expect_err("not held").code(),
        Code::NotFound
    );
    let dispute = v1::DisputeRequest {
        content_id: id(&manifest),
        fragment: max,
    };
    assert_eq!(
        client
            .dispute(dispute)
            .await
            .expect_err("no such fragment")
            .code(),
        Code::InvalidArgument
    );
    assert_eq!((neighbour.counters.sent(), neighbour.counters.uploads()), (0, 0));
}

#[tokio::test]
async fn slots_and_places_in_line_bound_the_uploads() {
    let (manifest, bytes) = content(FRAGMENT);
    let (gate, keeper) = Gate::closed_after(0);
    let gated = Tampered::gated(store(&manifest, &bytes, &manifest.all_fragments()), &gate);
    let neighbour = Neighbour::start(gated, 1, Tasks::new()).await;
    let mut client = client(&neighbour);
    let asked = request(&manifest, &[(0, 0, 4)]);
    let mut served = Vec::new();
    for _ in 0..=UPLOADS_IN_LINE {
        let stream = client.fetch(asked.clone()).await.expect("there is a place");
        served.push(stream.into_inner());
    }
    assert_eq!(neighbour.counters.uploads() as usize, 1 + UPLOADS_IN_LINE);
    let status = client.fetch(asked.clone()).await.expect_err("the line is full");
    assert_eq!(status.code(), Code::ResourceExhausted);
    keeper.open();
    for stream in served {
        drain(stream).await.1.expect("a regular end");
    }
    drain(
        client
            .fetch(asked)
            .await
            .expect("there is room again")
            .into_inner(),
    )
    .await
    .1
    .expect("a regular end");
    assert_eq!(neighbour.counters.uploads(), 0);
}

#[tokio::test]
async fn a_fragment_asked_for_only_if_new_is_handed_out_once() {
    let (manifest, bytes) = content(2 * FRAGMENT);
    let (gate, keeper) = Gate::closed_after(0);
    let gated = Tampered::gated(store(&manifest, &bytes, &manifest.all_fragments()), &gate);
    let neighbour = Neighbour::serving(gated).await;
    let mut client = client(&neighbour);
    let new = |fragment| v1::FetchRequest {
        if_new: true,
        ..request(&manifest, &[(fragment, 0, 4)])
    };
    let first = client.fetch(new(0)).await.expect("it is new").into_inner();
    let status = client
        .fetch(new(0))
        .await
        .expect_err("it is being sent to another peer");
    assert_eq!(status.code(), Code::AlreadyExists);
    let other = client.fetch(new(1)).await.expect("this one is new").into_inner();
    let in_any_case = client.fetch(request(&manifest, &[(0, 0, 4)])).await;
    drop((other, in_any_case.expect("others may ask all the same")));
    keeper.open();
    drain(first).await.1.expect("a regular end");
    let status = client.fetch(new(0)).await.expect_err("it was sent a moment ago");
    assert_eq!(status.code(), Code::AlreadyExists);
    let broken_off = async {
        while client.fetch(new(1)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, broken_off)
        .await
        .expect("no peer has the other one");
}

#[tokio::test]
async fn a_copy_found_damaged_while_it_is_sent_ends_the_upload() {
    let (manifest, bytes) = content(2 * FRAGMENT);
    let inner = store(&manifest, &bytes, &manifest.all_fragments());
    let content = manifest.content();
    let damaged = Tampered::new(Arc::clone(&inner), move |index, _, _| {
        Err(StoreError::Damaged { content, index })
    });
    let neighbour = Neighbour::serving(damaged).await;
    let stream = client(&neighbour)
        .fetch(request(&manifest, &[(1, 0, 4)]))
        .await
        .expect("held")
        .into_inner();
    let (chunks, ended) = drain(stream).await;
    assert_eq!(
        (chunks.len(), ended.expect_err("damaged").code()),
        (0, Code::DataLoss)
    );
    // A store withdraws itself what it cannot read; by now the content may have another place, and be right.
    assert!(inner.entry(content).expect("kept").held.is_full());
}

#[tokio::test]
async fn a_dispute_withdraws_a_bad_copy_and_spares_a_good_one() {
    let (manifest, bytes) = content(2 * FRAGMENT);
    for is_bad in [false, true] {
        let inner = store(&manifest, &bytes, &manifest.all_fragments());
        let served: Arc<dyn FragmentStore> = if is_bad {
            Tampered::lying(Arc::clone(&inner))
        } else {
            Arc::clone(&inner) as _
        };
        let neighbour = Neighbour::serving(served).await;
        let dispute = v1::DisputeRequest {
            content_id: id(&manifest),
            fragment: 1,
        };
        let reply = client(&neighbour)
            .dispute(dispute)
            .await
            .expect("held")
            .into_inner();
        assert_eq!(reply.is_damaged, is_bad);
        assert_eq!(
            inner.entry(manifest.content()).expect("kept").held.len(),
            if is_bad { 1 } else { 2 }
        );
    }
}

#[tokio::test]
async fn one_dispute_is_verified_at_a_time() {
    let (manifest, bytes) = content(FRAGMENT);
    let (gate, keeper) = Gate::closed_after(0);
    let gated = Tampered::gated(store(&manifest, &bytes, &manifest.all_fragments()), &gate);
    let neighbour = Neighbour::serving(gated).await;
    let dispute = || {
        let mut client = client(&neighbour);
        let request = v1::DisputeRequest {
            content_id: id(&manifest),
            fragment: 0,
        };
        async move { client.dispute(request).await }
    };
    // Both are in progress; the second one is refused while the first waits at the gate.
    let (mut one, mut two) = (Box::pin(dispute()), Box::pin(dispute()));
    let (refused, other) = tokio::select! {
        ended = &mut one => (ended, two),
        ended = &mut two => (ended, one),
    };
    assert_eq!(
        refused.expect_err("one at a time").code(),
        Code::ResourceExhausted
    );
    keeper.open();
    assert!(!other.await.expect("verified").into_inner().is_damaged);
}

#[tokio::test]
async fn a_follower_hears_of_every_change_until_the_content_is_gone() {
    let (manifest, bytes) = content(9 * FRAGMENT);
    let growing = store(&manifest, &bytes, &manifest.no_fragments());
    let neighbour = Neighbour::serving(Arc::clone(&growing) as _).await;
    let follow = v1::FollowRequest {
        content_id: id(&manifest),
    };
    let mut bitmaps = client(&neighbour)
        .follow(follow.clone())
        .await
        .expect("being fetched")
        .into_inner();
    let mut next = async || {
        let reply = tokio::time::timeout(Duration::from_secs(30), bitmaps.message())
            .await
            .expect("told in time");
        reply
            .expect("the stream lives")
            .map(|reply| reply.fragments.to_vec())
    };
    assert_eq!(next().await, Some(vec![0, 0]));
    hold(&*growing, &manifest, &bytes, &some(&manifest, [0, 8]));
    assert_eq!(next().await, Some(vec![1, 1]));
    growing
        .withdraw(manifest.content(), &some(&manifest, [0]))
        .expect("held");
    assert_eq!(next().await, Some(vec![0, 1]));
    growing.forget(manifest.content()).expect("kept");
    assert_eq!(next().await, None);
    assert_eq!(
        client(&neighbour)
            .follow(follow)
            .await
            .expect_err("forgotten")
            .code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn a_manifest_is_described_as_it_is() {
    let (manifest, bytes) = content(3 * FRAGMENT);
    let neighbour = Neighbour::serving(store(&manifest, &bytes, &manifest.no_fragments())).await;
    let asked = v1::DescribeRequest {
        content_id: id(&manifest),
    };
    let reply = client(&neighbour)
        .describe(asked)
        .await
        .expect("kept")
        .into_inner();
    assert_eq!(Manifest::try_from(reply.manifest.expect("sent")), Ok(manifest));
}

/// Makes a relay at which the first block of a fragment has arrived.
fn arriving(manifest: &Manifest, bytes: &[u8]) -> (Arc<dyn FragmentStore>, Arrivals, impl Fn(u32) + use<>) {
    let index = manifest.index(0).expect("a fragment");
    let store: Arc<dyn FragmentStore> = Arc::new(store::MemoryStore::new(1 << 30));
    let wanted = manifest.all_fragments();
    store
        .prepare(manifest, store::Purpose::Assigned(wanted))
        .expect("there is room");
    let first_fragment = bytes[..FRAGMENT].to_vec();
    let leaves = shared::hash::leaves(&first_fragment);
    let proof = shared::hash::FragmentProof::verify(manifest, index, leaves).expect("true leaves");
    let arrivals = Arrivals::default();
    let arrival = arrivals.begin(manifest.content(), &proof);
    let (content, relay) = (manifest.content(), Arc::clone(&store));
    let bring = move |block: u32| {
        let from = (block * BLOCK_LENGTH) as usize;
        let blocks = proof
            .check(block, &first_fragment[from..from + BLOCK_LENGTH as usize])
            .expect("true bytes");
        relay.write(content, blocks).expect("prepared");
        arrival.advance(block + 1);
    };
    bring(0);
    (store, arrivals, bring)
}

#[tokio::test]
async fn blocks_are_passed_on_as_they_arrive() {
    let (manifest, bytes) = content(2 * FRAGMENT);
    let (store, arrivals, bring) = arriving(&manifest, &bytes);
    let relay = Neighbour::relaying(store, arrivals).await;
    let mut following = client(&relay)
        .follow(v1::FollowRequest {
            content_id: id(&manifest),
        })
        .await
        .expect("known")
        .into_inner();
    let availability = following
        .message()
        .await
        .expect("a stream")
        .expect("a first bitmap");
    assert_eq!(
        (&availability.fragments[..], &availability.coming[..]),
        (&[0][..], &[1][..])
    );

    let mut stream = client(&relay)
        .fetch(request(&manifest, &[(0, 0, 4)]))
        .await
        .expect("arriving")
        .into_inner();
    for block in 0..4 {
        let chunk = stream.message().await.expect("a stream").expect("a chunk");
        assert_eq!(
            (chunk.first_block, chunk.data.len()),
            (block, BLOCK_LENGTH as usize),
            "no more than has arrived"
        );
        assert_eq!(chunk.leaves.len(), if block == 0 { 4 * 32 } else { 0 });
        if block < 3 {
            bring(block + 1);
        }
    }
    assert!(stream.message().await.expect("a regular end").is_none());
}

#[tokio::test]
async fn a_fragment_that_no_longer_arrives_is_not_waited_for() {
    let (manifest, bytes) = content(2 * FRAGMENT);
    let (store, arrivals, bring) = arriving(&manifest, &bytes);
    let relay = Neighbour::relaying(store, arrivals).await;
    let mut stream = client(&relay)
        .fetch(request(&manifest, &[(0, 0, 4)]))
        .await
        .expect("arriving")
        .into_inner();
    assert!(stream.message().await.expect("a stream").is_some());
    drop(bring);
    let ended = stream.message().await.expect_err("it was given up");
    assert_eq!(ended.code(), Code::NotFound);
    let refused = client(&relay)
        .fetch(request(&manifest, &[(1, 0, 1)]))
        .await
        .expect_err("neither held nor arriving");
    assert_eq!(refused.code(), Code::NotFound);
}
