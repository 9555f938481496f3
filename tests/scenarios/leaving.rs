//! Nodes that run for one command: their copies leave with them, and count for nothing.

use anyhow::Result;
use harness::{Cluster, content};

use crate::MIB;

#[test]
fn a_command_that_leaves_waits_for_copies_on_others() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let path = cluster.path("solo.bin");
    content::write(&path, MIB, 7)?;
    let path = path.to_str().expect("text");
    let [flag, entry] = cluster.entry();
    let add = ["add", path, "--replicas", "1", "--wait=60s", flag, entry];
    let added = cluster.outsider("one-shot", add).expect(0);
    assert!(
        added.stderr.contains("leaves with this command"),
        "{}",
        added.stderr
    );
    // The node has gone, and the file is still there: another peer keeps it.
    let located = cluster.peer(0).locate("solo.bin");
    assert_eq!(
        (located["state"].as_str(), located["fewest"].as_u64()),
        (Some("replicated"), Some(1))
    );
    let copy = cluster.path("copy");
    let get = ["get", "solo.bin", "--output", copy.to_str().expect("text")];
    let _got = cluster.peer(0).run(get).expect(0);

    let put = [
        "put",
        "solo",
        "value",
        "--replicas",
        "1",
        "--wait=60s",
        flag,
        entry,
    ];
    let _put = cluster.outsider("one-shot", put).expect(0);
    assert_eq!(cluster.peer(0).run(["value", "solo"]).expect(0).stdout, "value");

    // With one other peer there are no two replicas without this node.
    let add = [
        "add",
        path,
        "--name",
        "two",
        "--replicas",
        "2",
        "--wait=3s",
        flag,
        entry,
    ];
    let late = cluster.outsider("one-shot", add).expect(10);
    assert!(late.stderr.contains("left with this command"), "{}", late.stderr);
    Ok(())
}
