//! Replicas: holders of contents, copies that are lacking, and the orders about both.
//!
//! All of it is belief, learnt from announces and forgotten with the process. Invariants: nothing is assigned
//! to a peer that is lost or not active; an orphan is held by some peer and has no name; an eviction that is
//! remembered is of a holding that counts for nothing; only named contents have a surplus. This part reads
//! names and peers and changes neither.

mod absences;
mod agenda;
mod assessment;
mod assignments;
mod changes;
mod counts;
mod evictions;
mod holders;
mod inventory;
mod pace;
mod planning;
mod portion;
mod proofs;
mod repair;
mod repair_budget;
mod room;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::model::{
    Absence, ContentId, Epoch, FileNews, Holding, Manifest, PeerId, PeerInfo, PeerMode, Timestamp,
};

use super::command::Rejection;
use super::names::{Names, RefChange};
use super::peers::{Peer, Peers};
use crate::policy::Budget;
use crate::timing::Timing;
use absences::Absences;
use agenda::Agenda;
use assignments::Assignments;
use holders::Holders;
use pace::Pace;
use proofs::Proofs;
use repair_budget::RepairBudget;

pub(crate) use assessment::Assessment;
pub(crate) use assignments::Assignment;
pub(crate) use counts::Purpose;
pub(crate) use holders::{Fragments, Held, Proof};
pub(crate) use inventory::NoRoom;
pub(crate) use portion::Portion;
pub(crate) use repair::{extents, is_urgent};

/// Holdings, and the copies and evictions that are under way.
#[derive(Debug)]
pub(crate) struct Replicas {
    holders: Holders,
    assignments: Assignments,
    agenda: Agenda,
    /// Contents that are announced but have no name, and when they may be evicted.
    orphans: BTreeMap<ContentId, Timestamp>,
    /// Evictions that were ordered and are not answered yet, and when to repeat them.
    evictions: BTreeMap<(ContentId, PeerId), Timestamp>,
    /// Contents with more replicas than they need, and the time since which that is so.
    surplus: BTreeMap<ContentId, Timestamp>,
    /// The content that the sweep over all contents has come to.
    swept: Option<ContentId>,
    /// The share of all ready peers' capacity that was free at the last tick.
    free_share: u64,
    pace: Pace,
    budget: RepairBudget,
    proofs: Proofs,
    absences: Absences,
}

/// Context of a decision about replicas: everything else that it depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) timing: &'a Timing,
    pub(crate) epoch: Epoch,
    /// Whether a part of the journal is missing: a content without a name may have had one.
    pub(crate) has_gap: bool,
    pub(crate) names: &'a Names,
    pub(crate) peers: &'a Peers,
}

impl Replicas {
    /// Creates a state without holders, whose checks are numbered from here on.
    pub(crate) fn new(budget: Budget, first_check: u64) -> Self {
        Self {
            holders: Holders::default(),
            assignments: Assignments::default(),
            agenda: Agenda::default(),
            orphans: BTreeMap::new(),
            evictions: BTreeMap::new(),
            surplus: BTreeMap::new(),
            swept: None,
            free_share: 0,
            pace: Pace::default(),
            budget: RepairBudget::new(budget),
            proofs: Proofs::new(first_check),
            absences: Absences::default(),
        }
    }

    /// Adopts another budget of repair.
    pub(crate) fn adopt(&mut self, budget: Budget) {
        self.budget.adopt(budget);
    }

    pub(crate) const fn budget(&self) -> &Budget {
        self.budget.limits()
    }

    /// Returns all holders of the content, in order of peer ids.
    pub(crate) fn holders_of(&self, content: ContentId) -> &[Held] {
        self.holders.of(content)
    }

    pub(crate) fn held(&self, content: ContentId, peer: PeerId) -> Option<&Held> {
        self.holders.get(content, peer)
    }

    /// Returns the contents that the peer holds something of.
    pub(crate) fn contents_of(&self, peer: PeerId) -> Option<&BTreeSet<ContentId>> {
        self.holders.contents_of(peer)
    }

    /// Returns the copies of the content that are under way, in order of peer ids.
    pub(crate) fn assignments_of(&self, content: ContentId) -> impl Iterator<Item = (PeerId, &Assignment)> {
        self.assignments.of(content)
    }

    pub(crate) fn assignment(&self, content: ContentId, peer: PeerId) -> Option<&Assignment> {
        self.assignments.get(content, peer)
    }

    pub(crate) fn assignment_count(&self) -> usize {
        self.assignments.len()
    }

    /// Returns the bytes of all assignments that have not arrived.
    pub(crate) fn bytes_under_way(&self) -> u64 {
        self.assignments.bytes()
    }

    /// Returns the bytes under way that count against the budget of repair.
    pub(crate) const fn budgeted_bytes(&self) -> u64 {
        self.assignments.budgeted()
    }

    /// Returns the number of contents that lack something, or may do so.
    pub(crate) fn agenda_len(&self) -> usize {
        self.agenda.len()
    }

    /// Returns the number of times that something happened to a content.
    pub(crate) const fn changes(&self) -> u64 {
        self.agenda.changes().count()
    }

    /// Returns the contents that something happened to after the first `changes` times; none when too much
    /// has happened since.
    pub(crate) fn changed_since(&self, changes: u64) -> Option<impl Iterator<Item = ContentId>> {
        self.agenda.changes().since(changes)
    }

    /// Returns whether the content is looked at as soon as its turn comes.
    pub(crate) fn is_due(&self, content: ContentId) -> bool {
        self.agenda.is_due(content)
    }

    /// Returns whether the content waits for its turn in the budget of repair.
    pub(crate) fn is_queued(&self, content: ContentId) -> bool {
        self.agenda.is_queued(content)
    }

    /// Returns the bytes a second that arrive at assigned peers.
    pub(crate) fn rate(&self, now: Timestamp) -> u64 {
        self.pace.rate(now)
    }

    /// Returns the time until this many bytes have arrived; none if there are none or nothing moves.
    pub(crate) fn time_for(&self, now: Timestamp, bytes: u64) -> Option<Duration> {
        self.pace.time_for(now, bytes)
    }

    /// Describes a peer to users.
    pub(crate) fn describe(&self, peer: &Peer) -> PeerInfo {
        PeerInfo {
            id: peer.id(),
            address: peer.address().clone(),
            zone: peer.zone().cloned(),
            state: peer.life().state(),
            capacity: peer.capacity(),
            free: if peer.is_lost() { 0 } else { self.free(peer) },
            incarnation: peer.incarnation(),
            contents: u32::try_from(self.holders.count_of(peer.id())).unwrap_or(u32::MAX),
            mode: peer.mode(),
            reach: peer.reach(),
            is_visitor: peer.is_visitor(),
            copy: peer.copy().cloned(),
        }
    }

    /// Follows a change of the references from names to contents.
    pub(crate) fn follow(&mut self, now: Timestamp, change: &RefChange, timing: &Timing) {
        for (content, fragments) in change.learned() {
            for peer in self.holders.settle(*content, *fragments) {
                self.drop_holding(*content, peer);
            }
            self.orphans.remove(content);
            for held in self.holders.of(*content).iter().filter(|held| held.keeps) {
                self.proofs.note(*content, held.peer);
            }
        }
        for content in change.touched() {
            self.agenda.mark(*content);
        }
        for (content, fragments) in change.collected() {
            self.orphan(*content, *fragments, now.after(timing.removed));
        }
    }

    /// Makes a content an orphan: its last name is gone.
    fn orphan(&mut self, content: ContentId, fragments: u32, due: Timestamp) {
        self.assignments.cancel_content(content);
        self.holders.unsettle(content, fragments);
        self.surplus.remove(&content);
        if !self.holders.has(content) {
            self.agenda.settle(content);
        } else {
            self.orphans.insert(content, due);
            self.agenda.mark(content);
        }
    }

    /// Checks that the publisher has not been told to drop the content.
    pub(crate) fn check_not_evicting(&self, content: ContentId, publisher: PeerId) -> Result<(), Rejection> {
        match self.holders.get(content, publisher) {
            Some(held) if held.is_evicting => Err(Rejection::Evicting(content)),
            _ => Ok(()),
        }
    }

    /// Registers a publisher: by publishing, a peer says that it holds everything and keeps it.
    ///
    /// A publication comes on another way than announces and may be older than the latest one. A publisher
    /// that has announced a part is believed about that: it announces the rest as well when it has it.
    pub(crate) fn register_publisher(&mut self, manifest: &Manifest, publisher: PeerId) {
        let content = manifest.content();
        let known = self.holders.get(content, publisher);
        let has_said_less = known.is_some_and(|held| match &held.fragments {
            Fragments::All => false,
            Fragments::Some(set) => !set.is_full(),
        });
        if manifest.fragment_count() > 0 && !has_said_less {
            self.holders.set(content, publisher, Fragments::All, true, false);
        } else if let Some(held) = self.holders.get_mut(content, publisher) {
            held.is_confirmed = true;
        }
        self.assignments.cancel(content, publisher);
        self.proofs.note(content, publisher);
        self.agenda.mark(content);
    }

    /// Puts the peer's contents on the agenda, because its holdings may count differently now.
    pub(crate) fn mark_held_by(&mut self, peer: PeerId) {
        for content in self.holders.contents_of(peer).into_iter().flatten() {
            self.agenda.mark(*content);
        }
    }

    /// Looks again at contents that wait for a peer to make their copies.
    pub(crate) fn wake(&mut self, cx: &Context<'_>) {
        self.agenda.wake(cx.now, cx.timing.retry);
    }

    /// Returns whether the peer keeps any fragment.
    pub(crate) fn keeps_anything(&self, peer: PeerId) -> bool {
        self.holders.is_keeping(peer)
    }

    /// Returns whether any peer that stays keeps any fragment.
    pub(crate) fn is_any_kept(&self, peers: &Peers) -> bool {
        let stays = |peer| {
            peers
                .get(peer)
                .is_some_and(|peer| !peer.is_lost() && !peer.is_transient())
        };
        self.holders.keeping().any(stays)
    }

    /// Gives up the peer's assignments.
    pub(crate) fn cancel_assignments(&mut self, peer: PeerId) {
        for content in self.assignments.of_peer(peer) {
            self.assignments.cancel(content, peer);
            self.agenda.mark(content);
        }
    }

    /// Takes news of a file that a peer shares; returns whether it says something new of a content that is
    /// known by a name.
    pub(crate) fn take_absence(&mut self, peer: PeerId, news: FileNews, names: &Names) -> bool {
        names.content(news.content).is_some() && self.absences.take(peer, news)
    }

    /// Returns the peers whose files with the content are absent.
    pub(crate) fn absences_of(&self, content: ContentId) -> impl Iterator<Item = (PeerId, Absence)> {
        self.absences.of(content)
    }

    /// Doubts which of the peer's files are absent: it says hello, and tells again.
    pub(crate) fn doubt_absences(&mut self, peer: PeerId) {
        self.absences.doubt(peer);
    }

    /// Returns the contents whose files are back, when the peer has told of all that are absent.
    pub(crate) fn settle_absences(&mut self, peer: PeerId) -> Vec<ContentId> {
        self.absences.settle(peer)
    }

    /// Forgets everything about a peer that is gone.
    pub(crate) fn lose_peer(&mut self, peer: PeerId) {
        self.absences.forget(peer);
        self.cancel_assignments(peer);
        for content in self.holders.drop_peer(peer) {
            // A peer that is told to drop something holds it.
            self.evictions.remove(&(content, peer));
            self.forget_orphan_without_holders(content);
            self.agenda.mark(content);
        }
    }

    /// Forgets the peer's holding of the content, and the order to drop it.
    fn drop_holding(&mut self, content: ContentId, peer: PeerId) {
        self.holders.drop_one(content, peer);
        self.evictions.remove(&(content, peer));
    }

    fn forget_orphan_without_holders(&mut self, content: ContentId) {
        if !self.holders.has(content) {
            self.orphans.remove(&content);
        }
    }

    /// Holds the time for which the tracker stood still against no assignment; and a surplus has to last
    /// anew, because some of those who live may have died meanwhile.
    pub(crate) fn put_off(&mut self, by: Duration) {
        self.assignments.put_off(by);
        self.proofs.put_off(by);
        self.surplus.clear();
    }

    /// Begins the sweep over all contents anew.
    pub(crate) const fn sweep_anew(&mut self) {
        self.swept = None;
    }

    /// Returns the peer's holdings of named contents that are noted while it is away for maintenance.
    pub(crate) fn kept_by(&self, peer: PeerId, names: &Names, peers: &Peers) -> Vec<Holding> {
        let contents = self.holders.contents_of(peer).into_iter().flatten();
        let kept = contents.filter_map(|content| {
            let held = self.holders.get(*content, peer)?;
            let manifest = names.content(*content)?.manifest();
            let fragments = held.fragments.to_set(manifest.fragment_count());
            // Of a content that it was only about to hold, it has nothing.
            (held.counts(Purpose::Note, peers) && !fragments.is_empty()).then_some(Holding {
                content: *content,
                fragments,
                keeps: true,
                is_assigned: held.is_assigned,
                is_fetching: false,
            })
        });
        kept.collect()
    }

    /// Believes the holdings that are noted of a peer that is away.
    pub(crate) fn believe(&mut self, peer: PeerId, holdings: &[Holding], names: &Names) {
        for holding in holdings {
            let known = names.content(holding.content);
            let count = known.map(|content| content.manifest().fragment_count());
            // The name may have been removed since, or the same bytes published in other fragments.
            if count != Some(holding.fragments.capacity()) {
                continue;
            }
            let fragments = match holding.fragments.is_full() {
                true => Fragments::All,
                false => Fragments::Some(holding.fragments.clone()),
            };
            self.holders.set(holding.content, peer, fragments, true, false);
            if let Some(held) = self.holders.get_mut(holding.content, peer) {
                held.is_assigned = holding.is_assigned;
            }
        }
    }

    /// Asserts the invariants.
    pub(crate) fn check(&self, names: &Names, peers: &Peers) {
        self.holders.check();
        self.assignments.check();
        self.assignments.check_budget(self.budget.limits());
        self.agenda.check();
        self.check_holders(names, peers);
        for (content, peer) in self.assignments.keys() {
            let known = names.content(content).expect("only named contents are assigned");
            let job = self.assignments.get(content, peer).expect("just listed");
            assert_eq!(job.wanted().capacity(), known.manifest().fragment_count());
            assert!(!peers.is_lost(peer), "nothing is assigned to a lost peer");
            assert_eq!(
                peers.get(peer).map(Peer::mode),
                Some(PeerMode::Active),
                "nothing is assigned to a peer that is to leave"
            );
        }
        for content in self.orphans.keys() {
            assert!(
                names.content(*content).is_none(),
                "an orphan {content:?} has no name"
            );
            assert!(
                self.holders.has(*content),
                "an orphan {content:?} is held by someone"
            );
        }
        for (content, peer) in self.evictions.keys() {
            let held = self.holders.get(*content, *peer);
            assert!(held.expect("only what is held is evicted").is_evicting);
        }
        for content in self.surplus.keys() {
            assert!(
                names.content(*content).is_some(),
                "only named contents have a surplus"
            );
        }
    }

    fn check_holders(&self, names: &Names, peers: &Peers) {
        for (content, held) in self.holders.iter() {
            assert!(!peers.is_lost(held.peer), "holders are members, and not lost");
            assert!(
                held.is_confirmed || peers.get(held.peer).is_some_and(Peer::is_listing),
                "a complete inventory leaves no doubt"
            );
            assert_eq!(
                held.is_evicting,
                self.evictions.contains_key(&(content, held.peer)),
                "evictions are remembered"
            );
            match (names.content(content), &held.fragments) {
                (Some(known), Fragments::Some(set)) => {
                    assert_eq!(set.capacity(), known.manifest().fragment_count());
                    assert!(!set.is_full(), "full sets are kept short");
                }
                (Some(known), Fragments::All) => assert!(known.manifest().fragment_count() > 0),
                (None, Fragments::All) => panic!("{content:?} has no manifest to be full of"),
                (None, Fragments::Some(_)) => {
                    assert!(
                        self.orphans.contains_key(&content),
                        "what has no name is an orphan"
                    );
                }
            }
        }
    }
}

/// Questions that only tests ask.
#[cfg(test)]
impl Replicas {
    pub(crate) fn holdings(&self) -> impl Iterator<Item = (ContentId, &Held)> {
        self.holders.iter()
    }

    /// Returns the bytes within the budget that are on their way to a peer, and from it.
    pub(crate) fn budgeted_of(&self, peer: PeerId) -> (u64, u64) {
        (
            self.assignments.load(peer).budgeted,
            self.assignments.taken_from(peer),
        )
    }
}
