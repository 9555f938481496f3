//! The client of a tracker's `Upkeep`: targets, modes of peers, durability.

use shared::model::{
    Asked, Binding, ContentId, DrainStatus, Durability, HostPort, PeerId, PeerMode, RequestedMode, RunId,
    Survey, Why,
};
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::{Patience, Remote, unary};
use crate::credentials::Credentials;
use crate::messages::{Invalid, SetPeerMode, SetTarget};
use crate::tls::Tls;
use crate::v1::upkeep_client::UpkeepClient as Generated;
use crate::{RemoteError, dial, v1};

/// Talks to one tracker; cheap to clone.
#[derive(Clone, Debug)]
pub struct UpkeepClient(Generated<Channel>, Remote, Credentials);

impl UpkeepClient {
    /// Makes a client that dials on first use.
    ///
    /// # Errors
    /// When the address cannot be dialled.
    pub fn new(tracker: &HostPort, tls: &Tls) -> Result<Self, RemoteError> {
        let remote = Remote::new("the tracker", tracker);
        let inner = Generated::new(dial::secured(tracker, tls, dial::TRACKER)?);
        Ok(Self(inner, remote, Credentials::default()))
    }

    /// Makes calls in the name of the peer that has these credentials.
    #[must_use]
    pub fn speaking_with(self, credentials: Credentials) -> Self {
        Self(self.0, self.1, credentials)
    }

    /// Makes a call; both messages pass as they are.
    ///
    /// # Errors
    /// As the contract says, for this and all that follow.
    pub async fn forward<R: Clone, T, F>(
        &self,
        request: R,
        call: impl Fn(Generated<Channel>, R) -> F,
    ) -> Result<T, RemoteError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        unary(Patience::DEFAULT, &self.1, &self.0, request, call).await
    }

    /// Changes the number of replicas that is wanted.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn set_target(&self, set: &SetTarget) -> Result<Binding, RemoteError> {
        let request = v1::SetTargetRequest::from(set);
        let reply = self
            .forward(request, |mut client, request| async move {
                client.set_target(request).await
            })
            .await?;
        Ok(reply.binding.ok_or(Invalid::Missing("binding"))?.try_into()?)
    }

    /// Changes the mode of a peer.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn set_peer_mode(&self, peer: PeerId, wish: RequestedMode) -> Result<PeerMode, RemoteError> {
        let set = SetPeerMode {
            peer: Some(peer),
            wish,
        };
        let request = v1::SetDutyRequest::from(set);
        let reply = self
            .forward(request, |mut client, request| async move {
                client.set_duty(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Returns the progress of a drain.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn drain_status(&self, peer: PeerId) -> Result<DrainStatus, RemoteError> {
        let request = v1::DrainStatusRequest {
            peer_id: peer.as_bytes().to_vec().into(),
        };
        let reply = self
            .forward(request, |mut client, request| async move {
                client.drain_status(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Returns the losses that a content would survive.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn durability(&self, what: &Asked) -> Result<Durability, RemoteError> {
        let request = v1::DurabilityRequest::from(what);
        let reply = self
            .forward(request, |mut client, request| async move {
                client.durability(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Returns the durability of all contents in sum.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn survey(&self) -> Result<Survey, RemoteError> {
        let reply = self
            .forward(v1::SurveyRequest {}, |mut client, request| async move {
                client.survey(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Lets a peer drop its copy of a content, which is the caller; the order follows in its session.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn release(&self, peer: PeerId, run: RunId, content: ContentId) -> Result<(), RemoteError> {
        let request = v1::ReleaseRequest {
            peer_id: peer.as_bytes().to_vec().into(),
            content_id: content.as_bytes().to_vec().into(),
            run_id: run.as_bytes().to_vec().into(),
        };
        let credentials = self.2;
        let released = self.forward(request, |mut client, request| async move {
            client.release(credentials.request(request)).await
        });
        released.await.map(drop)
    }

    /// Returns the reasons for which a content is below its target.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn why(&self, what: &Asked) -> Result<Why, RemoteError> {
        let request = v1::WhyRequest::from(what);
        let reply = self
            .forward(
                request,
                |mut client, request| async move { client.why(request).await },
            )
            .await?;
        Ok(reply.try_into()?)
    }
}
