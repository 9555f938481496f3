//! Tests of sources that send wrong bytes, by themselves or because of their wire.

use super::*;

#[test]
fn three_corrupt_answers_ban_a_source_and_each_ban_is_longer() {
    let (mut scheduler, actions) = scheduler(4, BOUNDS, &[&[0, 1, 2, 3]]);
    let asked = requests(&actions);
    let corrupt = |n: u32| Event::Failed {
        source: peer(1),
        fragment: fragment(4, n),
        failure: Failure::Corrupt,
    };
    let named = |n: u32| Action::RecordFault {
        source: peer(1),
        fragment: fragment(4, n),
    };
    let (one, other) = (asked[0].1, asked[1].1);
    assert_eq!(scheduler.apply(at(5), corrupt(one)), [named(one)]);
    // It may have been the wire: the source is asked again after a wait, when no other source has the
    // fragment.
    let again = requests(&scheduler.apply(at(1_000), Event::Tick));
    assert_eq!(again.len(), 0, "one request at a time, and one is under way");
    assert_eq!(scheduler.apply(at(1_001), corrupt(other)), [named(other)]);
    assert!(!scheduler.is_banned(peer(1)));
    let again = requests(&scheduler.apply(at(9_000), Event::Tick));
    assert_eq!(again.len(), 1);
    let last = again[0].1;
    assert_eq!(scheduler.apply(at(9_001), corrupt(last)), [named(last)]);
    assert!(scheduler.is_banned(peer(1)));
    assert_eq!(scheduler.apply(at(9_002), corrupt(last)), []);
    let summary = scheduler.summary(at(9_003));
    assert_eq!((summary.unsourced, summary.sources), (4, 0));
    let (mut out, mut now) = (Vec::new(), 9_003);
    for _ in 0..7 {
        let since = now;
        while scheduler.is_out(at(now), peer(1)) {
            assert_eq!(scheduler.apply(at(now), Event::Tick), []);
            now += 100;
        }
        out.push(now - since);
        // The source may be the only one that has the fragment: it is asked once more.
        let joined = Event::Joined {
            source: peer(1),
            is_near: true,
        };
        assert_eq!(scheduler.apply(at(now), joined), []);
        let has = Event::Has {
            source: peer(1),
            fragments: FragmentSet::full(4),
            coming: FragmentSet::empty(4),
        };
        let mut again = requests(&scheduler.apply(at(now), has));
        while again.is_empty() {
            now += 100;
            again = requests(&scheduler.apply(at(now), Event::Tick));
        }
        assert_eq!(again.len(), 1);
        let n = again[0].1;
        assert_eq!(scheduler.apply(at(now), corrupt(n)), [named(n)]);
        assert!(scheduler.is_banned(peer(1)));
    }
    let whole_seconds: Vec<_> = out.into_iter().map(|out| out / 1_000).collect();
    assert!(
        whole_seconds
            .iter()
            .zip([2, 4, 8, 16, 32, 60, 60])
            .all(|(out, expected)| (expected - 1..=expected).contains(out)),
        "{whole_seconds:?}"
    );
}

#[test]
fn a_wire_that_damages_one_answer_in_eight_bans_no_source() {
    let all: Vec<u32> = (0..200).collect();
    let (mut scheduler, actions) = scheduler(200, BOUNDS, &[&all]);
    let (mut asked, mut now, mut answers) = (requests(&actions), 0, 0_u32);
    while !scheduler.held().is_full() {
        now += 100;
        let actions = match asked.pop() {
            Some((source, n)) => {
                answers += 1;
                let fragment = fragment(200, n);
                let failure = Failure::Corrupt;
                scheduler.apply(
                    at(now),
                    match answers % 8 {
                        0 => Event::Failed {
                            source,
                            fragment,
                            failure,
                        },
                        _ => Event::Delivered { source, fragment },
                    },
                )
            }
            None => scheduler.apply(at(now), Event::Tick),
        };
        assert!(!scheduler.is_banned(peer(1)));
        asked.extend(requests(&actions));
    }
    assert!(answers > 220);
}
