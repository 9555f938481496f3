//! Forgetting: this node's copy of a content goes, and its room is free.
//!
//! A directory is its parts: packs and large files go with its catalog, but for those that another directory
//! or a name of this node needs. So do the older revisions that were fetched under its name: nothing else
//! would ever free their room.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use shared::model::{ByteCount, ContentId, ContentRef};
use shared::{Coded as _, ErrorCode, Failure};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Node;
use super::extent::nothing_held;
use super::local::find;
use crate::collection::going_with;
use store::{DiskStore, FragmentStore as _, StoreError};

/// The wait for an order of the tracker to drop a copy, after which it is asked for again.
const RELEASE_WAIT: Duration = Duration::from_secs(1);

/// The time for which a release is asked for: longer than a new session takes.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);

/// The pause before a release is asked for again that the tracker puts off.
const AGAIN: Duration = Duration::from_millis(200);

/// Contents of a directory that the tracker is asked for at once.
const AT_ONCE: usize = 8;

/// Drops this node's copy of a content, all of it, and returns the bytes that became free. Without `force`,
/// the tracker decides for each content whether the other peers' copies are enough.
///
/// # Errors
/// As the contract says. The catalog of a directory goes last, so that the command can be repeated.
pub(crate) async fn forget(
    node: &Node,
    reference: &ContentRef,
    force: bool,
) -> Result<(ContentId, u64), Failure> {
    let (entry, missing) = match find(node, reference).await {
        Ok(entry) => (Some(entry), None),
        // Parts of it may be here all the same.
        Err(error) if error.code() == ErrorCode::NotFound => (None, Some(error)),
        Err(error) => return Err(error),
    };
    let name = match reference {
        ContentRef::Name(name) => Some(name.clone()),
        _ => None,
    };
    let content = entry.as_ref().map(|entry| entry.manifest.content());
    let going = move |store: &Arc<DiskStore>| going_with(store, entry.as_ref(), name.as_ref());
    let mut with_it = node.with_store(going).await?;
    let Some(content) = content.or_else(|| with_it.pop()) else {
        return Err(missing.unwrap_or_else(|| nothing_held(reference)));
    };
    let before = node.store.usage().used;
    let freed = |node: &Node| before.saturating_sub(node.store.usage().used);
    if force {
        let all = with_it.into_iter().chain([content]).collect();
        drop_all(node, all).await?;
        return Ok((content, freed(node)));
    }
    let count = with_it.len();
    let refused: Vec<Failure> = stream::iter(with_it)
        .map(|part| released(node, part))
        .buffer_unordered(AT_ONCE)
        .filter_map(|released| async { released.err() })
        .collect()
        .await;
    let refusal = match refused.into_iter().next() {
        None => released(node, content).await.err(),
        Some(first) => {
            let left = ByteCount::new(freed(node));
            Some(first.context(format!(
                "not all {count} contents of the directory can go ({left} became free)"
            )))
        }
    };
    match refusal {
        None => Ok((content, freed(node))),
        // A disk that is full lets nothing go by force either.
        Some(full) if full.code() == ErrorCode::Exhausted => Err(full),
        Some(refusal) => {
            let text = format!("{refusal}; --force forgets it all the same");
            Err(Failure::new(ErrorCode::FailedPrecondition, text))
        }
    }
}

/// Forgets contents, the publications of them, and orders to hold them.
async fn drop_all(node: &Node, all: Vec<ContentId>) -> Result<(), Failure> {
    all.iter().for_each(|content| node.assignments.withdraw(*content));
    node.with_store(move |store| forget_all(store, all)).await
}

fn forget_all(store: &Arc<DiskStore>, all: Vec<ContentId>) -> Result<(), StoreError> {
    for content in all {
        for publication in &store.publications_of(content)? {
            store.forget_publication(publication)?;
        }
        match store.forget(content) {
            // An order of the tracker has come first.
            Ok(_) | Err(StoreError::UnknownContent(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Asks the tracker to let this node drop its copy, and waits until it is gone. The tracker decides for one
/// node after the other, and its order comes in the session: two nodes that looked for other copies
/// themselves could rely on each other.
async fn released(node: &Node, content: ContentId) -> Result<(), Failure> {
    match node.entry(content).await? {
        None => return Ok(()),
        Some(entry) if entry.held.is_empty() => {
            return drop_all(node, vec![content]).await;
        }
        Some(_) => {}
    }
    if node.store.is_elsewhere(content) {
        let text = "it is of another network, whose tracker alone knows whether other copies are enough";
        return Err(Failure::new(ErrorCode::FailedPrecondition, text.to_owned()));
    }
    let mut changes = node.store.subscribe();
    let mut kept = node.assignments.kept();
    let mut delay = None;
    let asking = async {
        loop {
            let upkeep = node.upkeep().await?;
            let (peer, run) = (node.identity.peer(), node.identity.run());
            match upkeep.release(peer, run, content).await {
                Ok(()) => {}
                // Other copies are being looked at, or the tracker has not heard of this one yet; or the call
                // came after the end of the session, and the next one begins.
                Err(error) if matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Unauthenticated) => {
                    delay = Some(error);
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                Err(error) => return Err(error),
            }
            delay = None;
            // An order that crossed an announce was refused, and an order may be lost with its session.
            let gone = async {
                tokio::select! {
                    gone = is_gone(node, content, &mut changes) => gone,
                    failure = stays(content, &mut kept) => Err(failure),
                }
            };
            if let Ok(is_gone) = tokio::time::timeout(RELEASE_WAIT, gone).await {
                return is_gone;
            }
        }
    };
    match tokio::time::timeout(RELEASE_PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(delay.unwrap_or_else(|| {
            let text = format!("the tracker's leave to drop {} does not arrive", content.short());
            Failure::new(ErrorCode::DeadlineExceeded, text)
        })),
    }
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

/// Waits until this node cannot carry out an order to drop the content, and returns the reason.
async fn stays(content: ContentId, kept: &mut broadcast::Receiver<(ContentId, Failure)>) -> Failure {
    loop {
        match kept.recv().await {
            Ok((other, failure)) if other == content => return failure,
            // Of one that was missed the tracker is asked again.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}
