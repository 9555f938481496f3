//! The node itself: its status and limits, the copies that it holds, and the names that its user removes or
//! renames.

use std::sync::Arc;
use std::time::Duration;

use proto::messages::control::{
    LimitChange, LocalContent, LocalRole, RateLimits, SetLimits, Status, Verified,
};
use proto::messages::{Remove, Rename};
use shared::model::{Binding, ContentId, ContentRef, Name, PinWish, Revision, RevisionEntry};
use shared::{Coded as _, ErrorCode, Failure};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tracing::info;

use super::Node;
use super::report::Events;
use crate::blocking::blocking;
use crate::scrubber::{Finding, look_at};
use store::{Entry, FragmentStore as _, Place, Roles, StoreError};

/// The wait for an order of the tracker to drop a copy, after which it is asked for again.
const RELEASE_WAIT: Duration = Duration::from_secs(1);

/// The time for which a release is asked for: longer than a new session takes.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);

/// Entries of the longest listing.
const MAX_LISTED: usize = 10_000;

/// Returns the state of the node.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn status(node: &Node) -> Result<Status, Failure> {
    let store = Arc::clone(&node.store);
    let (contents, usage) = blocking(move || (store.entries().len(), store.usage())).await?;
    let pending = node.publisher.pending().await?.len();
    Ok(Status {
        peer: node.identity.peer(),
        incarnation: node.identity.incarnation(),
        address: node.address.clone(),
        zone: node.zone.borrow().clone(),
        data_dir: node.data_dir.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capacity: usage.capacity,
        used: usage.used,
        contents: u32::try_from(contents).unwrap_or(u32::MAX),
        session: node.network.status(),
        epoch: node.identity.epoch(),
        pending_publications: u32::try_from(pending).unwrap_or(u32::MAX),
        uptime: node.clock.now().since(node.started),
        bytes_sent: node.counters.sent(),
        bytes_received: node.counters.received(),
        bytes_wasted: node.counters.wasted(),
        active_fetches: node.fetcher.active(),
        active_uploads: node.counters.uploads(),
        limits: limits(node),
        source_faults: node.fetcher.source_faults(),
        scrub: node.scrubber.status(),
        defaults: node.network.defaults(),
    })
}

/// Returns the rates at which the node may transfer.
fn limits(node: &Node) -> RateLimits {
    RateLimits {
        upload: node.uploads.rate(),
        download: node.fetcher.limiter().rate(),
    }
}

/// Changes the rates at which the node may transfer, and returns them.
pub(crate) fn set_limits(node: &Node, set: SetLimits) -> RateLimits {
    for (limiter, change) in [
        (&node.uploads, set.upload),
        (node.fetcher.limiter(), set.download),
    ] {
        match change {
            LimitChange::Keep => {}
            LimitChange::Lift => limiter.set(None),
            LimitChange::To(rate) => limiter.set(Some(rate)),
        }
    }
    let now = limits(node);
    info!(upload = ?now.upload, download = ?now.download, "limits changed");
    now
}

/// Lists the contents of which the node holds anything.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn list(node: &Node) -> Result<Vec<LocalContent>, Failure> {
    node.with_store(|store| {
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

/// Returns the most telling of several roles.
const fn role(roles: Roles) -> LocalRole {
    match roles {
        Roles { published: true, .. } => LocalRole::Published,
        Roles { fetched: true, .. } => LocalRole::Fetched,
        Roles { .. } => LocalRole::Assigned,
    }
}

/// Removes a name from the network, and from the outbox when its publication waits there.
///
/// # Errors
/// As the contract says.
pub(crate) async fn remove(node: &Node, remove: &Remove) -> Result<Revision, Failure> {
    let pending = node.publisher.pending().await?;
    let is_pending = pending.iter().any(|publication| publication.name == remove.name);
    if is_pending {
        let name = remove.name.clone();
        node.with_store(move |store| store.withdraw_publication(&name))
            .await?;
    }
    let removed = match node.catalog().await {
        Ok(catalog) => catalog.remove(remove).await,
        Err(error) => Err(error),
    };
    match removed {
        // The name was never published.
        Err(error) if is_pending && matches!(error.code(), ErrorCode::NotFound | ErrorCode::Unavailable) => {
            Ok(Revision::NONE)
        }
        removed => removed,
    }
}

/// Renames for everyone. The rename names the present revision, so that a repetition after a lost answer
/// changes nothing.
///
/// # Errors
/// As the contract says.
pub(crate) async fn rename(node: &Node, mut rename: Rename) -> Result<Binding, Failure> {
    let catalog = node.catalog().await?;
    if rename.expected.is_none() {
        let (revision, _) = catalog.head(&rename.from).await?;
        rename.expected = (revision != Revision::NONE).then_some(revision);
    }
    catalog.rename(&rename).await
}

/// Pins or unpins a revision. The request names the present count of pins, so that a repetition changes
/// nothing.
///
/// # Errors
/// As the contract says.
pub(crate) async fn pin(node: &Node, mut wish: PinWish) -> Result<RevisionEntry, Failure> {
    let catalog = node.catalog().await?;
    if wish.expected.is_none() {
        let history = catalog.history(&wish.what.name).await?;
        let found = history.iter().find(|entry| entry.revision == wish.what.revision);
        // A revision that is not listed cannot be pinned: the tracker says why.
        wish.expected = found.map(|entry| entry.pins);
    }
    catalog.pin(&wish).await
}

/// Drops this node's copy of a content and returns the bytes that became free. Without `force`, the tracker
/// decides whether the other peers' copies are enough.
///
/// # Errors
/// As the contract says.
pub(crate) async fn forget(
    node: &Node,
    reference: &ContentRef,
    force: bool,
) -> Result<(ContentId, u64), Failure> {
    let entry = find(node, reference).await?;
    let content = entry.manifest.content();
    if !force && !entry.held.is_empty() {
        return Ok((content, released(node, content).await?));
    }
    let freed = node.with_store(move |store| {
        let publications = store.publications()?;
        let of = publications.iter().filter(|known| known.content == content);
        for publication in of {
            store.forget_publication(publication)?;
        }
        store.forget(content)
    });
    Ok((content, freed.await?))
}

/// Returns the record of the content that this node holds under a name or id.
async fn find(node: &Node, reference: &ContentRef) -> Result<Entry, Failure> {
    let missing = || {
        Failure::new(
            ErrorCode::NotFound,
            format!("nothing of {reference} is held by this node"),
        )
    };
    let id = match reference {
        ContentRef::Id(id) => *id,
        ContentRef::Name(name) => match node.catalog().await {
            Ok(catalog) => match catalog.resolve(reference).await {
                Ok((binding, _)) => binding.content,
                Err(error) if error.code() == ErrorCode::NotFound => {
                    named_here(node, name).await?.ok_or(error)?
                }
                Err(error) => return Err(error),
            },
            Err(error) => named_here(node, name).await?.ok_or(error)?,
        },
    };
    node.entry(id).await?.ok_or_else(missing)
}

async fn named_here(node: &Node, name: &Name) -> Result<Option<ContentId>, Failure> {
    let (store, name) = (Arc::clone(&node.store), name.clone());
    blocking(move || {
        let entry = store
            .entries()
            .into_iter()
            .find(|entry| entry.name.as_ref() == Some(&name));
        entry.map(|entry| entry.manifest.content())
    })
    .await
}

/// Asks the tracker to let this node drop its copy, and returns the bytes that became free. The tracker
/// decides for one node after the other, and its order comes in the session: two nodes that looked for other
/// copies themselves could rely on each other.
async fn released(node: &Node, content: ContentId) -> Result<u64, Failure> {
    let refuse = |error: Failure| {
        let text = format!("{error}; --force forgets it all the same");
        Failure::new(ErrorCode::FailedPrecondition, text)
    };
    let before = node.store.usage().used;
    let mut changes = node.store.subscribe();
    let asking = async {
        loop {
            let upkeep = node.upkeep().await?;
            upkeep.release(node.identity.peer(), content).await?;
            // An order that crossed an announce was refused, and an order may be lost with its session.
            let gone = is_gone(node, content, &mut changes);
            if let Ok(is_gone) = tokio::time::timeout(RELEASE_WAIT, gone).await {
                return is_gone;
            }
        }
    };
    match tokio::time::timeout(RELEASE_PATIENCE, asking).await {
        Ok(answer) => answer.map_err(refuse)?,
        Err(_) => {
            let text = format!("the tracker's leave to drop {} does not arrive", content.short());
            return Err(refuse(Failure::new(ErrorCode::DeadlineExceeded, text)));
        }
    }
    Ok(before.saturating_sub(node.store.usage().used))
}

/// Waits until nothing is held of the content.
async fn is_gone(
    node: &Node,
    content: ContentId,
    changes: &mut broadcast::Receiver<ContentId>,
) -> Result<(), Failure> {
    loop {
        if node.entry(content).await?.is_none() {
            return Ok(());
        }
        // Any change, and any number of missed ones, may be of this content.
        if changes.recv().await == Err(RecvError::Closed) {
            return Err(Failure::new(ErrorCode::Cancelled, "the node is stopping"));
        }
    }
}

/// Reads one content or everything again. Withdraws damaged fragments, which the tracker then repairs from
/// other peers.
///
/// # Errors
/// When nothing of the content is held here, or the store fails.
pub(crate) async fn verify(
    node: &Node,
    what: Option<ContentRef>,
    events: &Events<Verified>,
) -> Result<(), Failure> {
    let store = Arc::clone(&node.store);
    let entries = match what {
        Some(reference) => vec![find(node, &reference).await?],
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
    events.tell(verified).await?;
    for entry in entries {
        for index in entry.held.iter() {
            let finding = look_at(&node.store, entry.manifest.content(), index).await?;
            verified.damaged += u32::from(finding == Finding::Damaged);
            verified.done += u64::from(entry.manifest.len_of(index));
            events.tell(verified).await?;
        }
    }
    Ok(())
}
