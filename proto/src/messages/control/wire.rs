//! The `Control` service's messages from and to the wire.

use std::path::PathBuf;
use std::time::Duration;

use shared::collection::{EntryFault, Mode, OutsideLinks, Rules, Selection, Unsupported};
use shared::model::{
    ByteRate, Epoch, FaultKind, FetchSource, FetchSourceState, FragmentLength, HostPort, Incarnation,
    LostFiles, Name, NetworkDefaults, SourceFault,
};

use super::fetch::{waiting_from, waiting_to};
use super::{
    Add, AddEvent, DirectorySize, EntryPoint, Get, GetEvent, Hiding, LimitChange, RateLimits, Scrub,
    SessionStatus, SetLimits, Status,
};
use crate::messages::session::defaults;
use crate::messages::types::{
    chosen_fragment_length, chosen_target, content_id, fragment_length_number, peer_id, target_number, zone,
    zone_text,
};
use crate::messages::{Invalid, parsed};
use crate::v1;

pub(super) fn text_of(path: PathBuf) -> String {
    // A path that is no text has been refused where it came in.
    path.into_os_string()
        .into_string()
        .unwrap_or_else(|raw| raw.to_string_lossy().into_owned())
}

/// An absolute path of at most 4096 bytes.
fn absolute(field: &'static str, text: String) -> Result<PathBuf, Invalid> {
    let path = PathBuf::from(text);
    if !path.is_absolute() || path.as_os_str().len() > 4096 {
        return Err(Invalid::field(
            field,
            "must be an absolute path of at most 4096 bytes",
        ));
    }
    Ok(path)
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
            uptime: Duration::from_millis(wire.uptime_ms),
            bytes_sent: wire.bytes_sent,
            bytes_received: wire.bytes_received,
            bytes_wasted: wire.bytes_wasted,
            visitor_host: match wire.visitor_host.as_str() {
                "" => None,
                host => Some(parsed("visitor_host", host)?),
            },
            unreachable: wire.unreachable.map(TryInto::try_into).transpose()?,
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
            uptime_ms: u64::try_from(status.uptime.as_millis()).unwrap_or(u64::MAX),
            bytes_sent: status.bytes_sent,
            bytes_received: status.bytes_received,
            bytes_wasted: status.bytes_wasted,
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

fn selection(include: Vec<String>, exclude: Vec<String>) -> Result<Selection, Invalid> {
    Selection::new(include, exclude).map_err(|error| Invalid::field("include", error))
}

impl TryFrom<v1::AddRequest> for Add {
    type Error = Invalid;

    fn try_from(wire: v1::AddRequest) -> Result<Self, Invalid> {
        let links = wire.links();
        Ok(Self {
            path: absolute("path", wire.path)?,
            name: parsed("name", &wire.name)?,
            target: chosen_target(wire.target)?,
            fragment_length: chosen_fragment_length(wire.fragment_length)?,
            update: wire.update,
            wait: wire.wait,
            rules: Rules {
                links: match links {
                    v1::OutsideLinks::Unspecified => OutsideLinks::Refuse,
                    v1::OutsideLinks::Keep => OutsideLinks::Keep,
                    v1::OutsideLinks::Skip => OutsideLinks::Skip,
                    v1::OutsideLinks::Follow => OutsideLinks::Follow,
                },
                keeps_case: wire.keep_case,
                skips_unsupported: wire.skip_unsupported,
            },
            selection: selection(wire.include, wire.exclude)?,
        })
    }
}

impl From<Add> for v1::AddRequest {
    fn from(add: Add) -> Self {
        Self {
            path: text_of(add.path),
            name: add.name.to_string(),
            target: target_number(add.target),
            fragment_length: fragment_length_number(add.fragment_length),
            update: add.update,
            wait: add.wait,
            include: add.selection.include().to_vec(),
            exclude: add.selection.exclude().to_vec(),
            links: match add.rules.links {
                OutsideLinks::Refuse => v1::OutsideLinks::Unspecified,
                OutsideLinks::Keep => v1::OutsideLinks::Keep,
                OutsideLinks::Skip => v1::OutsideLinks::Skip,
                OutsideLinks::Follow => v1::OutsideLinks::Follow,
            }
            .into(),
            keep_case: add.rules.keeps_case,
            skip_unsupported: add.rules.skips_unsupported,
        }
    }
}

impl TryFrom<v1::LeftOut> for Unsupported {
    type Error = Invalid;

    fn try_from(wire: v1::LeftOut) -> Result<Self, Invalid> {
        if wire.entries.len() > Self::NAMED {
            return Err(Invalid::field("left_out", "more is listed than may be"));
        }
        let entry = |entry: v1::LeftOutEntry| (entry.path, EntryFault::of(&entry.code));
        Ok(Self {
            count: wire.count,
            first: wire.entries.into_iter().map(entry).collect(),
        })
    }
}

impl From<Unsupported> for v1::LeftOut {
    fn from(left_out: Unsupported) -> Self {
        let entry = |(path, fault): (String, EntryFault)| v1::LeftOutEntry {
            path,
            code: fault.as_str().to_owned(),
        };
        Self {
            count: left_out.count,
            entries: left_out.first.into_iter().map(entry).collect(),
        }
    }
}

impl TryFrom<v1::AddEvent> for AddEvent {
    type Error = Invalid;

    fn try_from(wire: v1::AddEvent) -> Result<Self, Invalid> {
        use v1::add_event::Event;
        Ok(match wire.event.ok_or(Invalid::Missing("event"))? {
            Event::Hashing(progress) => Self::Hashing {
                done: progress.done,
                total: progress.total,
            },
            Event::Shared(shared) => Self::Shared {
                content: content_id(&shared.content_id)?,
                length: shared.length,
                fragment_length: FragmentLength::new(u64::from(shared.fragment_length))
                    .map_err(|error| Invalid::field("fragment_length", error))?,
                fragments: shared.fragments,
                is_pending: shared.is_pending,
                directory: shared.directory.map(|directory| DirectorySize {
                    files: directory.files,
                    contents: directory.contents,
                }),
            },
            Event::Published(binding) => Self::Published(binding.try_into()?),
            Event::Replicas(health) => Self::Replicas(health.try_into()?),
            Event::Received(bytes) => Self::Received(bytes),
            Event::LeftOut(left_out) => Self::LeftOut(left_out.try_into()?),
            Event::Hides(hiding) => Self::Hides(hiding.try_into()?),
        })
    }
}

impl From<AddEvent> for v1::AddEvent {
    fn from(event: AddEvent) -> Self {
        use v1::add_event::{DirectorySize as Size, Event, Shared};
        let event = match event {
            AddEvent::Hashing { done, total } => Event::Hashing(v1::ByteProgress { done, total }),
            AddEvent::Shared {
                content,
                length,
                fragment_length,
                fragments,
                is_pending,
                directory,
            } => Event::Shared(Shared {
                content_id: content.as_bytes().to_vec().into(),
                length,
                fragment_length: fragment_length.get(),
                fragments,
                is_pending,
                directory: directory.map(|directory| Size {
                    files: directory.files,
                    contents: directory.contents,
                }),
            }),
            AddEvent::Published(binding) => Event::Published(binding.into()),
            AddEvent::Replicas(health) => Event::Replicas(health.into()),
            AddEvent::Received(bytes) => Event::Received(bytes),
            AddEvent::LeftOut(left_out) => Event::LeftOut(left_out.into()),
            AddEvent::Hides(hiding) => Event::Hides(hiding.into()),
        };
        Self { event: Some(event) }
    }
}

impl TryFrom<v1::Hiding> for Hiding {
    type Error = Invalid;

    fn try_from(wire: v1::Hiding) -> Result<Self, Invalid> {
        Ok(Self {
            name: Name::new(wire.name).map_err(|error| Invalid::field("name", error))?,
            inside: wire.inside,
        })
    }
}

impl From<Hiding> for v1::Hiding {
    fn from(hiding: Hiding) -> Self {
        Self {
            name: hiding.name.to_string(),
            inside: hiding.inside,
        }
    }
}

/// The umask of commands that are older than its field, and of most users.
const USUAL_UMASK: u32 = 0o022;

impl TryFrom<v1::GetRequest> for Get {
    type Error = Invalid;

    fn try_from(wire: v1::GetRequest) -> Result<Self, Invalid> {
        Ok(Self {
            content: wire.r#ref.ok_or(Invalid::Missing("ref"))?.try_into()?,
            output: absolute("output", wire.output)?,
            overwrite: wire.overwrite,
            selection: selection(wire.include, wire.exclude)?,
            umask: Mode::of(wire.umask.unwrap_or(USUAL_UMASK)),
            directory: match wire.directory.as_str() {
                "" => None,
                _ => Some(absolute("directory", wire.directory)?),
            },
        })
    }
}

impl From<Get> for v1::GetRequest {
    fn from(get: Get) -> Self {
        Self {
            r#ref: Some((&get.content).into()),
            output: text_of(get.output),
            overwrite: get.overwrite,
            include: get.selection.include().to_vec(),
            exclude: get.selection.exclude().to_vec(),
            umask: Some(get.umask.get()),
            directory: get.directory.map(text_of).unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::GetEvent> for GetEvent {
    type Error = Invalid;

    fn try_from(wire: v1::GetEvent) -> Result<Self, Invalid> {
        use v1::get_event::Event;
        Ok(match wire.event.ok_or(Invalid::Missing("event"))? {
            Event::Started(started) => Self::Started {
                name: parsed("name", &started.name)?,
                content: content_id(&started.content_id)?,
                length: started.length,
                fragments: started.fragments,
                already_held: started.already_held,
                output: Some(started.output)
                    .filter(|path| !path.is_empty())
                    .map(Into::into),
            },
            Event::Progress(progress) => Self::Progress {
                held: progress.held,
                length: progress.length,
                sources: progress.sources,
                received: progress.received,
                wasted: progress.wasted,
                waiting_for: waiting_from(progress.waiting, &progress.waiting_for),
                phase: progress.phase.map(Into::into).unwrap_or_default(),
                from: sources(progress.from)?,
            },
            Event::Done(done) => Self::Done {
                content: content_id(&done.content_id)?,
                length: done.length,
                received: done.received,
                wasted: done.wasted,
                elapsed: Duration::from_millis(done.elapsed_ms),
                sources_used: done.sources_used,
                from: sources(done.from)?,
            },
        })
    }
}

impl From<GetEvent> for v1::GetEvent {
    fn from(event: GetEvent) -> Self {
        use v1::get_event::{Done, Event, Started};
        let event = match event {
            GetEvent::Started {
                name,
                content,
                length,
                fragments,
                already_held,
                output,
            } => Event::Started(Started {
                name: name.to_string(),
                content_id: content.as_bytes().to_vec().into(),
                length,
                fragments,
                already_held,
                output: output.map(text_of).unwrap_or_default(),
            }),
            GetEvent::Progress {
                held,
                length,
                sources,
                received,
                wasted,
                waiting_for,
                phase,
                from,
            } => Event::Progress(v1::FetchProgress {
                held,
                length,
                sources,
                waiting_for: waiting_for.as_ref().map(ToString::to_string).unwrap_or_default(),
                waiting: waiting_for.as_ref().and_then(waiting_to),
                phase: Some(phase.into()),
                received,
                wasted,
                from: from.into_iter().map(Into::into).collect(),
            }),
            GetEvent::Done {
                content,
                length,
                received,
                wasted,
                elapsed,
                sources_used,
                from,
            } => Event::Done(Done {
                content_id: content.as_bytes().to_vec().into(),
                length,
                received,
                wasted,
                elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
                sources_used,
                from: from.into_iter().map(Into::into).collect(),
            }),
        };
        Self { event: Some(event) }
    }
}

fn sources(wire: Vec<v1::FetchSource>) -> Result<Vec<FetchSource>, Invalid> {
    let sources = wire.into_iter().take(FetchSource::MAX);
    sources.map(TryInto::try_into).collect()
}

impl TryFrom<v1::FetchSource> for FetchSource {
    type Error = Invalid;

    fn try_from(mut wire: v1::FetchSource) -> Result<Self, Invalid> {
        let state = match wire.state() {
            v1::FetchSourceState::Unspecified => return Err(Invalid::Missing("state")),
            v1::FetchSourceState::Connecting => FetchSourceState::Connecting,
            v1::FetchSourceState::Idle => FetchSourceState::Idle,
            v1::FetchSourceState::Asked => FetchSourceState::Asked,
            v1::FetchSourceState::Gone => FetchSourceState::Gone,
        };
        wire.asked.truncate(Self::MAX_ASKED);
        Ok(Self {
            peer: peer_id(&wire.peer_id)?,
            address: parsed("address", &wire.address)?,
            state,
            fragments: wire.fragments,
            bytes: wire.bytes,
            asked: wire.asked,
        })
    }
}

impl From<FetchSource> for v1::FetchSource {
    fn from(source: FetchSource) -> Self {
        let state = match source.state {
            FetchSourceState::Connecting => v1::FetchSourceState::Connecting,
            FetchSourceState::Idle => v1::FetchSourceState::Idle,
            FetchSourceState::Asked => v1::FetchSourceState::Asked,
            FetchSourceState::Gone => v1::FetchSourceState::Gone,
        };
        Self {
            peer_id: source.peer.as_bytes().to_vec().into(),
            address: source.address.to_string(),
            state: state.into(),
            fragments: source.fragments,
            bytes: source.bytes,
            asked: source.asked,
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
    use shared::model::{FetchPhase, PeerId, Waiting};

    use super::*;

    #[test]
    fn the_sources_of_a_fetch_survive_the_wire_and_need_a_state() {
        let of = |state| FetchSource {
            peer: PeerId::from_bytes([7; 16]),
            address: "192.168.20.85:50053".parse().expect("an address"),
            state,
            fragments: 3,
            bytes: 3 << 20,
            asked: vec![4, 9],
        };
        let states = [
            FetchSourceState::Connecting,
            FetchSourceState::Idle,
            FetchSourceState::Asked,
            FetchSourceState::Gone,
        ];
        let progress = GetEvent::Progress {
            held: 1,
            length: 2,
            sources: 4,
            received: 1,
            wasted: 0,
            waiting_for: Some(Waiting::NoSourceOfSome(3)),
            phase: FetchPhase::Fetching,
            from: states.map(of).to_vec(),
        };
        let mut wire = v1::GetEvent::from(progress.clone());
        assert_eq!(wire.clone().try_into(), Ok(progress));
        if let Some(v1::get_event::Event::Progress(progress)) = &mut wire.event {
            progress.from[2].state = 0;
        }
        assert_eq!(GetEvent::try_from(wire), Err(Invalid::Missing("state")));
    }

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
