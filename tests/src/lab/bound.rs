//! Lower bounds of a swarm's duration: the reference for our times.
//!
//! Pure arithmetic over raw link rates. Ethernet, IP and TCP headers take about 5 % of a link, so even a
//! perfect transfer measures about 1.05 × these.

use std::time::Duration;

use super::scenario::Link;

/// No way of distributing `length` bytes from `source` to all `receivers`, starting together, is quicker: the
/// source must send a copy, each receiver must receive one, and the uplinks together must carry all of them
/// (Kumar & Ross, "Peer-assisted file distribution: the minimum distribution time", 2006).
#[must_use]
pub fn of_all(length: u64, source: Link, receivers: &[Link]) -> Duration {
    let slowest = receivers.iter().map(|link| link.down).min().unwrap_or(source.up);
    let uplinks: u64 = receivers.iter().map(|link| link.up).sum::<u64>() + source.up;
    let copies = length * receivers.len() as u64;
    [
        seconds(length, source.up),
        seconds(length, slowest),
        seconds(copies, uplinks),
    ]
    .into_iter()
    .max()
    .unwrap_or_default()
}

/// No receiver that begins `after` the source can be done sooner than this after its own beginning: its
/// downlink must carry a copy, and until the source has sent one there is none to be had.
#[must_use]
pub fn of_one(length: u64, source: Link, receiver: Link, after: Duration) -> Duration {
    seconds(length, receiver.down).max(seconds(length, source.up).saturating_sub(after))
}

/// Returns the time of some bytes on a link of this rate.
#[expect(clippy::cast_precision_loss, reason = "a microsecond does not matter here")]
fn seconds(bytes: u64, bits_per_second: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 * 8.0 / bits_per_second.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MBIT: u64 = 1_000_000;

    fn millis(duration: Duration) -> u128 {
        duration.as_millis()
    }

    #[test]
    fn equal_links_are_bounded_by_one_copy_at_link_speed() {
        let link = Link::both_ways(50 * MBIT);
        assert_eq!(millis(of_all(64 << 20, link, &[link; 15])), 10_737);
        assert_eq!(millis(of_one(64 << 20, link, link, Duration::ZERO)), 10_737);
        assert_eq!(
            millis(of_one(64 << 20, link, link, Duration::from_secs(5))),
            10_737
        );
    }

    #[test]
    fn thin_uplinks_are_the_bound_when_there_are_many() {
        let (quick, thin) = (
            Link::both_ways(50 * MBIT),
            Link {
                up: 10 * MBIT,
                down: 50 * MBIT,
            },
        );
        let receivers: Vec<_> = [[quick; 7].as_slice(), &[thin; 8]].concat();
        // 15 copies over 50 + 7 × 50 + 8 × 10 Mbit/s.
        assert_eq!(millis(of_all(64 << 20, quick, &receivers)), 16_777);
    }

    #[test]
    fn the_slowest_downlink_bounds_the_whole_but_only_its_own_receiver() {
        let (quick, slow) = (Link::both_ways(50 * MBIT), Link::both_ways(5 * MBIT));
        assert_eq!(millis(of_all(64 << 20, quick, &[quick, slow])), 107_374);
        assert_eq!(millis(of_one(64 << 20, quick, quick, Duration::ZERO)), 10_737);
    }
}
