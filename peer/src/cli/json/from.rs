//! What the node says, as the shapes that `--json` prints.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use proto::messages::control::{
    AddEvent, GetEvent, LocalContent, RateLimits, SessionStatus, Status, Verified,
};
use shared::model::{ByteRate, ContentState, FaultKind, Health, Listing, Location, PeerInfo, SourceFault};

use super::{
    AccusedPeer, AddLine, Contents, GetLine, HeldContent, Limits, ListedName, Located, LocatedFragment,
    LocatedPeer, Names, Network, NetworkPeer, NodeStatus, Replicas, Scrubbing, VerifiedSoFar,
};

impl From<&AddEvent> for AddLine {
    fn from(event: &AddEvent) -> Self {
        match event {
            AddEvent::Hashing { done, total } => Self::Hashing {
                done: *done,
                total: *total,
            },
            AddEvent::Shared {
                content,
                length,
                fragment_length,
                fragments,
                is_pending,
            } => Self::Shared {
                content: content.to_string(),
                length: *length,
                fragment_length: fragment_length.get(),
                fragments: *fragments,
                pending: *is_pending,
            },
            AddEvent::Published(binding) => Self::Published {
                name: binding.name.to_string(),
                revision: binding.revision.get(),
                content: binding.content.to_string(),
                target: binding.target.get(),
            },
            AddEvent::Replicas(health) => Self::Replicas(health.into()),
            AddEvent::Received(done) => Self::Received { done: *done },
        }
    }
}

impl From<&Health> for Replicas {
    fn from(health: &Health) -> Self {
        Self {
            state: state(health.state),
            target: health.target.get(),
            fewest: health.fewest,
            fragments_at_target: health.fragments_at_target,
            fragments: health.fragments,
        }
    }
}

impl GetLine {
    /// The event of a fetch into this file.
    #[must_use]
    pub fn new(event: &GetEvent, output: &Path) -> Self {
        match event {
            GetEvent::Started {
                name,
                content,
                length,
                fragments,
                already_held,
            } => Self::Started {
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
            } => Self::Progress {
                held: *held,
                length: *length,
                sources: *sources,
                received: *received,
                wasted: *wasted,
                waiting_for: (!waiting_for.is_empty()).then(|| waiting_for.clone()),
            },
            GetEvent::Done {
                content,
                length,
                received,
                wasted,
                elapsed,
                sources_used,
            } => Self::Done {
                content: content.to_string(),
                length: *length,
                output: output.to_owned(),
                received: *received,
                wasted: *wasted,
                elapsed_ms: millis(*elapsed),
                sources_used: *sources_used,
            },
        }
    }
}

impl From<Verified> for VerifiedSoFar {
    fn from(verified: Verified) -> Self {
        Self {
            done: verified.done,
            total: verified.total,
            damaged: verified.damaged,
        }
    }
}

impl From<&[Listing]> for Names {
    fn from(names: &[Listing]) -> Self {
        let listed = |Listing {
                          binding,
                          health,
                          pinned,
                      }: &Listing| ListedName {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content: binding.content.to_string(),
            length: binding.length,
            published_at_ms: binding.published_at.as_millis(),
            pinned_revisions: pinned.iter().map(|revision| revision.get()).collect(),
            replicas: health.into(),
        };
        Self {
            names: names.iter().map(listed).collect(),
        }
    }
}

impl From<&[LocalContent]> for Contents {
    fn from(contents: &[LocalContent]) -> Self {
        let held = |content: &LocalContent| HeldContent {
            content: content.content.to_string(),
            name: content.name.as_ref().map(ToString::to_string),
            length: content.length,
            fragments: content.fragments,
            fragments_held: content.fragments_held,
            role: content.role.to_string(),
            path: content.path.clone(),
            pending: content.is_pending,
        };
        Self {
            contents: contents.iter().map(held).collect(),
        }
    }
}

impl From<&Location> for Located {
    /// Turns the holders' bitmaps into a list of holders for every fragment.
    fn from(location: &Location) -> Self {
        let (binding, manifest) = (&location.binding, &location.manifest);
        let mut holders: BTreeMap<u32, Vec<String>> = manifest
            .indices()
            .map(|index| (index.get(), Vec::new()))
            .collect();
        for holder in &location.holders {
            let id = holder.peer.id.to_string();
            for index in holder.fragments.iter() {
                holders.entry(index.get()).or_default().push(id.clone());
            }
        }
        Self {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content: binding.content.to_string(),
            length: binding.length,
            fragment_length: manifest.fragment_length().get(),
            target: location.health.target.get(),
            state: state(location.health.state),
            fragments: holders
                .into_iter()
                .map(|(index, holders)| LocatedFragment { index, holders })
                .collect(),
            peers: location
                .holders
                .iter()
                .map(|holder| (&holder.peer).into())
                .collect(),
        }
    }
}

impl From<&PeerInfo> for LocatedPeer {
    fn from(peer: &PeerInfo) -> Self {
        Self {
            id: peer.id.to_string(),
            addr: peer.address.to_string(),
            zone: peer.zone.as_ref().map(ToString::to_string),
            state: peer.state.to_string(),
        }
    }
}

impl Network {
    /// All pages of peers, and what the tracker says of itself.
    #[must_use]
    pub fn new(peers: &[PeerInfo], epoch: u64, safe_mode: bool) -> Self {
        let peer = |peer: &PeerInfo| NetworkPeer {
            peer: peer.into(),
            capacity: peer.capacity,
            free: peer.free,
            contents: peer.contents,
            incarnation: peer.incarnation.get(),
            duty: peer.mode.word(),
        };
        Self {
            epoch,
            safe_mode,
            peers: peers.iter().map(peer).collect(),
        }
    }
}

impl From<&Status> for NodeStatus {
    fn from(status: &Status) -> Self {
        let (session, tracker, reason) = match &status.session {
            SessionStatus::Offline => ("offline", None, None),
            SessionStatus::Connecting { tracker, reason } => ("connecting", tracker.as_ref(), Some(reason)),
            SessionStatus::Connected { tracker } => ("connected", Some(tracker), None),
        };
        Self {
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
            tracker: tracker.map(ToString::to_string),
            reason: reason.cloned(),
            epoch: status.epoch.get(),
            pending_publications: status.pending_publications,
            uptime_ms: millis(status.uptime),
            bytes_sent: status.bytes_sent,
            bytes_received: status.bytes_received,
            bytes_wasted: status.bytes_wasted,
            active_fetches: status.active_fetches,
            active_uploads: status.active_uploads,
            limits: (&status.limits).into(),
            culprits: status.culprits.iter().map(Into::into).collect(),
            scrub: Scrubbing {
                done: status.scrub.done,
                total: status.scrub.total,
                damaged: status.scrub.damaged,
                rounds: status.scrub.rounds,
            },
        }
    }
}

impl From<&SourceFault> for AccusedPeer {
    fn from(culprit: &SourceFault) -> Self {
        Self {
            id: culprit.peer.to_string(),
            addr: culprit.address.to_string(),
            offence: match culprit.kind {
                FaultKind::Lied => "lied",
                FaultKind::Stalled => "stalled",
                FaultKind::Slow => "slow",
            },
            times: culprit.times,
            ago_ms: millis(culprit.ago),
            bytes_per_second: culprit.rate.map(ByteRate::get),
        }
    }
}

impl From<&RateLimits> for Limits {
    fn from(limits: &RateLimits) -> Self {
        Self {
            upload_limit: limits.upload.map(ByteRate::get),
            download_limit: limits.download.map(ByteRate::get),
        }
    }
}

const fn state(state: ContentState) -> &'static str {
    match state {
        ContentState::Unavailable => "unavailable",
        ContentState::Degraded => "degraded",
        ContentState::Replicated => "replicated",
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
