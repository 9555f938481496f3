//! Floods: one peer says more than a tracker can remember, and pays for it alone.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::model::{ContentId, Expectation, FragmentLength, FragmentSet, Holding, Manifest, PeerId, Report};
use shared::{Coded as _, ErrorCode};

use super::world::{World, content, content_in, peer};
use crate::state::Rejection;

/// Returns announces of contents that nobody has published, numbered from `first`, in as many fragments as a
/// content can have.
fn unknown(first: u32, count: u32) -> Vec<Holding> {
    let holding = |n: u32| {
        let mut id = [9; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        Holding {
            content: ContentId::from_bytes(id),
            fragments: FragmentSet::full(65_536),
            keeps: true,
            is_assigned: false,
            is_fetching: false,
        }
    };
    (first..first + count).map(holding).collect()
}

fn say(world: &mut World, n: u8, holdings: Vec<Holding>) -> Result<(), Rejection> {
    let completes_inventory = false;
    world.say(
        n,
        Report::Announce {
            holdings,
            completes_inventory,
        },
    )
}

/// Returns how many contents are remembered of a peer.
fn remembered(world: &World, n: u8) -> usize {
    world.state.replicas.contents_of(peer(n)).map_or(0, BTreeSet::len)
}

/// Returns a content of as many fragments as one can have.
fn huge(seed: u8) -> Manifest {
    content_in(FragmentLength::MIN, seed, 65_536)
}

#[test]
fn a_peer_that_announces_what_nobody_published_without_end_is_refused() {
    let (mut world, bytes) = (World::with_peers(3), content(1, 2));
    world.publish(1, "a", &bytes, 2);
    world.obey();
    let mut announced = 0;
    let refused = loop {
        match say(&mut world, 3, unknown(announced, 100)) {
            Ok(()) => announced += 100,
            Err(refused) => break refused,
        }
        assert!(announced < 5_000, "41 MB of bitmaps");
    };
    assert_eq!(refused, Rejection::TooMuchUnknown(peer(3)));
    assert_eq!(refused.code(), ErrorCode::Exhausted);
    let most = remembered(&world, 3);
    assert!((1_000..4_000).contains(&most), "{most}");
    // What has a name, and what others say, is remembered all the same.
    world.holds(3, &bytes, bytes.all_fragments(), false);
    say(&mut world, 2, unknown(100_000, 10)).expect("it has not said much");
    // All of it is free again when the peer has gone.
    world.say(3, Report::Leave).expect("it may leave");
    world.hello(3, 2, world.state.epoch()).expect("welcome");
    world.announce(3, Vec::new(), true);
    say(&mut world, 3, unknown(0, 100)).expect("there is room");
    world.state.check();
}

#[test]
fn many_peers_together_have_a_bound_for_what_nobody_published() {
    let mut world = World::with_peers(20);
    for n in 1..=20 {
        // Each says less than it may.
        drop(say(&mut world, n, unknown(u32::from(n) * 10_000, 1_000)));
    }
    let all: usize = (1..=20).map(|n| remembered(&world, n)).sum();
    assert!((5_000..10_000).contains(&all), "{all}");
}

#[test]
fn a_peer_that_is_back_with_more_than_is_remembered_is_welcome() {
    let mut world = World::with_peers(2);
    world.disconnect(2);
    world.hello(2, 2, world.state.epoch()).expect("welcome");
    for batch in 0..5 {
        say(&mut world, 2, unknown(batch * 1_000, 1_000)).expect("it cannot help it");
    }
    world.announce(2, Vec::new(), true);
    assert!(remembered(&world, 2) < 4_000);
    world.state.check();
}

#[test]
fn names_and_manifests_of_one_publisher_have_a_bound() {
    let mut world = World::with_peers(2);
    world.publish_unchecked(1, "0", &huge(0), 1);
    let mut published = 1;
    let refused = loop {
        let bytes = huge(published);
        let name = published.to_string();
        match world.try_publish(1, &name, &bytes, 1, Expectation::Anything) {
            Ok(_) => published += 1,
            Err(refused) => break refused,
        }
        assert!(published < 250);
    };
    assert_eq!(refused, Rejection::TooMuchPublished(peer(1)));
    assert!(
        (70..80).contains(&published),
        "160 MiB in manifests of 2 MiB: {published}"
    );
    // Repetitions are no more, others have room, and what is removed makes room.
    world.publish(1, "0", &huge(0), 1);
    world.publish(2, "other", &huge(250), 1);
    for n in 0..10 {
        world.remove(&n.to_string(), None).expect("bound");
    }
    world.pass(Duration::from_hours(2), &[]);
    world.publish(1, "again", &huge(251), 1);
    world.state.check();
}

#[test]
fn a_tick_plans_a_bounded_number_of_fragments_and_all_get_their_turn() {
    let mut world = World::with_peers(2);
    for n in 0..12 {
        world.publish_unchecked(1, &n.to_string(), &huge(n), 2);
    }
    let mut ordered: Vec<(PeerId, u32)> = Vec::new();
    for _ in 0..20 {
        world.tick();
        let orders = world.assigned();
        assert!(
            orders.len() <= 5,
            "{} contents of 65,536 fragments in a tick",
            orders.len()
        );
        ordered.extend(
            orders
                .into_iter()
                .map(|(peer, fragments)| (peer, fragments.len())),
        );
    }
    assert_eq!(ordered.len(), 12);
    assert!(ordered.iter().all(|order| *order == (peer(2), 65_536)));
}
