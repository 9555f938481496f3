//! The feed: events, and positions of followers in it.

use shared::model::{Epoch, FeedEvent, FeedPage, FeedPosition, Revision};

use super::types::{absence, absence_text, peer_id};
use super::{Invalid, bounded, parsed, required};
use crate::v1;
use crate::v1::feed_event::{Event, FileChange, PeerChange, Removed, Renamed, Settled, Standing};

impl TryFrom<v1::FeedPosition> for FeedPosition {
    type Error = Invalid;

    fn try_from(wire: v1::FeedPosition) -> Result<Self, Invalid> {
        Ok(Self {
            mark: required("mark", wire.mark)?.into(),
            sequence: wire.sequence,
        })
    }
}

impl From<FeedPosition> for v1::FeedPosition {
    fn from(position: FeedPosition) -> Self {
        Self {
            mark: Some(position.mark.into()),
            sequence: position.sequence,
        }
    }
}

impl TryFrom<v1::EventsRequest> for Option<FeedPosition> {
    type Error = Invalid;

    fn try_from(wire: v1::EventsRequest) -> Result<Self, Invalid> {
        wire.after.map(FeedPosition::try_from).transpose()
    }
}

impl From<Option<FeedPosition>> for v1::EventsRequest {
    fn from(after: Option<FeedPosition>) -> Self {
        Self {
            after: after.map(Into::into),
        }
    }
}

/// Events of kinds that only newer trackers know are left out.
impl TryFrom<v1::EventsReply> for FeedPage {
    type Error = Invalid;

    fn try_from(wire: v1::EventsReply) -> Result<Self, Invalid> {
        let known = wire.events.into_iter().filter_map(|event| event.event).collect();
        Ok(Self {
            position: required("position", wire.position)?.try_into()?,
            is_gap: wire.is_gap,
            has_more: wire.has_more,
            events: bounded("events", Self::MAX_EVENTS, known)?,
        })
    }
}

impl From<FeedPage> for v1::EventsReply {
    fn from(page: FeedPage) -> Self {
        let wire = |event: FeedEvent| v1::FeedEvent {
            event: Some(event.into()),
        };
        Self {
            position: Some(page.position.into()),
            is_gap: page.is_gap,
            has_more: page.has_more,
            events: page.events.into_iter().map(wire).collect(),
        }
    }
}

impl TryFrom<Event> for FeedEvent {
    type Error = Invalid;

    fn try_from(wire: Event) -> Result<Self, Invalid> {
        Ok(match wire {
            Event::Published(binding) => Self::Published(binding.try_into()?),
            Event::Renamed(renamed) => Self::Renamed {
                from: parsed("from", &renamed.from)?,
                tombstone: Revision::new(renamed.tombstone),
                to: required("to", renamed.to)?.try_into()?,
            },
            Event::Removed(removed) => Self::Removed {
                name: parsed("name", &removed.name)?,
                revision: Revision::new(removed.revision),
            },
            Event::Standing(standing) => Self::Standing {
                name: parsed("name", &standing.name)?,
                revision: Revision::new(standing.revision),
                health: required("health", standing.health)?.try_into()?,
            },
            Event::Peer(change) => Self::Peer {
                peer: required("peer", change.peer)?.try_into()?,
                has_left: change.has_left,
            },
            Event::EpochBegun(epoch) => Self::EpochBegun(Epoch::new(epoch)),
            Event::Settled(Settled {}) => Self::Settled,
            Event::File(change) => Self::File {
                name: parsed("name", &change.name)?,
                revision: Revision::new(change.revision),
                peer: peer_id(&change.peer_id)?,
                address: parsed("address", &change.address)?,
                absence: absence(&change.absence),
            },
        })
    }
}

impl From<FeedEvent> for Event {
    fn from(event: FeedEvent) -> Self {
        match event {
            FeedEvent::Published(binding) => Self::Published(binding.into()),
            FeedEvent::Renamed { from, tombstone, to } => Self::Renamed(Renamed {
                from: from.to_string(),
                tombstone: tombstone.get(),
                to: Some(to.into()),
            }),
            FeedEvent::Removed { name, revision } => Self::Removed(Removed {
                name: name.to_string(),
                revision: revision.get(),
            }),
            FeedEvent::Standing {
                name,
                revision,
                health,
            } => Self::Standing(Standing {
                name: name.to_string(),
                revision: revision.get(),
                health: Some(health.into()),
            }),
            FeedEvent::Peer { peer, has_left } => Self::Peer(PeerChange {
                peer: Some(peer.into()),
                has_left,
            }),
            FeedEvent::EpochBegun(epoch) => Self::EpochBegun(epoch.get()),
            FeedEvent::Settled => Self::Settled(Settled {}),
            FeedEvent::File {
                name,
                revision,
                peer,
                address,
                absence,
            } => Self::File(FileChange {
                name: name.to_string(),
                revision: revision.get(),
                peer_id: peer.as_bytes().to_vec().into(),
                address: address.to_string(),
                absence: absence_text(absence),
            }),
        }
    }
}
