//! Losses that contents survive, and reasons for which they are below their targets.

use std::time::Duration;

use shared::model::{ContentRef, Durability, Epoch, Manifest, ReasonCode, Report, Survey};

use super::world::{CAPACITY, World, content, peer, some};
use crate::state::Surveying;

const SECOND: Duration = Duration::from_secs(1);

fn durability(world: &World, bytes: &Manifest) -> Durability {
    let what = ContentRef::Id(bytes.content());
    world.state.durability(&what.into()).expect("a known content")
}

fn codes(world: &World, bytes: &Manifest) -> Vec<ReasonCode> {
    let reasons = durability(world, bytes).reasons;
    reasons.into_iter().map(|reason| reason.code).collect()
}

fn survey(world: &World) -> Survey {
    let mut surveying = Surveying::default();
    loop {
        if let Some(survey) = world.state.survey_step(&mut surveying) {
            return survey;
        }
    }
}

#[test]
fn three_replicas_survive_any_two_losses_and_two_any_one() {
    let mut world = World::with_peers(5);
    let bytes = content(1, 4);
    world.publish(1, "a", &bytes, 1);
    assert_eq!(durability(&world, &bytes).survives_any, 0);
    assert_eq!(durability(&world, &bytes).fatal.peers, [peer(1)]);
    world.set_target("a", 2).expect("bound");
    world.obey();
    let two = durability(&world, &bytes);
    assert_eq!(
        (two.survives_any, two.fatal.peer_count, two.fatal.pair_count),
        (1, 0, 1)
    );
    world.set_target("a", 3).expect("bound");
    world.obey();
    let three = durability(&world, &bytes);
    assert_eq!((three.survives_any, three.fatal.pair_count), (2, 0));
    assert_eq!((three.keepers, three.away, three.sources), (3, 0, 0));
    assert_eq!(three.reasons, []);
    assert_eq!(three.repair.remaining, None, "nothing is to be done");
}

#[test]
fn fragments_with_different_keepers_have_different_fatal_losses() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 3);
    world.publish(1, "a", &bytes, 2);
    world.tick();
    world.take_orders();
    world.holds(2, &bytes, some(&bytes, [0, 1]), true);
    let found = durability(&world, &bytes);
    assert_eq!(found.fatal.peers, [peer(1)], "fragment 2 is nowhere else");
    assert_eq!(found.fatal.pair_count, 0);
    world.holds(3, &bytes, some(&bytes, [2]), true);
    let found = durability(&world, &bytes);
    assert_eq!(found.fatal.pairs, [(peer(1), peer(2)), (peer(1), peer(3))]);
    world.holds(3, &bytes, some(&bytes, [2]), false);
    let found = durability(&world, &bytes);
    assert_eq!(
        found.fatal.peers,
        [peer(1)],
        "what nobody undertook to keep does not count"
    );
    assert_eq!(found.sources, 1);
}

#[test]
fn a_zone_that_has_all_replicas_is_named() {
    let mut world = World::new();
    for n in [1, 2] {
        world.join_zone(n, "north", CAPACITY);
    }
    let bytes = content(1, 3);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    let found = durability(&world, &bytes);
    assert_eq!(found.fatal.zones, ["north".parse().expect("a zone")]);
    assert_eq!(codes(&world, &bytes), [], "there is no better place");
    world.join_zone(3, "south", CAPACITY);
    assert_eq!(codes(&world, &bytes), [ReasonCode::ZonesShared]);
    world.set_target("a", 3).expect("bound");
    world.obey();
    assert_eq!(durability(&world, &bytes).fatal.zone_count, 0);
}

#[test]
fn reasons_follow_a_copy_from_its_turn_to_its_end() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 3);
    world.publish(1, "a", &bytes, 2);
    assert_eq!(codes(&world, &bytes), [ReasonCode::Queued]);
    world.tick();
    assert_eq!(codes(&world, &bytes), [ReasonCode::Copying]);
    let repair = durability(&world, &bytes).repair;
    assert_eq!((repair.bytes_under_way, repair.remaining), (bytes.length(), None));
    world.holds(2, &bytes, some(&bytes, [0]), true);
    world.pass(SECOND, &[]);
    let repair = durability(&world, &bytes).repair;
    assert_eq!(repair.bytes_under_way, bytes.length() * 2 / 3);
    assert!(repair.pace > 0 && repair.remaining > Some(Duration::ZERO));
    world.holds(2, &bytes, bytes.all_fragments(), true);
    assert_eq!(codes(&world, &bytes), []);
}

#[test]
fn reasons_say_what_hinders() {
    let mut world = World::with_peers(1);
    let bytes = content(1, 3);
    world.publish(1, "a", &bytes, 2);
    world.tick();
    assert_eq!(codes(&world, &bytes), [ReasonCode::TooFewPeers]);
    world.join_zone(2, "small", 100 << 10);
    world.tick();
    assert_eq!(codes(&world, &bytes), [ReasonCode::NoRoom]);
    world.join(3);
    world.obey();
    assert_eq!(codes(&world, &bytes), []);
    world.disconnect(3);
    assert_eq!(codes(&world, &bytes)[0], ReasonCode::GraceRunning);
    world.say(1, Report::Leave).expect("it may leave");
    assert_eq!(
        codes(&world, &bytes)[..2],
        [ReasonCode::SourceAway, ReasonCode::GraceRunning]
    );
    world.pass(SECOND * 10, &[3]);
    assert_eq!(codes(&world, &bytes), [ReasonCode::NoSource]);
    world.restart();
    assert_eq!(codes(&world, &bytes)[0], ReasonCode::SafeMode);
    world.hello(1, 2, Epoch::new(1)).expect("welcome");
    world.holds(1, &bytes, bytes.all_fragments(), true);
    world.announce(1, Vec::new(), true);
    world.pass(SECOND * 31, &[]);
    assert!(!codes(&world, &bytes).contains(&ReasonCode::SafeMode));
}

#[test]
fn a_target_beyond_all_peers_is_a_reason_beside_a_lack_of_room() {
    let mut world = World::with_peers(1);
    let bytes = content(1, 3);
    world.publish(1, "a", &bytes, 9);
    for n in 2..=5 {
        world.join_zone(n, "small", 100 << 10);
    }
    world.tick();
    assert_eq!(
        codes(&world, &bytes),
        [ReasonCode::TooFewPeers, ReasonCode::NoRoom]
    );
}

#[test]
fn a_survey_adds_up_and_lists_the_worst_first() {
    let mut world = World::with_peers(4);
    for (seed, replicas) in [(1, 1), (2, 2), (3, 3), (4, 4)] {
        world.publish(1, &format!("r{replicas}"), &content(seed, 2), replicas);
    }
    world.publish(1, "empty", &content(5, 0), 3);
    world.obey();
    let all = survey(&world);
    assert_eq!((all.contents, all.replicated, all.endangered.len()), (4, 4, 0));
    assert_eq!(all.survives, [1, 1, 1, 1]);
    assert_eq!(
        (all.fatal.peers.as_slice(), all.fatal.pair_count),
        (&[peer(1)][..], 1)
    );
    assert_eq!(
        all.repair,
        shared::model::Repair {
            pace: all.repair.pace,
            ..Default::default()
        }
    );
    world.set_target("r1", 32).expect("bound");
    world.set_target("r3", 32).expect("bound");
    let worse = survey(&world);
    assert_eq!((worse.replicated, worse.degraded), (2, 2));
    let names: Vec<_> = worse.endangered.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["r1", "r3"]);
    assert_eq!(worse.repair.bytes_waiting, content(1, 2).length() * (31 + 29));
}

#[test]
fn every_name_of_an_endangered_content_is_listed_or_counted() {
    let mut world = World::with_peers(1);
    let (one, other) = (content(1, 2), content(2, 2));
    for n in 0..7 {
        world.publish(1, &format!("a{n}"), &one, 3);
    }
    world.publish(1, "b", &other, 3);
    let few = survey(&world);
    let names: Vec<&str> = few.endangered.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "b"]);
    assert_eq!(few.endangered_names, 8);
    for n in 7..150 {
        world.publish(1, &format!("a{n}"), &one, 3);
    }
    let many = survey(&world);
    assert_eq!(
        (many.endangered.len(), many.endangered_names),
        (Survey::LISTED, 151)
    );
}

#[test]
fn a_survey_of_many_contents_takes_several_steps_and_counts_each_once() {
    let mut world = World::with_peers(2);
    for n in 0..3_000_u16 {
        let [high, low] = n.to_be_bytes();
        world.publish_unchecked(1, &format!("{n}"), &content(high, 1 + u32::from(low)), 1);
    }
    for n in 0..3_000_u16 {
        let [high, low] = n.to_be_bytes();
        let bytes = content(high, 1 + u32::from(low));
        // The holder is partial, so that every fragment is looked at.
        world.holds_unchecked(2, &bytes, some(&bytes, [0]), true);
    }
    let (mut surveying, mut steps) = (Surveying::default(), 1);
    let survey = loop {
        match world.state.survey_step(&mut surveying) {
            Some(survey) => break survey,
            None => steps += 1,
        }
    };
    assert_eq!(survey.contents, 3_000);
    assert!(steps > 5, "{steps} steps");
}
