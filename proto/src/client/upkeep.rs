//! A tracker's targets, duties, and how safe everything is.

use shared::model::{
    Binding, ContentId, ContentRef, DrainStatus, Durability, HostPort, PeerId, PeerMode, RequestedMode,
    Survey, Why,
};
use tonic::transport::Channel;

use super::{Patience, unary};
use crate::messages::{Invalid, SetPeerMode, SetTarget};
use crate::v1::upkeep_client::UpkeepClient as Generated;
use crate::{RemoteError, dial, v1};

/// Talks to one tracker; cheap to clone.
#[derive(Clone, Debug)]
pub struct UpkeepClient(Generated<Channel>);

impl UpkeepClient {
    /// A client that dials on first use.
    ///
    /// # Errors
    /// When the address cannot be dialled.
    pub fn new(tracker: &HostPort) -> Result<Self, RemoteError> {
        Ok(Self(Generated::new(dial::channel(tracker)?)))
    }

    /// Wants another number of replicas.
    ///
    /// # Errors
    /// As the contract says, for this and all that follow.
    pub async fn set_target(&self, set: &SetTarget) -> Result<Binding, RemoteError> {
        let request = v1::SetTargetRequest::from(set);
        let call = |mut client: Generated<_>, request| async move { client.set_target(request).await };
        let reply = unary(Patience::DEFAULT, &self.0, request, call).await?;
        Ok(reply.binding.ok_or(Invalid::Missing("binding"))?.try_into()?)
    }

    /// Uses a peer for something else.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn set_peer_mode(&self, peer: PeerId, wish: RequestedMode) -> Result<PeerMode, RemoteError> {
        let set = SetPeerMode {
            peer: Some(peer),
            wish,
        };
        let request = v1::SetDutyRequest::from(set);
        let call = |mut client: Generated<_>, request| async move { client.set_duty(request).await };
        Ok(unary(Patience::DEFAULT, &self.0, request, call)
            .await?
            .try_into()?)
    }

    /// Returns the progress of a drain.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn drain_status(&self, peer: PeerId) -> Result<DrainStatus, RemoteError> {
        let request = v1::DrainStatusRequest {
            peer_id: peer.as_bytes().to_vec().into(),
        };
        let call = |mut client: Generated<_>, request| async move { client.drain_status(request).await };
        Ok(unary(Patience::DEFAULT, &self.0, request, call)
            .await?
            .try_into()?)
    }

    /// Returns the losses that a content would survive.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn durability(&self, content: &ContentRef) -> Result<Durability, RemoteError> {
        let request = v1::DurabilityRequest {
            r#ref: Some(content.into()),
        };
        let call = |mut client: Generated<_>, request| async move { client.durability(request).await };
        Ok(unary(Patience::DEFAULT, &self.0, request, call)
            .await?
            .try_into()?)
    }

    /// Returns the durability of all contents in sum.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn survey(&self) -> Result<Survey, RemoteError> {
        let call = |mut client: Generated<_>, request| async move { client.survey(request).await };
        Ok(unary(Patience::DEFAULT, &self.0, v1::SurveyRequest {}, call)
            .await?
            .try_into()?)
    }

    /// Lets a peer drop its copy of a content; the order follows in its session.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn release(&self, peer: PeerId, content: ContentId) -> Result<(), RemoteError> {
        let request = v1::ReleaseRequest {
            peer_id: peer.as_bytes().to_vec().into(),
            content_id: content.as_bytes().to_vec().into(),
        };
        let call = |mut client: Generated<_>, request| async move { client.release(request).await };
        unary(Patience::DEFAULT, &self.0, request, call).await.map(drop)
    }

    /// Returns the reasons for which a content is below its target.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn why(&self, content: &ContentRef) -> Result<Why, RemoteError> {
        let request = v1::WhyRequest {
            r#ref: Some(content.into()),
        };
        let call = |mut client: Generated<_>, request| async move { client.why(request).await };
        Ok(unary(Patience::DEFAULT, &self.0, request, call)
            .await?
            .try_into()?)
    }
}
