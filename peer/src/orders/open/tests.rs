//! Orders on simulated time, with sources that are dead, slow, endless or good.

use shared::model::{Digest, FragmentLength};

use super::*;

const START: Timestamp = Timestamp::from_millis(1_000_000);

/// Steps of simulated time.
const STEP: Duration = Duration::from_millis(250);

fn manifest(seed: u16) -> Manifest {
    let mut root = [0; 32];
    root[..2].copy_from_slice(&seed.to_le_bytes());
    let length = FragmentLength::MIN;
    let roots = vec![Digest::from_bytes(root), Digest::from_bytes([1; 32])];
    Manifest::from_roots(u64::from(length.get()) + 10, length, roots).expect("two fragments")
}

fn order(seed: u16) -> Assignment {
    let manifest = manifest(seed);
    Assignment {
        epoch: Epoch::new(1),
        fragments: manifest.all_fragments(),
        manifest,
        sources: Vec::new(),
    }
}

/// How the sources of a content behave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    /// Nobody has it.
    Dead,
    /// A few bytes come now and then.
    Slow,
    /// Bytes come as fast as this peer takes them, without end.
    Endless,
    /// Everything comes at once.
    Good,
}

/// A shell without sockets.
struct Shell {
    open: OpenOrders,
    now: Timestamp,
    running: BTreeMap<OrderNumber, (ContentId, u64)>,
    behaves: BTreeMap<ContentId, Behaviour>,
    begun: Vec<ContentId>,
    given_up: Vec<ContentId>,
    /// Contents that have room.
    prepared: BTreeMap<ContentId, u64>,
}

impl Shell {
    fn new() -> Self {
        Self {
            open: OpenOrders::default(),
            now: START,
            running: BTreeMap::new(),
            behaves: BTreeMap::new(),
            begun: Vec::new(),
            given_up: Vec::new(),
            prepared: BTreeMap::new(),
        }
    }

    fn order(&mut self, seed: u16, behaves: Behaviour) -> ContentId {
        let order = order(seed);
        let content = order.manifest.content();
        self.behaves.insert(content, behaves);
        assert!(self.open.accept(order), "there is a place");
        content
    }

    fn order_all(&mut self, seeds: std::ops::Range<u16>, behaves: Behaviour) {
        for seed in seeds {
            self.order(seed, behaves);
        }
    }

    /// Lets one step of time pass.
    fn step(&mut self) {
        self.now = self.now.after(STEP);
        let mut done = Vec::new();
        for (number, (content, useful)) in &mut self.running {
            let behaves = self.behaves[content];
            match behaves {
                Behaviour::Dead => {}
                Behaviour::Slow => *useful += 1,
                Behaviour::Endless => *useful += 1 << 20,
                Behaviour::Good => done.push(*number),
            }
            let is_held_up = matches!(behaves, Behaviour::Dead | Behaviour::Slow);
            self.open.progress(self.now, *number, *useful, is_held_up);
        }
        for number in done {
            self.end(number, Ending::Open);
        }
        while let Some(action) = self.open.next(self.now) {
            match action {
                Action::Begin(number, order) => {
                    let content = order.manifest.content();
                    self.running.insert(number, (content, 0));
                    self.prepared.insert(content, order.manifest.length());
                    self.begun.push(content);
                }
                Action::End(number) => self.end(number, Ending::PutOff),
                Action::GiveUp(content, waited) => {
                    assert!(waited >= STALL);
                    self.given_up.push(content);
                }
                Action::GiveBack(content, _) => {
                    self.prepared.remove(&content);
                }
            }
        }
        assert!(self.running.len() <= MAX_RUNNING);
    }

    fn end(&mut self, number: OrderNumber, expected: Ending) {
        self.running.remove(&number);
        assert_eq!(self.open.ended(number), expected);
    }

    /// Returns the steps until this content was begun.
    fn until_begun(&mut self, content: ContentId) -> u32 {
        for steps in 1..10_000 {
            self.step();
            if self.begun.contains(&content) {
                return steps;
            }
        }
        panic!("it never begins");
    }
}

/// The property: the first order in the queue begins within a turn, whatever the others do.
#[test]
fn no_order_can_hold_up_others() {
    let steps_of = |time: Duration| u32::try_from(time.as_millis() / STEP.as_millis()).expect("few") + 2;
    for (behaves, turn) in [
        (Behaviour::Dead, BEGINNING),
        (Behaviour::Slow, BEGINNING),
        (Behaviour::Endless, TURN),
    ] {
        for count in [4, 8, 31, 32, 33, 100] {
            let mut shell = Shell::new();
            shell.order_all(0..count, behaves);
            let workers = u16::try_from(WORKERS).expect("few");
            let good = shell.order(1_000, Behaviour::Good);
            let before = u32::from(count.div_ceil(workers));
            assert!(
                shell.until_begun(good) <= before * steps_of(turn),
                "behind {count} others"
            );
            // All of them have been begun: another one waits for a single turn.
            let good = shell.order(1_001, Behaviour::Good);
            assert!(shell.until_begun(good) <= steps_of(turn), "beside {count} others");
        }
    }
}

#[test]
fn orders_without_sources_are_given_up_and_slow_ones_are_not() {
    let mut shell = Shell::new();
    let dead: Vec<_> = (0..100).map(|seed| shell.order(seed, Behaviour::Dead)).collect();
    let slow: Vec<_> = (200..210)
        .map(|seed| shell.order(seed, Behaviour::Slow))
        .collect();
    // Each gets its turn first: an order that only waits for one has not failed.
    for _ in 0..4 * 120 {
        shell.step();
    }
    shell.given_up.sort_unstable();
    let mut expected = dead;
    expected.sort_unstable();
    assert_eq!(shell.given_up, expected);
    assert_eq!(shell.running.len(), slow.len());
}

#[test]
fn an_order_that_waits_for_its_turn_is_not_given_up() {
    let mut shell = Shell::new();
    shell.order_all(0..60, Behaviour::Endless);
    for _ in 0..4 * 300 {
        shell.step();
    }
    assert_eq!(shell.given_up, []);
}

#[test]
fn a_repeated_order_adds_nothing_and_more_fragments_are_fetched_beside() {
    let mut shell = Shell::new();
    let content = shell.order(1, Behaviour::Endless);
    for _ in 0..5 {
        shell.step();
        assert!(shell.open.accept(order(1)), "a session repeats it");
    }
    assert_eq!(shell.begun, [content]);
    assert!(shell.open.accept(order(1)));
    assert_eq!(shell.open.orders.len(), 1);

    // The two halves of another content, and the first one again.
    let halves = manifest(2).indices().map(|index| Assignment {
        fragments: manifest(2).only(index),
        ..order(2)
    });
    let halves: Vec<_> = halves.collect();
    shell.behaves.insert(manifest(2).content(), Behaviour::Endless);
    assert!(shell.open.accept(halves[0].clone()));
    shell.step();
    assert!(shell.open.accept(halves[1].clone()));
    assert!(shell.open.accept(halves[0].clone()));
    shell.step();
    assert_eq!((shell.begun.len(), shell.open.orders.len()), (3, 3));
}

#[test]
fn an_eviction_ends_the_orders_of_a_content_and_no_others() {
    let mut shell = Shell::new();
    let (running, other) = (
        shell.order(1, Behaviour::Endless),
        shell.order(2, Behaviour::Endless),
    );
    shell.step();
    shell.open.withdraw(running);
    let Some(Action::End(number)) = shell.open.next(shell.now) else {
        panic!("it ends");
    };
    assert!(shell.open.next(shell.now).is_none(), "it is told once");
    // A new order waits for the end of the old fetch.
    assert!(shell.open.accept(order(1)));
    assert!(shell.open.next(shell.now).is_none());
    shell.end(number, Ending::Withdrawn);
    shell.step();
    assert_eq!(shell.begun, [running, other, running]);

    let mut waiting = OpenOrders::default();
    assert!(waiting.accept(order(1)));
    waiting.withdraw(order(1).manifest.content());
    assert!(waiting.is_empty());
}

#[test]
fn a_new_epoch_ends_the_orders_of_trackers_that_are_gone() {
    let mut shell = Shell::new();
    shell.order_all(0..2, Behaviour::Endless);
    shell.step();
    shell.order_all(2..9, Behaviour::Endless);
    shell.open.begin_epoch(Epoch::new(2));
    let mut ended = Vec::new();
    while let Some(action) = shell.open.next(shell.now) {
        match action {
            Action::End(number) => ended.push(number),
            Action::GiveBack(..) => {}
            other => panic!("nothing of the old epoch begins: {other:?}"),
        }
    }
    assert_eq!(ended.len(), 2);
    for number in ended {
        // Orders of before stay: the new tracker decides.
        shell.end(number, Ending::PutOff);
    }
    shell.step();
    assert!(shell.open.is_empty());
    assert_eq!(shell.prepared, BTreeMap::new(), "their room is given back");
}

#[test]
fn an_order_that_is_given_up_gives_its_room_back() {
    let mut shell = Shell::new();
    shell.order_all(0..50, Behaviour::Dead);
    let slow = shell.order(100, Behaviour::Slow);
    for _ in 0..4 * 150 {
        shell.step();
    }
    assert_eq!(shell.given_up.len(), 50);
    assert_eq!(shell.prepared.keys().collect::<Vec<_>>(), [&slow]);
}

#[test]
fn contents_that_nobody_proved_take_a_part_of_the_room() {
    let of_one = manifest(1).length();
    let mut shell = Shell::new();
    shell.open.limit_unproved(3 * of_one);
    shell.order_all(0..50, Behaviour::Dead);
    let most = |shell: &Shell| shell.prepared.values().sum::<u64>() <= 3 * of_one;
    let mut good = None;
    for n in 0..4 * 120 {
        shell.step();
        assert!(most(&shell), "{:?}", shell.prepared);
        if n == 4 {
            good = Some(shell.order(1_000, Behaviour::Good));
        }
    }
    assert!(shell.begun.contains(&good.expect("ordered")), "it has its turn");
    // A content that is larger than that alone is not held up for ever.
    let mut shell = Shell::new();
    shell.open.limit_unproved(1);
    let large = shell.order(1, Behaviour::Good);
    assert_eq!(shell.until_begun(large), 1);
}

#[test]
fn open_orders_are_bounded() {
    let mut open = OpenOrders::default();
    let bound = u16::try_from(MAX_OPEN).expect("few");
    assert!((0..bound).all(|seed| open.accept(order(seed))));
    assert!(!open.accept(order(bound)));
    assert!(open.accept(order(0)), "it is there already");
}
