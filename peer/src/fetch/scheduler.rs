//! The scheduler: decides which fragment is asked of which source, and when another source takes over.
//!
//! Pure: it takes in events and the time, and returns actions. Every wanted fragment is exactly one of
//! *missing*, *in flight* from one source, and *held*.
//!
//! A source is a *seeder*, to which no more fragments come, or a *member* of the swarm, which fetches the
//! same content and passes it on, block by block, as it comes. The rules, and the reasons for them:
//!
//! * A seeder is asked for fragments that no member offers and no seeder has handed out, this peer's own
//!   stripe first (`stripes`): so it sends every fragment once before it sends any of them twice. It refuses
//!   a fragment that it has handed out to another peer a moment before.
//! * A member is asked for the fragments that the fewest sources offer, as soon as they begin to come to it.
//! * Of the fragments that came from a seeder, only a few may wait for other members to take them over from
//!   this peer. So a peer with half the uplink gets half the share, and no uplink has to be measured.
//! * A seeder is asked for fragments that the swarm has only when there is nothing else to ask it for.
//! * A source that is full is not asked: the request goes to a source with room, instead of waiting in line.
//! * A member that serves much more slowly than others is given a rest after each request, so that in the
//!   end not all requests are with the slow ones; one that serves more quickly is given more. Half of the
//!   members never rest.
//! * A peer that is ahead of the other members makes fewer requests, so that those behind find free slots
//!   (`backpressure`).
//! * A source for which nothing else is left takes over a fragment that a much slower one is sending, unless
//!   requests wait for this peer's own limit. The part of the fragment that has come is kept.
//!
//! Invariants: a held fragment is never asked for; no source has more requests than its window, and all
//! together no more than [`Bounds::in_all`]; a source that sends corrupt bytes repeatedly is asked for
//! nothing until it joins again, and each ban is longer than the one before (once may be the wire's fault:
//! one damaged segment in 65,000 passes TCP's checksum; and a source behind a bad wire may be the only one
//! that has a fragment); the same events, times and seed give the same actions. While the missing fragments
//! are on a source that is present and serves them now and then, each of them is asked for again until it is
//! held.
//!
//! An event costs a look at the source that it is about; only failures, departures and ticks look at all
//! sources.
//!
//! Deliberately absent: connections, blocks, and the store. *Delivered* means verified and written.

mod backpressure;
mod choice;
mod event;
mod in_flight;
mod offers;
mod pace;
mod source_state;
mod stripes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use shared::model::{FragmentIndex, FragmentSet, PeerId, Timestamp};

use choice::REQUESTS;
pub use event::{Action, Bounds, Event, Failure, SchedulerSummary};
use in_flight::{InFlight, PendingRequest};
use offers::Offers;
use pace::Pace;
use source_state::{Replaced, SourceState};
use stripes::Stripes;

/// Time for which a fragment waits to be taken over by another member; after that perhaps no member wants it.
const PASSING_PATIENCE: Duration = Duration::from_secs(3);

/// See the [module](self).
#[derive(Debug)]
pub struct Scheduler {
    bounds: Bounds,
    wanted: FragmentSet,
    held: FragmentSet,
    missing: FragmentSet,
    in_flight: InFlight,
    sources: BTreeMap<PeerId, SourceState>,
    offers: Offers,
    stripes: Stripes,
    /// Number of sources that hold fragments and are no members.
    seeders: u32,
    /// Fragments that this peer was the first to ask a seeder for, and has not passed on yet: the seeder, and
    /// the time since which the fragment is held.
    first_hand: BTreeMap<FragmentIndex, (PeerId, Option<Timestamp>)>,
    /// Fragments that have been asked for: parts of them may have come.
    begun: FragmentSet,
    /// Limit on requests while this peer is ahead of the other members.
    backpressure: Option<u32>,
    pace: Pace,
    rng: StdRng,
}

/// Sources that may have become able to serve a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidates {
    One(PeerId),
    All,
}

impl Scheduler {
    /// Makes a scheduler for a content of which `held` is held and nothing is wanted yet.
    #[must_use]
    pub fn new(own: PeerId, held: FragmentSet, bounds: Bounds, seed: u64) -> Self {
        let count = held.capacity();
        Self {
            bounds: Bounds {
                per_source: bounds.per_source.max(1),
                in_all: bounds.in_all.max(1),
            },
            wanted: FragmentSet::empty(count),
            held,
            missing: FragmentSet::empty(count),
            in_flight: InFlight::default(),
            sources: BTreeMap::new(),
            offers: Offers::new(count),
            stripes: Stripes::new(own, count),
            seeders: 0,
            first_hand: BTreeMap::new(),
            begun: FragmentSet::empty(count),
            backpressure: None,
            pace: Pace::default(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Takes an event in and returns the actions that follow. Events that come late or twice do no harm.
    ///
    /// # Panics
    /// When a set is of a content with another number of fragments.
    #[must_use]
    pub fn apply(&mut self, now: Timestamp, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        let was_exhausted = self.room() == 0;
        let candidates = match event {
            Event::Want(wanted) => self.want(wanted),
            Event::Lost(fragments) => {
                self.held.subtract(&fragments);
                Candidates::All
            }
            Event::Joined { source, is_near } => {
                self.source(source).join(is_near);
                Candidates::One(source)
            }
            Event::Has {
                source,
                fragments,
                coming,
            } => self.has(now, source, fragments, &coming),
            Event::Serves {
                source,
                handed_out,
                is_full,
            } => self.serves(source, handed_out, is_full),
            Event::Left { source } => {
                self.source(source).is_present = false;
                self.drop_source(source, &mut actions)
            }
            Event::Delivered { source, fragment } => self.delivered(now, source, fragment, &mut actions),
            Event::Failed {
                source,
                fragment,
                failure,
            } => self.failed(now, source, fragment, failure, &mut actions),
            Event::PassedOn { fragment } => {
                if self.first_hand.remove(&fragment).is_none() {
                    return actions;
                }
                Candidates::All
            }
            Event::Throttled(enough) => {
                self.pace.throttle(enough);
                self.in_flight.restart(now);
                Candidates::All
            }
            Event::Tick => self.tick(now),
        };
        let candidates = if was_exhausted {
            Candidates::All
        } else {
            candidates
        };
        self.assign(now, candidates, &mut actions);
        actions
    }

    /// Fragments that are held: verified and written.
    #[must_use]
    pub const fn held(&self) -> &FragmentSet {
        &self.held
    }

    /// Whether everything that is wanted is held.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.wanted.is_subset(&self.held)
    }

    /// Whether nothing is expected of the source now: it serves no request and offers no missing fragment.
    #[must_use]
    pub fn is_useless(&self, source: PeerId) -> bool {
        self.sources
            .get(&source)
            .is_none_or(|state| state.in_flight == 0 && !state.offered.intersects(&self.missing))
    }

    /// Whether the source sent corrupt bytes so often that it is asked for nothing until it joins again.
    #[must_use]
    pub fn is_banned(&self, source: PeerId) -> bool {
        self.sources.get(&source).is_some_and(|state| state.is_banned)
    }

    /// Whether the source is banned and should not join yet.
    #[must_use]
    pub fn is_out(&self, now: Timestamp, source: PeerId) -> bool {
        self.sources.get(&source).is_some_and(|state| state.is_out(now))
    }

    /// Returns the state of the fetch in numbers.
    #[must_use]
    pub fn summary(&self, now: Timestamp) -> SchedulerSummary {
        let pending = self.wanted.difference(&self.held);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let usable = || self.sources.values().filter(|source| source.is_usable());
        let unsourced = self
            .missing
            .iter()
            .filter(|fragment| self.offers.of(*fragment) == 0);
        SchedulerSummary {
            pending: count(pending.count()),
            in_flight: self.in_flight.count(),
            unsourced: count(unsourced.count()),
            sources: count(usable().count()),
            serving: count(usable().filter(|source| source.in_flight > 0).count()),
            waiting: count(
                usable()
                    .filter(|source| source.in_flight == 0 && source.is_waiting(now))
                    .count(),
            ),
        }
    }

    fn source(&mut self, source: PeerId) -> &mut SourceState {
        let (count, widest) = (self.held.capacity(), self.bounds.per_source);
        self.sources
            .entry(source)
            .or_insert_with(|| SourceState::new(count, widest))
    }

    /// Number of requests that may still be made.
    fn room(&self) -> u32 {
        let at_once = self.pace.at_once(self.bounds.in_all);
        let at_once = self.backpressure.map_or(at_once, |limit| limit.min(at_once));
        at_once.saturating_sub(self.in_flight.count())
    }

    fn want(&mut self, wanted: FragmentSet) -> Candidates {
        self.missing = wanted.clone();
        self.missing.subtract(&self.held);
        for (fragment, _) in self.in_flight.iter() {
            self.missing.remove(fragment);
        }
        self.wanted = wanted;
        Candidates::All
    }

    fn serves(&mut self, source: PeerId, handed_out: FragmentSet, is_full: bool) -> Candidates {
        if self.source(source).is_usable() {
            self.update_source(source, |state| state.serves(handed_out, is_full));
        }
        Candidates::One(source)
    }

    fn has(&mut self, now: Timestamp, source: PeerId, held: FragmentSet, coming: &FragmentSet) -> Candidates {
        if !self.source(source).is_usable() {
            return Candidates::One(source);
        }
        self.update_source(source, |state| state.announce(now, held, coming));
        let waiting = self.first_hand.len();
        self.first_hand
            .retain(|fragment, _| !self.offers.is_passed_on(*fragment));
        if self.first_hand.len() < waiting {
            Candidates::All
        } else {
            Candidates::One(source)
        }
    }

    /// Changes the fragments of a source or its membership, and everything that is counted by them.
    fn update_source(&mut self, source: PeerId, change: impl FnOnce(&mut SourceState) -> Replaced) {
        let state = self.source(source);
        let (was_member, was_seeder) = (state.is_member(), state.is_seeder());
        let replaced = change(state);
        let after = &self.sources[&source];
        let before = after.announced_before(was_member, &replaced);
        self.offers.change(&before, &after.announced());
        self.seeders = self.seeders + u32::from(after.is_seeder()) - u32::from(was_seeder);
        match (was_member, after.is_member()) {
            (false, true) => self.stripes.join(source),
            (true, false) => self.stripes.leave(source),
            _ => {}
        }
    }

    fn tick(&mut self, now: Timestamp) -> Candidates {
        let sources: Vec<_> = self.sources.keys().copied().collect();
        for source in sources {
            if self.sources[&source].is_idle(now) {
                self.update_source(source, SourceState::leave_swarm);
            }
        }
        let members = self.sources.values().filter(|source| source.is_member());
        let held = members.map(|member| member.held.len());
        self.backpressure =
            backpressure::request_limit(REQUESTS, self.held.len(), held, self.held.capacity());
        self.first_hand
            .retain(|_, (_, since)| since.is_none_or(|since| now.since(since) < PASSING_PATIENCE));
        Candidates::All
    }

    /// Expects nothing any more of a source that is away or banned.
    fn drop_source(&mut self, source: PeerId, actions: &mut Vec<Action>) -> Candidates {
        self.update_source(source, SourceState::clear);
        for fragment in self.in_flight.of_source(source) {
            self.finish_request(source, fragment);
            self.mark_missing(fragment);
            actions.push(Action::Cancel { source, fragment });
        }
        Candidates::All
    }

    fn delivered(
        &mut self,
        now: Timestamp,
        source: PeerId,
        fragment: FragmentIndex,
        actions: &mut Vec<Action>,
    ) -> Candidates {
        let widest = self.bounds.per_source;
        self.source(source).succeeded(widest);
        if let Some(request) = self.finish_request(source, fragment) {
            self.learn(now, source, request);
        }
        self.held.insert(fragment);
        self.missing.remove(fragment);
        if let Some((_, since)) = self.first_hand.get_mut(&fragment) {
            *since = Some(now);
        }
        // The answer came although another source was to take it over.
        let Some(other) = self.in_flight.source_of(fragment) else {
            return Candidates::One(source);
        };
        self.finish_request(other, fragment);
        actions.push(Action::Cancel {
            source: other,
            fragment,
        });
        Candidates::All
    }

    /// Learns about the source from the time that a request took.
    fn learn(&mut self, now: Timestamp, source: PeerId, request: PendingRequest) {
        let took = now.since(request.since);
        let rest = self.pace.rest_after(took);
        // A fragment that was still coming to the source was as slow as the peer that sent it there.
        let is_its_own_doing = request.was_held && self.sources[&source].is_member();
        if is_its_own_doing && !rest.is_zero() && self.may_rest(now) {
            self.source(source).rest(now, rest);
        }
        // The rest of a fragment says nothing about the time that a whole one takes.
        if request.is_whole && self.pace.served_in(took) {
            self.source(source).served_in(took);
        }
    }

    /// Whether one more member may be left alone. Where most of them seem slow, the cause is elsewhere.
    fn may_rest(&self, now: Timestamp) -> bool {
        let members = self.sources.values().filter(|source| source.is_member());
        let resting = members.filter(|member| member.is_waiting(now)).count();
        resting < self.stripes.members() as usize / 2
    }

    fn failed(
        &mut self,
        now: Timestamp,
        source: PeerId,
        fragment: FragmentIndex,
        failure: Failure,
        actions: &mut Vec<Action>,
    ) -> Candidates {
        let finished = self.finish_request(source, fragment);
        if failure == Failure::Corrupt {
            self.record_fault(now, source, fragment, actions);
        } else if failure == Failure::HandedOut {
            self.update_source(source, |state| state.has_handed_out(fragment));
        } else if finished.is_some() && failure == Failure::Busy {
            let jitter = self.rng.random_range(0.5..=1.0);
            self.source(source).refused(now, jitter);
        } else if finished.is_some() {
            let jitter = self.rng.random_range(0.5..=1.0);
            let state = self.source(source);
            state.failed(now, jitter);
            // A fragment that was coming there may never come. If it does, the source will announce it.
            let was_coming = !state.held.contains(fragment);
            if was_coming || failure == Failure::DoesNotHold {
                self.update_source(source, |state| state.lacks(fragment));
            }
        }
        self.mark_missing(fragment);
        Candidates::All
    }

    /// Records corrupt bytes, even after a cancellation: they say the same about the source. Other sources
    /// are asked while this one waits or is banned, and it is asked again if it is still the best.
    fn record_fault(
        &mut self,
        now: Timestamp,
        source: PeerId,
        fragment: FragmentIndex,
        actions: &mut Vec<Action>,
    ) {
        if self.source(source).is_banned {
            return;
        }
        actions.push(Action::RecordFault { source, fragment });
        let jitter = self.rng.random_range(0.5..=1.0);
        let state = self.source(source);
        state.failed(now, jitter);
        if state.sent_corrupt(now) {
            self.drop_source(source, actions);
        }
    }

    /// Removes a request that has ended or is no longer needed.
    fn finish_request(&mut self, source: PeerId, fragment: FragmentIndex) -> Option<PendingRequest> {
        let request = self.in_flight.remove(source, fragment)?;
        self.source(source).in_flight -= 1;
        Some(request)
    }

    /// Marks the fragment as missing again, unless it is held, in flight from another source, or no longer
    /// wanted.
    fn mark_missing(&mut self, fragment: FragmentIndex) {
        let is_expected = self.held.contains(fragment) || self.in_flight.contains(fragment);
        if !is_expected && self.wanted.contains(fragment) {
            self.missing.insert(fragment);
            self.first_hand.remove(&fragment);
        }
    }

    /// Adds a request.
    fn start_request(&mut self, now: Timestamp, source: PeerId, fragment: FragmentIndex, moves: u8) {
        let request = PendingRequest {
            source,
            since: now,
            is_whole: self.begun.insert(fragment),
            was_held: self.sources[&source].held.contains(fragment),
            moves,
        };
        self.missing.remove(fragment);
        self.in_flight.insert(fragment, request);
        self.source(source).in_flight += 1;
    }
}
