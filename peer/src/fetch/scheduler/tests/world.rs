//! A simulated world: sources that are honest, lying, slow or busy, that come and go, and one that always
//! recovers.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::super::*;
use super::{at, peer};

/// Simulated time after which the fetch must be stuck.
const TOO_LONG_MS: u64 = 3_600_000;

/// Interval at which sources are looked for.
const LOOK_MS: u64 = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temper {
    Honest,
    Lying,
    /// Is honest, behind a wire that damages many answers.
    Garbled,
    /// Answers "busy" to most requests.
    Busy,
    /// Never answers in time.
    Stuck,
    /// Ends most requests early, and goes away altogether.
    Fickle,
    /// Announces all fragments, and then says that it does not hold them.
    Boaster,
}

/// An event that will happen.
#[derive(Clone, Copy, Debug)]
enum Coming {
    Answer {
        source: PeerId,
        fragment: FragmentIndex,
        number: u64,
    },
    Return(PeerId),
}

struct World {
    scheduler: Scheduler,
    bounds: Bounds,
    tempers: BTreeMap<PeerId, (Temper, FragmentSet)>,
    coming: BTreeMap<(u64, u64), Coming>,
    /// Requests that have been made and neither answered nor cancelled, with their number.
    open: BTreeMap<(PeerId, FragmentIndex), u64>,
    named: BTreeMap<PeerId, u32>,
    log: Vec<(u64, Action)>,
    next: u64,
    rng: StdRng,
}

impl World {
    fn new(count: u32, tempers: &[Temper], bounds: Bounds, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = Self {
            scheduler: Scheduler::new(
                PeerId::from_bytes([0xff; 16]),
                FragmentSet::empty(count),
                bounds,
                seed,
            ),
            bounds,
            tempers: BTreeMap::new(),
            coming: BTreeMap::new(),
            open: BTreeMap::new(),
            named: BTreeMap::new(),
            log: Vec::new(),
            next: 0,
            rng: StdRng::seed_from_u64(seed ^ 1),
        };
        let mut nowhere = FragmentSet::full(count);
        for (n, temper) in (1..).zip(tempers) {
            let mut holds = FragmentSet::empty(count);
            for fragment in FragmentSet::full(count).iter().filter(|_| rng.random_bool(0.5)) {
                holds.insert(fragment);
            }
            if !matches!(temper, Temper::Lying | Temper::Stuck | Temper::Boaster) {
                nowhere.subtract(&holds);
            }
            world.tempers.insert(peer(n), (*temper, holds));
        }
        // Fragments that no source would ever send truly are with an honest one.
        world.tempers.insert(peer(0), (Temper::Honest, nowhere));
        world
    }

    /// Runs until all fragments are held; returns all actions and their times.
    fn run(mut self) -> Vec<(u64, Action)> {
        let count = self.scheduler.held().capacity();
        self.tell(0, Event::Want(FragmentSet::full(count)));
        for source in self.tempers.keys().copied().collect::<Vec<_>>() {
            self.arrive(0, source);
        }
        let mut tick = 100;
        while !self.scheduler.held().is_full() {
            assert!(
                tick < TOO_LONG_MS,
                "stuck: {:?}",
                self.scheduler.summary(at(tick))
            );
            match self.coming.pop_first() {
                Some(((now, _), coming)) if now <= tick => self.happen(now, coming),
                later => {
                    if let Some((when, coming)) = later {
                        self.coming.insert(when, coming);
                    }
                    self.tell(tick, Event::Tick);
                    tick += 100;
                }
            }
        }
        self.log
    }

    fn arrive(&mut self, now: u64, source: PeerId) {
        let (temper, holds) = self.tempers[&source].clone();
        let fragments = match temper {
            Temper::Boaster | Temper::Lying => FragmentSet::full(holds.capacity()),
            _ => holds,
        };
        self.tell(
            now,
            Event::Joined {
                source,
                is_near: false,
            },
        );
        // The source announces that some more fragments are coming; they may never come.
        let mut coming = fragments.complement();
        for fragment in fragments.complement().iter() {
            if self.rng.random_bool(0.7) {
                coming.remove(fragment);
            }
        }
        self.tell(
            now,
            Event::Has {
                coming,
                source,
                fragments,
            },
        );
    }

    fn happen(&mut self, now: u64, coming: Coming) {
        let (source, fragment, number) = match coming {
            Coming::Answer {
                source,
                fragment,
                number,
            } => (source, fragment, number),
            Coming::Return(source) if self.scheduler.is_out(at(now), source) => {
                return self.schedule(now + LOOK_MS, Coming::Return(source));
            }
            Coming::Return(source) => return self.arrive(now, source),
        };
        if self.open.get(&(source, fragment)) != Some(&number) {
            // The request was cancelled meanwhile; some answers come all the same.
            let is_truthful = !matches!(self.tempers[&source].0, Temper::Lying | Temper::Boaster);
            if is_truthful && self.rng.random_bool(0.5) {
                // The same request may have been made again; it is over too.
                self.open.remove(&(source, fragment));
                self.tell(now, Event::Delivered { source, fragment });
            }
            return;
        }
        self.open.remove(&(source, fragment));
        let fails_with = |failure| Event::Failed {
            source,
            fragment,
            failure,
        };
        let is_lucky = self.rng.random_bool(0.3);
        let (temper, holds) = &self.tempers[&source];
        let never_comes = !holds.contains(fragment) && !is_lucky;
        let event = match temper {
            Temper::Honest | Temper::Busy if never_comes => fails_with(Failure::ConnectionLost),
            Temper::Honest => Event::Delivered { source, fragment },
            Temper::Lying => fails_with(Failure::Corrupt),
            Temper::Garbled if never_comes => fails_with(Failure::ConnectionLost),
            Temper::Garbled if self.rng.random_bool(0.4) => fails_with(Failure::Corrupt),
            Temper::Garbled => Event::Delivered { source, fragment },
            Temper::Stuck => fails_with(Failure::TimedOut),
            Temper::Boaster => fails_with(Failure::DoesNotHold),
            Temper::Busy | Temper::Fickle if is_lucky => Event::Delivered { source, fragment },
            Temper::Busy => fails_with(Failure::Busy),
            Temper::Fickle if self.rng.random_bool(0.5) => {
                let back = now + self.rng.random_range(10..5_000);
                self.schedule(back, Coming::Return(source));
                Event::Left { source }
            }
            Temper::Fickle => fails_with(Failure::ConnectionLost),
        };
        self.tell(now, event);
    }

    fn schedule(&mut self, when: u64, coming: Coming) {
        self.next += 1;
        self.coming.insert((when, self.next), coming);
    }

    /// Tells the scheduler of an event, checks its promises, and carries out its actions.
    fn tell(&mut self, now: u64, event: Event) {
        if let Event::Left { source } = event {
            // Open requests break with the connection; the scheduler cancels them.
            assert!(self.tempers.contains_key(&source));
        }
        for action in self.scheduler.apply(at(now), event) {
            self.log.push((now, action));
            match action {
                Action::Request { source, fragment, .. } => self.request(now, source, fragment),
                Action::Move { from, to, fragment } => {
                    assert!(
                        self.open.remove(&(from, fragment)).is_some(),
                        "nothing to take over"
                    );
                    self.request(now, to, fragment);
                }
                Action::Cancel { source, fragment } => {
                    self.open.remove(&(source, fragment));
                }
                Action::RecordFault { source, .. } => {
                    let temper = self.tempers[&source].0;
                    assert!(
                        matches!(temper, Temper::Lying | Temper::Garbled),
                        "a fault of an honest source was recorded"
                    );
                    let times = self.named.entry(source).or_default();
                    *times += 1;
                    // Requests that were in progress together end together. Then once after 2, 4, 8, 16, 32
                    // s, and then once a minute.
                    let most = 8 + u64::from(self.bounds.per_source) + now / 60_000;
                    assert!(
                        temper == Temper::Garbled || u64::from(*times) <= most,
                        "a lying source was asked without end"
                    );
                    // The session disconnects from the source, but it is found again.
                    if self.scheduler.is_banned(source) {
                        self.schedule(now + LOOK_MS, Coming::Return(source));
                    }
                }
            }
        }
        let summary = self.scheduler.summary(at(now));
        let asked: BTreeSet<_> = self.open.keys().map(|(_, fragment)| *fragment).collect();
        assert_eq!(
            summary.in_flight as usize,
            asked.len(),
            "the summary does not match the open requests"
        );
    }

    fn request(&mut self, now: u64, source: PeerId, fragment: FragmentIndex) {
        assert!(
            !self.scheduler.held().contains(fragment),
            "a held fragment was asked for"
        );
        assert!(!self.scheduler.is_banned(source), "a banned source was asked");
        self.next += 1;
        assert!(
            self.open.insert((source, fragment), self.next).is_none(),
            "the same was asked twice"
        );
        let of_source = self.open.keys().filter(|(other, _)| *other == source).count();
        let of_fragment = self.open.keys().filter(|(_, other)| *other == fragment).count();
        assert!(
            of_source <= self.bounds.per_source as usize,
            "too many requests to one source"
        );
        assert_eq!(of_fragment, 1, "a fragment was asked of two sources");
        assert!(
            self.open.len() <= self.bounds.in_all as usize,
            "too many requests"
        );
        let takes = match self.tempers[&source].0 {
            Temper::Stuck => 5_000,
            Temper::Busy => 500,
            _ => self.rng.random_range(5..400),
        };
        let number = self.next;
        self.schedule(
            now + takes,
            Coming::Answer {
                source,
                fragment,
                number,
            },
        );
    }
}

fn temper() -> impl Strategy<Value = Temper> {
    prop_oneof![
        Just(Temper::Honest),
        Just(Temper::Lying),
        Just(Temper::Garbled),
        Just(Temper::Busy),
        Just(Temper::Stuck),
        Just(Temper::Fickle),
        Just(Temper::Boaster),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn everything_is_held_in_the_end_and_always_in_the_same_way(
        count in 1_u32..150,
        tempers in proptest::collection::vec(temper(), 0..12),
        per_source in 1_u32..5,
        in_all in 1_u32..40,
        seed: u64,
    ) {
        let bounds = Bounds { per_source, in_all };
        let first = World::new(count, &tempers, bounds, seed).run();
        let again = World::new(count, &tempers, bounds, seed).run();
        prop_assert_eq!(first, again);
    }
}
