//! Tests of the limit on uploads.

use std::sync::Arc;
use std::time::Duration;

use proto::v1;
use shared::model::{ByteRate, Manifest};
use shared::runtime::{Clock, Tasks};
use tokio_stream::StreamExt as _;

use super::super::slots::Place;
use super::super::{DEFAULT_UPLOAD_SLOTS, TransferService, UPLOADS_IN_LINE};
use crate::fetch::{Arrivals, Counters};
use crate::tests::neighbour::{content, store};

const MIB: u64 = 1 << 20;

/// Longest time that a test takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn service(manifest: &Manifest, bytes: &[u8]) -> TransferService {
    TransferService::new(
        store(manifest, bytes, &manifest.all_fragments()),
        Tasks::new(),
        Counters::new(),
        Arrivals::default(),
        Clock::system(),
        DEFAULT_UPLOAD_SLOTS,
    )
}

/// Takes some fragments as quickly as they come; returns the number of bytes.
async fn fetch(service: &TransferService, manifest: &Manifest, fragments: std::ops::Range<u32>) -> u64 {
    let whole = |fragment| v1::BlockRange {
        fragment,
        first_block: 0,
        block_count: manifest.blocks_of(manifest.index(fragment).expect("within the content")),
    };
    let request = v1::FetchRequest {
        content_id: manifest.content().as_bytes().to_vec().into(),
        ranges: fragments.map(whole).collect(),
        with_leaves: false,
        if_new: false,
    };
    let mut chunks = service.open_upload(request).await.expect("held");
    let mut bytes = 0;
    while let Some(sending) = chunks.next().await {
        bytes += sending.expect("a chunk").chunk.data.len() as u64;
    }
    bytes
}

#[tokio::test]
async fn uploads_together_take_as_long_as_the_limit_says() {
    let (manifest, bytes) = content(2 * 1024 * 1024);
    let service = service(&manifest, &bytes);
    service.limiter().set(ByteRate::new(MIB));
    let clock = Clock::system();
    let begun = clock.now();
    let (one, other) = tokio::time::timeout(PATIENCE, async {
        tokio::join!(
            fetch(&service, &manifest, 0..16),
            fetch(&service, &manifest, 16..32)
        )
    })
    .await
    .expect("a limit stops nothing");
    let took = clock.now().since(begun);
    assert_eq!(one + other, 2 * MIB);
    // Half a MiB goes at once; a clock of milliseconds may be one off.
    assert!(
        took >= Duration::from_millis(1_490),
        "{took:?} for 2 MiB at 1 MiB/s"
    );
}

#[tokio::test]
async fn an_upload_that_waits_goes_on_when_the_limit_is_lifted() {
    let (manifest, bytes) = content(2 * 1024 * 1024);
    let service = service(&manifest, &bytes);
    service.limiter().set(ByteRate::new(1));
    let counters = Arc::clone(&service.counters);
    let lift = async {
        // An upload after the burst waits for days.
        while counters.sent() < 256 << 10 {
            tokio::task::yield_now().await;
        }
        service.limiter().set(None);
    };
    let both = async { tokio::join!(fetch(&service, &manifest, 0..32), lift) };
    let (received, ()) = tokio::time::timeout(PATIENCE, both).await.expect("it goes on");
    assert_eq!(received, 2 * MIB);
}

#[tokio::test]
async fn a_receiver_that_goes_away_while_it_waits_frees_its_slot() {
    let (manifest, bytes) = content(2 * 1024 * 1024);
    let service = service(&manifest, &bytes);
    service.limiter().set(ByteRate::new(1));
    let leaves = tokio::time::timeout(Duration::from_millis(50), fetch(&service, &manifest, 0..32)).await;
    leaves.expect_err("it waits for days");
    let all_again = async {
        let mut places: Vec<Place> = Vec::new();
        while places.len() < DEFAULT_UPLOAD_SLOTS + UPLOADS_IN_LINE {
            match service.slots.enter() {
                Some(place) => places.push(place),
                None => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, all_again)
        .await
        .expect("given back");
}
