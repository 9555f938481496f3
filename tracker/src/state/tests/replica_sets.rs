//! Replica sets stay few with many publishers, and when peers come and go.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::model::{Epoch, Manifest, Order, PeerId};

use super::world::{World, content, peer};
use crate::placement::Rings;

const PEERS: u8 = 14;
const CONTENTS: u8 = 200;
const SECOND: Duration = Duration::from_secs(1);

fn contents() -> impl Iterator<Item = Manifest> {
    (0..CONTENTS).map(|seed| content(seed, 1))
}

fn sets(world: &World) -> BTreeSet<Vec<PeerId>> {
    contents().map(|bytes| world.replicas(&bytes)).collect()
}

#[test]
fn many_publishers_and_a_peer_that_is_lost_make_few_sets() {
    let mut world = World::with_peers(PEERS);
    for (n, bytes) in contents().enumerate() {
        let publisher = 1 + u8::try_from(n % usize::from(PEERS)).expect("small");
        world.publish_unchecked(publisher, &format!("{n}"), &bytes, 3);
    }
    world.obey();
    let bound = usize::from(PEERS) * Rings::used(3);
    let before: Vec<_> = contents().map(|bytes| world.replicas(&bytes)).collect();
    let first = sets(&world);
    assert!(first.iter().all(|set| set.len() == 3));
    assert!(first.len() <= bound, "{} sets", first.len());

    // A peer that takes over a lost replica is in a set with the keepers that are left.
    let gone = PEERS;
    world.disconnect(gone);
    world.pass(SECOND * 5, &[gone]);
    let assigned = world.take_orders();
    for (to, order) in assigned {
        if let Order::Assign { manifest, .. } = order {
            world.holds(to.as_bytes()[0], &manifest, manifest.all_fragments(), true);
        }
    }
    world.obey();
    let second = sets(&world);
    assert!(
        second
            .iter()
            .all(|set| set.len() == 3 && !set.contains(&peer(gone)))
    );
    assert!(second.len() <= bound, "{} sets after a loss", second.len());

    // The peer returns with its replicas, and the surplus is trimmed: the rest may be no run of a ring any
    // more.
    world.hello(gone, 2, Epoch::new(1)).expect("welcome");
    for (n, bytes) in contents().enumerate() {
        let had = before.get(n).is_some_and(|set| set.contains(&peer(gone)));
        if had {
            world.holds(gone, &bytes, bytes.all_fragments(), true);
        }
    }
    world.announce(gone, Vec::new(), true);
    world.pass(SECOND * 310, &[]);
    world.obey();
    let third = sets(&world);
    assert!(third.iter().all(|set| set.len() == 3));
    assert!(
        third.len() <= bound * 3 / 2,
        "{} sets after its return",
        third.len()
    );
}
