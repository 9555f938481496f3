//! Peers that others cannot dial, visitors, and what their copies count for.

use std::time::Duration;

use shared::model::{
    Answer, AssignmentFailure, ContentRef, ContentState, Epoch, Manifest, Order, PeerId, PeerState, Reach,
    ReasonCode, Report, RunTraits,
};

use super::world::{CAPACITY, World, address, content, name, peer, some};
use crate::state::{Command, Fact, Origin, Rejection};

const SECOND: Duration = Duration::from_secs(1);

/// Peers of which some are out of reach, and whose members dial each other.
struct Network {
    world: World,
    /// Peers that nobody reaches, and those that only the named ones do not reach.
    dead: Vec<u8>,
    blind: Vec<(u8, u8)>,
    /// Probes that were made: who dialled whom.
    dialled: Vec<(u8, u8)>,
}

impl Network {
    fn of(peers: u8, dead: &[u8]) -> Self {
        let mut network = Self {
            world: World::new(),
            dead: dead.to_vec(),
            blind: Vec::new(),
            dialled: Vec::new(),
        };
        (1..=peers).for_each(|n| network.join(n));
        network.pass(2);
        network
    }

    fn join(&mut self, n: u8) {
        self.world.traits.insert(
            n,
            RunTraits {
                can_probe: true,
                ..RunTraits::default()
            },
        );
        self.world.join(n);
    }

    /// Lets time pass; members carry out their probes, and nothing else.
    fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds * 2 {
            self.world.pass(SECOND / 2, &[]);
            self.dial();
        }
    }

    fn dial(&mut self) {
        let (probes, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.world.orders)
            .into_iter()
            .partition(|(_, order)| matches!(order, Order::Probe { .. }));
        self.world.orders = others;
        for (by, order) in probes {
            let Order::Probe { probe, peer, .. } = order else {
                continue;
            };
            let (by, subject) = (by.as_bytes()[0], peer.as_bytes()[0]);
            self.dialled.push((by, subject));
            let fails = self.dead.contains(&subject) || self.blind.contains(&(by, subject));
            let outcome = match fails {
                true => Err("connection refused".to_owned()),
                false => Ok(Answer::Peer(peer)),
            };
            self.world
                .say(by, Report::Probed { probe, outcome })
                .expect("heard");
        }
    }

    /// Publishes a content at peer 1 with three replicas, and returns another peer that holds one.
    fn replicate(&mut self, bytes: &Manifest) -> u8 {
        self.world.publish(1, "a", bytes, 3);
        self.copy();
        let holds = |n: &u8| {
            self.world
                .state
                .replicas
                .held(bytes.content(), peer(*n))
                .is_some()
        };
        (2..=4).find(holds).expect("a holder")
    }

    /// Has every copy made that is ordered.
    fn copy(&mut self) {
        for _ in 0..5 {
            self.pass(1);
            self.world
                .orders
                .retain(|(_, order)| !matches!(order, Order::Probe { .. }));
            self.world.obey();
        }
    }

    fn reach(&self, n: u8) -> Reach {
        let all = self.world.state.peers(None, 100).peers;
        all.into_iter()
            .find(|info| info.id == peer(n))
            .expect("known")
            .reach
    }

    fn is_out(&self, n: u8) -> bool {
        matches!(self.reach(n), Reach::Unreachable(_))
    }

    fn codes(&self, text: &str) -> Vec<ReasonCode> {
        let why = self
            .world
            .state
            .why(&ContentRef::Name(name(text)).into())
            .expect("known");
        why.reasons.iter().map(|reason| reason.code).collect()
    }
}

#[test]
fn copies_on_peers_that_nobody_reaches_are_no_replicas() {
    let mut network = Network::of(4, &[3, 4]);
    assert!(network.is_out(3) && network.is_out(4) && !network.is_out(1) && !network.is_out(2));
    let failure = network.reach(3).failure().cloned().expect("a failure");
    assert_eq!(
        (failure.address, failure.error.as_str()),
        (address(3, None), "connection refused")
    );
    let bytes = content(1, 2);
    network.world.publish(1, "a", &bytes, 3);
    network.copy();
    let health = network.world.health(&bytes);
    assert_eq!(
        (health.state, health.fewest),
        (ContentState::Degraded, 2),
        "3 and 4 are given nothing"
    );
    let durability = network
        .world
        .state
        .durability(&ContentRef::Name(name("a")).into())
        .expect("known");
    assert_eq!(durability.survives_any, 1);
    assert!(
        network.codes("a").contains(&ReasonCode::Unreachable),
        "{:?}",
        durability.reasons
    );
    // Contents that they announce by themselves count for nothing either.
    network.world.holds_as_assigned(3, &bytes, bytes.all_fragments());
    assert_eq!(network.world.health(&bytes).fewest, 2);
    let found = network
        .world
        .state
        .locate(&ContentRef::Name(name("a")).into(), 8, None, &mut rand::rng());
    let last = found.expect("known").holders.pop().expect("holders");
    assert_eq!(last.peer.id, peer(3), "readers are offered it last");
}

#[test]
fn what_only_an_unreachable_peer_has_is_unavailable_until_it_is_reached() {
    let mut network = Network::of(3, &[1]);
    let bytes = content(1, 2);
    network.world.publish(1, "a", &bytes, 2);
    network.pass(5);
    assert_eq!(network.world.content_state(&bytes), ContentState::Unavailable);
    assert_eq!(
        network.codes("a")[0],
        ReasonCode::Unreachable,
        "not that nobody has it"
    );
    assert_eq!(network.world.take_orders(), [], "nobody could copy it");
    network.dead.clear();
    network.pass(60);
    assert!(!network.is_out(1), "it is tried again");
    network.copy();
    assert_eq!(network.world.content_state(&bytes), ContentState::Replicated);
}

#[test]
fn two_members_on_other_machines_have_to_agree() {
    let mut network = Network::of(4, &[]);
    network.blind = vec![(2, 1)];
    let before = network.world.state.peers(None, 9).peers;
    for _ in 0..5 {
        let error = "timed out".to_owned();
        network
            .world
            .say(2, Report::Unreached { peer: peer(1), error })
            .expect("heard");
        network.pass(6);
    }
    assert!(!network.is_out(1), "one that is blind does not decide");
    assert_eq!(network.world.state.peers(None, 9).peers, before);
    network.blind = vec![(2, 1), (3, 1), (4, 1)];
    let error = "timed out".to_owned();
    network.dialled.clear();
    network
        .world
        .say(2, Report::Unreached { peer: peer(1), error })
        .expect("heard");
    network.pass(6);
    assert!(network.is_out(1));
    let by: Vec<_> = network
        .dialled
        .iter()
        .filter(|(_, subject)| *subject == 1)
        .map(|(by, _)| *by)
        .collect();
    assert!(by.len() >= 2 && by[0] != by[1], "{by:?}");
}

#[test]
fn members_of_the_same_machine_are_asked_last() {
    let mut world = World::new();
    let here = Origin {
        remote: "10.0.0.9".parse().expect("an address"),
        local: "10.0.0.1".parse().expect("an address"),
    };
    for n in [1, 2] {
        world.origins.insert(n, here);
    }
    let mut network = Network {
        world,
        dead: Vec::new(),
        blind: vec![(3, 1), (4, 1)],
        dialled: Vec::new(),
    };
    (1..=4).for_each(|n| network.join(n));
    // It was confirmed by its neighbour when nobody else was there; now readers complain.
    network.pass(1);
    let error = "timed out".to_owned();
    network
        .world
        .say(3, Report::Unreached { peer: peer(1), error })
        .expect("heard");
    network.pass(10);
    assert!(network.is_out(1));
}

#[test]
fn of_two_peers_the_other_one_decides() {
    let mut network = Network::of(2, &[2]);
    assert!(network.is_out(2) && !network.is_out(1));
    network.dead = vec![1, 2];
    network.pass(1);
    assert!(!network.is_out(1), "nobody complains");
}

#[test]
fn a_peer_that_nobody_can_dial_any_more_is_believed_after_a_while() {
    let mut network = Network::of(2, &[2]);
    assert!(matches!(network.reach(2), Reach::Unreachable(_)));
    // The only other member goes, and members of earlier versions dial nobody.
    network.world.disconnect(1);
    network.pass(30);
    assert!(
        matches!(network.reach(2), Reach::Unreachable(_)),
        "it may be back"
    );
    network.pass(120);
    assert_eq!(network.reach(2), Reach::Reachable);
    network.world.hello(1, 2, Epoch::new(0)).expect("welcome");
    network.world.announce(1, Vec::new(), true);
    network.pass(10);
    assert!(
        matches!(network.reach(2), Reach::Unreachable(_)),
        "it is dialled again"
    );
}

#[test]
fn another_peers_address_is_not_in_reach() {
    let mut network = Network::of(2, &[]);
    network.join(3);
    network.world.tick();
    let probe = network
        .world
        .take_orders()
        .into_iter()
        .find_map(|(by, order)| match order {
            Order::Probe { probe, peer: to, .. } if to == peer(3) => Some((by, probe)),
            _ => None,
        });
    let (by, probe) = probe.expect("it is probed");
    let answer = |id: PeerId| Report::Probed {
        probe,
        outcome: Ok(Answer::Peer(id)),
    };
    network
        .world
        .say(by.as_bytes()[0], answer(peer(1)))
        .expect("heard");
    assert_eq!(network.reach(3), Reach::Unconfirmed, "one witness is not enough");
    // The same answer again, and one of somebody who was not asked, are nothing.
    network
        .world
        .say(by.as_bytes()[0], answer(peer(3)))
        .expect("heard");
    assert_eq!(network.reach(3), Reach::Unconfirmed);
}

#[test]
fn a_new_peer_does_not_count_until_it_is_confirmed_or_nobody_answers() {
    let mut network = Network::of(2, &[]);
    network.join(3);
    let bytes = content(1, 1);
    network.world.publish(3, "a", &bytes, 1);
    assert_eq!(network.world.content_state(&bytes), ContentState::Degraded);
    assert_eq!(network.codes("a"), [ReasonCode::Unconfirmed]);
    network.dial();
    network.pass(1);
    assert_eq!(network.world.content_state(&bytes), ContentState::Replicated);
    // Members that do not answer hold nobody up for ever.
    network.join(4);
    network.world.publish(4, "b", &content(2, 1), 1);
    network.world.pass(SECOND * 9, &[]);
    assert_eq!(
        network.world.content_state(&content(2, 1)),
        ContentState::Degraded
    );
    network.world.pass(SECOND * 2, &[]);
    assert_eq!(
        network.world.content_state(&content(2, 1)),
        ContentState::Replicated
    );
}

#[test]
fn older_peers_are_believed_and_probe_nobody() {
    let mut world = World::with_peers(3);
    let bytes = content(1, 1);
    world.publish(1, "a", &bytes, 1);
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
    world.pass(SECOND * 20, &[]);
    assert_eq!(world.take_orders(), [], "nobody is asked to dial");
}

#[test]
fn a_peer_that_falls_out_of_reach_is_waited_for_like_a_silent_one() {
    let mut network = Network::of(4, &[]);
    let bytes = content(1, 1);
    let holder = network.replicate(&bytes);
    network.dead = vec![holder];
    let error = "timed out".to_owned();
    network
        .world
        .say(
            1,
            Report::Unreached {
                peer: peer(holder),
                error,
            },
        )
        .expect("heard");
    network.pass(2);
    assert!(network.is_out(holder));
    assert_eq!(
        network.world.health(&bytes).fewest,
        2,
        "what users are told is not put off"
    );
    assert_eq!(network.world.assigned(), [], "but no copy is made yet");
    network.pass(8);
    assert_eq!(network.world.assigned().len(), 1, "after the grace time one is");
}

#[test]
fn a_restart_of_the_tracker_orders_no_copies() {
    let mut network = Network::of(4, &[]);
    let bytes = content(1, 1);
    network.world.publish(1, "a", &bytes, 3);
    network.copy();
    let held: Vec<_> = (1..=4)
        .filter(|n| {
            network
                .world
                .state
                .replicas
                .held(bytes.content(), peer(*n))
                .is_some()
        })
        .collect();
    network.world.restart();
    for n in 1..=4 {
        network.world.hello(n, 2, Epoch::new(0)).expect("welcome");
        let holdings = match held.contains(&n) {
            true => vec![shared::model::Holding {
                content: bytes.content(),
                fragments: bytes.all_fragments(),
                keeps: true,
                is_assigned: n > 1,
                is_fetching: false,
            }],
            false => Vec::new(),
        };
        network.world.announce(n, holdings, true);
    }
    assert_eq!(
        network.reach(2),
        Reach::Unconfirmed,
        "all are to be confirmed anew"
    );
    network.world.pass(SECOND * 3, &[]);
    let probes = network.world.take_orders();
    assert!(
        probes
            .iter()
            .all(|(_, order)| matches!(order, Order::Probe { .. })),
        "{probes:?}"
    );
    network.pass(12);
    assert_eq!(network.world.content_state(&bytes), ContentState::Replicated);
    assert_eq!(network.world.take_orders(), []);
}

fn elsewhere(n: u8) -> Origin {
    Origin {
        remote: format!("10.9.9.{n}").parse().expect("an address"),
        local: "10.9.9.250".parse().expect("an address"),
    }
}

#[test]
fn a_peer_of_another_machine_that_listens_on_loopback_is_a_visitor() {
    let mut network = Network::of(2, &[]);
    let loopback: shared::model::HostPort = "127.0.0.1:50053".parse().expect("an address");
    for (n, origin) in [
        (3, elsewhere(3)),
        (
            4,
            Origin {
                remote: elsewhere(4).local,
                ..elsewhere(4)
            },
        ),
    ] {
        network.world.addresses.insert(n, loopback.clone());
        network.world.origins.insert(n, origin);
    }
    network.join(4);
    network.world.traits.insert(
        3,
        RunTraits {
            can_probe: true,
            ..RunTraits::default()
        },
    );
    let welcome = network.world.hello(3, 1, Epoch::new(0)).expect("welcome");
    assert_eq!(welcome.visitor_host, Some(elsewhere(3).remote));
    network.world.announce(3, Vec::new(), true);
    assert!(network.is_out(3), "nobody need try");
    let all = network.world.state.peers(None, 9).peers;
    let visits = |n: u8| all.iter().any(|info| info.id == peer(n) && info.is_visitor);
    assert!(visits(3) && !visits(4), "4 is on the tracker's machine");
    let bytes = content(1, 1);
    network.world.publish(3, "a", &bytes, 1);
    assert_eq!(network.world.content_state(&bytes), ContentState::Unavailable);
    network.world.publish(1, "b", &content(2, 1), 4);
    network.copy();
    assert_eq!(
        network
            .world
            .state
            .replicas
            .held(content(2, 1).content(), peer(3))
            .map(|_| ()),
        None
    );
}

#[test]
fn wildcards_are_addresses_of_nobody() {
    let mut world = World::with_peers(1);
    for (n, text) in [(2, "0.0.0.0:5"), (3, "[::]:5"), (4, "224.0.0.1:5"), (5, "0:5")] {
        world.addresses.insert(n, text.parse().expect("an address"));
        world.join(n);
        let all = world.state.peers(None, 9).peers;
        let info = all.iter().find(|info| info.id == peer(n)).expect("known");
        assert!(
            info.is_visitor && matches!(info.reach, Reach::Unreachable(_)),
            "{text}"
        );
    }
    world.publish(1, "a", &content(1, 1), 2);
    world.tick();
    assert_eq!(world.take_orders(), []);
}

#[test]
fn a_run_for_one_command_is_a_source_and_no_replica() {
    let mut world = World::with_peers(2);
    world.traits.insert(
        3,
        RunTraits {
            is_transient: true,
            ..RunTraits::default()
        },
    );
    world.join(3);
    let bytes = content(1, 1);
    world.publish(3, "a", &bytes, 1);
    assert_eq!(
        world.content_state(&bytes),
        ContentState::Degraded,
        "its copy leaves with it"
    );
    world.obey();
    assert_eq!(world.content_state(&bytes), ContentState::Replicated);
    assert_eq!(world.health(&bytes).fewest, 1);
    world.publish(1, "b", &content(2, 1), 3);
    world.obey();
    assert!(
        world
            .state
            .replicas
            .held(content(2, 1).content(), peer(3))
            .is_none(),
        "it is given nothing"
    );
}

#[test]
fn a_peer_that_kept_nothing_goes_when_it_leaves() {
    let mut world = World::with_peers(3);
    world.publish(3, "a", &content(1, 1), 1);
    world.say(2, Report::Leave).expect("heard");
    world.say(3, Report::Leave).expect("heard");
    let listed = |world: &World| -> Vec<_> {
        let all = world.state.peers(None, 9).peers.into_iter();
        all.map(|info| (info.id, info.state, info.is_gone_visitor(), info.free))
            .collect()
    };
    let lost = PeerState::Lost;
    assert_eq!(
        listed(&world)[1..],
        [(peer(2), lost, true, 0), (peer(3), lost, false, 0)]
    );
    assert_eq!(world.state.status().lost_peers, 1, "the one that is missed");
    world.restart();
    assert!(listed(&world)[1].2, "a restart does not forget it");
    world.hello(1, 2, Epoch::new(0)).expect("welcome");
    world.announce(1, Vec::new(), true);
    world.pass(Duration::from_secs(3700), &[]);
    assert_eq!(
        listed(&world).len(),
        2,
        "it is forgotten soon, the other one later"
    );
    let forget = |world: &mut World, n| world.apply(Command::ForgetPeer(peer(n))).map(drop);
    assert_eq!(forget(&mut world, 1), Err(Rejection::NotLost(peer(1))));
    assert_eq!(forget(&mut world, 2), Err(Rejection::NoSuchPeer(peer(2))));
    assert_eq!(forget(&mut world, 3), Ok(()));
    assert_eq!(listed(&world).len(), 1);
    assert!(
        world
            .journal
            .iter()
            .any(|record| record.fact == Fact::VisitorGone(peer(2)))
    );
}

#[test]
fn a_peer_that_has_not_said_what_it_keeps_is_no_visitor() {
    let mut world = World::with_peers(2);
    world.publish(2, "a", &content(1, 1), 1);
    world.restart();
    world.hello(1, 2, Epoch::new(0)).expect("welcome");
    world.announce(1, Vec::new(), true);
    world.pass(Duration::from_secs(60), &[]);
    let all = world.state.peers(None, 9).peers;
    assert!(
        all.iter()
            .any(|info| info.id == peer(2) && info.state == PeerState::Lost && !info.is_visitor)
    );
}

#[test]
fn no_room_for_a_large_copy_is_room_for_a_small_one() {
    let mut world = World::with_peers(2);
    world.publish(1, "large", &content(1, 8), 2);
    world.tick();
    assert_eq!(world.assigned().len(), 1);
    let failed = Report::AssignmentFailed {
        content: content(1, 8).content(),
        failure: AssignmentFailure::NoRoom,
        detail: String::new(),
    };
    world.say(2, failed).expect("heard");
    world.publish(1, "small", &content(2, 2), 2);
    world.publish(1, "larger", &content(3, 9), 2);
    world.tick();
    let given: Vec<_> = world
        .assigned()
        .iter()
        .map(|(peer, set)| (*peer, set.capacity()))
        .collect();
    assert_eq!(given, [(peer(2), 2)], "at once, and only the small one");
    world.holds_as_assigned(2, &content(2, 2), content(2, 2).all_fragments());
    world.pass(SECOND * 40, &[]);
    assert_eq!(world.assigned().len(), 2, "the others when it has rested");
}

#[test]
fn free_is_what_the_disk_has() {
    let mut world = World::with_peers(2);
    let free = |world: &World| world.state.peers(None, 9).peers[1].free;
    assert_eq!(free(&world), CAPACITY);
    let (used, disk_free) = (10, Some(100_000));
    world
        .say(
            2,
            Report::Heartbeat {
                used,
                disk_free,
                received: Vec::new(),
            },
        )
        .expect("heard");
    assert_eq!(free(&world), 100_000);
    world.publish(1, "a", &content(1, 2), 2);
    world.tick();
    assert_eq!(world.assigned(), [], "131,072 bytes do not fit");
    assert_eq!(some(&content(1, 2), [0]).len(), 1);
}

#[test]
fn a_peer_that_is_cut_off_while_nobody_reads_is_noticed() {
    let mut network = Network::of(4, &[]);
    let bytes = content(1, 1);
    let holder = network.replicate(&bytes);
    network.pass(60);
    network.dialled.clear();
    network.pass(60);
    let mut dialled: Vec<_> = network.dialled.iter().map(|(_, subject)| *subject).collect();
    dialled.sort_unstable();
    assert_eq!(dialled, [1, 2, 3, 4], "each once in that time");
    network.dead = vec![holder];
    network.pass(62);
    assert!(network.is_out(holder));
    assert_eq!(network.world.health(&bytes).fewest, 2);
    network.dead.clear();
    network.pass(62);
    assert!(!network.is_out(holder), "and so is that it is there again");
}

#[test]
fn one_member_that_reaches_nobody_makes_nobody_unreachable() {
    let mut network = Network::of(5, &[]);
    network.blind = (2..=5).map(|n| (1, n)).collect();
    for _ in 0..600 {
        network.pass(1);
        assert!((2..=5).all(|n| !network.is_out(n)));
    }
}

#[test]
fn probes_are_bounded_and_the_longest_unconfirmed_comes_first() {
    let mut network = Network::of(60, &[]);
    // Eight members can dial; the others were made by earlier versions.
    let traits = std::mem::take(&mut network.world.traits);
    for n in 1..=60 {
        let trait_of = traits.get(&n).copied().filter(|_| n <= 8);
        network.world.traits.insert(n, trait_of.unwrap_or_default());
        network.world.disconnect(n);
        network.world.join(n);
    }
    network.pass(20);
    let mut last = std::collections::BTreeMap::new();
    for round in 0..400 {
        network.world.pass(SECOND, &[]);
        let mut orders: Vec<_> = network.world.orders.iter().collect();
        orders.retain(|(_, order)| matches!(order, Order::Probe { .. }));
        let mut by_member = std::collections::BTreeMap::new();
        for (by, order) in orders {
            *by_member.entry(*by).or_insert(0_usize) += 1;
            let Order::Probe { peer, .. } = order else {
                continue;
            };
            let before = last.insert(*peer, round).unwrap_or(round);
            assert!(round - before <= 70, "{peer} was forgotten");
        }
        assert!(by_member.values().all(|open| *open <= 8), "{by_member:?}");
        network.dial();
    }
    assert_eq!(last.len(), 60);
}

#[test]
fn a_peer_is_told_that_others_cannot_dial_it() {
    let mut network = Network::of(3, &[]);
    let traits = network.world.traits[&1];
    network.world.traits.insert(4, traits);
    let hello = |network: &mut Network| {
        network
            .world
            .hello_of_run(4, 1, Epoch::new(0), Some(4))
            .expect("welcome");
        network.world.announce(4, Vec::new(), true);
    };
    let told = |network: &mut Network| {
        network.pass(62);
        let orders = std::mem::take(&mut network.world.orders);
        let told = orders.into_iter().filter_map(|(to, order)| match order {
            Order::Reach { failure, .. } => Some((to, failure.map(|failure| failure.error))),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    hello(&mut network);
    assert_eq!(told(&mut network), [], "nothing is wrong");
    let out = (peer(4), Some("connection refused".to_owned()));
    network.dead = vec![1, 4];
    assert_eq!(
        told(&mut network),
        std::slice::from_ref(&out),
        "once; an older peer is not told"
    );
    assert_eq!(told(&mut network), []);
    hello(&mut network);
    assert_eq!(told(&mut network), [out], "and again in another session");
    network.dead.clear();
    assert_eq!(told(&mut network), [(peer(4), None)]);
}
