//! The `Control` service: what this node's own commands ask of it.
//!
//! Only loopback addresses are answered, and what changes something only with the token of the data directory:
//! whoever can read that may act as the node's owner, nobody else. Handlers decode, make one call, encode; the long
//! ones (`add`, `get`, `verify`) run as tasks that end when their caller goes away.

pub(crate) mod add;
pub(crate) mod collection;
mod feed;
pub(crate) mod get;
pub(crate) mod local;
mod streams;
mod upkeep;
mod values;

use std::path::PathBuf;
use std::sync::Arc;

use proto::accept::RemoteAddr;
use proto::messages::control::{
    Add, AddStep, EntryPoint, Get, PutValue, SetLimits, Status as NodeStatus, TOKEN_KEY,
};
use proto::messages::{List, Locate, Page, Remove, Rename, SetPeerMode, SetTarget, asked, peer_or_self};
use proto::status::to_status;
use proto::v1::control_server::{Control, ControlServer};
use proto::{Invalid, RemoteError, v1};
use shared::ErrorCode;
use shared::model::{ContentRef, HostPort, Name, PinWish, Timestamp, Zone};
use shared::runtime::{Clock, OnExit, Tasks};
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::fetch::{Counters, Fetcher};
use crate::identity::Identity;
use crate::limiter::Limiter;
use crate::publisher::Publisher;
use crate::scrubber::Scrubber;
use crate::session::Network;
use crate::store::DiskStore;

/// Events that wait for a slow caller; the work waits with them.
const EVENTS: usize = 16;

/// What the service acts on.
#[derive(Debug)]
pub struct ControlParts {
    /// What the node holds.
    pub store: Arc<DiskStore>,
    /// Who it is.
    pub identity: Arc<Identity>,
    /// The network it is in.
    pub network: Network,
    /// Makes its publications.
    pub publisher: Publisher,
    /// Fetches for it.
    pub fetcher: Fetcher,
    /// Limits its uploads; the fetcher has the other limiter.
    pub uploads: Limiter,
    /// Reads what it holds again.
    pub scrubber: Scrubber,
    /// What it has sent and received.
    pub counters: Arc<Counters>,
    /// Tells the time.
    pub clock: Clock,
    /// Owns its tasks.
    pub tasks: Tasks,
    /// Where other peers dial it.
    pub address: HostPort,
    /// Its failure domain.
    pub zone: watch::Receiver<Option<Zone>>,
    /// Where it keeps its data.
    pub data_dir: PathBuf,
}

/// The service; cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlService {
    parts: Arc<ControlParts>,
    started: Timestamp,
}

/// What a request wants to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Ask,
    Change,
}

/// Where the events of a long request go.
type Events<T> = mpsc::Sender<Result<T, RemoteError>>;

/// The same, on their way to the caller.
type EventStream<W> = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<W, Status>> + Send>>;

impl ControlService {
    /// Serves the parts of one node.
    #[must_use]
    pub fn new(parts: ControlParts) -> Self {
        Self {
            started: parts.clock.now(),
            parts: Arc::new(parts),
        }
    }

    /// The service, ready to be served.
    #[must_use]
    pub fn into_server(self) -> ControlServer<Self> {
        ControlServer::new(self)
    }

    /// What it acts on.
    pub(crate) const fn parts(&self) -> &Arc<ControlParts> {
        &self.parts
    }

    /// What the node is and does.
    pub(crate) async fn own_status(&self) -> Result<NodeStatus, RemoteError> {
        let uptime = self.parts.clock.now().since(self.started);
        local::status(&self.parts, uptime).await
    }

    fn admit<T>(&self, request: &Request<T>, access: Access) -> Result<(), Status> {
        let denied = |why: &str| to_status(&RemoteError::new(ErrorCode::PermissionDenied, why));
        let remote = request.extensions().get::<RemoteAddr>();
        // The own address counts too: a node that listens on one interface only is dialled there by its commands.
        let is_local = remote.is_some_and(|remote| {
            remote.0.ip().is_loopback() || remote.0.ip().to_string() == self.parts.address.host()
        });
        if !is_local {
            return Err(denied("a node takes commands only from the machine it runs on"));
        }
        let token = request
            .metadata()
            .get(TOKEN_KEY)
            .map(|token| token.as_encoded_bytes());
        if access == Access::Change && token != Some(self.parts.identity.token().as_bytes()) {
            return Err(denied(
                "only who can read the node's data directory may change something; name it with --data-dir",
            ));
        }
        Ok(())
    }

    /// Starts a long request; its events go to the caller until it ends.
    fn start<T, W, F>(
        &self,
        name: &'static str,
        work: impl FnOnce(Arc<ControlParts>, Events<T>) -> F,
    ) -> EventStream<W>
    where
        T: Send + 'static,
        W: From<T> + Send + 'static,
        F: Future<Output = Result<(), RemoteError>> + Send + 'static,
    {
        let (events, stream) = mpsc::channel(EVENTS);
        let work = work(Arc::clone(&self.parts), events.clone());
        self.parts.tasks.spawn(name, OnExit::Continue, async move {
            if let Err(error) = work.await {
                // The caller may be gone.
                drop(events.send(Err(error)).await);
            }
        });
        Box::pin(
            ReceiverStream::new(stream).map(|event| event.map(W::from).map_err(|error| to_status(&error))),
        )
    }
}

/// What a failing event channel means.
fn caller_gone<T>(_: mpsc::error::SendError<T>) -> RemoteError {
    RemoteError::new(ErrorCode::Cancelled, "the caller has gone away")
}

#[tonic::async_trait]
impl Control for ControlService {
    type AddStream = EventStream<v1::AddEvent>;
    type AddStreamStream = EventStream<v1::AddEvent>;
    type ReadStream = EventStream<v1::ReadEvent>;
    type PutValueStream = EventStream<v1::AddEvent>;
    type GetStream = EventStream<v1::GetEvent>;
    type EntriesStream = EventStream<v1::EntriesReply>;
    type EventsStream = EventStream<v1::EventsReply>;
    type VerifyStream = EventStream<v1::VerifyEvent>;

    async fn status(&self, request: Request<v1::StatusRequest>) -> Result<Response<v1::StatusReply>, Status> {
        self.admit(&request, Access::Ask)?;
        Ok(Response::new(self.own_status().await?.into()))
    }

    async fn connect(
        &self,
        request: Request<v1::ConnectRequest>,
    ) -> Result<Response<v1::ConnectReply>, Status> {
        self.admit(&request, Access::Change)?;
        let entry = EntryPoint::try_from(request.into_inner())?;
        let connection = self.parts.network.enter(entry).await?;
        let tracker = connection.tracker.to_string();
        Ok(Response::new(v1::ConnectReply {
            tracker,
            epoch: connection.epoch.get(),
        }))
    }

    async fn disconnect(
        &self,
        request: Request<v1::DisconnectRequest>,
    ) -> Result<Response<v1::DisconnectReply>, Status> {
        self.admit(&request, Access::Change)?;
        self.parts.network.leave().await?;
        Ok(Response::new(v1::DisconnectReply {}))
    }

    async fn add(&self, request: Request<v1::AddRequest>) -> Result<Response<Self::AddStream>, Status> {
        self.admit(&request, Access::Change)?;
        let add = Add::try_from(request.into_inner())?;
        Ok(Response::new(
            self.start("add", |parts, events| add::run(parts, add, events)),
        ))
    }

    async fn add_stream(
        &self,
        request: Request<Streaming<v1::AddStreamRequest>>,
    ) -> Result<Response<Self::AddStreamStream>, Status> {
        self.admit(&request, Access::Change)?;
        let steps = request
            .into_inner()
            .map(|step| Ok(AddStep::try_from(step.map_err(RemoteError::from)?)?));
        Ok(Response::new(self.start("add-stream", |parts, events| {
            streams::add(parts, steps, events)
        })))
    }

    async fn read(&self, request: Request<v1::ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        // It may have to be fetched, so it changes what the node holds.
        self.admit(&request, Access::Change)?;
        let content = request.into_inner().r#ref.ok_or(Invalid::Missing("ref"))?;
        let content = ContentRef::try_from(content)?;
        Ok(Response::new(self.start("read", |parts, events| {
            streams::read(parts, content, events)
        })))
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<Self::GetStream>, Status> {
        self.admit(&request, Access::Change)?;
        let get = Get::try_from(request.into_inner())?;
        Ok(Response::new(
            self.start("get", |parts, events| get::run(parts, get, events)),
        ))
    }

    async fn entries(
        &self,
        request: Request<v1::EntriesRequest>,
    ) -> Result<Response<Self::EntriesStream>, Status> {
        // It may have to be fetched, so it changes what the node holds.
        self.admit(&request, Access::Change)?;
        let content = request.into_inner().r#ref.ok_or(Invalid::Missing("ref"))?;
        let content = ContentRef::try_from(content)?;
        Ok(Response::new(self.start("entries", |parts, events| {
            collection::entries(parts, content, events)
        })))
    }

    async fn put_value(
        &self,
        request: Request<v1::PutValueRequest>,
    ) -> Result<Response<Self::PutValueStream>, Status> {
        self.admit(&request, Access::Change)?;
        let put = PutValue::try_from(request.into_inner())?;
        Ok(Response::new(self.start("put-value", |parts, events| {
            values::put(parts, put, events)
        })))
    }

    async fn get_value(
        &self,
        request: Request<v1::GetValueRequest>,
    ) -> Result<Response<v1::GetValueReply>, Status> {
        // It may have to be fetched, so it changes what the node holds.
        self.admit(&request, Access::Change)?;
        let value = values::get(&self.parts, &request.into_inner().key).await?;
        Ok(Response::new(value.into()))
    }

    async fn remove(&self, request: Request<v1::RemoveRequest>) -> Result<Response<v1::RemoveReply>, Status> {
        self.admit(&request, Access::Change)?;
        let remove = Remove::try_from(request.into_inner())?;
        let revision = local::remove(&self.parts, &remove).await?;
        Ok(Response::new(v1::RemoveReply {
            revision: revision.get(),
        }))
    }

    async fn rename(&self, request: Request<v1::RenameRequest>) -> Result<Response<v1::RenameReply>, Status> {
        self.admit(&request, Access::Change)?;
        let rename = Rename::try_from(request.into_inner())?;
        let binding = Some(local::rename(&self.parts, rename).await?.into());
        Ok(Response::new(v1::RenameReply { binding }))
    }

    async fn history(
        &self,
        request: Request<v1::HistoryRequest>,
    ) -> Result<Response<v1::HistoryReply>, Status> {
        self.admit(&request, Access::Ask)?;
        let name = Name::new(request.into_inner().name).map_err(|error| Invalid::field("name", error))?;
        let connection = self.parts.network.connection_soon().await?;
        Ok(Response::new(connection.catalog.history(&name).await?.into()))
    }

    async fn pin(&self, request: Request<v1::PinRequest>) -> Result<Response<v1::PinReply>, Status> {
        self.admit(&request, Access::Change)?;
        let wish = PinWish::try_from(request.into_inner())?;
        let revision = Some(local::pin(&self.parts, wish).await?.into());
        Ok(Response::new(v1::PinReply { revision }))
    }

    async fn forget(&self, request: Request<v1::ForgetRequest>) -> Result<Response<v1::ForgetReply>, Status> {
        self.admit(&request, Access::Change)?;
        let request = request.into_inner();
        let content = ContentRef::try_from(request.r#ref.ok_or(Invalid::Missing("ref"))?)?;
        let (content, freed) = local::forget(&self.parts, &content, request.force).await?;
        Ok(Response::new(v1::ForgetReply {
            content_id: content.as_bytes().to_vec().into(),
            freed,
        }))
    }

    async fn local_list(
        &self,
        request: Request<v1::LocalListRequest>,
    ) -> Result<Response<v1::LocalListReply>, Status> {
        self.admit(&request, Access::Ask)?;
        let contents = local::list(&self.parts).await?;
        Ok(Response::new(v1::LocalListReply {
            contents: contents.into_iter().map(Into::into).collect(),
        }))
    }

    async fn network_list(
        &self,
        request: Request<v1::ListRequest>,
    ) -> Result<Response<v1::ListReply>, Status> {
        self.admit(&request, Access::Ask)?;
        let list = List::try_from(request.into_inner())?;
        let page = self
            .parts
            .network
            .connection_soon()
            .await?
            .catalog
            .list(&list)
            .await?;
        Ok(Response::new(page.into()))
    }

    async fn network_locate(
        &self,
        request: Request<v1::LocateRequest>,
    ) -> Result<Response<v1::LocateReply>, Status> {
        self.admit(&request, Access::Ask)?;
        let locate = Locate::try_from(request.into_inner())?;
        let location = self
            .parts
            .network
            .connection_soon()
            .await?
            .catalog
            .locate(&locate)
            .await?;
        Ok(Response::new(location.into()))
    }

    async fn network_peers(
        &self,
        request: Request<v1::PeersRequest>,
    ) -> Result<Response<v1::PeersReply>, Status> {
        self.admit(&request, Access::Ask)?;
        let request = request.into_inner();
        let page = Page::new(request.page_token, request.page_size);
        let peers = self
            .parts
            .network
            .connection_soon()
            .await?
            .catalog
            .peers(&page)
            .await?;
        Ok(Response::new(peers.into()))
    }

    async fn events(
        &self,
        request: Request<v1::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        self.admit(&request, Access::Ask)?;
        let after = request.into_inner().try_into()?;
        let follow = move |parts, events| feed::follow(parts, after, events);
        Ok(Response::new(self.start("events", follow)))
    }

    async fn verify(
        &self,
        request: Request<v1::VerifyRequest>,
    ) -> Result<Response<Self::VerifyStream>, Status> {
        self.admit(&request, Access::Change)?;
        let what: Option<ContentRef> = request.into_inner().r#ref.map(TryInto::try_into).transpose()?;
        let verify = move |parts, events| local::verify(parts, what, events);
        Ok(Response::new(self.start("verify", verify)))
    }

    async fn set_limits(
        &self,
        request: Request<v1::SetLimitsRequest>,
    ) -> Result<Response<v1::SetLimitsReply>, Status> {
        self.admit(&request, Access::Change)?;
        let set = SetLimits::from(request.into_inner());
        Ok(Response::new(local::set_limits(&self.parts, set).into()))
    }

    async fn set_target(
        &self,
        request: Request<v1::SetTargetRequest>,
    ) -> Result<Response<v1::SetTargetReply>, Status> {
        self.admit(&request, Access::Change)?;
        let set = SetTarget::try_from(request.into_inner())?;
        let binding = Some(upkeep::set_target(&self.parts, &set).await?.into());
        Ok(Response::new(v1::SetTargetReply { binding }))
    }

    async fn set_duty(
        &self,
        request: Request<v1::SetDutyRequest>,
    ) -> Result<Response<v1::SetDutyReply>, Status> {
        self.admit(&request, Access::Change)?;
        let set = SetPeerMode::try_from(request.into_inner())?;
        let mode = Some(upkeep::set_peer_mode(&self.parts, set).await?.into());
        Ok(Response::new(v1::SetDutyReply { duty: mode }))
    }

    async fn drain_status(
        &self,
        request: Request<v1::DrainStatusRequest>,
    ) -> Result<Response<v1::DrainStatusReply>, Status> {
        self.admit(&request, Access::Ask)?;
        let peer = peer_or_self(&request.into_inner().peer_id)?;
        let status = upkeep::drain_status(&self.parts, peer).await?;
        Ok(Response::new(status.into()))
    }

    async fn durability(
        &self,
        request: Request<v1::DurabilityRequest>,
    ) -> Result<Response<v1::DurabilityReply>, Status> {
        self.admit(&request, Access::Ask)?;
        let what = asked(request.into_inner().r#ref)?;
        Ok(Response::new(
            upkeep::durability(&self.parts, &what).await?.into(),
        ))
    }

    async fn survey(&self, request: Request<v1::SurveyRequest>) -> Result<Response<v1::SurveyReply>, Status> {
        self.admit(&request, Access::Ask)?;
        Ok(Response::new(upkeep::survey(&self.parts).await?.into()))
    }

    async fn why(&self, request: Request<v1::WhyRequest>) -> Result<Response<v1::WhyReply>, Status> {
        self.admit(&request, Access::Ask)?;
        let what = asked(request.into_inner().r#ref)?;
        Ok(Response::new(upkeep::why(&self.parts, &what).await?.into()))
    }
}
