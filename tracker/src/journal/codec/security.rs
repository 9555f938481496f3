//! Byte form of facts about tokens and members.

use shared::model::{KeyHash, MemberId, Timestamp, TokenId};
use shared::security::{Grant, Scope, SecretHash};

use super::{DecodeError, Reader, Writer, complaint};
use crate::state::SecurityFact;

const TOKEN_MADE: u8 = 90;
const TOKEN_USED: u8 = 91;
const TOKEN_REVOKED: u8 = 92;
const TOKEN_FORGOTTEN: u8 = 93;
const MEMBER_JOINED: u8 = 94;
const CERTIFIED_UNTIL: u8 = 95;
const MEMBER_REVOKED: u8 = 96;
const MEMBER_FORGOTTEN: u8 = 97;

const GRANTS_JOINING: u8 = 0;
const GRANTS_CALLS: u8 = 1;

impl Writer {
    pub(super) fn security_fact(&mut self, fact: &SecurityFact) {
        match fact {
            SecurityFact::TokenMade {
                token,
                hash,
                grant,
                ends,
            } => {
                self.of_token(TOKEN_MADE, *token);
                self.raw(hash.as_bytes());
                self.grant(grant);
                self.u64(ends.map_or(0, Timestamp::as_millis));
            }
            SecurityFact::TokenUsed { token, used } => {
                self.of_token(TOKEN_USED, *token);
                self.u32(*used);
            }
            SecurityFact::TokenRevoked(token) => self.of_token(TOKEN_REVOKED, *token),
            SecurityFact::TokenForgotten(token) => self.of_token(TOKEN_FORGOTTEN, *token),
            SecurityFact::MemberJoined {
                member,
                role,
                key,
                by,
            } => {
                self.of_member(MEMBER_JOINED, *member);
                self.text(role.as_str());
                self.raw(key.as_bytes());
                self.u8(u8::from(by.is_some()));
                if let Some(token) = by {
                    self.raw(token.as_bytes());
                }
            }
            SecurityFact::CertifiedUntil { member, ends } => {
                self.of_member(CERTIFIED_UNTIL, *member);
                self.u64(ends.as_millis());
            }
            SecurityFact::MemberRevoked(member) => self.of_member(MEMBER_REVOKED, *member),
            SecurityFact::MemberForgotten(member) => self.of_member(MEMBER_FORGOTTEN, *member),
        }
    }

    fn of_token(&mut self, tag: u8, token: TokenId) {
        self.u8(tag);
        self.raw(token.as_bytes());
    }

    fn of_member(&mut self, tag: u8, member: MemberId) {
        self.u8(tag);
        self.raw(member.as_bytes());
    }

    fn grant(&mut self, grant: &Grant) {
        match grant {
            Grant::Join { role, uses, zone } => {
                self.u8(GRANTS_JOINING);
                self.text(role.as_str());
                self.u32(uses.unwrap_or(0));
                self.text(zone.as_ref().map_or("", |zone| zone.as_str()));
            }
            Grant::Api { scopes } => {
                self.u8(GRANTS_CALLS);
                self.length(scopes.len());
                scopes.iter().for_each(|scope| self.text(&scope.to_string()));
            }
        }
    }
}

impl Reader<'_> {
    pub(super) fn security_fact(&mut self, tag: u8) -> Result<SecurityFact, DecodeError> {
        Ok(match tag {
            TOKEN_MADE => SecurityFact::TokenMade {
                token: self.token()?,
                hash: SecretHash::from_bytes(self.array()?),
                grant: self.grant()?,
                ends: Some(self.u64()?)
                    .filter(|ends| *ends > 0)
                    .map(Timestamp::from_millis),
            },
            TOKEN_USED => SecurityFact::TokenUsed {
                token: self.token()?,
                used: self.u32()?,
            },
            TOKEN_REVOKED => SecurityFact::TokenRevoked(self.token()?),
            TOKEN_FORGOTTEN => SecurityFact::TokenForgotten(self.token()?),
            MEMBER_JOINED => SecurityFact::MemberJoined {
                member: self.member()?,
                role: self.parsed()?,
                key: KeyHash::from_bytes(self.array()?),
                by: match self.bit()? {
                    true => Some(self.token()?),
                    false => None,
                },
            },
            CERTIFIED_UNTIL => SecurityFact::CertifiedUntil {
                member: self.member()?,
                ends: Timestamp::from_millis(self.u64()?),
            },
            MEMBER_REVOKED => SecurityFact::MemberRevoked(self.member()?),
            MEMBER_FORGOTTEN => SecurityFact::MemberForgotten(self.member()?),
            other => return Err(DecodeError(format!("there is no fact of kind {other}"))),
        })
    }

    fn token(&mut self) -> Result<TokenId, DecodeError> {
        self.array().map(TokenId::from_bytes)
    }

    fn member(&mut self) -> Result<MemberId, DecodeError> {
        self.array().map(MemberId::from_bytes)
    }

    fn grant(&mut self) -> Result<Grant, DecodeError> {
        match self.u8()? {
            GRANTS_JOINING => Ok(Grant::Join {
                role: self.parsed()?,
                uses: Some(self.u32()?).filter(|uses| *uses > 0),
                zone: match self.text()? {
                    "" => None,
                    text => Some(text.parse().map_err(complaint)?),
                },
            }),
            GRANTS_CALLS => Ok(Grant::Api {
                scopes: (0..self.u32()?).map(|_| self.scope()).collect::<Result<_, _>>()?,
            }),
            other => Err(DecodeError(format!("there is no grant of kind {other}"))),
        }
    }

    fn scope(&mut self) -> Result<Scope, DecodeError> {
        let text = self.text()?;
        let scope: Scope = text.parse().map_err(complaint)?;
        match scope.to_string() == text {
            true => Ok(scope),
            false => Err(complaint("a scope has another form than it is written in")),
        }
    }
}
