//! A watcher's knowledge of a network, and the events that follow from new facts. Pure.
//!
//! Facts come from the feed, one by one, and from looks at everything. Invariants: a known fact makes no
//! event, so a look may repeat the feed; an old fact never replaces a newer one; every event is true; an
//! event that stands for several says so (`missed`).

use std::collections::BTreeMap;

use shared::json::{Event, WatchedPeer};
use shared::model::{
    Absence, Binding, ContentState, FeedEvent, Health, HostPort, Name, PeerId, PeerInfo, PeerMode, PeerState,
    Revision,
};

/// The names and peers of a network at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// All names.
    pub(crate) names: Vec<(Binding, Health)>,
    /// All peers.
    pub(crate) peers: Vec<PeerInfo>,
    /// Whether the tracker waits for peers to report after a restart.
    pub(crate) is_in_safe_mode: bool,
}

/// The known names and peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    names: BTreeMap<Name, SeenName>,
    peers: BTreeMap<PeerId, SeenPeer>,
    /// Files that are absent.
    files: BTreeMap<(Name, PeerId), SeenFile>,
}

/// An absent file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SeenFile {
    absence: Absence,
    address: String,
    /// Whether the tracker has told of it in this epoch.
    is_told: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SeenName {
    binding: Binding,
    /// None before anything is known of its replicas.
    health: Option<Health>,
    /// Whether this revision has ever had its replicas; none when that is not known.
    was_replicated: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SeenPeer {
    address: String,
    state: PeerState,
    mode: PeerMode,
    has_left: bool,
    copy: Option<HostPort>,
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

    /// Takes in the state of its replicas.
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
                // It may have had them all the time.
                None => None,
            };
        }
        // Also when it gets worse: fewer replicas, or none.
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
    /// The knowledge after a first look. While the tracker does not know its peers yet, its word on replicas
    /// does not count, and suspect peers count as live.
    #[must_use]
    pub(crate) fn new(look: Look) -> Self {
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
            files: BTreeMap::new(),
        }
    }

    /// Returns the first event, with the numbers of names and peers.
    #[must_use]
    pub(crate) fn watching(&self) -> Event {
        Event::Watching {
            names: self.names.len(),
            peers: self.peers.len(),
        }
    }

    /// Takes in an event of the feed and returns the events to print.
    pub(crate) fn learn(&mut self, event: FeedEvent) -> Vec<Event> {
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
            FeedEvent::File {
                name,
                revision,
                peer,
                address,
                absence,
            } => {
                let is_meant = self.names.get(&name).is_some_and(|known| known.is_at(revision));
                let told = is_meant.then(|| self.take_file(&name, peer, &address, absence));
                told.flatten().into_iter().collect()
            }
            // Peers tell again which of their files are absent; of the others nothing is heard.
            FeedEvent::EpochBegun(_) => {
                self.files.values_mut().for_each(|file| file.is_told = false);
                Vec::new()
            }
            FeedEvent::Settled => {
                let back = self.files.extract_if(.., |_, file| !file.is_told);
                back.map(|((name, peer), file)| file_back(&name, peer, file.address))
                    .collect()
            }
        }
    }

    /// Takes in a look at everything and returns the events to print: peers first, then names, each in order.
    ///
    /// While the tracker does not know its peers yet, its word on replicas and suspect peers does not count.
    pub(crate) fn look(&mut self, look: Look) -> Vec<Event> {
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

    /// Takes in a binding, unless a newer revision is known.
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
            missed: last.map_or(0, |last| binding.revision.ahead_of(last).saturating_sub(1)),
            renamed_from,
        };
        self.forget_files(&binding.name);
        self.names.insert(binding.name.clone(), SeenName::new(binding));
        Some(event)
    }

    /// Takes in a removal at a revision, unless a newer one is known.
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
        self.forget_files(name);
        let event = removed(&known.binding, renamed_to);
        Some((known, event))
    }

    /// Forgets the absent files of a name that is bound to something else, or to nothing.
    fn forget_files(&mut self, name: &Name) {
        self.files.retain(|(known, _), _| known != name);
    }

    fn take_file(
        &mut self,
        name: &Name,
        peer: PeerId,
        address: &HostPort,
        absence: Option<Absence>,
    ) -> Option<Event> {
        let Some(absence) = absence else {
            let known = self.files.remove(&(name.clone(), peer));
            return known.map(|known| file_back(name, peer, known.address));
        };
        let file = SeenFile {
            absence,
            address: address.to_string(),
            is_told: true,
        };
        let before = self.files.insert((name.clone(), peer), file);
        (before.map(|before| before.absence) != Some(absence)).then(|| Event::FileAway {
            name: name.to_string(),
            peer: peer.to_string(),
            addr: address.to_string(),
            absence,
        })
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
        // It tells of its files anew when it is back.
        if now.state == PeerState::Lost {
            self.files.retain(|(_, peer), _| *peer != id);
        }
        let is_copied = now.copy.is_some() && before.is_none_or(|before| before.copy != now.copy);
        let copied = is_copied.then(|| Event::PeerCopied(about()));
        self.peers.insert(id, now);
        life.into_iter().chain(mode).chain(copied).collect()
    }
}

impl SeenPeer {
    fn new(peer: &PeerInfo, has_left: bool) -> Self {
        Self {
            address: peer.address.to_string(),
            state: peer.state,
            mode: peer.mode,
            has_left,
            copy: peer.copy.clone(),
        }
    }
}

fn file_back(name: &Name, peer: PeerId, addr: String) -> Event {
    Event::FileBack {
        name: name.to_string(),
        peer: peer.to_string(),
        addr,
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
