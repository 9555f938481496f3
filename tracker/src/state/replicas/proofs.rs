//! Proofs: whether others have seen the bytes of a copy.
//!
//! A peer that says that it keeps a content may be wrong, or lie. A copy of a content at a holder is *proved*
//! when another member had verified bytes of it from that holder: in an ordinary transfer, which it reports
//! with its heartbeat, or because the tracker chose it to read one random block (a *check*). `counts.rs` says
//! what needs a proof. Two members have to find that the right bytes do not come before a copy is *denied*
//! (one, where there is no other); a holder that gives no answer at all is no worse than before, except that
//! a copy which could not be proved for a while (`timing.doubt`) puts off repair no longer.
//!
//! New copies are checked first, then those that were in doubt; a sweep in order of content ids finds the
//! others, and each proved copy again after `timing.proof`. So the oldest proofs are renewed first, and no
//! tick looks at more than a few copies. Checks have a budget of bytes, and contents under 1 MiB, for which a
//! block is much, one of their own.
//!
//! All of this is belief and is never journaled: after a restart the copies are looked at again, and no
//! repair begins for that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rand::{Rng, RngExt as _};
use shared::model::{
    BLOCK_LENGTH, ContentId, EvictReason, FragmentIndex, Manifest, Order, PeerId, Received, Remaining,
    Sample, SampleOutcome, Source, SourceRank, Timestamp,
};

use super::{Context, Fragments, Held, Proof, Purpose, Replicas};
use crate::state::command::SessionId;
use crate::state::peers::{Peers, Standing};

/// Length from which on a content shares the budget of large ones.
const LARGE: u64 = 1 << 20;

/// Bytes a second that are read of large contents, and of small ones; saved up for [`SAVES`].
const LARGE_RATE: u64 = 1 << 20;
const SMALL_RATE: u64 = 512 << 10;
const SAVES: Duration = Duration::from_secs(2);

/// Bytes of a leaf's hash.
const LEAF: u64 = 32;

/// Checks that begin in one tick, and those among them of copies in doubt.
const PER_TICK: usize = 64;
const RETRIES: usize = 16;

/// Checks under way in all, those of one checker, and those of one holder; one that has lied gets one.
const OPEN: usize = 256;
const PER_CHECKER: usize = 16;
const PER_HOLDER: usize = 32;

/// Copies that the sweep passes in one tick.
const SWEEP_LIMIT: usize = 1_000;

/// New copies that wait for their check, and copies in doubt that are remembered; the sweep finds the others.
const FRESH: usize = 10_000;
const DOUBTS: usize = 10_000;

/// Time in which a checker answers: longer than it dials and waits.
const ANSWER: Duration = Duration::from_secs(20);

/// Pause before a copy in doubt is checked again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(30);

/// Denials after which a copy counts for nothing.
const WITNESSES: u8 = 2;

/// A copy: the content, and its holder.
type CopyId = (ContentId, PeerId);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Proofs {
    fresh: VecDeque<CopyId>,
    doubts: BTreeMap<CopyId, Doubt>,
    /// Times at which the doubts are looked at again.
    again: BTreeSet<(Timestamp, CopyId)>,
    lanes: [Lane; 2],
    open: BTreeMap<u64, Check>,
    last: u64,
    turn: Option<PeerId>,
    refilled_at: Timestamp,
}

/// A copy that a check did not prove.
#[derive(Debug)]
struct Doubt {
    since: Timestamp,
    due: Timestamp,
    rounds: u32,
    denials: u8,
    /// The latest member that was denied.
    by: Option<PeerId>,
}

/// The sweep over contents of one size, and its budget.
#[derive(Debug)]
struct Lane {
    rate: u64,
    saved: u64,
    after: Option<ContentId>,
}

/// A check under way.
#[derive(Debug)]
struct Check {
    copy: CopyId,
    by: PeerId,
    until: Timestamp,
}

/// How an attempt to check a copy ends.
enum Begin {
    Begun,
    /// The copy is not to be checked now.
    Skipped,
    /// Its holder is being asked for enough others.
    Busy,
    /// Budgets are used up.
    Waits,
}

impl Proofs {
    pub(super) fn new(first: u64) -> Self {
        let lane = |rate| Lane {
            rate,
            saved: 0,
            after: None,
        };
        Self {
            fresh: VecDeque::new(),
            doubts: BTreeMap::new(),
            again: BTreeSet::new(),
            lanes: [lane(SMALL_RATE), lane(LARGE_RATE)],
            open: BTreeMap::new(),
            last: first,
            turn: None,
            refilled_at: Timestamp::from_millis(0),
        }
    }

    /// Has a new copy checked soon.
    pub(super) fn note(&mut self, content: ContentId, holder: PeerId) {
        if self.fresh.len() < FRESH && self.fresh.back() != Some(&(content, holder)) {
            self.fresh.push_back((content, holder));
        }
    }

    /// Has a copy checked next.
    fn note_urgent(&mut self, copy: CopyId) {
        if self.fresh.len() < FRESH && !self.fresh.contains(&copy) {
            self.fresh.push_front(copy);
        }
    }

    fn refill(&mut self, now: Timestamp) {
        let passed = now.since(self.refilled_at).min(SAVES);
        self.refilled_at = now;
        for lane in &mut self.lanes {
            let millis = u64::try_from(passed.as_millis()).unwrap_or_default();
            let most = lane.rate * SAVES.as_secs();
            lane.saved = (lane.saved + lane.rate * millis / 1_000).min(most);
        }
    }

    const fn lane(&mut self, manifest: &Manifest) -> &mut Lane {
        let [small, large] = &mut self.lanes;
        if manifest.length() < LARGE { small } else { large }
    }

    /// Takes out the checks whose members do not answer: that says nothing about the copy.
    fn drop_late(&mut self, now: Timestamp) {
        let late = self.open.iter().filter(|(_, check)| check.until <= now);
        for number in late.map(|(number, _)| *number).collect::<Vec<_>>() {
            if let Some(check) = self.open.remove(&number) {
                self.note(check.copy.0, check.copy.1);
            }
        }
    }

    /// Returns copies in doubt whose time has come.
    fn due(&self, now: Timestamp) -> Vec<CopyId> {
        let due = self.again.iter().take_while(|(at, _)| *at <= now);
        due.take(RETRIES).map(|(_, copy)| *copy).collect()
    }

    fn forget_doubt(&mut self, copy: CopyId) -> Option<Doubt> {
        let doubt = self.doubts.remove(&copy)?;
        self.again.remove(&(doubt.due, copy));
        Some(doubt)
    }

    /// Remembers a doubt until a later time; without room for it the sweep finds the copy again.
    fn remember(&mut self, copy: CopyId, mut doubt: Doubt, now: Timestamp) {
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(doubt.rounds.min(16));
        doubt.due = match doubt.denials {
            // Another member looks at once.
            1 if doubt.rounds == 1 => now,
            _ => now.after(pause.min(LONGEST_PAUSE)),
        };
        if self.doubts.len() < DOUBTS {
            self.again.insert((doubt.due, copy));
            self.doubts.insert(copy, doubt);
        }
    }

    /// Returns the copies that are being checked, and how many at each holder and by each member.
    fn under_way(&self) -> UnderWay {
        let mut under_way = UnderWay::default();
        for check in self.open.values() {
            under_way.add(check.copy, check.by);
        }
        under_way
    }

    /// Holds a time in which the tracker stood still against no copy.
    pub(super) fn put_off(&mut self, by: Duration) {
        for doubt in self.doubts.values_mut() {
            doubt.since = doubt.since.after(by);
        }
        for check in self.open.values_mut() {
            check.until = check.until.after(by);
        }
    }
}

/// Checks under way.
#[derive(Default)]
struct UnderWay {
    copies: BTreeSet<CopyId>,
    at: BTreeMap<PeerId, usize>,
    by: BTreeMap<PeerId, usize>,
}

impl UnderWay {
    fn add(&mut self, copy: CopyId, by: PeerId) {
        self.copies.insert(copy);
        *self.at.entry(copy.1).or_default() += 1;
        *self.by.entry(by).or_default() += 1;
    }
}

impl Replicas {
    /// Returns the checks to be ordered now.
    pub(crate) fn begin_checks(&mut self, cx: &Context<'_>, rng: &mut impl Rng) -> Vec<(SessionId, Order)> {
        self.proofs.drop_late(cx.now);
        self.proofs.refill(cx.now);
        let mut orders = Vec::new();
        if !cx.peers.has_checkers() {
            return orders;
        }
        let mut under_way = self.proofs.under_way();
        for copy in self.proofs.due(cx.now) {
            match self.begin_check(cx, copy, &mut under_way, rng, &mut orders) {
                Begin::Begun => {}
                Begin::Skipped if self.holders.get(copy.0, copy.1).is_none() => {
                    self.proofs.forget_doubt(copy);
                }
                Begin::Skipped | Begin::Busy | Begin::Waits => {
                    if let Some(doubt) = self.proofs.forget_doubt(copy) {
                        self.proofs.remember(copy, doubt, cx.now);
                    }
                }
            }
        }
        for _ in 0..self.proofs.fresh.len().min(PER_TICK * 4) {
            let Some(copy) = self.proofs.fresh.pop_front() else {
                break;
            };
            let begun = self.begin_check(cx, copy, &mut under_way, rng, &mut orders);
            if let Begin::Busy | Begin::Waits = begun {
                self.proofs.fresh.push_back(copy);
            }
        }
        for lane in 0..self.proofs.lanes.len() {
            self.sweep_copies(cx, lane, &mut under_way, rng, &mut orders);
        }
        orders
    }

    /// Checks copies that are due, from where the sweep has come to.
    fn sweep_copies(
        &mut self,
        cx: &Context<'_>,
        lane: usize,
        under_way: &mut UnderWay,
        rng: &mut impl Rng,
        orders: &mut Vec<(SessionId, Order)>,
    ) {
        let mut passed = 0;
        while passed < SWEEP_LIMIT {
            let after = self.proofs.lanes[lane].after;
            let Some(id) = self.holders.after(after) else {
                self.proofs.lanes[lane].after = None;
                return;
            };
            let manifest = cx.names.content(id).map(|content| content.manifest());
            let is_of_lane = manifest.is_some_and(|manifest| (manifest.length() < LARGE) == (lane == 0));
            let held = self.holders.of(id).iter().filter(|_| is_of_lane);
            passed += 1 + held.clone().count();
            let due: Vec<_> = held
                .filter(|held| self.wants_check(cx, id, held))
                .map(|held| (id, held.peer))
                .collect();
            for copy in due {
                if let Begin::Waits = self.begin_check(cx, copy, under_way, rng, orders) {
                    return;
                }
            }
            self.proofs.lanes[lane].after = Some(id);
        }
    }

    /// Whether the sweep has a copy checked.
    fn wants_check(&self, cx: &Context<'_>, content: ContentId, held: &Held) -> bool {
        let is_old = match held.proof {
            Proof::Seen(_) => held
                .proof
                .at()
                .is_some_and(|at| at.after(cx.timing.proof) <= cx.now),
            Proof::None | Proof::Doubtful | Proof::Denied => true,
        };
        is_old && held.keeps && !self.proofs.doubts.contains_key(&(content, held.peer))
    }

    /// Has a member look at a copy, if that is of use and the budget allows it.
    fn begin_check(
        &mut self,
        cx: &Context<'_>,
        copy: CopyId,
        under_way: &mut UnderWay,
        rng: &mut impl Rng,
        orders: &mut Vec<(SessionId, Order)>,
    ) -> Begin {
        let (id, peer) = copy;
        let (Some(content), Some(holder)) = (cx.names.content(id), cx.peers.get(peer)) else {
            return Begin::Skipped;
        };
        let Some(held) = self.holders.get_mut(id, peer) else {
            return Begin::Skipped;
        };
        let seen = held.proof.at();
        if seen.is_some_and(|at| at.after(cx.timing.proof * 2) <= cx.now) {
            held.proof = Proof::None;
        }
        let is_fresh = seen.is_some_and(|at| cx.now < at.after(cx.timing.proof));
        let can_be_asked = holder.is_live() && *holder.standing() == Standing::Reachable;
        let is_of_use =
            held.keeps && !held.is_evicting && !is_fresh && can_be_asked && !holder.is_transient();
        let fragment = pick(&held.fragments, content.manifest(), rng);
        let Some(fragment) = fragment.filter(|_| is_of_use && !under_way.copies.contains(&copy)) else {
            return Begin::Skipped;
        };
        let at_holder = under_way.at.get(&peer).copied().unwrap_or_default();
        let most = if holder.is_distrusted() { 1 } else { PER_HOLDER };
        if orders.len() >= PER_TICK || under_way.copies.len() >= OPEN {
            return Begin::Waits;
        }
        let manifest = content.manifest();
        let cost = u64::from(manifest.len_of(fragment).min(BLOCK_LENGTH))
            + u64::from(manifest.blocks_of(fragment)) * LEAF;
        if at_holder >= most {
            return Begin::Busy;
        }
        if self.proofs.lane(manifest).saved < cost {
            return Begin::Waits;
        }
        let before = self.proofs.doubts.get(&copy).and_then(|doubt| doubt.by);
        let is_busy = |id| under_way.by.get(&id).is_some_and(|busy| *busy >= PER_CHECKER);
        let Some((by, session)) = cx.peers.checker(&mut self.proofs.turn, holder, before, is_busy) else {
            return Begin::Skipped;
        };
        self.proofs.lane(manifest).saved -= cost;
        self.proofs.last += 1;
        let until = cx.now.after(ANSWER);
        self.proofs
            .open
            .insert(self.proofs.last, Check { copy, by, until });
        under_way.add(copy, by);
        let order = Order::Check {
            epoch: cx.epoch,
            check: self.proofs.last,
            holder: source_of(cx.peers, peer),
            sample: Sample::of(manifest, fragment, rng.random()),
        };
        orders.push((session, order));
        Begin::Begun
    }

    /// Takes the result of a check; returns the holder, and whether its bytes were right, if that is known.
    pub(crate) fn checked(
        &mut self,
        cx: &Context<'_>,
        by: PeerId,
        number: u64,
        outcome: &SampleOutcome,
    ) -> Option<(PeerId, bool)> {
        let check = self.proofs.open.get(&number).filter(|check| check.by == by)?;
        let copy = check.copy;
        self.proofs.open.remove(&number);
        self.judge(cx, copy, by, outcome)
    }

    /// Takes back an eviction that a peer did not obey, because a copy that was to remain could not be read;
    /// that copy is looked at again. Returns as [`Self::checked`].
    pub(crate) fn take_back(
        &mut self,
        cx: &Context<'_>,
        by: PeerId,
        copy: CopyId,
        outcome: &SampleOutcome,
    ) -> Option<(PeerId, bool)> {
        let content = copy.0;
        self.evictions.remove(&(content, by))?;
        self.holders.get_mut(content, by)?.is_evicting = false;
        self.agenda.mark(content);
        match outcome {
            SampleOutcome::Proved => None,
            SampleOutcome::Denied(_) => self.judge(cx, copy, by, outcome),
            SampleOutcome::Unreached(_) => {
                if let Some(held) = self.holders.get_mut(content, copy.1)
                    && matches!(held.proof, Proof::Seen(_))
                {
                    held.proof = Proof::None;
                    self.proofs.note_urgent(copy);
                }
                None
            }
        }
    }

    /// Takes in what a member has received in ordinary transfers.
    pub(crate) fn received(&mut self, cx: &Context<'_>, by: PeerId, all: Vec<Received>) {
        let is_believed = cx.peers.get(by).is_some_and(|peer| !peer.is_distrusted());
        for Received { content, from } in all {
            let held = self.holders.get(content, from);
            // The word of one member does not make up for what others have seen.
            let is_open = held.is_some_and(|held| !held.is_evicting && held.proof != Proof::Denied);
            if is_believed && is_open && from != by {
                self.prove(cx.now, (content, from));
            }
        }
    }

    fn judge(
        &mut self,
        cx: &Context<'_>,
        copy: CopyId,
        by: PeerId,
        outcome: &SampleOutcome,
    ) -> Option<(PeerId, bool)> {
        let (content, peer) = copy;
        self.holders.get(content, peer)?;
        tracing::debug!(content = %content.short(), %peer, %by, ?outcome, "a copy was looked at");
        match outcome {
            SampleOutcome::Proved => {
                self.prove(cx.now, copy);
                Some((peer, true))
            }
            SampleOutcome::Denied(_) => {
                self.doubt(cx, copy, Some(by));
                Some((peer, false))
            }
            SampleOutcome::Unreached(_) => {
                self.doubt(cx, copy, None);
                None
            }
        }
    }

    fn prove(&mut self, now: Timestamp, copy: CopyId) {
        let Some(held) = self.holders.get_mut(copy.0, copy.1) else {
            return;
        };
        let before = std::mem::replace(&mut held.proof, Proof::now(now));
        self.proofs.forget_doubt(copy);
        if !matches!(before, Proof::Seen(_)) {
            self.agenda.mark(copy.0);
        }
    }

    /// Notes that a copy was not proved: denied by a member, or not reached.
    fn doubt(&mut self, cx: &Context<'_>, copy: CopyId, denied: Option<PeerId>) {
        let Some(held) = self.holders.get_mut(copy.0, copy.1) else {
            return;
        };
        let mut doubt = self.proofs.forget_doubt(copy).unwrap_or(Doubt {
            since: cx.now,
            due: cx.now,
            rounds: 0,
            denials: 0,
            by: None,
        });
        doubt.rounds = doubt.rounds.saturating_add(1);
        let is_distrusted = cx.peers.get(copy.1).is_some_and(|peer| peer.is_distrusted());
        let before = held.proof;
        if let Some(by) = denied {
            doubt.denials = doubt.denials.saturating_add(1);
            // The first denial starts the rounds anew: another member is asked at once.
            doubt.rounds = if doubt.denials == 1 { 1 } else { doubt.rounds };
            doubt.by = Some(by);
            held.proof = match before {
                _ if doubt.denials >= WITNESSES || is_distrusted => Proof::Denied,
                Proof::Seen(_) => Proof::None,
                other => other,
            };
        } else if held.proof == Proof::None && doubt.since.after(cx.timing.doubt) <= cx.now {
            held.proof = Proof::Doubtful;
        }
        if held.proof != before {
            self.agenda.mark(copy.0);
        }
        self.proofs.remember(copy, doubt, cx.now);
    }

    /// Has the copies checked next that would make others superfluous if they were proved.
    pub(super) fn hasten(&mut self, cx: &Context<'_>, content: ContentId) {
        for held in self.holders.of(content).iter().take(Remaining::MOST) {
            if held.counts(Purpose::Stay, cx.peers) && !held.counts(Purpose::Spare, cx.peers) {
                self.proofs.note_urgent((content, held.peer));
            }
        }
    }

    /// Returns the copies that a peer looks at before it drops its own for this reason.
    pub(super) fn remaining(
        &self,
        cx: &Context<'_>,
        content: ContentId,
        except: PeerId,
        reason: EvictReason,
    ) -> Vec<Remaining> {
        let known = cx.names.content(content);
        let Some(known) = known.filter(|_| reason != EvictReason::Unreferenced) else {
            return Vec::new();
        };
        let held = self.holders.of(content).iter();
        let spare = held.filter(|held| held.peer != except && held.counts(Purpose::Spare, cx.peers));
        let count = known.manifest().fragment_count();
        let remaining = spare.take(Remaining::MOST).map(|held| Remaining {
            holder: source_of(cx.peers, held.peer),
            fragments: held.fragments.to_set(count),
        });
        remaining.collect()
    }
}

fn source_of(peers: &Peers, id: PeerId) -> Source {
    let peer = peers.get(id).expect("holders are members");
    Source {
        peer: id,
        address: peer.address().clone(),
        zone: peer.zone().cloned(),
        rank: SourceRank::Keeper,
    }
}

/// Returns a random fragment of those that are held.
fn pick(fragments: &Fragments, manifest: &Manifest, rng: &mut impl Rng) -> Option<FragmentIndex> {
    match fragments {
        Fragments::All if manifest.fragment_count() == 0 => None,
        Fragments::All => manifest.index(rng.random_range(0..manifest.fragment_count())),
        Fragments::Some(set) if set.is_empty() || set.capacity() != manifest.fragment_count() => None,
        Fragments::Some(set) => set.iter().nth(rng.random_range(0..set.len()) as usize),
    }
}
