//! Adding a file or directory: hash it, share it in place, bind its name, and if asked wait for its replicas.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proto::messages::control::{Add, AddEvent};
use shared::collection::Catalog;
use shared::model::{Binding, ContentId, ContentRef, ContentState, Manifest};
use shared::{Coded, ErrorCode, Failure};

use super::report::Events;
use super::{Node, stopping};
use crate::blocking::{blocking, try_blocking};
use crate::collection::publish::{Source, Watcher, make};
use crate::collection::{CollectionError, read_catalog};
use crate::session::{Connection, ProtectionGuard};
use store::{Publication, PublicationState, StoreError};

/// The wait before the tracker is asked again after a watch has broken.
const WATCH_WAIT: Duration = Duration::from_millis(500);

/// Publishes a file or directory.
///
/// # Errors
/// As the contract says. A publication that the tracker could not be told of stays in the outbox.
pub(crate) async fn add(node: &Node, mut add: Add, events: &Events<AddEvent>) -> Result<(), Failure> {
    add.fragment_length = node.fragment_length(add.fragment_length).await;
    let path = add.path.clone();
    let (manifest, length, _guards) = if blocking(move || path.is_dir()).await? {
        collect(node, &add, events).await?
    } else {
        let manifest = share(node, &add, events).await?;
        let length = manifest.length();
        (manifest, length, Vec::new())
    };
    let publication = Publication {
        name: add.name,
        content: manifest.content(),
        target: add.target,
        update: add.update,
        state: PublicationState::Pending(None),
    };
    publish(node, publication, &manifest, length, add.wait, events)
        .await
        .map(drop)
}

/// Publishes a content that is held here and whose user counts `length` bytes; with `wait`, waits for its
/// replicas too. Returns none while the publication waits for a connection.
///
/// # Errors
/// As the contract says.
pub(crate) async fn publish(
    node: &Node,
    publication: Publication,
    manifest: &Manifest,
    length: u64,
    wait: bool,
    events: &Events<AddEvent>,
) -> Result<Option<Binding>, Failure> {
    let (name, content) = (publication.name.clone(), publication.content);
    let mut turn = Some(node.publisher.turn(&name).await);
    let wanted = publication.clone();
    node.with_store(move |store| store.put_publication(&wanted))
        .await?;
    let is_pending = node.network.connection_soon().await.is_err();
    let shared = AddEvent::Shared {
        content,
        length,
        fragment_length: manifest.fragment_length(),
        fragments: manifest.fragment_count(),
        is_pending,
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
    let binding = match node.publisher.publish(&publication).await {
        Ok(binding) => binding,
        Err(error) if error.code().is_retryable() => {
            return Err(error.context(format!(
                "{name} is kept here and will be published when that is possible"
            )));
        }
        Err(error) => {
            undo(node, publication).await?;
            return Err(error);
        }
    };
    drop(turn);
    events.tell(AddEvent::Published(binding.clone())).await?;
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

/// Makes a collection of a directory. Returns the manifest of its catalog, the bytes of its files, and guards
/// that keep its parts until it is published.
async fn collect(
    node: &Node,
    add: &Add,
    events: &Events<AddEvent>,
) -> Result<(Manifest, u64, Vec<ProtectionGuard>), Failure> {
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
        let made = make(&store, &source, &watcher)?;
        Ok::<_, CollectionError>((made.manifest, made.length, guards.into_inner()))
    };
    reading(events, make).await
}

/// Returns the catalog that the name is bound to now, if it is bound to one that is held here.
async fn catalog_before(node: &Node, add: &Add) -> Result<Option<Catalog>, Failure> {
    let bound = match node.catalog().await {
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
                let publications = store.publications()?;
                let of = publications
                    .into_iter()
                    .find(|publication| publication.name == name);
                let of = of.map(|publication| publication.content);
                of.filter(|content| store.is_collection(*content).unwrap_or(false))
            }
        };
        // A catalog that is not here, or damaged, saves nothing.
        Ok::<_, StoreError>(catalog.and_then(|catalog| read_catalog(&**store, catalog).ok()))
    })
    .await
}

/// Hashes a file on threads of its own and shares it in place.
async fn share(node: &Node, add: &Add, events: &Events<AddEvent>) -> Result<Manifest, Failure> {
    let (store, add) = (Arc::clone(&node.store), add.clone());
    let hash = move |reading: &Reading| {
        let length = std::fs::metadata(&add.path).map_or(0, |metadata| metadata.len());
        reading.total.store(length, Ordering::Relaxed);
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let progress = |bytes: u64| {
            reading.done.fetch_max(bytes, Ordering::Relaxed);
        };
        let (name, cancelled) = (Some(add.name), &reading.is_cancelled);
        store.add_file(
            &add.path,
            name,
            add.fragment_length,
            threads,
            &progress,
            cancelled,
        )
    };
    reading(events, hash).await
}

/// Takes a refused publication back. The file stays shared until the tracker says otherwise: it may count as
/// a replica already, of a content that has other names, and only the tracker knows when nothing refers to
/// it.
///
/// A later publication under the same name is another one, and stays.
async fn undo(node: &Node, publication: Publication) -> Result<(), Failure> {
    node.with_store(move |store| {
        let publications = store.publications()?;
        let of = publications
            .iter()
            .find(|known| known.asks_the_same(&publication));
        of.map_or(Ok(false), |known| store.forget_publication(known))
    })
    .await
    .map(drop)
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
