//! Service `Upkeep`: targets, modes of peers, and durability.

use proto::messages::types::{content_id, peer_id, run_id};
use proto::messages::{Invalid, SetPeerMode, SetTarget};
use proto::v1;
use proto::v1::upkeep_server::{Upkeep, UpkeepServer};
use shared::model::Asked;
use shared::security::authorization::{Action, Object};
use tonic::{Request, Response, Status};

use super::asking::Asking;
use super::{Callers, refused};
use crate::guardian::Guardian;
use crate::ledger::Ledger;
use crate::state::{DrainSurvey, Surveying};

/// Service `Upkeep` of the contract.
#[derive(Clone, Debug)]
pub(crate) struct UpkeepService {
    ledger: Ledger,
    callers: Callers,
    guardian: Guardian,
}

impl UpkeepService {
    pub(crate) fn server(ledger: Ledger, callers: Callers, guardian: Guardian) -> UpkeepServer<Self> {
        UpkeepServer::new(Self {
            ledger,
            callers,
            guardian,
        })
    }

    fn asking<T>(&self, request: &Request<T>, call: &'static str) -> Asking {
        Asking::of(&self.guardian, request, call)
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Upkeep for UpkeepService {
    async fn set_target(&self, request: Request<v1::SetTargetRequest>) -> Answer<v1::SetTargetReply> {
        let asking = self.asking(&request, "Upkeep/SetTarget");
        let SetTarget {
            name,
            target,
            expected,
        } = request.into_inner().try_into()?;
        asking.may(Action::Publish, Object::Name(name.as_str()))?;
        let setting = self.ledger.set_target(name.clone(), expected, target);
        Ok(Response::new(v1::SetTargetReply {
            binding: Some(asking.noted(name, setting).await?.into()),
        }))
    }

    async fn set_duty(&self, request: Request<v1::SetDutyRequest>) -> Answer<v1::SetDutyReply> {
        let asking = self.asking(&request, "Upkeep/SetDuty");
        let SetPeerMode { peer, wish } = request.into_inner().try_into()?;
        let peer = peer.ok_or(Invalid::Missing("peer_id"))?;
        asking.may(Action::Operate, Object::Peer(peer))?;
        let mode = asking.noted(peer, self.ledger.set_peer_mode(peer, wish)).await?;
        Ok(Response::new(v1::SetDutyReply {
            duty: Some(mode.into()),
        }))
    }

    async fn drain_status(&self, request: Request<v1::DrainStatusRequest>) -> Answer<v1::DrainStatusReply> {
        self.asking(&request, "Upkeep/DrainStatus")
            .may(Action::Read, Object::Network)?;
        let mut survey = DrainSurvey::new(peer_id(&request.into_inner().peer_id)?);
        // The loop ends: every step gets on by some contents, in order of their ids.
        loop {
            let step = self.ledger.read(|state| state.drain_step(&mut survey)).await;
            let step = step
                .map_err(refused)?
                .map_err(|rejection| refused(rejection.into()))?;
            if let Some(status) = step {
                return Ok(Response::new(status.into()));
            }
        }
    }

    async fn durability(&self, request: Request<v1::DurabilityRequest>) -> Answer<v1::DurabilityReply> {
        let asking = self.asking(&request, "Upkeep/Durability");
        let what = Asked::try_from(request.into_inner())?;
        asking.may_read(&self.ledger, &what.content).await?;
        let found = self.ledger.read(|state| state.durability(&what)).await;
        let found = found
            .map_err(refused)?
            .map_err(|rejection| refused(rejection.into()))?;
        Ok(Response::new(found.into()))
    }

    async fn survey(&self, request: Request<v1::SurveyRequest>) -> Answer<v1::SurveyReply> {
        self.asking(&request, "Upkeep/Survey")
            .may(Action::Read, Object::Network)?;
        let mut surveying = Surveying::default();
        // The loop ends for the same reason.
        loop {
            let step = self.ledger.read(|state| state.survey_step(&mut surveying)).await;
            if let Some(survey) = step.map_err(refused)? {
                return Ok(Response::new(survey.into()));
            }
        }
    }

    async fn why(&self, request: Request<v1::WhyRequest>) -> Answer<v1::WhyReply> {
        let asking = self.asking(&request, "Upkeep/Why");
        let what = Asked::try_from(request.into_inner())?;
        asking.may_read(&self.ledger, &what.content).await?;
        let found = self.ledger.read(|state| state.why(&what)).await;
        let found = found
            .map_err(refused)?
            .map_err(|rejection| refused(rejection.into()))?;
        Ok(Response::new(found.into()))
    }

    async fn forget_peer(&self, request: Request<v1::ForgetPeerRequest>) -> Answer<v1::ForgetPeerReply> {
        let asking = self.asking(&request, "Upkeep/ForgetPeer");
        let peer = peer_id(&request.into_inner().peer_id)?;
        asking.may(Action::Operate, Object::Peer(peer))?;
        asking.noted(peer, self.ledger.forget_peer(peer)).await?;
        Ok(Response::new(v1::ForgetPeerReply {}))
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Answer<v1::ReleaseReply> {
        let asking = self.asking(&request, "Upkeep/Release");
        let (caller, request) = (self.callers.of(&request), request.into_inner());
        let (peer, content) = (peer_id(&request.peer_id)?, content_id(&request.content_id)?);
        let run = run_id(&request.run_id)?;
        asking.may(Action::Speak, Object::Peer(peer))?;
        let releasing = self.ledger.release(peer, content, run, caller);
        asking.noted(format!("{content} of {peer}"), releasing).await?;
        Ok(Response::new(v1::ReleaseReply {}))
    }
}
