//! Data directories that exist twice: copied ones, cloned images, restored backups.

use anyhow::Result;
use harness::{Cluster, Peer, Program, eventually, fewest};
use serde_json::Value;

use crate::{MIB, PATIENCE, assert_same, get, id_of, publish, wait_for_replicas};

fn wait_for_session(peer: &Peer, state: &str) -> Result<Value> {
    eventually(
        state,
        PATIENCE,
        || peer.status(),
        |status| status["session"] == state,
    )
}

/// A log may be written a moment after the answer.
fn wait_for_log(program: &Program, text: &str) -> Result<()> {
    eventually(text, PATIENCE, || program.log().contains(text), |seen| *seen).map(drop)
}

#[test]
fn of_three_copies_one_stays_and_each_gets_an_id_of_its_own() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let original = publish(&cluster, 0, "data", MIB, 2)?;
    cluster.peer_mut(0).program.stop()?;
    let copies = [cluster.add_copy(0)?, cluster.add_copy(0)?];
    cluster.peer_mut(0).program.restart()?;
    let all = [0, copies[0], copies[1]];
    let sessions = || all.map(|n| cluster.peer(n).status()["session"].as_str().map(str::to_owned));
    let is_settled = |sessions: &[Option<String>; 3]| {
        let count = |state: &str| {
            sessions
                .iter()
                .flatten()
                .filter(|session| *session == state)
                .count()
        };
        count("connected") == 1 && count("refused") == 2
    };
    let settled = eventually("one to stay", PATIENCE, sessions, is_settled)?;
    wait_for_replicas(cluster.peer(1), "data", 2, &[])?;
    let journal = std::fs::metadata(cluster.path("tracker/journal.sqlite-wal"))
        .map(|file| file.len())
        .ok();

    // Nothing alternates from here on, and nothing is written.
    let stays = all[settled
        .iter()
        .position(|session| session.as_deref() == Some("connected"))
        .expect("one")];
    for _ in 0..10 {
        assert_eq!(sessions(), settled);
        assert_eq!(fewest(&cluster.peer(1).locate("data")), 2);
    }
    let later = std::fs::metadata(cluster.path("tracker/journal.sqlite-wal"))
        .map(|file| file.len())
        .ok();
    assert_eq!(journal, later, "the journal does not grow");

    // Everyone is told: the copies, their users, and those who look at the network.
    let incumbent = cluster.peer(stays).program.address().to_owned();
    for copy in all.into_iter().filter(|n| *n != stays) {
        let status = cluster.peer(copy).status();
        let reason = status["reason"].as_str().expect("a reason");
        assert!(
            reason.contains(&format!("copy of the one at {incumbent}")),
            "{reason}"
        );
        assert!(reason.contains("peer new-id"), "{reason}");
        let added = cluster.peer(copy).run(["remove", "data"]).expect(5);
        assert!(added.stderr.contains("copy of the one at"), "{}", added.stderr);
        wait_for_log(&cluster.peer(copy).program, "copy of the one")?;
        let refused = cluster.peer(copy).run(["new-id"]).expect(5);
        assert!(refused.stderr.contains("a node runs on it"), "{}", refused.stderr);
    }
    let network = cluster.peer(1).run(["network", "--json"]).expect(0).json();
    let peers = network["peers"].as_array().expect("peers");
    assert_eq!(
        peers.iter().filter(|peer| peer["copy"].is_string()).count(),
        1,
        "{network}"
    );
    let shown = cluster.peer(1).run(["network"]).expect(0);
    assert!(shown.stdout.contains("live, copied"), "{}", shown.stdout);
    assert!(
        shown.stderr.contains("a copy of its data directory"),
        "{}",
        shown.stderr
    );
    wait_for_log(&cluster.tracker, "copies of one data directory")?;

    // With ids of their own they are peers of their own, and bring what they hold.
    for copy in all.into_iter().filter(|n| *n != stays) {
        let before = id_of(cluster.peer(copy));
        cluster.peer_mut(copy).program.stop()?;
        let renewed = cluster.peer(copy).run(["new-id", "--json"]).expect(0).json();
        assert_eq!(renewed["previous"], before);
        cluster.peer_mut(copy).program.restart()?;
        wait_for_session(cluster.peer(copy), "connected")?;
        assert_eq!(renewed["id"], id_of(cluster.peer(copy)));
    }
    cluster.wait_for_live_peers(4)?;
    let copy = all.into_iter().find(|n| *n != stays).expect("two");
    assert_same(&original, &get(&cluster, cluster.peer(copy), "data"));
    Ok(())
}

#[test]
fn a_copy_of_a_running_directory_does_not_displace_it() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    publish(&cluster, 0, "data", MIB, 2)?;
    let copy = cluster.add_copy(0)?;
    let status = wait_for_session(cluster.peer(copy), "refused")?;
    assert_eq!(status["id"], id_of(cluster.peer(0)).as_str());
    assert_eq!(cluster.peer(0).status()["session"], "connected");
    assert_eq!(fewest(&cluster.peer(1).locate("data")), 2);
    // The copied file that commands find a node by speaks of the other node.
    cluster.peer_mut(copy).program.stop()?;
    assert_eq!(cluster.peer(copy).run(["status"]).code, 6);
    assert_eq!(cluster.peer(0).run(["status"]).code, 0);
    // A command that runs a node of its own ends with the same answer.
    let [flag, entry] = cluster.entry();
    let got = cluster
        .peer(copy)
        .run(["get", "data", "--output", "nowhere", flag, entry]);
    assert!(got.expect(5).stderr.contains("peer new-id"));
    Ok(())
}

#[test]
fn a_refused_copy_comes_in_when_the_other_has_gone_for_good() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    publish(&cluster, 0, "data", MIB, 2)?;
    let copy = cluster.add_copy(0)?;
    wait_for_session(cluster.peer(copy), "refused")?;
    // A restart of the tracker gives the session back to the run that had it.
    cluster.tracker.restart()?;
    wait_for_session(cluster.peer(0), "connected")?;
    assert_eq!(cluster.peer(copy).status()["session"], "refused");
    cluster.peer_mut(0).program.stop()?;
    eventually(
        "the copy to come in",
        PATIENCE * 2,
        || cluster.peer(copy).status(),
        |status| status["session"] == "connected",
    )?;
    wait_for_replicas(cluster.peer(1), "data", 2, &[])?;
    let said = cluster.peer(copy).program.log();
    assert_eq!(said.matches("copy of the one").count(), 1, "it is said once");
    Ok(())
}

#[test]
fn a_restart_is_no_copy_and_a_restored_backup_is_welcome() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    publish(&cluster, 0, "data", MIB, 2)?;
    cluster.peer_mut(0).program.stop()?;
    let backup = cluster.path("backup");
    harness::copy(cluster.peer(0).data_dir(), &backup)?;
    for _ in 0..3 {
        cluster.peer_mut(0).program.restart()?;
        wait_for_session(cluster.peer(0), "connected")?;
        // Killed: the tracker may or may not have noticed when it starts again.
        cluster.peer_mut(0).program.kill();
    }
    std::fs::remove_dir_all(cluster.peer(0).data_dir())?;
    harness::copy(&backup, cluster.peer(0).data_dir())?;
    cluster.peer_mut(0).program.restart()?;
    wait_for_session(cluster.peer(0), "connected")?;
    wait_for_replicas(cluster.peer(1), "data", 2, &[])?;
    assert!(!cluster.tracker.log().contains("copies of one data directory"));
    Ok(())
}
