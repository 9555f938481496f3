//! Faults: processes die, wires are cut, disks break and rot, machines are wiped, peers are revoked, clocks
//! leap, and messages of the past turn up.

use std::time::Duration;

use peer::session::Input;
use rand::RngExt as _;
use shared::model::{
    Expectation, FragmentLength, Hello, Incarnation, KeyHash, Manifest, Numbered, ReplicationTarget, Report,
    RunTraits,
};
use store::{Entry, FragmentStore as _, MemoryStore};
use tracker::state::{Caller, Command, Publish, SessionId};

use super::connections::End;
use super::peer::{PeerNumber, SimPeer};
use super::profile::Harm;
use super::tracker::Tag;
use super::world::{Event, World};

impl World {
    pub(super) fn inject_fault(&mut self) {
        if self.is_quiescent {
            return;
        }
        let wait = self.rng.random_range(1..=self.profile.fault_every);
        self.plan(wait, Event::Fault);
        let number = self.rng.random_range(0..self.peers.len());
        match self.rng.random_range(0..100) {
            0..22 => self.crash_for_a_while(number),
            22..32 => {
                self.leave(number);
                self.crash_for_a_while(number);
            }
            32..44 => self.restart_tracker(),
            44..62 => self.cut(number),
            62..68 => {
                self.peers[number].is_disk_broken = true;
                let wait = self.rng.random_range(500..15_000);
                self.plan(wait, Event::Mends(number));
            }
            68..72 => self.tracker.journal.disk().is_failing = self.tracker.is_up(),
            72..76 => {
                let by = self.rng.random_range(100..60_000);
                self.leap(Duration::from_millis(by));
            }
            76..84 => self.old_order(),
            84..87 => self.old_messages(number),
            87..88 => self.impersonate(number),
            88..90 if self.peers.len() < 60 => self.add_peer(),
            90..93 => self.go_abroad(number),
            93..95 if self.peers.len() < 60 => self.want_revoked(number),
            _ => self.harm(number),
        }
    }

    pub(super) fn crash_for_a_while(&mut self, number: PeerNumber) {
        let wait = match self.rng.random_range(0..3) {
            0 => self.rng.random_range(10..1_500),
            1 => self.rng.random_range(1_000..10_000),
            _ => self.rng.random_range(10_000..100_000),
        };
        self.crash_peer(number);
        self.plan(wait, Event::PeerStarts(number));
    }

    fn restart_tracker(&mut self) {
        let wait = match self.rng.random_bool(0.7) {
            true => self.rng.random_range(1..2_000),
            false => self.rng.random_range(1_000..30_000),
        };
        self.crash_tracker();
        // Between two runs its clock may be set to anything.
        self.tracker.clock_ahead = self.rng.random_range(0..3_600_000);
        self.plan(wait, Event::TrackerStarts);
    }

    fn cut(&mut self, number: PeerNumber) {
        let wait = match self.rng.random_bool(0.7) {
            true => self.rng.random_range(100..5_000),
            false => self.rng.random_range(5_000..40_000),
        };
        let other = match self.rng.random_bool(0.6) {
            true => End::Tracker,
            false => End::Peer(self.rng.random_range(0..self.peers.len())),
        };
        let (one, other) = (other.min(End::Peer(number)), other.max(End::Peer(number)));
        self.say(format_args!("{one:?} and {other:?} are cut off from each other"));
        self.cuts.insert((one, other));
        self.plan(wait, Event::Heals(one, other));
    }

    fn harm(&mut self, number: PeerNumber) {
        let entries = self.peers[number].store.entries();
        match (self.profile.harm, self.rng.random_range(0..4)) {
            (Harm::None, _) => {}
            (_, 0 | 1) if !entries.is_empty() => {
                let entry = &entries[self.rng.random_range(0..entries.len())];
                let held: Vec<_> = entry.held.iter().collect();
                if held.is_empty() {
                    return;
                }
                let index = held[self.rng.random_range(0..held.len())];
                self.rot(number, entry.manifest.content(), index);
            }
            (_, 2) if !entries.is_empty() => {
                let entry = &entries[self.rng.random_range(0..entries.len())];
                let (content, peer) = (entry.manifest.content(), self.peers[number].id);
                self.say(format_args!(
                    "peer {number}: the file of {} is lost",
                    content.short()
                ));
                // The store notices, as it does when it looks at its files.
                drop(self.peers[number].store.withdraw(content, &entry.held));
                self.peers[number].rotten.retain(|(rotten, _)| *rotten != content);
                self.destroyed(peer, content);
                self.changed(number, content);
            }
            (Harm::Some, 3) => self.wipe(number),
            (Harm::Much, 3) => self.wipe_holders(),
            _ => {}
        }
    }

    fn rot(
        &mut self,
        number: PeerNumber,
        content: shared::model::ContentId,
        index: shared::model::FragmentIndex,
    ) {
        let peer = &mut self.peers[number];
        let id = peer.id;
        if peer.rotten.insert((content, index)) {
            peer.store.rot(content, index);
            self.say(format_args!(
                "peer {number}: fragment {} of {} rots",
                index.get(),
                content.short()
            ));
            self.destroyed(id, content);
        }
    }

    /// Wipes a machine: its disk is lost for good, and another machine joins in its place.
    fn wipe(&mut self, number: PeerNumber) {
        if self.peers[number].is_gone {
            return;
        }
        self.say(format_args!("peer {number}: is wiped"));
        let id = self.peers[number].id;
        for entry in self.take_away(number) {
            self.destroyed(id, entry.manifest.content());
        }
    }

    /// Takes a machine away with its disk; another one joins in its place. Returns the contents that it held.
    pub(super) fn take_away(&mut self, number: PeerNumber) -> Vec<Entry> {
        self.crash_peer(number);
        let peer = &mut self.peers[number];
        let entries = peer.store.entries();
        peer.is_gone = true;
        peer.rotten.clear();
        peer.outbox.clear();
        peer.store = MemoryStore::new(peer.capacity);
        self.add_peer();
        entries
    }

    /// Wipes all but one of the replicas that were acknowledged of a content, at once.
    fn wipe_holders(&mut self) {
        let acknowledged: Vec<_> = self.oracle.acknowledged.iter().collect();
        if acknowledged.is_empty() {
            return;
        }
        let (content, replicas) = acknowledged[self.rng.random_range(0..acknowledged.len())];
        let (content, most) = (*content, replicas.target.saturating_sub(1));
        let holders: Vec<_> = (0..self.peers.len())
            .filter(|number| self.peers[*number].store.entry(content).is_some())
            .take(most as usize)
            .collect();
        for number in holders {
            self.wipe(number);
        }
    }

    /// Delivers an order of a tracker that is gone: nobody may obey it.
    fn old_order(&mut self) {
        let stale = self.oracle.orders.iter().find(|(number, order)| {
            let session = self.peers[*number].session.as_ref();
            session.is_some_and(|session| session.epoch > order.epoch())
        });
        if let Some((number, order)) = stale.cloned() {
            self.tell(number, Input::Ordered(order));
        }
    }

    /// Delivers a report of a session that is over, and a hello of a run that is over, to the tracker.
    fn old_messages(&mut self, number: PeerNumber) {
        let message = Report::Leave;
        let report = Numbered { sequence: 2, message };
        // Sessions of this run are counted from 1.
        let session = SessionId::new(0);
        self.submit(Command::Report { session, report }, Tag::Stray);
        let peer = &self.peers[number];
        let incarnation = peer.incarnation().get();
        if incarnation < 2 || !peer.is_connected() {
            return;
        }
        let peer_key = peer.key(number);
        let hello = Hello {
            incarnation: Incarnation::new(incarnation - 1),
            ..false_hello(peer)
        };
        let session = SessionId::new(u64::MAX - self.number());
        let tag = Tag::Hello(0, session, hello.peer, hello.incarnation);
        self.submit(
            Command::OpenSession {
                session,
                hello,
                key: peer_key,
                origin: None,
            },
            tag,
        );
    }

    /// Has somebody without the key of a connected peer say hello as that peer, publish in its name and let
    /// its copies go: nothing of it may have an effect.
    fn impersonate(&mut self, number: PeerNumber) {
        let peer = &self.peers[number];
        // A peer with a secret has a key, which this run of the tracker knows.
        let run = self.secret_of(number).map(|(run, _)| run);
        if run != Some(self.tracker.run_number()) {
            return;
        }
        let (id, incarnation, run_id) = (peer.id, peer.incarnation(), peer.run_id);
        // Even the run's id is known to it, so that nothing but the key is in its way.
        let hello = Hello {
            run: Some(run_id),
            ..false_hello(peer)
        };
        let other = self
            .peers
            .iter()
            .position(|other| other.id != id && other.is_connected());
        let other = other.and_then(|other| Some((self.peers[other].id, self.secret_of(other)?.1)));
        for key in [None, Some(KeyHash::from_bytes([7; 32]))] {
            let session = SessionId::new(u64::MAX - self.number());
            let (hello, origin) = (hello.clone(), None);
            let command = Command::OpenSession {
                session,
                hello,
                key,
                origin,
            };
            self.submit(command, Tag::Impostor);
        }
        let others = other.map(|(id, session)| Caller::Peer { id, session });
        for caller in [Caller::Anonymous, Caller::Former].into_iter().chain(others) {
            let publish = Publish {
                name: "impostor".parse().expect("a name"),
                manifest: Manifest::from_roots(0, FragmentLength::MIN, Vec::new()).expect("empty"),
                target: ReplicationTarget::DEFAULT,
                expectation: Expectation::Anything,
                publisher: id,
                incarnation,
                parts: None,
                metadata: None,
                replaces_metadata: false,
                keeps_target: false,
            };
            let content = publish.manifest.content();
            self.submit(Command::Publish { publish, caller }, Tag::Impostor);
            let run = Some(run_id);
            let release = Command::Release {
                peer: id,
                content,
                run,
                caller,
            };
            self.submit(release, Tag::Impostor);
        }
    }
}

/// Returns a hello with the id of a peer that does not come from it.
fn false_hello(peer: &SimPeer) -> Hello {
    Hello {
        peer: peer.id,
        incarnation: peer.incarnation(),
        run: None,
        address: "10.0.0.1:9".parse().expect("an address"),
        zone: None,
        capacity: peer.capacity,
        used: 0,
        network: None,
        epoch: peer.epoch,
        mark: None,
        holdings: None,
        traits: RunTraits::default(),
    }
}
