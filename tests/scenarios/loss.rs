//! Peers die; the contents stay, and come back to their targets.

use anyhow::Result;
use harness::{Cluster, eventually, keepers};

use crate::{MIB, PATIENCE, assert_same, get, id_of, keepers_of_the_first, publish, wait_for_replicas};

#[test]
fn two_of_three_holders_die_at_once_and_the_content_is_whole_again() -> Result<()> {
    let mut cluster = Cluster::builder().peers(5).start()?;
    let original = publish(&cluster, 0, "data", 5 * MIB + 17, 3)?;
    let ids: Vec<_> = (0..5).map(|number| id_of(cluster.peer(number))).collect();
    // The publisher and the first other holder: exactly one replica is left.
    let holding = keepers_of_the_first(cluster.peer(0), "data");
    let other = (1..5)
        .find(|number| holding.contains(&ids[*number]))
        .expect("another holder");
    for victim in [0, other] {
        cluster.peer_mut(victim).program.kill();
    }
    let survivor = (1..5).find(|number| *number != other).expect("three are left");
    let dead = [ids[0].clone(), ids[other].clone()];
    wait_for_replicas(cluster.peer(survivor), "data", 3, &dead)?;

    let newcomer = cluster.add_peer(None)?;
    let copy = get(&cluster, cluster.peer(newcomer), "data");
    assert_same(&original, &copy);
    Ok(())
}

#[test]
fn a_returning_peer_is_no_surplus_for_long() -> Result<()> {
    let mut cluster = Cluster::builder().peers(4).start()?;
    publish(&cluster, 0, "data", 2 * MIB, 2)?;
    let ids: Vec<_> = (0..4).map(|number| id_of(cluster.peer(number))).collect();
    let holding = keepers_of_the_first(cluster.peer(0), "data");
    let victim = (1..4)
        .find(|number| holding.contains(&ids[*number]))
        .expect("an assigned holder");
    cluster.peer_mut(victim).program.kill();
    wait_for_replicas(cluster.peer(0), "data", 2, &[ids[victim].clone()])?;
    cluster.peer_mut(victim).program.restart()?;
    // The peer comes back with its replica: three for a moment, then two again, and never fewer.
    let ask = || keepers(&cluster.peer(0).locate("data"));
    cluster.wait_for_live_peers(4)?;
    eventually("the surplus to be trimmed", PATIENCE, ask, |fragments| {
        assert!(
            fragments.iter().all(|ids| ids.len() >= 2),
            "trimmed too much: {fragments:?}"
        );
        fragments.iter().all(|ids| ids.len() == 2)
    })?;
    Ok(())
}
