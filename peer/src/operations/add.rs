//! Adding a file or directory: hash it, share it in place, bind its name, and if asked wait for its replicas.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proto::messages::control::{Add, AddEvent, DirectorySize};
use shared::collection::Catalog;
use shared::model::{Binding, ContentId, ContentRef, ContentState, Manifest};
use shared::{Coded, ErrorCode, Failure};
use tokio::sync::OwnedMutexGuard;

use super::extent::hidings_of;
use super::report::Events;
use super::{Node, stopping};
use crate::blocking::{OffThread, blocking, try_blocking};
use crate::collection::publish::{Made, Source, Watcher, make};
use crate::collection::scan::metadata_of;
use crate::collection::{CollectionError, read_catalog};
use crate::publisher::PublishError;
use crate::session::{Connection, ProtectionGuard};
use store::{Addition, HashedFile, Publication, PublicationState, StoreError};

/// The wait before the tracker is asked again after a watch has broken.
const WATCH_WAIT: Duration = Duration::from_millis(500);

/// Publishes a file or directory.
///
/// # Errors
/// As the contract says. A publication that the tracker could not be told of stays in the outbox.
pub(crate) async fn add(node: &Node, mut add: Add, events: &Events<AddEvent>) -> Result<(), Failure> {
    add.fragment_length = node.fragment_length(add.fragment_length).await;
    let path = add.path.clone();
    let publication = |content, metadata| Publication {
        name: add.name.clone(),
        content,
        target: add.target,
        update: add.update,
        metadata,
        state: PublicationState::Pending(None),
    };
    if blocking(move || path.is_dir()).await? {
        let (made, addition, _guards) = collect(node, &add, events).await?;
        let ready = Ready {
            length: made.length,
            fragments: made.fragments,
            directory: Some(DirectorySize {
                files: made.files,
                contents: made.contents,
            }),
            ..Ready::of_file(
                publication(made.manifest.content(), None),
                made.manifest,
                addition,
            )
        };
        if made.left_out.count > 0 {
            events.tell(AddEvent::LeftOut(made.left_out)).await?;
        }
        return publish(node, ready, add.wait, events).await.map(drop);
    }
    let hashed = hash(node, &add, events).await?;
    let turn = node.publisher.turn(&add.name).await;
    // A name that is taken is known before anything has changed.
    let path = add.path.clone();
    let metadata = blocking(move || metadata_of(&path)).await?;
    let publication = publication(hashed.content(), metadata);
    let publication = node.publisher.follow(publication).await?;
    // The node may be told just now to drop the same bytes, whose last name went a moment ago.
    let _guard = node.network.protect(publication.content);
    let mut addition = begin(node);
    let name = Some(add.name.clone());
    let manifest = addition.run(move |addition| addition.file(hashed, name)).await?;
    let ready = Ready::of_file(publication, manifest, addition);
    publish_in_turn(node, ready, turn, add.wait, events)
        .await
        .map(drop)
}

/// A content that is held here and is to be published.
pub(crate) struct Ready {
    /// The wish to bind its name.
    pub(crate) publication: Publication,
    /// Its manifest, as it is kept.
    pub(crate) manifest: Manifest,
    /// Bytes that its user counts: of a directory, those of its files.
    pub(crate) length: u64,
    /// Fragments; of a directory, those of its catalog and all parts.
    pub(crate) fragments: u32,
    /// Size of the directory, if it is one.
    pub(crate) directory: Option<DirectorySize>,
    /// Changes of the store that are taken back unless the publication comes about.
    pub(crate) addition: OffThread<Addition>,
}

impl Ready {
    /// A file, a value or a stream.
    pub(crate) fn of_file(
        publication: Publication,
        manifest: Manifest,
        addition: OffThread<Addition>,
    ) -> Self {
        Self {
            publication,
            length: manifest.length(),
            fragments: manifest.fragment_count(),
            directory: None,
            manifest,
            addition,
        }
    }
}

/// Begins an addition to the node's store.
pub(crate) fn begin(node: &Node) -> OffThread<Addition> {
    OffThread::new(Addition::begin(&node.store))
}

/// Publishes a content; with `wait`, waits for its replicas too. Returns none while the publication waits for
/// a connection.
///
/// # Errors
/// As the contract says. After a refusal the store is as it was before the addition.
pub(crate) async fn publish(
    node: &Node,
    mut ready: Ready,
    wait: bool,
    events: &Events<AddEvent>,
) -> Result<Option<Binding>, Failure> {
    let turn = node.publisher.turn(&ready.publication.name).await;
    if ready.publication.state == PublicationState::Pending(None) {
        match node.publisher.follow(ready.publication.clone()).await {
            Ok(following) => ready.publication = following,
            Err(refused) => {
                let addition = ready.addition.into_inner()?;
                blocking(move || addition.undo()).await?;
                return Err(refused);
            }
        }
    }
    publish_in_turn(node, ready, turn, wait, events).await
}

async fn publish_in_turn(
    node: &Node,
    ready: Ready,
    turn: OwnedMutexGuard<()>,
    wait: bool,
    events: &Events<AddEvent>,
) -> Result<Option<Binding>, Failure> {
    let Ready {
        publication,
        manifest,
        length,
        fragments,
        directory,
        mut addition,
    } = ready;
    let (name, content) = (publication.name.clone(), publication.content);
    let (wanted, unsettled) = (publication.clone(), node.publisher.unsettled());
    // The guard goes along: if the caller goes meanwhile, it ends after the write.
    let put = move |addition: &mut Addition| {
        let before = addition.store().put_publication(&wanted)?;
        addition.keep();
        Ok::<_, StoreError>((before, unsettled))
    };
    let (before, mut unsettled) = addition.run(put).await?;
    // Dropped before the guard, so that the publisher can take it.
    let mut turn = Some(turn);
    let is_pending = node.network.connection_soon().await.is_err();
    let shared = AddEvent::Shared {
        content,
        length,
        fragment_length: manifest.fragment_length(),
        fragments,
        is_pending,
        directory,
    };
    events.tell(shared).await?;
    if is_pending {
        if !wait {
            return Ok(None);
        }
        // The wait may be long; a later publication takes this one's place in the outbox.
        turn.take();
        connected(node, events).await?;
    }
    let turn = match turn {
        Some(turn) => turn,
        None => node.publisher.turn(&name).await,
    };
    let binding = match node.publisher.publish(&publication, &turn).await {
        Ok(binding) => binding,
        Err(PublishError::Pending(error)) => {
            return Err(error.context(format!(
                "{name} is kept here and will be published when that is possible"
            )));
        }
        Err(PublishError::Refused(error) | PublishError::Withdrawn(error)) => {
            take_back(node, publication, before, addition).await?;
            unsettled.settled();
            return Err(error);
        }
        Err(PublishError::Published(error)) => {
            unsettled.settled();
            return Err(error);
        }
    };
    unsettled.settled();
    drop(turn);
    events.tell(AddEvent::Published(binding.clone())).await?;
    // A tracker that has gone cannot tell, and the name is bound in any case.
    for hiding in hidings_of(node, &binding, true).await.unwrap_or_default() {
        events.tell(AddEvent::Hides(hiding)).await?;
    }
    if wait {
        replicated(node, content, events).await?;
    }
    Ok(Some(binding))
}

/// The state that reading on a thread of its own shares with the operation that waits for it.
#[derive(Debug, Default)]
struct Reading {
    done: AtomicU64,
    total: AtomicU64,
    is_cancelled: AtomicBool,
}

/// Reads on a thread of its own, and reports how far it is; the reading ends early when the caller goes.
async fn reading<T: Send + 'static, E: Coded + Send + 'static>(
    events: &Events<AddEvent>,
    read: impl FnOnce(&Reading) -> Result<T, E> + Send + 'static,
) -> Result<T, Failure> {
    let reading = Arc::new(Reading::default());
    let work = {
        let reading = Arc::clone(&reading);
        try_blocking(move || read(&reading))
    };
    let stop = || reading.is_cancelled.store(true, Ordering::Relaxed);
    let progress = || AddEvent::Hashing {
        done: reading.done.load(Ordering::Relaxed),
        total: reading.total.load(Ordering::Relaxed),
    };
    events.during(work, stop, progress).await
}

/// Makes a collection of a directory. Returns it, the changes of the store, and guards that keep its parts
/// until it is published.
async fn collect(
    node: &Node,
    add: &Add,
    events: &Events<AddEvent>,
) -> Result<(Made, OffThread<Addition>, Vec<ProtectionGuard>), Failure> {
    let before = catalog_before(node, add).await?;
    let (store, network, add) = (Arc::clone(&node.store), node.network.clone(), add.clone());
    let own = node.data_dir.clone();
    let make = move |reading: &Reading| {
        let guards = RefCell::new(Vec::new());
        let hold = |content| guards.borrow_mut().push(network.protect(content));
        let progress = |bytes: u64, total: u64| {
            reading.done.fetch_max(bytes, Ordering::Relaxed);
            reading.total.store(total, Ordering::Relaxed);
        };
        let source = Source {
            root: &add.path,
            selection: &add.selection,
            rules: add.rules,
            name: &add.name,
            own: &own,
            before: before.as_ref(),
            fragment_length: add.fragment_length,
        };
        let watcher = Watcher {
            progress: &progress,
            cancelled: &reading.is_cancelled,
            hold: &hold,
        };
        let mut addition = Addition::begin(&store);
        let made = make(&mut addition, &source, &watcher)?;
        let addition = OffThread::new(addition);
        Ok::<_, CollectionError>((made, addition, guards.into_inner()))
    };
    reading(events, make).await
}

/// Returns the catalog that the name is bound to now, if it is bound to one that is held here.
async fn catalog_before(node: &Node, add: &Add) -> Result<Option<Catalog>, Failure> {
    let bound = match node.catalog_soon().await {
        Ok(catalog) => catalog.resolve(&ContentRef::Name(add.name.clone())).await.ok(),
        Err(_) => None,
    };
    let bound = bound.and_then(|(binding, _)| binding.collection.map(|_| binding.content));
    let name = add.name.clone();
    node.with_store(move |store| {
        let catalog = match bound {
            Some(catalog) => Some(catalog),
            // It may have been added while there was no tracker.
            None => {
                let of = store.publication(&name)?.map(|publication| publication.content);
                of.filter(|content| store.is_collection(*content).unwrap_or(false))
            }
        };
        // A catalog that is not here, or damaged, saves nothing.
        Ok::<_, StoreError>(catalog.and_then(|catalog| read_catalog(&**store, catalog).ok()))
    })
    .await
}

/// Hashes a file on threads of its own.
async fn hash(node: &Node, add: &Add, events: &Events<AddEvent>) -> Result<HashedFile, Failure> {
    let (store, add) = (Arc::clone(&node.store), add.clone());
    let hash = move |reading: &Reading| {
        let length = std::fs::metadata(&add.path).map_or(0, |metadata| metadata.len());
        reading.total.store(length, Ordering::Relaxed);
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let progress = |bytes: u64| {
            reading.done.fetch_max(bytes, Ordering::Relaxed);
        };
        let cancelled = &reading.is_cancelled;
        store.hash_file(&add.path, add.fragment_length, threads, &progress, cancelled)
    };
    reading(events, hash).await
}

/// Takes a refused publication back: outbox and store are as they were before. The few seconds for which the
/// content was shared are less than the time after which the tracker trims a surplus, so no other replica has
/// gone because of this one.
///
/// A later publication under the same name is another one, and stays.
async fn take_back(
    node: &Node,
    refused: Publication,
    before: Option<Publication>,
    addition: OffThread<Addition>,
) -> Result<(), Failure> {
    let addition = addition.into_inner()?;
    node.with_store(move |store| {
        let taken_back = store.take_back_publication(&refused, before.as_ref());
        addition.undo();
        taken_back
    })
    .await
}

fn caller_gone() -> Failure {
    Failure::new(ErrorCode::Cancelled, "the caller has gone away")
}

/// Waits for a session with a tracker.
async fn connected(node: &Node, events: &Events<AddEvent>) -> Result<Connection, Failure> {
    let mut connections = node.network.connections();
    let connection = tokio::select! {
        connection = connections.wait_for(Option::is_some) => connection.map(|connection| connection.clone()),
        () = events.caller_gone() => return Err(caller_gone()),
    };
    connection.ok().flatten().ok_or_else(stopping)
}

/// Reports the replicas as they appear until every fragment has its target.
async fn replicated(node: &Node, content: ContentId, events: &Events<AddEvent>) -> Result<(), Failure> {
    loop {
        let connection = connected(node, events).await?;
        match watch(&connection, content, events).await {
            Ok(()) => return Ok(()),
            // After a restart of the tracker or a broken line the name is still bound: the watch begins anew.
            Err(error) if error.code().is_retryable() => tokio::time::sleep(WATCH_WAIT).await,
            Err(error) => return Err(error),
        }
    }
}

async fn watch(
    connection: &Connection,
    content: ContentId,
    events: &Events<AddEvent>,
) -> Result<(), Failure> {
    let mut healths = connection.catalog.watch(content).await?;
    loop {
        let health = tokio::select! {
            health = healths.next() => health?,
            () = events.caller_gone() => return Err(caller_gone()),
        };
        let Some(health) = health else {
            return Err(Failure::new(
                ErrorCode::Unavailable,
                "the tracker ended the watch",
            ));
        };
        events.tell(AddEvent::Replicas(health)).await?;
        if health.state == ContentState::Replicated {
            return Ok(());
        }
    }
}
