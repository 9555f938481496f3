//! What a node says of itself, and what it does with its own copies.

use std::sync::Arc;
use std::time::Duration;

use proto::RemoteError;
use proto::messages::control::{
    LimitChange, LocalContent, LocalRole, RateLimits, SetLimits, Status, Verified,
};
use proto::messages::{Remove, Rename};
use shared::model::{Binding, ContentId, ContentRef, PinWish, Revision, RevisionEntry};
use shared::{Coded as _, ErrorCode};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tracing::info;

use super::{ControlParts, Events, caller_gone};
use crate::blocking::{blocking, try_blocking};
use crate::scrubber::{Finding, look_at};
use crate::store::{Entry, FragmentStore as _, Place, Roles, StoreError};

/// An order of the tracker to drop a copy that has not been carried out by then is asked for again.
const RELEASE_WAIT: Duration = Duration::from_secs(1);

/// So long is asked: longer than a new session takes.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);

/// No listing is longer.
const MAX_LISTED: usize = 10_000;

pub(super) async fn status(parts: &ControlParts, uptime: Duration) -> Result<Status, RemoteError> {
    let store = Arc::clone(&parts.store);
    let (contents, usage) = blocking(move || (store.entries().len(), store.usage())).await?;
    let pending = parts.publisher.pending().await?.len();
    Ok(Status {
        peer: parts.identity.peer(),
        incarnation: parts.identity.incarnation(),
        address: parts.address.clone(),
        zone: parts.zone.borrow().clone(),
        data_dir: parts.data_dir.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capacity: usage.capacity,
        used: usage.used,
        contents: u32::try_from(contents).unwrap_or(u32::MAX),
        session: parts.network.status(),
        epoch: parts.identity.epoch(),
        pending_publications: u32::try_from(pending).unwrap_or(u32::MAX),
        uptime,
        bytes_sent: parts.counters.sent(),
        bytes_received: parts.counters.received(),
        bytes_wasted: parts.counters.wasted(),
        active_fetches: parts.fetcher.active(),
        active_uploads: parts.counters.uploads(),
        limits: limits(parts),
        culprits: parts.fetcher.culprits(),
        scrub: parts.scrubber.status(),
    })
}

/// How fast the node may transfer now.
pub(super) fn limits(parts: &ControlParts) -> RateLimits {
    RateLimits {
        upload: parts.uploads.rate(),
        download: parts.fetcher.limiter().rate(),
    }
}

/// Changes how fast the node may transfer.
pub(super) fn set_limits(parts: &ControlParts, set: SetLimits) -> RateLimits {
    for (limiter, change) in [
        (&parts.uploads, set.upload),
        (parts.fetcher.limiter(), set.download),
    ] {
        match change {
            LimitChange::Keep => {}
            LimitChange::Lift => limiter.set(None),
            LimitChange::To(rate) => limiter.set(Some(rate)),
        }
    }
    let now = limits(parts);
    info!(upload = ?now.upload, download = ?now.download, "limits changed");
    now
}

pub(super) async fn list(parts: &ControlParts) -> Result<Vec<LocalContent>, RemoteError> {
    let store = Arc::clone(&parts.store);
    try_blocking(move || {
        let publications = store.publications()?;
        let local = |entry: Entry| {
            let content = entry.manifest.content();
            let mut names = publications
                .iter()
                .filter(|publication| publication.content == content);
            let is_pending = names.clone().any(|publication| publication.is_pending());
            LocalContent {
                content,
                name: entry
                    .name
                    .or_else(|| names.next().map(|publication| publication.name.clone())),
                length: entry.manifest.length(),
                fragments: entry.manifest.fragment_count(),
                fragments_held: entry.held.len(),
                role: role(entry.roles),
                path: match entry.place {
                    Place::Store => None,
                    Place::File(path) | Place::Partial { output: path, .. } => Some(path),
                },
                is_pending,
            }
        };
        Ok::<_, StoreError>(store.entries().into_iter().take(MAX_LISTED).map(local).collect())
    })
    .await
}

/// The most telling of several roles.
const fn role(roles: Roles) -> LocalRole {
    match roles {
        Roles { published: true, .. } => LocalRole::Published,
        Roles { fetched: true, .. } => LocalRole::Fetched,
        Roles { .. } => LocalRole::Assigned,
    }
}

/// Removes a name from the network; one that waits in the outbox and was never published goes from there.
pub(crate) async fn remove(parts: &ControlParts, remove: &Remove) -> Result<Revision, RemoteError> {
    let pending = parts.publisher.pending().await?;
    let is_pending = pending.iter().any(|publication| publication.name == remove.name);
    if is_pending {
        let (store, name) = (Arc::clone(&parts.store), remove.name.clone());
        try_blocking(move || store.withdraw_publication(&name)).await?;
    }
    let removed = match parts.network.connection_soon().await {
        Ok(connection) => connection.catalog.remove(remove).await,
        Err(error) => Err(error),
    };
    match removed {
        // It was only ever here.
        Err(error) if is_pending && matches!(error.code(), ErrorCode::NotFound | ErrorCode::Unavailable) => {
            Ok(Revision::NONE)
        }
        removed => removed,
    }
}

/// Renames for everyone. The revision is looked up first, so that asking again after a lost answer changes nothing more.
pub(super) async fn rename(parts: &ControlParts, mut rename: Rename) -> Result<Binding, RemoteError> {
    let connection = parts.network.connection_soon().await?;
    if rename.expected.is_none() {
        let (revision, _) = connection.catalog.head(&rename.from).await?;
        rename.expected = (revision != Revision::NONE).then_some(revision);
    }
    connection.catalog.rename(&rename).await
}

/// Pins or unpins a revision. Its count is looked up first, for the same reason.
pub(super) async fn pin(parts: &ControlParts, mut wish: PinWish) -> Result<RevisionEntry, RemoteError> {
    let connection = parts.network.connection_soon().await?;
    if wish.expected.is_none() {
        let history = connection.catalog.history(&wish.what.name).await?;
        let found = history.iter().find(|entry| entry.revision == wish.what.revision);
        // One that is not listed cannot be pinned either: the tracker says why.
        wish.expected = found.map(|entry| entry.pins);
    }
    connection.catalog.pin(&wish).await
}

/// Drops this node's copy; not by force, when the tracker finds that the others can do without it.
pub(super) async fn forget(
    parts: &ControlParts,
    reference: &ContentRef,
    force: bool,
) -> Result<(ContentId, u64), RemoteError> {
    let entry = find(parts, reference).await?;
    let content = entry.manifest.content();
    if !force && !entry.held.is_empty() {
        return Ok((content, released(parts, content).await?));
    }
    let store = Arc::clone(&parts.store);
    let freed = try_blocking(move || {
        for publication in store
            .publications()?
            .iter()
            .filter(|publication| publication.content == content)
        {
            store.forget_publication(publication)?;
        }
        store.forget(content)
    });
    Ok((content, freed.await?))
}

/// What this node has under a name or id.
async fn find(parts: &ControlParts, reference: &ContentRef) -> Result<Entry, RemoteError> {
    let missing = || {
        RemoteError::new(
            ErrorCode::NotFound,
            format!("nothing of {reference} is held by this node"),
        )
    };
    let id = match reference {
        ContentRef::Id(id) => *id,
        ContentRef::Name(name) => match parts.network.connection_soon().await {
            Ok(connection) => match connection.catalog.resolve(reference).await {
                Ok((binding, _)) => binding.content,
                Err(error) if error.code() == ErrorCode::NotFound => {
                    named_here(parts, name).await?.ok_or(error)?
                }
                Err(error) => return Err(error),
            },
            Err(error) => named_here(parts, name).await?.ok_or(error)?,
        },
    };
    let store = Arc::clone(&parts.store);
    blocking(move || store.entry(id)).await?.ok_or_else(missing)
}

async fn named_here(
    parts: &ControlParts,
    name: &shared::model::Name,
) -> Result<Option<ContentId>, RemoteError> {
    let (store, name) = (Arc::clone(&parts.store), name.clone());
    blocking(move || {
        let entry = store
            .entries()
            .into_iter()
            .find(|entry| entry.name.as_ref() == Some(&name));
        entry.map(|entry| entry.manifest.content())
    })
    .await
}

/// Has the tracker let this node drop its copy. It decides for all nodes, one after the other, and its order comes in the
/// session: by asking who else has a copy, two nodes could both rely on each other. Returns the bytes that were freed.
async fn released(parts: &ControlParts, content: ContentId) -> Result<u64, RemoteError> {
    let refuse = |error: RemoteError| {
        let text = format!("{error}; --force forgets it all the same");
        RemoteError::new(ErrorCode::FailedPrecondition, text)
    };
    let before = parts.store.usage().used;
    let mut changes = parts.store.subscribe();
    let asking = async {
        loop {
            let connection = parts.network.connection_soon().await?;
            let asked = connection.upkeep.release(parts.identity.peer(), content);
            asked.await?;
            // An order that crossed an announce was refused, and one may have got lost with its session.
            let gone = is_gone(parts, content, &mut changes);
            if let Ok(is_gone) = tokio::time::timeout(RELEASE_WAIT, gone).await {
                return is_gone;
            }
        }
    };
    match tokio::time::timeout(RELEASE_PATIENCE, asking).await {
        Ok(answer) => answer.map_err(refuse)?,
        Err(_) => {
            let text = format!("the tracker's leave to drop {} does not arrive", content.short());
            return Err(refuse(RemoteError::new(ErrorCode::DeadlineExceeded, text)));
        }
    }
    Ok(before.saturating_sub(parts.store.usage().used))
}

/// Waits until nothing is held of the content.
async fn is_gone(
    parts: &ControlParts,
    content: ContentId,
    changes: &mut broadcast::Receiver<ContentId>,
) -> Result<(), RemoteError> {
    loop {
        let store = Arc::clone(&parts.store);
        if blocking(move || store.entry(content)).await?.is_none() {
            return Ok(());
        }
        // Whichever it was, and however many were missed: it is looked again.
        if changes.recv().await == Err(RecvError::Closed) {
            return Err(RemoteError::new(ErrorCode::Cancelled, "the node is stopping"));
        }
    }
}

/// Reads one content or everything again; what does not match is withdrawn, and the tracker repairs it from others.
pub(super) async fn verify(
    parts: Arc<ControlParts>,
    what: Option<ContentRef>,
    events: Events<Verified>,
) -> Result<(), RemoteError> {
    let store = Arc::clone(&parts.store);
    let entries = match what {
        Some(reference) => vec![find(&parts, &reference).await?],
        None => blocking(move || store.entries()).await?,
    };
    let total = entries
        .iter()
        .map(|entry| entry.manifest.bytes_in(&entry.held))
        .sum();
    let mut verified = Verified {
        done: 0,
        total,
        damaged: 0,
    };
    events.send(Ok(verified)).await.map_err(caller_gone)?;
    for entry in entries {
        for index in entry.held.iter() {
            let finding = look_at(&parts.store, entry.manifest.content(), index).await?;
            verified.damaged += u32::from(finding == Finding::Damaged);
            verified.done += u64::from(entry.manifest.len_of(index));
            events.send(Ok(verified)).await.map_err(caller_gone)?;
        }
    }
    Ok(())
}
