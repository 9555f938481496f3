//! Targets, duties and durability: questions and wishes that the tracker answers, about this node unless another is named.

use proto::RemoteError;
use proto::convert::{SetDuty, SetTarget};
use shared::model::{
    Binding, ContentRef, DrainStatus, Durability, Duty, PeerId, Reason, ReasonCode, Survey, Why,
};

use super::ControlParts;
use crate::session::Connection;

pub(super) async fn set_target(parts: &ControlParts, set: &SetTarget) -> Result<Binding, RemoteError> {
    connection(parts).await?.upkeep.set_target(set).await
}

pub(super) async fn set_duty(parts: &ControlParts, set: SetDuty) -> Result<Duty, RemoteError> {
    let peer = set.peer.unwrap_or_else(|| parts.identity.peer());
    connection(parts).await?.upkeep.set_duty(peer, set.wish).await
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

pub(super) async fn why(parts: &ControlParts, what: &ContentRef) -> Result<Why, RemoteError> {
    connection(parts).await?.upkeep.why(what).await
}

async fn connection(parts: &ControlParts) -> Result<Connection, RemoteError> {
    parts.network.connection_soon().await
}
