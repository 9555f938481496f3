//! Decides which fragment is asked of which source, and when to ask someone else.
//!
//! Pure: it is told events and the time, and returns what to do. Every wanted fragment is exactly one of *missing*,
//! *in flight* (from one source, or two near the end) and *held*.
//!
//! Sources are *seeders*, which only have what they have, and *members* of the swarm, which fetch the same content and
//! pass it on, block by block, as it comes to them. The rules, and why:
//!
//! * A seeder is asked for fragments that no member offers, our own stripe first (`stripes`): so it sends everything
//!   once before it sends anything twice.
//! * A member is asked for the fragments that the fewest offer, as soon as they begin to come to it.
//! * Of what came from a seeder, only little may be waiting for someone to take it over from us. So a peer with
//!   half the uplink gets half the share, and nobody has to measure an uplink.
//! * A seeder is asked for what the swarm has only when there is nothing else to ask it for.
//! * A member that serves much more slowly than others is given a rest after each request, so that at the end not
//!   everything is with the slow ones.
//! * A request that is late is made to one other source as well, unless it waits for our own limit.
//!
//! Invariants: a held fragment is never asked for; no source has more requests than its window, and all together no
//! more than [`Bounds::in_all`]; a source that sent corrupt bytes is never asked again; the same events, times and
//! seed give the same actions. As long as the missing fragments are on a source that is present and serves them
//! now and then, each is asked for again until it is held.
//!
//! An event costs a look at the source that it is about; only failures, departures and ticks look at all of them.
//!
//! It deliberately knows nothing of connections, blocks, or the store: *delivered* is all verified and written.

mod event;
mod flights;
mod offers;
mod pace;
mod standing;
mod stripes;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use shared::model::{FragmentIndex, FragmentSet, PeerId, Timestamp};

pub use event::{Action, Bounds, Event, Failure, Outlook};
use flights::{Flight, Flights};
use offers::Offers;
use pace::Pace;
use standing::Standing;
use stripes::Stripes;

/// Requests to all members together, about: the more members there are, the fewer each. So few that whoever offers a
/// fragment later still finds someone to give it to; more would queue at the first who offered it.
const MEMBER_REQUESTS: u32 = 32;

/// One in so many fragments may be in flight from two sources at once, and one besides.
const HEDGED_OF: usize = 64;

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
    /// Fragments that we were the first to ask a seeder for, and that no member holds yet; whom, and since when we do.
    first_hand: BTreeMap<FragmentIndex, (PeerId, Option<Timestamp>)>,
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
            first_hand: BTreeMap::new(),
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
        let is_tick = event == Event::Tick;
        let look = match event {
            Event::Want(wanted) => self.want(wanted),
            Event::Joined { source, is_near } => {
                let standing = self.standing(source);
                standing.is_present = true;
                standing.is_near = is_near;
                Look::At(source)
            }
            Event::Has {
                source,
                fragments,
                coming,
            } => self.has(now, source, fragments, &coming),
            Event::Claims { source, fragments } => self.claims(source, fragments),
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
            Event::Throttled(enough) => {
                self.pace.throttle(enough);
                Look::AtAll
            }
            Event::Tick => self.tick(now),
        };
        let look = if was_exhausted { Look::AtAll } else { look };
        self.assign(now, look, &mut actions);
        if is_tick {
            self.hedge(now, &mut actions);
        }
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

    /// Whether the source sent corrupt bytes.
    #[must_use]
    pub fn is_banned(&self, source: PeerId) -> bool {
        self.sources
            .get(&source)
            .is_some_and(|standing| standing.is_banned)
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
            in_flight: count(self.flights.fragments()),
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

    fn claims(&mut self, source: PeerId, fragments: FragmentSet) -> Look {
        if self.standing(source).is_usable() {
            self.restate(source, |standing| standing.claims(fragments));
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
        match (before.is_member(), after.is_member()) {
            (false, true) => self.stripes.join(source),
            (true, false) => self.stripes.leave(source),
            _ => {}
        }
    }

    fn tick(&mut self, now: Timestamp) -> Look {
        let sources: Vec<_> = self.sources.keys().copied().collect();
        for source in sources {
            let standing = &self.sources[&source];
            // Whoever gets nothing must not keep others from asking for what it claims.
            if standing.is_idle(now) || standing.claims_in_vain(now) {
                self.restate(source, |standing| standing.rests(now));
            }
        }
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
            let took = now.since(flight.since);
            if self.standing(source).is_member() {
                let rest = self.pace.rest_after(took);
                self.standing(source).rest(now, rest);
            }
            self.pace.served_in(took);
        }
        self.held.insert(fragment);
        self.missing.remove(fragment);
        if let Some((_, since)) = self.first_hand.get_mut(&fragment) {
            *since = Some(now);
        }
        let losers = self.flights.sources_of(fragment);
        for loser in &losers {
            self.land(*loser, fragment);
            let jitter = self.rng.random_range(0.5..=1.0);
            self.standing(*loser).outrun(now, jitter);
            actions.push(Action::Cancel {
                source: *loser,
                fragment,
            });
        }
        if losers.is_empty() {
            Look::At(source)
        } else {
            Look::AtAll
        }
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
            // Counts even after a cancellation: what is known about the source does not depend on the request.
            if !std::mem::replace(&mut self.standing(source).is_banned, true) {
                actions.push(Action::Liar { source, fragment });
                self.drop_source(source, actions);
            }
        } else if landed.is_some() {
            let jitter = self.rng.random_range(0.5..=1.0);
            let standing = self.standing(source);
            standing.failed(now, jitter);
            // What was coming there may never come. If it does, the source will say so.
            let was_coming = !standing.held.contains(fragment) && failure != Failure::Busy;
            if was_coming || failure == Failure::DoesNotHold {
                self.restate(source, |standing| standing.lacks(fragment));
            }
        }
        self.miss(fragment);
        Look::AtAll
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

    fn take_off(
        &mut self,
        now: Timestamp,
        source: PeerId,
        fragment: FragmentIndex,
        actions: &mut Vec<Action>,
    ) {
        if self.missing.remove(fragment)
            && !self.sources[&source].is_member()
            && !self.offers.is_in_swarm(fragment)
            && self.stripes.is_shared()
        {
            self.first_hand.insert(fragment, (source, None));
        }
        self.flights.begin(fragment, Flight { source, since: now });
        self.standing(source).in_flight += 1;
        actions.push(Action::Request { source, fragment });
    }

    /// Gives missing fragments to sources, one each in turn, as long as they can take more.
    fn assign(&mut self, now: Timestamp, look: Look, actions: &mut Vec<Action>) {
        let mut open = match look {
            Look::At(source) => vec![source],
            Look::AtAll => {
                let missing = self.missing.clone();
                self.open(now, |standing| standing.offered.intersects(&missing))
            }
        };
        while !open.is_empty() {
            open.retain(|source| {
                let may = self.room() > 0 && self.sources.get(source).is_some_and(|it| self.is_open(it, now));
                let choice = may.then(|| self.choose(*source)).flatten();
                if let Some(fragment) = choice {
                    self.take_off(now, *source, fragment, actions);
                }
                choice.is_some()
            });
        }
    }

    /// The sources that could serve one more request now: the least loaded first, near ones before others.
    fn open(&mut self, now: Timestamp, is_useful: impl Fn(&Standing) -> bool) -> Vec<PeerId> {
        let is_open = |standing: &Standing| self.is_open(standing, now) && is_useful(standing);
        let open = self.sources.iter().filter(|(_, standing)| is_open(standing));
        let cost = |standing: &Standing| (standing.load(), Reverse(standing.is_near));
        let mut open: Vec<_> = open
            .map(|(source, standing)| (cost(standing), 0, *source))
            .collect();
        for (_, lot, _) in &mut open {
            *lot = self.rng.random::<u32>();
        }
        open.sort_unstable();
        open.into_iter().map(|(_, _, source)| source).collect()
    }

    /// The missing fragment that this source is best asked for.
    fn choose(&self, id: PeerId) -> Option<FragmentIndex> {
        let source = &self.sources[&id];
        let mut useful = self.missing.clone();
        useful.intersect_with(&source.offered);
        let rarest = |fragment: &FragmentIndex| (self.offers.of(*fragment), self.stripes.weight(*fragment));
        if source.is_member() || !self.stripes.is_shared() {
            return useful.iter().min_by_key(rarest);
        }
        let is_new = |fragment: &FragmentIndex| !self.offers.is_in_swarm(*fragment);
        let new = useful.iter().filter(is_new);
        match new.min_by_key(|fragment| self.stripes.turn(*fragment)) {
            Some(fragment) => self.may_be_first_hand(id).then_some(fragment),
            None if source.in_flight == 0 && self.is_all_passed_on() => useful.iter().min_by_key(rarest),
            None => None,
        }
    }

    /// Whether the source could serve one more request now. The more members there are, the fewer each is asked for.
    fn is_open(&self, source: &Standing, now: Timestamp) -> bool {
        let each = (MEMBER_REQUESTS / self.stripes.members().max(1)).max(1);
        let widest = if source.is_member() {
            each
        } else {
            self.bounds.per_source
        };
        source.is_open(now, widest)
    }

    /// Whether the seeder may be asked for one more fragment that is new to the swarm: the last one has been taken over
    /// from us, or nobody seems to want it.
    fn may_be_first_hand(&self, seeder: PeerId) -> bool {
        !self.first_hand.values().any(|(from, _)| *from == seeder)
    }

    /// Whether members hold everything that we lack: then seeders have done what only they can do.
    fn is_all_passed_on(&self) -> bool {
        let mut lacking = self.wanted.clone();
        lacking.subtract(&self.held);
        lacking.iter().all(|fragment| self.offers.is_passed_on(fragment))
    }

    /// Asks one other source for fragments that are late: one that holds them, since those to which they are only coming
    /// may well be waiting for the same slow source.
    fn hedge(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let late_after = self.pace.late_after(self.missing.is_empty());
        let late = self.flights.late(now, late_after);
        if late.is_empty() || self.room() == 0 {
            return;
        }
        let most = (1 + self.held.capacity() as usize / HEDGED_OF).saturating_sub(self.flights.hedged());
        let mut open = self.open(now, |_| true);
        for (fragment, slow) in late.into_iter().take(most) {
            let other = open
                .iter()
                .position(|source| *source != slow && self.sources[source].held.contains(fragment));
            let Some(at) = other.filter(|_| self.room() > 0) else {
                continue;
            };
            let source = open[at];
            self.take_off(now, source, fragment, actions);
            if !self.is_open(&self.sources[&source], now) {
                open.remove(at);
            }
        }
    }
}
