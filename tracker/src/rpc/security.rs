//! Service `Security`: joining, certificates, tokens, members, and what members have to know.

use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use proto::accept::accounts::{Accounts, Resource};
use proto::messages::Invalid;
use proto::messages::security::{Enrol, certificate_request, member_id, token_id, token_life};
use proto::status::to_status;
use proto::v1;
use proto::v1::security_server::{Security, SecurityServer};
use shared::model::TokenId;
use shared::runtime::{OnExit, Tasks};
use shared::security::Grant;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::asking::Asking;
use super::taken;
use crate::authority::Proved;
use crate::guardian::{Guardian, GuardianError};

/// Time between two confirmations of news that have not changed. Members that hear nothing for a day trust no
/// peer.
const CONFIRMED_EVERY: Duration = Duration::from_mins(10);

/// News that wait for a slow follower; only the newest count.
const WAITING: usize = 1;

/// Service `Security` of the contract.
#[derive(Clone, Debug)]
pub(crate) struct SecurityService {
    guardian: Guardian,
    tasks: Tasks,
    accounts: Accounts,
}

impl SecurityService {
    pub(crate) fn server(guardian: Guardian, tasks: Tasks, accounts: Accounts) -> SecurityServer<Self> {
        SecurityServer::new(Self {
            guardian,
            tasks,
            accounts,
        })
    }

    fn asking<T>(&self, request: &Request<T>, call: &'static str) -> Asking {
        Asking::of(&self.guardian, request, call)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for use in map_err")]
fn refused(error: GuardianError) -> Status {
    to_status(&error)
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Security for SecurityService {
    async fn enrol(&self, request: Request<v1::EnrolRequest>) -> Answer<v1::EnrolReply> {
        let asking = self.asking(&request, "Security/Enrol");
        let enrol: Enrol = request.into_inner().try_into()?;
        let object = format!("{} {} by token {}", enrol.role, enrol.member, enrol.token);
        let admission = asking.noted(object, self.guardian.enrol(&enrol)).await?;
        Ok(Response::new(admission.into()))
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Answer<v1::EnrolReply> {
        let asking = self.asking(&request, "Security/Renew");
        let request = certificate_request(&request.into_inner().request)?;
        let proved = Proved::by(&request).map_err(|error| to_status(&error))?;
        let object = format!("key {}", proved.hash());
        let admission = asking.noted(object, self.guardian.renew(&proved)).await?;
        Ok(Response::new(admission.into()))
    }

    type FollowStream = Pin<Box<dyn Stream<Item = Result<v1::SecurityNews, Status>> + Send>>;

    async fn follow(&self, request: Request<v1::FollowSecurityRequest>) -> Answer<Self::FollowStream> {
        let place = taken(&self.accounts, &request, Resource::Member)?;
        let (answers, stream) = mpsc::channel(WAITING);
        let mut news = self.guardian.news();
        let token = self.tasks.token().clone();
        self.tasks.spawn("security news", OnExit::Continue, async move {
            let _place = place;
            let following = async {
                loop {
                    let newest = news.borrow_and_update().clone();
                    if answers.send(Ok(newest.into())).await.is_err() {
                        return;
                    }
                    tokio::select! {
                        changed = news.changed() => if changed.is_err() { return },
                        // Nothing has changed, which members have to know as well.
                        () = tokio::time::sleep(CONFIRMED_EVERY) => {}
                        () = answers.closed() => return,
                    }
                }
            };
            token.run_until_cancelled(following).await.unwrap_or_default();
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn create_token(&self, request: Request<v1::CreateTokenRequest>) -> Answer<v1::CreateTokenReply> {
        let asking = self.asking(&request, "Security/CreateToken");
        let request = request.into_inner();
        let grant: Grant = request.grant.ok_or(Invalid::Missing("grant"))?.try_into()?;
        let (token, life) = (TokenId::random(), token_life(request.life_ms));
        let creating = self.guardian.create_token(token, grant, life);
        let created = asking.noted(token, creating).await?;
        Ok(Response::new(created.into()))
    }

    async fn list_tokens(&self, _: Request<v1::ListTokensRequest>) -> Answer<v1::ListTokensReply> {
        let tokens = self.guardian.tokens().await.map_err(refused)?;
        Ok(Response::new(v1::ListTokensReply {
            tokens: tokens.into_iter().map(Into::into).collect(),
        }))
    }

    async fn revoke_token(&self, request: Request<v1::RevokeTokenRequest>) -> Answer<v1::RevokeTokenReply> {
        let asking = self.asking(&request, "Security/RevokeToken");
        let token = token_id(&request.into_inner().token_id)?;
        asking.noted(token, self.guardian.revoke_token(token)).await?;
        Ok(Response::new(v1::RevokeTokenReply {}))
    }

    async fn list_members(&self, _: Request<v1::ListMembersRequest>) -> Answer<v1::ListMembersReply> {
        let members = self.guardian.members().await.map_err(refused)?;
        Ok(Response::new(v1::ListMembersReply {
            members: members.into_iter().map(Into::into).collect(),
        }))
    }

    async fn revoke_member(
        &self,
        request: Request<v1::RevokeMemberRequest>,
    ) -> Answer<v1::RevokeMemberReply> {
        let asking = self.asking(&request, "Security/RevokeMember");
        let member = member_id(&request.into_inner().member_id)?;
        asking.noted(member, self.guardian.revoke_member(member)).await?;
        Ok(Response::new(v1::RevokeMemberReply {}))
    }

    async fn rotate_authority(
        &self,
        request: Request<v1::RotateAuthorityRequest>,
    ) -> Answer<v1::RotateAuthorityReply> {
        let asking = self.asking(&request, "Security/RotateAuthority");
        let (done, rotated) = oneshot::channel();
        let guardian = self.guardian.clone();
        // It goes on to its end, also without the caller: files and memory must agree.
        self.tasks.spawn("rotation", OnExit::Continue, async move {
            drop(done.send(guardian.rotate().await));
        });
        let rotating = async { rotated.await.unwrap_or(Err(GuardianError::Stopping)) };
        let key = asking.noted("the authority", rotating).await?;
        Ok(Response::new(v1::RotateAuthorityReply {
            key_hash: key.as_bytes().to_vec().into(),
        }))
    }
}
