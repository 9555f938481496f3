//! Planning: repair gets its turn, however much happens to other contents and whoever was here once.

use std::time::Duration;

use shared::model::{Epoch, Hello, Holding, Incarnation, Manifest, Numbered, PeerId, Report, RunTraits};

use super::world::{World, content, peer, some};
use crate::state::{Command, SessionId};

const TICK: Duration = Duration::from_millis(250);

/// Announces of a reader about contents that it does not keep: those that it has fragments of now.
fn reads(busy: &[Manifest], has_some: bool) -> Vec<Holding> {
    let holding = |bytes: &Manifest| Holding {
        content: bytes.content(),
        fragments: some(bytes, has_some.then_some(0)),
        keeps: false,
        is_assigned: false,
        is_fetching: false,
    };
    busy.iter().map(holding).collect()
}

/// Loses one of four replicas of a content while something happens to each busy content in every tick;
/// returns the ticks until another peer is told to copy it.
fn ticks_until_ordered(mut world: World, busy: &[Manifest], replicas: u32) -> u32 {
    let short = content(250, 1);
    world.publish(1, "short", &short, 4);
    world.obey();
    let keepers = world.replicas(&short);
    let spare = (2..=5)
        .find(|n| !keepers.contains(&peer(*n)))
        .expect("one of five");
    let lost = (2..=5).find(|n| *n != spare).expect("one of five");
    for (n, bytes) in busy.iter().enumerate() {
        world.publish_unchecked(1, &format!("busy/{n}"), bytes, replicas);
    }
    world.pass(TICK * 40, &[]);
    world.take_orders();
    world.say(lost, Report::Leave).expect("it may leave");
    for ticks in 1..200 {
        world.now = world.now.after(TICK);
        for n in (1..=5).filter(|n| *n != lost && ticks % 8 == 0) {
            world.heartbeat(n, 0).expect("it has a session");
        }
        world.announce(spare, reads(busy, ticks % 2 == 0), false);
        world.tick();
        if world.assigned().iter().any(|(to, _)| *to == peer(spare)) {
            return ticks;
        }
    }
    panic!("nothing was ordered in 50 s");
}

fn many(fragments: u32) -> Vec<Manifest> {
    let one = |n: u32| content(u8::try_from(n % 250).expect("small"), fragments + n / 250);
    (0..600).map(one).collect()
}

#[test]
fn repair_gets_its_turn_however_many_whole_contents_are_busy() {
    assert_eq!(ticks_until_ordered(World::with_peers(5), &many(2), 1), 1);
}

#[test]
fn repair_gets_its_turn_however_many_contents_cannot_be_helped() {
    let mut world = World::with_peers(1);
    // Nobody has room for a busy content, of which a single replica is left.
    (2..=5).for_each(|n| world.join_zone(n, "rack", 1 << 20));
    let ticks = ticks_until_ordered(world, &many(20), 2);
    assert!(ticks <= 4, "{ticks} ticks");
}

fn visitor(n: u32) -> PeerId {
    let mut bytes = [0xaa; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    PeerId::from_bytes(bytes)
}

/// Has this many peers come and leave; returns the ticks until 500 copies are ordered then.
fn ticks_for_500_copies(visitors: u32) -> u32 {
    let mut world = World::with_peers(3);
    for n in 0..visitors {
        let hello = Hello {
            peer: visitor(n),
            incarnation: Incarnation::new(1),
            run: None,
            address: "10.1.0.1:50053".parse().expect("an address"),
            zone: None,
            capacity: 0,
            used: 0,
            network: None,
            epoch: Epoch::new(0),
            mark: None,
            holdings: None,
            traits: RunTraits::default(),
        };
        let session = SessionId::new(1_000_000 + u64::from(n));
        let origin = None;
        let hello = Command::OpenSession {
            session,
            hello,
            key: None,
            origin,
        };
        world.state.apply(world.now, hello).reply.expect("welcome");
        let (sequence, message) = (2, Report::Leave);
        let report = Numbered { sequence, message };
        let leave = Command::Report { session, report };
        world.state.apply(world.now, leave).reply.expect("it may leave");
    }
    for n in 0..600_u32 {
        let bytes = content(u8::try_from(n % 200).expect("small"), 1 + n / 200);
        world.publish_unchecked(1, &format!("f/{n}"), &bytes, 2);
    }
    let mut ordered = 0;
    for ticks in 1..200 {
        world.now = world.now.after(TICK);
        for n in (1..=3).filter(|_| ticks % 8 == 0) {
            world.heartbeat(n, 0).expect("it has a session");
        }
        world.tick();
        ordered += world.assigned().len();
        if ordered >= 500 {
            return ticks;
        }
    }
    panic!("{ordered} copies were ordered in 50 s");
}

#[test]
fn visitors_that_have_left_do_not_slow_repair() {
    assert_eq!(ticks_for_500_copies(16_000), ticks_for_500_copies(0));
}
