//! Adding a file: hash it, share it in place, bind its name, and if asked wait for its replicas.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proto::RemoteError;
use proto::control::{Add, AddEvent};
use shared::model::{ContentId, ContentState, Manifest};
use shared::{Coded as _, ErrorCode};
use tokio::time::MissedTickBehavior;

use super::{ControlParts, Events, caller_gone};
use crate::blocking::{blocking, try_blocking};
use crate::session::Connection;
use crate::store::{Publication, PublicationState};

/// Often enough for a bar that moves, rarely enough not to matter.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Before the tracker is asked again after a watch broke.
const WATCH_WAIT: Duration = Duration::from_millis(500);

pub(super) async fn run(
    parts: Arc<ControlParts>,
    add: Add,
    events: Events<AddEvent>,
) -> Result<(), RemoteError> {
    let manifest = share(&parts, &add, &events).await?;
    let content = manifest.content();
    let publication = Publication {
        name: add.name.clone(),
        content,
        target: add.target,
        update: add.update,
        state: PublicationState::Pending(None),
    };
    let store = Arc::clone(&parts.store);
    try_blocking(move || store.put_publication(&publication)).await?;
    let is_pending = parts.network.connection_soon().await.is_err();
    let shared = AddEvent::Shared {
        content,
        length: manifest.length(),
        fragment_length: manifest.fragment_length(),
        fragments: manifest.fragment_count(),
        is_pending,
    };
    events.send(Ok(shared)).await.map_err(caller_gone)?;
    if is_pending {
        if !add.wait {
            return Ok(());
        }
        connected(&parts, &events).await?;
    }
    let binding = match parts.publisher.publish(&add.name).await {
        Ok(binding) => binding,
        Err(error) if error.code().is_retryable() => {
            return Err(error.context(format!(
                "{} is kept here and will be published when that is possible",
                add.name
            )));
        }
        Err(error) => {
            undo(&parts, &add).await?;
            return Err(error);
        }
    };
    events
        .send(Ok(AddEvent::Published(binding)))
        .await
        .map_err(caller_gone)?;
    if add.wait {
        replicated(&parts, content, &events).await
    } else {
        Ok(())
    }
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
async fn undo(parts: &ControlParts, add: &Add) -> Result<(), RemoteError> {
    let (store, name) = (Arc::clone(&parts.store), add.name.clone());
    try_blocking(move || store.remove_publication(&name))
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
