//! What a node asks its tracker on behalf of its commands: targets, duties, durability.

use shared::model::{Binding, ContentRef, DrainStatus, Durability, PeerMode, RequestedMode, Survey, Why};

use super::{ControlClient, PATIENCE};
use crate::client::unary;
use crate::messages::{Invalid, SetPeerMode, SetTarget};
use crate::{RemoteError, v1};

impl ControlClient {
    /// Wants another number of replicas of what a name is bound to.
    ///
    /// # Errors
    /// As the contract says, for this and all that follow.
    pub async fn set_target(&self, set: &SetTarget) -> Result<Binding, RemoteError> {
        let request = v1::SetTargetRequest::from(set);
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.set_target(request).await
        })
        .await?;
        Ok(reply.binding.ok_or(Invalid::Missing("binding"))?.try_into()?)
    }

    /// Uses the node for something else.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn set_peer_mode(&self, wish: RequestedMode) -> Result<PeerMode, RemoteError> {
        let request = v1::SetDutyRequest::from(SetPeerMode { peer: None, wish });
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.set_duty(request).await
        })
        .await?;
        Ok(reply.try_into()?)
    }

    /// How far the node's drain has come.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn drain_status(&self) -> Result<DrainStatus, RemoteError> {
        let request = v1::DrainStatusRequest::default();
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.drain_status(request).await
        })
        .await?;
        Ok(reply.try_into()?)
    }

    /// Which losses a content would survive.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn durability(&self, content: &ContentRef) -> Result<Durability, RemoteError> {
        let request = v1::DurabilityRequest {
            r#ref: Some(content.into()),
        };
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.durability(request).await
        })
        .await?;
        Ok(reply.try_into()?)
    }

    /// The same in sum for all contents.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn survey(&self) -> Result<Survey, RemoteError> {
        let request = v1::SurveyRequest {};
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.survey(request).await
        })
        .await?;
        Ok(reply.try_into()?)
    }

    /// Why a content is below its target.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn why(&self, content: &ContentRef) -> Result<Why, RemoteError> {
        let request = v1::WhyRequest {
            r#ref: Some(content.into()),
        };
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.why(request).await
        })
        .await?;
        Ok(reply.try_into()?)
    }
}
