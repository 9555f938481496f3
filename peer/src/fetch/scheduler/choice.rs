//! What to ask of whom: sources that have room and fragments that are missing, or that another source sends too slowly.

use std::cmp::Reverse;
use std::time::Duration;

use rand::RngExt as _;
use shared::model::{FragmentIndex, PeerId, Timestamp};

use super::event::Action;
use super::standing::Standing;
use super::{Look, Scheduler};

/// Requests to all members together, about, and to all seeders: the more there are, the fewer each. So few that whoever
/// offers a fragment later still finds someone to give it to; more would queue at the first who offered it.
pub(super) const REQUESTS: u32 = 32;

/// Fragments from one seeder that wait for other members to take them over, with all members together, about: one each,
/// but where there are only two or three members the seeder must not wait for them.
const FIRST_HAND: usize = 8;

/// A source takes over from one that needs so many times as long.
const MUCH_SLOWER: u32 = 3;

/// A seeder that still has what only it can send gives a member so many times as long: what it takes over it sends twice.
const SPARING: u32 = 2;

/// Each time that a fragment is taken over, the next source is given twice as long, up to so many times: else a
/// line of our own that is full would look as if all sources were slow, and what is on its way would be thrown away
/// over and over.
const MOST_MOVES: u8 = 4;

/// Nothing is taken over before this: asking again costs a round trip, and what is under way is lost.
const SOONEST: Duration = Duration::from_millis(200);

/// How long a fragment takes as long as none has come.
const FIRST_GUESS: Duration = Duration::from_secs(1);

impl Scheduler {
    /// Gives missing fragments to sources, one each in turn, as long as they can take more.
    pub(super) fn assign(&mut self, now: Timestamp, look: Look, actions: &mut Vec<Action>) {
        let mut open = match look {
            Look::At(source) => vec![source],
            Look::AtAll => self.open(now),
        };
        while !open.is_empty() {
            open.retain(|source| self.ask(now, *source, actions));
        }
    }

    /// Asks the source for one more fragment, if it can take more and there is one.
    fn ask(&mut self, now: Timestamp, source: PeerId, actions: &mut Vec<Action>) -> bool {
        if !self.sources.get(&source).is_some_and(|it| self.is_open(it, now)) {
            return false;
        }
        if self.room() > 0
            && let Some(fragment) = self.choose(source)
        {
            let standing = &self.sources[&source];
            let if_new = !standing.is_member() && self.is_new(standing, fragment);
            if if_new && self.is_shared() {
                self.first_hand.insert(fragment, (source, None));
            }
            self.take_off(now, source, fragment, 0);
            actions.push(Action::Request {
                source,
                fragment,
                if_new,
            });
            return true;
        }
        let Some((fragment, slow)) = self.overtakes(now, source) else {
            return false;
        };
        let moves = self.land(slow, fragment).map_or(0, |flight| flight.moves);
        self.take_off(now, source, fragment, moves.saturating_add(1));
        actions.push(Action::Move {
            from: slow,
            to: source,
            fragment,
        });
        true
    }

    /// The sources that could serve one more request now: the least loaded first, near ones before others.
    fn open(&mut self, now: Timestamp) -> Vec<PeerId> {
        let mut of_use = self.missing.clone();
        self.flights.iter().for_each(|(fragment, _)| {
            of_use.insert(fragment);
        });
        let is_useful =
            |standing: &Standing| self.is_open(standing, now) && standing.offered.intersects(&of_use);
        let open = self.sources.iter().filter(|(_, standing)| is_useful(standing));
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

    /// Whether the source could serve one more request now. The more there are, the fewer each is asked for, and a
    /// quick member is asked for twice as much.
    fn is_open(&self, source: &Standing, now: Timestamp) -> bool {
        let each = |of: u32| (REQUESTS / of.max(1)).max(1);
        let widest = match source.is_member() {
            true if self.pace.is_quick(source.usual()) => each(self.stripes.members()) * 2,
            true => each(self.stripes.members()),
            false => each(self.seeders),
        };
        source.is_open(now, widest.min(self.bounds.per_source))
    }

    /// The missing fragment that this source is best asked for.
    fn choose(&self, id: PeerId) -> Option<FragmentIndex> {
        let source = &self.sources[&id];
        let mut useful = self.missing.clone();
        useful.intersect_with(&source.offered);
        let rarest = |fragment: &FragmentIndex| (self.offers.of(*fragment), self.stripes.weight(*fragment));
        if source.is_member() {
            return useful.iter().min_by_key(rarest);
        }
        let new = useful.iter().filter(|fragment| self.is_new(source, *fragment));
        if !self.is_shared() {
            // Whoever comes late does not know the others yet, who have what has been handed out.
            return new
                .min_by_key(rarest)
                .or_else(|| useful.iter().min_by_key(rarest));
        }
        match new.min_by_key(|fragment| self.stripes.turn(*fragment)) {
            Some(fragment) => self.may_be_first_hand(id).then_some(fragment),
            None if source.in_flight == 0 && self.is_all_passed_on() => useful.iter().min_by_key(rarest),
            None => None,
        }
    }

    /// What a much slower source is sending and this one holds, and which source that is. Sources to which it is only
    /// coming may well wait for the same slow one.
    fn overtakes(&self, now: Timestamp, id: PeerId) -> Option<(FragmentIndex, PeerId)> {
        let source = &self.sources[&id];
        let own = source.usual().or(self.pace.typical()).unwrap_or(FIRST_GUESS);
        // A seeder has better things to do, as long as there is something that only it can send.
        let is_spare =
            source.is_member() || !self.is_shared() || source.in_flight == 0 && self.is_all_passed_on();
        let late = self.pace.late_after(self.missing.is_empty());
        let slow = self.flights.iter().filter_map(|(fragment, flight)| {
            let passed = now.since(flight.since);
            let least = match self.sources[&flight.source].is_member() {
                _ if is_spare => SOONEST,
                true => late.saturating_mul(SPARING),
                false => late,
            };
            let times = MUCH_SLOWER.max(1 << flight.moves.min(MOST_MOVES));
            let is_slow = passed >= (own * times).max(least);
            (flight.source != id && is_slow && source.held.contains(fragment)).then_some((
                passed,
                fragment,
                flight.source,
            ))
        });
        let slowest = slow.max().filter(|_| !self.pace.is_throttled());
        slowest.map(|(_, fragment, slow)| (fragment, slow))
    }

    /// Whether the fragment is in nobody's hands but those of seeders; where these need not be spared, of this one.
    fn is_new(&self, seeder: &Standing, fragment: FragmentIndex) -> bool {
        if self.is_shared() {
            !self.offers.is_in_swarm(fragment)
        } else {
            !seeder.handed_out.contains(fragment)
        }
    }

    /// Whether the seeders are to be spared: there are members who want the same, and no fewer than seeders.
    fn is_shared(&self) -> bool {
        (1..=self.stripes.members()).contains(&self.seeders.max(1))
    }

    /// Whether the seeder may be asked for one more fragment that is new to the swarm: the last ones have been taken over
    /// from us, or nobody seems to want them.
    fn may_be_first_hand(&self, seeder: PeerId) -> bool {
        let waiting = self.first_hand.values().filter(|(from, _)| *from == seeder);
        waiting.count() < (FIRST_HAND / self.stripes.members().max(1) as usize).max(1)
    }

    /// Whether members hold everything that we lack: then seeders have done what only they can do.
    fn is_all_passed_on(&self) -> bool {
        let mut lacking = self.wanted.clone();
        lacking.subtract(&self.held);
        lacking.iter().all(|fragment| self.offers.is_passed_on(fragment))
    }
}
