//! Journals restored from an older backup: the tracker notices, and does no harm.

use std::time::Duration;

use shared::model::{Epoch, ReasonCode, RequestedMode};

use super::world::{World, content, peer};
use crate::state::{Closing, Fact, Record, Rejection};

const MINUTE: Duration = Duration::from_secs(60);

/// Restores a tracker with two peers, one name before the backup, and one after it that both peers'
/// heartbeats have seen. Returns the world, and the facts that the journal lacks.
fn restored() -> (World, usize) {
    let mut world = World::with_peers(2);
    world.publish(1, "old", &content(1, 2), 1);
    let backup = world.journal.clone();
    world.publish(1, "new", &content(2, 2), 1);
    for n in 1..=2 {
        world.heartbeat(n, 0).expect("heard");
    }
    let lost = world.journal.len() - backup.len();
    world.journal = backup;
    world.restart();
    (world, lost)
}

fn has_gap(world: &World) -> bool {
    world.state.status().gap.is_some()
}

#[test]
fn an_older_journal_is_noticed_by_what_peers_have_seen() {
    let (mut world, lost) = restored();
    assert!(lost > 0 && !has_gap(&world), "nobody has said hello yet");
    world.hello(2, 1, Epoch::new(1)).expect("welcome");
    let gap = world.state.status().gap.expect("peer 2 has seen more");
    assert_eq!(
        gap.seen.map(|(by, mark)| (by, mark.epoch)),
        Some((peer(2), Epoch::new(1)))
    );
    world.restart();
    assert!(has_gap(&world), "a restart does not forget it");
}

#[test]
fn restarts_and_snapshots_without_loss_are_no_gap() {
    let mut world = World::with_peers(2);
    for round in 1..6 {
        world.publish(1, "name", &content(round, 2), 1);
        for n in 1..=2 {
            world.heartbeat(n, 0).expect("heard");
        }
        if round % 2 == 0 {
            world.journal = world.state.records();
        }
        world.restart();
        for n in 1..=2 {
            world.hello(n, 1, Epoch::new(u64::from(round))).expect("welcome");
            world.announce(n, Vec::new(), true);
        }
        assert!(!has_gap(&world), "after restart {round}");
    }
}

#[test]
fn diverged_histories_differ_even_when_the_other_one_is_longer() {
    let (mut world, _) = restored();
    let backup = world.journal.clone();
    world.hello(1, 1, Epoch::new(1)).expect("welcome");
    world.heartbeat(1, 0).expect("heard");
    // The same backup again: the same epoch, begun at another time, and with many facts.
    world.journal = backup;
    world.journal.pop();
    world.now = world.now.after(MINUTE);
    world.restart();
    for n in 3..9 {
        world.join(n);
    }
    world.hello(1, 1, Epoch::new(2)).expect("welcome");
    assert!(has_gap(&world), "peer 1 has seen another epoch 2");
}

#[test]
fn nothing_is_evicted_for_having_no_name_until_the_loss_is_accepted() {
    let (mut world, _) = restored();
    let lost = content(2, 2);
    for n in 1..=2 {
        world.hello(n, 1, Epoch::new(1)).expect("welcome");
    }
    world.holds(1, &lost, lost.all_fragments(), true);
    for n in 1..=2 {
        world.announce(n, Vec::new(), true);
    }
    world.pass(MINUTE * 5, &[]);
    assert_eq!(world.evicted(), [], "its name may be what is missing");
    // The publisher can add the content again.
    world.publish(1, "new", &lost, 1);
    world.remove("new", None).expect("removed");
    world.journal.push(Record {
        at: world.now,
        fact: Fact::GapAccepted,
    });
    world.restart();
    world.hello(1, 1, Epoch::new(2)).expect("welcome");
    world.holds(1, &lost, lost.all_fragments(), true);
    world.announce(1, Vec::new(), true);
    world.pass(MINUTE * 5, &[]);
    assert!(!world.evicted().is_empty(), "as always");
}

#[test]
fn only_a_declared_restoration_takes_over_from_newer_epochs() {
    let (mut world, _) = restored();
    let seen = Epoch::new(9);
    let refused = world
        .hello(1, 1, seen)
        .expect_err("it cannot know that it is the one");
    assert!(matches!(refused, Rejection::OlderEpoch { .. }));
    world.journal.push(Record {
        at: world.now,
        fact: Fact::GapDeclared,
    });
    world.restart();
    world.hello(2, 1, Epoch::new(2)).expect("welcome");
    let welcome = world.hello(1, 1, seen).expect("welcome");
    assert_eq!(Some(welcome.epoch), seen.next());
    assert!(
        world.closed.iter().any(|(_, why)| *why == Closing::NewEpoch),
        "the other peer says hello again, and learns of the new epoch"
    );
    world.hello(2, 1, Epoch::new(3)).expect("welcome");
}

/// Applies `tracker restored` to a journal.
fn declare(world: &mut World) {
    let facts = world.state.restored().expect("epochs are left");
    let at = world.now;
    world.journal.extend(facts.map(|fact| Record { at, fact }));
}

#[test]
fn a_mark_one_fact_beyond_the_backup_proves_a_gap_after_restoration() {
    for lost in 1..4 {
        let mut world = World::with_peers(2);
        world.publish(1, "old", &content(1, 2), 1);
        let backup = world.journal.clone();
        for n in 0..lost {
            world.publish(1, "new", &content(2 + n, 2), 1);
        }
        world.heartbeat(2, 0).expect("heard");
        world.journal = backup;
        world.restart();
        declare(&mut world);
        world.restart();
        world.hello(2, 1, Epoch::new(1)).expect("welcome");
        let gap = world.state.status().gap.expect("declared");
        assert_eq!(
            gap.seen.map(|(by, _)| by),
            Some(peer(2)),
            "{lost} facts are missing"
        );
    }
}

#[test]
fn no_revision_given_since_the_backup_is_given_to_another_binding() {
    let (mut world, _) = restored();
    declare(&mut world);
    world.restart();
    for n in 1..=2 {
        world.hello(n, 1, Epoch::new(1)).expect("welcome");
        world.announce(n, Vec::new(), true);
    }
    assert_eq!(
        world.publish(1, "old", &content(3, 2), 1).revision.get(),
        1_000_001
    );
    assert_eq!(
        world.publish(1, "old", &content(4, 2), 1).revision.get(),
        1_000_002
    );
    assert_eq!(
        world.publish(1, "another", &content(5, 2), 1).revision.get(),
        1_000_001
    );
    // A removal takes the next revision all the same, so that it differs from the removed one; no binding was
    // lost by that.
    assert_eq!(world.remove("old", None), Ok(1_000_003));
    world.journal = world.state.records();
    world.restart();
    world.hello(1, 1, Epoch::new(3)).expect("welcome");
    world.announce(1, Vec::new(), true);
    assert_eq!(
        world.publish(1, "third", &content(5, 2), 1).revision.get(),
        1_000_001
    );
    declare(&mut world);
    world.restart();
    world.hello(1, 1, Epoch::new(4)).expect("welcome");
    assert_eq!(
        world.publish(1, "old", &content(3, 2), 1).revision.get(),
        2_000_001
    );
}

#[test]
fn a_peer_that_keeps_what_may_have_lost_its_name_cannot_be_switched_off() {
    let (mut world, _) = restored();
    let lost = content(2, 2);
    for n in 1..=2 {
        world.hello(n, 1, Epoch::new(1)).expect("welcome");
    }
    world.holds(2, &lost, lost.all_fragments(), true);
    for n in 1..=2 {
        world.announce(n, Vec::new(), true);
    }
    world.set_peer_mode(2, RequestedMode::Drain).expect("known");
    world.pass(MINUTE, &[]);
    let status = world.drain_status(2);
    assert!(!status.is_safe);
    assert!(
        status
            .reasons
            .iter()
            .any(|reason| reason.code == ReasonCode::JournalGap),
        "{status:?}"
    );
}

#[test]
fn no_surplus_is_trimmed_while_the_journal_is_known_to_lack_something() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 2);
    world.publish(1, "a", &bytes, 1);
    let backup = world.journal.clone();
    world.set_target("a", 3).expect("bound");
    world.obey();
    assert_eq!(world.replicas(&bytes).len(), 3);
    world.journal = backup;
    world.restart();
    declare(&mut world);
    world.restart();
    for n in 1..=3 {
        world.hello(n, 1, world.state.epoch()).expect("welcome");
        world.holds_as_assigned(n, &bytes, bytes.all_fragments());
        world.announce(n, Vec::new(), true);
    }
    world.take_orders();
    world.pass(Duration::from_secs(400), &[]);
    assert_eq!(world.take_orders(), [], "the target that was lost was larger");
}
