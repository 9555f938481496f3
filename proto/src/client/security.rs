//! The client of a tracker's `Security`: joining, certificates, tokens and members.

use std::time::Duration;

use shared::model::{HostPort, KeyHash, MemberId, TokenId};
use shared::security::{Admission, ApiToken, Grant, MemberEntry, News, TokenEntry};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::{Incoming, Patience, Remote, begun, unary};
use crate::credentials::with_token;
use crate::dial::Entrance;
use crate::messages::security::{CreatedToken, Enrol, key_hash, members, tokens};
use crate::tls::Tls;
use crate::v1::security_client::SecurityClient as Generated;
use crate::{RemoteError, dial, v1};

/// The stream of what members have to know begins by then.
const FOLLOW_DEADLINE: Duration = Duration::from_secs(10);

/// Talks to one tracker; cheap to clone.
#[derive(Clone, Debug)]
pub struct SecurityClient {
    inner: Generated<Channel>,
    remote: Remote,
    token: Option<ApiToken>,
}

impl SecurityClient {
    /// Makes a client that dials on first use, and by TLS only, whatever the mode of the network.
    ///
    /// # Errors
    /// When the address cannot be dialled.
    pub fn new(tracker: &HostPort, tls: &Tls) -> Result<Self, RemoteError> {
        let channel = dial::always_secured(tracker, tls, dial::TRACKER)?;
        Ok(Self::over(channel, tracker))
    }

    /// Makes a client of a machine that has not joined; none unless a tracker is at the other end of the
    /// entrance.
    #[must_use]
    pub fn entering(entrance: &Entrance, tracker: &HostPort) -> Option<Self> {
        Some(Self::over(entrance.authority()?, tracker))
    }

    fn over(channel: Channel, tracker: &HostPort) -> Self {
        Self {
            inner: Generated::new(channel),
            remote: Remote::new("the tracker", tracker),
            token: None,
        }
    }

    /// Makes calls with the rights of a token.
    #[must_use]
    pub fn with_token(self, token: Option<ApiToken>) -> Self {
        Self { token, ..self }
    }

    async fn call<R: Clone, T, F>(
        &self,
        patience: Patience,
        request: R,
        call: impl Fn(Generated<Channel>, Request<R>) -> F,
    ) -> Result<T, RemoteError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let made = |client, message| call(client, with_token(self.token.as_ref(), message));
        unary(patience, &self.remote, &self.inner, request, made).await
    }

    /// Joins, with the secret of a join line. The call is tried once: it may use the line up.
    ///
    /// # Errors
    /// As the contract says, for this and all that follow.
    pub async fn enrol(&self, enrol: Enrol) -> Result<Admission, RemoteError> {
        let request = v1::EnrolRequest::from(enrol);
        let made = |mut client: Generated<Channel>, request| async move { client.enrol(request).await };
        Ok(self.call(Patience::ONCE, request, made).await?.try_into()?)
    }

    /// Has the key of a member certified again.
    pub async fn renew(&self, certificate_request: Vec<u8>) -> Result<Admission, RemoteError> {
        let request = v1::RenewRequest {
            request: certificate_request.into(),
        };
        let made = |mut client: Generated<Channel>, request| async move { client.renew(request).await };
        Ok(self.call(Patience::DEFAULT, request, made).await?.try_into()?)
    }

    /// Follows what members have to know.
    pub async fn follow(&self) -> Result<Incoming<v1::SecurityNews, News>, RemoteError> {
        let mut client = self.inner.clone();
        let call = client.follow(v1::FollowSecurityRequest {});
        Ok(Incoming::new(begun(FOLLOW_DEADLINE, &self.remote, call).await?))
    }

    /// Makes a token; without a life it has no end. The call is tried once: nobody would know of the token of
    /// a lost answer.
    pub async fn create_token(
        &self,
        grant: Grant,
        life: Option<Duration>,
    ) -> Result<CreatedToken, RemoteError> {
        let life = life.map_or(0, |life| u64::try_from(life.as_millis()).unwrap_or(u64::MAX));
        let request = v1::CreateTokenRequest {
            grant: Some(grant.into()),
            life_ms: life,
        };
        let made =
            |mut client: Generated<Channel>, request| async move { client.create_token(request).await };
        Ok(self.call(Patience::ONCE, request, made).await?.try_into()?)
    }

    /// Returns every token.
    pub async fn tokens(&self) -> Result<Vec<TokenEntry>, RemoteError> {
        let request = v1::ListTokensRequest {};
        let made = |mut client: Generated<Channel>, request| async move { client.list_tokens(request).await };
        Ok(tokens(self.call(Patience::DEFAULT, request, made).await?)?)
    }

    /// Ends a token.
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), RemoteError> {
        let request = v1::RevokeTokenRequest {
            token_id: id.as_bytes().to_vec().into(),
        };
        let made =
            |mut client: Generated<Channel>, request| async move { client.revoke_token(request).await };
        self.call(Patience::DEFAULT, request, made).await?;
        Ok(())
    }

    /// Returns every member that was certified.
    pub async fn members(&self) -> Result<Vec<MemberEntry>, RemoteError> {
        let request = v1::ListMembersRequest {};
        let made =
            |mut client: Generated<Channel>, request| async move { client.list_members(request).await };
        Ok(members(self.call(Patience::DEFAULT, request, made).await?)?)
    }

    /// Takes the certificate of a member back.
    pub async fn revoke_member(&self, id: MemberId) -> Result<(), RemoteError> {
        let request = v1::RevokeMemberRequest {
            member_id: id.as_bytes().to_vec().into(),
        };
        let made =
            |mut client: Generated<Channel>, request| async move { client.revoke_member(request).await };
        self.call(Patience::DEFAULT, request, made).await?;
        Ok(())
    }

    /// Replaces the authority's key, and returns the hash of the new one. The call is tried once: each makes
    /// another key.
    pub async fn rotate_authority(&self) -> Result<KeyHash, RemoteError> {
        let request = v1::RotateAuthorityRequest {};
        let made =
            |mut client: Generated<Channel>, request| async move { client.rotate_authority(request).await };
        let reply = self.call(Patience::ONCE, request, made).await?;
        Ok(key_hash(&reply.key_hash)?)
    }
}
