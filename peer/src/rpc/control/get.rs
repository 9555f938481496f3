//! Getting a content: find out what it is, make room, fetch what is missing, put it where the user wants it.

use std::sync::Arc;
use std::time::Duration;

use proto::RemoteError;
use proto::messages::Locate;
use proto::messages::control::{Get, GetEvent};
use shared::model::{ContentRef, Manifest, Name, Source, Timestamp};
use shared::{Coded as _, ErrorCode};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::collection::is_there;
use super::{ControlParts, Events, caller_gone};
use crate::blocking::{blocking, told, try_blocking};
use crate::fetch::{FetchError, Fetched, Progress};
use crate::store::{Entry, FragmentStore as _, Place, Purpose, StoreError};

pub(super) const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// What turns out to be damaged when it is to be delivered is fetched again, so often in all: a disk on which everything rots
/// at once is not worth more.
const ATTEMPTS: u32 = 3;

/// What is to be got.
pub(crate) struct Wanted {
    pub(crate) name: Name,
    pub(crate) manifest: Manifest,
    pub(crate) sources: Vec<Source>,
    /// Of a collection: what of it; nothing means all.
    pub(crate) collection: Option<Option<String>>,
}

pub(super) async fn run(
    parts: Arc<ControlParts>,
    get: Get,
    events: Events<GetEvent>,
) -> Result<(), RemoteError> {
    let begun = parts.clock.now();
    let wanted = resolve(&parts, &get.content).await?;
    if wanted.collection.is_some() {
        return super::collection::get(parts, get, wanted, events).await;
    }
    if is_delivered(&parts, &get, &wanted.manifest).await? {
        return done_already(&parts, wanted, begun, &events).await;
    }
    let mut entry = prepare(&parts, &get, &wanted).await?;
    // A content that was here before may be cut into other fragments than the catalogue says.
    let manifest = entry.manifest.clone();
    let content = manifest.content();
    let already_held = manifest.bytes_in(&entry.held);
    let started = GetEvent::Started {
        name: wanted.name.clone(),
        content,
        length: manifest.length(),
        fragments: manifest.fragment_count(),
        already_held,
    };
    events.send(Ok(started)).await.map_err(caller_gone)?;
    let (mut received, mut wasted, mut sources_used) = (0, 0, 0);
    for attempt in 1.. {
        if !entry.held.is_full() {
            let sources = wanted.sources.clone();
            let fetched = fetch(&parts, &manifest, sources, already_held, &events).await?;
            received += fetched.received_bytes;
            wasted += fetched.wasted_bytes;
            sources_used = fetched.sources_used.max(sources_used);
        }
        if deliver(&parts, &get, &manifest, attempt == ATTEMPTS).await? {
            break;
        }
        // What was held is damaged, and not held any more.
        entry = prepare(&parts, &get, &wanted).await?;
    }
    let done = GetEvent::Done {
        content,
        length: manifest.length(),
        received,
        wasted,
        elapsed: parts.clock.now().since(begun),
        sources_used,
    };
    events.send(Ok(done)).await.map_err(caller_gone)
}

/// Whether these very bytes are where they are wanted, although nobody here put them there in place: in a copy, or by another
/// program. Then the same command twice ends well twice, and what is there stays untouched.
async fn is_delivered(parts: &ControlParts, get: &Get, manifest: &Manifest) -> Result<bool, RemoteError> {
    let (store, output, manifest) = (Arc::clone(&parts.store), get.output.clone(), manifest.clone());
    let look = move || {
        // In place it may be here in part.
        let is_place = |entry: &Entry| matches!(&entry.place, Place::File(path) if *path == output);
        !store
            .entry(manifest.content())
            .is_some_and(|entry| is_place(&entry))
            && is_there(&output, &manifest)
    };
    blocking(look).await
}

async fn done_already(
    parts: &ControlParts,
    wanted: Wanted,
    begun: Timestamp,
    events: &Events<GetEvent>,
) -> Result<(), RemoteError> {
    let (content, length) = (wanted.manifest.content(), wanted.manifest.length());
    let started = GetEvent::Started {
        name: wanted.name,
        content,
        length,
        fragments: wanted.manifest.fragment_count(),
        already_held: length,
    };
    events.send(Ok(started)).await.map_err(caller_gone)?;
    let done = GetEvent::Done {
        content,
        length,
        received: 0,
        wasted: 0,
        elapsed: parts.clock.now().since(begun),
        sources_used: 0,
    };
    events.send(Ok(done)).await.map_err(caller_gone)
}

/// What the name or id means now: the tracker says, or, when it is away, what this node has of it itself.
pub(crate) async fn resolve(parts: &ControlParts, content: &ContentRef) -> Result<Wanted, RemoteError> {
    match locate(parts, content).await {
        Err(error) if error.code() == ErrorCode::NotFound => match inside(parts, content).await? {
            Some(wanted) => Ok(wanted),
            None => Err(error),
        },
        wanted => wanted,
    }
}

/// A path in a collection: the longest beginning of the name that is bound to one.
async fn inside(parts: &ControlParts, content: &ContentRef) -> Result<Option<Wanted>, RemoteError> {
    let ContentRef::Name(name) = content else {
        return Ok(None);
    };
    let text = name.as_str();
    for (at, _) in text.rmatch_indices('/') {
        let Ok(name) = Name::new(&text[..at]) else {
            continue;
        };
        match locate(parts, &ContentRef::Name(name)).await {
            Ok(wanted) if wanted.collection.is_some() => {
                let collection = Some(Some(text[at + 1..].to_owned()));
                return Ok(Some(Wanted { collection, ..wanted }));
            }
            Err(error) if error.code() != ErrorCode::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(None)
}

async fn locate(parts: &ControlParts, content: &ContentRef) -> Result<Wanted, RemoteError> {
    let locate = Locate {
        content: content.clone(),
        max_holders: Locate::MAX_HOLDERS,
        except: Some(parts.identity.peer()),
    };
    let asked = match parts.network.connection_soon().await {
        Ok(connection) => connection.catalog.locate(&locate).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(location) => Ok(Wanted {
            collection: location.binding.collection.map(|_| None),
            name: location.binding.name,
            manifest: location.manifest,
            sources: location
                .holders
                .into_iter()
                .map(|holder| holder.peer.into())
                .collect(),
        }),
        Err(error) if error.code().is_retryable() => {
            // Only an id always means the same bytes; a name may have been bound anew meanwhile.
            let ContentRef::Id(id) = *content else {
                return Err(error);
            };
            let store = Arc::clone(&parts.store);
            let entry = blocking(move || store.entry(id)).await?.ok_or(error)?;
            let name = entry
                .name
                .clone()
                .or_else(|| Name::new(format!("content-{}", id.short())).ok());
            let name = name.ok_or_else(|| RemoteError::new(ErrorCode::Internal, "an id makes no name"))?;
            Ok(Wanted {
                name,
                manifest: entry.manifest,
                sources: Vec::new(),
                // Without a tracker its parts could not be found.
                collection: None,
            })
        }
        Err(error) => Err(error),
    }
}

async fn prepare(parts: &ControlParts, get: &Get, wanted: &Wanted) -> Result<Entry, RemoteError> {
    let (store, manifest) = (Arc::clone(&parts.store), wanted.manifest.clone());
    let purpose = Purpose::Fetched {
        name: Some(wanted.name.clone()),
        output: get.output.clone(),
        overwrite: get.overwrite,
    };
    try_blocking(move || store.prepare(&manifest, purpose)).await
}

async fn fetch(
    parts: &ControlParts,
    manifest: &Manifest,
    sources: Vec<Source>,
    already_held: u64,
    events: &Events<GetEvent>,
) -> Result<Fetched, RemoteError> {
    let (progress, mut shown) = watch::channel(Progress::default());
    let cancel = CancellationToken::new();
    // Also when this future is dropped.
    let _cancel_on_drop = cancel.clone().drop_guard();
    let fetching = parts.fetcher.fetch(
        manifest,
        manifest.all_fragments(),
        sources,
        progress,
        cancel.clone(),
    );
    tokio::pin!(fetching);
    let mut tick = tokio::time::interval(PROGRESS_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            fetched = &mut fetching => return fetched.map_err(|error| match error {
                error @ FetchError::Store { .. } if error.code() == ErrorCode::NotFound => RemoteError::new(
                    ErrorCode::NotFound,
                    "the content was removed while it was being fetched",
                ),
                error => told(&error),
            }),
            () = events.closed(), if !cancel.is_cancelled() => cancel.cancel(),
            _ = tick.tick() => {
                let now = shown.borrow_and_update().clone();
                let progress = GetEvent::Progress {
                    held: now.held_bytes.max(already_held),
                    length: manifest.length(),
                    sources: now.sources,
                    received: now.received_bytes,
                    wasted: now.wasted_bytes,
                    waiting_for: now.waiting_for.unwrap_or_default(),
                };
                drop(events.try_send(Ok(progress)));
            }
        }
    }
}

/// Puts a complete content where the user wants it, if it is not there already. False when some of it turned out to be damaged
/// and has to be fetched; an error when this is the last attempt.
async fn deliver(
    parts: &ControlParts,
    get: &Get,
    manifest: &Manifest,
    is_last: bool,
) -> Result<bool, RemoteError> {
    let content = manifest.content();
    let (store, output, overwrite) = (Arc::clone(&parts.store), get.output.clone(), get.overwrite);
    try_blocking(move || match store.entry(content) {
        Some(Entry {
            place: Place::File(path),
            ..
        }) if path == output => Ok(true),
        _ => match store.export(content, &output, overwrite) {
            Err(StoreError::Damaged { .. } | StoreError::NotHeld { .. }) if !is_last => Ok(false),
            done => done.map(|()| true),
        },
    })
    .await
}
