//! Choice of the next request: a source that has room, and a fragment that is missing or that another source
//! sends too slowly.

use std::cmp::Reverse;
use std::time::Duration;

use rand::RngExt as _;
use shared::model::{FragmentIndex, PeerId, Timestamp};

use super::event::Action;
use super::source_state::SourceState;
use super::{Candidates, Scheduler};

/// Approximate number of requests to all members together, and to all seeders: the more there are, the fewer
/// each gets. So few that a source that offers a fragment later still finds peers to give it to; more would
/// queue at the first one.
pub(super) const REQUESTS: u32 = 32;

/// Approximate number of fragments from one seeder that wait with all members together to be taken over: one
/// each, but where there are only two or three members the seeder must not wait for them.
const FIRST_HAND: usize = 8;

/// Multiple of its own time from which on a source takes over from another one.
const MUCH_SLOWER: u32 = 3;

/// Multiple of that time that a member is given by a seeder that still has fragments that only it can send: a
/// fragment that it takes over it sends twice.
const SPARING: u32 = 2;

/// Number of times that a fragment's next source is given twice as long as the one before: otherwise a full
/// line of this peer's own would look as if all sources were slow, and bytes on their way would be thrown
/// away over and over.
const MOST_MOVES: u8 = 4;

/// Time before which nothing is taken over: asking again costs a round trip, and bytes on their way are lost.
const SOONEST: Duration = Duration::from_millis(200);

/// Time that a fragment is assumed to take while none has come.
const FIRST_GUESS: Duration = Duration::from_secs(1);

impl Scheduler {
    /// Asks sources for missing fragments, one each in turn, while they can take more requests.
    pub(super) fn assign(&mut self, now: Timestamp, candidates: Candidates, actions: &mut Vec<Action>) {
        let mut open = match candidates {
            Candidates::One(source) => vec![source],
            Candidates::All => self.open(now),
        };
        while !open.is_empty() {
            open.retain(|source| self.ask(now, *source, actions));
        }
    }

    /// Asks the source for one more fragment, if it can take one more request and there is such a fragment.
    fn ask(&mut self, now: Timestamp, source: PeerId, actions: &mut Vec<Action>) -> bool {
        if !self.sources.get(&source).is_some_and(|it| self.is_open(it, now)) {
            return false;
        }
        if self.room() > 0
            && let Some(fragment) = self.choose(source)
        {
            let state = &self.sources[&source];
            let if_new = !state.is_member() && self.is_new(state, fragment);
            if if_new && self.is_shared() {
                self.first_hand.insert(fragment, (source, None));
            }
            self.start_request(now, source, fragment, 0);
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
        let slow_request = self.finish_request(slow, fragment);
        let moves = slow_request.map_or(0, |request| request.moves);
        self.start_request(now, source, fragment, moves.saturating_add(1));
        actions.push(Action::Move {
            from: slow,
            to: source,
            fragment,
        });
        true
    }

    /// Returns the sources that could serve one more request now: the least loaded first, near ones before
    /// others.
    fn open(&mut self, now: Timestamp) -> Vec<PeerId> {
        let offers_any = |state: &SourceState| {
            state.offered.intersects(&self.missing)
                || self
                    .in_flight
                    .iter()
                    .any(|(fragment, _)| state.offered.contains(fragment))
        };
        let is_useful = |state: &SourceState| self.is_open(state, now) && offers_any(state);
        let open = self.sources.iter().filter(|(_, state)| is_useful(state));
        let cost = |state: &SourceState| (state.load(), Reverse(state.is_near));
        let mut open: Vec<_> = open.map(|(source, state)| (cost(state), 0, *source)).collect();
        for (_, lot, _) in &mut open {
            *lot = self.rng.random::<u32>();
        }
        open.sort_unstable();
        open.into_iter().map(|(_, _, source)| source).collect()
    }

    /// Whether the source could serve one more request now. The more sources there are, the fewer requests
    /// each gets, and a quick member gets twice as many.
    fn is_open(&self, source: &SourceState, now: Timestamp) -> bool {
        let each = |of: u32| (REQUESTS / of.max(1)).max(1);
        let widest = match source.is_member() {
            true if self.pace.is_quick(source.usual()) => each(self.stripes.members()) * 2,
            true => each(self.stripes.members()),
            false => each(self.seeders),
        };
        source.is_open(now, widest.min(self.bounds.per_source))
    }

    /// Returns the missing fragment for which this source is best asked.
    fn choose(&self, id: PeerId) -> Option<FragmentIndex> {
        let source = &self.sources[&id];
        let useful = || self.missing.intersection(&source.offered);
        let rarest = |fragment: &FragmentIndex| (self.offers.of(*fragment), self.stripes.weight(*fragment));
        if source.is_member() {
            return useful().min_by_key(rarest);
        }
        let new = useful().filter(|fragment| self.is_new(source, *fragment));
        if !self.is_shared() {
            // A peer that comes late does not know the others yet, which have the fragments that were handed
            // out.
            return new.min_by_key(rarest).or_else(|| useful().min_by_key(rarest));
        }
        match new.min_by_key(|fragment| self.stripes.turn(*fragment)) {
            Some(fragment) => self.may_be_first_hand(id).then_some(fragment),
            None if source.in_flight == 0 && self.is_all_passed_on() => useful().min_by_key(rarest),
            None => None,
        }
    }

    /// Returns a fragment that this source holds and a much slower source is sending, and the slower source.
    /// A source to which the fragment is only coming may well wait for the same slow one.
    fn overtakes(&self, now: Timestamp, id: PeerId) -> Option<(FragmentIndex, PeerId)> {
        let source = &self.sources[&id];
        let own = source.usual().or(self.pace.typical()).unwrap_or(FIRST_GUESS);
        // A seeder has better things to do while there is a fragment that only it can send.
        let is_spare =
            source.is_member() || !self.is_shared() || source.in_flight == 0 && self.is_all_passed_on();
        let late = self.pace.late_after(self.missing.is_empty());
        let slow = self.in_flight.iter().filter_map(|(fragment, request)| {
            let passed = now.since(request.since);
            let least = match self.sources[&request.source].is_member() {
                _ if is_spare => SOONEST,
                true => late.saturating_mul(SPARING),
                false => late,
            };
            let times = MUCH_SLOWER.max(1 << request.moves.min(MOST_MOVES));
            let is_slow = passed >= (own * times).max(least);
            (request.source != id && is_slow && source.held.contains(fragment)).then_some((
                passed,
                fragment,
                request.source,
            ))
        });
        let slowest = slow.max().filter(|_| !self.pace.is_throttled());
        slowest.map(|(_, fragment, slow)| (fragment, slow))
    }

    /// Whether only seeders have the fragment; where seeders need not be spared, whether this one has not
    /// handed it out.
    fn is_new(&self, seeder: &SourceState, fragment: FragmentIndex) -> bool {
        if self.is_shared() {
            !self.offers.is_in_swarm(fragment)
        } else {
            !seeder.handed_out.contains(fragment)
        }
    }

    /// Whether the seeders are to be spared: there are members that want the same content, and no fewer than
    /// seeders.
    fn is_shared(&self) -> bool {
        (1..=self.stripes.members()).contains(&self.seeders.max(1))
    }

    /// Whether the seeder may be asked for one more fragment that is new to the swarm: other members have
    /// taken the last ones over from this peer, or do not seem to want them.
    fn may_be_first_hand(&self, seeder: PeerId) -> bool {
        let waiting = self.first_hand.values().filter(|(from, _)| *from == seeder);
        waiting.count() < (FIRST_HAND / self.stripes.members().max(1) as usize).max(1)
    }

    /// Whether members hold all fragments that this peer lacks: then seeders have done what only they can do.
    fn is_all_passed_on(&self) -> bool {
        let mut lacking = self.wanted.difference(&self.held);
        lacking.all(|fragment| self.offers.is_passed_on(fragment))
    }
}
