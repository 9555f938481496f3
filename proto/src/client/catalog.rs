//! The client of a tracker's `Catalog`: names, contents and peers.

use std::time::Duration;

use shared::model::{
    Binding, ContentId, ContentRef, FeedPage, FeedPosition, Health, HostPort, Location, Manifest, Name,
    Parts, PinWish, Revision, RevisionEntry,
};
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::{Incoming, Patience, Remote, begun, unary};
use crate::credentials::Credentials;
use crate::messages::types::content_id;
use crate::messages::{Invalid, List, Locate, Page, Peers, Publish, Published, Remove, Rename, publication};
use crate::tls::Tls;
use crate::v1::catalog_client::CatalogClient as Generated;
use crate::{RemoteError, dial, v1};

/// Deadline for a publication of up to 32 MiB, which the tracker journals as one.
const COLLECTION_DEADLINE: Duration = Duration::from_secs(60);

/// Talks to one tracker; cheap to clone.
#[derive(Clone, Debug)]
pub struct CatalogClient {
    inner: Generated<Channel>,
    remote: Remote,
    credentials: Credentials,
}

impl CatalogClient {
    /// Makes a client that dials on first use.
    ///
    /// # Errors
    /// When the address cannot be dialled.
    pub fn new(tracker: &HostPort, tls: &Tls) -> Result<Self, RemoteError> {
        Ok(Self {
            inner: Generated::new(dial::secured(tracker, tls, dial::TRACKER)?),
            remote: Remote::new("the tracker", tracker),
            credentials: Credentials::default(),
        })
    }

    /// Makes calls in the name of the peer that has these credentials.
    #[must_use]
    pub fn speaking_with(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
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
        unary(Patience::DEFAULT, &self.remote, &self.inner, request, call).await
    }

    /// Binds a name; see the contract.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn publish(&self, publish: &Publish) -> Result<Binding, RemoteError> {
        if let Some(parts) = &publish.parts {
            return self.publish_collection(publish, parts).await;
        }
        let (request, credentials) = (v1::PublishRequest::from(publish), self.credentials);
        let reply = self
            .forward(request, |mut client, request| async move {
                client.publish(credentials.request(request)).await
            })
            .await?;
        Ok(reply.binding.ok_or(Invalid::Missing("binding"))?.try_into()?)
    }

    async fn publish_collection(&self, publish: &Publish, parts: &Parts) -> Result<Binding, RemoteError> {
        let patience = Patience {
            deadline: COLLECTION_DEADLINE,
            ..Patience::DEFAULT
        };
        let (messages, credentials) = (publication(publish, parts), self.credentials);
        let reply = unary(
            patience,
            &self.remote,
            &self.inner,
            messages,
            |mut client, messages| async move {
                let request = credentials.request(tokio_stream::iter(messages));
                client.publish_collection(request).await
            },
        )
        .await?;
        Ok(reply.binding.ok_or(Invalid::Missing("binding"))?.try_into()?)
    }

    /// Returns the revision of a name, and the content that this revision bound, if any.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn head(&self, name: &Name) -> Result<(Revision, Option<ContentId>), RemoteError> {
        let request = v1::HeadRequest {
            name: name.to_string(),
        };
        let reply = self
            .forward(request, |mut client, request| async move {
                client.head(request).await
            })
            .await?;
        let content = if reply.content_id.is_empty() {
            None
        } else {
            Some(content_id(&reply.content_id)?)
        };
        Ok((Revision::new(reply.revision), content))
    }

    /// Returns the binding of a name, or of one name of a content.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn resolve(&self, content: &ContentRef) -> Result<(Binding, Manifest), RemoteError> {
        let request = v1::ResolveRequest {
            r#ref: Some(content.into()),
        };
        let reply = self
            .forward(request, |mut client, request| async move {
                client.resolve(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Returns a page of names.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn list(&self, list: &List) -> Result<Published, RemoteError> {
        let request = v1::ListRequest::from(list);
        let reply = self
            .forward(request, |mut client, request| async move {
                client.list(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Returns the location of a content.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn locate(&self, locate: &Locate) -> Result<Location, RemoteError> {
        let request = v1::LocateRequest::from(locate);
        let reply = self
            .forward(request, |mut client, request| async move {
                client.locate(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Removes a name and returns the revision of its tombstone.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn remove(&self, remove: &Remove) -> Result<Revision, RemoteError> {
        let request = v1::RemoveRequest::from(remove);
        let reply = self
            .forward(request, |mut client, request| async move {
                client.remove(request).await
            })
            .await?;
        Ok(Revision::new(reply.revision))
    }

    /// Moves a binding to another name.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn rename(&self, rename: &Rename) -> Result<Binding, RemoteError> {
        let request = v1::RenameRequest::from(rename);
        let reply = self
            .forward(request, |mut client, request| async move {
                client.rename(request).await
            })
            .await?;
        Ok(reply.binding.ok_or(Invalid::Missing("binding"))?.try_into()?)
    }

    /// Returns the remembered revisions of a name, the newest first.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn history(&self, name: &Name) -> Result<Vec<RevisionEntry>, RemoteError> {
        let request = v1::HistoryRequest {
            name: name.to_string(),
        };
        let reply = self
            .forward(request, |mut client, request| async move {
                client.history(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Pins or unpins a revision, and returns its state.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn pin(&self, wish: &PinWish) -> Result<RevisionEntry, RemoteError> {
        let request = v1::PinRequest::from(wish);
        let reply = self
            .forward(
                request,
                |mut client, request| async move { client.pin(request).await },
            )
            .await?;
        Ok(reply.try_into()?)
    }

    /// Follows the health of a content: its present state, then every change.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn watch(&self, content: ContentId) -> Result<Incoming<v1::WatchReply, Health>, RemoteError> {
        let request = v1::WatchRequest {
            content_id: content.as_bytes().to_vec().into(),
        };
        let mut client = self.inner.clone();
        Ok(Incoming::new(
            begun(Patience::DEFAULT.deadline, &self.remote, client.watch(request)).await?,
        ))
    }

    /// Follows the changes after a position, or from now on.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn events(
        &self,
        after: Option<FeedPosition>,
    ) -> Result<Incoming<v1::EventsReply, FeedPage>, RemoteError> {
        let mut client = self.inner.clone();
        Ok(Incoming::new(
            begun(
                Patience::DEFAULT.deadline,
                &self.remote,
                client.events(v1::EventsRequest::from(after)),
            )
            .await?,
        ))
    }

    /// Returns a page of peers.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn peers(&self, page: &Page) -> Result<Peers, RemoteError> {
        let request = v1::PeersRequest {
            page_token: page.token.clone(),
            page_size: page.size,
        };
        let reply = self
            .forward(request, |mut client, request| async move {
                client.peers(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }
}

impl TryFrom<v1::WatchReply> for Health {
    type Error = Invalid;

    fn try_from(wire: v1::WatchReply) -> Result<Self, Invalid> {
        wire.health.ok_or(Invalid::Missing("health"))?.try_into()
    }
}
