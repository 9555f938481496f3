//! How a network is known to a watcher, and what the difference is to what it learns: pure.
//!
//! It learns from events of the feed, one by one, and from looks at everything. Invariants: learning the same twice says nothing,
//! so a look may show what an event tells again; nothing old replaces what is newer; what is told is true; where more may have
//! happened than can be told, the event says so (`missed`).

use std::collections::BTreeMap;

use shared::json::{Event, WatchedPeer};
use shared::model::{
    Binding, ContentState, FeedEvent, Health, Name, PeerId, PeerInfo, PeerMode, PeerState, Revision,
};

/// Everything at one moment.
#[derive(Clone, Debug)]
pub struct Look {
    /// All names.
    pub names: Vec<(Binding, Health)>,
    /// All peers.
    pub peers: Vec<PeerInfo>,
    /// Whether the tracker waits for peers to report after a restart.
    pub is_in_safe_mode: bool,
}

/// How the network is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    names: BTreeMap<Name, SeenName>,
    peers: BTreeMap<PeerId, SeenPeer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SeenName {
    binding: Binding,
    /// None when nothing is known of its replicas yet.
    health: Option<Health>,
    /// Whether this revision has had its replicas; none when that is not known.
    was_replicated: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SeenPeer {
    address: String,
    state: PeerState,
    mode: PeerMode,
    has_left: bool,
}

impl SeenName {
    const fn new(binding: Binding) -> Self {
        Self {
            binding,
            health: None,
            was_replicated: Some(false),
        }
    }

    fn is_at(&self, revision: Revision) -> bool {
        self.binding.revision == revision
    }

    /// Its replicas stand so.
    fn learn(&mut self, health: Health) -> Option<Event> {
        let is_replicated = |health: &Health| health.state == ContentState::Replicated;
        let before = self.health.replace(health);
        let was_so = before.as_ref().is_some_and(is_replicated);
        let (name, revision) = (self.binding.name.to_string(), self.binding.revision.get());
        let target = health.target.get();
        if is_replicated(&health) {
            let had_been = self.was_replicated.replace(true);
            return match had_been {
                _ if was_so => None,
                Some(true) => Some(Event::Repaired {
                    name,
                    revision,
                    target,
                }),
                Some(false) => Some(Event::Replicated {
                    name,
                    revision,
                    target,
                }),
                // It may have been so all the time.
                None => None,
            };
        }
        // Or it gets worse: fewer still, or none.
        let is_worse = |before: Health| health.state < before.state || health.fewest < before.fewest;
        let is_news = was_so || self.was_replicated == Some(true) && before.is_some_and(is_worse);
        is_news.then_some(Event::Endangered {
            name,
            revision,
            state: health.state,
            fewest: health.fewest,
            target,
        })
    }
}

impl Seen {
    /// How it looks to somebody who knows nothing. Of a tracker that does not know its peers yet, nothing is believed about
    /// replicas, and everybody is given the benefit of the doubt.
    #[must_use]
    pub fn new(look: Look) -> Self {
        let is_known = !look.is_in_safe_mode;
        let names = look.names.into_iter().map(|(binding, health)| {
            let seen = SeenName {
                health: is_known.then_some(health),
                was_replicated: is_known.then_some(health.state == ContentState::Replicated),
                ..SeenName::new(binding)
            };
            (seen.binding.name.clone(), seen)
        });
        let peers = look.peers.into_iter().map(|peer| {
            let state = match peer.state {
                PeerState::Suspect if !is_known => PeerState::Live,
                state => state,
            };
            (peer.id, SeenPeer::new(&PeerInfo { state, ..peer }, false))
        });
        Self {
            names: names.collect(),
            peers: peers.collect(),
        }
    }

    /// How many names and peers there are.
    #[must_use]
    pub fn watching(&self) -> Event {
        Event::Watching {
            names: self.names.len(),
            peers: self.peers.len(),
        }
    }

    /// Takes in an event of the feed; what is to be told of it.
    pub fn learn(&mut self, event: FeedEvent) -> Vec<Event> {
        match event {
            FeedEvent::Published(binding) => self.bind(binding, None).into_iter().collect(),
            FeedEvent::Removed { name, revision } => self
                .unbind(&name, revision, None)
                .map(|(_, told)| told)
                .into_iter()
                .collect(),
            FeedEvent::Renamed {
                from,
                tombstone,
                to: binding,
            } => {
                let to = binding.name.clone();
                let removed = self.unbind(&from, tombstone, Some(to.to_string()));
                let bound = self.bind(binding, Some(from.to_string()));
                let (gone, removed) = removed.unzip();
                // The content is the same, and so are its replicas.
                if let (Some(gone), Some(_), Some(new)) = (gone, &bound, self.names.get_mut(&to)) {
                    (new.health, new.was_replicated) = (gone.health, gone.was_replicated);
                }
                removed.into_iter().chain(bound).collect()
            }
            FeedEvent::Standing {
                name,
                revision,
                health,
            } => {
                let same = self.names.get_mut(&name).filter(|known| known.is_at(revision));
                same.and_then(|known| known.learn(health)).into_iter().collect()
            }
            FeedEvent::Peer { peer, has_left } => self.meet(peer.id, SeenPeer::new(&peer, has_left)),
            FeedEvent::EpochBegun(_) | FeedEvent::Settled => Vec::new(),
        }
    }

    /// Takes in a look at everything; what is to be told of it: peers first, then names, each in order.
    ///
    /// While the tracker does not know its peers yet, nothing is believed about replicas and silence.
    pub fn look(&mut self, look: Look) -> Vec<Event> {
        let mut events = Vec::new();
        let is_known = !look.is_in_safe_mode;
        for peer in look.peers {
            if is_known || peer.state != PeerState::Suspect {
                events.extend(self.meet(peer.id, SeenPeer::new(&peer, false)));
            }
        }
        let before = std::mem::take(&mut self.names);
        let mut now: BTreeMap<_, _> = look
            .names
            .into_iter()
            .map(|(binding, health)| (binding.name.clone(), (binding, health)))
            .collect();
        for (name, known) in before {
            if now.contains_key(&name) {
                self.names.insert(name, known);
            } else {
                events.push(removed(&known.binding, None));
            }
        }
        while let Some((name, (binding, health))) = now.pop_first() {
            events.extend(self.bind(binding, None));
            if is_known && let Some(known) = self.names.get_mut(&name) {
                events.extend(known.learn(health));
            }
        }
        events
    }

    /// The name is bound so, unless something newer is known of it.
    fn bind(&mut self, binding: Binding, renamed_from: Option<String>) -> Option<Event> {
        let last = self.names.get(&binding.name).map(|known| known.binding.revision);
        if last.is_some_and(|last| binding.revision <= last) {
            return None;
        }
        let event = Event::Published {
            name: binding.name.to_string(),
            revision: binding.revision.get(),
            content: binding.content.to_string(),
            length: binding.length,
            missed: last.map_or(0, |last| binding.revision.get() - last.next().get()),
            renamed_from,
        };
        self.names.insert(binding.name.clone(), SeenName::new(binding));
        Some(event)
    }

    /// The name is bound to nothing at that revision, unless something newer is known of it.
    fn unbind(
        &mut self,
        name: &Name,
        revision: Revision,
        renamed_to: Option<String>,
    ) -> Option<(SeenName, Event)> {
        self.names
            .get(name)
            .filter(|known| known.binding.revision < revision)?;
        let known = self.names.remove(name)?;
        let event = removed(&known.binding, renamed_to);
        Some((known, event))
    }

    fn meet(&mut self, id: PeerId, now: SeenPeer) -> Vec<Event> {
        let about = || WatchedPeer {
            peer: id.to_string(),
            addr: now.address.clone(),
            left: now.has_left,
        };
        let before = self.peers.get(&id);
        let was = before.map(|before| before.state);
        let life = match now.state {
            state if was == Some(state) => None,
            PeerState::Live if was.is_none() => Some(Event::PeerJoined(about())),
            PeerState::Live => Some(Event::PeerReturned(about())),
            PeerState::Suspect => Some(Event::PeerSuspect(about())),
            PeerState::Lost => Some(Event::PeerLost(about())),
        };
        let before_mode = before.map_or(PeerMode::Active, |before| before.mode);
        let mode = match now.mode {
            mode if mode.word() == before_mode.word() => None,
            PeerMode::Active => Some(Event::PeerActive(about())),
            PeerMode::Maintenance { .. } => Some(Event::PeerInMaintenance(about())),
            PeerMode::Draining => Some(Event::PeerDraining(about())),
        };
        self.peers.insert(id, now);
        life.into_iter().chain(mode).collect()
    }
}

impl SeenPeer {
    fn new(peer: &PeerInfo, has_left: bool) -> Self {
        Self {
            address: peer.address.to_string(),
            state: peer.state,
            mode: peer.mode,
            has_left,
        }
    }
}

fn removed(binding: &Binding, renamed_to: Option<String>) -> Event {
    Event::Removed {
        name: binding.name.to_string(),
        content: binding.content.to_string(),
        renamed_to,
    }
}

#[cfg(test)]
mod tests;
