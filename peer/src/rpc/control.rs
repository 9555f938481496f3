//! The `Control` service: requests of this node's own commands.
//!
//! Handlers decode, make one call, encode. Long requests (`add`, `get`, `verify`, …) run as tasks that end
//! when their caller goes away; questions that only the tracker can answer are passed on to it as they came.

use std::pin::Pin;
use std::sync::Arc;

use proto::accept::Ends;
use proto::listen::has_address;
use proto::messages::control::{AddStep, EntryPoint, Get, SetLimits, TOKEN_KEY};
use proto::messages::{Locate, peer_or_self};
use proto::status::{from_status, to_status};
use proto::v1::control_server::{Control, ControlServer};
use proto::{Invalid, v1};
use shared::model::{Asked, ContentRef};
use shared::runtime::OnExit;
use shared::security::JoinLine;
use shared::{ErrorCode, Failure};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::forward;
use crate::operations::access::{Access, AccessRule, Denied};
use crate::operations::report::Events;
use crate::operations::{
    Node, add, collection, extent, feed, forget, get, local, passing, plan, security, standard_streams,
    upkeep, values,
};

/// The service; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ControlService {
    node: Arc<Node>,
    rule: Arc<AccessRule>,
}

/// The events of a long request, on their way to the caller.
type EventStream<W> = Pin<Box<dyn tokio_stream::Stream<Item = Result<W, Status>> + Send>>;

impl ControlService {
    /// Makes the service of one node, ready to be served.
    pub(crate) fn server(node: Arc<Node>) -> ControlServer<Self> {
        let token = node.identity.token().to_owned();
        let rule = Arc::new(AccessRule::new(token));
        ControlServer::new(Self { node, rule })
    }

    fn admit<T>(&self, request: &Request<T>, needed: Access) -> Result<(), Status> {
        let ends = request.extensions().get::<Ends>().copied();
        let token = request.metadata().get(TOKEN_KEY);
        // A token of another run of the node is no reason to refuse a question.
        let token = token.filter(|_| needed == Access::Change);
        let token = token.map(|token| token.as_encoded_bytes());
        let why = match self.rule.judge(ends, token, has_address) {
            Ok(access) if access >= needed => return Ok(()),
            Err(Denied::OtherMachine) => "a node takes commands only from the machine it runs on",
            Ok(_) | Err(Denied::WrongToken) => {
                "only who can read the node's data directory may change something; name it with --data-dir"
            }
        };
        Err(to_status(&Failure::new(ErrorCode::PermissionDenied, why)))
    }

    /// Returns whether the caller may also change something.
    fn may_change<T>(&self, request: &Request<T>) -> bool {
        self.admit(request, Access::Change).is_ok()
    }

    /// Admits a request and decodes it.
    fn decode<W, T: TryFrom<W, Error = Invalid>>(
        &self,
        request: Request<W>,
        needed: Access,
    ) -> Result<T, Status> {
        self.admit(&request, needed)?;
        Ok(request.into_inner().try_into()?)
    }

    /// Starts a long request; its events go to the caller until it ends.
    fn start<T, W, F>(
        &self,
        name: &'static str,
        work: impl FnOnce(Arc<Node>, Events<T>) -> F,
    ) -> Response<EventStream<W>>
    where
        T: Send + 'static,
        W: From<T> + Send + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let (events, stream) = Events::channel();
        let work = work(Arc::clone(&self.node), events.clone());
        self.node.tasks.spawn(name, OnExit::Continue, async move {
            if let Err(failure) = work.await {
                events.fail(failure).await;
            }
        });
        let stream = ReceiverStream::new(stream);
        Response::new(Box::pin(
            stream.map(|event| event.map(W::from).map_err(|failure| to_status(&failure))),
        ))
    }
}

/// Encodes the answer of an operation.
fn reply<T, W: From<T>>(answer: Result<T, Failure>) -> Result<Response<W>, Status> {
    match answer {
        Ok(answer) => Ok(Response::new(answer.into())),
        Err(failure) => Err(to_status(&failure)),
    }
}

fn content(reference: Option<v1::ContentRef>) -> Result<ContentRef, Invalid> {
    reference.ok_or(Invalid::Missing("ref"))?.try_into()
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
    type RemoveAfterStream = EventStream<v1::RemoveAfterEvent>;

    async fn status(&self, request: Request<v1::StatusRequest>) -> Result<Response<v1::StatusReply>, Status> {
        self.admit(&request, Access::Read)?;
        reply(local::status(&self.node).await)
    }

    async fn connect(
        &self,
        request: Request<v1::ConnectRequest>,
    ) -> Result<Response<v1::ConnectReply>, Status> {
        let entry: EntryPoint = self.decode(request, Access::Change)?;
        let entered = self.node.network.enter(entry).await;
        reply(entered.map(|connection| v1::ConnectReply {
            tracker: connection.tracker.to_string(),
            epoch: connection.epoch.get(),
        }))
    }

    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinReply>, Status> {
        self.admit(&request, Access::Change)?;
        let line = request.into_inner().line.parse::<JoinLine>();
        let line = line.map_err(|error| Failure::new(ErrorCode::InvalidArgument, error.to_string()));
        let line = line.map_err(|failure| to_status(&failure))?;
        reply(security::join(&self.node, &line).await)
    }

    async fn disconnect(
        &self,
        request: Request<v1::DisconnectRequest>,
    ) -> Result<Response<v1::DisconnectReply>, Status> {
        self.admit(&request, Access::Change)?;
        let left = self.node.network.leave().await;
        reply(left.map(|()| v1::DisconnectReply {}))
    }

    async fn add(&self, request: Request<v1::AddRequest>) -> Result<Response<Self::AddStream>, Status> {
        let add = self.decode(request, Access::Change)?;
        Ok(self.start("add", |node, events| async move {
            add::add(&node, add, &events).await
        }))
    }

    async fn add_stream(
        &self,
        request: Request<Streaming<v1::AddStreamRequest>>,
    ) -> Result<Response<Self::AddStreamStream>, Status> {
        self.admit(&request, Access::Change)?;
        let steps = request.into_inner().map(|step| {
            let step = AddStep::try_from(step.map_err(from_status)?);
            step.map_err(|error| Failure::of(&error))
        });
        Ok(self.start("add-stream", |node, events| async move {
            standard_streams::add(&node, steps, &events).await
        }))
    }

    async fn read(&self, request: Request<v1::ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        // The content may have to be fetched, which changes what the node holds.
        self.admit(&request, Access::Change)?;
        let content = content(request.into_inner().r#ref)?;
        Ok(self.start("read", |node, events| async move {
            standard_streams::read(&node, &content, &events).await
        }))
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<Self::GetStream>, Status> {
        let get: Get = self.decode(request, Access::Change)?;
        Ok(self.start("get", |node, events| async move {
            get::get(&node, &get, &events).await
        }))
    }

    async fn entries(
        &self,
        request: Request<v1::EntriesRequest>,
    ) -> Result<Response<Self::EntriesStream>, Status> {
        // The catalog may have to be fetched, which changes what the node holds.
        self.admit(&request, Access::Change)?;
        let content = content(request.into_inner().r#ref)?;
        Ok(self.start("entries", |node, events| async move {
            collection::entries(&node, &content, &events).await
        }))
    }

    async fn put_value(
        &self,
        request: Request<v1::PutValueRequest>,
    ) -> Result<Response<Self::PutValueStream>, Status> {
        let put = self.decode(request, Access::Change)?;
        Ok(self.start("put-value", |node, events| async move {
            values::put(&node, put, &events).await
        }))
    }

    async fn get_value(
        &self,
        request: Request<v1::GetValueRequest>,
    ) -> Result<Response<v1::GetValueReply>, Status> {
        // The value may have to be fetched, which changes what the node holds.
        self.admit(&request, Access::Change)?;
        reply(values::get(&self.node, &request.into_inner().key).await)
    }

    async fn remove(&self, request: Request<v1::RemoveRequest>) -> Result<Response<v1::RemoveReply>, Status> {
        let remove = self.decode(request, Access::Change)?;
        let removed = local::remove(&self.node, &remove).await;
        reply(removed.map(|revision| v1::RemoveReply {
            revision: revision.get(),
        }))
    }

    async fn remove_after(
        &self,
        request: Request<v1::RemoveRequest>,
    ) -> Result<Response<Self::RemoveAfterStream>, Status> {
        let remove = self.decode(request, Access::Change)?;
        Ok(self.start("remove-after", |node, events| async move {
            passing::keep(&node, remove, &events).await
        }))
    }

    async fn rename(&self, request: Request<v1::RenameRequest>) -> Result<Response<v1::RenameReply>, Status> {
        let rename = self.decode(request, Access::Change)?;
        let renamed = local::rename(&self.node, rename).await;
        reply(renamed.map(|binding| v1::RenameReply {
            binding: Some(binding.into()),
        }))
    }

    async fn pin(&self, request: Request<v1::PinRequest>) -> Result<Response<v1::PinReply>, Status> {
        let wish = self.decode(request, Access::Change)?;
        let pinned = local::pin(&self.node, wish).await;
        reply(pinned.map(|revision| v1::PinReply {
            revision: Some(revision.into()),
        }))
    }

    async fn forget(&self, request: Request<v1::ForgetRequest>) -> Result<Response<v1::ForgetReply>, Status> {
        self.admit(&request, Access::Change)?;
        let request = request.into_inner();
        let content = content(request.r#ref)?;
        let forgotten = forget::forget(&self.node, &content, request.force).await;
        reply(forgotten.map(|(content, freed)| v1::ForgetReply {
            content_id: content.as_bytes().to_vec().into(),
            freed,
        }))
    }

    async fn local_list(
        &self,
        request: Request<v1::LocalListRequest>,
    ) -> Result<Response<v1::LocalListReply>, Status> {
        self.admit(&request, Access::Read)?;
        let contents = local::list(&self.node).await;
        reply(contents.map(|contents| v1::LocalListReply {
            contents: contents.into_iter().map(Into::into).collect(),
        }))
    }

    async fn events(
        &self,
        request: Request<v1::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        self.admit(&request, Access::Read)?;
        let after = request.into_inner().try_into()?;
        Ok(self.start("events", move |node, events| async move {
            feed::follow(&node, after, &events).await
        }))
    }

    async fn verify(
        &self,
        request: Request<v1::VerifyRequest>,
    ) -> Result<Response<Self::VerifyStream>, Status> {
        self.admit(&request, Access::Change)?;
        let what: Option<ContentRef> = request.into_inner().r#ref.map(TryInto::try_into).transpose()?;
        Ok(self.start("verify", move |node, events| async move {
            local::verify(&node, what, &events).await
        }))
    }

    async fn set_limits(
        &self,
        request: Request<v1::SetLimitsRequest>,
    ) -> Result<Response<v1::SetLimitsReply>, Status> {
        self.admit(&request, Access::Change)?;
        let set = SetLimits::from(request.into_inner());
        Ok(Response::new(local::set_limits(&self.node, set).into()))
    }

    async fn settings(
        &self,
        request: Request<v1::SettingsRequest>,
    ) -> Result<Response<v1::SettingsReply>, Status> {
        self.admit(&request, Access::Read)?;
        Ok(Response::new(local::settings(&self.node).into()))
    }

    async fn drain_status(
        &self,
        request: Request<v1::DrainStatusRequest>,
    ) -> Result<Response<v1::DrainStatusReply>, Status> {
        self.admit(&request, Access::Read)?;
        let peer = peer_or_self(&request.into_inner().peer_id)?;
        reply(upkeep::drain_status(&self.node, peer).await)
    }

    async fn why(&self, request: Request<v1::WhyRequest>) -> Result<Response<v1::WhyReply>, Status> {
        let may_fetch = self.may_change(&request);
        let what: Asked = self.decode(request, Access::Read)?;
        reply(upkeep::why(&self.node, &what, may_fetch).await)
    }

    async fn network_list(
        &self,
        request: Request<v1::ListRequest>,
    ) -> Result<Response<v1::ListReply>, Status> {
        self.admit(&request, Access::Read)?;
        forward::to_catalog(&self.node, request, |mut tracker, request| async move {
            tracker.list(request).await
        })
        .await
    }

    async fn network_locate(
        &self,
        request: Request<v1::LocateRequest>,
    ) -> Result<Response<v1::LocateReply>, Status> {
        let may_fetch = self.may_change(&request);
        let locate: Locate = self.decode(request, Access::Read)?;
        reply(upkeep::locate(&self.node, &locate, may_fetch).await)
    }

    async fn network_peers(
        &self,
        request: Request<v1::PeersRequest>,
    ) -> Result<Response<v1::PeersReply>, Status> {
        self.admit(&request, Access::Read)?;
        forward::to_catalog(&self.node, request, |mut tracker, request| async move {
            tracker.peers(request).await
        })
        .await
    }

    async fn history(
        &self,
        request: Request<v1::HistoryRequest>,
    ) -> Result<Response<v1::HistoryReply>, Status> {
        self.admit(&request, Access::Read)?;
        forward::to_catalog(&self.node, request, |mut tracker, request| async move {
            tracker.history(request).await
        })
        .await
    }

    async fn set_target(
        &self,
        request: Request<v1::SetTargetRequest>,
    ) -> Result<Response<v1::SetTargetReply>, Status> {
        self.admit(&request, Access::Change)?;
        forward::to_upkeep(&self.node, request, |mut tracker, request| async move {
            tracker.set_target(request).await
        })
        .await
    }

    async fn set_duty(
        &self,
        mut request: Request<v1::SetDutyRequest>,
    ) -> Result<Response<v1::SetDutyReply>, Status> {
        self.admit(&request, Access::Change)?;
        let peer = &mut request.get_mut().peer_id;
        if peer.is_empty() {
            *peer = self.node.identity.peer().as_bytes().to_vec().into();
        }
        forward::to_upkeep(&self.node, request, |mut tracker, request| async move {
            tracker.set_duty(request).await
        })
        .await
    }

    async fn forget_peer(
        &self,
        request: Request<v1::ForgetPeerRequest>,
    ) -> Result<Response<v1::ForgetPeerReply>, Status> {
        self.admit(&request, Access::Change)?;
        forward::to_upkeep(&self.node, request, |mut tracker, request| async move {
            tracker.forget_peer(request).await
        })
        .await
    }

    async fn durability(
        &self,
        request: Request<v1::DurabilityRequest>,
    ) -> Result<Response<v1::DurabilityReply>, Status> {
        let may_fetch = self.may_change(&request);
        let what: Asked = self.decode(request, Access::Read)?;
        reply(upkeep::durability(&self.node, what, may_fetch).await)
    }

    async fn plan(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::PlanReply>, Status> {
        // The catalog of a directory may have to be fetched.
        let get: Get = self.decode(request, Access::Change)?;
        reply(plan::get(&self.node, &get).await)
    }

    async fn shadowed(
        &self,
        request: Request<v1::ShadowedRequest>,
    ) -> Result<Response<v1::ShadowedReply>, Status> {
        self.admit(&request, Access::Read)?;
        let may_fetch = self.may_change(&request);
        let content = content(request.into_inner().r#ref)?;
        let hidings = extent::hidings(&self.node, &content, may_fetch).await;
        reply(hidings.map(|hidings| {
            let own = hidings
                .iter()
                .find(|hiding| hiding.name.as_str() == content.to_string());
            v1::ShadowedReply {
                inside: own.map(|hiding| hiding.inside.clone()).unwrap_or_default(),
                hidings: hidings.into_iter().map(Into::into).collect(),
            }
        }))
    }

    async fn survey(&self, request: Request<v1::SurveyRequest>) -> Result<Response<v1::SurveyReply>, Status> {
        self.admit(&request, Access::Read)?;
        forward::to_upkeep(&self.node, request, |mut tracker, request| async move {
            tracker.survey(request).await
        })
        .await
    }
}
