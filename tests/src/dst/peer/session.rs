//! A peer's session, as `peer::session::link` leads it: hello, everything that is held, changes, obedience.

use std::collections::BTreeSet;

use peer::eviction::Eviction;
use peer::session::{Inventory, digest_of, holding_of};
use peer::store::{FragmentStore as _, Publication, Role, StoreError};
use rand::RngExt as _;
use shared::model::{ContentId, DigestBuckets, EvictReason, Hello, Holding, Order, Report, Welcome};
use tokio::sync::broadcast::error::TryRecvError;

use super::{Job, PeerNumber, SimPeer, Talk};
use crate::dst::contents;
use crate::dst::lines::{Down, LineId, Up};
use crate::dst::world::{Act, World};

/// Changes are told together if they come within this time.
const ANNOUNCE_DELAY: u64 = 50;

/// Assignments that wait; as in production.
const QUEUE: usize = 256;

impl SimPeer {
    fn holdings(&self) -> Vec<Holding> {
        let entries = self.store.entries();
        let contents = entries.iter().map(|entry| entry.manifest.content());
        contents.map(|content| self.holding(content)).collect()
    }

    fn holding(&self, content: ContentId) -> Holding {
        let is_fetching = self.copies.contains_key(&content);
        holding_of(content, self.store.entry(content), is_fetching)
    }
}

impl Talk {
    fn note(&mut self, content: ContentId) {
        match &mut self.inventory {
            Some(inventory) => inventory.note(content),
            None => drop(self.early.insert(content)),
        }
    }
}

impl World {
    pub(in crate::dst) fn dial(&mut self, number: PeerNumber) {
        if self.peers[number].talk.is_some() {
            return;
        }
        let line = self.open_line(number);
        let peer = &mut self.peers[number];
        // Subscribed before everything is listed, so that no change falls between.
        peer.changes = peer.store.subscribe();
        peer.talk = Some(Talk {
            line,
            inventory: None,
            epoch: peer.epoch,
            early: BTreeSet::new(),
            will_announce: false,
        });
        let hello = Hello {
            peer: peer.id,
            incarnation: peer.incarnation(),
            address: format!("10.0.0.1:{}", 1000 + number).parse().expect("an address"),
            zone: peer.zone.as_ref().and_then(|zone| zone.parse().ok()),
            capacity: peer.capacity,
            used: peer.store.usage().used,
            epoch: peer.epoch,
            mark: peer.mark,
            // Some are older and do not say it in short.
            holdings: (!number.is_multiple_of(4)).then(|| digest_of(&peer.holdings())),
        };
        self.send_up(line, Up::Hello(Box::new(hello)));
    }

    /// The peer's end of its connection is closed.
    pub(in crate::dst) fn line_lost(&mut self, number: PeerNumber, line: LineId) {
        let wait = self.rng.random_range(200..3_000);
        let peer = &mut self.peers[number];
        if peer.talk.take_if(|talk| talk.line == line).is_some() && peer.is_up {
            self.will(number, wait, Act::Dials);
        }
    }

    pub(in crate::dst) fn peer_hears(&mut self, number: PeerNumber, line: LineId, message: Down) {
        let peer = &self.peers[number];
        if !peer.is_up || peer.talk.as_ref().is_none_or(|talk| talk.line != line) {
            return;
        }
        match message {
            Down::Welcome(welcome) => self.welcome(number, line, welcome),
            Down::Order(order) => drop(self.obey(number, *order)),
            Down::Ends(_) => {}
        }
    }

    fn welcome(&mut self, number: PeerNumber, line: LineId, welcome: Welcome) {
        let peer = &mut self.peers[number];
        peer.epoch = peer.epoch.max(welcome.epoch);
        if let Some(talk) = &mut peer.talk {
            talk.inventory = Some(Inventory::new(welcome.epoch));
            talk.epoch = welcome.epoch;
        }
        self.say(format_args!("peer {number}: welcomed in epoch {}", welcome.epoch));
        self.check_history(number, line);
        let talk = self.peers[number].talk.as_mut();
        let early = talk.map(|talk| std::mem::take(&mut talk.early));
        self.list(number, welcome.listing);
        for content in early.into_iter().flatten() {
            self.note(number, content);
        }
        self.will(number, 1_000, Act::Heartbeat(line));
        self.will(number, 1, Act::Publishes);
    }

    fn list(&mut self, number: PeerNumber, listing: Option<DigestBuckets>) {
        let peer = &mut self.peers[number];
        let ended = peer.protected.take_ended();
        let mut holdings = peer.holdings();
        holdings.retain(|holding| listing.is_none_or(|listing| listing.contains(holding.content)));
        let Some(talk) = &mut peer.talk else {
            return;
        };
        let (line, inventory) = (talk.line, talk.inventory.as_mut());
        let reports = inventory.map(|inventory| inventory.everything(holdings));
        for report in reports.into_iter().flatten() {
            self.send_up(line, Up::Report(Box::new(report)));
        }
        // A listing is silent about what is not held; the tracker may think otherwise of these.
        self.announce(number, ended);
    }

    pub(in crate::dst) fn report(&mut self, number: PeerNumber, report: Report) {
        let Some(talk) = &mut self.peers[number].talk else {
            return;
        };
        let line = talk.line;
        if let Some(inventory) = &mut talk.inventory {
            let report = inventory.report(report);
            self.send_up(line, Up::Report(Box::new(report)));
        }
    }

    pub(in crate::dst) fn heartbeat(&mut self, number: PeerNumber, line: LineId) {
        let peer = &mut self.peers[number];
        if peer.talk.as_ref().is_some_and(|talk| talk.line == line) {
            let used = peer.store.usage().used;
            peer.lent.retain(|(until, _)| *until > self.now);
            self.announce_ended(number);
            self.report(number, Report::Heartbeat { used });
            while let Some(failure) = self.peers[number].failures.pop_front() {
                self.report(number, failure);
            }
            self.will(number, 1_000, Act::Heartbeat(line));
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

    /// What is being fetched has changed, which the store does not tell.
    pub(in crate::dst) fn note(&mut self, number: PeerNumber, content: ContentId) {
        if let Some(talk) = &mut self.peers[number].talk {
            talk.note(content);
        }
        self.changed(number, content);
    }

    pub(in crate::dst) fn notice(&mut self, number: PeerNumber) {
        self.peers[number].will_notice = false;
        loop {
            let peer = &mut self.peers[number];
            match peer.changes.try_recv() {
                Ok(content) => {
                    if let Some(talk) = &mut peer.talk {
                        talk.note(content);
                    }
                }
                Err(TryRecvError::Lagged(missed)) => {
                    self.violated(format_args!(
                        "peer {number} missed {missed} changes of its own store"
                    ));
                    break;
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let Some(talk) = &mut self.peers[number].talk else {
            return;
        };
        let has_changes = talk.inventory.as_ref().is_some_and(Inventory::has_changes);
        if has_changes && !talk.will_announce {
            talk.will_announce = true;
            let line = talk.line;
            self.will(number, ANNOUNCE_DELAY, Act::Announces(line));
        }
    }

    pub(in crate::dst) fn announce_changes(&mut self, number: PeerNumber, line: LineId) {
        let Some(talk) = self.peers[number].talk.as_mut().filter(|talk| talk.line == line) else {
            return;
        };
        talk.will_announce = false;
        let changed = talk.inventory.as_mut().map(Inventory::take_changed);
        self.announce(number, changed.into_iter().flatten().collect());
    }

    /// A publication has ended: told at once, which is what lifts the protection.
    pub(in crate::dst) fn announce_ended(&mut self, number: PeerNumber) {
        if self.peers[number].is_connected() {
            let ended = self.peers[number].protected.take_ended();
            self.announce(number, ended);
        }
    }

    fn announce(&mut self, number: PeerNumber, contents: Vec<ContentId>) {
        let peer = &mut self.peers[number];
        let holdings = contents
            .into_iter()
            .map(|content| peer.holding(content))
            .collect();
        let Some(talk) = &mut peer.talk else {
            return;
        };
        let (line, inventory) = (talk.line, talk.inventory.as_mut());
        let reports = inventory.map(|inventory| inventory.announce(holdings));
        for report in reports.into_iter().flatten() {
            self.send_up(line, Up::Report(Box::new(report)));
        }
    }

    /// Whether the order was carried out, or taken to be.
    pub(in crate::dst) fn obey(&mut self, number: PeerNumber, order: Order) -> bool {
        let peer = &mut self.peers[number];
        let Some(inventory) = peer.talk.as_ref().and_then(|talk| talk.inventory.as_ref()) else {
            return false;
        };
        let judged = inventory.judge(&order, |content| peer.protected.contains(content));
        let talk = peer.talk.as_mut();
        if let Some(inventory) = talk.and_then(|talk| talk.inventory.as_mut()) {
            inventory.answer(&order);
        }
        if let Order::Evict { content, .. } = &order {
            self.changed(number, *content);
        }
        if let Err(refusal) = judged {
            self.say(format_args!("peer {number}: refuses an order: {refusal}"));
            return false;
        }
        match order {
            Order::Assign {
                epoch,
                manifest,
                fragments,
                sources,
            } => {
                self.say(format_args!(
                    "peer {number}: is to hold {} of {}",
                    fragments.len(),
                    manifest.content().short()
                ));
                let peer = &mut self.peers[number];
                if peer.jobs.len() < QUEUE {
                    let sources = sources.into_iter().map(|source| source.peer).collect();
                    peer.jobs.push_back(Job {
                        epoch,
                        manifest,
                        fragments,
                        sources,
                    });
                    self.will(number, 0, Act::Works);
                }
            }
            Order::Evict { content, reason, .. } => self.evict(number, content, reason),
            Order::Remember(mark) => self.peers[number].mark = Some(mark),
        }
        true
    }

    fn evict(&mut self, number: PeerNumber, content: ContentId, reason: EvictReason) {
        let peer = &mut self.peers[number];
        let publications: Vec<Publication> = peer.outbox.values().cloned().collect();
        let pending = publications.iter().filter(|publication| publication.is_pending());
        let parts = pending.flat_map(|publication| contents::parts_of(publication.content));
        let parts = parts.map(|part| part.manifest.content()).collect();
        let eviction = Eviction::of(content, reason, &publications, &parts);
        let freed = match &eviction {
            Eviction::Refuse => return,
            Eviction::Release(roles) => {
                let release = |role: &Role| peer.store.release(content, *role);
                roles
                    .iter()
                    .map(release)
                    .take_while(|released| !matches!(released, Err(StoreError::UnknownContent(_))))
                    .sum()
            }
            Eviction::Forget(publications) => {
                for publication in publications {
                    peer.outbox.remove(&publication.name);
                }
                peer.store.forget(content)
            }
        };
        if peer.store.entry(content).is_none() {
            peer.rotten.retain(|(rotten, _)| *rotten != content);
        }
        self.say(format_args!(
            "peer {number}: evicts {} ({reason:?}): {eviction:?}, {freed:?}",
            content.short()
        ));
        self.changed(number, content);
    }
}
