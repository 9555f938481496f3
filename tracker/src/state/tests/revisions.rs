//! Past revisions of names: how long they are kept, and pins.

use std::time::Duration;

use shared::model::{ContentRef, Expectation, Manifest, Revision, RevisionEntry, RevisionState};

use super::world::{World, content, name};
use crate::Timing;
use crate::state::{Rejection, State};

const HOUR: Duration = Duration::from_hours(1);

/// Returns a world whose tracker remembers this many revisions.
fn remembering(revisions: u32, peers: u8) -> World {
    let mut world = World::with_peers(peers);
    world.keep(revisions);
    world
}

fn pin(world: &mut World, text: &str) -> Result<RevisionEntry, Rejection> {
    world.set_pin(text, true, None)
}

/// Returns the revisions of a name as `3 current, 2 kept`.
fn past(world: &World, text: &str) -> String {
    let all = world.state.revisions(&name(text)).expect("it is remembered");
    let told: Vec<_> = all
        .iter()
        .map(|entry| format!("{} {}", entry.revision, entry.state))
        .collect();
    told.join(", ")
}

fn resolved(world: &World, text: &str) -> Result<Manifest, Rejection> {
    let what: ContentRef = text.parse().expect("a name");
    world.state.resolve(&what).map(|(_, manifest)| manifest)
}

fn complaint(world: &World, text: &str) -> String {
    resolved(world, text).expect_err("it is not there").to_string()
}

fn wait(world: &mut World, duration: Duration) {
    // Hours of heartbeats one by one would take long, and the peers' orders do not matter meanwhile.
    let end = world.now.after(duration);
    while world.now < end {
        world.now = end.min(world.now.after(Duration::from_secs(4)));
        for n in 1..=u8::try_from(world.peers.len()).expect("few") {
            drop(world.heartbeat(n, 0));
        }
        world.tick();
    }
}

#[test]
fn a_superseded_revision_is_kept_for_the_grace_time_and_collected_then() {
    let mut world = remembering(8, 3);
    let (old, new) = (content(1, 2), content(2, 2));
    world.publish(1, "a", &old, 2);
    world.obey();
    world.publish(1, "a", &new, 2);
    world.obey();
    assert_eq!(past(&world, "a"), "2 current, 1 kept");
    assert_eq!(resolved(&world, "a@1"), Ok(old.clone()));
    assert_eq!(resolved(&world, "a@2"), Ok(new.clone()));
    assert_eq!(
        (world.health(&old).target.get(), world.replicas(&old).len()),
        (2, 2)
    );
    wait(&mut world, HOUR - Duration::from_secs(60));
    assert_eq!(past(&world, "a"), "2 current, 1 kept");
    wait(&mut world, Duration::from_secs(120));
    assert_eq!(past(&world, "a"), "2 current, 1 collected");
    world.obey();
    assert!(world.replicas(&old).is_empty(), "its copies have gone");
    assert_eq!(world.replicas(&new).len(), 2);
    assert_eq!(
        complaint(&world, "a@1"),
        "revision 1 of \"a\" was collected; revision 2 is here"
    );
}

#[test]
fn a_pinned_revision_outlives_updates_removal_and_restarts() {
    let mut world = remembering(2, 3);
    let first = content(1, 2);
    world.publish(1, "a", &first, 3);
    let entry = pin(&mut world, "a@1").expect("it is there");
    assert_eq!(
        (entry.state, entry.pins.is_pinned()),
        (RevisionState::Current, true)
    );
    for seed in 2..=5 {
        world.publish(1, "a", &content(seed, 1), 1);
    }
    assert_eq!(
        past(&world, "a"),
        "5 current, 4 kept, 1 pinned",
        "beyond those that are remembered"
    );
    world.remove("a", None).expect("removed");
    world.obey();
    wait(&mut world, HOUR * 2);
    assert_eq!(past(&world, "a"), "6 removed, 5 collected, 1 pinned");
    assert_eq!(resolved(&world, "a@1"), Ok(first.clone()));
    assert_eq!(world.replicas(&first).len(), 3, "at its target as ever");
    let why = complaint(&world, "a@5");
    assert_eq!(why, "revision 5 of \"a\" was collected; revision 1 is here");
    world.restart();
    assert_eq!(past(&world, "a"), "6 removed, 5 collected, 1 pinned");
    assert_eq!(resolved(&world, "a@1"), Ok(first));
}

#[test]
fn what_is_unpinned_has_the_grace_time_again() {
    let mut world = remembering(2, 1);
    let first = content(1, 1);
    world.publish(1, "a", &first, 1);
    pin(&mut world, "a@1").expect("it is there");
    for seed in 2..=3 {
        world.publish(1, "a", &content(seed, 1), 1);
    }
    wait(&mut world, HOUR * 2);
    world.set_pin("a@1", false, None).expect("it is pinned");
    assert_eq!(past(&world, "a"), "3 current, 2 collected, 1 kept");
    wait(&mut world, HOUR - Duration::from_secs(60));
    assert_eq!(resolved(&world, "a@1"), Ok(first));
    wait(&mut world, Duration::from_secs(120));
    assert_eq!(
        past(&world, "a"),
        "3 current, 2 collected",
        "and it is too old to be remembered"
    );
    let why = complaint(&world, "a@1");
    assert_eq!(
        why,
        "revision 1 of \"a\" is too old to be remembered; revision 3 is here"
    );
}

#[test]
fn what_was_collected_is_neither_pinned_nor_unpinned() {
    let mut world = remembering(8, 1);
    for seed in 1..=2 {
        world.publish(1, "a", &content(seed, 1), 1);
    }
    wait(&mut world, HOUR * 2);
    let why = complaint(&world, "a@1");
    for is_pinned in [true, false] {
        for seen in [None, Some(0)] {
            let refused = world.set_pin("a@1", is_pinned, seen).expect_err("it is gone");
            assert_eq!(refused.to_string(), why);
        }
    }
}

#[test]
fn each_unpinned_revision_ends_by_itself_and_the_journal_is_sound() {
    let mut world = remembering(1, 1);
    for seed in 1..=2 {
        world.publish(1, "a", &content(seed, 1), 1);
        world.set_pin(&format!("a@{seed}"), true, None).expect("pinned");
    }
    world.publish(1, "a", &content(3, 1), 1);
    world.set_pin("a@1", false, None).expect("unpinned");
    let grace = Timing::default().history_grace;
    wait(&mut world, grace - Duration::from_secs(60));
    world.set_pin("a@2", false, None).expect("unpinned");
    wait(&mut world, Duration::from_secs(120));
    assert!(resolved(&world, "a@1").is_err(), "its time is over");
    assert!(resolved(&world, "a@2").is_ok(), "unpinned two minutes ago");
    wait(&mut world, grace);
    assert!(resolved(&world, "a@2").is_err(), "now its time is over as well");
    // Both at once, as `tracker check` reads it.
    let mut state = State::new(Timing::default(), 9);
    for record in &world.journal {
        let replayed = state.replay(record.clone());
        replayed.expect("each fact follows from those before");
    }
}

#[test]
fn a_late_duplicate_undoes_no_newer_pin() {
    let mut world = remembering(8, 1);
    world.publish(1, "a", &content(1, 1), 1);
    let pinned = world.set_pin("a@1", true, Some(0)).expect("it is there");
    let records = world.journal.len();
    assert_eq!(world.set_pin("a@1", true, Some(0)), Ok(pinned), "a retry");
    assert_eq!(pin(&mut world, "a@1"), Ok(pinned));
    assert_eq!(world.journal.len(), records, "which changes nothing");
    let unpinned = world.set_pin("a@1", false, Some(1)).expect("it is pinned");
    assert!(!unpinned.pins.is_pinned());
    world.set_pin("a@1", true, Some(2)).expect("again");
    for (is_pinned, seen) in [(false, 1), (true, 0)] {
        let late = world.set_pin("a@1", is_pinned, Some(seen));
        assert!(
            matches!(late, Err(Rejection::PinnedOtherwise { is_pinned: true, .. })),
            "{late:?}"
        );
    }
    assert_eq!(past(&world, "a"), "1 current");
    world.publish(1, "a", &content(2, 1), 1);
    assert_eq!(past(&world, "a"), "2 current, 1 pinned");
}

#[test]
fn what_is_gone_cannot_be_pinned() {
    let mut world = remembering(8, 1);
    world.publish(1, "a", &content(1, 1), 1);
    world.publish(1, "a", &content(2, 1), 1);
    world.remove("a", None).expect("removed");
    assert_eq!(
        past(&world, "a"),
        "3 removed, 2 collected, 1 collected",
        "a removal lets everything go"
    );
    for (text, says) in [
        ("a@1", "was collected; none is here"),
        ("a@3", "is the removal of the name; none is here"),
        ("a@4", "is still to come; none is here"),
    ] {
        let error = pin(&mut world, text).expect_err("it is not there").to_string();
        assert!(error.ends_with(says), "{text}: {error}");
    }
    assert_eq!(pin(&mut world, "b@1"), Err(Rejection::NoSuchName("b".to_owned())));
    world.publish(1, "c", &content(3, 1), 1);
    for seed in 0..64 {
        world.publish(1, "c", &content(100 + seed, 1), 1);
        let last = pin(&mut world, &format!("c@{}", u32::from(seed) + 2));
        assert!(last.is_ok(), "{last:?}");
    }
    let refused = pin(&mut world, "c@1");
    assert!(
        matches!(refused, Err(Rejection::NoSuchRevision { .. })),
        "it was long forgotten: {refused:?}"
    );
    world.publish(1, "c", &content(99, 1), 1);
    let refused = pin(&mut world, "c@66");
    assert!(
        matches!(refused, Err(Rejection::TooManyPins { most: 64, .. })),
        "{refused:?}"
    );
}

#[test]
fn a_listing_says_what_is_pinned() {
    let mut world = remembering(8, 1);
    for seed in 1..=4 {
        world.publish(1, "a", &content(seed, 1), 1);
    }
    for revision in ["a@4", "a@1"] {
        pin(&mut world, revision).expect("pinned");
    }
    let listed = world.state.list("", None, 9).names;
    assert_eq!(listed[0].pinned, [1, 4].map(Revision::new));
}

#[test]
fn a_name_of_its_own_comes_before_a_revision_of_another() {
    let mut world = remembering(8, 1);
    let (first, own) = (content(1, 1), content(3, 1));
    world.publish(1, "a", &first, 1);
    world.publish(1, "a", &content(2, 1), 1);
    assert_eq!(resolved(&world, "a@1"), Ok(first.clone()));
    world.publish(1, "a@1", &own, 1);
    assert_eq!(
        resolved(&world, "a@1"),
        Ok(own.clone()),
        "the name that ends so is still to be reached"
    );
    assert_eq!(resolved(&world, "a@1@1"), Ok(own), "and so are its revisions");
    assert_eq!(past(&world, "a@1"), "1 current");
    // The removal does not give the name another meaning.
    world.remove("a@1", None).expect("removed");
    assert_eq!(
        resolved(&world, "a@1"),
        Err(Rejection::NoSuchName("a@1".to_owned()))
    );
    let pinned = pin(&mut world, "a@1").expect("a pin always means a revision");
    assert_eq!(pinned.revision, Revision::new(1));
    assert_eq!(
        world
            .state
            .resolve(&ContentRef::Id(first.content()))
            .map(|found| found.1),
        Ok(first)
    );
}

#[test]
fn an_id_finds_what_is_current_before_what_is_past() {
    let mut world = remembering(8, 1);
    let bytes = content(1, 1);
    world.publish(1, "a", &bytes, 1);
    world.publish(1, "a", &content(2, 1), 1);
    let by_id = |world: &World| {
        let (binding, _) = world
            .state
            .resolve(&ContentRef::Id(bytes.content()))
            .expect("kept");
        format!("{}@{}", binding.name, binding.revision)
    };
    assert_eq!(by_id(&world), "a@1");
    world.publish(1, "b", &bytes, 1);
    assert_eq!(by_id(&world), "b@1");
}

#[test]
fn the_same_bytes_bound_anew_want_only_what_they_want_now() {
    let mut world = remembering(8, 3);
    let bytes = content(1, 1);
    world.publish(1, "a", &bytes, 3);
    world.publish(1, "a", &bytes, 1);
    assert_eq!(world.health(&bytes).target.get(), 1);
    assert_eq!(past(&world, "a"), "2 current, 1 kept", "both are the same bytes");
    assert_eq!(
        pin(&mut world, "a@1").map(|entry| entry.pins.is_pinned()),
        Ok(true)
    );
    assert_eq!(
        world.health(&bytes).target.get(),
        3,
        "a pin wants what its revision wanted"
    );
}

#[test]
fn a_rename_leaves_the_past_where_it_was() {
    let mut world = remembering(8, 1);
    let (first, second) = (content(1, 1), content(2, 1));
    world.publish(1, "a", &first, 1);
    world.publish(1, "a", &second, 1);
    pin(&mut world, "a@2").expect("it is there");
    world.rename("a", "b", None).expect("b is free");
    assert_eq!(past(&world, "a"), "3 removed, 2 pinned, 1 kept");
    assert_eq!(past(&world, "b"), "1 current");
    world.remove("b", None).expect("removed");
    assert_eq!(
        resolved(&world, "a@2"),
        Ok(second),
        "a pin stays with its revision"
    );
    assert_eq!(resolved(&world, "a@1"), Ok(first));
    wait(&mut world, HOUR * 2);
    assert_eq!(past(&world, "a"), "3 removed, 2 pinned, 1 collected");
}

#[test]
fn past_revisions_of_a_collection_keep_their_parts() {
    let mut world = remembering(8, 2);
    let (catalog, pack, film) = (content(1, 1), content(2, 3), content(3, 2));
    world.publish_collection(1, "tree", &catalog, &[pack.clone(), film.clone()], 2);
    let (next, other) = (content(4, 1), content(5, 1));
    world.publish_collection(1, "tree", &next, &[pack.clone(), other.clone()], 2);
    world.obey();
    assert_eq!(resolved(&world, "tree@1"), Ok(catalog.clone()));
    assert!(
        world.state.health(film.content()).is_ok(),
        "a part of what is past"
    );
    pin(&mut world, "tree@1").expect("it is there");
    world.publish_collection(1, "tree", &catalog, &[pack.clone(), film.clone()], 2);
    wait(&mut world, HOUR * 2);
    assert_eq!(past(&world, "tree"), "3 current, 2 collected, 1 pinned");
    assert!(world.state.health(other.content()).is_err());
    // Unpinned it is collected; the same collection is bound, so it is available and can be pinned again.
    world.set_pin("tree@1", false, None).expect("it is pinned");
    wait(&mut world, HOUR * 2);
    assert_eq!(past(&world, "tree"), "3 current, 2 collected, 1 kept");
    pin(&mut world, "tree@1").expect("its parts are here");
    world.remove("tree", None).expect("removed");
    assert_eq!(past(&world, "tree"), "4 removed, 3 kept, 2 collected, 1 pinned");
    assert!(
        [&catalog, &pack, &film]
            .iter()
            .all(|part| world.state.health(part.content()).is_ok())
    );
    world.restart();
    assert!(
        [&catalog, &pack, &film]
            .iter()
            .all(|part| world.state.health(part.content()).is_ok())
    );
}

#[test]
fn fewer_are_remembered_as_soon_as_that_is_wanted() {
    let mut world = remembering(8, 1);
    for seed in 1..=5 {
        world.publish(1, "a", &content(seed, 1), 1);
    }
    pin(&mut world, "a@2").expect("it is there");
    world.keep(2);
    assert_eq!(past(&world, "a"), "5 current, 4 kept, 2 pinned");
    assert!(world.state.health(content(1, 1).content()).is_err());
    let records = world.journal.len();
    world.keep(2);
    assert_eq!(world.journal.len(), records, "what is so already is no fact");
}

#[test]
fn a_snapshot_has_all_of_the_past() {
    let mut world = remembering(3, 2);
    let (catalog, pack) = (content(1, 1), content(2, 3));
    world.publish_collection(1, "tree", &catalog, std::slice::from_ref(&pack), 2);
    pin(&mut world, "tree@1").expect("it is there");
    for seed in 3..=7 {
        world.publish(1, "a", &content(seed, 1), 2);
        world.publish(2, "tree", &content(seed, 1), 1);
    }
    pin(&mut world, "a@5").expect("it is there");
    wait(&mut world, HOUR * 2);
    world.publish(1, "b", &content(8, 1), 1);
    world.publish(2, "b", &content(9, 1), 1);
    world.rename("b", "c", None).expect("free");
    world.remove("a", None).expect("removed");
    let snapshot = world.state.records();
    let mut copy = State::new(Timing::default(), 4);
    for record in &snapshot {
        assert_eq!(copy.replay(record.clone()), Ok(()), "{record:?}");
    }
    copy.check();
    assert_eq!(copy.records(), snapshot);
    for text in ["tree", "a", "b", "c"] {
        let (told, again) = (world.state.revisions(&name(text)), copy.revisions(&name(text)));
        let plain = |all: Vec<RevisionEntry>| -> Vec<_> {
            let plain = all.into_iter().map(|entry| RevisionEntry {
                health: None,
                ..entry
            });
            plain.collect()
        };
        assert_eq!(told.map(plain), again.map(plain), "{text}");
    }
}

#[test]
fn a_forgotten_name_is_as_safe_from_old_publications_as_a_tombstone() {
    let mut world = remembering(8, 1);
    let bytes = content(1, 1);
    let never_bound = Expectation::Revision(Revision::NONE);
    world
        .try_publish(1, "a", &bytes, 1, never_bound)
        .expect("never bound");
    for _ in 0..3 {
        world.publish(1, "a", &content(2, 1), 1);
        world.publish(1, "a", &bytes, 1);
    }
    assert_eq!(world.remove("a", None), Ok(8));
    world.publish(1, "b", &bytes, 1);
    world.remove("b", None).expect("removed");
    pin_then_remove(&mut world);
    world.now = world.now.after(Timing::default().forget_names);
    for _ in 0..3 {
        world.tick();
    }
    assert!(world.state.revisions(&name("a")).is_err() && world.state.revisions(&name("b")).is_err());
    assert_eq!(
        past(&world, "pinned"),
        "2 removed, 1 pinned",
        "what keeps something is not forgotten"
    );
    world.disconnect(1);
    world.hello(1, 2, world.state.epoch()).expect("welcome");
    world.announce(1, Vec::new(), true);
    for followed in 0..8 {
        let late = world.try_publish(1, "a", &bytes, 1, Expectation::Revision(Revision::new(followed)));
        assert!(
            matches!(late, Err(Rejection::Unbound { .. })),
            "after revision {followed}: {late:?}"
        );
        let late = world.try_publish(1, "b", &bytes, 1, Expectation::Revision(Revision::new(followed)));
        assert!(
            matches!(late, Err(Rejection::Unbound { .. })),
            "after revision {followed}: {late:?}"
        );
    }
    // The same holds after a restart from a snapshot.
    let mut copy = State::new(Timing::default(), 4);
    world
        .state
        .records()
        .into_iter()
        .for_each(|record| copy.replay(record).expect("sound"));
    assert_eq!(copy.head(&name("a")), (Revision::new(8), None));
    // A caller that asks now gets the newest revision, be the name new or not.
    let anew = world.try_publish(1, "new", &bytes, 1, Expectation::Revision(Revision::new(8)));
    assert_eq!(anew.map(|bound| bound.revision.get()), Ok(9));
    assert_eq!(
        world.remove("never", Some(7)),
        Err(Rejection::NoSuchName("never".to_owned()))
    );
}

fn pin_then_remove(world: &mut World) {
    world.publish(1, "pinned", &content(7, 1), 1);
    pin(world, "pinned@1").expect("it is there");
    world.remove("pinned", None).expect("removed");
}

#[test]
fn a_tracker_that_has_lost_a_part_of_its_history_lets_nothing_go() {
    let mut world = remembering(8, 1);
    world.publish(1, "a", &content(1, 1), 1);
    world.publish(1, "a", &content(2, 1), 1);
    let gap = crate::state::Record {
        at: world.now,
        fact: crate::state::Fact::GapDeclared,
    };
    world.journal.push(gap.clone());
    world.state.replay(gap).expect("sound");
    wait(&mut world, HOUR * 2);
    assert_eq!(past(&world, "a"), "2 current, 1 kept");
}

#[test]
fn no_more_than_is_remembered_is_kept_of_what_changes_all_the_time() {
    let mut world = remembering(3, 1);
    for round in 0..200_u32 {
        world.publish(1, "a", &content(u8::try_from(round % 250).expect("few"), 1), 1);
        assert!(world.state.names.content_count() <= 3);
    }
    world.tick();
    let all = world.state.revisions(&name("a")).expect("bound");
    assert_eq!(all.len(), 3);
    assert_eq!(all[0].revision, Revision::new(200));
}
