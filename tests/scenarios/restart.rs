//! The tracker dies without warning; nothing that it acknowledged is lost.

use anyhow::Result;
use harness::{Cluster, content, eventually, keepers};

use crate::{PATIENCE, assert_same, get, publish};

#[test]
fn every_acknowledged_publish_survives_ten_kills_of_the_tracker() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let mut acknowledged = Vec::new();
    for round in 0..10 {
        // Several publishers at once, so that the kill falls into the middle of some.
        let adding: Vec<_> = (0..4)
            .map(|n| {
                let name = format!("round-{round}-{n}");
                let path = cluster.path(&name);
                content::write(&path, 20_000 + n, round * 10 + n).expect("written");
                let add = [
                    "add",
                    path.to_str().expect("text"),
                    "--name",
                    &name,
                    "--replicas",
                    "1",
                ];
                let child = cluster
                    .peer(0)
                    .command(add)
                    .spawn()
                    .expect("the program is there");
                (name, child)
            })
            .collect();
        let mut adding = adding.into_iter();
        let (name, first) = adding.next().expect("four");
        let first_code = first.wait_with_output()?.status.code();
        cluster.tracker.kill();
        if first_code == Some(0) {
            acknowledged.push(name);
        }
        for (name, child) in adding {
            // An unacknowledged publication may exist or not; an acknowledged one must.
            if child.wait_with_output()?.status.code() == Some(0) {
                acknowledged.push(name);
            }
        }
        cluster.tracker.restart()?;
    }
    assert!(
        acknowledged.len() >= 10,
        "only {} publishes were acknowledged",
        acknowledged.len()
    );
    cluster.wait_for_live_peers(2)?;
    for name in &acknowledged {
        let locate = || cluster.peer(1).run(["locate", name, "--json"]).code;
        eventually(name, PATIENCE, locate, |code| *code == 0)?;
    }
    let name = &acknowledged[0];
    let copy = get(&cluster, cluster.peer(1), name);
    assert_same(&cluster.path(name), &copy);
    Ok(())
}

#[test]
fn a_restarted_tracker_relearns_holders_and_repairs_nothing() -> Result<()> {
    let mut cluster = Cluster::builder().peers(4).start()?;
    publish(&cluster, 0, "data", 2_000_000, 3)?;
    let before = keepers(&cluster.peer(0).locate("data"));
    cluster.tracker.kill();
    cluster.tracker.restart()?;
    cluster.wait_for_live_peers(4)?;
    let ask = || {
        let outcome = cluster.peer(0).run(["locate", "data", "--json"]);
        (outcome.code == 0).then(|| keepers(&outcome.json()))
    };
    eventually("the replicas to be known again", PATIENCE, ask, |after| {
        after.as_ref() == Some(&before)
    })?;
    Ok(())
}

#[test]
fn servers_stop_cleanly_when_asked() -> Result<()> {
    let mut cluster = Cluster::builder().peers(1).start()?;
    assert_eq!(cluster.peer_mut(0).program.stop()?, 0);
    assert_eq!(cluster.webserver.stop()?, 0);
    assert_eq!(cluster.tracker.stop()?, 0);
    Ok(())
}
