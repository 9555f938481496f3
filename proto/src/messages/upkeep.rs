//! Targets, duties, and how safe everything is.

use std::time::Duration;

use shared::model::{
    Asked, DrainStatus, Durability, Endangered, FetchStanding, Losses, Name, PeerId, PeerMode, Reason,
    ReasonCode, Repair, ReplicationTarget, RequestedMode, Revision, Survey, Why,
};

use super::types::{ModeOf, asked, content_id, peer_id, target, wire_parts, wire_ranges};
use super::{Invalid, bounded, parsed, required};
use crate::v1;

/// Reasons in one answer.
const MAX_REASONS: usize = 64;

/// Request for another number of replicas of a name's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetTarget {
    /// The name.
    pub name: Name,
    /// Replicas wanted.
    pub target: ReplicationTarget,
    /// The revision that the caller has seen; `None` means any.
    pub expected: Option<Revision>,
}

/// Use a peer for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetPeerMode {
    /// Peer to change; `None` means the node that is asked.
    pub peer: Option<PeerId>,
    /// Mode that the peer should have.
    pub wish: RequestedMode,
}

/// A peer id, or none for the node that is asked.
pub fn peer_or_self(bytes: &[u8]) -> Result<Option<PeerId>, Invalid> {
    if bytes.is_empty() {
        Ok(None)
    } else {
        peer_id(bytes).map(Some)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl TryFrom<v1::SetTargetRequest> for SetTarget {
    type Error = Invalid;

    fn try_from(wire: v1::SetTargetRequest) -> Result<Self, Invalid> {
        Ok(Self {
            name: parsed("name", &wire.name)?,
            target: target(wire.target)?,
            expected: (wire.expected_revision != 0).then(|| Revision::new(wire.expected_revision)),
        })
    }
}

impl From<&SetTarget> for v1::SetTargetRequest {
    fn from(set: &SetTarget) -> Self {
        Self {
            name: set.name.to_string(),
            target: set.target.get(),
            expected_revision: set.expected.map_or(0, Revision::get),
        }
    }
}

impl TryFrom<v1::SetDutyRequest> for SetPeerMode {
    type Error = Invalid;

    fn try_from(wire: v1::SetDutyRequest) -> Result<Self, Invalid> {
        use v1::set_duty_request::Wish;
        let wish = match required("wish", wire.wish)? {
            Wish::Active(_) => RequestedMode::Active,
            Wish::Drain(_) => RequestedMode::Drain,
            Wish::MaintenanceMs(length) => RequestedMode::Maintenance(Duration::from_millis(length)),
        };
        let peer = peer_or_self(&wire.peer_id)?;
        Ok(Self { peer, wish })
    }
}

impl From<SetPeerMode> for v1::SetDutyRequest {
    fn from(set: SetPeerMode) -> Self {
        use v1::set_duty_request::{Active, Drain, Wish};
        let wish = match set.wish {
            RequestedMode::Active => Wish::Active(Active {}),
            RequestedMode::Drain => Wish::Drain(Drain {}),
            RequestedMode::Maintenance(length) => Wish::MaintenanceMs(millis(length)),
        };
        Self {
            peer_id: set
                .peer
                .map(|peer| peer.as_bytes().to_vec())
                .unwrap_or_default()
                .into(),
            wish: Some(wish),
        }
    }
}

impl TryFrom<v1::SetDutyReply> for PeerMode {
    type Error = Invalid;

    fn try_from(wire: v1::SetDutyReply) -> Result<Self, Invalid> {
        let duty = required("duty", wire.duty)?;
        Ok(ModeOf::from(Some(duty)).0)
    }
}

impl TryFrom<v1::Reason> for Reason {
    type Error = Invalid;

    fn try_from(wire: v1::Reason) -> Result<Self, Invalid> {
        let Ok(code) = wire.code.parse::<ReasonCode>();
        let detail = wire.detail;
        Ok(Self { code, detail })
    }
}

impl From<Reason> for v1::Reason {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code.as_str().to_owned(),
            detail: reason.detail,
        }
    }
}

fn reasons(wire: Vec<v1::Reason>) -> Result<Vec<Reason>, Invalid> {
    bounded("reasons", MAX_REASONS, wire)
}

fn wire_reasons(reasons: Vec<Reason>) -> Vec<v1::Reason> {
    reasons.into_iter().map(Into::into).collect()
}

impl TryFrom<v1::DrainStatusReply> for DrainStatus {
    type Error = Invalid;

    fn try_from(wire: v1::DrainStatusReply) -> Result<Self, Invalid> {
        Ok(Self {
            mode: ModeOf::from(wire.duty).0,
            contents: wire.contents,
            bytes: wire.bytes,
            contents_left: wire.contents_left,
            bytes_left: wire.bytes_left,
            is_safe: wire.is_safe,
            reasons: reasons(wire.reasons)?,
            remaining: wire.remaining_ms.map(Duration::from_millis),
        })
    }
}

impl From<DrainStatus> for v1::DrainStatusReply {
    fn from(status: DrainStatus) -> Self {
        Self {
            duty: Some(status.mode.into()),
            contents: status.contents,
            bytes: status.bytes,
            contents_left: status.contents_left,
            bytes_left: status.bytes_left,
            is_safe: status.is_safe,
            reasons: wire_reasons(status.reasons),
            remaining_ms: status.remaining.map(millis),
        }
    }
}

impl TryFrom<v1::Losses> for Losses {
    type Error = Invalid;

    fn try_from(wire: v1::Losses) -> Result<Self, Invalid> {
        let too_many = |count| count > Self::LISTED;
        if too_many(wire.peer_ids.len()) || too_many(wire.pairs.len()) || too_many(wire.zones.len()) {
            return Err(Invalid::field("fatal", "more is listed than may be"));
        }
        let pair = |pair: &v1::PeerPair| Ok((peer_id(&pair.one)?, peer_id(&pair.other)?));
        Ok(Self {
            peers: wire
                .peer_ids
                .iter()
                .map(|id| peer_id(id))
                .collect::<Result<_, _>>()?,
            peer_count: wire.peer_count,
            pairs: wire.pairs.iter().map(pair).collect::<Result<_, Invalid>>()?,
            pair_count: wire.pair_count,
            zones: wire
                .zones
                .iter()
                .map(|zone| parsed("zones", zone))
                .collect::<Result<_, _>>()?,
            zone_count: wire.zone_count,
        })
    }
}

impl From<Losses> for v1::Losses {
    fn from(losses: Losses) -> Self {
        let id = |peer: &PeerId| peer.as_bytes().to_vec().into();
        let pair = |(one, other): &(PeerId, PeerId)| v1::PeerPair {
            one: id(one),
            other: id(other),
        };
        Self {
            peer_ids: losses.peers.iter().map(id).collect(),
            peer_count: losses.peer_count,
            pairs: losses.pairs.iter().map(pair).collect(),
            pair_count: losses.pair_count,
            zones: losses.zones.iter().map(ToString::to_string).collect(),
            zone_count: losses.zone_count,
        }
    }
}

impl From<v1::Repair> for Repair {
    fn from(wire: v1::Repair) -> Self {
        Self {
            bytes_under_way: wire.bytes_under_way,
            bytes_waiting: wire.bytes_waiting,
            pace: wire.bytes_per_second,
            remaining: wire.remaining_ms.map(Duration::from_millis),
        }
    }
}

impl From<Repair> for v1::Repair {
    fn from(repair: Repair) -> Self {
        Self {
            bytes_under_way: repair.bytes_under_way,
            bytes_waiting: repair.bytes_waiting,
            bytes_per_second: repair.pace,
            remaining_ms: repair.remaining.map(millis),
        }
    }
}

impl TryFrom<v1::DurabilityReply> for Durability {
    type Error = Invalid;

    fn try_from(wire: v1::DurabilityReply) -> Result<Self, Invalid> {
        Ok(Self {
            name: parsed("name", &wire.name)?,
            content: content_id(&wire.content_id)?,
            health: required("health", wire.health)?.try_into()?,
            survives_any: wire.survives_any,
            keepers: wire.keepers,
            proved: wire.proved,
            draining: wire.draining,
            away: wire.away,
            sources: wire.sources,
            fatal: required("fatal", wire.fatal)?.try_into()?,
            repair: required("repair", wire.repair)?.into(),
            reasons: reasons(wire.reasons)?,
            extent: wire.extent.map(Into::into),
        })
    }
}

impl From<Durability> for v1::DurabilityReply {
    fn from(of: Durability) -> Self {
        Self {
            name: of.name.to_string(),
            content_id: of.content.as_bytes().to_vec().into(),
            health: Some(of.health.into()),
            survives_any: of.survives_any,
            keepers: of.keepers,
            proved: of.proved,
            draining: of.draining,
            away: of.away,
            sources: of.sources,
            fatal: Some(of.fatal.into()),
            repair: Some(of.repair.into()),
            reasons: wire_reasons(of.reasons),
            extent: of.extent.map(Into::into),
        }
    }
}

impl TryFrom<v1::Endangered> for Endangered {
    type Error = Invalid;

    fn try_from(wire: v1::Endangered) -> Result<Self, Invalid> {
        Ok(Self {
            name: parsed("name", &wire.name)?,
            fewest: wire.fewest,
            target: wire.target,
            copies_under_way: wire.copies_under_way,
        })
    }
}

impl From<Endangered> for v1::Endangered {
    fn from(one: Endangered) -> Self {
        Self {
            name: one.name.to_string(),
            fewest: one.fewest,
            target: one.target,
            copies_under_way: one.copies_under_way,
        }
    }
}

impl TryFrom<v1::SurveyReply> for Survey {
    type Error = Invalid;

    fn try_from(wire: v1::SurveyReply) -> Result<Self, Invalid> {
        Ok(Self {
            contents: wire.contents,
            bytes: wire.bytes,
            replicated: wire.replicated,
            degraded: wire.degraded,
            unavailable: wire.unavailable,
            survives: [
                wire.survives_none,
                wire.survives_one,
                wire.survives_two,
                wire.survives_more,
            ],
            fatal: required("fatal", wire.fatal)?.try_into()?,
            endangered: bounded("endangered", Self::LISTED, wire.endangered)?,
            repair: required("repair", wire.repair)?.into(),
            in_safe_mode: wire.in_safe_mode,
            endangered_names: wire.endangered_names,
        })
    }
}

impl From<Survey> for v1::SurveyReply {
    fn from(survey: Survey) -> Self {
        let [survives_none, survives_one, survives_two, survives_more] = survey.survives;
        Self {
            contents: survey.contents,
            bytes: survey.bytes,
            replicated: survey.replicated,
            degraded: survey.degraded,
            unavailable: survey.unavailable,
            survives_none,
            survives_one,
            survives_two,
            survives_more,
            fatal: Some(survey.fatal.into()),
            endangered: survey.endangered.into_iter().map(Into::into).collect(),
            repair: Some(survey.repair.into()),
            in_safe_mode: survey.in_safe_mode,
            endangered_names: survey.endangered_names,
        }
    }
}

impl TryFrom<v1::WhyReply> for Why {
    type Error = Invalid;

    fn try_from(wire: v1::WhyReply) -> Result<Self, Invalid> {
        Ok(Self {
            name: parsed("name", &wire.name)?,
            content: content_id(&wire.content_id)?,
            health: required("health", wire.health)?.try_into()?,
            reasons: reasons(wire.reasons)?,
            fetch: wire.fetch.map(TryInto::try_into).transpose()?,
            extent: wire.extent.map(Into::into),
        })
    }
}

impl TryFrom<v1::FetchStanding> for FetchStanding {
    type Error = Invalid;

    fn try_from(wire: v1::FetchStanding) -> Result<Self, Invalid> {
        Ok(Self {
            held_bytes: wire.held_bytes,
            length: wire.length,
            sources: wire.sources,
            reasons: reasons(wire.reasons)?,
        })
    }
}

impl From<FetchStanding> for v1::FetchStanding {
    fn from(fetch: FetchStanding) -> Self {
        Self {
            held_bytes: fetch.held_bytes,
            length: fetch.length,
            sources: fetch.sources,
            reasons: wire_reasons(fetch.reasons),
        }
    }
}

impl From<Why> for v1::WhyReply {
    fn from(why: Why) -> Self {
        Self {
            name: why.name.to_string(),
            content_id: why.content.as_bytes().to_vec().into(),
            health: Some(why.health.into()),
            reasons: wire_reasons(why.reasons),
            fetch: why.fetch.map(Into::into),
            extent: why.extent.map(Into::into),
        }
    }
}

impl TryFrom<v1::WhyRequest> for Asked {
    type Error = Invalid;

    fn try_from(wire: v1::WhyRequest) -> Result<Self, Invalid> {
        asked(wire.r#ref, &wire.parts, &wire.ranges)
    }
}

impl From<&Asked> for v1::WhyRequest {
    fn from(what: &Asked) -> Self {
        Self {
            r#ref: Some((&what.content).into()),
            parts: wire_parts(what),
            ranges: wire_ranges(what),
        }
    }
}

impl TryFrom<v1::DurabilityRequest> for Asked {
    type Error = Invalid;

    fn try_from(wire: v1::DurabilityRequest) -> Result<Self, Invalid> {
        asked(wire.r#ref, &wire.parts, &wire.ranges)
    }
}

impl From<&Asked> for v1::DurabilityRequest {
    fn from(what: &Asked) -> Self {
        Self {
            r#ref: Some((&what.content).into()),
            parts: wire_parts(what),
            ranges: wire_ranges(what),
        }
    }
}

#[cfg(test)]
mod tests;
