//! The client of a node's `Control`, for the commands of its own machine.

use std::time::Duration;

use shared::ErrorCode;
use shared::model::{
    Asked, Binding, ContentId, ContentRef, DrainStatus, Durability, Epoch, FeedPage, FeedPosition, HostPort,
    Location, Name, PeerId, PeerMode, PinWish, RequestedMode, Revision, RevisionEntry, Survey, Why,
};
use shared::security::JoinLine;
use shared::settings::InForce;
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status as GrpcStatus, Streaming};

use super::{Incoming, Patience, Remote, begun, unary};
use crate::messages::control::{
    Add, AddEvent, AddStep, EntryPoint, Get, GetEvent, Hiding, Joined, Listed, LocalContent, Noted, Planned,
    PutValue, RateLimits, ReadEvent, SetLimits, Status, TOKEN_KEY, Value, Verified,
};
use crate::messages::types::content_id;
use crate::messages::{
    Invalid, List, Locate, Page, Peers, Published, Remove, Rename, SetPeerMode, SetTarget,
};
use crate::v1::control_client::ControlClient as Generated;
use crate::{RemoteError, dial, v1};

/// The patience of commands. The node asks its tracker with a patience of its own, which this one outlasts.
const PATIENCE: Patience = Patience {
    deadline: Duration::from_secs(60),
    attempts: 1,
};

/// The time that a stream has to begin: the node may have to ask its tracker first.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Talks to one node; cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlClient(Inner, Remote);

type Inner = Generated<InterceptedService<Channel, Token>>;

/// The proof that the caller may read the node's data directory.
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
    /// Makes a client that dials on first use; without a token it can only ask.
    ///
    /// # Errors
    /// When the address cannot be dialled or the token is no token.
    pub fn new(node: &HostPort, token: Option<&str>) -> Result<Self, RemoteError> {
        let invalid = |_| RemoteError::new(ErrorCode::InvalidArgument, "the node's token is not readable");
        let token = Token(token.map(MetadataValue::try_from).transpose().map_err(invalid)?);
        let inner = Generated::with_interceptor(dial::channel(node)?, token);
        Ok(Self(inner, Remote::new("the node", node)))
    }

    async fn call<R: Clone, T, F>(&self, request: R, call: impl Fn(Inner, R) -> F) -> Result<T, RemoteError>
    where
        F: Future<Output = Result<Response<T>, GrpcStatus>>,
    {
        unary(PATIENCE, &self.1, &self.0, request, call).await
    }

    /// Returns the state of the node.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn status(&self) -> Result<Status, RemoteError> {
        let reply = self
            .call(v1::StatusRequest {}, |mut client, request| async move {
                client.status(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Enters a network, and returns the tracker and its epoch.
    ///
    /// # Errors
    /// As the contract says, for this and all that follow.
    pub async fn connect(&self, entry: &EntryPoint) -> Result<(HostPort, Epoch), RemoteError> {
        let request = v1::ConnectRequest::from(entry);
        let reply = self
            .call(request, |mut client, request| async move {
                client.connect(request).await
            })
            .await?;
        let tracker = reply
            .tracker
            .parse()
            .map_err(|error| Invalid::field("tracker", error))?;
        Ok((tracker, Epoch::new(reply.epoch)))
    }

    /// Makes the node a member of the secured network of a join line.
    pub async fn join(&self, line: &JoinLine) -> Result<Joined, RemoteError> {
        let request = v1::JoinRequest {
            line: line.to_string(),
        };
        let reply = self.call(request, |mut client, request| async move {
            client.join(request).await
        });
        Ok(reply.await?.try_into()?)
    }

    /// Leaves the network.
    ///
    /// # Errors
    /// When the node cannot be reached.
    pub async fn disconnect(&self) -> Result<(), RemoteError> {
        self.call(v1::DisconnectRequest {}, |mut client, request| async move {
            client.disconnect(request).await
        })
        .await?;
        Ok(())
    }

    /// Publishes a file; the events tell how it goes.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn add(&self, add: Add) -> Result<Incoming<v1::AddEvent, AddEvent>, RemoteError> {
        let mut client = self.0.clone();

        self.started(client.add(v1::AddRequest::from(add))).await
    }

    /// Fetches a content; the events tell how it goes. Dropping them stops the transfer.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn get(&self, get: Get) -> Result<Incoming<v1::GetEvent, GetEvent>, RemoteError> {
        let mut client = self.0.clone();

        self.started(client.get(v1::GetRequest::from(get))).await
    }

    /// Returns what [`Self::get`] would fetch, and from where.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn plan(&self, get: Get) -> Result<Planned, RemoteError> {
        let call = |mut client: Inner, request| async move { client.plan(request).await };
        let reply = self.call(v1::GetRequest::from(get), call).await?;
        Ok(reply.try_into()?)
    }

    /// Returns the paths inside directories that a name hides, and those in its directory that others hide.
    ///
    /// # Errors
    /// As the contract says; nodes of earlier versions cannot tell.
    pub async fn hidings(&self, content: &ContentRef) -> Result<Vec<Hiding>, RemoteError> {
        let request = v1::ShadowedRequest {
            r#ref: Some(content.into()),
        };
        let call = |mut client: Inner, request| async move { client.shadowed(request).await };
        let reply = self.call(request, call).await?;
        let hidings = reply.hidings.into_iter().map(Hiding::try_from);
        hidings.collect::<Result<_, Invalid>>().map_err(RemoteError::from)
    }

    /// Lists the entries of a collection, some at a time.
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
        self.started(client.entries(request)).await
    }

    /// Removes a name for everyone.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn remove(&self, remove: &Remove) -> Result<Revision, RemoteError> {
        let request = v1::RemoveRequest::from(remove);
        let reply = self
            .call(request, |mut client, request| async move {
                client.remove(request).await
            })
            .await?;
        Ok(Revision::new(reply.revision))
    }

    /// Has the node remove a name for everyone as soon as the returned call ends, be it with this process.
    /// The node has noted it when this returns.
    ///
    /// # Errors
    /// As the contract says; Unimplemented from an older node.
    pub async fn remove_after(
        &self,
        remove: &Remove,
    ) -> Result<Incoming<v1::RemoveAfterEvent, Noted>, RemoteError> {
        let mut client = self.0.clone();
        let call = client.remove_after(v1::RemoveRequest::from(remove));
        let mut passing = self.started(call).await?;
        let noted = passing.next().await?;
        let ended = || RemoteError::new(ErrorCode::Unavailable, "the node ended the call");
        noted.map(|Noted| passing).ok_or_else(ended)
    }

    /// Renames for everyone.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn rename(&self, rename: &Rename) -> Result<Binding, RemoteError> {
        let request = v1::RenameRequest::from(rename);
        let reply = self
            .call(request, |mut client, request| async move {
                client.rename(request).await
            })
            .await?;
        Ok(reply.binding.ok_or(Invalid::Missing("binding"))?.try_into()?)
    }

    /// Drops the node's copy of a content, and returns its id and the bytes that became free.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn forget(&self, content: &ContentRef, force: bool) -> Result<(ContentId, u64), RemoteError> {
        let request = v1::ForgetRequest {
            r#ref: Some(content.into()),
            force,
        };
        let reply = self
            .call(request, |mut client, request| async move {
                client.forget(request).await
            })
            .await?;
        Ok((content_id(&reply.content_id)?, reply.freed))
    }

    /// Lists the contents that the node holds.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn local_list(&self) -> Result<Vec<LocalContent>, RemoteError> {
        let reply = self
            .call(v1::LocalListRequest {}, |mut client, request| async move {
                client.local_list(request).await
            })
            .await?;
        Ok(reply
            .contents
            .into_iter()
            .map(LocalContent::try_from)
            .collect::<Result<_, _>>()?)
    }

    /// Returns a page of the network's names.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn network_list(&self, list: &List) -> Result<Published, RemoteError> {
        let request = v1::ListRequest::from(list);
        let reply = self
            .call(request, |mut client, request| async move {
                client.network_list(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Returns the holders of a content.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn network_locate(&self, locate: &Locate) -> Result<Location, RemoteError> {
        let request = v1::LocateRequest::from(locate);
        let reply = self
            .call(request, |mut client, request| async move {
                client.network_locate(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Returns a page of the network's peers.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn network_peers(&self, page: &Page) -> Result<Peers, RemoteError> {
        let request = v1::PeersRequest {
            page_token: page.token.clone(),
            page_size: page.size,
        };
        let reply = self
            .call(request, |mut client, request| async move {
                client.network_peers(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Reads one content that the node holds again, or all of them.
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
        self.started(client.verify(request)).await
    }

    /// Changes the rates of the node until it restarts, and returns them.
    ///
    /// # Errors
    /// When it cannot be reached, or the caller may not change anything.
    pub async fn set_limits(&self, set: SetLimits) -> Result<RateLimits, RemoteError> {
        let request = v1::SetLimitsRequest::from(set);
        let reply = self
            .call(request, |mut client, request| async move {
                client.set_limits(request).await
            })
            .await?;
        Ok(reply.into())
    }

    /// Returns the settings in force in the node.
    ///
    /// # Errors
    /// As the contract says; UNAVAILABLE from a node that is too old to tell.
    pub async fn settings(&self) -> Result<InForce, RemoteError> {
        let reply = self
            .call(v1::SettingsRequest {}, |mut client, request| async move {
                client.settings(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Returns the revisions that are remembered of a name, the newest first.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn history(&self, name: &Name) -> Result<Vec<RevisionEntry>, RemoteError> {
        let request = v1::HistoryRequest {
            name: name.to_string(),
        };
        let reply = self
            .call(request, |mut client, request| async move {
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
            .call(
                request,
                |mut client, request| async move { client.pin(request).await },
            )
            .await?;
        Ok(reply.try_into()?)
    }

    /// Publishes a value; the events tell how it goes.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn put_value(&self, put: PutValue) -> Result<Incoming<v1::AddEvent, AddEvent>, RemoteError> {
        let mut client = self.0.clone();

        self.started(client.put_value(v1::PutValueRequest::from(put)))
            .await
    }

    /// Returns the value under a key.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn get_value(&self, key: &str) -> Result<Value, RemoteError> {
        let request = v1::GetValueRequest { key: key.to_owned() };
        let reply = self
            .call(request, |mut client, request| async move {
                client.get_value(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Publishes the bytes that the steps bring; the events tell how it goes. Without an end nothing is
    /// published.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn add_stream(
        &self,
        steps: impl Stream<Item = AddStep> + Send + 'static,
    ) -> Result<Incoming<v1::AddEvent, AddEvent>, RemoteError> {
        let mut client = self.0.clone();

        self.started(client.add_stream(steps.map(v1::AddStreamRequest::from)))
            .await
    }

    /// Reads a content in its order; the events bring its bytes and tell how it goes. Dropping them stops the
    /// transfer.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn read(
        &self,
        content: &ContentRef,
    ) -> Result<Incoming<v1::ReadEvent, ReadEvent>, RemoteError> {
        let mut client = self.0.clone();
        let request = v1::ReadRequest {
            r#ref: Some(content.into()),
        };
        self.started(client.read(request)).await
    }

    /// Changes the number of replicas that is wanted of the content of a name.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn set_target(&self, set: &SetTarget) -> Result<Binding, RemoteError> {
        let request = v1::SetTargetRequest::from(set);
        let reply = self
            .call(request, |mut client, request| async move {
                client.set_target(request).await
            })
            .await?;
        Ok(reply.binding.ok_or(Invalid::Missing("binding"))?.try_into()?)
    }

    /// Changes the mode of the node.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn set_peer_mode(&self, wish: RequestedMode) -> Result<PeerMode, RemoteError> {
        let request = v1::SetDutyRequest::from(SetPeerMode { peer: None, wish });
        let reply = self
            .call(request, |mut client, request| async move {
                client.set_duty(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Has the tracker forget a peer that is lost.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn forget_peer(&self, peer: PeerId) -> Result<(), RemoteError> {
        let request = v1::ForgetPeerRequest {
            peer_id: peer.as_bytes().to_vec().into(),
        };
        let forgotten = self.call(request, |mut client, request| async move {
            client.forget_peer(request).await
        });
        forgotten.await.map(drop)
    }

    /// Returns how far the node's drain is.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn drain_status(&self) -> Result<DrainStatus, RemoteError> {
        let request = v1::DrainStatusRequest::default();
        let reply = self
            .call(request, |mut client, request| async move {
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
            .call(request, |mut client, request| async move {
                client.durability(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Returns the losses that all contents would survive, in sum.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn survey(&self) -> Result<Survey, RemoteError> {
        let request = v1::SurveyRequest {};
        let reply = self
            .call(request, |mut client, request| async move {
                client.survey(request).await
            })
            .await?;
        Ok(reply.try_into()?)
    }

    /// Returns the reasons why a content is below its target.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn why(&self, what: &Asked) -> Result<Why, RemoteError> {
        let request = v1::WhyRequest::from(what);
        let reply = self
            .call(
                request,
                |mut client, request| async move { client.why(request).await },
            )
            .await?;
        Ok(reply.try_into()?)
    }

    /// Follows the events of the network after a position, or from now on.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn events(
        &self,
        after: Option<FeedPosition>,
    ) -> Result<Incoming<v1::EventsReply, FeedPage>, RemoteError> {
        let mut client = self.0.clone();

        self.started(client.events(v1::EventsRequest::from(after))).await
    }

    /// Begins a long request.
    async fn started<W, T>(
        &self,
        call: impl Future<Output = Result<Response<Streaming<W>>, GrpcStatus>>,
    ) -> Result<Incoming<W, T>, RemoteError> {
        Ok(Incoming::new(begun(START_TIMEOUT, &self.1, call).await?))
    }
}
