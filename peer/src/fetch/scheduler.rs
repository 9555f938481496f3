//! Decides which fragment is asked of which source, and when to ask someone else.
//!
//! Pure: it is told events and the time, and returns what to do. Every wanted fragment is exactly one of *missing*,
//! *in flight* from one source, and *held*.
//!
//! Sources are *seeders*, which only have what they have, and *members* of the swarm, which fetch the same content and
//! pass it on, block by block, as it comes to them. The rules, and why:
//!
//! * A seeder is asked for fragments that no member offers and no seeder has handed out, our own stripe first
//!   (`stripes`): so it sends everything once before it sends anything twice. It refuses what it has handed out to
//!   someone else a moment before.
//! * A member is asked for the fragments that the fewest offer, as soon as they begin to come to it.
//! * Of what came from a seeder, only little may be waiting for someone to take it over from us. So a peer with
//!   half the uplink gets half the share, and nobody has to measure an uplink.
//! * A seeder is asked for what the swarm has only when there is nothing else to ask it for.
//! * A source that is full is not asked: the request goes where there is room, instead of standing in line.
//! * A member that serves much more slowly than others is given a rest after each request, so that at the end not
//!   everything is with the slow ones; one that serves more quickly is given more. Half of them never rest.
//! * Whoever is ahead of the other members asks for less, so that those behind find free slots (`lead`).
//! * A source for which nothing else is left takes over what a much slower one is sending, unless all wait for our own
//!   limit. What has come of the fragment is kept.
//!
//! Invariants: a held fragment is never asked for; no source has more requests than its window, and all together no
//! more than [`Bounds::in_all`]; a source that sends corrupt bytes again and again is asked for nothing until it joins
//! again, and is out for longer each time (once may be the wire's fault: one damaged segment in 65,000 passes TCP's checksum;
//! and behind a bad wire may be the only one who has something); the same events, times and
//! seed give the same actions. As long as the missing fragments are on a source that is present and serves them
//! now and then, each is asked for again until it is held.
//!
//! An event costs a look at the source that it is about; only failures, departures and ticks look at all of them.
//!
//! It deliberately knows nothing of connections, blocks, or the store: *delivered* is all verified and written.

mod choice;
mod event;
mod flights;
mod lead;
mod offers;
mod pace;
mod standing;
mod stripes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use shared::model::{FragmentIndex, FragmentSet, PeerId, Timestamp};

use choice::REQUESTS;
pub use event::{Action, Bounds, Event, Failure, Outlook};
use flights::{Flight, Flights};
use offers::Offers;
use pace::Pace;
use standing::Standing;
use stripes::Stripes;

/// A fragment that nobody has taken over from us for so long is not waited for: perhaps nobody wants it.
const PASSING_PATIENCE: Duration = Duration::from_secs(3);

/// See the [module](self).
#[derive(Debug)]
pub struct Scheduler {
    bounds: Bounds,
    wanted: FragmentSet,
    held: FragmentSet,
    missing: FragmentSet,
    flights: Flights,
    sources: BTreeMap<PeerId, Standing>,
    offers: Offers,
    stripes: Stripes,
    /// Sources that hold something and are no members.
    seeders: u32,
    /// Fragments that we were the first to ask a seeder for, and have not passed on yet; whom, and since when we hold them.
    first_hand: BTreeMap<FragmentIndex, (PeerId, Option<Timestamp>)>,
    /// Fragments that have been asked for: some of them may have come.
    begun: FragmentSet,
    /// How many requests are to be made at most because we are ahead of others.
    fair: Option<u32>,
    pace: Pace,
    rng: StdRng,
}

/// Which sources may have become able to serve something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    At(PeerId),
    AtAll,
}

impl Scheduler {
    /// Nothing is wanted yet of a content of which `held` is held.
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
            flights: Flights::default(),
            sources: BTreeMap::new(),
            offers: Offers::new(count),
            stripes: Stripes::new(own, count),
            seeders: 0,
            first_hand: BTreeMap::new(),
            begun: FragmentSet::empty(count),
            fair: None,
            pace: Pace::default(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Takes an event in and says what to do now. Events that come late or twice do no harm.
    ///
    /// # Panics
    /// When a set is of a content with another number of fragments.
    #[must_use]
    pub fn apply(&mut self, now: Timestamp, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        let was_exhausted = self.room() == 0;
        let look = match event {
            Event::Want(wanted) => self.want(wanted),
            Event::Joined { source, is_near } => {
                self.standing(source).joins(is_near);
                Look::At(source)
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
                self.standing(source).is_present = false;
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
                Look::AtAll
            }
            Event::Throttled(enough) => {
                self.pace.throttle(enough);
                self.flights.restart(now);
                Look::AtAll
            }
            Event::Tick => self.tick(now),
        };
        let look = if was_exhausted { Look::AtAll } else { look };
        self.assign(now, look, &mut actions);
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

    /// Whether nothing is expected of the source now: it serves no request and offers nothing that is missing.
    #[must_use]
    pub fn is_useless(&self, source: PeerId) -> bool {
        self.sources
            .get(&source)
            .is_none_or(|standing| standing.in_flight == 0 && !standing.offered.intersects(&self.missing))
    }

    /// Whether the source sent corrupt bytes so often that it is asked for nothing until it joins again.
    #[must_use]
    pub fn is_banned(&self, source: PeerId) -> bool {
        self.sources
            .get(&source)
            .is_some_and(|standing| standing.is_banned)
    }

    /// Whether the source is banned and should not join yet.
    #[must_use]
    pub fn is_out(&self, now: Timestamp, source: PeerId) -> bool {
        self.sources
            .get(&source)
            .is_some_and(|standing| standing.is_out(now))
    }

    /// How things stand.
    #[must_use]
    pub fn outlook(&self, now: Timestamp) -> Outlook {
        let mut pending = self.wanted.clone();
        pending.subtract(&self.held);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let usable = || self.sources.values().filter(|source| source.is_usable());
        let unsourced = self
            .missing
            .iter()
            .filter(|fragment| self.offers.of(*fragment) == 0);
        Outlook {
            pending: pending.len(),
            in_flight: self.flights.count(),
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

    fn standing(&mut self, source: PeerId) -> &mut Standing {
        let (count, widest) = (self.held.capacity(), self.bounds.per_source);
        self.sources
            .entry(source)
            .or_insert_with(|| Standing::new(count, widest))
    }

    /// How many more requests may be made.
    fn room(&self) -> u32 {
        let at_once = self.pace.at_once(self.bounds.in_all);
        let at_once = self.fair.map_or(at_once, |fair| fair.min(at_once));
        at_once.saturating_sub(self.flights.count())
    }

    fn want(&mut self, wanted: FragmentSet) -> Look {
        self.missing = wanted.clone();
        self.missing.subtract(&self.held);
        for fragment in self.missing.clone().iter() {
            if self.flights.contains(fragment) {
                self.missing.remove(fragment);
            }
        }
        self.wanted = wanted;
        Look::AtAll
    }

    fn serves(&mut self, source: PeerId, handed_out: FragmentSet, is_full: bool) -> Look {
        if self.standing(source).is_usable() {
            self.restate(source, |standing| standing.serves(handed_out, is_full));
        }
        Look::At(source)
    }

    fn has(&mut self, now: Timestamp, source: PeerId, held: FragmentSet, coming: &FragmentSet) -> Look {
        if !self.standing(source).is_usable() {
            return Look::At(source);
        }
        self.restate(source, |standing| standing.says(now, held, coming));
        let waiting = self.first_hand.len();
        self.first_hand
            .retain(|fragment, _| !self.offers.is_passed_on(*fragment));
        if self.first_hand.len() < waiting {
            Look::AtAll
        } else {
            Look::At(source)
        }
    }

    /// Changes what is known of what a source has, and of whether it is a member.
    fn restate(&mut self, source: PeerId, change: impl FnOnce(&mut Standing)) {
        let standing = self.standing(source);
        let before = standing.clone();
        change(standing);
        let after = &self.sources[&source];
        self.offers.change(&before, after);
        self.seeders = self.seeders + u32::from(after.is_seeder()) - u32::from(before.is_seeder());
        match (before.is_member(), after.is_member()) {
            (false, true) => self.stripes.join(source),
            (true, false) => self.stripes.leave(source),
            _ => {}
        }
    }

    fn tick(&mut self, now: Timestamp) -> Look {
        let sources: Vec<_> = self.sources.keys().copied().collect();
        for source in sources {
            if self.sources[&source].is_idle(now) {
                self.restate(source, Standing::is_no_member);
            }
        }
        let members = self.sources.values().filter(|source| source.is_member());
        let held = members.map(|member| member.held.len());
        self.fair = lead::at_once(REQUESTS, self.held.len(), held, self.held.capacity());
        self.first_hand
            .retain(|_, (_, since)| since.is_none_or(|since| now.since(since) < PASSING_PATIENCE));
        Look::AtAll
    }

    /// The source is away or banned: nothing is expected of it.
    fn drop_source(&mut self, source: PeerId, actions: &mut Vec<Action>) -> Look {
        self.restate(source, Standing::is_gone);
        for fragment in self.flights.of_source(source) {
            self.land(source, fragment);
            self.miss(fragment);
            actions.push(Action::Cancel { source, fragment });
        }
        Look::AtAll
    }

    fn delivered(
        &mut self,
        now: Timestamp,
        source: PeerId,
        fragment: FragmentIndex,
        actions: &mut Vec<Action>,
    ) -> Look {
        let widest = self.bounds.per_source;
        self.standing(source).succeeded(widest);
        if let Some(flight) = self.land(source, fragment) {
            self.learn(now, source, flight);
        }
        self.held.insert(fragment);
        self.missing.remove(fragment);
        if let Some((_, since)) = self.first_hand.get_mut(&fragment) {
            *since = Some(now);
        }
        // The answer came although another source was to take it over.
        let Some(other) = self.flights.source_of(fragment) else {
            return Look::At(source);
        };
        self.land(other, fragment);
        actions.push(Action::Cancel {
            source: other,
            fragment,
        });
        Look::AtAll
    }

    /// What the time that a request took says about the source.
    fn learn(&mut self, now: Timestamp, source: PeerId, flight: Flight) {
        let took = now.since(flight.since);
        let rest = self.pace.rest_after(took);
        // What was still coming to it was as slow as whoever sent it there.
        let is_its_own_doing = flight.was_held && self.sources[&source].is_member();
        if is_its_own_doing && !rest.is_zero() && self.may_rest(now) {
            self.standing(source).rest(now, rest);
        }
        // What was left of a fragment says nothing about how long a whole one takes.
        if flight.is_whole && self.pace.served_in(took) {
            self.standing(source).served_in(took);
        }
    }

    /// Whether one more member may be left alone. Where most of them seem slow, it is not they who are.
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
    ) -> Look {
        let landed = self.land(source, fragment);
        if failure == Failure::Corrupt {
            self.doubt(now, source, fragment, actions);
        } else if failure == Failure::HandedOut {
            self.restate(source, |standing| {
                standing.handed_out.insert(fragment);
            });
        } else if landed.is_some() && failure == Failure::Busy {
            let jitter = self.rng.random_range(0.5..=1.0);
            self.standing(source).refused(now, jitter);
        } else if landed.is_some() {
            let jitter = self.rng.random_range(0.5..=1.0);
            let standing = self.standing(source);
            standing.failed(now, jitter);
            // What was coming there may never come. If it does, the source will say so.
            let was_coming = !standing.held.contains(fragment);
            if was_coming || failure == Failure::DoesNotHold {
                self.restate(source, |standing| standing.lacks(fragment));
            }
        }
        self.miss(fragment);
        Look::AtAll
    }

    /// Counts even after a cancellation: what is known about the source does not depend on the request. Others are asked
    /// while it waits or is out, and it is asked again if it is still the one to ask.
    fn doubt(&mut self, now: Timestamp, source: PeerId, fragment: FragmentIndex, actions: &mut Vec<Action>) {
        if self.standing(source).is_banned {
            return;
        }
        actions.push(Action::Liar { source, fragment });
        let jitter = self.rng.random_range(0.5..=1.0);
        let standing = self.standing(source);
        standing.failed(now, jitter);
        if standing.lied(now) {
            self.drop_source(source, actions);
        }
    }

    /// Takes a request off the books.
    fn land(&mut self, source: PeerId, fragment: FragmentIndex) -> Option<Flight> {
        let flight = self.flights.end(source, fragment)?;
        self.standing(source).in_flight -= 1;
        Some(flight)
    }

    /// The fragment is missing again, unless it is held, in flight from another source, or no longer wanted.
    fn miss(&mut self, fragment: FragmentIndex) {
        if !self.held.contains(fragment) && !self.flights.contains(fragment) && self.wanted.contains(fragment)
        {
            self.missing.insert(fragment);
            self.first_hand.remove(&fragment);
        }
    }

    /// Puts a request on the books.
    fn take_off(&mut self, now: Timestamp, source: PeerId, fragment: FragmentIndex, moves: u8) {
        let flight = Flight {
            source,
            since: now,
            is_whole: self.begun.insert(fragment),
            was_held: self.sources[&source].held.contains(fragment),
            moves,
        };
        self.missing.remove(fragment);
        self.flights.begin(fragment, flight);
        self.standing(source).in_flight += 1;
    }
}
