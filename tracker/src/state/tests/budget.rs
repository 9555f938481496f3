//! Repair within its budget: as quick as that allows, the most endangered first, the last replica at once.

use std::time::Duration;

use shared::model::{AssignmentFailure, ByteRate, ContentRef, Order, ReasonCode, Report};

use super::fleet::{Fleet, MIB, content};
use super::world::World;
use crate::policy::{Budget, Policy};
use crate::state::Command;

const SECOND: Duration = Duration::from_secs(1);

/// Time from the break of a connection until its peer is lost.
const GRACE: Duration = Duration::from_secs(5);

fn policy(budget: Budget) -> Policy {
    assert_eq!(budget.validate(), Ok(()));
    Policy {
        budget,
        ..Policy::default()
    }
}

/// Loses a peer of a fleet of 60 with 3,000 contents of 4 MiB; returns its bytes, and the time from the
/// notice until other peers had them again.
fn lose_one(budget: Budget, link: u64) -> (u64, Duration) {
    let mut fleet = Fleet::new(policy(budget), 60, 0);
    let contents = fleet.fill(3_000, 4, |_| 3);
    fleet.link = link;
    let bytes = fleet.bytes_of(17);
    fleet.down(17);
    fleet.pass(SECOND * 4 - SECOND / 4);
    assert_eq!(fleet.ordered, 0, "it may come back");
    let most = Duration::from_secs(600);
    let took = fleet.until_replicated(&contents, most);
    assert_eq!(fleet.copied, bytes, "nothing is copied twice");
    fleet.state.check();
    (bytes, took)
}

#[test]
#[expect(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a ratio, for the docs"
)]
fn a_lost_peer_is_restored_as_quickly_as_the_rate_allows() {
    let rate = 10 * MIB;
    let budget = Budget {
        rate: ByteRate::new(rate),
        ..Budget::default()
    };
    let (bytes, took) = lose_one(budget, 100 * MIB);
    let ideal = bytes as f64 / rate as f64;
    println!(
        "{} MiB at 10 MiB/s: {took:?}, {:.2} of the ideal",
        bytes / MIB,
        took.as_secs_f64() / ideal
    );
    assert!(bytes > 500 * MIB);
    assert!(took.as_secs_f64() <= 1.3 * ideal, "{took:?} instead of {ideal} s");
    assert!(
        took.as_secs_f64() >= ideal - 3.5,
        "{took:?} is less than the budget allows ({ideal} s)"
    );
}

#[test]
#[expect(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a ratio, for the docs"
)]
fn a_lost_peer_is_restored_as_quickly_as_the_budget_fills_links() {
    // The bytes under way keep at least four peers busy, and more when they are spread over more.
    let budget = Budget {
        per_target: 16 * MIB,
        per_source: 16 * MIB,
        total: 64 * MIB,
        rate: None,
    };
    let link = 10 * MIB;
    let (bytes, took) = lose_one(budget, link);
    let ideal = bytes as f64 / (4 * link) as f64;
    println!(
        "{} MiB over four links: {took:?}, {:.2} of the ideal",
        bytes / MIB,
        took.as_secs_f64() / ideal
    );
    assert!(took.as_secs_f64() <= 1.3 * ideal, "{took:?} instead of {ideal} s");
}

#[test]
fn another_budget_counts_for_what_is_still_to_be_repaired() {
    let rated = |rate| {
        policy(Budget {
            rate: ByteRate::new(rate),
            ..Budget::default()
        })
    };
    let mut fleet = Fleet::new(rated(MIB), 60, 0);
    let contents = fleet.fill(600, 4, |_| 3);
    fleet.link = 100 * MIB;
    let bytes = fleet.bytes_of(3);
    assert!(bytes > 60 * MIB, "it takes more than a minute");
    fleet.down(3);
    fleet.pass(GRACE + SECOND * 10);
    assert!(fleet.copied < 20 * MIB);
    let adopted = fleet
        .state
        .apply(fleet.now, Command::Adopt(Box::new(rated(100 * MIB))));
    assert!(
        adopted.records.is_empty(),
        "whoever starts the tracker says it anew"
    );
    let took = fleet.until_replicated(&contents, SECOND * 60);
    assert!(took <= SECOND * 10, "{took:?}");
}

#[test]
fn the_budget_bounds_copies_under_way_and_several_peers_copy_at_once() {
    let budget = Budget {
        per_target: 16 * MIB,
        per_source: 16 * MIB,
        total: 64 * MIB,
        rate: None,
    };
    let mut fleet = Fleet::new(policy(budget), 60, 0);
    let contents = fleet.fill(1_500, 4, |_| 3);
    fleet.link = 10 * MIB;
    fleet.down(3);
    fleet.pass(GRACE);
    let mut busiest = 0;
    for _ in 0..40 {
        fleet.tick();
        let replicas = &fleet.state.replicas;
        assert!(replicas.budgeted_bytes() < 64 * MIB + 4 * MIB);
        for id in fleet.state.peers.iter().map(|peer| peer.id()) {
            let (to, from) = replicas.budgeted_of(id);
            assert!(to < 16 * MIB + 4 * MIB, "to {id}");
            assert!(from < 16 * MIB + 4 * MIB, "from {id}");
        }
        busiest = busiest.max(fleet.busy());
    }
    assert!(busiest >= 4, "{busiest} copy at once");
    fleet.until_replicated(&contents, Duration::from_secs(300));
}

#[test]
fn the_most_endangered_come_first_and_the_last_replica_does_not_wait() {
    let budget = Budget {
        per_target: MIB,
        per_source: MIB,
        total: MIB,
        rate: None,
    };
    let mut fleet = Fleet::new(policy(budget), 30, 0);
    let contents = fleet.fill(60, 4, |n| [4, 3, 2][n as usize % 3]);
    // The link is slow enough that no copy ends meanwhile.
    fleet.link = 1;
    let of = |fleet: &Fleet, at: usize| {
        fleet
            .holders(&contents[at])
            .into_iter()
            .next_back()
            .expect("held")
    };
    // One of four is gone: the budget is used up, and the rest waits.
    let first: Vec<_> = (0..60).step_by(3).map(|at| of(&fleet, at)).take(2).collect();
    first.iter().for_each(|number| fleet.down(*number));
    fleet.pass(GRACE);
    let lost = |fleet: &Fleet, at: usize| fleet.state.health(contents[at].content()).expect("named").fewest;
    let waiting = (0..60).find(|at| {
        let why = fleet
            .state
            .why(&ContentRef::Id(contents[*at].content()).into())
            .expect("named");
        why.reasons
            .iter()
            .any(|reason| reason.code == ReasonCode::RepairBudget)
    });
    let waiting = waiting.expect("a content that waits for the budget");
    assert!(lost(&fleet, waiting) >= 2);
    // Contents with one replica left were ordered all the same.
    for at in (0..60).filter(|at| lost(&fleet, *at) == 1) {
        assert!(fleet.orders.contains(&contents[at].content()), "{at}");
    }
    // The budget has room again: contents with two replicas left come before those with three.
    fleet.orders.clear();
    fleet.link = 100 * MIB;
    let fewest: Vec<_> = (0..60).map(|at| lost(&fleet, at)).collect();
    fleet.pass(SECOND * 60);
    let at = |id| {
        contents
            .iter()
            .position(|manifest| manifest.content() == id)
            .expect("one of them")
    };
    let order: Vec<_> = fleet.orders.iter().map(|id| fewest[at(*id)]).collect();
    assert!(order.is_sorted(), "{order:?}");
    assert!(order.len() > 2);
    assert!(fleet.is_replicated(&contents));
}

#[test]
fn what_was_just_published_does_not_wait_for_repair() {
    let budget = Budget {
        per_target: MIB,
        per_source: MIB,
        total: MIB,
        rate: ByteRate::new(MIB),
    };
    let mut fleet = Fleet::new(policy(budget), 10, 0);
    fleet.link = 100 * MIB;
    let new = content(1, 64);
    fleet.publish(1, &new, 3);
    fleet.until_replicated(&[new], SECOND * 2);
}

#[test]
fn a_copy_that_fails_at_once_is_not_charged_to_the_rate() {
    let budget = Budget {
        rate: ByteRate::new(MIB),
        ..Budget::default()
    };
    let mut world = World::with_peers(4);
    world
        .apply(Command::Adopt(Box::new(policy(budget))))
        .expect("adopted");
    let bytes = super::world::content(1, 256);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    world.set_target("a", 3).expect("bound");
    world.pass(SECOND * 4, &[]);
    let orders = world.take_orders();
    let [(to, Order::Assign { .. })] = orders.as_slice() else {
        panic!("{orders:?}");
    };
    let message = Report::AssignmentFailed {
        content: bytes.content(),
        failure: AssignmentFailure::Store,
        detail: String::new(),
    };
    world.say(to.as_bytes()[0], message).expect("heard");
    world.pass(SECOND * 4, &[]);
    assert_eq!(world.assigned().len(), 1, "16 MiB at 1 MiB/s were not begun");
}
