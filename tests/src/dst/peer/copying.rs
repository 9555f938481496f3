//! A plain fetcher: makes room, asks for one fragment after the other, verifies, writes and syncs each. The
//! order of the steps is that of `peer::orders`; the choice of sources is simpler than the scheduler's.

use std::collections::VecDeque;

use bytes::Bytes;
use peer::orders::{Action, Assignment, Ending, OrderNumber, failure_to_prepare};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use shared::Coded as _;
use shared::hash::FragmentProof;
use shared::model::{
    AssignmentFailure, ContentId, ContentRef, Digest, FragmentIndex, FragmentSet, Manifest, PeerId, Received,
    Report,
};
use store::{FragmentStore as _, Purpose, Role, StoreError, verify_fragment};

use super::PeerNumber;
use crate::dst::calls::{Answered, Outcome, Purpose as CallPurpose, Question};
use crate::dst::connections::End;
use crate::dst::contents;
use crate::dst::world::{Act, Event, Request, World};

/// The longest wait for a source.
const PATIENCE: u64 = 4_000;

/// Questions to the tracker for sources before a copy is given up.
const ROUNDS: u32 = 3;

/// The time between two looks at open orders.
const LOOK: u64 = 1_000;

/// A content that is being fetched.
pub(super) struct Copying {
    manifest: Manifest,
    wanted: FragmentSet,
    sources: VecDeque<PeerId>,
    rounds: u32,
    /// The request under way; none while waiting for sources or the disk.
    request: Option<u64>,
    written: Vec<FragmentProof>,
    /// Whether the user waits for it.
    pub(super) is_get: bool,
    /// The orders that want it.
    orders: Vec<OrderNumber>,
    /// Bytes that have arrived.
    useful: u64,
}

impl World {
    /// Looks at the open orders, and looks again while there are any.
    pub(in crate::dst) fn take_assignments(&mut self, number: PeerNumber) {
        let (now, millis) = (self.timestamp(), self.now);
        let peer = &mut self.peers[number];
        peer.orders.begin_epoch(peer.epoch);
        for copy in peer.copies.values() {
            for order in &copy.orders {
                peer.orders.progress(now, *order, copy.useful, copy.rounds > 0);
            }
        }
        while let Some(action) = self.peers[number].orders.next(now) {
            match action {
                Action::Begin(order, assignment) => self.begin_order(number, order, &assignment),
                Action::End(order) => self.end_order(number, order),
                Action::GiveBack(content, fragments) => self.give_back(number, content, &fragments),
                Action::GiveUp(content, _) => self.fail(number, content, AssignmentFailure::NoSource),
            }
        }
        let peer = &mut self.peers[number];
        if !peer.orders.is_empty() && peer.works_at.is_none_or(|at| at <= millis) {
            peer.works_at = Some(millis + LOOK);
            self.will(number, LOOK, Act::Works);
        }
    }

    fn give_back(&mut self, number: PeerNumber, content: ContentId, fragments: &FragmentSet) {
        let peer = &mut self.peers[number];
        let is_written = peer.copies.contains_key(&content) || peer.is_disk_broken;
        if is_written || peer.store.entry(content).is_none() {
            return;
        }
        if peer.store.give_back(content, fragments).is_ok() && peer.store.entry(content).is_none() {
            self.forgotten(number, content);
        }
    }

    fn begin_order(&mut self, number: PeerNumber, order: OrderNumber, assignment: &Assignment) {
        let (manifest, fragments) = (&assignment.manifest, &assignment.fragments);
        let content = manifest.content();
        if let Err(error) = self.prepare(number, manifest, Purpose::Assigned(fragments.clone())) {
            if self.order_ended(number, order, content) {
                self.fail(number, content, failure_to_prepare(error.code()));
            }
            return;
        }
        let sources = assignment.sources.iter().map(|source| source.peer).collect();
        self.copy(number, manifest, fragments, sources, Some(order));
    }

    pub(in crate::dst) fn prepare(
        &mut self,
        number: PeerNumber,
        manifest: &Manifest,
        purpose: Purpose,
    ) -> Result<(), StoreError> {
        let peer = &mut self.peers[number];
        if peer.is_disk_broken {
            return Err(broken());
        }
        peer.store.prepare(manifest, purpose)?;
        self.changed(number, manifest.content());
        Ok(())
    }

    pub(in crate::dst) fn copy(
        &mut self,
        number: PeerNumber,
        manifest: &Manifest,
        wanted: &FragmentSet,
        sources: Vec<PeerId>,
        order: Option<OrderNumber>,
    ) {
        let content = manifest.content();
        let copies = &mut self.peers[number].copies;
        let copy = copies.entry(content).or_insert_with(|| Copying {
            manifest: manifest.clone(),
            wanted: manifest.no_fragments(),
            sources: VecDeque::new(),
            rounds: 0,
            request: None,
            written: Vec::new(),
            is_get: false,
            orders: Vec::new(),
            useful: 0,
        });
        copy.wanted.union_with(wanted);
        copy.sources.extend(sources);
        copy.is_get |= order.is_none();
        copy.orders.extend(order);
        self.fetching_changed(number, content);
        self.go_on(number, content);
    }

    pub(super) fn fail(&mut self, number: PeerNumber, content: ContentId, failure: AssignmentFailure) {
        self.say(format_args!(
            "peer {number}: cannot hold {}: {failure:?}",
            content.short()
        ));
        let detail = String::new();
        self.peers[number].failures.push_back(Report::AssignmentFailed {
            content,
            failure,
            detail,
        });
        self.report_failures(number);
    }

    /// Takes the next step of a copy: asks for a fragment or for sources, or ends it.
    fn go_on(&mut self, number: PeerNumber, content: ContentId) {
        let (delay, request) = (self.delay(), self.number());
        let peer = &mut self.peers[number];
        let Some(copy) = peer.copies.get_mut(&content) else {
            return;
        };
        let Some(entry) = peer.store.entry(content) else {
            // It was evicted or forgotten meanwhile.
            self.end_copy(number, content);
            return;
        };
        if copy.request.is_some() || !copy.written.is_empty() {
            return;
        }
        let mut lacking = copy.wanted.clone();
        lacking.subtract(&entry.held);
        let Some(index) = lacking.iter().next() else {
            self.end_copy(number, content);
            return;
        };
        let Some(of) = copy.sources.pop_front() else {
            copy.rounds += 1;
            if copy.rounds > ROUNDS {
                if self.end_copy(number, content) {
                    self.fail(number, content, AssignmentFailure::NoSource);
                }
                return;
            }
            let except = Some(peer.id);
            let question = Question::Locate(ContentRef::Id(content), except);
            return self.call(number, question, CallPurpose::Sources(content), 2);
        };
        copy.request = Some(request);
        let run = peer.run;
        let asked = Request {
            number: request,
            by: number,
            run,
            of,
            content,
            index,
        };
        if self.can_reach(number, of) {
            self.plan(delay, Event::Wanted(asked));
        }
        self.will(number, PATIENCE, Act::GivesUp(content, request));
    }

    fn can_reach(&self, number: PeerNumber, other: PeerId) -> bool {
        self.peer_of(other)
            .is_some_and(|other| !self.are_cut(End::Peer(number), End::Peer(other)))
    }

    pub(in crate::dst) fn sources_answered(
        &mut self,
        number: PeerNumber,
        content: ContentId,
        outcome: Outcome,
    ) {
        let mut found: Vec<PeerId> = match outcome {
            Ok(Answered::Location(location)) => {
                location.holders.iter().map(|holder| holder.peer.id).collect()
            }
            _ => Vec::new(),
        };
        found.shuffle(&mut self.rng);
        if let Some(copy) = self.peers[number].copies.get_mut(&content) {
            copy.sources.extend(found);
            self.go_on(number, content);
        }
    }

    /// Sends the bytes on a source's disk, as they are, with the leaves.
    pub(in crate::dst) fn fragment_wanted(&mut self, request: Request) {
        let delay = self.delay();
        let Some(other) = self.peer_of(request.of).filter(|other| self.peers[*other].is_up) else {
            return;
        };
        if self.are_cut(End::Peer(request.by), End::Peer(other)) {
            return;
        }
        let (content, index, store) = (request.content, request.index, &self.peers[other].store);
        let fragment = contents::find(content).and_then(|known| {
            let whole = known.manifest.whole(index);
            let bytes = store.read(content, index, whole).ok()?;
            let proof = store.proof(content, index).ok()?;
            Some((bytes, proof.leaves().to_vec()))
        });
        match fragment {
            Some((bytes, leaves)) => self.plan(delay, Event::Arrives(request, bytes, leaves)),
            None => self.plan(delay, Event::Refused(request)),
        }
    }

    fn is_awaited(&mut self, request: Request) -> bool {
        let peer = &mut self.peers[request.by];
        let copy = peer.copies.get_mut(&request.content);
        peer.is_up
            && peer.run == request.run
            && copy.is_some_and(|copy| copy.request.take_if(|n| *n == request.number).is_some())
    }

    pub(in crate::dst) fn fragment_refused(&mut self, request: Request) {
        if self.is_awaited(request) {
            self.go_on(request.by, request.content);
        }
    }

    pub(in crate::dst) fn request_failed(&mut self, number: PeerNumber, content: ContentId, request: u64) {
        let copy = self.peers[number].copies.get_mut(&content);
        if copy.is_some_and(|copy| copy.request.take_if(|n| *n == request).is_some()) {
            self.go_on(number, content);
        }
    }

    /// Takes a fragment that arrives: no byte of it is believed before it is verified.
    pub(in crate::dst) fn fragment_arrives(&mut self, request: Request, bytes: &Bytes, leaves: Vec<Digest>) {
        if !self.is_awaited(request) {
            return;
        }
        let (delay, sync) = (self.delay(), self.rng.random_range(1..=self.profile.peer_sync));
        let (number, content, index) = (request.by, request.content, request.index);
        let peer = &mut self.peers[number];
        let Some(copy) = peer.copies.get_mut(&content) else {
            return;
        };
        let verified = FragmentProof::verify(&copy.manifest, index, leaves);
        let written = match &verified {
            Ok(proof) => proof
                .check(0, bytes)
                .ok()
                .map(|blocks| peer.store.write(content, blocks)),
            Err(_) => None,
        };
        match (verified, written) {
            (Ok(proof), Some(Ok(()))) => {
                copy.written.push(proof);
                copy.useful += bytes.len() as u64;
                peer.received.push(Received {
                    content,
                    from: request.of,
                });
                peer.received.truncate(Received::MOST);
                // The same source may have the next one, too.
                copy.sources.push_front(request.of);
                self.will(number, sync, Act::Commits(content));
            }
            (_, None) => {
                self.say(format_args!(
                    "peer {number}: {} of {} is rotten",
                    index.get(),
                    content.short()
                ));
                if self.can_reach(number, request.of) {
                    self.plan(delay, Event::Disputed(request.of, content, index));
                }
                self.go_on(number, content);
            }
            (_, Some(_)) => self.go_on(number, content),
        }
    }

    pub(in crate::dst) fn commit_copy(&mut self, number: PeerNumber, content: ContentId) {
        let peer = &mut self.peers[number];
        let Some(copy) = peer.copies.get_mut(&content) else {
            return;
        };
        let mut written = std::mem::take(&mut copy.written);
        // Fragments that the user has shared meanwhile are dropped.
        if let Some(entry) = peer.store.entry(content) {
            written.retain(|proof| !entry.held.contains(proof.index()));
        }
        let committed = if peer.is_disk_broken {
            Err(broken())
        } else {
            peer.store.commit(content, &written)
        };
        match committed {
            Ok(()) => {
                for proof in &written {
                    self.peers[number].rotten.remove(&(content, proof.index()));
                    self.check_committed(number, content, proof.index());
                }
                self.changed(number, content);
                self.go_on(number, content);
            }
            Err(_) => {
                if self.end_copy(number, content) {
                    self.fail(number, content, AssignmentFailure::Store);
                }
            }
        }
    }

    /// Ends a copy; returns whether an order wanted it to the end.
    fn end_copy(&mut self, number: PeerNumber, content: ContentId) -> bool {
        let Some(copy) = self.peers[number].copies.remove(&content) else {
            return false;
        };
        let mut is_ordered = false;
        for order in copy.orders {
            is_ordered |= self.order_ended(number, order, content);
        }
        if copy.is_get {
            self.check_got(number, content);
        }
        self.fetching_changed(number, content);
        self.will(number, 0, Act::Works);
        is_ordered
    }

    /// Takes note that an order has ended; returns whether it was open to the end.
    fn order_ended(&mut self, number: PeerNumber, order: OrderNumber, content: ContentId) -> bool {
        let peer = &mut self.peers[number];
        let ending = peer.orders.ended(order);
        if ending == Ending::Withdrawn && peer.store.release(content, Role::Assigned).is_ok() {
            self.forgotten(number, content);
        }
        ending == Ending::Open
    }

    /// Withdraws the orders to hold a content, which is forgotten here.
    pub(in crate::dst) fn withdraw_orders(&mut self, number: PeerNumber, content: ContentId) {
        self.peers[number].orders.withdraw(content);
        self.will(number, 0, Act::Works);
    }

    /// Ends the part that an order has in a copy.
    fn end_order(&mut self, number: PeerNumber, order: OrderNumber) {
        let copies = &mut self.peers[number].copies;
        let Some((content, copy)) = copies.iter_mut().find(|(_, copy)| copy.orders.contains(&order)) else {
            return;
        };
        let content = *content;
        copy.orders.retain(|other| *other != order);
        let is_wanted = copy.is_get || !copy.orders.is_empty();
        self.order_ended(number, order, content);
        if !is_wanted {
            self.end_copy(number, content);
        }
    }

    /// Reads a copy again that someone says is rotten, and withdraws it if that is so.
    pub(in crate::dst) fn disputed(&mut self, id: PeerId, content: ContentId, index: FragmentIndex) {
        if let Some(number) = self.peer_of(id).filter(|number| self.peers[*number].is_up) {
            self.verify(number, content, index);
        }
    }

    pub(in crate::dst) fn verify(&mut self, number: PeerNumber, content: ContentId, index: FragmentIndex) {
        let peer = &mut self.peers[number];
        let Ok(is_right) = verify_fragment(&peer.store, content, index) else {
            return;
        };
        // It is withdrawn, or an equal file has taken the place of the rotten one.
        peer.rotten.remove(&(content, index));
        if !is_right {
            self.say(format_args!(
                "peer {number}: withdraws {} of {}",
                index.get(),
                content.short()
            ));
            self.changed(number, content);
        }
    }
}

fn broken() -> StoreError {
    StoreError::Io {
        act: "write to",
        path: "the simulated disk".into(),
        source: std::io::ErrorKind::StorageFull.into(),
    }
}
