//! Copies that nobody has seen: what they count for, how they are looked at, and what liars get.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::model::{
    ContentState, Epoch, EvictReason, FragmentSet, Manifest, Order, PeerId, ReasonCode, Received, Report,
    RequestedMode, RunId, RunTraits, SampleOutcome,
};

use super::world::{World, content, peer};
use crate::Timing;
use crate::state::Rejection;
use crate::state::replicas::Purpose;

const SECOND: Duration = Duration::from_secs(1);

fn number(id: PeerId) -> u8 {
    id.as_bytes()[0]
}

/// A world in which some peers really have the bytes, and all obey.
struct Network {
    world: World,
    /// Peers that have the bytes of everything that they announce.
    honest: BTreeSet<u8>,
    /// Peers that accept connections and never send a byte.
    silent: BTreeSet<u8>,
    /// Checks that were ordered: who looks at whose copy.
    checks: Vec<(u8, u8)>,
    dropped: Vec<(u8, EvictReason)>,
    assigned: Vec<u8>,
}

impl Network {
    /// Makes a network of peers that look at copies.
    fn of(honest: impl IntoIterator<Item = u8>) -> Self {
        let mut network = Self {
            world: World::new(),
            honest: BTreeSet::new(),
            silent: BTreeSet::new(),
            checks: Vec::new(),
            dropped: Vec::new(),
            assigned: Vec::new(),
        };
        for n in honest {
            network.join(n);
            network.honest.insert(n);
        }
        network
    }

    fn join(&mut self, n: u8) {
        let traits = RunTraits {
            can_check: true,
            ..RunTraits::default()
        };
        self.world.traits.insert(n, traits);
        self.world.join(n);
    }

    fn outcome(&self, holder: PeerId) -> SampleOutcome {
        match number(holder) {
            n if self.silent.contains(&n) => SampleOutcome::Unreached("timed out".to_owned()),
            n if self.honest.contains(&n) => SampleOutcome::Proved,
            _ => SampleOutcome::Denied("not here".to_owned()),
        }
    }

    /// Lets time pass; members look at copies, make assigned ones, and look before they drop their own.
    fn pass(&mut self, time: Duration) {
        let end = self.world.now.after(time);
        while self.world.now < end {
            self.world.pass(SECOND, &[]);
            for (id, order) in self.world.take_orders() {
                self.obey(number(id), order);
            }
        }
    }

    fn obey(&mut self, n: u8, order: Order) {
        match order {
            Order::Check { check, holder, .. } => {
                self.checks.push((n, number(holder.peer)));
                let outcome = self.outcome(holder.peer);
                self.world
                    .say(n, Report::Checked { check, outcome })
                    .expect("heard");
            }
            Order::Assign { manifest, .. } if self.honest.contains(&n) => {
                self.assigned.push(n);
                self.world
                    .holds_as_assigned(n, &manifest, manifest.all_fragments());
            }
            Order::Evict {
                content,
                reason,
                remaining,
                ..
            } if self.honest.contains(&n) => {
                let unread = remaining.iter().map(|copy| copy.holder.peer);
                let unread: Vec<_> = unread
                    .filter(|holder| self.outcome(*holder) != SampleOutcome::Proved)
                    .collect();
                for holder in &unread {
                    let (holder, outcome) = (*holder, self.outcome(*holder));
                    let kept = Report::Kept {
                        content,
                        holder,
                        outcome,
                    };
                    self.world.say(n, kept).expect("heard");
                }
                let count = self.world.state.names.content(content);
                let count = count.map_or(0, |known| known.manifest().fragment_count());
                let held = match unread.is_empty() {
                    true => FragmentSet::empty(count),
                    false => FragmentSet::full(count),
                };
                let holding = shared::model::Holding {
                    content,
                    keeps: !held.is_empty(),
                    fragments: held,
                    is_assigned: true,
                    is_fetching: false,
                };
                self.world.announce(n, vec![holding], false);
                if unread.is_empty() {
                    self.dropped.push((n, reason));
                }
            }
            _ => {}
        }
    }

    /// Has liars join who keep a content, as they say.
    fn lie(&mut self, liars: impl IntoIterator<Item = u8>, bytes: &Manifest) {
        for n in liars {
            self.world.join(n);
            self.world.holds_as_assigned(n, bytes, bytes.all_fragments());
        }
    }

    fn counts(&self, n: u8, bytes: &Manifest, purpose: Purpose) -> bool {
        let held = self.world.state.replicas.held(bytes.content(), peer(n));
        held.is_some_and(|held| held.counts(purpose, &self.world.state.peers))
    }

    fn release(&mut self, n: u8, bytes: &Manifest) -> Result<(), Rejection> {
        self.world.release(n, bytes.content(), None)
    }

    fn real(&self, bytes: &Manifest) -> Vec<u8> {
        let holders = self.world.state.replicas.holders_of(bytes.content()).iter();
        let holders = holders.map(|held| number(held.peer()));
        holders.filter(|n| self.honest.contains(n)).collect()
    }
}

#[test]
fn no_honest_copy_is_dropped_because_of_five_liars() {
    let (mut network, bytes) = (Network::of(1..=3), content(1, 2));
    network.world.publish(1, "a", &bytes, 2);
    network.pass(SECOND * 5);
    assert_eq!(network.real(&bytes).len(), 2);
    network.lie(11..=15, &bytes);
    network.pass(SECOND * 900);
    assert!(
        network.dropped.is_empty(),
        "the liars' copies make nothing superfluous"
    );
    for n in network.real(&bytes) {
        let released = network.release(n, &bytes);
        assert!(matches!(released, Err(Rejection::Missed { .. })), "{released:?}");
    }
    network.world.say(1, Report::Leave).expect("it may leave");
    network.honest.remove(&1);
    network.pass(SECOND * 30);
    assert_eq!(
        network.real(&bytes),
        [2, 3],
        "and the place of the publisher is taken"
    );
    assert_eq!(network.world.content_state(&bytes), ContentState::Replicated);
}

#[test]
fn a_surplus_of_proved_copies_is_trimmed() {
    let (mut network, bytes) = (Network::of(1..=3), content(1, 2));
    network.world.publish(1, "a", &bytes, 3);
    network.pass(SECOND * 5);
    network.world.set_target("a", 2).expect("bound");
    network.pass(Timing::default().trim + SECOND * 10);
    assert_eq!(network.dropped.len(), 1, "{:?}", network.dropped);
    assert_eq!(network.real(&bytes).len(), 2);
}

#[test]
fn a_copy_is_looked_at_once_and_again_when_its_proof_is_old() {
    let (mut network, bytes) = (Network::of(1..=3), content(1, 2));
    network.world.publish(1, "a", &bytes, 2);
    network.pass(SECOND * 10);
    let mut seen: Vec<_> = network.checks.iter().map(|(_, holder)| *holder).collect();
    seen.sort_unstable();
    assert_eq!(seen, network.real(&bytes), "each copy once: {:?}", network.checks);
    assert!(network.checks.iter().all(|(by, holder)| by != holder));
    network.checks.clear();
    network.pass(SECOND * 600);
    assert!(network.checks.is_empty(), "and for days no more");
}

#[test]
fn an_answer_to_an_earlier_run_of_the_tracker_proves_nothing() {
    let (mut network, bytes) = (Network::of(1..=3), content(1, 2));
    network.world.publish(1, "a", &bytes, 2);
    let first_check = |world: &mut World| {
        world.holds_as_assigned(2, &bytes, bytes.all_fragments());
        for _ in 0..60 {
            world.pass(SECOND, &[]);
            let orders = world.take_orders().into_iter();
            let mut checks = orders.filter_map(|(by, order)| match order {
                Order::Check { check, .. } => Some((by, check)),
                _ => None,
            });
            if let Some(found) = checks.next() {
                return found;
            }
        }
        panic!("no copy is looked at in epoch {}", world.state.epoch())
    };
    let (_, earlier) = first_check(&mut network.world);
    network.world.restart();
    for n in 1..=3 {
        network.world.hello(n, 1, Epoch::new(1)).expect("welcome");
        network.world.announce(n, Vec::new(), true);
    }
    network.world.holds(1, &bytes, bytes.all_fragments(), true);
    let (_, check) = first_check(&mut network.world);
    assert!(check.abs_diff(earlier) > 1_000, "{earlier} and {check}");
}

#[test]
fn verified_bytes_of_an_ordinary_transfer_are_a_proof() {
    let (mut network, bytes) = (Network::of(1..=2), content(1, 2));
    network.world.publish(1, "a", &bytes, 2);
    network.world.holds_as_assigned(2, &bytes, bytes.all_fragments());
    assert!(!network.counts(2, &bytes, Purpose::Spare), "nobody has seen it");
    assert!(
        network.counts(2, &bytes, Purpose::Suffice),
        "but no other is made"
    );
    let received = Received {
        content: bytes.content(),
        from: peer(2),
    };
    let beat = |received| Report::Heartbeat {
        used: 0,
        disk_free: None,
        received: vec![received],
    };
    network.world.say(2, beat(received)).expect("heard");
    assert!(
        !network.counts(2, &bytes, Purpose::Spare),
        "nobody vouches for itself"
    );
    network.world.say(1, beat(received)).expect("heard");
    assert!(network.counts(2, &bytes, Purpose::Spare));
    network.pass(SECOND * 10);
    assert!(
        !network.checks.iter().any(|(_, holder)| *holder == 2),
        "nothing is left to look at"
    );
}

#[test]
fn a_copy_without_an_answer_is_not_denied_and_puts_off_repair_a_while() {
    let (mut network, bytes) = (Network::of(1..=3), content(1, 2));
    network.silent.insert(9);
    network.world.publish(1, "a", &bytes, 2);
    network.world.join(9);
    network.world.holds_as_assigned(9, &bytes, bytes.all_fragments());
    let doubt = Timing::default().doubt;
    network.pass(doubt - SECOND * 20);
    assert!(network.counts(9, &bytes, Purpose::Durable), "it may be there");
    assert!(!network.counts(9, &bytes, Purpose::Spare));
    assert!(network.assigned.is_empty(), "and no other copy is made");
    network.pass(doubt * 2);
    assert_eq!(network.assigned.len(), 1, "the stated time is over");
    network.silent.clear();
    network.honest.insert(9);
    network.pass(Duration::from_hours(1));
    assert_eq!(
        network.dropped.len(),
        1,
        "it was seen at last, and one is too many"
    );
}

#[test]
fn two_members_have_to_find_that_a_copy_is_not_there() {
    let (mut network, bytes) = (Network::of(1..=3), content(1, 2));
    network.world.publish(1, "a", &bytes, 2);
    network.lie([9], &bytes);
    let mut denials = 0;
    for _ in 0..5 {
        network.world.tick();
        for (id, order) in network.world.take_orders() {
            let is_liar = matches!(&order, Order::Check { holder, .. } if holder.peer == peer(9));
            denials += u32::from(is_liar);
            network.obey(number(id), order);
        }
    }
    assert_eq!(denials, 2);
    let by: BTreeSet<_> = network.checks.iter().filter(|(_, holder)| *holder == 9).collect();
    assert_eq!(by.len(), 2, "not the same one twice: {by:?}");
    network.pass(SECOND * 5);
    assert_eq!(network.real(&bytes).len(), 2, "another copy is made");
}

#[test]
fn who_lies_again_and_again_is_believed_nothing_without_a_proof() {
    let mut network = Network::of(1..=3);
    let all: Vec<_> = (1..=40).map(|seed| content(seed, 2)).collect();
    for (at, bytes) in all.iter().enumerate() {
        network.world.publish(1, &format!("a{at}"), bytes, 2);
    }
    network.world.join(9);
    for bytes in &all {
        network.world.holds_as_assigned(9, bytes, bytes.all_fragments());
    }
    network.pass(SECOND * 20);
    for bytes in &all {
        assert!(!network.counts(9, bytes, Purpose::Suffice));
        assert_eq!(network.real(bytes).len(), 2);
    }
}

#[test]
fn members_of_earlier_versions_are_never_asked_and_block_nothing() {
    let (mut world, bytes) = (World::with_peers(4), content(1, 2));
    world.publish(1, "a", &bytes, 3);
    world.obey();
    world.set_target("a", 2).expect("bound");
    world.pass(Timing::default().trim + SECOND * 5, &[]);
    let orders = world.take_orders();
    assert!(
        matches!(&orders[..], [(_, Order::Evict { .. })]),
        "nobody can look, so all is as it was: {orders:?}"
    );
}

#[test]
fn in_a_network_of_two_the_publishers_own_copy_needs_no_proof() {
    let (mut network, bytes) = (Network::of(1..=2), content(1, 2));
    network.world.publish(1, "a", &bytes, 1);
    assert!(network.counts(1, &bytes, Purpose::Spare));
    network.join(3);
    assert!(!network.counts(1, &bytes, Purpose::Spare), "now others can look");
}

#[test]
fn a_drain_waits_until_the_new_copies_have_been_seen() {
    let (mut network, bytes) = (Network::of(1..=2), content(1, 2));
    network.world.publish(1, "a", &bytes, 1);
    network
        .world
        .set_peer_mode(1, RequestedMode::Drain)
        .expect("known");
    network.world.holds_as_assigned(2, &bytes, bytes.all_fragments());
    let status = network.world.drain_status(1);
    assert!(!status.is_safe, "nobody has seen the copy");
    let mut reasons = status.reasons.iter().map(|reason| reason.code);
    assert!(reasons.any(|code| code == ReasonCode::ProofPending), "{status:?}");
    network.pass(SECOND * 3);
    assert!(network.world.drain_status(1).is_safe);
    assert!(network.checks.contains(&(1, 2)), "the one that leaves has looked");
}

#[test]
fn a_release_waits_for_proofs_and_is_refused_to_another() {
    let (mut network, bytes) = (Network::of(1..=3), content(1, 2));
    network.world.publish(1, "a", &bytes, 2);
    for n in 2..=3 {
        network.world.holds_as_assigned(n, &bytes, bytes.all_fragments());
    }
    let unproved = Rejection::Unproved(bytes.content());
    assert_eq!(network.release(3, &bytes), Err(unproved));
    network.pass(SECOND * 3);
    network.release(3, &bytes).expect("two have been seen");
    // The session of a run that says which it is can be spoken for by that run alone.
    network.world.disconnect(2);
    network
        .world
        .hello_of_run(2, 2, network.world.state.epoch(), Some(7))
        .expect("welcome");
    let content = bytes.content();
    let run = |run: u8| Some(RunId::from_bytes([run; 16]));
    for wrong in [None, run(8)] {
        let released = network.world.release(2, content, wrong);
        assert!(matches!(released, Err(Rejection::NotItself(_))));
    }
    let released = network.world.release(2, content, run(7));
    assert!(!matches!(released, Err(Rejection::NotItself(_))), "{released:?}");
}

#[test]
fn a_copy_that_was_not_dropped_counts_again_and_the_bad_one_is_looked_at() {
    let (mut network, bytes) = (Network::of(1..=3), content(1, 2));
    network.world.publish(1, "a", &bytes, 2);
    for n in 2..=3 {
        network.world.holds_as_assigned(n, &bytes, bytes.all_fragments());
    }
    network.pass(SECOND * 3);
    // Peer 2 loses its bytes, and nobody has noticed.
    network.honest.remove(&2);
    network.release(3, &bytes).expect("two have been seen");
    network.pass(SECOND);
    assert!(network.dropped.is_empty(), "it has looked");
    assert!(network.counts(3, &bytes, Purpose::Spare));
    assert!(!network.counts(2, &bytes, Purpose::Spare));
    network.pass(SECOND * 5);
    assert!(
        !network.counts(2, &bytes, Purpose::Durable),
        "another one has looked too"
    );
}

#[test]
fn a_restart_asks_again_and_repairs_nothing() {
    let (mut network, bytes) = (Network::of(1..=3), content(1, 2));
    network.world.publish(1, "a", &bytes, 2);
    network.pass(SECOND * 5);
    let kept = network.real(&bytes);
    network.world.restart();
    network.checks.clear();
    network.assigned.clear();
    for n in 1..=3 {
        network
            .world
            .hello(n, 2, network.world.state.epoch())
            .expect("welcome");
        if kept.contains(&n) {
            network.world.holds_as_assigned(n, &bytes, bytes.all_fragments());
        }
        network.world.announce(n, Vec::new(), true);
    }
    network.pass(SECOND * 3);
    assert_eq!(network.world.content_state(&bytes), ContentState::Replicated);
    network.pass(SECOND * 60);
    assert!(network.assigned.is_empty());
    assert_eq!(network.checks.len(), 2, "{:?}", network.checks);
}

#[test]
fn checks_keep_to_their_budget_and_come_to_every_copy() {
    let mut network = Network::of(1..=4);
    let all: Vec<_> = (0..250).map(|seed| content(seed, 1)).collect();
    for (at, bytes) in all.iter().enumerate() {
        network.world.publish_unchecked(1, &format!("a{at}"), bytes, 1);
    }
    // Half a MiB a second of small contents, a block and four hashes each; two seconds are saved up.
    network.world.tick();
    let first = network.world.orders.iter();
    assert!(
        first
            .filter(|(_, order)| matches!(order, Order::Check { .. }))
            .count()
            <= 64
    );
    for (id, order) in network.world.take_orders() {
        network.obey(number(id), order);
    }
    network.pass(SECOND * 3);
    assert!(network.checks.len() < 64 + 3 * 33, "{}", network.checks.len());
    network.pass(SECOND * 20);
    let proved = all
        .iter()
        .filter(|bytes| network.counts(1, bytes, Purpose::Spare));
    assert_eq!(proved.count(), all.len());
    assert_eq!(network.checks.len(), all.len(), "each once");
    let by: BTreeSet<_> = network.checks.iter().map(|(by, _)| *by).collect();
    assert_eq!(by, BTreeSet::from([2, 3, 4]), "in turn");
}
