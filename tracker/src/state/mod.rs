//! Everything the tracker knows, and the one function that changes it.
//!
//! [`State::apply`] is a synchronous function of the state, a command and the time: no I/O, no clock, no lock, and
//! randomness only from a seeded generator inside. What must be made durable and what must be done outside is
//! *returned*, never performed. Given the same seed and commands, two states are the same.
//!
//! Two kinds of knowledge: *facts* (names, tombstones, contents, who is a member, the epoch) are journaled and
//! replayed; *beliefs* (who lives, who holds what, what is assigned) are learnt anew from the peers after a restart,
//! during which safe mode keeps the tracker from acting on what it does not know yet. (What peers keep that are away for
//! maintenance is a fact for as long: they cannot be asked.)
//!
//! Invariants, asserted by [`State::check`]: a name's revision only grows; only replicas on peers that are not lost
//! count; orders go only to the current session of a live peer whose inventory is known; reserved room is the sum of
//! what is assigned; nothing of a named content is evicted while a fragment would fall below the target on live
//! peers; in safe mode nothing is evicted, given up or repaired.

mod absence;
mod agenda;
mod assessment;
mod assignments;
mod audit;
mod catalogue;
mod check;
mod collections;
mod command;
mod continuity;
mod drain;
mod feed;
mod history;
mod holders;
mod line;
mod losses;
mod membership;
mod naming;
mod news;
mod outage;
mod pace;
mod peer_mode;
mod planning;
mod reasons;
mod recollection;
mod reconciliation;
mod record;
mod release;
mod renaming;
mod repair;
mod revisions;
mod room;
mod session;
mod spending;
mod survey;
mod tick;
mod view;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;
use shared::model::{ContentId, Epoch, Name, PeerId, PeerMode, Timestamp};

use crate::policy::Policy;
use crate::timing::Timing;
use absence::Absences;
use agenda::Agenda;
use assignments::Assignments;
use catalogue::{Bind, Catalogue, Settled};
use history::History;
use holders::Holders;
use membership::{Life, Membership};
use news::News;
use pace::Pace;
use spending::Spending;

pub use command::{Applied, Closing, Command, Effect, Publish, Rejection, Reply, SessionId};
pub use drain::DrainSurvey;
pub use history::Gap;
pub use record::{EpochBegin, Fact, LineFact, Past, Record, Registration};
pub use survey::Surveying;
pub use view::{PeersPage, Status};

/// Everything the tracker knows.
#[derive(Debug)]
pub struct State {
    timing: Timing,
    rng: Xoshiro256PlusPlus,
    epoch: Epoch,
    epoch_at: Timestamp,
    is_serving: bool,
    history: History,
    /// When time last passed, as far as the state was told.
    ticked_at: Timestamp,
    catalogue: Catalogue,
    members: Membership,
    /// What those keep that are away for maintenance.
    absences: Absences,
    holders: Holders,
    assignments: Assignments,
    agenda: Agenda,
    safe_mode: Option<SafeMode>,
    /// Contents that are announced but have no name, and when they may be evicted.
    orphans: BTreeMap<ContentId, Timestamp>,
    /// Evictions ordered and not yet answered, and when to repeat them.
    evictions: BTreeMap<(ContentId, PeerId), Timestamp>,
    /// Since when a content has had more replicas than it needs.
    surplus: BTreeMap<ContentId, Timestamp>,
    /// How far the sweep over all contents has come.
    swept: Option<ContentId>,
    /// How far the one over all names has.
    aged: Option<Name>,
    /// The share of all ready peers' capacity that was free at the last tick.
    free_share: u64,
    /// How fast replicas are being made.
    pace: Pace,
    /// What repair may still begin.
    spending: Spending,
    /// Whether many peers have fallen silent together.
    has_outage: bool,
    /// What watchers are told.
    news: News,
}

/// The time after a restart in which not all holders are known.
#[derive(Debug)]
struct SafeMode {
    /// Who has not reported yet.
    waiting_for: BTreeSet<PeerId>,
    until: Timestamp,
}

/// What a command gathers while it is applied.
#[derive(Debug, Default)]
struct Outcome {
    records: Vec<Record>,
    effects: Vec<Effect>,
}

impl State {
    /// Knows nothing yet. The seed decides every random choice.
    #[must_use]
    pub fn new(policy: impl Into<Policy>, seed: u64) -> Self {
        let Policy { timing, budget } = policy.into();
        Self {
            timing,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            epoch: Epoch::new(0),
            epoch_at: Timestamp::default(),
            is_serving: false,
            history: History::default(),
            ticked_at: Timestamp::default(),
            catalogue: Catalogue::default(),
            members: Membership::default(),
            absences: Absences::default(),
            holders: Holders::default(),
            assignments: Assignments::default(),
            agenda: Agenda::default(),
            safe_mode: None,
            orphans: BTreeMap::new(),
            evictions: BTreeMap::new(),
            surplus: BTreeMap::new(),
            swept: None,
            aged: None,
            free_share: 0,
            pace: Pace::default(),
            spending: Spending::new(budget),
            has_outage: false,
            news: News::default(),
        }
    }

    /// Takes in a fact from the journal.
    pub fn replay(&mut self, record: Record) {
        // What a fact sets in motion (orphans, agenda) is for a tracker that knows holders; after a restart none are.
        drop(self.evolve(record));
        // Who lives is not known yet.
        drop(self.members.take_touched());
    }

    /// Carries out a command, or rejects it and changes nothing.
    pub fn apply(&mut self, now: Timestamp, command: Command) -> Applied {
        let mut out = Outcome::default();
        let reply = match command {
            Command::BeginEpoch => {
                self.begin_epoch(now, &mut out);
                Ok(Reply::Done)
            }
            _ if !self.is_serving => Err(Rejection::NotServing),
            Command::Publish(publish) => self.publish(now, publish, &mut out).map(Reply::Published),
            Command::Remove { name, expected } => {
                self.remove(now, name, expected, &mut out).map(Reply::Removed)
            }
            Command::Rename { from, to, expected } => self
                .rename(now, from, to, expected, &mut out)
                .map(Reply::Published),
            Command::SetTarget {
                name,
                expected,
                target,
            } => self
                .set_target(now, name, expected, target, &mut out)
                .map(Reply::Published),
            Command::Adopt(policy) => {
                let Policy { timing, budget } = *policy;
                self.timing = timing;
                self.spending.adopt(budget);
                Ok(Reply::Done)
            }
            Command::KeepRevisions(limit) => {
                self.keep_revisions(now, limit, &mut out);
                Ok(Reply::Done)
            }
            Command::Pin(wish) => self.pin(now, wish, &mut out).map(Reply::Pinned),
            Command::SetPeerMode { peer, wish } => self
                .set_peer_mode(now, peer, wish, &mut out)
                .map(Reply::ModeReport),
            Command::Release { peer, content } => {
                self.release(now, peer, content, &mut out).map(|()| Reply::Done)
            }
            Command::OpenSession { session, hello } => self
                .open_session(now, session, hello, &mut out)
                .map(Reply::Welcomed),
            Command::Report { session, report } => {
                self.report(now, session, report, &mut out).map(|()| Reply::Done)
            }
            Command::CloseSession { session } => {
                self.close_session(now, session);
                Ok(Reply::Done)
            }
            Command::Tick => {
                self.tick(now, &mut out);
                Ok(Reply::Done)
            }
        };
        self.tell_peers();
        Applied {
            reply,
            records: out.records,
            effects: out.effects,
        }
    }

    /// The shortest list of facts that leads to this state: what a snapshot holds.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let epoch = Record {
            at: self.epoch_at,
            fact: Fact::EpochBegun(self.epoch),
        };
        std::iter::once(epoch)
            .chain(self.members.records())
            .chain(self.absences.records(self.epoch_at))
            .chain(self.catalogue.records(self.epoch_at))
            .chain(self.history.gap_records(self.epoch_at))
            .chain([self.history.record(self.epoch_at)])
            .collect()
    }

    /// The number of this run of the tracker.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether not all holders are known yet after a restart.
    #[must_use]
    pub const fn is_in_safe_mode(&self) -> bool {
        self.safe_mode.is_some()
    }

    fn begin_epoch(&mut self, now: Timestamp, out: &mut Outcome) {
        self.commit(now, Fact::EpochBegun(self.epoch.next()), out);
        (self.is_serving, self.ticked_at) = (true, now);
        let away = self.believe_absences(now);
        let mut waiting_for = BTreeSet::new();
        let known: Vec<_> = self
            .members
            .iter()
            .filter(|peer| !peer.is_lost())
            .map(|p| p.registration.peer)
            .collect();
        for id in known {
            if let Some(peer) = self.members.get_mut(id) {
                // The time that the tracker was away is not held against anyone.
                peer.life = Life::Suspect { since: now };
                if !away.contains(&id) {
                    waiting_for.insert(id);
                }
            }
        }
        if !waiting_for.is_empty() {
            self.safe_mode = Some(SafeMode {
                waiting_for,
                until: now.after(self.timing.safe_mode),
            });
        }
    }

    /// Makes a fact true now and has it journaled. Returns what that means for contents.
    fn commit(&mut self, now: Timestamp, fact: Fact, out: &mut Outcome) -> Settled {
        self.commit_at(Record { at: now, fact }, out)
    }

    fn commit_at(&mut self, record: Record, out: &mut Outcome) -> Settled {
        out.records.push(record.clone());
        self.evolve(record)
    }

    /// The only place where facts change.
    fn evolve(&mut self, record: Record) -> Settled {
        let at = record.at;
        self.history.count();
        self.tell_fact(&record);
        match record.fact {
            Fact::EpochBegun(epoch) => {
                (self.epoch, self.epoch_at) = (epoch, at);
                self.history.begin(epoch, at);
            }
            Fact::History { facts, epochs } => self.history.restore(facts, epochs),
            Fact::GapDeclared => self.history.declare_gap(),
            Fact::GapFound { peer, seen } => self.history.find_gap(peer, seen),
            Fact::GapAccepted => self.history.accept_gap(),
            Fact::PeerRegistered(registration) => {
                self.absences.forget(registration.peer);
                self.members.register(registration, at);
            }
            Fact::PeerGone(peer) => {
                self.absences.forget(peer);
                self.members.lose(peer, at);
            }
            Fact::PeerForgotten(peer) => {
                self.absences.forget(peer);
                self.members.forget(peer);
            }
            Fact::WentAway {
                peer,
                holdings,
                is_more,
            } => self.absences.note(peer, holdings, is_more),
            Fact::Published {
                name,
                revision,
                target,
                manifest,
                publishers,
                parts,
            } => {
                let bind = Bind {
                    name,
                    revision,
                    target,
                    manifest,
                    publishers,
                    parts,
                };
                return self.catalogue.bind(bind, at);
            }
            Fact::Removed { name, revision } => return self.catalogue.remove(&name, revision, at),
            Fact::Renamed {
                from,
                tombstone,
                to,
                revision,
            } => return self.catalogue.rename(&from, tombstone, &to, revision, at),
            Fact::TargetChanged { name, target } => return self.catalogue.set_target(&name, target),
            Fact::Line(fact) => return self.catalogue.recall(fact, at),
            Fact::DutyChanged { peer, mode } => {
                if !matches!(mode, PeerMode::Maintenance { .. }) {
                    self.absences.forget(peer);
                }
                self.members.set_peer_mode(peer, mode, at);
            }
        }
        Settled::default()
    }
}
