//! The simulated world of one history, and its loop of events.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use peer::session::{Found, Input, LookUp};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use shared::model::{ContentId, Digest, FragmentIndex, Order, PeerId, Sample};

use super::calls::{Call, CallId, Outcome};
use super::connections::{Connection, ConnectionId, Down, End, Up};
use super::oracle::Oracle;
use super::peer::{PeerNumber, SimPeer};
use super::profile::Profile;
use super::queue::{Millis, Queue};
use super::trace::Trace;
use super::tracker::SimTracker;

/// An event.
#[derive(Debug)]
pub(super) enum Event {
    /// The tracker of this run takes what is in its inbox; its disk has synced; its clock ticks; a new one
    /// starts.
    Works(u64),
    Synced(u64),
    Ticks(u64),
    TrackerStarts,
    /// A message of a session reaches the tracker or the peer; an end of its connection finds out that it is
    /// broken.
    Up(ConnectionId, Up),
    Down(ConnectionId, Down),
    Breaks(ConnectionId, End),
    /// An attempt at a call reaches the tracker; its answer the caller; the caller waits no longer or tries
    /// again.
    Asks(CallId, u32),
    Answers(CallId, u32, Outcome),
    TimesOut(CallId, u32),
    Retries(CallId),
    /// A peer's process acts by itself; nothing happens if it is not in this run any more.
    Peer(PeerNumber, u64, Act),
    PeerStarts(PeerNumber),
    LiarComes,
    /// A fragment is asked of a peer; the copy arrives; the peer refuses; a copy is said to be rotten.
    Wanted(Request),
    Arrives(Request, Bytes, Vec<Digest>),
    Refused(Request),
    Disputed(PeerId, ContentId, FragmentIndex),
    /// Users, operators and faults.
    Operates,
    Fault,
    Heals(End, End),
    Mends(PeerNumber),
    /// The faults stop; the world is checked for quiescence.
    FaultsStop,
    ChecksQuiescence,
    /// The tracker's journal is copied, and restored from the copy.
    BacksUp,
    Restores,
    /// The administrator revokes a peer; its machine joins again.
    Revokes(PeerNumber),
    JoinsAgain(PeerNumber),
}

/// An act of a peer's process by itself.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Dials,
    /// Its session looks at the store, or gets the answer to a look-up.
    LooksUp(ConnectionId, LookUp),
    Finds(ConnectionId, Found),
    TimeUp(ConnectionId),
    Notices,
    ProtectionEnds,
    Publishes,
    Commits(ContentId),
    GivesUp(ContentId, u64),
    /// It has dialled another peer for the tracker.
    Dialled(u64, PeerId),
    /// It has looked at a copy for the tracker, or at those that remain when it drops its own.
    Checks(u64, PeerId, Sample),
    Looks(ConnectionId, Order),
    Works,
}

/// One fragment asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) number: u64,
    pub(super) by: PeerNumber,
    pub(super) run: u64,
    pub(super) of: PeerId,
    pub(super) content: ContentId,
    pub(super) index: FragmentIndex,
}

/// See the [module](self).
pub(super) struct World {
    pub(super) now: Millis,
    pub(super) rng: Xoshiro256PlusPlus,
    pub(super) queue: Queue<Event>,
    pub(super) trace: Trace,
    pub(super) profile: Profile,
    pub(super) tracker: SimTracker,
    pub(super) peers: Vec<SimPeer>,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    pub(super) calls: BTreeMap<CallId, Call>,
    /// Pairs that cannot reach each other.
    pub(super) cuts: BTreeSet<(End, End)>,
    pub(super) oracle: Oracle,
    /// Contents whose copies changed since the invariants were checked last.
    pub(super) touched: BTreeSet<ContentId>,
    pub(super) is_quiescent: bool,
    pub(super) violation: Option<String>,
    pub(super) is_over: bool,
    pub(super) events: u64,
    pub(super) numbers: u64,
}

/// Events of a history: with more of them something goes round in circles.
const MAX_EVENTS: u64 = 3_000_000;

impl World {
    pub(super) fn new(seed: u64, peers: Option<usize>, keeps_lines: bool) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let profile = Profile::draw(&mut rng, peers);
        let mut world = Self {
            now: 0,
            queue: Queue::new(),
            trace: Trace::new(keeps_lines),
            tracker: SimTracker::default(),
            peers: Vec::new(),
            connections: BTreeMap::new(),
            calls: BTreeMap::new(),
            cuts: BTreeSet::new(),
            oracle: Oracle::default(),
            touched: BTreeSet::new(),
            is_quiescent: false,
            violation: None,
            is_over: false,
            events: 0,
            numbers: 0,
            profile,
            rng,
        };
        world.trace.add(0, format_args!("{:?}", world.profile));
        world.plan(0, Event::TrackerStarts);
        for _ in 0..world.profile.peers {
            world.add_peer();
        }
        for _ in 0..world.profile.fakes {
            let at = world.rng.random_range(0..world.profile.faults_stop);
            world.plan(at, Event::LiarComes);
        }
        world.plan(500, Event::Operates);
        world.plan(3_000, Event::Fault);
        world.plan(world.profile.faults_stop, Event::FaultsStop);
        if world.profile.is_restored {
            let at = world.rng.random_range(1_000..world.profile.faults_stop);
            world.plan(at, Event::BacksUp);
        }
        world
    }

    pub(super) fn run(&mut self) {
        while let Some((now, event)) = self.queue.next() {
            self.now = now;
            self.events += 1;
            self.happen(event);
            self.check_invariants();
            if self.events > MAX_EVENTS {
                self.violated(format_args!("{MAX_EVENTS} events and no end"));
            }
            if self.is_over || self.violation.is_some() {
                return;
            }
        }
    }

    pub(super) fn plan(&mut self, after: Millis, event: Event) {
        self.queue.plan(self.now + after, event);
    }

    /// Returns a number that is unique in this history.
    pub(super) const fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn say(&mut self, what: fmt::Arguments<'_>) {
        self.trace.add(self.now, what);
    }

    pub(super) fn violated(&mut self, what: fmt::Arguments<'_>) {
        self.say(format_args!("VIOLATION: {what}"));
        if self.violation.is_none() {
            self.violation = Some(what.to_string());
        }
    }

    pub(super) fn chance(&mut self, of: f64) -> bool {
        !self.is_quiescent && self.rng.random_bool(of)
    }

    /// Returns the time that a message takes now.
    pub(super) fn delay(&mut self) -> Millis {
        let usual = self.profile.delay;
        if self.chance(0.05) {
            self.rng.random_range(1..=self.profile.longest_delay)
        } else {
            self.rng.random_range(1..=usual)
        }
    }

    pub(super) fn are_cut(&self, one: End, other: End) -> bool {
        self.cuts.contains(&(one.min(other), one.max(other)))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Works(run) => self.tracker_works(run),
            Event::Synced(run) => self.tracker_synced(run),
            Event::Ticks(run) => self.tracker_ticks(run),
            Event::TrackerStarts => self.start_tracker(),
            Event::Up(connection, message) => self.up_arrives(connection, message),
            Event::Down(connection, message) => self.down_arrives(connection, message),
            Event::Breaks(connection, end) => self.end_breaks(connection, end),
            Event::Asks(call, attempt) => self.tracker_is_asked(call, attempt),
            Event::Answers(call, attempt, outcome) => self.call_answered(call, attempt, outcome),
            Event::TimesOut(call, attempt) => self.call_timed_out(call, attempt),
            Event::Retries(call) => self.attempt(call),
            Event::Peer(peer, run, act) if self.peers[peer].is_in(run) => self.act(peer, act),
            Event::Peer(..) => {}
            Event::PeerStarts(peer) => self.start_peer(peer),
            Event::LiarComes => self.add_fake(),
            Event::Wanted(request) => self.fragment_wanted(request),
            Event::Arrives(request, bytes, leaves) => self.fragment_arrives(request, &bytes, leaves),
            Event::Refused(request) => self.fragment_refused(request),
            Event::Disputed(peer, content, index) => self.disputed(peer, content, index),
            Event::Operates => self.operate(),
            Event::Fault => self.inject_fault(),
            Event::Heals(one, other) => drop(self.cuts.remove(&(one, other))),
            Event::Mends(peer) => self.peers[peer].is_disk_broken = false,
            Event::FaultsStop => self.stop_faults(),
            Event::ChecksQuiescence => self.check_quiescence(),
            Event::BacksUp => self.back_up(),
            Event::Restores => self.restore(),
            Event::Revokes(peer) => self.revoke(peer),
            Event::JoinsAgain(peer) => self.join_again(peer),
        }
    }

    fn act(&mut self, peer: PeerNumber, act: Act) {
        match act {
            Act::Dials => self.dial(peer),
            Act::LooksUp(connection, look_up) => self.looks_up(peer, connection, &look_up),
            Act::Finds(connection, found) => self.finds(peer, connection, found),
            Act::TimeUp(connection) => self.time_up(peer, connection),
            Act::Notices => self.notice(peer),
            Act::Dialled(probe, subject) => self.dialled(peer, probe, subject),
            Act::Checks(check, holder, sample) => self.checks(peer, check, holder, &sample),
            Act::Looks(connection, order) => self.looks(peer, connection, order),
            Act::ProtectionEnds => self.tell(peer, Input::ProtectionEnded),
            Act::Publishes => self.publish_next(peer),
            Act::Commits(content) => self.commit_copy(peer, content),
            Act::GivesUp(content, number) => self.request_failed(peer, content, number),
            Act::Works => self.take_assignments(peer),
        }
    }
}
