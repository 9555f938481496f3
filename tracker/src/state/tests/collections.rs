//! Collections: one name keeps a catalog and its parts.

use std::time::Duration;

use shared::model::{
    Asked, AskedPart, CollectionSize, ContentRef, ContentState, Expectation, Manifest, Parts, Reason,
    ReasonCode, Report, Revision, RevisionLimit,
};

use super::world::{World, content, name, peer, some};
use crate::Timing;
use crate::state::{Command, Rejection, State, Surveying};

/// A directory of two files, one of them large, of which one peer of three has everything.
fn tree(world: &mut World) -> [Manifest; 3] {
    let contents = [content(1, 1), content(2, 3), content(3, 5)];
    world.publish_collection(1, "tree", &contents[0], &contents[1..], 2);
    contents
}

fn named(text: &str) -> Asked {
    ContentRef::Name(name(text)).into()
}

fn codes(reasons: &[Reason]) -> Vec<ReasonCode> {
    reasons.iter().map(|reason| reason.code).collect()
}

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
    let listed = world.state.list("", None, 9).names;
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
        .for_each(|record| copy.replay(record).expect("sound"));
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

#[test]
fn every_view_of_a_directory_counts_its_worst_part() {
    let mut world = World::with_peers(3);
    let [catalog, pack, film] = tree(&mut world);
    for all in [&catalog, &pack] {
        world.holds(2, all, all.all_fragments(), true);
        world.holds(3, all, all.all_fragments(), false);
    }
    let rng = &mut rand::rng();
    let located = world.state.locate(&named("tree"), 256, None, rng).expect("bound");
    let whole = located.whole.expect("told");
    let length = catalog.length() + pack.length() + film.length();
    assert_eq!((whole.extent.contents, whole.extent.length), (3, length));
    assert_eq!(
        (whole.holder_count, whole.keeper_count),
        (3, 2),
        "a cache is no keeper"
    );
    let shares: Vec<_> = whole
        .shares
        .iter()
        .map(|share| (share.peer.id, share.held, share.kept))
        .collect();
    assert_eq!(shares, [(peer(1), 9, 9), (peer(2), 4, 4), (peer(3), 4, 0)]);
    assert_eq!((located.health.fewest, located.health.fragments), (1, 9));

    let durability = world.state.durability(&named("tree")).expect("bound");
    assert_eq!((durability.health, durability.survives_any), (located.health, 0));
    assert_eq!(durability.fatal.peers, [peer(1)], "the film is nowhere else");
    assert_eq!((durability.keepers, durability.sources), (2, 1));
    assert!(durability.repair.bytes_under_way + durability.repair.bytes_waiting >= film.length());

    // The only peer with the film goes, and with it the directory.
    world.disconnect(1);
    world.say(1, Report::Leave).ok();
    world.pass(Duration::from_secs(120), &[1]);
    let why = world.state.why(&named("tree")).expect("bound");
    assert_eq!(why.health.state, ContentState::Unavailable);
    assert_eq!(codes(&why.reasons)[0], ReasonCode::NoSource);
    assert!(
        why.reasons[0].detail.contains("5 fragments"),
        "{}",
        why.reasons[0].detail
    );
    assert_eq!(why.extent.map(|extent| extent.length), Some(length));
    let durability = world.state.durability(&named("tree")).expect("bound");
    assert_eq!(durability.health.state, ContentState::Unavailable);
    assert_eq!(world.state.list("", None, 9).names[0].health, why.health);
    let history = world.state.revisions(&name("tree")).expect("bound");
    assert_eq!(history[0].health, Some(why.health));
    // A path inside needs the catalog and some parts only.
    let asked = |parts: &[&Manifest]| Asked {
        parts: parts
            .iter()
            .map(|part| AskedPart::new(part.content(), Vec::new()))
            .collect(),
        ..named("tree")
    };
    let state = |parts: &[&Manifest]| world.state.why(&asked(parts)).expect("bound").health.state;
    assert_eq!(state(&[&pack]), ContentState::Degraded);
    assert_eq!(state(&[&pack, &film]), ContentState::Unavailable);
    let located = world
        .state
        .locate(&asked(&[&pack]), 256, None, &mut rand::rng())
        .expect("bound");
    assert_eq!(
        (
            located.health.fragments,
            located.whole.expect("told").keeper_count
        ),
        (4, 1)
    );
}

#[test]
fn a_path_inside_is_as_well_off_as_its_own_fragments() {
    let mut world = World::with_peers(4);
    let (catalog, pack) = (content(1, 1), content(2, 4));
    world.publish_collection(1, "tree", &catalog, std::slice::from_ref(&pack), 2);
    for peer in [2, 3] {
        world.holds(peer, &catalog, catalog.all_fragments(), true);
    }
    world.holds(2, &pack, some(&pack, [0, 1]), true);
    world.holds(3, &pack, some(&pack, [0]), true);
    world.holds(4, &pack, some(&pack, [2]), false);
    // The publisher's copy rots in part, and so nobody has the last fragment.
    world.holds(1, &pack, pack.no_fragments(), true);
    let length = u64::from(pack.fragment_length().get());
    let asked = |range: std::ops::Range<u64>| Asked {
        parts: vec![AskedPart::new(pack.content(), vec![range])],
        ..named("tree")
    };
    let health = |asked: &Asked| {
        let why = world.state.why(asked).expect("bound");
        let durability = world.state.durability(asked).expect("bound");
        let rng = &mut rand::rng();
        let located = world.state.locate(asked, 9, None, rng).expect("bound");
        assert_eq!((why.health, durability.health), (located.health, located.health));
        assert_eq!(why.reasons, durability.reasons);
        assert_eq!(durability.extent, Some(located.whole.expect("told").extent));
        (why.health, durability, why.reasons)
    };
    let (all, ..) = health(&named("tree"));
    assert_eq!((all.state, all.fewest), (ContentState::Unavailable, 0));

    let (first, durability, reasons) = health(&asked(10..20));
    assert_eq!((first.state, first.fragments), (ContentState::Replicated, 2));
    assert_eq!((durability.survives_any, reasons), (1, Vec::new()));
    assert_eq!(
        durability.fatal.pairs,
        [(peer(2), peer(3))],
        "peers of other fragments do not matter"
    );
    assert_eq!(durability.keepers, 3, "the publisher keeps the catalog");
    assert_eq!(
        durability.extent.map(|extent| extent.length),
        Some(catalog.length() + length)
    );
    assert_eq!(
        durability.repair.bytes_waiting + durability.repair.bytes_under_way,
        0
    );

    let (second, durability, _) = health(&asked(length..length + 1));
    assert_eq!((second.state, second.fewest), (ContentState::Degraded, 1));
    assert_eq!(durability.fatal.peers, [peer(2)]);
    assert_eq!(
        durability.repair.bytes_waiting + durability.repair.bytes_under_way,
        length
    );
    let (cached, durability, reasons) = health(&asked(2 * length..3 * length));
    assert_eq!((cached.state, cached.fewest), (ContentState::Degraded, 0));
    assert_eq!(durability.sources, 1);
    assert!(!codes(&reasons).contains(&ReasonCode::NoSource));

    let (lost, _, reasons) = health(&asked(3 * length - 1..3 * length + 1));
    assert_eq!((lost.state, lost.fragments), (ContentState::Unavailable, 3));
    assert_eq!(codes(&reasons)[0], ReasonCode::NoSource);
    assert!(reasons[0].detail.ends_with("1 fragment"), "{}", reasons[0].detail);
}

#[test]
fn a_revision_is_its_own_parts_and_a_file_is_a_file() {
    let mut world = World::with_peers(2);
    world.apply(Command::KeepRevisions(RevisionLimit::default())).ok();
    let [catalog, pack, film] = tree(&mut world);
    let next = content(4, 2);
    world.publish_collection(1, "tree", &next, std::slice::from_ref(&pack), 1);
    let extent = |text: &str| {
        world
            .state
            .why(&named(text))
            .expect("bound")
            .extent
            .expect("told")
    };
    assert_eq!(extent("tree").length, next.length() + pack.length());
    assert_eq!(
        extent("tree@1").length,
        catalog.length() + pack.length() + film.length()
    );
    world.publish(2, "file", &catalog, 1);
    assert_eq!(
        world
            .state
            .why(&named("file"))
            .expect("bound")
            .extent
            .expect("told")
            .contents,
        1
    );
}

#[test]
fn a_survey_names_a_directory_once_with_its_fewest() {
    let mut world = World::with_peers(2);
    let [catalog, pack, _] = tree(&mut world);
    for all in [&catalog, &pack] {
        world.holds(2, all, some(all, [0]), true);
    }
    world.publish(2, "other", &content(9, 1), 2);
    let mut surveying = Surveying::default();
    let survey = loop {
        if let Some(survey) = world.state.survey_step(&mut surveying) {
            break survey;
        }
    };
    assert_eq!(survey.contents, 4);
    let names: Vec<_> = survey
        .endangered
        .iter()
        .map(|one| (one.name.as_str(), one.fewest))
        .collect();
    assert_eq!(names, [("other", 1), ("tree", 1)]);
}
