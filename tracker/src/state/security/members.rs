//! Members: everybody who was ever certified, and whose certificate was taken back.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::model::{KeyHash, MemberId, Timestamp, TokenId};
use shared::security::{MemberEntry, News, Role};

use super::request::Refused;
use crate::state::record::{SecurityFact, require};
use crate::state::steps::visited;

/// Most members: an answer lists them all.
pub(crate) const MAX_MEMBERS: usize = 20_000;

/// Members among them that are kept for trackers, without which there is no network.
const KEPT: usize = 16;

/// Time for which a member is remembered whose certificate has ended. It has to join again after that.
const REMEMBERED: Duration = Duration::from_hours(24 * 366);

/// All members, by id and by key.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_id: BTreeMap<MemberId, Member>,
    by_key: BTreeMap<KeyHash, MemberId>,
    /// Members that are revoked: few, and asked for often.
    revoked: BTreeMap<MemberId, KeyHash>,
}

#[derive(Debug)]
pub(super) struct Member {
    role: Role,
    key: KeyHash,
    /// The token with which it has joined; none of a tracker.
    by: Option<TokenId>,
    joined_at: Timestamp,
    ends: Timestamp,
    revoked_at: Option<Timestamp>,
}

impl Members {
    /// Checks that a machine may be certified with an id, a key and a role; returns whether it has joined
    /// with this token before.
    pub(super) fn check(
        &self,
        id: MemberId,
        key: KeyHash,
        role: Role,
        by: Option<TokenId>,
    ) -> Result<bool, Refused> {
        let of_key = self.by_key.get(&key).copied();
        let most = match role {
            Role::Tracker => MAX_MEMBERS,
            Role::Webserver | Role::Peer | Role::User => MAX_MEMBERS - KEPT,
        };
        if let Some(known) = of_key {
            self.check_valid(known)?;
        }
        match (self.by_id.get(&id), of_key) {
            (Some(known), _) => {
                self.check_valid(id)?;
                match known.key == key && known.role == role {
                    true => Ok(known.by == by),
                    false => Err(Refused::OtherKey(id)),
                }
            }
            (None, Some(other)) => Err(Refused::OtherId(other)),
            (None, None) if self.by_id.len() >= most => Err(Refused::TooManyMembers(most)),
            (None, None) => Ok(false),
        }
    }

    fn check_valid(&self, id: MemberId) -> Result<(), Refused> {
        match self.revoked.contains_key(&id) {
            true => Err(Refused::Revoked(id)),
            false => Ok(()),
        }
    }

    /// Returns the member that has a key, if it is not revoked.
    pub(super) fn of_key(&self, key: KeyHash) -> Result<(MemberId, Role), Refused> {
        let id = *self.by_key.get(&key).ok_or(Refused::NoMember)?;
        self.check_valid(id)?;
        let member = self.by_id.get(&id).ok_or(Refused::NoMember)?;
        Ok((id, member.role))
    }

    /// Returns the key of a member, and its role.
    pub(super) fn key(&self, id: MemberId) -> Option<(KeyHash, Role)> {
        self.by_id.get(&id).map(|member| (member.key, member.role))
    }

    /// Returns the token with which a member has joined.
    pub(super) fn joined_by(&self, id: MemberId) -> Option<TokenId> {
        self.by_id.get(&id)?.by
    }

    /// Returns the facts by which a member is certified until a time, that are not known yet.
    pub(super) fn certify(
        &self,
        id: MemberId,
        (key, role): (KeyHash, Role),
        by: Option<TokenId>,
        ends: Timestamp,
    ) -> impl Iterator<Item = SecurityFact> + use<> {
        let known = self.by_id.get(&id);
        let has_joined = known.is_some_and(|known| known.by == by);
        let joined = (!has_joined).then_some(SecurityFact::MemberJoined {
            member: id,
            role,
            key,
            by,
        });
        let is_later = known.is_none_or(|known| known.ends < ends);
        let certified = is_later.then_some(SecurityFact::CertifiedUntil { member: id, ends });
        joined.into_iter().chain(certified)
    }

    /// Returns the fact by which a member is revoked, unless it is already.
    pub(super) fn revoke(&self, now: Timestamp, id: MemberId) -> Result<Option<SecurityFact>, Refused> {
        if !self.by_id.contains_key(&id) {
            return Err(Refused::NoSuchMember(id));
        }
        if self.revoked.contains_key(&id) {
            return Ok(None);
        }
        if self.revoked_keys(now).count() >= News::MAX_REVOKED {
            return Err(Refused::TooManyRevoked(News::MAX_REVOKED));
        }
        Ok(Some(SecurityFact::MemberRevoked(id)))
    }

    pub(super) fn is_revoked_key(&self, key: KeyHash) -> bool {
        let id = self.by_key.get(&key);
        id.is_some_and(|id| self.revoked.contains_key(id))
    }

    pub(super) fn is_revoked(&self, id: MemberId) -> bool {
        self.revoked.contains_key(&id)
    }

    /// Returns the keys of revoked members whose certificates have not ended.
    pub(super) fn revoked_keys(&self, now: Timestamp) -> impl Iterator<Item = KeyHash> + '_ {
        let lives = move |id: &MemberId| self.by_id.get(id).is_some_and(|member| member.ends > now);
        let revoked = visited(self.revoked.iter()).filter(move |(id, _)| lives(id));
        revoked.map(|(_, key)| *key)
    }

    /// Returns every member, by role and id.
    pub(super) fn entries(&self) -> Vec<MemberEntry> {
        let entry = |(id, member): (&MemberId, &Member)| MemberEntry {
            id: *id,
            role: member.role,
            key: member.key,
            ends: member.ends,
            is_revoked: member.revoked_at.is_some(),
        };
        let mut entries: Vec<_> = visited(self.by_id.iter()).map(entry).collect();
        entries.sort_by_key(|entry| (entry.role, entry.id));
        entries
    }

    /// Returns the facts by which members are forgotten whose certificates ended long ago. Revoked ones are
    /// remembered.
    pub(super) fn over(&self, now: Timestamp) -> Vec<SecurityFact> {
        let is_old = |member: &Member| {
            member.revoked_at.is_none() && member.ends <= now && now.since(member.ends) >= REMEMBERED
        };
        let old = visited(self.by_id.iter()).filter(|(_, member)| is_old(member));
        old.map(|(id, _)| SecurityFact::MemberForgotten(*id)).collect()
    }

    pub(super) fn evolve(&mut self, fact: &SecurityFact, at: Timestamp) {
        match fact {
            SecurityFact::MemberJoined {
                member,
                role,
                key,
                by,
            } => {
                let ends = self
                    .by_id
                    .get(member)
                    .map_or(Timestamp::default(), |known| known.ends);
                let joined = Member {
                    role: *role,
                    key: *key,
                    by: *by,
                    joined_at: at,
                    ends,
                    revoked_at: None,
                };
                self.by_id.insert(*member, joined);
                self.by_key.insert(*key, *member);
            }
            SecurityFact::CertifiedUntil { member, ends } => {
                if let Some(member) = self.by_id.get_mut(member) {
                    member.ends = *ends;
                }
            }
            SecurityFact::MemberRevoked(id) => {
                if let Some(member) = self.by_id.get_mut(id) {
                    member.revoked_at = Some(at);
                    self.revoked.insert(*id, member.key);
                }
            }
            SecurityFact::MemberForgotten(id) => {
                if let Some(member) = self.by_id.remove(id) {
                    self.by_key.remove(&member.key);
                }
            }
            _ => {}
        }
    }

    /// Checks that a fact about members can follow those before it; the complaint is in words.
    pub(super) fn audit(&self, fact: &SecurityFact) -> Result<(), String> {
        let known = |member: &MemberId, what: &str| {
            let complaint = || format!("member {member} {what}, which never joined or was forgotten");
            self.by_id.get(member).ok_or_else(complaint)
        };
        match fact {
            SecurityFact::MemberJoined {
                member, role, key, ..
            } => {
                let is_same =
                    |known: &Member| (known.key, known.role) == (*key, *role) && known.revoked_at.is_none();
                let fits = self.by_id.get(member).is_none_or(is_same)
                    && self.by_key.get(key).is_none_or(|of_key| of_key == member);
                require(fits, || {
                    format!("member {member} joins with a key or a role that is not its own, or revoked")
                })
            }
            SecurityFact::CertifiedUntil { member, ends } => {
                let known = known(member, "is certified")?;
                require(known.ends < *ends, || {
                    format!(
                        "member {member} is certified until {ends:?}, and was until {:?}",
                        known.ends
                    )
                })
            }
            SecurityFact::MemberRevoked(member) => {
                let known = known(member, "is revoked")?;
                require(known.revoked_at.is_none(), || {
                    format!("member {member} is revoked twice")
                })
            }
            SecurityFact::MemberForgotten(member) => {
                let known = known(member, "is forgotten")?;
                require(known.revoked_at.is_none(), || {
                    format!("member {member} is forgotten, which was revoked")
                })
            }
            _ => Ok(()),
        }
    }

    /// Returns the shortest list of facts that leads to these members.
    pub(super) fn facts(&self) -> impl Iterator<Item = (Timestamp, SecurityFact)> + '_ {
        self.by_id.iter().flat_map(|(id, member)| {
            let at = member.joined_at;
            let joined = SecurityFact::MemberJoined {
                member: *id,
                role: member.role,
                key: member.key,
                by: member.by,
            };
            let ends = member.ends;
            let certified = SecurityFact::CertifiedUntil { member: *id, ends };
            let certified = (ends > Timestamp::default()).then_some((at, certified));
            let revoked = member.revoked_at.map(|at| (at, SecurityFact::MemberRevoked(*id)));
            std::iter::once((at, joined)).chain(certified).chain(revoked)
        })
    }

    /// Checks the invariants; the complaint is in words.
    pub(super) fn check_all(&self) -> Result<(), String> {
        let is_known = |(key, id): (&KeyHash, &MemberId)| self.by_id.get(id).is_some_and(|m| m.key == *key);
        require(
            self.by_key.len() == self.by_id.len() && self.by_key.iter().all(is_known),
            || "members are not known by their keys".to_owned(),
        )?;
        let revoked = self
            .by_id
            .iter()
            .filter(|(_, member)| member.revoked_at.is_some());
        let revoked = revoked.map(|(id, member)| (id, &member.key));
        require(revoked.eq(self.revoked.iter()), || {
            "members that are revoked are not known as such".to_owned()
        })?;
        require(self.by_id.len() <= MAX_MEMBERS, || {
            "there are too many members".to_owned()
        })
    }
}
