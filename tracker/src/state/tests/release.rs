//! Release: users drop their copies, as far as the other peers make up for them.

use std::time::Duration;

use shared::model::{EvictReason, Manifest};

use super::world::{World, content, peer};
use crate::state::Rejection;

fn release(world: &mut World, n: u8, what: &Manifest) -> Result<(), Rejection> {
    world.release(n, what.content(), None)
}

/// Publishes a content with a target of two, which peers 1 to 3 keep and peer 4 has fetched for itself.
fn three_of_two() -> (World, Manifest) {
    let (mut world, data) = (World::with_peers(4), content(1, 2));
    world.publish(1, "data", &data, 2);
    for n in 2..=3 {
        world.holds(n, &data, data.all_fragments(), true);
    }
    world.holds(4, &data, data.all_fragments(), false);
    world.take_orders();
    (world, data)
}

#[test]
fn of_several_releases_at_once_only_those_that_can_be_spared_succeed() {
    let (mut world, data) = three_of_two();
    release(&mut world, 2, &data).expect("two are left");
    assert_eq!(world.evicted(), [(peer(2), EvictReason::Released)]);
    let missed = Rejection::Missed {
        content: data.content(),
        left: 1,
        wanted: 2,
    };
    assert_eq!(release(&mut world, 3, &data), Err(missed.clone()));
    assert_eq!(release(&mut world, 1, &data), Err(missed));
    release(&mut world, 4, &data).expect("nobody relies on it");
    world.take_orders();
    // The peer has refused the order: its copy counts again, and another one can go.
    world.holds(2, &data, data.all_fragments(), true);
    release(&mut world, 3, &data).expect("two are left");
    assert!(release(&mut world, 2, &data).is_err());
}

#[test]
fn who_asks_again_is_told_again() {
    let (mut world, data) = three_of_two();
    for _ in 0..2 {
        release(&mut world, 2, &data).expect("two are left");
        assert_eq!(world.evicted(), [(peer(2), EvictReason::Released)]);
    }
}

#[test]
fn nobody_is_let_go_while_it_is_not_known_who_holds_what() {
    let (mut world, data) = three_of_two();
    let unknown = content(9, 1);
    assert!(matches!(
        release(&mut world, 2, &unknown),
        Err(Rejection::NotAnnounced { .. })
    ));
    // A replica on a peer that has fallen silent is not relied upon.
    world.disconnect(1);
    assert!(release(&mut world, 2, &data).is_err());
    world.restart();
    assert_eq!(release(&mut world, 2, &data), Err(Rejection::NotAllKnown));
}

#[test]
fn what_has_no_name_goes_at_once_unless_one_may_be_missing() {
    let (mut world, data) = three_of_two();
    world.remove("data", None).expect("removed");
    release(&mut world, 2, &data).expect("nobody refers to it");
    world.pass(Duration::from_secs(1), &[]);
}
