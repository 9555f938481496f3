//! Backpressure: a peer that is ahead of the other members of a swarm makes fewer requests. Pure.
//!
//! A swarm is done when its last member is. Nearly all uplinks are busy all the time, so a peer that chance
//! has put ahead is there at the expense of the others: with fewer requests it leaves them slots.

/// Part of the content (a sixty-fourth) up to which a lead does not count; a lead of a single fragment does
/// not either.
const NONE: u32 = 64;

/// Part of the content (a fifth) from which on a member that is behind is not compared with: it has come
/// later or is slow for other reasons, and would not catch up if this peer waited.
const COMPARABLE: u32 = 5;

/// Number of members below which a comparison says nothing.
const FEWEST: u32 = 4;

/// Number of requests that are made however far ahead this peer is.
const LEAST: u32 = 4;

/// Returns the limit on requests of a peer that holds `own` of `count` fragments while the other members hold
/// these numbers: the farther ahead it is, the fewer of `requests`; none when it is not ahead.
pub(super) fn request_limit(
    requests: u32,
    own: u32,
    members: impl Iterator<Item = u32>,
    count: u32,
) -> Option<u32> {
    let comparable = |held: &u32| held.saturating_add(count / COMPARABLE) >= own;
    let (members, sum) = members.filter(comparable).fold((0, 0), |(members, sum), held| {
        (members + 1, sum + u64::from(held))
    });
    // Both are multiplied by the number of members, so that nothing is rounded.
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
    fn a_peer_asks_for_less_the_farther_it_is_ahead() {
        let of = |own, others: [u32; 4]| request_limit(32, own, others.into_iter(), 640);
        assert_eq!(of(300, [300, 310, 290, 300]), None);
        assert_eq!(of(310, [300, 310, 290, 300]), None, "no more than a sixty-fourth");
        assert_eq!(of(320, [300, 310, 290, 300]), Some(16));
        assert_eq!(of(340, [300, 310, 290, 300]), Some(8));
        assert_eq!(of(420, [300, 300, 300, 300]), Some(4), "but never nothing");
        assert_eq!(of(250, [300, 310, 290, 300]), None, "nor more for being behind");
    }

    #[test]
    fn latecomers_and_a_few_members_are_not_waited_for() {
        assert_eq!(request_limit(32, 600, [0, 10, 20, 30, 40].into_iter(), 640), None);
        assert_eq!(request_limit(32, 600, [500, 500, 500].into_iter(), 640), None);
        assert_eq!(
            request_limit(32, 2, [1, 1, 1, 1].into_iter(), 8),
            None,
            "one fragment is no lead"
        );
        assert_eq!(request_limit(32, 0, std::iter::empty(), 8), None);
    }
}
