//! Collections: one name keeps a catalog and its parts.

use std::time::Duration;

use shared::model::{CollectionSize, ContentRef, ContentState, Expectation, Manifest, Parts, Revision};

use super::world::{World, content, name, peer};
use crate::Timing;
use crate::state::{Rejection, State};

fn is_known(world: &World, manifest: &Manifest) -> bool {
    world.state.health(manifest.content()).is_ok()
}

#[test]
fn a_collection_is_bound_with_its_parts_or_not_at_all() {
    let mut world = World::with_peers(2);
    let (catalog, pack, film) = (content(1, 1), content(2, 3), content(3, 5));
    let bound = world.publish_collection(1, "tree", &catalog, &[pack.clone(), film.clone()], 1);
    let size = CollectionSize {
        parts: 2,
        length: pack.length() + film.length(),
    };
    assert_eq!((bound.collection, bound.content), (Some(size), catalog.content()));
    assert_eq!(
        world.state.resolve(&ContentRef::Name(name("tree"))),
        Ok((bound.clone(), catalog.clone()))
    );
    // A part is found by its id, and is a plain content.
    let (part, manifest) = world
        .state
        .resolve(&ContentRef::Id(film.content()))
        .expect("it is a part");
    assert_eq!(
        (part.content, part.collection, manifest),
        (film.content(), None, film)
    );
    // A repetition changes nothing; a peer without a session binds none of it.
    let again = world.publish_collection(1, "tree", &catalog, &[pack.clone(), content(3, 5)], 1);
    assert_eq!(again, bound);
    let parts = Some(Parts::new(vec![content(4, 1)]).expect("one"));
    let refused = world.try_publish_with(9, "other", &catalog, 1, Expectation::Anything, parts);
    assert!(matches!(refused, Err(Rejection::NoSession(_))));
    assert!(!is_known(&world, &content(4, 1)));
}

#[test]
fn a_collection_is_replicated_when_all_of_it_is() {
    let mut world = World::with_peers(2);
    let (catalog, pack) = (content(1, 1), content(2, 3));
    world.publish_collection(1, "tree", &catalog, std::slice::from_ref(&pack), 2);
    world.holds(2, &catalog, catalog.all_fragments(), true);
    let health = world.state.health(catalog.content()).expect("bound");
    assert_eq!(
        (health.state, health.fragments, health.fragments_at_target),
        (ContentState::Degraded, 4, 1)
    );
    assert_eq!(health.fewest, 1);
    world.holds(2, &pack, pack.all_fragments(), true);
    let health = world.state.health(catalog.content()).expect("bound");
    assert_eq!(
        (health.state, health.fragments_at_target),
        (ContentState::Replicated, 4)
    );
    let (listed, _) = world.state.list("", None, 9);
    assert_eq!(listed[0].health, health);
}

#[test]
fn parts_that_the_next_revision_lacks_go_and_the_rest_stays() {
    let mut world = World::with_peers(1);
    let (old, new) = (content(1, 1), content(2, 1));
    let (kept, changed, fresh) = (content(3, 2), content(4, 2), content(5, 2));
    world.publish_collection(1, "tree", &old, &[kept.clone(), changed.clone()], 1);
    world.publish(1, "film", &changed, 1);
    let bound = world.publish_collection(1, "tree", &new, &[kept.clone(), fresh.clone()], 1);
    assert_eq!(bound.revision, Revision::new(2));
    assert!(!is_known(&world, &old) && is_known(&world, &kept) && is_known(&world, &fresh));
    assert!(is_known(&world, &changed), "it has a name of its own");
    world.remove("film", None).expect("removed");
    assert!(!is_known(&world, &changed));
    world.remove("tree", None).expect("removed");
    for gone in [&new, &kept, &fresh] {
        assert!(!is_known(&world, gone));
    }
    world.pass(Duration::from_secs(120), &[]);
    let evicted = world
        .orders
        .iter()
        .filter(|(_, order)| matches!(order, shared::model::Order::Evict { .. }));
    assert!(evicted.count() >= 5, "the peer is told to drop all of it");
}

#[test]
fn a_new_target_is_one_for_all_parts_and_survives_a_restart() {
    let mut world = World::with_peers(3);
    let (catalog, pack) = (content(1, 1), content(2, 3));
    world.publish_collection(1, "tree", &catalog, std::slice::from_ref(&pack), 1);
    world.set_target("tree", 3).expect("changed");
    let before = world
        .state
        .resolve(&ContentRef::Name(name("tree")))
        .expect("bound");
    world.restart();
    assert_eq!(world.state.resolve(&ContentRef::Name(name("tree"))), Ok(before));
    for content in [&catalog, &pack] {
        let health = world.state.health(content.content()).expect("known");
        assert_eq!(health.target.get(), 3);
    }
}

/// Replays a snapshot of the world's state.
fn replayed(world: &World) -> State {
    let mut copy = State::new(Timing::default(), 7);
    world
        .state
        .records()
        .into_iter()
        .for_each(|record| copy.replay(record));
    copy
}

#[test]
fn a_snapshot_tells_publishers_of_a_catalog_from_those_of_its_parts() {
    let mut world = World::with_peers(2);
    let (catalog, part) = (content(1, 1), content(2, 3));
    world.publish_collection(1, "tree", &catalog, std::slice::from_ref(&part), 1);
    // The second peer has a file with the bytes of the catalog, and none of the part.
    world.publish(2, "file", &catalog, 1);
    world.publish(2, "a", &catalog, 1);
    let copy = replayed(&world);
    for state in [&world.state, &copy] {
        let publishers = |manifest: &Manifest| {
            let known = state.names.content(manifest.content()).expect("it has a name");
            known.publishers().as_slice().to_vec()
        };
        assert_eq!(publishers(&catalog), [peer(1), peer(2)]);
        assert_eq!(publishers(&part), [peer(1)]);
    }
    // A peer that shares the bytes under no name any longer is no publisher of them.
    world.remove("file", None).expect("bound");
    world.remove("a", None).expect("bound");
    let known = replayed(&world);
    let known = known
        .names
        .content(catalog.content())
        .expect("the tree refers to it");
    assert_eq!(known.publishers().as_slice(), [peer(1)]);
}
