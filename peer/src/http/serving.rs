//! The bytes of a content on their way to a client: what is missing is fetched, everything is verified, then sent.
//!
//! It goes in windows: while one is sent the next is fetched, so a file begins to arrive before all of it is here, and
//! memory is bounded whatever its length. The first window is here before the answer begins, so that what cannot be had is
//! told as an error and not as an answer that breaks off. After that an answer that cannot be completed breaks off: it
//! is shorter than it said, which no client takes for the whole.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use proto::RemoteError;
use shared::ErrorCode;
use shared::hash::FragmentProof;
use shared::model::{BLOCK_LENGTH, ContentId, FragmentIndex, FragmentSet, Manifest, Source};
use shared::runtime::OnExit;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::blocking::{told, try_blocking};
use crate::fetch::Progress;
use crate::rpc::ControlParts;
use crate::store::{DiskStore, FragmentStore as _, StoreError};

/// No window is longer, unless it is one fragment: enough for several sources to work on.
const WINDOW: u64 = 32 << 20;

/// Read, verified and sent at a time.
const PIECE_BLOCKS: u32 = (512 << 10) / BLOCK_LENGTH;

/// Pieces read ahead of the connection.
const PIECES_AHEAD: usize = 2;

/// A client that takes nothing for so long is left.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// Longer than a holder takes to restart or the tracker to find others; shorter than clients and proxies wait.
const PATIENCE: Duration = Duration::from_secs(45);

/// How often is looked whether anything comes.
const LOOK: Duration = Duration::from_secs(1);

/// A part of a content that is to be sent.
pub(super) struct Serving {
    pub(super) parts: Arc<ControlParts>,
    pub(super) manifest: Manifest,
    /// Who to begin to fetch from.
    pub(super) sources: Vec<Source>,
    /// Not empty.
    pub(super) range: Range<u64>,
    /// The client's place among those that are served.
    pub(super) place: OwnedSemaphorePermit,
}

type Pieces = mpsc::Sender<io::Result<Bytes>>;

impl Serving {
    /// Begins to send: when it returns, the first window is here.
    ///
    /// # Errors
    /// When what is missing of the first window cannot be fetched.
    pub(super) async fn begin(self) -> Result<Body, RemoteError> {
        let first = self.window(self.range.start, 1);
        self.fetch(&first).await?;
        let (pieces, stream) = mpsc::channel(PIECES_AHEAD);
        let tasks = self.parts.tasks.clone();
        let token = tasks.token().clone();
        tasks.spawn("http-download", OnExit::Continue, async move {
            let content = self.manifest.content();
            let sent = tokio::select! {
                sent = self.send(first, &pieces) => sent,
                () = pieces.closed() => Ok(()),
                () = token.cancelled() => Err(RemoteError::new(ErrorCode::Unavailable, "this node is stopping")),
            };
            drop(self.place);
            if let Err(error) = sent {
                debug!(%content, %error, "an answer breaks off");
                // A client that is gone needs no error.
                drop(pieces.try_send(Err(io::Error::other(error))));
            }
        });
        Ok(Body::from_stream(ReceiverStream::new(stream)))
    }

    /// The fragments from the byte `at` on: at least one, and at most so many bytes.
    fn window(&self, at: u64, bytes: u64) -> FragmentSet {
        let mut window = self.manifest.no_fragments();
        let end = at.saturating_add(bytes.max(1)).min(self.range.end);
        let mut next = at;
        while next < end {
            let Some(index) = self.manifest.fragment_at(next) else {
                break;
            };
            window.insert(index);
            next = self.manifest.range(index).end;
        }
        window
    }

    async fn send(&self, first: FragmentSet, pieces: &Pieces) -> Result<(), RemoteError> {
        let mut window = first;
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
            let (sent, fetched) = tokio::join!(self.send_window(&window, pieces), fetching);
            sent?;
            fetched?;
            match next {
                Some(next) => window = next,
                None => return Ok(()),
            }
        }
    }

    async fn send_window(&self, window: &FragmentSet, pieces: &Pieces) -> Result<(), RemoteError> {
        for index in window.iter() {
            let (store, content) = (Arc::clone(&self.parts.store), self.manifest.content());
            let proof = Arc::new(try_blocking(move || store.proof(content, index)).await?);
            let fragment = self.manifest.range(index);
            let from = self.range.start.max(fragment.start) - fragment.start;
            let to = self.range.end.min(fragment.end) - fragment.start;
            let mut at = from;
            while at < to {
                let piece = self.piece(&proof, index, at, to).await?;
                at += piece.len() as u64;
                let sending = tokio::time::timeout(SEND_TIMEOUT, pieces.send(Ok(piece)));
                let slow = |_| RemoteError::new(ErrorCode::DeadlineExceeded, "the client takes nothing");
                let gone = |_| RemoteError::new(ErrorCode::Cancelled, "the client has gone away");
                sending.await.map_err(slow)?.map_err(gone)?;
            }
        }
        Ok(())
    }

    /// Some bytes of a fragment, verified: from `from`, and up to `to` at most.
    async fn piece(
        &self,
        proof: &Arc<FragmentProof>,
        index: FragmentIndex,
        from: u64,
        to: u64,
    ) -> Result<Bytes, RemoteError> {
        let (store, proof, manifest) = (
            Arc::clone(&self.parts.store),
            Arc::clone(proof),
            self.manifest.clone(),
        );
        try_blocking(move || read(&store, &manifest, &proof, index, from..to)).await
    }

    /// Fetches what is not held of a window.
    async fn fetch(&self, window: &FragmentSet) -> Result<(), RemoteError> {
        let content = self.manifest.content();
        let (store, wanted) = (Arc::clone(&self.parts.store), window.clone());
        let is_held = move || {
            let entry = store.entry(content).ok_or(StoreError::UnknownContent(content))?;
            Ok::<_, StoreError>(entry.held.capacity() == wanted.capacity() && wanted.is_subset(&entry.held))
        };
        if try_blocking(is_held).await? {
            return Ok(());
        }
        let (progress, shown) = watch::channel(Progress::default());
        let cancel = CancellationToken::new();
        // Also when this future is dropped.
        let _cancel_on_drop = cancel.clone().drop_guard();
        let (sources, window) = (self.sources.clone(), window.clone());
        let fetching = self
            .parts
            .fetcher
            .fetch(&self.manifest, window, sources, progress, cancel.clone());
        tokio::select! {
            fetched = fetching => fetched.map(drop).map_err(|error| told(&error)),
            why = stalled(shown) => Err(RemoteError::new(ErrorCode::Unavailable, why)),
        }
    }
}

/// Completes when nothing has come for too long: what is being waited for.
async fn stalled(shown: watch::Receiver<Progress>) -> String {
    let mut had = (0, 0);
    let mut quiet = Duration::ZERO;
    while quiet < PATIENCE {
        tokio::time::sleep(LOOK).await;
        let now = shown.borrow();
        let has = (now.held_bytes, now.received_bytes);
        quiet = if has == had { quiet + LOOK } else { Duration::ZERO };
        had = has;
    }
    let why = shown.borrow().waiting_for.clone().unwrap_or_default();
    format!(
        "nothing came from other peers for {}s{}{why}",
        PATIENCE.as_secs(),
        if why.is_empty() { "" } else { ": " }
    )
}

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
    let bytes = store.read(content, index, span)?;
    if proof.check(first, &bytes).is_err() {
        return Err(withdraw(store, manifest, content, index)?);
    }
    let start = u64::from(first) * block;
    let cut = |at: u64| {
        usize::try_from(at.saturating_sub(start))
            .unwrap_or(usize::MAX)
            .min(bytes.len())
    };
    Ok(bytes.slice(cut(range.start)..cut(range.end)))
}

/// What does not match is not held any longer, so that it is repaired.
fn withdraw(
    store: &DiskStore,
    manifest: &Manifest,
    content: ContentId,
    index: FragmentIndex,
) -> Result<StoreError, StoreError> {
    let mut damaged = manifest.no_fragments();
    damaged.insert(index);
    store.withdraw(content, &damaged)?;
    Ok(StoreError::Damaged { content, index })
}
