//! Adding a file: hash it, share it in place, bind its name, and if asked wait for its replicas.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proto::RemoteError;
use proto::messages::control::{Add, AddEvent};
use shared::collection::Catalog;
use shared::model::{Binding, ContentId, ContentRef, ContentState, Manifest};
use shared::{Coded as _, ErrorCode};
use tokio::time::MissedTickBehavior;

use super::{ControlParts, Events, caller_gone};
use crate::blocking::{blocking, try_blocking};
use crate::collection::publish::{Source, Watcher, make};
use crate::collection::{CollectionError, read_catalog};
use crate::session::{Connection, ProtectionGuard};
use crate::store::{Publication, PublicationState, StoreError};

/// Often enough for a bar that moves, rarely enough not to matter.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Before the tracker is asked again after a watch broke.
const WATCH_WAIT: Duration = Duration::from_millis(500);

pub(super) async fn run(
    parts: Arc<ControlParts>,
    add: Add,
    events: Events<AddEvent>,
) -> Result<(), RemoteError> {
    let Held {
        manifest,
        length,
        guards: _guards,
    } = hold(&parts, &add, &events).await?;
    let publication = Publication {
        name: add.name,
        content: manifest.content(),
        target: add.target,
        update: add.update,
        state: PublicationState::Pending(None),
    };
    let wait = add.wait;
    publish(&parts, publication, &manifest, length, wait, &events)
        .await
        .map(drop)
}

/// Publishes a content that is held here, of so many bytes as its user counts them; if it is to `wait`, also until its
/// replicas are there. None while the publication waits for a connection.
pub(crate) async fn publish(
    parts: &ControlParts,
    publication: Publication,
    manifest: &Manifest,
    length: u64,
    wait: bool,
    events: &Events<AddEvent>,
) -> Result<Option<Binding>, RemoteError> {
    let (name, content) = (publication.name.clone(), publication.content);
    let mut turn = Some(parts.publisher.turn(&name).await);
    let (store, wanted) = (Arc::clone(&parts.store), publication.clone());
    try_blocking(move || store.put_publication(&wanted)).await?;
    let is_pending = parts.network.connection_soon().await.is_err();
    let shared = AddEvent::Shared {
        content,
        length,
        fragment_length: manifest.fragment_length(),
        fragments: manifest.fragment_count(),
        is_pending,
    };
    events.send(Ok(shared)).await.map_err(caller_gone)?;
    if is_pending {
        if !wait {
            return Ok(None);
        }
        // It may take long; who comes meanwhile takes its place in the outbox.
        turn.take();
        connected(parts, events).await?;
    }
    let binding = match parts.publisher.publish(&publication).await {
        Ok(binding) => binding,
        Err(error) if error.code().is_retryable() => {
            return Err(error.context(format!(
                "{name} is kept here and will be published when that is possible"
            )));
        }
        Err(error) => {
            undo(parts, publication).await?;
            return Err(error);
        }
    };
    drop(turn);
    let published = AddEvent::Published(binding.clone());
    events.send(Ok(published)).await.map_err(caller_gone)?;
    if wait {
        replicated(parts, content, events).await?;
    }
    Ok(Some(binding))
}

/// What is to be published, held here.
struct Held {
    manifest: Manifest,
    /// Bytes of the file, or of all files of the directory.
    length: u64,
    /// Keep what a collection refers to until that is published.
    guards: Vec<ProtectionGuard>,
}

async fn hold(parts: &ControlParts, add: &Add, events: &Events<AddEvent>) -> Result<Held, RemoteError> {
    let path = add.path.clone();
    if blocking(move || path.is_dir()).await? {
        let (manifest, length, guards) = collect(parts, add, events).await?;
        return Ok(Held {
            manifest,
            length,
            guards,
        });
    }
    let manifest = share(parts, add, events).await?;
    Ok(Held {
        length: manifest.length(),
        manifest,
        guards: Vec::new(),
    })
}

/// Makes a collection of a directory, on a thread of its own, telling how far it is.
async fn collect(
    parts: &ControlParts,
    add: &Add,
    events: &Events<AddEvent>,
) -> Result<(Manifest, u64, Vec<ProtectionGuard>), RemoteError> {
    let before = catalog_before(parts, add).await?;
    let done = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let cancelled = Arc::new(AtomicBool::new(false));
    let making = {
        let (store, network, add) = (Arc::clone(&parts.store), parts.network.clone(), add.clone());
        let (done, cancelled, own) = (Arc::clone(&done), Arc::clone(&cancelled), parts.data_dir.clone());
        try_blocking(move || {
            let guards = RefCell::new(Vec::new());
            let hold = |content| guards.borrow_mut().push(network.protect(content));
            let progress = |bytes: u64, total: u64| {
                done.0.fetch_max(bytes, Ordering::Relaxed);
                done.1.store(total, Ordering::Relaxed);
            };
            let source = Source {
                root: &add.path,
                selection: &add.selection,
                name: &add.name,
                own: &own,
                before: before.as_ref(),
            };
            let watcher = Watcher {
                progress: &progress,
                cancelled: &cancelled,
                hold: &hold,
            };
            let made = make(&store, &source, &watcher)?;
            Ok::<_, CollectionError>((made.manifest, made.length, guards.into_inner()))
        })
    };
    tokio::pin!(making);
    let mut tick = tokio::time::interval(PROGRESS_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            made = &mut making => return made,
            () = events.closed(), if !cancelled.load(Ordering::Relaxed) => cancelled.store(true, Ordering::Relaxed),
            _ = tick.tick() => {
                let (done, total) = (done.0.load(Ordering::Relaxed), done.1.load(Ordering::Relaxed));
                drop(events.try_send(Ok(AddEvent::Hashing { done, total })));
            }
        }
    }
}

/// The catalog that the name is bound to now, if it is one and is here.
async fn catalog_before(parts: &ControlParts, add: &Add) -> Result<Option<Catalog>, RemoteError> {
    let bound = match parts.network.connection_soon().await {
        Ok(connection) => connection
            .catalog
            .resolve(&ContentRef::Name(add.name.clone()))
            .await
            .ok(),
        Err(_) => None,
    };
    let bound = bound.and_then(|(binding, _)| binding.collection.map(|_| binding.content));
    let (store, name) = (Arc::clone(&parts.store), add.name.clone());
    try_blocking(move || {
        let catalog = match bound {
            Some(catalog) => Some(catalog),
            // It may have been added while there was no tracker.
            None => {
                let publications = store.publications()?;
                let of = publications
                    .into_iter()
                    .find(|publication| publication.name == name);
                let of = of.map(|publication| publication.content);
                of.filter(|content| store.is_collection(*content).unwrap_or(false))
            }
        };
        // What is not here, or damaged, saves nothing.
        Ok::<_, StoreError>(catalog.and_then(|catalog| read_catalog(&*store, catalog).ok()))
    })
    .await
}

/// Hashes the file on threads of its own, telling how far it is; ends early when the caller goes away.
async fn share(parts: &ControlParts, add: &Add, events: &Events<AddEvent>) -> Result<Manifest, RemoteError> {
    let done = Arc::new(AtomicU64::new(0));
    let cancelled = Arc::new(AtomicBool::new(false));
    let path = add.path.clone();
    let total = blocking(move || std::fs::metadata(path).map_or(0, |metadata| metadata.len())).await?;
    let hashing = {
        let (store, add) = (Arc::clone(&parts.store), add.clone());
        let (done, cancelled) = (Arc::clone(&done), Arc::clone(&cancelled));
        try_blocking(move || {
            let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            let progress = |bytes: u64| {
                done.fetch_max(bytes, Ordering::Relaxed);
            };
            store.add_file(
                &add.path,
                Some(add.name),
                add.fragment_length,
                threads,
                &progress,
                &cancelled,
            )
        })
    };
    tokio::pin!(hashing);
    let mut tick = tokio::time::interval(PROGRESS_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            hashed = &mut hashing => return hashed,
            () = events.closed(), if !cancelled.load(Ordering::Relaxed) => cancelled.store(true, Ordering::Relaxed),
            _ = tick.tick() => {
                let done = done.load(Ordering::Relaxed);
                // A caller that is slow misses some; one that is gone is noticed above.
                drop(events.try_send(Ok(AddEvent::Hashing { done, total })));
            }
        }
    }
}

/// Takes a refused publication back. The file stays shared until the tracker says otherwise: it may count as a replica
/// already, of a content that has other names, and only the tracker knows when nothing refers to it.
///
/// What was added under the name since is not this publication, and stays.
async fn undo(parts: &ControlParts, publication: Publication) -> Result<(), RemoteError> {
    let store = Arc::clone(&parts.store);
    try_blocking(move || {
        let publications = store.publications()?;
        let of = publications
            .iter()
            .find(|known| known.asks_the_same(&publication));
        of.map_or(Ok(false), |known| store.forget_publication(known))
    })
    .await
    .map(drop)
}

/// Waits for a session with a tracker.
async fn connected(parts: &ControlParts, events: &Events<AddEvent>) -> Result<Connection, RemoteError> {
    let mut connections = parts.network.connections();
    let connection = tokio::select! {
        connection = connections.wait_for(Option::is_some) => connection.map(|connection| connection.clone()),
        () = events.closed() => return Err(RemoteError::new(ErrorCode::Cancelled, "the caller has gone away")),
    };
    let stopping = || RemoteError::new(ErrorCode::Cancelled, "the node is stopping");
    connection.ok().flatten().ok_or_else(stopping)
}

/// Tells the replicas as they appear until every fragment has its target.
async fn replicated(
    parts: &ControlParts,
    content: ContentId,
    events: &Events<AddEvent>,
) -> Result<(), RemoteError> {
    loop {
        let connection = connected(parts, events).await?;
        match watch(&connection, content, events).await {
            Ok(()) => return Ok(()),
            // The tracker restarts, the line breaks: what was published stays so, and we look again.
            Err(error) if error.code().is_retryable() => tokio::time::sleep(WATCH_WAIT).await,
            Err(error) => return Err(error),
        }
    }
}

async fn watch(
    connection: &Connection,
    content: ContentId,
    events: &Events<AddEvent>,
) -> Result<(), RemoteError> {
    let mut healths = connection.catalog.watch(content).await?;
    loop {
        let health = tokio::select! {
            health = healths.next() => health?,
            () = events.closed() => return Err(RemoteError::new(ErrorCode::Cancelled, "the caller has gone away")),
        };
        let Some(health) = health else {
            return Err(RemoteError::new(
                ErrorCode::Unavailable,
                "the tracker ended the watch",
            ));
        };
        events
            .send(Ok(AddEvent::Replicas(health)))
            .await
            .map_err(caller_gone)?;
        if health.state == ContentState::Replicated {
            return Ok(());
        }
    }
}
