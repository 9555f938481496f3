//! Micro-benchmarks of code that runs for every block, fragment or event: `cargo bench -p tests`.
//!
//! They find slower code. `cargo bench-enjambre` measures the speed of transfers.

use std::num::NonZeroUsize;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use peer::fetch::scheduler::{Action, Bounds, Event, Scheduler};
use prost::Message as _;
use proto::messages::Chunk;
use proto::v1::FetchChunk;
use rand::rngs::SmallRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use shared::hash::{hash_content, leaf, leaves};
use shared::model::{FragmentIndex, FragmentLength, FragmentSet, PeerId, Timestamp};

const MIB: usize = 1 << 20;

/// Fragments of a large content.
const FRAGMENTS: u32 = 4096;

/// Sources of a large swarm.
const SOURCES: u16 = 1000;

fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SmallRng::seed_from_u64(7).fill_bytes(&mut bytes);
    bytes
}

fn hashing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hashing");
    let bytes = random_bytes(64 * MIB);
    group.throughput(Throughput::Bytes(MIB as u64));
    group.bench_function("leaves of 1 MiB", |bencher| {
        bencher.iter(|| leaves(&bytes[..MIB]));
    });
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    let all = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    for threads in [1, all] {
        let threads = NonZeroUsize::new(threads).expect("one or more");
        group.bench_with_input(
            BenchmarkId::new("content of 64 MiB, threads", threads),
            &threads,
            |bencher, threads| {
                let length = bytes.len() as u64;
                bencher.iter(|| {
                    hash_content(bytes.as_slice(), length, FragmentLength::MIN, *threads, |_, _| {
                        Ok(())
                    })
                });
            },
        );
    }
    group.finish();
}

/// About half of the fragments.
fn random_half(random: &mut SmallRng) -> FragmentSet {
    let mut set = FragmentSet::empty(FRAGMENTS);
    for fragment in FragmentSet::full(FRAGMENTS).iter() {
        if random.random_bool(0.5) {
            set.insert(fragment);
        }
    }
    set
}

fn fragment_sets(criterion: &mut Criterion) {
    let mut random = SmallRng::seed_from_u64(7);
    let (a, b) = (random_half(&mut random), random_half(&mut random));
    let bytes = a.to_bytes();
    let mut group = criterion.benchmark_group("set of 4096 fragments");
    group.bench_function("union", |bencher| {
        bencher.iter_batched_ref(|| a.clone(), |set| set.union_with(&b), BatchSize::SmallInput);
    });
    // Disjoint sets, so that every word of them is read.
    let rest = a.complement();
    group.bench_function("intersects", |bencher| bencher.iter(|| a.intersects(&rest)));
    group.bench_function("is a subset", |bencher| bencher.iter(|| a.is_subset(&a)));
    group.bench_function("count", |bencher| bencher.iter(|| a.len()));
    group.bench_function("walk", |bencher| {
        bencher.iter(|| a.iter().map(FragmentIndex::get).fold(0, u32::wrapping_add));
    });
    group.bench_function("to bytes", |bencher| bencher.iter(|| a.to_bytes()));
    group.bench_function("from bytes", |bencher| {
        bencher.iter(|| FragmentSet::from_bytes(FRAGMENTS, &bytes));
    });
    group.finish();
}

fn source(number: u16) -> PeerId {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    // Id 0 must not be all zeros.
    id[15] = 1;
    PeerId::from_bytes(id)
}

/// A fetch of everything in a large swarm, and the requests that it has made so far.
fn large_swarm() -> (Scheduler, Vec<Action>) {
    let mut random = SmallRng::seed_from_u64(7);
    let bounds = Bounds {
        per_source: 4,
        in_all: 64,
    };
    let own = PeerId::from_bytes([0xff; 16]);
    let now = Timestamp::from_millis(0);
    let mut scheduler = Scheduler::new(own, FragmentSet::empty(FRAGMENTS), bounds, 7);
    let mut actions = Vec::new();
    for number in 0..SOURCES {
        let source = source(number);
        actions.extend(scheduler.apply(
            now,
            Event::Joined {
                source,
                is_near: number % 4 == 0,
            },
        ));
        let has = Event::Has {
            source,
            fragments: random_half(&mut random),
            coming: FragmentSet::empty(FRAGMENTS),
        };
        actions.extend(scheduler.apply(now, has));
    }
    actions.extend(scheduler.apply(now, Event::Want(FragmentSet::full(FRAGMENTS))));
    (scheduler, actions)
}

fn requests(actions: Vec<Action>) -> impl Iterator<Item = (PeerId, FragmentIndex)> {
    actions.into_iter().filter_map(|action| match action {
        Action::Request { source, fragment, .. } => Some((source, fragment)),
        _ => None,
    })
}

/// Answers this many requests, oldest first, one a millisecond.
fn serve(scheduler: &mut Scheduler, actions: Vec<Action>, count: u64) {
    let mut waiting: std::collections::VecDeque<_> = requests(actions).collect();
    for now in 1..=count {
        let (source, fragment) = waiting.pop_front().expect("most fragments are still missing");
        let delivered = Event::Delivered { source, fragment };
        waiting.extend(requests(scheduler.apply(Timestamp::from_millis(now), delivered)));
    }
}

fn scheduling(criterion: &mut Criterion) {
    const DELIVERIES: u64 = 256;
    let mut group = criterion.benchmark_group("scheduler, 1000 sources of 4096 fragments");
    group.sample_size(10);
    group.throughput(Throughput::Elements(DELIVERIES));
    group.bench_function("a fragment is delivered (256 of them)", |bencher| {
        let serve = |(mut scheduler, actions)| {
            serve(&mut scheduler, actions, DELIVERIES);
            scheduler // dropped outside of the measurement
        };
        bencher.iter_batched(large_swarm, serve, BatchSize::PerIteration);
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("a source says what it has", |bencher| {
        let half = random_half(&mut SmallRng::seed_from_u64(8));
        let (mut scheduler, _) = large_swarm();
        let mut sets = [half.complement(), half].into_iter().cycle();
        let next = || Event::Has {
            source: source(0),
            fragments: sets.next().expect("a cycle has no end"),
            coming: FragmentSet::empty(FRAGMENTS),
        };
        bencher.iter_batched(
            next,
            |event| scheduler.apply(Timestamp::from_millis(1), event),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("a tick", |bencher| {
        let (mut scheduler, _) = large_swarm();
        bencher.iter(|| scheduler.apply(Timestamp::from_millis(1), Event::Tick));
    });
    group.finish();
}

fn framing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunk of 512 KiB");
    let data = bytes::Bytes::from(random_bytes(MIB / 2));
    let chunk = || Chunk {
        fragment: 17,
        first_block: 32,
        leaves: vec![leaf(b"a leaf"); 64],
        data: data.clone(),
    };
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("encode", |bencher| {
        bencher.iter_batched(
            chunk,
            |chunk| FetchChunk::from(chunk).encode_to_vec(),
            BatchSize::SmallInput,
        );
    });
    let encoded = bytes::Bytes::from(FetchChunk::from(chunk()).encode_to_vec());
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let wire = FetchChunk::decode(encoded.clone()).expect("we encoded it");
            Chunk::try_from(wire).expect("we encoded it")
        });
    });
    group.finish();
}

/// Long enough to notice a difference of a tenth, short enough to be run often.
fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = micro;
    config = quick();
    targets = hashing, fragment_sets, scheduling, framing
}
criterion_main!(micro);
