//! Copies of a data directory: one run keeps the session, and no live peer is called a copy of a dead one.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use shared::model::{
    Epoch, FeedEvent, HelloRefusal, Numbered, Order, PeerState, Report, RunTraits, Timestamp,
};

use super::world::{World, content, target};
use crate::state::{Command, Rejection, SessionId};

const SECOND: Duration = Duration::from_secs(1);

/// A peer of which run 1 has a session and a replicated content.
fn world() -> World {
    let mut world = World::new();
    world.hello_of_run(1, 5, Epoch::new(0), Some(1)).expect("welcome");
    world.announce(1, Vec::new(), true);
    world
}

/// Says hello as a run, whose incarnation is as given.
fn knock(world: &mut World, incarnation: u64, run: u8) -> Result<(), Rejection> {
    world
        .hello_of_run(1, incarnation, Epoch::new(1), Some(run))
        .map(drop)
}

/// Says hello as a run that was refused.
fn knock_again(world: &mut World, run: u8) -> Result<(), Rejection> {
    let was_refused = RunTraits {
        was_refused: true,
        ..RunTraits::default()
    };
    world.traits.insert(1, was_refused);
    let answer = knock(world, 5, run);
    world.traits.remove(&1);
    answer
}

/// Has the run with the session answer what it was asked.
fn answer(world: &mut World) {
    for (to, order) in world.take_orders() {
        if let Order::Ask { question, .. } = order {
            world
                .say(to.as_bytes()[0], Report::Alive { question })
                .expect("heard");
        }
    }
}

fn is_contested(answer: &Result<(), Rejection>) -> bool {
    matches!(answer, Err(Rejection::Contested { .. }))
}

fn is_copy(answer: &Result<(), Rejection>) -> bool {
    matches!(answer, Err(Rejection::CopyOf(address)) if address.to_string() == "10.0.1.1:50053")
}

#[test]
fn the_run_that_came_first_keeps_the_session_and_copies_are_refused() {
    let mut world = world();
    let before = world.journal.len();
    // Incarnations say nothing: copies were started more often, less often, or as often.
    for (incarnation, run) in [(5, 2), (9, 3), (2, 4)] {
        assert!(
            is_contested(&knock(&mut world, incarnation, run)),
            "nothing is known yet"
        );
    }
    world.pass(SECOND * 8, &[]);
    let still = is_contested(&knock(&mut world, 5, 2));
    assert!(still, "those messages may have been on their way");
    answer(&mut world);
    for (incarnation, run) in [(5, 2), (9, 3), (2, 4)] {
        assert!(is_copy(&knock(&mut world, incarnation, run)));
        assert!(is_copy(&knock(&mut world, incarnation, run)), "and stays one");
    }
    assert!(is_contested(&knock(&mut world, 6, 5)), "a new run begins anew");
    assert_eq!(world.peer_state(1), PeerState::Live);
    assert_eq!(world.closed, []);
    assert_eq!(world.journal.len(), before, "nothing of it is journaled");
}

#[test]
fn a_restart_whose_end_was_not_noticed_is_welcome_after_the_lease() {
    let mut world = world();
    world.pass(SECOND, &[]);
    for _ in 0..9 {
        assert!(is_contested(&knock(&mut world, 6, 2)));
        world.pass(SECOND, &[1]);
    }
    world.pass(SECOND * 2, &[1]);
    assert_eq!(world.peer_state(1), PeerState::Suspect);
    knock(&mut world, 6, 2).expect("the old run has fallen silent");
    assert_eq!(world.peer_state(1), PeerState::Live);
}

#[test]
fn a_restart_is_welcome_at_once_when_the_old_connection_breaks() {
    let mut world = world();
    assert!(is_contested(&knock(&mut world, 6, 2)));
    // Reports that the old run sent before it died arrive late.
    for _ in 0..5 {
        world.pass(SECOND * 3, &[]);
        assert!(is_contested(&knock(&mut world, 6, 2)));
    }
    world.disconnect(1);
    knock(&mut world, 6, 2).expect("welcome");
}

#[test]
fn the_same_run_comes_back_whatever_others_say() {
    let mut world = world();
    assert!(is_contested(&knock(&mut world, 5, 2)));
    knock(&mut world, 5, 1).expect("it is the run with the session");
    world.announce(1, Vec::new(), true);
    world.take_orders();
    assert!(
        is_contested(&knock(&mut world, 5, 2)),
        "that hello may have been on its way"
    );
    answer(&mut world);
    assert!(is_copy(&knock(&mut world, 5, 2)));
}

#[test]
fn the_trackers_own_absence_makes_no_copy_of_a_restart() {
    let mut world = world();
    assert!(is_contested(&knock(&mut world, 6, 2)));
    // Leases are begun anew, and nothing was heard.
    world.now = world.now.after(SECOND * 60);
    world.tick();
    assert!(is_contested(&knock(&mut world, 6, 2)));
    world.pass(SECOND * 11, &[1]);
    knock(&mut world, 6, 2).expect("welcome");
}

#[test]
fn older_peers_are_told_apart_by_their_runs_and_addresses() {
    let mut world = World::with_peers(1);
    world
        .hello(1, 1, Epoch::new(1))
        .expect("the same run may come back");
    world.announce(1, Vec::new(), true);
    for _ in 0..5 {
        let refused = world.hello(1, 2, Epoch::new(1)).expect_err("another run");
        assert!(matches!(refused.refusal(), Some(HelloRefusal::ContestedBy(_))));
        world.pass(SECOND * 20, &[]);
        assert_eq!(world.take_orders(), [], "an older peer is not asked");
    }
}

#[test]
fn a_restored_backup_is_told_how_far_the_runs_have_come() {
    let mut world = world();
    world.disconnect(1);
    let refused = knock(&mut world, 3, 2).expect_err("an older run");
    let Some(HelloRefusal::OlderThan(run)) = refused.refusal() else {
        panic!("{refused:?}")
    };
    knock(&mut world, run.get() + 1, 2).expect("it counts on from there");
}

#[test]
fn people_are_shown_a_copy_for_as_long_as_it_asks() {
    let mut world = world();
    let shown = |world: &World| world.state.peers(None, 9).peers[0].copy.clone();
    assert!(is_contested(&knock(&mut world, 5, 2)));
    answer(&mut world);
    assert_eq!(shown(&world), None);
    let event = |world: &mut World, before| {
        let events = world.state.events_after(Some(before)).events;
        match &events[..] {
            [FeedEvent::Peer { peer, .. }] => peer.copy.clone(),
            _ => panic!("{events:?}"),
        }
    };
    let position = world.state.events_after(None).position;
    assert!(is_copy(&knock(&mut world, 5, 2)));
    let copy = shown(&world).expect("shown");
    assert_eq!(copy.to_string(), "10.0.2.1:50053");
    assert_eq!(event(&mut world, position), Some(copy.clone()));
    // It asks again, and so does another one: nothing is told twice.
    let position = world.state.events_after(None).position;
    for _ in 0..20 {
        world.pass(SECOND * 60, &[]);
        assert!(is_copy(&knock_again(&mut world, 2)) && is_copy(&knock_again(&mut world, 3)));
        assert_eq!(shown(&world), Some(copy.clone()));
    }
    assert_eq!(world.state.events_after(Some(position)).events, []);
    world.pass(SECOND * 89, &[]);
    assert_eq!(shown(&world), Some(copy));
    world.pass(SECOND, &[]);
    assert_eq!(shown(&world), None);
    assert_eq!(event(&mut world, position), None);
}

#[test]
fn a_refused_run_is_let_in_when_the_other_has_gone_for_good() {
    for does_leave in [true, false] {
        let mut world = world();
        assert!(is_contested(&knock(&mut world, 5, 2)));
        answer(&mut world);
        assert!(is_copy(&knock(&mut world, 5, 2)));
        let before = world.journal.len();
        for _ in 0..5 {
            world.pass(SECOND * 30, &[]);
            assert!(is_copy(&knock_again(&mut world, 2)));
        }
        assert_eq!(world.take_orders(), [], "nobody is asked again");
        // Its session breaks: it may come back in a moment, and does.
        world.disconnect(1);
        assert!(is_copy(&knock_again(&mut world, 2)));
        knock(&mut world, 5, 1).expect("it had the session");
        world.announce(1, Vec::new(), true);
        assert!(is_copy(&knock_again(&mut world, 2)));
        assert_eq!(world.journal.len(), before, "nothing of it is journaled");
        match does_leave {
            true => world.say(1, Report::Leave).expect("heard"),
            false => {
                world.disconnect(1);
                assert!(is_copy(&knock_again(&mut world, 2)));
                world.pass(SECOND * 10, &[1]);
            }
        }
        knock_again(&mut world, 2).expect("nobody else is there");
        world.announce(1, Vec::new(), true);
        assert!(is_contested(&knock(&mut world, 5, 1)), "now this one came later");
    }
}

#[test]
fn after_a_trackers_restart_the_session_goes_to_the_run_that_had_it() {
    for comes_back in [true, false] {
        let mut world = world();
        world.restart();
        world.pass(SECOND, &[1]);
        assert!(is_copy(&knock_again(&mut world, 2)), "although it comes first");
        world.pass(SECOND * 5, &[1]);
        if comes_back {
            knock(&mut world, 5, 1).expect("it had the session");
            world.announce(1, Vec::new(), true);
            world.pass(SECOND * 60, &[]);
            assert!(is_copy(&knock_again(&mut world, 2)));
        } else {
            world.pass(SECOND * 60, &[1]);
            knock_again(&mut world, 2).expect("the other one does not come back");
        }
    }
}

#[test]
fn two_copies_do_not_change_what_is_replicated() {
    let mut world = world();
    world.join(2);
    let bytes = content(1, 2);
    world.publish(1, "a", &bytes, 2);
    world.holds(1, &bytes, bytes.all_fragments(), true);
    world.obey();
    assert_eq!(world.health(&bytes).fewest, 2);
    for _ in 0..30 {
        assert!(knock(&mut world, 5, 2).is_err());
        answer(&mut world);
        world.pass(SECOND, &[]);
        assert_eq!(world.health(&bytes).fewest, target(2).get());
    }
}

/// A step of a directory's story.
#[derive(Clone, Debug)]
enum Step {
    /// The process of a directory starts, dies with or without notice, or says something.
    Starts(usize),
    Dies(usize, bool),
    Beats(usize),
    /// It tries to enter.
    Knocks(usize),
    Waits(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let directory = 0..3_usize;
    prop_oneof![
        1 => directory.clone().prop_map(Step::Starts),
        1 => (directory.clone(), any::<bool>()).prop_map(|(n, noticed)| Step::Dies(n, noticed)),
        4 => directory.clone().prop_map(Step::Beats),
        4 => directory.prop_map(Step::Knocks),
        4 => (100..3_000_u64).prop_map(Step::Waits),
    ]
}

/// A process on one of the copies.
#[derive(Clone, Debug, Default)]
struct Process {
    run: u8,
    is_up: bool,
    started: Timestamp,
    session: Option<(SessionId, u64)>,
}

proptest! {
    #[test]
    fn only_a_run_beside_a_live_one_is_called_a_copy(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        let mut copies = vec![Process::default(); 3];
        let mut runs = 0;
        // When each run was last heard.
        let mut heard_at = BTreeMap::new();
        for step in steps {
            match step {
                Step::Starts(n) if !copies[n].is_up => {
                    runs += 1;
                    copies[n] = Process { run: runs, is_up: true, started: world.now, session: None };
                }
                Step::Dies(n, is_noticed) => {
                    let died = std::mem::take(&mut copies[n]);
                    if let (true, Some((session, _))) = (is_noticed, died.session) {
                        world.apply(Command::CloseSession { session }).expect("always possible");
                    }
                }
                Step::Beats(n) => {
                    let asked = world.take_orders().into_iter().filter_map(|(_, order)| match order {
                        Order::Ask { question, .. } => Some(question),
                        _ => None,
                    });
                    let asked: Vec<_> = asked.collect();
                    if let Some((session, sequence)) = &mut copies[n].session {
                        // The questions were asked in this session: there is no other.
                        let answers = asked.into_iter().map(|question| Report::Alive { question });
                        let beat = Report::Heartbeat { used: 0, disk_free: None, received: Vec::new() };
                        for message in answers.chain([beat]) {
                            *sequence += 1;
                            let (session, sequence) = (*session, *sequence);
                            let report = Numbered { sequence, message };
                            let heard = world.apply(Command::Report { session, report });
                            prop_assert!(heard.is_ok(), "a live run lost its session: {:?}", heard);
                        }
                        heard_at.insert(copies[n].run, world.now);
                    }
                }
                Step::Knocks(n) if copies[n].is_up && copies[n].session.is_none() => {
                    match world.hello_of_run(1, 1, Epoch::new(1), Some(copies[n].run)) {
                        Ok(_) => {
                            copies[n].session = Some((world.session_ago(0), 1));
                            // A run that was silent for a lease has lost its place.
                            for (other, copy) in copies.iter_mut().enumerate() {
                                copy.session.take_if(|_| other != n);
                            }
                        }
                        Err(Rejection::CopyOf(_)) => {
                            let Process { run, started, .. } = copies[n];
                            let is_beside = |(other, at): (&u8, &Timestamp)| *other != run && *at >= started;
                            prop_assert!(heard_at.iter().any(is_beside), "no other run was there with it");
                        }
                        Err(refused) => prop_assert!(is_contested(&Err(refused))),
                    }
                }
                Step::Waits(millis) => {
                    world.now = world.now.after(Duration::from_millis(millis));
                    world.tick();
                    if world.state.peers(None, 9).peers.iter().any(|peer| peer.state == PeerState::Lost) {
                        copies.iter_mut().for_each(|copy| copy.session = None);
                    }
                }
                Step::Starts(_) | Step::Knocks(_) => {}
            }
        }
    }
}
