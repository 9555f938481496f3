//! How far we are ahead of the other members, and how much less we then ask for. Pure.
//!
//! A swarm is done when its last member is. Nearly all uplinks are busy all the time, so whoever chance has put ahead is so
//! at the expense of the others: by asking for less it leaves them slots.

/// A lead of no more than this part of the content is none (and one of a single fragment is none either).
const NONE: u32 = 64;

/// Whoever is behind by more than this part of the content has come later or is slow for other reasons, and would not
/// catch up if we waited.
const COMPARABLE: u32 = 5;

/// With fewer members to compare with, chance says nothing.
const FEWEST: u32 = 4;

/// So many requests are made however far ahead we are.
const LEAST: u32 = 4;

/// How many of `requests` to make at most when we hold `own` of `count` fragments and the members these: the fewer the
/// farther we are ahead; no matter how many when we are not.
pub(super) fn at_once(
    requests: u32,
    own: u32,
    members: impl Iterator<Item = u32>,
    count: u32,
) -> Option<u32> {
    let comparable = |held: &u32| held.saturating_add(count / COMPARABLE) >= own;
    let (members, sum) = members.filter(comparable).fold((0, 0), |(members, sum), held| {
        (members + 1, sum + u64::from(held))
    });
    // Both times the number of members, so that nothing is rounded.
    let lead = (u64::from(own) * u64::from(members)).saturating_sub(sum);
    let none = u64::from((count / NONE).max(1)) * u64::from(members);
    if members < FEWEST || lead <= none {
        return None;
    }
    let fewer = u32::try_from(u64::from(requests) * none / lead).ok()?;
    Some(fewer.max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_ahead_asks_for_less_by_as_much_as_it_is_ahead() {
        let of = |own, others: [u32; 4]| at_once(32, own, others.into_iter(), 640);
        assert_eq!(of(300, [300, 310, 290, 300]), None);
        assert_eq!(of(310, [300, 310, 290, 300]), None, "no more than a sixty-fourth");
        assert_eq!(of(320, [300, 310, 290, 300]), Some(16));
        assert_eq!(of(340, [300, 310, 290, 300]), Some(8));
        assert_eq!(of(420, [300, 300, 300, 300]), Some(4), "but never nothing");
        assert_eq!(of(250, [300, 310, 290, 300]), None, "nor more for being behind");
    }

    #[test]
    fn nobody_waits_for_those_who_come_late_or_for_a_few() {
        assert_eq!(at_once(32, 600, [0, 10, 20, 30, 40].into_iter(), 640), None);
        assert_eq!(at_once(32, 600, [500, 500, 500].into_iter(), 640), None);
        assert_eq!(
            at_once(32, 2, [1, 1, 1, 1].into_iter(), 8),
            None,
            "one fragment is no lead"
        );
        assert_eq!(at_once(32, 0, std::iter::empty(), 8), None);
    }
}
