//! Answers of a node as the documents of [`shared::json`].

use std::path::Path;

use proto::messages::control::{
    AddEvent, EntryKind, GetEvent, Hiding, Listed, LocalContent, RateLimits, SessionStatus, Status, Verified,
};
use shared::collection::Mode;
use shared::json::{
    AddLine, Contents, EntryLine, FilesWritten, GetLine, HeldContent, HeldFile, HeldName, Hidden,
    LeftOutEntry, Limits, LostFiles, NetworkDefaults, NodeSecurity, NodeStatus, RefusedName, Scrubbing,
    VerifiedSoFar, millis,
};
use shared::model::{Absence, ByteRate, FetchPhase, FragmentLength, PeerMode};

/// An event of an addition as a line of `peer add`.
#[must_use]
pub(crate) fn add_line(event: &AddEvent) -> AddLine {
    match event {
        AddEvent::Hashing { done, total } => AddLine::Hashing {
            done: *done,
            total: *total,
        },
        AddEvent::Shared {
            content,
            length,
            fragment_length,
            fragments,
            is_pending,
            directory,
        } => AddLine::Shared {
            content: content.to_string(),
            length: *length,
            fragment_length: fragment_length.get(),
            fragments: *fragments,
            pending: *is_pending,
            files: directory.map(|directory| directory.files),
            contents: directory.map_or(1, |directory| directory.contents),
        },
        AddEvent::Published(binding) => AddLine::Published {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content: binding.content.to_string(),
            target: binding.target.get(),
        },
        AddEvent::Replicas(health) => AddLine::Replicas(health.into()),
        AddEvent::Received(done) => AddLine::Received { done: *done },
        AddEvent::Hides(hiding) => AddLine::Hides(hidden(hiding)),
        AddEvent::LeftOut(left_out) => AddLine::LeftOut {
            count: left_out.count,
            entries: LeftOutEntry::list(left_out),
        },
    }
}

/// A name that hides a path inside a directory.
#[must_use]
pub(crate) fn hidden(hiding: &Hiding) -> Hidden {
    Hidden {
        name: hiding.name.to_string(),
        inside: hiding.inside.clone(),
    }
}

/// An event of a fetch into `output` as a line of `peer get`.
#[must_use]
pub(crate) fn get_line(event: &GetEvent, output: &Path) -> GetLine {
    match event {
        GetEvent::Started {
            name,
            content,
            length,
            fragments,
            already_held,
            ..
        } => GetLine::Started {
            name: name.to_string(),
            content: content.to_string(),
            length: *length,
            fragments: *fragments,
            already_held: *already_held,
        },
        GetEvent::Progress {
            held,
            length,
            sources,
            received,
            wasted,
            waiting_for,
            phase,
            from,
        } => GetLine::Progress {
            held: *held,
            length: *length,
            sources: *sources,
            received: *received,
            wasted: *wasted,
            waiting_for: waiting_for.as_ref().map(ToString::to_string),
            waiting_code: waiting_for.as_ref().map(|waiting| waiting.code().as_str()),
            phase: phase.word(),
            files: match *phase {
                FetchPhase::Writing { done, total } => Some(FilesWritten { done, total }),
                _ => None,
            },
            from: from.iter().map(Into::into).collect(),
        },
        GetEvent::Done {
            content,
            length,
            received,
            wasted,
            elapsed,
            sources_used,
            from,
        } => GetLine::Done {
            content: content.to_string(),
            length: *length,
            output: output.to_owned(),
            received: *received,
            wasted: *wasted,
            elapsed_ms: millis(*elapsed),
            sources_used: *sources_used,
            from: from.iter().map(Into::into).collect(),
        },
    }
}

/// Progress of a verification.
#[must_use]
pub(crate) const fn verified(verified: Verified) -> VerifiedSoFar {
    VerifiedSoFar {
        done: verified.done,
        total: verified.total,
        damaged: verified.damaged,
        missing: verified.missing,
    }
}

/// The contents that a node holds.
#[must_use]
pub(crate) fn contents(contents: &[LocalContent]) -> Contents {
    let held = |content: &LocalContent| HeldContent {
        content: content.content.to_string(),
        name: content.name.as_ref().map(ToString::to_string),
        length: content.length,
        fragments: content.fragments,
        fragments_held: content.fragments_held,
        role: content.role.to_string(),
        path: content.path.clone(),
        absence: content.absence.map(Absence::as_str),
        pending: content.is_pending,
        refused: content
            .refused
            .iter()
            .map(|(name, reason)| RefusedName {
                name: name.to_string(),
                reason: reason.clone(),
            })
            .collect(),
        names: content
            .names
            .iter()
            .map(|known| HeldName {
                name: known.name.to_string(),
                pending: known.is_pending,
            })
            .collect(),
        files: content
            .files
            .iter()
            .map(|file| HeldFile {
                path: file.path.clone(),
                absence: file.absence.map(Absence::as_str),
            })
            .collect(),
    };
    Contents {
        contents: contents.iter().map(held).collect(),
    }
}

/// An entry of a directory.
#[must_use]
pub(crate) fn entry(listed: &Listed) -> EntryLine<'_> {
    let octal = |mode: &Mode| Some(format!("{:04o}", mode.get()));
    let (kind, mode, length, target) = match &listed.kind {
        EntryKind::Directory(mode) => ("directory", octal(mode), None, None),
        EntryKind::File(mode, length) => ("file", octal(mode), Some(*length), None),
        EntryKind::Link(target) => ("link", None, None, Some(&**target)),
    };
    EntryLine {
        path: &listed.path,
        kind,
        mode,
        length,
        target,
        modified: listed.modified.seconds(),
    }
}

/// State of a node.
#[must_use]
pub(crate) fn status(status: &Status, mode: Option<PeerMode>) -> NodeStatus {
    let (session, tracker) = match &status.session {
        SessionStatus::Offline => ("offline", None),
        SessionStatus::Connecting { .. } => ("connecting", None),
        SessionStatus::CopyOf { tracker, .. } => ("refused", Some(tracker)),
        SessionStatus::Connected { tracker } => ("connected", Some(tracker)),
    };
    NodeStatus {
        id: status.peer.to_string(),
        incarnation: status.incarnation.get(),
        addr: status.address.to_string(),
        zone: status.zone.as_ref().map(ToString::to_string),
        data_dir: status.data_dir.clone(),
        version: status.version.clone(),
        capacity: status.capacity,
        used: status.used,
        contents: status.contents,
        session,
        duty: mode.map(PeerMode::word),
        maintenance_until_ms: match mode {
            Some(PeerMode::Maintenance { until }) => Some(until.as_millis()),
            Some(PeerMode::Active | PeerMode::Draining) | None => None,
        },
        visitor_host: status.visitor_host.map(|host| host.to_string()),
        unreachable: status.unreachable.as_ref().map(Into::into),
        tracker: tracker.map(ToString::to_string),
        reason: status.session.reason(),
        network: status.network.map(|network| network.to_string()),
        kept_apart: status.kept_apart.iter().map(Into::into).collect(),
        security: status.security.as_ref().map(|security| NodeSecurity {
            mode: security.mode.as_str(),
            cluster: security.cluster.to_string(),
            certificate_ends_ms: security.ends.as_millis(),
            renewal_failure: security.failure.clone(),
        }),
        epoch: status.epoch.get(),
        pending_publications: status.pending_publications,
        refused_publications: status.refused_publications,
        lost: LostFiles {
            files: status.lost.files,
            bytes: status.lost.bytes,
        },
        suspended: (&status.suspended).into(),
        uptime_ms: millis(status.uptime),
        bytes_sent: status.bytes_sent,
        bytes_received: status.bytes_received,
        bytes_wasted: status.bytes_wasted,
        bytes_checked: status.bytes_checked,
        active_fetches: status.active_fetches,
        active_uploads: status.active_uploads,
        limits: limits(&status.limits),
        culprits: status.source_faults.iter().map(Into::into).collect(),
        defaults: NetworkDefaults {
            replicas: status.defaults.replicas.get(),
            fragment_length: status.defaults.fragment_length.map(FragmentLength::get),
        },
        scrub: Scrubbing {
            done: status.scrub.done,
            total: status.scrub.total,
            damaged: status.scrub.damaged,
            rounds: status.scrub.rounds,
        },
    }
}

/// Limits of a node's transfers.
#[must_use]
pub(crate) fn limits(limits: &RateLimits) -> Limits {
    Limits {
        upload_limit: limits.upload.map(ByteRate::get),
        download_limit: limits.download.map(ByteRate::get),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::messages::control::{LocalRole, Scrub};
    use serde::Serialize;
    use serde_json::{Value, json, to_value};
    use shared::model::{
        Binding, ContentId, ContentState, Epoch, FaultKind, FragmentLength, Health, Incarnation, PeerId,
        ReplicationTarget, Revision, SourceFault, SuspendedFile, SuspendedFiles, Timestamp,
    };

    use super::*;

    fn value(shape: impl Serialize) -> Value {
        to_value(shape).expect("JSON")
    }

    fn health() -> Health {
        Health {
            state: ContentState::Degraded,
            target: ReplicationTarget::new(2).expect("a target"),
            fewest: 1,
            fragments_at_target: 1,
            fragments: 3,
            copies_under_way: 2,
        }
    }

    fn binding() -> Binding {
        Binding {
            name: "a/x".parse().expect("a name"),
            revision: Revision::new(4),
            content: ContentId::from_bytes([7; 32]),
            length: 150_000,
            target: ReplicationTarget::new(2).expect("a target"),
            published_at: Timestamp::from_millis(1_700_000_000_000),
            metadata: None,
            collection: None,
        }
    }

    #[test]
    fn held_contents_say_why_they_are_here() {
        let content = LocalContent {
            content: ContentId::EMPTY,
            name: None,
            length: 0,
            fragments: 0,
            fragments_held: 0,
            role: LocalRole::Assigned,
            path: None,
            is_pending: false,
            refused: vec![(shared::model::Name::new("a").expect("a name"), "taken".to_owned())],
            is_part: false,
            collection: None,
            absence: Some(Absence::Gone),
            names: vec![proto::messages::control::LocalName {
                name: shared::model::Name::new("b").expect("a name"),
                is_pending: true,
            }],
            files: vec![shared::model::LocalFile {
                path: "/b".into(),
                absence: Some(Absence::Changed),
            }],
        };
        let expected = json!({"contents": [{
            "content": "00".repeat(32), "name": null, "length": 0, "fragments": 0, "fragments_held": 0,
            "role": "assigned", "path": null, "absence": "gone", "pending": false, "refused": [{"name": "a", "reason": "taken"}],
            "names": [{"name": "b", "pending": true}], "files": [{"path": "/b", "absence": "changed"}],
        }]});
        assert_eq!(value(contents(&[content])), expected);
    }

    fn suspended() -> SuspendedFiles {
        let mut suspended = SuspendedFiles::default();
        suspended.add(SuspendedFile {
            path: "/f".into(),
            absence: Absence::Gone,
            lasted: Duration::from_millis(7),
        });
        suspended
    }

    fn stalled() -> SourceFault {
        SourceFault {
            peer: PeerId::from_bytes([2; 16]),
            address: "127.0.0.1:2".parse().expect("an address"),
            kind: FaultKind::Stalled,
            times: 3,
            ago: Duration::from_millis(1500),
            rate: None,
        }
    }

    #[test]
    fn a_node_says_how_its_session_stands() {
        let mut status = Status {
            peer: PeerId::from_bytes([1; 16]),
            incarnation: Incarnation::new(7),
            address: "127.0.0.1:1".parse().expect("an address"),
            zone: None,
            data_dir: "/d".into(),
            version: "0.1.0".to_owned(),
            capacity: 100,
            used: 40,
            contents: 2,
            visitor_host: None,
            unreachable: None,
            session: SessionStatus::Offline,
            epoch: Epoch::new(3),
            pending_publications: 1,
            refused_publications: 2,
            lost: shared::model::LostFiles { files: 3, bytes: 9 },
            suspended: suspended(),
            network: None,
            kept_apart: Vec::new(),
            security: Some(proto::messages::control::Membership {
                mode: shared::security::authorization::Mode::Required,
                cluster: shared::model::ClusterId::from_bytes([3; 8]),
                ends: shared::model::Timestamp::from_millis(11),
                failure: None,
            }),
            uptime: Duration::from_millis(1500),
            bytes_sent: 5,
            bytes_received: 6,
            bytes_wasted: 4,
            bytes_checked: 9,
            active_fetches: 0,
            active_uploads: 1,
            limits: RateLimits {
                upload: ByteRate::new(7),
                download: None,
            },
            source_faults: vec![stalled()],
            scrub: Scrub {
                done: 1,
                total: 2,
                damaged: 3,
                rounds: 4,
            },
            defaults: shared::model::NetworkDefaults::default(),
        };
        let expected = json!({
            "id": "01".repeat(16), "incarnation": 7, "addr": "127.0.0.1:1", "zone": null, "data_dir": "/d",
            "version": "0.1.0", "capacity": 100, "used": 40, "contents": 2, "session": "offline", "tracker": null,
            "duty": null, "maintenance_until_ms": null,
            "reason": null, "epoch": 3, "pending_publications": 1, "refused_publications": 2,
            "lost": {"files": 3, "bytes": 9},
            "suspended": {"gone": 1, "changed": 0, "unreadable": 0, "failing": 0,
                "first": [{"path": "/f", "absence": "gone", "lasted_ms": 7}]}, "uptime_ms": 1500, "bytes_sent": 5,
            "bytes_received": 6, "active_fetches": 0, "active_uploads": 1,
            "upload_limit": 7, "download_limit": null, "bytes_wasted": 4, "bytes_checked": 9,
            "culprits": [{"id": "02".repeat(16), "addr": "127.0.0.1:2", "offence": "stalled", "times": 3,
                "ago_ms": 1500, "bytes_per_second": null}],
            "scrub": {"done": 1, "total": 2, "damaged": 3, "rounds": 4},
            "visitor_host": null, "unreachable": null, "network": null, "kept_apart": [],
            "security": {"mode": "required", "cluster": "03".repeat(8), "certificate_ends_ms": 11, "renewal_failure": null},
            "defaults": {"replicas": 3, "fragment_length": null},
        });
        assert_eq!(value(super::status(&status, None)), expected);
        status.session = SessionStatus::Connecting {
            reason: "refused".to_owned(),
        };
        let until = shared::model::Timestamp::from_millis(9);
        let told = value(super::status(&status, Some(PeerMode::Maintenance { until })));
        assert_eq!(
            (&told["duty"], &told["maintenance_until_ms"]),
            (&json!("maintenance"), &json!(9))
        );
        let told = value(super::status(&status, None));
        assert_eq!(
            (&told["session"], &told["tracker"], &told["reason"]),
            (&json!("connecting"), &Value::Null, &json!("refused"))
        );
    }

    #[test]
    fn add_tells_events_by_their_names() {
        let hashing = AddEvent::Hashing { done: 1, total: 2 };
        assert_eq!(
            value(add_line(&hashing)),
            json!({"event": "hashing", "done": 1, "total": 2})
        );
        let shared = AddEvent::Shared {
            content: ContentId::EMPTY,
            length: 0,
            fragment_length: FragmentLength::MIN,
            fragments: 0,
            is_pending: true,
            directory: None,
        };
        let expected = json!({"event": "shared", "content": "00".repeat(32), "length": 0, "fragment_length": 65_536,
            "fragments": 0, "pending": true, "files": null, "contents": 1});
        assert_eq!(value(add_line(&shared)), expected);
        let expected = json!({"event": "published", "name": "a/x", "revision": 4,
            "content": binding().content.to_string(), "target": 2});
        assert_eq!(value(add_line(&AddEvent::Published(binding()))), expected);
        let expected = json!({"event": "replicas", "state": "degraded", "target": 2, "fewest": 1,
            "fragments_at_target": 1, "fragments": 3});
        assert_eq!(value(add_line(&AddEvent::Replicas(health()))), expected);
    }
}
