//! Storms: peers that come and go faster than they are given up cost next to nothing, one by one and by the
//! zone.

use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};

use super::fleet::Fleet;
use crate::Timing;

const SECOND: Duration = Duration::from_secs(1);

#[test]
#[expect(clippy::print_stdout, reason = "figures for the docs")]
fn a_thousand_flapping_peers_cost_less_than_a_hundredth_of_the_data() {
    const PEERS: usize = 1_000;
    let mut fleet = Fleet::new(Timing::default(), PEERS, 0);
    let contents = fleet.fill(3_000, 1, |n| 2 + n % 2);
    fleet.link = 100 << 20;
    let stored = fleet.stored();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    // Every peer is up for a while, then down for less than the grace time of 4 s.
    let mut next: Vec<_> = (0..PEERS)
        .map(|_| fleet.now.after(Duration::from_millis(rng.random_range(0..5_000))))
        .collect();
    let (mut flaps, mut most_away) = (0, 0);
    let end = fleet.now.after(SECOND * 60);
    while fleet.now < end {
        for (number, at) in next.iter_mut().enumerate() {
            if fleet.now < *at {
                continue;
            }
            let lasts = match fleet.is_up(number) {
                true => {
                    flaps += 1;
                    fleet.down(number);
                    rng.random_range(500..3_500)
                }
                false => {
                    fleet.up(number);
                    rng.random_range(1_000..6_000)
                }
            };
            *at = fleet.now.after(Duration::from_millis(lasts));
        }
        most_away = most_away.max((0..PEERS).filter(|number| !fleet.is_up(*number)).count());
        fleet.tick();
    }
    println!(
        "{flaps} flaps, {most_away} of {PEERS} away at once: {} of {stored} bytes ordered ({:.3} %)",
        fleet.ordered,
        100 * fleet.ordered / stored
    );
    assert!(flaps > 5 * PEERS && most_away > PEERS / 4);
    assert!(
        fleet.ordered * 100 <= stored,
        "{} of {stored} bytes",
        fleet.ordered
    );
    (0..PEERS).for_each(|number| fleet.up(number));
    fleet.pass(SECOND * 2);
    assert!(fleet.is_replicated(&contents));
    assert_eq!(fleet.state.status().lost_peers, 0);
    fleet.state.check();
}

#[test]
fn a_zone_that_flaps_makes_no_copies() {
    let mut fleet = Fleet::new(Timing::default(), 90, 3);
    let contents = fleet.fill(900, 1, |n| 2 + n % 2);
    fleet.link = 100 << 20;
    for _ in 0..6 {
        (0..90).step_by(3).for_each(|number| fleet.down(number));
        fleet.pass(SECOND * 3);
        (0..90).step_by(3).for_each(|number| fleet.up(number));
        fleet.pass(SECOND * 7);
    }
    assert_eq!(fleet.ordered, 0);
    assert!(fleet.is_replicated(&contents));
}

#[test]
fn a_zone_that_stays_away_is_made_up_for_after_the_grace_time() {
    let mut fleet = Fleet::new(Timing::default(), 90, 3);
    let contents = fleet.fill(900, 1, |n| 2 + n % 2);
    fleet.link = 100 << 20;
    (0..90).step_by(3).for_each(|number| fleet.down(number));
    fleet.pass(SECOND * 3);
    assert_eq!(fleet.ordered, 0);
    fleet.until_replicated(&contents, SECOND * 60);
}

#[test]
fn one_peer_that_flaps_costs_no_more_than_the_budget_and_is_copied_once() {
    let mut fleet = Fleet::new(Timing::default(), 30, 0);
    fleet.fill(300, 1, |_| 2);
    fleet.link = 100 << 20;
    for _ in 0..20 {
        fleet.down(5);
        fleet.pass(SECOND * 2);
        fleet.up(5);
        fleet.pass(SECOND * 4);
    }
    // Its contents had one live replica each time; copies made then are there the next time.
    assert!(fleet.ordered <= fleet.bytes_of(5), "{} bytes", fleet.ordered);
}
