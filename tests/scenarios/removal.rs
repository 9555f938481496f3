//! A removed name is gone, everywhere and for good.

use anyhow::Result;
use harness::{Cluster, eventually};

use crate::{MIB, PATIENCE, assert_same, content, get, publish};

#[test]
fn a_removed_name_is_gone_everywhere_and_its_space_is_free() -> Result<()> {
    let mut cluster = Cluster::builder().peers(3).start()?;
    let original = publish(&cluster, 0, "data", 3 * MIB, 3)?;
    let nothing = cluster.path("nothing");
    assert_eq!(cluster.peer(1).status()["used"], 3 * MIB);
    // Removed by a peer that did not publish it.
    assert_eq!(cluster.peer(2).run(["remove", "data"]).expect(0).code, 0);
    for number in 0..3 {
        assert_eq!(cluster.peer(number).run(["locate", "data"]).expect(3).code, 3);
        assert_eq!(
            cluster
                .peer(number)
                .run(["get", "data", "--output", nothing.to_str().expect("text")])
                .expect(3)
                .code,
            3
        );
    }
    assert_eq!(cluster.peer(0).run(["remove", "data"]).expect(3).code, 3);
    for number in [1, 2] {
        let used = || cluster.peer(number).status()["used"].as_u64();
        eventually("assigned replicas to free their space", PATIENCE, used, |used| {
            *used == Some(0)
        })?;
    }
    // The user's file is only no longer shared.
    let held = || cluster.peer(0).status()["contents"].as_u64();
    eventually(
        "the publisher to share it no longer",
        PATIENCE,
        held,
        |contents| *contents == Some(0),
    )?;
    assert_eq!(original.metadata()?.len(), 3 * MIB);

    // The name stays removed after every restart.
    cluster.tracker.restart()?;
    for number in 0..3 {
        cluster.peer_mut(number).program.restart()?;
    }
    cluster.wait_for_live_peers(3)?;
    assert_eq!(cluster.peer(1).run(["locate", "data"]).expect(3).code, 3);
    Ok(())
}

#[test]
fn a_renamed_file_has_its_new_name_for_everyone_and_is_not_copied() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let original = publish(&cluster, 0, "data", 3 * MIB, 2)?;
    let sent = |cluster: &Cluster| cluster.peer(0).status()["bytes_sent"].as_u64();
    let before = sent(&cluster);
    // Removed by a peer that did not publish it; the name may have another depth.
    assert_eq!(
        cluster.peer(1).run(["rename", "data", "old/data"]).expect(0).code,
        0
    );
    assert_eq!(cluster.peer(0).run(["locate", "data"]).expect(3).code, 3);
    assert_eq!(cluster.peer(0).run(["rename", "data", "other"]).expect(3).code, 3);
    let third = cluster.path("third");
    std::fs::write(&third, "something else")?;
    let add = ["add", third.to_str().expect("text")];
    assert_eq!(cluster.peer(1).run(add).expect(0).code, 0);
    let taken = cluster.peer(0).run(["rename", "third", "old/data"]).expect(5);
    assert_eq!(taken.code, 5);

    cluster.tracker.restart()?;
    cluster.wait_for_live_peers(2)?;
    assert_eq!(sent(&cluster), before, "nothing was copied");
    let output = cluster.path("output");
    let arguments = ["get", "old/data", "--output", output.to_str().expect("text")];
    assert_eq!(cluster.peer(1).run(arguments).expect(0).code, 0);
    assert_same(&original, &output);
    Ok(())
}

#[test]
fn a_peer_that_was_away_does_not_bring_a_removed_name_back() -> Result<()> {
    let mut cluster = Cluster::builder().peers(3).start()?;
    publish(&cluster, 0, "data", MIB, 2)?;
    cluster.peer_mut(0).program.kill();
    let removed = || cluster.peer(1).run(["remove", "data"]).code;
    eventually("the removal", PATIENCE, removed, |code| *code == 0)?;
    cluster.peer_mut(0).program.restart()?;
    cluster.wait_for_live_peers(3)?;
    // The publisher learns that the content is unwanted; meanwhile and afterwards the name stays unbound.
    let held = || cluster.peer(0).status()["contents"].as_u64();
    eventually(
        "the publisher to share it no longer",
        PATIENCE,
        held,
        |contents| {
            assert_eq!(cluster.peer(1).run(["locate", "data"]).code, 3);
            *contents == Some(0)
        },
    )?;
    Ok(())
}

#[test]
fn a_name_can_be_bound_anew_after_its_removal() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    publish(&cluster, 0, "data", 100_000, 1)?;
    assert_eq!(cluster.peer(0).run(["remove", "data"]).expect(0).code, 0);
    let second = publish(&cluster, 1, "data", 200_000, 1)?;
    let located = cluster.peer(0).locate("data");
    assert_eq!(
        (located["revision"].as_u64(), located["length"].as_u64()),
        (Some(3), Some(200_000))
    );
    let copy = get(&cluster, cluster.peer(0), "data");
    assert_same(&second, &copy);
    Ok(())
}

#[test]
fn a_bound_name_is_not_bound_to_something_else_unless_asked() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    publish(&cluster, 0, "data", 100_000, 1)?;
    let other = cluster.path("other");
    content::write(&other, 50_000, 7)?;
    let add = [
        "add",
        other.to_str().expect("text"),
        "--name",
        "data",
        "--replicas",
        "1",
        "--wait",
        "60s",
    ];
    let refused = cluster.peer(1).run(add).expect(5);
    assert!(refused.stderr.contains("data"), "{}", refused.stderr);
    assert_eq!(cluster.peer(1).status()["pending_publications"], 0);
    assert_eq!(
        cluster
            .peer(1)
            .run(add.into_iter().chain(["--update"]))
            .expect(0)
            .code,
        0
    );
    assert_eq!(cluster.peer(0).locate("data")["revision"], 2);
    // A refused file stays shared until the tracker has handled it: it might have counted as a replica of a
    // content with another name.
    content::write(&cluster.path("third"), 60_000, 8)?;
    let third = cluster.path("third");
    let add = ["add", third.to_str().expect("text"), "--name", "data"];
    drop(cluster.peer(1).run(add).expect(5));
    let contents = || cluster.peer(1).status()["contents"].clone();
    eventually(
        "what was refused to be shared no longer",
        PATIENCE,
        contents,
        |n| *n == 1,
    )?;
    Ok(())
}
