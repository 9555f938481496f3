//! What has happened between two looks at the network: pure.
//!
//! Invariants: looking twice at the same says nothing; what is told is true of the second look; where more may have happened
//! than can be told from two looks, the event says so (`missed`).

use std::collections::BTreeMap;

use serde::Serialize;
use shared::model::{Binding, ContentState, Epoch, Health, Name, PeerId, PeerInfo, PeerState};

/// How the network looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    names: BTreeMap<Name, SeenName>,
    peers: BTreeMap<PeerId, SeenPeer>,
    epoch: Epoch,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SeenName {
    binding: Binding,
    health: Health,
    /// Whether this revision has had its replicas.
    was_replicated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SeenPeer {
    address: String,
    state: PeerState,
}

/// Something that happened; promised to scripts, so fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// From now on.
    Watching {
        /// How many names there are.
        names: usize,
        /// How many peers are known.
        peers: usize,
    },
    /// A name is bound to something.
    Published {
        /// The name.
        name: String,
        /// Its revision.
        revision: u64,
        /// The content.
        content: String,
        /// Its bytes.
        length: u64,
        /// Revisions in between that nobody saw.
        missed: u64,
    },
    /// A name is bound to nothing any more.
    Removed {
        /// The name.
        name: String,
        /// The content that it was bound to.
        content: String,
    },
    /// Every fragment has its target of replicas, for the first time at this revision.
    Replicated {
        /// The name.
        name: String,
        /// Its revision.
        revision: u64,
        /// How many replicas.
        target: u32,
    },
    /// It had its replicas, and has fewer now.
    Endangered {
        /// The name.
        name: String,
        /// Its revision.
        revision: u64,
        /// `degraded` or `unavailable`.
        state: String,
        /// Replicas of the fragment that has the fewest.
        fewest: u32,
        /// How many are wanted.
        target: u32,
    },
    /// It has its replicas again.
    Repaired {
        /// The name.
        name: String,
        /// Its revision.
        revision: u64,
        /// How many replicas.
        target: u32,
    },
    /// A peer is live that was not known.
    PeerJoined(Peer),
    /// A peer's lease is late.
    PeerSuspect(Peer),
    /// A peer's lease ran out: what it held counts no longer.
    PeerLost(Peer),
    /// A peer that was suspect or lost is live again.
    PeerReturned(Peer),
    /// The network could not be looked at for a while. What is different since is told; what came and went is not.
    Interrupted {
        /// For how long.
        for_ms: u64,
        /// Whether the tracker has begun a new epoch meanwhile.
        restarted: bool,
    },
}

/// Who it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Peer {
    /// Its id.
    pub peer: String,
    /// Where it is dialled.
    pub addr: String,
}

impl Seen {
    /// How it looks now, given how it looked before. While the tracker waits for its peers after a restart, nothing is known
    /// of replicas and peers: they are taken to be as they were.
    #[must_use]
    pub fn new(
        names: Vec<(Binding, Health)>,
        peers: Vec<PeerInfo>,
        epoch: Epoch,
        is_in_safe_mode: bool,
        before: Option<&Self>,
    ) -> Self {
        let known = |name: &Name| before.and_then(|before| before.names.get(name));
        let names = names.into_iter().map(|(binding, health)| {
            let same = known(&binding.name).filter(|known| known.binding.revision == binding.revision);
            let health = match same {
                Some(known) if is_in_safe_mode => known.health,
                _ => health,
            };
            let was_replicated =
                health.state == ContentState::Replicated || same.is_some_and(|known| known.was_replicated);
            let seen = SeenName {
                health,
                was_replicated,
                binding,
            };
            (seen.binding.name.clone(), seen)
        });
        let names = names.collect();
        let mut seen_peers: BTreeMap<PeerId, SeenPeer> = peers
            .into_iter()
            .map(|peer| {
                let (address, state) = (peer.address.to_string(), peer.state);
                (peer.id, SeenPeer { address, state })
            })
            .collect();
        if let Some(before) = before.filter(|_| is_in_safe_mode) {
            for (id, known) in &before.peers {
                seen_peers.insert(*id, known.clone());
            }
        }
        Self {
            names,
            peers: seen_peers,
            epoch,
        }
    }

    /// The tracker's epoch then.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many names and peers there are.
    #[must_use]
    pub fn watching(&self) -> Event {
        Event::Watching {
            names: self.names.len(),
            peers: self.peers.len(),
        }
    }

    /// What has happened since `before`: peers first, then names, each in order.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<Event> {
        let mut events = Vec::new();
        for (id, now) in &self.peers {
            events.extend(peer_event(*id, now, before.peers.get(id)));
        }
        for (name, gone) in before
            .names
            .iter()
            .filter(|(name, _)| !self.names.contains_key(*name))
        {
            events.push(Event::Removed {
                name: name.to_string(),
                content: gone.binding.content.to_string(),
            });
        }
        for (name, now) in &self.names {
            let known = before.names.get(name);
            let same = known.filter(|known| known.binding.revision == now.binding.revision);
            if same.is_none() {
                let last = known.map(|known| known.binding.revision.get());
                events.push(Event::Published {
                    name: name.to_string(),
                    revision: now.binding.revision.get(),
                    content: now.binding.content.to_string(),
                    length: now.binding.length,
                    missed: last.map_or(0, |last| now.binding.revision.get().saturating_sub(last + 1)),
                });
            }
            events.extend(health_event(now, same));
        }
        events
    }
}

fn peer_event(id: PeerId, now: &SeenPeer, before: Option<&SeenPeer>) -> Option<Event> {
    let peer = Peer {
        peer: id.to_string(),
        addr: now.address.clone(),
    };
    match (before.map(|before| before.state), now.state) {
        (Some(before), now) if before == now => None,
        (None, PeerState::Live) => Some(Event::PeerJoined(peer)),
        (Some(_), PeerState::Live) => Some(Event::PeerReturned(peer)),
        (_, PeerState::Suspect) => Some(Event::PeerSuspect(peer)),
        (_, PeerState::Lost) => Some(Event::PeerLost(peer)),
    }
}

fn health_event(now: &SeenName, before: Option<&SeenName>) -> Option<Event> {
    let is_replicated = |seen: &SeenName| seen.health.state == ContentState::Replicated;
    let (name, revision) = (now.binding.name.to_string(), now.binding.revision.get());
    let target = now.health.target.get();
    let endangered = |name| Event::Endangered {
        name,
        revision,
        state: now.health.state.to_string(),
        fewest: now.health.fewest,
        target,
    };
    match (before, is_replicated(now)) {
        (Some(before), true) if is_replicated(before) => None,
        (Some(before), true) if before.was_replicated => Some(Event::Repaired {
            name,
            revision,
            target,
        }),
        (_, true) => Some(Event::Replicated {
            name,
            revision,
            target,
        }),
        (Some(before), false) if is_replicated(before) => Some(endangered(name)),
        // It gets worse: fewer still, or none.
        (Some(before), false)
            if before.was_replicated
                && (now.health.state < before.health.state || now.health.fewest < before.health.fewest) =>
        {
            Some(endangered(name))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use shared::model::{ContentId, Duty, Incarnation, ReplicationTarget, Revision, Timestamp};

    use super::*;

    fn name(text: &str, revision: u64, state: ContentState, fewest: u32) -> (Binding, Health) {
        let target = ReplicationTarget::new(3).expect("in bounds");
        let binding = Binding {
            name: text.parse().expect("a name"),
            revision: Revision::new(revision),
            content: ContentId::from_bytes([1; 32]),
            length: 5,
            target,
            published_at: Timestamp::from_millis(1),
            collection: None,
        };
        let health = Health {
            state,
            target,
            fewest,
            fragments_at_target: 0,
            fragments: 1,
            copies_under_way: 0,
        };
        (binding, health)
    }

    fn peer(state: PeerState) -> PeerInfo {
        PeerInfo {
            id: PeerId::from_bytes([1; 16]),
            address: "h:1".parse().expect("an address"),
            zone: None,
            state,
            capacity: 1,
            free: 1,
            incarnation: Incarnation::new(1),
            contents: 0,
            duty: Duty::Active,
        }
    }

    fn look(names: &[(Binding, Health)], peers: &[PeerInfo], before: Option<&Seen>) -> Seen {
        Seen::new(names.to_vec(), peers.to_vec(), Epoch::new(1), false, before)
    }

    /// The kinds of the events.
    fn kinds(events: &[Event]) -> Vec<String> {
        let kind = |event: &Event| {
            serde_json::to_value(event).expect("an object")["event"]
                .as_str()
                .map(str::to_owned)
        };
        events.iter().filter_map(kind).collect()
    }

    #[test]
    fn a_content_s_life_is_told_once_each() {
        use ContentState::{Degraded, Replicated, Unavailable};
        let mut seen = look(&[], &[], None);
        let mut next = |names: &[(Binding, Health)]| {
            let now = look(names, &[], Some(&seen));
            let events = kinds(&now.since(&seen));
            assert!(now.since(&now).is_empty());
            seen = now;
            events
        };
        assert_eq!(next(&[name("a", 1, Degraded, 1)]), ["published"]);
        assert_eq!(next(&[name("a", 1, Degraded, 2)]), [""; 0]);
        assert_eq!(next(&[name("a", 1, Replicated, 3)]), ["replicated"]);
        assert_eq!(next(&[name("a", 1, Degraded, 2)]), ["endangered"]);
        assert_eq!(next(&[name("a", 1, Unavailable, 0)]), ["endangered"]);
        assert_eq!(next(&[name("a", 1, Degraded, 1)]), [""; 0]);
        assert_eq!(next(&[name("a", 1, Replicated, 3)]), ["repaired"]);
        assert_eq!(next(&[name("a", 2, Replicated, 3)]), ["published", "replicated"]);
        assert_eq!(next(&[]), ["removed"]);
    }

    #[test]
    fn what_was_not_seen_is_counted_and_not_made_up() {
        let before = look(&[name("a", 2, ContentState::Replicated, 3)], &[], None);
        let now = look(&[name("a", 6, ContentState::Degraded, 1)], &[], Some(&before));
        let events = now.since(&before);
        assert!(
            matches!(
                &events[..],
                [Event::Published {
                    revision: 6,
                    missed: 3,
                    ..
                }]
            ),
            "{events:?}"
        );
    }

    #[test]
    fn peers_come_and_go() {
        let mut seen = look(&[], &[], None);
        for (state, kind) in [
            (PeerState::Live, "peer_joined"),
            (PeerState::Suspect, "peer_suspect"),
            (PeerState::Lost, "peer_lost"),
            (PeerState::Live, "peer_returned"),
        ] {
            let now = look(&[], &[peer(state)], Some(&seen));
            assert_eq!(kinds(&now.since(&seen)), [kind]);
            seen = now;
        }
    }

    #[test]
    fn a_tracker_that_has_just_restarted_knows_nothing_of_losses() {
        let before = look(
            &[name("a", 1, ContentState::Replicated, 3)],
            &[peer(PeerState::Live)],
            None,
        );
        let names = vec![name("a", 1, ContentState::Unavailable, 0)];
        let now = Seen::new(
            names,
            vec![peer(PeerState::Suspect)],
            Epoch::new(2),
            true,
            Some(&before),
        );
        assert!(now.since(&before).is_empty());
        assert_eq!(now.epoch(), Epoch::new(2));
    }
}
