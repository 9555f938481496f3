//! Other peers for tests: real services on a real port, over stores that may be tampered with.

use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use proto::accept::{Door, Services, serve};
use shared::hash::{ContentHasher, FragmentProof, VerifiedBlocks, leaves};
use shared::model::{
    BlockSpan, ContentId, FragmentIndex, FragmentLength, FragmentSet, Manifest, PeerId, Source, SourceRank,
};
use shared::runtime::{OnExit, Tasks};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};

use crate::fetch::{Counters, FindSources};
use crate::rpc::{DEFAULT_UPLOAD_SLOTS, TransferService};
use store::{Entry, FragmentStore, MemoryStore, Purpose, Role, StoreError, Usage};

/// Makes some bytes and their manifest, in the shortest fragments.
pub(crate) fn content(length: usize) -> (Manifest, Vec<u8>) {
    let bytes: Vec<u8> = (0..length).map(|i| (i * 31 / 7 % 251).to_le_bytes()[0]).collect();
    let mut hasher = ContentHasher::new(length as u64, FragmentLength::MIN);
    hasher.update(&bytes);
    (hasher.finish().expect("the length is right"), bytes)
}

/// Returns the fragments with these numbers.
pub(crate) fn some(manifest: &Manifest, numbers: impl IntoIterator<Item = u32>) -> FragmentSet {
    let mut set = manifest.no_fragments();
    for number in numbers {
        set.insert(manifest.index(number).expect("within the content"));
    }
    set
}

fn fragment<'a>(manifest: &Manifest, bytes: &'a [u8], index: FragmentIndex) -> &'a [u8] {
    let range = manifest.range(index);
    &bytes[usize::try_from(range.start).expect("small")..usize::try_from(range.end).expect("small")]
}

/// Makes a store that has made room for the content and holds these fragments of it.
pub(crate) fn store(manifest: &Manifest, bytes: &[u8], holds: &FragmentSet) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new(1 << 30));
    store
        .prepare(manifest, Purpose::Assigned(manifest.all_fragments()))
        .expect("there is room");
    hold(&*store, manifest, bytes, holds);
    store
}

/// Writes and commits fragments.
pub(crate) fn hold(store: &dyn FragmentStore, manifest: &Manifest, bytes: &[u8], fragments: &FragmentSet) {
    let proofs: Vec<_> = fragments
        .iter()
        .map(|index| {
            let bytes = fragment(manifest, bytes, index);
            let proof = FragmentProof::verify(manifest, index, leaves(bytes)).expect("true leaves");
            store
                .write(manifest.content(), proof.check(0, bytes).expect("true bytes"))
                .expect("prepared");
            proof
        })
        .collect();
    store.commit(manifest.content(), &proofs).expect("written");
}

/// Reads the whole content from the store.
pub(crate) fn read_back(store: &dyn FragmentStore, manifest: &Manifest) -> Vec<u8> {
    manifest
        .indices()
        .flat_map(|index| {
            store
                .read(manifest.content(), index, manifest.whole(index))
                .expect("held")
        })
        .collect()
}

/// A peer that serves a store.
pub(crate) struct Neighbour {
    pub(crate) source: Source,
    pub(crate) tasks: Tasks,
    pub(crate) counters: Arc<Counters>,
}

impl Neighbour {
    pub(crate) async fn serving(store: Arc<dyn FragmentStore>) -> Self {
        Self::start(store, DEFAULT_UPLOAD_SLOTS, Tasks::new()).await
    }

    pub(crate) async fn start(store: Arc<dyn FragmentStore>, slots: usize, tasks: Tasks) -> Self {
        Self::open(store, crate::fetch::Arrivals::default(), slots, tasks).await
    }

    /// Makes a peer that passes on the fragments that are arriving there.
    pub(crate) async fn relaying(store: Arc<dyn FragmentStore>, arrivals: crate::fetch::Arrivals) -> Self {
        Self::open(store, arrivals, DEFAULT_UPLOAD_SLOTS, Tasks::new()).await
    }

    async fn open(
        store: Arc<dyn FragmentStore>,
        arrivals: crate::fetch::Arrivals,
        slots: usize,
        tasks: Tasks,
    ) -> Self {
        let counters = Counters::new();
        let service = TransferService::new(
            store,
            tasks.clone(),
            Arc::clone(&counters),
            arrivals,
            shared::runtime::Clock::system(),
            slots,
        );
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("bound").into();
        let (router, _health) = Services::new().add(service.into_server()).await.into_router();
        tasks.spawn(
            "neighbour",
            OnExit::Continue,
            serve(listener, router, tasks.clone(), Door::new()),
        );
        Self {
            source: Source {
                peer: PeerId::random(),
                address,
                zone: None,
                rank: SourceRank::Holder,
            },
            tasks,
            counters,
        }
    }
}

/// Returns a source at whose address a program answers that knows no request of a peer, for as long as the
/// tasks run.
pub(crate) async fn stranger(tasks: &Tasks) -> Source {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let address = listener.local_addr().expect("bound").into();
    let (router, _health) = Services::new().into_router();
    tasks.spawn(
        "stranger",
        OnExit::Continue,
        serve(listener, router, tasks.clone(), Door::new()),
    );
    Source {
        peer: PeerId::random(),
        address,
        zone: None,
        rank: SourceRank::Holder,
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.tasks.token().cancel();
    }
}

/// A finder that always gives the same answer.
pub(crate) struct Known(pub(crate) Vec<Source>);

impl FindSources for Known {
    fn find(&self, _: ContentId) -> BoxFuture<'_, Vec<Source>> {
        Box::pin(std::future::ready(self.0.clone()))
    }
}

/// A change to the bytes that are read.
type Tampering = Box<dyn Fn(FragmentIndex, BlockSpan, Bytes) -> Result<Bytes, StoreError> + Send + Sync>;

/// A store whose reads are tampered with.
pub(crate) struct Tampered {
    inner: Arc<MemoryStore>,
    tampering: Tampering,
}

impl Tampered {
    pub(crate) fn new(
        inner: Arc<MemoryStore>,
        tampering: impl Fn(FragmentIndex, BlockSpan, Bytes) -> Result<Bytes, StoreError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            inner,
            tampering: Box::new(tampering),
        })
    }

    /// Flips a bit in every read.
    pub(crate) fn lying(inner: Arc<MemoryStore>) -> Arc<Self> {
        Self::new(inner, |_, _, bytes| {
            let mut bytes = bytes.to_vec();
            bytes[0] ^= 1;
            Ok(bytes.into())
        })
    }

    /// Lets reads wait until the gate is open.
    pub(crate) fn gated(inner: Arc<MemoryStore>, gate: &Gate) -> Arc<Self> {
        let gate = gate.clone();
        Self::new(inner, move |_, _, bytes| {
            gate.pass();
            Ok(bytes)
        })
    }
}

impl std::fmt::Debug for Tampered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl FragmentStore for Tampered {
    fn entries(&self) -> Vec<Entry> {
        self.inner.entries()
    }
    fn entry(&self, content: ContentId) -> Option<Entry> {
        self.inner.entry(content)
    }
    fn prepare(&self, manifest: &Manifest, purpose: Purpose) -> Result<Entry, StoreError> {
        self.inner.prepare(manifest, purpose)
    }
    fn write(&self, content: ContentId, blocks: VerifiedBlocks<'_>) -> Result<(), StoreError> {
        self.inner.write(content, blocks)
    }
    fn commit(&self, content: ContentId, fragments: &[FragmentProof]) -> Result<(), StoreError> {
        self.inner.commit(content, fragments)
    }
    fn read(&self, content: ContentId, index: FragmentIndex, span: BlockSpan) -> Result<Bytes, StoreError> {
        (self.tampering)(index, span, self.inner.read(content, index, span)?)
    }
    fn proof(&self, content: ContentId, index: FragmentIndex) -> Result<FragmentProof, StoreError> {
        self.inner.proof(content, index)
    }
    fn withdraw(&self, content: ContentId, fragments: &FragmentSet) -> Result<(), StoreError> {
        self.inner.withdraw(content, fragments)
    }
    fn release(&self, content: ContentId, role: Role) -> Result<u64, StoreError> {
        self.inner.release(content, role)
    }
    fn forget(&self, content: ContentId) -> Result<u64, StoreError> {
        self.inner.forget(content)
    }
    fn give_back(&self, content: ContentId, fragments: &FragmentSet) -> Result<(), StoreError> {
        self.inner.give_back(content, fragments)
    }
    fn usage(&self) -> Usage {
        self.inner.usage()
    }
    fn subscribe(&self) -> broadcast::Receiver<ContentId> {
        self.inner.subscribe()
    }
}

/// A gate for threads: a few may pass while it is closed, then they wait. It opens at the end of the test, at
/// the latest.
#[derive(Clone)]
pub(crate) struct Gate(Arc<GateState>);

struct GateState {
    /// Number of threads that may still pass, and whether the gate is open.
    state: Mutex<(u32, bool)>,
    opened: Condvar,
    /// Whether a thread has come to the gate.
    is_reached: watch::Sender<bool>,
}

/// Opens the gate when it is dropped: a test that fails must not hang.
pub(crate) struct Keeper(Gate);

impl Gate {
    /// Lets `passes` reads through.
    pub(crate) fn closed_after(passes: u32) -> (Self, Keeper) {
        let state = Mutex::new((passes, false));
        let gate = Self(Arc::new(GateState {
            state,
            opened: Condvar::new(),
            is_reached: watch::Sender::new(false),
        }));
        (gate.clone(), Keeper(gate))
    }

    /// Waits until the first read has come to the gate.
    pub(crate) async fn is_reached(&self) {
        let mut is_reached = self.0.is_reached.subscribe();
        drop(
            is_reached
                .wait_for(|is_reached| *is_reached)
                .await
                .expect("the gate stands"),
        );
    }

    fn pass(&self) {
        self.0.is_reached.send_replace(true);
        let mut state = self.0.state.lock().expect("no panic inside");
        while state.0 == 0 && !state.1 {
            state = self.0.opened.wait(state).expect("no panic inside");
        }
        state.0 = state.0.saturating_sub(1);
    }
}

impl Keeper {
    pub(crate) fn open(&self) {
        self.0.0.state.lock().expect("no panic inside").1 = true;
        self.0.0.opened.notify_all();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.open();
    }
}
