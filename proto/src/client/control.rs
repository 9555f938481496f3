//! A node's own command line.

mod feed;
mod revisions;
mod streams;
mod upkeep;
mod values;

use std::time::Duration;

use shared::ErrorCode;
use shared::model::{Binding, ContentId, ContentRef, Epoch, HostPort, Location, Revision};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status as GrpcStatus};

use super::{Incoming, Patience, unary};
use crate::messages::control::{
    Add, AddEvent, EntryPoint, Get, GetEvent, Listed, LocalContent, RateLimits, SetLimits, Status, TOKEN_KEY,
    Verified,
};
use crate::messages::types::content_id;
use crate::messages::{Invalid, List, Locate, Page, Peers, Published, Remove, Rename};
use crate::v1::control_client::ControlClient as Generated;
use crate::{RemoteError, dial, v1};

/// The node asks its tracker on our behalf, with patience of its own: ours must outlast it.
const PATIENCE: Patience = Patience {
    deadline: Duration::from_secs(60),
    attempts: 1,
};

/// A stream must have begun by then: the node may have to ask its tracker first.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Talks to one node; cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlClient(Generated<InterceptedService<Channel, Token>>);

/// What proves that the caller may read the node's data directory.
#[derive(Clone, Debug)]
pub(super) struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, GrpcStatus> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert(TOKEN_KEY, token.clone());
        }
        Ok(request)
    }
}

impl ControlClient {
    /// A client that dials on first use; without a token it can only ask.
    ///
    /// # Errors
    /// When the address cannot be dialled or the token is no token.
    pub fn new(node: &HostPort, token: Option<&str>) -> Result<Self, RemoteError> {
        let invalid = |_| RemoteError::new(ErrorCode::InvalidArgument, "the node's token is not readable");
        let token = Token(token.map(MetadataValue::try_from).transpose().map_err(invalid)?);
        Ok(Self(Generated::with_interceptor(dial::channel(node)?, token)))
    }

    /// What the node is and does.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn status(&self) -> Result<Status, RemoteError> {
        let reply = unary(
            PATIENCE,
            &self.0,
            v1::StatusRequest {},
            |mut client, request| async move { client.status(request).await },
        )
        .await?;
        Ok(reply.try_into()?)
    }

    /// Enters a network; returns the tracker and its epoch.
    ///
    /// # Errors
    /// As the contract says, for this and all that follow.
    pub async fn connect(&self, entry: &EntryPoint) -> Result<(HostPort, Epoch), RemoteError> {
        let request = v1::ConnectRequest::from(entry);
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.connect(request).await
        })
        .await?;
        let tracker = reply
            .tracker
            .parse()
            .map_err(|error| crate::Invalid::field("tracker", error))?;
        Ok((tracker, Epoch::new(reply.epoch)))
    }

    /// Leaves the network.
    ///
    /// # Errors
    /// When the node cannot be reached.
    pub async fn disconnect(&self) -> Result<(), RemoteError> {
        unary(
            PATIENCE,
            &self.0,
            v1::DisconnectRequest {},
            |mut client, request| async move { client.disconnect(request).await },
        )
        .await?;
        Ok(())
    }

    /// Publishes a file; the events tell how it goes.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn add(&self, add: Add) -> Result<Incoming<v1::AddEvent, AddEvent>, RemoteError> {
        let mut client = self.0.clone();
        started(client.add(v1::AddRequest::from(add))).await
    }

    /// Fetches a content; the events tell how it goes. Dropping them stops the transfer.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn get(&self, get: Get) -> Result<Incoming<v1::GetEvent, GetEvent>, RemoteError> {
        let mut client = self.0.clone();
        started(client.get(v1::GetRequest::from(get))).await
    }

    /// What is in a collection, some entries at a time.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn entries(
        &self,
        content: &ContentRef,
    ) -> Result<Incoming<v1::EntriesReply, Vec<Listed>>, RemoteError> {
        let mut client = self.0.clone();
        let request = v1::EntriesRequest {
            r#ref: Some(content.into()),
        };
        started(client.entries(request)).await
    }

    /// Removes a name for everyone.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn remove(&self, remove: &Remove) -> Result<Revision, RemoteError> {
        let request = v1::RemoveRequest::from(remove);
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.remove(request).await
        })
        .await?;
        Ok(Revision::new(reply.revision))
    }

    /// Renames for everyone.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn rename(&self, rename: &Rename) -> Result<Binding, RemoteError> {
        let request = v1::RenameRequest::from(rename);
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.rename(request).await
        })
        .await?;
        Ok(reply.binding.ok_or(Invalid::Missing("binding"))?.try_into()?)
    }

    /// Drops the node's copy of a content; returns what it was and the bytes that became free.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn forget(&self, content: &ContentRef, force: bool) -> Result<(ContentId, u64), RemoteError> {
        let request = v1::ForgetRequest {
            r#ref: Some(content.into()),
            force,
        };
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.forget(request).await
        })
        .await?;
        Ok((content_id(&reply.content_id)?, reply.freed))
    }

    /// What the node holds.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn local_list(&self) -> Result<Vec<LocalContent>, RemoteError> {
        let reply = unary(
            PATIENCE,
            &self.0,
            v1::LocalListRequest {},
            |mut client, request| async move { client.local_list(request).await },
        )
        .await?;
        Ok(reply
            .contents
            .into_iter()
            .map(LocalContent::try_from)
            .collect::<Result<_, _>>()?)
    }

    /// The network's names.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn network_list(&self, list: &List) -> Result<Published, RemoteError> {
        let request = v1::ListRequest::from(list);
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.network_list(request).await
        })
        .await?;
        Ok(reply.try_into()?)
    }

    /// Where a content is.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn network_locate(&self, locate: &Locate) -> Result<Location, RemoteError> {
        let request = v1::LocateRequest::from(locate);
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.network_locate(request).await
        })
        .await?;
        Ok(reply.try_into()?)
    }

    /// The network's peers.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn network_peers(&self, page: &Page) -> Result<Peers, RemoteError> {
        let request = v1::PeersRequest {
            page_token: page.token.clone(),
            page_size: page.size,
        };
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.network_peers(request).await
        })
        .await?;
        Ok(reply.try_into()?)
    }

    /// Reads what the node holds again: one content, or everything.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn verify(
        &self,
        what: Option<&ContentRef>,
    ) -> Result<Incoming<v1::VerifyEvent, Verified>, RemoteError> {
        let mut client = self.0.clone();
        let request = v1::VerifyRequest {
            r#ref: what.map(Into::into),
        };
        started(client.verify(request)).await
    }

    /// Changes how fast the node may transfer until it restarts; returns how fast it may from now on.
    ///
    /// # Errors
    /// When it cannot be reached, or the caller may not change anything.
    pub async fn set_limits(&self, set: SetLimits) -> Result<RateLimits, RemoteError> {
        let request = v1::SetLimitsRequest::from(set);
        let reply = unary(PATIENCE, &self.0, request, |mut client, request| async move {
            client.set_limits(request).await
        })
        .await?;
        Ok(reply.into())
    }
}

async fn started<W, T>(
    call: impl Future<Output = Result<tonic::Response<tonic::Streaming<W>>, GrpcStatus>>,
) -> Result<Incoming<W, T>, RemoteError> {
    let late = |_| RemoteError::new(ErrorCode::DeadlineExceeded, "the node did not answer in time");
    let response = tokio::time::timeout(START_TIMEOUT, call).await.map_err(late)??;
    Ok(Incoming::new(response.into_inner()))
}
