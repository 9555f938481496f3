//! Drives the production session of a peer on simulated time, network and disks.
//!
//! Looking at the store takes time; what is found is as of some moment in between, and other inputs come
//! meanwhile.

use std::collections::BTreeSet;

use peer::eviction::Eviction;
use peer::orders::Assignment;
use peer::session::{ANNOUNCE_DELAY, End as SessionEnd, Found, Input, LookUp, Output, Session};
use rand::RngExt as _;
use rand::seq::IteratorRandom as _;
use shared::model::{
    Answer, AssignmentFailure, ContentId, Epoch, EvictReason, Hello, Holding, KeyHash, Order, PeerId,
    Remaining, Report, RunTraits, Sample, SampleOutcome, Timestamp,
};
use store::{Belonging, FragmentStore as _, Publication};
use tokio::sync::broadcast::error::TryRecvError;
use tracker::state::SessionId;

use super::{PeerNumber, SimPeer};
use crate::dst::connections::{ConnectionId, Down, End, Up};
use crate::dst::contents;
use crate::dst::queue::Millis;
use crate::dst::world::{Act, World};

/// The longest time that a look at the store takes.
const LONGEST_LOOK: Millis = 20;

/// A change is announced by then: it waits for its delay, and for a look that has begun before.
const ANNOUNCED_BY: Millis = ANNOUNCE_DELAY.subsec_millis() as Millis + 2 * LONGEST_LOOK;

/// A session and what its driver remembers.
pub(in crate::dst) struct SimSession {
    pub(in crate::dst) connection: ConnectionId,
    /// The epoch of its tracker; before Welcome the newest that the peer knew.
    pub(in crate::dst) epoch: Epoch,
    machine: Session,
    /// When the next timer event comes.
    timer: Option<Millis>,
    /// When the oldest change came that is not being announced.
    changed_at: Option<Millis>,
}

impl SimSession {
    pub(super) const fn is_open(&self) -> bool {
        self.machine.is_open()
    }
}

/// The answer of a liar: everything that anyone may publish is here, and kept.
fn claims(look_up: &LookUp) -> Found {
    let all = contents::pool().iter().map(|content| Holding {
        content: content.manifest.content(),
        fragments: content.manifest.all_fragments(),
        keeps: true,
        is_assigned: true,
        is_fetching: false,
    });
    match look_up {
        LookUp::Digest => {
            let all: Vec<_> = all.collect();
            Found::Digest(all.iter().collect())
        }
        LookUp::Listing(buckets) => Found::Holdings(
            all.filter(|holding| buckets.is_none_or(|buckets| buckets.contains(holding.content)))
                .collect(),
            Vec::new(),
        ),
        LookUp::Contents(contents) => Found::Holdings(
            all.filter(|holding| contents.contains(&holding.content))
                .collect(),
            Vec::new(),
        ),
    }
}

impl SimPeer {
    /// Whether a tracker knows what this run holds.
    pub(in crate::dst) fn is_connected(&self) -> bool {
        self.session.as_ref().is_some_and(SimSession::is_open)
    }

    fn is_in_session(&self, connection: ConnectionId) -> bool {
        self.is_up
            && self
                .session
                .as_ref()
                .is_some_and(|session| session.connection == connection)
    }

    fn find(&self, look_up: &LookUp) -> Found {
        // Holdings of another network may be anything.
        if self.is_fake || self.is_abroad() {
            return claims(look_up);
        }
        look_up.answer(&self.store, |content| self.copies.contains_key(&content))
    }

    /// Whether it is of a version that says of which network it is.
    pub(in crate::dst) const fn names_networks(&self, number: PeerNumber) -> bool {
        !number.is_multiple_of(4)
    }

    /// Returns the key of the peer; some peers are older and have none.
    pub(in crate::dst) fn key(&self, number: PeerNumber) -> Option<KeyHash> {
        let id = self.id.as_bytes();
        let hash = [&id[..], id].concat().try_into().expect("32 bytes");
        (!number.is_multiple_of(4)).then_some(KeyHash::from_bytes(hash))
    }

    /// Whether it is of a version that looks at copies; and liars do not vouch for each other.
    pub(in crate::dst) fn can_check(&self, number: PeerNumber) -> bool {
        !self.is_fake && !number.is_multiple_of(5)
    }
}

impl World {
    /// Whether any member that runs looks at copies.
    pub(in crate::dst) fn can_anybody_check(&self) -> bool {
        let mut numbered = self.peers.iter().enumerate();
        numbered.any(|(number, peer)| peer.is_up && peer.can_check(number))
    }

    pub(super) const fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// Returns the session whose secret a peer has, and the run of the tracker that gave it.
    pub(in crate::dst) fn secret_of(&self, number: PeerNumber) -> Option<(u64, SessionId)> {
        let peer = &self.peers[number];
        peer.key(number).filter(|_| peer.is_connected())?;
        let connection = self.connections.get(&peer.session.as_ref()?.connection)?;
        Some((connection.tracker_run, connection.session?))
    }

    pub(in crate::dst) fn dial(&mut self, number: PeerNumber) {
        if self.peers[number].session.is_some() {
            return;
        }
        let connection = self.connect(number);
        let peer = &mut self.peers[number];
        // Subscribed before anything is looked up, so that no change falls between.
        peer.changes = peer.store.subscribe();
        let hello = Hello {
            peer: peer.id,
            incarnation: peer.incarnation(),
            // Some peers are older and draw no ids.
            run: (!number.is_multiple_of(4)).then_some(peer.run_id),
            address: format!("10.0.0.1:{}", 1000 + number).parse().expect("an address"),
            zone: peer.zone.as_ref().and_then(|zone| zone.parse().ok()),
            capacity: peer.capacity,
            used: peer.store.usage().used,
            network: peer.network,
            epoch: peer.epoch,
            mark: peer.mark,
            holdings: None,
            traits: RunTraits {
                can_probe: !number.is_multiple_of(3),
                can_check: peer.can_check(number),
                ..RunTraits::default()
            },
        };
        let (machine, outputs) = Session::begin(hello, peer.protected.clone());
        peer.session = Some(SimSession {
            connection,
            epoch: peer.epoch,
            machine,
            timer: None,
            changed_at: None,
        });
        self.carry_out(number, outputs);
    }

    /// Gives an input to the peer's session, if it has one.
    pub(in crate::dst) fn tell(&mut self, number: PeerNumber, input: Input) {
        let (now, millis) = (self.timestamp(), self.now);
        let Some(session) = &mut self.peers[number].session else {
            return;
        };
        if matches!(input, Input::Changed(_)) {
            session.changed_at.get_or_insert(millis);
        }
        let outputs = session.machine.handle(now, input);
        self.carry_out(number, outputs);
        self.check_announced(number);
    }

    fn carry_out(&mut self, number: PeerNumber, outputs: Vec<Output>) {
        for output in outputs {
            let Some(session) = &mut self.peers[number].session else {
                return;
            };
            let connection = session.connection;
            match output {
                Output::LookUp(look_up) => self.look_up(number, connection, look_up),
                Output::Hello(mut hello) => {
                    // Some peers are older and do not sum up what they hold.
                    hello.holdings.take_if(|_| number.is_multiple_of(4));
                    hello
                        .network
                        .take_if(|_| !self.peers[number].names_networks(number));
                    self.send_up(connection, Up::Hello(hello));
                }
                Output::TurnTo(network) => self.turn_to(number, network),
                Output::RaiseEpoch(epoch) => {
                    session.epoch = epoch;
                    let peer = &mut self.peers[number];
                    peer.epoch = peer.epoch.max(epoch);
                    self.say(format_args!("peer {number}: welcomed in epoch {epoch}"));
                    self.check_history(number, connection);
                }
                Output::CountOn(last) => {
                    let next = last.next().expect("no history has so many runs");
                    self.peers[number].incarnation = next.get();
                }
                Output::Opened(_) => {
                    // Earlier changes could not be announced.
                    session.changed_at = session.changed_at.map(|_| self.now);
                    let now = self.timestamp();
                    self.peers[number].rounds.connection_changed(now, true);
                    self.will_publish(number, 1);
                    self.report_failures(number);
                }
                Output::Report(report) => self.send_up(connection, Up::Report(Box::new(report))),
                Output::Look(order) => {
                    let wait = self.rng.random_range(1..500);
                    self.will(number, wait, Act::Looks(connection, order));
                }
                Output::Obey(order) => self.obey(number, order),
                Output::Refused(refusal) => {
                    self.say(format_args!("peer {number}: refuses an order: {refusal}"));
                }
                Output::Close(end) => self.close(number, connection, &end),
            }
        }
        self.plan_timer(number);
    }

    /// Looks at the store now and answers later, or looks later.
    fn look_up(&mut self, number: PeerNumber, connection: ConnectionId, look_up: LookUp) {
        let wait = self.rng.random_range(0..=LONGEST_LOOK);
        let peer = &mut self.peers[number];
        if let (LookUp::Contents(_), Some(session)) = (&look_up, &mut peer.session) {
            session.changed_at = None;
        }
        let act = match self.rng.random_bool(0.5) {
            true => Act::Finds(connection, self.peers[number].find(&look_up)),
            false => Act::LooksUp(connection, look_up),
        };
        self.will(number, wait, act);
    }

    pub(in crate::dst) fn looks_up(
        &mut self,
        number: PeerNumber,
        connection: ConnectionId,
        look_up: &LookUp,
    ) {
        let found = self.peers[number].find(look_up);
        self.finds(number, connection, found);
    }

    pub(in crate::dst) fn finds(&mut self, number: PeerNumber, connection: ConnectionId, found: Found) {
        if self.peers[number].is_in_session(connection) {
            self.tell(number, Input::Found(found));
        }
    }

    fn plan_timer(&mut self, number: PeerNumber) {
        let Some(session) = &mut self.peers[number].session else {
            return;
        };
        let Some(at) = session.machine.next_timer().map(Timestamp::as_millis) else {
            return;
        };
        let at = at.max(self.now);
        if session.timer.is_none_or(|planned| planned > at) {
            session.timer = Some(at);
            let connection = session.connection;
            self.will(number, at - self.now, Act::TimeUp(connection));
        }
    }

    pub(in crate::dst) fn time_up(&mut self, number: PeerNumber, connection: ConnectionId) {
        let now = self.now;
        let peer = &mut self.peers[number];
        let Some(session) = peer.session.as_mut() else {
            return;
        };
        // Another timer was planned instead.
        if session.connection != connection || session.timer.take_if(|at| *at == now).is_none() {
            return;
        }
        let (used, received) = (peer.store.usage().used, std::mem::take(&mut peer.received));
        let lent = peer.lent.len();
        peer.lent.retain(|(until, _)| *until > now);
        if peer.lent.len() < lent {
            self.protection_ended(number);
        }
        self.tell(
            number,
            Input::TimeUp {
                used,
                disk_free: None,
                received,
            },
        );
    }

    /// A guard of a protection was dropped: the session gets to know a moment later, and orders may come
    /// first.
    pub(super) fn protection_ended(&mut self, number: PeerNumber) {
        let delay = self.rng.random_range(0..3);
        self.will(number, delay, Act::ProtectionEnds);
    }

    fn close(&mut self, number: PeerNumber, connection: ConnectionId, end: &SessionEnd) {
        self.say(format_args!("peer {number}: ends its session: {end:?}"));
        if *end == SessionEnd::Left {
            self.session_over(number);
        }
        self.end_breaks(connection, End::Peer(number));
    }

    fn session_over(&mut self, number: PeerNumber) {
        let now = self.timestamp();
        let peer = &mut self.peers[number];
        peer.session = None;
        peer.rounds.connection_changed(now, false);
        self.abandon_round(number);
    }

    /// The peer's end of its connection is closed.
    pub(in crate::dst) fn connection_lost(&mut self, number: PeerNumber, connection: ConnectionId) {
        let wait = self.rng.random_range(200..3_000);
        if self.peers[number].is_in_session(connection) {
            self.session_over(number);
            self.will(number, wait, Act::Dials);
        }
    }

    pub(in crate::dst) fn peer_hears(&mut self, number: PeerNumber, connection: ConnectionId, message: Down) {
        if !self.peers[number].is_in_session(connection) {
            return;
        }
        match message {
            Down::Welcome(welcome) => self.tell(number, Input::Welcomed(welcome)),
            Down::Refused(refusal) => self.tell(number, Input::Refused(refusal)),
            Down::Order(order) => self.ordered_to(number, *order),
            Down::Ends(_) => {}
        }
    }

    /// Reports the assignments that failed, once the tracker listens.
    pub(super) fn report_failures(&mut self, number: PeerNumber) {
        while self.peers[number].is_connected() {
            let Some(failure) = self.peers[number].failures.pop_front() else {
                return;
            };
            self.tell(number, Input::Say(failure));
        }
    }

    /// The store has changed: the session gets to know a moment later, and orders may come first.
    pub(in crate::dst) fn changed(&mut self, number: PeerNumber, content: ContentId) {
        self.touched.insert(content);
        let peer = &mut self.peers[number];
        if peer.is_up && !peer.will_notice {
            peer.will_notice = true;
            let delay = self.rng.random_range(0..3);
            self.will(number, delay, Act::Notices);
        }
    }

    /// The fetching of a content began or ended, which the store does not tell.
    pub(in crate::dst) fn fetching_changed(&mut self, number: PeerNumber, content: ContentId) {
        self.tell(number, Input::Changed(content));
        self.changed(number, content);
    }

    pub(in crate::dst) fn notice(&mut self, number: PeerNumber) {
        self.peers[number].will_notice = false;
        loop {
            match self.peers[number].changes.try_recv() {
                Ok(content) => self.tell(number, Input::Changed(content)),
                Err(TryRecvError::Lagged(missed)) => self.tell(number, Input::ChangesMissed(missed)),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// A change that an open session knows of is announced soon, whatever else happens (7).
    fn check_announced(&mut self, number: PeerNumber) {
        let peer = &self.peers[number];
        let changed_at = peer.session.as_ref().and_then(|session| session.changed_at);
        if let Some(changed_at) = changed_at.filter(|_| peer.is_connected())
            && self.now > changed_at + ANNOUNCED_BY
        {
            let late = self.now - changed_at;
            self.violated(format_args!(
                "peer {number} has not announced a change for {late} ms"
            ));
        }
    }

    /// Takes an order in: an older peer does not know of copies that remain, and a liar obeys none.
    fn ordered_to(&mut self, number: PeerNumber, mut order: Order) {
        let is_new = self.peers[number].can_check(number);
        if let Order::Evict {
            content, remaining, ..
        } = &mut order
        {
            if !is_new {
                remaining.clear();
            }
            let (content, remaining) = (*content, remaining.clone());
            let missing = self.missing(number, content, &remaining);
            self.oracle.missing.insert((number, content), missing);
        }
        self.tell(number, Input::Ordered(order));
    }

    /// Returns the holders of copies that are to remain and have nothing of what the peer would drop.
    fn missing(&self, number: PeerNumber, content: ContentId, remaining: &[Remaining]) -> BTreeSet<PeerId> {
        let Some(own) = self.peers[number].store.entry(content) else {
            return BTreeSet::new();
        };
        let has_any = |copy: &Remaining| {
            let other = self.peer_of(copy.holder.peer);
            let of = copy
                .fragments
                .iter()
                .filter(|_| copy.fragments.capacity() == own.held.capacity());
            let mut common = of.filter(|index| own.held.contains(*index)).peekable();
            common.peek().is_none()
                || other.is_some_and(|other| common.any(|index| self.peers[other].has(content, index)))
        };
        let missing = remaining.iter().filter(|copy| !has_any(copy));
        missing.map(|copy| copy.holder.peer).collect()
    }

    /// Reads a sample from a holder. Sometimes the network between them fails.
    fn read_sample(&mut self, number: PeerNumber, holder: PeerId, sample: &Sample) -> SampleOutcome {
        let has_failed = !self.is_quiescent && self.rng.random_bool(0.05);
        let other = self.peer_of(holder).filter(|other| self.peers[*other].is_up);
        let other = other.filter(|other| !self.are_cut(End::Peer(number), End::Peer(*other)) && !has_failed);
        match other {
            None => SampleOutcome::Unreached("timed out".to_owned()),
            Some(other) if self.peers[other].has(sample.content(), sample.fragment()) => {
                SampleOutcome::Proved
            }
            Some(other) => {
                // Wrong bytes are disputed.
                self.verify(other, sample.content(), sample.fragment());
                SampleOutcome::Denied("not here".to_owned())
            }
        }
    }

    pub(in crate::dst) fn checks(&mut self, number: PeerNumber, check: u64, holder: PeerId, sample: &Sample) {
        let outcome = self.read_sample(number, holder, sample);
        self.tell(number, Input::Say(Report::Checked { check, outcome }));
    }

    /// Looks at a random block of every copy that is to remain.
    pub(in crate::dst) fn looks(&mut self, number: PeerNumber, connection: ConnectionId, order: Order) {
        let Order::Evict {
            content, remaining, ..
        } = &order
        else {
            return;
        };
        let mut unread = Vec::new();
        for copy in remaining {
            let Some(entry) = self.peers[number].store.entry(*content) else {
                continue;
            };
            let mut common = copy.fragments.clone();
            if common.capacity() != entry.held.capacity() {
                continue;
            }
            common.intersect_with(&entry.held);
            let Some(fragment) = common.iter().choose(&mut self.rng) else {
                continue;
            };
            let sample = Sample::of(&entry.manifest, fragment, 0);
            match self.read_sample(number, copy.holder.peer, &sample) {
                SampleOutcome::Proved => {}
                outcome => unread.push((copy.holder.peer, outcome)),
            }
        }
        if self.peers[number].is_in_session(connection) {
            self.tell(number, Input::Looked { order, unread });
        }
    }

    fn obey(&mut self, number: PeerNumber, order: Order) {
        if self.peers[number].is_fake {
            return;
        }
        let current = self.peers[number].session.as_ref().map(|session| session.epoch);
        if current != Some(order.epoch()) {
            return self.violated(format_args!("peer {number} obeyed a tracker that is gone"));
        }
        match order {
            Order::Assign {
                epoch,
                manifest,
                fragments,
                sources,
            } => {
                let content = manifest.content();
                self.say(format_args!(
                    "peer {number}: is to hold {} of {}",
                    fragments.len(),
                    content.short()
                ));
                let is_taken = self.peers[number].orders.accept(Assignment {
                    epoch,
                    manifest,
                    fragments,
                    sources,
                });
                match is_taken {
                    true => self.will(number, 0, Act::Works),
                    false => self.fail(number, content, AssignmentFailure::NoRoom),
                }
            }
            Order::Evict {
                content,
                reason,
                remaining,
                ..
            } => {
                self.check_remaining(number, content, &remaining);
                self.evict(number, content, reason);
            }
            Order::Check {
                check,
                holder,
                sample,
                ..
            } => {
                let delay = self.rng.random_range(1..500);
                self.will(number, delay, Act::Checks(check, holder.peer, sample));
            }
            Order::Probe { probe, peer, .. } => {
                let delay = self.rng.random_range(0..200);
                self.will(number, delay, Act::Dialled(probe, peer));
            }
            Order::Remember(mark) => self.peers[number].mark = Some(mark),
            Order::Ask { .. } | Order::Reach { .. } | Order::Adopt { .. } => {}
        }
    }

    /// Tells the tracker whether a peer was there when this one dialled it. Sometimes the network between
    /// them fails.
    pub(in crate::dst) fn dialled(&mut self, number: PeerNumber, probe: u64, subject: PeerId) {
        let is_there = self.peers.iter().any(|peer| peer.is_up && peer.id == subject);
        let has_failed = !self.is_quiescent && self.rng.random_bool(0.1);
        let outcome = match is_there && !has_failed {
            true => Ok(Answer::Peer(subject)),
            false => Err("connection refused".to_owned()),
        };
        self.tell(number, Input::Say(Report::Probed { probe, outcome }));
    }

    /// Checks that no peer drops its copy because of one that was not there all the time since the order
    /// came (6).
    fn check_remaining(&mut self, number: PeerNumber, content: ContentId, remaining: &[Remaining]) {
        let before = self.oracle.missing.remove(&(number, content)).unwrap_or_default();
        let now = self.missing(number, content, remaining);
        if let Some(holder) = before.intersection(&now).next() {
            let holder = *holder;
            self.violated(format_args!(
                "peer {number} drops {} because of the copy of {holder}, which is not there",
                content.short()
            ));
        }
    }

    fn evict(&mut self, number: PeerNumber, content: ContentId, reason: EvictReason) {
        self.withdraw_orders(number, content);
        let peer = &mut self.peers[number];
        let publications: Vec<Publication> = peer.outbox.values().cloned().collect();
        let pending = publications.iter().filter(|publication| publication.is_pending());
        let parts = pending.flat_map(|publication| contents::parts_of(publication.content));
        let parts = parts.map(|part| part.manifest.content()).collect();
        let eviction = Eviction::of(content, reason, Belonging::Here, &publications, &parts);
        let freed = eviction.carry_out(content, &peer.store, &|| false);
        for publication in eviction.forgotten() {
            peer.outbox.remove(&publication.name);
        }
        self.say(format_args!(
            "peer {number}: evicts {} ({reason:?}): {eviction:?}, {freed:?}",
            content.short()
        ));
        self.forgotten(number, content);
    }

    /// The peer has dropped its copy, or a reason for it.
    pub(in crate::dst) fn forgotten(&mut self, number: PeerNumber, content: ContentId) {
        let peer = &mut self.peers[number];
        if peer.store.entry(content).is_none() {
            peer.rotten.retain(|(rotten, _)| *rotten != content);
        }
        self.changed(number, content);
    }
}
