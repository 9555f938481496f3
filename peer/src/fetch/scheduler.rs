//! Decides which fragment is asked of which source, and when to ask someone else.
//!
//! Pure: it is told events and the time, and returns what to do. Every wanted fragment is exactly one of *missing*,
//! *in flight* (from one source, or two near the end) and *held*.
//!
//! Invariants: a held fragment is never asked for; no source has more requests than its window, and all together no
//! more than [`Bounds::in_all`]; a source that sent corrupt bytes is never asked again; the same events, times and
//! seed give the same actions. As long as the missing fragments are on a source that is present and serves them
//! now and then, each is asked for again until it is held.
//!
//! It deliberately knows nothing of connections, blocks, or the store: *delivered* means that the whole
//! fragment has been verified and written.

mod event;
mod rarest;
mod selection;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use shared::model::{FragmentIndex, FragmentSet, PeerId, Timestamp};

pub use event::{Action, Bounds, Event, Failure, Outlook};
use rarest::RarestFirst;
use selection::{Candidate, candidates, choose};
use standing::Standing;

/// A request is late when it has taken this many times as long as requests usually take.
const LATE_FACTOR: u32 = 3;

/// No request is late before this, however quick the others were: a short hiccup is not worth sending twice.
const SOONEST_LATE: Duration = Duration::from_secs(1);

/// When a request is late as long as none has been served yet.
const FIRST_LATE: Duration = Duration::from_secs(3);

/// A request that has not been answered.
#[derive(Clone, Copy, Debug)]
struct Flight {
    source: PeerId,
    since: Timestamp,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Scheduler {
    bounds: Bounds,
    wanted: FragmentSet,
    held: FragmentSet,
    missing: RarestFirst,
    /// Of every fragment in flight, whom it was asked of: one source, or two.
    flights: BTreeMap<FragmentIndex, Vec<Flight>>,
    /// Requests in flight, counting both of a fragment that is asked of two sources.
    flying: u32,
    sources: BTreeMap<PeerId, Standing>,
    /// How long requests take, smoothed.
    typical: Option<Duration>,
    rng: StdRng,
}

impl Scheduler {
    /// Nothing is wanted yet of a content of which `held` is held.
    #[must_use]
    pub fn new(own: PeerId, held: FragmentSet, bounds: Bounds, seed: u64) -> Self {
        let count = held.capacity();
        let mut rng = StdRng::seed_from_u64(seed);
        let _ = own;
        Self {
            bounds: Bounds {
                per_source: bounds.per_source.max(1),
                in_all: bounds.in_all.max(1),
            },
            wanted: FragmentSet::empty(count),
            held,
            missing: RarestFirst::new(count, &mut rng),
            flights: BTreeMap::new(),
            flying: 0,
            sources: BTreeMap::new(),
            typical: None,
            rng,
        }
    }

    /// Takes an event in and says what to do now. Events that come late or twice do no harm.
    ///
    /// # Panics
    /// When a set is of a content with another number of fragments.
    #[must_use]
    pub fn apply(&mut self, now: Timestamp, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Want(wanted) => self.want(wanted),
            Event::Joined { source, is_near } => {
                let standing = self.standing(source);
                standing.is_present = true;
                standing.is_near = is_near;
            }
            Event::Has {
                source,
                fragments,
                coming: _,
            } => {
                if self.standing(source).is_usable() {
                    self.set_fragments(source, fragments);
                }
            }
            Event::Left { source } => {
                self.standing(source).is_present = false;
                self.drop_source(source, &mut actions);
            }
            Event::Delivered { source, fragment } => self.delivered(now, source, fragment, &mut actions),
            Event::Failed {
                source,
                fragment,
                failure,
            } => {
                self.failed(now, source, fragment, failure, &mut actions);
            }
            Event::Tick => {}
        }
        self.assign(now, &mut actions);
        self.hedge(now, &mut actions);
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

    /// Whether nothing is expected of the source now: it serves no request and holds nothing that is missing.
    #[must_use]
    pub fn is_useless(&self, source: PeerId) -> bool {
        self.sources.get(&source).is_none_or(|standing| {
            standing.in_flight == 0 && !standing.fragments.intersects(self.missing.missing())
        })
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
        Outlook {
            pending: pending.len(),
            in_flight: count(self.flights.len()),
            unsourced: self.missing.unsourced(),
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

    fn want(&mut self, wanted: FragmentSet) {
        let mut missing = wanted.clone();
        missing.subtract(&self.held);
        for fragment in self
            .missing
            .missing()
            .clone()
            .iter()
            .filter(|fragment| !missing.contains(*fragment))
        {
            self.missing.remove(fragment);
        }
        for fragment in missing
            .iter()
            .filter(|fragment| !self.flights.contains_key(fragment))
        {
            self.missing.insert(fragment);
        }
        self.wanted = wanted;
    }

    fn set_fragments(&mut self, source: PeerId, fragments: FragmentSet) {
        let before = std::mem::replace(&mut self.standing(source).fragments, fragments);
        self.missing.recount(&before, &self.sources[&source].fragments);
    }

    /// The source is away or banned: nothing is expected of it.
    fn drop_source(&mut self, source: PeerId, actions: &mut Vec<Action>) {
        self.set_fragments(source, FragmentSet::empty(self.held.capacity()));
        let asked = |flights: &Vec<Flight>| flights.iter().any(|flight| flight.source == source);
        let lost: Vec<_> = self
            .flights
            .iter()
            .filter(|(_, flights)| asked(flights))
            .map(|(index, _)| *index)
            .collect();
        for fragment in lost {
            self.land(source, fragment);
            self.miss(fragment);
            actions.push(Action::Cancel { source, fragment });
        }
    }

    fn delivered(
        &mut self,
        now: Timestamp,
        source: PeerId,
        fragment: FragmentIndex,
        actions: &mut Vec<Action>,
    ) {
        let widest = self.bounds.per_source;
        self.standing(source).succeeded(widest);
        if let Some(flight) = self.land(source, fragment) {
            let took = now.since(flight.since);
            self.typical = Some(self.typical.map_or(took, |typical| (typical * 7 + took) / 8));
        }
        self.held.insert(fragment);
        self.missing.remove(fragment);
        for loser in self.flights.remove(&fragment).unwrap_or_default() {
            self.flying -= 1;
            let standing = self.standing(loser.source);
            standing.in_flight -= 1;
            standing.outrun();
            actions.push(Action::Cancel {
                source: loser.source,
                fragment,
            });
        }
    }

    fn failed(
        &mut self,
        now: Timestamp,
        source: PeerId,
        fragment: FragmentIndex,
        failure: Failure,
        actions: &mut Vec<Action>,
    ) {
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
            if failure == Failure::DoesNotHold {
                let mut fragments = standing.fragments.clone();
                fragments.remove(fragment);
                self.set_fragments(source, fragments);
            }
        }
        self.miss(fragment);
    }

    /// Takes a request off the books.
    fn land(&mut self, source: PeerId, fragment: FragmentIndex) -> Option<Flight> {
        let flights = self.flights.get_mut(&fragment)?;
        let at = flights.iter().position(|flight| flight.source == source)?;
        let flight = flights.swap_remove(at);
        if flights.is_empty() {
            self.flights.remove(&fragment);
        }
        self.flying -= 1;
        self.standing(source).in_flight -= 1;
        Some(flight)
    }

    /// The fragment is missing again, unless it is held, in flight from another source, or no longer wanted.
    fn miss(&mut self, fragment: FragmentIndex) {
        if !self.held.contains(fragment)
            && !self.flights.contains_key(&fragment)
            && self.wanted.contains(fragment)
        {
            self.missing.insert(fragment);
        }
    }

    fn take_off(
        &mut self,
        now: Timestamp,
        source: PeerId,
        fragment: FragmentIndex,
        actions: &mut Vec<Action>,
    ) {
        self.missing.remove(fragment);
        self.flights
            .entry(fragment)
            .or_default()
            .push(Flight { source, since: now });
        self.flying += 1;
        self.standing(source).in_flight += 1;
        actions.push(Action::Request { source, fragment });
    }

    /// Gives missing fragments to sources: the rarest first, each to the least loaded source that holds it.
    fn assign(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let mut candidates = candidates(&self.sources, now, |standing| {
            standing.fragments.intersects(self.missing.missing())
        });
        let room = self.bounds.in_all.saturating_sub(self.flying) as usize;
        let mut chosen = Vec::new();
        if !candidates.is_empty() && room > 0 {
            for fragment in self.missing.sourced() {
                if let Some(at) = choose(&mut self.rng, &candidates, |candidate| candidate.holds(fragment)) {
                    chosen.push((candidates[at].source, fragment));
                    candidates[at].given += 1;
                    candidates.retain(Candidate::has_room);
                }
                if candidates.is_empty() || chosen.len() == room {
                    break;
                }
            }
        }
        for (source, fragment) in chosen {
            self.take_off(now, source, fragment, actions);
        }
    }

    /// Asks one other source for fragments that are late.
    ///
    /// Whoever still has room after [`Self::assign`] holds nothing that is missing, so no missing fragment has to
    /// wait for this.
    fn hedge(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let late_after = self
            .typical
            .map_or(FIRST_LATE, |typical| SOONEST_LATE.max(typical * LATE_FACTOR));
        let room = self.bounds.in_all.saturating_sub(self.flying) as usize;
        let mut late: Vec<(Timestamp, FragmentIndex, PeerId)> = self
            .flights
            .iter()
            .filter_map(|(fragment, flights)| match flights.as_slice() {
                [only] if now.since(only.since) >= late_after => Some((only.since, *fragment, only.source)),
                _ => None,
            })
            .collect();
        if late.is_empty() || room == 0 {
            return;
        }
        late.sort_unstable();
        let mut candidates = candidates(&self.sources, now, |_| true);
        let mut chosen = Vec::new();
        for (_, fragment, slow) in late {
            let other = |candidate: &Candidate<'_>| candidate.source != slow && candidate.holds(fragment);
            if let Some(at) = choose(&mut self.rng, &candidates, other) {
                chosen.push((candidates[at].source, fragment));
                candidates[at].given += 1;
                candidates.retain(Candidate::has_room);
            }
        }
        for (source, fragment) in chosen.into_iter().take(room) {
            self.take_off(now, source, fragment, actions);
        }
    }
}
