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
    let (mut scheduler, asked) = in_swarm(peer(2), 2, &[peer(3)]);
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
    let (mut scheduler, asked) = in_swarm(peer(2), 100, &[peer(3)]);
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
fn a_member_that_takes_nothing_over_does_not_hold_us_up() {
    let (mut scheduler, asked) = in_swarm(peer(2), 100, &[peer(3)]);
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
fn a_late_request_is_not_made_again_where_the_fragment_is_only_coming() {
    let (mut scheduler, asked) = in_swarm(peer(2), 1, &[peer(3)]);
    assert_eq!(asked, [(peer(1), 0)]);
    assert_eq!(scheduler.apply(at(10), has(peer(3), 1, &[], &[0])), []);
    assert_eq!(scheduler.apply(at(9_000), Event::Tick), []);
    let actions = scheduler.apply(at(9_010), has(peer(3), 1, &[0], &[]));
    assert_eq!(requests(&actions), []);
    assert_eq!(requests(&scheduler.apply(at(9_100), Event::Tick)), [(peer(3), 0)]);
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
fn what_a_member_has_claimed_is_left_to_it_and_asked_for_again_when_it_gives_up() {
    // One fragment, ours or the member's: without the claim the seeder would be asked for it.
    let mut scheduler = Scheduler::new(peer(2), FragmentSet::empty(1), BOUNDS, 7);
    let claims = |fragments| Event::Claims {
        source: peer(3),
        fragments,
    };
    for event in [
        Event::Joined {
            source: peer(3),
            is_near: false,
        },
        has(peer(3), 1, &[], &[]),
        claims(FragmentSet::full(1)),
        Event::Joined {
            source: peer(1),
            is_near: false,
        },
        has(peer(1), 1, &[0], &[]),
        Event::Want(FragmentSet::full(1)),
    ] {
        assert_eq!(scheduler.apply(at(0), event), []);
    }
    assert_eq!(scheduler.apply(at(10), claims(FragmentSet::empty(1))), []);
    let actions = scheduler.apply(at(20), Event::Tick);
    assert_eq!(requests(&actions), [(peer(1), 0)]);
}

#[test]
fn a_member_that_gets_nothing_does_not_keep_what_it_claims_from_others() {
    let mut scheduler = Scheduler::new(peer(2), FragmentSet::empty(1), BOUNDS, 7);
    for event in [
        Event::Joined {
            source: peer(3),
            is_near: false,
        },
        has(peer(3), 1, &[], &[]),
        Event::Claims {
            source: peer(3),
            fragments: FragmentSet::full(1),
        },
        Event::Joined {
            source: peer(1),
            is_near: false,
        },
        has(peer(1), 1, &[0], &[]),
        Event::Want(FragmentSet::full(1)),
    ] {
        assert_eq!(scheduler.apply(at(0), event), []);
    }
    assert_eq!(scheduler.apply(at(2_900), Event::Tick), []);
    assert_eq!(requests(&scheduler.apply(at(3_000), Event::Tick)), [(peer(1), 0)]);
}
