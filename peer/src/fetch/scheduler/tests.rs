//! Tests of the scheduler, and a simulated world in which it must always come to an end.

mod corruption;
mod swarm;
mod world;

use std::time::Duration;

use shared::model::{FragmentIndex, FragmentSet, PeerId, Timestamp};

use super::*;

const BOUNDS: Bounds = Bounds {
    per_source: 4,
    in_all: 16,
};

fn peer(n: u8) -> PeerId {
    PeerId::from_bytes([n; 16])
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Returns the fragments `numbers` of a content of `count`.
fn set(count: u32, numbers: &[u32]) -> FragmentSet {
    let mut set = FragmentSet::empty(count);
    for fragment in FragmentSet::full(count)
        .iter()
        .filter(|fragment| numbers.contains(&fragment.get()))
    {
        set.insert(fragment);
    }
    set
}

fn fragment(count: u32, number: u32) -> FragmentIndex {
    set(count, &[number]).iter().next().expect("within the content")
}

/// Makes a scheduler that wants all fragments, with sources that hold the given ones.
fn scheduler(count: u32, bounds: Bounds, sources: &[&[u32]]) -> (Scheduler, Vec<Action>) {
    let mut scheduler = Scheduler::new(
        PeerId::from_bytes([0xff; 16]),
        FragmentSet::empty(count),
        bounds,
        7,
    );
    let mut actions = scheduler.apply(at(0), Event::Want(FragmentSet::full(count)));
    for (n, holds) in (1..).zip(sources) {
        actions.extend(scheduler.apply(
            at(0),
            Event::Joined {
                source: peer(n),
                is_near: false,
            },
        ));
        actions.extend(scheduler.apply(
            at(0),
            Event::Has {
                source: peer(n),
                fragments: set(count, holds),
                coming: FragmentSet::empty(count),
            },
        ));
    }
    (scheduler, actions)
}

/// Returns the source and the fragment of each request.
fn requests(actions: &[Action]) -> Vec<(PeerId, u32)> {
    let request = |action: &Action| match action {
        Action::Request { source, fragment, .. } => Some((*source, fragment.get())),
        _ => None,
    };
    actions.iter().filter_map(request).collect()
}

#[test]
fn a_new_source_is_given_two_requests_and_more_once_it_has_served() {
    let (mut scheduler, actions) = scheduler(10, BOUNDS, &[&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]);
    let first = requests(&actions);
    assert_eq!(first.len(), 2);
    let served = Event::Delivered {
        source: peer(1),
        fragment: fragment(10, first[0].1),
    };
    assert_eq!(
        requests(&scheduler.apply(at(10), served)).len(),
        2,
        "one for the served, one more"
    );
    assert_eq!(scheduler.held().len(), 1);
}

#[test]
fn the_rarest_fragment_is_asked_for_first() {
    let bounds = Bounds {
        per_source: 1,
        in_all: 16,
    };
    let mut scheduler = Scheduler::new(PeerId::from_bytes([0xff; 16]), FragmentSet::empty(3), bounds, 7);
    for (n, holds) in [(1, [0, 1, 2].as_slice()), (2, &[0, 1]), (3, &[0])] {
        for event in [
            Event::Joined {
                source: peer(n),
                is_near: false,
            },
            Event::Has {
                source: peer(n),
                fragments: set(3, holds),
                coming: FragmentSet::empty(3),
            },
        ] {
            assert_eq!(scheduler.apply(at(0), event), []);
        }
    }
    let actions = scheduler.apply(at(0), Event::Want(FragmentSet::full(3)));
    let mut requests = requests(&actions);
    requests.sort_unstable();
    assert_eq!(requests, [(peer(1), 2), (peer(2), 1), (peer(3), 0)]);
}

#[test]
fn a_near_source_goes_before_an_equally_loaded_one() {
    for seed in 0..20 {
        let mut scheduler = Scheduler::new(
            PeerId::from_bytes([0xff; 16]),
            FragmentSet::empty(1),
            BOUNDS,
            seed,
        );
        for n in 1..=5 {
            let joined = Event::Joined {
                source: peer(n),
                is_near: n == 3,
            };
            assert_eq!(scheduler.apply(at(0), joined), []);
            let has = Event::Has {
                source: peer(n),
                fragments: FragmentSet::full(1),
                coming: FragmentSet::empty(1),
            };
            assert_eq!(scheduler.apply(at(0), has), []);
        }
        let actions = scheduler.apply(at(0), Event::Want(FragmentSet::full(1)));
        assert_eq!(requests(&actions), [(peer(3), 0)], "seed {seed}");
    }
}

#[test]
fn a_busy_source_is_left_alone_longer_each_time() {
    let (mut scheduler, actions) = scheduler(1, BOUNDS, &[&[0]]);
    assert_eq!(requests(&actions).len(), 1);
    let busy = Event::Failed {
        source: peer(1),
        fragment: fragment(1, 0),
        failure: Failure::Busy,
    };
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..10 {
        assert_eq!(scheduler.apply(now, busy.clone()), []);
        assert_eq!(scheduler.summary(now).waiting, 1);
        let since = now;
        while requests(&scheduler.apply(now, Event::Tick)).is_empty() {
            now = now.after(Duration::from_millis(10));
        }
        waits.push(now.since(since));
    }
    assert!(
        waits[0] >= Duration::from_millis(50) && waits[0] <= Duration::from_millis(110),
        "{waits:?}"
    );
    assert!(
        waits[9] >= Duration::from_secs(5) && waits[9] <= Duration::from_millis(10_010),
        "{waits:?}"
    );
    assert!(
        waits[..6].iter().zip(&waits[2..]).all(|(a, b)| a < b),
        "{waits:?}"
    );
}

#[test]
fn another_source_is_asked_at_once_after_a_failure() {
    for failure in [
        Failure::TimedOut,
        Failure::Busy,
        Failure::ConnectionLost,
        Failure::DoesNotHold,
    ] {
        let (mut scheduler, actions) = scheduler(1, BOUNDS, &[&[0], &[0]]);
        let (asked, _) = requests(&actions)[0];
        let failed = Event::Failed {
            source: asked,
            fragment: fragment(1, 0),
            failure,
        };
        let other = if asked == peer(1) { peer(2) } else { peer(1) };
        assert_eq!(requests(&scheduler.apply(at(1), failed)), [(other, 0)]);
    }
}

#[test]
fn a_fragment_without_a_holder_waits_until_one_is_announced() {
    let (mut scheduler, _) = scheduler(1, BOUNDS, &[&[0]]);
    let failed = Event::Failed {
        source: peer(1),
        fragment: fragment(1, 0),
        failure: Failure::DoesNotHold,
    };
    assert_eq!(scheduler.apply(at(1), failed), []);
    assert_eq!(scheduler.apply(at(60_000), Event::Tick), []);
    assert_eq!(scheduler.summary(at(60_000)).unsourced, 1);
    let gained = Event::Has {
        source: peer(1),
        fragments: FragmentSet::full(1),
        coming: FragmentSet::empty(1),
    };
    assert_eq!(requests(&scheduler.apply(at(60_000), gained)), [(peer(1), 0)]);
}

#[test]
fn another_source_is_asked_when_one_leaves() {
    let (mut scheduler, actions) = scheduler(1, BOUNDS, &[&[0]]);
    assert_eq!(requests(&actions), [(peer(1), 0)]);
    let actions = scheduler.apply(at(1), Event::Left { source: peer(1) });
    assert_eq!(
        actions,
        [Action::Cancel {
            source: peer(1),
            fragment: fragment(1, 0)
        }]
    );
    assert_eq!(
        scheduler.apply(
            at(2),
            Event::Joined {
                source: peer(2),
                is_near: false
            }
        ),
        []
    );
    let has = Event::Has {
        source: peer(2),
        fragments: FragmentSet::full(1),
        coming: FragmentSet::empty(1),
    };
    assert_eq!(requests(&scheduler.apply(at(2), has)), [(peer(2), 0)]);
}

#[test]
fn an_idle_source_takes_over_from_a_slow_one() {
    let (mut scheduler, actions) = scheduler(1, BOUNDS, &[&[0], &[0], &[0]]);
    let (slow, _) = requests(&actions)[0];
    assert_eq!(scheduler.apply(at(2_900), Event::Tick), [], "not slow yet");
    let taken_over = scheduler.apply(at(3_000), Event::Tick);
    let [Action::Move { from, to, .. }] = taken_over[..] else {
        panic!("one other source: {taken_over:?}")
    };
    assert_eq!(from, slow);
    assert_ne!(to, slow);
    assert_eq!(
        scheduler.apply(at(5_900), Event::Tick),
        [],
        "it has as long itself"
    );
    assert_eq!(scheduler.apply(at(5_950), Event::Left { source: slow }), []);
    let late = Event::Delivered {
        source: slow,
        fragment: fragment(1, 0),
    };
    let not_needed = Action::Cancel {
        source: to,
        fragment: fragment(1, 0),
    };
    assert_eq!(
        scheduler.apply(at(5_960), late),
        [not_needed],
        "it came all the same"
    );
    assert!(scheduler.is_complete());
}

#[test]
fn each_source_that_takes_over_is_given_longer() {
    let (mut scheduler, _) = scheduler(1, BOUNDS, &[&[0], &[0], &[0]]);
    let moves: Vec<u64> = (0..600)
        .map(|tick| tick * 100)
        .filter(|now| !scheduler.apply(at(*now), Event::Tick).is_empty())
        .collect();
    assert_eq!(moves, [3_000, 6_000, 10_000, 18_000, 34_000, 50_000]);
}

#[test]
fn a_request_that_waits_for_our_own_limit_is_not_late() {
    let (mut scheduler, actions) = scheduler(1, BOUNDS, &[&[0], &[0]]);
    assert_eq!(requests(&actions).len(), 1);
    assert_eq!(scheduler.apply(at(1), Event::Throttled(Some(2))), []);
    assert_eq!(
        scheduler.apply(at(60_000), Event::Tick),
        [],
        "a second request would wait too"
    );
    assert_eq!(scheduler.apply(at(60_001), Event::Throttled(None)), []);
    assert_eq!(
        scheduler.apply(at(63_000), Event::Tick),
        [],
        "its time begins now"
    );
    let taken_over = scheduler.apply(at(63_001), Event::Tick);
    assert!(matches!(taken_over[..], [Action::Move { .. }]), "{taken_over:?}");
}

#[test]
fn our_own_limit_bounds_the_number_of_requests() {
    let (mut scheduler, _) = scheduler(20, BOUNDS, &[]);
    assert_eq!(scheduler.apply(at(1), Event::Throttled(Some(3))), []);
    let mut asked = Vec::new();
    for n in 1..=4 {
        let source = peer(n);
        let joined = Event::Joined {
            source,
            is_near: false,
        };
        assert_eq!(scheduler.apply(at(1), joined), []);
        let has = Event::Has {
            source,
            fragments: FragmentSet::full(20),
            coming: FragmentSet::empty(20),
        };
        asked.extend(requests(&scheduler.apply(at(1), has)));
    }
    assert_eq!(asked.len(), 3, "{asked:?}");
    let (source, number) = asked[0];
    let served = Event::Delivered {
        source,
        fragment: fragment(20, number),
    };
    assert_eq!(requests(&scheduler.apply(at(2), served)).len(), 1, "one for one");
    let lifted = requests(&scheduler.apply(at(3), Event::Throttled(None)));
    assert!(lifted.len() > 3, "now the sources are the measure: {lifted:?}");
}

#[test]
fn a_source_is_slow_by_the_measure_of_what_is_usual() {
    let (mut scheduler, actions) = scheduler(
        2,
        Bounds {
            per_source: 2,
            in_all: 2,
        },
        &[&[0, 1]],
    );
    let served = Event::Delivered {
        source: peer(1),
        fragment: fragment(2, requests(&actions)[0].1),
    };
    assert_eq!(scheduler.apply(at(2_000), served), []);
    assert_eq!(
        scheduler.apply(
            at(2_000),
            Event::Joined {
                source: peer(2),
                is_near: false
            }
        ),
        []
    );
    let has = Event::Has {
        source: peer(2),
        fragments: FragmentSet::full(2),
        coming: FragmentSet::empty(2),
    };
    assert_eq!(scheduler.apply(at(2_000), has), []);
    assert_eq!(
        scheduler.apply(at(5_999), Event::Tick),
        [],
        "not three times two seconds"
    );
    let taken_over = scheduler.apply(at(6_000), Event::Tick);
    assert!(matches!(taken_over[..], [Action::Move { .. }]), "{taken_over:?}");
}

#[test]
fn unwanted_fragments_are_no_longer_asked_for() {
    let (mut scheduler, actions) = scheduler(10, BOUNDS, &[&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]);
    let asked = requests(&actions);
    assert_eq!(scheduler.apply(at(1), Event::Want(FragmentSet::empty(10))), []);
    for (source, number) in asked {
        let served = Event::Delivered {
            source,
            fragment: fragment(10, number),
        };
        assert_eq!(scheduler.apply(at(2), served), []);
    }
    assert_eq!(scheduler.summary(at(3)).pending, 0);
}
