//! **Security**: tokens, members, and what was taken back from them. This part depends on no other one.
//!
//! A machine joins by the token of a join line, which is compared and counted in one step, so that a line
//! for one machine admits one. Whoever has joined may have its key certified again, as long as it is not
//! revoked: the authority itself (`crate::authority`) is outside, and asks here first.
//!
//! Invariants: of secrets only hashes are here; a key belongs to one member and a member to one key, until it
//! is forgotten; a revoked member is never forgotten, and its key is certified no more. The time decides
//! only whether a token has ended, and when something is forgotten.

mod members;
mod request;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use shared::model::{KeyHash, MemberId, PeerId, Timestamp, TokenId};
use shared::security::{MemberEntry, Role, Scope, SecretHash, TokenEntry};

use super::record::{Fact, Record, SecurityFact, require};
use members::Members;
use tokens::Tokens;

pub use request::{Enrolment, Refused, SecurityCommand, SecurityReply};
#[cfg(test)]
pub(crate) use tokens::MAX_TOKENS;

/// Time between two looks for what is to be forgotten: that is a matter of days.
const LOOK: Duration = Duration::from_hours(1);

/// Tokens and members.
#[derive(Debug, Default)]
pub(crate) struct Security {
    tokens: Tokens,
    members: Members,
    /// Number of changes to what every member has to know.
    changes: u64,
    /// Time of the next look for what is to be forgotten.
    look_at: Timestamp,
}

/// An answer, and the facts that make it true.
type Decision = Result<(SecurityReply, Vec<SecurityFact>), Refused>;

impl Security {
    /// Decides about a command.
    pub(crate) fn decide(&self, now: Timestamp, command: SecurityCommand) -> Decision {
        match command {
            SecurityCommand::MakeToken {
                token,
                hash,
                grant,
                ends,
            } => {
                let fact = self.tokens.make(token, hash, grant.clone(), ends)?;
                let entry = TokenEntry {
                    id: token,
                    grant,
                    made: now,
                    ends,
                    used: 0,
                    is_revoked: false,
                };
                Ok((SecurityReply::Made(entry), vec![fact]))
            }
            SecurityCommand::RevokeToken(token) => {
                let fact = self.tokens.revoke(token)?;
                Ok((SecurityReply::Done, fact.into_iter().collect()))
            }
            SecurityCommand::Enrol(enrolment) => self.enrol(now, &enrolment),
            SecurityCommand::Renew { key, ends } => {
                let (member, role) = self.members.of_key(key)?;
                let by = self.members.joined_by(member);
                let facts = self.members.certify(member, (key, role), by, ends);
                Ok((SecurityReply::Renewed(member, role), facts.collect()))
            }
            SecurityCommand::NoteTracker { member, key, ends } => {
                self.members.check(member, key, Role::Tracker, None)?;
                let facts = self.members.certify(member, (key, Role::Tracker), None, ends);
                Ok((SecurityReply::Done, facts.collect()))
            }
            SecurityCommand::RevokeMember(member) => {
                let fact = self.members.revoke(now, member)?;
                Ok((SecurityReply::Done, fact.into_iter().collect()))
            }
        }
    }

    fn enrol(&self, now: Timestamp, enrolment: &Enrolment) -> Decision {
        let Enrolment {
            token,
            hash,
            role,
            member,
            key,
            ends,
        } = *enrolment;
        let by = Some(token);
        // Nobody without the secret learns who is a member.
        let has_used = self.members.joined_by(member) == by && self.members.key(member) == Some((key, role));
        let (zone, used) = self.tokens.use_line(now, (token, hash), role, has_used)?;
        self.members.check(member, key, role, by)?;
        let facts = self.members.certify(member, (key, role), by, ends);
        Ok((
            SecurityReply::Enrolled(zone),
            used.into_iter().chain(facts).collect(),
        ))
    }

    /// Checks that a peer with this id may have a session with this key, if it has proved one.
    pub(crate) fn check_peer(&self, peer: PeerId, key: Option<KeyHash>) -> Result<Option<KeyHash>, Refused> {
        let member = MemberId::from(peer);
        if self.members.is_revoked(member) {
            return Err(Refused::Revoked(member));
        }
        if let Some(key) = key.filter(|key| self.members.is_revoked_key(*key)) {
            return Err(self.members.of_key(key).err().unwrap_or(Refused::Revoked(member)));
        }
        Ok(self.members.key(member).map(|(key, _)| key))
    }

    /// Returns the scopes of an API token; none when it does not count.
    pub(crate) fn scopes(&self, now: Timestamp, token: TokenId, hash: SecretHash) -> Option<Arc<[Scope]>> {
        self.tokens.scopes(now, token, hash)
    }

    /// Returns every token, by id.
    pub(crate) fn tokens(&self) -> Vec<TokenEntry> {
        self.tokens.entries().collect()
    }

    /// Returns the role of a member.
    pub(crate) fn role(&self, member: MemberId) -> Option<Role> {
        self.members.key(member).map(|(_, role)| role)
    }

    /// Returns every member, by role and id.
    pub(crate) fn members(&self) -> Vec<MemberEntry> {
        self.members.entries()
    }

    /// Returns the keys of revoked members whose certificates have not ended, in order.
    pub(crate) fn revoked(&self, now: Timestamp) -> Vec<KeyHash> {
        let mut keys: Vec<_> = self.members.revoked_keys(now).collect();
        keys.sort_unstable();
        keys
    }

    /// Returns a number that grows with each revocation of a member.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Returns the facts by which that is forgotten which was over long ago; seldom looks at all.
    pub(crate) fn over(&mut self, now: Timestamp) -> Vec<SecurityFact> {
        if now < self.look_at {
            return Vec::new();
        }
        self.look_at = now.after(LOOK);
        let mut facts = self.tokens.over(now);
        facts.extend(self.members.over(now));
        facts
    }

    pub(crate) fn evolve(&mut self, fact: &Fact, at: Timestamp) {
        if let Fact::Security(fact) = fact {
            self.tokens.evolve(fact, at);
            self.members.evolve(fact, at);
            self.changes += u64::from(matches!(fact, SecurityFact::MemberRevoked(_)));
        }
    }

    /// Checks that a fact can follow those before it; the complaint is in words.
    pub(crate) fn audit(&self, fact: &SecurityFact) -> Result<(), String> {
        self.tokens.audit(fact)?;
        self.members.audit(fact)
    }

    /// Returns the shortest list of facts that leads to this state.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let facts = self.tokens.facts().chain(self.members.facts());
        facts.map(|(at, fact)| Record {
            at,
            fact: Fact::Security(fact),
        })
    }

    /// Checks the invariants; the complaint is in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        require(self.tokens.len() <= tokens::MAX_TOKENS, || {
            "there are too many tokens".to_owned()
        })?;
        self.members.check_all()
    }
}
