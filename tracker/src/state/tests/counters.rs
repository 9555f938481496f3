//! Counters at the end of their numbers: others cannot bring one there, and none overflows.

use shared::model::{
    Epoch, FeedPosition, HelloRefusal, Incarnation, Mark, PinCount, Report, Revision, Timestamp,
};

use super::world::{World, content, name, peer, target};
use crate::state::{Command, EpochBegin, Fact, NameFact, Record, Rejection, State};
use crate::timing::Timing;

const LAST: u64 = u64::MAX;
const NEAR_THE_END: [u64; 3] = [LAST, LAST - 1, 1 << 63];

/// Adds a fact to the journal of a world.
fn journaled(world: &mut World, fact: Fact) {
    let at = world.now;
    world.journal.push(Record { at, fact });
}

/// A world that was restarted on a journal in which a name is at this revision, with a publisher.
fn with_name_at(revision: u64) -> World {
    let mut world = World::new();
    let published = Fact::Published {
        name: name("a"),
        revision: Revision::new(revision),
        target: target(1),
        manifest: content(1, 1),
        publishers: vec![peer(1)],
        parts: None,
    };
    journaled(&mut world, published);
    world.restart();
    world.join(1);
    world
}

#[test]
fn no_run_that_is_far_ahead_locks_an_id_out() {
    for given in NEAR_THE_END {
        let mut world = World::with_peers(1);
        world.disconnect(1);
        for n in 1..=2 {
            world.state.check();
            let journal = world.journal.len();
            let known = u64::from(n == 1);
            let refused = world.hello(n, given, Epoch::new(0)).expect_err("far ahead");
            let expected = HelloRefusal::AheadOf(Incarnation::new(known));
            assert_eq!(refused.refusal(), Some(expected), "{given}");
            assert_eq!(world.journal.len(), journal, "nothing of it is journaled");
            world
                .hello(n, known + 1, Epoch::new(0))
                .expect("the next run is welcome");
        }
    }
    let mut world = World::with_peers(1);
    world.disconnect(1);
    world
        .hello(1, 1 + Incarnation::MAX_STEP, Epoch::new(0))
        .expect("near enough");
    world.disconnect(1);
    let refused = world.hello(1, 2 + 2 * Incarnation::MAX_STEP, Epoch::new(0));
    assert!(matches!(refused, Err(Rejection::RunTooFar { .. })), "{refused:?}");
}

#[test]
fn the_last_run_in_an_older_journal_overflows_nothing() {
    for last in [LAST, LAST - 1] {
        let mut world = World::with_peers(1);
        let registered = world
            .journal
            .iter_mut()
            .find_map(|record| match &mut record.fact {
                Fact::PeerRegistered(registration) => Some(registration),
                _ => None,
            });
        registered.expect("it joined").incarnation = Incarnation::new(last);
        world.restart();
        let refused = world.hello(1, 2, Epoch::new(0)).expect_err("an older run");
        let expected = HelloRefusal::OlderThan(Incarnation::new(last));
        assert_eq!(refused.refusal(), Some(expected));
        world
            .hello(1, last, Epoch::new(0))
            .expect("the run that is known");
        world.disconnect(1);
        if let Some(next) = Incarnation::new(last).next() {
            world.hello(1, next.get(), Epoch::new(0)).expect("the last run");
        }
    }
}

#[test]
fn no_epoch_that_a_peer_claims_uses_the_epochs_up() {
    for is_restored in [false, true] {
        for seen in NEAR_THE_END {
            let mut world = World::with_peers(1);
            if is_restored {
                journaled(&mut world, Fact::GapDeclared);
                world.restart();
            }
            if !is_restored {
                world.disconnect(1);
            }
            let (journal, epoch) = (world.journal.len(), world.state.epoch());
            let refused = world.hello(1, 2, Epoch::new(seen));
            assert!(
                matches!(refused, Err(Rejection::EpochTooFar { .. })),
                "{refused:?}"
            );
            assert_eq!(
                (world.journal.len(), world.state.epoch()),
                (journal, epoch),
                "nothing has changed"
            );
            world.hello(1, 2, Epoch::new(0)).expect("welcome");
        }
    }
    let mut world = World::with_peers(1);
    journaled(&mut world, Fact::GapDeclared);
    world.restart();
    let seen = Epoch::new(2 + Epoch::MAX_STEP);
    let welcome = world.hello(1, 2, seen).expect("near enough");
    assert_eq!(Some(welcome.epoch), seen.next());
}

#[test]
fn a_tracker_in_the_last_epoch_cannot_begin_another() {
    let mut world = World::with_peers(1);
    journaled(&mut world, Fact::EpochBegun(Epoch::new(LAST - 1)));
    world.restart();
    assert_eq!(world.state.epoch(), Epoch::new(LAST));
    world.hello(1, 1, Epoch::new(LAST)).expect("welcome");
    let begun = world.apply(Command::BeginEpoch);
    assert_eq!(begun, Err(Rejection::EpochsUsedUp));
    assert_eq!(world.state.restored(), Err(Rejection::EpochsUsedUp));
    assert_eq!(world.state.epoch(), Epoch::new(LAST));
    let after = Fact::EpochBegun(Epoch::new(0));
    let at = world.now;
    let refused = world.state.replay(Record { at, fact: after });
    assert!(refused.is_err(), "an epoch that has wrapped follows nothing");
}

#[test]
fn marks_and_places_at_the_end_of_the_numbers_overflow_nothing() {
    for number in NEAR_THE_END {
        let mut world = World::with_peers(1);
        let mark = Mark {
            epoch: Epoch::new(number),
            began: Timestamp::from_millis(number),
            facts: number,
        };
        world.marks.insert(peer(1), mark);
        world.hello(1, 1, Epoch::new(0)).expect("welcome");
        assert!(world.state.status().gap.is_some(), "no history contains it");
        world.restart();
        let here = Mark {
            epoch: world.state.epoch(),
            ..mark
        };
        for mark in [mark, here] {
            let position = FeedPosition {
                mark,
                sequence: number,
            };
            assert!(world.state.events_after(Some(position)).is_gap, "{position:?}");
        }
        world.hello(1, 1, Epoch::new(0)).expect("welcome");
        world.announce(1, Vec::new(), true);
        world.say(1, Report::Alive { question: number }).expect("heard");
        world.heartbeat(1, number).expect("heard");
        world.tick();
    }
}

#[test]
fn after_the_last_revision_a_name_stays_as_it_is() {
    let mut world = with_name_at(LAST - 1);
    assert_eq!(world.publish(1, "a", &content(2, 1), 1).revision.get(), LAST);
    let journal = world.journal.len();
    let used_up = Err(Rejection::RevisionsUsedUp("a".to_owned()));
    let again = world.try_publish(1, "a", &content(3, 1), 1, shared::model::Expectation::Anything);
    assert_eq!(again.map(drop), used_up.clone());
    assert_eq!(world.remove("a", None).map(drop), used_up.clone());
    assert_eq!(world.rename("a", "b", None).map(drop), used_up);
    assert_eq!(
        world.state.restored().map(drop),
        Err(Rejection::GenerationsUsedUp)
    );
    assert_eq!(world.journal.len(), journal, "nothing has changed");
    world.restart();
    let mut world = with_name_at(LAST - 1);
    assert_eq!(world.remove("a", None), Ok(LAST));
    assert_eq!(world.remove("a", Some(LAST - 1)), Ok(LAST), "the same again");
    let floor = NameFact::FloorRaised(Revision::new(LAST));
    journaled(&mut world, Fact::Name(floor));
    world.restart();
    world.join(1);
    let bound = world.try_publish(1, "c", &content(3, 1), 1, shared::model::Expectation::Anything);
    assert_eq!(bound.map(drop), Err(Rejection::RevisionsUsedUp("c".to_owned())));
}

#[test]
fn after_the_last_change_of_a_pin_it_stays_as_it_is() {
    let mut world = World::with_peers(1);
    world.publish(1, "a", &content(1, 1), 1);
    let pins = |count| {
        Fact::Name(NameFact::PinChanged {
            name: name("a"),
            revision: Revision::new(1),
            pins: PinCount::new(count),
        })
    };
    journaled(&mut world, pins(u32::MAX - 1));
    world.restart();
    world.set_pin("a@1", true, None).expect("the last change");
    let refused = world.set_pin("a@1", false, None);
    assert_eq!(refused.map(drop), Err(Rejection::PinsUsedUp("a@1".to_owned())));
    world
        .set_pin("a@1", true, Some(u32::MAX - 1))
        .expect("the same again");
}

#[test]
fn a_journal_refuses_numbers_that_do_not_follow() {
    let mut world = World::with_peers(1);
    world.publish(1, "a", &content(1, 1), 1);
    let begin = |epoch, facts| EpochBegin {
        epoch: Epoch::new(epoch),
        at: world.now,
        facts,
    };
    let published = |revision| Fact::Published {
        name: name("a"),
        revision: Revision::new(revision),
        target: target(1),
        manifest: content(2, 1),
        publishers: vec![peer(1)],
        parts: None,
    };
    let removed = |revision| Fact::Removed {
        name: name("a"),
        revision: Revision::new(revision),
    };
    let history = |facts, epochs: &[EpochBegin]| Fact::History {
        facts,
        epochs: epochs.to_vec(),
    };
    let refused = [
        published(3),
        published(LAST),
        removed(3),
        removed(LAST - 1),
        history(LAST, &[]),
        history(LAST - 1, &[begin(1, 1)]),
        history(9, &[begin(1, 10)]),
        history(9, &[begin(2, 1)]),
        history(9, &[begin(1, 2), begin(1, 3)]),
        Fact::EpochBegun(Epoch::new(1)),
        Fact::EpochBegun(Epoch::new(0)),
    ];
    let replayed = |fact: &Fact| {
        let mut state = State::new(Timing::default(), 1);
        for record in &world.journal {
            state.replay(record.clone()).expect("sound");
        }
        let (at, fact) = (world.now, fact.clone());
        state.replay(Record { at, fact })
    };
    for fact in &refused {
        assert!(replayed(fact).is_err(), "{fact:?}");
    }
    for fact in [
        published(2),
        removed(2),
        history(9, &[begin(1, 9)]),
        Fact::EpochBegun(Epoch::new(2)),
    ] {
        assert_eq!(replayed(&fact), Ok(()), "{fact:?}");
    }
}
