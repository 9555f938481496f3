//! Targets are reached, on distinct peers, in distinct zones.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use harness::{Cluster, eventually, keepers};
use serde_json::Value;

use crate::{MIB, publish};

#[test]
fn every_fragment_reaches_its_target_on_distinct_peers() -> Result<()> {
    let cluster = Cluster::builder().peers(5).start()?;
    publish(&cluster, 0, "data", 3 * MIB + 17, 3)?;
    let located = cluster.peer(4).locate("data");
    assert_eq!(located["state"], "replicated");
    for ids in keepers(&located) {
        assert_eq!(ids.len(), 3, "{located:#}");
    }
    Ok(())
}

#[test]
fn replicas_lie_in_distinct_zones_where_there_are_zones() -> Result<()> {
    let builder = Cluster::builder()
        .peer_in("a")
        .peer_in("a")
        .peer_in("a")
        .peer_in("b")
        .peer_in("c");
    let cluster = builder.start()?;
    for name in ["first", "second", "third"] {
        publish(&cluster, 0, name, MIB, 3)?;
        let located = cluster.peer(0).locate(name);
        let peers = located["peers"].as_array().expect("peers");
        let zone_of = |id: &String| -> &Value {
            &peers
                .iter()
                .find(|peer| peer["id"] == id.as_str())
                .expect("a holder is listed")["zone"]
        };
        for ids in keepers(&located) {
            let zones: BTreeSet<_> = ids.iter().map(|id| zone_of(id).to_string()).collect();
            assert_eq!(zones.len(), 3, "{located:#}");
        }
    }
    Ok(())
}

#[test]
fn a_target_that_too_few_peers_can_meet_is_said_so_with_exit_code_ten() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let path = cluster.path("file");
    harness::content::write(&path, 100_000, 1)?;
    let add = [
        "add",
        path.to_str().expect("text"),
        "--name",
        "data",
        "--replicas",
        "5",
        "--wait",
        "2s",
    ];
    let outcome = cluster.peer(0).run(add).expect(10);
    assert!(outcome.stderr.contains('5'), "{}", outcome.stderr);
    assert_eq!(cluster.peer(1).locate("data")["state"], "degraded");
    // Every command that sets a target says it at once.
    let few = "20 replicas are wanted, and the network has 2 peers that can keep one";
    for command in [
        ["replicas", "data", "20"].as_slice(),
        &["put", "key", "value", "--replicas", "20"],
    ] {
        let warned = cluster.peer(0).run(command).expect(0).stderr;
        assert!(warned.contains(few), "{command:?}: {warned}");
    }
    Ok(())
}

#[test]
fn copies_without_a_source_hold_no_other_copy_up() -> Result<()> {
    let mut cluster = Cluster::builder().peers(3).start()?;
    drop(cluster.peer(0).run(["limit", "--upload", "64KiB/s"]).expect(0));
    for number in 0..8 {
        let (name, path) = (format!("slow-{number}"), cluster.path(&format!("slow-{number}")));
        harness::content::write(&path, 4 * MIB, number)?;
        let path = path.to_str().expect("text");
        let add = ["add", path, "--name", &name, "--replicas", "3"];
        drop(cluster.peer(0).run(add).expect(0));
    }
    let fetching = || cluster.peer(2).run(["status", "--json"]).json()["active_fetches"].as_u64();
    eventually("orders under way", Duration::from_secs(20), fetching, |count| {
        *count > Some(3)
    })?;
    cluster.peer_mut(0).program.kill();
    // Of their publisher there is nothing left to come.
    let path = cluster.path("new");
    harness::content::write(&path, 4 * MIB, 100)?;
    let path = path.to_str().expect("text");
    let add = ["add", path, "--name", "new", "--replicas", "2", "--wait", "20s"];
    drop(cluster.peer(1).run(add).expect(0));
    Ok(())
}
