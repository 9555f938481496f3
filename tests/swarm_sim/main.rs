//! Stories about swarms on virtual links, with the production scheduler: virtual time, so the figures are
//! exact.
//!
//! The bounds are loose on purpose: `simulate` prints exact figures; these tests fail when something has
//! broken.

use std::time::Duration;

use harness::swarm_sim::{self, Outcome, Size};

/// A scenario with 16 MiB at 20 Mbit/s: small enough for a debug build.
fn outcome(name: &str, receivers: usize, seed: u64) -> Outcome {
    late_outcome(name, receivers, seed, Duration::from_millis(1))
}

/// Returns the outcome with this latency between hosts.
fn late_outcome(name: &str, receivers: usize, seed: u64, latency: Duration) -> Outcome {
    let size = Size {
        content: 16 << 20,
        receivers: Some(receivers),
        up: 2_500_000,
        down: 2_500_000,
        latency,
        seed,
    };
    let plan = swarm_sim::scenario(name, size).expect("a scenario of this name");
    let outcome = swarm_sim::run(&plan);
    assert_eq!(
        outcome.completed,
        (receivers, receivers),
        "{name}, seed {seed}: {outcome:?}"
    );
    outcome
}

#[test]
fn the_same_seed_gives_the_same_simulation_event_by_event() {
    let (one, same, other) = (
        outcome("mixed", 8, 1),
        outcome("mixed", 8, 1),
        outcome("mixed", 8, 2),
    );
    assert_eq!(one, same);
    assert_ne!(one.trace, other.trace);
}

#[test]
fn equal_receivers_end_near_the_bound_and_the_source_hardly_repeats() {
    let outcome = outcome("equal-15", 15, 1);
    assert!(outcome.ratio() >= 1.0, "{outcome:?}");
    assert!(outcome.ratio() <= 1.15, "{outcome:?}");
    assert!(outcome.source_copies <= 1.1, "{outcome:?}");
    assert!(outcome.wasted <= 0.02, "{outcome:?}");
}

#[test]
fn queues_at_the_ports_delay_news_and_requests_and_cost_little() {
    let outcome = late_outcome("equal-15", 15, 1, Duration::from_millis(50));
    assert!(outcome.ratio() <= 1.25, "{outcome:?}");
}

#[test]
fn one_receiver_alone_takes_what_its_link_takes() {
    let outcome = outcome("equal-15", 1, 1);
    assert!(outcome.ratio() <= 1.05, "{outcome:?}");
    assert_eq!(outcome.source_copies, 1.0, "{outcome:?}");
}

#[test]
fn a_swarm_completes_without_its_source_once_a_copy_is_out() {
    let outcome = outcome("source-leaves", 15, 1);
    assert!(outcome.ratio() <= 1.25, "{outcome:?}");
}

#[test]
fn a_source_at_a_hundredth_of_the_speed_does_not_hold_the_swarm_up() {
    let outcome = outcome("slow-source", 15, 1);
    assert!(outcome.ratio() <= 1.4, "{outcome:?}");
}

#[test]
fn liars_are_named_and_cost_little() {
    let outcome = outcome("liars", 10, 1);
    assert_eq!(outcome.named, 3);
    assert!(outcome.ratio() <= 1.25, "{outcome:?}");
}

#[test]
fn a_crowd_that_comes_over_a_minute_is_served_as_it_comes() {
    let outcome = outcome("crowd", 20, 1);
    let slowest = outcome.took.last().copied().unwrap_or_default();
    assert!(slowest <= outcome.lower_bound * 2, "{outcome:?}");
    assert!(
        outcome.makespan >= Duration::from_secs(30),
        "they come over a minute"
    );
}
