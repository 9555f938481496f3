//! Peers that move from one network to another, and trackers that have lost their journal.

use std::ffi::OsString;
use std::fs;

use anyhow::{Context as _, Result};
use harness::{Cluster, Peer, Program, content, eventually};
use serde_json::Value;

use crate::{
    MIB, PATIENCE, assert_same, get, id_of, keepers_of_the_first, publish, run, text, wait_for_replicas,
};

/// Starts a peer of one cluster at the tracker of another one, or of its own; it was stopped before.
fn move_to(cluster: &mut Cluster, peer: usize, tracker: &str) -> Result<()> {
    let data_dir = cluster.peer(peer).data_dir().to_owned();
    let arguments: Vec<OsString> = ["serve", "--tracker", tracker, "--data-dir"]
        .map(Into::into)
        .into_iter()
        .chain([data_dir.into()])
        .collect();
    let log = cluster.path(&format!("moved-to-{}.log", tracker.replace(':', "-")));
    cluster.peer_mut(peer).program = Program::start("peer", arguments, &log)?;
    wait_for_session(cluster.peer(peer)).map(drop)
}

fn wait_for_session(peer: &Peer) -> Result<Value> {
    let is_connected = |status: &Value| status["session"] == "connected";
    eventually("a session", PATIENCE, || peer.status(), is_connected)
}

/// Returns the contents that a peer has, with the fragments that it holds of each.
fn contents(peer: &Peer) -> Vec<(String, u64)> {
    let listed = peer.run(["list", "--local", "--json"]).expect(0).json();
    let all = listed["contents"].as_array().cloned().unwrap_or_default();
    let held = |one: &Value| {
        let id = one["content"].as_str().unwrap_or_default().to_owned();
        (id, one["fragments_held"].as_u64().unwrap_or_default())
    };
    all.iter().map(held).collect()
}

/// Asserts that a network deletes what it should: what has no name goes.
fn assert_evicts(cluster: &Cluster, peer: usize, name: &str) -> Result<()> {
    // Equal lengths make equal bytes.
    publish(cluster, peer, name, MIB / 2 + name.len() as u64, 2)?;
    let located = cluster.peer(peer).locate(name);
    let id = located["content"].as_str().context("an id")?.to_owned();
    let _removed = cluster.peer(peer).run(["remove", name]).expect(0);
    let holders = || {
        let peers = 0..cluster.peer_count();
        peers
            .filter(|n| contents(cluster.peer(*n)).iter().any(|(held, _)| *held == id))
            .count()
    };
    eventually("the removed content to go", PATIENCE, holders, |left| *left == 0).map(drop)
}

/// Asserts that a peer is in another network than this one, of which it keeps three contents and a
/// publication.
fn assert_kept_apart(peer: &Peer, network: &str) -> Result<()> {
    let status = peer.status();
    assert_ne!(status["network"], network);
    assert_eq!(status["pending_publications"], 0);
    let [apart] = &status["kept_apart"].as_array().context("a list")?[..] else {
        panic!("{status}")
    };
    assert_eq!(apart["network"], network);
    assert_eq!(
        (
            &apart["contents"],
            &apart["bytes"],
            &apart["pending_publications"]
        ),
        (&3.into(), &(4 * MIB).into(), &1.into()),
        "{status}"
    );
    let told = peer.run(["status"]).expect(0).stdout;
    assert!(
        told.contains("peer adopt-network") && told.contains(network),
        "{told}"
    );
    Ok(())
}

#[test]
fn a_peer_takes_nothing_from_one_network_into_another() -> Result<()> {
    let mut a = Cluster::builder().plain().peers(3).start()?;
    let b = Cluster::builder().plain().peers(2).start()?;
    let ours = publish(&a, 0, "ours", MIB, 2)?;
    let theirs = publish(&a, 1, "theirs", 2 * MIB, 3)?;
    let id = id_of(a.peer(0));
    let network = a.peer(0).status()["network"]
        .as_str()
        .context("a network")?
        .to_owned();

    // Something waits for the tracker of A when the peer goes to B.
    a.tracker.kill();
    let late = a.path("late.bin");
    content::write(&late, MIB, 77)?;
    let _added = a.peer(0).run(["add", text(&late), "--replicas", "2"]);
    let before = contents(a.peer(0));
    a.peer_mut(0).program.stop()?;
    move_to(&mut a, 0, b.tracker.address())?;

    assert_kept_apart(a.peer(0), &network)?;
    assert!(
        a.peer(0).program.log().contains("kept apart"),
        "{}",
        a.peer(0).program.log()
    );

    for (content, _) in &before {
        let refused = a.peer(0).run(["forget", content]);
        assert!(
            refused.stderr.contains("of another network"),
            "{}",
            refused.stderr
        );
    }
    // B has nothing of A, not even its names, and deletes what it should: longer than its grace time.
    let listed = a.peer(0).run(["list", "--json"]).expect(0).json();
    assert_eq!(listed["names"], serde_json::json!([]));
    assert_evicts(&b, 0, "gone")?;
    // The peer is one of B, and takes the same name there for something else.
    let mine = a.path("mine.bin");
    content::write(&mine, MIB, 99)?;
    let add = [
        "add",
        text(&mine),
        "--name",
        "ours",
        "--replicas",
        "3",
        "--wait",
        "60s",
    ];
    let _added = a.peer(0).run(add).expect(0);
    assert_same(&mine, &get(&b, b.peer(1), "ours"));
    assert_evicts(&b, 1, "gone-too")?;
    let now = contents(a.peer(0));
    assert!(before.iter().all(|held| now.contains(held)), "{before:?} {now:?}");
    let log = b.tracker.log();
    assert!(!log.contains("restored from an older backup"), "{log}");

    // Back in A everything is as before, and what waited is done.
    a.peer_mut(0).program.stop()?;
    a.tracker.restart()?;
    let tracker = a.tracker.address().to_owned();
    move_to(&mut a, 0, &tracker)?;
    assert_eq!(a.peer(0).status()["network"], network.as_str());
    wait_for_replicas(a.peer(1), "theirs", 3, &[])?;
    wait_for_replicas(a.peer(1), "late.bin", 2, &[])?;
    wait_for_replicas(a.peer(1), "ours", 2, &[])?;
    assert!(keepers_of_the_first(a.peer(1), "ours").contains(&id));
    assert!(keepers_of_the_first(a.peer(1), "theirs").contains(&id));
    let status = a.peer(0).status();
    assert_eq!(status["bytes_received"], 0, "nothing had to be copied again");
    assert_eq!(status["kept_apart"][0]["contents"], 1, "{status}");
    assert_same(&ours, &get(&a, a.peer(2), "ours"));
    assert_same(&theirs, &get(&a, a.peer(0), "theirs"));
    assert_evicts(&a, 1, "gone")?;
    let log = a.tracker.log();
    assert!(!log.contains("restored from an older backup"), "{log}");
    Ok(())
}

/// A cluster of two whose tracker has lost its journal while it was stopped.
fn without_a_journal() -> Result<(Cluster, String)> {
    let mut cluster = Cluster::builder().plain().peers(2).start()?;
    publish(&cluster, 0, "data", 2 * MIB, 2)?;
    let status = cluster.peer(0).status();
    let network = status["network"].as_str().context("a network")?.to_owned();
    cluster.tracker.stop()?;
    fs::remove_dir_all(cluster.path("tracker"))?;
    Ok((cluster, network))
}

/// Waits until a peer is in a network that is, or is not, this one.
fn wait_for_network(peer: &Peer, network: &str, is_it: bool) -> Result<Value> {
    let is_there =
        |status: &Value| status["session"] == "connected" && (status["network"] == network) == is_it;
    eventually("the network", PATIENCE, || peer.status(), is_there)
}

#[test]
fn names_of_a_lost_network_are_published_in_a_new_one() -> Result<()> {
    let (mut cluster, network) = without_a_journal()?;
    cluster.tracker.restart()?;
    for n in 0..2 {
        let status = wait_for_network(cluster.peer(n), &network, false)?;
        assert_eq!(status["kept_apart"][0]["contents"], 1, "{status}");
    }
    assert_evicts(&cluster, 1, "gone")?;
    let running = cluster.peer(0).run(["adopt-network"]).expect(5);
    assert!(running.stderr.contains("a node runs on it"), "{}", running.stderr);

    cluster.peer_mut(0).program.stop()?;
    let nothing = cluster.peer(0).run(["adopt-network", "00000000"]).expect(3);
    assert!(
        nothing.stderr.contains("has nothing of a network"),
        "{}",
        nothing.stderr
    );
    let adopted = cluster
        .peer(0)
        .run(["adopt-network", &network[..10], "--json"])
        .expect(0)
        .json();
    assert_eq!(adopted["names"], serde_json::json!(["data"]));
    cluster.peer_mut(0).program.restart()?;
    wait_for_session(cluster.peer(0))?;
    let listed = || cluster.peer(1).run(["list", "--json"]).expect(0).json();
    eventually("the name", PATIENCE, listed, |listed| {
        listed["names"][0]["name"] == "data"
    })?;
    wait_for_replicas(cluster.peer(1), "data", 2, &[])?;
    let status = cluster.peer(1).status();
    assert_eq!(
        status["bytes_received"],
        2 * MIB,
        "its copy from before counts again"
    );
    assert_eq!(status["kept_apart"], serde_json::json!([]));
    assert_same(&cluster.path("data.bin"), &get(&cluster, cluster.peer(1), "data"));
    Ok(())
}

#[test]
fn a_new_journal_takes_over_the_id_of_a_lost_one() -> Result<()> {
    let (mut cluster, network) = without_a_journal()?;
    for n in 0..2 {
        cluster.peer_mut(n).program.stop()?;
    }
    // An empty journal, as its operator makes one.
    cluster.tracker.restart()?;
    cluster.tracker.stop()?;
    let tracker = cluster.path("tracker");
    let restored = ["restored", "--network", &network, "--data-dir", text(&tracker)];
    let refused = run("tracker", &restored).expect(5);
    assert!(
        refused.stderr.contains("only to a journal that has none"),
        "{}",
        refused.stderr
    );
    fs::remove_dir_all(&tracker)?;
    let _restored = run("tracker", &restored).expect(0);
    cluster.tracker.restart()?;
    for n in 0..2 {
        cluster.peer_mut(n).program.restart()?;
        let status = wait_for_network(cluster.peer(n), &network, true)?;
        assert_eq!(status["kept_apart"], serde_json::json!([]));
    }
    // Nobody knows which names are missing, so nothing is deleted; its owner publishes the file again.
    let add = [
        "add",
        text(&cluster.path("data.bin")),
        "--replicas",
        "2",
        "--wait",
        "60s",
    ]
    .map(str::to_owned);
    let _added = cluster.peer(0).run(add).expect(0);
    assert_eq!(cluster.peer(1).status()["bytes_received"], 0);
    Ok(())
}
