//! Operators: a peer is emptied before it leaves, goes away for maintenance, and targets change; and the
//! network reports its durability.

use anyhow::Result;
use harness::{Cluster, eventually, keepers};
use serde_json::Value;

use crate::{MIB, PATIENCE, assert_same, get, id_of, keepers_of_the_first, publish};

fn json(peer: &harness::Peer, command: &[&str]) -> Value {
    peer.run(command.iter().chain(&["--json"])).expect(0).json()
}

fn order(peer: &harness::Peer, command: &[&str]) {
    assert_eq!(peer.run(command).expect(0).code, 0);
}

/// Returns the tracker's entry for the peer with this id.
fn peer_in(cluster: &Cluster, id: &str) -> Value {
    let network = json(cluster.peer(0), &["network"]);
    let mut peers = network["peers"].as_array().expect("peers").iter();
    peers
        .find(|peer| peer["id"] == id)
        .cloned()
        .expect("a known peer")
}

#[test]
fn a_holder_is_drained_wiped_and_missed_by_nobody() -> Result<()> {
    let mut cluster = Cluster::builder().peers(5).start()?;
    let original = publish(&cluster, 0, "data", 5 * MIB + 17, 3)?;
    let ids: Vec<_> = (0..5).map(|number| id_of(cluster.peer(number))).collect();
    let holding = keepers_of_the_first(cluster.peer(0), "data");
    let leaver = (1..5)
        .find(|number| holding.contains(&ids[*number]))
        .expect("a holder");
    // Its own publications are obligations too.
    let own = publish(&cluster, leaver, "own", MIB, 2)?;
    assert_eq!(json(cluster.peer(0), &["durability", "data"])["survives_any"], 2);

    order(cluster.peer(leaver), &["drain"]);
    cluster.peer_mut(leaver).program.restart()?;
    cluster.tracker.restart()?;
    cluster.wait_for_live_peers(5)?;
    assert_eq!(
        peer_in(&cluster, &ids[leaver])["duty"],
        "draining",
        "it outlives both restarts"
    );
    let last = json(cluster.peer(leaver), &["drain", "--wait=60s"]);
    assert_eq!((&last["event"], &last["safe"]), (&"done".into(), &true.into()));
    assert_eq!(last["contents_left"], 0);

    cluster.peer_mut(leaver).program.kill();
    std::fs::remove_dir_all(cluster.peer(leaver).data_dir())?;
    for (name, target) in [("data", 3), ("own", 2)] {
        // Returns at once: nothing has to be repaired first.
        let located = cluster.peer(0).locate(name);
        for mut ids_of in keepers(&located) {
            ids_of.remove(&ids[leaver]);
            assert!(ids_of.len() >= target, "{name}");
        }
    }
    let newcomer = cluster.add_peer(None)?;
    for (name, original) in [("data", &original), ("own", &own)] {
        assert_same(original, &get(&cluster, cluster.peer(newcomer), name));
    }
    let is_whole =
        |survey: &Value| survey["replicated"] == survey["contents"] && survey["survives"]["none"] == 0;
    eventually(
        "everything at target without it",
        PATIENCE,
        || json(cluster.peer(0), &["durability"]),
        is_whole,
    )?;
    Ok(())
}

#[test]
fn wants_change_reasons_are_told_and_a_maintenance_is_waited_for() -> Result<()> {
    let mut cluster = Cluster::builder().peers(4).start()?;
    publish(&cluster, 0, "data", MIB, 2)?;
    order(cluster.peer(1), &["replicas", "data", "5"]);
    let why = |cluster: &Cluster| json(cluster.peer(0), &["why", "data"]);
    eventually(
        "a reason",
        PATIENCE,
        || why(&cluster),
        |why| why["reasons"][0]["code"] == "too_few_peers" && why["fewest"] == 4,
    )?;
    let waited = cluster.peer(1).run(["drain", "--wait=1s"]);
    assert_eq!(waited.code, 10, "nobody could take over: {}", waited.stderr);
    order(cluster.peer(1), &["drain", "--cancel"]);
    order(cluster.peer(1), &["replicas", "data", "4"]);
    eventually(
        "the target",
        PATIENCE,
        || why(&cluster),
        |why| why["state"] == "replicated",
    )?;

    // Both die; one of them is expected back.
    let (away, gone) = (id_of(cluster.peer(2)), id_of(cluster.peer(3)));
    let on = json(cluster.peer(2), &["maintenance", "on", "--for", "10m"]);
    assert_eq!(on["duty"], "maintenance");
    let status = json(cluster.peer(2), &["status"]);
    assert_eq!(
        (&status["duty"], &status["maintenance_until_ms"]),
        (&on["duty"], &on["maintenance_until_ms"])
    );
    let told = cluster.peer(2).run(["status"]).expect(0).stdout;
    assert!(told.contains("this peer may be away for "), "{told}");
    for number in [2, 3] {
        cluster.peer_mut(number).program.kill();
    }
    let state = |id: &str| peer_in(&cluster, id)["state"].clone();
    eventually(
        "the other to be lost",
        PATIENCE,
        || state(&gone),
        |state| state == "lost",
    )?;
    let of_away = || {
        let reason = why(&cluster)["reasons"][0]["code"].clone();
        (
            state(&away),
            reason,
            json(cluster.peer(0), &["durability", "data"])["away"].clone(),
        )
    };
    eventually(
        "the one in maintenance to be waited for",
        PATIENCE,
        of_away,
        |seen| *seen == ("suspect".into(), "maintenance".into(), 1.into()),
    )?;
    cluster.peer_mut(2).program.restart()?;
    let back = || json(cluster.peer(0), &["durability", "data"]);
    eventually("its return", PATIENCE, back, |found| {
        found["survives_any"] == 2 && found["away"] == 0
    })?;
    order(cluster.peer(2), &["maintenance", "off"]);
    assert_eq!(peer_in(&cluster, &away)["duty"], "active");
    Ok(())
}
