//! Questions about upkeep that the tracker and the node answer together: the tracker knows the network, the
//! node knows its own fetches and its outbox.

use std::sync::Arc;

use proto::messages::Locate;
use shared::model::{
    Asked, ByteCount, ContentId, ContentRef, DrainStatus, Durability, FetchStanding, Location, Name, PeerId,
    Reason, ReasonCode, Why,
};
use shared::{Coded as _, ErrorCode, Failure};

use super::Node;
use super::extent::about;
use crate::blocking::blocking;
use crate::collection::{read_catalog, require_no_absence};
use store::{FragmentStore as _, StoreError};

/// Returns how far a drain is, of this node unless a peer is named. Publications that no tracker has heard of
/// keep this node from being safe.
///
/// # Errors
/// As the contract says.
pub(crate) async fn drain_status(node: &Node, peer: Option<PeerId>) -> Result<DrainStatus, Failure> {
    let own = node.identity.peer();
    let peer = peer.unwrap_or(own);
    let mut status = node.upkeep().await?.drain_status(peer).await?;
    let pending = match peer == own {
        true => node.with_store(|store| store.count_pending()).await?,
        false => 0,
    };
    if pending > 0 {
        status.is_safe = false;
        status.reasons.push(Reason {
            code: ReasonCode::Unpublished,
            detail: format!("{pending} to be published first"),
        });
    }
    Ok(status)
}

/// Returns why a content is below its target, with the state of this node's own fetch of it.
///
/// # Errors
/// As the contract says. Without a tracker the message says how far the node's fetch is.
pub(crate) async fn why(node: &Node, what: &Asked, may_fetch: bool) -> Result<Why, Failure> {
    let ask = |asked: Asked| async move { node.upkeep().await?.why(&asked).await };
    match about(node, what.clone(), may_fetch, ask).await {
        Ok((mut why, _)) => {
            why.fetch = fetch_of(node, Some(why.content), Some(&why.name)).await?;
            if let Some(away) = away(node, why.content).await? {
                // It names the path, which no tracker knows.
                why.reasons.retain(|reason| reason.code != away.code);
                why.reasons.push(away);
            }
            Ok(why)
        }
        // Without a tracker a fetch is waiting all the more.
        Err(error) if error.code() == ErrorCode::Unavailable => {
            let fetch = match &what.content {
                ContentRef::Id(content) => fetch_of(node, Some(*content), None).await,
                ContentRef::Name(name) => fetch_of(node, None, Some(name)).await,
                ContentRef::Inside(_) => Ok(None),
            };
            Err(match fetch? {
                Some(fetch) => error.context(in_words(&fetch)),
                None => error,
            })
        }
        Err(error) => Err(error),
    }
}

/// Returns which losses a file, a directory or a path inside one would survive.
///
/// # Errors
/// As the contract says.
pub(crate) async fn durability(node: &Node, what: Asked, may_fetch: bool) -> Result<Durability, Failure> {
    let ask = |asked: Asked| async move { node.upkeep().await?.durability(&asked).await };
    let (durability, _) = about(node, what, may_fetch, ask).await?;
    Ok(durability)
}

/// Locates a file, a directory or a path inside one.
///
/// # Errors
/// As the contract says.
pub(crate) async fn locate(node: &Node, locate: &Locate, may_fetch: bool) -> Result<Location, Failure> {
    let (max_holders, except) = (locate.max_holders, locate.except);
    let ask = |content: Asked| async move {
        let locate = Locate {
            content,
            max_holders,
            except,
        };
        node.catalog().await?.locate(&locate).await
    };
    let (mut location, inside) = about(node, locate.content.clone(), may_fetch, ask).await?;
    // The size of the files that were asked for, and not that of the directory around them.
    if let (Some(length), Some(size)) = (inside, &mut location.binding.collection) {
        size.length = length;
    }
    Ok(location)
}

/// Returns the reason that this node's own file with a content, or one of a directory's, is away.
async fn away(node: &Node, content: ContentId) -> Result<Option<Reason>, Failure> {
    let away = node
        .with_store(move |store| {
            let parts = match store.is_collection(content)? {
                true => read_catalog(&**store, content).map(|catalog| catalog.parts().to_vec()),
                false => Ok(Vec::new()),
            };
            let of = parts.unwrap_or_default().into_iter().chain([content]);
            let entries = of.filter_map(|content| store.entry(content));
            let away = entries.filter_map(|entry| require_no_absence(&entry).err());
            Ok::<_, StoreError>(away.map(|away| away.to_string()).collect::<Vec<_>>())
        })
        .await?;
    let count = away.len();
    Ok(away.into_iter().next().map(|first| Reason {
        code: ReasonCode::FileAway,
        detail: match count {
            1 => first,
            _ => format!("{first}; {count} files of it are away"),
        },
    }))
}

/// Returns the state of the fetches of a content or name, added up: of a directory there are several.
async fn fetch_of(
    node: &Node,
    content: Option<ContentId>,
    name: Option<&Name>,
) -> Result<Option<FetchStanding>, Failure> {
    let (store, fetching, name) = (Arc::clone(&node.store), node.fetcher.contents(), name.cloned());
    let is_part = move |other: &ContentId| {
        Some(*other) == content
            || name.is_some() && store.entry(*other).is_some_and(|entry| entry.name == name)
    };
    let of = blocking(move || fetching.into_iter().filter(is_part).collect::<Vec<_>>()).await?;
    let mut standing: Option<FetchStanding> = None;
    for content in of {
        if let Some(next) = node.fetcher.explain(content).await {
            standing = Some(standing.unwrap_or_default().and(next));
        }
    }
    Ok(standing)
}

fn in_words(fetch: &FetchStanding) -> String {
    let (held, length) = (ByteCount::new(fetch.held_bytes), ByteCount::new(fetch.length));
    let why: Vec<_> = fetch
        .reasons
        .iter()
        .map(|reason| reason.detail.as_str())
        .collect();
    match why.as_slice() {
        [] => format!("{held} of {length} have been fetched"),
        why => format!("{held} of {length} have been fetched ({})", why.join("; ")),
    }
}
