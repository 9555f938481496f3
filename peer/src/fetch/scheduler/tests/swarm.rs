//! Stories about sources that fetch the same content themselves.

use super::*;

/// A scheduler of `own` that wants everything, with a seeder (peer 1) and members that have nothing yet.
fn in_swarm(own: PeerId, count: u32, members: &[PeerId]) -> (Scheduler, Vec<(PeerId, u32)>) {
    let mut scheduler = Scheduler::new(own, FragmentSet::empty(count), BOUNDS, 7);
    for source in members.iter().copied().chain([peer(1)]) {
        let joined = Event::Joined {
            source,
            is_near: false,
        };
        assert_eq!(scheduler.apply(at(0), joined), []);
        let is_seeder = source == peer(1);
        let fragments = if is_seeder {
            FragmentSet::full(count)
        } else {
            FragmentSet::empty(count)
        };
        let coming = FragmentSet::empty(count);
        let has = Event::Has {
            source,
            fragments,
            coming,
        };
        assert_eq!(scheduler.apply(at(0), has), []);
    }
    let actions = scheduler.apply(at(0), Event::Want(FragmentSet::full(count)));
    (scheduler, requests(&actions))
}

/// So many members that each may have only one fragment waiting for the others.
fn many() -> Vec<PeerId> {
    (3..11).map(peer).collect()
}

fn has(source: PeerId, count: u32, holds: &[u32], coming: &[u32]) -> Event {
    Event::Has {
        source,
        fragments: set(count, holds),
        coming: set(count, coming),
    }
}

#[test]
fn members_of_a_swarm_ask_the_seeder_for_different_fragments() {
    let members: Vec<PeerId> = (2..12).map(peer).collect();
    let mut asked = Vec::new();
    for own in &members {
        let others: Vec<_> = members.iter().copied().filter(|other| other != own).collect();
        let (_, requests) = in_swarm(*own, 1000, &others);
        assert!(
            matches!(requests[..], [(source, _)] if source == peer(1)),
            "{requests:?}"
        );
        asked.extend(requests);
    }
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), members.len());
}

#[test]
fn what_is_coming_to_a_member_is_asked_of_it_at_once() {
    let (mut scheduler, _) = in_swarm(peer(2), 100, &[peer(3)]);
    let Some(coming) = (0..100).find(|number| scheduler.missing.contains(fragment(100, *number))) else {
        panic!("something is missing")
    };
    let actions = scheduler.apply(at(10), has(peer(3), 100, &[], &[coming]));
    assert_eq!(requests(&actions), [(peer(3), coming)]);
}

#[test]
fn what_was_coming_to_a_member_and_did_not_come_is_asked_of_the_seeder() {
    let (mut scheduler, asked) = in_swarm(peer(2), 2, &many());
    let coming = 1 - asked[0].1;
    let actions = scheduler.apply(at(10), has(peer(3), 2, &[], &[coming]));
    assert_eq!(requests(&actions), [(peer(3), coming)]);
    let passed_on = has(peer(3), 2, &[asked[0].1], &[coming]);
    assert_eq!(scheduler.apply(at(20), passed_on), []);
    let failed = Event::Failed {
        source: peer(3),
        fragment: fragment(2, coming),
        failure: Failure::ConnectionLost,
    };
    assert_eq!(requests(&scheduler.apply(at(3_000), failed)), [(peer(1), coming)]);
}

#[test]
fn a_seeder_is_asked_for_no_more_until_someone_has_taken_over_the_last() {
    let (mut scheduler, asked) = in_swarm(peer(2), 100, &many());
    let delivered = Event::Delivered {
        source: peer(1),
        fragment: fragment(100, asked[0].1),
    };
    assert_eq!(scheduler.apply(at(100), delivered), []);
    assert_eq!(scheduler.apply(at(200), Event::Tick), []);
    let taken_over = has(peer(3), 100, &[asked[0].1], &[]);
    let actions = requests(&scheduler.apply(at(300), taken_over));
    assert!(
        matches!(actions[..], [(source, _)] if source == peer(1)),
        "{actions:?}"
    );
}

#[test]
fn what_we_have_sent_to_the_end_has_been_taken_over_before_anybody_says_so() {
    let (mut scheduler, asked) = in_swarm(peer(2), 100, &many());
    let fragment = fragment(100, asked[0].1);
    let source = peer(1);
    assert_eq!(
        scheduler.apply(at(100), Event::Delivered { source, fragment }),
        []
    );
    let actions = requests(&scheduler.apply(at(101), Event::PassedOn { fragment }));
    assert!(
        matches!(actions[..], [(asked, _)] if asked == source),
        "{actions:?}"
    );
    assert_eq!(scheduler.apply(at(102), Event::PassedOn { fragment }), []);
}

#[test]
fn a_member_that_takes_nothing_over_does_not_hold_us_up() {
    let (mut scheduler, asked) = in_swarm(peer(2), 100, &many());
    let delivered = Event::Delivered {
        source: peer(1),
        fragment: fragment(100, asked[0].1),
    };
    assert_eq!(scheduler.apply(at(100), delivered), []);
    assert_eq!(requests(&scheduler.apply(at(3_200), Event::Tick)).len(), 1);
    let later = requests(&scheduler.apply(at(10_200), Event::Tick));
    assert!(
        !later.is_empty(),
        "it fetches nothing: we are on our own with the seeder"
    );
}

#[test]
fn what_is_late_is_not_taken_over_by_someone_to_whom_it_is_only_coming() {
    let (mut scheduler, asked) = in_swarm(peer(2), 1, &[peer(3)]);
    assert_eq!(asked, [(peer(1), 0)]);
    assert_eq!(scheduler.apply(at(10), has(peer(3), 1, &[], &[0])), []);
    assert_eq!(scheduler.apply(at(9_000), Event::Tick), []);
    let taken_over = Action::Move {
        from: peer(1),
        to: peer(3),
        fragment: fragment(1, 0),
    };
    assert_eq!(
        scheduler.apply(at(9_010), has(peer(3), 1, &[0], &[])),
        [taken_over]
    );
}

#[test]
fn a_seeder_takes_over_only_what_is_late_as_long_as_others_need_it_more() {
    // The other fragment is new: only the seeder can send it.
    let (mut scheduler, asked) = in_swarm(peer(2), 2, &many());
    let other = 1 - asked[0].1;
    let coming = scheduler.apply(at(0), has(peer(3), 2, &[], &[other]));
    assert_eq!(requests(&coming), [(peer(3), other)]);
    assert_eq!(scheduler.apply(at(5_900), Event::Tick), []);
    let late = Action::Move {
        from: peer(3),
        to: peer(1),
        fragment: fragment(2, other),
    };
    assert_eq!(scheduler.apply(at(6_000), Event::Tick), [late]);
}

#[test]
fn a_member_that_serves_slowly_is_left_alone_for_a_while_after_each_request() {
    let (mut scheduler, _) = in_swarm(peer(2), 100, &[peer(3), peer(4)]);
    let all: Vec<u32> = (0..99).collect();
    let quick = requests(&scheduler.apply(at(0), has(peer(3), 100, &all, &[])));
    let slow = requests(&scheduler.apply(at(0), has(peer(4), 100, &all, &[])));
    let delivered = |(source, number): (PeerId, u32)| Event::Delivered {
        source,
        fragment: fragment(100, number),
    };
    assert!(!requests(&scheduler.apply(at(100), delivered(quick[0]))).is_empty());
    assert_eq!(requests(&scheduler.apply(at(400), delivered(slow[0]))), []);
    let later = requests(&scheduler.apply(at(400 + 1_200), Event::Tick));
    assert!(later.iter().any(|(source, _)| *source == peer(4)), "{later:?}");
}

#[test]
fn where_everyone_seems_slow_half_of_them_are_asked_again_at_once() {
    let (mut scheduler, _) = in_swarm(peer(2), 100, &[peer(3), peer(4)]);
    let all: Vec<u32> = (0..99).collect();
    let first = requests(&scheduler.apply(at(0), has(peer(3), 100, &all, &[])));
    let slow = requests(&scheduler.apply(at(0), has(peer(4), 100, &all, &[])));
    let mut delivered = |now, (source, number): (PeerId, u32)| {
        let fragment = fragment(100, number);
        requests(&scheduler.apply(at(now), Event::Delivered { source, fragment }))
    };
    assert!(!delivered(100, first[0]).is_empty());
    assert_eq!(delivered(1_000, slow[0]), [], "this one rests");
    assert!(!delivered(1_010, first[1]).is_empty());
}

/// A seeder (peer 1), and a member (peer 3) that has nothing yet.
fn seeder_and_member(count: u32) -> [Event; 4] {
    let joined = |source| Event::Joined {
        source,
        is_near: false,
    };
    let all: Vec<u32> = (0..count).collect();
    [
        joined(peer(3)),
        has(peer(3), count, &[], &[]),
        joined(peer(1)),
        has(peer(1), count, &all, &[]),
    ]
}

fn serves(count: u32, handed_out: &[u32], is_full: bool) -> Event {
    Event::Serves {
        source: peer(1),
        handed_out: set(count, handed_out),
        is_full,
    }
}

#[test]
fn what_a_seeder_has_handed_out_is_not_asked_of_it_until_it_counts_no_longer() {
    let mut scheduler = Scheduler::new(peer(2), FragmentSet::empty(1), BOUNDS, 7);
    for event in seeder_and_member(1) {
        assert_eq!(scheduler.apply(at(0), event), []);
    }
    assert_eq!(scheduler.apply(at(0), serves(1, &[0], false)), []);
    assert_eq!(scheduler.apply(at(0), Event::Want(FragmentSet::full(1))), []);
    assert_eq!(scheduler.apply(at(500), Event::Tick), []);
    assert_eq!(
        requests(&scheduler.apply(at(600), serves(1, &[], false))),
        [(peer(1), 0)]
    );
}

#[test]
fn a_seeder_that_has_handed_the_fragment_out_meanwhile_is_asked_for_another_one() {
    let (mut scheduler, asked) = in_swarm(peer(2), 100, &[peer(3)]);
    let refused = Event::Failed {
        source: peer(1),
        fragment: fragment(100, asked[0].1),
        failure: Failure::HandedOut,
    };
    let instead = scheduler.apply(at(5), refused);
    assert!(
        matches!(instead[..], [Action::Request { source, fragment, if_new: true }]
            if source == peer(1) && fragment.get() != asked[0].1),
        "{instead:?}"
    );
}

#[test]
fn alone_with_a_seeder_what_it_has_handed_out_is_asked_for_last() {
    let mut scheduler = Scheduler::new(peer(2), FragmentSet::empty(2), BOUNDS, 7);
    let [.., joined, has] = seeder_and_member(2);
    for event in [joined, has, serves(2, &[1], false)] {
        assert_eq!(scheduler.apply(at(0), event), []);
    }
    let asked = scheduler.apply(at(0), Event::Want(FragmentSet::full(2)));
    let request = |number, if_new| Action::Request {
        source: peer(1),
        fragment: fragment(2, number),
        if_new,
    };
    assert_eq!(asked, [request(0, true), request(1, false)]);
}

#[test]
fn a_source_that_is_full_is_asked_when_it_says_that_it_has_room() {
    let mut scheduler = Scheduler::new(peer(2), FragmentSet::empty(1), BOUNDS, 7);
    for event in seeder_and_member(1) {
        assert_eq!(scheduler.apply(at(0), event), []);
    }
    assert_eq!(scheduler.apply(at(0), serves(1, &[], true)), []);
    assert_eq!(scheduler.apply(at(0), Event::Want(FragmentSet::full(1))), []);
    assert_eq!(scheduler.apply(at(60_000), Event::Tick), []);
    let asked = requests(&scheduler.apply(at(60_001), serves(1, &[], false)));
    assert_eq!(asked, [(peer(1), 0)]);
    let refused = Event::Failed {
        source: peer(1),
        fragment: fragment(1, 0),
        failure: Failure::Busy,
    };
    assert_eq!(scheduler.apply(at(60_002), refused), []);
    let room = scheduler.apply(at(60_003), serves(1, &[], false));
    assert_eq!(requests(&room), [(peer(1), 0)], "not only after the wait");
}

#[test]
fn where_there_are_only_two_the_seeder_does_not_wait_for_one_to_take_over_from_the_other() {
    let (mut scheduler, asked) = in_swarm(peer(2), 100, &[peer(3)]);
    let delivered = Event::Delivered {
        source: peer(1),
        fragment: fragment(100, asked[0].1),
    };
    let more = requests(&scheduler.apply(at(100), delivered));
    assert!(
        more.iter().any(|(source, _)| *source == peer(1)),
        "{asked:?}, {more:?}"
    );
}

#[test]
fn as_many_seeders_as_that_need_not_be_spared() {
    let (mut scheduler, asked) = in_swarm(peer(2), 100, &[peer(3)]);
    assert!(asked.len() <= 2);
    let joined = Event::Joined {
        source: peer(4),
        is_near: false,
    };
    assert_eq!(scheduler.apply(at(1), joined), []);
    let all: Vec<u32> = (0..100).collect();
    let actions = scheduler.apply(at(1), has(peer(4), 100, &all, &[]));
    let is_any = |action: &Action| matches!(action, Action::Request { source, .. } if *source == peer(4));
    assert!(!actions.is_empty() && actions.iter().all(is_any), "{actions:?}");
}
