//! The status of a node, its limits and its ways into a network, from and to the wire.

use std::path::PathBuf;
use std::time::Duration;

use shared::collection::Selection;
use shared::model::{
    ByteRate, Epoch, FaultKind, HostPort, Incarnation, KeptApart, LostFiles, NetworkDefaults, SourceFault,
};

use super::{EntryPoint, LimitChange, RateLimits, Scrub, SessionStatus, SetLimits, Status};
use crate::messages::session::defaults;
use crate::messages::types::{fragment_length_number, network_bytes, network_id, peer_id, zone, zone_text};
use crate::messages::{Invalid, bounded, parsed};
use crate::v1;

pub(super) fn text_of(path: PathBuf) -> String {
    // A path that is no text has been refused where it came in.
    path.into_os_string()
        .into_string()
        .unwrap_or_else(|raw| raw.to_string_lossy().into_owned())
}

/// An absolute path of at most 4096 bytes.
pub(super) fn absolute(field: &'static str, text: String) -> Result<PathBuf, Invalid> {
    let path = PathBuf::from(text);
    if !path.is_absolute() || path.as_os_str().len() > 4096 {
        return Err(Invalid::field(
            field,
            "must be an absolute path of at most 4096 bytes",
        ));
    }
    Ok(path)
}

/// Other networks of which a node tells.
const MAX_KEPT_APART: usize = 64;

pub(super) fn selection(include: Vec<String>, exclude: Vec<String>) -> Result<Selection, Invalid> {
    Selection::new(include, exclude).map_err(|error| Invalid::field("include", error))
}

impl TryFrom<v1::StatusReply> for Status {
    type Error = Invalid;

    fn try_from(wire: v1::StatusReply) -> Result<Self, Invalid> {
        let tracker = || parsed::<HostPort>("tracker", &wire.tracker);
        let session = match wire.session() {
            v1::SessionState::Unspecified => return Err(Invalid::Missing("session")),
            v1::SessionState::Offline => SessionStatus::Offline,
            v1::SessionState::Connecting if !wire.copy_of.is_empty() => SessionStatus::CopyOf {
                tracker: tracker()?,
                of: parsed("copy_of", &wire.copy_of)?,
            },
            v1::SessionState::Connecting => SessionStatus::Connecting {
                reason: wire.reason.clone(),
            },
            v1::SessionState::Connected => SessionStatus::Connected { tracker: tracker()? },
        };
        Ok(Self {
            peer: peer_id(&wire.peer_id)?,
            incarnation: Incarnation::new(wire.incarnation),
            address: parsed("address", &wire.address)?,
            zone: zone(&wire.zone)?,
            data_dir: PathBuf::from(wire.data_dir),
            version: wire.version,
            capacity: wire.capacity,
            used: wire.used,
            contents: wire.contents,
            session,
            epoch: Epoch::new(wire.epoch),
            pending_publications: wire.pending_publications,
            refused_publications: wire.refused_publications,
            lost: LostFiles {
                files: wire.lost_files,
                bytes: wire.lost_bytes,
            },
            suspended: wire
                .suspended
                .map(TryInto::try_into)
                .transpose()?
                .unwrap_or_default(),
            uptime: Duration::from_millis(wire.uptime_ms),
            bytes_sent: wire.bytes_sent,
            bytes_received: wire.bytes_received,
            bytes_wasted: wire.bytes_wasted,
            bytes_checked: wire.bytes_checked,
            visitor_host: match wire.visitor_host.as_str() {
                "" => None,
                host => Some(parsed("visitor_host", host)?),
            },
            unreachable: wire.unreachable.map(TryInto::try_into).transpose()?,
            network: network_id("network", &wire.network)?,
            security: wire.security.map(TryInto::try_into).transpose()?,
            kept_apart: bounded("kept_apart", MAX_KEPT_APART, wire.kept_apart)?,
            active_fetches: wire.active_fetches,
            active_uploads: wire.active_uploads,
            limits: RateLimits {
                upload: ByteRate::new(wire.upload_limit),
                download: ByteRate::new(wire.download_limit),
            },
            source_faults: wire
                .culprits
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            scrub: wire.scrub.map(Scrub::from).unwrap_or_default(),
            defaults: match wire.defaults {
                Some(told) => defaults(told.replicas, told.fragment_length)?,
                None => NetworkDefaults::default(),
            },
        })
    }
}

impl TryFrom<v1::KeptApart> for KeptApart {
    type Error = Invalid;

    fn try_from(wire: v1::KeptApart) -> Result<Self, Invalid> {
        Ok(Self {
            network: network_id("network", &wire.network)?.ok_or(Invalid::Missing("network"))?,
            contents: wire.contents,
            bytes: wire.bytes,
            pending: wire.pending_publications,
        })
    }
}

impl From<KeptApart> for v1::KeptApart {
    fn from(apart: KeptApart) -> Self {
        Self {
            network: network_bytes(Some(apart.network)),
            contents: apart.contents,
            bytes: apart.bytes,
            pending_publications: apart.pending,
        }
    }
}

impl From<v1::Scrub> for Scrub {
    fn from(wire: v1::Scrub) -> Self {
        Self {
            done: wire.done,
            total: wire.total,
            damaged: wire.damaged,
            rounds: wire.rounds,
        }
    }
}

impl From<Scrub> for v1::Scrub {
    fn from(scrub: Scrub) -> Self {
        Self {
            done: scrub.done,
            total: scrub.total,
            damaged: scrub.damaged,
            rounds: scrub.rounds,
        }
    }
}

impl From<Status> for v1::StatusReply {
    fn from(status: Status) -> Self {
        let reason = status.session.reason().unwrap_or_default();
        let (session, tracker, copy_of) = match status.session {
            SessionStatus::Offline => (v1::SessionState::Offline, None, None),
            SessionStatus::Connecting { .. } => (v1::SessionState::Connecting, None, None),
            SessionStatus::CopyOf { tracker, of } => (v1::SessionState::Connecting, Some(tracker), Some(of)),
            SessionStatus::Connected { tracker } => (v1::SessionState::Connected, Some(tracker), None),
        };
        let text = |address: Option<HostPort>| address.map(|address| address.to_string()).unwrap_or_default();
        Self {
            visitor_host: status.visitor_host.map(|ip| ip.to_string()).unwrap_or_default(),
            unreachable: status.unreachable.map(Into::into),
            network: network_bytes(status.network),
            kept_apart: status.kept_apart.into_iter().map(Into::into).collect(),
            security: status.security.map(Into::into),
            copy_of: text(copy_of),
            defaults: Some(v1::Defaults {
                epoch: status.epoch.get(),
                replicas: status.defaults.replicas.get(),
                fragment_length: fragment_length_number(status.defaults.fragment_length),
            }),
            scrub: Some(status.scrub.into()),
            peer_id: status.peer.as_bytes().to_vec().into(),
            incarnation: status.incarnation.get(),
            address: status.address.to_string(),
            zone: zone_text(status.zone),
            data_dir: text_of(status.data_dir),
            version: status.version,
            capacity: status.capacity,
            used: status.used,
            contents: status.contents,
            session: session.into(),
            tracker: text(tracker),
            epoch: status.epoch.get(),
            reason,
            pending_publications: status.pending_publications,
            refused_publications: status.refused_publications,
            lost_files: status.lost.files,
            lost_bytes: status.lost.bytes,
            suspended: Some(status.suspended.into()),
            uptime_ms: u64::try_from(status.uptime.as_millis()).unwrap_or(u64::MAX),
            bytes_sent: status.bytes_sent,
            bytes_received: status.bytes_received,
            bytes_wasted: status.bytes_wasted,
            bytes_checked: status.bytes_checked,
            active_fetches: status.active_fetches,
            active_uploads: status.active_uploads,
            upload_limit: limit(status.limits.upload),
            download_limit: limit(status.limits.download),
            culprits: status.source_faults.into_iter().map(Into::into).collect(),
        }
    }
}

/// On the wire, 0 is no limit.
fn limit(rate: Option<ByteRate>) -> u64 {
    rate.map_or(0, ByteRate::get)
}

fn limit_change(wire: Option<u64>) -> LimitChange {
    match wire.map(ByteRate::new) {
        None => LimitChange::Keep,
        Some(None) => LimitChange::Lift,
        Some(Some(rate)) => LimitChange::To(rate),
    }
}

fn changed_limit(change: LimitChange) -> Option<u64> {
    match change {
        LimitChange::Keep => None,
        LimitChange::Lift => Some(limit(None)),
        LimitChange::To(rate) => Some(limit(Some(rate))),
    }
}

impl From<v1::SetLimitsRequest> for SetLimits {
    fn from(wire: v1::SetLimitsRequest) -> Self {
        Self {
            upload: limit_change(wire.upload_limit),
            download: limit_change(wire.download_limit),
        }
    }
}

impl From<SetLimits> for v1::SetLimitsRequest {
    fn from(set: SetLimits) -> Self {
        Self {
            upload_limit: changed_limit(set.upload),
            download_limit: changed_limit(set.download),
        }
    }
}

impl From<v1::SetLimitsReply> for RateLimits {
    fn from(wire: v1::SetLimitsReply) -> Self {
        Self {
            upload: ByteRate::new(wire.upload_limit),
            download: ByteRate::new(wire.download_limit),
        }
    }
}

impl From<RateLimits> for v1::SetLimitsReply {
    fn from(limits: RateLimits) -> Self {
        Self {
            upload_limit: limit(limits.upload),
            download_limit: limit(limits.download),
        }
    }
}

impl TryFrom<v1::ConnectRequest> for EntryPoint {
    type Error = Invalid;

    fn try_from(wire: v1::ConnectRequest) -> Result<Self, Invalid> {
        let address = HostPort::remote(&wire.address);
        let address = address.map_err(|error| Invalid::field("address", error))?;
        Ok(match (wire.is_tracker, wire.is_peer) {
            (true, _) => Self::Tracker(address),
            (false, true) => Self::Peer(address),
            (false, false) => Self::Webserver(address),
        })
    }
}

impl From<&EntryPoint> for v1::ConnectRequest {
    fn from(entry: &EntryPoint) -> Self {
        let (EntryPoint::Webserver(address) | EntryPoint::Tracker(address) | EntryPoint::Peer(address)) =
            entry;
        Self {
            address: address.to_string(),
            is_tracker: matches!(entry, EntryPoint::Tracker(_)),
            is_peer: matches!(entry, EntryPoint::Peer(_)),
        }
    }
}

impl TryFrom<v1::Culprit> for SourceFault {
    type Error = Invalid;

    fn try_from(wire: v1::Culprit) -> Result<Self, Invalid> {
        let kind = match wire.offence() {
            v1::Offence::Unspecified => return Err(Invalid::Missing("offence")),
            v1::Offence::Lied => FaultKind::Lied,
            v1::Offence::Stalled => FaultKind::Stalled,
            v1::Offence::Slow => FaultKind::Slow,
        };
        let address = wire.address.parse();
        Ok(Self {
            peer: peer_id(&wire.peer_id)?,
            address: address.map_err(|error| Invalid::field("address", error))?,
            kind,
            times: wire.times,
            ago: Duration::from_millis(wire.ago_ms),
            rate: ByteRate::new(wire.bytes_per_second),
        })
    }
}

impl From<SourceFault> for v1::Culprit {
    fn from(fault: SourceFault) -> Self {
        let offence = match fault.kind {
            FaultKind::Lied => v1::Offence::Lied,
            FaultKind::Stalled => v1::Offence::Stalled,
            FaultKind::Slow => v1::Offence::Slow,
        };
        Self {
            peer_id: fault.peer.as_bytes().to_vec().into(),
            address: fault.address.to_string(),
            offence: offence.into(),
            times: fault.times,
            ago_ms: u64::try_from(fault.ago.as_millis()).unwrap_or(u64::MAX),
            bytes_per_second: fault.rate.map_or(0, ByteRate::get),
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::model::PeerId;

    use super::*;

    #[test]
    fn source_faults_survive_the_wire_and_need_a_kind() {
        for (kind, rate) in [
            (FaultKind::Lied, None),
            (FaultKind::Stalled, None),
            (FaultKind::Slow, ByteRate::new(30_000)),
        ] {
            let fault = SourceFault {
                peer: PeerId::from_bytes([7; 16]),
                address: "host:1".parse().expect("an address"),
                kind,
                times: 3,
                ago: Duration::from_millis(1500),
                rate,
            };
            let mut wire = v1::Culprit::from(fault.clone());
            assert_eq!(wire.clone().try_into(), Ok(fault));
            wire.offence = 0;
            assert_eq!(SourceFault::try_from(wire), Err(Invalid::Missing("offence")));
        }
    }
}
