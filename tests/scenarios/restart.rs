//! The tracker dies without warning; nothing that it acknowledged is lost.

use std::process::Stdio;
use std::time::Duration;

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
fn an_update_without_a_tracker_overwrites_nothing_newer() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    cluster.wait_for_live_peers(2)?;
    let put = |cluster: &Cluster, peer: usize, value: &str| {
        drop(
            cluster
                .peer(peer)
                .run(["put", "key", value, "--replicas", "1"])
                .expect(0),
        );
    };
    put(&cluster, 0, "first");
    cluster.tracker.kill();
    put(&cluster, 0, "old");
    cluster.peer_mut(0).program.kill();
    cluster.tracker.restart()?;
    let connected = || {
        cluster.peer(1).status()["session"]
            .as_str()
            .map(ToOwned::to_owned)
    };
    eventually("a session", PATIENCE, connected, |session| {
        session.as_deref() == Some("connected")
    })?;
    put(&cluster, 1, "newer");
    cluster.peer_mut(0).program.restart()?;
    let pending = || cluster.peer(0).status()["pending_publications"].as_u64();
    eventually("an answer", PATIENCE, pending, |count| *count == Some(0))?;
    let local = cluster
        .peer(0)
        .run(["list", "--local", "--json"])
        .expect(0)
        .stdout;
    assert!(local.contains("superseded: "), "{local}");
    let value = cluster.peer(1).run(["value", "key"]).expect(0).stdout;
    assert_eq!(value.trim_end(), "newer");
    Ok(())
}

#[test]
fn publications_of_killed_commands_are_made_in_the_same_session() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    cluster.wait_for_live_peers(1)?;
    for round in 0..30 {
        let path = cluster.path(&format!("file-{round}"));
        content::write(&path, 20_000, round)?;
        let path = path.to_str().expect("text");
        let name = format!("file-{round}");
        let mut child = cluster
            .peer(0)
            .command(["add", path, "--name", &name, "--replicas", "1"])
            .stdout(Stdio::null())
            .spawn()?;
        // A different moment in each round; some commands are done by then.
        std::thread::sleep(Duration::from_millis(10 + 3 * round));
        child.kill()?;
        child.wait()?;
    }
    let pending = || cluster.peer(0).status()["pending_publications"].as_u64();
    eventually("all to be made", Duration::from_secs(5), pending, |count| {
        *count == Some(0)
    })?;
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

#[test]
fn commands_wait_a_moment_for_a_tracker_that_restarts() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    for name in ["data", "old", "gone"] {
        publish(&cluster, 0, name, 1000, 1)?;
    }
    cluster.tracker.kill();
    let lost = |peer: &harness::Peer| peer.status()["session"].as_str() != Some("connected");
    eventually("the loss", PATIENCE, || lost(cluster.peer(0)), |lost| *lost)?;
    // While nothing comes back, a command ends when it is told to, and then with the reason.
    let timed = cluster.peer(0).run(["list", "--timeout", "2s"]);
    assert_eq!(timed.code, 124, "{}", timed.stderr);
    assert!(
        timed.stderr.contains("waiting a moment for the tracker"),
        "{}",
        timed.stderr
    );
    let lines: [&[&str]; 8] = [
        &["list"],
        &["locate", "data"],
        &["history", "data"],
        &["rename", "old", "new"],
        &["remove", "gone"],
        &["why", "data"],
        &["replicas", "data", "1"],
        &["put", "key", "value"],
    ];
    let spawn = |line: &&[&str]| {
        cluster
            .peer(0)
            .command(*line)
            .spawn()
            .expect("the program is there")
    };
    let waiting: Vec<_> = lines.iter().map(spawn).collect();
    // The tracker is away for longer than a call is tried again.
    std::thread::sleep(std::time::Duration::from_secs(4));
    cluster.tracker.restart()?;
    for (line, command) in lines.iter().zip(waiting) {
        let outcome = harness::Outcome::from(command.wait_with_output()?);
        assert_eq!(outcome.code, 0, "{line:?}: {}", outcome.stderr);
    }
    // A tracker that stays away is named in the end.
    cluster.tracker.kill();
    let refused = cluster.peer(0).run(["list"]).expect(6);
    assert!(refused.stderr.contains("tracker"), "{}", refused.stderr);
    Ok(())
}

#[test]
fn removing_a_name_offline_takes_back_its_update_and_no_more() -> Result<()> {
    let mut cluster = Cluster::builder().peers(1).start()?;
    let path = publish(&cluster, 0, "data", 1000, 1)?;
    cluster.tracker.kill();
    let lost = |peer: &harness::Peer| peer.status()["session"].as_str() != Some("connected");
    eventually("the loss", PATIENCE, || lost(cluster.peer(0)), |lost| *lost)?;
    let next = cluster.path("next");
    content::write(&next, 1000, 9)?;
    for (path, name) in [(&next, "data"), (&path, "never")] {
        let path = path.to_str().expect("text");
        cluster.peer(0).run(["add", path, "--name", name, "--update"]);
    }
    let pending = || cluster.peer(0).status()["pending_publications"].clone();
    eventually("the update waits", PATIENCE, pending, |count| count == 2)?;
    let refused = cluster.peer(0).run(["remove", "data"]).expect(6);
    let says = "the pending update of data is cancelled, and the name stays as it is bound";
    assert!(refused.stderr.contains(says), "{}", refused.stderr);
    cluster.tracker.restart()?;
    let list = || cluster.peer(0).run(["list", "--json"]);
    let listed = eventually("the tracker is back", PATIENCE, list, |listed| listed.code == 0)?;
    let names = listed.json()["names"].clone();
    let bound = names
        .as_array()
        .into_iter()
        .flatten()
        .find(|name| name["name"] == "data");
    assert_eq!(bound.expect("it stays")["revision"], 1);
    Ok(())
}
