//! Tokens and members among the other parts: a peer's certificate goes with its key, and a revoked peer's
//! copies count no more.

use std::sync::Arc;

use shared::model::{KeyHash, MemberId, PeerId, Timestamp, TokenId};
use shared::security::{MemberEntry, Role, Scope, SecretHash, TokenEntry};

use super::State;
use super::command::{Closing, Outcome, Rejection};
use super::record::{Fact, SecurityFact};
use super::security::{Refused, SecurityCommand, SecurityReply};

impl State {
    /// Carries out a command about tokens and members.
    pub(super) fn secure(
        &mut self,
        now: Timestamp,
        command: SecurityCommand,
        out: &mut Outcome,
    ) -> Result<SecurityReply, Rejection> {
        if let SecurityCommand::Enrol(enrolment) = &command
            && enrolment.role == Role::Peer
        {
            // Somebody who has the secret is told whose id it is; others learn nothing.
            let decided = self.security.decide(now, command.clone());
            let known = self.peers.key(enrolment.member.into());
            if decided.is_ok() && known.is_some_and(|known| known != enrolment.key) {
                return Err(Refused::OtherKey(enrolment.member).into());
            }
        }
        let (reply, facts) = self.security.decide(now, command)?;
        for fact in facts {
            let revoked = match fact {
                SecurityFact::MemberRevoked(member) => Some(PeerId::from(member)),
                _ => None,
            };
            self.commit(now, Fact::Security(fact), out);
            if let Some(peer) = revoked.filter(|peer| !self.peers.is_lost(*peer)) {
                self.lose(now, peer, Closing::Revoked, out);
            }
        }
        Ok(reply)
    }

    /// Checks that a peer that says hello is not revoked, and that its key is the one that was certified.
    pub(super) fn check_member(&self, peer: PeerId, key: Option<KeyHash>) -> Result<(), Rejection> {
        match (self.security.check_peer(peer, key)?, key) {
            (Some(certified), Some(given)) if certified != given => Err(Rejection::OtherKey(peer)),
            (Some(_), None) => Err(Rejection::NoKey(peer)),
            _ => Ok(()),
        }
    }

    /// Forgets tokens and members that were over long ago.
    pub(super) fn forget_members(&mut self, now: Timestamp, out: &mut Outcome) {
        for fact in self.security.over(now) {
            self.commit(now, Fact::Security(fact), out);
        }
    }

    /// Returns the scopes of an API token with this secret; none when it does not count.
    #[must_use]
    pub fn scopes_of(&self, now: Timestamp, token: TokenId, hash: SecretHash) -> Option<Arc<[Scope]>> {
        self.security.scopes(now, token, hash)
    }

    /// Returns every token that is remembered, by id.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenEntry> {
        self.security.tokens()
    }

    /// Returns every member that was certified and is remembered, by role and id.
    #[must_use]
    pub fn members(&self) -> Vec<MemberEntry> {
        self.security.members()
    }

    /// Returns the role of a member.
    #[must_use]
    pub fn role_of(&self, member: MemberId) -> Option<Role> {
        self.security.role(member)
    }

    /// Returns the keys of revoked members whose certificates have not ended, in order.
    #[must_use]
    pub fn revoked_keys(&self, now: Timestamp) -> Vec<KeyHash> {
        self.security.revoked(now)
    }

    /// Returns a number that grows with each revocation of a member.
    #[must_use]
    pub const fn revocations(&self) -> u64 {
        self.security.changes()
    }
}
