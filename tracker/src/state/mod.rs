//! State of the tracker: everything that it knows, and the one function that changes it.
//!
//! [`State::apply`] is a synchronous function of the state, a command and the time: no I/O, no clock, no
//! lock, and randomness only from a seeded generator inside. Records to make durable and effects to perform
//! outside are *returned*, never carried out. Given the same seed and commands, two states are the same.
//!
//! The state knows two kinds of things. *Facts* (names, tombstones, contents, members, the epoch) are
//! journaled and replayed. *Beliefs* (lives, holdings, assignments) are learnt anew from the peers after a
//! restart, while safe mode keeps the tracker from acting on what it does not know yet. (The holdings of
//! peers that are away for maintenance are facts for as long: those peers cannot be asked.)
//!
//! Invariants, asserted by [`State::check`]: a name's revision only grows; only replicas on peers that are
//! not lost count; orders go only to the current session of a live peer whose inventory is known; reserved
//! room is the sum of all assignments; no copy of a named content is evicted while a fragment would fall
//! below the target on live peers; in safe mode the tracker evicts, gives up and repairs nothing. The parts
//! (`Names`, `Peers`, `Replicas`, `Security`, `Feed`) keep their fields private; this file applies commands, commits
//! facts, and wires the parts together.

mod audit;
mod checking;
mod command;
mod feed;
mod history;
mod names;
mod peers;
mod reaching;
mod record;
mod replicas;
mod securing;
mod security;
mod sessions;
mod steps;
mod tick;
mod views;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use shared::model::{
    Binding, Epoch, NetworkDefaults, NetworkId, Order, Parts, PeerId, PeerMode, PinWish, RequestedMode,
    RevisionEntry, Timestamp,
};

use crate::policy::Policy;
use crate::timing::Timing;
use command::Outcome;
use feed::Feed;
use history::History;
use names::{Decision, Names, RefChange};
use peers::Peers;
use replicas::{Context, Replicas};
use security::Security;

pub use command::{Applied, Caller, Closing, Command, Effect, Origin, Publish, Rejection, Reply, SessionId};
pub use history::Gap;
pub use record::{EpochBegin, Fact, NameFact, Past, Record, Registration, SecurityFact};
pub use security::{Enrolment, Refused, SecurityCommand, SecurityReply};
pub use views::{DrainSurvey, ListStep, PeersPage, Status, Surveying};

/// Everything that the tracker knows.
#[derive(Debug)]
pub struct State {
    timing: Timing,
    defaults: NetworkDefaults,
    rng: Xoshiro256PlusPlus,
    is_serving: bool,
    history: History,
    names: Names,
    peers: Peers,
    replicas: Replicas,
    security: Security,
    feed: Feed,
}

impl State {
    /// Creates a state that knows nothing yet. The seed decides every random choice.
    #[must_use]
    pub fn new(policy: impl Into<Policy>, seed: u64) -> Self {
        let Policy {
            timing,
            budget,
            defaults,
        } = policy.into();
        // An answer to an order of an earlier run, or of another network's tracker, is none to an order of
        // this one.
        let first_order = Xoshiro256PlusPlus::seed_from_u64(!seed).random::<u64>() / 2;
        Self {
            timing,
            defaults,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            is_serving: false,
            history: History::default(),
            names: Names::default(),
            peers: Peers::new(first_order),
            replicas: Replicas::new(budget, first_order),
            security: Security::default(),
            feed: Feed::default(),
        }
    }

    /// Replays a fact from the journal, also one that cannot follow those before it.
    ///
    /// # Errors
    /// When it cannot, and so would find nothing to change, or change something else; the complaint is in
    /// words ([`Self::audit`]).
    pub fn replay(&mut self, record: Record) -> Result<(), String> {
        let audit = self.audit(&record);
        // The consequences of a fact for replicas need a tracker that knows holders; after a restart it knows
        // none.
        drop(self.evolve(record));
        // No peer's life is known yet, so watchers are told nothing about it.
        drop(self.peers.take_touched());
        audit
    }

    /// Carries out a command, or rejects it and changes nothing.
    pub fn apply(&mut self, now: Timestamp, command: Command) -> Applied {
        let mut out = Outcome::default();
        let reply = match command {
            Command::BeginEpoch => self.begin_epoch(now, &mut out).map(|()| Reply::Done),
            _ if !self.is_serving => Err(Rejection::NotServing),
            Command::Publish { publish, caller } => self
                .publish(now, &publish, caller, &mut out)
                .map(Reply::Published),
            Command::Remove { name, expected } => {
                let decision = self.names.remove(name, expected);
                self.decided(now, decision, &mut out).map(Reply::Removed)
            }
            Command::Rename { from, to, expected } => {
                let decision = self.names.rename(now, from, to, expected);
                self.decided(now, decision, &mut out).map(Reply::Published)
            }
            Command::SetTarget {
                name,
                expected,
                target,
            } => {
                let decision = self.names.set_target(name, expected, target);
                self.decided(now, decision, &mut out).map(Reply::Published)
            }
            Command::Adopt(policy) => {
                self.adopt(*policy, &mut out);
                Ok(Reply::Done)
            }
            Command::KeepRevisions(limit) => {
                if let Some(fact) = self.names.keep_revisions(limit) {
                    self.commit(now, fact, &mut out);
                }
                Ok(Reply::Done)
            }
            Command::Pin(wish) => self.pin(now, &wish, &mut out).map(Reply::Pinned),
            Command::SetPeerMode { peer, wish } => self
                .set_peer_mode(now, peer, wish, &mut out)
                .map(Reply::ModeReport),
            Command::ForgetPeer(peer) => self.forget_peer(now, peer, &mut out).map(|()| Reply::Done),
            Command::Release {
                peer,
                content,
                run,
                caller,
            } => {
                let (cx, replicas, _) = self.context(now);
                let is_itself = cx.peers.check_releaser(caller, peer, run);
                let released = is_itself.and_then(|()| replicas.release(&cx, peer, content, &mut out));
                released.map(|()| Reply::Done)
            }
            Command::OpenSession {
                session,
                hello,
                key,
                origin,
            } => self
                .open_session(now, session, (&hello, key), origin, &mut out)
                .map(Reply::Welcomed),
            Command::Report { session, report } => {
                self.report(now, session, report, &mut out).map(|()| Reply::Done)
            }
            Command::CloseSession { session } => {
                self.close_session(now, session);
                Ok(Reply::Done)
            }
            Command::Security(command) => self.secure(now, command, &mut out).map(Reply::Security),
            Command::Tick => {
                self.tick(now, &mut out);
                Ok(Reply::Done)
            }
        };
        let touched = self.peers.take_touched();
        self.peers.follow_checkers(&touched);
        self.feed
            .push_peers(touched, &self.peers, &self.replicas, self.history.facts());
        Applied {
            reply,
            records: out.records,
            effects: out.effects,
        }
    }

    /// Returns the shortest list of facts that leads to this state, for a snapshot.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let began = self.history.began();
        let epoch = Record {
            at: began,
            fact: Fact::EpochBegun(self.history.epoch()),
        };
        let named = |network| Record {
            at: began,
            fact: Fact::NetworkNamed(network),
        };
        std::iter::once(epoch)
            .chain(self.history.network().map(named))
            .chain(self.peers.records(began))
            .chain(self.names.records(began))
            .chain(self.security.records())
            .chain(self.history.gap_records())
            .chain([self.history.record()])
            .collect()
    }

    /// Returns the number of this run of the tracker.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.history.epoch()
    }

    /// Returns the id of the network; none before the first start on a journal.
    #[must_use]
    pub const fn network(&self) -> Option<NetworkId> {
        self.history.network()
    }

    /// Returns whether some holders are still unknown after a restart.
    #[must_use]
    pub const fn is_in_safe_mode(&self) -> bool {
        self.peers.is_in_safe_mode()
    }

    /// Adopts a policy, and tells peers of the defaults for publishers if those have changed.
    fn adopt(&mut self, policy: Policy, out: &mut Outcome) {
        let Policy {
            timing,
            budget,
            defaults,
        } = policy;
        self.timing = timing;
        self.replicas.adopt(budget);
        if std::mem::replace(&mut self.defaults, defaults) != defaults {
            let epoch = self.history.epoch();
            for session in self.peers.sessions_of_today() {
                out.send(session, Order::Adopt { epoch, defaults });
            }
        }
    }

    fn begin_epoch(&mut self, now: Timestamp, out: &mut Outcome) -> Result<(), Rejection> {
        self.commit(now, Fact::EpochBegun(self.history.next_epoch()?), out);
        if self.history.network().is_none() {
            let network = NetworkId::from_bytes(self.rng.random());
            self.commit(now, Fact::NetworkNamed(network), out);
        }
        self.is_serving = true;
        let mut away = BTreeSet::new();
        // After a restoration these notes are not believed: the peers may have been back since.
        if self.history.gap().is_none() {
            for (peer, holdings) in self.peers.away(now) {
                self.replicas.believe(peer, holdings, &self.names);
                away.insert(peer);
            }
        }
        self.peers.begin_run(now, &away, &self.timing);
        Ok(())
    }

    fn publish(
        &mut self,
        now: Timestamp,
        publish: &Publish,
        caller: Caller,
        out: &mut Outcome,
    ) -> Result<Binding, Rejection> {
        let publisher = publish.publisher;
        self.peers.check_speaker(caller, publisher)?;
        self.peers.check_publisher(publisher, publish.incarnation)?;
        let parts = publish.parts.iter().flat_map(Parts::manifests);
        let contents = || std::iter::once(&publish.manifest).chain(parts.clone());
        for manifest in contents() {
            self.names.check_fragments(manifest)?;
            self.replicas.check_not_evicting(manifest.content(), publisher)?;
        }
        let (binding, fact) = self.names.publish(now, publish)?;
        if let Some(fact) = fact {
            self.commit(now, fact, out);
            for manifest in contents() {
                self.replicas.register_publisher(manifest, publisher);
            }
        }
        if let Some(fact) = self.names.describe(&binding) {
            self.commit(now, fact, out);
        }
        Ok(binding)
    }

    fn pin(&mut self, now: Timestamp, wish: &PinWish, out: &mut Outcome) -> Result<RevisionEntry, Rejection> {
        if let Some(fact) = self.names.pin(wish)? {
            self.commit(now, fact, out);
        }
        let (name, revision) = (&wish.what.name, wish.what.revision);
        let history = self.names.known(name)?;
        let revised = history.get(revision);
        let revised = revised.ok_or_else(|| self.names.missing(name, history, revision))?;
        Ok(self.entry(history, revised))
    }

    fn set_peer_mode(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        wish: RequestedMode,
        out: &mut Outcome,
    ) -> Result<PeerMode, Rejection> {
        let (mode, fact) = self.peers.request_mode(now, peer, wish)?;
        if let Some(fact) = fact {
            self.commit(now, fact, out);
            if mode != PeerMode::Active {
                self.replicas.cancel_assignments(peer);
            }
            self.replicas.mark_held_by(peer);
        }
        Ok(mode)
    }

    /// Forgets a peer that is lost: it may come back as a new one.
    fn forget_peer(&mut self, now: Timestamp, peer: PeerId, out: &mut Outcome) -> Result<(), Rejection> {
        match self.peers.get(peer) {
            None => Err(Rejection::NoSuchPeer(peer)),
            Some(known) if !known.is_lost() => Err(Rejection::NotLost(peer)),
            Some(_) => {
                self.commit(now, Fact::PeerForgotten(peer), out);
                Ok(())
            }
        }
    }

    /// Makes true what was decided about names, and returns the answer.
    fn decided<T>(
        &mut self,
        now: Timestamp,
        decision: Decision<T>,
        out: &mut Outcome,
    ) -> Result<T, Rejection> {
        let (answer, fact) = decision?;
        if let Some(fact) = fact {
            self.commit(now, fact, out);
        }
        Ok(answer)
    }

    /// Splits the state into the replicas, the random generator, and the context of decisions about replicas.
    fn context(&mut self, now: Timestamp) -> (Context<'_>, &mut Replicas, &mut Xoshiro256PlusPlus) {
        let context = Context {
            now,
            timing: &self.timing,
            epoch: self.history.epoch(),
            has_gap: self.history.gap().is_some(),
            names: &self.names,
            peers: &self.peers,
        };
        (context, &mut self.replicas, &mut self.rng)
    }

    /// Makes a fact true now, has it journaled, and lets replicas follow.
    fn commit(&mut self, now: Timestamp, fact: Fact, out: &mut Outcome) {
        let record = Record { at: now, fact };
        debug_assert_eq!(self.audit(&record), Ok(()), "{record:?}");
        out.records.push(record.clone());
        let change = self.evolve(record);
        self.replicas.follow(now, &change, &self.timing);
    }

    /// Makes a fact true; the only place where facts change. Returns the changed references to contents.
    fn evolve(&mut self, record: Record) -> RefChange {
        self.history.evolve(&record.fact, record.at);
        self.feed.push_fact(&record, &self.names, self.history.facts());
        self.peers.evolve(&record.fact, record.at);
        self.security.evolve(&record.fact, record.at);
        self.names.evolve(record.fact, record.at)
    }
}
