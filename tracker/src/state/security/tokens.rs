//! Tokens: API tokens, and those of join lines. Of their secrets only hashes are known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shared::model::{Timestamp, TokenId, Zone};
use shared::security::{Grant, Role, Scope, SecretHash, TokenEntry};

use super::request::Refused;
use crate::state::record::{SecurityFact, require};
use crate::state::steps::visited;

/// Most tokens: an answer lists them all.
pub(crate) const MAX_TOKENS: usize = 10_000;

/// Time for which a token is listed after its end.
const REMEMBERED: Duration = Duration::from_hours(24 * 30);

/// All tokens, by id.
#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<TokenId, Token>);

#[derive(Debug)]
struct Token {
    hash: SecretHash,
    grant: Grant,
    /// The scopes of an API token, in the form in which callers have them.
    scopes: Arc<[Scope]>,
    made: Timestamp,
    ends: Option<Timestamp>,
    used: u32,
    used_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

impl Token {
    fn has_ended(&self, now: Timestamp) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    fn is_used_up(&self) -> bool {
        matches!(self.grant, Grant::Join { uses: Some(uses), .. } if self.used >= uses)
    }

    /// Returns the time since which the token gives no right, or from which on it gives none.
    fn over_at(&self) -> Option<Timestamp> {
        let used_up = self.is_used_up().then_some(self.used_at);
        [self.ends, self.revoked_at, used_up].into_iter().flatten().min()
    }

    fn entry(&self, id: TokenId) -> TokenEntry {
        TokenEntry {
            id,
            grant: self.grant.clone(),
            made: self.made,
            ends: self.ends,
            used: self.used,
            is_revoked: self.revoked_at.is_some(),
        }
    }
}

impl Tokens {
    pub(super) fn make(
        &self,
        id: TokenId,
        hash: SecretHash,
        grant: Grant,
        ends: Option<Timestamp>,
    ) -> Result<SecurityFact, Refused> {
        if self.0.contains_key(&id) {
            return Err(Refused::TokenExists(id));
        }
        if self.0.len() >= MAX_TOKENS {
            return Err(Refused::TooManyTokens(MAX_TOKENS));
        }
        Ok(SecurityFact::TokenMade {
            token: id,
            hash,
            grant,
            ends,
        })
    }

    /// Returns the fact that ends a token, unless it is revoked already.
    pub(super) fn revoke(&self, id: TokenId) -> Result<Option<SecurityFact>, Refused> {
        let token = self.0.get(&id).ok_or(Refused::NoSuchToken(id))?;
        let is_valid = token.revoked_at.is_none();
        Ok(is_valid.then_some(SecurityFact::TokenRevoked(id)))
    }

    /// Checks a join line for a machine of a role; returns the failure domain that it names, and the fact of
    /// its use, unless this machine has used it before.
    pub(super) fn use_line(
        &self,
        now: Timestamp,
        (id, hash): (TokenId, SecretHash),
        got: Role,
        is_repeated: bool,
    ) -> Result<(Option<Zone>, Option<SecurityFact>), Refused> {
        // Only who has the secret learns anything about the token.
        let token = self.0.get(&id).filter(|token| token.hash == hash);
        let token = token.ok_or(Refused::UnknownLine)?;
        let Grant::Join { role, zone, .. } = &token.grant else {
            return Err(Refused::UnknownLine);
        };
        if token.revoked_at.is_some() {
            return Err(Refused::RevokedLine);
        }
        if token.has_ended(now) {
            return Err(Refused::EndedLine);
        }
        if *role != got {
            return Err(Refused::OtherRole { of: *role, got });
        }
        let fact = match is_repeated {
            true => None,
            false if token.is_used_up() => return Err(Refused::UsedLine),
            false => Some(SecurityFact::TokenUsed {
                token: id,
                used: token.used.saturating_add(1),
            }),
        };
        Ok((zone.clone(), fact))
    }

    /// Returns the scopes of an API token; none when it does not count.
    pub(super) fn scopes(&self, now: Timestamp, id: TokenId, hash: SecretHash) -> Option<Arc<[Scope]>> {
        let token = self.0.get(&id).filter(|token| token.hash == hash)?;
        let counts =
            matches!(token.grant, Grant::Api { .. }) && token.revoked_at.is_none() && !token.has_ended(now);
        counts.then(|| Arc::clone(&token.scopes))
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = TokenEntry> + '_ {
        visited(self.0.iter()).map(|(id, token)| token.entry(*id))
    }

    /// Returns the facts by which tokens are forgotten that have been over for long.
    pub(super) fn over(&self, now: Timestamp) -> Vec<SecurityFact> {
        let is_old = |token: &Token| {
            let over = token.over_at();
            over.is_some_and(|over| over <= now && now.since(over) >= REMEMBERED)
        };
        let old = visited(self.0.iter()).filter(|(_, token)| is_old(token));
        old.map(|(id, _)| SecurityFact::TokenForgotten(*id)).collect()
    }

    pub(super) fn evolve(&mut self, fact: &SecurityFact, at: Timestamp) {
        match fact {
            SecurityFact::TokenMade {
                token,
                hash,
                grant,
                ends,
            } => {
                let scopes = match grant {
                    Grant::Api { scopes } => scopes.as_slice().into(),
                    Grant::Join { .. } => Arc::default(),
                };
                let made = Token {
                    hash: *hash,
                    grant: grant.clone(),
                    scopes,
                    made: at,
                    ends: *ends,
                    used: 0,
                    used_at: at,
                    revoked_at: None,
                };
                self.0.insert(*token, made);
            }
            SecurityFact::TokenUsed { token, used } => {
                if let Some(token) = self.0.get_mut(token) {
                    (token.used, token.used_at) = (*used, at);
                }
            }
            SecurityFact::TokenRevoked(token) => {
                if let Some(token) = self.0.get_mut(token) {
                    token.revoked_at = Some(at);
                }
            }
            SecurityFact::TokenForgotten(token) => drop(self.0.remove(token)),
            _ => {}
        }
    }

    /// Checks that a fact about tokens can follow those before it; the complaint is in words.
    pub(super) fn audit(&self, fact: &SecurityFact) -> Result<(), String> {
        let known = |token: &TokenId, what: &str| {
            let token_known = self.0.get(token);
            token_known.ok_or_else(|| format!("token {token} {what}, which was never made or was forgotten"))
        };
        match fact {
            SecurityFact::TokenMade { token, .. } => require(!self.0.contains_key(token), || {
                format!("token {token} is made, and there is one")
            }),
            SecurityFact::TokenUsed { token, used } => {
                let before = known(token, "is used")?.used;
                require(*used > before, || {
                    format!("token {token} was used {before} times, and then {used} times")
                })
            }
            SecurityFact::TokenRevoked(token) => known(token, "is revoked").map(drop),
            SecurityFact::TokenForgotten(token) => known(token, "is forgotten").map(drop),
            _ => Ok(()),
        }
    }

    /// Returns the shortest list of facts that leads to these tokens.
    pub(super) fn facts(&self) -> impl Iterator<Item = (Timestamp, SecurityFact)> + '_ {
        self.0.iter().flat_map(|(id, token)| {
            let made = SecurityFact::TokenMade {
                token: *id,
                hash: token.hash,
                grant: token.grant.clone(),
                ends: token.ends,
            };
            let used = SecurityFact::TokenUsed {
                token: *id,
                used: token.used,
            };
            let used = (token.used > 0).then_some((token.used_at, used));
            let revoked = token.revoked_at.map(|at| (at, SecurityFact::TokenRevoked(*id)));
            std::iter::once((token.made, made)).chain(used).chain(revoked)
        })
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
