//! Reading a content, or a range of it, as a sequence of bytes: missing fragments are fetched, every block is
//! verified, then handed on.
//!
//! Reading goes in windows: while one is handed on the next is fetched, so the first bytes come before the
//! last ones are here, and memory is bounded whatever the length. The receiver of the bytes may be slow:
//! nothing is fetched further ahead than one window. A content that cannot be completed ends with an error,
//! or early when nobody takes that error, so that callers count the bytes that they pass on.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shared::hash::FragmentProof;
use shared::model::{BLOCK_LENGTH, FragmentIndex, FragmentSet, Manifest, Name, Source};
use shared::runtime::OnExit;
use shared::{ErrorCode, Failure};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::collection::file_in;
use super::report::FetchTally;
use super::resolve::{Wanted, WantedKind};
use super::spoiled::{ATTEMPTS, unless_spoiled};
use super::{Node, stopping};
use store::{DiskStore, FragmentStore as _, Purpose, Role, StoreError, read_verified};

/// Bytes of the longest window, unless it is one fragment: enough for several sources to work on.
const WINDOW: u64 = 32 << 20;

/// Blocks that are read, verified and handed on together.
const PIECE_BLOCKS: u32 = (512 << 10) / BLOCK_LENGTH;

/// Pieces that wait for a slow receiver.
const PIECES_AHEAD: usize = 2;

/// The time that a receiver has to take the pieces that wait before it is told why no more come.
const TELLING: Duration = Duration::from_secs(10);

/// The time between two looks at whether anything comes.
const LOOK: Duration = Duration::from_secs(1);

/// A content, or a file inside a collection, that can be read as bytes.
pub(crate) struct Readable {
    pub(crate) name: Name,
    pub(crate) manifest: Manifest,
    /// The peers to fetch from first.
    sources: Vec<Source>,
    /// The bytes of the file in the content: all of it, unless the file lies in a pack of a collection.
    pub(crate) span: Range<u64>,
}

/// The limits on waiting; none waits for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadTimeouts {
    /// For any bytes to come from other peers.
    pub(crate) sources: Option<Duration>,
    /// For the receiver to take a piece.
    pub(crate) receiver: Option<Duration>,
}

impl Readable {
    /// Returns the bytes that are wanted. The catalog of a collection may have to be fetched for that.
    ///
    /// # Errors
    /// [`ErrorCode::FailedPrecondition`] for a directory; the errors of fetching a catalog.
    pub(crate) async fn of(node: &Node, wanted: Wanted) -> Result<Self, Failure> {
        let name = wanted.name.clone();
        let (manifest, sources, span) = match wanted.kind.clone() {
            WantedKind::File => {
                let span = 0..wanted.manifest.length();
                (wanted.manifest, wanted.sources, span)
            }
            WantedKind::Inside(path) => file_in(node, wanted, &path).await?,
            WantedKind::Collection => {
                let why =
                    format!("{name} is a directory; ask for a file in it, `peer list {name}` shows them");
                return Err(Failure::new(ErrorCode::FailedPrecondition, why));
            }
        };
        Ok(Self {
            name,
            manifest,
            sources,
            span,
        })
    }

    /// Makes a reader of a range of the content, and room for its missing fragments. Returns none when
    /// fragments are missing and may not be fetched.
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) async fn open(
        self,
        node: &Arc<Node>,
        range: Range<u64>,
        may_fetch: bool,
    ) -> Result<Option<ContentReader>, Failure> {
        let entry = node.entry(self.manifest.content()).await?;
        // A content that was here before may be cut into other fragments than the catalogue says.
        let mut manifest = entry
            .as_ref()
            .map_or(self.manifest, |entry| entry.manifest.clone());
        let mut held = entry.map_or_else(|| manifest.no_fragments(), |entry| entry.held);
        let needed = manifest.fragments_in(&range);
        if !needed.is_subset(&held) {
            if !may_fetch {
                return Ok(None);
            }
            let purpose = Purpose::Collected {
                role: Role::Fetched,
                name: Some(self.name.clone()),
                fragments: needed,
            };
            let prepare = node.with_store(move |store| store.prepare(&manifest, purpose));
            let entry = prepare.await?;
            (manifest, held) = (entry.manifest, entry.held);
        }
        Ok(Some(ContentReader {
            node: Arc::clone(node),
            name: self.name,
            may_fetch,
            already_held: manifest.bytes_in(&held).min(range.end - range.start),
            manifest,
            sources: self.sources,
            range,
            timeouts: ReadTimeouts::default(),
            tally: FetchTally::default(),
        }))
    }
}

/// Reads a range of a content.
pub(crate) struct ContentReader {
    node: Arc<Node>,
    name: Name,
    /// Whether missing fragments may be fetched.
    may_fetch: bool,
    manifest: Manifest,
    sources: Vec<Source>,
    range: Range<u64>,
    already_held: u64,
    timeouts: ReadTimeouts,
    tally: FetchTally,
}

/// The bytes in their order; nothing comes after an error.
pub(crate) type Pieces = mpsc::Receiver<Result<Bytes, Failure>>;

impl ContentReader {
    /// Sets limits on waiting.
    pub(crate) const fn with_timeouts(mut self, timeouts: ReadTimeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The sum over the fetches of all windows.
    pub(super) fn tally(&self) -> FetchTally {
        self.tally.clone()
    }

    /// Bytes of the range that were here before, at most.
    pub(super) const fn already_held(&self) -> u64 {
        self.already_held
    }

    /// Begins to read. Dropping the pieces ends the reading; `permit` is dropped when it has ended.
    pub(crate) fn start(self, permit: impl Send + 'static) -> Pieces {
        let (receiver, pieces) = mpsc::channel(PIECES_AHEAD);
        let tasks = self.node.tasks.clone();
        let token = tasks.token().clone();
        tasks.spawn("read-content", OnExit::Continue, async move {
            let sent = tokio::select! {
                sent = self.send(&receiver) => sent,
                () = receiver.closed() => Ok(()),
                () = token.cancelled() => Err(stopping()),
            };
            drop(permit);
            if let Err(error) = sent {
                drop(tokio::time::timeout(TELLING, receiver.send(Err(error))).await);
            }
        });
        pieces
    }

    /// Returns the fragments from the byte `at` on: at least one, and at most as many as `bytes` touch.
    fn window(&self, at: u64, bytes: u64) -> FragmentSet {
        let end = at.saturating_add(bytes.max(1)).min(self.range.end);
        self.manifest.fragments_in(&(at..end))
    }

    async fn send(&self, receiver: &mpsc::Sender<Result<Bytes, Failure>>) -> Result<(), Failure> {
        let mut window = self.window(self.range.start, 1);
        self.fetch(&window).await?;
        let mut length = u64::from(self.manifest.fragment_length().get());
        loop {
            let end = window.iter().map(|index| self.manifest.range(index).end).max();
            let next = end.filter(|end| *end < self.range.end).map(|end| {
                // Longer ones as it goes on: the beginning comes soon, the rest quickly.
                length = (length * 2).min(WINDOW);
                self.window(end, length)
            });
            let fetching = async {
                match &next {
                    Some(next) => self.fetch(next).await,
                    None => Ok(()),
                }
            };
            let (sent, fetched) = tokio::join!(self.send_window(&window, receiver), fetching);
            sent?;
            fetched?;
            match next {
                Some(next) => window = next,
                None => return Ok(()),
            }
        }
    }

    async fn send_window(
        &self,
        window: &FragmentSet,
        receiver: &mpsc::Sender<Result<Bytes, Failure>>,
    ) -> Result<(), Failure> {
        let content = self.manifest.content();
        for index in window.iter() {
            let fragment = self.manifest.range(index);
            let from = self.range.start.max(fragment.start) - fragment.start;
            let to = self.range.end.min(fragment.end) - fragment.start;
            let (mut at, mut proof, mut attempt) = (from, None, self.first_attempt());
            while at < to {
                let (known, manifest) = (proof.take(), self.manifest.clone());
                let reading = move |store: &Arc<DiskStore>| {
                    let proof = match known {
                        Some(proof) => proof,
                        None => store.proof(content, index)?,
                    };
                    let piece = read(store, &manifest, &proof, index, at..to)?;
                    Ok::<_, StoreError>((piece, proof))
                };
                let Some((piece, of)) = unless_spoiled(&self.node, attempt, reading).await? else {
                    attempt += 1;
                    self.fetch(&self.manifest.only(index)).await?;
                    continue;
                };
                proof = Some(of);
                at += piece.len() as u64;
                let gone = |_| Failure::new(ErrorCode::Cancelled, "the client has gone away");
                tokio::select! {
                    sent = receiver.send(Ok(piece)) => sent.map_err(gone)?,
                    () = over(self.timeouts.receiver) => {
                        return Err(Failure::new(ErrorCode::DeadlineExceeded, "the client takes nothing"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the number of the first attempt to read: of who may not fetch, the last one.
    const fn first_attempt(&self) -> u32 {
        if self.may_fetch { 1 } else { ATTEMPTS }
    }

    /// Fetches the fragments of a window that are not held. Of a user's file that has changed nothing is left
    /// from one moment to the next, so the content gets a place of its own first.
    async fn fetch(&self, window: &FragmentSet) -> Result<(), Failure> {
        let content = self.manifest.content();
        let wanted = window.clone();
        let is_held = self.node.with_store(move |store| {
            let entry = store.entry(content).ok_or(StoreError::UnknownContent(content))?;
            Ok::<_, StoreError>(entry.held.capacity() == wanted.capacity() && wanted.is_subset(&entry.held))
        });
        if is_held.await? {
            return Ok(());
        }
        if self.may_fetch {
            let manifest = self.manifest.clone();
            let purpose = Purpose::Collected {
                role: Role::Fetched,
                name: Some(self.name.clone()),
                fragments: self.manifest.fragments_in(&self.range),
            };
            let prepare = self
                .node
                .with_store(move |store| store.prepare(&manifest, purpose));
            prepare.await?;
        }
        let cancel = CancellationToken::new();
        // Also when this future is dropped.
        let _cancel_on_drop = cancel.clone().drop_guard();
        let (sources, window) = (self.sources.clone(), window.clone());
        tokio::select! {
            fetched = self.tally.fetch(&self.node, &self.manifest, window, sources, &cancel) => fetched,
            why = stalled(&self.tally, self.timeouts.sources) => Err(Failure::new(ErrorCode::Unavailable, why)),
        }
    }
}

/// Completes after a time, or never when there is no limit.
async fn over(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

/// Completes when nothing has come for too long; returns the reason.
async fn stalled(tally: &FetchTally, limit: Option<Duration>) -> String {
    let Some(limit) = limit else {
        return std::future::pending().await;
    };
    let mut had = (0, 0);
    let mut quiet = Duration::ZERO;
    while quiet < limit {
        tokio::time::sleep(LOOK).await;
        let now = tally.now();
        let has = (now.held_bytes, now.received_bytes);
        quiet = if has == had { quiet + LOOK } else { Duration::ZERO };
        had = has;
    }
    let why = tally.now().waiting_for;
    let why = why.map_or_else(String::new, |why| why.to_string());
    format!(
        "nothing came from other peers for {}s{}{why}",
        limit.as_secs(),
        if why.is_empty() { "" } else { ": " }
    )
}

/// Reads some bytes of a fragment, verified: from the start of the range, and up to its end at most.
fn read(
    store: &DiskStore,
    manifest: &Manifest,
    proof: &FragmentProof,
    index: FragmentIndex,
    range: Range<u64>,
) -> Result<Bytes, StoreError> {
    let content = manifest.content();
    let blocks = manifest.blocks_of(index);
    let block = u64::from(BLOCK_LENGTH);
    let first = u32::try_from(range.start / block).unwrap_or(u32::MAX);
    let last = u32::try_from(range.end.div_ceil(block))
        .unwrap_or(u32::MAX)
        .min(blocks);
    let count = last.saturating_sub(first).min(PIECE_BLOCKS);
    let span = manifest
        .span(index, first, count)
        .ok_or(StoreError::OtherFragments(content))?;
    let bytes = read_verified(store, manifest, proof, span)?;
    let start = u64::from(first) * block;
    let cut = |at: u64| {
        usize::try_from(at.saturating_sub(start))
            .unwrap_or(usize::MAX)
            .min(bytes.len())
    };
    Ok(bytes.slice(cut(range.start)..cut(range.end)))
}
