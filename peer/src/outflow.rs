//! A content, or a part of it, as a sequence of bytes: what is missing is fetched, everything is verified, then handed on.
//!
//! It goes in windows: while one is handed on the next is fetched, so the bytes begin to come before all of them are here, and
//! memory is bounded whatever the length. Whoever is given them ([`crate::http`] sends them to `curl`, [`crate::rpc`] to
//! `peer get --output -`) may be slow: nothing is fetched further ahead than a window. What cannot be completed ends with an
//! error, or, when nobody takes that, early: whoever passes the bytes on counts them.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use proto::RemoteError;
use shared::ErrorCode;
use shared::hash::FragmentProof;
use shared::model::{BLOCK_LENGTH, ContentId, FragmentIndex, FragmentSet, Manifest, Name, Source};
use shared::runtime::OnExit;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::blocking::{blocking, told, try_blocking};
use crate::fetch::Progress;
use crate::rpc::ControlParts;
use crate::rpc::control::collection;
use crate::rpc::control::get::Wanted;
use crate::store::{DiskStore, FragmentStore as _, Purpose, Role, StoreError};

/// No window is longer, unless it is one fragment: enough for several sources to work on.
const WINDOW: u64 = 32 << 20;

/// Read, verified and handed on at a time.
const PIECE_BLOCKS: u32 = (512 << 10) / BLOCK_LENGTH;

/// Pieces read ahead of whoever takes them.
const PIECES_AHEAD: usize = 2;

/// Who has not taken the pieces that are left after so long is not told why no more come.
const TELLING: Duration = Duration::from_secs(10);

/// How often is looked whether anything comes.
const LOOK: Duration = Duration::from_secs(1);

/// What can be read as a sequence of bytes.
pub(crate) struct Found {
    pub(crate) name: Name,
    pub(crate) manifest: Manifest,
    /// Who to begin to fetch from.
    sources: Vec<Source>,
    /// Where the file lies in the content: all of it, unless it lies in a pack of a collection.
    pub(crate) span: Range<u64>,
}

/// How long is waited; none: for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    /// For anything to come from other peers.
    pub(crate) sources: Option<Duration>,
    /// For what has come to be taken.
    pub(crate) taker: Option<Duration>,
}

/// How the fetching of what is missing goes, over all windows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course(Arc<Mutex<Windows>>);

#[derive(Debug, Default)]
struct Windows {
    received: u64,
    wasted: u64,
    sources_used: u32,
    /// Of the window that is being fetched.
    current: Option<watch::Receiver<Progress>>,
}

/// What has been fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coursed {
    pub(crate) received: u64,
    pub(crate) wasted: u64,
    /// The most that served one window.
    pub(crate) sources_used: u32,
    /// Sources that are sending now.
    pub(crate) sources: u32,
    pub(crate) waiting_for: Option<String>,
}

impl Course {
    fn windows(&self) -> std::sync::MutexGuard<'_, Windows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> (watch::Sender<Progress>, watch::Receiver<Progress>) {
        let (progress, shown) = watch::channel(Progress::default());
        self.windows().current = Some(shown.clone());
        (progress, shown)
    }

    fn end(&self, received: u64, wasted: u64, sources_used: u32) {
        let mut windows = self.windows();
        windows.current = None;
        windows.received += received;
        windows.wasted += wasted;
        windows.sources_used = windows.sources_used.max(sources_used);
    }

    /// How it stands now.
    pub(crate) fn now(&self) -> Coursed {
        let windows = self.windows();
        let current = windows.current.as_ref();
        let current = current.map_or_else(Progress::default, |current| current.borrow().clone());
        Coursed {
            received: windows.received + current.received_bytes,
            wasted: windows.wasted + current.wasted_bytes,
            sources_used: windows.sources_used,
            sources: current.sources,
            waiting_for: current.waiting_for,
        }
    }
}

impl Found {
    /// What the wanted thing is as bytes. Of a file in a collection the catalog may have to be fetched.
    ///
    /// # Errors
    /// [`ErrorCode::FailedPrecondition`] for a directory; what cannot be fetched.
    pub(crate) async fn of(parts: &ControlParts, wanted: Wanted) -> Result<Self, RemoteError> {
        let Some(inside) = wanted.collection.clone() else {
            return Ok(Self {
                name: wanted.name,
                span: 0..wanted.manifest.length(),
                manifest: wanted.manifest,
                sources: wanted.sources,
            });
        };
        let name = wanted.name.clone();
        let Some(inside) = inside else {
            let why = format!("{name} is a directory; ask for a file in it, `peer list {name}` shows them");
            return Err(RemoteError::new(ErrorCode::FailedPrecondition, why));
        };
        let (manifest, sources, span) = collection::file_in(parts, wanted, &inside).await?;
        Ok(Self {
            name,
            manifest,
            sources,
            span,
        })
    }

    /// Makes room for what is missing of a range of the content, if anything is and it may be fetched; none when it may not.
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) async fn prepare(
        self,
        parts: &Arc<ControlParts>,
        range: Range<u64>,
        may_fetch: bool,
    ) -> Result<Option<Outflow>, RemoteError> {
        let (store, content) = (Arc::clone(&parts.store), self.manifest.content());
        let entry = blocking(move || store.entry(content)).await?;
        // A content that was here before may be cut into other fragments than the catalogue says.
        let mut manifest = entry
            .as_ref()
            .map_or(self.manifest, |entry| entry.manifest.clone());
        let mut held = entry.map_or_else(|| manifest.no_fragments(), |entry| entry.held);
        let needed = fragments(&manifest, &range);
        if !needed.is_subset(&held) {
            if !may_fetch {
                return Ok(None);
            }
            let (store, wanted) = (Arc::clone(&parts.store), manifest);
            let purpose = Purpose::Collected {
                role: Role::Fetched,
                name: Some(self.name),
                fragments: needed,
            };
            let entry = try_blocking(move || store.prepare(&wanted, purpose)).await?;
            (manifest, held) = (entry.manifest, entry.held);
        }
        Ok(Some(Outflow {
            parts: Arc::clone(parts),
            already_held: manifest.bytes_in(&held).min(range.end - range.start),
            manifest,
            sources: self.sources,
            range,
            patience: Patience::default(),
            course: Course::default(),
        }))
    }
}

/// The fragments that a range of bytes touches.
fn fragments(manifest: &Manifest, range: &Range<u64>) -> FragmentSet {
    let mut touched = manifest.no_fragments();
    let mut next = range.start;
    while next < range.end {
        let Some(index) = manifest.fragment_at(next) else {
            break;
        };
        touched.insert(index);
        next = manifest.range(index).end;
    }
    touched
}

/// A part of a content that is to be handed on.
pub(crate) struct Outflow {
    parts: Arc<ControlParts>,
    manifest: Manifest,
    sources: Vec<Source>,
    range: Range<u64>,
    already_held: u64,
    patience: Patience,
    course: Course,
}

/// The bytes, in their order; after an error nothing.
pub(crate) type Pieces = mpsc::Receiver<Result<Bytes, RemoteError>>;

type Taker = mpsc::Sender<Result<Bytes, RemoteError>>;

impl Outflow {
    /// With so much patience.
    pub(crate) const fn patient(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// How the fetching goes.
    pub(crate) fn course(&self) -> Course {
        self.course.clone()
    }

    /// How many of the bytes were here already, at most.
    pub(crate) const fn already_held(&self) -> u64 {
        self.already_held
    }

    /// Begins. Dropping the pieces ends it, and `done` is dropped whenever it has ended.
    pub(crate) fn start(self, done: impl Send + 'static) -> Pieces {
        let (taker, pieces) = mpsc::channel(PIECES_AHEAD);
        let tasks = self.parts.tasks.clone();
        let token = tasks.token().clone();
        tasks.spawn("outflow", OnExit::Continue, async move {
            let sent = tokio::select! {
                sent = self.send(&taker) => sent,
                () = taker.closed() => Ok(()),
                () = token.cancelled() => Err(RemoteError::new(ErrorCode::Unavailable, "this node is stopping")),
            };
            drop(done);
            if let Err(error) = sent {
                drop(tokio::time::timeout(TELLING, taker.send(Err(error))).await);
            }
        });
        pieces
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

    async fn send(&self, taker: &Taker) -> Result<(), RemoteError> {
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
            let (sent, fetched) = tokio::join!(self.send_window(&window, taker), fetching);
            sent?;
            fetched?;
            match next {
                Some(next) => window = next,
                None => return Ok(()),
            }
        }
    }

    async fn send_window(&self, window: &FragmentSet, taker: &Taker) -> Result<(), RemoteError> {
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
                let gone = |_| RemoteError::new(ErrorCode::Cancelled, "the client has gone away");
                tokio::select! {
                    sent = taker.send(Ok(piece)) => sent.map_err(gone)?,
                    () = over(self.patience.taker) => {
                        return Err(RemoteError::new(ErrorCode::DeadlineExceeded, "the client takes nothing"));
                    }
                }
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
        let (progress, shown) = self.course.begin();
        let cancel = CancellationToken::new();
        // Also when this future is dropped.
        let _cancel_on_drop = cancel.clone().drop_guard();
        let (sources, window) = (self.sources.clone(), window.clone());
        let fetching = self
            .parts
            .fetcher
            .fetch(&self.manifest, window, sources, progress, cancel.clone());
        let fetched = tokio::select! {
            fetched = fetching => fetched.map_err(|error| told(&error))?,
            why = stalled(shown, self.patience.sources) => return Err(RemoteError::new(ErrorCode::Unavailable, why)),
        };
        self.course
            .end(fetched.received_bytes, fetched.wasted_bytes, fetched.sources_used);
        Ok(())
    }
}

/// Completes after so long, if there is an end to it.
async fn over(patience: Option<Duration>) {
    match patience {
        Some(patience) => tokio::time::sleep(patience).await,
        None => std::future::pending().await,
    }
}

/// Completes when nothing has come for too long: what is being waited for.
async fn stalled(shown: watch::Receiver<Progress>, patience: Option<Duration>) -> String {
    let Some(patience) = patience else {
        return std::future::pending().await;
    };
    let mut had = (0, 0);
    let mut quiet = Duration::ZERO;
    while quiet < patience {
        tokio::time::sleep(LOOK).await;
        let now = shown.borrow();
        let has = (now.held_bytes, now.received_bytes);
        quiet = if has == had { quiet + LOOK } else { Duration::ZERO };
        had = has;
    }
    let why = shown.borrow().waiting_for.clone().unwrap_or_default();
    format!(
        "nothing came from other peers for {}s{}{why}",
        patience.as_secs(),
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
