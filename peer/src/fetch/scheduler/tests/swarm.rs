//! Tests of sources that fetch the same content themselves.

use super::*;

/// Makes a scheduler of `own` that wants all fragments, with a seeder (peer 1) and members that have nothing
/// yet.
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

/// Returns enough members that each may have only one fragment waiting for the others.
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
fn a_member_is_asked_at_once_for_fragments_coming_to_it() {
    let (mut scheduler, _) = in_swarm(peer(2), 100, &[peer(3)]);
    let Some(coming) = (0..100).find(|number| scheduler.missing.contains(fragment(100, *number))) else {
        panic!("something is missing")
    };
    let actions = scheduler.apply(at(10), has(peer(3), 100, &[], &[coming]));
    assert_eq!(requests(&actions), [(peer(3), coming)]);
}

#[test]
fn the_seeder_is_asked_for_a_fragment_that_did_not_come() {
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
fn a_seeder_is_asked_for_more_once_a_member_has_the_last_one() {
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
fn a_fragment_that_was_sent_completely_counts_as_taken_over() {
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
fn a_member_that_takes_nothing_over_holds_nothing_up() {
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
fn only_a_holder_takes_over_a_late_fragment() {
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
fn a_seeder_that_is_needed_takes_over_only_late_fragments() {
    // The other fragment is new, and only the seeder can send it.
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
fn a_slow_member_rests_after_each_request() {
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
fn where_all_seem_slow_half_of_them_are_asked_again_at_once() {
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
fn a_seeder_is_not_asked_for_a_fragment_while_its_handout_counts() {
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
fn a_seeder_that_refuses_a_fragment_is_asked_for_another() {
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
fn alone_with_a_seeder_its_handouts_are_asked_for_last() {
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
fn with_two_members_the_seeder_does_not_wait_for_a_takeover() {
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
