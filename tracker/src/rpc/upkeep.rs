//! Service `Upkeep`: targets, modes of peers, and durability.

use proto::messages::types::{content_id, peer_id, run_id};
use proto::messages::{Invalid, SetPeerMode, SetTarget};
use proto::v1;
use proto::v1::upkeep_server::{Upkeep, UpkeepServer};
use shared::model::Asked;
use tonic::{Request, Response, Status};

use super::{Callers, refused};
use crate::ledger::Ledger;
use crate::state::{DrainSurvey, Surveying};

/// Service `Upkeep` of the contract.
#[derive(Clone, Debug)]
pub(crate) struct UpkeepService {
    ledger: Ledger,
    callers: Callers,
}

impl UpkeepService {
    pub(crate) fn server(ledger: Ledger, callers: Callers) -> UpkeepServer<Self> {
        UpkeepServer::new(Self { ledger, callers })
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Upkeep for UpkeepService {
    async fn set_target(&self, request: Request<v1::SetTargetRequest>) -> Answer<v1::SetTargetReply> {
        let SetTarget {
            name,
            target,
            expected,
        } = request.into_inner().try_into()?;
        let binding = self.ledger.set_target(name, expected, target).await;
        Ok(Response::new(v1::SetTargetReply {
            binding: Some(binding.map_err(refused)?.into()),
        }))
    }

    async fn set_duty(&self, request: Request<v1::SetDutyRequest>) -> Answer<v1::SetDutyReply> {
        let SetPeerMode { peer, wish } = request.into_inner().try_into()?;
        let peer = peer.ok_or(Invalid::Missing("peer_id"))?;
        let mode = self.ledger.set_peer_mode(peer, wish).await.map_err(refused)?;
        Ok(Response::new(v1::SetDutyReply {
            duty: Some(mode.into()),
        }))
    }

    async fn drain_status(&self, request: Request<v1::DrainStatusRequest>) -> Answer<v1::DrainStatusReply> {
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
        let what = Asked::try_from(request.into_inner())?;
        let found = self.ledger.read(|state| state.durability(&what)).await;
        let found = found
            .map_err(refused)?
            .map_err(|rejection| refused(rejection.into()))?;
        Ok(Response::new(found.into()))
    }

    async fn survey(&self, _: Request<v1::SurveyRequest>) -> Answer<v1::SurveyReply> {
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
        let what = Asked::try_from(request.into_inner())?;
        let found = self.ledger.read(|state| state.why(&what)).await;
        let found = found
            .map_err(refused)?
            .map_err(|rejection| refused(rejection.into()))?;
        Ok(Response::new(found.into()))
    }

    async fn forget_peer(&self, request: Request<v1::ForgetPeerRequest>) -> Answer<v1::ForgetPeerReply> {
        let peer = peer_id(&request.into_inner().peer_id)?;
        self.ledger.forget_peer(peer).await.map_err(refused)?;
        Ok(Response::new(v1::ForgetPeerReply {}))
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Answer<v1::ReleaseReply> {
        let (caller, request) = (self.callers.of(&request), request.into_inner());
        let (peer, content) = (peer_id(&request.peer_id)?, content_id(&request.content_id)?);
        let run = run_id(&request.run_id)?;
        let released = self.ledger.release(peer, content, run, caller).await;
        released.map_err(refused)?;
        Ok(Response::new(v1::ReleaseReply {}))
    }
}
