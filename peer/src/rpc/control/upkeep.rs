//! Targets, duties and durability: questions and wishes that the tracker answers, about this node unless another is named.

use std::sync::Arc;

use proto::RemoteError;
use proto::messages::{SetPeerMode, SetTarget};
use shared::model::{
    Binding, ByteCount, ContentId, ContentRef, DrainStatus, Durability, FetchStanding, Name, PeerId,
    PeerMode, Reason, ReasonCode, Survey, Why,
};
use shared::{Coded as _, ErrorCode};

use super::ControlParts;
use crate::blocking::blocking;
use crate::session::Connection;
use crate::store::FragmentStore as _;

pub(super) async fn set_target(parts: &ControlParts, set: &SetTarget) -> Result<Binding, RemoteError> {
    connection(parts).await?.upkeep.set_target(set).await
}

pub(super) async fn set_peer_mode(parts: &ControlParts, set: SetPeerMode) -> Result<PeerMode, RemoteError> {
    let peer = set.peer.unwrap_or_else(|| parts.identity.peer());
    connection(parts)
        .await?
        .upkeep
        .set_peer_mode(peer, set.wish)
        .await
}

/// What the tracker knows of a drain, and what only the node knows: publications that no tracker has heard of.
pub(super) async fn drain_status(
    parts: &ControlParts,
    peer: Option<PeerId>,
) -> Result<DrainStatus, RemoteError> {
    let own = parts.identity.peer();
    let peer = peer.unwrap_or(own);
    let mut status = connection(parts).await?.upkeep.drain_status(peer).await?;
    let pending = match peer == own {
        true => parts.publisher.pending().await?.len(),
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

pub(super) async fn durability(parts: &ControlParts, what: &ContentRef) -> Result<Durability, RemoteError> {
    connection(parts).await?.upkeep.durability(what).await
}

pub(super) async fn survey(parts: &ControlParts) -> Result<Survey, RemoteError> {
    connection(parts).await?.upkeep.survey().await
}

/// What the tracker knows of the replicas, and what only the node knows: how its fetch stands.
pub(super) async fn why(parts: &ControlParts, what: &ContentRef) -> Result<Why, RemoteError> {
    let told = async { connection(parts).await?.upkeep.why(what).await };
    match told.await {
        Ok(mut why) => {
            why.fetch = fetch_of(parts, Some(why.content), Some(&why.name)).await?;
            Ok(why)
        }
        // Without a tracker a fetch is waiting all the more.
        Err(error) if error.code() == ErrorCode::Unavailable => {
            let fetch = match what {
                ContentRef::Id(content) => fetch_of(parts, Some(*content), None).await,
                ContentRef::Name(name) => fetch_of(parts, None, Some(name)).await,
            };
            Err(match fetch? {
                Some(fetch) => error.context(in_words(&fetch)),
                None => error,
            })
        }
        Err(error) => Err(error),
    }
}

/// How the fetches stand of this content, or of what this name stands for: of a directory, several.
async fn fetch_of(
    parts: &ControlParts,
    content: Option<ContentId>,
    name: Option<&Name>,
) -> Result<Option<FetchStanding>, RemoteError> {
    let (store, fetching, name) = (Arc::clone(&parts.store), parts.fetcher.contents(), name.cloned());
    let is_part = move |other: &ContentId| {
        Some(*other) == content
            || name.is_some() && store.entry(*other).is_some_and(|entry| entry.name == name)
    };
    let of = blocking(move || fetching.into_iter().filter(is_part).collect::<Vec<_>>()).await?;
    let mut standing: Option<FetchStanding> = None;
    for content in of {
        if let Some(next) = parts.fetcher.explain(content).await {
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

async fn connection(parts: &ControlParts) -> Result<Connection, RemoteError> {
    parts.network.connection_soon().await
}
